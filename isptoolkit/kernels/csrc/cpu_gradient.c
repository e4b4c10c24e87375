/* Gradients of point-wise steps: each strip is run again, its values kept before every step, and walked backwards. */
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

/* Turns g, the gradient by the step's output y, into that by its input x; adds to `sums`, unless null, that by its numbers. */
static void backward_step(const int32_t *step, const float *p, const strip *before, const strip *after, strip *gradient,
                          double *sums, int planes, const isp_place *place, int n) {
    switch (step[0]) {
    case ISP_SITES: {
        const int at = (int)(place->row & 1) * 2;
        const float *x = before->plane[0];
        float *g = gradient->plane[0];
        float b0 = p[4 + at], b1 = p[5 + at];
        for (int k = 0; sums && k < 2; k++) {
            float pre = p[at + k];
            double total = SUM(g[i], (i & 1) == k);
            sums[at + k] -= total * p[4 + at + k];
            sums[4 + at + k] += SUM(g[i] * (x[i] - pre), (i & 1) == k);
            sums[8 + at + k] += total;
        }
        EACH_VALUE g[i] *= i & 1 ? b1 : b0;
        break;
    }
    case ISP_CHANNELS:
        EACH_PLANE {
            const float *x = before->plane[c];
            float *g = gradient->plane[c], scale = p[c];
            if (sums) sums[c] += SUM(g[i] * x[i], 1), sums[4 + c] += SUM(g[i], 1);
            EACH_VALUE g[i] *= scale;
        }
        break;
    case ISP_MATRIX: {
        float *r = gradient->plane[0], *g = gradient->plane[1], *b = gradient->plane[2];
        for (int k = 0; sums && k < 3; k++) {
            const float *y = gradient->plane[k];
            EACH_PLANE {
                const float *x = before->plane[c];
                sums[3 * k + c] += SUM(y[i] * x[i], 1);
            }
            sums[9 + k] += SUM(y[i], 1);
        }
        EACH_VALUE {
            float x = r[i], y = g[i], z = b[i];
            r[i] = p[0] * x + p[3] * y + p[6] * z;
            g[i] = p[1] * x + p[4] * y + p[7] * z;
            b[i] = p[2] * x + p[5] * y + p[8] * z;
        }
        break;
    }
    case ISP_CLAMP:
        EACH_PLANE {
            const float *x = before->plane[c];
            float *g = gradient->plane[c], low = p[0], high = p[1];
            if (sums) sums[0] += SUM(g[i], x[i] < low), sums[1] += SUM(g[i], x[i] > high);
            EACH_VALUE g[i] = x[i] >= low && x[i] <= high ? g[i] : 0.0f;
        }
        break;
    case ISP_QUANTIZE:
        break;
    case ISP_MESH_MULTIPLY:
    case ISP_MESH_DIVIDE: {
        float gain[STRIP], by_gain[STRIP];
        int sites = planes == 1 && step[2] == 4;
        int64_t size = (int64_t)step[3] * step[4];
        EACH_PLANE {
            const float *x = before->plane[c], *y = after->plane[c];
            float *g = gradient->plane[c];
            plane_gains(gain, step, p, place, planes, c, n);
            if (step[0] == ISP_MESH_MULTIPLY) {
                EACH_VALUE by_gain[i] = g[i] * x[i];
                EACH_VALUE g[i] *= gain[i];
            } else {
                EACH_VALUE by_gain[i] = -g[i] * y[i] / gain[i];
                EACH_VALUE g[i] /= gain[i];
            }
            for (int k = 0; sums && k < 1 + sites; k++) {
                int64_t plane = sites ? (place->row & 1) * 2 + k : step[2] == 1 ? 0 : c;
                mesh_sums(sums + plane * size, by_gain, step, place, k, 1 + sites, n);
            }
        }
        break;
    }
#define CURVE_CASE(name)                                                                     \
    case ISP_KIND_##name:                                                                    \
        EACH_PLANE {                                                                         \
            const float *x = before->plane[c], *y = after->plane[c];                         \
            float *g = gradient->plane[c], parameter = p[0];                                 \
            if (sums) sums[0] += SUM(g[i] * name##_partial(x[i], y[i], parameter), 1);       \
            EACH_VALUE g[i] *= name##_slope(x[i], y[i], parameter);                          \
        }                                                                                    \
        break;
    ISP_CURVES(CURVE_CASE)
#undef CURVE_CASE
    }
}

static void gradient_strip(const isp_trip_gradient *b, int64_t index, int64_t strips, double *sums, strip *values) {
    const isp_trip *t = &b->trip;
    int64_t piece = index % strips, row = index / strips % t->height, sample = index / strips / t->height;
    isp_place place = {row, piece * STRIP, t->height, t->width};
    int n = (int)(t->width - place.column < STRIP ? t->width - place.column : STRIP), count = (int)t->before.count;
    int planes = (int)t->planes;
    const float *numbers = t->numbers + sample * t->numbers_stride;
    strip gradient;
    EACH_PLANE load(values[0].plane[c], t->input, t->input_type,
                    sample * t->input_batch + c * t->input_plane + row * t->input_row + place.column, n);
    EACH_PLANE load(gradient.plane[c], b->output_gradient, ISP_FLOAT32,
                    ((sample * planes + c) * t->height + row) * t->width + place.column, n);
    for (int k = 0; k < count; k++) {
        const int32_t *step = t->before.words + k * ISP_STEP_WORDS;
        EACH_PLANE memcpy(values[k + 1].plane[c], values[k].plane[c], sizeof(float) * (size_t)n);
        forward_step(step, numbers + step[1], &values[k + 1], planes, 0, planes, &place, n);
    }
    for (int k = count - 1; k >= 0; k--) {
        const int32_t *step = t->before.words + k * ISP_STEP_WORDS;
        double *at = sums ? sums + (t->numbers_stride ? sample * b->count : 0) + step[1] : 0;
        backward_step(step, numbers + step[1], &values[k], &values[k + 1], &gradient, at, planes, &place, n);
    }
    if (b->input_gradient)
        EACH_PLANE store(b->input_gradient, ISP_FLOAT32,
                         ((sample * planes + c) * t->height + row) * t->width + place.column, gradient.plane[c], n, t->streaming);
}

static void gradient_strips(const void *work, int thread, int64_t first, int64_t last) {
    const isp_trip_gradient *b = work;
    int64_t strips = (b->trip.width + STRIP - 1) / STRIP;
    int64_t total = b->count * (b->trip.numbers_stride ? b->trip.batch : 1);
    strip values[ISP_MAX_STEPS + 1];
    double *sums = b->numbers_gradient ? b->numbers_gradient + thread * total : 0;
    for (int64_t i = first; i < last; i++) gradient_strip(b, i, strips, sums, values);
    finish_streams();
}

void ISP_NAME(isp_run_gradient)(const isp_trip_gradient *gradient) {
    const isp_trip *t = &gradient->trip;
    split_work(gradient_strips, gradient, t->batch * t->height * ((t->width + STRIP - 1) / STRIP), t->threads);
}
