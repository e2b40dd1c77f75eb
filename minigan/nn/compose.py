"""Two ways around layers: f is a Chain of those that a layer holds, and x is beside what f makes of it.

    Residual    y = x + f(x)        dL/dx = g + Jᵀ g                        He et al. 2016, "Deep residual learning"
    Skip        y = (x, f(x))       dL/dx = g_x + Jᵀ g_f                    Ronneberger et al. 2015, "U-Net"

with g = dL/dy, of Skip in its two parts along the last axis, and J = ∂f/∂x, so that Jᵀ is f's own way back. What goes
past f is linear, and keeps the gradient from dying in a deep f.

For penalties on gradients (see `Layer.twice`): the tangents are ẏ = ẋ + J ẋ and ẏ = (ẋ, J ẋ). S = ⟨dy, ẏ⟩ depends on x
through J alone, which is f's matter, and dx₂ is what f makes of its dy₂, plus the dy₂ of what goes past it.
Checked by tests/test_compose.py.
"""

from __future__ import annotations

import math
from typing import Any

from .chain import Chain, Shape
from .layer import Back, Pass

Array = Any


class Residual(Chain):
    """y = x + f(x), for layers f that keep the shape.

    Of as many layers as they take, f can begin as almost nothing, and the whole as almost the identity: the refiner of
    SimGAN, the generator of R3GAN. Names of parameters, random numbers and errors: see Chain. In PyTorch it is a
    `torch.nn.Sequential` whose `forward(x)` returns `x + super().forward(x)`.

    Raises ValueError for a batch whose shape f changes.

    >>> import minigan, numpy as np
    >>> net = minigan.Sequential(minigan.Residual(minigan.Dense(2, 2, init=minigan.init.Constant(0))))
    >>> net(np.array([[1.0, 2.0]]))[0].tolist()                                 # f = 0
    [[1.0, 2.0]]
    """

    def output_shape(self, shape: Shape) -> Shape | None:
        out = super().output_shape(shape)
        if out is not None:
            _require_same(shape, out)
        return out

    def work(self, shape: Shape) -> tuple[int, int]:
        return _and_another(super().work(shape), self.output_shape(shape))

    def forward(self, x: Array, run: Pass) -> tuple[Array, Back]:  # type: ignore[override]
        out, run.out = run.out, None  # which is for the sum
        fx, back_f = super().forward(x, run)
        _require_same(x.shape, fx.shape)
        xp, run.out = run.backend.xp, out
        y = xp.add(x, fx, out=run.result(x.shape))

        def back(dy: Array, params: bool, inputs: bool) -> Array | None:
            if not inputs:
                return back_f(dy, params, inputs)
            past = run.empty(dy.shape)
            xp.copyto(past, dy)  # for f may overwrite dy
            dx = back_f(dy, params, inputs)
            return xp.add(dx, past, out=dx)

        return y, back

    def twice(self, x: Array, run: Pass) -> tuple[Array, Back]:  # type: ignore[override]
        fx, back_f = super().twice(x, run)
        _require_same(x.shape, fx.shape)

        def back(dy: Array) -> tuple[Array, Back]:
            dx, push_f = back_f(dy)

            def push(xdot: Array) -> tuple[Array, Back]:
                fdot, pull_f = push_f(xdot)
                return _sum(xdot, fdot, run), lambda dy2: _sum(dy2, pull_f(dy2), run)

            return _sum(dy, dx, run), push

        return _sum(x, fx, run), back


class Skip(Chain):
    """y = (x, f(x)): x and what the layers f make of it, side by side along the last axis, the channels of images.

    In a U-Net the layer behind a Skip sees what the way down had seen at that size, and what came of it further down:

        Skip(Conv2D(4, 8, 4, 2, 1), ReLU(), Skip(...), ConvTranspose2D(16, 4, 4, 2, 1))

    Names of parameters, random numbers and errors: see Chain. In PyTorch it is a `torch.nn.Sequential` whose
    `forward(x)` returns `torch.cat((x, super().forward(x)), 1)`.

    Raises ValueError for a batch of which f changes more than the last axis.

    >>> import minigan, numpy as np
    >>> net = minigan.Sequential(minigan.Skip(minigan.ReLU()))
    >>> net(np.array([[1.0, -2.0]]))[0].tolist()
    [[1.0, -2.0, 1.0, 0.0]]
    """

    def output_shape(self, shape: Shape) -> Shape | None:
        out = super().output_shape(shape)
        return None if out is None else _concatenated(shape, out)

    def work(self, shape: Shape) -> tuple[int, int]:
        return _and_another(super().work(shape), self.output_shape(shape))

    def forward(self, x: Array, run: Pass) -> tuple[Array, Back]:  # type: ignore[override]
        out, run.out = run.out, None  # which is for both together
        fx, back_f = super().forward(x, run)
        xp, run.out = run.backend.xp, out
        y = _join(x, fx, run.result(_concatenated(x.shape, fx.shape)))

        def back(dy: Array, params: bool, inputs: bool) -> Array | None:
            past, through = _part(dy, x.shape[-1], run)
            dx = back_f(through, params, inputs)
            return xp.add(dx, past, out=dx) if inputs else None

        return y, back

    def twice(self, x: Array, run: Pass) -> tuple[Array, Back]:  # type: ignore[override]
        fx, back_f = super().twice(x, run)
        shape = _concatenated(x.shape, fx.shape)

        def back(dy: Array) -> tuple[Array, Back]:
            past, through = _part(dy, x.shape[-1], run)
            dx, push_f = back_f(through)

            def push(xdot: Array) -> tuple[Array, Back]:
                fdot, pull_f = push_f(xdot)

                def pull(dy2: Array | None) -> Array | None:
                    past2, through2 = (None, None) if dy2 is None else _part(dy2, x.shape[-1], run)
                    return _sum(past2, pull_f(through2), run)

                return _join(xdot, fdot, run.empty((len(xdot), *shape[1:]))), pull

            return _sum(past, dx, run), push

        return _join(x, fx, run.empty(shape)), back


def _sum(a: Array | None, b: Array | None, run: Pass) -> Array | None:
    """a + b; None is zero."""
    if a is None or b is None:
        return b if a is None else a
    return run.backend.xp.add(a, b, out=run.empty(a.shape))


def _join(x: Array, fx: Array, out: Array) -> Array:
    """(x, f(x)) along the last axis."""
    out[..., : x.shape[-1]], out[..., x.shape[-1] :] = x, fx
    return out


def _part(dy: Array, features: int, run: Pass) -> tuple[Array, Array]:
    """The part of x, a view, and that of f(x), an array of f's own."""
    through = run.empty((*dy.shape[:-1], dy.shape[-1] - features))
    run.backend.xp.copyto(through, dy[..., features:])
    return dy[..., :features], through


def _require_same(shape: Shape, out: Shape) -> None:
    if tuple(shape) != tuple(out):
        raise ValueError(
            f"x + f(x) needs layers that keep the shape, but they make {tuple(out[1:])} of samples {tuple(shape[1:])}"
        )


def _concatenated(shape: Shape, out: Shape) -> Shape:
    """The shape of both together."""
    if len(shape) < 2 or tuple(shape[:-1]) != tuple(out[:-1]):
        raise ValueError(
            "(x, f(x)) needs layers that change nothing but the last axis, "
            f"but they make {tuple(out[1:])} of samples {tuple(shape[1:])}"
        )
    return *shape[:-1], shape[-1] + out[-1]


def _and_another(work: tuple[int, int], out: Shape | None) -> tuple[int, int]:
    """The work, and an array of this shape beside it."""
    return work[0] + math.prod(out or ()), work[1]
