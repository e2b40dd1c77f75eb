"""The classic networks, trained as well as we know how: few changes, each old, none to the game itself.

    average of G       samples come from the middle of the path that G circles on (Yazıcı et al. 2019)
    R1                 D is held flat at the data, γ = 1, so that the game converges (Mescheder et al. 2018)
    decay to 0         of Adam's rate along half a cosine over the run (Loshchilov and Hutter 2017): G comes to rest
    higher rate        1e-3, five times the tutorial's: the average takes out the noise that this adds
    batches of 64      twice the tutorial's, real samples and fakes in one update of D
    fakes used twice   G learns from the fakes that D has just seen, which saves one of three passes through G

The objective is the non-saturating one of 2014. The average is the largest gain in a short run, R1 in a long one: a D
that sees 60,000 images again and again learns them by heart, and a steep D has little to tell.
"""

from __future__ import annotations

from functools import partial

from . import gan

STEPS, BATCH = 24_000, 64

build = partial(gan.build, lr=1e-3, r1=1.0, decay_steps="all", steps=STEPS, average=0.999, reuse_fakes=True)
