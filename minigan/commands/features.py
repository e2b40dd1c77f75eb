"""`minigan features`: what a network of a game makes of pictures, as rows of numbers."""

from __future__ import annotations

import argparse

from ..console import say
from ..evaluation.embeddings import save_features
from ..paths import expand
from . import add_features

_DESCRIPTION = """\
Write what the discriminator of a run makes of pictures at its hidden layers: a
row of numbers for each, for classifiers, for plots, for search. Maps of
convolutions are averaged to 4 x 4 parts.

  minigan features runs/dcgan-mnist-1 mnist --out train.npz
  minigan features runs/dcgan-mnist-1 mnist --split test --out test.npz
  minigan features runs/dcgan-photos-1 photos/ --standardise --out photos.npz

FILE.npz holds `features`, float32 (N, F), `labels` if the data has some,
`layers`, and `widths`, how many columns come from each; with --standardise
also `mean` and `std`, those of the training images, by which it was done.
"""


def arguments(parser: argparse.ArgumentParser, argv: list[str]) -> None:
    parser.description = _DESCRIPTION
    parser.add_argument("directory", metavar="RUN", help="the folder of a run, or a checkpoint.npz")
    parser.add_argument("data", metavar="DATA", help="as in train; scaled to the pictures of the run")
    parser.add_argument("--out", required=True, metavar="FILE.npz", help="for the features")
    parser.add_argument("--split", choices=("train", "test"), default="train", help="of the data (default: train)")
    parser.add_argument(
        "--standardise",
        action="store_true",
        help="bring each column to mean 0 and standard deviation 1 on the training images of DATA",
    )
    add_features(parser)


def run(args: argparse.Namespace) -> int:
    rows, numbers = save_features(
        args.directory, args.data, args.out, net=args.net, layers=args.layers, pool=args.pool, split=args.split,
        standardise=args.standardise, backend=args.backend,
    )  # fmt: skip
    say(f"{rows:,} pictures, {numbers:,} numbers each, in {expand(args.out)}")
    return 0
