/* A strip is a piece of one row, in all planes, that stays in the L1 cache while every step runs over it. Steps read planes
 * at `x` and write them at `y`; these are identical or do not overlap. */
#ifndef ISPTOOLKIT_CPU_STRIPS_H
#define ISPTOOLKIT_CPU_STRIPS_H

#include "steps.h"
#include "cpu.h"
#include "cpu_display.h"
#include "cpu_gains.h"
#include "cpu_lookups.h"

#if defined(__AVX__)
#include <immintrin.h>
#endif

#define STRIP 384
#define SIMD _Pragma("omp simd")

typedef struct { float plane[ISP_MAX_PLANES][STRIP] __attribute__((aligned(64))); } strip;

/* `n` samples as floats: in place if they are floats already, else converted into `to`. */
static inline const float *loaded(float *to, const void *from, int type, int64_t at, int n) {
    if (type == ISP_FLOAT32) return (const float *)from + at;
    if (type == ISP_UINT16) {
        const uint16_t *source = (const uint16_t *)from + at;
        SIMD for (int i = 0; i < n; i++) to[i] = (float)source[i];
    } else {
        const uint8_t *source = (const uint8_t *)from + at;
        SIMD for (int i = 0; i < n; i++) to[i] = (float)source[i];
    }
    return to;
}

/* Large outputs bypass the caches, which avoids reading memory that is about to be overwritten. */
static inline void stream(float *to, const float *from, int n) {
    int i = 0;
#if defined(__AVX512F__)
    for (; i < n && ((uintptr_t)(to + i) & 63); i++) to[i] = from[i];
    for (; i + 16 <= n; i += 16) _mm512_stream_ps(to + i, _mm512_loadu_ps(from + i));
#elif defined(__AVX__)
    for (; i < n && ((uintptr_t)(to + i) & 31); i++) to[i] = from[i];
    for (; i + 8 <= n; i += 8) _mm256_stream_ps(to + i, _mm256_loadu_ps(from + i));
#endif
    if (to != from) memcpy(to + i, from + i, sizeof(float) * (size_t)(n - i));
}

static inline void finish_streams(void) {
#if defined(__AVX__)
    _mm_sfence();
#endif
}

#if defined(__AVX512F__)
/* isp_code of sixteen values, in the low bits. */
static inline __m512i codes(const float *from, float top) {
    __m512 x = _mm512_min_ps(_mm512_set1_ps(1.0f), _mm512_max_ps(_mm512_setzero_ps(), _mm512_loadu_ps(from)));
    return _mm512_castps_si512(_mm512_fmadd_ps(x, _mm512_set1_ps(top), _mm512_set1_ps(12582912.0f)));
}
#endif

static inline void store(void *to, int type, int64_t at, const float *from, int n, int streaming) {
    if (type == ISP_FLOAT32 && streaming) {
        stream((float *)to + at, from, n);
    } else if (type == ISP_FLOAT32) {
        if ((float *)to + at != from) memcpy((float *)to + at, from, sizeof(float) * (size_t)n);
    } else if (type == ISP_UINT16) {
        uint16_t *target = (uint16_t *)to + at;
        int i = 0;
#if defined(__AVX512F__)
        for (; i + 16 <= n; i += 16) _mm256_storeu_si256((__m256i *)(target + i), _mm512_cvtepi32_epi16(codes(from + i, 65535.0f)));
#endif
        for (; i < n; i++) target[i] = (uint16_t)isp_code(from[i], 65535.0f);
    } else {
        uint8_t *target = (uint8_t *)to + at;
        int i = 0;
#if defined(__AVX512F__)
        for (; i + 16 <= n; i += 16) _mm_storeu_si128((__m128i *)(target + i), _mm512_cvtepi32_epi8(codes(from + i, 255.0f)));
#endif
        for (; i < n; i++) target[i] = (uint8_t)isp_code(from[i], 255.0f);
    }
}

/* Loops over all planes, over the planes [first, last), and over the values of a strip. */
#define EACH_PLANE for (int c = 0; c < planes; c++)
#define EACH_SELECTED for (int c = first; c < last; c++)
#define EACH_VALUE SIMD for (int i = 0; i < n; i++)

/* Run one step on the planes [first, last); a step that mixes planes needs all of them. */
static inline void forward_step(const int32_t *step, const float *k, const float *const *x, float *const *y, int planes,
                                int first, int last, const isp_place *place, int n) {
    const int32_t *shape = step + 2;
    const int site = (int)(place->row & 1) * 2;
    switch (isp_shortcut(step[0], k)) {
#define VALUE_CASE(name, count, owner)                                                                            \
    case ISP_KIND_##name:                                                                                         \
        EACH_SELECTED {                                                                                           \
            const isp_parameters even = isp_parameters_of(k, count, owner, c, site);                              \
            const isp_parameters odd = isp_parameters_of(k, count, owner, c, site + 1);                           \
            const float *v = x[c];                                                                                \
            float *w = y[c];                                                                                      \
            if (owner == ISP_SITE) {                                                                              \
                EACH_VALUE w[i] = i & 1 ? name##_step(v[i], odd) : name##_step(v[i], even);                       \
            } else {                                                                                              \
                EACH_VALUE w[i] = name##_step(v[i], even);                                                        \
            }                                                                                                     \
        }                                                                                                         \
        break;
#define CURVE_CASE(name) VALUE_CASE(name, 1, ISP_SHARED)
#define LOOKUP_CASE(name, count, search)                                                                          \
    case ISP_KIND_##name: {                                                                                       \
        const lookup table = lookup_of(k, shape, count);                                                          \
        EACH_SELECTED EACH_GROUP {                                                                                \
            const group s = group_of(&table, search, count, x[c] + i, n - i);                                     \
            float result[LANES];                                                                                  \
            EACH_LANE result[l] = name##_step(s.x[l], segment_of(&table, &s, l));                                 \
            write_group(y[c] + i, result, n - i);                                                                 \
        }                                                                                                         \
        break;                                                                                                    \
    }
#define COLOR_CASE(name, count)                                                                                   \
    case ISP_KIND_##name: {                                                                                       \
        const float *r = x[0], *g = x[1], *b = x[2];                                                              \
        float own[ISP_COLOR_COEFFICIENTS], *red = y[0], *green = y[1], *blue = y[2];                              \
        for (int j = 0; j < count; j++) own[j] = k[j];                                                            \
        EACH_VALUE {                                                                                              \
            isp_color v = {r[i], g[i], b[i]};                                                                     \
            v = name##_step(v, own);                                                                              \
            red[i] = v.r, green[i] = v.g, blue[i] = v.b;                                                          \
        }                                                                                                         \
        break;                                                                                                    \
    }
#define GAIN_CASE(name, base)                                                                                     \
    case ISP_KIND_##name##_multiply:                                                                              \
    case ISP_KIND_##name##_divide: {                                                                              \
        float gain[STRIP];                                                                                        \
        EACH_SELECTED {                                                                                           \
            const float *v = x[c];                                                                                \
            float *w = y[c];                                                                                      \
            const name##_line line = name##_line_of(shape, k, *place, planes, c);                                 \
            name##_gains(gain, shape, k, line, (int)place->column, n);                                            \
            if (step[0] == ISP_KIND_##name##_multiply) {                                                          \
                EACH_VALUE w[i] = v[i] * gain[i];                                                                 \
            } else {                                                                                              \
                EACH_VALUE w[i] = v[i] / gain[i];                                                                 \
            }                                                                                                     \
        }                                                                                                         \
        break;                                                                                                    \
    }
    ISP_VALUES(VALUE_CASE)
    ISP_LOOKUPS(LOOKUP_CASE)
    ISP_COLORS(COLOR_CASE)
    ISP_GAINS(GAIN_CASE)
    ISP_CURVES(CURVE_CASE)
    ISP_SHORTCUTS(CURVE_CASE)
#undef VALUE_CASE
#undef CURVE_CASE
#undef LOOKUP_CASE
#undef COLOR_CASE
#undef GAIN_CASE
    }
}

/* Whether the next two steps are a clamp to [0, high], high <= 1, and the sRGB curve. */
static inline int display_next(const int32_t *step, int left, const float *coefficients) {
    if (left < 2 || step[0] != ISP_KIND_clamp || step[ISP_STEP_SIZE] != ISP_KIND_srgb_encode) return 0;
    const float *limits = coefficients + step[1];
    return limits[0] == 0.0f && limits[1] >= 0.0f && limits[1] <= 1.0f;
}

/* Run clamp, sRGB curve and, if present, smoothstep as one loop. Returns the number of steps done, 0 if they do not match. */
static inline int forward_display(const int32_t *step, int left, const float *coefficients, const float *const *x,
                                  float *const *y, int first, int last, int n) {
    const int32_t *third = step + 2 * ISP_STEP_SIZE;
    const float *limits = coefficients + step[1];
    if (!display_next(step, left, coefficients)) return 0;
    const int toned = left > 2 && third[0] == ISP_KIND_smoothstep;
    EACH_SELECTED display(x[c], y[c], limits[1], toned ? coefficients[third[1]] : 0.0f, toned, n);
    return toned ? 3 : 2;
}

/* Run steps [k, end) of a program on the planes [first, last). */
static inline void forward_steps(const int32_t *program, int k, int end, const float *coefficients, const float *const *x,
                                 float *const *y, int planes, int first, int last, const isp_place *place, int n) {
    const float *at[ISP_MAX_PLANES];
    EACH_PLANE at[c] = x[c];
    if (k == end) EACH_SELECTED if (y[c] != x[c]) memcpy(y[c], x[c], sizeof(float) * (size_t)n);
    while (k < end) {
        const int32_t *step = program + k * ISP_STEP_SIZE;
        int done = forward_display(step, end - k, coefficients, at, y, first, last, n);
        if (!done) forward_step(step, coefficients + step[1], at, y, planes, first, last, place, n);
        k += done ? done : 1;
        EACH_PLANE at[c] = y[c];
    }
}

/* Run a program, then call `done` with each plane. The steps after the last one that mixes planes run plane by plane, so that the memory
 * traffic of one plane overlaps the computation of the next. */
static inline void forward_planes(const isp_program *program, const float *coefficients, const float *const *x, float *const *y,
                                  int planes, const isp_place *place, int n,
                                  void (*done)(const void *, int, const float *), const void *context) {
    int mixed = (int)program->count, count = mixed;
    while (mixed > 0 && !isp_mixes_planes(program->steps[(mixed - 1) * ISP_STEP_SIZE])) mixed--;
    if (mixed) forward_steps(program->steps, 0, mixed, coefficients, x, y, planes, 0, planes, place, n);
    EACH_PLANE {
        if (count > mixed)
            forward_steps(program->steps, mixed, count, coefficients, mixed ? (const float *const *)y : x, y, planes, c, c + 1,
                          place, n);
        done(context, c, count ? y[c] : x[c]);
    }
}

#endif
