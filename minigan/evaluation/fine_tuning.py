"""A classifier made of a discriminator: all but its last layer with weights, and a new last one of K logits, as
nn/heads.py puts it there.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..datasets import to_float
from ..nn import Sequential
from ..nn.heads import with_head
from .embeddings import BLOCK, Pixels, taken
from .learning import learn
from .probes import Labels

BATCH, RATE = 64, 1e-3
_SETTLING = 100  # batches after which the running statistics of a fresh network are those of the data


def classifier_of(
    net: Sequential, shape: tuple[int, ...], classes: int, seed: int = 0, fresh: bool = False
) -> Sequential:
    """A new network of the layers of `net` but the last one, and one of `classes` logits, on the same backend.

    shape: of pictures that `net` takes, (H, W) or (H, W, C). seed: of the new layer's weights, or of all. fresh: all
    weights are new, drawn as those of `net` once were. Raises ValueError for a net of one layer.
    """
    return with_head(net, taken(net, shape), classes, seed, fresh)


def unplayed(net: Sequential, seed: int, images: Pixels | None = None) -> Sequential:
    """A network of the same layers with fresh weights, which has played no game.

    images: (N, H, W[, C]), by which running statistics, if it has any, are brought to where a game would have brought
    them; by default they are as they begin. Neither is always the better rival: a random network in which batch
    normalisation takes off nothing can keep more of a picture.
    """
    made = Sequential.build(net.describe() | {"seed": seed}, net.backend)
    if images is not None:
        given, rng = taken(made, images.shape[1:]), np.random.default_rng(seed)
        for _ in range(_SETTLING):
            rows = rng.integers(0, len(images), BATCH)
            made(to_float(images[rows]).reshape(BATCH, *given))
    return made


def fine_tune(
    net: Sequential, images: Pixels, labels: Labels, steps: int, *, batch: int = BATCH, lr: float = RATE, seed: int = 0
) -> None:
    """Train all layers of a classifier on pictures (n, H, W[, C]) with labels (n,) from 0, in place.

    Adam with a rate that falls from `lr` to 0 along half a cosine, on batches of `batch`, n at most; every picture is
    seen once per epoch, in an order of `seed`. The same arguments give the same network.
    """
    given = images.reshape(len(images), *taken(net, images.shape[1:]))
    learn(net, given, labels, steps, batch=min(batch, len(images)), lr=lr, seed=seed)


def classify(net: Sequential, images: Pixels) -> Labels:
    """The classes (N,) that a classifier reads in pictures (N, H, W[, C]), with running statistics."""
    given = taken(net, images.shape[1:])

    def read(part: Pixels) -> Any:
        logits, _ = net(to_float(part).reshape(len(part), *given), train=False)
        return net.backend.to_numpy(logits).argmax(axis=1)

    return np.concatenate([read(images[i : i + BLOCK]) for i in range(0, len(images), BLOCK)])
