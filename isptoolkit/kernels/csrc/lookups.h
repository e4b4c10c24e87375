/* Steps that change each value by itself, with the parameters of the segment in which it lies: y = NAME_step(x, s), dy/dx =
 * NAME_step_slope(x, y, s), and the derivative with respect to parameter j, NAME_step_partial(j, x, y, s). The coefficients are
 * one array per parameter, with an entry for each segment. Their shape is the number of segments, how many there are per unit of
 * x, and how many lie below x = 0, which is 0 or 1. Segments at the ends continue beyond them.
 */
#ifndef ISPTOOLKIT_LOOKUPS_H
#define ISPTOOLKIT_LOOKUPS_H

#include "maths.h"

#define ISP_SEGMENT_PARAMETERS 4

typedef struct {
    float at[ISP_SEGMENT_PARAMETERS];
    float start, per_unit; /* the position where the segment starts, counted in segments from x = 0, and segments per unit of x */
} isp_segment;

/* How a segment is found: by its equal length, or by its entry in the first array, which does not decrease. */
enum isp_search { ISP_EVEN, ISP_SORTED };

ISP_FN isp_i32 isp_even_segment(float x, const isp_i32 *shape) {
    const float last = (float)(shape[0] - 1), place = x * (float)shape[1] + (float)shape[2];
    const float positive = place > 0.0f ? place : 0.0f; /* 0 for NaN */
    return (isp_i32)(positive < last ? positive : last);
}

/* The first stride of a search: the largest power of two below the number of segments, or 0. */
ISP_FN isp_i32 isp_first_stride(const isp_i32 *shape) {
    isp_i32 stride = shape[0] > 1;
    while (stride && stride < (shape[0] + 1) / 2) stride *= 2;
    return stride;
}

/* The segment that a search for the last one that starts at or below x compares next. */
ISP_FN isp_i32 isp_next_segment(isp_i32 segment, isp_i32 stride, const isp_i32 *shape) {
    return segment + stride < shape[0] - 1 ? segment + stride : shape[0] - 1;
}

/* Where a segment starts. One below x = 0 is a line through the origin. */
ISP_FN float isp_segment_start(isp_i32 segment, const isp_i32 *shape) {
    return (float)(segment > shape[2] ? segment - shape[2] : 0);
}

/* The index of parameter j. */
ISP_FN isp_i32 isp_segment_parameter(int j, isp_i32 segment, const isp_i32 *shape) { return j * shape[0] + segment; }

/* ---- a table of y at x = 0, 1, 2, ...; the parameters are the entry at the segment's start and the rise to the next one */
ISP_FN float table_step(float x, isp_segment s) { return s.at[0] + (x - s.start) * s.at[1]; }
ISP_FN float table_step_slope(float x, float y, isp_segment s) {
    (void)x, (void)y;
    return s.at[1];
}
ISP_FN float table_step_partial(int j, float x, float y, isp_segment s) {
    (void)y;
    return j == 0 ? 1.0f : x - s.start;
}
/* Where the table is flat, the start of the segment, which is the end of the flat run before it. */
ISP_FN float table_inverse_step(float x, isp_segment s) {
    const float part = (x - s.at[0]) / s.at[1];
    return s.start + (s.at[1] > 0.0f ? part : 0.0f);
}
ISP_FN float table_inverse_step_slope(float x, float y, isp_segment s) {
    const float slope = 1.0f / s.at[1];
    (void)x, (void)y;
    return s.at[1] > 0.0f ? slope : 0.0f;
}
ISP_FN float table_inverse_step_partial(int j, float x, float y, isp_segment s) {
    const float slope = table_inverse_step_slope(x, y, s);
    return j == 0 ? -slope : -(x - s.at[0]) * slope * slope;
}

/* ---- a piecewise cubic, at0 + t (at1 + u (at2 + u at3)) with t from the segment's start and u = t in [0, 1], outside of which
 * segments are lines. */
ISP_FN float isp_segment_place(float x, isp_segment s) { return x * s.per_unit - s.start; }
ISP_FN float isp_unit(float t) {
    const float positive = t > 0.0f ? t : 0.0f;
    return positive < 1.0f ? positive : 1.0f;
}
ISP_FN float isp_cubic_rise(isp_segment s, float t) {
    const float u = isp_unit(t);
    return t * (s.at[1] + u * (s.at[2] + u * s.at[3]));
}
ISP_FN float isp_cubic_slope(isp_segment s, float t) {
    const float u = isp_unit(t);
    return s.at[1] + u * (2.0f * s.at[2] + 3.0f * u * s.at[3]);
}

/* The t in [0, 1] at which the cubic has risen by `height`: Newton steps, starting from the parabola that is tangent to the cubic at
 * the nearer end; a step that leaves the bracket is replaced by a bisection. */
ISP_FN float isp_cubic_root(isp_segment s, float height) {
    const int late = height > isp_cubic_rise(s, 0.5f);
    const float rise = s.at[1] + s.at[2] + s.at[3], into = isp_cubic_slope(s, 1.0f), first = late ? into : s.at[1];
    const float second = late ? 3.0f * rise - 2.0f * into - s.at[1] : s.at[2];
    const float left = late ? rise - height : height, rest = left > 0.0f ? left : 0.0f;
    const float square = first * first + 4.0f * second * rest, root = first + isp_root(square > 0.0f ? square : 0.0f);
    const float quotient = 2.0f * rest / root, distance = root > 0.0f ? quotient : 0.0f;
    float t = isp_clamp(late ? 1.0f - distance : distance, 0.0f, 1.0f), below = 0.0f, above = 1.0f;
    ISP_UNROLL for (int k = 0; k < 5; k++) {
        const float gap = isp_cubic_rise(s, t) - height;
        below = gap <= 0.0f ? t : below;
        above = gap >= 0.0f ? t : above;
        const float moved = t - gap / isp_cubic_slope(s, t), slack = (above - below) * 0.125f;
        const int near = (moved >= below - slack) & (moved <= above + slack);
        t = near ? isp_clamp(moved, below, above) : (below + above) * 0.5f;
    }
    return t;
}

ISP_FN float monotone_step(float x, isp_segment s) { return s.at[0] + isp_cubic_rise(s, isp_segment_place(x, s)); }
ISP_FN float monotone_step_slope(float x, float y, isp_segment s) {
    (void)y;
    return s.per_unit * isp_cubic_slope(s, isp_segment_place(x, s));
}
ISP_FN float monotone_step_partial(int j, float x, float y, isp_segment s) {
    const float t = isp_segment_place(x, s);
    (void)y;
    return j == 0 ? 1.0f : j == 1 ? t : j == 2 ? t * t : t * t * t;
}
ISP_FN float monotone_inverse_step(float x, isp_segment s) {
    const float height = x - s.at[0], quotient = height / s.at[1], line = height == 0.0f ? 0.0f : quotient;
    const float inner = isp_cubic_root(s, height);
    return (s.start + ((s.at[2] == 0.0f) & (s.at[3] == 0.0f) ? line : x == x ? inner : x)) / s.per_unit;
}
ISP_FN float monotone_inverse_step_slope(float x, float y, isp_segment s) {
    const float slope = isp_cubic_slope(s, isp_segment_place(y, s));
    (void)x;
    return 1.0f / (s.per_unit * (slope > 0.0f ? slope : 1.0f));
}
ISP_FN float monotone_inverse_step_partial(int j, float x, float y, isp_segment s) {
    return -monotone_step_partial(j, y, x, s) * monotone_inverse_step_slope(x, y, s);
}

/* Every step of this kind: X(name, number of parameters, search). */
#define ISP_LOOKUPS(X)                                                 \
    X(table, 2, ISP_EVEN) X(table_inverse, 2, ISP_SORTED)              \
    X(monotone, 4, ISP_EVEN) X(monotone_inverse, 4, ISP_SORTED)

#endif
