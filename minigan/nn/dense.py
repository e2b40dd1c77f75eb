"""The dense (fully connected) layer.

    forward    y = x Wᵀ + b         x (N, in)   W (out, in)   b (out,)   y (N, out)

With g = dL/dy (`dy` in the code), and y_no = Σ_i x_ni W_oi + b_o:

    dL/dW_oi = Σ_n g_no x_ni    →   dW = gᵀ x
    dL/db_o  = Σ_n g_no         →   db = column sums of g
    dL/dx_ni = Σ_o g_no W_oi    →   dx = g W

An activation φ that follows is applied in the same sweep as the bias: y = φ(a) at a = x Wᵀ + b, and g = φ′ dy.

For penalties on gradients (see `Layer.twice`) the tangent is ẏ = φ′ ȧ, ȧ = ẋ Wᵀ. Of S = ⟨dy, ẏ⟩ = ⟨g, ȧ⟩, with
h = ∂S/∂a + φ′ dy₂ = φ″ ȧ dy + φ′ dy₂:

    dW = gᵀ ẋ + hᵀ x          db = column sums of h          dx₂ = h W

Without curvature (φ″ = 0) behind this layer h is zero, and all that is left is gᵀ ẋ, with the g that the first
backward has computed, of the form of the ordinary gradient: joint.py makes one product of the two.
Where W is itself a function of parameters, `Weight.pull` takes dW on to them (weights.py). Bias and activation, and
what convolutions have as well: affine.py. Checked by tests/test_gradients.py and tests/test_second_order.py.
"""

from __future__ import annotations

from typing import Any

from ..spec import integer
from .activations import Activation
from .affine import Affine, second_order, times_slope
from .init import Initializer
from .layer import Back, Pass
from .weights import Weight, WeightFunction

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
        self.n_in = integer("n_in", n_in)
        self.n_out = integer("n_out", n_out)
        self.bias = bias
        self.init = init
        self.norm = norm
        self._register((self.n_out, self.n_in), self.n_out, bias, init, norm)

    def _shape(self, x: Array) -> tuple[int, ...]:
        if x.ndim != 2 or x.shape[1] != self.n_in:
            raise ValueError(f"expected a batch of shape (N, {self.n_in}), got {tuple(x.shape)}")
        return len(x), self.n_out

    def forward(self, x: Array, run: Pass, act: Activation | None = None) -> tuple[Array, Back]:
        y, weight = self.outputs(x, run, act)

        def back(dy: Array, params: bool, inputs: bool) -> Array | None:
            g, products, dx = self._bias_back(dy, y, act, params, run), [], None  # db = column sums of g
            if params:
                dw, add = weight.grad_to_write()
                products.append((g.T, x, dw, add))  # dW = gᵀ x
            if inputs:
                dx = run.empty(x.shape)
                products.append((g, weight.data, dx, False))  # dx = g W
            if products:
                run.backend.gemms(products)  # side by side on the threads of a CPU
            if params:
                weight.pull(dw)
            return dx

        return y, back

    def twice(self, x: Array, run: Pass, act: Activation | None = None) -> tuple[Array, Back]:
        y, weight = self.outputs(x, run, act)
        be, W = run.backend, weight.data

        def back(dy: Array) -> tuple[Array, Back]:
            g, dx = times_slope(act, y, dy, run), run.empty(x.shape)
            be.gemm(g, W, out=dx)  # dx = g W

            def push(xdot: Array) -> tuple[Array, Back]:
                adot = run.empty((len(xdot), self.n_out))
                be.gemm(xdot, W.T, out=adot)  # ȧ = ẋ Wᵀ

                def pull(dy2: Array | None) -> Array | None:
                    h, dx2 = second_order(act, y, dy, adot, dy2, run), None
                    dw, add = weight.grad_to_write()
                    be.gemm(g.T, xdot, dw, add)  # dW = gᵀ ẋ
                    if h is not None:
                        dx2 = run.empty(x.shape)
                        be.gemms([(h.T, x, dw, True), (h, W, dx2, False)])  # dW = ... + hᵀ x, dx₂ = h W
                        self._sum_to_bias(h, run)  # db = column sums of h
                    weight.pull(dw)
                    return dx2

                return times_slope(act, y, adot, run), pull

            return dx, push

        return y, back

    def outputs(self, x: Array, run: Pass, act: Activation | None) -> tuple[Array, Weight]:
        """y = φ(x Wᵀ + b), and the W of this pass."""
        y, weight = run.result(self._shape(x)), self._weight(run)
        run.backend.gemm(x, weight.data.T, out=y)
        self._add_bias(y, act, run)
        return y, weight
