/* The gradient of JPEG of an image in one pass: the adjoints of its steps in reverse, a row of units at a time. */
#include "cpu_jpeg_strips.h"
#include "cpu_threads.h"

#define CHUNK 512 /* pixels at a time */

/* Gradients of the components of a row of units; what lies beyond the image is zero. Chroma is gathered across first, into
 * `half`, one row per row of pixels: these units' and, if chroma is subsampled down, one above and one below. */
typedef struct { float *luma, *chroma[2], *half[2], *luma_row, *chroma_row[2]; } gradients;

/* The adjoint of upsampling across: a row of `width` pixels to one of chroma. */
static void gather_columns(const float *from, float *to, int64_t width, int64_t columns, int across) {
    if (across == 1) {
        memcpy(to, from, sizeof(float) * (size_t)width);
        return;
    }
    const float end = width % 2 ? 0.0f : from[width - 1], last = from[2 * columns - 2];
    if (columns <= REPLICATED) {
        if (columns == 2) to[0] = from[0] + from[1];
        to[columns - 1] = last + end;
        return;
    }
    to[0] = isp_between_back(from[0], from[0], from[1], from[2]);
    SIMD for (int64_t k = 1; k < columns - 1; k++) to[k] = isp_between_back(from[2 * k - 1], from[2 * k], from[2 * k + 1], from[2 * k + 2]);
    to[columns - 1] = isp_between_back(from[2 * columns - 3], last, end, end);
}

/* The gradients of a row of pixels' components. */
static void read_gradients(const isp_jpeg_image_gradient *b, int64_t sample, int64_t row, float *luma, float *blue, float *red) {
    const isp_jpeg_image *j = &b->jpeg;
    const int64_t frame = j->height * j->width, at = (sample * 3 * j->height + row) * j->width;
    const float *r = b->grad_y + at, *g = r + frame, *l = g + frame, *u = j->output + at, *v = u + frame, *w = v + frame;
    SIMD for (int64_t i = 0; i < j->width; i++) {
        const isp_pixel grad = {r[i], g[i], l[i]}, output = {u[i], v[i], w[i]};
        const isp_components c = isp_pixel_back(grad, output);
        luma[i] = c.y, blue[i] = c.blue, red[i] = c.red;
    }
}

static void clear(float *row, int64_t from, int64_t end) { memset(row + from, 0, sizeof(float) * (size_t)(end - from)); }

/* The adjoint of the conversion to pixels and of upsampling across, for a row of pixels. */
static void gather_row(const isp_jpeg_image_gradient *b, const isp_jpeg_sizes *s, int64_t sample, int64_t unit, int line, const gradients *d) {
    const isp_jpeg_image *j = &b->jpeg;
    const int64_t end = j->down * s->rows, place = 8 * j->down * unit + line, row = place < 0 ? 0 : smaller(place, end - 1);
    const int own = line >= 0 && line < 8 * j->down;
    float *luma = d->luma + line * s->luma_stride;
    if (own) clear(luma, place < j->height ? j->width : 0, s->luma_stride);
    if (place > end) return;
    for (int k = 0; k < 2; k++) clear(d->half[k] + line * s->chroma_stride, row < j->height ? s->columns : 0, s->chroma_stride);
    if (row >= j->height) return;
    read_gradients(b, sample, row, own && place < j->height ? luma : d->luma_row, d->chroma_row[0], d->chroma_row[1]);
    for (int k = 0; k < 2; k++) gather_columns(d->chroma_row[k], d->half[k] + line * s->chroma_stride, j->width, s->columns, j->across);
}

/* The adjoint of upsampling down. */
static void gather_rows(const isp_jpeg_image *j, const isp_jpeg_sizes *s, int64_t unit, float *chroma, const float *half) {
    const int64_t n = s->chroma_stride;
    for (int r = 0; r < 8; r++, chroma += n) {
        const float *first = half + j->down * r * n, *second = first + n, *before = first - n, *after = second + n;
        if (8 * unit + r >= s->rows) {
            clear(chroma, 0, n);
        } else if (j->down == 2 && s->columns <= REPLICATED) {
            SIMD for (int64_t i = 0; i < n; i++) chroma[i] = first[i] + second[i];
        } else if (j->down == 2) {
            SIMD for (int64_t i = 0; i < n; i++) chroma[i] = isp_between_back(before[i], first[i], second[i], after[i]);
        }
    }
}

/* The gradient of the blocks of a plane of a row of units, in place. */
static void plane_back(const isp_jpeg_image_gradient *b, float *grad, const uint8_t *codes, int64_t stride, int64_t rows, int64_t columns,
                       const quantizer *q, double *grad_table) {
    for (int64_t row = 0; row < rows; row += 8)
        for (int64_t column = 0; column < columns; column += LANES) {
            float *at = grad + row * stride + column;
            whole p;
            real values, g;
            read_patch(p, codes + row * stride + column, stride);
            for (int r = 0; r < 8; r++) {
                deal_real(g[r], at + r * stride);
                for (int c = 0; c < 8; c++) EACH_BLOCK values[r][c][i] = (float)p[r][c][i];
            }
            compress_back(g, values, p, q, b->slopes, b->slope_count, grad_table);
            for (int r = 0; r < 8; r++) collect_real(at + r * stride, g[r]);
        }
}

/* The adjoint of padding by repetition: add rows from `count` on to the row before them. */
static void fold_rows(float *plane, int64_t stride, int64_t count, int64_t rows) {
    for (int64_t row = count; row < rows; row++)
        SIMD for (int64_t i = 0; i < stride; i++) plane[(count - 1) * stride + i] += plane[row * stride + i];
}

/* The adjoint of subsampling and of the conversion to components, for a row of pixels. */
static void write_gradients(const isp_jpeg_image_gradient *b, const isp_jpeg_sizes *s, int64_t sample, int64_t row, const float *y,
                            const float *blue, const float *red) {
    const isp_jpeg_image *j = &b->jpeg;
    const int64_t frame = j->height * j->width, last = j->width - 1;
    float *r = b->grad_x + (sample * 3 * j->height + row) * j->width, *g = r + frame, *l = g + frame;
    /* An odd number of rows is padded by one, whose gradient is that of the last row. */
    const float share = (row == j->height - 1 && j->height % j->down ? 2.0f : 1.0f) / (float)(j->down * j->across);
    for (int64_t from = 0; from < j->width; from += CHUNK) {
        const int n = (int)smaller(CHUNK, j->width - from);
        float u[CHUNK], v[CHUNK];
        if (j->across == 1) {
            SIMD for (int i = 0; i < n; i++) u[i] = share * blue[from + i], v[i] = share * red[from + i];
        } else {
            SIMD for (int k = 0; k < (n + 1) / 2; k++) {
                u[2 * k] = u[2 * k + 1] = share * blue[from / 2 + k];
                v[2 * k] = v[2 * k + 1] = share * red[from / 2 + k];
            }
        }
        SIMD for (int i = 0; i < n; i++) {
            const isp_pixel x = isp_components_back(y[from + i], u[i], v[i]);
            r[from + i] = x.r, g[from + i] = x.g, l[from + i] = x.b;
        }
    }
    float sums[3] = {0.0f, 0.0f, 0.0f}; /* the last column's, and the padding's */
    for (int64_t i = last; i < (s->columns + 7) / 8 * 8 * j->across; i++)
        sums[0] += y[i], sums[1] += share * blue[i / j->across], sums[2] += share * red[i / j->across];
    const isp_pixel x = isp_components_back(sums[0], sums[1], sums[2]);
    r[last] = x.r, g[last] = x.g, l[last] = x.b;
}

static void split_back(const isp_jpeg_image_gradient *b, const isp_jpeg_sizes *s, int64_t sample, int64_t unit, const gradients *d) {
    const isp_jpeg_image *j = &b->jpeg;
    const int64_t top = 8 * j->down * unit, rows = smaller(8 * j->down, j->height - top);
    fold_rows(d->luma, s->luma_stride, rows, 8 * j->down);
    for (int k = 0; k < 2; k++) fold_rows(d->chroma[k], s->chroma_stride, smaller(8, s->rows - 8 * unit), 8);
    for (int64_t row = 0; row < rows; row++) {
        const int64_t at = row / j->down * s->chroma_stride;
        write_gradients(b, s, sample, top + row, d->luma + row * s->luma_stride, d->chroma[0] + at, d->chroma[1] + at);
    }
}

static gradients divide_gradients(float **scratch, const isp_jpeg_image *j, const isp_jpeg_sizes *s) {
    const int lag = j->down - 1;
    gradients d;
    d.luma = *scratch, *scratch += 8 * j->down * s->luma_stride;
    d.luma_row = *scratch, *scratch += s->luma_stride;
    for (int k = 0; k < 2; k++) {
        d.chroma_row[k] = *scratch, *scratch += s->luma_stride;
        d.half[k] = *scratch + lag * s->chroma_stride, *scratch += (8 * j->down + 2 * lag) * s->chroma_stride;
        d.chroma[k] = d.half[k];
        if (lag) d.chroma[k] = *scratch, *scratch += 8 * s->chroma_stride;
    }
    return d;
}

static void gradient_units(const void *work, int thread, int64_t first, int64_t last) {
    const isp_jpeg_image_gradient *b = work;
    const isp_jpeg_image *j = &b->jpeg;
    const isp_jpeg_sizes s = jpeg_sizes(j);
    const int lag = j->down - 1;
    float *scratch = j->scratch + thread * j->scratch_size;
    const gradients d = divide_gradients(&scratch, j, &s);
    const isp_jpeg_codes c = divide_codes((uint8_t **)&scratch, &s, 8 * j->down, 0);
    double *tables = b->grad_tables ? b->grad_tables + thread * 128 * (j->table_stride ? j->batch : 1) : 0;
    quantizer q[2];
    for (int64_t index = first; index < last; index++) {
        const int64_t sample = index / s.units, unit = index % s.units;
        for (int line = -lag; line < 8 * j->down + lag; line++) gather_row(b, &s, sample, unit, line, &d);
        for (int k = 0; k < 2; k++) gather_rows(j, &s, unit, d.chroma[k], d.half[k]);
        /* With a straight-through estimator, the gradient of the blocks is the identity. */
        if (tables || b->slope_count) {
            if (index == first || unit == 0)
                for (int k = 0; k < 2; k++) read_table(&q[k], j->tables + sample * j->table_stride + 64 * k);
            double *own = tables ? tables + sample * j->table_stride : 0;
            split_units(j, &s, sample, unit, &c);
            plane_back(b, d.luma, c.luma, s.luma_stride, 8 * j->down, j->width, &q[0], own);
            for (int k = 0; k < 2; k++) plane_back(b, d.chroma[k], c.chroma[k], s.chroma_stride, 8, s.columns, &q[1], own ? own + 64 : 0);
        }
        split_back(b, &s, sample, unit, &d);
    }
}

void ISP_NAME(isp_jpeg_image_back)(const isp_jpeg_image_gradient *gradient) {
    const isp_jpeg_sizes s = jpeg_sizes(&gradient->jpeg);
    split_work(gradient_units, gradient, gradient->jpeg.batch * s.units, gradient->jpeg.threads);
}
