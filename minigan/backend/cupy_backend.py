"""The GPU backend: the reference operations over CuPy, those of a training step as kernels of our own.

CuPy has NumPy's interface, so the plain array code of `reference.py` runs on the GPU as it stands; `fused=False`
stays with it. Otherwise an operation is one kernel of `kernels.cu`, compiled for float32 or float64 at first use,
products go to cuBLAS (cublas.py), and a repeated step becomes a CUDA graph (graph.py). What has no kernel, such as an
activation of somebody's own, is plain array code all the same.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from typing import Any, TypeVar, cast

import numpy as np

from ..extras import how_to_install
from .counter import Count, Counter, Rate
from .cublas import Cublas
from .graph import RATES, DeviceCounter, Graph, Table
from .philox import MASK64, Stream
from .reference import Backend, Pair
from .repeat import Repeat

Array = Any

STRIP = 8  # columns that a block sums: 8 floats are one sector of memory
THREADS = 1024  # of a block, at most
BLOCKS = 1024  # of a kernel that goes through a flat array
SCALARS = 4096  # results of one number each, before the first is overwritten
FLAGS = ("--std=c++17", "--fmad=false")  # without fused multiply-add, kernels round as NumPy does
REALS = {np.dtype(np.float32): "float", np.dtype(np.float64): "double"}
_ACTIVATIONS = {"leaky": 1, "tanh": 2, "sigmoid": 3, "softplus": 4}  # by Activation.loop, as numbered in kernels.cu
_NULL, _int, _long = np.uint64(0), np.int32, np.uint64


Operation = TypeVar("Operation", bound=Callable[..., Any])


def fused(operation: Operation) -> Operation:
    """An operation by kernels where they can take its arguments, in plain array code where not."""
    plain = getattr(Backend, operation.__name__)

    @functools.wraps(operation)
    def either(self: CupyBackend, *args: Any, **kwargs: Any) -> Any:
        chosen = operation if self._fits(*args, *kwargs.values()) else plain
        return chosen(self, *args, **kwargs)

    return cast(Operation, either)


class CupyBackend(Backend):
    """CuPy on the current CUDA device and the current stream.

    precision: of float32 products: "fp32" (default), or the tensor cores' "tf32" or "bf16" (see `Cublas`).
    fused: one kernel for each operation; False is plain array code, in fp32. graph: play repeated steps as CUDA graphs.

    Raises ImportError if CuPy is not installed and RuntimeError if it finds no usable device; both say what to do.
    ValueError for another precision, or what needs fused=True without it.
    """

    def __init__(self, precision: str = "fp32", fused: bool = True, graph: bool = True) -> None:
        if not fused and (graph or precision != "fp32"):
            raise ValueError("fused=False is plain array code: it needs graph=False and precision='fp32'")
        super().__init__(_cupy())
        self.precision = precision
        self.name = "cupy" if graph else "cupy-eager" if fused else "cupy-plain"
        self.name += "" if precision == "fp32" else f"-{precision}"
        self.ahead = 100 if graph else 1
        self.recording: Graph | None = None  # the graph that the operations asked for now belong to
        self.side_stream = self.xp.cuda.Stream(non_blocking=True)  # to record on: the default stream cannot
        self._fused, self._graph = fused, graph
        self._blas = Cublas(self.xp, precision) if fused else None
        self._kernels: dict[tuple[str, str], Any] = {}
        self._scalars: dict[Any, tuple[Array, int]] = {}
        self._windows: dict[Any, Array] = {}
        self._partial, self._flag = self.xp.zeros((BLOCKS,), np.float64), self.xp.zeros((1,), np.int32)

    # --- arrays ------------------------------------------------------------------------------------------------

    def asarray(self, a: Any, dtype: Any = None) -> Array:
        if not isinstance(a, self.xp.ndarray):
            a = np.asarray(a, dtype=dtype)  # converted on the host: integers become floats before the transfer
        return self.xp.ascontiguousarray(self.xp.asarray(a, dtype=dtype))

    def to_numpy(self, a: Array) -> np.ndarray[Any, Any]:
        return self.xp.asnumpy(a)  # type: ignore[no-any-return]

    def synchronize(self) -> None:
        self.xp.cuda.get_current_stream().synchronize()

    @contextmanager
    def explained(self) -> Iterator[None]:
        try:
            yield
        except self.xp.cuda.memory.OutOfMemoryError as error:
            raise MemoryError(
                f"the GPU has no room left ({error}); choose a smaller batch, or free its memory"
            ) from error
        except (self.xp.cuda.runtime.CUDARuntimeError, self.xp.cuda.driver.CUDADriverError) as error:
            raise RuntimeError(f"the GPU failed ({error}); this process cannot use it any more, start again") from error

    # --- steps -------------------------------------------------------------------------------------------------

    def counter(self) -> Counter:
        return DeviceCounter(self) if self._graph else Counter()

    def scheduled(self, rate: Callable[[int], float], counter: Counter) -> Rate:
        return counter.scheduled(rate) if isinstance(counter, DeviceCounter) else rate(counter.value)

    def repeat(self, step: Callable[[], Any]) -> Repeat:
        return Graph(self, step) if self._graph else Repeat(step)

    @fused
    def finite(self, loss: Array, norm: Array) -> bool:
        loss, halt = self.xp.asarray(loss, norm.dtype), self._flag if self.recording is None else self.recording.halt
        self._launch("watch", norm, (1,), (1,), loss, norm, halt)
        if self.recording is not None or not bool(halt[0]):
            return True
        halt.fill(0)
        return False

    def _tick(self, count: Array, halt: Array) -> None:
        """Add one to a count of the device, unless `halt` is set."""
        self._launch("tick", np.dtype(np.float32), (1,), (1,), count, halt)

    @fused
    def record(self, scalars: Sequence[Array], table: Array, row: Count) -> None:
        scalars = [self.xp.asarray(s, table.dtype) for s in scalars]
        for first in range(0, len(scalars), 12):
            group = scalars[first : first + 12]
            pointers = [*group, *[_NULL] * (12 - len(group))]
            shape = _long(table.shape[0]), _int(table.shape[1])
            count, begin = _int(len(group)), _int(first)
            self._launch("record", table, (1,), (1,), *pointers, count, begin, table, *shape, *_count(row))

    # --- kernels -----------------------------------------------------------------------------------------------

    def _launch(self, name: str, like: Any, grid: tuple[int, ...], block: tuple[int, ...], *args: Any) -> None:
        """Run a kernel for the floats that `like` has. Its arguments must have the very types of kernels.cu."""
        real = REALS[getattr(like, "dtype", like)]
        kernel = self._kernels.get((name, real))
        if kernel is None:
            kernel = self._kernels[name, real] = _module(self.xp, real).get_function(name)
        kernel(grid, block, args)
        self.keep(args)

    def keep(self, arrays: Sequence[Any]) -> None:
        if self.recording is not None:
            self.recording.kept.extend(arrays)

    def _fits(self, *values: Any) -> bool:
        """Whether kernels can take these arguments: contiguous arrays of one kind of floats, activations they know."""
        arrays = [v for v in values if isinstance(v, self.xp.ndarray)]
        floats = {a.dtype for a in arrays if a.dtype.kind == "f"}
        known = all(v.loop in _ACTIVATIONS for v in values if hasattr(v, "loop"))
        return (
            self._fused
            and known
            and len(floats) <= 1
            and floats <= REALS.keys()
            and all(a.flags.c_contiguous for a in arrays)
        )

    @property
    def _halt(self) -> Array:
        return _NULL if self.recording is None else self.recording.halt

    def _scalar(self, dtype: Any, count: int = 1) -> list[Array]:
        """Places on the device for results of one number each, next to each other."""
        array, first = self._scalars.get(dtype) or (self.xp.zeros((SCALARS,), dtype), 0)
        first = first if first + count <= SCALARS else 0
        self._scalars[dtype] = array, first + count
        return [array[i : i + 1].reshape(()) for i in range(first, first + count)]

    # --- linear algebra ----------------------------------------------------------------------------------------

    def gemm(self, a: Array, b: Array, out: Array, accumulate: bool = False) -> None:
        if self._blas is not None and a.dtype == b.dtype == out.dtype and out.dtype in REALS:
            self._blas.gemm(a, b, out, accumulate)
            self.keep((a, b, out))
        elif accumulate:
            out += self.xp.matmul(a, b)
        else:
            self.xp.matmul(a, b, out=out)

    @fused
    def column_sum(self, x: Array, out: Array, accumulate: bool = False) -> None:
        args = x, _NULL, _NULL, out, _int(accumulate), *_layer(x, None)
        self._launch("bias_act_grad", x, *_strips(x), *args)

    @fused
    def norm(self, x: Array) -> Array:
        if x.dtype != np.float32 or not x.size:  # the squares of doubles may overflow
            return super().norm(x)
        blocks, (norm,) = min(-(-x.size // (4 * THREADS)), BLOCKS), self._scalar(x.dtype)
        self._launch("squares", x, (blocks,), (1, THREADS), x, _long(x.size), self._partial)
        self._launch("root", x, (1,), (1, THREADS), self._partial, _int(blocks), norm)
        return norm

    # --- convolutions ------------------------------------------------------------------------------------------

    @fused
    def conv(self, x: Array, w: Array, out: Array, stride: Pair, padding: Pair) -> None:
        patches = self._patches(x, w, out, stride, padding)
        self.gemm(patches, w.reshape(len(w), -1).T, out.reshape(-1, len(w)))

    @fused
    def conv_inputs(self, g: Array, w: Array, out: Array, stride: Pair, padding: Pair) -> None:
        patches = self._room(w, g)
        self.gemm(g.reshape(-1, len(w)), w.reshape(len(w), -1), patches)
        args = patches, out, _long(out.size), *_windows(out, w, g, stride, padding)
        self._launch("fold", out, *_flat(out.size), *args)

    @fused
    def conv_weights(
        self, g: Array, x: Array, out: Array, stride: Pair, padding: Pair, accumulate: bool = False
    ) -> None:
        patches = self._patches(x, out, g, stride, padding)
        self.gemm(g.reshape(-1, len(out)).T, patches, out.reshape(len(out), -1), accumulate)

    def _patches(self, x: Array, w: Array, out: Array, stride: Pair, padding: Pair) -> Array:
        """The windows of x as rows."""
        patches = self._room(w, out)
        args = x, patches, _long(patches.size), *_windows(x, w, out, stride, padding)
        self._launch("patches", x, *_flat(patches.size), *args)
        return patches

    def _room(self, w: Array, out: Array) -> Array:
        """Scratch for all windows, which the next convolution overwrites."""
        rows, cols = out.size // out.shape[3], w.size // len(w)
        if out.dtype not in self._windows or self._windows[out.dtype].size < rows * cols:
            self._windows[out.dtype] = self.xp.empty((rows * cols,), out.dtype)
        return self._windows[out.dtype][: rows * cols].reshape(rows, cols)

    # --- layers ------------------------------------------------------------------------------------------------

    @fused
    def bias_act(self, x: Array, bias: Array | None, act: Any, out: Array) -> None:
        self._launch("bias_act", x, *_tiles(x), x, _or_null(bias), out, *_layer(x, act))

    @fused
    def bias_act_grad(
        self, dy: Array, y: Array, act: Any, out: Array, dbias: Array | None = None, accumulate: bool = False
    ) -> None:
        grid = _tiles(dy) if dbias is None else _strips(dy)
        args = dy, y, out, _or_null(dbias), _int(accumulate), *_layer(dy, act)
        self._launch("bias_act_grad", dy, *grid, *args)

    @fused
    def maxout(self, x: Array, out: Array, winners: Array) -> None:
        self._launch("maxout", x, *_tiles(out), x, out, winners, _int(x.shape[1]), *_shape(out))

    @fused
    def maxout_grad(self, dy: Array, winners: Array, out: Array) -> None:
        self._launch("maxout_grad", dy, *_tiles(dy), dy, winners, out, _int(out.shape[1]), *_shape(dy))

    @fused
    def maxout_tangent(self, xdot: Array, winners: Array, out: Array) -> None:
        self._launch("maxout_tangent", out, *_tiles(out), xdot, winners, out, _int(xdot.shape[1]), *_shape(out))

    @fused
    def batchnorm(
        self,
        x: Array,
        gamma: Array,
        beta: Array,
        eps: float,
        act: Any,
        out: Array,
        mean: Array,
        var: Array,
        inv_std: Array,
    ) -> None:
        args = x, gamma, beta, x.dtype.type(eps), out, mean, var, inv_std, *_layer(x, act)
        self._launch("batchnorm", x, *_strips(x), *args)

    @fused
    def normalize(self, x: Array, gamma: Array, beta: Array, mean: Array, inv_std: Array, act: Any, out: Array) -> None:
        self._launch("normalize", x, *_tiles(x), x, gamma, beta, mean, inv_std, out, *_layer(x, act))

    @fused
    def batchnorm_grad(
        self,
        dy: Array,
        y: Array,
        act: Any,
        x: Array,
        gamma: Array,
        mean: Array,
        inv_std: Array,
        dgamma: Array,
        dbeta: Array,
        from_batch: bool,
    ) -> None:
        args = dy, y, x, gamma, mean, inv_std, dgamma, dbeta, _int(from_batch), *_layer(x, act)
        self._launch("batchnorm_grad", x, *_strips(x), *args)

    @fused
    def track(self, mean: Array, var: Array, n: int, momentum: float, running_mean: Array, running_var: Array) -> None:
        real = mean.dtype.type
        args = mean, var, running_mean, running_var, _long(mean.size), real(momentum), real(n / (n - 1)), self._halt
        self._launch("track", mean, *_flat(mean.size), *args)

    # --- losses ------------------------------------------------------------------------------------------------

    @fused
    def logistic(self, logits: Array, target: float, grad: Array) -> Array:
        (loss,), n = self._scalar(logits.dtype), logits.size
        args = logits, logits.dtype.type(target), grad, loss, _int(n)
        self._launch("logistic", logits, (1,), (1, _power_of_two(n, THREADS)), *args)
        return loss

    @fused
    def judge(self, real: Array, fake: Array) -> tuple[Array, Array, Array, Array]:
        d_real, d_fake, right_real, right_fake = self._scalar(real.dtype, 4)
        block = 1, _power_of_two(max(real.size, fake.size), THREADS)
        self._launch("judge", real, (1,), block, real, _int(real.size), fake, _int(fake.size), d_real)
        return d_real, d_fake, right_real, right_fake

    # --- update rules ------------------------------------------------------------------------------------------

    @fused
    def sgd(self, p: Array, g: Array, v: Array, lr: Rate, momentum: float, t: Count) -> None:
        self._update("sgd", (p, g, v), lr, (momentum,), t)

    @fused
    def rmsprop(self, p: Array, g: Array, s: Array, lr: Rate, decay: float, eps: float, t: Count) -> None:
        self._update("rmsprop", (p, g, s), lr, (decay, eps), t)

    @fused
    def adam(
        self, p: Array, g: Array, m: Array, v: Array, lr: Rate, beta1: float, beta2: float, eps: float, t: Count
    ) -> None:
        self._update("adam", (p, g, m, v), lr, (beta1, beta2, eps), t)

    @fused
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
        self._update("optimistic_adam", (p, g, m, v, s), lr, (beta1, beta2, eps), t)

    @fused
    def average(self, mean: Array, x: Array, keep: Rate, t: Count) -> None:
        self._update("average", (mean, x), keep, (), t)

    def _update(self, rule: str, arrays: tuple[Array, ...], lr: Rate, settings: tuple[float, ...], t: Count) -> None:
        size = arrays[0].size
        rate, rates = (0.0, lr.array) if isinstance(lr, Table) else (lr, _NULL)
        numbers = [np.float64(x) for x in (rate, *settings)]
        args = *arrays, _long(size), *numbers, rates, _long(RATES), *_count(t), self._halt
        self._launch(rule, arrays[0], *_flat(size), *args)

    # --- random numbers and data -------------------------------------------------------------------------------

    @fused
    def uniform(self, out: Array, stream: Stream) -> None:
        self._draw("uniform", out, stream)

    @fused
    def normal(self, out: Array, stream: Stream) -> None:
        self._draw("normal", out, stream)

    def _draw(self, kernel: str, out: Array, stream: Stream) -> None:
        key = _long(stream.seed & MASK64), _long(stream.purpose & MASK64)
        args = out, _long(out.size), *key, *_count(stream.step), _long(stream.lane & MASK64)
        self._launch(kernel, out, *_flat(-(-out.size // 8)), *args)

    @fused
    def perturb(self, x: Array, std: Rate, t: Count, stream: Stream, out: Array) -> None:
        self.normal(out, stream)
        self._update("add_scaled", (out, x), std, (), t)

    @fused
    def minibatch(self, out: Array, n: int, turn: Count, size: int, seed: int) -> None:
        half = max(1, ((n - 1).bit_length() + 1) // 2)
        args = out, _long(out.size), _long(n), _int(half), *_count(turn), _long(size), _long(seed & MASK64)
        self._launch("minibatch", np.dtype(np.float32), *_flat(out.size), *args)

    @fused
    def gather(self, data: Array, indices: Array, out: Array) -> None:
        self._launch("gather", out, *_tiles(out), data, _int(data.dtype == np.uint8), indices, out, *_shape(out))


def _shape(x: Array) -> tuple[Any, Any]:
    """Rows and columns; what has more axes, or one, is taken as so many columns."""
    return _int(len(x)), _int(x.size // max(1, len(x)))


def _windows(x: Array, w: Array, out: Array, stride: Pair, padding: Pair) -> tuple[Any, ...]:
    """The last arguments of a convolution's kernel: the sizes of images, places and windows, stride and padding."""
    return tuple(_int(n) for n in (*x.shape[1:], *out.shape[1:3], *w.shape[1:3], *stride, *padding))


def _layer(x: Array, act: Any) -> tuple[Any, ...]:
    """The last arguments of a layer's kernel: rows, columns, the activation's number and its slope."""
    code, leak = (0, 0.0) if act is None else (_ACTIVATIONS[act.loop], getattr(act, "leak", 0.0))
    return *_shape(x), _int(code), x.dtype.type(leak)


def _count(count: Count) -> tuple[Any, Any]:
    """A count as a number, and as an address of the device."""
    return (_long(0), count.array) if isinstance(count, DeviceCounter) else (_long(count & MASK64), _NULL)


def _or_null(array: Array | None) -> Any:
    return _NULL if array is None else array


def _power_of_two(n: int, most: int) -> int:
    """The least power of two that is not below n, at most `most`."""
    return min(most, 1 << max(0, n - 1).bit_length())


def _strips(x: Array) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Grid and block of a kernel that sums columns."""
    rows, cols = _shape(x)
    return (max(1, -(-int(cols) // STRIP)),), (STRIP, _power_of_two(int(rows), THREADS // STRIP))


def _tiles(x: Array) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Grid and block of a kernel that goes through rows and columns."""
    rows, cols = _shape(x)
    return (max(1, -(-int(cols) // 32)), max(1, min(-(-int(rows) // 8), BLOCKS))), (32, 8)


def _flat(size: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Grid and block of a kernel that goes through a flat array."""
    return (max(1, min(-(-size // 256), BLOCKS)),), (256,)


@functools.cache
def _module(cupy: Any, real: str) -> Any:
    """The kernels for one type of floats."""
    code = (resources.files(__package__) / "kernels.cu").read_text(encoding="utf-8")
    return cupy.RawModule(code=code, options=(f"-DREAL={real}", *FLAGS))


def _cupy() -> Any:
    """CuPy, if it works here."""
    try:
        import cupy
    except ImportError as error:
        raise ImportError(
            "the cupy backend needs CuPy, which is not installed; "
            f"{how_to_install('cuda12', 'cuda13')}, whichever the driver supports"
        ) from error
    try:
        count = cupy.cuda.runtime.getDeviceCount()
        if count:
            cupy.zeros(1).sum()  # the driver, the compiler and the libraries, all at once
    except Exception as error:
        raise RuntimeError(
            f"CuPy {cupy.__version__} is installed but cannot use a GPU ({error}); "
            "check the driver with nvidia-smi, or choose backend='numpy'"
        ) from error
    if not count:
        raise RuntimeError(f"CuPy {cupy.__version__} is installed but finds no CUDA device; choose backend='numpy'")
    return cupy
