"""Words into pictures: G draws what a sentence asks for, and D must read to tell.

S. Reed et al., "Generative Adversarial Text to Image Synthesis", 2016 (GAN-CLS and GAN-INT).

T reads a sentence and says what it means, φ = T(t). G draws of noise and φ. D sees a picture, and M says whether what D
has seen is a real picture, and is what the sentence says: s(x, t) = σ(M(D(x), T(t))). With t right of x and t̂ wrong

    D, M, T ascend    E log s(x, t) + ½ E log(1 − s(G(z, φ), t)) + ½ E log(1 − s(x, t̂))
    G descends        −E log s(G(z, φ), t) − E log s(G(z, φ̄), φ̄),     φ̄ = ½ (φ₁ + φ₂)

The wrong pairs are what makes D read: real pictures, at which nothing else is wrong. Without them it reads only where
that tells fakes from real pictures, and as long as it can tell them by themselves G need not obey. T learns in D's
update, from what tells right sentences from wrong ones, and G takes its meanings as they are. φ̄, between two sentences,
is a meaning that no sentence of the data may have; D never learns from those pictures, but G must draw something there
that D takes for right.

A sentence is a row of numbers, word i of the vocabulary being i + 1, and 0 none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from ..atomic import atomically
from ..backend import FreshArena, Purpose, Stream
from ..codes import Code, Codes
from ..datasets.texts import numbers_of
from ..game.fitting import look_at_data, on_backend
from ..game.game import Panel, Shapes
from ..game.generating import Generating, require_one_place
from ..game.judging import Judging
from ..game.player import Player
from ..game.update import Update, purpose_of
from ..gan import Fakes
from ..limits import Budget
from ..nn import Sequential
from ..objectives import Objective, get_objective
from ..optim import Adam, Optimizer, Schedule
from ..priors import Prior
from ..spec import integer, number

Array = Any

METRICS = (
    "d_loss",  # the loss of D, M and T
    "g_loss",  # G's loss
    "d_real",  # mean s(x, t) of real pictures and what is right of them, a probability or a score
    "d_fake",  # of G's pictures and what they were asked to be
    "d_wrong",  # of real pictures and what is wrong of them; 0 where there are no wrong pairs
    "d_accuracy_real",  # share of right pairs that are taken for such
    "d_accuracy_fake",  # share of G's that are not
    "d_accuracy_wrong",  # share of wrong ones that are not
    "d_grad_norm",
    "g_grad_norm",
)
EXAMPLES = 64  # sentences that a game remembers, to show what it draws


class Meaning(Code):
    """What T makes of a sentence, so many numbers: not to be drawn, and not to be predicted."""

    predicted = False

    def __init__(self, width: int) -> None:
        self.width = integer("width", width)


class Words(Generating):
    """A GAN that is asked in words.

    G: maps noise and a meaning (N, latent + m) to samples. D: maps samples to features (N, F). M: maps features and a
        meaning (N, F + m) to one logit. T: maps sentences (N, length) to meanings (N, m).
    vocabulary: the words. length: of the longest sentence.
    wrong: whether D is shown wrong pairs (GAN-CLS). interpolate: in its update G also draws so many pictures more, as a
        share, at most ½, of meanings halfway between two (GAN-INT).
    objective, optimizer, d_optimizer (of D, M and T), instance_noise, prior, latent, seed: as of `GAN`. average: decay
        of the averages of all networks; 0 for none.

    Data are an object with `images`, `vocabulary`, `sentences`, `right` and `wrong`, such as a Captioned of
    datasets/captions.py.

    Raises ValueError for networks that do not fit and options that contradict each other.

    >>> import minigan
    >>> from minigan import Bag, Dense, Embedding, Flatten, ReLU, Reshape, Sequential, Tanh
    >>> from minigan.datasets.captions import captioned
    >>> data = captioned(minigan.datasets.load("digits", size=8))
    >>> G = Sequential(Dense(4 + 3, 64), Tanh(), Reshape(8, 8), seed=1)
    >>> D = Sequential(Flatten(), Dense(64, 16), ReLU(), seed=2)
    >>> M, T = Sequential(Dense(16 + 3, 1), seed=3), Sequential(Embedding(71, 3), Bag(), seed=4)
    >>> game = minigan.Words(G, D, M, T, vocabulary=data.vocabulary, length=data.sentences.shape[1], seed=0)
    >>> history = game.fit(data, steps=3)
    >>> game.pictures(["a thick seven", "a thin 3, not leaning"]).shape
    (2, 8, 8)
    """

    metrics: ClassVar[tuple[str, ...]] = METRICS
    headline: ClassVar[Mapping[str, str]] = {
        "d_loss": "D loss", "g_loss": "G loss", "d_real": "s(x, right)", "d_wrong": "s(x, wrong)",
        "d_fake": "s(G(z, t), t)",
    }  # fmt: skip

    def __init__(
        self,
        G: Sequential,
        D: Sequential,
        M: Sequential,
        T: Sequential,
        *,
        vocabulary: Sequence[str],
        length: int,
        wrong: bool = True,
        interpolate: float = 0.0,
        objective: str | Objective = "non-saturating",
        optimizer: Optimizer | None = None,
        d_optimizer: Optimizer | None = None,
        instance_noise: float | Schedule = 0.0,
        average: float = 0.0,
        prior: str | Prior = "normal",
        latent: int | None = None,
        seed: int = 0,
    ) -> None:
        self.begin_as(seed)
        self.D, self.M, self.T = D, M, T
        self.vocabulary, self.length = [str(word) for word in vocabulary], integer("length", length)
        self.wrong, self.interpolate = bool(wrong), number("interpolate", interpolate, "[0, 0.5]")
        self.objective = get_objective(objective)
        if self.objective.compares or self.objective.depth(M) < len(M):
            raise ValueError(f"{self.objective} needs more than a verdict of each pair, of which there are three kinds")
        width = self._width(T)
        self._codes = Codes([Meaning(width)])
        self.begin_latents(G, prior, latent)
        self.optimizer = Adam(2e-4, beta1=0.5) if optimizer is None else optimizer
        self.d_optimizer = self.optimizer if d_optimizer is None else d_optimizer
        self.d = Player("D", self.d_optimizer, D, M, T, average=average)
        self.g = Player("G", self.optimizer, G, average=average)
        self.average, self._nothing = self.g.average, G.backend.zeros((), G.dtype)
        self.judging = Judging(D, self.g.updates, instance_noise=instance_noise)
        self.instance_noise = self.judging.noise
        self.sample_shape: tuple[int, ...] = self._check_networks(width)
        self._examples = G.backend.zeros((EXAMPLES, self.length), G.dtype)

    # --- the algorithm -----------------------------------------------------------------------------------------

    def turn(self, draw: Any) -> dict[str, Array]:
        """An update of D, M and T, and one of G on the pictures that these have just seen."""
        real, right, wrong = draw(self.d)
        with self.update(self.g) as up:  # G's update begins with the pictures, which D sees first
            right = self.one_of(up, right, "which is right")
            fakes = self.make_fakes(up, right)
            metrics = self.update_discriminator(real, right, wrong, fakes)
            self.descend(up, fakes, right)
        return metrics | {"g_loss": up.loss, "g_grad_norm": up.norm}

    @atomically
    def update_discriminator(
        self, real: Array, right: Array, wrong: Array, fakes: Fakes | None = None
    ) -> dict[str, Array]:
        """D, M and T descend their loss on three kinds of pairs; G is held fixed.

        right, wrong: sentences (n, length) for each real picture, or several of each side by side, of which one is
        chosen. fakes: pictures of the right ones; by default G is run for them.
        """
        n = len(real)
        with self.update(self.d) as up:
            up.batches.append(("the real batch", real))
            right, wrong = self.one_of(up, right, "which is right"), self.one_of(up, wrong, "which is wrong")
            if fakes is None:
                fakes = self.make_fakes(up, right)
            else:
                assert fakes.made is not None
                up.passes.append(fakes.made)
            read = up.arena.stacked([right, wrong], self.dtype) if self.wrong else right
            kinds = (1, 1) if self.wrong else (1,)
            said, back_T = up.run(self.T, read, "T", on="sentences", parts=kinds)
            seen = self.judging(up, real, fakes.samples)
            pairs = [(seen.real, said[:n]), (seen.fakes, said[:n])]
            if self.wrong:
                pairs.append((seen.real, said[n:]))
            logits, back_M = up.run(self.M, self._beside(pairs, up.arena), "M", on="pairs", parts=(1,) * len(pairs))
            grad = up.arena.empty(logits.shape, self.dtype)
            up.loss, _ = self.objective.discriminator(logits[:n], logits[n:], up.arena, (grad[:n], grad[n:]))
            dpairs, F = back_M(grad), seen.real.shape[1]
            dsaid = up.arena.empty(said.shape, self.dtype)
            seen.grads[0][...], seen.grads[1][...] = dpairs[:n, :F], dpairs[n : 2 * n, :F]
            dsaid[:n] = dpairs[:n, F:]
            dsaid[:n] += dpairs[n : 2 * n, F:]
            if self.wrong:
                seen.grads[0][...] += dpairs[2 * n :, :F]
                dsaid[n:] = dpairs[2 * n :, F:]
            back_T(dsaid, inputs=False)
            seen.back()
        verdicts, be = self.objective.verdicts, self.backend
        d_real, d_fake, on_real, on_fake = verdicts(logits[:n], logits[n : 2 * n], be)
        d_wrong, on_wrong = self._nothing, self._nothing
        if self.wrong:
            _, d_wrong, _, on_wrong = verdicts(logits[:n], logits[2 * n :], be)
        return {
            "d_loss": up.loss, "d_real": d_real, "d_fake": d_fake, "d_wrong": d_wrong, "d_accuracy_real": on_real,
            "d_accuracy_fake": on_fake, "d_accuracy_wrong": on_wrong, "d_grad_norm": up.norm,
        }  # fmt: skip

    def descend(self, up: Update, fakes: Fakes, right: Array) -> None:
        """G's loss on fakes, through D and M, beside what they were asked for; and on pictures of meanings between."""
        said, _ = up.run(self.T, right, "T for G", on="sentences")
        up.loss = self._please(up, fakes, said, "for G", 1.0)
        group = self.backend.group
        k = round(self.interpolate * len(right) * group.size)
        if k:
            n, rank = group.share(k, "the meanings between two of a minibatch,"), group.rank
            said = group.gathered(said)
            between = up.arena.empty((n, said.shape[1]), self.dtype)
            between[...] = said[rank * n : (rank + 1) * n]
            between += said[len(said) - k :][rank * n : (rank + 1) * n]
            between *= 0.5
            drawn = self._draw(up, between, "G between", track=False)
            up.loss = up.loss + self._please(up, drawn, between, "between", k / len(said))

    def _please(self, up: Update, fakes: Fakes, meanings: Array, name: str, weight: float) -> Array:
        """G's loss on pictures, beside meanings, times a weight; its gradient goes back through G."""
        inputs = self.judging.inputs(up, fakes.samples, purpose_of(f"D {name}"))
        seen, back_D = up.run(self.D, inputs, f"D {name}", on="fakes")
        logits, back_M = up.run(self.M, self._beside([(seen, meanings)], up.arena), f"M {name}", on="pairs of fakes")
        loss, dlogits = self.objective.generator(logits, up.arena)
        dlogits *= weight
        dseen = up.arena.empty(seen.shape, self.dtype)
        dseen[...] = back_M(dlogits)[:, : seen.shape[1]]
        fakes.back(back_D(dseen).reshape(fakes.samples.shape), inputs=False)
        return loss * weight

    # --- and what it needs -------------------------------------------------------------------------------------

    def make_fakes(self, up: Update, sentences: Array) -> Fakes:
        """Pictures of sentences, for an update of D or for G's own, which alone moves G's running statistics."""
        own = up.player is self.g
        meanings, _ = up.run(self.T, sentences, "T for G's pictures", on="sentences", track=False)
        meanings = up.given("meanings", meanings)  # T learns to read, not to please
        room = self.judging.room(len(sentences), self.sample_shape)  # where D will see them
        return self._draw(up, meanings, "G" if own else "G for D", out=None if room is None else room.fakes)

    def _draw(self, up: Update, meanings: Array, name: str, track: bool = True, out: Array | None = None) -> Fakes:
        """A picture of each meaning. name: of the pass. track, out: as of `Update.run`."""
        z = self.noise_prior.draw(
            up.arena.empty((len(meanings), self.latent), self.dtype), up.arena, up.stream(f"z of {name}")
        )
        latents = self._beside([(z, meanings)], up.arena)
        samples, back = up.run(self.G, latents, name, track=track, out=out)
        return Fakes(latents, samples, back, up.passes[-1])

    def one_of(self, up: Update, rows: Array, name: str) -> Array:
        """Of several sentences side by side, (n, M length), one at random: (n, length)."""
        count = rows.shape[1] // self.length
        if count == 1:
            return rows
        be, xp = self.backend, self.backend.xp
        which = up.arena.empty((len(rows), 1), self.dtype)
        be.uniform(which, up.stream(name))
        which *= count
        xp.minimum(xp.floor(which, out=which), count - 1, out=which)  # what is rounded to count is not there
        chosen = up.arena.empty((len(rows), self.length), self.dtype)
        chosen[...] = 0
        for i in range(count):
            chosen += rows[:, i * self.length : (i + 1) * self.length] * (which == i)
        return chosen

    def _beside(self, parts: Sequence[tuple[Array, Array]], arena: FreshArena) -> Array:
        """Pairs of arrays (n, a) and (n, b) as (n, a + b), one pair below the other."""
        (first, second), n = parts[0], sum(len(left) for left, _ in parts)
        joined, row = arena.empty((n, first.shape[1] + second.shape[1]), self.dtype), 0
        for left, right in parts:
            rows = slice(row, row := row + len(left))
            joined[rows, : first.shape[1]], joined[rows, first.shape[1] :] = left, right
        return joined

    @property
    def begun(self) -> int:
        return self.d.updates.value

    def begin(self, draw: Any, updates: int) -> None:
        """D, M and T alone, until they have made so many updates."""
        while self.begun < updates:
            self.update_discriminator(*draw(self.d))

    # --- data --------------------------------------------------------------------------------------------------

    def sources(self, data: Any, labels: Any = None) -> dict[str, tuple[Array, ...]]:
        """Pictures, with the sentences that are right and wrong of each, side by side."""
        if getattr(data, "sentences", None) is None:
            name = getattr(data, "name", "the data")
            raise ValueError(
                f"{name} has no captions: an object with `sentences`, such as minigan.datasets.captions.Captioned, was "
                "expected; minigan.datasets.captions.captioned makes some of labels"
            )
        images = on_backend(data, self.sample_shape, self.backend, self.dtype)
        look_at_data(self.G, images, None, None)
        numbers = self.backend.asarray(self._of_own_words(data), self.dtype)
        sides = (numbers[self.backend.asarray(rows)].reshape(len(images), -1) for rows in (data.right, data.wrong))
        return {"real": (images, *sides)}

    def _of_own_words(self, data: Any) -> np.ndarray[Any, Any]:
        """The sentences of data in the numbers of this game's words."""
        number_of = {word: i + 1 for i, word in enumerate(self.vocabulary)}
        used = np.unique(data.sentences[data.sentences > 0]) - 1
        if unknown := [data.vocabulary[i] for i in used if data.vocabulary[i] not in number_of]:
            few = ", ".join(unknown[:20])
            raise ValueError(f"{getattr(data, 'name', 'the data')} has words that this game does not know: {few}")
        if (longest := data.sentences.shape[1]) > self.length:
            raise ValueError(f"captions have up to {longest} words, but this game reads {self.length}")
        own = np.array([0, *(number_of.get(word, 0) for word in data.vocabulary)])[data.sentences]
        return np.pad(own, ((0, 0), (0, self.length - longest))).astype(self.dtype)

    def place(self, source: str, n: int, shape: tuple[int, ...]) -> Array | None:
        room = self.judging.room(n, shape)
        return None if room is None else room.real

    def meet(self, draw: Any) -> None:
        """The first sentences that are drawn stay in mind, to show what is drawn of them."""
        rows = self.backend.group.gathered(draw(self.d)[1][:, : self.length])
        for i in range(EXAMPLES):
            self._examples[i] = rows[i % len(rows)]

    def state(self) -> dict[str, Array]:
        return {"examples": self._examples}

    # --- what it draws -----------------------------------------------------------------------------------------

    def examples(self, n: int = EXAMPLES) -> list[str]:
        """n sentences of the data, each again and again where there are fewer."""
        rows = self._in_mind(n).astype(int)
        return [" ".join(self.vocabulary[word - 1] for word in row if word) for row in rows]

    def pictures(self, texts: Sequence[str], seed: int | None = None, averaged: bool = True) -> np.ndarray[Any, Any]:
        """A picture of each text, (N, ...) floats. The same seed gives the same noise every time.

        Raises ValueError for words that are unknown, naming the nearest, and for texts that are too long.
        """
        return self.drawn(numbers_of(texts, self.vocabulary, self.length), seed, averaged)

    def drawn(self, sentences: Any, seed: int | None = None, averaged: bool = True) -> np.ndarray[Any, Any]:
        """The same of sentences that are rows of numbers already, (N, length)."""
        return self.generate(self._asked(np.asarray(sentences), seed, averaged), averaged)

    def sample(
        self, n: int, seed: int | None = None, averaged: bool = True, label: Any = None, ask: Any = None
    ) -> np.ndarray[Any, Any]:
        """n pictures, of the examples in turn; `pictures` are those of sentences of one's own."""
        return self.generate(self.latents(n, seed, label, ask, averaged), averaged)

    def latents(
        self, n: int, seed: int | None = None, label: Any = None, ask: Any = None, averaged: bool = True
    ) -> np.ndarray[Any, Any]:
        """The latents (n, latent + m) of `sample`: noise, and behind it what T makes of the examples in turn."""
        if label is not None or ask:
            raise ValueError('this game is asked in words: `pictures(["a thick seven"])`, or --text')
        return self._asked(self._in_mind(integer("the number of samples", n)), seed, averaged)

    def show(self, n: int, seed: int | None = None) -> np.ndarray[Any, Any]:
        return self.sample(n, seed)

    def _in_mind(self, n: int) -> np.ndarray[Any, Any]:
        """n of the sentences that came first, in turn, none of which is there twice."""
        rows = self.backend.to_numpy(self._examples)
        rows = rows[np.sort(np.unique(rows, axis=0, return_index=True)[1])]
        return np.asarray(rows[np.arange(n) % len(rows)])

    def _asked(self, sentences: np.ndarray[Any, Any], seed: int | None, averaged: bool) -> np.ndarray[Any, Any]:
        stream = Stream(integer("seed", self.seed if seed is None else seed, 0, bits=64), Purpose.LATENT_SAMPLE)
        T, be = self.average_of(self.T) if averaged else self.T, self.backend
        with be.explained():
            arena = FreshArena(be)
            z = self.noise_prior.draw(arena.empty((len(sentences), self.latent), self.dtype), arena, stream)
            meanings = self.passed(T, be.asarray(sentences, self.dtype))
            return np.concatenate([be.to_numpy(z), meanings], axis=1)

    # --- networks that fit -------------------------------------------------------------------------------------

    def _width(self, T: Sequential) -> int:
        """Of a meaning. Raises ValueError for a T that does not read such sentences."""
        try:
            said, _ = T(T.backend.zeros((2, self.length), T.dtype), train=False)
        except ValueError as error:
            raise ValueError(f"T cannot read sentences of {self.length} words, (N, {self.length}): {error}") from None
        if said.ndim != 2:
            raise ValueError(f"T must end in meanings (N, m); it gives {tuple(said.shape)}")
        known = getattr(T.layers[0], "words", None)
        if known not in (None, len(self.vocabulary) + 1):
            raise ValueError(
                f"T knows {known} words, but the vocabulary has {len(self.vocabulary)}, and no word is one more"
            )
        return int(said.shape[1])

    def _check_networks(self, width: int) -> tuple[int, ...]:
        """The shape of a sample; raises ValueError for networks that do not fit together."""
        require_one_place({"G": self.G, "D": self.D, "M": self.M, "T": self.T})
        zeros = self.backend.zeros
        samples, _ = self.G(zeros((2, self.latent + width), self.dtype), train=False)
        shape: tuple[int, ...] = tuple(samples.shape[1:])
        try:
            seen, _ = self.D(samples, train=False)
        except ValueError as error:
            raise ValueError(f"D cannot take G's samples of shape {shape}: {error}") from None
        if seen.ndim != 2:
            raise ValueError(f"D must end in features (N, F), which M judges; it gives {tuple(seen.shape)}")
        both = seen.shape[1] + width
        try:
            logits, _ = self.M(zeros((2, both), self.dtype), train=False)
        except ValueError as error:
            raise ValueError(
                f"M cannot take {seen.shape[1]} features and {width} numbers of a meaning: {error}"
            ) from None
        if logits.shape != (2, 1):
            raise ValueError(f"M must end in one logit, (N, 1); it gives {tuple(logits.shape)}")
        return shape

    @classmethod
    def check_description(cls, description: Mapping[str, Any], shapes: Shapes) -> None:
        budget = Budget(description, shapes)
        said = budget.passed("T", (2, integer("length", description["length"])))
        latent = integer("latent", description["latent"])
        samples = budget.passed("G", (2, latent + (0 if said is None else said[1])))
        seen = None if samples is None else budget.passed("D", samples)
        if seen is not None and said is not None:
            budget.passed("M", (2, seen[-1] + said[1]))

    def follow(self, plan: Any) -> None:
        super().follow(plan)
        self.instance_noise = self.judging.noise = plan.instance_noise

    def panels(self) -> list[Panel]:
        return [
            Panel("Losses of the discriminator D, with M and T, and of the generator G", "loss",
                  {"d_loss": "D", "g_loss": "G"}),
            Panel(
                "What D makes of pictures and sentences", "mean output",
                {"d_real": "real, right", "d_fake": "G's", "d_wrong": "real, wrong"},
            ),
        ]  # fmt: skip
