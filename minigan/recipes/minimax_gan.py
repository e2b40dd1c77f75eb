"""The GAN of 2014 with the loss that theory speaks of: G descends log(1 − D(G(z))).

I. Goodfellow et al., "Generative Adversarial Networks", 2014, eq. 1. With D at its optimum this G descends the
Jensen-Shannon divergence of fakes and data. But while D rejects fakes with confidence, the loss is flat, and G hardly
learns: compare `g_grad_norm` in metrics.csv with that of `gan`, which differs in nothing else.
"""

from __future__ import annotations

from functools import partial

from . import gan

STEPS, BATCH = gan.STEPS, gan.BATCH

build = partial(gan.build, objective="minimax")
