"""What every world has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...gan import GAN
from ..settings import KNOBS

Array = Any
Floats = NDArray[np.floating[Any]]


class Figure(NamedTuple):
    """Something that is measured of a game. value: in words."""

    name: str
    value: str
    help: str


class World:
    """What is played for, and how it is seen. data: (N, dim) floats that D is shown.

    measured: names of what `measure` returns. pace: steps of a frame at most, where more would be too many to follow.
    `build` makes a game from its beginning, with these settings; nothing here changes a game or draws its random
    numbers.
    """

    name: str
    data: Array
    measured: tuple[str, ...] = ()
    pace: int | None = None
    chunk = 5  # steps between two looks at the clock
    labels: Array = None  # of the data, where a game may be told them

    def build(self, settings: dict[str, Any]) -> GAN:
        raise NotImplementedError

    def measure(self, gan: GAN) -> dict[str, float]:
        """How far the game has come, as numbers."""
        return {}

    def figures(self, measured: dict[str, float]) -> list[Figure]:
        """The same in words."""
        return []

    def moved(self, gan: GAN) -> None:
        """Told after each step."""

    def frame(self, gan: GAN, view: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Array]]:
        """What there is to see: facts, and arrays of float32 or uint8. view: from where, in a world that asks."""
        raise NotImplementedError

    @classmethod
    def knobs(cls) -> list[str]:
        """What can be set in this world."""
        return [knob.name for knob in KNOBS if cls.name in knob.worlds]
