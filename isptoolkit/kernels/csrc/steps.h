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
    x = x < low ? low : x;
    return x > high ? high : x;
}

/* The nearest of the levels 0 ... top / top; what is no number becomes 0. */
ISP_FN float isp_code(float x, float top) {
    float code = isp_round(isp_clamp(x, 0.0f, 1.0f) * top);
    return code == code ? code : 0.0f;
}

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
        f.green = (8.0f * here + 4.0f * (near_v + near_h) - 2.0f * (far_v + far_h)) * 0.0625f;
        f.other = (12.0f * here + 4.0f * diagonal - 3.0f * (far_v + far_h)) * 0.0625f;
        f.beside = (10.0f * here + 8.0f * near_h - 2.0f * (far_h + diagonal) + far_v) * 0.0625f;
        f.above = (10.0f * here + 8.0f * near_v - 2.0f * (far_v + diagonal) + far_h) * 0.0625f;
    }
    return f;
}

#endif
