/* JPEG's color conversion and chroma sampling: values in libjpeg's integer arithmetic, gradients in real numbers.
 *
 * Images are 0 ... 1, codes and chroma 0 ... 255. Chroma is sampled once per `down` x `across` pixels: 1x1, 1x2 or 2x2.
 */
#ifndef ISPTOOLKIT_JPEG_COLOR_H
#define ISPTOOLKIT_JPEG_COLOR_H

#include "dct.h"

/* JFIF's conversions in units of 2^-16, rounded as in libjpeg. */
enum {
    Y_OF_R = 19595, Y_OF_G = 38470, Y_OF_B = 7471,
    BLUE_OF_R = -11059, BLUE_OF_G = -21709, BLUE_OF_B = 32768,
    RED_OF_R = 32768, RED_OF_G = -27439, RED_OF_B = -5329,
    R_OF_RED = 91881, G_OF_BLUE = -22554, G_OF_RED = -46802, B_OF_BLUE = 116130,
    UNIT_BITS = 16, UNIT_HALF = 1 << 15
};

typedef long long isp_long;
typedef struct { float r, g, b; } isp_pixel;
typedef struct { isp_i32 r, g, b; } isp_codes;
typedef struct { float y, blue, red; } isp_components;

ISP_FN isp_codes isp_codes_of(isp_pixel x) {
    isp_codes c = {isp_centered(x.r * 255.0f) + 128, isp_centered(x.g * 255.0f) + 128, isp_centered(x.b * 255.0f) + 128};
    return c;
}

ISP_FN isp_i32 isp_y_of(isp_codes c) { return (Y_OF_R * c.r + Y_OF_G * c.g + Y_OF_B * c.b + UNIT_HALF) >> UNIT_BITS; }

ISP_FN isp_i32 isp_blue_of(isp_codes c) {
    return (BLUE_OF_R * c.r + BLUE_OF_G * c.g + BLUE_OF_B * c.b + (128 << UNIT_BITS) + UNIT_HALF - 1) >> UNIT_BITS;
}

ISP_FN isp_i32 isp_red_of(isp_codes c) {
    return (RED_OF_R * c.r + RED_OF_G * c.g + RED_OF_B * c.b + (128 << UNIT_BITS) + UNIT_HALF - 1) >> UNIT_BITS;
}

/* Gradients of a pixel from those of its components; `blue` and `red` are its shares of a chroma sample's gradients. */
ISP_FN isp_pixel isp_components_back(float y, float blue, float red) {
    const float scale = 255.0f / (1 << UNIT_BITS);
    isp_pixel x = {scale * (Y_OF_R * y + BLUE_OF_R * blue + RED_OF_R * red), scale * (Y_OF_G * y + BLUE_OF_G * blue + RED_OF_G * red),
                   scale * (Y_OF_B * y + BLUE_OF_B * blue + RED_OF_B * red)};
    return x;
}

/* The quotient of a code and 255, exactly as a division rounds it: 257 / 2^16 is 1 / 255 less the other factor, and the first
 * product is exact. */
ISP_FN float isp_unit(isp_i32 value) {
    const float code = isp_sample(value);
    return code * (257.0f / 65536) + code * 5.983839e-08f;
}

ISP_FN isp_pixel isp_pixel_of(isp_i32 y, isp_i32 blue, isp_i32 red) {
    y -= 128, blue -= 128, red -= 128;
    isp_pixel x = {isp_unit(y + ((R_OF_RED * red + UNIT_HALF) >> UNIT_BITS)),
                   isp_unit(y + ((G_OF_BLUE * blue + G_OF_RED * red + UNIT_HALF) >> UNIT_BITS)),
                   isp_unit(y + ((B_OF_BLUE * blue + UNIT_HALF) >> UNIT_BITS))};
    return x;
}

/* A gradient, zero where a step along its negative leaves the range 0 ... 1 of the output. */
ISP_FN float isp_inward(float grad, float output) {
    return (output >= 1.0f && grad < 0.0f) || (output <= 0.0f && grad > 0.0f) ? 0.0f : grad;
}

/* Gradients of a pixel's components. */
ISP_FN isp_components isp_pixel_back(isp_pixel grad, isp_pixel output) {
    const float scale = 1.0f / 255.0f, small = scale / (1 << UNIT_BITS);
    const float r = isp_inward(grad.r, output.r), g = isp_inward(grad.g, output.g), b = isp_inward(grad.b, output.b);
    isp_components c = {scale * (r + g + b), small * (B_OF_BLUE * b + G_OF_BLUE * g), small * (R_OF_RED * r + G_OF_RED * g)};
    return c;
}

/* The mean of a cell of `down * across` samples; the rounding alternates along the row, as in libjpeg. */
ISP_FN isp_i32 isp_cell_mean(isp_i32 sum, int cells, int column) {
    return cells == 1 ? sum : cells == 2 ? (sum + (column & 1)) >> 1 : (sum + 1 + (column & 1)) >> 2;
}

/* Triangular upsampling of chroma: between two rows, if `down` is 2, then between two columns. Rows are those of the sample at
 * and beside a pixel, `at` and `next` its column and the one beside it; `odd` is that of the pixel. */
ISP_FN isp_i32 isp_between_rows(isp_i32 near, isp_i32 far, int down) { return down == 1 ? near : 3 * near + far; }

ISP_FN isp_i32 isp_upsampled(const unsigned char *near, const unsigned char *far, isp_long at, isp_long next, int down, int odd) {
    const isp_i32 here = isp_between_rows(near[at], far[at], down), beside = isp_between_rows(near[next], far[next], down);
    return down == 1 ? (3 * here + beside + (odd ? 2 : 1)) >> 2 : (3 * here + beside + (odd ? 7 : 8)) >> 4;
}

/* libjpeg replicates samples in chroma planes this narrow. */
#define REPLICATED 2

/* The row or column of chroma beside the one at a pixel; the ends are repeated. */
ISP_FN isp_long isp_beside(isp_long pixel, isp_long count) {
    const isp_long at = pixel / 2, next = pixel % 2 ? at + 1 : at - 1;
    return next < 0 ? 0 : next < count ? next : count - 1;
}

/* The gradient of a chroma sample, in one dimension: from the two pixels of its cell and those beside the cell. */
ISP_FN float isp_between_back(float before, float first, float second, float after) {
    return 0.75f * (first + second) + 0.25f * (before + after);
}

#endif
