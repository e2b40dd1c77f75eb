// Lets a CPU run CUDA kernels, slowly, so that they can be tested where there is no GPU.
//
// Blocks run one after the other, and so do the threads of a block: each until it waits at a barrier or ends, then the
// next. In the other order, the last thread first, kernels must give the same bits: a thread that reads what another
// has yet to write, for want of a barrier, does not.

#include <cmath>
#include <csetjmp>
#include <cstring>
#include <functional>
#include <ucontext.h>
#include <vector>

using std::exp, std::expm1, std::fabs, std::fmax, std::isfinite, std::log, std::log1p, std::pow, std::sin, std::cos;
using std::sqrt, std::tanh;

struct Index { unsigned x = 0, y = 0, z = 0; };
static Index threadIdx, blockIdx, blockDim, gridDim;

// A thread has a stack of its own, made once and used for every block: `makecontext` puts the thread on it, and from
// then on `_longjmp` goes back and forth, which unlike `swapcontext` asks nothing of the operating system.
struct Thread {
    jmp_buf at;
    ucontext_t stack;
    std::vector<char> memory = std::vector<char>(1 << 16);
    bool begun = false, done = false;
};
static std::vector<Thread> threads(1024);
static jmp_buf scheduler;
static unsigned running;
static std::function<void()> kernel;

static void __syncthreads() {
    if (!_setjmp(threads[running].at)) _longjmp(scheduler, 1);
}

static void body() {
    for (;;) {
        kernel();
        threads[running].done = true;
        __syncthreads();  // until the next block
    }
}

static void go_on(Thread &thread) {
    if (_setjmp(scheduler)) return;
    if (thread.begun) _longjmp(thread.at, 1);
    thread.begun = true;
    getcontext(&thread.stack);
    thread.stack.uc_stack.ss_sp = thread.memory.data();
    thread.stack.uc_stack.ss_size = thread.memory.size();
    makecontext(&thread.stack, body, 0);
    setcontext(&thread.stack);
}

static void forget_shared_memory();

static void run_block(bool reversed) {
    forget_shared_memory();
    unsigned count = blockDim.x * blockDim.y, alive = count;
    for (unsigned i = 0; i < count; i++) threads[i].done = false;
    while (alive) {
        for (unsigned i = 0; i < count; i++) {
            running = reversed ? count - 1 - i : i;
            if (threads[running].done) continue;
            threadIdx = {running % blockDim.x, running / blockDim.x, 0};
            go_on(threads[running]);
            alive -= threads[running].done;
        }
    }
}

static void run(const unsigned *dims, bool reversed, std::function<void()> f) {
    gridDim = {dims[0], dims[1], 1};
    blockDim = {dims[2], dims[3], 1};
    kernel = f;
    for (unsigned y = 0; y < gridDim.y; y++)
        for (unsigned x = 0; x < gridDim.x; x++) {
            blockIdx = {x, y, 0};
            run_block(reversed);
        }
}

#define __global__ static
#define __device__ static

// Shared memory begins as garbage in every block: what a thread reads before another has written it is NaN.
#ifdef __ELF__
#define __shared__ static __attribute__((section("shared")))
extern char __start_shared[], __stop_shared[];  // the linker's names for the ends of the section
static void forget_shared_memory() { std::memset(__start_shared, 0xff, __stop_shared - __start_shared); }
#else
#define __shared__ static
static void forget_shared_memory() {}
#endif

static inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return (unsigned long long)(((unsigned __int128)a * b) >> 64);
}
