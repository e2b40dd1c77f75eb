"""A sheet of test digits that a trained G makes again, and of digits that are painted on.

    python benchmarks/projection_sheet.py RUN --data mnist --out sheet.png

Above: the first ten test pictures, and what an encoder alone, descent alone and both make of them. Below, of the last:
what is painted on it, white in red and black in blue, and what `minigan.inversion.edit` makes of that.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path
from typing import Any

import numpy as np

from minigan import Game
from minigan.datasets import load, to_uint8
from minigan.game.generating import Generating
from minigan.inversion import edit, kept_encoder, project
from minigan.runs import pictures

Pixels = np.ndarray[Any, Any]
SCALE = 2
WHITE, BLACK = 1.0, -1.0
STROKES = [  # on each of the digits: colour, and the corners of a line of (row, column)
    (WHITE, [(14, 9), (14, 19)]), (BLACK, [(22, 8), (22, 25)]), (WHITE, [(9, 9), (5, 14)]),
    (WHITE, [(19, 9), (8, 18)]), (WHITE, [(6, 9), (6, 18)]), (WHITE, [(22, 10), (22, 19)]),
    (WHITE, [(6, 9), (6, 17)]), (WHITE, [(20, 9), (23, 18)]), (WHITE, [(13, 8), (20, 8)]),
    (BLACK, [(7, 17), (14, 21)]),
]  # fmt: skip


def painted(shape: tuple[int, int], corners: list[tuple[int, int]], reach: float = 0.9) -> Pixels:
    """The pixels (H, W), bool, that are no further than that from the line."""
    rows, columns = np.indices(shape)
    mask = np.zeros(shape, bool)
    for (r, c), (to_r, to_c) in itertools.pairwise(corners):
        way = np.array([to_r - r, to_c - c], float)
        t = (((rows - r) * way[0] + (columns - c) * way[1]) / max(way @ way, 1e-9)).clip(0, 1)
        mask |= np.hypot(rows - r - t * way[0], columns - c - t * way[1]) <= reach
    return mask


def row(images: Pixels) -> Pixels:
    """Samples (N, H, W, ...) or pixels (N, H, W[, 3]) as one row of a sheet, in colour."""
    images = images if images.dtype == np.uint8 else to_uint8(images)
    images = images.reshape(*images.shape[:3], -1)
    images = np.repeat(images, 3, axis=3) if images.shape[3] == 1 else images
    return pictures.grid(images.repeat(SCALE, axis=1).repeat(SCALE, axis=2), rows=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", required=True, help="as for minigan train")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    game = Game.load(args.run / "checkpoint.npz")
    assert isinstance(game, Generating)
    images = load(args.data, split="test").images[: len(STROKES)]
    encoder = kept_encoder(game, args.run)
    both = project(game, images, encoder).latents
    found = {
        "test pictures": images,
        "encoder alone": game.generate(encoder(images)),
        "descent alone": game.generate(project(game, images, starts=1).latents),
        "encoder, then descent": game.generate(both),
    }
    before = found["encoder, then descent"]
    mask = np.stack([painted(images.shape[1:3], corners) for _, corners in STROKES])
    wishes = np.broadcast_to(np.array([colour for colour, _ in STROKES])[:, None, None], mask.shape)
    coloured = np.repeat(to_uint8(before).reshape(*mask.shape, 1), 3, axis=3)
    coloured[mask & (wishes > 0)] = 235, 80, 60
    coloured[mask & (wishes < 0)] = 70, 130, 235
    _, after = edit(game, both, wishes, mask, steps=300, outside=3.0)
    found |= {"painted on: white in red, black in blue": coloured, "after the edit": after}
    pictures.save_png(args.out, np.concatenate([pictures.written(row(part), name) for name, part in found.items()]))


if __name__ == "__main__":
    main()
