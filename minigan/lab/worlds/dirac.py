"""The Dirac game: the data is 0, G makes θ, D says ψ x (theory/dirac_game.py).

What is seen: (θ, ψ), the way that it has come, and the field v of both players' steps around it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...gan import GAN
from ...penalties import R1, R2, GradientPenalty
from ...theory.dirac_game import Dirac, jacobian
from .world import Array, Figure, World

START = (1.0, -1.0)
REACH, FIELD = 1.6, 15  # what is seen is [−REACH, REACH]²
PATH = 400  # points of the way that are kept


class DiracWorld(World):
    """The same for all settings, but for the field."""

    name = "dirac"
    measured = ("distance",)
    pace = 2

    def __init__(self, settings: dict[str, Any]) -> None:
        self.data = np.zeros((1024, 1))
        self._path: list[tuple[float, float]] = []
        self._field: Array = None
        self._text = ""

    def build(self, settings: dict[str, Any]) -> GAN:
        game = self._game(settings, settings["instance_noise"])
        self._look_around(settings)
        game.put(START)
        return game.gan

    def _game(self, settings: dict[str, Any], noise: float) -> Dirac:
        wanted = {R1: settings["r1"], R2: settings["r2"], GradientPenalty: settings["gradient_penalty"]}
        return Dirac(
            settings["lr"], settings["d_lr"], batch=settings["batch"], objective=settings["objective"],
            penalties=[kind(weight) for kind, weight in wanted.items() if weight], clip=settings["clip"],
            d_steps=settings["d_steps"], instance_noise=noise, seed=settings["seed"],
        )  # fmt: skip

    def _look_around(self, settings: dict[str, Any]) -> None:
        """The field, and its eigenvalues at the equilibrium, from the updates of a game of their own, without noise."""
        game = self._game({**settings, "batch": 1}, 0.0)
        side = np.linspace(-REACH, REACH, FIELD)
        self._field = np.array([[game.field((float(theta), float(psi))) for theta in side] for psi in side])
        found = np.linalg.eigvals(jacobian(game.field, (0.0, 0.0)))
        if settings["gradient_penalty"]:
            self._text = "The penalty has a kink at 0: no point is at rest."
        else:
            written = ", ".join(
                f"{value.real:.2f} {'+' if value.imag >= 0 else '−'} {abs(value.imag):.2f}i" for value in found
            )
            turns = max(value.real for value in found) > -1e-3
            self._text = f"Eigenvalues at the equilibrium: {written}: " + (
                "it turns around and does not come nearer." if turns else "it comes nearer."
            )

    def measure(self, gan: GAN) -> dict[str, float]:
        return {"distance": float(np.hypot(*_point(gan)))}

    def figures(self, measured: dict[str, float]) -> list[Figure]:
        return [Figure("distance", f"{measured['distance']:.3g}", "of (θ, ψ) from the equilibrium (0, 0)")]

    def moved(self, gan: GAN) -> None:
        """Take note of where the game is."""
        self._path.append(_point(gan))
        del self._path[:-PATH]

    def frame(self, gan: GAN, view: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Array]]:
        seen = {"x": [-REACH, REACH], "y": [-REACH, REACH]}
        path = np.array([*self._path, _point(gan)])
        return {"view": seen, "point": list(_point(gan)), "text": self._text}, {"path": path, "field": self._field}


def _point(gan: GAN) -> tuple[float, float]:
    return float(gan.G.flat[-1]), float(gan.D.flat[0])
