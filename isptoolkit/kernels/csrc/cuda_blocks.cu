/* AdaIN, affine coupling and JPEG blocks on a GPU. */
#include "cuda_steps.h"
#include "blocks.h"
#include "dct.h"

#define EACH_ITEM(count) \
    for (isp_long at = (isp_long)blockIdx.x * blockDim.x + threadIdx.x; at < (count); at += (isp_long)gridDim.x * blockDim.x)

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

/* ---- JPEG: eight threads share an 8x8 block; each handles a row, then a column */

#define TILES 32 /* 8x8 blocks per 256 threads */

typedef isp_i32 isp_whole[TILES][8][9]; /* padded, so that neither rows nor columns cause bank conflicts */
typedef float isp_real[TILES][8][9];

struct isp_block_place { isp_long sample, at; bool inside; };

ISP_FN isp_block_place isp_block_of(isp_long index, isp_long planes, isp_long height, isp_long width) {
    const isp_long across = width / 8, down = height / 8;
    isp_long column = index % across, row = index / across % down, sample = index / across / down;
    isp_block_place place = {sample, (sample * height + row * 8) * width + column * 8, index < planes * across * down};
    return place;
}

#define READ_ROW(d, shared) for (int k = 0; k < 8; k++) (d)[k] = (shared)[tile][lane][k];
#define WRITE_ROW(d, shared) for (int k = 0; k < 8; k++) (shared)[tile][lane][k] = (d)[k];
#define READ_COLUMN(d, shared) for (int k = 0; k < 8; k++) (d)[k] = (shared)[tile][k][lane];
#define WRITE_COLUMN(d, shared) for (int k = 0; k < 8; k++) (shared)[tile][k][lane] = (d)[k];

/* Replace d, centered samples of one row of each block, by the quantized coefficients of one column. */
ISP_FN void isp_quantize_block(isp_i32 *d, isp_whole shared, int tile, int lane, const isp_i32 *entries) {
    isp_dct(d, 0);
    __syncthreads();
    WRITE_ROW(d, shared)
    __syncthreads();
    READ_COLUMN(d, shared)
    isp_dct(d, 1);
    for (int k = 0; k < 8; k++) d[k] = isp_quantized(d[k], entries[k]);
}

extern "C" __global__ void isp_jpeg_blocks(const void *x, const float *table, void *y, isp_long planes, isp_long height,
                                           isp_long width, isp_long table_stride, int type) {
    __shared__ isp_whole shared;
    const int tile = threadIdx.x / 8, lane = threadIdx.x % 8;
    const isp_block_place place = isp_block_of((isp_long)blockIdx.x * TILES + tile, planes, height, width);
    isp_i32 d[8], entries[8];
    for (int k = 0; k < 8; k++) {
        d[k] = place.inside ? isp_centered(isp_load(x, type, place.at + lane * width + k)) : 0;
        entries[k] = place.inside ? (isp_i32)isp_round(table[place.sample * table_stride + 8 * k + lane]) : 1;
    }
    isp_quantize_block(d, shared, tile, lane, entries);
    for (int k = 0; k < 8; k++) d[k] *= entries[k];
    isp_idct(d, 0);
    __syncthreads();
    WRITE_COLUMN(d, shared)
    __syncthreads();
    READ_ROW(d, shared)
    isp_idct(d, 1);
    if (place.inside)
        for (int k = 0; k < 8; k++) isp_store(y, type, place.at + lane * width + k, isp_sample(d[k]));
}

/* The orthonormal 2-D DCT: replaces d, a row of samples, by a column of coefficients. */
ISP_FN void isp_float_forward(float *d, isp_real shared, int tile, int lane) {
    isp_dct_float(d, 0);
    __syncthreads();
    WRITE_ROW(d, shared)
    __syncthreads();
    READ_COLUMN(d, shared)
    isp_dct_float(d, 0);
}

extern "C" __global__ void isp_jpeg_back(const void *x, const float *table, const float *slopes, int slope_count,
                                         const void *grad_y, void *grad_x, double *grad_table, isp_long planes, isp_long height,
                                         isp_long width, isp_long table_stride, int type) {
    __shared__ isp_whole whole;
    __shared__ isp_real real;
    const int tile = threadIdx.x / 8, lane = threadIdx.x % 8;
    const isp_block_place place = isp_block_of((isp_long)blockIdx.x * TILES + tile, planes, height, width);
    isp_i32 coefficients[8], entries[8];
    float values[8], g[8];
    for (int k = 0; k < 8; k++) {
        const isp_long at = place.at + lane * width + k;
        float sample = place.inside ? isp_load(x, type, at) : 0.0f;
        coefficients[k] = isp_centered(sample);
        values[k] = sample - 128.0f;
        g[k] = place.inside ? isp_load(grad_y, type, at) : 0.0f;
        entries[k] = place.inside ? (isp_i32)isp_round(table[place.sample * table_stride + 8 * k + lane]) : 1;
    }
    isp_quantize_block(coefficients, whole, tile, lane, entries);
    isp_float_forward(values, real, tile, lane);
    isp_float_forward(g, real, tile, lane);
    for (int k = 0; k < 8; k++) {
        float value = values[k] / (float)entries[k];
        float slope = isp_rounding_slope(value - isp_round(value), slopes, slope_count);
        if (place.inside) atomicAdd(grad_table + place.sample * table_stride + 8 * k + lane, (double)(g[k] * ((float)coefficients[k] - slope * value)));
        g[k] *= slope;
    }
    isp_dct_float(g, 1);
    __syncthreads();
    WRITE_COLUMN(g, real)
    __syncthreads();
    READ_ROW(g, real)
    isp_dct_float(g, 1);
    if (place.inside)
        for (int k = 0; k < 8; k++) isp_store(grad_x, type, place.at + lane * width + k, g[k]);
}
