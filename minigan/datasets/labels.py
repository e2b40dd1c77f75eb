"""What counts as labels of images: one class for each, in any of the forms that people keep them in."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["UnclearLabels", "as_numbers", "understood"]

Numbers = NDArray[np.uint8] | NDArray[np.int64]


class UnclearLabels(ValueError):
    """There is something for each image, but it does not say which class it is of."""


def understood(given: Any, count: int, name: str) -> tuple[Numbers, tuple[str, ...] | None]:
    """The class of each of `count` images as a number, (count,), uint8 or int64; and the names of classes 0, 1, ...

    given: whole numbers or booleans (count,) or (count, 1), one-hot rows (count, k), or text (count,), whose classes
    are numbered in sorted order and have names. name: of the data, for sentences.

    Raises ValueError unless there is one for each image, and UnclearLabels for what names no classes.

    >>> understood([[0, 0, 1], [1, 0, 0]], 2, "toys")[0].tolist()
    [2, 0]
    >>> understood(["dog", "cat", "dog"], 3, "pets")
    (array([1, 0, 1]), ('cat', 'dog'))
    """
    labels = np.asarray(given)
    if labels.shape[:1] != (count,):
        raise ValueError(
            f"the labels of {name} have shape {labels.shape}, but {count} integers, one for each image, were "
            "expected; give the labels that go with these images"
        )
    numbers = as_numbers(labels)
    if numbers.shape == (count,) and numbers.dtype.kind in "US":
        text = numbers if numbers.dtype.kind == "U" else np.char.decode(numbers, "utf-8", "replace")
        names, classes = np.unique(text, return_inverse=True)
        return classes.astype(np.int64).reshape(count), tuple(map(str, names))
    if numbers.dtype.kind not in "iu" or numbers.shape != (count,):
        raise UnclearLabels(
            f"the labels of {name} have dtype {labels.dtype} and shape {labels.shape}, but {count} integers, one for "
            "each image, one-hot rows or names were expected; convert them first"
        )
    if numbers.dtype == np.uint64 and numbers.size and numbers.max() > np.iinfo(np.int64).max:
        raise UnclearLabels(f"the labels of {name} go up to {numbers.max()}, beyond 2^63 - 1; number the classes first")
    return (numbers if numbers.dtype == np.uint8 else numbers.astype(np.int64, copy=False)), None


def as_numbers(labels: NDArray[Any]) -> NDArray[Any]:
    """(N, 1) as (N,), one-hot rows (N, k) as the place of the one, booleans as 0 and 1; anything else as it is.

    >>> as_numbers(np.array([[7], [2]])).tolist(), as_numbers(np.eye(3)[[2, 0]]).tolist()
    ([7, 2], [2, 0])
    """
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    elif labels.ndim == 2 and labels.shape[1] > 1 and labels.dtype.kind in "biuf":
        ones = labels == 1
        if ((labels == 0) | ones).all() and (ones.sum(axis=1) == 1).all():
            return np.asarray(ones.argmax(axis=1))
    return labels.astype(np.uint8) if labels.dtype.kind == "b" else labels
