"""What Dense, Conv2D and ConvTranspose2D have in common: y = φ(A(x; W) + b), with A linear in x and in W.

Let A(x; W) be such a map, bᵀ a bias for each of the features along the last axis, g = dL/da at a = A(x; W) + b. For
every change dx and dW, the chain rule needs what multiplies them in ⟨g, A(dx; W)⟩ and ⟨g, A(x; dW)⟩, the adjoints
of A in x and in W:

    dL/dx = A*(g; W)          dL/dW = B(g, x)          db = column sums of g          (rows: all axes but the last)

An activation φ that follows is applied in the same sweep as the bias, and g = dL/dy · φ′.

For penalties on gradients (see `Layer.twice`) the tangent is ẏ = φ′ ȧ, ȧ = A(ẋ; W). Of S = ⟨dy, ẏ⟩ = ⟨φ′ dy, ȧ⟩,
with g = φ′ dy and h = ∂S/∂a + φ′ dy₂ = φ″ ȧ dy + φ′ dy₂:

    dW = B(g, ẋ) + B(h, x)        db = column sums of h        dx₂ = A*(h; W)

Without curvature (φ″ = 0) behind this layer h is zero, and all that is left is B(g, ẋ), with the g that the first
backward has computed, of the form of the ordinary gradient: joint.py makes one product of the two.
Where W is itself a function of parameters, `Weight.pull` takes dW on to them (weights.py). A layer supplies A, A*
and B, and nothing else. Checked by tests/test_gradients.py, tests/test_second_order.py and tests/test_conv.py.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..backend import Backend
from .activations import Activation
from .init import Constant, Initializer, get_initializer
from .layer import Back, Layer, Parameter, Pass
from .weights import Itself, Weight, WeightFunction, weight_function

Array = Any


class Affine(Layer, abstract=True):
    """Base class. A subclass calls `_register` and writes `_shape`, `_apply`, `_inputs` and `_weights`."""

    joins_activation = True

    def _register(
        self,
        shape: tuple[int, ...],
        n_out: int,
        bias: bool,
        init: str | Initializer,
        norm: WeightFunction | None = None,
        axes: tuple[int, ...] | None = None,
    ) -> None:
        """Make the parameters: a weight of this shape (axes: see `Parameter`), and biases if there shall be any."""
        self._function = weight_function(norm)
        self._function.register(self, shape, get_initializer(init), axes)
        if bias:
            self.parameters["bias"] = Parameter((n_out,), Constant(0.0))

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return self._shape(np.broadcast_to(np.float32(0), shape))  # an array of any size that takes no memory

    def work(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """The weight is laid over each row of the input, or of the output where that has more."""
        out = self.output_shape(shape)
        weight = max(math.prod(p.shape) for p in self.parameters.values())
        return math.prod(out), max(math.prod(shape[:-1]), math.prod(out[:-1])) * weight

    def begin(self, values: dict[str, np.ndarray[Any, Any]], rng: np.random.Generator) -> None:
        self._function.begin(values, rng)

    @property
    def fusible(self) -> bool:  # type: ignore[override]
        """Not with a weight that is computed from parameters, by array code."""
        return isinstance(self._function, Itself)

    # --- the map, with its adjoints ----------------------------------------------------------------------------

    def _shape(self, x: Array) -> tuple[int, ...]:
        """The shape of y. Raises ValueError if x does not fit."""
        raise NotImplementedError

    def _apply(self, be: Backend, x: Array, W: Array, out: Array) -> None:
        """out = A(x; W)."""
        raise NotImplementedError

    def _inputs(self, be: Backend, g: Array, W: Array, out: Array) -> None:
        """out = A*(g; W)."""
        raise NotImplementedError

    def _weights(self, be: Backend, g: Array, x: Array, out: Array, accumulate: bool) -> None:
        """out = B(g, x), or added to it."""
        raise NotImplementedError

    def _both(self, be: Backend, g: Array, x: Array, W: Array, dw: Array, accumulate: bool, dx: Array) -> None:
        """dw = B(g, x), or added to it, and dx = A*(g; W)."""
        self._weights(be, g, x, dw, accumulate)
        self._inputs(be, g, W, dx)

    # --- the passes --------------------------------------------------------------------------------------------

    def forward(self, x: Array, run: Pass, act: Activation | None = None) -> tuple[Array, Back]:
        y, back, _ = self.affine(x, run, act)
        return y, back

    def affine(self, x: Array, run: Pass, act: Activation | None) -> tuple[Array, Back, Weight]:
        """As `forward`, and the weight of this pass beside it."""
        y = run.result(self._shape(x))
        be, weight, bias, y_rows = run.backend, self._function.weight(self, run), self.parameters.get("bias"), _rows(y)
        self._apply(be, x, weight.data, y)
        if bias is not None or act is not None:
            be.bias_act(y_rows, None if bias is None else bias.data, act, out=y_rows)

        def back(dy: Array, params: bool, inputs: bool) -> Array | None:
            rows = _rows(dy)
            if params and bias is not None:
                db, accumulate = bias.claim_grad()
                be.bias_act_grad(rows, y_rows, act, out=rows, dbias=db, accumulate=accumulate)
            elif act is not None:
                be.bias_act_grad(rows, y_rows, act, out=rows)
            dx = run.empty(x.shape) if inputs else None
            if params:
                dw, accumulate = weight.claim_grad()
                if dx is None:
                    self._weights(be, dy, x, dw, accumulate)
                else:
                    self._both(be, dy, x, weight.data, dw, accumulate, dx)
                weight.pull(dw)
            elif dx is not None:
                self._inputs(be, dy, weight.data, dx)
            return dx

        return y, back, weight

    def twice(self, x: Array, run: Pass, act: Activation | None = None) -> tuple[Array, Back]:
        y, _, weight = self.affine(x, run, act)
        be, bias = run.backend, self.parameters.get("bias")

        def back(dy: Array) -> tuple[Array, Back]:
            g = dy if act is None else act.times_slope(y, dy, run)
            dx = run.empty(x.shape)
            self._inputs(be, g, weight.data, dx)

            def push(xdot: Array) -> tuple[Array, Back]:
                adot = run.empty(y.shape)
                self._apply(be, xdot, weight.data, adot)
                ydot = adot if act is None else act.times_slope(y, adot, run)

                def pull(dy2: Array | None) -> Array | None:
                    h = dy2 if act is None else act.bend(y, dy, adot, dy2, run)
                    dw, accumulate = weight.claim_grad()
                    self._weights(be, g, xdot, dw, accumulate)
                    dx2 = None
                    if h is not None:
                        dx2 = run.empty(x.shape)
                        self._both(be, h, x, weight.data, dw, True, dx2)
                        if bias is not None:
                            be.column_sum(_rows(h), *bias.claim_grad())
                    weight.pull(dw)
                    return dx2

                return ydot, pull

            return dx, push

        return y, back


def _rows(a: Array) -> Array:
    """(..., features) as (rows, features)."""
    return a if a.ndim == 2 else a.reshape(-1, a.shape[-1])
