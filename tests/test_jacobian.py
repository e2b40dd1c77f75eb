"""Jacobians: against differences of the ordinary pass, for shared samples and for repeated ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from networks import randomise

from minigan import (
    AvgPool2D,
    BatchNorm,
    Conv2D,
    ConvTranspose2D,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    Layer,
    LayerNorm,
    LeakyReLU,
    Maxout,
    ReLU,
    Reshape,
    Residual,
    Sequential,
    Sigmoid,
    Skip,
    Softplus,
    Tanh,
    Upsample,
)
from minigan.backend import Backend
from minigan.nn.jacobian import jacobian

NETS: dict[str, Callable[[], list[Layer]]] = {
    "dense": lambda: [Dense(4, 7), Tanh(), Dense(7, 5), LeakyReLU(0.2), Dense(5, 3), Sigmoid()],
    "batchnorm": lambda: [Dense(4, 6), BatchNorm(6), ReLU(), BatchNorm(6, gain=False), Dense(6, 3), BatchNorm(3)],
    "dcgan": lambda: [
        Dense(4, 12, bias=False), BatchNorm(12), ReLU(), Reshape(2, 2, 3), ConvTranspose2D(3, 2, 4, 2, 1), BatchNorm(2),
        Tanh(), ConvTranspose2D(2, 1, 4, 2, 1), Tanh(),
    ],
    "resampled": lambda: [Dense(4, 8), Reshape(2, 2, 2), Upsample(2), Conv2D(2, 3, 3, 1, 1), AvgPool2D(2), Flatten()],
    "layers in layers": lambda: [Residual(Dense(4, 5), Tanh(), Dense(5, 4)), Skip(Dense(4, 3), Softplus()), Tanh()],
    "noise that is off": lambda: [GaussianNoise(0.5), Dense(4, 3), Tanh()],
    "others": lambda: [Dense(4, 6), LayerNorm(6), Tanh(), Dropout(0.5), Dense(6, 6), Maxout(2)],
}  # fmt: skip


@pytest.mark.parametrize("name", NETS)
def test_differences_of_the_output(backend: Backend, name: str) -> None:
    rng, h = np.random.default_rng(4), 1e-6
    net = randomise(Sequential(*NETS[name](), backend=backend, dtype="float64"), rng)
    x = rng.standard_normal((3, 4))

    def output(x: np.ndarray) -> np.ndarray:
        return backend.to_numpy(net(x, train=False)[0]).reshape(3, -1)

    y, J = map(backend.to_numpy, jacobian(net, x))
    np.testing.assert_allclose(y, output(x), rtol=1e-12)
    for k, direction in enumerate(np.eye(4)):
        slope = (output(x + h * direction) - output(x - h * direction)) / (2 * h)
        np.testing.assert_allclose(J[:, k], slope, rtol=1e-6, atol=1e-8)


def test_of_the_first_layers_and_one_sample_at_a_time() -> None:
    net = randomise(Sequential(*NETS["dcgan"](), dtype="float64"), np.random.default_rng(4))
    x = np.random.default_rng(0).standard_normal((3, 4))
    y, J = jacobian(net, x)
    before, K = jacobian(net, x, depth=len(net) - 1)
    np.testing.assert_allclose(y, np.tanh(before), rtol=1e-12)
    np.testing.assert_allclose(J, K * (1 - y * y)[:, None], rtol=1e-9)
    np.testing.assert_allclose(jacobian(net, x[1:2])[1][0], J[1], rtol=1e-12)


def test_a_layer_without_a_rule_is_named() -> None:
    class Own(Layer):
        pass

    class Twice(Own):
        def forward(self, x, run):  # type: ignore[no-untyped-def]
            return 2 * x, lambda dy, params, inputs: 2 * dy

    with pytest.raises(ValueError, match=r"layer 1, Twice\(\), has no rule for tangents .*descend by Adam"):
        jacobian(Sequential(Dense(2, 2), Twice()), np.ones((1, 2), "float32"))
