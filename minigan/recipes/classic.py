"""The GAN of the classic tutorial: separate D updates on half batches of real images and of fakes.

The same networks as `gan`, in the loop of the Keras tutorials (E. Linder-Norén, "Keras-GAN", 2017): D is updated
on a half batch of real images, then on a half batch of fakes that G made in inference mode, then G on a full batch.
"""

from __future__ import annotations

from functools import partial

from . import gan

STEPS, BATCH = 30_000, 32

build = partial(gan.build, loop="tutorial", lr=2e-4, eps=1e-7)
