"""The eye for images without labels: their first principal components.

The covariance of M centred images X (M, D) has the eigenvectors v = Xᵀ u / √λ, with u and λ those of the small Gram
matrix X Xᵀ (M, M), so that images of any size cost the same. M is 2,000 at most; more would hardly move the first 64.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..datasets import to_float

Features = NDArray[np.floating[Any]]
COMPONENTS = 64
IMAGES = 2000


class Components:
    """Projects uint8 images (N, ...) onto at most 64 principal components of the ones given here, in [−1, 1]."""

    def __init__(self, images: NDArray[np.uint8]) -> None:
        rows = np.sort(np.random.default_rng(0).permutation(len(images))[:IMAGES])
        if (images[rows] == images[rows[0]]).all():  # no threshold: what rounding leaves of the mean is not 0
            raise ValueError("all images are the same, so there is nothing to tell samples by; give other images")
        x = to_float(images[rows], "float64").reshape(len(rows), -1)
        self.mean = x.mean(axis=0)
        x -= self.mean
        values, vectors = np.linalg.eigh(x @ x.T)
        values, vectors = values[: -COMPONENTS - 1 : -1], vectors[:, : -COMPONENTS - 1 : -1]
        kept = values > len(x) * np.finfo(np.float64).eps * max(values[0], 0.0)
        self.axes = x.T @ vectors[:, kept] / np.sqrt(values[kept])

    @property
    def about(self) -> str:
        return f"the first {self.axes.shape[1]} principal components of the pixels, since these images have no labels"

    def features(self, images: NDArray[np.uint8]) -> Features:
        """(N, F), float64, of uint8 images (N, ...)."""
        blocks = (images[i : i + 1000] for i in range(0, len(images), 1000))
        return np.concatenate([(to_float(b, "float64").reshape(len(b), -1) - self.mean) @ self.axes for b in blocks])

    def digest(self) -> str:
        """Eight characters that tell these components from all others."""
        return hashlib.sha256(self.mean.tobytes() + self.axes.tobytes()).hexdigest()[:8]
