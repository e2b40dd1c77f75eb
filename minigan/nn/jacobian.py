"""The Jacobian of a network: how each number of each output moves with each number of its input.

    J_n = ∂y_n/∂x_n        (K, P) for one sample: K numbers in, P out; row k is the tangent along the k-th unit vector

Tangents go forward with the way of the samples (`Layer.twice`), so J costs a pass for each number of the input. Most
layers need only know their output of the sample once for all of its tangents, which lie one behind the other: SHARED.
Where a network has others, the samples are repeated instead. Checked by tests/test_jacobian.py.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..backend import FreshArena, Stream
from .activations import Activation
from .affine import Affine
from .batchnorm import BatchNorm
from .chain import Refusal
from .noise import GaussianNoise
from .resample import AvgPool2D, Upsample
from .rescale import Rescale
from .sequential import Sequential
from .shape import Flatten, Reshape

Array = Any
SHARED = (Activation, Affine, AvgPool2D, BatchNorm, Flatten, GaussianNoise, Rescale, Reshape, Upsample)


@np.errstate(under="ignore")
def jacobian(
    net: Sequential,
    x: Array,
    *,
    arena: FreshArena | None = None,
    stream: Stream | None = None,
    depth: int | None = None,
) -> tuple[Array, Array]:
    """What a network makes of samples x (N, K), with running statistics, and J (N, K, P): J[n, k] = ∂y_n/∂x_nk.

    The output is (N, P), however it is shaped. arena, stream, depth: as in a call. Raises ValueError for layers without
    a rule for tangents (a method `twice`).

    >>> import minigan, numpy as np
    >>> net = minigan.Sequential(minigan.Dense(2, 3), seed=0)
    >>> y, J = jacobian(net, np.ones((5, 2), "float32"))
    >>> J.shape, bool((J[0] == net.state_dict()["0.weight"].T).all())
    ((5, 2, 3), True)
    """
    run, x = net._pass(False, False, arena, stream), net.as_batch(x)
    (n, k), shared = x.shape, all(isinstance(layer, SHARED) for _, _, layer in net.chain.leaves())
    try:
        y, back = net.chain.twice(x if shared else run.backend.xp.repeat(x, k, axis=0), run, depth)
    except Refusal as error:
        raise ValueError(
            f"layer {error.place}, {error.layer}, has no rule for tangents (a method `twice`), of which least squares "
            "are made; descend by Adam"
        ) from None
    nothing, directions = run.empty(y.shape), run.empty((n, k, k))
    nothing.fill(0)
    directions[...] = run.backend.asarray(np.eye(k, dtype=net.dtype))
    _, push = back(nothing)
    ydot, _ = push(directions.reshape(n * k, k))
    size = math.prod(y.shape[1:])
    return y.reshape(n, -1, size)[:, 0], ydot.reshape(n, k, size)
