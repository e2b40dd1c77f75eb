"""Images to learn from: digits that ship with the package, MNIST and Fashion-MNIST, or files of your own.

Images are uint8 here, at the edge of the library, and floats in [-1, 1] inside it; `to_float` and `to_uint8`
convert.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from minigan.names import did_you_mean
from minigan.paths import StrPath, expand

__all__ = ["NAMES", "Dataset", "MissingSplit", "load", "to_float", "to_uint8"]

NAMES = ("digits", "mnist", "fashion-mnist")
Split = Literal["train", "test"]


class MissingSplit(ValueError):
    """The data is there, but it has no such split."""


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """A set of images, all of one size.

    `images`: uint8, C-contiguous, (N, H, W) for grey or (N, H, W, C) with 2 to 4 channels (one channel is
    made grey). `labels`: integers (N,), uint8 or int64, or None. `name`: where it came from. Raises TypeError
    or ValueError for anything else.

    >>> Dataset(np.zeros((3, 28, 28), np.uint8), None, "black")
    Dataset('black', 3 images of (28, 28), no labels)
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8] | NDArray[np.int64] | None
    name: str

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
            object.__setattr__(self, "labels", _labels(np.asarray(self.labels), len(images), self.name))

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(H, W) or (H, W, C)."""
        return self.images.shape[1:]

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        labels = "no labels" if self.labels is None else f"labels {self.labels.min()} to {self.labels.max()}"
        return f"Dataset({self.name!r}, {len(self)} images of {self.image_shape}, {labels})"


def _labels(labels: np.ndarray, count: int, name: str) -> NDArray[np.uint8] | NDArray[np.int64]:
    if labels.dtype.kind not in "iu" or labels.shape != (count,):
        raise ValueError(
            f"the labels of {name} have dtype {labels.dtype} and shape {labels.shape}, but {count} integers, "
            "one for each image, were expected; give the labels that go with these images"
        )
    return labels if labels.dtype == np.uint8 else labels.astype(np.int64, copy=False)


def load(source: StrPath = "digits", split: Split = "train", cache: StrPath | None = None) -> Dataset:
    """Load images by name or from a path.

    `source`: "digits" (10,000 of MNIST's training images, 1,000 of each digit; no network), "mnist" or
    "fashion-mnist" (downloaded on first use into the folder `cache`, by default one of the user), or a PATH:
    an IDX file or a folder of them, an `.npz`, or a folder of PNGs. A string that is a name is never taken
    for a path: write "./mnist" or a `pathlib.Path` for a folder of that name. `split`: "train" or "test".

    Raises ValueError for an unknown name, a missing split (a MissingSplit), or a file that is damaged or of another
    kind; FileNotFoundError where a download fails on every mirror.

    >>> load("digits")
    Dataset('digits', 10000 images of (28, 28), labels 0 to 9)
    """
    if not isinstance(source, (str, os.PathLike)):
        raise TypeError(
            f"source is {type(source).__name__}, but a name or a path was expected; give {' or '.join(NAMES)}"
        )
    if split not in ("train", "test"):
        hint = did_you_mean(split, ("train", "test")) or "; give one of those"
        raise ValueError(f'split is {split!r}, but "train" or "test" was expected{hint}')
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
    path = expand(name)
    if os.path.isdir(path):
        return _load_folder(path, split, name)
    if os.path.isfile(path):
        return _load_file(path, split, name)
    hint = did_you_mean(name, NAMES) or "; give one of the names or check the path"
    raise ValueError(f"{name!r} is no known name ({', '.join(NAMES)}) and was not found as a PATH{hint}")


def _load_folder(path: str, split: Split, name: str) -> Dataset:
    from minigan.datasets import idx

    files = idx.find(path, split)
    if files:
        return _load_idx(*files, name)
    other: Split = "test" if split == "train" else "train"
    if present := idx.find(path, other):
        raise MissingSplit(
            f'split="{split}" was asked of {path}, which only has {os.path.basename(present[0])}; '
            f'add the files of that split or take split="{other}"'
        )
    from minigan.datasets import png

    return Dataset(*png.read(path, split), name)


def _load_file(path: str, split: Split, name: str) -> Dataset:
    with open(path, "rb") as file:
        start = file.read(4)
    if start[:2] == b"PK" or path.lower().endswith(".npz"):
        from minigan.datasets import npz

        return Dataset(*npz.read(path, split), name)
    if start == b"\x89PNG":
        raise ValueError(f"{path} is a single PNG, but a folder of them was expected; give the folder")
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
    if classes is not None and classes.shape != pixels.shape[:1]:
        raise ValueError(
            f"{images} holds {len(pixels):,} images but {labels} holds labels of shape {classes.shape}, "
            "but one for each image was expected; fetch or copy both again"
        )
    return Dataset(pixels, classes, name)


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
