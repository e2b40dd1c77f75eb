"""The commands of `minigan`, one module each, with

arguments(parser, argv)   adds the command's flags; argv are the words that follow its name
run(args) -> int          does it and returns the exit code
"""

from __future__ import annotations

import argparse
from typing import Any

from ..backend import NAMES


def whole(text: str) -> int:
    """An integer from the command line, for argparse."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a whole number, got {text!r}") from None


def backend_argument() -> dict[str, Any]:
    """What argparse should know of a flag --backend."""
    names = [name for name in NAMES if name != "reference"]
    auto = "auto takes CuPy where there is a GPU, else Numba if it is installed"
    return {"choices": names, "metavar": "NAME", "help": f"one of {', '.join(names)}; {auto} (default: auto)"}
