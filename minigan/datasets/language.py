"""A controlled language about pictures: what kind of thing each shows, and its properties, in a few words.

What can be said is measured (metrics/strokes.py): each property falls into thirds, whose limits are those of the
pictures of one kind, since a one is thin beside an eight. Sentences are made of templates and phrases:

    template    "draw me a {kind} that is {so}"
    kind        seven, 7, vii                            synonyms; and denied others: "seven not a one"
    so          thick and leaning left                   the properties, some or all of them, in any order
                not thin and upright                     with negations, which may leave several thirds open

Each sentence comes with what it means, a set of values for each fact, so that it is known of every picture whether it
describes it. Some things can be held out, to see whether what was learned goes beyond what was read: combinations of
facts, of which no picture is shown and no sentence speaks; two templates; and one synonym of each meaning, which is
read in two templates of ten. (A word that is never read cannot be understood by anybody.)
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from minigan.datasets.texts import words_of
from minigan.metrics.strokes import shade, slant, thickness

__all__ = ["LANGUAGES", "Language", "Property", "Sentence", "Thirds", "of_classes"]

T = TypeVar("T")
Facts = NDArray[np.int64]  # (N, 1 + properties): the number of the kind, and the third of each property
Means = tuple[frozenset[int], ...]  # the values that each of the facts may have

THIRDS = 3
RARE = 2  # templates in which synonyms are read that are held out of the others
COMBINATIONS = 12  # held out
PLAIN, DENIED, PARTIAL = 0.5, 0.3, 0.2  # shares of sentences: of all facts in words, with negations, of some facts

TEMPLATES = (
    "a {kind}, {so}",  # in these two synonyms that are held out are read, half of the time
    "a {so} {kind}",
    "{so}: a {kind}",
    "draw me a {kind} that is {so}",
    "the picture shows a {kind}, and it is {so}",
    "here is a {kind}: it is {so}",
    "this {kind} is {so}",
    "please show a {kind} which is {so}",
    "it is {so}, it is a {kind}",
    "a picture of a {so} {kind}, please",
)
HELD_OUT = ("show me a {so} {kind}", "please draw this {kind}, which is {so}")
BARE = ("a {kind}", "draw me a {kind}", "the picture shows a {kind}", "please show a {kind}", "this is a {kind}")
TOGETHER = (" and ", ", ")


class Property(NamedTuple):
    """Something that is measured. phrases: synonyms for the least, the middle and the greatest third, of which the last
    may be held out; denied: phrases with negations, and the thirds that each leaves open."""

    name: str
    measure: Callable[[NDArray[Any]], NDArray[np.float64]]
    phrases: tuple[tuple[str, ...], ...]
    denied: dict[str, tuple[int, ...]]


THICKNESS = Property(
    "thickness",
    thickness,
    (("thin", "fine", "slender"), ("medium", "regular", "ordinary"), ("thick", "bold", "heavy")),
    {
        "not thin": (1, 2), "not thick": (0, 1), "neither thin nor thick": (1,), "thin not thick": (0,),
        "thick not thin": (2,), "not fine": (1, 2), "not bold": (0, 1),
    },
)  # fmt: skip
SLANT = Property(
    "slant",
    slant,
    (
        ("leaning left", "tilted backwards", "slanting left"),
        ("upright", "straight", "vertical"),
        ("leaning right", "tilted forwards", "slanting right"),
    ),
    {
        "not leaning left": (1, 2), "not leaning right": (0, 1), "not leaning": (1,), "not tilted": (1,),
        "leaning left not right": (0,), "leaning right not left": (2,), "not upright but leaning left": (0,),
        "not upright but leaning right": (2,),
    },
)  # fmt: skip
SHADE = Property(
    "shade",
    shade,
    (("dark", "deep", "dusky"), ("medium", "middling", "ordinary"), ("light", "bright", "pale")),
    {
        "not dark": (1, 2), "not light": (0, 1), "neither dark nor light": (1,), "dark not light": (0,),
        "light not dark": (2,),
    },
)  # fmt: skip


class Sentence(NamedTuple):
    """text, what it means, and whether it denies anything."""

    text: str
    means: Means
    denies: bool

    def describes(self, facts: Sequence[int]) -> bool:
        """Whether it is right of a picture of these facts."""
        return all(fact in meant for fact, meant in zip(facts, self.means, strict=True))


class Thirds:
    """The limits between the thirds of each property, among pictures of each kind.

    images, kinds: (N, ...) uint8, and the number of the kind of each, (N,). Attributes: `limits`, (kinds, properties,
    2), and `facts` of those pictures, (N, 1 + properties).
    """

    def __init__(self, properties: Sequence[Property], images: NDArray[np.uint8], kinds: NDArray[np.int64]) -> None:
        self.properties = properties
        measured = self._measured(images)
        self.limits = np.zeros((int(kinds.max()) + 1, len(properties), THIRDS - 1))
        for kind in np.unique(kinds):
            self.limits[kind] = np.quantile(measured[kinds == kind], [1 / 3, 2 / 3], axis=0).T
        self.facts = self._divided(measured, kinds)

    def of(self, images: NDArray[np.uint8], kinds: NDArray[np.int64]) -> Facts:
        """The facts (N, 1 + properties) of other pictures, as those of their kind are divided."""
        return self._divided(self._measured(images), kinds)

    def _measured(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        return np.stack([p.measure(images) for p in self.properties], axis=1)

    def _divided(self, measured: NDArray[np.float64], kinds: NDArray[np.int64]) -> Facts:
        thirds = (measured[:, :, None] > self.limits[kinds]).sum(axis=2)
        return np.concatenate([kinds[:, None], thirds], axis=1).astype(np.int64)


@dataclass(frozen=True)
class Language:
    """What can be said of pictures. kinds: the synonyms of each kind, of which the last of three may be held out.

    >>> digits = LANGUAGES["digits"]
    >>> said = digits.sentence((7, 2, 1), Random(1), style="plain")
    >>> said.text, said.describes((7, 2, 1)), said.describes((1, 2, 1))
    ('show me a thick and straight vii', True, False)
    """

    kinds: tuple[tuple[str, ...], ...]
    properties: tuple[Property, ...]

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """All words that it has, in the order of the alphabet."""
        phrases = [phrase for kind in self.kinds for phrase in kind]
        for p in self.properties:
            phrases += [phrase for third in p.phrases for phrase in third]
            phrases += p.denied
        frames = [t.format(kind="", so="") for t in (*TEMPLATES, *HELD_OUT, *BARE)]
        return tuple(sorted({word for text in (*phrases, *frames, "not a an and") for word in words_of(text)}))

    @property
    def combinations(self) -> list[tuple[int, ...]]:
        """All facts that a picture can have."""
        shape = len(self.kinds), *[THIRDS] * len(self.properties)
        return [tuple(map(int, facts)) for facts in np.ndindex(*shape)]

    def held_out(self) -> list[tuple[int, ...]]:
        """The combinations that can be held out, a seventh of all at most: always the same, and all that is less than a
        combination, such as a thin seven, is left."""
        every = self.combinations
        rng, count = np.random.default_rng(0), min(COMBINATIONS, len(every) // 7)

        def less(of: Iterable[tuple[int, ...]]) -> set[Any]:
            return {some for facts in of for some in itertools.combinations(enumerate(facts), len(facts) - 1)}

        while True:
            chosen = {every[i] for i in rng.permutation(len(every))[:count]}
            if less(facts for facts in every if facts not in chosen) == less(every):
                return sorted(chosen)

    def sentence(
        self,
        facts: Sequence[int],
        rng: Random,
        *,
        style: str | None = None,
        template: str | None = None,
        held_out: bool = False,
        rare: bool = False,
    ) -> Sentence:
        """A sentence that is right of a picture of these facts.

        style: "plain", "denied" or "partial", see above; by default one of them at random. template: by default any.
        held_out: without what can be held out. rare: with one synonym that can be held out, and no other.
        """
        kind, *thirds = facts
        count, chance = len(thirds), rng.random()
        style = style or ("plain" if chance < PLAIN else "denied" if chance < PLAIN + DENIED else "partial")
        denied = set(_some(range(count + 1), 1, rng)) if style == "denied" else set[int]()
        left_out = set(_some(range(1, count + 1), 1, rng)) if style == "partial" else set[int]()
        bare = len(left_out) == count
        templates = BARE if bare else TEMPLATES if held_out else (*TEMPLATES, *HELD_OUT)
        template = template or _one(templates, rng)
        one_rare = _one(range(count + 1), rng) if rare else None  # of which fact

        def one(phrases: Sequence[str], fact: int | None = None) -> str:
            if not (held_out or rare) or len(phrases) < THIRDS:
                return _one(phrases, rng)
            if fact == one_rare if rare else template in TEMPLATES[:RARE] and rng.random() < 0.5:
                return phrases[-1]
            return _one(phrases[:-1], rng)

        name = one(self.kinds[kind], 0)
        if 0 in denied:
            name += f" not a {one(self.kinds[(kind + _one(range(1, len(self.kinds)), rng)) % len(self.kinds)])}"
        said, means = list[str](), [frozenset([kind])]
        for i, (p, third) in enumerate(zip(self.properties, thirds, strict=True), start=1):
            means.append(frozenset(range(THIRDS) if i in left_out else [third]))
            if i in denied:
                said.append(_one([phrase for phrase, values in p.denied.items() if third in values], rng))
                means[-1] = frozenset(p.denied[said[-1]])
            elif i not in left_out:
                said.append(one(p.phrases[third], i))
        text = template.format(kind=name, so=_one(TOGETHER, rng).join(_some(said, len(said), rng)))
        return Sentence(re.sub(r"\ba (?=(?!one\b)[aeiou8])", "an ", text), tuple(means), style == "denied")

    def wrong(
        self, facts: Sequence[int], others: Sequence[Sequence[int]], rng: Random, held_out: bool = False
    ) -> Iterator[Sentence]:
        """Sentences that are wrong of a picture of these facts, every other one in one thing only.

        others: what they may be right of.
        """
        near = [other for other in others if sum(a != b for a, b in zip(facts, other, strict=True)) == 1]
        while True:
            said = self.sentence(_one(near if near and rng.random() < 0.5 else others, rng), rng, held_out=held_out)
            if not said.describes(facts):
                yield said


def _one(items: Sequence[T], rng: Random) -> T:
    return items[int(rng.random() * len(items))]  # of all that Random does, `random` alone is the same in every version


def _some(items: Iterable[T], least: int, rng: Random) -> list[T]:
    """At least so many of the items, in any order."""
    mixed = sorted(items, key=lambda item: rng.random())
    return mixed[: least + int(rng.random() * (len(mixed) - least + 1))] if mixed else mixed


_DIGITS = (
    ("zero", "0", "nought"), ("one", "1", "i"), ("two", "2", "ii"), ("three", "3", "iii"), ("four", "4", "iv"),
    ("five", "5", "v"), ("six", "6", "vi"), ("seven", "7", "vii"), ("eight", "8", "viii"), ("nine", "9", "ix"),
)  # fmt: skip
_FASHION = (
    ("t-shirt", "tee", "singlet"), ("trousers", "pants", "slacks"), ("pullover", "sweater", "jumper"),
    ("dress", "gown", "frock"), ("coat", "jacket", "overcoat"), ("sandal", "slipper", "flip-flop"),
    ("shirt", "blouse", "button-up"), ("sneaker", "trainer", "gym-shoe"), ("bag", "handbag", "purse"),
    ("boot", "ankle-boot", "bootee"),
)  # fmt: skip
LANGUAGES = {"digits": Language(_DIGITS, (THICKNESS, SLANT)), "fashion": Language(_FASHION, (SHADE,))}


def of_classes(names: Iterable[str]) -> Language:
    """A language about things of these names, and whether each is dark or light."""
    return Language(tuple((" ".join(words_of(name)) or "thing",) for name in names), (SHADE,))
