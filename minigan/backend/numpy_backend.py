"""The CPU backend: NumPy with `out=`, blocked so that what is read again is still in cache.

A ufunc streams its operands through the core once per call. On arrays larger than the cache, five ufuncs in a row
read memory five times. So sweeps over large arrays are cut into blocks of `BLOCK` elements (512 KiB of float32),
and all the ufuncs of a sweep run on one block before the next begins. Threads, scratch memory and products are those
of every CPU backend (cpu.py).
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from . import factors, philox
from .counter import Count, Rate
from .cpu import write
from .cpu_conv import ConvOnCpu
from .philox import Stream
from .threads import blas_threads

Array = Any

BLOCK = 1 << 17
LINE = 512  # numbers: copies of so many and more cost what their bytes do
_WIDE = ("wide 0", "wide 1", "wide 2", "wide 3")
BOOL, UINT8, INT64, FLOAT32 = (np.dtype(kind) for kind in (bool, np.uint8, np.int64, np.float32))


class _Drawn(threading.local):
    """What each thread keeps to draw from: NumPy's generator with its state, and the last orders of a data set."""

    generator: Any = None
    state: Any = None

    def __init__(self) -> None:
        self.orders: dict[tuple[int, int, int], Array] = {}


class NumpyBackend(ConvOnCpu):
    """NumPy on the CPU. threads: how many compute; see CpuBackend."""

    name = "numpy"

    def __init__(self, threads: int | None = None) -> None:
        super().__init__(threads)
        self._ones: dict[Any, Array] = {}
        self._drawn = _Drawn()

    # --- sweeps ------------------------------------------------------------------------------------------------

    def _spread(self, rows: int, vectors: tuple[Array, ...]) -> list[Array]:
        """The vectors (features,), each repeated in so many rows.

        NumPy would repeat them itself, into a fresh buffer in every call; here it is done once for all blocks.
        """
        wide = [self._temporary(_WIDE[i], (rows, v.size), v.dtype) for i, v in enumerate(vectors)]
        for target, vector in zip(wide, vectors, strict=True):
            few = min(rows, LINE // vector.size) if vector.size <= LINE // 8 else 0
            if few == 0:
                np.copyto(target, vector)
                continue
            np.copyto(target[:few], vector)  # of a short vector some copies first, which are copied as one piece
            many = rows // few * few
            np.copyto(target[few:many].reshape(-1, few * vector.size), target[:few].reshape(-1))
            np.copyto(target[many:], target[: rows - many])
        return wide

    def _blocks(self, rows: slice, x: Array, vectors: tuple[Array, ...]) -> Iterator[tuple[slice, list[Array]]]:
        """Blocks of rows that fit the cache, each with the vectors spread over as many rows."""
        step = min(rows.stop - rows.start, max(1, BLOCK * len(x) // max(1, x.size)))
        wide = self._spread(step, vectors)
        for i in range(rows.start, rows.stop, step):
            block = slice(i, min(i + step, rows.stop))
            yield block, [w[: block.stop - i] for w in wide]

    def _sweep(self, work: Callable[..., object], x: Array, *vectors: Array) -> None:
        """Call work(rows, *vectors spread over them) for all rows of x (N, features), block by block."""
        if x.size <= BLOCK:
            work(slice(0, len(x)), *self._spread(len(x), vectors))
            return

        def part(rows: slice) -> None:
            for block, wide in self._blocks(rows, x, vectors):
                work(block, *wide)

        self._share(part, self._parts(len(x), x.size))

    def _sweep_and_sum(
        self,
        work: Callable[..., Array],
        x: Array,
        *vectors: Array,
        out: Array,
        accumulate: bool = False,
        passes: int = 4,
    ) -> None:
        """The same, where work returns an array of the block's shape; out_j = Σ_i of what it returns."""
        ones = self._ones_of(len(x), x.dtype)  # BLAS adds up columns quicker than np.sum
        if x.size <= BLOCK:
            total = self._temporary("added", out.shape, out.dtype) if accumulate else out
            with blas_threads:
                np.dot(ones, work(slice(0, len(x)), *self._spread(len(x), vectors)), out=total)
            if accumulate:
                np.add(out, total, out=out)
            return
        parts = self._parts(len(x), x.size, passes)
        sums = self._temporary("sums", (len(parts), out.size), out.dtype)

        def part(i: int) -> None:
            added = self._temporary("added", out.shape, out.dtype)
            sums[i] = 0
            for block, wide in self._blocks(parts[i], x, vectors):
                np.dot(ones[: block.stop - block.start], work(block, *wide), out=added)
                np.add(sums[i], added, out=sums[i])

        self._share(part, range(len(parts)))
        for i in range(len(parts)):
            write(out, sums[i], accumulate or i > 0)

    def _flat_sweep(self, work: Callable[[slice, Array], object], p: Array) -> None:
        """Call work(block, scratch) for all of the flat array p."""

        def part(rows: slice) -> None:
            for i in range(rows.start, rows.stop, BLOCK):
                block = slice(i, min(i + BLOCK, rows.stop))
                work(block, self._temporary("sweep", (block.stop - i,), p.dtype))

        self._share(part, self._parts(p.size, p.size))

    # --- linear algebra ----------------------------------------------------------------------------------------

    def _ones_of(self, n: int, dtype: Any) -> Array:
        ones = self._ones.get(dtype)
        if ones is None or ones.size < n:
            ones = self._ones[dtype] = np.ones(n, dtype)
        return ones[:n]

    def column_sum(self, x: Array, out: Array, accumulate: bool = False) -> None:
        self._sweep_and_sum(lambda rows: x[rows], x, out=out, accumulate=accumulate, passes=1)

    def row_dots(self, a: Array, b: Array, out: Array, scratch: Array) -> None:
        np.einsum("ij,ij->i", a, b, out=out[:, 0])

    def norm(self, x: Array) -> Array:
        flat = x.reshape(-1)
        parts = self._parts(flat.size, flat.size, passes=1)
        squares = np.zeros(len(parts))

        def square(i: int) -> None:
            with np.errstate(over="ignore"):
                squares[i] = np.dot(flat[parts[i]], flat[parts[i]])

        self._share(square, range(len(parts)))
        total = squares.sum()
        if np.finfo(x.dtype).tiny < total < np.inf:
            return x.dtype.type(math.sqrt(total))
        return super().norm(x)  # the square over- or underflows, or some value is not finite

    # --- layers ------------------------------------------------------------------------------------------------

    def bias_act(self, x: Array, bias: Array | None, act: Any, out: Array) -> None:
        def work(rows: slice, *wide: Array) -> None:
            source, target = x[rows], out[rows]
            if wide:
                source = np.add(source, wide[0], out=target)
            if act is not None:
                act.value(np, source, target, self._temporary("act", target.shape, target.dtype))
            elif source is not target:
                np.copyto(target, source)

        self._sweep(work, x, *(() if bias is None else (bias,)))

    def bias_act_grad(
        self, dy: Array, y: Array, act: Any, out: Array, dbias: Array | None = None, accumulate: bool = False
    ) -> None:
        def work(rows: slice) -> Array:
            if act is None:
                if out is not dy:
                    np.copyto(out[rows], dy[rows])
            else:
                slope = self._temporary("act", y[rows].shape, y.dtype)
                act.slope(np, y[rows], slope, self._temporary("mask", slope.shape, BOOL))
                np.multiply(slope, dy[rows], out=out[rows])
            return out[rows]

        if dbias is None:
            self._sweep(work, dy)
        else:
            self._sweep_and_sum(work, dy, out=dbias, accumulate=accumulate)

    def maxout(self, x: Array, out: Array, winners: Array) -> None:
        def work(rows: slice) -> None:
            y = out[rows]
            larger, here, won = (self._temporary(role, y.shape, UINT8) for role in ("larger", "here", "won"))
            np.copyto(y, x[rows, 0])
            won.fill(0)
            for j in range(1, x.shape[1]):
                np.greater(x[rows, j], y, out=larger.view(BOOL))
                np.maximum(x[rows, j], y, out=y)
                np.multiply(larger, UINT8.type(j), out=here)  # of bytes, for a store by a mask takes far longer
                np.maximum(won, here, out=won)
            np.copyto(winners[rows], won)

        self._share(work, self._parts(len(x), x.size))

    def maxout_grad(self, dy: Array, winners: Array, out: Array) -> None:
        def work(rows: slice) -> None:
            wins = self._temporary("wins", dy[rows].shape, BOOL)
            for j in range(out.shape[1]):
                np.equal(winners[rows], j, out=wins)
                np.multiply(dy[rows], wins, out=out[rows, j])

        self._share(work, self._parts(len(out), out.size))

    def maxout_tangent(self, xdot: Array, winners: Array, out: Array) -> None:
        def work(rows: slice) -> None:
            ydot = out[rows]
            wins, piece = self._temporary("wins", ydot.shape, BOOL), self._temporary("piece", ydot.shape, out.dtype)
            ydot.fill(0)
            for j in range(xdot.shape[1]):
                np.equal(winners[rows], j, out=wins)
                np.multiply(xdot[rows, j], wins, out=piece)
                np.add(ydot, piece, out=ydot)

        self._share(work, self._parts(len(xdot), xdot.size))

    def _moments(self, x: Array, mean: Array, var: Array) -> None:
        n = len(x)
        self.column_sum(x, mean)
        np.divide(mean, n, out=mean)

        def squares(rows: slice, mean_: Array) -> Array:
            centred = self._temporary("product", mean_.shape, x.dtype)
            np.subtract(x[rows], mean_, out=centred)
            return np.multiply(centred, centred, out=centred)

        self._sweep_and_sum(squares, x, mean, out=var)
        np.divide(var, n, out=var)

    def _normalize(self, x: Array, gamma: Array, beta: Array, mean: Array, inv_std: Array, out: Array) -> None:
        scale = self._temporary("scale", gamma.shape, gamma.dtype)
        np.multiply(gamma, inv_std, out=scale)

        def work(rows: slice, mean_: Array, scale_: Array, beta_: Array) -> None:
            np.subtract(x[rows], mean_, out=out[rows])
            np.multiply(out[rows], scale_, out=out[rows])
            np.add(out[rows], beta_, out=out[rows])

        self._sweep(work, x, mean, scale, beta)

    def _normalize_sums(self, g: Array, x: Array, mean: Array, inv_std: Array, dgamma: Array, dbeta: Array) -> None:
        self.column_sum(g, dbeta)

        def products(rows: slice, mean_: Array) -> Array:
            product = self._temporary("product", mean_.shape, x.dtype)
            np.subtract(x[rows], mean_, out=product)
            return np.multiply(product, g[rows], out=product)

        self._sweep_and_sum(products, x, mean, out=dgamma)
        np.multiply(dgamma, inv_std, out=dgamma)

    def _batchnorm_back(
        self, g: Array, x: Array, gamma: Array, mean: Array, inv_std: Array, dgamma: Array, dbeta: Array
    ) -> None:
        slope, shift, scale = self._batchnorm_grad_factors(len(x), gamma, inv_std, dgamma, dbeta)

        def work(rows: slice, mean_: Array, slope_: Array, shift_: Array, scale_: Array) -> None:
            centred = self._temporary("product", mean_.shape, x.dtype)
            np.subtract(x[rows], mean_, out=centred)
            np.multiply(centred, slope_, out=centred)
            np.subtract(g[rows], shift_, out=g[rows])
            np.subtract(g[rows], centred, out=g[rows])
            np.multiply(g[rows], scale_, out=g[rows])

        self._sweep(work, x, mean, slope, shift, scale)

    def _batchnorm_grad_factors(
        self, n: int, gamma: Array, inv_std: Array, dgamma: Array, dbeta: Array
    ) -> tuple[Array, Array, Array]:
        """slope, shift, scale of dx = scale (g − shift − (x − mean) slope), one pass less than with x̂."""
        slope, shift, scale = (self._temporary(name, gamma.shape, gamma.dtype) for name in ("slope", "shift", "scale"))
        np.multiply(inv_std, dgamma, out=slope)
        np.divide(slope, n, out=slope)
        np.divide(dbeta, n, out=shift)
        np.multiply(gamma, inv_std, out=scale)
        return slope, shift, scale

    # --- losses ------------------------------------------------------------------------------------------------

    def logistic(self, logits: Array, target: float, grad: Array) -> Array:
        # With c = 1 − t for l ≥ 0 and −t below, s = σ(−|l|):   grad = c ∓ s,   loss = |c| |l| + log(1 + e^−|l|)
        n = logits.size
        size, tail, log, c = self._temporary("losses", (4, *logits.shape), logits.dtype)
        negative = np.signbit(logits, out=self._temporary("mask", logits.shape, BOOL))
        np.abs(logits, out=size)
        np.exp(np.negative(size, out=tail), out=tail)
        np.log1p(tail, out=log)
        np.add(tail, 1, out=c)
        small = np.divide(tail, c, out=tail)
        np.copyto(c, negative)
        np.subtract(1 - target, c, out=c)
        np.subtract(c, np.copysign(small, logits, out=small), out=grad)
        np.divide(grad, n, out=grad)
        np.abs(c, out=c)
        np.add(np.multiply(c, size, out=c), log, out=c)
        return np.divide(c, n, out=c).sum()

    def track(self, mean: Array, var: Array, n: int, momentum: float, running_mean: Array, running_var: Array) -> None:
        new, finite = self._temporary("scale", mean.shape, mean.dtype), self._temporary("mask", mean.shape, BOOL)
        tmp = self._temporary("shift", mean.shape, mean.dtype)
        for running, batch, scale in ((running_mean, mean, 1.0), (running_var, var, n / (n - 1))):
            np.multiply(batch, (1 - momentum) * scale, out=tmp)
            np.multiply(running, momentum, out=new)
            np.add(new, tmp, out=new)
            np.copyto(running, new, where=np.isfinite(new, out=finite))

    def verdicts(self, real: Array, fake: Array) -> tuple[Array, Array, Array, Array]:
        (d_real, right), (d_fake, wrong) = self._says_real(real), self._says_real(fake)
        return d_real, d_fake, right, 1 - wrong

    def _says_real(self, logits: Array) -> tuple[Array, Array]:
        """The mean of σ(logits), and the share of logits above 0."""
        probability = self._temporary("losses", logits.shape, logits.dtype)
        positive = np.greater(logits, 0, out=self._temporary("mask", logits.shape, BOOL))
        np.exp(np.negative(np.clip(logits, -80, 80, out=probability), out=probability), out=probability)
        np.divide(1, np.add(probability, 1, out=probability), out=probability)
        return probability.mean(), logits.dtype.type(np.count_nonzero(positive) / logits.size)

    # --- update rules ------------------------------------------------------------------------------------------

    def sgd(self, p: Array, g: Array, v: Array, lr: Rate, momentum: float, t: Count) -> None:
        def work(block: slice, tmp: Array) -> None:
            np.multiply(v[block], momentum, out=v[block])
            np.add(v[block], g[block], out=v[block])
            np.multiply(v[block], lr, out=tmp)
            np.subtract(p[block], tmp, out=p[block])

        self._flat_sweep(work, p)

    def rmsprop(self, p: Array, g: Array, s: Array, lr: Rate, decay: float, eps: float, t: Count) -> None:
        a, b = factors.rmsprop(lr, decay, eps)

        def work(block: slice, tmp: Array) -> None:
            np.multiply(g[block], g[block], out=tmp)
            np.multiply(s[block], decay, out=s[block])
            np.add(s[block], tmp, out=s[block])
            np.sqrt(s[block], out=tmp)
            np.add(tmp, b, out=tmp)
            np.divide(g[block], tmp, out=tmp)
            np.multiply(tmp, a, out=tmp)
            np.subtract(p[block], tmp, out=p[block])

        self._flat_sweep(work, p)

    def adam(
        self, p: Array, g: Array, m: Array, v: Array, lr: Rate, beta1: float, beta2: float, eps: float, t: Count
    ) -> None:
        a, b = factors.adam(lr, beta1, beta2, eps, t)

        def work(block: slice, tmp: Array) -> None:
            mb, vb, gb, pb = m[block], v[block], g[block], p[block]
            np.multiply(mb, beta1, out=mb)
            np.add(mb, gb, out=mb)
            np.multiply(gb, gb, out=tmp)
            np.multiply(vb, beta2, out=vb)
            np.add(vb, tmp, out=vb)
            np.sqrt(vb, out=tmp)
            np.add(tmp, b, out=tmp)
            np.divide(mb, tmp, out=tmp)
            np.multiply(tmp, a, out=tmp)
            np.subtract(pb, tmp, out=pb)

        self._flat_sweep(work, p)

    def optimistic_adam(
        self,
        p: Array,
        g: Array,
        m: Array,
        v: Array,
        s: Array,
        lr: Rate,
        beta1: float,
        beta2: float,
        eps: float,
        t: Count,
    ) -> None:
        step = self._temporary("step", p.shape, p.dtype)
        step.fill(0)
        self.adam(step, g, m, v, lr, beta1, beta2, eps, t)

        def work(block: slice, tmp: Array) -> None:
            np.multiply(step[block], 2, out=tmp)
            np.subtract(tmp, s[block], out=tmp)
            np.add(p[block], tmp, out=p[block])
            np.copyto(s[block], step[block])

        self._flat_sweep(work, p)

    def average(self, mean: Array, x: Array, keep: Rate, t: Count) -> None:
        mean, x = mean.reshape(-1), x.reshape(-1)

        def work(block: slice, tmp: Array) -> None:
            np.subtract(x[block], mean[block], out=tmp)
            np.multiply(tmp, 1 - keep, out=tmp)
            np.add(mean[block], tmp, out=mean[block])

        self._flat_sweep(work, mean)

    # --- random numbers and data -------------------------------------------------------------------------------

    def _seek(self, stream: Stream, first: int = 0) -> Any:
        """NumPy's generator, set to the beginning of a stream, or to one of its numbers."""
        own, mask = self._drawn, philox.MASK64
        if own.generator is None:
            own.generator = np.random.Generator(np.random.Philox(key=0))
            own.state = own.generator.bit_generator.state
        own.state["state"]["key"][:] = stream.seed & mask, stream.purpose & mask
        own.state["state"]["counter"][:] = first // 8, stream.step & mask, stream.lane & mask, 0
        own.generator.bit_generator.state = own.state  # buffer_pos = 4: nothing left over from before
        if first % 8:
            own.generator.random(first % 8, dtype=np.float32)
        return own.generator

    def uniform(self, out: Array, stream: Stream) -> None:
        for part, first in philox.pieces(out, stream):
            u = part if out.dtype == np.float32 else self._temporary("uniform", part.shape, FLOAT32)
            self._seek(stream, first).random(dtype=np.float32, out=u)
            if u is not part:
                np.copyto(part, u)

    def normal(self, out: Array, stream: Stream) -> None:
        for part, first in philox.pieces(out, stream):
            self._normal(part, stream, first)

    def _normal(self, out: Array, stream: Stream, first: int) -> None:
        skipped = first % 2
        count = skipped + out.size
        pairs = (count + 1) // 2
        u = self._temporary("uniform", (pairs, 2), FLOAT32)
        self._seek(stream, first - skipped).random(dtype=np.float32, out=u)
        radius = self._temporary("radius", (pairs,), FLOAT32)
        angle = self._temporary("angle", (pairs,), FLOAT32)
        np.subtract(1, u[:, 0], out=radius)
        np.log(radius, out=radius)
        np.multiply(radius, -2, out=radius)
        np.sqrt(radius, out=radius)
        np.multiply(u[:, 1], 2 * math.pi, out=angle)
        np.multiply(radius, np.cos(angle, out=u[:, 0]), out=u[:, 0])
        np.multiply(radius, np.sin(angle, out=u[:, 1]), out=u[:, 1])
        np.copyto(out, u.reshape(-1)[skipped:count].reshape(out.shape))

    def pooled(self, out: Array, stream: Stream) -> None:
        pool, place = self.pool(out.dtype), int(self._seek(stream).random(dtype=np.float32) * philox.POOL)
        for part, first in philox.pieces(out, stream):
            flat, start, done = part.reshape(-1), (place + first) % philox.POOL, 0
            while done < flat.size:
                piece = pool[start : start + flat.size - done]
                flat[done : done + piece.size] = piece
                done, start = done + piece.size, 0

    def perturb(self, x: Array, std: Rate, t: Count, stream: Stream, out: Array) -> None:
        self.normal(out, stream)
        np.multiply(out, std, out=out)
        np.add(out, x, out=out)

    def minibatch(self, out: Array, n: int, turn: Count, size: int, seed: int, first: int = 0) -> None:
        # a whole epoch's order is computed at once and kept: cheaper than a few indices in each step
        position, done, orders = turn * size + first, 0, self._drawn.orders
        while done < out.size:
            epoch, start = divmod(position + done, n)
            order = orders.get((n, epoch, seed))
            if order is None:
                order = philox.permuted(np, np.arange(n), n, seed, epoch)
                if len(orders) >= 2:
                    del orders[next(iter(orders))]
                orders[n, epoch, seed] = order
            count = min(out.size - done, n - start)
            out[done : done + count] = order[start : start + count]
            done += count

    def draw(self, data: Array, turn: Count, size: int, seed: int, out: Array, first: int = 0) -> None:
        indices = self._temporary("indices", (len(out),), INT64)
        self.minibatch(indices, len(data), turn, size, seed, first)
        self.gather(data, indices, out)

    def gather(self, data: Array, indices: Array, out: Array) -> None:
        def part(rows: slice) -> None:
            target = out[rows]
            if data.dtype != np.uint8:
                np.take(data, indices[rows], axis=0, out=target, mode="clip")  # "clip": "raise" would copy `out`
                return
            pixels = self._temporary("gather", target.shape, UINT8)
            np.take(data, indices[rows], axis=0, out=pixels, mode="clip")
            np.copyto(target, pixels)  # not as part of the product, which would convert in a buffer of its own
            np.multiply(target, out.dtype.type(2 / 255), out=target)
            np.subtract(target, 1, out=target)

        self._share(part, self._parts(len(out), out.size))
