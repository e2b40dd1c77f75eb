"""Which method finds all modes? Ring and grid, ten seeds for each method, in the set-up of PacGAN at half the width.

    python benchmarks/mode_coverage.py                              every method: an hour and a half on two cores
    python benchmarks/mode_coverage.py --methods "R1 + R2" --toys grid --updates 32000      the longer game
    python benchmarks/readme_tables.py                              update the pages

Lin et al. (2018), section 4.1, with G of four layers of 200 instead of 400 units, D of three layers of 100 instead of
200 maxout units, and fewer updates than their 400,000, with a learning rate to match. A game lasts so many updates of D
(--updates), so that a method with several of them for each of G has as many fewer of G. What is known already, for the
same number of updates, is not measured again, so this can be stopped and called again. Figures go to
benchmarks/results/mode-coverage.json.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from itertools import product
from pathlib import Path
from typing import Any

from record import record

from minigan import console, environment
from minigan.datasets.toys import get_toy
from minigan.sweeps import call, side_by_side
from minigan.theory.plane import METHODS, N, game, look, play

RESULTS = Path(__file__).resolve().parent / "results" / "mode-coverage.json"
WIDTH, BATCH = 200, 100
TOYS = ("ring", "grid")
PAPER = (  # Lin et al. 2018: modes, share of high quality in %, reverse KL; on the ring, and on the grid
    ("PacGAN's GAN", ("6.3", "98.2", "0.45"), ("17.3", "94.8", "0.70")),
    ("PacGAN2", ("7.9", "95.6", "0.07"), ("23.8", "91.3", "0.13")),
    ("PacGAN4", ("7.8", "95.9", "0.07"), ("24.8", "93.6", "0.04")),
)
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
    parser.add_argument("--toys", nargs="+", choices=TOYS, default=TOYS)
    parser.add_argument("--seeds", nargs="+", type=int, default=list(range(10)))
    parser.add_argument("--updates", type=int, default=12_000, help="of D in a game (default: 12000)")
    parser.add_argument("--backend", default="numpy")
    parser.add_argument("--jobs", type=int, default=environment.usable_cores(), help="games at a time, a thread each")
    args = parser.parse_args()
    rows: list[Figures] = json.loads(RESULTS.read_text("utf-8"))["rows"] if RESULTS.exists() else []
    known = {(row["method"], row["toy"], row["seed"], row.get("updates")) for row in rows}
    rows += [oracle(t, s) for t, s in product(args.toys, args.seeds) if ("the data itself", t, s, None) not in known]
    wanted = [
        (method, toy, seed, args.updates, args.backend)
        for seed, toy, method in product(args.seeds, args.toys, args.methods)
        if (method, toy, seed, args.updates) not in known
    ]
    for row in side_by_side(lambda what: call(trained, *what), wanted, args.jobs):
        rows.append(row)
        print(row, flush=True)
        keep(rows, args.backend)
    keep(rows, args.backend)


def table(rows: list[Figures]) -> str:
    """Markdown: a row for each method and number of updates, means over the seeds; and the rows of the paper."""
    head = ["method", "updates", *(f"{toy}: {what}" for toy in TOYS for what in ("seeds", "modes", "HQ, %", "rKL"))]
    lines = []
    for method in ("the data itself", *METHODS):
        for updates in sorted({row.get("updates", 0) for row in rows if row["method"] == method}):
            line = [method, f"{updates:,}" if updates else ""]
            for toy in TOYS:
                runs = [r for r in rows if (r["method"], r["toy"], r.get("updates", 0)) == (method, toy, updates)]
                line += cells(runs)
            lines.append(line)
    lines += [[name, "400,000", "10", *ring, "10", *grid] for name, ring, grid in PAPER]
    return console.table(head, lines, left=(0,))


def cells(runs: list[Figures]) -> list[str]:
    """Of some seeds: how many, and the means of modes with the range, of the share of high quality, and of the KL."""
    if not runs:
        return ["", "", "", ""]
    modes, quality, kl = ([run[name] for run in runs] for name in ("modes", "high_quality", "reverse_kl"))
    spread = f" ({min(modes)} to {max(modes)})" if min(modes) < max(modes) else ""
    return [
        f"{len(runs)}", f"{statistics.fmean(modes):.1f}{spread}", f"{100 * statistics.fmean(quality):.1f}",
        f"{statistics.fmean(kl):.3f}",
    ]  # fmt: skip


def keep(rows: list[Figures], backend: str) -> None:
    rows = sorted(rows, key=lambda row: (row["toy"], row["method"], row.get("updates", 0), row["seed"]))
    note = (
        f"{N:,} samples; means over the seeds, modes with their range. HQ: within three standard deviations of a mode; "
        "rKL: of the shares of modes from equal shares. Updates are those of D; WGAN-GP makes five for each of G, the "
        "others one. `--methods 'R1 + R2' --toys grid --updates 32000` makes the longer game. G has four layers of "
        f"{WIDTH} units, half of the paper's; the last three rows are those of the paper, section 4.1, for full width "
        "and far longer games: they are beside ours, not against them."
    )
    about = {
        "width": WIDTH, "batch": BATCH, "backend": backend, "note": note, "table": table(rows),
    }  # fmt: skip
    record(RESULTS, about | {"rows": rows})


if __name__ == "__main__":
    main()
