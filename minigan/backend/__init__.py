"""Where the arrays live and who computes on them.

reference.py       the operations, in plain array code: what every backend must agree with
numpy_backend.py   on the CPU
cupy_backend.py    on a GPU
philox.py          random numbers as a function of (seed, purpose, step)
arena.py           memory that is reused from step to step
"""

from __future__ import annotations

from .arena import Arena, Heap
from .philox import Purpose, Stream
from .reference import Backend

__all__ = ["Arena", "Backend", "Heap", "Purpose", "Stream", "get_backend"]

NAMES = ("auto", "numpy", "cupy", "reference")


def get_backend(name: str | Backend = "auto") -> Backend:
    """A new backend by name: `"numpy"`, `"cupy"`, or `"auto"` (CuPy if it finds a GPU, else NumPy).

    A backend is an ordinary object that is passed on explicitly, never a global setting: two can live in one
    process. `"reference"` is the slow plain-array oracle. A Backend is returned as it is.

    Raises ValueError for another name, ImportError if CuPy is asked for and not installed, RuntimeError if CuPy
    finds no GPU.

    >>> get_backend("numpy").name
    'numpy'
    """
    if isinstance(name, Backend):
        return name
    if name == "reference":
        return Backend()
    if name == "numpy":
        from .numpy_backend import NumpyBackend

        return NumpyBackend()
    if name == "cupy":
        from .cupy_backend import CupyBackend

        return CupyBackend()
    if name == "auto":
        try:
            return get_backend("cupy")
        except (ImportError, RuntimeError):
            return get_backend("numpy")
    raise ValueError(f"unknown backend {name!r}: choose one of {', '.join(NAMES)}")
