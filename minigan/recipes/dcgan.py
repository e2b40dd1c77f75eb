"""DCGAN: a GAN of convolutions that trains, by a handful of guidelines.

A. Radford, L. Metz and S. Chintala, "Unsupervised Representation Learning with Deep Convolutional Generative
Adversarial Networks", 2015.

Strided convolutions instead of pooling, batchnorm in both networks but for G's output and D's input, ReLU in G with
tanh at its end, LeakyReLU(0.2) in D (see networks.py); Adam with beta1 = 0.5. Real samples and fakes are normalised in
batches of their own. As in `modern`, samples come from an average of G, the rate, 2e-3 instead of 2e-4, falls to zero,
and G learns from the fakes that D has just seen. In the place of R1, which batchnorm in D does not allow, noise lies on
all that D sees, and fades (Sønderby et al. 2016).
"""

from __future__ import annotations

from functools import partial

from . import gan

STEPS, BATCH = 10_000, 64

build = partial(
    gan.build, nets="conv", d_norm="batch", lr=2e-3, instance_noise=0.3, decay_steps="all", average=0.999,
    reuse_fakes=True, steps=STEPS,
)  # fmt: skip
