"""What a D that classifies learns from few labels, and what of it is owed to what.

    python benchmarks/few_labels.py --data mnist --out runs/few-labels                      every row, its splits
    python benchmarks/few_labels.py --data mnist --out runs/few-labels ssgan --splits 1 2   one of them, two splits
    python benchmarks/readme_tables.py                                                      update the pages

Plays the recipe `ssgan` and the same without one of its parts, `--processes` runs side by side with one BLAS thread
each, and counts errors on all test images by `minigan evaluate`. Which images D is told the class of is a split's
choice; the splits of a table are its first ones, none left out. Figures go to benchmarks/results/few-labels.json as
they come (trials.py).
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from pathlib import Path

import trials

from minigan import console

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
NOTE = "All test images, D's average as its last step left it; runs side by side, one thread each."


def figures(row: str, split: int, args: argparse.Namespace) -> trials.Row:
    """Of one run."""
    folder = args.out / f"{Path(args.data).name}-{row.replace(':', '').replace(' ', '-')}-{split}"
    about, judged = trials.played(folder, "ssgan", [*ROWS[row], "--split", str(split)], args)
    (found,) = judged["labels"]
    return {"row": row, "split": split, "labels": found["labels"], "errors": found["errors"], "n": found["n"], **about}


def table(rows: Sequence[trials.Row]) -> str:
    cells = []
    for data, name in dict.fromkeys((row["data"], row["row"]) for row in rows):
        group = [row for row in rows if (row["data"], row["row"]) == (data, name)]
        right = [100 * (1 - row["errors"] / row["n"]) for row in group]
        each = f" ({', '.join(f'{figure:.2f}' for figure in right)})" if len(right) > 1 else ""
        cells.append([
            data, f"`{name}`" if name == "ssgan" else name, f"{group[0]['labels']}",
            ", ".join(str(row["split"]) for row in group), f"{group[0]['steps']:,}",
            trials.minutes(group), f"{statistics.fmean(right):.2f}{each}",
        ])  # fmt: skip
    head = ["data", "D learns from", "labels", "splits", "steps", "minutes", "accuracy, %"]
    return console.table(head, cells, left=(0, 1))


if __name__ == "__main__":
    trials.main(
        __doc__ or "", "few-labels.json", "split", {row: SPLITS.get(row, 1) for row in ROWS}, figures, table, NOTE
    )
