"""Pairs of pictures: what is given, and what shall be made of it. Where they lie in files:

    FOLDER/inputs/a.png, ...  FOLDER/targets/a.jpg, ...     partners have one name, whatever its ending
    FOLDER/train/inputs/...,  FOLDER/test/inputs/..., ...   splits, each in this form
    FILE.npz                                                the arrays `inputs` and `targets`, and `labels` if there
                                                            are some; with splits `inputs_train`, `inputs_test`, ...
    pictures side by side                                   the left half is given, the right half is wanted

`minigan.datasets.tasks` makes pairs of any pictures.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from minigan import archive
from minigan.datasets import Dataset, MissingSplit, Split, folder, npz, pictures, with_labels
from minigan.datasets.pictures import Size, shown, some

__all__ = ["Pairs", "are_in", "is_folder", "read_archive", "read_folder", "side_by_side"]

Pixels = NDArray[np.uint8]
SIDES = "inputs", "targets"
_MOST_NAMED = 20


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Pairs(Dataset):
    """A data set whose images (the targets) are to be made of other images, its inputs.

    inputs: uint8 (N, H, W) or (N, H, W, C'), of the number and the sides of the images; channels may differ. task: the
    name of the task that made them, see `minigan.datasets.tasks`; "" for pairs from files. Raises TypeError or
    ValueError for inputs that are no images, or do not belong to these.

    >>> black, white = np.zeros((3, 8, 8), np.uint8), np.full((3, 8, 8, 3), 255, np.uint8)
    >>> pairs = Pairs(white, None, "night and day", inputs=black)
    >>> pairs
    Pairs('night and day', 3 pairs, (8, 8, 3) of (8, 8), no labels)
    >>> pairs.swapped().image_shape
    (8, 8)
    """

    inputs: Pixels
    task: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        inputs = Dataset(self.inputs, None, f"{self.name} (inputs)").images
        if inputs.shape[:3] != self.images.shape[:3]:
            raise ValueError(
                f"the inputs of {self.name} have shape {inputs.shape} and its targets {self.images.shape}, but an "
                "input of the same height and width was expected for each target; leave out what has no partner, and "
                "scale both to one size (--size N, size=N in Python)"
            )
        object.__setattr__(self, "inputs", inputs)

    def scaled(self, size: Any) -> Pairs:
        """Inputs and images, scaled until they cover `size`, N or "WxH", and cropped around the middle.

        A task's pairs are no longer of that task: `make_pairs` of scaled pictures are.
        """
        wanted = pictures.as_size(size)
        if self.images.shape[2:0:-1] == wanted:
            return self
        images, inputs = (pictures.scaled(part, wanted) for part in (self.images, self.inputs))
        return replace(self, images=images, inputs=inputs, task="")

    def swapped(self) -> Pairs:
        """The way back: images are given, and inputs are wanted. It is no task's."""
        return replace(self, images=self.inputs, inputs=self.images, task="")

    def of(self, rows: Any) -> Self:
        """Some of them: indices, a slice or a mask."""
        labels = None if self.labels is None else self.labels[rows]
        return replace(self, images=self.images[rows], inputs=self.inputs[rows], labels=labels)

    def __repr__(self) -> str:
        labels = super().__repr__().rpartition(f"images of {self.image_shape}, ")[2]
        task = f"task {self.task}, " if self.task else ""
        return f"Pairs({self.name!r}, {len(self)} pairs, {self.image_shape} of {self.inputs.shape[1:]}, {task}{labels}"


def side_by_side(data: Dataset) -> Pairs:
    """Pairs from pictures with two halves: the left one is given, the right one is wanted.

    Raises ValueError where the width is odd.

    >>> side_by_side(Dataset(np.zeros((3, 8, 20), np.uint8), None, "black")).inputs.shape
    (3, 8, 10)
    """
    width = data.images.shape[2]
    if width % 2:
        raise ValueError(
            f"the pictures of {data.name} are {width} pixels wide, but an even width, two halves side by side, was "
            "expected; crop them"
        )
    left, right = np.split(data.images, 2, axis=2)
    return Pairs(right, data.labels, data.name, data.names, data.notes, inputs=left)


# --- a folder --------------------------------------------------------------------------------------------------------


def is_folder(path: str) -> bool:
    """Whether there are inputs/ and targets/, in the folder itself or in its train/ or test/."""
    return bool(_tops(path))


def read_folder(path: str, split: Split, name: str, size: Size | None) -> Pairs:
    """The pairs of a folder, in the order of their names; these may lie in subfolders, alike on both sides.

    Raises MissingSplit for a split that is not there, and ValueError, naming the files, where some have no partner,
    are lost or cannot be read.
    """
    tops = _tops(path)
    if split not in tops:
        raise MissingSplit(
            f'split="{split}" was asked of {shown(path)}, but it has no {split}/ with inputs/ and targets/; create it '
            "or take the other split"
        )
    root = folder.look(path)
    top = root if tops[split] == path else next(part for part in root.folders if part.name == split)
    inputs, targets = (_by_name(next(part for part in top.folders if part.name == side)) for side in SIDES)
    alone = [inputs.get(key) or targets[key] for key in sorted(inputs.keys() ^ targets.keys())]
    if alone or not inputs:
        listed = some([shown(os.path.relpath(file, path)) for file in alone], _MOST_NAMED)
        raise ValueError(
            f"in {shown(path)}, {f'{listed} has or have no partner' if alone else 'there are no pictures'}, but for "
            "each file of inputs/ one of that name was expected in targets/, and the reverse; add or remove files"
        )
    keys = sorted(inputs)
    given, about_inputs = pictures.read([inputs[key] for key in keys], size)
    wanted, about_targets = pictures.read([targets[key] for key in keys], size)
    unused = [*_unused(top), *([] if top is root else [*root.files, *root.others, *root.hidden])]
    notes = [f"left out, being no part of a pair: {some([shown(os.path.relpath(file, path)) for file in unused])}"]
    return Pairs(
        wanted, None, name, notes=(*(notes if unused else ()), *about_inputs, *about_targets), inputs=given,
    )  # fmt: skip


def _tops(path: str) -> dict[str, str]:
    """Which folder has the inputs/ and targets/ of each split; one without splits is for training."""

    def has_both(top: str) -> bool:
        return all(os.path.isdir(os.path.join(top, side)) for side in SIDES)

    if has_both(path):
        return {"train": path}
    return {split: top for split in ("train", "test") if has_both(top := os.path.join(path, split))}


def _by_name(side: folder.Folder) -> dict[str, str]:
    """The pictures below a folder by what they share with their partners: the way to them, without the ending."""
    files: dict[str, str] = {}
    for file in side.pictures():
        key = os.path.splitext(os.path.relpath(file, side.path))[0]
        if key in files:
            raise ValueError(
                f"{shown(files[key])} and {shown(file)} differ in their endings only, but one of this name was "
                "expected; remove or rename the other"
            )
        files[key] = file
    return files


def _unused(top: folder.Folder) -> list[str]:
    every = [file for part in top.every() for file in (*part.others, *part.hidden, *part.circles)]
    beside = [file for part in top.folders if part.name not in SIDES for file in part.pictures()]
    return [*top.files, *beside, *every]


# --- an archive ------------------------------------------------------------------------------------------------------


def are_in(names: Collection[str]) -> bool:
    """Whether an archive with arrays of these names holds pairs."""
    return any({side + end for side in SIDES} <= set(names) for end in ("", "_train", "_test"))


def read_archive(path: archive.StrPath, split: Split, name: str) -> Pairs:
    """The pairs of an `.npz`: uint8, or floats in [-1, 1]. Labels that are text are numbered alike in both splits.

    Raises MissingSplit for a split that is not there, ValueError for arrays that are no pairs.
    """
    where, contents = os.fspath(path), archive.peek(path)
    end = f"_{split}" if {f"{side}_{split}" for side in SIDES} <= contents.keys() else ""
    if not end and (split == "test" or not contents.keys() >= set(SIDES)):
        listed = ", ".join(contents)
        raise MissingSplit(
            f'split="{split}" was asked of {where}, which holds {listed}, but inputs_{split} and targets_{split} were '
            "expected; take the other split or another file"
        )
    arrays, known, names = npz.load_labelled(
        path, {side + end for side in SIDES}, f"labels{end}", ("labels_train", "labels_test")
    )
    given, wanted = (npz.as_bytes(arrays[side + end], f"the array {side + end!r} of {where}") for side in SIDES)
    data = with_labels(wanted, known, name, names)
    return Pairs(data.images, data.labels, name, data.names, data.notes, inputs=given)
