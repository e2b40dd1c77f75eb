"""Things with a state in one file: {name of the part: its state_dict} in a `.npz`, with a JSON header.

The file is read by `minigan.archive`, which never unpickles and believes no size that the file does not bear out.
"""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any

from . import archive

FORMAT = "minigan checkpoint 1"


def save(path: str | PathLike[str], states: Mapping[str, Mapping[str, Any]], header: Mapping[str, Any]) -> None:
    """Write the `state_dict()` of each part, by its name; the old file stays until the new one is complete."""
    arrays = {f"{part}/{name}": array for part, state in states.items() for name, array in state.items()}
    archive.save(path, arrays, {"format": FORMAT, **header})


def load(path: str | PathLike[str]) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """The states by part, and the header. Raises FileNotFoundError, or ValueError for a damaged or foreign file."""
    arrays, header = archive.load(path)
    if header.get("format") != FORMAT:
        raise ValueError(f"{path} is no minigan checkpoint (its format is {header.get('format')!r}, not {FORMAT!r})")
    states: dict[str, dict[str, Any]] = {}
    for name, array in arrays.items():
        part, _, key = name.partition("/")
        states.setdefault(part, {})[key] = array
    return states, header
