"""`minigan evaluate`: how good the samples of trained GANs are, several of them in one table."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..console import columns, say
from ..evaluation import evaluate
from ..paths import expand
from . import add_import, an_integer, backend_argument, check_file

_DESCRIPTION = """\
Judge GANs by their samples, next to real test images: the Fréchet distance to
the training images, precision and recall, the share of each class, and whether
samples are copies of training images. The features are those of a small
classifier that is trained on the data once, and kept.

  minigan evaluate runs/gan-digits-1 runs/gan-digits-2   two runs in one table
  minigan evaluate pictures/ --data photos/ --size 32    a folder of pictures
  minigan evaluate fakes.npz --data mnist                samples from anywhere:
                                      `images`, uint8 (N, H, W) or (N, H, W, C)
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
        "--n", type=an_integer, default=10_000, metavar="N", help="samples of each GAN, and real ones (default: 10000)"
    )
    parser.add_argument(
        "--seed", type=an_integer, default=None, metavar="S", help="of the latents (default: that of the training)"
    )
    parser.add_argument(
        "--size", metavar="N|WxH", help="scale and crop data and pictures to this (default: as the runs have it)"
    )
    parser.add_argument("--backend", default="auto", **backend_argument())
    add_import(parser)
    parser.add_argument("--json", metavar="FILE", help="write all figures to FILE as well")


def run(args: argparse.Namespace) -> int:
    target = None if args.json is None else Path(expand(args.json))
    if target is not None:
        check_file("--json", target)
    report = evaluate(args.sources, args.data, n=args.n, seed=args.seed, size=args.size, backend=args.backend, say=_say)
    say(report.text(columns()))
    if target is not None:
        report.save(target)
    return 0


def _say(sentence: str) -> None:
    say(sentence, to="stderr")
