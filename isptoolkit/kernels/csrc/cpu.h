/* The plain C interface of the CPU library: the arguments of every function, shared by Python and all instruction sets. */
#ifndef ISPTOOLKIT_CPU_H
#define ISPTOOLKIT_CPU_H

#include <stdint.h>

/* A list of steps, encoded as steps.h describes. */
typedef struct {
    const int32_t *steps;
    int64_t count;
} isp_program;

/* Scratch memory of the demosaic adjoint, per thread: rows of the ring buffer, and columns beyond the frame's width. */
#define ISP_RING_ROWS 8
#define ISP_ROW_MARGINS 16

/* Arguments of one pass: input -> program `before` -> demosaic, if any -> program `after` -> output. Strides count elements;
 * the last dimension is dense. `coefficients_stride` separates the coefficients of two samples, 0 if they are shared. */
typedef struct {
    const void *input;
    void *output;
    const float *coefficients;
    isp_program before, after;
    int64_t batch, planes, height, width;
    int64_t input_batch, input_plane, input_row;
    int64_t coefficients_stride;
    int32_t input_type, output_type; /* enum isp_type */
    int32_t demosaic;                /* enum isp_demosaic_method */
    int32_t threads;
    int32_t streaming; /* write past the caches, for outputs larger than they are */
    int32_t channels[4]; /* R 0, G 1, B 2: the channels of the 2x2 sites, row-major */
} isp_launch_args;

/* Gradients of a pass without demosaic, recomputed from its float32 input. grad_coefficients holds `coefficient_count` partial
 * sums per sample and thread, which the caller adds up; null if they are not needed. */
typedef struct {
    isp_launch_args launch;
    const float *grad_y;
    float *grad_x;
    double *grad_coefficients;
    int64_t coefficient_count;
} isp_gradient_args;

/* The adjoint of a linear demosaic: `[batch,3,height,width]` to `[batch,1,height,width]`, both dense. Scratch per thread:
 * 6 ISP_RING_ROWS + 1 rows of width + ISP_ROW_MARGINS. */
typedef struct {
    const float *grad_y;
    float *grad_x, *scratch;
    int64_t batch, height, width;
    int32_t demosaic; /* enum isp_demosaic_method */
    int32_t threads;
    int32_t channels[4];
} isp_adjoint;

/* Sampling, packing and their adjoints, for a mosaic of height x width; the output is dense. */
typedef struct {
    const float *input;
    float *output;
    int64_t batch, height, width;
    int64_t input_batch, input_plane, input_row;
    int32_t threads;
    int32_t channels[4];
} isp_sampling;

/* AdaIN: y = (x - mean) / deviation * scale + shift, per plane. All tensors are dense. The mean is stored as the unevaluated
 * sum of two floats, for precision. */
typedef struct {
    const float *x, *scale, *shift;
    float *y, *mean, *inverse_deviation;
    int64_t planes, pixels;
    double epsilon; /* added to the variance, which is unbiased */
    int32_t threads;
} isp_adain;

/* Gradients of isp_adain. */
typedef struct {
    const float *x, *scale, *mean, *inverse_deviation, *grad_y;
    float *grad_x, *grad_scale, *grad_shift;
    int64_t planes, pixels;
    int32_t threads;
} isp_adain_gradient;

/* Affine coupling x exp(s(h)) + t, or its inverse in x, with s(h) of isp_coupling_scale. All tensors are dense. */
typedef struct {
    const float *x, *h, *t;
    float *y;
    int64_t count;
    float limit;
    int32_t inverse, threads;
} isp_coupling;

/* Gradients of isp_coupling; `unscaled` is the input x of the forward direction, or the output of the inverse. */
typedef struct {
    const float *grad_y, *unscaled, *h;
    float *grad_x, *grad_h, *grad_t;
    int64_t count;
    float limit;
    int32_t inverse, threads;
} isp_coupling_gradient;

/* JPEG's DCT and quantization of dense planes of samples 0 ... 255, whose height and width are multiples of 8. A quantization
 * table has 64 entries in rows of vertical frequency; `table_stride` separates the tables of two planes, 0 if shared. */
typedef struct {
    const float *x, *table;
    float *y;
    int64_t planes, height, width, table_stride;
    int32_t threads;
} isp_jpeg;

/* Gradients of isp_jpeg. grad_table holds a partial sum per thread, which the caller adds up. */
typedef struct {
    isp_jpeg jpeg;
    const float *slopes, *grad_y;
    float *grad_x;
    double *grad_table;
    int32_t slope_count;
} isp_jpeg_gradient;

/* Scratch memory of JPEG of an image, per thread: rows of the image's width, rounded up to a multiple of ISP_JPEG_COLUMNS. */
#define ISP_JPEG_ROWS 56
#define ISP_JPEG_COLUMNS 256

/* JPEG of a dense RGB image, 0 ... 1. A sample's tables are those of luma and chroma, 128 entries; `table_stride` separates the
 * tables of two samples, 0 if shared. Chroma is sampled once per `down` x `across` pixels: 1x1, 1x2 or 2x2. `scratch_size` is
 * that of a thread. */
typedef struct {
    const float *image, *tables;
    float *output, *scratch;
    int64_t batch, height, width, table_stride, scratch_size;
    int32_t down, across, threads;
} isp_jpeg_image;

/* Gradients of isp_jpeg_image, whose output is read. grad_tables holds a partial sum per thread, which the caller adds up; null
 * if the tables need no gradient. */
typedef struct {
    isp_jpeg_image jpeg;
    const float *slopes, *grad_y;
    float *grad_x;
    double *grad_tables;
    int32_t slope_count;
} isp_jpeg_image_gradient;

#endif
