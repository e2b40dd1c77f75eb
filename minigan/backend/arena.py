"""Memory of a training step: the first step allocates, every later one gets the same arrays back.

A step asks for the same shapes in the same order each time. So an arena needs no bookkeeping of lifetimes: it
hands out its arrays one after the other, and `rewind()` starts again at the first. On the CPU this saves the
allocator and its page faults; on a GPU it fixes the addresses, which capturing a CUDA graph requires.

The price is that arrays of the step before are overwritten. `stamp` counts the rewinds, so that a backward pass
that comes too late can be refused with a sentence instead of answering with wrong numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .reference import Backend

Array = Any


class FreshArena:
    """The trivial arena: every request is a fresh array, nothing is ever overwritten."""

    stamp = 0

    def __init__(self, backend: Backend) -> None:
        self.backend = backend

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Array:
        """An uninitialised array of this shape and dtype."""
        return self.backend.empty(shape, dtype)

    def stacked(self, parts: Sequence[Array], dtype: Any) -> Array:
        """The batches one after the other, in an array of this dtype from here."""
        whole, end = self.empty((sum(map(len, parts)), *parts[0].shape[1:]), dtype), 0
        for part in parts:
            whole[end : end + len(part)], end = part, end + len(part)
        return whole


class Arena(FreshArena):
    """Hands out the same arrays for the same sequence of requests.

    >>> from minigan import get_backend
    >>> arena = Arena(get_backend("numpy"))
    >>> first = arena.empty((2, 3), "float32")
    >>> arena.rewind()
    >>> arena.empty((2, 3), "float32") is first
    True
    """

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend)
        self.stamp = 0
        self._arrays: list[Array] = []
        self._next = 0

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Array:
        i, self._next = self._next, self._next + 1
        if i == len(self._arrays):
            self._arrays.append(self.backend.empty(shape, dtype))
        elif self._arrays[i].shape != shape or self._arrays[i].dtype != dtype:
            self._arrays[i] = self.backend.empty(shape, dtype)  # the batch size changed, say
        self.backend.keep((self._arrays[i],))
        return self._arrays[i]

    def rewind(self) -> None:
        """Start the next step: every array handed out so far may be overwritten from now on."""
        self._next = 0
        self.stamp += 1
