// The operations of reference.py as CUDA kernels: one each, where array code takes several.
//
// Arrays are row-major, (rows, cols); REAL is float or double. The threads of a block work together through shared
// memory only, and every sum is a fixed tree without atomics: two runs agree in every bit, and the tests can run this
// file on a CPU. `counter`, `rates` and `halted` are null except in a CUDA graph, which is replayed with the very
// arguments of its first time: there the count of steps, the learning rates, and whether the game has met a number
// that is not finite are read from the device.

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

#define EACH_ELEMENT(i, size) \
    for (u64 i = blockIdx.x * (u64)blockDim.x + threadIdx.x; i < (size); i += gridDim.x * (u64)blockDim.x)
#define EACH_ROW(r) for (int r = blockIdx.y * blockDim.y + threadIdx.y; r < rows; r += gridDim.y * blockDim.y)

__device__ u64 now(u64 value, const u64 *counter) { return counter ? *counter : value; }

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

__device__ REAL slope(const REAL *y, u64 i, int act, REAL leak) {
    switch (act) {
        case LEAKY: return y[i] > 0 ? REAL(1) : leak;
        case TANH: return 1 - y[i] * y[i];
        case SIGMOID: return y[i] * (1 - y[i]);
        case SOFTPLUS: return -expm1(-y[i]);
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

// lr · m̂/(√v̂ + ε) = a m/(√v + b) in the update that makes it `updates`.
__device__ void adam_factors(REAL &a, REAL &b, double lr, double beta1, double beta2, double eps, double updates) {
    double c = sqrt((1 - beta2) / (1 - pow(beta2, updates)));
    a = lr * (1 - beta1) / (1 - pow(beta1, updates)) / c;
    b = eps / c;
}

__device__ float unit(u32 word) { return (float)(word >> 8) * (1.0f / 16777216); }  // in [0, 1)

extern "C" {

__global__ void uniform(REAL *out, u64 size, u64 seed, u64 purpose, u64 step, const u64 *counter, u64 lane) {
    EACH_ELEMENT(block, (size + 7) / 8) {
        u32 w[8];
        words(w, block + 1, seed, purpose, now(step, counter), lane);
        for (int j = 0; j < 8 && 8 * block + j < size; j++) out[8 * block + j] = unit(w[j]);
    }
}

__global__ void normal(REAL *out, u64 size, u64 seed, u64 purpose, u64 step, const u64 *counter, u64 lane) {
    EACH_ELEMENT(block, (size + 7) / 8) {
        u32 w[8];
        words(w, block + 1, seed, purpose, now(step, counter), lane);
        for (int j = 0; j < 8 && 8 * block + j < size; j++) {  // Box and Muller: a pair of words, a pair of normals
            float radius = sqrt(-2.0f * log(1.0f - unit(w[j & ~1]))), angle = 6.2831853f * unit(w[j | 1]);
            out[8 * block + j] = radius * (j % 2 ? sin(angle) : cos(angle));
        }
    }
}

// Positions turn · size, ... of the endless sequence of shuffled epochs of n items; `half` bits make half a number.
__global__ void minibatch(
    long long *out, u64 count, u64 n, int half, u64 turn, const u64 *counter, u64 size, u64 seed
) {
    EACH_ELEMENT(i, count) {
        u64 position = now(turn, counter) * size + i;
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
        out[i] = value;
    }
}

// Rows of data: bytes are mapped to [−1, 1], REALs are copied.
__global__ void gather(const void *data, int bytes, const long long *indices, REAL *out, int rows, int cols) {
    int c = blockIdx.x * blockDim.x + threadIdx.x;
    if (c < cols) EACH_ROW(r) {
        u64 from = indices[r] * (u64)cols + c;
        out[r * (u64)cols + c] = bytes ? ((const u8 *)data)[from] * REAL(2.0 / 255) - 1 : ((const REAL *)data)[from];
    }
}

// --- layers

__global__ void bias_act(const REAL *x, const REAL *bias, REAL *out, int rows, int cols, int act, REAL leak) {
    int c = blockIdx.x * blockDim.x + threadIdx.x;
    if (c < cols) EACH_ROW(r) {
        u64 i = r * (u64)cols + c;
        out[i] = phi(bias ? x[i] + bias[c] : x[i], act, leak);
    }
}

// out = φ′ · dy if out is there, and its column sums if total is; a block takes blockDim.x columns.
__global__ void bias_act_grad(
    const REAL *dy, const REAL *y, REAL *out, REAL *total, int accumulate, int rows, int cols, int act, REAL leak
) {
    int c = blockIdx.x * blockDim.x + threadIdx.x;
    REAL sum = 0, none = 0;
    if (c < cols) EACH_ROW(r) {
        u64 i = r * (u64)cols + c;
        REAL g = dy[i] * slope(y, i, act, leak);
        if (out) out[i] = g;
        sum += g;
    }
    if (!total) return;
    add_up(sum, none);
    if (c < cols && threadIdx.y == 0) total[c] = accumulate ? total[c] + sum : sum;
}

// Of x (rows, pieces, cols) the largest pieces, and which they are: the first of equal ones.
__global__ void maxout(const REAL *x, REAL *out, int *winners, int pieces, int rows, int cols) {
    int c = blockIdx.x * blockDim.x + threadIdx.x;
    if (c < cols) EACH_ROW(r) {
        const REAL *piece = x + r * (u64)pieces * cols + c;
        REAL best = piece[0];
        int won = 0;
        for (int j = 1; j < pieces; j++) {
            REAL one = piece[j * (u64)cols];
            if (one > best || one != one) best = one, won = j;  // a NaN wins, and stays
        }
        out[r * (u64)cols + c] = best;
        winners[r * (u64)cols + c] = won;
    }
}

__global__ void maxout_grad(const REAL *dy, const int *winners, REAL *out, int pieces, int rows, int cols) {
    int c = blockIdx.x * blockDim.x + threadIdx.x;
    if (c < cols) EACH_ROW(r) {
        u64 i = r * (u64)cols + c;
        for (int j = 0; j < pieces; j++) out[(r * (u64)pieces + j) * cols + c] = winners[i] == j ? dy[i] : REAL(0);
    }
}

__global__ void maxout_tangent(const REAL *xdot, const int *winners, REAL *out, int pieces, int rows, int cols) {
    int c = blockIdx.x * blockDim.x + threadIdx.x;
    if (c < cols) EACH_ROW(r) {
        u64 i = r * (u64)cols + c;
        out[i] = xdot[(r * (u64)pieces + winners[i]) * cols + c];
    }
}

__global__ void batchnorm(
    const REAL *x, const REAL *gamma, const REAL *beta, REAL eps, REAL *out, REAL *mean, REAL *var, REAL *inv_std,
    int rows, int cols, int act, REAL leak
) {
    int c = blockIdx.x * blockDim.x + threadIdx.x;
    REAL m = 0, v = 0, none = 0;
    if (c < cols) EACH_ROW(r) m += x[r * (u64)cols + c];
    add_up(m, none);
    m /= rows;
    if (c < cols) EACH_ROW(r) {
        REAL centred = x[r * (u64)cols + c] - m;
        v += centred * centred;
    }
    add_up(v, none);
    v /= rows;
    if (c >= cols) return;
    REAL s = 1 / sqrt(v + eps);
    if (threadIdx.y == 0) mean[c] = m, var[c] = v, inv_std[c] = s;
    EACH_ROW(r) {
        u64 i = r * (u64)cols + c;
        out[i] = phi(gamma[c] * ((x[i] - m) * s) + beta[c], act, leak);
    }
}

__global__ void normalize(
    const REAL *x, const REAL *gamma, const REAL *beta, const REAL *mean, const REAL *inv_std, REAL *out,
    int rows, int cols, int act, REAL leak
) {
    int c = blockIdx.x * blockDim.x + threadIdx.x;
    if (c < cols) EACH_ROW(r) {
        u64 i = r * (u64)cols + c;
        out[i] = phi(gamma[c] * ((x[i] - mean[c]) * inv_std[c]) + beta[c], act, leak);
    }
}

__global__ void batchnorm_grad(
    REAL *dy, const REAL *y, const REAL *x, const REAL *gamma, const REAL *mean, const REAL *inv_std, REAL *dgamma,
    REAL *dbeta, int from_batch, int rows, int cols, int act, REAL leak
) {
    int c = blockIdx.x * blockDim.x + threadIdx.x;
    REAL sum = 0, weighted = 0;
    if (c < cols) EACH_ROW(r) {
        u64 i = r * (u64)cols + c;
        REAL g = dy[i] * slope(y, i, act, leak);
        dy[i] = g;
        sum += g;
        weighted += g * ((x[i] - mean[c]) * inv_std[c]);
    }
    add_up(sum, weighted);
    if (c >= cols) return;
    if (threadIdx.y == 0) dbeta[c] = sum, dgamma[c] = weighted;
    REAL scale = gamma[c] * inv_std[c], a = from_batch ? sum / rows : 0, b = from_batch ? weighted / rows : 0;
    EACH_ROW(r) {
        u64 i = r * (u64)cols + c;
        dy[i] = scale * (dy[i] - a - (x[i] - mean[c]) * inv_std[c] * b);
    }
}

// unbiased: n/(n−1). What is not finite changes nothing.
__global__ void track(
    const REAL *mean, const REAL *var, REAL *running_mean, REAL *running_var, u64 size, REAL momentum, REAL unbiased,
    const int *halted
) {
    if (halted && *halted) return;
    EACH_ELEMENT(i, size) {
        REAL m = momentum * running_mean[i] + (1 - momentum) * mean[i];
        REAL v = momentum * running_var[i] + (1 - momentum) * unbiased * var[i];
        if (isfinite(m)) running_mean[i] = m;
        if (isfinite(v)) running_var[i] = v;
    }
}

// --- convolutions: images (H, W, C) and their windows (oh, ow, kh, kw, C), sy and sx pixels apart from (−py, −px) on

#define WINDOWS int H, int W, int C, int oh, int ow, int kh, int kw, int sy, int sx, int py, int px

__global__ void patches(const REAL *x, REAL *out, u64 size, WINDOWS) {
    EACH_ELEMENT(e, size) {
        u64 rest = e;
        int c = rest % C; rest /= C;
        int j = rest % kw; rest /= kw;
        int i = rest % kh; rest /= kh;
        int h = (int)(rest / ow % oh) * sy + i - py, v = (int)(rest % ow) * sx + j - px;
        u64 n = rest / ow / oh;
        out[e] = h >= 0 && h < H && v >= 0 && v < W ? x[((n * H + h) * W + v) * C + c] : REAL(0);
    }
}

// Each pixel adds up what the windows have at its place, in the order of i and j.
__global__ void fold(const REAL *patches, REAL *out, u64 size, WINDOWS) {
    EACH_ELEMENT(e, size) {
        u64 rest = e;
        int c = rest % C; rest /= C;
        int v = rest % W + px; rest /= W;
        int h = rest % H + py;
        u64 n = rest / H;
        REAL sum = 0;
        for (int i = h % sy; i < kh && i <= h; i += sy) {
            int y = (h - i) / sy;
            if (y < oh) for (int j = v % sx; j < kw && j <= v; j += sx) {
                int z = (v - j) / sx;
                if (z < ow) sum += patches[((((n * oh + y) * ow + z) * kh + i) * kw + j) * C + c];
            }
        }
        out[e] = sum;
    }
}

// --- losses and metrics; one block each

__global__ void logistic(const REAL *logits, REAL target, REAL *grad, REAL *loss, int n) {
    REAL sum = 0, none = 0;
    for (int i = threadIdx.y; i < n; i += blockDim.y) {
        REAL size = fabs(logits[i]), tail = exp(-size), small = tail / (1 + tail);
        REAL off = logits[i] >= 0 ? 1 - target : target;  // |t − the side that D is on|
        grad[i] = (logits[i] >= 0 ? off - small : small - off) / n;
        sum += (off * size + log1p(tail)) / n;
    }
    add_up(sum, none);
    if (threadIdx.y == 0) *loss = sum;
}

__global__ void judge(const REAL *real, int n_real, const REAL *fake, int n_fake, REAL *says) {
    for (int side = 0; side < 2; side++) {
        const REAL *logits = side ? fake : real;
        int n = side ? n_fake : n_real;
        REAL probability = 0, right = 0;
        for (int i = threadIdx.y; i < n; i += blockDim.y) {
            REAL tail = exp(-fabs(logits[i]));
            probability += (logits[i] >= 0 ? 1 : tail) / (1 + tail);
            right += side ? logits[i] <= 0 : logits[i] > 0;
        }
        add_up(probability, right);
        if (threadIdx.y == 0) says[side] = probability / n, says[2 + side] = right / n;
    }
}

// √Σx² in two kernels, in double, in which no float can overflow: a partial sum for each block, then their sum.
__global__ void squares(const REAL *x, u64 size, double *partial) {
    double sum = 0, none = 0;
    u64 threads = gridDim.x * (u64)blockDim.y;
    for (u64 i = blockIdx.x * (u64)blockDim.y + threadIdx.y; i < size; i += threads) sum += (double)x[i] * x[i];
    add_up(sum, none);
    if (threadIdx.y == 0) partial[blockIdx.x] = sum;
}

__global__ void root(const double *partial, int count, REAL *norm) {
    double sum = 0, none = 0;
    for (int i = threadIdx.y; i < count; i += blockDim.y) sum += partial[i];
    add_up(sum, none);
    if (threadIdx.y == 0) *norm = (REAL)sqrt(sum);
}

// --- update rules: the t-th update, with lr or the t-th of the table of rates

#define UPDATE const double *rates, u64 n_rates, u64 t, const u64 *counter, const int *halted
#define RATE (rates ? rates[(now(t, counter) - 1) % n_rates] : lr)

__global__ void sgd(REAL *p, const REAL *g, REAL *v, u64 size, double lr, double momentum, UPDATE) {
    if (halted && *halted) return;
    REAL rate = RATE;
    EACH_ELEMENT(i, size) {
        v[i] = (REAL)momentum * v[i] + g[i];
        p[i] -= rate * v[i];
    }
}

__global__ void rmsprop(REAL *p, const REAL *g, REAL *s, u64 size, double lr, double decay, double eps, UPDATE) {
    if (halted && *halted) return;
    REAL a = RATE / sqrt(1 - decay), b = eps / sqrt(1 - decay);
    EACH_ELEMENT(i, size) {
        s[i] = (REAL)decay * s[i] + g[i] * g[i];
        p[i] -= a * g[i] / (sqrt(s[i]) + b);
    }
}

__global__ void adam(
    REAL *p, const REAL *g, REAL *m, REAL *v, u64 size, double lr, double beta1, double beta2, double eps, UPDATE
) {
    if (halted && *halted) return;
    __shared__ REAL a, b;
    if (threadIdx.x == 0) adam_factors(a, b, RATE, beta1, beta2, eps, now(t, counter));
    __syncthreads();
    EACH_ELEMENT(i, size) {
        REAL mi = (REAL)beta1 * m[i] + g[i], vi = (REAL)beta2 * v[i] + g[i] * g[i];
        m[i] = mi;
        v[i] = vi;
        p[i] -= a * mi / (sqrt(vi) + b);
    }
}

// With the step s of the time before: p ← p + 2 s' − s.
__global__ void optimistic_adam(
    REAL *p, const REAL *g, REAL *m, REAL *v, REAL *s, u64 size, double lr, double beta1, double beta2, double eps,
    UPDATE
) {
    if (halted && *halted) return;
    __shared__ REAL a, b;
    if (threadIdx.x == 0) adam_factors(a, b, RATE, beta1, beta2, eps, now(t, counter));
    __syncthreads();
    EACH_ELEMENT(i, size) {
        m[i] = (REAL)beta1 * m[i] + g[i];
        v[i] = (REAL)beta2 * v[i] + g[i] * g[i];
        REAL step = -a * m[i] / (sqrt(v[i]) + b);
        p[i] += 2 * step - s[i];
        s[i] = step;
    }
}

// --- what else follows a schedule, read at the count itself

#define SCHEDULED (rates ? rates[now(t, counter) % n_rates] : rate)

__global__ void average(REAL *mean, const REAL *x, u64 size, double rate, UPDATE) {
    if (halted && *halted) return;
    REAL part = 1 - SCHEDULED;
    EACH_ELEMENT(i, size) mean[i] += part * (x[i] - mean[i]);
}

// noise ← x + rate · noise
__global__ void add_scaled(REAL *noise, const REAL *x, u64 size, double rate, UPDATE) {
    REAL scale = SCHEDULED;
    EACH_ELEMENT(i, size) noise[i] = x[i] + scale * noise[i];
}

// --- what a graph does for itself

__global__ void watch(const REAL *loss, const REAL *norm, int *halted) {
    if (!isfinite(*loss) || !isfinite(*norm)) *halted = 1;
}

__global__ void tick(u64 *counter, const int *halted) {
    if (!*halted) *counter += 1;
}

__global__ void record(
    const REAL *s0, const REAL *s1, const REAL *s2, const REAL *s3, const REAL *s4, const REAL *s5, const REAL *s6,
    const REAL *s7, const REAL *s8, const REAL *s9, const REAL *s10, const REAL *s11, int count, int first, REAL *table,
    u64 length, int width, u64 row, const u64 *counter
) {
    const REAL *scalars[12] = {s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11};
    REAL *line = table + (now(row, counter) % length) * width + first;
    for (int i = 0; i < count; i++) line[i] = *scalars[i];
}

}
