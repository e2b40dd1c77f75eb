"""`minigan translate`: pictures in, pictures out, by the G of a trained game about pairs of pictures."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .. import archive
from ..console import say
from ..datasets import Dataset
from ..datasets.tasks import TASKS, Task, make_pairs
from ..game.saved import extra
from ..games import Translation
from ..metrics import psnr
from ..paths import StrPath, expand
from ..runs.picture_files import Pixels, check_targets, found, load_game, read, save_pictures, save_sheet, with_channels
from ..samples import as_images
from . import add_generator

_DESCRIPTION = """\
Make pictures of pictures, with the G of a run of pix2pix: of any size that it
can take, in tiles where they are large.

  minigan translate runs/pix2pix-photos-1 small.png --out large/
  minigan translate runs/pix2pix-photos-1 holiday/ --out large/
                              all pictures of a folder, under their names
  minigan translate runs/pix2pix-photos-1 photo.jpg --make-inputs --out test/
                              first makes the input, as in training
  minigan translate runs/pix2pix-digits-1 frames.npz --out next.npz
                              `inputs`, uint8 (N, H, W[, C]); `images` come out
"""


def arguments(parser: argparse.ArgumentParser, argv: list[str]) -> None:
    parser.description = _DESCRIPTION
    parser.add_argument("directory", metavar="RUN", help="the folder of a run, or a checkpoint.npz")
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="pictures, folders of them, or one .npz with an array `inputs`"
    )
    parser.add_argument(
        "--out", required=True, metavar="DIR|FILE.npz", help="a folder, new or empty; an .npz where FILE is one"
    )
    parser.add_argument(
        "--make-inputs",
        action="store_true",
        help="the files are pictures as they shall become: make inputs of them, as in training, and say how near the "
        "results come (PSNR)",
    )
    parser.add_argument("--sheet", metavar="FILE.png", help="pictures before and after, side by side, of one size")
    add_generator(parser)


def run(args: argparse.Namespace) -> int:
    settings = {name: value for name, value in vars(args).items() if name != "command"}
    count, figures = translate(**settings)
    say(f"{count:,} pictures in {expand(args.out)}")
    if figures is not None:
        say(f"PSNR, mean of the pictures: inputs {figures[0]:.2f} dB, results {figures[1]:.2f} dB")
    return 0


def translate(
    directory: StrPath,
    files: Sequence[StrPath],
    out: StrPath,
    make_inputs: bool = False,
    sheet: StrPath | None = None,
    seed: int | None = None,
    tile: int | None = None,
    averaged: bool = True,
) -> tuple[int, tuple[float, float] | None]:
    """Write what the game in `directory`, a run folder or a checkpoint, makes of pictures, to `out`.

    files: pictures and folders of them, for a folder `out`, new or empty, in which each result has the name of its
    picture, as PNG; or one .npz with `inputs`, for an .npz `out` with `images`. make_inputs: the files are pictures as
    they shall become (of an .npz its `images`), of which the task of the training makes inputs. sheet: a picture of the
    first of them before and after, which must be of one size. seed, tile, averaged: as of `Translation.translate`.

    Returns how many pictures, and, with make_inputs, the mean PSNR in dB of inputs and of results; None without.
    Raises ValueError or FileNotFoundError for what cannot be used.
    """
    game, checkpoint = load_game(directory, Translation)
    target, task = Path(expand(out)), _task(checkpoint)
    if make_inputs and task is None:
        raise ValueError(f"{checkpoint} learned from pairs of files, and no task says how inputs are made; give inputs")
    given_files = list(found(files))
    check_targets(target, given_files, None if sheet is None else Path(expand(sheet)))
    shown: list[dict[str, Pixels]] = []
    results, before, after = list[Pixels](), list[float](), list[float]()
    for given in read(given_files, "images" if make_inputs else "inputs"):
        columns = _asked(given, task, make_inputs, game.input_shape[-1])
        made = game.translate(columns["input"], seed, averaged, tile)
        result = as_images(game, made, made.shape[1 : 3 if made.shape[-1] == 1 else 4])
        if task is not None:
            task.keep(result, columns["input"])
        if make_inputs:
            before += psnr(_as(columns["input"], result), columns["wanted"]).tolist()
            after += psnr(result, columns["wanted"]).tolist()
        results.append(result)
        shown.append({"input": columns["input"], "made of it": result} | columns)
    if sheet is not None:
        save_sheet(expand(sheet), shown)
    if target.suffix.lower() == ".npz":
        archive.save(target, {"images": np.concatenate(results)})
    else:
        save_pictures(target, given_files, results)
    count = sum(map(len, results))
    return count, (float(np.mean(before)), float(np.mean(after))) if make_inputs else None


def _task(checkpoint: Path) -> Task | None:
    """The task of the training, which a run has noted; None for pairs of files."""
    settings = extra(checkpoint).get("settings")
    options = settings.get("options") if isinstance(settings, dict) else None
    name = options.get("task") if isinstance(options, dict) and not options.get("swap") else None
    return TASKS.get(name) if isinstance(name, str) else None


def _asked(given: Pixels, task: Task | None, make_inputs: bool, channels: int) -> dict[str, Pixels]:
    """What G is given of pictures (N, h, w[, C]), and what is wanted of it, where that is known."""
    if make_inputs and task is not None:
        pairs = make_pairs(Dataset(given, None, "the file"), task.name, "test")
        return {"input": with_channels(pairs.inputs, channels), "wanted": pairs.images}
    prepared = given if task is None else np.stack([task.prepare(picture) for picture in given])
    return {"input": with_channels(prepared, channels)}


def _as(images: Pixels, like: Pixels) -> Pixels:
    """Inputs with the channels of results, so that both can be compared."""
    return with_channels(images[..., -1] if images.ndim == 4 and images.shape[3] not in (1, 3) else images,
                          like.shape[3] if like.ndim == 4 else 1)  # fmt: skip
