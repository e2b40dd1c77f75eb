"""`minigan sweep`: many runs side by side, seeds and settings, and one table of them."""

from __future__ import annotations

import argparse
from typing import Any

from ..console import columns, say
from ..recipes import DEFAULT, get_recipe
from ..recipes.options import recipe_options
from ..sweeps import PICTURE, REPORT, sweep
from ..sweeps.plan import OF_THE_RUN, numbers
from . import an_integer
from .train import add_options, flags_of, recipe_among, taken_apart, typed

_DESCRIPTION = """\
Play many games: every seed with every setting, as many side by side as there
are cores, one thread each. Every run has a folder of its own in DIR, as from
minigan train; one table says what came of each setting, with medians and 95 %
intervals over the seeds (sweep.json), and one picture shows the way there
(sweep.png). The same command goes on with what is not over.

  minigan sweep --out runs/seeds --seeds 1-10
  minigan sweep gan --data mnist --out runs/lr --seeds 1-5
                    --vary lr=1e-4,2e-4,4e-4 --vary d-steps=1,2
  minigan sweep dcgan --data photos/ --size 32 --out runs/photos --seeds 1-3
                      --evaluate 1000
  mpiexec -n 5 minigan sweep ...        the same, played by four ranks of MPI
"""
_USAGE = "minigan sweep [RECIPE] --out DIR --seeds 1-10 [--vary X=A,B] [option]..."
_NOT_SHARED = ("--seed", "--out", "--resume")  # of the flags of `minigan train`


def arguments(parser: argparse.ArgumentParser, argv: list[str]) -> None:
    recipe = recipe_among(argv)
    parser.description = _DESCRIPTION
    parser.usage = _USAGE
    group = parser.add_argument_group("which runs")
    group.add_argument("--out", required=True, metavar="DIR", help="a folder for all of them: new, or of this sweep")
    group.add_argument(
        "--seeds", required=True, type=_seeds, metavar="1-10", help="as 1-10 or 1,2,5; later calls may add some"
    )
    group.add_argument(
        "--vary", action="append", type=_varied(recipe), default=[], metavar="X=A,B",
        help=f"values of an option of the recipe, or of {', '.join(OF_THE_RUN)}; can be given several times, for "
             "every combination",
    )  # fmt: skip
    group.add_argument("--processes", type=an_integer, metavar="N", help="runs side by side (default: one a core)")
    group.add_argument(
        "--evaluate", type=an_integer, metavar="N", help="judge N samples of each run, as minigan evaluate does"
    )
    for title, flags in flags_of(get_recipe(recipe)).items():
        shared = {name: settings for name, settings in flags.items() if name not in _NOT_SHARED}
        group = parser.add_argument_group(f"{title}, in all of them")
        for name, settings in shared.items():
            group.add_argument(name, default=argparse.SUPPRESS, **settings)
    add_options(parser, argv, recipe)


def run(args: argparse.Namespace) -> int:
    given, options = taken_apart(args)
    vary: dict[str, list[Any]] = {}
    for name, values in given.pop("vary"):
        if name in vary:
            raise ValueError(f"--vary {name} is given twice; put all values into one, as {name}=A,B,C")
        vary[name] = values
    out = given["out"]
    report = sweep(**{"recipe": DEFAULT, **given}, vary=vary, options=options)
    if report is None:  # this is a rank of MPI that has played, and another one has the table
        return 0
    say(report.text(columns()))
    if not given.get("quiet"):
        say(f"all figures: {out}/{REPORT}; the way there: {out}/{PICTURE}")
    if report.not_over:
        names = ", ".join(row.name for row in report.not_over)
        say(f"minigan: not over: {names}; the same command goes on with them", to="stderr")
    return int(bool(report.not_over))


def _seeds(text: str) -> list[int]:
    try:
        return numbers(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _varied(recipe: str) -> Any:
    """What reads NAME=VALUE,... for argparse; a name that is not known is for the sweep to refuse."""
    options = recipe_options(recipe)

    def parse(text: str) -> tuple[str, list[Any]]:
        flag, equals, values = text.partition("=")
        name = flag.strip().removeprefix("--").replace("-", "_")
        if not name or not equals:
            raise argparse.ArgumentTypeError(f"expected NAME=VALUE,..., as lr=1e-4,2e-4, got {text!r}")
        read: Any = str if name == "dtype" else an_integer if name in OF_THE_RUN else str
        if name in options:
            read = _yes_or_no if options[name].kind is bool else typed(options[name])
        try:
            return name, [read(value.strip()) for value in values.split(",")]
        except argparse.ArgumentTypeError as error:
            raise argparse.ArgumentTypeError(f"{flag}: {error}") from None

    return parse


def _yes_or_no(text: str) -> bool:
    if text.lower() not in ("yes", "no"):
        raise argparse.ArgumentTypeError(f"expected yes or no, got {text!r}")
    return text.lower() == "yes"
