/* AdaIN and affine coupling. Compiled once per instruction set. */
#include "blocks.h"
#include "cpu.h"
#include "cpu_threads.h"

#define SIMD _Pragma("omp simd")
#define PIECE 4096

typedef struct { double sum, squares; } moments;

/* Sum and sum of squares of x - pivot, accumulated in double precision piece by piece. */
static moments moments_of(const float *x, int64_t count, float pivot) {
    moments all = {0.0, 0.0};
    for (int64_t at = 0; at < count; at += PIECE) {
        const int n = (int)(count - at < PIECE ? count - at : PIECE);
        float sum = 0.0f, squares = 0.0f;
        _Pragma("omp simd reduction(+ : sum, squares)") for (int i = 0; i < n; i++) {
            float d = x[at + i] - pivot;
            sum += d;
            squares += d * d;
        }
        all.sum += sum, all.squares += squares;
    }
    return all;
}

static void adain_planes(const void *work, int thread, int64_t first, int64_t last) {
    const isp_adain *t = work;
    (void)thread;
    for (int64_t k = first; k < last; k++) {
        const float *x = t->x + k * t->pixels;
        float *y = t->y + k * t->pixels;
        const int64_t some = t->pixels < PIECE ? t->pixels : PIECE;
        /* Close to the mean, so that subtracting it loses no precision. */
        const float pivot = (float)(moments_of(x, some, 0.0f).sum / (double)some);
        const moments m = moments_of(x, t->pixels, pivot);
        const double n = (double)t->pixels, offset = m.sum / n;
        const double variance = (m.squares - m.sum * offset) / (n > 1 ? n - 1 : 1);
        const float rest = (float)offset;
        const float inverse = (float)(1.0 / __builtin_sqrt((variance > 0 ? variance : variance * 0.0) + t->epsilon));
        const float scale = t->scale[k] * inverse, shift = t->shift[k];
        t->mean[2 * k] = pivot, t->mean[2 * k + 1] = rest, t->inverse_deviation[k] = inverse;
        SIMD for (int64_t i = 0; i < t->pixels; i++) y[i] = ((x[i] - pivot) - rest) * scale + shift;
    }
}

void ISP_NAME(isp_adain_apply)(const isp_adain *adain) { split_work(adain_planes, adain, adain->planes, adain->threads); }

static void adain_gradients(const void *work, int thread, int64_t first, int64_t last) {
    const isp_adain_gradient *t = work;
    (void)thread;
    for (int64_t k = first; k < last; k++) {
        const float *x = t->x + k * t->pixels, *g = t->grad_y + k * t->pixels;
        const float pivot = t->mean[2 * k], rest = t->mean[2 * k + 1], inverse = t->inverse_deviation[k];
        float *h = t->grad_x + k * t->pixels;
        double grad_shift = 0.0, grad_scale = 0.0;
        for (int64_t at = 0; at < t->pixels; at += PIECE) {
            const int n = (int)(t->pixels - at < PIECE ? t->pixels - at : PIECE);
            float sum = 0.0f, product = 0.0f;
            _Pragma("omp simd reduction(+ : sum, product)") for (int i = 0; i < n; i++) {
                sum += g[at + i];
                product += g[at + i] * (((x[at + i] - pivot) - rest) * inverse);
            }
            grad_shift += sum, grad_scale += product;
        }
        t->grad_shift[k] = (float)grad_shift, t->grad_scale[k] = (float)grad_scale;
        const double n = (double)t->pixels;
        const float factor = t->scale[k] * inverse, even = (float)(grad_shift / n);
        const float tilt = (float)(grad_scale / (n > 1 ? n - 1 : 1)) * inverse;
        SIMD for (int64_t i = 0; i < t->pixels; i++) h[i] = factor * (g[i] - even - ((x[i] - pivot) - rest) * tilt);
    }
}

void ISP_NAME(isp_adain_back)(const isp_adain_gradient *g) { split_work(adain_gradients, g, g->planes, g->threads); }

static void couple(const void *work, int thread, int64_t first, int64_t last) {
    const isp_coupling *c = work;
    const float limit = c->limit;
    (void)thread;
    if (c->inverse) {
        SIMD for (int64_t i = first; i < last; i++) c->y[i] = isp_couple(c->x[i], c->h[i], c->t[i], limit, 1);
    } else {
        SIMD for (int64_t i = first; i < last; i++) c->y[i] = isp_couple(c->x[i], c->h[i], c->t[i], limit, 0);
    }
}

void ISP_NAME(isp_coupling_apply)(const isp_coupling *coupling) {
    split_work(couple, coupling, coupling->count, coupling->threads);
}

static void couple_back(const void *work, int thread, int64_t first, int64_t last) {
    const isp_coupling_gradient *c = work;
    const float limit = c->limit;
    (void)thread;
#define BACK(inverse)                                                                                       \
    SIMD for (int64_t i = first; i < last; i++) {                                                           \
        isp_coupling_gradients g = isp_couple_back(c->grad_y[i], c->unscaled[i], c->h[i], limit, inverse);       \
        c->grad_x[i] = g.x;                                                                                   \
        c->grad_h[i] = g.h;                                                                                   \
        c->grad_t[i] = g.t;                                                                                   \
    }
    if (c->inverse) {
        BACK(1)
    } else {
        BACK(0)
    }
#undef BACK
}

void ISP_NAME(isp_coupling_back)(const isp_coupling_gradient *g) { split_work(couple_back, g, g->count, g->threads); }
