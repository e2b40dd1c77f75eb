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

from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from .. import archive
from ..console import quoted
from ..paths import StrPath, expand
from .config import Config
from .lines import MetricsTable, NoticesFile, naming
from .lock import LOCK_FILE, FolderLock


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
    def create(cls, out: StrPath | None, name: str) -> Self:
        """A new folder `out`, or `runs/NAME-1` with the first number that is free.

        Raises ValueError if `out` is a file or holds anything.
        """
        if out is not None:
            path = Path(expand(out))
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
    def open(cls, directory: StrPath) -> Self:
        """The folder of an earlier run. Raises ValueError if it is none, RuntimeError if it is in use."""
        path = Path(expand(directory))
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
        hint = f", or go on with the run in it: minigan train --resume {quoted(path)}"
        whole = (path / "config.json").exists()
        raise ValueError(f"{path} is not empty; choose another --out{hint if whole else ''}")
