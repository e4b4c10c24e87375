/* What a run of point-wise stages becomes: a list of steps, each with numbers of its own per sample.
 *
 * A step is five whole numbers, ISP_STEP_WORDS: kind, where its numbers begin, and for a mesh: planes, rows, columns.
 */
#ifndef ISPTOOLKIT_STEPS_H
#define ISPTOOLKIT_STEPS_H

#include "curves.h"

#define ISP_STEP_WORDS 5
#define ISP_MAX_PLANES 4
#define ISP_MAX_STEPS 32 /* longer runs are cut before they come here */

enum isp_kind {
    ISP_SITES,         /* (x - n[s]) n[4 + s] + n[8 + s] by the 2x2 site s of a mosaic */
    ISP_CHANNELS,      /* x n[c] + n[4 + c] by the plane c */
    ISP_MATRIX,        /* three planes: 3x3 matrix n[0..8], row-major, plus n[9..11] */
    ISP_CLAMP,         /* to n[0] ... n[1] */
    ISP_QUANTIZE,      /* to multiples of 1 / n[0], ties to even; its gradient is that of the identity */
    ISP_MESH_MULTIPLY, /* by a bilinear mesh that spans the frame; four planes on a mosaic are its sites */
    ISP_MESH_DIVIDE,
#define ISP_ENUM(name) ISP_KIND_##name,
    ISP_CURVES(ISP_ENUM)
#undef ISP_ENUM
    ISP_KINDS
};

enum isp_type { ISP_FLOAT32, ISP_UINT16, ISP_UINT8, ISP_FLOAT16, ISP_BFLOAT16 };

enum isp_demosaic_method { ISP_NO_DEMOSAIC, ISP_BILINEAR, ISP_MALVAR };

ISP_FN float isp_clamp(float x, float low, float high) {
    /* In this order NaN passes, as through torch.clamp. */
    x = low > x ? low : x;
    return high < x ? high : x;
}

/* The nearest of the codes 0 ... top for 0 ... 1; what is no number becomes 0. Adding 1.5 * 2^23 rounds, and leaves the
 * code in the lowest bits, which of NaN are 0. */
ISP_FN isp_i32 isp_code(float x, float top) { return isp_bits(isp_clamp(x, 0.0f, 1.0f) * top + 12582912.0f) & 0xffff; }

/* The four filters of a linear demosaic at one pixel, from sums of its neighbours: near and far, above and below
 * (vertical) or beside (horizontal), and the four diagonal ones. */
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
