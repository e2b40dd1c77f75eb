"""Several GANs of one data set, judged in the same way."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..archive import StrPath
from ..backend import Backend, get_backend
from ..codes import Category, Continuous
from ..datasets import Dataset, MissingSplit
from ..game.generating import Generating
from ..games import AAE, SemiSupervised
from ..runs.data import described, fingerprint, load_again, load_data, size_of
from .autoencoders import evaluate_autoencoder
from .codes import evaluate_codes
from .evaluator import Evaluator
from .labels import evaluate_labels
from .report import Report
from .sources import Source, open_source


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
    train, test = _images(opened, data, asked)
    if say:
        for note in train.notes:
            say(f"{train.name}: {note}")
    for source in opened:
        source.check(train.image_shape)
    evaluator = Evaluator(train, test, n=n, backend=be, cache=cache, say=say)
    rows, codes, labels, autoencoded = [], [], [], []
    for source in opened:
        if say:
            say(f"judging {source.name} ...")
        images, used = source.images(n, train.image_shape, seed)
        rows.append(evaluator.evaluate(images, source.name, used))
        maker = source.maker
        if isinstance(maker, Generating) and any(isinstance(code, Category | Continuous) for code in maker.codes):
            codes.append(evaluate_codes(maker, evaluator, source.name, seed, be, say))
        if isinstance(maker, AAE):
            autoencoded.append(evaluate_autoencoder(maker, evaluator, source.name))
        if isinstance(maker, SemiSupervised | AAE) and maker.labelled:
            labels += evaluate_labels(maker, evaluator, source.name)
    return Report.of(evaluator, rows, codes, labels, autoencoded)


def _images(sources: Sequence[Source], data: StrPath | None, size: str) -> tuple[Dataset, Dataset | None]:
    """The training images that all sources have in common, and the test images if there are some."""
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
        train, origin = load_again(config, data), config.data if data is None else data
        if (found := fingerprint(train)) != config.images:
            raise ValueError(
                f"{name} was trained on {described(config.images)}, but {train.name} holds {described(found)}; "
                "give --data with the images it was trained on"
            )
    try:
        return train, load_data(origin, "test", size)
    except MissingSplit:
        return train, None
