"""WGAN: a critic whose mean difference is a distance, kept from growing steep by clipping its weights.

M. Arjovsky, S. Chintala, L. Bottou, "Wasserstein GAN", ICML 2017, algorithm 1.

    W(p, q) = max_{‖f‖_L ≤ 1} E f(x) − E f(G(z))            (Kantorovich and Rubinstein, eq. 2)

The critic f is to be trained until it is nearly the best, hence five updates for one of G, and its loss, −W up to a
factor, falls as samples improve (`d_loss` in metrics.csv). That f is Lipschitz at all, though with an unknown constant,
is enforced by clipping all of its parameters to ±0.01. RMSprop without momentum, since the loss moves all the time. Its
rate is ten times the paper's, which is meant for far more steps: with 5e-5 these networks need thousands of them before
G leaves its first mode.
"""

from __future__ import annotations

from functools import partial

from . import gan

STEPS, BATCH = 4_000, 64

build = partial(
    gan.build, objective="wasserstein", clip=0.01, d_steps=5, optimizer="rmsprop", lr=5e-4, beta1=0.0, beta2=0.99
)
