/* JPEG of one component on a GPU: eight threads share an 8x8 block; each handles a row, then a column. */
#include "cuda_steps.h"
#include "dct.h"

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

/* Samples 0 ... 255 are stored as they are. */
ISP_FN void isp_store_sample(void *to, int type, isp_long at, float sample) {
    if (type == ISP_UINT8) ((unsigned char *)to)[at] = (unsigned char)sample;
    else isp_store(to, type, at, sample);
}

#define READ_ROW(d, shared) for (int k = 0; k < 8; k++) (d)[k] = (shared)[tile][lane][k];
#define WRITE_ROW(d, shared) for (int k = 0; k < 8; k++) (shared)[tile][lane][k] = (d)[k];
#define READ_COLUMN(d, shared) for (int k = 0; k < 8; k++) (d)[k] = (shared)[tile][k][lane];
#define WRITE_COLUMN(d, shared) for (int k = 0; k < 8; k++) (shared)[tile][k][lane] = (d)[k];

/* An entry of a column of the table. */
ISP_FN isp_i32 isp_entry(const float *table, const isp_block_place &place, isp_long table_stride, int k, int lane) {
    return place.inside ? (isp_i32)isp_round(table[place.sample * table_stride + 8 * k + lane]) : 1;
}

/* Replace d, centered samples of one row of each block, by the quantized coefficients of one column. */
ISP_FN void isp_quantize_block(isp_i32 *d, isp_whole shared, int tile, int lane, const isp_i32 *entries) {
    isp_dct(d, 0);
    __syncthreads();
    WRITE_ROW(d, shared)
    __syncthreads();
    READ_COLUMN(d, shared)
    isp_dct(d, 1);
    for (int k = 0; k < 8; k++) d[k] = isp_quantized(d[k], entries[k], isp_inverse_entry(entries[k]));
}

extern "C" __global__ void isp_jpeg_blocks(const void *x, const float *table, void *y, isp_long planes, isp_long height,
                                           isp_long width, isp_long table_stride, int type) {
    __shared__ isp_whole shared;
    const int tile = threadIdx.x / 8, lane = threadIdx.x % 8;
    const isp_block_place place = isp_block_of((isp_long)blockIdx.x * TILES + tile, planes, height, width);
    isp_i32 d[8], entries[8];
    for (int k = 0; k < 8; k++) {
        d[k] = place.inside ? isp_centered(isp_load(x, type, place.at + lane * width + k)) : 0;
        entries[k] = isp_entry(table, place, table_stride, k, lane);
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
        for (int k = 0; k < 8; k++) isp_store_sample(y, type, place.at + lane * width + k, isp_sample(d[k]));
}

/* The orthonormal 2-D DCT: replaces d, a row of samples, by a column of coefficients. */
ISP_FN void isp_float_forward(float *d, isp_real shared, int tile, int lane) {
    isp_dct_float(d);
    __syncthreads();
    WRITE_ROW(d, shared)
    __syncthreads();
    READ_COLUMN(d, shared)
    isp_dct_float(d);
}

extern "C" __global__ void isp_jpeg_back(const void *x, const float *table, const float *slopes, int slope_count,
                                         const void *grad_y, void *grad_x, double *grad_table, isp_long planes, isp_long height,
                                         isp_long width, isp_long table_stride, int x_type, int type) {
    __shared__ isp_whole whole;
    __shared__ isp_real real;
    const int tile = threadIdx.x / 8, lane = threadIdx.x % 8;
    const isp_block_place place = isp_block_of((isp_long)blockIdx.x * TILES + tile, planes, height, width);
    isp_i32 coefficients[8], entries[8];
    float values[8], g[8];
    for (int k = 0; k < 8; k++) {
        const isp_long at = place.at + lane * width + k;
        float sample = place.inside ? isp_load(x, x_type, at) : 0.0f;
        coefficients[k] = isp_centered(sample);
        values[k] = sample - 128.0f;
        entries[k] = isp_entry(table, place, table_stride, k, lane);
    }
    isp_quantize_block(coefficients, whole, tile, lane, entries);
    isp_float_forward(values, real, tile, lane);
    for (int k = 0; k < 8; k++) g[k] = place.inside ? isp_load(grad_y, type, place.at + lane * width + k) : 0.0f;
    isp_float_forward(g, real, tile, lane);
    for (int k = 0; k < 8; k++) {
        /* Read again: registers limit how many threads run at once. */
        const float value = values[k] / (float)isp_entry(table, place, table_stride, k, lane);
        const float slope = isp_rounding_slope(value - isp_round(value), slopes, slope_count);
        if (grad_table && place.inside)
            atomicAdd(grad_table + place.sample * table_stride + 8 * k + lane, (double)(g[k] * ((float)coefficients[k] - slope * value)));
        g[k] *= slope;
    }
    isp_idct_float(g);
    __syncthreads();
    WRITE_COLUMN(g, real)
    __syncthreads();
    READ_ROW(g, real)
    isp_idct_float(g);
    if (place.inside)
        for (int k = 0; k < 8; k++) isp_store(grad_x, type, place.at + lane * width + k, g[k]);
}
