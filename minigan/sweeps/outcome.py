"""One run among many: begun, gone on with or left as it is, by what its folder says; and judged if that is asked for.

What is known of a run that was played is noted beside it, in `training.json`: how it ended and how long it took. The
run itself is one of `minigan train`, in a process of its own.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..evaluation import evaluate
from ..files import write_atomically
from ..game.update import NonFiniteError
from ..runs.config import FILE
from ..runs.interrupt import Interrupted
from ..runs.lock import FolderLock
from ..training import resume, train
from .processes import Died, call

__all__ = ["DIVERGED", "FAILED", "FINISHED", "STOPPED", "Played", "played"]

FINISHED, DIVERGED, STOPPED, FAILED = "finished", "diverged", "stopped", "failed"
_NOTE = "training.json"
_PATIENCE = 60.0  # seconds for a process that is saving, after its parent was killed


@dataclass(frozen=True)
class Played:
    """How a run ended: finished, diverged, stopped or failed. seconds: all it took, None if some of it is not known.

    said: why, unless it is finished.
    """

    outcome: str
    seconds: float | None
    said: str = ""

    @property
    def over(self) -> bool:
        """Whether there is nothing to go on with."""
        return self.outcome in (FINISHED, DIVERGED)

    @classmethod
    def read(cls, folder: Path) -> Played | None:
        """What is noted of a run, None if nothing is. Raises ValueError for a note that is none."""
        try:
            found = json.loads((folder / _NOTE).read_text("utf-8"))
            note = cls(
                **{"outcome": FINISHED, **{name: found[name] for name in asdict(cls("", None)) if name in found}}
            )
            if note.outcome not in (FINISHED, DIVERGED, STOPPED, FAILED) or not isinstance(note.said, str):
                raise ValueError(f"it says {found!r:.60}")
            if not (note.seconds is None or (type(note.seconds) in (int, float) and note.seconds >= 0)):
                raise ValueError(f"seconds cannot be {note.seconds!r:.60}")
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise ValueError(f"{folder / _NOTE} does not say how a run ended: {error}; remove it") from None
        return note

    def write(self, folder: Path) -> None:
        with write_atomically(folder / _NOTE) as file:
            file.write(json.dumps(asdict(self)).encode() + b"\n")


def played(
    folder: Path, arguments: Mapping[str, Any], judged: str | None = None, judging: Mapping[str, Any] | None = None
) -> Played:
    """Have a run played to its end, unless it is over, and return how it ended.

    arguments: of `minigan.train`, but for `out`. judged: a file of the folder with what `minigan.evaluate` says of the
    run, by the arguments `judging`; it is written if it is not there. What goes wrong in a process is an outcome; the
    next call goes on from the last checkpoint.
    """
    note = Played.read(folder)
    if note is None or not note.over:
        _wait_for(folder)
        begun = (folder / FILE).exists()
        before = note.seconds if note else None if begun else 0.0
        began = time.monotonic()
        try:
            outcome, said = call(_train, folder, dict(arguments))
        except Died as error:
            outcome, said = STOPPED if error.code == -signal.SIGTERM else FAILED, str(error)
        seconds = None if before is None else round(before + time.monotonic() - began, 1)
        note = Played(outcome, seconds, said)
        if (folder / FILE).exists():
            note.write(folder)
    if judged is not None and note.outcome == FINISHED and not (folder / judged).exists():
        try:
            call(_judge, folder, judged, dict(judging or {}))
        except Died as error:
            return Played(STOPPED if error.code == -signal.SIGTERM else FAILED, note.seconds, f"not judged: {error}")
    return note


def _train(folder: Path, arguments: dict[str, Any]) -> tuple[str, str]:
    try:
        if (folder / FILE).exists():
            resume(folder, **arguments, quiet=True)
        else:
            train(**arguments, out=folder, quiet=True)
    except NonFiniteError as error:
        return DIVERGED, str(error)
    except Interrupted as error:
        return STOPPED, str(error)
    return FINISHED, ""


def _judge(folder: Path, judged: str, judging: dict[str, Any]) -> None:
    evaluate([folder], **judging).save(folder / judged)


def _wait_for(folder: Path) -> None:
    """Until nobody trains in it: one whose parent was killed a moment ago is still saving."""
    until = time.monotonic() + _PATIENCE
    while folder.is_dir() and time.monotonic() < until:
        with suppress(RuntimeError):
            FolderLock(folder).release()
            return
        time.sleep(0.1)
