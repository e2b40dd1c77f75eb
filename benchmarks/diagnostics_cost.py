"""What diagnostics cost: the share of a step's time, in the default run and in a small one.

    python benchmarks/diagnostics_cost.py

Steps are played one at a time, as a run on a CPU plays them, and both parts are timed in turn, so that what else the
machine does falls on both. One run is the recipe gan on the digits; the small one has dense networks of 32
units and learns points in batches of 32. Figures go to benchmarks/results/diagnostics-cost.json.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from record import record

import minigan
from minigan import GAN, Adam, Dense, LeakyReLU, ReLU, Sequential, console
from minigan.datasets.toys import get_toy
from minigan.diagnostics import Diagnostics
from minigan.game import Play
from minigan.recipes import gan as recipe

RESULTS = Path(__file__).resolve().parent / "results" / "diagnostics-cost.json"


def cost(gan: GAN, data: Any, batch: int, blocks: int) -> dict[str, float]:
    """Medians over blocks of steps: of a step without diagnostics, and of what they add to it, in microseconds."""
    match, diagnostics = Play(gan, data, batch), Diagnostics(gan, data)
    match.play(diagnostics.every)  # arenas are filled, kernels compiled
    played, watched = np.zeros(blocks), np.zeros(blocks)
    for block in range(blocks):
        for _ in range(diagnostics.every):
            begun = time.perf_counter()
            metrics = match.play(1)
            between = time.perf_counter()
            diagnostics.watch(metrics)
            watched[block] += time.perf_counter() - between
            played[block] += between - begun
    step, added = (float(np.median(part)) / diagnostics.every for part in (played, watched))
    return {"step": 1e6 * step, "diagnostics": 1e6 * added, "share": added / step}


def small(backend: Any) -> GAN:
    G = Sequential(Dense(2, 32), ReLU(), Dense(32, 32), ReLU(), Dense(32, 2), backend=backend, seed=0)
    D = Sequential(Dense(2, 32), LeakyReLU(0.2), Dense(32, 32), LeakyReLU(0.2), Dense(32, 1), backend=backend, seed=1)
    return GAN(G, D, optimizer=Adam(1e-3, beta1=0.5))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", default="auto")
    args = parser.parse_args()
    backend, digits = minigan.get_backend(args.backend), minigan.datasets.load("digits")
    default = recipe.build(digits.image_shape, backend=backend, seed=0)
    found = {
        "recipe gan on the digits, batch 64": cost(default, digits, recipe.BATCH, blocks=12),
        "points, width 32, batch 32": cost(small(backend), get_toy("ring").sample(10_000), 32, blocks=60),
    }
    rows = [
        [name, f"{row['step']:,.0f}", f"{row['diagnostics']:.1f}", f"{row['share']:.2%}"] for name, row in found.items()
    ]
    table = console.table(["run", "µs/step", "of diagnostics", "share"], rows, left=(0,))
    about = {
        "backend": backend.name, "note": "Medians over blocks of 50 steps.", "table": table,
    }  # fmt: skip
    record(RESULTS, about | {"runs": found})
    print(table)


if __name__ == "__main__":
    main()
