"""A small DCGAN for the first minute: what `minigan train` plays where no recipe is named.

The networks of `dcgan` (Radford et al. 2015) with half its channels, so that a step takes a third of the time. What
differs serves a run of 2,100 steps:

    rate            2e-3, four times that of `dcgan`: a small network bears it, and a short run needs it
    instance noise  on all that D sees, falling to 0 (Sønderby et al. 2016): two sets of images that D can tell apart at
                    a glance overlap, and G is told the way from the first step on
    average of G    a short one, .995, since there is little to average
    pictures        every 50 steps, so that one sees how it goes
"""

from __future__ import annotations

from functools import partial

from . import dcgan

STEPS, BATCH, SAMPLE_EVERY = 2_100, 64, 50

build = partial(dcgan.build, width=16, average=0.995, steps=STEPS)
