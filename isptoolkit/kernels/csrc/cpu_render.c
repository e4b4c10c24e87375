/* Point-wise programs and a linear demosaic in one pass over memory. Compiled once per instruction set. */
#include "cpu_strips.h"
#include "cpu_threads.h"

static int depends_on_position(const isp_program *program) {
    for (int k = 0; k < program->count; k++)
        if (isp_depends_on_position(program->steps[k * ISP_STEP_SIZE])) return 1;
    return 0;
}

/* Treat a dense frame as one long row if no step depends on the pixel position. */
static isp_launch_args unrolled(const isp_launch_args *t) {
    isp_launch_args flat = *t;
    if (t->input_row == t->width && !depends_on_position(&t->before)) {
        flat.width = t->height * t->width;
        flat.height = 1;
    }
    return flat;
}

/* Offsets of a strip in the input and the output. */
typedef struct {
    const isp_launch_args *launch;
    int64_t input, output; /* of its first value in plane 0 */
    int n;
} strip_ends;

/* Prefetch input that is read soon. */
static inline void prefetch(const isp_launch_args *t, int64_t at, int n) {
    const int size = t->input_type == ISP_FLOAT32 ? 4 : t->input_type == ISP_UINT16 ? 2 : 1;
    const char *next = (const char *)t->input + at * size;
    for (int i = 0; i < n * size; i += 64) __builtin_prefetch(next + i);
}

static void strip_done(const void *context, int c, const float *values) {
    const strip_ends *ends = context;
    const isp_launch_args *t = ends->launch;
    store(t->output, t->output_type, ends->output + c * t->height * t->width, values, ends->n, t->streaming);
    prefetch(t, ends->input + c * t->input_plane + STRIP, ends->n);
}

static void plane_done(const void *context, int c, const float *values) {
    const strip_ends *ends = context;
    const isp_launch_args *t = ends->launch;
    store(t->output, t->output_type, ends->output + c * t->height * t->width, values, ends->n, t->streaming);
}

/* Where the steps write: straight into the output, or into `buffer` if the output is not float32 or is streamed. */
static float *destination(const isp_launch_args *t, int64_t at, float *buffer) {
    return t->output_type == ISP_FLOAT32 && !t->streaming ? (float *)t->output + at : buffer;
}

static void run_strip(const isp_launch_args *t, int64_t index, int64_t strips) {
    strip s;
    const float *x[ISP_MAX_PLANES];
    float *y[ISP_MAX_PLANES];
    int64_t piece = index % strips, row = index / strips % t->height, sample = index / strips / t->height;
    isp_place place = {row, piece * STRIP, t->height, t->width};
    int planes = (int)t->planes;
    strip_ends ends = {t, sample * t->input_batch + row * t->input_row + place.column,
                       (sample * planes * t->height + row) * t->width + place.column,
                       (int)(t->width - place.column < STRIP ? t->width - place.column : STRIP)};
    EACH_PLANE {
        x[c] = loaded(s.plane[c], t->input, t->input_type, ends.input + c * t->input_plane, ends.n);
        y[c] = destination(t, ends.output + c * t->height * t->width, s.plane[c]);
    }
    forward_planes(&t->before, t->coefficients + sample * t->coefficients_stride, x, y, planes, &place, ends.n, strip_done,
                   &ends);
}

static void run_strips(const void *work, int thread, int64_t first, int64_t last) {
    (void)thread;
    const isp_launch_args *t = work;
    int64_t strips = (t->width + STRIP - 1) / STRIP;
    for (int64_t i = first; i < last; i++) run_strip(t, i, strips);
    finish_streams();
}

/* ---- with a demosaic: each band of rows is processed in blocks of columns, so that the developed rows that the filters
 * still need stay in the L1 cache */

#define MARGIN 2
#define BLOCK 4096
#define RING_ROWS 8
#define SPACE 16 /* floats before and after a row, for its margins; keeps rows aligned */

typedef struct { float row[RING_ROWS][BLOCK + 2 * SPACE] __attribute__((aligned(64))); } ring;

/* Run the program before the demosaic on columns [from, end) of a row and on the margins; to[0] is column `from`. */
static void develop_row(const isp_launch_args *t, int64_t sample, int64_t row, int64_t from, int64_t end, float *to) {
    const float *coefficients = t->coefficients + sample * t->coefficients_stride;
    const int64_t start = from >= MARGIN ? from - MARGIN : 0, stop = end + MARGIN <= t->width ? end + MARGIN : t->width;
    for (int64_t column = start; column < stop; column += STRIP) {
        int n = (int)(stop - column < STRIP ? stop - column : STRIP);
        isp_place place = {row, column, t->height, t->width};
        float *y = to + (column - from);
        const float *x = loaded(y, t->input, t->input_type, sample * t->input_batch + row * t->input_row + column, n);
        forward_steps(t->before.steps, 0, (int)t->before.count, coefficients, &x, &y, 1, 0, 1, &place, n);
    }
    for (int64_t k = 1; k <= MARGIN; k++) {
        if (from - k < 0) to[-k] = to[mirrored(from - k, t->width) - from];
        if (end - 1 + k >= t->width) to[end - 1 + k - from] = to[mirrored(end - 1 + k, t->width) - from];
    }
}

/* Demosaic one strip into three planes; `first` is the column parity of the green sites in this row. */
static void filter_strip(int method, const float *const *rows, int64_t column, int first, int row_color, float *const *y, int n) {
    const float *a = rows[0] + column, *b = rows[1] + column, *c = rows[2] + column;
    const float *d = rows[3] + column, *e = rows[4] + column;
    float *own = y[row_color], *green = y[1], *other = y[2 - row_color];
    float sums[STRIP + 2], *vertical = sums + 1;
    SIMD for (int i = -1; i <= n; i++) vertical[i] = b[i] + d[i];
#define FILTER_LOOP(METHOD)                                                                                   \
    SIMD for (int i = 0; i < n; i++) {                                                                        \
        isp_filters f = isp_filter(METHOD, c[i], vertical[i], c[i - 1] + c[i + 1], a[i] + e[i], c[i - 2] + c[i + 2], \
                                   vertical[i - 1] + vertical[i + 1]);                                        \
        int at_green = (i & 1) == first;                                                                      \
        own[i] = at_green ? f.beside : c[i];                                                                  \
        green[i] = at_green ? c[i] : f.green;                                                                 \
        other[i] = at_green ? f.above : f.other;                                                              \
    }
    if (method == ISP_BILINEAR) {
        FILTER_LOOP(ISP_BILINEAR)
    } else {
        FILTER_LOOP(ISP_MALVAR)
    }
#undef FILTER_LOOP
}

/* Demosaic one row of a block and run the program after it; `rows` are the five developed rows around it from column `from`. */
static void demosaic_row(const isp_launch_args *t, int64_t sample, int64_t row, int64_t from, int64_t end,
                         const float *const *rows) {
    const int32_t *colors = t->channels + (row & 1) * 2;
    const int green_first = colors[0] == 1 ? 0 : 1, row_color = colors[1 - green_first], planes = 3;
    for (int64_t column = from; column < end; column += STRIP) {
        strip s;
        int n = (int)(end - column < STRIP ? end - column : STRIP);
        isp_place place = {row, column, t->height, t->width};
        strip_ends ends = {t, sample * t->input_batch + (row + MARGIN + 1) * t->input_row + column,
                           (sample * planes * t->height + row) * t->width + column, n};
        float *y[ISP_MAX_PLANES];
        EACH_PLANE y[c] = destination(t, ends.output + c * t->height * t->width, s.plane[c]);
        if (row + MARGIN + 1 < t->height) prefetch(t, ends.input, n);
        filter_strip(t->demosaic, rows, column - from, green_first, row_color, y, n);
        forward_planes(&t->after, t->coefficients + sample * t->coefficients_stride, (const float *const *)y, y, planes, &place,
                       n, plane_done, &ends);
    }
}

static void demosaic_band(const isp_launch_args *t, int64_t sample, int64_t first, int64_t last, int64_t from, int64_t end) {
    ring buffer;
    int64_t held[RING_ROWS]; /* the row in each slot */
    for (int k = 0; k < RING_ROWS; k++) held[k] = -1;
    for (int64_t row = first; row < last; row++) {
        const float *rows[2 * MARGIN + 1];
        for (int k = -MARGIN; k <= MARGIN; k++) {
            int64_t source = mirrored(row + k, t->height), slot = source & (RING_ROWS - 1);
            float *line = buffer.row[slot] + SPACE;
            if (held[slot] != source) develop_row(t, sample, source, from, end, line);
            held[slot] = source;
            rows[k + MARGIN] = line;
        }
        demosaic_row(t, sample, row, from, end, rows);
    }
}

static void demosaic_rows(const void *work, int thread, int64_t first, int64_t last) {
    const isp_launch_args *t = work;
    (void)thread;
    while (first < last) {
        const int64_t sample = first / t->height, row = first % t->height;
        const int64_t count = last - first < t->height - row ? last - first : t->height - row;
        for (int64_t from = 0; from < t->width; from += BLOCK)
            demosaic_band(t, sample, row, row + count, from, from + BLOCK < t->width ? from + BLOCK : t->width);
        first += count;
    }
    finish_streams();
}

void ISP_NAME(isp_run)(const isp_launch_args *launch) {
    if (launch->demosaic == ISP_NO_DEMOSAIC) {
        isp_launch_args t = unrolled(launch);
        split_work(run_strips, &t, t.batch * t.height * ((t.width + STRIP - 1) / STRIP), t.threads);
    } else {
        split_work(demosaic_rows, launch, launch->batch * launch->height, launch->threads);
    }
}
