"""How often is each failure noticed, does each remedy work, and is anything said of healthy runs?

    python benchmarks/failures.py                    ten seeds, on one core about ten minutes
    python benchmarks/failures.py --seeds 100 101    fewer

The settings of minigan/theory were chosen with seeds below 10; the seeds here are others. Figures go to
benchmarks/results/failures.json, and a table of them is printed.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import minigan
from minigan.archive import write_atomically
from minigan.bench import environment
from minigan.datasets.toys import get_toy
from minigan.diagnostics import Diagnostics
from minigan.gan import GAN
from minigan.match import Match
from minigan.recipes import get_recipe
from minigan.theory.d_wins import FAILURE as D_WINS
from minigan.theory.failures import Failure, Game, modes_covered, play, widened
from minigan.theory.mode_collapse import COMPLETE, PARTIAL
from minigan.theory.one_weakness import FAILURE as ONE_WEAKNESS

RESULTS = Path(__file__).resolve().parent / "results" / "failures.json"
FAILURES = (D_WINS, ONE_WEAKNESS, PARTIAL, COMPLETE)
Figures = dict[str, Any]

_TOY_STEPS = 3_000
_WGAN_GP = Game("wasserstein", lr=5e-4, d_steps=5, gradient_penalty=1.0)
_TOYS = {  # healthy games of points
    "non-saturating with R1, ring": (widened("ring", 0.05), Game(r1=0.5)),
    "non-saturating, grid": (widened("grid", 0.2), Game()),
    "minimax, grid": (widened("grid", 0.2), Game("minimax")),
    "least-squares, grid": (widened("grid", 0.2), Game("least-squares")),
    "R3GAN, ring": (widened("ring", 0.05), Game("relativistic", r1=0.5, r2=0.5)),
    "wgan-gp, ring": (widened("ring", 0.1), _WGAN_GP),
    "packing 2, moons": (get_toy("moons"), Game(packing=2)),
}
_DIGITS = {"gan": 2_500, "r3gan": 1_000, "wgan-gp": 600}  # healthy recipes on the digits, and their steps


def failed(failure: Failure, seed: int, backend: str) -> Iterator[Figures]:
    """The game that fails and each remedy, with one seed."""
    for name, game in failure.games.items():
        began = time.perf_counter()
        outcome = play(failure, game, seed, backend)
        yield {
            "failure": failure.name, "game": name, "seed": seed, "noticed": outcome.noticed(failure.kinds),
            "kinds": [notice.kind for notice in outcome.notices if notice.entered], "figure": outcome.figure,
            "well": bool(failure.healthy(outcome.figure)), "seconds": round(time.perf_counter() - began, 1),
        }  # fmt: skip


def healthy(seeds: list[int], backend: str) -> Iterator[Figures]:
    """Runs of which nothing should be said, each with a seed of its own."""
    digits = minigan.datasets.load("digits")
    be = minigan.get_backend(backend)
    for (name, (toy, game)), seed in zip(_TOYS.items(), seeds, strict=False):
        gan = game.build(toy, _TOY_STEPS, seed, be)
        row = watched(name, gan, toy.sample(10_000, seed=seed), _TOY_STEPS, game.batch)
        yield row | ({} if toy.curve else {"modes": f"{modes_covered(gan, toy, seed):.0f} of {len(toy.means)}"})
    for (name, steps), seed in zip(_DIGITS.items(), seeds[len(_TOYS) :], strict=False):
        recipe = get_recipe(name)
        gan = recipe.build(digits.image_shape, backend=be, seed=seed)
        yield watched(f"{name}, digits", gan, digits, steps, recipe.BATCH)


def watched(name: str, gan: GAN, data: Any, steps: int, batch: int) -> Figures:
    began, alarms = time.perf_counter(), []
    match, diagnostics = Match(gan, data, batch), Diagnostics(gan, data)
    while gan.steps < steps:
        alarms += [str(notice) for notice in diagnostics.watch(match.play(50))]
    seconds = round(time.perf_counter() - began, 1)
    return {"run": name, "seed": gan.seed, "steps": steps, "alarms": alarms, "seconds": seconds}


def table(games: list[Figures], quiet: list[Figures]) -> str:
    """Markdown: a row for each failure and remedy, and one for the healthy runs."""
    rows = ["| failure | game | noticed | median step | figure (median) | wanted | restored |", "|---" * 7 + "|"]
    for failure in FAILURES:
        for name in failure.games:
            those = [row for row in games if row["failure"] == failure.name and row["game"] == name]
            if not those:
                continue
            steps = [row["noticed"] for row in those if row["noticed"]]
            in_time = sum(step <= failure.within for step in steps)
            noticed, when = "", ""
            if name == failure.name:
                noticed = f"{in_time} of {len(those)} by step {failure.within:,}"
                when = f"{np.median(steps):,.0f}" if steps else "never"
            figure = f"{failure.measured} {np.median([row['figure'] for row in those]):.3g}"
            well = f"{sum(row['well'] for row in those)} of {len(those)}"
            rows.append(f"| {failure.name} | {name} | {noticed} | {when} | {figure} | {failure.wanted} | {well} |")
    alarms = sum(bool(row["alarms"]) for row in quiet)
    rows.append(f"| healthy | {len(quiet)} runs | {alarms} false alarms | | | none | |")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(110, 120)))
    parser.add_argument("--backend", default="numpy")
    args = parser.parse_args()
    games, quiet = [], []
    for seed in args.seeds:
        for failure in FAILURES:
            for row in failed(failure, seed, args.backend):
                print(row, flush=True)
                games.append(row)
    for row in healthy(args.seeds, args.backend):
        print(row, flush=True)
        quiet.append(row)
    about = {"environment": environment.facts(), "backend": args.backend}
    with write_atomically(RESULTS) as file:
        file.write(json.dumps(about | {"games": games, "healthy": quiet}, indent=1).encode() + b"\n")
    print(table(games, quiet))


if __name__ == "__main__":
    main()
