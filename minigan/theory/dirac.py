"""The Dirac-GAN: which games converge, seen in the plane of two parameters.

The smallest GAN (Mescheder et al. 2018, "Which Training Methods for GANs do actually Converge?"): the data is a point
at 0, G makes a point at θ, and D(x) = ψ x is a logit. With σ the sigmoid, the losses of the 2014 game are

    D  log(1 + e^{ψθ}) + log 2        G  −log(1 + e^{ψθ})

and descending them is the field v(θ, ψ) = (ψ σ(ψθ), −θ σ(ψθ)). Its only equilibrium is (0, 0): the fake lies on the
data, and D cannot tell. But v is always at a right angle to (θ, ψ), so play goes around the equilibrium and never to
it: the eigenvalues of v' at 0 are ±i/2, with no real part. A simultaneous step of gradient descent spirals outwards, an
alternating one stays on an orbit. Whether a remedy helps is whether it moves the eigenvalues to the left:

    game                                     ∂v/∂(θ, ψ) at 0        eigenvalues
    minimax, non-saturating, relativistic    (0  ½;  −½  0)         ±½i
    k times larger steps for D               (0  ½;  −k/2  0)       ±½√k i
    WGAN, clipped or not                     (0  1;  −1  0)         ±i
    WGAN-GP                                  none: λ(|ψ| − 1)² has a kink at 0, and no point is at rest (below)
    instance noise s (Sønderby 2017)         (0  ½;  −½  −s²/2)     −s²/4 ± √(s⁴/16 − ¼)
    R1 or R2, weight γ                       (0  ½;  −½  −γ)        −γ/2 ± √(γ²/4 − ¼)
    consensus optimisation, weight γ         J − γ JᵀJ              −γ/4 ± ½i

The non-saturating game moves inwards, d|w|²/dt = 2 ψθ (σ(−ψθ) − σ(ψθ)) ≤ 0 for w = (θ, ψ), but by −(ψθ)² near 0, less
than any linear rate. Against the outward drift of simultaneous steps it ends on a ring.

At γ = 1 the two eigenvalues of R1 meet at −½: it does not circle at all. With more, one of them comes back. R1 and R2
are one penalty here, for the slope of D is ψ everywhere; and so is WGAN-GP's wherever its points lie between real
samples and fakes. It pulls ψ to 1 or −1, where dθ/dt = ψ ≠ 0, so that θ overshoots, D turns around, and so on for ever.
Instance noise damps ψ because E[x²] over noisy samples is s², even when both distributions are one.

How it is done. The games are played by the library's own updates, in float64 (dirac_game.py), h = 0.2 for 500 steps.
Eigenvalues are those of finite differences of these updates, beside the closed forms of dirac_linear.py. Expected norms
are those of the formulas above in plain arithmetic, with the rules of the authors' program, which drew the figures of
the paper from (1, 1):

    * there D is high for fakes, so its ψ is −ψ here, and its start (1, 1) is (1, −1);
    * in its alternating steps G moves first, while `GAN.step`, as the paper of 2014, begins with D;
    * its WGAN-GP descends λ/2 (|ψ| − 1)² with λ = 0.7: weight 0.35 of `GradientPenalty`, λ(|ψ| − 1)²;
    * its gradient of ½|v|² has one of its terms only half; here it is whole.

Its instance noise is drawn, 1000 numbers a step. That ends in a cloud around 0 and not in 0, for as long as s > 0 every
batch pulls ψ somewhere: with variance s²/(2 · 1000). This is played too, beside noise averaged over all draws.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from ..backend import Backend
from ..penalties import R1, GradientPenalty
from . import Finding, Say
from .dirac_game import Case, Consensus, Dirac, Floats, Game, Played, Point, jacobian, walk
from .dirac_linear import Linear, eigenvalues, error
from .dirac_picture import TITLES, portrait, written

if TYPE_CHECKING:
    from matplotlib.figure import Figure

H, STEPS, START = 0.2, 500, (1.0, -1.0)
LAST = 100  # steps, in which a cycle is measured
NOISE, DRAWS = 0.7, 1000
ORDERS = ("simultaneous", "g_first", "d_first")
TOLERANCE = 1e-6  # of eigenvalues


def _minimax(**options: Any) -> Callable[[Backend], Game]:
    return lambda backend: Dirac(H, backend=backend, objective="minimax", **options)


def _wasserstein(**options: Any) -> Callable[[Backend], Game]:
    return lambda backend: Dirac(H, backend=backend, objective="wasserstein", **options)


ROWS = [
    Case("minimax, unregularised", _minimax(), Linear(0, 0, 0.5), ("3.10", "1.42")),
    Case("non-saturating", lambda be: Dirac(H, backend=be, objective="non-saturating"), Linear(0, 0, 0.5),
        ("0.64", "0.28")),
    Case("minimax, D 4× faster", _minimax(d_lr=4 * H), Linear(0, 0, 1), None),
    Case("WGAN, clip 1", _wasserstein(clip=1.0), Linear(0, 0, 1), ("1.00", "1.02")),
    Case("WGAN-GP, weight 0.35", _wasserstein(penalties=[GradientPenalty(0.35)]), None,
        ("1.62 to 1.97", "1.14 to 1.44")),
    Case("instance noise, s = 0.7", lambda be: Dirac(H, noise=NOISE, backend=be), Linear(0, NOISE**2 / 2, 0.5), None),
    Case("R1, γ = 0.3", _minimax(penalties=[R1(0.3)]), Linear(0, 0.3, 0.5), ("2.6e-6", "2.3e-7")),
    Case("R1, γ = 1 (critical)", _minimax(penalties=[R1(1.0)]), Linear(0, 1, 0.5), ("9.5e-22", "7.5e-17")),
    Case("consensus, γ = 1", lambda be: Consensus(_minimax()(be), 1.0), Linear(0.25, 0.25, 0.5),
         ("2.6e-10", "1.7e-11")),
]  # fmt: skip


class Found:
    """What was played: the rows, and walks with noise that is drawn."""

    size = (16.0, 13.2)

    def __init__(self, rows: list[Played], drawn: dict[str, Floats]) -> None:
        self.rows = rows
        self.drawn = drawn

    def findings(self) -> list[Finding]:
        return [finding for played in self.rows for finding in (*_eigenvalues(played), _norms(played))] + self._cloud()

    def _cloud(self) -> list[Finding]:
        """Instance noise that is drawn: the root mean square of |w| in the last half, and what linear theory says."""
        findings = []
        expected = Linear(0, NOISE**2 / 2, 0.5).spread(H, H**2 * NOISE**2 / (2 * DRAWS))
        for (order, points), spread in zip(self.drawn.items(), expected, strict=True):
            found = float(np.sqrt(np.mean(np.sum(points[STEPS // 2 :] ** 2, axis=1))))
            what = (
                f"instance noise, {DRAWS} draws: root mean square norm of the last {STEPS // 2} steps, {TITLES[order]}"
            )
            findings.append(Finding(what, f"{found:.4f}", f"{spread:.4f}", 0.5 < found / spread < 2))
        return findings

    def draw(self, figure: Figure) -> None:
        portrait(figure, self.rows, self.drawn)


def _eigenvalues(played: Played) -> list[Finding]:
    """Of the field, and the moduli of those of two maps; each beside its closed form."""
    name, linear = played.row.name, played.row.linear
    if linear is None or played.jacobians is None:
        return []
    field, *maps = (eigenvalues(matrix) for matrix in played.jacobians)
    closed = [linear.simultaneous(H), linear.alternating(H)]
    far = error(field, linear.field)
    gaps = [error(found, expected) for found, expected in zip(maps, closed, strict=True)]
    return [
        Finding(f"{name}: eigenvalues", f"{written(field)} (off by {far:.0g})", written(linear.field), far < TOLERANCE),
        Finding(
            f"{name}: modulus of a step, simultaneous / alternating",
            " / ".join(f"{max(map(abs, pair)):.5f}" for pair in maps) + f" (off by {max(gaps):.0g})",
            " / ".join(f"{max(map(abs, pair)):.5f}" for pair in closed),
            max(gaps) < TOLERANCE,
        ),
    ]


def _norms(played: Played) -> Finding:
    """|w| at the end, or of the last steps of a cycle."""
    row = played.row
    cycles = row.known is not None and "to" in row.known[0]
    ends = {order: _range(norm) if cycles else f"{norm[-1]:#.3g}" for order, norm in played.norms.items()}
    holds = row.known and all(
        _rounds(x, text)
        for order, known in zip(ORDERS, row.known, strict=False)
        for x, text in zip(_extremes(played.norms[order]) if cycles else played.norms[order][-1:], known.split(" to "),
                           strict=True)
    )  # fmt: skip
    what = f"{row.name}: norm of (θ, ψ) {'of the last steps' if cycles else 'at the end'}, simultaneous / G first"
    found = f"{ends['simultaneous']} / {ends['g_first']} (D first: {ends['d_first']})"
    return Finding(what, found, " / ".join(row.known or ()), holds)


def _extremes(norm: Floats) -> tuple[float, float]:
    return float(norm[-LAST:].min()), float(norm[-LAST:].max())


def _range(norm: Floats) -> str:
    low, high = _extremes(norm)
    return f"{low:.3g} to {high:#.3g}"


def _rounds(x: float, text: str) -> bool:
    """Whether a number is what a rounded one was."""
    unit = Decimal(text).as_tuple().exponent
    return abs(x - float(text)) <= 0.5 * 10.0 ** int(unit)


def experiment(seed: int, backend: Backend, say: Say) -> Found:
    """Play every row in three orders, and take differences of its updates. seed: of the noise that is drawn."""
    rows = []
    for row in ROWS:
        played = play(row, backend)
        ends = ", ".join(f"{played.norms[order][-1]:.2g}" for order in ORDERS)
        say(f"{row.name}: |(θ, ψ)| = {ends} after {STEPS} steps, simultaneous, G first, D first")
        rows.append(played)
    noisy = Dirac(H, backend=backend, batch=DRAWS, objective="minimax", instance_noise=NOISE, seed=seed)
    return Found(rows, {order: walk(getattr(noisy, order), START, STEPS) for order in ORDERS[:2]})


def play(row: Case, backend: Backend, orders: tuple[str, ...] = ORDERS) -> Played:
    """Play one row."""
    game = row.play(backend)
    walks = {order: walk(getattr(game, order), START, STEPS) for order in orders}
    rest: Point = (0.0, 0.0)
    if row.linear is None:
        return Played(row, game, walks, None)
    field, simultaneous, g_first = (jacobian(f, rest) for f in (game.field, game.simultaneous, game.g_first))
    return Played(row, game, walks, (field, simultaneous, g_first))
