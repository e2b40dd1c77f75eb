"""The dense (fully connected) layer.

    forward    y = x Wᵀ + b         x (N, in)   W (out, in)   b (out,)   y (N, out)

With g = dL/dy (`dy` in the code), and y_no = Σ_i x_ni W_oi + b_o:

    dL/dW_oi = Σ_n g_no x_ni    →   dW = gᵀ x
    dL/db_o  = Σ_n g_no         →   db = column sums of g
    dL/dx_ni = Σ_o g_no W_oi    →   dx = g W

An activation φ that follows is applied in the same sweep: y = φ(x Wᵀ + b), and g = dL/dy · φ′.

For penalties on gradients (see `Layer.twice`), with a = x Wᵀ + b, the tangent is ẏ = φ′ ȧ, ȧ = ẋ Wᵀ. Of S = ⟨dy, ẏ⟩,
with h = ∂S/∂a + φ′ dy₂ = φ″ ȧ dy + φ′ dy₂:

    dW = gᵀ ẋ + hᵀ x        db = column sums of h        dx₂ = h W

Without curvature (φ″ = 0) behind this layer h is zero, and all that is left is one outer product, gᵀ ẋ, with the g
that the first backward has computed, of the form of the ordinary gradient: joint.py makes one product of the two.
Where W is itself a function of parameters, `Weight.pull` takes dW on to them (weights.py). Checked by
tests/test_gradients.py and tests/test_second_order.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..spec import whole
from .activations import Activation
from .init import Constant, Initializer, get_initializer
from .layer import Back, Layer, Parameter, Pass
from .weights import Weight, WeightFunction, weight_function

Array = Any


class Dense(Layer):
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

    joins_activation = True

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
        self._function = weight_function(norm)
        self._function.register(self, (self.n_out, self.n_in), get_initializer(init))
        if bias:
            self.parameters["bias"] = Parameter((self.n_out,), Constant(0.0))

    def begin(self, values: dict[str, np.ndarray[Any, Any]], rng: np.random.Generator) -> None:
        self._function.begin(values, rng)

    def forward(self, x: Array, run: Pass, act: Activation | None = None) -> tuple[Array, Back]:
        y, back, _ = self.affine(x, run, act)
        return y, back

    def affine(self, x: Array, run: Pass, act: Activation | None) -> tuple[Array, Back, Weight]:
        """As `forward`, and the weight of this pass beside it."""
        if x.ndim != 2 or x.shape[1] != self.n_in:
            raise ValueError(f"expected a batch of shape (N, {self.n_in}), got {tuple(x.shape)}")
        be, weight, bias = run.backend, self._function.weight(self, run), self.parameters.get("bias")
        y = run.empty((len(x), self.n_out))
        be.gemm(x, weight.data.T, out=y)
        if bias is not None or act is not None:
            be.bias_act(y, None if bias is None else bias.data, act, out=y)

        def back(dy: Array, params: bool, inputs: bool) -> Array | None:
            if params and bias is not None:
                db, accumulate = bias.claim_grad()
                be.bias_act_grad(dy, y, act, out=dy, dbias=db, accumulate=accumulate)
            elif act is not None:
                be.bias_act_grad(dy, y, act, out=dy)
            dx, products = None, []
            if params:
                dw, accumulate = weight.claim_grad()
                products.append((dy.T, x, dw, accumulate))
            if inputs:
                dx = run.empty(x.shape)
                products.append((dy, weight.data, dx, False))
            be.gemms(products)
            if params:
                weight.pull(dw)
            return dx

        return y, back, weight

    def twice(self, x: Array, run: Pass, act: Activation | None = None) -> tuple[Array, Back]:
        y, _, weight = self.affine(x, run, act)
        be, bias = run.backend, self.parameters.get("bias")

        def back(dy: Array) -> tuple[Array, Back]:
            g = dy if act is None else act.times_slope(y, dy, run)
            dx = run.empty(x.shape)
            be.gemm(g, weight.data, out=dx)

            def push(xdot: Array) -> tuple[Array, Back]:
                adot = run.empty(y.shape)
                be.gemm(xdot, weight.data.T, out=adot)
                ydot = adot if act is None else act.times_slope(y, adot, run)

                def pull(dy2: Array | None) -> Array | None:
                    h = dy2 if act is None else act.bend(y, dy, adot, dy2, run)
                    dw, accumulate = weight.claim_grad()
                    be.gemm(g.T, xdot, dw, accumulate)
                    dx2 = None
                    if h is not None:
                        dx2 = run.empty(x.shape)
                        be.gemm(h.T, x, dw, accumulate=True)
                        be.gemm(h, weight.data, out=dx2)
                        if bias is not None:
                            be.column_sum(h, *bias.claim_grad())
                    weight.pull(dw)
                    return dx2

                return ydot, pull

            return dx, push

        return y, back
