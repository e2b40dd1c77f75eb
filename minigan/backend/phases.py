"""A convolution of stride s is one of stride 1 between phases, as a picture is one of smaller pictures that interleave.

A window of k pixels at place y stands on h = s y + i − p. With i = s t + a, 0 ≤ a < s, that is

    h = s Y + a − p,   Y = y + t        pixel Y of phase a, seen by tap t = 0 ... T − 1,   T = ⌈k/s⌉

so that each of the s × s phases of an image has Y = oh + T − 1 by X = ow + T − 1 pixels, and a window of T × T of these
pixels, s² C numbers each, is the old one of k × k. Its adjoint paints all phases with windows of stride 1 and lays them
out as one image: the "sub-pixel" form of a transposed convolution (W. Shi et al., "Is the deconvolution layer the same
as a convolutional layer?", 2016).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Array = Any
Pair = tuple[int, int]


class Phases:
    """Of images under windows of `kernel` pixels at `places`; all pairs, of the height and of the width.

    taps: T, of each side. size: pixels of a phase. shifts: of each tap, where all pixels are counted in one row.
    """

    def __init__(self, kernel: Pair, places: Pair, stride: Pair, padding: Pair) -> None:
        self.places, self.stride, self.padding = places, stride, padding
        self.taps = _both(lambda i: -(-kernel[i] // stride[i]))
        self.size = _both(lambda i: places[i] + self.taps[i] - 1)
        self.shifts = [t * self.size[1] + u for t in range(self.taps[0]) for u in range(self.taps[1])]
        self._inside: dict[Pair, list[Inside]] = {}

    def weights(self, w: Array, empty: Callable[..., Array]) -> Array:
        """w (O, kh, kw, C) as (O, T, s, T, s, C), a view where the stride divides the kernel.

        empty: makes an array of a role, a shape and a dtype.
        """
        rows, columns = _both(lambda i: self.taps[i] * self.stride[i])
        if w.shape[1:3] != (rows, columns):
            filled = empty("filled", (len(w), rows, columns, w.shape[3]), w.dtype)
            filled.fill(0)
            filled[:, : w.shape[1], : w.shape[2]] = w
            w = filled
        return w.reshape(len(w), self.taps[0], self.stride[0], self.taps[1], self.stride[1], w.shape[3])

    def inside(self, image: Pair) -> list[Inside]:
        """What of each phase is inside an image of this size."""
        if image not in self._inside:
            rows, columns = ([self._seen(i, a, image[i]) for a in range(self.stride[i])] for i in (0, 1))
            self._inside[image] = [
                Inside((a, b), (row[0], column[0]), (row[1], column[1]))
                for a, row in enumerate(rows)
                for b, column in enumerate(columns)
            ]
        return self._inside[image]

    def _seen(self, side: int, phase: int, size: int) -> tuple[slice, slice]:
        stride, offset = self.stride[side], phase - self.padding[side]
        first = max(0, -(offset // stride))
        begin = stride * first + offset
        count = max(0, min(self.size[side] - first, -((begin - size) // stride)))
        return slice(first, first + count), slice(begin, begin + stride * count, stride)

    def split(self, x: Array, out: Array) -> None:
        """out (s, s, C, N, Y, X) = the phases of images x (N, H, W, C), each a plane for each channel; zero beyond."""
        out.fill(0)
        for (a, b), (rows, columns), (down, right) in self.inside(x.shape[1:3]):
            for c in range(x.shape[3]):
                np.copyto(out[a, b, c, :, rows, columns], x[:, down, right, c])

    def lay_out(self, phases: Array, out: Array) -> None:
        """The inverse: images out (N, H, W, C) of phases (N, Y, X, s, s, C), in any order in memory."""
        if any(self.size[i] * self.stride[i] - self.padding[i] < out.shape[1 + i] for i in (0, 1)):
            out.fill(0)  # there are pixels that no window reaches
        for (a, b), (rows, columns), (down, right) in self.inside(out.shape[1:3]):
            np.copyto(out[:, down, right], phases[:, rows, columns, a, b])


class Inside(NamedTuple):
    """Which phase, those of its pixels that are inside an image, and where they are in it."""

    phase: Pair
    pixels: tuple[slice, slice]
    places: tuple[slice, slice]


def _both(of: Callable[[int], int]) -> Pair:
    return of(0), of(1)


phases_of = functools.lru_cache(maxsize=256)(Phases)
