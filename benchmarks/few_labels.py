"""What a D that classifies learns from few labels, and what of it is owed to what.

    python benchmarks/few_labels.py --data mnist --out runs/few-labels                      every row, its splits
    python benchmarks/few_labels.py --data mnist --out runs/few-labels ssgan --splits 1 2   one of them, two splits
    python benchmarks/readme_tables.py                                                      update the pages

Plays the recipe `ssgan` and the same without one of its parts, `--processes` runs side by side with one BLAS thread
each, and counts errors on all test images by `minigan evaluate`. Which images D is told the class of is a split's
choice; the splits of a table are its first ones, none left out. A run that is finished is not made again, so this can
be stopped and called again. Figures go to benchmarks/results/few-labels.json as they come.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from minigan import console, environment
from minigan.archive import write_atomically
from minigan.runs.config import Config

RESULTS = Path(__file__).resolve().parent / "results" / "few-labels.json"
ROWS: dict[str, list[str]] = {  # options of the recipe
    "ssgan": [],
    "as in the paper: no information": ["--information", "0"],
    "the rates and momenta of the paper, too": [
        "--information", "0", "--told", "100", "--lr", "3e-3", "--d-lr", "3e-3", "--beta1", "0.5", "--beta2", "0.999",
        "--eps", "1e-4",
    ],
    "labels alone": ["--adversary", "0", "--information", "0"],
    "labels and information, no G": ["--adversary", "0"],
    "G without feature matching": ["--objective", "non-saturating"],
    "20 labels": ["--labelled", "20"],
    "50 labels": ["--labelled", "50"],
    "200 labels": ["--labelled", "200"],
    "convolutional": ["--nets", "conv"],
}  # fmt: skip
SPLITS = {"ssgan": 10}  # of a table; one of the other rows
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
WRITING = threading.Lock()


def played(row: str, split: int, args: argparse.Namespace) -> dict[str, Any]:
    """The figures of a run, which is made if there is none."""
    folder = args.out / f"{Path(args.data).name}-{row.replace(':', '').replace(' ', '-')}-{split}"
    minigan, env = [sys.executable, "-m", "minigan"], os.environ | ONE_THREAD
    note = folder / "training.json"
    if not note.exists():
        began = time.perf_counter()
        options = ["--data", args.data, "--split", str(split), "--backend", args.backend, "--out", str(folder)]
        options += ["--steps", str(args.steps)] if args.steps else []
        subprocess.run(
            [*minigan, "train", "ssgan", *ROWS[row], *options], check=True, env=env, stdout=subprocess.DEVNULL
        )
        note.write_text(json.dumps({"seconds": round(time.perf_counter() - began)}), encoding="utf-8")
    judged = folder / "evaluation.json"
    if not judged.exists():
        subprocess.run(
            [*minigan, "evaluate", str(folder), "--n", "1000", "--data", args.data, "--json", str(judged)],
            check=True, env=env, stdout=subprocess.DEVNULL,
        )  # fmt: skip
    (found,) = json.loads(judged.read_text("utf-8"))["labels"]
    return {
        "data": Path(args.data).name, "row": row, "split": split, "labels": found["labels"], "errors": found["errors"],
        "n": found["n"], "steps": Config.read(folder / "config.json").steps, **json.loads(note.read_text("utf-8")),
    }  # fmt: skip


def table(rows: Sequence[dict[str, Any]]) -> str:
    cells = []
    for data, name in dict.fromkeys((row["data"], row["row"]) for row in rows):
        group = [row for row in rows if (row["data"], row["row"]) == (data, name)]
        right = [100 * (1 - row["errors"] / row["n"]) for row in group]
        each = f" ({', '.join(f'{figure:.2f}' for figure in right)})" if len(right) > 1 else ""
        cells.append([
            data, f"`{name}`" if name == "ssgan" else name, f"{group[0]['labels']}",
            ", ".join(str(row["split"]) for row in group), f"{group[0]['steps']:,}",
            f"{statistics.fmean(row['seconds'] for row in group) / 60:.0f}", f"{statistics.fmean(right):.2f}{each}",
        ])  # fmt: skip
    head = ["data", "D learns from", "labels", "splits", "steps", "minutes", "accuracy, %"]
    return console.table(head, cells, left=(0, 1))


def keep(row: dict[str, Any], args: argparse.Namespace) -> None:
    """Write a row among those of earlier calls."""
    with WRITING:
        rows = json.loads(RESULTS.read_text("utf-8"))["runs"] if RESULTS.exists() else []
        key = "data", "row", "split"
        rows = [old for old in rows if [old[k] for k in key] != [row[k] for k in key]]
        order = list(ROWS)
        rows = sorted([*rows, row], key=lambda row: (row["data"] != "mnist", order.index(row["row"]), row["split"]))
        about = {
            "when": datetime.now(UTC).strftime("%Y-%m-%d"), "environment": environment.facts(), "backend": args.backend,
            "note": "All test images, D's average as its last step left it; runs side by side, one thread each.",
            "table": table(rows), "runs": rows,
        }  # fmt: skip
        with write_atomically(RESULTS) as out:
            out.write(json.dumps(about, indent=1).encode() + b"\n")
        print(table(rows), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "rows", nargs="*", default=list(ROWS), metavar="ROW", help=f"of {', '.join(ROWS)}; default: all"
    )
    parser.add_argument("--data", required=True, help="as for minigan train")
    parser.add_argument("--out", required=True, type=Path, help="folder for the runs")
    parser.add_argument("--splits", type=int, nargs="+", help="default: 1 to 10 of ssgan, 1 of the others")
    parser.add_argument("--steps", type=int, help="default: those of the recipe")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--backend", default="auto")
    args = parser.parse_args()
    if unknown := set(args.rows) - set(ROWS):
        parser.error(f"there is no row {', '.join(sorted(unknown))}")
    args.out.mkdir(parents=True, exist_ok=True)
    asked = [(row, split) for row in args.rows for split in args.splits or range(1, SPLITS.get(row, 1) + 1)]
    with ThreadPoolExecutor(args.processes) as pool:
        for done in [pool.submit(lambda pair: keep(played(*pair, args), args), pair) for pair in asked]:
            done.result()


if __name__ == "__main__":
    main()
