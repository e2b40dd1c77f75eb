"""From one picture to another: G draws what a picture shall become, and D judges both side by side, patch by patch.

P. Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", 2017 (pix2pix).

An input x has many right answers y: a reduced picture could be that of many, a ball may bounce off here or there. With

    D ascends     E log D(x, y) + E log(1 − D(x, G(x)))                     D a map: a logit for each patch of a picture
    G descends    −E log D(x, G(x)) + λ E |y − G(x)|                         the distance as a mean over all numbers

G is asked for one of them. Without D it would have to be right on average: E |y − g|² is least at g = E[y | x], the
average of all right answers, and E |y − g| at their median, number by number. Neither need be an answer itself; it is
blurred where they differ. D has seen no such picture, and tells it at once. The distance keeps G near what was asked,
and D, which knows x as well, cares for what is left open: sharpness, texture, a decision.

Several answers to one question need noise in G that is never still: layers of InjectedNoise, or Dropout(always=True).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ..atomic import atomically
from ..backend import Stream
from ..game.fitting import look_at_data, on_backend
from ..game.game import Game, Panel, Shapes
from ..game.generating import require_one_place
from ..game.judging import Judging
from ..game.player import Player
from ..game.tiles import Tiling
from ..game.update import Update, purpose_of
from ..gan import VERDICTS
from ..limits import PENALTY, Budget
from ..names import not_one_of
from ..nn import Sequential
from ..nn.layer import Back
from ..objectives import Objective, get_objective, mean_absolute_error, mean_squared_error
from ..optim import Adam, Optimizer, Schedule
from ..penalties import Penalty
from ..spec import integer, number

Array = Any

METRICS = (
    "distance",  # of G's pictures to those wanted
    "g_loss",  # G's loss on D, 0 where there is no D
    "d_loss",  # D's, without penalties
    "d_real",  # mean D(x, y), a probability or a score
    "d_fake",  # mean D(x, G(x))
    "d_accuracy_real",  # share of patches of real pairs that D takes for real
    "d_accuracy_fake",  # share of patches of G's that D takes for fake
    "d_penalty",  # the sum of all penalties
    "d_grad_norm",
    "g_grad_norm",
)
DISTANCES = {"l1": mean_absolute_error, "l2": mean_squared_error}


class Made(NamedTuple):
    """A pass through G: what it was given, what it made of that, and the way back."""

    inputs: Array
    pictures: Array
    back: Back


class Translation(Game):
    """A game about pairs of pictures.

    G: maps inputs (N, H, W, C') to pictures (N, H, W, C). D: maps pictures, with the inputs behind them as C' more
        channels, to logits (N, P), one for each patch; None for a G that has only the distance to descend.
    input_shape: of an input, (H, W, C'), as it is trained; networks that are convolutions only take others in use.
    adversary: weight of G's loss on D; 0 without a D. weight: λ, of the distance, which is "l1" or "l2".
    objective, optimizer (default Adam(2e-4, beta1=0.5)), d_optimizer, penalties, instance_noise, average, seed: as of
        `GAN`. A penalty is on the gradient with respect to pictures, of the mean of all logits of one.

    D and G learn from the same pictures, those that G makes in its update, as in the authors' program.

    Raises ValueError for networks that do not fit, and for options that contradict each other.

    >>> import minigan, numpy as np
    >>> from minigan import Conv2D, Flatten, ReLU, Sequential, Tanh
    >>> G = Sequential(Conv2D(1, 4, 3, padding=1), ReLU(), Conv2D(4, 1, 3, padding=1), Tanh(), seed=1)
    >>> D = Sequential(Conv2D(2, 4, 4, 2), ReLU(), Conv2D(4, 1, 1), Flatten(), seed=2)
    >>> from minigan.datasets.pairs import Pairs
    >>> digits = minigan.datasets.load("digits", size=8)
    >>> pairs = Pairs(digits.images, None, "negatives", inputs=255 - digits.images)
    >>> game = minigan.Translation(G, D, input_shape=(8, 8, 1), seed=0)
    >>> history = game.fit(pairs, steps=20)
    >>> bool(history["distance"][-1] < history["distance"][0]), game.translate(pairs.inputs[:3]).shape
    (True, (3, 8, 8, 1))
    """

    metrics: ClassVar[tuple[str, ...]] = METRICS
    headline: ClassVar[Mapping[str, str]] = {
        "distance": "distance", "d_loss": "D loss", "g_loss": "G loss", "d_real": "D(y)", "d_fake": "D(G(x))",
    }  # fmt: skip

    def __init__(
        self,
        G: Sequential,
        D: Sequential | None = None,
        *,
        input_shape: Sequence[int],
        adversary: float = 1.0,
        weight: float = 100.0,
        distance: str = "l1",
        objective: str | Objective = "non-saturating",
        optimizer: Optimizer | None = None,
        d_optimizer: Optimizer | None = None,
        penalties: Sequence[Penalty] = (),
        instance_noise: float | Schedule = 0.0,
        average: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.begin_as(seed)
        self.G, self.D = G, D
        self.input_shape = [integer("a side of input_shape", side) for side in input_shape]
        self.adversary, self.weight = number("adversary", adversary, "[0, inf)"), number("weight", weight, "[0, inf)")
        if bool(self.adversary) != (D is not None):
            raise ValueError(f"adversary={adversary:g} is the weight of G's loss on D; it is 0 where there is no D")
        if not self.adversary and not self.weight:
            raise ValueError("adversary and weight are both 0, so that G has nothing to descend")
        if distance not in DISTANCES:
            raise ValueError(not_one_of("distance", distance, DISTANCES))
        self.distance = distance
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

    # --- the algorithm -----------------------------------------------------------------------------------------

    def turn(self, draw: Any) -> dict[str, Array]:
        """An update of G, and within it, of the pictures that G has made for it, one of D."""
        wanted, inputs = draw(self.g)
        with self.update(self.g) as up:  # G's update begins with its pictures, which D sees first
            up.batches += [("the pictures wanted", wanted), ("the inputs", inputs)]
            made, metrics = self.make(up, inputs), self._without_D()
            if self.D is not None:
                metrics |= self.update_discriminator(wanted, inputs, made)
            metrics |= self.descend(up, made, wanted)
        return metrics | {"g_grad_norm": up.norm}

    @atomically
    def update_discriminator(self, wanted: Array, inputs: Array, made: Made | None = None) -> dict[str, Array]:
        """D descends its loss on pairs: inputs with the pictures wanted, and with those that G has made of them."""
        assert self.judging is not None
        with self.update(self.d) as up:
            made = self.make(up, inputs) if made is None else made
            judged = self.judging(up, wanted, made.pictures, made.inputs)
            up.loss, verdicts = self.objective.classify(judged.real, judged.fakes, up.arena, judged.grads)
            penalty = judged.back()
        return {
            **dict(zip(VERDICTS, verdicts, strict=True)), "d_loss": up.loss, "d_grad_norm": up.norm,
            "d_penalty": self._nothing if penalty is None else penalty,
        }  # fmt: skip

    def descend(self, up: Update, made: Made, wanted: Array) -> dict[str, Array]:
        """G's loss on its pictures, and its gradient, from the distance and through D, and back through G."""
        distance, grad = DISTANCES[self.distance](made.pictures, wanted, up.arena)
        grad *= self.weight
        if self.D is None:
            up.loss, on_D = distance * self.weight, self._nothing
        else:
            on_D, through_D = self.through_D(up, made, wanted)
            through_D *= self.adversary
            grad += through_D
            up.loss = on_D * self.adversary + distance * self.weight
        made.back(grad, inputs=False)
        return {"distance": distance, "g_loss": on_D}

    def through_D(self, up: Update, made: Made, wanted: Array) -> tuple[Array, Array]:
        """G's loss on D, and its gradient with respect to G's pictures."""
        D, judging = self.D, self.judging
        assert D is not None
        assert judging is not None
        run = partial(up.run, D, depth=self.objective.depth(D), condition=made.inputs)
        on_made, back_D = run(judging.inputs(up, made.pictures, purpose_of("D for G")), "D for G", on="G's pictures")
        on_wanted = None
        if self.objective.compares:
            of_wanted = "D for G, on those wanted"
            on_wanted, _ = run(judging.inputs(up, wanted, purpose_of(of_wanted)), of_wanted, on="the pictures wanted")
        loss, dlogits = self.objective.generator(on_made, up.arena, on_wanted)
        return loss, back_D(dlogits)

    # --- and what it needs -------------------------------------------------------------------------------------

    def make(self, up: Update, inputs: Array) -> Made:
        """What G makes of inputs, for its own update or for one of D alone, where D will see it."""
        room = None if self.judging is None else self.judging.room(len(inputs), self.sample_shape)
        pictures, back = up.run(
            self.G, inputs, "G" if up.player is self.g else "G for D", out=None if room is None else room.fakes
        )
        return Made(inputs, pictures, back)

    @property
    def begun(self) -> int:
        return 0 if self.D is None else self.d.updates.value

    def begin(self, draw: Any, updates: int) -> None:
        """D alone, until it has made so many updates. Raises ValueError where there is no D."""
        if updates and self.D is None:
            raise ValueError(f"{updates} updates of D alone were asked for, but there is no D")
        while self.begun < updates:
            self.update_discriminator(*draw(self.d))

    def _without_D(self) -> dict[str, Array]:
        return dict.fromkeys(("g_loss", "d_loss", "d_penalty", "d_grad_norm", *VERDICTS), self._nothing)

    def follow(self, plan: Any) -> None:
        super().follow(plan)
        self.instance_noise = plan.instance_noise
        if self.judging is not None:
            self.judging.noise = plan.judging.noise

    # --- data --------------------------------------------------------------------------------------------------

    def sources(self, data: Any, labels: Any = None) -> dict[str, tuple[Array, ...]]:
        """The pictures wanted, with the inputs of each. data: an object with `images` and `inputs`, such as Pairs."""
        inputs = getattr(data, "inputs", None)
        if inputs is None:
            name = getattr(data, "name", "the data")
            raise ValueError(
                f"{name} holds single pictures, but pairs of them were expected: an object with `inputs` and `images`, "
                "such as minigan.datasets.pairs.Pairs, or what minigan.datasets.tasks.make_pairs makes of single ones"
            )
        wanted = on_backend(data, self.sample_shape, self.backend, self.dtype)
        inputs = on_backend(inputs, tuple(self.input_shape), self.backend, self.dtype)
        if len(inputs) != len(wanted):
            raise ValueError(f"expected an input for each of {len(wanted)} pictures, got {len(inputs)}")
        look_at_data(self.G, wanted, None, None)
        return {"real": (wanted, inputs)}

    def place(self, source: str, n: int, shape: tuple[int, ...]) -> Array | None:
        room = None if self.judging is None else self.judging.room(n, shape)
        return None if room is None else room.real

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
        """How D is shown pairs. Raises ValueError for a D that cannot judge them."""
        require_one_place({"G": self.G, "D": D})
        x, inputs = (self.backend.zeros((2, *s), self.dtype) for s in (self.sample_shape, self.input_shape))
        try:
            logits, _ = D(x, train=False, condition=inputs)
        except ValueError as error:
            raise ValueError(
                f"D cannot take pictures of shape {self.sample_shape} with inputs of shape {tuple(self.input_shape)} "
                f"behind them: {error}"
            ) from None
        if logits.ndim != 2:
            raise ValueError(f"D must end in logits (N, P), as Flatten makes of a map; it gives {tuple(logits.shape)}")
        self.objective.depth(D)
        judging = Judging(
            D, self.g.updates, penalties=penalties, instance_noise=instance_noise, outputs=logits.shape[1]
        )
        judging.check(x, inputs, self.seed)
        return judging

    @classmethod
    def check_description(cls, description: Mapping[str, Any], shapes: Shapes) -> None:
        budget, shape = Budget(description, shapes), description["input_shape"]
        sides = [integer("a side of input_shape", side) for side in shape]
        made = budget.passed("G", (2, *sides))
        if made is not None and description.get("D") is not None:
            seen = (*made[:-1], made[-1] + sides[-1])
            budget.passed("D", seen, 1 + PENALTY * len(description.get("penalties", [])))

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
        raise ValueError("a Translation makes pictures of inputs: give it some, `minigan translate RUN FILES`")

    def panels(self) -> list[Panel]:
        return [
            Panel(f"Distance of G's pictures to those wanted ({self.distance.upper()})", "mean", {"distance": "G"}),
            Panel("Losses of the discriminator D and of G on D", "loss", {"d_loss": "D", "g_loss": "G"}),
            Panel(
                "What D makes of patches of real pairs, D(x, y), and of G's, D(x, G(x))",
                "D's mean output", {"d_real": "D(x, y)", "d_fake": "D(x, G(x))"},
            ),
        ][: 1 if self.D is None else 3]  # fmt: skip

    def equilibrium(self) -> dict[str, float]:
        return {} if self.D is None else self.objective.equilibrium()
