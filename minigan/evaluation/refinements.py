"""How much a refiner changes, and whether drawings still show what they showed.

change        mean difference between a refined picture and its drawing, in grey levels
label kept    share of refined pictures that the classifier of the real ones reads as the drawing is labelled; it has
              learned from labels of real pictures, which the refiner never saw, and drawings themselves are rivals
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..datasets.unpaired import Unpaired
from ..games import Refinement
from ..samples import as_images
from .evaluator import Evaluator

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Refined:
    """n: drawings. change, kept: as above; kept is None where real pictures or drawings have no labels."""

    name: str
    n: int
    change: float
    kept: float | None


def refined_by(game: Refinement, data: Unpaired, seed: int | None = None) -> Pixels:
    """What a game makes of all drawings, (M, H, W[, C])."""
    return as_images(game, game.translate(data.inputs, seed), data.image_shape)


def evaluate_refinement(refined: Pixels, data: Unpaired, evaluator: Evaluator, name: str) -> Refined:
    """Refined pictures of all drawings, beside these."""
    kept = None
    if evaluator.classes is not None and data.input_labels is not None:
        kept = float((evaluator.classify(refined) == data.input_labels).mean())
    change = np.abs(refined.astype(np.int16) - data.inputs).mean()
    return Refined(name, len(refined), float(change), kept)
