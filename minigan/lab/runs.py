"""A run folder, opened: nothing is learned any more, and there is a lot to look at."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from ..game import Game
from ..game.generating import Generating
from ..paths import StrPath
from ..runs.config import FILE, Config
from ..runs.data import load_data
from ..runs.lines import MetricsTable
from ..runs.noted import checkpoint_of, shape_and_classes
from .frame import Frame
from .history import MOST
from .worlds.pictures import Gallery

__all__ = ["OpenedRun"]


class OpenedRun:
    """The game of a run, or of a checkpoint.

    Raises FileNotFoundError where there is none, ValueError for one that makes nothing of latents, or no images.
    """

    def __init__(self, directory: StrPath) -> None:
        checkpoint = checkpoint_of(directory)
        game = Game.load(checkpoint)
        if not isinstance(game, Generating):
            raise ValueError(
                f"{checkpoint} holds a {type(game).__name__}, which makes nothing of latents, so there is no "
                "walking about"
            )
        self.game, self.name = game, checkpoint.resolve().parent.name
        shape, classes = shape_and_classes(checkpoint, game)
        self.gallery = Gallery(shape, classes, _images(checkpoint.parent, shape))
        self._columns, self._rows = _metrics(checkpoint.parent, game)
        self._recipe = _recipe(checkpoint.parent)

    def frame(self, view: Mapping[str, Any]) -> Frame:
        """What it has learned, seen from `view`, as of `Gallery.frame`."""
        facts, arrays = self.gallery.frame(self.game, view)
        header = {
            "world": "pictures", "game": 0, "step": self.game.steps, "d_updates": 0, "begun": [0, 0], "session": "",
            "failed": None, "can_go_back": False, "settings": {}, "metrics": {}, "run": self.name,
            "recipe": self._recipe, "equilibrium": self.game.equilibrium(), "history": self._columns, "figures": [],
            "notices": [], "open": [], "cures": [], **facts,
        }  # fmt: skip
        return Frame(header, {**arrays, "history": self._rows})


def _images(folder: Path, shape: tuple[int, ...]) -> Any:
    """The data of a run, if they are where they were, and of the shape of its samples."""
    with suppress(OSError, ValueError):
        config = Config.read(folder / FILE)
        images = load_data(config.data, size=config.size).images
        if images.dtype == np.uint8 and images.shape[1:] == shape:
            return images
    return None


def _metrics(folder: Path, game: Generating) -> tuple[list[str], Any]:
    """Names and rows (rows, columns) of what the run has written, thinned to what a chart can show."""
    with suppress(OSError, ValueError):
        table = MetricsTable(folder / "metrics.csv").read()
        if len(table["step"]):
            every = -(-len(table["step"]) // MOST)
            return list(table), np.stack([column[::every] for column in table.values()], axis=1)
    return ["step", *game.metrics], np.empty((0, 1 + len(game.metrics)))


def _recipe(folder: Path) -> str:
    with suppress(OSError, ValueError):
        return Config.read(folder / FILE).recipe
    return ""
