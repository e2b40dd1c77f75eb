"""A step as one CUDA graph: recorded once, replayed with a single launch.

At small batches a GPU computes an operation faster than Python can ask for the next. So the whole step is recorded:
what it asks of the device becomes a graph, and replaying it costs one launch however many operations there are. A
replay repeats the very kernels on the very addresses, which decides what such a step is like:

* Its arrays are where they were. Arenas see to it; whatever else it allocates comes from a pool that the graph owns.
* What changes from step to step is on the device: counts (DeviceCounter) and learning rates (Table).
* Nobody waits for the device or reads from it. A number that is not finite is noticed by the graph itself, which
  then changes nothing any more, and `halted` tells the host when it asks.

A step that is not like this, with a layer of somebody's own that reads a number back, say, is played call by call,
and a warning says why.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .counter import Counter
from .repeat import Repeat

if TYPE_CHECKING:
    from .cupy_backend import CupyBackend

WARM_UP = 2  # steps played call by call before one is recorded: kernels are compiled, arenas and the pool filled
RATES = 1000  # learning rates that the device is told in advance


class DeviceCounter(Counter):
    """A count that the host knows, and that a graph finds at an address of the device."""

    def __init__(self, be: CupyBackend) -> None:
        super().__init__()
        self._be = be
        self._stale = False  # the host has changed the count since the device was told
        self.array = be.xp.zeros((1,), np.uint64)
        self.tables: dict[Callable[[int], float], Table] = {}

    @property
    def value(self) -> int:
        if self._be.recording is not None:
            raise RuntimeError("the host asks for a count of steps, which in a graph only the device knows")
        return self._value

    @value.setter
    def value(self, value: int) -> None:
        self._value, self._stale = value, True

    def now(self) -> Any:
        if self._be.recording is None:
            return self._value
        self._be.recording.ticks.setdefault(self, 0)
        return self

    def advance(self) -> None:
        graph = self._be.recording
        if graph is None:
            self.value = self._value + 1
        else:
            graph.ticks[self] = graph.ticks.get(self, 0) + 1
            self._be._tick(self.array, graph.halt)

    def scheduled(self, rate: Callable[[int], float]) -> Any:
        """The rate of this count: in a graph, the table of those to come."""
        if rate not in self.tables:
            self.tables[rate] = Table(self._be, rate)
        if self._be.recording is None:
            return rate(self._value)
        self._be.recording.ticks.setdefault(self, 0)
        return self.tables[rate]

    def tell(self, ticks: int) -> None:
        """Before a replay that counts so many: tell the device what it does not know."""
        if self._stale:
            self.array.fill(self._value)
            self._stale = False
        for table in self.tables.values():
            table.tell(self._value, ticks)

    def replayed(self, ticks: int) -> None:
        """The device has counted so many more."""
        self._value += ticks

    def ask(self) -> None:
        """Take over what the device has counted, which may be less."""
        self._value, self._stale = int(self._be.to_numpy(self.array)[0]), False


class Table:
    """Learning rates on the device: that of the update after t updates is at t mod `RATES`."""

    def __init__(self, be: CupyBackend, rate: Callable[[int], float]) -> None:
        self.array = be.xp.zeros((RATES,), np.float64)
        self._be, self._rate = be, rate
        self._end = 0  # the device knows the rates of the RATES updates before this one

    def tell(self, begin: int, count: int) -> None:
        """Write down the rates from `begin` on, if one of the next `count` is missing."""
        if not self._end - RATES <= begin <= begin + count <= self._end:
            rates = np.empty(RATES)
            for t in range(begin, begin + RATES):
                rates[t % RATES] = self._rate(t)
            self.array[...] = self._be.asarray(rates)
            self._end = begin + RATES


class Graph(Repeat):
    """A step that is recorded after `WARM_UP` calls, if it can be. Every call plays exactly one step.

    reason: why it cannot be recorded, once that is known.
    """

    def __init__(self, be: CupyBackend, step: Callable[[], Any]) -> None:
        super().__init__(step)
        self.reason: str | None = None
        self.ticks: dict[DeviceCounter, int] = {}  # the counts that the step reads, and how far it advances each
        self.halt = be.xp.zeros((1,), np.int32)
        self.kept: list[Any] = []  # what its operations work on: CUDA knows addresses, and would not keep the arrays
        self._be, self._cuda, self._stream = be, be.xp.cuda, be.side_stream
        self._pool = self._cuda.MemoryPool()  # a graph writes to its memory in every replay: nobody else may get it
        be._tick(be.xp.zeros((1,), np.uint64), self.halt)  # a kernel must not be used for the first time in a graph
        self._calls = 0
        self._graph: Any = None
        self._result: Any = None

    def __call__(self) -> Any:
        self._calls += 1
        if self._calls > WARM_UP and self._graph is None and self.reason is None:
            self._record()
        if self._graph is not None:
            return self._replay()
        if self.reason is not None:
            return self._step()
        self._be.synchronize()
        with self._stream, self._cuda.using_allocator(self._pool.malloc):
            result = self._step()
            self._stream.synchronize()
        return result

    def halted(self) -> bool:
        if self._graph is None or not self._be.to_numpy(self.halt)[0]:
            return False
        for counter in self.ticks:
            counter.ask()
        return True

    def _replay(self) -> Any:
        for counter, ticks in self.ticks.items():
            counter.tell(ticks)
        self._graph.launch()  # on the current stream
        for counter, ticks in self.ticks.items():
            counter.replayed(ticks)
        return self._result

    def _record(self) -> None:
        """Go through the step once more while the device only writes down what is asked of it."""
        mode = self._cuda.runtime.streamCaptureModeThreadLocal  # in which taking memory from the device fails
        self._be.synchronize()
        with self._stream, self._cuda.using_allocator(self._pool.malloc):
            self._stream.begin_capture(mode)
            self._be.recording = self
            try:
                self._result = self._step()
            except Exception as error:
                self.reason = " ".join(str(error).split()) or type(error).__name__
            finally:
                self._be.recording = None
                graph = self._end()
        if self.reason is None:
            self._graph = graph
        else:
            self.kept.clear()
            warnings.warn(f"this step cannot be one CUDA graph and is played call by call: {self.reason}", stacklevel=4)

    def _end(self) -> Any:
        try:
            return self._stream.end_capture()
        except Exception as error:  # what the step did wrong has broken the capture as well
            self.reason = self.reason or " ".join(str(error).split())
            return None
