"""Convolutions on the CPU: windows as rows of a matrix, a few samples at a time.

    conv            out  = P(x) Wᵀ          P(x): each window of x as a row, (n·oh·ow, kh·kw·C)     W (O, kh·kw·C)
    conv_inputs     out  = P*(g W)          P*: each row added to where its window stands
    conv_weights    dW   = gᵀ P(x)

P(x) is k²/s² times as large as x. Made for the whole batch, it would go to memory and come back; of a few samples it
stays in the cache until the product has read it. The threads of the team share the batch, each with its own samples.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from .cpu import CpuBackend
from .reference import Pair, inside, offsets
from .threads import cut

Array = Any

PATCHES = 1 << 19  # numbers in the windows of the samples that are taken together


class ConvOnCpu(CpuBackend):
    """What a CPU backend does for convolutions; `_patches` and `_fold` may be done better."""

    def conv(self, x: Array, w: Array, out: Array, stride: Pair, padding: Pair) -> None:
        W = w.reshape(len(w), -1).T

        def part(samples: slice) -> None:
            for block in _blocks(samples, w, out):
                patches = self._temporary("patches", _patches_shape(w, out[block]), x.dtype)
                self._patches(x[block], patches, stride, padding)
                np.matmul(_matrix(patches), W, out=out[block].reshape(-1, len(w)))

        self._share(part, self._samples(w, out))

    def conv_inputs(self, g: Array, w: Array, out: Array, stride: Pair, padding: Pair) -> None:
        W = w.reshape(len(w), -1)

        def part(samples: slice) -> None:
            for block in _blocks(samples, w, g):
                patches = self._temporary("patches", _patches_shape(w, g[block]), g.dtype)
                np.matmul(g[block].reshape(-1, len(w)), W, out=_matrix(patches))
                self._fold(patches, out[block], stride, padding)

        self._share(part, self._samples(w, g))

    def conv_weights(
        self, g: Array, x: Array, out: Array, stride: Pair, padding: Pair, accumulate: bool = False
    ) -> None:
        parts, W = self._samples(out, g), out.reshape(len(out), -1)
        sums = self._temporary("sums", (len(parts), *W.shape), out.dtype)

        def part(i: int) -> None:
            for block in _blocks(parts[i], out, g):
                patches = self._temporary("patches", _patches_shape(out, g[block]), x.dtype)
                self._patches(x[block], patches, stride, padding)
                first = block.start == parts[i].start
                product = sums[i] if first else self._temporary("gemm", W.shape, W.dtype)
                np.matmul(g[block].reshape(-1, len(W)).T, _matrix(patches), out=product)
                if not first:
                    np.add(sums[i], product, out=sums[i])

        self._share(part, range(len(parts)))
        for i in range(len(parts)):
            np.add(W, sums[i], out=W) if accumulate or i else np.copyto(W, sums[i])

    def _samples(self, w: Array, out: Array) -> list[slice]:
        """The batch, a part for each thread that is worth waking."""
        flops = 2.0 * out.size * w[0].size
        return cut(len(out), min(self.threads, int(flops / self.PRODUCT)))

    # --- windows -----------------------------------------------------------------------------------------------

    def _patches(self, x: Array, patches: Array, stride: Pair, padding: Pair) -> None:
        """patches (n, oh, ow, kh, kw, C) = the windows of the images x."""
        framed = self._framed(x.shape, padding, x.dtype)
        np.copyto(inside(framed, x, padding), x)
        sample, down, right, channel = framed.strides
        strides = sample, down * stride[0], right * stride[1], down, right, channel
        np.copyto(patches, np.lib.stride_tricks.as_strided(framed, patches.shape, strides))

    def _fold(self, patches: Array, out: Array, stride: Pair, padding: Pair) -> None:
        """The images `out`, each pixel the sum of what the windows have at its place."""
        framed = self._framed(out.shape, padding, out.dtype)
        for i, j, seen in offsets(patches.shape[3:5], patches.shape[1:3], stride):
            np.add(framed[seen], patches[:, :, :, i, j], out=framed[seen])
        np.copyto(out, inside(framed, out, padding))

    def _framed(self, shape: tuple[int, ...], padding: Pair, dtype: Any) -> Array:
        """Images of zeros, with room for the padding."""
        n, height, width, channels = shape
        framed = self._temporary("framed", (n, height + 2 * padding[0], width + 2 * padding[1], channels), dtype)
        framed.fill(0)
        return framed


def _blocks(samples: slice, w: Array, out: Array) -> Iterator[slice]:
    """A few samples at a time."""
    count = max(1, PATCHES // (out[0, ..., 0].size * w[0].size))
    for i in range(samples.start, samples.stop, count):
        yield slice(i, min(i + count, samples.stop))


def _patches_shape(w: Array, out: Array) -> tuple[int, ...]:
    return (*out.shape[:3], *w.shape[1:])


def _matrix(patches: Array) -> Array:
    return patches.reshape(math.prod(patches.shape[:3]), -1)
