"""The critic's update, `critic` of this contest: WGAN-GP (Gulrajani et al. 2017), one update of D alone.

    D   784-512-256-1, LeakyReLU(0.2), Adam(1e-4, 0.5, 0.9)
    descends  E f(fake) − E f(real) + 10 E(‖∇f(x̂)‖ − 1)²,   x̂ = fake + ε (real − fake),   ε ~ U(0, 1) for each sample

on a batch of B real samples and B fakes, both given: G has no layers, and what it costs to make fakes does not count.
It is the step with a second derivative in it: the gradient of a gradient, which other libraries get by differentiating
their backward pass ("double backward"), and minigan from a tangent that goes forward (see `Sequential.input_gradient`).

`operations` writes it down as the mathematics has it, in the least work that is known: real, fakes and x̂ forward; x̂
back to the input, and its tangent forward; real and fakes back; and the products for dW, of real, fakes and tangent.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minigan.backend import Backend, Purpose, Stream
from minigan.bench import work
from minigan.bench.step import PIXELS, SLOPE, Operation, backward, forward, sizes
from minigan.bench.subject import CHECKED_STEPS, Start, Subject
from minigan.bench.work import FLOAT, Work
from minigan.gan import GAN, Fakes
from minigan.nn import Dense, Layer, LeakyReLU, Sequential
from minigan.optim import Adam
from minigan.penalties import MIX, GradientPenalty

Array = Any

WEIGHT = 10.0  # λ
LR, BETA1, BETA2, ADAM_EPS = 1e-4, 0.5, 0.9, 1e-8


def build(width: float = 1.0, backend: Backend | str | None = None, seed: int = 0) -> GAN:
    """A GAN whose G has no layers, so that its latents are its samples, and whose D is the critic."""
    D_sizes, layers = sizes(width)[1], list[Layer]()
    for n_in, n_out in itertools.pairwise(D_sizes[:-1]):
        layers += [Dense(n_in, n_out), LeakyReLU(SLOPE)]
    D = Sequential(*layers, Dense(D_sizes[-2], 1), backend=backend, seed=2 * seed + 1)
    return GAN(
        Sequential(backend=D.backend),
        D,
        objective="wasserstein",
        penalties=[GradientPenalty(WEIGHT)],
        optimizer=Adam(LR, beta1=BETA1, beta2=BETA2, eps=ADAM_EPS),
        latent=PIXELS,
        seed=seed,
    )


def start(batch: int, width: float = 1.0) -> Start:
    """Weights, real samples and fakes, and the ε that minigan draws first."""
    gan, rng = build(width), np.random.default_rng(0)
    real, fake = (rng.uniform(-1, 1, (batch, PIXELS)).astype(np.float32) for _ in range(2))
    drawn = np.empty((CHECKED_STEPS, batch, 1), np.float32)
    for t, epsilon in enumerate(drawn):
        gan.backend.uniform(epsilon, Stream(gan.seed, Purpose.PENALTY, t, MIX))
    return Start("critic", width, {}, gan.D.state_dict(), real, fake / 2, drawn)


def play(start: Start, gan: GAN) -> Callable[[], dict[str, Array]]:
    """One update of D on those samples, as a function; it returns the metrics."""
    gan.D.load_state_dict(start.D)
    real, fake = gan.backend.asarray(start.real), gan.backend.asarray(start.fake)
    samples, back = gan.G(fake)
    fakes = Fakes(fake, samples, back, False, Stream(gan.seed, Purpose.G_FOR_D))
    return lambda: gan.update_discriminator(real, fakes)


def operations(batch: int, width: float = 1.0) -> list[Operation]:
    """The operations of one update, in order, but for the sweeps that `critic_work` adds."""
    D = sizes(width)[1]
    return [
        *forward(3 * batch, D),
        *backward(batch, D, params=False, inputs=True),
        *_tangent(batch, D),
        *_joint_backward(batch, D),
        Operation("adam", (sum(i * o + o for i, o in itertools.pairwise(D)),)),
    ]


def _tangent(n: int, sizes: tuple[int, ...]) -> Iterator[Operation]:
    """ẏ = φ′ · (ẋ Wᵀ) of each hidden layer."""
    for n_in, n_out in itertools.pairwise(sizes[:-1]):
        yield Operation("gemm", (n, n_in, n_out), "x Wᵀ")
        yield Operation("bias_act_grad", (n, n_out), "LeakyReLU")


def _joint_backward(n: int, sizes: tuple[int, ...]) -> Iterator[Operation]:
    """Of 2 n samples, but dW = gᵀ x is one product with the tangent's."""
    for i, (n_in, n_out) in reversed(list(enumerate(itertools.pairwise(sizes)))):
        yield Operation("bias_act_grad", (2 * n, n_out), "LeakyReLU" if i < len(sizes) - 2 else "", summed=True)
        yield Operation("gemm", (n_out, 3 * n, n_in), "gᵀ x")
        if i:
            yield Operation("gemm", (2 * n, n_out, n_in), "g W")


def critic_work(batch: int, width: float = 1.0) -> Work:
    """FLOPs and bytes of one update."""
    size = batch * PIXELS
    penalty = Work(0, 6 * size, FLOAT * 6 * size)  # x̂ from real and fake: 3 an element; ‖g‖: 2; u from g: 1
    return work.total([*(op.work for op in operations(batch, width)), penalty])


CRITIC = Subject(
    "critic",
    "update of a critic (WGAN-GP)",
    "One update of a critic (WGAN-GP): real and fakes, the gradient at points between them, that gradient's own "
    "gradient, Adam",
    build,
    start,
    play,
    critic_work,
    ("d_loss", "d_penalty", "d_grad_norm"),
    "loss, penalty and gradient's norm",
)
