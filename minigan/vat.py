"""Virtual adversarial training: a classifier whose answer does not change where nobody can see a difference.

T. Miyato et al., "Virtual Adversarial Training: A Regularization Method for Supervised and Semi-Supervised Learning",
2018, sections 3.2 and 3.3.

At an image x with the answer p = softmax(D(x)), held constant,

    Δ(r) = KL(p ‖ softmax(D(x + r)))          r* = argmax_{‖r‖ ≤ ε} Δ(r)          VAT descends E Δ(r*)

Δ has its minimum, 0, at r = 0, so near there it is ½ rᵀ H r, and r* lies along the main eigenvector of H. One step of
power iteration finds it well enough: from a random direction d, H d ≈ ∇Δ(ξε d)/ξε, of which only the direction counts.
It takes D's gradient with respect to its input, and no second derivative:

    l = D(x + r):    Δ = Σ_k p_k (log p_k − l_k) + LSE(l)         dΔ/dl = softmax(l) − p

ξ need not be small: where D is sure, p is 0 or 1 up to rounding and ∇Δ says nothing next to x, but a step away it does.
All passes of D see the same noise, if it has some, or else Δ would not be 0 at r = 0.

Data is denser in some places than in others, so W. Hu et al. ("Learning Discrete Representations via Information
Maximizing Self-Augmented Training", 2017, section 3.2) let ε be a share of the distance to x's tenth neighbour
(`reach`).
Checked by tests/test_vat.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .backend import Backend, FreshArena, Stream
from .datasets import to_float
from .nn import Sequential
from .objectives import softmax
from .optim import Schedule
from .spec import Spec, integer, number

Array = Any


class VAT(Spec):
    """A term of a classifier's loss: weight · E Δ(r*).

    weight: of the term, a number or a Schedule of the player's updates. epsilon: ‖r*‖, the Euclidean length of what
    nobody sees; if `relative`, as a share of the reach of each image. xi: how far the first try goes, in ε. steps: of
    power iteration.
    Raises ValueError unless all are positive.
    """

    def __init__(
        self,
        weight: float | Schedule = 1.0,
        epsilon: float = 5.0,
        xi: float = 1.0,
        steps: int = 1,
        relative: bool = False,
    ) -> None:
        scheduled = isinstance(weight, Schedule)
        self.weight = weight if scheduled else number("weight", weight, "(0, inf)", of="VAT")
        self.relative = relative
        self.epsilon = number("epsilon", epsilon, "(0, inf)", of="VAT")
        self.xi = number("xi", xi, "(0, inf)", of="VAT")
        self.steps = integer("steps", steps)

    def add(
        self,
        D: Sequential,
        x: Array,
        arena: FreshArena,
        stream: Stream,
        reach: Array | None = None,
        first: int = 0,
        weight: Array | float | None = None,
    ) -> tuple[Array, Array]:
        """Add the term's gradient to those of D. Returns the term (0-d) and x + r*.

        x: (N, ...), as D sees it. arena: where arrays live. stream: random numbers, of directions and of D.
        reach: (N, 1), of each image, if epsilon is relative. first: of D's outputs that are logits of classes, if it
        has others before them. weight: its own by default, which must then be a number.
        """
        weight = self.weight if weight is None else weight
        p = softmax(D(x, track=False, arena=arena, stream=stream)[0][:, first:], arena.backend.xp)
        x = self.adversarial(D, x, p, arena, stream, reach, first)
        logits, back = D(x, track=False, arena=arena, stream=stream)
        value, grad = divergence(p, logits, arena, first)
        grad *= weight
        back(grad, inputs=False, consume=True)
        return value * weight, x

    def adversarial(
        self,
        D: Sequential,
        x: Array,
        p: Array,
        arena: FreshArena,
        stream: Stream,
        reach: Array | None = None,
        first: int = 0,
    ) -> Array:
        """x + r*, where D gives p for x. Arguments as of `add`."""
        be, near = arena.backend, arena.empty(x.shape, x.dtype)
        if self.relative and reach is None:
            raise ValueError("epsilon is a share of the reach of each image, which VAT was not told")
        epsilon = self.epsilon if reach is None else self.epsilon * reach
        r = arena.empty(x.shape, x.dtype)
        be.normal(r, stream._replace(lane=DIRECTION))
        for _ in range(self.steps):
            logits, back = D(_further(x, r, self.xi * epsilon, near, be), track=False, arena=arena, stream=stream)
            _, grad = divergence(p, logits, arena, first)
            r = back(grad, params=False, consume=True)
        return _further(x, r, epsilon, near, be)

    def source(self, images: Array, be: Backend, dtype: Any) -> tuple[Array, ...]:
        """What a minibatch of images must come with: their reach, if epsilon is relative."""
        return (images, be.asarray(reach(be.to_numpy(images)), dtype)) if self.relative else (images,)


DIRECTION = -1  # a lane of a pass's stream that no layer has
NEIGHBOUR, AMONG = 10, 6000


def reach(images: Array) -> Array:
    """The distance of each image to its tenth neighbour, (N, 1), float32, in floats from −1 to 1.

    images: (N, ...), uint8 or floats. Of more than 6,000 images, it is that to the nearest few of 6,000 evenly chosen
    ones, as many as are a tenth neighbour's share of them (at least one).
    """
    x = to_float(images) if images.dtype == np.uint8 else np.asarray(images, np.float32)
    x = x.reshape(len(x), -1)
    chosen = np.arange(0, len(x), -(-len(x) // AMONG))
    others, k = x[chosen], max(1, round(NEIGHBOUR * len(chosen) / len(x)))
    squares, doubled = np.einsum("ij,ij->i", others, others), -2 * others
    found = np.empty((len(x), 1), np.float32)
    for i in range(0, len(x), 2000):
        part = x[i : i + 2000]
        distances = part @ doubled.T  # their squares, less ‖x‖²
        distances += squares
        own = np.flatnonzero((chosen >= i) & (chosen < i + 2000))
        distances[chosen[own] - i, own] = np.inf
        least = distances.min(axis=1) if k == 1 else np.partition(distances, k - 1, axis=1)[:, k - 1]
        found[i : i + 2000, 0] = np.sqrt(np.maximum(least + np.einsum("ij,ij->i", part, part), 0))
    return found


def _further(x: Array, r: Array, length: float | Array, out: Array, be: Backend) -> Array:
    """x + length · r/‖r‖ for each sample; x where r is 0. length: a number, or one for each sample, (N, 1)."""
    rows = r.reshape(len(r), -1)
    rows /= be.xp.abs(rows).max(axis=1, keepdims=True) + np.finfo(r.dtype).tiny  # their squares underflow
    norms = be.xp.sqrt((rows * rows).sum(axis=1, keepdims=True))
    rows *= length / be.xp.maximum(norms, 1)
    return be.xp.add(x, r, out=out)


def divergence(p: Array, outputs: Array, arena: FreshArena, first: int = 0) -> tuple[Array, Array]:
    """E KL(p ‖ softmax(logits)), of rows p and logits (N, K), and its gradient with respect to the outputs.

    outputs: (N, first + K), the logits and what may stand before them.
    """
    xp, logits = arena.backend.xp, outputs[:, first:]
    shifted = logits - logits.max(axis=1, keepdims=True)
    total = xp.exp(shifted).sum(axis=1, keepdims=True)
    shifted -= xp.log(total)  # log q
    known = p * xp.log(xp.maximum(p, np.finfo(p.dtype).tiny))  # 0 log 0 = 0
    value = (known - p * shifted).sum() / len(p)
    grad = arena.empty(outputs.shape, outputs.dtype)
    grad[:, :first], grad[:, first:] = 0, (xp.exp(shifted) - p) / len(p)
    return value, grad
