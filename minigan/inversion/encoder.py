"""A network that guesses latents: E(x) ≈ z for x = G(z).

G is its teacher: any number of samples whose latents are known. But most of a latent cannot be seen in the picture, and
E alone would learn to name the mean of all that might have made it, of which G makes something else. So E also learns
through a G that is held fixed to have the picture made again, and that from real pictures x too, where they are given:

    L(E) = mean |E(G(z)) − z|²  +  γ mean |G(E(x)) − x|²,   x = G(z) and real pictures

Zhu et al. (2016, section 3.2) learn by the second term on real pictures. E has D's layers up to its last hidden one,
and begins with what D has learned.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import archive
from ..archive import StrPath
from ..backend import Arena, Purpose, Stream
from ..datasets.shuffled import shuffled
from ..game.generating import Generating
from ..limits import check_layers
from ..nn import Sequential
from ..nn.heads import fingerprint, with_head
from ..optim import Adam, Cosine
from ..samples import require_finite
from ..spec import integer, number
from .descent import judge_of, require_noise
from .given import samples_of

Array = Any
FORMAT = "minigan encoder 1"
STEPS, BATCH, RATE, WEIGHT = 1000, 64, 3e-3, 10.0


class Encoder:
    """E of a game. Called with samples (N, ...) as `project` takes pictures it gives latents (N, latent).

    game: whose samples these are. net: E itself. key: what tells it from the encoders of other games, of another state
    of G or with other settings.

    >>> import minigan
    >>> G = minigan.Sequential(minigan.Dense(2, 6, init="he"), minigan.Tanh(), seed=1)
    >>> D = minigan.Sequential(minigan.Dense(6, 32), minigan.LeakyReLU(0.2), minigan.Dense(32, 1), seed=2)
    >>> gan = minigan.GAN(G, D)
    >>> encoder = Encoder.learn(gan, steps=300, lr=0.01)
    >>> bool(abs(encoder(gan.sample(50, seed=7)) - gan.latents(50, seed=7)).mean() < 0.2)
    True
    """

    def __init__(self, game: Generating, net: Sequential, key: str) -> None:
        self.game, self.net, self.key = game, net, key

    def __call__(self, pictures: Any) -> NDArray[np.floating[Any]]:
        """Latents (N, latent) of pictures, with running statistics. Raises TypeError or ValueError for what is none."""
        x = samples_of(self.game, pictures).reshape(-1, *self.game.sample_shape)
        return self.game.passed(self.net, self.net.as_batch(x))

    @classmethod
    def learn(
        cls,
        game: Generating,
        pictures: Any = None,
        *,
        steps: int = STEPS,
        batch: int = BATCH,
        lr: float = RATE,
        weight: float = WEIGHT,
        seed: int = 0,
        averaged: bool = True,
    ) -> Encoder:
        """An encoder that learns from G's samples, and from real pictures (M, ...) where these are given.

        steps: of Adam, whose rate falls from `lr` to 0 along half a cosine, on `batch` samples each, and as many real
        pictures. weight: γ. seed: of latents, of the order of pictures and of the new layer. averaged: G is its average
        along the training, if the game keeps one. The same arguments give the same encoder.

        Raises TypeError or ValueError for a game whose G takes more than noise or that has no D of single samples, and
        for pictures and numbers that do not fit; NonFiniteError if it does not come out finite.
        """
        game = require_noise(game)
        settings = settings_of(steps, batch, lr, weight, seed, averaged)
        real = None if pictures is None else samples_of(game, pictures)
        with game.held_still():
            key, G = key_of(game, real, settings), game.average_of(game.G) if averaged else game.G
            E = with_head(judge_of(game), tuple(game.sample_shape), game.latent, settings["seed"])
            _teach(E, G, game, real, settings)
        require_finite(game, {"the encoder's weights": E.backend.to_numpy(E.flat)})
        return cls(game, E, key)

    def save(self, path: StrPath) -> None:
        """Write it to an `.npz`; raises as `archive.save` does."""
        archive.save(path, self.net.state_dict(), {"format": FORMAT, "key": self.key, "net": self.net.describe()})

    @classmethod
    def load(cls, path: StrPath, game: Generating, key: str) -> Encoder:
        """An encoder from `save`. key: of `key_of`.

        Raises FileNotFoundError, or ValueError for a file that is damaged, or no encoder with this key.
        """
        arrays, header = archive.load(path)
        if header.get("format") != FORMAT:
            raise ValueError(f"{path} is no encoder, but one that `minigan project` has kept was expected")
        if header.get("key") != key:
            raise ValueError(f"{path} is the encoder of another G, or has learned otherwise; remove it, or learn anew")
        described = header.get("net")
        if not isinstance(described, dict):
            raise ValueError(f"{path} holds no whole encoder; remove it, and it is learned again")
        check_layers("an encoder", described.get("layers"))
        if not all(np.isfinite(array).all() for array in arrays.values() if array.dtype.kind == "f"):
            raise ValueError(f"{path} holds no whole encoder; remove it, and it is learned again")
        return cls(game, Sequential.build(described, game.backend, arrays), key)


def settings_of(
    steps: int = STEPS,
    batch: int = BATCH,
    lr: float = RATE,
    weight: float = WEIGHT,
    seed: int = 0,
    averaged: bool = True,
) -> dict[str, Any]:
    """How an encoder learns, by the names of `Encoder.learn`. Raises ValueError for what is no such number."""
    return {
        "steps": integer("steps", steps, least=0),
        "batch": integer("batch", batch, least=2),
        "lr": number("lr", lr, "(0, inf)"),
        "weight": number("weight", weight, "[0, inf)"),
        "seed": integer("seed", seed, least=0, bits=64),
        "averaged": bool(averaged),
    }


def key_of(game: Generating, real: NDArray[Any] | None, settings: dict[str, Any]) -> str:
    """A SHA-256 of all that an encoder depends on: G, D from which it begins, the prior, the pictures, the settings.

    Raises TypeError or ValueError for a game that cannot have one.
    """
    game = require_noise(game)
    G = game.average_of(game.G) if settings["averaged"] else game.G
    seen = None if real is None else hashlib.sha256(np.ascontiguousarray(real).tobytes()).hexdigest()
    return fingerprint(G, fingerprint(judge_of(game)), str(game.noise_prior), seen, settings)


def _teach(E: Sequential, G: Sequential, game: Generating, real: NDArray[Any] | None, settings: dict[str, Any]) -> None:
    """Train E in place. G's samples and real pictures share a batch, and so its statistics."""
    steps, batch, weight, seed = (settings[name] for name in ("steps", "batch", "weight", "seed"))
    be, adam = E.backend, Adam(Cosine(settings["lr"], 0.0, max(steps, 1))).bind(E)
    arena, shape = Arena(be), tuple(game.sample_shape)
    order = None if real is None else shuffled(len(real), batch, seed)
    for step in range(steps):
        arena.rewind()
        z = arena.empty((batch, game.latent), G.dtype)
        game.noise_prior.draw(z, arena, Stream(seed, Purpose.ENCODER, step))
        x, _ = G(z, train=False, arena=arena)
        if real is not None and order is not None:
            x = arena.stacked([x, be.asarray(real[next(order)].reshape(batch, *shape))], G.dtype)
        guessed, back = E(x, arena=arena)
        again, back_G = G(guessed, train=False, arena=arena)
        dguessed = back_G(2 * weight / again.size * (again - x), params=False, consume=True)
        dguessed[:batch] += 2 / z.size * (guessed[:batch] - z)
        E.zero_grad()
        back(dguessed, inputs=False, consume=True)
        adam.step()
