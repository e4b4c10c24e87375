/* Elementary functions of float, written out so that compilers vectorize them and CPU and GPU agree.
 * No tables, branches or library calls. Denormals, infinities and NaN are handled as in C99.
 */
#ifndef ISPTOOLKIT_MATHS_H
#define ISPTOOLKIT_MATHS_H

#ifdef __CUDACC__
#define ISP_FN static __device__ __forceinline__
#define ISP_UNROLL _Pragma("unroll")
typedef int isp_i32;
ISP_FN isp_i32 isp_bits(float x) { return __float_as_int(x); }
ISP_FN float isp_float(isp_i32 x) { return __int_as_float(x); }
#else
#include <stdint.h>
#include <string.h>
#define ISP_FN static inline __attribute__((always_inline))
#define ISP_UNROLL _Pragma("GCC unroll 8")
typedef int32_t isp_i32;
ISP_FN isp_i32 isp_bits(float x) {
    isp_i32 bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}
ISP_FN float isp_float(isp_i32 x) {
    float value;
    memcpy(&value, &x, sizeof value);
    return value;
}
#endif

#define ISP_INFINITY isp_float(0x7f800000)
#define ISP_NAN isp_float(0x7fc00000)

ISP_FN float isp_abs(float x) { return isp_float(isp_bits(x) & 0x7fffffff); }

/* The magnitude of x with the sign of s. */
ISP_FN float isp_signed(float x, float s) {
    return isp_float((isp_bits(x) & 0x7fffffff) | (isp_bits(s) & (isp_i32)0x80000000));
}

/* x with the sign of s, for x whose sign bit is clear. */
ISP_FN float isp_with_sign(float x, float s) { return isp_float(isp_bits(x) | (isp_bits(s) & (isp_i32)0x80000000)); }

/* The order of the operands propagates NaN, as torch.clamp does. */
ISP_FN float isp_clamp(float x, float low, float high) {
    x = low > x ? low : x;
    return high < x ? high : x;
}

/* A gradient times a derivative; 0 where the derivative is 0, even if the gradient is infinite or NaN. */
ISP_FN float isp_chain(float gradient, float derivative) { return derivative == 0.0f ? 0.0f : gradient * derivative; }

/* Round to nearest, ties to even, for |x| < 2^22; larger values and NaN are returned unchanged. */
ISP_FN float isp_round(float x) {
    const float magic = 12582912.0f; /* 1.5 * 2^23 */
    float rounded = (x + magic) - magic;
    return isp_abs(x) < 4194304.0f ? isp_signed(rounded, x) : x;
}

/* log2 of a positive, normal, finite x, split into an integer and a fraction in [-1/2, 1/2], which together are more precise
 * than their sum. The fraction is log2(1 + f) = f P(f) for 1 + f in [sqrt(1/2), sqrt(2)), to 7e-9; relatively precise near
 * x = 1. */
ISP_FN float isp_log2_normal(float x, float *whole) {
    isp_i32 shifted = isp_bits(x) - 0x3f3504f3; /* below by sqrt(1/2) */
    isp_i32 exponent = shifted >> 23;
    float f = isp_float((shifted & 0x7fffff) + 0x3f3504f3) - 1.0f;
    *whole = (float)exponent;
    return f * (1.44269487f + f * (-0.721347128f + f * (0.480922529f + f * (-0.360721195f + f * (0.287656673f
           + f * (-0.238519442f + f * (0.217379401f + f * (-0.210303314f + f * 0.125412355f))))))));
}

/* isp_log2_normal extended to denormals. */
ISP_FN float isp_log2_split(float x, float *whole) {
    int tiny = x < 1.17549435e-38f;
    float rest = isp_log2_normal(tiny ? x * 8388608.0f : x, whole);
    *whole -= tiny ? 23.0f : 0.0f;
    return rest;
}

/* 2^rest for |rest| up to slightly above 1/2, to 8e-8. */
ISP_FN float isp_exp2_rest(float rest) {
    return 1.0f + rest * (0.693147225f + rest * (0.240221074f + rest * (0.055502973f + rest * (0.00967603636f
           + rest * 0.00134100049f))));
}

/* 2^(whole + rest). Two factors reach denormal results and results near the largest float. */
ISP_FN float isp_exp2_split(float whole, float rest) {
    float bounded = whole < -200.0f ? -200.0f : whole > 200.0f ? 200.0f : whole;
    isp_i32 n = (isp_i32)bounded, half = n >> 1;
    return isp_exp2_rest(rest) * isp_float((half + 127) * 8388608) * isp_float((n - half + 127) * 8388608);
}

ISP_FN float isp_exp2(float x) {
    float bounded = x < -160.0f ? -160.0f : x > 160.0f ? 160.0f : x;
    float whole = isp_round(bounded);
    float y = isp_exp2_split(whole, bounded - whole);
    return x == x ? y : x;
}

ISP_FN float isp_exp(float x) {
    float bounded = x < -110.0f ? -110.0f : x > 110.0f ? 110.0f : x;
    float whole = isp_round(bounded * 1.44269502f);
    /* x - whole ln 2 in two parts (Cody-Waite), then to base 2. */
    float rest = (bounded - whole * 0.693145752f) - whole * 1.42860677e-6f;
    float y = isp_exp2_split(whole, rest * 1.44269502f);
    return x == x ? y : x;
}

ISP_FN float isp_ln(float x) {
    float whole, rest = isp_log2_split(x, &whole);
    float y = whole * 0.693147182f + rest * 0.693147182f;
    y = x == ISP_INFINITY ? x : y;
    y = x == 0.0f ? -ISP_INFINITY : y;
    return x >= 0.0f ? y : ISP_NAN;
}

/* x^p for p > 0: 0 for x <= 0 (as in the torch reference), infinity for infinity, NaN for NaN. */
ISP_FN float isp_power(float x, float p) {
    float whole, rest = isp_log2_split(x, &whole);
    float n = isp_round(p * (whole + rest));
    float y = isp_exp2_split(n, (p * whole - n) + p * rest);
    y = x == ISP_INFINITY ? x : y;
    return x > 0.0f ? y : x * 0.0f;
}

/* x^p for normal, finite x and p at most 1, so that the result is normal; to 2e-7. Less than half the work of isp_power:
 * p log2 x is a single sum, whose integer part goes straight into the exponent of the result. */
ISP_FN float isp_root_power_finite(float x, float p) {
    const float magic = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer, which lands in the low bits */
    isp_i32 shifted = isp_bits(x) - 0x3f3504f3;
    float f = isp_float((shifted & 0x7fffff) + 0x3f3504f3) - 1.0f;
    float t = p * (float)(shifted >> 23)
            + f * (p * 1.44269973f + f * (p * -0.721375871f + f * (p * 0.480465032f + f * (p * -0.358961855f
            + f * (p * 0.297262616f + f * (p * -0.272697891f + f * (p * 0.170634351f)))))));
    float rounded = t + magic, rest = t - (rounded - magic);
    return isp_float(isp_bits(isp_exp2_rest(rest)) + (isp_i32)((unsigned)isp_bits(rounded) << 23));
}

/* isp_root_power_finite extended to infinity and NaN. */
ISP_FN float isp_root_power(float x, float p) {
    float y = isp_root_power_finite(x, p);
    return x < ISP_INFINITY ? y : x;
}

ISP_FN float isp_root(float x) {
#ifdef __CUDACC__
    return sqrtf(x);
#else
    return __builtin_sqrtf(x);
#endif
}

/* arcsine of |x| <= 1: a polynomial below 1/2, pi/2 - 2 asin(sqrt((1 - x) / 2)) above. */
ISP_FN float isp_asin(float x) {
    float size = isp_abs(x), large = size > 0.5f ? 1.0f : 0.0f;
    float z = large > 0.0f ? 0.5f * (1.0f - size) : size * size;
    float s = large > 0.0f ? isp_root(z) : size;
    float p = s + s * z * (0.166667521f + z * (0.0749530047f + z * (0.0454700254f + z * (0.0241813101f
              + z * 0.0421632007f))));
    float y = large > 0.0f ? 1.57079637f - 2.0f * p : p;
    return isp_signed(y, x);
}

/* Sine and cosine for |x| <= 0.6. */
ISP_FN float isp_sin_small(float x) {
    float z = x * x;
    return x + x * z * (-0.166666672f + z * (0.00833333377f + z * (-0.000198412701f + z * 2.75573197e-6f)));
}

ISP_FN float isp_cos_small(float x) {
    float z = x * x;
    return 1.0f + z * (-0.5f + z * (0.0416666679f + z * (-0.00138888892f + z * 2.48015876e-5f)));
}

/* cos(2 pi x) for |x| <= 1/2. */
ISP_FN float isp_cosine_turns(float x) {
    float z = x * x;
    return 1.0f + z * (-19.7392044f + z * (64.9391174f + z * (-85.4501114f + z * (60.1674309f + z * (-25.9668846f
           + z * 6.52770615f)))));
}

#endif
