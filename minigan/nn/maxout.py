"""Maxout (Goodfellow et al. 2013, "Maxout networks"): each unit is the largest of k linear pieces.

    forward    y_nf = max_j x_njf            x (N, k F): piece j of all units stands before piece j + 1
    backward   dL/dx_njf = w_njf dL/dy_nf    w_njf = 1 if piece j is the largest, the first of equal ones; else 0

Between kinks w does not change: the layer is linear there, its own tangent, and has no second derivative.
Checked by tests/test_gradients.py and tests/test_second_order.py.
"""

from __future__ import annotations

from typing import Any

from ..spec import whole
from .layer import Back, Layer, Pass, linear

Array = Any


class Maxout(Layer):
    """(N, pieces · F) to (N, F), the largest of `pieces` numbers; a Dense(n, pieces * F) before it makes the pieces.

    Raises ValueError unless pieces is 2 or more, or for a batch whose features are no multiple of it.

    >>> import minigan, numpy as np
    >>> minigan.Sequential(minigan.Maxout(2))(np.array([[1.0, 5.0, 3.0, 4.0]]))[0].tolist()
    [[3.0, 5.0]]
    """

    def __init__(self, pieces: int) -> None:
        self.pieces = whole("pieces", pieces, least=2)

    def forward(self, x: Array, run: Pass) -> tuple[Array, Back]:
        y, wins = self.choose(x, run)
        return y, lambda dy, params, inputs: spread(dy, wins, run) if inputs else None

    def twice(self, x: Array, run: Pass) -> tuple[Array, Back]:
        y, wins = self.choose(x, run)
        return linear(y, lambda dy: spread(dy, wins, run), lambda xdot: collect(xdot, wins, run))

    def choose(self, x: Array, run: Pass) -> tuple[Array, Array]:
        """y (N, F) and w (N, k, F), see above."""
        if x.ndim != 2 or x.shape[1] % self.pieces:
            raise ValueError(
                f"Maxout({self.pieces}) needs a batch (N, {self.pieces} F), got {tuple(x.shape)}: "
                "give the Dense layer before it so many times the units"
            )
        xp, pieces = run.backend.xp, x.reshape(len(x), self.pieces, -1)
        y, left, wins = run.empty(pieces[:, 0].shape), run.empty(pieces[:, 0].shape), run.empty(pieces.shape)
        xp.copyto(y, pieces[:, 0])
        for j in range(1, self.pieces):
            xp.maximum(y, pieces[:, j], out=y)
        left.fill(1)  # where no piece has won yet
        for j in range(self.pieces):
            win = wins[:, j]
            xp.equal(pieces[:, j], y, out=win)
            xp.multiply(win, left, out=win)
            xp.subtract(left, win, out=left)
        return y, wins


def spread(dy: Array, wins: Array, run: Pass) -> Array:
    """dL/dx (N, k F)."""
    dx = run.empty(wins.shape)
    run.backend.xp.multiply(wins, dy[:, None], out=dx)
    return dx.reshape(len(dx), -1)


def collect(xdot: Array, wins: Array, run: Pass) -> Array:
    """ẏ (N, F): of the piece that is the largest."""
    xp, pieces = run.backend.xp, xdot.reshape(wins.shape)
    ydot, part = run.empty(wins[:, 0].shape), run.empty(wins[:, 0].shape)
    xp.multiply(wins[:, 0], pieces[:, 0], out=ydot)
    for j in range(1, wins.shape[1]):
        xp.multiply(wins[:, j], pieces[:, j], out=part)
        xp.add(ydot, part, out=ydot)
    return ydot
