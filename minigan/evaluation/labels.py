"""How many test images a game names rightly that was told a few labels: the figure of semi-supervised learning."""

from __future__ import annotations

from dataclasses import dataclass

from ..games import AAE, SemiSupervised
from .evaluator import Evaluator


@dataclass(frozen=True)
class Classified:
    """labels: how many the game was told, of which split. errors: of n test images; accuracy: 1 − errors/n."""

    name: str
    labels: int
    split: int
    errors: int
    n: int

    @property
    def accuracy(self) -> float:
        return 1 - self.errors / self.n


def evaluate_labels(game: SemiSupervised | AAE, evaluator: Evaluator, name: str) -> list[Classified]:
    """What D, or E, makes of the test images, all of them, as the only item; none where they have no labels."""
    test = evaluator.test
    if test.labels is None or evaluator.classes is None:
        return []
    read = evaluator.labels_of(game.classes)[game.classify(test.images).argmax(axis=1)]
    return [Classified(name, game.labelled, game.split, int((read != test.labels).sum()), len(test))]
