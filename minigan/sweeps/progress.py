"""How far a sweep is: a bar on a terminal, a line for each run anywhere else."""

from __future__ import annotations

import shutil
import sys
import time
from types import TracebackType
from typing import Any, Self

from ..console import is_terminal, printable, say
from .outcome import FINISHED
from .report import Row

__all__ = ["SweepProgress"]


class SweepProgress:
    """Shows that runs are over, `runs` of them in all. quiet: not at all."""

    def __init__(self, runs: int, quiet: bool = False) -> None:
        self._runs, self._quiet, self._done, self._bar = runs, quiet, 0, None
        self._began = time.monotonic()
        if not quiet and is_terminal(sys.stdout):
            try:
                from tqdm import tqdm
            except ImportError:
                return
            form = "{n_fmt}/{total_fmt} runs|{bar}|{remaining} left {postfix[0]}"
            width, height = shutil.get_terminal_size((100, 24))
            bar: Any = tqdm(total=runs, bar_format=form, postfix=[""], file=sys.stdout, ncols=width, nrows=height)
            self._bar = bar

    def say(self, text: str) -> None:
        """A line of its own."""
        if self._quiet:
            return
        if self._bar is None:
            say(text)
        else:
            self._bar.write(printable(text, sys.stdout), file=sys.stdout)

    def update(self, row: Row) -> None:
        """A run has ended, well or not."""
        self._done += 1
        minutes = "" if row.played.seconds is None else f", {row.played.seconds / 60:.1f} min"
        said = f": {row.played.said}" if row.played.said else ""
        line = f"{row.name} {row.played.outcome}{minutes}{said}"
        if self._bar is None:
            left = (time.monotonic() - self._began) / self._done * (self._runs - self._done)
            self.say(f"run {self._done}/{self._runs}  {line}  {left / 60:.1f} min left")
            return
        self._bar.postfix[0] = row.name
        self._bar.update(1)
        if row.played.outcome != FINISHED or row.played.said:
            self.say(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
