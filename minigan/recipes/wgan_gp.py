"""WGAN-GP: the critic's slope is held at 1 where it matters, between real samples and fakes.

I. Gulrajani et al., "Improved Training of Wasserstein GANs", NIPS 2017, algorithm 1.

    D descends  E f(G(z)) − E f(x) + λ E(‖∇f(x̂)‖ − 1)²,   x̂ = ε x + (1 − ε) G(z),  ε ~ U(0, 1) per sample,  λ = 10

The best critic has slope 1 almost everywhere on the lines between coupled samples (proposition 1), so the penalty
costs it nothing; clipping, in contrast, leaves it the simplest functions only. No batchnorm in the critic: the norm is
that of one sample's gradient. Adam(1e-4, 0.5, 0.9) and 5 critic updates are the paper's.
"""

from __future__ import annotations

from functools import partial

from . import gan

STEPS, BATCH = 4_000, 64

build = partial(gan.build, objective="wasserstein", gradient_penalty=10.0, d_steps=5, lr=1e-4, beta1=0.5, beta2=0.9)
