"""What the theory of GANs says, and what happens when the game is played: a file for each claim, with

    a docstring                         the statement, its derivation and its source; the first line says what it is
    experiment(seed, backend, say)      does it, and returns a Study; `say` is called with sentences along the way

`minigan study NAME` runs one and writes its picture and a page of its findings. Each takes about a minute on two
cores. Checked by tests/test_theory.py.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["STUDIES", "Finding", "Say", "Study", "get_study"]

Say = Callable[[str], None]

STUDIES: dict[str, str] = {  # the module of each, which is imported when it is run
    "d-wins": "d_wins",
    "one-weakness": "one_weakness",
    "mode-collapse": "mode_collapse",
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


def get_study(name: str) -> ModuleType:
    """The module of a study. Raises ValueError for an unknown name, listing the known ones."""
    if name not in STUDIES:
        raise ValueError(f"unknown study {name!r}: choose one of {', '.join(STUDIES)}")
    return import_module(f"minigan.theory.{STUDIES[name]}")
