"""Does G make what it is asked for, and has a code that nobody has given a meaning found one?

asked label     share of samples in which a classifier of real images sees the label that G was asked for; that is
                GAN-test of Shmelkov et al. 2018, "How good is my GAN?"; of a category, the class that it stands for
GAN-train       accuracy on real test images of a classifier that was trained on samples and their asked labels:
                samples that are wrong, or all alike, teach little
matched error   of the category that D, or Q, reads in real test images, when each category stands for the class
                that makes the error smallest, no class for two of them (Chen et al. 2016, section 7.2: 5 % on MNIST)
correlations    of each number of the continuous codes with slant and thickness (metrics/strokes.py), among samples of
                one category, all categories together
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..backend import Backend
from ..codes import Category, Label
from ..datasets import to_float
from ..game.generating import Generating
from ..metrics import matching
from ..metrics.strokes import slant, thickness
from ..samples import images_of, sample_images
from .classifier import Classifier
from .evaluator import Evaluator


@dataclass(frozen=True)
class CodesQuality:
    """asked, gan_train, matched_error: shares in [0, 1]; correlations: (slant, thickness) for each number.

    None, or nothing, for what the GAN or the data does not have. classes: which class each category stands for.
    """

    name: str
    asked: float | None
    gan_train: float | None
    matched_error: float | None
    classes: tuple[int, ...] | None
    correlations: tuple[tuple[float, float], ...]


def evaluate_codes(
    gan: Generating,
    evaluator: Evaluator,
    name: str,
    seed: int | None = None,
    backend: Backend | str | None = None,
    say: Callable[[str], None] | None = None,
) -> CodesQuality:
    """What becomes of the codes of a GAN, which must have some.

    As many samples are taken as the evaluator takes, and for GAN-train as many as there are training images. seed: of
    their latents. backend: of the classifier that is trained. say: called with sentences.
    """
    asked = gan_train = error = classes = None
    first = gan.codes[0]
    if isinstance(first, Label) and evaluator.classes is not None:
        count = len(evaluator.train)
        labels = np.arange(count) % first.k
        images = sample_images(gan, count, evaluator.train.image_shape, seed, label=labels)
        meant = evaluator.labels_of(first.k)[labels]
        asked = float((evaluator.classify(images[: evaluator.n]) == meant[: evaluator.n]).mean())
        if evaluator.test.labels is not None:
            if say:
                say(f"training a classifier on {len(images):,} samples of {name} ...")
            student = Classifier(images[0].size, first.k, backend)
            student.train(images, labels, say)
            read = meant[student.look(evaluator.test.images)[1].argmax(axis=1)]
            gan_train = float((read == evaluator.test.labels).mean())
    elif isinstance(first, Category) and evaluator.test.labels is not None:
        error, classes = _matched(gan, evaluator)
        if evaluator.classes is not None:
            category = np.arange(evaluator.n) % first.k
            images = sample_images(gan, evaluator.n, evaluator.train.image_shape, seed, label=category)
            asked = float((evaluator.classify(images) == np.array(classes)[category]).mean())
    return CodesQuality(name, asked, gan_train, error, classes, _correlations(gan, evaluator, seed))


def _matched(gan: Generating, evaluator: Evaluator) -> tuple[float, tuple[int, ...]]:
    """The error of D's category on real test images, and the class of each category, −1 for none."""
    test = evaluator.test
    assert test.labels is not None
    names, classes = np.unique(test.labels, return_inverse=True)
    pixels = to_float(test.images).reshape(len(test), -1)
    read = np.concatenate([gan.predict(pixels[i : i + 1000])[0].argmax(axis=1) for i in range(0, len(test), 1000)])
    counts = np.zeros((gan.codes[0].width, len(names)), np.int64)
    np.add.at(counts, (read, classes), 1)
    chosen = matching(counts)
    right = sum(int(counts[category, c]) for category, c in enumerate(chosen) if c >= 0)
    return 1 - right / len(test), tuple(int(names[c]) if c >= 0 else -1 for c in chosen)


def _correlations(gan: Generating, evaluator: Evaluator, seed: int | None) -> tuple[tuple[float, float], ...]:
    columns = list[int]()
    z = gan.latents(evaluator.n, seed)
    kinds = np.zeros(len(z), np.int64)  # what G was asked for beside: every combination of categories is a kind
    for code, part in gan.code_columns:
        if isinstance(code, Category):
            kinds = kinds * code.k + z[:, part].argmax(axis=1)
        else:
            columns += range(part.start, part.stop)
    if not columns:
        return ()
    images = images_of(gan, z, evaluator.train.image_shape)
    measured = [_centred(measure(images), kinds) for measure in (slant, thickness)]
    varied = [_centred(z[:, c], kinds) for c in columns]
    return tuple((_correlation(code, measured[0]), _correlation(code, measured[1])) for code in varied)


def _centred(values: NDArray[Any], kinds: NDArray[np.int64]) -> NDArray[np.float64]:
    """Minus the mean of each kind."""
    _, kinds = np.unique(kinds, return_inverse=True)
    means = np.bincount(kinds, values) / np.bincount(kinds)
    centred = np.asarray(values - means[kinds], np.float64)
    rounding = len(values) * np.finfo(np.float64).eps * np.abs(values).max(initial=0)
    centred[np.abs(centred) <= rounding] = 0  # of what is constant nothing is left, not even rounding
    return centred


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    scale = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / scale if scale else 0.0
