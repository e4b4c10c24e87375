/* Trips through point-wise steps and a linear demosaic, in one pass over memory. Compiled once per instruction set. */
#include "cpu_strips.h"
#include "cpu_threads.h"

static int needs_place(const isp_steps *steps) {
    for (int k = 0; k < steps->count; k++) {
        int kind = steps->words[k * ISP_STEP_WORDS];
        if (kind == ISP_SITES || kind == ISP_MESH_MULTIPLY || kind == ISP_MESH_DIVIDE) return 1;
    }
    return 0;
}

/* Frames whose steps do not look at the place are one long row. */
static isp_trip unrolled(const isp_trip *t) {
    isp_trip flat = *t;
    if (t->input_row == t->width && !needs_place(&t->before)) {
        flat.width = t->height * t->width;
        flat.height = 1;
    }
    return flat;
}

/* Where a strip came from and goes. */
typedef struct {
    const isp_trip *trip;
    int64_t input, output; /* of its first value in the first plane */
    int n;
} strip_ends;

static void strip_done(const void *context, int c, const float *values) {
    const strip_ends *ends = context;
    const isp_trip *t = ends->trip;
    store(t->output, t->output_type, ends->output + c * t->height * t->width, values, ends->n, t->streaming);
    if (t->input_type == ISP_FLOAT32) {
        const float *next = (const float *)t->input + ends->input + c * t->input_plane + STRIP;
        for (int i = 0; i < ends->n; i += 16) __builtin_prefetch(next + i);
    }
}

static void plane_done(const void *context, int c, const float *values) {
    const strip_ends *ends = context;
    const isp_trip *t = ends->trip;
    store(t->output, t->output_type, ends->output + c * t->height * t->width, values, ends->n, t->streaming);
}

static void run_strip(const isp_trip *t, int64_t index, int64_t strips) {
    strip s;
    int64_t piece = index % strips, row = index / strips % t->height, sample = index / strips / t->height;
    isp_place place = {row, piece * STRIP, t->height, t->width};
    int planes = (int)t->planes;
    strip_ends ends = {t, sample * t->input_batch + row * t->input_row + place.column,
                       (sample * planes * t->height + row) * t->width + place.column,
                       (int)(t->width - place.column < STRIP ? t->width - place.column : STRIP)};
    EACH_PLANE load(s.plane[c], t->input, t->input_type, ends.input + c * t->input_plane, ends.n);
    forward_planes(&t->before, t->numbers + sample * t->numbers_stride, &s, planes, &place, ends.n, strip_done, &ends);
}

static void run_strips(const void *work, int thread, int64_t first, int64_t last) {
    (void)thread;
    const isp_trip *t = work;
    int64_t strips = (t->width + STRIP - 1) / STRIP;
    for (int64_t i = first; i < last; i++) run_strip(t, i, strips);
    finish_streams();
}

/* ---- with a demosaic: each band of rows keeps the developed rows that its filters still need */

#define MARGIN 2
#define KEPT ISP_KEPT_ROWS

/* The mosaic's row after the first steps, with its mirrored margins. */
static void develop_row(const isp_trip *t, int64_t sample, int64_t row, float *to) {
    const float *numbers = t->numbers + sample * t->numbers_stride;
    for (int64_t column = 0; column < t->width; column += STRIP) {
        strip s;
        int n = (int)(t->width - column < STRIP ? t->width - column : STRIP);
        isp_place place = {row, column, t->height, t->width};
        load(s.plane[0], t->input, t->input_type, sample * t->input_batch + row * t->input_row + column, n);
        forward_steps(&t->before, numbers, &s, 1, &place, n);
        memcpy(to + column, s.plane[0], sizeof(float) * (size_t)n);
    }
    for (int64_t k = 1; k <= MARGIN; k++) {
        to[-k] = to[mirrored(-k, t->width)];
        to[t->width - 1 + k] = to[mirrored(t->width - 1 + k, t->width)];
    }
}

/* Filters of one strip; `first` is the column parity of the green sites in this row. */
static void filter_strip(int method, const float *const *rows, int64_t column, int first, int row_color, strip *s, int n) {
    const float *a = rows[0] + column, *b = rows[1] + column, *c = rows[2] + column;
    const float *d = rows[3] + column, *e = rows[4] + column;
    float *own = s->plane[row_color], *green = s->plane[1], *other = s->plane[2 - row_color];
#define FILTER_LOOP(METHOD)                                                                                    \
    SIMD for (int i = 0; i < n; i++) {                                                                         \
        isp_filters f = isp_filter(METHOD, c[i], b[i] + d[i], c[i - 1] + c[i + 1], a[i] + e[i], c[i - 2] + c[i + 2], \
                                   (b[i - 1] + b[i + 1]) + (d[i - 1] + d[i + 1]));                             \
        int at_green = (i & 1) == first;                                                                       \
        own[i] = at_green ? f.beside : c[i];                                                                   \
        green[i] = at_green ? c[i] : f.green;                                                                  \
        other[i] = at_green ? f.above : f.other;                                                               \
    }
    if (method == ISP_BILINEAR) {
        FILTER_LOOP(ISP_BILINEAR)
    } else {
        FILTER_LOOP(ISP_MALVAR)
    }
#undef FILTER_LOOP
}

static void demosaic_rows(const void *work, int thread, int64_t first, int64_t last) {
    const isp_trip *t = work;
    int64_t stride = t->width + ISP_ROW_MARGINS, kept[KEPT], sample_kept = -1;
    float *ring = t->scratch + thread * ISP_KEPT_ROWS * stride;
    for (int64_t index = first; index < last; index++) {
        int64_t row = index % t->height, sample = index / t->height;
        const float *rows[2 * MARGIN + 1], *numbers = t->numbers + sample * t->numbers_stride;
        if (sample != sample_kept)
            for (int k = 0; k < KEPT; k++) kept[k] = -1;
        sample_kept = sample;
        for (int k = -MARGIN; k <= MARGIN; k++) {
            int64_t source = mirrored(row + k, t->height), slot = source & (KEPT - 1);
            float *line = ring + slot * stride + ISP_ROW_MARGINS / 2;
            if (kept[slot] != source) develop_row(t, sample, source, line);
            kept[slot] = source;
            rows[k + MARGIN] = line;
        }
        const int32_t *colors = t->channels + (row & 1) * 2;
        int green_first = colors[0] == 1 ? 0 : 1, row_color = colors[1 - green_first];
        for (int64_t column = 0; column < t->width; column += STRIP) {
            strip s;
            int n = (int)(t->width - column < STRIP ? t->width - column : STRIP), planes = 3;
            isp_place place = {row, column, t->height, t->width};
            filter_strip(t->demosaic, rows, column, green_first, row_color, &s, n);
            strip_ends ends = {t, 0, (sample * planes * t->height + row) * t->width + column, n};
            forward_planes(&t->after, numbers, &s, planes, &place, n, plane_done, &ends);
        }
    }
    finish_streams();
}

void ISP_NAME(isp_run)(const isp_trip *trip) {
    if (trip->demosaic == ISP_NO_DEMOSAIC) {
        isp_trip t = unrolled(trip);
        split_work(run_strips, &t, t.batch * t.height * ((t.width + STRIP - 1) / STRIP), t.threads);
    } else {
        split_work(demosaic_rows, trip, trip->batch * trip->height, trip->threads);
    }
}
