"""What can be wrong with a game: for each trouble when it begins, when it is over, and what there is to say.

    d-wins             D is right about nearly everything, and what it tells G is nearly nothing
    one-weakness       D takes nearly all fakes for real: G lives off a mistake that D does not correct
    partial-collapse   fakes are of few kinds only
    complete-collapse  all fakes are alike
    oscillation        the players go round in circles
    gradient-ratio     one player's gradient is thousands of times the other's

Metrics are averaged over blocks of steps. A trouble begins when its condition holds for the medians of the last 5
blocks and for those of the 5 before, and is over when another, stricter one holds for those of the last 5. Between the
two lies a gap, so that a figure that wavers about a threshold is spoken of once; and one block out of line decides
nothing. All conditions are on accuracies and on ratios, which mean the same under every objective; D(G(z)) is asked for
only where D's output is a probability.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..objectives import Critic, Minimax, NonSaturating
from ..optim import Adam
from ..penalties import R1, R2

if TYPE_CHECKING:
    from ..gan import GAN

__all__ = ["STATES", "Figures", "State", "Window", "swings"]

GRACE = 2_000  # steps in which a G may still have few kinds because it has only begun; measured on the slow recipes


class Figures(NamedTuple):
    """Medians over some blocks, of the means of metrics and of looks at fakes (variety.py)."""

    d_real: float
    d_fake: float
    d_accuracy_real: float
    d_accuracy_fake: float
    d_grad_norm: float
    g_grad_norm: float
    kinds: float
    variety: float

    @property
    def ratio(self) -> float:
        """G's gradient over D's."""
        return self.g_grad_norm / max(self.d_grad_norm, 1e-30)


class Window(NamedTuple):
    """What there is to judge by. before, recent: the two halves of the last blocks.

    peak: the largest gradient that G has had over a block. varied: fakes have been of many kinds before. period,
    swing: of what D says of fakes, see `swings`; 0 until there is enough of it, and a period of 0 if it does not go
    round.
    """

    gan: GAN
    step: int
    before: Figures
    recent: Figures
    peak: float
    varied: bool
    period: float
    swing: float


Choices = tuple[tuple[object, str], ...]


class State:
    """One trouble. `ill` is asked of each half of the window at its beginning, `well` of the last half at its end.

    follows: kinds that it is a consequence of. While there is one of them, it is not worth a sentence of its own.
    """

    kind: str
    follows: frozenset[str] = frozenset()

    def ill(self, m: Figures, w: Window) -> bool:
        raise NotImplementedError

    def well(self, m: Figures, w: Window) -> bool:
        raise NotImplementedError

    def begins(self, m: Figures, w: Window) -> str:
        """What is so, and what it usually means."""
        raise NotImplementedError

    def remedies(self, gan: GAN) -> Choices:
        """What helps, the best first, each with whether it can be tried: whether it is not in force already."""
        raise NotImplementedError

    def tries(self, gan: GAN) -> tuple[str, ...]:
        """Three remedies at most: flags of `minigan train`, or words about them."""
        return tuple(text for fits, text in self.remedies(gan) if fits)[:3]

    def ends(self, m: Figures, w: Window) -> str:
        raise NotImplementedError

    def remains(self) -> str:
        """What to say of it at the end of a run."""
        raise NotImplementedError


class DWins(State):
    """D is right, and G's gradient has gone.

    Under Minimax it is proportional to D(G(z)), and there is no need to have seen it large. Under other objectives a D
    that is right about everything still teaches, as in the first hundred steps of most runs: there G's gradient must
    have fallen to a hundredth, or D be certain beyond what such a start shows.
    """

    kind = "d-wins"

    def ill(self, m: Figures, w: Window) -> bool:
        if min(m.d_accuracy_real, m.d_accuracy_fake) < 0.98:
            return False
        certain = 0.01 if _saturates(w.gan) else 0.001
        return (not _scores(w.gan) and m.d_fake <= certain) or m.g_grad_norm <= 0.01 * w.peak

    def well(self, m: Figures, w: Window) -> bool:
        return min(m.d_accuracy_real, m.d_accuracy_fake) < 0.95 or not (
            (not _scores(w.gan) and m.d_fake <= 0.05) or m.g_grad_norm <= 0.05 * w.peak
        )

    def begins(self, m: Figures, w: Window) -> str:
        gan = w.gan
        if _saturates(gan):
            gone = f"D(G(z)) is {m.d_fake:.1e}, and under minimax G's gradient is proportional to it"
        elif m.g_grad_norm <= 0.01 * w.peak:
            gone = f"G's gradient has fallen to {m.g_grad_norm / w.peak:.1%} of what it was"
        else:
            gone = f"D(G(z)) is {m.d_fake:.1e}"
        return (
            f"D wins: it is right about {m.d_accuracy_real:.1%} of real samples and {m.d_accuracy_fake:.1%} of fakes; "
            f"{gone}. Usually D is too strong, or fakes and data are too far apart, for G to be told anything"
        )

    def remedies(self, gan: GAN) -> Choices:
        return (
            (_saturates(gan), "--objective non-saturating"),
            (not gan.instance_noise, "--instance-noise 0.5"),
            (not _has(gan, R1), "--r1 1"),
            (gan.d_steps > 1, "--d-steps 1"),
            (True, "a smaller --d-lr"),
        )

    def ends(self, m: Figures, w: Window) -> str:
        return f"D no longer wins: it is right about {m.d_accuracy_fake:.1%} of fakes, and G learns again"

    def remains(self) -> str:
        return "D wins, and G is told next to nothing"


class OneWeakness(State):
    """Fakes count as more real than the real ones, for long: a D that learns would have put an end to it."""

    kind = "one-weakness"

    def ill(self, m: Figures, w: Window) -> bool:
        return m.d_accuracy_fake <= 0.1 and m.d_fake > m.d_real

    def well(self, m: Figures, w: Window) -> bool:
        return m.d_accuracy_fake >= 0.25

    def begins(self, m: Figures, w: Window) -> str:
        says = "scores" if _scores(w.gan) else "D(x)"
        return (
            f"G lives off a weakness of D: D takes {1 - m.d_accuracy_fake:.1%} of fakes for real, with {says} "
            f"{m.d_fake:.2f} of fakes and {m.d_real:.2f} of real samples. Usually D learns too slowly to correct a "
            "mistake that G makes the most of, and a fresh D would tell such fakes at once"
        )

    def remedies(self, gan: GAN) -> Choices:
        return (True, f"--d-steps {2 * gan.d_steps + 1}"), (True, "a larger --d-lr"), (True, "a smaller --lr")

    def ends(self, m: Figures, w: Window) -> str:
        return f"D has caught up: it is right about {m.d_accuracy_fake:.1%} of fakes again"

    def remains(self) -> str:
        return "G lives off a weakness of D"


class PartialCollapse(State):
    """Few kinds, for long, and not becoming more. A G that has never had many is given time first."""

    kind = "partial-collapse"
    follows = frozenset({"d-wins", "one-weakness", "complete-collapse"})

    def ill(self, m: Figures, w: Window) -> bool:
        rising = w.recent.variety > w.before.variety + 0.1
        return m.variety < 0.6 and not rising and (w.varied or w.step >= GRACE)

    def well(self, m: Figures, w: Window) -> bool:
        return m.variety > 0.7

    def begins(self, m: Figures, w: Window) -> str:
        return (
            f"mode collapse, partial: a batch of fakes is of {m.kinds:.1f} kinds, {m.variety:.0%} of what as many real "
            f"samples hold. Usually G has dropped modes that this D does not miss"
        )

    def remedies(self, gan: GAN) -> Choices:
        return (
            (gan.packing == 1, "--packing 4"),
            (not (_has(gan, R1) and _has(gan, R2)), "--r1 1 --r2 1 --objective relativistic"),
            (not gan.D.mixes_samples, "--minibatch-std"),
            (isinstance(gan.optimizer, Adam) and gan.optimizer.beta1 > 0.5, "--beta1 0.5"),
            (True, "a smaller --lr"),
        )

    def ends(self, m: Figures, w: Window) -> str:
        return f"fakes are varied again: a batch is of {m.kinds:.1f} kinds, {m.variety:.0%} of what real samples hold"

    def remains(self) -> str:
        return "fakes are of few kinds only"


class CompleteCollapse(PartialCollapse):
    """One kind, or next to none of the variety."""

    kind = "complete-collapse"
    follows = frozenset({"d-wins", "one-weakness"})

    def ill(self, m: Figures, w: Window) -> bool:
        return min(m.kinds - 1.5, m.variety - 0.1) <= 0 and super().ill(m, w)

    def well(self, m: Figures, w: Window) -> bool:
        return m.kinds > 2.0 and m.variety > 0.2

    def begins(self, m: Figures, w: Window) -> str:
        return (
            f"mode collapse, complete: a batch of fakes is of {m.kinds:.1f} kinds, {m.variety:.0%} of what as many "
            "real samples hold. Usually G puts all its fakes where D is weakest now, and moves on with it"
        )

    def ends(self, m: Figures, w: Window) -> str:
        return f"fakes are no longer all alike: a batch is of {m.kinds:.1f} kinds"

    def remains(self) -> str:
        return "fakes are all alike"


class Oscillation(State):
    """What D says of fakes comes back to the same values again and again: D(G(z)), or a critic's accuracy."""

    kind = "oscillation"

    def ill(self, m: Figures, w: Window) -> bool:
        return w.period > 0 and w.swing >= 0.15

    def well(self, m: Figures, w: Window) -> bool:
        return w.swing < 0.1

    def begins(self, m: Figures, w: Window) -> str:
        return (
            f"the game goes round in circles: {_followed(w.gan)} swings by ±{w.swing:.2f} about every {w.period:.0f} "
            "steps. Usually the players chase each other around an equilibrium"
        )

    def remedies(self, gan: GAN) -> Choices:
        return (
            (not _has(gan, R1), "--r1 1"),
            (isinstance(gan.optimizer, Adam) and gan.optimizer.beta1 > 0, "--beta1 0"),
            (not gan.average, "--average 0.999"),
            (True, "a smaller --lr"),
        )

    def ends(self, m: Figures, w: Window) -> str:
        return f"the game has calmed down: {_followed(w.gan)} swings by ±{w.swing:.2f}"

    def remains(self) -> str:
        return "the game goes round in circles"


class GradientRatio(State):
    """Gradients that differ by orders of magnitude."""

    kind = "gradient-ratio"
    follows = frozenset({"d-wins", "one-weakness"})

    def ill(self, m: Figures, w: Window) -> bool:
        return not 1e-3 < m.ratio < 1e3

    def well(self, m: Figures, w: Window) -> bool:
        return 1 / 300 < m.ratio < 300

    def begins(self, m: Figures, w: Window) -> str:
        strong, weak = ("G", "D") if m.ratio > 1 else ("D", "G")
        return (
            f"{strong}'s gradient is {max(m.ratio, 1 / m.ratio):.0e} times {weak}'s ({m.g_grad_norm:.1e} of G, "
            f"{m.d_grad_norm:.1e} of D). Usually {weak} has nothing left to learn from {strong}, which is one-sided"
        )

    def remedies(self, gan: GAN) -> Choices:
        return (not _has(gan, R1), "--r1 1"), (True, "another --lr or --d-lr")

    def ends(self, m: Figures, w: Window) -> str:
        return f"the gradients are comparable again: G's is {m.ratio:.2g} times D's"

    def remains(self) -> str:
        return "one player's gradient is thousands of times the other's"


STATES: tuple[State, ...] = (
    DWins(), OneWeakness(), CompleteCollapse(), PartialCollapse(), Oscillation(), GradientRatio()
)  # fmt: skip


def swings(series: NDArray[np.float64]) -> tuple[float, float]:
    """Period and amplitude of a series (n,): after how many points it comes back; the deviation of its last half.

    The period is where the autocorrelation has its first peak behind its first trough, if that is 1/2 or more high:
    noise has none that high, and a drift none at all. Otherwise it is 0.

    >>> t = np.arange(200)
    >>> swings(np.sin(2 * np.pi * t / 25))[0], swings(t / 200)[0]
    (25.0, 0.0)
    """
    n, centred = len(series), series - series.mean()
    swing = float(series[n // 2 :].std())  # what has calmed down since is no trouble
    if swing < 0.1:  # nothing to speak of
        return 0.0, swing
    power = np.abs(np.fft.rfft(centred, 2 * n)) ** 2
    correlation = np.fft.irfft(power)[: n // 2] / np.arange(n, n - n // 2, -1)
    correlation /= correlation[0]
    changes = np.flatnonzero(np.diff(correlation < 0)) + 1  # into the first trough, out of it, into the second
    if len(changes) < 2:
        return 0.0, swing
    hill = correlation[changes[1] : changes[2] if len(changes) > 2 else None]
    return (float(changes[1] + hill.argmax()) if hill.max() >= 0.5 else 0.0), swing


def _scores(gan: GAN) -> bool:
    return isinstance(gan.objective, Critic)


def _followed(gan: GAN) -> str:
    return "the critic's accuracy on fakes" if _scores(gan) else "D(G(z))"


def _saturates(gan: GAN) -> bool:
    """Whether G's gradient is proportional to D(G(z))."""
    return isinstance(gan.objective, Minimax) and not isinstance(gan.objective, NonSaturating)


def _has(gan: GAN, kind: type) -> bool:
    return any(isinstance(penalty, kind) for penalty in gan.penalties)
