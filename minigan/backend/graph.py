"""A step as one CUDA graph: recorded once, replayed with a single launch.

At small batches a GPU computes an operation faster than Python can ask for the next. So the whole step is recorded:
what it asks of the device becomes a graph, and replaying it costs one launch however many operations there are. A
replay repeats the very kernels on the very addresses, which decides what such a step is like:

* Its arrays are where they were. Arenas see to it; whatever else it allocates comes from a pool that the graph owns.
* What changes from step to step is on the device: counts (DeviceCounter) and what follows a schedule (Table). A graph
  reads each count as the device has it, plus what it has advanced itself so far, and moves them all at its end.
* Nobody waits for the device or reads from it. A number that is not finite is noticed by the graph itself, which
  then changes nothing any more, and `halted` tells the host when it asks.

A step that is not like this, with a layer of somebody's own that reads a number back, say, is played call by call,
and a warning says why; with MINIGAN_STRICT_GRAPH=1 in the environment that is an error (workarounds.py).
"""

from __future__ import annotations

import gc
import re
import threading
import warnings
import weakref
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from . import workarounds
from .counter import Count, Counter
from .reference import Repeat

if TYPE_CHECKING:
    from .cupy_backend import CupyBackend

Array = Any

WARM_UP = 2  # steps played call by call before one is recorded: kernels are compiled, arenas and the pool filled
RATES = 1000  # entries of a table, which the device is told in advance
COUNTS = 4096  # counters that may live on one backend
OF_A_STEP = 64  # counters that one step may advance, and times that it may look for what is not finite
SCALARS = 256  # metrics of one step
TABLES = 16  # schedules of one step, more than that take memory while it is recorded

_ONE_AT_A_TIME = threading.RLock()  # the streams to record on belong to all backends of the process


@dataclass(frozen=True, eq=False)
class Ahead:
    """A count in a graph: so many more than the device had counted when the replay began."""

    counter: DeviceCounter
    more: int


@dataclass(frozen=True, eq=False)
class Scheduled:
    """What follows a schedule, in a graph: the number that `rate` gives for the count."""

    rate: Callable[[int], float]


class Counts:
    """The counts of a backend, in one array of the device, so that a graph can move all of its own at once."""

    def __init__(self, be: CupyBackend) -> None:
        self.array = be.xp.zeros((COUNTS,), np.uint64)
        self._be, self._free, self._tables = be, list(range(COUNTS)), list[Array]()

    def place(self, counter: DeviceCounter) -> int:
        """A place in the array for as long as the counter lives."""
        if not self._free:
            raise RuntimeError(f"this backend counts {COUNTS} things already: let go of some networks, or make another")
        slot = self._free.pop()
        self.array[slot : slot + 1].fill(0)
        weakref.finalize(counter, self._free.append, slot)
        return slot

    def prepare(self) -> None:
        """Take the memory of the tables that a recording may need, which itself must not take any."""
        while len(self._tables) < TABLES:
            self._tables.append(self._be.xp.zeros((RATES, 2), np.float64))

    def table(self) -> Array:
        """Memory for a table."""
        return self._tables.pop() if self._tables else self._be.xp.zeros((RATES, 2), np.float64)


class DeviceCounter(Counter):
    """A count that the host knows, and that a graph finds at an address of the device."""

    def __init__(self, be: CupyBackend) -> None:
        super().__init__()
        self._be = be
        self._stale = False  # the host has changed the count since the device was told
        self.slot = be.counts.place(self)
        self.array = be.counts.array[self.slot : self.slot + 1]
        self.tables: dict[Hashable, Table] = {}

    @property
    def value(self) -> int:
        if self._be.recording is not None:
            raise RuntimeError("the host asks for a count of steps, which in a graph only the device knows")
        return self._value

    @value.setter
    def value(self, value: int) -> None:
        self._value, self._stale = value, True

    def now(self) -> Count:
        return self._value if self._be.recording is None else self._be.recording.count(self)

    def advance(self) -> None:
        if self._be.recording is None:
            self.value = self._value + 1
        else:
            self._be.recording.advance(self)

    def table(self, key: Hashable, entry: Callable[[int], tuple[float, float]]) -> Table:
        """The table of what `entry` gives for each count, made at its first use. key: tells it from others."""
        if key not in self.tables:
            self.tables[key] = Table(self._be, entry)
        return self.tables[key]

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
    """Pairs of numbers on the device, one for each count t, at t mod `RATES`."""

    def __init__(self, be: CupyBackend, entry: Callable[[int], tuple[float, float]]) -> None:
        self.array = be.counts.table()
        self._be, self._entry = be, entry
        self._end = 0  # the device knows the entries of the RATES counts before this one

    def tell(self, begin: int, count: int) -> None:
        """Write down the entries from `begin` on, if one of the next `count` is missing."""
        if not self._end - RATES <= begin <= begin + count <= self._end:
            entries = np.empty((RATES, 2))
            for t in range(begin, begin + RATES):
                entries[t % RATES] = self._entry(t)
            self.array[...] = self._be.asarray(entries)
            self._end = begin + RATES


class Graph(Repeat):
    """A step that is recorded after `WARM_UP` calls, if it can be. Every call plays exactly one step.

    reason: why it cannot be recorded, once that is known.
    """

    def __init__(self, be: CupyBackend, step: Callable[[], Any]) -> None:
        super().__init__(step)
        self.reason: str | None = None
        self.halt = be.xp.zeros((1,), np.int32)  # the look (from 1 on) that met what is not finite; then −1
        self.kept: list[Any] = []  # what its operations work on: CUDA knows addresses, and would not keep the arrays
        self._be, self._cuda, self._stream = be, be.xp.cuda, be.side_stream
        self._pool = self._cuda.MemoryPool()  # a graph writes to its memory in every replay: nobody else may get it
        self._advances: dict[DeviceCounter, list[int]] = {}  # of each count read: after how many looks it advanced
        self._looks = 0
        self._records: list[tuple[Sequence[Array], Array, Count]] = []
        self._addresses = be.xp.zeros((SCALARS,), np.uint64)
        self._slots = be.xp.zeros((OF_A_STEP,), np.int32)
        self._moves = be.xp.zeros((OF_A_STEP, OF_A_STEP), np.int32)
        self._calls = 0
        self._graph: Any = None
        self._result: Any = None
        be._finish_step([], None, 0, self)  # a kernel must not be used for the first time in a graph

    # --- what is known of it -----------------------------------------------------------------------------------

    @property
    def recorded(self) -> bool:
        """Whether it is a graph by now."""
        return self._graph is not None

    @property
    def nodes(self) -> int | None:
        """How many operations the graph has, kernels, products and copies.

        None before it is recorded, or where CUDA cannot print it, which is no reason not to play it.
        """
        if self._graph is None:
            return None
        try:
            printed = self._graph.debug_dot_str()
        except Exception:
            return None
        return len(re.findall(r'^\s*"?graph_\d+_node_\d+"?\s*\[', printed, re.MULTILINE))

    def describe(self) -> str:
        if self._graph is not None:
            nodes = self.nodes
            count = ", whose operations cannot be counted" if nodes is None else f" of {nodes} operations"
            return f"one CUDA graph{count}"
        return "" if self.reason is None else f"call by call ({self.reason})"

    def halted(self) -> bool:
        if self._graph is None or not self._be.to_numpy(self.halt)[0]:
            return False
        for counter in self._advances:
            counter.ask()
        return True

    # --- playing -----------------------------------------------------------------------------------------------

    def __call__(self) -> Any:
        if self._graph is not None:
            return self._replay()
        self._calls += 1
        if self.reason is not None:
            return self._step()
        with _ONE_AT_A_TIME:
            if self._calls > WARM_UP:
                self._record()
                return self()
            self._be.synchronize()
            with self._stream, self._cuda.using_allocator(self._pool.malloc):
                result = self._step()
                self._stream.synchronize()
            return result

    def _replay(self) -> Any:
        for counter, advances in self._advances.items():
            counter.tell(len(advances))
        self._graph.launch()  # on the current stream
        for counter, advances in self._advances.items():
            counter.replayed(len(advances))
        return self._result

    # --- recording ---------------------------------------------------------------------------------------------

    def count(self, counter: DeviceCounter) -> Ahead:
        """The count as an operation of this graph reads it."""
        return Ahead(counter, len(self._advances.setdefault(counter, [])))

    def advance(self, counter: DeviceCounter) -> None:
        """One more, which the device takes over at the end of the step."""
        self._advances.setdefault(counter, []).append(self._looks)

    def look(self) -> int:
        """The number of the next look for what is not finite."""
        self._looks += 1
        return self._looks

    def record(self, scalars: Sequence[Array], table: Array, row: Count) -> None:
        """Write these down at the end of the step."""
        self._records.append((scalars, table, row))
        self.kept.extend((*scalars, table))

    def _record(self) -> None:
        """Go through the step once more while the device only writes down what is asked of it."""
        # relaxed: a pool that has to take memory from the device, as it hardly ever must here, does no harm
        mode = getattr(self._cuda.runtime, workarounds.capture_mode())
        self._be.counts.prepare()
        self._be.synchronize()
        with no_collection(), self._stream, self._cuda.using_allocator(self._pool.malloc):
            self._stream.begin_capture(mode)
            self._be.recording = self
            try:
                self._result = self._step()
                self._close()
            except Exception as error:
                self.reason = " ".join(str(error).split()) or type(error).__name__
            finally:
                self._be.recording = None
                graph = self._end()
        if self.reason is None:
            self._fill()
            self._graph = graph
            return
        self.kept.clear()
        self._advances.clear()
        said = f"this step cannot be one CUDA graph and is played call by call: {self.reason}"
        if workarounds.strict_graph():
            raise RuntimeError(said)
        warnings.warn(said, stacklevel=5)

    def _close(self) -> None:
        """The end of a step: metrics are written down, and the counts move."""
        if max(len(self._advances), self._looks + 1) > OF_A_STEP or self._of_records() > SCALARS:
            raise RuntimeError(f"a step may have {OF_A_STEP} counts and looks and {SCALARS} metrics, not more")
        first = 0
        for scalars, table, row in self._records[1:]:
            self._be._finish_step(scalars, table, row, None, self._addresses[first : first + len(scalars)])
            first += len(scalars)
        scalars, table, row = self._records[0] if self._records else ((), None, 0)
        self._be._finish_step(scalars, table, row, self, self._addresses[first : first + max(1, len(scalars))])

    def _of_records(self) -> int:
        return sum(len(scalars) for scalars, _, _ in self._records)

    def _fill(self) -> None:
        """Tell the device what `_close` could not, since nothing is copied while a step is recorded."""
        scalars = [s for found, _, _ in [*self._records[1:], *self._records[:1]] for s in found]
        addresses, slots = np.zeros(SCALARS, np.uint64), np.zeros(OF_A_STEP, np.int32)
        moves = np.zeros((OF_A_STEP, OF_A_STEP), np.int32)
        addresses[: len(scalars)] = [s.data.ptr for s in scalars]
        for i, (counter, advances) in enumerate(self._advances.items()):
            slots[i] = counter.slot
            moves[i, 0] = len(advances)  # if it did not halt
            for look in range(1, self._looks + 1):
                moves[i, look] = sum(after < look for after in advances)
        for array, values in ((self._addresses, addresses), (self._slots, slots), (self._moves, moves)):
            array[...] = self._be.asarray(values)

    @property
    def counts(self) -> tuple[Array, Array, int]:
        """For the last kernel of a step: places of the counts, how each moves, and how many there are."""
        return self._slots, self._moves, len(self._advances)

    def _end(self) -> Any:
        try:
            return self._stream.end_capture()
        except Exception as error:  # what the step did wrong has broken the capture as well
            self.reason = self.reason or " ".join(str(error).split())
            return None


@contextmanager
def no_collection() -> Iterator[None]:
    """Without Python's garbage collector: if it destroyed an older graph now, CUDA would lose the recording.

    A graph is part of a cycle (graph, step, game, graph), so it is the collector that ends it.
    """
    gc.collect()
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
