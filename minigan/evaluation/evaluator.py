"""The evaluator: real images once, then any number of generated sets, each judged in the same way.

The real images of the training set are what a GAN should match. How near can anyone come? As near as other real
images do, which nobody has trained on: the test images are judged like the samples of a GAN, and their row is the
floor. Where the data has no test split, a fixed fifth of it is held out, from the classifier too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import metrics
from ..archive import StrPath
from ..backend import Backend
from ..datasets import Dataset, MissingSplit, load, to_uint8
from ..spec import integer
from .cache import trained
from .classifier import Classifier
from .components import Components

Say = Callable[[str], None]
Images = NDArray[Any]

K = 3  # neighbours in precision and recall
MANIFOLD = 5000  # points of each set in precision and recall
COPIES = 1000  # samples whose nearest training image is looked for
CLOSEST = 0.01  # of the test images: nearer than that to a training image looks like a copy


@dataclass(frozen=True)
class Quality:
    """What was found about one set of samples.

    n: how many were judged. seed: of their latents, if known. frechet: Fréchet distance to the training images.
    precision, recall: see `minigan.metrics.precision_recall`. shares: of each class, sum 1; kl: their divergence from
    the shares of the training images, in nats; confidence: mean probability of the class that the classifier decides
    for; these three are None without labels. nearest: median distance to the nearest training image, in pixels,
    divided by that of test images: about 1 for new images, NaN where most test images are in the training set, too.
    copies: share of samples that are as near to a training image as the closest 1 % of those test images that are
    none: about 0.01 for new images.
    """

    name: str
    n: int
    seed: int | None
    frechet: float
    precision: float
    recall: float
    shares: tuple[float, ...] | None
    kl: float | None
    confidence: float | None
    nearest: float
    copies: float

    @property
    def least(self) -> float | None:
        """The share of the rarest class."""
        return None if self.shares is None else min(self.shares)


class Evaluator:
    """Judges images against a data set.

    train: the images that samples are compared with; with labels of two classes or more, features are those of a
    classifier, else principal components of the pixels. test: images of the same kind that nobody has trained on; by
    default a fifth of `train` is held out for it. n: how many samples are judged at most, and test images for the
    floor; where there are more, a fixed random choice. backend: of the classifier, an object, a name or None for
    NumPy. cache: folder to keep the classifier in, by default the user's. say: called with sentences about progress.

    Attributes: `floor`, the Quality of the test images; `train`, `test` as used, `held_out` (bool), `classes` (their
    labels) and `names` (of the classes) or None, `accuracy` of the classifier on the test images or None, `about`
    (what the features are, in words) and `digest`: figures can be compared where it is the same.

    Raises ValueError for too few images or sets that do not fit together.

    >>> import minigan, tempfile
    >>> images = np.random.default_rng(0).integers(0, 256, (200, 8, 8), dtype=np.uint8)
    >>> evaluator = Evaluator(minigan.datasets.Dataset(images, None, "noise"))
    >>> black = evaluator.evaluate(np.zeros((50, 8, 8), np.uint8), "black")
    >>> black.frechet > 5 * evaluator.floor.frechet, black.recall
    (True, 0.0)
    """

    def __init__(
        self,
        train: Dataset,
        test: Dataset | None = None,
        *,
        n: int = 10_000,
        backend: Backend | str | None = None,
        cache: StrPath | None = None,
        say: Say | None = None,
    ) -> None:
        say = say or (lambda sentence: None)
        self.n = integer("n", n, least=K + 1)
        self.held_out = test is None
        self.train, self.test = _hold_out(train) if test is None else (train, test)
        if self.train.image_shape != self.test.image_shape:
            raise ValueError(
                f"training images of shape {self.train.image_shape} and test images of shape {self.test.image_shape} "
                "were given, but one size was expected; give the two splits of one data set"
            )
        if min(len(self.train), len(self.test)) <= K:
            raise ValueError(
                f"{len(self.train):,} training and {len(self.test):,} test images are too few to judge by; "
                f"more than {K} of each are needed, and some thousands give figures worth having"
            )
        if (self.train.images == self.train.images[0]).all():
            raise ValueError("all images are the same, so there is nothing to tell samples by; give other images")
        self.classes: tuple[int, ...] | None = None
        self.names: tuple[str, ...] | None = None
        self.accuracy: float | None = None
        self._eye = self._make_eye(backend, cache, say)
        self.about, self.digest = self._eye.about, self._eye.digest()
        say(f"looking at {len(self.train):,} training and {min(n, len(self.test)):,} test images ...")
        features = self._eye.features(self.train.images)
        self._moments = metrics.moments(features)
        self._manifold = metrics.Manifold(_some(features, MANIFOLD), K)
        self._test_distances = self._distances(_some(_some(self.test.images, n), COPIES))
        # Data repeats itself: a test image that is a training image says nothing of how near a new one comes.
        new = self._test_distances[self._test_distances > 0]
        self._close = float(np.quantile(new, CLOSEST)) if len(new) else 0.0
        self.floor = self.evaluate(self.test.images, "real test images")

    @classmethod
    def load(cls, data: StrPath, **settings: Any) -> Evaluator:
        """An evaluator for what `minigan.datasets.load` takes, with its test split if it has one; settings as above."""
        try:
            test = load(data, "test")
        except MissingSplit:
            test = None
        return cls(load(data), test, **settings)

    def evaluate(self, images: Images, name: str = "samples", seed: int | None = None) -> Quality:
        """What there is to say about images (N, ...): uint8, or floats in [−1, 1], of the size of the training images.

        Of more than `n` images a fixed random choice is judged. name and seed only go into the row.
        Raises ValueError for fewer than 4 images, another size or NaN; TypeError for other kinds of numbers.
        """
        pixels = _some(self._pixels(images), self.n)
        features, probabilities = self._look(pixels)
        some = metrics.Manifold(_some(features, MANIFOLD), K)
        distances = self._distances(_some(pixels, COPIES))
        shares = kl = confidence = None
        if probabilities is not None and self._shares is not None:
            shares = metrics.class_shares(probabilities.argmax(axis=1), probabilities.shape[1])
            kl, confidence = metrics.kl_divergence(shares, self._shares), float(probabilities.max(axis=1).mean())
        usual = float(np.median(self._test_distances))
        return Quality(
            name=name,
            n=len(pixels),
            seed=seed,
            frechet=metrics.frechet_of_moments(metrics.moments(features), self._moments),
            precision=float(self._manifold.contains(some.points).mean()),
            recall=float(some.contains(self._manifold.points).mean()),
            shares=None if shares is None else tuple(map(float, shares)),
            kl=kl,
            confidence=confidence,
            nearest=float(np.median(distances)) / usual if usual else float("nan"),
            copies=float((distances <= self._close).mean()),
        )

    def classify(self, images: Images) -> NDArray[np.int64]:
        """The labels that the classifier gives to images (N, ...), as `evaluate` takes them: (N,).

        Raises ValueError for data without labels of different classes.
        """
        _, probabilities = self._look(self._pixels(images))
        if probabilities is None or self.classes is None:
            raise ValueError("the data has no labels of different classes, so there is no classifier to ask")
        return np.asarray(np.array(self.classes, np.int64)[probabilities.argmax(axis=1)])

    def features(self, images: Images) -> Images:
        """The features (N, F) in which images (N, ...), as `evaluate` takes them, are compared."""
        return self._look(self._pixels(images))[0]

    def labels_of(self, k: int) -> NDArray[np.int64]:
        """The labels that a game of k classes means by 0, 1, ...: those of this data, if there are as many."""
        return np.array(self.classes if self.classes is not None and len(self.classes) == k else range(k), np.int64)

    def _make_eye(self, backend: Backend | str | None, cache: StrPath | None, say: Say) -> Classifier | Components:
        self._shares: metrics.Floats | None = None
        if self.train.labels is None or (names := np.unique(self.train.labels)).size < 2:
            return Components(self.train.images)
        numbers = np.searchsorted(names, self.train.labels)
        classifier = trained(self.train.images, numbers, backend, cache, say)
        self.classes, self.names = tuple(map(int, names)), tuple(self.train.classes.values())
        self._shares = metrics.class_shares(numbers, len(names))
        if self.test.labels is not None:
            _, probabilities = classifier.look(self.test.images)
            self.accuracy = float((names[probabilities.argmax(axis=1)] == self.test.labels).mean())
        return classifier

    def _look(self, pixels: NDArray[np.uint8]) -> tuple[Images, Images | None]:
        eye = self._eye
        return eye.look(pixels) if isinstance(eye, Classifier) else (eye.features(pixels), None)

    def _distances(self, pixels: NDArray[np.uint8]) -> metrics.Floats:
        return metrics.nearest_neighbours(pixels, self.train.images).distances

    def _pixels(self, images: Images) -> NDArray[np.uint8]:
        given, shape = np.asarray(images), self.train.image_shape
        if given.ndim < 2 or given[:1].size != np.prod(shape) or len(given) <= K:
            raise ValueError(
                f"samples of shape {given.shape} were given, but more than {K} of shape {shape} were expected, "
                "as the real images are; give samples of a GAN of this data"
            )
        pixels: NDArray[np.uint8] = given if given.dtype == np.uint8 else to_uint8(given)
        return pixels.reshape(len(given), *shape)


def _some(rows: Images, count: int) -> Images:
    """At most `count` of the rows, chosen at random but always alike, and left in their order."""
    if len(rows) <= count:
        return rows
    return rows[np.sort(np.random.default_rng(0).permutation(len(rows))[:count])]


def held_out(n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The places of four fifths and one fifth of n images, always the same ones."""
    order = np.random.default_rng((0, 1)).permutation(n)  # not as in `_some`: samples may be the data itself
    return np.sort(order[n // 5 :]), np.sort(order[: n // 5])


def _hold_out(data: Dataset) -> tuple[Dataset, Dataset]:
    parts = held_out(len(data))
    if not all(map(len, parts)):
        raise ValueError(f"{len(data)} images are too few to hold some out; give more, or a test split")
    first, second = (data.of(rows) for rows in parts)
    return first, second
