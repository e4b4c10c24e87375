/* A strip is a piece of one row, in all planes, that stays in the first-level cache while every step runs over it. Steps
 * read planes at `x` and write them at `y`, which are the same places or do not overlap. */
#ifndef ISPTOOLKIT_CPU_STRIPS_H
#define ISPTOOLKIT_CPU_STRIPS_H

#include "steps.h"
#include "cpu.h"
#include "cpu_display.h"

#if defined(__AVX__)
#include <immintrin.h>
#endif

#define STRIP 384
#define SIMD _Pragma("omp simd")

typedef struct { float plane[ISP_MAX_PLANES][STRIP] __attribute__((aligned(64))); } strip;

/* `n` samples as floats: in place where they are floats, else converted into `to`. */
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

/* Large outputs go past the caches: that saves reading the memory which is written. */
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
/* isp_code of sixteen values, in the lowest bits. */
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

/* Gains of a strip by a bilinear mesh; node i of n lies at i / (n - 1) of the frame, the pixel j at (j + 1/2) / count. */
static inline void mesh_gains(float *gain, const float *mesh, int rows, int columns, const isp_place *place, int parity, int step, int n) {
    double down = (place->row + 0.5) / (double)place->height * (rows - 1);
    int top = (int)down, below = top + 1 < rows ? top + 1 : top;
    double weight = down - top, scale = (columns - 1) / (double)place->width;
    const float *upper = mesh + (int64_t)top * columns, *lower = mesh + (int64_t)below * columns;
    for (int i = parity; i < n; i += step) {
        double across = ((double)(place->column + i) + 0.5) * scale;
        int left = (int)across, right = left + 1 < columns ? left + 1 : left;
        double w = across - left;
        double high = upper[left] + (upper[right] - upper[left]) * w;
        double low = lower[left] + (lower[right] - lower[left]) * w;
        gain[i] = (float)(high + (low - high) * weight);
    }
}

/* The gains of one plane of the strip: of a mosaic with four mesh planes, those of its two sites in this row. */
static inline void plane_gains(float *gain, const int32_t *step, const float *numbers, const isp_place *place, int planes, int c, int n) {
    int rows = step[3], columns = step[4];
    int64_t size = (int64_t)rows * columns;
    if (planes == 1 && step[2] == 4) {
        int first = (int)(place->row & 1) * 2;
        mesh_gains(gain, numbers + first * size, rows, columns, place, 0, 2, n);
        mesh_gains(gain, numbers + (first + 1) * size, rows, columns, place, 1, 2, n);
    } else {
        mesh_gains(gain, numbers + (step[2] == 1 ? 0 : c) * size, rows, columns, place, 0, 1, n);
    }
}

/* The planes that a loop is about: all of them, unless `first` and `last` say less. */
#define EACH_PLANE for (int c = 0; c < planes; c++)
#define EACH_OF_THESE for (int c = first; c < last; c++)
#define EACH_VALUE SIMD for (int i = 0; i < n; i++)

/* One step on the planes from `first` to before `last`; a matrix takes all. */
static inline void forward_step(const int32_t *step, const float *p, const float *const *x, float *const *y, int planes,
                                int first, int last, const isp_place *place, int n) {
    switch (step[0]) {
    case ISP_SITES: {
        const float *at = p + (place->row & 1) * 2, *v = x[0];
        float a0 = at[0], a1 = at[1], b0 = at[4], b1 = at[5], c0 = at[8], c1 = at[9], *w = y[0];
        EACH_VALUE w[i] = i & 1 ? (v[i] - a1) * b1 + c1 : (v[i] - a0) * b0 + c0;
        break;
    }
    case ISP_CHANNELS:
        EACH_OF_THESE {
            const float scale = p[c], offset = p[4 + c], *v = x[c];
            float *w = y[c];
            EACH_VALUE w[i] = v[i] * scale + offset;
        }
        break;
    case ISP_MATRIX: {
        const float *r = x[0], *g = x[1], *b = x[2];
        float *red = y[0], *green = y[1], *blue = y[2];
        EACH_VALUE {
            float u = r[i], v = g[i], w = b[i];
            red[i] = p[0] * u + p[1] * v + p[2] * w + p[9];
            green[i] = p[3] * u + p[4] * v + p[5] * w + p[10];
            blue[i] = p[6] * u + p[7] * v + p[8] * w + p[11];
        }
        break;
    }
    case ISP_CLAMP:
        EACH_OF_THESE {
            const float low = p[0], high = p[1], *v = x[c];
            float *w = y[c];
            EACH_VALUE w[i] = isp_clamp(v[i], low, high);
        }
        break;
    case ISP_QUANTIZE:
        EACH_OF_THESE {
            const float steps = p[0], *v = x[c];
            float *w = y[c];
            EACH_VALUE w[i] = isp_round(v[i] * steps) / steps;
        }
        break;
    case ISP_MESH_MULTIPLY:
    case ISP_MESH_DIVIDE: {
        float gain[STRIP];
        EACH_OF_THESE {
            const float *v = x[c];
            float *w = y[c];
            plane_gains(gain, step, p, place, planes, c, n);
            if (step[0] == ISP_MESH_MULTIPLY) {
                EACH_VALUE w[i] = v[i] * gain[i];
            } else {
                EACH_VALUE w[i] = v[i] / gain[i];
            }
        }
        break;
    }
#define CURVE_CASE(name)                               \
    case ISP_KIND_##name:                              \
        EACH_OF_THESE {                                \
            const float parameter = p[0], *v = x[c];   \
            float *w = y[c];                           \
            EACH_VALUE w[i] = name(v[i], parameter);   \
        }                                              \
        break;
    ISP_CURVES(CURVE_CASE)
#undef CURVE_CASE
    }
}

/* Whether a clamp to 0 ... at most 1 and the sRGB curve come next. */
static inline int display_next(const int32_t *step, int left, const float *numbers) {
    if (left < 2 || step[0] != ISP_CLAMP || step[ISP_STEP_WORDS] != ISP_KIND_srgb_encode) return 0;
    const float *limits = numbers + step[1];
    return limits[0] == 0.0f && limits[1] >= 0.0f && limits[1] <= 1.0f;
}

/* Clamp, sRGB curve and smoothstep together, if that is what comes next. Returns how many of the steps it did. */
static inline int forward_display(const int32_t *step, int left, const float *numbers, const float *const *x,
                                  float *const *y, int first, int last, int n) {
    const int32_t *third = step + 2 * ISP_STEP_WORDS;
    const float *limits = numbers + step[1];
    if (!display_next(step, left, numbers)) return 0;
    const int toned = left > 2 && third[0] == ISP_KIND_smoothstep;
    EACH_OF_THESE display(x[c], y[c], limits[1], toned ? numbers[third[1]] : 0.0f, toned, n);
    return toned ? 3 : 2;
}

/* The steps from `k` to before `end`, on the planes from `first` to before `last`. */
static inline void forward_steps(const int32_t *words, int k, int end, const float *numbers, const float *const *x,
                                 float *const *y, int planes, int first, int last, const isp_place *place, int n) {
    const float *at[ISP_MAX_PLANES];
    EACH_PLANE at[c] = x[c];
    if (k == end) EACH_OF_THESE if (y[c] != x[c]) memcpy(y[c], x[c], sizeof(float) * (size_t)n);
    while (k < end) {
        const int32_t *step = words + k * ISP_STEP_WORDS;
        int done = forward_display(step, end - k, numbers, at, y, first, last, n);
        if (!done) forward_step(step, numbers + step[1], at, y, planes, first, last, place, n);
        k += done ? done : 1;
        EACH_PLANE at[c] = y[c];
    }
}

/* All steps, then `done` with each plane. What follows the last matrix is done plane by plane, so that the memory traffic
 * of one plane goes on while the next is at work. */
static inline void forward_planes(const isp_steps *steps, const float *numbers, const float *const *x, float *const *y,
                                  int planes, const isp_place *place, int n,
                                  void (*done)(const void *, int, const float *), const void *context) {
    int mixed = (int)steps->count, count = mixed;
    while (mixed > 0 && steps->words[(mixed - 1) * ISP_STEP_WORDS] != ISP_MATRIX) mixed--;
    if (mixed) forward_steps(steps->words, 0, mixed, numbers, x, y, planes, 0, planes, place, n);
    EACH_PLANE {
        if (count > mixed)
            forward_steps(steps->words, mixed, count, numbers, mixed ? (const float *const *)y : x, y, planes, c, c + 1, place, n);
        done(context, c, count ? y[c] : x[c]);
    }
}

#endif
