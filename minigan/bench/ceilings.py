"""The ceilings of this machine, measured: the fastest product, and the fastest copy from cache to memory.

A step is products and sweeps over memory. No product runs faster here than the best plain one, and no sweep moves
more bytes than a copy does; how near an operation comes to its ceiling says whether work on it would pay.
On a CPU both are measured in two ways, one call that may use threads of its own, and one thread of ours for each
core on its own part; the faster one counts.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..backend import Backend
from ..environment import device, usable_cores
from . import work
from .work import Work

Array = Any

GEMM_SIZES = {"cpu": (256, 512, 1024, 1536), "gpu": (1024, 2048, 4096, 8192)}
COPY_BYTES = {"cpu": tuple(2**n for n in range(14, 28, 2)), "gpu": tuple(2**n for n in range(18, 31, 2))}


@dataclass(frozen=True)
class Ceilings:
    """gemm: FLOPs per second. copies: (bytes read and written, bytes per second), small to large."""

    gemm: float
    copies: tuple[tuple[int, float], ...]

    def copy_rate(self, footprint: float) -> float:
        """Bytes per second of a copy between two arrays that are together about as large, in bytes.

        >>> Ceilings(1.0, ((100, 9.0), (10000, 4.0))).copy_rate(5000)
        4.0
        """
        return min(self.copies, key=lambda c: abs(math.log(c[0] / max(1.0, footprint))))[1]

    @property
    def memory(self) -> float:
        """Bytes per second of the largest copy, which no cache holds."""
        return self.copies[-1][1]

    def best(self, other: Ceilings) -> Ceilings:
        """The higher of two measurements of the same ceilings, one by one: the other one was disturbed.

        Raises ValueError if they are of different sizes of copies.
        """
        copies = []
        for (size, ours), (same, theirs) in zip(self.copies, other.copies, strict=True):
            if size != same:
                raise ValueError(f"expected ceilings of the same copies, got {size} and {same} bytes")
            copies.append((size, max(ours, theirs)))
        return Ceilings(max(self.gemm, other.gemm), tuple(copies))

    def share(self, work: Work, seconds: float) -> tuple[float, float]:
        """Which parts of the ceilings are reached: of the product's and of the copy's."""
        return work.flops / seconds / self.gemm, work.bytes / seconds / self.copy_rate(work.footprint)


def measure(backend: Backend, seconds: float = 0.1) -> Ceilings:
    """Measure the ceilings of the device that a backend computes on.

    seconds: how long each size is repeated, at least; the best time counts.
    """
    kind = device(backend)
    return Ceilings(
        max(_gemm_rate(backend, n, seconds) for n in GEMM_SIZES[kind]),
        tuple((size, _copy_rate(backend, size, seconds)) for size in COPY_BYTES[kind]),
    )


def _gemm_rate(backend: Backend, n: int, seconds: float) -> float:
    xp, sync = backend.xp, backend.synchronize
    a, b, out = (backend.asarray(np.full((n, n), 0.5, np.float32)) for _ in range(3))
    best = _best(lambda: xp.matmul(a, b, out=out), sync, seconds)
    if device(backend) == "cpu" and usable_cores() > 1:
        best = min(best, _best_threaded(lambda rows: np.matmul(a[rows], b, out=out[rows]), n, seconds))
    return work.gemm(n, n, n).flops / best


def _copy_rate(backend: Backend, moved: int, seconds: float) -> float:
    n = moved // 2 // work.FLOAT
    source, target = (backend.asarray(np.ones(n, np.float32)) for _ in range(2))
    best = _best(lambda: backend.xp.copyto(target, source), backend.synchronize, seconds)
    if device(backend) == "cpu" and usable_cores() > 1:
        best = min(best, _best_threaded(lambda part: np.copyto(target[part], source[part]), n, seconds))
    return 2 * n * work.FLOAT / best


def _best(call: Callable[[], object], sync: Callable[[], None], seconds: float) -> float:
    """Seconds of a call at its best, from groups that are long enough for the clock."""
    call()
    sync()
    group, best, end = 1, math.inf, time.perf_counter() + seconds
    while True:
        begin = time.perf_counter()
        for _ in range(group):
            call()
        sync()
        now = time.perf_counter()
        best = min(best, (now - begin) / group)
        if now > end:
            return best
        if now - begin < 1e-3:
            group *= 2


def _best_threaded(call: Callable[[slice], object], n: int, seconds: float) -> float:
    """The same with a thread for each core, each repeating its own part of n rows without waiting for the others."""
    count = usable_cores()
    parts = [slice(n * i // count, n * (i + 1) // count) for i in range(count)]
    group, best, end = 1, math.inf, time.perf_counter() + seconds
    while True:
        start = threading.Barrier(count + 1)

        def repeat(part: slice, group: int = group, start: threading.Barrier = start) -> None:
            start.wait()
            for _ in range(group):
                call(part)

        threads = [threading.Thread(target=repeat, args=(part,)) for part in parts]
        for thread in threads:
            thread.start()
        start.wait()
        begin = time.perf_counter()
        for thread in threads:
            thread.join()
        now = time.perf_counter()
        if now - begin >= 2e-3:  # shorter ones are mostly the threads' own coming and going
            best = min(best, (now - begin) / group)
        if now > end and math.isfinite(best):
            return best
        if now - begin < 1e-2:
            group *= 2
