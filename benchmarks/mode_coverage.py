"""Which method finds all modes? Ring and grid, ten seeds for each method, in the set-up of PacGAN at half the width.

    python benchmarks/mode_coverage.py                              all of it: hours on two cores
    python benchmarks/mode_coverage.py --methods "packing 4" --toys grid --seeds 0 1
    python benchmarks/readme_tables.py                              update the README

Lin et al. (2018), section 4.1, with G of four layers of 200 instead of 400 units, D of three layers of 100 instead of
200 maxout units, and fewer updates than their 400,000, with a learning rate to match. A game lasts so many updates of D
(--updates), so that a method with several of them for each of G has as many fewer of G. What is known already, for the
same number of updates, is not measured again, so this can be stopped and called again. Figures go to
benchmarks/results/mode-coverage.json.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import UTC, datetime
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from minigan.archive import write_atomically
from minigan.bench import environment
from minigan.datasets.toys import get_toy
from minigan.theory.plane import METHODS, N, game, look, play

RESULTS = Path(__file__).resolve().parent / "results" / "mode-coverage.json"
WIDTH, BATCH = 200, 100
Figures = dict[str, Any]


def trained(method: str, toy: str, seed: int, updates: int, backend: str) -> Figures:
    """The figures of one game."""
    began, subject = time.process_time(), get_toy(toy)
    steps = updates // METHODS[method].get("d_steps", 1)
    gan = game(method, steps, WIDTH, seed, backend)
    *_, last = play(gan, subject, (steps,), seed, BATCH)
    return figures(last) | {
        "method": method, "toy": toy, "seed": seed, "updates": updates, "seconds": round(time.process_time() - began),
    }  # fmt: skip


def oracle(toy: str, seed: int) -> Figures:
    """The figures of as many points of the data itself."""
    subject = get_toy(toy)
    return figures(look(subject.sample(N, 1000 + seed), subject)) | {
        "method": "the data itself",
        "toy": toy,
        "seed": seed,
    }


def figures(found: Any) -> Figures:
    return {**found.coverage._asdict(), "jsd": found.jsd}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--toys", nargs="+", choices=["ring", "grid"], default=["ring", "grid"])
    parser.add_argument("--seeds", nargs="+", type=int, default=list(range(10)))
    parser.add_argument("--updates", type=int, default=24_000, help="of D in a game (default: 24000)")
    parser.add_argument("--backend", default="numpy")
    parser.add_argument("--jobs", type=int, default=environment.usable_cores(), help="games at a time, a thread each")
    args = parser.parse_args()
    os.environ["OPENBLAS_NUM_THREADS"] = os.environ["NUMBA_NUM_THREADS"] = "1"  # of the processes that are started
    rows: list[Figures] = json.loads(RESULTS.read_text("utf-8"))["rows"] if RESULTS.exists() else []
    known = {(row["method"], row["toy"], row["seed"], row.get("updates")) for row in rows}
    rows += [oracle(t, s) for t, s in product(args.toys, args.seeds) if ("the data itself", t, s, None) not in known]
    wanted = [
        (method, toy, seed, args.updates, args.backend)
        for seed, toy, method in product(args.seeds, args.toys, args.methods)
        if (method, toy, seed, args.updates) not in known
    ]
    with ProcessPoolExecutor(args.jobs, mp_context=get_context("spawn")) as pool:
        for done in as_completed([pool.submit(trained, *what) for what in wanted]):
            rows.append(done.result())
            print(rows[-1], flush=True)
            keep(rows, args.backend)
    keep(rows, args.backend)


def keep(rows: list[Figures], backend: str) -> None:
    rows = sorted(rows, key=lambda row: (row["toy"], row["method"], row.get("updates", 0), row["seed"]))
    about = {"when": datetime.now(UTC).strftime("%Y-%m-%d"), "width": WIDTH, "batch": BATCH, "backend": backend}
    with write_atomically(RESULTS) as file:
        file.write(json.dumps(about | {"environment": environment.facts(), "rows": rows}, indent=1).encode() + b"\n")


if __name__ == "__main__":
    main()
