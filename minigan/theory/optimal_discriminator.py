"""The best D is p/(p + q), and what it is worth measures how far apart p and q are.

Statement (Goodfellow et al. 2014, proposition 1 and theorem 1). For a fixed G, with p the density of the data and q
that of G(z), the D that maximises V(D) = E_p[log D] + E_q[log(1 − D)] is

    D*(x) = p(x) / (p(x) + q(x)),        and        V(D*) = −log 4 + 2 JSD(p, q).

Derivation. V(D) = ∫ p log D + q log(1 − D) dx, and D may be chosen at each x by itself. There a log y + b log(1 − y)
has the derivative a/y − b/(1 − y), which is positive below y = a/(a + b) and negative above. With m = (p + q)/2,

    V(D*) = ∫ p log(p/2m) + q log(q/2m) dx = −2 log 2 + KL(p ‖ m) + KL(q ‖ m) = −log 4 + 2 JSD(p, q).

So log(p/q) is D*'s logit, and all that D has to learn of the two densities is their ratio. Where neither p nor q has
samples, nothing tells D what to say.

Experiment. G is one Dense layer with fixed weights, so that q is a bell that is known, and p is a mixture of bells.
D is a network that `GAN.update_discriminator` trains on fresh samples of both until its learning rate is 0. Then D and
V(D) are compared with the formulas, by sums over a fine grid and not over samples. Checked
by tests/test_theory_games.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..backend import Backend
from ..datasets.toys import Mixture, get_toy
from ..gan import GAN
from ..metrics import js_divergence
from ..nn import Dense, Sequential, Tanh
from ..optim import Adam, Cosine
from . import Finding, Say
from .line import Floats, Line, bell, best, sigmoid, support, value

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Pair(NamedTuple):
    """p: the data. mean, std: of G's bell. bounds: of the line that holds all of both; view: of the picture."""

    name: str
    p: Mixture
    mean: float
    std: float
    bounds: tuple[float, float]
    view: tuple[float, float]


def pairs() -> list[Pair]:
    """Data and generators, from equal to nearly disjoint."""
    one, three = get_toy("gaussian"), get_toy("mixture")  # a bell at 2 of width 1/2; bells at −2, 0 and 2
    return [
        Pair("equal", one, 2.0, 0.5, (-3, 7), (-0.5, 4.5)),
        Pair("overlapping", one, 1.0, 0.8, (-7, 9), (-2, 4.5)),
        Pair("three bells under one", three, 0.0, 1.5, (-11, 11), (-4.5, 4.5)),
        Pair("nearly disjoint", one, -0.5, 0.5, (-5, 7), (-2.5, 4)),
    ]


@dataclass
class Learned:
    """What D has learned of a pair. p, q: shares of the line's cells; logits: (seeds, cells)."""

    pair: Pair
    line: Line
    p: Floats
    q: Floats
    logits: Floats

    @property
    def errors(self) -> Floats:
        """|D − D*| of each seed and cell."""
        return np.abs(sigmoid(self.logits) - best(self.p, self.q))

    @property
    def mean_errors(self) -> Floats:
        """For each seed, the mean of |D − D*| over samples of (p + q)/2."""
        return np.asarray(self.errors @ (self.p + self.q) / 2)

    @property
    def plain_errors(self) -> Floats:
        """For each seed, the plain mean of |D − D*| over the support."""
        return np.asarray(self.errors[:, support(self.p, self.q)].mean(axis=1))

    @property
    def values(self) -> Floats:
        """V(D) for each seed."""
        return np.array([value(logits, self.p, self.q) for logits in self.logits])

    @property
    def best_value(self) -> float:
        """−log 4 + 2 JSD."""
        return -math.log(4) + 2 * js_divergence(self.p, self.q)


@dataclass
class Discriminators:
    """What `experiment` returns."""

    learned: list[Learned]
    size: tuple[float, float] = (11, 7)

    def findings(self) -> list[Finding]:
        rows = []
        for pair in self.learned:
            name, seeds = pair.pair.name, len(pair.logits)
            for kind, errors in (("under (p+q)/2", pair.mean_errors), ("over the support", pair.plain_errors)):
                what = f"{name}: mean |D − p/(p+q)| {kind}, worst of {seeds} seeds"
                rows.append(Finding(what, f"{errors.max():.4f}", "at most 0.02", bool(errors.max() <= 0.02)))
            gap = np.abs(pair.values - pair.best_value).max()
            values = " ".join(f"{v:.4f}" for v in pair.values)
            expected = f"−log 4 + 2 JSD = {pair.best_value:.4f}, within 0.01"
            rows.append(Finding(f"{name}: V(D)", values, expected, bool(gap <= 0.01)))
        return rows

    def draw(self, figure: Figure) -> None:
        figure.suptitle("D, trained to the end against a G that stands still, says p/(p + q)")
        axes = figure.subplots(2, 2).ravel()
        for ax, pair in zip(axes, self.learned, strict=True):
            _panel(ax, pair)
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)


def _panel(ax: Axes, pair: Learned) -> None:
    x, height = pair.line.x[:, 0], 0.9 / max(pair.p.max(), pair.q.max())
    ax.fill_between(x, height * pair.p, color="0.25", alpha=0.18, linewidth=0, label="p, data")
    ax.fill_between(x, height * pair.q, color="tab:green", alpha=0.25, linewidth=0, label="q, from G")
    ax.plot(x, best(pair.p, pair.q), color="tab:orange", linewidth=5, alpha=0.55, label="p/(p + q)")
    for i, logits in enumerate(pair.logits):
        label = f"D, {len(pair.logits)} seeds" if i == 0 else None
        ax.plot(x, sigmoid(logits), color="tab:blue", linestyle="--", linewidth=1.4, label=label)
    ax.axhline(0.5, color="0.6", linewidth=0.8, linestyle=":")
    ax.set(xlim=pair.pair.view, ylim=(0, 1.02), yticks=[0, 0.5, 1], xlabel="x", ylabel="D(x)")
    ax.spines[["top", "right"]].set_visible(False)
    error, gap = pair.mean_errors.max(), np.abs(pair.values - pair.best_value).max()
    ax.set_title(f"{pair.pair.name}: error of D {error:.4f}, of V {gap:.4f}", loc="left", fontsize=10)


def learn(pair: Pair, seed: int, backend: Backend, updates: int, batch: int) -> tuple[GAN, Line]:
    """A game whose D has been trained on this pair, and the line that holds it. G has not moved."""
    D = Sequential(
        Dense(1, 32, init="he"), Tanh(), Dense(32, 32, init="he"), Tanh(), Dense(32, 1), backend=backend, seed=seed
    )
    gan = GAN(bell(pair.mean, pair.std, backend), D, d_optimizer=Adam(Cosine(1e-2, 0.0, updates)), seed=seed)
    data = pair.p.sample(updates * batch, seed)
    for real in data.reshape(updates, batch, 1):
        gan.update_discriminator(D.as_batch(real))  # which draws as many fakes
    return gan, Line(*pair.bounds)


def experiment(
    seed: int, backend: Backend, say: Say, *, seeds: int = 3, updates: int = 3000, batch: int = 512
) -> Discriminators:
    """Train a D on each of the pairs, with as many seeds from `seed` on. Each sees updates · batch samples of p."""
    found = []
    for pair in pairs():
        logits = []
        for s in range(seed, seed + seeds):
            gan, line = learn(pair, s, backend, updates, batch)
            logits.append(gan.score(line.x).astype(np.float64))
        p, q = line.shares(pair.p), line.shares(Mixture("G", np.array([[pair.mean]]), pair.std, pair.bounds))
        found.append(Learned(pair, line, p, q, np.array(logits)))
        say(f"{pair.name}: mean |D − D*| {found[-1].mean_errors.max():.4f}")
    return Discriminators(found)
