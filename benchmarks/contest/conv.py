"""Convolutions: each layer of a network alone, and all together. `conv` of this contest are those of a small DCGAN,

    D1   Conv2D            28 x 28 x 1  → 14 x 14 x 64        G1   ConvTranspose2D   7 x 7 x 128  → 14 x 14 x 64
    D2   Conv2D            14 x 14 x 64 → 7 x 7 x 128         G2   ConvTranspose2D   14 x 14 x 64 → 28 x 28 x 1

and `unet` the different ones of the U-Net of the recipe `pix2pix`, for pictures of 28 x 28,

    down 1   Conv2D   28 x 28 x 1  → 14 x 14 x 16             up 2   ConvTranspose2D   7 x 7 x 32   → 14 x 14 x 16
    down 2   Conv2D   14 x 14 x 16 → 7 x 7 x 32               up 1   ConvTranspose2D   14 x 14 x 32 → 28 x 28 x 16
    block    Conv2D   7 x 7 x 32   → 7 x 7 x 32               end    Conv2D            28 x 28 x 17 → 28 x 28 x 1

where half of what up 1 and nearly all of what `end` is given comes past the layers between. `block` and `end` have
kernels of 3 x 3 and stride 1, all others of 4 x 4 and stride 2; the padding is 1, and all have biases. "forward" is a
pass; "forward and back" also the gradients of weights, biases and input, from a gradient of the output that is given.
`width` multiplies the 64 and the 128, the 16 and what comes of it. What everyone computes is compared before it is
timed, by the sizes of the output and of all gradients, and by the product of the output with the given gradient.
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

KERNEL, STRIDE, PADDING = 4, 2, 1  # of those that halve and double
TOGETHER = {
    "all four": ("D1", "D2", "G1", "G2"),
    "all six": ("down 1", "down 2", "block", "up 2", "up 1", "end"),
}
PASSES = ("forward", "forward and back")
CHECKED = ("output", "product", "dx", "weight", "bias")


class Shape(NamedTuple):
    """A layer's size: the side of the images that come in, their channels and those that go out, and its windows."""

    side: int
    c_in: int
    c_out: int
    transposed: bool = False
    kernel: int = KERNEL
    stride: int = STRIDE
    padding: int = PADDING

    @property
    def input(self) -> tuple[int, int, int]:
        return self.side, self.side, self.c_in

    @property
    def output(self) -> tuple[int, int, int]:
        more = 2 * self.padding - self.kernel
        side = (self.side - 1) * self.stride - more if self.transposed else (self.side + more) // self.stride + 1
        return side, side, self.c_out

    @property
    def windows(self) -> int:
        """On an image: of what goes out, or of the transposed layer of what comes in, a window for each pixel."""
        return math.prod((self.input if self.transposed else self.output)[:2])

    @property
    def weights(self) -> int:
        return self.kernel**2 * self.c_in * self.c_out


def shapes(subject: str, width: float = 1.0) -> list[Shape]:
    """Of the layers of a subject, by its name."""
    c, d, u = (max(1, round(width * n)) for n in (64, 128, 16))
    known = {
        "D1": Shape(28, 1, c), "D2": Shape(14, c, d), "G1": Shape(7, d, c, True), "G2": Shape(14, c, 1, True),
        "down 1": Shape(28, 1, u), "down 2": Shape(14, u, 2 * u), "block": Shape(7, 2 * u, 2 * u, kernel=3, stride=1),
        "up 2": Shape(7, 2 * u, u, True), "up 1": Shape(14, 2 * u, u, True),
        "end": Shape(28, 1 + u, 1, kernel=3, stride=1),
    }  # fmt: skip
    what = subject.partition(",")[0]
    return [known[name] for name in TOGETHER.get(what, (what,))]


def goes_back(subject: str) -> bool:
    return subject.endswith(PASSES[1])


def build(subject: str, width: float = 1.0, backend: Backend | str | None = None) -> list[Sequential]:
    """A network for each of the layers."""
    be, nets = get_backend("numpy" if backend is None else backend), []
    for i, shape in enumerate(shapes(subject, width)):
        kind = ConvTranspose2D if shape.transposed else Conv2D
        layer = kind(shape.c_in, shape.c_out, shape.kernel, shape.stride, shape.padding)
        nets.append(Sequential(layer, backend=be, seed=i))
    return nets


def arrays(subject: str, batch: int, width: float = 1.0) -> dict[str, np.ndarray[Any, Any]]:
    """For each layer its state, its input x and the gradient g of its output, channels last: "0.x", "0.weight", ..."""
    rng, found = np.random.default_rng(0), dict[str, np.ndarray[Any, Any]]()
    for i, (shape, net) in enumerate(zip(shapes(subject, width), build(subject, width), strict=True)):
        weight = net.state_dict()["0.weight"]
        found |= {f"{i}.weight": weight, f"{i}.bias": rng.standard_normal(shape.c_out, np.float32)}
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
        moved = work.FLOAT * (batch * (pixels_in + pixels_out) + shape.weights)
        product = Work(2 * batch * shape.windows * shape.weights, 0, moved)
        parts += [product] * (3 if goes_back(subject) else 1)
        parts += [Work(0, batch * pixels_out)] * (2 if goes_back(subject) else 1)
    return work.total(parts)


def _subjects(together: str, title: str) -> dict[str, Subject]:
    """Of a network: its layers, and those together by this name."""
    names = (f"{what}, {how}" for what in (*TOGETHER[together], together) for how in PASSES)
    return {name: _subject(name, title) for name in names}


def _subject(name: str, title: str) -> Subject:
    return Subject(
        name,
        "convolution",
        title,
        partial(build, name),
        partial(start, name),
        play,
        partial(conv_work, name),
        CHECKED,
        "sizes of output and gradients, and a product of them,",
        lambda start, results: numbers(start.D, results, results[0][2].backend.to_numpy),
    )


FAMILIES = {  # by the word of the command
    "conv": _subjects(
        "all four",
        "Convolutions of a small DCGAN: 28, 14 and 7 pixels, 1, 64 and 128 channels; kernel 4, stride 2, padding 1",
    ),
    "unet": _subjects(
        "all six",
        "Convolutions of a U-Net: 28, 14 and 7 pixels, 1 to 32 channels; kernel 4 and stride 2, or 3 and 1; padding 1",
    ),
}
SUBJECTS = {name: subject for family in FAMILIES.values() for name, subject in family.items()}
