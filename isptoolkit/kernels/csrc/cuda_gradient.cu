/* Gradients of point-wise programs on a GPU: each thread recomputes a pixel, storing its values, and differentiates it. */
#include "cuda_steps.h"

#define MAX_SUMS 512 /* coefficients whose gradients are summed per block first; those beyond go to global memory directly */

struct isp_sums {
    double *block, *all; /* null if no gradient is needed */
};

/* Add to the gradient of one coefficient. */
ISP_FN void isp_add(const isp_sums &sums, isp_long index, float value) {
    if (!sums.all) return;
    if (index < MAX_SUMS) {
        atomicAdd(sums.block + index, (double)value);
    } else {
        atomicAdd(sums.all + index, (double)value);
    }
}

/* Replace g, the gradient of the step's output y, by the gradient of its input x. */
ISP_FN void isp_backward_step(const int *step, const float *k, const float *x, const float *y, float *g,
                              const isp_sums &sums, int planes, const isp_place &place) {
    const isp_long start = step[1];
    const int *shape = step + 2;
    switch (isp_shortcut(step[0], k)) {
#define VALUE_CASE(name, count, owner)                                                                                    \
    case ISP_KIND_##name:                                                                                                 \
        EACH_PLANE {                                                                                                      \
            const isp_parameters p = isp_parameters_of(k, count, owner, c, isp_site(place));                              \
            for (int j = 0; j < count; j++)                                                                               \
                isp_add(sums, start + isp_parameter(j, owner, c, isp_site(place)),                                        \
                        isp_chain(g[c], name##_step_partial(j, x[c], y[c], p)));                                          \
            g[c] = isp_chain(g[c], name##_step_slope(x[c], y[c], p));                                                     \
        }                                                                                                                 \
        break;
#define CURVE_CASE(name) VALUE_CASE(name, 1, ISP_SHARED)
#define LOOKUP_CASE(name, count, search)                                                                                  \
    case ISP_KIND_##name:                                                                                                 \
        EACH_PLANE {                                                                                                      \
            const int segment = isp_find_segment(search, x[c], k, shape);                                                 \
            const isp_segment s = isp_segment_of(k, count, segment, shape);                                               \
            for (int j = 0; j < count; j++)                                                                               \
                isp_add(sums, start + isp_segment_parameter(j, segment, shape),                                           \
                        isp_chain(g[c], name##_step_partial(j, x[c], y[c], s)));                                          \
            g[c] = isp_chain(g[c], name##_step_slope(x[c], y[c], s));                                                     \
        }                                                                                                                 \
        break;
#define COLOR_CASE(name, count)                                                                                           \
    case ISP_KIND_##name: {                                                                                               \
        const isp_color before = isp_color_of(x), after = isp_color_of(y), gradient = isp_color_of(g);                    \
        for (int j = 0; j < count; j++) isp_add(sums, start + j, name##_step_partial(j, before, after, gradient, k));     \
        isp_set_color(g, name##_step_back(before, after, gradient, k));                                                   \
        break;                                                                                                            \
    }
#define GAIN_CASE(name, base)                                                                                             \
    case ISP_KIND_##name##_multiply:                                                                                      \
    case ISP_KIND_##name##_divide:                                                                                        \
        EACH_PLANE {                                                                                                      \
            const name##_pixel pixel = name##_pixel_of(name##_line_of(shape, k, place, planes, c), (int)place.column);    \
            const float gain = name##_gain(shape, k, pixel);                                                              \
            const float grad_gain = step[0] == ISP_KIND_##name##_multiply ? g[c] * x[c] : -g[c] * y[c] / gain;            \
            ISP_UNROLL for (int t = 0; t < name##_terms(shape); t++) {                                                    \
                int at;                                                                                                   \
                const float weight = name##_term(t, pixel, &at);                                                          \
                isp_add(sums, start + at, grad_gain * weight);                                                            \
            }                                                                                                             \
            g[c] = step[0] == ISP_KIND_##name##_multiply ? g[c] * gain : g[c] / gain;                                     \
        }                                                                                                                 \
        break;
    ISP_VALUES(VALUE_CASE)
    ISP_LOOKUPS(LOOKUP_CASE)
    ISP_COLORS(COLOR_CASE)
    ISP_GAINS(GAIN_CASE)
    ISP_CURVES(CURVE_CASE)
    ISP_SHORTCUTS(CURVE_CASE)
    }
}

/* One row of blocks per sample, so that each block sums gradients of one sample only. */
extern "C" __global__ void isp_develop_gradient(const void *x, const void *g, void *grad_x, double *grad_coefficients,
                                                const float *coefficients, const int *program, int count, int planes,
                                                isp_long height, isp_long width, isp_long x_batch, isp_long x_plane,
                                                isp_long x_row, isp_long coefficients_stride, isp_long coefficient_count,
                                                int type) {
    __shared__ double block_sums[MAX_SUMS];
    const isp_long frame = height * width, sample = blockIdx.y;
    isp_sums sums = {block_sums, grad_coefficients ? grad_coefficients + sample * coefficients_stride : 0};
    for (int k = threadIdx.x; k < MAX_SUMS; k += blockDim.x) block_sums[k] = 0.0;
    __syncthreads();
    for (isp_long at = (isp_long)blockIdx.x * blockDim.x + threadIdx.x; at < frame; at += (isp_long)gridDim.x * blockDim.x) {
        isp_place place = {at / width, at % width, height, width};
        float values[ISP_MAX_STEPS + 1][ISP_MAX_PLANES], gradient[ISP_MAX_PLANES];
        const float *sample_coefficients = coefficients + sample * coefficients_stride;
        EACH_PLANE values[0][c] = isp_load(x, type, sample * x_batch + c * x_plane + place.row * x_row + place.column);
        EACH_PLANE gradient[c] = isp_load(g, type, (sample * planes + c) * frame + at);
        for (int k = 0; k < count; k++) {
            const int *step = program + k * ISP_STEP_SIZE;
            EACH_PLANE values[k + 1][c] = values[k][c];
            isp_forward_step<true>(step, sample_coefficients + step[1], values[k + 1], planes, place);
        }
        for (int k = count - 1; k >= 0; k--) {
            const int *step = program + k * ISP_STEP_SIZE;
            isp_backward_step(step, sample_coefficients + step[1], values[k], values[k + 1], gradient, sums, planes, place);
        }
        EACH_PLANE isp_store(grad_x, type, (sample * planes + c) * frame + at, gradient[c]);
    }
    __syncthreads();
    for (int k = threadIdx.x; sums.all && k < MAX_SUMS && k < coefficient_count; k += blockDim.x)
        atomicAdd(sums.all + k, block_sums[k]);
}
