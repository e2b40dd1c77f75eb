"""The networks that most people meet first, with what the literature has put into them since.

G   latent – 256 – 512 – 1024 – pixels     Dense, LeakyReLU, BatchNorm at each width; tanh at the end
D   pixels – 512 – 256 – 1                 Dense, LeakyReLU; no sigmoid at the end, which belongs to the loss
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Literal, get_args

from ..nn import (
    BatchNorm,
    Dense,
    Layer,
    LayerNorm,
    LeakyReLU,
    MinibatchStdDev,
    Sequential,
    SpectralNorm,
    Tanh,
    WeightNorm,
)

Norm = Literal["none", "layer", "spectral", "weight"]
G_HIDDEN, D_HIDDEN = (256, 512, 1024), (512, 256)
_OF_WEIGHTS = {"spectral": SpectralNorm, "weight": WeightNorm}


def generator(latent: int, pixels: int, **where: Any) -> Sequential:
    """G of the classic size. where: backend, dtype and seed of the network."""
    layers: list[Layer] = []
    for n_in, n_out in pairwise((latent, *G_HIDDEN)):
        layers += [Dense(n_in, n_out), LeakyReLU(0.2), BatchNorm(n_out, momentum=0.8, eps=1e-3)]
    return Sequential(*layers, Dense(G_HIDDEN[-1], pixels), Tanh(), **where)


def discriminator(pixels: int, norm: Norm = "none", minibatch_std: bool = False, **where: Any) -> Sequential:
    """D of the classic size, or a critic: nothing in it but the name depends on the objective.

    norm: "layer" normalisation after each hidden Dense, or "spectral" or "weight" normalisation of all weights.
    minibatch_std: one more feature before the last layer, the mean standard deviation over the batch.
    where: backend, dtype and seed of the network.
    Raises ValueError for another norm.
    """
    if norm not in get_args(Norm):
        raise ValueError(f"d_norm must be one of {', '.join(get_args(Norm))}, got {norm!r}")

    def dense(n_in: int, n_out: int) -> Dense:
        return Dense(n_in, n_out, norm=_OF_WEIGHTS[norm]() if norm in _OF_WEIGHTS else None)

    layers: list[Layer] = []
    for n_in, n_out in pairwise((pixels, *D_HIDDEN)):
        layers += [dense(n_in, n_out), *([LayerNorm(n_out)] if norm == "layer" else []), LeakyReLU(0.2)]
    if minibatch_std:
        layers.append(MinibatchStdDev())
    return Sequential(*layers, dense(D_HIDDEN[-1] + minibatch_std, 1), **where)
