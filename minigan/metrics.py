"""How good are generated samples? Figures that compare two sets of points, or of images.

    frechet_distance      are the two sets alike, seen as two Gaussians?          Heusel et al. 2017
    precision_recall      do the samples look real, and is everything there?      Kynkäänniemi et al. 2019
    kl_divergence         does each class come as often as it should?
    nearest_neighbours    are the samples new, or copies of training images?
    matching              which category is which class, where nobody has said?   Kuhn 1955

Pure functions of NumPy arrays, computed in float64. "Features" (N, F) are one row of numbers per image, from a
network that was trained for something else; in `minigan.evaluation` it is a small classifier. Distances depend on
those features: only figures from the same features, and the same number of samples, can be compared. All distances
between two sets come from products, |x − y|² = |x|² − 2 x·y + |y|², block by block: memory stays within a few dozen
megabytes beyond the sets themselves. Checked by tests/test_metrics.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Manifold",
    "Moments",
    "PrecisionRecall",
    "class_shares",
    "frechet_distance",
    "frechet_of_moments",
    "kl_divergence",
    "matching",
    "moments",
    "nearest_neighbours",
    "precision_recall",
]

Floats = NDArray[np.float64]
_BLOCK = 1 << 21  # elements of a block of distances: 16 MiB


# --- two Gaussians ---------------------------------------------------------------------------------------------


class Moments(NamedTuple):
    """What a Gaussian knows of a set of features: mean (F,) and covariance (F, F), float64."""

    mean: Floats
    covariance: Floats


def moments(features: ArrayLike) -> Moments:
    """Mean and covariance (divided by N − 1) of features (N, F), N ≥ 2, in float64.

    Raises ValueError for another shape, fewer rows, or what is not finite.

    >>> mean, covariance = moments([[0.0, 0.0], [2.0, 4.0]])
    >>> mean.tolist(), covariance.tolist()
    ([1.0, 2.0], [[2.0, 4.0], [4.0, 8.0]])
    """
    x = _points("features", features, least=2)
    mean = x.mean(axis=0)
    x = x - mean
    return Moments(mean, x.T @ x / (len(x) - 1))


def frechet_of_moments(a: Moments, b: Moments) -> float:
    """The Fréchet distance of two Gaussians; see `frechet_distance`.

    With any L_a, L_b such that C = L Lᵀ, the trace of (C_a C_b)^½ is the sum of the singular values of L_aᵀ L_b:
    their squares are the eigenvalues of L_aᵀ C_b L_a, which are those of C_a C_b. Here L = V √λ from the symmetric
    eigendecomposition C = V λ Vᵀ. No square root is taken of a small difference, so that equal sets are at distance
    0 to rounding, and eigenvalues that are nothing but rounding are left out, so that covariances need no full rank.

    Raises ValueError for moments that do not fit together or are not finite.

    >>> unit = np.eye(3)
    >>> round(frechet_of_moments(Moments(np.zeros(3), unit), Moments(np.ones(3), 4 * unit)), 12)
    6.0
    """
    for name, (mean, covariance) in {"first": a, "second": b}.items():
        if np.ndim(mean) != 1 or np.shape(covariance) != (len(mean), len(mean)) or np.shape(mean) != np.shape(a[0]):
            raise ValueError(
                f"the {name} moments have shapes {np.shape(mean)} and {np.shape(covariance)}, but a mean (F,) and a "
                "covariance (F, F) were expected, with one F for both; take them of features of one kind"
            )
        if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
            raise ValueError(f"the {name} moments hold NaN or infinity; take them of finite features")
    trace_of_root = np.linalg.svd(_factor(a.covariance).T @ _factor(b.covariance), compute_uv=False).sum()
    spread = np.trace(a.covariance) + np.trace(b.covariance) - 2 * trace_of_root
    return max(0.0, float(np.sum((a.mean - b.mean) ** 2) + spread))


def frechet_distance(a: ArrayLike, b: ArrayLike) -> float:
    """How far apart two sets of features are, seen as two Gaussians: 0 for equal ones, without an upper end.

    a (N, F), b (M, F); N, M ≥ 2, but several times F for a figure worth having: fewer samples make it larger.

        d² = |μ_a − μ_b|² + tr(C_a + C_b − 2 (C_a C_b)^½)

    This squared distance is what Heusel et al. (2017), "GANs trained by a two time-scale update rule", call FID where
    the features are those of an Inception network (Dowson and Landau 1982 have the formula). Translating, rotating or
    reflecting both sets leaves it as it is; scaling both by c makes it c² times as large.

    Raises ValueError for shapes that do not fit, too few rows, or what is not finite.

    >>> real = np.random.default_rng(0).standard_normal((1000, 8))
    >>> round(frechet_distance(real, real), 9), round(frechet_distance(real, real + [3, 4, 0, 0, 0, 0, 0, 0]), 9)
    (0.0, 25.0)
    """
    return frechet_of_moments(moments(a), moments(b))


def _factor(covariance: Floats) -> Floats:
    """L of (F, rank) with L Lᵀ = C."""
    values, vectors = np.linalg.eigh(covariance)
    kept = values > len(values) * np.finfo(np.float64).eps * max(values[-1], 0.0)
    factor: Floats = vectors[:, kept] * np.sqrt(values[kept])
    return factor


# --- two manifolds ---------------------------------------------------------------------------------------------


class Manifold:
    """Where a set of points lives, as far as its points can tell: a ball around each, up to its k-th neighbour.

    points: (N, F) with N > k ≥ 1. `radii` (N,): distance of each point to its k-th nearest among the others.
    Raises ValueError for another shape, too few points, or what is not finite. Memory: the points, as float64.

    >>> line = Manifold([[0.0], [1.0], [2.0]], k=1)
    >>> line.radii.tolist(), line.contains([[0.5], [2.9], [3.1]]).tolist()
    ([1.0, 1.0, 1.0], [True, True, False])
    """

    def __init__(self, points: ArrayLike, k: int = 3) -> None:
        if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
            raise ValueError(f"k takes a whole number of 1 or more, got {k!r}")
        self.points = _points("points", points, least=int(k) + 1)
        self.k = int(k)
        self._squares = np.empty(len(self.points))
        for rows, distances in _squared_distances(self.points, self.points):
            distances[np.arange(len(distances)), np.arange(rows.start, rows.stop)] = np.inf  # no neighbour of itself
            self._squares[rows] = np.partition(distances, self.k - 1, axis=1)[:, self.k - 1]

    @property
    def radii(self) -> Floats:
        return np.sqrt(self._squares)

    def contains(self, points: ArrayLike) -> NDArray[np.bool_]:
        """Whether each of the points (M, F) lies in one of the balls, borders included: booleans (M,)."""
        x = _points("points", points)
        _same_width(self.points, x)
        found = np.empty(len(x), bool)
        for rows, distances in _squared_distances(x, self.points):
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


# --- classes ---------------------------------------------------------------------------------------------------


def class_shares(labels: ArrayLike, classes: int) -> Floats:
    """The share of each of the classes 0 to classes − 1 among labels (N,): floats (classes,) that sum to 1.

    Raises ValueError for no labels, or labels that are no integers in that range.

    >>> class_shares([0, 2, 2, 2], 3).tolist()
    [0.25, 0.0, 0.75]
    """
    given = np.asarray(labels)
    if given.ndim != 1 or given.size == 0 or given.dtype.kind not in "iu" or given.min() < 0 or given.max() >= classes:
        raise ValueError(
            f"labels of shape {given.shape} and dtype {given.dtype} were given, but a row of whole numbers from 0 to "
            f"{classes - 1} was expected; number the classes first"
        )
    return np.bincount(given, minlength=classes) / len(given)


def kl_divergence(shares: ArrayLike, reference: ArrayLike | None = None) -> float:
    """Kullback and Leibler's divergence Σ p log(p / q) of shares p from reference q, in nats.

    Both (classes,), not negative, with sum 1; by default q is uniform. It is 0 where they agree, and infinite only if
    a class comes that should not: for a class that is missing, p log p = 0.

    Raises ValueError for what are no shares, or for shapes that differ.

    >>> round(kl_divergence([0.5, 0.5, 0.0, 0.0]), 4), kl_divergence([0.9, 0.1], [0.9, 0.1])
    (0.6931, 0.0)
    """
    p = _shares("shares", shares)
    q = np.full(len(p), 1 / len(p)) if reference is None else _shares("reference", reference)
    if p.shape != q.shape:
        raise ValueError(f"{len(p)} shares cannot be compared with {len(q)}; give one for each class in both")
    present = p > 0
    with np.errstate(divide="ignore"):
        return max(0.0, float((p[present] * np.log(p[present] / q[present])).sum()))


def _shares(name: str, given: ArrayLike) -> Floats:
    shares = np.asarray(given, np.float64)
    if shares.ndim != 1 or shares.size == 0 or not ((shares >= 0).all() and abs(shares.sum() - 1) < 1e-6):
        raise ValueError(f"{name} must be a row of numbers of 0 or more with sum 1; divide counts by their sum")
    return shares


# --- neighbours ------------------------------------------------------------------------------------------------


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
    floats = _points("samples", x)
    index, best = np.zeros(len(x), np.int64), np.full(len(x), np.inf)
    size = max(1, _BLOCK // max(len(x), x.shape[1]))
    for start in range(0, len(y), size):
        block = _points("images", y[start : start + size])
        score = floats @ (-2 * block.T)  # |y|² − 2 x·y is smallest where |x − y|² is
        score += np.einsum("ij,ij->i", block, block)
        nearest = score.argmin(axis=1)
        found = score[np.arange(len(x)), nearest]
        nearer = found < best
        index[nearer], best[nearer] = start + nearest[nearer], found[nearer]
    differences = floats - y[index]
    return Neighbours(index, np.sqrt(np.einsum("ij,ij->i", differences, differences)))


# --- two labellings --------------------------------------------------------------------------------------------


def matching(gains: ArrayLike) -> NDArray[np.int64]:
    """A column for each row, none for two, such that the sum of their entries is largest: (rows,), −1 for no column.

    gains: (rows, columns), real numbers; where there are more rows than columns, some get none. Raises ValueError for
    another shape or what is not finite.

    Kuhn's Hungarian method: row after row is matched along the shortest augmenting path, where a step costs what is
    lost against the best so far, cost_ij − u_i − v_j ≥ 0; u and v change such that no cost becomes negative and matched
    pairs cost 0. It takes O(n³) steps.

    >>> matching([[8, 9], [1, 8]]).tolist()       # 8 + 8 is more than 9 + 1
    [0, 1]
    """
    given = _points("gains", gains)
    rows, columns = given.shape
    n = max(rows, columns)
    cost = np.zeros((n, n))
    cost[:rows, :columns] = given.max() - given
    cost[:, columns:] = cost.max(initial=0.0)  # no column: as bad as the worst
    u, v = np.zeros(n), np.zeros(n + 1)
    row_of = np.full(n + 1, -1)  # of each column; the last column is where the new row waits
    for row in range(n):
        row_of[n], at = row, n
        distance, before, seen = np.full(n, np.inf), np.full(n, n), np.zeros(n + 1, bool)
        while row_of[at] >= 0:
            seen[at] = True
            i = row_of[at]
            reduced = cost[i] - u[i] - v[:n]
            nearer = ~seen[:n] & (reduced < distance)
            distance[nearer], before[nearer] = reduced[nearer], at
            nearest = int(np.where(seen[:n], np.inf, distance).argmin())
            step = distance[nearest]
            u[row_of[seen]] += step
            v[seen] -= step
            distance[~seen[:n]] -= step
            at = nearest
        while at != n:  # along the path, each column takes the row of the one before
            row_of[at] = row_of[before[at]]
            at = before[at]
    found = np.full(n, -1)
    found[row_of[:n]] = np.arange(n)
    found[found >= columns] = -1
    return found[:rows]


# --- what they share -------------------------------------------------------------------------------------------


def _squared_distances(a: Floats, b: Floats) -> Iterator[tuple[slice, Floats]]:
    """Rows of the squared distances (len(a), len(b)), a block at a time; the block is overwritten by the next."""
    size = max(1, min(len(a), _BLOCK // len(b)))
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


def _points(name: str, given: Any, least: int = 1) -> Floats:
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


def _same_width(a: Floats, b: Floats) -> None:
    if a.shape[1] != b.shape[1]:
        raise ValueError(
            f"points of {a.shape[1]} and of {b.shape[1]} numbers cannot be compared; give features of one kind"
        )
