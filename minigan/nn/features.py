"""Features: what a network has made of a sample at chosen layers, as one row of numbers.

A discriminator must know what real samples look like, and what it has learned for that serves other ends: A. Radford
et al., "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks" (2015), section
5.1, classify with the maps of all convolutions of D, each brought to 4 x 4 by the largest numbers of its parts. Here
the parts are averaged. For a map X (H, W) and p x p parts

    Y = P_H X P_Wᵀ        P_H (p, H): row i averages rows ⌊iH/p⌋ to ⌈(i + 1)H/p⌉ − 1 of X

so that parts share a row where p does not divide H, and a side of p or less stays as it is. Checked by
tests/test_features.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..backend import Backend
from ..names import did_you_mean
from .activations import Activation
from .batchnorm import BatchNorm
from .chain import Chain
from .conv import Conv2D, ConvTranspose2D
from .layer import Layer
from .layernorm import LayerNorm
from .maxout import Maxout
from .minibatch import MinibatchStdDev
from .noise import Dropout, GaussianNoise
from .rescale import Rescale

Array = Any
POOL = 4  # parts of a map along each side, as in the paper
BATCH = 256  # samples that pass at once
_ON_THE_WAY = (BatchNorm, LayerNorm, GaussianNoise, Dropout, Rescale)  # may stand between weights and activation


def hidden_layers(chain: Chain) -> list[str]:
    """The layers of a network's chain that features come from by default, named as in `Sequential.activations`.

    Of every convolution the output after its activation; of a network without any, of every layer with weights. The
    last layer with weights is left out, for it makes the network's output. Raises ValueError where none is left.

    >>> import minigan
    >>> hidden_layers(minigan.Chain(minigan.Dense(4, 3), minigan.LeakyReLU(0.2), minigan.Dense(3, 1)))
    ['1.LeakyReLU']
    """
    leaves, weighted = _weighted(chain)
    convolutions = [i for i in weighted if isinstance(leaves[i][1], Conv2D | ConvTranspose2D)]
    found = dict.fromkeys(_activated(leaves, i) for i in convolutions or weighted if i != weighted[-1])
    if not found:
        raise ValueError("this network has no hidden layer to take features from; name layers that it has")
    return list(found)


def last_hidden(chain: Chain) -> str:
    """The layer, or its activation, that the last layer with weights takes from; what a network knows best. Raises
    ValueError where there is none.

    >>> import minigan
    >>> last_hidden(minigan.Chain(minigan.Dense(4, 3), minigan.LeakyReLU(0.2), minigan.Dense(3, 1)))
    '1.LeakyReLU'
    """
    leaves, weighted = _weighted(chain)
    if len(weighted) < 2:
        raise ValueError("this network has no hidden layer to take features from; name layers that it has")
    return _activated(leaves, weighted[-2])


def _weighted(chain: Chain) -> tuple[list[tuple[str, Layer]], list[int]]:
    """All layers that hold no others, with their places, and which of them have weights."""
    leaves = [(place, layer) for place, _, layer in chain.leaves()]
    return leaves, [i for i, (_, layer) in enumerate(leaves) if layer.parameters and not isinstance(layer, _ON_THE_WAY)]


def _activated(leaves: Sequence[tuple[str, Layer]], i: int) -> str:
    """The name of the activation behind layer i, or of the layer itself where something else comes first."""
    for place, layer in leaves[i + 1 :]:
        if isinstance(layer, Activation | Maxout):
            return f"{place}.{type(layer).__name__}"
        if not isinstance(layer, _ON_THE_WAY):
            break
    place, layer = leaves[i]
    return f"{place}.{type(layer).__name__}"


def chosen_layers(chain: Chain, layers: Sequence[str | int] | None) -> list[str]:
    """The names of layers as `Sequential.activations` has them. layers: names, or places such as 4 or "3.0"; None:
    `hidden_layers`.

    Raises ValueError for a layer that is not there, occurs twice, or comes behind a MinibatchStdDev: what a sample
    becomes there depends on its company.
    """
    if layers is None:
        return _independent(chain, hidden_layers(chain))
    known = {place: f"{place}.{type(layer).__name__}" for place, layer in chain.everything()}
    found: list[str] = []
    if isinstance(layers, str) or not layers:
        raise ValueError(f"layers are a list of names or places such as ['1.LeakyReLU', 4], got {layers!r}")
    for layer in layers:
        name = known.get(str(layer), str(layer))
        if name not in known.values():
            hint = did_you_mean(name, known.values())
            raise ValueError(f"this network has no layer {layer!r}{hint or '; it has ' + ', '.join(known.values())}")
        if name in found:
            raise ValueError(f"the layer {name} was named twice; name each layer once")
        found.append(name)
    return _independent(chain, found)


def _independent(chain: Chain, names: list[str]) -> list[str]:
    order = [f"{place}.{type(layer).__name__}" for place, layer in chain.everything()]
    mixing = [i for i, (_, layer) in enumerate(chain.everything()) if isinstance(layer, MinibatchStdDev)]
    if mixing and (behind := [name for name in names if order.index(name) >= mixing[0]]):
        raise ValueError(
            f"what {behind[0]} makes of a sample depends on the rest of the batch, for {order[mixing[0]]} mixes them; "
            "name layers before that"
        )
    return names


def look(
    activations: Iterable[tuple[str, Array]], layers: Sequence[str], pool: int, backend: Backend
) -> list[np.ndarray[Any, Any]]:
    """Of the outputs of all layers, as `Sequential.activations` has them, those of some: for each an array (N, F), in
    the order of `layers`.

    Raises ValueError for a layer whose output is not to be seen, because it is joined to the activation behind it.
    """
    found: dict[str, np.ndarray[Any, Any]] = {}
    for name, y in activations:
        if name in layers:
            maps = backend.to_numpy(pooled(y, pool, backend.xp) if y.ndim == 4 else y)
            found[name] = maps.reshape(len(maps), -1)
            if len(found) == len(layers):
                break  # what comes behind is not computed
    if missing := [name for name in layers if name not in found]:
        raise ValueError(f"{missing[0]} is applied together with the activation behind it; name that instead")
    return [found[name] for name in layers]


def pooled(maps: Array, parts: int, xp: Any = np) -> Array:
    """Maps (N, H, W, C) averaged over parts x parts, (N, p, q, C) with p = min(H, parts) and q = min(W, parts).

    xp: the module of the arrays, NumPy by default.

    >>> pooled(np.arange(6.0).reshape(1, 1, 6, 1), 4).ravel().tolist()      # 6 = 2 + 2 + 2 + 2, with overlaps
    [0.5, 1.5, 3.5, 4.5]
    """
    n, height, breadth, channels = maps.shape
    if height > parts:
        rows = xp.asarray(_averages(height, parts, maps.dtype))
        maps = xp.matmul(rows, maps.reshape(n, height, breadth * channels))
    if breadth > parts:
        columns = xp.asarray(_averages(breadth, parts, maps.dtype))
        maps = xp.matmul(columns, maps.reshape(-1, breadth, channels))
    return maps.reshape(n, min(height, parts), min(breadth, parts), channels)


def _averages(side: int, parts: int, dtype: Any) -> np.ndarray[Any, Any]:
    """P (parts, side)."""
    averages = np.zeros((parts, side), dtype)
    for i in range(parts):
        begin, end = i * side // parts, -(-(i + 1) * side // parts)
        averages[i, begin:end] = 1 / (end - begin)
    return averages
