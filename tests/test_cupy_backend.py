"""The CuPy backend as far as it can be proved without a GPU, and on one where there is one."""

from __future__ import annotations

import sys
from typing import Any

import fake_cupy
import numpy as np
import pytest

import minigan
from minigan.backend import Backend
from minigan.recipes import RECIPES


@pytest.fixture(params=["stand-in", pytest.param("gpu", marks=pytest.mark.gpu)])
def cupy_backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Backend:
    if request.param == "stand-in":
        fake_cupy.install(monkeypatch)
    try:
        return minigan.get_backend("cupy")
    except (ImportError, RuntimeError) as error:
        pytest.skip(str(error))


def test_the_stand_in_refuses_to_mix_host_and_device(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_cupy.install(monkeypatch)
    be = minigan.get_backend("cupy")
    x = be.zeros((2, 2), np.float32)
    with pytest.raises(TypeError, match="host"):
        x + np.ones((2, 2), np.float32)
    with pytest.raises(TypeError, match="host"):
        x[...] = np.ones((2, 2), np.float32)


@pytest.mark.parametrize("recipe", sorted(RECIPES))
def test_training_on_cupy_equals_training_on_numpy(cupy_backend: Backend, recipe: str) -> None:
    """Same seed, same images, same latents: the parameters stay together.

    In float64: adaptive rules divide by the gradient's own size, so that rounding grows from step to step.
    """
    images = np.random.default_rng(0).integers(0, 256, (50, 4, 4), dtype=np.uint8)
    gans = [RECIPES[recipe].build((4, 4), backend=be, dtype="float64") for be in (cupy_backend, "numpy")]
    histories = [gan.fit(images, steps=3, batch=8, labels=np.arange(50) % 10) for gan in gans]
    for name, values in histories[0].items():
        np.testing.assert_allclose(values, histories[1][name], rtol=2e-3, err_msg=name)
    for name, array in gans[0].G.state_dict().items():
        np.testing.assert_allclose(array, gans[1].G.state_dict()[name], rtol=1e-3, atol=2e-4, err_msg=name)
    np.testing.assert_allclose(gans[0].sample(5), gans[1].sample(5), rtol=1e-2, atol=1e-3)


def test_every_layer_and_option_stays_on_the_device(cupy_backend: Backend) -> None:
    be = cupy_backend
    G = minigan.Sequential(
        minigan.Dense(3, 8), minigan.BatchNorm(8), minigan.ReLU(), minigan.Dropout(0.2), minigan.Dense(8, 6),
        minigan.Softplus(), minigan.GaussianNoise(0.1), minigan.Reshape(2, 3), minigan.Flatten(), minigan.Tanh(),
        backend=be,
    )  # fmt: skip
    D = minigan.Sequential(
        minigan.Dense(6, 8), minigan.LeakyReLU(), minigan.BatchNorm(8), minigan.Dense(8, 4), minigan.Sigmoid(),
        minigan.Dense(4, 1), backend=be,
    )  # fmt: skip
    options: list[dict[str, Any]] = [
        {"objective": "minimax", "optimizer": minigan.SGD(1e-3, momentum=0.5), "prior": "uniform"},
        {"updates": "separate", "optimizer": minigan.RMSprop(1e-3), "fake_statistics": "running"},
        {"batches": "one", "reuse_fakes": True, "d_steps": 2},
    ]
    for chosen in options:
        gan = minigan.GAN(G, D, **chosen)
        metrics = gan.step(np.full((4, 6), 0.5, np.float32))
        assert all(np.isfinite(value) for value in metrics.values())
        assert gan.probability(gan.sample(3)).shape == (3,)


def test_gradients_are_right_on_cupy(cupy_backend: Backend) -> None:
    net = minigan.Sequential(
        minigan.Dense(4, 5), minigan.BatchNorm(5), minigan.Tanh(), minigan.Dense(5, 2), backend=cupy_backend
    )
    assert max(minigan.gradcheck(net, np.random.default_rng(1).standard_normal((6, 4))).values()) <= 1e-6


def test_a_checkpoint_moves_between_backends(cupy_backend: Backend, tmp_path: Any) -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, 4, 4), dtype=np.uint8)
    gan = RECIPES["gan"].build((4, 4), backend=cupy_backend)
    gan.fit(images, steps=2, batch=4)
    gan.save(tmp_path / "gan.npz")
    twin = minigan.GAN.load(tmp_path / "gan.npz")
    assert twin.backend.name == "numpy"
    np.testing.assert_allclose(twin.sample(4), gan.sample(4), rtol=1e-3, atol=1e-4)


def test_without_a_device_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_cupy.install(monkeypatch, devices=0)
    with pytest.raises(RuntimeError, match="no CUDA device; choose backend='numpy'"):
        minigan.get_backend("cupy")
    assert minigan.get_backend("auto").name in ("numpy", "numba")


def test_without_cupy_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(ImportError, match=r"\.\[cuda12\]"):
        minigan.get_backend("cupy")
