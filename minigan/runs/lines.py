"""Files of a run that grow line by line: its metrics, and what diagnostics had to say.

Lines wait in memory until `flush`, which puts them on the disk. A run that was killed may leave lines that are later
than its checkpoint, and half of one; `rewind` drops them. Lines are added to the very file that this process has left
there: one that was removed, cut or put in its place since is not touched.
"""

from __future__ import annotations

import errno
import functools
import os
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ..files import Folder

_LONGEST = 1 << 12  # bytes in a line: no line of ours is longer, and one of somebody else's is not waited for
_MOST = 1 << 24  # bytes of notices


@contextmanager
def naming(what: Any) -> Iterator[None]:
    """Errors of the operating system in this block say which file they are about."""
    try:
        yield
    except OSError as error:
        if error.strerror is not None:
            error.filename = str(what)
        raise


class LinesFile:
    """Lines in the file `path`. folder: the open folder of the file; by default the one that the path names."""

    def __init__(self, path: Path, folder: Folder | None = None) -> None:
        self.path = path
        self._folder = folder
        self._waiting: list[str] = []
        self._left: os.stat_result | None = None  # the file as this process has left it

    def flush(self) -> None:
        """Put the waiting lines on the disk. OSError if the file is not the one that was left there."""
        if not self._waiting:
            return
        with naming(self.path), self._open() as folder:
            try:
                with folder.open(self.path.name, "ab") as file:
                    self._require_same(os.fstat(file.fileno()))
                    file.write("".join(self._waiting).encode())
                    file.flush()
                    os.fsync(file.fileno())
                    self._left = os.fstat(file.fileno())
            except FileNotFoundError:
                what = "was removed while the run went on, and its lines with it; put it back"
                raise OSError(errno.ENOENT, what, str(self.path)) from None
        self._waiting.clear()

    def _rewrite(self, lines: Iterable[bytes]) -> None:
        """These lines and no others, in a file that takes the place of whatever is there."""
        with naming(self.path), self._open() as folder:
            with folder.write(self.path.name) as file:
                file.write(b"".join(line + b"\n" for line in lines))
            self._left = folder.look(self.path.name)

    def _require_same(self, found: os.stat_result) -> None:
        left = self._left
        same = left is None or (found.st_dev, found.st_ino) == (left.st_dev, left.st_ino)
        # numbers of files may change on network disks; then its size must do, and that it is nobody else's file too
        if not (same or found.st_nlink == 1) or (left is not None and found.st_size != left.st_size):
            raise OSError(errno.EIO, "was changed by somebody else while the run went on; put it back", str(self.path))

    @contextmanager
    def _open(self) -> Iterator[Folder]:
        if self._folder is not None:
            yield self._folder
        else:
            with Folder(self.path.parent) as folder:
                yield folder

    @contextmanager
    def _reading(self) -> Iterator[IO[bytes] | None]:
        """The file, or None if there is none."""
        with naming(self.path), self._open() as folder:
            if folder.look(self.path.name) is None:
                yield None
            else:
                with folder.open(self.path.name) as file:
                    yield file


@functools.cache
def _row_of(columns: int) -> re.Pattern[bytes]:
    """A row of a step and so many numbers."""
    return re.compile(rb"(\d{1,19})" + rb",(-?\d[\d.e+-]*)" * columns)


class MetricsTable(LinesFile):
    """`metrics.csv`: a header, then one row per step. Numbers are the shortest that read back as they were.

    `checksum` is that of all rows on the disk (CRC-32): a checkpoint notes it, and is believed to own no others.
    """

    columns: tuple[str, ...] = ()  # metrics of the game, in their order
    checksum = 0

    @property
    def _header(self) -> bytes:
        return ",".join(("step", *self.columns)).encode()

    def create(self, columns: Sequence[str]) -> None:
        """An empty table."""
        self.columns = tuple(columns)
        self._rewrite([self._header])
        self.checksum = 0

    def append(self, step: int, metrics: Mapping[str, float], dtype: np.dtype[Any]) -> None:
        self._waiting.append(",".join([str(step), *(str(dtype.type(metrics[name])) for name in self.columns)]) + "\n")

    def no_number(self) -> tuple[int, str, str] | None:
        """Step, column and value of the first thing in the waiting rows that is no finite number."""
        for row in self._waiting:
            if "n" in row:  # as in nan and inf, and in no number
                step, *values = row.rstrip("\n").split(",")
                return next((int(step), name, v) for name, v in zip(self.columns, values, strict=True) if "n" in v)
        return None

    def flush(self) -> None:
        added = "".join(self._waiting).encode()
        super().flush()
        self.checksum = zlib.crc32(added, self.checksum)

    def rewind(self, step: int, columns: Sequence[str], checksum: int | None = None) -> None:
        """Drop the rows after `step`, and one that was not written to its end.

        Raises ValueError, and changes nothing, unless the rows up to there are exactly 1 to `step`, with the `checksum`
        that they had, or if the table has other columns than those of this version.
        """
        self.columns, rows = tuple(columns), []
        row = _row_of(len(columns))
        with self._reading() as file:
            header = b"" if file is None else file.readline(_LONGEST).rstrip(b"\r\n")
            if header.startswith(b"step,") and header != self._header:
                columns = header.decode(errors="replace")
                raise ValueError(f"{self.path} was written by another version: it has the columns {columns!r}")
            if step and (file is None or header != self._header):
                raise self._wrong(step, "there is no such file" if file is None else "its header is missing")
            for number in range(1, step + 1):
                line = b"" if file is None else file.readline(_LONGEST)
                found = row.fullmatch(line.removesuffix(b"\n"))
                if not (found and line.endswith(b"\n") and int(found[1]) == number and _finite(found.groups())):
                    what = f"it holds {line[:40].decode(errors='replace')!r}" if line else "it ends"
                    raise self._wrong(step, f"{what} where row {number} should be")
                rows.append(line[:-1])
        found_sum = zlib.crc32(b"".join(row + b"\n" for row in rows))
        if checksum is not None and found_sum != checksum:
            raise self._wrong(step, "a number in it was changed")
        self._rewrite([self._header, *rows])
        self.checksum = found_sum

    def is_empty(self) -> bool:
        """Whether it is as `create` leaves it, or has no bytes at all."""
        with self._reading() as file:
            if file is None:
                return True
            header = file.readline(_LONGEST).rstrip(b"\n")
            return (header in (b"", b"step") or header.startswith(b"step,")) and not file.read(1)

    def read(self) -> dict[str, NDArray[np.float64]]:
        """Every column by its name, as far as rows are whole."""
        with self._reading() as file:
            header, *lines = [b"step"] if file is None else file.read().split(b"\n")
        names = header.decode(errors="replace").strip().split(",")
        found = [_row_of(len(names) - 1).fullmatch(line) for line in lines]
        rows = [list(map(float, row.groups())) for row in found if row]
        table = np.array(rows, np.float64).reshape(len(rows), len(names))
        return dict(zip(names, table.T, strict=True))

    def _wrong(self, step: int, what: str) -> ValueError:
        return ValueError(
            f"{self.path} does not hold the rows 1 to {step} of the checkpoint beside it: {what}; put it back as the "
            f"run wrote it, or go on without a folder: minigan.GAN.load({str(self.path.parent / 'checkpoint.npz')!r})"
        )


class NoticesFile(LinesFile):
    """`notices.txt`: one line for each thing there was to say; no file as long as there is none."""

    def append(self, line: str) -> None:
        self._waiting.append(line + "\n")

    def flush(self) -> None:
        with self._open() as folder:
            new = self._left is None and folder.look(self.path.name) is None
        if new and self._waiting:
            self._rewrite([])
        super().flush()

    def rewind(self, step: int) -> None:
        """Drop the lines about what is later than `step`, and one that was not written to its end."""
        with self._reading() as file:
            if file is None:
                return
            text = file.read(_MOST + 1)
        if len(text) > _MOST:
            raise ValueError(f"{self.path} is larger than {_MOST:,} bytes, which no notices of a run are; remove it")
        whole = text.split(b"\n")[:-1]
        self._rewrite(line for line in whole if _step_of(line) <= step)


def _finite(numbers: Iterable[bytes]) -> bool:
    try:
        return all(abs(float(number)) < float("inf") for number in numbers)
    except ValueError:
        return False


def _step_of(line: bytes) -> int:
    """The step that a line is about; 0 for what is no line of ours, and is left alone."""
    found = re.match(rb"step ([\d,]{1,25}):", line)
    return int(found[1].replace(b",", b"")) if found else 0
