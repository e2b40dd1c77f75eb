"""The checkpoint of a run, and what is noted in it beside the game: what an image is, and what classes are called."""

from __future__ import annotations

import math
from pathlib import Path

from ..codes import Label
from ..game import Game
from ..game.generating import Generating
from ..game.saved import extra
from ..paths import StrPath, expand

__all__ = ["checkpoint_of", "shape_and_classes"]


def checkpoint_of(directory: StrPath) -> Path:
    """The file of a game: that in the folder of a run, or the one that was given. FileNotFoundError for neither."""
    path = Path(expand(directory))
    if not path.exists():
        raise FileNotFoundError(f"there is no {path}; give the folder of a run, or a checkpoint.npz")
    return path / "checkpoint.npz" if path.is_dir() else path


def shape_and_classes(checkpoint: Path, game: Game) -> tuple[tuple[int, ...], list[str]]:
    """The shape of an image, as a run has noted it or as far as it can be seen from the samples; names of classes.

    Raises ValueError for a game whose samples are no images.
    """
    kept = extra(checkpoint)
    noted, names = kept.get("shape"), kept.get("classes")
    if noted is not None and not (isinstance(noted, list) and all(type(n) is int and n > 0 for n in noted)):
        raise ValueError(f"{checkpoint} notes {noted!r:.60} as the shape of an image, but whole numbers were expected")
    first = game.codes[0] if isinstance(game, Generating) and game.codes else None
    if not (isinstance(names, list) and all(type(name) is str for name in names) and isinstance(first, Label)
            and first.k == len(names)):  # fmt: skip
        names = []
    shape = tuple(noted or game.sample_shape)
    side = math.isqrt(shape[0]) if len(shape) == 1 else 0
    if side * side == shape[0]:
        shape = (side, side)
    if len(shape) not in (2, 3) or math.prod(shape) != math.prod(game.sample_shape):
        raise ValueError(f"{checkpoint} makes samples of shape {shape}, which are no images; use Game.load and sample")
    return shape, names
