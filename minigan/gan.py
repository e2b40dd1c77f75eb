"""The game: Algorithm 1 of Goodfellow et al. (2014), "Generative Adversarial Networks".

    min_G max_D V(D, G) = E_x[log D(x)] + E_z[log(1 − D(G(z)))]

Two networks play. G turns noise z into fakes, D gives each sample a logit, high for real. They take turns: D
ascends V on a real and a generated batch while G is held fixed, then G descends through a D that is held fixed.
`turn`, `update_discriminator` and `update_generator` below are the whole algorithm. The rest of the files:

    nn/             a call returns the output and the way back      objectives.py   losses on logits
    optim.py        what step() does with the gradient              backend/        arrays and random numbers
    penalties.py    what holds D's gradient down                    average.py      the average of G along its training
    game/           what every game shares: players, updates, minibatches, files
    games/          the family: with labels and codes, as the tutorials play it
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

from .atomic import atomically
from .backend import Purpose
from .game.judging import Judging
from .game.pair import Pair
from .game.player import Player
from .game.update import Pass, Update
from .nn import Sequential
from .nn.layer import Back
from .objectives import Objective
from .optim import Adam, Optimizer, Schedule
from .penalties import Penalty
from .priors import Prior
from .spec import integer

Array = Any

METRICS = (
    "d_loss",  # D's loss, −V for the classic objectives, without penalties
    "g_loss",  # G's loss
    "d_accuracy_real",  # share of real samples that D takes for real
    "d_accuracy_fake",  # share of fakes that D takes for fake
    "d_real",  # mean D(x), a probability or, under some objectives, a score
    "d_fake",  # mean D(G(z))
    "d_grad_norm",  # Euclidean norm of D's gradient
    "g_grad_norm",  # and of G's
    "d_penalty",  # the sum of all penalties, 0 where there is none
    "d_codes",  # the loss of what D says of codes, 0 where there are none
    "g_codes",  # and G's
)
VERDICTS = ("d_real", "d_fake", "d_accuracy_real", "d_accuracy_fake")  # as `Objective.verdicts` returns them


class Fakes(NamedTuple):
    """A pass through G: the latents, what G made of them, the way back, and how it was made, for whoever explains."""

    latents: Array
    samples: Array
    back: Back
    made: Pass | None = None


class GAN(Pair):
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
    reuse_fakes: G's update goes through the fakes that D has just seen, instead of fresh ones; one G pass less.
    prior: of z: "normal", N(0, 1), "uniform", U(−1, 1), or another of priors.py.
    latent: how many numbers the noise has, if G's first layer does not tell.
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

    metrics: ClassVar[tuple[str, ...]] = METRICS

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
        reuse_fakes: bool = False,
        prior: str | Prior = "normal",
        latent: int | None = None,
        seed: int = 0,
    ) -> None:
        self.begin_pair(G, D, objective, prior, latent, seed)
        self.optimizer = Adam(2e-4, beta1=0.5) if optimizer is None else optimizer
        self.d_optimizer = self.optimizer if d_optimizer is None else d_optimizer
        self.d = Player("D", self.d_optimizer, D, clip=clip, backend=G.backend)
        self.g = Player("G", self.optimizer, G, average=average)
        looks = {"penalties": penalties, "instance_noise": instance_noise, "packing": packing}
        self.judging = Judging(D, self.g.updates, **looks)  # type: ignore[arg-type]
        self.penalties, self.packing = self.judging.penalties, self.judging.packing
        self.instance_noise = self.judging.noise
        self.clip, self.average = self.d.clip, self.g.average
        self.d_steps = integer("d_steps", d_steps)
        self.reuse_fakes = reuse_fakes
        self.sample_shape: tuple[int, ...] = self.check_networks()

    # --- the algorithm -----------------------------------------------------------------------------------------

    def turn(self, draw: Any) -> dict[str, Array]:
        """k updates of D, then one of G. draw: minibatches of real samples, and of labels where the game has them."""
        for _ in range(self.d_steps - 1):
            self.update_discriminator(*draw(self.d))
        real, labels = (*draw(self.d), None)[:2]
        if not self.reuse_fakes:
            return self.update_discriminator(real, labels) | self.update_generator(len(real), real, labels)
        with self.update(self.g) as up:  # G's update begins with the fakes, which D sees first
            fakes = self.make_fakes(up, len(real), labels)
            metrics = self.update_discriminator(real, labels, fakes)
            codes = self.descend(up, fakes, real, labels)
        return metrics | {"g_loss": up.loss, "g_grad_norm": up.norm, "g_codes": codes}

    @atomically
    def update_discriminator(
        self, real: Array, labels: Array | None = None, fakes: Fakes | None = None
    ) -> dict[str, Array]:
        """D descends its loss on real samples and as many fakes; G is held fixed."""
        with self.update(self.d) as up:  # only D learns in here
            up.batches.append(("the real batch", real))
            fakes = self.fakes_of(up, fakes, len(real), labels)
            judged = self.judging(up, real, fakes.samples)
            up.loss, verdicts = self.objective.classify(judged.real, judged.fakes, up.arena, judged.grads)
            penalty = judged.back()
        return {
            **dict(zip(VERDICTS, verdicts, strict=True)),
            "d_loss": up.loss, "d_penalty": self._or_nothing(penalty), "d_grad_norm": up.norm, "d_codes": self._nothing,
        }  # fmt: skip

    @atomically
    def update_generator(self, n: int, real: Array | None = None, labels: Array | None = None) -> dict[str, Array]:
        """G descends its loss on n fakes, through a D that is held fixed.

        real: (n, ...) real samples, for an objective that compares the fakes with them. labels: of them, one-hot.
        """
        with self.update(self.g) as up:  # D judges, and is not changed
            codes = self.descend(up, self.make_fakes(up, n, labels), real, labels)
        return {"g_loss": up.loss, "g_grad_norm": up.norm, "g_codes": codes}

    def descend(self, up: Update, fakes: Fakes, real: Array | None = None, labels: Array | None = None) -> Array:
        """G's loss on fakes, and its gradient, through D and back through G. Returns the loss of codes: none here."""
        fakes.back(self.through_D(up, fakes, real), inputs=False)  # nobody needs dL/dz
        self.last_fakes = fakes.samples
        return self._nothing

    def through_D(self, up: Update, fakes: Fakes, real: Array | None) -> Array:
        """Set G's loss on fakes, as D sees them. Returns its gradient with respect to them."""
        on_fakes, back_D = self.ask_D(up, fakes.samples, Purpose.D_FOR_G, "fakes")
        on_real = None
        if self.objective.compares and real is not None:
            on_real, _ = self.ask_D(up, real, Purpose.D_FOR_G_REAL, "real samples")
        up.loss, dlogits = self.objective.generator(on_fakes, up.arena, on_real)
        return back_D(dlogits).reshape(fakes.samples.shape)

    # --- and what it needs -------------------------------------------------------------------------------------

    def make_fakes(self, up: Update, n: int, labels: Array | None = None) -> Fakes:
        """n fakes for an update of D, or for G's own, which alone moves G's running statistics."""
        own = up.player is self.g
        latent, passed = (Purpose.LATENT_G, Purpose.G_FOR_G) if own else (Purpose.LATENT_D, Purpose.G_FOR_D)
        z = self.draw_latents(n, up.stream(latent), up.arena, labels)
        room = self.judging.room(n, self.sample_shape) if self.reuse_fakes or not own else None  # where D will see them
        samples, back = up.run(self.G, z, passed, out=None if room is None else room.fakes)
        return Fakes(z, samples, back, up.passes[-1])

    def fakes_of(self, up: Update, given: Fakes | None, n: int, labels: Array | None = None) -> Fakes:
        """Those given to an update of D, or else n fresh ones."""
        if given is None:
            return self.make_fakes(up, n, labels)
        if given.made is not None:
            up.passes.append(given.made)
        return given

    def ask_D(
        self, up: Update, samples: Array, purpose: int, on: str, condition: Array | None = None
    ) -> tuple[Array, Back]:
        """What D says of samples in G's update, or its features if the objective wants those."""
        inputs, depth = self.judging.inputs(up, samples, purpose), self.objective.depth(self.D)
        return up.run(self.D, inputs, purpose, on=on, depth=depth, condition=condition)

    def _or_nothing(self, term: Array | None) -> Array:
        return self._nothing if term is None else term

    def follow(self, plan: Any) -> None:
        """Take over the update rules and the instance noise of another GAN, from the next step on; raises as above."""
        super().follow(plan)
        self.instance_noise = self.judging.noise = plan.instance_noise

    def updates_of(self, player: Player) -> int:
        return self.d_steps if player is self.d else 1
