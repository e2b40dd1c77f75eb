"""Processes that play together, as threads of one: what each sums goes through a table that all can see."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from minigan.backend import Backend, get_backend
from minigan.backend.group import Group

Array = Any
PATIENCE = 60.0  # seconds that one waits for the others


class ThreadGroup(Group):
    """One of `size` threads. table: a place for each; all of a group have the same, and the same barrier."""

    def __init__(self, rank: int, table: list[Any], barrier: threading.Barrier, syncs: bool = True) -> None:
        self.rank, self.size, self.here, self.rank_here, self.syncs = rank, len(table), len(table), rank, syncs
        self._table, self._barrier = table, barrier
        self.sums, self.bytes = 0, 0  # exchanges so far, and what each process has shown in them

    def _all(self, array: Array) -> list[Array]:
        """What each has shown in this exchange, in the order of ranks."""
        self.sums, self.bytes = self.sums + 1, self.bytes + array.nbytes
        self._table[self.rank] = array.copy()
        self._barrier.wait(PATIENCE)
        seen = list(self._table)
        self._barrier.wait(PATIENCE)
        return seen

    def total(self, array: Array) -> Array:
        array = np.asarray(array) if isinstance(array, np.generic) else array
        first, *rest = self._all(array)
        array[...] = sum(rest, first)
        return array

    def gathered(self, array: Array) -> Array:
        return np.concatenate(self._all(array))

    def told(self, array: Array) -> None:
        array[...] = self._all(array)[0]


def together(size: int, act: Callable[[Backend], Any], backend: str = "numpy", syncs: bool = True) -> list[Any]:
    """What `act` returns in each of so many threads that play together, given its backend.

    Raises what the first of them that failed has raised.
    """
    barrier, table = threading.Barrier(size), [None] * size
    found: list[Any] = [None] * size
    errors: list[BaseException] = []

    def one(rank: int) -> None:
        try:
            be = get_backend(backend, group=ThreadGroup(rank, table, barrier, syncs))
            found[rank] = act(be)
        except BaseException as error:
            errors.append(error)
            barrier.abort()

    threads = [threading.Thread(target=one, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for error in errors:
        if not isinstance(error, threading.BrokenBarrierError):
            raise error
    if errors:
        raise errors[0]
    return found
