"""What a task is: a way to spoil pictures, so that they can be had back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from minigan.datasets import Dataset
from minigan.datasets.pairs import Pairs

__all__ = ["Pixels", "Task", "chunked", "uniforms"]

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float64]
_CHUNK = 1 << 20  # pixels that are worked on at a time: their floats stay in the cache


class Task:
    """One kind of pairs. name: of the task; about: a line for `--help`."""

    name: ClassVar[str]
    about: ClassVar[str]
    border: ClassVar[int] = 0  # pixels on each side that comparisons leave out, as the literature does
    colours: ClassVar[bool] = False  # whether they look at all channels, and not at luminance, which is given
    several: ClassVar[bool] = False  # whether an input may have several right answers, which `answers` knows

    def check(self, data: Dataset) -> None:
        """Raises ValueError, with the reason, where no pairs can be made of these pictures."""

    def numbers(self, shape: tuple[int, ...]) -> int:
        """How many random numbers a picture (H, W) or (H, W, C) takes."""
        return 0

    def inputs(self, images: Pixels, numbers: Floats) -> Pixels:
        """What is given, (N, H', W'[, C']), from pictures (N, H, W[, C]) and uniform numbers in [0, 1) of each."""
        raise NotImplementedError

    def targets(self, images: Pixels, numbers: Floats) -> Pixels:
        """What is wanted, (N, H', W'[, C]): the pictures, unless a task says otherwise."""
        return images

    def rivals(self, pairs: Pairs, train: Pairs) -> dict[str, Pixels]:
        """Answers without learning, by name, each like the targets of `pairs`; `train` are pairs to take means from."""
        return {}

    def answers(self, data: Dataset, split: str = "train", rows: Any = None) -> tuple[Pixels, NDArray[np.bool_]]:
        """All right answers, (N, m, H, W[, C]), to the pairs that `make_pairs` makes of `data`, and which of these have
        several (N,). rows: places of some pairs, indices, a slice or a mask; all by default."""
        raise NotImplementedError

    def known(self, shape: tuple[int, ...]) -> NDArray[np.bool_] | None:
        """(H, W), true where the input has the wanted pixels already, or None where it has none of them."""
        return None

    def keep(self, made: Pixels, inputs: Pixels) -> None:
        """Put what the inputs have already, see `known`, into what was made of them, (N, H, W[, C])."""
        if (known := self.known(made.shape[1:])) is not None:
            made[:, known] = inputs[:, known]

    def prepare(self, picture: Pixels) -> Pixels:
        """The input that becomes of a picture (h, w[, C]) from a file, (H, W[, C]): itself, unless a task says so."""
        return picture


def uniforms(task: str, split: str, count: int, each: int) -> Floats:
    """Uniform numbers in [0, 1), (count, each): a function of the task, the split, and the place of the row.

    They come from Philox4x64-10, whose stream is the same everywhere: 53 bits of each of its words.

    >>> bool((uniforms("derain", "train", 9, 4)[:5] == uniforms("derain", "train", 5, 4)).all())
    True
    """
    key = np.array([int.from_bytes(task[:8].encode(), "little"), split == "test"], np.uint64)
    words = np.asarray(np.random.Philox(key=key).random_raw(count * each), np.uint64)
    return ((words >> np.uint64(11)).astype(np.float64) * 2.0**-53).reshape(count, each)


def chunked(function: Callable[..., Pixels], images: Pixels, *others: NDArray[np.generic]) -> Pixels:
    """function(images, *others), some rows at a time, so that memory is not a multiple of all of them."""
    rows = max(1, _CHUNK // images[0].size)
    first = function(images[:rows], *(other[:rows] for other in others))
    out = np.empty((len(images), *first.shape[1:]), np.uint8)
    out[:rows] = first
    for i in range(rows, len(images), rows):
        out[i : i + rows] = function(images[i : i + rows], *(other[i : i + rows] for other in others))
    return out
