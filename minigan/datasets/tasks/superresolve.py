"""A small picture, enlarged: what was lost is to be found again."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from minigan.datasets import Dataset
from minigan.datasets.pairs import Pairs

from .resampling import resized
from .task import Pixels, Task

__all__ = ["FACTOR", "Superresolve", "enlarged", "reduced"]

FACTOR = 4


def reduced(images: Pixels, factor: int = FACTOR) -> Pixels:
    """Pictures (N, H, W[, C]) as (N, H/factor, W/factor[, C]), bicubic and antialiased.

    Raises ValueError unless both sides are multiples of the factor.
    """
    height, width = images.shape[1:3]
    if height % factor or width % factor:
        raise ValueError(
            f"the pictures are {width}x{height} pixels, but sides that are multiples of {factor} were expected; scale "
            "them (--size N, size=N in Python)"
        )
    return resized(images, height // factor, width // factor)


def enlarged(pictures: Pixels, factor: int = FACTOR) -> Pixels:
    """Pictures (N, h, w[, C]) as (N, factor h, factor w[, C]), bicubic.

    >>> enlarged(np.full((1, 7, 7), 9, np.uint8)).shape
    (1, 28, 28)
    """
    return resized(pictures, factor * pictures.shape[1], factor * pictures.shape[2])


class Superresolve(Task):
    """Pictures are reduced to a quarter of their height and width, and enlarged again: (28, 28) of (7, 7)."""

    name = "superresolve"
    border = FACTOR
    about = f"a picture from one of a {FACTOR}th of its height and width, enlarged"

    def check(self, data: Dataset) -> None:
        reduced(data.images[:1])

    def inputs(self, images: Pixels, numbers: NDArray[np.float64]) -> Pixels:
        return enlarged(reduced(images))

    def rivals(self, pairs: Pairs, train: Pairs) -> dict[str, Pixels]:
        """nearest: each small pixel as a square. bicubic: the input."""
        small = reduced(pairs.images)
        return {"nearest": np.repeat(np.repeat(small, FACTOR, axis=1), FACTOR, axis=2), "bicubic": pairs.inputs}

    def prepare(self, picture: Pixels) -> Pixels:
        large: Pixels = enlarged(picture[None])[0]
        return large
