"""Calls of functions, each in a process of its own with one thread, so many of them side by side.

A small game does not fill two cores, as its products are too small to be cut; two small games do. A call is a process
that ends with the one that has begun it, however that ends: it waits for the end of its parent, and then asks itself
to stop (SIGTERM), so that a training saves. One that is killed takes nobody with it, and its last words are kept.

Who calls `work` is a matter of the pool: threads of this process, or the ranks of MPI (ranks.py).
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from multiprocessing import connection
from typing import Any, TypeVar

from ..environment import usable_cores
from ..runs.interrupt import StopRequest

__all__ = ["ONE_THREAD", "Died", "call", "side_by_side"]

ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
_OF_MPI = ("PMI_", "PMIX_", "OMPI_")  # how the names of variables begin that tell a process its rank
_REFRESH = 0.2  # seconds between two looks at whether to stop
_LAST = 4096  # bytes of what a process has said that are looked at for its last words

Job = TypeVar("Job")
Result = TypeVar("Result")


class Died(RuntimeError):
    """A process ended without an answer. `code`: its exit code, or −n for signal n; the message has its last words."""

    def __init__(self, code: int, words: str) -> None:
        self.code = code
        try:
            how = f"signal {signal.Signals(-code).name}" if code < 0 else f"code {code}"
        except ValueError:
            how = f"signal {-code}"
        super().__init__(f"the process ended with {how}" + (f": {words}" if words else ""))


class _Ending:
    """What the calls of one `side_by_side` look at: `asked` to end well, or `now`."""

    asked = now = False


_NEVER = _Ending()  # where no `side_by_side` is above
_of_thread = threading.local()
_one_at_a_time = threading.Lock()  # starting and burying: the environment and the list of children are everybody's


def call(function: Callable[..., Result], *args: Any) -> Result:
    """What `function(*args)` returns, from a fresh process with one thread, whose output is dropped.

    The function is one that can be imported, as in every `spawn` of multiprocessing; what goes there and comes back is
    pickled, between the two and nobody else. Raises Died if it raises or is killed.
    """
    ending: _Ending = getattr(_of_thread, "ending", _NEVER)
    if ending.asked:
        raise Died(-signal.SIGTERM, "it was not begun")
    spawn = multiprocessing.get_context("spawn")
    handle, log = tempfile.mkstemp(prefix="minigan-")
    os.close(handle)
    answers, answer = spawn.Pipe(duplex=False)
    process = spawn.Process(target=_answer, args=(answer, log, function, args), daemon=True)
    try:
        with _one_at_a_time, _one_thread():
            process.start()
        answer.close()  # the process's own is the last one: its death can be read
        asked = False
        while not connection.wait([answers], _REFRESH):
            if ending.now:
                process.kill()
            elif ending.asked and not asked:
                asked = True
                process.terminate()
        try:
            result: Result = answers.recv()
        except EOFError:
            connection.wait([process.sentinel])
            with _one_at_a_time:
                process.join()
            raise Died(process.exitcode or 0, _last_words(log)) from None
        return result
    finally:
        if process.pid is not None:
            process.terminate()  # of no account where it has ended
            connection.wait([process.sentinel])
            with _one_at_a_time:
                process.join()
        answers.close()
        os.remove(log)


def side_by_side(
    work: Callable[[Job], Result], jobs: Iterable[Job], processes: int | None = None, stop: StopRequest | None = None
) -> Generator[Result]:
    """What `work` returns of each job, as they come; `processes` of them at a time, by default as many as cores.

    `work` is called in threads, and is to `call` what it computes. After `stop` was requested no job is begun, and
    calls are asked to end; so they are where `work` raises, which ends it all.
    """
    ending = _Ending()
    with ThreadPoolExecutor(processes or usable_cores(), initializer=_obey, initargs=(ending,)) as pool:
        yield from as_they_come(pool, work, jobs, stop, ending)


def as_they_come(
    pool: Executor,
    work: Callable[[Job], Result],
    jobs: Iterable[Job],
    stop: StopRequest | None = None,
    ending: _Ending | None = None,
) -> Generator[Result]:
    """The same, by the workers of a pool. ending: what those look at who are to stop."""
    ending = ending or _Ending()
    waiting: set[Future[Result]] = {pool.submit(work, job) for job in jobs}
    try:
        while waiting:
            done, waiting = wait(waiting, _REFRESH, FIRST_COMPLETED)
            if stop and stop.requested:
                ending.asked = True
                waiting = {future for future in waiting if not future.cancel()}
            for future in done:
                yield future.result()
    except BaseException:
        ending.now, ending.asked = ending.asked, True  # a second Ctrl-C waits for nobody
        for future in waiting:
            future.cancel()
        raise


def _obey(ending: _Ending) -> None:
    """In a thread that will call: it is `ending` that ends its processes, and no Ctrl-C of the terminal's beside it."""
    _of_thread.ending = ending
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # which processes inherit


@contextmanager
def _one_thread() -> Iterator[None]:
    """An environment in which processes begin that compute with one thread, and that have no part in MPI."""
    foreign = [name for name in os.environ if name.startswith(_OF_MPI)]
    before = {name: os.environ.get(name) for name in (*ONE_THREAD, *foreign)}
    os.environ.update(ONE_THREAD)
    for name in foreign:
        del os.environ[name]
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _answer(answer: Any, log: str, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
    """The process's own part."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    for target, number in ((os.devnull, 1), (log, 2)):
        handle = os.open(target, os.O_WRONLY)
        os.dup2(handle, number)
        os.close(handle)
    answer.send(function(*args))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


def _last_words(log: str) -> str:
    with open(log, "rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _LAST))
        lines = file.read().decode(errors="replace").strip().splitlines()
    return " ".join(lines[-1].split())[:600] if lines else ""
