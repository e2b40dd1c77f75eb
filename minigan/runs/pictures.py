"""Pictures of a run: grids of samples, the animation of a training, and the curves of its losses.

Pillow writes the images and Matplotlib draws the curves; both come with the extra `cli` and are imported only where
there will be pictures. Every file appears whole or not at all. No window has a part in this, and no style: a picture is
the same whatever MPLBACKEND or a matplotlibrc say.
"""

from __future__ import annotations

import importlib
import io
import itertools
import math
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..extras import how_to_install
from ..files import StrPath, Target, writing
from ..game.game import Panel
from ..paths import expand

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL.Image import Image

__all__ = [
    "FORMATS",
    "as_image",
    "default_style",
    "encoded",
    "format_of",
    "grid",
    "new_figure",
    "plot_losses",
    "require",
    "save_each",
    "save_figure",
    "save_gif",
    "save_picture",
    "save_png",
    "titled",
]

Pixels = NDArray[np.uint8]
_LETTERS, _LONGEST = 9, 24  # pixels that a title needs across, and the letters of one
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}  # Pillow's name for so many channels
FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}  # of pictures, by the end of their names
_LONGEST_SIDE = {"JPEG": 65_535, "WEBP": 16_383}  # of a picture, in pixels
_AS: dict[str, dict[str, Any]] = {"PNG": {}, "JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True}}


def require(*libraries: str) -> None:
    """Load what pictures need, so that nothing is missing when the work that they will show is done.

    libraries: "Pillow" for images, "Matplotlib" for curves; by default both. Raises ImportError, with the command that
    helps, if one is not installed or cannot be loaded.
    """
    for library in libraries or _LOAD:
        try:
            _LOAD[library]()
        except ModuleNotFoundError as error:
            missing = (error.name or "").partition(".")[0]
            what = "is not installed" if missing in ("PIL", "matplotlib") else f"needs {missing}"
            raise ImportError(f"pictures need {library}, which {what}; {how_to_install('cli')}") from error
        except Exception as error:  # it was built for another NumPy, say
            raise ImportError(
                f"pictures need {library}, which cannot be loaded: {error}; install it anew: {how_to_install('cli')}"
            ) from error


def _pillow() -> None:
    for module in ("PIL.Image", "PIL.ImageDraw", "PIL.ImageFont"):
        importlib.import_module(module)


def _matplotlib() -> None:
    if "matplotlib" not in sys.modules and (chosen := os.environ.pop("MPLBACKEND", None)) is not None:
        # It may name a backend that is not there: notebooks leave it to the programs that they start. Matplotlib would
        # refuse to be imported then, so that it is told afterwards, for the sake of others in this process.
        try:
            matplotlib = importlib.import_module("matplotlib")
        finally:
            os.environ["MPLBACKEND"] = chosen
        with suppress(ValueError):
            matplotlib.rcParams["backend"] = chosen
    importlib.import_module("matplotlib.figure")
    importlib.import_module("matplotlib.backends.backend_agg")


_LOAD = {"Pillow": _pillow, "Matplotlib": _matplotlib}


def format_of(path: StrPath) -> str:
    """Pillow's name of the format that the end of a file's name asks for.

    Raises ValueError for another end, ImportError for a format that Pillow was built without.
    """
    from PIL import features

    end = os.path.splitext(os.fspath(path))[1].lower()
    if end not in FORMATS:
        raise ValueError(f"{os.fspath(path)} ends in none of {', '.join(FORMATS)}; a picture's name says what it is")
    if not features.check({"PNG": "zlib", "JPEG": "jpg", "WEBP": "webp"}[FORMATS[end]]):
        raise ImportError(f"this Pillow was built without {FORMATS[end]}; write a .png, or install another Pillow")
    return FORMATS[end]


def grid(images: Pixels, rows: int | None = None, columns: int | None = None, padding: int = 2) -> Pixels:
    """Images (N, H, W[, C]) as one picture (H', W'[, C]), row by row, with `padding` pixels around each.

    rows, columns: by default as near to a square as N allows. Cells without an image stay black, like the padding.
    Raises ValueError for other shapes, no image, or more images than cells; TypeError unless uint8.

    >>> grid(np.zeros((5, 28, 28), np.uint8)).shape     # 2 rows of 3
    (62, 92)
    """
    if images.dtype != np.uint8:
        raise TypeError(f"expected images of uint8, got {images.dtype}; see minigan.datasets.to_uint8")
    if images.ndim not in (3, 4) or images.size == 0:
        raise ValueError(f"expected images of shape (N, H, W) or (N, H, W, C), got {images.shape}")
    n, height, width, *channels = images.shape
    if columns is None:
        columns = math.ceil(math.sqrt(n)) if rows is None else math.ceil(n / max(rows, 1))
    rows = math.ceil(n / max(columns, 1)) if rows is None else rows
    if rows * columns < n or padding < 0:
        raise ValueError(f"{n} images do not fit into {rows} rows of {columns} with a padding of {padding}")
    down, across = height + padding, width + padding
    picture = np.zeros((rows * down + padding, columns * across + padding, *channels), np.uint8)
    for i, image in enumerate(images):
        top, left = padding + i // columns * down, padding + i % columns * across
        picture[top : top + height, left : left + width] = image
    return picture


def stacked(pictures: Sequence[Pixels], gap: int = 6) -> Pixels:
    """Pictures one below the other, with `gap` black rows between; narrower ones have black beside them."""
    width = max(picture.shape[1] for picture in pictures)
    parts: list[Pixels] = []
    for picture in pictures:
        beside = [(0, gap), (0, width - picture.shape[1]), *[(0, 0)] * (picture.ndim - 2)]
        parts.append(np.pad(picture, beside))
    whole: Pixels = np.concatenate(parts)
    return whole[:-gap]


def read_png(file: IO[bytes], shape: tuple[int, ...]) -> Pixels | None:
    """The picture in a PNG of this shape, (H, W) or (H, W, C); None for any other, which is not even unpacked."""
    from PIL import Image

    start = file.read(24)
    size = tuple(int.from_bytes(start[i : i + 4], "big") for i in (20, 16))
    if start[:8] != b"\x89PNG\r\n\x1a\n" or size != shape[:2]:
        return None
    file.seek(0)
    try:
        with Image.open(file, formats=["PNG"]) as image:
            picture = np.asarray(image)
    except Exception:  # Pillow has many ways to say that a file is damaged
        return None
    return picture if picture.shape == shape and picture.dtype == np.uint8 else None


def titled(picture: Pixels, titles: Sequence[str], padding: int = 2) -> Pixels:
    """A grid with a title above each of its columns, upright where one is too long; none where columns are too narrow.

    padding: as of the grid.
    """
    from PIL import Image, ImageDraw, ImageFont

    across = (picture.shape[1] - padding) // len(titles)
    if across < _LETTERS:
        return picture
    font = ImageFont.load_default(min(across - 1, 12))
    words = []
    for title in titles:
        text = title.encode("utf-8", "replace").decode()
        text = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
        left, top, right, bottom = ImageDraw.Draw(Image.new("L", (1, 1))).textbbox((0, 0), text, font=font)
        word = Image.new("L", (max(1, math.ceil(right - left)), max(1, math.ceil(bottom - top))))
        ImageDraw.Draw(word).text((-left, -top), text, fill=255, font=font)
        words.append(np.asarray(word))
    if any(drawn.shape[1] > across for drawn in words):
        words = [np.rot90(drawn)[:, :across] for drawn in words]
    strip = np.zeros((max(map(len, words)) + 2 * padding, picture.shape[1]), np.uint8)
    for i, drawn in enumerate(words):
        height, width = drawn.shape
        start = padding + i * across + max(0, across - padding - width) // 2
        strip[-padding - height : -padding, start : start + width] = drawn
    shape = (len(strip), *picture.shape[1:])
    return np.concatenate([np.broadcast_to(strip.reshape(*strip.shape, *(1,) * (len(shape) - 2)), shape), picture])


def written(picture: Pixels, text: str, padding: int = 2) -> Pixels:
    """A picture with a text above it, in as many lines as that takes; none where the picture is too narrow to read."""
    from PIL import Image, ImageDraw, ImageFont

    width = picture.shape[1]
    font = ImageFont.load_default(12)
    if width < 6 * _LETTERS:
        return picture
    lines, line = list[str](), ""
    for word in text.encode("utf-8", "replace").decode().split():
        longer = f"{line} {word}".strip()
        if line and font.getlength(longer) > width - 2 * padding:
            lines, line = [*lines, line], word
        else:
            line = longer
    lines.append(line)
    strip = Image.new("L", (width, 15 * len(lines) + 2 * padding))
    for i, line in enumerate(lines):
        ImageDraw.Draw(strip).text((padding, 15 * i + padding), line, fill=255, font=font)
    above = np.asarray(strip)
    shape = (len(above), *picture.shape[1:])
    return np.concatenate([np.broadcast_to(above.reshape(*above.shape, *(1,) * (len(shape) - 2)), shape), picture])


def save_png(path: Target, picture: Pixels) -> None:
    """Write a picture (H, W) or (H, W, C) of 1 to 4 channels as PNG, losslessly; path: or an open file.

    Raises ValueError for another shape and OSError if the file cannot be written; an old file then stays.
    """
    _save(path, picture, "PNG")


def save_picture(path: StrPath, picture: Pixels) -> None:
    """Write a picture (H, W) or (H, W, C) as what the end of its name says: PNG and WEBP losslessly, or JPEG.

    Raises ValueError for another end, another shape, or what the format cannot hold; otherwise as `save_png`.
    """
    _save(path, picture, format_of(path))


def save_each(folder: StrPath, images: Pixels, end: str = ".png") -> None:
    """Write images (N, H, W[, C]) as 000000.png, 000001.png, ... of a folder that is new or empty: all or none.

    end: of the names, a key of FORMATS. Raises as `save_picture` does, and OSError if the folder holds anything.
    """
    form, target = format_of(f"a{end}"), os.path.abspath(expand(folder))
    beside = os.path.join(os.path.dirname(target), f".{os.path.basename(target)[:40]}.{os.urandom(4).hex()}.tmp")
    os.mkdir(beside)
    try:
        for i, image in enumerate(images):
            name = f"{i:06}{end}"
            with open(os.path.join(beside, name), "wb") as file:
                file.write(encoded(name, image, form))
        with suppress(FileNotFoundError):
            os.rmdir(target)
        os.rename(beside, target)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise


def _save(path: Target, picture: Pixels, form: str) -> None:
    name = os.fspath(path) if isinstance(path, (str, os.PathLike)) else "the picture"
    data = encoded(name, picture, form)
    with writing(path) as out:
        out.write(data)


def encoded(name: str, picture: Pixels, form: str) -> bytes:
    """The bytes of a file, complete before it is opened: Pillow's own writing hides why a disk refused."""
    image = as_image(picture)
    if max(image.size) > _LONGEST_SIDE.get(form, max(image.size)):
        raise ValueError(f"{name} would be {image.width}x{image.height}, too large for {form}; write a .png")
    if form == "JPEG" and image.mode in ("LA", "RGBA"):
        raise ValueError(f"{name} cannot be transparent, as these images are: JPEG has no alpha; write a .png or .webp")
    file = io.BytesIO()
    image.save(file, form, **_AS[form])
    return file.getvalue()


def save_gif(
    path: Target,
    frames: Sequence[Pixels | StrPath],
    captions: Sequence[str] | None = None,
    *,
    most: int = 100,
    size: int = 320,
    hold: float = 3.0,
) -> None:
    """Write an animation that repeats for ever, of pictures (H, W[, C]) or paths of PNGs, all of one size.

    captions: a line below each frame. most: of more frames than this, evenly spread ones are taken, always with the
    first and the last. size: small pictures are enlarged by a whole factor, up to this many pixels in height.
    hold: seconds that the last frame stays. Grey pictures are reduced to 16 levels, which keeps the file small.

    Raises ValueError without frames, or if there is not a caption for each.
    """
    if not frames or (captions is not None and len(captions) != len(frames)):
        raise ValueError(f"expected at least one frame and a caption for each, got {len(frames)} frames")
    chosen = evenly(len(frames), most)
    images = [_gif_frame(frames[i], captions[i] if captions else "", size) for i in chosen]
    each = min(250, max(60, 8000 // len(images)))  # milliseconds: about 8 seconds in all
    file = io.BytesIO()
    durations = [*[each] * (len(images) - 1), round(1000 * hold)]
    images[0].save(file, "GIF", save_all=True, append_images=images[1:], duration=durations, loop=0, optimize=False)
    with writing(path) as out:
        out.write(file.getvalue())


def evenly(n: int, most: int = 100) -> list[int]:
    """At most so many of the numbers 0 to n − 1, evenly spread, with the first and the last."""
    return sorted({round(i) for i in np.linspace(0, n - 1, most)}) if n else []


@contextmanager
def default_style() -> Iterator[None]:
    """Matplotlib's own colours and fonts, and not those of a matplotlibrc, which may ask for LaTeX, say."""
    _matplotlib()
    from matplotlib import style

    with style.context("default"):
        yield


def new_figure(size: tuple[float, float]) -> Figure:
    """An empty Matplotlib figure of so many inches, which needs no window and is known to nobody else."""
    _matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure  # not pyplot, whose figures are global

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


@default_style()
def plot_losses(
    path: Target, table: Mapping[str, NDArray[Any]], panels: Sequence[Panel], equilibrium: Mapping[str, float]
) -> None:
    """Draw a training as PNG: the panels of a game (`Game.panels`), one below the other, over the steps.

    table: columns of equal length, `step` and the metrics; may be empty. equilibrium: the values of metrics where
    nobody has anything left to learn, drawn as dashed lines. Light lines are single steps, dark ones their moving mean.
    """
    figure = new_figure((10, 2.5 + 2 * len(panels)))
    ratios = [3] + [2] * (len(panels) - 1)
    rows = figure.subplots(len(panels), 1, sharex=True, height_ratios=ratios, squeeze=False)[:, 0]
    for axes, panel, colours in zip(rows, panels, itertools.cycle(_COLOURS), strict=False):
        drawn = [name for i, name in enumerate(panel.lines) if i < _ALWAYS or np.any(table.get(name, 0))]
        places = list(panel.lines)
        lines = {name: (panel.lines[name], colours[places.index(name) % len(colours)]) for name in drawn}
        _curves(axes, table, equilibrium, lines)
        axes.set_ylabel(panel.ylabel)
        axes.set_title(panel.title, loc="left")
        if panel.limits is not None:
            axes.set_ylim(*panel.limits)
    rows[-1].set_xlabel("step")
    save_figure(path, figure)


_ALWAYS = 2  # lines of a panel that are drawn even where they are 0
_COLOURS = (
    ("tab:blue", "tab:orange", "tab:purple", "tab:cyan", "tab:olive"),
    ("tab:green", "tab:red", "tab:brown", "tab:pink"),
)


def save_figure(path: Target, figure: Figure) -> None:
    """Write a Matplotlib figure as PNG."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=130)
    with writing(path) as out:
        out.write(file.getvalue())


def _curves(
    axes: Axes, table: Mapping[str, NDArray[Any]], equilibrium: Mapping[str, float], lines: dict[str, tuple[str, str]]
) -> None:
    steps = table["step"]
    shown: list[float] = []  # values that should be in view: a few spikes must not flatten everything else
    for metric, (label, colour) in lines.items():
        values = np.asarray(table[metric], np.float64)
        if len(values):
            shown += np.quantile(values, (0.005, 0.995), method="nearest").tolist()
            axes.plot(steps, values, color=colour, alpha=0.25, linewidth=0.7, marker="o" if len(values) == 1 else None)
            axes.plot(steps, _moving_mean(values, len(values) // 100), color=colour, linewidth=2, label=label)
    levels: dict[float, list[str]] = {}
    for metric, (label, _) in lines.items():
        if metric in equilibrium:
            levels.setdefault(equilibrium[metric], []).append(label)
    for level, labels in levels.items():
        colour = next(c for label, c in lines.values() if label == labels[0]) if len(labels) == 1 else "0.35"
        name = f"{labels[0] if len(labels) == 1 else 'both'} at equilibrium:\n{_value(level)}"
        axes.axhline(level, color=colour, linestyle="--", linewidth=1.2, label=name)
        shown.append(level)
    if shown:
        low, high = min(shown), max(shown)
        margin = 0.08 * (high - low) or 0.1
        axes.set_ylim(low - margin, high + margin)
    if len(steps):
        axes.set_xlim(min(0, steps[0]), max(steps[-1], 1))
    axes.grid(color="0.9")
    axes.spines[["top", "right"]].set_visible(False)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)


def _moving_mean(values: NDArray[np.float64], reach: int) -> NDArray[np.float64]:
    """The mean over `reach` neighbours to either side, of fewer at the ends."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    first = np.maximum(np.arange(len(values)) - reach, 0)
    end = np.minimum(np.arange(len(values)) + reach + 1, len(values))
    return np.asarray((sums[end] - sums[first]) / (end - first))


def _value(level: float) -> str:
    exact = {math.log(4): "log 4", math.log(2): "log 2", -math.log(2): "−log 2", 0.5: "1/2"}.get(level)
    number = f"{level:.3f}".rstrip("0").replace("-", "−")
    return number if exact is None else exact if exact == "1/2" else f"{exact} = {number}"


def as_image(picture: Pixels) -> Image:
    """A picture (H, W[, C]) as Pillow's object. Raises ValueError for another shape."""
    from PIL import Image

    channels = 1 if picture.ndim == 2 else picture.shape[2] if picture.ndim == 3 else 0
    if channels not in _MODES:
        raise ValueError(f"expected a picture of shape (H, W) or (H, W, C) with 1 to 4 channels, got {picture.shape}")
    height, width = picture.shape[:2]
    return Image.frombytes(_MODES[channels], (width, height), np.ascontiguousarray(picture).tobytes())


def _gif_frame(frame: Pixels | StrPath, caption: str, size: int) -> Image:
    """One frame without transparency, enlarged, its caption below."""
    from PIL import Image, ImageDraw, ImageFont, features

    if isinstance(frame, np.ndarray):
        image = as_image(frame)
    else:
        with Image.open(frame) as file:
            image = file.copy()
    image = image.convert("L" if image.mode in ("1", "L", "LA") else "RGB")
    if image.mode == "L":
        image = image.point([(level >> 4) * 17 for level in range(256)])
    factor = max(1, size // image.height)
    image = image.resize((factor * image.width, factor * image.height), Image.Resampling.NEAREST)
    if not caption:
        return image
    below = Image.new(image.mode, (image.width, image.height + 22), 0 if image.mode == "L" else (0, 0, 0))
    below.paste(image, (0, 0))
    white = 255 if image.mode == "L" else (255, 255, 255)
    font = ImageFont.load_default(14 if features.check("freetype2") else None)  # the only one without it has one size
    ImageDraw.Draw(below).text((6, image.height), caption, fill=white, font=font)
    return below
