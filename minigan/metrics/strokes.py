"""Measurements of what is drawn: how it leans, how thick its strokes are, how light it is.

With ink p in [0, 1] at each pixel, x to the right, y downwards, and ⟨·⟩ the mean weighted with p:

    slant       s = −⟨(x − x̄)(y − ȳ)⟩/⟨(y − ȳ)²⟩      pixels to the right for each pixel upwards: the shear x′ = x + s y
                                                      takes the correlation of x and y away
    thickness   t = 2 Σ p/Σ |∇p|                       in pixels: a bar of width t and length L has area t L, and its
                                                      contour, over which p rises from 0 to 1, a length of 2 L
    shade       ⟨p⟩                                   from 0 to 1, of what is not black
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_BLOCK = 1000
_FLAT = 1e-9  # square pixels: what rounding leaves of the variance of a line, while a single level in 255 is more


def _block_by_block(measure: Callable[[NDArray[Any]], Floats]) -> Callable[[NDArray[Any]], Floats]:
    """Of a thousand images at a time, so that memory stays small, and near."""

    @wraps(measure)
    def measured(images: NDArray[Any]) -> Floats:
        return np.concatenate([measure(images[i : i + _BLOCK]) for i in range(0, max(1, len(images)), _BLOCK)])

    return measured


@_block_by_block
def slant(images: NDArray[Any]) -> Floats:
    """Of uint8 images (N, H, W[, C]), light strokes on a dark ground: (N,), positive for what leans to the right.

    0 where there is no ink, or where it lies on one line, which leans nowhere.
    """
    ink = _ink(images)
    _, height, width = ink.shape
    y, x = np.arange(height)[:, None] - (height - 1) / 2, np.arange(width) - (width - 1) / 2
    total = np.maximum(ink.sum(axis=(1, 2)), 1e-12)

    def mean(values: Floats) -> Floats:
        return np.asarray((ink * values).sum(axis=(1, 2)) / total)

    x_mean, y_mean = mean(x), mean(y)
    covariance, variance = mean(x * y) - x_mean * y_mean, mean(y * y) - y_mean**2
    flat = variance < _FLAT
    return np.asarray(np.where(flat, 0, -covariance / np.where(flat, 1, variance)))


@_block_by_block
def thickness(images: NDArray[Any]) -> Floats:
    """Of uint8 images (N, H, W[, C]): (N,), in pixels; 0 where there is no ink."""
    ink = np.pad(_ink(images), ((0, 0), (1, 1), (1, 1)))
    down, across = np.diff(ink, axis=1)[:, :, 1:], np.diff(ink, axis=2)[:, 1:, :]
    contour = np.sqrt(down**2 + across**2).sum(axis=(1, 2))
    return np.asarray(2 * ink.sum(axis=(1, 2)) / np.maximum(contour, 1e-12))


@_block_by_block
def shade(images: NDArray[Any]) -> Floats:
    """Of uint8 images (N, H, W[, C]): (N,), how light it is where there is something; 0 where there is nothing."""
    ink = _ink(images)
    total = ink.sum(axis=(1, 2))
    return np.asarray((ink * ink).sum(axis=(1, 2)) / np.maximum(total, 1e-12))


def _ink(images: NDArray[Any]) -> Floats:
    ink = np.asarray(images, np.float64) / 255
    return np.asarray(ink.mean(axis=3) if ink.ndim == 4 else ink)
