/* The plain C interface of the CPU library: what Python calls, and what the builds for each instruction set share. */
#ifndef ISPTOOLKIT_CPU_H
#define ISPTOOLKIT_CPU_H

#include <stdint.h>

/* Where a strip lies in its frame. */
typedef struct { int64_t row, column, height, width; } isp_place;

typedef struct {
    const int32_t *words;
    int64_t count;
} isp_steps;

/* Scratch of the adjoint, per thread: so many rows, each so much longer than the frame is wide. */
#define ISP_KEPT_ROWS 8
#define ISP_ROW_MARGINS 16

/* One trip: input -> steps `before` -> demosaic, if any -> steps `after` -> output. Strides count elements; the last
 * dimension is dense. The numbers of a sample begin `numbers_stride` after those of the one before, 0 if shared. */
typedef struct {
    const void *input;
    void *output;
    const float *numbers;
    isp_steps before, after;
    int64_t batch, planes, height, width;
    int64_t input_batch, input_plane, input_row;
    int64_t numbers_stride;
    int32_t input_type, output_type, demosaic, threads;
    int32_t streaming; /* whether the output is too large for the caches */
    int32_t channels[4]; /* R 0, G 1, B 2 of the sites of the 2x2 cell, row-major */
} isp_trip;

/* The gradient of a trip without demosaic, recomputed from its float32 input: by the input, and by the numbers, in
 * double precision, `count` per sample and thread, to be added up, which may be left out (null). */
typedef struct {
    isp_trip trip;
    const float *output_gradient;
    float *input_gradient;
    double *numbers_gradient;
    int64_t count;
} isp_trip_gradient;

/* The adjoint of a linear demosaic: `[batch,3,height,width]` to `[batch,1,height,width]`, both dense. Scratch per thread:
 * 6 times ISP_KEPT_ROWS rows, and one. */
typedef struct {
    const float *output_gradient;
    float *input_gradient, *scratch;
    int64_t batch, height, width;
    int32_t demosaic, threads;
    int32_t channels[4];
} isp_adjoint;

/* Between a mosaic of height x width and its planes; the output is dense. */
typedef struct {
    const float *input;
    float *output;
    int64_t batch, height, width;
    int64_t input_batch, input_plane, input_row;
    int32_t threads;
    int32_t channels[4];
} isp_sampling;

/* Each plane less its mean, over its deviation, times its scale, plus its shift. All dense. The mean is kept as a sum of
 * two numbers, for its digits. */
typedef struct {
    const float *x, *scale, *shift;
    float *y, *mean, *inverse_deviation;
    int64_t planes, pixels;
    double epsilon; /* added to the variance, which is unbiased */
    int32_t threads;
} isp_adain;

typedef struct {
    const float *x, *scale, *mean, *inverse_deviation, *by_y;
    float *by_x, *by_scale, *by_shift;
    int64_t planes, pixels;
    int32_t threads;
} isp_adain_gradient;

/* x exp(s(h)) + t, or its inverse in x; see isp_coupling_scale. All dense. */
typedef struct {
    const float *x, *h, *t;
    float *y;
    int64_t count;
    float limit;
    int32_t inverse, threads;
} isp_coupling;

/* `plain` is x, or backwards the result. */
typedef struct {
    const float *by_y, *plain, *h;
    float *by_x, *by_h, *by_t;
    int64_t count;
    float limit;
    int32_t inverse, threads;
} isp_coupling_gradient;

/* Planes of samples 0 ... 255, dense, height and width multiples of 8; the table of a plane has 64 entries, rows of vertical
 * frequency, and begins `table_stride` after that of the one before, 0 if shared. */
typedef struct {
    const float *x, *table;
    float *y;
    int64_t planes, height, width, table_stride;
    int32_t threads;
} isp_jpeg;

/* The gradient by the table is in double precision, per thread, to be added up. */
typedef struct {
    isp_jpeg jpeg;
    const float *slopes, *by_y;
    float *by_x;
    double *by_table;
    int32_t slope_count;
} isp_jpeg_gradient;

/* A picture of codes and the components of its JPEG, all dense; chroma is sampled once per `down` x `across` pixels. Planes
 * are whole blocks. Which side is written is up to the function. */
typedef struct {
    float *image, *y, *blue, *red;
    int64_t batch, height, width, luma_height, luma_width, chroma_height, chroma_width;
    int32_t down, across, threads;
    float scale; /* codes for a picture's 1 */
} isp_jpeg_planes;

#endif
