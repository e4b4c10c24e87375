/* Point-wise steps on a GPU: each thread runs a whole program on one pixel, whose planes stay in registers. */
#ifndef ISPTOOLKIT_CUDA_STEPS_H
#define ISPTOOLKIT_CUDA_STEPS_H

#include "steps.h"

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

#define EACH_PLANE _Pragma("unroll") for (int c = 0; c < ISP_MAX_PLANES; c++) if (c < planes)

ISP_FN int isp_site(const isp_place &place) { return (int)(place.row & 1) * 2 + (int)(place.column & 1); }

ISP_FN isp_color isp_color_of(const float *v) {
    isp_color color = {v[0], v[1], v[2]};
    return color;
}

ISP_FN void isp_set_color(float *v, isp_color color) { v[0] = color.r, v[1] = color.g, v[2] = color.b; }

/* The segment of a lookup in which a value lies. */
ISP_FN int isp_find_segment(isp_search search, float x, const float *k, const int *shape) {
    if (search == ISP_EVEN) return isp_even_segment(x, shape);
    int segment = 0;
    for (int stride = isp_first_stride(shape); stride; stride >>= 1) {
        const int next = isp_next_segment(segment, stride, shape);
        segment = k[next] <= x ? next : segment;
    }
    return segment;
}

ISP_FN isp_segment isp_segment_of(const float *k, int count, int segment, const int *shape) {
    isp_segment s = {{0.0f, 0.0f, 0.0f, 0.0f}, isp_segment_start(segment, shape), (float)shape[1]};
    ISP_UNROLL for (int j = 0; j < ISP_SEGMENT_PARAMETERS; j++)
        if (j < count) s.at[j] = k[isp_segment_parameter(j, segment, shape)];
    return s;
}

/* Steps that need more registers than others. Kernels without them run more threads at once; `_LARGE` in cuda.py selects them. */
ISP_FN constexpr bool isp_is_large(int kind) {
#define ISP_IS_LARGE(name, base) || kind == ISP_KIND_##name##_multiply || kind == ISP_KIND_##name##_divide
    return kind == ISP_KIND_highlight ISP_GAINS(ISP_IS_LARGE);
#undef ISP_IS_LARGE
}

/* Run one step on one pixel; large ones only if LARGE. */
template <bool LARGE> ISP_FN void isp_forward_step(const int *step, const float *k, float *v, int planes, const isp_place &place) {
    const int *shape = step + 2;
    switch (isp_shortcut(step[0], k)) {
#define VALUE_CASE(name, count, owner)                                                                                    \
    case ISP_KIND_##name:                                                                                                 \
        EACH_PLANE v[c] = name##_step(v[c], isp_parameters_of(k, count, owner, c, isp_site(place)));                      \
        break;
#define CURVE_CASE(name) VALUE_CASE(name, 1, ISP_SHARED)
#define LOOKUP_CASE(name, count, search)                                                                                  \
    case ISP_KIND_##name:                                                                                                 \
        EACH_PLANE v[c] = name##_step(v[c], isp_segment_of(k, count, isp_find_segment(search, v[c], k, shape), shape));   \
        break;
#define COLOR_CASE(name, count)                                                                                           \
    case ISP_KIND_##name:                                                                                                 \
        if (LARGE || !isp_is_large(ISP_KIND_##name)) isp_set_color(v, name##_step(isp_color_of(v), k));                   \
        break;
#define GAIN_CASE(name, base)                                                                                             \
    case ISP_KIND_##name##_multiply:                                                                                      \
    case ISP_KIND_##name##_divide:                                                                                        \
        if (LARGE) EACH_PLANE {                                                                                           \
            const name##_line line = name##_line_of(shape, k, place, planes, c);                                          \
            const float gain = name##_gain(shape, k, name##_pixel_of(line, (int)place.column));                           \
            v[c] = step[0] == ISP_KIND_##name##_multiply ? v[c] * gain : v[c] / gain;                                     \
        }                                                                                                                 \
        break;
    ISP_VALUES(VALUE_CASE)
    ISP_LOOKUPS(LOOKUP_CASE)
    ISP_COLORS(COLOR_CASE)
    ISP_GAINS(GAIN_CASE)
    ISP_CURVES(CURVE_CASE)
    ISP_SHORTCUTS(CURVE_CASE)
#undef VALUE_CASE
#undef CURVE_CASE
#undef LOOKUP_CASE
#undef COLOR_CASE
#undef GAIN_CASE
    }
}

template <bool LARGE>
ISP_FN void isp_forward_steps(const int *program, int count, const float *coefficients, float *v, int planes,
                              const isp_place &place) {
    for (int k = 0; k < count; k++) {
        const int *step = program + k * ISP_STEP_SIZE;
        isp_forward_step<LARGE>(step, coefficients + step[1], v, planes, place);
    }
}

#endif
