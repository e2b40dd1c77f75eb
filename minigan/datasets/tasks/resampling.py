"""Bicubic resampling, with antialiasing when a picture becomes smaller. R. Keys, "Cubic convolution interpolation for
digital image processing", 1981: a pixel is the mean of its neighbours, weighted by

    w(t) = (a + 2) |t|³ − (a + 3) |t|² + 1         for |t| < 1
           a |t|³ − 5a |t|² + 8a |t| − 4a          for 1 ≤ |t| < 2,      a = −1/2

of their distance t in pixels of the coarser of both grids: so that w becomes wider where a picture is reduced, and
averages what would alias. Weights beyond the edge are left out, and the others divided by their sum. Each row is
resampled, and then each column; and each of both is one product with a matrix.

This is what Pillow's `Image.resize(size, BICUBIC)` does, and to the bit: it rounds weights to multiples of 2⁻²²,
and pixels to bytes after each direction. (Pillow 13 begins with the columns where that is less work, as in tall
pictures that are reduced; then a level here and there is another.) Here the products are of whole numbers below 2⁵³,
which floats hold without error: the bytes are the same on every machine, in whatever order a BLAS sums.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .task import Pixels, chunked

__all__ = ["resized", "weights"]

_A = -0.5
_REACH = 2.0  # where w becomes 0
_ONE = 1 << 22


def resized(images: Pixels, height: int, width: int) -> Pixels:
    """Pictures (N, h, w) or (N, h, w, C) as (N, height, width[, C]), uint8.

    >>> resized(np.full((1, 4, 4), 7, np.uint8), 2, 3)
    array([[[7, 7, 7],
            [7, 7, 7]]], dtype=uint8)
    """
    across, down = weights(images.shape[2], width), weights(images.shape[1], height)

    def both(part: Pixels) -> Pixels:
        planes = (part if part.ndim == 3 else np.moveaxis(part, 3, 1)).astype(np.float64)
        out = _bytes(down @ _bytes(planes @ across.T)).astype(np.uint8)
        return out if part.ndim == 3 else np.moveaxis(out, 1, 3)

    return chunked(both, images)


def weights(old: int, new: int) -> NDArray[np.float64]:
    """What each of `old` pixels in a row counts in each of `new` ones, (new, old), as multiples of 2⁻²²."""
    scale = old / new
    width = max(scale, 1.0)
    centres = (np.arange(new)[:, None] + 0.5) * scale
    within = np.clip(np.trunc(centres + _REACH * width * np.array([-1.0, 1.0]) + 0.5), 0, old)
    pixels = np.arange(old)
    t = np.abs((pixels + 0.5 - centres) / width)
    near = ((_A + 2) * t - (_A + 3)) * t * t + 1
    far = (((t - 5) * t + 8) * t - 4) * _A
    w = np.where(t < 1, near, np.where(t < _REACH, far, 0.0))
    w[(pixels < within[:, :1]) | (pixels >= within[:, 1:])] = 0
    w *= _ONE / w.sum(axis=1, keepdims=True)
    rounded: NDArray[np.float64] = np.trunc(w + np.copysign(0.5, w))
    return rounded


def _bytes(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums of pixels times weights, rounded to 0, 1, ..., 255."""
    sums += _ONE / 2
    sums *= 1 / _ONE
    return np.clip(np.floor(sums, out=sums), 0, 255, out=sums)
