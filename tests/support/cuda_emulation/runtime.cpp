/* Runs emulated kernels: blocks one after another, the threads of a block as coroutines, every memory access checked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>

#include <algorithm>
#include <random>
#include <vector>

struct emulated_index { unsigned x, y, z; };

/* A tensor argument: its bytes, those that belong to it (null: all), and who wrote each item (null: not tracked). */
struct emulated_tensor {
    const char *name;
    char *start, *end;
    const uint8_t *inside;
    int32_t *writers;
    int32_t item, writable;
};

namespace {
constexpr int WARP = 32, MAX_THREADS = 1024, STACK = 64 << 10, NONE = -1, SEVERAL = -2, ATOMIC = -3;
enum State { READY, AT_BARRIER, AT_SHUFFLE, FINISHED };

struct Thread {
    State state;
    bool started;
    int line, lane, size; /* of the barrier or shuffle; the lane to read; bytes of the value */
    unsigned mask;
    void *value;
    char *stack;
    ucontext_t context;
    jmp_buf place;
};
struct Cell { int interval, writer, reader; bool written; }; /* a byte of shared memory since the last barrier */

Thread threads[MAX_THREADS];
Thread *current;
jmp_buf scheduler, failure;
void (*kernel)(void **);
void **kernel_arguments;
emulated_index block, block_size, grid_size;
emulated_tensor *tensors;
int tensor_count, interval;
std::vector<Cell> cells;
std::vector<char> stacks;
char message[512];

[[noreturn]] void fail(const char *format, ...) {
    int length = snprintf(message, sizeof message, "block (%u, %u, %u), thread %d ", block.x, block.y, block.z,
                          current ? (int)(current - threads) : -1);
    va_list values;
    va_start(values, format);
    vsnprintf(message + length, sizeof message - length, format, values);
    va_end(values);
    for (Thread &thread : threads) thread.started = false; /* they stopped in the middle of a kernel */
    _longjmp(failure, 1);
}

void yield() {
    if (!_setjmp(current->place)) _longjmp(scheduler, 1);
}

void coroutine() {
    for (;;) {
        kernel(kernel_arguments);
        current->state = FINISHED;
        yield();
    }
}

void resume(Thread &thread) {
    current = &thread;
    if (_setjmp(scheduler)) {
        current = nullptr;
        return;
    }
    if (thread.started) _longjmp(thread.place, 1);
    thread.started = true;
    getcontext(&thread.context);
    thread.context.uc_stack.ss_sp = thread.stack;
    thread.context.uc_stack.ss_size = STACK;
    thread.context.uc_link = nullptr;
    makecontext(&thread.context, coroutine, 0);
    setcontext(&thread.context);
}

const char *place_of(const Thread &thread) {
    static char text[2][64];
    static int turn;
    char *place = text[turn ^= 1];
    const char *what = thread.state == AT_BARRIER ? "is at the barrier" : "is at the shuffle";
    if (thread.state == FINISHED) return "has finished";
    snprintf(place, sizeof text[0], "%s of line %d", what, thread.line);
    return place;
}

[[noreturn]] void diverged(Thread &thread, const Thread &other) {
    current = &thread;
    fail("%s, but thread %d %s", place_of(thread), (int)(&other - threads), place_of(other));
}

/* Exchange the values of a warp if all of its threads are at the same shuffle. */
bool exchanged(int first, int count) {
    char values[WARP][8];
    Thread *lanes = threads + first;
    for (int k = 0; k < count; k++)
        if (lanes[k].state != AT_SHUFFLE) return false;
    for (int k = 0; k < count; k++) {
        if (lanes[k].line != lanes[0].line) diverged(lanes[0], lanes[k]);
        current = &lanes[k];
        if (!(lanes[k].mask >> k & 1)) fail("is not in the mask of the shuffle of line %d", lanes[k].line);
        memcpy(values[k], lanes[k].value, lanes[k].size);
    }
    for (int k = 0; k < count; k++) {
        if (lanes[k].lane >= 0 && lanes[k].lane < count) memcpy(lanes[k].value, values[lanes[k].lane], lanes[k].size);
        lanes[k].state = READY;
    }
    current = nullptr;
    return true;
}

/* Let waiting threads continue; returns false if all have finished. */
bool released(int count) {
    Thread *end = threads + count;
    bool progress = false;
    for (int first = 0; first < count; first += WARP) progress |= exchanged(first, std::min(WARP, count - first));
    if (progress) return true;
    Thread *waiting = nullptr;
    for (Thread *thread = threads; thread < end; thread++) {
        if (thread->state == AT_SHUFFLE)
            for (int k = 0, first = (int)(thread - threads) / WARP * WARP; k < WARP && first + k < count; k++)
                if (threads[first + k].state != AT_SHUFFLE) diverged(*thread, threads[first + k]);
        if (thread->state != FINISHED && !waiting) waiting = thread;
    }
    if (!waiting) return false;
    for (Thread *other = threads; other < end; other++)
        if (other->state == FINISHED || other->line != waiting->line) diverged(*waiting, *other);
    for (Thread *thread = threads; thread < end; thread++) thread->state = READY;
    interval++;
    return true;
}

extern "C" char __start_cuda_shared[] __attribute__((weak)), __stop_cuda_shared[] __attribute__((weak));

void run_block(const std::vector<int> &order) {
    const ptrdiff_t shared = __stop_cuda_shared - __start_cuda_shared;
    memset(__start_cuda_shared, 0xff, shared); /* NaN */
    interval = 1;
    cells.assign(shared, Cell{0, NONE, NONE, false});
    for (int k : order) threads[k].state = READY;
    do {
        for (int k : order)
            if (threads[k].state == READY) resume(threads[k]);
    } while (released((int)order.size()));
}

void check_shared(char *at, int size, bool writes, bool atomic) {
    const int id = (int)(current - threads);
    for (char *p = at; p < at + size; p++) {
        Cell &cell = cells[p - __start_cuda_shared];
        if (cell.interval != interval) cell.interval = interval, cell.writer = cell.reader = NONE;
        if ((!writes || atomic) && !cell.written) fail("reads shared memory that no thread wrote");
        const bool foreign_write = cell.writer != NONE && cell.writer != id && !(atomic && cell.writer == ATOMIC);
        const bool foreign_read = cell.reader != NONE && cell.reader != id;
        if (foreign_write || (writes && foreign_read))
            fail("%s shared memory that another thread %s since the last barrier", writes ? "writes" : "reads",
                 foreign_write ? "wrote" : "read");
        if (writes) {
            cell.writer = atomic ? ATOMIC : id;
            cell.written = true;
        } else {
            cell.reader = cell.reader == NONE || cell.reader == id ? id : SEVERAL;
        }
    }
}

void check_tensor(const emulated_tensor &tensor, char *at, int size, bool writes, bool atomic) {
    const long long item = (at - tensor.start) / tensor.item;
    if (writes && !tensor.writable) fail("writes %s[%lld], which is const", tensor.name, item);
    if (size != tensor.item || (at - tensor.start) % tensor.item)
        fail("accesses %d bytes of %s, whose items have %d", size, tensor.name, tensor.item);
    if (tensor.inside && !tensor.inside[item]) fail("accesses %s[%lld], which its view skips", tensor.name, item);
    if (!tensor.writers) return;
    int32_t &writer = tensor.writers[item];
    const unsigned place = (block.z * grid_size.y + block.y) * grid_size.x + block.x;
    const int32_t id = 1 + (int32_t)(place * block_size.x + (unsigned)(current - threads));
    if (writer && writer != id && !(atomic && writer == ATOMIC))
        fail("%s %s[%lld], which another thread wrote", writes ? "writes" : "reads", tensor.name, item);
    if (writes) writer = atomic ? ATOMIC : id;
}

void check(void *address, int size, bool writes, bool atomic = false) {
    char *at = (char *)address;
    if (!current || (at >= current->stack && at < current->stack + STACK)) return;
    if (at >= __start_cuda_shared && at + size <= __stop_cuda_shared) return check_shared(at, size, writes, atomic);
    for (int k = 0; k < tensor_count; k++)
        if (at >= tensors[k].start && at + size <= tensors[k].end) return check_tensor(tensors[k], at, size, writes, atomic);
    const emulated_tensor *nearest = nullptr;
    auto distance = [at](const emulated_tensor &t) { return at < t.start ? t.start - at : at - t.end; };
    for (int k = 0; k < tensor_count; k++)
        if (!nearest || distance(tensors[k]) < distance(*nearest)) nearest = tensors + k;
    if (!nearest) fail("%s memory, but has no tensor", writes ? "writes" : "reads");
    fail("%s outside every tensor, %lld bytes %s %s", writes ? "writes" : "reads", (long long)distance(*nearest),
         at < nearest->start ? "before" : "after the end of", nearest->name);
}

template <class T> T added(T *sum, T value) {
    check(sum, sizeof *sum, true, true);
    T before = *sum;
    *sum += value;
    return before;
}
} // namespace

float atomicAdd(float *sum, float value) { return added(sum, value); }
double atomicAdd(double *sum, double value) { return added(sum, value); }
int atomicAdd(int *sum, int value) { return added(sum, value); }

extern "C" {
emulated_index emulated_thread(void) { return {(unsigned)(current - threads), 0, 0}; }
emulated_index emulated_block(void) { return block; }
emulated_index emulated_block_size(void) { return block_size; }
emulated_index emulated_grid_size(void) { return grid_size; }
void emulated_fail(const char *problem) { fail("%s", problem); }

void emulated_barrier(int line) {
    current->state = AT_BARRIER;
    current->line = line;
    yield();
}

void emulated_shuffle(int line, unsigned mask, void *value, int size, int lane) {
    current->state = AT_SHUFFLE;
    current->line = line, current->mask = mask, current->value = value, current->size = size, current->lane = lane;
    yield();
}

/* The functions that a compiler calls before each access with -fsanitize=thread. */
void __tsan_init(void) {}
void __tsan_func_entry(void *) {}
void __tsan_func_exit(void) {}
#define ACCESSES(size)                                                              \
    void __tsan_read##size(void *at) { check(at, size, false); }                    \
    void __tsan_write##size(void *at) { check(at, size, true); }                    \
    void __tsan_unaligned_read##size(void *at) { check(at, size, false); }          \
    void __tsan_unaligned_write##size(void *at) { check(at, size, true); }
ACCESSES(1) ACCESSES(2) ACCESSES(4) ACCESSES(8) ACCESSES(16)
void __tsan_read_range(void *at, long size) { check(at, (int)size, false); }
void __tsan_write_range(void *at, long size) { check(at, (int)size, true); }

/* Run a kernel on a grid. Threads and blocks run in ascending order, in descending order if the seed is 1, or shuffled if it
 * is larger. Only blocks from `first` on run. Returns the first problem, or an empty text. */
const char *emulated_launch(void (*function)(void **), void **arguments, const unsigned *grid, unsigned size, emulated_tensor *all,
                            int count, unsigned seed, long long first) {
    if (stacks.empty()) {
        stacks.resize((size_t)MAX_THREADS * STACK);
        for (int k = 0; k < MAX_THREADS; k++) threads[k].stack = stacks.data() + (size_t)k * STACK;
    }
    kernel = function, kernel_arguments = arguments, tensors = all, tensor_count = count;
    grid_size = {grid[0], grid[1], grid[2]}, block_size = {size, 1, 1};
    std::vector<int> order(size);
    std::mt19937 random(seed);
    for (unsigned k = 0; k < size; k++) order[k] = (int)(seed == 1 ? size - 1 - k : k);
    const long long blocks = (long long)grid[0] * grid[1] * grid[2];
    message[0] = 0;
    if (_setjmp(failure)) {
        current = nullptr;
        return message;
    }
    for (long long k = first; k < blocks; k++) {
        const long long at = seed ? blocks - 1 - (k - first) : k;
        block = {(unsigned)(at % grid[0]), (unsigned)(at / grid[0] % grid[1]), (unsigned)(at / grid[0] / grid[1])};
        if (seed > 1) std::shuffle(order.begin(), order.end(), random);
        run_block(order);
    }
    return message;
}
}
