"""The step of a small DCGAN, `dcgan` of this contest: convolutions with all that stands around them.

    G   100 – Dense 1024 – Dense 7 x 7 x 128 – 14 x 14 x 64 – 28 x 28 x 1      BatchNorm, ReLU; tanh at the end
    D   28 x 28 x 1 – 14 x 14 x 64 – 7 x 7 x 128 – Dense 1024 – 1              BatchNorm, LeakyReLU(0.2)

with the convolutions of conv.py (4 x 4, stride 2) and the update rule of the canonical step. One step on a batch of B:
latents; one pass of G; D over the real samples and, apart, over the fakes, since its batchnorm mixes samples; back, and
D's Adam; D over the same fakes, back through a D that is held fixed, back through G, and G's Adam. `width` multiplies
all sizes but those of latents and images.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from minigan.backend import Backend
from minigan.bench import step, work
from minigan.bench.step import ADAM_EPS, BETA1, BETA2, LATENT, LR
from minigan.bench.subject import Subject
from minigan.bench.work import FLOAT, Work
from minigan.gan import GAN
from minigan.optim import Adam
from minigan.recipes.networks import Head, conv_discriminator, conv_generator

from . import conv

SHAPE = (28, 28, 1)
CHANNELS, DENSE = 64, 16  # at half the size of an image, twice as many at a quarter; units of a Dense for each of them


def channels(width: float = 1.0) -> int:
    """At half the size of an image."""
    return max(1, round(CHANNELS * width))


def build(width: float = 1.0, backend: Backend | str | None = None, seed: int = 0) -> GAN:
    """The GAN whose `step` this is: the networks of the recipe `dcgan`."""
    c = channels(width)
    G = conv_generator(LATENT, SHAPE, c, backend=backend, seed=2 * seed)
    D = conv_discriminator(SHAPE, c, Head(), "batch", backend=G.backend, seed=2 * seed + 1)
    rule = Adam(LR, beta1=BETA1, beta2=BETA2, eps=ADAM_EPS)
    return GAN(G, D, objective="non-saturating", optimizer=rule, reuse_fakes=True, seed=seed)


class Block(NamedTuple):
    """A layer with weights, and the normalisation and activation behind it; numbers are those of one sample.

    multiplications: of its product. outputs: places x features, each feature with a weight and a bias of its own in
    batchnorm. bias: of the layer itself.
    """

    inputs: int
    outputs: tuple[int, int]
    weights: int
    multiplications: int
    norm: bool
    bias: bool
    act: str

    def product(self, n: int) -> Work:
        """Any of its three products, forward, for the weights' gradient or for the input's, of n samples."""
        places, features = self.outputs
        moved = n * (self.inputs + places * features) + self.weights
        return Work(2 * n * self.multiplications, 0, FLOAT * moved)

    @property
    def parameters(self) -> int:
        """Of weights, bias and normalisation."""
        features = self.outputs[1]
        return self.weights + features * self.bias + 2 * features * self.norm


def blocks(width: float = 1.0) -> tuple[list[Block], list[Block]]:
    """Of G and of D."""
    c = channels(width)

    def dense(n_in: int, places: int, n_out: int, norm: bool, bias: bool, act: str) -> Block:
        weights = n_in * places * n_out
        return Block(n_in, (places, n_out), weights, weights, norm, bias, act)

    def convolution(side: int, few: int, many: int, up: bool, norm: bool, bias: bool, act: str) -> Block:
        weights, small, large = few * many * conv.KERNEL**2, side * side, 4 * side * side
        sizes = (small * many, (large, few)) if up else (large * few, (small, many))
        return Block(*sizes, weights, small * weights, norm, bias, act)

    G = [
        dense(LATENT, 1, DENSE * c, True, False, "ReLU"),
        dense(DENSE * c, 49, 2 * c, True, False, "ReLU"),
        convolution(7, c, 2 * c, True, True, False, "ReLU"),
        convolution(14, 1, c, True, False, True, "Tanh"),
    ]
    D = [
        convolution(14, 1, c, False, False, True, "LeakyReLU"),
        convolution(7, c, 2 * c, False, True, True, "LeakyReLU"),
        dense(49 * 2 * c, 1, DENSE * c, True, True, "LeakyReLU"),
        dense(DENSE * c, 1, 1, False, True, ""),
    ]
    return G, D


def dcgan_work(batch: int, width: float = 1.0) -> Work:
    """FLOPs and bytes of one step."""
    G, D = blocks(width)
    both = (*_forward(D, batch), *_backward(D, batch, params=True, inputs=False))  # real samples, and fakes
    return work.total([
        work.normal(batch * LATENT), *_forward(G, batch), *both, *both,
        *[work.logistic(batch)] * 3, work.adam(sum(block.parameters for block in D)),
        *_forward(D, batch), *_backward(D, batch, params=False, inputs=True),
        *_backward(G, batch, params=True, inputs=False), work.adam(sum(block.parameters for block in G)),
    ])  # fmt: skip


def _forward(blocks: Sequence[Block], n: int) -> Iterator[Work]:
    for block in blocks:
        places, features = block.outputs
        yield block.product(n)
        if block.norm:
            yield work.batchnorm(n * places, features)
        yield work.bias_act(n * places, features, block.act, block.bias)


def _backward(blocks: Sequence[Block], n: int, params: bool, inputs: bool) -> Iterator[Work]:
    """To the gradients of parameters, to that of the input, or both."""
    for i, block in reversed(list(enumerate(blocks))):
        places, features = block.outputs
        yield work.bias_act_grad(n * places, features, block.act, summed=params and block.bias)
        if block.norm:
            yield work.batchnorm_grad(n * places, features)
        yield from [block.product(n)] * (params + (inputs or i > 0))


DCGAN = Subject(
    "dcgan",
    "step of a small DCGAN",
    "One step of a small DCGAN: a pass of G, passes of D over real and fake and for G, two Adam updates",
    build,
    lambda batch, width: step.start("dcgan", build(width), batch, width),
    step.play,
    dcgan_work,
    ("d_loss", "g_loss", "g_grad_norm"),
    "losses and the norm of G's gradient",
)
