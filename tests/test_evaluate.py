"""The evaluator on small pictures of its own: what it finds, what it keeps, and the command."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import minigan
from minigan import GAN, Category, Conditional, Continuous, Dense, Label, Sequential, Tanh, archive, datasets
from minigan.backend import Backend
from minigan.cli import main
from minigan.datasets import Dataset, MissingSplit, to_float
from minigan.evaluation import Evaluator, Report, classifier, evaluate
from minigan.evaluation.cache import key_of
from minigan.evaluation.classifier import Classifier, Recipe
from minigan.evaluation.codes import _centred, _correlation, evaluate_codes
from minigan.evaluation.components import Components
from minigan.evaluation.evaluator import Quality, _hold_out
from minigan.metrics.strokes import slant, thickness
from minigan.runs.config import Config
from minigan.runs.data import fingerprint
from minigan.samples import sample_images

Array = np.ndarray[Any, Any]
SMALL = Recipe(widths=(24, 12), noise=0.1, batch=32, least_steps=50, most_steps=80)


@pytest.fixture(autouse=True)
def _small_and_away_from_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(classifier, "RECIPE", SMALL)


def pictures(n: int, seed: int, names: tuple[int, ...] = (0, 1, 2)) -> tuple[Array, Array]:
    """Bars at three places, of random brightness and with noise: uint8 (n, 6, 8), and which place it was."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 3, n)
    images = rng.integers(0, 60, (n, 6, 8))
    images[np.arange(n), 2 * kind] += rng.integers(100, 196, n)[:, None]
    return images.astype(np.uint8), np.array(names)[kind]


def labelled(n: int = 300, seed: int = 0, names: tuple[int, ...] = (0, 1, 2)) -> Dataset:
    return Dataset(*pictures(n, seed, names), "bars")


def evaluator(**settings: Any) -> Evaluator:
    return Evaluator(labelled(), labelled(90, seed=1), **settings)


# --- the classifier --------------------------------------------------------------------------------------------


def test_the_classifier_learns_and_its_last_hidden_layer_is_the_feature() -> None:
    data, test = labelled(), labelled(100, seed=1)
    assert data.labels is not None
    net = Classifier(48, 3)
    said: list[str] = []
    net.train(data.images, data.labels, said.append)
    features, probabilities = net.look(test.images)
    assert (probabilities.argmax(axis=1) == test.labels).mean() > 0.95
    assert features.shape == (100, 12)
    assert features.min() >= 0 < features.max()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    weight, bias = (net.net.state_dict()[f"7.{name}"] for name in ("weight", "bias"))
    logits, _ = net.net(to_float(test.images).reshape(100, -1), train=False)
    np.testing.assert_allclose(features @ weight.T + bias, logits, atol=1e-5)
    np.testing.assert_array_equal(net.features(test.images), features)


@pytest.mark.parametrize("count", [64, 50, 10])
def test_training_is_the_plain_loop(count: int) -> None:
    """Every image is seen once per epoch, also where a minibatch holds the end of one and the beginning of the next.

    No gradient outlives its step, and no array of a step is overwritten while it is needed.
    """
    data, net, other = labelled(count), Classifier(48, 3), Classifier(48, 3).net
    recipe = Recipe(widths=SMALL.widths, noise=SMALL.noise, batch=32, least_steps=4, most_steps=4)
    net.recipe = recipe
    net.train(data.images, data.labels)  # type: ignore[arg-type]
    adam = minigan.Adam(minigan.optim.Cosine(recipe.lr, 0.0, 4)).bind(other)
    rng = np.random.default_rng(recipe.seed)
    for rows in np.concatenate([rng.permutation(count) for _ in range(13)])[: 4 * 32].reshape(4, 32):
        logits, back = other(to_float(data.images[rows]).reshape(32, -1))
        _, dlogits = minigan.softmax_cross_entropy(logits, np.asarray(data.labels)[rows])
        other.zero_grad()
        back(dlogits)
        adam.step()
    for name, array in other.state_dict().items():
        np.testing.assert_allclose(net.net.state_dict()[name], array, atol=1e-5, err_msg=name)


def test_a_step_takes_no_memory_of_its_own() -> None:
    data, peaks = labelled(), []
    for steps in (10, 90):
        net = Classifier(48, 3, recipe=Recipe(widths=(16,), batch=128, least_steps=steps, most_steps=steps))
        tracemalloc.start()
        net.train(data.images, data.labels)  # type: ignore[arg-type]
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


def test_equal_data_gives_an_equal_classifier() -> None:
    digests = set()
    for _ in range(2):
        data, net = labelled(), Classifier(48, 3)
        net.train(data.images, data.labels)  # type: ignore[arg-type]
        digests.add(net.digest())
    assert len(digests) == 1
    assert Classifier(48, 3).digest() not in digests


def test_the_classifier_is_the_same_on_every_backend(backend: Backend) -> None:
    data = labelled(100)
    recipe = Recipe(widths=(16, 8), batch=20, least_steps=5, most_steps=5)
    seen = []
    for be in (backend, "reference"):
        net = Classifier(48, 3, be, recipe)
        net.train(data.images, data.labels)  # type: ignore[arg-type]
        seen.append(net.look(data.images))
    for one, other in zip(*seen, strict=True):
        assert type(one) is np.ndarray
        np.testing.assert_allclose(one, other, atol=2e-3)


def test_steps_grow_with_the_data_between_two_limits() -> None:
    recipe = Recipe()
    assert recipe.steps(10) == recipe.least_steps
    assert recipe.steps(8000) == recipe.epochs * 8000 // recipe.batch
    assert recipe.steps(60_000) == recipe.most_steps


# --- components ------------------------------------------------------------------------------------------------


def test_components_are_the_principal_ones() -> None:
    images = np.random.default_rng(0).integers(0, 256, (200, 5, 4), dtype=np.uint8)
    images[:, 0] //= 8
    eye = Components(images)
    x = to_float(images, "float64").reshape(200, -1)
    _, _, axes = np.linalg.svd(x - x.mean(axis=0))
    expected = (x - x.mean(axis=0)) @ axes.T
    np.testing.assert_allclose(np.abs(eye.features(images)), np.abs(expected), atol=1e-9)


@pytest.mark.parametrize("count", [999, 1000, 1001, 2300])
def test_many_images_are_looked_at_in_parts(count: int) -> None:
    images = pictures(count, seed=2)[0]
    for eye in (Classifier(48, 3), Components(pictures(100, seed=3)[0])):
        parts = [eye.features(part) for part in np.array_split(images, 7)]
        np.testing.assert_allclose(eye.features(images), np.concatenate(parts), atol=1e-5)


def test_components_end_where_the_images_do() -> None:
    assert Components(labelled(10).images).features(labelled(7).images).shape == (7, 9)
    assert Components(np.random.default_rng(0).integers(0, 256, (99, 10, 10), np.uint8)).axes.shape == (100, 64)
    with pytest.raises(ValueError, match="all images are the same"):
        Components(np.zeros((9, 2, 2), np.uint8))


# --- what the evaluator finds ----------------------------------------------------------------------------------


def test_real_images_are_the_floor_and_worse_ones_are_worse() -> None:
    judge = evaluator().evaluate
    floor = evaluator().floor
    rng = np.random.default_rng(0)
    fresh, noise = judge(pictures(90, seed=2)[0]), judge(rng.integers(0, 256, (90, 6, 8), dtype=np.uint8))
    assert (floor.name, floor.n, floor.nearest) == ("real test images", 90, 1.0)
    assert fresh.frechet < 3 * floor.frechet < noise.frechet
    assert min(floor.precision, floor.recall) > 0.8
    assert noise.precision < 0.5 < fresh.precision
    assert noise.nearest > 1.5
    assert 0.9 < fresh.nearest < 1.1
    assert fresh.confidence == pytest.approx(floor.confidence, abs=0.05)


def test_copies_are_found() -> None:
    train_set = labelled()
    row = evaluator().evaluate(train_set.images[:80])
    assert (row.nearest, row.copies) == (0.0, 1.0)
    assert evaluator().floor.copies < 0.05


@pytest.mark.parametrize("again", [20, 300])
def test_copies_are_found_in_data_that_repeats_itself(again: int) -> None:
    """The closest test images may be training images themselves; a threshold of 0 is no reason to find nothing."""
    images, kind = pictures(600, seed=0)
    images[-again:], kind[-again:] = images[:again], kind[:again]
    found = Evaluator(Dataset(images, kind, "bars"))
    copies = found.evaluate(images[:200]).copies
    held_out = {image.tobytes() for image in found.test.images} - {image.tobytes() for image in found.train.images}
    there = np.mean([image.tobytes() not in held_out for image in images[:200]])
    assert there <= copies <= there + 0.05
    near = images[:200].copy()
    near[:, 0, 0] ^= 1  # as good as a copy
    assert found.evaluate(near).copies >= there
    assert found.evaluate(pictures(200, seed=9)[0]).copies < 0.2


def test_of_a_set_that_is_the_data_itself_not_only_what_was_held_out_is_judged() -> None:
    data = labelled(500)
    assert 0.7 < Evaluator(data, n=100).evaluate(data.images).copies < 0.9


def test_copies_where_there_is_nothing_else() -> None:
    images, kind = pictures(100, seed=0)
    found = Evaluator(Dataset(images, kind, "bars"), Dataset(images[:50], kind[:50], "the same"))
    assert found.floor.copies == found.evaluate(images[50:]).copies == 1
    assert found.evaluate(pictures(50, seed=9)[0]).copies == 0
    assert np.isnan(found.floor.nearest)
    assert "| – |" in re.sub(" +", " ", Report.of(found, []).text())


@pytest.mark.parametrize("labels", [None, np.arange(40) % 2])
def test_constant_images_are_refused_whatever_rounding_leaves_of_them(labels: Array | None) -> None:
    for level in (0, 1, 7, 100, 128, 254, 255):
        for n in (9, 100):
            with pytest.raises(ValueError, match="all images are the same"):
                Components(np.full((n, 8, 8), level, np.uint8))
        with pytest.raises(ValueError, match="all images are the same"):
            Evaluator(Dataset(np.full((40, 8, 8), level, np.uint8), labels, "grey"))  # type: ignore[arg-type]


def test_what_is_constant_correlates_with_nothing() -> None:
    code = np.random.default_rng(0).uniform(-1, 1, 999)
    kinds = np.arange(999) % 3
    for constant in (0.1, 7.3, 1 / 3):
        assert _correlation(_centred(code, kinds), _centred(np.full(999, constant), kinds)) == 0
    assert _correlation(_centred(code, kinds), _centred(code + 1e6, kinds)) == pytest.approx(1)


def test_a_line_leans_nowhere() -> None:
    for height, row in ((28, 13), (5, 1), (200, 167)):
        images = np.zeros((1, height, 300), np.uint8)
        images[0, row, 3:270] = np.arange(267) % 200 + 30
        assert slant(images).tolist() == [0]


def test_a_class_that_is_missing_is_seen() -> None:
    images, kind = pictures(200, seed=3)
    row = evaluator().evaluate(images[kind != 1])
    assert row.shares is not None
    assert row.kl is not None
    assert row.shares[1] == row.least < 0.02
    assert row.kl > 0.3
    assert row.recall < 0.8
    assert evaluator().floor.kl == pytest.approx(0, abs=0.05)


def test_floats_and_flat_images_are_judged_like_the_pixels_they_are() -> None:
    images, judge = pictures(60, seed=2)[0], evaluator().evaluate
    assert judge(to_float(images)) == judge(images) == judge(to_float(images).reshape(60, -1))
    assert judge(images, "a name", 7).name == "a name"
    assert judge(images, seed=7).seed == 7


def test_of_many_samples_a_fixed_choice_is_judged() -> None:
    images, judge = pictures(200, seed=2)[0], evaluator(n=50).evaluate
    assert judge(images).n == 50 == evaluator(n=50).floor.n
    assert judge(images) == judge(images)
    ends = {judge(images[:50]).frechet, judge(images[-50:]).frechet}
    assert judge(images).frechet not in ends  # samples may come sorted by class


def test_labels_need_not_be_0_1_2() -> None:
    names = (3, 70, 200)
    there = Evaluator(labelled(names=names), labelled(90, 1, names))
    here = evaluator()
    assert there.classes == names
    assert there.floor == here.floor
    assert there.accuracy == here.accuracy
    assert here.accuracy is not None
    assert here.accuracy > 0.95


def test_a_test_split_may_lack_a_class() -> None:
    test = labelled(90, seed=1, names=(2, 5, 7))
    rows = np.asarray(test.labels) > 2
    some = Dataset(test.images[rows], np.asarray(test.labels)[rows], "bars")
    judge = Evaluator(labelled(names=(2, 5, 7)), some)
    assert judge.accuracy is not None
    assert judge.accuracy > 0.9


def test_what_is_held_out_is_fixed_and_seen_by_nobody() -> None:
    data = labelled()
    first, second = _hold_out(data)
    assert (len(first), len(second)) == (240, 60)
    both = np.concatenate([first.images, second.images])
    np.testing.assert_array_equal(np.sort(both, axis=0), np.sort(data.images, axis=0))
    images = data.images.copy()
    inside = np.array([any((image == other).all() for other in second.images) for image in images])
    images[inside] = 0
    assert inside.sum() == 60
    one, other = Evaluator(data), Evaluator(Dataset(images, data.labels, "other"))
    assert one.held_out
    assert one.digest == other.digest  # the classifier has not noticed
    assert one.floor.frechet < other.floor.frechet
    assert one.floor != Evaluator(data, labelled(60, seed=1)).floor


def test_without_labels_or_with_only_one_there_are_components() -> None:
    images, kind = pictures(300, seed=0)
    for labels in (None, np.zeros(300, np.uint8)):
        found = Evaluator(Dataset(images, labels, "bars"))
        assert found.classes is found.accuracy is found.floor.shares is found.floor.kl is found.floor.confidence is None
        assert "48 principal components" in found.about
        missing = found.evaluate(images[kind != 1])
        assert missing.frechet > 3 * found.floor.frechet
        text = Report.of(found, [missing]).text()
        assert "left out" in text
        assert "least" not in text


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: evaluator(n=3), "n must be an integer of 4 or more, got 3"),
        (lambda: Evaluator(labelled(3), labelled()), "3 training and 300 test images are too few"),
        (lambda: Evaluator(labelled(3)), "too few"),
        (lambda: Evaluator(labelled(), Dataset(np.ones((9, 5, 5), np.uint8), None, "x")), r"\(6, 8\).*\(5, 5\)"),
        (lambda: evaluator().evaluate(np.ones((9, 5, 5), np.uint8)), r"\(9, 5, 5\).*\(6, 8\)"),
        (lambda: evaluator().evaluate(np.ones((3, 6, 8), np.uint8)), "more than 3"),
        (lambda: evaluator().evaluate(np.full((9, 6, 8), np.nan)), "NaN"),
    ],
)
def test_what_cannot_be_judged_is_refused(build: Callable[[], Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        build()


# --- the cache -------------------------------------------------------------------------------------------------


def cached(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "cache" / "evaluators").glob("*"))


def test_the_classifier_is_trained_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = evaluator()
    assert len(cached(tmp_path)) == 1
    monkeypatch.setattr(Classifier, "train", lambda *args: pytest.fail("it was trained again"))
    again = evaluator()
    assert (again.digest, again.floor, again.accuracy) == (first.digest, first.floor, first.accuracy)


def test_the_cache_can_be_elsewhere(tmp_path: Path) -> None:
    evaluator(cache=tmp_path / "here")
    assert list((tmp_path / "here" / "evaluators").glob("*.npz"))
    assert not cached(tmp_path)


def garbage(path: Path) -> None:
    path.write_bytes(b"PK not an archive")


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:2000])


def other_weights(change: Callable[[dict[str, Array]], Any]) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        arrays, header = archive.load(path)
        change(arrays)
        archive.save(path, arrays, header)

    return damage


def another_key(path: Path) -> None:
    arrays, header = archive.load(path)
    archive.save(path, arrays, {**header, "key": "0" * 64})


@pytest.mark.parametrize(
    "damage",
    [
        garbage,
        truncated,
        another_key,
        other_weights(lambda arrays: arrays.pop("net/1.weight")),
        other_weights(lambda arrays: arrays.update({"net/1.weight": np.ones((3, 3))})),
        other_weights(lambda arrays: arrays["net/1.weight"].fill(np.nan)),
        other_weights(lambda arrays: arrays.update(more=np.ones(3))),
        other_weights(lambda arrays: arrays.update({"net/1.weight": 1e300 + np.zeros(arrays["net/1.weight"].shape)})),
        other_weights(lambda arrays: arrays.update({"net/2.bias": np.full(24, "a")})),
    ],
)
def test_a_damaged_file_is_trained_again_and_replaced(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    first = evaluator()
    [path] = cached(tmp_path)
    before = path.read_bytes()
    damage(path)
    said: list[str] = []
    assert evaluator(say=said.append).floor == first.floor
    assert f"the classifier kept in {path} cannot be used and is made again: " in said[0]
    assert str(path) in said[0]
    assert path.read_bytes() == before
    assert cached(tmp_path) == [path]  # and nothing temporary


def test_a_cache_that_cannot_be_written_only_costs_time(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where a folder should be")
    said: list[str] = []
    assert evaluator(say=said.append).accuracy
    assert any("could not be kept" in sentence for sentence in said)


def test_the_name_in_the_cache_depends_on_everything() -> None:
    data = labelled()
    images, labels = data.images, np.asarray(data.labels)
    other_image, other_label = images.copy(), labels.copy()
    other_image[5, 0, 0] ^= 1
    other_label[5] = (labels[5] + 1) % 3
    keys = [
        key_of(images, labels, SMALL),
        key_of(other_image, labels, SMALL),
        key_of(images, other_label, SMALL),
        key_of(images.reshape(-1, 8, 6), labels, SMALL),
        key_of(images, labels, Recipe()),
        key_of(images, labels, Recipe(version=Recipe.version + 1)),
    ]
    assert len(set(keys)) == len(keys)
    assert key_of(images.copy(), labels.copy(), SMALL) == keys[0]


# --- splits ----------------------------------------------------------------------------------------------------


def idx(path: Path, array: Array) -> None:
    path.write_bytes(bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes())


def make_idx(folder: Path, images: Array) -> Path:
    idx(folder / "train-images-idx3-ubyte", images)
    return folder


def make_idx_file(folder: Path, images: Array) -> Path:
    return make_idx(folder, images) / "train-images-idx3-ubyte"


def make_npz(folder: Path, images: Array) -> Path:
    np.savez(folder / "some.npz", images=images)
    return folder / "some.npz"


def make_pngs(folder: Path, images: Array) -> Path:
    for i, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{i:03}.png")
    return folder


def make_train_pngs(folder: Path, images: Array) -> Path:
    (folder / "train").mkdir()
    make_pngs(folder / "train", images)
    return folder


@pytest.mark.parametrize("make", [make_idx, make_idx_file, make_npz, make_pngs, make_train_pngs])
def test_data_without_a_test_split_has_some_held_out(tmp_path: Path, make: Callable[[Path, Array], Path]) -> None:
    (tmp_path / "data").mkdir()
    path = make(tmp_path / "data", pictures(40, seed=0)[0])
    with pytest.raises(MissingSplit):
        datasets.load(path, "test")
    found = Evaluator.load(path)
    assert found.held_out
    assert (len(found.train), len(found.test)) == (32, 8)


def test_a_damaged_test_split_is_no_missing_one(tmp_path: Path) -> None:
    make_idx(tmp_path, pictures(40, seed=0)[0])
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(b"damaged")
    with pytest.raises(ValueError, match="t10k") as caught:
        Evaluator.load(tmp_path)
    assert not isinstance(caught.value, MissingSplit)


# --- the command -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set with both splits, and a run that has learned it for a moment."""
    folder = tmp_path_factory.mktemp("bars")
    x, y = pictures(300, seed=0)
    x_test, y_test = pictures(90, seed=1)
    np.savez(folder / "bars.npz", x_train=x, y_train=y, x_test=x_test, y_test=y_test)
    for seed in (0, 5):
        make_run(folder / f"run{seed}", folder / "bars.npz", seed)
    return folder


def make_run(folder: Path, data: Path, seed: int = 0) -> None:
    """What `minigan train` leaves behind, as far as it matters here."""
    G = minigan.Sequential(minigan.Dense(4, 20), minigan.ReLU(), minigan.Dense(20, 48), minigan.Tanh(), seed=seed)
    D = minigan.Sequential(minigan.Dense(48, 20), minigan.ReLU(), minigan.Dense(20, 1), seed=seed + 1)
    gan, dataset = minigan.GAN(G, D, seed=seed), datasets.load(data)
    gan.fit(dataset, 3, 16)
    folder.mkdir()
    gan.save(folder / "checkpoint.npz")
    Config(
        recipe="gan", options={}, data=str(data), images=fingerprint(dataset), steps=3, batch=16, seed=seed,
        backend="numpy", dtype="float32", d_pretrain=0, sample_every=1, checkpoint_every=1, versions={},
    ).write(folder / "config.json")  # fmt: skip


Say = Callable[..., tuple[int, str, str]]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Say:
    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> tuple[int, str, str]:
        code = main([str(word) for word in words])
        return (code, *capsys.readouterr())

    return run


def test_the_command_judges_runs_checkpoints_and_samples_alike(say: Say, bars: Path, tmp_path: Path) -> None:
    archive.save("fakes.npz", {"images": sample_images(minigan.GAN.load(bars / "run5" / "checkpoint.npz"), 90, (6, 8))})
    sources = [bars / "run0", bars / "run5", bars / "run5" / "checkpoint.npz", "fakes.npz"]
    code, out, err = say("evaluate", *sources, "--n", 90, "--backend", "numpy", "--json", "found.json")
    assert code == 0
    assert "Traceback" not in err
    assert "judging fakes.npz ..." in err.splitlines()
    found = json.loads((tmp_path / "found.json").read_text())
    floor, other, run, checkpoint, samples = found["rows"]
    assert [row["name"] for row in found["rows"]] == ["real test images", *map(str, sources)]
    assert {row["n"] for row in found["rows"]} == {90}
    assert (run["seed"], other["seed"], samples["seed"], floor["seed"]) == (5, 0, None, None)
    for row in (checkpoint, samples):
        assert {**row, "name": 0, "seed": 0} == {**run, "name": 0, "seed": 0}
    assert other["frechet"] != run["frechet"] > floor["frechet"]
    assert (found["images"], found["test_images"], found["held_out"], found["n"]) == (300, 90, False, 90)
    assert f"{found['evaluator']} or of another N" in " ".join(out.split())
    assert f"{100 * found['accuracy']:.2f} %" in out
    assert "Inception" in out
    assert "Seed of the latents: 0, 5." in out
    assert "held out" not in out
    assert "N differs" not in out
    for row in found["rows"]:
        line = next(line for line in out.splitlines() if line.startswith(f"| {row['name']} "))
        assert f"{row['frechet']:.2f}" in line
    widths = {len(line) for line in out.splitlines() if line.startswith("|") and "share" not in line}
    assert len(widths) <= 2  # one for each table


def test_a_folder_of_pictures_is_judged_without_a_run(say: Say, bars: Path, tmp_path: Path) -> None:
    images = pictures(40, seed=5)[0]
    archive.save("fakes.npz", {"images": images})
    for name, kind in (("grey", "L"), ("colour", "RGB")):  # grey pictures are often kept as colour
        (tmp_path / name).mkdir()
        for i, image in enumerate(images):
            Image.fromarray(image).convert(kind).save(tmp_path / name / f"{i:02}.png")
    sources = ["grey", "colour", "fakes.npz"]
    words = ["--data", bars / "bars.npz", "--n", 30, "--backend", "numpy", "--json", "a.json"]
    assert say("evaluate", *sources, *words)[0] == 0
    _, *rows = json.loads((tmp_path / "a.json").read_text())["rows"]
    assert rows[0] | {"name": 0} == rows[1] | {"name": 0} == rows[2] | {"name": 0}
    (tmp_path / "red").mkdir()
    Image.fromarray(np.dstack([images[0], 0 * images[0], 0 * images[0]])).save(tmp_path / "red" / "a.png")
    code, _, err = say("evaluate", "red", *words)  # whose colours would be lost
    assert code == 2
    assert "red has samples of shape (6, 8, 3), but the images of this data have (6, 8)" in err
    assert say("evaluate", "grey", *words, "--size", "4")[0] == 0
    code, _, err = say("evaluate", bars / "run0", *words, "--size", "4")
    assert (code, err.count("\n")) == (2, 1)
    assert "leave out --size" in err
    Image.new("L", (9, 9)).save("grey/40.png")
    code, _, err = say("evaluate", "grey", *words)
    assert (code, err.count("\n")) == (2, 1)
    assert "--size" in err


def test_classes_have_their_names_in_the_table_and_keep_them_where_numbers_have_gaps() -> None:
    images, kind = pictures(300, seed=0)
    named = Dataset(images, np.array(["car", "a|b", "bus"])[kind], "bars")  # type: ignore[arg-type]
    found = Evaluator(named, named)
    assert found.names == ("a|b", "bus", "car")
    text = Report.of(found, []).text()
    assert "a\\|b" in text
    assert "bus" in text


def test_labels_with_gaps_are_compared_with_what_the_gan_calls_them() -> None:
    """A GAN of a run counts the classes from 0; what it draws for the second one is right if it looks like that."""
    rows = {}
    for names in ((0, 1, 2), (3, 70, 200)):
        judge = Evaluator(labelled(names=names), labelled(90, 1, names))
        G = Sequential(Dense(4 + 3, 48), Tanh(), seed=0)
        D = Sequential(Dense(48 + 3, 1), seed=1)
        rows[names] = evaluate_codes(Conditional(G, D, codes=[Label(3)]), judge, "gan")
    first, second = rows.values()
    assert first.asked == second.asked
    assert first.gan_train == second.gan_train
    assert first.gan_train is not None


def test_a_seed_of_0_is_a_seed(say: Say, bars: Path, tmp_path: Path) -> None:
    words = ["evaluate", bars / "run5", "--n", 30, "--backend", "numpy", "--seed", 0, "--json", "a.json"]
    assert say(*words)[0] == 0
    row = json.loads((tmp_path / "a.json").read_text())["rows"][1]
    assert row["seed"] == 0
    (right,) = evaluate([bars / "run5"], n=30, seed=0, backend="numpy").rows[1:]
    assert row["frechet"] == right.frechet


def test_the_seed_is_that_of_the_latents(say: Say, bars: Path, tmp_path: Path) -> None:
    def frechet(*flags: object) -> float:
        assert say("evaluate", bars / "run0", "--n", 60, "--backend", "numpy", "--json", "a.json", *flags)[0] == 0
        return float(json.loads((tmp_path / "a.json").read_text())["rows"][1]["frechet"])

    assert frechet() == frechet("--seed", 0) != frechet("--seed", 1)


def test_the_data_may_have_moved(say: Say, bars: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.npz"
    shutil.copytree(bars / "run0", "run")
    shutil.copy(bars / "bars.npz", copy)
    config = json.loads(Path("run/config.json").read_text())
    Path("run/config.json").write_text(json.dumps({**config, "data": "/nowhere/bars.npz"}))
    code, _, err = say("evaluate", "run", "--n", 20)
    assert code == 2
    assert "if it was moved, give --data" in err
    assert say("evaluate", "run", "--n", 20, "--data", copy)[0] == 0
    np.savez(copy, images=pictures(300, seed=9)[0])
    code, _, err = say("evaluate", "run", "--n", 20, "--data", copy)
    assert code == 2
    assert "was trained on 300 images of 6x8" in err


def test_runs_of_different_data_do_not_share_a_table(say: Say, bars: Path) -> None:
    np.savez("other.npz", images=pictures(40, seed=9)[0])
    make_run(Path("other"), Path("other.npz"))
    code, _, err = say("evaluate", bars / "run0", "other")
    assert code == 2
    assert "cannot be compared" in err
    code, out, _ = say("evaluate", "other", "--n", 30)
    assert code == 0
    assert "8 images were held out" in " ".join(out.split())
    assert "N differs" in out


def test_mistakes_end_in_one_sentence(say: Say, bars: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    shutil.copytree(bars / "run0", "headless")
    Path("headless/checkpoint.npz").unlink()
    shutil.copytree(bars / "run0", "damaged")
    Path("damaged/checkpoint.npz").write_bytes(b"PK")
    np.savez("large.npz", images=np.zeros((9, 9, 9), np.uint8))
    np.savez("fine.npz", images=pictures(9, seed=0)[0])
    Path("text.txt").write_text("no samples")
    data = bars / "bars.npz"
    for words, sentence in (
        (["nowhere"], "there is no nowhere"),
        (["empty"], "empty has no config.json"),
        (["headless"], "headless has no checkpoint.npz"),
        (["damaged"], "damaged/checkpoint.npz cannot be read"),
        (["text.txt"], "neither the folder of a run nor an .npz file"),
        (["fine.npz"], "give --data"),
        (["large.npz", "--data", data], "large.npz has samples of shape (9, 9)"),
        (["fine.npz", "--data", "mnits"], "'mnits' is no known name"),
        ([bars / "run0", "--n", 3], "n must be an integer of 4 or more"),
        ([bars / "run0", "--seed", -1], "seed takes a whole number from 0"),
        ([bars / "run0", "--json", "empty"], "--json takes a file"),
        ([bars / "run0", "--json", "no/where.json"], "there is no folder no"),
        ([], "required"),
    ):
        code, out, err = say("evaluate", *words)
        assert (code, out) == (2, ""), words
        assert sentence in err
        assert err.count("\n") == 1
        assert err.startswith("minigan: ")
    assert not cached(tmp_path)  # all of it was found before the work


def test_a_gan_that_is_not_finite_and_a_download_that_fails_end_with_1(
    say: Say, bars: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gan = minigan.GAN.load(bars / "run0" / "checkpoint.npz")
    gan.G.flat[:] = np.nan
    gan.save("broken.npz")
    code, _, err = say("evaluate", "broken.npz", "--data", bars / "bars.npz", "--n", 20)
    assert code == 1
    assert "broken.npz: the samples of the GAN of step 3 are not finite" in err

    def offline(*args: Any) -> str:
        raise FileNotFoundError("no mirror answers")

    monkeypatch.setattr("minigan.datasets.download.fetch", offline)
    code, _, err = say("evaluate", "broken.npz", "--data", "mnist")
    assert code == 1
    assert "no mirror answers" in err


def test_the_function_is_the_command(bars: Path) -> None:
    report = evaluate([bars / "run0"], n=40, backend="numpy")
    assert [row.n for row in report.rows] == [40, 40]
    assert report.classes == (0, 1, 2)
    with pytest.raises(ValueError, match="nothing to judge"):
        evaluate([])


def test_every_figure_in_a_note_is_that_of_what_it_names() -> None:
    rows = tuple(Quality(*head, 1.0, 0.5, 0.25, None, None, None, 1.0, 0.01) for head in (("a", 70, 0), ("b", 40, 3)))
    report = Report("bars", 320, 80, True, 90, "features", "0123", (0, 1), 0.875, rows)
    said = " ".join(report.text().split())
    for words in (
        "distance to 320 training images of bars, in features", "another evaluator than 0123",
        "it names 87.50 % of test images rightly", "so 80 images were held out", "give --n 40", "latents: 0, 3.",
    ):  # fmt: skip
        assert words in said
    assert "| a | 70 | 1.00 | 0.500 | 0.250 |" in said.replace("  ", " ")


def test_many_classes_are_not_shown_one_by_one() -> None:
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (200, 4, 4), dtype=np.uint8), np.arange(200) % 25
    found = Evaluator(Dataset(images, labels, "many"))
    text = Report.of(found, []).text()
    assert "| share, %         | least |    KL |" in text


def test_figures_that_are_not_finite_are_null_in_json(tmp_path: Path) -> None:
    images, labels = pictures(100, seed=0)
    found = Evaluator(Dataset(images, labels, "train"), Dataset(images, labels, "the same"))
    report = Report.of(found, [])
    assert np.isnan(report.rows[0].nearest)
    report.save(tmp_path / "found.json")
    assert json.loads((tmp_path / "found.json").read_text())["rows"][0]["nearest"] is None


def test_importing_minigan_leaves_the_evaluator_alone() -> None:
    code = "import sys, minigan, minigan.cli; print(*(n for n in sys.modules if 'evaluat' in n or 'metrics' in n))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                          cwd=Path(minigan.__file__).parents[1])  # fmt: skip
    assert not [name for name in done.stdout.split() if name.startswith("minigan")]


# --- codes -----------------------------------------------------------------------------------------------------


def obedient(labels: bool, disobeys: float = 0.0, shift: int = 1) -> GAN:
    """A GAN made by hand: it draws the bar of its category, brighter for its continuous code; D reads the category that
    is `shift` after it."""
    codes: list[Any] = [Label(3, predicted=True) if labels else Category(3), Continuous(1)]
    G, D = Sequential(Dense(2 + 3 + 1, 48), Tanh()), Sequential(Dense(48, 1 + 3 + 1))
    G.load_state_dict({"0.weight": np.zeros((48, 6), "f4"), "0.bias": np.full(48, -2, "f4")})
    weight = G.state_dict()["0.weight"].reshape(6, 8, 6)
    reads = np.zeros((5, 6, 8), "f4")
    for kind in range(3):
        weight[2 * kind, :, 2 + kind] = 3
        weight[2 * kind, :, 5] = 0.5  # brightness
        weight[2 * kind, ::2, 0] = 0.3  # noise
        reads[1 + (kind + shift) % 3, 2 * kind] = 1
    if disobeys:
        weight[:, :, 2], weight[:, :, 3] = weight[:, :, 3].copy(), weight[:, :, 2].copy()
    G.load_state_dict(G.state_dict() | {"0.weight": weight.reshape(48, 6)})
    D.load_state_dict(D.state_dict() | {"0.weight": reads.reshape(5, 48)})
    return Conditional(G, D, codes=codes, seed=3)


def test_labels_that_are_obeyed() -> None:
    judge = evaluator(n=90)
    row = evaluate_codes(obedient(labels=True), judge, "good")
    assert (row.name, row.asked, row.matched_error) == ("good", 1.0, None)
    assert row.gan_train is not None
    assert row.gan_train > 0.9
    mixed_up = evaluate_codes(obedient(labels=True, disobeys=True), judge, "bad")
    assert mixed_up.asked == pytest.approx(1 / 3)
    assert mixed_up.gan_train is not None
    assert mixed_up.gan_train < 0.5


def test_a_gan_of_more_classes_than_the_data_is_not_given_theirs() -> None:
    data = labelled(names=(2, 5, 7))
    rows = np.asarray(data.labels) < 7
    judge = Evaluator(Dataset(data.images[rows], np.asarray(data.labels)[rows], "two bars"), n=90)
    row = evaluate_codes(obedient(labels=True), judge, "three")
    assert row.asked is not None
    assert row.asked <= 1 / 3  # which are asked for as 2, a name that the data happens to have


@pytest.mark.parametrize("count", [90, 1100])
def test_a_category_is_matched_with_the_class_that_suits_it(count: int) -> None:
    judge = Evaluator(labelled(names=(2, 5, 7)), labelled(count, seed=1, names=(2, 5, 7)), n=90)
    row = evaluate_codes(obedient(labels=False), judge, "codes")
    assert (row.asked, row.gan_train, row.matched_error) == (0.0, None, 0.0)  # D reads each as another one
    assert row.classes == (7, 2, 5)
    row = evaluate_codes(obedient(labels=False, shift=0), judge, "codes")
    assert (row.asked, row.matched_error, row.classes) == (1.0, 0.0, (2, 5, 7))


def test_codes_are_correlated_with_what_is_drawn_within_a_category() -> None:
    z = np.random.default_rng(0).standard_normal(600)
    kinds = np.arange(600) % 3
    slanted, kept = 0.2 * z + 10.0 * kinds, _centred(0.2 * z + 10.0 * kinds, kinds)
    assert abs(_correlation(slanted - slanted.mean(), z - z.mean())) < 0.1  # hidden by the categories
    assert _correlation(kept, _centred(z, kinds)) == pytest.approx(1)
    assert _correlation(np.zeros(3), np.ones(3)) == 0
    (row,) = evaluate_codes(obedient(labels=False), evaluator(n=90), "codes").correlations
    assert all(-1 <= r <= 1 for r in row)


def test_every_combination_of_categories_is_a_kind_and_every_number_a_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is drawn depends on two categories together, one number leans it and the other one makes it thin."""
    codes = [Category(2), Category(3), Continuous(2), Continuous(1)]
    gan = Conditional(Sequential(Dense(2 + 2 + 3 + 3, 48)), Sequential(Dense(48, 1 + 2 + 3 + 3)), codes=codes, seed=3)
    base = np.random.default_rng(0).uniform(-9, 9, (2, 3))

    def measure(number: int, sign: int) -> Callable[[Array], Array]:
        return lambda z: base[z[:, 2:4].argmax(axis=1), z[:, 4:7].argmax(axis=1)] + sign * z[:, 7 + number]

    monkeypatch.setattr("minigan.evaluation.codes.images_of", lambda gan, z, shape: z)
    monkeypatch.setattr("minigan.evaluation.codes.slant", measure(0, 1))
    monkeypatch.setattr("minigan.evaluation.codes.thickness", measure(1, -1))
    found = np.array(evaluate_codes(gan, evaluator(n=400), "codes").correlations)
    np.testing.assert_allclose(found, [[1, 0], [0, -1], [0, 0]], atol=0.2)
    np.testing.assert_allclose([found[0, 0], found[1, 1]], [1, -1], atol=1e-5)


@pytest.mark.parametrize("shear", [-0.5, 0.0, 0.3])
@pytest.mark.parametrize("width", [2, 4])
def test_slant_and_thickness_of_bars(shear: float, width: int) -> None:
    y, x = np.mgrid[:40, :40] - 19.5
    distance = np.abs(x + shear * y) * np.sqrt(1 / (1 + shear**2))
    bar = np.clip(width / 2 - distance + 0.5, 0, 1) * (np.abs(y) < 15)
    images = np.stack([255 * bar, np.zeros((40, 40))]).astype(np.uint8)
    np.testing.assert_allclose(slant(images), [shear, 0], atol=0.02)
    length = 30 * np.sqrt(1 + shear**2)
    np.testing.assert_allclose(thickness(images), [width / (1 + width / length), 0], rtol=0.15)  # the ends are contour
    coloured = np.repeat(images[..., None], 3, axis=3)
    np.testing.assert_allclose(slant(coloured), slant(images))


def test_the_report_has_a_table_of_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = labelled()
    np.savez(tmp_path / "bars.npz", images=data.images, labels=data.labels)
    obedient(labels=True).save(tmp_path / "asked.npz")
    obedient(labels=False).save(tmp_path / "codes.npz")
    sources = [str(tmp_path / name) for name in ("asked.npz", "codes.npz")]
    where = tmp_path / "figures.json"
    assert main(["evaluate", *sources, "--data", str(tmp_path / "bars.npz"), "--n", "60", "--json", str(where)]) == 0
    said = capsys.readouterr().out
    assert "| asked label, % | GAN-train, % | matched error, % |" in said
    assert re.search(r"asked\.npz *\| *100\.0 \| *\d+\.\d \| *– \|", said)
    assert re.search(r"codes\.npz *\| *0\.0 \| *– \| *0\.0 \|", said)
    rows = json.loads(where.read_text())["codes"]
    other = evaluate(sources, tmp_path / "bars.npz", n=60, seed=8, backend="numpy").codes
    judge = Evaluator.load(tmp_path / "bars.npz", n=60)
    for row, source in zip(other, sources, strict=True):
        right = evaluate_codes(GAN.load(source), judge, source, 8)
        assert (row.asked, row.correlations) == (right.asked, right.correlations)
    assert list(map(list, other[1].correlations)) != rows[1]["correlations"]
    assert [row["asked"] for row in rows] == [1.0, 0.0]
    assert rows[1]["classes"] == [2, 0, 1]
