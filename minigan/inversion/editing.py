"""Painting on a picture with G's hand: the latent moves so that G agrees with the strokes, and stays near otherwise.

    L(z) = mean over the mask of (G(z) − strokes)²  +  β mean outside of (G(z) − G(z₀))²  +  λ mean (z − z₀)²

which is the descent of descent.py with a target that is the strokes inside and the picture outside, and weights to
match. A stroke is a wish: what comes out is a picture of G's, not one with a stroke on top (Zhu et al. 2016, section
4).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..game.generating import Generating
from ..samples import require_finite
from ..spec import integer, number
from .descent import Aim, bound, descend, require_noise, together
from .given import latents_of, samples_of

Floats = NDArray[np.floating[Any]]
STEPS, RATE, OUTSIDE, PULL = 30, 0.1, 1.0, 1e-3


class Edited(NamedTuple):
    """latents: (N, latent). samples: what G makes of them, (N, *sample_shape), floats in [−1, 1]."""

    latents: Floats
    samples: Floats


def edit(
    game: Generating,
    z: Any,
    strokes: Any,
    mask: Any,
    *,
    steps: int = STEPS,
    lr: float = RATE,
    outside: float = OUTSIDE,
    pull: float = PULL,
    averaged: bool = True,
) -> Edited:
    """Latents near z whose pictures agree with strokes where the mask is set, and are as they were elsewhere.

    z: (N, latent), as of `project` or `latents`. strokes: (N, ...) pictures, as `project` takes them; only what is
    under the mask counts. mask: bool, (N, ...) of the size of the pictures, or (N, H, W) for all channels; one for all
    pictures with N = 1. Where a mask is empty the picture stays. steps, lr: of Adam. outside: weight β of what is not
    under the mask. pull: weight λ of the way of z. averaged: as of `project`.

    Raises TypeError or ValueError for a game whose G takes more than noise, and for arrays or numbers that do not fit.

    >>> import minigan, numpy as np
    >>> G = minigan.Sequential(minigan.Dense(4, 4, init="he"), seed=1)
    >>> gan = minigan.GAN(G, minigan.Sequential(minigan.Dense(4, 1), seed=2))
    >>> z = gan.latents(1, seed=0)
    >>> first = np.array([[True, False, False, False]])
    >>> _, samples = edit(gan, z, np.full((1, 4), 0.5), first, steps=300, pull=0)
    >>> change = samples - gan.generate(z)
    >>> bool(abs(samples[0, 0] - 0.5) < 0.01), bool(abs(change[0, 1:]).max() < 0.1)
    (True, True)
    """
    game = require_noise(game)
    steps, lr = integer("steps", steps, least=0), number("lr", lr, "(0, inf)")
    outside, pull = number("outside", outside, "[0, inf)"), number("pull", pull, "[0, inf)")
    z = latents_of(game, z)
    painted = samples_of(game, strokes, "strokes")
    if len(painted) != len(z):
        raise ValueError(f"{len(painted)} strokes were given for {len(z)} latents; give one for each")
    inside = _masks(game, mask, len(z))
    G, be, rows, found = game.average_of(game.G) if averaged else game.G, game.backend, together(game), []
    before = game.generate(z, averaged).reshape(len(z), -1)
    weights = _share(inside) + outside * _share(~inside)
    target = np.where(inside, painted, before)
    with game.held_still():
        for i in range(0, len(z), rows):
            part = slice(i, i + rows)
            begin = be.asarray(z[part])
            wanted, counted = be.asarray(target[part], game.dtype), be.asarray(weights[part], game.dtype)
            moved, _ = descend(
                Aim(G, wanted, counted, anchor=begin, pull=pull), begin, steps, lr, bound(game)
            )  # fmt: skip
            found.append(be.to_numpy(moved))
    latents = np.concatenate(found)
    samples = game.generate(latents, averaged)
    require_finite(game, {"the samples": samples})
    return Edited(latents, samples)


def _share(chosen: NDArray[np.bool_]) -> Floats:
    """The weight of each number in the mean over those chosen, row by row; 0 where none is."""
    return np.asarray(chosen / np.maximum(chosen.sum(axis=1, keepdims=True), 1))


def _masks(game: Generating, mask: Any, n: int) -> NDArray[np.bool_]:
    """A mask for each number of n samples, (n, P)."""
    given, shape = np.asarray(mask), tuple(game.sample_shape)
    if given.dtype != np.bool_:
        raise TypeError(f"a mask is bool, true where strokes are, got {given.dtype}; compare it with something")
    if given.ndim >= 2 and len(given) in (1, n):
        size, numbers = int(np.prod(given.shape[1:])), int(np.prod(shape))
        channels = shape[-1] if len(shape) == 3 else 1
        if size == numbers or size * channels == numbers:
            flat = given.reshape(len(given), -1)
            flat = flat if size == numbers else np.repeat(flat, channels, axis=1)
            return np.broadcast_to(flat, (n, numbers))
    raise ValueError(
        f"a mask of shape {given.shape} was given for {n} pictures of shape {shape}; give one for each of them, or one "
        "for all"
    )
