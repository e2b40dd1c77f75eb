"""Where the images of a run come from, and whether they are still the same."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from .. import datasets
from ..datasets import Dataset
from ..datasets.captions import Captioned, captioned
from ..datasets.pairs import Pairs, side_by_side
from ..datasets.tasks import make_pairs
from ..datasets.unpaired import Unpaired, unpaired
from ..paths import StrPath, expand
from ..recipes.networks import near_size
from .config import Config

__all__ = [
    "described", "fingerprint", "hints", "load_again", "load_data", "numbered", "of_the_data", "paired", "size_of",
    "slug_of", "source_of",
]  # fmt: skip

BESIDE = "side-by-side"  # two pictures in each, in the left half and the right half: there is nothing to make
FIRST_TASK = "superresolve"  # of single pictures, where none is named
_FEW = 1000  # of fewer pictures, D knows each before G has learned much


def load_data(data: StrPath, split: datasets.Split = "train", size: Any = None) -> Dataset:
    """As `minigan.datasets.load`, but a download that failed is a ConnectionError: the input was right.

    size: as there, or "" for none.
    """
    try:
        return datasets.load(data, split, size=None if size == "" else size)
    except FileNotFoundError as error:
        raise ConnectionError(str(error)) from error


def load_again(config: Config, data: StrPath | None) -> Dataset:
    """The images of a run, from where they were or from `data`. Raises ValueError if they are not there any more."""
    if data is not None:
        return load_data(data, size=config.size)
    try:
        return load_data(config.data, size=config.size)
    except ValueError as error:
        raise ValueError(f"the data of this run cannot be loaded: {error}; if it was moved, give --data") from error


def size_of(size: Any) -> str:
    """What `minigan.datasets.load` takes as `size`, as "WxH"; "" for None."""
    if size is None:
        return ""
    from ..datasets.pictures import as_size

    return "x".join(map(str, as_size(size)))


def numbered(dataset: Dataset, recipe: str, options: Mapping[str, Any]) -> tuple[Dataset, dict[str, Any]]:
    """The data as a GAN with labels takes it, its classes being 0, 1, ... in order; and their names and SHA-256.

    options: of the recipe; where it takes no classes the data stays as it is, and there are no names. Raises ValueError
    for data without labels, or with another number of classes than `options` ask for.
    """
    if options.get("label", "given") == "none" or options.get("labelled") == 0 or "classes" not in options:
        return dataset, {}
    classes = dataset.classes
    if len(classes) < 2:
        why = "".join(f" ({note})" for note in dataset.notes if "labels" in note)
        found = f"one class only, {next(iter(classes.values()))}" if classes else f"no labels{why}"
        raise ValueError(
            f"{dataset.name} has {found}, but the recipe {recipe} needs labels of two classes or more; take another "
            "recipe, or put the images of each class into a folder of its own"
        )
    if options["classes"] not in (None, len(classes)):
        names = list(classes.values())
        few = ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")
        raise ValueError(
            f"classes is {options['classes']}, but {dataset.name} has {len(classes)} of them ({few}); leave out "
            "--classes, and it is what the data has"
        )
    labels = np.searchsorted(list(classes), np.asarray(dataset.labels)).astype(np.int64)
    digest = hashlib.sha256(labels.astype("<i8").tobytes()).hexdigest()
    names = list(classes.values())
    return replace(dataset, labels=labels, names=dict(enumerate(names))), {"classes": names, "sha256": digest}


def paired(dataset: Dataset, options: Mapping[str, Any], split: datasets.Split = "train") -> Dataset:
    """The data as a recipe about more than pictures takes it: pairs as they are, or what its task makes of single
    pictures; real pictures with the drawings that `synthetic` names; pictures with captions, or with some that are
    made.

    options: of the recipe; where it knows neither the data stays as it is. Raises ValueError for a task of pairs, and
    for pictures that it cannot be made of.
    """
    if "captions" in options and not isinstance(dataset, Captioned):
        return captioned(dataset, options["language"], options["captions"], options["held_out"])
    if "synthetic" in options and not isinstance(dataset, Unpaired):
        return unpaired(dataset, _drawings(options["synthetic"], dataset.image_shape, split))
    if "task" not in options:
        return dataset
    task = options["task"]
    if not isinstance(dataset, Pairs):
        dataset = side_by_side(dataset) if task == BESIDE else make_pairs(dataset, task or FIRST_TASK, split)
    elif task is not None:
        raise ValueError(f"{dataset.name} holds pairs already, of which no task makes others; leave out --task {task}")
    return dataset.swapped() if options["swap"] else dataset


def _drawings(source: StrPath, shape: tuple[int, ...], split: datasets.Split) -> Dataset:
    """Drawings for pictures of this shape; where they have no such split, all there are."""
    size = f"{shape[1]}x{shape[0]}"
    try:
        return load_data(source, split, size)
    except datasets.MissingSplit:
        return load_data(source, size=size)


def of_the_data(dataset: Dataset, options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of the recipe that were left to the data: the cell lines of molecules, where none is named; of pairs the
    task that has made them, and the channels of an input; of captions their words; of drawings where they come from,
    as a path that holds everywhere, and what of them is to stay."""
    if "synthetic" in options and isinstance(dataset, Unpaired):
        count = len(dataset.drawings.classes)
        features = options["features"] or ("classes" if count > 1 else "pixels")
        if features == "classes" and options["drawn_classes"] not in (None, count):
            raise ValueError(f"drawn_classes is {options['drawn_classes']}, but {dataset.drawn} has {count} of them")
        known = {"drawn_classes": count} if features == "classes" else {}
        return {"synthetic": source_of(options["synthetic"]), "features": features, **known}
    if "captions" in options and isinstance(dataset, Captioned):
        words, longest = " ".join(dataset.vocabulary), dataset.sentences.shape[1]
        return {"vocabulary": options["vocabulary"] or words, "length": options["length"] or longest}
    if "task" in options and isinstance(dataset, Pairs):
        channels = dataset.inputs.shape[3] if dataset.inputs.ndim == 4 else 1
        return {"task": options["task"] or dataset.task or None, "channels": options["channels"] or channels}
    return {"lines": ",".join(getattr(dataset, "lines", ()))} if options.get("lines") == "" else {}


def hints(dataset: Dataset, options: Mapping[str, Any]) -> list[str]:
    """What somebody should know of this data before a run: what was left out, and what will be hard."""
    found = list(dataset.notes)
    if len(dataset) < _FEW:
        found.append(
            f"{len(dataset):,} pictures are few: below about {_FEW:,}, D comes to know each of them, and G rather "
            "copies than invents; minigan evaluate counts the copies"
        )
    if len(dataset.image_shape) == 3 and options.get("nets") == "dense":
        height, breadth, _ = dataset.image_shape
        size = f" --size {near_size(height, breadth)}" if height % 4 or breadth % 4 else ""
        found.append(
            f"dense networks are slow to learn colour pictures; convolutions do better: minigan train dcgan{size}"
        )
    return found


def source_of(data: StrPath) -> str:
    """The name of a data set, or a path that holds in every folder; so does the one behind glyphs:."""
    if isinstance(data, str):
        name, colon, folder = data.partition(":")
        if name == "glyphs" and colon:
            return f"{name}:{os.path.abspath(expand(folder))}"
        if data in datasets.NAMES:
            return data
    return os.path.abspath(expand(data))


def slug_of(data: StrPath) -> str:
    """A short name of the data for the name of a folder."""
    return re.sub(r"[^A-Za-z0-9_]+", "-", Path(source_of(data)).stem).strip("-") or "data"


def fingerprint(dataset: Dataset) -> dict[str, Any]:
    """Count, shape and SHA-256 of the pixels, of inputs, drawings and captions too: what tells whether two data sets
    are one."""
    digest = hashlib.sha256(dataset.images.reshape(-1).data)
    if isinstance(dataset, Captioned):
        for array in (dataset.sentences, dataset.right, dataset.wrong):
            digest.update(np.ascontiguousarray(array, "<i8").data)
        digest.update(" ".join(dataset.vocabulary).encode())
    if isinstance(dataset, Pairs | Unpaired):
        digest.update(dataset.inputs.reshape(-1).data)
    return {"count": len(dataset), "shape": list(dataset.image_shape), "sha256": digest.hexdigest()}


def described(fingerprint: Mapping[str, Any]) -> str:
    """A fingerprint, for people."""
    size = "x".join(map(str, fingerprint["shape"]))
    return f"{fingerprint['count']:,} images of {size} (SHA-256 {fingerprint['sha256'][:8]}...)"
