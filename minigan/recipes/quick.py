"""A small DCGAN for the first minute: what `minigan train` plays where no recipe is named.

The game of `dcgan` (Radford et al. 2015) and its networks with half the channels, whose step takes less than half the
time. What differs serves a run of 2,100 steps: the average of G is a short one, .995, since there is little to average,
and pictures come every 50 steps, so that one sees how it goes.
"""

from __future__ import annotations

from functools import partial

from . import dcgan

STEPS, BATCH, SAMPLE_EVERY = 2_100, 64, 50

build = partial(dcgan.build, width=16, average=0.995, steps=STEPS)
