"""Where the time of a step goes: phase by phase, layer by layer, operation by operation.

The step is watched from outside, and the library knows nothing of it. Its backend is replaced by one that passes each
operation on and looks at the clock before and after; on a GPU it waits for the result, so that an operation is
charged with its own time and not with that of the one that happens to wait. Which layer asks is known from the
layers' `forward`, wrapped for these objects only, and from the backward that each returns.

A step asks for the same operations every time. So one step notes who asks and what the work is; the steps after it
only add up seconds by position, which costs little.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import Any

import numpy as np

from .. import console
from ..backend import Backend
from ..gan import GAN
from ..nn import Layer
from . import work
from .step import STEP
from .subject import Subject
from .work import Work

WARM_UP = 3  # steps; the last one is the one that takes notes
SECONDS = 1.5  # of profiled steps, about
_PASSED_ON = (
    "asarray", "to_numpy", "numbers", "address", "empty", "zeros", "synchronize", "counter", "scheduled", "repeat",
    "explained", "record",
)  # fmt: skip
_NOT_OPERATIONS = (*_PASSED_ON, "arena", "about", "fuse", "versions")  # fuse: what is timed alone is computed alone


@dataclass(frozen=True)
class Place:
    """Where an operation is asked for. pass_: "forward", "backward", or "" outside the layers, as is layer."""

    phase: str = ""
    pass_: str = ""
    layer: str = ""


@dataclass(frozen=True)
class Entry:
    """All equal calls at one place: calls and seconds in one step, and their work if it is known."""

    place: Place
    operation: str
    shape: str
    calls: int
    seconds: float
    work: Work | None


@dataclass(frozen=True)
class Profile:
    """One step of `backend`. what: it is, as of a `Subject`.

    profiled, plain: seconds of a step with and without this profile. rows: what it did.
    """

    what: str
    backend: str
    batch: int
    width: float
    steps: int
    profiled: float
    plain: float
    rows: list[Entry]

    @property
    def other(self) -> float:
        """Seconds outside all operations: Python, small vectors, copies, and the profile itself."""
        return self.profiled - sum(row.seconds for row in self.rows)


@dataclass
class _Call:
    place: Place
    operation: str
    shape: str
    work: Work | None
    seconds: float = 0.0


@dataclass
class Recorder:
    """The operations of a step in order. While `noting`, calls are added; afterwards, their seconds."""

    place: Place = Place()
    noting: bool = False
    position: int = 0
    calls: list[_Call] = field(default_factory=list)

    def note(self, operation: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Remember a call of the step that takes notes."""
        counted = work.of_call(operation, args, kwargs)
        self.calls.append(_Call(self.place, operation, _shape(operation, args, kwargs), counted))

    def add(self, operation: str, seconds: float) -> None:
        """Add to the call that is next in order. Raises RuntimeError if the step asks for another than it did."""
        i, self.position = self.position, self.position + 1
        if i >= len(self.calls) or self.calls[i].operation != operation:
            raise RuntimeError(f"a step of the profile differs from the one before: call {i} is now {operation}")
        self.calls[i].seconds += seconds


class WatchedBackend(Backend):
    """Another backend, each of whose operations is timed."""

    def __init__(self, inner: Backend, recorder: Recorder) -> None:
        super().__init__(inner.xp)
        self.name = inner.name
        self._inner = inner
        for name in dir(inner):
            if not name.startswith("_") and name not in _NOT_OPERATIONS and callable(getattr(inner, name)):
                vars(self)[name] = _watched(getattr(inner, name), name, inner.synchronize, recorder)
        for name in _PASSED_ON:
            vars(self)[name] = getattr(inner, name)

    def __getattr__(self, name: str) -> Any:  # whatever else the inner one has
        return getattr(vars(self)["_inner"], name)


def _watched(
    operation: Callable[..., Any], name: str, synchronize: Callable[[], None], recorder: Recorder
) -> Callable[..., Any]:
    @wraps(operation)
    def call(*args: Any, **kwargs: Any) -> Any:
        if recorder.noting:
            recorder.note(name, args, kwargs)
            return operation(*args, **kwargs)
        synchronize()
        begin = time.perf_counter()
        result = operation(*args, **kwargs)
        synchronize()
        recorder.add(name, time.perf_counter() - begin)
        return result

    return call


def watch(gan: GAN, recorder: Recorder) -> None:
    """Let the recorder know which part of the GAN's step is running; the GAN is of no other use afterwards."""
    for player, net in (("G", gan.G), ("D", gan.D)):
        for i, layer in enumerate(net.layers):
            vars(layer)["forward"] = _located(layer, f"{player} {i}.{type(layer).__name__}", recorder)
    for holder, method, phase in (
        (gan, "update_discriminator", "D's update"),
        (gan, "descend", "G's update"),
    ):
        vars(holder)[method] = _in_phase(getattr(holder, method), phase, recorder)


def _located(layer: Layer, name: str, recorder: Recorder) -> Callable[..., Any]:
    """The layer's forward, within which, as within its backward, the recorder knows the place."""
    forward = layer.forward

    def located(x: Any, run: Any, *act: Any) -> Any:
        full = name + "".join(f"+{type(a).__name__}" for a in act)
        before = recorder.place
        recorder.place = replace(before, pass_="forward", layer=full)
        y, back = forward(x, run, *act)
        recorder.place = before

        def located_back(*args: Any) -> Any:
            before = recorder.place
            recorder.place = replace(before, pass_="backward", layer=full)
            dx = back(*args)
            recorder.place = before
            return dx

        return y, located_back

    return located


def _in_phase(method: Callable[..., Any], phase: str, recorder: Recorder) -> Callable[..., Any]:
    def within(*args: Any, **kwargs: Any) -> Any:
        before, recorder.place = recorder.place, Place(phase)
        result = method(*args, **kwargs)
        recorder.place = before
        return result

    return within


def measure(
    backend: Backend, batch: int, width: float = 1.0, seconds: float = SECONDS, subject: Subject = STEP
) -> Profile:
    """Profile a step on a backend: means over as many steps as take about so many seconds, at least 5.

    Steps with and without the profile take turns, so that both see the same machine.
    """
    recorder = Recorder(Place("fakes"), noting=True)
    start = subject.start(batch, width)
    gan = subject.build(width, WatchedBackend(backend, recorder))
    watch(gan, recorder)
    watched, plain = subject.play(start, gan), subject.play(start, subject.build(width, backend))
    for _ in range(WARM_UP):
        recorder.calls.clear()
        watched()
        once = _seconds(plain, backend)
    recorder.noting = False
    steps = max(5, min(500, round(seconds / once)))
    profiled, without = [], []
    for _ in range(steps):
        recorder.position = 0
        profiled.append(_seconds(watched, backend))
        without.append(_seconds(plain, backend))
    rows = _rows(recorder.calls, steps)
    means = float(np.mean(profiled)), float(np.mean(without))
    return Profile(subject.what, backend.name, batch, width, steps, *means, rows)


def _seconds(play: Callable[[], object], backend: Backend) -> float:
    begin = time.perf_counter()
    play()
    backend.synchronize()
    return time.perf_counter() - begin


def _rows(calls: Iterable[_Call], steps: int) -> list[Entry]:
    """Equal calls at one place in one row, in the order in which they first come."""
    groups: dict[tuple[Place, str, str], list[_Call]] = {}
    for call in calls:
        groups.setdefault((call.place, call.operation, call.shape), []).append(call)
    return [
        Entry(place, operation, shape, len(group), sum(c.seconds for c in group) / steps, _sum(c.work for c in group))
        for (place, operation, shape), group in groups.items()
    ]


def _sum(works: Iterable[Work | None]) -> Work | None:
    works = list(works)
    known = [w for w in works if w is not None]
    return work.total(known) if len(known) == len(works) else None


def _shape(operation: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """What an operation works on: m×k×n of a product (of each, if there are several), else its first array."""
    first = args[0] if args else next(iter(kwargs.values()), None)
    if operation.startswith("gemm"):
        products = first if isinstance(first, (list, tuple)) else [args]
        return ", ".join(f"{a.shape[0]}×{a.shape[1]}×{b.shape[1]}" for a, b, *_ in products)
    return "×".join(str(n) for n in getattr(first, "shape", ()))


def table(profile: Profile, width: int | None = None) -> str:
    """The profile as text: every place, then the sums of each operation. width: of the terminal."""
    head = ["phase", "pass", "layer", "operation", "on", "calls", "ms", "of step", "GFLOP/s", "GB/s"]
    rows = [
        [row.place.phase, row.place.pass_, row.place.layer, row.operation, row.shape, *_numbers(row, profile)]
        for row in profile.rows
    ]
    names = dict.fromkeys(row.operation for row in profile.rows)
    sums = [_total(name, [row for row in profile.rows if row.operation == name]) for name in names]
    summary = [[row.operation, *_numbers(row, profile)] for row in sorted(sums, key=lambda row: -row.seconds)]
    rest = ["", f"{1e3 * profile.other:.3f}", f"{100 * profile.other / profile.profiled:.1f} %", "", ""]
    whole = ["", f"{1e3 * profile.profiled:.3f}", "100.0 %", "", ""]
    products = sum(row.seconds for row in sums if row.operation.startswith(("gemm", "conv")))
    sized = f"batch {profile.batch}" + ("" if profile.width == 1 else f", width {profile.width:g}")
    return "\n\n".join([
        f"Profile of one {profile.what}: {profile.backend}, {sized}, mean of {profile.steps} steps",
        console.table(head, rows, (0, 1, 2, 3), width),
        "The same by operation",
        console.table(["operation", "calls", "ms", "of step", "GFLOP/s", "GB/s"],
                      [*summary, ["Python and everything else", *rest], ["the step", *whole]], (0,), width),
        f"Products (GEMM) take {100 * products / profile.profiled:.0f} % of the step.\n"
        f"A step takes {1e3 * profile.profiled:.3f} ms with this profile and {1e3 * profile.plain:.3f} ms without it "
        f"({100 * (profile.profiled / profile.plain - 1):+.0f} %).",
    ])  # fmt: skip


def _total(operation: str, rows: list[Entry]) -> Entry:
    calls, seconds = sum(row.calls for row in rows), sum(row.seconds for row in rows)
    return Entry(Place(), operation, "", calls, seconds, _sum(row.work for row in rows))


def _numbers(row: Entry, profile: Profile) -> list[str]:
    rates = ["–", "–"]
    if row.work is not None and row.seconds > 0:
        rates = [f"{row.work.flops / row.seconds / 1e9:.3g}", f"{row.work.bytes / row.seconds / 1e9:.3g}"]
    return [f"{row.calls}", f"{1e3 * row.seconds:.3f}", f"{100 * row.seconds / profile.profiled:.1f} %", *rates]
