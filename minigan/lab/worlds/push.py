"""What D says of points, and where G's loss would move them.

A fake x is moved by −∂L_G/∂x, the gradient of its own loss through D: the push that it gets. It can be asked for at any
point, as if there were a fake. Under packing, D sees the point beside others, which are fakes; under an objective that
compares, each point has a real sample of its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...backend import FreshArena
from ...gan import GAN
from ...objectives import Critic

Array = Any
Floats = NDArray[np.floating[Any]]


def push(gan: GAN, points: Array, fakes: Array, real: Array) -> Floats:
    """−∂L_G/∂x of each of the points (n, dim): (n, dim). fakes, real: (m, dim), for D to see beside them."""
    D, depth = gan.D, gan.objective.depth(gan.D)
    arena = FreshArena(gan.backend)
    on_points, back = D(_packs(gan, points, fakes), train=False, depth=depth)
    on_real = None
    if gan.objective.compares:
        on_real, _ = D(_packs(gan, _so_many(real, len(points)), real), train=False, depth=depth)
    _, dlogits = gan.objective.generator(on_points, arena, on_real)
    gradient = back(dlogits, params=False)[:, : points.shape[1]]
    return np.asarray(-len(points) * gan.backend.to_numpy(gradient))  # the loss is a mean


def said(gan: GAN, points: Array, fakes: Array) -> Floats:
    """D's output for each of the points (n, dim): (n,)."""
    output, _ = gan.D(_packs(gan, points, fakes), train=False)
    return np.asarray(gan.backend.to_numpy(output)[:, 0])


def confidence(gan: GAN, output: Floats, on_real: Floats, on_fakes: Floats) -> tuple[Floats, str]:
    """D's output as numbers from 0 to 1, 1/2 where it cannot tell; and what they are.

    A critic's score has no scale and no zero: it is squashed around the middle between real samples and fakes, by the
    spread of what it says.
    """
    if not isinstance(gan.objective, Critic):
        return np.asarray(gan.objective.probability(output, np)), "D(x)"
    middle = (on_real.mean() + on_fakes.mean()) / 2
    spread = max(float(np.std(output)), 1e-12)
    return np.asarray(0.5 * (1 + np.tanh((output - middle) / spread))), "score, around the middle of real and fakes"


def _packs(gan: GAN, points: Array, others: Array) -> Array:
    """The points as D sees them: (n, packing · dim), beside others."""
    if gan.packing == 1:
        return points
    n = len(points)
    beside = _so_many(others, n * (gan.packing - 1)).reshape(n, -1)
    return np.concatenate([points, beside], axis=1)


def _so_many(points: Array, n: int) -> Array:
    """n of the points, from the first on again where there are fewer."""
    return np.resize(points, (n, points.shape[1]))
