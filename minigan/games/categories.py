"""InfoGAN with a Q of its own that reads real images as well: categories that mean what the data fall into.

In InfoGAN (Chen et al. 2016) Q is D with more outputs, and learns from fakes alone: it reads what G has written.
Nothing in that loss says that *real* images fall into these categories, so what they are is luck. Here Q is a network
by itself and first of all sorts real images, without any label (W. Hu et al., "Learning Discrete Representations via
Information Maximizing Self-Augmented Training", 2017). With p = softmax(Q(x)) and p̄ its mean over a batch, it descends

    weight of information · [ E H(p) − μ H(p̄) ]       be sure of each image, and use all categories alike
    + E KL(p ‖ softmax(Q(x + r*)))                     do not change your mind where nobody sees a difference (vat.py)
    + weight of fakes · E −log softmax(Q(G(z, c)))_c   read what G has written

and G, beside D's game, −log softmax(Q(G(z, c)))_c: it must draw what Q means by c. No label is used anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from ..atomic import atomically
from ..codes import Category
from ..game.game import Shapes
from ..game.player import Player
from ..game.update import Update
from ..gan import METRICS, Fakes
from ..limits import check_budget
from ..nn import Sequential
from ..objectives import information, softmax, softmax_cross_entropy
from ..optim import Adam, Optimizer
from ..spec import integer, number
from ..vat import VAT
from .conditional import Conditional

Array = Any

READ = 4  # times as many real images in an update of Q: the mean of its answers is one over a batch


class Sorted(Category):
    """A category that D knows nothing of."""

    predicted = False


class Categories(Conditional):
    """A GAN whose G is asked for one of k categories, which a third network, Q, has found in real images.

    G: maps noise and a category (N, latent + k) to samples; D: samples to one logit. Q: samples to k logits.
    k: how many categories.
    information, balance: weight of the information in Q's answers, and μ in it. vat: a VAT object, or None.
    fakes: weight of Q's loss on fakes. weight: of the category in G's loss.
    q_optimizer: Q's update rule, default Adam(1e-3). q_average: decay of the average of Q that answers; 0 for none.
    options: as of `GAN`.

    Raises ValueError for networks that do not fit.
    """

    metrics: ClassVar[tuple[str, ...]] = (
        *METRICS,
        "q_loss",  # Q's loss, with its weights, without VAT
        "q_vat",  # of virtual adversarial training, 0 where there is none
        "q_sure",  # mean entropy of its answers, in nats
        "q_varied",  # entropy of its mean answer; log k where all categories are alike
        "q_grad_norm",
    )

    def __init__(
        self,
        G: Sequential,
        D: Sequential,
        Q: Sequential,
        *,
        k: int = 10,
        information: float = 0.1,
        balance: float = 4.0,
        vat: VAT | None = None,
        fakes: float = 0.0,
        weight: float = 1.0,
        q_optimizer: Optimizer | None = None,
        q_average: float = 0.0,
        **options: Any,
    ) -> None:
        self.Q, self.vat = Q, vat
        self.information = number("information", information, "[0, inf)")
        self.balance = number("balance", balance, "(0, inf)")
        self.fakes, self.weight = number("fakes", fakes, "[0, inf)"), number("weight", weight, "(0, inf)")
        self.q_optimizer = Adam(1e-3) if q_optimizer is None else q_optimizer
        self.q_average = number("q_average", q_average, "[0, 1)")
        self.q = Player("Q", self.q_optimizer, Q, average=self.q_average)
        self.k = integer("k", k, least=2)
        super().__init__(G, D, codes=[Sorted(k)], **options)
        answers, _ = Q(Q.backend.zeros((2, *self.sample_shape), Q.dtype), train=False)
        if answers.shape != (2, k):
            raise ValueError(f"Q must end in a logit for each of {k} categories, (N, {k}); it gives {answers.shape}")

    @classmethod
    def argument_names(cls) -> list[str]:
        G, D, _codes, *options = Conditional.argument_names()
        own = ["k", "information", "balance", "vat", "fakes", "weight", "q_optimizer", "q_average"]
        return [G, D, "Q", *own, *options]

    @classmethod
    def check_description(cls, description: Mapping[str, Any], shapes: Shapes) -> None:
        check_budget({**description, "codes": [Sorted(description["k"]).describe()]}, shapes, others=("Q",))

    # --- the algorithm -----------------------------------------------------------------------------------------

    def turn(self, draw: Any) -> dict[str, Array]:
        """An update of Q, and then a turn of D and G."""
        return self.update_reader(*draw(self.q, "read")) | super().turn(draw)

    @atomically
    def update_reader(self, real: Array, reach: Array | None = None) -> dict[str, Array]:
        """Q sorts real images, and reads fakes. reach: of these images, if VAT is relative to it."""
        with self.update(self.q) as up:
            up.batches.append(("the real batch", real))
            logits, back = up.run(self.Q, real, "Q", on="real samples")
            up.loss, grad, sure, varied = information(logits, self.balance, up.arena)
            up.loss *= self.information
            grad *= self.information
            back(grad, inputs=False)
            if self.fakes:
                up.loss = up.loss + self.fakes * self._read_fakes(up, len(real) // READ)
            smooth = self._nothing if self.vat is None else up.smooth(self.Q, self.vat, real, reach)
        return {"q_loss": up.loss, "q_vat": smooth, "q_sure": sure, "q_varied": varied, "q_grad_norm": up.norm}

    def _read_fakes(self, up: Update, n: int) -> Array:
        z = self.draw_latents(n, up.stream("z for Q"), up.arena)
        fakes, _ = up.run(self.G, z, "G for Q")
        logits, back = up.run(self.Q, fakes, "Q on fakes", on="fakes", track=False)
        loss, grad = softmax_cross_entropy(logits, z[:, self.latent :], up.arena)
        grad *= self.fakes
        back(grad, inputs=False)
        return loss

    def descend(self, up: Update, fakes: Fakes, real: Array | None = None, labels: Array | None = None) -> Array:
        """G's losses on fakes: that D takes them for real, and that Q reads in them what G was asked for."""
        dfakes = self.through_D(up, fakes, real)
        answers, back_Q = up.run(self.Q, fakes.samples, "Q for G", on="fakes")
        term, danswers = softmax_cross_entropy(answers, fakes.latents[:, self.latent :], up.arena)
        danswers *= self.weight
        term = term * self.weight
        up.terms.append(term)
        dfakes += back_Q(danswers).reshape(dfakes.shape)
        fakes.back(dfakes, inputs=False)
        self.last_fakes = fakes.samples
        return term

    # --- data, and what Q says ---------------------------------------------------------------------------------

    def sources(self, data: Any, labels: Any = None) -> dict[str, tuple[Array, ...]]:
        """Images twice, each in an order of its own."""
        known = super().sources(data, labels)
        images = known["real"][:1]
        return {**known, "read": images if self.vat is None else self.vat.source(images[0], self.backend, self.dtype)}

    def size(self, source: str, batch: int) -> int:
        return READ * batch if source == "read" else super().size(source, batch)

    def place(self, source: str, n: int, shape: tuple[int, ...]) -> Array | None:
        return None if source == "read" else super().place(source, n, shape)

    def predict(self, samples: Array, labels: Any = None) -> list[np.ndarray[Any, Any]]:
        """Q's answers to samples (N, ...): the probabilities of the categories (N, k), as the only item of a list."""
        return [softmax(self.passed(self.average_of(self.Q), self.samples(samples)), np)]
