"""Data that fit a game: samples of the shape that G makes, numbers that it can make, classes that have samples, and
labels of which a game is told a few."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from ..backend import Backend
from ..codes import Label
from ..nn import Flatten, ReLU, Reshape, Sequential, Sigmoid, Softplus, Tanh

Array = Any

_ENDS: dict[type, tuple[float, float]] = {  # what G can make, given its last layer
    Tanh: (-1.0, 1.0), Sigmoid: (0.0, 1.0), ReLU: (0.0, math.inf), Softplus: (0.0, math.inf),
}  # fmt: skip
_NEAR = 0.01  # floats that are so far outside were rounded, not scaled otherwise


def on_backend(images: Any, shape: tuple[int, ...], be: Backend, dtype: Any) -> Array:
    """The data set on a backend: uint8 or this dtype, samples in this shape, in which G makes them.

    Raises TypeError for what is no array of bytes or floats, ValueError for another shape.
    """
    images = _as_array(getattr(images, "images", images))
    given = getattr(images, "dtype", None)
    if given is None or (given != np.uint8 and given.kind != "f"):
        raise TypeError(f"expected images as a uint8 or float array, got {given or type(images).__name__}")
    if images.ndim < 2 or len(images) == 0:
        raise ValueError(f"expected images of shape (N, ...) with N of 1 or more, got {images.shape}")
    check_shape(tuple(images.shape[1:]), shape)
    data = be.asarray(images, None if given == np.uint8 else dtype)
    return data.reshape(len(data), *shape)


def check_shape(shape: tuple[int, ...], made: tuple[int, ...]) -> None:
    """Raises ValueError unless samples of `shape` are such as G makes: of the same shape, or flat where one of both is.

    The same numbers in another order, as of pictures (C, H, W) for a G that makes (H, W, C), would be learned as noise.
    """
    if math.prod(shape) != math.prod(made):
        raise ValueError(
            f"G makes samples of shape {made}, {math.prod(made)} numbers each; the data has samples of shape {shape}, "
            f"{math.prod(shape)} numbers"
        )
    sides, wanted = (tuple(n for n in s if n != 1) for s in (shape, made))
    if sides != wanted and len(sides) > 1 and len(wanted) > 1:
        raise ValueError(
            f"G makes samples of shape {made}; the data has samples of shape {shape}, as many numbers in another "
            "order: transpose them, such as images.transpose(0, 2, 3, 1) for channels that come first"
        )


def look_at_data(G: Sequential, data: Any, labels: Any, label: Any) -> None:
    """Warn of data that a game can take and hardly learn: numbers that G cannot make, classes without a sample.

    data: (N, ...), uint8 or floats; labels: one-hot (N, k) or None, of `label`. Both on G's backend.
    """
    ends = [layer for layer in G.layers if not isinstance(layer, (Flatten, Reshape))]
    least, most = _ENDS.get(type(ends[-1]) if ends else object, (-math.inf, math.inf))
    low, high = float(data.min()), float(data.max())
    whole_numbers = data.dtype.kind == "u"
    if whole_numbers:
        low, high = (2 * level / 255 - 1 for level in (low, high))
    if low < least - _NEAR or high > most + _NEAR:
        mapped = " (as uint8 is brought to [-1, 1])" if whole_numbers else ""
        _warn(
            f"the data runs from {low:g} to {high:g}{mapped}, but G ends in {ends[-1]} and makes {least:g} to {most:g} "
            "only, so that D need not look any further; scale the data, as minigan.datasets.to_float does with uint8, "
            "or end G otherwise"
        )
    elif not whole_numbers and (least, low >= 0, high > low) == (-1, True, True):
        _warn(
            f"the data runs from {low:g} to {high:g}, as if scaled to [0, 1], but G ends in {ends[-1]} and begins "
            "around 0; give 2 * x - 1, or uint8"
        )
    if labels is not None and (absent := [i for i, n in enumerate(labels.sum(axis=0).tolist()) if not n]):
        few = ", ".join(map(str, absent[:5])) + (", ..." if len(absent) > 5 else "")
        _warn(
            f"{label} has {labels.shape[1]} classes, but {len(absent)} of them ({few}) have no sample in the "
            "data, so that G never learns them; give the number of classes that there are"
        )


def few_labels(
    data: Any, labels: Any, k: int, n: int, count: int, split: int, missing: str
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Labels of n samples as one-hot rows (n, k), and which of them a game is told, `count` of that split.

    labels: as given, or None for those of the data. Raises ValueError, of the data what `missing` says, without any.
    """
    known = getattr(data, "labels", None) if labels is None else labels
    if known is None:
        raise ValueError(f"{getattr(data, 'name', 'the data')} has no labels; {missing}")
    rows = Label(k).encode(np.asarray(known), n)
    return rows, chosen_labels(rows.argmax(axis=1), k, count, split)


def chosen_labels(labels: np.ndarray[Any, Any], classes: int, count: int, split: int) -> np.ndarray[Any, Any]:
    """Which samples (of labels (N,), 0 to classes − 1) are told: as many of each class, int64 (count,).

    Raises ValueError unless that is possible.
    """
    if count % classes:
        raise ValueError(f"{count} labels are not the same number of each of {classes} classes")
    order = np.random.RandomState(split).permutation(len(labels))
    first = [order[labels[order] == k][: count // classes] for k in range(classes)]
    if any(len(part) < count // classes for part in first):
        raise ValueError(f"some class has fewer than {count // classes} samples, which {count} labels would take")
    return np.concatenate(first)


def _warn(sentence: str) -> None:
    warnings.warn(sentence, UserWarning, stacklevel=7)


def _as_array(images: Any) -> Any:
    """Tensors of another library as an array; what is one already, or can be none, as it is."""
    if isinstance(getattr(images, "dtype", np.dtype(int)), np.dtype) or not hasattr(images, "__array__"):
        return images
    try:
        return np.asarray(images)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(
            f"a {type(images).__name__} that is no array ({error}); give it on the CPU and without its gradient, as "
            "x.detach().cpu()"
        ) from None
