"""What latents are drawn from.

    "normal"       N(0, 1)                                          the usual noise
    "uniform"      U(−1, 1)
    Ring(k)        k Gaussians in the plane, around the middle like the petals of a flower
    SwissRoll(k)   a strip of the plane that is rolled up

The last two have k parts, equally likely, and one can ask for a part: an adversarial autoencoder that knows labels puts
each class into a part of its own (Makhzani et al. 2015, section 2.3 and figure 4). With u, v ~ N(0, 1), t ~ U(0, 1) and
a part j = 0 to k − 1

    Ring           (r + s u, w v), turned by 2πj/k                                      r = 4, s = 1, w = 0.3
    SwissRoll      at ϑ = √((j + t)/k):   R ϑ (cos 2πnϑ, sin 2πnϑ) + w (u, v)           R = 5, n = 2, w = 0.25

so that a swiss roll has as many points in each part of its length but for the innermost, and its windings stand R/n
apart. Checked by tests/test_priors.py.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .backend import FreshArena, Stream
from .names import not_one_of
from .spec import Spec, integer, number

Array = Any

PARTS = -2  # lanes of a pass's stream that no layer and no code has: which part, and where on its length
LENGTH = -3


class Prior(Spec, abstract=True):
    """Base class. dims: how many numbers a draw has, None for any; parts: that one can ask for."""

    dims: int | None = None
    parts = 1

    def draw(self, out: Array, arena: FreshArena, stream: Stream, part: Array | None = None) -> Array:
        """Fill `out` (n, dims) with draws. part: (n, 1), whole numbers as floats; random by default. Returns `out`."""
        raise NotImplementedError

    def part_of(self, codes: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The part that each of these points (n, dims) most likely belongs to, int64 (n,)."""
        return np.zeros(len(codes), np.int64)

    def random_parts(self, n: int, dtype: Any, arena: FreshArena, stream: Stream) -> Array:
        """One of the parts for each of n draws, (n, 1), as floats."""
        be, part = arena.backend, arena.empty((n, 1), dtype)
        be.uniform(part, stream._replace(lane=PARTS))
        part *= self.parts
        be.xp.floor(part, out=part)
        return be.xp.minimum(part, self.parts - 1, out=part)  # k (1 − 2^−24) may have been rounded to k


class Normal(Prior):
    """N(0, 1) for each number."""

    @classmethod
    def kind(cls) -> str:
        return "NormalPrior"  # the name is also that of an initialisation

    def draw(self, out: Array, arena: FreshArena, stream: Stream, part: Array | None = None) -> Array:
        arena.backend.normal(out, stream)
        return out


class Uniform(Prior):
    """U(−1, 1) for each number."""

    @classmethod
    def kind(cls) -> str:
        return "UniformPrior"

    def draw(self, out: Array, arena: FreshArena, stream: Stream, part: Array | None = None) -> Array:
        arena.backend.uniform(out, stream)
        out *= 2
        out -= 1
        return out


class _Plane(Prior, abstract=True):
    """A prior of the plane in parts. sizes: positive numbers, by name."""

    dims = 2
    radius: float
    width: float

    def begin(self, parts: int, **sizes: float) -> None:
        """To be called in a constructor. Raises ValueError for what is no size."""
        self.parts = integer("parts", parts)
        for name, size in sizes.items():
            setattr(self, name, number(name, size, "(0, inf)", of=type(self).__name__))

    def draw(self, out: Array, arena: FreshArena, stream: Stream, part: Array | None = None) -> Array:
        part = self.random_parts(len(out), out.dtype, arena, stream) if part is None else part
        arena.backend.normal(out, stream)
        self.place(out, part, arena, stream)
        return out

    def place(self, out: Array, part: Array, arena: FreshArena, stream: Stream) -> None:
        """Bring draws of N(0, 1) to where the parts are."""
        raise NotImplementedError


class Ring(_Plane):
    """`parts` Gaussians in the plane. radius: r; length: s; width: w.

    Raises ValueError unless all are positive.
    """

    length: float

    def __init__(self, parts: int = 10, radius: float = 4.0, length: float = 1.0, width: float = 0.3) -> None:
        self.begin(parts, radius=radius, length=length, width=width)

    def place(self, out: Array, part: Array, arena: FreshArena, stream: Stream) -> None:
        xp = arena.backend.xp
        along, across = self.radius + self.length * out[:, :1], self.width * out[:, 1:]
        angle = part * (2 * math.pi / self.parts)
        cosine, sine = xp.cos(angle), xp.sin(angle)
        out[:, :1] = along * cosine - across * sine
        out[:, 1:] = along * sine + across * cosine

    def part_of(self, codes: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        angle = 2 * math.pi / self.parts * np.arange(self.parts)
        x, y = codes[:, :1], codes[:, 1:]
        along = x * np.cos(angle) + y * np.sin(angle) - self.radius
        across = y * np.cos(angle) - x * np.sin(angle)
        return np.asarray(((along / self.length) ** 2 + (across / self.width) ** 2).argmin(axis=1))


class SwissRoll(_Plane):
    """A spiral of `parts` sections. radius: R; turns: n; width: w.

    Raises ValueError unless all are positive.
    """

    turns: float

    def __init__(self, parts: int = 10, radius: float = 5.0, turns: float = 2.0, width: float = 0.25) -> None:
        self.begin(parts, radius=radius, turns=turns, width=width)

    def place(self, out: Array, part: Array, arena: FreshArena, stream: Stream) -> None:
        be, t = arena.backend, arena.empty((len(out), 1), out.dtype)
        be.uniform(t, stream._replace(lane=LENGTH))
        t += part
        t /= self.parts
        out *= self.width
        x, y = self._at(t, be.xp)
        out[:, :1] += x
        out[:, 1:] += y

    def part_of(self, codes: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        t = (np.arange(_STEPS * self.parts) + 0.5) / (_STEPS * self.parts)
        curve, nearest = np.stack(self._at(t, np), axis=1), []
        for i in range(0, len(codes), 1000):
            block = np.asarray(codes[i : i + 1000], np.float64)
            squares = (curve * curve).sum(axis=1) - 2 * block @ curve.T
            nearest.append(squares.argmin(axis=1) // _STEPS)
        return np.concatenate(nearest) if nearest else np.zeros(0, np.int64)

    def _at(self, t: Array, xp: Any) -> tuple[Array, Array]:
        far = xp.sqrt(t)
        angle = far * (2 * math.pi * self.turns)
        return self.radius * far * xp.cos(angle), self.radius * far * xp.sin(angle)


_STEPS = 50  # in a section of the roll, to find the nearest

NAMED: dict[str, type[Prior]] = {"normal": Normal, "uniform": Uniform, "ring": Ring, "swiss-roll": SwissRoll}


def get_prior(prior: str | Prior) -> Prior:
    """A prior by name (a key of NAMED), or as it is; ValueError otherwise."""
    if isinstance(prior, Prior):
        return prior
    if prior not in NAMED:
        raise ValueError(not_one_of("prior", prior, NAMED))
    return NAMED[prior]()
