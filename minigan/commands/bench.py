"""`minigan bench`: what the canonical GAN step costs here, on every backend."""

from __future__ import annotations

import argparse

from ..bench import command

_DESCRIPTION = """\
Time one training step (G 100-256-512-1024-784 with batchnorm, D 784-512-256-1)
and its parts, on every backend that works here, on the CPU and on a GPU. Each
is a process of its own; they take turns.

  minigan bench                  about two minutes; tables, JSON and plots
  minigan bench --sweep          batch 8 to 4096 and width 1/4 to 4
  minigan bench --profile        where the time of a step goes, layer by layer

Times are printed, and the file of results is written, as soon as they are
known, so that little is lost where a long measurement is stopped.
In a clone, `python benchmarks/contest` measures PyTorch and JAX beside it.
"""


def arguments(parser: argparse.ArgumentParser, argv: list[str]) -> None:
    parser.description = _DESCRIPTION
    command.flags(parser, command.words(command.BATCHES), command.Event().name)


def run(args: argparse.Namespace) -> int:
    command.check(args)
    return command.play(args, command.Event())
