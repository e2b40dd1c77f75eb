"""`minigan info`: what a report about speed or a failure should say about the machine."""

from __future__ import annotations

import argparse

from .. import environment
from ..console import say


def arguments(parser: argparse.ArgumentParser, argv: list[str]) -> None:
    parser.description = "What minigan runs on here. Add it to reports of speed or of failures."


def run(args: argparse.Namespace) -> int:
    for name, fact in environment.facts().items():
        say(f"{name:14}{fact}")
    return 0
