"""Convolutions on the CPU: windows as rows of a matrix, a few samples at a time.

    conv            out  = P(x) Wᵀ          P(x): each window of x as a row, (n·oh·ow, kh·kw·C)     W (O, kh·kw·C)
    conv_inputs     out  = P*(g W)          P*: each row added to where its window stands
    conv_weights    dW   = gᵀ P(x)

P(x) is k²/s² times as large as x. Made for the whole batch, it would go to memory and come back; of a few samples it
stays in the cache until the product has read it. The threads of the team share the batch, each with its own samples.

Adding rows to where windows stand is slow without a compiler: nothing in NumPy adds many short pieces quickly. So
`conv_inputs` goes the other way round (phases.py): the rows are windows of g, and each makes s × s pixels of the
image, to which nothing is added. Images of one to three channels have a way of their own (cpu_planes.py).

With stride 1 a convolution is an adjoint as well, of the window turned by half a circle:

    P(x) Wᵀ = P*(x W′),   P*(g W) = P(g) W′ᵀ       W′_(c,i,j,o) = W_(o,k−1−i,k−1−j,c),   padding k − 1 − p

and dW′ = xᵀ P(g). So windows can be made of x or of g, and are made of what has fewer channels.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .cpu import write
from .cpu_planes import PlanesOnCpu, blocks
from .phases import phases_of
from .reference import Pair, inside

Array = Any


class ConvOnCpu(PlanesOnCpu):
    """What a CPU backend does for convolutions; `_patches` and `_add_windows` may be done better."""

    def conv(self, x: Array, w: Array, out: Array, stride: Pair, padding: Pair) -> None:
        if self._as_planes(w):
            return self._conv_planes(x, w, out, stride, padding)
        if _turns(w, stride, padding) and len(w) <= 3:
            return self._add_planes(x, self._turned(w), out, stride, _other(w, padding))
        W = w.reshape(len(w), -1).T

        def part(samples: slice) -> None:
            for block in blocks(samples, w, out):
                patches = self._windows(x[block], w, out[block], stride, padding)
                np.matmul(patches, W, out=out[block].reshape(-1, len(w)))

        return self._share(part, self._samples(w, out))

    def conv_inputs(self, g: Array, w: Array, out: Array, stride: Pair, padding: Pair) -> None:
        if self._into_planes(w):
            self._add_planes(g, w, out, stride, padding)
        elif _turns(w, stride, padding):
            self.conv(g, self._turned(w), out, stride, _other(w, padding))
        else:
            self._add_windows(g, w, out, stride, padding)

    def conv_weights(
        self, g: Array, x: Array, out: Array, stride: Pair, padding: Pair, accumulate: bool = False
    ) -> None:
        if _turns(out, stride, padding):
            turned = self._temporary("turned", (out.shape[3], *out.shape[1:3], len(out)), out.dtype)
            self.conv_weights(x, g, turned, stride, _other(out, padding))
            found = turned[:, ::-1, ::-1].transpose(3, 1, 2, 0)
            write(out, found, accumulate)
        elif self._as_planes(out):
            self._weights_of_planes(g, x, out, stride, padding, accumulate)
        else:
            self._weights_of_windows(g, x, out, stride, padding, accumulate)

    def conv_and_weights(
        self, x: Array, w: Array, out: Array, g: Array, dw: Array, stride: Pair, padding: Pair, accumulate: bool
    ) -> None:
        if self._as_planes(w) or _turns(w, stride, padding):
            super().conv_and_weights(x, w, out, g, dw, stride, padding, accumulate)
        else:
            self._weights_of_windows(g, x, dw, stride, padding, accumulate, w, out)

    def _weights_of_windows(
        self,
        g: Array,
        x: Array,
        dw: Array,
        stride: Pair,
        padding: Pair,
        accumulate: bool,
        w: Array | None = None,
        out: Array | None = None,
    ) -> None:
        """dw = gᵀ P(x), or added to it; while the windows are at hand, out = P(x) Wᵀ as well, if there is a w."""
        W = dw.reshape(len(dw), -1)

        def factors(block: slice) -> tuple[Array, Array]:
            patches = self._windows(x[block], dw, g[block], stride, padding)
            if w is not None and out is not None:
                np.matmul(patches, w.reshape(len(w), -1).T, out=out[block].reshape(-1, len(w)))
            return g[block].reshape(-1, len(W)).T, patches

        for i, product in enumerate(self._products(g, dw, W.shape, factors)):
            write(W, product, accumulate or i > 0)

    def _add_windows(self, g: Array, w: Array, out: Array, stride: Pair, padding: Pair) -> None:
        """conv_inputs, for images of many channels: windows of g times weights make the phases of the image."""
        phases, (o, *_, c) = phases_of(w.shape[1:3], g.shape[1:3], stride, padding), w.shape
        turned = phases.weights(w, self._temporary)[:, ::-1, :, ::-1].transpose(1, 3, 0, 2, 4, 5)
        W = self._temporary("weights", turned.shape, w.dtype)
        np.copyto(W, turned)
        pixels, taps = phases.size, phases.taps
        margin = taps[0] - 1, taps[1] - 1

        def part(samples: slice) -> None:
            for block in blocks(samples, w, g):
                n = block.stop - block.start
                patches = self._temporary("patches", (n, *pixels, *taps, o), g.dtype)
                self._patches(g[block], patches, (1, 1), margin)
                made = self._temporary("phases", (n, *pixels, *stride, c), g.dtype)
                rows = n * pixels[0] * pixels[1]
                np.matmul(patches.reshape(rows, -1), W.reshape(-1, made[0, 0, 0].size), out=made.reshape(rows, -1))
                phases.lay_out(made, out[block])

        self._share(part, self._samples(w, g))

    def _turned(self, w: Array) -> Array:
        """W′ (C, kh, kw, O), the weights of the adjoint as those of a convolution of stride 1."""
        turned = self._temporary("turned", (w.shape[3], *w.shape[1:3], len(w)), w.dtype)
        np.copyto(turned, w[:, ::-1, ::-1].transpose(3, 1, 2, 0))
        return turned

    # --- windows -----------------------------------------------------------------------------------------------

    def _windows(self, x: Array, w: Array, out: Array, stride: Pair, padding: Pair) -> Array:
        """P(x), the windows of images x that make `out`."""
        patches = self._temporary("patches", (*out.shape[:3], *w.shape[1:]), x.dtype)
        self._patches(x, patches, stride, padding)
        return patches.reshape(math.prod(out.shape[:3]), -1)

    def _patches(self, x: Array, patches: Array, stride: Pair, padding: Pair) -> None:
        """patches (n, oh, ow, kh, kw, C) = the windows of the images x."""
        n, height, width, channels = x.shape
        size = n, height + 2 * padding[0], width + 2 * padding[1], channels
        framed = self._temporary("framed", size, x.dtype)
        framed.fill(0)
        np.copyto(inside(framed, x, padding), x)
        sample, down, right, channel = framed.strides
        strides = sample, down * stride[0], right * stride[1], down, right, channel
        np.copyto(patches, np.lib.stride_tricks.as_strided(framed, patches.shape, strides))


def _turns(w: Array, stride: Pair, padding: Pair) -> bool:
    """Whether windows are better made of what comes out: they can be, and are fewer numbers."""
    return stride == (1, 1) and len(w) < w.shape[3] and all(p < k for p, k in zip(padding, w.shape[1:3], strict=True))


def _other(w: Array, padding: Pair) -> Pair:
    """The padding of the turned one."""
    return w.shape[1] - 1 - padding[0], w.shape[2] - 1 - padding[1]
