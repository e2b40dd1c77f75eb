"""Pictures that move in a frame, and bounce off its walls at random. After the moving digits of N. Srivastava,
E. Mansimov and R. Salakhutdinov, "Unsupervised Learning of Video Representations using LSTMs", 2015.

A picture, reduced to half its size, moves in a straight line over black, from frame to frame by some pixels. What is
given are two frames, what is wanted is the third. In half of the pairs there is no wall in the way, and one can
compute it. In the other half the picture hits a wall within the first quarter of the last step, and goes on at the
same speed in one of five directions, all equally likely,

    −60°, −30°, 0°, 30° and 60° from the wall's normal.

So there are five right answers, and what is given does not say which of them is the target. (It says which kind of
pair it is: straight on, the picture would leave the frame by three eighths of a step at least.)

Positions are whole multiples of 1/64 pixel, and pictures between pixels are bilinear means: whole numbers, which are
the same on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigan.datasets import Dataset
from minigan.datasets.pairs import Pairs

from .resampling import resized
from .task import Pixels, Task, chunked, uniforms

__all__ = ["ANGLES", "Motion", "NextFrame", "frame_of", "motion", "placed"]

Floats = NDArray[np.float64]
Positions = NDArray[np.int64]  # of the upper left corner: rows and columns, in 1/64 pixel

ANGLES = np.radians([-60.0, -30.0, 0.0, 30.0, 60.0])
SPEED = 1 / 5, 1 / 3  # of the way from wall to wall, for each step
_STEEPEST = np.radians(60.0)  # from the normal, of a way to a wall
_LATEST = 0.25  # part of a step, before a wall is hit
_PART = 64
_NUMBERS = 7


@dataclass(frozen=True)
class Motion:
    """Where N pictures are: before and now (N, 2), and thereafter in each right answer (N, 5, 2).

    choice: (N,), which answer it is. several: (N,), whether there is more than one, all five being the same otherwise.
    """

    before: Positions
    now: Positions
    after: Positions
    choice: NDArray[np.int64]
    several: NDArray[np.bool_]


def frame_of(height: int, width: int) -> tuple[int, int]:
    """The sides of the frame for pictures of these sides: four more, rounded up to multiples of four.

    >>> frame_of(28, 28)
    (32, 32)
    """
    return (height + 7) // 4 * 4, (width + 7) // 4 * 4


def motion(numbers: Floats, room: tuple[int, int]) -> Motion:
    """The ways of N pictures. numbers: uniform in [0, 1), (N, 7); room: pixels down and across that one can move."""
    kind, fast, turn, a, b, when, which = numbers.T
    rooms = np.array(room, np.float64)
    speed = (SPEED[0] + (SPEED[1] - SPEED[0]) * fast) * rooms.min()
    several = kind < 0.5
    straight = _straight(speed, turn, np.stack([a, b], axis=1), rooms)
    bounced = _bounced(speed, turn, a, b, _LATEST * when, rooms)
    now, velocity, after = (
        np.where(several.reshape(-1, *(1,) * (one.ndim - 1)), other, one)
        for one, other in zip(straight, bounced, strict=True)
    )
    before, now, after = (_rounded(place, rooms) for place in (now - velocity, now, after))
    return Motion(before, now, after, (which * len(ANGLES)).astype(np.int64), several)


def _straight(speed: Floats, turn: Floats, start: Floats, rooms: Floats) -> tuple[Floats, Floats, Floats]:
    """Any direction, and any place from which two steps stay within. Now (N, 2), velocity (N, 2), after (N, 5, 2)."""
    angle = 2 * np.pi * turn
    velocity = speed[:, None] * np.stack([np.sin(angle), np.cos(angle)], axis=1)
    low, high = np.maximum(0, -2 * velocity), rooms - np.maximum(0, 2 * velocity)
    now = low + start * (high - low) + velocity
    return now, velocity, np.repeat((now + velocity)[:, None], len(ANGLES), axis=1)


def _bounced(
    speed: Floats, turn: Floats, wall: Floats, where: Floats, when: Floats, rooms: Floats
) -> tuple[Floats, Floats, Floats]:
    """One of four walls, hit after a part `when` of a step, at any place from which all ways stay within."""
    side, axis = np.divmod((4 * wall).astype(np.int64), 2)  # side 0 is the wall at 0
    normal, along = np.eye(2)[axis], np.eye(2)[1 - axis]  # (N, 2)
    inwards = normal * (1 - 2 * side)[:, None]
    angle = _STEEPEST * (2 * turn - 1)
    velocity = speed[:, None] * (np.sin(angle)[:, None] * along - np.cos(angle)[:, None] * inwards)
    came = (1 + when) * speed * np.sin(angle)  # so far along the wall in one step and a part
    aside = (1 - when) * speed * np.sin(ANGLES[-1])  # and so far, at most, in what is left of the next
    low, high = np.maximum(aside, came), rooms[1 - axis] - np.maximum(aside, -came)
    hit = (low + where * (high - low))[:, None] * along + normal * side[:, None] * rooms
    ways = np.sin(ANGLES)[:, None] * along[:, None] + np.cos(ANGLES)[:, None] * inwards[:, None]  # (N, 5, 2)
    return hit - when[:, None] * velocity, velocity, hit[:, None] + ((1 - when) * speed)[:, None, None] * ways


def _rounded(places: Floats, rooms: Floats) -> Positions:
    return np.clip(np.rint(_PART * places), 0, _PART * rooms).astype(np.int64)


def placed(pictures: Pixels, places: Positions, height: int, width: int) -> Pixels:
    """Pictures (N, h, w) at places (N, 2) in black frames (N, height, width); between pixels, their bilinear mean.

    >>> placed(np.full((1, 1, 1), 64, np.uint8), np.array([[64, 16]]), 3, 3).tolist()
    [[[0, 0, 0], [48, 16, 0], [0, 0, 0]]]
    """
    n, h, w = pictures.shape
    whole, part = np.divmod(places, _PART)
    down, across = part.astype(np.int32).T[..., None, None]
    wide = np.pad(pictures.astype(np.int32), ((0, 0), (1, 1), (1, 1)))
    wide = (_PART - down) * wide[:, 1:] + down * wide[:, :-1]
    wide = (_PART - across) * wide[..., 1:] + across * wide[..., :-1]  # (n, h + 1, w + 1)
    rows, columns = (whole[:, i, None] + np.arange(side + 1) for i, side in enumerate((h, w)))
    out = np.zeros((n, height + 1, width + 1), np.uint8)  # a line more, for the empty end of what lies at the wall
    out[np.arange(n)[:, None, None], rows[:, :, None], columns[:, None]] = (wide + _PART**2 // 2) // _PART**2
    return out[:, :height, :width]


def _halved(images: Pixels) -> Pixels:
    return resized(images, *(max(1, side // 2) for side in images.shape[1:]))


class NextFrame(Task):
    """Two frames of a moving picture, as channels, and the third. `answers` knows all that it could be."""

    name, several = "next-frame", True
    about = "the next frame of moving pictures, which bounce off walls at random"

    def check(self, data: Dataset) -> None:
        if data.images.ndim != 3:
            raise ValueError(
                f"the pictures of {data.name} are of shape {data.image_shape}, but grey ones, (H, W), were expected; "
                "convert them, or take another task"
            )

    def numbers(self, shape: tuple[int, ...]) -> int:
        return _NUMBERS

    def moving(self, images: Pixels, numbers: Floats) -> Motion:
        """The ways of these pictures in their frame."""
        shape = images.shape[1:]
        down, across = (side - max(1, own // 2) for side, own in zip(frame_of(*shape), shape, strict=True))
        return motion(numbers, (down, across))

    def answers(self, data: Dataset, split: str = "train", rows: Any = None) -> tuple[Pixels, NDArray[np.bool_]]:
        """Five of each, as of `Task`; where there is one, five times the same."""
        self.check(data)
        wanted = np.arange(len(data))[slice(None) if rows is None else rows]
        moving = self.moving(data.images, uniforms(self.name, split, len(data), self.numbers(data.image_shape)))
        frame, small = frame_of(*data.image_shape), _halved(data.images[wanted])
        each = [placed(small, moving.after[wanted, i], *frame) for i in range(len(ANGLES))]
        return np.stack(each, axis=1), moving.several[wanted]

    def inputs(self, images: Pixels, numbers: Floats) -> Pixels:
        moving, frame = self.moving(images, numbers), frame_of(*images.shape[1:])

        def two(part: Pixels, before: Positions, now: Positions) -> Pixels:
            small = _halved(part)
            return np.stack([placed(small, place, *frame) for place in (before, now)], axis=3)

        return chunked(two, images, moving.before, moving.now)

    def targets(self, images: Pixels, numbers: Floats) -> Pixels:
        moving, frame = self.moving(images, numbers), frame_of(*images.shape[1:])
        after = moving.after[np.arange(len(images)), moving.choice]
        return chunked(lambda part, places: placed(_halved(part), places, *frame), images, after)

    def rivals(self, pairs: Pairs, train: Pairs) -> dict[str, Pixels]:
        """last frame: nothing moves any more."""
        return {"last frame": pairs.inputs[..., 1]}
