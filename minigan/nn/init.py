"""How weights begin.

A weight of shape (out, in) turns `in` independent inputs of variance v into sums of variance in · Var(w) · v. An
initialiser chooses Var(w) so that signals neither die nor explode from layer to layer, forwards (fan_in = in) or
backwards (fan_out = out).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..names import unknown
from ..spec import Spec, number


class Initializer(Spec, abstract=True):
    """Fills a new parameter: `init(shape, rng)` returns a float64 array of that shape, the one of `state_dict`."""

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray[Any, Any]:
        raise NotImplementedError


class Constant(Initializer):
    """Every entry the same value."""

    def __init__(self, value: float = 0.0) -> None:
        self.value = number("value", value, "(-inf, inf)", of="Constant")

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray[Any, Any]:
        return np.full(shape, self.value)


class Normal(Initializer):
    """N(mean, std²); the DCGAN paper (Radford 2015) uses std = 0.02."""

    def __init__(self, std: float = 0.02, mean: float = 0.0) -> None:
        self.std = number("std", std, "[0, inf)", of="Normal")
        self.mean = number("mean", mean, "(-inf, inf)", of="Normal")

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray[Any, Any]:
        return self.mean + self.std * rng.standard_normal(shape)


class Glorot(Initializer):
    """U(−a, a) with a = √(6/(fan_in + fan_out)), so Var = 2/(fan_in + fan_out) (Glorot and Bengio 2010, eq. 16)."""

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray[Any, Any]:
        fan_in, fan_out = fans(shape)
        bound = math.sqrt(6 / (fan_in + fan_out))
        return rng.uniform(-bound, bound, shape)


class He(Initializer):
    """N(0, 2/((1 + slope²) fan_in)), for (leaky) ReLU networks (He et al. 2015, eq. 10 and 15)."""

    def __init__(self, slope: float = 0.0) -> None:
        self.slope = number("slope", slope, "(-inf, inf)", of="He")

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray[Any, Any]:
        fan_in, _ = fans(shape)
        return math.sqrt(2 / ((1 + self.slope**2) * fan_in)) * rng.standard_normal(shape)


NAMED: dict[str, Initializer] = {"glorot": Glorot(), "he": He(), "normal": Normal(), "zeros": Constant(0.0)}


def get_initializer(init: str | Initializer) -> Initializer:
    """An initialiser by name ("glorot", "he", "normal", "zeros") or as it is; ValueError for another name."""
    if isinstance(init, Initializer):
        return init
    if init not in NAMED:
        raise ValueError(f"{unknown('initialiser', init, NAMED)}; or pass an Initializer")
    return NAMED[init]


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight laid out as (out, in, *kernel)."""
    if len(shape) < 2:
        return shape[0], shape[0]
    kernel = math.prod(shape[2:])
    return shape[1] * kernel, shape[0] * kernel
