"""What the metrics have been, in at most so many rows: means over blocks of steps, which grow as the game does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["History"]

BLOCK, MOST = 20, 600  # steps of a row at first; rows


class History:
    """names: of the metrics. beside: names of what is measured at the end of a row.

    >>> history = History(["loss"], [])
    >>> for step in range(20 * 600 + 20):
    ...     history.add({"loss": np.array([step])}, step + 1)
    >>> len(history.rows), history.every, history.rows[0].tolist()
    (300, 40, [40.0, 19.5])
    """

    def __init__(self, names: Sequence[str], beside: Sequence[str]) -> None:
        self.columns = ["step", *names, *beside]
        self.every = BLOCK
        self._names, self._beside = names, beside
        self._rows = np.empty((MOST + 1, len(self.columns)), np.float32)
        self._count = 0
        self._waiting: list[NDArray[Any]] = []
        self._step = 0

    @property
    def rows(self) -> NDArray[np.float32]:
        """(rows, columns): the last step of a row, and means over it.

        Until one is full there is one of the steps so far; what was measured is not known there: NaN.
        """
        whole = self._rows[: self._count]
        if len(whole) or not self._waiting:
            return whole
        row = [self._step, *np.mean(self._waiting, axis=0), *[np.nan] * len(self._beside)]
        return np.concatenate([whole, np.array([row], np.float32)])

    @property
    def missing(self) -> int:
        """Steps until the row is full."""
        return self.every - len(self._waiting)

    def add(self, played: Mapping[str, NDArray[Any]], step: int, measured: Mapping[str, float] | None = None) -> None:
        """Take in steps, `missing` at most. step: the last of them. measured: then, if they fill the row."""
        columns = np.array([played[name] for name in self._names], np.float64).T
        self._waiting += list(columns)
        self._step = step
        if self.missing > 0:
            return
        row = [step, *np.mean(self._waiting, axis=0), *(measured or {}).values()]
        self._waiting.clear()
        self._rows[self._count] = row
        self._count += 1
        if self._count > MOST:
            self._halve()

    def _halve(self) -> None:
        """Two rows become one; the odd one at the end waits."""
        pairs = self._rows[: self._count // 2 * 2].reshape(-1, 2, len(self.columns))
        merged = pairs.mean(axis=1)
        merged[:, 0] = pairs[:, 1, 0]
        merged[:, 1 + len(self._names) :] = pairs[:, 1, 1 + len(self._names) :]
        odd = self._rows[self._count - 1, 1 : 1 + len(self._names)].astype(np.float64) if self._count % 2 else None
        self._waiting = [] if odd is None else [odd] * self.every
        self._count = len(merged)
        self._rows[: self._count] = merged
        self.every *= 2

    def state(self) -> dict[str, Any]:
        """For `load_state`."""
        rows = self._rows[: self._count].copy()
        return {"every": self.every, "rows": rows, "waiting": list(self._waiting), "step": self._step}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Be again what `state` was taken of."""
        self.every, self._count = state["every"], len(state["rows"])
        self._rows[: self._count] = state["rows"]
        self._waiting, self._step = list(state["waiting"]), state["step"]
