"""Labels and classes, from the data to the pictures; and what is said of data that will be hard to learn."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import minigan
from minigan import GAN, Conditional, Dense, Flatten, Label, Reshape, Sequential, Sigmoid, Tanh, archive, datasets
from minigan.cli import main
from minigan.datasets import Dataset
from minigan.recipes import networks
from minigan.runs import pictures
from minigan.runs.config import Config
from minigan.runs.data import hints
from minigan.runs.loop import columns_of, whole_rows
from minigan.training import resume, train

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (12, 8, 8), np.uint8)
SMALL: dict[str, Any] = {"latent": 4, "nets": "dense", "d_norm": "none"}
Array = np.ndarray[Any, Any]


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(networks, "G_HIDDEN", (8, 8, 8))
    monkeypatch.setattr(networks, "D_HIDDEN", (8, 8))
    monkeypatch.setattr(pictures, "plot_losses", lambda *args: None)
    monkeypatch.chdir(tmp_path)


def pets(root: Path, classes: tuple[str, ...] = ("cat", "dog", "ape"), each: int = 4, side: int = 8) -> Path:
    for i, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for j in range(each):
            Image.fromarray(np.full((side, side), 20 * i + j, np.uint8)).save(root / name / f"{j}.png")
    return root


# --- what labels are -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "labels", "names"),
    [
        (np.array([[2], [0], [5]]), [2, 0, 5], {0: "0", 2: "2", 5: "5"}),  # as Keras keeps those of CIFAR
        (np.eye(4, dtype="float32")[[1, 3, 0]], [1, 3, 0], {0: "0", 1: "1", 3: "3"}),
        (np.eye(4, dtype=bool)[[1, 1, 2]], [1, 1, 2], {1: "1", 2: "2"}),
        (np.array([True, False, True]), [1, 0, 1], {0: "0", 1: "1"}),
        (np.array(["dog", "ape", "dog"]), [1, 0, 1], {0: "ape", 1: "dog"}),
        (np.array([[b"dog"], ["ä".encode()], [b"dog"]]), [0, 1, 0], {0: "dog", 1: "ä"}),
        (np.array([-1, 3, -1], np.int8), [-1, 3, -1], {-1: "-1", 3: "3"}),
    ],
)
def test_labels_in_the_forms_that_people_keep_them_in(
    given: Array, labels: list[int], names: dict[int, str], tmp_path: Path
) -> None:
    data = Dataset(IMAGES[:3], given, "x")  # type: ignore[arg-type]
    assert data.labels is not None
    assert data.labels.tolist() == labels
    assert data.labels.dtype in (np.uint8, np.int64)
    assert data.classes == names
    np.savez(tmp_path / "a.npz", images=IMAGES[:3], labels=given)
    assert datasets.load(tmp_path / "a.npz").classes == names


@pytest.mark.parametrize(
    "given",
    [
        np.array([0.5, 1, 2]), np.zeros((3, 4)), np.ones((3, 2), int), np.array([1j, 0, 0]),
        np.array([2**64 - 1, 0, 0], np.uint64), np.zeros((3, 2, 2), int),
    ],
)  # fmt: skip
def test_what_names_no_class_is_refused_from_people_and_left_out_of_files(given: Array, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="labels of x"):
        Dataset(IMAGES[:3], given, "x")  # type: ignore[arg-type]
    np.savez(tmp_path / "a.npz", images=IMAGES[:3], labels=given)
    data = datasets.load(tmp_path / "a.npz")
    assert data.labels is None
    assert "the labels of" in data.notes[0]


@pytest.mark.parametrize("k", [2, 3, 11])
def test_one_hot_rows_of_any_number_of_classes(k: int) -> None:
    labels = RNG.integers(0, k, 20)
    for kind in (np.uint8, np.int64, np.float32, np.float64, bool):
        data = Dataset(np.zeros((20, 3, 3), np.uint8), np.eye(k, dtype=kind)[labels], "x")  # type: ignore[arg-type]
        np.testing.assert_array_equal(data.labels, labels)


def test_text_means_the_same_in_both_splits(tmp_path: Path) -> None:
    train_text, test_text = np.array(["dog", "ape", "dog"]), np.array(["emu", "dog"])
    np.savez(tmp_path / "a.npz", x_train=IMAGES[:3], y_train=train_text, x_test=IMAGES[:2], y_test=test_text)
    assert datasets.load(tmp_path / "a.npz").classes == {0: "ape", 1: "dog"}
    test = datasets.load(tmp_path / "a.npz", "test")
    assert test.classes == {1: "dog", 2: "emu"}
    assert test.labels is not None
    assert test.labels.tolist() == [2, 1]


def test_an_array_that_has_lost_its_pair_is_noticed(tmp_path: Path) -> None:
    every = {"x_train": IMAGES, "y_train": np.arange(12), "x_test": IMAGES[:2], "y_test": np.arange(2)}
    for gone in ("x_train", "y_train", "x_test"):
        np.savez(tmp_path / "a.npz", **{name: array for name, array in every.items() if name != gone})  # type: ignore[arg-type]
        for split in ("train", "test"):
            with pytest.raises(ValueError, match=f"no {gone}"):
                datasets.load(tmp_path / "a.npz", split)  # type: ignore[arg-type]


@given(st.lists(st.integers(0, 4), min_size=1, max_size=9), st.sampled_from(["plain", "column", "rows"]))
def test_a_game_takes_labels_in_these_forms(labels: list[int], form: str) -> None:
    given: Any = {"plain": np.array(labels), "column": np.array(labels)[:, None], "rows": np.eye(5)[labels]}[form]
    found = Label(5).encode(given, len(labels))
    np.testing.assert_array_equal(found, np.eye(5)[labels])


def test_ids_are_no_classes() -> None:
    with pytest.raises(ValueError, match="hardly classes"):
        Label(10**6).encode(np.arange(10**6), 10**6)
    assert Label(10**6).encode(7, 2).sum() == 2  # which took a square of 8 TB before


# --- from the data to the run ----------------------------------------------------------------------------------


def test_a_run_has_the_classes_of_its_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = train("cgan", pets(tmp_path / "pets"), steps=2, batch=4, backend="numpy", options=SMALL)
    assert GAN.load(folder / "checkpoint.npz").codes[0] == Label(3)
    config = Config.read(folder / "config.json")
    assert config.options["classes"] == 3
    assert config.labels["classes"] == ["ape", "cat", "dog"]
    with Image.open(folder / "samples.png") as picture:  # 9 columns of 10 pixels, 11 rows, and the titles above
        assert picture.width == 9 * 10 + 2
        assert 11 * 10 + 2 + 9 < picture.height < 11 * 10 + 2 + 60
    capsys.readouterr()
    assert main(["sample", str(folder), "--label", "dog", "--n", "3", "--out", "dog.npz"]) == 0
    expected = minigan.datasets.to_uint8(GAN.load(folder / "checkpoint.npz").sample(3, label=2)).reshape(3, 8, 8)
    np.testing.assert_array_equal(datasets.load("dog.npz").images, expected)
    assert main(["sample", str(folder), "--label", "2", "--n", "3", "--out", "two.NPZ"]) == 0
    np.testing.assert_array_equal(datasets.load("two.NPZ").images, expected)
    assert main(["sample", str(folder), "--label", "dgo"]) == 2
    assert "did you mean dog?" in capsys.readouterr().err
    assert main(["sample", str(folder / "checkpoint.npz"), "--out", "S.PNG"]) == 0
    assert Path("S.PNG").read_bytes() == (folder / "samples.png").read_bytes()


def test_a_class_has_its_number_by_its_place_whatever_its_name(tmp_path: Path) -> None:
    np.savez("zoo.npz", images=IMAGES[:6], labels=np.array(["zebra", "ox", "ant"] * 2))
    options = SMALL | {"label": "given"}
    folder = train(
        "gan", "zoo.npz", steps=1, batch=2, backend="numpy", out=tmp_path / "run", options=options, quiet=True
    )
    assert Config.read(folder / "config.json").labels["classes"] == ["ant", "ox", "zebra"]
    gan = GAN.load(folder / "checkpoint.npz")
    for number, name in enumerate(["ant", "ox", "zebra"]):
        assert main(["sample", str(folder), "--n", "3", "--label", name, "--out", "a.npz"]) == 0
        right = datasets.to_uint8(gan.sample(3, label=number)).reshape(-1, *IMAGES.shape[1:])
        np.testing.assert_array_equal(datasets.load("a.npz").images, right)


def test_labels_with_gaps_are_numbered_and_asked_for_by_their_own_numbers(tmp_path: Path) -> None:
    np.savez("a.npz", images=IMAGES, labels=np.array([3, 70, 200])[np.arange(12) % 3])
    folder = train("acgan", "a.npz", steps=2, batch=4, backend="numpy", options=SMALL)
    gan = GAN.load(folder / "checkpoint.npz")
    assert gan.codes[0] == Label(3, predicted=True)
    assert main(["sample", str(folder), "--label", "70", "--n", "2", "--out", "b.npz"]) == 0
    expected = minigan.datasets.to_uint8(gan.sample(2, label=1)).reshape(2, 8, 8)
    np.testing.assert_array_equal(datasets.load("b.npz").images, expected)
    assert main(["sample", str(folder), "--label", "1"]) == 2


@pytest.mark.parametrize(
    ("labels", "options", "words"),
    [
        (None, {}, "no labels"),
        (np.full(12, 7), {}, "one class only, 7"),
        (np.arange(12) % 3, {"classes": 10}, r"classes is 10, but a.npz has 3 of them \(0, 1, 2\)"),
        (np.linspace(0, 1, 12), {}, r"no labels \(left out: the labels of a.npz have dtype float64"),
    ],
)
def test_labels_that_do_not_fit_the_recipe(labels: Any, options: dict[str, Any], words: str) -> None:
    np.savez("a.npz", images=IMAGES, **({} if labels is None else {"labels": labels}))
    with pytest.raises(ValueError, match=words):
        train("cgan", "a.npz", steps=2, batch=4, options=SMALL | options)
    assert not Path("runs").exists()
    assert train("gan", "a.npz", steps=1, batch=4, backend="numpy", options=SMALL).exists()  # which needs none


def test_a_run_does_not_go_on_with_other_labels(tmp_path: Path) -> None:
    labels = np.arange(12) % 3
    np.savez("a.npz", images=IMAGES, labels=labels)
    folder = train("cgan", "a.npz", steps=2, batch=4, backend="numpy", options=SMALL)
    plain = train("gan", "a.npz", steps=2, batch=4, backend="numpy", options=SMALL)
    np.savez("a.npz", images=IMAGES, labels=labels[::-1])
    with pytest.raises(ValueError, match="other labels"):
        resume(folder, 3)
    np.savez("a.npz", images=IMAGES)
    with pytest.raises(ValueError, match="no labels"):
        resume(folder, 3)
    resume(plain, 3)  # it has never looked at them
    np.savez("a.npz", images=IMAGES, labels=np.array(["x", "y", "z"])[labels])
    with pytest.raises(ValueError, match="other labels"):
        resume(folder, 3)
    np.savez("a.npz", images=IMAGES, labels=labels[:, None])
    assert resume(folder, 3) == folder


def test_an_older_run_goes_on_with_its_labels_as_they_are() -> None:
    np.savez("a.npz", images=IMAGES, labels=np.arange(12) % 3)
    folder = train("cgan", "a.npz", steps=2, batch=4, backend="numpy", options=SMALL)
    config = json.loads((folder / "config.json").read_text())
    del config["labels"], config["size"]
    (folder / "config.json").write_text(json.dumps(config))
    arrays, header = archive.load(folder / "checkpoint.npz")
    del header["extra"]["settings"], header["extra"]["rows"], header["extra"]["classes"]
    archive.save(folder / "checkpoint.npz", arrays, header)
    assert resume(folder, 4) == folder


@pytest.mark.parametrize(
    "change",
    [
        {"images": {"count": None, "shape": [8, 8], "sha256": ""}},
        {"images": {"count": 12, "shape": [8, True], "sha256": ""}},
        {"images": {"count": 12, "shape": "88", "sha256": ""}},
        {"images": {"count": 12, "shape": [8, 8], "sha256": 5}},
        {"images": {}},
        {"labels": {"classes": [1, 2], "sha256": ""}},
        {"labels": {"classes": []}},
        {"labels": {"classes": ["a", "a"], "sha256": ""}},
        {"labels": None},
        {"size": 3},
        {"size": "a lot"},
    ],
)
def test_a_config_that_says_nonsense_of_its_data(change: dict[str, Any]) -> None:
    np.savez("a.npz", images=IMAGES)
    folder = train("gan", "a.npz", steps=1, batch=4, backend="numpy", options=SMALL)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(ValueError, match=r"config.json|size is"):
        resume(folder, 2)


def test_a_size_is_kept_and_confirmed(tmp_path: Path) -> None:
    folder = train("gan", pets(tmp_path / "pets", side=30), steps=1, batch=4, size="12x10", options=SMALL)
    assert Config.read(folder / "config.json").images["shape"] == [10, 12]
    assert resume(folder, 2, size="12x10") == folder
    with pytest.raises(ValueError, match="size: the run has 12x10, you asked for 12x12"):
        resume(folder, 3, size=12)
    (tmp_path / "pets").rename(tmp_path / "moved")
    assert resume(folder, 3, data=tmp_path / "moved") == folder


# --- pictures --------------------------------------------------------------------------------------------------


def test_columns_have_no_names_where_g_is_not_asked_for_a_class(tmp_path: Path) -> None:
    """Though D is told some labels."""
    np.savez(tmp_path / "a.npz", images=IMAGES, labels=np.arange(12) % 3)
    folder = train("ssgan", tmp_path / "a.npz", steps=1, batch=4, backend="numpy", options={"labelled": 6})
    assert Config.read(folder / "config.json").labels["classes"] == ["0", "1", "2"]
    with Image.open(folder / "samples.png") as picture:
        assert picture.height == picture.width  # no titles above


def test_a_picture_of_classes_is_as_near_to_a_square_as_can_be() -> None:
    for n, k, columns, samples in ((25, 3, 6, 24), (100, 3, 9, 99), (25, 2, 4, 24), (100, 7, 7, 98), (25, 8, 8, 24)):
        assert columns_of(n, [*"abcdefgh"[:k]]) == columns
        assert whole_rows(n, columns) == samples
    assert whole_rows(23, 6) == 24
    assert whole_rows(1, 6) == 6
    assert whole_rows(23, columns_of(23, [])) == 23


def test_titles_stand_above_their_columns() -> None:
    grid = pictures.grid(np.zeros((6, 40, 40), np.uint8), columns=3)
    titled = pictures.titled(grid, ["cat", "", "mmm"])
    strip = titled[: len(titled) - len(grid)]
    np.testing.assert_array_equal(titled[len(strip) :], grid)
    ink = [int((strip[:, 2 + 42 * i : 44 + 42 * i] > 0).sum()) for i in range(3)]
    assert ink[0] > 10 < ink[2]
    assert ink[1] == 0
    upright = pictures.titled(grid, ["cat", "a rather long name", "dog"])
    assert len(upright) - len(grid) > 40 > len(strip)


@settings(max_examples=10)
@given(st.text(max_size=40), st.sampled_from([(), (2,), (3,), (4,)]))
def test_any_name_makes_a_title(name: str, channels: tuple[int, ...]) -> None:
    grid = pictures.grid(np.zeros((2, 12, 12, *channels), np.uint8), columns=2)
    titled = pictures.titled(grid, [name, "\udcff"])
    assert titled.shape[1:] == grid.shape[1:]
    assert len(titled) > len(grid)


# --- what is said of the data ----------------------------------------------------------------------------------


def said(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line for line in capsys.readouterr().out.splitlines() if line.startswith("note: ")]


def test_notes_and_hints_are_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "photos"
    root.mkdir()
    for i in range(5):
        Image.fromarray(RNG.integers(0, 256, (10, 9, 3), np.uint8)).save(root / f"{i}.jpg")
    (root / "notes.txt").write_text("?")
    folder = train("gan", root, steps=1, batch=2, backend="numpy", options=SMALL)
    notes = said(capsys)
    assert len(notes) == 3
    assert "notes.txt" in notes[0]
    assert "5 pictures are few" in notes[1]
    assert notes[2].endswith("minigan train dcgan --size 8x12")
    resume(folder, 2)
    assert said(capsys) == []
    np.savez("many.npz", images=np.repeat(IMAGES, 90, axis=0))
    train("gan", "many.npz", steps=1, batch=2, backend="numpy", options=SMALL)
    assert said(capsys) == []


@pytest.mark.parametrize(("count", "few"), [(999, True), (1000, False)])
def test_few_pictures_are_less_than_a_thousand(count: int, few: bool) -> None:
    found = hints(Dataset(np.zeros((count, 2, 2), np.uint8), None, "x"), {})
    assert found == ["999 pictures are few: below about 1,000, " + said.partition("1,000, ")[2] for said in found]
    assert bool(found) == few


def test_sides_that_the_network_cannot_make_name_size() -> None:
    np.savez("a.npz", images=IMAGES[:, :7, :])
    with pytest.raises(ValueError, match="--size 8 "):
        train("dcgan", "a.npz", steps=1)
    assert train("dcgan", "a.npz", steps=1, batch=2, size="8x8", options={"width": 2, "latent": 2}).exists()


def game(last: Any = None, codes: Any = ()) -> GAN:
    width = 4 + sum(code.width for code in codes)
    given = sum(code.width for code in codes)
    G = Sequential(Dense(width, 16), *([last] if last else []), seed=0)
    return Conditional(G, Sequential(Dense(16 + given, 1), seed=1), codes=codes, latent=4)


FLOATS = np.linspace(0, 1, 160, dtype="float32").reshape(10, 16)


@pytest.mark.parametrize(
    ("make", "data", "words"),
    [
        (lambda: game(Tanh()), FLOATS * 255, "0 to 255, but G ends in Tanh"),
        (lambda: game(Tanh()), FLOATS, "scaled to \\[0, 1\\]"),
        (lambda: game(Sigmoid()), FLOATS * 2 - 1, "-1 to 1, but G ends in Sigmoid"),
        (lambda: game(Sigmoid()), IMAGES[:, :4, :4], "uint8 is brought to"),
        (lambda: game(Tanh()), FLOATS * 2 - 1, None),
        (lambda: game(Tanh()), IMAGES[:, :4, :4], None),
        (lambda: game(Sigmoid()), FLOATS, None),
        (lambda: game(), FLOATS * 255, None),  # points may lie anywhere
    ],
)
def test_floats_that_g_cannot_make_are_no_secret(make: Callable[[], GAN], data: Array, words: str | None) -> None:
    if words is None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            make().fit(data, 1, 4)
    else:
        with pytest.warns(UserWarning, match=words) as caught:
            make().fit(data, 1, 4)
        assert len(caught) == 1
        assert caught[0].filename == __file__


def test_classes_without_a_sample_are_no_secret() -> None:
    with pytest.warns(UserWarning, match=r"10 classes, but 7 of them \(3, 4, 5, 6, 7, ...\) have no sample"):
        game(Tanh(), [Label(10)]).fit(FLOATS * 2 - 1, 1, 4, labels=np.arange(10) % 3)


def test_the_same_numbers_in_another_order_are_refused() -> None:
    G = Sequential(Dense(4, 48), Reshape(4, 4, 3), Tanh(), seed=0)
    gan = GAN(G, Sequential(Flatten(), Dense(48, 1), seed=1), latent=4)
    images = RNG.uniform(-1, 1, (8, 4, 4, 3)).astype("float32")
    gan.fit(images, 1, 4)
    gan.fit(images.reshape(8, 48), 1, 4)
    gan.fit(images.reshape(8, 1, 4, 4, 3), 1, 4)
    first = images.transpose(0, 3, 1, 2)
    for call in (lambda: gan.fit(first, 1, 4), lambda: gan.step(first), lambda: gan.score(first)):
        with pytest.raises(ValueError, match="another order: transpose"):
            call()


class Tensor:
    """What tensors of another library look like from here."""

    def __init__(self, array: Array, error: Exception | None = None) -> None:
        self.array, self.error, self.dtype, self.shape, self.ndim = array, error, "float", array.shape, array.ndim

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        if self.error:
            raise self.error
        return self.array if dtype is None else self.array.astype(dtype)

    def __len__(self) -> int:
        return len(self.array)


def test_tensors_of_other_libraries_are_taken() -> None:
    floats, labels = FLOATS * 2 - 1, np.arange(10) % 3
    hashes = set()
    for data, known in ((floats, labels), (Tensor(floats), Tensor(labels))):
        gan = game(Tanh(), [Label(3)])
        gan.fit(data, 3, 4, labels=known)
        hashes.add(hashlib.sha256(gan.G.flat.tobytes()).hexdigest())
    assert len(hashes) == 1
    with pytest.raises(TypeError, match="detach"):
        game(Tanh()).fit(Tensor(floats, RuntimeError("requires grad")), 1, 4)
