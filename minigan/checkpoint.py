"""Things with a state in one file: {name of the part: its state_dict} in a `.npz`, with a JSON header.

The file is read by `minigan.archive`, which never unpickles and believes no size that the file does not bear out.
`look` comes first: names, shapes and the header, so that what they promise can be judged before any array is read.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from . import archive
from .files import StrPath, Target
from .paths import expand

FORMAT = "minigan checkpoint 1"
_GROWTH = 16  # times that arrays may be larger than the file: only zeros are, and those of a new optimizer at most
_SMALL = 1 << 26  # bytes that need no such reason


class Looked(NamedTuple):
    """What a checkpoint says of itself. shapes: of the arrays of each part, by their names. header: as it was saved."""

    shapes: dict[str, dict[str, tuple[int, ...]]]
    header: dict[str, Any]


def save(path: Target, states: Mapping[str, Mapping[str, Any]], header: Mapping[str, Any]) -> None:
    """Write the `state_dict()` of each part, by its name; the old file stays until the new one is complete."""
    arrays = {f"{part}/{name}": array for part, state in states.items() for name, array in state.items()}
    archive.save(path, arrays, {"format": FORMAT, **header})


def look(path: StrPath) -> Looked:
    """What is in it, without the arrays. Raises FileNotFoundError, or ValueError for a damaged or foreign file."""
    _, header = archive.load(path, only=())
    if header.get("format") != FORMAT:
        raise ValueError(f"{path} is no minigan checkpoint (its format is {header.get('format')!r}, not {FORMAT!r})")
    contents, length = archive.peek(path), os.path.getsize(expand(path))
    claimed = sum(math.prod(shape) * dtype.itemsize for shape, dtype in contents.values())
    if claimed > max(_SMALL, _GROWTH * length):
        raise ValueError(
            f"{path} unpacks to {claimed:,} bytes from {length:,}, which no checkpoint of a trained network does; "
            "save it again"
        )
    shapes: dict[str, dict[str, tuple[int, ...]]] = {}
    for name, (shape, _) in contents.items():
        part, _, key = name.partition("/")
        shapes.setdefault(part, {})[key] = shape
    return Looked(shapes, header)


def load(path: StrPath) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """The states by part, and the header. Raises FileNotFoundError, or ValueError for a damaged or foreign file."""
    _, header = look(path)
    arrays, _ = archive.load(path)
    states: dict[str, dict[str, Any]] = {}
    for name, array in arrays.items():
        part, _, key = name.partition("/")
        states.setdefault(part, {})[key] = array
    return states, header


def extra(path: StrPath) -> dict[str, Any]:
    """What `GAN.save` was given to keep beside the game; ValueError if that is none."""
    found = look(path).header.get("extra", {})
    if not isinstance(found, dict):
        raise ValueError(f"{path} keeps {found!r:.60} beside the game, but names and values were expected")
    return found


def steps(path: StrPath) -> int:
    """How many updates a saved game has seen, of D alone or of both."""
    header = look(path).header
    return sum(count(name, header.get(name)) for name in ("steps", "d_updates"))


def count(name: str, value: Any) -> int:
    """`value` as a count of updates; ValueError unless it is a whole number that a run can reach."""
    if type(value) is not int or not 0 <= value < 2**62:
        raise ValueError(f"{name} must be a whole number from 0 to 2^62 - 1, got {value!r:.60}")
    return value
