"""Threads that share a job, cut into pieces.

NumPy lets go of Python's lock inside its loops and inside BLAS, so that Python threads can compute side by side.
BLAS brings threads of its own, and OpenBLAS's do well on an idle machine. But they wait for each other several times
within one product, turning in a loop all the while: on a machine with another busy process each of these waits
can last until the system switches over, and a training step takes up to forty times as long. Nor can anything else
run beside them.

So while a job runs, BLAS is held to one thread, and a job is cut into pieces that need nothing of each other: rows or
columns of a product, or two products. Whoever is free takes the next piece. A thread that does not get a core takes
none, and holds up nobody. The cut depends on shapes and on the number of threads, never on who is quicker: which is
why a run can be repeated bit for bit.
"""

from __future__ import annotations

import contextvars
import ctypes
import glob
import math
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

Work = Callable[[Any], object]


def cut(n: int, pieces: int, multiple: int = 1) -> list[slice]:
    """0..n in at most so many slices of about one size, which begin at multiples of `multiple`.

    >>> cut(10, 2, multiple=4)
    [slice(0, 8, None), slice(8, 10, None)]
    """
    step = max(1, math.ceil(n / max(1, pieces) / multiple) * multiple)
    return [slice(i, min(i + step, n)) for i in range(0, n, step)]


class _BlasThreads:
    """A context in which OpenBLAS computes on the calling thread alone; can be nested, and entered by many threads."""

    def __init__(self) -> None:
        self._get, self._set = _openblas()
        self._before = 1
        self._inside = 0
        self._lock = threading.Lock()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._alone)

    def _alone(self) -> None:
        """In a forked process, in which the threads that were inside are not: it has what they would have left."""
        self._lock = threading.Lock()
        if self._inside and self._set:
            self._set(self._before)
        self._inside = 0

    def count(self) -> int | None:
        """How many threads BLAS uses now; None if it cannot be asked (another BLAS than OpenBLAS)."""
        return self._before if self._inside else self._get and int(self._get())

    # Whenever a fork comes, `_inside` is not 0 while BLAS is held: the order of the lines below sees to that.

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0 and self._get:
                self._before = int(self._get())
            self._inside += 1
            if self._inside == 1 and self._set:
                self._set(1)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            if self._inside == 1 and self._set:
                self._set(self._before)
            self._inside -= 1


def _openblas() -> tuple[Callable[[], int] | None, Callable[[int], None] | None]:
    """The functions by which the OpenBLAS that NumPy has loaded tells and changes its number of threads."""
    with suppress(AttributeError, OSError):
        # a symbol is looked up in a library and in those that it needs; on Windows only in itself
        libraries = [np._core._multiarray_umath.__file__]  # type: ignore[attr-defined]
        libraries += glob.glob(os.path.join(os.path.dirname(np.__file__), os.pardir, "numpy.libs", "*openblas*"))
        for handle in map(ctypes.PyDLL, libraries):
            for name in ("scipy_openblas_{}64_", "scipy_openblas_{}", "openblas_{}64_", "openblas_{}"):
                with suppress(AttributeError):
                    return handle[name.format("get_num_threads")], handle[name.format("set_num_threads")]
    return None, None


blas_threads = _BlasThreads()


class _Job:
    """Pieces that are left, and a lock that opens when the last one is done."""

    def __init__(self, work: Work, pieces: Iterable[Any]) -> None:
        self.work = work
        self.left = list(pieces)
        self.undone = len(self.left)
        self.errors: list[BaseException] = []
        self.context = contextvars.copy_context()  # NumPy's error state, for one
        self._count = threading.Lock()
        self.done = threading.Lock()
        self.done.acquire()

    def take(self) -> None:
        """Do pieces until none is left."""
        while True:
            try:
                piece = self.left.pop()
            except IndexError:
                return
            try:
                self.work(piece)
            except BaseException as error:
                self.errors.append(error)
            with self._count:
                self.undone -= 1
                if self.undone == 0:
                    self.done.release()


class Team:
    """The calling thread and helpers, which are hired as they are needed and sleep between the jobs.

    A team serves one job at a time; a second caller meanwhile does his job alone, with the same result.
    """

    def __init__(self) -> None:
        self._disband()

    def _disband(self) -> None:
        """Nobody works, and nobody is hired: as in a forked process, where the helpers of its parent are not."""
        self._job: _Job | None = None
        self._busy = threading.Lock()
        self._bells: list[threading.Lock] = []

    def do(self, work: Work, pieces: Sequence[Any], threads: int) -> None:
        """Call `work` with each of the pieces, in any order and on so many threads; returns when all is done.

        threads: 1 if waking a helper, 10 to 30 µs, is not worth it. The first error of a piece is raised.
        """
        with blas_threads:
            if threads > 1 and len(pieces) > 1 and self._busy.acquire(blocking=False):
                try:
                    self._share(_Job(work, pieces), threads)
                finally:
                    self._busy.release()
            else:
                for piece in pieces:
                    work(piece)

    def _share(self, job: _Job, threads: int) -> None:
        self._job = job
        helpers = min(threads, len(job.left)) - 1
        while len(self._bells) < helpers and self._hire():
            pass
        for bell in self._bells[:helpers]:
            with suppress(RuntimeError):  # it rings already: the helper is late, and will find this job
                bell.release()
        job.take()
        job.done.acquire()
        self._job = None
        if job.errors:
            raise job.errors[0]

    def _hire(self) -> bool:
        bell = threading.Lock()
        bell.acquire()
        with suppress(RuntimeError):  # no more threads: the pieces are done by fewer
            threading.Thread(target=self._help, args=(bell,), name="minigan", daemon=True).start()
            self._bells.append(bell)
            return True
        return False

    def _help(self, bell: threading.Lock) -> None:
        while True:
            bell.acquire()
            job = self._job
            if job is not None:
                job.context.copy().run(job.take)
            del job


team = Team()  # threads belong to the process: all backends share them
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=team._disband)
