"""Images from a folder of PNG files, all of one size; subfolders are classes."""

from __future__ import annotations

import os
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from minigan.datasets import MissingSplit
from minigan.extras import how_to_install

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["read"]


def read(folder: str, split: str) -> tuple[NDArray[np.uint8], NDArray[np.int64] | None]:
    """Images in the order of their names, uint8 (N, H, W) if grey or (N, H, W, 3) if colour; labels or None.

    Files directly in the folder have no labels. Files in subfolders are labelled by the subfolder: by the
    number it is named, or where names are not numbers by its place in sorted order. A folder that has
    `train/` or `test/` is entered there. 16-bit grey is scaled down to 8 bits, and transparency is laid over
    white. Raises ValueError where there is no PNG, one is damaged, or sizes or colours differ.
    """
    names = _listing(folder)
    if any(os.path.isdir(os.path.join(folder, part)) for part in ("train", "test")):
        folder = os.path.join(folder, split)
        if not os.path.isdir(folder):
            raise MissingSplit(
                f'split="{split}" was asked, but {folder} does not exist; create it or take the other split'
            )
        names = _listing(folder)
    elif split == "test":
        raise MissingSplit(f'split="test" was asked of {folder}, but it has no subfolder test/; take split="train"')
    loose = _pngs(folder)
    classes = {name: _pngs(path) for name in names if os.path.isdir(path := os.path.join(folder, name))}
    classes = {name: paths for name, paths in classes.items() if paths}
    if not loose and not classes:
        raise ValueError(
            f"{folder} holds no .png file, no subfolder with some and no train-images-idx3-ubyte[.gz]; "
            "put images there or give another path"
        )
    if loose and classes:
        raise ValueError(
            f"{folder} holds PNGs and also subfolders with PNGs ({', '.join(classes)}), but one kind "
            "was expected; move the other elsewhere"
        )
    if loose:
        return _stack(loose), None
    numbers = [int(name) if name.isascii() and name.isdecimal() else -1 for name in classes]
    if -1 in numbers or len(set(numbers)) < len(numbers):
        numbers = list(range(len(classes)))
    labels = np.repeat(np.array(numbers, np.int64), [len(paths) for paths in classes.values()])
    return _stack([path for paths in classes.values() for path in paths]), labels


def _listing(folder: str) -> list[str]:
    return sorted(name for name in os.listdir(folder) if not name.startswith("."))


def _pngs(folder: str) -> list[str]:
    paths = (os.path.join(folder, name) for name in _listing(folder) if name.lower().endswith(".png"))
    return [path for path in paths if os.path.isfile(path)]


def _stack(paths: list[str]) -> NDArray[np.uint8]:
    data = bytearray()  # grows with what is decoded, whatever size the first header claims
    first: tuple[int, ...] = ()
    for path in paths:
        pixels = _decode(path)
        first = first or pixels.shape
        if pixels.shape != first:
            raise ValueError(
                f"{paths[0]} is {_describe(first)} but {path} is {_describe(pixels.shape)}, and all "
                "must be alike; resize or convert them first"
            )
        data += pixels.tobytes()
    return np.frombuffer(data, np.uint8).reshape(len(paths), *first)


def _describe(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]} pixels in {'grey' if len(shape) == 2 else 'colour'}"


def _decode(path: str) -> NDArray[np.uint8]:
    """One PNG as uint8, (H, W) or (H, W, 3)."""
    try:
        from PIL import Image
    except ImportError as error:
        raise ValueError(
            f"{path} is a PNG, but Pillow, which reads it, is not installed; {how_to_install('cli')}"
        ) from error
    damaged = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error)
    try:
        with Image.open(path, formats=["PNG"]) as image:
            return _pixels(image)
    except (*damaged, Image.DecompressionBombError) as error:
        raise ValueError(
            f"{path} cannot be read as PNG ({error}), but a whole image was expected; remove or replace it"
        ) from error


def _pixels(image: Image) -> NDArray[np.uint8]:
    grey = image.mode in ("1", "L", "LA", "I", "I;16")
    if image.mode.startswith("I"):  # 16-bit grey, which Pillow's own conversion would clip
        deep: NDArray[Any] = np.asarray(image).astype(np.uint32)
        return ((deep * 255 + 32767) // 65535).astype(np.uint8)
    if image.mode.endswith("A") or "transparency" in image.info:
        from PIL import Image as pillow

        over = image.convert("RGBA")
        image = pillow.alpha_composite(pillow.new("RGBA", over.size, "white"), over)
    return np.array(image.convert("L" if grey else "RGB"))
