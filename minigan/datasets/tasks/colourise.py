"""Grey pictures that were in colour. P. Isola et al., "Image-to-Image Translation with Conditional Adversarial
Networks", 2017, section 4."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from minigan.datasets import Dataset
from minigan.datasets.pairs import Pairs

from .luminance import luminance
from .task import Pixels, Task

__all__ = ["Colourise"]


class Colourise(Task):
    """A picture in colour from its luminance."""

    name = "colourise"
    colours = True
    about = "a picture in colour from a grey one"

    def check(self, data: Dataset) -> None:
        if data.images.shape[3:] != (3,):
            raise ValueError(
                f"the pictures of {data.name} are of shape {data.image_shape}, but colour, (H, W, 3), was expected; "
                "give pictures in colour, or take another task"
            )

    def inputs(self, images: Pixels, numbers: NDArray[np.float64]) -> Pixels:
        return luminance(images)

    def rivals(self, pairs: Pairs, train: Pairs) -> dict[str, Pixels]:
        """grey: the input, as red, green and blue."""
        return {"grey": np.repeat(pairs.inputs[..., None], 3, axis=3)}
