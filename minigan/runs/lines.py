"""Files of a run that grow line by line: its metrics, and what diagnostics had to say.

Lines wait in memory until `flush`, which puts them on the disk. A run that was killed may leave lines that are later
than its checkpoint, and half of one; `rewind` drops them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..archive import write_atomically
from ..match import METRICS


@contextmanager
def naming(what: Any) -> Iterator[None]:
    """Errors of the operating system in this block say which file they are about."""
    try:
        yield
    except OSError as error:
        if error.strerror is not None:
            error.filename = str(what)
        raise


class MetricsTable:
    """`metrics.csv`: a header, then one row per step. Numbers are the shortest that read back as they were."""

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
    """`notices.txt`: lines that begin with the step that they are about."""

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
