/* Color conversion and chroma subsampling between an RGB image and the components of a JPEG, in libjpeg's integer arithmetic. */
#include "cpu.h"
#include "cpu_threads.h"
#include "dct.h"

#define SIMD _Pragma("omp simd")
#define CHUNK 256 /* chroma samples at a time */

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

static inline isp_i32 code(float sample) { return isp_centered(sample) + 128; }

/* Convert columns [from, end) of one row to Y, Cb and Cr; columns beyond the width repeat the last one. */
static void convert(const isp_jpeg_planes *j, int64_t sample, int64_t row, int64_t from, int64_t end, float *y, isp_i32 *blue, isp_i32 *red) {
    const int64_t frame = j->height * j->width, at = (sample * 3 * j->height + smaller(row, j->height - 1)) * j->width;
    const float *r = j->image + at, *g = r + frame, *b = g + frame;
    /* A chunk beyond the width repeats the last column only. */
    const int64_t start = smaller(from, j->width - 1), inside = smaller(end, j->width) - start;
    const float scale = j->scale;
    SIMD for (int64_t i = 0; i < inside; i++) {
        isp_i32 u = code(r[start + i] * scale), v = code(g[start + i] * scale), w = code(b[start + i] * scale);
        y[i] = (float)((19595 * u + 38470 * v + 7471 * w + 32768) >> 16);
        blue[i] = (-11059 * u - 21709 * v + 32768 * w + (128 << 16) + 32767) >> 16;
        red[i] = (32768 * u - 27439 * v - 5329 * w + (128 << 16) + 32767) >> 16;
    }
    for (int64_t i = inside; i < end - from; i++) y[i] = y[i - 1], blue[i] = blue[i - 1], red[i] = red[i - 1];
}

/* Average cells of up to 2x2; the rounding alternates along the row, as in libjpeg. */
static void average(float *to, isp_i32 rows[2][2 * CHUNK], int down, int across, int n) {
    if (across == 1) {
        SIMD for (int k = 0; k < n; k++) to[k] = (float)rows[0][k];
    } else if (down == 1) {
        SIMD for (int k = 0; k < n; k++) to[k] = (float)((rows[0][2 * k] + rows[0][2 * k + 1] + (k & 1)) >> 1);
    } else {
        SIMD for (int k = 0; k < n; k++)
            to[k] = (float)((rows[0][2 * k] + rows[0][2 * k + 1] + rows[1][2 * k] + rows[1][2 * k + 1] + 1 + (k & 1)) >> 2);
    }
}

static void split_rows(const void *work, int thread, int64_t first, int64_t last) {
    const isp_jpeg_planes *j = work;
    const int down = j->down, across = j->across;
    const int64_t real_rows = (j->height + down - 1) / down;
    (void)thread;
    for (int64_t index = first; index < last; index++) {
        const int64_t sample = index / j->chroma_height, row = index % j->chroma_height, source = smaller(row, real_rows - 1);
        for (int64_t column = 0; column < j->chroma_width; column += CHUNK) {
            const int n = (int)smaller(CHUNK, j->chroma_width - column);
            isp_i32 blue[2][2 * CHUNK], red[2][2 * CHUNK], unused[2][2 * CHUNK];
            float y[2 * CHUNK];
            const int64_t from = column * across, end = (column + n) * across;
            for (int k = 0; k < down; k++) {
                const int64_t luma_row = row * down + k;
                convert(j, sample, source * down + k, from, end, y, blue[k], red[k]);
                if (luma_row >= j->luma_height || from >= j->luma_width) continue;
                /* Luma rows below the image repeat its last row, not the last row of a chroma cell. */
                if (row != source) convert(j, sample, j->height - 1, from, end, y, unused[0], unused[1]);
                memcpy(j->y + (sample * j->luma_height + luma_row) * j->luma_width + from, y,
                       sizeof(float) * (size_t)(smaller(end, j->luma_width) - from));
            }
            const int64_t at = (sample * j->chroma_height + row) * j->chroma_width + column;
            average(j->blue + at, blue, down, across, n);
            average(j->red + at, red, down, across, n);
        }
    }
}

void ISP_NAME(isp_jpeg_split)(const isp_jpeg_planes *planes) {
    split_work(split_rows, planes, planes->batch * planes->chroma_height, planes->threads);
}

/* Upsample chroma for columns [from, from + n) of one image row. */
static void upsample(const isp_jpeg_planes *j, const float *plane, int64_t sample, int64_t row, int64_t from, int n, isp_i32 *to) {
    const int down = j->down, across = j->across;
    const int64_t rows = (j->height + down - 1) / down, columns = (j->width + across - 1) / across, here = row / down;
    const float *line = plane + (sample * j->chroma_height + here) * j->chroma_width;
    if (across == 1) {
        SIMD for (int i = 0; i < n; i++) to[i] = (isp_i32)line[from + i];
        return;
    }
    if (columns <= 2) { /* libjpeg replicates samples in planes this narrow */
        for (int i = 0; i < n; i++) to[i] = (isp_i32)line[(from + i) / 2];
        return;
    }
    isp_i32 sums[CHUNK + 2], *sum = sums + 1;
    const int64_t first = from / 2, count = (n + 1) / 2;
    const int64_t beside = here + (row % down ? 1 : -1), other_row = down == 1 ? here : beside < 0 ? 0 : smaller(beside, rows - 1);
    const float *other = plane + (sample * j->chroma_height + other_row) * j->chroma_width;
    const int weight = down == 1 ? 0 : 1, own = down == 1 ? 1 : 3, bits = down == 1 ? 2 : 4, low = down == 1 ? 1 : 8, high = down == 1 ? 2 : 7;
    SIMD for (int64_t k = 0; k < count; k++) sum[k] = own * (isp_i32)line[first + k] + weight * (isp_i32)other[first + k];
    const int64_t left = first > 0 ? first - 1 : 0, right = smaller(first + count, columns - 1);
    sum[-1] = own * (isp_i32)line[left] + weight * (isp_i32)other[left];
    sum[count] = own * (isp_i32)line[right] + weight * (isp_i32)other[right];
    SIMD for (int64_t k = 0; k < count; k++) {
        to[2 * k] = (3 * sum[k] + sum[k - 1] + low) >> bits;
        to[2 * k + 1] = (3 * sum[k] + sum[k + 1] + high) >> bits;
    }
}

static void join_rows(const void *work, int thread, int64_t first, int64_t last) {
    const isp_jpeg_planes *j = work;
    const int64_t frame = j->height * j->width;
    (void)thread;
    for (int64_t index = first; index < last; index++) {
        const int64_t sample = index / j->height, row = index % j->height;
        for (int64_t from = 0; from < j->width; from += 2 * CHUNK) {
            const int n = (int)smaller(2 * CHUNK, j->width - from);
            isp_i32 blue[2 * CHUNK], red[2 * CHUNK];
            upsample(j, j->blue, sample, row, from, n, blue);
            upsample(j, j->red, sample, row, from, n, red);
            const float *y = j->y + (sample * j->luma_height + row) * j->luma_width + from;
            float *r = j->image + (sample * 3 * j->height + row) * j->width + from, *g = r + frame, *b = g + frame;
            const float scale = j->scale;
            SIMD for (int i = 0; i < n; i++) {
                isp_i32 luma = (isp_i32)y[i] - 128, u = blue[i] - 128, v = red[i] - 128;
                r[i] = isp_sample(luma + ((91881 * v + 32768) >> 16)) / scale;
                g[i] = isp_sample(luma + ((-22554 * u - 46802 * v + 32768) >> 16)) / scale;
                b[i] = isp_sample(luma + ((116130 * u + 32768) >> 16)) / scale;
            }
        }
    }
}

void ISP_NAME(isp_jpeg_join)(const isp_jpeg_planes *planes) {
    split_work(join_rows, planes, planes->batch * planes->height, planes->threads);
}
