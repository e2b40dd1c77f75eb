"""What pictures are compared in: pixels, their principal components, or what a network of a game has made of them.

Each is an Embedding: called with uint8 pictures (N, H, W[, C]) it gives float32 rows (N, F). `Moments` brings their
columns to mean 0, and to standard deviation 1 where that is asked for.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import archive
from ..backend import Backend
from ..datasets import Dataset, Split, pictures, to_float
from ..datasets.pictures import scaled
from ..files import require_folder
from ..game import Game
from ..names import not_one_of
from ..nn import Sequential
from ..nn.features import POOL, chosen_layers
from ..nn.heads import fingerprint
from ..paths import StrPath, expand
from ..runs.data import load_data
from ..runs.noted import checkpoint_of, shape_and_classes
from ..runs.picture_files import with_channels
from .components import Components

Pixels = NDArray[np.uint8]
Rows = NDArray[np.float32]
Embedding = Callable[[Pixels], Rows]
BLOCK = 1000  # pictures at once: no more than so many are floats at any time
COMPONENTS = 50


def pixels(images: Pixels) -> Rows:
    """The pixels themselves, in [−1, 1]."""
    return np.asarray(to_float(images).reshape(len(images), -1), np.float32)


def principal_components(images: Pixels, count: int = COMPONENTS) -> Embedding:
    """The first principal components of pictures, `count` of them at most, as an embedding of any."""
    components = Components(images)
    components.axes = components.axes[:, :count]
    return lambda given: components.features(given).astype(np.float32)


class NetworkFeatures:
    """Features of a network (nn/features.py), for pictures of one shape.

    net: takes pictures as (H, W, C) or flat, and nothing else. shape: of a picture, (H, W) or (H, W, C). layers, pool:
    as of `Sequential.features`. Raises ValueError for a network that does not take such pictures, and as that does; a
    call raises it for features that are not finite.

    >>> import minigan
    >>> net = minigan.Sequential(minigan.Dense(64, 5), minigan.ReLU(), minigan.Dense(5, 1))
    >>> embed = NetworkFeatures(net, (8, 8))
    >>> embed(np.zeros((3, 8, 8), np.uint8)).shape, embed.layers, embed.widths
    ((3, 5), ['1.ReLU'], [5])
    """

    def __init__(
        self, net: Sequential, shape: tuple[int, ...], layers: Sequence[str | int] | None = None, pool: int = POOL
    ) -> None:
        self.net, self.pool = net, pool
        self.taken = taken(net, shape)
        self.layers = chosen_layers(net.chain, layers)
        blank = np.zeros((2, *self.taken), net.dtype)
        self.widths = [net.features(blank, [name], pool=pool).shape[1] for name in self.layers]

    def __call__(self, images: Pixels) -> Rows:
        rows = self.net.features(images.reshape(len(images), *self.taken), self.layers, pool=self.pool)
        if not np.isfinite(rows).all():
            raise ValueError(
                "what the network makes of these pictures is not finite; take a checkpoint from before that"
            )
        return rows.astype(np.float32, copy=False)

    def key(self) -> str:
        """A SHA-256 of all that the features depend on: architecture, numbers, layers."""
        return fingerprint(self.net, self.layers, self.pool, self.taken)


def taken(net: Sequential, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape in which a network takes pictures of `shape`, (H, W, C) or flat. Raises ValueError if in neither."""
    planes = (*shape, 1) if len(shape) == 2 else tuple(shape)
    reason = ""
    for given in (planes, (math.prod(shape),)):
        try:
            net(np.zeros((2, *given), net.dtype), train=False)
            return given
        except (ValueError, TypeError) as error:
            reason = reason or str(error)
    sides = "x".join(map(str, shape))
    raise ValueError(f"this network does not take pictures of {sides} alone ({reason}); take another one of the game")


@dataclass(frozen=True)
class Subject:
    """A network of a game that was saved, and what it knows of pictures. shape: of those, (H, W) or (H, W, C)."""

    checkpoint: Path
    net: Sequential
    shape: tuple[int, ...]
    name: str
    step: int

    def load(self, data: StrPath, split: Split = "train") -> Dataset:
        """Pictures as the network knows them: of its size and with its channels."""
        loaded = load_data(data, split, f"{self.shape[1]}x{self.shape[0]}")
        return Dataset(self.fitting(loaded.images), loaded.labels, loaded.name, loaded.names, loaded.notes)

    def fitting(self, images: Pixels) -> Pixels:
        """Pictures of its size with its channels, (N, *shape)."""
        return with_channels(images, self.shape[2] if len(self.shape) == 3 else 1).reshape(len(images), *self.shape)

    def read(self, files: Sequence[str]) -> Pixels:
        """Pictures of any size in files, as the network knows them, (N, *shape)."""
        size = self.shape[1], self.shape[0]
        return np.concatenate([self.fitting(scaled(pictures.read([file], large=True)[0], size)) for file in files])


def open_subject(directory: StrPath, net: str = "D", backend: str | Backend = "auto") -> Subject:
    """A network by name of the game in a run folder or checkpoint, or its average along the training where the game
    keeps one.

    Raises FileNotFoundError where there is none, ValueError for a name that the game does not have and for games of
    other things than pictures.
    """
    checkpoint = checkpoint_of(directory)
    game = Game.load(checkpoint, backend)
    if net not in game.networks:
        raise ValueError(not_one_of("net", net, sorted(game.networks)))
    shape, _ = shape_and_classes(checkpoint, game)
    return Subject(checkpoint, game.average_of(game.networks[net]), shape, net, game.steps)


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean and standard deviation of each column of features, float32 (F,).

    A column that does not vary has the standard deviation 1, and becomes 0.

    >>> moments = Moments.of(lambda images: images.reshape(len(images), -1), np.array([[[1, 5]], [[3, 5]]], np.uint8))
    >>> moments.mean.tolist(), moments.std.tolist()
    ([2.0, 5.0], [1.0, 1.0])
    """

    mean: Rows
    std: Rows

    @classmethod
    def of(cls, embed: Embedding, images: Pixels, block: int = BLOCK) -> Moments:
        """Those of pictures, a block at a time: of the blocks' own moments, as Chan et al. (1979) add them up."""
        n, mean, squares = 0, np.zeros(1), np.zeros(1)
        for begin in range(0, len(images), block):
            rows = embed(images[begin : begin + block]).astype(np.float64)
            m, own = len(rows), rows.mean(axis=0)
            apart = own - mean
            squares = squares + ((rows - own) ** 2).sum(axis=0) + apart**2 * n * m / (n + m)
            mean, n = mean + apart * m / (n + m), n + m
        std = np.sqrt(squares / n)
        still = std <= 1e-6 * np.abs(mean)  # what rounding in float32 leaves of a constant
        return cls(mean.astype(np.float32), np.where(still | (std == 0), 1, std).astype(np.float32))

    def centred(self, rows: Rows) -> Rows:
        """Of mean 0."""
        return rows - self.mean

    def standardised(self, rows: Rows) -> Rows:
        """Of mean 0 and standard deviation 1."""
        return (rows - self.mean) / self.std


def save_features(
    directory: StrPath,
    data: StrPath,
    out: StrPath,
    *,
    net: str = "D",
    layers: Sequence[str | int] | None = None,
    pool: int = POOL,
    split: Split = "train",
    standardise: bool = False,
    backend: str | Backend = "auto",
) -> tuple[int, int]:
    """Write what a network of the game in `directory` makes of `data` to the `.npz` file `out`; returns how many
    pictures there are, and how many numbers of each.

    directory: the folder of a run, or a checkpoint. data: as `minigan.datasets.load` takes it, scaled to the pictures
    of the run. net, layers, pool: as of `open_subject` and `Sequential.features`. standardise: by mean and standard
    deviation of the training images of `data`, whatever the split. The file holds `features` (N, F), `layers` and
    `widths`, `labels` if there are some, `mean` and `std` (F,) if it was standardised, all float32 but names, labels
    and widths. Features wait in a temporary file beside `out`: memory does not grow with them.

    Raises ValueError or FileNotFoundError for what cannot be used, ConnectionError if a download fails.
    """
    target = Path(expand(out))
    if target.suffix.lower() != ".npz":
        raise ValueError(f"features are written to an .npz, but {target} was given; take --out FILE.npz")
    require_folder(target.parent, target.name)
    subject = open_subject(directory, net, backend)
    embed = NetworkFeatures(subject.net, subject.shape, layers, pool)
    images = subject.load(data, split)
    moments = None
    if standardise:
        moments = Moments.of(embed, (images if split == "train" else subject.load(data)).images)
    arrays: dict[str, NDArray[Any]] = {"layers": np.array(embed.layers), "widths": np.array(embed.widths)}
    if images.labels is not None:
        arrays["labels"] = images.labels
    if moments is not None:
        arrays |= {"mean": moments.mean, "std": moments.std}
    header = {"run": str(directory), "net": subject.name, "step": subject.step, "data": images.name, "split": split,
              "pool": embed.pool, "classes": list(images.classes.values())}  # fmt: skip
    shape = len(images), sum(embed.widths)
    with tempfile.TemporaryFile(dir=target.parent) as file:
        for begin in range(0, len(images), BLOCK):
            part = embed(images.images[begin : begin + BLOCK])
            file.write(np.ascontiguousarray(part if moments is None else moments.standardised(part)).data)
        file.flush()
        rows = np.memmap(file, np.float32, "r", shape=shape)
        archive.save(target, {"features": rows, **arrays}, header)
        del rows
    return shape
