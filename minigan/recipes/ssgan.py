"""The semi-supervised GAN: D learns classes from ten labels each, from images without labels, and from fakes.

T. Salimans et al., "Improved Techniques for Training GANs", 2016, and the authors' program for MNIST.

    dense   G   latent – 500 – 500 – pixels               BatchNorm without gain, softplus; weight norm, tanh at the end
            D   pixels – 1000 – 500 – 250 – 250 – 250 – K Gaussian noise, .3 on pixels in [0, 1] and .5 on all layers;
                                                          weight norm of lengths that are not trained, but of the last
    conv    G   that of `dcgan`
            D   32 and 64 channels, each at half the size – 256 – K     noise and weight norm as above

D's layers begin with lengths and biases that 500 images ask for. D is judged with an average of its parameters. The
noise is from a pool (`GaussianNoise`), since drawing it would take as long as the products.

What is not as in the authors' program: G has no momentum and a third of their rate, as in Z. Dai et al., "Good
Semi-supervised Learning That Requires a Bad GAN" (2017). With theirs D tells all fakes after an epoch, here as in ports
to PyTorch, and has learned no more than from the labels alone. beta2 is .99, so that a gradient ten times the usual
moves no parameter further than that: with .999 a step of G can throw the game off for good. Rates fall to 0 along half
a cosine, where theirs stay for 300 epochs. An update has 20 of the labelled images, not all. And D's classes are to say
as much as they can about images without labels, as in CatGAN (J. T. Springenberg 2016), which saves epochs.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, Literal

from ..backend import get_backend
from ..games import SemiSupervised
from ..names import not_one_of
from ..nn import (
    BatchNorm,
    Conv2D,
    Dense,
    Flatten,
    GaussianNoise,
    Layer,
    LeakyReLU,
    ReLU,
    Rescale,
    Reshape,
    Sequential,
    Softplus,
    Tanh,
    WeightNorm,
)
from ..nn.init import Normal
from ..optim import Adam
from ..vat import VAT
from . import networks
from .gan import falling

STEPS, BATCH = 18_000, 100
CLASSES = 10  # where no data says how many: those of the digits
G_HIDDEN, D_HIDDEN = (500, 500), (1000, 500, 250, 250, 250)


def build(
    shape: tuple[int, ...],
    *,
    nets: Literal["dense", "conv"] = "dense",
    labelled: int = 100,
    split: int = 1,
    told: int = 20,
    classes: int | None = None,
    adversary: float = 1.0,
    information: float = 0.1,
    vat: float = 0.0,
    vat_epsilon: float = 0.25,
    objective: Literal["feature-matching", "non-saturating"] = "feature-matching",
    average: float = 0.999,
    lr: float = 1e-3,
    d_lr: float = 3e-3,
    decay_steps: int | Literal["all"] = "all",
    beta1: float = 0.0,
    d_beta1: float = 0.5,
    beta2: float = 0.99,
    eps: float = 1e-8,
    latent: int = 100,
    backend: Any = None,
    dtype: str = "float32",
    seed: int = 0,
    steps: int = STEPS,
    d_pretrain: int = 0,
) -> SemiSupervised:
    """A game for images of `shape`, to be trained for `steps` steps.

    nets: "dense" networks, those of the paper, or "conv"
    labelled: how many labels D is told, the same number of each class
    split: which labels these are
    told: how many of them are in one update, at most
    classes: how many classes there are; none for as many as the data has (10 before there is any)
    adversary: weight of the game in D's loss; at 0 D learns as if there were no G
    information: weight of what D's classes say about images without labels; 0 for none, as in the paper
    vat: weight of virtual adversarial training on images without labels; 0 for none
    vat_epsilon: how far its adversarial images are from real ones, as a share of the distance to their tenth neighbour
    objective: what G descends
    average: decay of the average of D that classifies, and of the G that makes samples; 0 for none
    lr: learning rate of G
    d_lr: learning rate of D
    decay_steps: both fall to 0 along half a cosine in so many steps, or in all of the run; 0 for never
    beta1: Adam's momentum of G
    d_beta1: Adam's momentum of D
    beta2: Adam's memory of squared gradients
    eps: Adam's guard against division by zero; the authors' 1e-8 is under the root, and so is rather 1e-4
    latent: how many numbers a latent has
    """
    where: dict[str, Any] = {"backend": get_backend(backend or "numpy"), "dtype": dtype}
    k = CLASSES if classes is None else classes
    match nets:
        case "dense":
            G, D = generator(latent, shape, **where, seed=2 * seed), discriminator(shape, k, **where, seed=2 * seed + 1)
        case "conv":
            G = networks.conv_generator(latent, shape, 32, **where, seed=2 * seed)
            D = conv_discriminator(shape, k, **where, seed=2 * seed + 1)
        case _:
            raise ValueError(not_one_of("nets", nets, ("dense", "conv")))

    def rule(rate: float, momentum: float, before: int = 0) -> Adam:
        return Adam(falling(rate, decay_steps, steps, before=before), beta1=momentum, beta2=beta2, eps=eps)

    return SemiSupervised(
        G, D, labelled=labelled, split=split, told=told, adversary=adversary, information=information,
        vat=VAT(vat, vat_epsilon, relative=True) if vat else None, objective=objective, optimizer=rule(lr, beta1),
        d_optimizer=rule(d_lr, d_beta1, d_pretrain), average=average, prior="uniform", seed=seed,
    )  # fmt: skip


def generator(latent: int, shape: tuple[int, ...], **where: Any) -> Sequential:
    layers: list[Layer] = []
    for n_in, n_out in pairwise((latent, *G_HIDDEN)):
        layers += [Dense(n_in, n_out, bias=False), BatchNorm(n_out, eps=1e-6, gain=False), Softplus()]
    last = Dense(G_HIDDEN[-1], math.prod(shape), norm=WeightNorm())
    return Sequential(*layers, last, Tanh(), Reshape(*shape), **where)


def discriminator(shape: tuple[int, ...], classes: int, **where: Any) -> Sequential:
    layers: list[Layer] = [Flatten(), Rescale(0.5, 0.5), GaussianNoise(0.3, pooled=True)]
    for n_in, n_out in pairwise((math.prod(shape), *D_HIDDEN)):
        layers += [_dense(n_in, n_out, trained=False), ReLU(), GaussianNoise(0.5, pooled=True)]
    return Sequential(*layers, _dense(D_HIDDEN[-1], classes, trained=True), **where)


def conv_discriminator(shape: tuple[int, ...], classes: int, **where: Any) -> Sequential:
    (height, breadth, channels), norm = networks.quarters(shape), WeightNorm(trained=False)
    return Sequential(
        Reshape(4 * height, 4 * breadth, channels), Rescale(0.5, 0.5), GaussianNoise(0.3, pooled=True),
        Conv2D(channels, 32, 4, stride=2, padding=1, init=Normal(0.1), norm=norm),
        LeakyReLU(0.2), GaussianNoise(0.5, pooled=True),
        Conv2D(32, 64, 4, stride=2, padding=1, init=Normal(0.1), norm=norm),
        LeakyReLU(0.2), GaussianNoise(0.5, pooled=True), Flatten(),
        _dense(64 * height * breadth, 256, trained=False), ReLU(), GaussianNoise(0.5, pooled=True),
        _dense(256, classes, trained=True), **where,
    )  # fmt: skip


def _dense(n_in: int, n_out: int, trained: bool) -> Dense:
    return Dense(n_in, n_out, init=Normal(0.1), norm=WeightNorm(trained))
