"""Where the first NaN or infinity came from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .backend import Backend

Array = Any


class NonFiniteError(ArithmeticError):
    """A number stopped being finite. `step` says when, `array` in which array; the parameters were not updated."""

    def __init__(self, step: int, array: str, message: str) -> None:
        super().__init__(message)
        self.step = step
        self.array = array


def first_nonfinite(arrays: Iterable[tuple[str, Array]], be: Backend) -> tuple[str, str] | None:
    """The first of the named arrays that holds a NaN or an infinity, and what it holds; None if all are finite."""
    for name, array in arrays:
        finite = be.xp.isfinite(array)
        if not bool(finite.all()):
            bad = int(array.size - finite.sum())
            kind = "NaN" if bool(be.xp.isnan(array).any()) else "infinity"
            return name, f"{kind} in {bad} of {array.size} elements"
    return None
