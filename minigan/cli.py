"""The command line: `minigan COMMAND ...`, one file for each command in `commands/`.

Exit codes: 0 done, 1 the work failed, 2 bad usage or bad input, 130 interrupted after saving. What a user can cause
ends in one sentence on standard error, never in a traceback.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from difflib import get_close_matches
from typing import Any, NoReturn

from . import __version__

__all__ = ["main"]

# Each is a module of `commands` with arguments(parser, argv) and run(args) -> exit code, imported when it is called.
COMMANDS = {
    "train": "train a GAN, or go on with a run",
    "sample": "make images with a trained GAN",
    "evaluate": "judge trained GANs: distance to the data, precision, recall, classes, copies",
    "study": "see the theory hold and the failures happen: an experiment, its picture and its findings",
    "recipes": "list the GANs that can be trained, or the options of one",
    "gradcheck": "prove every gradient, layer by layer",
    "bench": "time a training step and its parts, beside PyTorch and JAX",
    "info": "what minigan runs on here: versions, BLAS, cores, GPU",
}

_DESCRIPTION = """\
Generative adversarial networks from scratch, on NumPy or CuPy.

  minigan train                          a GAN learns handwritten digits; pictures in runs/gan-digits-1
  minigan train classic --data mnist     another recipe, other data
  minigan train --resume DIR             go on with a run that was stopped, or further than planned
  minigan sample DIR --n 100 --out FILE  images from what it has learned
  minigan evaluate DIR [DIR ...]         how good they are, next to real images
  minigan study figure-1                 an experiment about GANs, with a picture and a page of findings
  minigan bench                          what a step of training costs here
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. argv: the words after `minigan`; default: those of this process."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError):  # there may be none, or another kind
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it talks about its caches
    code = _guarded(_run, sys.argv[1:] if argv is None else list(argv))
    return _guarded(_flush) or code  # what is still buffered can fail to be written, too


def _run(argv: list[str]) -> int:
    parser = Parser(prog="minigan", description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", action="version", version=f"minigan {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=Parser)
    for name, summary in COMMANDS.items():
        form = argparse.RawDescriptionHelpFormatter
        command = commands.add_parser(name, help=summary, formatter_class=form, allow_abbrev=False)
        if argv[:1] == [name]:
            module = importlib.import_module(f"minigan.commands.{name}")
            module.arguments(command, argv[1:])
            command.set_defaults(command=module.run)
    if argv and not argv[0].startswith("-") and argv[0] not in COMMANDS:
        close = get_close_matches(argv[0], COMMANDS, n=1)
        parser.error(f"there is no command {argv[0]}" + (f"; did you mean {close[0]}?" if close else ""))
    args, unknown = parser.parse_known_args(argv)
    if "command" not in args:
        parser.print_help()
        return 2
    if unknown:
        chosen: Parser = commands.choices[argv[0]]
        chosen.error_unknown(unknown[0])
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
            print(f"\n{error}" if str(error) else "\ninterrupted", flush=True)
            if command := getattr(error, "resume_command", None):
                print(command, flush=True)
        return 130
    except (ValueError, FileNotFoundError) as error:
        return _fail(_sentence(error), 2)
    except MemoryError as error:
        return _fail(f"not enough memory: {error}", 1)
    except (OSError, ArithmeticError, RuntimeError, ImportError) as error:
        return _fail(_sentence(error), 1)


def _sentence(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)


def _fail(sentence: str, code: int) -> int:
    with suppress(OSError):
        print(f"minigan: {' '.join(sentence.split())}", file=sys.stderr, flush=True)
    return code


def _flush() -> int:
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        _silence()  # or the interpreter would try again, and complain, at its end
        raise
    return 0


def _silence() -> None:
    with suppress(OSError, AttributeError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Parser(argparse.ArgumentParser):
    """Refuses in one sentence, with what might have been meant, and exits with code 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"minigan: {message}; see {self.prog} --help\n")

    def error_unknown(self, word: str) -> NoReturn:
        """Refuse a word that nothing takes."""
        flag = word.partition("=")[0]
        longer = [known for known in self._option_string_actions if known.startswith(flag)]
        close = longer or get_close_matches(flag, self._option_string_actions, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        self.error(f"{self.prog} takes no {word}{hint}")
