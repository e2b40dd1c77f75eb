"""`minigan recipes`: the GANs that can be trained, and the options of each."""

from __future__ import annotations

import argparse
import inspect
import textwrap

from ..recipes import RECIPES, get_recipe
from ..recipes.options import recipe_options


def arguments(parser: argparse.ArgumentParser, argv: list[str]) -> None:
    parser.description = "List the recipes, or say what one of them is and which options it has."
    parser.add_argument("recipe", nargs="?", metavar="RECIPE", help="the recipe to describe; without it, list all")


def run(args: argparse.Namespace) -> int:
    if args.recipe is None:
        width = max(map(len, RECIPES))
        print(f"{'recipe':{width}}  {'steps':>7}  {'batch':>5}  what it is")
        for name, module in RECIPES.items():
            first_line = inspect.getdoc(module).splitlines()[0]  # type: ignore[union-attr]
            print(f"{name:{width}}  {module.STEPS:>7,}  {module.BATCH:>5}  {first_line}")
        print("\nOne of them in full: minigan recipes NAME. To train it: minigan train NAME")
        return 0
    module = get_recipe(args.recipe)
    print(f"{args.recipe}: {inspect.getdoc(module)}\n")
    print(f"Trained for {module.STEPS:,} steps with a batch of {module.BATCH}, unless you say otherwise.\n")
    print(f"Options of minigan train {args.recipe}:")
    for option in recipe_options(args.recipe).values():
        flag = option.flag if option.kind is not bool else f"{option.flag}, --no-{option.flag[2:]}"
        print(f"  {flag}  (default: {option.shown(option.default)})")
        print(textwrap.indent(textwrap.fill(option.help, 100), "      "))
    return 0
