"""The GPU backend: the reference operations over CuPy, those of a training step as kernels of our own.

CuPy has NumPy's interface, so the plain array code of `reference.py` runs on the GPU as it stands; `fused=False`
stays with it. Otherwise an operation is one kernel of `kernels.cu`, compiled for float32 or float64 at first use,
products go to cuBLAS (cublas.py), and a repeated step becomes a CUDA graph (graph.py). What has no kernel, such as an
activation of somebody's own, is plain array code all the same.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from typing import Any

import numpy as np

from .counter import Count, Counter, Rate
from .cublas import Cublas
from .graph import RATES, DeviceCounter, Graph, Table
from .philox import MASK64, Stream
from .reference import Backend
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
        self._fused, self._graph = fused, graph
        self._blas = Cublas(self.xp, precision) if fused else None
        self._kernels: dict[tuple[str, str], Any] = {}
        self._scalars: dict[Any, tuple[Array, int]] = {}
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

    def finite(self, loss: Array, norm: Array) -> bool:
        if not self._fits(loss, norm):
            return math.isfinite(float(loss)) and math.isfinite(float(norm))
        halt = self._flag if self.recording is None else self.recording.halt
        self._launch("watch", norm, (1,), (1,), loss, norm, halt)
        if self.recording is not None or not bool(halt[0]):
            return True
        halt.fill(0)
        return False

    def _tick(self, count: Array, halt: Array) -> None:
        """Add one to a count of the device, unless `halt` is set."""
        self._launch("tick", np.dtype(np.float32), (1,), (1,), count, halt)

    def record(self, scalars: Sequence[Array], table: Array, row: Count) -> None:
        if not self._fits(table):
            return super().record(scalars, table, row)
        scalars = [self.xp.asarray(s, table.dtype) for s in scalars]
        for first in range(0, len(scalars), 8):
            group = scalars[first : first + 8]
            pointers = [*group, *[_NULL] * (8 - len(group))]
            shape = _long(table.shape[0]), _int(table.shape[1])
            count, begin = _int(len(group)), _int(first)
            self._launch("record", table, (1,), (1,), *pointers, count, begin, table, *shape, *_count(row))
        return None

    # --- kernels -----------------------------------------------------------------------------------------------

    def _launch(self, name: str, like: Any, grid: tuple[int, ...], block: tuple[int, ...], *args: Any) -> None:
        """Run a kernel for the floats that `like` has. Its arguments must have the very types of kernels.cu."""
        real = REALS[getattr(like, "dtype", like)]
        kernel = self._kernels.get((name, real))
        if kernel is None:
            kernel = self._kernels[name, real] = _module(self.xp, real).get_function(name)
        kernel(grid, block, args)

    def _fits(self, *arrays: Array | None) -> bool:
        """Whether kernels can take these arrays: contiguous, and all float32 or all float64."""
        given = [a for a in arrays if a is not None]
        dtype = given[0].dtype
        return self._fused and dtype in REALS and all(a.dtype == dtype and a.flags.c_contiguous for a in given)

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
        elif accumulate:
            out += self.xp.matmul(a, b)
        else:
            self.xp.matmul(a, b, out=out)

    def column_sum(self, x: Array, out: Array, accumulate: bool = False) -> None:
        if not self._fits(x, out):
            return super().column_sum(x, out, accumulate)
        args = x, _NULL, _NULL, out, _int(accumulate), *_shape(x), _int(0), x.dtype.type(0)
        return self._launch("bias_act_grad", x, *_strips(x), *args)

    def norm(self, x: Array) -> Array:
        if not self._fits(x) or x.dtype != np.float32 or not x.size:
            return super().norm(x)
        blocks, (norm,) = min(-(-x.size // (4 * THREADS)), BLOCKS), self._scalar(x.dtype)
        self._launch("squares", x, (blocks,), (1, THREADS), x, _long(x.size), self._partial)
        self._launch("root", x, (1,), (1, THREADS), self._partial, _int(blocks), norm)
        return norm

    # --- layers ------------------------------------------------------------------------------------------------

    def bias_act(self, x: Array, bias: Array | None, act: Any, out: Array) -> None:
        code = _activation(act, x)
        if code is None or not self._fits(x, bias, out):
            return super().bias_act(x, bias, act, out)
        return self._launch("bias_act", x, *_tiles(x), x, _or_null(bias), out, *_shape(x), *code)

    def bias_act_grad(
        self, dy: Array, y: Array, act: Any, out: Array, dbias: Array | None = None, accumulate: bool = False
    ) -> None:
        code = _activation(act, dy)
        if code is None or not self._fits(dy, y, out, dbias):
            return super().bias_act_grad(dy, y, act, out, dbias, accumulate)
        grid = _tiles(dy) if dbias is None else _strips(dy)
        args = dy, y, out, _or_null(dbias), _int(accumulate), *_shape(dy), *code
        return self._launch("bias_act_grad", dy, *grid, *args)

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
        code = _activation(act, x)
        if code is None or not self._fits(x, gamma, beta, out, mean, var, inv_std):
            return super().batchnorm(x, gamma, beta, eps, act, out, mean, var, inv_std)
        args = x, gamma, beta, x.dtype.type(eps), out, mean, var, inv_std, *_shape(x), *code
        return self._launch("batchnorm", x, *_strips(x), *args)

    def normalize(self, x: Array, gamma: Array, beta: Array, mean: Array, inv_std: Array, act: Any, out: Array) -> None:
        code = _activation(act, x)
        if code is None or not self._fits(x, gamma, beta, mean, inv_std, out):
            return super().normalize(x, gamma, beta, mean, inv_std, act, out)
        return self._launch("normalize", x, *_tiles(x), x, gamma, beta, mean, inv_std, out, *_shape(x), *code)

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
        code = _activation(act, x)
        if code is None or not self._fits(dy, y, x, gamma, mean, inv_std, dgamma, dbeta):
            return super().batchnorm_grad(dy, y, act, x, gamma, mean, inv_std, dgamma, dbeta, from_batch)
        args = dy, y, x, gamma, mean, inv_std, dgamma, dbeta, _int(from_batch), *_shape(x), *code
        return self._launch("batchnorm_grad", x, *_strips(x), *args)

    def track(self, mean: Array, var: Array, n: int, momentum: float, running_mean: Array, running_var: Array) -> None:
        if not self._fits(mean, var, running_mean, running_var):
            return super().track(mean, var, n, momentum, running_mean, running_var)
        real = mean.dtype.type
        args = mean, var, running_mean, running_var, _long(mean.size), real(momentum), real(n / (n - 1)), self._halt
        return self._launch("track", mean, *_flat(mean.size), *args)

    # --- losses ------------------------------------------------------------------------------------------------

    def logistic(self, logits: Array, target: float, grad: Array) -> Array:
        if not self._fits(logits, grad):
            return super().logistic(logits, target, grad)
        (loss,), n = self._scalar(logits.dtype), logits.size
        args = logits, logits.dtype.type(target), grad, loss, _int(n)
        self._launch("logistic", logits, (1,), (1, _power_of_two(n, THREADS)), *args)
        return loss

    def judge(self, real: Array, fake: Array) -> tuple[Array, Array, Array, Array]:
        if not self._fits(real, fake):
            return super().judge(real, fake)
        d_real, d_fake, right_real, right_fake = self._scalar(real.dtype, 4)
        block = 1, _power_of_two(max(real.size, fake.size), THREADS)
        self._launch("judge", real, (1,), block, real, _int(real.size), fake, _int(fake.size), d_real)
        return d_real, d_fake, right_real, right_fake

    # --- update rules ------------------------------------------------------------------------------------------

    def sgd(self, p: Array, g: Array, v: Array, lr: Rate, momentum: float, t: Count) -> None:
        if not self._fits(p, g, v):
            return super().sgd(p, g, v, lr, momentum, t)
        return self._update("sgd", (p, g, v), lr, (momentum,), t)

    def rmsprop(self, p: Array, g: Array, s: Array, lr: Rate, decay: float, eps: float, t: Count) -> None:
        if not self._fits(p, g, s):
            return super().rmsprop(p, g, s, lr, decay, eps, t)
        return self._update("rmsprop", (p, g, s), lr, (decay, eps), t)

    def adam(
        self, p: Array, g: Array, m: Array, v: Array, lr: Rate, beta1: float, beta2: float, eps: float, t: Count
    ) -> None:
        if not self._fits(p, g, m, v):
            return super().adam(p, g, m, v, lr, beta1, beta2, eps, t)
        return self._update("adam", (p, g, m, v), lr, (beta1, beta2, eps), t)

    def _update(self, rule: str, arrays: tuple[Array, ...], lr: Rate, settings: tuple[float, ...], t: Count) -> None:
        size = arrays[0].size
        rate, rates = (0.0, lr.array) if isinstance(lr, Table) else (lr, _NULL)
        numbers = [np.float64(x) for x in (rate, *settings)]
        args = *arrays, _long(size), *numbers, rates, _long(RATES), *_count(t), self._halt
        self._launch(rule, arrays[0], *_flat(size), *args)

    # --- random numbers and data -------------------------------------------------------------------------------

    def uniform(self, out: Array, stream: Stream) -> None:
        if not self._fits(out):
            return super().uniform(out, stream)
        return self._draw("uniform", out, stream)

    def normal(self, out: Array, stream: Stream) -> None:
        if not self._fits(out):
            return super().normal(out, stream)
        return self._draw("normal", out, stream)

    def _draw(self, kernel: str, out: Array, stream: Stream) -> None:
        key = _long(stream.seed & MASK64), _long(stream.purpose & MASK64)
        args = out, _long(out.size), *key, *_count(stream.step), _long(stream.lane & MASK64)
        self._launch(kernel, out, *_flat(-(-out.size // 8)), *args)

    def minibatch(self, out: Array, n: int, turn: Count, size: int, seed: int) -> None:
        if not (self._fused and out.flags.c_contiguous):
            return super().minibatch(out, n, turn, size, seed)
        half = max(1, ((n - 1).bit_length() + 1) // 2)
        args = out, _long(out.size), _long(n), _int(half), *_count(turn), _long(size), _long(seed & MASK64)
        return self._launch("minibatch", np.dtype(np.float32), *_flat(out.size), *args)

    def gather(self, data: Array, indices: Array, out: Array) -> None:
        raw = data.dtype == np.uint8
        if not (self._fits(out) and data.flags.c_contiguous and (raw or data.dtype == out.dtype)):
            return super().gather(data, indices, out)
        return self._launch("gather", out, *_tiles(out), data, _int(raw), indices, out, *_shape(out))


def _shape(x: Array) -> tuple[Any, Any]:
    """Rows and columns; what has more axes, or one, is taken as so many columns."""
    return _int(len(x)), _int(x.size // max(1, len(x)))


def _activation(act: Any, x: Array) -> tuple[Any, Any] | None:
    """An activation's number and slope for the kernels; None if they do not know it."""
    if act is None:
        return _int(0), x.dtype.type(0)
    code = _ACTIVATIONS.get(act.loop)
    return None if code is None else (_int(code), x.dtype.type(getattr(act, "leak", 0)))


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
            "the cupy backend needs CuPy, which is not installed: "
            'pip install "minigan[cuda12]" or "minigan[cuda13]", whichever the driver supports'
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
