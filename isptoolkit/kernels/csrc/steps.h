/* A run of point-wise stages as a program: a list of steps, whose coefficients are stored per sample.
 *
 * A step is ISP_STEP_SIZE integers: its kind, the index of its first coefficient, and three integers that its kind
 * defines, its shape. values.h, lookups.h, colors.h, gains.h and curves.h define the kinds.
 */
#ifndef ISPTOOLKIT_STEPS_H
#define ISPTOOLKIT_STEPS_H

#include "colors.h"
#include "gains.h"
#include "lookups.h"
#include "values.h"

#define ISP_STEP_SIZE 5
#define ISP_MAX_PLANES 4
#define ISP_MAX_STEPS 32 /* callers do not pass longer programs */

/* ISP_KIND_ and the name of every step, in the order of `Kind` in isptoolkit/kernels/steps.py. */
enum isp_kind {
#define ISP_VALUE_KIND(name, count, owner) ISP_KIND_##name,
#define ISP_LOOKUP_KIND(name, count, search) ISP_KIND_##name,
#define ISP_COLOR_KIND(name, count) ISP_KIND_##name,
#define ISP_GAIN_KIND(name, base) ISP_KIND_##name##_multiply, ISP_KIND_##name##_divide,
#define ISP_CURVE_KIND(name) ISP_KIND_##name,
    ISP_VALUES(ISP_VALUE_KIND)
    ISP_LOOKUPS(ISP_LOOKUP_KIND)
    ISP_COLORS(ISP_COLOR_KIND)
    ISP_GAINS(ISP_GAIN_KIND)
    ISP_CURVES(ISP_CURVE_KIND)
    ISP_KINDS,
    /* Callers do not pass these. */
    ISP_SHORTCUTS(ISP_CURVE_KIND)
};

/* The kind that computes a step with coefficients k. */
ISP_FN int isp_shortcut(int kind, const float *k) {
    return kind != ISP_KIND_power ? kind : k[0] == 0.5f ? ISP_KIND_square_root : k[0] == 2.0f ? ISP_KIND_square : kind;
}

/* Whether a step reads all planes. */
ISP_FN int isp_mixes_planes(int kind) {
#define ISP_IS(name, count) || kind == ISP_KIND_##name
    return 0 ISP_COLORS(ISP_IS);
#undef ISP_IS
}

/* Steps whose derivatives do not read their output, besides values and products with gains. */
#define ISP_INPUT_IS_ENOUGH(X) X(table) X(monotone) X(matrix) X(highlight_inverse) X(smoothstep) X(reinhard)

/* Whether the derivatives of a step may read its output. */
ISP_FN int isp_reads_output(int kind) {
#define ISP_IS_NO(name) && kind != ISP_KIND_##name
#define ISP_IS_NOT(name, count, owner) && kind != ISP_KIND_##name
#define ISP_IS_NO_PRODUCT(name, base) && kind != ISP_KIND_##name##_multiply
    return 1 ISP_VALUES(ISP_IS_NOT) ISP_GAINS(ISP_IS_NO_PRODUCT) ISP_INPUT_IS_ENOUGH(ISP_IS_NO);
#undef ISP_IS_NO
#undef ISP_IS_NOT
#undef ISP_IS_NO_PRODUCT
}

/* Whether a step depends on the position of the pixel. */
ISP_FN int isp_depends_on_position(int kind) {
#define ISP_IS_OF_SITE(name, count, owner) || (kind == ISP_KIND_##name && owner == ISP_SITE)
#define ISP_IS_GAIN(name, base) || kind == ISP_KIND_##name##_multiply || kind == ISP_KIND_##name##_divide
    return 0 ISP_VALUES(ISP_IS_OF_SITE) ISP_GAINS(ISP_IS_GAIN);
#undef ISP_IS_OF_SITE
#undef ISP_IS_GAIN
}

enum isp_type { ISP_FLOAT32, ISP_UINT16, ISP_UINT8, ISP_FLOAT16, ISP_BFLOAT16 };

enum isp_demosaic_method { ISP_NO_DEMOSAIC, ISP_BILINEAR, ISP_MALVAR };

enum isp_sampling_mode {
    ISP_SAMPLE, /* the channel that each site sees */
    ISP_SPREAD, /* adjoint of ISP_SAMPLE */
    ISP_PACK,
    ISP_UNPACK
};

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
