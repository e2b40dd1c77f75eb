"""Shares of classes, or of the cells of a grid, and how far two rows of shares are apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .points import Floats


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


def js_divergence(p: ArrayLike, q: ArrayLike) -> float:
    """The divergence of Jensen and Shannon of two rows of shares, in nats: 0 for equal ones, log 2 for disjoint ones.

        JSD = ½ KL(p ‖ m) + ½ KL(q ‖ m),   m = (p + q)/2

    It is what D's best possible loss measures (Goodfellow et al. 2014, theorem 1): V(D*, G) = −log 4 + 2 JSD. For
    samples, p and q are the shares of cells, see `minigan.datasets.toys.Grid`; N samples of one distribution then
    differ from it by chance, by about (cells − 1)/(8 N), so compare with what real samples score.

    Both (classes,), not negative, with sum 1. Raises ValueError for what are no shares, or for shapes that differ.

    >>> js_divergence([0.5, 0.5], [0.5, 0.5]), round(js_divergence([1.0, 0.0], [0.0, 1.0]), 4)
    (0.0, 0.6931)
    """
    a, b = _shares("p", p), _shares("q", q)
    if a.shape != b.shape:
        raise ValueError(f"{len(a)} shares cannot be compared with {len(b)}; take the same cells for both")
    middle = (a + b) / 2
    return (kl_divergence(a, middle) + kl_divergence(b, middle)) / 2


def _shares(name: str, given: ArrayLike) -> Floats:
    shares = np.asarray(given, np.float64)
    if shares.ndim != 1 or shares.size == 0 or not ((shares >= 0).all() and abs(shares.sum() - 1) < 1e-6):
        raise ValueError(f"{name} must be a row of numbers of 0 or more with sum 1; divide counts by their sum")
    return shares
