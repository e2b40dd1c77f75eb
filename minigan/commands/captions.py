"""`minigan captions`: what a data set says of its pictures, or what is made of its labels."""

from __future__ import annotations

import argparse

import numpy as np

from ..console import columns, prose, say, table
from ..datasets import Dataset
from ..datasets.captions import Captioned, captioned
from ..datasets.language import HELD_OUT, LANGUAGES, TEMPLATES, Language
from ..paths import StrPath
from ..runs.data import load_data
from . import an_integer

_DESCRIPTION = """\
List captions of pictures, right ones and wrong ones, as the recipe words has
them: those of a folder with a captions.csv, or, of pictures with labels, those
that are made of what each shows and what is measured in it.

  minigan captions mnist
  minigan captions fashion-mnist --n 3
  minigan captions pictures/      rows of captions.csv: a.png,"a red cat"
  minigan train words --data pictures/
"""


def arguments(parser: argparse.ArgumentParser, argv: list[str]) -> None:
    parser.description = _DESCRIPTION
    parser.add_argument("data", nargs="?", default="digits", metavar="DATA", help="as in train (default: digits)")
    parser.add_argument("--n", type=an_integer, default=5, metavar="N", help="of so many pictures (default: 5)")
    parser.add_argument(
        "--seed", type=an_integer, default=0, metavar="S", help="which pictures (default: 0); captions stay the same"
    )
    parser.add_argument("--size", metavar="N|WxH", help="as in train, for pictures of several sizes")
    parser.add_argument(
        "--language", choices=tuple(LANGUAGES), help="of captions that are made (default: that of the data)"
    )
    parser.add_argument(
        "--held-out", action="store_true", help="leave out what `minigan train words --held-out` leaves out"
    )


def run(args: argparse.Namespace) -> int:
    data = load_with_captions(args.data, args.size, args.language, args.held_out)
    count = min(args.n, len(data))
    if count < 1:
        raise ValueError(f"--n takes 1 or more, got {args.n}")
    for i in np.random.default_rng(args.seed).permutation(len(data))[:count]:
        label = "" if data.labels is None else f", {data.classes[int(data.labels[i])]}"
        say(f"picture {i:,}{label}")
        for name, rows in (("right", data.right[i]), ("wrong", data.wrong[i])):
            for row in dict.fromkeys(rows.tolist()):
                say(prose(f"    {name}   {data.text(row)}", columns()))
    say()
    used = len(np.unique(data.right))
    say(f"{data.name}: {len(data):,} pictures, {used:,} captions of up to {data.sentences.shape[1]} words")
    if data.described is None:
        say(prose(f"{len(data.vocabulary)} words: {', '.join(sorted(data.vocabulary))}", columns()))
    else:
        _say_language(data.described.language, data.described.held_out)
    return 0


def load_with_captions(
    source: StrPath, size: str | None = None, language: str | None = None, held_out: bool = False
) -> Captioned:
    """Pictures with their captions, or with some that are made. Raises ValueError for those of a file, which have a
    language of their own."""
    data: Dataset = load_data(source, size=size)
    if not isinstance(data, Captioned):
        return captioned(data, language, held_out=held_out)
    if language is not None or held_out:
        raise ValueError(f"{data.name} has captions of its own; leave out --language and --held-out")
    return data


def _say_language(language: Language, gone: tuple[tuple[int, ...], ...]) -> None:
    """Its words, by what they mean, and its templates."""
    rows = [["kind", ", ".join(kind)] for kind in language.kinds]
    for p in language.properties:
        rows += [[p.name, ", ".join(phrases)] for phrases in p.phrases]
        rows += [[p.name, ", ".join(p.denied)]]
    say(table(["about", "words"], rows, left=(0, 1), width=columns()))
    templates = TEMPLATES if gone else (*TEMPLATES, *HELD_OUT)
    say("\n" + "\n".join(t.format(kind="KIND", so="PROPERTIES") for t in templates))
    if gone:
        names = [" ".join((language.kinds[kind][0], *(p.phrases[third][0] for p, third in zip(language.properties, rest,
                 strict=True)))) for kind, *rest in gone]  # fmt: skip
        say(prose(f"\nheld out: {'; '.join(names)}", columns()))
