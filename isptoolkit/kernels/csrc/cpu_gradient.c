/* Gradients of point-wise programs: each strip is recomputed, storing the values before every step, then differentiated. */
#include "cpu_strips.h"
#include "cpu_threads.h"

#define SUM(expression, condition)                                        \
    ({                                                                    \
        float sum_ = 0.0f;                                                \
        _Pragma("omp simd reduction(+ : sum_)") for (int i = 0; i < n; i++) \
            sum_ += (condition) ? (expression) : 0.0f;                    \
        (double)sum_;                                                     \
    })

static void mesh_sums(double *sum, const float *g, const int32_t *step, const isp_place *place, int parity, int stride, int n) {
    int rows = step[3], columns = step[4];
    double down = (place->row + 0.5) / (double)place->height * (rows - 1);
    int top = (int)down, below = top + 1 < rows ? top + 1 : top;
    double weight = down - top, scale = (columns - 1) / (double)place->width;
    for (int i = parity; i < n; i += stride) {
        double across = ((double)(place->column + i) + 0.5) * scale;
        int left = (int)across, right = left + 1 < columns ? left + 1 : left;
        double w = across - left, value = g[i];
        sum[(int64_t)top * columns + left] += value * (1 - weight) * (1 - w);
        sum[(int64_t)top * columns + right] += value * (1 - weight) * w;
        sum[(int64_t)below * columns + left] += value * weight * (1 - w);
        sum[(int64_t)below * columns + right] += value * weight * w;
    }
}

#define LENGTH 256 /* strip length; shorter than STRIP, because the values before every step are stored */

/* Whether the derivative of a step is computed from its output. */
static int uses_output(int kind) {
    return kind == ISP_MESH_DIVIDE || (kind >= ISP_KIND_srgb_encode && kind != ISP_KIND_smoothstep && kind != ISP_KIND_reinhard);
}

/* From gradients gs of the step's outputs ys to gradients hs of its inputs xs, which may be the same arrays; adds the
 * gradients of its coefficients to `sums` unless null. */
static void backward_step(const int32_t *step, const float *p, const float *const *xs, const float *const *ys,
                          const float *const *gs, float *const *hs, double *sums, int planes, const isp_place *place, int n) {
    switch (step[0]) {
    case ISP_SITES: {
        const int at = (int)(place->row & 1) * 2;
        const float *x = xs[0], *g = gs[0];
        float *h = hs[0];
        float b0 = p[4 + at], b1 = p[5 + at];
        for (int k = 0; sums && k < 2; k++) {
            float pre = p[at + k];
            double total = SUM(g[i], (i & 1) == k);
            sums[at + k] -= total * p[4 + at + k];
            sums[4 + at + k] += SUM(g[i] * (x[i] - pre), (i & 1) == k);
            sums[8 + at + k] += total;
        }
        EACH_VALUE h[i] = g[i] * (i & 1 ? b1 : b0);
        break;
    }
    case ISP_CHANNELS:
        EACH_PLANE {
            const float *x = xs[c], *g = gs[c], scale = p[c];
            float *h = hs[c];
            if (sums) sums[c] += SUM(g[i] * x[i], 1), sums[4 + c] += SUM(g[i], 1);
            EACH_VALUE h[i] = g[i] * scale;
        }
        break;
    case ISP_MATRIX: {
        const float *r = gs[0], *g = gs[1], *b = gs[2];
        float *red = hs[0], *green = hs[1], *blue = hs[2];
        for (int k = 0; sums && k < 3; k++) {
            EACH_PLANE sums[3 * k + c] += SUM(gs[k][i] * xs[c][i], 1);
            sums[9 + k] += SUM(gs[k][i], 1);
        }
        EACH_VALUE {
            float u = r[i], v = g[i], w = b[i];
            red[i] = p[0] * u + p[3] * v + p[6] * w;
            green[i] = p[1] * u + p[4] * v + p[7] * w;
            blue[i] = p[2] * u + p[5] * v + p[8] * w;
        }
        break;
    }
    case ISP_CLAMP:
        EACH_PLANE {
            const float *x = xs[c], *g = gs[c], low = p[0], high = p[1];
            float *h = hs[c];
            if (sums) sums[0] += SUM(g[i], x[i] < low), sums[1] += SUM(g[i], x[i] > high);
            EACH_VALUE h[i] = x[i] >= low && x[i] <= high ? g[i] : 0.0f;
        }
        break;
    case ISP_QUANTIZE:
        EACH_PLANE if (hs[c] != gs[c]) memcpy(hs[c], gs[c], sizeof(float) * (size_t)n);
        break;
    case ISP_MESH_MULTIPLY:
    case ISP_MESH_DIVIDE: {
        float gain[STRIP], grad_gain[STRIP];
        int sites = planes == 1 && step[2] == 4;
        int64_t size = (int64_t)step[3] * step[4];
        EACH_PLANE {
            const float *x = xs[c], *y = ys[c], *g = gs[c];
            float *h = hs[c];
            plane_gains(gain, step, p, place, planes, c, n);
            if (step[0] == ISP_MESH_MULTIPLY) {
                EACH_VALUE grad_gain[i] = g[i] * x[i];
                EACH_VALUE h[i] = g[i] * gain[i];
            } else {
                EACH_VALUE grad_gain[i] = -g[i] * y[i] / gain[i];
                EACH_VALUE h[i] = g[i] / gain[i];
            }
            for (int k = 0; sums && k < 1 + sites; k++) {
                int64_t plane = sites ? (place->row & 1) * 2 + k : step[2] == 1 ? 0 : c;
                mesh_sums(sums + plane * size, grad_gain, step, place, k, 1 + sites, n);
            }
        }
        break;
    }
#define CURVE_CASE(name)                                                                 \
    case ISP_KIND_##name:                                                                \
        EACH_PLANE {                                                                     \
            const float *x = xs[c], *y = ys[c], *g = gs[c], parameter = p[0];            \
            float *h = hs[c];                                                            \
            if (sums) sums[0] += SUM(g[i] * name##_partial(x[i], y[i], parameter), 1);   \
            EACH_VALUE h[i] = g[i] * name##_slope(x[i], y[i], parameter);                \
        }                                                                                \
        break;
    ISP_CURVES(CURVE_CASE)
#undef CURVE_CASE
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
        } else if (k + 1 < count || uses_output(step[0]))
            forward_step(step, coefficients + step[1], values[k], after, planes, 0, planes, &place, n);
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
