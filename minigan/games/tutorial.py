"""The loop that most people meet first, as the classic Keras tutorial plays it.

It differs from Algorithm 1 in three ways: D makes two updates, one on real samples and then one on fakes, through
weights that the first has changed; it is shown half as many of each as G's update has fakes; and those fakes come from
G in inference mode, with the running statistics of its batchnorm.
"""

from __future__ import annotations

from typing import Any

from ..atomic import atomically
from ..backend import Purpose
from ..game.player import Player
from ..game.update import Update
from ..gan import GAN, VERDICTS, Fakes
from ..nn import Sequential
from ..objectives import Objective
from ..optim import Optimizer, Schedule
from ..priors import Prior

Array = Any


class Tutorial(GAN):
    """The classic tutorial loop. Arguments as of `GAN`; D's minibatches are half as large as `batch`.

    Raises ValueError for an objective that compares real samples with fakes.
    """

    def __init__(
        self,
        G: Sequential,
        D: Sequential,
        *,
        objective: str | Objective = "non-saturating",
        optimizer: Optimizer | None = None,
        d_optimizer: Optimizer | None = None,
        clip: float | None = None,
        instance_noise: float | Schedule = 0.0,
        packing: int = 1,
        average: float = 0.0,
        d_steps: int = 1,
        prior: str | Prior = "normal",
        latent: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(
            G, D, objective=objective, optimizer=optimizer, d_optimizer=d_optimizer, clip=clip, packing=packing,
            instance_noise=instance_noise, average=average, d_steps=d_steps, prior=prior, latent=latent, seed=seed,
        )  # fmt: skip
        if not self.objective.separable or self.objective.compares:
            raise ValueError(f"{self.objective} compares real and fake samples, which this loop shows D apart")

    def size(self, source: str, batch: int) -> int:
        if batch % 2:
            raise ValueError(f"the tutorial's D sees half of an even batch, got {batch}")
        return super().size(source, super().size(source, batch) // 2)

    def turn(self, draw: Any) -> dict[str, Array]:
        """k times two updates of D, then one of G on twice as many fakes."""
        for _ in range(self.d_steps):
            (real,) = draw(self.d)
            metrics = self.update_discriminator(real)
        return metrics | self.update_generator(2 * len(real))

    @atomically
    def update_discriminator(
        self, real: Array, labels: Array | None = None, fakes: Fakes | None = None
    ) -> dict[str, Array]:
        """D descends its loss on real samples, and then, from where it is by now, on as many fakes."""
        with self.update(self.d) as up:
            up.batches.append(("the real batch", real))
            on_real, loss = self._half(up, real, Purpose.D_REAL, self.objective.real, "real samples")
            norm = up.learn()
            fakes = self.fakes_of(up, fakes, len(real))
            on_fakes, up.loss = self._half(up, fakes.samples, Purpose.D_FAKE, self.objective.fake, "fakes")
        loss += up.loss
        norm = self.backend.xp.hypot(norm, up.norm, out=up.arena.empty((), self.D.dtype))
        verdicts = self.objective.verdicts(on_real, on_fakes, self.backend)
        zeros = {"d_penalty": self._nothing, "d_codes": self._nothing}
        return {"d_loss": loss, "d_grad_norm": norm, **dict(zip(VERDICTS, verdicts, strict=True)), **zeros}

    def _half(self, up: Update, samples: Array, purpose: int, term: Any, on: str) -> tuple[Array, Array]:
        """D's outputs, and its loss on these samples alone, with the gradient."""
        inputs = self.judging.inputs(up, samples, purpose)
        outputs, back = up.run(self.D, inputs, purpose, on=on, track=purpose == Purpose.D_REAL)
        dlogits = up.arena.empty(outputs.shape, outputs.dtype)
        up.loss = term(outputs, dlogits, self.backend)
        back(dlogits, inputs=False)
        return outputs, up.loss

    def make_fakes(self, up: Update, n: int, labels: Array | None = None) -> Fakes:
        if up.player is self.g:
            return super().make_fakes(up, n)
        z = self.draw_latents(n, up.stream(Purpose.LATENT_D), up.arena)
        samples, back = up.run(self.G, z, Purpose.G_FOR_D, train=False)
        return Fakes(z, samples, back, up.passes[-1])

    def place(self, source: str, n: int, shape: tuple[int, ...]) -> None:
        return None

    def updates_of(self, player: Player) -> int:
        return 2 * self.d_steps if player is self.d else 1
