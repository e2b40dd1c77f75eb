"""Pictures with a hole. D. Pathak et al., "Context Encoders: Feature Learning by Inpainting", 2016."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from minigan.datasets.pairs import Pairs

from .task import Pixels, Task

__all__ = ["GREY", "Inpaint", "hole"]

GREY = 128


def hole(height: int, width: int) -> tuple[slice, slice]:
    """Rows and columns of the hole: half of each, around the middle.

    >>> hole(28, 28)
    (slice(7, 21, None), slice(7, 21, None))
    """
    down, across = ((side - side // 2) // 2 for side in (height, width))
    return slice(down, down + height // 2), slice(across, across + width // 2)


class Inpaint(Task):
    """The middle of a picture is grey: half its height and half its width."""

    name = "inpaint"
    about = "a picture from one with a hole in the middle"

    def inputs(self, images: Pixels, numbers: NDArray[np.float64]) -> Pixels:
        out = images.copy()
        out[:, *hole(*images.shape[1:3])] = GREY
        return out

    def rivals(self, pairs: Pairs, train: Pairs) -> dict[str, Pixels]:
        """input: it itself. mean image: the hole is filled from the mean of the training targets."""
        within = hole(*pairs.image_shape[:2])
        filled = pairs.inputs.copy()
        filled[:, *within] = np.rint(train.images[:, *within].mean(axis=0))
        return {"input": pairs.inputs, "mean image": filled}

    def known(self, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        mask = np.ones(shape[:2], bool)
        mask[hole(*shape[:2])] = False
        return mask
