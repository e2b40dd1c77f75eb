"""Words into pictures: are sentences obeyed, such as were read, and such as never were?

    python benchmarks/words.py --data mnist --out runs/words                              every row
    python benchmarks/words.py --data mnist --out runs/words "asked in words" --seeds 1 2
    python benchmarks/readme_tables.py                                                    update the pages

Plays the recipe `words`, with combinations, templates and synonyms held out (minigan/datasets/language.py),
`--processes` runs side by side with one BLAS thread each, and takes the figures from `minigan evaluate`. Figures go to
benchmarks/results/words.json as they come (trials.py).
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import trials

from minigan import console

FULL = "asked in words"
ROWS: dict[str, list[str]] = {
    FULL: [],
    "without wrong pairs": ["--no-wrong"],
    "without meanings between": ["--interpolate", "0"],
    "a bag of words": ["--reader", "bag"],
}
SEEDS = {row: 3 if row == FULL else 1 for row in ROWS}
KINDS = ("combinations", "templates", "synonyms", "negations")
NOTE = (
    "Shares of pictures that are what they were asked to be; in brackets each seed. The first four columns are of "
    "sentences such as were read, the next of such as were held out, and of negations, all facts at once. Averages as "
    "the last step left them; runs side by side, one thread each."
)


def figures(row: str, seed: int, args: argparse.Namespace) -> trials.Row:
    """Of one run."""
    folder = args.out / f"{Path(args.data).name}-{row.replace(' ', '-')}-{seed}"
    options = ["--held-out", *ROWS[row], "--seed", str(seed)]
    about, judged = trials.played(folder, "words", options, args, n=args.n)
    floor, own = judged["rows"]
    obeyed, rivals = dict[str, Any](), list[Any]()
    for found in judged["obeyed"]:
        if found["name"] == own["name"]:
            obeyed[found["sentences"]] = found | {"name": row}
        else:
            rivals.append(found)
    frechet = {"frechet": own["frechet"], "floor": floor["frechet"]}
    return {"row": row, "seed": seed, **about, **frechet, "obeyed": obeyed, "rivals": rivals}


def table(rows: Sequence[trials.Row]) -> str:
    facts = list(rows[0]["obeyed"]["plain"]["facts"])
    cells = []
    for name in dict.fromkeys(row["row"] for row in rows):
        group = [row for row in rows if row["row"] == name]
        found = [row["obeyed"] for row in group]
        cells.append([
            name, f"{len(group)}", f"{group[0]['steps']:,}",
            trials.minutes(group), *_of(found, facts),
            f"{statistics.fmean(row['frechet'] for row in group):.2f}",
        ])  # fmt: skip
    for name in dict.fromkeys(rival["name"] for rival in rows[0]["rivals"]):
        own = {rival["sentences"] or "plain": rival for rival in rows[0]["rivals"] if rival["name"] == name}
        cells.append([name, "", "", "", *_of([own], facts), ""])
    head = ["pictures", "seeds", "steps", "minutes", *facts, "all", *KINDS, "variety", "Fréchet"]
    return console.table(head, cells, left=(0,))


def _of(found: Sequence[dict[str, Any]], facts: Sequence[str]) -> list[str]:
    """Of runs of one row: shares of sentences that were read, fact by fact and all at once, and of others."""

    def mean(value: Callable[[dict[str, Any]], float], form: str = ".1f", times: float = 100) -> str:
        return f"{statistics.fmean(times * value(one) for one in found):{form}}"

    def all_of(kind: str) -> str:
        if kind not in found[0]:
            return "–"
        each = ", ".join(f"{100 * one[kind]['all']:.1f}" for one in found)
        return mean(lambda one: one[kind]["all"]) + (f" ({each})" if len(found) > 1 else "")

    variety = "–" if found[0]["plain"]["variety"] is None else mean(lambda one: one["plain"]["variety"], ".2f", 1)
    return [
        *(mean(lambda one, fact=fact: one["plain"]["facts"][fact]) for fact in facts), *map(all_of, ("plain", *KINDS)),
        variety,
    ]  # fmt: skip


def sentences(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--n", type=int, default=3_000, help="sentences of each kind, and pictures (default: 3000)")


if __name__ == "__main__":
    trials.main(__doc__ or "", "words.json", "seed", SEEDS, figures, table, NOTE, more=sentences)
