"""`minigan sample`: images from a trained game, as a picture, as many single ones, or as an array."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import archive
from ..console import say
from ..files import require_folder
from ..game import Game
from ..game.generating import Generating
from ..games import MoleculeAAE, Words
from ..names import did_you_mean, not_one_of
from ..paths import StrPath, expand
from ..runs import pictures
from ..runs.fingerprints import save_fingerprints, screened
from ..runs.loop import columns_of, picture_of, whole_rows
from ..runs.noted import checkpoint_of, shape_and_classes
from ..runs.sheets import below, drawn
from ..runs.walks import WALKS
from ..samples import images_of, sample_images
from . import add_averaged, add_import, an_integer

_DESCRIPTION = """\
Make images with the GAN of a run, or of a checkpoint file. The same seed gives
the same images.

  minigan sample runs/quick-digits-1                      a grid of 100 images
  minigan sample runs/quick-digits-1 --out fakes/         single pictures
  minigan sample runs/quick-digits-1 --out fakes.npz      an array
  minigan sample runs/cgan-digits-1 --label 7             sevens, if it can
  minigan sample runs/cgan-pets-1 --label cat             the name of a folder
  minigan sample runs/infogan-digits-1 --grid traversal   what each code means
  minigan sample runs/infogan-digits-1 --ask c1=1.5       one of its codes
  minigan sample runs/words-mnist-1 --text "a thin 3, not leaning"
  minigan sample runs/molecules-1 --ask growth=7.5 --out hits.npz
                                              fingerprints with a wished effect
  minigan sample runs/molecules-1 --ask growth=7.5 --screen library.npz \\
                                  --out hits.csv    and molecules that are like
"""


def arguments(parser: argparse.ArgumentParser, argv: list[str]) -> None:
    parser.description = _DESCRIPTION
    parser.add_argument("directory", metavar="DIR", help="the folder of a run, or a checkpoint.npz")
    parser.add_argument(
        "--n",
        type=an_integer,
        metavar="N",
        help="how many images (default: 100), or rows of a --grid (default: 10, or 5)",
    )
    parser.add_argument(
        "--out",
        default="samples.png",
        metavar="FILE|DIR/",
        help="FILE.png, .jpg or .webp for a grid; FILE.npz for an array `images`, uint8 (N, H, W[, C]); DIR/, new or "
        "empty, for a picture of each (default: samples.png)",
    )
    parser.add_argument("--format", choices=tuple(_ENDS), default=None, help="of the pictures in DIR/ (default: png)")
    parser.add_argument(
        "--seed", type=an_integer, default=None, metavar="S", help="of the latents (default: that of the training)"
    )
    parser.add_argument(
        "--label",
        metavar="L",
        help="of a GAN with labels or categories: which to make, by name or number (default: all in turn)",
    )
    parser.add_argument(
        "--ask",
        metavar="NAME=X",
        action="append",
        help="what a number of the codes shall be, such as c1=1.5, or growth=7.5 of molecules; may be repeated",
    )
    parser.add_argument(
        "--text",
        metavar="TEXT",
        action="append",
        help="of a GAN that is asked in words: what to draw, N pictures of each (default: 10); may be repeated",
    )
    parser.add_argument(
        "--screen",
        metavar="LIBRARY.npz",
        help="of molecules: put a library into order, the likeliest under N such fingerprints first, into --out "
        "FILE.csv",
    )
    parser.add_argument(
        "--grid",
        choices=("samples", *WALKS),
        default="samples",
        help="rows from one latent to another, or rows in which one code changes (default: samples)",
    )
    parser.add_argument(
        "--z",
        metavar="FILE.npy",
        help="the latents themselves, (N, latent), or (N, latent + codes) for a GAN with codes",
    )
    add_averaged(parser, "of the average of G, where the GAN keeps one, or of G as its last update left it")
    add_import(parser)


def run(args: argparse.Namespace) -> int:
    settings = {name: value for name, value in vars(args).items() if name != "command"}
    count = sample(**settings)
    what = "molecules" if args.screen else "fingerprints or images" if args.ask else "images"
    say(f"{count:,} {what} in {expand(args.out)}")
    return 0


_ENDS = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}  # of the names of single pictures


def sample(
    directory: StrPath,
    n: int | None = None,
    seed: int | None = None,
    out: StrPath = "samples.png",
    averaged: bool = True,
    label: int | str | None = None,
    grid: str = "samples",
    z: StrPath | None = None,
    format: str | None = None,
    ask: Sequence[str] | Mapping[str, float] | None = None,
    screen: StrPath | None = None,
    text: Sequence[str] | None = None,
) -> int:
    """Write images of the game in `directory`, a run folder or a checkpoint, to `out`, and return how many.

    out: a .png, .jpg or .webp for a grid; an .npz; or a folder, new or empty, or a path that ends in /, for a picture
    of each, in `format` "png", "jpeg" or "webp". n: how many, or how many rows of a grid. averaged: as in
    `GAN.sample`. label: the name of a class of the data, or its number. grid: "samples", "interpolation" or
    "traversal", whose rows are those of runs/walks.py. z: a .npy of latents, as `GAN.latents` draws them, or of their
    noise alone; the codes are then those of the seed and the label. ask: numbers of continuous codes, by name, or
    as "name=number". text: sentences, of each of which n pictures are drawn, or by default those that the game has in
    mind. screen: a library of molecules to be put into order instead, in a .csv. A game of molecules
    writes fingerprints to an .npz (datasets/molecules.py).

    Raises ValueError for another kind of file or grid, a number below 1, a label that the GAN cannot be asked for,
    latents that do not fit, arguments that exclude each other or do not fit the game, or samples that are no images;
    FileNotFoundError where there is no checkpoint or no folder for `out`.
    """
    checkpoint, target = checkpoint_of(directory), Path(expand(out))
    single = target.is_dir() or os.fspath(out).endswith(("/", os.sep))
    _check_target(target, single, format, screen is not None)
    wishes = _wishes(ask)
    if seed is not None and not 0 <= seed < 2**62:
        raise ValueError(f"seed takes a whole number from 0 to 2^62 - 1, got {seed}")
    if grid not in ("samples", *WALKS):
        raise ValueError(not_one_of("grid", grid, ("samples", *WALKS)))
    if wishes and (z is not None or grid != "samples"):
        raise ValueError("--z and --grid say what the codes are; leave out --ask")
    if z is not None and (n is not None or grid != "samples"):
        raise ValueError("--z says how many images there are, and which; leave out --n and --grid")
    game = Game.load(checkpoint)
    shape, classes = shape_and_classes(checkpoint, game)
    label = None if label is None else _class(label, classes)
    rows = columns = None
    texts: list[str] = []
    if screen is not None or (isinstance(game, MoleculeAAE) and target.suffix.lower() == ".npz"):
        if not isinstance(game, MoleculeAAE):
            raise ValueError(f"a {type(game).__name__} is no game of molecules; leave out --screen")
        if label is not None or z is not None or grid != "samples" or not averaged:
            raise ValueError("molecules are asked for by --ask; leave out --label, --z, --grid and --averaged")
        if screen is None:
            return save_fingerprints(target, game, 100 if n is None else n, seed, wishes)
        return screened(target, game, screen, 1000 if n is None else n, seed, wishes)
    if text is not None and not isinstance(game, Words):
        raise ValueError(f"a {type(game).__name__} is not asked in words; leave out --text")
    if isinstance(game, Words) and z is None and grid == "samples":
        if label is not None or wishes:
            raise ValueError('this GAN is asked in words: --text "a thick seven"; leave out --label and --ask')
        texts, n = game.examples(10) if text is None else list(text), 10 if n is None else n
        blocks = [drawn(game, texts, n, shape, seed=seed, averaged=averaged)]
    elif text is not None:
        raise ValueError("--text says what is drawn; leave out --z and --grid")
    elif not isinstance(game, Generating):
        if label is not None or z is not None or grid != "samples" or not averaged or wishes:
            kind = type(game).__name__
            raise ValueError(f"a {kind} has no G of latents; leave out --label, --z, --grid, --ask and --averaged")
        blocks = [sample_images(game, 100 if n is None else n, shape, seed)]
    elif z is not None:
        blocks = [images_of(game, _latents(game, z, seed, label), shape, averaged)]
    elif grid == "samples":
        columns = columns_of(100 if n is None else n, classes) if label is None else None
        n = whole_rows(100, columns) if n is None else n
        labels = game.in_turn(n) if label is None else label
        blocks = [sample_images(game, n, shape, seed, averaged=averaged, label=labels, ask=wishes)]
    else:
        rows = {"interpolation": 10, "traversal": 5}[grid] if n is None else n
        blocks = [images_of(game, latents, shape, averaged) for latents in WALKS[grid](game, rows, seed, label)]
    if single:
        pictures.save_each(target, np.concatenate(blocks), _ENDS[format or "png"])
    elif target.suffix.lower() == ".npz":
        archive.save(target, {"images": np.concatenate(blocks)})
    elif texts:
        pictures.save_picture(target, below(blocks[0], texts, len(blocks[0]) // len(texts)))
    elif rows is None:
        pictures.save_picture(target, picture_of(blocks[0], classes, columns))
    else:
        pictures.save_picture(target, pictures.stacked([pictures.grid(block, rows) for block in blocks]))
    return sum(map(len, blocks))


def _class(label: int | str, classes: Sequence[str]) -> int:
    """The number of a class, given by its name; by its number where names are no numbers themselves."""
    text = str(label)
    if text in classes:
        return classes.index(text)
    if text.isascii() and text.isdecimal() and len(text) < 19 and not any(name.isdecimal() for name in classes):
        return int(text)
    if not classes:
        raise ValueError(f"this GAN knows its labels by numbers only, from 0, got {text!r}")
    listed = f"; it has {', '.join(classes[:20])}{', ...' if len(classes) > 20 else ''}"
    raise ValueError(f"this GAN has no class {text!r}{did_you_mean(text, classes) or listed}")


def _wishes(ask: Sequence[str] | Mapping[str, float] | None) -> dict[str, float]:
    """Numbers by name, of "name=number"; ValueError for anything else."""
    if isinstance(ask, Mapping):
        return dict(ask)
    wishes: dict[str, float] = {}
    for wish in ask or ():
        name, _, number = wish.partition("=")
        try:
            wishes[name] = float(number)
        except ValueError:
            raise ValueError(f"--ask takes NAME=X with a number X, such as growth=7.5, got {wish!r}") from None
    return wishes


def _check_target(target: Path, single: bool, format: str | None, table: bool) -> None:
    """Refuse now what could not be written after all the work. table: whether it is to be one."""
    if table:
        if single or target.suffix.lower() != ".csv":
            raise ValueError(f"--screen writes a table: --out FILE.csv was expected, got {target}")
        require_folder(target.parent, target.name)
        return
    if format is not None and format not in _ENDS:
        raise ValueError(not_one_of("format", format, _ENDS))
    if format is not None and not single:
        raise ValueError(f"--format is that of single pictures in a folder, --out DIR/; {target} says its own")
    require_folder(target.parent, target.name)
    if single and target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ValueError(f"{target} is not an empty folder, and single pictures need one; choose another --out")
    if not single and target.suffix.lower() not in (".npz", *pictures.FORMATS):
        ends = ", ".join(end.removeprefix(".") for end in pictures.FORMATS)
        raise ValueError(
            f"--out is {target}, but FILE.png for a grid (or {ends}), FILE.npz for an array or DIR/ for single "
            "pictures was expected"
        )
    if single or target.suffix.lower() != ".npz":
        pictures.require("Pillow")
        pictures.format_of(f"a{_ENDS[format or 'png']}" if single else target)


def _latents(gan: Generating, file: StrPath, seed: int | None, label: int | None) -> NDArray[np.floating[Any]]:
    """The latents (N, latent + codes) that a file holds, or whose noise it holds. Raises ValueError if it does not."""
    where = expand(file)
    if not os.path.isfile(where):
        raise FileNotFoundError(f"there is no file {where}; give a .npy of latents, as numpy.save writes it")
    try:
        z = np.lib.format.open_memmap(where, mode="r")  # unpickles nothing, and believes no length
    except Exception as error:  # its header, a Python literal written by anyone, can be wrong in many ways
        raise ValueError(f"{where} is no .npy of numbers, as numpy.save writes it: {error}") from None
    noise, width = gan.latent, gan.latents(1).shape[1]
    if z.dtype.kind not in "fiu" or z.ndim != 2 or len(z) == 0 or z.shape[1] not in (noise, width):
        codes = f", or (N, {width}) with its codes" if width != noise else ""
        raise ValueError(
            f"{where} holds an array of {z.dtype} and shape {z.shape}, but latents of this GAN are numbers of shape "
            f"(N, {noise}){codes}"
        )
    if not np.isfinite(z).all():
        raise ValueError(f"{where} holds numbers that are not finite")
    if z.shape[1] == noise < width:
        drawn = gan.latents(len(z), seed, gan.in_turn(len(z)) if label is None else label)
        drawn[:, :noise] = z
        return drawn
    if seed is not None or label is not None:
        raise ValueError(f"{where} holds all that there is to choose; leave out --seed and --label")
    return np.array(z, gan.G.dtype)
