"""The CPU backend: NumPy with `out=`, blocked so that what is read again is still in cache.

A ufunc streams its operands through the core once per call. On arrays larger than the cache, five ufuncs in a row
read memory five times. So sweeps over large arrays are cut into blocks of `BLOCK` elements (256 KiB of float32),
and all the ufuncs of a sweep run on one block before the next begins.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from . import philox
from .philox import Stream
from .reference import Backend

Array = Any

BLOCK = 1 << 16
BOOL, UINT8, FLOAT32 = np.dtype(bool), np.dtype(np.uint8), np.dtype(np.float32)


class NumpyBackend(Backend):
    """NumPy on the CPU. Scratch memory belongs to the instance: use one instance per thread."""

    name = "numpy"

    def __init__(self) -> None:
        super().__init__(np)
        self._scratch: dict[tuple[str, Any], Array] = {}
        self._ones: dict[Any, Array] = {}
        self._generator: Any = None
        self._orders: dict[tuple[int, int, int], Array] = {}

    def _temporary(self, role: str, shape: tuple[int, ...], dtype: Any) -> Array:
        """Scratch that the next request for the same role may overwrite."""
        size = math.prod(shape)
        buffer = self._scratch.get((role, dtype))
        if buffer is None or buffer.size < size:
            buffer = self._scratch[role, dtype] = np.empty(size, dtype)
        return buffer[:size].reshape(shape)

    # --- linear algebra ----------------------------------------------------------------------------------------

    def gemm(self, a: Array, b: Array, out: Array, accumulate: bool = False) -> None:
        target = self._temporary("gemm", out.shape, out.dtype) if accumulate else out
        np.dot(a, b, out=target)  # as matmul, but through BLAS for an outer product as well
        if accumulate:
            np.add(out, target, out=out)

    def column_sum(self, x: Array, out: Array, accumulate: bool = False) -> None:
        ones = self._ones.get(x.dtype)
        if ones is None or ones.size < len(x):
            ones = self._ones[x.dtype] = np.ones(len(x), x.dtype)
        target = self._temporary("sum", out.shape, out.dtype) if accumulate else out
        np.dot(ones[: len(x)], x, out=target)  # BLAS is quicker than np.sum over the first axis
        if accumulate:
            np.add(out, target, out=out)

    def norm(self, x: Array) -> Array:
        flat = x.reshape(-1)
        with np.errstate(over="ignore"):
            square = np.dot(flat, flat)
        if np.finfo(x.dtype).tiny < square < np.inf:
            return np.sqrt(square)
        return super().norm(x)  # the square over- or underflows, or some value is not finite

    # --- layers ------------------------------------------------------------------------------------------------

    def _blocks(self, x: Array, *vectors: Array) -> Iterator[tuple[slice, tuple[Array, ...]]]:
        """Blocks of rows that fit the cache, each with the vectors (features,) spread over as many rows.

        NumPy would spread a vector itself, into a fresh buffer in every call; here it is done once for all blocks.
        """
        rows = min(len(x), max(1, BLOCK * len(x) // max(1, x.size)))
        wide = [self._temporary(f"wide{i}", (rows, v.size), v.dtype) for i, v in enumerate(vectors)]
        for target, vector in zip(wide, vectors, strict=True):
            np.copyto(target, vector)
        for i in range(0, len(x), rows):
            yield slice(i, i + rows), tuple(w[: len(x) - i] for w in wide)

    def bias_act(self, x: Array, bias: Array | None, act: Any, out: Array) -> None:
        for rows, vectors in self._blocks(x, *(() if bias is None else (bias,))):
            source, target = x[rows], out[rows]
            if vectors:
                source = np.add(source, vectors[0], out=target)
            if act is not None:
                act.value(np, source, target, self._temporary("act", target.shape, target.dtype))
            elif source is not target:
                np.copyto(target, source)

    def bias_act_grad(
        self, dy: Array, y: Array, act: Any, out: Array, dbias: Array | None = None, accumulate: bool = False
    ) -> None:
        for rows, _ in self._blocks(dy):
            if act is None:
                np.copyto(out[rows], dy[rows])
            else:
                slope = self._temporary("act", y[rows].shape, y.dtype)
                act.slope(np, y[rows], slope, self._temporary("mask", slope.shape, BOOL))
                np.multiply(slope, dy[rows], out=out[rows])
        if dbias is not None:
            self.column_sum(out, dbias, accumulate)

    def batchnorm(
        self, x: Array, gamma: Array, beta: Array, eps: float, out: Array, mean: Array, var: Array, inv_std: Array
    ) -> None:
        n = len(x)
        self.column_sum(x, mean)
        np.divide(mean, n, out=mean)
        for rows, (mean_,) in self._blocks(x, mean):
            centred = self._temporary("product", x[rows].shape, x.dtype)
            np.subtract(x[rows], mean_, out=centred)
            np.multiply(centred, centred, out=centred)
            self.column_sum(centred, var, accumulate=rows.start > 0)
        np.divide(var, n, out=var)
        np.add(var, eps, out=inv_std)
        np.sqrt(inv_std, out=inv_std)
        np.divide(1, inv_std, out=inv_std)
        self.normalize(x, gamma, beta, mean, inv_std, out)

    def normalize(self, x: Array, gamma: Array, beta: Array, mean: Array, inv_std: Array, out: Array) -> None:
        scale = self._temporary("scale", gamma.shape, gamma.dtype)
        np.multiply(gamma, inv_std, out=scale)
        for rows, (mean_, scale_, beta_) in self._blocks(x, mean, scale, beta):
            np.subtract(x[rows], mean_, out=out[rows])
            np.multiply(out[rows], scale_, out=out[rows])
            np.add(out[rows], beta_, out=out[rows])

    def normalize_grad(self, dy: Array, x: Array, mean: Array, inv_std: Array, dgamma: Array, dbeta: Array) -> None:
        self.column_sum(dy, dbeta)
        for rows, (mean_,) in self._blocks(x, mean):
            product = self._temporary("product", x[rows].shape, x.dtype)
            np.subtract(x[rows], mean_, out=product)
            np.multiply(product, dy[rows], out=product)
            self.column_sum(product, dgamma, accumulate=rows.start > 0)
        np.multiply(dgamma, inv_std, out=dgamma)

    def batchnorm_grad(
        self,
        dy: Array,
        x: Array,
        gamma: Array,
        mean: Array,
        inv_std: Array,
        dgamma: Array,
        dbeta: Array,
        out: Array,
    ) -> None:
        # x̂ dγ/N = (x − mean) · slope with slope = inv_std dγ/N: one pass less than forming x̂
        n = len(x)
        slope = self._temporary("slope", gamma.shape, gamma.dtype)
        shift = self._temporary("shift", gamma.shape, gamma.dtype)
        scale = self._temporary("scale", gamma.shape, gamma.dtype)
        np.multiply(inv_std, dgamma, out=slope)
        np.divide(slope, n, out=slope)
        np.divide(dbeta, n, out=shift)
        np.multiply(gamma, inv_std, out=scale)
        for rows, (mean_, slope_, shift_, scale_) in self._blocks(x, mean, slope, shift, scale):
            centred = self._temporary("product", x[rows].shape, x.dtype)
            np.subtract(x[rows], mean_, out=centred)
            np.multiply(centred, slope_, out=centred)
            np.subtract(dy[rows], shift_, out=out[rows])
            np.subtract(out[rows], centred, out=out[rows])
            np.multiply(out[rows], scale_, out=out[rows])

    # --- update rules ------------------------------------------------------------------------------------------

    def sgd(self, p: Array, g: Array, v: Array, lr: float, momentum: float) -> None:
        for block, tmp in self._flat_blocks(p):
            np.multiply(v[block], momentum, out=v[block])
            np.add(v[block], g[block], out=v[block])
            np.multiply(v[block], lr, out=tmp)
            np.subtract(p[block], tmp, out=p[block])

    def rmsprop(self, p: Array, g: Array, s: Array, lr: float, decay: float, eps: float) -> None:
        # lr · g / (√((1−ρ) s) + ε) = a g / (√s + b)
        a, b = lr / math.sqrt(1 - decay), eps / math.sqrt(1 - decay)
        for block, tmp in self._flat_blocks(p):
            np.multiply(g[block], g[block], out=tmp)
            np.multiply(s[block], decay, out=s[block])
            np.add(s[block], tmp, out=s[block])
            np.sqrt(s[block], out=tmp)
            np.add(tmp, b, out=tmp)
            np.divide(g[block], tmp, out=tmp)
            np.multiply(tmp, a, out=tmp)
            np.subtract(p[block], tmp, out=p[block])

    def adam(
        self, p: Array, g: Array, m: Array, v: Array, lr: float, beta1: float, beta2: float, eps: float, t: int
    ) -> None:
        # With c = √((1−β₂)/(1−β₂ᵗ)):  lr · m̂/(√v̂ + ε) = a m/(√v + b),  a = lr (1−β₁)/(1−β₁ᵗ)/c,  b = ε/c
        c = math.sqrt((1 - beta2) / (1 - beta2**t))
        a, b = lr * (1 - beta1) / (1 - beta1**t) / c, eps / c
        for block, tmp in self._flat_blocks(p):
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

    def _flat_blocks(self, p: Array) -> Iterator[tuple[slice, Array]]:
        for i in range(0, p.size, BLOCK):
            yield slice(i, i + BLOCK), self._temporary("sweep", (min(BLOCK, p.size - i),), p.dtype)

    # --- random numbers and data -------------------------------------------------------------------------------

    def _seek(self, stream: Stream) -> Any:
        """NumPy's generator, set to the beginning of a stream."""
        if self._generator is None:
            self._generator = np.random.Generator(np.random.Philox(key=0))
            self._state = self._generator.bit_generator.state
        mask = philox.MASK64
        self._state["state"]["key"][:] = stream.seed & mask, stream.purpose & mask
        self._state["state"]["counter"][:] = 0, stream.step & mask, stream.lane & mask, 0
        self._generator.bit_generator.state = self._state  # buffer_pos = 4: nothing left over from before
        return self._generator

    def uniform(self, out: Array, stream: Stream) -> None:
        u = out if out.dtype == np.float32 else self._temporary("uniform", out.shape, FLOAT32)
        self._seek(stream).random(dtype=np.float32, out=u)
        if u is not out:
            np.copyto(out, u)

    def normal(self, out: Array, stream: Stream) -> None:
        count = out.size
        pairs = (count + 1) // 2
        u = self._temporary("uniform", (pairs, 2), FLOAT32)
        self._seek(stream).random(dtype=np.float32, out=u)
        radius = self._temporary("radius", (pairs,), FLOAT32)
        angle = self._temporary("angle", (pairs,), FLOAT32)
        np.subtract(1, u[:, 0], out=radius)
        np.log(radius, out=radius)
        np.multiply(radius, -2, out=radius)
        np.sqrt(radius, out=radius)
        np.multiply(u[:, 1], 2 * math.pi, out=angle)
        np.multiply(radius, np.cos(angle, out=u[:, 0]), out=u[:, 0])
        np.multiply(radius, np.sin(angle, out=u[:, 1]), out=u[:, 1])
        np.copyto(out, u.reshape(-1)[:count].reshape(out.shape))

    def minibatch(self, out: Array, n: int, position: int, seed: int) -> None:
        # a whole epoch's order is computed at once and kept: cheaper than a few indices in each step
        done = 0
        while done < out.size:
            epoch, start = divmod(position + done, n)
            order = self._orders.get((n, epoch, seed))
            if order is None:
                order = philox.permuted(np, np.arange(n), n, seed, epoch)
                if len(self._orders) >= 2:
                    del self._orders[next(iter(self._orders))]
                self._orders[n, epoch, seed] = order
            count = min(out.size - done, n - start)
            out[done : done + count] = order[start : start + count]
            done += count

    def gather(self, data: Array, indices: Array, out: Array) -> None:
        if data.dtype != np.uint8:
            np.take(data, indices, axis=0, out=out, mode="clip")  # "clip": "raise" would copy `out`
            return
        rows = self._temporary("gather", out.shape, UINT8)
        np.take(data, indices, axis=0, out=rows, mode="clip")
        np.multiply(rows, out.dtype.type(2 / 255), out=out)
        np.subtract(out, 1, out=out)
