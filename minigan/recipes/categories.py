"""InfoGAN whose categories mean what real images fall into: Q sorts these first, and G draws what Q means.

X. Chen et al., "InfoGAN", 2016, with the Q of W. Hu et al., "Learning Discrete Representations via Information
Maximizing Self-Augmented Training", 2017: 1200-1200-K with batchnorm, information and virtual adversarial training at a
constant rate; see minigan/games/categories.py. G and D are those of `dcgan`, or the dense ones. No label is used.
"""

from __future__ import annotations

import math
from typing import Any, Literal

from ..backend import get_backend
from ..games import Categories
from ..names import not_one_of
from ..nn import BatchNorm, Dense, Flatten, Layer, ReLU, Sequential
from ..nn.init import Normal
from ..optim import Adam
from ..vat import VAT
from . import networks
from .gan import falling

STEPS, BATCH = 12_000, 64
Q_HIDDEN = (1200, 1200)


def build(
    shape: tuple[int, ...],
    *,
    nets: Literal["dense", "conv"] = "conv",
    width: int = 16,
    categories: int = 10,
    category_weight: float = 1.0,
    information: float = 0.1,
    balance: float = 4.0,
    vat: float = 1.0,
    vat_epsilon: float = 0.25,
    fakes: float = 0.0,
    average: float = 0.999,
    lr: float = 1e-3,
    q_lr: float = 2e-3,
    decay_steps: int | Literal["all"] = "all",
    beta1: float = 0.5,
    latent: int = 62,
    backend: Any = None,
    dtype: str = "float32",
    seed: int = 0,
    steps: int = STEPS,
    d_pretrain: int = 0,
) -> Categories:
    """A game for images of `shape`, to be trained for `steps` steps.

    nets: of G and D, "conv", those of DCGAN, or "dense"
    width: channels of conv networks at half the size of the picture
    categories: how many there are
    category_weight: weight of the category in G's loss
    information: weight of the information in Q's answers about real images
    balance: how much more it counts that all categories are used than that each answer is sure
    vat: weight of virtual adversarial training of Q; 0 for none
    vat_epsilon: how far its adversarial images are from real ones, as a share of the distance to their tenth neighbour
    fakes: weight of Q's loss on fakes, from which plain InfoGAN learns alone
    average: decay of the averages of G and Q; 0 for none
    lr: learning rate of G and D
    q_lr: learning rate of Q
    decay_steps: the rates of G and D fall to 0 along half a cosine in so many steps, or in all of the run; 0 for never
    beta1: Adam's momentum for G and D; Q has the usual 0.9
    latent: how many numbers the noise has
    """
    where: dict[str, Any] = {"backend": get_backend(backend or "numpy"), "dtype": dtype}
    pixels = math.prod(shape)
    match nets:
        case "conv":
            G = networks.conv_generator(latent + categories, shape, width, seed=3 * seed, **where)
            D = networks.conv_discriminator(shape, width, networks.Head(), "batch", seed=3 * seed + 1, **where)
        case "dense":
            G = networks.generator(latent + categories, pixels, seed=3 * seed, **where)
            D = networks.discriminator(pixels, networks.Head(), seed=3 * seed + 1, **where)
        case _:
            raise ValueError(not_one_of("nets", nets, ("dense", "conv")))

    def rule(rate: float, momentum: float, before: int = 0) -> Adam:
        return Adam(falling(rate, decay_steps, steps, before=before), beta1=momentum)

    return Categories(
        G, D, reader(pixels, categories, seed=3 * seed + 2, **where), k=categories, weight=category_weight,
        information=information, balance=balance, vat=VAT(vat, vat_epsilon, xi=4, relative=True) if vat else None,
        fakes=fakes, q_optimizer=Adam(q_lr), q_average=average, optimizer=rule(lr, beta1),
        d_optimizer=rule(lr, beta1, d_pretrain), average=average, seed=seed, reuse_fakes=True,
    )  # fmt: skip


def reader(pixels: int, categories: int, **where: Any) -> Sequential:
    """Q."""
    layers: list[Layer] = [Flatten()]
    for n_in, n_out in ((pixels, Q_HIDDEN[0]), Q_HIDDEN):
        layers += [Dense(n_in, n_out, init=Normal(0.1 / math.sqrt(n_in))), BatchNorm(n_out), ReLU()]
    last = Dense(Q_HIDDEN[-1], categories, init=Normal(1e-4 / math.sqrt(Q_HIDDEN[-1])))  # all answers alike
    return Sequential(*layers, last, **where)
