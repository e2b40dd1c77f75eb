"""`minigan refine`: drawings in, refined ones out, by the G of a trained simgan."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np

from .. import archive
from ..console import say
from ..datasets import Dataset, Split
from ..games import Refinement
from ..paths import StrPath, expand
from ..runs.data import load_data
from ..runs.picture_files import (
    Pixels,
    check_files,
    check_targets,
    found,
    load_game,
    read,
    save_pictures,
    save_sheet,
    with_channels,
)
from ..runs.sheets import change
from ..samples import as_images
from ..spec import integer
from . import add_generator, an_integer

_DESCRIPTION = """\
Make drawings look real, with the G of a run of simgan.

  minigan refine runs/simgan-mnist-1 seven.png --out refined/
  minigan refine runs/simgan-mnist-1 drawings/ --out refined/ --sheet made.png
                              all pictures of a folder, under their names
  minigan refine runs/simgan-mnist-1 glyphs --out refined.npz
                              a data set, as --data takes one; its labels stay
"""


def arguments(parser: argparse.ArgumentParser, argv: list[str]) -> None:
    parser.description = _DESCRIPTION
    parser.add_argument("directory", metavar="RUN", help="the folder of a run, or a checkpoint.npz")
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE|DATA",
        help="pictures, or folders of them; for an .npz one data set, with its labels",
    )
    parser.add_argument("--out", required=True, metavar="DIR|FILE.npz", help="a folder, new or empty, or an .npz")
    parser.add_argument("--sheet", metavar="FILE.png", help="pictures before and after, and the change, side by side")
    parser.add_argument("--split", choices=("train", "test"), default="train", help="of a data set (default: train)")
    parser.add_argument(
        "--draws",
        type=an_integer,
        default=1,
        metavar="N",
        help="in an .npz, so many refined pictures of each drawing, with noise of their own (default: 1)",
    )
    add_generator(parser)


def run(args: argparse.Namespace) -> int:
    settings = {name: value for name, value in vars(args).items() if name != "command"}
    say(f"{refine(**settings):,} pictures in {expand(args.out)}")
    return 0


def refine(
    directory: StrPath,
    files: Sequence[StrPath],
    out: StrPath,
    sheet: StrPath | None = None,
    split: Split = "train",
    seed: int | None = None,
    draws: int = 1,
    tile: int | None = None,
    averaged: bool = True,
) -> int:
    """Write what the refiner in `directory`, a run folder or a checkpoint, makes of drawings, to `out`.

    files: pictures and folders of them, for a folder `out`, new or empty, in which each result has the name of its
    drawing, as PNG; or one data set, as `minigan.datasets.load` takes it, for an .npz `out` with `images`, and `labels`
    if it has some. split: of the data set. sheet: a picture of the first of them before and after, which must be of one
    size. draws: how often the whole data set is refined, by the seeds `seed`, `seed` + 1, ... of a G with noise, one
    after the other. seed, tile, averaged: as of `Refinement.translate`.

    Returns how many pictures. Raises ValueError or FileNotFoundError for what cannot be used.
    """
    game, _ = load_game(directory, Refinement)
    target, beside = Path(expand(out)), None if sheet is None else Path(expand(sheet))
    table = target.suffix.lower() == ".npz"
    data, given, draws = None, list[Path](), integer("draws", draws)
    if draws > 1 and not (table and _has_noise(game)):
        why = "G has no noise, and makes one picture of a drawing" if table else "in a folder each picture has one name"
        raise ValueError(f"{draws} draws were asked for, but {why}")
    if table:
        check_files(target, beside)
        data = _data_set(files, game, split)
        parts: Iterator[Pixels] = repeat(data.images, draws)
    else:
        given = list(found(files))
        check_targets(target, given, beside)
        parts = read(given, "images")
    results, shown = list[Pixels](), list[dict[str, Pixels]]()
    first = game.seed if seed is None else seed
    for i, drawings in enumerate(parts):
        before = with_channels(drawings, game.input_shape[-1])
        made = game.translate(before, first + i if table else seed, averaged, tile)
        after = as_images(game, made, made.shape[1 : 3 if made.shape[-1] == 1 else 4])
        results.append(after)
        shown.append({"drawing": before, "refined": after, "change": change(before, after)})
    if beside is not None:
        save_sheet(str(beside), shown)
    if data is None:
        save_pictures(target, given, results)
    else:
        arrays: dict[str, np.ndarray[Any, Any]] = {"images": np.concatenate(results)}
        if data.labels is not None:
            names = data.names and [data.classes[label] for label in data.labels.tolist()]
            arrays["labels"] = np.tile(np.array(names) if names else data.labels, draws)
        archive.save(target, arrays)
    return sum(map(len, results))


def _has_noise(game: Refinement) -> bool:
    x = np.zeros((1, *game.input_shape), game.dtype)
    return bool((game.translate(x, 0) != game.translate(x, 1)).any())


def _data_set(files: Sequence[StrPath], game: Refinement, split: Split) -> Dataset:
    """Drawings by fonts are made as large as those that the game has learned from; others stay as they are."""
    if len(files) > 1:
        raise ValueError(
            f"one data set becomes one .npz, but {len(files)} files were given; give a folder, or --out DIR"
        )
    height, breadth, _ = game.input_shape
    drawn = str(files[0]).partition(":")[0] == "glyphs"
    return load_data(files[0], split, f"{breadth}x{height}" if drawn else None)
