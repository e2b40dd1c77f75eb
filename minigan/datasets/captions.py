"""Pictures with captions: sentences that are right of each, and others that are wrong.

    FOLDER/captions.csv        a.png,a thick seven       a row for each caption, of which a picture may have several;
                               b.png,"a one, upright"    a first row of names is left out; files as seen from the folder
    FOLDER/train/captions.csv  of splits, each its own

Wrong of a picture are then captions of others that none of its own equals. Of pictures with labels and no such file
`captioned` makes captions in a controlled language (language.py), and knows more: what is right of each, and what not.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from minigan.datasets import Dataset, Split, folder, pictures
from minigan.datasets.language import LANGUAGES, Facts, Language, Thirds, of_classes
from minigan.datasets.pictures import Size, shown, some
from minigan.datasets.texts import words_of

__all__ = ["Captioned", "Described", "are_in", "captioned", "language_of", "read_folder"]

FILE = "captions.csv"
POOL = 200  # sentences of each combination of facts, among which those of a picture are drawn; and as many wrong ones
_MOST = 1 << 20  # captions of a file
_LONGEST = 64  # words of one


@dataclass(frozen=True, eq=False)
class Described:
    """What is known of pictures: the language in which it is said, the limits of its thirds, and the facts, (N, 1 + P).

    labels: of the kinds, in their order. held_out: combinations of which no picture is shown.
    """

    language: Language
    thirds: Thirds
    facts: Facts
    labels: tuple[int, ...]
    held_out: tuple[tuple[int, ...], ...] = ()

    def kinds(self, labels: NDArray[Any]) -> NDArray[np.int64]:
        """The numbers of the kinds that labels (N,) stand for."""
        return _kinds(labels, self.language, self.labels)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Captioned(Dataset):
    """A data set with sentences.

    vocabulary: the words. sentences: (S, L) numbers of words, word i of the vocabulary being i + 1, and 0 none. right,
    wrong: (N, M), the rows of sentences that are right and that are wrong of each picture. described: what is known of
    the pictures, where captions were made. Raises ValueError for arrays that do not fit each other.

    >>> from minigan import datasets
    >>> data = captioned(datasets.load("digits"))
    >>> data
    Captioned('digits', 10000 images of (28, 28), labels 0 to 9, 4 captions of each, 70 words)
    >>> data.text(data.right[0, 0]), data.text(data.wrong[0, 0])
    ('the picture shows a two', 'please show a 5 which is tilted backwards')
    """

    vocabulary: tuple[str, ...]
    sentences: NDArray[np.int64]
    right: NDArray[np.int64]
    wrong: NDArray[np.int64]
    described: Described | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("right", "wrong"):
            rows = getattr(self, name)
            if rows.shape != (len(self.images), self.right.shape[1]) or not self.right.shape[1]:
                raise ValueError(
                    f"{name} has shape {rows.shape}, but rows of sentences (N, M) for {len(self.images)} images and "
                    "as many that are right and wrong were expected"
                )
            if rows.min() < 0 or rows.max() >= len(self.sentences):
                raise ValueError(f"{name} must hold rows of {len(self.sentences)} sentences, got up to {rows.max()}")
        if self.sentences.min() < 0 or self.sentences.max() > len(self.vocabulary):
            raise ValueError(f"sentences must hold words from 0 to {len(self.vocabulary)}")

    def text(self, sentence: Any) -> str:
        """A sentence, by its row or as its row of numbers, in words."""
        numbers = self.sentences[sentence] if np.ndim(sentence) == 0 else sentence
        return " ".join(self.vocabulary[number - 1] for number in np.asarray(numbers, int) if number)

    def of(self, rows: Any) -> Self:
        described = self.described and replace(self.described, facts=self.described.facts[rows])
        chosen = replace(
            self, images=self.images[rows], labels=None, right=self.right[rows], wrong=self.wrong[rows],
            described=described,
        )  # fmt: skip
        return chosen if self.labels is None else replace(chosen, labels=self.labels[rows])

    def __repr__(self) -> str:
        rest = super().__repr__().removeprefix("Dataset(").removesuffix(")")
        return f"Captioned({rest}, {self.right.shape[1]} captions of each, {len(self.vocabulary)} words)"


# --- captions of one's own -----------------------------------------------------------------------------------------


def are_in(path: str) -> bool:
    """Whether a folder has captions, for all of it or for its splits."""
    names = ("", *(name for name in os.listdir(path) if os.path.isdir(os.path.join(path, name))))
    return any(os.path.isfile(os.path.join(path, name, FILE)) for name in names)


def read_folder(path: str, split: Split, name: str, size: Size | None) -> Captioned:
    """The pictures of a folder with their captions. Raises ValueError, naming it, for a row that is none, a file that
    is not there, and a picture without a caption; and as `folder.read` does."""
    found = folder.find(path, split)
    where = next((p for p in (os.path.join(f, FILE) for f in (found.top, path)) if os.path.isfile(p)), None)
    if where is None:
        raise ValueError(f"{shown(found.top)} has no {FILE}, which other folders of {shown(path)} have; write one")
    base = os.path.dirname(where)
    place = {os.path.normpath(os.path.relpath(file, base)): i for i, file in enumerate(found.paths)}
    captions: list[list[str]] = [[] for _ in found.paths]
    strangers = list[str]()
    for line, file, caption in _rows(where):
        i = place.get(os.path.normpath(file))
        if i is not None:
            captions[i].append(caption)
        elif line > 1 or os.path.splitext(file)[1].lower() in pictures.SUFFIXES:
            strangers.append(f"line {line}: {file}")
    if strangers:
        raise ValueError(f"{where} names pictures that are not there: {some(strangers)}")
    if missing := [shown(file) for file, own in zip(found.paths, captions, strict=True) if not own]:
        raise ValueError(f"{where} has no caption of {some(missing)}; write a row for each, or move it elsewhere")
    images, notes = pictures.read(found.paths, size)
    left_out = [note for note in found.left_out if FILE not in note]
    return _of_texts(Dataset(images, found.labels, name, found.names, (*left_out, *notes)), captions, where)


def _rows(where: str) -> Iterable[tuple[int, str, str]]:
    """Line, file and caption."""
    count = 0
    try:
        with open(where, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            for row in reader:
                if not any(cell.strip() for cell in row):
                    continue
                words = words_of(row[1]) if len(row) == 2 else []
                if not 0 < len(words) <= _LONGEST:
                    raise ValueError(
                        f"{where}, line {reader.line_num}: expected a file and its caption of 1 to {_LONGEST} words, "
                        f'such as a.png,"a one, upright"; got {",".join(row)!r:.100}'
                    )
                count += 1
                if count > _MOST:
                    raise ValueError(f"{where} has more than {_MOST:,} captions; leave some out")
                yield reader.line_num, row[0].strip(), row[1]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{where} is no text file of captions: {error}") from None


def _of_texts(data: Dataset, captions: Sequence[Sequence[str]], where: str) -> Captioned:
    table = _Table()
    own = [[table.row(text) for text in texts] for texts in captions]
    rng, count = np.random.default_rng(0), max(map(len, own))
    wrong = np.empty((len(own), count), np.int64)
    for i, rows in enumerate(own):
        others = np.setdiff1d(rng.integers(len(table.rows), size=4 * count + 8), rows)
        if not len(others):
            others = np.setdiff1d(np.arange(len(table.rows)), rows)
        if not len(others):
            raise ValueError(f"{where} has no caption that another picture does not have, so there is none to tell by")
        wrong[i] = rng.choice(others, count)
    right = np.array([[rows[j % len(rows)] for j in range(count)] for rows in own], np.int64)
    return Captioned(
        data.images, data.labels, data.name, data.names, data.notes, vocabulary=table.vocabulary,
        sentences=table.sentences(), right=right, wrong=wrong,
    )  # fmt: skip


# --- captions that are made ----------------------------------------------------------------------------------------


def language_of(data: Dataset, name: str | None = None) -> Language:
    """The language in which captions of labelled pictures are made. name: of one; by default that of digits where
    classes are those, and else one about the names of the classes."""
    if not data.classes:
        raise ValueError(
            f"{data.name} has no labels, so there is nothing that captions could be made of; put a {FILE} beside the "
            "pictures, with a row for each: its file, and its caption"
        )
    if name is None and os.path.basename(os.path.normpath(data.name)) == "fashion-mnist":
        name = "fashion"
    if name is None and all(n in map(str, range(10)) for n in data.classes.values()):
        name = "digits"
    if name is None:
        return of_classes(data.classes.values())
    if (most := max(data.classes)) >= len(LANGUAGES[name].kinds):
        raise ValueError(
            f"the language {name!r} is about {len(LANGUAGES[name].kinds)} kinds, but labels go up to {most}"
        )
    return LANGUAGES[name]


def _kinds(labels: NDArray[Any], language: Language, known: Sequence[int]) -> NDArray[np.int64]:
    """The number of the kind of each label: where the language is about digits or garments itself, else its place."""
    return np.asarray(labels if language in LANGUAGES.values() else np.searchsorted(known, labels), np.int64)


def captioned(
    data: Dataset, language: str | None = None, captions: int = 4, held_out: bool = False, seed: int = 0
) -> Captioned:
    """Labelled pictures with captions of a controlled language.

    language: "digits", "fashion", or None for that of the data (`language_of`). captions: right ones of each picture,
    and wrong ones. held_out: leave pictures out whose combination of facts is held out, and words likewise; see
    language.py. seed: of the captions. Raises ValueError for pictures without labels, or of other kinds.
    """
    speech = language_of(data, language)
    labels = tuple(data.classes)
    thirds = Thirds(speech.properties, data.images, _kinds(np.asarray(data.labels), speech, labels))
    facts = thirds.facts
    gone = speech.held_out() if held_out else []
    if gone:
        shape = len(speech.kinds), *[3] * len(speech.properties)
        left = ~np.isin(np.ravel_multi_index(tuple(facts.T), shape), [np.ravel_multi_index(g, shape) for g in gone])
        data, facts = data.of(left), facts[left]
    speaker, table = Random(seed), _Table(speech.vocabulary)
    others = [combination for combination in speech.combinations if combination not in gone]
    every, which = np.unique(facts, axis=0, return_inverse=True)
    pools = np.empty((2, len(every), POOL), np.int64)
    for i, own in enumerate(map(tuple, every.tolist())):
        wrong_ones = speech.wrong(own, others, speaker, held_out)
        for j in range(POOL):
            said = speech.sentence(own, speaker, held_out=held_out), next(wrong_ones)
            pools[:, i, j] = [table.row(sentence.text) for sentence in said]
    rng = np.random.default_rng(seed)
    right, wrong = (pool[which.reshape(-1)[:, None], rng.integers(POOL, size=(len(data), captions))] for pool in pools)
    return Captioned(
        data.images, data.labels, data.name, data.names, data.notes, vocabulary=table.vocabulary,
        sentences=table.sentences(), right=right, wrong=wrong,
        described=Described(speech, thirds, facts, labels, tuple(gone)),
    )  # fmt: skip


class _Table:
    """Sentences, each once, by their words. vocabulary: words that are there from the beginning."""

    def __init__(self, vocabulary: Sequence[str] = ()) -> None:
        self._words = {word: i + 1 for i, word in enumerate(vocabulary)}
        self._texts: dict[str, int] = {}
        self.rows: dict[tuple[int, ...], int] = {}

    def row(self, text: str) -> int:
        if text not in self._texts:
            words = tuple(self._words.setdefault(word, len(self._words) + 1) for word in words_of(text))
            self._texts[text] = self.rows.setdefault(words, len(self.rows))
        return self._texts[text]

    @property
    def vocabulary(self) -> tuple[str, ...]:
        return tuple(self._words)

    def sentences(self) -> NDArray[np.int64]:
        numbers = np.zeros((len(self.rows), max(map(len, self.rows))), np.int64)
        for i, words in enumerate(self.rows):
            numbers[i, : len(words)] = words
        return numbers
