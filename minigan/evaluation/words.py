"""Are sentences obeyed? Where captions were made of what is measured, it can be measured in what is drawn of them, too.

obeyed      share of pictures that are what was asked for: the kind by the classifier, each property by its third, as
            the training pictures of that kind are divided; all of it at once
            plain           all facts in words that were read, of combinations that were seen
            combinations    the same, of those held out (datasets/language.py)
            templates       sentences built as none was that was read
            synonyms        with a word that was read in two templates only, elsewhere
            negations       "not thin", "a seven not a one", and then what is left open counts as right
variety     recall of pictures drawn of one sentence beside real ones of that description, next to that of test images

Rivals: the training picture whose caption shares most with the sentence, words counting by their rarity; and test
images themselves, measured again after they were moved by a tenth of a pixel, which is as well as anybody can be
measured to obey.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray

from ..datasets.captions import Captioned, Described
from ..datasets.language import HELD_OUT, RARE, TEMPLATES, Facts, Means, Sentence
from ..datasets.texts import numbers_of
from ..games import Words
from ..metrics import Manifold
from ..samples import as_images
from .evaluator import Evaluator, K

Pixels = NDArray[np.uint8]
SENTENCES, EACH = 30, 200  # by which variety is judged, and pictures of each
_MOVED = 0.1  # of a pixel
_LONGEST = 64  # words of a sentence that is looked up


@dataclass(frozen=True)
class Obeyed:
    """sentences: of which kind, "" for pictures. facts: the share of each that is obeyed, by its name, the kind first;
    all: of all at once. variety: mean recall, None where it was not looked at. n: how many."""

    name: str
    sentences: str
    n: int
    facts: dict[str, float]
    all: float
    variety: float | None = None


def asked(described: Described, n: int, seed: int = 0) -> dict[str, list[Sentence]]:
    """n sentences of each kind; the kinds of what was held out only where something was."""
    language, gone = described.language, set(described.held_out)
    seen = [facts for facts in language.combinations if facts not in gone]
    held, rng = bool(gone), Random(seed)

    def some(
        among: list[tuple[int, ...]],
        style: str = "plain",
        templates: Sequence[str | None] = (None,),
        rare: bool = False,
    ) -> list[Sentence]:
        return [
            language.sentence(
                among[i % len(among)], rng, style=style, template=templates[i % len(templates)], held_out=held,
                rare=rare,
            )
            for i in range(n)
        ]  # fmt: skip

    kinds = {"plain": some(seen)}
    if held:
        kinds["combinations"] = some(sorted(gone))
        kinds["templates"] = some(seen, templates=HELD_OUT)
        kinds["synonyms"] = some(seen, templates=TEMPLATES[RARE:], rare=True)
    return kinds | {"negations": some(seen, "denied")}


def evaluate_words(
    draw: Callable[[list[str]], Pixels], train: Captioned, evaluator: Evaluator, name: str, n: int, variety: bool
) -> list[Obeyed]:
    """How well pictures obey that `draw` makes of sentences, one of each; none where captions were not made.

    train: what was learned. n: sentences of each kind. variety: whether that is looked at.
    """
    described = train.described
    if described is None or evaluator.classes is None:
        return []
    rows = []
    for kind, sentences in asked(described, n).items():
        found = _facts(draw([said.text for said in sentences]), described, evaluator)
        recall = _variety(draw, described, train, evaluator) if variety and kind == "plain" else None
        rows.append(_obeyed(described, name, kind, found, [said.means for said in sentences], recall))
    return rows


def evaluate_rivals(train: Captioned, evaluator: Evaluator, n: int) -> list[Obeyed]:
    """Training pictures that are looked up, and test images that are measured again; of these n at most."""
    described, labels = train.described, evaluator.test.labels
    if described is None or evaluator.classes is None or labels is None:
        return []
    rows = evaluate_words(lambda texts: looked_up(texts, train), train, evaluator, "nearest training picture", n, False)
    test = evaluator.test.images[: evaluator.n]
    facts = described.thirds.of(test, described.kinds(labels[: evaluator.n]))
    means = [tuple(frozenset([fact]) for fact in facts) for facts in facts.tolist()]
    recall = np.mean(
        [_recall(evaluator, other, own) for _, own, other in _of_one_description(described, train, evaluator)]
    )
    again = _facts(moved(test), described, evaluator)
    return [*rows, _obeyed(described, "test images, measured again", "", again, means, float(recall))]


def drawn_by(game: Words, shape: tuple[int, ...], seed: int | None) -> Callable[[list[str]], Pixels]:
    """Pictures of sentences as a game draws them."""
    return lambda texts: as_images(game, game.pictures(texts, seed), shape)


def pictures_of(game: Words, train: Captioned, n: int, seed: int | None) -> Pixels:
    """A picture of one caption of each of n training pictures, evenly spread, or of all there are."""
    rows = train.right[np.linspace(0, len(train) - 1, min(n, len(train))).astype(int), 0]
    return drawn_by(game, train.image_shape, seed)([train.text(row) for row in rows])


def looked_up(texts: list[str], train: Captioned) -> Pixels:
    """For each text the training picture whose first caption shares most with it."""
    of_pictures = _bags(train.sentences, train)[train.right[:, 0]]
    weight = np.log(len(of_pictures) / np.maximum((of_pictures > 0).sum(axis=0), 1)).astype(np.float32)
    of_pictures *= weight
    of_pictures /= np.maximum(np.linalg.norm(of_pictures, axis=1, keepdims=True), 1e-6)
    wanted = _bags(numbers_of(texts, train.vocabulary, _LONGEST), train) * weight
    nearest = [(of_pictures @ wanted[i : i + 256].T).argmax(axis=0) for i in range(0, len(wanted), 256)]
    return np.asarray(train.images[np.concatenate(nearest)])


def moved(images: Pixels) -> Pixels:
    """Images (N, H, W[, C]), a tenth of a pixel to the right and down, bilinear."""
    x = images.astype(np.float32)
    for axis in (1, 2):
        x = (1 - _MOVED) * x + _MOVED * np.roll(x, 1, axis)
    return np.rint(x).astype(np.uint8)


def _bags(sentences: NDArray[np.int64], train: Captioned) -> NDArray[np.float32]:
    """How often each word is said, (S, words)."""
    bags = np.zeros((len(sentences), len(train.vocabulary) + 1), np.float32)
    np.add.at(bags, (np.arange(len(sentences))[:, None], sentences), 1)
    return bags[:, 1:]


def _facts(images: Pixels, described: Described, evaluator: Evaluator) -> Facts:
    """Of pictures, whose kind is what the classifier sees."""
    return described.thirds.of(images, described.kinds(evaluator.classify(images)))


def _obeyed(
    described: Described, name: str, kind: str, facts: Facts, means: Sequence[Means], recall: float | None
) -> Obeyed:
    right = np.array([[f in m for f, m in zip(*both, strict=True)] for both in zip(facts.tolist(), means, strict=True)])
    names = "kind", *(p.name for p in described.language.properties)
    each = dict(zip(names, map(float, right.mean(axis=0)), strict=True))
    return Obeyed(name, kind, len(facts), each, float(right.all(axis=1).mean()), recall)


# --- variety -------------------------------------------------------------------------------------------------------


def _of_one_description(
    described: Described, train: Captioned, evaluator: Evaluator
) -> list[tuple[tuple[int, ...], Pixels, Pixels]]:
    """Combinations, evenly spread, with training pictures and test images of each, of which there are enough."""
    test, labels = evaluator.test, evaluator.test.labels
    assert labels is not None
    facts, found = described.thirds.of(test.images, described.kinds(labels)), []
    for combination in described.language.combinations:
        own, other = ((part == combination).all(axis=1) for part in (described.facts, facts))
        if own.sum() > K and other.sum() > K:
            found.append((combination, train.images[own][:EACH], test.images[other][:EACH]))
    return found[:: max(1, len(found) // SENTENCES)][:SENTENCES]


def _variety(
    draw: Callable[[list[str]], Pixels], described: Described, train: Captioned, evaluator: Evaluator
) -> float | None:
    if evaluator.test.labels is None:
        return None
    rng, recalls = Random(1), []
    for combination, own, other in _of_one_description(described, train, evaluator):
        said = described.language.sentence(combination, rng, style="plain", held_out=True)
        recalls.append(_recall(evaluator, draw([said.text] * len(other)), own))
    return float(np.mean(recalls))


def _recall(evaluator: Evaluator, drawn: Pixels, real: Pixels) -> float:
    """The share of real pictures within reach of those drawn, in the features that all is judged in."""
    return float(Manifold(evaluator.features(drawn), K).contains(evaluator.features(real)).mean())
