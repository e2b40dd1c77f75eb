"""Layers that are random: in training, and the identity otherwise, or always.

    Dropout         y = x ⊙ m,  m_ij = 1/(1−p) with probability 1−p, else 0;   dL/dx = dL/dy ⊙ m
    GaussianNoise   y = x + ε,  ε_ij ~ N(0, std²);                              dL/dx = dL/dy
    InjectedNoise   y = x + s n,  n ~ N(0, 1) one for each pixel;               dL/dx = dL/dy,  dL/ds_c = Σ n dL/dy_c

The 1/(1−p) makes E[y] = x, so that inference needs no scaling (Srivastava et al. 2014, "inverted" dropout).
The first two hold a network back from knowing its data by heart, and have no place beyond training. The last is what a
generator makes several answers of (T. Karras et al., "A Style-Based Generator Architecture for Generative Adversarial
Networks", 2019, section 3.2): always on, and as strong in each channel c as it learns. So is Dropout(always=True), by
which pix2pix meant to do the same (Isola et al. 2017, section 3.2).
The random numbers come from the pass's stream: the same step draws the same mask on every backend.
"""

from __future__ import annotations

from typing import Any

from ..spec import integer, number
from .init import Constant
from .layer import Back, Layer, Parameter, Pass, linear

Array = Any


class Dropout(Layer):
    """Sets each element to zero with probability p in training. Raises ValueError unless 0 ≤ p < 1.

    always: in use, too, where each pass has a mask of its own.
    """

    def __init__(self, p: float = 0.5, always: bool = False) -> None:
        self.p = number("probability p", p, "[0, 1)", of="Dropout")
        self.always = always

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return shape

    def forward(self, x: Array, run: Pass) -> tuple[Array, Back]:
        if not (run.train or self.always) or self.p == 0:
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


class InjectedNoise(Layer):
    """Adds noise to each feature in proportion to a strength that is learned, in training and in use.

    n_features: of the last axis, the channels of images, which share one number N(0, 1) at each pixel. strength: what
    all begin with; 0 in StyleGAN. Parameter `weight` (n_features,).
    Raises ValueError unless n_features is a positive integer and strength finite, and for another last axis.

    >>> import minigan, numpy as np
    >>> net = minigan.Sequential(minigan.InjectedNoise(2, strength=1.0))
    >>> y, _ = net(np.zeros((1, 3, 3, 2)), train=False)
    >>> bool((y[..., 0] == y[..., 1]).all()), bool((y != 0).all())
    (True, True)
    """

    def __init__(self, n_features: int, strength: float = 0.0) -> None:
        self.n_features = integer("n_features", n_features)
        self.strength = number("strength", strength, "(-inf, inf)", of="InjectedNoise")
        self.parameters["weight"] = Parameter((self.n_features,), Constant(self.strength))

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        if len(shape) < 2 or shape[-1] != self.n_features:
            raise ValueError(f"expected a batch of shape (N, ..., {self.n_features}), got {tuple(shape)}")
        return shape

    def forward(self, x: Array, run: Pass) -> tuple[Array, Back]:
        self.output_shape(x.shape)
        xp, weight = run.backend.xp, self.parameters["weight"]
        noise, y = run.empty((*x.shape[:-1], 1)), run.empty(x.shape)
        run.backend.normal(noise, run.stream)
        xp.multiply(noise, weight.data, out=y)
        xp.add(y, x, out=y)

        def back(dy: Array, params: bool, inputs: bool) -> Array:
            if params:
                products = xp.multiply(dy, noise, out=run.empty(dy.shape))
                run.backend.column_sum(products.reshape(-1, self.n_features), *weight.grad_to_write())
            return dy

        return y, back

    def twice(self, x: Array, run: Pass) -> tuple[Array, Back]:
        return linear(self.forward(x, run)[0], lambda g: g, lambda xdot: xdot)  # ẏ = ẋ, whatever the strengths are


def _identity(dy: Array, params: bool, inputs: bool) -> Array:
    return dy
