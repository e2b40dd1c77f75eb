"""Every layer under every loss, on every backend and in every dtype: are the gradients right?

In float64 the hand-derived gradients are compared with finite differences (see gradcheck.py). float32 is too coarse
for differences; there the gradients are compared with the float64 ones, which have just been checked. Each layer
stands between two dense ones, so that gradients must arrive, pass through and leave; all parameters are random,
γ and β of batchnorm too, since γ = 1 and β = 0 hide mistakes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from .backend import Backend, FreshArena, Purpose, Stream, get_backend
from .gradcheck import GradientError, gradcheck
from .nn import (
    GRU,
    AvgPool2D,
    Bag,
    BatchNorm,
    Chain,
    Conv2D,
    ConvTranspose2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GaussianNoise,
    InjectedNoise,
    Layer,
    LayerNorm,
    LeakyReLU,
    Maxout,
    MinibatchStdDev,
    ReLU,
    Rescale,
    Reshape,
    Residual,
    Sequential,
    Sigmoid,
    Skip,
    Softplus,
    SpectralNorm,
    Tanh,
    Upsample,
    WeightNorm,
)
from .objectives import Minimax, NonSaturating, information, mean_squared_error, softmax_cross_entropy

Loss = Callable[[Any], tuple[Any, Any]]

SAMPLES, FEATURES = 7, 6
TOLERANCE = {"float64": 1e-6, "float32": 1e-4}

LAYERS: dict[str, Callable[[], list[Layer]]] = {
    "Dense": list,  # the two dense layers around it
    "Dense, SpectralNorm": lambda: [Dense(FEATURES, FEATURES, norm=SpectralNorm())],
    "Dense, WeightNorm": lambda: [Dense(FEATURES, FEATURES, norm=WeightNorm())],
    "Dense, fixed lengths": lambda: [Dense(FEATURES, FEATURES, norm=WeightNorm(trained=False))],
    "Conv2D": lambda: [Reshape(2, 3, 1), Conv2D(1, 2, 2, padding=(1, 0)), Conv2D(2, 6, (3, 2)), Flatten()],
    "Conv2D, SpectralNorm": lambda: [Reshape(1, 3, 2), Conv2D(2, 2, 3, padding=1, norm=SpectralNorm()), Flatten()],
    "Conv2D, WeightNorm": lambda: [Reshape(1, 3, 2), Conv2D(2, 2, 3, padding=1, norm=WeightNorm()), Flatten()],
    "ConvTranspose2D": lambda: [
        Reshape(1, 1, FEATURES), ConvTranspose2D(FEATURES, 2, 4, stride=2, padding=1), Tanh(), Conv2D(2, 3, (1, 2)),
        Flatten(),
    ],
    "Upsample, AvgPool2D": lambda: [Reshape(3, 2, 1), Upsample(3, "bilinear"), Upsample(2), AvgPool2D(6), Flatten()],
    "LeakyReLU": lambda: [LeakyReLU(0.2)],
    "ReLU": lambda: [ReLU()],
    "Sigmoid": lambda: [Sigmoid()],
    "Tanh": lambda: [Tanh()],
    "Softplus": lambda: [Softplus()],
    "BatchNorm": lambda: [BatchNorm(FEATURES)],
    "BatchNorm, running": lambda: [BatchNorm(FEATURES)],
    "BatchNorm, no gain": lambda: [BatchNorm(FEATURES, gain=False)],
    "LayerNorm": lambda: [LayerNorm(FEATURES)],
    "MinibatchStdDev": lambda: [MinibatchStdDev(), Dense(FEATURES + 1, FEATURES)],
    "Maxout": lambda: [Maxout(2), Dense(FEATURES // 2, FEATURES)],
    "GRU": lambda: [Reshape(3, FEATURES // 3), GRU(FEATURES // 3, FEATURES)],
    "Embedding": lambda: [Rescale(1e-9, 2.0), Embedding(4, 3), GRU(3, FEATURES)],  # of a word that stays the same
    "Bag": lambda: [Reshape(3, FEATURES // 3), Bag(), Dense(FEATURES // 3, FEATURES)],
    "Dropout": lambda: [Dropout(0.3)],
    "GaussianNoise": lambda: [GaussianNoise(0.3)],
    "GaussianNoise, pool": lambda: [GaussianNoise(0.3, pooled=True)],
    "InjectedNoise": lambda: [InjectedNoise(FEATURES), LeakyReLU(0.2)],
    "Rescale": lambda: [Rescale(0.5, 0.25)],
    "Reshape, Flatten": lambda: [Reshape(2, FEATURES // 2), Flatten()],
    "Chain": lambda: [Chain(Dense(FEATURES, 3), Tanh()), Chain(Dense(3, FEATURES))],
    "Residual": lambda: [Residual(Dense(FEATURES, 3), Tanh(), Residual(Dense(3, 3)), Dropout(0.3), Dense(3, FEATURES))],
    "Skip": lambda: [Skip(Dense(FEATURES, 3), Tanh(), Skip(Dense(3, 2))), Dense(FEATURES + 5, FEATURES)],
    "G through D": lambda: [
        LeakyReLU(0.2), BatchNorm(FEATURES), Dense(FEATURES, 5), Tanh(),
        Dense(5, 8), LeakyReLU(0.2), BatchNorm(8), Dropout(0.3), Dense(8, FEATURES), LeakyReLU(0.2),
    ],
}  # fmt: skip


class Result(NamedTuple):
    """The worst relative error of one layer under each loss; `failure` explains one that is not tolerable."""

    backend: str
    dtype: str
    layer: str
    errors: dict[str, float]
    failure: str | None


def matrix(
    backends: Iterable[str] = ("numpy",), dtypes: Iterable[str] = ("float64", "float32"), seed: int = 0
) -> Iterator[Result]:
    """Check every layer under every loss, a row per backend, dtype and layer.

    Raises ValueError or ImportError for a backend that is not there.

    >>> row = next(matrix(["numpy"], ["float64"]))
    >>> row.layer, row.failure, row.errors["D"] < 1e-6
    ('Dense', None, True)
    """
    dtypes = list(dtypes)
    for name in backends:
        be = get_backend(name)
        for dtype in dtypes:
            for layer in LAYERS:
                yield _row(be, dtype, layer, seed)


def losses(be: Backend) -> dict[str, tuple[int, Loss]]:
    """Each loss by name: how many outputs it takes, and the function from outputs to (value, gradient)."""
    arena = FreshArena(be)
    labels = np.arange(SAMPLES) % 3
    target = np.sin(np.arange(3.0 * SAMPLES)).reshape(SAMPLES, 3)
    half = SAMPLES // 2

    def discriminator(logits: Any) -> tuple[Any, Any]:
        loss, parts = Minimax(real_target=0.9).discriminator(logits[:half], logits[half:], arena)
        return loss, be.xp.concatenate(parts)

    return {
        "D": (1, discriminator),
        "G minimax": (1, lambda y: Minimax().generator(y, arena)),
        "G non-saturating": (1, lambda y: NonSaturating().generator(y, arena)),
        "cross-entropy": (3, lambda y: softmax_cross_entropy(y, labels, arena)),
        "information": (3, lambda y: information(y, 4.0, arena)[:2]),
        "squared error": (3, lambda y: mean_squared_error(y, target, arena)),
    }


def _row(be: Backend, dtype: str, layer: str, seed: int) -> Result:
    errors, failure = {}, None
    train = layer != "BatchNorm, running"
    for loss_name, (outputs, loss) in losses(be).items():
        rng = np.random.default_rng([seed, *layer.encode(), *loss_name.encode()])
        net = Sequential(
            Dense(4, FEATURES), *LAYERS[layer](), Dense(FEATURES, outputs), backend=be, dtype="float64", seed=seed
        )
        net.flat[...] = be.asarray(rng.standard_normal(net.flat.shape) * 0.7)
        for name, buffer in net.buffers.items():
            values = rng.standard_normal(buffer.shape)
            buffer[...] = be.asarray(values**2 + 0.1 if name.endswith("var") else values)
        x = rng.standard_normal((SAMPLES, 4))
        net(x)  # one power iteration: spectral norms fit the new weights, though not so well that mistakes would hide
        try:
            if dtype == "float64":
                found = gradcheck(net, x, train=train, loss=loss, randomize=False, seed=seed)
                if unchecked := [name for name, error in found.items() if math.isnan(error)]:
                    raise GradientError(f"no direction of {', '.join(unchecked)} could be checked: kinks everywhere")
                worst = max(found.values())
            else:
                worst = _rounding(net, x, train, loss, dtype)
                if not worst <= TOLERANCE[dtype]:
                    raise GradientError(
                        f"gradients in {dtype} differ from those in float64 by {worst:.1e}, "
                        f"more than {TOLERANCE[dtype]:.0e}"
                    )
        except GradientError as error:
            worst, failure = float("nan"), failure or f"{layer} under {loss_name}, {be.name}, {dtype}: {error}"
        errors[loss_name] = worst
    return Result(be.name, dtype, layer, errors, failure)


def _rounding(net: Sequential, x: np.ndarray[Any, Any], train: bool, loss: Loss, dtype: str) -> float:
    """The largest difference between the gradients in `dtype` and in float64, relative to the largest element."""
    low = Sequential.build({**net.describe(), "dtype": dtype}, net.backend)
    low.load_state_dict(net.state_dict())
    gradients = []
    for twin in (net, low):
        y, back = twin(x, train=train, track=False, stream=Stream(0, Purpose.CHECK))
        twin.zero_grad()
        dx = back(loss(y)[1])
        gradients.append({"input": twin.backend.to_numpy(dx)} | twin.grad_dict())
    exact, rounded = gradients
    largest = max(float(np.abs(g).max()) for g in exact.values())
    return max(float(np.abs(exact[name] - rounded[name]).max()) for name in exact) / largest
