"""Files that are written whole or not at all, and folders in which no link leads a writer astray.

`write_atomically` writes beside the old file and renames. `Folder` does the same in a folder that somebody else may
have made: it writes and deletes the folder's own files and nothing that a link in it points to, also where the link
appears while the folder is in use.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import IO, Any, Self

from .paths import StrPath, expand

__all__ = ["Folder", "StrPath", "Target", "write_atomically", "writing"]

Target = StrPath | IO[bytes]  # a path, which is replaced as a whole, or a file that somebody else has opened

_POSIX = sys.platform != "win32"  # operations relative to an open folder; Windows has none
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_PLAIN = 0  # and what else goes with opening a file: never to wait for a pipe, and to keep it to this process
for _name in ("O_NONBLOCK", "O_BINARY", "O_CLOEXEC"):
    _PLAIN |= getattr(os, _name, 0)


@contextmanager
def write_atomically(path: StrPath) -> Iterator[IO[bytes]]:
    """Open a temporary file beside `path`; once the block ends well, make it durable and rename it to `path`.

    The old file stays as it is until the rename. If the block raises (a full disk, an interrupt), the
    temporary file is removed, the old one is untouched and the error goes on. The file is binary and can also
    be read back. A link is followed, since whoever gave the path may have made it; see `Folder` for where that is not
    so. Raises FileNotFoundError where the folder is missing and ValueError where `path` is a folder.

    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "note.json")
    >>> with write_atomically(path) as file:
    ...     _ = file.write(b'{"steps": 3}')
    >>> os.listdir(os.path.dirname(path))
    ['note.json']
    """
    target = os.path.realpath(expand(path))  # through a symbolic link, so that the link stays one
    folder, name = os.path.split(target)
    if os.path.exists(target) and not os.path.isfile(target):  # a rename would replace even a device
        kind = "a folder" if os.path.isdir(target) else "a device"
        raise ValueError(f"{os.fspath(path)} is {kind}, but an ordinary file was expected; give its name")
    require_folder(folder, name)
    with _replacing(folder, name, None) as file:
        yield file


def require_folder(folder: StrPath, name: str) -> None:
    """Raises FileNotFoundError if there is no such folder, for whoever is about to write a file of this name."""
    if not os.path.isdir(folder or os.curdir):
        raise FileNotFoundError(f"there is no folder {os.fspath(folder)} to write {name} into; create it first")


@contextmanager
def writing(target: Target) -> Iterator[IO[bytes]]:
    """`write_atomically` of a path; a file that is open already is taken as it is, and left open."""
    if isinstance(target, (str, os.PathLike)):
        with write_atomically(target) as file:
            yield file
    else:
        yield target


@contextmanager
def _replacing(folder: str, name: str, handle: int | None) -> Iterator[IO[bytes]]:
    """See `write_atomically`; no link is followed. handle: of the open folder, or None to go by its name."""
    temporary = f".{name[:40]}.{os.urandom(4).hex()}.tmp"

    def at(name: str) -> str:
        return os.path.join(folder, name) if handle is None else name

    try:
        with open(at(temporary), "x+b", opener=_opener(handle)) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        with suppress(OSError):
            old = os.stat(at(name), dir_fd=handle, follow_symlinks=False).st_mode
            if stat.S_ISREG(old):
                os.chmod(at(temporary), old & 0o7777, dir_fd=handle)
        os.replace(at(temporary), at(name), src_dir_fd=handle, dst_dir_fd=handle)
    except BaseException:
        with suppress(OSError):
            os.remove(at(temporary), dir_fd=handle)
        raise
    with suppress(OSError):  # the rename itself is durable once the folder is; Windows cannot open one
        if handle is not None:
            os.fsync(handle)
            return
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def _opener(handle: int | None) -> Callable[[str, int], int]:
    return lambda path, flags: os.open(path, flags | _NOFOLLOW | _PLAIN, 0o666, dir_fd=handle)


class Folder:
    """An open folder. Every name below is that of a file directly in it, and no link is followed.

    On POSIX all operations are relative to the folder that was opened here, even if another one has taken its place
    since; on Windows, which has no such operations, links are looked for first. `path` itself may lead through links:
    whoever gave it chose them.

    Raises OSError if there is no such folder or it cannot be opened.
    """

    def __init__(self, path: StrPath, inside: Folder | None = None) -> None:
        self.path = os.fspath(path)
        self._handle: int | None = None
        if inside is not None:
            inside._refuse_link(os.path.basename(self.path))
        if _POSIX:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
            if inside is None:
                self._handle = os.open(self.path, flags)
            else:
                self._handle = os.open(os.path.basename(self.path), flags | _NOFOLLOW, dir_fd=inside._handle)

    def close(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def folder(self, name: str) -> Folder:
        """A folder in this one. Raises OSError if it is missing, a link, or no folder."""
        return Folder(os.path.join(self.path, name), inside=self)

    def names(self) -> list[str]:
        """What is in it, in the order of names."""
        return sorted(os.listdir(self.path if self._handle is None else self._handle))

    def look(self, name: str) -> os.stat_result | None:
        """What the operating system says of `name` itself, be it a link; None if there is nothing."""
        try:
            return os.stat(self._at(name), dir_fd=self._handle, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def make_folder(self, name: str) -> None:
        """A folder in this one, if there is nothing of that name."""
        with suppress(FileExistsError):
            os.mkdir(self._at(name), dir_fd=self._handle)

    def remove(self, name: str) -> None:
        """Delete a file, or a link and not what it points to."""
        os.remove(self._at(name), dir_fd=self._handle)

    def remove_folder(self, name: str) -> None:
        """Delete an empty folder."""
        os.rmdir(self._at(name), dir_fd=self._handle)

    @contextmanager
    def write(self, name: str) -> Iterator[IO[bytes]]:
        """As `write_atomically`; what stands at `name`, and be it a link, is replaced and not written to."""
        with _replacing(self.path, name, self._handle) as file:
            yield file

    @contextmanager
    def open(self, name: str, mode: str = "rb") -> Iterator[IO[bytes]]:
        """An ordinary file that is there already, to read ("rb"), to append ("ab") or both ("r+b"); never made.

        Raises FileNotFoundError, or OSError for a link or anything else that is no ordinary file.
        """
        self._refuse_link(name)
        with open(self._at(name), mode, opener=lambda path, flags: self._open(path, flags & ~os.O_CREAT)) as file:
            yield file

    def lock_file(self, name: str) -> int:
        """A handle to read and write the ordinary file `name`, which is made if there is none."""
        self._refuse_link(name)
        return self._open(self._at(name), os.O_RDWR | os.O_CREAT)

    def _open(self, path: str, flags: int) -> int:
        handle = _opener(self._handle)(path, flags)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise OSError(errno.EINVAL, "is no ordinary file", os.path.join(self.path, os.path.basename(path)))
        return handle

    def _refuse_link(self, name: str) -> None:
        """A sentence for what O_NOFOLLOW would refuse with a riddle, and on Windows all there is."""
        found = self.look(name)
        if found is not None and is_link(found):
            raise OSError(errno.ELOOP, "is a link; what it points to is left alone", os.path.join(self.path, name))

    def _at(self, name: str) -> str:
        return os.path.join(self.path, name) if self._handle is None else name


def is_link(found: os.stat_result) -> bool:
    """A symbolic link, or what Windows calls a junction."""
    reparse: Any = getattr(stat, "IO_REPARSE_TAG_MOUNT_POINT", None)
    return stat.S_ISLNK(found.st_mode) or (reparse is not None and getattr(found, "st_reparse_tag", 0) == reparse)
