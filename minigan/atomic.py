"""Changes that are seen whole or not at all: by Ctrl-C, by other threads and by a process that is forked meanwhile.

A step of the game moves D, then G, and each in many small pieces. What comes between two of them would find a game
that never was: half of an update made, or a G whose first layers are of this step and the rest of the last. So

    with uninterrupted:     handlers of signals wait for the end, and then run
    with atomic:            the same, and no other thread changes or looks at what `atomic` (an `Atomic`) guards
    with atomic.look():     others may look as well, and who wants to change it waits
"""

from __future__ import annotations

import functools
import os
import signal
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar, cast

try:
    # Those of `signal` make enums of what they get and take, which takes ten times as long as all the rest.
    from _signal import getsignal  # type: ignore[import-not-found]
    from _signal import signal as set_signal
except ImportError:
    from signal import getsignal
    from signal import signal as set_signal

__all__ = ["Atomic", "atomically", "uninterrupted"]

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGALRM", "SIGUSR1", "SIGUSR2", "SIGXCPU", "SIGBREAK")
_NUMBERS = tuple(int(getattr(signal, name)) for name in _NAMES if hasattr(signal, name))
_PATIENCE = 0.05  # seconds that a signal may have to wait for a thread that waits for another
_FORK_PATIENCE = 60.0  # seconds: a step takes less, and one that never ends should not keep a process from forking

Handler = Callable[[int, FrameType | None], Any]
Method = TypeVar("Method", bound=Callable[..., Any])


class _Uninterrupted:
    """A context at whose end the signals run that came meanwhile: KeyboardInterrupt is raised there. Can be nested.

    It changes nothing outside the main thread, for Python runs the handlers of signals there and nowhere else.
    """

    def __init__(self) -> None:
        self._depth = 0
        self._handlers: dict[int, Handler] = {}  # that we stand in for
        self._late: dict[int, tuple[Handler, FrameType | None]] = {}  # once each, as systems keep signals that wait
        self._stand_in = self._wait  # one object, by which it is known again
        self._main = threading.main_thread().ident

    def __enter__(self) -> None:
        if threading.get_ident() != self._main:
            return
        self._depth += 1
        if self._depth == 1:
            try:
                for number in _NUMBERS:
                    handler = getsignal(number)
                    if callable(handler) and handler is not self._stand_in:
                        self._handlers[number] = handler
                        set_signal(number, self._stand_in)
            except ValueError:  # of a second interpreter in this process, to which no signal comes
                self._handlers.clear()
            except BaseException:  # of a signal that came before all handlers were replaced
                self._leave()
                raise

    def __exit__(self, *_: object) -> None:
        if self._depth and threading.get_ident() == self._main:
            self._leave()

    def _leave(self) -> None:
        self._depth -= 1
        if self._depth:
            return
        for number in reversed(list(self._handlers)):  # Ctrl-C last: once it is back, we may not come any further
            handler = self._handlers[number]
            set_signal(number, handler)
            del self._handlers[number]
        self._deliver()

    def _deliver(self) -> None:
        """Handle what came meanwhile: all of it, though a handler may raise."""
        if self._late:
            number = next(iter(self._late))
            handler, frame = self._late.pop(number)
            try:
                handler(number, frame)
            finally:
                self._deliver()

    def _wait(self, number: int, frame: FrameType | None) -> None:
        handler = self._handlers[number]
        if self._depth:
            self._late[number] = handler, frame
        else:
            handler(number, frame)

    def forked(self) -> None:
        """In a child, whose main thread is the one that forked: nothing is going on in it."""
        self._main = threading.get_ident()
        self._depth = min(self._depth, 1)
        self._late.clear()
        if self._depth:
            self._leave()


uninterrupted = _Uninterrupted()


class Atomic:
    """Guards something that is changed in steps: one thread changes it at a time, or any number look at it.

    Who comes first goes first, as far as locks are fair: neither a training nor many threads that sample can keep the
    others out for long. A thread that changes it may look meanwhile, or begin a change within the change.
    """

    def __init__(self) -> None:
        self._reset()
        with _registering:
            _all.add(self)

    def _reset(self) -> None:
        self._door = threading.Lock()  # held while waiting for the room: whoever comes later waits behind
        self._room = threading.Lock()  # of the one who changes, or of all who look together
        self._count = threading.Lock()
        self._looking = 0
        self._changing: int | None = None  # a thread
        self._depth = 0

    def __enter__(self) -> None:
        me = threading.get_ident()
        if self._changing != me:
            _patiently(self._take_room)
            self._changing = me
        self._depth += 1

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._changing = None
            self._room.release()
            uninterrupted.__exit__()

    @contextmanager
    def look(self) -> Iterator[None]:
        """A context in which nobody changes it."""
        if self._changing == threading.get_ident():
            yield
            return
        inside = False
        try:
            _patiently(self._join_room)
            inside = True
            uninterrupted.__exit__()
            yield
        finally:
            if inside:
                with uninterrupted:
                    self._leave_room()

    def _take_room(self, timeout: float) -> bool:
        if not _acquire(self._door, timeout):
            return False
        try:
            return _acquire(self._room, timeout)
        finally:
            self._door.release()

    def _join_room(self, timeout: float) -> bool:
        if not _acquire(self._door, timeout):
            return False
        try:
            with self._count:
                if self._looking == 0 and not _acquire(self._room, timeout):
                    return False
                self._looking += 1
                return True
        finally:
            self._door.release()

    def _leave_room(self) -> None:
        with self._count:
            self._looking -= 1
            if self._looking == 0:
                self._room.release()


def atomically(method: Method) -> Method:
    """The method as a change of what `self._atomic` guards."""

    @functools.wraps(method)
    def changes(self: Any, *args: Any, **kwargs: Any) -> Any:
        with self._atomic:
            return method(self, *args, **kwargs)

    return cast(Method, changes)


def _acquire(lock: threading.Lock, timeout: float) -> bool:
    return lock.acquire(blocking=False) or lock.acquire(timeout=timeout)  # without a clock where nobody holds it


def _patiently(enter: Callable[[float], bool]) -> None:
    """Wait to be let in, `uninterrupted` from then on; signals that come before are not kept waiting."""
    while True:
        uninterrupted.__enter__()
        if enter(_PATIENCE):
            return
        uninterrupted.__exit__()


# --- forks -----------------------------------------------------------------------------------------------------
#
# A child has a copy of all memory, but of the threads only the one that forked: who held a lock is not there to give
# it back. So the thread that forks looks at everything first, and the child begins with locks that nobody holds.

_all: weakref.WeakSet[Atomic] = weakref.WeakSet()
_registering = threading.Lock()
_looked_at: list[Atomic] = []


def _before_fork() -> None:
    _registering.acquire()
    me = threading.get_ident()
    _looked_at.extend(a for a in _all if a._changing != me and a._join_room(_FORK_PATIENCE))


def _after_fork_in_parent() -> None:
    while _looked_at:
        _looked_at.pop()._leave_room()
    _registering.release()


def _after_fork_in_child() -> None:
    _looked_at.clear()
    for atomic in _all:
        atomic._reset()
    _registering.release()
    uninterrupted.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
