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
from typing import Any, ClassVar, NamedTuple

from ..atomic import atomically
from ..game.fitting import look_at_data, on_backend
from ..game.game import Panel, Shapes
from ..game.update import Update
from ..limits import PENALTY, Budget
from ..names import not_one_of
from ..nn import Sequential
from ..nn.layer import Back
from ..objectives import Objective, mean_absolute_error, mean_squared_error
from ..optim import Optimizer, Schedule
from ..penalties import Penalty
from ..spec import integer
from .image_to_image import METRICS, ImageToImage

Array = Any

DISTANCES = {"l1": mean_absolute_error, "l2": mean_squared_error}


class Made(NamedTuple):
    """A pass through G: what it was given, what it made of that, and the way back."""

    inputs: Array
    pictures: Array
    back: Back


class Translation(ImageToImage):
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

    behind, command = True, "translate"
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
        self.begin_pictures(
            G, D, input_shape, adversary=adversary, weight=weight, objective=objective, optimizer=optimizer,
            d_optimizer=d_optimizer, penalties=penalties, instance_noise=instance_noise, average=average, seed=seed,
        )  # fmt: skip
        if distance not in DISTANCES:
            raise ValueError(not_one_of("distance", distance, DISTANCES))
        self.distance = distance

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
        return self.judged(up, verdicts, penalty)

    def descend(self, up: Update, made: Made, wanted: Array) -> dict[str, Array]:
        """G's loss on its pictures, and its gradient, from the distance and through D, and back through G."""
        distance = DISTANCES[self.distance](made.pictures, wanted, up.arena)
        on_D, grad = self.descended(up, made.pictures, distance, wanted, "wanted", made.inputs)
        made.back(grad, inputs=False)
        return {"distance": distance[0], "g_loss": on_D}

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

    # --- what a file may ask for --------------------------------------------------------------------------------

    @classmethod
    def check_description(cls, description: Mapping[str, Any], shapes: Shapes) -> None:
        budget, shape = Budget(description, shapes), description["input_shape"]
        sides = [integer("a side of input_shape", side) for side in shape]
        made = budget.passed("G", (2, *sides))
        if made is not None and description.get("D") is not None:
            seen = (*made[:-1], made[-1] + sides[-1])
            budget.passed("D", seen, 1 + PENALTY * len(description.get("penalties", [])))

    def panels(self) -> list[Panel]:
        distance = Panel(
            f"Distance of G's pictures to those wanted ({self.distance.upper()})", "mean", {"distance": "G"}
        )
        return self.panels_of(
            distance, "real pairs, D(x, y), and of G's, D(x, G(x))", real="D(x, y)", made="D(x, G(x))"
        )
