"""Samples of a GAN as pictures: uint8, of the shape of the images that it has learned from, and finite."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from .codes import Category
from .datasets import to_uint8
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


def in_turn(gan: GAN, n: int) -> np.ndarray[Any, Any] | None:
    """A label for each of n samples, 0, 1, 2 and so on; None for a GAN that cannot be asked for one."""
    category = next((code for code in gan.codes if isinstance(code, Category)), None)
    return None if category is None else np.arange(n) % category.k


def require_finite(gan: GAN, arrays: dict[str, Any]) -> None:
    """Raises NonFiniteError, naming the first of these arrays of the GAN that is not finite."""
    if found := first_nonfinite(((name, gan.backend.asarray(a)) for name, a in arrays.items()), gan.backend):
        name, what = found
        raise NonFiniteError(gan.steps, name, f"{name} of the GAN of step {gan.steps} are not finite: {what}")
