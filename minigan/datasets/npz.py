"""Images from an `.npz` file: minigan's own samples, Keras's `mnist.npz`, or any with one array of images."""

from __future__ import annotations

import os
from collections.abc import Set
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigan import archive
from minigan.datasets import Dataset, MissingSplit, to_uint8, with_labels
from minigan.datasets.labels import understood

__all__ = ["as_bytes", "load_labelled", "read"]

Contents = dict[str, tuple[tuple[int, ...], Any]]


def read(path: archive.StrPath, split: str, name: str) -> Dataset:
    """Images and labels, if there are some.

    Images are the array `x_train` or `x_test` (labels: `y_train`, `y_test`), else `images`, else the only
    array of 3 or 4 dimensions (labels: `labels`). They are uint8, or floats in [-1, 1]. Labels that are text are
    numbered alike in both splits. Raises ValueError otherwise.
    """
    where = os.fspath(path)
    contents = archive.peek(path)
    for array, (shape, _) in contents.items():
        if any(isinstance(length, bool) for length in shape):
            raise ValueError(f"the array {array!r} of {where} has the shape {shape}, which is none; save it again")
    images, labels = _choose(where, contents, split)
    arrays, known, names = load_labelled(path, {images}, labels, ("y_train", "y_test"))
    return with_labels(as_bytes(arrays[images], f"the array {images!r} of {where}"), known, name, names)


def load_labelled(
    path: archive.StrPath, only: Set[str], labels: str, both: tuple[str, str]
) -> tuple[dict[str, np.ndarray], np.ndarray | None, dict[int, str] | None]:
    """Arrays of an archive, with its labels, if there are some, and their names, where they are text.

    labels: the array of that name; both: those of the two splits, whose text is numbered alike in both.
    """
    contents = archive.peek(path)
    texts = [other for other in both if other in contents and contents[other][1].kind in "US"]
    arrays, _ = archive.load(path, only={*only, labels, *(texts if labels in texts else [])})
    if labels not in texts:
        return arrays, arrays.get(labels), None
    rows = [arrays[text].reshape(-1) for text in texts]
    every, words = understood(np.concatenate(rows), sum(map(len, rows)), os.fspath(path))
    return arrays, np.split(every, [len(rows[0])])[texts.index(labels)], dict(enumerate(words or ()))


def _choose(where: str, contents: Contents, split: str) -> tuple[str, str]:
    # Arrays go together: where one of a pair is there and the other gone, the file was cut or tampered with.
    for one, other in (("train", "test"), ("test", "train")):
        if f"y_{one}" in contents and f"x_{one}" not in contents and f"x_{other}" in contents:
            raise ValueError(f"{where} holds y_{one} but no x_{one}, which it belongs to; save or fetch it again")
    if {"x_train", "x_test", "y_test"} <= contents.keys() and "y_train" not in contents:
        raise ValueError(f"{where} holds y_test but no y_train; save or fetch it again")
    if f"x_{split}" in contents:
        return f"x_{split}", f"y_{split}"
    listed = ", ".join(f"{name} {shape}" for name, (shape, _) in contents.items()) or "nothing"
    if split == "test":
        raise MissingSplit(
            f'split="test" was asked of {where}, which holds {listed}, but an array x_test was expected; '
            'take split="train" or another file'
        )
    if "images" in contents:
        return "images", "labels"
    candidates = [name for name, (shape, _) in contents.items() if len(shape) in (3, 4)]
    if len(candidates) != 1:
        raise ValueError(
            f"{where} holds {listed}, but an array called images (or x_train, or just one of 3 or 4 "
            "dimensions) was expected; rename it"
        )
    return candidates[0], "labels"


def as_bytes(images: np.ndarray, what: str) -> NDArray[np.uint8]:
    if images.dtype == np.uint8:
        return images
    if images.dtype.kind != "f":
        raise ValueError(
            f"{what} has dtype {images.dtype}, but uint8 or floats in [-1, 1] were expected; convert it first"
        )
    low, high = (float(images.min()), float(images.max())) if images.size else (0.0, 0.0)
    if not (low >= -1 and high <= 1):  # NaN fails every comparison
        raise ValueError(
            f"{what} runs from {low:g} to {high:g}, but floats must lie in [-1, 1]; rescale it or store uint8"
        )
    if low >= 0 and images.size:
        # Taken at its word it would become a set of pale grey pictures: better to ask than to train on those.
        raise ValueError(
            f"{what} runs from {low:g} to {high:g} and looks scaled to [0, 1], but floats must use [-1, 1]; "
            "store 2 * x - 1 or uint8"
        )
    return to_uint8(images)
