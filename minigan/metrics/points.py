"""What the metrics share: sets of points, and the distances between them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
BLOCK = 1 << 21  # elements of a block of distances: 16 MiB


def squared_distances(a: Floats, b: Floats) -> Iterator[tuple[slice, Floats]]:
    """Rows of the squared distances (len(a), len(b)), a block at a time; the block is overwritten by the next."""
    size = max(1, min(len(a), BLOCK // len(b)))
    squares_a, squares_b = np.einsum("ij,ij->i", a, a), np.einsum("ij,ij->i", b, b)
    block = np.empty((size, len(b)))
    twice = -2 * b.T
    for start in range(0, len(a), size):
        rows = slice(start, min(start + size, len(a)))
        part = block[: rows.stop - start]
        np.matmul(a[rows], twice, out=part)
        part += squares_b
        part += squares_a[rows, None]
        np.maximum(part, 0, out=part)
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
