"""Convolutions of images with few channels without windows: every number is read where it stands.

A window of one channel has so few numbers that to lay it out as a row takes longer than to multiply it, and BLAS is
slow with rows so short. Here sums stay in registers until they are done, eight neighbours at a time, one vector:

    conv            out_o      = Σ_it  x_it w_ito     eight o, of four windows side by side, which read the same w
    conv_weights    dw_ito     = Σ     x_it g_o       eight o and four t, over all windows of an image

with i a line of a window and t a number in it, of all channels. Where there are no multiple of eight o, the last eight
overlap those before. An image is framed by zeros first, in a place that the cache keeps. As in numba_loops.py nobody
runs this but a compiler, here one that is told to make vectors of neighbours.
"""

from __future__ import annotations

from typing import Any

Array = Any
Eight = tuple[Any, Any, Any, Any, Any, Any, Any, Any]

HELPERS = ("nothing", "plus", "put", "add", "frame")  # that the others call


def nothing(like: Array) -> Eight:
    """Zeros of the dtype of an array."""
    o = like.dtype.type(0)
    return o, o, o, o, o, o, o, o


def plus(s: Eight, x: Any, w: Array) -> Eight:
    """s + x w."""
    return (
        s[0] + x * w[0], s[1] + x * w[1], s[2] + x * w[2], s[3] + x * w[3],
        s[4] + x * w[4], s[5] + x * w[5], s[6] + x * w[6], s[7] + x * w[7],
    )  # fmt: skip


def put(s: Eight, to: Array) -> None:
    """to = s."""
    to[0], to[1], to[2], to[3] = s[0], s[1], s[2], s[3]
    to[4], to[5], to[6], to[7] = s[4], s[5], s[6], s[7]


def add(s: Eight, to: Array) -> None:
    """to = to + s."""
    to[0], to[1], to[2], to[3] = to[0] + s[0], to[1] + s[1], to[2] + s[2], to[3] + s[3]
    to[4], to[5], to[6], to[7] = to[4] + s[4], to[5] + s[5], to[6] + s[6], to[7] + s[7]


def frame(image: Array, framed: Array, above: int, left: int) -> None:
    """Copy an image (H, W·C) into the middle of `framed`."""
    for h in range(image.shape[0]):
        line, to = image[h], framed[above + h, left:]
        for t in range(line.size):
            to[t] = line[t]


def conv(x: Array, w: Array, out: Array, framed: Array, down: int, right: int, above: int, left: int) -> None:
    """out (n, oh, ow, O) from images x (n, H, W·C) and w (kh, kw·C, O); ow is at least 4 and O at least 8.

    framed: zeros, (H + 2 above, W·C + 2 left). down, right: from one window to the next, in lines and in numbers.
    """
    last = out.shape[2] - 4
    for n in range(out.shape[0]):
        frame(x[n], framed, above, left)
        for y in range(out.shape[1]):
            for z in range(0, out.shape[2], 4):
                z = min(z, last)  # the last four windows, some of which may have been seen already
                for o in range(0, out.shape[3], 8):
                    o = min(o, out.shape[3] - 8)
                    a = b = c = d = nothing(out)
                    for i in range(w.shape[0]):
                        xa = framed[y * down + i, z * right :]
                        xb, xc, xd = xa[right:], xa[2 * right :], xa[3 * right :]
                        for t in range(w.shape[1]):
                            wt = w[i, t, o : o + 8]
                            a, b, c, d = plus(a, xa[t], wt), plus(b, xb[t], wt), plus(c, xc[t], wt), plus(d, xd[t], wt)
                    put(a, out[n, y, z, o : o + 8])
                    put(b, out[n, y, z + 1, o : o + 8])
                    put(c, out[n, y, z + 2, o : o + 8])
                    put(d, out[n, y, z + 3, o : o + 8])


def conv_weights(g: Array, x: Array, dw: Array, framed: Array, down: int, right: int, above: int, left: int) -> None:
    """dw (kh, T, 8 E) from g (n, oh, ow, O) and x (n, H, W·C): for kw·C numbers t, and for O ≥ 8 in E eights.

    T is a multiple of 4 and may be more than kw·C; `framed` is as much wider, and what is too much means nothing.
    """
    dw[:] = 0
    for n in range(g.shape[0]):
        frame(x[n], framed, above, left)
        for e in range(0, dw.shape[2], 8):
            o = min(e, g.shape[3] - 8)
            for i in range(dw.shape[0]):
                for t in range(0, dw.shape[1], 4):
                    a = b = c = d = nothing(dw)
                    for y in range(g.shape[1]):
                        row = framed[y * down + i, t:]
                        for z in range(g.shape[2]):
                            s, gz = row[z * right :], g[n, y, z, o : o + 8]
                            a, b, c, d = plus(a, s[0], gz), plus(b, s[1], gz), plus(c, s[2], gz), plus(d, s[3], gz)
                    add(a, dw[i, t, e : e + 8])
                    add(b, dw[i, t + 1, e : e + 8])
                    add(c, dw[i, t + 2, e : e + 8])
                    add(d, dw[i, t + 3, e : e + 8])
