"""The hinge loss with spectral normalisation, the pair behind SN-GAN, SAGAN and BigGAN.

J. H. Lim and J. C. Ye, "Geometric GAN", 2017; T. Miyato et al., "Spectral Normalization ...", ICLR 2018, eq. 16, 17.

    D descends  E max(0, 1 − D(x)) + E max(0, 1 + D(G(z)))          G descends  −E D(G(z))

D learns from the samples inside its margin only. Its weights are divided by their largest singular value, found by one
step of power iteration in each update, so that every layer, and with LeakyReLU the whole of D, has slopes of at most 1.
"""

from __future__ import annotations

from functools import partial

from . import gan

STEPS, BATCH = gan.STEPS, gan.BATCH

build = partial(gan.build, objective="hinge", d_norm="spectral")
