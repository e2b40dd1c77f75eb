"""Pictures and latents that somebody gives, as a game has them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..datasets import to_float
from ..game.generating import Generating

Array = NDArray[Any]


def samples_of(game: Generating, pictures: Any, name: str = "pictures") -> Array:
    """Pictures (N, ...) as samples (N, P) of the game's dtype: uint8, which become floats in [−1, 1], or floats.

    Raises ValueError for another size, none at all or numbers that are not finite, TypeError for other kinds of
    numbers.
    """
    given, shape = np.asarray(pictures), tuple(game.sample_shape)
    if given.ndim < 2 or not len(given) or math.prod(given.shape[1:]) != math.prod(shape):
        raise ValueError(
            f"{name} of shape {given.shape} were given, but (N, {', '.join(map(str, shape))}) was expected, as G makes "
            "them; scale them to that size"
        )
    if given.dtype != np.uint8 and given.dtype.kind != "f":
        raise TypeError(f"{name} are {given.dtype}, but uint8, or floats in [-1, 1], were expected")
    flat = given.reshape(len(given), -1)
    flat = to_float(flat, game.dtype) if given.dtype == np.uint8 else flat.astype(game.dtype)
    if not np.isfinite(flat).all():
        raise ValueError(f"{name} hold numbers that are not finite; leave those out")
    return flat


def latents_of(game: Generating, z: Any, n: int | None = None) -> Array:
    """Latents (N, latent) of the game's dtype. n: how many there must be. Raises ValueError for what is none."""
    given = np.asarray(z)
    rows = "N" if n is None else n
    if (
        given.ndim != 2
        or given.shape[1] != game.latent
        or given.dtype.kind not in "fiu"
        or len(given) != (n or len(given))
    ):
        raise ValueError(
            f"latents of shape {given.shape} and {given.dtype} were given, but numbers ({rows}, {game.latent}) were "
            "expected; `project` and `latents` give such"
        )
    if not len(given) or not np.isfinite(given).all():
        raise ValueError("latents must be at least one, and finite")
    return given.astype(game.dtype)
