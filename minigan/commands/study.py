"""`minigan study`: an experiment about GANs, with a picture and a page of findings."""

from __future__ import annotations

import argparse
import inspect
from pathlib import Path

from ..backend import NAMES
from ..study import study, table
from ..theory import STUDIES, get_study
from . import whole

_DESCRIPTION = """\
See the theory of GANs hold and their failures happen. Each study is an experiment of about a minute; it writes
NAME.png, a picture, and NAME.md, a page of what was found and what should be.

"""


def arguments(parser: argparse.ArgumentParser, argv: list[str]) -> None:
    width = max(map(len, STUDIES), default=0)
    lines = [f"  {name:{width}}  {_title(name)}" for name in STUDIES]
    parser.description = _DESCRIPTION + "\n".join(lines)
    parser.add_argument("name", metavar="NAME", choices=list(STUDIES), help="one of the above")
    parser.add_argument("--seed", type=whole, default=0, metavar="N", help="of all random numbers (default: 0)")
    parser.add_argument("--out", type=Path, default=Path("studies"), metavar="DIR", help="folder (default: studies)")
    parser.add_argument(
        "--backend",
        choices=[name for name in NAMES if name != "reference"],
        default="auto",
        help="auto takes CuPy where there is a GPU, else Numba if it is installed (default: auto)",
    )


def run(args: argparse.Namespace) -> int:
    findings = study(args.name, args.out, args.seed, args.backend, say=lambda sentence: print(sentence, flush=True))
    print(table(findings))
    print(f"{args.out / args.name}.png and {args.out / args.name}.md")
    return 0 if all(finding.holds is not False for finding in findings) else 1


def _title(name: str) -> str:
    return (inspect.getdoc(get_study(name)) or name).splitlines()[0]
