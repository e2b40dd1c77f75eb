"""A loss of samples and penalties on the gradient at points, in one pass, where the network is piecewise linear.

With φ″ = 0 a penalty's part of a Dense layer's gradient is a product like that of the loss (dense.py):

    loss, at samples       dW = Σ_n g_n x_nᵀ        with g from the loss, on its way back
    penalty, at points     dW = Σ_n g_n ẋ_nᵀ        with g from ones, on its way back to the input, and ẋ the tangent

So samples and points go forward as one batch. The points' g goes back first, for the penalty depends on where it
arrives; then their activations x, of no more use, give way to ẋ, and at last, while the samples' g goes back, each
Dense layer has one product for both. Maxout, without parameters, only hands g and ẋ on. Fewer and larger products are
worth up to a fifth of a critic's update at small batches (benchmarks/contest critic). The result is that of two passes,
but for rounding: tests/test_joint.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ..backend import FreshArena, Stream
from .activations import Activation
from .dense import Dense
from .layer import Pass
from .maxout import Maxout
from .sequential import Sequential, ones

Array = Any


def piecewise_linear(net: Sequential) -> bool:
    """Whether this is Dense layers, each with an activation without curvature or none, and Maxout, nothing else."""
    return all(
        (type(layer) is Dense and not (act and act.curved)) or type(layer) is Maxout for _, layer, act in net.chain.plan
    )


def joint_gradient(
    net: Sequential,
    x: Array,
    n: int,
    *,
    arena: FreshArena | None = None,
    stream: Stream | None = None,
    outputs: int | None = None,
) -> tuple[Array, Array, Callable[[Array, Array], None]]:
    """`net(x[:n])` and `net.input_gradient(x[n:])` in one pass, of a network that is `piecewise_linear`.

    Returns (y, dx, push): y of all rows of x, and dx of the points x[n:]. push(u, dy) adds to the parameters' gradients
    what `push(u)` and `back(dy, inputs=False)` of those two would, once. x is overwritten from row n on, u is kept
    there. outputs: as in `input_gradient`.

    Raises ValueError for another network.

    >>> import minigan, numpy as np
    >>> net = minigan.Sequential(minigan.Dense(2, 1), seed=0)
    >>> y, dx, push = joint_gradient(net, np.ones((3, 2), "float32"), n=1)
    >>> push(3 * np.ones_like(dx), np.ones_like(y[:1]))         # two points: dW = 3 each; and of y itself: dW = 1
    >>> net.grad_dict()["0.weight"].tolist(), net.grad_dict()["0.bias"].tolist()
    ([[7.0, 7.0]], [1.0])
    """
    if not piecewise_linear(net):
        raise ValueError("joint_gradient needs Dense layers and activations without curvature, or Maxout, nothing else")
    run = net._pass(True, True, arena, stream)
    y = x = net.as_batch(x)
    ways, stamp = list[_Way](), run.arena.stamp
    for i, layer, act in net.chain.plan:
        run.lane = i
        y, way = _joint(layer, y, run, act, n) if isinstance(layer, Dense) else _joint_maxout(layer, y, run, n)
        ways.append(way)
    dx = ones(y[n:].shape, outputs, run)
    for way in reversed(ways):
        dx = way.back(dx)
    points, shape = x[n:], y[:n].shape

    def push(u: Array, dy: Array) -> None:
        run.backend.xp.copyto(points, net._given("u must have the shape of dx,", u, points.shape, run, stamp))
        dy = net._given("dy must have the shape of the first y,", dy, shape, run, stamp)
        for way in ways[:-1]:
            way.push()
        for i, way in reversed(list(enumerate(ways))):
            dy = way.pull(dy, i > 0)

    return y, dx, push


class _Way(NamedTuple):
    """What is left to do at a layer, in this order."""

    back: Callable[[Array], Array]  # dx of the points, from their dy
    push: Callable[[], None]  # the points' x is ẋ by now: make ẏ of their y
    pull: Callable[[Array, bool], Any]  # dx of the samples, from their dy, and what is due to the parameters


def _joint(layer: Dense, x: Array, run: Pass, act: Activation | None, n: int) -> tuple[Array, _Way]:
    """The layer's output for n samples and the points after them."""
    y, weight = layer.outputs(x, run, act)
    be, bias, g = run.backend, layer.parameters.get("bias"), run.empty(y.shape)

    def back(dy: Array) -> Array:
        be.bias_act_grad(dy, y[n:], act, out=g[n:])
        dx = run.empty(x[n:].shape)
        be.gemm(g[n:], weight.data, out=dx)
        return dx

    def push() -> None:
        ydot = run.empty(y[n:].shape)
        be.gemm(x[n:], weight.data.T, out=ydot)
        be.bias_act_grad(ydot, y[n:], act, out=ydot)
        be.xp.copyto(y[n:], ydot)

    def pull(dy: Array, inputs: bool) -> Array | None:
        db, accumulate = (None, False) if bias is None else bias.grad_to_write()
        be.bias_act_grad(dy, y[:n], act, out=g[:n], dbias=db, accumulate=accumulate)
        dw, accumulate = weight.grad_to_write()
        dx, products = None, [(g.T, x, dw, accumulate)]
        if inputs:
            dx = run.empty(x[:n].shape)
            products.append((g[:n], weight.data, dx, False))
        be.gemms(products)
        weight.pull(dw)
        return dx

    return y, _Way(back, push, pull)


def _joint_maxout(layer: Any, x: Array, run: Pass, n: int) -> tuple[Array, _Way]:
    y, winners = layer.choose(x, run)

    def push() -> None:
        layer.collect(x[n:], winners[n:], run, out=y[n:])

    def pull(dy: Array, inputs: bool) -> Array | None:
        return layer.spread(dy, winners[:n], run) if inputs else None

    return y, _Way(lambda dy: layer.spread(dy, winners[n:], run), push, pull)
