"""What the theory of GANs says, and what happens when the game is played: a file for each claim, with

    a docstring                         the statement, its derivation and its source; the first line says what it is
    experiment(seed, backend, say)      does it, and returns a Study; `say` is called with sentences along the way

`minigan study NAME` runs one and writes its picture and a page of its findings. Each takes about a minute on two
cores. Checked by tests/test_study.py, test_theory_games.py, test_theory_dirac.py and test_theory_failures.py.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ..names import unknown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["STUDIES", "Finding", "Say", "Study", "get_study"]

Say = Callable[[str], None]

# The module of each, which is imported when it is run; behind a colon, the toy that it is about.
STUDIES: dict[str, str] = {
    "optimal-discriminator": "optimal_discriminator",
    "figure-1": "figure_1",
    "figure-1-plane": "figure_1_plane",
    "vanishing-gradient": "vanishing_gradient",
    "dirac": "dirac",
    "d-wins": "d_wins",
    "one-weakness": "one_weakness",
    "mode-collapse": "mode_collapse",
    "ring": "plane:ring",
    "grid": "plane:grid",
    "spiral": "plane:spiral",
    "moons": "plane:moons",
    "checkerboard": "plane:checkerboard",
    "points": "plane",
    "aae": "aae",
    "average-answer": "average_answer",
}


class Finding(NamedTuple):
    """what: a quantity. found, expected: as they are printed. holds: whether they agree; None if it is no claim."""

    what: str
    found: str
    expected: str = ""
    holds: bool | None = None


class Study(Protocol):
    """What an experiment has found."""

    size: tuple[float, float]  # of the picture, in inches

    def findings(self) -> list[Finding]:
        """The figures, each beside what theory, or a paper, says it should be."""

    def draw(self, figure: Figure) -> None:
        """The picture, on an empty Matplotlib figure with constrained layout."""


def get_study(name: str) -> tuple[ModuleType, Callable[..., Study]]:
    """The module of a study, and its experiment. Raises ValueError for an unknown name, listing the known ones."""
    if name not in STUDIES:
        raise ValueError(unknown("study", name, STUDIES))
    file, _, toy = STUDIES[name].partition(":")
    module = import_module(f"minigan.theory.{file}")
    return module, partial(module.experiment, toy=toy) if toy else module.experiment
