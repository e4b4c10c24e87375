/* AdaIN and coupling, for the learned blocks. Compiled once per instruction set. */
#include "blocks.h"
#include "cpu.h"
#include "cpu_threads.h"

#define SIMD _Pragma("omp simd")
#define PIECE 4096

typedef struct { double sum, squares; } moments;

/* Of the values less a pivot. */
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
        const float pivot = (float)(moments_of(x, some, 0.0f).sum / (double)some); /* close enough to lose no digits */
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
        const float *x = t->x + k * t->pixels, *g = t->by_y + k * t->pixels;
        const float pivot = t->mean[2 * k], rest = t->mean[2 * k + 1], inverse = t->inverse_deviation[k];
        float *h = t->by_x + k * t->pixels;
        double by_shift = 0.0, by_scale = 0.0;
        for (int64_t at = 0; at < t->pixels; at += PIECE) {
            const int n = (int)(t->pixels - at < PIECE ? t->pixels - at : PIECE);
            float sum = 0.0f, product = 0.0f;
            _Pragma("omp simd reduction(+ : sum, product)") for (int i = 0; i < n; i++) {
                sum += g[at + i];
                product += g[at + i] * (((x[at + i] - pivot) - rest) * inverse);
            }
            by_shift += sum, by_scale += product;
        }
        t->by_shift[k] = (float)by_shift, t->by_scale[k] = (float)by_scale;
        const double n = (double)t->pixels;
        const float factor = t->scale[k] * inverse, even = (float)(by_shift / n);
        const float tilt = (float)(by_scale / (n > 1 ? n - 1 : 1)) * inverse;
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
        isp_coupling_gradients g = isp_couple_back(c->by_y[i], c->plain[i], c->h[i], limit, inverse);       \
        c->by_x[i] = g.x;                                                                                   \
        c->by_h[i] = g.h;                                                                                   \
        c->by_t[i] = g.t;                                                                                   \
    }
    if (c->inverse) {
        BACK(1)
    } else {
        BACK(0)
    }
#undef BACK
}

void ISP_NAME(isp_coupling_back)(const isp_coupling_gradient *g) { split_work(couple_back, g, g->count, g->threads); }
