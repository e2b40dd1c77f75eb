"""A module that passes for CuPy where there is none: arrays "of the device", streams, and graphs.

What goes wrong on a GPU and not on a CPU is an error here, on any machine:

* arrays of the device are no NumPy arrays: they do not mix with those of the host, and nothing converts them silently;
* kernels run on the CPU (kernels_on_cpu.py) and are held to their signatures; each array lies between guards, so that
  writing beside it is found; cuBLAS is a function of NumPy on addresses, as particular as the real one, and adds up in
  an order of its own;
* while a stream records a graph nothing is computed: it is only noted, and happens when the graph is launched. To read
  a number, to wait, to multiply by CuPy's cuBLAS, or to take memory but from the graph's own pool, is then an error,
  and so is the death of a graph, a pool or a handle: CUDA forbids its calls during a capture, and loses the recording;
* branches of a recording (events) must be joined, and what two of them do at once must not touch the same memory.

`device` counts what was asked for. This says nothing about speed or CuPy's own behaviour; for that there are the tests
marked `gpu`.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import kernels_on_cpu
import numpy as np
import pytest

from minigan.backend import cublas

GUARD = 16  # elements before and after each array


class CaptureError(RuntimeError):
    """What CUDA answers to a call that cannot be recorded."""


class Node(NamedTuple):
    """An operation of a recording: what it is, what it does, the bytes that it reads and writes, and what is before it.

    before: a set of nodes, a bit for each.
    """

    what: str
    work: Callable[[], None]
    reads: list[tuple[int, int]]
    writes: list[tuple[int, int]]
    before: int


class Recording:
    """What a stream records, and the streams that have branched off: for each, the nodes before its next one."""

    def __init__(self, stream: Stream, mode: int) -> None:
        self.origin, self.mode = stream, mode
        self.nodes: list[Node] = []
        self.before: dict[Stream, int] = {stream: 0}
        self.broken = ""  # by a call that cannot be recorded

    def add(self, what: str, reads: Iterable[Any], writes: Iterable[Any], work: Callable[[], None]) -> None:
        stream = Stream.current
        if stream not in self.before:
            raise CaptureError(f"{what} on a stream that does not record would be computed now")
        node = Node(what, work, _ranges(reads), _ranges(writes), self.before[stream])
        for i, earlier in enumerate(self.nodes):
            if not node.before >> i & 1 and _conflict(node, earlier):
                raise CaptureError(f"{what} and {earlier.what} run side by side and touch the same memory")
        self.before[stream] |= 1 << len(self.nodes)
        self.nodes.append(node)

    def finish(self) -> None:
        if self.broken:
            raise CaptureError(f"the capture was broken by an earlier error: {self.broken}")
        if self.before[self.origin] != (1 << len(self.nodes)) - 1:
            raise CaptureError("the capture has branches that were not joined")


def _ranges(arrays: Iterable[Any]) -> list[tuple[int, int]]:
    """First and last byte of each array."""
    hosts = (_host(a) for a in arrays)
    return [np.lib.array_utils.byte_bounds(a) for a in hosts if isinstance(a, np.ndarray) and a.size]


def _conflict(one: Node, other: Node) -> bool:
    pairs = ((one.writes, other.writes), (one.writes, other.reads), (one.reads, other.writes))
    return any(a < d and c < b for these, those in pairs for a, b in these for c, d in those)


class Device:
    """The state of the device, and what it was asked for: `log` has (operation, addresses) in order."""

    def __init__(self) -> None:
        self.recording: Recording | None = None
        self.log: list[tuple[str, tuple[int, ...]]] = []
        self.allocations = self.pooled = self.reads = 0  # arrays made, those made while recording, numbers read
        self.reductions = 0  # arrays that CuPy's reductions made for themselves while recording, `out` or not
        self.pool = False  # whether memory comes from a pool of somebody's own
        self.memory: list[np.ndarray[Any, Any]] = []  # every array's, guards included: nothing is ever freed
        self.deaths: list[str] = []  # of graphs, pools and handles while a stream recorded

    def do(
        self, what: str, arrays: Iterable[Any], work: Callable[[], None], writes: Iterable[Any] | None = None
    ) -> None:
        """Compute now, or note it for the graph. writes: those of the arrays that are changed, all if not given."""
        arrays = [a for a in arrays if isinstance(a, (np.ndarray, DeviceArray))]
        self.log.append((what, tuple(a.ctypes.data for a in arrays)))
        if self.recording is None:
            work()
        else:
            try:
                self.recording.add(what, arrays, arrays if writes is None else writes, work)
            except CaptureError as error:
                self.recording.broken = str(error)
                raise

    def refuse_while_recording(self, what: str) -> None:
        if self.recording is not None:
            self.recording.broken = what
            raise CaptureError(f"{what} is not permitted when a stream is capturing")

    def died(self, what: str) -> None:
        """A destructor cannot raise: the recording is lost, as its end will tell."""
        if self.recording is not None:
            self.deaths.append(what)
            self.recording.broken = f"a {what} was destroyed"

    def read(self) -> None:
        self.refuse_while_recording("reading from the device")
        self.reads += 1

    def allocate(self, shape: Any, dtype: Any) -> DeviceArray:
        if not self.pool:
            self.refuse_while_recording("taking memory")
        self.allocations += 1
        self.pooled += self.recording is not None
        size, dtype = int(np.prod(shape)), np.dtype(dtype)
        memory = np.zeros(size + 2 * GUARD, dtype)
        garbage = memory.view(np.uint8)
        if garbage.size < 1 << 20:
            garbage[:] = 255  # NaN
        else:  # cuBLAS's workspace: the operating system need not find the memory that nobody touches
            garbage[: GUARD * dtype.itemsize] = garbage[-GUARD * dtype.itemsize :] = 255
        self.memory.append(memory)
        return DeviceArray(memory[GUARD : GUARD + size].reshape(shape))

    def make(self, what: str, inputs: Iterable[Any], work: Callable[[], Any]) -> Any:
        """A new array that holds what `work` returns, or will when the graph is launched."""
        result = _device(work())
        if self.recording is not None:
            inputs = list(inputs)
            self.do(what, (*inputs, result), lambda: np.copyto(_host(result), work()), (result,))
        return result

    def check_guards(self) -> None:
        """Nobody has written beside an array."""
        for memory in self.memory:
            for guard in (memory[:GUARD], memory[-GUARD:]):
                assert set(guard.tobytes()) == {255}, f"something was written beside an array {memory.dtype}"


device = Device()


# --- arrays ----------------------------------------------------------------------------------------------------


def _check(values: Any) -> None:
    for value in values:
        if isinstance(value, (list, tuple)):
            _check(value)
        elif isinstance(value, np.ndarray):
            raise TypeError(f"an array of the host, {value.dtype} {value.shape}, met one of the device")


def _host(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value)(_host(v) for v in value)
    return value.memory if isinstance(value, DeviceArray) else value


def _device(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_device(v) for v in value)
    if not isinstance(value, (np.ndarray, np.generic)):
        return value
    array = device.allocate(np.shape(value), value.dtype)  # reductions give 0-d arrays of the device, not scalars
    array.memory[...] = value
    return array


def _found_in(values: Iterable[Any]) -> Iterator[Any]:
    """The arrays among arguments, lists of them included."""
    for value in values:
        if isinstance(value, (list, tuple)):
            yield from _found_in(value)
        elif isinstance(value, DeviceArray):
            yield value


def _same(name: str) -> Any:
    """An attribute that is as NumPy's."""
    return property(lambda self: getattr(self.memory, name))


def _reduction(name: str) -> Any:
    """A method that reduces. With `out`, CuPy's takes a result and a workspace all the same, and copies."""

    def reduce(self: DeviceArray, *args: Any, out: Any = None, **kwargs: Any) -> Any:
        pooled = device.pooled
        result = device.make(name, (self,), lambda: np.asarray(getattr(self.memory, name)(*args, **kwargs)))
        if out is None:
            return result
        device.allocate((1,), np.uint8)
        device.pooled, device.reductions = pooled, device.reductions + device.pooled - pooled
        device.do("copy", (out,), lambda: np.copyto(out.memory, result.memory.reshape(out.shape)))
        return out

    return reduce


class DeviceArray(np.lib.mixins.NDArrayOperatorsMixin):
    """An array "of the device"; like CuPy's it is no `np.ndarray`, and refuses to become one by itself."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, memory: np.ndarray[Any, Any]) -> None:
        self.memory = memory

    shape, dtype, ndim, size = _same("shape"), _same("dtype"), _same("ndim"), _same("size")
    nbytes, itemsize, strides, ctypes = _same("nbytes"), _same("itemsize"), _same("strides"), _same("ctypes")
    sum, mean, max, min, argmax = (_reduction(name) for name in ("sum", "mean", "max", "min", "argmax"))
    any, all, std, var = (_reduction(name) for name in ("any", "all", "std", "var"))

    @property
    def data(self) -> Any:
        return types.SimpleNamespace(ptr=self.memory.ctypes.data)

    @property
    def flags(self) -> Any:
        """Those that CuPy's arrays have: nobody can ask whether one is writeable."""
        names = "c_contiguous", "f_contiguous", "owndata"
        return types.SimpleNamespace(**{name: getattr(self.memory.flags, name) for name in names})

    @property
    def T(self) -> DeviceArray:
        return self.transpose()

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`")

    def __len__(self) -> int:
        return len(self.memory)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return f"device {self.memory!r}"

    def _viewed(self, result: np.ndarray[Any, Any]) -> DeviceArray:
        if np.shares_memory(result, self.memory) or result.size == 0:
            return DeviceArray(result)
        device.refuse_while_recording("taking memory")
        return _device(result)  # type: ignore[no-any-return]

    def reshape(self, *shape: Any) -> DeviceArray:
        return self._viewed(self.memory.reshape(*shape))

    def ravel(self) -> DeviceArray:
        return self.reshape(-1)

    def transpose(self, *axes: Any) -> DeviceArray:
        return DeviceArray(self.memory.transpose(*axes))

    def swapaxes(self, a: int, b: int) -> DeviceArray:
        return DeviceArray(self.memory.swapaxes(a, b))

    def view(self, dtype: Any) -> DeviceArray:
        return DeviceArray(self.memory.view(dtype))

    def copy(self) -> DeviceArray:
        return device.make("copy", (self,), self.memory.copy)  # type: ignore[no-any-return]

    def astype(self, dtype: Any, copy: bool = True) -> DeviceArray:
        return device.make("astype", (self,), lambda: self.memory.astype(dtype))  # type: ignore[no-any-return]

    def fill(self, value: Any) -> None:
        self[...] = value

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        out = kwargs.get("out", ())
        _check((inputs, out, kwargs.get("where", ())))
        named = {name: _host(value) for name, value in kwargs.items()}
        if ufunc is np.matmul:
            device.refuse_while_recording("cuBLAS through CuPy")

        def work() -> Any:
            return getattr(ufunc, method)(*_host(inputs), **named)

        if not out:
            return device.make(ufunc.__name__, inputs, work)
        device.do(ufunc.__name__, (*inputs, *out), work, out)
        return out[0]

    def __array_function__(self, func: Any, kinds: Any, args: Any, kwargs: Any) -> Any:
        if func is np.shape:
            return self.shape
        out = kwargs.get("out")
        _check((args, tuple(kwargs.values())))
        named = {name: _host(value) for name, value in kwargs.items() if name != "out"}
        inputs = [*_found_in(args), *_found_in(kwargs.values())]
        result = device.make(func.__name__, inputs, lambda: func(*_host(args), **named))
        if out is None:
            return result
        out[...] = result.reshape(out.shape)
        return out

    def __setitem__(self, key: Any, value: Any) -> None:
        _check((value,))
        key = _host(key)
        target = self.memory[key]
        whole = target if isinstance(target, np.ndarray) and np.shares_memory(target, self.memory) else self
        device.do("copy", (self, value), lambda: self.memory.__setitem__(key, _host(value)), (whole,))

    def __getitem__(self, key: Any) -> Any:
        result = self.memory[_host(key)]
        if isinstance(result, np.generic):  # a number is a view of one element
            places = tuple(slice(i, i + 1 or None) for i in (key if isinstance(key, tuple) else (key,)))
            return DeviceArray(self.memory[places].reshape(()))
        return self._viewed(result)

    def get(self) -> np.ndarray[Any, Any]:
        device.read()
        return self.memory.copy()

    def item(self, *args: Any) -> Any:
        device.read()
        return self.memory.item(*args)

    def tolist(self) -> Any:
        device.read()
        return self.memory.tolist()

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        return int(self.item())

    def __bool__(self) -> bool:
        return bool(self.item())


# --- streams and graphs ----------------------------------------------------------------------------------------


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
        assert device.recording is None, "a stream is recording already"
        device.recording = Recording(self, mode)

    def end_capture(self) -> Graph:
        recording, device.recording = device.recording, None
        if recording is None:
            raise CaptureError("no stream is recording")
        recording.finish()
        return Graph(recording.nodes)

    def record(self, event: Event) -> Event:
        if device.recording is not None:
            event.before = device.recording.before[self]
        return event

    def wait_event(self, event: Event) -> None:
        if device.recording is not None:
            device.recording.before[self] = device.recording.before.get(self, 0) | event.before


class Event:
    """A mark in a stream."""

    def __init__(self, block: bool = False, disable_timing: bool = False) -> None:
        self.before = 0


Stream.current = Stream()


class Pool:
    """Memory of somebody's own."""

    def malloc(self, size: int) -> None:
        return None

    def __del__(self) -> None:
        if device is not None:  # at the end of the process
            device.died("pool")


class Graph:
    """A recorded graph."""

    def __init__(self, nodes: list[Node]) -> None:
        self.nodes = nodes

    def launch(self) -> None:
        device.refuse_while_recording("launching a graph")
        device.log.append(("graph", ()))
        for node in self.nodes:
            node.work()

    def debug_dot_str(self, flags: int = 0) -> str:
        """As CUDA prints a graph: a line for each node, and one for each edge."""
        lines = [f'"graph_1_node_{i}"[shape="rectangle" label="{i} | {n.what}"];' for i, n in enumerate(self.nodes)]
        edges = [f'"graph_1_node_{i}" -> "graph_1_node_{i + 1}"[headlabel=0];' for i in range(len(self.nodes) - 1)]
        return "\n".join(["digraph dot {", *lines, *edges, "}"])

    def __del__(self) -> None:
        if device is not None:
            device.died("graph")


class RawModule:
    """The kernels of a module, which run on the CPU."""

    def __init__(self, code: str, options: tuple[str, ...]) -> None:
        self.code = code
        self.real = next(option.removeprefix("-DREAL=") for option in options if option.startswith("-DREAL="))

    def get_function(self, name: str) -> Callable[..., None]:
        device.refuse_while_recording("loading a module")
        types = kernels_on_cpu.signatures(self.code)[name]

        def kernel(grid: tuple[int, ...], block: tuple[int, ...], args: tuple[Any, ...]) -> None:
            arrays = tuple(_host(a) for a in args)
            for a in args:
                assert not isinstance(a, np.ndarray), f"{name} was given an array of the host"
            written = [a for t, a in zip(types, args, strict=True) if not t.startswith("const ")]
            work = lambda: kernels_on_cpu.launch(name, self.real, grid, block, arrays, self.code)  # noqa: E731
            device.do(name, args, work, written)

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

    def cublasDestroy_v2(self, handle: Any) -> int:
        device.died("handle")
        return 0

    def cublasSetStream_v2(self, handle: Any, stream: Any) -> int:
        self.streams[handle.value] = stream.value
        self.workspaces.pop(handle.value, None)
        return 0

    def cublasSetWorkspace_v2(self, handle: Any, pointer: Any, size: Any) -> int:
        self.workspaces[handle.value] = size.value
        return 0

    def cublasGetVersion_v2(self, handle: Any, version: Any) -> int:
        version._obj.value = 130000
        return 0

    def cublasGetStatusString(self, status: int) -> bytes:
        return b"the requested functionality is not supported"

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

        device.do("gemm", (left, right, out), multiply, (out,))
        return 0


class FakeNccl:
    """NCCL between two devices of which the other always holds the same numbers: a sum is a doubling."""

    NCCL_FLOAT32, NCCL_FLOAT64, NCCL_SUM = 7, 8, 0

    def get_unique_id(self) -> tuple[int, ...]:
        return tuple(range(-64, 64))

    def NcclCommunicator(self, size: int, key: tuple[int, ...], rank: int) -> FakeNccl:
        assert (size, key) == (2, self.get_unique_id())
        return self

    def allReduce(self, source: int, target: int, count: int, kind: int, operation: int, stream: int) -> None:
        assert operation == self.NCCL_SUM
        self._do("allReduce", source, [target], count, kind, stream, 2)

    def allGather(self, source: int, target: int, count: int, kind: int, stream: int) -> None:
        places = [target, target + count * ctypes.sizeof(self._real(kind))]
        self._do("allGather", source, places, count, kind, stream, 1)

    def broadcast(self, source: int, target: int, count: int, kind: int, root: int, stream: int) -> None:
        assert root == 0
        self._do("broadcast", source, [target], count, kind, stream, 1)

    def _do(self, what: str, source: int, targets: list[int], count: int, kind: int, stream: int, times: int) -> None:
        assert stream == Stream.current.ptr, "the sum would run on another stream"
        given, *found = (_columns(place, count, 1, count, self._real(kind)) for place in (source, *targets))

        def work() -> None:
            numbers = times * given
            for place in found:
                place[...] = numbers

        device.do(what, (given, *found), work, found)

    def _real(self, kind: int) -> Any:
        return {self.NCCL_FLOAT32: ctypes.c_float, self.NCCL_FLOAT64: ctypes.c_double}[kind]


def _columns(address: int, rows: int, cols: int, distance: int, real: Any) -> np.ndarray[Any, Any]:
    """The array (rows, cols) that begins at an address, its columns `distance` apart."""
    flat = np.ctypeslib.as_array((real * (distance * (cols - 1) + rows)).from_address(address))
    return np.lib.stride_tricks.as_strided(flat, (rows, cols), (flat.itemsize, flat.itemsize * distance))


# --- the module ------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _using_allocator(malloc: Any) -> Iterator[None]:
    before, device.pool = device.pool, malloc is not None
    try:
        yield
    finally:
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
            Event=Event,
            Device=lambda: types.SimpleNamespace(id=0),
            get_current_stream=lambda: Stream.current,
            MemoryPool=Pool,
            using_allocator=_using_allocator,
            memory=types.SimpleNamespace(OutOfMemoryError=type("OutOfMemoryError", (MemoryError,), {})),
            driver=types.SimpleNamespace(CUDADriverError=errors["CUDADriverError"]),
            runtime=types.SimpleNamespace(
                getDeviceCount=lambda: devices,
                getDeviceProperties=lambda i: {"name": b"a stand-in"},
                streamCaptureModeGlobal=0,
                streamCaptureModeThreadLocal=1,
                streamCaptureModeRelaxed=2,
                CUDARuntimeError=errors["CUDARuntimeError"],
            ),
        )
        self._default_pool = Pool()

    def get_default_memory_pool(self) -> Pool:
        return self._default_pool

    def __getattr__(self, name: str) -> Any:
        found = getattr(np, name)
        if isinstance(found, (type, np.ufunc)) or not callable(found):
            return found

        def function(*args: Any, **kwargs: Any) -> Any:
            if next(_found_in(args), None) is not None:
                return found(*args, **kwargs)
            return device.make(name, (), lambda: found(*args, **kwargs))

        return function

    def empty(self, shape: Any, dtype: Any = float) -> Any:
        return device.allocate(shape, dtype)

    def zeros(self, shape: Any, dtype: Any = float) -> Any:
        array = device.allocate(shape, dtype)
        array.memory[...] = 0
        return array

    def asarray(self, a: Any, dtype: Any = None) -> Any:
        if isinstance(a, DeviceArray):
            return a if dtype in (None, a.dtype) else a.astype(dtype)
        return _device(np.asarray(a, dtype=dtype))

    def array(self, a: Any, dtype: Any = None, order: str = "K", copy: bool = True) -> Any:
        return device.make("array", (a,), lambda: np.array(_host(a), dtype=dtype, order=order))  # type: ignore[call-overload]

    def ascontiguousarray(self, a: Any) -> Any:
        return a if a.flags.c_contiguous else device.make("copy", (a,), lambda: np.ascontiguousarray(_host(a)))

    def asnumpy(self, a: Any) -> Any:
        device.read()
        return np.array(_host(a))

    def copyto(self, out: Any, a: Any, **kwargs: Any) -> None:
        _check((out, a))
        named = {name: _host(value) for name, value in kwargs.items()}
        device.do("copy", (out, a), lambda: np.copyto(_host(out), _host(a), **named), (out,))


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
