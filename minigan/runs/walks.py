"""Latents arranged in rows of ten, to see what G has made of its latent space.

    interpolation   each row goes from one latent to another: does G change a digit step by step, or has it learned
                    some by heart and jumps between them (Radford et al. 2015, figure 4)?
    traversal       each row changes one code alone: what does it mean (Chen et al. 2016, figure 2)?

Independent normal noise is interpolated on a quarter of a circle, z = cos(πt/2) a + sin(πt/2) b, which has unit
variance at every t; on the straight line it would have a half of that in the middle, where G was never trained.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..codes import Category
from ..game.generating import Generating
from ..priors import Normal

Latents = NDArray[np.floating[Any]]

COLUMNS = 10
REACH = 2.0  # a continuous code goes from −2 to 2, twice as far as in training, as in the paper


def interpolation(gan: Generating, rows: int, seed: int | None = None, label: Any = None) -> list[Latents]:
    """One block (rows · 10, ...) of latents. label: as in `GAN.sample`; by default it changes along the row too."""
    ends = gan.latents(2 * rows, seed, label)
    return [between(gan, ends[:rows], ends[rows:])]


def between(gan: Generating, a: Latents, b: Latents) -> Latents:
    """From each latent of a to that of b (rows, ...), in ten steps of which these are the first and the last:
    (rows · 10, ...)."""
    a, b = a[:, None], b[:, None]
    t = np.linspace(0, 1, COLUMNS, dtype=a.dtype)[:, None]
    z = (1 - t) * a + t * b
    if isinstance(gan.noise_prior, Normal):
        noise = slice(gan.latent)
        z[..., noise] = np.cos(math.pi / 2 * t) * a[..., noise] + np.sin(math.pi / 2 * t) * b[..., noise]
    return z.reshape(len(z) * COLUMNS, -1)


def traversal(gan: Generating, rows: int, seed: int | None = None, label: Any = None) -> list[Latents]:
    """A block (rows · columns, ...) of latents for each code: as many columns as it has categories, or 10.

    A row has the same noise everywhere, and the same other codes. label: as in `GAN.sample`.
    Raises ValueError for a GAN without codes.
    """
    if not gan.codes:
        raise ValueError("this GAN has no codes to traverse; an interpolation shows its latent space")
    start, blocks = gan.latents(rows, seed, label), []
    for code, numbers in gan.code_columns:
        if isinstance(code, Category):
            blocks.append(_vary(start, numbers, np.eye(code.k)))
        else:
            for i in range(numbers.start, numbers.stop):
                blocks.append(_vary(start, slice(i, i + 1), np.linspace(-REACH, REACH, COLUMNS)[:, None]))
    return blocks


def _vary(start: Latents, numbers: slice, values: NDArray[Any]) -> Latents:
    """Each latent as many times as there are values, with these in its place `numbers`."""
    z = np.repeat(start, len(values), axis=0)
    z[:, numbers] = np.tile(values, (len(start), 1))
    return z


WALKS = {"interpolation": interpolation, "traversal": traversal}
