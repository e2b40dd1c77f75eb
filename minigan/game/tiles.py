"""Pictures of any size through a network of convolutions: continued to a size that it takes, and in tiles if large.

A network that halves pictures k times takes sides that are multiples of 2^k. Others are continued to the right and
below, by reflection, and what becomes of that is cut off.

Where a picture is too large to go through at once it goes in tiles. An output depends on inputs within the network's
reach alone: a layer whose windows are k pixels wide, and j pixels of the picture apart from pixel to pixel, adds
(k − 1) j at most. So each tile is taken with that much of the picture around it, of which the outputs are then cut off,
and the tiles together are what the whole would have been. Checked by tests/test_translation.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ..backend import Stream
from ..limits import samples_at_once
from ..nn import AvgPool2D, Conv2D, ConvTranspose2D, Sequential, Upsample
from ..spec import integer

Floats = np.ndarray[Any, Any]
LONGEST_STEP = 256  # that a network may ask sides to be multiples of
AT_ONCE = 256  # pictures that go through at once, if they are small


class Tile(NamedTuple):
    """Rows and columns of a picture: those that are looked at, and those of the outputs that are kept."""

    seen: tuple[slice, slice]
    kept: tuple[slice, slice]
    where: tuple[slice, slice]  # the kept ones, in the picture


class Tiling(NamedTuple):
    """How pictures (N, H, W, C) of one size go through a network. padded: their size when continued; tiles: of that."""

    size: tuple[int, int]
    padded: tuple[int, int]
    tiles: tuple[Tile, ...]
    at_once: int

    @classmethod
    def of(cls, net: Sequential, shape: tuple[int, ...], tile: int | None = None) -> Tiling:
        """For pictures of this shape (H, W, C). tile: side of a tile; by default what memory allows.

        Raises ValueError for a tile that is no positive integer. A picture that the network cannot take is for the
        network to refuse.
        """
        height, width, channels = shape
        step = step_of(net, channels)
        if step is None:  # it knows one size only, or does not tell
            whole = Tile(*[(slice(0, height), slice(0, width))] * 3)
            return cls((height, width), (height, width), (whole,), samples_at_once(net.layers, shape, AT_ONCE))
        padded = (_up(height, step), _up(width, step))
        around = _up(reach(net), step)
        side = _largest(net, padded, channels, step, around) if tile is None else _up(integer("tile", tile), step)
        tiles = tuple(_tiles(padded, side, around))
        seen = max(math.prod(s.stop - s.start for s in t.seen) for t in tiles)
        window = math.isqrt(seen), -(-seen // math.isqrt(seen))
        layers = net.layers
        return cls((height, width), padded, tiles, samples_at_once(layers, (*_fit(window, step), channels), AT_ONCE))

    def batches(self, n: int) -> Iterator[slice]:
        """Of n pictures, those that go through together."""
        return (slice(i, i + self.at_once) for i in range(0, n, self.at_once))

    def through(self, net: Sequential, x: Floats, stream: Stream) -> Floats:
        """What the network makes of pictures, with running statistics. stream: of the first pass; each counts one on.

        Raises ValueError for pictures that it cannot take.
        """
        (height, width), rest = self.size, [end - side for end, side in zip(self.padded, self.size, strict=True)]
        if any(rest):
            mode: Any = "reflect" if min(self.size) > 1 else "edge"
            x = np.pad(x, ((0, 0), (0, rest[0]), (0, rest[1]), (0, 0)), mode=mode)
        out: Floats | None = None
        for i, tile in enumerate(self.tiles):
            part = np.ascontiguousarray(x[:, *tile.seen])
            y = net.backend.to_numpy(net(part, train=False, stream=stream._replace(step=stream.step + i))[0])
            if out is None:
                out = np.empty((len(x), *self.padded, y.shape[-1]), y.dtype)
            out[:, *tile.where] = y[:, *tile.kept]
        assert out is not None
        return out[:, :height, :width]


def step_of(net: Sequential, channels: int) -> int | None:
    """What the sides of pictures must be multiples of, a power of two; None for a network of one size, or unknown.

    >>> from minigan import Conv2D, ConvTranspose2D, Sequential
    >>> step_of(Sequential(Conv2D(1, 2, 4, 2, 1), Conv2D(2, 2, 4, 2, 1), ConvTranspose2D(2, 1, 4, 4)), 1)
    4
    """
    step = 1
    while step <= LONGEST_STEP:
        try:
            sides = [net.chain.output_shape((1, k * step, k * step, channels)) for k in (2, 3)]
        except ValueError:
            sides = []
        if None in sides:
            return None
        if [made[1:3] for made in sides if made is not None] == [(k * step, k * step) for k in (2, 3)]:
            return step
        step *= 2
    return None


def reach(net: Sequential) -> int:
    """How many pixels away from an output the inputs are, at most, that it depends on.

    >>> from minigan import Conv2D, Sequential
    >>> reach(Sequential(Conv2D(1, 2, 3, padding=1), Conv2D(2, 2, 3, padding=1)))           # 2 in truth
    4
    """
    apart, far = 1.0, 0.0
    for _, _, layer in net.chain.leaves():
        match layer:
            case Conv2D():
                far, apart = far + (max(layer._kernel) - 1) * apart, apart * max(layer._stride)
            case ConvTranspose2D():
                apart /= min(layer._stride)
                far += (max(layer._kernel) - 1) * apart
            case AvgPool2D():
                far, apart = far + (layer.kernel - 1) * apart, apart * layer.kernel
            case Upsample():
                far, apart = far + apart, apart / layer.factor
    return math.ceil(far)


def _tiles(size: tuple[int, int], side: int, around: int) -> Iterator[Tile]:
    """Squares that cover a picture, each with what is around it."""
    for top in range(0, size[0], side):
        for left in range(0, size[1], side):
            begins, ends = (top, left), (min(top + side, size[0]), min(left + side, size[1]))
            first = [max(0, begin - around) for begin in begins]
            last = [min(end + around, length) for end, length in zip(ends, size, strict=True)]
            seen = tuple(map(slice, first, last))
            kept = tuple(slice(b - f, e - f) for b, e, f in zip(begins, ends, first, strict=True))
            yield Tile(seen, kept, tuple(map(slice, begins, ends)))  # type: ignore[arg-type]


def _largest(net: Sequential, size: tuple[int, int], channels: int, step: int, around: int) -> int:
    """The side of the largest tile whose passes fit into memory: all of the picture, half of it, and so on."""
    side = max(size)
    while side > step:
        window = tuple(min(length, side + 2 * around) for length in size)
        if samples_at_once(net.layers, (*_fit(window, step), channels), 2) == 2:
            break
        side = _up(side // 2, step)
    return side


def _fit(size: tuple[int, ...], step: int) -> tuple[int, ...]:
    return tuple(_up(side, step) for side in size)


def _up(side: int, step: int) -> int:
    """The next multiple."""
    return -(-side // step) * step
