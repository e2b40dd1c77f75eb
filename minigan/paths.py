"""Paths as people give them: `~` is the home folder, wherever a path is taken."""

from __future__ import annotations

import os

__all__ = ["StrPath", "expand"]

StrPath = str | os.PathLike[str]


def expand(path: StrPath) -> str:
    """`path` with a home folder for the `~` or `~user` that it begins with; any other as it is.

    A shell expands `--out ~/a` but not `--out=~/a`, and Python code has no shell. Raises ValueError where that home
    folder is not known, rather than let a folder named `~` be made; a file that has this very name is itself.

    >>> expand("runs/~")
    'runs/~'
    """
    text = os.fspath(path)
    whole = os.path.expanduser(text)
    if whole.startswith("~") and not os.path.lexists(whole):
        who = whole.replace("\\", "/").partition("/")[0]
        raise ValueError(
            f"{text} begins with {who}, but no such home folder is known here; give the path without it, "
            f"or {os.path.join(os.curdir, text)} for a name that begins with ~"
        )
    return whole
