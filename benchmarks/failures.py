"""How often is each failure noticed, does each remedy work, and is anything said of healthy runs?

    python benchmarks/failures.py                    ten seeds
    python benchmarks/failures.py --seeds 110 111    fewer
    python benchmarks/readme_tables.py               update the pages

The settings of minigan/theory were chosen with other seeds, below 110. Figures go to benchmarks/results/failures.json.
"""

from __future__ import annotations

import argparse
import time
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from record import record

import minigan
from minigan import console, environment
from minigan.datasets.toys import get_toy
from minigan.diagnostics import Diagnostics
from minigan.game import Play
from minigan.gan import GAN
from minigan.recipes import get_recipe
from minigan.sweeps import call, side_by_side
from minigan.theory.d_wins import FAILURE as D_WINS
from minigan.theory.failures import Game, modes_covered, play, widened
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


def failed(which: int, name: str, seed: int, backend: str) -> Figures:
    """The game that fails, or the same with a remedy."""
    began, failure = time.process_time(), FAILURES[which]
    outcome = play(failure, failure.games[name], seed, backend)
    return {
        "failure": failure.name, "game": name, "seed": seed, "noticed": outcome.noticed(failure.kinds),
        "kinds": [notice.kind for notice in outcome.notices if notice.entered], "figure": outcome.figure,
        "well": bool(failure.healthy(outcome.figure)), "seconds": round(time.process_time() - began, 1),
    }  # fmt: skip


def healthy(run: int, seed: int, backend: str) -> Figures:
    """One of the runs of which nothing should be said: first those of points, then those on the digits."""
    if run < len(_TOYS):
        name, (toy, game) = list(_TOYS.items())[run]
        gan = game.build(toy, _TOY_STEPS, seed, minigan.get_backend(backend))
        row = watched(name, gan, toy.sample(10_000, seed=seed), _TOY_STEPS, game.batch)
        return row | ({} if toy.curve else {"modes": f"{modes_covered(gan, toy, seed):.0f} of {len(toy.means)}"})
    name, steps = list(_DIGITS.items())[run - len(_TOYS)]
    recipe, digits = get_recipe(name), minigan.datasets.load("digits")
    gan = recipe.build(digits.image_shape, backend=minigan.get_backend(backend), seed=seed)
    return watched(f"{name}, digits", gan, digits, steps, recipe.BATCH)


def watched(name: str, gan: GAN, data: Any, steps: int, batch: int) -> Figures:
    began, alarms = time.process_time(), []
    match, diagnostics = Play(gan, data, batch), Diagnostics(gan, data)
    while gan.steps < steps:
        alarms += [str(notice) for notice in diagnostics.watch(match.play(50))]
    seconds = round(time.process_time() - began, 1)
    return {"run": name, "seed": gan.seed, "steps": steps, "alarms": alarms, "seconds": seconds}


def table(games: list[Figures], quiet: list[Figures]) -> str:
    """Markdown: a row for each failure and remedy, and one for the healthy runs."""
    head = ["failure", "game", "noticed", "median step", "figure, median", "wanted", "reached"]
    rows = list[list[str]]()
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
            rows.append([failure.name, name, noticed, when, figure, failure.wanted, well])
    alarms = sum(bool(row["alarms"]) for row in quiet)
    rows.append(["none", f"{len(quiet)} healthy runs", f"{alarms} false alarms", "", "", "", ""])
    return console.table(head, rows, left=tuple(range(6)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(110, 120)))
    parser.add_argument("--backend", default="numpy")
    parser.add_argument("--jobs", type=int, default=environment.usable_cores(), help="games at a time, a thread each")
    args = parser.parse_args()
    runs = range(len(_TOYS) + len(_DIGITS))
    jobs: list[tuple[Any, ...]] = [
        (healthy, run, seed, args.backend) for run, seed in zip(runs, args.seeds, strict=False)
    ]
    watching = len(jobs)
    jobs += [
        (failed, which, name, seed, args.backend)
        for seed, (which, failure) in product(args.seeds, enumerate(FAILURES))
        for name in failure.games
    ]
    found = dict(side_by_side(lambda i: (i, call(*jobs[i])), range(len(jobs)), args.jobs))
    rows = [found[i] for i in range(len(jobs))]
    quiet, games = rows[:watching], rows[watching:]
    shown = table(games, quiet)
    about = {
        "backend": args.backend,
        "note": f"Seeds {min(args.seeds)} to {max(args.seeds)}; settings were chosen with others.",
        "table": shown,
    }  # fmt: skip
    record(RESULTS, about | {"games": games, "healthy": quiet})
    print(shown)


if __name__ == "__main__":
    main()
