"""DCGAN: a GAN of convolutions that trains, by a handful of guidelines.

A. Radford, L. Metz and S. Chintala, "Unsupervised Representation Learning with Deep Convolutional Generative
Adversarial Networks", 2015.

Strided convolutions instead of pooling, batchnorm in both networks but for G's output and D's input, ReLU in G with
tanh at its end, LeakyReLU(0.2) in D (see networks.py); Adam with beta1 = 0.5. Real samples and fakes are normalised in
batches of their own. The rest is that of `modern`: samples come from an average of G, the rate, 5e-4 instead of 2e-4,
falls to zero, and G learns from the fakes that D has just seen.
"""

from __future__ import annotations

from functools import partial

from . import modern

STEPS, BATCH = 6_000, 64

build = partial(modern.build, nets="conv", d_norm="batch", steps=STEPS)
