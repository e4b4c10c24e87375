/* Point-wise steps on a GPU: each thread runs a whole program on one pixel, whose planes stay in registers. */
#ifndef ISPTOOLKIT_CUDA_STEPS_H
#define ISPTOOLKIT_CUDA_STEPS_H

#include "steps.h"

typedef long long isp_long;

struct isp_place { isp_long row, column, height, width; };

ISP_FN float isp_half_to_float(unsigned short h) {
    float f;
    asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(h));
    return f;
}

ISP_FN unsigned short isp_float_to_half(float f) {
    unsigned short h;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(f));
    return h;
}

ISP_FN unsigned short isp_float_to_bfloat(float f) {
    unsigned bits = (unsigned)isp_bits(f);
    return f == f ? (unsigned short)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16) : (unsigned short)0x7fc0;
}

ISP_FN float isp_load(const void *from, int type, isp_long at) {
    switch (type) {
    case ISP_FLOAT32: return ((const float *)from)[at];
    case ISP_UINT16: return ((const unsigned short *)from)[at];
    case ISP_UINT8: return ((const unsigned char *)from)[at];
    case ISP_FLOAT16: return isp_half_to_float(((const unsigned short *)from)[at]);
    default: return isp_float((isp_i32)((unsigned)((const unsigned short *)from)[at] << 16));
    }
}

ISP_FN void isp_store(void *to, int type, isp_long at, float value) {
    switch (type) {
    case ISP_FLOAT32: ((float *)to)[at] = value; break;
    case ISP_UINT16: ((unsigned short *)to)[at] = (unsigned short)isp_code(value, 65535.0f); break;
    case ISP_UINT8: ((unsigned char *)to)[at] = (unsigned char)isp_code(value, 255.0f); break;
    case ISP_FLOAT16: ((unsigned short *)to)[at] = isp_float_to_half(value); break;
    default: ((unsigned short *)to)[at] = isp_float_to_bfloat(value);
    }
}

/* Where a pixel lies in a bilinear mesh: four nodes and their weights. */
struct isp_nodes { isp_long at[4]; float weight[4]; };

ISP_FN isp_nodes isp_mesh_nodes(const int *step, const isp_place &place, int planes, int c) {
    int rows = step[3], columns = step[4];
    isp_long plane = planes == 1 && step[2] == 4 ? (place.row & 1) * 2 + (place.column & 1) : step[2] == 1 ? 0 : c;
    double down = (place.row + 0.5) / (double)place.height * (rows - 1);
    double across = (place.column + 0.5) / (double)place.width * (columns - 1);
    int top = (int)down, left = (int)across, below = min(top + 1, rows - 1), right = min(left + 1, columns - 1);
    float v = (float)(down - top), w = (float)(across - left);
    plane *= (isp_long)rows * columns;
    isp_nodes n = {{plane + (isp_long)top * columns + left, plane + (isp_long)top * columns + right,
                    plane + (isp_long)below * columns + left, plane + (isp_long)below * columns + right},
                   {(1 - v) * (1 - w), (1 - v) * w, v * (1 - w), v * w}};
    return n;
}

ISP_FN float isp_mesh_gain(const int *step, const float *p, const isp_place &place, int planes, int c) {
    isp_nodes n = isp_mesh_nodes(step, place, planes, c);
    float gain = 0.0f;
    for (int k = 0; k < 4; k++) gain += p[n.at[k]] * n.weight[k];
    return gain;
}

#define EACH_PLANE _Pragma("unroll") for (int c = 0; c < ISP_MAX_PLANES; c++) if (c < planes)

/* Run one step on one pixel. */
ISP_FN void isp_forward_step(const int *step, const float *p, float *v, int planes, const isp_place &place) {
    switch (step[0]) {
    case ISP_SITES: {
        int site = (int)(place.row & 1) * 2 + (int)(place.column & 1);
        v[0] = (v[0] - p[site]) * p[4 + site] + p[8 + site];
        break;
    }
    case ISP_CHANNELS: EACH_PLANE v[c] = v[c] * p[c] + p[4 + c]; break;
    case ISP_MATRIX: {
        float x = v[0], y = v[1], z = v[2];
        v[0] = p[0] * x + p[1] * y + p[2] * z + p[9];
        v[1] = p[3] * x + p[4] * y + p[5] * z + p[10];
        v[2] = p[6] * x + p[7] * y + p[8] * z + p[11];
        break;
    }
    case ISP_CLAMP: EACH_PLANE v[c] = isp_clamp(v[c], p[0], p[1]); break;
    case ISP_QUANTIZE: EACH_PLANE v[c] = isp_round(v[c] * p[0]) / p[0]; break;
    case ISP_MESH_MULTIPLY: EACH_PLANE v[c] *= isp_mesh_gain(step, p, place, planes, c); break;
    case ISP_MESH_DIVIDE: EACH_PLANE v[c] /= isp_mesh_gain(step, p, place, planes, c); break;
#define CURVE_CASE(name) case ISP_KIND_##name: EACH_PLANE v[c] = name(v[c], p[0]); break;
    ISP_CURVES(CURVE_CASE)
#undef CURVE_CASE
    }
}

ISP_FN void isp_forward_steps(const int *program, int count, const float *coefficients, float *v, int planes,
                              const isp_place &place) {
    for (int k = 0; k < count; k++) {
        const int *step = program + k * ISP_STEP_SIZE;
        isp_forward_step(step, coefficients + step[1], v, planes, place);
    }
}

#endif
