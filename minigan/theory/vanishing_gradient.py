"""Against a perfect D the minimax gradient of G vanishes, that of −log D does not.

Statement (Arjovsky and Bottou 2017, theorem 2.4 and figure 2; Goodfellow et al. 2014, section 3). Where p and q are
(nearly) disjoint, there is a D that is right everywhere. As D approaches it, the gradient of log(1 − D(G(z))) with
respect to G's parameters goes to 0, by five orders of magnitude within 4,000 updates of D in their experiment.

Derivation. With D's logit l, a sample x = G(z) and J = ∂x/∂θ, both gradients of a sample are Jᵀ l′(x) times a number:

    minimax          log(1 − D) = −softplus(l)     −σ(l) Jᵀ l′(x) = −D Jᵀ l′(x)
    non-saturating   −log D = softplus(−l)         (σ(l) − 1) Jᵀ l′(x) = −(1 − D) Jᵀ l′(x)

They point the same way and differ by the factor D/(1 − D) = e^l, sample by sample. A D that is trained on disjoint
samples makes l of fakes ever more negative: the first number goes to 0 like e^l, the second to 1. What is left to the
second is the slope of l, which grows with D's confidence. A penalty on D's slope, as R1, keeps l bounded where p and q
are near each other, and with it both gradients.

Experiment. The data are 8 narrow bells on a circle, and G is an untrained network whose samples lie inside of it. G
stands still, D is trained on fresh samples by `GAN.update_discriminator`, and now and then the gradient of each
objective goes back through the same D into G on the same noise, in float64. Then once more under R1. Checked by
tests/test_theory_games.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..backend import Backend, FreshArena
from ..datasets.toys import Mixture, get_toy
from ..gan import GAN
from ..nn import Dense, LeakyReLU, Sequential
from ..nn.init import Normal
from ..objectives import get_objective
from ..optim import Adam
from ..penalties import R1, Penalty
from . import Finding, Say
from .line import Floats

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OBJECTIVES = ("minimax", "non-saturating")
DATA: Mixture = get_toy("ring")


@dataclass
class Vanishing:
    """What `experiment` returns. updates: of D, at each look (k,), the first 0.

    norms: of G's gradient (seeds, k, 2), for OBJECTIVES. held: (k, 2), of the first seed where D has an R1 penalty of
    this weight. fakes: mean D(G(z)) of the last seed in the end, without it.
    """

    updates: Floats
    norms: Floats
    held: Floats
    weight: float
    fakes: float
    size: tuple[float, float] = (9, 5.2)

    @property
    def falls(self) -> Floats:
        """By what factor the norms have fallen from first to last, (seeds, 2)."""
        return np.asarray(self.norms[:, 0] / self.norms[:, -1])

    @property
    def slopes(self) -> Floats:
        """Decades per 1,000 updates of D, by least squares, (seeds, 2)."""
        return np.array([1000 * np.polyfit(self.updates, np.log10(norms), 1)[0] for norms in self.norms])

    def findings(self) -> list[Finding]:
        last, falls, ratio = f"{self.updates[-1]:,.0f}", self.falls, self.falls[:, 0] / self.falls[:, 1]
        rows = [
            Finding(f"{name}: norm of G's gradient at D's update 0 / at {last}, each seed", _each(falls[:, i], ".3g"))
            for i, name in enumerate(OBJECTIVES)
        ]
        rows.append(
            Finding("how many times more minimax falls", _each(ratio, ".3g"), "at least 1,000", bool(min(ratio) >= 1e3))
        )
        rows += [
            Finding(f"{name}: slope, decades per 1,000 updates of D", _each(self.slopes[:, i], "+.2f"))
            for i, name in enumerate(OBJECTIVES)
        ]
        held = self.held[0, 0] / self.held[-1, 0]
        rows.append(
            Finding(
                f"minimax under R1({self.weight:g}): norm at 0 / at {last}", f"{held:.3g}",
                "does not vanish: less than 100", bool(held < 100),
            )
        )  # fmt: skip
        rows.append(Finding(f"mean D(G(z)) at {last}", f"{self.fakes:.2g}", "0"))
        return rows

    def draw(self, figure: Figure) -> None:
        ax = figure.subplots()
        ax.set_title("The norm of G's gradient while D learns to reject a G that stands still", loc="left")
        lines = [
            (self.norms[:, :, 1], "tab:green", "-", f"non-saturating, −log D, {len(self.norms)} seeds"),
            (self.held[None, :, 0], "tab:purple", "-.", f"minimax, D with R1({self.weight:g}), one seed"),
            (self.norms[:, :, 0], "tab:red", "-", f"minimax, log(1 − D), {len(self.norms)} seeds"),
        ]
        for norms, colour, style, label in lines:
            for i, norm in enumerate(norms):
                name = label if i == 0 else None
                ax.semilogy(self.updates, norm, color=colour, linestyle=style, linewidth=1.6, alpha=0.8, label=name)
        ax.set(xlim=(0, self.updates[-1]), xlabel="updates of D", ylabel="|dL/dθ| of G")
        ax.grid(color="0.9")
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(frameon=False, loc="center right")


def gradient_norms(gan: GAN, z: Floats) -> list[float]:
    """The norm of G's gradient under each of OBJECTIVES, on noise z (N, latent), through D as it is."""
    norms = []
    fakes, back_G = gan.G(z)
    logits, back_D = gan.D(fakes)
    for name in OBJECTIVES:
        _, dlogits = get_objective(name).generator(logits, FreshArena(gan.backend))
        gan.G.zero_grad()
        back_G(back_D(dlogits, params=False), inputs=False)
        norms.append(float(gan.backend.norm(gan.G.flat_grad)))
    return norms


def game(seed: int, backend: Backend, penalties: Sequence[Penalty] = ()) -> GAN:
    """A G whose samples lie inside the circle, and a new D."""
    G = Sequential(
        Dense(2, 64), LeakyReLU(), Dense(64, 64), LeakyReLU(), Dense(64, 2, init=Normal(0.02)), backend=backend,
        dtype="float64", seed=2 * seed,
    )  # fmt: skip
    D = Sequential(
        Dense(2, 64), LeakyReLU(), Dense(64, 64), LeakyReLU(), Dense(64, 1), backend=backend, dtype="float64",
        seed=2 * seed + 1,
    )  # fmt: skip
    return GAN(G, D, d_optimizer=Adam(3e-3), penalties=penalties, seed=seed)


def train(gan: GAN, looks: Sequence[int], batch: int) -> Floats:
    """Train D and measure the norms of G's gradient after so many updates: (looks, 2)."""
    z = gan.latents(1024)
    data = DATA.sample(looks[-1] * batch, gan.seed).reshape(looks[-1], batch, 2)
    norms = []
    for look in looks:
        for real in data[gan.d_updates : look]:
            gan.update_discriminator(gan.D.as_batch(real))
        norms.append(gradient_norms(gan, z))
    return np.array(norms)


def experiment(
    seed: int, backend: Backend, say: Say, *, seeds: int = 3, updates: int = 4000, batch: int = 64, weight: float = 1.0
) -> Vanishing:
    """Train D alone for so many updates, with as many seeds from `seed` on, and once more with R1(weight)."""
    looks = sorted({round(look) for look in np.linspace(0, updates, 41)})
    norms = []
    for s in range(seed, seed + seeds):
        gan = game(s, backend)
        norms.append(train(gan, looks, batch))
        first, last = norms[-1][0, 0], norms[-1][-1, 0]
        say(f"seed {s}: the norm of the minimax gradient went from {first:.2g} to {last:.2g}")
    held = train(game(seed, backend, [R1(weight)]), looks, batch)
    fakes = float(gan.probability(gan.generate(gan.latents(1024))).mean())
    return Vanishing(np.array(looks, np.float64), np.array(norms), held, weight, fakes)


def _each(numbers: Floats, form: str) -> str:
    return " ".join(f"{number:{form}}" for number in numbers)
