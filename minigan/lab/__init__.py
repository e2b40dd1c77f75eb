"""A GAN that is watched while it plays: `minigan lab`.

    settings.py    what can be set, and how far; presets
    session.py     a game as a short text: settings, and what was done on the way
    engine.py      the game itself, which advances for so many milliseconds and gives frames; no input, no output
    worlds/        what it is played for, and what there is to see: points in the plane, on a line, the Dirac game
    runs.py        what a run folder has learned, to walk about in
    hand.py        strokes on a picture, and what G makes of them
    take.py        the Python, the command and the checkpoint of what is on the screen
    server.py      all this over HTTP, for the page in page/, which pulls frame after frame
    turns.py       who may touch the game: a request, or the one who plays on between two of them

The game is the one that `minigan train` plays, by the same `Play`: to look at it changes nothing, and a session is the
same bit for bit however often it is looked at.

>>> engine = Engine(Session.parse("preset=ring&seed=1")[0])
>>> engine.play_to(40)
>>> engine.frame().header["step"], engine.session.text()
(40, 'preset=ring&seed=1')
"""

from __future__ import annotations

from .engine import Engine
from .session import Session

__all__ = ["Engine", "Session"]
