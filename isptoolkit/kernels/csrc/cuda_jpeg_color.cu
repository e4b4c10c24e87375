/* JPEG's color conversion and chroma sampling on a GPU. An image, 0 ... 1, has planes of its components in whole 8x8 blocks: luma
 * `[batch,luma_height,luma_width]`, and chroma `[2,batch,chroma_height,chroma_width]`, Cb and Cr. */
#include "cuda_items.h"
#include "jpeg_color.h"

typedef unsigned char isp_byte;

ISP_FN isp_long isp_smaller(isp_long a, isp_long b) { return a < b ? a : b; }

/* The first channel of a pixel, and the distance between channels. */
ISP_FN isp_pixel isp_load_pixel(const void *image, int type, isp_long at, isp_long frame) {
    isp_pixel x = {isp_load(image, type, at), isp_load(image, type, at + frame), isp_load(image, type, at + 2 * frame)};
    return x;
}

ISP_FN void isp_store_pixel(void *image, int type, isp_long at, isp_long frame, isp_pixel x) {
    isp_store(image, type, at, x.r);
    isp_store(image, type, at + frame, x.g);
    isp_store(image, type, at + 2 * frame, x.b);
}

/* A thread per chroma sample, which also writes the luma of its cell. Rows of chroma below the image repeat its last row of
 * chroma, those of luma its last row. */
extern "C" __global__ void isp_jpeg_split(const void *image, isp_byte *luma, isp_byte *chroma, isp_long batch, isp_long height,
                                          isp_long width, isp_long luma_height, isp_long luma_width, isp_long chroma_height,
                                          isp_long chroma_width, int down, int across, int type) {
    const isp_long count = batch * chroma_height * chroma_width, frame = height * width, last = (height - 1) / down;
    EACH_ITEM(count) {
        const isp_long column = at % chroma_width, row = at / chroma_width % chroma_height, sample = at / chroma_width / chroma_height;
        isp_i32 blue = 0, red = 0;
        for (int k = 0; k < down; k++)
            for (int n = 0; n < across; n++) {
                const isp_long y_row = row * down + k, y_column = column * across + n, from = isp_smaller(y_column, width - 1);
                const isp_long cell_row = isp_smaller(isp_smaller(row, last) * down + k, height - 1);
                const isp_long start = sample * 3 * frame + from;
                const isp_codes c = isp_codes_of(isp_load_pixel(image, type, start + cell_row * width, frame));
                blue += isp_blue_of(c);
                red += isp_red_of(c);
                if (y_row >= luma_height || y_column >= luma_width) continue;
                const isp_pixel x = isp_load_pixel(image, type, start + isp_smaller(y_row, height - 1) * width, frame);
                luma[(sample * luma_height + y_row) * luma_width + y_column] = (isp_byte)isp_y_of(isp_codes_of(x));
            }
        chroma[at] = (isp_byte)isp_cell_mean(blue, down * across, (int)column);
        chroma[at + count] = (isp_byte)isp_cell_mean(red, down * across, (int)column);
    }
}

/* Chroma at a pixel of a plane. */
ISP_FN isp_i32 isp_chroma(const isp_byte *plane, isp_long row, isp_long column, isp_long rows, isp_long columns, isp_long stride,
                          int down, int across) {
    const isp_byte *near = plane + row / down * stride;
    if (across == 1 || columns <= REPLICATED) return near[column / across];
    const isp_byte *far = down == 1 ? near : plane + isp_beside(row, rows) * stride;
    return isp_upsampled(near, far, column / 2, isp_beside(column, columns), down, (int)(column % 2));
}

/* A thread per pixel. */
extern "C" __global__ void isp_jpeg_join(const isp_byte *luma, const isp_byte *chroma, void *image, isp_long batch, isp_long height,
                                         isp_long width, isp_long luma_height, isp_long luma_width, isp_long chroma_height,
                                         isp_long chroma_width, int down, int across, int type) {
    const isp_long frame = height * width, rows = (height + down - 1) / down, columns = (width + across - 1) / across;
    EACH_ITEM(batch * frame) {
        const isp_long column = at % width, row = at / width % height, sample = at / frame;
        const isp_byte *blue = chroma + sample * chroma_height * chroma_width, *red = blue + batch * chroma_height * chroma_width;
        const isp_pixel x = isp_pixel_of(luma[(sample * luma_height + row) * luma_width + column],
                                         isp_chroma(blue, row, column, rows, columns, chroma_width, down, across),
                                         isp_chroma(red, row, column, rows, columns, chroma_width, down, across));
        isp_store_pixel(image, type, sample * 3 * frame + row * width + column, frame, x);
    }
}

/* A thread per pixel, which sums the gradients of what padding repeats it to. */
extern "C" __global__ void isp_jpeg_split_back(const float *luma, const float *chroma, void *grad_x, isp_long batch, isp_long height,
                                               isp_long width, isp_long luma_height, isp_long luma_width, isp_long chroma_height,
                                               isp_long chroma_width, int down, int across, int type) {
    const isp_long frame = height * width, last = (height - 1) / down;
    EACH_ITEM(batch * frame) {
        const isp_long column = at % width, row = at / width % height, sample = at / frame, here = row / down;
        const isp_long y_bottom = row == height - 1 ? luma_height : row + 1, y_right = column == width - 1 ? luma_width : column + 1;
        const isp_long bottom = here == last ? chroma_height : here + 1;
        const isp_long right = column == width - 1 ? chroma_width * across : column + 1;
        const float *blues = chroma + sample * chroma_height * chroma_width, *reds = blues + batch * chroma_height * chroma_width;
        float y = 0.0f, blue = 0.0f, red = 0.0f;
        for (isp_long r = row; r < y_bottom; r++)
            for (isp_long c = column; c < y_right; c++) y += luma[(sample * luma_height + r) * luma_width + c];
        for (isp_long r = here; r < bottom; r++)
            for (isp_long c = column; c < right; c++) {
                blue += blues[r * chroma_width + c / across];
                red += reds[r * chroma_width + c / across];
            }
        /* An odd number of rows is padded by one, whose gradient is that of the last row. */
        const float share = (row == height - 1 && height % down ? 2.0f : 1.0f) / (float)(down * across);
        const isp_pixel x = isp_components_back(y, share * blue, share * red);
        isp_store_pixel(grad_x, type, sample * 3 * frame + row * width + column, frame, x);
    }
}

#define TILE_ROWS 8 /* of chroma */
#define TILE_COLUMNS 32

/* Gradients of chroma at the pixels of a tile and those beside it. */
typedef float isp_tile[2 * TILE_ROWS + 2][2 * TILE_COLUMNS + 2];

/* The gradient of the chroma sample whose cell starts at a place in the tile. */
ISP_FN float isp_gathered(isp_tile tile, int row, int column, int down, int across, bool replicated) {
    float sums[4];
    for (int k = 0; k < 4; k++) {
        if (down == 1 && k > 0) break;
        const float *line = down == 1 ? tile[row] : tile[row - 1 + k];
        sums[k] = across == 1 ? line[column]
                  : replicated ? line[column] + line[column + 1]
                               : isp_between_back(line[column - 1], line[column], line[column + 1], line[column + 2]);
    }
    return down == 1 ? sums[0] : replicated ? sums[1] + sums[2] : isp_between_back(sums[0], sums[1], sums[2], sums[3]);
}

/* One block per tile of chroma, with a thread per sample. */
extern "C" __global__ void isp_jpeg_join_back(const void *grad_y, const void *output, float *luma, float *chroma, isp_long batch,
                                              isp_long height, isp_long width, isp_long luma_height, isp_long luma_width,
                                              isp_long chroma_height, isp_long chroma_width, int down, int across, int type) {
    __shared__ isp_tile blues, reds;
    const isp_long tiles_across = (chroma_width + TILE_COLUMNS - 1) / TILE_COLUMNS, tiles_down = (chroma_height + TILE_ROWS - 1) / TILE_ROWS;
    const isp_long tile = blockIdx.x, sample = tile / tiles_across / tiles_down, frame = height * width;
    const isp_long top = tile / tiles_across % tiles_down * TILE_ROWS, left = tile % tiles_across * TILE_COLUMNS;
    const isp_long rows = (height + down - 1) / down, columns = (width + across - 1) / across;
    const int above = down - 1, before = across - 1, tile_rows = TILE_ROWS * down, tile_columns = TILE_COLUMNS * across;
    const int cells_across = tile_columns + 2 * before, cells = (tile_rows + 2 * above) * cells_across;
    for (int k = threadIdx.x; k < cells; k += blockDim.x) {
        const int i = k / cells_across, j = k % cells_across;
        const isp_long row = top * down + i - above, column = left * across + j - before;
        /* Beyond its ends, upsampling repeats chroma, so that the gradient there is that of the last pixel. */
        const isp_long from_row = row < 0 ? 0 : isp_smaller(row, rows * down - 1);
        const isp_long from_column = column < 0 ? 0 : isp_smaller(column, columns * across - 1);
        isp_components c = {0.0f, 0.0f, 0.0f};
        if (from_row < height && from_column < width) {
            const isp_long at = sample * 3 * frame + from_row * width + from_column;
            c = isp_pixel_back(isp_load_pixel(grad_y, type, at, frame), isp_load_pixel(output, type, at, frame));
        }
        blues[i][j] = c.blue;
        reds[i][j] = c.red;
        const bool own = i >= above && i < above + tile_rows && j >= before && j < before + tile_columns;
        if (own && row < luma_height && column < luma_width)
            luma[(sample * luma_height + row) * luma_width + column] = row < height && column < width ? c.y : 0.0f;
    }
    __syncthreads();
    const int r = threadIdx.x / TILE_COLUMNS, n = threadIdx.x % TILE_COLUMNS;
    const isp_long row = top + r, column = left + n;
    if (row >= chroma_height || column >= chroma_width) return;
    const bool inside = row < rows && column < columns, replicated = columns <= REPLICATED;
    const isp_long at = (sample * chroma_height + row) * chroma_width + column;
    chroma[at] = inside ? isp_gathered(blues, r * down + above, n * across + before, down, across, replicated) : 0.0f;
    chroma[at + batch * chroma_height * chroma_width] =
        inside ? isp_gathered(reds, r * down + above, n * across + before, down, across, replicated) : 0.0f;
}
