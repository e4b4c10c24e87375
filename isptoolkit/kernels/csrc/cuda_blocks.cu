/* AdaIN and affine coupling on a GPU. */
#include "cuda_items.h"
#include "blocks.h"

/* Sum two values over all threads of the block; every thread gets the sums. */
ISP_FN void isp_block_sums(double &a, double &b) {
    __shared__ double parts[2][32];
    for (int step = 16; step > 0; step /= 2) {
        a += __shfl_down_sync(0xffffffffu, a, step);
        b += __shfl_down_sync(0xffffffffu, b, step);
    }
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, warps = (blockDim.x + 31) / 32;
    __syncthreads();
    if (lane == 0) parts[0][warp] = a, parts[1][warp] = b;
    __syncthreads();
    a = b = 0.0;
    for (int k = 0; k < warps; k++) a += parts[0][k], b += parts[1][k];
}

/* One block per plane. */
extern "C" __global__ void isp_adain_apply(const void *x, const float *scale, const float *shift, void *y, float *mean,
                                           float *inverse_deviation, isp_long pixels, double epsilon, int type) {
    const isp_long plane = blockIdx.x, base = plane * pixels;
    const float pivot = isp_load(x, type, base);
    double sum = 0.0, squares = 0.0;
    for (isp_long i = threadIdx.x; i < pixels; i += blockDim.x) {
        float d = isp_load(x, type, base + i) - pivot;
        sum += d;
        squares += (double)d * d;
    }
    isp_block_sums(sum, squares);
    const double n = (double)pixels, offset = sum / n, variance = (squares - sum * offset) / (n > 1 ? n - 1 : 1);
    const float rest = (float)offset, inverse = (float)(1.0 / sqrt((variance > 0 ? variance : variance * 0.0) + epsilon));
    const float factor = scale[plane] * inverse, add = shift[plane];
    if (threadIdx.x == 0) mean[2 * plane] = pivot, mean[2 * plane + 1] = rest, inverse_deviation[plane] = inverse;
    for (isp_long i = threadIdx.x; i < pixels; i += blockDim.x)
        isp_store(y, type, base + i, ((isp_load(x, type, base + i) - pivot) - rest) * factor + add);
}

extern "C" __global__ void isp_adain_back(const void *x, const float *scale, const float *mean, const float *inverse_deviation,
                                          const void *grad_y, void *grad_x, float *grad_scale, float *grad_shift, isp_long pixels,
                                          int type) {
    const isp_long plane = blockIdx.x, base = plane * pixels;
    const float pivot = mean[2 * plane], rest = mean[2 * plane + 1], inverse = inverse_deviation[plane];
    double sum = 0.0, product = 0.0;
    for (isp_long i = threadIdx.x; i < pixels; i += blockDim.x) {
        float g = isp_load(grad_y, type, base + i);
        sum += g;
        product += (double)g * (((isp_load(x, type, base + i) - pivot) - rest) * inverse);
    }
    isp_block_sums(sum, product);
    const double n = (double)pixels;
    const float factor = scale[plane] * inverse, even = (float)(sum / n), tilt = (float)(product / (n > 1 ? n - 1 : 1)) * inverse;
    if (threadIdx.x == 0) grad_scale[plane] = (float)product, grad_shift[plane] = (float)sum;
    for (isp_long i = threadIdx.x; i < pixels; i += blockDim.x) {
        float centered = (isp_load(x, type, base + i) - pivot) - rest;
        isp_store(grad_x, type, base + i, factor * (isp_load(grad_y, type, base + i) - even - centered * tilt));
    }
}

extern "C" __global__ void isp_coupling_apply(const void *x, const void *h, const void *t, void *y, isp_long count,
                                              float limit, int inverse, int type) {
    EACH_ITEM(count)
    isp_store(y, type, at, isp_couple(isp_load(x, type, at), isp_load(h, type, at), isp_load(t, type, at), limit, inverse));
}

extern "C" __global__ void isp_coupling_back(const void *grad_y, const void *unscaled, const void *h, void *grad_x, void *grad_h,
                                             void *grad_t, isp_long count, float limit, int inverse, int type) {
    EACH_ITEM(count) {
        isp_coupling_gradients g =
            isp_couple_back(isp_load(grad_y, type, at), isp_load(unscaled, type, at), isp_load(h, type, at), limit, inverse);
        isp_store(grad_x, type, at, g.x);
        isp_store(grad_h, type, at, g.h);
        isp_store(grad_t, type, at, g.t);
    }
}
