"""The adversarial autoencoder: D looks at codes, not at samples.

A. Makhzani et al., "Adversarial Autoencoders", 2015.

E encodes a sample x as z = E(x), and G decodes z. An autoencoder leaves holes between its codes, of which G makes
nothing; here the codes of all samples together are held to a prior p(z), so that x = G(z), z ~ p(z), are samples. What
holds them is the game of 2014, with draws from the prior in the place of real samples and codes in that of fakes:

    D ascends        E log D(z ~ p) + E log(1 − D(E(x)))
    E descends       −E log D(E(x))
    E, G descend     E |x − G(E(x))|²                                    as a mean over all numbers of x

E may say two things: (z, y) = E(x), y = softmax(l) being a category, with a prior of its own, one of k at random, and a
D_y for it. Then what y can say z need not, and categories come to be kinds of samples ("clustering"); with few labels

    E descends       −E log y_label                                      on labelled samples

beside, and categories are the classes ("semi-supervised"). Without y, labels may be told to D, with a prior that has a
part for each class (priors.py): a row (1, 0, ..., 0) stands behind a code of class 0, (0, ..., 0, 1) behind that of an
image without a label, and draws from the prior come from the parts that the rows say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ..atomic import atomically
from ..backend import FreshArena, Purpose, Stream
from ..codes import Category, Codes, Label
from ..game.fitting import few_labels, look_at_data, on_backend
from ..game.game import Panel, Shapes
from ..game.generating import Generating, require_one_place
from ..game.judging import Judging
from ..game.player import Player
from ..game.update import Update, purpose_of
from ..gan import VERDICTS
from ..limits import PENALTY, Budget
from ..nn import Sequential
from ..nn.layer import Back
from ..objectives import Objective, get_objective, mean_squared_error, softmax, softmax_cross_entropy
from ..optim import Adam, Optimizer
from ..penalties import Penalty
from ..priors import Prior, get_prior
from ..spec import build, integer
from ..vat import VAT

Array = Any

METRICS = (
    "g_loss",  # the error of reconstruction
    "d_loss",  # D's loss on codes and draws from their prior, without penalties
    "e_loss",  # E's loss on D
    "d_real",  # mean D(z) of draws from the prior
    "d_fake",  # of codes
    "d_accuracy_real",  # share of draws from the prior that D takes for such
    "d_accuracy_fake",  # share of codes that D takes for codes
    "d_categories",  # D_y's loss, 0 where there is none
    "e_categories",  # E's loss on D_y
    "e_labels",  # E's loss on labelled samples
    "e_vat",  # of virtual adversarial training, 0 where there is none
    "d_penalty",  # the sum of all penalties
    "d_grad_norm",
    "e_grad_norm",
    "g_grad_norm",
)


class Encoded(NamedTuple):
    """What E says of samples: z (n, latent), y (n, k) or None; and the way back from gradients of both through E."""

    z: Array
    y: Array | None
    back: Back


class AAE(Generating):
    """An autoencoder whose codes have a prior.

    E: maps samples to (N, latent + k), z and the logits of y. G: maps (z, y) to samples. D: maps z, and what is told of
    the label, to a logit; D_y, for k categories: maps y to one.
    prior: of z, by name or one of priors.py. categories: k; 0 for none.
    vat: virtual adversarial training of y (vat.py), an object or None.
    labelled: how many labels are known, the same number of each class; 0 for none. They are E's to learn where there
        are categories, and else D is told them, and the prior must have as many parts as there are classes.
    split: which; the first of each class in `np.random.RandomState(split).permutation`. told: how many of them in one
        update of E, at most; as many as the minibatch has by default.
    objective: what D and E descend. penalties: of D and of D_y, on their gradients, such as [R1(1)].
    optimizer: the update rule of E and G as an autoencoder, default Adam(1e-3); of D, d_optimizer, default
        Adam(5e-4, beta1=0.5); of E in view of D and labels, e_optimizer, default as of D.
    average: decay of the averages of E and G; 0 for none. latent, seed: as of `GAN`.

    Raises ValueError for networks that do not fit and for labels that are no use.

    >>> import minigan, numpy as np
    >>> from minigan import Dense, ReLU, Sequential
    >>> E = Sequential(Dense(3, 16), ReLU(), Dense(16, 2), seed=1)
    >>> G = Sequential(Dense(2, 16), ReLU(), Dense(16, 3), seed=2)
    >>> D = Sequential(Dense(2, 16), ReLU(), Dense(16, 1), seed=3)
    >>> x = np.random.default_rng(0).uniform(-1, 1, (500, 3)).astype("float32")
    >>> game = AAE(E, G, D, seed=0)
    >>> history = game.fit(x, steps=300)
    >>> bool(history["g_loss"][-1] < 0.5 * history["g_loss"][0]), game.encode(x).shape, game.sample(4).shape
    (True, (500, 2), (4, 3))
    """

    metrics: ClassVar[tuple[str, ...]] = METRICS
    headline: ClassVar[Mapping[str, str]] = {
        "g_loss": "error", "d_loss": "D loss", "e_loss": "E loss", "d_real": "D(z)", "d_fake": "D(E(x))",
    }  # fmt: skip

    def __init__(
        self,
        E: Sequential,
        G: Sequential,
        D: Sequential,
        D_y: Sequential | None = None,
        *,
        prior: str | Prior = "normal",
        categories: int = 0,
        vat: VAT | None = None,
        labelled: int = 0,
        split: int = 1,
        told: int | None = None,
        objective: str | Objective = "non-saturating",
        penalties: Sequence[Penalty] = (),
        optimizer: Optimizer | None = None,
        d_optimizer: Optimizer | None = None,
        e_optimizer: Optimizer | None = None,
        average: float = 0.0,
        latent: int | None = None,
        seed: int = 0,
    ) -> None:
        self.begin_as(seed)
        self.E, self.categories = E, integer("categories", categories, least=0)
        self.labelled, self.split = integer("labelled", labelled, least=0), integer("split", split, least=0, bits=32)
        self.told = None if told is None else integer("told", told)
        self.vat = vat
        if vat is not None and not self.categories:
            raise ValueError(f"{vat} is for an E that says something of categories; there are none")
        if self.categories:
            k = self.categories
            self._codes = Codes([Label(k, predicted=True) if self.labelled else Category(k)])
            self.codes = self._codes.codes
        self.begin_latents(G, prior, latent)
        self.D, self.D_y = D, D_y
        if (D_y is None) == bool(self.categories):
            raise ValueError(f"a D_y is for categories, of which there are {self.categories}")
        self.objective = get_objective(objective)
        if self.objective.compares:
            raise ValueError(f"{self.objective} compares fakes with real samples; codes have no such opponents")
        self.optimizer = Adam(1e-3) if optimizer is None else optimizer
        self.d_optimizer = Adam(5e-4, beta1=0.5) if d_optimizer is None else d_optimizer
        self.e_optimizer = self.d_optimizer if e_optimizer is None else e_optimizer
        judges = [D] if D_y is None else [D, D_y]
        self.d = Player("D", self.d_optimizer, *judges)
        self.e = Player("E", self.e_optimizer, E)
        self.g = Player("the autoencoder", self.optimizer, E, G, average=average)
        self.average = self.g.average
        self.judging, *rest = (Judging(net, self.g.updates, penalties=penalties) for net in judges)
        self.judging_y, self.penalties = rest[0] if rest else None, self.judging.penalties
        self._nothing = G.backend.zeros((), G.dtype)
        self.sample_shape: tuple[int, ...] = self.check_networks()

    # --- the algorithm -----------------------------------------------------------------------------------------

    def turn(self, draw: Any) -> dict[str, Array]:
        """An update of D on codes, one of E in view of D, and one of both parts of the autoencoder."""
        real, *rows = draw(self.g)
        told, reach = (rows[0], None) if self.knows_parts else (None, rows[0] if rows else None)
        labelled = draw(self.e, "labelled") if self.categories and self.labelled else None
        with self.update(self.e) as up:  # E's update begins with the codes, which D sees first
            up.batches.append(("the real batch", real))
            codes = self.run_E(up, real, "E for E", track=False)
            metrics = self.update_discriminator(real, told, codes)
            metrics |= self.descend(up, codes, labelled, told)
            if self.vat is not None:
                metrics["e_vat"] = up.smooth(self.E, self.vat, real, reach, self.latent)
        return metrics | {"e_grad_norm": up.norm} | self.update_autoencoder(real)

    @atomically
    def update_discriminator(
        self, real: Array, rows: Array | None = None, codes: Encoded | None = None, condition: Array | None = None
    ) -> dict[str, Array]:
        """D tells draws from the prior from codes; so does D_y.

        rows: what D is told of the labels, (n, parts + 1). codes: of these samples, by default E is run for them.
        condition: what E is given beside.
        """
        n, of_y = len(real), self._nothing
        with self.update(self.d) as up:
            if codes is None:
                codes = self.run_E(up, real, "E for D", condition)
            z = up.arena.empty(codes.z.shape, self.dtype)
            part = None if rows is None else self._parts(rows, up.arena, up.stream("z"))
            judged = self.judging(up, self.noise_prior.draw(z, up.arena, up.stream("z"), part), codes.z, rows)
            loss, verdicts = self.objective.classify(judged.real, judged.fakes, up.arena, judged.grads)
            penalty = judged.back()
            if self.judging_y is not None:
                y = self._codes.codes[0].draw(n, self.dtype, up.arena, up.stream("y"))
                judged = self.judging_y(up, y, codes.y, None, (purpose_of("D_y on y"), purpose_of("D_y on E(x)")))
                of_y, _ = self.objective.classify(judged.real, judged.fakes, up.arena, judged.grads)
                more = judged.back()
                penalty = more if penalty is None or more is None else penalty + more
            up.loss = loss + of_y
        return {
            **dict(zip(VERDICTS, verdicts, strict=True)),
            "d_loss": loss, "d_categories": of_y, "d_penalty": self._nothing if penalty is None else penalty,
            "d_grad_norm": up.norm,
        }  # fmt: skip

    def descend(
        self, up: Update, codes: Encoded, labelled: tuple[Array, Array] | None, rows: Array | None = None
    ) -> dict[str, Array]:
        """E's losses: that D takes codes for draws from the prior, and that categories are the labels."""
        loss, dz = self.through_D(up, codes, rows)
        dy, of_y, of_labels = None, self._nothing, self._nothing
        if self.D_y is not None:
            on_y, back_y = up.run(self.D_y, codes.y, "D_y for E", on="categories")
            of_y, dlogits = self.objective.generator(on_y, up.arena)
            dy = back_y(dlogits)
        codes.back(dz, dy)
        if labelled is not None:
            samples, labels = labelled
            said, back_E = up.run(self.E, samples, "E on labels", on="labelled samples", track=False)
            of_labels, dlogits = softmax_cross_entropy(self._columns(said, up.arena), labels, up.arena)
            dsaid = up.arena.empty(said.shape, self.dtype)
            dsaid[:, : self.latent], dsaid[:, self.latent :] = 0, dlogits
            back_E(dsaid, inputs=False)
        up.loss = loss + of_y + of_labels
        return {"e_loss": loss, "e_categories": of_y, "e_labels": of_labels, "e_vat": self._nothing}

    def through_D(self, up: Update, codes: Encoded, rows: Array | None = None) -> tuple[Array, Array]:
        """E's loss on D, and its gradient with respect to z."""
        on_codes, back_D = up.run(self.D, codes.z, "D for E", on="codes", condition=rows)
        loss, dlogits = self.objective.generator(on_codes, up.arena)
        return loss, back_D(dlogits)[:, : self.latent]

    @atomically
    def update_autoencoder(self, real: Array) -> dict[str, Array]:
        """E and G descend the error of reconstruction."""
        with self.update(self.g) as up:
            up.batches.append(("the real batch", real))
            codes = self.run_E(up, real, "E for G")
            again, back_G = up.run(self.G, self._latents(codes.z, codes.y, up.arena), Purpose.G_FOR_G)
            up.loss, dagain = self.reconstruct(again, real, up.arena)
            dlatents = back_G(dagain)
            codes.back(dlatents[:, : self.latent], None if codes.y is None else dlatents[:, self.latent :])
        return {"g_loss": up.loss, "g_grad_norm": up.norm}

    def run_E(
        self, up: Update, samples: Array, name: str, condition: Array | None = None, track: bool = True
    ) -> Encoded:
        """What E says of samples, in an update of a player that has it. Its way back can be gone once."""
        said, way = up.run(self.E, samples, name, on="real samples", track=track, condition=condition)
        z, rest = up.arena.empty((len(said), self.latent), self.dtype), said[:, self.latent :]
        self.backend.xp.copyto(z, said[:, : self.latent])
        y = self.read(rest) if rest.shape[1] else None

        def back(dz: Array, dy: Array | None) -> None:
            dsaid = up.arena.empty(said.shape, self.dtype)
            dsaid[:, : self.latent] = dz
            if y is not None:
                dsaid[:, self.latent :] = 0 if dy is None else self.read_back(y, dy)
            way(dsaid, inputs=False)

        return Encoded(z, y, back)

    def read(self, said: Array) -> Array:
        """y, of what E says beyond z."""
        return softmax(said, self.backend.xp)

    def read_back(self, y: Array, dy: Array) -> Array:
        """The way back: with y = softmax(l), dl = y ⊙ (dy − Σ_k dy_k y_k)."""
        return y * (dy - (dy * y).sum(axis=1, keepdims=True))

    def reconstruct(self, again: Array, real: Array, arena: FreshArena) -> tuple[Array, Array]:
        """The error of what G has made of codes, and its gradient."""
        return mean_squared_error(again, real, arena)

    @property
    def begun(self) -> int:
        return self.d.updates.value

    def begin(self, draw: Any, updates: int) -> None:
        """D alone, until it has made so many updates."""
        while self.begun < updates:
            real, *rows = draw(self.d)
            self.update_discriminator(real, rows[0] if self.knows_parts else None)

    # --- and what it needs -------------------------------------------------------------------------------------

    def draw_latents(self, n: int, stream: Stream, arena: FreshArena, labels: Array | None = None) -> Array:
        """n random latents, z and y. labels: one-hot, of the parts of the prior where D is told labels."""
        if not self.knows_parts or labels is None:
            return super().draw_latents(n, stream, arena, labels)
        rows = arena.empty((n, self.noise_prior.parts + 1), self.dtype)
        rows[:, :-1], rows[:, -1:] = labels, 0
        z = arena.empty((n, self.latent), self.dtype)
        return self.noise_prior.draw(z, arena, stream, self._parts(rows, arena, stream))

    @property
    def knows_parts(self) -> bool:
        """Whether each class has a part of the prior."""
        return bool(self.labelled) and not self.categories

    def _parts(self, rows: Array, arena: FreshArena, stream: Stream) -> Array:
        """The part that each row tells, a random one where it tells none: (n, 1), as floats."""
        xp, k = self.backend.xp, self.noise_prior.parts
        told = (rows[:, :k] * xp.arange(k, dtype=self.dtype)).sum(axis=1, keepdims=True)
        return told + rows[:, k:] * self.noise_prior.random_parts(len(rows), self.dtype, arena, stream)

    def _latents(self, z: Array, y: Array | None, arena: FreshArena) -> Array:
        if y is None:
            return z
        latents = arena.empty((len(z), self.latent + y.shape[1]), self.dtype)
        latents[:, : self.latent], latents[:, self.latent :] = z, y
        return latents

    def _columns(self, said: Array, arena: FreshArena) -> Array:
        """The logits of y."""
        logits = arena.empty((len(said), self.categories), self.dtype)
        self.backend.xp.copyto(logits, said[:, self.latent :])
        return logits

    # --- data and networks -------------------------------------------------------------------------------------

    def sources(self, data: Any, labels: Any = None) -> dict[str, tuple[Array, ...]]:
        """Images, with what D is told of their labels; those that E is told the labels of."""
        images = on_backend(data, self.sample_shape, self.backend, self.dtype)
        look_at_data(self.G, images, None, None)
        real = (images,) if self.vat is None else self.vat.source(images, self.backend, self.dtype)
        if not self.labelled:
            return {"real": real}
        k, missing = self.classes, f"{self.labelled} are to be learned"
        rows, chosen = few_labels(data, labels, k, len(images), self.labelled, self.split, missing)
        if self.categories:
            where = self.backend.asarray(chosen)
            return {"real": real, "labelled": (images[where], self.backend.asarray(rows[chosen], self.dtype))}
        told = np.zeros((len(images), k + 1))
        told[:, k] = 1
        told[chosen, :k], told[chosen, k] = rows[chosen], 0
        return {"real": (images, self.backend.asarray(told, self.dtype))}

    def size(self, source: str, batch: int) -> int:
        return min(self.told or batch, self.labelled) if source == "labelled" else batch

    def panels(self) -> list[Panel]:
        losses = {"d_loss": "D", "e_loss": "E", "d_categories": "D_y", "e_categories": "E on D_y", "e_labels": "labels"}
        return [
            Panel("Error of reconstruction", "mean square", {"g_loss": "E and G"}),
            Panel("Losses of the discriminator D and the encoder E", "loss", losses),
            Panel(
                "What D makes of draws from the prior, D(z), and of codes, D(E(x))",
                "D's mean output", {"d_real": "D(z)", "d_fake": "D(E(x))"}, (0.0, 1.0),
            ),
        ]  # fmt: skip

    def equilibrium(self) -> dict[str, float]:
        known = self.objective.equilibrium()
        return {"e_loss" if name == "g_loss" else name: value for name, value in known.items()}

    @classmethod
    def check_description(cls, description: Mapping[str, Any], shapes: Shapes) -> None:
        budget, k = Budget(description, shapes), integer("categories", description["categories"], least=0)
        latent, times = integer("latent", description["latent"]), 1 + PENALTY * len(description.get("penalties", []))
        if samples := budget.passed("G", (2, latent + k)):
            budget.passed("E", samples)
        told = get_prior(build(description["prior"])).parts + 1 if description["labelled"] and not k else 0
        budget.passed("D", (2, latent + told), times)
        if k:
            budget.passed("D_y", (2, k), times)

    @property
    def given(self) -> int:
        """How many numbers E is given beside a sample."""
        return 0

    def check_networks(self) -> tuple[int, ...]:
        """Two samples through all networks. Returns their shape; raises ValueError for a mismatch."""
        require_one_place(self.networks)
        told, codes = self.noise_prior.parts + 1 if self.knows_parts else 0, self._codes.width
        if self.knows_parts and told < 3:
            raise ValueError(
                f"{self.labelled} labels are told to D, which needs a prior with a part for each class, not "
                f"{self.noise_prior}; or give E categories"
            )
        zeros = partial(self.backend.zeros, dtype=self.dtype)
        samples, _ = self.G(zeros((2, self.latent + codes)), train=False)
        self._check("E", self.E, samples, self.given, self.latent + codes)
        looks = [("D", self.D, self.latent, told, self.judging)]
        if self.D_y is not None and self.judging_y is not None:
            looks.append(("D_y", self.D_y, codes, 0, self.judging_y))
        for name, net, width, given, judging in looks:
            self._check(name, net, zeros((2, width)), given, 1)
            judging.check(zeros((2, width)), zeros((2, given)) if given else None, self.seed)
        return tuple(samples.shape[1:])

    def _check(self, name: str, net: Sequential, x: Array, given: int, outputs: int) -> None:
        beside = f", with {given} more numbers beside" if given else ""
        try:
            y, _ = net(x, train=False, condition=self.backend.zeros((2, given), self.dtype) if given else None)
        except ValueError as error:
            raise ValueError(f"{name} cannot take {tuple(x.shape[1:])}{beside}: {error}") from None
        if y.shape != (2, outputs):
            raise ValueError(f"{name} must end in {outputs} numbers, (N, {outputs}); it gives {tuple(y.shape)}")

    # --- what it says ------------------------------------------------------------------------------------------

    def in_turn(self, n: int) -> np.ndarray[Any, Any] | None:
        return np.arange(n) % self.noise_prior.parts if self.knows_parts else super().in_turn(n)

    def asked_of_prior(self, label: Any, n: int) -> Array | None:
        if label is None or not self.knows_parts:
            return None
        return self.backend.asarray(Label(self.noise_prior.parts).encode(label, n), self.dtype)

    def ask_label(self, z: np.ndarray[Any, Any], label: Any) -> None:
        if not self.knows_parts:  # or else the prior was asked
            super().ask_label(z, label)

    def said(self, samples: Array, averaged: bool = True) -> np.ndarray[Any, Any]:
        """What E says of samples (N, ...), floats in [−1, 1] or uint8: z and the logits of y, (N, latent + k).

        averaged: by the average of E, if this game keeps one.
        """
        x = on_backend(samples, self.sample_shape, self.backend, self.dtype)
        return self.passed(self.average_of(self.E) if averaged else self.E, x)

    def latents_of(self, samples: Array, averaged: bool = True) -> np.ndarray[Any, Any]:
        """z and y of samples, as G takes them, (N, latent + k); samples, averaged: as of `said`."""
        said = self.said(samples, averaged)
        if (rest := said[:, self.latent :]).size:
            said[:, self.latent :] = self.backend.to_numpy(self.read(self.backend.asarray(rest)))
        return said

    def encode(self, samples: Array, averaged: bool = True) -> np.ndarray[Any, Any]:
        """The codes z of samples, (N, latent); samples, averaged: as of `said`."""
        return self.said(samples, averaged)[:, : self.latent]

    def classify(self, samples: Array, averaged: bool = True) -> np.ndarray[Any, Any]:
        """The probabilities y of the categories of samples, (N, k); samples, averaged: as of `said`.

        Where D was told labels it is 1 for the part of the prior that a code lies in.
        """
        said = self.said(samples, averaged)
        if self.categories:
            return np.asarray(softmax(said[:, self.latent :], np))
        if not self.knows_parts:
            raise ValueError("this E says nothing of categories; encode gives the codes of samples")
        return np.asarray(np.eye(self.noise_prior.parts)[self.noise_prior.part_of(said)])

    @property
    def classes(self) -> int:
        """K, of what `classify` says."""
        return self.categories or self.noise_prior.parts

    def predict(self, samples: Array, labels: Any = None) -> list[np.ndarray[Any, Any]]:
        """The probabilities of the categories, as the only item of a list, which other games have more of."""
        return [self.classify(samples)] if self.categories else []
