"""Latents of pictures: from where an encoder guesses, from random latents, or from both, and down from there.

A descent from a random latent ends in a valley of its own, so several are tried, and that of the smallest loss is
kept for each picture. An encoder begins near the right one, if there is one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..backend import FreshArena
from ..game.generating import Generating
from ..priors import Normal
from ..samples import require_finite
from ..spec import integer, number
from .descent import Aim, bound, descend, judge_of, require_noise, together
from .given import latents_of, samples_of

Floats = NDArray[np.floating[Any]]
Encode = Callable[[Any], Floats]
STEPS, RATE, PULL, STARTS = 200, 0.1, 1e-4, 4


class Projection(NamedTuple):
    """latents: (N, latent), of the game's dtype. errors: (N,), the mean square of G(z) − x over the numbers of a
    picture, which are from −1 to 1."""

    latents: Floats
    errors: Floats


def project(
    game: Generating,
    pictures: Any,
    encoder: Encode | None = None,
    *,
    steps: int = STEPS,
    starts: int | None = None,
    lr: float = RATE,
    pull: float = PULL,
    features: float = 0.0,
    seed: int | None = None,
    averaged: bool = True,
) -> Projection:
    """The latents from which G makes what is most like these pictures, and how far that is from them.

    pictures: (N, ...), uint8, or floats in [−1, 1], of the size of G's samples. encoder: gives latents for samples
    (N, *sample_shape), such as an `Encoder`, or `encode` of an AAE. steps: of each descent; 0: what the encoder says.
    starts: how many random latents each picture descends from beside that (default: 4 without an encoder, else 0).
    lr: Adam's rate at the beginning. pull: weight λ of the mean square of z, which keeps it in the prior; 0 where that
    is not normal. features: weight of the distance of D's features. seed: of the random latents; default: the game's.
    averaged: by the average of G, if the game keeps one.

    The same arguments give the same latents; those of a picture do not depend on what comes after it. Raises
    TypeError or ValueError for a game whose G takes more than noise, and for pictures, numbers or latents of an encoder
    that do not fit; NonFiniteError if G makes what is not finite.

    >>> import minigan, numpy as np
    >>> G = minigan.Sequential(minigan.Dense(2, 6, init="he"), minigan.Tanh(), seed=1)
    >>> gan = minigan.GAN(G, minigan.Sequential(minigan.Dense(6, 1), seed=2))
    >>> z, errors = project(gan, gan.sample(3, seed=5), steps=400, pull=0)
    >>> bool(np.allclose(z, gan.latents(3, seed=5), atol=0.01)), bool((errors < 1e-4).all())
    (True, True)
    """
    game = require_noise(game)
    starts = integer("starts", (STARTS if encoder is None else 0) if starts is None else starts, least=0)
    steps, lr = integer("steps", steps, least=0), number("lr", lr, "(0, inf)")
    pull, features = number("pull", pull, "[0, inf)"), number("features", features, "[0, inf)")
    if encoder is None and not starts:
        raise ValueError("there is nowhere to descend from: give an encoder, or starts of 1 or more")
    x = samples_of(game, pictures)
    judge = judge_of(game) if features else None
    pull = pull if isinstance(game.noise_prior, Normal) else 0.0
    begin = _starts(game, x, encoder, starts, seed)
    G, be, each = game.average_of(game.G) if averaged else game.G, game.backend, begin.shape[1]
    found, errors, rows = [], [], together(game, each)
    with game.held_still():
        for i in range(0, len(x), rows):
            part = begin[i : i + rows]
            target = be.asarray(np.repeat(x[i : i + rows], each, axis=0))
            aim = Aim(G, target, pull=pull, judge=judge, features=features)
            z, loss = descend(aim, be.asarray(part.reshape(-1, game.latent)), steps, lr, bound(game))
            best = be.to_numpy(loss).reshape(-1, each).argmin(axis=1) + each * np.arange(len(part))
            z = z[be.asarray(best)]
            alone, _ = Aim(G, target[::each])(z, FreshArena(be))
            found.append(be.to_numpy(z))
            errors.append(be.to_numpy(alone))
    projection = Projection(np.concatenate(found), np.concatenate(errors))
    require_finite(game, {"errors": projection.errors})
    return projection


def _starts(game: Generating, x: Floats, encoder: Encode | None, starts: int, seed: int | None) -> Floats:
    """Where each picture descends from, (N, encoder and starts, latent)."""
    parts = []
    if encoder is not None:
        guessed = latents_of(game, encoder(x.reshape(len(x), *game.sample_shape)), len(x))
        reach = bound(game)
        parts.append((guessed if reach is None else guessed.clip(-reach, reach))[:, None])
    if starts:
        parts.append(game.latents(len(x) * starts, seed).reshape(len(x), starts, -1))
    return np.concatenate(parts, axis=1)
