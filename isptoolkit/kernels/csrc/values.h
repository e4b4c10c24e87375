/* Steps that change each value by itself, given the parameters p of that value: y = NAME_step(x, p), dy/dx =
 * NAME_step_slope(x, y, p), and the derivative with respect to parameter j, NAME_step_partial(j, x, y, p).
 */
#ifndef ISPTOOLKIT_VALUES_H
#define ISPTOOLKIT_VALUES_H

#include "curves.h"

#define ISP_PARAMETERS 4

typedef struct { float at[ISP_PARAMETERS]; } isp_parameters;

/* Which coefficients are the parameters of a value: parameter j is coefficient j, or 4 j plus the value's plane, or 4 j plus
 * its site in the 2x2 cell of a mosaic. */
enum isp_owner { ISP_SHARED, ISP_PLANE, ISP_SITE };

ISP_FN int isp_parameter(int j, int owner, int plane, int site) {
    return owner == ISP_SHARED ? j : 4 * j + (owner == ISP_PLANE ? plane : site);
}

ISP_FN isp_parameters isp_parameters_of(const float *k, int count, int owner, int plane, int site) {
    isp_parameters p = {{0.0f, 0.0f, 0.0f, 0.0f}};
    ISP_UNROLL for (int j = 0; j < ISP_PARAMETERS; j++)
        if (j < count) p.at[j] = k[isp_parameter(j, owner, plane, site)];
    return p;
}

/* ---- (x - p0) p1 + p2 */
ISP_FN float sites_step(float x, isp_parameters p) { return (x - p.at[0]) * p.at[1] + p.at[2]; }
ISP_FN float sites_step_slope(float x, float y, isp_parameters p) {
    (void)x, (void)y;
    return p.at[1];
}
ISP_FN float sites_step_partial(int j, float x, float y, isp_parameters p) {
    (void)y;
    return j == 0 ? -p.at[1] : j == 1 ? x - p.at[0] : 1.0f;
}

/* ---- x p0 + p1 */
ISP_FN float channels_step(float x, isp_parameters p) { return x * p.at[0] + p.at[1]; }
ISP_FN float channels_step_slope(float x, float y, isp_parameters p) {
    (void)x, (void)y;
    return p.at[0];
}
ISP_FN float channels_step_partial(int j, float x, float y, isp_parameters p) {
    (void)y, (void)p;
    return j == 0 ? x : 1.0f;
}

/* ---- x in [p0, p1] */
ISP_FN float clamp_step(float x, isp_parameters p) { return isp_clamp(x, p.at[0], p.at[1]); }
ISP_FN float clamp_step_slope(float x, float y, isp_parameters p) {
    (void)y;
    return x >= p.at[0] && x <= p.at[1] ? 1.0f : 0.0f;
}
ISP_FN float clamp_step_partial(int j, float x, float y, isp_parameters p) {
    (void)y;
    return (j == 0 ? x < p.at[0] : x > p.at[1]) ? 1.0f : 0.0f;
}

/* ---- multiples of 1 / p0, ties to even; the gradient passes straight through, and p0 gets none */
ISP_FN float quantize_step(float x, isp_parameters p) { return isp_round(x * p.at[0]) / p.at[0]; }
ISP_FN float quantize_step_slope(float x, float y, isp_parameters p) {
    (void)x, (void)y, (void)p;
    return 1.0f;
}
ISP_FN float quantize_step_partial(int j, float x, float y, isp_parameters p) {
    (void)j, (void)x, (void)y, (void)p;
    return 0.0f;
}

/* ---- curves; p0 is their parameter */
#define ISP_CURVE_STEP(name)                                                                   \
    ISP_FN float name##_step(float x, isp_parameters p) { return name(x, p.at[0]); }           \
    ISP_FN float name##_step_slope(float x, float y, isp_parameters p) { return name##_slope(x, y, p.at[0]); } \
    ISP_FN float name##_step_partial(int j, float x, float y, isp_parameters p) {              \
        (void)j;                                                                               \
        return name##_partial(x, y, p.at[0]);                                                  \
    }
ISP_CURVES(ISP_CURVE_STEP)
ISP_SHORTCUTS(ISP_CURVE_STEP)
#undef ISP_CURVE_STEP

/* Every step of this kind but curves: X(name, number of parameters, owner). Their derivatives do not read y. */
#define ISP_VALUES(X) \
    X(sites, 3, ISP_SITE) X(channels, 2, ISP_PLANE) X(clamp, 2, ISP_SHARED) X(quantize, 1, ISP_SHARED)

#endif
