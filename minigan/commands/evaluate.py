"""`minigan evaluate`: how good the samples of trained GANs are, several of them in one table."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..backend import NAMES
from ..evaluation import evaluate
from . import add_import, whole

_DESCRIPTION = """\
Judge GANs by their samples, next to real test images: the Fréchet distance to the training images, precision and
recall, the share of each class, and whether samples are copies of training images. The features are those of a small
classifier that is trained on the data once, and kept.

  minigan evaluate runs/gan-digits-1 runs/gan-digits-2          two runs in one table
  minigan evaluate pictures/ --data photos/ --size 32           a folder of pictures, from anywhere
  minigan evaluate fakes.npz --data mnist --json figures.json   samples from anywhere, as `images`, uint8 (N, H, W[, C])
"""


def arguments(parser: argparse.ArgumentParser, argv: list[str]) -> None:
    parser.description = _DESCRIPTION
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="DIR|FILE.npz",
        help="the folder of a run or of pictures, a checkpoint.npz, or samples",
    )
    parser.add_argument(
        "--data", metavar="DATA", help="what samples should look like, as in train (default: what the runs learned)"
    )
    parser.add_argument(
        "--n", type=whole, default=10_000, metavar="N", help="samples of each GAN, and real ones (default: 10000)"
    )
    parser.add_argument(
        "--seed", type=whole, default=None, metavar="S", help="of the latents (default: that of the training)"
    )
    parser.add_argument(
        "--size", metavar="N|WxH", help="scale and crop data and pictures to this (default: as the runs have it)"
    )
    parser.add_argument(
        "--backend",
        choices=[name for name in NAMES if name != "reference"],
        default="auto",
        help="auto takes CuPy where there is a GPU, else Numba if it is installed (default: auto)",
    )
    add_import(parser)
    parser.add_argument("--json", metavar="FILE", help="write all figures to FILE as well")


def run(args: argparse.Namespace) -> int:
    if args.json is not None:
        _check_target(Path(args.json))
    report = evaluate(args.sources, args.data, n=args.n, seed=args.seed, size=args.size, backend=args.backend, say=_say)
    print(report.text())
    if args.json is not None:
        report.save(args.json)
    return 0


def _check_target(target: Path) -> None:
    """Refuse now what could not be written after all the work."""
    if target.is_dir():
        raise ValueError(f"--json takes a file, but {target} is a folder")
    if not target.absolute().parent.is_dir():
        raise FileNotFoundError(f"there is no folder {target.parent} to write {target.name} into; create it first")


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
