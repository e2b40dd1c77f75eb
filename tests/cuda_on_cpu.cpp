// Lets a CPU run CUDA kernels, slowly, so that they can be tested where there is no GPU.
//
// Blocks run one after the other, and so do the threads of a block: each until it waits at a barrier or ends, then the
// next. In the other order, the last block and the last thread first, kernels must give the same bits: a thread that
// reads what another has yet to write, for want of a barrier, does not.

#include <algorithm>
#include <cmath>
#include <csetjmp>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <ucontext.h>
#include <vector>

using std::exp, std::expm1, std::fabs, std::fmax, std::isfinite, std::log, std::log1p, std::pow, std::sin, std::cos;
using std::max, std::min, std::sqrt, std::tanh;

struct Index { unsigned x = 0, y = 0, z = 0; };
static Index threadIdx, blockIdx, blockDim, gridDim;

// Jumps between stacks. The compiler's own, where it has them, save three registers; `_setjmp` asks far more of libc.
#if defined(__GNUC__) && defined(__x86_64__)
using Place = void *[5];
#define leave_from(place) __builtin_setjmp(place)
#define go_to(place) __builtin_longjmp(place, 1)
#else
using Place = jmp_buf;
#define leave_from(place) _setjmp(place)
#define go_to(place) _longjmp(place, 1)
#endif

// A stack, made once and used for every block. Its top is elsewhere in its page than that of the next stack is: at the
// same place, a thousand of them would fight for a few lines of the cache. A thread that ends without having waited
// leaves its stack to the next one, so that a kernel without barriers is a mere loop.
struct Stack {
    Place at;
    bool begun = false;
    ucontext_t first;
    std::vector<char> memory = std::vector<char>(1 << 15);
};
static std::vector<Stack> stacks(1024);
static std::vector<Stack *> idle;
static Stack *mine;  // that of the thread which runs

enum State : char { NEW, WAITING, DONE };
static State states[1024];
static Stack *waits_on[1024];
static Place scheduler;
static unsigned count, alive, turn;  // threads of the block; those that have not ended; whose turn it is, in order
static bool backwards;
static std::function<void()> kernel;

static void take_turn(unsigned next) {
    turn = next;
    unsigned i = backwards ? count - 1 - turn : turn;
    threadIdx = {i % blockDim.x, i / blockDim.x, 0};
}

static void body();

// Leaves this stack for that of the next thread, or for run_block after the last.
[[noreturn]] __attribute__((noinline)) static void go_on() {
    if (!alive) go_to(scheduler);
    do take_turn(turn + 1 < count ? turn + 1 : 0);
    while (states[turn] == DONE);
    if (states[turn] == WAITING) {
        mine = waits_on[turn];
        go_to(mine->at);
    }
    mine = idle.back();
    idle.pop_back();
    if (mine->begun) go_to(mine->at);
    mine->begun = true;
    getcontext(&mine->first);
    mine->first.uc_stack.ss_sp = mine->memory.data();
    mine->first.uc_stack.ss_size = mine->memory.size() - (mine - stacks.data()) % 64 * 64;
    makecontext(&mine->first, body, 0);
    setcontext(&mine->first);
    abort();
}

__attribute__((noinline)) static void __syncthreads() {
    states[turn] = WAITING;
    waits_on[turn] = mine;
    if (!leave_from(mine->at)) go_on();
}

__attribute__((noinline)) static void rest() {
    idle.push_back(mine);
    if (!leave_from(mine->at)) go_on();
}

static void body() {
    for (;;) {
        kernel();
        states[turn] = DONE;
        alive--;
        if (turn + 1 < count && states[turn + 1] == NEW)
            take_turn(turn + 1);
        else
            rest();  // until another thread begins on this stack
    }
}

static void forget_shared_memory();

__attribute__((noinline)) static void run_block() {
    forget_shared_memory();
    count = alive = blockDim.x * blockDim.y;
    std::fill(states, states + count, NEW);
    turn = count - 1;  // so that the first is the next
    if (!leave_from(scheduler)) go_on();
}

static void run(const unsigned *dims, bool reversed, std::function<void()> f) {
    gridDim = {dims[0], dims[1], 1};
    blockDim = {dims[2], dims[3], 1};
    kernel = f;
    backwards = reversed;
    if (idle.empty())
        for (Stack &stack : stacks) idle.push_back(&stack);
    for (unsigned blocks = gridDim.x * gridDim.y, b = 0; b < blocks; b++) {
        unsigned i = backwards ? blocks - 1 - b : b;
        blockIdx = {i % gridDim.x, i / gridDim.x, 0};
        run_block();
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

static inline void __threadfence() {}

static inline unsigned atomicAdd(unsigned *place, unsigned value) {
    unsigned before = *place;
    *place += value;
    return before;
}

static inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return (unsigned long long)(((unsigned __int128)a * b) >> 64);
}
