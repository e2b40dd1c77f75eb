"""What the studies of failures share: a game that fails, the same with a remedy, and what is measured of both.

A failure is made of the library's own options: small dense networks play for points whose density is known, under
settings that are chosen so that it fails. Each remedy changes some of the settings and nothing else. `Diagnostics`
watches every game; what it says, and when, is part of what is found. Figures are of samples that the game has not
learned from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..backend import Backend, get_backend
from ..datasets.toys import Mixture, get_toy
from ..diagnostics import Diagnostics, Notice
from ..game.play import Play
from ..gan import GAN
from ..metrics import mode_coverage
from ..nn import Sequential
from ..optim import SGD, Adam, Linear
from ..penalties import R1, R2, GradientPenalty, Penalty
from ..recipes import networks
from . import Finding, Say

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Comparison", "Failure", "Game", "Outcome", "compare", "modes_covered", "play", "widened"]

_SICK, _CURED, _DATA = "#c0392b", ("#1f77b4", "#2a9d8f", "#e9a23b", "#7a5195"), "0.75"

Floats = NDArray[np.floating[Any]]
WIDTH, LATENT, SAMPLES = 64, 2, 2_500  # of the hidden layers; of z; that figures are made of
BLOCK = 50  # steps between two points of a signal


@dataclass(frozen=True)
class Game:
    """Settings of a game, a healthy one by default. Most are those of GAN.

    lr, d_lr, beta1: of Adam. g_sgd: G moves by plain gradient descent of this rate instead. d_stop: D's rate falls to 0
    in so many updates; 0 for never. r1, r2, gradient_penalty: weights. instance_noise: standard deviation, falling to 0
    until the end of the game. pretrain: updates of D alone before it.
    """

    objective: str = "non-saturating"
    lr: float = 1e-3
    d_lr: float | None = None
    beta1: float = 0.5
    g_sgd: float | None = None
    d_stop: int = 0
    r1: float = 0.0
    r2: float = 0.0
    gradient_penalty: float = 0.0
    instance_noise: float = 0.0
    packing: int = 1
    minibatch_std: bool = False
    d_steps: int = 1
    pretrain: int = 0
    batch: int = 64

    def build(self, toy: Mixture, steps: int, seed: int, backend: Backend) -> GAN:
        """G and D with two hidden layers of 64 units; G's last layer is linear."""
        G = networks.small_generator(LATENT, toy.dim, WIDTH, backend=backend, seed=2 * seed)
        wanted = (R1, self.r1), (R2, self.r2), (GradientPenalty, self.gradient_penalty)
        penalties: list[Penalty] = [kind(weight) for kind, weight in wanted if weight]
        rate = self.lr if self.d_lr is None else self.d_lr
        return GAN(
            G,
            self.discriminator(toy, 2 * seed + 1, backend),
            objective=self.objective,
            optimizer=Adam(self.lr, beta1=self.beta1) if self.g_sgd is None else SGD(self.g_sgd),
            d_optimizer=Adam(Linear(rate, 0.0, self.d_stop) if self.d_stop else rate, beta1=self.beta1),
            penalties=penalties,
            instance_noise=Linear(self.instance_noise, 0.0, steps) if self.instance_noise else 0.0,
            packing=self.packing,
            d_steps=self.d_steps,
            seed=seed,
        )

    def discriminator(self, toy: Mixture, seed: int, backend: Backend) -> Sequential:
        head = networks.Head(packing=self.packing, minibatch_std=self.minibatch_std)
        return networks.small_discriminator(toy.dim, WIDTH, head, backend=backend, seed=seed)


@dataclass(frozen=True)
class Failure:
    """A game that fails, and what helps.

    kinds: of the notices that count as its detection. steps: of a game. within: the step at which it must have been
    noticed. remedies: what is changed, by a name. measure: a figure of a game that is over, with the data that it has
    not seen. healthy: whether such a figure is that of a game that works; measured: what it is, in words. signal: a
    metric, or "variety", that shows the failure while it happens.
    """

    name: str
    toy: Mixture
    sick: Game
    remedies: Mapping[str, Mapping[str, Any]]
    kinds: tuple[str, ...]
    steps: int
    within: int
    measure: Callable[[GAN, Mixture, int], float]
    healthy: Callable[[float], bool]
    measured: str
    wanted: str
    signal: str
    label: str  # of the signal
    logarithmic: bool = False

    @property
    def games(self) -> dict[str, Game]:
        """The sick one under its own name, and one for each remedy."""
        return {self.name: self.sick} | {name: replace(self.sick, **how) for name, how in self.remedies.items()}


class Outcome(NamedTuple):
    """Of one game. signal: (points,) at steps (points,). figure: see `Failure.measure`."""

    samples: Floats
    notices: list[Notice]
    steps: NDArray[np.int64]
    signal: Floats
    figure: float

    def noticed(self, kinds: Sequence[str]) -> int | None:
        """The step of the first notice of these kinds."""
        return next((n.step for n in self.notices if n.entered and n.kind in kinds), None)


def play(
    failure: Failure, game: Game, seed: int, backend: Backend | str = "numpy", steps: int | None = None
) -> Outcome:
    """One game from its beginning to its end. steps: fewer of them than the failure's."""
    be = get_backend(backend) if isinstance(backend, str) else backend
    count = failure.steps if steps is None else steps
    gan = game.build(failure.toy, failure.steps, seed, be)
    data = failure.toy.sample(10_000, seed=seed)
    play, diagnostics = Play(gan, data, game.batch), Diagnostics(gan, data, every=BLOCK)
    play.begin(game.pretrain)
    notices: list[Notice] = []
    signal: list[float] = []
    for _ in range(count // BLOCK):
        played = play.play(BLOCK)
        notices += diagnostics.watch(played)
        signal.append(diagnostics.variety if failure.signal == "variety" else float(played[failure.signal].mean()))
    steps_of = BLOCK * np.arange(1, len(signal) + 1)
    figure = failure.measure(gan, failure.toy, seed)
    return Outcome(gan.sample(SAMPLES, seed=seed), notices, steps_of, np.array(signal), figure)


def widened(name: str, std: float, shift: float = 0.0) -> Mixture:
    """A toy with wider modes, which a G finds in a short game, perhaps moved to the right."""
    toy: Mixture = get_toy(name)
    low, high = toy.bounds
    return Mixture(name, toy.means + np.array([shift, 0.0]), std, (min(low, low + shift), high + shift))


def modes_covered(gan: GAN, toy: Mixture, seed: int) -> float:
    """How many modes have a sample within three standard deviations, see `mode_coverage`."""
    return mode_coverage(gan.sample(SAMPLES, seed=seed), toy.means, toy.std).modes


class Comparison:
    """The study of one or more failures, each with its remedies, with one seed."""

    def __init__(self, found: Sequence[tuple[Failure, dict[str, Outcome]]]) -> None:
        self.found = found
        self.size = (12.0, 6.0 * len(found))

    def findings(self) -> list[Finding]:
        rows = []
        for failure, outcomes in self.found:
            for name, outcome in outcomes.items():
                well = failure.healthy(outcome.figure)
                what, shown = f"{name}: {failure.measured}", f"{outcome.figure:.3g}"
                if name == failure.name:
                    when = outcome.noticed(failure.kinds)
                    told = f"step {when:,}" if when else "never"
                    early = when is not None and when <= failure.within
                    rows.append(Finding(f"{name}: noticed", told, f"step {failure.within:,} or before", early))
                    rows.append(Finding(what, shown, f"not {failure.wanted}", not well))
                else:
                    rows.append(Finding(what, shown, failure.wanted, well))
        return rows

    def draw(self, figure: Figure) -> None:
        parts = figure.subfigures(len(self.found), 1, squeeze=False)[:, 0]
        for part, (failure, outcomes) in zip(parts, self.found, strict=True):
            _draw(part, failure, outcomes)


def compare(failures: Sequence[Failure], seed: int, backend: Backend | str, say: Say) -> Comparison:
    """Play every game of every failure."""
    found = []
    for failure in failures:
        outcomes = {}
        for name, game in failure.games.items():
            say(f"{name}: {failure.steps:,} steps")
            outcomes[name] = outcome = play(failure, game, seed, backend)
            for notice in outcome.notices:
                say(f"  {notice}")
        found.append((failure, outcomes))
    return Comparison(found)


def _draw(figure: Any, failure: Failure, outcomes: Mapping[str, Outcome]) -> None:
    """Above, the samples of each game over the data; below, the signal over the steps, with the notice."""
    corners = np.vstack([failure.toy.means, np.zeros((1, 2))])  # and where G begins
    low, high = corners.min(axis=0), corners.max(axis=0)
    low, high = low - 0.3 * (high - low)[1], high + 0.3 * (high - low)[1]
    width, height = high - low
    above = 9.5 / len(outcomes) * height / width  # inches that the samples need; the signal gets what is left of 4.4
    axes = figure.subplot_mosaic([[*outcomes], ["signal"] * len(outcomes)], height_ratios=(above, 4.4 - above))
    data = failure.toy.sample(1_000, seed=10_000)
    for i, (name, outcome) in enumerate(outcomes.items()):
        sick, ax = name == failure.name, axes[name]
        colour = _SICK if sick else _CURED[(i - 1) % len(_CURED)]
        ax.scatter(*data.T, s=5, color=_DATA, linewidths=0)
        ax.scatter(*outcome.samples[:1_000].T, s=5, color=colour, alpha=0.6, linewidths=0)
        ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), xticks=[], yticks=[], aspect="equal")
        outside = float(((outcome.samples < low) | (outcome.samples > high)).any(axis=1).mean())
        if outside > 0.5:
            far = float(np.median(np.linalg.norm(outcome.samples, axis=1)))
            text = f"{outside:.0%} of fakes\nlie outside, at a\nmedian distance\nof {far:.0f}"
            ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", fontsize=9, color=colour)
        ax.set_title(f"{name}\n{failure.measured}: {outcome.figure:.3g}", fontsize=10, color=colour)
        axes["signal"].plot(outcome.steps, outcome.signal, color=colour, lw=2.2 if sick else 1.4, label=name)
    ax, when = axes["signal"], outcomes[failure.name].noticed(failure.kinds)
    if when is not None:
        ax.axvline(when, color=_SICK, ls=":", lw=1.5)
        ax.annotate(
            f"noticed at step {when:,}", (when, 0.4), xycoords=("data", "axes fraction"), xytext=(6, 0),
            textcoords="offset points", va="center", color=_SICK, fontsize=11,
            bbox={"boxstyle": "square,pad=0.2", "facecolor": "white", "edgecolor": "none", "alpha": 0.8},
        )  # fmt: skip
    ax.set_yscale("log" if failure.logarithmic else "linear")
    ax.set(xlabel="step", ylabel=failure.label, xlim=(0, failure.steps))
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
