"""IDX files, the format of MNIST: read without believing the header, gzipped or not.

An IDX file is big-endian: two zero bytes, a type code (0x08 for unsigned bytes), the number of dimensions,
that many 32-bit lengths, then the values. So images start with the magic number 0x803 (three dimensions) and
labels with 0x801.
"""

from __future__ import annotations

import math
import os

import numpy as np
from numpy.typing import NDArray

from minigan.archive import DEFLATE_LIMIT, Readable, StrPath, read_bytes

__all__ = ["encode", "find", "labels_beside", "read"]

Bytes = NDArray[np.uint8]
_PREFIX = {"train": "train", "test": "t10k"}


def read(path: StrPath) -> Bytes:
    """Read an IDX file of unsigned bytes: (N,) labels, (N, H, W) grey images or (N, H, W, C) colour ones.

    The lengths in the header are compared with the size of the file before memory is taken. Raises
    FileNotFoundError where there is no file, and ValueError where it is no IDX file, is corrupt, or holds
    fewer or more than it says.
    """
    where = os.fspath(path)
    if not os.path.isfile(where):
        raise FileNotFoundError(f"there is no file {where}, but an IDX file was expected; check the path")
    with open(where, "rb") as file:
        length = os.fstat(file.fileno()).st_size
        if file.read(2) != b"\x1f\x8b":  # by content: browsers unpack downloads and keep the name
            file.seek(0)
            return _parse(file, where, length, packed=False)
        file.seek(0)
        import gzip
        import zlib

        try:
            with gzip.GzipFile(fileobj=file, mode="rb") as stream:
                return _parse(stream, where, length, packed=True)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise ValueError(
                f"{where} is a damaged gzip file ({error}), but a whole one was expected; copy it again"
            ) from error


def _parse(stream: Readable, where: str, length: int, packed: bool) -> Bytes:
    magic = stream.read(4)
    if len(magic) < 4 or magic[:3] != b"\0\0\x08" or not 1 <= magic[3] <= 4:
        raise ValueError(
            f"{where} starts with {magic.hex(' ') or 'nothing'}, but an IDX file of unsigned bytes starts "
            "with 00 00 08 01 (labels) to 00 00 08 04; give such a file, an .npz or a folder of pictures"
        )
    sizes = stream.read(4 * magic[3])
    shape = tuple(int.from_bytes(sizes[i : i + 4], "big") for i in range(0, 4 * magic[3], 4))
    claimed = math.prod(shape)
    total = 4 + 4 * magic[3] + claimed
    given = f"{where} claims {' x '.join(f'{n:,}' for n in shape)} values"
    again = "fetch or copy it again"
    if len(sizes) < 4 * magic[3] or (total > DEFLATE_LIMIT * length if packed else total > length):
        raise ValueError(f"{given}, more than its {length:,} bytes can hold; it is truncated, so {again}")
    if claimed == 0:
        raise ValueError(f"{given}, but at least one was expected; give a file that is not empty")
    data = read_bytes(stream, claimed)
    if len(data) < claimed:
        raise ValueError(f"{given}, but it holds only {len(data):,}; it is truncated, so {again}")
    if stream.read(1):  # at the end of a gzip stream, this is also what checks its CRC
        raise ValueError(f"{given}, but more data follows them; its header is wrong, so {again}")
    return np.frombuffer(data, np.uint8).reshape(shape)


def encode(array: Bytes) -> bytes:
    """The bytes of an IDX file that holds `array`, uint8 of 1 to 4 dimensions.

    >>> encode(np.array([7, 2], np.uint8)).hex(" ")
    '00 00 08 01 00 00 00 02 07 02'
    """
    if array.dtype != np.uint8 or not 1 <= array.ndim <= 4:
        raise ValueError(
            f"an array of dtype {array.dtype} and {array.ndim} dimensions was given, but IDX files here "
            "hold uint8 of 1 to 4; convert it first"
        )
    sizes = b"".join(n.to_bytes(4, "big") for n in array.shape)
    return bytes((0, 0, 8, array.ndim)) + sizes + array.tobytes()


def find(folder: StrPath, split: str) -> tuple[str, str | None] | None:
    """The images and labels files of `split`, by MNIST's names, in a folder; None without images."""
    for name in (f"{_PREFIX[split]}-images-idx3-ubyte", f"{_PREFIX[split]}-images.idx3-ubyte"):
        for suffix in ("", ".gz"):
            path = os.path.join(folder, name + suffix)
            if os.path.isfile(path):
                return path, labels_beside(path)
    return None


def labels_beside(images: StrPath) -> str | None:
    """The labels file that goes with an images file by MNIST's naming, gzipped or not, if it is there."""
    folder, name = os.path.split(os.fspath(images))
    plain = name.removesuffix(".gz")
    stem = plain.replace("images", "labels").replace("idx3", "idx1").replace("idx4", "idx1")
    for path in (os.path.join(folder, stem), os.path.join(folder, stem + ".gz")):
        if stem != plain and os.path.isfile(path):
            return path
    return None
