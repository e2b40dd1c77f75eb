"""A line cut into fine cells: what two distributions on it, and a D, are worth, by sums over the cells.

With p and q the shares of a cell under the data and under G, and D at its centre:

    V(D) = Σ p log D + q log(1 − D)          D* = p/(p + q)          V(D*) = −log 4 + 2 JSD(p, q)

log D = −softplus(−l) and log(1 − D) = −softplus(l) of D's logit l stay finite however sure D is. For a density that is
smooth within a cell these sums are integrals (the midpoint rule, which for bells is good to rounding).

The shares under a G that maps one number z to the line follow from a change of variables,

    p_G(x) = Σ_{z: G(z) = x} p_z(z) / |G′(z)|,

which has poles where G turns around. Its integral has none, and is what `Line.generated` takes: P(G(z) ≤ x) is the
probability of all z whose image lies left of x, with G linear between neighbours of a fine grid of z.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..backend import Backend
from ..datasets.toys import Mixture
from ..gan import GAN
from ..nn import Dense, Sequential

Floats = NDArray[np.float64]


class Line:
    """Equal cells between low and high. x: their centres (cells, 1); edges: (cells + 1,)."""

    def __init__(self, low: float, high: float, cells: int = 2000) -> None:
        self.edges = np.linspace(low, high, cells + 1)
        self.width = (high - low) / cells
        self.x = (self.edges[:-1, None] + self.edges[1:, None]) / 2

    def shares(self, toy: Mixture) -> Floats:
        """Of each cell under a mixture, (cells,) with sum 1. Raises ValueError if more than 1e-6 of it lies outside."""
        shares = toy.density(self.x) * self.width
        return self._normalised(shares, toy.name)

    def generated(self, gan: GAN, steps: int = 2000) -> Floats:
        """Of each cell under a G of one number z, of the GAN's prior: (cells,) with sum 1. steps: of the grid of z.

        Raises ValueError if more than 1e-6 of it lies outside.
        """
        return self._normalised(self.inside(gan, steps), "G")

    def inside(self, gan: GAN, steps: int = 2000) -> Floats:
        """The same where some of it may lie outside: (cells,) with the sum that lies inside."""
        if gan.prior == "uniform":
            z = np.linspace(-1, 1, steps + 1)
            chances = np.full(steps, 1 / steps)
        else:  # beyond 6 standard deviations there are 2e-9 of all z
            z = np.linspace(-6, 6, steps + 1)
            chances = np.diff([math.erf(end / math.sqrt(2)) for end in z]) / 2
        ends = gan.generate(z[:, None])[:, 0]
        low, high = np.minimum(ends[:-1], ends[1:]), np.maximum(ends[:-1], ends[1:])
        room = np.maximum(high - low, np.finfo(np.float64).tiny)  # a flat step has all of its share in one cell
        below = np.clip((self.edges[:, None] - low) / room, 0, 1) @ chances
        return np.asarray(np.diff(below))

    def _normalised(self, shares: Floats, name: str) -> Floats:
        if abs(shares.sum() - 1) > 1e-6:
            raise ValueError(
                f"{shares.sum():.6g} of the distribution of {name} lies between {self.edges[0]:g} and "
                f"{self.edges[-1]:g}, but all of it should; take a longer line"
            )
        return np.asarray(shares / shares.sum())


def best(p: Floats, q: Floats) -> Floats:
    """D* = p/(p + q) of each cell; 1/2 where neither comes."""
    both = p + q
    return np.asarray(np.divide(p, both, out=np.full(len(both), 0.5), where=both > 0))


def sigmoid(logits: Floats) -> Floats:
    """D(x) of its logits."""
    return np.asarray((1 + np.tanh(logits / 2)) / 2)


def value(logits: Floats, p: Floats, q: Floats) -> float:
    """V(D) of a D with these logits (cells,)."""
    return -float(p @ np.logaddexp(0, -logits) + q @ np.logaddexp(0, logits))


def support(p: Floats, q: Floats) -> NDArray[np.bool_]:
    """Where (p + q)/2 is more than 1 % of its maximum."""
    return np.asarray(p + q > 0.01 * (p + q).max())


def bell(mean: float, std: float, backend: Backend, dtype: str = "float32") -> Sequential:
    """A G whose distribution is known: x = std z + mean, a Dense layer that makes N(mean, std²) of z ~ N(0, 1)."""
    G = Sequential(Dense(1, 1), backend=backend, dtype=dtype)
    G.load_state_dict({"0.weight": np.array([[std]], dtype), "0.bias": np.array([mean], dtype)})
    return G
