"""Pictures as arrays: files of any kind that Pillow reads and people keep, all of one size and colour in the end.

    turned          as the camera held it says (EXIF orientation)
    transparent     laid over white, in every mode
    deep            16-bit grey is rounded to 8 bits; of 16-bit colour Pillow reads the upper 8
    grey or colour  grey where all are, with or without transparency; palettes, CMYK and the like are colour
    animated        the first of several pictures in a file
    size            with `size`, scaled until it is covered and cropped around the middle; without, all must agree

Memory is bounded before anything is decoded: by LARGE pixels in a picture that is used as it is, by LARGEST in one
that is scaled down, and by LIMIT bytes for all of them together.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from minigan.extras import how_to_install

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

__all__ = ["SUFFIXES", "as_size", "read", "scaled", "shown", "some"]

Pixels = NDArray[np.uint8]
Size = tuple[int, int]  # width and height, as Pillow has it

SUFFIXES = (
    ".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".webp", ".bmp", ".dib", ".tif", ".tiff",
    ".gif", ".ppm", ".pgm", ".pbm", ".pnm",
)  # fmt: skip
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "DIB", "TIFF", "GIF", "PPM")  # none that would run another program
_SIDE = 1024
LARGE = _SIDE * _SIDE
LARGEST = 50_000_000  # no file is decoded at more than a GB, transparent WEBP being the worst
LIMIT = 4 << 30
_GREY = ("1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N")
_MOST_FAULTS = 20  # after so many unreadable files nobody waits for the rest


def as_size(size: Any) -> Size:
    """Width and height from N, (W, H), "N" or "WxH". Raises ValueError for anything else.

    >>> as_size(32), as_size("64x48")
    ((32, 32), (64, 48))
    """
    sides: Sequence[Any] = ()
    if isinstance(size, str) and (match := re.fullmatch(r"\s*([0-9]{1,9})(?:\s*[x×X]\s*([0-9]{1,9}))?\s*", size)):
        sides = int(match[1]), int(match[2] or match[1])
    elif isinstance(size, (int, np.integer)) and not isinstance(size, bool):
        sides = int(size), int(size)
    elif isinstance(size, (tuple, list)) and len(size) == 2:
        sides = size
    whole = all(isinstance(side, (int, np.integer)) and not isinstance(side, bool) for side in sides)
    if not sides or not whole or not all(1 <= side <= _SIDE for side in sides):
        raise ValueError(f"size is {size!r}, but a number of pixels or WIDTHxHEIGHT up to {_SIDE}x{_SIDE} was expected")
    return int(sides[0]), int(sides[1])


def read(paths: Sequence[str], size: Size | None = None, large: bool = False) -> tuple[Pixels, list[str]]:
    """The pictures in files, uint8 (N, H, W) if all are grey, else (N, H, W, 3), and sentences about them.

    large: take them as they are up to LARGEST pixels, for they are not to be learned from.
    Raises ValueError, naming the files, where some cannot be read, are too large, or differ in size.
    """
    _require(paths[0])
    images: Pixels | None = None
    faults: list[str] = []
    several: list[str] = []
    first, greys = 0, 0
    for i, path in enumerate(paths):
        try:
            pixels, more = _decode(path, size, large)
        except _Fault as fault:
            faults.append(str(fault))
            if len(faults) == _MOST_FAULTS:
                break
            continue
        if more:
            several.append(shown(path))
        greys += pixels.ndim == 2
        if images is None:
            images, first = _room(len(paths), pixels), i
        elif pixels.shape[:2] != images.shape[1:3]:
            raise ValueError(
                f"{shown(paths[first])} is {_sides(images[0])} pixels but {shown(path)} is {_sides(pixels)}, and all "
                "must be alike; --size N (size=N in Python) scales and crops all pictures to N x N"
            )
        if pixels.ndim == 3 and images.ndim == 3:  # the first one in colour: what was grey so far becomes colour too
            coloured = _room(len(paths), pixels)
            coloured[:i] = images[:i, :, :, None]
            images = coloured
        images[i] = pixels if pixels.ndim == images.ndim - 1 else pixels[..., None]
    if faults:
        raise ValueError(f"{some(faults)}; remove or replace what cannot be read")
    assert images is not None
    notes = []
    if several:
        notes.append(f"the first of several pictures was taken from {some(several)}")
    if images.ndim == 4 and greys:
        notes.append(f"{greys:,} of {len(paths):,} pictures are grey and became colour, as the others are")
    return images, notes


def scaled(images: Pixels, size: Size) -> Pixels:
    """Images (N, H, W[, C]), uint8, scaled until they cover `size`, and cropped around the middle."""
    if images.shape[2:0:-1] == size:
        return images
    _require("--size")
    from PIL import Image, ImageOps

    planes = images[..., None] if images.ndim == 3 else images  # one channel at a time: they may be anything
    out = _room(len(images), np.empty((size[1], size[0], planes.shape[3]), np.uint8))
    for i, image in enumerate(planes):
        for c in range(planes.shape[3]):
            plane = Image.fromarray(np.ascontiguousarray(image[..., c]))
            out[i, ..., c] = np.asarray(ImageOps.fit(plane, size))
    return out[..., 0] if images.ndim == 3 else out


def shown(path: str) -> str:
    """A path for a sentence of one line, whatever bytes its name is made of."""
    return path if path.isprintable() else ascii(path)


def some(things: Sequence[str], most: int = 3) -> str:
    """The first few of them, and how many more there are."""
    more = f" and {len(things) - most:,} more" if len(things) > most else ""
    return ", ".join(things[:most]) + more


class _Fault(Exception):
    """What is wrong with one file, in words that name it."""


def _require(path: str) -> None:
    try:
        import PIL  # noqa: F401
    except ImportError as error:
        raise ValueError(
            f"{shown(path)} needs Pillow, which reads and scales pictures, but it is not installed; "
            f"{how_to_install('cli')}"
        ) from error


def _room(count: int, like: Pixels) -> Pixels:
    if count * like.size > LIMIT:
        raise ValueError(
            f"{count:,} pictures of {_sides(like)} pixels take {count * like.size / 2**30:.1f} GiB of memory, and "
            f"{LIMIT / 2**30:.0f} are the most; --size N (size=N in Python) makes them smaller"
        )
    return np.empty((count, *like.shape), np.uint8)


def _sides(pixels: Pixels) -> str:
    return f"{pixels.shape[1]}x{pixels.shape[0]}"


def _decode(path: str, size: Size | None, large: bool = False) -> tuple[Pixels, bool]:
    """One picture, uint8 (H, W) or (H, W, 3), and whether the file holds more of them."""
    from PIL import Image

    try:
        Image.init()
        formats = [name for name in _FORMATS if name in Image.OPEN]
        # By a file, not by its name: those Pillow maps into memory, and then gets the sides of turned TIFFs wrong.
        with open(path, "rb") as file, Image.open(file, formats=formats) as image:
            several = bool(getattr(image, "is_animated", False))
            if size is not None and not image.info.get("progressive"):  # those are held at full size all the same
                image.draft(None, (2 * max(size), 2 * max(size)))  # JPEGs can be decoded at an eighth of their size
            _check_size(path, image, size, large)
            return _pixels(path, image, size), several
    except Image.DecompressionBombError:
        raise _Fault(
            f"{shown(path)} has more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels, too many to be read even with "
            "--size; scale it down first"
        ) from None
    except _Fault:
        raise
    except Exception as error:  # a decoder that meets foreign bytes can fail in any way
        reason = " ".join(str(error).split()) or type(error).__name__
        raise _Fault(f"{shown(path)} cannot be read as a picture ({reason})") from error


def _check_size(path: str, image: ImageFile, size: Size | None, large: bool) -> None:
    width, height = image.size
    if width * height <= (LARGE if size is None and not large else LARGEST):
        return
    if large:
        advice = f"and {LARGEST:,} are the most that are read; cut it into parts first"
    elif size is None:
        advice = "more than a GAN of this kind can learn; --size N (size=N in Python) scales and crops all pictures"
    else:
        advice = f"and {LARGEST:,} are the most that are read to be scaled to --size; scale it down first"
    raise _Fault(f"{shown(path)} is {width}x{height} pixels, {advice}")


def _pixels(path: str, image: ImageFile, size: Size | None) -> Pixels:
    from PIL import Image as pillow
    from PIL import ImageOps

    stored = str(image.tile[0][3] if image.tile else "")  # how the file keeps a pixel, for Pillow's decoder
    grey = image.mode in _GREY or stored.startswith("LA")
    key = image.info.get("transparency")
    if stored in ("L;2", "L;4") and isinstance(key, int):  # Pillow scales the pixels to 8 bits, but not the key
        image.info["transparency"] = key * (85 if stored == "L;2" else 17)
    elif stored == "RGB;16B" and isinstance(key, tuple):
        image.info["transparency"] = tuple(part >> 8 for part in key)
    if image.mode == "F" or (image.mode == "I" and image.format not in ("PNG", "PPM")):
        raise _Fault(
            f"{shown(path)} has pixels of 32 bits, whose black and white nobody knows; convert it to 8 or 16 bits"
        )
    deep = image.mode.startswith("I")
    bits = getattr(image, "tag_v2", {}).get(258, 16)  # of a TIFF: 12, perhaps
    image.load()
    with suppress(Exception):  # what is wrong with the EXIF data is not wrong with the picture
        ImageOps.exif_transpose(image, in_place=True)
    plain = pillow.fromarray(_eight_bits(np.asarray(image), bits, key)) if deep else image
    clear = plain.mode.lower() in ("la", "pa", "rgba") or "transparency" in plain.info
    mode = "RGBA" if clear else "L" if grey else "RGB"
    if plain.mode != mode:
        plain = plain.convert(mode)
    if size is not None and plain.size != size:
        plain = ImageOps.fit(plain, size)
    if clear:
        plain = pillow.alpha_composite(pillow.new("RGBA", plain.size, "white"), plain).convert("L" if grey else "RGB")
    return np.array(plain)


def _eight_bits(deep: NDArray[Any], bits: Any, key: Any) -> Pixels:
    """Grey of up to 16 bits, rounded to 8; white where it has the value `key`, which is transparent."""
    top = (1 << (bits[0] if isinstance(bits, tuple) else int(bits))) - 1
    levels = ((np.arange(top + 1) * 255 + top // 2) // top).astype(np.uint8)
    if isinstance(key, int) and 0 <= key <= top:
        levels[key] = 255
    out = np.empty(deep.shape, np.uint8)
    for row, values in zip(out, deep, strict=True):  # NumPy widens an index to 8 bytes
        np.take(levels, values, mode="clip", out=row)
    return out
