"""Where the arrays live and who computes on them.

reference.py       the operations, in plain array code: what every backend must agree with
cpu.py             what the two CPU backends have in common: threads, scratch, products
cpu_conv.py        and convolutions, a few samples at a time
numpy_backend.py   on the CPU
numba_backend.py   on the CPU, with the loops of numba_loops.py and numba_direct.py compiled
cupy_backend.py    on a GPU, with the kernels of kernels.cu and the products of cublas.py
graph.py           a step that is played again and again, as one CUDA graph
workarounds.py     ways around a driver or a library that does not do its part
counter.py         a count that the operations of a step read where they compute
philox.py          random numbers as a function of (seed, purpose, step)
threads.py         threads that share a job
arena.py           memory that is reused from step to step
"""

from __future__ import annotations

import functools
import importlib.util
import sys
import warnings
from collections.abc import Iterable
from typing import Any

from ..names import unknown
from .arena import Arena, FreshArena
from .group import ALONE, ElsewhereError, Group, group_of
from .philox import Purpose, Share, Stream
from .reference import Backend

__all__ = [
    "ALONE",
    "Arena",
    "Backend",
    "ElsewhereError",
    "FreshArena",
    "Group",
    "Purpose",
    "Share",
    "Stream",
    "absent",
    "get_backend",
    "group_of",
]

_CUPY: dict[str, dict[str, Any]] = {  # what each name asks of CupyBackend
    "cupy": {},
    "cupy-eager": {"graph": False},
    "cupy-plain": {"graph": False, "fused": False},
    "cupy-tf32": {"precision": "tf32"},
    "cupy-bf16": {"precision": "bf16"},
}
NAMES = ("auto", "numpy", "numba", *_CUPY, "reference")
_FAILURES = (ImportError, RuntimeError, OSError, MemoryError)  # of a library or a device that is not usable here


def get_backend(name: str | Backend = "auto", threads: int | None = None, group: Group | None = None) -> Backend:
    """A new backend by name.

    "numpy"      NumPy on the CPU
    "numba"      the same with its sweeps compiled: quicker, but Numba must be installed
    "cupy"       CuPy on a GPU: kernels of our own, and a CUDA graph for steps in a row
    "cupy-eager", "cupy-plain"  the same without the graph; without graph and kernels, as plain array code
    "cupy-tf32", "cupy-bf16"    as "cupy", with float32 products on the tensor cores, in lower precision
    "auto"       the first of cupy, numba and numpy that works here; with `threads`, of numba and numpy. Where CuPy or
                 Numba is installed and does not work, a warning says why, once
    "reference"  plain array code on the CPU: slow, the oracle of the tests

    A backend is an ordinary object that is passed on explicitly, never a global setting: two can live in one
    process. A Backend is returned as it is. threads: of a CPU backend, by default as many as BLAS would use.

    One CPU backend may serve any number of games, in any number of threads of yours: each thread has scratch memory
    of its own, and those that compute with it are one team for the whole process. A GPU backend may serve many games,
    but one thread at a time.

    group: processes that play one game together, each on such a backend (mpi.py). They share the threads of a machine,
    unless `threads` says how many each has, or its GPUs, of which each takes one.

    Raises ValueError for another name, or threads where there is no choice; ImportError if what a backend needs is
    not installed; RuntimeError if CuPy finds no GPU, or fewer than there are processes.

    >>> get_backend("numpy").name
    'numpy'
    """
    if group is not None and group.size > 1:
        return _of_group(name, threads, group)
    if isinstance(name, Backend):
        return name
    if name == "auto":
        for choice in ("cupy", "numba") if threads is None else ("numba",):
            try:
                return get_backend(choice, threads)
            except _FAILURES as error:
                if _installed(choice):
                    _warn(f"the {choice} backend is passed over: {' '.join(str(error).split())}")
        return get_backend("numpy", threads)
    if name == "numpy":
        from .numpy_backend import NumpyBackend

        return NumpyBackend(threads)
    if name == "numba":
        from .numba_backend import NumbaBackend

        return NumbaBackend(threads)
    if threads is not None and name in NAMES:
        raise ValueError(f"the {name} backend has no threads to choose, got {threads}")
    if name == "reference":
        return Backend()
    if name in _CUPY:
        from .cupy_backend import CupyBackend

        return CupyBackend(**_CUPY[name])
    raise ValueError(unknown("backend", name, NAMES))


def _of_group(name: str | Backend, threads: int | None, group: Group) -> Backend:
    """A backend of a process that plays with others."""
    from . import nccl
    from .threads import blas_threads

    if name in _CUPY or (name == "auto" and threads is None and nccl.gpus() >= group.here):
        nccl.take_gpu(group)
        be = get_backend(name)
        be.group = nccl.NCCLGroup(group, be.xp)
        return be
    if threads is None and name in ("auto", "numpy", "numba"):
        threads = max(1, (blas_threads.count() or 1) // group.here)
    be = get_backend(name, threads)
    be.group = group
    return be


def absent(names: Iterable[str] = ("numpy", "numba", "cupy")) -> dict[str, str]:
    """Which of these backends do not work here, and why.

    >>> absent(["numpy"])
    {}
    """
    reasons = {}
    for name in names:
        try:
            get_backend(name)
        except _FAILURES as error:
            reasons[name] = str(error)
    return reasons


def _installed(library: str) -> bool:
    """Whether it could be imported, or is; nothing is imported."""
    return sys.modules.get(library) is not None or importlib.util.find_spec(library) is not None


@functools.cache
def _warn(sentence: str) -> None:
    """Once in a process, whoever asks."""
    warnings.warn(sentence, stacklevel=3)
