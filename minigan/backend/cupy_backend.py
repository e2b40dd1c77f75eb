"""The GPU backend: the reference operations over CuPy, those of a training step as kernels of our own.

CuPy has NumPy's interface, so the plain array code of `reference.py` runs on the GPU as it stands; `fused=False`
stays with it. Otherwise an operation is one kernel of `kernels.cu`, compiled for float32 or float64 at first use,
neighbours are one kernel where there is one for them (fusion.py), products go to cuBLAS (cublas.py), and a repeated
step becomes a CUDA graph (graph.py). What has no kernel, such as an activation of somebody's own, is plain array code
all the same.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from typing import Any, TypeVar, cast

import numpy as np

from ..extras import how_to_install
from ..spec import Spec
from . import factors, fusion, workarounds
from .counter import Count, Counter, Rate
from .cublas import Cublas
from .cuda_arguments import (
    BLOCKS,
    NULL,
    THREADS,
    Grid,
    activation,
    activations,
    counted,
    elements,
    flat,
    int32,
    or_null,
    pixels,
    power_of_two,
    rows_cols,
    uint64,
    windows,
)  # fmt: skip
from .graph import RATES, Ahead, Counts, DeviceCounter, Graph, Scheduled
from .philox import MASK64, Stream, pieces
from .reference import Backend, Pair, Product, Repeat

Array = Any
Factors = factors.Factors

STRIP = 8  # columns that a block sums: 8 floats are one sector of memory
CHUNKS = 1024  # blocks that share the rows of all columns together, about
CHUNK_ROWS, CHUNK_THREADS = 256, 256  # of each of them: many small blocks wait for memory less than few large ones
RESULTS = 4096  # results of one number each, before the first is overwritten
FLAGS = ("--std=c++17", "--fmad=false")  # without fused multiply-add, kernels round as NumPy does
REALS = {np.dtype(np.float32): "float", np.dtype(np.float64): "double"}


Operation = TypeVar("Operation", bound=Callable[..., Any])


def kernel(operation: Operation) -> Operation:
    """An operation by kernels where they can take its arguments, in plain array code where not."""
    plain, signature = getattr(Backend, operation.__name__), inspect.signature(operation)

    @functools.wraps(operation)
    def either(self: CupyBackend, *args: Any, **kwargs: Any) -> Any:
        if not self._fits(*args, *kwargs.values()):
            self._flush()
            return plain(self, *args, **kwargs)
        if self._held is not None:
            if operation.__name__ in fusion.KNOWN:
                given = signature.bind(self, *args, **kwargs)
                given.apply_defaults()
                self._held.append(fusion.Held(operation.__name__, given.arguments, functools.partial(operation)))
                return None
            self._flush()
        return operation(self, *args, **kwargs)

    return cast(Operation, either)


class CupyBackend(Backend):
    """CuPy on the current CUDA device and the current stream.

    precision: of float32 products: "fp32" (default), or the tensor cores' "tf32" or "bf16" (see `Cublas`).
    fused: one kernel for each operation; False is plain array code, in fp32. graph: play repeated steps as CUDA graphs.

    Raises ImportError if CuPy is not installed and RuntimeError if it finds no usable device; both say what to do.
    ValueError for another precision, or what needs fused=True without it.
    """

    ROWS = 1024  # of a column that one block sums; where there are more, blocks share them

    def __init__(self, precision: str = "fp32", fused: bool = True, graph: bool = True) -> None:
        if not fused and (graph or precision != "fp32"):
            raise ValueError("fused=False is plain array code: it needs graph=False and precision='fp32'")
        super().__init__(_cupy())
        self.precision = precision
        self.name = "cupy" if graph else "cupy-eager" if fused else "cupy-plain"
        self.name += "" if precision == "fp32" else f"-{precision}"
        self.ahead = 100 if graph else 1
        self.align = 64 if fused else 1  # cuBLAS takes slower kernels for what begins at odd addresses
        self.recording: Graph | None = None
        self.side_stream, self._branch = streams(self.xp)  # to record on: the default stream cannot
        self._fork, self._join = (self.xp.cuda.Event(disable_timing=True) for _ in range(2))
        self._fused, self._graph = fused, graph
        self._blas = Cublas(self.xp, precision) if fused else None
        self._held: list[fusion.Held] | None = None  # operations that may yet be fused with the next
        self._kernels: dict[tuple[str, str], Any] = {}
        self._results: dict[Any, tuple[Array, int]] = {}
        self._scratch: dict[tuple[str, Any], Array] = {}
        self._flag, self._arrived = self.xp.zeros((1,), np.int32), self.xp.zeros((1,), np.uint32)
        self._squares = self.xp.zeros((BLOCKS,), np.float64)  # of each block of a norm

    def about(self) -> str:
        """Device, CuPy and cuBLAS, with their versions."""
        name = self.xp.cuda.runtime.getDeviceProperties(self.xp.cuda.Device().id)["name"].decode()
        products = "" if self._blas is None else f", {self._blas.about()}"
        return f"{name}, CuPy {self.xp.__version__}{products}"

    @functools.cached_property
    def counts(self) -> Counts:
        """What counts on the device."""
        return Counts(self)

    # --- arrays ------------------------------------------------------------------------------------------------

    def asarray(self, a: Any, dtype: Any = None) -> Array:
        if not isinstance(a, self.xp.ndarray):
            a = np.asarray(a, dtype=dtype)  # converted on the host: integers become floats before the transfer
        return self.xp.ascontiguousarray(self.xp.asarray(a, dtype=dtype))

    def to_numpy(self, a: Array) -> np.ndarray[Any, Any]:
        return self.xp.asnumpy(a)  # type: ignore[no-any-return]

    def numbers(self, scalars: Sequence[Array]) -> list[float]:
        table = self.empty((1, len(scalars)), scalars[0].dtype)
        self.record(scalars, table, 0)
        return [float(number) for number in self.to_numpy(table)[0]]  # one transfer, not one for each

    def address(self, a: Array) -> int:
        return a.data.ptr  # type: ignore[no-any-return]

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
        return rate(counter.value) if self.recording is None else Scheduled(rate)

    def repeat(self, step: Callable[[], Any]) -> Repeat:
        return Graph(self, step) if self._graph else Repeat(step)

    def fuse(self, on: bool) -> None:
        if on and self._fused:
            self._held = [] if self._held is None else self._held
        else:
            self._flush()
            self._held = None

    def _flush(self) -> None:
        """Launch what was held back."""
        if self._held:
            held, self._held = self._held, None
            fusion.launch(self, held)
            self._held = []

    @kernel
    def record(self, scalars: Sequence[Array], table: Array, row: Count) -> None:
        scalars = [self.xp.asarray(s, table.dtype) for s in scalars]
        if self.recording is not None:
            self.recording.record(scalars, table, row)
        else:
            addresses = self.asarray(np.array([s.data.ptr for s in scalars], np.uint64))
            self._finish_step(scalars, table, row, None, addresses)

    def _finish_step(
        self, scalars: Sequence[Array], table: Array, row: Count, graph: Graph | None, addresses: Array = NULL
    ) -> None:
        """The last kernel of a step: scalars, which lie at `addresses`, into the table, and the graph's counts."""
        like = np.dtype(np.float32) if table is None else table.dtype
        where = addresses, int32(len(scalars)), or_null(table), uint64(1 if table is None else len(table))
        moved: tuple[Any, ...] = NULL, NULL, int32(0), NULL, int32(0), NULL
        threads = len(scalars)
        if graph is not None:
            slots, moves, count = graph.counts
            moved = self.counts.array, slots, int32(count), moves, int32(moves.shape[1]), graph.halt
            threads = max(threads, count)
        self._launch("finish", like, (1,), (power_of_two(threads),), *where, *counted(row), *moved)

    # --- kernels -----------------------------------------------------------------------------------------------

    def _launch(self, name: str, like: Any, grid: tuple[int, ...], block: tuple[int, ...], *args: Any) -> None:
        """Run a kernel for the floats that `like` has. Its arguments must have the very types of kernels.cu."""
        real = REALS[getattr(like, "dtype", like)]
        function = self._kernels.get((name, real))
        if function is None:
            function = self._kernels[name, real] = _module(self.xp, real).get_function(name)
        function(grid, block, args)
        self.keep(args)

    def keep(self, arrays: Sequence[Any]) -> None:
        if self.recording is not None:
            self.recording.kept.extend(arrays)

    def _fits(self, *values: Any) -> bool:
        """Whether kernels can take these arguments: contiguous arrays of one kind of floats, activations they know."""
        arrays = [v for v in values if isinstance(v, self.xp.ndarray)]
        floats = {a.dtype for a in arrays if a.dtype.kind == "f"}
        known = all(type(v) in activations() for v in values if isinstance(v, Spec))
        return (
            self._fused
            and known
            and len(floats) <= 1
            and floats <= REALS.keys()
            and all(a.flags.c_contiguous for a in arrays)
        )

    @property
    def _halt(self) -> Array:
        return NULL if self.recording is None else self.recording.halt

    def _result(self, dtype: Any, count: int = 1) -> list[Array]:
        """Places on the device for results of one number each, next to each other."""
        array, first = self._results.get(dtype) or (self.xp.zeros((RESULTS,), dtype), 0)
        first = first if first + count <= RESULTS else 0
        self._results[dtype] = array, first + count
        return [array[i : i + 1].reshape(()) for i in range(first, first + count)]

    def _room(self, role: str, dtype: Any, size: int) -> Array:
        """Scratch for so many numbers, which the next one with this role overwrites."""
        key = role, np.dtype(dtype)
        if key not in self._scratch or self._scratch[key].size < size:
            self._scratch[key] = self.xp.empty((size,), dtype)
        return self._scratch[key][:size]

    # --- linear algebra ----------------------------------------------------------------------------------------

    def gemm(self, a: Array, b: Array, out: Array, accumulate: bool = False) -> None:
        if self._blas is None or not a.dtype == b.dtype == out.dtype or out.dtype not in REALS:
            self._flush()
            if accumulate:
                out += self.xp.matmul(a, b)
            else:
                self.xp.matmul(a, b, out=out)
        elif self._held is not None:
            given = {"a": a, "b": b, "out": out, "accumulate": accumulate}
            self._held.append(fusion.Held("gemm", {"self": self, **given}, CupyBackend._gemm))
        else:
            self._gemm(a, b, out, accumulate)

    def _gemm(self, a: Array, b: Array, out: Array, accumulate: bool) -> None:
        assert self._blas is not None
        if out.size and fusion.is_thin(a, b, out, accumulate):
            fusion.thin_product(self, a, b, out)
        else:
            self._blas.gemm(a, b, out, accumulate)
        self.keep((a, b, out))

    def gemms(self, products: Sequence[Product]) -> None:
        """Several products; in a graph the first of them on a branch of its own, beside the others."""
        if self._held is not None:
            self._held.append(fusion.Held("gemms", {"self": self, "products": products}, CupyBackend._gemms))
        else:
            self._gemms(products)

    def _gemms(self, products: Sequence[Product]) -> None:
        first, *others = products
        if not others or self.xp.cuda.get_current_stream().ptr != self.side_stream.ptr:
            super().gemms(products)
            return
        self._branch.wait_event(self.side_stream.record(self._fork))
        with self._branch:
            self.gemm(*first)
        super().gemms(others)
        self.side_stream.wait_event(self._branch.record(self._join))

    @kernel
    def column_sum(self, x: Array, out: Array, accumulate: bool = False) -> None:
        self._sum_columns(x, NULL, None, NULL, out, accumulate)

    def norm(self, x: Array) -> Array:
        self._flush()
        return self._norm(x) if self._by_kernel(x) else super().norm(x)

    def grad_norm(self, grad: Array, loss: Array) -> tuple[Array, bool]:
        self._flush()
        if not self._by_kernel(grad):
            norm = super().norm(grad)
            return norm, self._watch(norm, loss)
        halt, look = self._looking()
        norm = self._norm(grad, self.xp.asarray(loss, grad.dtype), halt, look)
        return norm, self._well(halt)

    def _by_kernel(self, x: Array) -> bool:
        """Whether a kernel takes the norm: the squares of doubles may overflow."""
        return self._fits(x) and x.dtype == np.float32 and x.size > 0

    def _norm(self, x: Array, loss: Array = NULL, halt: Array = NULL, look: int = 0) -> Array:
        threads, (norm,) = 256, self._result(x.dtype)
        blocks = min(-(-x.size // (8 * threads)), BLOCKS)
        args = x, uint64(x.size), self._squares, self._arrived, norm, loss, halt, int32(look)
        self._launch("grad_norm", x, (blocks,), (1, threads), *args)
        return norm

    def _looking(self) -> tuple[Array, int]:
        """Where it is noted that a number is not finite, and as what."""
        return (self._flag, 1) if self.recording is None else (self.recording.halt, self.recording.look())

    def _well(self, halt: Array) -> bool:
        """Whether nothing was noted. A graph will look for itself, and halt if so."""
        if self.recording is not None or not bool(halt[0]):
            return True
        halt.fill(0)
        return False

    def _watch(self, norm: Array, loss: Array) -> bool:
        halt, look = self._looking()
        real = norm.dtype if norm.dtype in REALS else np.dtype(np.float64)
        args = self.xp.asarray(loss, real), self.xp.asarray(norm, real), halt, int32(look)
        if self._fused:
            self._launch("watch", real, (1,), (1,), *args)
            return self._well(halt)
        return bool(self.xp.isfinite(norm)) and bool(self.xp.isfinite(loss))

    # --- convolutions ------------------------------------------------------------------------------------------

    @kernel
    def conv(self, x: Array, w: Array, out: Array, stride: Pair, padding: Pair) -> None:
        self._conv(self._patches(x, w, out, stride, padding), w, out)

    def _conv(self, patches: Array, w: Array, out: Array) -> None:
        self._gemm(patches, w.reshape(len(w), -1).T, out.reshape(-1, len(w)), False)

    @kernel
    def conv_inputs(self, g: Array, w: Array, out: Array, stride: Pair, padding: Pair) -> None:
        patches = self._room_for_patches(w, g)
        self._gemm(g.reshape(-1, len(w)), w.reshape(len(w), -1), patches, False)
        block, rows = pixels(out.shape[3]), max(1, out.shape[0] * out.shape[1])
        grid = rows, max(1, -(-out.shape[2] // block[1]))
        self._launch("fold", out, grid, block, patches, out, *windows(out, w, g, stride, padding))

    @kernel
    def conv_weights(
        self, g: Array, x: Array, out: Array, stride: Pair, padding: Pair, accumulate: bool = False
    ) -> None:
        self._conv_weights(g, self._patches(x, out, g, stride, padding), out, accumulate)

    def _conv_weights(self, g: Array, patches: Array, out: Array, accumulate: bool) -> None:
        self._gemm(g.reshape(-1, len(out)).T, patches, out.reshape(len(out), -1), accumulate)

    @kernel
    def conv_and_weights(
        self, x: Array, w: Array, out: Array, g: Array, dw: Array, stride: Pair, padding: Pair, accumulate: bool
    ) -> None:
        patches = self._patches(x, w, out, stride, padding)  # once for both
        self._conv_weights(g, patches, dw, accumulate)
        self._conv(patches, w, out)

    def _patches(self, x: Array, w: Array, out: Array, stride: Pair, padding: Pair) -> Array:
        """The windows of x as rows."""
        patches, (_, kh, kw, channels) = self._room_for_patches(w, out), w.shape
        grid = max(1, out.shape[0] * out.shape[1]), int(kh)
        args = x, patches, *windows(x, w, out, stride, padding)
        self._launch("patches", x, grid, pixels(kw * channels), *args)
        return patches

    def _room_for_patches(self, w: Array, out: Array) -> Array:
        rows, cols = out.size // out.shape[3], w.size // len(w)
        return self._room("patches", out.dtype, rows * cols).reshape(rows, cols)

    # --- layers ------------------------------------------------------------------------------------------------

    @kernel
    def bias_act(self, x: Array, bias: Array | None, act: Any, out: Array) -> None:
        self._launch("bias_act", x, *flat(x.size), x, or_null(bias), out, *elements(x), *activation(act, x))

    @kernel
    def bias_act_grad(
        self, dy: Array, y: Array, act: Any, out: Array, dbias: Array | None = None, accumulate: bool = False
    ) -> None:
        if dbias is not None:
            self._sum_columns(dy, y, act, out, dbias, accumulate)
        else:
            self._launch("act_grad", dy, *flat(dy.size), dy, y, out, uint64(dy.size), *activation(act, dy))

    def _sum_columns(self, dy: Array, y: Array, act: Any, out: Array, total: Array, accumulate: bool) -> None:
        chunks = self._chunks(dy)
        partial = NULL if chunks == 1 else self._partial("sums", dy.dtype)
        args = dy, y, out, total, partial, int32(accumulate), *rows_cols(dy), *activation(act, dy)
        self._launch("bias_act_grad", dy, *self._strips(dy), *args)
        if chunks > 1:
            self._add_chunks(dy, partial, total, accumulate)

    def _add_chunks(self, x: Array, partial: Array, total: Array, accumulate: bool) -> None:
        """What blocks have found in their rows of x, in all; (chunks, columns) in `partial`."""
        (strips, chunks), block = self._strips(x)
        args = partial, int32(chunks), total, int32(accumulate), rows_cols(x)[1]
        self._launch("add_chunks", x, (strips,), block, *args)

    @kernel
    def maxout(self, x: Array, out: Array, winners: Array) -> None:
        self._launch("maxout", x, *flat(out.size), x, out, winners, int32(x.shape[1]), *elements(out))

    @kernel
    def maxout_grad(self, dy: Array, winners: Array, out: Array) -> None:
        self._launch("maxout_grad", dy, *flat(dy.size), dy, winners, out, int32(out.shape[1]), *elements(dy))

    @kernel
    def maxout_tangent(self, xdot: Array, winners: Array, out: Array) -> None:
        args = xdot, winners, out, int32(xdot.shape[1]), *elements(out)
        self._launch("maxout_tangent", out, *flat(out.size), *args)

    @kernel
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
        fusion.batchnorm(self, x, gamma, beta, eps, act, out, mean, var, inv_std)

    @kernel
    def normalize(self, x: Array, gamma: Array, beta: Array, mean: Array, inv_std: Array, act: Any, out: Array) -> None:
        args = x, gamma, beta, mean, inv_std, out, *elements(x), *activation(act, x)
        self._launch("normalize", x, *flat(x.size), *args)

    @kernel
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
        fusion.batchnorm_grad(self, dy, y, act, x, gamma, mean, inv_std, dgamma, dbeta, from_batch)

    @kernel
    def track(self, mean: Array, var: Array, n: int, momentum: float, running_mean: Array, running_var: Array) -> None:
        follow = self._following(mean, n, momentum, running_mean, running_var)
        self._launch("track", mean, *flat(mean.size), mean, var, uint64(mean.size), *follow)

    def _following(self, like: Array, n: int, momentum: float, mean: Array, var: Array) -> tuple[Any, ...]:
        """The last arguments of a kernel that moves running statistics."""
        real = like.dtype.type
        return mean, var, real(momentum), real(n / (n - 1)), self._halt

    def _strips(self, x: Array) -> Grid:
        """Grid and block of a kernel that sums columns."""
        rows, cols = map(int, rows_cols(x))
        width, chunks = power_of_two(cols, STRIP), self._chunks(x)
        threads = THREADS if chunks == 1 else CHUNK_THREADS
        block = width, power_of_two(-(-rows // chunks), threads // width)
        return (max(1, -(-cols // width)), chunks), block

    def _chunks(self, x: Array) -> int:
        """Among how many blocks the rows of a column are shared: more than one if there are too few columns."""
        rows, cols = map(int, rows_cols(x))
        if rows <= self.ROWS:
            return 1
        return max(1, min(-(-rows // min(self.ROWS, CHUNK_ROWS)), CHUNKS // max(1, -(-cols // STRIP))))

    def _partial(self, role: str, dtype: Any) -> Array:
        """Scratch for what each block finds in its rows, (chunks, columns)."""
        return self._room(f"chunks of {role}", dtype, CHUNKS * STRIP)

    # --- losses ------------------------------------------------------------------------------------------------

    @kernel
    def logistic(self, logits: Array, target: float, grad: Array) -> Array:
        (loss,), n = self._result(logits.dtype), logits.size
        args = logits, logits.dtype.type(target), grad, loss, int32(n)
        self._launch("logistic", logits, (1,), (1, power_of_two(n, THREADS)), *args)
        return loss

    @kernel
    def verdicts(self, real: Array, fake: Array) -> tuple[Array, Array, Array, Array]:
        d_real, d_fake, right_real, right_fake = self._result(real.dtype, 4)
        block = 1, power_of_two(max(real.size, fake.size), THREADS)
        self._launch("verdicts", real, (1,), block, real, int32(real.size), fake, int32(fake.size), d_real)
        return d_real, d_fake, right_real, right_fake

    @kernel
    def classify(
        self, real: Array, fake: Array, target: float, dreal: Array, dfake: Array
    ) -> tuple[Array, tuple[Array, Array, Array, Array]]:
        loss, d_real, d_fake, right_real, right_fake = self._result(real.dtype, 5)
        block = 1, power_of_two(max(real.size, fake.size), THREADS)
        args = real, int32(real.size), fake, int32(fake.size), real.dtype.type(target), dreal, dfake, loss
        self._launch("classify", real, (1,), block, *args)
        return loss, (d_real, d_fake, right_real, right_fake)

    # --- update rules ------------------------------------------------------------------------------------------

    @kernel
    def sgd(self, p: Array, g: Array, v: Array, lr: Rate, momentum: float, t: Count) -> None:
        self._update("sgd", (p, g, v), (momentum,), _same_for_all, lr, t)

    @kernel
    def rmsprop(self, p: Array, g: Array, s: Array, lr: Rate, decay: float, eps: float, t: Count) -> None:
        self._update("rmsprop", (p, g, s), (decay,), _rmsprop, lr, t, decay, eps)

    @kernel
    def adam(
        self, p: Array, g: Array, m: Array, v: Array, lr: Rate, beta1: float, beta2: float, eps: float, t: Count
    ) -> None:
        self._update("adam", (p, g, m, v), (beta1, beta2), _adam, lr, t, beta1, beta2, eps)

    @kernel
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
        self._update("optimistic_adam", (p, g, m, v, s), (beta1, beta2), _adam, lr, t, beta1, beta2, eps)

    @kernel
    def average(self, mean: Array, x: Array, keep: Rate, t: Count) -> None:
        self._update("average", (mean, x), (), _all_but, keep, t, first=0)

    def _update(
        self,
        rule: str,
        arrays: tuple[Array, ...],
        numbers: tuple[float, ...],
        pair: Callable[..., Factors],
        rate: Rate,
        t: Count,
        *settings: float,
        first: int = 1,
    ) -> None:
        """Run a kernel with the pair (a, b) = pair(rate, t, *settings); in a graph, that of the device's own count.

        first: the first count of all.
        """
        size, table, place = arrays[0].size, NULL, (uint64(0), NULL)
        if isinstance(t, Ahead):
            schedule = rate.rate if isinstance(rate, Scheduled) else lambda n: rate
            key = rate.rate if isinstance(rate, Scheduled) else rate, pair, settings, first
            table = t.counter.table(key, lambda n: pair(schedule(n), n + first, *settings)).array
            place = counted(Ahead(t.counter, t.more - first))
            a, b = 0.0, 0.0
        else:
            a, b = pair(rate, t, *settings)
        chosen = np.float64(a), np.float64(b), table, uint64(RATES), *place, self._halt
        self._launch(rule, arrays[0], *flat(size), *arrays, uint64(size), *map(np.float64, numbers), *chosen)

    # --- random numbers and data -------------------------------------------------------------------------------

    @kernel
    def uniform(self, out: Array, stream: Stream) -> None:
        self._draw("uniform", out, stream)

    @kernel
    def normal(self, out: Array, stream: Stream) -> None:
        self._draw("normal", out, stream)

    @kernel
    def pooled(self, out: Array, stream: Stream) -> None:
        self._draw("pooled", out, stream, self.pool(out.dtype))

    def _draw(self, name: str, out: Array, stream: Stream, *pool: Array) -> None:
        key = uint64(stream.seed & MASK64), uint64(stream.purpose & MASK64)
        place = *key, *counted(stream.step), uint64(stream.lane & MASK64)
        for part, first in pieces(out, stream):
            args = part, uint64(part.size), uint64(first), *pool, *place
            self._launch(name, part, *flat(-(-(part.size + first % 8) // 8)), *args)

    @kernel
    def perturb(self, x: Array, std: Rate, t: Count, stream: Stream, out: Array) -> None:
        self.normal(out, stream)
        self._update("add_scaled", (out, x), (), _same_for_all, std, t, first=0)

    @kernel
    def draw(self, data: Array, turn: Count, size: int, seed: int, out: Array, first: int = 0) -> None:
        cols = int(rows_cols(out)[1])
        order = uint64(first), *_order(len(data), turn, size, seed)
        args = data, int32(data.dtype == np.uint8), out, int32(cols), *order
        if len(out):
            self._launch("draw", out, (len(out),), (power_of_two(cols, 256),), *args)

    @kernel
    def replace(self, data: Array, turn: Count, size: int, seed: int, samples: Array) -> None:
        cols = int(rows_cols(samples)[1])
        args = data, samples, int32(cols), *_order(len(data), turn, size, seed)
        if len(samples):
            self._launch("replace", data, (len(samples),), (power_of_two(cols, 256),), *args)


def _order(n: int, turn: Count, size: int, seed: int) -> tuple[Any, ...]:
    """What the device function `shuffled` needs to know of an order of n items."""
    half = max(1, ((n - 1).bit_length() + 1) // 2)
    return uint64(n), int32(half), *counted(turn), uint64(size), uint64(seed & MASK64)


def _same_for_all(rate: float, t: int) -> Factors:
    """The rate itself."""
    return rate, 0.0


def _all_but(keep: float, t: int) -> Factors:
    """What an average takes of the new."""
    return 1 - keep, 0.0


def _rmsprop(lr: float, t: int, decay: float, eps: float) -> Factors:
    return factors.rmsprop(lr, decay, eps)


def _adam(lr: float, t: int, beta1: float, beta2: float, eps: float) -> Factors:
    return factors.adam(lr, beta1, beta2, eps, t)


@functools.cache
def _streams(cupy: Any, device: int) -> tuple[Any, Any]:
    return cupy.cuda.Stream(non_blocking=True), cupy.cuda.Stream(non_blocking=True)


def streams(cupy: Any) -> tuple[Any, Any]:
    """The stream on which steps are recorded, and the one of its branches: of the process, as cuBLAS's handles are."""
    return _streams(cupy, cupy.cuda.Device().id)


@functools.cache
def _module(cupy: Any, real: str) -> Any:
    """The kernels for one type of floats."""
    if (file := workarounds.cubin(real)) is not None:
        return cupy.RawModule(path=file)
    code = (resources.files(__package__) / "kernels.cu").read_text(encoding="utf-8")
    return cupy.RawModule(code=code, options=(f"-DREAL={real}", *FLAGS))


def _cupy() -> Any:
    """CuPy, if it works here."""
    try:
        import cupy
    except ModuleNotFoundError as error:
        if error.name != "cupy":
            raise ImportError(f"CuPy is installed but cannot be loaded: {error}; install it anew") from error
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
