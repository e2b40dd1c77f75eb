"""Samples of a game as pictures: uint8, of the shape of the images that it has learned from, and finite."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from .datasets import to_uint8
from .game.game import Game
from .game.generating import Generating
from .game.update import NonFiniteError, first_nonfinite


def sample_images(
    game: Game, n: int, shape: Iterable[int], seed: int | None = None, **options: Any
) -> np.ndarray[Any, Any]:
    """n samples as uint8 images (n, *shape). options: as of the game's `sample`. NonFiniteError if not all finite."""
    return as_images(game, game.sample(n, seed, **options), shape)


def images_of(gan: Generating, latents: Any, shape: Iterable[int], averaged: bool = True) -> np.ndarray[Any, Any]:
    """What G makes of latents (n, ...), as uint8 images (n, *shape). NonFiniteError if they are not finite."""
    return as_images(gan, gan.generate(latents, averaged), shape)


def as_images(game: Game, samples: np.ndarray[Any, Any], shape: Iterable[int]) -> np.ndarray[Any, Any]:
    """Samples (n, ...) of a game as uint8 images (n, *shape). NonFiniteError if they are not finite."""
    require_finite(game, {"the samples": samples})
    return to_uint8(samples).reshape(len(samples), *shape)


def require_finite(game: Game, arrays: dict[str, Any]) -> None:
    """Raises NonFiniteError, naming the first of these arrays of a game that is not finite."""
    if found := first_nonfinite(((name, game.backend.asarray(a)) for name, a in arrays.items()), game.backend):
        name, what = found
        raise NonFiniteError(game.steps, name, f"{name} of the GAN of step {game.steps} are not finite: {what}")
