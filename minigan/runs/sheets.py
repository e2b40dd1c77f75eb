"""Sheets of pictures that were made of pictures: before, after, and what was wanted, side by side.

An input may have more channels than a picture, such as two frames one after the other: then the last of them is
shown.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..datasets.pairs import Pairs
from ..games import Translation
from ..samples import as_images
from . import pictures

Pixels = NDArray[np.uint8]
_WIDE = 3  # questions in a row, for every 25 in a sheet


def sheet_of(game: Translation, pairs: Pairs, n: int) -> Pixels:
    """What a game makes of n inputs, evenly spread over the pairs, beside those and the pictures wanted."""
    chosen = np.linspace(0, len(pairs) - 1, min(n, len(pairs))).astype(int)
    inputs = pairs.inputs[chosen]
    made = as_images(game, game.translate(inputs), pairs.image_shape)
    return sheet({"input": inputs, "made of it": made, "wanted": pairs.images[chosen]})


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
