"""Samples of a GAN as pictures: uint8, of the shape of the images that it has learned from, and finite."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from .datasets import to_uint8
from .game.game import Game
from .game.update import NonFiniteError, first_nonfinite
from .gan import GAN


def sample_images(
    gan: GAN, n: int, shape: Iterable[int], seed: int | None = None, averaged: bool = True, label: Any = None
) -> np.ndarray[Any, Any]:
    """n samples as uint8 images (n, *shape); the rest as in `GAN.sample`. NonFiniteError if they are not finite."""
    return images_of(gan, gan.latents(n, seed, label), shape, averaged)


def images_of(gan: GAN, latents: Any, shape: Iterable[int], averaged: bool = True) -> np.ndarray[Any, Any]:
    """What G makes of latents (n, ...), as uint8 images (n, *shape). NonFiniteError if they are not finite."""
    samples = gan.generate(latents, averaged)
    require_finite(gan, {"the samples": samples})
    return to_uint8(samples).reshape(len(samples), *shape)


def images_shown(game: Game, n: int, shape: Iterable[int]) -> np.ndarray[Any, Any]:
    """What a game shows of itself (`Game.show`), as uint8 images (n, *shape). NonFiniteError if it is not finite."""
    samples = game.show(n)
    require_finite(game, {"the samples": samples})
    return to_uint8(samples).reshape(len(samples), *shape)


def require_finite(game: Game, arrays: dict[str, Any]) -> None:
    """Raises NonFiniteError, naming the first of these arrays of a game that is not finite."""
    if found := first_nonfinite(((name, game.backend.asarray(a)) for name, a in arrays.items()), game.backend):
        name, what = found
        raise NonFiniteError(game.steps, name, f"{name} of the GAN of step {game.steps} are not finite: {what}")
