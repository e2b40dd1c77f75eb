"""Characters drawn from fonts: what a picture is like, which fonts are used and where they go, and MNIST's form.

The fonts are those that Matplotlib ships, and some that are made here with fontTools, which Matplotlib needs.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTCollection, TTFont
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import get_data_path
from PIL import Image, ImageFont

from minigan import datasets, train
from minigan.commands.train import flags_of
from minigan.datasets import Dataset, MissingSplit, fonts, load
from minigan.datasets.fonts import Font
from minigan.datasets.glyphs import Glyphs, glyphs
from minigan.datasets.mnist import as_mnist, box_of
from minigan.recipes import get_recipe
from minigan.runs.config import Config
from minigan.runs.data import fingerprint, load_again, slug_of, source_of

Pixels = np.ndarray[Any, Any]
SHIPPED = Path(get_data_path(), "fonts", "ttf")
SANS, SERIF, MONO = (SHIPPED / f"DejaVu{name}.ttf" for name in ("Sans", "Serif", "SansMono"))
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@pytest.fixture(scope="module")
def every() -> Glyphs:
    """Digits of all the fonts that Matplotlib ships."""
    return glyphs(fonts=SHIPPED)


def centre(image: Pixels) -> Pixels:
    """The centre of mass: row and column."""
    places = np.indices(image.shape)
    return (places * image.astype(float)).sum(axis=(1, 2)) / image.astype(float).sum()


def sides(image: Pixels) -> tuple[int, int]:
    """Height and width of what is drawn."""
    rows, columns = np.nonzero(image)
    return int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1


def file_of(data: Glyphs) -> list[str]:
    return [os.path.basename(font.path) for font in data.fonts]


def refused(call: Callable[[], Any], *words: str, error: type[Exception] = ValueError) -> None:
    with pytest.raises(error) as caught:
        call()
    for word in words:
        assert word in str(caught.value)


# --- as MNIST has it -------------------------------------------------------------------------------------------------


def test_what_mnist_has_made_stays_as_it_is() -> None:
    digits = load("digits").images[::50]
    np.testing.assert_array_equal(np.stack([as_mnist(image) for image in digits]), digits)


def test_place_and_size_do_not_matter() -> None:
    """Copies elsewhere are the same, and copies of another size nearly.

    Where the middle of a digit lies between two pixels, one of another size may come to lie a pixel beside the first.
    """
    large = glyphs("0123456789", SERIF, size=280).images
    first = np.stack([as_mnist(image) for image in large]).astype(int)

    def differences(others: Pixels) -> Pixels:
        moved = [np.roll(others, by, (1, 2)) for by in np.ndindex(2, 2)] + [
            np.roll(others, -1, axis) for axis in (1, 2)
        ]
        return np.min([np.abs(first - other).mean(axis=(1, 2)) for other in moved], axis=0)

    for scale in (0.4, 1, 1.3, 2):
        pictures = [Image.fromarray(image).resize((int(280 * scale),) * 2, Image.Resampling.BICUBIC) for image in large]
        copies = np.stack([as_mnist(np.pad(np.asarray(picture), ((7, 31), (50, 2)))) for picture in pictures])
        if scale == 1:
            np.testing.assert_array_equal(copies, first)
        assert np.median(differences(copies)) < 3
        assert differences(copies).max() < 10 < differences(np.roll(copies, 1, axis=0)).min()


@given(st.data(), st.sampled_from([7, 28, 31, 64]))
def test_the_longer_side_and_the_middle(data: st.DataObject, size: int) -> None:
    height, width = data.draw(st.integers(1, 90)), data.draw(st.integers(1, 90))
    image = np.zeros((100, 100), np.uint8)
    image[5 : 5 + height, 3 : 3 + width] = 200
    out = as_mnist(image, size=size)
    assert (out.shape, out.dtype) == ((size, size), np.uint8)
    box = box_of(size)
    wanted = [max(1, round(side * box / max(height, width))) for side in (height, width)]
    assert list(sides(out)) == wanted
    assert max(wanted) == box
    assert np.abs(centre(out) - size // 2).max() <= 0.5


def test_nothing_is_cut_off_where_all_weight_is_at_one_end() -> None:
    image = np.zeros((100, 100), np.uint8)
    image[0:6] = 255
    image[:, 50] = 255  # a T with a broad bar and a thin stem
    out = as_mnist(image)
    assert sides(out) == (20, 20)
    assert np.flatnonzero(out.any(axis=1)).tolist() == list(range(8, 28))
    assert centre(out)[0] < 13.5
    upside_down = as_mnist(image[::-1])
    assert np.flatnonzero(upside_down.any(axis=1)).tolist() == list(range(20))


def test_a_scan_has_a_background() -> None:
    clean = np.zeros((60, 60), np.uint8)
    clean[10:50, 20:30] = 220
    scan = clean + np.random.default_rng(0).integers(0, 30, clean.shape, np.uint8)
    assert sides(as_mnist(scan))[1] > 15
    assert sides(as_mnist(scan, black=40)) == sides(as_mnist(clean)) == (20, 5)
    refused(lambda: as_mnist(scan, black=250), "brighter than 250")


@pytest.mark.parametrize(
    ("image", "error", "words"),
    [
        (np.zeros((9, 9)), TypeError, "an array of float64"),
        ([[1]], TypeError, "list"),
        (np.zeros((9, 9, 3), np.uint8), ValueError, r"(9, 9, 3)"),
        (np.zeros((9, 9), np.uint8), ValueError, "nothing in the picture is brighter than 0"),
        (np.zeros((0, 9), np.uint8), ValueError, "nothing in the picture"),
    ],
)
def test_what_is_no_picture(image: Any, error: type[Exception], words: str) -> None:
    refused(lambda: as_mnist(image), words, error=error)


@pytest.mark.parametrize("size", [6, 1025, 28.0, True, "28", (28, 28)])
def test_sizes_that_are_none(size: Any) -> None:
    refused(lambda: as_mnist(np.ones((9, 9), np.uint8), size=size), "from 7 to 1024")
    refused(lambda: glyphs(fonts=SANS, size=size), "from 7 to 1024")


# --- what is drawn ---------------------------------------------------------------------------------------------------


def test_digits_of_all_fonts(every: Glyphs) -> None:
    count = len(every.fonts)
    assert every.images.shape == (10 * count, 28, 28)
    np.testing.assert_array_equal(every.labels, np.tile(np.arange(10), count))
    np.testing.assert_array_equal(every.font, np.repeat(np.arange(count), 10))
    assert every.names == {i: str(i) for i in range(10)}
    assert repr(every) == f"Glyphs('glyphs', {10 * count} images of (28, 28), labels 0 to 9, {count} fonts)"
    digests = [hashlib.sha256(Path(font.path).read_bytes()).hexdigest() for font in every.fonts]
    assert [font.sha256 for font in every.fonts] == sorted(digests) == digests
    assert {"DejaVu Sans Book", "STIXGeneral Italic", "cmr10 Regular"} <= {font.name for font in every.fonts}
    for image in every.images:
        assert max(sides(image)) == 20
        assert np.abs(centre(image) - 14).max() <= 0.5
        assert image.max() > 200
    share = every.images.mean() / load("digits").images.mean()
    assert 0.8 < share < 1.3  # as much ink as handwriting


def test_they_are_these_digits(every: Glyphs) -> None:
    """Most are most like a handwritten digit of their class."""

    def units(images: Pixels) -> Pixels:
        x = images.reshape(len(images), -1).astype(np.float32)
        x -= x.mean(axis=1, keepdims=True)
        return x / np.linalg.norm(x, axis=1, keepdims=True)

    digits = load("digits")
    nearest = (units(every.images) @ units(digits.images[::5]).T).argmax(axis=1)
    assert (digits.labels[::5][nearest] == every.labels).mean() > 0.7  # type: ignore[index]


def test_a_picture_is_the_outline_itself(tmp_path: Path) -> None:
    """Boxes of whole pixels, 700 units being 20 of them, come out as they are, moved by whole pixels."""
    shape = [(100, 0, 450, 350), (100, 350, 275, 700)]  # 10 x 10 pixels, and 10 x 5 on its left half
    expected = np.zeros((20, 10), np.uint8)
    expected[10:] = expected[:, :5] = 255
    (image,) = glyphs("L", boxes(tmp_path / "l.ttf", {"L": shape})).images
    # The centre of mass is (100 · 4.5 + 50 · 2) / 150 = 3.67 columns from the left and (100 · 14.5 + 50 · 4.5) / 150 =
    # 11.17 rows from the top: that many pixels from (14, 14), rounded.
    inner = image[3:23, 10:20]
    assert np.count_nonzero(image) == np.count_nonzero(inner)
    away = np.abs(inner.astype(int) - expected)
    assert away.max() < 40  # bicubic weights spread an edge a little
    assert ((inner > 127) == (expected > 127)).all()


def test_the_same_files_give_the_same_pictures(tmp_path: Path) -> None:
    first = glyphs("012", [SANS, SERIF, MONO])
    for i, file in enumerate((SERIF, MONO, SANS)):  # other names, another folder, another order
        (tmp_path / str(i)).mkdir()
        shutil.copy(file, tmp_path / str(i) / f"{i}.TTF")
    second = glyphs("012", tmp_path)
    np.testing.assert_array_equal(first.images, second.images)
    assert [font.sha256 for font in first.fonts] == [font.sha256 for font in second.fonts]


def test_any_characters_and_sizes() -> None:
    data = glyphs("zé4", SERIF, size=40, name="three")
    assert (data.image_shape, data.classes, data.name) == ((40, 40), {0: "z", 1: "é", 2: "4"}, "three")
    assert [max(sides(image)) for image in data.images] == [29, 29, 29]
    one = glyphs("4", SERIF, size=40)
    np.testing.assert_array_equal(one.images[0], data.images[2])


def test_some_of_them(every: Glyphs) -> None:
    rows = every.labels == 7
    some = every.of(rows)
    assert isinstance(some, Glyphs)
    np.testing.assert_array_equal(some.images, every.images[rows])
    np.testing.assert_array_equal(some.font, np.arange(len(every.fonts)))
    assert some.fonts == every.fonts
    assert repr(every.of(slice(0, 15))).endswith("2 fonts)")
    scaled = every.scaled(14)
    assert isinstance(scaled, Glyphs)
    assert scaled.image_shape == (14, 14)
    for wrong in (every.font[:5], every.font + 1, every.font - 1):
        refused(lambda wrong=wrong: Glyphs(every.images, None, "x", fonts=every.fonts, font=wrong), "was expected")


# --- which fonts -----------------------------------------------------------------------------------------------------


def test_fonts_that_cannot_draw_digits_are_left_out(every: Glyphs) -> None:
    used = file_of(every)
    assert len(used) == len(set(used)) > 15
    assert {"DejaVuSans.ttf", "cmr10.ttf", "cmmi10.ttf", "STIXGeneralBolIta.ttf"} <= set(used)
    for words, files in {
        "lacking a character": ["DejaVuSansDisplay.ttf", "STIXNonUni.ttf", "STIXSizOneSymReg.ttf"],
        "drawing something else than these characters": ["cmex10.ttf", "cmsy10.ttf"],
    }.items():
        assert not set(files) & set(used)
        assert glyphs(fonts=[SANS, *(SHIPPED / file for file in files)]).notes == (
            f"left out, {words}: {len(files)} ({', '.join(files)})",
        )
    assert sum(int(note.split(": ")[1].split(" ")[0]) for note in every.notes) + len(used) == len(
        list(SHIPPED.glob("*.ttf"))
    )


def test_few_characters_say_nothing_of_symbols() -> None:
    assert len(glyphs("0123", SHIPPED / "cmsy10.ttf").fonts) == 1
    refused(lambda: glyphs("01234", SHIPPED / "cmsy10.ttf"), "something else")
    assert len(glyphs("αβγδεζ", SANS).fonts) == 1  # Pillow's own font has none of them
    assert len(glyphs(LETTERS, [SANS, SHIPPED / "STIXGeneralItalic.ttf", SHIPPED / "cmr10.ttf"]).fonts) == 3


def boxes(path: Path, shapes: dict[str, list[tuple[int, int, int, int]]], family: str = "Made") -> Path:
    """A font of boxes (left, bottom, right, top), 1000 units to an em; of ".notdef" and characters."""
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", *(f"u{ord(c):04X}" for c in shapes if c != ".notdef")])
    builder.setupCharacterMap({ord(c): f"u{ord(c):04X}" for c in shapes if c != ".notdef"})
    drawn = {}
    for name, parts in {".notdef": [], **shapes}.items():
        pen = TTGlyphPen(None)
        for left, bottom, right, top in parts:
            pen.moveTo((left, bottom))
            for point in ((left, top), (right, top), (right, bottom)):
                pen.lineTo(point)
            pen.closePath()
        drawn[name if name == ".notdef" else f"u{ord(name):04X}"] = pen.glyph()
    builder.setupGlyf(drawn)
    builder.setupHorizontalMetrics(dict.fromkeys(drawn, (1000, 0)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": family, "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)
    return path


NOTDEF = [(100, 0, 600, 700)]
MADE: dict[str, tuple[dict[str, list[tuple[int, int, int, int]]], str]] = {
    "good": ({".notdef": NOTDEF, "I": [(200, 0, 300, 700)], "L": [(200, 0, 300, 700), (300, 0, 600, 100)]}, ""),
    "lacking": ({".notdef": NOTDEF, "I": [(200, 0, 300, 700)]}, "lacking a character"),
    "box for L": ({".notdef": NOTDEF, "I": [(200, 0, 300, 700)], "L": NOTDEF}, "lacking a character"),
    "moved box": ({".notdef": NOTDEF, "I": [(200, 0, 300, 700)], "L": [(200, 100, 700, 800)]}, "lacking a character"),
    "blank": ({".notdef": NOTDEF, "I": [(200, 0, 300, 700)], "L": []}, "drawing nothing for a character"),
    "the same": ({"I": [(200, 0, 300, 700)], "L": [(200, 0, 300, 700)]}, "drawing the same for two characters"),
    "huge": ({"I": [(200, 0, 300, 700)], "L": [(0, 0, 32000, 100)]}, "drawing more than 4 lines high or wide"),
}


@pytest.mark.parametrize("what", MADE)
def test_each_reason(tmp_path: Path, what: str) -> None:
    shapes, reason = MADE[what]
    path = boxes(tmp_path / f"{what}.ttf", shapes)
    if reason:
        refused(lambda: glyphs("IL", path), f"(left out, {reason}: 1 ({what}.ttf))", "give other fonts")
        assert file_of(glyphs("IL", [path, SANS])) == ["DejaVuSans.ttf"]
    else:
        data = glyphs("IL", path)
        assert (data.notes, data.fonts[0].name) == ((), "Made Regular")
        assert sides(data.images[0]) == (20, 3)


def test_what_is_no_font(tmp_path: Path) -> None:
    whole = SANS.read_bytes()
    (tmp_path / "text.ttf").write_text("no font at all")
    (tmp_path / "empty.otf").touch()
    (tmp_path / "half.ttf").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "start.ttf").write_bytes(whole[:40])
    (tmp_path / "many.ttc").write_bytes(b"ttcf\0\1\0\0\xff\xff\xff\xff")
    (tmp_path / "readme.txt").write_text("passed over")
    shutil.copy(SANS, tmp_path / "whole.ttf")
    data = glyphs("AB", tmp_path)
    assert file_of(data) == ["whole.ttf"]
    assert sorted(note[:40] for note in data.notes) == [
        "left out, beyond the first 256 faces of ", "left out, not readable as a font: 260 (e",
    ]  # fmt: skip
    assert "many.ttc (face 1)" in glyphs("AB", [SANS, tmp_path / "many.ttc"]).notes[1]


def test_damaged_files_end_in_notes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    whole = (SHIPPED / "cmr10.ttf").read_bytes()
    for i in range(40):
        data = np.frombuffer(whole, np.uint8).copy()
        places = rng.integers(0, (1000, len(data))[i % 2], (5, 500)[i % 2])
        data[places] = rng.integers(0, 256, len(places))
        (tmp_path / f"{i}.ttf").write_bytes(data.tobytes())
    shutil.copy(SANS, tmp_path / "sans.ttf")
    out = glyphs(fonts=tmp_path)
    assert "sans.ttf" in file_of(out)
    assert out.notes


@pytest.mark.parametrize("error", [OSError, ValueError, MemoryError, SystemError])
def test_whatever_fails_is_a_note(monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
    real = ImageFont.FreeTypeFont.getname

    def fail(font: ImageFont.FreeTypeFont) -> tuple[str | None, str | None]:
        if "Serif" in str(real(font)):
            raise error
        return real(font)

    monkeypatch.setattr(ImageFont.FreeTypeFont, "getname", fail)
    data = glyphs("A", [SANS, SERIF])
    assert (file_of(data), data.notes) == (
        ["DejaVuSans.ttf"], ("left out, not readable as a font: 1 (DejaVuSerif.ttf)",)
    )  # fmt: skip


def test_files_that_are_too_large_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "LARGEST", SANS.stat().st_size)
    (tmp_path / "large.ttf").write_bytes(SANS.read_bytes() + b"\0")
    shutil.copy(SERIF, tmp_path / "small.ttf")
    (tmp_path / "gone.ttf").symlink_to(tmp_path / "nowhere")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.ttf")
    notes = {note.split(":")[0]: note for note in glyphs("A", tmp_path).notes}
    assert "large.ttf" in notes.pop("left out, larger than 0 MiB")
    assert "gone.ttf" in notes.pop("left out, not readable")
    assert not hasattr(os, "mkfifo") or "pipe.ttf" in notes.pop("left out, no ordinary file")
    assert not notes


def test_a_font_counts_once(tmp_path: Path) -> None:
    shutil.copy(SANS, tmp_path / "a.ttf")
    shutil.copy(SANS, tmp_path / "b.ttf")
    other = TTFont(SANS)
    other["name"].setName("Other Sans", 1, 3, 1, 0x409)
    other.save(tmp_path / "c.ttf")  # other bytes, the same outlines
    data = glyphs("AB", tmp_path)
    assert len(data) == 2
    assert len(data.fonts) == 1
    sha256 = {x: hashlib.sha256((tmp_path / f"{x}.ttf").read_bytes()).hexdigest() for x in "ac"}
    first = min(sha256, key=sha256.__getitem__)  # c holds the time at which it was saved: either may be
    assert data.fonts[0].sha256 == sha256[first]
    others = {"a": "b.ttf, c.ttf", "c": "a.ttf, b.ttf"}[first]
    assert data.notes == (f"left out, drawing the same as another font: 2 ({others})",)


def test_each_face_of_a_collection(tmp_path: Path) -> None:
    collection = TTCollection()
    collection.fonts = [TTFont(SANS), TTFont(SERIF)]
    collection.save(tmp_path / "both.ttc")
    data = glyphs("AB", tmp_path)
    assert [(font.name, font.face) for font in data.fonts] == [("DejaVu Sans Book", 0), ("DejaVu Serif Book", 1)]
    np.testing.assert_array_equal(data.images[:2], glyphs("AB", SANS).images)
    np.testing.assert_array_equal(data.images[2:], glyphs("AB", SERIF).images)
    assert len({font.side() for font in data.fonts}) == 1


def test_a_folder_with_all_below_it(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    shutil.copy(SANS, tmp_path / "a" / "b" / "sans.TTF")
    (tmp_path / "a" / "circle").symlink_to(tmp_path)
    data = glyphs("A", tmp_path)
    assert (len(data), data.notes) == (1, ())
    outside = tmp_path / "outside"
    outside.mkdir()
    shutil.copy(SERIF, outside / "serif.ttf")
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "link").symlink_to(outside)
    (inside / "other").symlink_to(outside)
    data = glyphs("A", inside)
    assert (file_of(data), data.notes) == (["serif.ttf"], ())
    (inside / "link.ttf").symlink_to(outside / "serif.ttf")
    assert glyphs("A", inside).notes == ("left out, drawing the same as another font: 1 (serif.ttf)",)


# --- splits ----------------------------------------------------------------------------------------------------------


def test_splits_are_of_whole_fonts() -> None:
    every = glyphs("AB", SHIPPED)
    parts = {side: glyphs("AB", SHIPPED, split=side) for side in ("train", "choose", "test")}  # type: ignore[arg-type]
    digests = [font.sha256 for part in parts.values() for font in part.fonts]
    assert sorted(digests) == [font.sha256 for font in every.fonts]  # disjoint and complete
    for side, part in parts.items():
        assert {font.side() for font in part.fonts} == {side}
        assert part.notes == every.notes
        rows = np.isin(every.font, [i for i, font in enumerate(every.fonts) if font.side() == side])
        np.testing.assert_array_equal(part.images, every.images[rows])
        np.testing.assert_array_equal(part.font, np.repeat(np.arange(len(part.fonts)), 2))
    other = glyphs("AB", SHIPPED, split="test", seed=1)
    assert {font.side(1) for font in other.fonts} == {"test"}
    assert other.fonts != parts["test"].fonts


def test_another_font_moves_none(tmp_path: Path) -> None:
    def sides_of(folder: Path) -> dict[str, str]:
        found = {}
        for side in ("train", "choose", "test"):
            try:
                found |= {font.sha256: side for font in glyphs("A", folder, split=side).fonts}  # type: ignore[arg-type]
            except MissingSplit:
                continue
        return found

    for file in (SANS, SERIF):
        shutil.copy(file, tmp_path)
    before = sides_of(tmp_path)
    assert len(before) == 2
    shutil.copy(MONO, tmp_path / "0.ttf")
    after = sides_of(tmp_path)
    assert len(after) == 3
    assert after.items() > before.items()


def test_sides_are_what_they_were() -> None:
    made = [Font("", "", hashlib.sha256(bytes([i])).hexdigest()) for i in range(256)]
    assert [font.side() for font in made[:8]] == SIDES
    counts = {side: sum(font.side() == side for font in made) / 256 for side in fonts.SHARES}
    assert counts == pytest.approx({"train": 0.7, "choose": 0.15, "test": 0.15}, abs=0.06)
    assert [font.side(1) for font in made] != [font.side() for font in made]
    assert Font("a", "b", made[3].sha256, 7).side() == made[3].side()


SIDES = ["test", "train", "test", "test", "train", "train", "test", "choose"]


def test_a_side_without_fonts(tmp_path: Path) -> None:
    side = Font("", "", hashlib.sha256(SANS.read_bytes()).hexdigest()).side()
    other = "test" if side != "test" else "train"
    refused(lambda: glyphs("A", SANS, split=other), "1 fonts of", "more fonts", error=MissingSplit)  # type: ignore[arg-type]


# --- what is asked for -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("characters", "words"),
    [("", "it is empty"), ("AA", "one is there twice"), ("A B", "' ' cannot be seen"), ("\u200b", "cannot be seen"),
     ("A\n", "cannot be seen"), ("\ud800", "cannot be seen")],
)  # fmt: skip
def test_texts_that_are_none(characters: str, words: str) -> None:
    refused(lambda: glyphs(characters, SANS), words, "visible characters, each once")


def test_wrong_arguments(tmp_path: Path) -> None:
    refused(lambda: glyphs(10, SANS), "characters is int", error=TypeError)  # type: ignore[arg-type]
    refused(lambda: glyphs(fonts=3), "fonts is int", error=TypeError)  # type: ignore[arg-type]
    refused(lambda: glyphs(fonts=[3]), "fonts is list", error=TypeError)  # type: ignore[list-item]
    refused(lambda: glyphs(fonts=SANS, split="valid"), "train, choose, test")  # type: ignore[arg-type]
    refused(lambda: glyphs(fonts=[]), "nothing was given")
    refused(lambda: glyphs(fonts=[SANS, tmp_path / "absent.ttf"]), "absent.ttf was given")
    refused(lambda: glyphs(fonts=tmp_path / "absent"), "absent was not found")
    refused(lambda: glyphs(fonts=tmp_path), "holds no fonts (.ttf, .otf")
    refused(lambda: glyphs("漢字", SANS), "lacking a character: 1 (DejaVuSans.ttf)")
    assert len(glyphs("A", str(SANS)).fonts) == 1


def test_so_much_memory_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minigan.datasets.glyphs.LIMIT", 28 * 28 * 20)
    assert len(glyphs(fonts=[SANS, SERIF])) == 20
    refused(lambda: glyphs(fonts=[SANS, SERIF, MONO]), "10 characters in 3 fonts", "are the most")


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_fonts_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: str) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    for name in ("HOME", "USERPROFILE", "WINDIR", "LOCALAPPDATA", "XDG_DATA_DIRS", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    own = {
        "linux": "XDG_DATA_HOME/fonts",
        "darwin": "HOME/Library/Fonts",
        "win32": "LOCALAPPDATA/Microsoft/Windows/Fonts",
    }
    everywhere = fonts.folders()
    if platform == "darwin":
        assert everywhere[:2] == ["/System/Library/Fonts", "/Library/Fonts"]
        monkeypatch.setattr(fonts, "folders", lambda: everywhere[2:])
    else:
        assert str(tmp_path / {"linux": "XDG_DATA_DIRS/fonts", "win32": "WINDIR/Fonts"}[platform]) in everywhere
    refused(lambda: glyphs("A"), "no fonts were found on this machine", "fonts-dejavu")
    folder = tmp_path / own[platform]
    folder.mkdir(parents=True)
    shutil.copy(SANS, folder)
    data = glyphs("A")
    assert (file_of(data), data.notes) == (["DejaVuSans.ttf"], ())


@pytest.mark.usefixtures("without_pillow")
def test_without_pillow() -> None:
    refused(lambda: glyphs(fonts=SANS), "Pillow with FreeType", 'pip install ".[cli]"')


# --- as data of a run ------------------------------------------------------------------------------------------------


@pytest.fixture
def few(every: Glyphs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two fonts that train and one that tests, which lies where one is."""
    (tmp_path / "few").mkdir()
    monkeypatch.chdir(tmp_path)
    for side, count in (("train", 2), ("test", 1)):
        for font in [font for font in every.fonts if font.side() == side][:count]:
            shutil.copy(font.path, tmp_path / "few")
    return tmp_path / "few"


def test_by_name(few: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "folders", lambda: [str(few)])
    for split, count in (("train", 20), ("test", 10)):
        expected = glyphs(fonts=few, split=split)  # type: ignore[arg-type]
        assert len(expected) == count
        for source in ("glyphs", "glyphs:few", f"glyphs:{few}"):
            data = load(source, split)  # type: ignore[arg-type]
            assert isinstance(data, Glyphs)
            np.testing.assert_array_equal(data.images, expected.images)
            assert data.name == source
    large = glyphs(fonts=few, size=32, split="train").images
    np.testing.assert_array_equal(load("glyphs:few", size=32).images, large)
    np.testing.assert_array_equal(load("glyphs:few", size="20x32").images, large[:, :, 6:26])
    refused(lambda: load("glyphs:"), "names no folder")
    refused(lambda: load("glyphs:absent"), "absent was not found")
    refused(lambda: load("glyph"), "mean glyphs?")
    refused(lambda: load(Path("glyphs")), "was not found as a PATH")


def test_names_hold_in_every_folder(few: Path) -> None:
    assert (source_of("glyphs"), slug_of("glyphs")) == ("glyphs", "glyphs")
    assert (source_of("glyphs:few"), slug_of("glyphs:few")) == (f"glyphs:{few}", "few")
    assert source_of(Path("glyphs")) == str(few.parent / "glyphs")
    assert source_of(Path("glyphs:few")) == str(few.parent / "glyphs:few")
    assert "glyphs" in datasets.NAMES
    assert "glyphs:FOLDER" in flags_of(get_recipe("quick"))["what learns from what"]["--data"]["help"]


def test_a_run_finds_its_fonts_again(few: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = train("gan", "glyphs:few", steps=1, batch=4, options={"nets": "small"}, quiet=True, backend="numpy")
    assert run.name == "gan-few-1"
    config = Config.read(run / "config.json")
    assert config.data == f"glyphs:{few}"
    monkeypatch.chdir("/")
    again: Dataset = load_again(config, None)
    np.testing.assert_array_equal(again.images, load(f"glyphs:{few}").images)
    assert fingerprint(again) == config.images
    shutil.rmtree(few)
    refused(lambda: load_again(config, None), "give --data")
