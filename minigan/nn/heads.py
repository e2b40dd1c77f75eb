"""A network with another end: its layers but the last one with weights, and a new Dense in that one's place.

What stands behind the last weights goes with it, and so does a MinibatchStdDev before them, behind which a sample
depends on its company. Maps are flattened for the new layer.
"""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any

import numpy as np

from ..spec import build
from .dense import Dense
from .layer import Layer
from .minibatch import MinibatchStdDev
from .sequential import Sequential
from .shape import Flatten


def trunk(net: Sequential) -> int:
    """How many layers stand before its end. Raises ValueError for a net of one layer of weights."""
    cut = max((i for i, layer in enumerate(net.layers) if layer.parameters), default=0)
    while cut and isinstance(net.layers[cut - 1], MinibatchStdDev):
        cut -= 1
    if not any(layer.parameters for layer in net.layers[:cut]):
        raise ValueError(
            "this network has one layer of weights only, so that nothing of it would be kept; take another"
        )
    return cut


def with_head(net: Sequential, taken: tuple[int, ...], width: int, seed: int = 0, fresh: bool = False) -> Sequential:
    """A new network of the layers of `net` but its end, and a Dense of `width` numbers, on the same backend.

    taken: the shape of a sample that `net` takes. seed: of the new layer's weights, or of all. fresh: all weights are
    new, drawn as those of `net` once were. Raises ValueError for a net of one layer of weights.
    """
    cut = trunk(net)
    found = net(np.zeros((2, *taken), net.dtype), train=False, depth=cut)[0].shape[1:]
    head: list[Layer] = [Flatten()] if len(found) > 1 else []
    layers = [*build(net.describe()["layers"][:cut]), *head, Dense(math.prod(found), width)]
    made = Sequential(*layers, backend=net.backend, dtype=net.dtype, seed=seed)
    if not fresh:
        own = made.state_dict()
        kept = {name: a for name, a in net.state_dict().items() if int(name.partition(".")[0]) < cut}
        made.load_state_dict(own | kept)
    return made


def fingerprint(net: Sequential, *about: Any) -> str:
    """A SHA-256 of the architecture and the numbers of a network, and of what else is said, as JSON."""
    found = hashlib.sha256(json.dumps([net.describe(), *about], sort_keys=True).encode())
    for name, array in sorted(net.state_dict().items()):
        found.update(name.encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()
