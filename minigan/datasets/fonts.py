"""Files of fonts: where they lie, what is read of them, and what is left out.

    .ttf, .otf       one font
    .ttc, .otc       a collection: several, its faces

A font is somebody's file. Of each LARGEST bytes and FACES faces are read; whatever is no font ends in a note.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from minigan.archive import read_bytes
from minigan.datasets.pictures import shown, some
from minigan.paths import StrPath, expand

__all__ = ["FACES", "LARGEST", "SHARES", "SUFFIXES", "Font", "LeftOut", "Side", "Unfit", "files", "folders", "read"]

Side = Literal["train", "choose", "test"]

SUFFIXES = (".ttf", ".otf", ".ttc", ".otc")
SHARES: dict[Side, int] = {"train": 70, "choose": 15, "test": 15}  # of a hundred fonts
LARGEST = 64 << 20
FACES = 256


@dataclass(frozen=True)
class Font:
    """A font that characters were drawn from. name: of family and style, as the file has them. path: of the file, and
    sha256: of its bytes. face: which of a collection.
    """

    name: str
    path: str
    sha256: str
    face: int = 0

    def side(self, seed: int = 0) -> Side:
        """Which split it belongs to: of a hundred fonts 70 train, 15 are there to choose by, and 15 test.

        It is a function of the file's bytes and of `seed`; all faces of a file are on one side.

        >>> font = Font("Some Sans", "some.ttf", "5f" * 32)
        >>> font.side(), font.side(seed=9)
        ('train', 'test')
        """
        place = int(hashlib.sha256(f"{seed} {self.sha256}".encode()).hexdigest(), 16) % 100
        if place < SHARES["train"]:
            return "train"
        return "choose" if place < SHARES["train"] + SHARES["choose"] else "test"


class Unfit(Exception):
    """Why a font is left out, in words that fit many."""


@dataclass
class LeftOut:
    """What is left out, by reason."""

    by_reason: dict[str, list[str]] = field(default_factory=dict)

    def add(self, reason: str, path: str, face: int = 0) -> None:
        which = shown(os.path.basename(path)) + (f" (face {face})" if face else "")
        self.by_reason.setdefault(reason, []).append(which)

    def notes(self) -> tuple[str, ...]:
        """A sentence for each reason: how many, and the names of some."""
        return tuple(f"left out, {reason}: {len(which):,} ({some(which)})" for reason, which in self.by_reason.items())


def folders() -> list[str]:
    """Where this machine may have fonts: those of the system and those of the user."""
    home = os.path.expanduser("~")
    if sys.platform == "win32":
        windows, local = os.environ.get("WINDIR") or r"C:\Windows", os.environ.get("LOCALAPPDATA")
        own = [os.path.join(local, "Microsoft", "Windows", "Fonts")] if local else []
        return [os.path.join(windows, "Fonts"), *own]
    if sys.platform == "darwin":
        return ["/System/Library/Fonts", "/Library/Fonts", os.path.join(home, "Library", "Fonts")]
    shared = os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    own_data = os.environ.get("XDG_DATA_HOME") or os.path.join(home, ".local", "share")
    tops = [*filter(None, shared.split(":")), own_data]
    return [*(os.path.join(top, "fonts") for top in tops), os.path.join(home, ".fonts")]


def files(fonts: StrPath | Iterable[StrPath] | None, out: LeftOut) -> tuple[str, list[str]]:
    """Where fonts are looked for, in words, and their files: of a folder, as they are given, or of this machine.

    Raises TypeError or ValueError where there are none.
    """
    if fonts is None:
        tops = folders()
        paths = _below(tops, out)
        if not paths:
            raise ValueError(
                f"no fonts were found on this machine, in {', '.join(map(shown, tops))}; install some (on Debian and "
                "Ubuntu: apt install fonts-dejavu), or give a folder with .ttf or .otf files"
            )
        return "this machine", paths
    if not isinstance(fonts, (str, os.PathLike)):
        return _given(fonts)
    path = expand(fonts)
    if os.path.isfile(path):
        return shown(path), [path]
    if not os.path.isdir(path):
        raise ValueError(f"{shown(path)} was not found, but a folder of fonts or a file was expected; check the path")
    paths = _below([path], out)
    if not paths:
        raise ValueError(f"{shown(path)} holds no fonts ({', '.join(SUFFIXES)}); give a folder that does")
    return shown(path), paths


def read(paths: Iterable[str], out: LeftOut) -> Iterator[tuple[Font, bytes]]:
    """Each font in these files, named as its file for now, and the bytes of that file."""
    for path in paths:
        try:
            data = _bytes(path)
        except Unfit as reason:
            out.add(str(reason), path)
            continue
        digest = hashlib.sha256(data).hexdigest()
        count = int.from_bytes(data[8:12], "big") if data[:4] == b"ttcf" else 1
        if count > FACES:
            out.add(f"beyond the first {FACES} faces of a file", path)
        for face in range(min(count, FACES)):
            yield Font(shown(os.path.basename(path)), path, digest, face), data


def _given(fonts: Iterable[StrPath]) -> tuple[str, list[str]]:
    try:
        paths = [expand(path) for path in fonts]
    except TypeError as error:
        raise TypeError(
            f"fonts is {type(fonts).__name__}, but a folder, several files or None was expected ({error})"
        ) from None
    lost = [shown(path) for path in paths if not os.path.lexists(path) or os.path.isdir(path)]
    if lost or not paths:
        raise ValueError(
            f"{some(lost) or 'nothing'} was given, but a folder, or one file of a font or more, was expected; check "
            "the paths"
        )
    return f"{len(paths):,} files", paths


def _below(tops: Iterable[str], out: LeftOut) -> list[str]:
    """The files of fonts in folders and all below them, in the order of their paths; linked folders too, each once."""

    def closed(error: OSError) -> None:
        if os.path.isdir(error.filename):  # else there is none, which is no fault
            out.add("in folders that cannot be looked into", error.filename)

    paths, seen = [], set[str]()
    for top in tops:
        for folder, inner, names in os.walk(top, onerror=closed, followlinks=True):
            real = os.path.realpath(folder)
            if real in seen:
                inner.clear()
                continue
            seen.add(real)
            inner.sort()
            paths += [os.path.join(folder, name) for name in names if name.lower().endswith(SUFFIXES)]
    return sorted(paths)


def _bytes(path: str) -> bytes:
    """What is in a file; Unfit unless it is an ordinary one of ordinary size."""
    try:
        about = os.stat(path)
        if not stat.S_ISREG(about.st_mode):  # a pipe or a device: reading it might never end
            raise Unfit("no ordinary file")
        if about.st_size > LARGEST:
            raise Unfit(f"larger than {LARGEST >> 20} MiB")
        with open(path, "rb") as file:
            return bytes(read_bytes(file, LARGEST))
    except OSError as error:
        raise Unfit("not readable") from error
