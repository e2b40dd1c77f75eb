"""Mode collapse, partial and complete.

D judges each sample by itself. If G puts all its fakes on one mode, a D that has not yet learned to reject it says
nothing against that, and the gradient of every fake points the same way; when D has learned, all fakes move on to the
next mode together. min_G max_D V has become max_D min_G V, and the best G for a given D is a single point (Goodfellow
2016, "NIPS 2016 Tutorial", section 5.1.1; Metz et al. 2017). Two settings make it happen, whatever the seed:

    a slow D     its learning rate is a third of G's, so that G goes to the best point of the moment before D answers
    momentum     beta1 = 0.9, Adam's default, carries fakes on in the direction in which all of them moved

On a grid of 25 modes three or four are left at a time; on a ring of 8, one. Modes are wider than in the literature
(0.2 and 0.1), so that a short game can find them; one counts as covered if it has a sample within three standard
deviations. Remedies, each of which lets D see what is missing or keeps it in step:

    R3GAN        each fake is compared with a real sample of its own, and D is held flat at both (Huang et al. 2024);
                 a flat D changes slowly from place to place, so the weight grows with the square of the distances
    packing      D sees four samples at once, and four alike are no four real ones (Lin et al. 2018)
    D in step    D's learning rate as G's, or three updates of it for each of G's

A feature for the minibatch's standard deviation (Karras et al. 2018) did not help a D as slow as this one. Checked by
tests/test_theory_failures.py.
"""

from __future__ import annotations

from ..backend import Backend
from . import Say
from .failures import Comparison, Failure, Game, compare, modes_covered, widened

__all__ = ["COMPLETE", "PARTIAL", "experiment"]

_SLOW_D = Game(beta1=0.9, lr=1e-3, d_lr=3e-4)

PARTIAL = Failure(
    name="partial collapse",
    toy=widened("grid", std=0.2),
    sick=_SLOW_D,
    remedies={
        "R3GAN": {"objective": "relativistic", "r1": 5.0, "r2": 5.0},
        "three D updates": {"d_steps": 3},
        "D's rate as G's": {"d_lr": 1e-3},
    },
    kinds=("partial-collapse", "complete-collapse"),
    steps=3_000,
    within=2_500,
    measure=modes_covered,
    healthy=lambda modes: modes >= 20,
    measured="modes of 25",
    wanted=">= 20",
    signal="variety",
    label="variety of a batch",
)

COMPLETE = Failure(
    name="complete collapse",
    toy=widened("ring", std=0.1),
    sick=_SLOW_D,
    remedies={
        "R3GAN": {"objective": "relativistic", "r1": 2.0, "r2": 2.0},
        "packing 4": {"packing": 4},
        "D's rate as G's, beta1 0.5": {"d_lr": 1e-3, "beta1": 0.5},
    },
    kinds=("complete-collapse", "partial-collapse"),
    steps=3_000,
    within=2_500,
    measure=modes_covered,
    healthy=lambda modes: modes >= 7,
    measured="modes of 8",
    wanted=">= 7",
    signal="variety",
    label="variety of a batch",
)


def experiment(seed: int, backend: Backend, say: Say) -> Comparison:
    """Both collapses, each with its remedies, with one seed."""
    return compare([PARTIAL, COMPLETE], seed, backend, say)
