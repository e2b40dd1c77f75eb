"""Classifiers that learn from a few labels on top of features: a linear probe, and the nearest neighbour.

The probe is a ridge regression of T (n, K), with 1 − 1/K where a row is of class k and −1/K elsewhere, on features X
(n, F), both centred:

    W = argmin ‖X W − T‖² + λ ‖W‖² = Xᵀ α        α = (G + λ I)⁻¹ T,   G = X Xᵀ

A class is then argmax_k x·W_k. One eigendecomposition G = U diag(g) Uᵀ gives α for every λ,

    α = U diag(1/(g + λ)) Uᵀ T

and what the probe says of row i if that row is held out while it learns from all others (Allen 1974):

    f₋ᵢ(xᵢ) = tᵢ − αᵢ/Dᵢ        D = diag (G + λ I)⁻¹ = Σ_j U_ij²/(g_j + λ)

So λ is chosen by the share of labelled rows that are named rightly while each is held out in its turn; where several
strengths are equal in that, by the smallest squared error. Nothing else is looked at.

Checked by tests/test_transfer.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..metrics.retrieval import unit

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
STRENGTHS = tuple(10.0 ** (k / 2) for k in range(-10, 5))  # λ, in units of the mean of diag G


class Probe(NamedTuple):
    """A linear classifier: weights (F, K); strength: λ in units of the mean of diag G; held_out: its accuracy on
    labelled rows, each held out in its turn."""

    weights: Floats
    strength: float
    held_out: float

    def classify(self, x: NDArray[Any]) -> Labels:
        """The classes (N,) of centred features (N, F)."""
        classes: Labels = (x @ self.weights.astype(x.dtype)).argmax(axis=1)
        return classes


def linear_probe(x: NDArray[Any], labels: Labels, classes: int, strengths: Sequence[float] = STRENGTHS) -> Probe:
    """The best probe of features.

    x: (n, F), centred by the means of all data, labelled or not. labels: (n,) from 0 to classes − 1, as many of each.
    strengths: to choose from.

    >>> x = np.array([[-2.0, 0.1], [-1.0, -0.1], [1.0, 0.1], [2.0, -0.1]])
    >>> probe = linear_probe(x, np.array([0, 0, 1, 1]), 2)
    >>> probe.classify(np.array([[-3.0, 0.0], [3.0, 0.0]])).tolist(), probe.held_out
    ([0, 1], 1.0)
    """
    x = np.asarray(x, np.float64)
    targets = np.eye(classes)[labels] - 1 / classes
    gram = x @ x.T
    scale = float(np.trace(gram)) / len(x) or 1.0  # features that are all 0 say nothing, whatever λ is
    values, vectors = np.linalg.eigh(gram)
    turned, squares = vectors.T @ targets, vectors**2
    tried: list[tuple[float, float, float, Floats]] = []
    for strength in strengths:
        inverse = 1 / (np.maximum(values, 0) + strength * scale)
        alpha = vectors @ (inverse[:, None] * turned)
        errors = alpha / (squares @ inverse)[:, None]
        right = float(((targets - errors).argmax(axis=1) == labels).mean())
        tried.append((right, -float((errors**2).mean()), strength, alpha))
    right, _, strength, alpha = max(tried, key=lambda one: one[:3])
    return Probe(x.T @ alpha, strength, right)


def nearest_neighbour(x: NDArray[Any], labels: Labels, queries: NDArray[Any], block: int = 2000) -> Labels:
    """The labels (N,) of those of the rows x (n, F) that are nearest to queries (N, F) by the cosine; a block at a
    time. A row of zeros has no direction, and is as far from all as can be.

    >>> nearest_neighbour(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([3, 7]), np.array([[5.0, 1.0]])).tolist()
    [3]
    """
    known = _directions(x)
    found = [(_directions(queries[i : i + block]) @ known.T).argmax(axis=1) for i in range(0, len(queries), block)]
    named: Labels = labels[np.concatenate(found)]
    return named


def nearest_held_out(x: NDArray[Any], labels: Labels) -> float:
    """The share of labelled rows whose nearest other one has their label."""
    known = _directions(x)
    cosines = known @ known.T
    np.fill_diagonal(cosines, -np.inf)
    return float((labels[cosines.argmax(axis=1)] == labels).mean())


def _directions(rows: NDArray[Any]) -> NDArray[Any]:
    still = ~rows.any(axis=1)
    if not still.any():
        return unit("features", rows)
    directions = np.zeros_like(rows)
    directions[~still] = unit("features", rows[~still])
    return directions
