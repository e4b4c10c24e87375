/* Work split evenly over a team of OpenMP threads; with one thread there is no team, which is safe after a fork. */
#ifndef ISPTOOLKIT_CPU_THREADS_H
#define ISPTOOLKIT_CPU_THREADS_H

#include <stdint.h>

#ifndef ISP_ISA
#define ISP_ISA baseline
#endif
#define ISP_JOIN_(name, isa) name##_##isa
#define ISP_JOIN(name, isa) ISP_JOIN_(name, isa)
/* The name of a function in the build for this instruction set. */
#define ISP_NAME(name) ISP_JOIN(name, ISP_ISA)

/* `run` gets the work, its own number below `threads`, and the first and last + 1 of its items. */
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

/* Reflection at the ends of 0 ... count - 1, which are not repeated; count is at least 2. */
static inline int64_t mirrored(int64_t place, int64_t count) {
    int64_t period = 2 * (count - 1), m = place % period;
    m = m < 0 ? m + period : m;
    return m < period - m ? m : period - m;
}

#endif
