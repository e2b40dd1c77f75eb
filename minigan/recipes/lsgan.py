"""LSGAN: D regresses real samples to 1 and fakes to 0, G its fakes to 1.

X. Mao et al., "Least Squares Generative Adversarial Networks", ICCV 2017.

    D descends  ½ E(D(x) − 1)² + ½ E D(G(z))²           G descends  ½ E(D(G(z)) − 1)²               (eq. 9)

The logistic loss is content with a fake on the right side of D's boundary; this one pulls every fake to the boundary,
near which the data is. For codes a, b, c with b − c = 1 and b − a = 2 the game is Pearson's χ² divergence between
p + q and 2q; with 0, 1, 1 as here, which the paper finds no worse, D's optimum is p/(p + q) as in the first GAN.
"""

from __future__ import annotations

from functools import partial

from . import gan

STEPS, BATCH = gan.STEPS, gan.BATCH

build = partial(gan.build, objective="least-squares")
