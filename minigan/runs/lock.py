"""One writer per run folder: a lock that the operating system gives back when the process ends, however it ends."""

from __future__ import annotations

import errno
import os
import sys

from ..files import Folder, StrPath

__all__ = ["LOCK_FILE", "FolderLock"]

LOCK_FILE = ".lock"  # never deleted while it may be in use: another process may be about to lock it


class FolderLock:
    """Holds `folder` for this process until `release()`.

    Raises RuntimeError if another process (or thread) holds it, OSError where the lock is a link. On file systems
    without locks it holds nothing.
    """

    def __init__(self, folder: StrPath | Folder) -> None:
        if not isinstance(folder, Folder):
            with Folder(folder) as opened:
                self._handle = opened.lock_file(LOCK_FILE)
        else:
            self._handle = folder.lock_file(LOCK_FILE)
        try:
            _lock(self._handle)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK):
                holder = os.read(self._handle, 32).decode(errors="replace").strip()
                os.close(self._handle)
                where = folder.path if isinstance(folder, Folder) else folder
                raise RuntimeError(
                    f"{where} is in use: process {holder or '?'} is training in it; wait for it or stop it"
                ) from None
        if os.fstat(self._handle).st_nlink == 1:  # a file that has other names belongs to somebody else as well
            os.ftruncate(self._handle, 0)
            os.write(self._handle, f"{os.getpid()}\n".encode())

    @property
    def holds(self) -> bool:
        """Whether the locked file is still there: another one in its place would keep nobody out."""
        return os.fstat(self._handle).st_nlink > 0

    def release(self) -> None:
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> None:
        os.lseek(handle, 1 << 20, os.SEEK_SET)  # a locked byte cannot be read there; the process id comes first
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        finally:
            os.lseek(handle, 0, os.SEEK_SET)

else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
