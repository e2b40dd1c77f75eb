"""The refiner: drawings that are free, and labelled, come to look real and still show what they showed.

A. Shrivastava et al., "Learning from Simulated and Unsupervised Images through Adversarial Training", 2017 (SimGAN).

x is a drawing, a picture that a program has made and whose label it knows; y a real picture, of which nobody knows a
label. There are no pairs: no y is a right answer to an x. G, the refiner, changes a drawing, and D tells refined ones
from real pictures, patch by patch, so that G cannot please it by one odd place of the picture:

    D ascends     E log D(y) + E log(1 − D(x̃))                         D a map: a logit for each patch of a picture
    G descends    −E log D(G(x)) + λ E |ψ(G(x)) − ψ(x)|                 the distance as a mean over all numbers

ψ is what is to stay: the pixels themselves, or features, such as means of squares of them. Without it (λ = 0) a
refined 3 may well be an 8, and its label is wrong. But strokes that may not move cannot come to be handwriting. Where
drawings have labels, ψ may be the logits of a classifier that has learned these: then a 3 must stay a 3, and is free
to be any (J. Hoffman et al., "CyCADA: Cycle-Consistent Adversarial Domain Adaptation", 2018, equation 4). One that has
seen drawings alone is soon fooled; virtual adversarial training (vat.py), on drawings and on real pictures, lets it say
the same of what looks the same, and so carries what it knows from the ones to the others (R. Shu et al., "A DIRT-T
Approach to Unsupervised Domain Adaptation", 2018).

Half of the x̃ are G(x), the other half from a history of refined pictures, so that D still knows what it has learned to
tell long ago, and G cannot come back to it. In each update of D its new G(x) replace as many in the history. Which are
drawn and which are replaced are two orders that the seed gives, each of which goes through all of the history again
and again, so that a picture stays for about (size of the history)/(new ones in an update) updates.

Before the game ψ learns the labels of drawings, if it is to; then G to change nothing, by its distance to the drawing
alone; and then D to tell what that gives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from ..atomic import atomically
from ..game.fitting import look_at_data, on_backend
from ..game.game import Panel, Shapes
from ..game.generating import require_one_place
from ..game.player import Player
from ..game.update import Update, purpose_of
from ..limits import PENALTY, Budget
from ..nn import Sequential
from ..objectives import Objective, mean_absolute_error, softmax_cross_entropy
from ..optim import Adam, Optimizer, Schedule
from ..penalties import R1, Penalty
from ..spec import integer
from ..vat import VAT
from .image_to_image import METRICS, ImageToImage

Array = Any


class Refinement(ImageToImage):
    """A game about drawings and real pictures.

    G: maps drawings (N, H, W, C) to pictures of the same shape. D: maps pictures to logits (N, P), one for each patch;
        None for a G that has only the distance to descend.
    input_shape: of a drawing, (H, W, C), as it is trained; a G of convolutions takes others in use.
    features: ψ, or None for the pixels themselves. weight: λ, of the distance.
    f_pretrain: updates before the game in which ψ, whose outputs (N, K) then are logits, learns the K classes of the
        drawings, by softmax cross-entropy; 0 for a ψ that learns nothing. f_optimizer: its rule, default Adam(1e-3).
        vat: and by virtual adversarial training on drawings and real pictures, an object or None.
    history: how many refined pictures D is shown again; 0 for none. g_steps: descents of G in a turn, each on a
        minibatch of its own, for one update of D. g_pretrain: updates of G by its distance alone, before the game.
    adversary: weight of G's loss on D; 0 without a D.
    objective, optimizer (default Adam(2e-4, beta1=0.5)), d_optimizer, penalties, instance_noise, average, seed: as of
        `GAN`. A penalty is on the gradient with respect to pictures, of the mean of all logits of one.

    It learns from an object with `images`, the real pictures, and `inputs`, the drawings, as many as there are of each,
    such as `minigan.datasets.unpaired.Unpaired`. No label of a real picture is looked at; of drawings those that ψ
    learns, `input_labels`.

    Raises ValueError for networks that do not fit, and for options that contradict each other.

    >>> import minigan, numpy as np
    >>> from minigan import Conv2D, Flatten, ReLU, Sequential, Tanh
    >>> G = Sequential(Conv2D(1, 4, 3, padding=1), ReLU(), Conv2D(4, 1, 1), Tanh(), seed=1)
    >>> D = Sequential(Conv2D(1, 4, 4, 2), ReLU(), Conv2D(4, 1, 1), Flatten(), seed=2)
    >>> from minigan.datasets.unpaired import Unpaired
    >>> digits = minigan.datasets.load("digits", size=8).images
    >>> data = Unpaired(digits[:500], None, "digits", inputs=255 - digits[500:900])
    >>> game = minigan.Refinement(G, D, input_shape=(8, 8, 1), weight=1.0, history=64, g_pretrain=20, seed=0)
    >>> history = game.fit(data, steps=20)
    >>> game.begun, game.translate(data.inputs[:3]).shape
    (20, (3, 8, 8, 1))
    """

    command = "refine"
    metrics: ClassVar[tuple[str, ...]] = METRICS
    headline: ClassVar[Mapping[str, str]] = {
        "distance": "change", "d_loss": "D loss", "g_loss": "G loss", "d_real": "D(y)", "d_fake": "D(G(x))",
    }  # fmt: skip

    def __init__(
        self,
        G: Sequential,
        D: Sequential | None = None,
        features: Sequential | None = None,
        *,
        input_shape: Sequence[int],
        adversary: float = 1.0,
        weight: float = 10.0,
        history: int = 2048,
        g_steps: int = 1,
        g_pretrain: int = 0,
        f_pretrain: int = 0,
        f_optimizer: Optimizer | None = None,
        vat: VAT | None = None,
        objective: str | Objective = "non-saturating",
        optimizer: Optimizer | None = None,
        d_optimizer: Optimizer | None = None,
        penalties: Sequence[Penalty] = (),
        instance_noise: float | Schedule = 0.0,
        average: float = 0.0,
        seed: int = 0,
    ) -> None:
        optimizer = Adam(2e-4, beta1=0.5) if optimizer is None else optimizer
        self.history, self.g_steps = integer("history", history, least=0), integer("g_steps", g_steps)
        self.g_pretrain = integer("g_pretrain", g_pretrain, least=0)
        if self.g_pretrain and not weight:
            raise ValueError(f"g_pretrain is {g_pretrain}, but with weight=0 there is no distance for G to learn from")
        self.f_pretrain = integer("f_pretrain", f_pretrain, least=0)
        self.f_optimizer, self.vat = Adam(1e-3) if f_optimizer is None else f_optimizer, vat
        if self.f_pretrain:
            if features is None:
                raise ValueError(f"f_pretrain is {f_pretrain}, but there are no features to learn")
            # players before the others: the last one counts the steps
            self.f = Player("features", self.f_optimizer, features)
        if self.g_pretrain:
            self.alone = Player("G", optimizer, G)
        self.begin_pictures(
            G, D, input_shape, adversary=adversary, weight=weight, objective=objective, optimizer=optimizer,
            d_optimizer=d_optimizer, penalties=penalties, instance_noise=instance_noise, average=average, seed=seed,
        )  # fmt: skip
        self.features, shape = features, tuple(self.input_shape)
        if self.sample_shape != shape:
            raise ValueError(f"G must make {shape} of a drawing, as it is itself; it makes {self.sample_shape}")
        if features is not None:
            require_one_place({"G": G, "features": features})
            try:
                seen, _ = features(self.backend.zeros((2, *shape), self.dtype), train=False)
            except ValueError as error:
                raise ValueError(f"features cannot take pictures of shape {shape}: {error}") from None
            if self.f_pretrain and (seen.ndim != 2 or seen.shape[1] < 2):
                raise ValueError(f"features that learn must end in logits (N, K) of classes; they give {seen.shape}")
            self._classes = int(seen.shape[-1])
        self._past = self.backend.zeros((self.history if D is not None else 0, *shape), self.dtype)

    # --- the algorithm -----------------------------------------------------------------------------------------

    def turn(self, draw: Any) -> dict[str, Array]:
        """Descents of G on drawings, then an update of D."""
        (drawings,) = draw(self.g, "drawings")
        beside = draw(self.g, "compared")[0] if self.objective.compares else None
        metrics = self.update_generator(drawings, beside)
        if self.D is None:
            return self._without_D() | metrics
        return metrics | self.update_discriminator(*self._shown(draw))

    @atomically
    def update_generator(self, drawings: Array, real: Array | None = None) -> dict[str, Array]:
        """G descends its loss on drawings, (g_steps · N, ...), N at a time. real: as many, for losses that compare."""
        n = len(drawings) // self.g_steps
        with self.update(self.g) as up:
            for i in range(self.g_steps):
                if i:
                    up.learn()
                rows = slice(i * n, (i + 1) * n)
                distance, on_D = self._descend(up, drawings[rows], None if real is None else real[rows], i)
        return {"distance": distance, "g_loss": on_D, "g_grad_norm": up.norm}

    def _descend(self, up: Update, drawings: Array, real: Array | None, i: int) -> tuple[Array, Array]:
        """G's loss on some drawings, and its gradient. i: which descent of this update it is."""
        up.batches.append(("the drawings", drawings))
        refined, back = up.run(self.G, drawings, f"G, descent {i}" if i else "G", on="drawings")
        distance = self._change(up, refined, drawings)
        on_D, grad = self.descended(up, refined, distance, real, "real")
        back(grad, inputs=False)
        return distance[0], on_D

    @atomically
    def learn_classes(
        self, drawings: Array, classes: Array, seen: Sequence[Array] = (), reach: Array | None = None
    ) -> Array:
        """ψ descends its loss on drawings. classes: one-hot (N, K). Returns the loss, without VAT.

        For VAT, seen: real pictures, with their reach if it is relative to that; reach: then that of the drawings.
        """
        assert self.features is not None
        with self.update(self.f) as up:
            up.batches.append(("the drawings", drawings))
            logits, back = up.run(self.features, drawings, "features", on="drawings")
            up.loss, grad = softmax_cross_entropy(logits, classes, up.arena)
            back(grad, inputs=False)
            if self.vat is not None:
                up.smooth(self.features, self.vat, drawings, reach)
                up.smooth(self.features, self.vat, *seen)
        return up.loss

    @atomically
    def learn_to_change_nothing(self, drawings: Array) -> Array:
        """G descends its distance to drawings alone. Returns it."""
        with self.update(self.alone) as up:
            up.batches.append(("the drawings", drawings))
            refined, back = up.run(self.G, drawings, "G alone", on="drawings")
            up.loss, grad = self._change(up, refined, drawings)
            back(grad, inputs=False)
        return up.loss

    @atomically
    def update_discriminator(self, real: Array, drawings: Array, past: Array | None = None) -> dict[str, Array]:
        """D descends its loss on real pictures, on drawings refined now, and on pictures of the history, `past`.

        Those refined now replace as many in the history.
        """
        judging, n, m, count = self.judging, len(real), len(drawings), self.d.now()
        group, parts = self.backend.group, (1,) if past is None else (len(drawings), len(past))
        assert judging is not None
        with self.update(self.d) as up:
            up.batches += [("the real pictures", real), ("the drawings", drawings)]
            room = judging.room(n, self.sample_shape)
            where = up.arena.empty(real.shape, self.dtype) if room is None else room.fakes
            refined, _ = up.run(self.G, drawings, "G for D", on="drawings", out=where[:m])
            if past is not None:
                where[m:] = past
            judged = judging(up, real, where, parts=parts)
            up.loss, verdicts = self.objective.classify(judged.real, judged.fakes, up.arena, judged.grads)
            penalty, learns = judged.back(), not up.is_dry
        if past is not None and learns:  # after an update that was made
            refined, seed = group.gathered(refined), (self.seed + purpose_of("replaced")) % 2**64
            self.backend.replace(self._past, count, len(refined), seed, refined)
        return self.judged(up, verdicts, penalty)

    def _change(self, up: Update, refined: Array, drawings: Array) -> tuple[Array, Array]:
        """How far drawings were changed, and its gradient with respect to what they are now."""
        if self.features is None:
            return mean_absolute_error(refined, drawings, up.arena)
        now, back = up.run(self.features, refined, "features", on="refined drawings", train=False)
        before, _ = up.run(self.features, drawings, "features of drawings", on="drawings", train=False)
        distance, grad = mean_absolute_error(now, before, up.arena)
        return distance, back(grad)

    # --- before the game ---------------------------------------------------------------------------------------

    def meet(self, draw: Any) -> None:
        """The history begins with drawings, as G is to leave them before the game."""
        if len(self._past):
            (drawings,) = draw(self.d, "beginning")
            self._past[...] = drawings

    def before(self, d_pretrain: int) -> int:
        return self.f_pretrain + self.g_pretrain + d_pretrain

    @property
    def begun(self) -> int:
        """Updates before the first turn: of the features, then of G alone, and then of D alone."""
        of_others = sum(self.players[name].updates.value for name in ("f", "alone") if name in self.players)
        return of_others + (0 if self.D is None else self.d.updates.value - self.steps)

    def begin(self, draw: Any, updates: int) -> None:
        """The features, then G alone, and then D alone, until they have made so many updates.

        Raises ValueError for updates of D where there is none.
        """
        of_G = self.f_pretrain + self.g_pretrain
        if updates > of_G and self.D is None:
            raise ValueError(f"{updates - of_G} updates of D alone were asked for, but there is no D")
        while self.begun < min(updates, self.f_pretrain):
            seen = draw(self.f, "seen") if self.vat is not None else ()
            drawings, classes, *reach = draw(self.f, "labelled")
            self.learn_classes(drawings, classes, seen, *reach)
        while self.begun < min(updates, of_G):
            self.learn_to_change_nothing(*draw(self.alone, "unchanged"))
        while self.begun < updates:
            self.update_discriminator(*self._shown(draw))

    def _shown(self, draw: Any) -> tuple[Array, ...]:
        """What D learns from in its next update."""
        history = draw(self.d, "history") if self.history else ()
        return (*draw(self.d), *draw(self.d, "fresh"), *history)

    def updates_of(self, player: Player) -> int:
        return {"g": self.g_steps, "alone": 0, "f": 0}.get(next(n for n, p in self.players.items() if p is player), 1)

    # --- data --------------------------------------------------------------------------------------------------

    def sources(self, data: Any, labels: Any = None) -> dict[str, tuple[Array, ...]]:
        """Real pictures, and drawings. data: an object with `images` and `inputs`, such as Unpaired."""
        drawings = getattr(data, "inputs", None)
        if drawings is None:
            name = getattr(data, "name", "the data")
            raise ValueError(
                f"{name} holds pictures of one kind, but real ones and drawings were expected: an object with `images` "
                "and `inputs`, such as minigan.datasets.unpaired.Unpaired"
            )
        real = on_backend(data, self.sample_shape, self.backend, self.dtype)
        drawings = on_backend(drawings, self.sample_shape, self.backend, self.dtype)
        look_at_data(self.G, real, None, None)
        if self.history and self.backend.group.size > 1 and self._pairs:
            raise ValueError(
                f"{self._pairs} pairs real pictures with refined ones, which several processes would pair otherwise "
                "where half of these come from the history: take history=0, or one process"
            )
        sources: dict[str, tuple[Array, ...]] = {"real": (real,), "drawings": (drawings,)}
        if self.f_pretrain:
            sources["labelled"] = (drawings, self._classes_of(data))
            if self.vat is not None:
                of_drawings, sources["seen"] = (self.vat.source(x, self.backend, self.dtype) for x in (drawings, real))
                sources["labelled"] += of_drawings[1:]
        if self.g_pretrain:
            sources["unchanged"] = (drawings,)
        if self.D is not None:
            sources["fresh"] = (drawings,)
            if self.objective.compares:
                sources["compared"] = (real,)
            if self.history:
                sources |= {"history": (self._past,), "beginning": (drawings,)}
        return sources

    @property
    def _pairs(self) -> Any:
        """What looks at a real picture and a refined one together, if anything does."""
        others = [] if self.judging is None else [p for p in self.judging.penalties if not isinstance(p, R1)]
        return self.objective if self.objective.compares else next(iter(others), None)

    def _classes_of(self, data: Any) -> Array:
        """The classes of the drawings, in the order of their labels, one-hot. Raises ValueError without K of them."""
        labels, name = getattr(data, "input_labels", None), getattr(data, "drawn", "the drawings")
        found = np.unique(np.zeros(0) if labels is None else np.asarray(labels))
        if len(found) != self._classes:
            raise ValueError(
                f"{name} has {len(found)} classes of labels, but features were to learn {self._classes}; give labels, "
                "or features that learn nothing"
            )
        rows = np.eye(self._classes)[np.searchsorted(found, np.asarray(labels))]
        return self.backend.asarray(rows, self.dtype)

    def size(self, source: str, batch: int) -> int:
        """Of the pictures that D is shown for refined ones, half come from the history."""
        past = batch // 2 if self.history else 0
        if past and self.history < batch - past:
            raise ValueError(
                f"a history of {self.history} was asked for, but {batch - past} pictures come to it in each update; "
                "give a smaller batch, or history=0 for none"
            )
        if source in ("drawings", "compared"):
            return batch * self.g_steps
        return {"fresh": batch - past, "history": past, "beginning": self.history}.get(source, batch)

    def parts(self, source: str) -> int:
        return self.g_steps if source in ("drawings", "compared") else 0 if source == "beginning" else 1

    def place(self, source: str, n: int, shape: tuple[int, ...]) -> Array | None:
        room = None if self.judging is None or source != "real" else self.judging.room(n, shape)
        return None if room is None else room.real

    # --- what it keeps -----------------------------------------------------------------------------------------

    def state(self) -> dict[str, Array]:
        return {"history": self._past} if len(self._past) else {}

    @classmethod
    def check_description(cls, description: Mapping[str, Any], shapes: Shapes) -> None:
        budget = Budget(description, shapes)
        shape = [integer("a side of input_shape", side) for side in description["input_shape"]]
        made = budget.passed("G", (2, *shape))
        if description.get("features") is not None:
            budget.passed("features", (2, *shape))
        if description.get("D") is None:
            return
        if made is not None:
            budget.passed("D", made, 1 + PENALTY * len(description.get("penalties", [])))
        history = integer("history", description["history"], least=0)
        kept = shapes.get("state", {}).get("history", (0, *shape))
        if tuple(kept) != (history, *shape):
            raise ValueError(f"it asks for a history of {history} pictures of {tuple(shape)}, but keeps {tuple(kept)}")

    # --- what it says ------------------------------------------------------------------------------------------

    def panels(self) -> list[Panel]:
        what = "drawings" if self.features is None else "the features of drawings"
        distance = Panel(f"How far G changes {what}", "mean", {"distance": "G"})
        return self.panels_of(distance, "real pictures, D(y), and of refined ones, D(G(x))", "D(y)", "D(G(x))")
