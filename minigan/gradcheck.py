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
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from typing import Any

import numpy as np

from .backend import Backend, Purpose, Stream, get_backend
from .nn import Layer, Sequential
from .spec import build

Array = np.ndarray[Any, Any]


class GradientError(AssertionError):
    """An analytic gradient disagrees with finite differences. The message shows where, and both values."""


def gradcheck(
    net: Sequential | Layer,
    x: Any,
    *,
    train: bool = True,
    loss: Callable[[Any], tuple[Any, Any]] | None = None,
    randomize: bool = True,
    directions: int = 4,
    tolerance: float = 1e-6,
    seed: int = 0,
) -> dict[str, float]:
    """Check a network's (or a single layer's) gradients by finite differences.

    net: a Sequential, or a Layer of your own. It is copied in float64; the original is left alone.
    x: a batch (N, ...).
    train: check the training or the inference mode.
    loss: output → (value, gradient); default ½ Σ w y² + Σ c y with random w and c.
    randomize: move the copy's parameters and buffers to a random point first. Where γ = 1 and β = 0, as in a fresh
        batchnorm, a backward that forgets them looks right.
    directions: how many per array.
    tolerance: on the relative error |analytic − numeric| / max(|analytic|, |numeric|, typical element of the
        gradient); differences that rounding alone can explain count as below the tolerance.

    It also checks the contract of `back`: gradients add up, params=False leaves them alone and dL/dx as it is.

    Returns {"input": ..., "0.weight": ..., ...}, the worst relative error per array (NaN: nothing but kinks).
    Raises GradientError, naming array, direction, both values and the largest elements of the direction, and
    ValueError if the value is not finite at x.

    >>> import minigan, numpy as np
    >>> errors = minigan.gradcheck(minigan.Tanh(), np.linspace(-2, 2, 12).reshape(3, 4))
    >>> errors["input"] < 1e-8
    True
    """
    net = _copy(net)
    rng = np.random.default_rng(seed)
    if randomize:
        to_random_point(net, rng)
    x = net.backend.asarray(net.backend.to_numpy(net.backend.asarray(x)), np.float64)
    stream = Stream(seed, Purpose.CHECK)
    arrays: dict[str, Any] = {"input": x}
    arrays |= {name: p.as_state(p.data) for name, p in net.parameters.items()}

    def forward() -> tuple[Any, Any]:
        return net(x, train=train, track=False, stream=stream)

    y, back = forward()
    loss = loss or _quadratic(net.backend, rng, y.shape)
    centre, dy = loss(y)
    if not math.isfinite(float(centre)):
        raise ValueError(f"the loss is {float(centre)} at x; gradients can be checked where it is finite")
    net.zero_grad()
    gradients = {"input": net.backend.to_numpy(back(dy))} | net.grad_dict()
    _check_contract(net, back, dy, gradients)

    def value() -> float:
        return float(loss(forward()[0])[0])

    return check_gradients(
        value, arrays, gradients, directions=directions, tolerance=tolerance, seed=seed, backend=net.backend
    )


def check_gradients(
    value: Callable[[], float],
    arrays: Mapping[str, Any],
    gradients: Mapping[str, Array],
    *,
    directions: int = 4,
    tolerance: float = 1e-6,
    seed: int = 0,
    backend: Backend | None = None,
) -> dict[str, float]:
    """The same check for any scalar function of float64 arrays, such as a whole D step.

    value: evaluates the function at the present contents of `arrays`, which are changed in place and restored.
    gradients: the analytic gradient of each array, as NumPy arrays. backend: where the arrays live (default:
    NumPy). Returns and raises as `gradcheck`.
    """
    be = backend or get_backend("numpy")
    largest = max((float(np.linalg.norm(gradient)) for gradient in gradients.values()), default=0.0)
    centre = value() if arrays else 0.0
    if not math.isfinite(centre):
        raise ValueError(f"the value is {centre} at the point itself; gradients can be checked where it is finite")
    worst = {}
    for name, array in arrays.items():
        rng = np.random.default_rng([seed, *name.encode()])
        gradient = np.asarray(gradients[name])
        if not np.isfinite(gradient).all():
            raise GradientError(f"the gradient of {name} {gradient.shape} is not finite")
        typical = float(np.linalg.norm(gradient)) / math.sqrt(gradient.size)
        errors = []
        for _ in range(directions):
            d = rng.standard_normal(array.shape)
            d /= np.linalg.norm(d) or 1.0
            analytic = float(np.vdot(gradient, d))
            scale, error, numeric = 0.0, float("nan"), float("nan")
            least = max(typical, abs(analytic))
            with closing(_derivatives(be, value, centre, array, d, least, tolerance)) as derivatives:
                for found, rounding in derivatives:
                    # the first h sets the scale; a smaller one can only clear what many small kinks have blurred
                    resolution = max(rounding, 1e-12, 1e-12 * largest)  # the analytic side rounds as well
                    scale = scale or max(typical, abs(analytic), abs(found), resolution / tolerance)
                    if not abs(analytic - found) / scale >= error:
                        error, numeric = abs(analytic - found) / scale, found
                    if error <= tolerance:
                        break
            if error > tolerance:
                raise GradientError(_explain(name, gradient, d, analytic, numeric, error, tolerance))
            errors.append(error)
        worst[name] = max((e for e in errors if not math.isnan(e)), default=float("nan"))
    return worst


def _derivatives(
    be: Backend, value: Callable[[], float], centre: float, array: Any, d: Array, scale: float, tolerance: float
) -> Generator[tuple[float, float]]:
    """The numeric derivative along d and its rounding error, for each h that shows no kink.

    A smooth function's first and second differences hardly change when h is halved. If the slope jumps by J inside
    (−h, h), one of them changes by about J. Accepting only changes below the tolerance bounds the error by it too.
    """
    original = array.copy()
    direction = be.asarray(d)

    def at(t: float) -> float:
        array[...] = original + t * direction
        return value()

    try:
        # rounding, measured: how much the value trembles when hardly anything moves
        trembling = max(np.finfo(float).eps * abs(centre), *(abs(at(k * 1e-12) - centre) for k in (-2, -1, 1, 2)))
        for h in (1e-3, 1e-4, 1e-5):
            up, down, half_up, half_down = at(h), at(-h), at(h / 2), at(-h / 2)
            coarse, fine = (up - down) / (2 * h), (half_up - half_down) / h
            curvature, half_curvature = (up - 2 * centre + down) / h, 4 * (half_up - 2 * centre + half_down) / h
            rounding = 64 * trembling / h  # few samples of a tremble, so with a margin
            allowed = tolerance * max(scale, abs(fine))
            if abs(fine - coarse) <= allowed + rounding and abs(half_curvature - curvature) <= 0.1 * allowed + rounding:
                yield (4 * fine - coarse) / 3, float(rounding)
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


def _check_contract(net: Sequential, back: Any, dy: Any, once: Mapping[str, Array]) -> None:
    """A second backward must double the parameters' gradients; params=False must not touch them, nor change dL/dx."""
    back(dy)
    for name, twice in net.grad_dict().items():
        if not np.allclose(twice, 2 * once[name], rtol=1e-9, atol=1e-12):
            raise GradientError(
                f"the gradient of {name} does not add up: write `grad += ...` in back, not `grad = ...`"
            )
    before = net.grad_dict()
    dx = net.backend.to_numpy(back(dy, params=False))
    if not np.array_equal(dx, once["input"], equal_nan=True):
        raise GradientError("dL/dx differs between back(dy) and back(dy, params=False)")
    for name, after in net.grad_dict().items():
        if not np.array_equal(after, before[name], equal_nan=True):
            raise GradientError(f"back(dy, params=False) changes the gradient of {name}; obey `params` in back")


def to_random_point(net: Sequential, rng: np.random.Generator) -> None:
    """Move parameters and buffers away from their special initial values; variances stay positive.

    Buffers that begin as what the parameters make of them follow: random ones might make a spectral norm of nearly 0.
    """
    for array in net.parameters.values():
        array.data += net.backend.asarray(0.3 * rng.standard_normal(array.shape))
    for name, buffer in net.buffers.items():
        if name.endswith("var"):
            buffer *= net.backend.asarray(rng.uniform(0.5, 2.0, buffer.shape))
        else:
            buffer += net.backend.asarray(rng.standard_normal(buffer.shape))
    for _, _, layer in net.chain.leaves():
        arrays = {name: p.as_state(p.data) for name, p in layer.parameters.items()} | layer.buffers
        values = {name: net.backend.to_numpy(array) for name, array in arrays.items()}
        layer.begin(values, rng)
        for name, buffer in layer.buffers.items():
            buffer[...] = net.backend.asarray(values[name])


def _copy(net: Sequential | Layer) -> Sequential:
    """The same network in float64."""
    if isinstance(net, Layer):
        bound = any(parameter.data is not None for parameter in net.parameters.values())
        fresh = build(net.describe()) if bound else copy.deepcopy(net)  # what is part of a network cannot be copied
        twin = Sequential(fresh, dtype="float64")
        for own, given in zip(twin.parameters.values(), net.parameters.values(), strict=True):
            if given.data is not None:  # the layer is part of a network: check it with its present values
                own.data[...] = np.asarray(given.data)
                for name, buffer in net.buffers.items():
                    twin.buffers[f"0.{name}"][...] = np.asarray(buffer)
        return twin
    twin = Sequential.build({**net.describe(), "dtype": "float64"}, net.backend)
    twin.load_state_dict(net.state_dict())
    return twin


def _quadratic(be: Backend, rng: np.random.Generator, shape: tuple[int, ...]) -> Callable[[Any], tuple[Any, Any]]:
    w, c = be.asarray(rng.uniform(0.5, 1.5, shape)), be.asarray(rng.standard_normal(shape))

    def loss(y: Any) -> tuple[Any, Any]:
        return (0.5 * w * y * y + c * y).sum(), w * y + c

    return loss
