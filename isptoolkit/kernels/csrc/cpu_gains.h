/* Gains that depend on the position, a run of columns at a time: the coefficients that its pixels share stay in registers. */
#ifndef ISPTOOLKIT_CPU_GAINS_H
#define ISPTOOLKIT_CPU_GAINS_H

#include "gains.h"

/* Terms of the columns of a run with the parity of its first one, and of the others. */
typedef struct { int32_t own[ISP_GAIN_TERMS], next[ISP_GAIN_TERMS]; } gain_indices;

#define NEXT(i) (((i) - first) & 1)
#define EACH_TERM(name) ISP_UNROLL for (int t = 0; t < name##_terms(shape); t++)
#define EACH_OF_RUN _Pragma("omp simd") for (int i = first; i < end; i++)

/* NAME_run_end: where the run that starts at `first` ends. NAME_indices: of its terms. NAME_gains: the gains of a strip that
 * starts at `column`. NAME_gain_sums: adds the gradients of the coefficients, from those of the gains. */
#define GAIN_STRIPS(name, base)                                                                                           \
    static inline int name##_run_end(name##_line line, int column, int first, int n) {                                    \
        const int32_t cell = name##_cell(line, column + first);                                                           \
        int low = first + 1, high = n;                                                                                    \
        if (name##_cell(line, column + n - 1) == cell) return n;                                                          \
        while (low < high) {                                                                                              \
            const int middle = (low + high) / 2, same = name##_cell(line, column + middle) == cell;                       \
            low = same ? middle + 1 : low;                                                                                \
            high = same ? high : middle;                                                                                  \
        }                                                                                                                 \
        return low;                                                                                                       \
    }                                                                                                                     \
    static inline gain_indices name##_indices(const int32_t *shape, name##_line line, int column, int first, int end) {   \
        gain_indices at;                                                                                                  \
        EACH_TERM(name) {                                                                                                 \
            name##_term(t, name##_pixel_of(line, column + first), &at.own[t]);                                            \
            name##_term(t, name##_pixel_of(line, column + (first + 1 < end ? first + 1 : first)), &at.next[t]);           \
        }                                                                                                                 \
        return at;                                                                                                        \
    }                                                                                                                     \
    static inline void name##_gains(float *gain, const int32_t *shape, const float *k, name##_line line, int column, int n) { \
        for (int first = 0, end; first < n; first = end) {                                                                \
            end = name##_run_end(line, column, first, n);                                                                 \
            const gain_indices at = name##_indices(shape, line, column, first, end);                                      \
            float own[ISP_GAIN_TERMS], next[ISP_GAIN_TERMS];                                                              \
            EACH_TERM(name) own[t] = k[at.own[t]], next[t] = k[at.next[t]];                                               \
            if (name##_by_parity(line)) {                                                                                 \
                EACH_OF_RUN {                                                                                             \
                    const name##_pixel pixel = name##_pixel_of(line, column + i);                                         \
                    int32_t unused;                                                                                       \
                    float sum = base;                                                                                     \
                    EACH_TERM(name) sum += (NEXT(i) ? next[t] : own[t]) * name##_term(t, pixel, &unused);                 \
                    gain[i] = sum;                                                                                        \
                }                                                                                                         \
            } else {                                                                                                      \
                EACH_OF_RUN {                                                                                             \
                    const name##_pixel pixel = name##_pixel_of(line, column + i);                                         \
                    int32_t unused;                                                                                       \
                    float sum = base;                                                                                     \
                    EACH_TERM(name) sum += own[t] * name##_term(t, pixel, &unused);                                       \
                    gain[i] = sum;                                                                                        \
                }                                                                                                         \
            }                                                                                                             \
        }                                                                                                                 \
    }                                                                                                                     \
    static inline void name##_gain_sums(double *sums, const float *grad_gain, const int32_t *shape, name##_line line, int column, \
                                        int n) {                                                                          \
        for (int first = 0, end; first < n; first = end) {                                                                \
            end = name##_run_end(line, column, first, n);                                                                 \
            const gain_indices at = name##_indices(shape, line, column, first, end);                                      \
            const int by_parity = name##_by_parity(line);                                                                 \
            TERM_SUMS(name, at.own, 0)                                                                                    \
            if (by_parity) TERM_SUMS(name, at.next, 1)                                                                    \
        }                                                                                                                 \
    }
#define TERM_OF(name, t) (t < name##_terms(shape) ? value * name##_term(t, pixel, &unused) : 0.0f)
/* One loop adds the gradients of all terms, of the columns with one parity if that matters. */
#define TERM_SUMS(name, at, parity)                                                                                       \
    {                                                                                                                     \
        float a = 0.0f, b = 0.0f, c = 0.0f, d = 0.0f, e = 0.0f;                                                           \
        _Pragma("omp simd reduction(+ : a, b, c, d, e)") for (int i = first; i < end; i++) {                              \
            const name##_pixel pixel = name##_pixel_of(line, column + i);                                                 \
            const float gradient = grad_gain[i], value = (NEXT(i) & by_parity) == parity ? gradient : 0.0f;               \
            int32_t unused;                                                                                               \
            a += TERM_OF(name, 0), b += TERM_OF(name, 1), c += TERM_OF(name, 2), d += TERM_OF(name, 3), e += TERM_OF(name, 4); \
        }                                                                                                                 \
        const float total[ISP_GAIN_TERMS] = {a, b, c, d, e};                                                              \
        EACH_TERM(name) sums[at[t]] += (double)total[t];                                                                  \
    }
ISP_GAINS(GAIN_STRIPS)

#endif
