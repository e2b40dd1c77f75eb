"""Many runs side by side, and what `minigan evaluate` says of them, as rows of a table; kept as they come.

What few_labels.py, autoencoders.py, translation.py, words.py, refinement.py, features.py and projection.py share. They
are played by `minigan.sweeps`: a run that is finished is not made again, and one that was stopped is resumed, so that a
benchmark can be stopped and called again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from record import record

from minigan import cli, sweeps
from minigan.commands.train import taken_apart
from minigan.runs.config import Config

RESULTS = Path(__file__).resolve().parent / "results"
JUDGED = "evaluation.json"  # in the folder of a run
WRITING = threading.Lock()
Row = dict[str, Any]


def played(
    folder: Path, recipe: str, options: Sequence[str], args: argparse.Namespace, n: int = 1000
) -> tuple[Row, Row]:
    """What is known of a run, which is made if there is none, and what `minigan evaluate --n` says of it."""
    words = ["train", recipe, *options, "--data", args.data, "--backend", args.backend]
    words += ["--steps", str(args.steps)] if args.steps else []
    given, of_the_recipe = taken_apart(cli.parser_for(words, ["train"])[0].parse_args(words))
    run = sweeps.played(folder, {**given, "options": of_the_recipe}, JUDGED, {"data": args.data, "n": n})
    if run.outcome != sweeps.FINISHED:
        raise RuntimeError(f"{folder.name} {run.outcome}: {run.said}")
    steps = Config.read(folder / "config.json").steps
    if (asked := given.get("steps", steps)) != steps:
        raise RuntimeError(f"{folder} ended after {steps:,} steps, and {asked:,} were asked for; give another --out")
    about = {"data": Path(args.data).name, "steps": steps, "seconds": round(run.seconds or 0)}  # 0: not known
    return about, json.loads((folder / JUDGED).read_text("utf-8"))


def minutes(rows: Sequence[Row]) -> str:
    """How long runs took: the median of those that are known, since a run may have waited for others of the machine."""
    known = [row["seconds"] / 60 for row in rows if row["seconds"]]
    return f"{statistics.median(known):.0f}" if known else "–"


def minigan(*words: str) -> None:
    """A command of minigan, with one thread."""
    sweeps.call(command, words)


def command(words: Sequence[str]) -> None:
    """The same, in this process."""
    if code := cli.main(words):
        sys.exit(code)


def keep(file: str, row: Row, number: str, rows: Sequence[str], table: Callable[[list[Row]], str], about: Row) -> None:
    """Write a row among those of earlier calls, in the order of `rows` and numbers, and print the table."""
    path = RESULTS / file
    with WRITING:
        old = json.loads(path.read_text("utf-8"))["runs"] if path.exists() else []
        key = ("data", "on", "row", number)  # on: what it was judged on, where that may be something else
        others = [other for other in old if [other.get(k) for k in key] != [row.get(k) for k in key]]
        runs = sorted(
            [*others, row],
            key=lambda r: (r["data"] != "mnist", r["data"], rows.index(r["row"]), r[number], r.get("on", "")),
        )
        record(path, about | {"table": table(runs), "runs": runs})
        print(table(runs), flush=True)


def main(
    about: str,
    file: str,
    number: str,
    rows: Mapping[str, int],
    figures: Callable[[str, int, argparse.Namespace], Row],
    table: Callable[[list[Row]], str],
    note: str,
    of_data: Callable[[str], Iterable[str]] | None = None,
    more: Callable[[argparse.ArgumentParser], None] | None = None,
) -> None:
    """The program of such a benchmark.

    about: its description. file: of its results. number: what tells the runs of a row from one another. rows: how many
    runs a table has of each. figures: of one run; table: of all; note: beneath it. of_data: those of the rows that some
    data have, by what is given as --data; all by default. more: adds what only this one takes.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    listed = f"of {', '.join(rows)}; default: all"
    parser.add_argument("rows", nargs="*", metavar="ROW", help=listed)
    parser.add_argument("--data", required=True, help="as for minigan train")
    parser.add_argument("--out", required=True, type=Path, help="folder for the runs")
    parser.add_argument(f"--{number}s", dest="numbers", type=int, nargs="+", help="default: those of the table")
    parser.add_argument("--steps", type=int, help="default: those of the recipe")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--backend", default="auto")
    if more is not None:
        more(parser)
    args = parser.parse_args()
    known = list(rows if of_data is None else of_data(args.data))
    if unknown := set(args.rows) - set(known):
        parser.error(f"there is no row {', '.join(sorted(unknown))}")
    args.out.mkdir(parents=True, exist_ok=True)

    def one(asked: tuple[str, int]) -> None:
        row, n = asked
        keep(file, figures(row, n, args), number, list(rows), table, {"backend": args.backend, "note": note})

    asked = [(row, n) for row in args.rows or known for n in args.numbers or range(1, rows[row] + 1)]
    for _ in sweeps.side_by_side(one, asked, args.processes):
        pass  # the first that fails ends it
