"""minigan.archive: what is saved comes back, a crash leaves the old file, and no claim is believed."""

from __future__ import annotations

import errno
import io
import os
import signal
import subprocess
import sys
import time
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import minigan
from minigan import archive, files

quick = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
shapes = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)
dtypes = st.one_of(
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(endianness="?"),
    hnp.unsigned_integer_dtypes(endianness="?"),
    hnp.floating_dtypes(endianness="?"),
    hnp.complex_number_dtypes(endianness="?"),
    hnp.byte_string_dtypes(),
    hnp.unicode_string_dtypes(),
)
arrays = dtypes.flatmap(lambda dtype: hnp.arrays(dtype, shapes))
letters = st.characters(min_codepoint=32, max_codepoint=0x2FFF, exclude_characters="/\\:")
names = st.text(letters, min_size=1, max_size=9)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
headers = st.dictionaries(st.text(), json_values, max_size=4)


def same(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def npy(array: np.ndarray, claimed: tuple[int, ...] | None = None, descr: str | None = None) -> bytes:
    """A .npy file of `array`, which may claim another shape or dtype."""
    head = {"descr": descr or array.dtype.str, "fortran_order": False, "shape": claimed or array.shape}
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, head)
    return file.getvalue() + array.tobytes()


def write_zip(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as zipped:
        for name, data in members.items():
            zipped.writestr(name, data)
    return path


def refused(path: Path, *words: str) -> None:
    """`load` and the size of what it allocates: one sentence that names the file, and no memory."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="expected") as caught:
            archive.load(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    for word in words:
        assert word in message, message
    assert peak < 8 << 20


# --- round trips


@quick
@given(contents=st.dictionaries(names, arrays, max_size=4), header=headers)
@example(contents={"header.json": np.ones(2), "a.npy": np.zeros((0, 3))}, header={})
def test_what_is_saved_is_loaded(tmp_path: Path, contents: dict[str, np.ndarray], header: dict[str, Any]) -> None:
    path = tmp_path / "a.npz"
    archive.save(path, contents, header)
    loaded, loaded_header = archive.load(path)
    assert list(loaded) == list(contents)
    assert loaded_header == header
    assert all(same(loaded[name], contents[name]) for name in contents)
    assert all(array.flags.writeable for array in loaded.values())
    assert archive.peek(path) == {name: (array.shape, array.dtype) for name, array in contents.items()}
    before = path.read_bytes()
    archive.save(path, contents, header)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.npz"]


@pytest.mark.parametrize("order", ["F", "strided", "scalar"])
def test_any_layout_in_memory(tmp_path: Path, order: str) -> None:
    grid = np.arange(24.0).reshape(2, 3, 4)
    array = {"F": np.asfortranarray(grid), "strided": grid[:, ::2, ::-1], "scalar": np.float32(3)}[order]
    archive.save(tmp_path / "a.npz", {"x": np.asarray(array)})
    np.testing.assert_array_equal(archive.load(tmp_path / "a.npz")[0]["x"], array)


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_files_of_numpy_are_read(tmp_path: Path, write: Any) -> None:
    images = np.zeros((50, 28, 28), np.uint8)  # compresses about as far as anything can
    write(tmp_path / "a.npz", images=images, t=np.asfortranarray(np.arange(6.0).reshape(2, 3)))
    loaded, header = archive.load(tmp_path / "a.npz")
    assert same(loaded["images"], images)
    assert loaded["t"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert header == {}
    assert list(archive.load(tmp_path / "a.npz", only=["t", "absent"])[0]) == ["t"]


def test_numpy_reads_what_is_saved(tmp_path: Path) -> None:
    archive.save(tmp_path / "a.npz", {"w": np.arange(3)}, {"step": 7})
    with np.load(tmp_path / "a.npz") as file:
        assert file["w"].tolist() == [0, 1, 2]
        assert "header.json" in file.files
    with zipfile.ZipFile(tmp_path / "a.npz") as file:
        assert file.read("header.json") == b'{\n "step": 7\n}'


def test_reading_needs_memory_for_the_data_once(tmp_path: Path) -> None:
    archive.save(tmp_path / "a.npz", {"w": np.zeros(1 << 20)})
    tracemalloc.start()
    archive.load(tmp_path / "a.npz")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.5 * (8 << 20)


# --- what save refuses, and what a failure leaves


@pytest.mark.parametrize(
    ("contents", "header", "word"),
    [
        ({"w": np.array([None])}, None, "object"),
        ({"w": np.zeros(2, [("a", "f4")])}, None, "dtype"),
        ({"": np.zeros(2)}, None, "rename"),
        ({3: np.zeros(2)}, None, "rename"),
        ({}, {"x": np.float32(3)}, "JSON"),
        ({}, {"x": float("nan")}, "JSON"),
    ],
)
def test_what_cannot_be_stored_is_refused_first(tmp_path: Path, contents: Any, header: Any, word: str) -> None:
    archive.save(tmp_path / "a.npz", {"old": np.arange(3)})
    with pytest.raises(TypeError, match=word):
        archive.save(tmp_path / "a.npz", contents, header)
    assert os.listdir(tmp_path) == ["a.npz"]
    assert list(archive.load(tmp_path / "a.npz")[0]) == ["old"]


class FullDisk:
    """A file that takes so many bytes and then finds the disk full."""

    def __init__(self, file: Any, room: int) -> None:
        self.file, self.room = file, room

    def write(self, data: Any) -> int:
        self.room -= len(data)
        if self.room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return int(self.file.write(data))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def __enter__(self) -> FullDisk:
        return self

    def __exit__(self, *error: object) -> None:
        self.file.close()


@pytest.mark.parametrize("room", [0, 10, 300, 100_000, None])
def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int | None) -> None:
    path = tmp_path / "a.npz"
    archive.save(path, {"old": np.arange(3)})
    before = path.read_bytes()

    def fail(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    if room is None:
        monkeypatch.setattr(os, "fsync", fail)
    else:
        monkeypatch.setattr(files, "open", lambda *a, **k: FullDisk(open(*a, **k), room), raising=False)  # noqa: SIM115
    with pytest.raises(OSError, match="No space") as caught:
        archive.save(path, {"new": np.zeros(100_000)}, {"a": 1})
    assert caught.value.errno == errno.ENOSPC
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.npz"]


def test_an_interrupt_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"old")

    def interrupted() -> None:
        with archive.write_atomically(tmp_path / "a.txt") as file:
            file.write(b"new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (tmp_path / "a.txt").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_where_files_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="create it first"):
        archive.save(tmp_path / "absent" / "a.npz", {})
    with pytest.raises(ValueError, match="is a folder"):
        archive.save(tmp_path, {})
    with pytest.raises(ValueError, match="is a device"):
        archive.save(os.devnull, {})


def test_an_open_file_can_be_written_to(tmp_path: Path) -> None:
    """Whoever has opened it decides what becomes of it."""
    archive.save(tmp_path / "a.npz", {"w": np.arange(3)}, {"k": 1})
    file = io.BytesIO()
    archive.save(file, {"w": np.arange(3)}, {"k": 1})
    assert file.getvalue() == (tmp_path / "a.npz").read_bytes()


@pytest.mark.skipif(os.name == "nt", reason="modes and links of POSIX")
def test_modes_and_links_survive(tmp_path: Path) -> None:
    path, link = tmp_path / "a.npz", tmp_path / "link.npz"
    archive.save(path, {})
    umask = os.umask(0)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask  # as any file, not private as those of tempfile
    path.chmod(0o640)
    link.symlink_to(path)
    archive.save(link, {"new": np.ones(1)})
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(archive.peek(path)) == ["new"]


SAVE_FOR_EVER = """
import sys, numpy as np
import minigan
from minigan import archive, files
k = 0
while True:
    k += 1
    archive.save(sys.argv[1], {"a": np.full(200_000, k), "b": np.full(100_000, k)}, {"k": k})
    print(k, flush=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_kill_in_the_middle_of_saving_leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"}
    torn = 0
    for attempt in range(5):
        command = [sys.executable, "-c", SAVE_FOR_EVER, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as child:
            assert child.stdout
            assert child.stdout.readline() == b"1\n"
            time.sleep(0.003 * attempt + 0.001)
            child.kill()
        contents, header = archive.load(path)
        assert contents["a"].shape == (200_000,)
        assert contents["b"].shape == (100_000,)
        assert {*contents["a"].tolist(), *contents["b"].tolist()} == {header["k"]}
        torn += len(os.listdir(tmp_path)) > 1
        for left in tmp_path.glob(".*.tmp"):
            left.unlink()
    assert torn  # at least one kill came while a file was being written, or this shows nothing


# --- what load refuses


def test_missing_and_folder(tmp_path: Path) -> None:
    for function in (archive.load, archive.peek):
        with pytest.raises(FileNotFoundError, match="check the path"):
            function(tmp_path / "absent.npz")
        with pytest.raises(ValueError, match="is a folder"):
            function(tmp_path)


@pytest.mark.parametrize("data", [b"", b"PK", b"not a zip at all" * 50, b"PK\x05\x06" + bytes(17)])
def test_no_zip(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(data)
    refused(tmp_path / "a.npz", "fresh copy")


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9, 0.999])
def test_truncated(tmp_path: Path, keep: float) -> None:
    archive.save(tmp_path / "a.npz", {"w": np.arange(1000)}, {"k": 1})
    data = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(data[: int(keep * len(data))])
    refused(tmp_path / "a.npz")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("claimed", [(10**12,), (10**6, 10**6, 10**6), (9,), (11,), (-10,), (2, -5)])
def test_a_header_that_claims_other_than_it_holds(tmp_path: Path, method: int, claimed: tuple[int, ...]) -> None:
    refused(write_zip(tmp_path / "a.npz", {"w.npy": npy(np.zeros(10), claimed)}, method), "'w.npy' claims")


def test_shapes_no_array_can_have(tmp_path: Path) -> None:
    empty = np.zeros(0)
    refused(write_zip(tmp_path / "a.npz", {"w.npy": npy(empty, (0, 2**62, 2**62))}), "claims the shape")
    refused(write_zip(tmp_path / "a.npz", {"w.npy": npy(empty, (0,) * 100)}), "claims the shape")


def patch_sizes(path: Path, stored: int | None = None, claimed: int | None = None) -> None:
    """Change the sizes in the central directory of a zip of one member."""
    data = bytearray(path.read_bytes())
    start = data.index(b"PK\x01\x02")
    if stored is not None:
        data[start + 20 : start + 24] = stored.to_bytes(4, "little")
    if claimed is not None:
        data[start + 24 : start + 28] = claimed.to_bytes(4, "little")
    path.write_bytes(data)


def test_sizes_no_compression_can_reach(tmp_path: Path) -> None:
    huge = 4_000_000_000
    lie = npy(np.zeros(10, np.uint8), (huge - 128,))  # the .npy header agrees with the zip's lie
    path = write_zip(tmp_path / "a.npz", {"w.npy": lie})
    patch_sizes(path, claimed=huge)
    refused(path, "impossible", "4,000,000,000")
    patch_sizes(path, claimed=len(lie) - 1)
    refused(path, "impossible")
    patch_sizes(path, claimed=huge, stored=huge)
    refused(path, "more than the")
    path = write_zip(tmp_path / "a.npz", {"w.npy": lie}, zipfile.ZIP_DEFLATED)
    patch_sizes(path, claimed=huge)
    refused(path, "impossible")


def test_a_believable_lie_costs_only_what_arrives(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    claimed = 300 << 20  # within 1032 times the member, so only reading can tell
    body = npy(rng.integers(0, 256, 1 << 20).astype(np.uint8), (claimed - 128,))
    path = write_zip(tmp_path / "a.npz", {"w.npy": body}, zipfile.ZIP_DEFLATED)
    patch_sizes(path, claimed=claimed)
    refused(path)


def test_a_member_that_starts_before_the_file(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.npz", {"w.npy": npy(np.zeros(3))})
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x05\x06") + 16] += 9  # the directory is said to lie later than it does
    path.write_bytes(data)
    refused(path, "before the file")


def test_members_that_share_their_bytes(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.npz", {"a.npy": npy(np.zeros(1 << 16)), "b.npy": npy(np.ones(1))})
    data = path.read_bytes()
    directory = data.index(b"PK\x01\x02")
    second = data.index(b"PK\x01\x02", directory + 4)
    entry = bytearray(data[directory:second])
    entry[46:51] = b"b.npy"
    path.write_bytes(data[:second] + entry + data[second + len(entry) :])
    refused(path, "claim more than")


def test_crc(tmp_path: Path) -> None:
    archive.save(tmp_path / "a.npz", {"w": np.arange(5000)})
    data = bytearray((tmp_path / "a.npz").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "a.npz").write_bytes(data)
    refused(tmp_path / "a.npz", "CRC")


def test_duplicate_encrypted_compressed_and_foreign_members(tmp_path: Path) -> None:
    good = npy(np.zeros(3))
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.writestr("w.npy", good)
        with pytest.warns(UserWarning, match="Duplicate"):
            zipped.writestr("w.npy", good)
    refused(path, "'w.npy' twice")
    refused(write_zip(path, {"w.npy": good}, zipfile.ZIP_LZMA), "unsupported method 14")
    refused(write_zip(path, {"model/data.pkl": b"cos\nsystem\n"}), "no .npy array")
    data = bytearray(write_zip(path, {"w.npy": good}).read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    refused(path, "encrypted")


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "exploded"),)

    np.savez(tmp_path / "a.npz", w=np.array([Bomb()], object), allow_pickle=True)
    refused(tmp_path / "a.npz", "dtype object")
    with pytest.raises(ValueError, match="object"):
        archive.peek(tmp_path / "a.npz")
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\x93NUMPY",
        b"\x93NUMPY\x09\x00\x10\x00" + bytes(16),
        b"\x93NUMPY\x01\x00\x10\x00" + b"(" * 16,
        b"\x93NUMPY\x01\x00\xff\x3f" + b"[" * 0x3FFF,
        b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + b" " * 5_000_000,
        b"\x93NUMPY\x01\x00\x40\x00" + b"__import__('os').mkdir('exploded')".ljust(64),
        npy(np.zeros(3), descr="|O8"),
        npy(np.zeros(3), descr="<f3"),
    ],
)
def test_damaged_npy_headers(tmp_path: Path, head: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    refused(write_zip(tmp_path / "a.npz", {"w.npy": head}, zipfile.ZIP_DEFLATED), "w.npy")
    assert os.listdir(tmp_path) == ["a.npz"]


@pytest.mark.parametrize("text", [b"", b"{", b"[1]", b"\xff", b"[" * 100_000, b" " * (17 << 20)])
def test_damaged_json_headers(tmp_path: Path, text: bytes) -> None:
    refused(write_zip(tmp_path / "a.npz", {"header.json": text}, zipfile.ZIP_DEFLATED))


def _sample(method: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as zipped:
        zipped.writestr("header.json", '{"k": 1}')
        zipped.writestr("w.npy", npy(np.arange(12.0).reshape(3, 4)))
    return file.getvalue()


def _checkpoint() -> bytes:
    """A whole game, as small as there is one."""
    G, D = (minigan.Sequential(minigan.Dense(1, 1), seed=i) for i in range(2))
    file = io.BytesIO()
    minigan.GAN(G, D, optimizer=minigan.SGD(0.1)).save(file, {"shape": [1]})
    return file.getvalue()


def _written(write: Any) -> bytes:
    file = io.BytesIO()
    write(file)
    return file.getvalue()


IMAGES = {"images": np.arange(12, dtype=np.uint8).reshape(3, 2, 2), "labels": np.arange(3)}
WHOLE = {
    "numpy's": lambda: _written(lambda file: np.savez(file, **IMAGES)),
    "numpy's, compressed": lambda: _written(lambda file: np.savez_compressed(file, **IMAGES)),
    "with a header": lambda: _written(
        lambda file: archive.save(file, {"grün": np.ones(2), "b": np.array(1)}, {"k": 1})
    ),
    "a checkpoint": _checkpoint,
}


@pytest.mark.parametrize("kind", [*list(WHOLE)[:-1], pytest.param("a checkpoint", marks=pytest.mark.slow)])
@pytest.mark.filterwarnings("ignore")
def test_every_single_bit_flip_is_noticed_or_harmless(tmp_path: Path, kind: str) -> None:
    """All of them, one after the other: what is loaded is what was saved, to the last name and bit, or refused.

    Of a checkpoint, which is ten times as long, one of each byte.
    """
    data, path = WHOLE[kind](), tmp_path / "a.npz"
    checkpoint = kind == "a checkpoint"
    path.write_bytes(data)
    expected, header = archive.load(path)
    noticed = 0
    with open(path, "r+b", buffering=0) as file:
        for place, byte in enumerate(data):
            for bit in (place % 8,) if checkpoint else range(8):
                file.seek(place)
                file.write(bytes([byte ^ 1 << bit]))
                try:
                    found, found_header = archive.load(path)
                except ValueError:
                    noticed += 1
                else:
                    assert (list(found), found_header) == (list(expected), header), (place, bit)
                    assert all(same(found[name], expected[name]) for name in found), (place, bit)
            file.seek(place)
            file.write(bytes([byte]))
    assert noticed > 0.6 * (1 if checkpoint else 8) * len(
        data
    )  # the rest are dates, versions, permissions and the like


SAMPLES = [_sample(zipfile.ZIP_STORED), _sample(zipfile.ZIP_DEFLATED)]


@settings(quick, max_examples=120)
@given(
    which=st.integers(0, 1),
    edits=st.lists(st.tuples(st.integers(0, 600), st.integers(0, 255)), min_size=1, max_size=4),
    keep=st.floats(0, 1) | st.just(1.0),
)
@pytest.mark.filterwarnings("ignore")
def test_any_damage_is_one_kind_of_error(tmp_path: Path, which: int, edits: list[tuple[int, int]], keep: float) -> None:
    """A damaged file raises ValueError, or the damage touched nothing that is read."""
    data = bytearray(SAMPLES[which])
    for place, value in edits:
        data[place % len(data)] = value
    path = tmp_path / "a.npz"
    path.write_bytes(data[: round(keep * len(data))])
    try:
        contents, _ = archive.load(path)
    except ValueError as error:
        assert "a.npz" in str(error)  # noqa: PT017
    else:
        assert all(array.nbytes < 1000 for array in contents.values())
