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

/* ---- white balance that keeps highlights white, with inverse gains k0, k1, k2 and the inflection k3. The factor of a channel
 * with inverse gain g is g + h^2 max(1 - g, 0), where h is the height of the balanced mean above the inflection, 1 at white. */
/* max(1 - gain, 0): without a condition, since compilers vectorize no condition that is the same for all values. */
ISP_FN float isp_rising(float gain) { return 0.5f * ((1.0f - gain) + isp_abs(1.0f - gain)); }
ISP_FN float isp_highlight_height(float mean, float inflection) {
    return mean > inflection ? (mean - inflection) / (1.0f - inflection) : mean == mean ? 0.0f : mean;
}
ISP_FN isp_color isp_highlight_factors(float height, const float *k) {
    const float square = height * height;
    isp_color s = {k[0] + square * isp_rising(k[0]), k[1] + square * isp_rising(k[1]), k[2] + square * isp_rising(k[2])};
    return s;
}
ISP_FN float isp_mean(isp_color x) { return (x.r + x.g + x.b) * 0.333333333f; }
ISP_FN isp_color isp_times(isp_color a, isp_color b) {
    isp_color c = {a.r * b.r, a.g * b.g, a.b * b.b};
    return c;
}
ISP_FN isp_color isp_over(isp_color a, isp_color b) {
    isp_color c = {a.r / b.r, a.g / b.g, a.b / b.b};
    return c;
}
/* The derivatives of the factors with respect to the height. */
ISP_FN isp_color isp_highlight_slopes(float height, const float *k) {
    isp_color s = {2.0f * height * isp_rising(k[0]), 2.0f * height * isp_rising(k[1]), 2.0f * height * isp_rising(k[2])};
    return s;
}
/* The derivative of a factor with respect to its inverse gain. */
ISP_FN float isp_highlight_share(float height, float gain) { return 1.0f - (gain <= 1.0f ? height : 0.0f) * height; }

/* An upper bound of the height for one channel: its factor exceeds 1 and, if that rises, h^2 (1 - g). */
ISP_FN float isp_highlight_bound(float x, float gain, float inflection) {
    const float rising = isp_rising(gain), straight = isp_highlight_height(x / (gain + rising), inflection);
    const float cubic = isp_power((x > 0.0f ? x : 0.0f) / ((1.0f - inflection) * (rising + 1.1920929e-7f)), 0.333333333f);
    return straight < cubic ? straight : cubic;
}

/* Solve inflection + h (1 - inflection) = mean(x / factors(h)) by bisections, then Newton steps for the quotient of its sides. */
ISP_FN float isp_highlight_root(isp_color x, const float *k) {
    const float scale = 1.0f - k[3];
    const isp_color gains = {k[0], k[1], k[2]};
    const float plain = isp_highlight_height(isp_mean(isp_over(x, gains)), k[3]);
    const float r = isp_highlight_bound(x.r, k[0], k[3]), g = isp_highlight_bound(x.g, k[1], k[3]);
    const float b = isp_highlight_bound(x.b, k[2], k[3]), larger = r > g ? r : g, single = larger > b ? larger : b;
    const float bound = single > 1.0f ? single : 1.0f;
    float below = 0.0f, above = plain < bound ? plain : bound;
    ISP_UNROLL for (int i = 0; i < 6; i++) {
        const float h = (below + above) * 0.5f;
        const int low = k[3] + h * scale < isp_mean(isp_over(x, isp_highlight_factors(h, k)));
        below = low ? h : below;
        above = low ? above : h;
    }
    float h = (below + above) * 0.5f;
    ISP_UNROLL for (int i = 0; i < 5; i++) {
        const isp_color factors = isp_highlight_factors(h, k), balanced = isp_over(x, factors);
        const float gray = k[3] + h * scale, mean = isp_mean(balanced), gap = gray - mean;
        below = gap <= 0.0f ? h : below;
        above = gap >= 0.0f ? h : above;
        const float falling = isp_mean(isp_times(balanced, isp_over(isp_highlight_slopes(h, k), factors)));
        const float moved = h - gap / (scale + gray / mean * falling), slack = (above - below) * 0.125f;
        const int near = (moved >= below - slack) & (moved <= above + slack);
        h = near ? isp_clamp(moved, below, above) : (below + above) * 0.5f;
    }
    return h;
}

ISP_FN isp_color highlight_step(isp_color x, const float *k) {
    return isp_over(x, isp_highlight_factors(isp_highlight_root(x, k), k));
}
/* The gradient of the height, divided by the slope of the equation that it solves. */
ISP_FN float isp_highlight_pull(float height, isp_color y, isp_color g, const float *k) {
    const isp_color s = isp_over(isp_times(y, isp_highlight_slopes(height, k)), isp_highlight_factors(height, k));
    return -(g.r * s.r + g.g * s.g + g.b * s.b) / (1.0f - k[3] + isp_mean(s));
}
ISP_FN isp_color highlight_step_back(isp_color x, isp_color y, isp_color g, const float *k) {
    const float height = isp_highlight_height(isp_mean(y), k[3]), pull = isp_highlight_pull(height, y, g, k) * 0.333333333f;
    const isp_color pulled = {g.r + pull, g.g + pull, g.b + pull};
    (void)x;
    return isp_over(pulled, isp_highlight_factors(height, k));
}
ISP_FN float highlight_step_partial(int j, isp_color x, isp_color y, isp_color g, const float *k) {
    const float height = isp_highlight_height(isp_mean(y), k[3]), pull = isp_highlight_pull(height, y, g, k);
    (void)x;
    if (j == 3) return -pull * (1.0f - height);
    const float factor = isp_of_plane(isp_highlight_factors(height, k), j);
    return -(isp_of_plane(g, j) + pull * 0.333333333f) * isp_of_plane(y, j) / factor * isp_highlight_share(height, k[j]);
}

ISP_FN isp_color highlight_inverse_step(isp_color x, const float *k) {
    return isp_times(x, isp_highlight_factors(isp_highlight_height(isp_mean(x), k[3]), k));
}
/* The gradient of the height. */
ISP_FN float isp_highlight_push(float height, isp_color x, isp_color g, const float *k) {
    const isp_color s = isp_times(x, isp_highlight_slopes(height, k));
    return g.r * s.r + g.g * s.g + g.b * s.b;
}
ISP_FN isp_color highlight_inverse_step_back(isp_color x, isp_color y, isp_color g, const float *k) {
    const float height = isp_highlight_height(isp_mean(x), k[3]);
    const float push = isp_highlight_push(height, x, g, k) * 0.333333333f / (1.0f - k[3]);
    isp_color h = isp_times(g, isp_highlight_factors(height, k));
    (void)y;
    h.r += push, h.g += push, h.b += push;
    return h;
}
ISP_FN float highlight_inverse_step_partial(int j, isp_color x, isp_color y, isp_color g, const float *k) {
    const float height = isp_highlight_height(isp_mean(x), k[3]);
    (void)y;
    if (j == 3) return isp_highlight_push(height, x, g, k) * (height - 1.0f) / (1.0f - k[3]);
    return isp_of_plane(g, j) * isp_of_plane(x, j) * isp_highlight_share(height, k[j]);
}

/* Every step of this kind: X(name, number of coefficients). */
#define ISP_COLORS(X) X(matrix, 12) X(highlight, 4) X(highlight_inverse, 4)

#endif
