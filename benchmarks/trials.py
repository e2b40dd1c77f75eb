"""Many runs, some side by side with one thread each, and what `minigan evaluate` says of them; kept as they come.

What the benchmarks few_labels.py and autoencoders.py share. A run that is finished is not made again, so that a
benchmark can be stopped and called again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from minigan import environment
from minigan.archive import write_atomically
from minigan.runs.config import Config

RESULTS = Path(__file__).resolve().parent / "results"
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
WRITING = threading.Lock()
Row = dict[str, Any]


def arguments(parser: argparse.ArgumentParser, rows: Sequence[str]) -> None:
    """What every such benchmark is told."""
    parser.add_argument(
        "rows", nargs="*", default=list(rows), metavar="ROW", help=f"of {', '.join(rows)}; default: all"
    )
    parser.add_argument("--data", required=True, help="as for minigan train")
    parser.add_argument("--out", required=True, type=Path, help="folder for the runs")
    parser.add_argument("--steps", type=int, help="default: those of the recipe")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--backend", default="auto")


def played(folder: Path, recipe: str, options: Sequence[str], args: argparse.Namespace) -> tuple[Row, Row]:
    """What is known of a run, which is made if there is none, and what `minigan evaluate` says of it."""
    minigan, env = [sys.executable, "-m", "minigan"], os.environ | ONE_THREAD
    note, judged = folder / "training.json", folder / "evaluation.json"
    if not note.exists():
        began = time.perf_counter()
        words = ["--data", args.data, "--backend", args.backend, "--out", str(folder)]
        words += ["--steps", str(args.steps)] if args.steps else []
        subprocess.run([*minigan, "train", recipe, *options, *words], check=True, env=env, stdout=subprocess.DEVNULL)
        note.write_text(json.dumps({"seconds": round(time.perf_counter() - began)}), encoding="utf-8")
    if not judged.exists():
        words = ["--n", "1000", "--data", args.data, "--json", str(judged)]
        subprocess.run([*minigan, "evaluate", str(folder), *words], check=True, env=env, stdout=subprocess.DEVNULL)
    steps = Config.read(folder / "config.json").steps
    about = {"data": Path(args.data).name, "steps": steps, **json.loads(note.read_text("utf-8"))}
    return about, json.loads(judged.read_text("utf-8"))


def keep(file: str, row: Row, key: Sequence[str], order: Callable[[Row], Any], table: Callable[[list[Row]], str],
         backend: str, note: str) -> None:  # fmt: skip
    """Write a row among those of earlier calls, and print the table. key: names of what tells rows from one another."""
    path = RESULTS / file
    with WRITING:
        rows = json.loads(path.read_text("utf-8"))["runs"] if path.exists() else []
        rows = [old for old in rows if [old[k] for k in key] != [row[k] for k in key]]
        rows = sorted([*rows, row], key=order)
        about = {
            "when": datetime.now(UTC).strftime("%Y-%m-%d"), "environment": environment.facts(), "backend": backend,
            "note": note, "table": table(rows), "runs": rows,
        }  # fmt: skip
        with write_atomically(path) as out:
            out.write(json.dumps(about, indent=1).encode() + b"\n")
        print(table(rows), flush=True)


def side_by_side(tasks: Sequence[Callable[[], None]], processes: int) -> None:
    """Do all of them, so many at a time; the first that fails ends it."""
    with ThreadPoolExecutor(processes) as pool:
        for done in [pool.submit(task) for task in tasks]:
            done.result()
