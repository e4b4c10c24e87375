/* Point-wise programs and a linear demosaic on a GPU. */
#include "cuda_steps.h"

ISP_FN isp_long isp_mirrored(isp_long place, isp_long count) {
    isp_long period = 2 * (count - 1), m = place % period;
    m = m < 0 ? m + period : m;
    return m < period - m ? m : period - m;
}

template <bool LARGE>
ISP_FN void isp_develop_pixels(const void *x, void *y, const float *coefficients, const int *program, int count, isp_long batch,
                               int planes, isp_long height, isp_long width, isp_long x_batch, isp_long x_plane, isp_long x_row,
                               isp_long coefficients_stride, int x_type, int y_type) {
    const isp_long frame = height * width, total = batch * frame;
    for (isp_long at = (isp_long)blockIdx.x * blockDim.x + threadIdx.x; at < total; at += (isp_long)gridDim.x * blockDim.x) {
        isp_long sample = at / frame, pixel = at % frame;
        isp_place place = {pixel / width, pixel % width, height, width};
        float v[ISP_MAX_PLANES];
        EACH_PLANE v[c] = isp_load(x, x_type, sample * x_batch + c * x_plane + place.row * x_row + place.column);
        isp_forward_steps<LARGE>(program, count, coefficients + sample * coefficients_stride, v, planes, place);
        EACH_PLANE isp_store(y, y_type, (sample * planes + c) * frame + pixel, v[c]);
    }
}

/* A program without large steps: six blocks per multiprocessor. */
extern "C" __launch_bounds__(256, 6)
__global__ void isp_develop(const void *x, void *y, const float *coefficients, const int *program, int count,
                            isp_long batch, int planes, isp_long height, isp_long width, isp_long x_batch, isp_long x_plane,
                            isp_long x_row, isp_long coefficients_stride, int x_type, int y_type) {
    isp_develop_pixels<false>(x, y, coefficients, program, count, batch, planes, height, width, x_batch, x_plane, x_row,
                              coefficients_stride, x_type, y_type);
}

/* Any program: four blocks per multiprocessor. */
extern "C" __launch_bounds__(256, 4)
__global__ void isp_develop_large(const void *x, void *y, const float *coefficients, const int *program, int count,
                                  isp_long batch, int planes, isp_long height, isp_long width, isp_long x_batch,
                                  isp_long x_plane, isp_long x_row, isp_long coefficients_stride, int x_type, int y_type) {
    isp_develop_pixels<true>(x, y, coefficients, program, count, batch, planes, height, width, x_batch, x_plane, x_row,
                             coefficients_stride, x_type, y_type);
}

#define TILE_WIDTH 64
#define TILE_HEIGHT 16
#define MARGIN 2

/* One block per tile: shared memory holds the developed mosaic of the tile and its margin, from which the filters read. */
extern "C" __launch_bounds__(256, 4)
__global__ void isp_render(const void *x, void *y, const float *coefficients, const int *before, int before_count,
                                      const int *after, int after_count, isp_long height, isp_long width,
                                      isp_long x_batch, isp_long x_row, isp_long coefficients_stride, int x_type, int y_type,
                                      int method, int color0, int color1, int color2, int color3) {
    __shared__ float tile[TILE_HEIGHT + 2 * MARGIN][TILE_WIDTH + 2 * MARGIN];
    const isp_long sample = blockIdx.z, top = (isp_long)blockIdx.y * TILE_HEIGHT, left = (isp_long)blockIdx.x * TILE_WIDTH;
    const int tile_columns = TILE_WIDTH + 2 * MARGIN, cells = (TILE_HEIGHT + 2 * MARGIN) * tile_columns;
    const float *sample_coefficients = coefficients + sample * coefficients_stride;
    for (int k = threadIdx.x; k < cells; k += blockDim.x) {
        isp_long row = top + k / tile_columns - MARGIN, column = left + k % tile_columns - MARGIN;
        if (row >= height + MARGIN || column >= width + MARGIN) continue;
        isp_place place = {isp_mirrored(row, height), isp_mirrored(column, width), height, width};
        float v[ISP_MAX_PLANES] = {isp_load(x, x_type, sample * x_batch + place.row * x_row + place.column)};
        isp_forward_steps<true>(before, before_count, sample_coefficients, v, 1, place);
        tile[k / tile_columns][k % tile_columns] = v[0];
    }
    __syncthreads();
    const int planes = 3;
    for (int k = threadIdx.x; k < TILE_HEIGHT * TILE_WIDTH; k += blockDim.x) {
        isp_place place = {top + k / TILE_WIDTH, left + k % TILE_WIDTH, height, width};
        if (place.row >= height || place.column >= width) continue;
        int i = k / TILE_WIDTH + MARGIN, j = k % TILE_WIDTH + MARGIN;
        float here = tile[i][j];
        isp_filters f = isp_filter(method, here, tile[i - 1][j] + tile[i + 1][j], tile[i][j - 1] + tile[i][j + 1],
                                   tile[i - 2][j] + tile[i + 2][j], tile[i][j - 2] + tile[i][j + 2],
                                   (tile[i - 1][j - 1] + tile[i - 1][j + 1]) + (tile[i + 1][j - 1] + tile[i + 1][j + 1]));
        int lower = (int)(place.row & 1), right = (int)(place.column & 1);
        int even = lower ? color2 : color0, odd = lower ? color3 : color1;
        int own = right ? odd : even, row_color = even == 1 ? odd : even;
        float red_or_blue = own == 1 ? f.beside : here, green = own == 1 ? here : f.green, other = own == 1 ? f.above : f.other;
        float v[ISP_MAX_PLANES] = {row_color == 0 ? red_or_blue : other, green, row_color == 0 ? other : red_or_blue};
        isp_forward_steps<true>(after, after_count, sample_coefficients, v, planes, place);
        EACH_PLANE isp_store(y, y_type, ((sample * planes + c) * height + place.row) * width + place.column, v[c]);
    }
}

/* The adjoint of the demosaic as a gather: each mosaic pixel visits every output that reads it, mirrored reads included. */
extern "C" __global__ void isp_demosaic_adjoint(const void *g, void *y, isp_long batch, isp_long height, isp_long width,
                                                int type, int method, int color0, int color1, int color2, int color3) {
    const isp_long frame = height * width, total = batch * frame;
    const int colors[4] = {color0, color1, color2, color3};
    for (isp_long at = (isp_long)blockIdx.x * blockDim.x + threadIdx.x; at < total; at += (isp_long)gridDim.x * blockDim.x) {
        isp_long sample = at / frame, row = at % frame / width, column = at % width;
        float sum = 0.0f;
        for (int dy = -MARGIN; dy <= MARGIN; dy++) {
            for (int dx = -MARGIN; dx <= MARGIN; dx++) {
                isp_long i = row + dy, j = column + dx;
                if (i < 0 || i >= height || j < 0 || j >= width) continue;
                int even = colors[(i & 1) * 2], odd = colors[(i & 1) * 2 + 1];
                int own = j & 1 ? odd : even, row_color = even == 1 ? odd : even;
                const isp_long base = sample * 3 * frame + i * width + j;
                float red_or_blue = isp_load(g, type, base + row_color * frame), green = isp_load(g, type, base + frame);
                float other = isp_load(g, type, base + (2 - row_color) * frame);
                /* The weights with which the output at (i, j) reads this pixel, directly and through each mirrored position. */
                for (int ey = -MARGIN; ey <= MARGIN; ey++) {
                    if (isp_mirrored(i + ey, height) != row) continue;
                    for (int ex = -MARGIN; ex <= MARGIN; ex++) {
                        if (abs(ex) + abs(ey) > 2 || isp_mirrored(j + ex, width) != column) continue;
                        float here = ex == 0 && ey == 0, near_v = ex == 0 && abs(ey) == 1, near_h = ey == 0 && abs(ex) == 1;
                        float far_v = abs(ey) == 2, far_h = abs(ex) == 2, diagonal = abs(ex) == 1 && abs(ey) == 1;
                        isp_filters f = isp_filter(method, here, near_v, near_h, far_v, far_h, diagonal);
                        sum += own == 1 ? red_or_blue * f.beside + other * f.above + green * here
                                        : green * f.green + other * f.other + red_or_blue * here;
                    }
                }
            }
        }
        isp_store(y, type, at, sum);
    }
}

/* Sampling and packing of a mosaic; `mode` is an isp_sampling_mode. */
extern "C" __global__ void isp_sample(const void *x, void *y, int mode, isp_long batch, isp_long height, isp_long width,
                                      isp_long x_batch, isp_long x_plane, isp_long x_row, int type,
                                      int color0, int color1, int color2, int color3) {
    const int colors[4] = {color0, color1, color2, color3};
    const isp_long frame = height * width, total = batch * frame;
    for (isp_long at = (isp_long)blockIdx.x * blockDim.x + threadIdx.x; at < total; at += (isp_long)gridDim.x * blockDim.x) {
        isp_long sample = at / frame, row = at % frame / width, column = at % width;
        isp_long site = (row & 1) * 2 + (column & 1), cell = (row / 2) * (width / 2) + column / 2;
        isp_long from = sample * x_batch + row * x_row + column;
        if (mode == ISP_SAMPLE) {
            isp_store(y, type, at, isp_load(x, type, from + colors[site] * x_plane));
        } else if (mode == ISP_SPREAD) {
            float value = isp_load(x, type, from);
            for (int c = 0; c < 3; c++)
                isp_store(y, type, (sample * 3 + c) * frame + row * width + column, colors[site] == c ? value : 0.0f);
        } else if (mode == ISP_PACK) {
            isp_store(y, type, (sample * 4 + site) * (frame / 4) + cell, isp_load(x, type, from));
        } else {
            isp_store(y, type, at, isp_load(x, type, sample * x_batch + site * x_plane + row / 2 * x_row + column / 2));
        }
    }
}
