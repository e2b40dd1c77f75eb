"""The folder of one training run, and what is in it.

    config.json      everything needed to repeat the run          written last, so that a folder with it is whole
    metrics.csv      one row per step                             complete up to the checkpoint at least
    notices.txt      what diagnostics had to say                  likewise; not there if it was nothing
    checkpoint.npz   the game, to play on or to sample from       replaced as a whole
    samples/         000200.png, ...: the same latents over time
    samples.png, training.gif, losses.png                         drawn when the run ends

A run can be killed at any moment. Files are replaced by renaming, and rows are on the disk before the checkpoint
that covers them, so what a killed run leaves behind is a checkpoint and perhaps something later than it, which
`rewind` removes. A start that was killed before config.json leaves nothing of worth; the next one takes its place.

The folder may come from somebody else, so nothing in it is followed out of it: what is written or deleted is in it,
also where a link appears while the run goes on (files.py). README.md lists what survives what, each with its test.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from ..console import quoted
from ..files import Folder, is_link
from ..game import saved
from ..paths import StrPath, expand
from .config import FILE, Config
from .lines import MetricsTable, NoticesFile, naming
from .lock import LOCK_FILE, FolderLock


class RunFolder:
    """An open run folder, locked against other writers until `close` or the end of the `with` block."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._folder = Folder(path)
        self.checkpoint = path / "checkpoint.npz"
        self.metrics = MetricsTable(path / "metrics.csv", self._folder)
        self.notices = NoticesFile(path / "notices.txt", self._folder)
        self.samples = path / "samples"
        self.pictures = {name: path / name for name in ("samples.png", "training.gif", "losses.png")}
        self._made = False  # by this process, and for this run
        try:
            self._lock = FolderLock(self._folder)
        except BaseException:
            self._folder.close()
            raise

    @classmethod
    def create(cls, out: StrPath | None, name: str, columns: Sequence[str]) -> Self:
        """A new folder `out`, or `runs/NAME-1` with the first number that is free. columns: the game's metrics.

        What a start has left that failed before there was anything to go on with is taken over.
        Raises ValueError if `out` is a file or holds anything else.
        """
        made = False
        if out is not None:
            path = Path(expand(out))
            if path.exists() and not path.is_dir():
                raise ValueError(f"{path} is a file, but a run needs a folder of its own; choose another --out")
            with suppress(FileExistsError):
                path.mkdir(parents=True)
                made = True
        else:
            Path("runs").mkdir(exist_ok=True)
            number = 1
            while not made:
                path = Path("runs", f"{name}-{number}")
                with suppress(FileExistsError):  # perhaps made by another run a moment ago
                    path.mkdir()
                    made = True
                number += 1
        with Folder(path) as found:
            _refuse_content(found)
        folder = cls(path)
        folder._made = made
        try:
            _refuse_content(folder._folder)  # another run may have been quicker
        except BaseException:
            folder.close()
            raise
        try:
            folder._clear()
            with naming(folder.samples):
                folder._folder.make_folder("samples")
            folder.metrics.create(columns)
        except BaseException:
            folder.discard()
            raise
        return folder

    @classmethod
    def open(cls, directory: StrPath) -> Self:
        """The folder of an earlier run.

        Raises ValueError if it is none or has links where a run writes, RuntimeError if it is in use.
        """
        path = Path(expand(directory))
        if not path.is_dir():
            raise ValueError(f"there is no run folder {path}; give the folder that an earlier run has made")
        if not (path / FILE).is_file():
            with Folder(path) as found:
                failed = "samples" in found.names() and _is_failed_start(found)
            hint = (
                f"it is what a start has left that failed: begin again with --out {quoted(path)}"
                if failed
                else "give one that train has made"
            )
            raise ValueError(f"{path} has no config.json, so it is no folder of a run; {hint}")
        with Folder(path) as found:
            _refuse_links(found)
        folder = cls(path)
        try:
            _refuse_links(folder._folder)  # those that appear from now on are replaced, or refused where they stand
        except BaseException:
            folder.close()
            raise
        return folder

    def read_config(self) -> Config:
        return Config.read(self.path / FILE)

    def write_config(self, config: Config) -> None:
        with self.write(self.path / FILE) as file:
            config.write(file)

    @property
    def is_whole(self) -> bool:
        """Whether what the run needs beside its checkpoint is still there."""
        return self._folder.look(FILE) is not None

    @contextmanager
    def write(self, file: Path) -> Iterator[IO[bytes]]:
        """Replace a file of this folder, or one in `samples/`, as a whole."""
        if not self._lock.holds:
            what = "was removed while the run went on, so that another one could begin here"
            raise OSError(errno.ENOENT, what, str(self.path / LOCK_FILE))
        with naming(file):
            if file.parent == self.path:
                with self._folder.write(file.name) as out:
                    yield out
            else:
                self._folder.make_folder("samples")  # somebody may have cleared up
                with self._folder.folder("samples") as samples, samples.write(file.name) as out:
                    yield out

    @contextmanager
    def read(self, sample: Path) -> Iterator[IO[bytes]]:
        """A file in `samples/`."""
        with naming(sample), self._folder.folder("samples") as samples, samples.open(sample.name) as file:
            yield file

    def sample_files(self) -> list[tuple[int, Path]]:
        """(step, file) of the pictures in `samples/`, by step."""
        with naming(self.samples), self._samples() as samples:
            names = [] if samples is None else [name for name in samples.names() if _is_file(samples, name)]
        files = [Path(name) for name in names]
        return sorted(
            (int(file.stem), self.samples / file) for file in files if file.suffix == ".png" and file.stem.isdecimal()
        )

    def sample_file(self, step: int) -> Path:
        return self.samples / f"{step:06}.png"

    def rewind(self, step: int, columns: Sequence[str], checksum: int | None = None) -> None:
        """Remove what is later than the checkpoint at `step`, and what was being written when a run was killed.

        columns: the game's metrics. checksum: of the rows up to there, if the checkpoint notes it. Raises ValueError,
        and changes nothing, if the metrics are not those of the checkpoint.
        """
        self.metrics.rewind(step, columns, checksum)
        self.notices.rewind(step)
        with naming(self.samples):
            self._folder.make_folder("samples")
            with self._folder.folder("samples") as samples:
                for when, file in self.sample_files():
                    if when > step:
                        samples.remove(file.name)
                _remove_temporaries(samples)
            _remove_temporaries(self._folder)

    def noted(self) -> dict[str, Any]:
        """What a run has noted in its checkpoint, beside the GAN. ValueError if that is nothing one can read."""
        return saved.extra(self.checkpoint)

    def discard(self) -> None:
        """Undo a start that failed: remove what it has made, and let go."""
        with suppress(OSError):
            self._clear()
            if self._made:
                self._folder.remove(LOCK_FILE)
                os.rmdir(self.path)
        self.close()

    def _clear(self) -> None:
        """Remove what a start leaves before its config.json."""
        _remove_temporaries(self._folder)
        for name in ("metrics.csv", "checkpoint.npz"):
            if self._folder.look(name) is not None:
                self._folder.remove(name)
        if self._folder.look("samples") is not None:
            self._folder.remove_folder("samples")

    @contextmanager
    def _samples(self) -> Iterator[Folder | None]:
        if self._folder.look("samples") is None:
            yield None
        else:
            with self._folder.folder("samples") as samples:
                yield samples

    def close(self) -> None:
        self._lock.release()
        self._folder.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Bystander(RunFolder):
    """What stands for the folder in a process that plays along, and writes nothing: the first process does."""

    def __init__(self, path: Path) -> None:
        self.path, self.checkpoint = path, path / "checkpoint.npz"

    def discard(self) -> None:
        pass

    def close(self) -> None:
        pass


_WRITTEN = (
    FILE, "metrics.csv", "notices.txt", "checkpoint.npz", "samples", "samples.png", "training.gif", "losses.png",
    "codes.png", "manifold.png", LOCK_FILE,
)  # fmt: skip
_TEMPORARY = re.compile(rf"\.({'|'.join(map(re.escape, _WRITTEN))}|\d+\.png)\.[0-9a-f]+\.tmp")


def _refuse_links(folder: Folder) -> None:
    """ValueError for a link where a run writes."""
    for name in _WRITTEN:
        found = folder.look(name)
        if found is not None and is_link(found):
            where = os.path.join(folder.path, name)
            raise ValueError(f"{where} is a link, and a run writes into its own folder only; put a copy in its place")


def _refuse_content(folder: Folder) -> None:
    _refuse_links(folder)
    if not _is_failed_start(folder):
        hint = f", or go on with the run in it: minigan train --resume {quoted(folder.path)}"
        whole = folder.look(FILE) is not None
        raise ValueError(f"{folder.path} is not empty; choose another --out{hint if whole else ''}")


def _is_failed_start(folder: Folder) -> bool:
    """Whether all that is in it, if anything, is what a start leaves that ended before its config.json."""
    names = folder.names()
    for name in names:
        if name == "samples":
            found = folder.look(name)
            if found is None or not stat.S_ISDIR(found.st_mode):
                return False
            with folder.folder(name) as samples:
                if samples.names():
                    return False
        elif name == "metrics.csv":
            if not MetricsTable(Path(folder.path, name), folder).is_empty():
                return False
        elif name == "checkpoint.npz":
            try:  # it comes last, and has learned nothing yet
                if not {"samples", "metrics.csv"} <= set(names) or saved.updates(os.path.join(folder.path, name)):
                    return False
            except (ValueError, OSError):
                return False
        elif name != LOCK_FILE and not (_TEMPORARY.fullmatch(name) and _is_file(folder, name)):
            return False
    return True


def _remove_temporaries(folder: Folder) -> None:
    for name in folder.names():
        if _TEMPORARY.fullmatch(name) and _is_file(folder, name):
            folder.remove(name)


def _is_file(folder: Folder, name: str) -> bool:
    found = folder.look(name)
    return found is not None and stat.S_ISREG(found.st_mode)
