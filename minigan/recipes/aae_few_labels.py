"""An adversarial autoencoder that learns classes from a few labels, and keeps how a digit looks apart from which it is.

A. Makhzani et al., "Adversarial Autoencoders", 2015, section 5: E says a category and ten numbers, each with a D of its
own, and of the labelled images also learns which category is theirs.

Virtual adversarial training, which is later than the paper, keeps the category of an image where nobody sees a
difference; `--vat 0` is the paper's game.
"""

from __future__ import annotations

from functools import partial

from . import aae

STEPS, BATCH = 6_000, aae.BATCH

build = partial(
    aae.build, categories="classes", latent=10, labelled=100, vat=6.0, vat_ramp=3000, d_lr=4e-3, e_lr=2e-3,
    decay_steps=0, steps=STEPS,
)  # fmt: skip
