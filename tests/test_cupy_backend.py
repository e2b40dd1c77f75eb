"""The CuPy backend as far as it can be proved without a GPU, and on one where there is one."""

from __future__ import annotations

import sys
import types
import warnings
from collections.abc import Iterator
from typing import Any

import fake_cupy
import numpy as np
import pytest
from family import OF_THEIR_OWN, data_for, made

import minigan
from minigan import backend, environment
from minigan.backend import Backend
from minigan.backend import cupy_backend as cupy_module
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
    few = OF_THEIR_OWN.get(recipe, {})
    gans = [RECIPES[recipe].build((4, 4), backend=be, dtype="float64", **few) for be in (cupy_backend, "numpy")]
    data = data_for(recipe, images)
    histories = [gan.fit(data, steps=3, batch=8, labels=np.arange(50) % 10) for gan in gans]
    for name, values in histories[0].items():
        np.testing.assert_allclose(values, histories[1][name], rtol=2e-3, err_msg=name)
    for name, array in gans[0].G.state_dict().items():
        np.testing.assert_allclose(array, gans[1].G.state_dict()[name], rtol=1e-3, atol=2e-4, err_msg=name)
    np.testing.assert_allclose(*(made(gan, data=data) for gan in gans), rtol=1e-2, atol=1e-3)


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
    alone = minigan.Sequential(  # a D that is shown real samples and fakes as one batch
        minigan.Dense(6, 8, norm=minigan.SpectralNorm()), minigan.LayerNorm(8), minigan.LeakyReLU(),
        minigan.Dropout(0.2), minigan.Dense(8, 1), backend=be,
    )  # fmt: skip
    games: list[tuple[type[minigan.GAN], minigan.Sequential, dict[str, Any]]] = [
        (minigan.GAN, D, {"objective": "minimax", "optimizer": minigan.SGD(1e-3, momentum=0.5), "prior": "uniform"}),
        (minigan.Tutorial, D, {"optimizer": minigan.RMSprop(1e-3)}),
        (minigan.GAN, D, {"reuse_fakes": True, "d_steps": 2}),
        (minigan.GAN, alone, {"reuse_fakes": True, "d_steps": 2}),
        (minigan.GAN, alone, {"objective": "relativistic", "penalties": [minigan.R1(1.0)], "average": 0.9}),
    ]
    for kind, judge, chosen in games:
        gan = kind(G, judge, **chosen)
        metrics = gan.step(np.full((4, 6), 0.5, np.float32))
        assert all(np.isfinite(value) for value in metrics.values())
        assert gan.score(gan.sample(3)).shape == (3,)


def test_gradients_are_right_on_cupy(cupy_backend: Backend) -> None:
    net = minigan.Sequential(
        minigan.Dense(4, 5), minigan.BatchNorm(5), minigan.Tanh(), minigan.Dense(5, 2), backend=cupy_backend
    )
    assert max(minigan.gradcheck(net, np.random.default_rng(1).standard_normal((6, 4))).values()) <= 1e-6


@pytest.mark.parametrize("shape", [(50176, 1), (12544, 64), (4096, 1024)], ids=str)
def test_sums_over_many_rows(cupy_backend: Backend, shape: tuple[int, int]) -> None:
    """The largest arrays of a small DCGAN and of the classic game: blocks share the rows."""
    rng, act, (n, f) = np.random.default_rng(0), minigan.LeakyReLU(0.2), shape
    x, dy = rng.standard_normal((2, n, f)).astype("float32")
    gamma, beta = rng.standard_normal((2, f)).astype("float32")

    def results(be: Backend) -> list[np.ndarray[Any, Any]]:
        on = {name: be.asarray(a.copy()) for name, a in {"x": x, "dy": dy, "gamma": gamma, "beta": beta}.items()}
        out, y = be.empty(shape, "float32"), be.empty(shape, "float32")
        dbias, mean, var, inv_std, dgamma, dbeta = (be.empty((f,), "float32") for _ in range(6))
        be.bias_act_grad(on["dy"], on["x"], act, out, dbias)
        be.batchnorm(on["x"], on["gamma"], on["beta"], 1e-5, act, y, mean, var, inv_std)
        be.batchnorm_grad(on["dy"], y, act, on["x"], on["gamma"], mean, inv_std, dgamma, dbeta, True)
        return [be.to_numpy(a) for a in (out, dbias, y, mean, var, inv_std, on["dy"], dgamma, dbeta)]

    for ours, theirs in zip(results(cupy_backend), results(minigan.get_backend("reference")), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=2e-5 * abs(theirs).max())


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


@pytest.fixture
def nothing_said() -> Iterator[None]:
    """As in a process that has not asked for a backend yet."""
    backend._warn.cache_clear()
    yield
    backend._warn.cache_clear()


@pytest.mark.usefixtures("nothing_said")
@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (None, "CuPy 14.0.0 is installed but finds no CUDA device"),
        (ImportError("there is no cuda.pathfinder"), "there is no cuda.pathfinder"),
        (RuntimeError("the driver is\ntoo old"), "the driver is too old"),
        (OSError("libcublas.so.13: cannot open"), "libcublas.so.13: cannot open"),
        (MemoryError("the GPU is full"), "the GPU is full"),
    ],
)
def test_auto_says_once_why_an_installed_cupy_is_passed_over(
    error: Exception | None, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_cupy.install(monkeypatch, devices=0 if error is None else 1)

    def fail(*args: Any, **kwargs: Any) -> Any:
        raise error or AssertionError

    if error is not None:
        monkeypatch.setattr(cupy_module, "CupyBackend", fail)
    with pytest.warns(UserWarning, match="the cupy backend is passed over: ") as said:
        assert minigan.get_backend("auto").name in ("numpy", "numba")
    (warning,) = said
    assert sentence in str(warning.message)
    assert "\n" not in str(warning.message)
    assert warning.filename == __file__  # who asked, not the library
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        minigan.get_backend("auto")
    assert sentence in " ".join(backend.absent(["cupy"])["cupy"].split())
    assert environment.gpu().startswith("none: ")


@pytest.mark.usefixtures("nothing_said")
def test_auto_is_silent_about_what_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("cupy", "numba"):
        monkeypatch.setitem(sys.modules, name, None)

    def fail(*args: Any) -> Any:
        raise ImportError("the numba backend needs Numba, which is not installed")

    monkeypatch.setattr("minigan.backend.numba_backend.NumbaBackend", fail)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert minigan.get_backend("auto").name == "numpy"


@pytest.mark.usefixtures("nothing_said")
def test_auto_says_why_an_installed_numba_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.setitem(sys.modules, "numba", types.ModuleType("numba"))

    def fail(*args: Any) -> Any:
        raise ImportError("Numba needs NumPy 2.3 or less")

    monkeypatch.setattr("minigan.backend.numba_backend.NumbaBackend", fail)
    with pytest.warns(UserWarning, match="the numba backend is passed over: Numba needs NumPy"):
        assert minigan.get_backend("auto").name == "numpy"


def test_a_cupy_that_lacks_something_is_not_said_to_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Finder:
        def find_spec(self, name: str, *args: Any) -> None:
            if name == "cupy":
                raise ModuleNotFoundError("No module named 'fastrlock'", name="fastrlock")

    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    with pytest.raises(ImportError, match="CuPy is installed but cannot be loaded: No module named 'fastrlock'"):
        minigan.get_backend("cupy")


def test_without_cupy_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(ImportError, match=r"pip install .*\[cuda12\]"):
        minigan.get_backend("cupy")
