"""Folders of pictures as people have them: every file is used and read right, or refused by its name."""

from __future__ import annotations

import os
import shutil
import struct
import tracemalloc
import zlib
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from minigan import datasets
from minigan.datasets import MissingSplit, idx, pictures

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (8, 8), np.uint8)
COLOUR = RNG.integers(0, 256, (8, 8, 3), np.uint8)
DEEP = RNG.integers(0, 65536, (8, 8)).astype(np.uint16)
ALPHA = RNG.integers(0, 256, (8, 8), np.uint8)
Pixels = np.ndarray[Any, Any]


def write(path: Path, image: Pixels | Image.Image | bytes, **settings: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(image, bytes):
        path.write_bytes(image)
    else:
        (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(path, **settings)
    return path


def png(pixels: Pixels, depth: int, kind: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG written down by its specification: rows (H, bytes) of a bit depth and a colour type."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    head = struct.pack(">IIBBBBB", 8, len(pixels), depth, kind, 0, 0, 0)
    inner = [(b"IHDR", head), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in inner)


def over_white(pixels: Pixels, alpha: Pixels) -> Pixels:
    share = alpha.astype(float)[(...,) + (None,) * (pixels.ndim - 2)] / 255
    return np.rint(pixels * share + 255 * (1 - share)).astype(np.uint8)


def rounded(deep: Pixels) -> Pixels:
    return np.floor(deep.astype(float) * 255 / 65535 + 0.5).astype(np.uint8)


def bits(values: Pixels, depth: int) -> Pixels:
    """Rows of small numbers, packed as PNG packs them."""
    flat = np.unpackbits(values.astype(np.uint8)[..., None], axis=2)[..., 8 - depth :]
    return np.packbits(flat.reshape(len(values), -1), axis=1)


def keyed(pixels: Pixels, key: Any) -> Pixels:
    """White where a pixel has the colour that stands for nothing."""
    same = pixels == np.asarray(key)
    return np.where(same if pixels.ndim == 2 else same.all(axis=2)[..., None], 255, pixels).astype(np.uint8)


SMALL = RNG.integers(0, 16, (8, 8), np.uint8)
DEEP_COLOUR = RNG.integers(0, 65536, (8, 8, 3)).astype(np.uint16)
BIG = partial(np.ndarray.astype, dtype=">u2")
PALETTE = Image.fromarray(COLOUR).quantize(16)

# name, what is in the file, what should be read, how far off the reading may be
KINDS: list[tuple[str, Any, Pixels, int]] = [
    ("grey.png", GREY, GREY, 0),
    ("colour.png", COLOUR, COLOUR, 0),
    ("alpha.png", np.dstack([COLOUR, ALPHA]), over_white(COLOUR, ALPHA), 1),
    ("grey-alpha.png", np.dstack([GREY, ALPHA]), over_white(GREY, ALPHA), 1),
    ("bilevel.png", Image.fromarray(GREY > 99), np.where(GREY > 99, 255, 0), 0),
    ("palette.png", PALETTE, np.asarray(PALETTE.convert("RGB")), 0),
    ("deep.png", DEEP, rounded(DEEP), 0),
    ("two-bits.png", png(bits(SMALL % 4, 2), 2, 0), SMALL % 4 * 85, 0),
    ("four-bits.png", png(bits(SMALL, 4), 4, 0), SMALL * 17, 0),
    ("one-bit-key.png", png(bits(SMALL % 2, 1), 1, 0, (b"tRNS", b"\0\0")), np.full((8, 8), 255), 0),
    ("two-bits-key.png", png(bits(SMALL % 4, 2), 2, 0, (b"tRNS", b"\0\1")), keyed(SMALL % 4 * 85, 85), 0),
    ("four-bits-key.png", png(bits(SMALL, 4), 4, 0, (b"tRNS", b"\0\5")), keyed(SMALL * 17, 85), 0),
    ("grey-key.png", png(GREY, 8, 0, (b"tRNS", bytes([0, GREY[0, 0]]))), keyed(GREY, GREY[0, 0]), 0),
    ("deep-key.png", png(BIG(DEEP), 16, 0, (b"tRNS", struct.pack(">H", DEEP[0, 0]))),
     np.where(DEEP[0, 0] == DEEP, 255, rounded(DEEP)), 0),
    ("colour-key.png", png(COLOUR, 8, 2, (b"tRNS", BIG(COLOUR[3, 5].astype(np.uint16)).tobytes())),
     keyed(COLOUR, COLOUR[3, 5]), 0),
    ("deep-colour.png", png(BIG(DEEP_COLOUR), 16, 2), DEEP_COLOUR >> 8, 1),
    ("deep-colour-key.png", png(BIG(DEEP_COLOUR), 16, 2, (b"tRNS", BIG(DEEP_COLOUR[3, 5]).tobytes())),
     keyed(DEEP_COLOUR >> 8, DEEP_COLOUR[3, 5] >> 8), 1),
    ("deep-grey-alpha.png", png(BIG(np.dstack([DEEP, DEEP.T])), 16, 4), over_white(DEEP >> 8, DEEP.T >> 8), 1),
    ("grey.jpg", GREY, GREY, 40), ("colour.JPG", COLOUR, COLOUR, 255), ("c.jpeg", COLOUR, COLOUR, 255),
    ("ink.jpg", Image.fromarray(COLOUR).convert("CMYK"), COLOUR, 255),
    ("colour.webp", COLOUR, COLOUR, 0),
    ("alpha.webp", np.dstack([COLOUR, ALPHA]), over_white(COLOUR, ALPHA), 1),
    ("grey.bmp", GREY, GREY, 0), ("colour.Bmp", COLOUR, COLOUR, 0), ("bilevel.bmp", Image.fromarray(GREY > 99),
                                                                     np.where(GREY > 99, 255, 0), 0),
    ("grey.tif", GREY, GREY, 0), ("colour.TIFF", COLOUR, COLOUR, 0), ("deep.tiff", DEEP, rounded(DEEP), 0),
    ("alpha.tif", np.dstack([COLOUR, ALPHA]), over_white(COLOUR, ALPHA), 1),
    ("ink.tif", Image.fromarray(COLOUR).convert("CMYK"), COLOUR, 0),
    ("palette.gif", PALETTE, np.asarray(PALETTE.convert("RGB")), 0),
    ("grey.pgm", GREY, GREY, 0), ("colour.ppm", COLOUR, COLOUR, 0), ("deep.pgm", DEEP, rounded(DEEP), 0),
]  # fmt: skip
EXACT = {".webp": {"lossless": True, "exact": True}}


@pytest.mark.parametrize(("name", "inside", "expected", "off"), KINDS, ids=[kind[0] for kind in KINDS])
def test_what_people_keep_is_read_right(tmp_path: Path, name: str, inside: Any, expected: Pixels, off: int) -> None:
    write(tmp_path / name, inside, **({} if isinstance(inside, bytes) else EXACT.get(Path(name).suffix, {})))
    found = datasets.load(tmp_path).images
    assert found.shape == (1, *expected.shape)
    assert np.abs(found[0].astype(int) - expected).max() <= off


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_pictures_stand_as_the_camera_was_held(tmp_path: Path, suffix: str, turn: int) -> None:
    """The table of EXIF: where the file's first row, and its first column, belong."""
    upright = np.zeros((16, 24), np.uint8)
    upright[:8, :8], upright[:8, 16:], upright[8:, :8] = 250, 150, 60
    stored = {
        1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1],
        5: upright.T, 6: upright.T[::-1], 7: upright.T[::-1, ::-1], 8: upright.T[:, ::-1],
    }[turn]  # fmt: skip
    exif = Image.Exif()
    exif[274] = turn
    settings = {"quality": 100} if suffix == "jpg" else EXACT.get("." + suffix, {})
    write(tmp_path / f"a.{suffix}", np.ascontiguousarray(stored), exif=exif, **settings)
    found = datasets.load(tmp_path).images[0]
    found = found if found.ndim == 2 else found[..., 0]
    assert found.shape == upright.shape
    assert np.abs(found.astype(int) - upright).max() < 20
    assert datasets.load(tmp_path, size="12x8").images.shape[1:3] == (8, 12)


def test_broken_exif_is_no_broken_picture(tmp_path: Path) -> None:
    write(tmp_path / "a.jpg", COLOUR, exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    assert len(datasets.load(tmp_path)) == 1


def test_pixels_of_32_bits_are_refused(tmp_path: Path) -> None:
    for pixels in (DEEP.astype(np.int32) << 12, DEEP.astype(np.float32)):
        write(tmp_path / "a.tif", pixels)
        refused(tmp_path, "a.tif", "32 bits", "convert")


def refused(path: Path, *words: str, **settings: Any) -> str:
    with pytest.raises(ValueError, match=";") as caught:
        datasets.load(path, **settings)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message, message
    return message


# --- which files -----------------------------------------------------------------------------------------------


def test_three_png_and_twenty_jpeg_are_23_pictures(tmp_path: Path) -> None:
    for i in range(3):
        write(tmp_path / f"{i}.png", GREY)
    for i in range(20):
        write(tmp_path / f"photo {i}.JPG", COLOUR)
    data = datasets.load(tmp_path)
    assert data.images.shape == (23, 8, 8, 3)
    np.testing.assert_array_equal(data.images[1], np.dstack([GREY] * 3))  # grey among colour is colour
    assert "3 of 23 pictures are grey" in data.notes[0]


def test_colour_that_comes_late_changes_nothing_before_it(tmp_path: Path) -> None:
    for i in range(5):
        write(tmp_path / f"{i}.png", COLOUR if i in (2, 4) else GREY + np.uint8(i))
    images = datasets.load(tmp_path).images
    for i in range(5):
        np.testing.assert_array_equal(images[i], COLOUR if i in (2, 4) else np.dstack([GREY + np.uint8(i)] * 3))


def test_a_class_of_jpegs_and_deeper_folders_belong_to_their_class(tmp_path: Path) -> None:
    write(tmp_path / "cat" / "a.png", COLOUR)
    write(tmp_path / "cat" / "siamese" / "old" / "b.png", COLOUR)
    write(tmp_path / "dog" / "a.jpg", COLOUR)
    write(tmp_path / "dog" / "b.jpg", COLOUR)
    data = datasets.load(tmp_path)
    assert data.labels is not None
    assert data.labels.tolist() == [0, 0, 1, 1]
    assert data.classes == {0: "cat", 1: "dog"}
    assert "2 classes: cat, dog" in repr(data)


def test_what_is_no_picture_is_named_and_file_managers_are_not(tmp_path: Path) -> None:
    write(tmp_path / "cat" / "a.png", GREY)
    for name in (".DS_Store", "Thumbs.db", "desktop.ini", "cat/._a.png", "__MACOSX/cat/a.png", "cat/.thumbnails/a.png"):
        write(tmp_path / name, b"?")
    assert datasets.load(tmp_path).notes == ()
    write(tmp_path / "labels.csv", b"?")
    write(tmp_path / "cat" / "more" / "notes.txt", b"?")
    write(tmp_path / "cat" / ".S.PNG", GREY)
    (tmp_path / "dog").mkdir()
    notes = " / ".join(datasets.load(tmp_path).notes)
    for words in ("no picture: labels.csv, cat/more/notes.txt", "hidden: cat/.S.PNG", "empty: dog"):
        assert words.replace("/", os.sep) in notes.replace(" / ", " | ").replace("/", os.sep)


@pytest.mark.parametrize("name", ["gone.png", "gone", "cat/gone.jpg"])
def test_a_link_whose_target_is_gone_is_named(tmp_path: Path, name: str) -> None:
    write(tmp_path / "cat" / "a.png", GREY)
    (tmp_path / name).symlink_to(tmp_path / "nowhere")
    refused(tmp_path, Path(name).name, "link", "gone")


def test_links_that_lead_somewhere_are_used(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    write(there / "a.png", GREY)
    here.mkdir()
    (here / "cat").symlink_to(there)
    (there / "b.png").symlink_to(there / "a.png")
    assert len(datasets.load(here)) == 2
    (there / "round").symlink_to(here)
    data = datasets.load(here)
    assert len(data) == 2
    assert "a link to a folder that it lies in: " + os.path.join("cat", "round") in data.notes[0]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    write(tmp_path / "a.png", GREY)
    os.mkfifo(tmp_path / "b.png")
    refused(tmp_path, "b.png", "no ordinary file")


def test_pictures_of_other_kinds_are_not_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "a.png", GREY)
    for name in ("IMG_1.HEIC", "b.svg", "c.psd"):
        path = write(tmp_path / name, b"?")
        refused(tmp_path, name, "not read", "convert")
        path.unlink()


def test_every_file_that_cannot_be_read_is_named_at_once(tmp_path: Path) -> None:
    write(tmp_path / "a.png", GREY)
    for name in ("b.png", "c.jpg", "d.webp"):
        write(tmp_path / name, b"<html>not found</html>")
    refused(tmp_path, "b.png", "c.jpg", "d.webp")
    for i in range(50):
        write(tmp_path / f"e{i}.png", b"")
    assert len(refused(tmp_path)) < 1000


@given(name=st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=12), good=st.booleans())
@example(name="фото", good=True)
@example(name="a\nb", good=False)
@example(name="\udcff", good=True)
@example(name="%s{0}", good=False)
def test_names_of_any_kind(tmp_path: Path, name: str, good: bool) -> None:
    folder = tmp_path / "names"
    shutil.rmtree(folder, ignore_errors=True)
    path = folder / f"x{name}" / f"y{name}.png"
    try:
        write(path, GREY if good else b"?")
    except (UnicodeError, OSError):
        return  # no file can have this name here
    if good:
        data = datasets.load(folder)
        assert data.classes == {min(data.classes): f"x{name}"}
    else:
        refused(folder, "cannot be read").encode()  # a sentence that can be printed


# --- splits and classes ----------------------------------------------------------------------------------------


def tree(root: Path, *files: str) -> Path:
    for file in files:
        write(root / file, GREY)
    return root


def test_a_class_called_train_is_a_class(tmp_path: Path) -> None:
    data = datasets.load(tree(tmp_path, "car/a.png", "plane/a.png", "plane/b.png", "train/a.png"))
    assert data.classes == {0: "car", 1: "plane", 2: "train"}
    assert data.labels is not None
    assert data.labels.tolist() == [0, 1, 1, 2]
    with pytest.raises(MissingSplit):
        datasets.load(tmp_path, "test")


@pytest.mark.parametrize(
    ("files", "train", "test"),
    [
        (["train/a.png", "test/a.png"], None, None),
        (["train/cat/a.png", "train/dog/a.png", "test/dog/a.png"], {0: "cat", 1: "dog"}, {1: "dog"}),
        (["train/cat/a.png", "test/cat/a.png", "test/ape/a.png"], {1: "cat"}, {0: "ape", 1: "cat"}),
        (["training/3/a.png", "testing/7/a.png"], {3: "3"}, {7: "7"}),
        (["Train/a.png", "Test/a.png", "val/a.png"], None, None),
    ],
)
def test_splits(tmp_path: Path, files: list[str], train: dict[int, str] | None, test: dict[int, str] | None) -> None:
    tree(tmp_path, *files)
    assert datasets.load(tmp_path).classes == (train or {})
    assert datasets.load(tmp_path, "test").classes == (test or {})


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (["train/a.png", "test/a.png", "figures/a.png"], ("train/", "figures/", "splits or classes")),
        (["train/cat/a.png", "car/a.png"], ("train/", "car/", "splits or classes")),
        (["train/a.png", "training/a.png"], ("splits or classes",)),
        (["train/a.png", "b.png"], ("b.png", "train", "move")),
    ],
)
def test_what_cannot_be_told_is_asked(tmp_path: Path, files: list[str], words: tuple[str, ...]) -> None:
    refused(tree(tmp_path, *files), *words)


def test_what_lies_beside_splits_is_named(tmp_path: Path) -> None:
    tree(tmp_path, "train/a.png", "test/a.png", "preview.png", "validation/a.png")
    write(tmp_path / "README.md", b"?")
    (note,) = datasets.load(tmp_path).notes
    assert all(name in note for name in ("preview.png", "README.md", "validation"))


@pytest.mark.parametrize("name", ["1" * 20, "1" + "0" * 30, str(2**63)])
def test_folders_named_by_huge_numbers_are_names(tmp_path: Path, name: str) -> None:
    names = sorted(["2", name])
    assert datasets.load(tree(tmp_path, "2/a.png", f"{name}/a.png")).classes == dict(enumerate(names))
    assert datasets.load(tree(tmp_path / "x", f"{2**63 - 1}/a.png")).classes == {2**63 - 1: str(2**63 - 1)}


# --- sizes -----------------------------------------------------------------------------------------------------


def test_folders_of_one_number_are_classes_of_their_own(tmp_path: Path) -> None:
    for name in ("1", "01", "2"):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "a.png", GREY)
    assert datasets.load(tmp_path).classes == {0: "01", 1: "1", 2: "2"}


def test_a_folder_of_idx_is_scaled_too(tmp_path: Path) -> None:
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx.encode(np.stack([GREY, GREY.T])))
    assert datasets.load(tmp_path).image_shape == GREY.shape
    assert datasets.load(tmp_path, size="6x5").image_shape == (5, 6)


def test_mixed_sizes_are_scaled_and_cropped_around_the_middle(tmp_path: Path) -> None:
    wide = np.zeros((40, 100), np.uint8)
    wide[:, 30:70] = 200  # the middle square
    write(tmp_path / "a.png", wide)
    write(tmp_path / "b.jpg", np.full((300, 200), 90, np.uint8))
    refused(tmp_path, "a.png is 100x40", "b.jpg is 200x300", "--size")
    data = datasets.load(tmp_path, size=20)
    assert data.images.shape == (2, 20, 20)
    assert (data.images[0, :, 2:-2] == 200).all()
    assert data.images[0].min() > 150
    assert np.abs(data.images[1].astype(int) - 90).max() <= 2
    assert datasets.load(tmp_path, size="30x20").images.shape == (2, 20, 30)
    assert datasets.load(tmp_path, size=(30, 20)).images.shape == (2, 20, 30)


def test_arrays_are_scaled_too(tmp_path: Path) -> None:
    images = np.repeat(np.repeat(RNG.integers(0, 256, (3, 4, 4, 2), np.uint8), 2, axis=1), 2, axis=2)
    np.savez(tmp_path / "a.npz", images=images)
    assert datasets.load(tmp_path / "a.npz", size=4).images.shape == (3, 4, 4, 2)
    np.testing.assert_array_equal(datasets.load(tmp_path / "a.npz", size=8).images, images)
    digits = datasets.load("digits")
    np.testing.assert_array_equal(datasets.load("digits", size=28).images, digits.images)
    assert datasets.load("digits", size=32).labels is not None


@pytest.mark.parametrize(
    "size", [0, -3, True, 1.5, "x", "3x", "3x4x5", (3,), (3, 4.0), "99999", "9" * 5000, None, [0, 4]]
)
def test_sizes_that_are_none(size: Any) -> None:
    if size is not None:
        with pytest.raises(ValueError, match="WIDTHxHEIGHT"):
            datasets.load("digits", size=size)
    with pytest.raises(ValueError, match="size is"):
        pictures.as_size(size)


def test_pictures_that_would_fill_the_memory_are_refused_unread(tmp_path: Path) -> None:
    def flat(side: int) -> bytes:
        row = zlib.compressobj()
        data = b"".join(row.compress(bytes(side + 1)) for _ in range(side)) + row.flush()
        head = png(np.zeros((1, 8), np.uint8), 8, 0)
        header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
        parts = [(b"IHDR", header), (b"IDAT", data), (b"IEND", b"")]
        chunks = b"".join(struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in parts)
        return head[:8] + chunks

    for side, words in ((3000, ("3000x3000", "--size N")), (9000, ("9000x9000", "--size N")), (14_000, ("--size",))):
        write(tmp_path / "a.png", flat(side))
        tracemalloc.start()
        refused(tmp_path, *words)
        if side > 8192:
            refused(tmp_path, "a.png", "scale it down", size=8)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
        tracemalloc.stop()
    write(tmp_path / "a.png", flat(3000))
    assert datasets.load(tmp_path, size=8).images.shape == (1, 8, 8)


def test_all_pictures_together_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "LIMIT", 3 * 64)
    tree(tmp_path, "a.png", "b.png", "c.png")
    assert len(datasets.load(tmp_path)) == 3
    tree(tmp_path, "d.png")
    refused(tmp_path, "4 pictures", "8x8", "--size")


def test_a_large_photo_is_not_decoded_at_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "LARGEST", 100 * 100)
    write(tmp_path / "a.jpg", np.full((300, 500), 90, np.uint8))
    assert datasets.load(tmp_path, size=16).images.shape == (1, 16, 16)
    write(tmp_path / "a.jpg", np.full((300, 500), 90, np.uint8), progressive=True)  # which is held as a whole
    refused(tmp_path, "a.jpg is 500x300", size=16)


def test_the_first_of_several_pictures(tmp_path: Path) -> None:
    frames = [Image.fromarray(GREY), Image.fromarray(255 - GREY)]
    for name in ("a.gif", "b.tif", "c.png"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
    data = datasets.load(tmp_path)
    for image in data.images:
        np.testing.assert_array_equal(image if image.ndim == 2 else image[..., 0], GREY)
    assert all(name in data.notes[0] for name in ("first of several", "a.gif", "b.tif", "c.png"))


# --- anything at all -------------------------------------------------------------------------------------------


@given(kind=st.sampled_from(KINDS), data=st.data())
@pytest.mark.filterwarnings("ignore")  # Pillow's own, about EXIF data
def test_damaged_pictures_are_read_or_refused(tmp_path: Path, kind: tuple[Any, ...], data: st.DataObject) -> None:
    name, inside = kind[:2]
    folder = tmp_path / "damaged"
    shutil.rmtree(folder, ignore_errors=True)
    path = write(folder / name, inside)
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(raw[: data.draw(st.integers(1, len(raw)))] if data.draw(st.booleans()) else raw)
    for size in (None, 5):
        try:
            message = f"read {name} as {datasets.load(folder, size=size).images.dtype}"
        except ValueError as error:
            message = str(error)
        assert name in message
        assert "\n" not in message
