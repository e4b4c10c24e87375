/* Transfer and tone curves, one value at a time: y = name(x, p), dy/dx = name_slope(x, y, p), dy/dp = name_partial(x, y, p).
 * The constants and definitions are those of isptoolkit/stages/transfer.py and tone.py.
 */
#ifndef ISPTOOLKIT_CURVES_H
#define ISPTOOLKIT_CURVES_H

#include "maths.h"

/* For curves without a parameter. */
#define ISP_NO_PARTIAL(name)                          \
    ISP_FN float name##_partial(float x, float y, float p) { \
        (void)x, (void)y, (void)p;                    \
        return 0.0f;                                  \
    }
/* The slope of an inverse is the reciprocal of the curve's slope, or 0 where that is 0. */
#define ISP_INVERSE_SLOPE(name, forward)              \
    ISP_FN float name##_slope(float x, float y, float p) { \
        float slope = forward##_slope(y, x, p);       \
        return slope == 0.0f ? 0.0f : 1.0f / slope;   \
    }
/* Derivative of an inverse with respect to the parameter: dx/dp = -(dy/dp) / (dy/dx). */
#define ISP_INVERSE_PARTIAL(name, forward)            \
    ISP_FN float name##_partial(float x, float y, float p) { \
        float slope = forward##_slope(y, x, p);       \
        return slope == 0.0f ? 0.0f : -forward##_partial(y, x, p) / slope; \
    }

/* ---- sRGB, with the breakpoint where its two pieces meet */
#define SRGB_BREAK 0.00313066844250063f
#define SRGB_POWER 0.416666667f

ISP_FN float srgb_encode(float x, float p) {
    (void)p;
    float size = isp_abs(x);
    float curved = isp_with_sign(1.055f * isp_root_power(size, SRGB_POWER) - 0.055f, x);
    return size > SRGB_BREAK ? curved : 12.92f * x;
}
/* srgb_encode for 0 <= x < infinity, and NaN. */
ISP_FN float srgb_encode_bounded(float x) {
    float curved = 1.055f * isp_root_power_finite(x, SRGB_POWER) - 0.055f;
    return x > SRGB_BREAK ? curved : 12.92f * x;
}
ISP_FN float srgb_encode_slope(float x, float y, float p) {
    (void)p;
    float size = isp_abs(x);
    return size > SRGB_BREAK ? (isp_abs(y) + 0.055f) / size * SRGB_POWER : 12.92f;
}
ISP_NO_PARTIAL(srgb_encode)
ISP_FN float srgb_decode(float x, float p) {
    (void)p;
    float size = isp_abs(x);
    /* The fraction of the exponent, below 1, takes half the time that the whole exponent would take. */
    float base = (size + 0.055f) * 0.947867299f;
    float curved = isp_signed(base * base * isp_root_power(base, 0.4f), x);
    return size > 12.92f * SRGB_BREAK ? curved : x * 0.0773993808f;
}
ISP_INVERSE_SLOPE(srgb_decode, srgb_encode)
ISP_NO_PARTIAL(srgb_decode)

/* ---- Rec. 709 */
ISP_FN float rec709_encode(float x, float p) {
    (void)p;
    float size = isp_abs(x);
    float curved = isp_signed(1.099f * isp_root_power(size, 0.45f) - 0.099f, x);
    return size >= 0.018f ? curved : 4.5f * x;
}
ISP_FN float rec709_encode_slope(float x, float y, float p) {
    (void)p;
    float size = isp_abs(x);
    return size >= 0.018f ? (isp_abs(y) + 0.099f) / size * 0.45f : 4.5f;
}
ISP_NO_PARTIAL(rec709_encode)
ISP_FN float rec709_decode(float x, float p) {
    (void)p;
    float size = isp_abs(x);
    float base = (size + 0.099f) * 0.909918107f;
    float curved = isp_signed(base * base * isp_root_power(base, 0.222222222f), x);
    return size >= 0.0811214496f ? curved : x * 0.222222222f; /* the middle of the standard's jump at the breakpoint */
}
ISP_INVERSE_SLOPE(rec709_decode, rec709_encode)
ISP_NO_PARTIAL(rec709_decode)

/* ---- pure power, odd; p is the exponent */
ISP_FN float power(float x, float p) { return isp_signed(isp_power(isp_abs(x), p), x); }
ISP_FN float power_slope(float x, float y, float p) {
    float slope = p * y / x;
    return x == 0.0f ? 0.0f : slope;
}
ISP_FN float power_partial(float x, float y, float p) {
    (void)p;
    float partial = y * isp_ln(isp_abs(x));
    return x == 0.0f ? 0.0f : partial;
}

/* ---- the powers 1/2 and 2 */
ISP_FN float square_root(float x, float p) {
    (void)p;
    return isp_signed(isp_root(isp_abs(x)), x);
}
ISP_FN float square_root_slope(float x, float y, float p) {
    float slope = 0.5f / isp_abs(y);
    (void)p;
    return x == 0.0f ? 0.0f : slope;
}
ISP_FN float square_root_partial(float x, float y, float p) { return power_partial(x, y, p); }
ISP_FN float square(float x, float p) {
    (void)p;
    return x * isp_abs(x);
}
ISP_FN float square_slope(float x, float y, float p) {
    (void)y, (void)p;
    return 2.0f * isp_abs(x);
}
ISP_FN float square_partial(float x, float y, float p) { return power_partial(x, y, p); }

/* ---- SMPTE ST 2084 (PQ), extended about (0, PQ_BLACK) */
#define PQ_M1 0.159301758f
#define PQ_M2 78.84375f
#define PQ_C2 18.8515625f
#define PQ_C3 18.6875f
#define PQ_GAP 0.1640625f /* c2 - c3 = 1 - c1 */
#define PQ_RISE 3.22998047f /* c2 - c1 c3 */
#define PQ_BLACK 7.30955903e-7f

ISP_FN float pq_encode(float x, float p) {
    (void)p;
    float power = isp_power(isp_abs(x), PQ_M1);
    /* (c1 + c2 P) / (1 + c3 P) = 1 - d: nothing cancels in this form, and the rounding error of 1 - d is compensated. */
    float d = PQ_GAP * (1.0f - power) / (1.0f + PQ_C3 * power), base = 1.0f - d;
    float y = isp_exp(PQ_M2 * (isp_ln(base) + ((1.0f - base) - d) / base));
    return x > 0.0f ? y : x < 0.0f ? 2.0f * PQ_BLACK - y : PQ_BLACK + x;
}
ISP_FN float pq_encode_slope(float x, float y, float p) {
    (void)p;
    float size = isp_abs(x), power = isp_power(size, PQ_M1), below = 1.0f + PQ_C3 * power;
    float base = (1.0f - PQ_GAP + PQ_C2 * power) / below;
    float value = isp_abs(y - PQ_BLACK) + PQ_BLACK;
    float slope = PQ_M2 * value / base * (PQ_RISE / (below * below)) * PQ_M1 * power / size;
    return x == 0.0f ? 0.0f : slope;
}
ISP_NO_PARTIAL(pq_encode)
ISP_FN float pq_decode(float x, float p) {
    (void)p;
    float above = x - PQ_BLACK, t = isp_ln(isp_abs(above) + PQ_BLACK) / PQ_M2;
    /* root - 1 = e^t - 1 for small t, at full relative precision. */
    float d = t * (1.0f + t * (0.5f + t * (0.166666667f + t * (0.0416666667f + t * (0.00833333333f + t * 0.00138888889f)))));
    float ratio = (PQ_GAP + d) / (PQ_GAP - PQ_C3 * d);
    float y = isp_power(PQ_GAP + d > 0.0f ? ratio : d * 0.0f, 1.0f / PQ_M1);
    return isp_signed(y, above);
}
ISP_INVERSE_SLOPE(pq_decode, pq_encode)
ISP_NO_PARTIAL(pq_decode)

/* ---- hybrid log-gamma, OETF */
#define HLG_A 0.17883277f
#define HLG_B 0.28466892f
#define HLG_C 0.55991073f

ISP_FN float hlg_encode(float x, float p) {
    (void)p;
    float size = isp_abs(x);
    float y = size > 1.0f / 12.0f ? HLG_A * isp_ln(12.0f * size - HLG_B) + HLG_C : isp_root(3.0f * size);
    return isp_signed(y, x);
}
ISP_FN float hlg_encode_slope(float x, float y, float p) {
    (void)p;
    float size = isp_abs(x);
    float slope = size > 1.0f / 12.0f ? 12.0f * HLG_A / (12.0f * size - HLG_B) : 1.5f / isp_abs(y);
    return x == 0.0f ? 0.0f : slope;
}
ISP_NO_PARTIAL(hlg_encode)
ISP_FN float hlg_decode(float x, float p) {
    (void)p;
    float size = isp_abs(x);
    float y = size > 0.5f ? (isp_exp((size - HLG_C) * 5.59181630f) + HLG_B) * (1.0f / 12.0f) : size * size * (1.0f / 3.0f);
    return isp_signed(y, x);
}
ISP_FN float hlg_decode_slope(float x, float y, float p) {
    (void)p;
    float size = isp_abs(x);
    return size > 0.5f ? (isp_abs(y) - HLG_B / 12.0f) * 5.59181630f : size * (2.0f / 3.0f);
}
ISP_NO_PARTIAL(hlg_decode)

/* ---- smoothstep; p is its amount */
ISP_FN float smoothstep(float x, float p) { return x * ((1.0f - p) + p * x * (3.0f - 2.0f * x)); }
ISP_FN float smoothstep_slope(float x, float y, float p) {
    (void)y;
    return (1.0f - p) + 6.0f * p * x * (1.0f - x);
}
ISP_FN float smoothstep_partial(float x, float y, float p) {
    (void)y, (void)p;
    return x * (x * (3.0f - 2.0f * x) - 1.0f);
}
ISP_FN float smoothstep_inverse(float x, float p) {
    float v = x - 0.5f, s = isp_root((1.0f + 0.5f * p) / (6.0f * p));
    float sine = v / (4.0f * p * s * s * s);
    sine = sine > 1.0f ? 1.0f : sine < -1.0f ? -1.0f : sine;
    float u = 2.0f * s * isp_sin_small(isp_asin(sine) * 0.333333333f);
    return (isp_abs(v) < 0.5f ? u : v < -0.5f ? -0.5f : v > 0.5f ? 0.5f : v) + 0.5f;
}
ISP_FN float smoothstep_inverse_slope(float x, float y, float p) {
    float slope = smoothstep_slope(y, x, p);
    return isp_abs(x - 0.5f) < 0.5f && slope > 0.0f ? 1.0f / slope : 0.0f;
}
ISP_FN float smoothstep_inverse_partial(float x, float y, float p) {
    return -smoothstep_partial(y, x, p) * smoothstep_inverse_slope(x, y, p);
}

/* The root x >= 0 of a x^2 + b x = c. */
ISP_FN float isp_positive_root(float a, float b, float c) {
    float root = isp_root(b * b + 4.0f * a * c);
    return b < 0.0f ? (root - b) / (2.0f * a) : 2.0f * c / (root + b);
}

/* ---- extended Reinhard; p is one over the square of the white point */
ISP_FN float reinhard(float x, float p) {
    float size = isp_abs(x);
    return x * (1.0f + size * p) / (1.0f + size);
}
ISP_FN float reinhard_slope(float x, float y, float p) {
    (void)y;
    float size = isp_abs(x), below = 1.0f + size;
    return (1.0f + size * p * (2.0f + size)) / (below * below);
}
ISP_FN float reinhard_partial(float x, float y, float p) {
    (void)y, (void)p;
    float size = isp_abs(x);
    return x * size / (1.0f + size);
}
ISP_FN float reinhard_inverse(float x, float p) {
    float size = isp_abs(x);
    float root = isp_positive_root(p, 1.0f - size, size);
    return x < 0.0f ? -root : root;
}
ISP_INVERSE_SLOPE(reinhard_inverse, reinhard)
ISP_INVERSE_PARTIAL(reinhard_inverse, reinhard)

/* ---- Hable's curve, unscaled: x (A (1 - t) x + B (C - t)) / (x (A x + B) + D F) with t = E / F */
#define HABLE_A 0.15f
#define HABLE_B 0.5f
#define HABLE_TOE 0.0666666667f
#define HABLE_SQUARE 0.14f  /* A (1 - t) */
#define HABLE_LINEAR 0.0166666667f /* B (C - t) */
#define HABLE_FLOOR 0.06f   /* D F */

ISP_FN float hable(float x, float p) {
    (void)p;
    float size = isp_abs(x);
    return x * (HABLE_SQUARE * size + HABLE_LINEAR) / (size * (HABLE_A * size + HABLE_B) + HABLE_FLOOR);
}
ISP_FN float hable_slope(float x, float y, float p) {
    (void)p;
    float size = isp_abs(x), below = size * (HABLE_A * size + HABLE_B) + HABLE_FLOOR;
    return (2.0f * HABLE_SQUARE * size + HABLE_LINEAR - isp_abs(y) * (2.0f * HABLE_A * size + HABLE_B)) / below;
}
ISP_NO_PARTIAL(hable)
ISP_FN float hable_inverse(float x, float p) {
    (void)p;
    float size = isp_abs(x), k = size + HABLE_TOE;
    float root = isp_positive_root(HABLE_A * (1.0f - k), HABLE_B * (0.1f - k), HABLE_FLOOR * size);
    return x < 0.0f ? -root : root;
}
ISP_INVERSE_SLOPE(hable_inverse, hable)
ISP_NO_PARTIAL(hable_inverse)

/* Every curve: X(name). */
#define ISP_CURVES(X)                                                                                       \
    X(srgb_encode) X(srgb_decode) X(rec709_encode) X(rec709_decode) X(power) X(pq_encode) X(pq_decode) \
    X(hlg_encode) X(hlg_decode) X(smoothstep) X(smoothstep_inverse) X(reinhard) X(reinhard_inverse)         \
    X(hable) X(hable_inverse)

/* Curves that are others at one value of p, and take less time. */
#define ISP_SHORTCUTS(X) X(square_root) X(square)

#endif
