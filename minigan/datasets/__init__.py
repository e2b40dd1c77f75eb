"""Images to learn from: digits that ship with the package, MNIST and Fashion-MNIST, characters drawn from fonts, or
files of your own.

Images are uint8 here, at the edge of the library, and floats in [-1, 1] inside it; `to_float` and `to_uint8`
convert.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from minigan import archive
from minigan.datasets.labels import UnclearLabels, understood
from minigan.names import did_you_mean
from minigan.paths import StrPath, expand

__all__ = ["NAMES", "Dataset", "MissingSplit", "load", "to_float", "to_uint8"]

NAMES = ("digits", "mnist", "fashion-mnist", "glyphs")
Split = Literal["train", "test"]


class MissingSplit(ValueError):
    """The data is there, but it has no such split."""


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """A set of images, all of one size.

    `images`: uint8, C-contiguous, (N, H, W) for grey or (N, H, W, C) with 2 to 4 channels (one channel is
    made grey). `labels`: integers (N,), uint8 or int64, or None; given as (N, 1), one-hot or text they become
    integers. `name`: where it came from. `names`: of classes, by label; by default the labels themselves, or the
    text. `notes`: sentences about what was left out or changed when it was read. Raises TypeError or ValueError for
    anything else.

    >>> Dataset(np.zeros((3, 28, 28), np.uint8), None, "black")
    Dataset('black', 3 images of (28, 28), no labels)
    >>> Dataset(np.zeros((3, 28, 28), np.uint8), ["night", "cellar", "night"], "black").classes
    {0: 'cellar', 1: 'night'}
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8] | NDArray[np.int64] | None
    name: str
    names: Mapping[int, str] | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        images = self.images
        if not isinstance(images, np.ndarray) or images.dtype != np.uint8:
            given = f"dtype {images.dtype}" if isinstance(images, np.ndarray) else type(images).__name__
            raise TypeError(f"the images of {self.name} are {given}, but an array of uint8 was expected; see to_uint8")
        if images.ndim == 4 and images.shape[3] == 1:
            images = images[..., 0]
        if images.ndim not in (3, 4) or images.size == 0 or (images.ndim == 4 and images.shape[3] > 4):
            raise ValueError(
                f"the images of {self.name} have shape {images.shape}, but (N, H, W) or (N, H, W, C) with at "
                "most 4 channels and nothing empty was expected; reshape or transpose them"
            )
        object.__setattr__(self, "images", np.ascontiguousarray(images))
        if self.labels is not None:
            labels, names = understood(self.labels, len(images), self.name)
            object.__setattr__(self, "labels", labels)
            if self.names is None and names is not None:
                object.__setattr__(self, "names", dict(enumerate(names)))

    @property
    def classes(self) -> dict[int, str]:
        """The labels that occur, in order, and the name of each; empty without labels."""
        names = self.names or {}
        return {} if self.labels is None else {n: names.get(n, str(n)) for n in np.unique(self.labels).tolist()}

    def scaled(self, size: Any) -> Dataset:
        """The same images, scaled until they cover `size`, N or "WxH", and cropped around the middle."""
        from minigan.datasets import pictures

        return replace(self, images=pictures.scaled(self.images, pictures.as_size(size)))

    def of(self, rows: Any) -> Self:
        """Some of them: indices, a slice or a mask."""
        labels = None if self.labels is None else self.labels[rows]
        return replace(self, images=self.images[rows], labels=labels)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(H, W) or (H, W, C)."""
        return self.images.shape[1:]

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        classes = self.classes
        if not classes:
            labels = "no labels"
        elif all(name == str(label) for label, name in classes.items()):
            labels = f"labels {min(classes)} to {max(classes)}"
        else:
            names = list(classes.values())
            labels = f"{len(names)} classes: {', '.join(names[:6])}{', ...' if len(names) > 6 else ''}"
        return f"Dataset({self.name!r}, {len(self)} images of {self.image_shape}, {labels})"


def load(
    source: StrPath = "digits",
    split: Split = "train",
    cache: StrPath | None = None,
    size: int | tuple[int, int] | str | None = None,
) -> Dataset:
    """Load images by name or from a path.

    `source`: "digits" (10,000 of MNIST's training images, 1,000 of each digit; no network), "mnist" or
    "fashion-mnist" (downloaded on first use into the folder `cache`, by default one of the user), "glyphs" (digits
    drawn from the fonts of this machine; "glyphs:FOLDER": from those in a folder; splits are of fonts, see
    `glyphs.glyphs`, which draws other characters as well), or a PATH: an IDX file or a folder of them, an `.npz`, or a
    folder of pictures (PNG, JPEG, WEBP, BMP, TIFF and others; a subfolder for each class, if there are classes; inputs/
    and targets/ for `pairs.Pairs`; with a captions.csv for `captions.Captioned`).
    A string that is a name is never taken for a path: write "./mnist" or a `pathlib.Path` for a folder of that name.
    `split`: "train" or "test". `size`: N, "WxH" or (W, H), what images are scaled to, cropped around the middle;
    pictures of several sizes need it.

    Labels that name no classes, such as measurements, are left out, with a note. Raises ValueError for an unknown
    name, a missing split (a MissingSplit), or a file that is damaged or of another kind; FileNotFoundError where a
    download fails on every mirror.

    >>> load("digits")
    Dataset('digits', 10000 images of (28, 28), labels 0 to 9)
    >>> load("digits", size="20x24").image_shape
    (24, 20)
    """
    if not isinstance(source, (str, os.PathLike)):
        raise TypeError(
            f"source is {type(source).__name__}, but a name or a path was expected; give {' or '.join(NAMES)}"
        )
    if split not in ("train", "test"):
        hint = did_you_mean(split, ("train", "test")) or "; give one of those"
        raise ValueError(f'split is {split!r}, but "train" or "test" was expected{hint}')
    if size is not None:
        from minigan.datasets import pictures

        size = pictures.as_size(size)
    name = os.fspath(source)
    if isinstance(source, str) and source.partition(":")[0] == "glyphs":
        from minigan.datasets import glyphs

        return glyphs.load(source, split, size)
    named = isinstance(source, str) and source in NAMES
    path = name if named else expand(name)
    if not named and os.path.isdir(path):
        return _load_folder(path, split, name, size)
    data = _load_named_or_file(source, path, split, cache)
    return data if size is None else data.scaled(size)


def _load_named_or_file(source: StrPath, path: str, split: Split, cache: StrPath | None) -> Dataset:
    name = os.fspath(source)
    if isinstance(source, str) and source in NAMES:
        if source != "digits":
            from minigan.datasets import download

            return _load_folder(download.fetch(source, split, cache), split, source)
        if split == "test":
            raise MissingSplit(
                'split="test" was asked of "digits", which has one split only; hold some out by slicing, '
                'as in load("digits").images[9000:]'
            )
        return _load_folder(os.path.join(os.path.dirname(__file__), "digits"), split, source)
    if os.path.isfile(path):
        return _load_file(path, split, name)
    hint = did_you_mean(name, NAMES) or "; give one of the names or check the path"
    raise ValueError(f"{name!r} is no known name ({', '.join(NAMES)}) and was not found as a PATH{hint}")


def _load_folder(path: str, split: Split, name: str, size: tuple[int, int] | None = None) -> Dataset:
    from minigan.datasets import idx

    files = idx.find(path, split)
    if files:
        data = _load_idx(*files, name)
        return data if size is None else data.scaled(size)
    other: Split = "test" if split == "train" else "train"
    if present := idx.find(path, other):
        raise MissingSplit(
            f'split="{split}" was asked of {path}, which only has {os.path.basename(present[0])}; '
            f'add the files of that split or take split="{other}"'
        )
    from minigan.datasets import captions, folder, pairs

    if pairs.is_folder(path):
        return pairs.read_folder(path, split, name, size)
    return (captions.read_folder if captions.are_in(path) else folder.read)(path, split, name, size)


def _load_file(path: str, split: Split, name: str) -> Dataset:
    with open(path, "rb") as file:
        start = file.read(4)
    if start[:2] == b"PK" or path.lower().endswith(".npz"):
        from minigan.datasets import molecules, npz, pairs

        names = archive.peek(path).keys()
        if "fingerprints" in names:
            if split == "test":
                raise MissingSplit(f'split="test" was asked of {path}, but a file of molecules has no splits')
            return molecules.read(path, name)
        return (pairs.read_archive if pairs.are_in(names) else npz.read)(path, split, name)
    from minigan.datasets.pictures import SUFFIXES

    if path.lower().endswith(SUFFIXES) or start == b"\x89PNG":
        raise ValueError(f"{path} is a single picture, but a folder of them was expected; give the folder")
    if split == "test":
        raise MissingSplit(
            f'split="test" was asked of {path}, but one IDX file has no splits; give a folder or take "train"'
        )
    from minigan.datasets import idx

    return _load_idx(path, idx.labels_beside(path), name)


def _load_idx(images: str, labels: str | None, name: str) -> Dataset:
    from minigan.datasets import idx

    pixels = idx.read(images)
    if pixels.ndim < 3:
        raise ValueError(f"{images} has {pixels.ndim} dimension(s), but images have 3 or 4; give the images file")
    classes = None if labels is None else idx.read(labels)
    if classes is not None and classes.shape[:1] != pixels.shape[:1]:
        raise ValueError(
            f"{images} holds {len(pixels):,} images but {labels} holds labels of shape {classes.shape}, "
            "but one for each image was expected; fetch or copy both again"
        )
    return with_labels(pixels, classes, name)


def with_labels(images: NDArray[np.uint8], labels: Any, name: str, names: Mapping[int, str] | None = None) -> Dataset:
    """A data set from a file. Labels that say nothing of classes are left out, with a note: most GANs need none."""
    try:
        return Dataset(images, labels, name, names)
    except UnclearLabels as error:
        return Dataset(images, None, name, notes=(f"left out: {error}",))


def to_float(images: NDArray[np.uint8], dtype: DTypeLike = "float32") -> NDArray[np.floating]:
    """uint8 images of any shape as floats in [-1, 1]: x * 2 / 255 - 1, computed in `dtype` all the way.

    Raises TypeError for images that are not uint8 and ValueError for a dtype that is no float.

    >>> to_float(np.array([0, 255], np.uint8)).tolist()
    [-1.0, 1.0]
    """
    if getattr(images, "dtype", None) != np.uint8:
        given = getattr(images, "dtype", type(images).__name__)
        raise TypeError(f"to_float was given {given}, but an array of uint8 was expected; see to_uint8")
    if np.dtype(dtype).kind != "f":
        raise ValueError(f"dtype is {np.dtype(dtype)}, but a float was expected; give float32, float64 or float16")
    floats: NDArray[np.floating] = images.astype(dtype)
    floats *= 2  # doubling is exact, so 0 and 255 land on -1 and 1 exactly
    floats /= 255
    floats -= 1
    return floats


def to_uint8(floats: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Floats of any shape as uint8 images: the inverse of `to_float`, rounded, clipped outside [-1, 1].

    Raises TypeError for anything but floats and ValueError for NaN, which has no colour.

    >>> to_uint8(np.array([-1.0, 0.0, 1.0, 7.0])).tolist()
    [0, 128, 255, 255]
    """
    if getattr(getattr(floats, "dtype", None), "kind", "") != "f":
        given = getattr(floats, "dtype", type(floats).__name__)
        raise TypeError(f"to_uint8 was given {given}, but floats in [-1, 1] were expected; see to_float")
    levels = np.clip(floats, -1, 1).astype(np.result_type(floats.dtype, np.float32), copy=False)
    if np.isnan(levels).any():
        raise ValueError(
            "to_uint8 was given NaN, but floats in [-1, 1] were expected; the values that made it diverged"
        )
    rounded: NDArray[np.uint8] = np.rint((levels + 1) * 127.5).astype(np.uint8)
    return rounded
