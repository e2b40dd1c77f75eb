"""What a sweep has found: a row for each setting, with medians and intervals over its seeds, and one for each run."""

from __future__ import annotations

import json
import math
import re
import statistics
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .. import console
from ..files import StrPath, write_atomically
from ..metrics import mean_interval
from ..runs.lines import MetricsTable
from .outcome import DIVERGED, FINISHED, Played
from .plan import Setting, SweepRun, written

__all__ = ["Row", "SweepReport", "row_of"]

_LAST = 10  # the end of a run is its last tenth, one part in so many
_COUNTS = ("n", "seed", "labels", "split")  # of an evaluation, which are no figures of the samples
_SHOWN = ("frechet", "precision", "recall")  # of the samples; the rest is in the file
_NAMES = {"frechet": "Fréchet", "minutes": "minutes"}


@dataclass(frozen=True)
class Row:
    """What is known of a run. metrics: means over its last tenth; judged: what `minigan evaluate` says, in figures.

    shown: which of the latter a table has room for.
    """

    name: str
    setting: Setting
    seed: int
    played: Played
    metrics: dict[str, float] = field(default_factory=dict)
    judged: dict[str, float] = field(default_factory=dict)
    shown: tuple[str, ...] = ()

    @property
    def figures(self) -> dict[str, float]:
        minutes = {} if self.played.seconds is None else {"minutes": self.played.seconds / 60}
        return {**minutes, **self.metrics, **self.judged}

    def plain(self) -> dict[str, Any]:
        about = {"name": self.name, "setting": self.setting, "seed": self.seed, "outcome": self.played.outcome}
        said = {"said": without_paths(self.played.said)} if self.played.said else {}
        return {**about, **said, "seconds": self.played.seconds, "metrics": self.metrics, "evaluation": self.judged}


def row_of(run: SweepRun, folder: Path, played: Played, judged: str | None) -> Row:
    """What the folder of a run has to say. judged: the file in it with its evaluation."""
    if played.outcome != FINISHED:
        return Row(run.name, run.setting, run.seed, played)
    table = MetricsTable(folder / "metrics.csv").read()
    ends = {name: column[-max(1, len(column) // _LAST) :] for name, column in table.items() if name != "step"}
    metrics = {name: float(np.mean(column)) for name, column in ends.items() if len(column)}
    found: dict[str, float] = {}
    shown: tuple[str, ...] = ()
    if judged is not None:
        found, shown = figures_of(json.loads((folder / judged).read_text("utf-8")))
    return Row(run.name, run.setting, run.seed, played, metrics, found, shown)


def figures_of(report: Mapping[str, Any]) -> tuple[dict[str, float], tuple[str, ...]]:
    """The figures of a report of `minigan evaluate` about one run, and which of them a table has room for."""
    found: dict[str, float] = {}
    shown: list[str] = []
    name = report["rows"][-1]["name"]
    for part, rows in report.items():
        own = [row for row in rows if row["name"] == name] if _are_rows(rows) else []
        for figure, value in own[-1].items() if own else ():
            if figure not in _COUNTS and type(value) in (int, float) and math.isfinite(value) and figure not in found:
                found[figure] = value
                if part != "rows" or figure in _SHOWN:
                    shown.append(figure)
    return found, tuple(shown)


def _are_rows(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(row, dict) and "name" in row for row in value)


@dataclass(frozen=True)
class SweepReport:
    """about: the description of the sweep. headline: metrics in the table, and what they are called there. settings:
    in their order. n: samples of each run that were judged, if they were. facts: about the machine."""

    about: Mapping[str, Any]
    headline: Mapping[str, str]
    settings: Sequence[Setting]
    rows: Sequence[Row]
    n: int | None
    facts: Mapping[str, str]

    def of(self, setting: Setting) -> list[Row]:
        return [row for row in self.rows if row.setting == setting]

    @property
    def not_over(self) -> list[Row]:
        """Runs that the same command goes on with."""
        return [row for row in self.rows if not row.played.over]

    def figures(self, setting: Setting) -> dict[str, dict[str, float | int | None]]:
        """Median, mean and half the width of its interval, by figure, over the runs of a setting that are finished."""
        finished = [row.figures for row in self.of(setting) if row.played.outcome == FINISHED]
        found = {}
        for name in dict.fromkeys(name for figures in finished for name in figures):
            values = [figures[name] for figures in finished if name in figures]
            mean, half, n = mean_interval(values)
            found[name] = {"median": statistics.median(values), "mean": mean, "half": half, "n": n}
        return found

    def text(self, width: int | None = None) -> str:
        """A table in Markdown, and what to know about it. width: of the terminal."""
        shown = list(dict.fromkeys(name for row in self.rows for name in row.shown))
        columns = {"minutes": "minutes", **self.headline, **{name: _NAMES.get(name, name) for name in shown}}
        varied = list(self.settings[0])
        cells = []
        for setting in self.settings:
            figures = self.figures(setting)
            cells.append([*(written(setting[name]) for name in varied), self._seeds(setting)])
            cells[-1] += [_cell(figures.get(name)) for name in columns]
        head = [*(name.replace("_", "-") for name in varied), "seeds", *columns.values()]
        notes = [textwrap.fill(note, min(width or 100, 100), subsequent_indent="  ") for note in self.notes()]
        return "\n\n".join([console.table(head, cells, range(len(varied)), width), "\n".join(notes)])

    def notes(self) -> list[str]:
        notes = [
            "Medians over the seeds; in brackets the 95 % interval of the mean. Metrics are those of the last tenth of "
            "the steps; minutes those of a run with one thread, beside others."
        ]
        if self.n is not None:
            notes.append(f"{self.n:,} samples of each run were judged, as `minigan evaluate` does.")
        notes += [f"{row.name} {row.played.outcome}: {row.played.said}" for row in self.rows if row.played.said]
        return notes

    def save(self, path: StrPath) -> None:
        """Write everything as JSON, with no word about where it lies."""
        table = [{"setting": setting, "seeds": self._seeds(setting), "figures": self.figures(setting)}
                 for setting in self.settings]  # fmt: skip
        found = {"sweep": self.about, "judged": self.n, "environment": self.facts, "table": table,
                 "runs": [row.plain() for row in self.rows]}  # fmt: skip
        with write_atomically(path) as file:
            file.write(json.dumps(found, indent=1, allow_nan=False).encode() + b"\n")

    def _seeds(self, setting: Setting) -> str:
        rows = self.of(setting)
        finished = sum(row.played.outcome == FINISHED for row in rows)
        diverged = sum(row.played.outcome == DIVERGED for row in rows)
        return f"{finished}" + (f" of {len(rows)}" if finished < len(rows) else "") + (
            f", {diverged} diverged" if diverged else "")  # fmt: skip


def _cell(figure: Mapping[str, Any] | None) -> str:
    if figure is None:
        return "–"
    if figure["half"] is None:
        return f"{figure['median']:.3f}"
    low, high = figure["mean"] - figure["half"], figure["mean"] + figure["half"]
    return f"{figure['median']:.3f} ({low:.3f} to {high:.3f})"


def without_paths(text: str) -> str:
    """A sentence with the names of files alone, for a file that others will read.

    >>> without_paths("the checkpoint in /home/ada/lr=1,seed=2 stands at step 3")
    'the checkpoint in lr=1,seed=2 stands at step 3'
    """
    return re.sub(r"(?<!\w)(?:[A-Za-z]:|~)?[/\\](?:[^\s/\\]+[/\\])*(?=[^\s/\\])", "", text)
