"""Numbers of one range brought to another, at the front of a network that was designed for it.

    forward    y = s x + o          backward    dL/dx = s dL/dy

Data are in [-1, 1] throughout the library; a network of a paper that feeds it [0, 1] begins with Rescale(0.5, 0.5).
"""

from __future__ import annotations

from typing import Any

from ..spec import number
from .layer import Back, Layer, Pass, linear

Array = Any


class Rescale(Layer):
    """y = scale · x + offset, for all numbers alike. Raises ValueError unless both are finite and scale is not 0.

    >>> import minigan, numpy as np
    >>> minigan.Sequential(minigan.Rescale(0.5, 0.5))(np.array([[-1.0, 0.0, 1.0]]))[0]
    array([[0. , 0.5, 1. ]], dtype=float32)
    """

    def __init__(self, scale: float, offset: float = 0.0) -> None:
        self.scale = number("scale", scale, "(-inf, inf)", of="Rescale")
        self.offset = number("offset", offset, "(-inf, inf)", of="Rescale")
        if self.scale == 0:
            raise ValueError("Rescale with scale 0 makes the same number of everything")

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return shape

    def forward(self, x: Array, run: Pass) -> tuple[Array, Back]:
        xp, y = run.backend.xp, run.result(x.shape)
        xp.multiply(x, self.scale, out=y)
        xp.add(y, self.offset, out=y)

        def back(dy: Array, params: bool, inputs: bool) -> Array | None:
            if not inputs:
                return None
            xp.multiply(dy, self.scale, out=dy)
            return dy

        return y, back

    def twice(self, x: Array, run: Pass) -> tuple[Array, Back]:
        xp = run.backend.xp

        def scaled(g: Array) -> Array:
            return xp.multiply(g, self.scale, out=run.empty(g.shape))

        return linear(self.forward(x, run)[0], scaled, scaled)
