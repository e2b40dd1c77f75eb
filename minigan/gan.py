"""The game: Algorithm 1 of Goodfellow et al. (2014), "Generative Adversarial Networks".

    min_G max_D V(D, G) = E_x[log D(x)] + E_z[log(1 − D(G(z)))]

Two networks play. G turns noise z into fakes, D gives each sample a logit, high for real. They take turns: D
ascends V on a real and a generated batch while G is held fixed, then G descends through a D that is held fixed.
`GAN.step`, `update_discriminator` and `update_generator` below are the whole algorithm. The rest of the files:

    nn/             a call returns the output and the way back      objectives.py   losses on logits
    optim.py        what step() does with the gradient              backend/        arrays and random numbers
    penalties.py    what holds D's gradient down            average.py      the average of G along its training
    match.py        minibatch after minibatch of a data set         rules.py        options and networks that fit
    nonfinite.py    where a NaN came from                           codes.py        what G is asked for beyond noise
    atomic.py       a step is whole, whoever comes in between       checkpoint.py   networks and optimizers in a file
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from os import PathLike
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from . import checkpoint
from .atomic import Atomic, atomically
from .average import Average
from .backend import Arena, Backend, Heap, Purpose, Stream, get_backend
from .codes import Code, Codes
from .files import Target
from .limits import check_budget, samples_at_once
from .match import METRICS, Match
from .nn import Sequential
from .nn.joint import piecewise_linear
from .nn.layer import Back
from .nonfinite import explain
from .objectives import Objective, get_objective
from .optim import Adam, Optimizer, Schedule
from .penalties import Penalty, judge_together
from .rules import CHOICES, check_networks, check_options, check_shape, latent_size
from .spec import build, classes, number, plain, whole

Array = Any
Metrics = dict[str, float]
Judgement = tuple[Array, Array, Array, Array]  # what `Objective.judge` returns


class Fakes(NamedTuple):
    """A pass through G: the latents, what G made of them, and the way back."""

    z: Array  # noise, and the codes behind it
    samples: Array
    back: Back
    train: bool
    stream: Stream


class Room(NamedTuple):
    """Real samples and as many fakes in one array, and each of them in it."""

    both: Array
    real: Array
    fakes: Array


class Seen(NamedTuple):
    """A batch that D has judged: the samples as it was shown them, the random numbers, and what it was told."""

    samples: Array
    stream: Stream
    told: Array | None


class Verdict(NamedTuple):
    """What D says of a batch: logits or scores (N, 1), and the loss of what it says of codes.

    grad: room for the gradient with respect to all outputs; what belongs to the codes is there already.
    """

    logits: Array
    codes_loss: Array
    grad: Array | None

    def gradient(self, dlogits: Array) -> Array:
        """With respect to all outputs, given that with respect to the logits."""
        if self.grad is None:
            return dlogits
        self.grad[:, :1] = dlogits
        return self.grad


class GAN:
    """Two networks and the rules of their game.

    G: maps latents (N, latent) to samples. D: maps samples to one logit or score each; no sigmoid at its end.
    codes: what G is asked for beyond noise, such as [Label(10)] or [Category(10), Continuous(2)]; see codes.py. They
        stand behind the noise in G's input; what D is told stands behind each sample in its input, and what it must
        tell are outputs behind its first.
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
    latent: how many numbers the noise has, if G's first layer does not tell.
    seed: of all noise; the networks have seeds of their own.

    Running statistics move once per update of the network that owns them, G's on the batch of its own update, D's
    on real samples (on both where they share a batch): fakes never pollute D's.

    A step is made whole or not at all: Ctrl-C comes through when it is over, other threads wait for that, and so does
    a fork. So one thread may train while others sample, score or save, each of them a GAN that has just made a step;
    calls of `gan.G` and `gan.D` themselves do not wait.

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
        codes: Sequence[Code] = (),
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
        self._codes = Codes(codes)
        self.codes = self._codes.codes
        self.objective = get_objective(objective)
        self.optimizer = optimizer or Adam(2e-4, beta1=0.5)
        self.d_optimizer = d_optimizer or self.optimizer
        self.penalties = list(penalties)
        self.clip = None if clip is None else number("clip", clip, "(0, inf)")
        if not isinstance(instance_noise, Schedule):
            instance_noise = number("instance_noise", instance_noise, "[0, inf)")
        self.instance_noise = instance_noise
        self.packing = whole("packing", packing)
        self.average = number("average", average, "[0, 1)")
        self.d_steps = whole("d_steps", d_steps)
        self.updates = updates
        self.batches = batches
        self.fake_statistics = fake_statistics
        self.reuse_fakes = reuse_fakes
        self.half_batches = half_batches
        self.prior = prior
        self.latent = latent_size(G, latent, self._codes.width)
        self.seed = whole("seed", seed, least=0, bits=64)
        check_options(self)
        self.backend: Backend = G.backend
        self._atomic = Atomic()
        self.g_opt, self.d_opt = self.optimizer.bind(G), self.d_optimizer.bind(D)
        self._steps, self._d_updates = self.backend.counter(), self.backend.counter()
        self._arena_D, self._arena_G = Arena(self.backend), Arena(self.backend)
        self._nothing = self.backend.zeros((), D.dtype)
        self._rooms: dict[int, Room] = {}
        self._average = Average(G, average) if average else None
        self.sample_shape: tuple[int, ...] = check_networks(self)
        self.last_fakes: Array | None = None  # that G has learned from, in its arena; to be read between two steps

    # --- the algorithm -----------------------------------------------------------------------------------------

    @atomically
    def step(self, real: Array, labels: Any = None) -> Metrics:
        """One iteration: k updates of D, then one of G. Returns the metrics named in `METRICS`.

        real: (k·N, ...) floats in [−1, 1], k = d_steps minibatches of N one after the other; G's update has N fakes
        (2 N with half_batches), which meet the last N real samples if the objective compares them. labels: integers
        (k·N,), if the codes have a Label. Metrics of D are those of its last update, taken before the parameters move.

        Raises ValueError for a shape that does not fit and NonFiniteError as soon as a loss or a gradient is not
        finite, before it reaches the parameters.
        """
        with self.backend.explained():
            metrics = self.turn(real, self.one_hot(labels, len(real)))
            return dict(zip(METRICS, self.backend.numbers([metrics[name] for name in METRICS]), strict=True))

    @atomically
    def turn(self, real: Array, labels: Array | None = None) -> dict[str, Array]:
        """As `step`, but the metrics stay where they were computed, as 0-d arrays: a GPU is not waited for.

        labels: as `one_hot` returns them.
        """
        real = self._samples(real)
        if len(real) % self.d_steps:
            raise ValueError(f"expected d_steps = {self.d_steps} minibatches of one size, got {len(real)} samples")
        n = len(real) // self.d_steps
        self._check_batch(n)
        parts = [slice(k * n, (k + 1) * n) for k in range(self.d_steps)]
        rows = [(real[part], None if labels is None else labels[part]) for part in parts]
        asked = rows[-1][1]
        fakes = self._fakes_for_G(n, asked) if self.reuse_fakes else None
        for k, (samples, known) in enumerate(rows):
            metrics = self.update_discriminator(samples, fakes if k == self.d_steps - 1 else None, known)
        return metrics | self.update_generator(2 * n if self.half_batches else n, fakes, rows[-1][0], asked)

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

    @atomically
    @np.errstate(all="ignore")  # overflow is looked for below, and reported with its place
    def update_discriminator(
        self, real: Array, fakes: Fakes | None = None, labels: Array | None = None
    ) -> dict[str, Array]:
        """D descends its loss on real samples and as many fakes; G is held fixed. labels: as in `turn`."""
        self._arena_D.rewind()
        fakes = fakes or self._fakes_for_D(len(real), labels)
        learn = self._joint_update if self.updates == "joint" else self._separate_updates
        metrics, judgement, on_real, on_fake = learn(real, fakes, labels)
        self._d_updates.advance()
        names = "d_real", "d_fake", "d_accuracy_real", "d_accuracy_fake"
        codes = on_real.codes_loss + on_fake.codes_loss if self._codes.outputs else self._nothing
        return {**metrics, **dict(zip(names, judgement, strict=True)), "d_codes": codes}

    @atomically
    @np.errstate(all="ignore")
    def update_generator(
        self, n: int, fakes: Fakes | None = None, real: Array | None = None, labels: Array | None = None
    ) -> dict[str, Array]:
        """G descends its loss on n fakes, through a D that is held fixed.

        real: (n, ...) real samples, for an objective that compares the fakes with them. labels: of them, as in `turn`;
        what G is asked for.
        """
        arena = self._arena_G
        fakes = fakes or self._fakes_for_G(n, labels)
        stream = Stream(self.seed, Purpose.D_FOR_G, self._steps.now())
        outputs, back_D, seen = self._ask_D(fakes.samples, stream, labels)
        verdict, rivals = self._verdict(outputs, arena, fakes=fakes), None
        if self.objective.compares and real is not None:
            rivals, _, _ = self._ask_D(real, stream._replace(purpose=Purpose.D_FOR_G_REAL), labels)
            rivals = self._logits(rivals, arena)
        loss, dlogits = self.objective.generator(verdict.logits, arena, rivals)
        # D is fixed: its parameter gradients are never computed
        dfake = back_D(verdict.gradient(dlogits), params=False, consume=True)
        self.G.zero_grad()
        dfake = dfake.reshape(fakes.samples.shape)
        fakes.back(dfake, inputs=False, consume=True)  # nobody needs dL/dz: it is never computed
        norm = self._finite_norm("G", loss, None, fakes, {"fakes": seen})
        self.last_fakes = fakes.samples
        self.g_opt.step()
        if self._average is not None:
            self._average.update(self._steps)
        self._steps.advance()
        return {"g_loss": loss, "g_grad_norm": norm, "g_codes": verdict.codes_loss}

    def _ask_D(self, samples: Array, stream: Stream, labels: Array | None) -> tuple[Array, Back, Seen]:
        """What D says of samples in G's update, or its features if the objective wants those; and what it was shown."""
        seen = Seen(self._shown(samples, self._arena_G, stream), stream, self._told(labels))
        depth = self.objective.depth(self.D)
        outputs, back = self.D(
            seen.samples, track=False, arena=self._arena_G, stream=stream, depth=depth, beside=seen.told
        )
        return outputs, back, seen

    def _joint_update(
        self, real: Array, fakes: Fakes, labels: Array | None
    ) -> tuple[dict[str, Array], Judgement, Verdict, Verdict]:
        """One update of D on real samples and fakes: metrics, how D judged, and what it said of both."""
        D, arena, n, t = self.D, self._arena_D, len(real) // self.packing, self._d_updates.now()
        of_real, of_fakes = Stream(self.seed, Purpose.D_REAL, t), Stream(self.seed, Purpose.D_FAKE, t)
        penalties = [(penalty, Stream(self.seed, Purpose.PENALTY + i, t)) for i, penalty in enumerate(self.penalties)]
        told, total = self._told(labels), self._nothing
        dlogits = arena.empty((2 * n, 1), D.dtype)
        halves = dlogits[:n], dlogits[n:]
        D.zero_grad()
        if self._one_batch:
            shown = self._shown(self._together(real, fakes.samples), arena, of_real)
            shown_real, shown_fake = shown[:n], shown[n:]
            both = Seen(shown, of_real, None if told is None else arena.stacked([told, told], D.dtype))
            seen = {"real and fake samples": both}
            if penalties and told is None and piecewise_linear(D):  # their points join the batch
                points = [
                    (penalty, penalty.points(shown_real, shown_fake, arena, drawn)) for penalty, drawn in penalties
                ]
                outputs, values, back = judge_together(D, shown, points, arena, of_real)
                total = sum(values, total)
                seen |= {_points_of(penalty): Seen(x, of_real, None) for penalty, x in points}
                penalties = []  # no more to do
            else:
                outputs, way = D(shown, arena=arena, stream=of_real, beside=both.told)
                back = partial(way, inputs=False, consume=True)
            on_real, on_fake = outputs[:n], outputs[n:]

            def backward(dreal: Array, dfake: Array) -> None:
                back(arena.stacked([dreal, dfake], D.dtype) if self._codes.outputs else dlogits)

        else:
            shown_real, shown_fake = self._shown(real, arena, of_real), self._shown(fakes.samples, arena, of_fakes)
            on_real, back_real = D(shown_real, arena=arena, stream=of_real, beside=told)
            on_fake, back_fake = D(shown_fake, track=False, arena=arena, stream=of_fakes, beside=told)
            seen = {"real samples": Seen(shown_real, of_real, told), "fakes": Seen(shown_fake, of_fakes, told)}

            def backward(dreal: Array, dfake: Array) -> None:
                back_real(dreal, inputs=False, consume=True)
                back_fake(dfake, inputs=False, consume=True)

        says_real, says_fake = self._verdict(on_real, arena, labels=labels), self._verdict(on_fake, arena, fakes=fakes)
        loss, judgement = self.objective.classify(says_real.logits, says_fake.logits, arena, halves)
        backward(*map(Verdict.gradient, (says_real, says_fake), halves))
        for penalty, drawn in penalties:
            value, x = penalty.add(D, shown_real, shown_fake, arena, drawn, told)
            total = total + value
            seen[_points_of(penalty)] = Seen(x, drawn, told)
        norm = self._finite_norm("D", loss, real, fakes, seen)
        self._update_D()
        return {"d_loss": loss, "d_penalty": total, "d_grad_norm": norm}, judgement, says_real, says_fake

    def _separate_updates(
        self, real: Array, fakes: Fakes, labels: Array | None
    ) -> tuple[dict[str, Array], Judgement, Verdict, Verdict]:
        """An update of D on real samples, then one on fakes, through weights that the first has changed."""
        objective = self.objective
        loss_real, norm_real, on_real = self._half_update(objective.real, real, None, labels)
        loss_fake, norm_fake, on_fake = self._half_update(objective.fake, None, fakes, labels)
        loss_real += loss_fake
        norm = self.backend.xp.hypot(norm_real, norm_fake, out=self._arena_D.empty((), self.D.dtype))
        judgement = objective.judge(on_real.logits, on_fake.logits, self.backend)
        return {"d_loss": loss_real, "d_penalty": self._nothing, "d_grad_norm": norm}, judgement, on_real, on_fake

    def _half_update(
        self,
        term: Callable[[Array, Array, Backend], Array],
        real: Array | None,
        fakes: Fakes | None,
        labels: Array | None,
    ) -> tuple[Array, Array, Verdict]:
        kind, samples, purpose = (
            ("real samples", real, Purpose.D_REAL) if fakes is None else ("fakes", fakes.samples, Purpose.D_FAKE)
        )
        stream, arena = Stream(self.seed, purpose, self._d_updates.now()), self._arena_D
        seen = Seen(self._shown(samples, arena, stream), stream, self._told(labels))
        self.D.zero_grad()
        outputs, back = self.D(seen.samples, track=fakes is None, arena=arena, stream=stream, beside=seen.told)
        verdict = self._verdict(outputs, arena, fakes, labels)
        dlogits = arena.empty(verdict.logits.shape, outputs.dtype)
        loss = term(verdict.logits, dlogits, self.backend)
        back(verdict.gradient(dlogits), inputs=False, consume=True)
        norm = self._finite_norm("D", loss, real, fakes, {kind: seen})
        self._update_D()
        return loss, norm, verdict

    def _verdict(self, outputs: Array, arena: Heap, fakes: Fakes | None = None, labels: Array | None = None) -> Verdict:
        """D's outputs taken apart, with the loss of what it says of the codes: of fakes all, of real samples labels."""
        if not self._codes.outputs:
            return Verdict(outputs, self._nothing, None)
        grad = arena.empty(outputs.shape, outputs.dtype)
        asked = labels if fakes is None else fakes.z[:, self.latent :]
        loss = self._codes.loss(outputs[:, 1:], asked, grad[:, 1:], self.backend, real=fakes is None)
        return Verdict(self._logits(outputs, arena), loss, grad)

    def _logits(self, outputs: Array, arena: Heap) -> Array:
        """The first of D's outputs; all of them where there is nothing to tell, for they may be features."""
        if not self._codes.outputs:
            return outputs
        logits = arena.empty((len(outputs), 1), outputs.dtype)
        self.backend.xp.copyto(logits, outputs[:, :1])
        return logits

    def _told(self, labels: Array | None) -> Array | None:
        """What D is told of the samples with these labels."""
        return None if self._codes.told is None else self._packs(labels)

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

    @property
    def _one_batch(self) -> bool:
        """Whether D sees real samples and fakes as one batch."""
        return self.updates == "joint" and (
            self.batches == "one" or (self.batches == "auto" and not self.D.mixes_samples)
        )

    def room(self, n: int) -> Room | None:
        """Where n real samples and then n fakes become one batch of D, for whoever makes them; None if they do not."""
        if not self._one_batch:
            return None
        if n not in self._rooms:
            both = self.backend.empty((2 * n, *self.sample_shape), self.D.dtype)
            self._rooms[n] = Room(both, both[:n], both[n:])
        self.backend.keep(self._rooms[n])
        return self._rooms[n]

    def _together(self, real: Array, fakes: Array) -> Array:
        """Both as one batch. What is in its place already is not copied."""
        be, room = self.backend, self.room(len(real))
        assert room is not None
        for samples, place in ((real, room.real), (fakes, room.fakes)):
            if be.address(samples) != be.address(place):
                be.xp.copyto(place, samples.reshape(place.shape))
        return room.both

    def _packs(self, samples: Array) -> Array:
        m, (first, *rest) = self.packing, samples.shape[1:]
        return samples.reshape(len(samples) // m, m * first, *rest)

    def _fakes_for_G(self, n: int, labels: Array | None) -> Fakes:
        """n fakes for G's own update, which alone moves G's running statistics."""
        self._arena_G.rewind()
        latent, dropout = (Stream(self.seed, p, self._steps.now()) for p in (Purpose.LATENT_G, Purpose.G_FOR_G))
        room = self.room(n) if self.reuse_fakes and self.d_steps == 1 else None  # D sees them first
        return self._make_fakes(n, self._arena_G, latent, dropout, labels, train=True, track=True, room=room)

    def _fakes_for_D(self, n: int, labels: Array | None) -> Fakes:
        """n fakes for D's update."""
        latent, dropout = (Stream(self.seed, p, self._d_updates.now()) for p in (Purpose.LATENT_D, Purpose.G_FOR_D))
        train = self.fake_statistics == "batch"
        return self._make_fakes(n, self._arena_D, latent, dropout, labels, train, track=False, room=self.room(n))

    @np.errstate(all="ignore")  # as in the two updates, for fakes that are made before them
    def _make_fakes(
        self,
        n: int,
        arena: Arena,
        latent: Stream,
        dropout: Stream,
        labels: Array | None,
        train: bool,
        track: bool,
        room: Room | None,
    ) -> Fakes:
        z = self._latents(n, latent, arena, labels)
        out = room.fakes if room is not None and self.D.dtype == self.G.dtype else None
        samples, back = self.G(z, train=train, track=track, arena=arena, stream=dropout, out=out)
        return Fakes(z, samples, back, train, dropout)

    def _latents(self, n: int, stream: Stream, arena: Heap, labels: Array | None = None) -> Array:
        """Noise, and behind it the codes."""
        noise = arena.empty((n, self.latent), self.G.dtype)
        if self.prior == "normal":
            self.backend.normal(noise, stream)
        else:
            self.backend.uniform(noise, stream)
            noise *= 2
            noise -= 1
        if not self.codes:
            return noise
        z = arena.empty((n, self.latent + self._codes.width), self.G.dtype)
        z[:, : self.latent] = noise
        self._codes.draw(z[:, self.latent :], arena, stream, labels)
        return z

    # --- training and sampling ---------------------------------------------------------------------------------

    def fit(
        self,
        images: Any,
        steps: int,
        batch: int = 32,
        *,
        labels: Any = None,
        d_pretrain: int = 0,
        callback: Callable[[GAN, Metrics], bool | None] | None = None,
        every: int = 1,
        progress: bool = False,
    ) -> dict[str, np.ndarray[Any, Any]]:
        """Play `steps` more steps and return each metric as a float32 array (steps played,).

        images: uint8 (N, H, W[, C]), mapped to [−1, 1] batch by batch, or floats (N, ...) used as they are; or an
            object with an attribute `images`, such as a Dataset. Every image is seen once per epoch, in an order
            that depends on the seed only.
        labels: integers (N,) or (N, 1), or one-hot, if the codes have a Label; by default the attribute `labels` of
            such an object.
        batch: G's batch, and D's real batch (half of it with half_batches).
        d_pretrain: D updates before G's first (only of a GAN that has not played yet).
        callback: called with this GAN and the metrics of the step just made; returning True ends the training.
        every: how many steps there are from one call to the next, the last step aside. Between two, a GPU plays on
            without being waited for.
        progress: show how far it is, and what `minigan.diagnostics` has to say: as a bar on a terminal, as lines in a
            file, in a notebook as one display that is updated.

        Raises ValueError or TypeError for data or sizes that do not fit, NonFiniteError as `step` does. Warns of floats
        that G cannot make, such as 0 to 255 where it ends in Tanh, and of classes without a sample.
        """
        steps, d_pretrain = whole("steps", steps, least=0), whole("d_pretrain", d_pretrain, least=0)
        every = whole("every", every)
        match = Match(self, images, batch, labels)
        match.pretrain(d_pretrain)
        if sentence := self.rests(steps):
            warnings.warn(sentence, stacklevel=2)
        history = {name: np.empty(steps, np.float32) for name in METRICS}
        done, stop = 0, False
        with self.watch(images, steps) if progress else nullcontext() as watch:
            while done < steps and not stop:
                count = steps - done if callback is None else min(steps - done, every - done % every)
                played = match.play(count if watch is None else min(count, self.backend.ahead))
                count = len(played["d_loss"])
                for name, values in played.items():
                    history[name][done : done + count] = values
                done += count
                stop = watch is not None and watch(played)
                if callback is not None and (done % every == 0 or done == steps):
                    stop |= bool(callback(self, {name: float(values[-1]) for name, values in played.items()}))
        return {name: values[:done] for name, values in history.items()}

    def sample(self, n: int, seed: int | None = None, averaged: bool = True, label: Any = None) -> np.ndarray[Any, Any]:
        """n samples as a NumPy array, with running statistics. The same seed gives the same latents every time.

        seed: of the latents; default: the GAN's own seed. The first latents do not depend on n.
        averaged: of the average of G, if this GAN keeps one; False: of G as its last update left it.
        label: which category to make, a number for all or one for each of them; by default they are random.
        Raises ValueError if n is less than 1, or for a label that G cannot be asked for.
        """
        return self.generate(self.latents(n, seed, label), averaged)

    def latents(self, n: int, seed: int | None = None, label: Any = None) -> np.ndarray[Any, Any]:
        """The latents (n, latent + codes) of `sample`: noise, and behind it the codes in their order."""
        n = whole("the number of samples", n)
        stream = Stream(whole("seed", self.seed if seed is None else seed, 0, bits=64), Purpose.LATENT_SAMPLE)
        with self.backend.explained():
            z = self.backend.to_numpy(self._latents(n, stream, Heap(self.backend)))
        if label is not None:
            code, columns = self._codes.category()
            z[:, self.latent :][:, columns] = code.encode(label, n)
        return z

    def generate(self, latents: Any, averaged: bool = True) -> np.ndarray[Any, Any]:
        """What G makes of latents (n, latent + codes), as `latents` draws them and anybody may change them."""
        G = self.G if self._average is None or not averaged else self._average.net
        with self._atomic.look(), self.backend.explained():
            z = G.as_batch(latents)
            rows = samples_at_once(G.layers, z.shape[1:], 1000)
            parts = [self.backend.to_numpy(G(z[i : i + rows], train=False)[0]) for i in range(0, len(z), rows)]
        return np.concatenate(parts)

    def score(self, samples: Array, labels: Any = None) -> np.ndarray[Any, Any]:
        """D's output, a logit or a score, for each of the samples (N, ...), with running statistics: floats (N,).

        labels: integers (N,), where D is told them. With packing it is for each pack of so many samples in a row.
        """
        return self.backend.to_numpy(self._outputs(samples, labels)[:, 0])

    def probability(self, samples: Array, labels: Any = None) -> np.ndarray[Any, Any]:
        """D(x), the probability that a sample is real, as floats (N,) in [0, 1]; otherwise as `score`.

        Raises ValueError under an objective whose D does not speak of probabilities.
        """
        return self.backend.to_numpy(self.objective.probability(self._outputs(samples, labels)[:, 0], self.backend.xp))

    def read(self, samples: Array, labels: Any = None) -> list[np.ndarray[Any, Any]]:
        """What D takes the codes of samples (N, ...) for: of each that it must tell, an array (N, width).

        For a category or a label these are probabilities, for a continuous code the numbers. labels: as in `score`.
        """
        outputs = self._outputs(samples, labels)[:, 1:]
        xp = self.backend.xp
        return [self.backend.to_numpy(code.read(outputs[:, part], xp)) for code, _, part in self._codes.asked]

    @property
    def code_columns(self) -> list[tuple[Code, slice]]:
        """Each code, and its columns in the latents."""
        return [(code, slice(self.latent + c.start, self.latent + c.stop)) for code, c in self._codes.placed]

    def one_hot(self, labels: Any, n: int) -> Array | None:
        """The integers (n,) as rows of zeros and a one, as `turn` takes them; None for codes without a Label.

        Raises ValueError if labels are missing, and ValueError or TypeError if they are none.
        """
        label = self._codes.label
        if label is None:
            return None
        if labels is None:
            raise ValueError(f"the codes have {label}, so labels are needed: integers, one for each of {n} samples")
        return self.backend.asarray(label.encode(np.asarray(labels), n), self.D.dtype)

    def _outputs(self, samples: Array, labels: Any) -> Array:
        samples = self._samples(samples)
        self._check_batch(len(samples))
        told = None if self._codes.told is None else self._told(self.one_hot(labels, len(samples)))
        with self._atomic.look():
            return self.D(self._packs(samples), train=False, beside=told)[0]

    def rests(self, steps: int) -> str | None:
        """A sentence about who would learn nothing at the end of so many more steps, its learning rate being 0."""
        said = []
        for player, bound, each in (("G", self.g_opt, 1), ("D", self.d_opt, self._d_rate)):
            start = bound.rule.rests_from(bound.t, bound.t + each * steps)
            if start is not None:
                said.append(f"{player}'s from step {self.steps + 1 + (start - bound.t) // each:,} on")
        if not said:
            return None
        end = self.steps + steps
        return (
            f"the learning rate is 0 before the end, step {end:,}, and nothing is learned then: {', '.join(said)}; "
            "let its schedule be as long (--decay-steps all of a recipe)"
        )

    @property
    def _d_rate(self) -> int:
        """Updates of D's optimizer in a step."""
        return self.d_steps * (2 if self.updates == "separate" else 1)

    def follow(self, plan: GAN) -> None:
        """Take over the update rules and the instance noise of another game, from the next step on.

        Raises ValueError, and changes nothing, if its optimizers remember something else.
        """
        rules = (self.g_opt, plan.optimizer), (self.d_opt, plan.d_optimizer)
        for bound, rule in rules:
            if rule.memory != bound.rule.memory:
                raise ValueError(f"{rule} cannot go on from what {bound.rule} remembers; begin anew, or keep the rule")
        for bound, rule in rules:
            bound.rule = rule
        self.optimizer, self.d_optimizer, self.instance_noise = plan.optimizer, plan.d_optimizer, plan.instance_noise

    # --- showing -----------------------------------------------------------------------------------------------

    # How to show a GAN takes what is built above the game, pictures and diagnostics: minigan/__init__.py puts it here.
    watch: ClassVar[Callable[..., Any]]  # (images, steps): a context, to be called with the metrics of steps
    _repr_html_: ClassVar[Callable[..., str]]  # for a notebook, with samples

    def __repr__(self) -> str:
        import inspect  # here, because it would double the time that `import minigan` adds to NumPy's

        defaults = {name: p.default for name, p in inspect.signature(GAN).parameters.items()} | {
            "d_optimizer": self.optimizer,
            "latent": self.latent,
        }
        options = {name: getattr(self, name) for name in (*_SPECS, *_OPTIONS)}
        chosen = [f"{name}={value!r}" for name, value in options.items() if value not in (defaults[name], [])]
        inputs, codes = self.latent + self._codes.width, self._codes.outputs
        return (
            f"GAN(  # after {self.steps:,} steps, {self.G.dtype}, {self.backend.name}\n"
            f"    G: ({inputs},) to {self.sample_shape}, {self.G.size:,} parameters\n"
            f"    D: {self.sample_shape} to ({1 + codes},), {self.D.size:,} parameters\n"
            f"    {', '.join(chosen)}\n)"
        )

    # --- saving ------------------------------------------------------------------------------------------------

    def save(self, path: Target, extra: Mapping[str, Any] | None = None) -> None:
        """Write networks, optimizers and counters to one `.npz`, by way of a temporary file, or to an open file.

        extra: JSON-able data to keep in the file's header. A GAN that is loaded again plays on bit for bit.
        """
        states, header = self._taken_down()
        checkpoint.save(path, states, {**header, "extra": dict(extra or {})})

    @classmethod
    def load(cls, path: str | PathLike[str], backend: Backend | str | None = None) -> GAN:
        """A GAN from `save`, on any backend (default: NumPy).

        Raises FileNotFoundError, or ValueError for a file that is damaged, foreign or made of unknown layers, or that
        asks for more work than its size makes likely (limits.py).
        """
        be, looked = get_backend("numpy" if backend is None else backend), checkpoint.look(path)
        try:
            check_budget(looked.header["gan"], looked.shapes)
            states, header = checkpoint.load(path)
            return cls._restored(states, header, be)
        except _UNLIKELY as error:
            what = str(error) or type(error).__name__
            raise ValueError(f"{path} holds no GAN that this version can load: {what:.300}") from None

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy and a pickle hold what a file does, and play on like it; a copy shares the backend."""
        states, header = self._taken_down()
        return _remade, (type(self), classes(header["gan"]), states, header, self.backend)

    def _taken_down(self) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
        """Everything that makes this GAN what it is now: the state of each part, and the rest as JSON-able data."""
        with self._atomic.look():
            states = {name: part.state_dict() for name, part in self._parts().items()}
            return states, {"gan": self.describe(), "steps": self.steps, "d_updates": self.d_updates}

    @classmethod
    def _restored(
        cls, states: Mapping[str, Any], header: Mapping[str, Any], backend: Backend | str | None = None
    ) -> GAN:
        gan = cls.build(header["gan"], backend, states)
        gan.g_opt.load_state_dict(states["g_opt"])
        gan.d_opt.load_state_dict(states["d_opt"])
        if gan._average is not None:
            gan._average.net.load_state_dict(states["average"])
        gan.steps = checkpoint.count("steps", header["steps"])
        gan.d_updates = checkpoint.count("d_updates", header["d_updates"])
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
        if x.shape[1:] == self.sample_shape:
            return x
        check_shape(tuple(x.shape[1:]), self.sample_shape)
        return x.reshape(len(x), *self.sample_shape)

    def _finite_norm(
        self, player: str, loss: Array, real: Array | None, fakes: Fakes | None, seen: dict[str, Seen]
    ) -> Array:
        """The norm of the player's gradient; raises NonFiniteError if it or the loss is not finite.

        seen: the batches that D has judged in this update.
        """
        norm, finite = self.backend.grad_norm((self.G if player == "G" else self.D).flat_grad, loss)
        if not finite:
            raise explain(self, player, loss, real, fakes, seen)
        return norm


def _remade(
    cls: type[GAN], _: tuple[type, ...], states: Mapping[str, Any], header: Mapping[str, Any], backend: Backend
) -> GAN:
    """What `GAN.__reduce__` took apart."""
    return cls._restored(states, header, backend)


def _points_of(penalty: Penalty) -> str:
    return f"the points of {type(penalty).__name__}"


# What a description that anybody may have written can lead to
_UNLIKELY = (ArithmeticError, AttributeError, LookupError, MemoryError, NotImplementedError, RecursionError, TypeError,
             ValueError)  # fmt: skip
_SPECS = ("objective", "optimizer", "d_optimizer")
_OPTIONS = (
    *CHOICES, "codes", "penalties", "clip", "instance_noise", "packing", "average", "d_steps", "reuse_fakes",
    "half_batches", "latent", "seed",
)  # fmt: skip
