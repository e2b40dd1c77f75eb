"""Products by cuBLAS, through handles of our own.

CuPy's own wrappers refuse to run while a CUDA graph is recorded (each sets the stream, which CuPy forbids there), so
`cublasGemmEx` is called through ctypes. cuBLAS thinks in columns: an array that is (m, k) by rows is (k, m) by
columns, so out = a b is asked for as outᵀ = bᵀ aᵀ, and a transposed view becomes a flag instead of a copy.
"""

from __future__ import annotations

import ctypes
import functools
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from ..names import not_one_of
from . import workarounds

Array = Any

WORKSPACE = 32 << 20  # bytes; given to cuBLAS once, since it must not allocate while a graph is recorded
_TYPES = {np.dtype(np.float32): (0, ctypes.c_float), np.dtype(np.float64): (1, ctypes.c_double)}  # CUDA_R_32F, 64F
PRECISIONS = {"fp32": 68, "tf32": 77, "bf16": 75}  # CUBLAS_COMPUTE_32F, ..._FAST_TF32, ..._FAST_16BF
_COMPUTE_64F = 70
_DEFAULT_ALGORITHM = -1


class Cublas:
    """cuBLAS on whatever stream is current.

    precision: of float32 products. "fp32" is exact float32; "tf32" and "bf16" round the factors to 10 and 7 bits of
    mantissa for the tensor cores and add up in float32. Raises ValueError for another name.
    """

    def __init__(self, cupy: Any, precision: str = "fp32") -> None:
        if precision not in PRECISIONS:
            raise ValueError(not_one_of("precision", precision, PRECISIONS))
        self._cupy, self._precision = cupy, PRECISIONS[precision]
        self._handles = _handles(cupy)
        self._plain_call = workarounds.cublas_call() == "sgemm"
        if self._plain_call and precision != "fp32":
            raise ValueError(f"MINIGAN_CUBLAS_CALL=sgemm knows fp32 only, not {precision}; unset one of both")

    def gemm(self, a: Array, b: Array, out: Array, accumulate: bool = False) -> None:
        """out = a b, or out += a b; views with a unit stride are taken as they are, others copied."""
        if out.size == 0:
            return
        m, k = a.shape
        n = b.shape[1]
        kind, real = _TYPES[out.dtype]
        compute = _COMPUTE_64F if kind else self._precision
        (a, transpose_a, lda), (b, transpose_b, ldb) = self._factor(a), self._factor(b)
        one, beta, ldc = real(1), real(accumulate), out.strides[0] // out.itemsize
        ask = self._handles.current(), transpose_b, transpose_a, n, m, k, ctypes.byref(one)
        first, second, to = (ctypes.c_void_p(array.data.ptr) for array in (b, a, out))
        library = self._handles.library
        if self._plain_call:
            call = library.cublasDgemm_v2 if kind else library.cublasSgemm_v2
            status = call(*ask, first, ldb, second, lda, ctypes.byref(beta), to, ldc)
        else:
            whole = first, kind, ldb, second, kind, lda, ctypes.byref(beta), to, kind, ldc
            status = library.cublasGemmEx(*ask, *whole, compute, _DEFAULT_ALGORITHM)
        self._handles.check(f"a product ({m}, {k}) x ({k}, {n}) of {out.dtype}", status)

    def about(self) -> str:
        """The version of the library, and its file."""
        version = ctypes.c_int()
        self._handles.check(
            "its version",
            self._handles.library.cublasGetVersion_v2(self._handles.current(), ctypes.byref(version)),
        )
        return f"cuBLAS {version.value} ({Path(getattr(self._handles.library, '_name', 'unknown file')).name})"

    def _factor(self, x: Array) -> tuple[Array, int, int]:
        """The array, whether it is the transpose of one by rows, and the distance of its rows."""
        (rows, cols), (down, right), item = x.shape, x.strides, x.itemsize
        if right == item and (rows == 1 or down >= cols * item):
            return x, 0, max(cols, down // item)
        if down == item and (cols == 1 or right >= rows * item):
            return x, 1, max(rows, right // item)
        return self._factor(self._cupy.ascontiguousarray(x))


class Handles:
    """One handle and one workspace for each stream, for the whole process: a handle costs milliseconds and memory.

    They live as long as the process does. Streams are few and live as long (`cupy_backend.streams`).
    """

    def __init__(self, cupy: Any) -> None:
        self.library = load()
        self._cupy = cupy
        self._handles: dict[tuple[int, int], tuple[ctypes.c_void_p, Array]] = {}  # by device and stream

    def current(self) -> ctypes.c_void_p:
        """The handle of the current stream."""
        stream = self._cupy.cuda.get_current_stream().ptr
        key = self._cupy.cuda.Device().id, stream
        if key not in self._handles:
            pool = self._cupy.get_default_memory_pool()
            with self._cupy.cuda.using_allocator(pool.malloc):  # not from the pool of a graph, which dies with it
                handle, workspace = ctypes.c_void_p(), self._cupy.empty((WORKSPACE,), np.uint8)
            self.check("a handle", self.library.cublasCreate_v2(ctypes.byref(handle)))
            self.check("its stream", self.library.cublasSetStream_v2(handle, ctypes.c_void_p(stream)))
            if workarounds.own_workspace():  # after the stream, which resets it
                size, pointer = ctypes.c_size_t(WORKSPACE), ctypes.c_void_p(workspace.data.ptr)
                self.check("its workspace", self.library.cublasSetWorkspace_v2(handle, pointer, size))
            self._handles[key] = handle, workspace
        return self._handles[key][0]

    def check(self, what: str, status: int) -> None:
        if status:
            raise RuntimeError(f"cuBLAS failed at {what}: {self._words(status)} (status {status})")

    def _words(self, status: int) -> str:
        describe = getattr(self.library, "cublasGetStatusString", None)  # older libraries have none
        return "see cublasStatus_t" if describe is None else (describe(status) or b"unknown").decode(errors="replace")


@functools.cache
def _handles(cupy: Any) -> Handles:
    return Handles(cupy)


def load() -> Any:
    """The library that CuPy uses, found as CuPy finds it; else by its name, where the system has it.

    Raises RuntimeError where there is none.
    """
    tried = []
    try:
        from cuda.pathfinder import load_nvidia_dynamic_lib

        return _declared(ctypes.CDLL(load_nvidia_dynamic_lib("cublas").abs_path))
    except Exception as error:  # not installed, or finds nothing, in its own words
        tried.append(" ".join(str(error).split()) or type(error).__name__)
    for name in ("libcublas.so.13", "libcublas.so.12", "cublas64_13.dll", "cublas64_12.dll"):
        try:
            return _declared(ctypes.CDLL(name))
        except OSError as error:
            tried.append(str(error))
    raise RuntimeError(f"cuBLAS was not found: {'; '.join(tried)}")


def _declared(library: Any) -> Any:
    """With the results that are no integers declared."""
    with suppress(AttributeError):
        library.cublasGetStatusString.restype = ctypes.c_char_p
    return library
