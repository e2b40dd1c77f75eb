"""Layers that are random in training and the identity otherwise.

    Dropout         y = x ⊙ m,  m_ij = 1/(1−p) with probability 1−p, else 0;   dL/dx = dL/dy ⊙ m
    GaussianNoise   y = x + ε,  ε_ij ~ N(0, std²);                              dL/dx = dL/dy

The 1/(1−p) makes E[y] = x, so that inference needs no scaling (Srivastava et al. 2014, "inverted" dropout).
The random numbers come from the pass's stream: the same step draws the same mask on every backend.
"""

from __future__ import annotations

from typing import Any

from ..spec import number
from .layer import Back, Layer, Pass, linear

Array = Any


class Dropout(Layer):
    """Sets each element to zero with probability p in training. Raises ValueError unless 0 ≤ p < 1."""

    def __init__(self, p: float = 0.5) -> None:
        self.p = number("probability p", p, "[0, 1)", of="Dropout")

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return shape

    def forward(self, x: Array, run: Pass) -> tuple[Array, Back]:
        if not run.train or self.p == 0:
            return x, _identity
        xp = run.backend.xp
        mask, y = run.empty(x.shape), run.empty(x.shape)
        run.backend.uniform(mask, run.stream)
        xp.greater_equal(mask, self.p, out=mask)
        xp.multiply(mask, 1 / (1 - self.p), out=mask)
        xp.multiply(x, mask, out=y)

        def back(dy: Array, params: bool, inputs: bool) -> Array | None:
            if not inputs:
                return None
            xp.multiply(dy, mask, out=dy)
            return dy

        return y, back

    def twice(self, x: Array, run: Pass) -> tuple[Array, Back]:
        y, back = self.forward(x, run)

        def times_mask(g: Array) -> Array:
            out = run.empty(g.shape)
            run.backend.xp.copyto(out, g)
            return back(out, params=False, inputs=True)

        return linear(y, times_mask, times_mask)


class GaussianNoise(Layer):
    """Adds N(0, std²) to each element in training.

    pooled: take the numbers from a pool of a million that never changes, each pass from a random place on
    (`Backend.pooled`): in wide dense networks drawing fresh ones costs as much as the products.
    Raises ValueError unless std is finite, 0 or more.
    """

    def __init__(self, std: float = 0.1, pooled: bool = False) -> None:
        self.std = number("std", std, "[0, inf)", of="GaussianNoise")
        self.pooled = pooled

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return shape

    def forward(self, x: Array, run: Pass) -> tuple[Array, Back]:
        if not run.train or self.std == 0:
            return x, _identity
        xp, y = run.backend.xp, run.empty(x.shape)
        (run.backend.pooled if self.pooled else run.backend.normal)(y, run.stream)
        xp.multiply(y, self.std, out=y)
        xp.add(y, x, out=y)
        return y, _identity

    def twice(self, x: Array, run: Pass) -> tuple[Array, Back]:
        return linear(self.forward(x, run)[0], lambda g: g, lambda xdot: xdot)


def _identity(dy: Array, params: bool, inputs: bool) -> Array:
    return dy
