/* What the learned blocks do to each value. */
#ifndef ISPTOOLKIT_BLOCKS_H
#define ISPTOOLKIT_BLOCKS_H

#include "maths.h"

/* The logarithm s of a coupling's factor, and its slope: limit tanh(h / 2), or h itself where the limit is 0. */
typedef struct { float value, slope; } isp_scale;

ISP_FN isp_scale isp_coupling_scale(float h, float limit) {
    float e = isp_exp(h > 40.0f ? 40.0f : h), tanh_half = (e - 1.0f) / (e + 1.0f);
    isp_scale s = {limit * tanh_half, 0.5f * limit * (1.0f - tanh_half * tanh_half)};
    s.value = limit > 0.0f ? s.value : h;
    s.slope = limit > 0.0f ? s.slope : 1.0f;
    return s;
}

/* x exp(s) + t; backwards (x - t) / exp(s). */
ISP_FN float isp_couple(float x, float h, float t, float limit, int inverse) {
    float s = isp_coupling_scale(h, limit).value;
    float factor = isp_exp(inverse ? -s : s);
    return inverse ? (x - t) * factor : x * factor + t;
}

/* The gradients by x, h and t of the same, g being that by the result; `plain` is x, or backwards the result. */
typedef struct { float x, h, t; } isp_coupling_gradients;

ISP_FN isp_coupling_gradients isp_couple_back(float g, float plain, float h, float limit, int inverse) {
    isp_scale s = isp_coupling_scale(h, limit);
    float by_x = g * isp_exp(inverse ? -s.value : s.value);
    isp_coupling_gradients made = {by_x, s.slope * (inverse ? -g * plain : by_x * plain), inverse ? -by_x : g};
    return made;
}

#endif
