"""Processes that play one game together, each with its rows of every minibatch.

Each of R processes has the whole game. In an update it draws the rows that are its share of the minibatch, and of the
noise (philox.py, `Share`), and finds the gradient of the mean loss of these. Equal shares make the mean of the
processes' gradients that of the whole minibatch: one sum of one array, after which all of them make the same step.
What looks at all samples, such as batch normalisation, asks for its means over all processes on the way. So a game is
the same game on any number of processes, but for rounding.

`Group` is one process alone, for which all of this is nothing. mpi.py has those of MPI, nccl.py the same between GPUs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from .philox import Stream

Array = Any
Found = TypeVar("Found")

PATIENCE = 2.0  # seconds that a process which has failed gives the others to fail likewise


class ElsewhereError(RuntimeError):
    """Another process of the group has failed, and says why; this one ends with it."""


class Group:
    """One process, alone.

    rank: which process this is, from 0. size: how many there are. here: how many of them on this machine; rank_here:
    which of those this one is.
    syncs: whether batch normalisation takes the statistics of all processes' samples, or of each process its own.

    Methods that are about all processes must be called by all of them, in one order.
    """

    rank, size, here, rank_here = 0, 1, 1, 0
    syncs = True

    def share(self, n: int, what: str = "a minibatch") -> int:
        """How many of n rows each process has. Raises ValueError unless all have as many."""
        if n % self.size:
            raise ValueError(
                f"{what} of {n} cannot be shared evenly by {self.size} processes: take a multiple of {self.size}, or "
                "another number of processes"
            )
        return n // self.size

    def total(self, array: Array) -> Array:
        """The sum of all processes' arrays, written over each of them, and returned. All get the same bits.

        A scalar of NumPy comes back as an array.
        """
        return array

    def mean(self, array: Array) -> Array:
        """The mean, likewise."""
        if self.size > 1:
            array = self.total(array)
            array /= self.size
        return array

    def gathered(self, array: Array) -> Array:
        """The rows (n, ...) of all processes, (size · n, ...), in the order of ranks."""
        return array

    def told(self, array: Array) -> None:
        """Write over each process's array that of the first."""

    def told_text(self, text: str) -> str:
        """The text of the first process."""
        if self.size == 1:
            return text
        letters = np.frombuffer(text.encode(), np.uint8)
        length = np.array([len(letters)], np.int64)
        self.told(length)
        room = np.zeros(int(length[0]), np.uint8)
        if self.rank == 0:
            room[:] = letters
        self.told(room)
        return room.tobytes().decode()

    def any(self, flag: bool) -> bool:
        """Whether it is true of any process."""
        return flag if self.size == 1 else bool(self.total(np.array([float(flag)]))[0])

    def first(self, act: Callable[[], Found]) -> Found | None:
        """Let the first process act, while the others wait. Returns what it has returned; None to the others.

        Raises in the first process what `act` raises, and ElsewhereError in the others then.
        """
        found, done = None, np.zeros(1)
        if self.rank == 0:
            try:
                found = act()
                done[0] = 1
            finally:
                self.told(done)
        else:
            self.told(done)
            if not done[0]:
                raise ElsewhereError("the first process has failed, and says why")
        return found

    def ended_alike(self, patience: float = PATIENCE) -> bool:
        """Whether all processes come to this place within so many seconds, from wherever they were."""
        return True

    def abort(self, code: int) -> None:
        """End all processes, with this exit code."""
        raise SystemExit(code)

    def moments(self, mean: Array, var: Array, n: int, both: Array) -> int:
        """Over the means and (biased) variances (F,) of each process's n samples write those of all samples.

        both: (1, 2, F), to work in. Returns how many samples these are. Each process adds up the same numbers in the
        same order:

            μ = Σ_r μ_r/R,   v = Σ_r (v_r + (μ_r − μ)²)/R
        """
        if self.size > 1:
            both[0, 0], both[0, 1] = mean, var
            parts = self.gathered(both)
            means, variances = parts[:, 0], parts[:, 1]
            mean[...] = means.mean(axis=0)
            variances += (means - mean) ** 2
            var[...] = variances.mean(axis=0)
        return n * self.size


ALONE = Group()


def group_of(be: Any, stream: Stream) -> Group:
    """The processes whose samples are one batch with those of a pass: those of the backend, if it has a share."""
    group: Group = ALONE if stream.share is None else be.group
    return group
