"""`minigan gradcheck`: the worst error of every layer's gradient under every loss, in each dtype, on each backend."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence

from .. import gradient_checks
from ..backend import NAMES, absent
from ..console import blocks, columns, say
from . import an_integer

_DESCRIPTION = """\
Hold every layer's gradient under every loss against finite differences (in
float64) or against the float64 gradients (in float32), on each backend, and
print the worst relative errors.
"""


def arguments(parser: argparse.ArgumentParser, argv: Sequence[str]) -> None:
    parser.description = _DESCRIPTION
    parser.add_argument(
        "--backend",
        nargs="+",
        metavar="NAME",
        choices=[name for name in NAMES if name != "auto"],
        help=f"of {', '.join(name for name in NAMES if name != 'auto')} (default: all that are here)",
    )
    parser.add_argument("--dtype", nargs="+", choices=("float64", "float32"), default=["float64", "float32"],
                        help="float64 is held against finite differences, float32 against float64")  # fmt: skip
    parser.add_argument("--seed", type=an_integer, default=0, help="of inputs, parameters and directions; default 0")


def run(args: argparse.Namespace) -> int:
    losses: list[str] = []
    failures: list[str] = []
    table, worst, width = ("", ""), dict.fromkeys(args.dtype, 0.0), columns()
    for row in gradient_checks.matrix(args.backend or _present(), args.dtype, args.seed):
        if not losses:
            losses = list(row.errors)
        narrow = width is not None and width < 20 + 18 * len(losses)
        if (row.backend, row.dtype) != table:
            table = (row.backend, row.dtype)
            against = "finite differences" if row.dtype == "float64" else "the float64 gradients"
            say(f"\n{row.backend}, {row.dtype}: relative error against {against}")
            if not narrow:
                say(" " * 20 + "".join(f"{name:>18}" for name in losses))
        cells = [f"{error:.1e}" if math.isfinite(error) else "WRONG" for error in row.errors.values()]
        if narrow and width is not None:
            say("\n" + blocks(["layer", *losses], [[row.layer, *cells]], width))
        else:
            say(f"{row.layer:<20}" + "".join(f"{cell:>18}" for cell in cells))
        worst[row.dtype] = max(worst[row.dtype], *row.errors.values())
        if row.failure:
            failures.append(row.failure)
    limits = ", ".join(f"{gradient_checks.TOLERANCE[dtype]:.0e} in {dtype}" for dtype in args.dtype)
    if failures:
        say("\n".join([f"\n{len(failures)} rows are wrong (allowed: {limits}):", *failures]))
        return 1
    found = ", ".join(f"{error:.1e} in {dtype}" for dtype, error in worst.items())
    say(f"\nall gradients are right: at worst {found} (allowed: {limits})")
    return 0


def _present() -> list[str]:
    reasons = absent()
    for name, reason in reasons.items():
        say(f"without {name}: {reason}")
    return [name for name in ("numpy", "numba", "cupy") if name not in reasons]
