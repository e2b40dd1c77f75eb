"""The parts of a step, alone: all its products, all its batchnorm, and so on, on arrays of the step's own shapes.

Each part repeats the operations of one kind that one step needs, in the order in which the step asks for them, so
that the milliseconds of the parts can be held against those of the step. Alone, a part finds its operands where
the part itself left them, not where the operation before would have: the sum is near the step, not equal to it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..backend import Backend, Purpose, Stream
from ..names import unknown
from ..nn import LeakyReLU, Tanh
from . import work
from .step import ADAM_EPS, BETA1, BETA2, EPS, LATENT, LR, PIXELS, SLOPE, Operation, operations
from .work import Work

Array = Any

PARTS = {  # name: operations of the backend
    "gemm": ("gemm", "gemms"),
    "elementwise": ("bias_act", "bias_act_grad"),
    "batchnorm": ("batchnorm", "batchnorm_grad"),
    "optimizer": ("adam",),
    "random": ("normal",),
    "losses": ("logistic",),
    "gather": ("draw",),
}
IMAGES = 10_000  # the data set of the part "gather", which is not in the step: it is what `fit` does before it
TOLERANCES = {  # of a backend's floats against the reference's, relative to the largest; integers must be equal
    "fp32": 2e-3,
    "tf32": 4e-3,  # a product of factors of 10 bits is 1e-3 off where it is furthest
    "bf16": 2e-2,  # of 7 bits, 5e-3
}


def part_operations(part: str, batch: int, width: float = 1.0) -> list[Operation]:
    """The operations of a part.

    Raises ValueError for another name.

    >>> part_operations("random", 32)
    [Operation(name='normal', shape=(3200,), detail='', summed=False)]
    """
    if part not in PARTS:
        raise ValueError(unknown("part", part, PARTS))
    if part == "gather":
        return [Operation("draw", (batch, PIXELS))]
    return [op for op in operations(batch, width) if op.name in PARTS[part]]


def part_work(part: str, batch: int, width: float = 1.0) -> Work:
    """FLOPs and bytes of a part."""
    return work.total(op.work for op in part_operations(part, batch, width))


def prepare(part: str, backend: Backend, batch: int, width: float = 1.0) -> Callable[[], None]:
    """The part as a function without arguments, once its results agree with those of the reference backend.

    Raises ArithmeticError, naming the operation, if they do not.
    """
    calls = []
    for seed, op in enumerate(part_operations(part, batch, width)):
        call, results = _prepared(op, backend, np.random.default_rng(seed))
        oracle, expected = _prepared(op, Backend(), np.random.default_rng(seed))
        call()
        oracle()
        for ours, theirs in zip(results, expected, strict=True):
            _compare(op, backend, backend.to_numpy(ours), theirs)
        calls.append(call)

    def run() -> None:
        for call in calls:
            call()

    return run


def _compare(op: Operation, backend: Backend, ours: np.ndarray[Any, Any], theirs: np.ndarray[Any, Any]) -> None:
    scale = float(np.abs(theirs).max()) or 1.0
    error = float(np.abs(ours.astype(np.float64) - theirs).max()) / scale
    allowed = TOLERANCES[getattr(backend, "precision", "fp32")] if theirs.dtype.kind == "f" else 0.0
    if not error <= allowed:  # NaN is an error as well
        raise ArithmeticError(
            f"{op.name} {op.detail} on {op.shape} of backend {backend.name!r} is wrong: it differs from the "
            f"reference by {error:.1e} of the largest value (allowed: {allowed:.0e}); it is not timed"
        )


def _prepared(op: Operation, be: Backend, rng: np.random.Generator) -> tuple[Callable[[], object], list[Array]]:
    """A call of the operation on random arrays of its own, and the arrays that it writes."""
    return _PREPARE[op.name](op, be, lambda *shape: be.asarray(rng.standard_normal(shape, np.float32)))


Draw = Callable[..., Array]
Prepared = tuple[Callable[[], object], list[Array]]


def _gemm(op: Operation, be: Backend, draw: Draw) -> Prepared:
    m, k, n = op.shape
    a = draw(k, m).T if op.detail == "gᵀ x" else draw(m, k)
    b = draw(n, k).T if op.detail == "x Wᵀ" else draw(k, n)
    out = be.empty((m, n), np.float32)
    return lambda: be.gemm(a, b, out=out), [out]


def _gemms(op: Operation, be: Backend, draw: Draw) -> Prepared:
    n, n_in, n_out = op.shape
    g, x, weight = draw(n, n_out), draw(n, n_in), draw(n_out, n_in)
    dweight, dx = be.empty((n_out, n_in), np.float32), be.empty((n, n_in), np.float32)
    return lambda: be.gemms([(g.T, x, dweight, False), (g, weight, dx, False)]), [dweight, dx]


def _activation(op: Operation) -> Any:
    return {"LeakyReLU": LeakyReLU(SLOPE), "Tanh": Tanh(), "": None}[op.detail]


def _bias_act(op: Operation, be: Backend, draw: Draw) -> Prepared:
    x, bias, act = draw(*op.shape), draw(op.shape[1]), _activation(op)
    return lambda: be.bias_act(x, bias, act, out=x), [x]  # in place, as Dense does it


def _bias_act_grad(op: Operation, be: Backend, draw: Draw) -> Prepared:
    # In place, as Dense does it. φ′ is 1 but in the first sample: times less than 1 again and again, the gradient
    # would shrink into denormal numbers, which are slow.
    dy, y, act = draw(*op.shape), be.xp.full(op.shape, 1e-6, np.float32), _activation(op)
    y[0] = be.xp.tanh(draw(op.shape[1]))
    dbias = be.empty(op.shape[1:], np.float32) if op.summed else None
    return lambda: be.bias_act_grad(dy, y, act, out=dy, dbias=dbias), [dy] if dbias is None else [dy, dbias]


def _batchnorm(op: Operation, be: Backend, draw: Draw) -> Prepared:
    x, gamma, beta = draw(*op.shape), draw(op.shape[1]), draw(op.shape[1])
    out, (mean, var, inv_std) = be.empty(op.shape, np.float32), (be.empty(op.shape[1:], np.float32) for _ in range(3))
    return lambda: be.batchnorm(x, gamma, beta, EPS, None, out, mean, var, inv_std), [out, var, inv_std]


def _batchnorm_grad(op: Operation, be: Backend, draw: Draw) -> Prepared:
    # In place, as BatchNorm does it. With the statistics of x and γ/s = ±1 it is a projection, up to the sign of dy:
    # it can be repeated, and neither grows nor shrinks.
    dy, x, sign = draw(*op.shape), draw(*op.shape), draw(op.shape[1])
    mean, std = x.mean(axis=0), x.std(axis=0)
    gamma, inv_std = be.xp.copysign(std, sign), 1 / std
    dgamma, dbeta = be.empty(op.shape[1:], np.float32), be.empty(op.shape[1:], np.float32)
    return lambda: be.batchnorm_grad(dy, dy, None, x, gamma, mean, inv_std, dgamma, dbeta, True), [dy, dgamma, dbeta]


def _logistic(op: Operation, be: Backend, draw: Draw) -> Prepared:
    logits, grad = draw(*op.shape, 1), be.empty((*op.shape, 1), np.float32)
    return lambda: be.logistic(logits, 1.0, grad), [grad]


def _adam(op: Operation, be: Backend, draw: Draw) -> Prepared:
    p, g, m, v = draw(*op.shape), draw(*op.shape), draw(*op.shape), be.xp.square(draw(*op.shape))
    return lambda: be.adam(p, g, m, v, LR, BETA1, BETA2, ADAM_EPS, 10), [p, m, v]


def _normal(op: Operation, be: Backend, draw: Draw) -> Prepared:
    out = be.empty((op.shape[0] // LATENT, LATENT), np.float32)
    return lambda: be.normal(out, Stream(0, Purpose.LATENT_G, 0)), [out]


def _draw(op: Operation, be: Backend, draw: Draw) -> Prepared:
    data = be.asarray(np.random.default_rng(0).integers(0, 256, (IMAGES, op.shape[1]), np.uint8))
    out = be.empty(op.shape, np.float32)
    return lambda: be.draw(data, 0, op.shape[0], 0, out), [out]


_PREPARE: dict[str, Callable[[Operation, Backend, Draw], Prepared]] = {
    "gemm": _gemm,
    "gemms": _gemms,
    "bias_act": _bias_act,
    "bias_act_grad": _bias_act_grad,
    "batchnorm": _batchnorm,
    "batchnorm_grad": _batchnorm_grad,
    "logistic": _logistic,
    "adam": _adam,
    "normal": _normal,
    "draw": _draw,
}
