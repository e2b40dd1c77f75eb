"""The dense (fully connected) layer.

    forward    y = x Wᵀ + b         x (N, in)   W (out, in)   b (out,)   y (N, out)

With g = dL/dy (`dy` in the code), and y_no = Σ_i x_ni W_oi + b_o:

    dL/dW_oi = Σ_n g_no x_ni    →   dW = gᵀ x
    dL/db_o  = Σ_n g_no         →   db = column sums of g
    dL/dx_ni = Σ_o g_no W_oi    →   dx = g W

affine.py puts the three products together, with the activation that follows and with penalties on gradients, where
they are gᵀ ẋ + hᵀ x and h W. Checked by tests/test_gradients.py and tests/test_second_order.py.
"""

from __future__ import annotations

from typing import Any

from ..backend import Backend
from ..spec import whole
from .affine import Affine
from .init import Initializer
from .weights import WeightFunction

Array = Any


class Dense(Affine):
    """y = x Wᵀ + b.

    n_in, n_out: numbers of features. init: how the weight begins, "glorot" by default; the bias begins at zero.
    bias: leave it out with False (before a batchnorm it does nothing).
    norm: SpectralNorm() or WeightNorm() makes W a function of other parameters; by default it is a parameter itself.
    Raises ValueError if a size is not a positive integer, and on a batch that is not (N, n_in); TypeError for another
    norm.

    >>> import minigan, numpy as np
    >>> net = minigan.Sequential(minigan.Dense(3, 2), seed=0)
    >>> y, back = net(np.ones((4, 3), "float32"))
    >>> y.shape, back(np.ones_like(y)).shape
    ((4, 2), (4, 3))
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        bias: bool = True,
        init: str | Initializer = "glorot",
        norm: WeightFunction | None = None,
    ) -> None:
        self.n_in = whole("n_in", n_in)
        self.n_out = whole("n_out", n_out)
        self.bias = bias
        self.init = init
        self.norm = norm
        self._register((self.n_out, self.n_in), self.n_out, bias, init, norm)

    def _shape(self, x: Array) -> tuple[int, ...]:
        if x.ndim != 2 or x.shape[1] != self.n_in:
            raise ValueError(f"expected a batch of shape (N, {self.n_in}), got {tuple(x.shape)}")
        return len(x), self.n_out

    def _apply(self, be: Backend, x: Array, W: Array, out: Array) -> None:
        be.gemm(x, W.T, out)

    def _inputs(self, be: Backend, g: Array, W: Array, out: Array) -> None:
        be.gemm(g, W, out)

    def _weights(self, be: Backend, g: Array, x: Array, out: Array, accumulate: bool) -> None:
        be.gemm(g.T, x, out, accumulate)

    def _both(self, be: Backend, g: Array, x: Array, W: Array, dw: Array, accumulate: bool, dx: Array) -> None:
        be.gemms([(g.T, x, dw, accumulate), (g, W, dx, False)])  # side by side on the threads of a CPU
