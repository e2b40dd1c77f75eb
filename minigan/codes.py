"""What G is asked for beyond noise, and what D says about it.

A latent is noise and codes side by side, z = (noise, c), so G is asked for c simply by what it is given. A code is a
few numbers: a category or a label as one-hot, a continuous code as it is. D meets it in one of two ways:

    given       c is a part of D's input: is x real, *as a picture of c*?          Label(k)                   CGAN
    predicted   D has outputs for c behind its first, with a loss of their own,    Label(k, predicted=True)   AC-GAN
                that both players descend: D learns to read c, G to write it       Category, Continuous       InfoGAN

A label comes with the data: real samples have it too, and fakes are asked for the labels of the real samples of the
same batch, so that labels alone give nothing away. The other codes mean nothing until G gives them a meaning; there
D's loss on fakes is −E log q(c | G(z, c)), up to a constant, which bounds the mutual information of c and G(z, c) from
below (Chen et al. 2016, eq. 5).

    code            drawn from        −log q(c|x), with D's outputs o              gradient
    Category(k)     k, equally        LSE(o) − o_c,   LSE(o) = log Σ_j e^o_j       softmax(o) − onehot(c)
    Label(k)        the data          the same                                     the same
    Continuous(m)   U(−1, 1)^m        ½ |o − c|², a Gaussian of variance 1         o − c

all as means over the batch, times the code's weight. Checked by tests/test_codes.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .backend import Backend, FreshArena, Stream
from .datasets.labels import as_numbers
from .names import unknown
from .objectives import softmax
from .spec import Spec, integer, number

Array = Any
_MOST = 1 << 29  # numbers in the one-hot labels of a data set: 4 GiB


class Code(Spec, abstract=True):
    """Base class. width: how many numbers of the latent, and of D's outputs, it takes."""

    predicted = True  # by D; or else it is given it
    names: tuple[str, ...] = ()  # of its numbers, by which one can ask for them
    width: int
    weight: float

    def draw(self, n: int, dtype: Any, arena: FreshArena, stream: Stream) -> Array:
        """n random codes (n, width)."""
        raise NotImplementedError

    def loss(self, outputs: Array, codes: Array, grad: Array, xp: Any) -> Array:
        """weight · E −log q(codes | x), by D's outputs on x, both (N, width); their gradient goes into `grad`."""
        raise NotImplementedError

    def predict(self, outputs: Array, xp: Any) -> Array:
        """What D takes the code for, from its outputs (N, width): the probabilities of categories, or the numbers."""
        return outputs

    def place(self, value: float) -> float:
        """A number that a person asks for, as the latent has it."""
        return value

    def encode(self, values: Any, n: int) -> np.ndarray[Any, Any]:
        """The code of values that a person gives, as float64 (n, width); one value serves for all n.

        Raises ValueError or TypeError for values that it cannot have.
        """
        raise NotImplementedError


class Category(Code):
    """One of k values, all equally likely; D predicts which. weight: of its loss (λ = 1 in InfoGAN).

    Raises ValueError unless k is 2 or more and the weight is positive.
    """

    def __init__(self, k: int, weight: float = 1.0) -> None:
        self.k = self.width = integer("k", k, least=2)
        self.weight = number("weight", weight, "(0, inf)", of=type(self).__name__)

    def draw(self, n: int, dtype: Any, arena: FreshArena, stream: Stream) -> Array:
        be, u = arena.backend, arena.empty((n, 1), dtype)
        be.uniform(u, stream)
        u *= self.k
        be.xp.floor(u, out=u)
        be.xp.minimum(u, self.k - 1, out=u)  # k (1 − 2^−24) may have been rounded to k
        return _one_hot(u, self.k, arena)

    def loss(self, outputs: Array, codes: Array, grad: Array, xp: Any) -> Array:
        shifted = outputs - outputs.max(axis=1, keepdims=True)
        share = xp.exp(shifted)
        total = share.sum(axis=1, keepdims=True)
        share /= total
        xp.subtract(share, codes, out=grad)
        grad *= self.weight / len(outputs)
        shifted *= codes
        return (xp.log(total).mean() - shifted.sum() / len(outputs)) * self.weight

    def predict(self, outputs: Array, xp: Any) -> Array:
        return softmax(outputs, xp)

    def encode(self, values: Any, n: int) -> np.ndarray[Any, Any]:
        given = np.asarray(values)
        if given.ndim == 2 and given.shape[1] in (1, self.k):
            given = as_numbers(given)
        if given.dtype.kind not in "iu" or given.shape not in ((), (n,)):
            raise TypeError(
                f"{self} takes a whole number, or {n} of them, got {given.dtype} of shape {given.shape}: {values!r:.80}"
            )
        if given.size and not 0 <= given.min() <= given.max() < self.k:
            raise ValueError(
                f"{self} takes numbers from 0 to {self.k - 1}, got {given.min()} to {given.max()}: give it a larger k "
                "(--classes of a recipe), or count from 0"
            )
        if n * self.k > _MOST:
            raise ValueError(
                f"{n:,} labels of {self.k:,} classes take {8 * n * self.k / 2**30:.0f} GiB as one-hot, so these are "
                "hardly classes; number a few of them"
            )
        rows = np.zeros((n, self.k))
        rows[np.arange(n), np.broadcast_to(given, (n,))] = 1
        return rows


class Label(Category):
    """The class of a sample, 0 to k − 1, which the data knows.

    Labels are whole numbers, one for each sample, or (N, 1), or one-hot.

    predicted: False: D is given the label with each sample (CGAN, Mirza and Osindero 2014); True: it predicts it, of
    real samples and of fakes (AC-GAN, Odena et al. 2017). weight: of the loss in the second case.
    Raises ValueError unless k is 2 or more and the weight is positive.
    """

    def __init__(self, k: int, predicted: bool = False, weight: float = 1.0) -> None:
        super().__init__(k, weight)
        self.predicted = predicted


class Continuous(Code):
    """m numbers from U(−1, 1) that D predicts (InfoGAN, Chen et al. 2016). weight: of its loss.

    Raises ValueError unless m is 1 or more and the weight is positive.
    """

    def __init__(self, m: int = 1, weight: float = 1.0) -> None:
        self.m = self.width = integer("m", m)
        self.names = tuple(f"c{i + 1}" for i in range(m))
        self.weight = number("weight", weight, "(0, inf)", of=type(self).__name__)

    def draw(self, n: int, dtype: Any, arena: FreshArena, stream: Stream) -> Array:
        numbers = arena.empty((n, self.m), dtype)
        arena.backend.uniform(numbers, stream)
        numbers *= 2
        numbers -= 1
        return numbers

    def loss(self, outputs: Array, codes: Array, grad: Array, xp: Any) -> Array:
        xp.subtract(outputs, codes, out=grad)
        loss = (grad * grad).sum() * (0.5 * self.weight / len(outputs))
        grad *= self.weight / len(outputs)
        return loss

    def encode(self, values: Any, n: int) -> np.ndarray[Any, Any]:
        given = np.asarray(values, np.float64)
        if given.shape not in ((), (self.m,), (n, self.m)) or not np.isfinite(given).all():
            raise ValueError(f"{self} takes {self.m} finite numbers, or {n} times so many, got shape {given.shape}")
        return np.broadcast_to(given, (n, self.m))


class Codes:
    """All codes of a game: where each stands in a latent, behind the noise, and in D's outputs, behind the first.

    Raises TypeError for what is no Code, ValueError for a Label that is not the first.
    """

    def __init__(self, codes: Sequence[Code]) -> None:
        if isinstance(codes, Code):
            raise TypeError(f"codes must be a list such as [Label(10)], got {codes!r}")
        self.codes = list(codes)
        self.placed: list[tuple[Code, slice]] = []  # columns behind the noise
        self.predicted: list[tuple[Code, slice, slice]] = []  # by D: columns in latents, and in outputs
        self.named: dict[str, tuple[Code, int]] = {}  # the code and the column of each number that has a name
        self.width = self.outputs = 0
        for i, code in enumerate(self.codes):
            if not isinstance(code, Code):
                raise TypeError(f"codes must be objects such as Label(10) or Continuous(2), got {code!r}")
            if isinstance(code, Label) and i:
                raise ValueError(f"a Label comes first among the codes, and there is one at most; got {self.codes}")
            columns = slice(self.width, self.width + code.width)
            self.placed.append((code, columns))
            if code.predicted:
                self.predicted.append((code, columns, slice(self.outputs, self.outputs + code.width)))
                self.outputs += code.width
            for i, name in enumerate(code.names):
                self.named[name if name not in self.named else f"c{len(self.named) + 1}"] = code, columns.start + i
            self.width = columns.stop
        first = self.codes[0] if self.codes else None
        self.label = first if isinstance(first, Label) else None
        self.given = None if self.label is None or self.label.predicted else self.label

    def category(self) -> tuple[Category, slice]:
        """The first category or label, and its columns. Raises ValueError if there is none."""
        for code, columns in self.placed:
            if isinstance(code, Category):
                return code, columns
        raise ValueError("G cannot be asked for a label: its codes have no Label and no Category")

    def ask(self, codes: Array, wishes: Mapping[str, float]) -> None:
        """Put what is wished for into codes (N, width). wishes: numbers by name.

        Raises ValueError for a name that no number has, or for what is no number.
        """
        for name, value in wishes.items():
            if name not in self.named:
                raise ValueError(unknown("what one can ask for", name, self.named))
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
                raise ValueError(f"{name} takes a finite number, got {value!r}")
            code, column = self.named[name]
            codes[:, column] = code.place(float(value))

    def draw(self, out: Array, arena: FreshArena, stream: Stream, labels: Array | None) -> None:
        """Random codes into `out` (N, width). labels: one-hot (N, k), for a Label; random without them."""
        for i, (code, columns) in enumerate(self.placed):
            given = labels if code is self.label else None
            drawn = code.draw(len(out), out.dtype, arena, stream._replace(lane=i + 1)) if given is None else given
            out[:, columns] = drawn

    def loss(self, outputs: Array, codes: Array, grad: Array, be: Backend, real: bool) -> Array:
        """The loss of D's outputs (N, outputs) on codes (N, width), and its gradient. real: only the label is known."""
        total = be.zeros((), outputs.dtype)
        for code, columns, part in self.predicted:
            if real and code is not self.label:
                grad[:, part] = 0
            else:
                total = total + code.loss(outputs[:, part], codes[:, columns], grad[:, part], be.xp)
        return total


def _one_hot(index: Array, k: int, arena: FreshArena) -> Array:
    """index (n, 1), whole numbers as floats."""
    xp, out = arena.backend.xp, arena.empty((len(index), k), index.dtype)
    xp.equal(index, xp.arange(k, dtype=index.dtype), out=out)
    return out
