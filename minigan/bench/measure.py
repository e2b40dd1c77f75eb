"""The whole measurement: who is here, what the machine can do, the step, and its parts."""

from __future__ import annotations

import datetime
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from .. import environment
from ..backend import Backend
from . import tables
from .ceilings import Ceilings
from .parts import PARTS, part_work
from .peak import Peak, cpu_features, cpu_peak, gpu_peak, highest_clock
from .report import SCHEMA, Figure, Report
from .statistics import summarise
from .step import STEP
from .subject import TOLERANCES, Subject, precision, save_start
from .turns import ANSWER_SECONDS, WORKER, Pace, WorkerError, WorkerProcess, processes, take_turns
from .work import Work

TINY = (4, 0.1)  # batch and width of the step that everyone begins with
Contestant = tuple[str, str]  # name, device
Workers = dict[Contestant, WorkerProcess]
Say = Callable[[str], None]


class Guest(NamedTuple):
    """Somebody else's library beside minigan's backends.

    devices: on which it plays, where one of the backends computes there. parts: of the step, in which it is measured
    as well. wakes: whether it begins with everyone; not if that would be half a minute more, whatever the size.
    """

    devices: tuple[str, ...] = ("cpu", "gpu")
    parts: tuple[str, ...] = ()
    wakes: bool = True


@dataclass(frozen=True)
class Plan:
    """What to measure: the step at each (batch, width) of `grid`, and its parts if `parts`, at this pace.

    subjects: what a step is; only `STEP` has parts. guests: by name. worker: the command of a process that knows them.
    patience: seconds for an answer, after which a contestant is out.
    """

    grid: Sequence[tuple[int, float]]
    parts: bool = True
    pace: Pace = field(default_factory=Pace)
    subjects: Sequence[Subject] = (STEP,)
    guests: Mapping[str, Guest] = field(default_factory=dict)
    worker: Sequence[str] = WORKER
    patience: float = ANSWER_SECONDS


def measure(
    backends: Mapping[str, Backend],
    plan: Plan,
    progress: Say = lambda line: None,
    keep: Callable[[Report], object] = lambda report: None,
) -> Report:
    """Run a plan on these backends (at least one), which are present.

    progress: gets a line now and then, each time of a step as soon as it is known, and whatever a contestant says on
    standard error. keep: gets what is known after each step and part at each size, for whoever may be stopped before
    the end. Raises RuntimeError for a figure above the hardware's peak, or if nothing at all could be measured.
    """
    ours = [(name, environment.device(backend)) for name, backend in backends.items()]
    devices = list(dict.fromkeys(device for _, device in ours))
    theirs = [(name, device) for device in devices for name, guest in plan.guests.items() if device in guest.devices]
    report = Report(
        SCHEMA,
        datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M"),
        environment.facts(),
        {},
        {},
    )
    contestants = sorted([*ours, *theirs], key=lambda contestant: devices.index(contestant[1]))
    for device in devices:
        report.peaks.update(_peaks(device, backends, [name for name, where in contestants if where == device]))
    with processes(contestants, plan.worker, plan.patience) as workers, tempfile.TemporaryDirectory() as folder:
        first = {device: next(workers[c] for c in ours if c[1] == device) for device in devices}
        for device in devices:
            progress(f"ceilings of the {device.upper()}: products and copies")
            report.ceilings[device] = _ceilings(first[device], plan.pace)
        steps: Workers = dict(workers)
        start_file = os.path.join(folder, "start.npz")
        early = {c: worker for c, worker in steps.items() if c in ours or plan.guests[c[0]].wakes}
        _wake(report, steps, early, plan.subjects[0], start_file, progress)
        for batch, width in plan.grid:
            for subject in plan.subjects:
                progress(f"the {subject.name} at batch {batch}, width {width:g}: {', '.join(_label(c) for c in steps)}")
                _steps(report, steps, subject, batch, width, plan.pace, start_file, progress)
                keep(report)
        if not report.steps():
            reasons = "; ".join({**report.absent, **report.wrong}.values())
            raise RuntimeError(f"no {plan.subjects[0].name} could be measured: {reasons}")
        if plan.parts:
            for batch, width in plan.grid:
                progress(f"its parts at batch {batch}, width {width:g}")
                for part in PARTS:
                    who = [c for c in contestants if c in steps and (c in ours or part in plan.guests[c[0]].parts)]
                    _part(report, {c: workers[c] for c in who}, part, batch, width, plan.pace, progress)
                    keep(report)
        for device in devices:  # once more, minutes later: nothing disturbs a machine all the time
            with suppress(WorkerError):  # it died since, and its figures are reported as absent
                report.ceilings[device] = report.ceilings[device].best(_ceilings(first[device], plan.pace))
    return report


def _ceilings(worker: WorkerProcess, pace: Pace) -> Ceilings:
    answer = worker.ask(do="ceilings", seconds=min(0.1, pace.seconds / 10))
    copies = tuple((int(size), float(rate)) for size, rate in answer["copies"])
    return Ceilings(float(answer["gemm"]), copies)


def _peaks(device: str, backends: Mapping[str, Backend], names: Iterable[str]) -> dict[str, Peak]:
    """The peak of a device, and those of the lower precisions that these contestants on it compute in."""
    if device == "cpu":
        features, clock = cpu_features(), highest_clock()
        return {device: cpu_peak(environment.usable_cores(), features, clock)}
    there = next(backend for backend in backends.values() if environment.device(backend) == "gpu")
    properties = environment.gpu_properties(there)[0]
    lower = dict.fromkeys(p for p in map(precision, names) if p != "fp32")
    return {device: gpu_peak(properties), **{f"{device}, {p}": gpu_peak(properties, [p]) for p in lower}}


def _label(contestant: Contestant) -> str:
    name, device = contestant
    return name if device == "cpu" else f"{name} ({device.upper()})"


def _wake(report: Report, workers: Workers, early: Workers, subject: Subject, start_file: str, progress: Say) -> None:
    """All at once play a tiny step, so that libraries are imported and devices set up; who dies is noted and removed.

    early: those of `workers` that do. The steps that are timed are prepared one after the other: cuDNN and XLA choose
    what to use by timing it.
    """
    progress(f"everyone begins: {', '.join(map(_label, workers))}")
    save_start(start_file, subject.start(*TINY))
    for worker in early.values():
        worker.tell(do="step", start=start_file)
    for contestant, worker in early.items():
        try:
            worker.hear()
        except WorkerError as error:
            if worker.over:  # who merely refuses is asked again
                report.absent[_label(contestant)] = str(error)
                workers.pop(contestant)
                progress(f"  {_label(contestant)}: {error}")
        _pass_on(contestant, worker, progress)


def _steps(
    report: Report,
    workers: Workers,
    subject: Subject,
    batch: int,
    width: float,
    pace: Pace,
    start_file: str,
    progress: Say,
) -> None:
    """The step of everyone at one size; who fails is noted and removed from `workers`."""
    invited, known = list(workers), len(report.figures)
    start = subject.start(batch, width)
    save_start(start_file, start)
    expected = subject.expected(start)
    for contestant, worker in list(workers.items()):
        try:
            answer = worker.ask(do="step", start=start_file)
            allowed = TOLERANCES[precision(contestant[0])]
            subject.check(_label(contestant), answer["losses"], expected, allowed)
            report.about[_label(contestant)] = answer["about"]
        except WorkerError as error:
            report.absent[_label(contestant)] = str(error)
            workers.pop(contestant)
        except ArithmeticError as error:
            report.wrong[_label(contestant)] = str(error)
            workers.pop(contestant)
        _pass_on(contestant, worker, progress)
    work = subject.work(batch, width)
    for contestant, reason in _turns(report, workers, subject.name, batch, width, work, pace, progress).items():
        report.absent[_label(contestant)] = reason
        workers.pop(contestant)
    times = {(figure.who, figure.device): figure for figure in report.figures[known:]}
    reasons = {**report.absent, **report.wrong}
    for contestant in invited:
        figure, label = times.get(contestant), _label(contestant)
        progress(f"  {label}: {tables.brief(figure, next(iter(times.values()))) if figure else reasons[label]}")


def _part(report: Report, workers: Workers, part: str, batch: int, width: float, pace: Pace, progress: Say) -> None:
    """One part on every backend at one size; a backend that fails at it is noted."""
    ready: Workers = {}
    for contestant, worker in workers.items():
        try:
            worker.ask(do="part", part=part, batch=batch, width=width)
            ready[contestant] = worker
        except WorkerError as error:
            (report.wrong if error.wrong else report.absent)[f"{_label(contestant)}, {part}"] = str(error)
    brief = pace._replace(seconds=pace.seconds / 4)  # there are many of them, and they are shorter than a step
    work = part_work(part, batch, width)
    for contestant, reason in _turns(report, ready, part, batch, width, work, brief, progress).items():
        report.absent[f"{_label(contestant)}, {part}"] = reason


def _turns(
    report: Report, workers: Workers, subject: str, batch: int, width: float, work: Work, pace: Pace, progress: Say
) -> dict[Contestant, str]:
    """Time what the workers have prepared, add the figures, return the reasons of those that failed."""
    seconds, failures = take_turns(workers, pace)
    for (name, device), times in seconds.items():
        report.add(Figure(subject, name, device, batch, width, work, summarise(times)))
    for contestant, worker in workers.items():
        _pass_on(contestant, worker, progress)
    return failures


def _pass_on(contestant: Contestant, worker: WorkerProcess, progress: Say) -> None:
    """What a contestant has said on standard error, a warning say, in one line."""
    if said := worker.said():
        progress(f"{_label(contestant)} says: {said}")
