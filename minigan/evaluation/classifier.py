"""A classifier of minigan's own layers. Its last hidden layer is what generated images are compared in.

Pixels are a poor measure of likeness: a digit moved by one pixel is far from itself. A network that has learned to
tell the classes apart keeps what matters for that and drops the rest, which is why Heusel et al. (2017) compare
images in the features of a classifier. Theirs was trained on photographs; this one on the data at hand, in seconds.

    noise – D – 512 – 256 – 128 – classes       Dense, batchnorm and ReLU at each width; trained by Adam

The noise keeps it from leaning on single pixels, so that features of images it was trained on stay close to those
of images it has never seen: the distance between the two is the floor that a GAN is measured from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..backend import Backend
from ..datasets import to_float
from ..nn import BatchNorm, Dense, GaussianNoise, ReLU, Sequential
from ..objectives import softmax
from .learning import learn

Features = NDArray[np.floating[Any]]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Recipe:
    """How a classifier is made. Change anything, here or in the code below, and raise the version."""

    version: int = 1
    widths: tuple[int, ...] = (512, 256, 128)
    noise: float = 0.5
    batch: int = 128
    epochs: int = 20
    least_steps: int = 300
    most_steps: int = 3000
    lr: float = 2e-3
    seed: int = 0

    def steps(self, count: int) -> int:
        """Updates for so many images: a small set is not learned by heart, and a large one takes no longer."""
        return max(self.least_steps, min(self.epochs * count // self.batch, self.most_steps))


RECIPE = Recipe()


class Classifier:
    """Sorts uint8 images (N, ...) into classes 0 to classes − 1.

    pixels: numbers in an image, all channels. backend: a Backend, its name, or None for NumPy.
    A new one knows nothing; see `train`.
    """

    def __init__(
        self, pixels: int, classes: int, backend: Backend | str | None = None, recipe: Recipe | None = None
    ) -> None:
        self.recipe = recipe or RECIPE
        widths = (pixels, *self.recipe.widths)
        layers = [
            layer
            for n_in, n_out in pairwise(widths)
            for layer in (Dense(n_in, n_out, bias=False, init="he"), BatchNorm(n_out), ReLU())
        ]
        self.net = Sequential(
            GaussianNoise(self.recipe.noise),
            *layers,
            Dense(widths[-1], classes),
            backend=backend,
            seed=self.recipe.seed,
        )

    @property
    def about(self) -> str:
        return f"the last hidden layer ({self.recipe.widths[-1]} numbers) of a classifier trained on these images"

    def train(self, images: NDArray[np.uint8], labels: NDArray[np.integer[Any]], say: Say | None = None) -> None:
        """Learn images (N, ...) with labels (N,) from 0. The same images and labels give the same classifier.

        say: called with a sentence, a few times.
        """
        recipe = self.recipe
        learn(
            self.net, images.reshape(len(images), -1), labels, recipe.steps(len(images)), batch=recipe.batch,
            lr=recipe.lr, seed=recipe.seed, say=say,
        )  # fmt: skip

    def look(self, images: NDArray[np.uint8]) -> tuple[Features, Features]:
        """Features (N, F), none negative, and the probability of each class (N, classes), of uint8 images (N, ...)."""
        seen = [self._look(images[i : i + 1000]) for i in range(0, len(images), 1000)]
        features, probabilities = (np.concatenate(parts) for parts in zip(*seen, strict=True))
        return features, probabilities

    def features(self, images: NDArray[np.uint8]) -> Features:
        return self.look(images)[0]

    def _look(self, images: NDArray[np.uint8]) -> tuple[Features, Features]:
        *_, (_, hidden), (_, logits) = self.net.activations(_flat(images))
        to_numpy = self.net.backend.to_numpy
        return to_numpy(hidden), softmax(to_numpy(logits), np)

    def digest(self) -> str:
        """Eight characters that tell this classifier from every other one."""
        return hashlib.sha256(b"".join(a.tobytes() for a in self.net.state_dict().values())).hexdigest()[:8]


def _flat(images: NDArray[np.uint8]) -> Features:
    return to_float(images).reshape(len(images), -1)
