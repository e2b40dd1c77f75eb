"""Pairs of pictures: how they lie in files, and what each task makes of a picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from minigan.datasets import Dataset, MissingSplit, load
from minigan.datasets.pairs import Pairs, side_by_side
from minigan.datasets.tasks import TASKS, enlarged, make_pairs
from minigan.datasets.tasks.derain import median, most_streaks, rain
from minigan.datasets.tasks.edges import sobel
from minigan.datasets.tasks.luminance import luminance
from minigan.datasets.tasks.next_frame import motion, placed
from minigan.datasets.tasks.resampling import resized
from minigan.datasets.tasks.superresolve import reduced
from minigan.datasets.tasks.task import chunked, uniforms

Pixels = np.ndarray[Any, Any]
RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (5, 8, 12), np.uint8)
COLOUR = RNG.integers(0, 256, (5, 8, 12, 3), np.uint8)
DIGITS = Dataset(load("digits").images[::40], load("digits").labels[::40], "some digits")  # type: ignore[index]
seeds = st.integers(0, 2**32 - 1)


def psnr(one: Pixels, other: Pixels) -> float:
    """In dB, from the mean square over all pixels."""
    return float(10 * np.log10(255**2 / np.mean((one.astype(float) - other) ** 2)))


# --- pairs -----------------------------------------------------------------------------------------------------------


def test_pairs_are_images_with_inputs() -> None:
    pairs = Pairs(
        COLOUR, ["a", "b", "a", "b", "a"], "some", notes=("a note",), inputs=GREY[..., None], task="colourise"
    )
    assert pairs.inputs.shape == GREY.shape
    assert repr(pairs) == "Pairs('some', 5 pairs, (8, 12, 3) of (8, 12), task colourise, 2 classes: a, b)"
    back = pairs.swapped()
    np.testing.assert_array_equal(back.images, GREY)
    np.testing.assert_array_equal(back.inputs, COLOUR)
    assert (back.task, back.classes, back.notes) == ("", {0: "a", 1: "b"}, ("a note",))
    for rows in (np.array([3, 1]), pairs.labels == 1, slice(1, 4, 2)):
        some = pairs.of(rows)
        np.testing.assert_array_equal(some.images, COLOUR[rows])
        np.testing.assert_array_equal(some.inputs, GREY[rows])
        assert (some.classes, some.task) == ({1: "b"}, "colourise")


def test_both_sides_are_scaled() -> None:
    pairs = Pairs(COLOUR, None, "some", inputs=GREY, task="colourise")
    small = pairs.scaled("6x4")
    assert (small.image_shape, small.inputs.shape, small.task) == ((4, 6, 3), (5, 4, 6), "")
    np.testing.assert_array_equal(small.inputs, Dataset(GREY, None, "").scaled("6x4").images)
    assert pairs.scaled("12x8") is pairs


BAD_INPUTS: dict[str, tuple[Any, type[Exception], str]] = {
    "fewer": (GREY[:4], ValueError, r"have shape \(4, 8, 12\) and its targets \(5, 8, 12, 3\)"),
    "of another height": (GREY[:, :7], ValueError, "an input of the same height and width"),
    "floats": (GREY / 255, TypeError, r"some \(inputs\) are dtype float64"),
    "of five channels": (np.zeros((5, 8, 12, 5), np.uint8), ValueError, "at most 4 channels"),
}


@pytest.mark.parametrize("what", BAD_INPUTS)
def test_inputs_that_belong_to_no_images_are_refused(what: str) -> None:
    inputs, error, words = BAD_INPUTS[what]
    with pytest.raises(error, match=words):
        Pairs(COLOUR, None, "some", inputs=inputs)


def test_halves_are_pairs() -> None:
    pairs = side_by_side(Dataset(COLOUR, np.arange(5), "halves"))
    np.testing.assert_array_equal(pairs.inputs, COLOUR[:, :, :6])
    np.testing.assert_array_equal(pairs.images, COLOUR[:, :, 6:])
    assert (pairs.task, pairs.name, list(pairs.classes)) == ("", "halves", [0, 1, 2, 3, 4])
    with pytest.raises(ValueError, match="11 pixels wide, but an even width"):
        side_by_side(Dataset(GREY[:, :, :11], None, "halves"))


# --- files -----------------------------------------------------------------------------------------------------------


def write(folder: Path, **pictures: Pixels) -> None:
    """Files whose names are of the keywords, the last _ standing for the point."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, pixels in pictures.items():
        Image.fromarray(pixels).save(folder / ".".join(name.rsplit("_", 1)))


def test_partners_have_one_name_whatever_its_ending(tmp_path: Path) -> None:
    # By their whole names "a-.png" comes before "a.png", but "a.bmp" before "a_.bmp": order alone would mix them up.
    write(tmp_path / "inputs", a_png=GREY[0], b_bmp=GREY[1])
    write(tmp_path / "targets", a_bmp=COLOUR[0], b_png=COLOUR[1])
    for side, pictures in (("inputs", GREY), ("targets", COLOUR)):
        write(tmp_path / side / "c", a_png=pictures[2])
        Image.fromarray(pictures[3]).save(tmp_path / side / ("a-.png" if side == "inputs" else "a-.tiff"))
    data = load(tmp_path)
    assert isinstance(data, Pairs)
    np.testing.assert_array_equal(data.inputs, GREY[[0, 3, 1, 2]])
    np.testing.assert_array_equal(data.images, COLOUR[[0, 3, 1, 2]])
    assert (data.labels, data.task, data.notes) == (None, "", ())
    small = load(tmp_path, size="6x4")
    assert isinstance(small, Pairs)
    assert (small.image_shape, small.inputs.shape) == ((4, 6, 3), (4, 4, 6))
    with pytest.raises(MissingSplit, match=r"no test/ with inputs/ and targets/"):
        load(tmp_path, "test")


def test_splits_have_pairs_of_their_own(tmp_path: Path) -> None:
    for i, split in enumerate(("train", "test")):
        write(tmp_path / split / "inputs", a_png=GREY[i])
        write(tmp_path / split / "targets", a_png=GREY[i + 2])
    for i, split in enumerate(("train", "test")):
        data = load(tmp_path, split)  # type: ignore[arg-type]
        assert isinstance(data, Pairs)
        np.testing.assert_array_equal(data.inputs[0], GREY[i])
        np.testing.assert_array_equal(data.images[0], GREY[i + 2])
    (tmp_path / "test" / "targets" / "a.png").unlink()
    (tmp_path / "test" / "targets").rmdir()
    with pytest.raises(MissingSplit):
        load(tmp_path, "test")


def test_what_is_no_part_of_a_pair_is_named(tmp_path: Path) -> None:
    for side in ("inputs", "targets"):
        write(tmp_path / "train" / side, a_png=GREY[0])
    write(tmp_path / "train", c_png=GREY[0])
    write(tmp_path / "train" / "masks", d_png=GREY[0])
    (tmp_path / "train" / "inputs" / "e.txt").write_text("")
    (tmp_path / "f.txt").write_text("")
    (note,) = load(tmp_path).notes
    assert note.startswith(
        "left out, being no part of a pair: train/c.png, train/masks/d.png, train/inputs/e.txt and 1"
    )


def test_a_file_without_a_partner_is_named(tmp_path: Path) -> None:
    write(tmp_path / "inputs", a_png=GREY[0], b_png=GREY[0], c_png=GREY[0])
    write(tmp_path / "targets", a_png=GREY[0], d_png=GREY[0])
    with pytest.raises(ValueError, match=r"inputs/b.png, inputs/c.png, targets/d.png has or have no partner"):
        load(tmp_path)


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "inputs", a_png=GREY[0], a_bmp=GREY[0])
    write(tmp_path / "targets", a_png=GREY[0])
    with pytest.raises(ValueError, match=r"inputs/a.bmp and .*inputs/a.png differ in their endings only"):
        load(tmp_path)


def test_a_folder_of_no_pairs_is_refused(tmp_path: Path) -> None:
    for side in ("inputs", "targets"):
        (tmp_path / side).mkdir()
    with pytest.raises(ValueError, match="there are no pictures"):
        load(tmp_path)
    write(tmp_path / "inputs", a_png=GREY[0])
    write(tmp_path / "targets", a_png=GREY[0, :4])
    with pytest.raises(ValueError, match=r"\(1, 8, 12\) and its targets \(1, 4, 12\).*--size N"):
        load(tmp_path)


def test_an_archive_of_pairs_is_read(tmp_path: Path) -> None:
    path = tmp_path / "pairs.npz"
    np.savez(path, inputs=GREY, targets=(COLOUR / 127.5 - 1).astype(np.float32), labels=np.array(list("abbab")))
    data = load(path)
    assert isinstance(data, Pairs)
    np.testing.assert_array_equal(data.inputs, GREY)
    np.testing.assert_array_equal(data.images, COLOUR)
    assert data.classes == {0: "a", 1: "b"}
    assert load(path, size=4).image_shape == (4, 4, 3)
    with pytest.raises(MissingSplit, match="inputs_test and targets_test were expected"):
        load(path, "test")
    np.savez(path, inputs=GREY, targets=GREY, labels=np.linspace(0, 1, 5))
    assert load(path).labels is None
    assert "left out" in load(path).notes[0]


def test_labels_of_an_archive_are_numbered_alike_in_both_splits(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "pairs.npz", inputs_train=GREY, targets_train=COLOUR, labels_train=np.array(list("abbab")),
        inputs_test=GREY[:2], targets_test=COLOUR[3:], labels_test=np.array(list("bc")),
    )  # fmt: skip
    train, test = load(tmp_path / "pairs.npz"), load(tmp_path / "pairs.npz", "test")
    assert isinstance(test, Pairs)
    np.testing.assert_array_equal(test.images, COLOUR[3:])
    np.testing.assert_array_equal(test.inputs, GREY[:2])
    assert (train.classes, test.classes) == ({0: "a", 1: "b"}, {1: "b", 2: "c"})


BAD_ARCHIVES: dict[str, tuple[dict[str, Pixels], str]] = {
    "whole numbers": ({"inputs": GREY.astype(int), "targets": GREY}, "the array 'inputs' of .* has dtype int64"),
    "floats from 0 to 1": ({"inputs": GREY, "targets": GREY / 255}, "the array 'targets' of .* looks scaled"),
    "others": ({"inputs": GREY, "targets": GREY[:2]}, "leave out what has no partner"),
    "another split": ({"inputs_test": GREY, "targets_test": GREY}, 'split="train" was asked'),
    "labels of others": ({"inputs": GREY, "targets": GREY, "labels": np.arange(4)}, "one for each image"),
}


@pytest.mark.parametrize("what", BAD_ARCHIVES)
def test_an_archive_of_no_pairs_is_refused(what: str, tmp_path: Path) -> None:
    arrays, words = BAD_ARCHIVES[what]
    np.savez(tmp_path / "pairs.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=words):
        load(tmp_path / "pairs.npz")


# --- all tasks -------------------------------------------------------------------------------------------------------


def pictures_for(task: str, height: int = 8, width: int = 12) -> Dataset:
    shape = (40, height, width, 3) if task == "colourise" else (40, height, width)
    images = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    return Dataset(images, np.arange(40) % 4, "noise", dict(enumerate("abcd")), ("a note",))


DRAWN = ("derain", "next-frame")  # at random


@pytest.mark.parametrize("task", TASKS)
def test_pairs_are_a_function_of_task_split_and_place(task: str) -> None:
    data = pictures_for(task)
    pairs, again, test = make_pairs(data, task), make_pairs(data, task), make_pairs(data, task, "test")
    fewer = make_pairs(Dataset(data.images[:7], None, "fewer"), task)
    for one, same, other, few in (
        (pairs.inputs, again.inputs, test.inputs, fewer.inputs),
        (pairs.images, again.images, test.images, fewer.images),
    ):
        np.testing.assert_array_equal(one, same)
        np.testing.assert_array_equal(one[:7], few)
        assert one.dtype == np.uint8
        if one is pairs.inputs:
            assert np.array_equal(one, other) == (task not in DRAWN)
    assert (len(pairs), pairs.task, pairs.name, pairs.notes) == (40, task, "noise", ("a note",))
    assert pairs.classes == {0: "a", 1: "b", 2: "c", 3: "d"}
    same_sides = (40, *((12, 16) if task == "next-frame" else (8, 12)))
    channels = {"colourise": ((), (3,)), "next-frame": ((2,), ())}.get(task, ((), ()))
    assert (pairs.inputs.shape, pairs.images.shape) == tuple((*same_sides, *more) for more in channels)
    if task != "next-frame":
        np.testing.assert_array_equal(pairs.images, data.images)


@pytest.mark.parametrize("task", TASKS)
def test_what_is_done_to_many_is_done_to_each(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = pictures_for(task)
    pairs = make_pairs(data, task)
    monkeypatch.setattr("minigan.datasets.tasks.task._CHUNK", 3 * data.images[0].size)
    one_by_one = make_pairs(data, task)
    np.testing.assert_array_equal(pairs.inputs, one_by_one.inputs)
    np.testing.assert_array_equal(pairs.images, one_by_one.images)


@pytest.mark.parametrize("task", [task for task in TASKS if task != "next-frame"])
def test_colours_are_treated_alike(task: str) -> None:
    """Of a grey picture as three equal channels each task makes the same, three times or once."""
    grey = pictures_for("edges").images
    given = make_pairs(Dataset(np.repeat(grey[..., None], 3, axis=3), None, "grey"), task).inputs
    if task in ("edges", "colourise"):
        np.testing.assert_array_equal(given, sobel(grey) if task == "edges" else grey)
    else:
        alone = make_pairs(Dataset(grey, None, "grey"), task).inputs
        np.testing.assert_array_equal(given, np.repeat(alone[..., None], 3, axis=3))


RIVALS = {
    "superresolve": ["nearest", "bicubic"], "derain": ["input", "median of 3x3"], "inpaint": ["input", "mean image"],
    "edges": [], "colourise": ["grey"], "next-frame": ["last frame"],
}  # fmt: skip


@pytest.mark.parametrize("task", TASKS)
def test_rivals_answer_as_targets_are(task: str) -> None:
    train, test = make_pairs(pictures_for(task), task), make_pairs(pictures_for(task), task, "test").of(slice(9))
    rivals = TASKS[task].rivals(test, train)
    assert list(rivals) == RIVALS[task]
    for answer in rivals.values():
        assert (answer.dtype, answer.shape) == (np.uint8, test.images.shape)
    assert TASKS[task].name == task
    assert TASKS[task].about
    known = TASKS[task].known(test.image_shape)
    if known is None:
        assert task != "inpaint"
    else:
        assert (known.dtype, known.shape) == (bool, test.image_shape[:2])
        np.testing.assert_array_equal(test.inputs[:, known], test.images[:, known])


@pytest.mark.parametrize("task", TASKS)
def test_a_picture_from_a_file_is_prepared(task: str) -> None:
    for picture in (GREY[0], COLOUR[0]):
        ready = TASKS[task].prepare(picture)
        np.testing.assert_array_equal(ready, enlarged(picture[None])[0] if task == "superresolve" else picture)
    assert TASKS["superresolve"].prepare(COLOUR[0]).shape == (32, 48, 3)


BAD_PICTURES: dict[str, tuple[Dataset, str, str]] = {
    "an unknown task": (DIGITS, "derian", "unknown task 'derian'.*did you mean derain"),
    "sides that are no multiples": (Dataset(GREY[:, :, :10], None, "x"), "superresolve", "10x8 pixels.*multiples of 4"),
    "grey for colour": (DIGITS, "colourise", r"some digits are of shape \(28, 28\), but colour"),
    "colour for grey": (Dataset(COLOUR, None, "x"), "next-frame", "but grey ones"),
    "two channels": (Dataset(COLOUR[..., :2], None, "x"), "edges", "have 2 channels, but grey or colour"),
}


@pytest.mark.parametrize("what", BAD_PICTURES)
def test_pictures_that_do_not_suit_are_refused(what: str) -> None:
    data, task, words = BAD_PICTURES[what]
    with pytest.raises(ValueError, match=words):
        make_pairs(data, task)
    with pytest.raises(ValueError, match="unknown split 'tset'"):
        make_pairs(DIGITS, "edges", "tset")


def test_random_numbers_are_those_of_philox() -> None:
    drawn = uniforms("derain", "test", 50, 6)
    bits = np.random.Philox(key=np.array([int.from_bytes(b"derain", "little"), 1], np.uint64))
    np.testing.assert_array_equal(drawn, np.random.Generator(bits).random((50, 6)))
    assert len({float(uniforms(task, split, 1, 1)[0, 0]) for task in DRAWN for split in ("train", "test")}) == 4


def test_chunks_are_put_together_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minigan.datasets.tasks.task._CHUNK", 2 * GREY[0].size)
    seen: list[int] = []

    def plus(part: Pixels, more: Pixels) -> Pixels:
        seen.append(len(part))
        return part[:, :4] + more[:, None, None]

    more = np.arange(5, dtype=np.uint8)
    np.testing.assert_array_equal(chunked(plus, GREY, more), GREY[:, :4] + more[:, None, None])
    assert seen == [2, 2, 1]


# --- superresolve ----------------------------------------------------------------------------------------------------


def pillows(images: Pixels, height: int, width: int) -> Pixels:
    made = [Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC) for image in images]
    return np.stack([np.asarray(image) for image in made])


@given(seeds, *(st.integers(1, 30) for _ in range(4)), st.sampled_from([(), (3,)]))
def test_resampling_is_pillows(seed: int, h: int, w: int, height: int, width: int, channels: tuple[int, ...]) -> None:
    """One direction at a time, and columns first: Pillow chooses, since version 13."""
    images = np.random.default_rng(seed).choice(np.array([0, 20, 255], np.uint8), (2, h, w, *channels))
    across = resized(images, h, width)
    np.testing.assert_array_equal(across, pillows(images, h, width))
    np.testing.assert_array_equal(resized(images, height, width), pillows(across, height, width))


@given(seeds, st.integers(1, 8), st.integers(1, 8), st.sampled_from([2, 3, 4]))
def test_reducing_and_enlarging_are_pillows(seed: int, h: int, w: int, factor: int) -> None:
    images = np.random.default_rng(seed).integers(0, 256, (2, factor * h, factor * w), np.uint8)
    large = enlarged(images, factor)
    np.testing.assert_array_equal(large, pillows(images, factor**2 * h, factor**2 * w))
    np.testing.assert_allclose(reduced(images, factor).astype(int), pillows(images, h, w), atol=1)


@given(st.integers(0, 255), st.integers(1, 30), st.integers(1, 30), st.integers(1, 30), st.integers(1, 30))
def test_a_constant_stays_that_constant(level: int, h: int, w: int, height: int, width: int) -> None:
    assert (resized(np.full((1, h, w), level, np.uint8), height, width) == level).all()


def test_a_small_picture_is_all_that_is_given() -> None:
    pairs = make_pairs(DIGITS, "superresolve")
    assert reduced(DIGITS.images).shape == (250, 7, 7)
    np.testing.assert_array_equal(pairs.inputs, enlarged(reduced(DIGITS.images)))
    rivals = TASKS["superresolve"].rivals(pairs, pairs)
    np.testing.assert_array_equal(rivals["nearest"][:, 3::4, ::4], reduced(DIGITS.images))
    np.testing.assert_array_equal(rivals["nearest"][:, 3::4, 1::4], rivals["nearest"][:, ::4, 3::4])
    assert psnr(rivals["nearest"], pairs.images) < psnr(rivals["bicubic"], pairs.images)


# --- derain ----------------------------------------------------------------------------------------------------------


def test_rain_adds_light_and_leaves_a_digit_to_be_seen() -> None:
    pairs = make_pairs(DIGITS, "derain")
    assert (pairs.inputs >= pairs.images).all()
    assert 15 < psnr(pairs.inputs, pairs.images) < 20
    cleaned = TASKS["derain"].rivals(pairs, pairs)["median of 3x3"]
    assert psnr(cleaned, pairs.images) > psnr(pairs.inputs, pairs.images)


def one_streak(slant: float, brightness: float, length: float, x: float, y: float, side: int = 56) -> Pixels:
    """The rain of a single streak, the others lying in its place."""
    most = most_streaks(side, side)
    return rain(side, side, np.array([[slant, brightness, length, 0, *[x, y] * most]]))[0]


def test_a_streak_is_as_long_and_as_slanted_as_was_drawn() -> None:
    """The streaks lie upon each other, so that all that they cover at all is covered."""
    for slant, length in ((0.0, 0.0), (0.5, 1.0), (1.0, 0.5)):
        lit = one_streak(slant, 0.5, length, 0.5, 0.5)
        assert lit.max() == 140
        rows, columns = np.nonzero(lit)
        angle = np.radians(25) * (2 * slant - 1)
        assert np.ptp(rows) == pytest.approx(56 * (0.2 + 0.2 * length) * np.cos(angle), abs=1.5)
        slope = np.polyfit(rows, columns, 1)[0]
        assert slope == pytest.approx(np.tan(angle), abs=0.06)
        assert rows.mean() == pytest.approx(27.5, abs=0.6)
        assert columns.mean() == pytest.approx(27.5, abs=0.6)


def test_what_streaks_cover_is_what_they_measure() -> None:
    """Upright, at whole pixels or between them: length times thickness (2 pixels of 56), if streaks lie apart."""
    most, side = most_streaks(56, 56), 56
    for shift in (0.0, 0.3):
        x = (3 * np.arange(most) + 4 + shift) / side
        places = np.stack([x, np.full(most, 0.5)], axis=1).ravel()
        lit = rain(side, side, np.array([[0.5, 0, 0.25, 0.999, *places]]))[0]
        assert lit.sum() / 100 == pytest.approx(16 * 0.25 * side * 2)


def test_what_falls_beside_a_picture_is_not_seen() -> None:
    places = np.full((most_streaks(28, 28), 2), 0.5)
    places[0] = 0.0, 0.5  # one pixel wide, upon the left edge
    lit = rain(28, 28, np.array([[0.5, 0, 0, 0, *places.ravel()]]))[0]
    assert lit[:, 0].max() == pytest.approx(50)
    places[:, 1] = 0  # all of them just above
    np.testing.assert_allclose(rain(28, 28, np.array([[0.5, 0, 0, 0, *places.ravel()]])), 0, atol=1e-9)


@given(seeds, st.integers(1, 40), st.integers(1, 40))
def test_rain_stays_in_the_picture_and_within_its_brightness(seed: int, height: int, width: int) -> None:
    numbers = np.random.default_rng(seed).random((3, 4 + 2 * most_streaks(height, width)))
    lit = rain(height, width, numbers)
    assert lit.shape == (3, height, width)
    assert (lit >= 0).all()
    assert (lit.max(axis=(1, 2)) <= 100 + 80 * numbers[:, 1] + 1e-9).all()


@given(seeds, st.integers(1, 6), st.integers(1, 6), st.sampled_from([(), (3,)]))
def test_the_median_is_that_of_nine(seed: int, height: int, width: int, channels: tuple[int, ...]) -> None:
    images = np.random.default_rng(seed).integers(0, 256, (2, height, width, *channels), np.uint8)
    wide = np.pad(images, ((0, 0), (1, 1), (1, 1), *((0, 0),) * len(channels)), "edge")
    naive = np.empty_like(images)
    for i in range(height):
        for j in range(width):
            naive[:, i, j] = np.median(wide[:, i : i + 3, j : j + 3], axis=(1, 2))
    np.testing.assert_array_equal(median(images), naive)


# --- inpaint, edges, colourise ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("sides", [(28, 28), (8, 12), (7, 9)])
def test_the_hole_is_in_the_middle_and_nowhere_else(sides: tuple[int, int]) -> None:
    pairs = make_pairs(Dataset(np.zeros((3, *sides), np.uint8), None, "black"), "inpaint")
    rows, columns = (np.flatnonzero((pairs.inputs[0] == 128).any(axis=axis)) for axis in (1, 0))
    known = TASKS["inpaint"].known(sides)
    assert known is not None
    np.testing.assert_array_equal(np.where(known, 0, 128), pairs.inputs[2])
    assert (~known).sum() == (sides[0] // 2) * (sides[1] // 2)
    for places, side in ((rows, sides[0]), (columns, sides[1])):
        assert len(places) == side // 2
        assert abs(places[0] - (side - 1 - places[-1])) <= 1


def test_a_hole_is_filled_from_the_mean_of_training() -> None:
    train = make_pairs(DIGITS, "inpaint")
    test = train.of(slice(5))
    filled = TASKS["inpaint"].rivals(test, train)["mean image"]
    np.testing.assert_array_equal(
        filled[:, 7:21, 7:21], np.rint(DIGITS.images.mean(axis=0))[None, 7:21, 7:21].repeat(5, 0)
    )
    known = TASKS["inpaint"].known((28, 28))
    np.testing.assert_array_equal(filled[:, known], test.images[:, known])


@given(st.integers(0, 255), st.integers(1, 6), st.integers(1, 6))
def test_a_constant_has_no_edges(level: int, height: int, width: int) -> None:
    assert (sobel(np.full((1, height, width), level, np.uint8)) == 0).all()


@given(seeds)
def test_edges_are_those_of_the_masks(seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (6, 7), np.uint8)
    gx = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    wide = np.pad(image.astype(int), 1, "edge")
    for i in range(6):
        for j in range(7):
            part = wide[i : i + 3, j : j + 3]
            expected = np.hypot((part * gx).sum(), (part * gx.T).sum()) / 4
            assert sobel(image[None])[0, i, j] == min(255, round(float(expected)))


def test_luminance_is_pillows() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 30, 40, 3), np.uint8)
    pillow = np.stack([np.asarray(Image.fromarray(image).convert("L")) for image in images])
    np.testing.assert_array_equal(luminance(images), pillow)
    assert luminance(GREY) is GREY
    pairs = make_pairs(Dataset(images, None, "noise"), "colourise")
    np.testing.assert_array_equal(TASKS["colourise"].rivals(pairs, pairs)["grey"][..., 2], pillow)


# --- next-frame ------------------------------------------------------------------------------------------------------

ROOM = 18
MOVING = motion(uniforms("next-frame", "train", 4000, 7), (ROOM, ROOM))


def test_the_target_is_among_the_answers_and_they_differ_after_a_bounce() -> None:
    pairs = make_pairs(DIGITS, "next-frame")
    right, several = TASKS["next-frame"].answers(DIGITS)
    assert (right.shape, right.dtype, several.dtype) == ((250, 5, 32, 32), np.uint8, bool)
    is_target = (right == pairs.images[:, None]).all(axis=(2, 3))
    np.testing.assert_array_equal(is_target.sum(axis=1), np.where(several, 1, 5))
    assert set(is_target[several].argmax(axis=1)) == {0, 1, 2, 3, 4}
    some, which = TASKS["next-frame"].answers(DIGITS, rows=slice(3, 40, 5))
    np.testing.assert_array_equal(some, right[3:40:5])
    np.testing.assert_array_equal(which, several[3:40:5])
    test = make_pairs(DIGITS, "next-frame", "test")
    assert (TASKS["next-frame"].answers(DIGITS, "test")[0] == test.images[:, None]).all(axis=(2, 3)).any(axis=1).all()
    with pytest.raises(ValueError, match="but grey ones"):
        TASKS["next-frame"].answers(Dataset(COLOUR, None, "x"))


def test_frames_are_in_the_order_of_time() -> None:
    """Without a wall the middle of what is seen is in the second frame where it is, on average, in the others."""
    pairs, straight = make_pairs(DIGITS, "next-frame"), ~TASKS["next-frame"].answers(DIGITS)[1]
    frames = np.concatenate([pairs.inputs, pairs.images[..., None]], axis=3)[straight].astype(float)
    lines = np.stack([frames.sum(axis=2), frames.sum(axis=1)])  # (2, N, 32, 3)
    before, now, after = np.moveaxis((lines * np.arange(32)[:, None]).sum(axis=2) / lines.sum(axis=2), 2, 0)
    np.testing.assert_allclose(after - now, now - before, atol=0.1)
    assert np.hypot(*(now - before)).min() > 3
    np.testing.assert_array_equal(TASKS["next-frame"].rivals(pairs, pairs)["last frame"], pairs.inputs[..., 1])


def test_answers_are_equally_likely_and_half_of_the_pairs_have_several() -> None:
    assert MOVING.several.mean() == pytest.approx(0.5, abs=0.04)  # five standard deviations
    shares = np.bincount(MOVING.choice[MOVING.several], minlength=5) / MOVING.several.sum()
    np.testing.assert_allclose(shares, 0.2, atol=0.045)


def test_what_is_given_says_whether_there_is_a_wall_in_the_way() -> None:
    straight_on = 2 * MOVING.now - MOVING.before
    beyond = np.maximum(-straight_on, straight_on - 64 * ROOM).max(axis=1) / 64
    assert (beyond[~MOVING.several] < 0.02).all()
    assert (beyond[MOVING.several] > ROOM / 5 * 3 / 8 - 0.05).all()
    for places in (MOVING.before, MOVING.now, MOVING.after):
        assert (places >= 0).all()
        assert (places <= 64 * ROOM).all()
    straight = ~MOVING.several
    np.testing.assert_allclose(MOVING.after[straight], straight_on[straight][:, None].repeat(5, 1), atol=2)


def test_after_a_bounce_the_speed_is_the_same_and_the_angle_is_one_of_five() -> None:
    """From the places alone: where the way meets the wall, how far it is from there, and at which angle."""
    before, now, after = (a[MOVING.several] / 64 for a in (MOVING.before, MOVING.now, MOVING.after))
    velocity = now - before
    speed = np.hypot(*velocity.T)
    with np.errstate(divide="ignore"):
        until = np.where(velocity > 0, (ROOM - now) / velocity, np.where(velocity < 0, -now / velocity, np.inf))
    axis, until = until.argmin(axis=1), until.min(axis=1)
    assert (until < 0.26).all()
    hit = now + until[:, None] * velocity
    rows = np.arange(len(axis))
    outwards = np.sign(velocity[rows, axis])
    away = after - hit[:, None]
    distance = np.hypot(*away.transpose(2, 0, 1))
    np.testing.assert_allclose(distance, ((1 - until) * speed)[:, None].repeat(5, 1), atol=0.06)
    into = -outwards[:, None] * away[rows, :, axis]
    angles = np.degrees(np.arctan2(away[rows, :, 1 - axis], into))
    np.testing.assert_allclose(angles, np.tile([-60, -30, 0, 30, 60], (len(angles), 1)), atol=1.5)
    assert set(2 * axis + (outwards > 0)) == {0, 1, 2, 3}


@given(seeds, st.integers(1, 6), st.integers(1, 6), st.integers(0, 4 * 64), st.integers(0, 5 * 64))
def test_a_picture_between_pixels_is_a_bilinear_mean(seed: int, h: int, w: int, down: int, across: int) -> None:
    pictures = np.random.default_rng(seed).integers(0, 256, (1, h, w), np.uint8)
    frame = placed(pictures, np.array([[down, across]]), h + 4, w + 5)[0]
    expected = np.zeros((h + 5, w + 6))
    (y, a), (x, b) = divmod(down / 64, 1), divmod(across / 64, 1)
    for i, share_y in ((0, 1 - a), (1, a)):
        for j, share_x in ((0, 1 - b), (1, b)):
            top, left = int(y) + i, int(x) + j
            expected[top : top + h, left : left + w] += share_y * share_x * pictures[0]
    assert np.abs(frame - expected[: h + 4, : w + 5]).max() <= 0.5


def test_motion_keeps_the_mass_of_a_digit() -> None:
    pairs = make_pairs(DIGITS, "next-frame")
    masses = [frames.sum(axis=(1, 2), dtype=float) for frames in (*np.moveaxis(pairs.inputs, 3, 0), pairs.images)]
    small = resized(DIGITS.images, 14, 14).sum(axis=(1, 2), dtype=float)
    for mass in masses:
        np.testing.assert_allclose(mass, small, rtol=5e-3)


def test_rooms_that_are_not_square_are_kept_to() -> None:
    moving = motion(uniforms("next-frame", "train", 2000, 7), (6, 20))
    for places in (moving.before, moving.now, moving.after.reshape(-1, 2)):
        assert (places.min(axis=0) >= 0).all()
        assert (places.max(axis=0) <= [64 * 6, 64 * 20]).all()
    speed = np.hypot(*(moving.now - moving.before).T) / 64
    assert speed.max() <= 6 / 3 + 0.05
    assert speed.min() >= 6 / 5 - 0.05


SMALLEST: list[Callable[[], Dataset]] = [
    lambda: Dataset(np.full((3, 1, 1), 200, np.uint8), None, "dots"),
    lambda: Dataset(np.full((3, 1, 7), 200, np.uint8), None, "lines"),
]


@pytest.mark.parametrize("data", SMALLEST)
@pytest.mark.parametrize("task", ["derain", "inpaint", "edges", "next-frame"])
def test_the_smallest_pictures_make_pairs(data: Callable[[], Dataset], task: str) -> None:
    assert len(make_pairs(data(), task)) == 3
