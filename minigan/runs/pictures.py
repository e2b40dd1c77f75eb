"""Pictures of a run: grids of samples, the animation of a training, and the curves of its losses.

Pillow writes the images and Matplotlib draws the curves; both come with the extra `cli` and are imported only where
there will be pictures. Every file appears whole or not at all. No window has a part in this, and no style: a picture is
the same whatever MPLBACKEND or a matplotlibrc say.
"""

from __future__ import annotations

import importlib
import io
import math
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..archive import StrPath, write_atomically
from ..extras import how_to_install
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
]

Pixels = NDArray[np.uint8]
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}  # Pillow's name for so many channels
FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}  # of pictures, by the end of their names
_LONGEST = {"JPEG": 65_535, "WEBP": 16_383}  # side, in pixels
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


def save_png(path: StrPath, picture: Pixels) -> None:
    """Write a picture (H, W) or (H, W, C) of 1 to 4 channels as PNG, losslessly.

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


def _save(path: StrPath, picture: Pixels, form: str) -> None:
    data = encoded(os.fspath(path), picture, form)
    with write_atomically(path) as out:
        out.write(data)


def encoded(name: str, picture: Pixels, form: str) -> bytes:
    """The bytes of a file, complete before it is opened: Pillow's own writing hides why a disk refused."""
    image = as_image(picture)
    if max(image.size) > _LONGEST.get(form, max(image.size)):
        raise ValueError(f"{name} would be {image.width}x{image.height}, too large for {form}; write a .png")
    if form == "JPEG" and image.mode in ("LA", "RGBA"):
        raise ValueError(f"{name} cannot be transparent, as these images are: JPEG has no alpha; write a .png or .webp")
    file = io.BytesIO()
    image.save(file, form, **_AS[form])
    return file.getvalue()


def save_gif(
    path: StrPath,
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
    chosen = sorted({round(i) for i in np.linspace(0, len(frames) - 1, most)})
    images = [_gif_frame(frames[i], captions[i] if captions else "", size) for i in chosen]
    each = min(250, max(60, 8000 // len(images)))  # milliseconds: about 8 seconds in all
    file = io.BytesIO()
    durations = [*[each] * (len(images) - 1), round(1000 * hold)]
    images[0].save(file, "GIF", save_all=True, append_images=images[1:], duration=durations, loop=0, optimize=False)
    with write_atomically(path) as out:
        out.write(file.getvalue())


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
    path: StrPath, table: Mapping[str, NDArray[Any]], equilibrium: Mapping[str, float], scores: bool = False
) -> None:
    """Draw a training as PNG: D's and G's loss over the steps, below them D(x) and D(G(z)).

    table: columns of equal length, `step` and the metrics `d_loss`, `g_loss`, `d_real`, `d_fake` and, if there are
    penalties or codes, `d_penalty`, `d_codes`, `g_codes`; may be empty. equilibrium: the values of metrics where the
    fakes have the distribution of the data, drawn as dashed lines. scores: what D says is not limited to [0, 1].
    Light lines are single steps, dark ones their moving mean.
    """
    figure = new_figure((10, 6.5))
    losses, outputs = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    lines = {"d_loss": ("D", "tab:blue"), "g_loss": ("G", "tab:orange")}
    more = {"d_penalty": ("D's penalty", "tab:purple"), "d_codes": ("D on codes", "tab:cyan"),
            "g_codes": ("G on codes", "tab:olive")}  # fmt: skip
    lines |= {name: line for name, line in more.items() if np.any(table.get(name, 0))}
    _curves(losses, table, equilibrium, lines)
    losses.set_ylabel("loss")
    losses.set_title("Losses of the discriminator D and the generator G", loc="left")
    _curves(outputs, table, equilibrium, {"d_real": ("D(x)", "tab:green"), "d_fake": ("D(G(z))", "tab:red")})
    outputs.set_ylabel("D's mean output")
    if not scores:
        outputs.set_ylim(0, 1)
    outputs.set_title("What D makes of real images, D(x), and of generated ones, D(G(z))", loc="left")
    outputs.set_xlabel("step")
    save_figure(path, figure)


def save_figure(path: StrPath, figure: Figure) -> None:
    """Write a Matplotlib figure as PNG."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=130)
    with write_atomically(path) as out:
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
