"""Contestants take turns, so that whatever else the machine does falls on all of them alike.

Each is a process of its own that sleeps while the others compute. In every round each one repeats its work for a
while; a machine that gets slower in the course of a minute makes all of them slower, not the last one.
"""

from __future__ import annotations

import json
import math
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from . import peak

ANSWER_SECONDS = 300.0  # for an answer, before a process is taken for dead: importing, compiling, a few long steps
SAMPLE_SECONDS = 2e-3  # a sample is at least as long, from as many calls as that takes
WARM_UP_SECONDS = 0.2
PAUSE_SECONDS = 0.06  # before a turn: OpenBLAS's threads go on spinning for 2^26 clock ticks, 30 ms, after their work
SAID = 600  # characters of what a process says at once
WORKER = (sys.executable, "-m", "minigan.bench.worker")


class WorkerError(RuntimeError):
    """A contestant is out; the message says why in one sentence. wrong: because its results are."""

    def __init__(self, message: str, wrong: bool = False) -> None:
        super().__init__(message)
        self.wrong = wrong


class WorkerProcess:
    """A process of `worker.py`.

    name, device: of the contestant. command: what is started, with both appended. patience: seconds to wait for an
    answer.
    """

    def __init__(
        self, name: str, device: str, command: Sequence[str] = WORKER, patience: float = ANSWER_SECONDS
    ) -> None:
        self.name, self.device, self.patience = name, device, patience
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
        self._told = 0  # bytes of it that have been asked for
        self._process = subprocess.Popen(
            [*command, name, device],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self._answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def ask(self, **request: Any) -> dict[str, Any]:
        """The answer to a request; raises as `hear` does."""
        self.tell(**request)
        return self.hear()

    def tell(self, **request: Any) -> None:
        """Begin a request, whose answer is to be heard before the next one."""
        with suppress(OSError, ValueError):  # a process that is over cannot be written to; found out when it is heard
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        """Wait for the answer to what was told.

        Raises WorkerError with the reason if the worker refuses, dies, or takes longer than its patience; in the
        last two cases it is over.
        """
        try:
            line = self._answers.get(timeout=self.patience)
        except queue.Empty:
            self.close()
            raise WorkerError(f"{self.name} did not answer within {self.patience:g} s and was stopped") from None
        if line is None:
            self._answers.put(None)  # for whoever asks again
            raise WorkerError(self._last_words())
        try:
            answer = json.loads(line)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            self.close()
            raise WorkerError(f"{self.name} answered with something else than JSON and was stopped")
        if "error" in answer:
            raise WorkerError(str(answer["error"]), bool(answer.get("wrong")))
        return answer

    def said(self) -> str:
        """What the process has written to standard error since this was last asked, in one line and not too long."""
        with suppress(ValueError):  # closed
            new = os.pread(self._log.fileno(), 1 << 20, self._told)  # the place is the process's own: it is not moved
            self._told += len(new)
            words = " ".join(new.decode(errors="replace").split())
            return words if len(words) <= SAID else f"{words[:SAID]} ..."
        return ""

    @property
    def over(self) -> bool:
        """Whether the process has ended."""
        return self._process.poll() is not None

    def close(self) -> None:
        """End the process, by force if it does not end by itself."""
        with suppress(OSError):
            if self._process.stdin:
                self._process.stdin.close()
        try:
            self._process.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as answers:
            for line in answers:
                self._answers.put(line)
        self._answers.put(None)

    def _last_words(self) -> str:
        """Why a process that has ended did so."""
        code = self._process.wait()
        reason = f"signal {-code}" if code < 0 else f"code {code}"
        try:
            self._log.seek(max(0, self._log.seek(0, os.SEEK_END) - 4096))
            words = self._log.read().decode(errors="replace").strip().splitlines()
        except ValueError:  # closed: it was stopped before
            words = []
        return f"{self.name} ended with {reason}" + (f": {' '.join(words[-1].split())[:300]}" if words else "")


@contextmanager
def processes(
    contestants: Sequence[tuple[str, str]], command: Sequence[str] = WORKER, patience: float = ANSWER_SECONDS
) -> Iterator[dict[tuple[str, str], WorkerProcess]]:
    """A process for each (name, device); all of them are ended with the block. The rest as of `WorkerProcess`."""
    running: dict[tuple[str, str], WorkerProcess] = {}
    try:
        for name, device in contestants:
            running[name, device] = WorkerProcess(name, device, command, patience)
        yield running
    finally:
        for process in running.values():
            process.close()


class Pace(NamedTuple):
    """rounds: how many turns each contestant gets. seconds: how long it computes in all of them together, about."""

    rounds: int = 10
    seconds: float = 2.0


def take_turns(workers: Mapping[Any, WorkerProcess], pace: Pace) -> tuple[dict[Any, list[float]], dict[Any, str]]:
    """Time what each worker has prepared: seconds per call in the order taken, and the reasons of those that failed.

    First everyone warms up, which also tells how long a call takes. A turn begins with a sample that does not
    count, to fetch back what the others have displaced, unless one sample fills the whole turn.

    Raises RuntimeError for times too short for the clock.
    """
    failures: dict[Any, str] = {}
    plans: dict[Any, tuple[int, int]] = {}
    seconds: dict[Any, list[float]] = {}
    for key, worker in workers.items():
        try:
            plans[key] = _plan(worker, pace)
            seconds[key] = []
        except WorkerError as error:
            failures[key] = str(error)
    for _ in range(pace.rounds):
        for key in list(seconds):
            samples, calls = plans[key]
            time.sleep(PAUSE_SECONDS)
            try:
                answer = workers[key].ask(do="time", samples=samples + (samples > 1), calls=calls)
            except WorkerError as error:
                failures[key] = str(error)
                del seconds[key]
                continue
            times = answer["seconds"][-samples:]
            peak.check_clock(workers[key].name, min(times) * calls, answer["tick"])
            seconds[key] += times
    return seconds, failures


def _plan(worker: WorkerProcess, pace: Pace) -> tuple[int, int]:
    """Samples in a turn, and calls in a sample, from a warm-up."""
    once = worker.ask(do="time", samples=1, calls=1)["seconds"][0]
    calls = max(1, min(100_000, math.ceil(WARM_UP_SECONDS / 2 / max(once, 1e-7))))
    if once < WARM_UP_SECONDS:
        once = worker.ask(do="time", samples=2, calls=max(1, calls // 2))["seconds"][-1]
    calls = max(1, math.ceil(SAMPLE_SECONDS / max(once, 1e-8)))
    samples = max(1, round(pace.seconds / pace.rounds / (once * calls)))
    return samples, calls
