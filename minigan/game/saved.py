"""A game in a file: a `.npz` with the state of each part, {name of the part: its state_dict}, and a JSON header.

The file is read by `minigan.archive`, which never unpickles and believes no size that the file does not bear out.
`look` comes first: names, shapes and the header, so that what they promise can be judged before any array is read.

    header    format, game (as of `describe`), updates (of each player), extra
    parts     each network by its name, d_opt and so on for each player, d_average where one is kept, state

Files of format 1, which knew two networks by name and no other game, are read as what they are by now.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from .. import archive, spec
from ..backend import Backend
from ..files import StrPath, Target
from ..nn import Sequential
from ..paths import expand

Game = Any  # one of game.py, which saves and loads itself by what is here
States = Mapping[str, Mapping[str, Any]]

FORMATS = FORMAT, FORMAT_1 = "minigan checkpoint 2", "minigan checkpoint 1"
_GROWTH = 16  # times that arrays may be larger than the file: only zeros are, and those of a new optimizer at most
_SMALL = 1 << 26  # bytes that need no such reason
# What a description that anybody may have written can lead to
_UNLIKELY = (ArithmeticError, AttributeError, LookupError, MemoryError, NotImplementedError, RecursionError, TypeError,
             ValueError)  # fmt: skip


class Looked(NamedTuple):
    """What a checkpoint says of itself. shapes: of the arrays of each part, by their names. header: as it was saved."""

    shapes: dict[str, dict[str, tuple[int, ...]]]
    header: dict[str, Any]


# --- files -----------------------------------------------------------------------------------------------------


def save(path: Target, states: States, header: Mapping[str, Any]) -> None:
    """Write the `state_dict()` of each part, by its name; the old file stays until the new one is complete."""
    arrays = {f"{part}/{name}": array for part, state in states.items() for name, array in state.items()}
    archive.save(path, arrays, {"format": FORMAT, **header})


def look(path: StrPath) -> Looked:
    """What is in it, without the arrays. Raises FileNotFoundError, or ValueError for a damaged or foreign file."""
    _, header = archive.load(path, only=())
    if header.get("format") not in FORMATS:
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


def read(path: StrPath) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """The states by part, and the header. Raises FileNotFoundError, or ValueError for a damaged or foreign file."""
    _, header = look(path)
    arrays, _ = archive.load(path)
    states: dict[str, dict[str, Any]] = {}
    for name, array in arrays.items():
        part, _, key = name.partition("/")
        states.setdefault(part, {})[key] = array
    return states, header


def extra(path: StrPath) -> dict[str, Any]:
    """What `Game.save` was given to keep beside the game; ValueError if that is none."""
    found = look(path).header.get("extra", {})
    if not isinstance(found, dict):
        raise ValueError(f"{path} keeps {found!r:.60} beside the game, but names and values were expected")
    return found


def updates(path: StrPath) -> int:
    """How many updates a saved game has seen, of all its players."""
    return sum(count(f"the updates of {name}", n) for name, n in _converted(look(path).header)["updates"].items())


def count(name: str, value: Any) -> int:
    """`value` as a count of updates; ValueError unless it is a whole number that a run can reach."""
    if type(value) is not int or not 0 <= value < 2**62:
        raise ValueError(f"{name} must be a whole number from 0 to 2^62 - 1, got {value!r:.60}")
    return value


def _converted(header: Mapping[str, Any]) -> dict[str, Any]:
    """A header of format 1 as one of today."""
    if header.get("format") == FORMAT:
        return dict(header)
    game = {"kind": "GAN", **header["gan"]}
    if game.pop("batches", "auto") not in ("auto", "two" if _mixes(game) else "one"):
        raise ValueError("whether D judges real samples and fakes as one batch is no option any more: begin it anew")
    loop = [game.pop(name, default) for name, default in _TUTORIAL.items()]
    if loop != list(_TUTORIAL.values()):
        if loop != ["separate", "running", True]:
            raise ValueError(f"{', '.join(_TUTORIAL)} are no options any more but together: begin it anew")
        game = {name: value for name, value in game.items() if name not in ("codes", "penalties", "reuse_fakes")}
        game["kind"] = "Tutorial"
    elif codes := game.pop("codes", []):
        for code in codes:
            if "told" in code:
                code["predicted"] = not code.pop("told")
        game |= {"kind": "Conditional", "codes": codes}
    counts = {"d": header["d_updates"], "g": header["steps"]}
    return {"format": FORMAT, "game": game, "updates": counts, "extra": header.get("extra", {})}


_TUTORIAL = {"updates": "joint", "fake_statistics": "batch", "half_batches": False}  # and what they were by default


def _mixes(game: Mapping[str, Any]) -> bool:
    return any(layer.mixes_samples for layer in spec.build(game["D"]["layers"]))


# --- games -----------------------------------------------------------------------------------------------------


def parts(game: Game) -> dict[str, Any]:
    """All that has a state, by the name of the part."""
    names = {id(net): name for name, net in game.networks.items()}
    found: dict[str, Any] = dict(game.networks)
    for name, player in game.players.items():
        found |= player.parts(name, names)
    return found


def taken_down(game: Game) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """Everything that makes a game what it is now: the state of each part, and the rest as JSON-able data."""
    with game._atomic.look():
        states = {name: part.state_dict() for name, part in parts(game).items()}
        if kept := game.state():
            states["state"] = {name: game.backend.to_numpy(array) for name, array in kept.items()}
        counts = {name: player.updates.value for name, player in game.players.items()}
        return states, {"game": game.describe(), "updates": counts}


def tell(game: Game) -> None:
    """Let every process of a group have what the first has learned and keeps."""
    group = game.backend.group
    for part in parts(game).values():
        state = part.state_dict()
        for array in state.values():
            group.told(array)
        part.load_state_dict(state)
    for array in game.state().values():
        group.told(array)


def load(cls: Any, path: StrPath, backend: Backend) -> Game:
    """The game in a file, if it is one of `cls`; raises as `Game.load` does."""
    looked = look(path)
    try:
        header = _converted(looked.header)
        kind: Any = spec.class_of(header["game"]["kind"])
        if not issubclass(kind, cls):
            raise ValueError(f"it holds a {kind.__name__}, and no {cls.__name__}")
        kind.check_description(header["game"], looked.shapes)
        states, _ = read(path)
        return restored(kind, states, header, backend)
    except _UNLIKELY as error:
        what = str(error) or type(error).__name__
        raise ValueError(f"{path} holds no GAN that this version can load: {what:.300}") from None


def restored(cls: Any, states: States, header: Mapping[str, Any], backend: Backend, *_: Any) -> Game:
    """What `taken_down` took down."""
    if "average" in states:  # of format 1
        states = {"g_average" if name == "average" else name: state for name, state in states.items()}
    game = cls.build(header["game"], backend, states)
    for name, part in parts(game).items():
        if name not in game.networks:
            part.load_state_dict(states[name])
    for name, array in game.state().items():
        array[...] = game.backend.asarray(states["state"][name], array.dtype)
    for name, player in game.players.items():
        player.updates.value = count(f"the updates of {name}", header["updates"][name])
    return game


def build_game(cls: Any, description: Mapping[str, Any], backend: Backend | str | None, states: States | None) -> Game:
    """A game of this class, or of one derived from it, as it is described."""
    kind: Any = spec.class_of(description.get("kind", cls.kind()))
    if not issubclass(kind, cls):
        raise ValueError(f"this is the description of a {kind.__name__}, and of no {cls.__name__}")
    arguments, on = dict[str, Any](), backend
    for name in kind.argument_names():
        if name not in description:
            continue
        given = description[name]
        if isinstance(given, Mapping) and "layers" in given:
            arguments[name] = Sequential.build(given, on, states and states[name])
            on = arguments[name].backend
        else:
            arguments[name] = spec.build(given)
    return kind(**arguments)
