"""The classic networks, trained as well as we know how: few changes, each old, none to the game itself.

    average of G       samples come from the middle of the path that G circles on (Yazıcı et al. 2019): the largest gain
    higher rate        Adam at 1e-3, five times the tutorial's: the average takes out the noise that this adds
    decay to 0         along half a cosine (Loshchilov and Hutter 2017), so that G comes to rest
    batches of 64      twice the tutorial's, real samples and fakes in one update of D
    fakes used twice   G learns from the fakes that D has just seen, which saves a sixth of the work

The objective is the non-saturating one of 2014. With these networks and this much time it is better than the newer
objectives and penalties of this library: those buy stability, and a dense G on small images is not short of that.
"""

from __future__ import annotations

from functools import partial

from . import gan

STEPS, BATCH = 16_000, 64

build = partial(gan.build, lr=1e-3, decay_steps=STEPS, average=0.999, reuse_fakes=True)
