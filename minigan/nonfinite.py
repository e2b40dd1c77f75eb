"""Where the first NaN or infinity came from.

An update looks at two numbers only, its loss and the norm of its gradient: whatever is not finite anywhere reaches one
of them. If one is, the update is not made, and every array of it is gone through here, in the order in which it came
to be.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from .backend import Backend

if TYPE_CHECKING:
    from .gan import GAN, Fakes, Seen

Array = Any


class NonFiniteError(ArithmeticError):
    """A number stopped being finite. `step` says when, `array` in which array; the parameters were not updated."""

    def __init__(self, step: int, array: str, message: str) -> None:
        super().__init__(message)
        self.step = step
        self.array = array


def first_nonfinite(arrays: Iterable[tuple[str, Array]], be: Backend) -> tuple[str, str] | None:
    """The first of the named arrays that holds a NaN or an infinity, and what it holds; None if all are finite."""
    for name, array in arrays:
        finite = be.xp.isfinite(array)
        if not bool(finite.all()):
            bad = int(array.size - finite.sum())
            kind = "NaN" if bool(be.xp.isnan(array).any()) else "infinity"
            return name, f"{kind} in {bad} of {array.size} elements"
    return None


def explain(
    gan: GAN,
    player: str,
    loss: Array,
    real: Array | None,
    fakes: Fakes | None,
    seen: dict[str, Seen],
) -> NonFiniteError:
    """The error for an update of `player` ("G" or "D") whose loss or gradient is not finite.

    real, fakes: the samples of the update, if it had them. seen: the batches that D has judged in it.
    """
    step, unknown = gan.steps + 1, (f"the norm of {player}'s gradient", "overflow")
    name, what = first_nonfinite(_suspects(gan, player, loss, real, fakes, seen), gan.backend) or unknown
    return NonFiniteError(
        step,
        name,
        f"{name} is not finite at step {step}, in the update of {player}: {what}; the update was not made. "
        "Usual causes: a learning rate that is too high, or data that is not finite",
    )


def _suspects(
    gan: GAN,
    player: str,
    loss: Array,
    real: Array | None,
    fakes: Fakes | None,
    seen: dict[str, Seen],
) -> Iterator[tuple[str, Array]]:
    """Every array of the update, in the order in which it came to be; activations are computed again."""
    for prefix, net in (("G", gan.G), ("D", gan.D)):
        for name, parameter in net.parameters.items():
            yield f"{prefix}.{name}", parameter.data
    if real is not None:
        yield "the real batch", real
    if fakes is not None:
        for name, y in gan.G.activations(fakes.z, train=fakes.train, stream=fakes.stream):
            yield f"the output of G.{name}", y
    for kind, (samples, stream, told) in seen.items():
        for name, y in gan.D.activations(samples, train=True, stream=stream, beside=told):
            yield f"the output of D.{name} on {kind}", y
    yield f"the loss of {player}", loss
    net = gan.G if player == "G" else gan.D
    yield from ((f"the gradient of {player}.{n}", p.grad) for n, p in reversed(net.parameters.items()))
