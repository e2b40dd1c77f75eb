"""Down to a latent by least squares: the method of Levenberg and Marquardt, for each picture by itself.

    L(z) = Σ r(z)²  +  c |z|²,   r: the numbers of G(z) less those of the picture, or of what is before G's last Tanh

A latent has some hundred numbers, so that J = ∂r/∂z can be had at once (nn/jacobian.py), and with it what no gradient
tells: how the numbers of a latent make up for one another. The step d that is least for r linear in z,

    (Jᵀ J + (c + μ) I) d = −Jᵀ r − c z

is taken where L falls; μ grows where it does not, and shrinks where r was as linear as that (Nielsen 1999). The valley
is narrow and bent, for at each ReLU G's derivative jumps, and who follows J alone takes small steps in it. So the step
is solved for again with the same J and what J has missed where it ended, m = r(z + d) − J d in the place of r, some
times over, and of all these ends the best is taken: with one correction that is the geodesic acceleration of Transtrum
and Sethna (2012) at a whole step. It costs a pass of one row beside the hundred of J. Sums are in float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..backend import Arena, Purpose, Stream
from ..nn import Sequential, Tanh
from ..nn.jacobian import jacobian

Floats = NDArray[Any]
CORRECTIONS = 3
DAMPING, LEAST, MOST = 3.0, 1e-9, 1e12  # μ at first, and within which it stays
SUMS = 1e-5  # τ
SEEN = 7.0  # tanh of more is so near 1 in float32 that its inverse is rounding


class Residual:
    """r of pictures, on the host.

    target: x (N, P), samples. before: of what is before the last Tanh, a = artanh x. There rounding of x near −1 or 1
    is large, and r = w (G(z) − a) with a weight w of each number, and 0 if both are further out than `SEEN`:

        "roughly"    w = (1 − x²)^¼                      which a number that is quite wrong still moves
        "exactly"    w = 1/√(1 + (ρ/τ(1 − x²))²)         of errors τ that G's sums have, and ρ/(1 − x²) of x's rounding
    """

    def __init__(self, G: Sequential, target: Floats, before: str | None = None) -> None:
        self.G, self.arena = G, Arena(G.backend)
        self.depth = len(G) - 1 if before else len(G)
        self.stream = Stream(G.seed, Purpose.CALL)
        self.target, self.weight, self.far = target, None, None
        if before:
            x = np.clip(target.astype("float64"), -np.tanh(SEEN), np.tanh(SEEN))
            self.far = abs(target) >= np.tanh(SEEN)
            rounded = np.finfo(target.dtype).eps / 4 / (1 - x * x)
            weight = (1 - x * x) ** 0.25 if before == "roughly" else 1 / np.hypot(1, rounded / SUMS)
            self.target, self.weight = np.arctanh(x).astype(target.dtype), weight.astype(target.dtype)

    def __call__(self, z: Floats, rows: NDArray[Any]) -> Floats:
        """r (n, P) at latents z (n, K) of the pictures in those rows."""
        self.arena.rewind()
        y, _ = self.G(self._latents(z), train=False, arena=self.arena, stream=self.stream, depth=self.depth)
        return self._residual(self.G.backend.to_numpy(y).reshape(len(z), -1), rows)[0]

    def jacobian(self, z: Floats, rows: NDArray[Any]) -> Floats:
        """J (n, K, P), transposed."""
        self.arena.rewind()
        y, J = map(
            self.G.backend.to_numpy,
            jacobian(self.G, self._latents(z), arena=self.arena, stream=self.stream, depth=self.depth),
        )
        slope = self._residual(y, rows)[1]
        return J if slope is None else J * slope[:, None]

    def _latents(self, z: Floats) -> Any:
        return self.G.backend.asarray(z, self.G.dtype)

    def _residual(self, y: Floats, rows: NDArray[Any]) -> tuple[Floats, Floats | None]:
        """r, and dr/dy where that is not 1."""
        target = self.target[rows]
        if self.weight is None:
            return y - target, None
        assert self.far is not None
        beyond = self.far[rows] & (y * np.sign(target) > SEEN)
        slope = np.where(beyond, 0, self.weight[rows])
        return slope * (y - target), slope


def ends_in_tanh(G: Sequential) -> bool:
    return len(G) > 1 and type(G[len(G) - 1]) is Tanh


def levenberg_marquardt(
    residual: Residual,
    z: Floats,
    steps: int,
    *,
    c: float = 0.0,
    most: float | None = None,
    together: int = 1,
    enough: float = 0.0,
) -> tuple[Floats, Floats]:
    """Latents (N, K) of the least L on the way from z, float64, and L (N,).

    steps: most times that J is computed for each of them. most: z stays in [−most, most]. together: for so many
    pictures at a time. enough: of L, at which a picture is left alone. The start is on the way: what comes out is never
    worse.
    """
    z = np.array(z, "float64")
    n, k = z.shape
    everyone = np.arange(n)

    def value(z: Floats, r: Floats) -> Floats:
        return square(r) + c * square(z)

    def inside(z: Floats) -> Floats:
        return z if most is None else z.clip(-most, most)

    r = residual(z, everyone)
    loss, mu, worse = value(z, r), np.full(n, DAMPING), np.full(n, 2.0)
    spent, moved, H = np.zeros(n, int), np.ones(n, bool), np.zeros((n, k, k))
    J: Floats = np.zeros((n, k, r.shape[1]), r.dtype)
    while True:
        new = np.flatnonzero(moved & (spent < steps) & (loss > enough) & (mu < MOST))
        for i in range(0, len(new), together):
            part = new[i : i + together]
            J[part] = residual.jacobian(z[part], part)
            H[part] = J[part] @ J[part].transpose(0, 2, 1)
        spent[new] += 1
        moved[new] = False
        live = np.flatnonzero(~moved & (mu < MOST) & (loss > enough))
        if not len(live):
            return z, loss
        at, Jt, damped = z[live], J[live], H[live].copy()
        damped[:, np.arange(k), np.arange(k)] += c + mu[live, None]
        solve, uphill = np.linalg.inv(damped), times(Jt, r[live]) + c * at
        best, to, there = np.full(len(live), np.inf), at.copy(), r[live]
        missed = r[live]
        for _ in range(CORRECTIONS + 1):
            d = inside(at - times(solve, times(Jt, missed) + c * at)) - at
            end = residual(at + d, live)
            found = value(at + d, end)
            better = found < best
            best, to[better], there[better] = np.where(better, found, best), (at + d)[better], end[better]
            missed = end - times(Jt.transpose(0, 2, 1), d)
        d = to - at
        expected = (d * (mu[live, None] * d - uphill)).sum(axis=1)
        lower = best < loss[live]
        gain = np.divide(loss[live] - best, expected, out=np.ones_like(best), where=expected > 0).clip(0, 1)
        m, w = mu[live], worse[live]
        mu[live] = np.where(lower, m * np.maximum(1 / 3, 1 - (2 * gain - 1) ** 3), m * w).clip(LEAST, MOST)
        worse[live] = np.where(lower, 2.0, 2 * w)
        took = live[lower]
        z[took], r[took], loss[took], moved[took] = to[lower], there[lower], best[lower], True


def times(a: Floats, b: Floats) -> Floats:
    """A product for each picture: (N, I, J) and (N, J) to (N, I)."""
    return np.asarray((a @ b[:, :, None].astype(a.dtype, copy=False))[:, :, 0])


def square(a: Floats) -> Floats:
    """|a|² of each row, in float64."""
    return np.asarray(np.square(a, dtype="float64").sum(axis=1))
