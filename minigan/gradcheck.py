"""Are the gradients right? Directional derivatives against finite differences, in float64.

For a scalar L of an array a, and a random direction d, two numbers must agree:

    analytic    ⟨dL/da, d⟩, from the hand-derived backward
    numeric     (L(a + h d) − L(a − h d)) / 2h  =  ⟨dL/da, d⟩ + O(h²)

One direction tests every element of the gradient at once, so the cost does not grow with the array. (The idea is
Chainer's `gradient_check`.) The numeric side is refined by Richardson extrapolation, D = (4 D(h/2) − D(h))/3, which
removes the h² term. Where a kink (a ReLU's zero) lies between a − h d and a + h d, there is no derivative to compare
with. That shows in differences that change as h is halved; the direction is then tried again with a smaller h, and
passed over if that does not help.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .backend import Purpose, Stream
from .nn import Layer, Sequential

Array = np.ndarray[Any, Any]


class GradientError(AssertionError):
    """An analytic gradient disagrees with finite differences. The message shows where, and both values."""


def gradcheck(
    net: Sequential | Layer,
    x: Any,
    *,
    train: bool = True,
    loss: Callable[[Array], tuple[Any, Array]] | None = None,
    directions: int = 4,
    tolerance: float = 1e-6,
    seed: int = 0,
) -> dict[str, float]:
    """Check a network's (or a single layer's) gradients by finite differences.

    net: a Sequential, or a Layer of your own. It is copied in float64; the original is left alone. x: a batch
    (N, ...). train: check the training or the inference mode. loss: output → (value, gradient), default
    ½ Σ w y² + Σ c y with random w and c. directions: how many per array. tolerance: on the relative error
    |analytic − numeric| / max(|analytic|, |numeric|, typical element of the gradient); differences that rounding
    alone can explain count as below the tolerance.

    Returns {"input": ..., "0.weight": ..., ...}, the worst relative error per array (NaN: nothing but kinks).
    Raises GradientError, naming array, direction, both values and the largest elements of the difference.

    >>> import minigan, numpy as np
    >>> errors = minigan.gradcheck(minigan.Tanh(), np.linspace(-2, 2, 12).reshape(3, 4))
    >>> errors["input"] < 1e-8
    True
    """
    net = _copy(net)
    x = np.array(net.backend.to_numpy(net.backend.asarray(x)), np.float64)
    stream = Stream(seed, Purpose.CHECK)
    rng = np.random.default_rng(seed)
    arrays: dict[str, Any] = {"input": x} | {name: p.data for name, p in net.parameters.items()}

    def forward() -> tuple[Array, Any]:
        return net(net.backend.asarray(x), train=train, track=False, stream=stream)

    y, back = forward()
    loss = loss or _quadratic(rng, net.backend.to_numpy(y).shape)
    _, dy = loss(net.backend.to_numpy(y))
    net.zero_grad()
    dx = back(net.backend.asarray(dy))
    gradients = {"input": net.backend.to_numpy(dx)} | net.grad_dict()

    def value() -> float:
        return float(loss(net.backend.to_numpy(forward()[0]))[0])

    return check_gradients(value, arrays, gradients, directions=directions, tolerance=tolerance, seed=seed)


def check_gradients(
    value: Callable[[], float],
    arrays: Mapping[str, Any],
    gradients: Mapping[str, Array],
    *,
    directions: int = 4,
    tolerance: float = 1e-6,
    seed: int = 0,
) -> dict[str, float]:
    """The same check for any scalar function of float64 arrays, such as a whole D step.

    value: evaluates the function at the present contents of `arrays`, which are changed in place and restored.
    gradients: the analytic gradient of each array. Returns and raises as `gradcheck`.
    """
    worst = {}
    for name, array in arrays.items():
        rng = np.random.default_rng([seed, *name.encode()])
        gradient = np.asarray(gradients[name])
        typical = float(np.linalg.norm(gradient)) / math.sqrt(gradient.size)
        errors = []
        for _ in range(directions):
            d = rng.standard_normal(array.shape)
            d /= np.linalg.norm(d) or 1.0
            analytic = float(np.vdot(gradient, d))
            numeric, resolution = _directional(value, array, d, max(typical, abs(analytic)), tolerance)
            if numeric is None:
                continue
            scale = max(typical, abs(analytic), abs(numeric), resolution / tolerance)
            error = abs(analytic - numeric) / scale if scale else 0.0
            if not error <= tolerance:
                raise GradientError(_explain(name, gradient, d, analytic, numeric, error, tolerance))
            errors.append(error)
        worst[name] = max(errors, default=float("nan"))
    return worst


def _directional(
    value: Callable[[], float], array: Any, d: Array, scale: float, tolerance: float
) -> tuple[float | None, float]:
    """The numeric derivative along d and the rounding error in it; None if there is a kink at every h tried.

    A smooth function's first and second differences hardly change when h is halved. If the slope jumps by J inside
    (−h, h), one of them changes by about J. Accepting only changes below the tolerance bounds the error by it too.
    """
    original = array.copy()
    direction = d if isinstance(array, np.ndarray) else type(array)(d)

    def at(t: float) -> float:
        array[...] = original + t * direction
        return value()

    try:
        centre = at(0.0)
        # rounding, measured: how much the value trembles when hardly anything moves
        trembling = max(np.finfo(float).eps * abs(centre), *(abs(at(k * 1e-12) - centre) for k in (-2, -1, 1, 2)))
        for h in (1e-3, 1e-4, 1e-5):
            up, down, half_up, half_down = at(h), at(-h), at(h / 2), at(-h / 2)
            coarse, fine = (up - down) / (2 * h), (half_up - half_down) / h
            bend, half_bend = (up - 2 * centre + down) / h, 4 * (half_up - 2 * centre + half_down) / h
            rounding = 32 * trembling / h  # few samples of a tremble, so with a margin
            allowed = tolerance * max(scale, abs(fine)) + 10 * rounding
            if abs(fine - coarse) <= allowed and abs(half_bend - bend) <= 0.1 * allowed + 10 * rounding:
                return (4 * fine - coarse) / 3, max(float(rounding), 1e-12)  # the analytic side rounds as well
        return None, 0.0
    finally:
        array[...] = original


def _explain(
    name: str, gradient: Array, d: Array, analytic: float, numeric: float, error: float, tolerance: float
) -> str:
    strongest = np.unravel_index(np.argsort(-np.abs(d), axis=None)[:3], d.shape)
    where = ", ".join(
        f"[{', '.join(map(str, i))}]: d = {d[i]:+.3f}, gradient = {gradient[i]:+.3e}"
        for i in zip(*(axis.tolist() for axis in strongest), strict=True)
    )
    return (
        f"the gradient of {name} {gradient.shape} is wrong: along a random unit direction d the analytic "
        f"derivative is {analytic:+.9e}, finite differences give {numeric:+.9e} "
        f"(relative error {error:.1e}, tolerance {tolerance:.0e}). Largest elements of d: {where}"
    )


def _copy(net: Sequential | Layer) -> Sequential:
    """The same network in float64."""
    if isinstance(net, Layer):
        return Sequential(copy.deepcopy(net), dtype="float64")
    twin = Sequential.build({**net.describe(), "dtype": "float64"}, net.backend)
    twin.load_state_dict(net.state_dict())
    return twin


def _quadratic(rng: np.random.Generator, shape: tuple[int, ...]) -> Callable[[Array], tuple[float, Array]]:
    w, c = rng.uniform(0.5, 1.5, shape), rng.standard_normal(shape)

    def loss(y: Array) -> tuple[float, Array]:
        return float((0.5 * w * y * y + c * y).sum()), w * y + c

    return loss
