"""`minigan recipes`: the GANs that can be trained, and the options of each."""

from __future__ import annotations

import argparse
import textwrap

from ..console import blocks, columns, prose, say
from ..recipes import RECIPES, get_recipe
from ..recipes.options import docstring, recipe_options


def arguments(parser: argparse.ArgumentParser, argv: list[str]) -> None:
    parser.description = "List the recipes, or say what one of them is and which options it has."
    parser.add_argument("recipe", nargs="?", metavar="RECIPE", help="the recipe to describe; without it, list all")


def run(args: argparse.Namespace) -> int:
    width = columns()
    if args.recipe is None:
        say(_list(width))
        say("\n" + prose("One of them in full: minigan recipes NAME. To train it: minigan train NAME", width))
        return 0
    module = get_recipe(args.recipe)
    say(f"{prose(f'{args.recipe}: {docstring(module)}', width)}\n")
    trained = f"Trained for {module.STEPS:,} steps with a batch of {module.BATCH}, unless you say otherwise."
    say(f"{prose(trained, width)}\n")
    say(f"Options of minigan train {args.recipe}:")
    for option in recipe_options(args.recipe).values():
        flag = option.flag if option.kind is not bool else f"{option.flag}, --no-{option.flag[2:]}"
        say(f"  {flag}  (default: {option.shown(option.default)})")
        if option.help:
            say(textwrap.indent(textwrap.fill(option.help, min(width or 100, 100) - 6), "      "))
        if option.words:
            one_of = textwrap.fill(f"one of {', '.join(option.words)}", min(width or 100, 100) - 6)
            say(textwrap.indent(one_of, "      "))
    return 0


def _list(width: int | None) -> str:
    head = ("recipe", "steps", "batch", "what it is")
    rows = [
        (name, f"{module.STEPS:,}", f"{module.BATCH}", docstring(module).partition("\n")[0])
        for name, module in RECIPES.items()
    ]
    longest = max(map(len, RECIPES))
    lines = [f"{name:{longest}}  {steps:>7}  {batch:>5}  {what}".rstrip() for name, steps, batch, what in (head, *rows)]
    return blocks(head, rows, width) if width is not None and max(map(len, lines)) > width else "\n".join(lines)
