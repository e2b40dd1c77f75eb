"""Where the images of a run come from, and whether they are still the same."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import datasets
from ..datasets import Dataset
from ..paths import StrPath, expand
from .config import Config

__all__ = ["described", "fingerprint", "load_again", "load_data", "slug_of", "source_of"]


def load_data(data: StrPath, split: datasets.Split = "train") -> Dataset:
    """As `minigan.datasets.load`, but a download that failed is a ConnectionError: the input was right."""
    try:
        return datasets.load(data, split)
    except FileNotFoundError as error:
        raise ConnectionError(str(error)) from error


def load_again(config: Config, data: StrPath | None) -> Dataset:
    """The images of a run, from where they were or from `data`. Raises ValueError if they are not there any more."""
    if data is not None:
        return load_data(data)
    try:
        return load_data(config.data)
    except ValueError as error:
        raise ValueError(f"the data of this run cannot be loaded: {error}; if it was moved, give --data") from error


def source_of(data: StrPath) -> str:
    """The name of a data set, or a path that holds in every folder."""
    known = isinstance(data, str) and data in datasets.NAMES
    return str(data) if known else os.path.abspath(expand(data))


def slug_of(data: StrPath) -> str:
    """A short name of the data for the name of a folder."""
    return re.sub(r"[^A-Za-z0-9_]+", "-", Path(source_of(data)).stem).strip("-") or "data"


def fingerprint(dataset: Dataset) -> dict[str, Any]:
    """Count, shape and SHA-256 of the pixels: what tells whether two data sets are one."""
    digest = hashlib.sha256(dataset.images.reshape(-1).data).hexdigest()
    return {"count": len(dataset), "shape": list(dataset.image_shape), "sha256": digest}


def described(fingerprint: Mapping[str, Any]) -> str:
    """A fingerprint, for people."""
    size = "x".join(map(str, fingerprint["shape"]))
    return f"{fingerprint['count']:,} images of {size} (SHA-256 {fingerprint['sha256'][:8]}...)"
