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

/* Upsample `n` columns of a row of pixels from two rows of chroma, those at its ends excepted; `from` is even. */
static void upsample(const uint8_t *near, const uint8_t *far, int64_t columns, int down, int across, int64_t from, int n, isp_i32 *to) {
    near += from / across, far += from / across;
    if (across == 1) {
        SIMD for (int i = 0; i < n; i++) to[i] = near[i];
    } else if (columns <= REPLICATED) {
        for (int i = 0; i < n; i++) to[i] = near[i / 2];
    } else if (down == 1) {
        SIMD for (int k = 0; k < (n + 1) / 2; k++) {
            to[2 * k] = isp_upsampled(near, far, k, k - 1, 1, 0);
            to[2 * k + 1] = isp_upsampled(near, far, k, k + 1, 1, 1);
        }
    } else {
        SIMD for (int k = 0; k < (n + 1) / 2; k++) {
            to[2 * k] = isp_upsampled(near, far, k, k - 1, 2, 0);
            to[2 * k + 1] = isp_upsampled(near, far, k, k + 1, 2, 1);
        }
    }
}

static void write_pixels(const isp_jpeg_image *j, const isp_jpeg_sizes *s, int64_t sample, int64_t unit, int64_t row, const isp_jpeg_codes *c) {
    const int64_t frame = j->height * j->width, here = row / j->down, beside = j->down == 1 ? here : isp_beside(row, s->rows);
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
    if (j->across == 1 || s->columns <= REPLICATED) return;
    for (int64_t column = 0; column < j->width; column += j->width - 1) { /* the ends, beyond which chroma is repeated */
        const int64_t next = isp_beside(column, s->columns);
        isp_i32 ends[2];
        for (int k = 0; k < 2; k++)
            ends[k] = isp_upsampled(c->chroma[k] + near, c->chroma[k] + far, column / 2, next, j->down, (int)(column % 2));
        const isp_pixel x = isp_pixel_of(y[column], ends[0], ends[1]);
        r[column] = x.r, g[column] = x.g, b[column] = x.b;
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
