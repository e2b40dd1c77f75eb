"""The command: what a step costs here, beside other libraries."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from minigan import cli
from minigan.bench import command
from minigan.bench.step import STEP

from . import conv
from .guests import FAMILIES, GUESTS
from .worker import COMMAND

_DESCRIPTION = """\
Time one training step on every backend of minigan that works here, beside
PyTorch and JAX where they are installed. Each contestant is a process of its
own; they take turns.

  python benchmarks/contest            the canonical step, as `minigan bench`
  python benchmarks/contest critic     an update of a critic with gradient
                                       penalty (WGAN-GP)
  python benchmarks/contest dcgan      the step of a small DCGAN
  python benchmarks/contest conv       its convolutions, layer by layer
  python benchmarks/contest unet       and those of a U-Net (pix2pix)
"""
BATCHES: dict[str, Sequence[int]] = {
    "step": command.BATCHES,
    "critic": (64, 512),
    "dcgan": (64, 128),
    "conv": (64, 128),
    "unet": (64,),
}
QUICK = ("torch-eager", "torch-best", "torch-cudagraph", "jax")  # all but the one that compiles for half a minute
TORCH = ("torch-eager", "torch-best", "torch-cudagraph")  # those that have convolutions


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and return the exit code."""
    return cli.main(argv, _run)


def _run(argv: list[str]) -> int:
    args = parser().parse_args(argv)
    return command.play(args, event_of(args))


def parser() -> cli.Parser:
    """Of the words after the command."""
    made = cli.Parser(
        prog="python benchmarks/contest", description=_DESCRIPTION, formatter_class=cli.Help, allow_abbrev=False
    )
    made.add_argument("what", nargs="?", choices=FAMILIES, default="step", metavar="WHAT",
                      help=f"of {', '.join(FAMILIES)} (default: step)")  # fmt: skip
    made.add_argument("--against", nargs="+", choices=(*GUESTS, "all", "none"), metavar="NAME",
                      help=f"of {', '.join(GUESTS)}, or all, or none (default: {' '.join(QUICK)})")  # fmt: skip
    more = "; ".join(f"{command.words(BATCHES[name])} of {name}" for name in FAMILIES)
    command.flags(made, more, "contest, critic, dcgan, conv or unet")
    return made


def event_of(args: argparse.Namespace) -> command.Event:
    """What these arguments ask for. Raises ValueError with a sentence if it cannot be measured."""
    command.check(args)
    subjects = FAMILIES[args.what]
    if len(subjects) > 1 and (args.profile or args.sweep):
        raise ValueError(f"{args.what} is a measurement of its own; leave out --profile and --sweep")
    if args.parts and subjects != (STEP,):
        raise ValueError(f"--parts takes the canonical step to pieces; leave it out with {args.what}")
    against = args.against or (TORCH if args.what in ("dcgan", *conv.FAMILIES) else QUICK)
    if len(against) > 1 and {"all", "none"} & set(against):
        raise ValueError("--against takes names, or all, or none, not a mixture")
    names = {"all": list(GUESTS), "none": []}.get(against[0], against)
    name = "contest" if args.what == "step" else args.what
    return command.Event(name, subjects, BATCHES[args.what], {name: GUESTS[name] for name in names}, COMMAND)
