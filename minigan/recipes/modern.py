"""The classic networks, trained as well as we know how: few changes, each old, none to the game itself.

    average of G       samples come from the middle of the path that G circles on (Yazıcı et al. 2019): the largest gain
    decay to 0         of Adam's rate along half a cosine over the run (Loshchilov and Hutter 2017): G comes to rest
    higher rate        5e-4: the average takes out the noise that this adds
    batches of 64      twice the tutorial's, real samples and fakes in one update of D
    fakes used twice   G learns from the fakes that D has just seen, which saves one of three passes through G

The objective is the non-saturating one of 2014. Newer objectives and penalties buy stability, of which a dense G on
small images is not short; `r3gan` is the one that comes near, with more even shares of the classes.
"""

from __future__ import annotations

from functools import partial

from . import gan

STEPS, BATCH = 14_000, 64

build = partial(gan.build, lr=5e-4, decay_steps="all", steps=STEPS, average=0.999, reuse_fakes=True)
