"""How well the codes of an adversarial autoencoder keep to their prior, and what is left of a sample.

told apart      share of codes of test images, and of draws from the prior, that a fresh D puts into the right set
                (two_samples.py); 50 % where nothing is to be told
error           mean square between test images, in [−1, 1], and what G makes of their codes
many-to-one     of categories: error on test images when each category stands for the class that most of its images
                have, several for one class if need be (Makhzani et al. 2015, section 6)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..datasets import to_float
from ..games import AAE
from ..two_samples import told_apart
from .evaluator import Evaluator


@dataclass(frozen=True)
class Autoencoded:
    """apart, error, many_to_one: as above; the last None without categories or labels. n: test images."""

    name: str
    apart: float
    error: float
    many_to_one: float | None
    n: int


def evaluate_autoencoder(game: AAE, evaluator: Evaluator, name: str) -> Autoencoded:
    """What becomes of the test images, all of them."""
    test = evaluator.test
    latents = game.latents_of(test.images)
    z, y = latents[:, : game.latent], latents[:, game.latent :]
    prior = game.latents(len(z))[:, : game.latent]
    again = game.generate(latents).reshape(len(z), -1)
    error = float(((again - to_float(test.images).reshape(len(z), -1)) ** 2).mean())
    clustered = None
    if game.categories and not game.labelled and test.labels is not None:
        _, classes = np.unique(test.labels, return_inverse=True)
        counts = np.zeros((game.categories, classes.max() + 1), np.int64)
        np.add.at(counts, (y.argmax(axis=1), classes), 1)
        clustered = 1 - float(counts.max(axis=1).sum()) / len(z)
    return Autoencoded(name, told_apart(z, prior), error, clustered, len(z))
