"""What an operation costs on paper: FLOPs, and the bytes that have to move whatever the code.

One FLOP is an addition, multiplication, division, comparison or maximum, and also one square root, exponential,
logarithm, sine or hyperbolic tangent, which take several instructions: of those the count is a lower bound. Philox's
integer arithmetic is not counted. Products (GEMM) are kept apart from all the rest.

Bytes: each array that the operation needs is read once and each result is written once, 4 bytes a number
(float32). An operation that streams its operands twice moves more than is counted here, one that finds them in a
cache moves less through memory. Scalars do not count.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from ..backend import Backend

FLOAT = 4  # bytes

_VALUE = {"LeakyReLU": 2, "ReLU": 1, "Tanh": 1, "Sigmoid": 4, "Softplus": 6, "": 0}  # φ(x), per element
_SLOPE = {"LeakyReLU": 1, "ReLU": 1, "Tanh": 2, "Sigmoid": 2, "Softplus": 3, "": 0}  # φ′ from y, per element


@dataclass(frozen=True)
class Work:
    """FLOPs of products, FLOPs of everything else, and bytes that move.

    largest: bytes of the arrays of the largest operation, if that is not what it moves. It decides which cache they
    fit.
    """

    gemm_flops: int = 0
    other_flops: int = 0
    bytes: int = 0
    largest: int = 0

    @property
    def footprint(self) -> int:
        """Bytes of the arrays that one operation has in its hands, at most."""
        return self.largest or self.bytes

    @property
    def flops(self) -> int:
        """All FLOPs."""
        return self.gemm_flops + self.other_flops

    @property
    def intensity(self) -> float:
        """FLOPs per byte, the abscissa of a roofline."""
        return self.flops / self.bytes if self.bytes else 0.0


def total(parts: Iterable[Work]) -> Work:
    """The sum of several pieces of work."""
    parts = list(parts)
    return Work(
        sum(w.gemm_flops for w in parts),
        sum(w.other_flops for w in parts),
        sum(w.bytes for w in parts),
        max((w.footprint for w in parts), default=0),
    )


def gemm(m: int, k: int, n: int) -> Work:
    """(m, k) times (k, n): m n dot products of k multiplications and k additions."""
    return Work(gemm_flops=2 * m * k * n, bytes=FLOAT * (m * k + k * n + m * n))


def column_sum(n: int, features: int) -> Work:
    return Work(0, n * features, FLOAT * (n * features + features))


def bias_act(n: int, features: int, act: str = "", bias: bool = True) -> Work:
    """x + b and φ: x is read, y written."""
    size = n * features
    return Work(0, size * (_VALUE.get(act, 1) + bias), FLOAT * (2 * size + bias * features))


def bias_act_grad(n: int, features: int, act: str = "", summed: bool = False) -> Work:
    """g = φ′(y) · dy: both are read, g is written; summed: with its column sums, the gradient of a bias."""
    size = n * features
    flops, moved = ((_SLOPE.get(act, 1) + 1) * size, 3 * size) if act else (0, size)
    return Work(0, flops + size * summed, FLOAT * (moved + features * summed))


def batchnorm(n: int, features: int) -> Work:
    """Mean 1, variance 3, (x − μ) · (γ/s) + β 3 an element; x read, y written, five vectors."""
    size = n * features
    return Work(0, 7 * size + 6 * features, FLOAT * (2 * size + 5 * features))


def normalize(n: int, features: int) -> Work:
    size = n * features
    return Work(0, 3 * size + features, FLOAT * (2 * size + 4 * features))


def batchnorm_grad(n: int, features: int) -> Work:
    """dβ = Σ dy 1, dγ = Σ dy (x − μ)/s 3, dx = γ/s · (dy − dβ/N − (x − μ) · dγ/(N s)) 5 an element.

    dy and x are read twice, since the sums must be known before dx; dx is written; nine vectors.
    """
    size = n * features
    return Work(0, 9 * size + 5 * features, FLOAT * (5 * size + 9 * features))


def track(features: int) -> Work:
    """Mean 3, variance 4, finite? 2 a feature; four vectors read and two written."""
    return Work(0, 9 * features, FLOAT * 6 * features)


def logistic(n: int) -> Work:
    """|l|, e^−|l|, σ and its difference from the target, /n: 6; softplus, target, sum: 5."""
    return Work(0, 11 * n, FLOAT * 2 * n)


def verdicts(n: int) -> Work:
    """e^−l, 1 +, 1 /, sum, l > 0, sum."""
    return Work(0, 6 * n, FLOAT * n)


def norm(size: int) -> Work:
    return Work(0, 2 * size, FLOAT * size)


def gemms(n: int, n_in: int, n_out: int) -> Work:
    """The two products of a backward, gᵀ x and g W."""
    return total([gemm(n_out, n, n_in), gemm(n, n_out, n_in)])


def adam(size: int) -> Work:
    """m 2, v 3, √v + ε 2, divide, scale, subtract: 10 a parameter; p, g, m, v read and p, m, v written."""
    return Work(0, 10 * size, FLOAT * 7 * size, FLOAT * 4 * size)


def sgd(size: int) -> Work:
    return Work(0, 4 * size, FLOAT * 5 * size)


def rmsprop(size: int) -> Work:
    return Work(0, 8 * size, FLOAT * 5 * size)


def normal(size: int) -> Work:
    """Box and Muller's transform of a pair of uniform numbers: log, root, sine, cosine and 5 more, for two."""
    return Work(0, 9 * ((size + 1) // 2), FLOAT * size)


def uniform(size: int) -> Work:
    return Work(0, 0, FLOAT * size)


def minibatch(n: int) -> Work:
    """Indices of 8 bytes, from integer arithmetic."""
    return Work(0, 0, 8 * n)


def gather(n: int, features: int, itemsize: int = 1) -> Work:
    """Rows of uint8 become floats in [−1, 1], 2 FLOPs a pixel; rows of floats are copied."""
    size = n * features
    return Work(0, 2 * size if itemsize == 1 else 0, size * (itemsize + FLOAT) + 8 * n)


def draw(n: int, features: int, itemsize: int = 1) -> Work:
    """Both of them: the indices, and the rows that they name."""
    return total([minibatch(n), gather(n, features, itemsize)])


def of_call(operation: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Work | None:
    """The work of one call of a backend's operation, from the shapes of its arguments; None if it is unknown here.

    Every operation whose name begins with "gemm" is a product or a list of (a, b, out, ...): its FLOPs are counted.
    """
    if operation.startswith("gemm") and args and isinstance(args[0], (list, tuple)):
        return total(_product(*product[:3]) for product in args[0])
    count = _CALLS.get(operation)
    if count is None:
        return None
    try:
        return count(_signature(operation).bind(None, *args, **kwargs).arguments)
    except (TypeError, KeyError):  # another signature than the reference's: no count is better than a wrong one
        return None


@cache
def _signature(operation: str) -> inspect.Signature:
    return inspect.signature(getattr(Backend, operation))


def _product(a: Any, b: Any, out: Any) -> Work:
    return gemm(a.shape[0], a.shape[1], out.shape[1])


def _size(x: Any) -> tuple[int, int]:
    """Samples and features; what has more axes, or one, is taken as so many features."""
    return len(x), x.size // max(1, len(x))


def _name(act: Any) -> str:
    return "" if act is None else type(act).__name__


def _conv(x: Any, w: Any, y: Any) -> Work:
    """Each of the three products of a convolution: images, weights and outputs, of which one is computed."""
    return Work(2 * (y.size // y.shape[3]) * w.size, 0, FLOAT * (x.size + w.size + y.size))


_CALLS: dict[str, Callable[[dict[str, Any]], Work]] = {
    "conv": lambda a: _conv(a["x"], a["w"], a["out"]),
    "conv_inputs": lambda a: _conv(a["out"], a["w"], a["g"]),
    "conv_weights": lambda a: _conv(a["x"], a["out"], a["g"]),
    "gemm": lambda a: _product(a["a"], a["b"], a["out"]),
    "column_sum": lambda a: column_sum(*a["x"].shape),
    "conv_and_weights": lambda a: total([_conv(a["x"], a["w"], a["out"]), _conv(a["x"], a["dw"], a["g"])]),
    "norm": lambda a: norm(a["x"].size),
    "grad_norm": lambda a: norm(a["grad"].size),
    "bias_act": lambda a: bias_act(*_size(a["x"]), _name(a["act"]), a["bias"] is not None),
    "bias_act_grad": lambda a: bias_act_grad(*_size(a["dy"]), _name(a["act"]), a.get("dbias") is not None),
    "batchnorm": lambda a: batchnorm(*a["x"].shape),
    "normalize": lambda a: normalize(*a["x"].shape),
    "batchnorm_grad": lambda a: batchnorm_grad(*a["x"].shape),
    "track": lambda a: track(a["mean"].size),
    "logistic": lambda a: logistic(a["logits"].size),
    "verdicts": lambda a: verdicts(a["real"].size + a["fake"].size),
    "classify": lambda a: total(f(a["real"].size + a["fake"].size) for f in (logistic, verdicts)),
    "adam": lambda a: adam(a["p"].size),
    "sgd": lambda a: sgd(a["p"].size),
    "rmsprop": lambda a: rmsprop(a["p"].size),
    "normal": lambda a: normal(a["out"].size),
    "uniform": lambda a: uniform(a["out"].size),
    "minibatch": lambda a: minibatch(a["out"].size),
    "gather": lambda a: gather(*_size(a["out"]), a["data"].dtype.itemsize),
    "draw": lambda a: draw(*_size(a["out"]), a["data"].dtype.itemsize),
    "replace": lambda a: draw(*_size(a["samples"]), FLOAT),
}
