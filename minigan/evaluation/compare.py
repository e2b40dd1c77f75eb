"""Several GANs of one data set, judged in the same way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..archive import StrPath
from ..backend import Backend, get_backend
from ..codes import Category, Continuous
from ..datasets import Dataset, MissingSplit
from ..datasets.captions import Captioned
from ..datasets.pairs import Pairs
from ..datasets.tasks import TASKS
from ..datasets.unpaired import Unpaired
from ..game.generating import Generating
from ..games import AAE, Refinement, SemiSupervised, Translation, Words
from ..metrics import moments
from ..runs.data import described, fingerprint, load_again, load_data, paired, size_of
from .autoencoders import evaluate_autoencoder
from .codes import evaluate_codes
from .evaluator import Evaluator, held_out
from .labels import evaluate_labels
from .refinements import evaluate_refinement, refined_by
from .report import Report
from .sources import Source, open_source
from .translations import Answers, draws_of, evaluate_translation, outputs_of
from .words import drawn_by, evaluate_rivals, evaluate_words, pictures_of


def evaluate(
    sources: Sequence[StrPath],
    data: StrPath | None = None,
    *,
    n: int = 10_000,
    seed: int | None = None,
    size: int | str | None = None,
    backend: str | Backend = "auto",
    cache: StrPath | None = None,
    say: Callable[[str], None] | None = None,
) -> Report:
    """Judge the GANs, or the samples, in `sources` and return the figures of all, next to those of real images.

    sources: folders of runs, checkpoints, `.npz` files of samples as `minigan sample` writes them, or folders of
    pictures. data: what they should look like, as `minigan.datasets.load` takes it; by default what the runs were
    trained on, and it must be the same images. n: samples of each GAN. seed: of the latents, by default that of each
    training. size: what data and pictures are scaled to; by default as the runs have it. backend: an object or a
    name. cache: where the classifier is kept, by default the user's folder. say: called with sentences.

    Raises ValueError or FileNotFoundError for what cannot be used, ConnectionError if a download fails, and
    NonFiniteError for a GAN whose samples are not finite.
    """
    if not sources:
        raise ValueError("there is nothing to judge; give the folder of a run, or samples in an .npz file")
    if seed is not None and not 0 <= seed < 2**62:
        raise ValueError(f"seed takes a whole number from 0 to 2^62 - 1, got {seed}")
    be = get_backend(backend)
    asked = size_of(size)
    opened = [open_source(path, be, asked) for path in sources]
    train, test, answers = _images(opened, data, asked)
    if say:
        for note in train.notes:
            say(f"{train.name}: {note}")
    for source in opened:
        source.check(train.image_shape)
    evaluator = Evaluator(train, test, n=n, backend=be, cache=cache, say=say)
    rows, codes, labels, autoencoded, translated, refined, obeyed = [], [], [], [], [], [], []
    if isinstance(evaluator.test, Pairs):
        asked_of = evaluator.test.of(slice(n))
        wanted = moments(evaluator.features(asked_of.images))
        for name, made in _rivals(evaluator, asked_of).items():
            rows.append(evaluator.evaluate(made, name))
            translated.append(evaluate_translation(made, asked_of, evaluator, name, wanted, answers))
    if isinstance(evaluator.test, Unpaired):
        data_set = evaluator.test
        rows.append(evaluator.evaluate(data_set.inputs, data_set.drawn))
        refined.append(evaluate_refinement(data_set.inputs, data_set, evaluator, data_set.drawn))
    if isinstance(evaluator.train, Captioned):
        obeyed += evaluate_rivals(evaluator.train, evaluator, n)
    for source in opened:
        if say:
            say(f"judging {source.name} ...")
        maker = source.maker
        if isinstance(maker, Words) and isinstance(evaluator.train, Captioned):
            draw = drawn_by(maker, train.image_shape, seed)
            made = pictures_of(maker, evaluator.train, n, seed)
            rows.append(evaluator.evaluate(made, source.name, maker.seed if seed is None else seed))
            obeyed += evaluate_words(draw, evaluator.train, evaluator, source.name, n, True)
            continue
        if isinstance(maker, Translation):
            made = outputs_of(maker, asked_of, seed)
            rows.append(evaluator.evaluate(made, source.name))
            draws = draws_of(maker, asked_of.image_shape)
            translated.append(evaluate_translation(made, asked_of, evaluator, source.name, wanted, answers, draws))
            continue
        if isinstance(maker, Refinement):
            made = refined_by(maker, data_set, seed)
            rows.append(evaluator.evaluate(made, source.name))
            refined.append(evaluate_refinement(made, data_set, evaluator, source.name))
            continue
        images, used = source.images(n, train.image_shape, seed)
        rows.append(evaluator.evaluate(images, source.name, used))
        if isinstance(maker, Generating) and any(isinstance(code, Category | Continuous) for code in maker.codes):
            codes.append(evaluate_codes(maker, evaluator, source.name, seed, be, say))
        if isinstance(maker, AAE):
            autoencoded.append(evaluate_autoencoder(maker, evaluator, source.name))
        if isinstance(maker, SemiSupervised | AAE) and maker.labelled:
            labels += evaluate_labels(maker, evaluator, source.name)
    return Report.of(evaluator, rows, codes, labels, autoencoded, translated, refined, obeyed)


def _rivals(evaluator: Evaluator, pairs: Pairs) -> dict[str, NDArray[np.uint8]]:
    """Answers without learning, of the pictures' own shape."""
    task = TASKS.get(pairs.task)
    return {} if task is None else task.rivals(pairs, cast(Pairs, evaluator.train))


def _images(
    sources: Sequence[Source], data: StrPath | None, size: str
) -> tuple[Dataset, Dataset | None, Answers | None]:
    """The training images that all sources have in common, and the test images if there are some; of pairs with
    several right answers those to the questions of the test, which without test images are those held out."""
    options: Mapping[str, Any] = {}
    runs = [(source.name, source.config) for source in sources if source.config is not None]
    if not runs:
        if data is None:
            raise ValueError(f"{sources[0].name} does not say what it should look like; give --data")
        train, origin = load_data(data, size=size), data
    else:
        name, config = runs[0]
        for other_name, other in runs[1:]:
            if other.images != config.images:
                raise ValueError(
                    f"{name} was trained on {described(config.images)} and {other_name} on {described(other.images)}; "
                    "distances to different data cannot be compared, so judge them one by one"
                )
        if size not in ("", config.size):
            raise ValueError(f"{name} was trained on images of --size {config.size or 'as they are'}, not {size}; "
                             "leave out --size")  # fmt: skip
        size = config.size
        single, origin = load_again(config, data), config.data if data is None else data
        train, options = paired(single, config.options), config.options
        if (found := fingerprint(train)) != config.images:
            raise ValueError(
                f"{name} was trained on {described(config.images)}, but {train.name} holds {described(found)}; "
                "give --data with the images it was trained on"
            )
    task = TASKS.get(train.task) if isinstance(train, Pairs) else None
    right = task.answers if task is not None and task.several else None
    try:
        test = load_data(origin, "test", size)
    except MissingSplit:
        rest = held_out(len(train))[1]
        return train, None, None if right is None else lambda rows: right(single, "train", rest[rows])
    asked = paired(test, options, "test")
    return train, asked, None if right is None else partial(right, test, "test")
