"""Classifiers are trained once per data set and user, and kept beside the downloads.

The name of a file is the SHA-256 of everything its classifier depends on: the images, the labels and the recipe. A
file that is damaged, or was written by a version with other layers, is replaced; a folder that cannot be written
only costs time.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..archive import StrPath
from ..backend import Backend
from ..datasets.download import cache_folder
from ..game import saved
from ..kept import Say, kept
from ..paths import expand
from .classifier import Classifier, Recipe


def trained(
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    backend: Backend | str | None,
    folder: StrPath | None,
    say: Say,
) -> Classifier:
    """The classifier of uint8 images (N, ...) with labels (N,) from 0: from the folder (default: the user's cache), or
    trained now and kept there."""

    def fresh() -> Classifier:
        return Classifier(images[0].size, int(labels.max()) + 1, backend)

    key, path = key_of(images, labels, fresh().recipe), None
    try:
        path = Path(cache_folder() if folder is None else expand(folder)) / "evaluators" / f"{key}.npz"
    except ValueError as error:  # there is no home folder
        say(f"the classifier could not be kept for the next time: {error}")

    def load(path: Path) -> Classifier:
        classifier = fresh()
        _load(classifier, path, key)
        return classifier

    def make() -> Classifier:
        say(f"a classifier learns {len(images):,} images, once for this data ...")
        classifier = fresh()
        classifier.train(images, labels, say)
        return classifier

    def save(classifier: Classifier, path: Path) -> None:
        os.makedirs(path.parent, exist_ok=True)
        saved.save(path, {"net": classifier.net.state_dict()}, {"key": key})

    return kept(path, "the classifier", load, make, save, say)


def key_of(images: NDArray[np.uint8], labels: NDArray[np.int64], recipe: Recipe) -> str:
    """What a classifier depends on, as 64 characters."""
    about = [images.shape, str(labels.dtype), asdict(recipe)]
    found = hashlib.sha256(json.dumps(about).encode())
    found.update(np.ascontiguousarray(images).reshape(-1).data)
    found.update(labels.tobytes())
    return found.hexdigest()


def _load(classifier: Classifier, path: Path, key: str) -> None:
    states, header = saved.read(path)
    if header.get("key") != key or states.keys() != {"net"}:
        raise ValueError("it holds something else")
    if not all(a.dtype.kind == "f" and np.isfinite(a).all() for a in states["net"].values()):
        raise ValueError("its weights are no finite numbers")  # those that are, but too large, the network refuses
    classifier.net.load_state_dict(states["net"])
