"""Toy data whose density is known, so that a generator can be held against the truth.

    gaussian, mixture     one and three bells on a line
    ring, grid            8 bells on a circle of radius 1, 25 on a square: the set-ups of PacGAN (Lin et al. 2018)
    spiral, moons         curves in the plane
    checkerboard          the black squares of a board

All but the last are mixtures of equal, isotropic Gaussians, p(x) = 1/M Σ_m N(x; μ_m, σ² I). A curve is one whose bells
stand closer than they are wide. Checked by tests/test_toys.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..names import unknown
from ..spec import integer

__all__ = ["NAMES", "Checkerboard", "Grid", "Mixture", "Points", "Toy", "get_toy"]

Floats = NDArray[np.float64]


class Toy:
    """A density on the line or in the plane. name; dim: 1 or 2; bounds: (low, high) of a square that shows it."""

    name: str
    dim: int
    bounds: tuple[float, float]

    def sample(self, n: int, seed: int = 0) -> NDArray[np.float32]:
        """n points (n, dim), independent; the same for the same seed."""
        raise NotImplementedError

    def density(self, points: ArrayLike) -> Floats:
        """p at each of the points (N, dim): (N,)."""
        raise NotImplementedError

    def mass(self, edges: Floats) -> Floats:
        """The probability of each cell between edges (k + 1,), rising, the same on both axes: (k,) or (k, k)."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class Mixture(Toy):
    """Equal Gaussians. means: (M, dim); std: of each, along every axis; curve: the means are no modes of their own.

    Raises ValueError for means or a std that a mixture cannot have.

    >>> ring = get_toy("ring")
    >>> ring.means.shape, ring.sample(3).dtype, round(float(ring.density([[1.0, 0.0]])[0]), 2)
    ((8, 2), dtype('float32'), 198.94)
    """

    name: str
    means: Floats
    std: float
    bounds: tuple[float, float]
    curve: bool = False

    def __post_init__(self) -> None:
        means = np.asarray(self.means, np.float64)
        if means.ndim != 2 or means.shape[1] not in (1, 2) or not len(means) or not np.isfinite(means).all():
            raise ValueError(f"a mixture needs finite means (M, 1) or (M, 2), got shape {means.shape}")
        if not 0 < self.std < math.inf:
            raise ValueError(f"a mixture needs a positive standard deviation, got {self.std}")
        object.__setattr__(self, "means", means)

    @property
    def dim(self) -> int:  # type: ignore[override]
        return int(self.means.shape[1])

    def sample(self, n: int, seed: int = 0) -> NDArray[np.float32]:
        rng = np.random.default_rng(integer("seed", seed, least=0))
        centres = self.means[rng.integers(len(self.means), size=integer("n", n))]
        return (centres + self.std * rng.standard_normal(centres.shape)).astype(np.float32)

    def density(self, points: ArrayLike) -> Floats:
        x = _points(points, self.dim)
        scale = len(self.means) * (2 * math.pi * self.std**2) ** (self.dim / 2)
        total = np.zeros(len(x))
        for mean in self.means:
            total += np.exp(-((x - mean) ** 2).sum(axis=1) / (2 * self.std**2))
        return np.asarray(total / scale)

    def mass(self, edges: Floats) -> Floats:
        erf = np.vectorize(math.erf, otypes=[float])
        below = (1 + erf((np.asarray(edges)[:, None, None] - self.means) / (self.std * math.sqrt(2)))) / 2
        axes = np.diff(below, axis=0)  # (k, M, dim): of a bell, along each axis, which are independent
        if self.dim == 1:
            return np.asarray(axes[:, :, 0].mean(axis=1))
        return np.asarray(axes[:, :, 0] @ axes[:, :, 1].T / len(self.means))


@dataclass(frozen=True)
class Checkerboard(Toy):
    """Uniform on every second of `squares` × `squares` squares that fill [−2, 2]²; squares must be even.

    >>> board = Checkerboard()
    >>> board.density([[-1.5, 1.5], [-0.5, 1.5], [9.0, 9.0]]).tolist()
    [0.0, 0.125, 0.0]
    """

    squares: int = 4
    name: str = "checkerboard"
    dim: int = 2
    bounds: tuple[float, float] = (-2.5, 2.5)

    def __post_init__(self) -> None:
        if self.squares < 2 or self.squares % 2:
            raise ValueError(f"a checkerboard needs an even number of squares on a side, got {self.squares}")

    @property
    def side(self) -> float:
        """Of one square."""
        return 4 / self.squares

    def sample(self, n: int, seed: int = 0) -> NDArray[np.float32]:
        rng = np.random.default_rng(integer("seed", seed, least=0))
        row = rng.integers(self.squares, size=integer("n", n))
        column = 2 * rng.integers(self.squares // 2, size=n) + row % 2
        corner = np.stack([column, row], axis=1)
        return np.asarray((corner + rng.random((n, 2))) * self.side - 2, np.float32)

    def density(self, points: ArrayLike) -> Floats:
        x = _points(points, 2)
        column, row = np.floor((x + 2) / self.side).astype(int).T
        black = (column + row) % 2 == 0
        return np.where(black & (np.abs(x) < 2).all(axis=1), 1 / 8, 0.0)

    def mass(self, edges: Floats) -> Floats:
        lines = np.linspace(-2, 2, self.squares + 1)
        low, high = np.asarray(edges)[:-1, None], np.asarray(edges)[1:, None]
        overlap = np.clip(np.minimum(high, lines[1:]) - np.maximum(low, lines[:-1]), 0, None)  # (k, squares)
        black = np.add.outer(np.arange(self.squares), np.arange(self.squares)) % 2 == 0
        return np.asarray(overlap @ black @ overlap.T / 8)


@dataclass(frozen=True, eq=False)
class Points(Toy):
    """Points of one's own (N, d), of which a sample draws some again; no density is known, but shares of cells.

    >>> Points.scaled(np.array([[1.0, 10.0], [3.0, 10.0]]), "two").points.tolist()
    [[-2.0, 0.0], [2.0, 0.0]]
    """

    points: NDArray[np.float32]
    name: str
    bounds: tuple[float, float] = (-2.5, 2.5)

    @classmethod
    def scaled(cls, points: NDArray[np.float32], name: str) -> Points:
        """With their middle in 0, all by one factor, so that the widest axis is from −2 to 2."""
        low, high = points.min(axis=0), points.max(axis=0)
        half = float((high - low).max()) / 2
        if not half > 0:
            raise ValueError(f"the {len(points)} points of {name} all lie in one place; there is nothing to learn")
        return cls(np.asarray((points - (low + high) / 2) * (2 / half), np.float32), name)

    @property
    def dim(self) -> int:  # type: ignore[override]
        return int(self.points.shape[1])

    def sample(self, n: int, seed: int = 0) -> NDArray[np.float32]:
        rng = np.random.default_rng(integer("seed", seed, least=0))
        return self.points[rng.integers(len(self.points), size=integer("n", n))]

    def density(self, points: ArrayLike) -> Floats:
        raise ValueError(f"the density of {self.name} is not known; compare shares of cells")

    def mass(self, edges: Floats) -> Floats:
        return np.histogramdd(np.asarray(self.points, np.float64), [edges] * self.dim)[0] / len(self.points)


class Grid:
    """Equal cells over the bounds of a toy, and one more for all that lies outside: shares for `js_divergence`.

    cells: along each axis.

    >>> from minigan.metrics import js_divergence
    >>> toy = get_toy("moons")
    >>> grid = Grid(toy, 40)
    >>> js_divergence(grid.truth, grid.truth), round(js_divergence(grid.truth, grid.shares(toy.sample(10) + 9)), 4)
    (0.0, 0.6931)
    """

    def __init__(self, toy: Toy, cells: int = 50) -> None:
        self.toy = toy
        self.edges = np.linspace(*toy.bounds, integer("cells", cells) + 1)
        inside = toy.mass(self.edges).ravel()
        self.truth: Floats = np.append(inside, max(0.0, 1 - inside.sum()))
        self.truth /= self.truth.sum()

    def shares(self, samples: ArrayLike) -> Floats:
        """The share of samples (N, dim) in each cell, and outside: (cells^dim + 1,), with sum 1."""
        x = _points(samples, self.toy.dim)
        if not len(x):
            raise ValueError("no samples have no shares; give at least one")
        counts, _ = np.histogramdd(x, [self.edges] * self.toy.dim)
        return np.append(counts.ravel(), len(x) - counts.sum()) / len(x)


def _ring() -> Toy:
    angles = np.arange(8) * (2 * math.pi / 8)  # 8 of them: linspace(0, 2 pi, 8) would have the first one twice
    return Mixture("ring", np.stack([np.cos(angles), np.sin(angles)], axis=1), 0.01, (-1.5, 1.5))


def _grid() -> Toy:
    side = np.arange(-4.0, 5.0, 2.0)
    return Mixture("grid", np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2), 0.05, (-5.0, 5.0))


def _spiral() -> Toy:
    """A turn and a half, r = φ/2π, at nearly equal distances along the curve."""
    phi = np.sqrt(np.linspace(0.05, 1, 400)) * (4 * math.pi)  # arc length grows nearly with φ²
    radius = phi / (2 * math.pi)
    return Mixture("spiral", np.stack([radius * np.cos(phi), radius * np.sin(phi)], axis=1), 0.05, (-2.5, 2.5), True)


def _moons() -> Toy:
    """Two half circles, one around the end of the other."""
    angle = np.linspace(0, math.pi, 200)
    upper = np.stack([np.cos(angle) - 0.5, np.sin(angle) - 0.25], axis=1)
    return Mixture("moons", np.concatenate([upper, -upper]), 0.08, (-2.0, 2.0), True)


_TOYS: dict[str, Callable[[], Toy]] = {
    "gaussian": lambda: Mixture("gaussian", np.array([[2.0]]), 0.5, (-2.0, 6.0)),
    "mixture": lambda: Mixture("mixture", np.array([[-2.0], [0.0], [2.0]]), 0.4, (-4.0, 4.0)),
    "ring": _ring,
    "grid": _grid,
    "spiral": _spiral,
    "moons": _moons,
    "checkerboard": Checkerboard,
}
NAMES = tuple(_TOYS)


def get_toy(name: str) -> Any:
    """The toy of this name. Raises ValueError for an unknown one, listing the known ones."""
    if name not in _TOYS:
        raise ValueError(unknown("toy", name, NAMES))
    return _TOYS[name]()


def _points(given: ArrayLike, dim: int) -> Floats:
    x = np.asarray(given, np.float64)
    if x.ndim != 2 or x.shape[1] != dim:
        raise ValueError(f"points of shape {x.shape} were given, but (N, {dim}) was expected; reshape them")
    return x
