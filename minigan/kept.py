"""What takes long to make and comes out the same each time is made once and kept in a file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Made = TypeVar("Made")
Say = Callable[[str], None]


def kept(
    path: Path | None,
    what: str,
    load: Callable[[Path], Made],
    make: Callable[[], Made],
    save: Callable[[Made, Path], None],
    say: Say | None = None,
    *,
    named: bool = False,
) -> Made:
    """What is in a file, or else made now and kept there.

    path: None for no file. what: in sentences, such as "the index". load, save: raise ValueError or OSError for a file
    that is of no use or a place that is none; then it is made again, or not kept, unless the file is `named` by
    somebody, to whom this is an error. say: called with sentences.
    """
    tell = say or (lambda _: None)
    if path is not None and os.path.exists(path):
        try:
            return load(path)
        except (ValueError, OSError) as error:
            if named:
                raise
            tell(f"{what} kept in {path} cannot be used and is made again: {error}")
    made = make()
    if path is not None:
        try:
            save(made, path)
        except (ValueError, OSError) as error:
            if named:
                raise
            tell(f"{what} could not be kept for the next time: {error}")
    return made
