"""A folder of pictures: which files belong to it, of which class each is, and what is left out.

    FOLDER/a.png, b.jpg, ...                 pictures without classes
    FOLDER/cat/..., FOLDER/dog/...           a class each; its pictures may lie in folders of any depth
    FOLDER/train/..., FOLDER/test/...        splits, each in one of these two forms

Every file is used, or named: in an error where a picture would be lost (a link whose target is gone, a kind of picture
that is not read), in a note where it is no picture. Only what file managers leave behind is passed over in silence.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from minigan.datasets import Dataset, MissingSplit, Split
from minigan.datasets.pictures import SUFFIXES, Size, shown, some
from minigan.datasets.pictures import read as read_pictures

__all__ = ["Folder", "Found", "find", "look", "read"]

_SPLITS = {"train": ("train", "training"), "test": ("test", "testing")}
_BESIDE = ("val", "valid", "validation", "dev")  # stand beside those two, and are never loaded
_OF_MANAGERS = ("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", ".ds_store", ".directory", ".nomedia", ".hidden",
                "__macosx", "@eadir", ".thumbnails", ".localized", ".spotlight-v100", ".fseventsd", ".trashes",
                ".appledouble", ".picasa.ini")  # fmt: skip
_OTHER_PICTURES = (".heic", ".heif", ".avif", ".jxl", ".jp2", ".j2k", ".jpx", ".psd", ".xcf", ".svg", ".svgz", ".eps",
                   ".ico", ".tga", ".pcx", ".exr", ".hdr", ".raw", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf",
                   ".rw2", ".raf")  # fmt: skip


class Found(NamedTuple):
    """Pictures of a folder: their files, the label of each and the names of labels where there are classes, and what
    was left out. top: the folder that holds them all."""

    top: str
    paths: list[str]
    labels: NDArray[np.int64] | None
    names: dict[int, str] | None
    left_out: list[str]


def read(folder: str, split: Split, name: str, size: Size | None) -> Dataset:
    """The pictures of a folder, ordered by class and then by name; classes are labelled and have names.

    Where the names of classes are different numbers these are the labels, else the places in sorted order, the same
    ones in every split. Raises MissingSplit for a split that is not there, ValueError for a folder without pictures,
    one whose form cannot be told, and files that are lost or cannot be read.
    """
    found = find(folder, split)
    images, notes = read_pictures(found.paths, size)
    return Dataset(images, found.labels, name, found.names, (*found.left_out, *notes))


def find(folder: str, split: Split) -> Found:
    """What `read` reads; raises as it does, but for what cannot be read."""
    root = look(folder)
    parts = _splits(root)
    top = root
    if parts:
        if split not in parts:
            there = " and ".join(shown(part.path) for part in parts.values())
            raise MissingSplit(
                f'split="{split}" was asked of {shown(folder)}, which only has {there}; create {split}/ in it or take '
                "the other split"
            )
        top = parts[split]
    elif split == "test":
        raise MissingSplit(
            f'split="test" was asked of {shown(folder)}, but it has no subfolder test/; take split="train"'
        )
    paths, labels, names = _classes(top, [top, *(part for part in parts.values() if part is not top)])
    return Found(top.path, paths, labels, names, _left_out(root, top))


@dataclass(eq=False)
class Folder:
    """One folder, looked through: its pictures, its subfolders, and what is neither."""

    path: str
    name: str
    files: list[str] = field(default_factory=list)
    folders: list[Folder] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    circles: list[str] = field(default_factory=list)

    def every(self) -> Iterator[Folder]:
        """This folder and all below it, each before its own subfolders, in the order of their names."""
        waiting = [self]
        while waiting:
            folder = waiting.pop()
            yield folder
            waiting += reversed(folder.folders)

    def pictures(self) -> list[str]:
        return [path for folder in self.every() for path in folder.files]

    @property
    def full(self) -> list[Folder]:
        """Subfolders that hold pictures, at any depth."""
        return [folder for folder in self.folders if any(deeper.files for deeper in folder.every())]


def look(path: str) -> Folder:
    """A folder and all below it. Raises ValueError for links that lead nowhere and for what cannot be looked into."""
    root = Folder(path, os.path.basename(os.path.normpath(path)))
    lost: list[str] = []
    foreign: list[str] = []
    waiting: list[tuple[Folder, tuple[str, ...]]] = [(root, (os.path.realpath(path),))]
    while waiting:
        folder, above = waiting.pop()
        try:
            names = sorted(os.listdir(folder.path))
        except OSError as error:
            raise ValueError(
                f"{shown(folder.path)} cannot be looked into ({error.strerror}); allow it, or move it elsewhere"
            ) from error
        for name in names:
            where = os.path.join(folder.path, name)
            if name.lower() in _OF_MANAGERS or name.startswith("._"):
                continue
            if name.startswith("."):
                folder.hidden.append(where)
                continue
            try:
                mode = os.stat(where).st_mode
            except (OSError, ValueError):
                lost.append(where)
                continue
            if stat.S_ISDIR(mode):
                real = os.path.realpath(where)
                if real in above:
                    folder.circles.append(where)
                    continue
                inner = Folder(where, name)
                folder.folders.append(inner)
                waiting.append((inner, (*above, real)))
            elif not name.lower().endswith((*SUFFIXES, *_OTHER_PICTURES)):
                folder.others.append(where)
            elif not stat.S_ISREG(mode):
                lost.append(where)  # a pipe or a device: reading it might never end
            elif name.lower().endswith(SUFFIXES):
                folder.files.append(where)
            else:
                foreign.append(where)
    if lost:
        raise ValueError(
            f"{_names(root, lost)} no ordinary file, or a link whose target is gone; mend or remove what is named"
        )
    if foreign:
        raise ValueError(
            f"{_names(root, foreign)} a kind of picture that is not read; convert to PNG or JPEG, or move it elsewhere"
        )
    return root


def _splits(root: Folder) -> dict[str, Folder]:
    """The splits by name, where all that holds pictures looks like one; ValueError where it cannot be told."""
    found = {
        split: [folder for folder in root.full if folder.name.lower() in words] for split, words in _SPLITS.items()
    }
    like = [folder for folders in found.values() for folder in folders]
    if not like:
        return {}
    others = [folder for folder in root.full if folder not in like and folder.name.lower() not in _BESIDE]
    if len(like) == 1 and root.files:
        return {}
    if not others and all(len(folders) <= 1 for folders in found.values()):
        return {split: folders[0] for split, folders in found.items() if folders}
    # Classes car/, plane/ and train/: a train of cars is a class like the others if it is built like them.
    if len(like) == 1 and others and like[0].files and not like[0].full:
        return {}
    raise ValueError(
        f"{shown(root.path)} holds {' and '.join(shown(folder.name) + '/' for folder in like)}"
        f"{', and also ' + some([shown(folder.name) + '/' for folder in others]) if others else ''}, so that it cannot "
        "be told whether these are splits or classes; move what does not belong elsewhere, or give one of the folders"
    )


def _classes(top: Folder, splits: list[Folder]) -> tuple[list[str], NDArray[np.int64] | None, dict[int, str] | None]:
    """Pictures, labels and names of classes. splits: `top` and others, which share the numbers of their classes."""
    classes = top.full
    if top.files and classes:
        raise ValueError(
            f"{shown(top.path)} holds pictures ({some([shown(os.path.basename(path)) for path in top.files])}) and "
            f"also subfolders with pictures ({some([shown(folder.name) for folder in classes])}), but one kind was "
            "expected; move the other elsewhere"
        )
    if top.files:
        return top.files, None, None
    if not classes:
        raise ValueError(
            f"{shown(top.path)} holds no .png, .jpg or other picture, no subfolder with some and no "
            "train-images-idx3-ubyte[.gz]; put images there or give another path"
        )
    names = sorted({folder.name for split in splits for folder in split.full})
    numbers = [int(name) if name.isascii() and name.isdecimal() else -1 for name in names]
    if -1 in numbers or len(set(numbers)) < len(numbers) or max(numbers) > np.iinfo(np.int64).max:
        numbers = list(range(len(names)))
    of_name = dict(zip(names, numbers, strict=True))
    pictures = [(of_name[folder.name], folder.pictures()) for folder in classes]
    labels = np.repeat(np.array([number for number, _ in pictures], np.int64), [len(paths) for _, paths in pictures])
    return [path for _, paths in pictures for path in paths], labels, dict(zip(numbers, names, strict=True))


def _left_out(root: Folder, top: Folder) -> list[str]:
    """Sentences about what was not used: of all below `top`, and of what lies beside it where that is a split."""
    every = list(top.every())
    full = top.full
    kinds = {
        "no picture": [path for folder in every for path in folder.others],
        "hidden": [path for folder in every for path in folder.hidden],
        "empty": [folder.path for folder in top.folders if folder not in full],
        "a link to a folder that it lies in": [path for folder in every for path in folder.circles],
    }
    if top is not root:
        beside = [folder.path for folder in root.full if folder.name.lower() in _BESIDE]
        kinds["no part of the split"] = [*root.files, *root.others, *root.hidden, *root.circles, *beside]
    return [f"left out, being {kind}: {_list(root, paths)}" for kind, paths in kinds.items() if paths]


def _list(root: Folder, paths: list[str]) -> str:
    return some([shown(os.path.relpath(path, root.path)) for path in paths])


def _names(root: Folder, paths: list[str]) -> str:
    """The subject of a sentence, with its verb: what lies in a folder."""
    return f"in {shown(root.path)}, {_list(root, paths)} {'is' if len(paths) == 1 else 'are'}"
