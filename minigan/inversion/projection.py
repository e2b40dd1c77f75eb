"""Latents of pictures: from where an encoder guesses, from random latents, or from both, and down from there.

A descent from a random latent ends in a valley of its own, so several are tried, and that of the smallest loss is
kept for each picture. An encoder begins near the right one, if there is one. Down it goes by least squares, which finds
what G has made to the last digit, or by Adam: least_squares.py, descent.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..backend import FreshArena
from ..game.generating import Generating
from ..nn import Sequential
from ..priors import Normal
from ..samples import require_finite
from ..spec import integer, number
from .descent import Aim, bound, descend, judge_of, require_noise, together
from .given import latents_of, samples_of
from .least_squares import Residual, ends_in_tanh, levenberg_marquardt, square

Floats = NDArray[np.floating[Any]]
Encode = Callable[[Any], Floats]
LEAST_SQUARES, ADAM = "least-squares", "adam"
STEPS = {LEAST_SQUARES: 20, ADAM: 200}
RATE, PULL, STARTS = 0.1, 1e-4, 4
PART = 64  # descents by least squares whose J are in memory at once
FLOOR = 1e-12  # mean square error of a picture that is as good as the same
FOUND = 1e-10  # mean square of what is before Tanh, which no other latent has
NEAR, KICKS, KICK = 1e-2, 4, 0.3  # who is as near begins again, so often, so far from there


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
    method: str | None = None,
    steps: int | None = None,
    starts: int | None = None,
    lr: float = RATE,
    pull: float = PULL,
    features: float = 0.0,
    seed: int | None = None,
    averaged: bool = True,
) -> Projection:
    """The latents from which G makes what is most like these pictures, and how far that is from them.

    pictures: (N, ...), uint8, or floats in [−1, 1], of the size of G's samples; floats may be what G has made, to the
    last digit, which is tried first. encoder: gives latents for samples (N, *sample_shape), such as an `Encoder`, or
    `encode` of an AAE. method: of descent, "least-squares" (Levenberg and Marquardt, see least_squares.py) or "adam";
    by default least squares, or Adam where features count, which only that can. steps: of each descent, by default 20
    by least squares, which cost as much as hundreds of Adam's, and 200 of these; 0: what the encoder says. starts:
    how many random latents each picture descends from beside that (default: 4 without an encoder, else 0). lr: Adam's
    rate at the beginning. pull: weight λ of the mean square of z, which keeps it in the prior; 0 where that is not
    normal. features: weight of the distance of D's features. seed: of the random latents; default: the game's.
    averaged: by the average of G, if the game keeps one.

    The same arguments give the same latents; those of a picture do not depend on what comes after it. Raises
    TypeError or ValueError for a game whose G takes more than noise, by least squares for one with layers that have
    no rule for tangents, and for pictures, numbers or latents of an encoder that do not fit; NonFiniteError if G
    makes what is not finite.

    >>> import minigan, numpy as np
    >>> G = minigan.Sequential(minigan.Dense(2, 6, init="he"), minigan.Tanh(), seed=1)
    >>> gan = minigan.GAN(G, minigan.Sequential(minigan.Dense(6, 1), seed=2))
    >>> z, errors = project(gan, gan.sample(3, seed=5), steps=400, pull=0)
    >>> bool(np.allclose(z, gan.latents(3, seed=5), atol=0.01)), bool((errors < 1e-4).all())
    (True, True)
    """
    game = require_noise(game)
    starts = integer("starts", (STARTS if encoder is None else 0) if starts is None else starts, least=0)
    pull, features = number("pull", pull, "[0, inf)"), number("features", features, "[0, inf)")
    method = (ADAM if features else LEAST_SQUARES) if method is None else method
    if method not in STEPS:
        raise ValueError(f"method must be {' or '.join(STEPS)}, got {method!r}")
    if features and method != ADAM:
        raise ValueError("features are descended by Adam alone; leave out the method, or the features")
    steps = integer("steps", STEPS[method] if steps is None else steps, least=0)
    lr = number("lr", lr, "(0, inf)")
    if encoder is None and not starts:
        raise ValueError("there is nowhere to descend from: give an encoder, or starts of 1 or more")
    x = samples_of(game, pictures)
    judge = judge_of(game) if features else None
    pull = pull if isinstance(game.noise_prior, Normal) else 0.0
    begin = _starts(game, x, encoder, starts, seed)
    G, be, each = game.average_of(game.G) if averaged else game.G, game.backend, begin.shape[1]
    unrounded = np.asarray(pictures).dtype != np.uint8 and ends_in_tanh(G)
    aside = game.latents(len(x) * each, seed) if unrounded else begin
    found, errors, rows = [], [], together(game, each) if method == ADAM else max(1, PART // each)
    with game.held_still():
        for i in range(0, len(x), rows):
            part = begin[i : i + rows]
            wanted = np.repeat(x[i : i + rows], each, axis=0)
            target, z = be.asarray(wanted), be.asarray(part.reshape(-1, game.latent))
            if method == LEAST_SQUARES and steps:
                kicks = aside[i * each : (i + rows) * each] if unrounded else None
                z = be.asarray(_by_least_squares(game, G, wanted, be.to_numpy(z), steps, pull, kicks), game.dtype)
            aim = Aim(G, target, pull=pull, judge=judge, features=features)
            z, loss = descend(aim, z, steps if method == ADAM else 0, lr, bound(game))
            best = be.to_numpy(loss).reshape(-1, each).argmin(axis=1) + each * np.arange(len(part))
            z = z[be.asarray(best)]
            alone, _ = Aim(G, target[::each])(z, FreshArena(be))
            found.append(be.to_numpy(z))
            errors.append(be.to_numpy(alone))
    projection = Projection(np.concatenate(found), np.concatenate(errors))
    require_finite(game, {"errors": projection.errors})
    return projection


def _by_least_squares(
    game: Generating, G: Sequential, x: Floats, z: Floats, steps: int, pull: float, kicks: Floats | None
) -> Floats:
    """Latents on the way down from z (N, latent) to pictures x (N, P), float64. kicks: as of `_made`, which looks first
    if G may have made x."""
    settings: dict[str, Any] = {"most": bound(game), "together": together(game, game.latent)}
    pixels, everyone, c = Residual(G, x), np.arange(len(x)), pull * x.shape[1] / game.latent
    if kicks is not None:
        other = _made(G, x, z, steps, kicks, settings)
        losses = [square(pixels(a, everyone)) + c * square(a) for a in (z, other)]
        z = np.where((losses[1] < losses[0])[:, None], other, z)
    return levenberg_marquardt(pixels, z, steps, c=c, enough=FLOOR * x.shape[1], **settings)[0]


def _made(G: Sequential, x: Floats, z: Floats, steps: int, kicks: Floats, settings: dict[str, Any]) -> Floats:
    """The latents of which G has made x, to the last digit, or others that come near.

    Down to what was before the last Tanh: there G is almost linear, and a number that is far from right says so, be it
    as near 1 as it may. Who ends near but not there begins again a little aside. kicks: (N, latent), which way.
    """
    found, least = np.array(z, "float64"), np.full(len(z), np.inf)
    for kick in range(KICKS + 1):
        error = least / x.shape[1]
        rows = np.flatnonzero((error > FOUND) & (error < NEAR)) if kick else np.arange(len(z))
        if not len(rows):
            break
        at = found[rows] + (KICK * np.roll(kicks[rows], kick, axis=1) if kick else 0)
        for weighed in ("roughly", "exactly"):
            at, loss = levenberg_marquardt(Residual(G, x[rows], weighed), at, steps, **settings)
        better = loss < least[rows]
        found[rows[better]], least[rows[better]] = at[better], loss[better]
    return found


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
