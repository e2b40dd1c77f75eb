"""The game: Algorithm 1 of Goodfellow et al. (2014), "Generative Adversarial Networks".

    min_G max_D V(D, G) = E_x[log D(x)] + E_z[log(1 − D(G(z)))]

Two networks play. G turns noise z into fakes, D gives each sample a logit, high for real. They take turns: D
ascends V on a real and a generated batch while G is held fixed, then G descends through a D that is held fixed.
`GAN.step`, `update_discriminator` and `update_generator` below are the whole algorithm. The rest of the files:

    nn/             a call returns the output and the way back      objectives.py   losses on logits
    optim.py        what step() does with the gradient              backend/        arrays and random numbers
    penalties.py    what holds D's gradient down            average.py      the average of G along its training
    match.py        minibatch after minibatch of a data set         rules.py        options and networks that fit
    nonfinite.py    where a NaN came from
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from os import PathLike
from typing import Any, Literal, NamedTuple

import numpy as np

from . import checkpoint
from .average import Average
from .backend import Arena, Backend, Heap, Purpose, Stream
from .match import METRICS, Match
from .nn import Sequential
from .nn.joint import piecewise_linear
from .nn.layer import Back
from .nonfinite import explain
from .objectives import Objective, get_objective
from .optim import Adam, Optimizer, Schedule
from .penalties import Penalty, judge_together
from .rules import CHOICES, check_networks, check_options, latent_size
from .spec import build, plain, whole

Array = Any
Metrics = dict[str, float]


class Fakes(NamedTuple):
    """A pass through G: the latents, what G made of them, and the way back."""

    z: Array
    samples: Array
    back: Back
    train: bool
    stream: Stream


class GAN:
    """Two networks and the rules of their game.

    G: maps latents (N, latent) to samples. D: maps samples to one logit or score each; no sigmoid at its end.
    objective: "non-saturating" (default), another name of objectives.py, or an Objective.
    optimizer: the update rule of both networks, default Adam(2e-4, beta1=0.5); d_optimizer: another one for D, or the
        same with another learning rate ("two time scales", Heusel 2017).
    penalties: terms of D's loss on its gradient with respect to its input, such as [R1(10), R2(10)].
    clip: after each update all of D's parameters are clipped to [−clip, clip] (Arjovsky 2017).
    instance_noise: standard deviation of noise added to all that D sees, a number or a Schedule of G's steps. It makes
        the two distributions overlap, and should end at 0 (Sønderby 2017).
    packing: D judges so many samples at once, joined along their first axis, so that a lack of variety shows (PacGAN,
        Lin 2018). D's input must be as many times as large.
    average: samples come from the average of G with this decay, such as 0.999 (average.py); 0: from G as it is.
    d_steps: k, D updates per G update.
    updates: "joint", one D update on real and fakes together (the paper), or "separate", one update on the real
        batch and then one on the fakes (the classic tutorial loop).
    batches: "one", real and fakes pass through D as one batch, or "two"; "auto" is "one" unless D mixes the samples
        of a batch (batchnorm), where real and fakes are better normalised apart (Radford 2015).
    fake_statistics: of G's batchnorm for the fakes shown to D: "batch", as in G's own update, or "running", which
        is G's inference mode (the classic loop).
    reuse_fakes: G's update goes through the fakes that D has just seen, instead of fresh ones; one G pass less.
    half_batches: D sees half as many real (and fake) samples as G's update has fakes, as in the classic loop.
    prior: z is "normal", N(0, 1), or "uniform", U(−1, 1).
    latent: size of z, if G's first layer does not tell.
    seed: of all noise; the networks have seeds of their own.

    Running statistics move once per update of the network that owns them, G's on the batch of its own update, D's
    on real samples (on both where they share a batch): fakes never pollute D's.

    Raises ValueError for unknown or contradicting options, and if G and D do not fit together.

    >>> import minigan, numpy as np
    >>> G = minigan.Sequential(minigan.Dense(2, 8), minigan.ReLU(), minigan.Dense(8, 1), seed=1)
    >>> D = minigan.Sequential(minigan.Dense(1, 8), minigan.ReLU(), minigan.Dense(8, 1), seed=2)
    >>> gan = minigan.GAN(G, D, seed=0)
    >>> metrics = gan.step(np.linspace(2, 3, 16, dtype="float32").reshape(16, 1))
    >>> sorted(metrics) == sorted(METRICS), gan.sample(4).shape
    (True, (4, 1))
    """

    def __init__(
        self,
        G: Sequential,
        D: Sequential,
        *,
        objective: str | Objective = "non-saturating",
        optimizer: Optimizer | None = None,
        d_optimizer: Optimizer | None = None,
        penalties: Sequence[Penalty] = (),
        clip: float | None = None,
        instance_noise: float | Schedule = 0.0,
        packing: int = 1,
        average: float = 0.0,
        d_steps: int = 1,
        updates: Literal["joint", "separate"] = "joint",
        batches: Literal["auto", "one", "two"] = "auto",
        fake_statistics: Literal["batch", "running"] = "batch",
        reuse_fakes: bool = False,
        half_batches: bool = False,
        prior: Literal["normal", "uniform"] = "normal",
        latent: int | None = None,
        seed: int = 0,
    ) -> None:
        if isinstance(penalties, Penalty):
            raise TypeError(f"penalties must be a list such as [R1(10.0)], got {penalties!r}")
        self.G, self.D = G, D
        self.objective = get_objective(objective)
        self.optimizer = optimizer or Adam(2e-4, beta1=0.5)
        self.d_optimizer = d_optimizer or self.optimizer
        self.penalties = list(penalties)
        self.clip = clip
        self.instance_noise = instance_noise
        self.packing = whole("packing", packing)
        self.average = average
        self.d_steps = whole("d_steps", d_steps)
        self.updates = updates
        self.batches = batches
        self.fake_statistics = fake_statistics
        self.reuse_fakes = reuse_fakes
        self.half_batches = half_batches
        self.prior = prior
        self.latent = latent_size(G, latent)
        self.seed = whole("seed", seed, least=0)
        check_options(self)
        self.backend: Backend = G.backend
        self.g_opt, self.d_opt = self.optimizer.bind(G), self.d_optimizer.bind(D)
        self._steps, self._d_updates = self.backend.counter(), self.backend.counter()
        self._arena_D, self._arena_G = Arena(self.backend), Arena(self.backend)
        self._no_penalty = self.backend.zeros((), D.dtype)
        self._average = Average(G, average) if average else None
        self.sample_shape: tuple[int, ...] = check_networks(self)

    # --- the algorithm -----------------------------------------------------------------------------------------

    def step(self, real: Array) -> Metrics:
        """One iteration: k updates of D, then one of G. Returns the metrics named in `METRICS`.

        real: (k·N, ...) floats in [−1, 1], k = d_steps minibatches of N one after the other; G's update has N fakes
        (2 N with half_batches), which meet the last N real samples if the objective compares them. Metrics of D are
        those of its last update, taken before the parameters move.

        Raises ValueError for a shape that does not fit and NonFiniteError as soon as a loss or a gradient is not
        finite, before it reaches the parameters.
        """
        with self.backend.explained():
            metrics = self.turn(real)
            return {name: float(metrics[name]) for name in METRICS}

    def turn(self, real: Array) -> dict[str, Array]:
        """As `step`, but the metrics stay where they were computed, as 0-d arrays: a GPU is not waited for."""
        real = self._samples(real)
        if len(real) % self.d_steps:
            raise ValueError(f"expected d_steps = {self.d_steps} minibatches of one size, got {len(real)} samples")
        n = len(real) // self.d_steps
        self._check_batch(n)
        fakes = self._fakes_for_G(n) if self.reuse_fakes else None
        for k in range(self.d_steps):
            metrics = self.update_discriminator(real[k * n : (k + 1) * n], fakes if k == self.d_steps - 1 else None)
        return metrics | self.update_generator(2 * n if self.half_batches else n, fakes, real[-n:])

    @property
    def steps(self) -> int:
        """G updates so far."""
        return self._steps.value

    @steps.setter
    def steps(self, value: int) -> None:
        self._steps.value = value

    @property
    def d_updates(self) -> int:
        """D updates so far. With the seed, these two counts determine all random numbers."""
        return self._d_updates.value

    @d_updates.setter
    def d_updates(self, value: int) -> None:
        self._d_updates.value = value

    @np.errstate(all="ignore")  # overflow is looked for below, and reported with its place
    def update_discriminator(self, real: Array, fakes: Fakes | None = None) -> dict[str, Array]:
        """D descends its loss on real samples and as many fakes; G is held fixed."""
        self._arena_D.rewind()
        fakes = fakes or self._fakes_for_D(len(real))
        learn = self._joint_update if self.updates == "joint" else self._separate_updates
        loss, penalty, norm, real_logits, fake_logits = learn(real, fakes)
        self._d_updates.advance()
        d_real, d_fake, accuracy_real, accuracy_fake = self.objective.judge(real_logits, fake_logits, self.backend)
        return {
            "d_loss": loss,
            "d_penalty": penalty,
            "d_real": d_real,
            "d_fake": d_fake,
            "d_accuracy_real": accuracy_real,
            "d_accuracy_fake": accuracy_fake,
            "d_grad_norm": norm,
        }

    @np.errstate(all="ignore")
    def update_generator(self, n: int, fakes: Fakes | None = None, real: Array | None = None) -> dict[str, Array]:
        """G descends its loss on n fakes, through a D that is held fixed.

        real: (n, ...) real samples, for an objective that compares the fakes with them.
        """
        fakes = fakes or self._fakes_for_G(n)
        stream = Stream(self.seed, Purpose.D_FOR_G, self._steps.now())
        logits, back_D, shown = self._ask_D(fakes.samples, stream)
        rivals = None
        if self.objective.compares and real is not None:
            rivals, _, _ = self._ask_D(real, stream._replace(purpose=Purpose.D_FOR_G_REAL))
        loss, dlogits = self.objective.generator(logits, self._arena_G, rivals)
        dfake = back_D(dlogits, params=False, consume=True)  # D is fixed: its parameter gradients are never computed
        self.G.zero_grad()
        dfake = dfake.reshape(fakes.samples.shape)
        fakes.back(dfake, inputs=False, consume=True)  # nobody needs dL/dz: it is never computed
        norm = self._finite_norm("G", loss, None, fakes, {"fakes": (shown, stream)})
        self.g_opt.step()
        if self._average is not None:
            self._average.update(self._steps)
        self._steps.advance()
        return {"g_loss": loss, "g_grad_norm": norm}

    def _ask_D(self, samples: Array, stream: Stream) -> tuple[Array, Back, Array]:
        """What D says of samples in G's update, or its features if the objective wants those; and what it was shown."""
        shown = self._shown(samples, self._arena_G, stream)
        depth = self.objective.depth(self.D)
        return *self.D(shown, track=False, arena=self._arena_G, stream=stream, depth=depth), shown

    def _joint_update(self, real: Array, fakes: Fakes) -> tuple[Array, ...]:
        """One update of D on real samples and fakes: loss, penalty, gradient norm, and the logits of both."""
        D, arena, n, t = self.D, self._arena_D, len(real) // self.packing, self._d_updates.now()
        on_real, on_fake = Stream(self.seed, Purpose.D_REAL, t), Stream(self.seed, Purpose.D_FAKE, t)
        dlogits = arena.empty((2 * n, 1), D.dtype)
        dreal, dfake = halves = dlogits[:n], dlogits[n:]
        penalties = [(penalty, Stream(self.seed, Purpose.PENALTY + i, t)) for i, penalty in enumerate(self.penalties)]
        total = self._no_penalty
        D.zero_grad()
        if self.batches == "one" or (self.batches == "auto" and not D.mixes_samples):
            both = arena.empty((2 * len(real), *real.shape[1:]), D.dtype)
            both[: len(real)], both[len(real) :] = real, fakes.samples
            both = self._shown(both, arena, on_real)
            shown, shown_fake = both[:n], both[n:]
            seen = {"real and fake samples": (both, on_real)}
            if penalties and piecewise_linear(D):  # their points join the batch
                points = [(penalty, penalty.points(shown, shown_fake, arena, drawn)) for penalty, drawn in penalties]
                logits, values, back = judge_together(D, both, points, arena, on_real)
                total = sum(values, total)
                seen |= {_points_of(penalty): (x, on_real) for penalty, x in points}
                penalties = []  # no more to do
            else:
                logits, way = D(both, arena=arena, stream=on_real)
                back = partial(way, inputs=False, consume=True)
            logits_real, logits_fake = logits[:n], logits[n:]
            loss, _ = self.objective.discriminator(logits_real, logits_fake, arena, out=halves)
            back(dlogits)
        else:
            shown, shown_fake = self._shown(real, arena, on_real), self._shown(fakes.samples, arena, on_fake)
            logits_real, back_real = D(shown, arena=arena, stream=on_real)
            logits_fake, back_fake = D(shown_fake, track=False, arena=arena, stream=on_fake)
            loss, _ = self.objective.discriminator(logits_real, logits_fake, arena, out=halves)
            back_real(dreal, inputs=False, consume=True)
            back_fake(dfake, inputs=False, consume=True)
            seen = {"real samples": (shown, on_real), "fakes": (shown_fake, on_fake)}
        for penalty, drawn in penalties:
            value, x = penalty.add(D, shown, shown_fake, arena, drawn)
            total = total + value
            seen[_points_of(penalty)] = x, drawn
        norm = self._finite_norm("D", loss, real, fakes, seen)
        self._update_D()
        return loss, total, norm, logits_real, logits_fake

    def _separate_updates(self, real: Array, fakes: Fakes) -> tuple[Array, ...]:
        """An update of D on real samples, then one on fakes, through weights that the first has changed."""
        objective = self.objective
        loss_real, norm_real, logits_real = self._half_update(objective.real, real, None, Purpose.D_REAL)
        loss_fake, norm_fake, logits_fake = self._half_update(objective.fake, None, fakes, Purpose.D_FAKE)
        loss_real += loss_fake
        norm = self.backend.xp.hypot(norm_real, norm_fake, out=self._arena_D.empty((), self.D.dtype))
        return loss_real, self._no_penalty, norm, logits_real, logits_fake

    def _half_update(
        self, term: Callable[[Array, Array, Backend], Array], real: Array | None, fakes: Fakes | None, purpose: Purpose
    ) -> tuple[Array, Array, Array]:
        kind, samples = ("real samples", real) if fakes is None else ("fakes", fakes.samples)
        stream = Stream(self.seed, purpose, self._d_updates.now())
        samples = self._shown(samples, self._arena_D, stream)
        self.D.zero_grad()
        logits, back = self.D(samples, track=fakes is None, arena=self._arena_D, stream=stream)
        dlogits = self._arena_D.empty(logits.shape, logits.dtype)
        loss = term(logits, dlogits, self.backend)
        back(dlogits, inputs=False, consume=True)
        norm = self._finite_norm("D", loss, real, fakes, {kind: (samples, stream)})
        self._update_D()
        return loss, norm, logits

    def _update_D(self) -> None:
        self.d_opt.step()
        if self.clip is not None:
            self.backend.xp.clip(self.D.flat, -self.clip, self.clip, out=self.D.flat)

    def _shown(self, samples: Array, arena: Heap, stream: Stream) -> Array:
        """Samples as D gets to see them: with instance noise, and in packs."""
        if self.instance_noise:
            std = self.instance_noise
            if isinstance(std, Schedule):
                std = self.backend.scheduled(std, self._steps)
            noisy = arena.empty(samples.shape, samples.dtype)
            self.backend.perturb(samples, std, self._steps.now(), stream._replace(lane=-1), noisy)
            samples = noisy
        return self._packs(samples)

    def _packs(self, samples: Array) -> Array:
        m, (first, *rest) = self.packing, samples.shape[1:]
        return samples.reshape(len(samples) // m, m * first, *rest)

    def _fakes_for_G(self, n: int) -> Fakes:
        """n fakes for G's own update, which alone moves G's running statistics."""
        self._arena_G.rewind()
        latent, dropout = (Stream(self.seed, p, self._steps.now()) for p in (Purpose.LATENT_G, Purpose.G_FOR_G))
        return self._make_fakes(n, self._arena_G, latent, dropout, train=True, track=True)

    def _fakes_for_D(self, n: int) -> Fakes:
        """n fakes for D's update."""
        latent, dropout = (Stream(self.seed, p, self._d_updates.now()) for p in (Purpose.LATENT_D, Purpose.G_FOR_D))
        return self._make_fakes(n, self._arena_D, latent, dropout, self.fake_statistics == "batch", track=False)

    def _make_fakes(self, n: int, arena: Arena, latent: Stream, dropout: Stream, train: bool, track: bool) -> Fakes:
        z = self._latents(n, latent, arena)
        samples, back = self.G(z, train=train, track=track, arena=arena, stream=dropout)
        return Fakes(z, samples, back, train, dropout)

    def _latents(self, n: int, stream: Stream, arena: Heap) -> Array:
        z = arena.empty((n, self.latent), self.G.dtype)
        if self.prior == "normal":
            self.backend.normal(z, stream)
        else:
            self.backend.uniform(z, stream)
            z *= 2
            z -= 1
        return z

    # --- training and sampling ---------------------------------------------------------------------------------

    def fit(
        self,
        images: Any,
        steps: int,
        batch: int = 32,
        *,
        d_pretrain: int = 0,
        callback: Callable[[GAN, Metrics], bool | None] | None = None,
    ) -> dict[str, np.ndarray[Any, Any]]:
        """Play `steps` more steps and return each metric as a float32 array (steps played,).

        images: uint8 (N, H, W[, C]), mapped to [−1, 1] batch by batch, or floats (N, ...) used as they are; or an
            object with an attribute `images`, such as a Dataset. Every image is seen once per epoch, in an order
            that depends on the seed only.
        batch: G's batch, and D's real batch (half of it with half_batches).
        d_pretrain: D updates before G's first (only of a GAN that has not played yet).
        callback: called after every step with this GAN and the metrics; returning True ends the training. Without
            one, a GPU plays many steps before anybody waits for it.

        Raises ValueError or TypeError for data or sizes that do not fit, NonFiniteError as `step` does.
        """
        if steps < 0 or batch < 1 or d_pretrain < 0:
            raise ValueError(f"expected steps ≥ 0, d_pretrain ≥ 0, batch ≥ 1; got {steps}, {d_pretrain}, {batch}")
        match = Match(self, images, batch)
        match.pretrain(d_pretrain)
        history = {name: np.empty(steps, np.float32) for name in METRICS}
        done, stop = 0, False
        while done < steps and not stop:
            played = match.play(1 if callback else steps - done)
            count = len(played["d_loss"])
            for name, values in played.items():
                history[name][done : done + count] = values
            done += count
            if callback is not None:
                stop = bool(callback(self, {name: float(values[0]) for name, values in played.items()}))
        return {name: values[:done] for name, values in history.items()}

    def sample(self, n: int, seed: int | None = None, averaged: bool = True) -> np.ndarray[Any, Any]:
        """n samples as a NumPy array, with running statistics. The same seed gives the same latents every time.

        seed: of the latents; default: the GAN's own seed. The first latents do not depend on n.
        averaged: of the average of G, if this GAN keeps one; False: of G as its last update left it.
        Raises ValueError if n is less than 1.
        """
        if n < 1:
            raise ValueError(f"expected a number of samples of 1 or more, got {n}")
        G = self.G if self._average is None or not averaged else self._average.net
        stream = Stream(self.seed if seed is None else seed, Purpose.LATENT_SAMPLE)
        with self.backend.explained():
            z = self._latents(n, stream, self.G._heap)
            parts = [self.backend.to_numpy(G(z[i : i + 1000], train=False)[0]) for i in range(0, n, 1000)]
        return np.concatenate(parts)

    def score(self, samples: Array) -> np.ndarray[Any, Any]:
        """D's output, a logit or a score, for each of the samples (N, ...), with running statistics: floats (N,).

        With packing it is for each pack of so many samples in a row.
        """
        return self.backend.to_numpy(self._score(samples))

    def probability(self, samples: Array) -> np.ndarray[Any, Any]:
        """D(x), the probability that a sample is real, as floats (N,) in [0, 1]; otherwise as `score`.

        Raises ValueError under an objective whose D does not speak of probabilities.
        """
        return self.backend.to_numpy(self.objective.probability(self._score(samples), self.backend.xp))

    def _score(self, samples: Array) -> Array:
        samples = self._samples(samples)
        self._check_batch(len(samples))
        return self.D(self._packs(samples), train=False)[0][:, 0]

    # --- saving ------------------------------------------------------------------------------------------------

    def save(self, path: str | PathLike[str], extra: Mapping[str, Any] | None = None) -> None:
        """Write networks, optimizers and counters to one `.npz`, by way of a temporary file.

        extra: JSON-able data to keep in the file's header. A GAN that is loaded again plays on bit for bit.
        """
        header = {"gan": self.describe(), "steps": self.steps, "d_updates": self.d_updates, "extra": dict(extra or {})}
        checkpoint.save(path, self._parts(), header)

    @classmethod
    def load(cls, path: str | PathLike[str], backend: Backend | str | None = None) -> GAN:
        """A GAN from `save`, on any backend (default: NumPy).

        Raises FileNotFoundError, or ValueError for a file that is damaged, foreign or made of unknown layers.
        """
        states, header = checkpoint.load(path)
        try:
            gan = cls.build(header["gan"], backend, states)
            gan.g_opt.load_state_dict(states["g_opt"])
            gan.d_opt.load_state_dict(states["d_opt"])
            if gan._average is not None:
                gan._average.net.load_state_dict(states["average"])
            gan.steps = whole("steps", header["steps"], least=0)
            gan.d_updates = whole("d_updates", header["d_updates"], least=0)
        except (KeyError, TypeError, ValueError, AttributeError, MemoryError) as error:
            raise ValueError(f"{path} holds no GAN that this version can load: {error}") from None
        return gan

    def describe(self) -> dict[str, Any]:
        """Networks and rules as JSON-able data; `GAN.build` is the inverse."""
        specs = {name: getattr(self, name).describe() for name in ("G", "D", *_SPECS)}
        return specs | {name: plain(getattr(self, name)) for name in _OPTIONS}

    @classmethod
    def build(
        cls,
        description: Mapping[str, Any],
        backend: Backend | str | None = None,
        states: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> GAN:
        """A GAN from `describe()`, with fresh weights or those of states["G"] and states["D"].

        An option that the description does not know, because it is older, has its default.
        Raises ValueError for unknown layers or options, or states that do not fit.
        """
        G = Sequential.build(description["G"], backend, states and states["G"])
        D = Sequential.build(description["D"], G.backend, states and states["D"])
        return cls(G, D, **{name: build(description[name]) for name in (*_SPECS, *_OPTIONS) if name in description})

    def _parts(self) -> dict[str, Any]:
        parts = {"G": self.G, "D": self.D, "g_opt": self.g_opt, "d_opt": self.d_opt}
        return parts if self._average is None else parts | {"average": self._average.net}

    # --- checks ------------------------------------------------------------------------------------------------

    def _check_batch(self, n: int) -> None:
        if n % self.packing:
            raise ValueError(f"D judges {self.packing} samples at once; a batch of {n} is no multiple of that")

    def _samples(self, x: Array) -> Array:
        """Samples in the shape that G makes them."""
        x = self.D.as_batch(x)
        if math.prod(x.shape[1:]) != math.prod(self.sample_shape):
            raise ValueError(f"G makes samples of shape {self.sample_shape}; got samples of shape {x.shape[1:]}")
        return x.reshape(len(x), *self.sample_shape)

    def _finite_norm(
        self, player: str, loss: Array, real: Array | None, fakes: Fakes | None, seen: dict[str, tuple[Array, Stream]]
    ) -> Array:
        """The norm of the player's gradient; raises NonFiniteError if it or the loss is not finite.

        seen: the batches that D has judged in this update, with the random numbers of each pass.
        """
        norm = self.backend.norm((self.G if player == "G" else self.D).flat_grad)
        if not self.backend.finite(loss, norm):
            raise explain(self, player, loss, real, fakes, seen)
        return norm


def _points_of(penalty: Penalty) -> str:
    return f"the points of {type(penalty).__name__}"


_SPECS = ("objective", "optimizer", "d_optimizer")
_OPTIONS = (
    *CHOICES, "penalties", "clip", "instance_noise", "packing", "average", "d_steps", "reuse_fakes", "half_batches",
    "latent", "seed",
)  # fmt: skip
