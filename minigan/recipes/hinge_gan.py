"""The hinge loss with spectral normalisation, the pair behind SN-GAN, SAGAN and BigGAN.

J. H. Lim and J. C. Ye, "Geometric GAN", 2017; T. Miyato et al., "Spectral Normalization ...", ICLR 2018, eq. 16, 17.

    D descends  E max(0, 1 − D(x)) + E max(0, 1 + D(G(z)))          G descends  −E D(G(z))

D learns from the samples inside its margin only. Its weights are divided by their largest singular value, found by one
step of power iteration in each update, so that every layer, and with LeakyReLU the whole of D, has slopes of at most 1.
Such a D learns slowly: it has a rate of its own, four times that of G (as in SAGAN, after Heusel 2017), and
samples come from an average of G (as in BigGAN).
"""

from __future__ import annotations

from functools import partial

from . import gan

STEPS, BATCH = gan.STEPS, gan.BATCH

build = partial(gan.build, objective="hinge", d_norm="spectral", d_lr=2e-3, average=0.999)
