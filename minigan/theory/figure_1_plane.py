"""A line of noise bent through a plane: G at work, seen step by step.

Statement (Goodfellow et al. 2014, figure 1, a dimension higher; Arjovsky and Bottou 2017, lemma 1 and theorem 2.2).
With one number of noise and samples in the plane, x = G(z) is a curve. G has to lead it through all of the data, fast
between the modes and slowly on them, for it cannot leave the curve.

Derivation. A curve has no area: p_G has no density in the plane, p_data and p_G are disjoint up to probability 0, and
JSD(p_data, p_G) = log 2 for every G. In theory a D exists that is always right, so D = 1/2 is not where this game
ends, and without help G's gradient vanishes (see vanishing_gradient.py). What ends the game near D = 1/2 is a D that
may not bend so sharply: R1 holds its slope down, and such a D cannot tell a curve that winds through the data from the
data (Mescheder et al. 2018).

Experiment. The data are 8 bells of standard deviation 0.1 on a circle of radius 1, z ~ U(−1, 1), and the game is played
with R1. The colour of the curve is z, that of the plane is D. Modes and samples of high quality are counted as PacGAN
does (Lin et al. 2018): within 3 standard deviations of a mode. Checked by tests/test_theory_games.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..backend import Backend
from ..datasets.toys import Mixture, get_toy
from ..gan import GAN
from ..metrics import mode_coverage
from ..metrics.modes import Coverage
from ..nn import Dense, LeakyReLU, Sequential
from ..optim import Adam, Cosine
from ..penalties import R1
from . import Finding, Say
from .line import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

DATA = Mixture("eight", get_toy("ring").means, 0.1, (-1.6, 1.6))
PIXELS = 121  # along each side of D's picture


class Panel(NamedTuple):
    """A moment. curve: G(z) for rising z (n, 2). chances: D on the plane (PIXELS, PIXELS).

    coverage: of 2,500 samples.
    """

    step: int
    curve: Floats
    chances: Floats
    coverage: Coverage


@dataclass
class Plane:
    """What `experiment` returns. real, fake: D of fresh data and of fresh samples in the end, (2500,)."""

    panels: list[Panel]
    real: Floats
    fake: Floats
    size: tuple[float, float] = (12, 8.2)

    def findings(self) -> list[Finding]:
        begun, ended = self.panels[0].coverage, self.panels[-1].coverage
        right = (np.mean(self.real > 0.5) + np.mean(self.fake <= 0.5)) / 2
        modes = len(DATA.means)
        return [
            Finding("modes with a sample, first and last panel", f"{begun.modes} {ended.modes}",
                    f"{modes} in the end", ended.modes == modes),
            Finding("share of samples within 3 sigma of a mode", f"{ended.high_quality:.3f}",
                    f"at least 0.7; of data {1 - math.exp(-4.5):.3f}", ended.high_quality >= 0.7),
            Finding("reverse KL of the modes from equal shares", f"{ended.reverse_kl:.4f}", "small"),
            Finding("mean D of data, of samples", f"{self.real.mean():.3f} {self.fake.mean():.3f}",
                    "1/2, within 0.1", bool(max(abs(self.real.mean() - 0.5), abs(self.fake.mean() - 0.5)) <= 0.1)),
            Finding("share of both that D gets right", f"{right:.3f}", "1/2 is chance"),
        ]  # fmt: skip

    def draw(self, figure: Figure) -> None:
        figure.suptitle("x = G(z): a line of noise finds its way through 8 bells")
        axes = figure.subplots(2, -(-len(self.panels) // 2))
        for ax, panel in zip(axes.ravel(), self.panels, strict=False):
            plane, line = _panel(ax, panel)
        figure.colorbar(plane, ax=axes, label="D(x)", ticks=[0, 0.25, 0.5, 0.75, 1], shrink=0.8)
        figure.colorbar(line, ax=axes, label="z", ticks=[-1, 0, 1], location="bottom", shrink=0.4, aspect=40)


def _panel(ax: Axes, panel: Panel) -> tuple[AxesImage, LineCollection]:
    """Draws a panel; returns what colours stand for D and for z."""
    from matplotlib.collections import LineCollection

    low, high = DATA.bounds
    plane = ax.imshow(panel.chances, extent=(low, high, low, high), origin="lower", cmap="RdBu", vmin=0, vmax=1,
                      alpha=0.55, interpolation="bilinear")  # fmt: skip
    x, y = DATA.sample(400).T
    side = np.linspace(low, high, PIXELS)
    ax.contour(side, side, panel.chances, levels=[0.5], colors="0.3", linewidths=0.8, linestyles="--")
    ax.scatter(x, y, s=3, color="black", alpha=0.35, linewidths=0)
    z = np.linspace(-1, 1, len(panel.curve) - 1)
    pieces = np.stack([panel.curve[:-1], panel.curve[1:]], axis=1)
    line = LineCollection(list(pieces), array=z, cmap="viridis", linewidth=2)
    ax.add_collection(line)
    ax.set(xlim=(low, high), ylim=(low, high), xticks=[-1, 0, 1], yticks=[-1, 0, 1], aspect="equal")
    c = panel.coverage
    ax.set_title(f"step {panel.step:,}: {c.modes} modes, {100 * c.high_quality:.0f} % near one", fontsize=10)
    return plane, line


def game(seed: int, backend: Backend, steps: int) -> GAN:
    """G from the line to the plane, and D."""
    G = Sequential(
        Dense(1, 128, init="he"), LeakyReLU(), Dense(128, 128, init="he"), LeakyReLU(), Dense(128, 128, init="he"),
        LeakyReLU(), Dense(128, 2), backend=backend, seed=2 * seed,
    )  # fmt: skip
    D = Sequential(
        Dense(2, 128, init="he"), LeakyReLU(), Dense(128, 128, init="he"), LeakyReLU(), Dense(128, 1), backend=backend,
        seed=2 * seed + 1,
    )  # fmt: skip
    return GAN(
        G, D, prior="uniform", penalties=[R1(0.1)], optimizer=Adam(Cosine(1e-3, 0.0, steps), beta1=0.0), seed=seed
    )


def look(gan: GAN) -> Panel:
    """The game as it stands."""
    side = np.linspace(*DATA.bounds, PIXELS)
    points = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    curve = gan.generate(np.linspace(-1, 1, 1001)[:, None])
    coverage = mode_coverage(gan.sample(2500), DATA.means, DATA.std)
    return Panel(gan.steps, curve, gan.probability(points).reshape(PIXELS, PIXELS), coverage)


def experiment(seed: int, backend: Backend, say: Say, *, steps: int = 6000, batch: int = 256) -> Plane:
    """Play so many steps, and look six times: at the beginning, and more and more rarely until the end."""
    gan, data = game(seed, backend, steps), DATA.sample(100_000, seed)
    panels = [look(gan)]
    for until in np.geomspace(steps / 80, steps, 5).round().astype(int).tolist():
        gan.fit(data, until - gan.steps, batch)
        panels.append(look(gan))
        say(f"step {until}: {panels[-1].coverage.modes} modes, {panels[-1].coverage.high_quality:.3f} of high quality")
    return Plane(panels, gan.probability(DATA.sample(2500, seed + 1)), gan.probability(gan.sample(2500)))
