"""The refiner: its history, what comes before its game, its data, its run, its command, and whether it learns."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from family import DRAWN, refinement
from PIL import Image
from scripts import script

import minigan
from minigan import (
    SGD,
    VAT,
    AvgPool2D,
    BatchNorm,
    Conv2D,
    Flatten,
    Game,
    GaussianNoise,
    LeakyReLU,
    Refinement,
    Sequential,
    Tanh,
    datasets,
)
from minigan.cli import main
from minigan.commands.refine import refine
from minigan.datasets import Dataset
from minigan.datasets.unpaired import Unpaired, unpaired
from minigan.evaluation.refinements import evaluate_refinement
from minigan.game import Play
from minigan.game.update import purpose_of
from minigan.recipes import simgan
from minigan.runs.sheets import change

Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(0)
TINY: dict[str, Any] = {
    "width": 4,
    "blocks": 1,
    "d_width": 4,
    "patch": 4,
    "history": 40,
    "g_pretrain": 3,
    "f_pretrain": 4,
}
SHAPE: dict[str, Any] = {"steps": 3, "batch": 6, "quiet": True, "sample_every": 2, "backend": "numpy"}


# --- the history -----------------------------------------------------------------------------------------------


def past_of(game: Refinement) -> Array:
    return np.array(game.state()["history"])


def test_the_history_begins_with_drawings_and_takes_in_what_is_refined() -> None:
    game = refinement(history=9, d_optimizer=SGD(1e-9), optimizer=SGD(1e-9))
    play = Play(game, DRAWN, batch=6)
    drawings = DRAWN.inputs / np.float32(127.5) - 1
    begun = past_of(game)
    assert all(any(np.allclose(one, other, atol=1e-6) for other in drawings) for one in begun)
    seen: list[int] = []
    for _ in range(3):  # three come in each update: after three, all nine have been replaced
        before = past_of(game)
        play.play(1)
        now = past_of(game)
        replaced = [i for i in range(9) if not np.array_equal(before[i], now[i])]
        assert len(replaced) == 3
        seen += replaced
        assert not any(np.allclose(now[i], one, atol=1e-3) for i in replaced for one in drawings)
    assert sorted(seen) == list(range(9))


def test_what_d_sees_is_half_new_and_half_from_the_history(monkeypatch: pytest.MonkeyPatch) -> None:
    game = refinement(history=9)
    play = Play(game, DRAWN, batch=7)
    shown: list[Array] = []
    judging = game.judging
    assert judging is not None
    original = type(judging).__call__

    def watched(self: Any, up: Any, real: Array, fakes: Array, **rest: Any) -> Any:
        shown.append(fakes.copy())
        return original(self, up, real, fakes, **rest)

    monkeypatch.setattr(type(judging), "__call__", watched)
    before = past_of(game)
    play.play(1)
    picks = np.empty(3, np.int64)
    game.backend.minibatch(picks, 9, 0, 3, (game.seed + purpose_of("history")) % 2**64)
    np.testing.assert_array_equal(shown[0][4:], before[picks])
    slots = np.empty(4, np.int64)
    game.backend.minibatch(slots, 9, 0, 4, (game.seed + purpose_of("replaced")) % 2**64)
    np.testing.assert_array_equal(past_of(game)[slots], shown[0][:4])


def test_an_update_that_is_only_tried_leaves_the_history_alone() -> None:
    game = refinement()
    Play(game, DRAWN, batch=6).play(2)
    before = past_of(game)
    minigan.gradcheck_game(game, DRAWN, batch=6, directions=1)
    np.testing.assert_array_equal(past_of(game), before)


def test_an_update_that_fails_leaves_the_history_alone() -> None:
    game = refinement()
    play = Play(game, DRAWN, batch=6)
    play.play(1)
    before = past_of(game)
    assert game.D is not None
    next(iter(game.D.parameters.values())).data[...] = np.nan
    with pytest.raises(minigan.NonFiniteError):
        play.play(1)
    np.testing.assert_array_equal(past_of(game), before)


def test_without_a_history_all_are_new() -> None:
    game = refinement(history=0)
    assert game.state() == {}
    assert [game.size(source, 7) for source in ("real", "fresh", "drawings")] == [7, 7, 7]
    with pytest.raises(ValueError, match=r"a history of 3 .* 4 pictures come to it"):
        refinement(history=3).fit(DRAWN, 1, batch=8)


def test_a_file_with_another_history_is_refused(tmp_path: Path) -> None:
    game = refinement(history=9)
    game.fit(DRAWN, 1, batch=6)
    game.save(tmp_path / "game.npz")
    arrays, header = minigan.archive.load(tmp_path / "game.npz")
    for history, what in ((8, "a history of 8"), (10**9, "a history of 1000000000"), (-1, "history")):
        changed = json.loads(json.dumps(header))
        changed["game"]["history"] = history
        minigan.archive.save(tmp_path / "other.npz", arrays, changed)
        with pytest.raises(ValueError, match=what):
            Game.load(tmp_path / "other.npz")


# --- before the game -------------------------------------------------------------------------------------------


def test_g_learns_to_change_nothing_and_then_d_to_tell() -> None:
    rules: dict[str, Any] = {"optimizer": SGD(0.1), "d_optimizer": SGD(0.1), "seed": 1}
    untrained, game = (refinement(g_pretrain=n, **rules) for n in (0, 200))
    game.fit(DRAWN, 0, batch=6, d_pretrain=10)
    assert (game.begun, game.steps, game.d.updates.value) == (210, 0, 10)

    def changed(of: Refinement) -> float:
        return float(np.abs(of.translate(DRAWN.inputs) - (DRAWN.inputs / 127.5 - 1)).mean())

    assert changed(game) < 0.8 * changed(untrained)
    game.fit(DRAWN, 2, batch=6, d_pretrain=10)
    assert (game.begun, game.steps) == (210, 2)


def test_what_comes_before_can_be_interrupted() -> None:
    whole, parts = refinement(g_pretrain=5), refinement(g_pretrain=5)
    whole.fit(DRAWN, 2, batch=6, d_pretrain=3)
    play = Play(parts, DRAWN, 6)
    for updates in (2, 4, 6, 8):
        play.begin(updates)
        assert parts.begun == updates
    play.play(2)
    for name, net in whole.networks.items():
        np.testing.assert_array_equal(net.flat, parts.networks[name].flat)
    np.testing.assert_array_equal(past_of(whole), past_of(parts))


@pytest.mark.parametrize("who", ["G, by pixels", "G, by features", "features"])
def test_the_gradients_of_who_learns_before_the_game(who: str) -> None:
    rules = {"features": True} if who == "G, by features" else {"f_pretrain": 1} if who == "features" else {}
    game = refinement("reference", "float64", g_pretrain=1, **rules)
    drawings, classes = RNG.uniform(-1, 1, (5, 6, 6, 2)), np.eye(3)[[0, 1, 2, 0, 1]]
    player = game.f if who == "features" else game.alone
    (net,) = player.nets
    direction = RNG.standard_normal(net.size)
    losses, slope, start, h = [], 0.0, net.flat.copy(), 1e-6
    for step in (-h, h, 0.0):
        found: list[Any] = []
        game.tries, player.shift = found.append, 0  # the same noise each time
        net.flat[...] = start + step * direction
        if who == "features":
            losses.append(float(game.learn_classes(drawings, classes)))
        else:
            losses.append(float(game.learn_to_change_nothing(drawings)))
        slope = float(net.flat_grad @ direction)
        assert len(found) == 1
    assert (losses[1] - losses[0]) / (2 * h) == pytest.approx(slope, rel=1e-6)


def test_features_are_those_that_they_have_in_use() -> None:
    same = Sequential(Conv2D(2, 2, 1))
    same.parameters["0.weight"].data[...] = np.eye(2).reshape(same.parameters["0.weight"].shape)
    noisy = Sequential(GaussianNoise(5.0), Conv2D(2, 3, 3))
    game = Refinement(same, None, noisy, input_shape=(6, 6, 2), adversary=0.0, optimizer=SGD(1e-9))
    assert game.fit(DRAWN, 1, batch=6)["distance"][0] < 1e-5


@pytest.mark.parametrize("relative", [False, True])
def test_features_see_real_pictures_by_vat_alone(relative: bool) -> None:
    vat = VAT(0.5, epsilon=0.3, relative=relative)
    others = DRAWN._replace(images=DRAWN.images[::-1] * np.float32(0.5))

    def learned(data: Any, vat: VAT | None) -> Array:
        game = refinement(f_pretrain=3, vat=vat)
        Play(game, data, 6).begin(3)
        assert game.features is not None
        return np.array(game.features.flat)

    plain = learned(DRAWN, None)
    np.testing.assert_array_equal(plain, learned(others, None))
    assert not np.array_equal(plain, learned(DRAWN, vat))
    assert not np.array_equal(learned(DRAWN, vat), learned(others, vat))


def test_features_learn_the_classes_of_drawings_and_then_rest() -> None:
    game = refinement(f_pretrain=300, g_pretrain=2, f_optimizer=minigan.Adam(1e-2))
    play = Play(game, DRAWN, 13)
    play.begin(300)
    assert game.features is not None
    learned = game.features.flat.copy()
    logits, _ = game.features(DRAWN.inputs / np.float32(127.5) - 1, train=False)
    assert (logits.argmax(axis=1) == np.asarray(DRAWN.input_labels) - 5).all()
    play.begin(game.before(0))
    play.play(2)
    np.testing.assert_array_equal(game.features.flat, learned)
    with pytest.raises(ValueError, match="0 classes of labels, but features were to learn 3"):
        refinement(f_pretrain=2).fit(DRAWN._replace(input_labels=None), 1, batch=6)
    with pytest.raises(ValueError, match="no features to learn"):
        Refinement(game.G, game.D, input_shape=(6, 6, 2), f_pretrain=2)


def test_updates_that_nobody_can_make_are_refused() -> None:
    with pytest.raises(ValueError, match="5 updates of D alone were asked for, but there is no D"):
        refinement(adversary=0.0, g_pretrain=2).fit(DRAWN, 1, batch=6, d_pretrain=5)
    with pytest.raises(ValueError, match="no distance for G to learn from"):
        refinement(weight=0.0, g_pretrain=2)


# --- networks and data that fit --------------------------------------------------------------------------------


def test_networks_that_do_not_fit_are_refused() -> None:
    G = Sequential(Conv2D(1, 1, 3, padding=1), Tanh())
    D = Sequential(Conv2D(1, 1, 3), Flatten())
    build = partial(Refinement, G, input_shape=(6, 6, 1))
    with pytest.raises(ValueError, match="where there is no D"):
        build()
    with pytest.raises(ValueError, match="D must end in logits"):
        build(Sequential(Conv2D(1, 1, 3)))
    with pytest.raises(ValueError, match=r"D cannot take pictures of shape \(6, 6, 1\): "):
        build(Sequential(Conv2D(2, 1, 3), Flatten()))
    with pytest.raises(ValueError, match="features cannot take pictures"):
        build(D, Sequential(AvgPool2D(4)))
    with pytest.raises(ValueError, match=r"must make \(6, 6, 1\) of a drawing"):
        Refinement(Sequential(Conv2D(1, 2, 3, padding=1)), adversary=0.0, input_shape=(6, 6, 1))
    with pytest.raises(ValueError, match="as high and wide"):
        Refinement(Sequential(Conv2D(1, 1, 3)), adversary=0.0, input_shape=(6, 6, 1))
    game = build(D, history=9)
    with pytest.raises(ValueError, match="pictures of one kind"):
        game.fit(RNG.uniform(-1, 1, (9, 6, 6)).astype(np.float32), 1)
    with pytest.raises(ValueError, match="minigan refine"):
        game.sample(3)


def test_drawings_become_like_the_images_in_shape_and_in_the_numbers_of_their_labels() -> None:
    grey, large = np.zeros((4, 6, 6), np.uint8), np.full((3, 12, 12), 9, np.uint8)
    real = Dataset(grey, ["seven", "one", "two", "seven"], "real")
    data = unpaired(real, Dataset(large, ["two", "seven", "two"], "drawn"))
    assert repr(data) == "Unpaired('real', 4 images of (6, 6), 3 classes: one, seven, two, 3 drawings of 'drawn')"
    assert data.inputs.shape == (3, 6, 6)
    assert np.asarray(data.input_labels).tolist() == [2, 1, 2]
    assert data.drawings.classes == {1: "seven", 2: "two"}
    assert len(data.of(slice(2)).inputs) == 3
    assert data.scaled(3).inputs.shape[1:] == data.scaled(3).image_shape == (3, 3)
    assert unpaired(real, Dataset(large, ["six", "one", "six"], "drawn")).input_labels is None  # of no known class
    coloured = unpaired(Dataset(np.zeros((4, 6, 6, 3), np.uint8), None, "real"), Dataset(large, [7, 1, 7], "drawn"))
    assert coloured.inputs.shape == (3, 6, 6, 3)
    assert np.asarray(coloured.input_labels).tolist() == [7, 1, 7]
    with pytest.raises(ValueError, match="make both grey or both"):
        unpaired(real, Dataset(np.zeros((2, 6, 6, 3), np.uint8), None, "drawn"))


# --- a run, and what is made of it -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """real.npz and drawn.npz, with labels."""
    folder = tmp_path_factory.mktemp("files")
    for name, n, seed in (("real", 60, 1), ("drawn", 25, 2)):
        rng = np.random.default_rng(seed)
        arrays = {"images": rng.integers(0, 256, (n, 8, 8), np.uint8), "labels": np.arange(n) % 3}
        minigan.archive.save(folder / f"{name}.npz", arrays)
    return folder


@pytest.fixture(scope="module")
def run(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    options = TINY | {"synthetic": str(files / "drawn.npz")}
    return minigan.train("simgan", files / "real.npz", out=tmp_path_factory.mktemp("run"), **SHAPE, options=options)


def test_a_run_shows_drawings_what_became_of_them_and_the_change(run: Path) -> None:
    sheet = np.asarray(Image.open(run / "samples.png"))
    assert sheet.shape[1] > 9 * 8  # three drawings or more in a row, and two pictures beside each
    assert {path.name for path in run.iterdir()} >= {"losses.png", "training.gif", "checkpoint.npz"}
    assert change(np.array([0, 9, 255], np.uint8), np.array([255, 9, 0], np.uint8)).tolist() == [255, 128, 0]


def test_a_run_goes_on_bit_for_bit_with_its_history_and_drawings_that_were_moved(files: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved.npz"
    moved.write_bytes((files / "drawn.npz").read_bytes())
    begin = partial(minigan.train, "simgan", files / "real.npz", **SHAPE | {"steps": 5})
    options = TINY | {"synthetic": str(files / "drawn.npz")}
    whole = begin(out=tmp_path / "whole", options=options)
    first = begin(out=tmp_path / "first", options=TINY | {"synthetic": str(moved)})
    again = minigan.train("simgan", files / "real.npz", **SHAPE, out=tmp_path / "again", options=options)
    minigan.resume(again, 5, synthetic=moved, quiet=True)
    assert json.loads((again / "config.json").read_text())["options"]["synthetic"] == str(moved)
    games = [Game.load(folder / "checkpoint.npz") for folder in (whole, first, again)]
    for game in games[1:]:
        np.testing.assert_array_equal(games[0].state()["history"], game.state()["history"])
        np.testing.assert_array_equal(games[0].networks["G"].flat, game.networks["G"].flat)
    with pytest.raises(ValueError, match="cannot go on with other settings"):
        minigan.resume(again, 6, synthetic=files / "real.npz", quiet=True)


def test_files_are_refined(run: Path, files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in").mkdir()
    Image.fromarray(RNG.integers(0, 256, (14, 20), np.uint8)).save(tmp_path / "in" / "large.png")
    Image.fromarray(RNG.integers(0, 256, (8, 8, 3), np.uint8)).save(tmp_path / "in" / "coloured.png")
    refine(run, [tmp_path / "in"], tmp_path / "out")
    assert Image.open(tmp_path / "out" / "large.png").size == (20, 14)
    assert Image.open(tmp_path / "out" / "coloured.png").mode == "L"
    out, sheet = tmp_path / "out.npz", tmp_path / "sheet.png"
    assert main(["refine", str(run), str(files / "drawn.npz"), "--out", str(out), "--sheet", str(sheet)]) == 0
    assert "25 pictures in" in capsys.readouterr().out
    made, drawn = datasets.load(out), datasets.load(files / "drawn.npz")
    assert made.images.shape == drawn.images.shape
    np.testing.assert_array_equal(made.labels, drawn.labels)  # type: ignore[arg-type]
    game = Game.load(run / "checkpoint.npz")
    assert isinstance(game, Refinement)
    np.testing.assert_array_equal(made.images, datasets.to_uint8(game.translate(drawn.images)[..., 0]))
    assert sheet.exists()
    refine(run, [files / "drawn.npz"], tmp_path / "three.npz", seed=game.seed, draws=3)
    three = datasets.load(tmp_path / "three.npz")
    np.testing.assert_array_equal(three.images[:25], made.images)
    assert not np.array_equal(three.images[25:50], made.images)
    assert np.array_equal(three.labels, np.tile(made.labels, 3))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="each picture has one name"):
        refine(run, [tmp_path / "in"], tmp_path / "more", draws=2)


def test_names_of_classes_stay(run: Path, tmp_path: Path) -> None:
    arrays = {"images": np.zeros((4, 8, 8), np.uint8), "labels": np.array(["b", "a", "b", "c"])}
    minigan.archive.save(tmp_path / "in.npz", arrays)
    refine(run, [tmp_path / "in.npz"], tmp_path / "out.npz")
    assert minigan.archive.load(tmp_path / "out.npz")[0]["labels"].tolist() == ["b", "a", "b", "c"]


def test_what_cannot_be_refined_is_refused_before_anything_is_written(run: Path, files: Path, tmp_path: Path) -> None:
    drawn, out = files / "drawn.npz", tmp_path / "out.npz"
    with pytest.raises(ValueError, match="one data set becomes one"):
        refine(run, [drawn, drawn], out)
    with pytest.raises(ValueError, match="pictures become pictures in a folder"):
        refine(run, [drawn], tmp_path / "folder")
    with pytest.raises(ValueError, match="known name"):
        refine(run, [tmp_path / "no.npz"], out)
    with pytest.raises(FileNotFoundError, match="there is no"):
        refine(tmp_path / "nowhere", [drawn], out)
    minigan.train("gan", out=tmp_path / "gan", steps=1, quiet=True)
    with pytest.raises(ValueError, match=r"holds a GAN.*see minigan sample"):
        refine(tmp_path / "gan", [drawn], out)
    assert not out.exists()
    assert not (tmp_path / "folder").exists()


def test_a_run_is_judged_beside_its_drawings(run: Path, files: Path) -> None:
    report = minigan.evaluate([run])
    rival, refined = report.refined
    assert (rival.name, rival.n, rival.change) == (str(files / "drawn.npz"), 25, 0.0)
    assert refined.change > 0
    assert rival.kept is not None
    text = report.text()
    assert "label kept" in text
    assert len(report.rows) == 3
    game = Game.load(run / "checkpoint.npz")
    assert isinstance(game, Refinement)


def test_the_label_kept_is_that_of_the_drawing() -> None:
    class Reader:
        classes = (0, 1, 2)

        def classify(self, images: Array) -> Array:
            return images[:, 0, 0].astype(np.int64)

    drawings = np.zeros((4, 6, 6), np.uint8)
    data = Unpaired(drawings, None, "real", inputs=drawings, input_labels=np.array([0, 1, 2, 0]))
    refined = drawings.copy()
    refined[:, 0, 0] = [0, 1, 0, 0]
    found = evaluate_refinement(refined, data, Reader(), "it")  # type: ignore[arg-type]
    assert (found.kept, found.n) == (0.75, 4)
    assert found.change == pytest.approx(1 / 144)


def test_the_recipe_refuses_what_its_networks_cannot_be() -> None:
    build = partial(simgan.build, (28, 28), **TINY)
    with pytest.raises(ValueError, match="drawn_classes, how many there are"):
        build(features="classes")
    with pytest.raises(ValueError, match="8 x 8 is the least"):
        simgan.build((4, 4), patch=4, features="classes", drawn_classes=3)
    with pytest.raises(ValueError, match="noise"):
        build(noise="white")
    with pytest.raises(ValueError, match="200 updates of D alone"):
        build(adversary=0.0, d_pretrain=200)
    assert build(features=4).features is not None
    assert build(features="classes", drawn_classes=3).f_pretrain == 4
    for options in ({"halvings": 0}, {"halvings": 0, "noise": "injected"}, {"halvings": 1}, {"noise": "none"}):
        assert build(**options).translate(np.zeros((2, 28, 28), np.uint8)).shape == (2, 28, 28, 1)


def test_plain_augmentation_distorts_and_places_as_mnist_does() -> None:
    reading = script("reading")
    digits = datasets.load("digits").images[::1000]
    made = reading.augmented(digits, seed=3, copies=2)
    assert made.shape == (20, 28, 28)
    np.testing.assert_array_equal(made, reading.augmented(digits, seed=3, copies=2))
    for image, digit in zip(made, np.tile(digits, (2, 1, 1)), strict=True):
        weight = image / image.sum()
        centre = weight.sum(axis=1) @ np.arange(28), weight.sum(axis=0) @ np.arange(28)
        assert max(abs(at - 14) for at in centre) <= 0.51
        assert 0.2 < np.abs(image.astype(float) - digit).mean() / digit.mean() < 2  # another picture, of the same thing


# --- does it learn? --------------------------------------------------------------------------------------------


def test_it_learns_what_real_pictures_look_like_and_leaves_what_they_show() -> None:
    """Lines of full brightness come to be as grey as real ones, and stay where they are."""
    rng = np.random.default_rng(0)

    def lines(n: int, least: int, most: int) -> Array:
        images = np.zeros((n, 8, 8), np.uint8)
        for image, at, down in zip(images, rng.integers(1, 7, n), rng.random(n) < 0.5, strict=True):
            (image.T if down else image)[at] = rng.integers(least, most + 1, 8)
        return images

    real, drawn = lines(600, 100, 180), lines(300, 255, 255)
    D = Sequential(Conv2D(1, 8, 4, 2, 1, init="he"), LeakyReLU(), Conv2D(8, 1, 1), Flatten(), seed=2)
    G = Sequential(
        Conv2D(1, 8, 3, padding=1, bias=False, init="he"), BatchNorm(8), LeakyReLU(), Conv2D(8, 1, 1), Tanh(), seed=1
    )
    game = Refinement(
        G, D, input_shape=(8, 8, 1), weight=0.5, history=200, g_pretrain=100, optimizer=minigan.Adam(5e-3, beta1=0.5)
    )
    game.fit(Unpaired(real, None, "lines", inputs=drawn), 250, batch=32, d_pretrain=20)
    made = datasets.to_uint8(game.translate(drawn)[..., 0]).astype(float)
    on = drawn > 0
    assert abs(made[on].mean() - real[real > 0].mean()) < 30  # from 255, which is 115 off
    assert made[~on].mean() < 20
