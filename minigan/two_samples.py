"""Are two sets of samples from one distribution? A fresh D says how often it can tell.

D. Lopez-Paz and M. Oquab, "Revisiting Classifier Two-Sample Tests", 2017. Half of each set trains a classifier, the
other half tests it. Where both are from one distribution it is right in half of the cases, whatever it is; and what it
finds beyond that is a difference that is there.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .nn import Dense, LeakyReLU, Sequential
from .objectives import NonSaturating
from .optim import Adam, Cosine
from .spec import integer

Array = np.ndarray[Any, Any]


def told_apart(one: Array, other: Array, *, width: int = 128, steps: int = 2000, seed: int = 0) -> float:
    """The share of samples that a fresh D puts into the right set, of those that it was not trained on: 0.5 to 1.

    one, other: samples (n, m), as many of each, floats; a random half trains, the rest tests, since data has an order:
    of the training images of MNIST, D tells those in even places from those in odd ones. They are brought to mean 0 and
    variance 1 together. width: of D's three hidden layers. steps: of its training, on batches of 256. seed: of weights,
    halves and batches.

    Raises ValueError unless both have one shape and at least four samples.

    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.normal(0, 1, (2, 2000, 2))
    >>> abs(told_apart(x, y, steps=200) - 0.5) < 0.05, told_apart(x, y + [3, 0], steps=200) > 0.9
    (True, True)
    """
    one, other = (np.asarray(a, np.float32).reshape(len(a), -1) for a in (one, other))
    if one.shape != other.shape or len(one) < 4:
        raise ValueError(f"expected as many samples of each, four or more, got {one.shape} and {other.shape}")
    steps = integer("steps", steps)
    both = np.concatenate([one, other])
    one, other = ((a - both.mean(axis=0)) / (both.std(axis=0) + 1e-12) for a in (one, other))
    m = one.shape[1]
    D = Sequential(
        Dense(m, width), LeakyReLU(0.2), Dense(width, width), LeakyReLU(0.2), Dense(width, width), LeakyReLU(0.2),
        Dense(width, 1), seed=seed,
    )  # fmt: skip
    rule, rng, objective = Adam(Cosine(1e-3, 0.0, steps)).bind(D), np.random.default_rng(seed), NonSaturating()
    one, other = (part[rng.permutation(len(part))] for part in (one, other))
    known = one[::2], other[::2]
    for _ in range(steps):
        batches = [part[rng.integers(0, len(part), 128)] for part in known]
        logits, back = D(np.concatenate(batches))
        _, grads = objective.discriminator(logits[:128], logits[128:])
        D.zero_grad()
        back(np.concatenate(grads), inputs=False)
        rule.step()
    on_one, on_other = (D(part[1::2], train=False)[0] for part in (one, other))
    return float(((on_one > 0).mean() + (on_other <= 0).mean()) / 2)
