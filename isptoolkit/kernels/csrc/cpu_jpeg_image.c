/* JPEG of an image in one pass: color conversion, chroma sampling, blocks, and back, a row of units at a time. */
#include "cpu_jpeg_strips.h"
#include "cpu_threads.h"

#define CHUNK 512 /* pixels at a time */

/* Compress and decompress a plane of a row of units in place. */
static void compress_plane(uint8_t *codes, int64_t stride, int64_t rows, int64_t columns, const quantizer *q) {
    for (int64_t row = 0; row < rows; row += 8)
        for (int64_t column = 0; column < columns; column += LANES) {
            uint8_t *at = codes + row * stride + column;
            whole p;
            read_patch(p, at, stride);
            compress(p, q);
            for (int r = 0; r < 8; r++) {
                isp_i32 samples[LANES];
                collect(samples, p[r]);
                EACH_LANE at[r * stride + i] = (uint8_t)isp_decoded(samples[i]);
            }
        }
}

/* Upsample `n` columns of a row of pixels from two rows of chroma; `from` is even. */
static void upsample(const uint8_t *near, const uint8_t *far, int64_t columns, int down, int across, int64_t from, int n, isp_i32 *to) {
    if (across == 1) {
        SIMD for (int i = 0; i < n; i++) to[i] = near[from + i];
        return;
    }
    if (columns <= REPLICATED) {
        for (int i = 0; i < n; i++) to[i] = near[(from + i) / 2];
        return;
    }
    isp_i32 sums[CHUNK / 2 + 2], *sum = sums + 1;
    const int64_t first = from / 2;
    const int count = (n + 1) / 2;
    const int64_t left = first > 0 ? first - 1 : 0, right = smaller(first + count, columns - 1);
    SIMD for (int k = 0; k < count; k++) sum[k] = isp_between_rows(near[first + k], far[first + k], down);
    sum[-1] = isp_between_rows(near[left], far[left], down);
    sum[count] = isp_between_rows(near[right], far[right], down);
    if (down == 1) {
        SIMD for (int k = 0; k < count; k++) {
            to[2 * k] = isp_between_columns(sum[k], sum[k - 1], 1, 0);
            to[2 * k + 1] = isp_between_columns(sum[k], sum[k + 1], 1, 1);
        }
    } else {
        SIMD for (int k = 0; k < count; k++) {
            to[2 * k] = isp_between_columns(sum[k], sum[k - 1], 2, 0);
            to[2 * k + 1] = isp_between_columns(sum[k], sum[k + 1], 2, 1);
        }
    }
}

static void write_pixels(const isp_jpeg_image *j, const isp_jpeg_sizes *s, int64_t sample, int64_t unit, int64_t row, const isp_jpeg_codes *c) {
    const int64_t frame = j->height * j->width, here = row / j->down;
    const int64_t beside = j->down == 1 ? here : row % 2 ? smaller(here + 1, s->rows - 1) : here > 0 ? here - 1 : 0;
    const int64_t near = (here - 8 * unit) * s->chroma_stride, far = (beside - 8 * unit) * s->chroma_stride;
    float *r = j->output + (sample * 3 * j->height + row) * j->width, *g = r + frame, *b = g + frame;
    const uint8_t *y = c->luma + (row - 8 * unit * j->down) * s->luma_stride;
    for (int64_t from = 0; from < j->width; from += CHUNK) {
        const int n = (int)smaller(CHUNK, j->width - from);
        isp_i32 chroma[2][CHUNK];
        for (int k = 0; k < 2; k++) upsample(c->chroma[k] + near, c->chroma[k] + far, s->columns, j->down, j->across, from, n, chroma[k]);
        SIMD for (int i = 0; i < n; i++) {
            const isp_pixel x = isp_pixel_of(y[from + i], chroma[0][i], chroma[1][i]);
            r[from + i] = x.r, g[from + i] = x.g, b[from + i] = x.b;
        }
    }
}

/* Upsampling looks one row of chroma up and down, so that the last row of pixels waits for the next units: each component has
 * the last row of the units above at row -1. */
static void apply_units(const void *work, int thread, int64_t first, int64_t last) {
    const isp_jpeg_image *j = work;
    const isp_jpeg_sizes s = jpeg_sizes(j);
    const int lag = j->down - 1, luma_rows = 8 * j->down;
    uint8_t *scratch = (uint8_t *)(j->scratch + thread * j->scratch_size);
    isp_jpeg_codes c = divide_codes(&scratch, &s, luma_rows, 1);
    quantizer q[2];
    if (first == last) return;
    const int64_t start = first - (lag && first % s.units); /* the units above are decoded again */
    for (int64_t index = start; index < last; index++) {
        const int64_t sample = index / s.units, unit = index % s.units;
        if (index == start || unit == 0)
            for (int k = 0; k < 2; k++) read_table(&q[k], j->tables + sample * j->table_stride + 64 * k);
        split_units(j, &s, sample, unit, &c);
        compress_plane(c.luma, s.luma_stride, luma_rows, j->width, &q[0]);
        for (int k = 0; k < 2; k++) compress_plane(c.chroma[k], s.chroma_stride, 8, s.columns, &q[1]);
        if (index >= first) {
            const int64_t top = unit ? luma_rows * unit - lag : 0, end = unit + 1 == s.units ? j->height : luma_rows * (unit + 1) - lag;
            for (int64_t row = top; row < end; row++) write_pixels(j, &s, sample, unit, row, &c);
        }
        memcpy(c.luma - s.luma_stride, c.luma + (luma_rows - 1) * s.luma_stride, (size_t)s.luma_stride);
        for (int k = 0; k < 2; k++)
            memcpy(c.chroma[k] - s.chroma_stride, c.chroma[k] + 7 * s.chroma_stride, (size_t)s.chroma_stride);
    }
}

void ISP_NAME(isp_jpeg_image_apply)(const isp_jpeg_image *image) {
    const isp_jpeg_sizes s = jpeg_sizes(image);
    split_work(apply_units, image, image->batch * s.units, image->threads);
}
