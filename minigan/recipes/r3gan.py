"""R3GAN's game: relativistic pairs, and penalties that make D flat at real samples and at fakes.

Y. Huang et al., "The GAN is dead; long live the GAN! A Modern Baseline GAN", NeurIPS 2024; the loss is that of
A. Jolicoeur-Martineau, "The relativistic discriminator", ICLR 2019, the penalties L. Mescheder et al., ICML 2018.

    D descends  E softplus(−(D(x) − D(G(z)))) + γ/2 E‖∇D(x)‖² + γ/2 E‖∇D(G(z))‖²
    G descends  E softplus(−(D(G(z)) − D(x)))

Each fake is judged against a real sample of its own, so no boundary exists across which all fakes could be pushed at
once, which drops modes. The penalties on both sides make the game converge where R1 alone can diverge early on. Samples
come from an average of G.
"""

from __future__ import annotations

from functools import partial

from . import gan

STEPS, BATCH = gan.STEPS, gan.BATCH

build = partial(gan.build, objective="relativistic", r1=1.0, r2=1.0, average=0.999)
