"""Points in the plane.

What is seen: the data and fakes; D's surface; the push that each fake gets, and would get elsewhere; G's image of a
grid of noise. What is measured: modes, where there are some, and the divergence of Jensen and Shannon over cells.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...datasets.toys import Grid, Mixture, Toy
from ...gan import GAN
from ...metrics import js_divergence, mode_coverage
from .games import small
from .push import confidence, push, said
from .world import Array, Figure, Floats, World

LATENT = 2
DATA, REAL, FAKES, PUSHED = 10_000, 600, 1_000, 150  # that D learns from; shown; measured; with an arrow
SURFACE, FIELD, NET, CELLS = 56, 17, 25, 25  # along each side
SHOWN = 500  # fakes
NOISE = 2.2  # the grid of noise is in [−NOISE, NOISE]²
WAY = 100_000  # from the game's seed to those of what is shown


class PlaneWorld(World):
    """toy: what is played for."""

    name = "plane"

    def __init__(self, toy: Toy, settings: dict[str, Any]) -> None:
        seed = settings["seed"]
        self.toy, self.seed = toy, seed
        self.data = toy.sample(DATA, seed)
        self.real = toy.sample(REAL, seed + WAY)
        self.bells = toy if isinstance(toy, Mixture) and not toy.curve else None
        self.measured = ("modes", "near a mode", "divergence") if self.bells else ("divergence",)
        self._cells = Grid(toy, CELLS)
        self._floor = js_divergence(self._cells.truth, self._cells.shares(toy.sample(FAKES, seed + WAY + 1)))
        low, high = toy.bounds
        middle = 0.0 if self.bells is None else float(self.bells.means[:, 1].mean())
        self.view = {"x": [low, high], "y": [middle - (high - low) / 2, middle + (high - low) / 2]}
        self._surface, self._field = self._points(SURFACE), self._points(FIELD)
        side = np.linspace(-NOISE, NOISE, NET, dtype=np.float32)
        self._net = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)

    def build(self, settings: dict[str, Any]) -> GAN:
        return small(2, settings, LATENT)

    def measure(self, gan: GAN) -> dict[str, float]:
        fakes = self._fakes(gan)
        if not np.isfinite(fakes).all():
            return dict.fromkeys(self.measured, float("nan"))
        divergence = js_divergence(self._cells.truth, self._cells.shares(fakes))
        if self.bells is None:
            return {"divergence": divergence}
        found = mode_coverage(fakes, self.bells.means, self.bells.std)
        return {"modes": float(found.modes), "near a mode": found.high_quality, "divergence": divergence}

    def figures(self, measured: dict[str, float]) -> list[Figure]:
        figures = []
        if self.bells is not None and np.isfinite(measured["modes"]):
            figures += [
                Figure("modes", f"{measured['modes']:.0f} of {len(self.bells.means)}",
                       f"with a fake within three standard deviations, of {FAKES:,} fakes"),
                Figure("near a mode", f"{measured['near a mode']:.0%}",
                       "fakes within three standard deviations of a mode; 99 % of the data are"),
            ]  # fmt: skip
        figures.append(
            Figure("divergence", f"{measured['divergence']:.3f}",
                   f"of Jensen and Shannon, over {CELLS} × {CELLS} cells: log 2 = 0.693 at most; "
                   f"as many real points have {self._floor:.3f}")
        )  # fmt: skip
        return figures

    def frame(self, gan: GAN, view: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Array]]:
        """view: {layers: names of what is seen}, all of them by default; what is hidden costs nothing."""
        fakes, wanted = self._fakes(gan), view.get("layers", ("surface", "arrows", "field", "grid"))
        arrays: dict[str, Array] = {"real": self.real, "fakes": fakes[:SHOWN]}
        facts: dict[str, Any] = {"view": self.view}
        if "surface" in wanted:
            on_fakes, on_real = said(gan, fakes[:SHOWN], fakes[::-1]), said(gan, self.real, fakes[::-1])
            surface, facts["surface"] = confidence(gan, said(gan, self._surface, fakes), on_real, on_fakes)
            arrays["surface"] = surface.reshape(SURFACE, SURFACE)
        if "arrows" in wanted:
            arrays["arrows"] = push(gan, fakes[:PUSHED], fakes[::-1], self.real)
        if "field" in wanted:
            arrays["field"] = push(gan, self._field, fakes, self.real).reshape(FIELD, FIELD, 2)
        if "grid" in wanted:
            arrays["grid"] = gan.generate(self._net).reshape(NET, NET, 2)
        return facts, arrays

    def _fakes(self, gan: GAN) -> Floats:
        return gan.sample(FAKES, seed=self.seed + WAY)

    def _points(self, side: int) -> Floats:
        """A regular grid over the view, row by row from below: (side², 2)."""
        x, y = (np.linspace(low, high, side, dtype=np.float32) for low, high in (self.view["x"], self.view["y"]))
        return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
