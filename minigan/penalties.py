"""Penalties on D's gradient with respect to its input, differentiated by hand.

    P = E_n h(‖g_n‖),   g_n = ∇_x f(x_n), the gradient of D's output at one sample; the norm is of that sample alone

(of a D that judges patches, and has several outputs, f is their mean)

    penalty          h(r)             at the points x                                       source
    GradientPenalty  λ (r − 1)²       ε x + (1 − ε) G(z), one ε ~ U(0, 1) for each sample   Gulrajani 2017, eq. 3
    R1               γ/2 r²           real samples                                          Mescheder 2018, eq. 9
    R2               γ/2 r²           fakes                                                 Mescheder 2018, section 4.1
    DRAGAN           λ (r − 1)²       real samples and noise beside them                    Kodali 2017, section 2.3

The first and last ask for a slope of 1, as the optimal Wasserstein critic has (almost everywhere between the two
distributions); R1 and R2 ask for a slope of 0, which is right at equilibrium, and make the game converge there.

dP/dθ needs the derivative of a gradient. With u_n = ∂P/∂g_n = h′(r_n)/(N r_n) g_n held constant, dP = Σ_n u_n · dg_n,
and `Sequential.input_gradient` turns u into that. BatchNorm has no place in such a D: g_n would not be of one sample.
Checked by tests/test_penalties.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .backend import FreshArena, Stream, group_of
from .nn import Sequential
from .nn.joint import joint_gradient
from .spec import Spec, number

Array = Any


class Penalty(Spec, abstract=True):
    """A term of D's loss that holds its gradient down: `weight` is λ or γ, a positive number."""

    def __init__(self, weight: float = 10.0) -> None:
        self.weight = number("weight", weight, "(0, inf)", of=type(self).__name__)

    def points(self, real: Array, fake: Array, arena: FreshArena, stream: Stream) -> Array:
        """Where the gradient is taken, (N, ...)."""
        raise NotImplementedError

    def measure(self, g: Array, arena: FreshArena) -> tuple[Array, Array]:
        """P, and u = ∂P/∂g, which may overwrite g (N, features)."""
        raise NotImplementedError

    def add(
        self,
        D: Sequential,
        real: Array,
        fake: Array,
        arena: FreshArena,
        stream: Stream,
        condition: Array | None = None,
        outputs: int = 1,
    ) -> tuple[Array, Array]:
        """Add dP/dθ to the gradients of D. Returns P (0-d) and the points.

        real, fake: (N, ...), as D sees them. arena: where arrays live. stream: random numbers, of points and of D.
        condition: of each pair, numbers or images; P is of the gradient with respect to samples alone.
        outputs: f is the mean of so many, the first of D's.
        Raises ValueError for a D with layers that cannot be differentiated twice, such as BatchNorm.
        """
        points = self.points(real, fake, arena, stream)
        _, g, push = D.input_gradient(points, arena=arena, stream=stream, outputs=outputs, condition=condition)
        if outputs > 1:
            g *= 1 / outputs
        value, u = self.measure(g.reshape(len(g), -1), arena)
        if outputs > 1:  # dP = Σ_n u_n · dg_n, and push takes what belongs to the sum of the outputs
            u *= 1 / outputs
        push(u.reshape(points.shape))
        return value, points


def joint_pass(
    D: Sequential, samples: Array, points: Sequence[tuple[Penalty, Array]], arena: FreshArena, stream: Stream
) -> tuple[Array, list[Array], Callable[[Array], None]]:
    """D of the samples, and penalties at their points, in one pass of a D that is `piecewise_linear`.

    Returns the samples' logits, each P, and back(dlogits), which adds the gradients of loss and penalties to those of
    D: what a pass for the samples and `Penalty.add` would do. points: (N, ...) for each penalty.
    """
    n, batch = len(samples), arena.stacked([samples, *(x for _, x in points)], D.dtype)
    logits, g, push = joint_gradient(D, batch, n, arena=arena, stream=stream, outputs=1)
    values, end = [], 0
    for penalty, x in points:
        part, end = g[end : end + len(x)].reshape(len(x), -1), end + len(x)
        value, u = penalty.measure(part, arena)
        if u is not part:
            part[...] = u
        values.append(value)
    return logits[:n], values, lambda dlogits: push(g, dlogits)


class _Slope(Penalty, abstract=True):
    """λ E(‖g‖ − 1)²."""

    def measure(self, g: Array, arena: FreshArena) -> tuple[Array, Array]:
        xp = arena.backend.xp
        norm = xp.sqrt(_squares(g, arena).sum(axis=1, keepdims=True))
        excess = norm - 1
        value = (excess * excess).mean() * float(self.weight)
        # u = 2λ (r − 1)/(N r) g; at g = 0 there is no direction to go, and u is 0. No smaller r has a square
        excess *= 2 * float(self.weight) / len(g)
        excess /= xp.maximum(norm, np.sqrt(np.finfo(g.dtype).tiny))
        g *= excess
        return value, g


class GradientPenalty(_Slope):
    """WGAN-GP (Gulrajani et al. 2017): D's slope is 1 between real samples and fakes. weight: λ, 10 in the paper."""

    def points(self, real: Array, fake: Array, arena: FreshArena, stream: Stream) -> Array:
        be = arena.backend
        epsilon, x = _one_a_sample(real, arena, stream), arena.empty(real.shape, real.dtype)
        be.xp.subtract(real, fake, out=x)
        x *= epsilon
        x += fake
        return x


class DRAGAN(_Slope):
    """DRAGAN (Kodali et al. 2017): D's slope is 1 near the data. weight: λ, 10 in the paper.

    The points are x + α δ with one α ~ U(0, 1) for each sample and δ = spread · std(x) · U(0, 1) for each number, where
    std(x) is that of the whole batch, as in the authors' program. spread: 0.5 there.
    Raises ValueError unless both are positive.
    """

    def __init__(self, weight: float = 10.0, spread: float = 0.5) -> None:
        super().__init__(weight)
        self.spread = number("spread", spread, "(0, inf)", of="DRAGAN")

    def points(self, real: Array, fake: Array, arena: FreshArena, stream: Stream) -> Array:
        alpha, x = _one_a_sample(real, arena, stream), arena.empty(real.shape, real.dtype)
        xp, group = arena.backend.xp, group_of(arena.backend, stream)
        squares = _squares(xp.subtract(real, group.mean(real.mean()), out=x), arena)
        std = xp.sqrt(group.mean(squares.mean()))
        arena.backend.uniform(x, stream._replace(lane=NOISE))
        x *= std * self.spread
        x *= alpha
        x += real
        return x


class _Flatness(Penalty, abstract=True):
    """γ/2 E‖g‖²."""

    def measure(self, g: Array, arena: FreshArena) -> tuple[Array, Array]:
        value = _squares(g, arena).sum() * (float(self.weight) / 2 / len(g))
        g *= float(self.weight) / len(g)
        return value, g


class R1(_Flatness):
    """R1 (Mescheder et al. 2018, "Which Training Methods for GANs do actually Converge?"): D is flat at the data.

    weight: γ, 10 in the paper's experiments.
    """

    def points(self, real: Array, fake: Array, arena: FreshArena, stream: Stream) -> Array:
        return real


class R2(_Flatness):
    """R2 (the same): D is flat at the fakes. weight: γ. R3GAN needs both."""

    def points(self, real: Array, fake: Array, arena: FreshArena, stream: Stream) -> Array:
        return fake


MIX, NOISE = -1, -2  # lanes of a pass's stream that no layer has


def _squares(g: Array, arena: FreshArena) -> Array:
    return arena.backend.xp.multiply(g, g, out=arena.empty(g.shape, g.dtype))


def _one_a_sample(x: Array, arena: FreshArena, stream: Stream) -> Array:
    """A number in [0, 1) for each sample, (N, 1, ...)."""
    numbers = arena.empty((len(x), *(1 for _ in x.shape[1:])), x.dtype)
    arena.backend.uniform(numbers, stream._replace(lane=MIX))
    return numbers
