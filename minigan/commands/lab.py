"""`minigan lab`: a page in the browser in which a GAN plays live."""

from __future__ import annotations

import argparse
import errno
import textwrap
import threading
import webbrowser
from contextlib import suppress
from pathlib import Path

from ..console import say
from ..lab.runs import OpenedRun
from ..lab.server import Lab, Server
from ..lab.session import Session
from ..lab.settings import PRESETS
from ..paths import expand
from . import an_integer

_DESCRIPTION = """\
Watch a GAN play, live, in the browser: its samples, D's surface, what each
fake is told, the losses, and what goes wrong, with a button against it. It is
the game that `minigan train` plays.

  minigan lab                       points in the plane
  minigan lab d-wins                a failure, and its cures
  minigan lab 'preset=ring&seed=3'  a game that somebody has sent: what stands
                                    behind the # of the page's address
  minigan lab runs/quick-digits-1   what a run has learned, to walk about in

Ctrl-C ends it. Only this machine can open the page, with the address that is
printed.
"""
PORT, TRIED = 8321, 20  # the first port that is tried, and how many


def arguments(parser: argparse.ArgumentParser, argv: list[str]) -> None:
    names = textwrap.fill(", ".join(PRESETS), 77, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
    parser.description = f"{_DESCRIPTION}\nPresets:\n\n{names}\n"
    parser.add_argument(
        "game",
        nargs="?",
        default="",
        metavar="GAME",
        help="a preset, a link or what stands behind its #, or the folder of a run",
    )
    parser.add_argument("--port", type=an_integer, metavar="N", help=f"default: {PORT}, or the next that is free")
    parser.add_argument(
        "--host", default="127.0.0.1", metavar="NAME", help="what to listen to (default: this machine alone)"
    )
    parser.add_argument("--no-browser", action="store_true", help="print the address, and open no page")


def run(args: argparse.Namespace) -> int:
    lab = _lab(args.game)
    server = _listening(lab, args.host, args.port)
    if args.host not in ("127.0.0.1", "localhost", "::1"):
        say(f"warning: whoever reaches {args.host} and knows the address can play along; it is not encrypted")
    say(f"{server.url}\nCtrl-C ends it")
    if not args.no_browser:
        threading.Thread(target=_open, args=(server.url,), daemon=True).start()
    with server, suppress(KeyboardInterrupt):
        server.serve_forever(poll_interval=0.2)
    return 0


def _lab(game: str) -> Lab:
    """Of a run, if that is a path, or of a session."""
    if game and Path(expand(game)).exists():
        return Lab(run=OpenedRun(game))
    if game and "=" not in game:
        if any(sign in game for sign in "/\\."):
            raise FileNotFoundError(f"there is no {game}; give the folder of a run, a preset or a link")
        game = f"preset={game}"
    session, complaints = Session.parse(game.rpartition("#")[2])
    if complaints:
        raise ValueError("; ".join(complaints.values()))
    return Lab(session)


def _listening(lab: Lab, host: str, port: int | None) -> Server:
    """A server at the port that was asked for, or at the next one that is free."""
    first = PORT if port is None else port
    if not 0 <= first <= 65535:
        raise ValueError(f"a port is a number from 0 to 65535, got {first}")
    for tried in range(first, min(first + TRIED, 65536)):
        try:
            server = Server(lab, host, tried)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            continue
        if tried != first:
            say(f"port {first} is taken; this is {tried}")
        return server
    raise OSError(errno.EADDRINUSE, f"the ports {first} to {tried} are all taken; give another with --port")


def _open(url: str) -> None:
    with suppress(webbrowser.Error):
        webbrowser.open(url)
