"""The convolutions of a small DCGAN, `conv` of this contest: each layer alone, and all four together.

    D1   Conv2D            28 x 28 x 1  → 14 x 14 x 64        G1   ConvTranspose2D   7 x 7 x 128  → 14 x 14 x 64
    D2   Conv2D            14 x 14 x 64 → 7 x 7 x 128         G2   ConvTranspose2D   14 x 14 x 64 → 28 x 28 x 1

all with kernels of 4 x 4, stride 2 and padding 1, and with biases. "forward" is a pass; "forward and back" also the
gradients of weights, biases and input, from a gradient of the output that is given. `width` multiplies the 64 and the
128. What everyone computes is compared before it is timed, by the sizes of the output and of all gradients, and by
the product of the output with the given gradient.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from minigan.backend import Backend, get_backend
from minigan.bench import work
from minigan.bench.subject import CHECKED_STEPS, Start, Subject
from minigan.bench.work import Work
from minigan.nn import Conv2D, ConvTranspose2D, Sequential

Array = Any

KERNEL, STRIDE, PADDING = 4, 2, 1
LAYERS = ("D1", "D2", "G1", "G2")
PASSES = ("forward", "forward and back")
CHECKED = ("output", "product", "dx", "weight", "bias")


class Shape(NamedTuple):
    """A layer's size: the side of the smaller images, channels of the larger and of the smaller ones."""

    side: int
    few: int
    many: int
    transposed: bool

    @property
    def input(self) -> tuple[int, int, int]:
        return (self.side,) * 2 + (self.many,) if self.transposed else (2 * self.side,) * 2 + (self.few,)

    @property
    def output(self) -> tuple[int, int, int]:
        return self._replace(transposed=not self.transposed).input


def shapes(subject: str, width: float = 1.0) -> list[Shape]:
    """Of the layers of a subject, by its name."""
    c, d = (max(1, round(width * n)) for n in (64, 128))
    all_four = {
        "D1": Shape(14, 1, c, False), "D2": Shape(7, c, d, False), "G1": Shape(7, c, d, True),
        "G2": Shape(14, 1, c, True),
    }  # fmt: skip
    what = subject.partition(",")[0]
    return list(all_four.values()) if what == "all four" else [all_four[what]]


def goes_back(subject: str) -> bool:
    return subject.endswith(PASSES[1])


def build(subject: str, width: float = 1.0, backend: Backend | str | None = None) -> list[Sequential]:
    """A network for each of the layers."""
    be, nets = get_backend("numpy" if backend is None else backend), []
    for i, shape in enumerate(shapes(subject, width)):
        kind = ConvTranspose2D if shape.transposed else Conv2D
        layer = kind(shape.input[2], shape.output[2], KERNEL, stride=STRIDE, padding=PADDING)
        nets.append(Sequential(layer, backend=be, seed=i))
    return nets


def arrays(subject: str, batch: int, width: float = 1.0) -> dict[str, np.ndarray[Any, Any]]:
    """For each layer its state, its input x and the gradient g of its output, channels last: "0.x", "0.weight", ..."""
    rng, found = np.random.default_rng(0), dict[str, np.ndarray[Any, Any]]()
    for i, (shape, net) in enumerate(zip(shapes(subject, width), build(subject, width), strict=True)):
        weight = net.state_dict()["0.weight"]
        found |= {f"{i}.weight": weight, f"{i}.bias": rng.standard_normal(shape.output[2], np.float32)}
        found |= {f"{i}.x": rng.standard_normal((batch, *shape.input), np.float32)}
        found |= {f"{i}.g": rng.standard_normal((batch, *shape.output), np.float32)}
    return found


def start(subject: str, batch: int, width: float = 1.0) -> Start:
    """Where everyone begins: D has the arrays, and there is nothing else, nothing random either."""
    none = np.zeros((CHECKED_STEPS, 1, 1), np.float32)
    return Start(subject, width, {}, arrays(subject, batch, width), none[0].repeat(batch, 0), none[0], none)


def play(start: Start, nets: Sequence[Sequential]) -> Callable[[], list[Any]]:
    """The passes of a subject, as a function; it returns (y, dx, network) for each layer."""
    subject, given, backend = start.subject, start.D, nets[0].backend
    arena = backend.arena()
    for i, net in enumerate(nets):
        net.load_state_dict({f"0.{name}": given[f"{i}.{name}"] for name in ("weight", "bias")})
    inputs = [(backend.asarray(given[f"{i}.x"]), backend.asarray(given[f"{i}.g"])) for i in range(len(nets))]

    def run() -> list[Any]:
        arena.rewind()
        results = []
        for net, (x, g) in zip(nets, inputs, strict=True):
            y, back = net(x, arena=arena)
            net.zero_grad()
            results.append((y, back(g) if goes_back(subject) else None, net))
        return results

    return run


def numbers(given: dict[str, Any], results: Sequence[Any], to_numpy: Callable[[Array], Array]) -> dict[str, float]:
    """What is compared, by the names of CHECKED, over all layers; zeros for gradients that nobody asked for."""
    sums = dict.fromkeys(CHECKED, 0.0)
    for i, (y, dx, net) in enumerate(results):
        y = to_numpy(y).astype(np.float64)
        sums["output"] += float((y * y).sum())
        sums["product"] += float(np.vdot(y, given[f"{i}.g"])) / math.sqrt(y.size)
        if dx is not None:
            gradients = {"dx": to_numpy(dx), **{name[2:]: g for name, g in net.grad_dict().items()}}
            for name, gradient in gradients.items():
                sums[name] += float((gradient.astype(np.float64) ** 2).sum())
    return {name: value if name == "product" else math.sqrt(value) for name, value in sums.items()}


def conv_work(subject: str, batch: int, width: float = 1.0) -> Work:
    """FLOPs and bytes: three products of the same size, the bias and the column sums of its gradient."""
    parts = []
    for shape in shapes(subject, width):
        pixels_in, pixels_out = math.prod(shape.input), math.prod(shape.output)
        weights = shape.few * shape.many * KERNEL * KERNEL
        moved = work.FLOAT * (batch * (pixels_in + pixels_out) + weights)
        product = Work(2 * batch * shape.side**2 * weights, 0, moved)
        parts += [product] * (3 if goes_back(subject) else 1)
        parts += [Work(0, batch * pixels_out)] * (2 if goes_back(subject) else 1)
    return work.total(parts)


def _subject(name: str) -> Subject:
    return Subject(
        name,
        "convolution",
        "Convolutions of a small DCGAN: 28, 14 and 7 pixels, 1, 64 and 128 channels; kernel 4, stride 2, padding 1",
        partial(build, name),
        partial(start, name),
        play,
        partial(conv_work, name),
        CHECKED,
        "sizes of output and gradients, and a product of them,",
        lambda start, results: numbers(start.D, results, results[0][2].backend.to_numpy),
    )


SUBJECTS = {name: _subject(name) for name in (f"{what}, {how}" for what in (*LAYERS, "all four") for how in PASSES)}
