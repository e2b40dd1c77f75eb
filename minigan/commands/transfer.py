"""`minigan transfer`: what few labels are worth on top of a discriminator."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..console import columns, say
from ..evaluation.few_labels import DRAWS, STEPS, transfer
from ..paths import expand
from . import add_features, an_integer, check_file

_DESCRIPTION = """\
How far do few labels go on the features of a discriminator, which has seen
pictures without any? The same labels go to a linear probe and to the nearest
neighbour on pixels, on their principal components, on a D of the same layers
that never played, and on D; and D is fine-tuned, beside the same network from
scratch. All are tested on all test images, over several draws of labels.

  minigan transfer runs/dcgan-mnist-1 mnist --labels 100
  minigan transfer runs/dcgan-mnist-1 mnist --labels 1000 --draws 3 --steps 0
  minigan transfer runs/ssgan-mnist-1 mnist --labels 100 --layers 1 4
"""


def arguments(parser: argparse.ArgumentParser, argv: list[str]) -> None:
    parser.description = _DESCRIPTION
    parser.add_argument("directory", metavar="RUN", help="the folder of a run, or a checkpoint.npz")
    parser.add_argument("data", metavar="DATA", help="with labels, as in train; scaled to the pictures of the run")
    parser.add_argument(
        "--labels", type=an_integer, required=True, metavar="N", help="in all, as many of each class, 2 at least"
    )
    parser.add_argument(
        "--draws", type=an_integer, default=DRAWS, metavar="N", help=f"how often labels are drawn (default: {DRAWS})"
    )
    parser.add_argument(
        "--steps", type=an_integer, default=STEPS, metavar="N",
        help=f"of fine-tuning; 0 leaves it out (default: {STEPS})",
    )  # fmt: skip
    parser.add_argument(
        "--seed", type=an_integer, default=0, metavar="S", help="of labels, batches and fresh weights (default: 0)"
    )
    add_features(parser)
    parser.add_argument("--json", metavar="FILE", help="write all figures to FILE as well")


def run(args: argparse.Namespace) -> int:
    target = None if args.json is None else Path(expand(args.json))
    if target is not None:
        check_file("--json", target)
    report = transfer(
        args.directory, args.data, args.labels, net=args.net, layers=args.layers, pool=args.pool, draws=args.draws,
        steps=args.steps, seed=args.seed, backend=args.backend, say=lambda sentence: say(sentence, to="stderr"),
    )  # fmt: skip
    say(report.text(columns()))
    if target is not None:
        report.save(target)
    return 0
