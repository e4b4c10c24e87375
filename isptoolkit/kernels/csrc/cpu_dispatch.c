/* The exported functions: each calls the build for the best instruction set of this processor. */
#include "cpu_functions.h"

#include <string.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#if defined(_WIN32)
#define EXPORTED __declspec(dllexport)
#else
#define EXPORTED __attribute__((visibility("default")))
#endif

enum level { BASELINE, AVX2, AVX512 };
#if defined(__aarch64__)
static const char *const names[] = {"neon", "avx2", "avx512"}; /* mandatory on 64-bit Arm */
#else
static const char *const names[] = {"baseline", "avx2", "avx512"};
#endif
static int level = -1;

static int supported(int isa) {
#if defined(ISP_HAVE_AVX512)
    if (isa == AVX512)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512vl");
#endif
#if defined(ISP_HAVE_AVX2)
    if (isa == AVX2) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
    return isa == BASELINE;
}

static int chosen(void) {
    if (level < 0)
        for (int k = AVX512; k >= BASELINE && level < 0; k--)
            if (supported(k)) level = k;
    return level;
}

/* The name of the active build. */
EXPORTED const char *isp_instruction_set(void) { return names[chosen()]; }

/* Activate the build of that name; returns 0 if the processor or this library does not support it. */
EXPORTED int isp_use(const char *name) {
    for (int k = BASELINE; k <= AVX512; k++)
        if (!strcmp(name, names[k]) && supported(k)) {
            level = k;
            return 1;
        }
    return 0;
}

EXPORTED int isp_has_threads(void) {
#ifdef _OPENMP
    return 1;
#else
    return 0;
#endif
}

/* Request huge pages for memory that has not been written yet. */
EXPORTED void isp_huge_pages(void *start, int64_t bytes) {
#if defined(__linux__)
    const uintptr_t page = 2 << 20;
    uintptr_t first = ((uintptr_t)start + page - 1) & ~(page - 1), last = ((uintptr_t)start + (uintptr_t)bytes) & ~(page - 1);
    if (first < last) madvise((void *)first, last - first, MADV_HUGEPAGE);
#else
    (void)start, (void)bytes;
#endif
}

#if defined(ISP_HAVE_AVX512)
#define CALL_AVX512(name) if (chosen() == AVX512) { name##_avx512(work); return; }
#else
#define CALL_AVX512(name)
#endif
#if defined(ISP_HAVE_AVX2)
#define CALL_AVX2(name) if (chosen() == AVX2) { name##_avx2(work); return; }
#else
#define CALL_AVX2(name)
#endif

#define DEFINE(name, type)                                                   \
    void name##_baseline(const type *), name##_avx2(const type *), name##_avx512(const type *); \
    EXPORTED void name(const type *work) {                                   \
        CALL_AVX512(name)                                                    \
        CALL_AVX2(name)                                                      \
        name##_baseline(work);                                               \
    }
ISP_FUNCTIONS(DEFINE)
