"""How many kinds of the data does a batch of fakes hold?

The data is parted into cells, the neighbourhoods of at most 32 centres, found by k-means in the space of the samples.
A batch whose shares of the cells are q holds

    exp H(q),   H(q) = −Σ_i q_i log q_i

kinds: k for k cells with equal shares, 1 if all samples lie in one. Its variety is that number over the one that as
many real samples reach. To count in the cells of k-means is the idea of Richardson and Weiss (2018), "On GANs and
GMMs". Two choices keep healthy runs apart from collapsed ones:

    cells are coarse     Early on samples are blurred, but spread over the data already. Centres closer than a quarter
                         of the typical distance of two samples count as one: a narrow mode would be cut into parts
                         that no G in training hits evenly.
    a batch stands alone A G that hops from mode to mode covers all of them in time, and has collapsed at every moment.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..datasets import to_float

__all__ = ["Look", "Variety"]

Floats = NDArray[np.floating[Any]]
Counts = NDArray[np.intp]

_CELLS, _REFERENCE, _ROUNDS = 32, 512, 8  # at most; real samples they are made from; rounds of k-means
_SAME = 0.25  # of the typical distance of two samples: centres closer than this count as one
_DRAWS = 64  # batches of real samples that tell how many kinds to expect


class Look(NamedTuple):
    """Of a batch. kinds: exp H. variety: that over what as many real samples reach."""

    kinds: float
    variety: float


class Variety:
    """The cells of a data set. images: uint8 or floats (N, ...), or an object with an attribute `images`.

    The same data always has the same cells. Samples that are not finite are left out.

    >>> rng = np.random.default_rng(0)
    >>> corners = rng.integers(0, 2, (1000, 2)) * 2.0 + 0.01 * rng.standard_normal((1000, 2))
    >>> variety = Variety(corners)
    >>> variety.cells, variety.look(corners[:100]).variety > 0.9, round(variety.look(0 * corners[:100]).kinds, 2)
    (4, True, 1.0)
    """

    def __init__(self, images: Any) -> None:
        rng = np.random.default_rng(0)  # of its own: a run's random numbers are not touched
        real = _sample(images, rng)
        typical = 2 * float(real.var(axis=0).sum())  # E|x − x'|²
        self._centres = _apart(_k_means(real, rng), _SAME**2 * typical)
        self._squares = (self._centres**2).sum(axis=1)
        self._of_real = self._nearest(real)
        self._expected: dict[int, float] = {}

    @property
    def cells(self) -> int:
        return len(self._centres)

    def look(self, fakes: Floats) -> Look:
        """What a batch of samples (n, ...) holds."""
        kinds = _kinds(self._nearest(fakes.reshape(len(fakes), -1)), self.cells)
        return Look(kinds, kinds / self.expected(len(fakes)))

    def expected(self, n: int) -> float:
        """How many kinds n real samples hold, on average: a little fewer than all of them."""
        if n not in self._expected:
            rng = np.random.default_rng(n)
            draws = (self._of_real[rng.integers(len(self._of_real), size=n)] for _ in range(_DRAWS))
            self._expected[n] = float(np.mean([_kinds(cells, self.cells) for cells in draws]))
        return self._expected[n]

    def _nearest(self, x: Floats) -> Counts:
        return _nearest(x, self._centres, self._squares)


def _sample(images: Any, rng: np.random.Generator) -> Floats:
    """Some of the data, as floats (n, features)."""
    images = getattr(images, "images", images)
    images = images.get() if hasattr(images, "get") else np.asarray(images)  # CuPy's arrays do not become NumPy's
    chosen = images[np.sort(rng.permutation(len(images))[:_REFERENCE])]
    if chosen.dtype == np.uint8:
        chosen = to_float(chosen)
    chosen = chosen.reshape(len(chosen), -1)
    finite = chosen[np.isfinite(chosen).all(axis=1)]
    return finite if len(finite) else np.zeros((1, chosen.shape[1]), np.float32)


def _k_means(x: Floats, rng: np.random.Generator) -> Floats:
    """Centres of cells: Lloyd's rounds from the start of k-means++ (Arthur and Vassilvitskii 2007)."""
    k = min(_CELLS, max(1, len(x) // 4))
    centres = x[rng.integers(len(x), size=1)]
    far = ((x - centres[0]) ** 2).sum(axis=1)
    while len(centres) < k and far.any():
        chances = np.cumsum(far, dtype=np.float64)
        new = min(int(np.searchsorted(chances, rng.random() * chances[-1], side="right")), len(x) - 1)
        centres = np.concatenate([centres, x[new : new + 1]])
        far = np.minimum(far, ((x - x[new]) ** 2).sum(axis=1))
    for _ in range(_ROUNDS):
        cells = _nearest(x, centres, (centres**2).sum(axis=1))
        for i in np.unique(cells):
            centres[i] = x[cells == i].mean(axis=0)
    return centres


def _apart(centres: Floats, least: float) -> Floats:
    """The centres without those whose squared distance from an earlier one is less."""
    kept = centres[:1]
    for centre in centres[1:]:
        if ((kept - centre) ** 2).sum(axis=1).min() > least:
            kept = np.concatenate([kept, centre[None]])
    return kept


def _nearest(x: Floats, centres: Floats, squares: Floats) -> Counts:
    return np.asarray((squares - 2 * (x @ centres.T)).argmin(axis=1))


def _kinds(cells: Counts, count: int) -> float:
    shares = np.bincount(cells, minlength=count) / len(cells)
    shares = shares[shares > 0]
    return float(np.exp(-(shares * np.log(shares)).sum()))
