/* Adjoint of the linear demosaics; sampling, packing and unpacking of a mosaic. */
#include "cpu_strips.h"
#include "cpu_threads.h"

/* The output gradients of each row are first combined into six lines: the contribution to the mosaic's gradient at the pixel
 * itself, at distance 1 and 2 vertically and horizontally, and at the diagonal neighbors. */
enum { HERE, NEAR_V, NEAR_H, FAR_V, FAR_H, DIAGONAL, SUMS };

#define RING_ROWS ISP_RING_ROWS

static int64_t row_length(const isp_adjoint *t) { return t->width + ISP_ROW_MARGINS; }

static void gather_row(const isp_adjoint *t, int64_t sample, int64_t row, float *to) {
    const int64_t length = row_length(t), frame = t->height * t->width;
    const int32_t *colors = t->channels + (row & 1) * 2;
    const int first = colors[0] == 1 ? 0 : 1, row_color = colors[1 - first];
    const float *at = t->grad_y + sample * 3 * frame + row * t->width;
    const float *own = at + row_color * frame, *green = at + frame, *other = at + (2 - row_color) * frame;
    float *line[SUMS];
    for (int k = 0; k < SUMS; k++) {
        line[k] = to + k * length + ISP_ROW_MARGINS / 2;
        memset(to + k * length, 0, sizeof(float) * (size_t)length);
    }
    float *restrict at_pixel = line[HERE], *restrict near_v = line[NEAR_V], *restrict near_h = line[NEAR_H];
    float *restrict far_v = line[FAR_V], *restrict far_h = line[FAR_H], *restrict diagonal = line[DIAGONAL];
    const int bilinear = t->demosaic == ISP_BILINEAR;
    SIMD for (int64_t i = 0; i < t->width; i++) {
        int at_green = (i & 1) == first;
        float here = at_green ? green[i] : own[i];
        float g = at_green ? 0.0f : green[i], o = at_green ? 0.0f : other[i]; /* filters at red and blue sites */
        float b = at_green ? own[i] : 0.0f, u = at_green ? other[i] : 0.0f; /* `beside` and `above`, at green sites */
        if (bilinear) {
            at_pixel[i] = here;
            near_v[i] = 0.25f * g + 0.5f * u;
            near_h[i] = 0.25f * g + 0.5f * b;
            diagonal[i] = 0.25f * o;
        } else {
            at_pixel[i] = here + 0.0625f * (8.0f * g + 12.0f * o + 10.0f * (b + u));
            near_v[i] = 0.0625f * (4.0f * g + 8.0f * u);
            near_h[i] = 0.0625f * (4.0f * g + 8.0f * b);
            far_v[i] = 0.0625f * (b - 2.0f * (g + u) - 3.0f * o);
            far_h[i] = 0.0625f * (u - 2.0f * (g + b) - 3.0f * o);
            diagonal[i] = 0.0625f * (4.0f * o - 2.0f * (b + u));
        }
    }
}

/* Add the gradient of one row of the mosaic, including its margins, to `sum`; the row may lie in the mirrored margin. */
static void add_row(const isp_adjoint *t, int64_t sample, int64_t row, float *ring, int64_t *held, float *sum) {
    const int64_t length = row_length(t), width = t->width;
    for (int64_t k = -2; k <= 2; k++) {
        int64_t source = row + k, slot = source & (RING_ROWS - 1);
        if (source < 0 || source >= t->height) continue;
        float *lines = ring + slot * SUMS * length;
        if (held[slot] != source) gather_row(t, sample, source, lines);
        held[slot] = source;
        const float *line = lines + ISP_ROW_MARGINS / 2;
        const float *here = line + HERE * length, *near_h = line + NEAR_H * length, *far_h = line + FAR_H * length;
        const float *near_v = line + NEAR_V * length, *far_v = line + FAR_V * length, *diagonal = line + DIAGONAL * length;
        if (k == 0) {
            SIMD for (int64_t i = -2; i < width + 2; i++)
                sum[i] += here[i] + (near_h[i - 1] + near_h[i + 1]) + (far_h[i - 2] + far_h[i + 2]);
        } else if (k == 1 || k == -1) {
            SIMD for (int64_t i = -2; i < width + 2; i++) sum[i] += near_v[i] + (diagonal[i - 1] + diagonal[i + 1]);
        } else {
            SIMD for (int64_t i = -2; i < width + 2; i++) sum[i] += far_v[i];
        }
    }
}

static void adjoint_rows(const void *work, int thread, int64_t first, int64_t last) {
    const isp_adjoint *t = work;
    const int64_t length = row_length(t), margins[] = {-2, -1, t->height, t->height + 1};
    float *ring = t->scratch + thread * (RING_ROWS * SUMS + 1) * length;
    float *sum = ring + RING_ROWS * SUMS * length + ISP_ROW_MARGINS / 2;
    int64_t held[RING_ROWS], held_sample = -1;
    for (int64_t index = first; index < last; index++) {
        int64_t row = index % t->height, sample = index / t->height;
        for (int k = 0; sample != held_sample && k < RING_ROWS; k++) held[k] = -1;
        held_sample = sample;
        memset(sum - 2, 0, sizeof(float) * (size_t)(t->width + 4));
        add_row(t, sample, row, ring, held, sum);
        for (int k = 0; k < 4; k++)
            if (mirrored(margins[k], t->height) == row) add_row(t, sample, margins[k], ring, held, sum);
        for (int64_t k = 1; k <= 2; k++) {
            sum[mirrored(-k, t->width)] += sum[-k];
            sum[mirrored(t->width - 1 + k, t->width)] += sum[t->width - 1 + k];
        }
        memcpy(t->grad_x + (sample * t->height + row) * t->width, sum, sizeof(float) * (size_t)t->width);
    }
}

void ISP_NAME(isp_demosaic_adjoint)(const isp_adjoint *adjoint) {
    split_work(adjoint_rows, adjoint, adjoint->batch * adjoint->height, adjoint->threads);
}

static void sample_rows(const void *work, int thread, int64_t first, int64_t last) {
    const isp_sampling *t = work;
    (void)thread;
    for (int64_t index = first; index < last; index++) {
        int64_t row = index % t->height, sample = index / t->height;
        const int32_t *colors = t->channels + (row & 1) * 2;
        const float *even = t->input + sample * t->input_batch + colors[0] * t->input_plane + row * t->input_row;
        const float *odd = t->input + sample * t->input_batch + colors[1] * t->input_plane + row * t->input_row;
        float *to = t->output + (sample * t->height + row) * t->width;
        SIMD for (int64_t i = 0; i < t->width; i++) to[i] = i & 1 ? odd[i] : even[i];
    }
}

/* At every pixel, the channel that its site sees. */
void ISP_NAME(isp_mosaic)(const isp_sampling *sampling) {
    split_work(sample_rows, sampling, sampling->batch * sampling->height, sampling->threads);
}

static void spread_rows(const void *work, int thread, int64_t first, int64_t last) {
    const isp_sampling *t = work;
    (void)thread;
    for (int64_t index = first; index < last; index++) {
        int64_t row = index % t->height, sample = index / t->height;
        const int32_t *colors = t->channels + (row & 1) * 2;
        const float *from = t->input + sample * t->input_batch + row * t->input_row;
        for (int c = 0; c < 3; c++) {
            float *to = t->output + ((sample * 3 + c) * t->height + row) * t->width;
            float even = colors[0] == c, odd = colors[1] == c;
            SIMD for (int64_t i = 0; i < t->width; i++) to[i] = (i & 1 ? odd : even) != 0.0f ? from[i] : 0.0f;
        }
    }
}

/* Adjoint of sampling: each value in the channel that its site sees, zero in the others. */
void ISP_NAME(isp_mosaic_adjoint)(const isp_sampling *sampling) {
    split_work(spread_rows, sampling, sampling->batch * sampling->height, sampling->threads);
}

static void pack_rows(const void *work, int thread, int64_t first, int64_t last) {
    const isp_sampling *t = work;
    const int64_t height = t->height / 2, width = t->width / 2;
    (void)thread;
    for (int64_t index = first; index < last; index++) {
        int64_t row = index % t->height, sample = index / t->height;
        const float *from = t->input + sample * t->input_batch + row * t->input_row;
        float *even = t->output + ((sample * 4 + (row & 1) * 2) * height + row / 2) * width, *odd = even + height * width;
        SIMD for (int64_t i = 0; i < width; i++) {
            even[i] = from[2 * i];
            odd[i] = from[2 * i + 1];
        }
    }
}

/* The four sites of each 2x2 cell as channels; height and width are those of the mosaic. */
void ISP_NAME(isp_pack)(const isp_sampling *sampling) {
    split_work(pack_rows, sampling, sampling->batch * sampling->height, sampling->threads);
}

static void unpack_rows(const void *work, int thread, int64_t first, int64_t last) {
    const isp_sampling *t = work;
    const int64_t width = t->width / 2;
    (void)thread;
    for (int64_t index = first; index < last; index++) {
        int64_t row = index % t->height, sample = index / t->height;
        const float *even = t->input + sample * t->input_batch + (row & 1) * 2 * t->input_plane + row / 2 * t->input_row;
        const float *odd = even + t->input_plane;
        float *to = t->output + (sample * t->height + row) * t->width;
        SIMD for (int64_t i = 0; i < width; i++) {
            to[2 * i] = even[i];
            to[2 * i + 1] = odd[i];
        }
    }
}

/* Four channels back to the sites of each 2x2 cell; height and width are those of the mosaic. */
void ISP_NAME(isp_unpack)(const isp_sampling *sampling) {
    split_work(unpack_rows, sampling, sampling->batch * sampling->height, sampling->threads);
}
