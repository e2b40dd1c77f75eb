"""The passes of both convolutions: y = φ(A(x; W) + b), for an A that conv.py names by three operations.

With g = dL/da at a = A(x; W) + b, the chain rule needs for every change dx and dW what multiplies them in
⟨g, A(dx; W)⟩ and ⟨g, A(x; dW)⟩, the adjoints of A in x and in W:

    dL/dx = A*(g; W)          dL/dW = B(g, x)          db = column sums of g

For penalties on gradients (see `Layer.twice`) the tangent is ẏ = φ′ ȧ, ȧ = A(ẋ; W). Of S = ⟨dy, ẏ⟩ = ⟨φ′ dy, ȧ⟩,
with g = φ′ dy and h = ∂S/∂a + φ′ dy₂ = φ″ ȧ dy + φ′ dy₂:

    dW = B(g, ẋ) + B(h, x)        db = column sums of h        dx₂ = A*(h; W)

It is dense.py with A(x; W) in the place of x Wᵀ. Checked by tests/test_conv.py and tests/test_second_order.py.
"""

from __future__ import annotations

import math
from typing import Any

from ..backend import Backend
from ..spec import integer
from .activations import Activation
from .affine import Affine, second_order, times_slope
from .layer import Back, Pass
from .weights import Weight

Array = Any
Pair = tuple[int, int]


class Windows(Affine, abstract=True):
    """Base class: what both kinds are told of their windows, as it was given and as pairs, and their passes."""

    def _windows(self, c_in: int, c_out: int, kernel: int | Pair, stride: int | Pair, padding: int | Pair) -> None:
        self.c_in = integer("c_in", c_in)
        self.c_out = integer("c_out", c_out)
        self.kernel, self._kernel = pair("kernel", kernel)
        self.stride, self._stride = pair("stride", stride)
        self.padding, self._padding = pair("padding", padding, least=0)

    def work(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Beside the output: the larger images within their padding, and the windows of a sample at least."""
        out = self.output_shape(shape)
        few, many = (shape, out) if math.prod(shape[1:3]) < math.prod(out[1:3]) else (out, shape)
        framed = math.prod(n + 2 * p for n, p in zip(many[1:3], self._padding, strict=True)) * many[0] * many[3]
        windows = math.prod(few[1:3]) * math.prod(self._kernel) * max(self.c_in, self.c_out)
        return math.prod(out) + framed + windows, super().work(shape)[1]

    # --- the map, with its adjoints ----------------------------------------------------------------------------

    def _apply(self, be: Backend, x: Array, W: Array, out: Array) -> None:
        """out = A(x; W)."""
        raise NotImplementedError

    def _to_inputs(self, be: Backend, g: Array, W: Array, out: Array) -> None:
        """out = A*(g; W)."""
        raise NotImplementedError

    def _to_weights(self, be: Backend, g: Array, x: Array, out: Array, add: bool) -> None:
        """out = B(g, x), or added to it."""
        raise NotImplementedError

    def _to_both(self, be: Backend, g: Array, x: Array, W: Array, dw: Array, add: bool, dx: Array) -> None:
        """dw = B(g, x), or added to it, and dx = A*(g; W)."""
        self._to_weights(be, g, x, dw, add)
        self._to_inputs(be, g, W, dx)

    # --- the passes --------------------------------------------------------------------------------------------

    def forward(self, x: Array, run: Pass, act: Activation | None = None) -> tuple[Array, Back]:
        y, weight = self._outputs(x, run, act)
        be, W = run.backend, weight.data

        def back(dy: Array, params: bool, inputs: bool) -> Array | None:
            g = self._bias_back(dy, y, act, params, run)
            dx = run.empty(x.shape) if inputs else None
            if params:
                dw, add = weight.grad_to_write()
                if dx is None:
                    self._to_weights(be, g, x, dw, add)
                else:
                    self._to_both(be, g, x, W, dw, add, dx)
                weight.pull(dw)
            elif dx is not None:
                self._to_inputs(be, g, W, dx)
            return dx

        return y, back

    def twice(self, x: Array, run: Pass, act: Activation | None = None) -> tuple[Array, Back]:
        y, weight = self._outputs(x, run, act)
        be, W = run.backend, weight.data

        def back(dy: Array) -> tuple[Array, Back]:
            g, dx = times_slope(act, y, dy, run), run.empty(x.shape)
            self._to_inputs(be, g, W, dx)

            def push(xdot: Array) -> tuple[Array, Back]:
                adot = run.empty((len(xdot), *y.shape[1:]))
                self._apply(be, xdot, W, adot)

                def pull(dy2: Array | None) -> Array | None:
                    h, dx2 = second_order(act, y, dy, adot, dy2, run), None
                    dw, add = weight.grad_to_write()
                    self._to_weights(be, g, xdot, dw, add)
                    if h is not None:
                        dx2 = run.empty(x.shape)
                        self._to_both(be, h, x, W, dw, True, dx2)
                        self._sum_to_bias(h, run)
                    weight.pull(dw)
                    return dx2

                return times_slope(act, y, adot, run), pull

            return dx, push

        return y, back

    def _outputs(self, x: Array, run: Pass, act: Activation | None) -> tuple[Array, Weight]:
        """y = φ(A(x; W) + b), and W."""
        y, weight = run.result(self._shape(x)), self._weight(run)
        self._apply(run.backend, x, weight.data, y)
        self._add_bias(y, act, run)
        return y, weight


def pair(name: str, value: Any, least: int = 1) -> tuple[int | Pair, Pair]:
    """A number or a pair as it was given, and as a pair. Raises ValueError for anything else.

    >>> pair("stride", 2), pair("stride", [2, 1])
    ((2, (2, 2)), ((2, 1), (2, 1)))
    """
    if isinstance(value, (tuple, list)):
        if len(value) != 2:
            raise ValueError(f"{name} must be a number or a pair of them, got {value!r}")
        both = integer(name, value[0], least), integer(name, value[1], least)
        return both, both
    number = integer(name, value, least)
    return number, (number, number)
