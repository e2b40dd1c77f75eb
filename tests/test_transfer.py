"""Few labels on top of features: probes against plain solves, fine-tuning, and whether a planted feature is found."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scripts import script
from subjects import Array, bars, conv, saved

from minigan import (
    GAN,
    Adam,
    Conv2D,
    Dense,
    Flatten,
    MinibatchStdDev,
    ReLU,
    Sequential,
    Tanh,
    archive,
    softmax_cross_entropy,
)
from minigan.backend import Backend
from minigan.cli import main
from minigan.datasets import Dataset, to_float
from minigan.evaluation import few_labels, transfer
from minigan.evaluation.embeddings import Moments, NetworkFeatures, open_subject, pixels, principal_components, taken
from minigan.evaluation.fine_tuning import classifier_of, classify, fine_tune, unplayed
from minigan.evaluation.probes import linear_probe, nearest_held_out, nearest_neighbour
from minigan.optim import Cosine

RNG = np.random.default_rng(0)


# --- probes ----------------------------------------------------------------------------------------------------


def labelled(n: int = 20, width: int = 6, classes: int = 4) -> tuple[Array, Array]:
    labels = np.arange(n) % classes
    x = RNG.standard_normal((n, width)) + 0.7 * np.eye(classes, width)[labels]
    return x, labels


def solved(x: Array, labels: Array, classes: int, ridge: float) -> Array:
    """The normal equations, as they stand in every book."""
    targets = np.equal.outer(labels, np.arange(classes)) - 1 / classes
    return np.asarray(np.linalg.solve(x.T @ x + ridge * np.eye(x.shape[1]), x.T @ targets))


@pytest.mark.parametrize("width", [3, 50])  # fewer columns than rows, and more
def test_the_probe_is_a_ridge_regression(width: int) -> None:
    x, labels = labelled(width=width)
    probe = linear_probe(x, labels, 4, [0.1])
    np.testing.assert_allclose(probe.weights, solved(x, labels, 4, 0.1 * (x**2).sum() / len(x)), atol=1e-8)
    queries = RNG.standard_normal((7, width))
    np.testing.assert_array_equal(probe.classify(queries), (queries @ probe.weights).argmax(axis=1))


def test_what_is_held_out_was_not_learned_from() -> None:
    """The closed form is what one gets by learning anew without each row, and the strength is the best in that."""
    x, labels = labelled(24, 30)
    strengths = [0.001, 0.1, 3.0]
    accuracies, errors = [], []
    for strength in strengths:
        ridge = strength * (x**2).sum() / len(x)
        said = [x[i] @ solved(np.delete(x, i, 0), np.delete(labels, i), 4, ridge) for i in range(len(x))]
        accuracies.append(np.mean(np.argmax(said, axis=1) == labels))
        errors.append(np.mean((said - (np.eye(4)[labels] - 0.25)) ** 2))
        assert linear_probe(x, labels, 4, [strength]).held_out == pytest.approx(accuracies[-1])
    probe = linear_probe(x, labels, 4, strengths)
    best = max(range(3), key=lambda i: (accuracies[i], -errors[i]))
    assert (probe.strength, probe.held_out) == (strengths[best], accuracies[best])


def test_neighbours_are_the_plain_loop() -> None:
    x, labels = labelled()
    queries = RNG.standard_normal((9, 6))

    def cosine(a: Array, b: Array) -> float:
        return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))

    expected = [labels[max(range(20), key=lambda i: cosine(q, x[i]))] for q in queries]
    assert nearest_neighbour(x, labels, queries, block=4).tolist() == expected
    others = [max((j for j in range(20) if j != i), key=lambda j: cosine(x[i], x[j])) for i in range(20)]
    assert nearest_held_out(x, labels) == np.mean(labels[others] == labels)


def test_features_that_say_nothing_are_no_failure() -> None:
    labels = np.array([0, 0, 1, 1])
    assert linear_probe(np.zeros((4, 3)), labels, 2).classify(np.ones((2, 3))).tolist() == [0, 0]
    assert nearest_neighbour(np.zeros((4, 3)), labels, np.zeros((2, 3))).tolist() == [0, 0]


# --- embeddings ------------------------------------------------------------------------------------------------


def test_moments_in_blocks_are_numpys() -> None:
    images, _ = bars(31)
    images[:, 7, 7] = 9  # a pixel that never changes
    rows = pixels(images)
    for block in (1, 4, 31, 100):
        found = Moments.of(pixels, images, block)
        np.testing.assert_allclose(found.mean, rows.mean(axis=0), atol=1e-6)
        np.testing.assert_allclose(found.std[:-1], rows.std(axis=0)[:-1], rtol=1e-5)
        assert found.std[-1] == 1
    standard = found.standardised(rows)
    np.testing.assert_allclose(standard.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(standard.std(axis=0), [1] * 63 + [0], atol=1e-5)
    np.testing.assert_array_equal(found.centred(rows), rows - found.mean)


def test_principal_components_are_those_of_numpy() -> None:
    images, _ = bars(40)
    rows = pixels(images).astype(np.float64)
    _, _, axes = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    found = principal_components(images, 3)(images)
    assert found.shape == (40, 3)
    np.testing.assert_allclose(abs(found), abs((rows - rows.mean(axis=0)) @ axes[:3].T), atol=1e-4)


def test_networks_take_pictures_as_planes_or_flat_or_not_at_all() -> None:
    flat = Sequential(Dense(64, 3), ReLU(), Dense(3, 1))
    assert taken(flat, (8, 8)) == (64,)
    assert taken(conv(), (8, 8)) == (8, 8, 1)
    images, _ = bars(5)
    np.testing.assert_array_equal(NetworkFeatures(conv(), (8, 8))(images), conv().features(images[..., None]))
    np.testing.assert_array_equal(NetworkFeatures(flat, (8, 8))(images), flat.features(images.reshape(5, 64)))
    with pytest.raises(ValueError, match="does not take pictures of 8x8 alone"):
        NetworkFeatures(Sequential(Dense(74, 3), ReLU(), Dense(3, 1)), (8, 8))  # a label is to come with each


def test_what_is_not_finite_is_no_feature() -> None:
    net = conv()
    net.load_state_dict(net.state_dict() | {"2.bias": np.full(5, np.inf, np.float32)})
    with np.errstate(invalid="ignore"):
        with pytest.raises(ValueError, match="is not finite"):
            NetworkFeatures(net, (8, 8))(bars(3)[0])
        assert NetworkFeatures(net, (8, 8), [1])(bars(3)[0]).shape == (3, 48)


def test_a_key_changes_with_all_that_features_depend_on() -> None:
    keys = [
        NetworkFeatures(conv(seed=seed), (8, 8), layers, pool).key()
        for seed, layers, pool in ((0, None, 4), (1, None, 4), (0, [1], 4), (0, None, 2))
    ]
    assert len(set(keys)) == 4
    assert NetworkFeatures(conv(), (8, 8)).key() == keys[0]


# --- fine-tuning -----------------------------------------------------------------------------------------------


def test_a_classifier_has_the_weights_of_d_and_a_new_end() -> None:
    net = conv()
    made = classifier_of(net, (8, 8), 3, seed=7)
    assert [str(layer) for layer in made.layers] == [*(str(layer) for layer in net.layers[:-1]), "Dense(6, 3)"]
    own, old = made.state_dict(), net.state_dict()
    assert all((own[name] == old[name]).all() for name in old if not name.startswith("8."))
    fresh = classifier_of(net, (8, 8), 3, seed=7, fresh=True).state_dict()
    assert not any((fresh[f"{i}.weight"] == old[f"{i}.weight"]).any() for i in (0, 2, 6))
    np.testing.assert_array_equal(fresh["8.weight"], own["8.weight"])  # the new layer begins alike
    own["0.weight"] += 1
    made.load_state_dict(own)
    assert (net.state_dict()["0.weight"] == old["0.weight"]).all()  # D itself stays as it was


def test_a_classifier_of_maps_and_of_a_mixing_d() -> None:
    patches = Sequential(Conv2D(1, 3, 3), ReLU(), Conv2D(3, 1, 3), Flatten())
    made = classifier_of(patches, (8, 8), 2)
    assert [str(layer) for layer in made.layers[2:]] == ["Flatten()", "Dense(108, 2)"]
    mixing = Sequential(Dense(64, 4), ReLU(), MinibatchStdDev(), Dense(5, 1))
    assert [type(layer) for layer in classifier_of(mixing, (8, 8), 2).layers] == [Dense, ReLU, Dense]
    with pytest.raises(ValueError, match="one layer of weights only"):
        classifier_of(Sequential(Dense(64, 1)), (8, 8), 2)


def test_fine_tuning_is_the_plain_loop() -> None:
    images, labels = bars(10)
    made, other = (classifier_of(conv(), (8, 8), 3) for _ in range(2))
    fine_tune(made, images, labels, 5, batch=4, seed=3)
    taken(other, (8, 8))
    rng, adam = np.random.default_rng(3), Adam(Cosine(1e-3, 0.0, 5)).bind(other)
    for rows in np.concatenate([rng.permutation(10) for _ in range(2)]).reshape(5, 4):
        logits, back = other(to_float(images[rows])[..., None])
        _, dlogits = softmax_cross_entropy(logits, labels[rows])
        other.zero_grad()
        back(dlogits)
        adam.step()
    for name, array in other.state_dict().items():
        np.testing.assert_allclose(made.state_dict()[name], array, atol=1e-6)


def test_fine_tuning_learns_on_every_backend_alike(backend: Backend) -> None:
    images, labels = bars(30)
    made = classifier_of(conv(backend), (8, 8), 3)
    fine_tune(made, images, labels, 20, lr=0.01)
    expected = classifier_of(conv(), (8, 8), 3)
    fine_tune(expected, images, labels, 20, lr=0.01)
    test, answers = bars(60, seed=1)
    read = classify(made, test)
    assert (read == classify(expected, test)).mean() > 0.95  # rounding may decide what is nearly even
    assert (read == answers).mean() > 0.9


def test_an_unplayed_network_has_fresh_weights_and_the_statistics_of_the_data() -> None:
    images, _ = bars(200)
    net = conv()
    made, again, other = (unplayed(net, seed, images) for seed in (5, 5, 6))
    old, new = net.state_dict(), made.state_dict()
    assert not any((old[f"{i}.weight"] == new[f"{i}.weight"]).any() for i in (0, 2, 6, 8))
    assert all((new[name] == array).all() for name, array in again.state_dict().items())
    assert (new["0.weight"] != other.state_dict()["0.weight"]).all()
    begun = unplayed(net, 5).state_dict()
    assert (begun["0.weight"] == new["0.weight"]).all()
    assert (begun["3.running_mean"] == 0).all()
    seen = dict(made.activations(to_float(images)[..., None]))["2.Conv2D"]
    np.testing.assert_allclose(new["3.running_mean"], seen.mean(axis=(0, 1, 2)), atol=0.1)
    np.testing.assert_allclose(new["3.running_var"], seen.var(axis=(0, 1, 2)), rtol=0.2)


# --- the whole -------------------------------------------------------------------------------------------------


def planted(n: int) -> tuple[Array, Array]:
    """Two halves are light or dark, by chance; the class is whether they are alike, which no line in pixels tells."""
    rng = np.random.default_rng(0)
    one, other = rng.choice([-1, 1], (2, n))
    images = 128 + rng.integers(-40, 41, (n, 8, 8))
    images[:, :4] += 80 * one[:, None, None]
    images[:, 4:] += 80 * other[:, None, None]
    return np.clip(images, 0, 255).astype(np.uint8), (one == other).astype(np.int64)


def knowing() -> Sequential:
    """A D whose hidden units are the positive and the negative part of the mean of all pixels: large where the halves
    are alike, and 0 where they are not."""
    D = Sequential(Dense(64, 2), ReLU(), Dense(2, 1), seed=3)
    D.load_state_dict(D.state_dict() | {"0.weight": np.repeat([[1 / 64], [-1 / 64]], 64, axis=1).astype("float32")})
    return D


def test_a_planted_feature_is_found_by_the_probe_and_not_by_pixels(tmp_path: Path) -> None:
    images, labels = planted(400)
    np.savez(tmp_path / "halves.npz", images=images, labels=labels)
    run = saved(tmp_path / "run", knowing(), flat=True)
    said: list[str] = []
    report = transfer(run, tmp_path / "halves.npz", 40, draws=3, steps=0, backend="numpy", say=said.append)
    rows = {row.name: row for row in report.rows}
    assert list(rows) == ["pixels", "50 principal components", "unplayed D", "D"]
    assert min(rows["D"].probe) == 1
    assert max(rows["pixels"].probe + rows["50 principal components"].probe) < 0.75
    assert max(rows["unplayed D"].probe) < 0.9
    assert (rows["D"].columns, rows["pixels"].columns) == (2, 64)
    assert report.layers == ("1.ReLU",)
    assert report.held_out
    assert (report.train_images, report.test_images, report.labels, report.classes) == (320, 80, 40, ("0", "1"))
    assert len(said) == 3
    assert "100.00 ± 0.00" in report.text()
    assert "fine-tuned" not in report.text()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures of bars in classes, with a split to test on."""
    for split, n, seed in (("train", 60, 0), ("test", 30, 1)):
        for i, (image, kind) in enumerate(zip(*bars(n, seed), strict=True)):
            place = tmp_path / "bars" / split / "abc"[kind]
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(place / f"{i:02}.png")
    return tmp_path / "bars"


def test_the_command_and_its_json(tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["transfer", str(saved(tmp_path / "run")), str(folder), "--labels", "12", "--draws", "2", "--steps", "40",
             "--seed", "5", "--backend", "numpy", "--layers", "1", "4.LeakyReLU", "--json"]  # fmt: skip
    assert main([*words, str(tmp_path / "one.json")]) == 0
    out = capsys.readouterr().out
    assert "| unplayed D" in out
    assert "Accuracy on 30 test images (of their own split) after 12 labels, 4 of each class" in out
    assert main([*words, str(tmp_path / "two.json")]) == 0
    first, second = (json.loads((tmp_path / f"{name}.json").read_text("utf-8")) for name in ("one", "two"))
    assert first == second  # seeded all through
    rows = {row["name"]: row for row in first["rows"]}
    assert first["layers"] == ["1.LeakyReLU", "4.LeakyReLU"]
    assert rows["pixels"]["tuned"] is None
    assert np.mean(rows["D"]["tuned"]) > 0.8
    assert len(rows["unplayed D"]["tuned"]) == 2
    mean = rows["D"]["intervals"]["probe"]["mean"]
    assert mean == pytest.approx(np.mean(rows["D"]["probe"]))
    assert f"{100 * mean:.2f} ±" in out
    assert rows["unplayed D"]["probe"] != rows["D"]["probe"] or rows["unplayed D"]["tuned"] != rows["D"]["tuned"]


BAD: dict[str, tuple[list[str], str]] = {
    "not as many of each": (["--labels", "10"], "10 labels were asked for, but as many of each of 3 classes, 2 at"),
    "one of each": (["--labels", "3"], "2 at least, were expected; take 6"),
    "more than there are": (["--labels", "90"], "has 20 training images of a; take fewer labels"),
    "no draws": (["--labels", "6", "--draws", "0"], "draws must be an integer of 1 or more"),
    "no such network": (["--labels", "6", "--net", "Q"], "net must be one of D, G, got 'Q'"),
    "a network of noise": (["--labels", "6", "--net", "G"], "does not take pictures of 8x8 alone"),
    "no such layer": (["--labels", "6", "--layers", "99"], "this network has no layer '99'"),
    "nowhere to write": (["--labels", "6", "--json", "nowhere/a.json"], "there is no folder"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_in_a_sentence(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    options, sentence = BAD[name]
    assert main(["transfer", str(saved(tmp_path / "run")), str(folder), *options, "--backend", "numpy"]) == 2
    assert sentence in capsys.readouterr().err


def test_data_without_labels_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez(tmp_path / "a.npz", images=bars(20)[0])
    assert main(["transfer", str(saved(tmp_path / "run")), str(tmp_path / "a.npz"), "--labels", "6"]) == 2
    assert "has no labels of two classes or more to learn from" in capsys.readouterr().err


# --- features in a file ----------------------------------------------------------------------------------------


def test_features_are_written_in_blocks_with_labels_and_statistics(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minigan.evaluation.embeddings.BLOCK", 7)
    run, out = str(saved(tmp_path / "run")), tmp_path / "f.npz"
    words = ["features", run, str(folder), "--split", "test", "--backend", "numpy", "--out", str(out)]
    assert main(words) == 0
    assert capsys.readouterr().out == f"30 pictures, 128 numbers each, in {out}\n"
    plain, header = archive.load(out)
    assert main([*words, "--standardise"]) == 0
    standard, _ = archive.load(out)
    subject = open_subject(run, backend="numpy")
    train, test = subject.load(folder), subject.load(folder, "test")
    embed = NetworkFeatures(subject.net, (8, 8))
    np.testing.assert_allclose(plain["features"], embed(test.images), atol=1e-6)
    np.testing.assert_array_equal(plain["labels"], test.labels)
    assert plain["layers"].tolist() == ["1.LeakyReLU", "4.LeakyReLU"]
    assert plain["widths"].tolist() == [48, 80]
    assert header["classes"] == ["a", "b", "c"]
    assert not {"mean", "std"} & plain.keys()
    mean, std = (getattr(embed(train.images), name)(axis=0) for name in ("mean", "std"))
    np.testing.assert_allclose(standard["mean"], mean, atol=1e-5)
    np.testing.assert_allclose(standard["features"], (embed(test.images) - mean) / std, atol=1e-3)
    assert {file.name for file in tmp_path.iterdir()} == {"run", "bars", "f.npz"}  # nothing is left behind


def test_pictures_of_another_size_and_colour_are_made_what_the_network_knows(tmp_path: Path) -> None:
    images = np.repeat(np.repeat(bars(4)[0], 2, axis=1), 2, axis=2)
    np.savez(tmp_path / "large.npz", images=np.repeat(images[..., None], 3, axis=3))
    assert open_subject(saved(tmp_path / "run"), backend="numpy").load(tmp_path / "large.npz").image_shape == (8, 8)


def test_features_go_into_an_npz_in_a_folder_that_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for out, sentence in (("f.csv", "features are written to an .npz"), ("nowhere/f.npz", "there is no folder")):
        assert main(["features", "run", "digits", "--out", str(tmp_path / out)]) == 2
        assert sentence in capsys.readouterr().err


def test_a_network_of_which_an_average_is_kept_is_asked_by_that(tmp_path: Path) -> None:
    game = GAN(Sequential(Dense(64, 64), Tanh()), Sequential(Dense(64, 1)), average=0.9)
    game.fit(bars(8)[0], 3, batch=4)
    game.save(tmp_path / "checkpoint.npz", {"shape": [8, 8]})
    subject = open_subject(tmp_path, "G", backend="numpy")
    assert (subject.name, subject.step, subject.shape) == ("G", 3, (8, 8))
    np.testing.assert_array_equal(
        subject.net.state_dict()["0.weight"], game.average_of(game.G).state_dict()["0.weight"]
    )
    assert (subject.net.state_dict()["0.weight"] != game.G.state_dict()["0.weight"]).any()
    with pytest.raises(FileNotFoundError, match="there is no"):
        open_subject(tmp_path / "none")


def test_the_way_to_look_is_chosen_by_labelled_pictures(tmp_path: Path) -> None:
    images, labels = planted(300)
    train, test = (Dataset(images[part], labels[part], "halves") for part in (slice(200), slice(200, None)))
    task = few_labels._Task(train, test, 40)
    useless = few_labels._Seen(pixels, train.images, test)
    useful = few_labels._Seen(NetworkFeatures(knowing(), (8, 8)), train.images, test)
    rows, known = task.draw((0, 0))
    assert sorted(known.tolist()) == [0] * 20 + [1] * 20
    np.testing.assert_array_equal(labels[rows], known)
    assert task.probe([useless], train.images[rows], known)[0] < 0.75
    for ways in ([useless, useful], [useful, useless]):
        assert task.probe(ways, train.images[rows], known)[0] == 1


# --- the benchmark ---------------------------------------------------------------------------------------------


def test_the_benchmark_plays_on_and_keeps_d_on_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program, called, steps = script("features"), list[list[str]](), [0]

    def minigan(*words: str) -> None:
        called.append(list(words))
        folder = tmp_path / "bars-dcgan-1"
        folder.mkdir(exist_ok=True)
        (folder / "config.json").touch()
        steps[0] = int(words[words.index("--steps") + 1])
        (folder / "checkpoint.npz").write_text(str(steps[0]), "utf-8")

    monkeypatch.setattr(program, "minigan", minigan)
    monkeypatch.setattr(program, "steps_of", lambda checkpoint: steps[0])
    args = argparse.Namespace(data="bars", out=tmp_path, run=None, recipe="dcgan", steps=100, backend="numpy")
    folder = program.played(1, args)
    kept = {file.name: file.read_text("utf-8") for file in folder.glob("step-*.npz")}
    assert kept == {f"step-{step:07}.npz": str(step) for step in (1, 3, 10, 30, 100)}
    assert [words[:2] for words in called] == [["train", "dcgan"], *[["train", "--resume"]] * 4]
    (folder / "step-0000100.npz").unlink()  # as if it had been stopped before this was kept
    assert program.played(1, args) == folder
    assert len(called) == 5  # the game itself was over
    assert (folder / "step-0000100.npz").exists()
    (folder / "kept.json").unlink()
    (folder / "step-0000003.npz").unlink()
    program.played(1, args)
    assert len(called) == 5  # a folder of somebody else's stays as it is


def test_the_benchmark_has_a_table_for_each_row(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program, run = script("features"), saved(tmp_path / "run")
    (run / "config.json").write_text("{}", "utf-8")
    monkeypatch.setattr(program.Config, "read", lambda file: argparse.Namespace(steps=7))
    monkeypatch.setattr(program, "minigan", lambda *words: main(list(words)))
    args = argparse.Namespace(
        data=str(folder), on=None, out=tmp_path, run=run, recipe="dcgan", steps=None, backend="numpy", draws=1
    )
    monkeypatch.setattr(program, "LABELS", {"6 labels": 6})
    monkeypatch.setattr(program, "TABLES", {**program.TABLES, "6 labels": program.of_labels})
    monkeypatch.setattr(program, "MANY", 12)
    monkeypatch.setattr(program.few_labels, "STEPS", 3)
    names = ["6 labels", program.RETRIEVAL, program.LAYERS, program.GAME, program.CLASSES]
    rows = [program.figures(name, 1, args) for name in names]
    text = program.table(rows)
    assert all(f"bars, dcgan, 7 steps, seed 1: {name}\n" in text for name in names)
    assert text.count("| unplayed D") == 5  # of labels, and of retrieval with both kinds of statistics, twice
    assert text.count("| D: 7.LeakyReLU") == 1
    assert [one["layer"] for one in rows[2]["found"]] == ["1.LeakyReLU", "4.LeakyReLU", "7.LeakyReLU"]
    assert rows[3]["found"][0]["last"]["layers"] == ["7.LeakyReLU"]
    assert [one["class"] for one in rows[4]["found"]] == ["a", "b", "c"]
    assert all(0 <= one[way] <= 1 for one in rows[4]["found"] for way in ("scratch", "D"))
    monkeypatch.setattr(program, "minigan", None)  # all is there by now
    monkeypatch.setattr(program.embeddings, "principal_components", None)
    monkeypatch.setattr(program.fine_tuning, "fine_tune", None)
    assert [program.figures(name, 1, args) for name in names] == rows


def test_the_benchmark_compares_ds_on_the_same_pictures() -> None:
    program = script("features")

    def row(name: str, data: str, on: str, D: float) -> dict[str, Any]:
        about = {"row": name, "data": data, "on": on, "recipe": "dcgan", "steps": 7, "seed": 1}
        if name == program.RETRIEVAL:
            shares = {"pixels": 0.3, "unplayed D": 0.2, "D": 0.9, "unplayed D: 8.ReLU": 0.4, "D: 8.ReLU": D}
            return about | {"found": [{"name": n, "columns": 3, "mean_average_precision": share, "precision": 0.5}
                                      for n, share in shares.items()]}  # fmt: skip
        of = {"pixels": ("probe",), "unplayed D": ("probe", "tuned"), "D": ("probe", "tuned")}
        share = {"pixels": 0.3, "unplayed D": 0.4, "D": D}
        return about | {"found": {"rows": [
            {"name": n, "columns": 3, "intervals": {w: {"mean": share[n], "half": 0.01, "n": 9} for w in ways}}
            for n, ways in of.items()
        ]}}  # fmt: skip

    own = [row(name, data, data, 0.5) for data in ("mnist", "fashion") for name in ("100 labels", "retrieval")]
    foreign = [row(name, "mnist", "fashion", 0.7) for name in ("100 labels", "retrieval")]
    cut = [line.replace(" ", "") for line in program.table([*own, *foreign]).splitlines()]
    assert sum("seed1" in line for line in cut) == 4  # what D was not played for stands below alone
    probe, tuned, precision = (cut.index(title) for title in (
        "linearprobeafter100labels,%", "fine-tunedafter100labels,%", "retrievalbythelasthiddenlayer,mAP,%"
    ))  # fmt: skip
    assert cut[probe + 2] == "|pictures|pixels|unplayedD|Doffashion|Dofmnist|"
    assert cut[probe + 4] == "|fashion|30.00±1.00|40.00±1.00|50.00±1.00|70.00±1.00|"
    assert cut[tuned + 4] == "|fashion|40.00±1.00|50.00±1.00|70.00±1.00|"
    assert cut[precision + 2] == "|pictures|pixels|unplayedD|Doffashion|Dofmnist|"
    assert cut[precision + 4] == "|fashion|30.0|40.0|50.0|70.0|"
    assert not any(line.startswith("|mnist|") for line in cut)  # one D alone is in its own table


def test_the_benchmark_says_which_classes_d_helps_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A D that is right about everything but class 2, and a network from scratch that is half right about class 1."""
    program, (images, labels) = script("features"), bars(60)
    data = Dataset(images, labels, "bars", {0: "left", 1: "middle", 2: "right"})
    monkeypatch.setattr(
        program.embeddings, "open_subject", lambda folder, backend: argparse.Namespace(net=0, shape=(8, 8))
    )
    monkeypatch.setattr(program.few_labels, "splits", lambda subject, name: (data, data, False))
    monkeypatch.setattr(program.fine_tuning, "classifier_of", lambda net, shape, classes, seed, fresh: fresh)
    monkeypatch.setattr(program.fine_tuning, "fine_tune", lambda net, images, labels, steps, seed: None)
    half = np.where((labels == 1) & (np.arange(60) < 30), 0, labels)
    monkeypatch.setattr(
        program.fine_tuning, "classify", lambda fresh, images: half if fresh else np.where(labels == 2, 0, labels)
    )
    monkeypatch.setattr(program, "MANY", 12)
    found = program.by_class(tmp_path, 1, argparse.Namespace(data="bars", on=None, backend="numpy"))
    assert [tuple(one.values()) for one in found] == [
        ("left", 0, 0),
        ("middle", 0.5, 0),
        ("right", 0, pytest.approx(1)),
    ]
    text = program.of_classes(found).replace(" ", "")
    assert "|middle|50.0|0.0|100|" in text
    assert "|all|16.7|33.3|-100|" in text


def test_the_benchmark_judges_d_on_other_pictures(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, run = script("features"), saved(tmp_path / "run")
    (run / "config.json").write_text("{}", "utf-8")
    (run / "metrics.csv").write_text("step,d_accuracy_real,d_accuracy_fake\n1,1,0.5\n2,0.5,0.5\n", "utf-8")
    monkeypatch.setattr(program.Config, "read", lambda file: argparse.Namespace(steps=7))
    monkeypatch.setattr(program, "minigan", lambda *words: main(list(words)))
    args = argparse.Namespace(
        data="elsewhere/dots", on=str(folder), out=tmp_path, run=run, recipe="dcgan", steps=None, backend="numpy",
        draws=1,
    )  # fmt: skip
    monkeypatch.setattr(program, "MANY", 12)
    found = program.figures(program.LAYERS, 1, args)
    assert (found["data"], found["on"], found["found"][0]["labels"]) == ("dots", "bars", 12)
    program.figures(program.RETRIEVAL, 1, args)
    assert all(file.name.startswith("on-bars-") for file in run.glob("*.json") if file.name != "config.json")
    assert program.right(run, 2) == 0.625
    assert program.right(run, 500) is None


def test_foreign_digits_are_brought_to_the_size_of_mnist() -> None:
    ring = np.zeros((8, 8))
    ring[1:7, 2:6] = 16
    ring[3:5, 3:5] = 0
    program = script("handwriting_npz")
    images, labels = program.digits(np.append(ring.ravel(), 7)[None])
    assert (images.shape, labels.tolist()) == ((1, 28, 28), [7])
    assert np.flatnonzero(images[0].any(axis=1))[[0, -1]].tolist() == [4, 23]  # six pixels are twenty now
    assert np.ptp(np.flatnonzero(images[0].any(axis=0))) == 12  # and four are thirteen
    assert images[0, 14, 14] < 60 < 200 < images[0, 6].max()
    square = np.zeros((28, 28), np.uint8)
    square[4:24, 9:19] = 255  # twice as high as wide: 32 x 16 pixels of a bitmap
    levels = program.coarse(square).reshape(8, 8)
    assert levels.tolist() == [[0, 0, 16, 16, 16, 16, 0, 0]] * 8


def test_the_course_of_what_d_has_learned_is_drawn() -> None:
    program = script("features_picture")

    def probed(D: float, **more: Any) -> dict[str, Any]:
        shares = {"pixels": 0.5, "unplayed D": 0.6, "D": D}
        return more | {"rows": [{"name": name, "columns": 4, "intervals": {"probe": {"mean": share, "half": 0.01}}}
                                for name, share in shares.items()]}  # fmt: skip

    about = {"data": "mnist", "on": "mnist", "recipe": "dcgan", "steps": 90}
    layers = about | {"row": "layers", "found": [probed(0.7, layer="1.ReLU"), probed(0.9, layer="3.ReLU")]}
    course = [probed(D, step=step, right=0.8, last=probed(D + 0.05)) for D, step in ((0.6, 10), (0.8, 90))]
    game = about | {"row": "along the game", "found": course}
    figure = program.draw([layers, game, {**game, "on": "uci"}, {**layers, "data": "fashion-mnist"}])
    (part,) = figure.subfigs  # of the data set whose two rows are there
    left, right, below = part.axes
    drawn = {label: means for means, label in zip(*left.get_legend_handles_labels(), strict=True)}
    assert list(drawn) == ["pixels", "D", "a D that never played"]
    assert drawn["D"][0].get_ydata().tolist() == pytest.approx([70, 90])
    drawn = {label: means for means, label in zip(*right.get_legend_handles_labels(), strict=True)}
    assert drawn["D, last hidden layer"][0].get_ydata().tolist() == pytest.approx([65, 85])
    assert drawn["D, all convolutions"][0].get_xdata().tolist() == [10, 90]
    assert below.lines[0].get_ydata().tolist() == [80, 80]
