"""Minibatches: of named sources, each shuffled by (seed, count), into arrays that stay where they are.

A source is one array or several that belong together, such as images and their labels: they are drawn in one order.
Every item is seen once per epoch. Which items come is a function of the seed and of how many updates the player that
draws has made, so that a resumed game draws what it would have drawn, and a graph finds the count on the device.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..backend import Backend, Group
from .player import Player
from .update import purpose_of

Array = Any
Source = Sequence[Array]
Place = Callable[[str, int, tuple[int, ...]], Any]

FIRST = "real"  # the source that is shuffled by the seed itself; others by one of their own


class Feed:
    """Draws minibatches: feed(player, source="real") returns an array for each of the source's.

    sources: by name, arrays (N, ...) of the backend; uint8 become floats in [−1, 1]. sizes: of a minibatch, by source.
    place: where a minibatch of so many of such a shape shall lie, or None for anywhere. parts: into how many equal ones
    a minibatch falls, by source, of each of which processes that play together draw a share; 0 where each draws all;
    one by default.

    Raises ValueError for a minibatch that these processes cannot share evenly.
    """

    def __init__(
        self,
        be: Backend,
        dtype: Any,
        seed: int,
        sources: Mapping[str, Source],
        sizes: Mapping[str, int],
        place: Place,
        parts: Mapping[str, int] | None = None,
    ) -> None:
        self._be, self._seed, self.sources, self.sizes = be, seed, sources, sizes
        self._rooms: dict[str, list[Array]] = {}
        self._shares: dict[str, list[tuple[slice, int]]] = {}  # rows of the rooms, and where in the minibatch they are
        for name, arrays in sources.items():
            self._shares[name] = shares(be.group, sizes[name], (parts or {}).get(name, 1))
            n, rooms = self._shares[name][-1][0].stop, list[Array]()
            for array in arrays:
                shape = tuple(array.shape[1:])
                room = place(name, n, shape) if not rooms else None
                rooms.append(be.empty((n, *shape), dtype) if room is None else room)
            self._rooms[name] = rooms

    def __call__(self, player: Player, source: str = FIRST) -> tuple[Array, ...]:
        """The minibatch of the update that the player is about to make."""
        seed = self._seed if source == FIRST else (self._seed + purpose_of(source)) % 2**64
        for array, room in zip(self.sources[source], self._rooms[source], strict=True):
            for rows, first in self._shares[source]:
                self._be.draw(array, player.now(), self.sizes[source], seed, room[rows], first)
        return tuple(self._rooms[source])


def shares(group: Group, size: int, parts: int) -> list[tuple[slice, int]]:
    """Of a minibatch that falls into equal parts, the rows of this process, and which the first of them is in it.

    >>> from minigan.backend import ALONE
    >>> shares(ALONE, 8, 1)
    [(slice(0, 8, None), 0)]
    """
    if group.size == 1 or not parts:
        return [(slice(0, size), 0)]
    each = group.share(size // parts)
    begins = (k * (size // parts) + group.rank * each for k in range(parts))
    return [(slice(k * each, (k + 1) * each), begin) for k, begin in enumerate(begins)]


class Given:
    """A feed of minibatches that somebody holds in hand, one for each update of a turn, again in every turn."""

    def __init__(self, minibatches: Sequence[tuple[Array, ...]]) -> None:
        self._minibatches, self._next = minibatches, 0

    def __call__(self, player: Player, source: str = FIRST) -> tuple[Array, ...]:
        minibatch = self._minibatches[self._next]
        self._next = (self._next + 1) % len(self._minibatches)
        return minibatch
