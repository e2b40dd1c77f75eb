"""Drawings that come to look real: does a classifier that has learned from them read real handwriting?

    python benchmarks/refinement.py --data mnist --fonts fonts/ --out runs/refinement                 every row
    python benchmarks/refinement.py --data mnist --fonts fonts/ --out runs/refinement refined --seeds 1 2
    python benchmarks/readme_tables.py                                                                update the pages

Digits are drawn from the fonts of a folder, or taken from an .npz (`images`, `labels`, and `font`, the number of the
font of each); some fonts are kept apart, for choosing settings by. The fixed classifier of reading.py learns from
drawings as they are, or distorted (plain augmentation), or refined by the recipe `simgan`, and reads the test images of
the real ones. Of labels of real images only two things learn, by neither of which anything was chosen: the classifier
of the last row, and the judge, that classifier with the seed 0, of whether refined drawings show what they showed.
`--processes` runs are made side by side, with one BLAS thread each; a run that is finished is not made again. Figures
go to benchmarks/results/refinement.json as they come.
"""

from __future__ import annotations

import argparse
import statistics
import threading
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import trials
from reading import augmented, rightly

from minigan import archive, console
from minigan.datasets.glyphs import glyphs
from minigan.datasets.mnist import as_mnist
from minigan.sweeps import call

PLAIN, MANY = "drawings", "drawings, augmented"
ROWS: dict[str, tuple[str, list[str] | None]] = {  # what is refined or read as it is, and options of the recipe
    PLAIN: (PLAIN, None),
    "refined": (PLAIN, []),
    "refined: without history": (PLAIN, ["--history", "0"]),
    "refined: D judges whole pictures": (PLAIN, ["--patch", "image"]),
    "refined: nothing has to stay": (PLAIN, ["--weight", "0"]),
    MANY: (MANY, None),
    "refined, augmented": (MANY, []),
    "labels of the real ones": ("", None),
}
DRAWS = {PLAIN: 8, MANY: 1}  # refined pictures of each, so that there are as many either way
SEEDS = {row: 5 if ":" not in row else 1 for row in ROWS}
NOTE = (
    "All test images, the refiner's average as its last step left it; in brackets each seed; runs side by side, one "
    "thread each."
)
PREPARING = threading.Lock()


def figures(row: str, seed: int, args: argparse.Namespace) -> trials.Row:
    """Of one run."""
    source, options = ROWS[row]
    found: trials.Row = {"row": row, "seed": seed, "data": Path(args.data).name, "kept": None}
    if not source:
        return found | {"steps": 0, "seconds": 0, "read": reads(args.data, args.data, seed, args)}
    learned = drawings(source, args)
    if options is None:
        kept = reads(args.data, learned, 0, args, keep=True)
        return found | {"steps": 0, "seconds": 0, "kept": kept, "read": reads(learned, args.data, seed, args)}
    name = row.replace(":", "").replace(",", "").replace(" ", "-")
    folder = args.out / f"{Path(args.data).name}-{name}-{seed}"
    options = [*options, "--synthetic", str(learned), "--seed", str(seed)]
    about, judged = trials.played(folder, "simgan", options, args, n=10_000)
    refined = folder.with_suffix(".npz")
    if not refined.exists():
        words = ["refine", str(folder), str(learned), "--out", str(refined), "--draws", str(DRAWS[source])]
        words += ["--sheet", str(folder.with_suffix(".png"))]
        trials.minigan(*words)
    kept, change = reads(args.data, refined, 0, args, keep=True), judged["refined"][-1]["change"]
    return found | about | {"read": reads(refined, args.data, seed, args), "kept": kept, "change": change}


def reads(learned: Path | str, test: Path | str, seed: int, args: argparse.Namespace, keep: bool = False) -> float:
    """The share of test images that the classifier names rightly. keep: it is used again."""
    kept = args.out / "judge.npz" if keep else None
    with PREPARING if keep else nullcontext():
        return call(rightly, str(learned), str(test), seed, args.backend, kept)


def drawings(what: str, args: argparse.Namespace) -> Path:
    """The drawings of the fonts that train, as they are or distorted; made where they are not there yet."""
    file: Path = args.out / ("drawings.npz" if what == PLAIN else "augmented.npz")
    with PREPARING:
        if not file.exists():
            images, labels = of_fonts(args.fonts)
            if what == MANY:
                copies = augmented(images, seed=0)
                images, labels = copies, np.tile(labels, len(copies) // len(images))
            archive.save(file, {"images": images, "labels": labels})
    return file


def of_fonts(source: str, split: str = "train") -> tuple[np.ndarray, np.ndarray]:
    """Digits of the fonts that train, or of those for choosing ("choose"), every fifth font in an .npz."""
    if not source.endswith(".npz"):
        drawn = glyphs("0123456789", source, split="train" if split == "train" else "choose")
        return drawn.images, np.asarray(drawn.labels)
    arrays, _ = archive.load(source)
    mine = (arrays["font"] % 5 == 0) == (split != "train")
    return np.stack([as_mnist(image) for image in arrays["images"][mine]]), arrays["labels"][mine]


def table(rows: Sequence[trials.Row]) -> str:
    cells = []
    for name in dict.fromkeys(row["row"] for row in rows):
        group = [row for row in rows if row["row"] == name]
        right = [100 * row["read"] for row in group]
        each = f" ({', '.join(f'{figure:.1f}' for figure in right)})" if len(right) > 1 else ""
        kept = [100 * row["kept"] for row in group if row["kept"] is not None]
        played = group[0]["steps"] > 0
        cells.append([
            name, ", ".join(str(row["seed"]) for row in group), f"{group[0]['steps']:,}" if played else "",
            trials.minutes(group) if played else "",
            f"{statistics.fmean(row['change'] for row in group):.1f}" if played else "",
            f"{statistics.fmean(kept):.1f}" if kept else "–", f"{statistics.fmean(right):.2f}{each}",
        ])  # fmt: skip
    head = ["learned from", "seeds", "steps", "minutes", "change", "label kept, %", "real test images read, %"]
    return console.table(head, cells, left=(0,))


def fonts(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--fonts", required=True, help="a folder of fonts, or an .npz of digits and their fonts")


if __name__ == "__main__":
    trials.main(__doc__ or "", "refinement.json", "seed", SEEDS, figures, table, NOTE, more=fonts)
