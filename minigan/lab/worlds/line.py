"""Numbers: Figure 1 of the paper, while it is played.

What is seen: the density of the data, of G, D, and D* = p/(p + q), which it should be; and where G takes equally spaced
noise. Densities are shares of cells under a change of variables (theory/line.py), so that nothing is estimated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...datasets.toys import Mixture
from ...gan import GAN
from ...metrics import js_divergence
from ...theory.line import Line, best
from .games import small
from .push import confidence, said
from .world import Array, Figure, World

LATENT = 1
DATA, CELLS, STEPS, ARROWS = 10_000, 420, 400, 25
NOISE = 2.4  # arrows begin in [−NOISE, NOISE]


class LineWorld(World):
    """toy: what is played for, on the line."""

    name = "line"
    measured = ("divergence", "|D − D*|")

    def __init__(self, toy: Mixture, settings: dict[str, Any]) -> None:
        self.toy, self.data = toy, toy.sample(DATA, settings["seed"])
        low, high = toy.bounds
        self.line = Line(low - (high - low), high + (high - low), CELLS)  # beyond what is seen, for G's tails
        self._p = self.line.shares(toy)
        self._z = np.linspace(-NOISE, NOISE, ARROWS, dtype=np.float32)

    def build(self, settings: dict[str, Any]) -> GAN:
        return small(1, settings, LATENT)

    def measure(self, gan: GAN) -> dict[str, float]:
        q, d = self._shares(gan), self._confidence(gan)[0]
        beyond = max(0.0, 1 - float(q.sum()))
        divergence = js_divergence(np.append(self._p, 0.0), np.append(q, beyond))
        return {"divergence": divergence, "|D − D*|": float(np.abs(d - best(self._p, q)) @ (self._p + q) / 2)}

    def figures(self, measured: dict[str, float]) -> list[Figure]:
        return [
            Figure("divergence", f"{measured['divergence']:.3f}",
                   "of Jensen and Shannon: 0 where p_G = p_data, log 2 at most"),
            Figure("|D − D*|", f"{measured['|D − D*|']:.3f}",
                   "on average over data and fakes; D* = p/(p + q) is the best D"),
        ]  # fmt: skip

    def frame(self, gan: GAN, view: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Array]]:
        q = self._shares(gan)
        d, meaning = self._confidence(gan)
        arrays = {
            "x": self.line.x[:, 0], "p_data": self._p / self.line.width, "p_g": q / self.line.width, "d": d,
            "d_best": best(self._p, q), "z": self._z, "gz": gan.generate(self._z[:, None])[:, 0],
        }  # fmt: skip
        top = 2.0 * float(arrays["p_data"].max())
        return {"view": {"x": list(self.toy.bounds), "top": max(top, 1.1)}, "surface": meaning}, arrays

    def _shares(self, gan: GAN) -> Array:
        return self.line.inside(gan, STEPS)

    def _confidence(self, gan: GAN) -> tuple[Array, str]:
        x = self.line.x.astype(gan.dtype)
        fakes = gan.sample(200, seed=0)
        on_real, on_fakes = said(gan, self.data[:200], fakes[::-1]), said(gan, fakes, fakes[::-1])
        return confidence(gan, said(gan, x, fakes), on_real, on_fakes)
