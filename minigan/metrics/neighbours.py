"""Which image is nearest, and how far?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import points
from .points import Floats, as_points


class Neighbours(NamedTuple):
    """For each of N samples: which image is nearest, int64 (N,), and how far it is, float64 (N,)."""

    indices: NDArray[np.int64]
    distances: Floats


def nearest_neighbours(samples: ArrayLike, images: ArrayLike) -> Neighbours:
    """For each sample, which image is nearest, and how far it is (Euclidean, over all pixels, in their own unit).

    samples (N, ...), images (M, ...), numbers of any kind, the same size. The distance to the image found is computed
    from the differences, so it is exactly 0 for a copy. Images are taken as they come, a block at a time, so that
    uint8 images are never converted as a whole.

    Raises ValueError for shapes that do not fit, empty sets, or what is not finite.

    >>> nearest_neighbours([[0, 0], [4, 4]], [[0, 3], [4, 4], [9, 9]])
    Neighbours(indices=array([0, 1]), distances=array([3., 0.]))
    """
    x, y = np.asarray(samples), np.asarray(images)
    if x.ndim < 1 or y.ndim < 1 or x.size == 0 or y.size == 0 or x.shape[1:] != y.shape[1:]:
        raise ValueError(f"samples {x.shape} and images {y.shape} were given, but at least one of each and one size "
                         "were expected; reshape them alike")  # fmt: skip
    x, y = x.reshape(len(x), -1), y.reshape(len(y), -1)
    floats = as_points("samples", x)
    middle = np.rint(floats.mean(axis=0))  # far from 0 products have no digits left for what is near
    shifted = floats - middle
    index, best = np.zeros(len(x), np.int64), np.full(len(x), np.inf)
    size = max(1, points.BLOCK // max(len(x), x.shape[1]))
    for start in range(0, len(y), size):
        block = as_points("images", y[start : start + size]) - middle
        score = shifted @ (-2 * block.T)  # |y|² − 2 x·y is smallest where |x − y|² is
        score += np.einsum("ij,ij->i", block, block)
        nearest = score.argmin(axis=1)
        found = score[np.arange(len(x)), nearest]
        nearer = found < best
        index[nearer], best[nearer] = start + nearest[nearer], found[nearer]
    differences = floats - y[index]
    return Neighbours(index, np.sqrt(np.einsum("ij,ij->i", differences, differences)))
