"""From one picture to another: is the answer near, sharp, still of its class, and which of several is it?

    python benchmarks/translation.py --data mnist --out runs/translation            all rows of these data
    python benchmarks/translation.py --data fashion-mnist --out runs/translation
    python benchmarks/photographs_npz.py --out photographs.npz
    python benchmarks/translation.py --data photographs.npz --out runs/translation
    python benchmarks/readme_tables.py                                              update the pages

Plays the recipe `pix2pix`, `--processes` runs side by side with one BLAS thread each, and takes the figures of all test
pictures from `minigan evaluate`, with those of answers without learning beside them. Which rows there are depends on
the name of the data. How much can be seen of a class beside a hole says a classifier (reading.py) that has learned from
pictures with holes and all their labels. Figures go to benchmarks/results/translation.json as they come (trials.py).
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import trials
from reading import STEPS, learned, read

from minigan import console, datasets
from minigan.datasets.tasks import make_pairs

L2, L1 = ["--adversary", "0", "--distance", "l2"], ["--adversary", "0"]
CHOOSING = ["--weight", "3", "--r1", "0.1", "--patch", "22", "--noise", "injected", "--steps", "4000"]
ENLARGING = ["--steps", "6000"]
FILLING = ["--width", "32", "--blocks", "3", "--steps", "8000"]
PHOTOGRAPHS = ["--batch", "16", "--residual"]
ROWS: dict[str, dict[str, list[str]]] = {  # options of pix2pix, by the data and the task
    "mnist": {
        "superresolve: L2": [*ENLARGING, *L2], "superresolve: the game": [*ENLARGING, "--patch", "22", "--r1", "1"],
        "derain: L1": L1, "derain: the game": [],
        "inpaint: L2": [*FILLING, *L2], "inpaint: the game": [*FILLING, "--patch", "22"],
        "next-frame: L2": L2, "next-frame: L1": L1,
        "next-frame: the game": CHOOSING,
    },
    "fashion-mnist": {"edges: L1": L1, "edges: the game": ["--patch", "22"]},
    "photographs": {"superresolve: L2": [*PHOTOGRAPHS, *L2], "superresolve: the game": PHOTOGRAPHS},
}  # fmt: skip
EVERY = list(dict.fromkeys(row for rows in ROWS.values() for row in rows))
NOTE = "All test pictures, by the average of G; runs side by side, one thread each."


def figures(row: str, number: int, args: argparse.Namespace) -> trials.Row:
    """Of one run."""
    data = Path(args.data).stem
    folder = args.out / f"{data}-{row.replace(':', '').replace(',', '').replace(' ', '-')}-{number}"
    options = ["--task", row.partition(":")[0], *ROWS[data][row], "--seed", str(number)]
    about, judged = trials.played(folder, "pix2pix", options, args, n=10_000)
    *rivals, own = judged["translated"]
    del own["name"]  # the folder of the run
    if row.startswith("inpaint"):
        rivals.append(told(args.data, args.backend))
    return {"row": row, "seed": number, **own, "rivals": rivals, **about, "data": data}


@functools.cache
def told(data: str, backend: str) -> dict[str, Any]:
    """The share of test pictures that a classifier of pictures with holes names rightly, as a row of the table."""
    train, test = (make_pairs(datasets.load(data, split), "inpaint", split) for split in ("train", "test"))
    net = learned(train.inputs, np.asarray(train.labels), 0, 4 * STEPS, backend)
    right = float((read(net, test.inputs) == test.labels).mean())
    nothing = dict.fromkeys(("psnr", "ssim", "energy", "nearest", "mean", "covered", "frechet"))
    return {"name": "a classifier told all labels", "n": len(test), **nothing, "kept": right}


def table(rows: Sequence[trials.Row]) -> str:
    cells, shown = [], set[tuple[str, str]]()
    for row in rows:
        task, _, who = row["row"].partition(": ")
        if (row["data"], task) not in shown:
            shown.add((row["data"], task))
            cells += [[f"{row['data']}, {task}", rival["name"], "", "", *_figures(rival)] for rival in row["rivals"]]
        minutes = f"{row['seconds'] / 60:.0f}"
        cells.append([f"{row['data']}, {task}", who, f"{row['steps']:,}", minutes, *_figures(row)])
    head = [
        "data, task", "answer", "steps", "minutes", "PSNR, dB", "SSIM", "energy", "class kept, %", "to nearest",
        "to mean", "covered, %", "Fréchet to wanted",
    ]  # fmt: skip
    return console.table(head, cells, left=(0, 1))


def _figures(found: dict[str, Any]) -> list[str]:
    def shown(name: str, form: str, times: float = 1) -> str:
        return "–" if found[name] is None else f"{times * found[name]:{form}}"

    return [
        shown("psnr", ".2f"), shown("ssim", ".3f"), shown("energy", ".2f"), shown("kept", ".1f", 100),
        shown("nearest", ".1f"), shown("mean", ".1f"), shown("covered", ".0f", 100), shown("frechet", ".3f"),
    ]  # fmt: skip


def of_data(data: str) -> list[str]:
    """The rows of these data. Raises SystemExit for data of another name."""
    name = Path(data).stem
    if name not in ROWS:
        raise SystemExit(f"there are rows of {', '.join(ROWS)}, not of {name}")
    return list(ROWS[name])


if __name__ == "__main__":
    trials.main(
        __doc__ or "", "translation.json", "seed", dict.fromkeys(EVERY, 1), figures, table, NOTE, of_data
    )  # fmt: skip
