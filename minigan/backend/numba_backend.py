"""The CPU backend with compiled sweeps: one pass over memory for a whole formula, where NumPy makes one per ufunc.

The loops are those of `numba_loops.py`, which Numba compiles to machine code the first time that each is called; the
code is kept on disk for the next process. They let go of Python's lock and are shared by the team of the NumPy backend;
Numba's own threads are never started. Everything that is no such sweep is inherited: products, random numbers, and
activations without a loop there.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import numpy as np

from ..extras import how_to_install
from ..spec import Spec
from . import factors, numba_loops, numpy_backend
from .counter import Count, Rate
from .cpu_planes import blocks
from .numpy_backend import NumpyBackend
from .reference import Pair
from .threads import cut

Array = Any

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

    # --- convolutions ------------------------------------------------------------------------------------------

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
        loop = _loop(act)
        if bias is None or loop is None or (loop == "tanh" and x.dtype != numpy_backend.FLOAT32):
            return super().bias_act(x, bias, act, out)
        if out is not x:
            np.copyto(out, x)
        work, extra = getattr(self._run, f"bias_{loop}"), _extra(loop, act, x)
        return self._share_rows(lambda rows: work(out[rows], bias, *extra), x)

    def bias_act_grad(
        self, dy: Array, y: Array, act: Any, out: Array, dbias: Array | None = None, accumulate: bool = False
    ) -> None:
        loop = _loop(act)
        if dy.ndim != 2 or loop is None:
            return super().bias_act_grad(dy, y, act, out, dbias, accumulate)
        if out is not dy:
            np.copyto(out, dy)
        extra = _extra(loop, act, dy)
        if dbias is None:
            work = getattr(self._run, f"{loop}_grad")
            return self._share_rows(lambda rows: work(out[rows], y[rows], *extra), dy)
        work = getattr(self._run, f"{loop}_grad_sum")
        total = self._temporary("total", dbias.shape, dbias.dtype) if accumulate else dbias
        self._share_columns(lambda lo, hi: work(out, y, total, lo, hi, *extra), dy)
        if accumulate:
            np.add(dbias, total, out=dbias)
        return None

    def maxout(self, x: Array, out: Array, winners: Array) -> None:
        self._share_rows(lambda rows: self._run.maxout(x[rows], out[rows], winners[rows]), x)

    def maxout_grad(self, dy: Array, winners: Array, out: Array) -> None:
        self._share_rows(lambda rows: self._run.maxout_grad(dy[rows], winners[rows], out[rows]), out)

    def maxout_tangent(self, xdot: Array, winners: Array, out: Array) -> None:
        self._share_rows(lambda rows: self._run.maxout_tangent(xdot[rows], winners[rows], out[rows]), xdot)

    def _batchnorm(
        self, x: Array, gamma: Array, beta: Array, eps: float, out: Array, mean: Array, var: Array, inv_std: Array
    ) -> None:
        scale = self._temporary("scale", gamma.shape, gamma.dtype)

        def work(lo: int, hi: int) -> None:
            c = slice(lo, hi)
            self._moments_of(x, mean, var, lo, hi)
            self.inverse_std(var[c], eps, inv_std[c])
            np.multiply(gamma[c], inv_std[c], out=scale[c])
            self._run.normalize(x, mean, scale, beta, out, lo, hi)

        self._share_columns(work, x, passes=3)

    def _moments(self, x: Array, mean: Array, var: Array) -> None:
        self._share_columns(lambda lo, hi: self._moments_of(x, mean, var, lo, hi), x, passes=2)

    def _moments_of(self, x: Array, mean: Array, var: Array, lo: int, hi: int) -> None:
        n, c = len(x), slice(lo, hi)
        self._run.column_sum(x, mean, lo, hi)
        np.divide(mean[c], n, out=mean[c])
        self._run.square_sum(x, mean, var, lo, hi)
        np.divide(var[c], n, out=var[c])

    def _normalize(self, x: Array, gamma: Array, beta: Array, mean: Array, inv_std: Array, out: Array) -> None:
        scale = self._temporary("scale", gamma.shape, gamma.dtype)
        np.multiply(gamma, inv_std, out=scale)
        self._share_columns(lambda lo, hi: self._run.normalize(x, mean, scale, beta, out, lo, hi), x)

    def _normalize_sums(self, g: Array, x: Array, mean: Array, inv_std: Array, dgamma: Array, dbeta: Array) -> None:
        self._share_columns(lambda lo, hi: self._run.normalize_sums(g, x, mean, dgamma, dbeta, lo, hi), x)
        np.multiply(dgamma, inv_std, out=dgamma)

    def _batchnorm_back(
        self, g: Array, x: Array, gamma: Array, mean: Array, inv_std: Array, dgamma: Array, dbeta: Array
    ) -> None:
        slope, shift, scale = self._batchnorm_grad_factors(len(x), gamma, inv_std, dgamma, dbeta)
        self._share_rows(lambda rows: self._run.batchnorm_back(g[rows], x[rows], mean, slope, shift, scale), x)

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
    loops = {name: f for name, f in vars(numba_loops).items() if getattr(f, "__module__", None) == numba_loops.__name__}
    return SimpleNamespace(version=numba.__version__, **{name: _compile(numba, f) for name, f in loops.items()})


def _compile(numba: Any, loop: Callable[..., Any]) -> Any:
    """The loop as machine code, which lets go of Python's lock; kept on disk if there is a place for it."""
    compiled = numba.njit(nogil=True, error_model="numpy")(loop)  # division by zero is infinite, as in NumPy
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
