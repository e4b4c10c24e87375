/* The 8-point discrete cosine transform in the integer arithmetic of libjpeg's slow method (Loeffler, Ligtenberg and
 * Moschytz, 13-bit constants, two extra bits after the first pass), and in floating point.
 */
#ifndef ISPTOOLKIT_DCT_H
#define ISPTOOLKIT_DCT_H

#include "maths.h"

#define DCT_BITS 13
#define DCT_PASS 2
#define DCT_DESCALE(x, bits) (((x) + (1 << ((bits) - 1))) >> (bits))

/* A loop that a GPU's compiler does not unroll, which would cost registers. */
#ifdef __CUDACC__
#define ROLLED _Pragma("unroll 1")
#else
#define ROLLED
#endif

/* cos(k pi / 16) / 2 */
#define DCT_C1 0.490392640f
#define DCT_C2 0.461939766f
#define DCT_C3 0.415734806f
#define DCT_C4 0.353553391f
#define DCT_C5 0.277785117f
#define DCT_C6 0.191341716f
#define DCT_C7 0.0975451610f

/* In place. The first pass scales its results by 2^DCT_PASS; after the second they are 8 times the orthonormal ones. */
ISP_FN void isp_dct(isp_i32 *d, int second) {
    const int odd = second ? DCT_BITS + DCT_PASS : DCT_BITS - DCT_PASS;
    isp_i32 t0 = d[0] + d[7], t7 = d[0] - d[7], t1 = d[1] + d[6], t6 = d[1] - d[6];
    isp_i32 t2 = d[2] + d[5], t5 = d[2] - d[5], t3 = d[3] + d[4], t4 = d[3] - d[4];
    isp_i32 t10 = t0 + t3, t13 = t0 - t3, t11 = t1 + t2, t12 = t1 - t2;
    d[0] = second ? DCT_DESCALE(t10 + t11, DCT_PASS) : (t10 + t11) * (1 << DCT_PASS);
    d[4] = second ? DCT_DESCALE(t10 - t11, DCT_PASS) : (t10 - t11) * (1 << DCT_PASS);
    isp_i32 z1 = (t12 + t13) * 4433;
    d[2] = DCT_DESCALE(z1 + t13 * 6270, odd);
    d[6] = DCT_DESCALE(z1 - t12 * 15137, odd);
    isp_i32 z5 = (t4 + t6 + t5 + t7) * 9633, z3 = z5 - (t4 + t6) * 16069, z4 = z5 - (t5 + t7) * 3196;
    isp_i32 z2 = (t5 + t6) * -20995;
    z1 = (t4 + t7) * -7373;
    d[7] = DCT_DESCALE(t4 * 2446 + z1 + z3, odd);
    d[5] = DCT_DESCALE(t5 * 16819 + z2 + z4, odd);
    d[3] = DCT_DESCALE(t6 * 25172 + z2 + z3, odd);
    d[1] = DCT_DESCALE(t7 * 12299 + z1 + z4, odd);
}

/* In place, from orthonormally scaled coefficients; columns first. */
ISP_FN void isp_idct(isp_i32 *d, int second) {
    const int bits = second ? DCT_BITS + DCT_PASS + 3 : DCT_BITS - DCT_PASS;
    isp_i32 z1 = (d[2] + d[6]) * 4433, t2 = z1 - d[6] * 15137, t3 = z1 + d[2] * 6270;
    isp_i32 t0 = (d[0] + d[4]) * (1 << DCT_BITS), t1 = (d[0] - d[4]) * (1 << DCT_BITS);
    isp_i32 t10 = t0 + t3, t13 = t0 - t3, t11 = t1 + t2, t12 = t1 - t2;
    isp_i32 a = d[7], b = d[5], c = d[3], e = d[1];
    isp_i32 z5 = (a + c + b + e) * 9633, z3 = z5 - (a + c) * 16069, z4 = z5 - (b + e) * 3196, z2 = (b + c) * -20995;
    z1 = (a + e) * -7373;
    a = a * 2446 + z1 + z3;
    b = b * 16819 + z2 + z4;
    c = c * 25172 + z2 + z3;
    e = e * 12299 + z1 + z4;
    d[0] = DCT_DESCALE(t10 + e, bits);
    d[7] = DCT_DESCALE(t10 - e, bits);
    d[1] = DCT_DESCALE(t11 + c, bits);
    d[6] = DCT_DESCALE(t11 - c, bits);
    d[2] = DCT_DESCALE(t12 + b, bits);
    d[5] = DCT_DESCALE(t12 - b, bits);
    d[3] = DCT_DESCALE(t13 + a, bits);
    d[4] = DCT_DESCALE(t13 - a, bits);
}

/* Quantize a coefficient, given as 8 times its value, by an entry of the table, rounding half away from zero. Exact: the
 * added half keeps the product farther from integers than its rounding error. `inverse` is isp_inverse_entry(entry). */
ISP_FN isp_i32 isp_quantized(isp_i32 coefficient, isp_i32 entry, float inverse) {
    isp_i32 size = coefficient < 0 ? -coefficient : coefficient;
    isp_i32 quotient = (isp_i32)(((float)(size + 4 * entry) + 0.5f) * inverse);
    return coefficient < 0 ? -quotient : quotient;
}

ISP_FN float isp_inverse_entry(isp_i32 entry) { return 0.125f / (float)entry; }

/* Round a sample to an integer in 0 ... 255 and subtract 128; NaN counts as 0. Adding 1.5 * 2^23 rounds: bits of larger sums
 * are larger, even beyond 255 and for infinity. */
ISP_FN isp_i32 isp_centered(float sample) {
    const isp_i32 bits = isp_bits((sample > 0.0f ? sample : 0.0f) + 12582912.0f);
    return (bits < 0x4b4000ff ? bits : 0x4b4000ff) - 0x4b400000 - 128;
}

/* A decoded value as a code: add 128 and clamp to 0 ... 255. */
ISP_FN isp_i32 isp_decoded(isp_i32 value) {
    value += 128;
    return value < 0 ? 0 : value > 255 ? 255 : value;
}

ISP_FN float isp_sample(isp_i32 value) { return (float)isp_decoded(value); }

/* In place, the orthonormal transform C[k][n] = c(k) cos((2 n + 1) k pi / 16), split into sums and differences of pairs. */
ISP_FN void isp_dct_float(float *d) {
    const float s0 = d[0] + d[7], s1 = d[1] + d[6], s2 = d[2] + d[5], s3 = d[3] + d[4];
    const float t0 = d[0] - d[7], t1 = d[1] - d[6], t2 = d[2] - d[5], t3 = d[3] - d[4];
    const float a = s0 + s3, b = s1 + s2, c = s0 - s3, e = s1 - s2;
    d[0] = DCT_C4 * (a + b);
    d[4] = DCT_C4 * (a - b);
    d[2] = DCT_C2 * c + DCT_C6 * e;
    d[6] = DCT_C6 * c - DCT_C2 * e;
    d[1] = DCT_C1 * t0 + DCT_C3 * t1 + DCT_C5 * t2 + DCT_C7 * t3;
    d[3] = DCT_C3 * t0 - DCT_C7 * t1 - DCT_C1 * t2 - DCT_C5 * t3;
    d[5] = DCT_C5 * t0 - DCT_C1 * t1 + DCT_C7 * t2 + DCT_C3 * t3;
    d[7] = DCT_C7 * t0 - DCT_C5 * t1 + DCT_C3 * t2 - DCT_C1 * t3;
}

/* In place, the transpose, which is the inverse of isp_dct_float. */
ISP_FN void isp_idct_float(float *d) {
    const float a = DCT_C4 * (d[0] + d[4]), b = DCT_C4 * (d[0] - d[4]);
    const float c = DCT_C2 * d[2] + DCT_C6 * d[6], e = DCT_C6 * d[2] - DCT_C2 * d[6];
    const float s0 = a + c, s3 = a - c, s1 = b + e, s2 = b - e;
    const float t0 = DCT_C1 * d[1] + DCT_C3 * d[3] + DCT_C5 * d[5] + DCT_C7 * d[7];
    const float t1 = DCT_C3 * d[1] - DCT_C7 * d[3] - DCT_C1 * d[5] - DCT_C5 * d[7];
    const float t2 = DCT_C5 * d[1] - DCT_C1 * d[3] + DCT_C7 * d[5] + DCT_C3 * d[7];
    const float t3 = DCT_C7 * d[1] - DCT_C5 * d[3] + DCT_C3 * d[5] - DCT_C1 * d[7];
    d[0] = s0 + t0, d[1] = s1 + t1, d[2] = s2 + t2, d[3] = s3 + t3;
    d[7] = s0 - t0, d[6] = s1 - t1, d[5] = s2 - t2, d[4] = s3 - t3;
}

/* The surrogate derivative of rounding at a distance from the nearest integer: 1 + sum of weights[n] cos(2 pi (n + 1) distance),
 * by Clenshaw's recurrence. */
ISP_FN float isp_rounding_slope(float distance, const float *weights, int count) {
    const float cosine = isp_cosine_turns(distance);
    float last = 0.0f, before = 0.0f;
    ROLLED for (int n = count - 1; n >= 0; n--) {
        const float next = weights[n] + 2.0f * cosine * last - before;
        before = last;
        last = next;
    }
    return 1.0f + cosine * last - before;
}

#endif
