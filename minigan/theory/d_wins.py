"""D wins, and G is told nothing.

While D is right about every fake, σ(D) ≈ 0 there, and the gradient of log(1 − D(G(z))) with respect to D's logit is
−σ: it vanishes with D(G(z)), though G could not be further from its goal (Goodfellow et al. 2014, section 3; Arjovsky
and Bottou 2017, theorem 2.4). To see it happen:

    the data    eight bells on a circle, four radii away from where G begins: two supports that do not overlap
    the game    minimax; D has made 1,000 updates before G's first, and learns fast
    G           moves by plain gradient descent

The last matters. Adam divides a gradient by its own size, and so hides that it vanishes until it falls below eps =
1e-8; plain descent takes steps as small as the gradient is. The remedies change what D says, or what G makes of it:

    non-saturating   G descends −log D(G(z)), whose gradient σ − 1 is largest where D is surest (the paper's own)
    instance noise   real samples and fakes with noise overlap, and D cannot be sure (Sønderby et al. 2017)
    R1               D is kept flat at the data, and so cannot be steep and saturated (Mescheder et al. 2018)

What is measured is the distance of the fakes from the data: the divergence of Jensen and Shannon over the cells of a
grid, which is log 2 = 0.693 for what does not overlap. Checked by tests/test_theory_failures.py.
"""

from __future__ import annotations

from ..backend import Backend
from ..datasets.toys import Grid, Mixture
from ..gan import GAN
from ..metrics import js_divergence
from . import Say
from .failures import SAMPLES, Comparison, Failure, Game, compare, widened

__all__ = ["FAILURE", "experiment"]


def _distance(gan: GAN, toy: Mixture, seed: int) -> float:
    grid = Grid(toy, cells=30)
    return js_divergence(grid.truth, grid.shares(gan.sample(SAMPLES, seed=seed)))


FAILURE = Failure(
    name="D wins",
    toy=widened("ring", std=0.1, shift=4.0),
    sick=Game(objective="minimax", g_sgd=0.05, d_lr=2e-3, pretrain=1_000),
    remedies={
        "non-saturating": {"objective": "non-saturating"},
        "instance noise": {"instance_noise": 2.0},
        "R1": {"r1": 1.0},
    },
    kinds=("d-wins",),
    steps=2_000,
    within=1_000,
    measure=_distance,
    healthy=lambda distance: distance < 0.5,
    measured="JSD to the data",
    wanted="< 0.5",
    signal="d_fake",
    label="D(G(z))",
    logarithmic=True,
)


def experiment(seed: int, backend: Backend, say: Say) -> Comparison:
    """The game that fails and each remedy, with one seed."""
    return compare([FAILURE], seed, backend, say)
