"""A conditional GAN: G draws what it is asked for, and D is given it too.

M. Mirza and S. Osindero, "Conditional Generative Adversarial Nets", 2014.

    V(D, G) = E log D(x | y) + E log(1 − D(G(z | y) | y))

The label y stands beside the noise in G's input and beside the sample in D's, as one-hot. D cannot reject a fake for
its label, since fakes are asked for the labels of the real samples they stand beside; it can reject a seven where a
three was asked for, and so G learns to obey. The rest is `dcgan`.
"""

from __future__ import annotations

from functools import partial

from . import dcgan

STEPS, BATCH = 6_000, dcgan.BATCH

build = partial(dcgan.build, label="given", lr=5e-4, instance_noise=0.0, steps=STEPS)
