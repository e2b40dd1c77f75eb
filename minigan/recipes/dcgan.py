"""DCGAN: a GAN of convolutions that trains, by a handful of guidelines.

A. Radford, L. Metz and S. Chintala, "Unsupervised Representation Learning with Deep Convolutional Generative
Adversarial Networks", 2015.

Strided convolutions instead of pooling, batchnorm in both networks but for G's output and D's input, ReLU in G with
tanh at its end, LeakyReLU(0.2) in D (see networks.py); noise from U(−1, 1), Adam(2e-4, 0.5).
Real samples and fakes are normalised in batches of their own, as the paper's authors found necessary. Two things are
newer: samples come from an average of G, and the rate falls to zero, as in `modern`.
"""

from __future__ import annotations

from functools import partial

from . import gan

STEPS, BATCH = 8_000, 64

build = partial(gan.build, nets="conv", d_norm="batch", prior="uniform", lr=2e-4, decay_steps=STEPS, average=0.999)
