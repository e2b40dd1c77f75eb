"""Layer normalisation (Ba, Kiros and Hinton 2016): batchnorm's formula, over the features of one sample.

    forward    y = γ x̂ + β,   x̂ = (x − μ)/s,   s = √(v + ε),   μ = Σ_f x_f/F,   v = Σ_f (x_f − μ)²/F

One sample at a time, with vectors over the features. Since ∂s/∂x = x̂/F,

    ∂x̂/∂x = P/s,   P = I − 1 1ᵀ/F − x̂ x̂ᵀ/F                                         (symmetric)

so with g = dL/dy and a = γ g:   dL/dβ = Σ_n g,   dL/dγ = Σ_n g x̂,   dL/dx = P a/s.

For penalties on gradients (see `Layer.twice`): the tangent is ẏ = γ x̂̇ with x̂̇ = P ẋ/s, and

    S = ⟨g, ẏ⟩ = a·x̂̇ = (a·ẋ − (1·a)(1·ẋ)/F − (a·x̂)(x̂·ẋ)/F)/s

depends on x through 1/s, whose gradient is −x̂/(F s²), and through both x̂:

    ∂S/∂x = −[(a·x̂̇) x̂ + (x̂·ẋ) P a/s + (a·x̂) x̂̇]/(F s)          ∂S/∂γ = Σ_n g x̂̇

No sample feels another, so a critic may have it where a penalty forbids batchnorm (Gulrajani et al. 2017).
Checked by tests/test_gradients.py and tests/test_second_order.py.
"""

from __future__ import annotations

from typing import Any

from ..spec import integer, number
from .init import Constant
from .layer import Back, Layer, Parameter, Pass

Array = Any


class LayerNorm(Layer):
    """Normalises each sample of a batch (N, n_features) over its features; the same in training and inference.

    eps: added to the (biased) variance. Parameters `weight` (γ, begins at 1) and `bias` (β, 0), each (n_features,).
    Raises ValueError if n_features is not a positive integer or eps not positive, and on a batch of another shape.

    >>> import minigan, numpy as np
    >>> net = minigan.Sequential(minigan.LayerNorm(2))
    >>> y, back = net(np.array([[1.0, 3.0], [-50.0, 50.0]]))
    >>> y.round(3).tolist()
    [[-1.0, 1.0], [-1.0, 1.0]]
    """

    def __init__(self, n_features: int, eps: float = 1e-5) -> None:
        self.n_features = n_features = integer("n_features", n_features)
        self.eps = number("eps", eps, "(0, inf)", of="LayerNorm")
        self.parameters["weight"] = Parameter((n_features,), Constant(1.0))
        self.parameters["bias"] = Parameter((n_features,), Constant(0.0))

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return shape

    def forward(self, x: Array, run: Pass) -> tuple[Array, Back]:
        y, x_hat, inv_std = self._normalize(x, run)

        def back(dy: Array, params: bool, inputs: bool) -> Array | None:
            if params:
                self._add_grads(dy, x_hat, run)
            return _project(self._scaled(dy, run), x_hat, inv_std, run) if inputs else None

        return y, back

    def twice(self, x: Array, run: Pass) -> tuple[Array, Back]:
        y, x_hat, inv_std = self._normalize(x, run)
        xp = run.backend.xp

        def back(dy: Array) -> tuple[Array, Back]:
            return _project(self._scaled(dy, run), x_hat, inv_std, run), lambda xdot: push(dy, xdot)

        def push(dy: Array, xdot: Array) -> tuple[Array, Back]:
            x_hat_dot = _project(xdot, x_hat, inv_std, run)
            return self._scaled(x_hat_dot, run), lambda dy2: pull(dy, xdot, x_hat_dot, dy2)

        def pull(dy: Array, xdot: Array, x_hat_dot: Array, dy2: Array | None) -> Array:
            """P (γ dy₂ − (x̂·ẋ)/(F s) a)/s − [(a·x̂̇) x̂ + (a·x̂) x̂̇]/(F s), and the gradients of γ and β."""
            self._add_grads(dy, x_hat_dot, run, bias=False)
            a, term = self._scaled(dy, run), run.empty(dy.shape)
            along = _dot(x_hat, xdot, run)
            xp.multiply(along, inv_std, out=along)
            xp.divide(along, -self.n_features, out=along)
            through_a = xp.multiply(a, along, out=run.empty(dy.shape))
            if dy2 is not None:
                self._add_grads(dy2, x_hat, run)
                xp.add(through_a, self._scaled(dy2, run), out=through_a)
            dx2 = _project(through_a, x_hat, inv_std, run)
            for one, other in ((x_hat_dot, x_hat), (x_hat, x_hat_dot)):
                size = _dot(a, one, run)
                xp.multiply(size, inv_std, out=size)
                xp.divide(size, self.n_features, out=size)
                xp.multiply(other, size, out=term)
                xp.subtract(dx2, term, out=dx2)
            return dx2

        return y, back

    def _normalize(self, x: Array, run: Pass) -> tuple[Array, Array, Array]:
        """y (N, F), x̂ (N, F) and 1/s (N, 1)."""
        if x.ndim != 2 or x.shape[1] != self.n_features:
            raise ValueError(f"expected a batch of shape (N, {self.n_features}), got {tuple(x.shape)}")
        be, xp = run.backend, run.backend.xp
        mean, inv_std = run.empty((len(x), 1)), run.empty((len(x), 1))
        x_hat = run.empty(x.shape)
        x.sum(axis=1, keepdims=True, out=mean)
        xp.divide(mean, self.n_features, out=mean)
        xp.subtract(x, mean, out=x_hat)
        var = _dot(x_hat, x_hat, run)
        xp.divide(var, self.n_features, out=var)
        be.inverse_std(var, self.eps, inv_std)
        xp.multiply(x_hat, inv_std, out=x_hat)
        y = self._scaled(x_hat, run)
        xp.add(y, self.parameters["bias"].data, out=y)
        return y, x_hat, inv_std

    def _scaled(self, a: Array, run: Pass) -> Array:
        """γ a."""
        return run.backend.xp.multiply(a, self.parameters["weight"].data, out=run.empty(a.shape))

    def _add_grads(self, dy: Array, x_hat: Array, run: Pass, bias: bool = True) -> None:
        """Add Σ_n dy x̂ to the gradient of γ, and Σ_n dy to that of β."""
        be, product = run.backend, run.empty(dy.shape)
        be.xp.multiply(dy, x_hat, out=product)
        be.column_sum(product, *self.parameters["weight"].grad_to_write())
        if bias:
            be.column_sum(dy, *self.parameters["bias"].grad_to_write())


def _dot(a: Array, b: Array, run: Pass) -> Array:
    """a·b of each sample, (N, 1)."""
    product = run.backend.xp.multiply(a, b, out=run.empty(a.shape))
    return product.sum(axis=1, keepdims=True, out=run.empty((len(a), 1)))


def _project(a: Array, x_hat: Array, inv_std: Array, run: Pass) -> Array:
    """P a/s."""
    xp, out, mean = run.backend.xp, run.empty(a.shape), run.empty((len(a), 1))
    along = _dot(a, x_hat, run)
    a.sum(axis=1, keepdims=True, out=mean)
    xp.multiply(x_hat, along, out=out)
    xp.add(out, mean, out=out)
    xp.divide(out, a.shape[1], out=out)
    xp.subtract(a, out, out=out)
    return xp.multiply(out, inv_std, out=out)
