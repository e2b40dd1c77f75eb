"""The sweeps over memory as loops over single numbers: one pass each, with every intermediate in a register.

NumPy makes a pass over memory for every `+` and `*`; these loops make one for the whole formula. Run by Python they
would take seconds, so nobody runs them: `numba_backend` compiles them to machine code. They are written for a
compiler that turns inner loops into vector instructions: the inner index runs along a row of a contiguous array,
column sums are kept for all columns at once, and what is changed in place comes as one argument, since two that
might overlap would forbid it. Threads share a loop by rows, or by columns from `lo` to `hi`.

The formulas are those of `reference.py`, which says what the letters mean.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any


def bias_leaky(x: Array, bias: Array, leak: Any) -> None:
    """x ← max(x + bias, leak · (x + bias)), for a leak in [0, 1)."""
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            shifted = x[i, j] + bias[j]
            x[i, j] = max(shifted, leak * shifted)


def leaky_grad(dy: Array, y: Array, leak: Any) -> None:
    """dy ← dy · φ′, φ′ = 1 where y > 0 and leak elsewhere."""
    one = y.dtype.type(1)
    for i in range(dy.shape[0]):
        for j in range(dy.shape[1]):
            dy[i, j] *= one if y[i, j] > 0 else leak  # a product and not a choice: a store that is always made


def leaky_grad_sum(dy: Array, y: Array, total: Array, lo: int, hi: int, leak: Any) -> None:
    """The same, and its column sums."""
    one = y.dtype.type(1)
    total = total[lo:hi]
    total[:] = 0
    for i in range(len(dy)):
        gi, yi = dy[i, lo:hi], y[i, lo:hi]
        for j in range(total.size):
            g = gi[j] * (one if yi[j] > 0 else leak)
            gi[j] = g
            total[j] += g


def bias_tanh(x: Array, bias: Array) -> None:
    """x ← tanh(x + bias), in float32 to 3 units of the last place.

    tanh(2u) = 2t/(1 + t²) with t = tanh u, and for |u| ≤ 5 Lambert's continued fraction u/(1 + u²/(3 + u²/(5 + ...))),
    broken off after 13 and written as one fraction, is near enough (to 1e-4 at 5, where doubling hides it). Beyond
    |x| = 10, tanh is ±1 in float32. A library's tanh takes four times as long: no compiler makes vectors of it.
    """
    real = x.dtype.type
    half, one, two, end = real(0.5), real(1), real(2), real(10)
    a0, a1, a2 = real(135135), real(17325), real(378)
    b1, b2, b3 = real(62370), real(3150), real(28)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            u = half * min(max(x[i, j] + bias[j], -end), end)
            s = u * u
            t = u * (a0 + s * (a1 + s * (a2 + s))) / (a0 + s * (b1 + s * (b2 + s * b3)))
            x[i, j] = two * t / (one + t * t)


def tanh_grad(dy: Array, y: Array) -> None:
    """dy ← dy · (1 − y²)."""
    one = y.dtype.type(1)
    for i in range(dy.shape[0]):
        for j in range(dy.shape[1]):
            dy[i, j] *= one - y[i, j] * y[i, j]


def tanh_grad_sum(dy: Array, y: Array, total: Array, lo: int, hi: int) -> None:
    """The same, and its column sums."""
    one = y.dtype.type(1)
    total = total[lo:hi]
    total[:] = 0
    for i in range(len(dy)):
        gi, yi = dy[i, lo:hi], y[i, lo:hi]
        for j in range(total.size):
            g = gi[j] * (one - yi[j] * yi[j])
            gi[j] = g
            total[j] += g


def column_sum(x: Array, total: Array, lo: int, hi: int) -> None:
    """total_j = Σ_i x_ij."""
    total = total[lo:hi]
    total[:] = 0
    for i in range(len(x)):
        xi = x[i, lo:hi]
        for j in range(total.size):
            total[j] += xi[j]


def square_sum(x: Array, mean: Array, total: Array, lo: int, hi: int) -> None:
    """total_j = Σ_i (x_ij − mean_j)²."""
    mean, total = mean[lo:hi], total[lo:hi]
    total[:] = 0
    for i in range(len(x)):
        xi = x[i, lo:hi]
        for j in range(total.size):
            centred = xi[j] - mean[j]
            total[j] += centred * centred


def normalize(x: Array, mean: Array, scale: Array, beta: Array, out: Array, lo: int, hi: int) -> None:
    """out = (x − mean) · scale + β."""
    mean, scale, beta = mean[lo:hi], scale[lo:hi], beta[lo:hi]
    for i in range(len(x)):
        xi, yi = x[i, lo:hi], out[i, lo:hi]
        for j in range(mean.size):
            yi[j] = (xi[j] - mean[j]) * scale[j] + beta[j]


def normalize_sums(g: Array, x: Array, mean: Array, dgamma: Array, dbeta: Array, lo: int, hi: int) -> None:
    """dβ_j = Σ_i g_ij and dγ_j = Σ_i g_ij (x_ij − mean_j), still without the factor inv_std."""
    mean, dgamma, dbeta = mean[lo:hi], dgamma[lo:hi], dbeta[lo:hi]
    dgamma[:] = 0
    dbeta[:] = 0
    for i in range(len(x)):
        gi, xi = g[i, lo:hi], x[i, lo:hi]
        for j in range(mean.size):
            dbeta[j] += gi[j]
            dgamma[j] += gi[j] * (xi[j] - mean[j])


def batchnorm_back(g: Array, x: Array, mean: Array, slope: Array, shift: Array, scale: Array) -> None:
    """g ← scale · (g − shift − (x − mean) · slope)."""
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            g[i, j] = scale[j] * (g[i, j] - shift[j] - (x[i, j] - mean[j]) * slope[j])


def maxout(x: Array, out: Array, winners: Array) -> None:
    """out_nf = max_j x_njf, and the first j that reaches it."""
    for n in range(x.shape[0]):
        best, won = out[n], winners[n]
        best[:] = x[n, 0]
        won[:] = 0
        for j in range(1, x.shape[1]):
            piece = x[n, j]
            for f in range(best.size):
                larger = piece[f] > best[f] or piece[f] != piece[f]  # a NaN wins, and stays
                best[f] = piece[f] if larger else best[f]  # stores that are always made
                won[f] = j if larger else won[f]


def maxout_grad(dy: Array, winners: Array, out: Array) -> None:
    """out_njf = dy_nf where j is the winner, 0 elsewhere."""
    none = dy.dtype.type(0)
    for n in range(out.shape[0]):
        g, won = dy[n], winners[n]
        for j in range(out.shape[1]):
            to = out[n, j]
            for f in range(to.size):
                to[f] = g[f] if won[f] == j else none


def maxout_tangent(xdot: Array, winners: Array, out: Array) -> None:
    """out_nf = xdot_njf of the winner j."""
    for n in range(out.shape[0]):
        for f in range(out.shape[1]):
            out[n, f] = xdot[n, winners[n, f], f]


def patches(x: Array, out: Array, channels: int, down: int, right: int, above: int, left: int) -> None:
    """out (n, oh, ow, kh, kw·C) = the windows of x (n, H, W·C), `down` and `right` apart, with zeros beyond the edges.

    A line of a window is a piece of a line of the image, cut off at the edges of that.
    """
    for n in range(out.shape[0]):
        for y in range(out.shape[1]):
            for z in range(out.shape[2]):
                first = (z * right - left) * channels
                lo, hi = max(0, -first), min(out.shape[4], x.shape[2] - first)
                for i in range(out.shape[3]):
                    to, row = out[n, y, z, i], y * down + i - above
                    if row < 0 or row >= x.shape[1] or hi <= lo:
                        to[:] = 0
                        continue
                    seen = x[n, row, first + lo : first + hi]
                    to[:lo] = 0
                    for t in range(hi - lo):
                        to[lo + t] = seen[t]
                    to[hi:] = 0


def fold(patches: Array, out: Array, channels: int, down: int, right: int, above: int, left: int) -> None:
    """out (n, H, W·C): at each pixel the sum of what the windows (n, oh, ow, kh, kw·C) have at its place."""
    for n in range(out.shape[0]):
        out[n] = 0
        for y in range(patches.shape[1]):
            for z in range(patches.shape[2]):
                first = (z * right - left) * channels
                lo, hi = max(0, -first), min(patches.shape[4], out.shape[2] - first)
                for i in range(patches.shape[3]):
                    row = y * down + i - above
                    if 0 <= row < out.shape[1] and lo < hi:
                        to, part = out[n, row, first + lo : first + hi], patches[n, y, z, i, lo:hi]
                        for t in range(part.size):
                            to[t] += part[t]


def logistic(logits: Array, target: Any, grad: Array) -> Any:
    """grad = (σ(l) − t)/n; returns mean(softplus(l) − t l). Through e^−|l|, as in reference.py."""
    one, n = logits.dtype.type(1), logits.dtype.type(logits.size)
    flat, out, loss = logits.reshape(-1), grad.reshape(-1), 0.0
    for i in range(flat.size):
        size, positive = abs(flat[i]), flat[i] >= 0
        tail = np.exp(-size)
        small = tail / (one + tail)
        out[i] = ((one - target) - small if positive else small - target) / n
        loss += ((one - target if positive else target) * size + np.log1p(tail)) / n
    return loss


def says_real(logits: Array) -> Any:
    """The mean of σ(logits), and the share of logits above 0."""
    one, n = logits.dtype.type(1), logits.dtype.type(logits.size)
    flat, probability, above = logits.reshape(-1), 0.0, 0
    for i in range(flat.size):
        tail = np.exp(-abs(flat[i]))
        probability += (one if flat[i] >= 0 else tail) / (one + tail)
        above += flat[i] > 0
    return probability / n, above / n


def sgd(p: Array, g: Array, v: Array, lr: Any, momentum: Any) -> None:
    """v ← μ v + g,   p ← p − lr · v."""
    for i in range(p.size):
        v[i] = momentum * v[i] + g[i]
        p[i] -= lr * v[i]


def rmsprop(p: Array, g: Array, s: Array, decay: Any, a: Any, b: Any) -> None:
    """s ← ρ s + g²,   p ← p − a g/(√s + b)."""
    for i in range(p.size):
        s[i] = decay * s[i] + g[i] * g[i]
        p[i] -= a * g[i] / (np.sqrt(s[i]) + b)


def adam(p: Array, g: Array, m: Array, v: Array, beta1: Any, beta2: Any, a: Any, b: Any) -> None:
    """m ← β₁ m + g,   v ← β₂ v + g²,   p ← p − a m/(√v + b)."""
    for i in range(p.size):
        m[i] = beta1 * m[i] + g[i]
        v[i] = beta2 * v[i] + g[i] * g[i]
        p[i] -= a * m[i] / (np.sqrt(v[i]) + b)
