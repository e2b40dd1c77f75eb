"""What ten seeds cost on the cores of a machine, against one: `minigan sweep`.

    python benchmarks/sweep.py                    the recipe quick, ten seeds, as many side by side as there are cores
    python benchmarks/readme_tables.py            update the page

Times whole commands, from the start of Python to the table: a sweep of one seed, a sweep of ten, and one run of
`minigan train`, which has all cores to itself; in turn, so that whatever else the machine does falls on all of them
alike. Runs of a sweep have one thread each. Figures go to benchmarks/results/sweep.json after each turn.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from record import record

from minigan import console, environment

RESULTS = Path(__file__).resolve().parent / "results" / "sweep.json"
NOTE = "Whole commands, in seconds: the median, and in brackets each turn; a run of a sweep has one thread."


def seconds(*words: str) -> float:
    """How long a command of minigan takes."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "minigan", *words], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def table(found: dict[str, list[float]], one: str) -> str:
    rows = [
        [
            name, f"{statistics.median(times):.1f} ({', '.join(f'{each:.1f}' for each in times)})",
            f"{statistics.median(times) / statistics.median(found[one]):.2f}",
        ]
        for name, times in found.items()
    ]  # fmt: skip
    return console.table(["what", "seconds", "× one seed"], rows, left=(0,))


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="quick")
    parser.add_argument("--data", default="digits", help="as for minigan train")
    parser.add_argument("--steps", type=int, default=400, help="of a run (default: 400)")
    parser.add_argument("--seeds", type=int, default=10, help="of the large sweep (default: 10)")
    parser.add_argument("--processes", type=int, default=environment.usable_cores(), help="default: one a core")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--backend", default="auto")
    args = parser.parse_args(argv)
    run = [args.recipe, "--data", args.data, "--steps", str(args.steps), "--backend", args.backend]
    one, many = "a sweep of 1 seed", f"a sweep of {args.seeds} seeds, {args.processes} side by side"
    commands = {
        one: ["sweep", *run, "--seeds", "1", "--processes", "1"],
        many: ["sweep", *run, "--seeds", f"1-{args.seeds}", "--processes", str(args.processes)],
        "one run alone, on all cores": ["train", *run, "--seed", "1"],
    }
    found: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(args.turns):
        for name, words in commands.items():
            with tempfile.TemporaryDirectory() as folder:
                found[name].append(seconds(*words, "--out", str(Path(folder, "made"))))
        print(table(found, one), flush=True)
        about: dict[str, Any] = {
            "backend": args.backend,
            "note": f"{NOTE} The recipe {args.recipe} on {Path(args.data).name}, {args.steps:,} steps.",
            "table": table(found, one), "seconds": found,
        }  # fmt: skip
        record(RESULTS, about)


if __name__ == "__main__":
    main()
