"""GANs on points in the plane: which modes are found, and how sharply, by three kinds of game.

Points need no eye to judge them: where the density is known, it is seen at once which of its modes are missing, and how
many samples lie where there is no data. The same networks, those of PacGAN (recipes/networks.py), play

    non-saturating      the game of 2014: D sees sample by sample, and nothing keeps G from making few of them well
    packing 4           D sees four samples at once (Lin et al. 2018): too little variety gives G away
    R1 + R2             D's gradient is held down at real samples and at fakes (Mescheder et al. 2018): a smooth D shows
                        G the way to modes it has lost

Two figures say how well, see minigan/metrics: modes covered, with the share of samples that lie within 3 standard
deviations of one; and the divergence of Jensen and Shannon between samples and truth on a grid of cells, which is 0 for
a perfect generator and log 2 = 0.693 for one that is wrong everywhere. The row of the data itself says how good samples
can look. This is a short game on small networks; the table of mode coverage in benchmarks/README.md has longer ones on
larger networks, with ten seeds each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..backend import Backend
from ..datasets.csv import read
from ..datasets.toys import Grid, Mixture, Points, Toy, get_toy
from ..game.play import Play
from ..gan import GAN
from ..metrics import Coverage, js_divergence, mode_coverage
from ..recipes import gan as recipe
from . import Finding, Say

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Samples = np.ndarray[Any, Any]

# Learning rates are those that went furthest in 6,000 to 12,000 steps on the grid, tried with a seed or two.
_HELD_DOWN = {"r1": 0.1, "r2": 0.1, "lr": 4e-3, "d_lr": 5e-4}
METHODS: dict[str, dict[str, Any]] = {
    "non-saturating": {},
    "minibatch deviation": {"minibatch_std": True},
    "packing 2": {"packing": 2},
    "packing 4": {"packing": 4},
    "WGAN-GP": {"objective": "wasserstein", "gradient_penalty": 1.0, "d_steps": 5},
    "R1 + R2": _HELD_DOWN,
    "relativistic + R1 + R2": {"objective": "relativistic", **_HELD_DOWN},
}
SHOWN = ("non-saturating", "packing 4", "R1 + R2")
N = 2500  # samples that are judged, as in VEEGAN and PacGAN
DATA = 100_000


class Look(NamedTuple):
    """The samples (N, 2) of a GAN after so many steps, and how good they are. coverage: None without known modes."""

    step: int
    samples: Samples
    coverage: Coverage | None
    jsd: float


def look(samples: Samples, toy: Toy, step: int = 0) -> Look:
    """Judge samples (n, 2) of a toy."""
    bells = _bells(toy)
    cover = None if bells is None else mode_coverage(samples, bells.means, bells.std)
    grid = Grid(toy)
    return Look(step, samples, cover, js_divergence(grid.truth, grid.shares(samples)))


def game(method: str, steps: int, width: int, seed: int, backend: Backend | str) -> GAN:
    """A GAN for points in the plane, by a name in METHODS.

    Its learning rates fall as if the game were half as long again, to a quarter in so many steps: at 0 a game that has
    missed modes could not find them any more, and sharpness comes from the average of G.
    """
    options = {"nets": "points", "width": width, "latent": 2, "lr": 1e-3, "beta1": 0.0, "beta2": 0.99, "average": 0.999}
    return recipe.build((2,), **{**options, **METHODS[method]}, decay_steps=3 * steps // 2, seed=seed, backend=backend)


def play(gan: GAN, toy: Toy, looks: Iterable[int], seed: int, batch: int = 100) -> Iterator[Look]:
    """Train on samples of the toy and look at the GAN after so many steps each, which must rise."""
    game = Play(gan, toy.sample(DATA, seed), batch)
    for step in looks:
        game.play(step - gan.steps)
        yield look(gan.sample(N, seed + 1).reshape(N, 2), toy, step)


@dataclass(frozen=True)
class Plane:
    """Three games on one toy."""

    toy: Toy
    truth: Look
    games: dict[str, list[Look]]

    size = (13.0, 10.0)

    def findings(self) -> list[Finding]:
        rows = {"the data itself": self.truth} | {name: looks[-1] for name, looks in self.games.items()}
        return [Finding(name, _said(row, long=True)) for name, row in rows.items()]

    def draw(self, figure: Figure) -> None:
        looks = len(next(iter(self.games.values())))
        rows = figure.subplots(len(self.games), looks + 1, squeeze=False, sharex=True, sharey=True)
        figure.suptitle(
            f"{self.toy.name}: {N:,} samples of three games between the same networks", fontsize=17, weight="bold"
        )
        for axes, (name, seen) in zip(rows, self.games.items(), strict=True):
            _scatter(axes[0], self.truth, self.toy, "#3a3a3a", "the data itself")
            axes[0].set_ylabel(name, fontsize=13, weight="bold")
            for ax, each in zip(axes[1:], seen, strict=True):
                _scatter(ax, each, self.toy, "#1f5fa8", f"step {each.step:,}")


def experiment(
    seed: int = 0,
    backend: Backend | str = "numpy",
    say: Say = lambda sentence: None,
    *,
    toy: str = "",
    data: str = "",
    steps: int = 3000,
    width: int = 100,
) -> Plane:
    """Three games on a toy, or on points of one's own, with a look after a tenth, a third and all of the steps.

    toy: a name of datasets/toys.py
    data: a `.csv` of points in the plane, one in each row, scaled to fit
    steps: of each game
    width: units of a layer of G
    """
    if bool(toy) == bool(data):
        raise ValueError("a study of points needs either the name of a toy or --data FILE.csv")
    subject: Toy = get_toy(toy) if toy else Points.scaled(read(data), "your points")
    if subject.dim != 2:
        raise ValueError(f"{subject.name} has points of {subject.dim} numbers, but the plane has 2")
    truth = look(subject.sample(N, seed + 2), subject)
    games: dict[str, list[Look]] = {}
    for name in SHOWN:
        built = game(name, steps, width, seed, backend)
        games[name] = list(play(built, subject, (max(1, steps // 10), max(2, steps // 3), steps), seed))
        say(f"{name}: {_said(games[name][-1], long=True)}")
    return Plane(subject, truth, games)


def _bells(toy: Toy) -> Mixture | None:
    """The toy, if its modes can be counted."""
    return toy if isinstance(toy, Mixture) and not toy.curve else None


def _said(seen: Look, long: bool = False) -> str:
    words = f"divergence {seen.jsd:.3f}"
    if seen.coverage is None:
        return words
    plural = "" if seen.coverage.modes == 1 else "s"
    modes = f"{seen.coverage.modes} mode{plural}, {100 * seen.coverage.high_quality:.1f} % near one"
    return f"{modes}, reverse KL {seen.coverage.reverse_kl:.3f}, {words}" if long else modes


def _scatter(ax: Axes, seen: Look, toy: Toy, colour: str, title: str) -> None:
    low, high = toy.bounds
    bells = _bells(toy)
    if bells is not None:
        x, y = bells.means.T
        ax.scatter(x, y, s=120, facecolors="none", edgecolors="#c8501e", linewidths=0.8, zorder=3)
    ax.scatter(seen.samples[:, 0], seen.samples[:, 1], s=3, color=colour, alpha=0.35, linewidths=0, zorder=2)
    ax.set(xlim=(low, high), ylim=(low, high), aspect="equal", xticks=[], yticks=[])
    ax.set_title(f"{title}\n{_said(seen)}", fontsize=11)
