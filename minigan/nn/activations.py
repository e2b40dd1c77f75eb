"""Activations: a function φ for each element, and its derivative.

    forward    y_ij = φ(x_ij)
    backward   dL/dx_ij = dL/dy_ij · φ′(x_ij), since x_ij influences nothing but y_ij

All of these φ are increasing where they are not flat, so φ′(x) can be written through y = φ(x). The backward then
keeps the output only, which the next layer needs anyway, and the input can be overwritten.

    layer            φ(x)                 φ′ through y            φ″ through y
    LeakyReLU(a)     max(x, a x)          1 if y > 0 else a       0
    ReLU             max(x, 0)            1 if y > 0 else 0       0
    Sigmoid          1 / (1 + e^−x)       y (1 − y)               y (1 − y) (1 − 2y)
    Tanh             tanh x               1 − y²                  −2y (1 − y²)
    Softplus         log(1 + e^x)         σ(x) = 1 − e^−y         σ(x) (1 − σ(x)) = (1 − e^−y) e^−y

Each class holds the three columns as array code for any `xp`. The second derivative is for penalties on gradients:

    tangent    ẏ = φ′(x) ẋ,   and of S = ⟨dy, ẏ⟩:   ∂S/∂x = φ″(x) ẋ dy

Checked by tests/test_gradients.py and tests/test_penalties.py.
"""

from __future__ import annotations

from typing import Any

from ..spec import number
from .layer import Back, Layer, Pass

Array = Any


class Activation(Layer, abstract=True):
    """An elementwise layer. Sequential joins it to the layer before, so that both make one sweep over memory."""

    curved = True  # False if φ″ = 0 wherever there is one
    fusible = True

    def value(self, xp: Any, x: Array, out: Array, tmp: Array) -> None:
        """out = φ(x); `out` may be `x`, `tmp` is scratch of the same shape."""
        raise NotImplementedError

    def slope(self, xp: Any, y: Array, out: Array, mask: Array) -> None:
        """out = φ′(x), given y = φ(x); `out` is not `y`, `mask` is boolean scratch of the same shape."""
        raise NotImplementedError

    def curvature(self, xp: Any, y: Array, out: Array) -> None:
        """out = φ″(x), given y = φ(x); `out` is not `y`."""
        raise ValueError(f"{self} has no second derivative (a method `curvature`), which a penalty on gradients needs")

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return shape

    def forward(self, x: Array, run: Pass) -> tuple[Array, Back]:
        y = run.result(x.shape)
        run.backend.bias_act(x, None, self, y)

        def back(dy: Array, params: bool, inputs: bool) -> Array | None:
            if not inputs:
                return None
            run.backend.bias_act_grad(dy, y, self, out=dy)
            return dy

        return y, back

    def twice(self, x: Array, run: Pass) -> tuple[Array, Back]:
        y = run.empty(x.shape)
        run.backend.bias_act(x, None, self, y)

        def back(dy: Array) -> tuple[Array, Back]:
            return self.times_slope(y, dy, run), lambda xdot: push(dy, xdot)

        def push(dy: Array, xdot: Array) -> tuple[Array, Back]:
            return self.times_slope(y, xdot, run), lambda dy2: self.second_order(y, dy, xdot, dy2, run)

        return y, back

    def times_slope(self, y: Array, g: Array, run: Pass) -> Array:
        """φ′ g. g: as many rows as y, or several for each of them, one behind the other."""
        out = run.empty(g.shape)
        if len(g) > len(y):
            y = run.backend.xp.repeat(y, len(g) // len(y), axis=0)
        run.backend.bias_act_grad(g, y, self, out)
        return out

    def second_order(self, y: Array, dy: Array, xdot: Array, dy2: Array | None, run: Pass) -> Array | None:
        """φ″ ẋ dy + φ′ dy₂, or None where all of it is zero."""
        out = None if dy2 is None else self.times_slope(y, dy2, run)
        if self.curved:
            xp, bent = run.backend.xp, run.empty(y.shape)
            self.curvature(xp, y, bent)
            xp.multiply(bent, xdot, out=bent)
            xp.multiply(bent, dy, out=bent)
            out = bent if out is None else xp.add(out, bent, out=out)
        return out


class LeakyReLU(Activation):
    """max(x, slope · x) (Maas et al. 2013). `negative_slope` in [0, 1), default 0.2 as GANs use it.

    Raises ValueError for another slope.
    """

    curved = False

    def __init__(self, negative_slope: float = 0.2) -> None:
        self.negative_slope = number("negative_slope", negative_slope, "[0, 1)", of="LeakyReLU")

    def value(self, xp: Any, x: Array, out: Array, tmp: Array) -> None:
        xp.multiply(x, self.negative_slope, out=tmp)
        xp.maximum(x, tmp, out=out)

    def slope(self, xp: Any, y: Array, out: Array, mask: Array) -> None:
        xp.greater(y, 0, out=mask)
        xp.copyto(out, mask)  # 1 or 0, then a + (1 − a) · that: quicker than a choice by element
        xp.multiply(out, 1 - self.negative_slope, out=out)
        xp.add(out, self.negative_slope, out=out)


class ReLU(Activation):
    """max(x, 0)."""

    curved = False

    def value(self, xp: Any, x: Array, out: Array, tmp: Array) -> None:
        xp.maximum(x, 0, out=out)

    def slope(self, xp: Any, y: Array, out: Array, mask: Array) -> None:
        xp.greater(y, 0, out=mask)
        xp.copyto(out, mask)


class Sigmoid(Activation):
    """σ(x) = 1/(1 + e^−x), computed as (1 + tanh(x/2))/2, which cannot overflow.

    A discriminator does not end in one: the objectives take logits (see objectives.py).
    """

    def value(self, xp: Any, x: Array, out: Array, tmp: Array) -> None:
        xp.multiply(x, 0.5, out=out)
        xp.tanh(out, out=out)
        xp.multiply(out, 0.5, out=out)
        xp.add(out, 0.5, out=out)

    def slope(self, xp: Any, y: Array, out: Array, mask: Array) -> None:
        xp.subtract(1, y, out=out)
        xp.multiply(out, y, out=out)

    def curvature(self, xp: Any, y: Array, out: Array) -> None:
        out[...] = y * (1 - y) * (1 - 2 * y)


class Tanh(Activation):
    """tanh(x), into [−1, 1]: the range of images inside minigan."""

    def value(self, xp: Any, x: Array, out: Array, tmp: Array) -> None:
        xp.tanh(x, out=out)

    def slope(self, xp: Any, y: Array, out: Array, mask: Array) -> None:
        xp.multiply(y, y, out=out)
        xp.subtract(1, out, out=out)

    def curvature(self, xp: Any, y: Array, out: Array) -> None:
        out[...] = -2 * y * (1 - y * y)


class Softplus(Activation):
    """log(1 + e^x) = max(x, 0) + log(1 + e^−|x|), a smooth ReLU that is never flat."""

    def value(self, xp: Any, x: Array, out: Array, tmp: Array) -> None:
        xp.abs(x, out=tmp)
        xp.negative(tmp, out=tmp)
        xp.exp(tmp, out=tmp)
        xp.log1p(tmp, out=tmp)
        xp.maximum(x, 0, out=out)
        xp.add(out, tmp, out=out)

    def slope(self, xp: Any, y: Array, out: Array, mask: Array) -> None:
        xp.negative(y, out=out)
        xp.expm1(out, out=out)
        xp.negative(out, out=out)

    def curvature(self, xp: Any, y: Array, out: Array) -> None:
        out[...] = -xp.expm1(-y) * xp.exp(-y)
