/* A strip is a piece of one row, in all planes, that stays in the first-level cache while every step runs over it. */
#ifndef ISPTOOLKIT_CPU_STRIPS_H
#define ISPTOOLKIT_CPU_STRIPS_H

#include "steps.h"
#include "cpu.h"

#if defined(__AVX__)
#include <immintrin.h>
#endif

#define STRIP 512
#define SIMD _Pragma("omp simd")

typedef struct { float plane[ISP_MAX_PLANES][STRIP] __attribute__((aligned(64))); } strip;

static inline void load(float *to, const void *from, int type, int64_t at, int n) {
    if (type == ISP_FLOAT32) {
        const float *source = (const float *)from + at;
        memcpy(to, source, sizeof(float) * (size_t)n);
    } else if (type == ISP_UINT16) {
        const uint16_t *source = (const uint16_t *)from + at;
        SIMD for (int i = 0; i < n; i++) to[i] = (float)source[i];
    } else {
        const uint8_t *source = (const uint8_t *)from + at;
        SIMD for (int i = 0; i < n; i++) to[i] = (float)source[i];
    }
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
    memcpy(to + i, from + i, sizeof(float) * (size_t)(n - i));
}

static inline void finish_streams(void) {
#if defined(__AVX__)
    _mm_sfence();
#endif
}

static inline void store(void *to, int type, int64_t at, const float *from, int n, int streaming) {
    if (type == ISP_FLOAT32 && streaming) {
        stream((float *)to + at, from, n);
    } else if (type == ISP_FLOAT32) {
        memcpy((float *)to + at, from, sizeof(float) * (size_t)n);
    } else if (type == ISP_UINT16) {
        uint16_t *target = (uint16_t *)to + at;
        SIMD for (int i = 0; i < n; i++) target[i] = (uint16_t)(int)isp_code(from[i], 65535.0f);
    } else {
        uint8_t *target = (uint8_t *)to + at;
        SIMD for (int i = 0; i < n; i++) target[i] = (uint8_t)(int)isp_code(from[i], 255.0f);
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
static inline void forward_step(const int32_t *step, const float *p, strip *s, int planes, int first, int last,
                                const isp_place *place, int n) {
    switch (step[0]) {
    case ISP_SITES: {
        const float *at = p + (place->row & 1) * 2;
        float a0 = at[0], a1 = at[1], b0 = at[4], b1 = at[5], c0 = at[8], c1 = at[9], *v = s->plane[0];
        EACH_VALUE v[i] = i & 1 ? (v[i] - a1) * b1 + c1 : (v[i] - a0) * b0 + c0;
        break;
    }
    case ISP_CHANNELS:
        EACH_OF_THESE {
            float scale = p[c], offset = p[4 + c], *v = s->plane[c];
            EACH_VALUE v[i] = v[i] * scale + offset;
        }
        break;
    case ISP_MATRIX: {
        float *r = s->plane[0], *g = s->plane[1], *b = s->plane[2];
        EACH_VALUE {
            float x = r[i], y = g[i], z = b[i];
            r[i] = p[0] * x + p[1] * y + p[2] * z + p[9];
            g[i] = p[3] * x + p[4] * y + p[5] * z + p[10];
            b[i] = p[6] * x + p[7] * y + p[8] * z + p[11];
        }
        break;
    }
    case ISP_CLAMP:
        EACH_OF_THESE {
            float low = p[0], high = p[1], *v = s->plane[c];
            EACH_VALUE v[i] = isp_clamp(v[i], low, high);
        }
        break;
    case ISP_QUANTIZE:
        EACH_OF_THESE {
            float steps = p[0], *v = s->plane[c];
            EACH_VALUE v[i] = isp_round(v[i] * steps) / steps;
        }
        break;
    case ISP_MESH_MULTIPLY:
    case ISP_MESH_DIVIDE: {
        float gain[STRIP];
        EACH_OF_THESE {
            float *v = s->plane[c];
            plane_gains(gain, step, p, place, planes, c, n);
            if (step[0] == ISP_MESH_MULTIPLY) {
                EACH_VALUE v[i] *= gain[i];
            } else {
                EACH_VALUE v[i] /= gain[i];
            }
        }
        break;
    }
#define CURVE_CASE(name)                                     \
    case ISP_KIND_##name:                                    \
        EACH_OF_THESE {                                         \
            float parameter = p[0], *v = s->plane[c];        \
            EACH_VALUE v[i] = name(v[i], parameter);         \
        }                                                    \
        break;
    ISP_CURVES(CURVE_CASE)
#undef CURVE_CASE
    }
}

static inline void forward_steps(const isp_steps *steps, const float *numbers, strip *s, int planes, const isp_place *place, int n) {
    for (int k = 0; k < steps->count; k++) {
        const int32_t *step = steps->words + k * ISP_STEP_WORDS;
        forward_step(step, numbers + step[1], s, planes, 0, planes, place, n);
    }
}

/* All steps, then `done` with each plane. What follows the last matrix is done plane by plane, so that the memory traffic
 * of one plane goes on while the next is at work. */
static inline void forward_planes(const isp_steps *steps, const float *numbers, strip *s, int planes, const isp_place *place, int n,
                                  void (*done)(const void *, int, const float *), const void *context) {
    int mixed = (int)steps->count;
    while (mixed > 0 && steps->words[(mixed - 1) * ISP_STEP_WORDS] != ISP_MATRIX) mixed--;
    isp_steps together = {steps->words, mixed};
    forward_steps(&together, numbers, s, planes, place, n);
    EACH_PLANE {
        for (int k = mixed; k < steps->count; k++) {
            const int32_t *step = steps->words + k * ISP_STEP_WORDS;
            forward_step(step, numbers + step[1], s, planes, c, c + 1, place, n);
        }
        done(context, c, s->plane[c]);
    }
}

#endif
