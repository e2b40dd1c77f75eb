"""What a game is played for, and what there is to see of it.

    plane      points in the plane: D's surface, what each fake is told, G's image of its noise
    line       numbers: Figure 1 of the paper
    dirac      one number against one number: the field of both
    pictures   digits that grow; and what a run has learned, to walk about in

Data have names, `DATA`, and the data decide which world it is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...datasets.toys import Points, get_toy
from ...theory.failures import widened
from .dirac import DiracWorld
from .line import LineWorld
from .pictures import PicturesWorld
from .plane import PlaneWorld
from .world import World

__all__ = ["DATA", "YOURS", "PicturesWorld", "World", "toy", "world_for"]

YOURS, POINT, DIGITS = "yours", "point", "digits"
DATA = {  # by name, with what the page calls them
    "ring": "eight bells on a ring",
    "grid": "twenty-five bells",
    "spiral": "a spiral",
    "moons": "two moons",
    "checkerboard": "a checkerboard",
    "far-ring": "the ring, far from where G begins",
    "gaussian": "a bell on a line",
    "mixture": "three bells on a line",
    POINT: "a point: the Dirac game",
    DIGITS: "digits",
}


def world_for(settings: dict[str, Any], points: NDArray[np.float32] | None) -> World:
    """The world of these settings. points: (N, 2), if the data are those."""
    if settings["data"] == POINT:
        return DiracWorld(settings)
    if settings["data"] == DIGITS:
        return PicturesWorld(settings)
    if settings["data"] == YOURS and points is not None:
        return PlaneWorld(Points(points, "your points"), settings)
    subject = toy(settings["data"])
    return LineWorld(subject, settings) if subject.dim == 1 else PlaneWorld(subject, settings)


def toy(name: str) -> Any:
    """The data of this name, as a toy. The modes of rings and grids are wider than in the literature, so that a short
    game finds them. Raises ValueError for another name."""
    match name:
        case "ring":
            return widened("ring", 0.1)
        case "far-ring":
            return widened("ring", 0.1, shift=4.0)
        case "grid":
            return widened("grid", 0.2)
    return get_toy(name)
