"""Search by example: which pictures of a collection are most alike, as a network of a game sees them?

Alike is the cosine of features, from which the mean of the collection was taken: features of a network are rarely
negative, and without that everything would be like everything. The search is exact, one product of the queries with all
rows. An index is these rows in an `.npz`, with all that tells whether it is still that of this network and collection.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import archive
from ..archive import StrPath
from ..datasets import NAMES, Dataset, Split, folder, idx
from ..kept import Say, kept
from ..metrics.retrieval import unit
from ..paths import expand
from ..spec import integer
from .embeddings import BLOCK, Moments, NetworkFeatures, Pixels, Rows, Subject

FORMAT = "minigan index 1"


class Hits(NamedTuple):
    """For each of N queries the k most similar pictures, the nearest first: places int64 (N, k) in the collection, and
    cosines float32 (N, k)."""

    places: NDArray[np.int64]
    similarities: Rows


@dataclass(frozen=True, eq=False)
class Index:
    """Directions of the features of a collection.

    rows: float32 (N, F) of length 1. moments: of the columns. standardised: whether columns were brought to standard
    deviation 1 before. key: what tells it from every other index.
    """

    rows: Rows
    moments: Moments
    standardised: bool
    key: str

    @classmethod
    def of(cls, embed: NetworkFeatures, images: Pixels, standardised: bool = False) -> Index:
        """The index of pictures (N, H, W[, C]), a block at a time."""
        moments = Moments.of(embed, images)
        made = cls(np.empty((len(images), sum(embed.widths)), np.float32), moments, standardised,
                   key_of(embed, images, standardised))  # fmt: skip
        for begin in range(0, len(images), BLOCK):
            made.rows[begin : begin + BLOCK] = made.directions(embed(images[begin : begin + BLOCK]))
        return made

    def directions(self, features: Rows) -> Rows:
        """Features (N, F) as rows of length 1; those that are the mean itself have none, and are like nothing."""
        scale = self.moments.standardised if self.standardised else self.moments.centred
        moved = np.asarray(scale(features), np.float32)
        some = moved.any(axis=1)
        moved[some] = unit("features", moved[some])
        return moved

    def search(self, features: Rows, n: int = 10) -> Hits:
        """The n pictures of the collection, or all if it has fewer, that are most like each of some features (N, F).

        Of equals the first comes first. Raises ValueError for features of another width.
        """
        if features.ndim != 2 or features.shape[1] != self.rows.shape[1]:
            raise ValueError(f"the index has rows of {self.rows.shape[1]} numbers, and features {features.shape} were "
                             "given; take the same network and layers for both")  # fmt: skip
        n = min(integer("n", n), len(self.rows))
        places, similarities = np.empty((len(features), n), np.int64), np.empty((len(features), n), np.float32)
        for i, query in enumerate(self.directions(features)):  # one after the other: a row of N is all it takes
            cosines = self.rows @ query
            near = np.flatnonzero(cosines >= np.partition(cosines, len(cosines) - n)[len(cosines) - n])
            places[i] = near[np.argsort(-cosines[near], kind="stable")][:n]
            similarities[i] = cosines[places[i]]
        return Hits(places, similarities)

    def save(self, path: StrPath, names: Sequence[str]) -> None:
        """Write it to an `.npz`, with the names of the pictures; raises as `archive.save` does."""
        arrays = {"rows": self.rows, "mean": self.moments.mean, "std": self.moments.std, "names": np.array(names)}
        archive.save(path, arrays, {"format": FORMAT, "key": self.key, "standardised": self.standardised})

    @classmethod
    def load(cls, path: StrPath, key: str) -> Index:
        """An index from `save`. Raises FileNotFoundError, or ValueError for a file that is damaged, or no index with
        this key."""
        arrays, header = archive.load(path)
        if header.get("format") != FORMAT:
            raise ValueError(f"{path} is no index, but one that `minigan search` has written was expected")
        if header.get("key") != key:
            raise ValueError(
                f"{path} is the index of another network, of other layers or of other pictures; name another file, or "
                "remove it"
            )
        rows, mean, std = (arrays.get(name, np.empty(0)) for name in ("rows", "mean", "std"))
        fits = rows.ndim == 2 and rows.shape[1:] == mean.shape == std.shape
        if not fits or any(a.dtype != np.float32 or not np.isfinite(a).all() for a in (rows, mean, std)):
            raise ValueError(f"{path} holds no whole index; remove it, and it is made again")
        return cls(rows, Moments(mean, std), bool(header.get("standardised")), key)


def key_of(embed: NetworkFeatures, images: Pixels, standardised: bool) -> str:
    """A SHA-256 of the network, its layers and the pictures."""
    found = hashlib.sha256(f"{embed.key()} {standardised} {images.shape}".encode())
    found.update(np.ascontiguousarray(images).reshape(-1).data)
    return found.hexdigest()


def kept_index(
    embed: NetworkFeatures,
    images: Pixels,
    names: Sequence[str],
    standardised: bool = False,
    *,
    file: StrPath | None = None,
    beside: Path | None = None,
    say: Say | None = None,
) -> Index:
    """The index of pictures, from its file if that is there, or made now and kept in it.

    file: whose index must be this one. beside: a folder, where no file is named; the index has a name of its own there,
    and is made again if it is damaged. A folder that cannot be written only costs time. say: called with sentences.
    Raises ValueError for a file that holds something else.
    """
    key = key_of(embed, images, standardised)
    path = Path(expand(file)) if file is not None else None if beside is None else beside / f"index-{key[:12]}.npz"

    def make() -> Index:
        if say:
            say(f"making the index of {len(images):,} pictures ...")
        return Index.of(embed, images, standardised)

    def load(path: Path) -> Index:
        return Index.load(path, key)

    return kept(path, "the index", load, make, lambda index, path: index.save(path, names), say, named=file is not None)


def collection(subject: Subject, data: StrPath, split: Split = "train") -> tuple[Dataset, list[str]]:
    """Pictures to search, as a network knows them, and a name of each: its path in a folder of pictures, or its number
    in the data set, with its class where there is one."""
    images = subject.load(data, split)
    where = expand(data)
    if not (isinstance(data, str) and data in NAMES) and os.path.isdir(where) and idx.find(where, split) is None:
        found = folder.find(where, split)
        if len(found.paths) == len(images):
            return images, [os.path.relpath(path, where) for path in found.paths]
    classes = images.classes
    of = [""] * len(images) if images.labels is None else [f" ({classes[label]})" for label in images.labels.tolist()]
    return images, [f"{i:,}{name}" for i, name in enumerate(of)]


def collages(queries: Pixels, images: Pixels, hits: Hits) -> Any:
    """Rows for a sheet: each query (H, W[, C]) and what was found for it, (N · (k + 1), H, W[, C])."""
    rows = [np.concatenate([query[None], images[places]]) for query, places in zip(queries, hits.places, strict=True)]
    return np.concatenate(rows)
