"""The networks of the recipes: those that most people meet first, those of DCGAN, and those for points in the plane.

dense   G   latent – 256 – 512 – 1024 – pixels         Dense, LeakyReLU, BatchNorm at each width; tanh at the end
        D   pixels – 512 – 256 – 1                     Dense, LeakyReLU; no sigmoid at the end, which is the loss's
conv    G   latent – 16 w – H/4 x W/4 x 2 w – H/2 x W/2 x w – H x W     BatchNorm, ReLU; tanh at the end
        D   H x W – H/2 x W/2 x w – H/4 x W/4 x 2 w – 16 w – 1          BatchNorm, LeakyReLU
            4 x 4 kernels of stride 2, which halve a picture, or double it where they are transposed
points  G   latent – w – w – w – w – numbers           BatchNorm, ReLU; nothing at the end, for points are not bounded
        D   numbers – w/2 – w/2 – w/2 – 1              Maxout of 5 pieces
small   G   latent – w – w – numbers                   ReLU
        D   numbers – w – w – 1                        LeakyReLU

The second kind follows A. Radford et al., "Unsupervised Representation Learning with Deep Convolutional Generative
Adversarial Networks" (2015), section 3: strides in the place of pooling, batchnorm in both but for G's output and D's
input, weights from N(0, 0.02²). Theirs halves pictures of 64 pixels four times. Pictures of 28 pixels are halved twice,
and a dense layer of 16 w units takes the place of the missing depth, as in the authors' own program for MNIST: without
it each part of a digit is sharp, and the parts do not belong together.

The third kind are those of Z. Lin et al., "PacGAN: The power of two samples in generative adversarial networks" (2018),
section 4.1, with w = 400. The last are for games that are to be watched: a step takes less than a millisecond.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, Literal, NamedTuple, get_args

from ..names import not_one_of
from ..nn import (
    BatchNorm,
    Conv2D,
    ConvTranspose2D,
    Dense,
    Flatten,
    Layer,
    LayerNorm,
    LeakyReLU,
    Maxout,
    MinibatchStdDev,
    ReLU,
    Reshape,
    Sequential,
    SpectralNorm,
    Tanh,
    WeightNorm,
)
from ..nn.init import Initializer, Normal
from ..spec import integer

Norm = Literal["none", "batch", "layer", "spectral", "weight"]
G_HIDDEN, D_HIDDEN = (256, 512, 1024), (512, 256)
_OF_WEIGHTS = {"spectral": SpectralNorm, "weight": WeightNorm}


class Head(NamedTuple):
    """What D says and sees beyond one sample and one logit.

    outputs: the logit, and those that predict codes; 0 for a D that ends in features. given: numbers that each sample
    comes with. packing: samples that D judges at once. minibatch_std: one more feature before the last layer, the mean
    standard deviation over the batch.
    """

    outputs: int = 1
    given: int = 0
    packing: int = 1
    minibatch_std: bool = False

    def layers(self, features: int, last: Callable[[int, int], Layer]) -> list[Layer]:
        """The end of D, behind so many features."""
        more = [MinibatchStdDev()] if self.minibatch_std else []
        return [*more, *([last(features + len(more), self.outputs)] if self.outputs else [])]


def generator(latent: int, pixels: int, **where: Any) -> Sequential:
    """G of the classic size. where: backend, dtype and seed of the network."""
    layers: list[Layer] = []
    for n_in, n_out in pairwise((latent, *G_HIDDEN)):
        layers += [Dense(n_in, n_out), LeakyReLU(0.2), BatchNorm(n_out, momentum=0.8, eps=1e-3)]
    return Sequential(*layers, Dense(G_HIDDEN[-1], pixels), Tanh(), **where)


def discriminator(pixels: int, head: Head, norm: Norm = "none", **where: Any) -> Sequential:
    """D of the classic size, or a critic: nothing in it but the name depends on the objective.

    norm: "batch" or "layer" normalisation after each hidden Dense, or "spectral" or "weight" normalisation of all
    weights. where: backend, dtype and seed of the network.
    Raises ValueError for another norm.
    """
    of_weights, between = _norm(norm)

    def dense(n_in: int, n_out: int) -> Dense:
        return Dense(n_in, n_out, norm=of_weights())

    layers: list[Layer] = []
    for n_in, n_out in pairwise((head.packing * (pixels + head.given), *D_HIDDEN)):
        layers += [dense(n_in, n_out), *between(n_out), LeakyReLU(0.2)]
    return Sequential(*layers, *head.layers(D_HIDDEN[-1], dense), **where)


def conv_generator(latent: int, shape: tuple[int, ...], width: int, **where: Any) -> Sequential:
    """G of DCGAN, for images (H, W) or (H, W, C) whose height and width are multiples of 4.

    width: channels at half the size; twice as many at a quarter. Raises ValueError for another size.
    """
    height, breadth, channels = quarters(shape)

    def up(c_in: int, c_out: int, bias: bool) -> Layer:
        return ConvTranspose2D(c_in, c_out, 4, stride=2, padding=1, bias=bias, init=Normal(0.02))

    return Sequential(
        Dense(latent, 16 * width, bias=False, init=Normal(0.02)), BatchNorm(16 * width), ReLU(),
        Dense(16 * width, height * breadth * 2 * width, bias=False, init=Normal(0.02)),
        Reshape(height, breadth, 2 * width), BatchNorm(2 * width), ReLU(),
        up(2 * width, width, bias=False), BatchNorm(width), ReLU(),
        up(width, channels, bias=True), Tanh(),
        **where,
    )  # fmt: skip


def conv_discriminator(shape: tuple[int, ...], width: int, head: Head, norm: Norm = "none", **where: Any) -> Sequential:
    """D of DCGAN, or a critic. norm: as of `discriminator`, but that "batch" and "layer" spare the first layer.

    Raises ValueError for another norm, or a size that is no multiple of 4.
    """
    height, breadth, channels = quarters(shape)
    height *= head.packing  # packed samples stand one below the other
    of_weights, between = _norm(norm)
    init: str | Initializer = Normal(0.02) if norm in ("batch", "layer") else "he"  # such small ones want one

    def down(c_in: int, c_out: int) -> Layer:
        return Conv2D(c_in, c_out, 4, stride=2, padding=1, init=init, norm=of_weights())

    def dense(n_in: int, n_out: int) -> Layer:
        return Dense(n_in, n_out, init=init, norm=of_weights())

    features = height * breadth * 2 * width
    if norm == "layer":  # over all that is known of a sample at this depth
        middle: list[Layer] = [Flatten(), *between(features), LeakyReLU(0.2)]
    else:
        middle = [*between(2 * width), LeakyReLU(0.2), Flatten()]
    return Sequential(
        down(channels + head.packing * head.given, width), LeakyReLU(0.2), down(width, 2 * width), *middle,
        dense(features, 16 * width), *between(16 * width), LeakyReLU(0.2), *head.layers(16 * width, dense),
        **where,
    )  # fmt: skip


def point_generator(latent: int, numbers: int, width: int, **where: Any) -> Sequential:
    """G of PacGAN for points of so many numbers. width: units of each of its four hidden layers."""
    layers: list[Layer] = []
    for n_in, n_out in pairwise((latent, *[width] * 4)):
        layers += [Dense(n_in, n_out, bias=False), BatchNorm(n_out), ReLU()]
    return Sequential(*layers, Dense(width, numbers), **where)


def point_discriminator(numbers: int, width: int, head: Head, norm: Norm = "none", **where: Any) -> Sequential:
    """D of PacGAN for points. width: of G; D's three layers have half as many units. norm: as of `discriminator`.

    Raises ValueError for another norm, or a width of less than 2.
    """
    of_weights, between = _norm(norm)
    units, layers = integer("width // 2", width // 2), list[Layer]()
    for n_in, n_out in pairwise((head.packing * (numbers + head.given), *[units] * 3)):
        layers += [Dense(n_in, 5 * n_out, norm=of_weights()), Maxout(5), *between(n_out)]
    return Sequential(*layers, *head.layers(units, lambda n, m: Dense(n, m, norm=of_weights())), **where)


def small_generator(latent: int, numbers: int, width: int, **where: Any) -> Sequential:
    """A G of two hidden layers, for a few numbers."""
    return Sequential(
        Dense(latent, width), ReLU(), Dense(width, width), ReLU(), Dense(width, numbers), **where
    )  # fmt: skip


def small_discriminator(numbers: int, width: int, head: Head, norm: Norm = "none", **where: Any) -> Sequential:
    """A D of two hidden layers, for a few numbers. norm: as of `discriminator`."""
    of_weights, between = _norm(norm)
    layers: list[Layer] = []
    for n_in, n_out in pairwise((head.packing * (numbers + head.given), width, width)):
        layers += [Dense(n_in, n_out, norm=of_weights()), *between(n_out), LeakyReLU(0.2)]
    return Sequential(*layers, *head.layers(width, lambda n, m: Dense(n, m, norm=of_weights())), **where)


def _norm(norm: str) -> tuple[Callable[[], Any], Callable[[int], list[Layer]]]:
    """What makes the norm of a weight, or none, and the layers that stand behind one of so many features."""
    if norm not in get_args(Norm):
        raise ValueError(not_one_of("d_norm", norm, get_args(Norm)))
    layers = {"batch": BatchNorm, "layer": LayerNorm}
    return _OF_WEIGHTS.get(norm, lambda: None), lambda n: [layers[norm](n)] if norm in layers else []


def near_size(height: int, breadth: int) -> str:
    """The nearest size that conv networks can make, as --size takes it."""
    down, across = (max(4, (side + 2) // 4 * 4) for side in (height, breadth))
    return str(across) if across == down else f"{across}x{down}"


def quarters(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """A quarter of the height and of the width, and the number of channels."""
    height, breadth, *channels = shape
    if height % 4 or breadth % 4:
        raise ValueError(
            f"nets='conv' halves a picture twice, so its sides must be multiples of 4, got {height} x {breadth}; scale "
            f"the images with --size {near_size(height, breadth)} (size in Python), or take nets='dense'"
        )
    return height // 4, breadth // 4, channels[0] if channels else 1
