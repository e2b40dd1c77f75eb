"""Batch normalisation (Ioffe and Szegedy 2015).

    forward    y = γ x̂ + β,   x̂ = (x − μ)/s,   s = √(v + ε)         x, y (N, F)   γ, β, μ, v (F,)

Of images (N, H, W, F), each pixel is a sample of its channels: they are taken as (N·H·W, F).

**Training** takes μ = Σ_n x_n/N and v = Σ_n (x_n − μ)²/N from the batch itself, so every sample feels every other.
With g = dL/dy, one feature at a time:

    dL/dβ = Σ_n g_n            dL/dγ = Σ_n g_n x̂_n
    ∂x̂_n/∂x_m = (δ_nm − 1/N − x̂_n x̂_m/N)/s                          (1/N from μ, the last term from v)
    dL/dx_m = Σ_n g_n γ ∂x̂_n/∂x_m = γ/s · (g_m − dβ/N − x̂_m dγ/N)

**Inference** takes μ and v from the running statistics, which are constants: dL/dx = γ/s · g, dγ and dβ as above.
One formula in the place of the other is a common bug; here the mode of the forward decides both.

**Several processes** that share a batch (backend/group.py) take μ and v over all its samples, and so Σ_n on the way
back; or each takes those of its own samples, if the group is told so. Running statistics are of all samples.
Checked by tests/test_gradients.py, with random γ and β, in both modes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..spec import integer, number
from .activations import Activation
from .affine import second_order, times_slope
from .init import Constant
from .layer import Back, Layer, Parameter, Pass

Array = Any


class BatchNorm(Layer):
    """Normalises each feature, or channel, of a batch (N, ..., n_features): over all its axes but the last.

    momentum: the share of the old running statistics that is kept (Keras's convention; PyTorch's is one minus this):
        running = momentum · running + (1 − momentum) · batch, where the running variance takes the unbiased one.
    eps: added to the variance. gain: False for a layer without γ, which is 1 then.
    Parameters `weight` (γ, begins at 1) and `bias` (β, 0); buffers `running_mean` (0) and `running_var` (1).
    Raises ValueError for a batch of another shape, or in training for one with a single number of each feature.
    """

    mixes_samples = True
    joins_activation = True
    fusible = True

    def __init__(self, n_features: int, momentum: float = 0.9, eps: float = 1e-5, gain: bool = True) -> None:
        self.n_features = n_features = integer("n_features", n_features)
        self.momentum = number("momentum", momentum, "[0, 1)", of="BatchNorm")
        self.eps = number("eps", eps, "(0, inf)", of="BatchNorm")
        self.gain = gain
        self._unit: Parameter | None = None
        if gain:
            self.parameters["weight"] = Parameter((n_features,), Constant(1.0))
        self.parameters["bias"] = Parameter((n_features,), Constant(0.0))
        self.buffers["running_mean"] = np.broadcast_to(0.0, n_features)
        self.buffers["running_var"] = np.broadcast_to(1.0, n_features)

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return shape

    def forward(self, x: Array, run: Pass, act: Activation | None = None) -> tuple[Array, Back]:
        if x.ndim < 2 or x.shape[-1] != self.n_features:
            raise ValueError(f"expected a batch of shape (N, ..., {self.n_features}), got {tuple(x.shape)}")
        whole_shape, x = x.shape, x.reshape(-1, self.n_features)
        of_all = run.train and run.group.size > 1 and run.group.syncs
        if run.train and len(x) * (run.group.size if of_all else 1) < 2:
            raise ValueError(
                "batch statistics of a single sample are the sample itself, so every output would be the bias: "
                "use a batch of 2 or more, or train=False for running statistics"
            )
        be, beta = run.backend, self.parameters["bias"]
        gamma = self.parameters["weight"] if self.gain else self._one(run)
        y = run.empty(x.shape)
        inv_std = run.empty((self.n_features,))
        if run.train:
            mean, var = run.empty((self.n_features,)), run.empty((self.n_features,))
            n = len(x)
            if of_all:
                be.fuse(False)  # the statistics must be there
                n = be.batchnorm_of_all(x, gamma.data, beta.data, self.eps, act, y, mean, var, inv_std)
            else:
                be.batchnorm(x, gamma.data, beta.data, self.eps, act, y, mean, var, inv_std)
            if run.track:
                running = self.buffers["running_mean"], self.buffers["running_var"]
                be.track(*self._of_all(mean, var, run, n), self.momentum, *running)
        else:
            mean = run.empty((self.n_features,))  # a copy: training may move the buffer before the backward
            be.xp.copyto(mean, self.buffers["running_mean"])
            be.inverse_std(self.buffers["running_var"], self.eps, inv_std)
            be.normalize(x, gamma.data, beta.data, mean, inv_std, act, y)
        from_batch = run.train

        def back(dy: Array, params: bool, inputs: bool) -> Array | None:
            fresh = params and gamma.is_zero and beta.is_zero  # then the sums are the gradients, else added to them
            dgamma, dbeta = (p.grad_to_write()[0] if fresh else run.empty(mean.shape) for p in (gamma, beta))
            g = dy.reshape(x.shape)
            # dβ = Σ g,   dγ = Σ g x̂,   and over g:   γ/s · (g − dβ/N − x̂ dγ/N), or γ/s · g with running statistics
            if of_all:
                be.fuse(False)
                be.batchnorm_of_all_grad(g, y, act, x, gamma.data, mean, inv_std, dgamma, dbeta)
            else:
                be.batchnorm_grad(g, y, act, x, gamma.data, mean, inv_std, dgamma, dbeta, from_batch)
            if params and not fresh:
                be.fuse(False)  # the sums must be there
                gamma.add_grad(dgamma)
                beta.add_grad(dbeta)
            return dy if inputs else None

        return y.reshape(whole_shape), back

    def _of_all(self, mean: Array, var: Array, run: Pass, n: int) -> tuple[Array, Array, int]:
        """Mean, variance and number of all samples, of which a process may have looked at its own n only."""
        if run.group.size == 1 or run.group.syncs:
            return mean, var, n
        run.backend.fuse(False)
        means, variances = mean.copy(), var.copy()
        return means, variances, run.group.moments(means, variances, n, run.empty((1, 2, self.n_features)))

    def _one(self, run: Pass) -> Parameter:
        """γ = 1, whose gradient nobody wants."""
        if self._unit is None or self._unit.data.dtype != run.dtype:
            self._unit = Parameter((self.n_features,), Constant(1.0))
            ones = run.backend.asarray(np.ones(self.n_features, run.dtype))
            self._unit.bind(ones, run.backend.zeros((self.n_features,), run.dtype))
        self._unit.zero_grad()
        return self._unit

    def twice(self, x: Array, run: Pass, act: Activation | None = None) -> tuple[Array, Back]:
        """With running statistics alone, where a sample's output is a function of that sample."""
        if run.train:
            raise ValueError(
                "a penalty is on the gradient of one sample's output with respect to that sample, but batch "
                "normalisation mixes the samples of a batch (Gulrajani 2017, section 4): take LayerNorm in its place, "
                "or none"
            )
        xp, y = run.backend.xp, self.forward(x, run, act)[0]
        beta, gamma = self.parameters["bias"], self.parameters.get("weight")
        inv_std = 1 / xp.sqrt(self.buffers["running_var"] + self.eps)
        mean = xp.array(self.buffers["running_mean"])
        scale = inv_std if gamma is None else gamma.data * inv_std

        def back(dy: Array) -> tuple[Array, Back]:
            g = times_slope(act, y, dy, run)

            def push(xdot: Array) -> tuple[Array, Back]:
                adot = xdot * scale

                def pull(dy2: Array | None) -> Array | None:
                    h = second_order(act, y, dy, adot, dy2, run)
                    change = g * xdot if h is None else g * xdot + h * (x - mean)
                    if gamma is not None:
                        gamma.add_grad(change.reshape(-1, self.n_features).sum(axis=0) * inv_std)
                    if h is None:
                        return None
                    beta.add_grad(h.reshape(-1, self.n_features).sum(axis=0))
                    return h * scale

                return times_slope(act, y, adot, run), pull

            return g * scale, push

        return y, back
