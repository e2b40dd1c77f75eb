"""What the Dirac-GAN does near its equilibrium, in closed form.

Where the field v is smooth at w = 0 it is linear nearby, and every game of dirac.py has one shape there:

    dθ/dt = −a θ + ω ψ          J = ( −a   ω )          a, d: damping of G and of D
    dψ/dt = −ω θ − d ψ              ( −ω  −d )          ω:    how fast the players chase each other

(up to a rescaling of ψ, if D's steps are larger). Its eigenvalues are

    λ = −(a + d)/2 ± √((a − d)²/4 − ω²)

A step of simultaneous descent is I + hJ, with eigenvalues 1 + hλ. Without damping |1 ± ihω|² = 1 + h²ω² > 1: it spirals
outwards, however small h. If G moves first and D answers, the step is

    ( 1     0   ) ( 1−ha  hω )        trace  (1 − ha) + (1 − hd) − h²ω²
    ( −hω  1−hd ) (  0    1  )        det    (1 − ha) (1 − hd)

and μ = trace/2 ± √(trace²/4 − det). Without damping det = 1, and |μ| = 1 as long as hω ≤ 2: it neither comes nor goes.
If D moves first, the factors change places, which leaves trace and determinant as they are.

A step A that draws noise of variance q for ψ ends not in a point but in a cloud, of covariance S = A S Aᵀ + diag(0, q).
`Linear.spread` is the square root of its trace.
"""

from __future__ import annotations

import cmath
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Eigenvalues = tuple[complex, complex]


class Linear(NamedTuple):
    """g: a, damping of G. d: damping of D. rotation: ω."""

    g: float
    d: float
    rotation: float

    @property
    def field(self) -> Eigenvalues:
        """Of J."""
        return _pair(-(self.g + self.d) / 2, (self.g - self.d) ** 2 / 4 - self.rotation**2)

    def simultaneous(self, h: float) -> Eigenvalues:
        """Of a simultaneous step."""
        a, b = self.field
        return 1 + h * a, 1 + h * b

    def alternating(self, h: float) -> Eigenvalues:
        """Of an alternating step, whoever is first."""
        g, d = 1 - h * self.g, 1 - h * self.d
        half = (g + d - (h * self.rotation) ** 2) / 2
        return _pair(half, half**2 - g * d)

    def spread(self, h: float, variance: float) -> tuple[float, float]:
        """√E|w|² in the long run if each update of ψ draws noise: of simultaneous steps, and of those with G first."""
        moves_g = np.array([[1 - h * self.g, h * self.rotation], [0, 1]])
        moves_d = np.array([[1, 0], [-h * self.rotation, 1 - h * self.d]])
        simultaneous, alternating = moves_g + moves_d - np.eye(2), moves_d @ moves_g
        return _spread(simultaneous, variance), _spread(alternating, variance)


def eigenvalues(matrix: NDArray[np.float64]) -> Eigenvalues:
    """Of a matrix (2, 2), in the order of the closed forms: by imaginary part, then real part, the larger first."""
    a, b = sorted((complex(x) for x in np.linalg.eigvals(matrix)), key=lambda x: (x.imag, x.real), reverse=True)
    return a, b


def error(found: Eigenvalues, expected: Eigenvalues) -> float:
    """The largest distance of an eigenvalue from the one it should be."""
    return max(abs(a - b) for a, b in zip(found, expected, strict=True))


def _pair(middle: float, discriminant: float) -> Eigenvalues:
    root = cmath.sqrt(discriminant)
    return middle + root, middle - root


def _spread(step: NDArray[np.float64], variance: float) -> float:
    noise = np.array([0, 0, 0, variance])  # S and diag(0, q) as vectors: (I − A ⊗ A) S = diag(0, q)
    covariance = np.linalg.solve(np.eye(4) - np.kron(step, step), noise)
    return float(np.sqrt(covariance[0] + covariance[3]))
