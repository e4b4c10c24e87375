/* Gradients of point-wise programs: each strip is recomputed, storing the values before every step, then differentiated. */
#include "cpu_strips.h"
#include "cpu_threads.h"

#define LENGTH 256 /* strip length; shorter than STRIP, because the values before every step are stored */

/* From gradients gs of the step's outputs ys to gradients hs of its inputs xs, which may be the same arrays; adds the
 * gradients of its coefficients to `sums` unless null. */
static void backward_step(const int32_t *step, const float *k, const float *const *xs, const float *const *ys,
                          const float *const *gs, float *const *hs, double *sums, int planes, const isp_place *place, int n) {
    const int32_t *shape = step + 2;
    const int site = (int)(place->row & 1) * 2;
    switch (isp_shortcut(step[0], k)) {
/* The macros count parameters and coefficients in constants, so that what a derivative leaves out costs nothing. */
#define VALUE_TERM(name, count, j, p) (j < count ? isp_chain(g[i], name##_step_partial(j, x[i], y[i], p)) : 0.0f)
/* One loop adds the gradients of all parameters of the values that satisfy the condition. */
#define VALUE_SUMS(name, count, owner, p, site, condition)                                                                \
    {                                                                                                                     \
        float a0 = 0.0f, a1 = 0.0f, a2 = 0.0f, a3 = 0.0f;                                                                 \
        _Pragma("omp simd reduction(+ : a0, a1, a2, a3)") for (int i = 0; i < n; i++) {                                   \
            const float t0 = VALUE_TERM(name, count, 0, p), t1 = VALUE_TERM(name, count, 1, p);                           \
            const float t2 = VALUE_TERM(name, count, 2, p), t3 = VALUE_TERM(name, count, 3, p);                           \
            a0 += (condition) ? t0 : 0.0f, a1 += (condition) ? t1 : 0.0f;                                                 \
            a2 += (condition) ? t2 : 0.0f, a3 += (condition) ? t3 : 0.0f;                                                 \
        }                                                                                                                 \
        const float total[ISP_PARAMETERS] = {a0, a1, a2, a3};                                                             \
        ISP_UNROLL for (int j = 0; j < count; j++) sums[isp_parameter(j, owner, c, site)] += (double)total[j];            \
    }
#define VALUE_CASE(name, count, owner)                                                                                    \
    case ISP_KIND_##name:                                                                                                 \
        EACH_PLANE {                                                                                                      \
            const isp_parameters even = isp_parameters_of(k, count, owner, c, site);                                      \
            const isp_parameters odd = isp_parameters_of(k, count, owner, c, site + 1);                                   \
            const float *x = xs[c], *y = ys[c], *g = gs[c];                                                               \
            float *h = hs[c];                                                                                             \
            if (sums) {                                                                                                   \
                VALUE_SUMS(name, count, owner, even, site, owner != ISP_SITE || !(i & 1))                                 \
                if (owner == ISP_SITE) VALUE_SUMS(name, count, owner, odd, site + 1, i & 1)                               \
            }                                                                                                             \
            if (owner == ISP_SITE) {                                                                                      \
                EACH_VALUE h[i] = isp_chain(g[i], i & 1 ? name##_step_slope(x[i], y[i], odd) : name##_step_slope(x[i], y[i], even)); \
            } else {                                                                                                      \
                EACH_VALUE h[i] = isp_chain(g[i], name##_step_slope(x[i], y[i], even));                                   \
            }                                                                                                             \
        }                                                                                                                 \
        break;
#define CURVE_CASE(name) VALUE_CASE(name, 1, ISP_SHARED)
#define LOOKUP_CASE(name, count, search)                                                                                  \
    case ISP_KIND_##name: {                                                                                               \
        const lookup table = lookup_of(k, shape, count);                                                                  \
        EACH_PLANE EACH_GROUP {                                                                                           \
            const group s = group_of(&table, search, count, xs[c] + i, n - i);                                            \
            float y[LANES], g[LANES], result[LANES], partial[count][LANES];                                               \
            read_group(y, ys[c] + i, n - i);                                                                              \
            read_group(g, gs[c] + i, n - i);                                                                              \
            ISP_UNROLL for (int j = 0; j < count; j++)                                                                    \
                EACH_LANE partial[j][l] = isp_chain(g[l], name##_step_partial(j, s.x[l], y[l], segment_of(&table, &s, l))); \
            for (int l = 0; sums && l < LANES && i + l < n; l++)                                                          \
                ISP_UNROLL for (int j = 0; j < count; j++)                                                                \
                    sums[isp_segment_parameter(j, s.segment[l], shape)] += (double)partial[j][l];                         \
            EACH_LANE result[l] = isp_chain(g[l], name##_step_slope(s.x[l], y[l], segment_of(&table, &s, l)));            \
            write_group(hs[c] + i, result, n - i);                                                                        \
        }                                                                                                                 \
        break;                                                                                                            \
    }
#define COLOR_AT(name) {name##0[i], name##1[i], name##2[i]}
#define COLOR_TERM(name, count, j) (j < count ? name##_step_partial(j, x, y, g, own) : 0.0f)
#define COLOR_CASE(name, count)                                                                                           \
    case ISP_KIND_##name: {                                                                                               \
        const float *x0 = xs[0], *x1 = xs[1], *x2 = xs[2], *y0 = ys[0], *y1 = ys[1], *y2 = ys[2];                         \
        const float *g0 = gs[0], *g1 = gs[1], *g2 = gs[2];                                                                \
        float own[ISP_COLOR_COEFFICIENTS], *red = hs[0], *green = hs[1], *blue = hs[2];                                   \
        for (int j = 0; j < count; j++) own[j] = k[j];                                                                    \
        if (sums) {                                                                                                       \
            float a0 = 0, a1 = 0, a2 = 0, a3 = 0, a4 = 0, a5 = 0, a6 = 0, a7 = 0, a8 = 0, a9 = 0, a10 = 0, a11 = 0;       \
            _Pragma("omp simd reduction(+ : a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11)") for (int i = 0; i < n; i++) { \
                const isp_color x = COLOR_AT(x), y = COLOR_AT(y), g = COLOR_AT(g);                                     \
                a0 += COLOR_TERM(name, count, 0), a1 += COLOR_TERM(name, count, 1), a2 += COLOR_TERM(name, count, 2);     \
                a3 += COLOR_TERM(name, count, 3), a4 += COLOR_TERM(name, count, 4), a5 += COLOR_TERM(name, count, 5);     \
                a6 += COLOR_TERM(name, count, 6), a7 += COLOR_TERM(name, count, 7), a8 += COLOR_TERM(name, count, 8);     \
                a9 += COLOR_TERM(name, count, 9), a10 += COLOR_TERM(name, count, 10), a11 += COLOR_TERM(name, count, 11); \
            }                                                                                                             \
            const float total[ISP_COLOR_COEFFICIENTS] = {a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11};               \
            for (int j = 0; j < count; j++) sums[j] += (double)total[j];                                                  \
        }                                                                                                                 \
        EACH_VALUE {                                                                                                      \
            const isp_color x = COLOR_AT(x), y = COLOR_AT(y), g = COLOR_AT(g);                                              \
            isp_color h = name##_step_back(x, y, g, own);                                                                 \
            red[i] = h.r, green[i] = h.g, blue[i] = h.b;                                                                  \
        }                                                                                                                 \
        break;                                                                                                            \
    }
#define GAIN_CASE(name, base)                                                                                             \
    case ISP_KIND_##name##_multiply:                                                                                      \
    case ISP_KIND_##name##_divide: {                                                                                      \
        float gain[LENGTH], grad_gain[LENGTH];                                                                            \
        EACH_PLANE {                                                                                                      \
            const float *x = xs[c], *y = ys[c], *g = gs[c];                                                               \
            float *h = hs[c];                                                                                             \
            const name##_line line = name##_line_of(shape, k, *place, planes, c);                                         \
            const int column = (int)place->column;                                                                        \
            name##_gains(gain, shape, k, line, column, n);                                                                \
            if (step[0] == ISP_KIND_##name##_multiply) {                                                                  \
                EACH_VALUE grad_gain[i] = g[i] * x[i];                                                                    \
                EACH_VALUE h[i] = g[i] * gain[i];                                                                         \
            } else {                                                                                                      \
                EACH_VALUE {                                                                                              \
                    const float quotient = g[i] / gain[i];                                                                \
                    grad_gain[i] = -quotient * y[i];                                                                      \
                    h[i] = quotient;                                                                                      \
                }                                                                                                         \
            }                                                                                                             \
            if (sums) name##_gain_sums(sums, grad_gain, shape, line, column, n);                                          \
        }                                                                                                                 \
        break;                                                                                                            \
    }
    ISP_VALUES(VALUE_CASE)
    ISP_LOOKUPS(LOOKUP_CASE)
    ISP_COLORS(COLOR_CASE)
    ISP_GAINS(GAIN_CASE)
    ISP_CURVES(CURVE_CASE)
    ISP_SHORTCUTS(CURVE_CASE)
    }
}

/* The values after each step, and the gradients. */
typedef struct { strip values[ISP_MAX_STEPS], gradient; } gradient_scratch;

static void gradient_strip(const isp_gradient_args *b, int64_t index, int64_t strips, double *sums, gradient_scratch *s) {
    const isp_launch_args *t = &b->launch;
    int64_t piece = index % strips, row = index / strips % t->height, sample = index / strips / t->height;
    isp_place place = {row, piece * LENGTH, t->height, t->width};
    int n = (int)(t->width - place.column < LENGTH ? t->width - place.column : LENGTH), count = (int)t->before.count;
    int planes = (int)t->planes;
    const float *coefficients = t->coefficients + sample * t->coefficients_stride;
    int64_t at = (sample * planes * t->height + row) * t->width + place.column, frame = t->height * t->width;
    const float *values[ISP_MAX_STEPS + 1][ISP_MAX_PLANES], *g[ISP_MAX_PLANES];
    float *h[ISP_MAX_PLANES];
    EACH_PLANE {
        values[0][c] = (const float *)t->input + sample * t->input_batch + c * t->input_plane + row * t->input_row + place.column;
        g[c] = b->grad_y + at + c * frame;
        h[c] = s->gradient.plane[c];
    }
    for (int k = 0; k < count; k++) {
        const int32_t *step = t->before.steps + k * ISP_STEP_SIZE;
        float *after[ISP_MAX_PLANES];
        EACH_PLANE values[k + 1][c] = after[c] = s->values[k].plane[c];
        if (k > 0 && display_next(step - ISP_STEP_SIZE, 2, coefficients)) {
            EACH_PLANE display(values[k][c], after[c], 1.0f, 0.0f, 0, n);
        } else if (k + 1 < count || isp_reads_output(step[0])) {
            forward_step(step, coefficients + step[1], values[k], after, planes, 0, planes, &place, n);
        }
    }
    for (int k = count - 1; k >= 0; k--) {
        const int32_t *step = t->before.steps + k * ISP_STEP_SIZE;
        double *sample_sums = sums ? sums + (t->coefficients_stride ? sample * b->coefficient_count : 0) + step[1] : 0;
        backward_step(step, coefficients + step[1], values[k], values[k + 1], g, h, sample_sums, planes, &place, n);
        EACH_PLANE g[c] = h[c];
    }
    EACH_PLANE store(b->grad_x, ISP_FLOAT32, at + c * frame, g[c], n, t->streaming);
}

static void gradient_strips(const void *work, int thread, int64_t first, int64_t last) {
    const isp_gradient_args *b = work;
    int64_t strips = (b->launch.width + LENGTH - 1) / LENGTH;
    int64_t total = b->coefficient_count * (b->launch.coefficients_stride ? b->launch.batch : 1);
    gradient_scratch scratch;
    double *sums = b->grad_coefficients ? b->grad_coefficients + thread * total : 0;
    for (int64_t i = first; i < last; i++) gradient_strip(b, i, strips, sums, &scratch);
    finish_streams();
}

void ISP_NAME(isp_run_gradient)(const isp_gradient_args *gradient) {
    const isp_launch_args *t = &gradient->launch;
    split_work(gradient_strips, gradient, t->batch * t->height * ((t->width + LENGTH - 1) / LENGTH), t->threads);
}
