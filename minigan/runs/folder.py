"""The folder of one training run, and what is in it.

    config.json      everything needed to repeat the run          written last, so that a folder with it is whole
    metrics.csv      one row per step                             complete up to the checkpoint at least
    notices.txt      what diagnostics had to say                  likewise; not there if it was nothing
    checkpoint.npz   the game, to play on or to sample from       replaced as a whole
    samples/         000200.png, ...: the same latents over time
    samples.png, training.gif, losses.png                         drawn when the run ends

A run can be killed at any moment. Files are replaced by renaming, and rows are on the disk before the checkpoint
that covers them, so what a killed run leaves behind is a checkpoint and perhaps something later than it, which
`rewind` removes.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from .. import archive
from ..archive import write_atomically
from ..match import METRICS
from .lock import LOCK_FILE, FolderLock

__all__ = ["Config", "MetricsTable", "NoticesFile", "RunFolder", "naming"]


@contextmanager
def naming(what: Any) -> Iterator[None]:
    """Errors of the operating system in this block say which file they are about."""
    try:
        yield
    except OSError as error:
        if error.strerror is not None:
            error.filename = str(what)
        raise


@dataclass(frozen=True)
class Config:
    """Everything needed to repeat a run.

    options: all of the recipe's. data: a name or an absolute path. images: count, shape and SHA-256 of the pixels.
    versions: of minigan, Python and NumPy (and CuPy) that wrote it.
    """

    recipe: str
    options: dict[str, Any]
    data: str
    images: dict[str, Any]
    steps: int
    batch: int
    seed: int
    backend: str
    dtype: str
    d_pretrain: int
    sample_every: int
    checkpoint_every: int
    versions: dict[str, str]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises ValueError for a file that is not whole or not one of ours."""
        kinds = {"int": int, "str": str}
        try:
            data = json.loads(path.read_bytes())
            values = {field.name: data[field.name] for field in fields(cls)}
            for field in fields(cls):
                if type(values[field.name]) is not kinds.get(str(field.type), dict):
                    raise ValueError(f"{field.name} cannot be {values[field.name]!r}")
        except (ValueError, KeyError, TypeError) as error:
            what = f"it has no {error}" if isinstance(error, KeyError) else str(error)
            raise ValueError(f"{path} is no config.json of a run: {what}") from None
        return cls(**values)

    def write(self, path: Path) -> None:
        with naming(path), write_atomically(path) as file:
            file.write(json.dumps(asdict(self), indent=2).encode() + b"\n")


class MetricsTable:
    """`metrics.csv`: a header, then one row per step. Numbers are the shortest that read back as they were.

    Rows wait in memory until `flush`.
    """

    _header = ",".join(("step", *METRICS)).encode()

    def __init__(self, path: Path) -> None:
        self.path = path
        self._rows: list[str] = []

    def create(self) -> None:
        """An empty table."""
        self._write([])

    def append(self, step: int, metrics: Mapping[str, float], dtype: np.dtype[Any]) -> None:
        self._rows.append(",".join([str(step), *(str(dtype.type(metrics[name])) for name in METRICS)]) + "\n")

    def flush(self) -> None:
        """Put the waiting rows on the disk."""
        _append(self.path, self._rows)

    def rewind(self, step: int) -> None:
        """Drop the rows after `step`, and one that was not written to its end.

        Raises ValueError, and changes nothing, if the table has other columns than those of this version.
        """
        header = self.path.read_bytes().split(b"\n")[0] if self.path.exists() else self._header
        if header and header != self._header:
            raise ValueError(f"{self.path} was written by another version: it has the columns {header.decode()!r}")
        self._write([row for row in self._lines() if int(row.split(b",")[0]) <= step])

    def read(self) -> dict[str, NDArray[np.float64]]:
        """Every column by its name."""
        rows = [[float(value) for value in row.split(b",")] for row in self._lines()]
        table = np.array(rows, np.float64).reshape(len(rows), 1 + len(METRICS))
        return dict(zip(("step", *METRICS), table.T, strict=True))

    def _write(self, lines: list[bytes]) -> None:
        with naming(self.path), write_atomically(self.path) as file:
            file.write(b"".join(line + b"\n" for line in (self._header, *lines)))

    def _lines(self) -> list[bytes]:
        """Whole rows, without the header."""
        number = rb"-?\d[\d.e+-]*"
        whole = re.compile(rb"\d+(," + number + rb"){%d}" % len(METRICS))
        lines = self.path.read_bytes().split(b"\n")[1:] if self.path.exists() else []
        return [line for line in lines if whole.fullmatch(line)]


class NoticesFile:
    """`notices.txt`: lines that begin with the step that they are about. They wait in memory until `flush`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines: list[str] = []

    def append(self, line: str) -> None:
        self._lines.append(line + "\n")

    def flush(self) -> None:
        """Put the waiting lines on the disk."""
        if self._lines:
            _append(self.path, self._lines)

    def rewind(self, step: int) -> None:
        """Drop the lines about what is later than `step`, and one that was not written to its end."""
        if not self.path.exists():
            return
        with naming(self.path):
            whole = self.path.read_bytes().split(b"\n")[:-1]
            kept = [line for line in whole if _step_of(line) <= step]
            with write_atomically(self.path) as file:
                file.write(b"".join(line + b"\n" for line in kept))


def _append(path: Path, waiting: list[str]) -> None:
    """Put lines that wait on the disk; none waits any more."""
    with naming(path), open(path, "ab") as file:
        file.write("".join(waiting).encode())
        file.flush()
        os.fsync(file.fileno())
    waiting.clear()


def _step_of(line: bytes) -> int:
    """The step that a line is about; 0 for what is no line of ours, and is left alone."""
    found = re.match(rb"step ([\d,]+):", line)
    return int(found[1].replace(b",", b"")) if found else 0


class RunFolder:
    """An open run folder, locked against other writers until `close` or the end of the `with` block."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoint = path / "checkpoint.npz"
        self.metrics = MetricsTable(path / "metrics.csv")
        self.notices = NoticesFile(path / "notices.txt")
        self.samples = path / "samples"
        self.pictures = {name: path / name for name in ("samples.png", "training.gif", "losses.png")}
        self._lock = FolderLock(path)

    @classmethod
    def create(cls, out: str | os.PathLike[str] | None, name: str) -> Self:
        """A new folder `out`, or `runs/NAME-1` with the first number that is free.

        Raises ValueError if `out` is a file or holds anything.
        """
        if out is not None:
            path = Path(out)
            if path.exists() and not path.is_dir():
                raise ValueError(f"{path} is a file, but a run needs a folder of its own; choose another --out")
            path.mkdir(parents=True, exist_ok=True)
        else:
            Path("runs").mkdir(exist_ok=True)
            number = 1
            while True:
                path = Path("runs", f"{name}-{number}")
                with suppress(FileExistsError):  # perhaps made by another run a moment ago
                    path.mkdir()
                    break
                number += 1
        _refuse_content(path)
        folder = cls(path)
        try:
            _refuse_content(path)  # another run may have been quicker
            folder.samples.mkdir()
            folder.metrics.create()
        except BaseException:
            folder.close()
            raise
        return folder

    @classmethod
    def open(cls, directory: str | os.PathLike[str]) -> Self:
        """The folder of an earlier run. Raises ValueError if it is none, RuntimeError if it is in use."""
        path = Path(directory)
        if not path.is_dir():
            raise ValueError(f"there is no run folder {path}; give the folder that an earlier run has made")
        if not (path / "config.json").is_file():
            raise ValueError(f"{path} has no config.json, so it is no folder of a run; give one that train has made")
        return cls(path)

    def read_config(self) -> Config:
        return Config.read(self.path / "config.json")

    def write_config(self, config: Config) -> None:
        config.write(self.path / "config.json")

    def sample_files(self) -> list[tuple[int, Path]]:
        """(step, file) of the pictures in `samples/`, by step."""
        return sorted((int(file.stem), file) for file in self.samples.glob("*.png") if file.stem.isdecimal())

    def sample_file(self, step: int) -> Path:
        return self.samples / f"{step:06}.png"

    def rewind(self, step: int) -> None:
        """Remove what is later than the checkpoint at `step`, and what was being written when a run was killed."""
        with naming(self.samples):
            self.samples.mkdir(exist_ok=True)
            for when, file in self.sample_files():
                if when > step:
                    file.unlink()
            for file in (*self.path.glob(".*.tmp"), *self.samples.glob(".*.tmp")):
                file.unlink()
        self.metrics.rewind(step)
        self.notices.rewind(step)

    def noted(self) -> dict[str, Any]:
        """What a run has noted in its checkpoint, beside the GAN."""
        _, header = archive.load(self.checkpoint, only=())
        return dict(header.get("extra", {}))

    def close(self) -> None:
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _refuse_content(path: Path) -> None:
    if any(file.name != LOCK_FILE for file in path.iterdir()):
        hint = f", or go on with the run in it: minigan train --resume {shlex.quote(str(path))}"
        whole = (path / "config.json").exists()
        raise ValueError(f"{path} is not empty; choose another --out{hint if whole else ''}")
