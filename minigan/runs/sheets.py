"""Sheets of pictures that were made of something: of pictures, side by side with these, before, after, and what was
wanted or has changed; of sentences, below these.

An input may have more channels than a picture, such as two frames one after the other: then the last of them is
shown.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..datasets.pairs import Pairs
from ..datasets.unpaired import Unpaired
from ..games import Words
from ..games.image_to_image import ImageToImage
from ..samples import as_images
from . import pictures

Pixels = NDArray[np.uint8]
_ACROSS = 16  # pictures of one sentence in a row, at most
_WIDE = 3  # questions in a row, for every 25 in a sheet


def sheet_of(game: ImageToImage, data: Pairs | Unpaired, n: int) -> Pixels:
    """What a game makes of n inputs, evenly spread over the data, beside those and the pictures wanted; of drawings,
    any n, which fonts bring class by class, beside what has changed."""
    count = len(data.inputs)
    chosen = np.linspace(0, count - 1, min(n, count)).astype(int)
    if isinstance(data, Unpaired):
        chosen = np.sort(np.random.default_rng(0).permutation(count)[:n])
    inputs = data.inputs[chosen]
    made = as_images(game, game.translate(inputs), data.image_shape)
    if isinstance(data, Unpaired):
        return sheet({"drawing": inputs, "refined": made, "change": change(inputs, made)})
    return sheet({"input": inputs, "made of it": made, "wanted": data.images[chosen]})


def drawn(game: Words, texts: Sequence[str], each: int, shape: Sequence[int], **how: Any) -> Pixels:
    """So many pictures of each text, (texts · each, H, W[, C]). how: as of `Words.pictures`."""
    return as_images(game, game.pictures([text for text in texts for _ in range(each)], **how), shape)


def below(images: Pixels, texts: Sequence[str], each: int) -> Pixels:
    """Pictures (texts · each, H, W[, C]) in rows, each row or two below its text."""
    across = each if each <= _ACROSS else max(1, math.ceil(math.sqrt(each)))
    rows = [pictures.grid(images[i * each : (i + 1) * each], columns=across) for i in range(len(texts))]
    return np.concatenate([pictures.written(row, text) for row, text in zip(rows, texts, strict=True)])


def change(before: Pixels, after: Pixels) -> Pixels:
    """What has changed, as pictures: grey where nothing has, brighter and darker where the picture is.

    >>> change(np.array([0, 9, 255], np.uint8), np.array([255, 9, 0], np.uint8)).tolist()
    [255, 128, 0]
    """
    return ((after.astype(np.int64) - before + 256) // 2).astype(np.uint8)


def sheet(columns: dict[str, Pixels]) -> Pixels:
    """Pictures (N, H, W[, C]) of as many questions, one column for each name, several questions in a row."""
    shown = _alike(list(columns.values()))
    n = len(shown[0])
    rows_of = max(1, round(_WIDE * math.sqrt(n / 25)))
    each = np.stack(shown, axis=1).reshape(n * len(shown), *shown[0].shape[1:])
    across = rows_of * len(shown)
    return pictures.titled(pictures.grid(each, columns=across), [*columns] * rows_of)


def _alike(parts: Sequence[Pixels]) -> list[Pixels]:
    """With as many channels: one, or three where any has colour."""
    planes = [part[..., None] if part.ndim == 3 else part for part in parts]
    planes = [part if part.shape[-1] in (1, 3) else part[..., -1:] for part in planes]
    if all(part.shape[-1] == 1 for part in planes):
        return [part[..., 0] for part in planes]
    return [np.repeat(part, 3, axis=-1) if part.shape[-1] == 1 else part for part in planes]
