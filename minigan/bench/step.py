"""The canonical step, which everything here is measured on.

    G   100-256-512-1024-784, LeakyReLU(0.2) and batchnorm, tanh at the end
    D   784-512-256-1, LeakyReLU(0.2)

One step on a batch of B: latents; one pass of G; one pass of D over real samples and fakes together, back, and D's
Adam; one pass of D over the same fakes, back through a D that is held fixed, back through G, and G's Adam.
`width` multiplies the hidden sizes; latents and pixels stay as they are.

`operations` writes the step down as the mathematics has it: which operations on which shapes. The copies that an
implementation makes, metrics and checks are not in it, so rates computed from it never flatter.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ..backend import Backend, Purpose, Stream
from ..gan import GAN
from ..nn import BatchNorm, Dense, Layer, LeakyReLU, Sequential, Tanh
from ..optim import Adam
from . import work
from .subject import CHECKED_STEPS, Start, Subject
from .work import Work

LATENT, PIXELS = 100, 784
G_HIDDEN, D_HIDDEN = (256, 512, 1024), (512, 256)
SLOPE, MOMENTUM, EPS = 0.2, 0.8, 1e-3
LR, BETA1, BETA2, ADAM_EPS = 2e-4, 0.5, 0.999, 1e-8


def sizes(width: float = 1.0) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Layer sizes of G and of D, with the hidden ones multiplied by `width` and rounded, at least 1.

    Raises ValueError unless width is a positive number.

    >>> sizes(0.5)
    ((100, 128, 256, 512, 784), (784, 256, 128, 1))
    """
    if not 0 < width < float("inf"):
        raise ValueError(f"width multiplies the hidden sizes and must be a positive number, got {width}")
    G, D = ([max(1, round(width * n)) for n in hidden] for hidden in (G_HIDDEN, D_HIDDEN))
    return (LATENT, *G, PIXELS), (PIXELS, *D, 1)


def build(width: float = 1.0, backend: Backend | str | None = None, seed: int = 0) -> GAN:
    """The GAN whose `step` is the canonical step."""
    G_sizes, D_sizes = sizes(width)
    layers: tuple[list[Layer], list[Layer]] = ([], [])
    for n_in, n_out in itertools.pairwise(G_sizes[:-1]):
        layers[0].extend([Dense(n_in, n_out), LeakyReLU(SLOPE), BatchNorm(n_out, momentum=MOMENTUM, eps=EPS)])
    for n_in, n_out in itertools.pairwise(D_sizes[:-1]):
        layers[1].extend([Dense(n_in, n_out), LeakyReLU(SLOPE)])
    G = Sequential(*layers[0], Dense(G_sizes[-2], G_sizes[-1]), Tanh(), backend=backend, seed=2 * seed)
    D = Sequential(*layers[1], Dense(D_sizes[-2], D_sizes[-1]), backend=G.backend, seed=2 * seed + 1)
    rule = Adam(LR, beta1=BETA1, beta2=BETA2, eps=ADAM_EPS)
    return GAN(G, D, objective="non-saturating", optimizer=rule, reuse_fakes=True, seed=seed)


class Operation(NamedTuple):
    """One operation of a backend: its name, the shape it works on, and what else decides its cost.

    shape: (m, k, n) of a product, (samples, inputs, outputs) of the two products of a backward (gemms),
        (samples, features) of a layer, (elements,) otherwise.
    detail: for a product "x Wᵀ" (forward), "gᵀ x" (gradient of the weights) or "g W" (of the input), which say what
        is transposed; for an activation its class, or "".
    summed: the gradient of an activation with its column sums, which are the gradient of a bias.
    """

    name: str
    shape: tuple[int, ...]
    detail: str = ""
    summed: bool = False

    @property
    def work(self) -> Work:
        """FLOPs and bytes."""
        count: Any = getattr(work, self.name)
        more = {"bias_act": (self.detail,), "bias_act_grad": (self.detail, self.summed)}.get(self.name, ())
        return count(*self.shape, *more)  # type: ignore[no-any-return]


def operations(batch: int, width: float = 1.0) -> list[Operation]:
    """The operations of one step, in order."""
    G, D = sizes(width)
    G_parameters = sum(i * o + o for i, o in itertools.pairwise(G)) + sum(2 * n for n in G[1:-1])
    D_parameters = sum(i * o + o for i, o in itertools.pairwise(D))
    return [
        Operation("normal", (batch * LATENT,)),
        *forward(batch, G, batchnorm=True, last="Tanh"),
        *forward(2 * batch, D),
        Operation("logistic", (batch,)), Operation("logistic", (batch,)),
        *backward(2 * batch, D, params=True, inputs=False),
        Operation("adam", (D_parameters,)),
        *forward(batch, D),
        Operation("logistic", (batch,)),
        *backward(batch, D, params=False, inputs=True),
        *backward(batch, G, params=True, inputs=False, batchnorm=True, last="Tanh"),
        Operation("adam", (G_parameters,)),
    ]  # fmt: skip


def products(operations: Iterable[Operation]) -> list[tuple[int, int, int]]:
    """The products (m, k, n) among operations, in order."""
    found: list[tuple[int, int, int]] = []
    for op in operations:
        if op.name == "gemm":
            found.append((op.shape[0], op.shape[1], op.shape[2]))
        elif op.name == "gemms":
            n, n_in, n_out = op.shape
            found += [(n_out, n, n_in), (n, n_out, n_in)]
    return found


def step_work(batch: int, width: float = 1.0) -> Work:
    """FLOPs and bytes of one step."""
    return work.total(op.work for op in operations(batch, width))


def forward(n: int, sizes: tuple[int, ...], batchnorm: bool = False, last: str = "") -> Iterator[Operation]:
    """The operations of a pass of n samples. last: the activation at the end."""
    for i, (n_in, n_out) in enumerate(itertools.pairwise(sizes)):
        hidden = i < len(sizes) - 2
        yield Operation("gemm", (n, n_in, n_out), "x Wᵀ")
        yield Operation("bias_act", (n, n_out), "LeakyReLU" if hidden else last)
        if hidden and batchnorm:
            yield Operation("batchnorm", (n, n_out))


def backward(
    n: int, sizes: tuple[int, ...], params: bool, inputs: bool, batchnorm: bool = False, last: str = ""
) -> Iterator[Operation]:
    """Those of the way back: to the gradients of parameters, to that of the input, or both."""
    for i, (n_in, n_out) in reversed(list(enumerate(itertools.pairwise(sizes)))):
        hidden = i < len(sizes) - 2
        if hidden and batchnorm:
            yield Operation("batchnorm_grad", (n, n_out))
        if hidden or last or params:
            yield Operation("bias_act_grad", (n, n_out), "LeakyReLU" if hidden else last, summed=params)
        if params and (inputs or i):
            yield Operation("gemms", (n, n_in, n_out))
        elif params:
            yield Operation("gemm", (n_out, n, n_in), "gᵀ x")
        elif inputs or i:
            yield Operation("gemm", (n, n_out, n_in), "g W")


def start(subject: str, gan: GAN, batch: int, width: float) -> Start:
    """Where the step of a GAN begins: its weights, images of noise, and the latents that it draws first."""
    real = np.random.default_rng(0).uniform(-1, 1, (batch, PIXELS)).astype(np.float32)
    drawn = np.empty((CHECKED_STEPS, batch, LATENT), np.float32)
    for t, latents in enumerate(drawn):
        gan.backend.normal(latents, Stream(gan.seed, Purpose.LATENT_G, t))
    return Start(subject, width, gan.G.state_dict(), gan.D.state_dict(), real, real[:0], drawn)


def play(start: Start, gan: GAN) -> Callable[[], dict[str, Any]]:
    """The step of a GAN of those networks, from that start on; it returns the metrics."""
    gan.G.load_state_dict(start.G)
    gan.D.load_state_dict(start.D)
    real = gan.backend.asarray(start.real)
    return lambda: gan.turn(real)


STEP = Subject(
    "step",
    "GAN step",
    "One step: a pass of G, a pass of D over real and fake, a pass of D for G, two Adam updates",
    build,
    lambda batch, width: start("step", build(width), batch, width),
    play,
    step_work,
    ("d_loss", "g_loss"),
    "losses of D and G",
)
