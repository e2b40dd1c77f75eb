"""Two sets of pictures that belong together as a whole: real ones, and drawings of the same kind of thing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigan.datasets import Dataset, pictures

__all__ = ["Unpaired", "unpaired"]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Unpaired(Dataset):
    """A data set of real pictures, with drawings that are to become like them.

    inputs: the drawings, uint8 (M, H, W) or (M, H, W, C), of the shape of the images and as many as there are.
    input_labels: of the drawings, integers (M,) or None; in the numbers that the labels of the images have.
    drawn: where they come from. Raises TypeError or ValueError for drawings that are no pictures of this shape.

    >>> black, white = np.zeros((3, 8, 8), np.uint8), np.full((5, 8, 8), 255, np.uint8)
    >>> Unpaired(white, None, "day", inputs=black, drawn="night")
    Unpaired('day', 5 images of (8, 8), no labels, 3 drawings of 'night')
    """

    inputs: NDArray[np.uint8]
    input_labels: NDArray[np.uint8] | NDArray[np.int64] | None = None
    drawn: str = "drawings"

    def __post_init__(self) -> None:
        super().__post_init__()
        drawings = Dataset(self.inputs, self.input_labels, self.drawn)
        if drawings.image_shape != self.image_shape:
            raise ValueError(
                f"the drawings of {self.drawn} have shape {drawings.image_shape} and the images of {self.name} "
                f"{self.image_shape}, but one shape was expected; scale both to one size, and make both grey or both "
                "coloured"
            )
        object.__setattr__(self, "inputs", drawings.images)
        object.__setattr__(self, "input_labels", drawings.labels)

    @property
    def drawings(self) -> Dataset:
        """The drawings alone, as a data set."""
        return Dataset(self.inputs, self.input_labels, self.drawn, self.names)

    def scaled(self, size: Any) -> Unpaired:
        """Images and drawings, scaled until they cover `size`, N or "WxH", and cropped around the middle."""
        wanted = pictures.as_size(size)
        images, inputs = (pictures.scaled(part, wanted) for part in (self.images, self.inputs))
        return replace(self, images=images, inputs=inputs)

    def __repr__(self) -> str:
        rest = super().__repr__().removeprefix("Dataset(").removesuffix(")")
        return f"Unpaired({rest}, {len(self.inputs)} drawings of {self.drawn!r})"


def unpaired(real: Dataset, drawings: Dataset) -> Unpaired:
    """Real pictures with drawings, which are scaled to their size, and coloured as they are.

    Classes are matched by their names where both have some; labels of the drawings are then those of the images.
    Raises ValueError for coloured drawings of grey pictures.
    """
    height, width, *rest = real.image_shape
    if drawings.image_shape[:2] != (height, width):
        drawings = drawings.scaled((width, height))
    inputs = drawings.images
    if rest == [3] and inputs.ndim == 3:
        inputs = np.repeat(inputs[..., None], 3, axis=3)
    return Unpaired(
        real.images, real.labels, real.name, real.names, (*real.notes, *drawings.notes),
        inputs=inputs, input_labels=_numbered_alike(real, drawings), drawn=drawings.name,
    )  # fmt: skip


def _numbered_alike(real: Dataset, drawings: Dataset) -> NDArray[np.int64] | None:
    """The labels of drawings by the numbers that classes of those names have among real pictures; as they are where the
    real pictures have no classes, None where a class is unknown there."""
    if drawings.labels is None:
        return None
    labels = np.asarray(drawings.labels, np.int64)
    if not real.classes:
        return labels
    number = {name: label for label, name in real.classes.items()}
    known = {label: number[name] for label, name in drawings.classes.items() if name in number}
    if len(known) < len(drawings.classes):
        return None
    return np.array([known[label] for label in labels.tolist()], np.int64)
