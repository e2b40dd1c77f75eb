"""The process of a contestant: minigan/bench/worker.py, which knows other libraries and other subjects as well."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from minigan.bench import worker
from minigan.bench.subject import Opponent, Start

from .guests import GUESTS, make_opponent
from .guests_torch import products

COMMAND = (sys.executable, str(Path(__file__).resolve().parent), "worker")


class Worker(worker.Worker):
    """One contestant and what it has prepared."""

    def opponent(self, start: Start) -> Opponent:
        return make_opponent(self.name, self.device, start)

    def part(self, part: str, batch: int, width: float) -> tuple[Callable[[], object], Callable[[], object]]:
        if self.name in GUESTS:  # products, the one part that any of them is asked for
            return products(self.device, batch, width)
        return super().part(part, batch, width)


def main(words: Sequence[str]) -> None:
    """Answer until standard input ends. words: name and device."""
    worker.main(words, Worker)
