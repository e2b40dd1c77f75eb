"""Convolutions of images with few channels on the CPU: whole planes of a batch instead of windows.

A window of one channel has lines of k numbers, and NumPy pays for each line as for a hundred numbers. Between phases
(phases.py) a tap is a shift: if phase pixels are counted in one row over the whole batch, r = (n Y + y) X + x, what tap
(t, u) sees from place r is pixel r + t X + u. So windows are copies of whole rows, as many as there are taps:

    P_(t,u),r = x̃_{r + tX + u}        x̃ (s² C, M): the phases of the images, M = n Y X       P (T² s² C, M)

    conv            out  = Pᵀ W           at the places y < oh, x < ow of each image; the others are not used
    conv_weights    dW   = P g            with zeros in g at those other places
    conv_inputs     x̃   = Σ_(t,u) (W g)_(t,u) shifted by t X + u

with W (T² s² C, O) throughout. Which way is quicker depends on the sizes; see `_as_planes`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .cpu import CpuBackend, write
from .phases import Phases, phases_of
from .reference import Pair
from .threads import cut

Array = Any

PATCHES = 1 << 19  # numbers in the windows of the samples that are taken together


class PlanesOnCpu(CpuBackend):
    """The three operations for images of few channels, and who computes which samples."""

    def _as_planes(self, w: Array) -> bool:
        """Whether `conv` and `conv_weights` go this way: products of few columns, which BLAS is slow with anyway."""
        return bool(w.shape[3] == 1 and len(w) <= 32)

    def _into_planes(self, w: Array) -> bool:
        """Whether `conv_inputs` does."""
        return bool(w.shape[3] <= 3)

    def _conv_planes(self, x: Array, w: Array, out: Array, stride: Pair, padding: Pair) -> None:
        phases = phases_of(w.shape[1:3], out.shape[1:3], stride, padding)
        W, (oh, ow) = self._matrix(w, phases), phases.places

        def part(samples: slice) -> None:
            for block in blocks(samples, w, out):
                P = self._shifted(x[block], phases)
                full = self._temporary("framed", (P.shape[1], len(w)), out.dtype)
                np.matmul(P.T, W, out=full)
                np.copyto(out[block], full.reshape(-1, *phases.size, len(w))[:, :oh, :ow])

        self._share(part, self._samples(w, out))

    def _add_planes(self, g: Array, w: Array, out: Array, stride: Pair, padding: Pair) -> None:
        phases, c = phases_of(w.shape[1:3], g.shape[1:3], stride, padding), w.shape[3]
        W, shifts = self._matrix(w, phases), phases.shifts

        def part(samples: slice) -> None:
            for block in blocks(samples, w, g):
                framed = self._framed(g[block], phases)
                seen = self._temporary("patches", (len(shifts), len(W) // len(shifts), len(framed)), g.dtype)
                np.matmul(W, framed.T, out=seen.reshape(len(W), -1))
                total = seen[0]
                for shift, product in zip(shifts[1:], seen[1:], strict=True):
                    np.add(total[:, shift:], product[:, : len(framed) - shift], out=total[:, shift:])
                made = total.reshape(*stride, c, -1, *phases.size).transpose(3, 4, 5, 0, 1, 2)
                phases.lay_out(made, out[block])

        self._share(part, self._samples(w, g))

    def _weights_of_planes(self, g: Array, x: Array, dw: Array, stride: Pair, padding: Pair, accumulate: bool) -> None:
        phases, (o, kh, kw, c) = phases_of(dw.shape[1:3], g.shape[1:3], stride, padding), dw.shape
        rows, columns = phases.taps
        size = rows * columns * stride[0] * stride[1] * c, o
        sums = self._products(
            g, dw, size, lambda block: (self._shifted(x[block], phases), self._framed(g[block], phases))
        )
        turned = added_up(sums).reshape(rows, columns, *stride, c, o).transpose(5, 0, 2, 1, 3, 4)
        found = self._temporary("weights", turned.shape, dw.dtype)
        np.copyto(found, turned)
        found = found.reshape(o, rows * stride[0], columns * stride[1], c)[:, :kh, :kw]
        write(dw, found, accumulate)

    def _products(
        self, g: Array, dw: Array, size: tuple[int, int], factors: Callable[[slice], tuple[Array, Array]]
    ) -> Array:
        """Sums of products (parts, *size): for each part of the batch, of the two factors of each of its blocks."""
        parts = self._samples(dw, g)
        sums = self._temporary("sums", (len(parts), *size), dw.dtype)

        def part(i: int) -> None:
            for block in blocks(parts[i], dw, g):
                a, b = factors(block)
                first = block.start == parts[i].start
                product = sums[i] if first else self._temporary("gemm", size, dw.dtype)
                np.matmul(a, b, out=product)
                if not first:
                    np.add(sums[i], product, out=sums[i])

        self._share(part, range(len(parts)))
        return sums

    # --- their parts -------------------------------------------------------------------------------------------

    def _matrix(self, w: Array, phases: Phases) -> Array:
        """W (T² s² C, O)."""
        turned = phases.weights(w, self._temporary).transpose(1, 3, 2, 4, 5, 0)
        W = self._temporary("weights", turned.shape, w.dtype)
        np.copyto(W, turned)
        return W.reshape(-1, len(w))

    def _shifted(self, x: Array, phases: Phases) -> Array:
        """P of images x, (T² s² C, M)."""
        n, c, shifts = len(x), x.shape[3], phases.shifts
        planes = self._temporary("planes", (*phases.stride, c, n, *phases.size), x.dtype)
        phases.split(x, planes)
        planes = planes.reshape(phases.stride[0] * phases.stride[1] * c, -1)
        P = self._temporary("patches", (len(shifts), *planes.shape), x.dtype)
        for shift, copy in zip(shifts, P, strict=True):
            end = planes.shape[1] - shift
            np.copyto(copy[:, :end], planes[:, shift:])
            copy[:, end:] = 0
        return P.reshape(-1, planes.shape[1])

    def _framed(self, g: Array, phases: Phases) -> Array:
        """g (n, oh, ow, O) in the places of phases, with zeros in the others: (M, O)."""
        (oh, ow), o = phases.places, g.shape[3]
        framed = self._temporary("framed", (len(g), *phases.size, o), g.dtype)
        framed[:, oh:] = 0
        framed[:, :oh, ow:] = 0
        framed[:, :oh, :ow] = g
        return framed.reshape(-1, o)

    def _samples(self, w: Array, out: Array) -> list[slice]:
        """The batch, a part for each thread that is worth waking."""
        flops = 2.0 * out.size * w[0].size
        return cut(len(out), min(self.threads, int(flops / self.PRODUCT)))


def added_up(sums: Array) -> Array:
    """The sum of what the parts of a batch have made, (parts, ...), in the place of the first."""
    for more in sums[1:]:
        np.add(sums[0], more, out=sums[0])
    return sums[0]


def blocks(samples: slice, w: Array, out: Array) -> Iterator[slice]:
    """A few samples at a time."""
    count = max(1, PATCHES // (out[0, ..., 0].size * w[0].size))
    for i in range(samples.start, samples.stop, count):
        yield slice(i, min(i + count, samples.stop))
