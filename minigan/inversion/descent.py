"""Down to a latent: the distance of G(z) from what is wanted, and its gradient with respect to z.

    L(z) = Σ w (G(z) − x)²  +  φ mean (f(G(z)) − f(x))²  +  λ mean (z − a)²

    dL/dz = J_Gᵀ (2 w (G(z) − x)  +  J_fᵀ 2 φ/F (f(G(z)) − f(x)))  +  2 λ/n (z − a)

Sums and means are over the numbers of one sample: all samples descend side by side, and none knows of the others.
The transposed Jacobians are the ways back of G and of f, the layers of D up to its last hidden one. Both use running
statistics. λ is weak and keeps z where G was trained: with a = 0 it is the logarithm of a normal prior, which keeps
what pixels do not decide from wandering off. Checked against finite differences by tests/test_inversion.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backend import Arena, FreshArena, Purpose, Stream
from ..game.generating import Generating
from ..game.pair import Pair
from ..limits import samples_at_once
from ..nn import Sequential
from ..nn.heads import trunk
from ..optim import Cosine
from ..priors import Uniform

Array = Any
AT_ONCE = 1000  # latents that descend together, at most
BETA1, BETA2, EPS = 0.9, 0.999, 1e-8  # of Adam


class Aim:
    """L for a batch of N samples.

    target: x (N, P), on the backend. weights: w (N, P), by default 1/P. anchor: a (N, latent), by default 0; pull: λ.
    judge: a D whose features are compared, with their weight φ.
    """

    def __init__(
        self,
        G: Sequential,
        target: Array,
        weights: Array | None = None,
        *,
        anchor: Array | None = None,
        pull: float = 0.0,
        judge: Sequential | None = None,
        features: float = 0.0,
    ) -> None:
        self.G, self.target, self.anchor, self.pull = G, target, anchor, pull
        self.weights = 1 / target.shape[1] if weights is None else weights
        self.judge, self.features, self.depth = judge, features, 0
        self.stream = Stream(G.seed, Purpose.CALL)  # of a G with noise of its own: the same in every step
        self.seen: Array | None = None

    def __call__(self, z: Array, arena: FreshArena) -> tuple[Array, Array]:
        """The loss (N,) of latents (N, latent), and its gradient with respect to them. arena: of this pass."""
        x, back = self.G(z, train=False, arena=arena, stream=self.stream)
        apart = x.reshape(len(x), -1) - self.target
        weighted = apart * self.weights
        loss, dx = (apart * weighted).sum(axis=1), 2 * weighted
        if self.judge is not None and self.features:
            dissimilar, more = self._features(x, arena)
            loss, dx = loss + dissimilar, dx + more
        dz = back(dx.reshape(x.shape), params=False, consume=True)
        if self.pull:
            away = z if self.anchor is None else z - self.anchor
            each = self.pull / z.shape[1]
            loss, dz = loss + each * (away * away).sum(axis=1), dz + 2 * each * away
        return loss, dz

    def _features(self, x: Array, arena: FreshArena) -> tuple[Array, Array]:
        """The distance of features, and its gradient with respect to x, (N, P)."""
        assert self.judge is not None
        if self.seen is None:
            self.depth = trunk(self.judge)
            wanted, _ = self.judge(self.target.reshape(x.shape), train=False, depth=self.depth)
            self.seen = wanted.reshape(len(x), -1)
        f, back = self.judge(x, train=False, arena=arena, stream=self.stream, depth=self.depth)
        apart = f.reshape(len(x), -1) - self.seen
        each = self.features / apart.shape[1]
        dx = back((2 * each * apart).reshape(f.shape), params=False, consume=True)
        return each * (apart * apart).sum(axis=1), dx.reshape(len(x), -1)


@np.errstate(under="ignore")
def descend(aim: Aim, z: Array, steps: int, lr: float, most: float | None = None) -> tuple[Array, Array]:
    """The latents (N, latent) of the least loss on the way down from z, and that loss (N,).

    Adam on the numbers of z, with a rate that falls from `lr` to 0 along half a cosine. most: after each step z is
    brought back into [−most, most]. The start is on the way: what comes out is never worse.
    """
    be, rate = aim.G.backend, Cosine(lr, 0.0, max(steps, 1))
    xp, arena = be.xp, Arena(be)
    z = xp.array(z)
    m, v = (be.zeros((z.size,), z.dtype) for _ in range(2))
    best = least = None
    for t in range(steps + 1):
        arena.rewind()
        loss, dz = aim(z, arena)
        if best is None:
            best, least = xp.array(z), xp.array(loss)
        else:
            better = loss < least
            best, least = xp.where(better[:, None], z, best), xp.where(better, loss, least)
        if t < steps:
            be.adam(z.reshape(-1), be.asarray(dz).reshape(-1), m, v, rate(t), BETA1, BETA2, EPS, t + 1)
            if most is not None:
                xp.clip(z, -most, most, out=z)
    return best, least


def require_noise(game: Any) -> Generating:
    """The game, if noise is all that its G makes samples of; TypeError or ValueError otherwise."""
    if not isinstance(game, Generating):
        raise TypeError(f"expected a game whose G makes samples of noise, such as a GAN, got {type(game).__name__}")
    if asked := game._codes.width:
        raise ValueError(
            f"G of this {type(game).__name__} is asked by {asked} numbers beside its noise, and only noise is found; "
            "take a game without codes, labels and words"
        )
    return game


def judge_of(game: Generating) -> Sequential:
    """The D of a game, as its training or the average along that has left it, if it looks at single samples.

    Raises ValueError if it does not.
    """
    kind = type(game).__name__
    if not isinstance(game, Pair):
        raise ValueError(f"{kind} has no D that looks at samples; leave out what needs one, or take a GAN")
    if game.judging.packing > 1:
        raise ValueError(
            f"D of this {kind} looks at {game.judging.packing} samples at once, but one that looks at single ones is "
            "needed; take a GAN without packing"
        )
    return game.average_of(game.D)


def bound(game: Generating) -> float | None:
    """How far a number of the noise can be from 0, where its prior says so."""
    return 1.0 if isinstance(game.noise_prior, Uniform) else None


def together(game: Generating, each: int = 1) -> int:
    """How many samples may descend side by side, from so many latents each."""
    layers = list(game.G.layers)
    return max(1, samples_at_once(layers, (game.latent,), AT_ONCE) // each)
