/* Steps that change each value by itself, with the parameters of the segment in which it lies: y = NAME_step(x, s), dy/dx =
 * NAME_step_slope(x, y, s), and the derivative with respect to parameter j, NAME_step_partial(j, x, y, s). The coefficients are
 * arrays with an entry for each end of a segment. Their shape is the number of segments and, where these have equal lengths,
 * how many there are per unit of x. Segments at the ends continue beyond them.
 */
#ifndef ISPTOOLKIT_LOOKUPS_H
#define ISPTOOLKIT_LOOKUPS_H

#include "maths.h"

typedef struct {
    float at[4]; /* from the first array, then the second: the entries at the segment's start and end */
    float start, count; /* of segments */
} isp_segment;

/* How a segment is found: by its equal length, or by its entries in the first array, which do not decrease. */
enum isp_search { ISP_EVEN, ISP_SORTED };

ISP_FN isp_i32 isp_even_segment(float x, const isp_i32 *shape) {
    const float last = (float)(shape[0] - 1), place = x * (float)shape[1];
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

/* The index of parameter j. */
ISP_FN isp_i32 isp_segment_parameter(int j, isp_i32 segment, const isp_i32 *shape) {
    return j / 2 * (shape[0] + 1) + segment + j % 2;
}

/* ---- a table of y at x = 0, 1, 2, ... */
ISP_FN float table_step(float x, isp_segment s) { return s.at[0] + (x - s.start) * (s.at[1] - s.at[0]); }
ISP_FN float table_step_slope(float x, float y, isp_segment s) {
    (void)x, (void)y;
    return s.at[1] - s.at[0];
}
ISP_FN float table_step_partial(int j, float x, float y, isp_segment s) {
    (void)y;
    return j == 0 ? 1.0f - (x - s.start) : x - s.start;
}
/* Where the table is flat, the start of the segment, which is the end of the flat run before it. */
ISP_FN float table_inverse_step(float x, isp_segment s) {
    const float rise = s.at[1] - s.at[0], part = (x - s.at[0]) / rise;
    return s.start + (rise > 0.0f ? part : 0.0f);
}
ISP_FN float table_inverse_step_slope(float x, float y, isp_segment s) {
    const float rise = s.at[1] - s.at[0], slope = 1.0f / rise;
    (void)x, (void)y;
    return rise > 0.0f ? slope : 0.0f;
}
ISP_FN float table_inverse_step_partial(int j, float x, float y, isp_segment s) {
    const float part = (x - s.at[0]) * table_inverse_step_slope(x, y, s);
    return (j == 0 ? part - 1.0f : -part) * table_inverse_step_slope(x, y, s);
}

/* ---- a monotone piecewise cubic through heights at x = 0, 1 / n, ..., 1 with slopes there; linear beyond. The cubic of a segment
 * is start + t (first + t (second + t third)) for t from 0 to 1. */
typedef struct { float first, second, third; } isp_cubic;

ISP_FN isp_cubic isp_cubic_of(isp_segment s) {
    const float rise = s.at[1] - s.at[0], out = s.at[2] / s.count, into = s.at[3] / s.count;
    isp_cubic cubic = {out, 3.0f * rise - 2.0f * out - into, out + into - 2.0f * rise};
    return cubic;
}
ISP_FN float isp_cubic_rise(isp_cubic c, float t) { return t * (c.first + t * (c.second + t * c.third)); }
ISP_FN float isp_cubic_slope(isp_cubic c, float t) { return c.first + t * (2.0f * c.second + 3.0f * t * c.third); }

/* The t in [0, 1] at which the cubic has risen by `height`: Newton steps, starting from the parabola that is tangent to the cubic at
 * the nearer end; a step that leaves the bracket is replaced by a bisection. */
ISP_FN float isp_cubic_root(isp_cubic c, float height, float rise) {
    const int late = height > isp_cubic_rise(c, 0.5f);
    const float into = isp_cubic_slope(c, 1.0f), first = late ? into : c.first;
    const float second = late ? 3.0f * rise - 2.0f * into - c.first : c.second;
    const float left = late ? rise - height : height, rest = left > 0.0f ? left : 0.0f;
    const float square = first * first + 4.0f * second * rest, root = first + isp_root(square > 0.0f ? square : 0.0f);
    const float quotient = 2.0f * rest / root, distance = root > 0.0f ? quotient : 0.0f;
    float t = isp_clamp(late ? 1.0f - distance : distance, 0.0f, 1.0f), below = 0.0f, above = 1.0f;
    ISP_UNROLL for (int k = 0; k < 5; k++) {
        const float gap = isp_cubic_rise(c, t) - height;
        below = gap <= 0.0f ? t : below;
        above = gap >= 0.0f ? t : above;
        const float moved = t - gap / isp_cubic_slope(c, t), slack = (above - below) * 0.125f;
        const int near = (moved >= below - slack) & (moved <= above + slack);
        t = near ? isp_clamp(moved, below, above) : (below + above) * 0.5f;
    }
    return t;
}

ISP_FN float monotone_step(float x, isp_segment s) {
    const float inner = s.at[0] + isp_cubic_rise(isp_cubic_of(s), isp_clamp(x, 0.0f, 1.0f) * s.count - s.start);
    return x < 0.0f ? s.at[2] * x : x > 1.0f ? 1.0f + s.at[3] * (x - 1.0f) : inner;
}
ISP_FN float monotone_step_slope(float x, float y, isp_segment s) {
    const float inner = s.count * isp_cubic_slope(isp_cubic_of(s), isp_clamp(x, 0.0f, 1.0f) * s.count - s.start);
    (void)y;
    return x < 0.0f ? s.at[2] : x > 1.0f ? s.at[3] : inner;
}
ISP_FN float monotone_step_partial(int j, float x, float y, isp_segment s) {
    const float t = isp_clamp(x, 0.0f, 1.0f) * s.count - s.start, late = t * t * (3.0f - 2.0f * t);
    const float out = t * (1.0f - t) * (1.0f - t) / s.count, into = t * t * (t - 1.0f) / s.count;
    const float inner = j == 0 ? 1.0f - late : j == 1 ? late : j == 2 ? out : into;
    (void)y;
    return x < 0.0f ? (j == 2 ? x : 0.0f) : x > 1.0f ? (j == 3 ? x - 1.0f : 0.0f) : inner;
}
ISP_FN float monotone_inverse_step(float x, isp_segment s) {
    const float height = isp_clamp(x, 0.0f, 1.0f) - s.at[0];
    const float inner = (s.start + isp_cubic_root(isp_cubic_of(s), height, s.at[1] - s.at[0])) / s.count;
    const float low = x / s.at[2], high = 1.0f + (x - 1.0f) / s.at[3];
    return x < 0.0f ? low : x > 1.0f ? high : x == x ? inner : x;
}
ISP_FN float monotone_inverse_step_slope(float x, float y, isp_segment s) {
    const float slope = monotone_step_slope(y, x, s);
    return 1.0f / (slope > 0.0f ? slope : s.count);
}
ISP_FN float monotone_inverse_step_partial(int j, float x, float y, isp_segment s) {
    return -monotone_step_partial(j, y, x, s) * monotone_inverse_step_slope(x, y, s);
}

/* Every step of this kind: X(name, number of parameters, search). */
#define ISP_LOOKUPS(X)                                                 \
    X(table, 2, ISP_EVEN) X(table_inverse, 2, ISP_SORTED)              \
    X(monotone, 4, ISP_EVEN) X(monotone_inverse, 4, ISP_SORTED)

#endif
