"""Arguments of the kernels in kernels.cu, in the very types that they declare, and grids that suit them.

CUDA reads an argument as what the kernel declares, whatever it is: Python's int would be one of 64 bits, its float a
double.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ..spec import Spec
from .counter import Count
from .graph import Ahead
from .philox import MASK64
from .reference import Pair

Array = Any
Grid = tuple[tuple[int, ...], tuple[int, ...]]  # the blocks, and the threads of each

THREADS = 1024  # of a block, at most
BLOCKS = 1024  # of a kernel that goes through a flat array
NULL, int32, uint64 = np.uint64(0), np.int32, np.uint64

# As numbered in kernels.cu, for these very classes: one that is derived from them may be another function.
ACTIVATIONS = {"LeakyReLU": 1, "ReLU": 1, "Tanh": 2, "Sigmoid": 3, "Softplus": 4}


def rows_cols(x: Array) -> tuple[Any, Any]:
    """Rows and columns; what has more axes, or one, is taken as so many columns."""
    return int32(len(x)), int32(x.size // max(1, len(x)))


def elements(x: Array) -> tuple[Any, Any]:
    """How many elements, and how many of them are in a row."""
    return uint64(x.size), rows_cols(x)[1]


@functools.cache
def activations() -> dict[type, int]:
    """The numbers of activations by class."""
    return {Spec.registry[kind]: number for kind, number in ACTIVATIONS.items()}


def activation(act: Any, like: Array) -> tuple[Any, Any]:
    """An activation's number, and its slope below zero."""
    code = 0 if act is None else activations()[type(act)]
    return int32(code), like.dtype.type(getattr(act, "negative_slope", 0.0))


def counted(count: Count) -> tuple[Any, Any]:
    """A count as a number, and as an address of the device to whose number it is added."""
    if isinstance(count, Ahead):
        return uint64(count.more & MASK64), count.counter.array
    return uint64(count & MASK64), NULL


def windows(x: Array, w: Array, out: Array, stride: Pair, padding: Pair) -> tuple[Any, ...]:
    """Of a convolution: the sizes of images, places and windows, stride and padding."""
    return tuple(int32(n) for n in (*x.shape[1:], *out.shape[1:3], *w.shape[1:3], *stride, *padding))


def or_null(array: Array | None) -> Any:
    """An array, or the address of nothing."""
    return NULL if array is None else array


def same(a: Array, b: Array) -> bool:
    """Whether two arrays are the same memory, in the same shape."""
    return bool(a.data.ptr == b.data.ptr and a.shape == b.shape)


def power_of_two(n: int, most: int = THREADS) -> int:
    """The least power of two that is not below n, at most `most`."""
    return min(most, 1 << max(0, n - 1).bit_length())


def flat(size: int) -> Grid:
    """For a kernel that goes through a flat array."""
    return (max(1, min(-(-size // 256), BLOCKS)),), (256,)


def pixels(width: int) -> tuple[int, int]:
    """The block of a convolution's kernel: along what lies next to each other in memory, and along the places."""
    along = power_of_two(int(width), 64)
    return along, 256 // along
