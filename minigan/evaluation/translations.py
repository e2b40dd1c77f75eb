"""How well pictures are made of pictures: near to what was wanted, sharp, still of their class, one of several answers.

PSNR, SSIM      to the picture that was wanted (metrics/pictures.py), means over the test pictures: without a border as
                wide as the factor after an enlargement, and within the hole only where there was one; of luminance, but
                PSNR of all channels where the luminance is given
energy          of gradients, of all pictures together, as a multiple of that of the pictures wanted: sharpness
Fréchet         distance to the pictures wanted, all of them against all, in the evaluator's features: those of the
                same test, so that its floor is 0, which is not so of the distance to training images
class kept      share of pictures whose class, by the classifier, is that of the picture wanted
nearest, mean   where several answers are right and known, grey levels to the nearest and to the mean of all (RMS)
covered         and the share of them that some of 100 draws come nearest to, of the questions that have several

Rivals are answers without learning, such as a bicubic enlargement.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..datasets.pairs import Pairs
from ..datasets.tasks import TASKS, Task
from ..games import Translation
from ..metrics import Moments, frechet_of_moments, gradient_energy, moments, nearest_answer, psnr, ssim
from ..metrics.pictures import SIDE
from ..samples import as_images
from .evaluator import Evaluator

Pixels = NDArray[np.uint8]
Answers = Callable[[NDArray[np.int64]], tuple[Pixels, NDArray[np.bool_]]]  # to some questions, and which have several
QUESTIONS, DRAWS = 100, 100


@dataclass(frozen=True)
class Translated:
    """psnr (dB), ssim, energy, frechet, kept, nearest, mean, covered: as above; None if unknown. n: test pictures.

    peak signal to noise is infinite, and so null in a file, where every picture is as wanted.
    """

    name: str
    n: int
    psnr: float
    ssim: float | None
    energy: float
    frechet: float
    kept: float | None
    nearest: float | None
    mean: float | None
    covered: float | None


def outputs_of(game: Translation, pairs: Pairs, seed: int | None = None) -> Pixels:
    """What a game makes of inputs, (N, H, W[, C]); where an input has the wanted pixels already, they stay."""
    made = as_images(game, game.translate(pairs.inputs, seed), pairs.image_shape)
    if (task := TASKS.get(pairs.task)) is not None:
        task.keep(made, pairs.inputs)
    return made


def evaluate_translation(
    outputs: Pixels,
    pairs: Pairs,
    evaluator: Evaluator,
    name: str,
    wanted: Moments,
    answers: Answers | None = None,
    draws: Callable[[Pixels], Pixels] | None = None,
) -> Translated:
    """Outputs for all inputs of test pairs, beside the pictures wanted.

    wanted: moments of the evaluator's features of the pictures wanted, the same for all that is judged. answers: all
    right ones to questions, by their places, where they are known. draws: several answers of the game itself,
    (N, m, H, W[, C]), to inputs (N, ...); None for a rival, which has one.
    """
    task = TASKS.get(pairs.task, Task())
    border, known = task.border, task.known(pairs.image_shape)
    sides = [side - 2 * border for side in pairs.image_shape[:2]]
    similar = None
    if min(sides) >= SIDE and known is None:
        similar = float(ssim(outputs, pairs.images, border).mean())
    kept = None
    if evaluator.classes is not None and pairs.labels is not None:
        kept = float((evaluator.classify(outputs) == pairs.labels).mean())
    energy = gradient_energy(outputs).mean() / max(gradient_energy(pairs.images).mean(), 1e-12)
    frechet = frechet_of_moments(moments(evaluator.features(outputs)), wanted)
    near = None
    if answers is not None:
        near = _near(outputs, pairs, answers, draws)
    return Translated(
        name=name, n=len(outputs), ssim=similar, kept=kept, energy=float(energy), frechet=frechet,
        psnr=_decibels(outputs, pairs.images, task, None if known is None else ~known),
        **dict(zip(("nearest", "mean", "covered"), near or (None, None, None), strict=True)),
    )  # fmt: skip


def _decibels(outputs: Pixels, images: Pixels, task: Task, mask: NDArray[np.bool_] | None) -> float:
    """PSNR of luminance, but of all channels where that is what was given."""
    if task.colours:
        outputs, images = (part.reshape(*part.shape[:2], -1) for part in (outputs, images))
    return float(psnr(outputs, images, task.border, mask).mean())


def _near(
    outputs: Pixels, pairs: Pairs, answers: Answers, draws: Callable[[Pixels], Pixels] | None
) -> tuple[float, float, float] | None:
    """Of questions with several answers: distance to the nearest and to the mean, and the share that is covered."""
    right, several = answers(np.arange(len(outputs)))
    asked = np.flatnonzero(several)
    if not len(asked):
        return None
    right = right[asked]
    one = nearest_answer(outputs[asked], right)
    some = asked[:QUESTIONS]
    many = outputs[some][:, None] if draws is None else draws(pairs.inputs[some])
    covered = nearest_answer(many, right[: len(some)]).covered
    return float(one.nearest.mean()), float(one.to_mean.mean()), float(covered.mean())


def draws_of(game: Translation, shape: tuple[int, ...]) -> Callable[[Pixels], Pixels]:
    """100 answers of a game, of this shape, to each question, by other noise each time."""

    def draws(inputs: Pixels) -> Pixels:
        return np.stack([as_images(game, game.translate(inputs, seed), shape) for seed in range(DRAWS)], axis=1)

    return draws
