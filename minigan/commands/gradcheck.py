"""`minigan gradcheck`: the worst error of every layer's gradient under every loss, in each dtype, on each backend."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence

from .. import proof
from ..backend import NAMES, absent
from . import whole


def arguments(parser: argparse.ArgumentParser, argv: Sequence[str]) -> None:
    parser.description = __doc__
    parser.add_argument(
        "--backend",
        nargs="+",
        choices=[name for name in NAMES if name != "auto"],
        help="which backends to check; default: all that are here",
    )
    parser.add_argument("--dtype", nargs="+", choices=("float64", "float32"), default=["float64", "float32"],
                        help="float64 is held against finite differences, float32 against float64")  # fmt: skip
    parser.add_argument("--seed", type=whole, default=0, help="of inputs, parameters and directions; default 0")


def run(args: argparse.Namespace) -> int:
    columns: list[str] = []
    failures: list[str] = []
    table, worst = ("", ""), dict.fromkeys(args.dtype, 0.0)
    for row in proof.matrix(args.backend or _present(), args.dtype, args.seed):
        if not columns:
            columns = list(row.errors)
        if (row.backend, row.dtype) != table:
            table = (row.backend, row.dtype)
            against = "finite differences" if row.dtype == "float64" else "the float64 gradients"
            print(f"\n{row.backend}, {row.dtype}: relative error against {against}")
            print(" " * 20 + "".join(f"{name:>18}" for name in columns))
        cells = (f"{error:.1e}" if math.isfinite(error) else "WRONG" for error in row.errors.values())
        print(f"{row.layer:<20}" + "".join(f"{cell:>18}" for cell in cells), flush=True)
        worst[row.dtype] = max(worst[row.dtype], *row.errors.values())
        if row.failure:
            failures.append(row.failure)
    limits = ", ".join(f"{proof.TOLERANCE[dtype]:.0e} in {dtype}" for dtype in args.dtype)
    if failures:
        print(f"\n{len(failures)} rows are wrong (allowed: {limits}):", *failures, sep="\n")
        return 1
    found = ", ".join(f"{error:.1e} in {dtype}" for dtype, error in worst.items())
    print(f"\nall gradients are right: at worst {found} (allowed: {limits})")
    return 0


def _present() -> list[str]:
    reasons = absent()
    for name, reason in reasons.items():
        print(f"without {name}: {reason}")
    return [name for name in ("numpy", "numba", "cupy") if name not in reasons]
