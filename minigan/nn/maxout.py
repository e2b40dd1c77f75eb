"""Maxout (Goodfellow et al. 2013, "Maxout networks"): each unit is the largest of k linear pieces.

    forward    y_nf = max_j x_njf            x (N, k F): piece j of all units stands before piece j + 1
    backward   dL/dx_njf = dL/dy_nf if piece j is the winner, the first of the largest; else 0
    tangent    ẏ_nf = ẋ_njf of the winner j

Between kinks the winners do not change: the layer is linear there and has no second derivative.
Checked by tests/test_gradients.py and tests/test_second_order.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..spec import integer
from .layer import Back, Layer, Pass, linear

Array = Any


class Maxout(Layer):
    """(N, pieces · F) to (N, F), the largest of `pieces` numbers; a Dense(n, pieces * F) before it makes the pieces.

    Raises ValueError unless pieces is from 2 to 256, or for a batch whose features are no multiple of it.

    >>> import minigan, numpy as np
    >>> minigan.Sequential(minigan.Maxout(2))(np.array([[1.0, 5.0, 3.0, 4.0]]))[0].tolist()
    [[3.0, 5.0]]
    """

    def __init__(self, pieces: int) -> None:
        self.pieces = integer("pieces", pieces, least=2)
        if self.pieces > 256:
            raise ValueError(f"Maxout takes at most 256 pieces, got {pieces}")

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        if len(shape) != 2 or shape[1] % self.pieces:
            raise ValueError(
                f"Maxout({self.pieces}) needs a batch (N, {self.pieces} F), got {tuple(shape)}: "
                "give the Dense layer before it so many times the units"
            )
        return shape[0], shape[1] // self.pieces

    def forward(self, x: Array, run: Pass) -> tuple[Array, Back]:
        y, winners = self.choose(x, run)
        return y, lambda dy, params, inputs: self.spread(dy, winners, run) if inputs else None

    def twice(self, x: Array, run: Pass) -> tuple[Array, Back]:
        y, winners = self.choose(x, run)
        return linear(
            y,
            lambda dy: self.spread(dy, winners, run),
            lambda xdot: self.collect(xdot, winners, run, out=run.empty(y.shape)),
        )

    def choose(self, x: Array, run: Pass) -> tuple[Array, Array]:
        """y (N, F), and which piece that is, integers (N, F)."""
        shape = self.output_shape(x.shape)
        y, winners = run.empty(shape), run.arena.empty(shape, np.int32)
        run.backend.maxout(x.reshape(len(x), self.pieces, -1), y, winners)
        return y, winners

    def spread(self, dy: Array, winners: Array, run: Pass) -> Array:
        """dL/dx (N, k F): dy at the winners, 0 elsewhere."""
        n, features = winners.shape
        dx = run.empty((n, self.pieces, features))
        run.backend.maxout_grad(dy, winners, dx)
        return dx.reshape(n, -1)

    def collect(self, xdot: Array, winners: Array, run: Pass, out: Array) -> Array:
        """ẏ (N, F), written to `out`: that of the winners."""
        run.backend.maxout_tangent(xdot.reshape(len(xdot), self.pieces, -1), winners, out)
        return out
