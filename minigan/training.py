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

from .backend import ALONE, Backend, Group, get_backend
from .console import quoted, say
from .datasets import Dataset
from .game import Game
from .game.update import NonFiniteError
from .names import did_you_mean, not_one_of
from .paths import StrPath
from .recipes import DEFAULT, get_recipe, pictures_every
from .recipes.options import complete_options, of_today, recipe_options
from .runs import pictures
from .runs.config import Config
from .runs.data import (
    described,
    fingerprint,
    load_again,
    load_data,
    numbered,
    of_the_data,
    paired,
    size_of,
    slug_of,
    source_of,
)
from .runs.folder import Bystander, RunFolder
from .runs.interrupt import Interrupted, StopRequest
from .runs.loop import Run, fixed_settings

__all__ = ["Interrupted", "prepare", "rehearse", "resume", "train"]


def train(
    recipe: str = DEFAULT,
    data: StrPath = "digits",
    *,
    steps: int | None = None,
    batch: int | None = None,
    backend: str | Backend = "auto",
    seed: int = 0,
    size: int | str | None = None,
    out: StrPath | None = None,
    sample_every: int | None = None,
    checkpoint_every: int = 1000,
    d_pretrain: int | None = None,
    dtype: str = "float32",
    options: Mapping[str, Any] | None = None,
    quiet: bool = False,
    sync_batchnorm: bool = True,
    group: Group | None = None,
    **game: Any,
) -> Path:
    """Train a new GAN and return the folder of the run.

    recipe: a name from `minigan.recipes`, by default a small DCGAN that learns digits in a minute.
    data: what `minigan.datasets.load` takes; images (N, H, W[, C]).
    steps: G updates in all, batch: images per update; by default the recipe's.
    backend: "auto", "numpy", "numba" or "cupy". dtype: "float32" or "float64", of all arithmetic.
    seed: of weights, noise and the order of the images, 0 or more.
    size: N or "WxH", what images are scaled to and cropped; pictures of several sizes need it.
    out: the folder, new or empty; by default `runs/RECIPE-DATA-1`, with the next free number.
    sample_every: steps between pictures in `samples/`, by default the recipe's. checkpoint_every: between checkpoints.
    d_pretrain: D updates before the game, by default the recipe's, which are none as a rule.
    options: the recipe's own, by name; they may as well be given as arguments, as in `train("gan", lr=1e-4)`.
    quiet: print nothing.
    group: processes that play this game together, each with its share of every batch, such as those of
        `minigan.backend.mpi.world()`; all of them call this, and the first one alone writes and prints. Any number of
        them plays the same game, but for rounding. sync_batchnorm: statistics of a batch are those of all processes;
        False: each takes those of its own samples.

    Everything is checked before the folder is made: ValueError or TypeError for what cannot be used, ImportError or
    RuntimeError for a library or a GPU that is not there. Then NonFiniteError if training diverges, OSError if a file
    cannot be written, and Interrupted (a KeyboardInterrupt) after Ctrl-C; the checkpoint outlives all of them. Of a
    group, all raise the same; or ElsewhereError, where the first process has failed alone.
    """
    pictures.require()
    config, gan, dataset = prepare(
        recipe, data, steps=steps, batch=batch, backend=backend, seed=seed, size=size, sample_every=sample_every,
        checkpoint_every=checkpoint_every, d_pretrain=d_pretrain, dtype=dtype, sync_batchnorm=sync_batchnorm,
        group=group, options=_given(recipe, options, game, train),
    )  # fmt: skip
    rehearse(gan, dataset, config.batch)
    name, together = f"{recipe}-{slug_of(data)}", gan.backend.group
    with StopRequest() as stop, _folder(together, lambda: RunFolder.create(out, name, gan.metrics)) as folder:
        try:
            run = Run(folder, gan, dataset, config, stop, quiet)
            run.save()
            together.first(lambda: folder.write_config(config))
        except BaseException:  # nothing to go on with: leave nothing in the way of the next start
            folder.discard()
            raise
        run.play()
        return folder.path


def prepare(
    recipe: str = DEFAULT,
    data: StrPath = "digits",
    *,
    steps: int | None = None,
    batch: int | None = None,
    backend: str | Backend = "auto",
    seed: int = 0,
    size: int | str | None = None,
    sample_every: int | None = None,
    checkpoint_every: int = 1000,
    d_pretrain: int | None = None,
    dtype: str = "float32",
    sync_batchnorm: bool = True,
    group: Group | None = None,
    options: Mapping[str, Any] | None = None,
) -> tuple[Config, Game, Dataset]:
    """What a run with these arguments of `train` would begin with: its settings, its game and its data.

    Nothing is written. Raises as `train` does for what cannot be used; `rehearse` finds sizes that do not fit.
    """
    options = complete_options(recipe, options or {})
    module = get_recipe(recipe)
    dataset, labels = numbered(paired(load_data(data, size=size), options), recipe, options)
    if labels:
        options["classes"] = len(labels["classes"])
    options |= of_the_data(dataset, options)
    be = _backend(backend, group, sync_batchnorm)
    config = Config(
        recipe=recipe,
        options=options,
        data=source_of(data),
        images=fingerprint(dataset),
        steps=_integer("steps", module.STEPS if steps is None else steps),
        batch=_integer("batch", module.BATCH if batch is None else batch),
        seed=_integer("seed", seed, 0),
        backend=be.name,
        dtype=_dtype(dtype),
        d_pretrain=_integer("d_pretrain", getattr(module, "D_PRETRAIN", 0) if d_pretrain is None else d_pretrain, 0),
        sample_every=_integer("sample_every", pictures_every(module) if sample_every is None else sample_every),
        checkpoint_every=_integer("checkpoint_every", checkpoint_every),
        versions=_versions(be),
        size=size_of(size),
        labels=labels,
        sync_batchnorm=bool(sync_batchnorm),
    )
    return config, _game(config, be), dataset


def rehearse(gan: Game, dataset: Dataset, batch: int) -> None:
    """One step of a game of the same kind, so that sizes that do not fit are found before anything is written."""
    with np.errstate(all="ignore"), suppress(NonFiniteError):  # divergence is for the run itself to report
        type(gan).build(gan.describe(), gan.backend).fit(dataset, 1, batch)


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
    size: int | str | None = None,
    d_pretrain: int | None = None,
    dtype: str | None = None,
    options: Mapping[str, Any] | None = None,
    quiet: bool = False,
    sync_batchnorm: bool | None = None,
    group: Group | None = None,
    **game: Any,
) -> Path:
    """Go on with the run in `directory` up to `steps` in all (default: as planned); returns the folder.

    What is None stays as it was. The backend, the number of processes (group, as of `train`), the intervals and options
    that say how long something lasts (`decay_steps`, `noise_steps`) may change. Data that was moved, `synthetic` too,
    may be given again: the pixels decide whether it is the same. All the rest is part of the run and can only be
    confirmed.

    A schedule that lasts "all" of the run follows the total: with another one, learning rates go on, from the next
    step, where those of a run of that length would be. The steps so far stay as they were played, so that such a run
    is not the one that was begun with the larger total, but it is the same however often it is stopped from here on.

    Raises ValueError if it differs, with both values, if the run is past `steps`, or if files of the folder do not
    belong together; RuntimeError if another process is training in this folder; otherwise as `train` does.
    """
    pictures.require()
    together = group or (backend.group if isinstance(backend, Backend) else ALONE)
    with StopRequest() as stop, _folder(together, lambda: RunFolder.open(directory)) as folder:
        old = folder.read_config()
        had = complete_options(old.recipe, old.options)
        plan = [name for name, option in recipe_options(old.recipe).items() if option.of_the_plan]
        asked_of_game = {**(options or {}), **game}
        moved = (
            {"synthetic": source_of(asked_of_game["synthetic"])}
            if {"synthetic"} & had.keys() & asked_of_game.keys()
            else {}
        )
        dataset = paired(load_again(old, data), had | moved)
        asked = {"recipe": recipe, "batch": batch, "seed": seed, "d_pretrain": d_pretrain, "dtype": dtype,
                 "size": size_of(size) or None, "sync_batchnorm": sync_batchnorm}  # fmt: skip
        differences = _differences({name: getattr(old, name) for name in asked} | {"size": old.size or "none"}, asked)
        if recipe in (None, old.recipe):
            given = _given(old.recipe, options, game, resume) | moved
            complete_options(old.recipe, given)  # refuses what the recipe does not know
            known = {**old.options, **{name: value for name, value in given.items() if name in plan}}
            differences += _differences(known, given)
        if (images := fingerprint(dataset)) != old.images:
            differences.append(f"data: the run has {described(old.images)}, {dataset.name} holds {described(images)}")
        if old.labels and not differences:
            dataset, labels = numbered(dataset, old.recipe, old.options)
            if labels != old.labels:
                differences.append(f"data: {dataset.name} has other labels than those that the run has learned")
        if differences:
            raise ValueError(
                f"{folder.path} cannot go on with other settings: {'; '.join(differences)}; "
                "leave them out, or begin a new run"
            )
        be = _backend(old.backend if backend is None else backend, group, old.sync_batchnorm)
        gan = Game.load(folder.checkpoint, be)
        noted = folder.noted()
        _require_one_run(folder, old, gan, noted.get("settings"))
        config = replace(
            old,
            options={**had, **known},
            data=old.data if data is None else source_of(data),
            steps=_integer("steps", old.steps if steps is None else steps),
            backend=gan.backend.name,
            sample_every=_integer("sample_every", old.sample_every if sample_every is None else sample_every),
            checkpoint_every=_integer(
                "checkpoint_every", old.checkpoint_every if checkpoint_every is None else checkpoint_every
            ),
            versions=_versions(gan.backend),
        )
        if config.steps < gan.steps:
            raise ValueError(
                f"steps: the run has reached {gan.steps}, you asked for {config.steps}; steps is the total to reach"
            )
        if config.steps == gan.steps and not quiet and together.rank == 0:
            say(
                f"{folder.path} has already reached step {gan.steps}; to go further, give a larger total: "
                f"minigan train --resume {quoted(folder.path)} --steps {2 * gan.steps}"
            )
        remark = _follow(gan, config)
        together.any(False)  # all have read what is changed now
        together.first(lambda: folder.rewind(gan.steps, gan.metrics, noted.get("rows")))
        together.first(lambda: folder.write_config(config))
        Run(folder, gan, dataset, config, stop, quiet, remark).play()
        return folder.path


def _backend(name: str | Backend, group: Group | None, syncs: bool = True) -> Backend:
    be = get_backend(name, group=group)
    if be.group.size > 1:
        be.group.syncs = syncs
    return be


def _folder(group: Group, opened: Callable[[], RunFolder]) -> RunFolder:
    """The folder, which the first process opens."""
    folder = group.first(opened)
    try:
        path = Path(group.told_text("" if folder is None else str(folder.path)))
    except BaseException:
        if folder is not None:
            folder.close()
        raise
    return Bystander(path) if folder is None else folder


def _game(config: Config, be: Backend) -> Game:
    """The game of a run, at its beginning."""
    return get_recipe(config.recipe).build(  # type: ignore[no-any-return]
        tuple(config.images["shape"]), **config.options, backend=be, dtype=config.dtype, seed=config.seed,
        steps=config.steps, d_pretrain=config.d_pretrain,
    )  # fmt: skip


def _follow(gan: Game, config: Config) -> str | None:
    """Let schedules be as long as the run is now. Returns what there is to say of it.

    It is not the checkpoint that tells how long they are: it may be from before the total was changed.
    """
    before, rule = gan.describe(), gan.clock.rule
    gan.follow(_game(config, get_backend("numpy")))
    if gan.describe() == before:
        return None
    t = gan.clock.optimizers[0].t
    return (
        f"the schedules are those of a run of {config.steps:,} steps from here on; "
        f"{gan.clock.name}'s learning rate was {rule.lr_at(t):.2g} here, and is {gan.clock.rule.lr_at(t):.2g}"
    )


# --- checks ----------------------------------------------------------------------------------------------------


def _require_one_run(folder: RunFolder, config: Config, gan: Game, noted: Any) -> None:
    """Raises ValueError unless config.json says of the run what its checkpoint does. noted: the settings in that."""
    have = fixed_settings(config)
    found: dict[str, Any] = {"seed": gan.seed, "dtype": gan.dtype.name}
    if noted is not None:  # which checkpoints of older versions do not have
        if not isinstance(noted, dict) or not isinstance(noted.get("options", {}), dict):
            raise ValueError(
                f"{folder.checkpoint} notes {noted!r:.60} as its settings, but names and values were expected"
            )
        found = {**noted, "options": of_today(noted.get("options", {})), **found}
    flat, other = ({**all_of, **all_of.pop("options", {})} for all_of in (dict(have), dict(found)))
    differences = [
        f"{name}: config.json has {flat[name]!r:.60}, the checkpoint {value!r:.60}"
        for name, value in other.items()
        if name in flat and flat[name] != value
    ]
    if differences:
        raise ValueError(
            f"config.json and checkpoint.npz of {folder.path} are not of one run: {'; '.join(differences)}; put the "
            "file back that was changed"
        )


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


def _integer(name: str, value: Any, least: int = 1) -> int:
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
