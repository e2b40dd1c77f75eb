"""What `GAN.fit(progress=True)` shows: how far it is, and what diagnostics have to say.

As in `minigan train`, but for a game that has no folder: a bar on a terminal, plain lines where output goes to a file,
and in a notebook one display that is updated.
"""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np

from ..diagnostics import Diagnostics
from ..game.update import NonFiniteError
from .interrupt import StopRequest
from .notebook import Bar, in_notebook
from .progress import Progress

if TYPE_CHECKING:
    from ..game import Game
    from ..gan import GAN

__all__ = ["Watch"]


class Watch:
    """Called with the metrics of the steps just played, each an array; returns True when nobody reads on.

    steps: how many there will be, from where the game is now.
    """

    def __init__(self, game: Game, images: Any, steps: int) -> None:
        end, self._stop = game.steps + steps, StopRequest()
        self._game, self._diagnostics = game, Diagnostics(cast("GAN", game), images) if game.diagnosed else None
        bar = Bar(end, game.steps) if in_notebook() else None
        self._progress = Progress(game.steps, end, self._stop, game.headline, bar=bar)

    def __call__(self, played: dict[str, np.ndarray[Any, Any]]) -> bool:
        count = len(played[self._game.metrics[0]])
        for i in range(count):
            metrics = {name: float(values[i]) for name, values in played.items()}
            self._progress.update(self._game.steps - count + 1 + i, metrics)
        for notice in self._diagnostics.watch(played) if self._diagnostics else ():
            self._progress.say(str(notice))
        return self._stop.requested

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, NonFiniteError):
            self._progress.say(f"step {error.step:,}: {error}")
        for sentence in self._diagnostics.remaining() if self._diagnostics else ():
            self._progress.say(f"still wrong {sentence}")
        self._progress.__exit__(kind, error, trace)
