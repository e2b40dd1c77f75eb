"""minigan.datasets: the digits, IDX, .npz and PNG files, and every way in which they can be wrong."""

from __future__ import annotations

import gzip
import hashlib
import os
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minigan import datasets
from minigan.datasets import idx
from minigan.datasets.digits import make

quick = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
byte_arrays = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=6))
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (5, 4, 6)).astype(np.uint8)
LABELS = np.array([3, 1, 4, 1, 5], np.uint8)


def refused(call: Callable[[], Any], *words: str) -> None:
    """ValueError with one sentence that holds `words`, and no memory taken."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=";") as caught:  # what was given and expected; what to do
            call()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message, message
    assert peak < 8 << 20


def idx_header(*shape: int) -> bytes:
    return bytes((0, 0, 8, len(shape))) + b"".join(n.to_bytes(4, "big") for n in shape)


# --- digits


def test_digits_are_what_they_were() -> None:
    digits = datasets.load("digits")
    assert digits.images.shape == (10_000, 28, 28)
    assert digits.images.dtype == np.uint8
    assert digits.image_shape == (28, 28)
    assert len(digits) == 10_000
    assert digits.name == "digits"
    assert digits.labels is not None
    assert np.bincount(digits.labels).tolist() == [1000] * 10
    assert hashlib.sha256(digits.images.tobytes() + digits.labels.tobytes()).hexdigest() == (
        "6602ed0c8ad0b5b3f974e26dfcb9e78fb46112a3a005964b355587e93ba6b92b"
    )
    assert len({image.tobytes() for image in digits.images}) == 10_000
    for start in range(0, 10_000, 1000):  # any slice is roughly balanced
        assert np.bincount(digits.labels[start : start + 1000], minlength=10).min() > 70


def test_digits_are_licensed_and_small() -> None:
    folder = Path(make.__file__).parent
    notice = (folder / "LICENSE.txt").read_text()
    assert all(word in notice for word in ("LeCun", "Cortes", "Burges", "ShareAlike 3.0"))
    assert (folder / "train-images-idx3-ubyte.gz").stat().st_size < 2500 << 10
    for name in ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"):
        unpacked = gzip.decompress((folder / name).read_bytes())
        assert hashlib.sha256(unpacked).hexdigest() in (folder / "README.md").read_text()


def test_digits_have_one_split() -> None:
    refused(lambda: datasets.load("digits", split="test"), "slicing")


def test_the_recipe_of_the_digits(tmp_path: Path) -> None:
    labels = RNG.integers(0, 10, 400).astype(np.uint8)
    images = np.arange(400, dtype=np.uint16).view(np.uint8).reshape(400, 1, 2)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx.encode(images))
    refused(lambda: make.make(str(tmp_path), str(tmp_path)), "train-labels")
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx.encode(labels))
    small, small_labels = make.subset(images, labels, per_class=3)
    assert np.bincount(small_labels).tolist() == [3] * 10
    places = small.reshape(30, 2).copy().view(np.uint16).ravel()
    for digit in range(10):
        assert sorted(places[small_labels == digit]) == np.flatnonzero(labels == digit)[:3].tolist()
    order, _ = make.subset(np.arange(200, dtype=np.uint8), np.arange(200, dtype=np.uint8) % 10, per_class=5)
    assert order[:8].tolist() == [33, 46, 9, 0, 26, 16, 36, 34]  # the same wherever it is made
    outputs = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        make.make(str(tmp_path), str(tmp_path / name))
        outputs.append([path.read_bytes() for path in sorted((tmp_path / name).iterdir())])
    assert outputs[0] == outputs[1]
    assert len(datasets.load(tmp_path / "one")) == 400  # fewer than 1,000 of each class: all of them


def test_importing_stays_light() -> None:
    code = (
        "import sys, minigan.datasets, minigan.archive; "
        "heavy = ['zipfile', 'gzip', 'urllib.request', 'hashlib', 'PIL', 'tqdm', 'minigan.datasets.idx']; "
        "print([name for name in heavy if name in sys.modules])"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    found = subprocess.check_output([sys.executable, "-c", code], text=True, env=environment)
    assert found.strip() == "[]"


# --- names, Dataset, conversions


def test_unknown_names_and_wrong_arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    refused(lambda: datasets.load("digit"), "digits, mnist, fashion-mnist", "mean digits?", "PATH")
    refused(lambda: datasets.load("MNIST-fashion"), "PATH")
    refused(lambda: datasets.load(tmp_path / "absent"), "absent", "not found")
    refused(lambda: datasets.load("digits", split="valid"), "valid")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="int"):
        datasets.load(3)  # type: ignore[arg-type]
    (tmp_path / "digits").mkdir()  # a name stays a name; a Path is a path
    assert len(datasets.load("digits")) == 10_000
    refused(lambda: datasets.load(Path("digits")), "no .png")


def test_a_home_folder_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "some-images").write_bytes(idx.encode(IMAGES))
    assert datasets.load("~/some-images").name == "~/some-images"


def test_dataset_normalises_and_checks() -> None:
    one = datasets.Dataset(IMAGES[..., None], LABELS.astype(np.int16), "x")  # type: ignore[arg-type]
    assert one.images.shape == (5, 4, 6)
    assert one.labels is not None
    assert one.labels.dtype == np.int64
    assert datasets.Dataset(IMAGES[:, ::2], LABELS, "x").images.flags.c_contiguous
    assert "labels 1 to 5" in repr(one)
    wrong: Any
    for wrong in (IMAGES.astype(np.float32), IMAGES.tolist()):
        with pytest.raises(TypeError, match="uint8"):
            datasets.Dataset(wrong, None, "x")
    for shape in [(5, 24), (0, 4, 6), (5, 0, 6), (5, 3, 28, 28), (1, 5, 4, 6, 3)]:
        refused(partial(datasets.Dataset, np.zeros(shape, np.uint8), None, "x"), "shape")
    for wrong in (LABELS[:4], LABELS.astype(float), np.stack([LABELS, LABELS], axis=1)):
        refused(partial(datasets.Dataset, IMAGES, wrong, "x"), "labels")


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_conversions_are_inverse(dtype: str) -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(2, 8, 16)
    floats = datasets.to_float(levels, dtype)
    assert floats.dtype == dtype
    assert floats.shape == levels.shape
    assert levels[0, 0, 1] == 1
    assert floats.min() == -1
    assert floats.max() == 1
    np.testing.assert_allclose(floats, levels.astype(float) * 2 / 255 - 1, atol=2 * float(np.finfo(dtype).eps))
    np.testing.assert_array_equal(datasets.to_uint8(floats), levels)


def test_to_float_takes_no_detour_through_float64() -> None:
    images = np.zeros((1000, 28, 28), np.uint8)
    tracemalloc.start()
    datasets.to_float(images)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.1 * 4 * images.size


@quick
@given(hnp.arrays(np.float32, 7, elements=st.floats(width=32, allow_nan=False)))
def test_to_uint8_rounds_and_clips(floats: np.ndarray) -> None:
    expected = np.clip(np.round((floats.astype(float) + 1) * 127.5), 0, 255)
    assert np.abs(datasets.to_uint8(floats) - expected).max() <= 1  # a tie may fall either way in float32
    outside = np.abs(floats) >= 1
    np.testing.assert_array_equal(datasets.to_uint8(floats)[outside], expected[outside])


def test_float64_is_rounded_as_float64() -> None:
    """In float32 what lies just below the middle of two levels would be the middle."""
    near = (np.arange(255) + 0.5 + np.array([[-1e-9], [1e-9]])) / 127.5 - 1
    np.testing.assert_array_equal(datasets.to_uint8(near), [np.arange(255), np.arange(1, 256)])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_middle_of_two_levels_is_the_even_one(dtype: str) -> None:
    """As NumPy rounds, so that pictures are not brighter on average than what G makes."""
    middles = ((np.arange(255) + 0.5) / 127.5 - 1).astype(dtype)
    exact = middles[(middles + 1) * 127.5 % 1 == 0.5]
    assert len(exact) > 100
    assert not (datasets.to_uint8(exact) % 2).any()


def test_conversions_refuse_other_kinds() -> None:
    refused(lambda: datasets.to_uint8(np.array([0.0, np.nan])), "NaN")
    refused(lambda: datasets.to_float(IMAGES, "int8"), "int8")
    for call in (lambda: datasets.to_float(np.zeros(3)), lambda: datasets.to_uint8(IMAGES)):  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="see to_"):
            call()


# --- IDX


@quick
@given(array=byte_arrays, packed=st.booleans())
def test_idx_round_trip(tmp_path: Path, array: np.ndarray, packed: bool) -> None:
    data = idx.encode(array)
    path = tmp_path / "file"  # the name says nothing: the content decides
    path.write_bytes(gzip.compress(data) if packed else data)
    found = idx.read(path)
    assert found.shape == array.shape
    assert found.tobytes() == array.tobytes()
    assert found.flags.writeable


def test_idx_bytes_are_those_of_mnist() -> None:
    assert idx.encode(np.zeros((2, 3, 4), np.uint8))[:16].hex() == "00000803000000020000000300000004"
    refused(lambda: idx.encode(np.zeros(3)), "float64")  # type: ignore[arg-type]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("data", "words"),
    [
        (idx_header(5, 4, 6) + IMAGES.tobytes()[:-1], ("5 x 4 x 6", "truncated")),
        (idx_header(5, 4, 6), ("5 x 4 x 6",)),
        (idx_header(5, 4, 6)[:9], ("truncated",)),
        (idx_header(5, 4, 6) + IMAGES.tobytes() + b"?", ("more data follows",)),
        (idx_header(4, 4, 6) + IMAGES.tobytes(), ("more data follows",)),
        (idx_header(10**9, 1000, 1000) + IMAGES.tobytes(), ("can hold", "1,000,000,000 x 1,000")),
        (idx_header(*[2**32 - 1] * 4) + IMAGES.tobytes(), ("can hold",)),
        (idx_header(0, 28, 28), ("at least one",)),
        (idx_header(5, 0, 28), ("at least one",)),
        (b"\0\0\x0d\x03" + idx_header(5, 4, 6)[4:] + IMAGES.tobytes(), ("00 00 0d 03", "unsigned bytes")),
        (b"\0\0\x08\x05" + bytes(20), ("00 00 08 05",)),
        (b"hello, this is text", ("68 65",)),
        (b"", ("nothing",)),
        (b"\0\0", ("00 00",)),
    ],
)
def test_damaged_idx(tmp_path: Path, data: bytes, words: tuple[str, ...], packed: bool) -> None:
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(gzip.compress(data) if packed else data)
    refused(lambda: idx.read(path), str(path), *words)
    refused(lambda: datasets.load(tmp_path), str(path), *words)


def test_damaged_gzip(tmp_path: Path) -> None:
    path = tmp_path / "images.gz"
    whole = gzip.compress(idx.encode(IMAGES))
    wrong_crc = whole[:-8] + bytes([whole[-8] ^ 1]) + whole[-7:]
    for data in (whole[:-9], whole[: len(whole) // 2], whole[:5], wrong_crc, whole + b"garbage"):
        path.write_bytes(data)
        refused(lambda: idx.read(path), str(path), "damaged gzip")
    path.write_bytes(gzip.compress(idx.encode(IMAGES)[:50]) + gzip.compress(idx.encode(IMAGES)[50:]))
    np.testing.assert_array_equal(idx.read(path), IMAGES)  # several members are one file, as for gzip itself


def test_a_gzip_that_could_hold_the_claim_costs_only_what_arrives(tmp_path: Path) -> None:
    noise = RNG.integers(0, 256, 1 << 20).astype(np.uint8).tobytes()
    (tmp_path / "images").write_bytes(gzip.compress(idx_header(500_000, 28, 28) + noise, 1))
    refused(lambda: idx.read(tmp_path / "images"), "only 1,048,576")


@pytest.mark.parametrize("style", ["{}-{}-idx{}-ubyte", "{}-{}.idx{}-ubyte", "{}-{}-idx{}-ubyte.gz"])
def test_a_folder_of_idx(tmp_path: Path, style: str) -> None:
    def write(split: str, images: np.ndarray, labels: np.ndarray) -> None:
        for kind, array in (("images", images), ("labels", labels)):
            data = idx.encode(array)
            path = tmp_path / style.format(split, kind, array.ndim)
            path.write_bytes(gzip.compress(data) if style.endswith("gz") else data)

    write("train", IMAGES, LABELS)
    train = datasets.load(tmp_path)
    np.testing.assert_array_equal(train.images, IMAGES)
    np.testing.assert_array_equal(train.labels, LABELS)
    assert train.labels is not None
    assert train.labels.dtype == np.uint8
    refused(lambda: datasets.load(tmp_path, "test"), "train-images", 'split="train"')
    write("t10k", IMAGES[:2], LABELS[:2])
    assert len(datasets.load(str(tmp_path), "test")) == 2
    single = datasets.load(tmp_path / style.format("t10k", "images", 3))
    assert single.labels is not None
    assert single.labels.tolist() == [3, 1]
    refused(lambda: datasets.load(tmp_path / style.format("t10k", "images", 3), "test"), "no splits")
    refused(lambda: datasets.load(tmp_path / style.format("t10k", "labels", 1)), "1 dimension")
    write("train", IMAGES, LABELS[:4])
    refused(lambda: datasets.load(tmp_path), "5 images", "(4,)")


def test_idx_labels_in_a_column_or_as_rows(tmp_path: Path) -> None:
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx.encode(IMAGES))
    for labels in (LABELS[:, None], np.eye(6, dtype=np.uint8)[LABELS]):
        (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx.encode(labels))
        found = datasets.load(tmp_path).labels
        assert found is not None
        assert found.tolist() == LABELS.tolist()


def test_a_single_idx_file_without_labels(tmp_path: Path) -> None:
    (tmp_path / "faces").write_bytes(idx.encode(np.stack([IMAGES] * 3, axis=-1)))
    faces = datasets.load(tmp_path / "faces")
    assert faces.image_shape == (4, 6, 3)
    assert faces.labels is None
    with pytest.raises(FileNotFoundError, match="check the path"):
        idx.read(tmp_path / "absent")


# --- npz


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_npz(tmp_path: Path, write: Callable[..., None]) -> None:
    path = tmp_path / "a.npz"
    write(path, images=IMAGES, labels=LABELS.astype(np.int32), other=np.zeros((2, 2, 2)))
    loaded = datasets.load(path)
    np.testing.assert_array_equal(loaded.images, IMAGES)
    assert loaded.labels is not None
    assert loaded.labels.tolist() == LABELS.tolist()
    refused(lambda: datasets.load(path, "test"), "x_test", "images (5, 4, 6)")
    write(path, x_train=IMAGES, y_train=LABELS, x_test=IMAGES[:2], y_test=LABELS[:2])
    assert len(datasets.load(path)) == 5
    assert repr(datasets.load(path, "test")).endswith("labels 1 to 3)")
    write(path, anything=IMAGES, vector=np.zeros(5))
    assert datasets.load(path).labels is None
    write(path, a=IMAGES, b=IMAGES)
    refused(lambda: datasets.load(path), "a (5, 4, 6), b (5, 4, 6)", "rename")
    write(path, vector=np.zeros(5))
    refused(lambda: datasets.load(path), "vector (5,)")
    write(path)
    refused(lambda: datasets.load(path), "nothing")
    write(path, images=IMAGES, labels=LABELS[:3])
    refused(lambda: datasets.load(path), "5 integers")
    write(path, images=np.array([None]))
    refused(lambda: datasets.load(path), "dtype object")
    path.write_bytes(path.read_bytes()[:100])
    refused(lambda: datasets.load(path), "a.npz")


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_npz_of_floats(tmp_path: Path, dtype: str) -> None:
    np.savez(tmp_path / "a.npz", images=datasets.to_float(IMAGES, dtype))
    np.testing.assert_array_equal(datasets.load(tmp_path / "a.npz").images, IMAGES)


@pytest.mark.parametrize(
    ("images", "word"),
    [
        (np.full((2, 3, 3), np.nan), "nan"),
        (np.where(IMAGES > 9, 0.5, np.nan), "nan"),
        (IMAGES / 255.0, "[0, 1]"),
        (IMAGES / 1.0, "[-1, 1]"),
        (np.full((2, 3, 3), -np.inf), "-inf"),
        (IMAGES.astype(np.int64), "int64"),
        (np.zeros((2, 3, 28, 28), np.uint8), "transpose"),
        (np.zeros((0, 28, 28), np.uint8), "shape"),
        (np.zeros((0, 28, 28)), "shape"),
    ],
)
def test_npz_of_other_things(tmp_path: Path, images: np.ndarray, word: str) -> None:
    np.savez(tmp_path / "a.npz", images=images)
    refused(lambda: datasets.load(tmp_path / "a.npz"), word)


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_a_flipped_bit_is_noticed_or_harmless(tmp_path: Path, write: Callable[..., None]) -> None:
    """One bit of each byte of a data file; its directory, which no checksum covers, is for tests/test_archive.py."""
    path = tmp_path / "a.npz"
    write(path, images=IMAGES[:2, :2, :2], labels=LABELS[:2])
    raw = path.read_bytes()
    for at in range(len(raw)):
        path.write_bytes(raw[:at] + bytes([raw[at] ^ 1 << at % 8]) + raw[at + 1 :])
        try:
            found = datasets.load(path)
        except ValueError:
            continue
        np.testing.assert_array_equal(found.images, IMAGES[:2, :2, :2])
        assert found.labels is not None
        assert found.labels.tolist() == LABELS[:2].tolist(), at


@pytest.mark.parametrize(("shape", "bytes_"), [("(True, True, True)", 1), ("(True, 2, 2)", 4)])
def test_truth_values_are_no_lengths(tmp_path: Path, shape: str, bytes_: int) -> None:
    head = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        start = b"\x93NUMPY\x01\0" + len(head).to_bytes(2, "little")
        archive.writestr("images.npy", start + head.encode() + bytes(bytes_))
    refused(lambda: datasets.load(tmp_path / "a.npz"), "a.npz")


# --- PNG


def draw(path: Path, pixels: np.ndarray, mode: str | None = None, **extra: Any) -> None:
    image = pytest.importorskip("PIL.Image").fromarray(pixels)
    path.parent.mkdir(parents=True, exist_ok=True)
    (image.convert(mode) if mode else image).save(path, **extra)


def test_a_folder_of_three_pngs(tmp_path: Path) -> None:
    for name, pixels in zip(("c.png", "a.png", "b.PNG"), IMAGES, strict=False):
        draw(tmp_path / name, pixels, format="PNG")
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "._a.png").write_bytes(b"what a Mac leaves behind")
    loaded = datasets.load(tmp_path)
    np.testing.assert_array_equal(loaded.images, IMAGES[[1, 2, 0]])
    assert loaded.labels is None
    refused(lambda: datasets.load(tmp_path, "test"), "test/")
    refused(lambda: datasets.load(tmp_path / "a.png"), "single picture")


def test_png_modes(tmp_path: Path) -> None:
    colour = RNG.integers(0, 256, (4, 6, 3)).astype(np.uint8)
    alpha = np.full((4, 6, 1), 255, np.uint8)
    alpha[0, 0] = 0
    white = colour.copy()
    white[0, 0] = 255
    grey = IMAGES[0].copy()
    grey[0, 0] = 255

    def one(name: str, pixels: np.ndarray, mode: str | None = None, **extra: Any) -> np.ndarray:
        draw(tmp_path / name / "a.png", pixels, mode, **extra)
        image: np.ndarray = datasets.load(tmp_path / name).images[0]
        return image

    np.testing.assert_array_equal(one("rgb", colour), colour)
    np.testing.assert_array_equal(one("rgba", np.concatenate([colour, alpha], 2)), white)
    np.testing.assert_array_equal(one("la", np.stack([IMAGES[0], alpha[..., 0]], 2)), grey)
    bits = np.where(IMAGES[0] > 99, 255, 0).astype(np.uint8)
    np.testing.assert_array_equal(one("bit", bits, "1"), bits)
    np.testing.assert_array_equal(one("deep", IMAGES[0].astype(np.uint16) * 257), IMAGES[0])
    assert one("palette", colour, "P").shape == (4, 6, 3)
    key = int(IMAGES[0, 0, 0])
    np.testing.assert_array_equal(one("key", IMAGES[0], transparency=key), np.where(IMAGES[0] == key, 255, IMAGES[0]))


def test_pngs_by_class(tmp_path: Path) -> None:
    for label, pixels in zip((10, 2, 2, 10, 7), IMAGES, strict=True):
        draw(tmp_path / "numbers" / str(label) / f"{pixels[0, 0]:03}.png", pixels)
    numbers = datasets.load(tmp_path / "numbers")
    assert numbers.labels is not None
    assert numbers.labels.tolist() == [10, 10, 2, 2, 7]
    np.testing.assert_array_equal(numbers.images[4], IMAGES[4])
    for name, pixels in zip(("dog", "cat", "dog"), IMAGES, strict=False):
        draw(tmp_path / "pets" / "train" / name / f"{pixels[0, 0]:03}.png", pixels)
    (tmp_path / "pets" / "train" / "empty").mkdir()
    pets = datasets.load(tmp_path / "pets")
    assert pets.labels is not None
    assert pets.labels.tolist() == [0, 1, 1]
    refused(lambda: datasets.load(tmp_path / "pets", "test"), "test")
    draw(tmp_path / "pets" / "train" / "loose.png", IMAGES[0])
    refused(lambda: datasets.load(tmp_path / "pets"), "cat, dog", "move")


def test_pngs_that_differ(tmp_path: Path) -> None:
    draw(tmp_path / "a.png", IMAGES[0])
    draw(tmp_path / "b.png", IMAGES[0])
    draw(tmp_path / "c.png", IMAGES[0, :, :5])
    refused(lambda: datasets.load(tmp_path), "a.png is 6x4", "c.png is 5x4", "--size")


def test_damaged_pngs(tmp_path: Path) -> None:
    refused(lambda: datasets.load(tmp_path), str(tmp_path), "no .png")
    draw(tmp_path / "a.png", RNG.integers(0, 256, (40, 40)).astype(np.uint8))
    whole = (tmp_path / "a.png").read_bytes()
    flipped = whole[:300] + bytes([whole[300] ^ 1]) + whole[301:]
    for data in (b"", whole[:20], whole[:40], whole[:900], flipped, b"GIF89a" + bytes(99)):
        (tmp_path / "b.png").write_bytes(data)
        refused(lambda: datasets.load(tmp_path), "b.png cannot be read as a picture")
    bomb = bytearray(whole)
    bomb[16:24] = (60_000).to_bytes(4, "big") * 2  # the size in the header; its CRC is wrong now, too
    (tmp_path / "b.png").write_bytes(bomb)
    refused(lambda: datasets.load(tmp_path), "b.png")


@pytest.mark.usefixtures("without_pillow")
def test_without_pillow(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"anything")
    refused(lambda: datasets.load(tmp_path), 'pip install ".[cli]"')
