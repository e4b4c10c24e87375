/* Steps that mix three planes, given their coefficients k: y = NAME_step(x, k), the gradient of x from the gradient g of y,
 * NAME_step_back(x, y, g, k), and the gradient of coefficient j, NAME_step_partial(j, x, y, g, k).
 */
#ifndef ISPTOOLKIT_COLORS_H
#define ISPTOOLKIT_COLORS_H

#include "maths.h"

#define ISP_COLOR_COEFFICIENTS 12

typedef struct { float r, g, b; } isp_color;

ISP_FN float isp_of_plane(isp_color x, int plane) { return plane == 0 ? x.r : plane == 1 ? x.g : x.b; }

/* ---- 3x3 matrix k0 ... k8, row-major, plus k9, k10, k11 */
ISP_FN isp_color matrix_step(isp_color x, const float *k) {
    isp_color y = {k[0] * x.r + k[1] * x.g + k[2] * x.b + k[9], k[3] * x.r + k[4] * x.g + k[5] * x.b + k[10],
                   k[6] * x.r + k[7] * x.g + k[8] * x.b + k[11]};
    return y;
}
ISP_FN isp_color matrix_step_back(isp_color x, isp_color y, isp_color g, const float *k) {
    (void)x, (void)y;
    isp_color h = {k[0] * g.r + k[3] * g.g + k[6] * g.b, k[1] * g.r + k[4] * g.g + k[7] * g.b,
                   k[2] * g.r + k[5] * g.g + k[8] * g.b};
    return h;
}
ISP_FN float matrix_step_partial(int j, isp_color x, isp_color y, isp_color g, const float *k) {
    (void)y, (void)k;
    return j < 9 ? isp_of_plane(g, j / 3) * isp_of_plane(x, j % 3) : isp_of_plane(g, j - 9);
}

/* Every step of this kind: X(name, number of coefficients). */
#define ISP_COLORS(X) X(matrix, 12)

#endif
