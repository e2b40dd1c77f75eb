"""What games have in common whose G makes pictures of pictures, before a D that judges patches of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np

from ..backend import Stream
from ..game.game import Game, Panel
from ..game.generating import require_one_place
from ..game.judging import Judging
from ..game.player import Player
from ..game.tiles import Tiling
from ..game.update import Update, purpose_of
from ..gan import VERDICTS
from ..nn import Sequential
from ..objectives import Objective, get_objective
from ..optim import Adam, Optimizer, Schedule
from ..penalties import Penalty
from ..spec import integer, number

Array = Any

METRICS = (
    "distance",  # that G is to keep small: of its pictures to those wanted, or to what they were made of
    "g_loss",  # G's loss on D, 0 where there is no D
    "d_loss",  # D's, without penalties
    "d_real",  # mean D at real pictures, a probability or a score
    "d_fake",  # mean D at G's
    "d_accuracy_real",  # share of patches of real pictures that D takes for real
    "d_accuracy_fake",  # share of patches of G's that D takes for fake
    "d_penalty",  # the sum of all penalties
    "d_grad_norm",
    "g_grad_norm",
)


class ImageToImage(Game, abstract=True):
    """A game whose G maps pictures (N, H, W, C') to pictures (N, H, W, C), as high and wide.

    D maps such to logits (N, P), one for each patch; None for a G that has only a distance to descend. `behind`: D sees
    what G was given, too, as C' more channels behind the picture.
    """

    behind: ClassVar[bool] = False
    command: ClassVar[str]  # that of `minigan` which makes pictures of files

    def begin_pictures(
        self,
        G: Sequential,
        D: Sequential | None,
        input_shape: Sequence[int],
        *,
        adversary: float,
        weight: float,
        objective: str | Objective,
        optimizer: Optimizer | None,
        d_optimizer: Optimizer | None,
        penalties: Sequence[Penalty],
        instance_noise: float | Schedule,
        average: float,
        seed: int,
    ) -> None:
        """To be called first in a constructor, with its arguments."""
        self.begin_as(seed)
        self.G, self.D = G, D
        self.input_shape = [integer("a side of input_shape", side) for side in input_shape]
        self.adversary, self.weight = number("adversary", adversary, "[0, inf)"), number("weight", weight, "[0, inf)")
        if bool(self.adversary) != (D is not None):
            raise ValueError(f"adversary={adversary:g} is the weight of G's loss on D; it is 0 where there is no D")
        if not self.adversary and not self.weight:
            raise ValueError("adversary and weight are both 0, so that G has nothing to descend")
        self.objective = get_objective(objective)
        self.optimizer = Adam(2e-4, beta1=0.5) if optimizer is None else optimizer
        self.d_optimizer = self.optimizer if d_optimizer is None else d_optimizer
        if D is not None:
            self.d = Player("D", self.d_optimizer, D)
        self.g = Player("G", self.optimizer, G, average=average)
        self.average, self._nothing = self.g.average, G.backend.zeros((), G.dtype)
        self.sample_shape: tuple[int, ...] = self._made_of(self.input_shape)
        self.judging = None if D is None else self._judging(D, penalties, instance_noise)
        self.penalties = [] if self.judging is None else self.judging.penalties
        self.instance_noise = instance_noise if self.judging is None else self.judging.noise

    # --- through D ---------------------------------------------------------------------------------------------

    def through_D(
        self, up: Update, made: Array, real: Array | None, on_real: str, condition: Array | None = None
    ) -> tuple[Array, Array]:
        """G's loss on D, and its gradient with respect to the pictures made. real: beside which an objective that
        compares sees them, and what they are called."""
        D, judging = self.D, self.judging
        assert D is not None
        assert judging is not None
        run = partial(up.run, D, depth=self.objective.depth(D), condition=condition)
        on_made, back_D = run(judging.inputs(up, made, purpose_of("D for G")), "D for G", on="G's pictures")
        beside = None
        if self.objective.compares:
            assert real is not None
            name = f"D for G, on {on_real}"
            beside, _ = run(judging.inputs(up, real, purpose_of(name)), name, on=f"the pictures {on_real}")
        loss, dlogits = self.objective.generator(on_made, up.arena, beside)
        return loss, back_D(dlogits)

    def judged(self, up: Update, verdicts: Sequence[Array], penalty: Array | None) -> dict[str, Array]:
        """The metrics of an update of D that has been made."""
        return {
            **dict(zip(VERDICTS, verdicts, strict=True)), "d_loss": up.loss, "d_grad_norm": up.norm,
            "d_penalty": self._nothing if penalty is None else penalty,
        }  # fmt: skip

    def descended(
        self,
        up: Update,
        made: Array,
        distance: tuple[Array, Array],
        real: Array | None,
        on_real: str,
        condition: Array | None = None,
    ) -> tuple[Array, Array]:
        """Sets G's loss, of its distance and of what D says. distance: with its gradient, which may be overwritten; the
        rest as of `through_D`. Returns G's loss on D, and the gradient with respect to the pictures made."""
        value, grad = distance
        grad *= self.weight
        if self.D is None:
            up.loss = value * self.weight
            return self._nothing, grad
        on_D, through_D = self.through_D(up, made, real, on_real, condition)
        through_D *= self.adversary
        grad += through_D
        up.loss = on_D * self.adversary + value * self.weight
        return on_D, grad

    def _without_D(self) -> dict[str, Array]:
        return dict.fromkeys(("g_loss", "d_loss", "d_penalty", "d_grad_norm", *VERDICTS), self._nothing)

    def follow(self, plan: Any) -> None:
        super().follow(plan)
        self.instance_noise = plan.instance_noise
        if self.judging is not None:
            self.judging.noise = plan.judging.noise

    # --- networks that fit -------------------------------------------------------------------------------------

    def _made_of(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of what G makes of an input; ValueError if it takes no such one, or makes no picture as large."""
        x = self.backend.zeros((2, *shape), self.dtype)
        try:
            y, _ = self.G(x, train=False)
        except ValueError as error:
            raise ValueError(f"G cannot take inputs of shape {tuple(shape)}: {error}") from None
        made: tuple[int, ...] = tuple(y.shape[1:])
        if len(shape) != 3 or len(made) != 3 or made[:2] != tuple(shape[:2]):
            raise ValueError(
                f"G must make pictures (H, W, C) of inputs (H, W, C'), as high and wide; of {tuple(shape)} it makes "
                f"{made}"
            )
        return made

    def _judging(self, D: Sequential, penalties: Sequence[Penalty], instance_noise: float | Schedule) -> Judging:
        """How D is shown pictures. Raises ValueError for a D that cannot judge them."""
        require_one_place({"G": self.G, "D": D})
        x, inputs = (self.backend.zeros((2, *s), self.dtype) for s in (self.sample_shape, self.input_shape))
        condition = inputs if self.behind else None
        try:
            logits, _ = D(x, train=False, condition=condition)
        except ValueError as error:
            what = f" with inputs of shape {tuple(self.input_shape)} behind them" if self.behind else ""
            raise ValueError(f"D cannot take pictures of shape {self.sample_shape}{what}: {error}") from None
        if logits.ndim != 2:
            raise ValueError(f"D must end in logits (N, P), as Flatten makes of a map; it gives {tuple(logits.shape)}")
        self.objective.depth(D)
        judging = Judging(
            D, self.g.updates, penalties=penalties, instance_noise=instance_noise, outputs=logits.shape[1]
        )
        judging.check(x, condition, self.seed)
        return judging

    # --- what it says ------------------------------------------------------------------------------------------

    def translate(
        self, inputs: Any, seed: int | None = None, averaged: bool = True, tile: int | None = None
    ) -> np.ndarray[Any, Any]:
        """What G makes of inputs (N, H, W[, C']), floats in [−1, 1] or uint8: floats (N, H, W, C).

        Inputs may be of any size if G is made of convolutions: where it halves pictures, they are continued beyond
        their edge, by reflection, and what is made of that is cut off again. Large ones go through G in tiles that
        overlap as far as G looks, so that no seam is to be seen: the result is that of the whole picture.
        seed: of the noise in G, if it has some; default: the game's own. averaged: by the average of G, if this game
        keeps one. tile: the side of a tile, in pixels; by default as large as memory allows.
        Raises ValueError or TypeError for what are no such pictures, and for a size that G cannot take.
        """
        G, channels = self.average_of(self.G) if averaged else self.G, self.input_shape[-1]
        if getattr(inputs, "dtype", None) != np.uint8:
            inputs = self.backend.to_numpy(G.as_batch(inputs))
        x = inputs[..., None] if inputs.ndim == 3 and channels == 1 else inputs
        if x.ndim != 4 or x.shape[-1] != channels or not x.size:
            raise ValueError(
                f"expected pictures of shape (N, H, W, {channels}) to be translated, got {tuple(inputs.shape)}"
            )
        number_of = integer("seed", self.seed if seed is None else seed, 0, bits=64)
        tiling, parts = Tiling.of(G, tuple(x.shape[1:]), tile), list[np.ndarray[Any, Any]]()
        with self._atomic.look(), self.backend.explained():
            for i, batch in enumerate(tiling.batches(len(x))):
                stream = Stream(number_of, purpose_of("translate"), i * len(tiling.tiles))
                parts.append(tiling.through(G, self._floats(x[batch]), stream))
        return np.concatenate(parts)

    def _floats(self, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        if x.dtype != np.uint8:
            return x
        return np.asarray(x * self.dtype.type(2 / 255) - self.dtype.type(1))

    def show(self, n: int, seed: int | None = None) -> np.ndarray[Any, Any]:
        raise ValueError(f"a {self.kind()} makes pictures of inputs: give it some, `minigan {self.command} RUN FILES`")

    def panels_of(self, distance: Panel, patches: str, real: str, made: str) -> list[Panel]:
        """How its metrics are drawn. patches: of what D judges them; real, made: what is written for its outputs."""
        return [
            distance,
            Panel("Losses of the discriminator D and of G on D", "loss", {"d_loss": "D", "g_loss": "G"}),
            Panel(
                f"What D makes of patches of {patches}", "D's mean output", {"d_real": real, "d_fake": made},
            ),
        ][: 1 if self.D is None else 3]  # fmt: skip

    def equilibrium(self) -> dict[str, float]:
        return {} if self.D is None else self.objective.equilibrium()
