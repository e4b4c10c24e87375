/* A run of point-wise stages as a program: a list of steps, whose coefficients are stored per sample.
 *
 * A step is ISP_STEP_SIZE integers: its kind, the index of its first coefficient, and the planes, rows and columns of its
 * mesh (0 for other kinds).
 */
#ifndef ISPTOOLKIT_STEPS_H
#define ISPTOOLKIT_STEPS_H

#include "curves.h"

#define ISP_STEP_SIZE 5
#define ISP_MAX_PLANES 4
#define ISP_MAX_STEPS 32 /* callers do not pass longer programs */

enum isp_kind {
    ISP_SITES,         /* (x - k[s]) k[4 + s] + k[8 + s] at site s of the 2x2 cell of a mosaic */
    ISP_CHANNELS,      /* x k[c] + k[4 + c] in plane c */
    ISP_MATRIX,        /* three planes: 3x3 matrix k[0..8], row-major, plus k[9..11] */
    ISP_CLAMP,         /* to [k[0], k[1]] */
    ISP_QUANTIZE,      /* to multiples of 1 / k[0], ties to even; the gradient passes straight through */
    ISP_MESH_MULTIPLY, /* by a bilinear mesh that spans the frame; on a mosaic, four mesh planes are the four sites */
    ISP_MESH_DIVIDE,
#define ISP_ENUM(name) ISP_KIND_##name,
    ISP_CURVES(ISP_ENUM)
#undef ISP_ENUM
    ISP_KINDS
};

enum isp_type { ISP_FLOAT32, ISP_UINT16, ISP_UINT8, ISP_FLOAT16, ISP_BFLOAT16 };

enum isp_demosaic_method { ISP_NO_DEMOSAIC, ISP_BILINEAR, ISP_MALVAR };

enum isp_sampling_mode {
    ISP_SAMPLE, /* the channel that each site sees */
    ISP_SPREAD, /* adjoint of ISP_SAMPLE */
    ISP_PACK,
    ISP_UNPACK
};

ISP_FN float isp_clamp(float x, float low, float high) {
    /* The order of the operands propagates NaN, as torch.clamp does. */
    x = low > x ? low : x;
    return high < x ? high : x;
}

/* Quantize [0, 1] to the integer codes 0 ... top; NaN becomes 0. Adding 1.5 * 2^23 rounds to the nearest integer and leaves
 * it in the low bits, which are 0 for NaN. */
ISP_FN isp_i32 isp_code(float x, float top) { return isp_bits(isp_clamp(x, 0.0f, 1.0f) * top + 12582912.0f) & 0xffff; }

/* The four filters of a linear demosaic at one pixel, from the sums of its neighbors: at distance 1 (near) and 2 (far),
 * vertically (v) and horizontally (h), and the four diagonal neighbors. */
typedef struct { float green, other, beside, above; } isp_filters;

ISP_FN isp_filters isp_filter(int method, float here, float near_v, float near_h, float far_v, float far_h, float diagonal) {
    isp_filters f;
    if (method == ISP_BILINEAR) {
        f.green = (near_v + near_h) * 0.25f;
        f.other = diagonal * 0.25f;
        f.beside = near_h * 0.5f;
        f.above = near_v * 0.5f;
    } else {
        f.green = 0.5f * here + 0.25f * (near_v + near_h) - 0.125f * (far_v + far_h);
        f.other = 0.75f * here + 0.25f * diagonal - 0.1875f * (far_v + far_h);
        f.beside = 0.625f * here + 0.5f * near_h - 0.125f * (far_h + diagonal) + 0.0625f * far_v;
        f.above = 0.625f * here + 0.5f * near_v - 0.125f * (far_v + diagonal) + 0.0625f * far_h;
    }
    return f;
}

#endif
