// The operations of reference.py as CUDA kernels: one each, where array code takes several, and one for some that follow
// each other (fusion.py).
//
// Arrays are row-major, (rows, cols); REAL is float or double. The threads of a block work together through shared
// memory only, and every sum is a fixed tree without atomics: two runs agree in every bit, and the tests can run this
// file on a CPU. `counter`, `table` and `halted` are null except in a CUDA graph, which is replayed with the very
// arguments of its first time: there the count of steps, numbers that follow a schedule, and whether the game has met a
// number that is not finite are read from the device.

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

#define EACH_ELEMENT(i, size) \
    for (u64 i = blockIdx.x * (u64)blockDim.x + threadIdx.x; i < (size); i += gridDim.x * (u64)blockDim.x)

// The column of element i of an array (rows, cols): a division of 64 bits takes three times as long as one of 32.
__device__ int column(u64 i, int cols) { return i >> 32 ? (int)(i % cols) : (int)((u32)i % (u32)cols); }

// Where there are many rows, blocks share them: block blockIdx.y of gridDim.y has chunk blockIdx.y.
__device__ int chunk_begin(int k, int chunks, int rows) { return min(rows, k * ((rows + chunks - 1) / chunks)); }
__device__ int chunk_rows(int k, int chunks, int rows) {
    return chunk_begin(k + 1, chunks, rows) - chunk_begin(k, chunks, rows);
}

// A thread goes through the rows of its column in steps of blockDim.y: AHEAD of them are loaded before the first is
// used, so that memory answers all at once.
#define AHEAD 4
template <class Load, class Use> __device__ void each_row(int rows, Load load, Use use) {
    int begin = chunk_begin(blockIdx.y, gridDim.y, rows), end = chunk_begin(blockIdx.y + 1, gridDim.y, rows);
    for (int r = begin + threadIdx.y; r < end; r += AHEAD * blockDim.y) {
        decltype(load(0)) loaded[AHEAD];
        for (int k = 0; k < AHEAD; k++)
            if (r + k * (int)blockDim.y < end) loaded[k] = load(r + k * blockDim.y);
        for (int k = 0; k < AHEAD; k++)
            if (r + k * (int)blockDim.y < end) use(r + k * blockDim.y, loaded[k]);
    }
}

// A count: a number, or so many more than the device has counted.
__device__ u64 now(u64 value, const u64 *counter) { return counter ? *counter + value : value; }

// Σ of a and of b over threadIdx.y, a power of two of them; every thread gets the sums.
template <class T> __device__ void add_up(T &a, T &b) {
    __shared__ T sums[2][1024];
    int i = threadIdx.y * blockDim.x + threadIdx.x;
    sums[0][i] = a;
    sums[1][i] = b;
    __syncthreads();
    for (int half = blockDim.y / 2; half > 0; half /= 2) {
        if (threadIdx.y < half) {
            sums[0][i] += sums[0][i + half * blockDim.x];
            sums[1][i] += sums[1][i + half * blockDim.x];
        }
        __syncthreads();
    }
    a = sums[0][threadIdx.x];
    b = sums[1][threadIdx.x];
    __syncthreads();  // before anybody writes the next sums
}

// Σ over the chunks of column c, of two arrays (chunks, cols); every thread of the column gets the sums.
template <class T> __device__ void over_chunks(const T *a, const T *b, int chunks, int cols, int c, T &sum_a, T &sum_b) {
    sum_a = sum_b = 0;
    if (c < cols) for (int k = threadIdx.y; k < chunks; k += blockDim.y) {
        sum_a += a[k * (u64)cols + c];
        sum_b += b[k * (u64)cols + c];
    }
    add_up(sum_a, sum_b);
}

// --- activations, and their slopes written through y = φ(x); see nn/activations.py

enum { IDENTITY, LEAKY, TANH, SIGMOID, SOFTPLUS };

__device__ REAL phi(REAL x, int act, REAL leak) {
    switch (act) {
        case LEAKY: return x > 0 ? x : leak * x;
        case TANH: return tanh(x);
        case SIGMOID: return REAL(0.5) * tanh(REAL(0.5) * x) + REAL(0.5);
        case SOFTPLUS: return fmax(x, REAL(0)) + log1p(exp(-fabs(x)));
        default: return x;
    }
}

__device__ REAL slope(REAL y, int act, REAL leak) {
    switch (act) {
        case LEAKY: return y > 0 ? REAL(1) : leak;
        case TANH: return 1 - y * y;
        case SIGMOID: return y * (1 - y);
        case SOFTPLUS: return -expm1(-y);
        default: return 1;
    }
}

// --- random numbers: Philox4x64-10, as in philox.py

// The 8 words of one block of the stream (seed, purpose, step, lane).
__device__ void words(u32 *out, u64 block, u64 seed, u64 purpose, u64 step, u64 lane) {
    const u64 M0 = 0xD2E7470EE14C6C93, M1 = 0xCA5A826395121157;
    u64 c0 = block, c1 = step, c2 = lane, c3 = 0, k0 = seed, k1 = purpose;
    for (int round = 0; round < 10; round++) {
        u64 high0 = __umul64hi(M0, c0), low0 = M0 * c0, high1 = __umul64hi(M1, c2), low1 = M1 * c2;
        c0 = high1 ^ c1 ^ k0;
        c1 = low1;
        c2 = high0 ^ c3 ^ k1;
        c3 = low0;
        k0 += 0x9E3779B97F4A7C15;
        k1 += 0xBB67AE8584CAA73B;
    }
    const u64 c[4] = {c0, c1, c2, c3};
    for (int j = 0; j < 8; j++) out[j] = (u32)(c[j / 2] >> (j % 2 ? 32 : 0));
}

__device__ float unit(u32 word) { return (float)(word >> 8) * (1.0f / 16777216); }  // in [0, 1)

extern "C" {

// Of a stream's numbers those from `first` on. A thread has those of a block: numbers i before `first` are nobody's.
__global__ void uniform(
    REAL *out, u64 size, u64 first, u64 seed, u64 purpose, u64 step, const u64 *counter, u64 lane
) {
    EACH_ELEMENT(block, (size + first % 8 + 7) / 8) {
        u32 w[8];
        words(w, first / 8 + block + 1, seed, purpose, now(step, counter), lane);
        for (int j = 0; j < 8; j++) {
            u64 i = 8 * block + j - first % 8;
            if (i < size) out[i] = unit(w[j]);
        }
    }
}

__global__ void normal(
    REAL *out, u64 size, u64 first, u64 seed, u64 purpose, u64 step, const u64 *counter, u64 lane
) {
    EACH_ELEMENT(block, (size + first % 8 + 7) / 8) {
        u32 w[8];
        words(w, first / 8 + block + 1, seed, purpose, now(step, counter), lane);
        for (int j = 0; j < 8; j++) {  // Box and Muller: a pair of words, a pair of normals
            u64 i = 8 * block + j - first % 8;
            if (i >= size) continue;
            float radius = sqrt(-2.0f * log(1.0f - unit(w[j & ~1]))), angle = 6.2831853f * unit(w[j | 1]);
            out[i] = radius * (j % 2 ? sin(angle) : cos(angle));
        }
    }
}

// Numbers of the pool (2^20 of them, as in philox.py), from the place on that the stream names.
__global__ void pooled(
    REAL *out, u64 size, u64 first, const REAL *pool, u64 seed, u64 purpose, u64 step, const u64 *counter, u64 lane
) {
    u32 w[8];
    words(w, 1, seed, purpose, now(step, counter), lane);
    EACH_ELEMENT(i, size) out[i] = pool[((w[0] >> 12) + first + i) & ((1 << 20) - 1)];
}

// Positions turn · size, ... of the endless sequence of shuffled epochs of n items; `half` bits make half a number.
__device__ u64 shuffled(u64 position, u64 n, int half, u64 seed) {
    u32 keys[8], value = (u32)(position % n), mask = (1u << half) - 1;
    words(keys, 1, seed, 3, position / n, 0);  // 3: Purpose.SHUFFLE
    do {
        u32 left = value >> half, right = value & mask;
        for (int k = 0; k < 6; k++) {
            u32 mixed = (right + keys[k]) * 0x85EBCA6Bu, old = right;
            mixed = (mixed ^ (mixed >> 13)) * 0xC2B2AE35u;
            right = left ^ ((mixed ^ (mixed >> 16)) & mask);
            left = old;
        }
        value = (left << half) | right;
    } while (value >= n);
    return value;
}

// One block for each row: bytes are mapped to [−1, 1], REALs are copied.
__global__ void draw(
    const void *data, int bytes, REAL *out, int cols, u64 first, u64 n, int half, u64 turn, const u64 *counter,
    u64 size, u64 seed
) {
    __shared__ u64 from;
    if (threadIdx.x == 0) from = shuffled(now(turn, counter) * size + first + blockIdx.x, n, half, seed) * cols;
    __syncthreads();
    for (int c = threadIdx.x; c < cols; c += blockDim.x)
        out[blockIdx.x * (u64)cols + c] =
            bytes ? ((const u8 *)data)[from + c] * REAL(2.0 / 255) - 1 : ((const REAL *)data)[from + c];
}

// The way back: one block for each sample, which replaces what draw would find, unless one of the next epoch does.
__global__ void replace(
    REAL *data, const REAL *samples, int cols, u64 n, int half, u64 turn, const u64 *counter, u64 size, u64 seed
) {
    __shared__ u64 to;
    __shared__ int replaced;
    u64 first = now(turn, counter) * size, own = first + blockIdx.x;
    if (threadIdx.x == 0) {
        to = shuffled(own, n, half, seed);
        replaced = 0;
    }
    __syncthreads();
    for (u64 later = own + 1 + threadIdx.x; later < first + gridDim.x; later += blockDim.x)
        if (later / n != own / n && shuffled(later, n, half, seed) == to) replaced = 1;
    __syncthreads();
    if (replaced) return;
    for (int c = threadIdx.x; c < cols; c += blockDim.x) data[to * cols + c] = samples[blockIdx.x * (u64)cols + c];
}

// --- layers

__global__ void bias_act(const REAL *x, const REAL *bias, REAL *out, u64 size, int cols, int act, REAL leak) {
    EACH_ELEMENT(i, size) out[i] = phi(bias ? x[i] + bias[column(i, cols)] : x[i], act, leak);
}

// out = φ′ · dy.
__global__ void act_grad(const REAL *dy, const REAL *y, REAL *out, u64 size, int act, REAL leak) {
    EACH_ELEMENT(i, size) out[i] = dy[i] * slope(act ? y[i] : 0, act, leak);
}

// out = φ′ · dy if out is there, and its column sums; a block takes blockDim.x columns. chunks: null, or where the sum
// of each chunk goes instead.
__global__ void bias_act_grad(
    const REAL *dy, const REAL *y, REAL *out, REAL *total, REAL *chunks, int accumulate, int rows, int cols, int act,
    REAL leak
) {
    struct Two { REAL g, y; };
    int c = blockIdx.x * blockDim.x + threadIdx.x;
    REAL sum = 0, none = 0;
    auto load = [=](int r) { u64 i = r * (u64)cols + c; return Two{dy[i], act ? y[i] : 0}; };
    auto use = [&](int r, Two at) {
        REAL g = at.g * slope(at.y, act, leak);
        if (out) out[r * (u64)cols + c] = g;
        sum += g;
    };
    if (c < cols) each_row(rows, load, use);
    add_up(sum, none);
    if (c >= cols || threadIdx.y) return;
    if (chunks) chunks[blockIdx.y * (u64)cols + c] = sum;
    else total[c] = accumulate ? total[c] + sum : sum;
}

__global__ void add_chunks(const REAL *partial, int chunks, REAL *total, int accumulate, int cols) {
    int c = blockIdx.x * blockDim.x + threadIdx.x;
    REAL sum, same;
    over_chunks(partial, partial, chunks, cols, c, sum, same);
    if (c < cols && threadIdx.y == 0) total[c] = accumulate ? total[c] + sum : sum;
}

// Of x (rows, pieces, cols) the largest pieces, and which they are: the first of equal ones.
__global__ void maxout(const REAL *x, REAL *out, int *winners, int pieces, u64 size, int cols) {
    EACH_ELEMENT(i, size) {
        int c = column(i, cols);
        const REAL *piece = x + (i - c) * pieces + c;
        REAL best = piece[0];
        int won = 0;
        for (int j = 1; j < pieces; j++) {
            REAL one = piece[j * (u64)cols];
            if (one > best || one != one) best = one, won = j;  // a NaN wins, and stays
        }
        out[i] = best;
        winners[i] = won;
    }
}

__global__ void maxout_grad(const REAL *dy, const int *winners, REAL *out, int pieces, u64 size, int cols) {
    EACH_ELEMENT(i, size) {
        int c = column(i, cols);
        for (int j = 0; j < pieces; j++) out[(i - c) * pieces + j * (u64)cols + c] = winners[i] == j ? dy[i] : REAL(0);
    }
}

__global__ void maxout_tangent(const REAL *xdot, const int *winners, REAL *out, int pieces, u64 size, int cols) {
    EACH_ELEMENT(i, size) {
        int c = column(i, cols);
        out[i] = xdot[(i - c) * pieces + winners[i] * (u64)cols + c];
    }
}

// μ ← momentum · μ + (1 − momentum) · mean, and v likewise with the unbiased variance, n/(n−1) times the biased one,
// unless the result is not finite.
__device__ void follow(REAL *running, int i, REAL momentum, REAL batch) {
    REAL moved = momentum * running[i] + (1 - momentum) * batch;
    if (isfinite(moved)) running[i] = moved;
}

#define TRACK REAL *running_mean, REAL *running_var, REAL momentum, REAL unbiased, const int *halted

__global__ void track(const REAL *mean, const REAL *var, u64 size, TRACK) {
    if (halted && *halted) return;
    EACH_ELEMENT(i, size) {
        follow(running_mean, i, momentum, mean[i]);
        follow(running_var, i, momentum, unbiased * var[i]);
    }
}

// x ← φ₀(x + bias) first, if `before` says so; then each column by its own mean and variance; and then the running ones
// follow, if they are there.
__global__ void batchnorm(
    REAL *x, int before, const REAL *bias, int act0, REAL leak0, const REAL *gamma, const REAL *beta, REAL eps,
    REAL *out, REAL *mean, REAL *var, REAL *inv_std, int rows, int cols, int act, REAL leak, TRACK
) {
    int c = blockIdx.x * blockDim.x + threadIdx.x, still = halted ? *halted : 0;
    REAL m = 0, v = 0, none = 0, b = c < cols && bias ? bias[c] : 0;
    REAL scale = c < cols ? gamma[c] : 0, shift = c < cols ? beta[c] : 0;  // asked for before anybody waits
    auto load = [=](int r) { return x[r * (u64)cols + c]; };
    if (c < cols) each_row(rows, load, [&](int r, REAL at) {
        if (before) x[r * (u64)cols + c] = at = phi(bias ? at + b : at, act0, leak0);
        m += at;
    });
    add_up(m, none);
    m /= rows;
    if (c < cols) each_row(rows, load, [&](int r, REAL at) { v += (at - m) * (at - m); });
    add_up(v, none);
    v /= rows;
    if (c >= cols) return;
    REAL s = 1 / sqrt(v + eps);
    if (threadIdx.y == 0) {
        mean[c] = m, var[c] = v, inv_std[c] = s;
        if (running_mean && !still) {
            follow(running_mean, c, momentum, m);
            follow(running_var, c, momentum, unbiased * v);
        }
    }
    each_row(rows, load, [&](int r, REAL at) { out[r * (u64)cols + c] = phi(scale * ((at - m) * s) + shift, act, leak); });
}

// The same where blocks share the rows, in two kernels: of each chunk the sum, and the squares of what its own mean
// leaves; and the rest (Chan, Golub and LeVeque 1979, "Updating Formulae and a Pairwise Algorithm").
__global__ void batchnorm_chunks(
    REAL *x, int before, const REAL *bias, int act0, REAL leak0, REAL *sums, REAL *squares, int rows, int cols
) {
    int c = blockIdx.x * blockDim.x + threadIdx.x, n = chunk_rows(blockIdx.y, gridDim.y, rows);
    REAL sum = 0, v = 0, none = 0, b = c < cols && bias ? bias[c] : 0;
    auto load = [=](int r) { return x[r * (u64)cols + c]; };
    if (c < cols) each_row(rows, load, [&](int r, REAL at) {
        if (before) x[r * (u64)cols + c] = at = phi(bias ? at + b : at, act0, leak0);
        sum += at;
    });
    add_up(sum, none);
    REAL m = sum / max(n, 1);
    if (c < cols) each_row(rows, load, [&](int r, REAL at) { v += (at - m) * (at - m); });
    add_up(v, none);
    if (c >= cols || threadIdx.y) return;
    sums[blockIdx.y * (u64)cols + c] = sum;
    squares[blockIdx.y * (u64)cols + c] = v;
}

__global__ void normalize_chunks(
    const REAL *x, const REAL *sums, const REAL *squares, const REAL *gamma, const REAL *beta, REAL eps, REAL *out,
    REAL *mean, REAL *var, REAL *inv_std, int rows, int cols, int act, REAL leak, TRACK
) {
    int c = blockIdx.x * blockDim.x + threadIdx.x, chunks = gridDim.y, still = halted ? *halted : 0;
    REAL m, v, between = 0, none = 0, scale = c < cols ? gamma[c] : 0, shift = c < cols ? beta[c] : 0;
    over_chunks(sums, squares, chunks, cols, c, m, v);
    m /= rows;
    if (c < cols) for (int k = threadIdx.y; k < chunks; k += blockDim.y) {
        int n = chunk_rows(k, chunks, rows);
        REAL off = sums[k * (u64)cols + c] / max(n, 1) - m;
        between += n * off * off;
    }
    add_up(between, none);
    v = (v + between) / rows;
    if (c >= cols) return;
    REAL s = 1 / sqrt(v + eps);
    if (threadIdx.y == 0 && blockIdx.y == 0) {
        mean[c] = m, var[c] = v, inv_std[c] = s;
        if (running_mean && !still) {
            follow(running_mean, c, momentum, m);
            follow(running_var, c, momentum, unbiased * v);
        }
    }
    auto load = [=](int r) { return x[r * (u64)cols + c]; };
    each_row(rows, load, [&](int r, REAL at) { out[r * (u64)cols + c] = phi(scale * ((at - m) * s) + shift, act, leak); });
}

__global__ void normalize(
    const REAL *x, const REAL *gamma, const REAL *beta, const REAL *mean, const REAL *inv_std, REAL *out, u64 size,
    int cols, int act, REAL leak
) {
    EACH_ELEMENT(i, size) {
        int c = column(i, cols);
        out[i] = phi(gamma[c] * ((x[i] - mean[c]) * inv_std[c]) + beta[c], act, leak);
    }
}

// The way back through φ: g over dy, and the sums of g and of g x̂ over a column's rows.
__device__ void back_through_phi(
    REAL *dy, const REAL *y, const REAL *x, REAL m, REAL s, int rows, int cols, int c, int act, REAL leak, REAL &sum,
    REAL &weighted
) {
    struct Three { REAL g, y, x; };
    auto load = [=](int r) { u64 i = r * (u64)cols + c; return Three{dy[i], act ? y[i] : 0, x[i]}; };
    if (c < cols) each_row(rows, load, [&](int r, Three at) {
        REAL g = at.g * slope(at.y, act, leak);
        dy[r * (u64)cols + c] = g;
        sum += g;
        weighted += g * ((at.x - m) * s);
    });
    add_up(sum, weighted);
}

// Back through φ and the normalisation, and then, if `before` says so, through φ₀ and the bias that made x.
__global__ void batchnorm_grad(
    REAL *dy, const REAL *y, const REAL *x, const REAL *gamma, const REAL *mean, const REAL *inv_std, REAL *dgamma,
    REAL *dbeta, int from_batch, int rows, int cols, int act, REAL leak, int before, REAL *dbias, int accumulate,
    int act0, REAL leak0
) {
    struct Two { REAL g, x; };
    int c = blockIdx.x * blockDim.x + threadIdx.x;
    REAL sum = 0, weighted = 0, m = c < cols ? mean[c] : 0, s = c < cols ? inv_std[c] : 0;
    REAL scale = c < cols ? gamma[c] * s : 0;
    back_through_phi(dy, y, x, m, s, rows, cols, c, act, leak, sum, weighted);
    REAL total = 0, none = 0;
    if (c < cols) {
        if (threadIdx.y == 0) dbeta[c] = sum, dgamma[c] = weighted;
        REAL a = from_batch ? sum / rows : 0, b = from_batch ? weighted / rows : 0;
        auto again = [=](int r) { u64 i = r * (u64)cols + c; return Two{dy[i], x[i]}; };
        each_row(rows, again, [&](int r, Two at) {
            REAL g = scale * (at.g - a - (at.x - m) * s * b);
            if (before) total += g *= slope(at.x, act0, leak0);
            dy[r * (u64)cols + c] = g;
        });
    }
    if (!dbias) return;
    add_up(total, none);
    if (c < cols && threadIdx.y == 0) dbias[c] = accumulate ? dbias[c] + total : total;
}

// The same where blocks share the rows: the sums of the chunks, and the rest; dbias is that of each chunk (add_chunks).
__global__ void batchnorm_grad_chunks(
    REAL *dy, const REAL *y, const REAL *x, const REAL *mean, const REAL *inv_std, REAL *sums, REAL *weights, int rows,
    int cols, int act, REAL leak
) {
    int c = blockIdx.x * blockDim.x + threadIdx.x;
    REAL sum = 0, weighted = 0, m = c < cols ? mean[c] : 0, s = c < cols ? inv_std[c] : 0;
    back_through_phi(dy, y, x, m, s, rows, cols, c, act, leak, sum, weighted);
    if (c >= cols || threadIdx.y) return;
    sums[blockIdx.y * (u64)cols + c] = sum;
    weights[blockIdx.y * (u64)cols + c] = weighted;
}

__global__ void batchnorm_back_chunks(
    REAL *dy, const REAL *x, const REAL *gamma, const REAL *mean, const REAL *inv_std, const REAL *sums,
    const REAL *weights, REAL *dgamma, REAL *dbeta, int from_batch, int rows, int cols, int before, REAL *dbias,
    int act0, REAL leak0
) {
    struct Two { REAL g, x; };
    int c = blockIdx.x * blockDim.x + threadIdx.x;
    REAL sum, weighted, total = 0, none = 0, m = c < cols ? mean[c] : 0, s = c < cols ? inv_std[c] : 0;
    REAL scale = c < cols ? gamma[c] * s : 0;
    over_chunks(sums, weights, gridDim.y, cols, c, sum, weighted);
    if (c < cols) {
        if (threadIdx.y == 0 && blockIdx.y == 0) dbeta[c] = sum, dgamma[c] = weighted;
        REAL a = from_batch ? sum / rows : 0, b = from_batch ? weighted / rows : 0;
        auto load = [=](int r) { u64 i = r * (u64)cols + c; return Two{dy[i], x[i]}; };
        each_row(rows, load, [&](int r, Two at) {
            REAL g = scale * (at.g - a - (at.x - m) * s * b);
            if (before) total += g *= slope(at.x, act0, leak0);
            dy[r * (u64)cols + c] = g;
        });
    }
    if (!dbias) return;
    add_up(total, none);
    if (c < cols && threadIdx.y == 0) dbias[blockIdx.y * (u64)cols + c] = total;
}

// --- a Dense layer with one output, such as D's last: a product that is too thin for cuBLAS

// logits = y w + b, a block for each row; y ← φ(y + bias) first, if `before` says so.
__global__ void head(
    REAL *y, int before, const REAL *bias, int act, REAL leak, const REAL *w, const REAL *b, REAL *logits, int cols
) {
    REAL sum = 0, none = 0, *row = y + blockIdx.x * (u64)cols, end = b ? b[0] : 0;
    for (int c = threadIdx.y; c < cols; c += blockDim.y) {
        REAL at = row[c];
        if (before) row[c] = at = phi(bias ? at + bias[c] : at, act, leak);
        sum += at * w[c];
    }
    add_up(sum, none);
    if (threadIdx.y == 0) logits[blockIdx.x] = b ? sum + end : sum;
}

// Back through it, and through the φ and the bias that made y: out = φ′ · g wᵀ, its column sums in `dbias`, and
// dw = gᵀ y, db = Σ g. Each of the three sums is left out where it is null.
__global__ void head_grad(
    const REAL *g, const REAL *w, const REAL *y, REAL *out, REAL *dbias, int add_dbias, REAL *dw, int add_dw, REAL *db,
    int add_db, int rows, int cols, int act, REAL leak
) {
    struct Two { REAL g, y; };
    int c = blockIdx.x * blockDim.x + threadIdx.x;
    REAL sum = 0, weighted = 0, all = 0, none = 0, weight = c < cols ? w[c] : 0;
    auto load = [=](int r) { return Two{g[r], y[r * (u64)cols + c]}; };
    if (c < cols) each_row(rows, load, [&](int r, Two at) {
        REAL back = at.g * weight * slope(at.y, act, leak);
        out[r * (u64)cols + c] = back;
        sum += back;
        weighted += at.g * at.y;
        all += at.g;
    });
    if (!dw) return;
    add_up(sum, weighted);
    if (db && blockIdx.x == 0) add_up(all, none);
    if (c >= cols || threadIdx.y) return;
    if (dbias) dbias[c] = add_dbias ? dbias[c] + sum : sum;
    dw[c] = add_dw ? dw[c] + weighted : weighted;
    if (db && c == 0) *db = add_db ? *db + all : all;
}

// --- convolutions: images (H, W, C) and their windows (oh, ow, kh, kw, C), sy and sx pixels apart from (−py, −px) on

#define WINDOWS int H, int W, int C, int oh, int ow, int kh, int kw, int sy, int sx, int py, int px

// A block fills the windows of one row of places, (n, y), for one row of their pixels, i = blockIdx.y: kw · C numbers
// that lie next to each other in the image as well, so nothing has to be divided.
__global__ void patches(const REAL *x, REAL *out, WINDOWS) {
    u64 n = blockIdx.x / oh;
    int y = blockIdx.x % oh, i = blockIdx.y, h = y * sy + i - py, width = kw * C;
    const REAL *row = x + (n * H + h) * (u64)W * C;
    for (int z = threadIdx.y; z < ow; z += blockDim.y) {
        int first = (z * sx - px) * C;  // where the window begins in the image's row
        REAL *window = out + ((blockIdx.x * (u64)ow + z) * kh + i) * width;
        for (int t = threadIdx.x; t < width; t += AHEAD * blockDim.x) {
            REAL loaded[AHEAD];
            for (int k = 0; k < AHEAD; k++) {
                int u = t + k * blockDim.x, at = first + u;
                loaded[k] = u < width && h >= 0 && h < H && at >= 0 && at < W * C ? row[at] : REAL(0);
            }
            for (int k = 0; k < AHEAD; k++)
                if (t + k * (int)blockDim.x < width) window[t + k * blockDim.x] = loaded[k];
        }
    }
}

// Each pixel adds up what the windows have at its place, in the order of i and j; blocks of a row make a row of pixels,
// (n, h). AHEAD windows are loaded at once: of kernels twice as wide as their stride, all that have the pixel.
__global__ void fold(const REAL *patches, REAL *out, WINDOWS) {
    u64 n = blockIdx.x / H;
    int h = blockIdx.x % H + py, i0 = h % sy, y0 = h / sy, window = kh * kw * C;
    for (int v = blockIdx.y * blockDim.y + threadIdx.y; v < W; v += gridDim.y * blockDim.y) {
        int z0 = (v + px) / sx, j0 = v + px - z0 * sx;
        for (int c = threadIdx.x; c < C; c += blockDim.x) {
            REAL sum = 0;
            int i = i0, y = y0, j = j0, z = z0;
            while (i < kh && y >= 0) {
                REAL loaded[AHEAD];
                for (int k = 0; k < AHEAD; k++) {
                    bool there = i < kh && j < kw && y >= 0 && y < oh && z >= 0 && z < ow;
                    loaded[k] = there ? patches[((n * oh + y) * ow + z) * window + (i * kw + j) * C + c] : REAL(0);
                    j += sx, z--;
                    if (j >= kw) j = j0, z = z0, i += sy, y--;
                }
                for (int k = 0; k < AHEAD; k++) sum += loaded[k];
            }
            out[(blockIdx.x * (u64)W + v) * C + c] = sum;
        }
    }
}

// --- losses and metrics; one block each

// Of one logit: the gradient of n times the mean cross-entropy against `target`, and that cross-entropy.
__device__ void cross_entropy(REAL logit, REAL target, REAL &grad, REAL &loss) {
    REAL size = fabs(logit), tail = exp(-size), small = tail / (1 + tail);
    REAL off = logit >= 0 ? 1 - target : target;  // |t − the side that D is on|
    grad = logit >= 0 ? off - small : small - off;
    loss = off * size + log1p(tail);
}

__device__ REAL logistic_sum(const REAL *logits, REAL target, REAL *grad, int n) {
    REAL sum = 0, none = 0;
    for (int i = threadIdx.y; i < n; i += blockDim.y) {
        REAL g, loss;
        cross_entropy(logits[i], target, g, loss);
        grad[i] = g / n;
        sum += loss / n;
    }
    add_up(sum, none);
    return sum;
}

__device__ void verdicts_of(const REAL *logits, int n, int fake, REAL *probability, REAL *share) {
    REAL sum = 0, right = 0;
    for (int i = threadIdx.y; i < n; i += blockDim.y) {
        REAL tail = exp(-fabs(logits[i]));
        sum += (logits[i] >= 0 ? 1 : tail) / (1 + tail);
        right += fake ? logits[i] <= 0 : logits[i] > 0;
    }
    add_up(sum, right);
    if (threadIdx.y == 0) *probability = sum / n, *share = right / n;
}

__global__ void logistic(const REAL *logits, REAL target, REAL *grad, REAL *loss, int n) {
    REAL sum = logistic_sum(logits, target, grad, n);
    if (threadIdx.y == 0) *loss = sum;
}

__global__ void verdicts(const REAL *real, int n_real, const REAL *fake, int n_fake, REAL *says) {
    verdicts_of(real, n_real, 0, says, says + 2);
    verdicts_of(fake, n_fake, 1, says + 1, says + 3);
}

// D's loss on both, its gradients, and what `verdicts` says.
__global__ void classify(
    const REAL *real, int n_real, const REAL *fake, int n_fake, REAL target, REAL *dreal, REAL *dfake, REAL *says
) {
    REAL sum = logistic_sum(real, target, dreal, n_real);
    sum += logistic_sum(fake, 0, dfake, n_fake);
    if (threadIdx.y == 0) says[0] = sum;
    verdicts_of(real, n_real, 0, says + 1, says + 3);
    verdicts_of(fake, n_fake, 1, says + 2, says + 4);
}

// √Σx², in double, in which no float can overflow: each block leaves its sum in `partial`, and the one that comes
// last adds them up in their order. Where there is a loss and it or the norm is not finite, `halted` is set to `stage`.
__global__ void grad_norm(
    const REAL *x, u64 size, double *partial, u32 *arrived, REAL *result, const REAL *loss, int *halted, int stage
) {
    __shared__ int last;
    double sum = 0, none = 0;
    u64 threads = gridDim.x * (u64)blockDim.y;
    for (u64 i = blockIdx.x * (u64)blockDim.y + threadIdx.y; i < size; i += AHEAD * threads) {
        REAL loaded[AHEAD];
        for (int k = 0; k < AHEAD; k++) loaded[k] = i + k * threads < size ? x[i + k * threads] : 0;
        for (int k = 0; k < AHEAD; k++) sum += (double)loaded[k] * loaded[k];
    }
    add_up(sum, none);
    if (threadIdx.y == 0) {
        partial[blockIdx.x] = sum;
        __threadfence();  // the others see the sum before they see that this block has arrived
        last = atomicAdd(arrived, 1) == gridDim.x - 1;
    }
    __syncthreads();
    if (!last) return;
    sum = 0;
    for (int i = threadIdx.y; i < (int)gridDim.x; i += blockDim.y) sum += ((volatile double *)partial)[i];
    add_up(sum, none);
    if (threadIdx.y) return;
    *arrived = 0;
    *result = (REAL)sqrt(sum);
    if (loss && !*halted && !(isfinite(*loss) && isfinite(*result))) *halted = stage;
}

// --- update rules: with two numbers a and b that depend on the count of updates (factors.py), or those that the table
// has for it

#define UPDATE double a, double b, const double *table, u64 length, u64 place, const u64 *counter, const int *halted
#define FACTORS                                                                        \
    const int still = halted ? *halted : 0; /* asked for together with the count */    \
    if (table) {                                                                       \
        const double *pair = table + 2 * (now(place, counter) % length);               \
        a = pair[0], b = pair[1];                                                      \
    }                                                                                  \
    if (still) return;                                                                 \
    const REAL A = a, B = b;                                                           \
    (void)B

// p ← p − a v
__global__ void sgd(REAL *p, const REAL *g, REAL *v, u64 size, double momentum, UPDATE) {
    FACTORS;
    EACH_ELEMENT(i, size) {
        v[i] = (REAL)momentum * v[i] + g[i];
        p[i] -= A * v[i];
    }
}

// p ← p − a g/(√s + b)
__global__ void rmsprop(REAL *p, const REAL *g, REAL *s, u64 size, double decay, UPDATE) {
    FACTORS;
    EACH_ELEMENT(i, size) {
        s[i] = (REAL)decay * s[i] + g[i] * g[i];
        p[i] -= A * g[i] / (sqrt(s[i]) + B);
    }
}

// p ← p − a m/(√v + b)
__global__ void adam(REAL *p, const REAL *g, REAL *m, REAL *v, u64 size, double beta1, double beta2, UPDATE) {
    FACTORS;
    EACH_ELEMENT(i, size) {
        REAL mi = (REAL)beta1 * m[i] + g[i], vi = (REAL)beta2 * v[i] + g[i] * g[i];
        m[i] = mi;
        v[i] = vi;
        p[i] -= A * mi / (sqrt(vi) + B);
    }
}

// With the step s of the time before: p ← p + 2 s' − s.
__global__ void optimistic_adam(
    REAL *p, const REAL *g, REAL *m, REAL *v, REAL *s, u64 size, double beta1, double beta2, UPDATE
) {
    FACTORS;
    EACH_ELEMENT(i, size) {
        m[i] = (REAL)beta1 * m[i] + g[i];
        v[i] = (REAL)beta2 * v[i] + g[i] * g[i];
        REAL step = -A * m[i] / (sqrt(v[i]) + B);
        p[i] += 2 * step - s[i];
        s[i] = step;
    }
}

// mean ← mean + a (x − mean)
__global__ void average(REAL *mean, const REAL *x, u64 size, UPDATE) {
    FACTORS;
    EACH_ELEMENT(i, size) mean[i] += A * (x[i] - mean[i]);
}

// noise ← x + a · noise
__global__ void add_scaled(REAL *noise, const REAL *x, u64 size, UPDATE) {
    FACTORS;
    EACH_ELEMENT(i, size) noise[i] = x[i] + A * noise[i];
}

// --- the end of a step

// Where a loss or a norm is not finite, `halted` is set to `stage`.
__global__ void watch(const REAL *loss, const REAL *norm, int *halted, int stage) {
    if (!*halted && !(isfinite(*loss) && isfinite(*norm))) *halted = stage;
}

// Writes metrics, which lie at these addresses, as a row of a table, and moves the counts of a graph: each by what it has
// advanced (a row of `advances` for each count), or where the step has halted, by what it had advanced until then. After
// that `halted` is −1, and later replays count nothing.
__global__ void finish(
    const u64 *scalars, int n_scalars, REAL *table, u64 length, u64 row, const u64 *counter, u64 *counts,
    const int *slots, int n_counts, const int *advances, int stages, int *halted
) {
    int i = threadIdx.x;
    if (i < n_scalars)
        table[(now(row, counter) % length) * n_scalars + i] = *(const REAL *)scalars[i];
    __syncthreads();  // `counter` is among the counts
    if (!halted || *halted < 0) return;
    int stage = *halted;
    if (i < n_counts) counts[slots[i]] += advances[i * stages + stage];
    __syncthreads();
    if (i == 0 && stage) *halted = -1;
}

}
