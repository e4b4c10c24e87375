/* The last steps of most renderings in one loop: clamp to [0, high], 0 <= high <= 1, sRGB curve, smoothstep. */
#ifndef ISPTOOLKIT_CPU_DISPLAY_H
#define ISPTOOLKIT_CPU_DISPLAY_H

#include "curves.h"

#if defined(__AVX512F__)
#include <immintrin.h>

/* 1.055 m^(5/12) as a polynomial in m - 3/2, for m in [1, 2); relative error 1.4e-7. */
static const float DISPLAY_POLYNOMIAL[7] = {1.24917662f, 0.346996278f, -0.0674780533f, 0.0236538835f,
                                            -0.010117921f, 0.0055353418f, -0.00299001508f};
/* 2^(5 e / 12) for e = -15 ... 0. */
static const float DISPLAY_OCTAVES[16] = {0.0131390065f, 0.0175384695f, 0.0234110481f, 0.03125f, 0.0417137454f,
                                          0.0556811699f, 0.0743254447f, 0.0992125657f, 0.132432887f, 0.176776695f,
                                          0.235968578f, 0.314980262f, 0.420448208f, 0.561231024f, 0.749153538f,
                                          1.0f};

/* With the octaves in a register, the power costs a third of a logarithm and an exponential. */
static inline __m512 display_values(__m512 x, __m512 high, __m512 amount, int toned) {
    x = _mm512_min_ps(high, _mm512_max_ps(_mm512_setzero_ps(), x)); /* the second operand propagates NaN */
    const __m512i bits = _mm512_castps_si512(x);
    const __m512 octave = _mm512_permutexvar_ps(_mm512_srli_epi32(bits, 23), _mm512_loadu_ps(DISPLAY_OCTAVES));
    const __m512i mantissa = _mm512_or_si512(_mm512_and_si512(bits, _mm512_set1_epi32(0x7fffff)), _mm512_set1_epi32(0x3f800000));
    const __m512 m = _mm512_sub_ps(_mm512_castsi512_ps(mantissa), _mm512_set1_ps(1.5f));
    __m512 y = _mm512_set1_ps(DISPLAY_POLYNOMIAL[6]);
    for (int k = 5; k >= 0; k--) y = _mm512_fmadd_ps(y, m, _mm512_set1_ps(DISPLAY_POLYNOMIAL[k]));
    y = _mm512_fmsub_ps(y, octave, _mm512_set1_ps(0.055f));
    const __mmask16 curved = _mm512_cmp_ps_mask(x, _mm512_set1_ps(SRGB_BREAK), _CMP_GT_OQ);
    y = _mm512_mask_blend_ps(curved, _mm512_mul_ps(x, _mm512_set1_ps(12.92f)), y);
    if (toned) {
        const __m512 slope = _mm512_fnmadd_ps(_mm512_set1_ps(2.0f), y, _mm512_set1_ps(3.0f));
        const __m512 rest = _mm512_sub_ps(_mm512_set1_ps(1.0f), amount);
        y = _mm512_mul_ps(y, _mm512_fmadd_ps(_mm512_mul_ps(amount, y), slope, rest));
    }
    return y;
}

static inline void display(const float *x, float *y, float high, float amount, int toned, int n) {
    const __m512 highs = _mm512_set1_ps(high), amounts = _mm512_set1_ps(amount);
    int i = 0;
    for (; i + 16 <= n; i += 16) _mm512_storeu_ps(y + i, display_values(_mm512_loadu_ps(x + i), highs, amounts, toned));
    const __mmask16 left = (__mmask16)((1u << (n - i)) - 1);
    if (i < n) _mm512_mask_storeu_ps(y + i, left, display_values(_mm512_maskz_loadu_ps(left, x + i), highs, amounts, toned));
}
#else
static inline void display(const float *x, float *y, float high, float amount, int toned, int n) {
    const float top = high;
    if (toned) {
        _Pragma("omp simd") for (int i = 0; i < n; i++) y[i] = smoothstep(srgb_encode_bounded(isp_clamp(x[i], 0.0f, top)), amount);
    } else {
        _Pragma("omp simd") for (int i = 0; i < n; i++) y[i] = srgb_encode_bounded(isp_clamp(x[i], 0.0f, top));
    }
}
#endif

#endif
