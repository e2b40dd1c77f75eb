"""The commands of `minigan`, one module each, with

arguments(parser, argv)   adds the command's flags; argv are the words that follow its name
run(args) -> int          does it and returns the exit code
"""

from __future__ import annotations

import argparse


def whole(text: str) -> int:
    """An integer from the command line, for argparse."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a whole number, got {text!r}") from None
