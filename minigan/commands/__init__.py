"""The commands of `minigan`, one module each, with

arguments(parser, argv)   adds the command's flags; argv are the words that follow its name
run(args) -> int          does it and returns the exit code
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

from ..backend import NAMES
from ..files import require_folder
from ..nn.features import POOL
from ..paths import expand


def an_integer(text: str) -> int:
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


def add_generator(parser: argparse.ArgumentParser) -> None:
    """The flags of the commands by which a G makes pictures of pictures: how it does, and whose classes it may have."""
    parser.add_argument("--seed", type=an_integer, metavar="S", help="of the noise in G, if it has some")
    parser.add_argument("--tile", type=an_integer, metavar="N", help="side of a tile (default: what memory allows)")
    add_averaged(parser)
    add_import(parser)


def add_averaged(parser: argparse.ArgumentParser, which: str = "by the average of G, where the run keeps one") -> None:
    """The flag that says which G it is: its average along the training, or as its last update left it."""
    parser.add_argument(
        "--averaged", action=argparse.BooleanOptionalAction, default=True, help=f"{which} (default: --averaged)"
    )


_OF_ALL = "of all convolutions after their activation, or of all hidden layers of a network without any"


def add_features(parser: argparse.ArgumentParser, default: str = _OF_ALL) -> None:
    """The flags of the commands that look at pictures through a network of a game: which one, and at which layers.

    default: which these are where none is named, in words.
    """
    parser.add_argument("--net", default="D", metavar="NAME", help="which network of the game (default: D)")
    parser.add_argument(
        "--layers",
        nargs="+",
        metavar="LAYER",
        help=f"at the outputs of these, by place or name, as 4 or 4.LeakyReLU (default: {default})",
    )
    parser.add_argument(
        "--pool", type=an_integer, default=POOL, metavar="N", help=f"average maps to N x N parts (default: {POOL})"
    )
    parser.add_argument("--backend", default="auto", **backend_argument())
    add_import(parser)


def check_file(flag: str, target: Path) -> None:
    """Refuse now what could not be written after all the work. flag: that asks for the file."""
    if target.is_dir():
        raise ValueError(f"{flag} takes a file, but {target} is a folder")
    require_folder(target.parent, target.name)


def add_import(parser: argparse._ActionsContainer) -> None:
    """The flag of the commands that load a GAN, which may be made of classes of somebody's own."""
    parser.add_argument(
        "--import",
        action=_Import,
        metavar="MODULE",
        help="a module, or its file, with layers of your own that the GAN is made of; can be given several times",
    )


class _Import(argparse.Action):
    def __init__(self, option_strings: list[str], dest: str, **kwargs: Any) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, **{**kwargs, "default": argparse.SUPPRESS})

    def __call__(self, parser: argparse.ArgumentParser, namespace: Any, values: Any, option: str | None = None) -> None:
        try:
            import_module(values)
        except ValueError as error:
            parser.error(f"{option}: {error}")


def import_module(module: str) -> None:
    """Import a module by its name, from the present folder too, or by the path of its file.

    Raises ValueError if it is not there, or if its own code fails.
    """
    try:
        if module.endswith(".py"):
            _import_file(os.path.abspath(expand(module)))
        else:
            if os.getcwd() not in sys.path:
                sys.path.insert(0, os.getcwd())
            importlib.import_module(module)
    except (Exception, SystemExit) as error:
        missing = isinstance(error, (FileNotFoundError, ModuleNotFoundError))
        if missing and getattr(error, "name", None) in (None, *_prefixes(module)):
            raise ValueError(f"there is no {module}; give a module as after `import`, or the path of a .py") from None
        raise ValueError(f"{module} could not be imported ({type(error).__name__}: {error}); mend it first") from error


def _import_file(path: str) -> None:
    name = os.path.splitext(os.path.basename(path))[0]
    if not os.path.isfile(path):
        raise FileNotFoundError
    sys.path.insert(0, os.path.dirname(path))  # of its neighbours, as where Python runs it
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    fresh = sys.modules.setdefault(name, made) is made  # a script may have the name of something else
    try:
        spec.loader.exec_module(made)
    except BaseException:
        if fresh:
            del sys.modules[name]
        raise


def _prefixes(module: str) -> list[str]:
    """a.b.c: a, a.b and itself."""
    parts = module.split(".")
    return [".".join(parts[: i + 1]) for i in range(len(parts))]
