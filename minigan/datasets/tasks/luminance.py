"""How bright a colour is: Y = 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601), as Pillow's mode L has it."""

from __future__ import annotations

import numpy as np

from .task import Pixels, chunked

__all__ = ["luminance"]

_WEIGHTS = np.array([19595, 38470, 7471], np.uint32)  # the three above, of 2¹⁶


def luminance(images: Pixels) -> Pixels:
    """Pictures (N, H, W, 3) as (N, H, W); grey ones (N, H, W) as they are.

    >>> luminance(np.array([[[[255, 0, 0], [0, 255, 0], [255, 255, 255]]]], np.uint8)).tolist()
    [[[76, 150, 255]]]
    """
    if images.ndim == 3:
        return images
    return chunked(lambda part: ((part @ _WEIGHTS + (1 << 15)) >> 16).astype(np.uint8), images)
