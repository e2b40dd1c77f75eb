"""`minigan sample`: images from a trained GAN, as a picture or as an array."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from .. import archive
from ..checkpoint import extra
from ..codes import Label
from ..gan import GAN
from ..runs import pictures
from ..runs.loop import columns_of, images_of, in_turn, picture_of, sample_images, whole_rows
from ..runs.walks import WALKS
from . import add_import, whole

_DESCRIPTION = """\
Make images with the GAN of a run, or of a checkpoint file. The same seed gives the same images.

  minigan sample runs/gan-digits-1                                   a grid of 100, in samples.png
  minigan sample runs/gan-digits-1 --n 10000 --seed 7 --out fakes.npz
  minigan sample runs/cgan-digits-1 --label 7                        sevens, of a GAN that knows labels
  minigan sample runs/cgan-pets-1 --label cat                        cats: the name of the folder they were in
  minigan sample runs/infogan-digits-1 --grid traversal              what each code means
"""


def arguments(parser: argparse.ArgumentParser, argv: list[str]) -> None:
    parser.description = _DESCRIPTION
    parser.add_argument("directory", metavar="DIR", help="the folder of a run, or a checkpoint.npz")
    parser.add_argument(
        "--n", type=whole, metavar="N", help="how many images (default: 100), or rows of a --grid (default: 10, or 5)"
    )
    parser.add_argument(
        "--label",
        metavar="L",
        help="of a GAN with labels or categories: which to make, by name or number (default: all in turn)",
    )
    parser.add_argument(
        "--grid",
        choices=("samples", *WALKS),
        default="samples",
        help="rows from one latent to another, or rows in which one code changes (default: samples)",
    )
    parser.add_argument(
        "--seed", type=whole, default=None, metavar="S", help="of the latents (default: that of the training)"
    )
    parser.add_argument(
        "--averaged",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="of the average of G, where the GAN keeps one, or of G as its last update left it (default: --averaged)",
    )
    parser.add_argument(
        "--out",
        default="samples.png",
        metavar="FILE",
        help="FILE.png for a grid, or FILE.npz for an array `images`, uint8 (N, H, W[, C]) (default: samples.png)",
    )
    add_import(parser)


def run(args: argparse.Namespace) -> int:
    count = sample(args.directory, args.n, args.seed, args.out, args.averaged, args.label, args.grid)
    print(f"{count:,} images in {args.out}")
    return 0


def sample(
    directory: str | os.PathLike[str],
    n: int | None = None,
    seed: int | None = None,
    out: str | os.PathLike[str] = "samples.png",
    averaged: bool = True,
    label: int | str | None = None,
    grid: str = "samples",
) -> int:
    """Write images of the GAN in `directory`, a run folder or a checkpoint, to `out`, a .png or .npz; returns how many.

    n: how many, or how many rows of a grid. averaged: as in `GAN.sample`. label: the name of a class of the data, or
    its number. grid: "samples", "interpolation" or "traversal", whose rows are those of runs/walks.py.

    Raises ValueError for another kind of file or grid, a number below 1, a label that the GAN cannot be asked for or a
    GAN whose samples are no images, and FileNotFoundError where there is no checkpoint or no folder for `out`.
    """
    path, target = Path(directory), Path(out)
    if not path.exists():
        raise FileNotFoundError(f"there is no {path}; give the folder of a run, or a checkpoint.npz")
    suffix = target.suffix.lower()
    if suffix not in (".png", ".npz"):
        raise ValueError(f"--out is {target}, but FILE.png for a grid or FILE.npz for an array was expected")
    if not target.absolute().parent.is_dir():
        raise FileNotFoundError(f"there is no folder {target.parent} to write {target.name} into; create it first")
    if seed is not None and not 0 <= seed < 2**62:
        raise ValueError(f"seed takes a whole number from 0 to 2^62 - 1, got {seed}")
    if suffix == ".png":
        pictures.require()
    checkpoint = path / "checkpoint.npz" if path.is_dir() else path
    gan = GAN.load(checkpoint)
    shape, classes = _noted(checkpoint, gan)
    label = None if label is None else _class(label, classes)
    if grid == "samples":
        columns = columns_of(100 if n is None else n, classes) if label is None else None
        n = whole_rows(100, columns) if n is None else n
        blocks = [sample_images(gan, n, shape, seed, averaged, in_turn(gan, n) if label is None else label)]
    elif grid in WALKS:
        rows = {"interpolation": 10, "traversal": 5}[grid] if n is None else n
        blocks = [images_of(gan, z, shape, averaged) for z in WALKS[grid](gan, rows, seed, label)]
    else:
        raise ValueError(f"grid must be one of samples, {', '.join(WALKS)}, got {grid!r}")
    if suffix == ".png" and grid == "samples":
        pictures.save_png(target, picture_of(blocks[0], classes, columns))
    elif suffix == ".png":
        pictures.save_png(target, pictures.stacked([pictures.grid(block, rows) for block in blocks]))
    else:
        archive.save(target, {"images": np.concatenate(blocks)})
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
    close = get_close_matches(text, classes, n=1)
    listed = f"it has {', '.join(classes[:20])}{', ...' if len(classes) > 20 else ''}"
    raise ValueError(f"this GAN has no class {text!r}; {f'did you mean {close[0]!r}?' if close else listed}")


def _noted(checkpoint: Path, gan: GAN) -> tuple[tuple[int, ...], list[str]]:
    """The shape of an image, as a run has noted it or as far as it can be seen from the samples; names of classes."""
    kept = extra(checkpoint)
    noted, names = kept.get("shape"), kept.get("classes")
    if noted is not None and not (isinstance(noted, list) and all(type(n) is int and n > 0 for n in noted)):
        raise ValueError(f"{checkpoint} notes {noted!r:.60} as the shape of an image, but whole numbers were expected")
    first = gan.codes[0] if gan.codes else None
    if not (isinstance(names, list) and all(type(name) is str for name in names) and isinstance(first, Label)
            and first.k == len(names)):  # fmt: skip
        names = []
    shape = tuple(noted or gan.sample_shape)
    side = math.isqrt(shape[0]) if len(shape) == 1 else 0
    if side * side == shape[0]:
        shape = (side, side)
    if len(shape) not in (2, 3) or math.prod(shape) != math.prod(gan.sample_shape):
        raise ValueError(f"{checkpoint} makes samples of shape {shape}, which are no images; use GAN.load and sample")
    return shape, names
