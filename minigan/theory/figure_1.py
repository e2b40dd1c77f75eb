"""Figure 1 of the 2014 paper, drawn from a game that was played.

Statement (Goodfellow et al. 2014, figure 1 and section 4). Noise z comes from a line, and x = G(z) lies on another.
G bends the density of z into p_G: low where G is steep, high where G is flat.

    (a) near convergence p_G resembles p_data, and D is right only in part
    (b) D, trained further while G stands still, converges to p_data/(p_data + p_G)
    (c) G, led by the gradient of that D, moves its samples to where D calls them real
    (d) with enough capacity both end where p_G = p_data: there D cannot tell them apart and says 1/2 everywhere

Derivation. (b) is proposition 1, see optimal_discriminator.py. With that D, V = −log 4 + 2 JSD(p_data, p_G), which is
smallest, −log 4, where p_G = p_data alone (theorem 1). (c) is the chain rule: G's non-saturating loss −log D(G(z)) has
the gradient −(1 − D) l′(x) at a sample x, with D's logit l, so that a step against it moves x to where l is larger.
The density of x is a change of variables, p_G(x) = Σ_{z: G(z) = x} p_z(z)/|G′(z)|, taken cell by cell (line.py): no
histogram and no kernel.

Experiment. The data are N(2, 0.5²), z ~ N(0, 1), and G is one Dense layer, x = w z + b: (d) is within its reach, at
w = 0.5 and b = 2, and it cannot fold the line. (In the paper's drawing z is uniform.) D is a small network. A GAN plays
until JSD ≤ 0.12 (a). Then D alone is trained on that G, with a falling learning rate (b), G makes a few updates through
that D (c), and they play on to the end, both learning rates falling to 0 (d). Checked by tests/test_theory_games.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..backend import Backend
from ..datasets.toys import Mixture, get_toy
from ..game.game import Metrics
from ..gan import GAN
from ..metrics import js_divergence
from ..nn import Dense, Sequential, Tanh
from ..optim import Adam, Cosine
from . import Finding, Say
from .line import Floats, Line, bell, best, sigmoid, support, value

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DATA: Mixture = get_toy("gaussian")
LINE = Line(-10, 14, 1200)  # far beyond the data, for G's tails
VIEW = (-0.5, 4.5)
CLOSE = 0.12  # the JSD at which panel (a) is drawn; log 2 = 0.69 is the largest there is


class Panel(NamedTuple):
    """A moment of the game. q: shares of the line's cells under G; logits: D's, in each; x: G of a few z, (n,)."""

    title: str
    q: Floats
    logits: Floats
    z: Floats
    x: Floats

    @property
    def jsd(self) -> float:
        return js_divergence(LINE.shares(DATA), self.q)

    @property
    def error(self) -> float:
        """The mean of |D − p/(p + q)| over samples of (p + q)/2."""
        p = LINE.shares(DATA)
        return float(np.abs(sigmoid(self.logits) - best(p, self.q)) @ (p + self.q) / 2)


@dataclass
class Figure1:
    """What `experiment` returns. panels: (a) to (d); updates: of G between (b) and (c)."""

    panels: list[Panel]
    updates: int
    size: tuple[float, float] = (13, 4.8)

    def findings(self) -> list[Finding]:
        a, b, c, d = self.panels
        p = LINE.shares(DATA)
        where = support(p, p)
        doubt = np.abs(sigmoid(d.logits) - 0.5)
        before, after = (float(sigmoid(b.logits) @ panel.q) for panel in (b, c))
        worth, floor = value(d.logits, p, d.q), -math.log(4)
        return [
            Finding("(a) JSD(p_data, p_G)", f"{a.jsd:.4f}", f"at most {CLOSE}", a.jsd <= CLOSE),
            Finding("(a) mean |D − p/(p+q)|", f"{a.error:.4f}", "D is right only in part"),
            Finding("(b) mean |D − p/(p+q)|", f"{b.error:.4f}", "at most 0.02", b.error <= 0.02),
            Finding(
                f"(c) mean D(G(z)) under the D of (b), before and after {self.updates} updates of G",
                f"{before:.4f} {after:.4f}",
                "rises",
                after > before,
            ),
            Finding("(d) JSD(p_data, p_G)", f"{d.jsd:.2g}", "0: at most 0.01", d.jsd <= 0.01),
            Finding("(d) mean |D − 1/2| on the support", f"{doubt[where].mean():.4f}", "0: at most 0.05",
                    bool(doubt[where].mean() <= 0.05)),
            Finding("(d) mean |D − 1/2| over data", f"{doubt @ p:.4f}", "0: at most 0.05", bool(doubt @ p <= 0.05)),
            Finding("(d) V(D)", f"{worth:.4f}", f"−log 4 = {floor:.4f}, within 0.01", abs(worth - floor) <= 0.01),
        ]  # fmt: skip

    def draw(self, figure: Figure) -> None:
        figure.suptitle("Figure 1 of Goodfellow et al. (2014), from a game that was played")
        upper, lower = figure.subplots(2, len(self.panels), height_ratios=(3, 1), sharex=True)
        for above, below, panel in zip(upper, lower, self.panels, strict=True):
            _densities(above, panel)
            _arrows(below, panel)
        x, before = LINE.x[:, 0], self.panels[1].q
        (line,) = upper[2].plot(x, before / LINE.width, color="tab:green", linewidth=1, alpha=0.5)
        upper[2].legend([line], ["p_G before"], loc="upper right", frameon=False, fontsize=9)
        upper[0].set_ylabel("density; D(x)")
        handles, labels = upper[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)


def _densities(ax: Axes, panel: Panel) -> None:
    x = LINE.x[:, 0]
    ax.plot(x, DATA.density(LINE.x), color="black", linestyle=":", linewidth=2, label="p_data")
    ax.plot(x, panel.q / LINE.width, color="tab:green", linewidth=1.6, label="p_G, of x = G(z)")
    ax.plot(x, sigmoid(panel.logits), color="tab:blue", linestyle="--", linewidth=1.8, label="D(x)")
    ax.axhline(0.5, color="0.7", linewidth=0.8, zorder=0)
    ax.set(xlim=VIEW, ylim=(0, 1.6), yticks=[0, 0.5, 1])
    ax.set_title(panel.title, loc="left", fontsize=10)
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelbottom=False)


def _arrows(ax: Axes, panel: Panel) -> None:
    """From z, equally spaced on the lower line, to x = G(z) on the upper one."""
    middle, reach = sum(VIEW) / 2, (VIEW[1] - VIEW[0]) / 2 * 0.8
    for z, x in zip(middle + reach * panel.z / panel.z.max(), panel.x, strict=True):
        if not VIEW[0] <= x <= VIEW[1]:
            continue
        ax.annotate("", (x, 1), (z, 0), arrowprops={"arrowstyle": "-|>", "color": "0.35", "linewidth": 0.7,
                    "shrinkA": 0, "shrinkB": 0, "mutation_scale": 6}, annotation_clip=False)  # fmt: skip
    ax.hlines([0, 1], [middle - reach, VIEW[0]], [middle + reach, VIEW[1]], color="black", linewidth=1)
    ax.text(middle - reach - 0.08, 0, "z", ha="right", va="center")
    ax.text(VIEW[1] + 0.05, 1, "x", ha="left", va="center")
    ax.set(ylim=(-0.05, 1.05), yticks=[])
    ax.set_axis_off()


def networks(backend: Backend, seed: int) -> tuple[Sequential, Sequential]:
    """G, which makes N(0.8, 0.6²) at first, and D; in float64, for p_G asks for differences of G between neighbours."""
    D = Sequential(
        Dense(1, 32, init="he"), Tanh(), Dense(32, 32, init="he"), Tanh(), Dense(32, 1), backend=backend,
        dtype="float64", seed=seed,
    )  # fmt: skip
    return bell(0.8, 0.6, backend, "float64"), D


def look(gan: GAN, title: str, arrows: int = 25) -> Panel:
    """The game as it stands."""
    z = np.linspace(-2.4, 2.4, arrows)
    return Panel(title, LINE.generated(gan), gan.score(LINE.x), z, gan.generate(z[:, None])[:, 0])


def experiment(
    seed: int, backend: Backend, say: Say, *, steps: int = 800, d_updates: int = 1500, updates: int = 20,
    batch: int = 256,
) -> Figure1:  # fmt: skip
    """Play to (a), train D for d_updates to (b), G for `updates` to (c), and both to step `steps` (d)."""
    G, D = networks(backend, seed)
    d_steps, p = 4, LINE.shares(DATA)
    gan = GAN(
        G, D, d_steps=d_steps, seed=seed, optimizer=Adam(Cosine(1e-2, 0.0, steps), beta1=0.0),
        d_optimizer=Adam(Cosine(5e-3, 0.0, steps * d_steps), beta1=0.0),
    )  # fmt: skip
    data = DATA.sample(100_000, seed)

    def close(gan: GAN, metrics: Metrics) -> bool:
        return js_divergence(p, LINE.generated(gan)) <= CLOSE

    gan.fit(data, steps // 2, batch, callback=close)
    panels = [look(gan, f"(a) step {gan.steps}: p_G is near")]
    say(f"(a) at step {gan.steps}: JSD {panels[0].jsd:.3f}")

    trainer = GAN(  # the same two networks, under other rules for D
        G, D, seed=seed + 1, d_optimizer=Adam(Cosine(1e-2, 0.0, d_updates)),
    )  # fmt: skip
    for real in DATA.sample(d_updates * 2 * batch, seed + 1).reshape(d_updates, 2 * batch, 1):
        trainer.update_discriminator(D.as_batch(real))
    panels.append(look(gan, f"(b) D alone, {d_updates:,} updates: D = p/(p + q)"))
    say(f"(b) mean |D − p/(p+q)| {panels[1].error:.4f}")

    for _ in range(updates):
        gan.update_generator(batch)
    panels.append(look(gan, f"(c) G alone, {updates} updates: towards high D"))

    gan.fit(data, steps - gan.steps, batch)
    panels.append(look(gan, f"(d) step {gan.steps:,}: D = 1/2"))
    say(f"(d) at step {gan.steps}: JSD {panels[3].jsd:.4f}")
    return Figure1(panels, updates)
