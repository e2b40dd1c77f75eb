"""What is measured, where everyone begins, and when two have done the same.

A subject is what is played; that of this package is the canonical step (step.py). All who play it begin with the same
weights, images and random numbers, and their numbers in the first three steps must agree with those of the reference
backend before any of them is timed. All compute in float32, but for those whose names end in a lower precision: only
they may use the tensor cores, and they are compared with each other alone.

minigan on a backend plays `GAN.turn` with reuse_fakes=True, all its metrics and checks included; "cupy" as one CUDA
graph, or not at all: a step that could not be recorded is refused with the reason.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .. import archive, environment
from ..backend import NAMES, Backend, get_backend
from ..backend.graph import Graph
from .work import Work

Losses = tuple[float, ...]

CHECKED_STEPS = 3
TOLERANCES = {  # of a loss, relative, through three updates, by the precision of products
    "fp32": 2e-3,  # sums in another order
    "tf32": 2e-2,  # factors of 10 bits: rounded so on a CPU, losses are up to 1e-3 off, a gradient's norm up to 1e-2
    "bf16": 4e-2,  # of 7 bits: up to 2e-3, and about as much as that
}
NORM_LATER = 5.0  # times as far may a gradient's norm be once Adam has made steps


class Start(NamedTuple):
    """Where everyone begins.

    subject: its name. G, D: state_dicts, or whatever arrays a subject needs. real (batch, ...): the images of every
    step. fake: those that are given, or none. drawn (steps, batch, ...): the random numbers of the steps that are
    checked; timed steps draw their own.
    """

    subject: str
    width: float
    G: dict[str, np.ndarray[Any, Any]]
    D: dict[str, np.ndarray[Any, Any]]
    real: np.ndarray[Any, Any]
    fake: np.ndarray[Any, Any]
    drawn: np.ndarray[Any, Any]

    @property
    def batch(self) -> int:
        return len(self.real)


class Opponent(NamedTuple):
    """checked(): one step with the next prescribed random numbers, returns what is compared. timed(): one step.

    synchronize(): wait until the steps asked for are computed. about(): versions, device and threads, to be asked
    for after the steps that are checked; raises UnavailableError if these were not played as the name promises.
    """

    checked: Callable[[], Losses]
    timed: Callable[[], object]
    synchronize: Callable[[], object]
    about: Callable[[], str]


class UnavailableError(RuntimeError):
    """This contestant cannot play here; the message says why in one sentence."""


def _as_found(start: Start, found: Any) -> Any:
    return found


@dataclass(frozen=True)
class Subject:
    """What is played. name: in reports. what, title: in a few words, and in more.

    build(width, backend): minigan's networks for it. start(batch, width): where everyone begins. play(start, built):
    its step from there, as a function. work(batch, width): of one step. checked: the numbers that must agree; names:
    what they are called; numbers(start, found): by those of `checked`, from what a step has returned.
    """

    name: str
    what: str
    title: str
    build: Callable[..., Any]
    start: Callable[[int, float], Start]
    play: Callable[[Start, Any], Callable[[], Any]]
    work: Callable[[int, float], Work]
    checked: tuple[str, ...]
    names: str
    numbers: Callable[[Start, Any], Any] = _as_found

    def losses(self, start: Start, found: Any) -> Losses:
        """What is compared, of what a step has returned."""
        numbers = self.numbers(start, found)
        return tuple(float(numbers[name]) for name in self.checked)

    def expected(self, start: Start) -> list[Losses]:
        """What everyone must answer: the losses of the reference backend."""
        play = self.play(start, self.build(start.width, Backend()))
        return [self.losses(start, play()) for _ in range(CHECKED_STEPS)]

    def deviations(self, losses: Sequence[Sequence[float]], expected: Sequence[Losses]) -> list[float]:
        """How far each step is from what it should be: relative, or absolute where a number is below 1.

        The worst number counts. The norm of a gradient counts less after the first step: the first steps of Adam are
        hardly more than the signs of gradients, so rounding turns some of them, and of a DCGAN's float32 norm 1 % is
        gone in three steps on any library.
        """
        found = []
        for number, (ours, theirs) in enumerate(zip(losses, expected, strict=True)):
            scale = [NORM_LATER if number and name.endswith("grad_norm") else 1.0 for name in self.checked]
            away = np.abs(np.subtract(ours, theirs)) / (1 + np.abs(theirs)) / scale
            found.append(float(np.nan_to_num(away, nan=np.inf).max()))
        return found

    def check(
        self,
        who: str,
        losses: Sequence[Sequence[float]],
        expected: Sequence[Losses],
        allowed: float = TOLERANCES["fp32"],
    ) -> None:
        """Refuse who computes something else. allowed: as `deviations` measures it.

        Raises ArithmeticError with the losses of the first step in which one differs.
        """
        for number, away in enumerate(self.deviations(losses, expected)):
            if not away <= allowed:
                shown, wanted = (", ".join(f"{loss:.5g}" for loss in them[number]) for them in (losses, expected))
                raise ArithmeticError(
                    f"{who} does not compute the same step: its {self.names} in step {number + 1} are "
                    f"{shown}, expected {wanted}; it is not timed"
                )

    def opponent(self, name: str, device: str, start: Start) -> Opponent:
        """minigan on the backend of this name, which computes on "cpu" or "gpu".

        Raises UnavailableError with the reason if it cannot play here, ValueError for an unknown name.
        """
        try:
            backend = get_backend(name)
        except ImportError as error:
            raise UnavailableError(" ".join(str(error).split())) from None
        play = backend.repeat(self.play(start, self.build(start.width, backend)))

        def about() -> str:
            if device == "gpu":
                return f"minigan on {backend.about()}, {_how(name, play)}"
            libraries = ", ".join(f"{name} {version}" for name, version in backend.versions().items())
            threads = getattr(backend, "threads", environment.blas_threads())
            return f"minigan on {libraries}, {environment.blas()}, {threads} threads"

        return Opponent(lambda: self.losses(start, play()), play, backend.synchronize, about)


def _how(name: str, play: Any) -> str:
    """How a GPU is asked for a step. Raises UnavailableError for a graph that is none."""
    if not isinstance(play, Graph):
        return "call by call"
    if not play.recorded:
        raise UnavailableError(
            f"{name} plays a step as one CUDA graph, but this one was played call by call, as cupy-eager does it: "
            f"{play.reason or 'it was not recorded'}"
        )
    return play.describe()


def is_ours(who: str) -> bool:
    """Whether this is minigan on one of its backends, from the name."""
    return who in NAMES


def precision(who: str) -> str:
    """Of the products of a contestant, from its name: "fp32", "tf32" or "bf16".

    >>> precision("cupy"), precision("cupy-tf32"), precision("torch-tf32")
    ('fp32', 'tf32', 'tf32')
    """
    last = who.rpartition("-")[2]
    return last if last in TOLERANCES else "fp32"


def save_start(path: str | os.PathLike[str], start: Start) -> None:
    """Write a start to an `.npz` file, for the processes of the contestants."""
    states = {f"{net}.{name}": array for net in ("G", "D") for name, array in getattr(start, net).items()}
    arrays = {name: getattr(start, name) for name in _ARRAYS}
    archive.save(path, {**arrays, **states}, {"subject": start.subject, "width": start.width})


def load_start(path: str | os.PathLike[str]) -> Start:
    """The inverse of `save_start`."""
    arrays, header = archive.load(path)
    G, D = ({name[2:]: a for name, a in arrays.items() if name.startswith(f"{net}.")} for net in ("G", "D"))
    return Start(header["subject"], header["width"], G, D, *(arrays[name] for name in _ARRAYS))


_ARRAYS = ("real", "fake", "drawn")
