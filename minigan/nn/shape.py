"""Layers that only change how a batch is arranged; the gradient is arranged back."""

from __future__ import annotations

import math
from typing import Any

from ..spec import integer
from .layer import Back, Layer, Pass, linear

Array = Any


class Reshape(Layer):
    """(N, ...) to (N, *shape). Raises ValueError if the number of elements differs."""

    fusible = rearranges = True

    def __init__(self, *shape: int) -> None:
        self.shape = tuple(integer("each size of Reshape", n) for n in shape)

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        if math.prod(shape[1:]) != math.prod(self.shape):
            raise ValueError(f"cannot arrange samples of shape {tuple(shape[1:])} as {self.shape}")
        return shape[0], *self.shape

    def forward(self, x: Array, run: Pass) -> tuple[Array, Back]:
        y = x.reshape(self.output_shape(x.shape))

        def back(dy: Array, params: bool, inputs: bool) -> Array:
            return dy.reshape(x.shape)

        return y, back

    def twice(self, x: Array, run: Pass) -> tuple[Array, Back]:
        return _rearranged(x, self.forward(x, run)[0])


class Flatten(Layer):
    """(N, ...) to (N, product of the rest)."""

    fusible = rearranges = True

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return shape[0], math.prod(shape[1:])

    def forward(self, x: Array, run: Pass) -> tuple[Array, Back]:
        def back(dy: Array, params: bool, inputs: bool) -> Array:
            return dy.reshape(x.shape)

        return x.reshape(self.output_shape(x.shape)), back

    def twice(self, x: Array, run: Pass) -> tuple[Array, Back]:
        return _rearranged(x, self.forward(x, run)[0])


def _rearranged(x: Array, y: Array) -> tuple[Array, Back]:
    return linear(y, lambda dy: dy.reshape(x.shape), lambda xdot: xdot.reshape(-1, *y.shape[1:]))
