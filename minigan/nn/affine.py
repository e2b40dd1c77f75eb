"""What Dense and the convolutions have in common: a weight W, a bias b, and the activation φ that stands behind.

    y = φ(A(x; W) + b)          A linear in x and in W; b one number for each of the features along the last axis

Each layer writes A and its derivatives in its own file, dense.py or conv.py. Here is what surrounds them: the
parameters, W as a function of them where there is one (weights.py), and bias and activation, which make one sweep over
memory. On the way back that sweep makes, of dy = dL/dy,

    g = φ′ dy = dL/da at a = A(x; W) + b          db = column sums of g          (rows: all axes but the last)
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .activations import Activation
from .init import Constant, Initializer, get_initializer
from .layer import Layer, Parameter, Pass
from .weights import Itself, Weight, WeightFunction, weight_function

Array = Any


class Affine(Layer, abstract=True):
    """Base class. A subclass calls `_register` and writes `_shape`, `forward` and `twice`."""

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

    def _shape(self, x: Array) -> tuple[int, ...]:
        """The shape of y. Raises ValueError if x does not fit."""
        raise NotImplementedError

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

    # --- around the map ----------------------------------------------------------------------------------------

    def _weight(self, run: Pass) -> Weight:
        """W in this pass, and where its gradient goes."""
        return self._function.weight(self, run)

    def _add_bias(self, y: Array, act: Activation | None, run: Pass) -> None:
        """y ← φ(y + b)."""
        bias, rows = self.parameters.get("bias"), _rows(y)
        if run.begins and bias is not None:
            self._begin_on(rows, bias)
        if bias is not None or act is not None:
            run.backend.bias_act(rows, None if bias is None else bias.data, act, out=rows)

    def _begin_on(self, rows: Array, bias: Parameter) -> None:
        """Set the lengths of the weight and the biases such that these outputs, before the bias, have mean 0 and
        variance 1 with it. Nothing for a weight without lengths."""
        if type(self._function).stretch is WeightFunction.stretch:
            return
        mean, std = rows.mean(axis=0), rows.std(axis=0)
        if not bool((std > 0).all()):
            raise ValueError("the data make the same number of all samples in some output, which cannot be stretched")
        self._function.stretch(self, 1 / std)
        rows /= std
        bias.data[...] = -mean / std

    def _bias_back(self, dy: Array, y: Array, act: Activation | None, params: bool, run: Pass) -> Array:
        """dy ← g = φ′ dy, and its column sums are added to the gradient of b, if `params`. Returns g."""
        bias, rows = self.parameters.get("bias"), _rows(dy)
        if params and bias is not None:
            db, add = bias.grad_to_write()
            run.backend.bias_act_grad(rows, _rows(y), act, out=rows, dbias=db, accumulate=add)
        elif act is not None:
            run.backend.bias_act_grad(rows, _rows(y), act, out=rows)
        return dy

    def _sum_to_bias(self, h: Array, run: Pass) -> None:
        """Add the column sums of h to the gradient of b."""
        if (bias := self.parameters.get("bias")) is not None:
            run.backend.column_sum(_rows(h), *bias.grad_to_write())


def times_slope(act: Activation | None, y: Array, g: Array, run: Pass) -> Array:
    """φ′ g, which is g where there is no φ."""
    return g if act is None else act.times_slope(y, g, run)


def second_order(
    act: Activation | None, y: Array, dy: Array, adot: Array, dy2: Array | None, run: Pass
) -> Array | None:
    """h = φ″ ȧ dy + φ′ dy₂, or None where it is zero: see `Activation.second_order`."""
    return dy2 if act is None else act.second_order(y, dy, adot, dy2, run)


def _rows(a: Array) -> Array:
    """(..., features) as (rows, features)."""
    return a if a.ndim == 2 else a.reshape(-1, a.shape[-1])
