"""A hand on G: gradients with respect to latents, what is found by descent, by an encoder and by both, and edits."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scripts import script
from subjects import Array, bars, conv

from minigan import (
    AAE,
    GAN,
    BatchNorm,
    Category,
    Conditional,
    Conv2D,
    Dense,
    Flatten,
    Game,
    LeakyReLU,
    MinibatchStdDev,
    NonFiniteError,
    ReLU,
    Reshape,
    Sequential,
    Tanh,
    archive,
)
from minigan.backend import Backend, FreshArena, Purpose, Stream
from minigan.cli import main
from minigan.commands.project import project as project_files
from minigan.evaluation.fine_tuning import classifier_of
from minigan.inversion import Encoder, edit, kept_encoder, least_squares, project
from minigan.inversion.descent import Aim, descend
from minigan.inversion.encoder import key_of, settings_of
from minigan.runs.walks import between, interpolation

RNG = np.random.default_rng(0)
LATENT = 5


def generator(backend: Any = None, dtype: str = "float32", seed: int = 1) -> Sequential:
    """Pictures of 8 x 8. Weights as large as this make them different ones."""
    return Sequential(
        Dense(LATENT, 24, init="he"), BatchNorm(24), LeakyReLU(0.2), Dense(24, 64, init="he"), Reshape(8, 8, 1), Tanh(),
        backend=backend, dtype=dtype, seed=seed,
    )  # fmt: skip


def game(backend: Any = None, seed: int = 1, dtype: str = "float32", **settings: Any) -> GAN:
    D = Sequential.build(conv().describe() | {"dtype": dtype}, backend)
    return GAN(generator(backend, dtype, seed), D, **settings)


@pytest.fixture(scope="module")
def gan() -> GAN:
    return game()


@pytest.fixture(scope="module")
def encoder(gan: GAN) -> Encoder:
    return Encoder.learn(gan, steps=150, batch=32, lr=0.01)


@pytest.fixture
def run(tmp_path: Path, gan: GAN) -> Path:
    """The folder of a run."""
    (tmp_path / "run").mkdir()
    gan.save(tmp_path / "run" / "checkpoint.npz", {"shape": [8, 8]})
    return tmp_path / "run"


@pytest.fixture
def files(tmp_path: Path, gan: GAN) -> Path:
    """Three pictures that G can make, and one of another size."""
    (tmp_path / "in").mkdir()
    for i, sample in enumerate(gan.sample(3, seed=8)):
        Image.fromarray(as_pixels(sample)).save(tmp_path / "in" / f"{i}.png")
    Image.fromarray(np.full((20, 16), 90, np.uint8)).save(tmp_path / "in" / "large.png")
    return tmp_path / "in"


def as_pixels(sample: Array) -> Array:
    return np.rint((sample[..., 0] + 1) * 127.5).astype(np.uint8)


def linear(n: int = 4, pixels: int = 6, **settings: Any) -> tuple[GAN, Array]:
    """G(z) = W z, float64, with columns at right angles, and W."""
    G = Sequential(Dense(n, pixels), dtype="float64")
    weight = np.linalg.qr(np.random.default_rng(3).standard_normal((pixels, n)))[0] * 2
    G.load_state_dict({"0.weight": weight, "0.bias": np.zeros(pixels)})
    D = Sequential(Dense(pixels, 8), LeakyReLU(0.2), Dense(8, 1), dtype="float64")
    return GAN(G, D, **settings), weight


# --- the gradient ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("features", [0.0, 0.7])
@pytest.mark.parametrize("anchored", [False, True])
def test_the_gradient_with_respect_to_latents(features: float, anchored: bool) -> None:
    G = generator(dtype="float64")
    D = Sequential(Conv2D(1, 3, 3, padding=1), Tanh(), Flatten(), Dense(192, 6), Tanh(), Dense(6, 1), dtype="float64")
    target, weights = RNG.uniform(-1, 1, (3, 64)), RNG.uniform(0, 1, (3, 64))
    anchor = RNG.standard_normal((3, LATENT)) if anchored else None
    aim = Aim(G, target, weights, anchor=anchor, pull=0.3, judge=D, features=features)
    z, h = RNG.standard_normal((3, LATENT)), 1e-6
    loss, gradient = aim(z, FreshArena(G.backend))
    for i in range(LATENT):
        above, below = (aim(z + sign * h * np.eye(LATENT)[i], FreshArena(G.backend))[0] for sign in (1, -1))
        np.testing.assert_allclose(gradient[:, i], (above - below) / (2 * h), rtol=1e-6, atol=1e-8)
    assert loss.shape == (3,)


def test_the_loss_is_its_formula() -> None:
    G, D = generator(dtype="float64"), conv()
    D = Sequential.build(D.describe() | {"dtype": "float64"})
    target, z = RNG.uniform(-1, 1, (2, 64)), RNG.standard_normal((2, LATENT))
    loss, _ = Aim(G, target, pull=0.3, judge=D, features=0.7)(z, FreshArena(G.backend))
    x = G(z, train=False)[0]
    hidden = [D(a.reshape(2, 8, 8, 1), train=False, depth=len(D) - 1)[0] for a in (x, target)]
    expected = [
        np.mean((x[i].ravel() - target[i]) ** 2) + 0.7 * np.mean((hidden[0][i] - hidden[1][i]) ** 2)
        + 0.3 * np.mean(z[i] ** 2) for i in range(2)
    ]  # fmt: skip
    np.testing.assert_allclose(loss, expected, rtol=1e-12)


# --- projection ------------------------------------------------------------------------------------------------


def test_a_linear_G_is_inverted_exactly() -> None:
    gan, weight = linear()
    z = gan.latents(5, seed=3)
    found, errors = project(gan, z @ weight.T, steps=1500, starts=1, pull=0)
    np.testing.assert_allclose(found, z, atol=1e-5)
    assert found.dtype == np.float64
    assert (errors < 1e-10).all()


def test_what_a_linear_G_cannot_make_is_projected_at_right_angles_and_the_prior_pulls() -> None:
    """Least squares, and ridge regression: WᵀW z/P + λ z/n = Wᵀx/P."""
    gan, weight = linear()
    x = RNG.standard_normal((3, 6))
    plain, errors = project(gan, x, steps=1500, starts=1, pull=0)
    least = x @ np.linalg.pinv(weight).T
    np.testing.assert_allclose(plain, least, atol=1e-4)
    np.testing.assert_allclose(errors, np.mean((least @ weight.T - x) ** 2, axis=1), rtol=1e-6)
    pulled, _ = project(gan, x, steps=1500, starts=1, pull=0.5)
    ridge = np.linalg.solve(weight.T @ weight / 6 + 0.5 / 4 * np.eye(4), weight.T @ x.T / 6).T
    np.testing.assert_allclose(pulled, ridge, atol=1e-4)


def test_latents_stay_in_a_uniform_prior() -> None:
    gan, weight = linear(prior="uniform")
    x = (np.full((1, 4), 3.0)) @ weight.T
    found, _ = project(gan, x, steps=300, starts=2, pull=0.5)
    np.testing.assert_allclose(found, 1, atol=1e-6)  # the nearest corner, which no normal prior pulls away from
    half, _ = project(gan, x / 6, steps=800, starts=1, pull=0.5)
    np.testing.assert_allclose(half, 0.5, atol=1e-4)  # nor within
    guessed, _ = project(gan, x, lambda samples: np.full((len(samples), 4), 9.0), steps=0)
    np.testing.assert_array_equal(guessed, 1)


def test_from_the_encoder_is_better_than_either_alone(gan: GAN, encoder: Encoder) -> None:
    x = gan.sample(24, seed=9)
    guessed = project(gan, x, encoder, steps=0).errors
    descended = project(gan, x, method="adam", steps=30, starts=1).errors
    both = project(gan, x, encoder, method="adam", steps=30).errors
    blind = project(gan, x, lambda samples: np.zeros((len(samples), LATENT)), steps=0).errors
    assert guessed.mean() < 0.3 * blind.mean()  # it has learned something
    assert both.mean() < 0.3 * min(guessed.mean(), descended.mean())
    np.testing.assert_allclose(project(gan, x, encoder, steps=0).latents, encoder(x))


def test_nothing_ends_worse_than_it_began_however_large_the_steps(gan: GAN, encoder: Encoder) -> None:
    x, settings = gan.sample(6, seed=9), {"lr": 50.0, "pull": 0}
    began = project(gan, x, encoder, steps=0).errors
    for method in ("least-squares", "adam"):
        assert (project(gan, x, encoder, method=method, steps=3, **settings).errors <= began).all()  # type: ignore[arg-type]


def test_the_best_of_several_starts_is_kept_for_each_picture(gan: GAN) -> None:
    x = gan.sample(6, seed=9)
    many = project(gan, x, method="adam", steps=20, starts=3, pull=0)
    drawn = gan.latents(18, seed=0).reshape(6, 3, LATENT)
    single = [project(gan, x, lambda _, k=k: drawn[:, k], method="adam", steps=20, pull=0).errors for k in range(3)]  # type: ignore[misc]
    np.testing.assert_allclose(many.errors, np.min(single, axis=0), rtol=1e-4)
    assert len(set(np.argmin(single, axis=0))) > 1


def test_the_same_seed_gives_the_same_latents_whatever_comes_after(gan: GAN) -> None:
    x = gan.sample(7, seed=9)
    for method in ("least-squares", "adam"):
        settings: dict[str, Any] = {"method": method, "steps": 2, "starts": 2}
        whole, again = (project(gan, x, **settings, seed=4) for _ in range(2))
        np.testing.assert_array_equal(whole.latents, again.latents)
        np.testing.assert_allclose(project(gan, x[:3], **settings, seed=4).latents, whole.latents[:3], atol=1e-3)
        assert not np.array_equal(project(gan, x, **settings, seed=5).latents, whole.latents)


def test_nothing_of_the_game_moves(gan: GAN) -> None:
    before = [array.copy() for net in gan.networks.values() for array in (net.flat, *net.buffers.values())]
    project(gan, gan.sample(2), steps=3, features=1.0)
    Encoder.learn(gan, steps=2, batch=4)
    edit(gan, gan.latents(1), np.zeros((1, 8, 8)), np.ones((1, 8, 8), bool), steps=3)
    after = [array for net in gan.networks.values() for array in (net.flat, *net.buffers.values())]
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)


def test_many_pictures_go_in_parts(gan: GAN, monkeypatch: pytest.MonkeyPatch) -> None:
    x = gan.sample(5, seed=9)
    whole, mask = project(gan, x, steps=10, starts=2), np.ones((1, 8, 8), bool)
    drawn = edit(gan, whole.latents, x[::-1], mask)
    monkeypatch.setattr("minigan.inversion.descent.AT_ONCE", 4)
    np.testing.assert_allclose(project(gan, x, steps=10, starts=2).latents, whole.latents, atol=1e-4)
    np.testing.assert_allclose(edit(gan, whole.latents, x[::-1], mask).latents, drawn.latents, atol=1e-4)


def test_the_average_of_G_is_what_is_inverted() -> None:
    gan = game(average=0.9)
    gan.step(RNG.uniform(-1, 1, (8, 8, 8, 1)).astype("float32"))
    average = gan.average_of(gan.G)
    average.flat[...] *= 0.7
    x, z = gan.sample(4, seed=2), gan.latents(4)
    for averaged in (True, False):
        found = project(gan, x, steps=0, starts=1, averaged=averaged)
        expected = np.mean((gan.generate(z, averaged) - x) ** 2, axis=(1, 2, 3))
        np.testing.assert_allclose(found.errors, expected, rtol=1e-4)
        painted, all_of_it = gan.generate(z, averaged), np.ones((1, 8, 8), bool)
        latents, samples = edit(gan, z, painted, all_of_it, steps=3, averaged=averaged)
        np.testing.assert_allclose(latents, z, atol=1e-4)  # it is there already
        np.testing.assert_allclose(samples, painted, atol=1e-4)
    nets = [Encoder.learn(gan, steps=1, batch=4, averaged=averaged).net for averaged in (True, False)]
    assert (nets[0].flat != nets[1].flat).any()
    keys = {key_of(gan, None, settings_of(averaged=averaged)) for averaged in (True, False)}
    assert len(keys) == 2


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 2e-3), ("float64", 1e-7)])
def test_every_backend_finds_the_same(backend: Backend, dtype: str, tolerance: float) -> None:
    gan, plain = game(backend, dtype=dtype), game(dtype=dtype)
    x, same = plain.sample(4, seed=9), {"atol": tolerance, "rtol": tolerance}
    E, oracle = (Encoder.learn(one, x[::-1], steps=4, batch=8) for one in (gan, plain))
    if dtype == "float64":  # in float32 the sign of a gradient that is almost 0 is rounding, and a step of Adam's
        np.testing.assert_allclose(E(x), oracle(x), **same)
    for settings in ({"starts": 2}, {"starts": 1, "features": 0.5}):
        found, expected = (project(one, x, oracle, steps=8, **settings) for one in (gan, plain))
        np.testing.assert_allclose(found.latents, expected.latents, **same)
        np.testing.assert_allclose(found.errors, expected.errors, **same)
        assert found.latents.dtype == found.errors.dtype == dtype
    z, mask = plain.latents(4), np.arange(64).reshape(1, 8, 8) < 32
    moved, wanted = (edit(one, z, x, mask, steps=8) for one in (gan, plain))
    np.testing.assert_allclose(moved.latents, wanted.latents, **same)
    np.testing.assert_allclose(moved.samples, wanted.samples, **same)


# --- least squares ---------------------------------------------------------------------------------------------


def test_own_samples_are_found_to_the_last_digit(gan: GAN, encoder: Encoder) -> None:
    z = gan.latents(24, seed=9)
    found, errors = project(gan, gan.generate(z), encoder, pull=0)
    assert np.mean(((found - z) ** 2).mean(axis=1) < 1e-6) > 0.9
    assert np.median(errors) < 1e-12


def test_one_step_is_enough_where_G_is_linear() -> None:
    gan, weight = linear()
    x, c = RNG.standard_normal((3, 6)), 0.5 * 6 / 4
    z = gan.latents(3, seed=1)
    residual = least_squares.Residual(gan.G, x)
    monkey, least_squares.DAMPING = least_squares.DAMPING, 1e-12
    try:
        found, loss = least_squares.levenberg_marquardt(residual, z, 1, c=c)
    finally:
        least_squares.DAMPING = monkey
    expected = np.linalg.solve(weight.T @ weight + c * np.eye(4), weight.T @ x.T).T
    np.testing.assert_allclose(found, expected, atol=1e-8)
    np.testing.assert_allclose(loss, ((found @ weight.T - x) ** 2).sum(axis=1) + c * (found**2).sum(axis=1))


@pytest.mark.parametrize("before", [None, "roughly", "exactly"])
def test_the_jacobian_of_the_residual(before: str | None) -> None:
    G = generator(dtype="float64")
    x, z, h, rows = np.array(gan_samples(G)), RNG.standard_normal((3, LATENT)), 1e-6, np.arange(3)
    x[0, :4] = 1, -1, 1, -1
    residual = least_squares.Residual(G, x, before)
    J = residual.jacobian(z, rows)
    for k, direction in enumerate(np.eye(LATENT)):
        slope = (residual(z + h * direction, rows) - residual(z - h * direction, rows)) / (2 * h)
        np.testing.assert_allclose(J[:, k], slope, rtol=1e-5, atol=1e-7)


def gan_samples(G: Sequential) -> Array:
    return G(np.random.default_rng(5).standard_normal((3, LATENT)), train=False)[0].reshape(3, 64)


def test_what_is_far_out_on_both_sides_of_rounding_is_right() -> None:
    G = Sequential(Dense(1, 2), Tanh(), dtype="float64")
    G.load_state_dict({"0.weight": np.array([[1.0], [-1.0]]), "0.bias": np.zeros(2)})
    residual = least_squares.Residual(G, np.array([[1.0, -1.0], [1.0, 1.0]]), "roughly")
    r = residual(np.array([[9.0], [9.0]]), np.arange(2))
    assert (r[0] == 0).all()
    assert r[1, 0] == 0
    assert r[1, 1] < -0.1
    assert (residual(np.array([[5.0], [5.0]]), np.arange(2))[0] != 0).all()


# --- the encoder -----------------------------------------------------------------------------------------------


def test_the_encoder_begins_with_what_D_has_learned() -> None:
    gan = GAN(generator(), conv())
    state = Encoder.learn(gan, steps=0).net.state_dict()
    kept = {name: array for name, array in gan.D.state_dict().items() if name in state and not name.startswith("8.")}
    assert len(kept) > 6
    for name, array in kept.items():
        np.testing.assert_array_equal(state[name], array)
    assert state["8.weight"].shape == (LATENT, 6)
    as_classifier = classifier_of(gan.D, (8, 8), LATENT).state_dict()
    np.testing.assert_array_equal(state["8.weight"], as_classifier["8.weight"])


def test_its_first_step_is_the_gradient_of_its_loss() -> None:
    """Against finite differences of the formula, through Adam's first step, which is the sign of the gradient."""
    gan, _ = linear()
    real = RNG.standard_normal((8, 6))
    settings: dict[str, Any] = {"batch": 8, "lr": 1e-3, "weight": 0.5, "seed": 3}
    begun = Encoder.learn(gan, real, steps=0, **settings).net
    taught = Encoder.learn(gan, real, steps=1, **settings).net
    z = np.empty((8, 4))
    gan.noise_prior.draw(z, FreshArena(gan.backend), Stream(3, Purpose.ENCODER, 0))
    fakes = gan.generate(z)

    def loss() -> float:
        both = np.concatenate([fakes, real])
        guessed = begun(both)[0]
        again = gan.generate(guessed)
        return float(np.mean((guessed[:8] - z) ** 2) + 0.5 * np.mean((again - both) ** 2))

    moved = (taught.flat - begun.flat) / -1e-3
    for i in range(0, begun.size, 5):
        kept, sides = begun.flat[i], []
        for h in (1e-6, -1e-6):
            begun.flat[i] = kept + h
            sides.append(loss())
        begun.flat[i] = kept
        slope = (sides[0] - sides[1]) / 2e-6
        if abs(slope) > 1e-5:
            assert moved[i] == pytest.approx(np.sign(slope), abs=1e-2)


def test_every_batch_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    gan, drawn = game(), []
    draw = gan.noise_prior.draw

    def noted(*args: Any) -> Any:
        drawn.append(draw(*args).copy())
        return args[0]

    monkeypatch.setattr(gan.noise_prior, "draw", noted)
    Encoder.learn(gan, steps=3, batch=4, seed=1)
    Encoder.learn(gan, steps=1, batch=4, seed=2)
    assert len({z.tobytes() for z in drawn}) == len(drawn) == 4


def test_real_pictures_are_made_again_where_it_learns_from_them(gan: GAN) -> None:
    real = np.sign(RNG.standard_normal((40, 1, 8, 1)).repeat(8, axis=1)).astype("float32") * 0.6
    settings: dict[str, Any] = {"steps": 120, "batch": 16, "lr": 0.01}
    shown, untold = (Encoder.learn(gan, pictures, **settings) for pictures in (real, None))
    errors = [project(gan, real, one, steps=0).errors.mean() for one in (shown, untold)]
    assert errors[0] < 0.9 * errors[1]
    assert shown.key != untold.key


def test_an_encoder_that_has_seen_pictures_is_kept_beside_the_other(gan: GAN, tmp_path: Path) -> None:
    real = gan.sample(9, seed=4)
    kept_encoder(gan, tmp_path, steps=3)
    for _ in range(2):
        seen = kept_encoder(gan, tmp_path, real, steps=3)
        np.testing.assert_array_equal(seen.net.flat, Encoder.learn(gan, real, steps=3).net.flat)
        assert len(list(tmp_path.glob("encoder-*.npz"))) == 2


def test_an_encoder_is_kept_and_read_again(gan: GAN, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    made = kept_encoder(gan, tmp_path, steps=3, say=said.append)
    assert said == ["an encoder learns from 3 batches of G's samples ..."]
    (file,) = tmp_path.glob("encoder-*.npz")
    with monkeypatch.context() as patch:
        patch.setattr(Encoder, "learn", None)
        again = kept_encoder(gan, tmp_path, steps=3, say=said.append)
    assert len(said) == 1
    np.testing.assert_array_equal(again(gan.sample(3)), made(gan.sample(3)))
    kept_encoder(game(seed=2), tmp_path, steps=3)
    kept_encoder(gan, tmp_path, steps=4)
    assert len(list(tmp_path.glob("encoder-*.npz"))) == 3
    whole = file.read_bytes()
    for damage in (whole[:-50], b"nothing"):
        file.write_bytes(damage)
        said.clear()
        np.testing.assert_array_equal(kept_encoder(gan, tmp_path, steps=3, say=said.append).net.flat, made.net.flat)
        assert f"the encoder kept in {file} cannot be used and is made again: " in said[0]
        assert file.read_bytes() == whole


def test_an_encoder_of_another_G_is_refused(gan: GAN, tmp_path: Path) -> None:
    file, settings = tmp_path / "e.npz", settings_of(steps=2, batch=4)
    made = Encoder.learn(gan, steps=2, batch=4)
    made.save(file)
    key = key_of(gan, None, settings)
    np.testing.assert_array_equal(Encoder.load(file, gan, key).net.flat, made.net.flat)
    other = game(seed=2)
    with pytest.raises(ValueError, match="is the encoder of another G"):
        Encoder.load(file, other, key_of(other, None, settings))
    arrays, header = archive.load(file)
    archive.save(file, {name: array * np.nan for name, array in arrays.items()}, header)
    with pytest.raises(ValueError, match="holds no whole encoder"):
        Encoder.load(file, gan, key)
    archive.save(file, arrays, header | {"net": None})
    with pytest.raises(ValueError, match="holds no whole encoder"):
        Encoder.load(file, gan, key)
    archive.save(file, arrays)
    with pytest.raises(ValueError, match="is no encoder"):
        Encoder.load(file, gan, key)


def test_a_folder_that_cannot_be_written_costs_time_only(gan: GAN, tmp_path: Path) -> None:
    said: list[str] = []
    kept_encoder(gan, tmp_path / "nowhere", steps=1, say=said.append)
    assert "could not be kept" in said[-1]


def test_a_D_that_compares_its_samples() -> None:
    D = Sequential(Flatten(), Dense(64, 6), LeakyReLU(0.2), MinibatchStdDev(), Dense(7, 1))
    gan = GAN(generator(), D)
    encoder = Encoder.learn(gan, steps=2, batch=4)
    assert [type(layer).__name__ for layer in encoder.net.layers] == ["Flatten", "Dense", "LeakyReLU", "Dense"]
    x = gan.sample(3)
    np.testing.assert_allclose(encoder(x)[:1], encoder(x[:1]), atol=1e-5)


# --- edits -----------------------------------------------------------------------------------------------------


def test_an_edit_obeys_the_mask_and_leaves_the_rest(gan: GAN) -> None:
    z = gan.latents(8, seed=3)
    before, wanted = gan.generate(z), gan.sample(8, seed=11)
    mask = np.zeros((1, 8, 8), bool)
    mask[:, 2:4, 2:5] = True
    latents, samples = edit(gan, z, wanted, mask)
    inside = mask[..., None].repeat(8, axis=0)

    def apart(a: Array, b: Array, where: Array) -> float:
        return float(np.mean((a - b)[where] ** 2))

    assert apart(samples, wanted, inside) < 0.3 * apart(before, wanted, inside)
    free, _ = edit(gan, z, wanted, mask, outside=0.0, pull=0.0)
    assert apart(samples, before, ~inside) < 0.7 * apart(gan.generate(free), before, ~inside)
    near, _ = edit(gan, z, wanted, mask, pull=10.0)
    assert np.mean((near - z) ** 2) < 0.5 * np.mean((latents - z) ** 2)
    np.testing.assert_array_equal(samples, gan.generate(latents))


def test_what_is_not_under_the_mask_does_not_count(gan: GAN) -> None:
    z, mask = gan.latents(2, seed=3), np.zeros((2, 8, 8), bool)
    mask[:, 0] = True
    strokes = np.zeros((2, 8, 8, 1))
    plain = edit(gan, z, strokes, mask)
    strokes[:, 1:] = 0.9
    np.testing.assert_array_equal(edit(gan, z, strokes, mask).latents, plain.latents)
    mask[1] = False
    one, other = edit(gan, z, strokes, mask).latents
    np.testing.assert_allclose(one, plain.latents[0], atol=1e-5)
    np.testing.assert_allclose(other, z[1], atol=1e-6)  # nothing is wished for


def test_an_edit_of_a_linear_G_is_the_closed_form() -> None:
    gan, weight = linear()
    z, mask = gan.latents(1, seed=0), np.array([[True, True, False, False, False, False]])
    strokes = RNG.uniform(-1, 1, (1, 6))
    found, _ = edit(gan, z, strokes, mask, steps=2000, outside=0.5, pull=0.2)
    each = np.where(mask[0], 1 / 2, 0.5 / 4)
    target = np.where(mask, strokes, z @ weight.T)[0]
    normal = weight.T @ (each[:, None] * weight) + 0.2 / 4 * np.eye(4)
    expected = np.linalg.solve(normal, weight.T @ (each * target) + 0.2 / 4 * z[0])
    np.testing.assert_allclose(found[0], expected, atol=1e-4)


# --- walks -----------------------------------------------------------------------------------------------------


def test_a_walk_begins_and_ends_where_it_should(gan: GAN) -> None:
    a, b = gan.latents(2, seed=1), gan.latents(2, seed=2)
    way = between(gan, a, b).reshape(2, 10, LATENT)
    np.testing.assert_allclose(way[:, 0], a, atol=1e-6)
    np.testing.assert_allclose(way[:, -1], b, atol=1e-6)
    np.testing.assert_array_equal(between(gan, *np.split(gan.latents(4, seed=5), 2)), interpolation(gan, 2, seed=5)[0])


# --- the command -----------------------------------------------------------------------------------------------

QUICK = ["--backend", "numpy", "--encoder-steps", "20", "--steps", "60"]


def test_the_command_writes_pictures_latents_a_sheet_and_a_walk(
    run: Path, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, sheet, walk = (run.parent / name for name in ("out", "sheet.png", "walk.png"))
    words = ["project", str(run), str(files), "--out", str(out), "--sheet", str(sheet), "--walk", str(walk), *QUICK]
    assert main(words) == 0
    assert "4 pictures in" in capsys.readouterr().out
    assert sorted(path.name for path in out.iterdir()) == ["0.png", "1.png", "2.png", "large.png", "latents.npz"]
    arrays, _ = archive.load(out / "latents.npz")
    assert arrays["latents"].shape == (4, LATENT)
    assert [Path(name).name for name in arrays["files"].tolist()] == ["0.png", "1.png", "2.png", "large.png"]
    made = np.stack([np.asarray(Image.open(out / f"{i}.png")) for i in range(3)])
    samples = Game.load(run / "checkpoint.npz").generate(arrays["latents"][:3])  # type: ignore[attr-defined]
    np.testing.assert_array_equal(made, np.stack([as_pixels(sample) for sample in samples]))
    assert arrays["errors"][:3].max() < 0.05
    row = np.asarray(Image.open(walk))
    assert row.shape == (12, 12 * 10 + 2)
    np.testing.assert_array_equal(row[2:10, 2:10], np.asarray(Image.open(files / "0.png")))
    np.testing.assert_array_equal(row[2:10, 12:20], made[0])
    np.testing.assert_array_equal(row[2:10, 102:110], made[1])
    assert np.asarray(Image.open(sheet)).shape[0] >= 10


def test_the_encoder_of_a_run_is_kept_for_the_next_call(run: Path, files: Path) -> None:
    said: list[str] = []
    settings: dict[str, Any] = {"backend": "numpy", "encoder_steps": 5, "steps": 2, "say": said.append}
    first = project_files(run, [files / "0.png"], run.parent / "one", **settings)
    assert len(said) == 1
    second = project_files(run, [files / "0.png"], run.parent / "two", **settings)
    assert len(said) == 1
    np.testing.assert_array_equal(first.latents, second.latents)
    project_files(run, [files / "0.png"], run.parent / "three", encoder=False, **settings)
    assert len(list(run.glob("encoder-*.npz"))) == 1


def test_an_encoder_may_learn_from_training_pictures(run: Path, files: Path, gan: GAN) -> None:
    np.savez(run.parent / "seen.npz", images=np.stack([as_pixels(sample) for sample in gan.sample(70, seed=6)]))
    words = ["project", str(run), str(files / "0.png"), *QUICK, "--method", "adam"]
    assert main([*words, "--out", str(run.parent / "a")]) == 0
    assert main([*words, "--out", str(run.parent / "b"), "--training", str(run.parent / "seen.npz")]) == 0
    assert len(list(run.glob("encoder-*.npz"))) == 2
    first, second = (archive.load(run.parent / name / "latents.npz")[0]["latents"] for name in "ab")
    assert (first != second).any()


def test_a_data_set_becomes_one_file(run: Path, gan: GAN) -> None:
    images = np.stack([as_pixels(sample) for sample in gan.sample(6, seed=8)])
    np.savez(run.parent / "data.npz", images=images, labels=np.arange(6))
    out = run.parent / "out.npz"
    assert main(["project", str(run), str(run.parent / "data.npz"), "--out", str(out), "--n", "4", *QUICK]) == 0
    arrays, _ = archive.load(out)
    assert {name: array.shape for name, array in arrays.items()} == {
        "images": (4, 8, 8), "labels": (4,), "latents": (4, LATENT), "errors": (4,)
    }  # fmt: skip
    difference = arrays["images"].astype(float) - images[:4]
    np.testing.assert_allclose(arrays["errors"], np.mean((difference / 127.5) ** 2, axis=(1, 2)), atol=2e-3)


def test_an_aae_has_an_encoder_of_its_own(tmp_path: Path, files: Path) -> None:
    E = Sequential(Flatten(), Dense(64, 2), seed=1)
    G = Sequential(Dense(2, 64), Reshape(8, 8, 1), Tanh(), seed=2)
    aae = AAE(E, G, Sequential(Dense(2, 4), ReLU(), Dense(4, 1), seed=3))
    aae.save(tmp_path / "aae.npz", {"shape": [8, 8]})
    found = project_files(tmp_path / "aae.npz", [files / "1.png"], tmp_path / "out", steps=0, backend="numpy")
    x = found.pictures[..., None] / np.float32(127.5) - 1
    np.testing.assert_allclose(found.latents, aae.encode(x), atol=1e-5)
    assert not list(tmp_path.glob("encoder-*"))
    with pytest.raises(ValueError, match="has no D that looks at samples"):
        Encoder.learn(aae)


BAD: dict[str, tuple[list[str], str]] = {
    "no picture there": (["none.png", "--out", "o"], "there is no none.png"),
    "nowhere to draw": (["--out", "o", "--sheet", "nowhere/s.png"], "there is no folder"),
    "a walk of another kind": (["--out", "o", "--walk", "w.txt"], "ends in none of"),
    "a walk that is a folder": (["--out", "o", "--walk", "."], "--walk takes a file"),
    "pictures for an npz": (["more", "--out", "o.npz"], "one data set becomes one .npz, but 2 were given"),
    "so many of pictures": (["--out", "o", "--n", "2"], "--n says how many of a data set"),
    "nowhere to begin": (["--out", "o", "--no-encoder", "--starts", "0"], "there is nowhere to descend from"),
    "training alone": (["--out", "o", "--no-encoder", "--training", "digits"], "--training is what an encoder learns"),
    "steps": (["--out", "o", "--steps", "-1"], "steps must be an integer of 0 or more"),
    "encoder steps": (["--out", "o", "--encoder-steps", "-1"], "steps must be an integer of 0 or more"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_words_are_refused_in_a_sentence(
    run: Path, files: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(run.parent)
    options, sentence = BAD[name]
    assert main(["project", str(run), str(files), *options, "--backend", "numpy"]) == 2
    assert sentence in capsys.readouterr().err
    assert not Path("o").exists()


def test_a_walk_of_one_picture_is_refused(run: Path, files: Path) -> None:
    with pytest.raises(ValueError, match="a walk goes from one picture to another"):
        project_files(run, [files / "0.png"], run.parent / "o", walk=run.parent / "w.png", backend="numpy")


def asked() -> Conditional:
    G, D = Sequential(Dense(LATENT + 3, 64), Reshape(8, 8, 1)), Sequential(Flatten(), Dense(64, 4))
    return Conditional(G, D, codes=[Category(3)])


REFUSED: dict[str, tuple[Any, type[Exception], str]] = {
    "another size": (lambda g: project(g, np.zeros((2, 7, 7))), ValueError, r"\(N, 8, 8, 1\) was expected"),
    "none": (lambda g: project(g, np.zeros((0, 8, 8))), ValueError, "was expected"),
    "whole numbers": (lambda g: project(g, np.zeros((2, 8, 8), int)), TypeError, "uint8, or floats"),
    "nan": (lambda g: project(g, np.full((2, 8, 8), np.nan)), ValueError, "pictures hold numbers that are not finite"),
    "no start": (lambda g: project(g, g.sample(1), starts=0), ValueError, "nowhere to descend from"),
    "a method": (lambda g: project(g, g.sample(1), method="newton"), ValueError, "least-squares or adam"),
    "features": (
        lambda g: project(g, g.sample(1), method="least-squares", features=1), ValueError, "descended by Adam alone"),
    "a rate": (lambda g: project(g, g.sample(1), lr=0), ValueError, "lr"),
    "an encoder of other latents": (
        lambda g: project(g, g.sample(2), lambda x: np.zeros((2, 3))), ValueError, r"numbers \(2, 5\) were expected"),
    "an encoder that fails": (
        lambda g: project(g, g.sample(1), lambda x: np.full((1, LATENT), np.inf)), ValueError, "finite"),
    "codes": (lambda g: project(asked(), g.sample(1)), ValueError, "asked by 3 numbers beside its noise"),
    "an encoder of codes": (lambda g: Encoder.learn(asked()), ValueError, "asked by 3 numbers beside its noise"),
    "an edit of codes": (
        lambda g: edit(asked(), np.zeros((1, 8)), g.sample(1), np.ones((1, 8, 8), bool)), ValueError, "beside"),
    "no game": (lambda g: project("a game", g.sample(1)), TypeError, "whose G makes samples of noise"),
    "packs": (
        lambda g: Encoder.learn(GAN(generator(), Sequential(Flatten(), Dense(128, 2), ReLU(), Dense(2, 1)), packing=2)),
        ValueError, "looks at 2 samples at once"),
    "a shallow D": (
        lambda g: Encoder.learn(GAN(generator(), Sequential(Flatten(), Dense(64, 1)))), ValueError, "one layer of"),
    "a batch of one": (lambda g: Encoder.learn(g, batch=1), ValueError, "batch must be an integer of 2 or more"),
    "a mask of numbers": (
        lambda g: edit(g, g.latents(1), g.sample(1), np.ones((1, 8, 8))), TypeError, "a mask is bool"),
    "a mask of another size": (
        lambda g: edit(g, g.latents(1), g.sample(1), np.ones((1, 4, 4), bool)), ValueError, "a mask of shape"),
    "two masks for three": (
        lambda g: edit(g, g.latents(3), g.sample(3), np.ones((2, 8, 8), bool)), ValueError, "a mask of shape"),
    "strokes for others": (
        lambda g: edit(g, g.latents(2), g.sample(1), np.ones((1, 8, 8), bool)), ValueError, "1 strokes were given"),
    "latents of others": (
        lambda g: edit(g, np.zeros((1, 3)), g.sample(1), np.ones((1, 8, 8), bool)), ValueError, "latents of shape"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused_in_a_sentence(gan: GAN, name: str) -> None:
    call, kind, sentence = REFUSED[name]
    with pytest.raises(kind, match=sentence):
        call(gan)


def test_a_broken_G_is_named() -> None:
    gan = game()
    gan.G.flat[...] = np.nan
    with np.errstate(invalid="ignore"), pytest.raises(NonFiniteError, match="errors of the GAN"):
        project(gan, np.zeros((1, 8, 8)), steps=2)


def test_the_way_down_returns_its_best() -> None:
    G = Sequential(Dense(1, 1), dtype="float64")
    G.load_state_dict({"0.weight": np.ones((1, 1)), "0.bias": np.zeros(1)})
    z, loss = descend(Aim(G, np.zeros((2, 1))), np.array([[1.0], [0.0]]), 50, 0.1)
    assert loss[1] == z[1] == 0
    np.testing.assert_allclose(loss[0], z[0, 0] ** 2)
    assert loss[0] < 1e-3


# --- the benchmark ---------------------------------------------------------------------------------------------


def test_the_benchmark_has_a_table_for_each_row(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program, (images, labels) = script("projection"), bars(60)
    for split, part in (("train", slice(40)), ("test", slice(40, 60))):
        for i, (image, label) in enumerate(zip(images[part], labels[part], strict=True)):
            place = tmp_path / "bars" / split / str(label)
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(place / f"{i:02}.png")
    monkeypatch.setattr(program, "REPEATS", 2)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    args = argparse.Namespace(
        data=str(tmp_path / "bars"), out=tmp_path, run=run, recipe="dcgan", steps=None, backend="numpy", n=8, descent=3,
        encoder_steps=2,
    )  # fmt: skip
    rows = [program.figures(name, 1, args) for name in program.ROWS]
    text = program.table(rows)
    assert all(f"bars, dcgan, 0 steps, seed 1: {name}{' (8)' * (name != 'latency')}\n" in text for name in program.ROWS)
    own, pictures, strokes, latency = (row["found"] for row in rows)
    assert [one["name"] for one in pictures[:3]] == [
        "the pictures themselves", "nearest training picture", "5 principal components"
    ]  # fmt: skip
    assert pictures[0]["error"] < 1e-12 < pictures[2]["error"] < pictures[1]["error"]
    named = {one["name"]: one["error"] for one in own}
    assert named["encoder, then descent"] < named["encoder"]
    assert len(named) == 4
    assert all(one["after"] < one["before"] for one in strokes)
    assert strokes[0]["outside"] < strokes[1]["outside"]
    assert len(latency) == 4
    assert len(list(run.glob("encoder-*.npz"))) == 2
    monkeypatch.setattr(program, "opened", None)  # all is there by now
    assert [program.figures(name, 1, args) for name in program.ROWS] == rows


def test_principal_components_are_those_of_the_book() -> None:
    program, train = script("projection"), bars(30)[0]
    x = RNG.uniform(-0.3, 0.3, (4, 64))
    flat = train.reshape(30, 64) / 127.5 - 1
    axes = np.linalg.svd(flat - flat.mean(axis=0))[2][:7]
    expected = flat.mean(axis=0) + (x - flat.mean(axis=0)) @ axes.T @ axes
    np.testing.assert_allclose(program.in_components(train, x, 7), expected.clip(-1, 1), atol=1e-6)
