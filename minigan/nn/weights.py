"""Weights that are functions of other parameters: W = f(θ).

A layer takes the weight W (out, ...) of a pass from here and hands back G = dL/dW, which `pull` turns into gradients
of θ. All that a loss, or a penalty on gradients, knows of θ it knows through W, so one `pull` serves both orders.

**Spectral normalisation** (Miyato et al. 2018): W = W₀/σ, σ = uᵀW₀v. Power iteration, v ← W₀ᵀu/‖W₀ᵀu‖ and then
u ← W₀v/‖W₀v‖, brings u and v to the first singular vectors and σ to the largest singular value, by which x → W x
stretches no x to more than its length. They are constants in the gradient, and dσ = uᵀ dW₀ v, so

    dW = dW₀/σ − W₀ dσ/σ² = (dW₀ − W uᵀ dW₀ v)/σ      →    dL/dW₀ = (G − ⟨G, W⟩ u vᵀ)/σ

**Weight normalisation** (Salimans and Kingma 2016): W_o = g_o V̂_o, V̂_o = V_o/‖V_o‖, for each output o:

    dV̂_o = (dV_o − V̂_o ⟨V̂_o, dV_o⟩)/‖V_o‖            →    dL/dg_o = ⟨G_o, V̂_o⟩
                                                          dL/dV_o = g_o/‖V_o‖ (G_o − V̂_o dL/dg_o)

Weights of more axes, such as those of convolutions, are taken as (out, all the rest). Checked by
tests/test_second_order.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..spec import Spec
from .init import Constant, Initializer
from .layer import Layer, Parameter, Pass

Array = Any
Axes = tuple[int, ...] | None

EPS = 1e-12  # of PyTorch: a vector that is shorter is not made one of length 1
BEGINNING = 15  # power iterations before the first pass


class Weight(NamedTuple):
    """A layer's weight in one pass, and what becomes of its gradient.

    Write dL/dW to what `grad_to_write` gives, or add it there if that says so, and then call `pull` with it.
    """

    data: Array
    grad_to_write: Callable[[], tuple[Array, bool]]
    pull: Callable[[Array], None]


class WeightFunction(Spec, abstract=True):
    """Base class: how a weight comes from parameters. It keeps nothing; the layer has the parameters and buffers."""

    def register(self, layer: Layer, shape: tuple[int, ...], init: Initializer, axes: Axes = None) -> None:
        """Give the layer the parameters and buffers that a weight of this shape needs; axes as of `Parameter`."""
        raise NotImplementedError

    def begin(self, values: dict[str, np.ndarray[Any, Any]], rng: np.random.Generator) -> None:
        """See `Layer.begin`."""

    def weight(self, layer: Layer, run: Pass) -> Weight:
        """The layer's weight for this pass."""
        raise NotImplementedError

    def stretch(self, layer: Layer, by: Array) -> None:
        """Multiply the weight of each output with a positive number, by (out,), for a beginning that data ask for.
        Nothing, where lengths are no parameter of their own."""


def weight_function(norm: WeightFunction | None) -> WeightFunction:
    """What a layer's argument `norm` stands for. Raises TypeError for anything else."""
    if norm is None:
        return Itself()
    if not isinstance(norm, WeightFunction):
        raise TypeError(f"norm must be None, SpectralNorm() or WeightNorm(), for the layer's weight; got {norm!r}")
    return norm


class Itself(WeightFunction):
    """The weight is a parameter."""

    def register(self, layer: Layer, shape: tuple[int, ...], init: Initializer, axes: Axes = None) -> None:
        layer.parameters["weight"] = Parameter(shape, init, axes)

    def weight(self, layer: Layer, run: Pass) -> Weight:
        weight = layer.parameters["weight"]
        return Weight(weight.data, weight.grad_to_write, _arrived)


class SpectralNorm(WeightFunction):
    """W = weight_orig/σ: a layer that stretches nothing, for critics that must be Lipschitz (Miyato et al. 2018).

    σ = uᵀ weight_orig v is the largest singular value, as far as power iteration knows it. u and v are drawn with the
    network's seed and iterated 15 times at its beginning, and once more in each training pass that moves statistics
    (as with batchnorm, `track`): all passes of one update see the same W.

    Parameter `weight_orig` (out, ...), buffers `weight_u` (out,) and `weight_v` (rest,), as of
    `torch.nn.utils.spectral_norm`. Raises ValueError for a weight that begins at zero.

    >>> import minigan, numpy as np
    >>> net = minigan.Sequential(minigan.Dense(3, 2, norm=minigan.SpectralNorm()), seed=0)
    >>> y, back = net(np.eye(3, dtype="float32"))              # y = Wᵀ, as the bias begins at zero
    >>> bool(np.isclose(np.linalg.norm(y, 2), 1, atol=1e-3)), sorted(net.state_dict())
    (True, ['0.bias', '0.weight_orig', '0.weight_u', '0.weight_v'])
    """

    def register(self, layer: Layer, shape: tuple[int, ...], init: Initializer, axes: Axes = None) -> None:
        layer.parameters["weight_orig"] = Parameter(shape, init, axes)
        layer.buffers["weight_u"] = np.broadcast_to(0.0, shape[0])
        layer.buffers["weight_v"] = np.broadcast_to(0.0, int(np.prod(shape[1:])))

    def begin(self, values: dict[str, np.ndarray[Any, Any]], rng: np.random.Generator) -> None:
        W = _rows(values["weight_orig"]).astype(np.float64)
        _require_some(W)
        u = rng.standard_normal(len(W))
        for _ in range(BEGINNING):
            v = W.T @ u / np.linalg.norm(W.T @ u)
            u = W @ v / np.linalg.norm(W @ v)
        values["weight_u"][...], values["weight_v"][...] = u, v

    def weight(self, layer: Layer, run: Pass) -> Weight:
        be, xp, original = run.backend, run.backend.xp, layer.parameters["weight_orig"]
        W0 = _rows(original.data)
        out, rest = W0.shape
        u, v = run.empty((1, out)), run.empty((1, rest))  # of this pass: later ones will move the buffers
        W0v, sigma = run.empty((1, out)), run.empty((1, 1))
        iterate = run.train and run.track
        xp.copyto(u, layer.buffers["weight_u"])
        # buffers are as everybody else sees them: the rest of a convolution's weight is in another order here
        v_seen, v_buffer = original.as_state(v.reshape(1, *original.shape[1:])), layer.buffers["weight_v"]
        if iterate:
            be.gemm(u, W0, out=v)
            self._turn(v_buffer, v, v_seen, run)
        xp.copyto(v_seen, v_buffer.reshape(v_seen.shape))
        be.gemm(v, W0.T, out=W0v)
        if iterate:
            self._turn(layer.buffers["weight_u"], W0v, W0v, run)
            xp.copyto(u, layer.buffers["weight_u"])
        be.gemm(W0v, u.T, out=sigma)
        W = run.empty(original.shape)
        xp.divide(W0, sigma, out=_rows(W))

        def pull(G: Array) -> None:
            grad, accumulate = original.grad_to_write()
            along, scaled = run.empty((1, 1)), run.empty(u.shape)
            be.gemm(G.reshape(1, -1), W.reshape(-1, 1), out=along)
            xp.divide(along, sigma, out=along)
            xp.multiply(u, along, out=scaled)
            xp.negative(scaled, out=scaled)
            be.gemm(scaled.T, v, _rows(grad), accumulate)
            xp.divide(_rows(G), sigma, out=_rows(G))
            xp.add(grad, G, out=grad)

        return Weight(W, lambda: (run.empty(original.shape), False), pull)

    @staticmethod
    def _turn(buffer: Array, towards: Array, seen: Array, run: Pass) -> None:
        """buffer ← towards/‖towards‖, in the order of `seen`, by an operation that a halted graph leaves away."""
        be, length, unit = run.backend, run.empty(()), run.empty(buffer.shape)
        be.xp.maximum(be.norm(towards), EPS, out=length)
        be.xp.divide(seen, length, out=unit.reshape(seen.shape))
        be.average(buffer, unit, keep=0.0, t=0)


class WeightNorm(WeightFunction):
    """W_o = g_o V_o/‖V_o‖: the length of each output's weight and its direction, learned apart.

    The lengths begin as those of V, so that W begins as the initialiser drew it (Salimans and Kingma 2016); or as some
    data ask for, see `Sequential.begin_on`.
    trained: False for lengths that stay as they begin, of which nothing but the direction is learned.
    Parameters `weight_g` (out, 1, ...) and `weight_v` (out, ...), as of `torch.nn.utils.weight_norm`; without training
    `weight_g` is a buffer. Raises ValueError for an output whose weight begins at zero.

    >>> import minigan, numpy as np
    >>> net = minigan.Sequential(minigan.Dense(3, 2, norm=minigan.WeightNorm()), seed=0)
    >>> y, back = net(np.eye(3, dtype="float32"))
    >>> bool(np.allclose(y.T, net.state_dict()["0.weight_v"], atol=1e-6)), net.state_dict()["0.weight_g"].shape
    (True, (2, 1))
    """

    def __init__(self, trained: bool = True) -> None:
        self.trained = trained

    def register(self, layer: Layer, shape: tuple[int, ...], init: Initializer, axes: Axes = None) -> None:
        lengths = shape[0], *[1] * len(shape[1:])
        if self.trained:
            layer.parameters["weight_g"] = Parameter(lengths, Constant(1.0))
        else:
            layer.buffers["weight_g"] = np.broadcast_to(1.0, lengths)
        layer.parameters["weight_v"] = Parameter(shape, init, axes)

    def begin(self, values: dict[str, np.ndarray[Any, Any]], rng: np.random.Generator) -> None:
        g, V = values["weight_g"], _rows(values["weight_v"])
        _require_some(*V)
        g[...] = np.linalg.norm(V.astype(np.float64), axis=1).reshape(g.shape)

    def weight(self, layer: Layer, run: Pass) -> Weight:
        xp, v, g = run.backend.xp, layer.parameters["weight_v"], layer.parameters.get("weight_g")
        V, W = _rows(v.data), run.empty(v.shape)
        size, scale = run.empty((len(V), 1)), run.empty((len(V), 1))
        run.backend.row_dots(V, V, size, scratch=_rows(W))
        xp.sqrt(size, out=size)
        xp.divide(_rows(self._lengths(layer)), size, out=scale)
        xp.multiply(V, scale, out=_rows(W))

        def pull(G: Array) -> None:
            G2, along, dg = _rows(G), run.empty(V.shape), run.empty(size.shape)
            run.backend.row_dots(G2, V, dg, scratch=along)
            xp.divide(dg, size, out=dg)
            if g is not None:
                g.add_grad(dg.reshape(g.shape))
            xp.divide(dg, size, out=dg)
            xp.multiply(V, dg, out=along)
            xp.subtract(G2, along, out=G2)
            xp.multiply(G2, scale, out=G2)
            v.add_grad(G)

        return Weight(W, lambda: (run.empty(v.shape), False), pull)

    def stretch(self, layer: Layer, by: Array) -> None:
        lengths = self._lengths(layer)
        lengths *= by.reshape(lengths.shape)

    def _lengths(self, layer: Layer) -> Array:
        return layer.parameters["weight_g"].data if self.trained else layer.buffers["weight_g"]


def _rows(a: Array) -> Array:
    """(out, ...) as (out, rest)."""
    return a.reshape(len(a), -1)


def _require_some(*rows: np.ndarray[Any, Any]) -> None:
    if not all(row.any() for row in rows):
        raise ValueError(
            "a weight that begins at zero has no direction to normalise: choose another init, such as 'glorot'"
        )


def _arrived(G: Array) -> None:
    """The gradient is where it belongs."""
