"""The command line: `minigan COMMAND ...`, one file for each command in `commands/`.

Exit codes: 0 done, 1 the work failed, 2 bad usage or bad input, 130 interrupted after saving. What a user can cause
ends in one sentence on standard error, never in a traceback.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import shutil
import sys
import textwrap
import warnings
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Any, NoReturn

from . import __version__, console, early
from .backend import ALONE, ElsewhereError, mpi
from .console import say
from .names import did_you_mean

__all__ = ["main"]

# Each is a module of `commands` with arguments(parser, argv) and run(args) -> exit code, imported when it is called.
COMMANDS = {
    "train": "train a GAN, or go on with a run",
    "sweep": "train many GANs side by side, seeds and settings, in one table",
    "sample": "make images with a trained GAN",
    "translate": "make pictures of pictures, with a trained pix2pix",
    "refine": "make drawings look real, with a trained simgan",
    "project": "find the latents of pictures, and walk between them",
    "captions": "list what is said of pictures, right and wrong",
    "evaluate": "judge trained GANs: distance to the data, precision, recall, copies",
    "features": "write what a trained D makes of pictures, as numbers",
    "transfer": "judge what few labels are worth on top of a trained D",
    "search": "find the pictures most like one, as a trained D sees them",
    "lab": "watch a GAN play, live, in the browser",
    "study": "see the theory hold and the failures happen, with pictures",
    "recipes": "list the GANs that can be trained, or the options of one",
    "gradcheck": "check every gradient, layer by layer",
    "bench": "time a training step and its parts, on the CPU and on a GPU",
    "info": "what minigan runs on here: versions, BLAS, cores, GPU",
    "completion": "print what lets a shell complete minigan's commands and flags",
}

SHARED = ("train", "sweep")  # what several processes of mpiexec do together

_DESCRIPTION = """\
Generative adversarial networks from scratch, on NumPy or CuPy.

  minigan train                          a GAN learns digits; pictures in runs/
  minigan train classic --data mnist     another recipe, other data
  minigan train --resume DIR             go on with a run, or further
  minigan sweep --seeds 1-10 --out DIR   many games side by side, one table
  minigan sample DIR --n 100 --out FILE  images from what it has learned
  minigan translate DIR FILES --out DIR  pictures made of pictures
  minigan refine DIR FILES --out DIR     drawings made to look real
  minigan project DIR FILES --out DIR    pictures as its G can make them
  minigan sample DIR --text "a thin 3"   pictures of words, by a trained words
  minigan evaluate DIR [DIR ...]         how good they are, next to real images
  minigan features DIR DATA --out FILE   what D has made of pictures
  minigan transfer DIR DATA --labels 100 what few labels are worth on top of D
  minigan search DIR FILES --in DATA     the pictures most like these
  minigan lab                            a GAN plays, live, in the browser
  minigan study figure-1                 an experiment, with its picture
  minigan bench                          what a step of training costs here
"""


def main(argv: Sequence[str] | None = None, run: Callable[[list[str]], int] | None = None) -> int:
    """Run one command and return its exit code. argv: the words after `minigan`; default: those of this process.

    run: what is done with them instead, by a program that is to end as the commands do."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError):  # there may be none, or another kind, or it is closed
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it talks about its caches
    words = sys.argv[1:] if argv is None else list(argv)
    code = (_together if mpi.launched() > 1 else _guarded)(run or _run, words)
    return _guarded(_flush) or code  # what is still buffered can fail to be written, too


def parser_for(argv: Sequence[str], commands: Collection[str]) -> tuple[Parser, dict[str, Parser]]:
    """The parser of the whole command line, and those of the commands by name.

    commands: whose flags it knows, as they are for the words `argv` after `minigan`; of the others, the name alone.
    """
    parser = Parser(prog="minigan", description=_DESCRIPTION, formatter_class=Help)
    parser.add_argument("--version", action="version", version=f"minigan {__version__}")
    choices = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=Parser)
    parsers: dict[str, Parser] = {}
    for name, summary in COMMANDS.items():
        parsers[name] = choices.add_parser(name, help=summary, formatter_class=Help, allow_abbrev=False)
        if name in commands:
            module = importlib.import_module(f"minigan.commands.{name}")
            module.arguments(parsers[name], list(argv[1:]))
            parsers[name].set_defaults(command=module.run)
    return parser, parsers


def _run(argv: list[str]) -> int:
    parser, parsers = parser_for(argv, argv[:1])
    if argv and not argv[0].startswith("-") and argv[0] not in COMMANDS:
        parser.error(f"there is no command {argv[0]}{did_you_mean(argv[0], COMMANDS)}")
    args, unknown = parser.parse_known_args(argv)
    if "command" not in args:
        parser.print_help()
        return 2
    if unknown:
        parsers[argv[0]].error_unknown(unknown[0])
    early.release()  # the work has begun: it is interrupted as `_guarded` says
    code: int = args.command(args)
    return code


def _guarded(work: Any, *args: Any) -> int:
    """The exit code of `work`, with its errors turned into sentences."""
    try:
        return int(work(*args))
    except SystemExit as error:  # from argparse, which has said why
        return error.code if isinstance(error.code, int) else 1
    except BrokenPipeError:  # nobody reads on, as after `| head`
        _silence()
        return 1
    except KeyboardInterrupt as error:  # Interrupted, if a run could save
        with suppress(OSError):
            say(f"\n{error}" if str(error) else "\ninterrupted")
            if command := getattr(error, "resume_command", None):
                say(command)
        return 130
    except (ValueError, FileNotFoundError) as error:
        return _fail(_sentence(error), 2)
    except MemoryError as error:
        return _fail(f"not enough memory: {error}", 1)
    except (OSError, ArithmeticError, RuntimeError, ImportError) as error:
        return _fail(_sentence(error), 1)


def _together(work: Any, words: list[str]) -> int:
    """The exit code of `work`, which several processes of mpiexec do at a time.

    The first one speaks. If another fails where the first does not, it says why, and all of them are ended.
    """
    group, failed, unsaid = ALONE, False, console.muted(mpi.rank() > 0)

    def of_several(words: list[str]) -> int:
        nonlocal group, failed
        group = mpi.world()
        if words[:1] and words[0] in COMMANDS and words[0] not in SHARED:
            raise ValueError(f"minigan {words[0]} is no work for several processes; call it without mpiexec")
        try:
            return int(work(words))
        except ElsewhereError:
            failed = True
            return 0  # the first process says why, and with which code

    with warnings.catch_warnings():
        if mpi.rank() > 0:
            warnings.simplefilter("ignore")
        code = _guarded(of_several, words)
    if (code or failed) and words[:1] != ["sweep"] and not group.ended_alike():  # runs of a sweep fail one by one
        console.muted(False)
        if code and group.rank and unsaid:
            _fail(f"process {group.rank} of {group.size}: {unsaid[-1].removeprefix('minigan: ')}", code)
        group.abort(code or 1)
    return code


def _sentence(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)


def _fail(sentence: str, code: int) -> int:
    with suppress(OSError):
        say(f"minigan: {' '.join(sentence.split())}", to="stderr")
    return code


def _flush() -> int:
    try:
        if flush := getattr(sys.stdout, "flush", None):
            flush()
    except OSError:
        _silence()  # or the interpreter would try again, and complain, at its end
        raise
    return 0


def _silence() -> None:
    with suppress(OSError, AttributeError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Help(argparse.RawDescriptionHelpFormatter):
    """Fits 80 columns on any terminal: text across a wide one is hard to read."""

    def __init__(self, prog: str, **settings: Any) -> None:
        width = min(shutil.get_terminal_size().columns, 80) - 2
        super().__init__(prog, **{"width": width, "max_help_position": 26, **settings})
        self._action_max_length = 16  # at least: argparse forgets that the names of commands are indented

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False)  # names and flags stay whole


class Parser(argparse.ArgumentParser):
    """Refuses in one sentence, with what might have been meant, and exits with code 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"minigan: {message}; see {self.prog} --help\n")

    def error_unknown(self, word: str) -> NoReturn:
        """Refuse a word that nothing takes."""
        flag = word.partition("=")[0]
        flags = {known: action.help or "" for known, action in self._option_string_actions.items()}
        self.error(f"{self.prog} takes no {word}{did_you_mean(flag, flags)}")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            error.message += did_you_mean(value, map(str, action.choices or ()))
            raise

    def _print_message(self, message: str, file: Any = None) -> None:
        if message:
            say(message.removesuffix("\n"), to="stdout" if file is sys.stdout else "stderr")
