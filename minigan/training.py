"""Training runs: a recipe learns a data set, and a folder keeps what came of it.

`train` begins a run and `resume` goes on with one; both check everything before they write anything, and hand over
to runs/loop.py. All random numbers are functions of (seed, step), so a run that was stopped and resumed is the same,
bit for bit, as one that never was; only another backend, other versions of the libraries or another number of
threads may round differently.
"""

from __future__ import annotations

import inspect
import platform
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from .backend import Backend, get_backend
from .console import quoted, say
from .datasets import Dataset
from .gan import GAN
from .names import did_you_mean, not_one_of
from .nonfinite import NonFiniteError
from .paths import StrPath
from .recipes import get_recipe
from .recipes.options import complete_options, recipe_options
from .runs import pictures
from .runs.config import Config
from .runs.data import described, fingerprint, load_again, load_data, slug_of, source_of
from .runs.folder import RunFolder
from .runs.interrupt import Interrupted, StopRequest
from .runs.loop import Run

__all__ = ["Interrupted", "resume", "train"]


def train(
    recipe: str = "gan",
    data: StrPath = "digits",
    *,
    steps: int | None = None,
    batch: int | None = None,
    backend: str | Backend = "auto",
    seed: int = 0,
    out: StrPath | None = None,
    sample_every: int = 200,
    checkpoint_every: int = 1000,
    d_pretrain: int = 0,
    dtype: str = "float32",
    options: Mapping[str, Any] | None = None,
    quiet: bool = False,
    **game: Any,
) -> Path:
    """Train a new GAN and return the folder of the run.

    recipe: a name from `minigan.recipes`. data: what `minigan.datasets.load` takes; images (N, H, W[, C]).
    steps: G updates in all, batch: images per update; by default the recipe's.
    backend: "auto", "numpy", "numba" or "cupy". dtype: "float32" or "float64", of all arithmetic.
    seed: of weights, noise and the order of the images, 0 or more.
    out: the folder, new or empty; by default `runs/RECIPE-DATA-1`, with the next free number.
    sample_every: steps between pictures in `samples/`. checkpoint_every: between checkpoints.
    d_pretrain: D updates before G's first.
    options: the recipe's own, by name; they may as well be given as arguments, as in `train("gan", lr=1e-4)`.
    quiet: print nothing.

    Everything is checked before the folder is made: ValueError or TypeError for what cannot be used, ImportError or
    RuntimeError for a library or a GPU that is not there. Then NonFiniteError if training diverges, OSError if a file
    cannot be written, and Interrupted (a KeyboardInterrupt) after Ctrl-C; the checkpoint outlives all of them.
    """
    pictures.require()
    options = complete_options(recipe, _given(recipe, options, game, train))
    module = get_recipe(recipe)
    dataset = load_data(data)
    be = get_backend(backend)
    config = Config(
        recipe=recipe,
        options=options,
        data=source_of(data),
        images=fingerprint(dataset),
        steps=_whole("steps", module.STEPS if steps is None else steps),
        batch=_whole("batch", module.BATCH if batch is None else batch),
        seed=_whole("seed", seed, 0),
        backend=be.name,
        dtype=_dtype(dtype),
        d_pretrain=_whole("d_pretrain", d_pretrain, 0),
        sample_every=_whole("sample_every", sample_every),
        checkpoint_every=_whole("checkpoint_every", checkpoint_every),
        versions=_versions(be),
    )
    gan = module.build(dataset.image_shape, **options, backend=be, dtype=dtype, seed=config.seed)
    _rehearse(gan, dataset, config.batch)
    with StopRequest() as stop, RunFolder.create(out, f"{recipe}-{slug_of(data)}") as folder:
        run = Run(folder, gan, dataset, config, stop, quiet)
        run.save()
        folder.write_config(config)
        run.play()
        return folder.path


def resume(
    directory: StrPath,
    steps: int | None = None,
    *,
    backend: str | Backend | None = None,
    data: StrPath | None = None,
    sample_every: int | None = None,
    checkpoint_every: int | None = None,
    recipe: str | None = None,
    batch: int | None = None,
    seed: int | None = None,
    d_pretrain: int | None = None,
    dtype: str | None = None,
    options: Mapping[str, Any] | None = None,
    quiet: bool = False,
    **game: Any,
) -> Path:
    """Go on with the run in `directory` up to `steps` in all (default: as planned); returns the folder.

    What is None stays as it was. The backend and the intervals may change. Data that was moved may be given again:
    the pixels decide whether it is the same. All the rest is part of the run and can only be confirmed.

    Raises ValueError if it differs, with both values, or if the run is past `steps`; RuntimeError if another process
    is training in this folder; otherwise as `train` does.
    """
    pictures.require()
    with StopRequest() as stop, RunFolder.open(directory) as folder:
        old = folder.read_config()
        dataset = load_again(old, data)
        asked = {"recipe": recipe, "batch": batch, "seed": seed, "d_pretrain": d_pretrain, "dtype": dtype}
        differences = _differences({name: getattr(old, name) for name in asked}, asked)
        if recipe in (None, old.recipe):
            given = _given(old.recipe, options, game, resume)
            complete_options(old.recipe, given)  # refuses what the recipe does not know
            differences += _differences(old.options, given)
        if (images := fingerprint(dataset)) != old.images:
            differences.append(f"data: the run has {described(old.images)}, {dataset.name} holds {described(images)}")
        if differences:
            raise ValueError(
                f"{folder.path} cannot go on with other settings: {'; '.join(differences)}; "
                "leave them out, or begin a new run"
            )
        gan = GAN.load(folder.checkpoint, get_backend(old.backend if backend is None else backend))
        config = replace(
            old,
            data=old.data if data is None else source_of(data),
            steps=_whole("steps", old.steps if steps is None else steps),
            backend=gan.backend.name,
            sample_every=_whole("sample_every", old.sample_every if sample_every is None else sample_every),
            checkpoint_every=_whole(
                "checkpoint_every", old.checkpoint_every if checkpoint_every is None else checkpoint_every
            ),
            versions=_versions(gan.backend),
        )
        if config.steps < gan.steps:
            raise ValueError(
                f"steps: the run has reached {gan.steps}, you asked for {config.steps}; steps is the total to reach"
            )
        if config.steps == gan.steps and not quiet:
            say(
                f"{folder.path} has already reached step {gan.steps}; to go further, give a larger total: "
                f"minigan train --resume {quoted(folder.path)} --steps {2 * gan.steps}"
            )
        folder.rewind(gan.steps)
        folder.write_config(config)
        Run(folder, gan, dataset, config, stop, quiet).play()
        return folder.path


# --- checks ----------------------------------------------------------------------------------------------------


def _given(
    recipe: str, options: Mapping[str, Any] | None, game: Mapping[str, Any], function: Callable[..., Any]
) -> dict[str, Any]:
    """The options of the recipe that were given, in a dictionary or as arguments of `train` or `resume`.

    Raises TypeError, as Python would, for an argument that is neither theirs nor an option.
    """
    known = recipe_options(recipe)
    for name in game:
        if name not in known:
            own = dict.fromkeys(inspect.signature(function).parameters, "")
            close = did_you_mean(name, own | {option.name: option.help for option in known.values()})
            raise TypeError(
                f"{function.__name__} takes no {name}, nor has the recipe {recipe} such an option{close}; "
                f"minigan recipes {recipe} lists them"
            )
    return {**(options or {}), **game}


def _rehearse(gan: GAN, dataset: Dataset, batch: int) -> None:
    """One step of a GAN of the same kind, so that sizes that do not fit are found before anything is written."""
    with np.errstate(all="ignore"), suppress(NonFiniteError):  # divergence is for the run itself to report
        GAN.build(gan.describe(), gan.backend).fit(dataset, 1, batch)


def _whole(name: str, value: Any, least: int = 1) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} takes a whole number, got {value!r}")
    if not least <= value < 2**62:
        raise ValueError(f"{name} takes a whole number from {least} to 2^62 - 1, got {value}")
    return int(value)


def _dtype(dtype: str) -> str:
    if dtype not in ("float32", "float64"):
        raise ValueError(not_one_of("dtype", dtype, ("float32", "float64")))
    return dtype


def _differences(have: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    return [
        f"{name}: the run has {have[name]}, you asked for {value}"
        for name, value in asked.items()
        if value is not None and value != have[name]
    ]


def _versions(be: Backend) -> dict[str, str]:
    from . import __version__

    versions = {"minigan": __version__, "python": platform.python_version(), "numpy": np.__version__}
    return {**versions, **be.versions()}
