"""Edges, from which a picture is to be drawn. I. Sobel's operator: differences across a pixel, smoothed along it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from minigan.datasets import Dataset

from .luminance import luminance
from .task import Pixels, Task, chunked

__all__ = ["Edges", "sobel"]


def sobel(images: Pixels) -> Pixels:
    """How steep grey pictures (N, H, W) are: √(gx² + gy²) / 4, rounded, at most 255; edges count again beyond.

        gx = [−1 0 1]     gy = [−1 −2 −1]
             [−2 0 2]          [ 0  0  0]
             [−1 0 1]          [ 1  2  1]

    A step from black to white, upright or level, is 255.

    >>> sobel(np.array([[[0, 0, 255, 255]]], np.uint8)).tolist()
    [[[0, 255, 255, 0]]]
    """

    def steep(part: Pixels) -> Pixels:
        wide = np.pad(part.astype(np.int32), ((0, 0), (1, 1), (1, 1)), "edge")
        along = wide[:, :-2] + 2 * wide[:, 1:-1] + wide[:, 2:]
        down = wide[:, 2:] - wide[:, :-2]
        gx = along[..., 2:] - along[..., :-2]
        gy = down[..., :-2] + 2 * down[..., 1:-1] + down[..., 2:]
        out: Pixels = np.minimum(np.rint(np.sqrt(gx * gx + gy * gy) / 4), 255).astype(np.uint8)
        return out

    return chunked(steep, images)


class Edges(Task):
    """A picture, grey or in colour, from the edges in its luminance."""

    name = "edges"
    about = "a picture from its edges"

    def check(self, data: Dataset) -> None:
        if data.images.ndim == 4 and data.images.shape[3] != 3:
            raise ValueError(
                f"the pictures of {data.name} have {data.images.shape[3]} channels, but grey or colour (3 channels) "
                "was expected; convert them"
            )

    def inputs(self, images: Pixels, numbers: NDArray[np.float64]) -> Pixels:
        return sobel(luminance(images))
