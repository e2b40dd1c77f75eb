"""Array archives: `.npz` files that are written whole or not at all, and read without believing them.

A checkpoint must survive a crash in the middle of saving, and a file somebody sent must not be able to run
code or to ask for a terabyte. So `save` writes beside the old file and renames (files.py), and `load` compares every
length a file claims with the bytes that are really there before it allocates anything. A zip file says twice what is
in it, in a directory and before each member, and checksums cover the members only: so both must agree, and no bit can
change without being noticed or without being of no account. Files of `numpy.savez` and `numpy.savez_compressed` load
here, and `numpy.load` reads what is saved here.
"""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, Protocol

import numpy as np

from .files import StrPath, Target, write_atomically, writing
from .paths import expand

if TYPE_CHECKING:
    from zipfile import ZipFile, ZipInfo

__all__ = ["StrPath", "load", "peek", "read_bytes", "save", "write_atomically"]

DEFLATE_LIMIT = 1032  # deflate spends at least 2 bits on 258 bytes: nothing grows more when unpacked
_HEADER = "header.json"
_LOCAL, _END = 30, 22  # bytes before a member's name, and behind the directory
_HEADER_BYTES = 1 << 24  # settings and names, not data: 16 MiB is generous
_NPY_HEADER_BYTES = 1 << 14  # NumPy itself refuses longer .npy headers
_PLAIN_KINDS = "biufcSU"  # booleans, numbers and text: nothing that needs pickle


class Readable(Protocol):
    """Anything with bytes to read: a file, a member of an archive, a gzip stream."""

    def read(self, size: int, /) -> bytes: ...


def read_bytes(stream: Readable, size: int) -> bytearray:
    """Read up to `size` bytes; memory grows with what arrives, never with what was promised."""
    data = bytearray()
    while len(data) < size:
        chunk = stream.read(min(size - len(data), 1 << 20))
        if not chunk:
            break
        data += chunk
    return data


def save(path: Target, arrays: Mapping[str, np.ndarray], header: Mapping[str, Any] | None = None) -> None:
    """Write `arrays` and a JSON-able `header` to the `.npz` file `path`, or to a file that is open for writing.

    Arrays have any shape and hold booleans, numbers or text. Equal input gives equal bytes. A path appears
    whole or not at all, see `write_atomically`. Raises TypeError for an array that would need pickle or a
    header that JSON cannot hold, before anything is written; OSError (a full disk) leaves the old file as it
    was.

    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "weights.npz")
    >>> save(path, {"w": np.arange(3)}, {"step": 7})
    >>> load(path)
    ({'w': array([0, 1, 2])}, {'step': 7})
    """
    import json
    from zipfile import ZIP_STORED, ZipFile, ZipInfo

    plain = {name: np.asarray(array) for name, array in arrays.items()}
    for name, array in plain.items():
        if not isinstance(name, str) or not name or "\0" in name:
            raise TypeError(f"an array is named {name!r}, but names must be text of at least one character; rename it")
        if array.dtype.kind not in _PLAIN_KINDS:
            raise TypeError(
                f"array {name!r} has dtype {array.dtype}, but only booleans, numbers and text are stored; "
                "convert it first"
            )
    try:
        text = json.dumps(dict(header or {}), indent=1, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"the header cannot be written as JSON ({error}), which holds text, finite numbers, booleans, "
            "None, lists and dicts; convert what it names"
        ) from error

    def member(name: str) -> ZipInfo:
        info = ZipInfo(name)  # dated 1980-01-01, whatever the clock says
        info.create_system = 3
        return info

    with writing(path) as file, ZipFile(file, "w", ZIP_STORED) as archive:
        archive.writestr(member(_HEADER), text)
        for name, array in plain.items():
            with archive.open(member(f"{name}.npy"), "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, array, allow_pickle=False)


def load(path: StrPath, only: Collection[str] | None = None) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read the arrays (those named in `only`, or all) and the header ({} if there is none) of an `.npz` file.

    Nothing is unpickled, and a claimed length is compared with the bytes present before memory is taken.
    Raises FileNotFoundError where there is no file, and ValueError where it is no whole archive of plain
    arrays: truncated, corrupt, encrypted, with impossible sizes, object arrays or names that occur twice.
    """
    with _opened(path) as (archive, members, header):
        wanted = {name: info for name, info in members.items() if only is None or name in only}
        arrays = {name: _read_array(archive, info) for name, info in wanted.items()}
        return arrays, _read_header(archive, header) if header else {}


def peek(path: StrPath) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    """Shape and dtype of each array of an `.npz` file, without reading the data; raises as `load` does."""
    with _opened(path) as (archive, members, _):
        return {name: _describe(archive, info)[:2] for name, info in members.items()}


class _Unreadable(Exception):
    """What is wrong with an archive; `_opened` turns it into a sentence that names the file."""


@contextmanager
def _opened(path: StrPath) -> Iterator[tuple[ZipFile, dict[str, ZipInfo], ZipInfo | None]]:
    import struct
    import zlib
    from zipfile import BadZipFile, ZipFile

    where = expand(path)
    if os.path.isdir(where):
        raise ValueError(f"{where} is a folder, but an .npz file was expected; give the path of a file in it")
    if not os.path.isfile(where):
        raise FileNotFoundError(f"there is no file {where}, but an .npz file was expected; check the path")
    damaged = (BadZipFile, EOFError, OverflowError, RuntimeError, UnicodeError, struct.error, zlib.error)
    with open(where, "rb") as file:
        try:
            with ZipFile(file) as archive:
                members, header = _members(archive, os.fstat(file.fileno()).st_size)
                _compare(file, archive)
                yield archive, members, header
        except (*damaged, _Unreadable) as error:
            what = str(error) or type(error).__name__
            raise ValueError(
                f"{where} cannot be read ({what:.300}), but a whole .npz archive of plain arrays was expected; "
                "save it again or fetch a fresh copy"
            ) from error


def _members(archive: ZipFile, length: int) -> tuple[dict[str, ZipInfo], ZipInfo | None]:
    """The arrays by name, and the header if there is one, once none of them claims the impossible."""
    from zipfile import ZIP_DEFLATED, ZIP_STORED

    members: dict[str, ZipInfo] = {}
    for info in archive.infolist():
        name, stored, claimed = info.filename, info.compress_size, info.file_size
        if not name.endswith(".npy") and name != _HEADER:
            raise _Unreadable(f"it holds {name!r}, which is no .npy array")
        if name in members:
            raise _Unreadable(f"it holds {name!r} twice")
        if info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
            raise _Unreadable(f"{name!r} is compressed by the unsupported method {info.compress_type}")
        if claimed > DEFLATE_LIMIT * stored or (info.compress_type == ZIP_STORED and claimed != stored):
            raise _Unreadable(f"{name!r} claims {claimed:,} bytes, impossible for the {stored:,} stored")
        if info.header_offset < 0:
            raise _Unreadable(f"{name!r} claims to start before the file")
        members[name] = info
    # Members that share their bytes would let a small file unpack into any number of large arrays.
    if sum(info.compress_size for info in members.values()) > length:
        raise _Unreadable(f"its members claim more than the {length:,} bytes of the file")
    header = members.pop(_HEADER, None)
    return {name.removesuffix(".npy"): info for name, info in members.items()}, header


def _compare(file: IO[bytes], archive: ZipFile) -> None:
    """The directory against the members themselves: as many as it says, each where it says, of that name and kind."""
    members = archive.infolist()
    file.seek(-_END - len(archive.comment), os.SEEK_END)
    counted = int.from_bytes(file.read(_END)[10:12], "little")
    if counted != len(members):  # 65,535 stands for "more", and no archive of arrays has so many
        raise _Unreadable(f"its directory lists {len(members):,} members where {counted:,} were written")
    for info in members:
        file.seek(info.header_offset)
        local = file.read(_LOCAL)
        flags, method, length = (int.from_bytes(local[i : i + 2], "little") for i in (6, 8, 26))
        name = file.read(length).decode("utf-8" if flags & 0x800 else "cp437")
        if (flags, method, name) != (info.flag_bits, info.compress_type, info.orig_filename):
            raise _Unreadable(f"its directory says {info.orig_filename!r} where {name!r:.60} is stored")


def _describe(archive: ZipFile, info: ZipInfo) -> tuple[tuple[int, ...], np.dtype[Any], bool, int]:
    """Shape, dtype, Fortran order and start of the data, from a `.npy` header that agrees with its member."""
    import io

    with archive.open(info) as stream:
        head = io.BytesIO(stream.read(_NPY_HEADER_BYTES))
    try:
        version = np.lib.format.read_magic(head)
        if version == (1, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(head)
        elif version == (2, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_2_0(head)
        else:
            raise ValueError(f".npy version {version} is not supported")
    except Exception as error:  # a Python literal written by anyone can be wrong in many ways
        raise _Unreadable(f"{info.filename!r} has no valid .npy header: {error}") from error
    if dtype.kind not in _PLAIN_KINDS:
        raise _Unreadable(f"{info.filename!r} has dtype {dtype}, which could need pickle")
    if any(length < 0 for length in shape):
        raise _Unreadable(f"{info.filename!r} claims the shape {shape}")
    claimed, present = math.prod(shape) * dtype.itemsize, info.file_size - head.tell()
    if claimed != present:
        raise _Unreadable(f"{info.filename!r} claims {claimed:,} bytes of data where there are {present:,}")
    return shape, dtype, fortran, head.tell()


def _read_array(archive: ZipFile, info: ZipInfo) -> np.ndarray:
    shape, dtype, fortran, start = _describe(archive, info)
    with archive.open(info) as stream:
        stream.read(start)
        data = _read_to_the_end(stream, info, info.file_size - start)
    try:
        return np.ndarray(shape, dtype, buffer=data, order="F" if fortran else "C")
    except ValueError as error:  # more dimensions, or longer empty ones, than NumPy can hold
        raise _Unreadable(f"{info.filename!r} claims the shape {shape}: {error}") from error


def _read_header(archive: ZipFile, info: ZipInfo) -> dict[str, Any]:
    import json

    if info.file_size > _HEADER_BYTES:
        raise _Unreadable(f"its header claims {info.file_size:,} bytes")
    with archive.open(info) as stream:
        text = _read_to_the_end(stream, info, info.file_size)
    try:
        header = json.loads(text, parse_constant=_no_number)
    except ValueError as error:
        raise _Unreadable(f"its header is no JSON: {error}") from error
    if not isinstance(header, dict):
        raise _Unreadable(f"its header is a JSON {type(header).__name__}, not an object")
    return header


def _no_number(constant: str) -> float:
    """Python's JSON knows NaN and Infinity; JSON, and `save`, do not."""
    raise ValueError(f"{constant} is no number")


def _read_to_the_end(stream: Readable, info: ZipInfo, size: int) -> bytearray:
    data = read_bytes(stream, size)  # zipfile checks the CRC where the member's claimed size is reached
    if len(data) != size:
        raise _Unreadable(f"{info.filename!r} does not hold the {size:,} bytes it claims")
    return data
