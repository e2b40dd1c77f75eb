"""What a notebook shows: a bar that is updated in place, and a GAN with samples of it.

Jupyter's own display is all it takes, no widgets; and nothing here is needed for a GAN to be shown as text.
"""

from __future__ import annotations

import base64
import io
import math
import sys
import time
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from ..datasets import to_uint8
from . import pictures

if TYPE_CHECKING:
    from ..gan import GAN

__all__ = ["Bar", "in_notebook", "shown"]

_SAMPLES = 16
_HEIGHT = 256  # pixels, about, of the picture of the samples


def in_notebook() -> bool:
    """Whether what is displayed now goes to a notebook."""
    ipython = sys.modules.get("IPython")  # which is there already, if this is one
    shell = None if ipython is None else ipython.get_ipython()
    return getattr(shell, "kernel", None) is not None


class Bar:
    """A bar of tqdm's kind, in one display that is updated: how far it is, and below it what was written."""

    def __init__(self, total: int, initial: int) -> None:
        from IPython.display import display

        self.total, self.n, self._initial = total, initial, initial
        self.postfix = [""]
        self._written: list[str] = []
        self._began = time.perf_counter()
        self._display = display(self, display_id=True)  # type: ignore[no-untyped-call]

    def update(self, steps: int) -> None:
        """So many more are done."""
        self.n += steps
        self._display.update(self)

    def write(self, text: str, file: Any = None) -> None:
        """A line of its own, which stays."""
        self._written.append(text)
        self._display.update(self)

    def close(self) -> None:
        """Show how it ended."""
        self._display.update(self)

    def _line(self) -> str:
        seconds = time.perf_counter() - self._began
        left = seconds / max(1, self.n - self._initial) * (self.total - self.n)
        when = f"{left:.0f} s left" if self.n < self.total else f"{seconds:.0f} s"
        return f"step {self.n}/{self.total}  {when}  {self.postfix[0]}".rstrip()

    def __repr__(self) -> str:
        return "\n".join([self._line(), *self._written])

    def _repr_html_(self) -> str:
        lines = "".join(f"<div>{escape(line)}</div>" for line in self._written)
        bar = f'<progress value="{self.n - self._initial}" max="{max(1, self.total - self._initial)}"></progress>'
        return f'<div style="font-family: monospace">{bar} {escape(self._line())}{lines}</div>'


def shown(gan: GAN) -> str:
    """A GAN as HTML: what it is, and sixteen samples if they are images and Pillow is there to draw them."""
    text, shape = f"<pre>{escape(repr(gan))}</pre>", _image_shape(getattr(gan, "sample_shape", ()))
    if shape is None:
        return text
    samples = gan.show(_SAMPLES)
    if not np.isfinite(samples).all():
        return f"{text}<p>its samples are not finite</p>"
    try:
        from PIL import Image
    except ImportError:
        return text
    picture, file = pictures.grid(to_uint8(samples).reshape(_SAMPLES, *shape)), io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    factor = max(1, _HEIGHT // picture.shape[0])
    data, width = base64.b64encode(file.getvalue()).decode(), factor * picture.shape[1]
    style = "image-rendering: pixelated"
    return f'{text}<img alt="{_SAMPLES} samples" width="{width}" style="{style}" src="data:image/png;base64,{data}">'


def _image_shape(shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """The shape of a sample as an image; None if it is none. Flat samples are squares, if they can be."""
    side = math.isqrt(shape[0]) if len(shape) == 1 else 0
    if side >= 4 and side * side == shape[0]:
        return side, side
    if len(shape) == 3 and shape[2] == 1:
        return shape[:2]
    return shape if len(shape) == 2 or (len(shape) == 3 and shape[2] <= 4) else None
