"""How MNIST was made of larger pictures of digits. Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, "Gradient-based
learning applied to document recognition", Proceedings of the IEEE 86 (1998), section III.A, and the page of MNIST:

1. what is drawn is scaled, with antialiasing and with its proportions kept, until its longer side has 20 pixels;
2. it is moved by whole pixels until its centre of mass, Σ level · place / Σ level, is in the middle of 28 × 28 pixels.

The middle is pixel (14, 14), counted from 0: there lie the centres of mass of MNIST itself, each at most half a pixel
away in each direction. Neither source says how NIST's pictures were scaled; here it is bicubic (tasks/resampling.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["as_mnist", "box_of"]

Pixels = NDArray[np.uint8]
_LEAST, _MOST = 7, 1024


def box_of(size: Any) -> int:
    """The longer side of what is drawn in a picture of `size` x `size` pixels: 20 of 28, in proportion, rounded.

    Raises ValueError for a size that is no whole number from 7 to 1024.

    >>> box_of(28), box_of(32)
    (20, 23)
    """
    if not isinstance(size, (int, np.integer)) or isinstance(size, bool) or not _LEAST <= size <= _MOST:
        raise ValueError(f"size is {size!r}, but a whole number of pixels from {_LEAST} to {_MOST} was expected")
    return round(int(size) * 20 / 28)


def as_mnist(image: Pixels, *, size: int = 28, black: int = 0) -> Pixels:
    """A grey picture of one character, white on black, uint8 (H, W), as MNIST would have it: uint8 (size, size).

    size: 28 in MNIST; in larger or smaller pictures the character has its share, see `box_of`. black: levels up to this
    one are background and become 0. A scan needs it, where paper is never quite even: look at its levels, or try 64.
    Dark ink on white paper is `255 - scan`.

    The character is never cut off: where all its weight lies at one end, its centre of mass stays off the middle.

    Raises TypeError or ValueError for anything but such a picture, for one in which nothing is brighter than `black`,
    and for a size that `box_of` does not take.

    >>> scan = np.zeros((100, 80), np.uint8)
    >>> scan[10:70, 50:56] = 255
    >>> digit = as_mnist(scan)
    >>> digit.shape, np.flatnonzero(digit.any(axis=1))[[0, -1]], np.flatnonzero(digit.any(axis=0))
    ((28, 28), array([ 4, 23]), array([13, 14]))
    """
    from minigan.datasets.tasks.resampling import resized  # whose package imports Pairs, and more

    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        given = f"an array of {image.dtype}" if isinstance(image, np.ndarray) else type(image).__name__
        raise TypeError(f"the picture is {given}, but an array of uint8, white on black, was expected; see to_uint8")
    if image.ndim != 2:
        raise ValueError(
            f"the picture has shape {image.shape}, but one grey picture (H, W) was expected; give one at a time, grey"
        )
    box = box_of(size)
    levels = np.where(image > black, image, np.uint8(0))
    rows, columns = np.flatnonzero(levels.any(axis=1)), np.flatnonzero(levels.any(axis=0))
    if not rows.size:
        raise ValueError(f"nothing in the picture is brighter than {black}, but something white on black was expected")
    drawn = levels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = box / max(drawn.shape)
    height, width = (max(1, round(side * scale)) for side in drawn.shape)
    small = resized(drawn[None], height, width)[0]
    out = np.zeros((size, size), np.uint8)
    top, left = (_start(small.sum(axis=axis, dtype=np.int64), size) for axis in (1, 0))
    out[top : top + height, left : left + width] = small
    return out


def _start(weights: NDArray[np.int64], size: int) -> int:
    """Where a line of pixels begins whose centre of mass comes to lie in the middle, as far as it stays within.

    Halves are rounded down: what is symmetric, and has an even number of pixels, has the same margin on both sides.
    """
    centre = (weights @ np.arange(len(weights))) / max(1, weights.sum())
    return int(np.clip(np.ceil(size // 2 - centre - 0.5), 0, size - len(weights)))
