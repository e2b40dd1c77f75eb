"""Many small games: seeds and settings side by side on a machine's cores, one table, one picture.

plan.py        which runs there are, and what their folders are called
played.py      one of them: begun, resumed or left as it is
processes.py   so many calls at a time, each a process with one thread
report.py      medians and intervals over the seeds
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from .. import environment
from ..evaluation.evaluator import K
from ..paths import StrPath, expand
from ..runs import pictures
from ..runs.config import FILE
from ..runs.interrupt import StopRequest
from ..runs.lines import MetricsTable
from ..runs.lock import LOCK_FILE, FolderLock
from ..spec import integer
from ..training import prepare, rehearse
from .outcome import FINISHED, Played, played
from .picture import plot_sweep
from .plan import Plan, SweepRun, differences, named, read_description
from .processes import Died, call, side_by_side
from .progress import SweepProgress
from .ranks import HandOut, handing_out
from .report import Row, SweepReport, row_of

__all__ = ["FINISHED", "Died", "Played", "SweepReport", "call", "played", "side_by_side", "sweep"]

REPORT, PICTURE = "sweep.json", "sweep.png"


def sweep(
    recipe: str,
    data: StrPath = "digits",
    *,
    out: StrPath,
    seeds: Iterable[int],
    vary: Mapping[str, Sequence[Any]] | None = None,
    options: Mapping[str, Any] | None = None,
    processes: int | None = None,
    evaluate: int | None = None,
    quiet: bool = False,
    **shared: Any,
) -> SweepReport | None:
    """Play every setting with every seed, and return the table of all; None on the ranks of MPI that only play.

    out: the folder, with a run folder for each in it, `sweep.json` and `sweep.png`; new, empty, or that of the same
    sweep, which goes on then. seeds: of the runs; to those of an earlier call more may be added. vary: values of
    options of the recipe, or of steps, batch, d_pretrain and dtype, by name; every combination is a setting. options:
    those that all runs share; shared: likewise, other arguments of `minigan.train`. processes: runs side by side, each
    with one thread; by default as many as this process may use cores. evaluate: samples of each run to be judged as
    `minigan.evaluate` does, if any.

    Everything is checked before anything is written, and one step of every setting is played. A run that diverges, or
    whose process dies, is a row of the table; the same call goes on with the latter. Raises as `minigan.train` does,
    ValueError for a folder of another sweep, RuntimeError for one in use, and KeyboardInterrupt after Ctrl-C, when all
    runs are saved.
    """
    pictures.require()
    if "seed" in shared:
        raise TypeError("sweep takes seeds, for each a run, and no seed")
    plan = Plan(recipe, data, shared, options or {}, vary or {}, tuple(seeds))
    if processes is not None and (type(processes) is not int or processes < 1):
        raise ValueError(f"processes takes a whole number from 1, got {processes!r}")
    if evaluate is not None:
        integer("evaluate", evaluate, least=K + 1)
    with handing_out(processes) as hand_out:
        return None if hand_out is None else _sweep(plan, Path(expand(out)), hand_out, evaluate, quiet)


def _sweep(plan: Plan, folder: Path, hand_out: HandOut, evaluate: int | None, quiet: bool) -> SweepReport:
    runs = list(plan.runs())
    config, game, dataset = prepare(**plan.arguments(runs[0].setting, runs[0].seed))
    about = plan.description(config)
    _require_same(folder, about)
    begun = {run.name for run in runs if (folder / run.name / FILE).exists()}
    for setting in plan.settings():
        if any(run.setting == setting and run.name not in begun for run in runs):
            try:
                if setting != runs[0].setting:
                    config, game, dataset = prepare(**plan.arguments(setting, runs[0].seed))
                rehearse(game, dataset, config.batch)
            except ValueError as error:
                raise ValueError(f"{named(setting)}: {error}" if setting else str(error)) from error
    headline = game.headline
    del game, dataset
    folder.mkdir(parents=True, exist_ok=True)
    lock = FolderLock(folder)
    try:
        return _play(plan, runs, folder, about, headline, hand_out, evaluate, quiet)
    finally:
        lock.release()


def _play(
    plan: Plan, runs: list[SweepRun], folder: Path, about: dict[str, Any], headline: Mapping[str, str],
    hand_out: HandOut, evaluate: int | None, quiet: bool,
) -> SweepReport:  # fmt: skip
    judging = None
    if evaluate is not None:
        judging = {"data": plan.data, "n": evaluate, "backend": plan.shared.get("backend", "auto")}
    work = partial(_one, plan, folder, judging)
    rows: dict[str, Row] = {}
    facts = environment.facts()

    def report() -> SweepReport:
        found = [rows[run.name] for run in runs if run.name in rows]
        return SweepReport(about, headline, plan.settings(), found, evaluate, facts)

    report().save(folder / REPORT)
    with (
        StopRequest() as stop,
        SweepProgress(len(runs), quiet) as progress,
        closing(hand_out(work, runs, stop=stop)) as ended,
    ):
        for row in ended:
            rows[row.name] = row
            progress.update(row)
            report().save(folder / REPORT)
    found = report()
    tables = {named(setting) or plan.recipe: [MetricsTable(folder / row.name / "metrics.csv").read()
                                              for row in found.of(setting) if row.played.outcome == FINISHED]
              for setting in plan.settings()}  # fmt: skip
    plot_sweep(folder / PICTURE, tables, headline)
    if stop.requested:
        over = sum(row.played.over for row in found.rows)
        raise KeyboardInterrupt(
            f"stopped: {over} of {len(runs)} runs in {folder} are over, the others are saved; the same command goes on"
        )
    return found


def _one(plan: Plan, folder: Path, judging: Mapping[str, Any] | None, run: SweepRun) -> Row:
    judged = f"evaluation-{judging['n']}.json" if judging else None
    own = folder / run.name
    return row_of(run, own, played(own, plan.arguments(run.setting, run.seed), judged, judging), judged)


def _require_same(folder: Path, about: Mapping[str, Any]) -> None:
    """Raises ValueError unless the folder is new, empty, or that of this very sweep."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file, but a sweep needs a folder of its own; choose another --out")
    if (folder / REPORT).is_file():
        if found := differences(read_description(folder / REPORT), about):
            raise ValueError(
                f"{folder} holds another sweep: {'; '.join(found)}; call it as it was, or choose another --out"
            )
    elif folder.exists() and set(os.listdir(folder)) - {LOCK_FILE}:
        raise ValueError(f"{folder} is not empty, and holds no sweep; choose another --out")
