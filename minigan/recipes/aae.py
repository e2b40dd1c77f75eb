"""An adversarial autoencoder: two numbers for each digit, which together have the distribution that one asks for.

A. Makhzani et al., "Adversarial Autoencoders", 2015; minigan/games/aae.py has the game.

    E      pixels – w – ... – w – latent + categories    Dense, BatchNorm, ReLU; Gaussian noise on the pixels
    G      latent + categories – w – w – pixels          Dense, BatchNorm, ReLU; tanh at the end
    D      latent – w/2 – w/2 – 1                        Dense, LeakyReLU; D_y, of categories, the same

The paper has w = 1000, two hidden layers in E, no batchnorm, and SGD with momentum at rates that differ between the
parts of the game and fall after 50 and 1,000 epochs; here it is Adam, whose rates fall to 0 along half a cosine. Where
each class is to have a place in the plane, E has five: a code is two linear functions of the last hidden layer, which
have to say what a classifier says with one for each class.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, Literal

from ..backend import get_backend
from ..games import AAE
from ..nn import BatchNorm, Dense, Flatten, GaussianNoise, Layer, LeakyReLU, ReLU, Reshape, Sequential, Tanh
from ..optim import Adam, Linear, Schedule
from ..penalties import R1
from ..priors import NAMED, Ring, SwissRoll
from ..spec import integer
from ..vat import VAT
from .gan import falling

STEPS, BATCH = 6_000, 100
CLASSES = 10  # where no data says how many: those of the digits


def build(
    shape: tuple[int, ...],
    *,
    prior: Literal["normal", "ring", "swiss-roll"] = "normal",
    latent: int = 2,
    categories: int | Literal["classes"] = 0,
    labelled: int = 0,
    split: int = 1,
    told: int = 100,
    classes: int | None = None,
    vat: float = 0.0,
    vat_epsilon: float = 0.25,
    vat_ramp: int = 0,
    width: int = 500,
    e_depth: int | None = None,
    noise: float = 0.1,
    r1: float = 0.1,
    average: float = 0.999,
    lr: float = 2e-4,
    d_lr: float = 2e-3,
    e_lr: float = 1e-3,
    decay_steps: int | Literal["all"] = "all",
    beta1: float = 0.5,
    backend: Any = None,
    dtype: str = "float32",
    seed: int = 0,
    steps: int = STEPS,
    d_pretrain: int = 0,
) -> AAE:
    """A game for images of `shape`, to be trained for `steps` steps.

    prior: of the codes; the ring and the swiss roll are of the plane, in as many parts as there are classes
    latent: how many numbers a code has
    categories: how many there are beside them, or as many as classes; 0 for none
    labelled: how many labels are known, the same number of each class; D is told them, or E learns its categories
    split: which labels these are
    told: how many of them are in one update of E, at most
    classes: how many classes there are; none for as many as the data has (10 before there is any)
    vat: weight of virtual adversarial training of categories; 0 for none
    vat_epsilon: how far its adversarial images are from real ones, as a share of the distance to their tenth neighbour
    vat_ramp: steps in which that weight rises from 0; at first categories are to be found at all
    width: of hidden layers
    e_depth: how many hidden layers E has; by default 5 where D is told labels, else 2
    noise: standard deviation of what is added to the pixels that E sees, in [-1, 1]
    r1: weight of the penalty on D's gradient with respect to codes
    average: decay of the averages of E and G; 0 for none
    lr: learning rate of E and G as an autoencoder
    d_lr: learning rate of D
    e_lr: learning rate of E in view of D and of labels
    decay_steps: all fall to 0 along half a cosine in so many steps, or in all of the run; 0 for never
    beta1: Adam's momentum where D is concerned; it is the usual 0.9 where it is not
    """
    where: dict[str, Any] = {"backend": get_backend(backend or "numpy"), "dtype": dtype}
    pixels, parts = math.prod(shape), CLASSES if classes is None else classes
    k = parts if categories == "classes" else integer("categories", categories, least=0)
    drawn = {"ring": Ring, "swiss-roll": SwissRoll}[prior](parts) if prior != "normal" else NAMED[prior]()
    given = drawn.parts + 1 if labelled and not k else 0
    depth = (5 if given else 2) if e_depth is None else integer("e_depth", e_depth)
    weight: float | Schedule = Linear(0.0, vat, vat_ramp) if vat and vat_ramp else vat

    def rule(rate: float, momentum: float, before: int = 0) -> Adam:
        return Adam(falling(rate, decay_steps, steps, before=before), beta1=momentum)

    return AAE(
        encoder(pixels, latent + k, width, noise, depth, seed=4 * seed, **where),
        decoder(latent + k, shape, width, seed=4 * seed + 1, **where),
        judge(latent + given, width // 2, seed=4 * seed + 2, **where),
        judge(k, width // 2, seed=4 * seed + 3, **where) if k else None,
        prior=drawn, categories=k, vat=VAT(weight, vat_epsilon, xi=4, relative=True) if vat else None,
        labelled=labelled, split=split, told=told, penalties=[R1(r1)] if r1 else [],
        optimizer=rule(lr, 0.9), d_optimizer=rule(d_lr, beta1, d_pretrain), e_optimizer=rule(e_lr, beta1),
        average=average, latent=latent, seed=seed,
    )  # fmt: skip


def encoder(pixels: int, outputs: int, width: int, noise: float, depth: int, **where: Any) -> Sequential:
    layers: list[Layer] = [Flatten(), *([GaussianNoise(noise)] if noise else [])]
    return Sequential(*layers, *_hidden(pixels, width, depth), Dense(width, outputs), **where)


def decoder(inputs: int, shape: tuple[int, ...], width: int, **where: Any) -> Sequential:
    return Sequential(*_hidden(inputs, width), Dense(width, math.prod(shape)), Tanh(), Reshape(*shape), **where)


def judge(inputs: int, width: int, **where: Any) -> Sequential:
    """A D of codes."""
    layers: list[Layer] = []
    for n_in, n_out in pairwise((inputs, width, width)):
        layers += [Dense(n_in, n_out), LeakyReLU(0.2)]
    return Sequential(*layers, Dense(width, 1), **where)


def _hidden(n: int, width: int, depth: int = 2) -> list[Layer]:
    layers: list[Layer] = []
    for n_in, n_out in pairwise((n, *[width] * depth)):
        layers += [Dense(n_in, n_out, bias=False), BatchNorm(n_out), ReLU()]
    return layers
