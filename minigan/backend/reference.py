"""The operations that minigan is made of, in plain array code: the oracle.

Everything the library computes on large arrays goes through the few operations below. They are written here as the
textbook has them, without regard for speed or memory, for any module `xp` with NumPy's interface. The NumPy and
CuPy backends override what they can do better; the tests hold every backend to this one, operation by operation.

Conventions: arrays are row-major, a batch is (samples, features), results are written into `out` and other
arguments so named, scalars come back as 0-d arrays (on a GPU: without waiting for it).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from . import philox
from .arena import Arena
from .counter import Count, Counter, Rate
from .group import Group
from .philox import Stream

Array = Any
Product = tuple[Array, Array, Array, bool]  # a, b, out, whether to add to out
Pair = tuple[int, int]  # along the height and the width of an image


class Repeat:
    """A step that is played again and again. On a GPU a subclass (graph.py) records what it asks for and replays it."""

    def __init__(self, step: Callable[[], Any]) -> None:
        self._step = step

    def __call__(self) -> Any:
        """Play the step once and return what it returned; on a GPU without waiting for it."""
        return self._step()

    def describe(self) -> str:
        """How it is played, if that is not plain to see: "" until it is known, and on a CPU."""
        return ""

    def halted(self) -> bool:
        """Whether a step met a number that is not finite and changed nothing since; waits for the device."""
        return False


class Backend:
    """Plain array code over `xp`; see the module's docstring for the conventions."""

    name = "reference"
    ahead = 1  # steps that the host asks for before it looks at what came of them
    recording: Any = None  # the graph that the operations asked for now belong to, on a GPU
    align = 1  # numbers: each parameter begins at a multiple of so many in a network's flat array

    def __init__(self, xp: Any = np) -> None:
        self.xp = xp
        self.group = Group()  # the processes that play with this one: none, unless get_backend is told
        self._pools: dict[Any, Array] = {}  # of normal numbers, by dtype

    def __repr__(self) -> str:
        return f"<minigan backend {self.name!r}>"

    def __copy__(self) -> Backend:
        return self  # arrays live on it, and are none of it

    def __deepcopy__(self, memo: Any) -> Backend:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        from . import get_backend  # which makes this class

        return get_backend, (self.name,)

    def versions(self) -> dict[str, str]:
        """The libraries that compute, with their versions."""
        return {self.xp.__name__: self.xp.__version__}

    def about(self) -> str:
        """What computes, in a few words."""
        return ", ".join(f"{name} {version}" for name, version in self.versions().items())

    # --- arrays ------------------------------------------------------------------------------------------------

    def asarray(self, a: Any, dtype: Any = None) -> Array:
        """`a` as a C-contiguous array of this backend, copied only if it must be."""
        return self.xp.ascontiguousarray(self.xp.asarray(a, dtype=dtype))

    def to_numpy(self, a: Array) -> np.ndarray[Any, Any]:
        """A NumPy copy of `a`, in C order."""
        return np.array(a, order="C")

    def numbers(self, scalars: Sequence[Array]) -> list[float]:
        """Results of one number each, as Python's; on a GPU this waits for them."""
        return [float(scalar) for scalar in scalars]

    def address(self, a: Array) -> int:
        """Where the array begins in memory."""
        return a.ctypes.data  # type: ignore[no-any-return]

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Array:
        return self.xp.empty(shape, dtype)

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> Array:
        return self.xp.zeros(shape, dtype)

    def arena(self) -> Arena:
        """A new, empty arena."""
        return Arena(self)

    def synchronize(self) -> None:
        """Wait until everything asked for so far is computed."""

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Within this context, errors of the device are turned into MemoryError or RuntimeError with one sentence."""
        yield

    # --- steps -------------------------------------------------------------------------------------------------

    def counter(self) -> Counter:
        """A count, beginning at 0, that may stand in the place of an integer `step`, `turn`, `t` or `row` below."""
        return Counter()

    def scheduled(self, rate: Callable[[int], float], counter: Counter) -> Rate:
        """rate(count), as the learning rate of an update that is asked for now."""
        return rate(counter.value)

    def repeat(self, step: Callable[[], Any]) -> Repeat:
        """`step` to be called again and again; on a GPU it is recorded once and replayed as one CUDA graph."""
        return Repeat(step)

    def keep(self, arrays: Sequence[Any]) -> None:
        """Let these arrays live as long as the graph that is being recorded, if there is one."""

    def fuse(self, on: bool) -> None:
        """From here on operations may be held back, to be computed together with those that follow; off: no more.

        In between nothing but operations of this backend may touch the arrays that they were given.
        """

    def grad_norm(self, grad: Array, loss: Array) -> tuple[Array, bool]:
        """The norm of a gradient, and whether it and the loss are finite.

        While a graph is recorded, yes: it will look for itself, and halt if not.
        """
        norm = self.norm(grad)
        return norm, math.isfinite(loss) and math.isfinite(norm)

    def record(self, scalars: Sequence[Array], table: Array, row: Count) -> None:
        """table[row mod length] = scalars."""
        line = table[row % len(table)]
        for i, scalar in enumerate(scalars):
            line[i] = scalar

    # --- linear algebra ----------------------------------------------------------------------------------------

    def gemm(self, a: Array, b: Array, out: Array, accumulate: bool = False) -> None:
        """out = a b, or out += a b. `a` (m, k) and `b` (k, n) may be transposed views."""
        product = self.xp.matmul(a, b)
        out[...] = out + product if accumulate else product

    def gemms(self, products: Sequence[Product]) -> None:
        """Several products that need nothing of each other, side by side where that pays."""
        for a, b, out, accumulate in products:
            self.gemm(a, b, out, accumulate)

    def column_sum(self, x: Array, out: Array, accumulate: bool = False) -> None:
        """out_j = Σ_i x_ij, or added to it."""
        total = x.sum(axis=0)
        out[...] = out + total if accumulate else total

    def row_dots(self, a: Array, b: Array, out: Array, scratch: Array) -> None:
        """out_i = Σ_j a_ij b_ij, as (N, 1); scratch: of the shape of a."""
        self.xp.multiply(a, b, out=scratch)
        scratch.sum(axis=1, keepdims=True, out=out)

    def norm(self, x: Array) -> Array:
        """√Σx² over all elements, finite whenever the result is representable, NaN or infinite if some x is."""
        largest = self.xp.abs(x).max() if x.size else self.xp.zeros((), x.dtype)
        scale = self.xp.where((largest > 0) & self.xp.isfinite(largest), largest, self.xp.ones_like(largest))
        scaled = x / scale
        return scale * self.xp.sqrt((scaled * scaled).sum())

    # --- convolutions ------------------------------------------------------------------------------------------
    #
    # Images are (N, H, W, C), weights (O, kh, kw, C), outputs (N, oh, ow, O); stride and padding are pairs. A window of
    # (kh, kw) pixels stands on the image, which zeros surround, at oh × ow places.

    def conv(self, x: Array, w: Array, out: Array, stride: Pair, padding: Pair) -> None:
        """out_nyzo = Σ_ijc w_oijc x_nhvc, with the pixel h = y · stride + i − padding, and v from z and j likewise."""
        framed = _framed(self.xp, x, padding)
        total = self.xp.zeros_like(out)
        for i, j, seen in offsets(w.shape[1:3], out.shape[1:3], stride):
            total += self.xp.matmul(framed[seen], w[:, i, j].T)
        out[...] = total

    def conv_inputs(self, g: Array, w: Array, out: Array, stride: Pair, padding: Pair) -> None:
        """The adjoint of `conv` in x: out_nhvc = Σ_o Σ g_nyzo w_oijc, over all y, i and z, j with those pixels h, v."""
        framed = _framed(self.xp, self.xp.zeros_like(out), padding)
        for i, j, seen in offsets(w.shape[1:3], g.shape[1:3], stride):
            framed[seen] += self.xp.matmul(g, w[:, i, j])
        out[...] = inside(framed, out, padding)

    def conv_weights(
        self, g: Array, x: Array, out: Array, stride: Pair, padding: Pair, accumulate: bool = False
    ) -> None:
        """The adjoint of `conv` in w: out_oijc = Σ_nyz g_nyzo x_nhvc, or added to it."""
        framed = _framed(self.xp, x, padding)
        for i, j, seen in offsets(out.shape[1:3], g.shape[1:3], stride):
            product = self.xp.matmul(g.reshape(-1, g.shape[3]).T, framed[seen].reshape(-1, x.shape[3]))
            out[:, i, j] = out[:, i, j] + product if accumulate else product

    def conv_and_weights(
        self, x: Array, w: Array, out: Array, g: Array, dw: Array, stride: Pair, padding: Pair, accumulate: bool
    ) -> None:
        """`conv(x, w, out)`, and `conv_weights(g, x, dw)`: both go through the windows of x."""
        self.conv_weights(g, x, dw, stride, padding, accumulate)
        self.conv(x, w, out, stride, padding)

    # --- layers ------------------------------------------------------------------------------------------------

    def bias_act(self, x: Array, bias: Array | None, act: Any, out: Array) -> None:
        """out = φ(x + bias); `out` may be `x`. `act` is an activation layer, None for the identity."""
        shifted = x if bias is None else x + bias
        if act is None:
            out[...] = shifted
        else:
            act.value(self.xp, shifted, out, self.xp.empty_like(x))

    def bias_act_grad(
        self, dy: Array, y: Array, act: Any, out: Array, dbias: Array | None = None, accumulate: bool = False
    ) -> None:
        """out = φ′ · dy, with φ′ written as a function of y = φ(·); dbias = its column sums, if asked for.

        `out` may be `dy`.
        """
        if act is None:
            out[...] = dy
        else:
            slope = self.xp.empty_like(y)
            act.slope(self.xp, y, slope, self.xp.empty(y.shape, bool))
            out[...] = slope * dy
        if dbias is not None:
            self.column_sum(out, dbias, accumulate)

    def maxout(self, x: Array, out: Array, winners: Array) -> None:
        """out_nf = max_j x_njf, and the winner, the first j that reaches it, as an int32. x (N, k, F), k ≤ 256."""
        winners[...] = x.argmax(axis=1)
        out[...] = x.max(axis=1)

    def maxout_grad(self, dy: Array, winners: Array, out: Array) -> None:
        """out_njf = dy_nf where j is the winner, 0 elsewhere."""
        pieces = self.xp.arange(out.shape[1])[:, None]
        out[...] = self.xp.where(winners[:, None] == pieces, dy[:, None], dy.dtype.type(0))

    def maxout_tangent(self, xdot: Array, winners: Array, out: Array) -> None:
        """out_nf = xdot_njf of the winner j."""
        out[...] = self.xp.take_along_axis(xdot, winners[:, None], axis=1)[:, 0]

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
        """Normalise each column by its own mean and (biased) variance, which are written out as well.

        out = φ(γ (x − mean) · inv_std + β),   inv_std = 1/√(var + ε);   `act` as in `bias_act`
        """
        self._batchnorm(x, gamma, beta, eps, out, mean, var, inv_std)
        if act is not None:
            self.bias_act(out, None, act, out)

    def inverse_std(self, var: Array, eps: float, out: Array) -> None:
        """out = 1/√(var + ε)."""
        self.xp.add(var, eps, out=out)
        self.xp.sqrt(out, out=out)
        self.xp.divide(1, out, out=out)

    def normalize(self, x: Array, gamma: Array, beta: Array, mean: Array, inv_std: Array, act: Any, out: Array) -> None:
        """out = φ(γ (x − mean) · inv_std + β), with statistics that are given."""
        self._normalize(x, gamma, beta, mean, inv_std, out)
        if act is not None:
            self.bias_act(out, None, act, out)

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
        """Back through φ and the normalisation: dγ, dβ, and over dy the gradient of x.

        With g = φ′(y) · dy:   dβ = Σ_i g_i,   dγ = Σ_i g_i x̂_i,   dx = γ inv_std (g − dβ/N − x̂ dγ/N) where mean and
        variance were those of x (from_batch), else γ inv_std g.
        """
        if act is not None:
            self.bias_act_grad(dy, y, act, out=dy)
        self._normalize_sums(dy, x, mean, inv_std, dgamma, dbeta)
        if from_batch:
            self._batchnorm_back(dy, x, gamma, mean, inv_std, dgamma, dbeta)
        else:
            self.xp.multiply(dy, gamma * inv_std, out=dy)

    def batchnorm_of_all(
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
    ) -> int:
        """`batchnorm` by the mean and variance of the samples of all processes of the group, which have equal shares.

        Returns how many samples those are.
        """
        self._moments(x, mean, var)
        n = self.group.moments(mean, var, len(x), self.empty((1, 2, *mean.shape), mean.dtype))
        self.inverse_std(var, eps, inv_std)
        self.normalize(x, gamma, beta, mean, inv_std, act, out)
        return n

    def batchnorm_of_all_grad(
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
    ) -> None:
        """The way back of `batchnorm_of_all`. dγ and dβ are those of this process's own samples, as all gradients are.

        But dx feels all samples: with N of them, n of this process, dβ/N is the mean of the processes' dβ, over n.
        """
        if act is not None:
            self.bias_act_grad(dy, y, act, out=dy)
        self._normalize_sums(dy, x, mean, inv_std, dgamma, dbeta)
        sums = self.empty((2, *mean.shape), mean.dtype)
        sums[0], sums[1] = dgamma, dbeta
        self.group.mean(sums)
        self._batchnorm_back(dy, x, gamma, mean, inv_std, sums[0], sums[1])

    def track(self, mean: Array, var: Array, n: int, momentum: float, running_mean: Array, running_var: Array) -> None:
        """Move running statistics towards those of n samples: μ ← momentum · μ + (1 − momentum) · mean, v likewise.

        v takes the unbiased variance, n/(n−1) times the biased. A value that is not finite changes nothing: it will
        be reported, and poisons nothing until then.
        """
        for running, batch, scale in ((running_mean, mean, 1.0), (running_var, var, n / (n - 1))):
            new = momentum * running + (1 - momentum) * scale * batch
            self.xp.copyto(running, new, where=self.xp.isfinite(new))

    # in pieces, for backends that need one pass over memory for each

    def _batchnorm(
        self, x: Array, gamma: Array, beta: Array, eps: float, out: Array, mean: Array, var: Array, inv_std: Array
    ) -> None:
        self._moments(x, mean, var)
        self.inverse_std(var, eps, inv_std)
        self._normalize(x, gamma, beta, mean, inv_std, out)

    def _moments(self, x: Array, mean: Array, var: Array) -> None:
        mean[...] = x.mean(axis=0)
        var[...] = ((x - mean) ** 2).mean(axis=0)

    def _normalize(self, x: Array, gamma: Array, beta: Array, mean: Array, inv_std: Array, out: Array) -> None:
        out[...] = gamma * ((x - mean) * inv_std) + beta

    def _normalize_sums(self, g: Array, x: Array, mean: Array, inv_std: Array, dgamma: Array, dbeta: Array) -> None:
        dbeta[...] = g.sum(axis=0)
        dgamma[...] = (g * ((x - mean) * inv_std)).sum(axis=0)

    def _batchnorm_back(
        self, g: Array, x: Array, gamma: Array, mean: Array, inv_std: Array, dgamma: Array, dbeta: Array
    ) -> None:
        n = x.shape[0]
        x_hat = (x - mean) * inv_std
        g[...] = gamma * inv_std * (g - dbeta / n - x_hat * (dgamma / n))

    # --- losses ------------------------------------------------------------------------------------------------

    def logistic(self, logits: Array, target: float, grad: Array) -> Array:
        """Mean binary cross-entropy of σ(logits) against one target in [0, 1], finite for every finite logit.

        loss = mean(softplus(l) − t l),   grad = (σ(l) − t) / n.   Returns the loss.

        Written through e^−|l|, which cannot overflow, and without differences of nearly equal numbers, so that a
        discriminator that is very sure, and right, keeps a gradient: with s = σ(−|l|), σ(l) is 1 − s for l ≥ 0 and
        s below, and softplus(l) = max(l, 0) + log(1 + e^−|l|).
        """
        xp, n = self.xp, logits.size
        size, positive = xp.abs(logits), logits >= 0
        tail = xp.exp(-size)
        small = tail / (1 + tail)
        grad[...] = xp.where(positive, (1 - target) - small, small - target) / n
        one = logits.dtype.type(1)
        return ((xp.where(positive, one - target, one * target) * size + xp.log1p(tail)) / n).sum()

    def verdicts(self, real: Array, fake: Array) -> tuple[Array, Array, Array, Array]:
        """What D says: the means of σ(real) and σ(fake), and the shares that are right, real > 0 and fake ≤ 0."""
        d_real, d_fake = (1 / (1 + self.xp.exp(-self.xp.clip(logits, -80, 80))) for logits in (real, fake))
        right_real, right_fake = ((real > 0).mean(dtype=real.dtype), (fake <= 0).mean(dtype=fake.dtype))
        return d_real.mean(), d_fake.mean(), right_real, right_fake

    def classify(
        self, real: Array, fake: Array, target: float, dreal: Array, dfake: Array
    ) -> tuple[Array, tuple[Array, Array, Array, Array]]:
        """D's loss as a classifier, `logistic` of real logits against `target` plus that of fakes against 0.

        dreal, dfake: where the gradients go. Returns the loss, and what `verdicts` says.
        """
        loss = self.logistic(real, target, dreal)
        loss += self.logistic(fake, 0.0, dfake)
        return loss, self.verdicts(real, fake)

    # --- update rules ------------------------------------------------------------------------------------------

    def sgd(self, p: Array, g: Array, v: Array, lr: Rate, momentum: float, t: Count) -> None:
        """v ← μ v + g,   p ← p − lr · v.   t = 1, 2, ... counts the updates, here and below."""
        v[...] = momentum * v + g
        p[...] = p - lr * v

    def rmsprop(self, p: Array, g: Array, s: Array, lr: Rate, decay: float, eps: float, t: Count) -> None:
        """s ← ρ s + g² (a sum, 1/(1−ρ) times the mean square),   p ← p − lr · g / (√((1−ρ) s) + ε)."""
        s[...] = decay * s + g * g
        p[...] = p - lr * g / (self.xp.sqrt((1 - decay) * s) + eps)

    def adam(
        self, p: Array, g: Array, m: Array, v: Array, lr: Rate, beta1: float, beta2: float, eps: float, t: Count
    ) -> None:
        """m and v are sums, 1/(1−β) times the paper's moving averages.

        m ← β₁ m + g,   v ← β₂ v + g²,   m̂ = m (1−β₁)/(1−β₁ᵗ),   v̂ = v (1−β₂)/(1−β₂ᵗ),   p ← p − lr · m̂/(√v̂ + ε)
        """
        m[...] = beta1 * m + g
        v[...] = beta2 * v + g * g
        m_hat = m * ((1 - beta1) / (1 - beta1**t))
        v_hat = v * ((1 - beta2) / (1 - beta2**t))
        p[...] = p - lr * m_hat / (self.xp.sqrt(v_hat) + eps)

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
        """Adam's step, looking one ahead: with s' the step that `adam` would make,   p ← p + 2 s' − s,   s ← s'."""
        step = self.xp.zeros_like(p)
        self.adam(step, g, m, v, lr, beta1, beta2, eps, t)
        p[...] = p + (2 * step - s)
        s[...] = step

    def average(self, mean: Array, x: Array, keep: Rate, t: Count) -> None:
        """mean ← β mean + (1 − β) x.   t: at which count `keep` is to be read, here and below."""
        mean[...] = mean + (1 - keep) * (x - mean)

    # --- random numbers and data -------------------------------------------------------------------------------

    def uniform(self, out: Array, stream: Stream) -> None:
        """Fill `out` with the stream's numbers in [0, 1)."""
        for part, first in philox.pieces(out, stream):
            part[...] = philox.uniforms(self.xp, stream, part.size, first).reshape(part.shape)

    def normal(self, out: Array, stream: Stream) -> None:
        """Fill `out` with the stream's standard normal numbers."""
        for part, first in philox.pieces(out, stream):
            part[...] = philox.normals(self.xp, stream, part.size, first).reshape(part.shape)

    def pooled(self, out: Array, stream: Stream) -> None:
        """Fill `out` with normal numbers of the pool, as they follow each other there from a random place on.

        A copy in the place of a computation. Two draws are as independent as their places: among k draws of m numbers
        from a pool of P, about k² m / P pairs share some, at different places. Within a draw all differ, up to P.
        """
        for part, first in philox.pieces(out, stream):
            places = philox.place(self.xp, stream) + self.xp.arange(first, first + part.size)
            part[...] = self.pool(out.dtype)[places % philox.POOL].reshape(part.shape)

    def pool(self, dtype: Any) -> Array:
        """The pool of normal numbers, on this backend."""
        dtype = np.dtype(dtype)
        if dtype not in self._pools:
            self._pools[dtype] = self.asarray(philox.pool(), dtype)
        return self._pools[dtype]

    def perturb(self, x: Array, std: Rate, t: Count, stream: Stream, out: Array) -> None:
        """out = x + std · ε, with the stream's standard normal ε."""
        self.normal(out, stream)
        out[...] = x + std * out

    def minibatch(self, out: Array, n: int, turn: Count, size: int, seed: int, first: int = 0) -> None:
        """Which of n items come at turn · size + first, and on, of an endless sequence of shuffled epochs.

        `out` (int64) is filled with indices, as many as it holds; in each epoch every item comes exactly once.
        """
        position, done = turn * size + first, 0
        while done < out.size:
            epoch, start = divmod(position + done, n)
            count = min(out.size - done, n - start)
            positions = start + self.xp.arange(count, dtype=self.xp.int64)
            out[done : done + count] = philox.permuted(self.xp, positions, n, seed, epoch)
            done += count

    def gather(self, data: Array, indices: Array, out: Array) -> None:
        """out_i = data[indices_i]; uint8 images are mapped from 0..255 to [−1, 1], floats are copied."""
        rows = data[indices]
        out[...] = rows * out.dtype.type(2 / 255) - 1 if data.dtype == self.xp.uint8 else rows

    def draw(self, data: Array, turn: Count, size: int, seed: int, out: Array, first: int = 0) -> None:
        """out = the samples of data that `minibatch` names, as `gather` gives them."""
        indices = self.empty((len(out),), np.int64)
        self.minibatch(indices, len(data), turn, size, seed, first)
        self.gather(data, indices, out)

    def replace(self, data: Array, turn: Count, size: int, seed: int, samples: Array) -> None:
        """The way back: data = these samples where `draw` would find some; they are no more than data holds.

        Where an epoch ends among them, one place may come twice: then the later sample stays.
        """
        indices = self.empty((len(samples),), np.int64)
        self.minibatch(indices, len(data), turn, size, seed)
        end = len(data) - turn * size % len(data)  # of the epoch
        for rows in (slice(0, end), slice(end, None)):  # in each, every place is another one
            data[indices[rows]] = samples[rows]


def _framed(xp: Any, x: Array, padding: Pair) -> Array:
    """The images, with so many zeros around."""
    (n, height, width, channels), (above, left) = x.shape, padding
    framed = xp.zeros((n, height + 2 * above, width + 2 * left, channels), x.dtype)
    inside(framed, x, padding)[...] = x
    return framed


def offsets(kernel: Pair, places: Pair, stride: Pair) -> Iterator[tuple[int, int, tuple[slice, ...]]]:
    """Each pixel (i, j) of a window, and the pixels of the framed images on which it comes to stand."""
    rows, cols = (s * (n - 1) + 1 for s, n in zip(stride, places, strict=True))
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            yield i, j, (slice(None), slice(i, i + rows, stride[0]), slice(j, j + cols, stride[1]))


def inside(framed: Array, x: Array, padding: Pair) -> Array:
    """The images without the zeros around them."""
    (_, height, width, _), (above, left) = x.shape, padding
    return framed[:, above : above + height, left : left + width]
