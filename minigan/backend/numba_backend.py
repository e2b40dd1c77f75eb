"""The CPU backend with compiled sweeps: one pass over memory for a whole formula, where NumPy makes one per ufunc.

The loops are those of `numba_loops.py`, which Numba compiles to machine code the first time that each is called; the
code is kept on disk for the next process. They let go of Python's lock and are shared by the team of the NumPy backend;
Numba's own threads are never started. Everything that is no such sweep is inherited: products, random numbers, and
activations without a loop there.
"""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable
from contextlib import suppress
from types import FunctionType, SimpleNamespace
from typing import Any

import numpy as np

from ..extras import how_to_install
from ..spec import Spec
from . import factors, numba_direct, numba_loops, numpy_backend
from .counter import Count, Rate
from .cpu import write
from .cpu_planes import added_up, blocks
from .numpy_backend import NumpyBackend
from .reference import Pair
from .threads import cut

Array = Any

LINE, ROWS = 512, 1 << 13  # see `_at_once`

# The names of activations in numba_loops.py, for these very classes: one that is derived from them may be another
# function. What is not here is array code.
LOOPS = {"LeakyReLU": "leaky", "ReLU": "leaky", "Tanh": "tanh"}


class NumbaBackend(NumpyBackend):
    """NumPy on the CPU, with sweeps compiled by Numba. threads: as for the NumPy backend.

    Raises ImportError if Numba is not installed.
    """

    name = "numba"

    def __init__(self, threads: int | None = None) -> None:
        super().__init__(threads)
        self._run = _compiled()

    def versions(self) -> dict[str, str]:
        return {**super().versions(), "numba": self._run.version}

    def _share_rows(self, work: Callable[[slice], object], x: Array, passes: int = 1) -> None:
        self._share(work, self._parts(len(x), x.size, passes))

    def _share_columns(self, work: Callable[[int, int], object], x: Array, passes: int = 1) -> None:
        """Call work(lo, hi) for a range of columns for each thread that is worth waking.

        Never narrower ranges, to fit the cache: rows whose distance is a power of two displace each other there.
        """
        ranges = cut(x.shape[1], min(self.threads, passes * x.size // self.SWEEP), multiple=16)
        self._share(lambda c: work(c.start, c.stop), ranges)

    # Of few columns an inner loop is over before it has begun. So several short rows are taken as one long one, with
    # vectors repeated as often, and of sums of columns those that belong together are added in the end.

    def _repeated(self, times: int, *vectors: Array) -> list[Array]:
        """The vectors, each so many times in a row."""
        return list(vectors) if times == 1 else [v.reshape(-1) for v in self._spread(times, vectors)]

    def _sum_columns(
        self, work: Callable[..., object], x: Array, times: int, sums: tuple[Array, ...], accumulate: bool = False
    ) -> None:
        """Call work(*totals, lo, hi) for ranges of the columns of x, rows that are `times` as long as those wanted, and
        write the totals down in `sums`, or add them to these."""
        if times == 1 and not accumulate:
            self._share_columns(lambda lo, hi: work(*sums, lo, hi), x)
            return
        totals = [self._temporary(_TOTALS[i], (times * out.size,), out.dtype) for i, out in enumerate(sums)]
        self._share_columns(lambda lo, hi: work(*totals, lo, hi), x)
        for total, out in zip(totals, sums, strict=True):
            added = self._temporary("added", out.shape, out.dtype) if accumulate else out
            np.add.reduce(total.reshape(times, -1), axis=0, out=added)
            if accumulate:
                np.add(out, added, out=out)

    # --- convolutions ------------------------------------------------------------------------------------------

    def _conv_planes(self, x: Array, w: Array, out: Array, stride: Pair, padding: Pair) -> None:
        if len(w) < 8 or out.shape[2] < 4:
            return super()._conv_planes(x, w, out, stride, padding)
        W = self._turned_round(w)

        def part(samples: slice) -> None:
            framed, steps = self._frame(x, stride, padding)
            self._run.direct.conv(_lines(x[samples]), W, out[samples], framed, *steps)

        return self._share(part, self._samples(w, out))

    def _weights_of_planes(self, g: Array, x: Array, dw: Array, stride: Pair, padding: Pair, accumulate: bool) -> None:
        o, kh, kw, c = dw.shape
        if o < 8:
            return super()._weights_of_planes(g, x, dw, stride, padding, accumulate)
        parts, more, eights = self._samples(dw, g), -kw * c % 4, -(-o // 8)
        sums = self._temporary("sums", (len(parts), kh, kw * c + more, 8 * eights), dw.dtype)

        def part(i: int) -> None:
            framed, steps = self._frame(x, stride, padding, more)
            self._run.direct.conv_weights(g[parts[i]], _lines(x[parts[i]]), sums[i], framed, *steps)

        self._share(part, range(len(parts)))
        found = added_up(sums)[:, : kw * c].reshape(kh, kw, c, -1).transpose(3, 0, 1, 2)
        whole = o // 8 * 8
        write(dw[:whole], found[:whole], accumulate)
        write(dw[whole:], found[8 * eights - o + whole :], accumulate)  # the end of the last eight
        return None

    def _frame(self, x: Array, stride: Pair, padding: Pair, more: int = 0) -> tuple[Array, tuple[int, ...]]:
        """Zeros for one of the images x and what is around it, and how windows stand in it, as numba_direct.py asks.

        more: numbers at the end of each line.
        """
        _, height, width, c = x.shape
        framed = self._temporary("frame", (height + 2 * padding[0], (width + 2 * padding[1]) * c + more), x.dtype)
        framed.fill(0)
        return framed, (stride[0], stride[1] * c, padding[0], padding[1] * c)

    def _turned_round(self, w: Array) -> Array:
        """w (O, kh, kw, C) as (kh, kw·C, O)."""
        o, kh, kw, c = w.shape
        W = self._temporary("weights", (kh, kw, c, o), w.dtype)
        np.copyto(W, w.transpose(1, 2, 3, 0))
        return W.reshape(kh, kw * c, o)

    def _patches(self, x: Array, patches: Array, stride: Pair, padding: Pair) -> None:
        self._run.patches(_lines(x), _lines(patches), x.shape[3], *stride, *padding)

    def _add_windows(self, g: Array, w: Array, out: Array, stride: Pair, padding: Pair) -> None:
        W = w.reshape(len(w), -1)
        times = np.matmul if len(w) > 1 else np.multiply  # of one column NumPy makes a slow loop, without BLAS

        def part(samples: slice) -> None:
            for block in blocks(samples, w, g):
                patches = self._temporary("patches", (*g[block].shape[:3], *w.shape[1:]), g.dtype)
                times(g[block].reshape(-1, len(w)), W, out=patches.reshape(-1, W.shape[1]))
                self._run.fold(_lines(patches), _lines(out[block]), out.shape[3], *stride, *padding)

        self._share(part, self._samples(w, g))

    # --- layers ------------------------------------------------------------------------------------------------

    def bias_act(self, x: Array, bias: Array | None, act: Any, out: Array) -> None:
        loop, width = _loop(act), math.gcd(out.size, LINE)
        loose = bias is None and (width < 16 or not out.flags.c_contiguous)
        if loose or loop is None or (loop == "tanh" and x.dtype != numpy_backend.FLOAT32):
            return super().bias_act(x, bias, act, out)
        if out is not x:
            np.copyto(out, x)
        if bias is None:  # then rows may begin anywhere
            lines, added = out.reshape(-1, width), self._temporary("zero", (width,), out.dtype)
            added.fill(0)
        else:
            times = _at_once(out)
            lines, (added,) = _joined(times, out), self._repeated(times, bias)
        work, extra = getattr(self._run, f"bias_{loop}"), _extra(loop, act, x)
        return self._share_rows(lambda rows: work(lines[rows], added, *extra), lines)

    def bias_act_grad(
        self, dy: Array, y: Array, act: Any, out: Array, dbias: Array | None = None, accumulate: bool = False
    ) -> None:
        loop = _loop(act)
        if dy.ndim != 2 or loop is None:
            return super().bias_act_grad(dy, y, act, out, dbias, accumulate)
        if out is not dy:
            np.copyto(out, dy)
        extra, times = _extra(loop, act, dy), _at_once(out, y)
        lines, seen = _joined(times, out), _joined(times, y)
        if dbias is None:
            work = getattr(self._run, f"{loop}_grad")
            return self._share_rows(lambda rows: work(lines[rows], seen[rows], *extra), lines)
        sums = getattr(self._run, f"{loop}_grad_sum")
        return self._sum_columns(
            lambda total, lo, hi: sums(lines, seen, total, lo, hi, *extra), lines, times, (dbias,), accumulate
        )

    def maxout(self, x: Array, out: Array, winners: Array) -> None:
        self._share_rows(lambda rows: self._run.maxout(x[rows], out[rows], winners[rows]), x)

    def maxout_grad(self, dy: Array, winners: Array, out: Array) -> None:
        self._share_rows(lambda rows: self._run.maxout_grad(dy[rows], winners[rows], out[rows]), out)

    def maxout_tangent(self, xdot: Array, winners: Array, out: Array) -> None:
        self._share_rows(lambda rows: self._run.maxout_tangent(xdot[rows], winners[rows], out[rows]), xdot)

    def _batchnorm(
        self, x: Array, gamma: Array, beta: Array, eps: float, out: Array, mean: Array, var: Array, inv_std: Array
    ) -> None:
        if _at_once(x, out) > 1:
            return super()._batchnorm(x, gamma, beta, eps, out, mean, var, inv_std)
        scale = self._temporary("scale", gamma.shape, gamma.dtype)

        def work(lo: int, hi: int) -> None:
            n, c = len(x), slice(lo, hi)
            self._run.column_sum(x, mean, lo, hi)
            np.divide(mean[c], n, out=mean[c])
            self._run.square_sum(x, mean, var, lo, hi)
            np.divide(var[c], n, out=var[c])
            self.inverse_std(var[c], eps, inv_std[c])
            np.multiply(gamma[c], inv_std[c], out=scale[c])
            self._run.normalize(x, mean, scale, beta, out, lo, hi)

        self._share_columns(work, x, passes=3)
        return None

    def _moments(self, x: Array, mean: Array, var: Array) -> None:
        n, times, run = len(x), _at_once(x), self._run
        lines = _joined(times, x)
        self._sum_columns(lambda total, lo, hi: run.column_sum(lines, total, lo, hi), lines, times, (mean,))
        np.divide(mean, n, out=mean)
        (middle,) = self._repeated(times, mean)
        self._sum_columns(lambda total, lo, hi: run.square_sum(lines, middle, total, lo, hi), lines, times, (var,))
        np.divide(var, n, out=var)

    def _normalize(self, x: Array, gamma: Array, beta: Array, mean: Array, inv_std: Array, out: Array) -> None:
        scale = self._temporary("scale", gamma.shape, gamma.dtype)
        np.multiply(gamma, inv_std, out=scale)
        times = _at_once(x, out)
        lines, made, vectors = _joined(times, x), _joined(times, out), self._repeated(times, mean, scale, beta)
        self._share_columns(lambda lo, hi: self._run.normalize(lines, *vectors, made, lo, hi), lines)

    def _normalize_sums(self, g: Array, x: Array, mean: Array, inv_std: Array, dgamma: Array, dbeta: Array) -> None:
        times = _at_once(g, x)
        slopes, lines, (middle,) = _joined(times, g), _joined(times, x), self._repeated(times, mean)
        self._sum_columns(
            lambda *sums: self._run.normalize_sums(slopes, lines, middle, *sums), lines, times, (dgamma, dbeta)
        )
        np.multiply(dgamma, inv_std, out=dgamma)

    def _batchnorm_back(
        self, g: Array, x: Array, gamma: Array, mean: Array, inv_std: Array, dgamma: Array, dbeta: Array
    ) -> None:
        factors = self._batchnorm_grad_factors(len(x), gamma, inv_std, dgamma, dbeta)
        times = _at_once(g, x)
        slopes, lines, vectors = _joined(times, g), _joined(times, x), self._repeated(times, mean, *factors)
        self._share_rows(lambda rows: self._run.batchnorm_back(slopes[rows], lines[rows], *vectors), lines)

    # --- losses ------------------------------------------------------------------------------------------------

    def logistic(self, logits: Array, target: float, grad: Array) -> Array:
        if not (logits.flags.c_contiguous and grad.flags.c_contiguous):
            return super().logistic(logits, target, grad)
        return logits.dtype.type(self._run.logistic(logits, logits.dtype.type(target), grad))

    def _says_real(self, logits: Array) -> tuple[Array, Array]:
        if not logits.flags.c_contiguous:
            return super()._says_real(logits)
        probability, share = self._run.says_real(logits)
        return logits.dtype.type(probability), logits.dtype.type(share)

    # --- update rules ------------------------------------------------------------------------------------------

    def sgd(self, p: Array, g: Array, v: Array, lr: Rate, momentum: float, t: Count) -> None:
        real = p.dtype.type
        self._share_rows(lambda i: self._run.sgd(p[i], g[i], v[i], real(lr), real(momentum)), p, passes=4)

    def rmsprop(self, p: Array, g: Array, s: Array, lr: Rate, decay: float, eps: float, t: Count) -> None:
        real, (a, b) = p.dtype.type, factors.rmsprop(lr, decay, eps)
        self._share_rows(lambda i: self._run.rmsprop(p[i], g[i], s[i], real(decay), real(a), real(b)), p, passes=4)

    def adam(
        self, p: Array, g: Array, m: Array, v: Array, lr: Rate, beta1: float, beta2: float, eps: float, t: Count
    ) -> None:
        real, (a, b) = p.dtype.type, factors.adam(lr, beta1, beta2, eps, t)
        self._share_rows(
            lambda i: self._run.adam(p[i], g[i], m[i], v[i], real(beta1), real(beta2), real(a), real(b)), p, passes=4
        )


def _lines(x: Array) -> Array:
    """Images, or windows, with the channels of a line of pixels one after the other."""
    return x.reshape(*x.shape[:-2], -1)


_TOTALS = ("total 0", "total 1")


def _at_once(*arrays: Array) -> int:
    """How many rows (N, c) of arrays of this shape are taken as one of about LINE numbers: 1 if that gains nothing."""
    n, columns = arrays[0].shape
    short = 0 < columns <= 16 or (columns <= LINE // 8 and n >= ROWS)
    if not short or not all(a.flags.c_contiguous for a in arrays):
        return 1
    return math.gcd(n, 1 << (LINE // columns).bit_length() - 1)


def _joined(times: int, x: Array) -> Array:
    """x (N, c) with so many rows as one."""
    return x if times == 1 else x.reshape(len(x) // times, times * x.shape[1])


def _loop(act: Any) -> str | None:
    """The name of an activation's loops, if there are any."""
    return _loops().get(type(act))


@functools.cache
def _loops() -> dict[type, str]:
    return {Spec.registry[kind]: loop for kind, loop in LOOPS.items()}


def _extra(loop: str, act: Any, x: Array) -> tuple[Any, ...]:
    """What the loops of an activation want beside the arrays."""
    return (x.dtype.type(getattr(act, "negative_slope", 0.0)),) if loop == "leaky" else ()


@functools.cache
def _compiled() -> SimpleNamespace:
    """The loops of numba_loops.py, each compiled at its first call, and the version of the compiler."""
    try:
        import numba
    except ImportError as error:
        raise ImportError(
            f"the numba backend needs Numba, which is not installed; {how_to_install('fast')}, "
            "or choose the numpy backend"
        ) from error
    loops = {name: _compile(numba, f) for name, f in _functions_of(numba_loops).items()}
    return SimpleNamespace(version=numba.__version__, direct=_directly(numba), **loops)


def _directly(numba: Any) -> SimpleNamespace:
    """The convolutions of numba_direct.py, with vectors of neighbours."""
    functions = _functions_of(numba_direct)
    known: dict[str, Any] = dict(vars(numba_direct))
    for name in numba_direct.HELPERS:
        known[name] = numba.njit(**_HOW, fastmath={"contract"})(functions.pop(name))
    made = {}
    for name, function in functions.items():
        made[name] = _compile(numba, FunctionType(function.__code__, known, name), fastmath={"contract"})
        made[name].compile = _with_vectors(numba, made[name].compile)
    return SimpleNamespace(**made)


def _with_vectors(numba: Any, compile_: Callable[..., Any]) -> Callable[..., Any]:
    """A compiler of LLVM's that also makes vectors of neighbouring statements (SLP), which Numba's leaves alone."""

    def with_vectors(*args: Any) -> Any:
        config = numba.core.config
        before, config.SLP_VECTORIZE = config.SLP_VECTORIZE, 1
        try:
            return compile_(*args)
        finally:
            config.SLP_VECTORIZE = before

    return with_vectors


def _functions_of(module: Any) -> dict[str, Any]:
    return {name: f for name, f in vars(module).items() if getattr(f, "__module__", None) == module.__name__}


_HOW = {"nogil": True, "error_model": "numpy"}  # without Python's lock; division by zero is infinite, as in NumPy


def _compile(numba: Any, loop: Callable[..., Any], **options: Any) -> Any:
    """The loop as machine code; kept on disk if there is a place for it."""
    compiled = numba.njit(**_HOW, **options)(loop)
    with suppress(RuntimeError, OSError):  # neither the package's folder nor the user's cache can be written
        compiled._cache = _cache(numba)(loop)  # as `cache=True` does, with Numba's own
    return compiled


@functools.cache
def _cache(numba: Any) -> Any:
    """Numba's cache, which trusts its files and its disk, as one that does not: what fails is compiled again."""

    class Cache(numba.core.caching.FunctionCache):  # type: ignore[misc]
        def load_overload(self, sig: Any, target_context: Any) -> Any:
            try:
                return super().load_overload(sig, target_context)
            except Exception:  # a file that is empty, cut or changed: there are many ways to find out
                with suppress(Exception):
                    self.flush()  # an empty index, so that the next process finds what this one will compile
                return None

        def save_overload(self, sig: Any, data: Any) -> None:
            try:
                super().save_overload(sig, data)
            except Exception as error:
                _not_kept(self.cache_path, getattr(error, "strerror", None) or str(error))

    return Cache


@functools.cache
def _not_kept(folder: str, why: str) -> None:
    """Said once: the loops work all the same."""
    warnings.warn(
        f"the compiled loops of the numba backend cannot be kept in {folder} ({why}), so each process compiles them "
        "anew, which takes some seconds; make room there, or name another folder in NUMBA_CACHE_DIR",
        RuntimeWarning,
        stacklevel=2,
    )
