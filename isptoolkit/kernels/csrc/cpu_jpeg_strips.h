/* The rows of units (8x8 chroma samples and the pixels below them) that JPEG of an image works on, one after another. */
#ifndef ISPTOOLKIT_CPU_JPEG_STRIPS_H
#define ISPTOOLKIT_CPU_JPEG_STRIPS_H

#include "cpu.h"
#include "cpu_jpeg_patch.h"
#include "jpeg_color.h"

#include <string.h>

#define SIMD _Pragma("omp simd")

static inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

/* Sizes that follow from the image's: real rows and columns of chroma, and the columns that a row of patches pads them to. */
typedef struct { int64_t units, rows, columns, luma_stride, chroma_stride; } isp_jpeg_sizes;

static inline isp_jpeg_sizes jpeg_sizes(const isp_jpeg_image *j) {
    isp_jpeg_sizes s;
    s.rows = (j->height + j->down - 1) / j->down;
    s.columns = (j->width + j->across - 1) / j->across;
    s.units = (s.rows + 7) / 8;
    s.luma_stride = (j->width + ISP_JPEG_COLUMNS - 1) / ISP_JPEG_COLUMNS * ISP_JPEG_COLUMNS;
    s.chroma_stride = s.luma_stride / j->across;
    return s;
}

/* The codes of a row of units' components, and scratch rows of chroma before it is subsampled. */
typedef struct { uint8_t *luma, *chroma[2], *row[2][2]; } isp_jpeg_codes;

/* Divide scratch memory; `above` rows lie above each component. */
static inline isp_jpeg_codes divide_codes(uint8_t **scratch, const isp_jpeg_sizes *s, int luma_rows, int above) {
    isp_jpeg_codes c;
    c.luma = *scratch + above * s->luma_stride, *scratch += (above + luma_rows) * s->luma_stride;
    for (int k = 0; k < 2; k++) {
        c.chroma[k] = *scratch + above * s->chroma_stride, *scratch += (above + 8) * s->chroma_stride;
        for (int d = 0; d < 2; d++) c.row[k][d] = *scratch, *scratch += s->luma_stride;
    }
    return c;
}

/* Convert a row of pixels to components, whose last column is repeated. */
static inline void convert(const isp_jpeg_image *j, const isp_jpeg_sizes *s, int64_t sample, int64_t row, uint8_t *y, uint8_t *blue, uint8_t *red) {
    const int64_t frame = j->height * j->width, width = j->width;
    const float *r = j->image + (sample * 3 * j->height + smaller(row, j->height - 1)) * width, *g = r + frame, *b = g + frame;
    SIMD for (int64_t i = 0; i < width; i++) {
        const isp_pixel x = {r[i], g[i], b[i]};
        const isp_codes c = isp_codes_of(x);
        y[i] = (uint8_t)isp_y_of(c), blue[i] = (uint8_t)isp_blue_of(c), red[i] = (uint8_t)isp_red_of(c);
    }
    const size_t rest = (size_t)(s->luma_stride - width);
    memset(y + width, y[width - 1], rest);
    memset(blue + width, blue[width - 1], rest);
    memset(red + width, red[width - 1], rest);
}

/* The means of cells of two columns and one or two rows. */
static void average(uint8_t *restrict mean, const uint8_t *restrict a, const uint8_t *restrict b, int down, int64_t n) {
    if (down == 1) {
        SIMD for (int64_t k = 0; k < n; k++) mean[k] = (uint8_t)isp_cell_mean(a[2 * k] + a[2 * k + 1], 2, (int)k);
    } else {
        SIMD for (int64_t k = 0; k < n; k++) mean[k] = (uint8_t)isp_cell_mean(a[2 * k] + a[2 * k + 1] + b[2 * k] + b[2 * k + 1], 4, (int)k);
    }
}

/* Convert and subsample a row of units. Rows of chroma below the image repeat its last row of chroma, those of luma its last
 * row. */
static inline void split_units(const isp_jpeg_image *j, const isp_jpeg_sizes *s, int64_t sample, int64_t unit, const isp_jpeg_codes *c) {
    for (int k = 0; k < 8; k++) {
        const int64_t row = 8 * unit + k, source = smaller(row, s->rows - 1);
        for (int d = 0; d < j->down; d++) {
            uint8_t *y = c->luma + (k * j->down + d) * s->luma_stride;
            if (row == source) convert(j, s, sample, row * j->down + d, y, c->row[0][d], c->row[1][d]);
            else memcpy(y, y - s->luma_stride, (size_t)s->luma_stride);
        }
        /* Below the image, the scratch rows are those of its last row. */
        for (int n = 0; n < 2; n++) {
            uint8_t *mean = c->chroma[n] + k * s->chroma_stride;
            if (j->across == 1) memcpy(mean, c->row[n][0], (size_t)s->chroma_stride);
            else average(mean, c->row[n][0], c->row[n][1], j->down, s->chroma_stride);
        }
    }
}

/* The centered samples of a patch of codes. */
static inline void read_patch(whole p, const uint8_t *codes, int64_t stride) {
    for (int r = 0; r < 8; r++) {
        isp_i32 row[LANES];
        EACH_LANE row[i] = codes[r * stride + i] - 128;
        deal(p[r], row);
    }
}

#endif
