"""A tiny game that was saved, whose D can be asked what it has made of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from minigan import (
    GAN,
    BatchNorm,
    Conv2D,
    Dense,
    Flatten,
    LeakyReLU,
    Reshape,
    Sequential,
    Tanh,
)

Array = np.ndarray[Any, Any]


def conv(backend: Any = None, seed: int = 0) -> Sequential:
    """A D of convolutions in small: maps of 8 x 8 and 4 x 4."""
    return Sequential(
        Conv2D(1, 3, 3, padding=1), LeakyReLU(0.2), Conv2D(3, 5, 4, stride=2, padding=1), BatchNorm(5), LeakyReLU(0.2),
        Flatten(), Dense(80, 6), LeakyReLU(0.2), Dense(6, 1), backend=backend, seed=seed,
    )  # fmt: skip


def saved(folder: Path, D: Sequential | None = None, flat: bool = False) -> Path:
    """The folder of a run with a checkpoint of a game about pictures of 8 x 8, which `flat` networks have in a row."""
    shape = [] if flat else [Reshape(8, 8, 1)]
    game = GAN(Sequential(Dense(2, 64), *shape, Tanh(), seed=1), conv() if D is None else D)
    folder.mkdir(exist_ok=True)
    game.save(folder / "checkpoint.npz", {"shape": [8, 8]})
    return folder


def bars(n: int, seed: int = 0) -> tuple[Array, Array]:
    """Pictures (n, 8, 8) of a bar at one of three places, with noise, and which place it was: 0, 1 and 2 in turn."""
    rng, kind = np.random.default_rng(seed), np.arange(n) % 3
    images = rng.integers(0, 60, (n, 8, 8))
    images[np.arange(n), 2 * kind] += rng.integers(100, 196, n)[:, None]
    return images.astype(np.uint8), kind
