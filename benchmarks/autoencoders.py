"""Adversarial autoencoders: do codes keep to their prior, what is learned from few labels, and what without any?

    python benchmarks/autoencoders.py --data mnist --out runs/autoencoders                         every row
    python benchmarks/autoencoders.py --data mnist --out runs/autoencoders "100 labels" --numbers 1 2
    python benchmarks/readme_tables.py                                                             update the pages

Plays the recipes `aae`, `aae-few-labels` and `aae-clusters`, `--processes` runs side by side with one BLAS thread each,
and takes the figures of all test images from `minigan evaluate`. What changes from run to run of a row is its number:
the split of a row with few labels, the seed of the others; numbers begin at 1 and none is left out. Figures go to
benchmarks/results/autoencoders.json as they come (trials.py).
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from pathlib import Path

import trials

from minigan import console

RING = ["--prior", "ring", "--labelled", "10000"]
ROWS: dict[str, tuple[str, list[str], int]] = {  # recipe, its options, how many runs a table has
    "normal": ("aae", [], 1),
    "ten Gaussians, 10,000 labels told to D": ("aae", [*RING, "--steps", "10000"], 1),
    "ten Gaussians, E of two hidden layers": ("aae", [*RING, "--e-depth", "2"], 1),
    "swiss roll, 10,000 labels told to D": ("aae", ["--prior", "swiss-roll", "--labelled", "10000"], 1),
    "100 labels": ("aae-few-labels", [], 10),
    "100 labels, as in the paper: no VAT": ("aae-few-labels", ["--vat", "0"], 1),
    "1,000 labels": ("aae-few-labels", ["--labelled", "1000"], 10),
    "10 categories": ("aae-clusters", ["--categories", "10"], 5),
    "16 categories": ("aae-clusters", [], 5),
    "30 categories": ("aae-clusters", ["--categories", "30"], 5),
    "16 categories, as in the paper: no VAT": ("aae-clusters", ["--vat", "0"], 1),
}
NOTE = "All test images, averages as the last step left them; runs side by side, one thread each."


def figures(row: str, number: int, args: argparse.Namespace) -> trials.Row:
    """Of one run."""
    recipe, options, _ = ROWS[row]
    folder = args.out / f"{Path(args.data).name}-{row.replace(',', '').replace(':', '').replace(' ', '-')}-{number}"
    what = "--split" if recipe == "aae-few-labels" else "--seed"
    about, judged = trials.played(folder, recipe, [*options, what, str(number)], args)
    (found,) = judged["autoencoded"]
    labels, codes = judged["labels"], judged["codes"]
    return {
        "row": row, "number": number, "apart": found["apart"], "error": found["error"], "n": found["n"],
        "many_to_one": found["many_to_one"], "errors": labels[0]["errors"] if labels else None,
        "matched_error": codes[0]["matched_error"] if codes else None, **about,
    }  # fmt: skip


def table(rows: Sequence[trials.Row]) -> str:
    cells = []
    for data, name in dict.fromkeys((row["data"], row["row"]) for row in rows):
        group = [row for row in rows if (row["data"], row["row"]) == (data, name)]
        classes = [None if row["errors"] is None else row["errors"] / row["n"] for row in group]
        cells.append([
            data, name, f"{len(group)}", f"{group[0]['steps']:,}",
            trials.minutes(group), _each([row["apart"] for row in group], 1),
            _each(classes), *(_each([row[what] for row in group]) for what in ("many_to_one", "matched_error")),
        ])  # fmt: skip
    head = ["data", "codes", "runs", "steps", "minutes", "told apart, %", "errors, %", "many-to-one, %", "matched, %"]
    return console.table(head, cells, left=(0, 1))


def _each(shares: Sequence[float | None], digits: int = 2) -> str:
    """The mean of some shares in percent, and all of them."""
    known = [100 * share for share in shares if share is not None]
    if not known:
        return "–"
    each = f" ({', '.join(f'{share:.{digits}f}' for share in known)})" if len(known) > 1 else ""
    return f"{statistics.fmean(known):.{digits}f}{each}"


if __name__ == "__main__":
    trials.main(
        __doc__ or "",
        "autoencoders.json",
        "number",
        {row: runs for row, (_, _, runs) in ROWS.items()},
        figures,
        table,
        NOTE,
    )
