/* JPEG of one component: DCT, quantization and inverse DCT of each 8x8 block in libjpeg's integer arithmetic, and the
 * gradient. Blocks lie side by side, so that every step is vectorized over many of them. */
#include "dct.h"
#include "cpu.h"
#include "cpu_threads.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#define BLOCKS 16
#define LANES (8 * BLOCKS)
#define EACH_LANE _Pragma("omp simd") for (int i = 0; i < lanes; i++)

typedef isp_i32 whole[8][LANES] __attribute__((aligned(64)));
typedef float real[8][LANES] __attribute__((aligned(64)));
typedef isp_i32 int_alias __attribute__((may_alias));

/* Transpose every 8x8 block of 32-bit integers or floats in place. */
static inline void transpose(void *patch, int lanes) {
    int_alias(*p)[LANES] = patch;
    for (int at = 0; at < lanes; at += 8) {
#if defined(__AVX2__)
        __m256 r[8], s[8];
        for (int k = 0; k < 8; k++) r[k] = _mm256_load_ps((const float *)(p[k] + at));
        for (int k = 0; k < 4; k++) {
            s[2 * k] = _mm256_unpacklo_ps(r[2 * k], r[2 * k + 1]);
            s[2 * k + 1] = _mm256_unpackhi_ps(r[2 * k], r[2 * k + 1]);
        }
        for (int k = 0; k < 8; k += 4) {
            r[k] = _mm256_shuffle_ps(s[k], s[k + 2], 0x44);
            r[k + 1] = _mm256_shuffle_ps(s[k], s[k + 2], 0xee);
            r[k + 2] = _mm256_shuffle_ps(s[k + 1], s[k + 3], 0x44);
            r[k + 3] = _mm256_shuffle_ps(s[k + 1], s[k + 3], 0xee);
        }
        for (int k = 0; k < 4; k++) {
            _mm256_store_ps((float *)(p[k] + at), _mm256_permute2f128_ps(r[k], r[k + 4], 0x20));
            _mm256_store_ps((float *)(p[k + 4] + at), _mm256_permute2f128_ps(r[k], r[k + 4], 0x31));
        }
#else
        for (int k = 0; k < 8; k++)
            for (int n = k + 1; n < 8; n++) {
                int_alias swapped = p[k][at + n];
                p[k][at + n] = p[n][at + k];
                p[n][at + k] = swapped;
            }
#endif
    }
}

/* Transform one column of eight; `forward` and `second` are compile-time constants after inlining. */
ISP_FN void whole_column(isp_i32 (*p)[LANES], int i, int forward, int second) {
    isp_i32 d[8] = {p[0][i], p[1][i], p[2][i], p[3][i], p[4][i], p[5][i], p[6][i], p[7][i]};
    if (forward) {
        isp_dct(d, second);
    } else {
        isp_idct(d, second);
    }
    p[0][i] = d[0], p[1][i] = d[1], p[2][i] = d[2], p[3][i] = d[3];
    p[4][i] = d[4], p[5][i] = d[5], p[6][i] = d[6], p[7][i] = d[7];
}

ISP_FN void real_column(float (*p)[LANES], int i, int transposed) {
    float d[8] = {p[0][i], p[1][i], p[2][i], p[3][i], p[4][i], p[5][i], p[6][i], p[7][i]};
    isp_dct_float(d, transposed);
    p[0][i] = d[0], p[1][i] = d[1], p[2][i] = d[2], p[3][i] = d[3];
    p[4][i] = d[4], p[5][i] = d[5], p[6][i] = d[6], p[7][i] = d[7];
}

static void dct_columns(isp_i32 (*p)[LANES], int lanes, int second) {
    if (second) {
        EACH_LANE whole_column(p, i, 1, 1);
    } else {
        EACH_LANE whole_column(p, i, 1, 0);
    }
}

static void idct_columns(isp_i32 (*p)[LANES], int lanes, int second) {
    if (second) {
        EACH_LANE whole_column(p, i, 0, 1);
    } else {
        EACH_LANE whole_column(p, i, 0, 0);
    }
}

static void float_columns(float (*p)[LANES], int lanes, int transposed) {
    if (transposed) {
        EACH_LANE real_column(p, i, 1);
    } else {
        EACH_LANE real_column(p, i, 0);
    }
}

/* Orthonormal 2-D DCT of every block, or its transpose. */
static void float_blocks(float (*p)[LANES], int lanes, int transposed) {
    float_columns(p, lanes, transposed);
    transpose(p, lanes);
    float_columns(p, lanes, transposed);
    transpose(p, lanes);
}

/* The table's entries, repeated for every block of a patch. */
typedef struct { isp_i32 entry[8][LANES] __attribute__((aligned(64))); } quantizer;

static void read_table(quantizer *q, const isp_jpeg *j, int64_t sample) {
    for (int k = 0; k < 8; k++)
        for (int i = 0; i < LANES; i++)
            q->entry[k][i] = (isp_i32)isp_round(j->table[sample * j->table_stride + 8 * k + (i & 7)]);
}

/* Replace centered integer samples (sample - 128) in `p` by the quantized coefficients of their blocks. */
static void quantize(isp_i32 (*p)[LANES], const quantizer *q, int lanes) {
    transpose(p, lanes);
    dct_columns(p, lanes, 0);
    transpose(p, lanes);
    dct_columns(p, lanes, 1);
    for (int k = 0; k < 8; k++) EACH_LANE p[k][i] = isp_quantized(p[k][i], q->entry[k][i]);
}

static void jpeg_patch(const isp_jpeg *j, int64_t sample, int64_t row, int64_t column, int lanes, const quantizer *q) {
    whole p;
    const int64_t at = (sample * j->height + row) * j->width + column;
    for (int k = 0; k < 8; k++) EACH_LANE p[k][i] = isp_centered(j->x[at + k * j->width + i]);
    quantize(p, q, lanes);
    for (int k = 0; k < 8; k++) EACH_LANE p[k][i] *= q->entry[k][i];
    idct_columns(p, lanes, 0);
    transpose(p, lanes);
    idct_columns(p, lanes, 1);
    transpose(p, lanes);
    for (int k = 0; k < 8; k++) EACH_LANE j->y[at + k * j->width + i] = isp_sample(p[k][i]);
}

static void jpeg_rows(const void *work, int thread, int64_t first, int64_t last) {
    const isp_jpeg *j = work;
    const int64_t rows = j->height / 8;
    quantizer q;
    (void)thread;
    for (int64_t index = first; index < last; index++) {
        if (index == first || index % rows == 0) read_table(&q, j, index / rows);
        for (int64_t column = 0; column < j->width; column += LANES) {
            const int64_t left = j->width - column;
            jpeg_patch(j, index / rows, index % rows * 8, column, (int)(left < LANES ? left : LANES), &q);
        }
    }
}

void ISP_NAME(isp_jpeg_blocks)(const isp_jpeg *jpeg) {
    split_work(jpeg_rows, jpeg, jpeg->planes * (jpeg->height / 8), jpeg->threads);
}

/* isp_rounding_slope of the coefficients in a row of a patch. */
static void rounding_slopes(float *slope, const float *values, const float *weights, int count, int lanes) {
    float cosine[LANES], before[LANES], now[LANES];
    EACH_LANE {
        slope[i] = 1.0f;
        before[i] = 1.0f;
        now[i] = cosine[i] = isp_cosine_turns(values[i] - isp_round(values[i]));
    }
    for (int n = 0; n < count; n++) {
        const float weight = weights[n];
        EACH_LANE {
            slope[i] += weight * now[i];
            float next = 2.0f * cosine[i] * now[i] - before[i];
            before[i] = now[i];
            now[i] = next;
        }
    }
}

static void gradient_patch(const isp_jpeg_gradient *b, int64_t sample, int64_t row, int64_t column, int lanes,
                           const quantizer *q, double *grad_table) {
    const isp_jpeg *j = &b->jpeg;
    whole coefficients;
    real values, g;
    const int64_t at = (sample * j->height + row) * j->width + column;
    for (int k = 0; k < 8; k++) EACH_LANE {
        coefficients[k][i] = isp_centered(j->x[at + k * j->width + i]);
        values[k][i] = j->x[at + k * j->width + i] - 128.0f;
        g[k][i] = b->grad_y[at + k * j->width + i];
    }
    quantize(coefficients, q, lanes);
    float_blocks(values, lanes, 0);
    float_blocks(g, lanes, 0);
    for (int k = 0; k < 8; k++) {
        float sums[LANES], slope[LANES];
        EACH_LANE values[k][i] /= (float)q->entry[k][i];
        rounding_slopes(slope, values[k], b->slopes, b->slope_count, lanes);
        EACH_LANE {
            sums[i] = g[k][i] * ((float)coefficients[k][i] - slope[i] * values[k][i]);
            g[k][i] *= slope[i];
        }
        for (int i = 0; i < lanes; i++) grad_table[k * 8 + (i & 7)] += sums[i];
    }
    float_blocks(g, lanes, 1);
    for (int k = 0; k < 8; k++) EACH_LANE b->grad_x[at + k * j->width + i] = g[k][i];
}

static void gradient_rows(const void *work, int thread, int64_t first, int64_t last) {
    const isp_jpeg_gradient *b = work;
    const isp_jpeg *j = &b->jpeg;
    const int64_t rows = j->height / 8;
    quantizer q;
    double *thread_table = b->grad_table + thread * 64 * (j->table_stride ? j->planes : 1);
    for (int64_t index = first; index < last; index++) {
        const int64_t sample = index / rows;
        if (index == first || index % rows == 0) read_table(&q, j, sample);
        for (int64_t column = 0; column < j->width; column += LANES) {
            const int64_t left = j->width - column;
            gradient_patch(b, sample, index % rows * 8, column, (int)(left < LANES ? left : LANES), &q,
                           thread_table + (j->table_stride ? sample * 64 : 0));
        }
    }
}

void ISP_NAME(isp_jpeg_back)(const isp_jpeg_gradient *gradient) {
    const isp_jpeg *j = &gradient->jpeg;
    split_work(gradient_rows, gradient, j->planes * (j->height / 8), j->threads);
}
