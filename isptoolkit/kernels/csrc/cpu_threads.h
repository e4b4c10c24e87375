/* Splits work evenly over OpenMP threads. A single thread starts no team, which makes it safe after fork(). */
#ifndef ISPTOOLKIT_CPU_THREADS_H
#define ISPTOOLKIT_CPU_THREADS_H

#include <stdint.h>

#ifndef ISP_ISA
#define ISP_ISA baseline
#endif
#define ISP_JOIN_(name, isa) name##_##isa
#define ISP_JOIN(name, isa) ISP_JOIN_(name, isa)
/* A function's name in the build for this instruction set. */
#define ISP_NAME(name) ISP_JOIN(name, ISP_ISA)

/* Calls run(work, thread, first, last) with the thread's index and its range [first, last) of `count` items. */
static void split_work(void (*run)(const void *, int, int64_t, int64_t), const void *work, int64_t count, int threads) {
#ifdef _OPENMP
    if (threads > 1 && count > 1) {
#pragma omp parallel for num_threads(threads) schedule(static, 1)
        for (int k = 0; k < threads; k++) run(work, k, count * k / threads, count * (k + 1) / threads);
        return;
    }
#endif
    (void)threads;
    run(work, 0, 0, count);
}

/* Reflect an index into 0 ... count - 1 without repeating the ends; count is at least 2. */
static inline int64_t mirrored(int64_t place, int64_t count) {
    int64_t period = 2 * (count - 1), m = place % period;
    m = m < 0 ? m + period : m;
    return m < period - m ? m : period - m;
}

#endif
