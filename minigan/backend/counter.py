"""A count that the operations of a step can read where they compute.

Random numbers, minibatches and Adam depend on how many updates there have been. To most of them that is an integer
argument. But a step that was recorded as a CUDA graph is replayed with the very arguments of the first time: there
the count has to live on the device, at an address that the kernels know, and the graph itself must advance it.
"""

from __future__ import annotations

from typing import Any

Count = Any  # an int; in a graph, a Counter
Rate = Any  # a float; in a graph, a table from which the device takes the rate of its turn


class Counter:
    """Counts up from 0. `now()` is what an operation takes: an integer, or in a graph the counter itself.

    >>> counter = Counter()
    >>> counter.advance()
    >>> counter.now()
    1
    """

    def __init__(self) -> None:
        self._value = 0

    @property
    def value(self) -> int:
        """The count as the host knows it."""
        return self._value

    @value.setter
    def value(self, value: int) -> None:
        self._value = value

    def now(self) -> Count:
        """The count, for an operation that is asked for before the count advances."""
        return self._value

    def advance(self) -> None:
        """One more."""
        self._value += 1
