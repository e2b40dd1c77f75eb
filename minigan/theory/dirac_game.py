"""The smallest GAN as a minigan.GAN, and its updates as maps of the plane.

    the data: 0      G(z) = θ      D(x) = ψ x      w = (θ, ψ)

G is two dense layers whose weights begin at 0. Neither weight has a gradient as long as the other is 0, so they stay
there, and only the last bias, θ, learns. D is a dense layer without bias; its weight is ψ. Both descend with
SGD(h), so that a player's update is h times its part of the field: `GAN.update_generator` moves θ by h v_θ(w), and
`GAN.update_discriminator` moves ψ by h v_ψ(w). In which order they are called makes three maps w → w′:

    simultaneous   both from the same w: one is called, w is put back, the other is called     F(w) = w + h v(w)
    G first        θ′ from (θ, ψ), then ψ′ from (θ′, ψ)                        as in Mescheder's program
    D first        ψ′ from (θ, ψ), then θ′ from (θ, ψ′)                        as `GAN.step` plays

Two things are not in the library, and stand here.

Instance noise, averaged over all noise. The library draws it, which leaves some of it in every update. Here D sees each
sample beside Gauss and Hermite's nodes, x + σ e_i, and the loss of each is weighted, Σ_i ω_i loss(ψ (x + σ e_i)), which
is the mean over e ~ N(0, 1): exactly for polynomials in e of degree 2 · NODES − 1, to rounding here.

Consensus optimisation (Mescheder et al. 2017, "The Numerics of GANs"): both players also descend γ/2 |v|², whose
gradient is γ Jᵀv. The field v is that of the library's updates, and J = ∂v/∂w is taken from it by differences.

Checked by tests/test_theory_dirac.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..backend import Backend
from ..gan import GAN
from ..nn import Dense, Layer, Sequential
from ..nn.layer import Back, Pass
from ..objectives import Minimax
from ..optim import SGD
from .dirac_linear import Linear

Array = Any
Floats = NDArray[np.float64]
Point = tuple[float, float]  # θ, ψ
Map = Callable[[Point], Point]

NODES = 64
STEP = 2.0**-14  # of differences


class Game:
    """Two players of one number each. lr: h, the step of both."""

    lr: float

    def g(self, w: Point) -> float:
        """θ after an update of G from w."""
        raise NotImplementedError

    def d(self, w: Point) -> float:
        """ψ after an update of D from w."""
        raise NotImplementedError

    def simultaneous(self, w: Point) -> Point:
        return self.g(w), self.d(w)

    def g_first(self, w: Point) -> Point:
        theta = self.g(w)
        return theta, self.d((theta, w[1]))

    def d_first(self, w: Point) -> Point:
        psi = self.d(w)
        return self.g((w[0], psi)), psi

    def field(self, w: Point) -> Point:
        """v(w) = (F(w) − w)/h."""
        theta, psi = self.simultaneous(w)
        return (theta - w[0]) / self.lr, (psi - w[1]) / self.lr


class Dirac(Game):
    """The Dirac-GAN, played by a minigan.GAN in float64.

    lr: h, of G; d_lr: of D, by default the same. batch: how many real samples, all of them 0, and fakes, all of them θ,
    an update has. noise: σ of instance noise averaged over all noise (under Minimax). options: of the GAN.
    """

    def __init__(
        self,
        lr: float = 0.2,
        d_lr: float | None = None,
        batch: int = 1,
        noise: float = 0.0,
        backend: Backend | str | None = None,
        **options: Any,
    ) -> None:
        self.lr = lr
        nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
        if noise:
            batch, options["objective"] = NODES, Weighted((weights / weights.sum()).tolist())
        around = [Beside((noise * nodes).tolist())] if noise else []
        silent = Dense(1, 1, bias=False, init="zeros")
        G = Sequential(silent, Dense(1, 1, init="zeros"), backend=backend, dtype="float64")
        D = Sequential(*around, Dense(1, 1, bias=False), backend=G.backend, dtype="float64")
        self.gan = GAN(G, D, optimizer=SGD(lr), d_optimizer=SGD(d_lr or lr), **options)
        self.real = G.backend.zeros((batch, 1), G.dtype)

    @property
    def point(self) -> Point:
        """(θ, ψ) as they are."""
        return float(self.gan.G.flat[-1]), float(self.gan.D.flat[0])

    def put(self, w: Point) -> None:
        """Set (θ, ψ)."""
        self.gan.G.flat[-1], self.gan.D.flat[0] = w

    def g(self, w: Point) -> float:
        self.put(w)
        self.gan.update_generator(len(self.real), real=self.real)
        return self.point[0]

    def d(self, w: Point) -> float:
        self.put(w)
        self.gan.update_discriminator(self.real)
        return self.point[1]


class Consensus(Game):
    """A game whose players also descend γ/2 |v|², a little consensus. weight: γ."""

    def __init__(self, game: Game, weight: float) -> None:
        self.game = game
        self.lr = game.lr
        self.weight = weight

    def g(self, w: Point) -> float:
        return self.game.g(w) - self.lr * self.weight * self._gradient(w, 0)

    def d(self, w: Point) -> float:
        return self.game.d(w) - self.lr * self.weight * self._gradient(w, 1)

    def _gradient(self, w: Point, i: int) -> float:
        """∂/∂w_i of ½|v|², an element of Jᵀv."""
        return float(derivative(self.game.field, w, i) @ self.game.field(w))


def derivative(f: Map, w: Point, i: int) -> Floats:
    """∂f/∂w_i, (2,), by a central difference: wrong by STEP²/6 of the third derivative, about 1e-9 of it."""
    there, back = list(w), list(w)
    there[i] += STEP
    back[i] -= STEP
    slope: Floats = np.subtract(f((there[0], there[1])), f((back[0], back[1]))) / (2 * STEP)
    return slope


def jacobian(f: Map, w: Point) -> Floats:
    """∂f/∂w, (2, 2)."""
    return np.stack([derivative(f, w, i) for i in range(2)], axis=1)


def walk(step: Map, start: Point, steps: int) -> Floats:
    """The points that a map visits: (steps + 1, 2)."""
    points = [start]
    for _ in range(steps):
        points.append(step(points[-1]))
    return np.array(points)


class Beside(Layer):
    """Adds to each sample of a batch the next of some numbers, in turn: y_n = x_n + shifts[n mod k]."""

    def __init__(self, shifts: list[float]) -> None:
        self.shifts = shifts

    def forward(self, x: Array, run: Pass) -> tuple[Array, Back]:
        shifts = run.backend.asarray(np.resize(np.array(self.shifts), (len(x), 1)), run.dtype)
        return x + shifts, lambda dy, params, inputs: dy


class Weighted(Minimax):
    """The minimax game with a weighted mean over each batch, Σ_n ω_n loss(l_n), instead of the plain one."""

    def __init__(self, weights: list[float]) -> None:
        super().__init__()
        self.weights = weights

    def real(self, logits: Array, grad: Array, be: Backend) -> Array:
        return self._cross_entropy(logits, 1.0, grad, be)

    def fake(self, logits: Array, grad: Array, be: Backend) -> Array:
        return self._cross_entropy(logits, 0.0, grad, be)

    def fool(self, logits: Array, grad: Array, be: Backend) -> Array:
        loss = self._cross_entropy(logits, 0.0, grad, be)
        be.xp.negative(grad, out=grad)
        return -loss

    def _cross_entropy(self, logits: Array, target: float, grad: Array, be: Backend) -> Array:
        weights = be.asarray(np.array(self.weights), logits.dtype).reshape(-1, 1)
        be.logistic(logits, target, grad)  # the gradient of the plain mean, 1/N of each sample's own
        grad *= weights * len(weights)
        return (weights * (be.xp.logaddexp(0, logits) - target * logits)).sum()


class Case(NamedTuple):
    """A game. play: makes it. linear: it near the equilibrium, if it has one.

    known: |(θ, ψ)| after the last step, simultaneous and with G first, rounded; of a cycle, the lowest and the highest
    of the LAST steps.
    """

    name: str
    play: Callable[[Backend], Game]
    linear: Linear | None
    known: tuple[str, str] | None


class Played(NamedTuple):
    """A game that was played.

    walks: of each of ORDERS, (STEPS + 1, 2). jacobians: at 0, of the field, of a simultaneous step and with G first.
    """

    row: Case
    game: Game
    walks: dict[str, Floats]
    jacobians: tuple[Floats, Floats, Floats] | None

    @property
    def norms(self) -> dict[str, Floats]:
        """|(θ, ψ)| along each walk."""
        return {order: np.hypot(*points.T) for order, points in self.walks.items()}
