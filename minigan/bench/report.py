"""The results of a measurement, as JSON and back.

A file is checked when it is read: numbers that are no numbers, quartiles out of order or fields that nobody knows
end in a sentence, not in a wrong table.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import Any, get_args, get_origin, get_type_hints

from ..archive import write_atomically
from . import peak
from .ceilings import Ceilings
from .parts import PARTS
from .peak import Peak
from .statistics import Timing
from .subject import precision
from .work import Work

SCHEMA = 1


@dataclass(frozen=True)
class Figure:
    """One measured time.

    subject: the name of what was played, "step" say, or a part of it (`PARTS`). who: a backend of minigan or somebody
    else. device: "cpu" or "gpu".
    """

    subject: str
    who: str
    device: str
    batch: int
    width: float
    work: Work
    timing: Timing

    @property
    def name(self) -> str:
        """For messages."""
        width = "" if self.width == 1 else f", width {self.width:g}"
        return f"{self.subject} of {self.who} on the {self.device.upper()} at batch {self.batch}{width}"


@dataclass(frozen=True)
class Report:
    """Everything that one run of `minigan bench` has found out.

    when: date and time, UTC. environment: the machine by name of the fact. ceilings: by device. peaks: by device, and
    of lower precisions as "gpu, tf32". about: versions and threads of each contestant. absent: who was asked for and
    could not be measured, and why. wrong: whose results differ from the reference's, so that they were not timed.
    """

    schema: int
    when: str
    environment: dict[str, str]
    peaks: dict[str, Peak]
    ceilings: dict[str, Ceilings]
    about: dict[str, str] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)
    figures: list[Figure] = field(default_factory=list)

    def add(self, figure: Figure) -> None:
        """Take a figure in. Raises RuntimeError if it is above the hardware's peak."""
        peak.check(figure.name, figure.work, figure.timing.low, self.peak_of(figure))
        self.figures.append(figure)

    def peak_of(self, figure: Figure) -> Peak:
        """What the hardware cannot exceed, in the precision of the figure's products."""
        return self.peaks.get(f"{figure.device}, {precision(figure.who)}", self.peaks[figure.device])

    def steps(self) -> list[Figure]:
        """The figures of whole steps."""
        return [f for f in self.figures if f.subject not in PARTS]

    def parts(self) -> list[Figure]:
        """The figures of parts."""
        return [f for f in self.figures if f.subject in PARTS]


def save(path: str | os.PathLike[str], report: Report) -> None:
    """Write a report as JSON; the file appears whole or not at all."""
    with write_atomically(path) as file:
        file.write((json.dumps(asdict(report), indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode())


def load(path: str | os.PathLike[str]) -> Report:
    """The inverse of `save`.

    Raises FileNotFoundError where there is no file, ValueError for one that is damaged, of another version, or whose
    figures contradict themselves or the hardware.
    """
    where = os.fspath(path)
    if not os.path.isfile(where):
        raise FileNotFoundError(f"there is no file {where}; minigan bench writes one")
    try:
        with open(where, encoding="utf-8") as file:
            data = json.load(file)
        if not isinstance(data, dict) or data.get("schema") != SCHEMA:
            found = data.get("schema") if isinstance(data, dict) else None
            raise ValueError(f"its schema is {found!r}, this version reads {SCHEMA}")
        report: Report = _read(Report, data, "report")
        for problem in _contradictions(report):
            raise ValueError(problem)
    except (ValueError, RecursionError) as error:  # bad UTF-8 and bad JSON are ValueErrors too
        raise ValueError(f"{where} is no report of minigan bench: {error}") from None
    return report


def _read(kind: Any, data: Any, where: str) -> Any:
    """`data` from JSON as the type `kind`: a dataclass, a container, a number or text."""
    if is_dataclass(kind):
        if not isinstance(data, dict):
            raise ValueError(f"{where} is {_shown(data)}, expected an object")
        hints = get_type_hints(kind)
        names = {f.name for f in fields(kind)}
        if names != data.keys():
            differing = ", ".join(sorted(names ^ data.keys()))
            raise ValueError(f"{where} has too many or too few fields: {differing}")
        return kind(**{name: _read(hints[name], data[name], f"{where}.{name}") for name in data})  # type: ignore[operator]
    origin, inner = get_origin(kind), get_args(kind)
    if origin is dict and isinstance(data, dict):
        return {key: _read(inner[1], value, f"{where}[{key!r}]") for key, value in data.items()}
    if origin is list and isinstance(data, list):
        return [_read(inner[0], value, f"{where}[{i}]") for i, value in enumerate(data)]
    if origin is tuple and isinstance(data, list):
        kinds = [inner[0]] * len(data) if inner[-1] is Ellipsis else list(inner)
        if len(kinds) == len(data):
            return tuple(_read(k, value, f"{where}[{i}]") for i, (k, value) in enumerate(zip(kinds, data, strict=True)))
    if kind is str and isinstance(data, str):
        return data
    if kind in (int, float) and isinstance(data, (int, kind)) and not isinstance(data, bool) and math.isfinite(data):
        return kind(data)
    raise ValueError(f"{where} is {_shown(data)}, expected {getattr(kind, '__name__', kind)}")


def _shown(data: Any) -> str:
    text = repr(data)
    return text if len(text) <= 40 else text[:37] + "..."


def _contradictions(report: Report) -> Iterator[str]:
    """What cannot be true although every field has its type."""
    for device, ceilings in report.ceilings.items():
        rates = [ceilings.gemm, *(value for copy in ceilings.copies for value in copy)]
        if len(rates) == 1 or min(rates) <= 0:
            yield f"the ceilings of the {device} must be positive, and at least one of them a copy"
    for figure in report.figures:
        timing = figure.timing
        if figure.device not in report.peaks or figure.device not in report.ceilings:
            yield f"{figure.name} has no peak or ceiling"
        if figure.batch < 1 or figure.width <= 0 or min(figure.work.gemm_flops, figure.work.bytes) < 0:
            yield f"{figure.name} has an impossible size"
        if not 0 < timing.low <= timing.median <= timing.high or timing.samples < 1:
            yield f"{figure.name} has quartiles out of order: {timing.low}, {timing.median}, {timing.high}"
        try:
            peak.check(figure.name, figure.work, timing.low, report.peak_of(figure))
        except RuntimeError as error:
            yield str(error)
