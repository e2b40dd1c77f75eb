"""A GAN with an auxiliary classifier: G draws what it is asked for, and D says what it sees.

A. Odena, C. Olah and J. Shlens, "Conditional Image Synthesis with Auxiliary Classifier GANs", ICML 2017.

    L_S = E log P(real | x) + E log P(fake | G(z, y))       L_C = E log P(y | x) + E log P(y | G(z, y))
    D ascends L_S + L_C                                     G ascends L_C − L_S (here: its non-saturating form)

D is not given the label but predicts it, of real samples and of fakes. Both players gain from G's obedience, so it
comes early and sure; the price is that G avoids what is hard to classify. The rest is `dcgan`.
"""

from __future__ import annotations

from functools import partial

from . import dcgan

STEPS, BATCH = 6_000, dcgan.BATCH

build = partial(dcgan.build, label="predicted", lr=5e-4, instance_noise=0.0, steps=STEPS)
