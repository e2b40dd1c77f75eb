"""Where do two sets live? Precision and recall."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .points import as_points, same_width, squared_distances


class Manifold:
    """Where a set of points lives, as far as its points can tell: a ball around each, up to its k-th neighbour.

    points: (N, F) with N > k ≥ 1.
    Raises ValueError for another shape, too few points, or what is not finite. Memory: the points, as float64.

    >>> line = Manifold([[0.0], [1.0], [2.0]], k=1)
    >>> line.contains([[0.5], [2.9], [3.1]]).tolist()
    [True, True, False]
    """

    def __init__(self, points: ArrayLike, k: int = 3) -> None:
        if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
            raise ValueError(f"k takes a whole number of 1 or more, got {k!r}")
        self.points = as_points("points", points, least=int(k) + 1)
        self.k = int(k)
        self._squares = np.empty(len(self.points))
        for rows, distances in squared_distances(self.points, self.points):
            distances[np.arange(len(distances)), np.arange(rows.start, rows.stop)] = np.inf  # no neighbour of itself
            self._squares[rows] = np.partition(distances, self.k - 1, axis=1)[:, self.k - 1]

    def contains(self, points: ArrayLike) -> NDArray[np.bool_]:
        """Whether each of the points (M, F) lies in one of the balls, borders included: booleans (M,)."""
        x = as_points("points", points)
        same_width(self.points, x)
        found = np.empty(len(x), bool)
        for rows, distances in squared_distances(x, self.points):
            found[rows] = (distances <= self._squares).any(axis=1)
        return found


class PrecisionRecall(NamedTuple):
    """precision: which part of the fakes looks real. recall: which part of the real ones G can make."""

    precision: float
    recall: float


def precision_recall(real: ArrayLike, fake: ArrayLike, k: int = 3) -> PrecisionRecall:
    """Two figures in [0, 1] that the Fréchet distance lumps together: quality and variety.

    real (N, F), fake (M, F); N, M > k. Precision is the share of fakes within the manifold of the real points, recall
    the share of real points within that of the fakes; see `Manifold`. Kynkäänniemi et al. (2019), "Improved precision
    and recall metric for assessing generative models", equations 1 and 2, with their k = 3. Both grow with the number
    of points, so compare equal numbers only.

    Raises ValueError for shapes that do not fit, too few points, or what is not finite.

    >>> corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1], [9, 9], [9, 8], [8, 9], [8, 8]], float)
    >>> precision_recall(corners, corners[:4] + 0.1)  # every fake looks real, but half of the real ones are missing
    PrecisionRecall(precision=1.0, recall=0.5)
    """
    a, b = Manifold(real, k), Manifold(fake, k)
    return PrecisionRecall(float(a.contains(b.points).mean()), float(b.contains(a.points).mean()))
