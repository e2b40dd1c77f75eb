"""Ctrl-C, SIGTERM and a lost terminal ask a training to stop; it finishes the step, saves, and says so.

So do SIGUSR1, SIGUSR2 and SIGXCPU, by which clusters announce that the time of a job is nearly up.
"""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

from ..console import quoted

__all__ = ["Interrupted", "StopRequest"]


_STOP = "SIGINT", "SIGTERM", "SIGHUP"
_ANNOUNCE = "SIGUSR1", "SIGUSR2", "SIGXCPU"


class Interrupted(KeyboardInterrupt):
    """A run was asked to stop, and did.

    `directory` is its folder, `step` the step of its checkpoint, `resume_command` what goes on from there.
    """

    def __init__(self, message: str, directory: Path, step: int) -> None:
        super().__init__(message)
        self.directory = directory
        self.step = step
        self.resume_command = f"minigan train --resume {quoted(directory)}"


class StopRequest:
    """While this context is open, signals to stop only set `requested`; a second Ctrl-C raises KeyboardInterrupt.

    Signals that are ignored (as with nohup) stay so, and those that mean nothing in themselves keep a handler that
    somebody has given them. Outside the main thread, where Python allows no handlers, nothing is changed.
    """

    def __init__(self) -> None:
        self.requested = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for name in (*_STOP, *_ANNOUNCE):
                number = getattr(signal, name, None)  # Windows has few of them
                present = None if number is None else signal.getsignal(number)
                if number is None or present in (signal.SIG_IGN, None):
                    continue
                if name in _STOP or present is signal.SIG_DFL:
                    self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.requested = True
