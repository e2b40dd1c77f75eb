"""A measurement as a command asks for it: its flags, what they refuse, and what is printed and written."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from .. import environment
from ..backend import NAMES, Backend, absent, get_backend
from ..console import columns, say
from ..paths import expand
from . import plots, profile, report, tables
from .measure import Guest, Plan, measure
from .step import STEP
from .subject import Subject
from .turns import ANSWER_SECONDS, WORKER, Pace

BATCHES = (32, 128, 512)
PROFILED_BATCH, ROUNDS = 128, 10
SWEEP = tuple((2**n, 1.0) for n in range(3, 13)) + tuple((128, width) for width in (0.25, 0.5, 2.0, 4.0))
BACKENDS = tuple(name for name in NAMES if name != "auto")


class Event(NamedTuple):
    """What `play` plays: subjects, at which batch sizes if none are asked for, beside which guests.

    name: of the folder of results, before that of the processor. worker: the command of a process that knows guests.
    """

    name: str = "bench"
    subjects: Sequence[Subject] = (STEP,)
    batches: Sequence[int] = BATCHES
    guests: Mapping[str, Guest] = MappingProxyType({})
    worker: Sequence[str] = WORKER


def flags(parser: argparse.ArgumentParser, batches: str, name: str) -> None:
    """Those of any measurement. batches, name: the default of batch sizes and folders, for people."""
    names = ", ".join(BACKENDS)
    parser.add_argument("--batch", type=_an_integer, nargs="+", metavar="N",
                        help=f"batch sizes (default: {batches}; {PROFILED_BATCH} with --profile)")  # fmt: skip
    parser.add_argument("--width", type=_number, nargs="+", metavar="W",
                        help="what the hidden sizes are multiplied with (default: 1)")  # fmt: skip
    parser.add_argument("--backend", nargs="+", choices=BACKENDS, metavar="NAME",
                        help=f"of {names} (default: all of float32 that work here; numpy with --profile)")  # fmt: skip
    parser.add_argument("--parts", action=argparse.BooleanOptionalAction,
                        help="time the step's parts as well (default: yes; with --sweep no)")  # fmt: skip
    parser.add_argument(
        "--sweep", action="store_true", default=None, help="batch 8 to 4096, and width 1/4 to 4 at batch 128"
    )
    parser.add_argument("--profile", action="store_true", help="say where the time of a step goes, and nothing else")
    parser.add_argument("--rounds", type=_an_integer, metavar="N", help="turns of each contestant (default: 10)")
    parser.add_argument("--seconds", type=_number, default=2.0, metavar="S",
                        help="for each figure of a step, about; a quarter for a part (default: 2)")  # fmt: skip
    parser.add_argument("--patience", type=_number, default=ANSWER_SECONDS, metavar="S",
                        help="how long a contestant may take to compile, or for some steps (default: 300)")  # fmt: skip
    parser.add_argument("--out", metavar="DIR", help=f"where results go (default: runs/{name}-PROCESSOR)")


def play(args: argparse.Namespace, event: Event) -> int:
    """Measure, print and write what these arguments, which have been checked, ask for."""
    first, one_kind = event.subjects[0], len(event.subjects) == 1
    batches = args.batch or ([PROFILED_BATCH] if args.profile else event.batches)
    grid = SWEEP if args.sweep else tuple(dict.fromkeys((b, w) for w in args.width or [1.0] for b in batches))
    if args.profile:
        for name in args.backend or ["numpy"]:
            for batch, width in grid:
                seen = profile.measure(get_backend(name), batch, width, args.seconds, first)
                say(profile.table(seen, columns()))
        return 0
    folder = _folder(args.out, event.name)
    no_plots = plots.unavailable()  # asked now, not after minutes of measuring
    parts = (first is STEP and not args.sweep) if args.parts is None else args.parts
    pace = Pace(args.rounds or ROUNDS, args.seconds)
    plan = Plan(grid, parts, pace, event.subjects, event.guests, event.worker, args.patience)
    results = folder / "bench.json"
    found = measure(_present(args.backend), plan, _progress, partial(report.save, results))
    say(tables.text(found, columns(), first.title))
    report.save(results, found)
    written = [results]
    if one_kind and no_plots is None:
        written += plots.draw(found, folder, first.what)
    elif one_kind:
        say(f"\nno plots: {no_plots}")
    say(f"\nwritten: {', '.join(map(str, written))}")
    return 1 if found.wrong else 0


def check(args: argparse.Namespace) -> None:
    """Refuse what cannot be measured. Raises ValueError with a sentence."""
    for batch in args.batch or ():
        if batch < 2:
            raise ValueError(f"--batch takes whole numbers of 2 or more (batchnorm needs two samples), got {batch}")
    for width in args.width or ():
        if not 0 < width <= 64:
            raise ValueError(f"--width takes numbers above 0, up to 64, got {width:g}")
    if args.sweep and (args.batch or args.width):
        raise ValueError("--sweep has batch sizes and widths of its own; leave out --batch and --width")
    if args.profile:
        for flag in ("sweep", "against", "parts", "rounds", "out"):
            if getattr(args, flag, None) is not None:
                raise ValueError(f"--profile looks into one step and prints what it sees; leave out --{flag}")
    if args.rounds is not None and args.rounds < 1:
        raise ValueError(f"--rounds takes a whole number of 1 or more, got {args.rounds}")
    for name in ("seconds", "patience"):
        if not 0 < getattr(args, name) <= 3600:
            raise ValueError(f"--{name} takes a number above 0, up to 3600, got {getattr(args, name):g}")


def _folder(out: str | None, name: str) -> Path:
    """Where the results go, made before anything is measured.

    Raises ValueError if it is a file, FileNotFoundError if there is no folder to make it in.
    """
    folder = Path(expand(out) if out else f"runs/{name}-{environment.slug(environment.facts())}")
    if out is not None and not folder.absolute().parent.is_dir():
        raise FileNotFoundError(f"there is no folder {folder.parent} to make {folder.name} in; create it first")
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"--out takes a folder, but {folder} is a file")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _present(names: list[str] | None) -> dict[str, Backend]:
    """The backends asked for, or all that work here; those that do not are named in one line each."""
    if names is not None:
        return {name: get_backend(name) for name in names}
    missing = absent()
    for name, reason in missing.items():
        _progress(f"no GPU, only the CPU's columns: {reason}" if name == "cupy" else f"without {name}: {reason}")
    fair = (name for name in BACKENDS if not name.endswith(("tf32", "bf16")))  # all compute in float32
    return {name: get_backend(name) for name in fair if name.partition("-")[0] not in missing}


def _progress(line: str) -> None:
    say(line, to="stderr")


def words(numbers: Sequence[int]) -> str:
    """Numbers as they are typed."""
    return " ".join(map(str, numbers))


def _number(text: str, kind: type[float] = float) -> float:
    try:
        number = kind(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"expected a {'whole ' if kind is int else ''}number, got {text!r}")
    return number


def _an_integer(text: str) -> float:
    return _number(text, int)
