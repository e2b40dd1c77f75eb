"""Molecules with a wished-for effect: an adversarial autoencoder of fingerprints, of whose code one number is it.

A. Kadurin et al., "The cornucopia of meaningful leads", Oncotarget 2017; minigan/games/molecules.py has the game.

    E      bits and cell line – 128 – 64 – latent + 1    BatchNorm, ReLU; dropout
    G      latent + 1 – 64 – 128 – bits                  tanh, as in the authors' program
    D      latent – 64 – 64 – 1                          LeakyReLU; theirs has 6 units

The data is an .npz of fingerprints and growth inhibition (minigan/datasets/molecules.py).
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, Literal

from ..backend import get_backend
from ..games import MoleculeAAE
from ..nn import BatchNorm, Dense, Dropout, Flatten, Layer, ReLU, Reshape, Sequential, Tanh
from ..optim import Adam
from ..penalties import R1
from .aae import judge
from .gan import falling

STEPS, BATCH = 6_000, 128
HIDDEN = (128, 64)
LINE = "line"  # where no data names one


def build(
    shape: tuple[int, ...],
    *,
    lines: str = "",
    latent: int = 4,
    growth: float = 1.0,
    manifold: float = 1.0,
    centre: float = 6.0,
    spread: float = 1.0,
    dropout: float = 0.2,
    r1: float = 0.1,
    average: float = 0.999,
    lr: float = 1e-3,
    d_lr: float = 1e-3,
    e_lr: float = 1e-3,
    decay_steps: int | Literal["all"] = "all",
    beta1: float = 0.5,
    backend: Any = None,
    dtype: str = "float32",
    seed: int = 0,
    steps: int = STEPS,
    d_pretrain: int = 0,
) -> MoleculeAAE:
    """A game for fingerprints of `shape`, to be trained for `steps` steps.

    lines: cell lines, separated by commas; all that the data has by default
    latent: how many numbers a code has beside growth inhibition
    growth: weight of the error of growth inhibition, beside that of the bits
    manifold: weight of the term that gives a molecule one code for all lines
    centre: growth inhibition that stands in the middle of the code, -log10 of a molar concentration
    spread: what counts as 1 in the code
    dropout: share of bits, and of hidden units, that E does not see
    r1: weight of the penalty on D's gradient with respect to codes
    average: decay of the averages of E and G; 0 for none
    lr: learning rate of E and G as an autoencoder
    d_lr: learning rate of D
    e_lr: learning rate of E in view of D
    decay_steps: all fall to 0 along half a cosine in so many steps, or in all of the run; 0 for never
    beta1: Adam's momentum where D is concerned; it is the usual 0.9 where it is not
    """
    where: dict[str, Any] = {"backend": get_backend(backend or "numpy"), "dtype": dtype}
    names = [name.strip() for name in lines.split(",") if name.strip()] or [LINE]

    def rule(rate: float, momentum: float, before: int = 0) -> Adam:
        return Adam(falling(rate, decay_steps, steps, before=before), beta1=momentum)

    return MoleculeAAE(
        encoder(math.prod(shape[:-1]) * (shape[-1] + len(names)), latent + 1, dropout, seed=3 * seed, **where),
        decoder(latent + 1, shape, seed=3 * seed + 1, **where), judge(latent, 64, seed=3 * seed + 2, **where),
        lines=names, centre=centre, spread=spread, growth=growth, manifold=manifold, penalties=[R1(r1)] if r1 else [],
        optimizer=rule(lr, 0.9), d_optimizer=rule(d_lr, beta1, d_pretrain), e_optimizer=rule(e_lr, beta1),
        average=average, latent=latent, seed=seed,
    )  # fmt: skip


def encoder(inputs: int, outputs: int, dropout: float, **where: Any) -> Sequential:
    layers: list[Layer] = [Flatten(), Dropout(dropout)]
    for n_in, n_out in pairwise((inputs, *HIDDEN)):
        layers += [Dense(n_in, n_out, bias=False), BatchNorm(n_out), ReLU(), Dropout(dropout)]
    return Sequential(*layers, Dense(HIDDEN[-1], outputs), **where)


def decoder(inputs: int, shape: tuple[int, ...], **where: Any) -> Sequential:
    layers: list[Layer] = []
    for n_in, n_out in pairwise((inputs, *reversed(HIDDEN))):
        layers += [Dense(n_in, n_out), Tanh()]
    return Sequential(*layers, Dense(HIDDEN[0], math.prod(shape)), Reshape(*shape), **where)
