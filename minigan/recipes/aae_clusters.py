"""An adversarial autoencoder that sorts digits into kinds, without a label: five numbers are left for how each looks.

A. Makhzani et al., "Adversarial Autoencoders", 2015, section 6: 16 or 30 categories and five numbers.

A category has to be one of k, all alike often, since a D of its own tells draws from that distribution from what E
says; and what it says need not be said by the numbers beside. Virtual adversarial training, which is later than the
paper, keeps the category of an image where nobody sees a difference; its weight rises in the first steps, for a
category that no image has found by then is lost. `--vat 0` is the paper's game. `minigan evaluate` says how well the
categories are classes, and `minigan sample --grid traversal` draws them.
"""

from __future__ import annotations

from functools import partial

from . import aae

STEPS, BATCH = 9_000, aae.BATCH

build = partial(
    aae.build, categories=16, latent=5, vat=6.0, vat_ramp=3000, d_lr=4e-3, e_lr=2e-3, decay_steps=0, steps=STEPS
)  # fmt: skip
