"""Minibatches of things that lie in memory, in an order that a seed gives."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


def shuffled(n: int, size: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """The places of `size` of n things, again and again without end: each thing once per epoch, in another order each
    time. A game draws its own (game/feed.py).

    >>> rows = shuffled(4, 3, seed=0)
    >>> sorted(np.concatenate([next(rows) for _ in range(4)]).tolist())
    [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    """
    rng, order = np.random.default_rng(seed), np.empty(0, np.int64)
    while True:
        while len(order) < size:
            order = np.append(order, rng.permutation(n))
        rows, order = order[:size], order[size:]
        yield rows
