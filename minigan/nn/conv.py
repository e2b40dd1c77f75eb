"""Convolutions, and their adjoints ("transposed" convolutions), on images with the channels last.

    Conv2D             x (N, H, W, C)     y (N, oh, ow, O)    oh = ⌊(H + 2p − k)/s⌋ + 1
    ConvTranspose2D    x (N, oh, ow, O)   y (N, H, W, C)      H = (oh − 1) s − 2p + k + p_out

with kernel k, stride s and padding p along the height, and those of the width for W and ow. A window of k × k pixels
stands on the image, surrounded by zeros, at the places (y, z); its pixel (i, j) is

    h = s y + i − p,   v = s z + j − p

    A(x; W)_nyzo = Σ_ijc W_oijc x_nhvc

Of L with g = dL/dA, each product W_oijc x_nhvc hands g_nyzo on to both of its factors:

    dL/dx_nhvc = Σ_o Σ_(y,i)→h Σ_(z,j)→v g_nyzo W_oijc          →   A*(g; W), `conv_inputs`
    dL/dW_oijc = Σ_nyz g_nyzo x_nhvc                            →   B(g, x), `conv_weights`

The transposed convolution *is* A*: it paints a window, weighed by W, for each of its inputs. Its adjoint in x is A,
and in W, since ⟨g, A*(x; W)⟩ = ⟨A(g; W), x⟩, it is B(x, g): the same three operations with exchanged parts.

With the windows as rows of a matrix (N oh ow, k k C) these are three matrix products with W (O, k k C), which is why
weights live as (O, kh, kw, C) here; `state_dict` has them as PyTorch, (O, C, kh, kw), which for the transposed layer
is (in, out, kh, kw). Bias, activation and penalties: windows.py. Checked by tests/test_conv.py.
"""

from __future__ import annotations

from typing import Any

from ..backend import Backend
from .init import Initializer
from .weights import WeightFunction
from .windows import Pair, Windows, pair

Array = Any

AS_TORCH = 0, 3, 1, 2  # (O, kh, kw, C) as (O, C, kh, kw)


class Conv2D(Windows):
    """A convolution (cross-correlation) of images (N, H, W, c_in) to (N, oh, ow, c_out).

    oh = ⌊(H + 2 padding − kernel)/stride⌋ + 1, and ow likewise: stride 2 with kernel 4 and padding 1 halves a picture.
    kernel, stride, padding: a number, or a pair (height, width). bias, init, norm: as of Dense.
    Parameters `weight` (c_out, c_in, kh, kw), or those of `norm`, and `bias` (c_out,), as of `torch.nn.Conv2d`.
    Raises ValueError for sizes that are no positive integers, for a batch of another shape, and for images that are
    smaller than the kernel; TypeError for another norm.

    >>> import minigan, numpy as np
    >>> net = minigan.Sequential(minigan.Conv2D(1, 64, 4, stride=2, padding=1), seed=0)
    >>> y, back = net(np.ones((5, 28, 28, 1), "float32"))
    >>> y.shape, net.state_dict()["0.weight"].shape
    ((5, 14, 14, 64), (64, 1, 4, 4))
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        kernel: int | Pair,
        stride: int | Pair = 1,
        padding: int | Pair = 0,
        bias: bool = True,
        init: str | Initializer = "glorot",
        norm: WeightFunction | None = None,
    ) -> None:
        self._windows(c_in, c_out, kernel, stride, padding)
        self.bias = bias
        self.init = init
        self.norm = norm
        self._register((self.c_out, *self._kernel, self.c_in), self.c_out, bias, init, norm, AS_TORCH)

    def _shape(self, x: Array) -> tuple[int, ...]:
        _require_images(x, self.c_in)
        sides = zip(x.shape[1:3], self._kernel, self._stride, self._padding, strict=True)
        oh, ow = ((size + 2 * p - k) // s + 1 for size, k, s, p in sides)
        if oh < 1 or ow < 1:
            raise ValueError(
                f"a kernel of {_by(self._kernel)} needs images of at least that size, got {_by(x.shape[1:3])} "
                f"with padding {_by(self._padding)}"
            )
        return len(x), oh, ow, self.c_out

    def _apply(self, be: Backend, x: Array, W: Array, out: Array) -> None:
        be.conv(x, W, out, self._stride, self._padding)

    def _to_inputs(self, be: Backend, g: Array, W: Array, out: Array) -> None:
        be.conv_inputs(g, W, out, self._stride, self._padding)

    def _to_weights(self, be: Backend, g: Array, x: Array, out: Array, add: bool) -> None:
        be.conv_weights(g, x, out, self._stride, self._padding, add)


class ConvTranspose2D(Windows):
    """The adjoint of a convolution: images (N, h, w, c_in) to larger ones, (N, H, W, c_out).

    H = (h − 1) stride − 2 padding + kernel + output_padding, and W likewise: stride 2 with kernel 4 and padding 1
    doubles a picture. kernel, stride, padding, output_padding: a number, or a pair (height, width). output_padding
    adds rows and columns at one end, less than the stride. bias, init: as of Dense.
    Parameters `weight` (c_in, c_out, kh, kw) and `bias` (c_out,), as of `torch.nn.ConvTranspose2d`; initialisers see
    the convolution whose adjoint it is, as in PyTorch: fan_in = c_out · kh · kw.
    Raises ValueError for sizes that are no positive integers or an output_padding that is too large, for a batch of
    another shape, and where no pixel would be left.

    >>> import minigan, numpy as np
    >>> net = minigan.Sequential(minigan.ConvTranspose2D(128, 64, 4, stride=2, padding=1), seed=0)
    >>> y, back = net(np.ones((5, 7, 7, 128), "float32"))
    >>> y.shape, net.state_dict()["0.weight"].shape
    ((5, 14, 14, 64), (128, 64, 4, 4))
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        kernel: int | Pair,
        stride: int | Pair = 1,
        padding: int | Pair = 0,
        output_padding: int | Pair = 0,
        bias: bool = True,
        init: str | Initializer = "glorot",
    ) -> None:
        self._windows(c_in, c_out, kernel, stride, padding)
        self.output_padding, self._output_padding = pair("output_padding", output_padding, least=0)
        if any(p >= s for p, s in zip(self._output_padding, self._stride, strict=True)):
            raise ValueError(f"output_padding must be less than the stride, {stride}, got {output_padding}")
        self.bias = bias
        self.init = init
        self._register((self.c_in, *self._kernel, self.c_out), self.c_out, bias, init, None, AS_TORCH)

    def _shape(self, x: Array) -> tuple[int, ...]:
        _require_images(x, self.c_in)
        sides = zip(x.shape[1:3], self._kernel, self._stride, self._padding, self._output_padding, strict=True)
        height, width = ((size - 1) * s - 2 * p + k + extra for size, k, s, p, extra in sides)
        if height < 1 or width < 1:
            raise ValueError(f"images of {_by(x.shape[1:3])} would become {_by((height, width))}: the padding is more")
        return len(x), height, width, self.c_out

    def _apply(self, be: Backend, x: Array, W: Array, out: Array) -> None:
        be.conv_inputs(x, W, out, self._stride, self._padding)

    def _to_inputs(self, be: Backend, g: Array, W: Array, out: Array) -> None:
        be.conv(g, W, out, self._stride, self._padding)

    def _to_weights(self, be: Backend, g: Array, x: Array, out: Array, add: bool) -> None:
        be.conv_weights(x, g, out, self._stride, self._padding, add)

    def _to_both(self, be: Backend, g: Array, x: Array, W: Array, dw: Array, add: bool, dx: Array) -> None:
        be.conv_and_weights(g, W, dx, x, dw, self._stride, self._padding, add)


def _require_images(x: Array, channels: int) -> None:
    if x.ndim != 4 or x.shape[3] != channels:
        raise ValueError(
            f"expected images of shape (N, height, width, {channels}), channels last, got {tuple(x.shape)}"
        )


def _by(sizes: Any) -> str:
    return " x ".join(map(str, sizes))
