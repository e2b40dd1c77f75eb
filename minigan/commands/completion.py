"""`minigan completion`: what lets a shell complete the commands, the flags and their values.

The script is written once and asks nobody: at TAB neither Python nor NumPy is started.
"""

from __future__ import annotations

import argparse
from typing import Any

from ..console import say
from ..datasets import NAMES as DATASETS
from ..extras import how_to_install
from ..recipes import RECIPES
from ..recipes.options import recipe_options

_DESCRIPTION = """\
Print a script that lets your shell complete minigan's commands, flags and
their values. It is static, so that TAB answers at once. To have it in every
shell that you open:

  minigan completion bash > ~/.local/share/bash-completion/completions/minigan
  minigan completion zsh > DIR/_minigan      where DIR is one of your $fpath
  minigan completion fish > ~/.config/fish/completions/minigan.fish
"""
SHELLS = ("bash", "zsh", "fish")
_DATA = {  # a name, or a path
    "bash": "_minigan_data",
    "zsh": "_minigan_data",
    "fish": f"({'; '.join(f'echo {name}' for name in DATASETS)}; __fish_complete_path (commandline -ct))",
    "preamble": {
        "bash": f"""\
_minigan_data() {{
  compgen -W "{" ".join(DATASETS)}" -- "$1"
  _shtab_compgen_files "$1"
}}
""",
        "zsh": f"""\
_minigan_data() {{
  _alternative 'names:data set:({" ".join(DATASETS)})' 'files:path:_files'
}}
""",
    },
}


def arguments(parser: argparse.ArgumentParser, argv: list[str]) -> None:
    parser.description = _DESCRIPTION
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help=f"one of {', '.join(SHELLS)}")


def run(args: argparse.Namespace) -> int:
    try:
        import shtab
    except ImportError as error:
        raise ImportError(f"completion needs shtab, which is not installed; {how_to_install('cli')}") from error
    from ..cli import COMMANDS, parser_for  # which imports this module

    parser, parsers = parser_for([], COMMANDS)
    options = {option.flag: option.words for option in recipe_options("gan").values()}
    for name, command in parsers.items():
        for action in command._actions:
            flag = action.option_strings[0] if action.option_strings else ""
            if action.dest == "recipe":
                action.choices = list(RECIPES)
            elif name in ("train", "sweep") and options.get(flag):
                action.choices = options[flag]
            elif (how := _completer(shtab, name, action.dest)) is not None:
                action.complete = how  # type: ignore[attr-defined]
    say(shtab.complete(parser, args.shell))
    return 0


def _completer(shtab: Any, command: str, argument: str) -> Any:
    if argument == "data":
        return _DATA
    if argument == "resume" or (argument == "out" and command not in ("sample", "features")):
        return shtab.DIRECTORY
    return shtab.FILE if argument in ("directory", "sources", "queries", "out", "z", "json", "index") else None
