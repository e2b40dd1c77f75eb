"""InfoGAN: G is asked for codes that nobody has given a meaning, and D must read them in what G draws.

X. Chen et al., "InfoGAN: Interpretable Representation Learning by Information Maximizing GANs", NIPS 2016.

    min_{G,Q} max_D  V(D, G) − λ L_I,      L_I = E log Q(c | G(z, c)) + H(c) ≤ I(c; G(z, c))        (eq. 6)

The only way to make a code legible is to let it change the picture, and what changes pictures most is what kind of
digit it shows: so a category of ten values comes to mean the digits, and continuous codes slant and stroke width,
without a single label. Q is D with more outputs. The networks are those of `dcgan`; 62 numbers of noise, the codes,
λ = 1 for the category, and a G that learns five times as fast as D are the paper's.
"""

from __future__ import annotations

from functools import partial

from . import dcgan

STEPS, BATCH = 5_000, dcgan.BATCH

build = partial(
    dcgan.build, steps=STEPS, categories=10, continuous=2, latent=62, lr=1e-3, d_lr=2e-4, instance_noise=0.0
)
