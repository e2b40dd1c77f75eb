"""`minigan translate`: pictures in, pictures out, by the G of a trained game about pairs of pictures."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .. import archive
from ..console import say
from ..datasets import Dataset
from ..datasets.pictures import SUFFIXES
from ..datasets.pictures import read as read_pictures
from ..datasets.tasks import TASKS, Task, make_pairs
from ..datasets.tasks.luminance import luminance
from ..files import require_folder
from ..game import Game
from ..game.saved import extra
from ..games import Translation
from ..metrics import psnr
from ..paths import StrPath, expand
from ..runs import pictures
from ..runs.sheets import sheet
from ..samples import as_images
from . import add_import, an_integer

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

Pixels = NDArray[np.uint8]
_SHOWN = 24  # questions in a sheet


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
    parser.add_argument("--seed", type=an_integer, metavar="S", help="of the noise in G, if it has some")
    parser.add_argument("--tile", type=an_integer, metavar="N", help="side of a tile (default: what memory allows)")
    parser.add_argument(
        "--averaged",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="by the average of G, where the run keeps one (default: --averaged)",
    )
    add_import(parser)


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
    path, target = Path(expand(directory)), Path(expand(out))
    if not path.exists():
        raise FileNotFoundError(f"there is no {path}; give the folder of a run, or a checkpoint.npz")
    checkpoint = path / "checkpoint.npz" if path.is_dir() else path
    game = Game.load(checkpoint)
    if not isinstance(game, Translation):
        raise ValueError(f"{path} holds a {type(game).__name__}, which makes pictures of noise: see minigan sample")
    task = _task(checkpoint)
    if make_inputs and task is None:
        raise ValueError(f"{path} learned from pairs of files, and no task says how inputs are made; give inputs")
    found = list(_found(files))
    _check_targets(target, found, None if sheet is None else Path(expand(sheet)))
    shown: list[dict[str, Pixels]] = []
    results, before, after = list[Pixels](), list[float](), list[float]()
    for given in _read(found, "images" if make_inputs else "inputs"):
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
        _save_sheet(expand(sheet), shown)
    if target.suffix.lower() == ".npz":
        archive.save(target, {"images": np.concatenate(results)})
    else:
        target.mkdir(exist_ok=True)
        for name, result in zip(_names(found), results, strict=True):
            pictures.save_picture(target / name, result[0])
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
        return {"input": _with_channels(pairs.inputs, channels), "wanted": pairs.images}
    prepared = given if task is None else np.stack([task.prepare(picture) for picture in given])
    return {"input": _with_channels(prepared, channels)}


def _found(files: Sequence[StrPath]) -> Iterator[Path]:
    """The files, and those in the folders among them, in order. Raises FileNotFoundError, or ValueError for none."""
    for file in files:
        path = Path(expand(file))
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())
            if not inside:
                raise ValueError(f"there are no pictures in {path}")
            yield from inside
        elif path.is_file():
            yield path
        else:
            raise FileNotFoundError(f"there is no {path}; give pictures, folders of them, or an .npz")


def _check_targets(target: Path, found: Sequence[Path], sheet: Path | None) -> None:
    """Refuse now what could not be written after all the work."""
    pictures.require("Pillow")
    table = target.suffix.lower() == ".npz"
    tables = [file for file in found if file.suffix.lower() == ".npz"]
    if table != bool(tables) or (tables and len(found) > 1):
        raise ValueError(
            "one .npz with `inputs` becomes one .npz, and pictures become pictures in a folder; got "
            f"{len(tables)} .npz and {len(found) - len(tables)} pictures for --out {target}"
        )
    require_folder(target.parent, target.name)
    if not table and target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ValueError(f"{target} is not an empty folder, and pictures need one; choose another --out")
    if not table and len(set(_names(found))) < len(found):
        raise ValueError("two of the pictures have one name, and would become one file; give them one after the other")
    if sheet is not None:
        require_folder(sheet.parent, sheet.name)
        pictures.format_of(sheet)


def _names(found: Sequence[Path]) -> list[str]:
    return [f"{file.stem}.png" for file in found]


def _read(found: Sequence[Path], array: str) -> Iterator[Pixels]:
    """Pictures (N, h, w[, C]) that go through G together: all of an .npz, or one file after the other."""
    for file in found:
        if file.suffix.lower() != ".npz":
            yield read_pictures([os.fspath(file)], large=True)[0]
            continue
        if array not in archive.peek(file):
            raise ValueError(f"{file} has no array {array!r}, of pictures (N, H, W) or (N, H, W, C)")
        images = archive.load(file, only={array})[0][array]
        if images.dtype != np.uint8 or images.ndim not in (3, 4) or not images.size:
            raise ValueError(
                f"the array {array!r} of {file} is {images.dtype} of shape {images.shape}, but uint8 (N, H, W) or "
                "(N, H, W, C) was expected"
            )
        yield images


def _with_channels(images: Pixels, channels: int) -> Pixels:
    """Pictures (N, H, W[, C]) with as many channels as G takes: grey as colour, or colour as grey."""
    have = images.shape[3] if images.ndim == 4 else 1
    if have == channels:
        return images
    if (have, channels) == (1, 3):
        return np.repeat(images.reshape(*images.shape[:3], 1), 3, axis=3)
    if (have, channels) == (3, 1):
        return luminance(images)
    raise ValueError(f"G takes pictures of {channels} channels, got {have}; give them in an .npz, as `inputs`")


def _as(images: Pixels, like: Pixels) -> Pixels:
    """Inputs with the channels of results, so that both can be compared."""
    return _with_channels(images[..., -1] if images.ndim == 4 and images.shape[3] not in (1, 3) else images,
                          like.shape[3] if like.ndim == 4 else 1)  # fmt: skip


def _save_sheet(path: str, shown: Sequence[dict[str, Pixels]]) -> None:
    columns = {name: [one for part in shown for one in part[name]][:_SHOWN] for name in shown[0]}
    sizes = {one.shape[:2] for column in columns.values() for one in column}
    if len(sizes) > 1:
        raise ValueError("a sheet shows pictures of one size; leave out --sheet, or give such pictures")
    pictures.save_picture(path, sheet({name: np.stack(part) for name, part in columns.items()}))
