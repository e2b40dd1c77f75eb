"""Pictures in the rain. H. Zhang, V. Sindagi and V. Patel, "Image De-raining Using a Conditional Generative
Adversarial Network", 2017. Rain adds light to a scene:

    input = picture + brightness · r,      0 ≤ r ≤ 1, clipped at white

r is how much of a pixel is covered by streaks: parallelograms between two rows, slanted alike in one picture. What a
streak covers of a pixel is taken as the product of what it covers of the pixel's height, and of its width at the
middle of its row; so streaks have smooth edges. Slant, brightness, length and number are drawn for each picture, and
the place of each streak. Lengths are shares of a picture's height.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from minigan.datasets.pairs import Pairs

from .task import Pixels, Task, chunked

__all__ = ["Derain", "median", "rain"]

Floats = NDArray[np.float64]

SLANT = math.tan(math.radians(25))  # at most, to either side: columns per row
BRIGHTNESS = 100.0, 180.0
LENGTH = 0.2, 0.4  # shares of the height
STREAKS = 9, 16  # in a square
_THICKNESS = 1 / 28  # of the height, and one pixel at least
_OF_A_PICTURE = 4


def most_streaks(height: int, width: int) -> int:
    return math.ceil(STREAKS[1] * width / height)


def rain(height: int, width: int, numbers: Floats) -> Floats:
    """What streaks add to each of N pictures, (N, height, width), in levels of grey.

    numbers: uniform in [0, 1), (N, 4 + 2 · `most_streaks`): slant, brightness, length, number of streaks, and across
    and down for each of them.
    """
    n, most = len(numbers), most_streaks(height, width)
    slant, brightness, length, density = numbers[:, :_OF_A_PICTURE].T[..., None]
    slant = SLANT * (2 * slant - 1)
    brightness = BRIGHTNESS[0] + (BRIGHTNESS[1] - BRIGHTNESS[0]) * brightness
    along = np.sqrt(1 + slant**2)  # how long a streak is for each row that it goes down
    rows = height * (LENGTH[0] + (LENGTH[1] - LENGTH[0]) * length) / along
    thick = max(1.0, _THICKNESS * height) * along
    falls = np.arange(most) < (STREAKS[0] + (STREAKS[1] - STREAKS[0] + 1) * density) * width / height
    across, down = numbers[:, _OF_A_PICTURE:].reshape(n, most, 2).transpose(2, 0, 1)
    top = down * (height + rows) - rows
    x = across * width
    # From here on (N, streaks, rows, columns): pixels that a streak may touch.
    y = np.floor(top)[..., None] + np.arange(math.ceil(LENGTH[1] * height) + 1)
    of_height = np.clip(np.minimum(y + 1, (top + rows)[..., None]) - np.maximum(y, top[..., None]), 0, 1)
    of_height *= falls[..., None] & (y >= 0) & (y < height)
    left = x[..., None] + slant[..., None] * (y + 0.5 - (top + rows / 2)[..., None]) - thick[..., None] / 2
    c = np.floor(left)[..., None] + np.arange(math.ceil(max(1.0, _THICKNESS * height) * math.hypot(1, SLANT)) + 1)
    right = left + thick[..., None]
    of_width = np.clip(np.minimum(c + 1, right[..., None]) - np.maximum(c, left[..., None]), 0, 1)
    share = of_height[..., None] * of_width * ((c >= 0) & (c < width))
    pixel = (np.arange(n)[:, None, None] * height + np.clip(y, 0, height - 1))[..., None] * width
    pixel = pixel + np.clip(c, 0, width - 1)
    covered = np.bincount(pixel.astype(np.int64).ravel(), share.ravel(), n * height * width).reshape(n, height, width)
    added: Floats = np.minimum(covered, 1) * brightness[..., None]
    return added


def median(images: Pixels) -> Pixels:
    """The median of 3x3 pixels around each, for pictures (N, H, W) or (N, H, W, C); edges count again beyond.

    Each column in order, low ≤ mid ≤ high; then of the three columns the greatest low, the median mid and the least
    high, and the median of these: the other six have five pixels above them, or five below (A. Paeth, "Median finding
    on a 3×3 grid", 1990).
    """

    def filtered(part: Pixels) -> Pixels:
        wide = np.pad(part, ((0, 0), (1, 1), (1, 1), *((0, 0),) * (part.ndim - 3)), "edge")
        low, mid, high = _ordered(wide[:, :-2], wide[:, 1:-1], wide[:, 2:])
        lows, mids, highs = ((a[:, :, :-2], a[:, :, 1:-1], a[:, :, 2:]) for a in (low, mid, high))
        return _ordered(_ordered(*lows)[2], _ordered(*mids)[1], _ordered(*highs)[0])[1]

    return chunked(filtered, images)


def _ordered(a: Pixels, b: Pixels, c: Pixels) -> tuple[Pixels, Pixels, Pixels]:
    a, b = np.minimum(a, b), np.maximum(a, b)
    b, c = np.minimum(b, c), np.maximum(b, c)
    return np.minimum(a, b), np.maximum(a, b), c


class Derain(Task):
    """Streaks of rain are drawn over pictures of any kind."""

    name = "derain"
    about = "a picture from one in the rain"

    def numbers(self, shape: tuple[int, ...]) -> int:
        return _OF_A_PICTURE + 2 * most_streaks(shape[0], shape[1])

    def inputs(self, images: Pixels, numbers: Floats) -> Pixels:
        def rained(part: Pixels, numbers: Floats) -> Pixels:
            added = np.rint(rain(part.shape[1], part.shape[2], numbers)).astype(np.int16)
            lit = part + (added if part.ndim == 3 else added[..., None])
            out: Pixels = np.minimum(lit, 255).astype(np.uint8)
            return out

        return chunked(rained, images, numbers)

    def rivals(self, pairs: Pairs, train: Pairs) -> dict[str, Pixels]:
        """input: it itself. median of 3x3: of the input's pixels."""
        return {"input": pairs.inputs, "median of 3x3": median(pairs.inputs)}
