"""How far a training is: a bar on a terminal, about twenty lines anywhere else."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from ..console import is_terminal, printable, say
from .interrupt import StopRequest
from .lines import naming

__all__ = ["Progress"]

_LINES = 20
_REFRESH = 0.2  # seconds between changes of the bar


class Progress:
    """Shows steps `start` + 1 to `steps` of a game; metrics are means since they were last shown.

    headline: which of them, and a short name for each (`Game.headline`).

    When nobody reads on (as after `| head`), it asks the run to stop. bar: one of tqdm's kind, for another place.
    """

    def __init__(
        self,
        start: int,
        steps: int,
        stop: StopRequest,
        headline: Mapping[str, str],
        quiet: bool = False,
        bar: Any = None,
    ) -> None:
        self._headline = headline
        self.start, self.steps, self.stop, self.quiet = start, steps, stop, quiet
        self._every = max(1, (steps - start) // _LINES)
        self.start_clock()
        self._sums = dict.fromkeys(self._headline, 0.0)
        self._count = 0
        self._bar = bar
        if bar is None and not quiet and is_terminal(sys.stdout):
            try:
                from tqdm import tqdm
            except ImportError:
                return
            form = "{percentage:3.0f}%|{bar}|{n_fmt}/{total_fmt} {remaining} left {postfix[0]}"
            width, height = shutil.get_terminal_size((100, 24))  # also where the terminal does not tell
            self._bar = tqdm(
                total=steps, initial=start, bar_format=form, postfix=[""], file=sys.stdout, ncols=width, nrows=height
            )

    def start_clock(self) -> None:
        """The steps begin now; what went before (pretraining, say) is not counted as theirs."""
        self._began = self._shown = time.perf_counter()

    def say(self, text: str) -> None:
        """A line of its own."""
        if self.quiet:
            return
        try:
            with naming("standard output"):
                if self._bar is None:
                    say(text)
                else:
                    self._bar.write(printable(text, sys.stdout), file=sys.stdout)
        except BrokenPipeError:
            self.quiet = self.stop.requested = True

    def update(self, step: int, metrics: Mapping[str, float]) -> None:
        """Note the metrics of a step, and show them if it is time to."""
        if self.quiet:
            return
        for name in self._headline:
            self._sums[name] += metrics[name]
        self._count += 1
        now = time.perf_counter()
        if self._bar is not None:
            if now - self._shown >= _REFRESH or step == self.steps:
                self._bar.postfix[0] = self._summary(now).replace(" loss", "").replace("  ", " ")  # fits 80 columns
                self._bar.update(step - self._bar.n)
        elif (step - self.start) % self._every == 0 or step == self.steps:
            left = (now - self._began) / (step - self.start) * (self.steps - step)
            width = len(str(self.steps))
            self.say(f"step {step:>{width}}/{self.steps}  {self._summary(now)}  {_clock(left)} left")

    def _summary(self, now: float) -> str:
        means = "  ".join(f"{label} {self._sums[name] / self._count:.2f}" for name, label in self._headline.items())
        pace = 1000 * (now - self._shown) / self._count
        self._sums, self._count, self._shown = dict.fromkeys(self._headline, 0.0), 0, now
        return f"{means}  {pace:.1f} ms/step"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
