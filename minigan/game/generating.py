"""A generator of latents: what goes into G, and what comes out.

A latent is noise, drawn from a prior, and codes beside it (codes.py): what G is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..backend import FreshArena, Purpose, Stream
from ..codes import Category, Code, Codes
from ..limits import samples_at_once
from ..nn import Sequential
from ..priors import Prior, get_prior
from ..spec import integer
from .game import Game

Array = Any


class Generating(Game, abstract=True):
    """Base class of games with a G that makes samples of latents.

    codes: what G is asked for beyond noise; none here.
    """

    codes: list[Code] = []  # noqa: RUF012 - of nobody's own
    G: Sequential
    latent: int
    prior: str | Prior
    _codes = Codes(())

    def begin_latents(self, G: Sequential, prior: str | Prior, latent: int | None) -> None:
        """To be called in a constructor. Raises ValueError for an unknown prior, or another number of dimensions."""
        self.G, self.prior, self.noise_prior = G, prior, get_prior(prior)
        self.latent = latent_size(G, latent, self._codes.width)
        if (dims := self.noise_prior.dims) not in (None, self.latent):
            raise ValueError(f"{self.noise_prior} has {dims} dimensions, but latents have {self.latent}")

    def show(self, n: int, seed: int | None = None) -> np.ndarray[Any, Any]:
        """n samples, of the classes in turn where there are some."""
        return self.sample(n, seed, label=self.in_turn(n))

    def in_turn(self, n: int) -> np.ndarray[Any, Any] | None:
        """A label for each of n samples, 0, 1, 2 and so on; None for a game that cannot be asked for one."""
        category = next((code for code in self.codes if isinstance(code, Category)), None)
        return None if category is None else np.arange(n) % category.k

    def sample(
        self,
        n: int,
        seed: int | None = None,
        averaged: bool = True,
        label: Any = None,
        ask: Mapping[str, float] | None = None,
    ) -> np.ndarray[Any, Any]:
        """n samples as a NumPy array, with running statistics. The same seed gives the same latents every time.

        seed: of the latents; default: the game's own seed. The first latents do not depend on n.
        averaged: of the average of G, if this game keeps one; False: of G as its last update left it.
        label: which category to make, a number for all or one for each of them; by default they are random.
        ask: numbers of continuous codes, by their names; c1, c2 and so on unless the game says otherwise.
        Raises ValueError if n is less than 1, or for a label or a number that G cannot be asked for.
        """
        return self.generate(self.latents(n, seed, label, ask), averaged)

    def latents(
        self, n: int, seed: int | None = None, label: Any = None, ask: Mapping[str, float] | None = None
    ) -> np.ndarray[Any, Any]:
        """The latents (n, latent + codes) of `sample`: noise, and behind it the codes in their order."""
        n = integer("the number of samples", n)
        stream = Stream(integer("seed", self.seed if seed is None else seed, 0, bits=64), Purpose.LATENT_SAMPLE)
        with self.backend.explained():
            z = self.backend.to_numpy(
                self.draw_latents(n, stream, FreshArena(self.backend), self.asked_of_prior(label, n))
            )
        if label is not None:
            self.ask_label(z, label)
        if ask:
            self._codes.ask(z[:, self.latent :], ask)
        return z

    def asked_of_prior(self, label: Any, n: int) -> Array | None:
        """One-hot rows of the parts of the prior that labels ask for; None where they ask for codes, or nothing."""
        return None

    def ask_label(self, z: np.ndarray[Any, Any], label: Any) -> None:
        """Put a category into latents, where labels ask for codes."""
        code, columns = self._codes.category()
        z[:, self.latent :][:, columns] = code.encode(label, len(z))

    def draw_latents(self, n: int, stream: Stream, arena: FreshArena, labels: Array | None = None) -> Array:
        """n random latents. labels: one-hot, for codes that have a Label."""
        noise = self.noise_prior.draw(arena.empty((n, self.latent), self.G.dtype), arena, stream)
        if not self.codes:
            return noise
        z = arena.empty((n, self.latent + self._codes.width), self.G.dtype)
        z[:, : self.latent] = noise
        self._codes.draw(z[:, self.latent :], arena, stream, labels)
        return z

    def generate(self, latents: Any, averaged: bool = True) -> np.ndarray[Any, Any]:
        """What G makes of latents (n, latent + codes), as `latents` draws them and anybody may change them."""
        return self.passed(self.average_of(self.G) if averaged else self.G, self.G.as_batch(latents))

    def passed(self, net: Sequential, x: Array, condition: Array | None = None) -> np.ndarray[Any, Any]:
        """What a network makes of x (n, ...), on the backend, with running statistics; some of them at a time.

        x: floats, or uint8, which become floats in [−1, 1]. condition: as of `Sequential.__call__`.
        """
        be, parts = self.backend, []
        rows = samples_at_once(net.layers, x.shape[1:], 1000)
        with self.held_still():
            for i in range(0, len(x), rows):
                part = x[i : i + rows]
                if x.dtype == np.uint8:
                    part = be.empty(part.shape, self.dtype)
                    be.gather(x, be.xp.arange(i, i + len(part)), part)
                given = None if condition is None else condition[i : i + rows]
                parts.append(be.to_numpy(net(part, train=False, condition=given)[0]))
        return np.concatenate(parts)

    @contextmanager
    def held_still(self) -> Iterator[None]:
        """A context in which nobody trains it, and errors of the device are explained."""
        with self._atomic.look(), self.backend.explained():
            yield

    def predict(self, samples: Array, labels: Any = None) -> list[np.ndarray[Any, Any]]:
        """What it says of the codes of samples (N, ...): of each that is predicted, an array (N, width)."""
        return []

    @property
    def code_columns(self) -> list[tuple[Code, slice]]:
        """Each code, and its columns in the latents."""
        return [(code, slice(self.latent + c.start, self.latent + c.stop)) for code, c in self._codes.placed]


def latent_size(G: Sequential, latent: int | None, codes: int) -> int:
    """How much noise there is, which G's first layer tells or `latent` does; ValueError unless they agree.

    codes: how many numbers of G's input are codes.
    """
    known = getattr(G.layers[0] if G.layers else None, "n_in", None)
    known = None if known is None else known - codes
    if latent is None and known is None:
        raise ValueError("the size of the latent is unknown: G's first layer does not tell; pass latent=...")
    if latent is not None and known is not None and latent != known:
        beside = f" beside {codes} for the codes" if codes else ""
        raise ValueError(f"latent={latent} contradicts G's first layer, which takes {known} numbers{beside}")
    if known is not None and known < 1:
        raise ValueError(
            f"G's first layer takes {known + codes} numbers, and {codes} are for the codes: no noise is left"
        )
    return integer("latent", known if latent is None else latent)


def require_one_place(networks: Mapping[str, Sequential]) -> None:
    """Raises ValueError unless all networks, by name, live on one backend, and have one dtype."""
    (first, one), *others = networks.items()
    for name, net in others:
        if net.backend.xp is not one.backend.xp:
            raise ValueError(
                f"{first} and {name} must live on one backend, got {one.backend.name} and {net.backend.name}"
            )
        if net.dtype != one.dtype:
            raise ValueError(f"{first} and {name} must have one dtype, got {one.dtype} and {net.dtype}")
