"""How good are few labels on top of a discriminator?

D has seen pictures without labels. If what it has learned from them is any use, few labels go further on its features
than on others. So the same labels go to the same three classifiers on each of

    pixels                  as they are
    principal components    the first 50 of the training pictures
    unplayed D              of the same layers, with fresh weights, that has played no game
    D                       as the game has left it

probe and neighbour are those of probes.py, fine-tuning that of fine_tuning.py: of D, and of the same network from
scratch, by as many steps. Columns are centred by the training pictures; whether they are also brought to standard
deviation 1 is chosen for each row and draw, as the probe's strength is, by labelled pictures that are held out in
their turn. Every draw takes other labels, other batches and another unplayed D. Where that has running statistics, it
is tried with those it begins with and with those of the training pictures, and chosen in the same way, so that D has
the stronger rival. Test images are looked at for the table alone.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from ..archive import StrPath, write_atomically
from ..backend import Backend
from ..console import table
from ..datasets import Dataset, MissingSplit
from ..metrics import Interval, mean_interval
from ..nn.features import POOL
from ..spec import integer
from .embeddings import (
    COMPONENTS,
    Embedding,
    Moments,
    NetworkFeatures,
    Rows,
    Subject,
    open_subject,
    pixels,
    principal_components,
)
from .evaluator import held_out
from .fine_tuning import classifier_of, classify, fine_tune, unplayed
from .probes import Labels, linear_probe, nearest_held_out, nearest_neighbour

STEPS = 300  # of fine-tuning
DRAWS = 10
MOMENTS = 10_000  # training pictures that say what the mean of a column is
Say = Callable[[str], None]


@dataclass(frozen=True)
class Learned:
    """Shares of test images named rightly, one for each draw: by the linear probe, by the nearest neighbour, and after
    fine-tuning, which only networks can be; columns: how many numbers a picture is."""

    name: str
    columns: int
    probe: tuple[float, ...]
    neighbour: tuple[float, ...]
    tuned: tuple[float, ...] | None = None

    def interval(self, way: str) -> Interval | None:
        """Mean and 95 % interval over the draws of "probe", "neighbour" or "tuned"; None where there is none."""
        shares = getattr(self, way)
        return mean_interval(shares) if shares else None


@dataclass(frozen=True)
class Transfer:
    """What few labels are worth. run, net, layers: whose features; step: of the game. labels: of `classes`, as many of
    each. train_images, test_images: how many there are; held_out: whether the test images are a part of data that has
    no test split, which D has seen without labels. steps: of fine-tuning. rows: as they are listed above."""

    run: str
    net: str
    step: int
    layers: tuple[str, ...]
    pool: int
    data: str
    train_images: int
    test_images: int
    held_out: bool
    labels: int
    classes: tuple[str, ...]
    draws: int
    seed: int
    steps: int
    rows: tuple[Learned, ...]

    def text(self, width: int | None = None) -> str:
        """A table in Markdown, and what to know about it. width: of the terminal."""
        head = ["labels on top of", "numbers", "linear probe, %", "nearest neighbour, %", "fine-tuned, %"]
        ways = ("probe", "neighbour", "tuned")
        rows = [[r.name, f"{r.columns:,}", *(shown(r.interval(way)) for way in ways)] for r in self.rows]
        if not self.steps:
            head, rows = head[:-1], [row[:-1] for row in rows]
        over = f"mean and 95 % interval over {self.draws} draws" if self.draws > 1 else "one draw"
        where = "held out, which D has seen without labels" if self.held_out else "of their own split"
        notes = [
            f"Accuracy on {self.test_images:,} test images ({where}) after {self.labels:,} labels, "
            f"{self.labels // len(self.classes):,} of each class; {over}.",
            f"{self.net} of step {self.step:,}: {', '.join(self.layers)}.",
        ]
        if self.steps:
            notes.append(
                f"Fine-tuned: all layers, by {self.steps:,} steps of Adam; an unplayed {self.net} from scratch."
            )
        filled = [textwrap.fill(note, min(width or 100, 100), subsequent_indent="  ") for note in notes]
        return "\n\n".join([table(head, rows, (0,), width), "\n".join(filled)])

    def save(self, path: StrPath) -> None:
        """Write everything as JSON, with the mean and the interval of each row; raises as `write_atomically` does."""
        found = asdict(self)
        for row, learned in zip(found["rows"], self.rows, strict=True):
            intervals = {way: learned.interval(way) for way in ("probe", "neighbour", "tuned")}
            row["intervals"] = {way: i._asdict() for way, i in intervals.items() if i is not None}
        with write_atomically(path) as file:
            file.write(json.dumps(found, indent=2, allow_nan=False).encode() + b"\n")


def shown(share: Interval | None) -> str:
    """A share in per cent, with its interval."""
    if share is None:
        return "–"
    return f"{100 * share.mean:.2f}" + ("" if share.half is None else f" ± {100 * share.half:.2f}")


def transfer(
    directory: StrPath,
    data: StrPath,
    labels: int,
    *,
    net: str = "D",
    layers: Sequence[str | int] | None = None,
    pool: int = POOL,
    draws: int = DRAWS,
    steps: int = STEPS,
    seed: int = 0,
    backend: str | Backend = "auto",
    say: Say | None = None,
) -> Transfer:
    """What `labels` labels of `data` are worth on top of a network of the game in `directory`.

    directory: the folder of a run, or a checkpoint. data: as `minigan.datasets.load` takes it, with labels; scaled to
    the pictures of the run. Test images are those of its test split; without one, a fifth of it is held out. labels:
    in all, as many of each class, two at least. net: a network that takes pictures alone. layers, pool: as of
    `Sequential.features`. draws: how often other labels are drawn. steps: of fine-tuning; 0 leaves it out. seed: of
    everything that is drawn. say: called with sentences. Memory and time of the probe grow with the square and the cube
    of `labels`: some thousands are no matter.

    Raises ValueError or FileNotFoundError for what cannot be used, ConnectionError if a download fails.
    """
    labels, draws = integer("labels", labels), integer("draws", draws)
    steps, seed = integer("steps", steps, least=0), integer("seed", seed, least=0, bits=62)
    subject = open_subject(directory, net, backend)
    features = NetworkFeatures(subject.net, subject.shape, layers, pool)
    train, test, own = splits(subject, data)
    task = _Task(train, test, labels)
    rng = np.random.default_rng(seed)
    some = train.images[np.sort(rng.permutation(len(train))[:MOMENTS])]
    fixed = {
        "pixels": [_Seen(pixels, some, test)],
        f"{COMPONENTS} principal components": [_Seen(principal_components(train.images), some, test)],
        subject.name: [_Seen(features, some, test)],
    }
    fresh_name = f"unplayed {subject.name}"
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in (*fixed, fresh_name)}
    tuned: dict[str, list[float]] = {subject.name: [], fresh_name: []}
    for draw in range(draws):
        rows, known = task.draw((seed, draw))
        given = train.images[rows]
        fresh = [
            unplayed(subject.net, _seed(seed, draw), images)
            for images in ([None, some] if subject.net.buffers else [None])
        ]
        on_fresh = [NetworkFeatures(other, subject.shape, features.layers, pool) for other in fresh]
        for name, seen in {**fixed, fresh_name: [_Seen(embed, some, test) for embed in on_fresh]}.items():
            found[name].append(task.probe(seen, given, known))
        for name in tuned if steps else ():
            classifier = classifier_of(
                subject.net, subject.shape, len(task.classes), _seed(seed, draw), fresh=name == fresh_name
            )
            fine_tune(classifier, given, known, steps, seed=_seed(seed, draw))
            tuned[name].append(float((classify(classifier, test.images) == task.answers).mean()))
        if say:
            probe = found[subject.name][-1][0], found[fresh_name][-1][0]
            say(f"draw {draw + 1} of {draws}: a probe on {subject.name} names {100 * probe[0]:.2f} % of the test "
                f"images, on an unplayed {subject.name} {100 * probe[1]:.2f} %")  # fmt: skip
    order = ["pixels", f"{COMPONENTS} principal components", fresh_name, subject.name]
    widths = {name: seen.test.shape[1] for name, (seen,) in fixed.items()} | {fresh_name: sum(features.widths)}
    return Transfer(
        run=str(directory), net=subject.name, step=subject.step, layers=tuple(features.layers), pool=pool,
        data=train.name, train_images=len(train), test_images=len(test), held_out=own, labels=labels,
        classes=tuple(train.classes.values()), draws=draws, seed=seed, steps=steps,
        rows=tuple(
            Learned(
                name, widths[name], tuple(probe for probe, _ in found[name]), tuple(near for _, near in found[name]),
                tuple(tuned[name]) if steps and name in tuned else None,
            )
            for name in order
        ),
    )  # fmt: skip


def splits(subject: Subject, data: StrPath) -> tuple[Dataset, Dataset, bool]:
    """Training and test images, and whether the latter are held out of data that has no test split.

    Raises ValueError for data without labels in both.
    """
    train = subject.load(data)
    try:
        test, own = subject.load(data, "test"), False
    except MissingSplit:
        (rows, others), own = held_out(len(train)), True
        train, test = train.of(rows), train.of(others)
    if train.labels is None or test.labels is None or len(train.classes) < 2:
        raise ValueError(f"{train.name} has no labels of two classes or more to learn from; give data that has")
    if unknown := sorted(set(test.classes) - set(train.classes)):
        raise ValueError(
            f"the test images of {train.name} have classes that no training image has, such as {unknown[0]}"
        )
    return train, test, own


class _Seen:
    """Test images by an embedding, and the moments of its columns on training images."""

    def __init__(self, embed: Embedding, some: Any, test: Dataset) -> None:
        self.embed, self.moments = embed, Moments.of(embed, some)
        images = test.images
        self.test = np.concatenate([embed(images[i : i + MOMENTS]) for i in range(0, len(images), MOMENTS)])


class _Task:
    """Classes, answers, and labels that are drawn."""

    def __init__(self, train: Dataset, test: Dataset, labels: int) -> None:
        self.classes = list(train.classes)
        numbers = np.searchsorted(self.classes, np.asarray(train.labels))
        self.rows = [np.flatnonzero(numbers == k) for k in range(len(self.classes))]
        self.answers = np.searchsorted(self.classes, np.asarray(test.labels))
        count, self.each = len(self.classes), labels // len(self.classes)
        if labels % count or self.each < 2:
            near = max(2, round(labels / count)) * count
            raise ValueError(
                f"{labels} labels were asked for, but as many of each of {count} classes, 2 at least, were expected; "
                f"take {near}"
            )
        fewest = min(self.rows, key=len)
        if len(fewest) < self.each:
            name = list(train.classes.values())[next(k for k, rows in enumerate(self.rows) if rows is fewest)]
            raise ValueError(
                f"{labels} labels are {self.each} of each class, but {train.name} has {len(fewest)} training images of "
                f"{name}; take fewer labels"
            )

    def draw(self, seed: tuple[int, int]) -> tuple[Labels, Labels]:
        """The places of as many training images of each class, and their classes from 0."""
        rng = np.random.default_rng(seed)
        rows = [rng.choice(of_class, self.each, replace=False) for of_class in self.rows]
        return np.concatenate(rows), np.repeat(np.arange(len(self.rows)), self.each)

    def probe(self, ways: Sequence[_Seen], images: Any, labels: Labels) -> tuple[float, float]:
        """Accuracy on the test images of the linear probe and of the nearest neighbour, each with the one of some ways
        to look, and on such columns, as its labelled pictures ask for; of equals, the first."""
        views = [_View(seen, scale, scale(seen.embed(images))) for seen in ways
                 for scale in (seen.moments.centred, seen.moments.standardised)]  # fmt: skip
        probes = [linear_probe(view.labelled, labels, len(self.classes)) for view in views]
        best = int(np.argmax([probe.held_out for probe in probes]))
        nearest = views[int(np.argmax([nearest_held_out(view.labelled, labels) for view in views]))]
        read = probes[best].classify(views[best].test)
        alike = nearest_neighbour(nearest.labelled, labels, nearest.test)
        return float((read == self.answers).mean()), float((alike == self.answers).mean())


class _View(NamedTuple):
    """Labelled pictures as they were seen, and how the columns were brought to one scale."""

    seen: _Seen
    scale: Callable[[Rows], Rows]
    labelled: Rows

    @property
    def test(self) -> Rows:
        return self.scale(self.seen.test)


def _seed(seed: int, draw: int) -> int:
    """Of what is drawn anew in each draw: another one for each, and never that of a network of the game by chance."""
    return int(np.random.default_rng((seed, draw, 1)).integers(2**31, 2**32))
