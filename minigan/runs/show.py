"""Images, for whoever is looking: in a notebook below the cell, elsewhere in the system's viewer of pictures."""

from __future__ import annotations

import importlib
import math
import os
import sys
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..datasets import Dataset, to_uint8
from ..gan import GAN
from ..paths import StrPath, expand
from . import pictures

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["show"]

_HEIGHT = 320  # pixels that a small picture is enlarged to, as those of training.gif are


def show(images: Any, *, n: int | None = 100, rows: int | None = None, out: StrPath | None = None) -> None:
    """Show images as one picture: in a notebook below the cell, elsewhere in a window.

    images: an array (N, H, W[, C]) or a single image (H, W[, C]), uint8 or floats in [-1, 1], as `GAN.sample` gives
    them, flat (N, pixels) too, if an image is a square; a Dataset; a GAN, of which it shows 25 samples; or the folder
    of a run, of which it shows samples.png. n: at most so many, the first; None for all. rows: of the grid, by default
    as near to a square as n allows. out: a .png, .jpg or .webp to write the picture into instead of opening a window.

    Raises TypeError or ValueError for what are no images, FileNotFoundError for a run without a picture, ImportError
    if Pillow is not installed. Where there is neither a notebook nor a screen a warning says so.

    >>> import minigan, tempfile
    >>> minigan.show(minigan.datasets.load("digits"), n=6, out=f"{tempfile.mkdtemp()}/digits.png")
    """
    pictures.require("Pillow")
    if isinstance(images, (str, os.PathLike)):
        picture = _of_run(expand(images))
    else:
        pixels = _pixels(images)
        picture = pictures.as_image(pictures.grid(pixels if n is None else pixels[:n], rows))
    if out is not None:
        pictures.save_picture(out, np.asarray(picture))
    if _in_a_notebook():
        below: Any = importlib.import_module("IPython.display")
        below.display(below.Image(pictures.encoded("this picture", np.asarray(_enlarged(picture)), "PNG")))
    elif out is None:
        _open_window(_enlarged(picture))


def _of_run(folder: str) -> Image:
    from PIL import Image, UnidentifiedImageError

    file = os.path.join(folder, "samples.png") if os.path.isdir(folder) else folder
    if not os.path.isfile(file):
        raise FileNotFoundError(f"there is no picture {file}; give images, or the folder of a run that has ended")
    try:
        with Image.open(file) as picture:
            return picture.copy() if picture.mode in ("L", "LA", "RGB", "RGBA") else picture.convert("RGBA")
    except UnidentifiedImageError:
        raise ValueError(f"{file} is no picture; give images, or the folder of a run") from None


def _pixels(images: Any) -> NDArray[np.uint8]:
    """What people give for images, as uint8 (N, H, W[, C])."""
    shape: tuple[int, ...] = ()
    if isinstance(images, GAN):
        images, shape = images.sample(25), images.sample_shape
        if len(shape) == 1 and math.isqrt(shape[0]) ** 2 != shape[0]:
            raise ValueError(f"this GAN makes samples of shape {shape}, which are no images")
    elif isinstance(images, Dataset):
        images = images.images
    if hasattr(images, "__cuda_array_interface__") and hasattr(images, "get"):  # CuPy's
        images = images.get()
    array = np.asarray(images)
    if array.dtype.kind not in "biuf" or array.ndim < 1 or array.size == 0:
        raise TypeError(f"expected images, got {type(images).__name__} of {array.dtype} and shape {array.shape}")
    array = _in_shape(array, shape)
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind == "b":
        return array.astype(np.uint8) * np.uint8(255)
    low, high = array.min(), array.max()
    if array.dtype.kind in "iu":
        if not 0 <= low <= high <= 255:
            raise ValueError(f"whole numbers of images are 0 to 255, got {low} to {high}")
        return array.astype(np.uint8)
    if high > 2 and low >= 0:
        raise ValueError(f"floats of images are -1 to 1, got {low:g} to {high:g}; use astype('uint8') if 255 is white")
    return to_uint8(array)


def _in_shape(array: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """As (N, H, W[, C]), which the array is, or of which it is one, or which it is flat."""
    if len(shape) > 1:
        return array.reshape(len(array), *shape)
    if array.ndim == 1:
        array = array[None]
    if array.ndim == 2:
        side = math.isqrt(array.shape[1])
        flat = side * side == array.shape[1] and (array.shape[0] != array.shape[1] or array.dtype.kind == "f")
        return array.reshape(-1, side, side) if flat else array[None]
    if array.ndim == 3 and array.shape[2] <= 4 < min(array.shape[:2]):
        array = array[None]
    if array.ndim == 4 and array.shape[3] > 4 >= array.shape[1]:
        raise ValueError(f"expected channels last, (N, H, W, C), got {array.shape}; use images.transpose(0, 2, 3, 1)")
    return array[..., 0] if array.ndim == 4 and array.shape[3] == 1 else array


def _enlarged(picture: Image) -> Image:
    factor = max(1, _HEIGHT // picture.height)
    return picture.resize((factor * picture.width, factor * picture.height), 0)  # 0: nearest, pixels stay squares


def _in_a_notebook() -> bool:
    """Whether this code runs in IPython, and that in something that can show pictures."""
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    return hasattr(get_ipython(), "kernel")


def _open_window(picture: Image) -> None:
    from PIL import ImageShow

    screen = sys.platform in ("win32", "darwin") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if not (screen and ImageShow.show(picture)):
        warnings.warn(
            "there is no screen to show a picture on; to have it in a file: minigan.show(images, out='images.png')",
            stacklevel=3,
        )
