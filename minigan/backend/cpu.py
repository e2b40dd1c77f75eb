"""What every CPU backend stands on: threads that share a job, scratch memory, and products by BLAS."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..spec import integer
from .reference import Backend, Product
from .threads import blas_threads, cut, team

Array = Any


class CpuBackend(Backend):
    """Arrays of NumPy, and a team of threads (threads.py) for what is large enough to be shared.

    threads: how many threads compute, the calling one included. By default as many as BLAS would use, which
    OPENBLAS_NUM_THREADS sets; 1 if BLAS is none that can be held to one thread meanwhile. Threads of your own may use
    one backend at the same time: each has scratch memory of its own.
    """

    PRODUCT = 8e6  # FLOPs: a product of twice as many is shared, since waking a thread costs about 25 µs
    SWEEP = 1 << 19  # passes over an element: a sweep of twice as many is shared

    def __init__(self, threads: int | None = None) -> None:
        super().__init__(np)
        self.threads = blas_threads.count() or 1 if threads is None else integer("threads", threads)
        self._own = _Own()

    def __reduce__(self) -> tuple[Any, ...]:
        rebuild, names = super().__reduce__()
        return rebuild, (*names, self.threads)

    def _temporary(self, role: str, shape: tuple[int, ...], dtype: Any) -> Array:
        """Scratch that the next request for the same role may overwrite, but for one of another thread or piece."""
        return self._own.scratch.array(role, shape, dtype)

    def _share(self, work: Callable[[Any], object], pieces: Sequence[Any], share: bool = True) -> None:
        """Call `work` with each piece, on the threads of the team.

        Scratch belongs to the caller, a part of it to each piece, and not to the helper: who does which piece is
        chance, and a thread that does one for the first time would allocate in the middle of a run.
        """
        if len(pieces) == 1:
            team.do(work, pieces, 1)
            return
        own, parts = self._own, self._own.parts
        while len(parts) < len(pieces):
            parts.append(_Scratch())

        def numbered(i: int) -> None:
            before, own.scratch = own.scratch, parts[i]
            try:
                work(pieces[i])
            finally:
                own.scratch = before

        team.do(numbered, range(len(pieces)), self.threads if share else 1)

    def _parts(self, n: int, size: int, passes: int = 4) -> list[slice]:
        """n rows of an array of `size` elements, a part for each thread that is worth waking."""
        return cut(n, min(self.threads, size * passes // self.SWEEP))

    # --- products ----------------------------------------------------------------------------------------------

    def gemm(self, a: Array, b: Array, out: Array, accumulate: bool = False) -> None:
        self.gemms([(a, b, out, accumulate)])

    def gemms(self, products: Sequence[Product]) -> None:
        flops = [2.0 * out.size * a.shape[1] for a, _, out, _ in products]
        total = sum(flops)
        threads = min(self.threads, int(total / self.PRODUCT))
        pieces = [
            piece
            for product, part in zip(products, flops, strict=True)
            for piece in _cut_product(*product, pieces=round(threads * part / total) if threads > 1 else 1)
        ]
        self._share(self._multiply, pieces, share=threads > 1)

    def _multiply(self, product: Product) -> None:
        a, b, out, accumulate = product
        target = self._temporary("gemm", out.shape, out.dtype) if accumulate else out
        if a.shape[1] == 1 and target.flags.c_contiguous:
            np.dot(a, b, out=target)  # an outer product, which matmul does not do through BLAS
        else:
            np.matmul(a, b, out=target)  # which, unlike dot, takes columns of larger arrays as they are
        if accumulate:
            np.add(out, target, out=out)


def write(out: Array, found: Array, add: bool) -> None:
    """out = found, or out + found."""
    if add:
        np.add(out, found, out=out)
    else:
        np.copyto(out, found)


class _Own(threading.local):
    """What each thread has of its own: `parts`, scratch for the pieces of its jobs, and where it writes now."""

    def __init__(self) -> None:
        self.scratch = _Scratch()
        self.parts = [self.scratch]


class _Scratch:
    """Memory that is used again: one array for each role and dtype, as large as it ever had to be."""

    def __init__(self) -> None:
        self._buffers: dict[tuple[str, str], Array] = {}
        self._arrays: dict[tuple[str, str, tuple[int, ...]], Array] = {}

    def array(self, role: str, shape: tuple[int, ...], dtype: Any) -> Array:
        """Uninitialised; what was given for the same role and dtype before is overwritten through it."""
        key = role, dtype.char, shape
        array = self._arrays.get(key)
        if array is None:
            size, buffer = math.prod(shape), self._buffers.get(key[:2])
            if buffer is None or buffer.size < size:
                buffer = self._buffers[key[:2]] = np.empty(size, dtype)
                self._arrays = {k: a for k, a in self._arrays.items() if k[:2] != key[:2]}
            array = self._arrays[key] = buffer[:size].reshape(shape)
        return array


def _cut_product(a: Array, b: Array, out: Array, accumulate: bool, pieces: int) -> Iterator[Product]:
    """out = a b as products of columns of b, or of rows of a where there are few columns, or where out is added to.

    BLAS copies both factors into an order of its own, and each piece copies the whole of the factor that is not cut.
    Here that is mostly the smaller one: a batch, not the weights. Of a gradient that is added to another, both
    factors are batches, and NumPy adds whole rows twice as fast as columns.
    """
    m, n = out.shape
    if pieces < 2:
        yield a, b, out, accumulate
    elif n >= 16 * pieces and a.shape[1] > 1 and not accumulate:  # BLAS makes outer products of whole rows only
        for columns in cut(n, pieces, multiple=16):
            yield a, b[:, columns], out[:, columns], accumulate
    else:
        for rows in cut(m, pieces, multiple=8):
            yield a[rows], b, out[rows], accumulate
