"""`minigan train`: the flags are the arguments of `minigan.train` and the options of the recipe."""

from __future__ import annotations

import argparse
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from ..backend.mpi import world
from ..console import quoted, say
from ..names import did_you_mean
from ..paths import expand
from ..recipes import DEFAULT, RECIPES, get_recipe, pictures_every
from ..recipes.options import Option, recipe_options
from ..runs.config import Config
from ..training import resume, train
from . import add_import, an_integer, backend_argument

_DESCRIPTION = """\
Train a GAN. Two networks play: G turns noise into images, D tells real images
from generated ones, and each learns from the other. A run writes a folder with
pictures of samples (samples/, samples.png, training.gif), the losses
(losses.png, metrics.csv), the settings (config.json) and the GAN itself
(checkpoint.npz).

  minigan train                             digits, in about a minute
  minigan train gan                         the classic dense networks
  minigan train classic --data mnist        another recipe, on all of MNIST
  minigan train --data photos/ --size 32    a folder of pictures, with a folder
                                            of its own for each class, if any
  minigan train --resume runs/gan-digits-1  after Ctrl-C, as if never stopped
  minigan train --resume runs/gan-digits-1 --steps 20000

Losses need not fall: in equilibrium, D is right half of the time, its loss is
log 4 = 1.386, and G's is log 2 = 0.693. A D loss near 0 says that G has
stopped learning.
"""
_USAGE = "minigan train [RECIPE] [--data DATA] [--steps N] [--out DIR] [option]...\n       minigan train --resume DIR"
_FIRST = ("objective", "nets", "lr")  # of the game's options, those that the help has room for
_WIDEST = 40  # characters of a list of choices that stands in place of a flag's value


def arguments(parser: argparse.ArgumentParser, argv: list[str]) -> None:
    recipe = recipe_among(argv)
    module = get_recipe(recipe)
    parser.description = _DESCRIPTION
    parser.usage = _USAGE
    # What was not given stays away, so that a resumed run can tell what it is asked to confirm.
    for title, flags in flags_of(module).items():
        group = parser.add_argument_group(title)
        for name, settings in flags.items():
            group.add_argument(name, default=argparse.SUPPRESS, **settings)
        if title == "where":
            add_import(group)
    add_options(parser, argv, recipe)


def add_options(parser: argparse.ArgumentParser, argv: list[str], recipe: str) -> None:
    """The flags of a recipe's options; the help shows the first of them."""
    options = recipe_options(recipe)
    group = parser.add_argument_group(
        f"the game of the recipe {recipe}, {len(_FIRST)} of its {len(options)} options",
        f"All of them: minigan recipes {recipe}. Every recipe: minigan recipes",
    )
    asked_for_help = bool({"-h", "--help"} & set(argv))
    for option in sorted(options.values(), key=lambda option: option.name not in _FIRST):
        about = argument_of(option)
        if asked_for_help and option.name not in _FIRST:
            about["help"] = argparse.SUPPRESS
        group.add_argument(option.flag, dest=_DEST + option.name, default=argparse.SUPPRESS, **about)


def taken_apart(args: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    """What was given on the command line: arguments of the run, and options of its recipe."""
    given = {name: value for name, value in vars(args).items() if name != "command"}
    return given, {name.removeprefix(_DEST): given.pop(name) for name in list(given) if name.startswith(_DEST)}


def run(args: argparse.Namespace) -> int:
    given, options = taken_apart(args)
    directory, group = given.pop("resume", None), world()
    if group.size > 1:
        given["group"] = group
    if directory is None:
        folder = train(**given, options=options)
    elif "out" in given:
        raise ValueError(f"--resume goes on in its own folder, {directory}; leave out --out {given['out']}")
    else:
        folder = resume(directory, **given, options=options)
    if not given.get("quiet"):
        say(f"pictures: {', '.join(str(folder / name) for name in ('samples.png', 'training.gif', 'losses.png'))}")
        recipe = args.recipe if "recipe" in args else _recipe_of_run(directory) if directory else DEFAULT
        options_of = recipe_options(recipe).keys()
        how_many = "" if "captions" in options_of else " --n 100"  # of each sentence
        what = f"sample {quoted(folder)}{how_many} --out samples.png"
        if {"task", "synthetic"} & options_of:
            what = f"evaluate {quoted(folder)}"
        say(f"minigan {what}")
    return 0


_DEST = "option "  # before the names of a recipe's options, so that they cannot meet the run's own


def flags_of(module: ModuleType) -> dict[str, dict[str, dict[str, Any]]]:
    """The arguments of `train`, those first that a newcomer asks for, and what argparse should know of each."""
    count = {"type": an_integer, "metavar": "N"}
    return {
        "what learns from what": {
            "recipe": {"nargs": "?", "metavar": "RECIPE", "help": f"one of {', '.join(RECIPES)} (default: {DEFAULT})"},
            "--data": {"help": "digits, mnist, fashion-mnist, glyphs (drawn from this machine's fonts; glyphs:FOLDER: "
                               "from those in it), or a PATH: a folder of pictures or IDX files, an .npz "
                               "(default: digits)"},
            "--size": {"metavar": "N|WxH", "help": "scale and crop all images to N x N pixels, or to a width and a "
                                                   "height; needed for pictures of several sizes "
                                                   "(default: as they are)"},
            "--steps": {**count, "help": f"G updates in all, also in a resumed run (default: {module.STEPS})"},
            "--batch": {**count, "help": f"images in an update (default: {module.BATCH})"},
            "--seed": {**count, "help": "of weights, noise and the order of the images: the same seed, the same run "
                                        "(default: 0)"},
        },
        "where": {
            "--out": {"metavar": "DIR", "help": "a new or empty folder (default: runs/RECIPE-DATA-1, the next free)"},
            "--resume": {"metavar": "DIR", "help": "go on with the run in this folder; other flags must agree with it, "
                                                   "but for --steps, --backend, --sample-every, --checkpoint-every"},
            "--backend": backend_argument(),
        },
        "along the way": {
            "--sample-every": {**count, "help": f"steps between pictures (default: {pictures_every(module)})"},
            "--checkpoint-every": {**count, "help": "steps between checkpoints (default: 1000)"},
            "--quiet": {"action": "store_true", "help": "print nothing but errors"},
            "--d-pretrain": {**count, "help": "updates of D alone, before the game "
                                              f"(default: {getattr(module, 'D_PRETRAIN', 0)})"},
            "--dtype": {"choices": ("float32", "float64"), "help": "of all arithmetic (default: float32)"},
            "--sync-batchnorm": {"action": argparse.BooleanOptionalAction,
                                 "help": "by mpiexec: batch statistics of all processes, or of each its own"},
        },
    }  # fmt: skip


def argument_of(option: Option) -> dict[str, Any]:
    """What argparse should know of an option."""
    words = "{" + ",".join(option.words) + "}"
    among = f"; one of {', '.join(option.words)}" if len(words) > _WIDEST else ""
    text = f"{option.help}{among} (default: {option.shown(option.default)})".replace("%", "%%").strip()
    if option.kind is bool:
        return {"action": argparse.BooleanOptionalAction, "help": text}
    if option.kind is str:
        metavar = words if option.words and not among else None
    else:
        metavar = "|".join(["N" if option.kind is int else "X", *option.choices])
    return {"type": typed(option), "metavar": metavar or option.name.upper(), "help": text}


def typed(option: Option) -> Any:
    """What reads a value of an option, for argparse."""

    def parse(text: str) -> Any:
        try:
            return option.parse(text)
        except ValueError:
            close = did_you_mean(text, option.words)
            raise argparse.ArgumentTypeError(f"expected {option.expects}, got {text!r}{close}") from None

    return parse


def recipe_among(argv: list[str]) -> str:
    """Which recipe the words are about. It decides which flags there are, so it is looked for before they are read."""
    switches = {"-h", "--help", "--quiet", "--sync-batchnorm", "--no-sync-batchnorm"}  # flags that no value follows
    for recipe in RECIPES:
        for option in recipe_options(recipe).values():
            if option.kind is bool:
                switches |= {option.flag, f"--no-{option.flag[2:]}"}
    words = iter(argv)
    directory = None
    for word in words:
        if not word.startswith("-"):
            return word
        flag, _, value = word.partition("=")
        if word not in switches and not value:
            value = next(words, "")
        if flag == "--resume":
            directory = value
    return _recipe_of_run(directory) if directory else DEFAULT


def _recipe_of_run(directory: str) -> str:
    """The recipe of a run; what is wrong with its folder is for `resume` to say."""
    with suppress(OSError, ValueError):
        recipe = Config.read(Path(expand(directory)) / "config.json").recipe
        return recipe if recipe in RECIPES else DEFAULT
    return DEFAULT
