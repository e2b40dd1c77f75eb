"""Layers that read: words as vectors, a gated recurrent unit that remembers them one after the other, and their sum.

A text is a row of numbers of words, 0 being no word. `Embedding` makes of each a vector, of no word the vector 0, and
`GRU` reads the vectors in their order; where one is 0 throughout nothing was said, and what it remembers stays.

K. Cho et al., "Learning Phrase Representations using RNN Encoder–Decoder for Statistical Machine Translation", 2014, in
the form of cuDNN and PyTorch, where the gate r is applied behind the product. With a = W x_t + b and u = U h + c, each
in three parts of H numbers, h = h_{t−1}:

    r = σ(a_r + u_r)      z = σ(a_z + u_z)      n = tanh(a_n + r u_n)      h_t = (1 − z) n + z h

Back through time, from the last step to the first, with g = dL/dh_t:

    dL/dn = g (1 − z)     dL/dz = g (h − n)     s = dL/dn (1 − n²), the gradient of what tanh was given

    da_n = s              da_z = dL/dz z (1 − z)      da_r = s u_n r (1 − r)
    du_n = s r            du_z = da_z                 du_r = da_r

    dL/dh_{t−1} = g z + du U        dU += duᵀ h      dc += Σ_n du

and where nothing was said dL/dh_{t−1} = g. What concerns W is done for all steps together: dW = daᵀ x, dx = da W.
Checked by tests/test_recurrent.py.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..spec import integer
from .init import Initializer, Normal, get_initializer
from .layer import Back, Layer, Parameter, Pass

Array = Any


class Embedding(Layer):
    """Numbers of words (N, T), as floats, to vectors (N, T, n_out): row w of the weight for the word w, 0 for no word.

    words: how many there are, no word, 0, among them. n_out: numbers in a vector. init: how vectors begin, N(0, 1) by
    default. Numbers are rounded, so that the gradient with respect to them is 0.

    Raises ValueError for sizes that are none, for a batch that is not (N, T), and, on a CPU, for a word that there is
    not; on a GPU, which is not waited for, such a word is no word.

    >>> import minigan, numpy as np
    >>> net = minigan.Sequential(minigan.Embedding(5, 3), seed=0)
    >>> y, _ = net(np.array([[4.0, 1.0, 0.0]]))
    >>> y.shape, bool((y[0, 0] == net.state_dict()["0.weight"][4]).all()), y[0, 2].tolist()
    ((1, 3, 3), True, [0.0, 0.0, 0.0])
    """

    def __init__(self, words: int, n_out: int, init: str | Initializer | None = None) -> None:
        self.words, self.n_out = integer("words", words, least=2), integer("n_out", n_out)
        self.init = Normal(1.0) if init is None else init
        self.parameters["weight"] = Parameter((self.words, self.n_out), get_initializer(self.init))

    def begin(self, values: dict[str, np.ndarray[Any, Any]], rng: np.random.Generator) -> None:
        values["weight"][0] = 0

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        if len(shape) != 2:
            raise ValueError(f"expected numbers of words (N, T), got {tuple(shape)}")
        return *shape, self.n_out

    def work(self, shape: tuple[int, ...]) -> tuple[int, int]:
        (n, t), each = shape, self.words - 1
        return n * t * (self.n_out + each), n * t * each * self.n_out

    def forward(self, x: Array, run: Pass) -> tuple[Array, Back]:
        shape, weight = self.output_shape(x.shape), self.parameters["weight"]
        which = self._rows(x.reshape(-1, 1), run)
        y = run.empty((len(which), self.n_out))
        run.backend.gemm(which, weight.data[1:], out=y)

        def back(dy: Array, params: bool, inputs: bool) -> Array | None:
            if params:
                grad, add = weight.grad_to_write()
                if not add:
                    grad[0] = 0  # of no word, which is not learned
                run.backend.gemm(which.T, dy.reshape(y.shape), grad[1:], add)
            if not inputs:
                return None
            dx = run.empty(x.shape)
            dx[...] = 0
            return dx

        return y.reshape(shape), back

    def _rows(self, x: Array, run: Pass) -> Array:
        """(N T, words − 1): 1 at the word, in a row of zeros; no 1 for no word."""
        xp = run.backend.xp
        x = xp.rint(x)
        if isinstance(x, np.ndarray) and not ((x >= 0) & (x < self.words)).all():
            raise ValueError(f"expected words from 0 to {self.words - 1}, got {float(x.min()):g} to {float(x.max()):g}")
        which = run.empty((len(x), self.words - 1))
        which[...] = x == xp.arange(1, self.words, dtype=x.dtype)
        return which


class GRU(Layer):
    """Reads vectors (N, T, n_in) in their order and ends with what it remembers (N, n_out).

    A vector that is 0 throughout says nothing: what is remembered stays as it is, so that texts of several lengths have
    zeros behind them, or before. init: how W and U begin, "glorot" by default, each of their three parts by itself; b
    and c begin at zero. Parameters have PyTorch's names and order, r, z, n.

    Raises ValueError for sizes that are none, and for a batch that is not (N, T, n_in).

    >>> import minigan, numpy as np
    >>> net = minigan.Sequential(minigan.GRU(3, 2), seed=0)
    >>> said = np.ones((1, 4, 3), "float32")
    >>> longer = np.concatenate([said, np.zeros((1, 5, 3), "float32")], axis=1)
    >>> bool((net(said)[0] == net(longer)[0]).all())
    True
    """

    def __init__(self, n_in: int, n_out: int, init: str | Initializer = "glorot") -> None:
        self.n_in, self.n_out, self.init = integer("n_in", n_in), integer("n_out", n_out), init
        each, zero = _Thirds(get_initializer(init)), get_initializer("zeros")
        self.parameters["weight_ih_l0"] = Parameter((3 * self.n_out, self.n_in), each)
        self.parameters["weight_hh_l0"] = Parameter((3 * self.n_out, self.n_out), each)
        self.parameters["bias_ih_l0"] = Parameter((3 * self.n_out,), zero)
        self.parameters["bias_hh_l0"] = Parameter((3 * self.n_out,), zero)

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        if len(shape) != 3 or shape[2] != self.n_in:
            raise ValueError(f"expected vectors (N, T, {self.n_in}) in their order, got {tuple(shape)}")
        return shape[0], self.n_out

    def work(self, shape: tuple[int, ...]) -> tuple[int, int]:
        n, t, _ = shape
        return n * t * 12 * self.n_out, n * t * 3 * self.n_out * (self.n_in + self.n_out)

    def forward(self, x: Array, run: Pass) -> tuple[Array, Back]:
        be, xp, size = run.backend, run.backend.xp, self.n_out
        n, steps, _ = x.shape
        self.output_shape(x.shape)
        W, U, b, c = (self.parameters[f"{name}_l0"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
        by_time = run.empty((steps, n, self.n_in))
        by_time[...] = x.swapaxes(0, 1)
        a = run.empty((steps, n, 3 * size))
        be.gemm(by_time.reshape(-1, self.n_in), W.data.T, out=a.reshape(-1, 3 * size))
        a += b.data
        said = run.empty((steps, n, 1))
        said[...] = (by_time != 0).any(axis=2, keepdims=True)
        u, gates, new = run.empty(a.shape), run.empty((steps, n, 2 * size)), run.empty((steps, n, size))
        h = run.empty((steps + 1, n, size))
        h[0] = 0
        for t in range(steps):
            be.gemm(h[t], U.data.T, out=u[t])
            u[t] += c.data
            _sigmoid(a[t, :, : 2 * size] + u[t, :, : 2 * size], xp, out=gates[t])
            r, z = gates[t, :, :size], gates[t, :, size:]
            xp.tanh(a[t, :, 2 * size :] + r * u[t, :, 2 * size :], out=new[t])
            h[t + 1] = h[t] + said[t] * (1 - z) * (new[t] - h[t])

        def back(dy: Array, params: bool, inputs: bool) -> Array | None:
            da, du, g = run.empty(a.shape), run.empty(a.shape), run.empty((n, size))
            g[...] = dy
            through = run.empty((n, size))
            for t in reversed(range(steps)):
                r, z, kept = gates[t, :, :size], gates[t, :, size:], said[t]
                now = kept * g  # the gradient of what was remembered anew; the rest is that of before
                s = now * (1 - z) * (1 - new[t] ** 2)
                da[t, :, :size] = s * u[t, :, 2 * size :] * r * (1 - r)
                da[t, :, size : 2 * size] = now * (h[t] - new[t]) * z * (1 - z)
                da[t, :, 2 * size :] = s
                du[t, :, : 2 * size] = da[t, :, : 2 * size]
                du[t, :, 2 * size :] = s * r
                be.gemm(du[t], U.data, out=through)
                g += through - now * (1 - z)
            flat, flat_u = da.reshape(-1, 3 * size), du.reshape(-1, 3 * size)
            if params:
                for parameter, left, right in ((W, flat, by_time), (U, flat_u, h[:-1])):
                    grad, add = parameter.grad_to_write()
                    be.gemm(left.T, right.reshape(len(left), -1), grad, add)
                for parameter, rows in ((b, flat), (c, flat_u)):
                    grad, add = parameter.grad_to_write()
                    be.column_sum(rows, grad, add)
            if not inputs:
                return None
            dx_by_time, dx = run.empty(by_time.shape), run.empty(x.shape)
            be.gemm(flat, W.data, out=dx_by_time.reshape(-1, self.n_in))
            dx[...] = dx_by_time.swapaxes(0, 1)
            return dx

        y = run.result((n, size))
        y[...] = h[steps]
        return y, back


class Bag(Layer):
    """The sum of vectors (N, T, F) over T, (N, F): a bag of words, that knows which were said but not in which order.

    What goes back is dy, to each of the T alike. Raises ValueError for a batch that is not (N, T, F).

    >>> import minigan, numpy as np
    >>> minigan.Sequential(minigan.Bag())(np.ones((1, 4, 2), "float32"))[0].tolist()
    [[4.0, 4.0]]
    """

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        if len(shape) != 3:
            raise ValueError(f"expected vectors (N, T, F) in their order, got {tuple(shape)}")
        return shape[0], shape[2]

    def work(self, shape: tuple[int, ...]) -> tuple[int, int]:
        return math.prod(shape), 0

    def forward(self, x: Array, run: Pass) -> tuple[Array, Back]:
        y, shape = run.result(self.output_shape(x.shape)), x.shape
        x.sum(axis=1, out=y)

        def back(dy: Array, params: bool, inputs: bool) -> Array | None:
            if not inputs:
                return None
            dx = run.empty(shape)
            dx[...] = dy[:, None]
            return dx

        return y, back


class _Thirds(Initializer):
    """Each third of the rows as a matrix of its own."""

    def __init__(self, each: Initializer) -> None:
        self.each = each

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray[Any, Any]:
        return np.concatenate([self.each((shape[0] // 3, *shape[1:]), rng) for _ in range(3)])


def _sigmoid(x: Array, xp: Any, out: Array) -> None:
    """σ(x) = (1 + tanh(x/2))/2, which does not overflow."""
    xp.tanh(x * x.dtype.type(0.5), out=out)
    out += 1
    out *= out.dtype.type(0.5)
