/* JPEG of one component: DCT, quantization and inverse DCT of each 8x8 block in libjpeg's integer arithmetic, and the gradient. */
#include "cpu.h"
#include "cpu_jpeg_patch.h"
#include "cpu_threads.h"

#include <string.h>

/* Read up to LANES samples; what lies beyond is zero. */
static const float *padded(float *row, const float *from, int lanes) {
    if (lanes >= LANES) return from;
    memset(row, 0, sizeof(float) * LANES);
    memcpy(row, from, sizeof(float) * (size_t)lanes);
    return row;
}

static void read_samples(whole codes, real values, const float *x, int64_t stride, int lanes) {
    for (int r = 0; r < 8; r++) {
        float row[LANES], columns[8][BLOCKS];
        deal_real(columns, padded(row, x + r * stride, lanes));
        for (int c = 0; c < 8; c++) EACH_BLOCK {
            codes[r][c][i] = isp_centered(columns[c][i]);
            if (values) values[r][c][i] = columns[c][i] - 128.0f;
        }
    }
}

static void write_row(float *to, const float *row, int lanes) { memcpy(to, row, sizeof(float) * (size_t)(lanes < LANES ? lanes : LANES)); }

/* The table of a plane is read when its first row of blocks is reached. */
static void enter_row(quantizer *q, const isp_jpeg *j, int64_t index, int64_t first) {
    const int64_t rows = j->height / 8;
    if (index == first || index % rows == 0) read_table(q, j->table + index / rows * j->table_stride);
}

static void jpeg_rows(const void *work, int thread, int64_t first, int64_t last) {
    const isp_jpeg *j = work;
    quantizer q;
    (void)thread;
    for (int64_t index = first; index < last; index++) {
        enter_row(&q, j, index, first);
        for (int64_t column = 0; column < j->width; column += LANES) {
            const int64_t at = index * 8 * j->width + column;
            const int lanes = (int)(j->width - column < LANES ? j->width - column : LANES);
            whole p;
            read_samples(p, 0, j->x + at, j->width, lanes);
            compress(p, &q);
            for (int r = 0; r < 8; r++) {
                float row[LANES], columns[8][BLOCKS];
                for (int c = 0; c < 8; c++) EACH_BLOCK columns[c][i] = isp_sample(p[r][c][i]);
                collect_real(row, columns);
                write_row(j->y + at + r * j->width, row, lanes);
            }
        }
    }
}

void ISP_NAME(isp_jpeg_blocks)(const isp_jpeg *jpeg) {
    split_work(jpeg_rows, jpeg, jpeg->planes * (jpeg->height / 8), jpeg->threads);
}

static void gradient_rows(const void *work, int thread, int64_t first, int64_t last) {
    const isp_jpeg_gradient *b = work;
    const isp_jpeg *j = &b->jpeg;
    const int64_t rows = j->height / 8;
    quantizer q;
    double *thread_table = b->grad_table + thread * 64 * (j->table_stride ? j->planes : 1);
    for (int64_t index = first; index < last; index++) {
        enter_row(&q, j, index, first);
        for (int64_t column = 0; column < j->width; column += LANES) {
            const int64_t at = index * 8 * j->width + column;
            const int lanes = (int)(j->width - column < LANES ? j->width - column : LANES);
            whole codes;
            real values, g;
            float row[LANES];
            read_samples(codes, values, j->x + at, j->width, lanes);
            for (int r = 0; r < 8; r++) deal_real(g[r], padded(row, b->grad_y + at + r * j->width, lanes));
            compress_back(g, values, codes, &q, b->slopes, b->slope_count, thread_table + index / rows * j->table_stride);
            for (int r = 0; r < 8; r++) {
                collect_real(row, g[r]);
                write_row(b->grad_x + at + r * j->width, row, lanes);
            }
        }
    }
}

void ISP_NAME(isp_jpeg_back)(const isp_jpeg_gradient *gradient) {
    const isp_jpeg *j = &gradient->jpeg;
    split_work(gradient_rows, gradient, j->planes * (j->height / 8), j->threads);
}
