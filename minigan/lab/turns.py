"""Who may touch the game: a request, or the one who plays on between two of them.

A page draws while the next frame is made, and a game that waited for it would lose a third of its time. So a thread
plays on between requests, a little at a time, for as long as the last request has allowed; it gives way at once to the
next one, and stops by itself when none comes.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Turns"]


class Turns:
    """play: a little of the game; returns whether there is more to do before the next request."""

    def __init__(self, play: Callable[[], bool]) -> None:
        self._play = play
        self._free = threading.Condition()
        self._asking: deque[None] = deque()  # one for each request that waits; its methods are atomic
        self._until = self._shown = 0.0  # when to stop by itself; when the last frame was made
        self._ended = False
        self._thread: threading.Thread | None = None

    @contextmanager
    def mine(self) -> Iterator[None]:
        """Have the game for oneself."""
        self._asking.append(None)  # seen before the lock is free: whoever plays gives way
        with self._free:
            self._asking.pop()
            try:
                yield
            finally:
                self._free.notify()

    def wait(self, seconds: float) -> None:
        """Let the game be played until so long after the last frame, or from now on if it has stopped since."""
        with self.mine():
            now = time.monotonic()
            if now >= self._until:
                self._shown = now
            self._until = max(self._until, self._shown + 2 * seconds)
            if self._thread is None and not self._ended:
                self._thread = threading.Thread(target=self._run, name="minigan lab", daemon=True)
                self._thread.start()
        time.sleep(max(0.0, self._shown + seconds - time.monotonic()))

    def go_on(self, seconds: float | None) -> None:
        """A frame was made: play on for twice as long as the next one is away; 0 to stop; None: as it was."""
        if seconds is not None:
            self._shown = time.monotonic()
            self._until = self._shown + 2 * seconds if seconds else 0.0

    def end(self) -> None:
        """Play no more, ever."""
        with self.mine():
            self._ended = True
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        with self._free:
            while not self._ended:
                if self._asking or time.monotonic() >= self._until or not self._play():
                    self._free.wait()
