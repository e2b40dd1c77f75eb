"""What the metrics share: sets of points, and the distances between them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
BLOCK = 1 << 21  # elements of a block of distances: 16 MiB


def squared_distances(a: Floats, b: Floats) -> Iterator[tuple[slice, Floats]]:
    """Rows of the squared distances (len(a), len(b)), a block at a time; the block is overwritten by the next.

    What is smaller than the rounding of |x|² − 2 x·y + |y|² is no distance: equal points are at 0, exactly.
    """
    middle = np.rint(b.mean(axis=0))  # far from 0 little would be left of the digits; whole numbers stay whole
    a, b = a - middle, b - middle
    size = max(1, min(len(a), BLOCK // len(b)))
    squares_a, squares_b = np.einsum("ij,ij->i", a, a), np.einsum("ij,ij->i", b, b)
    block, noise = np.empty((2, size, len(b)))
    rounding = max(4, a.shape[1]) * np.finfo(np.float64).eps
    twice = -2 * b.T
    for start in range(0, len(a), size):
        rows = slice(start, min(start + size, len(a)))
        part, least = block[: rows.stop - start], noise[: rows.stop - start]
        np.matmul(a[rows], twice, out=part)
        np.add(squares_b, squares_a[rows, None], out=least)
        part += least
        least *= rounding
        part[part <= least] = 0
        yield rows, part


def as_points(name: str, given: Any, least: int = 1) -> Floats:
    """As float64 (N, F), or ValueError."""
    points = np.asarray(given)
    if points.dtype.kind not in "fiub":
        raise ValueError(f"the {name} are {points.dtype}, but real numbers were expected; convert them first")
    if points.ndim != 2 or points.shape[1] == 0 or len(points) < least:
        raise ValueError(
            f"the {name} have shape {points.shape}, but (N, F) with N of {least} or more was expected; "
            "give one row of numbers for each, and enough of them"
        )
    if not np.isfinite(points).all():
        raise ValueError(
            f"the {name} hold NaN or infinity, but finite numbers were expected; look at where they come from"
        )
    return np.asarray(points, np.float64)


def same_width(a: Floats, b: Floats) -> None:
    if a.shape[1] != b.shape[1]:
        raise ValueError(
            f"points of {a.shape[1]} and of {b.shape[1]} numbers cannot be compared; give features of one kind"
        )
