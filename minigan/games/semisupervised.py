"""The semi-supervised GAN: D is a classifier that learns from a few labels, from images without any, and from fakes.

T. Salimans et al., "Improved Techniques for Training GANs", 2016, sections 3.1 and 5.

D has a logit l_k for each of K classes. A fake is a class of its own, whose logit may be held at 0, since only
differences count. So the odds of "real" against "fake" are Σ_k e^l_k to 1, and the logit of "real" is

    r = LSE(l) = log Σ_k e^l_k            dr/dl = softmax(l)

which plays the game of 2014 as D's one output does there. D descends

    E −log softmax(l)_y                                      on labelled images
    + ½ E softplus(−r(x)) + ½ E softplus(r(G(z)))            on images without labels, and on fakes
    − weight · I(x; class)                                   on images without labels, if asked for (CatGAN)

and G the distance of the mean features of D, on fakes and on images that D did not see in this turn (feature matching):
a G that makes perfect samples would teach D nothing, one that makes samples from around the data pushes the boundaries
between the classes to where there is no data.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from ..atomic import atomically
from ..backend import FreshArena, Purpose, Stream
from ..game.fitting import few_labels, look_at_data, on_backend
from ..game.generating import require_one_place
from ..game.judging import Judging
from ..game.pair import Pair
from ..game.player import Player
from ..game.update import purpose_of
from ..gan import VERDICTS
from ..nn import Sequential
from ..objectives import FeatureMatching, NonSaturating, Objective, information, softmax, softmax_cross_entropy
from ..optim import Adam, Optimizer
from ..priors import Prior
from ..spec import integer, number
from ..vat import VAT

Array = Any

METRICS = (
    "d_loss",  # D's loss on images without labels and on fakes, without the half
    "g_loss",  # G's
    "d_labels",  # D's loss on labelled images
    "d_information",  # what D's classes say about images without labels, in nats, 0 where it is not asked for
    "d_vat",  # of virtual adversarial training, 0 where there is none
    "d_accuracy_real",  # share of images without labels that D takes for real
    "d_accuracy_fake",  # share of fakes that D takes for fake
    "d_real",  # mean probability of "real", σ(r)
    "d_fake",  # of fakes
    "d_grad_norm",
    "g_grad_norm",
)
BEGINNING = 500  # images from which weight-normalised layers begin


class SemiSupervised(Pair):
    """A GAN whose D classifies.

    G: maps latents (N, latent) to samples. D: maps samples to K logits, one for each class; it must not mix the samples
    of a batch. Weight-normalised layers of D begin with lengths and biases that 500 images ask for
    (`Sequential.begin_on`).
    labelled: how many labels D is told, the same number of each class. told: how many of them in one update, at most;
        as many as the minibatch has by default.
    split: which; the first of each class in `np.random.RandomState(split).permutation`, as in the authors' program.
    adversary: weight of the game in D's loss; at 0 D learns as if there were no G.
    information: weight of the mutual information of images without labels and their classes (`objectives.information`).
    vat: weight of virtual adversarial training on images without labels (vat.py), an object or None.
    objective: what G descends: "feature-matching" (default), or "non-saturating", with r as D's output.
    optimizer: the update rule of both, default Adam(3e-3, beta1=0.5); d_optimizer: another one for D.
    average: decay of the average of D that classifies, and of the G that makes samples; 0 for none.
    prior, latent, seed: as of `GAN`.

    Raises ValueError for networks that do not fit.

    >>> import minigan, numpy as np
    >>> G = minigan.Sequential(minigan.Dense(2, 8), minigan.ReLU(), minigan.Dense(8, 2), seed=1)
    >>> D = minigan.Sequential(minigan.Dense(2, 8), minigan.ReLU(), minigan.Dense(8, 2), seed=2)
    >>> x = np.random.default_rng(0).normal(0, 0.3, (200, 2)).astype("float32") + [[-1, 0], [1, 0]] * 100
    >>> game = SemiSupervised(G, D, labelled=4, seed=0)
    >>> history = game.fit(x.astype("float32"), steps=100, labels=np.arange(200) % 2)
    >>> game.classify(np.array([[-1.0, 0.0], [1.0, 0.0]])).argmax(axis=1).tolist()
    [0, 1]
    """

    metrics: ClassVar[tuple[str, ...]] = METRICS
    headline: ClassVar[Mapping[str, str]] = {
        "d_labels": "labels", "d_loss": "D loss", "g_loss": "G loss", "d_real": "D(x)", "d_fake": "D(G(z))",
    }  # fmt: skip

    def __init__(
        self,
        G: Sequential,
        D: Sequential,
        *,
        labelled: int = 100,
        split: int = 1,
        told: int | None = None,
        adversary: float = 1.0,
        information: float = 0.0,
        vat: VAT | None = None,
        objective: str | Objective = "feature-matching",
        optimizer: Optimizer | None = None,
        d_optimizer: Optimizer | None = None,
        average: float = 0.0,
        prior: str | Prior = "normal",
        latent: int | None = None,
        seed: int = 0,
    ) -> None:
        self.begin_pair(G, D, objective, prior, latent, seed)
        self.labelled, self.split = integer("labelled", labelled, least=2), integer("split", split, least=0, bits=32)
        self.told = None if told is None else integer("told", told)
        self.adversary, self.vat = number("adversary", adversary, "[0, inf)"), vat
        self.information = number("information", information, "[0, inf)")
        if type(self.objective) not in (NonSaturating, FeatureMatching):
            raise ValueError(f"G can match features or be non-saturating here, not {self.objective}")
        self.optimizer = Adam(3e-3, beta1=0.5) if optimizer is None else optimizer
        self.d_optimizer = self.optimizer if d_optimizer is None else d_optimizer
        self.d = Player("D", self.d_optimizer, D, average=average, backend=G.backend)
        self.g = Player("G", self.optimizer, G, average=average)
        self.average = self.d.average
        self.judging, self.d_steps = Judging(D, self.g.updates), 1
        self.sample_shape: tuple[int, ...] = self.check_networks()

    # --- the algorithm -----------------------------------------------------------------------------------------

    def turn(self, draw: Any) -> dict[str, Array]:
        """An update of D on three batches, then one of G on a batch that D did not see."""
        metrics = self.update_discriminator(*draw(self.d, "labelled"), *draw(self.d))
        return metrics | self.update_generator(*draw(self.g, "matched"))

    def begin(self, draw: Any, updates: int) -> None:
        """D alone, until it has made so many updates."""
        while self.d_updates < updates:
            self.update_discriminator(*draw(self.d, "labelled"), *draw(self.d))

    @atomically
    def update_discriminator(
        self, labelled: Array, labels: Array, real: Array, reach: Array | None = None
    ) -> dict[str, Array]:
        """D descends its losses on labelled images (labels: one-hot), on images without labels, and on as many fakes.

        reach: of the images without labels, if VAT is relative to it.
        """
        n, m = len(real), len(labelled)
        with self.update(self.d) as up:
            up.batches += [("the real batch", real), ("the labelled batch", labelled)]
            fakes, _ = up.run(self.G, self.draw_latents(n, up.stream(Purpose.LATENT_D), up.arena), Purpose.G_FOR_D)
            batch = up.arena.stacked([labelled, real, fakes], self.D.dtype)
            what = "labelled, real and generated samples"
            logits, back = up.run(self.D, batch, Purpose.D_REAL, on=what, parts=(m, n, n))
            grad = up.arena.empty(logits.shape, self.D.dtype)
            on_labels, grad[:m] = softmax_cross_entropy(logits[:m], labels, up.arena)
            r, shares = real_logit(logits[m:], up.arena)
            dr = up.arena.empty(r.shape, self.D.dtype)
            loss, verdicts = GAME.classify(r[:n], r[n:], up.arena, (dr[:n], dr[n:]))
            dr *= 0.5 * self.adversary
            self.backend.xp.multiply(shares, dr, out=grad[m:])
            up.loss, known = on_labels + 0.5 * self.adversary * loss, self._nothing
            if self.information:
                less, dinformation, *_ = information(logits[m : m + n], 1.0, up.arena)
                dinformation *= self.information
                grad[m : m + n] += dinformation
                up.loss, known = up.loss + self.information * less, -less
            back(grad, inputs=False)
            smooth = self._nothing if self.vat is None else up.smooth(self.D, self.vat, real, reach)
        return {
            **dict(zip(VERDICTS, verdicts, strict=True)), "d_loss": loss, "d_labels": on_labels,
            "d_information": known, "d_vat": smooth, "d_grad_norm": up.norm,
        }  # fmt: skip

    @atomically
    def update_generator(self, real: Array) -> dict[str, Array]:
        """G descends its loss on as many fakes as there are real images, through a D that is held fixed."""
        n, depth = len(real), self.objective.depth(self.D)
        with self.update(self.g) as up:
            up.batches.append(("the real batch", real))
            fakes, back_G = up.run(self.G, self.draw_latents(n, up.stream(Purpose.LATENT_G), up.arena), Purpose.G_FOR_G)
            on_fakes, back_D = up.run(self.D, fakes, Purpose.D_FOR_G, on="fakes", depth=depth)
            if self.objective.compares:
                on_real, _ = up.run(self.D, real, Purpose.D_FOR_G_REAL, on="real samples", depth=depth)
                up.loss, grad = self.objective.generator(on_fakes, up.arena, on_real)
            else:
                r, shares = real_logit(on_fakes, up.arena)
                up.loss, dr = self.objective.generator(r, up.arena)
                grad = self.backend.xp.multiply(shares, dr, out=shares)
            back_G(back_D(grad).reshape(fakes.shape), inputs=False)
            self.last_fakes = fakes
        return {"g_loss": up.loss, "g_grad_norm": up.norm}

    def meet(self, draw: Any) -> None:
        """D's weight-normalised layers begin as data ask for."""
        (images,) = draw(self.d, "beginning")
        self.D.begin_on(images, Stream(self.seed, purpose_of("beginning")))

    # --- data and networks -------------------------------------------------------------------------------------

    def sources(self, data: Any, labels: Any = None) -> dict[str, tuple[Array, ...]]:
        """Images three times, each in an order of its own, and those of which the label is known."""
        images = on_backend(data, self.sample_shape, self.backend, self.dtype)
        missing, of = f"D must learn {self.labelled}", (self.classes, len(images), self.labelled, self.split)
        rows, chosen = few_labels(data, labels, *of, missing)
        look_at_data(self.G, images, None, None)
        chosen = self.backend.asarray(chosen)
        told = images[chosen], self.backend.asarray(rows, self.dtype)[chosen]
        real = (images,) if self.vat is None else self.vat.source(images, self.backend, self.dtype)
        return {"real": real, "labelled": told, "matched": (images,), "beginning": (images,)}

    def size(self, source: str, batch: int) -> int:
        return {"labelled": min(self.told or batch, self.labelled), "beginning": BEGINNING}.get(source, batch)

    def parts(self, source: str) -> int:
        return 0 if source == "beginning" else 1

    def place(self, source: str, n: int, shape: tuple[int, ...]) -> None:
        return None

    @property
    def diagnosed(self) -> bool:
        return False

    @property
    def classes(self) -> int:
        """K."""
        return self._classes

    def check_networks(self) -> tuple[int, ...]:
        G, D = self.G, self.D
        require_one_place({"G": G, "D": D})
        if D.mixes_samples:
            raise ValueError("D sees labelled, real and generated samples as one batch: it may have no BatchNorm")
        fakes, _ = G(G.backend.zeros((2, self.latent), G.dtype), train=False)
        shape: tuple[int, ...] = tuple(fakes.shape[1:])
        try:
            logits, _ = D(fakes, train=False)
        except ValueError as error:
            raise ValueError(f"D cannot take G's samples of shape {shape}: {error}") from None
        if logits.ndim != 2 or logits.shape[1] < 2:
            raise ValueError(f"D must end in a logit for each class, (N, 2) or more; it gives {tuple(logits.shape)}")
        self._classes = int(logits.shape[1])
        self.objective.depth(D)
        return shape

    # --- what D says -------------------------------------------------------------------------------------------

    def classify(self, images: Array, averaged: bool = True) -> np.ndarray[Any, Any]:
        """The probabilities of the classes for images (N, ...), floats in [-1, 1] or uint8: (N, K).

        averaged: of the average of D, if this game keeps one.
        """
        D = self.average_of(self.D) if averaged else self.D
        x = on_backend(images, self.sample_shape, self.backend, self.dtype)
        return np.asarray(softmax(self.passed(D, x), np))


GAME = NonSaturating()  # what D descends on images without labels and fakes, with r as its output


def real_logit(logits: Array, arena: FreshArena) -> tuple[Array, Array]:
    """r = LSE(l) of logits (N, K), as (N, 1), and its gradient, softmax(l)."""
    xp, shares = arena.backend.xp, arena.empty(logits.shape, logits.dtype)
    most = logits.max(axis=1, keepdims=True)
    xp.exp(xp.subtract(logits, most, out=shares), out=shares)
    total = shares.sum(axis=1, keepdims=True)
    xp.divide(shares, total, out=shares)
    return xp.add(xp.log(total), most, out=arena.empty((len(logits), 1), logits.dtype)), shares
