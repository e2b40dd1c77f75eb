"""How far may the mean of a few figures be from what many would give?

Of n figures with mean m and standard deviation s (of n − 1 degrees of freedom), were they normal, the true mean lies in

    m ± t s/√n        P(|T| ≤ t) = level for Student's T of ν = n − 1 degrees of freedom

in a share `level` of all cases ("Student" 1908). With T = √ν tan θ the density of θ is proportional to cos^(ν−1) θ, so
that P(|T| ≤ √ν tan φ) is an integral from 0 to φ over that from 0 to π/2; the trapezoids of a fine grid are enough.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..spec import integer, number

_GRID = 200_001


class Interval(NamedTuple):
    """The mean of n figures, and how far the interval reaches on each side; None where there is one figure only."""

    mean: float
    half: float | None
    n: int


def mean_interval(figures: ArrayLike, level: float = 0.95) -> Interval:
    """The mean of figures (n,) with its interval. Raises ValueError for none, and for what is not finite.

    >>> mean_interval([1.0, 2.0, 3.0])
    Interval(mean=2.0, half=2.484137..., n=3)
    """
    given = np.asarray(figures, np.float64)
    if given.ndim != 1 or not len(given) or not np.isfinite(given).all():
        raise ValueError(f"figures of shape {given.shape} were given, but a row of finite numbers was expected")
    if len(given) == 1:
        return Interval(float(given[0]), None, 1)
    spread = float(given.std(ddof=1)) / math.sqrt(len(given))
    return Interval(float(given.mean()), student(len(given) - 1, level) * spread, len(given))


@functools.cache
def student(freedom: int, level: float = 0.95) -> float:
    """t with P(|T| ≤ t) = level, for Student's T of so many degrees of freedom.

    >>> round(student(9), 4)
    2.2622
    """
    freedom, level = integer("freedom", freedom), number("level", level, "(0, 1)")
    angles = np.linspace(0, math.pi / 2, _GRID)
    density = np.cos(angles) ** (freedom - 1)
    area = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    return math.sqrt(freedom) * math.tan(float(np.interp(level, area / area[-1], angles)))
