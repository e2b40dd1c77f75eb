"""A game against data: many turns in a row, each with the next minibatches.

What a turn is, the game says. Here it is fed, and its metrics are collected: on a CPU one turn after the other; on a
GPU draws, turn and metrics are one recorded graph (backend/graph.py), and the host looks only now and then.
"""

from __future__ import annotations

import warnings
from typing import Any, ClassVar, Protocol

import numpy as np

from ..atomic import Atomic
from ..backend import Backend
from ..spec import integer
from . import saved
from .feed import Feed
from .player import Player
from .update import NonFiniteError

Array = Any


class Playable(Protocol):
    """A game, as far as it is played; see game.py."""

    metrics: ClassVar[tuple[str, ...]]
    _atomic: Atomic

    @property
    def backend(self) -> Backend: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    @property
    def players(self) -> dict[str, Player]: ...

    @property
    def clock(self) -> Player: ...

    @property
    def steps(self) -> int: ...

    def turn(self, draw: Any) -> dict[str, Array]: ...

    @property
    def begun(self) -> int: ...

    def meet(self, draw: Any) -> None: ...

    def begin(self, draw: Any, updates: int) -> None: ...

    def rests(self, steps: int) -> str | None: ...

    def feed(self, data: Any, batch: int, labels: Any = None) -> Feed: ...


class Play:
    """A game, and data that it learns from `batch` at a time, brought to its backend once.

    data, labels: as `Game.fit` takes them. Raises ValueError or TypeError for data or sizes that do not fit.

    >>> import minigan
    >>> from minigan.recipes import gan
    >>> play = Play(gan.build((28, 28)), minigan.datasets.load("digits"), batch=8)
    >>> len(play.play(2)["d_loss"]), play.game.steps
    (2, 2)
    """

    def __init__(self, game: Playable, data: Any, batch: int, labels: Any = None) -> None:
        self.game, self.batch, self._clock = game, integer("batch", batch), list(game.players)[-1]
        self._be = be = game.backend
        self._failure: NonFiniteError | None = None
        self._per_turn: dict[str, int] = {}  # updates of each player
        self._asked = self._counts()  # before the steps that were asked for last
        with be.explained():
            self.feed = game.feed(data, self.batch, labels)
            self._table = be.zeros((be.ahead, len(game.metrics)), game.dtype)  # metrics of the last steps
            self._turn = be.repeat(self._play_once)
            if game.steps == 0 and game.begun == 0:
                with game._atomic:
                    game.meet(self.feed)
            if be.group.size > 1:
                saved.tell(game)  # of which each process has made its own

    def begin(self, updates: int) -> None:
        """What the game does before its first turn, so many updates of it; nothing if it has begun."""
        if self.game.steps == 0:
            self.game.begin(self.feed, updates)

    def warn_of_rest(self, steps: int) -> None:
        """Warn of a learning rate that is 0 before the end."""
        if sentence := self.game.rests(steps):
            warnings.warn(sentence, stacklevel=3)

    def play(self, steps: int) -> dict[str, np.ndarray[Any, Any]]:
        """Play so many more steps and return each metric as an array (steps,).

        Where a number stops being finite the arrays end with the step before, and the next call raises
        NonFiniteError; this one does if there is no step before.
        """
        parts = [np.empty((0, len(self.game.metrics)), self.game.dtype)]
        while steps > 0 and self._failure is None:
            with self.game._atomic:
                count = min(steps, self._be.ahead)
                self.ask(count)
                parts.append(self._collect())
            steps -= count
        return self._named(np.concatenate(parts))

    def ask(self, steps: int) -> None:
        """Play so many more steps, as many as the backend is `ahead` at most; a GPU is not waited for.

        `take` must come before the next `ask`.
        """
        if self._failure is not None:
            raise self._failure
        with self.game._atomic:
            self._asked = self._counts()
            try:
                with self._be.explained():
                    for _ in range(steps):
                        self._turn()
            except NonFiniteError as error:
                self._failure = error

    def take(self) -> dict[str, np.ndarray[Any, Any]]:
        """The metrics of the steps that were asked for, as `play` returns them; waits for them."""
        with self.game._atomic:
            return self._named(self._collect())

    @property
    def how(self) -> str:
        """How a step is played, where that is known and not plain to see: as one CUDA graph, say."""
        return self._turn.describe()

    def _collect(self) -> np.ndarray[Any, Any]:
        """The rows of the steps that were asked for."""
        begin = self._asked[self._clock]
        try:
            with self._be.explained():
                if self._failure is None and self._turn.halted():
                    self._explain()
        except NonFiniteError as error:
            self._failure = error
        rows = np.arange(begin + 1, self.game.steps + 1) % len(self._table)
        found: np.ndarray[Any, Any] = self._be.group.mean(self._be.to_numpy(self._table)[rows])
        return found

    def _named(self, history: np.ndarray[Any, Any]) -> dict[str, np.ndarray[Any, Any]]:
        if self._failure is not None and not len(history):
            raise self._failure
        return {name: history[:, i] for i, name in enumerate(self.game.metrics)}

    def _play_once(self) -> None:
        before = None if self._be.recording is not None else self._counts()
        metrics = self.game.turn(self.feed)
        self._be.record([metrics[name] for name in self.game.metrics], self._table, self.game.clock.updates.now())
        if before is not None:
            self._per_turn = {name: count - before[name] for name, count in self._counts().items()}

    def _counts(self) -> dict[str, int]:
        return {name: player.updates.value for name, player in self.game.players.items()}

    def _explain(self) -> None:
        """Make the turn in which a graph halted once more, and look: raises NonFiniteError.

        The updates that the graph has made in it are gone through again, and change nothing, up to the one that failed.
        """
        game, now = self.game, self._counts()
        turns = now[self._clock] - self._asked[self._clock]
        turns //= self._per_turn[self._clock]
        for name, player in game.players.items():
            player.shift = self._asked[name] + turns * self._per_turn[name] - now[name]
        try:
            game.turn(self.feed)
        finally:
            for player in game.players.values():
                player.shift = 0
        name = "a loss or a gradient"
        raise NonFiniteError(game.steps + 1, name, f"{name} was not finite at step {game.steps + 1}, but only once")
