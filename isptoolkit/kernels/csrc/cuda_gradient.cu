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
ISP_FN void isp_backward_step(const int *step, const float *p, const float *x, const float *y, float *g,
                              const isp_sums &sums, int planes, const isp_place &place) {
    const isp_long n = step[1];
    switch (step[0]) {
    case ISP_SITES: {
        int site = (int)(place.row & 1) * 2 + (int)(place.column & 1);
        isp_add(sums, n + site, -g[0] * p[4 + site]);
        isp_add(sums, n + 4 + site, g[0] * (x[0] - p[site]));
        isp_add(sums, n + 8 + site, g[0]);
        g[0] *= p[4 + site];
        break;
    }
    case ISP_CHANNELS:
        EACH_PLANE {
            isp_add(sums, n + c, g[c] * x[c]);
            isp_add(sums, n + 4 + c, g[c]);
            g[c] *= p[c];
        }
        break;
    case ISP_MATRIX: {
        for (int k = 0; k < 3; k++) {
            for (int c = 0; c < 3; c++) isp_add(sums, n + 3 * k + c, g[k] * x[c]);
            isp_add(sums, n + 9 + k, g[k]);
        }
        float a = g[0], b = g[1], d = g[2];
        g[0] = p[0] * a + p[3] * b + p[6] * d;
        g[1] = p[1] * a + p[4] * b + p[7] * d;
        g[2] = p[2] * a + p[5] * b + p[8] * d;
        break;
    }
    case ISP_CLAMP:
        EACH_PLANE {
            isp_add(sums, n, x[c] < p[0] ? g[c] : 0.0f);
            isp_add(sums, n + 1, x[c] > p[1] ? g[c] : 0.0f);
            g[c] = x[c] >= p[0] && x[c] <= p[1] ? g[c] : 0.0f;
        }
        break;
    case ISP_QUANTIZE: break;
    case ISP_MESH_MULTIPLY:
    case ISP_MESH_DIVIDE:
        EACH_PLANE {
            float gain = isp_mesh_gain(step, p, place, planes, c);
            float grad_gain = step[0] == ISP_MESH_MULTIPLY ? g[c] * x[c] : -g[c] * y[c] / gain;
            isp_nodes nodes = isp_mesh_nodes(step, place, planes, c);
            for (int k = 0; k < 4; k++) isp_add(sums, n + nodes.at[k], grad_gain * nodes.weight[k]);
            g[c] = step[0] == ISP_MESH_MULTIPLY ? g[c] * gain : g[c] / gain;
        }
        break;
#define CURVE_CASE(name)                                       \
    case ISP_KIND_##name:                                      \
        EACH_PLANE {                                           \
            isp_add(sums, n, g[c] * name##_partial(x[c], y[c], p[0])); \
            g[c] *= name##_slope(x[c], y[c], p[0]);            \
        }                                                      \
        break;
    ISP_CURVES(CURVE_CASE)
#undef CURVE_CASE
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
            isp_forward_step(step, sample_coefficients + step[1], values[k + 1], planes, place);
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
