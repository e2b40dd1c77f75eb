"""Are two sets alike, seen as two Gaussians?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .points import Floats, as_points


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
    x = as_points("features", features, least=2)
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
