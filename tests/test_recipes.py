"""Every recipe starts by its name and learns; every option of theirs does something."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from networks import flat_of

import minigan
from minigan import GAN
from minigan.cli import main
from minigan.metrics import frechet_distance
from minigan.recipes import RECIPES, gan, get_recipe
from minigan.recipes.options import recipe_options

Array = np.ndarray[Any, Any]
IMAGES = minigan.datasets.load("digits").images.reshape(-1, 14, 2, 14, 2).mean((2, 4)).astype(np.uint8)
NAMES = sorted(RECIPES)


def narrow(model: GAN) -> GAN:
    """The same game with a quarter of the units."""
    description = model.describe()
    for net in "GD":
        for layer in description[net]["layers"]:
            for name in ("n_in", "n_out", "n_features"):
                if layer.get(name, 0) >= 256:
                    layer[name] = layer[name] // 4 + layer[name] % 2  # one more feature stays one more
    return GAN.build(description)


def distance(samples: Array) -> float:
    """The Fréchet distance to the digits in their first 8 principal components."""
    real = minigan.datasets.to_float(IMAGES).reshape(len(IMAGES), -1)
    mean = real.mean(axis=0)
    axes = np.linalg.svd(real[:2000] - mean, full_matrices=False)[2][:8].T
    return frechet_distance((samples - mean) @ axes, (real - mean) @ axes)


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_learns(name: str) -> None:
    """300 steps at four times its rate bring G's last samples to less than 0.4 of the distance they began at."""
    options, recipe = recipe_options(name), get_recipe(name)
    faster = {k: 4 * options[k].default for k in ("lr", "d_lr") if options[k].default and name != "wgan"}
    model = narrow(recipe.build((14, 14), seed=0, **faster))
    before = distance(model.sample(500, averaged=False))
    model.fit(IMAGES, 300, batch=32)
    assert distance(model.sample(500, averaged=False)) < 0.4 * before


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_starts_by_its_name_alone(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez(tmp_path / "data.npz", images=IMAGES[:80, 4:8, 4:8])
    run = ["train", name, "--data", str(tmp_path / "data.npz"), "--steps", "2", "--batch", "8", "--backend", "numpy"]
    assert main([*run, "--out", str(tmp_path / "run")]) == 0
    assert "step 2/2" in capsys.readouterr().out
    assert (tmp_path / "run" / "checkpoint.npz").exists()


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_says_what_it_is_and_where_it_comes_from(name: str) -> None:
    text = inspect.getdoc(get_recipe(name)) or ""
    assert text.splitlines()[0].endswith(".")
    assert any(str(year) in text for year in range(2014, 2027))


CHANGES: dict[str, Any] = {
    "objective": "hinge", "real_target": 0.9, "gradient_penalty": 1.0, "r1": 1.0, "r2": 1.0, "dragan": 1.0,
    "clip": 0.01, "d_norm": "spectral", "minibatch_std": True, "packing": 2, "instance_noise": 0.3, "noise_steps": 2,
    "average": 0.9, "optimizer": "rmsprop", "lr": 1e-3, "d_lr": 1e-3, "decay_steps": 2, "beta1": 0.9, "beta2": 0.9,
    "eps": 1e-2, "d_steps": 2, "updates": "separate", "batches": "two", "fake_statistics": "running",
    "reuse_fakes": True, "half_batches": True, "prior": "uniform", "latent": 50,
}  # fmt: skip
TOGETHER: dict[str, dict[str, Any]] = {  # what an option needs beside it to be seen
    "noise_steps": {"instance_noise": 0.3},
    "batches": {"minibatch_std": True, "batches": "one"},
}


def after(**options: Any) -> bytes:
    model = narrow(gan.build((4, 4), **options))
    model.fit(IMAGES[:80, 4:8, 4:8], 3, 8)
    return b"".join([flat_of(model.G).tobytes(), flat_of(model.D).tobytes(), model.sample(3).tobytes()])


def test_every_option_is_changed_below() -> None:
    assert CHANGES.keys() == recipe_options("gan").keys()


@pytest.mark.parametrize("option", CHANGES)
def test_an_option_changes_the_result(option: str) -> None:
    base = TOGETHER.get(option, {})
    assert after(**base) != after(**base | {option: CHANGES[option]})


@pytest.mark.parametrize("option", ["objective", "d_norm", "optimizer"])
def test_every_choice_is_a_game_of_its_own(option: str) -> None:
    choices, fast = recipe_options("gan")[option].choices, {"lr": 0.03}  # scores leave the margins of the hinge
    assert len({after(**fast | {option: choice}) for choice in choices}) == len(choices) > 3


def test_a_real_target_needs_a_probability() -> None:
    with pytest.raises(ValueError, match="real_target is a probability, which the objective hinge knows nothing of"):
        gan.build((4, 4), objective="hinge", real_target=0.9)


def test_all_that_is_named_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes"]) == 0
    said = capsys.readouterr().out
    assert all(f"\n{name} " in said for name in RECIPES)
