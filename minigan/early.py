"""Ctrl-C in the first third of a second, while the modules of the command `minigan` load.

Nothing has begun then, so the process can end at once; without this file it would end with a traceback out of
whatever was being imported, NumPy as likely as not. `cli.main` takes over as soon as it can answer for itself. The
package imports this module before anything else, and nothing happens here where Python code imports minigan.
"""

from __future__ import annotations

import os
import signal
import sys

TYPE_CHECKING = False  # as in typing, which takes its time to load, as do contextlib and threading
if TYPE_CHECKING:
    from types import FrameType

__all__ = ["release"]


def _is_the_command() -> bool:
    """Whether this process is the command, begun as `minigan` or as `python -m minigan`."""
    program = os.path.basename(sys.argv[0]) if getattr(sys, "argv", None) else ""
    if program == "-m":  # while Python looks for the module that it was asked to run
        words = sys.orig_argv
        pairs = zip(words, [*words[1:], ""], strict=True)
        return any(a[:1] == "-" and (a.endswith("mminigan") or (a[-1:] == "m" and b == "minigan")) for a, b in pairs)
    return program.lower() in ("minigan", "minigan.exe")


def _end(number: int, frame: FrameType | None) -> None:
    try:
        os.write(1, b"\ninterrupted\n")  # past the buffers and locks that the signal may have come in the middle of
    finally:
        os._exit(130)


def _watch() -> None:
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where it is ignored, as with nohup
        try:  # noqa: SIM105
            signal.signal(signal.SIGINT, _end)
        except ValueError:  # not the main thread
            pass


def release() -> None:
    """From here on Ctrl-C is a KeyboardInterrupt again."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


if _is_the_command():
    _watch()
