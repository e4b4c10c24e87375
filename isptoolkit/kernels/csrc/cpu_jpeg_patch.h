/* JPEG of a patch of sixteen 8x8 blocks side by side: DCT, quantization and inverse DCT, and the gradient. Every step runs on
 * the same sample of all blocks at once, so that it is vectorized. */
#ifndef ISPTOOLKIT_CPU_JPEG_PATCH_H
#define ISPTOOLKIT_CPU_JPEG_PATCH_H

#include "dct.h"

#define BLOCKS 16
#define LANES (8 * BLOCKS) /* columns of samples */
#define EACH_BLOCK _Pragma("omp simd") for (int i = 0; i < BLOCKS; i++)
#define EACH_LANE _Pragma("omp simd") for (int i = 0; i < LANES; i++)

/* [row][column][block] */
typedef isp_i32 whole[8][8][BLOCKS] __attribute__((aligned(64)));
typedef float real[8][8][BLOCKS] __attribute__((aligned(64)));

/* Sort a row of samples by their column in a block; and back. */
static inline void deal(isp_i32 (*columns)[BLOCKS], const isp_i32 *row) {
    EACH_BLOCK {
        const isp_i32 *from = row + 8 * i;
        columns[0][i] = from[0], columns[1][i] = from[1], columns[2][i] = from[2], columns[3][i] = from[3];
        columns[4][i] = from[4], columns[5][i] = from[5], columns[6][i] = from[6], columns[7][i] = from[7];
    }
}

static inline void collect(isp_i32 *row, isp_i32 (*columns)[BLOCKS]) {
    EACH_BLOCK {
        isp_i32 *to = row + 8 * i;
        to[0] = columns[0][i], to[1] = columns[1][i], to[2] = columns[2][i], to[3] = columns[3][i];
        to[4] = columns[4][i], to[5] = columns[5][i], to[6] = columns[6][i], to[7] = columns[7][i];
    }
}

static inline void deal_real(float (*columns)[BLOCKS], const float *row) {
    EACH_BLOCK {
        const float *from = row + 8 * i;
        columns[0][i] = from[0], columns[1][i] = from[1], columns[2][i] = from[2], columns[3][i] = from[3];
        columns[4][i] = from[4], columns[5][i] = from[5], columns[6][i] = from[6], columns[7][i] = from[7];
    }
}

static inline void collect_real(float *row, float (*columns)[BLOCKS]) {
    EACH_BLOCK {
        float *to = row + 8 * i;
        to[0] = columns[0][i], to[1] = columns[1][i], to[2] = columns[2][i], to[3] = columns[3][i];
        to[4] = columns[4][i], to[5] = columns[5][i], to[6] = columns[6][i], to[7] = columns[7][i];
    }
}

/* Eight values of one block: a row of samples, ROW apart, or a column, COLUMN apart. The functions below keep them in
 * variables of their own, because compilers do not vectorize a loop whose body holds an array. */
#define ROW BLOCKS
#define COLUMN (8 * BLOCKS)
#define READ(at, step) {at[0], at[step], at[2 * step], at[3 * step], at[4 * step], at[5 * step], at[6 * step], at[7 * step]}
#define WRITE(at, step, d)                                                  \
    at[0] = d[0], at[step] = d[1], at[2 * step] = d[2], at[3 * step] = d[3], \
    at[4 * step] = d[4], at[5 * step] = d[5], at[6 * step] = d[6], at[7 * step] = d[7]

ISP_FN void dct(isp_i32 *at, int step, int second) {
    isp_i32 d[8] = READ(at, step);
    isp_dct(d, second);
    WRITE(at, step, d);
}

ISP_FN void idct(isp_i32 *at, int step, int second) {
    isp_i32 d[8] = READ(at, step);
    isp_idct(d, second);
    WRITE(at, step, d);
}

ISP_FN void dct_real(float *at, int step) {
    float d[8] = READ(at, step);
    isp_dct_float(d);
    WRITE(at, step, d);
}

ISP_FN void idct_real(float *at, int step) {
    float d[8] = READ(at, step);
    isp_idct_float(d);
    WRITE(at, step, d);
}

/* A quantization table: entries, and their inverses for isp_quantized. */
typedef struct { isp_i32 entry[8][8]; float inverse[8][8]; } quantizer;

static inline void read_table(quantizer *q, const float *table) {
    for (int k = 0; k < 64; k++) {
        q->entry[k / 8][k % 8] = (isp_i32)isp_round(table[k]);
        q->inverse[k / 8][k % 8] = isp_inverse_entry(q->entry[k / 8][k % 8]);
    }
}

/* isp_rounding_slope of the coefficients in a row of a patch. */
static inline void rounding_slopes(float *slope, const float *value, const float *weights, int count) {
    float cosine[LANES], last[LANES], before[LANES];
    EACH_LANE {
        cosine[i] = isp_cosine_turns(value[i] - isp_round(value[i]));
        last[i] = before[i] = 0.0f;
    }
    for (int n = count - 1; n >= 0; n--) EACH_LANE {
        const float next = weights[n] + 2.0f * cosine[i] * last[i] - before[i];
        before[i] = last[i];
        last[i] = next;
    }
    EACH_LANE slope[i] = 1.0f + cosine[i] * last[i] - before[i];
}

/* The second pass of the DCT, quantization, and the first pass of the inverse, on one column. */
ISP_FN void requantize(isp_i32 *at, const quantizer *q, int c) {
    isp_i32 d[8] = READ(at, COLUMN);
    isp_dct(d, 1);
#define ENTRY(k) d[k] = isp_quantized(d[k], q->entry[k][c], q->inverse[k][c]) * q->entry[k][c];
    ENTRY(0) ENTRY(1) ENTRY(2) ENTRY(3) ENTRY(4) ENTRY(5) ENTRY(6) ENTRY(7)
#undef ENTRY
    isp_idct(d, 0);
    WRITE(at, COLUMN, d);
}

/* In place: centered samples (sample - 128) to the centered samples that a decoder computes, not clamped yet. */
static inline void compress(whole p, const quantizer *q) {
    for (int r = 0; r < 8; r++) EACH_BLOCK dct(&p[r][0][i], ROW, 0);
    for (int c = 0; c < 8; c++) EACH_BLOCK requantize(&p[0][c][i], q, c);
    for (int r = 0; r < 8; r++) EACH_BLOCK idct(&p[r][0][i], ROW, 1);
}

/* In place: the gradient of decoded samples to that of the samples. `values` are the centered samples in real numbers, `codes`
 * the same as integers; both are destroyed. Adds the table's gradient to `grad_table` unless that is null. */
static inline void compress_back(real g, real values, whole codes, const quantizer *q, const float *slopes, int count, double *grad_table) {
    for (int r = 0; r < 8; r++) {
        EACH_BLOCK dct_real(&values[r][0][i], ROW);
        EACH_BLOCK dct_real(&g[r][0][i], ROW);
        if (grad_table) EACH_BLOCK dct(&codes[r][0][i], ROW, 0);
    }
    for (int c = 0; c < 8; c++) {
        EACH_BLOCK dct_real(&values[0][c][i], COLUMN);
        EACH_BLOCK dct_real(&g[0][c][i], COLUMN);
        if (grad_table) EACH_BLOCK dct(&codes[0][c][i], COLUMN, 1);
    }
    for (int r = 0; r < 8; r++) {
        float *value = values[r][0], *grad = g[r][0], slope[LANES];
        for (int c = 0; c < 8; c++) EACH_BLOCK values[r][c][i] *= 8.0f * q->inverse[r][c];
        rounding_slopes(slope, value, slopes, count);
        for (int c = 0; grad_table && c < 8; c++) {
            float sum = 0.0f;
            _Pragma("omp simd reduction(+ : sum)") for (int i = 0; i < BLOCKS; i++)
                sum += g[r][c][i] * ((float)isp_quantized(codes[r][c][i], q->entry[r][c], q->inverse[r][c]) - slope[BLOCKS * c + i] * values[r][c][i]);
            grad_table[8 * r + c] += sum;
        }
        EACH_LANE grad[i] *= slope[i];
    }
    for (int c = 0; c < 8; c++) EACH_BLOCK idct_real(&g[0][c][i], COLUMN);
    for (int r = 0; r < 8; r++) EACH_BLOCK idct_real(&g[r][0][i], ROW);
}

#endif
