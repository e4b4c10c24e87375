/* CUDA's device language on the CPU, as far as the kernels use it: a C++ compiler builds the unchanged .cu files with it.
 *
 * A thread of a block is a coroutine of runtime.cpp that switches at barriers and shuffles. The kernels are compiled with
 * -fsanitize=thread, but linked with runtime.cpp instead of that sanitizer: it checks every read and write.
 */
#ifndef ISPTOOLKIT_CUDA_EMULATION_H
#define ISPTOOLKIT_CUDA_EMULATION_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <utility>

#define __CUDACC__ 1
#define __device__
#define __global__
#define __launch_bounds__(threads, blocks)
#define __forceinline__ inline __attribute__((always_inline))
#define __shared__ static __attribute__((section("cuda_shared")))

struct emulated_index { unsigned x, y, z; };

extern "C" {
emulated_index emulated_thread(void), emulated_block(void), emulated_block_size(void), emulated_grid_size(void);
void emulated_barrier(int line);
void emulated_shuffle(int line, unsigned mask, void *value, int size, int lane);
void emulated_fail(const char *problem);
}
/* Values, not variables: reads of variables would be checked, too. */
#define threadIdx emulated_thread()
#define blockIdx emulated_block()
#define blockDim emulated_block_size()
#define gridDim emulated_grid_size()
#define __syncthreads() emulated_barrier(__LINE__)

float atomicAdd(float *sum, float value);
double atomicAdd(double *sum, double value);
int atomicAdd(int *sum, int value);

/* The value of another lane of the warp; a lane outside the warp leaves the value unchanged. */
template <class T> T emulated_shuffled(int line, unsigned mask, T value, int lane) {
    emulated_shuffle(line, mask, &value, sizeof value, lane);
    return value;
}
#define emulated_lane ((int)(threadIdx.x % 32))
#define __shfl_sync(mask, value, lane) emulated_shuffled(__LINE__, mask, value, lane)
#define __shfl_up_sync(mask, value, by) emulated_shuffled(__LINE__, mask, value, emulated_lane - (int)(by))
#define __shfl_down_sync(mask, value, by) emulated_shuffled(__LINE__, mask, value, emulated_lane + (int)(by))
#define __shfl_xor_sync(mask, value, bits) emulated_shuffled(__LINE__, mask, value, emulated_lane ^ (int)(bits))

static inline int __float_as_int(float x) { int bits; return memcpy(&bits, &x, sizeof bits), bits; }
static inline float __int_as_float(int bits) { float x; return memcpy(&x, &bits, sizeof x), x; }
static inline int min(int a, int b) { return a < b ? a : b; }
static inline int max(int a, int b) { return a > b ? a : b; }

/* cvt.f32.f16 */
static inline float emulated_half_to_float(unsigned short half) {
    const int exponent = half >> 10 & 31, fraction = half & 1023;
    float size = exponent == 31 ? (fraction ? NAN : INFINITY)
                                : ldexpf((float)(exponent ? fraction + 1024 : fraction), (exponent ? exponent : 1) - 25);
    return half & 0x8000 ? -size : size;
}

/* cvt.rn.f16.f32: to nearest, ties to even. */
static inline unsigned short emulated_float_to_half(float x) {
    const unsigned bits = (unsigned)__float_as_int(x), sign = bits >> 16 & 0x8000, size = bits & 0x7fffffff;
    if (size > 0x7f800000) return 0x7fff;
    if (size >= 0x477ff000) return (unsigned short)(sign | 0x7c00);
    if (size < 0x38800000) return (unsigned short)(sign | (unsigned)nearbyintf(fabsf(x) * 16777216.0f));
    return (unsigned short)(sign | ((size - 0x38000000 + 0xfff + (size >> 13 & 1)) >> 13));
}

/* PTX: the operands are the variables f and h of the conversions in cuda_steps.h. */
static inline void emulated_ptx(const char *ptx, float &f, unsigned short &h) {
    if (!strncmp(ptx, "\"cvt.f32.f16 %0, %1;\" : \"=f\"(f) : \"h\"(h)", 41)) {
        f = emulated_half_to_float(h);
    } else if (!strncmp(ptx, "\"cvt.rn.f16.f32 %0, %1;\" : \"=h\"(h) : \"f\"(f)", 44)) {
        h = emulated_float_to_half(f);
    } else {
        emulated_fail("uses PTX that tests/support/cuda_emulation/device.h does not know");
    }
}
#define asm(...) emulated_ptx(#__VA_ARGS__, f, h)

/* Export a kernel as a function of pointers to its arguments, as cuLaunchKernel takes them. */
template <class... Types, size_t... Positions>
__attribute__((no_sanitize("thread"))) void emulated_call(void (*kernel)(Types...), void **arguments,
                                                          std::index_sequence<Positions...>) {
    kernel(*(Types *)arguments[Positions]...);
}
template <class... Types> void emulated_unpack(void (*kernel)(Types...), void **arguments) {
    emulated_call(kernel, arguments, std::index_sequence_for<Types...>());
}
#define EMULATED(kernel) extern "C" void emulated_##kernel(void **arguments) { emulated_unpack(kernel, arguments); }

#endif
