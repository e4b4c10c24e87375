/* Gains that depend on the position in the frame; their kinds are NAME_multiply and NAME_divide. A gain is NAME_BASE plus the
 * sum of k[at] weight over NAME_terms(shape) terms: weight = NAME_term(t, pixel, &at), where pixel = NAME_pixel_of(line, column),
 * and line = NAME_line_of(...) is what the pixels of a row share. Terms have the same indices in columns of equal
 * NAME_cell(line, column), which does not decrease, and equal parity; parity matters only if NAME_by_parity(line).
 */
#ifndef ISPTOOLKIT_GAINS_H
#define ISPTOOLKIT_GAINS_H

#include "maths.h"

#define ISP_GAIN_TERMS 5 /* at most */

typedef long long isp_long;

/* The position of a pixel, or of a strip's first one, and the size of its frame. */
typedef struct { isp_long row, column, height, width; } isp_place;

/* ---- a bilinear mesh: node i of n lies at i / (n - 1) of the frame, pixel j of m at (j + 1/2) / m. The shape is planes, rows
 * and columns: a plane for all, one for each plane of the image, or, on a mosaic, four for the sites of the 2x2 cell. */
#define MESH_BASE 0.0f

typedef struct {
    isp_i32 upper, lower, odd; /* indices of the rows of nodes, and what odd columns add */
    isp_i32 last;              /* column of nodes */
    float weight;              /* of the lower row */
    double scale;              /* columns of nodes per pixel */
} mesh_line;

ISP_FN int mesh_terms(const isp_i32 *shape) {
    (void)shape;
    return 4;
}
ISP_FN mesh_line mesh_line_of(const isp_i32 *shape, const float *k, isp_place place, int planes, int plane) {
    const isp_i32 rows = shape[1], columns = shape[2];
    const int sites = planes == 1 && shape[0] == 4, own = sites ? (int)(place.row & 1) * 2 : shape[0] == 1 ? 0 : plane;
    const double down = (place.row + 0.5) / (double)place.height * (rows - 1);
    const isp_i32 top = (isp_i32)down, below = top + 1 < rows ? top + 1 : top;
    mesh_line line = {(own * rows + top) * columns, (own * rows + below) * columns, sites ? rows * columns : 0, columns - 1,
                      (float)(down - top), (columns - 1) / (double)place.width};
    (void)k;
    return line;
}
ISP_FN isp_i32 mesh_cell(mesh_line line, int column) { return (isp_i32)((column + 0.5) * line.scale); }
ISP_FN int mesh_by_parity(mesh_line line) { return line.odd != 0; }

typedef struct {
    isp_i32 upper, lower, right; /* indices of the left nodes, and what the right ones add */
    float weight, across;        /* of the lower row and of the right column */
} mesh_pixel;

ISP_FN mesh_pixel mesh_pixel_of(mesh_line line, int column) {
    const double across = (column + 0.5) * line.scale;
    const isp_i32 left = (isp_i32)across, first = left + (column & 1 ? line.odd : 0);
    mesh_pixel pixel = {line.upper + first, line.lower + first, left < line.last ? 1 : 0, line.weight, (float)(across - left)};
    return pixel;
}
ISP_FN float mesh_term(int t, mesh_pixel pixel, isp_i32 *at) {
    *at = (t < 2 ? pixel.upper : pixel.lower) + (t & 1 ? pixel.right : 0);
    return (t < 2 ? 1.0f - pixel.weight : pixel.weight) * (t & 1 ? pixel.across : 1.0f - pixel.across);
}

/* ---- 1 + k2 u + k3 u^2 + ... + k6 u^5 for the square u of the distance to the center (k0, k1), which lies from (0, 0) at the
 * first pixel to (1, 1) at the last one; u = 1 at the farthest corner pixel. The center gets no gradient. */
#define RADIAL_BASE 1.0f
#define RADIAL_TERMS 5

typedef struct { double center, row, scale; } radial_line; /* column of the center, squared distance of the row, one over the largest */

ISP_FN isp_i32 radial_cell(radial_line line, int column) {
    (void)line, (void)column;
    return 0;
}
ISP_FN int radial_by_parity(radial_line line) {
    (void)line;
    return 0;
}

typedef struct { float square; } radial_pixel;

ISP_FN int radial_terms(const isp_i32 *shape) {
    (void)shape;
    return RADIAL_TERMS;
}
ISP_FN double isp_larger(double a, double b) { return a > b ? a : b; }
ISP_FN radial_line radial_line_of(const isp_i32 *shape, const float *k, isp_place place, int planes, int plane) {
    const double width = (double)(place.width - 1), height = (double)(place.height - 1), x = k[0], y = k[1];
    const double across = isp_larger(x, 1.0 - x) * width, down = isp_larger(y, 1.0 - y) * height;
    const double row = (double)place.row - y * height;
    radial_line line = {x * width, row * row, 1.0 / isp_larger(across * across + down * down, 1.0)};
    (void)shape, (void)planes, (void)plane;
    return line;
}
ISP_FN radial_pixel radial_pixel_of(radial_line line, int column) {
    const double across = column - line.center;
    radial_pixel pixel = {(float)((across * across + line.row) * line.scale)};
    return pixel;
}
ISP_FN float radial_term(int t, radial_pixel pixel, isp_i32 *at) {
    const float u = pixel.square, square = u * u;
    *at = 2 + t;
    return t == 0 ? u : t == 1 ? square : t == 2 ? square * u : t == 3 ? square * square : square * square * u;
}

/* Every gain: X(name, base). */
#define ISP_GAINS(X) X(mesh, MESH_BASE) X(radial, RADIAL_BASE)

#define ISP_GAIN(name, base)                                                                                    \
    ISP_FN float name##_gain(const isp_i32 *shape, const float *k, name##_pixel pixel) {                        \
        float gain = base;                                                                                      \
        ISP_UNROLL for (int t = 0; t < name##_terms(shape); t++) {                                              \
            isp_i32 at;                                                                                         \
            float weight = name##_term(t, pixel, &at);                                                          \
            gain += k[at] * weight;                                                                             \
        }                                                                                                       \
        return gain;                                                                                            \
    }
ISP_GAINS(ISP_GAIN)
#undef ISP_GAIN

#endif
