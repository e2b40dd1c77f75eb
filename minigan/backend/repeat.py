"""A step that is played again and again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Repeat:
    """Calls a function. On a GPU a subclass records what it asks of the device, and replays that (graph.py)."""

    def __init__(self, step: Callable[[], Any]) -> None:
        self._step = step

    def __call__(self) -> Any:
        """Play the step once and return what it returned; on a GPU without waiting for it."""
        return self._step()

    def describe(self) -> str:
        """How it is played, if that is not plain to see: "" until it is known, and on a CPU."""
        return ""

    def halted(self) -> bool:
        """Whether a step met a number that is not finite and changed nothing since; waits for the device."""
        return False
