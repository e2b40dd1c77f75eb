"""From one picture to another: what each player descends, pictures of any size, runs about pairs, what is learned."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from family import ASKED
from family import translation as small
from PIL import Image

import minigan
from minigan import (
    R1,
    Adam,
    BatchNorm,
    Conv2D,
    ConvTranspose2D,
    Dense,
    Flatten,
    Game,
    InjectedNoise,
    LeakyReLU,
    Residual,
    Sequential,
    Skip,
    Tanh,
    Translation,
)
from minigan.cli import main
from minigan.commands.translate import translate
from minigan.datasets import Dataset, load, to_float
from minigan.datasets.pairs import Pairs
from minigan.datasets.tasks import TASKS, make_pairs
from minigan.evaluation import evaluate
from minigan.evaluation.compare import _images
from minigan.evaluation.evaluator import held_out
from minigan.evaluation.sources import open_source
from minigan.evaluation.translations import Translated, draws_of, evaluate_translation, outputs_of
from minigan.game.tiles import Tiling, reach, step_of
from minigan.metrics import moments, psnr
from minigan.objectives import mean_absolute_error
from minigan.optim import Linear
from minigan.recipes import pix2pix
from minigan.recipes.options import recipe_options
from minigan.runs import pictures, sheets
from minigan.runs.data import BESIDE, paired
from minigan.theory import average_answer

Array = np.ndarray[Any, Any]
X = to_float(ASKED.inputs[:8], "float64")
Y = np.asarray(ASKED.images[:8], np.float64)[..., None]


def passes(game: Translation) -> list[dict[str, Any]]:
    """What each update of a turn has run, and what it descends, in the order in which updates end; nobody learns."""
    seen: list[dict[str, Any]] = []

    def look(up: Any) -> None:
        grads = {name: grad.copy() for net in up.player.nets for name, grad in net.grad_dict().items()}
        runs = [(p.net, p.x.copy(), p.condition) for p in up.passes]
        seen.append({"player": up.player, "loss": float(up.loss), "runs": runs, "grads": grads})

    game.tries = look
    game.turn(lambda player, source="real": (Y, X))
    game.tries = None
    return seen


# --- the algorithm ---------------------------------------------------------------------------------------------


def test_d_sees_pairs_and_g_what_d_says_of_its_own() -> None:
    game = small(dtype="float64")
    d, g = passes(game)
    assert [d["player"], g["player"]] == [game.d, game.g]
    (both,), (inputs,) = zip(*((x, c) for net, x, c in d["runs"] if net is game.D), strict=True)
    np.testing.assert_array_equal(both[:8], Y)
    np.testing.assert_array_equal(inputs, np.concatenate([X, X]))
    (own,), (beside,) = zip(*((x, c) for net, x, c in g["runs"] if net is game.D), strict=True)
    np.testing.assert_array_equal(own, both[8:])  # G is run once for both
    np.testing.assert_array_equal(beside, X)


def test_losses_are_means_over_patches_and_the_distance() -> None:
    game = small(dtype="float64", adversary=0.5, weight=3.0)
    d, g = passes(game)
    (both,) = (x for net, x, _ in d["runs"] if net is game.D)
    assert game.D is not None
    real, fake = (game.D(part, train=False, condition=X)[0] for part in (both[:8], both[8:]))
    assert real.shape == (8, 9)  # a logit for each of 3 x 3 patches
    assert d["loss"] == pytest.approx(np.logaddexp(0, -real).mean() + np.logaddexp(0, fake).mean())
    distance = abs(both[8:] - Y).mean()
    assert g["loss"] == pytest.approx(0.5 * np.logaddexp(0, -fake).mean() + 3 * distance)


def test_without_d_there_is_the_distance_alone() -> None:
    game = small(dtype="float64", adversary=0.0, distance="l2", weight=2.0)
    (g,) = passes(game)
    assert game.D is None
    assert [net for net, *_ in g["runs"]] == [game.G]
    history = game.fit(ASKED, 3, batch=6)
    assert not np.any([history[name] for name in ("d_loss", "g_loss", "d_real", "d_grad_norm")])
    assert list(game.players) == ["g"]
    assert len(game.panels()) == 1


def test_d_may_begin_alone(tmp_path: Path) -> None:
    game = small(dropout=0.3)
    before = game.G.flat.copy(), {name: array.copy() for name, array in game.G.buffers.items()}
    history = game.fit(ASKED, 2, batch=6, d_pretrain=3)
    assert (game.d.updates.value, game.steps) == (3 + 2, 2)
    alone = small(dropout=0.3)
    alone.fit(ASKED, 0, batch=6, d_pretrain=3)
    assert (alone.d.updates.value, alone.steps) == (3, 0)
    assert not np.array_equal(alone.D.flat, small().D.flat)  # type: ignore[union-attr]
    assert np.array_equal(alone.G.flat, before[0])  # which is held fixed, its statistics too
    assert all(np.array_equal(array, before[1][name]) for name, array in alone.G.buffers.items())
    assert np.array_equal(alone.fit(ASKED, 2, batch=6)["d_loss"], history["d_loss"])
    out = minigan.train("pix2pix", out=tmp_path / "run", steps=1, batch=4, d_pretrain=2, quiet=True, options=TINY)
    assert Game.load(out / "checkpoint.npz").players["d"].updates.value == 3
    with pytest.raises(ValueError, match="there is no D"):
        small(adversary=0.0).fit(ASKED, 1, d_pretrain=1)
    with pytest.raises(ValueError, match="there is no D"):
        minigan.train("pix2pix", out=tmp_path / "x", d_pretrain=2, quiet=True, options={"adversary": 0.0})
    assert not (tmp_path / "x").exists()


def test_a_penalty_is_on_the_mean_of_all_logits_of_a_picture() -> None:
    game = small(dtype="float64", penalties=[R1(2.0)])
    assert game.D is not None
    n_logits, h = 9, 1e-6
    d, _ = passes(game)
    metrics = game.turn(lambda player, source="real": (Y, X))
    direction = np.random.default_rng(0).standard_normal(Y.shape)

    def f(y: Array) -> Array:
        return game_before.D(y, train=False, condition=X)[0].mean(axis=1)  # type: ignore[union-attr,no-any-return]

    game_before = small(dtype="float64")
    grads = np.zeros_like(Y)
    for place in np.ndindex(*Y.shape[1:]):
        step = np.zeros_like(Y)
        step[(slice(None), *place)] = h
        grads[(slice(None), *place)] = (f(Y + step) - f(Y - step)) / (2 * h)
    assert d["player"] is game.d
    assert float(metrics["d_penalty"]) == pytest.approx((grads**2).reshape(8, -1).sum(axis=1).mean(), rel=1e-6)
    assert n_logits == game.judging.outputs  # type: ignore[union-attr]
    assert direction.shape == Y.shape


def test_the_absolute_error_and_its_gradient() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 4, 3))
    loss, grad = mean_absolute_error(a, b)
    assert loss == pytest.approx(abs(a - b).mean())
    np.testing.assert_allclose(grad, np.sign(a - b) / 12)
    with pytest.raises(ValueError, match="one shape"):
        mean_absolute_error(a, b[:2])


# --- noise -----------------------------------------------------------------------------------------------------


def test_injected_noise_is_one_number_a_pixel_and_never_still() -> None:
    net = Sequential(InjectedNoise(2, strength=1.0), seed=0)
    net.load_state_dict({"0.weight": np.array([1.0, -3.0], np.float32)})
    zeros = np.zeros((50, 9, 9, 2), np.float32)
    first, second = (net(zeros, train=False)[0] for _ in range(2))
    np.testing.assert_allclose(first[..., 1], -3 * first[..., 0], rtol=1e-6)
    assert not np.array_equal(first, second)
    assert abs(first[..., 0].mean()) < 0.1
    assert first[..., 0].std() == pytest.approx(1, abs=0.05)
    assert np.array_equal(Sequential(InjectedNoise(2), seed=0)(zeros)[0], zeros)  # as in StyleGAN, it begins with none
    with pytest.raises(ValueError, match="shape"):
        net(zeros[..., :1])


@pytest.mark.parametrize("noise", ["none", "dropout", "injected"])
def test_several_answers_need_noise_and_each_seed_has_its_own(noise: Any) -> None:
    game = pix2pix.build((8, 8), width=4, d_width=4, noise=noise, average=0.0)
    inputs = np.random.default_rng(0).integers(0, 256, (3, 8, 8), dtype=np.uint8)
    answers = [game.translate(inputs, seed) for seed in (1, 1, 2)]
    assert np.array_equal(answers[0], answers[1])
    assert np.array_equal(answers[0], answers[2]) == (noise == "none")


def test_no_two_batches_share_their_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    game = pix2pix.build((8, 8), width=4, d_width=4, noise="injected", average=0.0)
    twice = np.random.default_rng(0).integers(0, 256, (1, 8, 8), dtype=np.uint8).repeat(2, axis=0)
    monkeypatch.setattr("minigan.game.tiles.AT_ONCE", 1)
    first, second = game.translate(twice)
    assert not np.array_equal(first, second)


# --- pictures of any size --------------------------------------------------------------------------------------


def u_net() -> Sequential:
    net = pix2pix.u_net((16, 16, 1), 1, 3, 2, 1, "none", seed=0)
    rng = np.random.default_rng(0)
    state = {
        name: rng.uniform(0.5, 1.5, a.shape) if "var" in name else a + 0.1 * rng.standard_normal(a.shape)
        for name, a in net.state_dict().items()
    }
    net.load_state_dict(state)
    return net


def whole(size: tuple[int, int], tile: int | None) -> Array:
    game = Translation(u_net(), input_shape=(16, 16, 1), adversary=0.0, seed=0)
    pictures = np.random.default_rng(1).integers(0, 256, (2, *size), dtype=np.uint8)
    return game.translate(pictures, tile=tile)


@pytest.mark.parametrize("size", [(96, 120), (97, 50), (4, 4), (1, 9), (3, 200)])
@pytest.mark.parametrize("tile", [4, 36, 200])
def test_tiles_together_are_the_whole(size: tuple[int, int], tile: int) -> None:
    expected = whole(size, None)
    assert expected.shape == (2, *size, 1)
    np.testing.assert_allclose(whole(size, tile), expected, atol=1e-6)


def test_too_little_around_a_tile_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = whole((96, 120), None)
    monkeypatch.setattr("minigan.game.tiles.reach", lambda net: 4)
    assert abs(whole((96, 120), 36) - expected).max() > 1e-4


def test_tiles_are_as_large_as_memory_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    net = u_net()
    assert len(Tiling.of(net, (400, 400, 1)).tiles) == 1
    monkeypatch.setattr("minigan.limits.AT_ONCE", 1 << 23)
    assert 1 < len(Tiling.of(net, (400, 400, 1)).tiles) < 100
    np.testing.assert_allclose(whole((400, 300), None), whole((400, 300), 512), atol=1e-6)


def test_what_a_network_asks_of_a_size_and_how_far_it_looks() -> None:
    net = u_net()
    assert step_of(net, 1) == 4
    assert step_of(Sequential(Flatten(), Dense(16, 16)), 1) is None
    x = np.zeros((1, 64, 64, 1), np.float32)
    y = x.copy()
    y[0, 32, 32] = 1
    rows = np.flatnonzero((net(x, train=False)[0] != net(y, train=False)[0]).any(axis=(0, 2, 3)))
    assert 0 < 32 - rows.min() <= reach(net) < 64
    assert 0 < rows.max() - 32 <= reach(net)


def test_sides_that_are_no_multiples_are_continued_by_reflection() -> None:
    game = Translation(u_net(), input_shape=(16, 16, 1), adversary=0.0, seed=0)
    x = np.random.default_rng(1).uniform(-1, 1, (1, 14, 15, 1)).astype(np.float32)
    continued = np.pad(x, ((0, 0), (0, 2), (0, 1), (0, 0)), mode="reflect")
    np.testing.assert_array_equal(game.translate(x), game.translate(continued)[:, :14, :15])


@pytest.mark.parametrize(
    ("inputs", "error"),
    [
        (np.zeros((2, 8, 8, 3), np.uint8), r"\(N, H, W, 2\)"),
        (np.zeros((2, 8, 8), np.uint8), r"\(N, H, W, 2\)"),
        (np.zeros((0, 8, 8, 2), np.uint8), r"\(N, H, W, 2\)"),
    ],
)
def test_what_are_no_inputs_is_refused(inputs: Array, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        small().translate(inputs)


# --- what does not fit -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"adversary": 0.0, "weight": 0.0}, "nothing to descend"),
        ({"distance": "l3"}, "l3"),
        ({"input_shape": (6, 6, 1)}, "G cannot take inputs of shape"),
        ({"input_shape": (5, 5, 2)}, "G cannot take inputs of shape"),
        ({"penalties": [minigan.R1]}, "penalties must be objects"),
        ({"objective": "feature-matching"}, "feature matching needs"),
    ],
)
def test_games_that_cannot_be(options: dict[str, Any], error: str) -> None:
    with pytest.raises((ValueError, TypeError), match=error):
        small(**options)


def test_networks_that_do_not_fit_are_refused() -> None:
    G = Sequential(Conv2D(1, 1, 3, padding=1), Tanh())
    build = partial(Translation, G, input_shape=(6, 6, 1))
    with pytest.raises(ValueError, match="where there is no D"):
        build()
    with pytest.raises(ValueError, match="D must end in logits"):
        build(Sequential(Conv2D(2, 1, 3)))
    with pytest.raises(ValueError, match="D cannot take pictures"):
        build(Sequential(Conv2D(1, 1, 3), Flatten()))
    with pytest.raises(ValueError, match=r"R1.* cannot be put on this D"):
        build(Sequential(Conv2D(2, 1, 3), BatchNorm(1), Flatten()), penalties=[R1(1.0)])
    with pytest.raises(ValueError, match="as high and wide"):
        Translation(Sequential(Conv2D(1, 1, 3)), adversary=0.0, input_shape=(6, 6, 1))


def test_data_without_pairs_are_refused() -> None:
    game = small()
    with pytest.raises(ValueError, match="single pictures"):
        game.fit(ASKED.images, 1)
    with pytest.raises(ValueError, match="an input for each of 40 pictures, got 30"):
        game.fit(ASKED._replace(inputs=ASKED.inputs[:30]), 1)
    with pytest.raises(ValueError, match="minigan translate"):
        game.sample(3)


def test_another_schedule_of_noise_is_taken_over() -> None:
    game, plan = (small(instance_noise=Linear(0.5, 0.0, n)) for n in (4, 40))
    game.follow(plan)
    assert game.judging is not None
    assert game.judging.noise == game.instance_noise == Linear(0.5, 0.0, 40)


# --- recipe ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("patch", "field"), [(4, 4), (10, 10), (22, 22), (46, 46)])
def test_a_logit_sees_so_many_pixels(patch: int, field: int) -> None:
    D = pix2pix.patches((96, 96, 2), 2, patch, "none", seed=0, dtype="float64")
    y, back = D(np.random.default_rng(0).standard_normal((1, 96, 96, 2)))
    one = np.zeros_like(y)
    one[0, y.shape[1] // 2 + int(y.shape[1] ** 0.5) // 2] = 1  # about the middle of the map
    rows = np.flatnonzero(np.abs(back(one)).sum(axis=(0, 2, 3)))
    assert rows.max() - rows.min() + 1 == field


def test_every_task_can_be_asked_for() -> None:
    assert set(recipe_options("pix2pix")["task"].choices) == {*TASKS, BESIDE}


def test_networks_of_the_recipe() -> None:
    game = pix2pix.build((28, 28), channels=3)
    assert game.input_shape == [28, 28, 3]
    assert game.sample_shape == (28, 28, 1)
    assert isinstance(game.G.layers[0], Skip)
    kinds = [type(layer) for _, layer in game.G.chain.everything()]
    assert kinds.count(Conv2D) == 2 + 2 + 1  # halved to 7 x 7, a block, the end
    assert kinds.count(ConvTranspose2D) == 2
    assert kinds.count(Residual) == 1
    assert pix2pix.build((64, 64), halvings=9).G.size > pix2pix.build((64, 64), halvings=3).G.size
    assert pix2pix.build((8, 8), patch="image").judging.outputs == 1  # type: ignore[union-attr]
    for options, error in (
        ({"patch": 5}, "patch"), ({"patch": 94}, "too large"), ({"noise": "loud"}, "noise"),
        ({"d_norm": "x"}, "d_norm"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=error):
            pix2pix.build((8, 8), **options)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="must be even"):
        pix2pix.build((7, 8))
    with pytest.raises(ValueError, match="has 2 channels and not 1"):
        pix2pix.build((8, 8), channels=2, residual=True)


def test_a_residual_begins_as_next_to_nothing() -> None:
    game = pix2pix.build((8, 8), width=4, d_width=4, residual=True)
    inputs = np.random.default_rng(0).integers(0, 256, (3, 8, 8), dtype=np.uint8)
    assert 0 < abs(game.translate(inputs)[..., 0] - to_float(inputs)).max() < 0.3


# --- runs ------------------------------------------------------------------------------------------------------

SHAPE = {"steps": 4, "batch": 8, "quiet": True}
TINY = {"width": 2, "d_width": 2}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Twelve pictures in colour, 16 x 16, in a folder."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for i, picture in enumerate(np.random.default_rng(0).integers(0, 256, (12, 16, 16, 3), dtype=np.uint8)):
        Image.fromarray(picture).save(folder / f"{i}.png")
    return folder


def test_a_run_about_a_task_resumes_and_is_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIGAN_CACHE", str(tmp_path / "cache"))
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    options = {**TINY, "task": "next-frame", "noise": "injected"}
    data = tmp_path / "some.npz"
    digits = load("digits")
    minigan.archive.save(data, {"images": digits.images[::20], "labels": digits.labels[::20].astype(np.int64)})
    minigan.train("pix2pix", data, out=whole, **SHAPE, options=options)
    minigan.train("pix2pix", data, out=parts, **{**SHAPE, "steps": 2}, options={**options, "decay_steps": 0})
    config = json.loads((whole / "config.json").read_text())
    assert config["options"]["channels"] == 2
    assert config["images"]["shape"] == [32, 32]
    assert {"samples.png", "training.gif", "losses.png"} <= {path.name for path in whole.iterdir()}
    minigan.resume(parts, steps=4, quiet=True)
    report = evaluate([whole, parts], backend="numpy")
    rival, first, second = report.translated
    assert rival.name == "last frame"
    assert rival.covered == pytest.approx(0.2)  # one of five
    assert first.covered is not None
    assert first.covered >= 0.2
    assert first.n == second.n == 100
    assert first.ssim is not None
    assert "made of pictures" in report.text()
    with pytest.raises(ValueError, match="folder of its run"):
        evaluate([whole / "checkpoint.npz"], data)


def test_a_resumed_run_is_the_same_as_one_that_was_not_stopped(tmp_path: Path, photos: Path) -> None:
    runs = [tmp_path / "a", tmp_path / "b"]
    options = {**TINY, "noise": "dropout", "decay_steps": 0}
    minigan.train("pix2pix", photos, out=runs[0], **SHAPE, options=options)
    minigan.train("pix2pix", photos, out=runs[1], **{**SHAPE, "steps": 1}, options=options)
    minigan.resume(runs[1], steps=4, quiet=True)
    first, second = (Game.load(run / "checkpoint.npz") for run in runs)
    assert np.array_equal(first.networks["G"].flat, second.networks["G"].flat)
    assert json.loads((runs[0] / "config.json").read_text())["options"]["task"] == "superresolve"  # where none is named


def test_pairs_of_files_take_no_task_and_can_be_swapped(tmp_path: Path) -> None:
    inputs, targets = np.random.default_rng(0).integers(0, 256, (2, 12, 8, 8), dtype=np.uint8)
    minigan.archive.save(tmp_path / "pairs.npz", {"inputs": inputs, "targets": targets})
    for swap in (False, True):
        out = minigan.train(
            "pix2pix", tmp_path / "pairs.npz", out=tmp_path / f"run {swap}", **SHAPE, options={**TINY, "swap": swap}
        )
        assert json.loads((out / "config.json").read_text())["options"]["task"] is None
        data = paired(load(tmp_path / "pairs.npz"), {"task": None, "swap": swap})
        assert np.array_equal(data.images, inputs if swap else targets)
    with pytest.raises(ValueError, match="holds pairs already"):
        minigan.train("pix2pix", tmp_path / "pairs.npz", out=tmp_path / "x", **SHAPE, task="derain", **TINY)
    with pytest.raises(ValueError, match="no task says how"):
        translate(tmp_path / "run False", [tmp_path / "pairs.npz"], tmp_path / "y.npz", make_inputs=True)


def test_pictures_side_by_side_are_pairs(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (12, 8, 16), dtype=np.uint8)
    minigan.archive.save(tmp_path / "both.npz", {"images": images})
    out = minigan.train("pix2pix", tmp_path / "both.npz", out=tmp_path / "run", **SHAPE, task="side-by-side", **TINY)
    minigan.resume(out, steps=5, quiet=True)
    assert json.loads((out / "config.json").read_text())["images"]["shape"] == [8, 8]
    data = paired(load(tmp_path / "both.npz"), {"task": "side-by-side", "swap": False})
    assert isinstance(data, Pairs)
    assert np.array_equal(np.concatenate([data.inputs, data.images], axis=2), images)


def test_a_sheet_shows_the_present_of_two_frames_and_colour_where_there_is_some() -> None:
    frames = np.stack([np.full((3, 8, 8), 50, np.uint8), np.full((3, 8, 8), 90, np.uint8)], axis=3)
    grey = sheets.sheet({"input": frames, "wanted": frames[..., 1]})
    assert grey.ndim == 2
    assert 90 in grey
    assert 50 not in grey
    assert sheets.sheet({"input": frames[..., 0], "wanted": np.zeros((3, 8, 8, 3), np.uint8)}).ndim == 3


def test_the_pixels_of_inputs_tell_data_apart() -> None:
    images = np.random.default_rng(0).integers(0, 256, (12, 8, 8), dtype=np.uint8)
    one, other = (Pairs(images, None, "x", inputs=part) for part in (images, 255 - images))
    assert minigan.runs.data.fingerprint(one) != minigan.runs.data.fingerprint(other)


# --- how well it is done ---------------------------------------------------------------------------------------


def judged(pairs: Pairs, outputs: Array, **options: Any) -> Translated:
    unlabelled = SimpleNamespace(classes=None, features=lambda images: images.reshape(len(images), -1)[:, ::100])
    wanted = moments(unlabelled.features(pairs.images))
    return evaluate_translation(outputs, pairs, unlabelled, "x", wanted, **options)  # type: ignore[arg-type]


def test_only_the_hole_is_compared_and_what_was_known_stays() -> None:
    pairs = make_pairs(load("digits"), "inpaint").of(slice(0, 20))
    inside, outside = pairs.images.copy(), pairs.images.copy()
    outside[:, :7] ^= 255
    inside[:, 7:21, 7:21] ^= 255
    assert judged(pairs, outside).psnr == np.inf
    hole = np.zeros((28, 28), bool)
    hole[7:21, 7:21] = True
    assert judged(pairs, inside).psnr == pytest.approx(psnr(inside, pairs.images, mask=hole).mean())
    assert judged(pairs, inside).ssim is None
    game = pix2pix.build((28, 28), width=2, d_width=2)
    made = outputs_of(game, pairs)
    assert np.array_equal(made[:, ~hole], pairs.images[:, ~hole])
    assert not np.array_equal(made[:, hole], pairs.images[:, hole])


def test_an_enlargement_is_compared_without_its_border() -> None:
    pairs = make_pairs(load("digits"), "superresolve").of(slice(0, 20))
    outputs = pairs.images.copy()
    outputs[:, :4] ^= 255
    assert (judged(pairs, outputs).psnr, judged(pairs, outputs).ssim) == (np.inf, 1.0)
    blurred = judged(pairs, pairs.inputs)
    assert blurred.energy < 0.2
    assert judged(pairs, pairs.images).energy == pytest.approx(1)
    assert blurred.psnr == pytest.approx(psnr(pairs.inputs, pairs.images, border=4).mean())


def test_the_pictures_wanted_are_no_distance_from_themselves_in_any_order() -> None:
    pairs = make_pairs(load("digits"), "derain").of(slice(0, 200))
    assert judged(pairs, pairs.images[::-1]).frechet == pytest.approx(0, abs=1e-6)
    assert judged(pairs, pairs.inputs).frechet > 1


def test_colours_count_where_luminance_was_given() -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)
    pairs = make_pairs(Dataset(images, None, "noise"), "colourise")
    grey = np.repeat(pairs.inputs[..., None], 3, axis=3)
    error = ((grey.astype(float) - images) ** 2).reshape(5, -1).mean(axis=1)
    assert judged(pairs, grey).psnr == pytest.approx((10 * np.log10(255**2 / error)).mean())


def test_answers_are_those_of_the_questions() -> None:
    """In evaluate as well: of the pictures held out, at their places in all of the data."""
    data = load("digits").of(slice(0, 300))
    rest = held_out(len(data))[1]
    pairs = make_pairs(data, "next-frame").of(rest)
    own = judged(pairs, pairs.images, answers=lambda rows: TASKS["next-frame"].answers(data, "train", rest[rows]))
    assert own.nearest == pytest.approx(0)
    assert own.mean is not None
    assert own.mean > 10
    assert own.covered == pytest.approx(0.2)

    def draws(inputs: Array) -> Array:
        several = np.flatnonzero(TASKS["next-frame"].answers(data, "train", rest)[1])[: len(inputs)]
        return TASKS["next-frame"].answers(data, "train", rest[several])[0]

    known = TASKS["next-frame"].answers
    whole = judged(pairs, pairs.images, answers=lambda rows: known(data, "train", rest[rows]), draws=draws)
    assert whole.covered == pytest.approx(1)


def test_the_answers_in_evaluate_belong_to_the_pictures(tmp_path: Path) -> None:
    data = load("digits").of(slice(0, 300))
    for splits in (("",), ("_train", "_test")):
        name = "x" if len(splits) == 2 else "images"
        arrays = {f"{name}{split}": data.images[i::2] for i, split in enumerate(splits)}
        minigan.archive.save(tmp_path / "data.npz", arrays)
        out = minigan.train(
            "pix2pix", tmp_path / "data.npz", out=tmp_path / str(len(splits)), **SHAPE, task="next-frame", **TINY
        )
        source = open_source(out, minigan.get_backend("numpy"))
        train, test, answers = _images([source], None, "")
        assert answers is not None
        asked = train.of(held_out(len(train))[1]) if test is None else test
        right, several = answers(np.arange(len(asked)))
        assert (right == asked.images[:, None]).all(axis=(2, 3)).any(axis=1).all()
        assert 0 < several.mean() < 1


def test_draws_of_a_game_differ_by_their_noise() -> None:
    inputs = np.random.default_rng(0).integers(0, 256, (2, 8, 8), dtype=np.uint8)
    still, moved = (
        draws_of(pix2pix.build((8, 8), width=2, d_width=2, noise=noise, average=0.0), (8, 8))(inputs)
        for noise in ("none", "injected")
    )
    assert still.shape == moved.shape == (2, 100, 8, 8)
    assert (still == still[:, :1]).all()
    assert not (moved == moved[:, :1]).all()


# --- minigan translate -----------------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path: Path, photos: Path) -> Path:
    return minigan.train("pix2pix", photos, out=tmp_path / "run", **SHAPE, options={**TINY, "task": "inpaint"})


def test_pictures_of_any_size_go_in_and_come_out(run: Path, photos: Path, tmp_path: Path) -> None:
    large = np.random.default_rng(3).integers(0, 256, (45, 70), dtype=np.uint8)
    Image.fromarray(large).save(tmp_path / "large.png")  # grey, for a G of colours
    out, sheet = tmp_path / "out", tmp_path / "sheet.png"
    assert main(["translate", str(run), str(photos), "--out", str(out), "--sheet", str(sheet)]) == 0
    assert {path.name for path in out.iterdir()} == {f"{i}.png" for i in range(12)}
    assert Image.open(sheet).width == 2 * 2 * (16 + 2) + 2  # two questions in a row, before and after
    translate(run, [tmp_path / "large.png"], tmp_path / "large")
    assert Image.open(tmp_path / "large" / "large.png").size == (70, 45)
    given = np.asarray(Image.open(photos / "3.png"))
    result = np.asarray(Image.open(out / "3.png"))
    assert np.array_equal(result[0], given[0])  # what is beside the hole stays
    assert not np.array_equal(result[8], given[8])


def test_inputs_are_made_and_results_compared(run: Path, photos: Path, tmp_path: Path) -> None:
    count, figures = translate(run, [photos / "0.png", photos / "1.png"], tmp_path / "out", make_inputs=True)
    wanted = np.stack([np.asarray(Image.open(photos / f"{i}.png")) for i in (0, 1)])
    results = np.stack([np.asarray(Image.open(tmp_path / "out" / f"{i}.png")) for i in (0, 1)])
    inputs = make_pairs(Dataset(wanted, None, "x"), "inpaint").inputs
    assert count == 2
    assert figures == pytest.approx((psnr(inputs, wanted).mean(), psnr(results, wanted).mean()))


def test_small_pictures_are_enlarged(tmp_path: Path, photos: Path) -> None:
    out = minigan.train("pix2pix", photos, out=tmp_path / "sr", **SHAPE, options={**TINY, "task": "superresolve"})
    Image.fromarray(np.zeros((5, 6, 3), np.uint8)).save(tmp_path / "small.png")
    translate(out, [tmp_path / "small.png"], tmp_path / "made")
    assert Image.open(tmp_path / "made" / "small.png").size == (24, 20)


def test_arrays_become_arrays(run: Path, tmp_path: Path) -> None:
    inputs = np.random.default_rng(0).integers(0, 256, (3, 12, 20, 3), dtype=np.uint8)
    minigan.archive.save(tmp_path / "in.npz", {"inputs": inputs})
    assert translate(run, [tmp_path / "in.npz"], tmp_path / "out.npz") == (3, None)
    images = minigan.archive.load(tmp_path / "out.npz")[0]["images"]
    assert images.shape == inputs.shape
    assert images.dtype == np.uint8


def test_what_cannot_be_translated_is_refused_before_anything_is_written(
    run: Path, photos: Path, tmp_path: Path
) -> None:
    picture = photos / "0.png"
    (tmp_path / "empty").mkdir()
    minigan.archive.save(tmp_path / "other.npz", {"pictures": np.zeros((2, 4, 4), np.uint8)})
    out = tmp_path / "out"
    for files, target, error in (
        ([tmp_path / "no.png"], out, "there is no"),
        ([tmp_path / "empty"], out, "no pictures in"),
        ([picture], tmp_path / "out.npz", "pictures become pictures in a folder"),
        ([tmp_path / "other.npz"], out, "pictures become pictures in a folder"),
        ([tmp_path / "other.npz"], tmp_path / "out.npz", "no array 'inputs'"),
        ([picture], photos, "not an empty folder"),
        ([picture, picture], out, "have one name"),
    ):
        with pytest.raises((ValueError, FileNotFoundError), match=error):
            translate(run, files, target)
    with pytest.raises(FileNotFoundError, match="there is no"):
        translate(tmp_path / "nowhere", [picture], out)
    minigan.train("gan", out=tmp_path / "gan", steps=1, quiet=True)
    with pytest.raises(ValueError, match="holds a GAN"):
        translate(tmp_path / "gan", [picture], out)
    assert not out.exists()
    assert not (tmp_path / "out.npz").exists()


# --- does it learn? --------------------------------------------------------------------------------------------


def test_it_learns_to_enlarge_digits_better_than_bicubic() -> None:
    digits = make_pairs(load("digits"), "superresolve")
    train, test = digits.of(slice(0, None, 2)), digits.of(slice(1, 2000, 20))
    game = pix2pix.build((28, 28), width=6, d_width=4, blocks=0, steps=60, average=0.0, lr=1e-2)
    before = psnr(outputs(game, test), test.images).mean()
    game.fit(train, 60, batch=16)
    bicubic, after = psnr(test.inputs, test.images).mean(), psnr(outputs(game, test), test.images).mean()
    assert before < bicubic < after - 1


def outputs(game: Translation, pairs: Pairs) -> Array:
    return minigan.datasets.to_uint8(game.translate(pairs.inputs)[..., 0])


def test_the_study_draws_balls_and_all_right_answers() -> None:
    pairs, right = average_answer.bounces(50, seed=3)
    assert right.shape == (50, 5, 24, 24)
    assert (right == pairs.images[:, None]).all(axis=(2, 3)).sum(axis=1).tolist() == [
        1
    ] * 50  # one of the five, each time
    area = pairs.inputs.sum(axis=(1, 2)) / 255
    assert np.allclose(area, np.pi * average_answer.RADIUS**2, rtol=0.1)
    rows, columns = np.mgrid[:24, :24]

    def centre(balls: Array) -> Array:
        weight = balls / balls.sum(axis=(-1, -2), keepdims=True)
        return np.stack([(weight * rows).sum(axis=(-1, -2)), (weight * columns).sum(axis=(-1, -2))], axis=-1)

    way = centre(right) - centre(pairs.inputs)[:, None]
    assert np.allclose(np.hypot(*way.transpose(2, 0, 1)), average_answer.FAR, atol=0.1)
    assert np.allclose(np.arctan2(way[..., 1], -way[..., 0]), average_answer.DIRECTIONS, atol=0.02)


def test_the_study_says_what_it_has_found() -> None:
    found = average_answer.experiment(0, minigan.get_backend("numpy"), lambda sentence: None, steps=2)
    assert [finding.what.partition(":")[0] for finding in found.findings()].count("game") == 3
    figure = pictures.new_figure(found.size)
    found.draw(figure)
    assert len(figure.axes) == average_answer.SHOWN * 13
    squares = average_answer.Answers("L2", found.game.draws, 30.0, 10.0, 0.1, 0.2)
    game = average_answer.Answers("game", found.game.draws, 10.0, 30.0, 1.0, 0.9)
    well = average_answer.Answered(found.inputs, found.right, squares, squares, game)
    assert all(finding.holds for finding in well.findings())
    wrong = average_answer.Answered(found.inputs, found.right, game, game, squares)
    assert not any(finding.holds for finding in wrong.findings())


def test_a_game_of_one_rule_has_the_same_for_d() -> None:
    rule = Adam(3e-4)
    assert small(optimizer=rule, d_optimizer=None).d_optimizer == rule
    assert isinstance(small().G.layers[-1], Tanh)
    assert any(isinstance(layer, LeakyReLU) for layer in small().D.layers)  # type: ignore[union-attr]
