/* Lookups, a group of values at a time: the compiler turns each loop over a group into one vector operation. */
#ifndef ISPTOOLKIT_CPU_LOOKUPS_H
#define ISPTOOLKIT_CPU_LOOKUPS_H

#include "lookups.h"

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#define LANES 16
#define SHORT 96 /* segments that AVX-512 permutes faster than it gathers */
#define EACH_GROUP for (int i = 0; i < n; i += LANES)
#define EACH_LANE _Pragma("omp simd") for (int l = 0; l < LANES; l++)

/* The parameters of all segments; AVX-512 copies those of a few, which nothing overwrites. */
typedef struct {
#if defined(__AVX512F__)
    float few[ISP_SEGMENT_PARAMETERS][SHORT];
#endif
    const float *all;
    int32_t shape[3];
} lookup;

/* Values with their segments. */
typedef struct {
    float x[LANES], start[LANES], at[ISP_SEGMENT_PARAMETERS][LANES];
    int32_t segment[LANES];
} group;

ISP_FN lookup lookup_of(const float *k, const int32_t *shape, int count) {
    lookup table;
    table.all = k;
    memcpy(table.shape, shape, sizeof table.shape);
#if defined(__AVX512F__)
    for (int j = 0; j < count && shape[0] <= SHORT; j++)
        for (int at = 0; at < shape[0]; at += 16) {
            const __mmask16 own = (__mmask16)(shape[0] - at < 16 ? (1 << (shape[0] - at)) - 1 : 0xffff);
            _mm512_storeu_ps(table.few[j] + at, _mm512_maskz_loadu_ps(own, k + isp_segment_parameter(j, at, shape)));
        }
#else
    (void)count;
#endif
    return table;
}

/* to[l] = parameter j of segment[l] */
ISP_FN void fetch(float *to, const lookup *table, int j, const int32_t *segment) {
#if defined(__AVX512F__)
    const __m512i index = _mm512_loadu_si512(segment);
    const float *few = table->few[j];
    const __m512 value = _mm512_permutex2var_ps(_mm512_loadu_ps(few), index, _mm512_loadu_ps(few + 16));
    if (table->shape[0] <= 32) {
        _mm512_storeu_ps(to, value);
    } else if (table->shape[0] <= SHORT) {
        const __m512 second = _mm512_permutex2var_ps(_mm512_loadu_ps(few + 32), index, _mm512_loadu_ps(few + 48));
        const __m512 third = _mm512_permutex2var_ps(_mm512_loadu_ps(few + 64), index, _mm512_loadu_ps(few + 80));
        const __m512 half = _mm512_mask_mov_ps(value, _mm512_cmpgt_epi32_mask(index, _mm512_set1_epi32(31)), second);
        _mm512_storeu_ps(to, _mm512_mask_mov_ps(half, _mm512_cmpgt_epi32_mask(index, _mm512_set1_epi32(63)), third));
    } else {
        _mm512_storeu_ps(to, _mm512_i32gather_ps(index, table->all + isp_segment_parameter(j, 0, table->shape), 4));
    }
#else
    const float *from = table->all + isp_segment_parameter(j, 0, table->shape);
    for (int l = 0; l < LANES; l++) to[l] = from[segment[l]];
#endif
}

/* The first `left` values, at most LANES; then zeros. */
ISP_FN void read_group(float *to, const float *from, int left) {
    if (left >= LANES) {
        memcpy(to, from, sizeof(float) * LANES);
    } else {
        for (int l = 0; l < LANES; l++) to[l] = l < left ? from[l] : 0.0f;
    }
}

/* The first `left` values at `x`, at most LANES, with their segments. */
ISP_FN group group_of(const lookup *table, enum isp_search search, int count, const float *x, int left) {
    group s;
    const int32_t *shape = table->shape;
    read_group(s.x, x, left);
    if (search == ISP_EVEN) {
        EACH_LANE s.segment[l] = isp_even_segment(s.x[l], shape);
    } else {
        EACH_LANE s.segment[l] = 0;
        for (int32_t stride = isp_first_stride(shape); stride; stride >>= 1) {
            int32_t next[LANES];
            float start[LANES];
            EACH_LANE next[l] = isp_next_segment(s.segment[l], stride, shape);
            fetch(start, table, 0, next);
            EACH_LANE s.segment[l] = start[l] <= s.x[l] ? next[l] : s.segment[l];
        }
    }
    EACH_LANE s.start[l] = isp_segment_start(s.segment[l], shape);
    for (int j = 0; j < ISP_SEGMENT_PARAMETERS; j++) {
        if (j < count) {
            fetch(s.at[j], table, j, s.segment);
        } else {
            EACH_LANE s.at[j][l] = 0.0f;
        }
    }
    return s;
}

ISP_FN isp_segment segment_of(const lookup *table, const group *s, int l) {
    isp_segment one = {{s->at[0][l], s->at[1][l], s->at[2][l], s->at[3][l]}, s->start[l], (float)table->shape[1]};
    return one;
}

ISP_FN void write_group(float *to, const float *values, int left) {
    if (left >= LANES) {
        memcpy(to, values, sizeof(float) * LANES);
    } else {
        for (int l = 0; l < left; l++) to[l] = values[l];
    }
}

#endif
