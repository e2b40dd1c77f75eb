"""Images of another size, with the channels last: larger by repetition or interpolation, smaller by averages.

    Upsample     y = S_h x S_wᵀ        x (N, H, W, C)   y (N, fH, fW, C)        for each sample and channel
    AvgPool2D    y = S_hᵀ x S_w/k²     x (N, kH, kW, C)   y (N, H, W, C)        with the S of "nearest"

S_h (fH, H) spreads each row over f rows, "nearest" by repeating it. "bilinear" takes rows as samples at their middles:
that of row f i + r lies (r + ½)/f − ½ rows from that of row i, and there is interpolated between i and its neighbour
on that side, or i itself at the edge (PyTorch's align_corners=False). S is the same in each of the f phases r but for
the weights, so it is applied phase by phase, by sums of shifted arrays. Both layers are linear, so that the transposed
maps are their gradients, and they are their own tangents:

    dx = S_hᵀ g S_w,   and of the average   S_h g S_wᵀ/k²

Checked by tests/test_conv.py.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from ..names import not_one_of
from ..spec import integer
from .layer import Back, Layer, Pass, linear

Array = Any
Taps = list[list[tuple[int, float]]]  # for each phase: (which neighbour, how much of it), the row itself (0) first

# where a row has its neighbour: (rows, those that they take from), the edge apart
_NEIGHBOURS = {
    -1: ((slice(1, None), slice(None, -1)), (slice(None, 1), slice(None, 1))),
    1: ((slice(None, -1), slice(1, None)), (slice(-1, None), slice(-1, None))),
}


class Upsample(Layer):
    """Images (N, H, W, C) as (N, factor · H, factor · W, C).

    mode: "nearest" (default) repeats pixels; "bilinear" interpolates, as `torch.nn.Upsample` with align_corners=False.
    Raises ValueError for a factor that is no positive integer, another mode, or a batch that is no images.

    >>> import minigan, numpy as np
    >>> x = np.array([1.0, 3.0]).reshape(1, 1, 2, 1)
    >>> [minigan.Sequential(minigan.Upsample(2, mode))(x)[0][0, 0, :, 0].tolist() for mode in ("nearest", "bilinear")]
    [[1.0, 1.0, 3.0, 3.0], [1.0, 1.5, 2.5, 3.0]]
    """

    def __init__(self, factor: int, mode: str = "nearest") -> None:
        self.factor = integer("factor", factor)
        if mode not in ("nearest", "bilinear"):
            raise ValueError(not_one_of("mode", mode, ("nearest", "bilinear")))
        self.mode = mode

    @cached_property
    def _taps(self) -> Taps:  # made when they are needed: whoever only asks for shapes need not wait for them
        return _nearest(self.factor) if self.mode == "nearest" else _bilinear(self.factor)

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        _require_images(shape)
        return shape[0], self.factor * shape[1], self.factor * shape[2], shape[3]

    def forward(self, x: Array, run: Pass) -> tuple[Array, Back]:
        _require_images(x.shape)

        def back(dy: Array, params: bool, inputs: bool) -> Array | None:
            return _smaller(dy, self._taps, run) if inputs else None

        return _larger(x, self._taps, run), back

    def twice(self, x: Array, run: Pass) -> tuple[Array, Back]:
        y, _ = self.forward(x, run)
        return linear(y, lambda dy: _smaller(dy, self._taps, run), lambda xdot: _larger(xdot, self._taps, run))


class AvgPool2D(Layer):
    """Images (N, H, W, C) as (N, H/kernel, W/kernel, C): the means of squares of kernel × kernel pixels.

    Raises ValueError for a kernel that is no positive integer, and for images that cannot be divided into such squares.

    >>> import minigan, numpy as np
    >>> minigan.Sequential(minigan.AvgPool2D(2))(np.arange(8.0).reshape(1, 2, 4, 1))[0].ravel().tolist()
    [2.5, 4.5]
    """

    def __init__(self, kernel: int) -> None:
        self.kernel = integer("kernel", kernel)

    @cached_property
    def _taps(self) -> Taps:
        return _nearest(self.kernel, 1 / self.kernel)

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        _require_images(shape)
        if any(size % self.kernel for size in shape[1:3]):
            raise ValueError(
                f"height and width must be multiples of {self.kernel}, got {shape[1]} x {shape[2]}: "
                "choose another kernel, or images of another size"
            )
        return shape[0], shape[1] // self.kernel, shape[2] // self.kernel, shape[3]

    def forward(self, x: Array, run: Pass) -> tuple[Array, Back]:
        self.output_shape(x.shape)

        def back(dy: Array, params: bool, inputs: bool) -> Array | None:
            return _larger(dy, self._taps, run) if inputs else None

        return _smaller(x, self._taps, run), back

    def twice(self, x: Array, run: Pass) -> tuple[Array, Back]:
        y, _ = self.forward(x, run)
        return linear(y, lambda dy: _larger(dy, self._taps, run), lambda xdot: _smaller(xdot, self._taps, run))


def _nearest(factor: int, weight: float = 1.0) -> Taps:
    return [[(0, weight)]] * factor


def _bilinear(factor: int) -> Taps:
    shifts = [(r + 0.5) / factor - 0.5 for r in range(factor)]
    return [[(0, 1 - abs(d)), *([(-1 if d < 0 else 1, abs(d))] if d else [])] for d in shifts]


def _larger(x: Array, taps: Taps, run: Pass) -> Array:
    """S_h x S_wᵀ."""
    return _spread(_spread(x, 2, taps, run), 1, taps, run)


def _smaller(y: Array, taps: Taps, run: Pass) -> Array:
    """S_hᵀ y S_w."""
    return _collect(_collect(y, 1, taps, run), 2, taps, run)


def _spread(x: Array, axis: int, taps: Taps, run: Pass) -> Array:
    """S x along an axis."""
    xp, shape = run.backend.xp, list(x.shape)
    shape[axis] *= len(taps)
    out, part = run.empty(tuple(shape)), None
    for phase, ((_, own), *others) in zip(_phases(out, axis, len(taps)), taps, strict=True):
        xp.multiply(x, own, out=phase)
        for shift, weight in others:
            part = run.empty(x.shape) if part is None else part
            xp.multiply(x, weight, out=part)
            for rows, sources in _NEIGHBOURS[shift]:
                target = _at(phase, axis, rows)
                xp.add(target, _at(part, axis, sources), out=target)
    return out


def _collect(y: Array, axis: int, taps: Taps, run: Pass) -> Array:
    """Sᵀ y along an axis."""
    xp, shape = run.backend.xp, list(y.shape)
    shape[axis] //= len(taps)
    out, part = run.empty(tuple(shape)), run.empty(tuple(shape))
    for r, (phase, ((_, own), *others)) in enumerate(zip(_phases(y, axis, len(taps)), taps, strict=True)):
        if r == 0:
            xp.multiply(phase, own, out=out)
        else:
            xp.multiply(phase, own, out=part)
            xp.add(out, part, out=out)
        for shift, weight in others:
            xp.multiply(phase, weight, out=part)
            for rows, sources in _NEIGHBOURS[shift]:
                target = _at(out, axis, sources)
                xp.add(target, _at(part, axis, rows), out=target)
    return out


def _phases(a: Array, axis: int, factor: int) -> list[Array]:
    """Views: rows r, r + factor, r + 2 factor, ... for each r."""
    return [_at(a, axis, slice(r, None, factor)) for r in range(factor)]


def _at(a: Array, axis: int, rows: slice) -> Array:
    return a[(*[slice(None)] * axis, rows)]


def _require_images(shape: tuple[int, ...]) -> None:
    if len(shape) != 4:
        raise ValueError(f"expected images of shape (N, height, width, channels), got {tuple(shape)}")
