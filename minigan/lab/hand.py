"""A hand on G: somebody paints on a picture, and its latent moves until G agrees (minigan.inversion.edit).

The G that is painted on is held still: it is that of the moment in which the picture was chosen, so that the game goes
on meanwhile and strokes mean the same from first to last. An answer begins where the picture was and knows nothing of
the answers before it: more steps are a better answer to the same strokes, and fewer strokes are the way back.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from ..game.generating import Generating
from ..inversion import edit
from ..samples import as_images
from .frame import Frame
from .worlds.pictures import Gallery, with_channels

__all__ = ["Hand", "painted"]

MOST_STROKES, MOST_PLACES = 100, 2_000  # of a picture; places of all strokes together
MOST_STEPS, LONGEST = 100, 2.0  # of an answer; seconds that it may take
WIDEST = 0.5  # of a brush, as a share of the picture's width
THINNEST = 0.75  # pixels from its middle to its edge: wherever it is, it is over the middle of a pixel
WAY = 9  # pictures from the one that was painted on to the answer


class Hand:
    """A G that is painted on. game: takes noise alone, and is not changed meanwhile. gallery: of its pictures."""

    def __init__(self, game: Generating, gallery: Gallery) -> None:
        self.game, self.gallery = game, gallery
        self._step = 0.0  # seconds of one step, as far as is known

    def answer(self, asked: Mapping[str, Any]) -> Frame:
        """What G makes of strokes.

        asked: {of, strokes, steps}. of: {sample: i}, or a place on the pad as of `Gallery.latent`. strokes: as
        `painted` takes them. steps: of the descent; fewer where they would take too long. The frame holds the pictures
        `was`, `made` and `way`, and as facts the game's `step`, the `steps` that were made, and `agreed`: which share
        of the way to the strokes G went, None without any.

        Raises ValueError for anything else, and TypeError for a G that takes more than noise.
        """
        of, steps = asked.get("of"), asked.get("steps", MOST_STEPS)
        if not isinstance(of, Mapping):
            raise ValueError("of says which picture is painted on: {sample: i}, or {pad: [x, y], seed}")
        if not isinstance(steps, int) or isinstance(steps, bool) or not 1 <= steps <= MOST_STEPS:
            raise ValueError(f"steps is {steps!r:.40}, but a whole number from 1 to {MOST_STEPS} was expected")
        game, shape = self.game, self.gallery.shape
        colours, mask = painted(asked.get("strokes"), shape)
        was = self.gallery.latent(game, of)
        made, under = was, mask.reshape(1, -1)
        wanted = colours.reshape(1, -1)
        if mask.any():
            if self._step:
                steps = max(1, min(steps, int(LONGEST / self._step)))
            began = time.perf_counter()
            made, _ = edit(game, was, wanted, under, steps=steps)
            self._step = (time.perf_counter() - began) / steps
        t = np.linspace(0, 1, WAY, dtype=was.dtype)[:, None]
        samples = game.generate((1 - t) * was + t * made)
        pictures = with_channels(as_images(game, samples, shape))
        facts = {"step": game.steps, "steps": steps if mask.any() else 0,
                 "agreed": _agreed(samples.reshape(WAY, -1)[[0, -1]], wanted, under)}  # fmt: skip
        return Frame(facts, {"was": pictures[:1], "made": pictures[-1:], "way": pictures})


def painted(strokes: Any, shape: tuple[int, ...]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Strokes as a picture of `shape`, (H, W) or (H, W, C), in [−1, 1], and the mask of where they are.

    strokes: a list of {light, size, places}. light: true for white, false for black. size: of the round brush, as a
    share of the width. places: [x, y], shares of width and height from the upper left corner; from one to the next goes
    a straight line. Later strokes lie over earlier ones. Raises ValueError for anything else, and for too many.

    >>> colours, mask = painted([{"light": True, "size": 0.1, "places": [[0.1, 0.6], [0.5, 0.6]]}], (4, 5))
    >>> mask.astype(int).tolist()
    [[0, 0, 0, 0, 0], [0, 0, 0, 0, 0], [1, 1, 1, 0, 0], [0, 0, 0, 0, 0]]
    """
    if not isinstance(strokes, list) or len(strokes) > MOST_STROKES:
        raise ValueError(f"strokes are a list of {MOST_STROKES} at most; take some away")
    height, width = shape[:2]
    colours, mask = np.zeros((height, width), np.float32), np.zeros((height, width), bool)
    left = MOST_PLACES
    for stroke in strokes:
        light, size, places = _checked(stroke)
        left -= len(places)
        if left < 0:
            raise ValueError(f"all strokes together have {MOST_PLACES:,} places at most; take some away")
        at = np.minimum(places * [width, height], [width - 1e-6, height - 1e-6])
        for a, b in zip(at, [*at[1:], at[-1]], strict=True):
            part, under = _line(a, b, max(size * width / 2, THINNEST), (height, width))
            colours[part][under], mask[part][under] = 1 if light else -1, True
    planes = (*shape[:2], *([1] * (len(shape) - 2)))
    return np.broadcast_to(colours.reshape(planes), shape), np.broadcast_to(mask.reshape(planes), shape)


def _checked(stroke: Any) -> tuple[bool, float, NDArray[np.float64]]:
    if not isinstance(stroke, Mapping) or not isinstance(stroke.get("light"), bool):
        raise ValueError("a stroke is {light: true or false, size, places}")
    size, places = stroke.get("size"), stroke.get("places")
    if not _is_share(size, WIDEST) or not size:
        raise ValueError(f"the size of a brush is a share of the width up to {WIDEST}, got {size!r:.40}")
    good = isinstance(places, list) and 1 <= len(places) <= MOST_PLACES and all(
        isinstance(place, list) and len(place) == 2 and all(map(_is_share, place)) for place in places
    )  # fmt: skip
    if not good:
        raise ValueError("the places of a stroke are [x, y], each from 0 to 1, one at least")
    return stroke["light"], float(size), np.array(places, np.float64)


def _is_share(value: Any, most: float = 1) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= most


def _line(
    a: NDArray[np.float64], b: NDArray[np.float64], radius: float, size: tuple[int, int]
) -> tuple[tuple[slice, slice], NDArray[np.bool_]]:
    """A part of a picture (H, W), and of which of its pixels the middle is under a brush on its way from a to b, (x, y)
    in pixels."""
    low, high = np.minimum(a, b) - radius, np.maximum(a, b) + radius
    x0, y0 = (max(0, math.floor(v)) for v in low)
    x1, y1 = (min(most, math.floor(v) + 1) for v, most in zip(high, size[::-1], strict=True))
    along, length = b - a, float((b - a) @ (b - a))
    x, y = np.arange(x0, x1) + 0.5 - a[0], (np.arange(y0, y1) + 0.5 - a[1])[:, None]
    t = np.clip((x * along[0] + y * along[1]) / length, 0, 1) if length else 0.0
    return (slice(y0, y1), slice(x0, x1)), (x - t * along[0]) ** 2 + (y - t * along[1]) ** 2 <= radius**2


def _agreed(ends: NDArray[Any], wanted: NDArray[Any], under: NDArray[np.bool_]) -> float | None:
    if not under.any():
        return None
    before, after = (float(((end - wanted)[under.reshape(wanted.shape)] ** 2).mean()) for end in ends[:, None])
    return 1 - after / before if before else 1.0
