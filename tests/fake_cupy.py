"""A module that passes for CuPy where there is none: NumPy arrays that behave like those of a device.

What goes wrong on a GPU and not on a CPU is an error here, on any machine:

* arrays of the device do not mix with those of the host;
* kernels run on the CPU (kernels_on_cpu.py) and are held to their signatures; each array lies between guards, so that
  writing beside it is found; cuBLAS is a function of NumPy on addresses, as particular as the real one;
* while a stream records a graph nothing is computed: it is only noted, and happens when the graph is launched. To read
  a number, to wait, to multiply by CuPy's cuBLAS, or to take memory but from the graph's own pool, is then an error.

`device` counts what was asked for. This says nothing about speed or CuPy's own behaviour; for that there are the tests
marked `gpu`.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import kernels_on_cpu
import numpy as np
import pytest

from minigan.backend import cublas

GUARD = 16  # elements before and after each array


class CaptureError(RuntimeError):
    """What CUDA answers to a call that cannot be recorded."""


class Device:
    """The state of the device, and what it was asked for: `log` has (operation, addresses) in order."""

    def __init__(self) -> None:
        self.recorded: list[Callable[[], None]] | None = None  # while a stream records
        self.broken = False  # the recording, by a call that cannot be recorded
        self.log: list[tuple[str, tuple[int, ...]]] = []
        self.allocations = self.pooled = self.reads = 0  # arrays made, those made while recording, numbers read
        self.pool = False  # whether memory comes from a pool of somebody's own
        self.memory: list[np.ndarray[Any, Any]] = []  # every array's, guards included: nothing is ever freed

    def do(self, what: str, arrays: Any, work: Callable[[], None]) -> None:
        """Compute now, or note it for the graph."""
        self.log.append((what, tuple(a.ctypes.data for a in arrays if isinstance(a, np.ndarray))))
        if self.recorded is None:
            work()
        else:
            self.recorded.append(work)

    def refuse_while_recording(self, what: str) -> None:
        if self.recorded is not None:
            self.broken = True
            raise CaptureError(f"{what} is not permitted when a stream is capturing")

    def read(self) -> None:
        self.refuse_while_recording("reading from the device")
        self.reads += 1

    def allocate(self, shape: Any, dtype: Any) -> DeviceArray:
        if not self.pool:
            self.refuse_while_recording("taking memory")
        self.allocations += 1
        self.pooled += self.recorded is not None
        size, dtype = int(np.prod(shape)), np.dtype(dtype)
        memory = np.zeros(size + 2 * GUARD, dtype)
        garbage = memory.view(np.uint8)
        if garbage.size < 1 << 20:
            garbage[:] = 255  # NaN
        else:  # cuBLAS's workspace: the operating system need not find the memory that nobody touches
            garbage[: GUARD * dtype.itemsize] = garbage[-GUARD * dtype.itemsize :] = 255
        self.memory.append(memory)
        return memory[GUARD : GUARD + size].reshape(shape).view(DeviceArray)

    def make(self, what: str, inputs: Any, work: Callable[[], Any]) -> Any:
        """A new array that holds what `work` returns, or will when the graph is launched."""
        result = _device(work())
        if self.recorded is not None:
            self.do(what, (*inputs, result), lambda: np.copyto(_host(result), work()))
        return result

    def check_guards(self) -> None:
        """Nobody has written beside an array."""
        for memory in self.memory:
            for guard in (memory[:GUARD], memory[-GUARD:]):
                assert set(guard.tobytes()) == {255}, f"something was written beside an array {memory.dtype}"


device = Device()


def _check(values: Any) -> None:
    for value in values:
        if isinstance(value, (list, tuple)):
            _check(value)
        elif isinstance(value, np.ndarray) and not isinstance(value, DeviceArray):
            raise TypeError(f"an array of the host, {value.dtype} {value.shape}, met one of the device")


def _host(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value)(_host(v) for v in value)
    return value.view(np.ndarray) if isinstance(value, DeviceArray) else value


def _device(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_device(v) for v in value)
    if isinstance(value, DeviceArray) or not isinstance(value, (np.ndarray, np.generic)):
        return value
    array = device.allocate(np.shape(value), value.dtype)  # reductions give 0-d arrays of the device, not scalars
    array.view(np.ndarray)[...] = value
    return array


class DeviceArray(np.ndarray[Any, Any]):
    """An array "of the device"."""

    @property  # type: ignore[override]
    def data(self) -> Any:
        return types.SimpleNamespace(ptr=self.ctypes.data)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        out = kwargs.get("out", ())
        _check((inputs, out, kwargs.get("where", ())))
        kwargs = {name: _host(value) for name, value in kwargs.items()}
        if ufunc is np.matmul:
            device.refuse_while_recording("cuBLAS through CuPy")

        def work() -> Any:
            return getattr(ufunc, method)(*_host(inputs), **kwargs)

        if not out:
            return device.make(ufunc.__name__, inputs, work)
        device.do(ufunc.__name__, (*inputs, *out), work)
        return out[0]

    def __array_function__(self, func: Any, kinds: Any, args: Any, kwargs: Any) -> Any:
        _check((args, tuple(kwargs.values())))
        named = {name: _host(value) for name, value in kwargs.items()}
        return device.make(func.__name__, (), lambda: func(*_host(args), **named))

    def __setitem__(self, key: Any, value: Any) -> None:
        _check((value,))
        device.do("copy", (self, value), lambda: self.view(np.ndarray).__setitem__(key, _host(value)))

    def __getitem__(self, key: Any) -> Any:
        result = self.view(np.ndarray)[_host(key)]
        if isinstance(result, np.ndarray) and np.shares_memory(result, self.view(np.ndarray)):
            return result.view(DeviceArray)
        device.refuse_while_recording("taking memory")
        return _device(result)

    def fill(self, value: Any) -> None:
        self[...] = value

    def astype(self, dtype: Any, *args: Any, **kwargs: Any) -> Any:
        return _device(self.view(np.ndarray).astype(dtype))

    def item(self, *args: Any) -> Any:
        device.read()
        return self.view(np.ndarray).item(*args)

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __bool__(self) -> bool:
        return bool(self.item())


class Stream:
    """A stream: what it does is done at once, but while it records."""

    current: Any = None
    _numbers = itertools.count(1)

    def __init__(self, non_blocking: bool = False) -> None:
        self.ptr, self.non_blocking = next(self._numbers), non_blocking

    def __enter__(self) -> Stream:
        self._before, Stream.current = Stream.current, self
        return self

    def __exit__(self, *error: object) -> None:
        Stream.current = self._before

    def synchronize(self) -> None:
        device.refuse_while_recording("waiting for a stream")

    def begin_capture(self, mode: int) -> None:
        assert self.non_blocking, "the default stream cannot record"
        assert mode == 1, "only in this mode is taking memory an error"
        device.recorded, device.broken = [], False

    def end_capture(self) -> Graph:
        recorded, device.recorded = device.recorded, None
        if device.broken or recorded is None:
            raise CaptureError("the capture was broken by an earlier error")
        return Graph(recorded)


Stream.current = Stream()


class Graph:
    """A recorded graph."""

    def __init__(self, recorded: list[Callable[[], None]]) -> None:
        self.recorded = recorded

    def launch(self) -> None:
        device.refuse_while_recording("launching a graph")
        device.log.append(("graph", ()))
        for work in self.recorded:
            work()


class RawModule:
    """The kernels of a module, which run on the CPU."""

    def __init__(self, code: str, options: tuple[str, ...]) -> None:
        self.code = code
        self.real = next(option.removeprefix("-DREAL=") for option in options if option.startswith("-DREAL="))

    def get_function(self, name: str) -> Callable[..., None]:
        device.refuse_while_recording("loading a module")

        def kernel(grid: tuple[int, ...], block: tuple[int, ...], args: tuple[Any, ...]) -> None:
            arrays = tuple(_host(a) for a in args)
            device.do(name, args, lambda: kernels_on_cpu.launch(name, self.real, grid, block, arrays, self.code))

        return kernel


class FakeCublas:
    """cuBLAS, by columns, on addresses; it refuses what the real one refuses, with its status."""

    def __init__(self) -> None:
        self.workspaces: dict[int, int] = {}  # bytes, by handle
        self.streams: dict[int, int] = {}

    def cublasCreate_v2(self, handle: Any) -> int:
        device.refuse_while_recording("creating a handle")
        handle._obj.value = 1000 + len(self.streams)
        self.streams[handle._obj.value] = 0
        return 0

    def cublasSetStream_v2(self, handle: Any, stream: Any) -> int:
        self.streams[handle.value] = stream.value
        self.workspaces.pop(handle.value, None)
        return 0

    def cublasSetWorkspace_v2(self, handle: Any, pointer: Any, size: Any) -> int:
        self.workspaces[handle.value] = size.value
        return 0

    def cublasGemmEx(
        self, handle: Any, ta: int, tb: int, m: int, n: int, k: int, alpha: Any, a: Any, a_type: int, lda: int,
        b: Any, b_type: int, ldb: int, beta: Any, c: Any, c_type: int, ldc: int, compute: int, algorithm: int,
    ) -> int:  # fmt: skip
        assert self.streams[handle.value] == Stream.current.ptr, "the product would run on another stream"
        assert self.workspaces[handle.value] >= 32 << 20, "cuBLAS would allocate its workspace"
        assert algorithm == -1
        if lda < max(1, k if ta else m) or ldb < max(1, n if tb else k) or ldc < max(1, m):
            return 7  # CUBLAS_STATUS_INVALID_VALUE
        assert a_type == b_type == c_type
        assert compute in ({68, 77, 75} if c_type == 0 else {70})
        real = {0: ctypes.c_float, 1: ctypes.c_double}[c_type]
        left = _columns(a.value, *((k, m) if ta else (m, k)), lda, real)
        right = _columns(b.value, *((n, k) if tb else (k, n)), ldb, real)
        out = _columns(c.value, m, n, ldc, real)
        scale, keep = alpha._obj.value, beta._obj.value

        @np.errstate(all="ignore")
        def multiply() -> None:
            product = scale * ((left.T if ta else left) @ (right.T if tb else right))
            out[...] = product + keep * out if keep else product  # beta = 0: what was there may be NaN

        device.do("gemm", (left, right, out), multiply)
        return 0


def _columns(address: int, rows: int, cols: int, distance: int, real: Any) -> np.ndarray[Any, Any]:
    """The array (rows, cols) that begins at an address, its columns `distance` apart."""
    flat = np.ctypeslib.as_array((real * (distance * (cols - 1) + rows)).from_address(address))
    return np.lib.stride_tricks.as_strided(flat, (rows, cols), (flat.itemsize, flat.itemsize * distance))


@contextlib.contextmanager
def _using_allocator(malloc: Any) -> Iterator[None]:
    before, device.pool = device.pool, True
    yield
    device.pool = before


class FakeCupy(types.ModuleType):
    """What `import cupy` gives: NumPy's functions, on arrays of the device."""

    __version__ = "14.0.0"
    ndarray = DeviceArray
    RawModule = RawModule

    def __init__(self, devices: int = 1) -> None:
        super().__init__("cupy")
        errors = {name: type(name, (RuntimeError,), {}) for name in ("CUDARuntimeError", "CUDADriverError")}
        self.cuda = types.SimpleNamespace(
            Stream=Stream,
            get_current_stream=lambda: Stream.current,
            MemoryPool=lambda: types.SimpleNamespace(malloc=lambda size: None),
            using_allocator=_using_allocator,
            memory=types.SimpleNamespace(OutOfMemoryError=type("OutOfMemoryError", (MemoryError,), {})),
            driver=types.SimpleNamespace(CUDADriverError=errors["CUDADriverError"]),
            runtime=types.SimpleNamespace(
                getDeviceCount=lambda: devices,
                streamCaptureModeThreadLocal=1,
                CUDARuntimeError=errors["CUDARuntimeError"],
            ),
        )

    def __getattr__(self, name: str) -> Any:
        found = getattr(np, name)
        if isinstance(found, (type, np.ufunc)) or not callable(found):
            return found

        def function(*args: Any, **kwargs: Any) -> Any:
            if any(isinstance(a, DeviceArray) for a in args):
                return found(*args, **kwargs)
            return device.make(name, (), lambda: found(*args, **kwargs))

        return function

    def empty(self, shape: Any, dtype: Any = float) -> Any:
        return device.allocate(shape, dtype)

    def zeros(self, shape: Any, dtype: Any = float) -> Any:
        array = device.allocate(shape, dtype)
        array.view(np.ndarray)[...] = 0
        return array

    def asarray(self, a: Any, dtype: Any = None) -> Any:
        if isinstance(a, DeviceArray) and dtype in (None, a.dtype):
            return a
        return _device(np.asarray(_host(a), dtype=dtype))

    def ascontiguousarray(self, a: Any) -> Any:
        return a if a.flags.c_contiguous else _device(np.ascontiguousarray(_host(a)))

    def asnumpy(self, a: Any) -> Any:
        device.read()
        return np.array(_host(a))

    def copyto(self, out: Any, a: Any, **kwargs: Any) -> None:
        _check((out, a))
        kwargs = {name: _host(value) for name, value in kwargs.items()}
        device.do("copy", (out, a), lambda: np.copyto(_host(out), _host(a), **kwargs))


def install(monkeypatch: Any, devices: int = 1) -> Device:
    """Let `import cupy` find the stand-in, with a device that was asked for nothing yet; skip without a compiler."""
    try:
        kernels_on_cpu.library(kernels_on_cpu.source(), "float")
    except RuntimeError as error:
        pytest.skip(str(error))
    monkeypatch.setitem(sys.modules, "cupy", FakeCupy(devices))
    monkeypatch.setattr(cublas, "load", FakeCublas)
    device.__init__()  # type: ignore[misc]
    return device
