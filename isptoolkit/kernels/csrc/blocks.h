/* Per-value functions of the affine coupling. */
#ifndef ISPTOOLKIT_BLOCKS_H
#define ISPTOOLKIT_BLOCKS_H

#include "maths.h"

/* The log-scale s(h) of a coupling and its derivative ds/dh: s = limit tanh(h / 2), or s = h if the limit is 0. */
typedef struct { float value, slope; } isp_scale;

ISP_FN isp_scale isp_coupling_scale(float h, float limit) {
    float e = isp_exp(h > 40.0f ? 40.0f : h), tanh_half = (e - 1.0f) / (e + 1.0f);
    isp_scale s = {limit * tanh_half, 0.5f * limit * (1.0f - tanh_half * tanh_half)};
    s.value = limit > 0.0f ? s.value : h;
    s.slope = limit > 0.0f ? s.slope : 1.0f;
    return s;
}

/* x exp(s) + t, or its inverse (x - t) / exp(s). */
ISP_FN float isp_couple(float x, float h, float t, float limit, int inverse) {
    float s = isp_coupling_scale(h, limit).value;
    float factor = isp_exp(inverse ? -s : s);
    return inverse ? (x - t) * factor : x * factor + t;
}

/* Gradients of isp_couple with respect to x, h and t, given the gradient grad_y of the output. `unscaled` is the input x of the
 * forward direction, or the output of the inverse. */
typedef struct { float x, h, t; } isp_coupling_gradients;

ISP_FN isp_coupling_gradients isp_couple_back(float grad_y, float unscaled, float h, float limit, int inverse) {
    isp_scale s = isp_coupling_scale(h, limit);
    float grad_x = grad_y * isp_exp(inverse ? -s.value : s.value);
    float grad_s = inverse ? -grad_y * unscaled : grad_x * unscaled;
    isp_coupling_gradients gradients = {grad_x, s.slope * grad_s, inverse ? -grad_x : grad_y};
    return gradients;
}

#endif
