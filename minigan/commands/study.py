"""`minigan study`: an experiment about GANs, with a picture and a page of findings."""

from __future__ import annotations

import argparse
import textwrap
from functools import partial
from pathlib import Path

from ..console import columns, say
from ..paths import expand
from ..recipes.options import Option, docstring, read_options
from ..studies import study, table
from ..theory import STUDIES, get_study
from . import an_integer, backend_argument
from .train import argument_of

_DESCRIPTION = """\
See the theory of GANs hold and their failures happen. Each study is an
experiment of about a minute; it writes NAME.png, a picture, and NAME.md, a
page of what was found and what should be.

"""


def arguments(parser: argparse.ArgumentParser, argv: list[str]) -> None:
    indent = max(map(len, STUDIES)) + 4
    lines = [
        textwrap.fill(_title(name), 79, initial_indent=f"  {name}".ljust(indent), subsequent_indent=" " * indent)
        for name in STUDIES
    ]
    parser.description = _DESCRIPTION + "\n".join(lines)
    parser.add_argument("name", metavar="NAME", choices=list(STUDIES), help="one of the above")
    parser.add_argument("--seed", type=an_integer, default=0, metavar="N", help="of all random numbers (default: 0)")
    parser.add_argument("--out", default="studies", metavar="DIR", help="folder (default: studies)")
    parser.add_argument("--backend", default="auto", **backend_argument())
    name = next((word for word in argv if word in STUDIES), None)
    for option in _options(name).values() if name else ():
        parser.add_argument(option.flag, dest=option.name, default=argparse.SUPPRESS, **argument_of(option))


def run(args: argparse.Namespace) -> int:
    options = {name: getattr(args, name) for name in _options(args.name) if name in args}
    findings = study(args.name, args.out, args.seed, args.backend, say, **options)
    say(table(findings, "|", columns()))
    folder = Path(expand(args.out))
    say(f"{folder / args.name}.png and {folder / args.name}.md")
    return 0 if all(finding.holds is not False for finding in findings) else 1


def _options(name: str) -> dict[str, Option]:
    """What the study's experiment takes beyond what all of them do, and what its name says already."""
    _, experiment = get_study(name)
    hidden = ("toy", "data") if isinstance(experiment, partial) else ("toy",)
    return {key: option for key, option in read_options(experiment).items() if key not in hidden}


def _title(name: str) -> str:
    return (docstring(get_study(name)[0]) or name).partition("\n")[0]
