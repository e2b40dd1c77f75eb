"""Pictures that a command reads, and those that it makes of them: files, folders of files, or one `.npz`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from .. import archive
from ..datasets.pictures import SUFFIXES
from ..datasets.pictures import read as read_pictures
from ..datasets.tasks.luminance import luminance
from ..files import require_folder
from ..game import Game
from ..games.image_to_image import ImageToImage
from ..paths import StrPath, expand
from . import pictures
from .noted import checkpoint_of
from .sheets import sheet

Pixels = NDArray[np.uint8]
Kind = TypeVar("Kind", bound=ImageToImage)
_SHOWN = 24  # questions in a sheet


def load_game(directory: StrPath, kind: type[Kind]) -> tuple[Kind, Path]:
    """The game in a run folder or a checkpoint, if it is of this kind, and the file of its checkpoint.

    Raises FileNotFoundError where there is none, and ValueError, naming the right command, for one of another kind.
    """
    checkpoint = checkpoint_of(directory)
    game = Game.load(checkpoint)
    if not isinstance(game, kind):
        command, of = (game.command, "others") if isinstance(game, ImageToImage) else ("sample", "noise")
        held = f"a {type(game).__name__}, which makes pictures of {of}"
        raise ValueError(f"{checkpoint} holds {held}: see minigan {command}")
    return game, checkpoint


def found(files: Sequence[StrPath]) -> Iterator[Path]:
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


def check_targets(target: Path, found: Sequence[Path], sheet: Path | None) -> None:
    """Refuse now what could not be written after all the work."""
    table = target.suffix.lower() == ".npz"
    tables = [file for file in found if file.suffix.lower() == ".npz"]
    if table != bool(tables) or (tables and len(found) > 1):
        raise ValueError(
            "one .npz with `inputs` becomes one .npz, and pictures become pictures in a folder; got "
            f"{len(tables)} .npz and {len(found) - len(tables)} pictures for --out {target}"
        )
    check_files(target, sheet)
    if table:
        return
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ValueError(f"{target} is not an empty folder, and pictures need one; choose another --out")
    if len(set(names(found))) < len(found):
        raise ValueError("two of the pictures have one name, and would become one file; give them one after the other")


def check_files(target: Path, sheet: Path | None) -> None:
    """Refuse a file whose folder is not there, and a sheet that could not be drawn."""
    pictures.require("Pillow")
    require_folder(target.parent, target.name)
    if sheet is not None:
        require_folder(sheet.parent, sheet.name)
        pictures.format_of(sheet)


def names(found: Sequence[Path]) -> list[str]:
    return [f"{file.stem}.png" for file in found]


def read(found: Sequence[Path], array: str) -> Iterator[Pixels]:
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


def with_channels(images: Pixels, channels: int) -> Pixels:
    """Pictures (N, H, W[, C]) with as many channels as G takes: grey as colour, or colour as grey."""
    have = images.shape[3] if images.ndim == 4 else 1
    if have == channels:
        return images
    if (have, channels) == (1, 3):
        return np.repeat(images.reshape(*images.shape[:3], 1), 3, axis=3)
    if (have, channels) == (3, 1):
        return luminance(images)
    raise ValueError(f"G takes pictures of {channels} channels, got {have}; give them in an .npz, as `inputs`")


def save_sheet(path: str, shown: Sequence[dict[str, Pixels]]) -> None:
    columns = {name: [one for part in shown for one in part[name]][:_SHOWN] for name in shown[0]}
    sizes = {one.shape[:2] for column in columns.values() for one in column}
    if len(sizes) > 1:
        raise ValueError("a sheet shows pictures of one size; leave out --sheet, or give such pictures")
    pictures.save_picture(path, sheet({name: np.stack(part) for name, part in columns.items()}))


def save_pictures(target: Path, files: Sequence[Path], results: Sequence[Pixels]) -> None:
    """Into a folder, under the names of the files that they were made of."""
    target.mkdir(exist_ok=True)
    for name, result in zip(names(files), results, strict=True):
        pictures.save_picture(target / name, result[0])
