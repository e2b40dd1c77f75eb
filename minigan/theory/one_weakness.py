"""G lives off one weakness of D.

G's gradient says only how to please the D of this moment. As long as D keeps up, pleasing it means coming nearer to the
data; a D that stands still is an invitation to find one direction in which its output rises, and to follow it for ever.
G then makes what this D takes for real with certainty, and any other D would see through at once: an adversarial
example, not a model of the data (that D must be near its optimum is the assumption of proposition 2 in Goodfellow et
al. 2014).

    the game    D learns in 300 updates what G's first fakes look like, and then no more; G learns on
    the test    a fresh D, which learns from scratch to tell G's last fakes from the data, while G is held fixed;
                its accuracy on samples of both that it has not seen: 1 if the fakes are nothing like the data, 1/2
                if they cannot be told

The remedy is a D that goes on learning: faster than G, more often, or with a penalty that makes it less steep. Merely
as fast as G it is too slow for some seeds, and modes are lost (see mode_collapse.py). Checked by
tests/test_theory_failures.py.
"""

from __future__ import annotations

import numpy as np

from ..backend import Backend
from ..datasets.toys import Mixture
from ..game.play import Play
from ..gan import GAN
from ..optim import Adam
from . import Say
from .failures import SAMPLES, Comparison, Failure, Game, compare, widened

__all__ = ["FAILURE", "experiment", "fresh_accuracy"]

_UPDATES, _BATCH = 300, 64  # of the fresh D


def fresh_accuracy(gan: GAN, toy: Mixture, seed: int) -> float:
    """How well a D that learns from scratch tells fakes from the data, in [1/2, 1] but for chance."""
    D = Game().discriminator(toy, 2 * seed + 1_000_001, gan.backend)
    judge = GAN(gan.G, D, optimizer=Adam(1e-3, beta1=0.5), seed=seed + 1_000_000)
    Play(judge, toy.sample(10_000, seed=seed + 1_000_000), _BATCH).begin(_UPDATES)  # D alone
    on_real, on_fake = judge.score(toy.sample(SAMPLES, seed=seed + 2_000_000)), judge.score(gan.sample(SAMPLES, seed))
    return float(np.mean(on_real > 0) + np.mean(on_fake <= 0)) / 2


FAILURE = Failure(
    name="one weakness",
    toy=widened("ring", std=0.05),
    sick=Game(pretrain=300, d_stop=300),
    remedies={
        "D goes on, R1": {"d_stop": 0, "r1": 0.5},
        "D goes on, twice the rate": {"d_stop": 0, "d_lr": 2e-3},
        "D goes on, two updates": {"d_stop": 0, "d_steps": 2},
    },
    kinds=("one-weakness",),
    steps=2_000,
    within=1_000,
    measure=fresh_accuracy,
    healthy=lambda accuracy: accuracy < 0.75,
    measured="accuracy of a fresh D",
    wanted="< 0.75",
    signal="d_accuracy_fake",
    label="D's accuracy on fakes",
)


def experiment(seed: int, backend: Backend, say: Say) -> Comparison:
    """The game that fails and each remedy, with one seed."""
    return compare([FAILURE], seed, backend, say)
