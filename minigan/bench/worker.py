"""A process that computes for one contestant: `python -m minigan.bench.worker NAME DEVICE`.

It answers each line of JSON on standard input with one on standard output, and sleeps in between, so that a
contestant's threads and memory never meet another's:

    {"do": "ceilings"}                                             {"gemm": FLOPs/s, "copies": [[bytes, bytes/s], ...]}
    {"do": "step", "start": FILE}                                  {"losses": [[...], ...], "about": TEXT}
    {"do": "part", "part": NAME, "batch": N, "width": W}           {"about": TEXT}
    {"do": "time", "samples": N, "calls": K}                       {"seconds": [N times per call], "tick": SECONDS}

"time" repeats what was prepared last: a sample is K calls and one wait for them. What fails is answered with
{"error": SENTENCE, "wrong": whether results differ from the reference's}. Settings of threads are
those of the environment, untouched.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from .. import environment
from ..backend import get_backend
from . import ceilings, parts
from .step import STEP
from .subject import CHECKED_STEPS, Opponent, Start, load_start

Answer = dict[str, Any]


class Worker:
    """One contestant and what it has prepared.

    Whoever has contestants of another kind overrides `opponent` and `part`.
    """

    def __init__(self, name: str, device: str) -> None:
        self.name, self.device = name, device
        self.timed: Callable[[], object] = lambda: None
        self.synchronize: Callable[[], object] = lambda: None

    def opponent(self, start: Start) -> Opponent:
        """The contestant, ready to play from this start."""
        return STEP.opponent(self.name, self.device, start)

    def part(self, part: str, batch: int, width: float) -> tuple[Callable[[], object], Callable[[], object]]:
        """This part as a function, and how to wait for what it has asked for."""
        backend = get_backend(self.name)
        return parts.prepare(part, backend, batch, width), backend.synchronize

    def answer(self, request: dict[str, Any]) -> Answer:
        """Do what is asked for; an error becomes a sentence."""
        do: dict[str, Callable[[dict[str, Any]], Answer]] = {
            "ceilings": self._ceilings,
            "step": self._step,
            "part": self._part,
            "time": self._time,
        }
        try:
            return do[request["do"]](request)
        except Exception as error:  # whatever a library raises: this contestant is out, the others go on
            sentence = " ".join(f"{error}".split())[:400] or type(error).__name__
            return {"error": sentence, "wrong": isinstance(error, ArithmeticError)}

    def _ceilings(self, request: dict[str, Any]) -> Answer:
        return asdict(ceilings.measure(get_backend(self.name), request.get("seconds", 0.1)))

    def _step(self, request: dict[str, Any]) -> Answer:
        self._forget()
        opponent = self.opponent(load_start(request["start"]))
        losses = [opponent.checked() for _ in range(CHECKED_STEPS)]
        self.timed, self.synchronize = opponent.timed, opponent.synchronize
        return {"losses": losses, "about": opponent.about()}

    def _part(self, request: dict[str, Any]) -> Answer:
        self._forget()
        self.timed, self.synchronize = self.part(request["part"], request["batch"], request["width"])
        return {"about": environment.blas_threads()}

    def _forget(self) -> None:
        """Let go of the arrays of the last thing before the next ones are made."""
        self.timed = self.synchronize = lambda: None

    def _time(self, request: dict[str, Any]) -> Answer:
        calls, seconds = request["calls"], []
        for _ in range(request["samples"]):
            begin = time.perf_counter()
            for _ in range(calls):
                self.timed()
            self.synchronize()
            seconds.append((time.perf_counter() - begin) / calls)
        return {"seconds": seconds, "tick": _tick()}


def _tick() -> float:
    """The smallest difference between two readings of the clock that is not zero."""
    ticks = []
    for _ in range(5):
        begin = now = time.perf_counter()
        while now == begin:
            now = time.perf_counter()
        ticks.append(now - begin)
    return min(ticks)


def main(words: Sequence[str], kind: type[Worker] = Worker) -> None:
    """Answer until standard input ends. words: name and device."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints must not be taken for an answer
    worker = kind(*words)
    for line in sys.stdin:
        print(json.dumps(worker.answer(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
