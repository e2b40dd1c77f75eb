"""How a classifier learns: the one that all is judged by, and one that was made of a discriminator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..backend import Arena
from ..datasets import to_float
from ..datasets.shuffled import shuffled
from ..nn import Sequential
from ..objectives import softmax_cross_entropy
from ..optim import Adam, Cosine

_OFTEN = 1000  # steps between two sentences


def learn(
    net: Sequential,
    images: NDArray[np.uint8],
    labels: NDArray[np.integer[Any]],
    steps: int,
    *,
    batch: int,
    lr: float,
    seed: int,
    say: Callable[[str], None] | None = None,
) -> None:
    """Train all layers of a classifier, in place, by Adam with a rate that falls from `lr` to 0 along half a cosine.

    images: uint8 (n, ...), of the shape that the network takes. labels: (n,) from 0. seed: of the order of the images.
    The same arguments give the same network. say: called with a sentence, a few times.
    """
    arena, adam = Arena(net.backend), Adam(Cosine(lr, 0.0, steps)).bind(net)
    for step, rows in zip(range(steps), shuffled(len(images), batch, seed), strict=False):
        arena.rewind()
        logits, back = net(to_float(images[rows]), arena=arena)
        loss, dlogits = softmax_cross_entropy(logits, labels[rows], arena)
        net.zero_grad()
        back(dlogits, inputs=False)
        adam.step()
        if say and (step + 1) % _OFTEN == 0:
            say(f"the classifier's step {step + 1:,} of {steps:,}: loss {float(loss):.3f}")
