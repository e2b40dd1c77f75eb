"""minigan.datasets.download, against servers on this machine: never the network."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import os
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minigan import datasets
from minigan.datasets import download, idx

IMAGES = np.random.default_rng(0).integers(0, 256, (50, 28, 28)).astype(np.uint8)
LABELS = np.arange(50, dtype=np.uint8) % 10
PLAIN = {"train-images-idx3-ubyte": idx.encode(IMAGES), "train-labels-idx1-ubyte": idx.encode(LABELS)}
FILES = {name: (len(data), hashlib.sha256(data).hexdigest()) for name, data in PLAIN.items()}
PACKED = {f"{name}.gz": gzip.compress(data) for name, data in PLAIN.items()}
FIRST = "train-images-idx3-ubyte.gz"


class Mirror(ThreadingHTTPServer):
    """Serves `PACKED` in a number of ways, good and bad: the first part of the path says which."""

    asked: list[str]
    gone: threading.Event
    daemon_threads = True

    def url(self, behaviour: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{behaviour}/"


class Handler(BaseHTTPRequestHandler):
    server: Mirror

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        _, behaviour, name = self.path.split("/")
        body = PACKED[name]
        if behaviour == "absent":
            self.send_error(404)
            return
        if behaviour == "repacked":
            body = gzip.compress(PLAIN[name.removesuffix(".gz")], 1)
        elif behaviour == "other":
            body = gzip.compress(PLAIN[name.removesuffix(".gz")][:-1] + b"?")
        elif behaviour == "longer":
            body = gzip.compress(PLAIN[name.removesuffix(".gz")] + b"?")
        elif behaviour == "page":
            body = b"<html>please log in</html>"
        elif behaviour == "bomb":
            body = gzip.compress(bytes(16 << 20))
        self.send_response(200)
        if behaviour != "endless":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if behaviour == "cut":
            body = body[: len(body) // 2]
        elif behaviour == "endless":
            body = bytes(1 << 20)
        elif behaviour == "slow":
            self.server.gone.wait(5)
        with suppress(OSError):  # the client may have had enough
            self.wfile.write(body)


@pytest.fixture(scope="module")
def server() -> Iterator[Mirror]:
    with Mirror(("127.0.0.1", 0), Handler) as mirror:
        mirror.gone = threading.Event()
        thread = threading.Thread(target=mirror.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield mirror
        mirror.gone.set()
        mirror.shutdown()
        thread.join()


@pytest.fixture
def mirror(server: Mirror, monkeypatch: pytest.MonkeyPatch) -> Mirror:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server.asked = []
    return server


def fetch(cache: Path, *mirrors: str, **more: Any) -> str:
    return download.fetch("mnist", "train", cache, mirrors=mirrors, files=FILES, **more)


def test_the_first_use_downloads_and_the_second_does_not(tmp_path: Path, mirror: Mirror) -> None:
    folder = fetch(tmp_path / "new" / "cache", mirror.url("good"))
    assert folder == str(tmp_path / "new" / "cache" / "mnist")
    assert sorted(os.listdir(folder)) == sorted(PACKED)
    loaded = datasets.load(folder)
    np.testing.assert_array_equal(loaded.images, IMAGES)
    np.testing.assert_array_equal(loaded.labels, LABELS)
    assert len(mirror.asked) == 2
    fetch(tmp_path / "new" / "cache", mirror.url("good"))
    os.remove(Path(folder) / FIRST)
    fetch(tmp_path / "new" / "cache", mirror.url("good"))
    assert len(mirror.asked) == 3  # only what was missing


def test_load_uses_the_cache(tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "MIRRORS", {"fashion-mnist": (mirror.url("good"),)})
    monkeypatch.setattr(download, "FILES", {"fashion-mnist": {"train": FILES}})
    monkeypatch.setenv("MINIGAN_CACHE", str(tmp_path / "a"))
    for cache in (None, None, tmp_path / "b"):
        loaded = datasets.load("fashion-mnist", cache=cache)
        assert loaded.name == "fashion-mnist"
        assert len(loaded) == 50
    assert len(mirror.asked) == 4
    assert (tmp_path / "b" / "fashion-mnist" / FIRST).exists()


@pytest.mark.parametrize("bad", ["absent", "other", "longer", "page", "bomb", "cut", "endless"])
def test_the_next_mirror_is_tried(tmp_path: Path, mirror: Mirror, bad: str) -> None:
    folder = fetch(tmp_path, mirror.url(bad), mirror.url("repacked"))
    assert sorted(os.listdir(folder)) == sorted(PACKED)  # and nothing else was left
    np.testing.assert_array_equal(datasets.load(folder).images, IMAGES)
    assert len(mirror.asked) == 4


def test_a_silent_mirror_is_left(tmp_path: Path, mirror: Mirror) -> None:
    fetch(tmp_path, mirror.url("slow"), mirror.url("good"), timeout=0.1)
    assert len(mirror.asked) == 4


def test_when_all_mirrors_fail(tmp_path: Path, mirror: Mirror) -> None:
    with socket.socket() as free:  # a port where nobody listens
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}/"
        bad = [mirror.url(behaviour) for behaviour in ("absent", "other", "page", "endless")]
        bad += [nobody, "no-scheme/"]
        with pytest.raises(FileNotFoundError) as caught:
            fetch(tmp_path, *bad)
    message = str(caught.value)
    assert all(f"{url}{FIRST}" in message for url in bad)
    assert "\n" not in message
    for words in (
        "404",
        "SHA-256",
        "no whole gzip",
        "more than 10",
        str(tmp_path / "mnist"),
        "by hand",
        "folder of IDX files",
    ):
        assert words in message, message
    assert os.listdir(tmp_path / "mnist") == []
    with pytest.raises(FileNotFoundError, match="no mirror was given"):
        fetch(tmp_path)


def test_a_full_disk_is_not_the_fault_of_a_mirror(
    tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        fetch(tmp_path, mirror.url("good"), mirror.url("good"))
    assert len(mirror.asked) == 1
    assert os.listdir(tmp_path / "mnist") == []


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("terminal", [True, False])
def test_a_progress_bar_only_on_a_terminal(
    tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:
    pytest.importorskip("tqdm")
    screen = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)
    fetch(tmp_path, mirror.url("good"))
    assert (FIRST in screen.getvalue()) == terminal


def test_no_progress_bar_without_tqdm(tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert os.path.isdir(fetch(tmp_path, mirror.url("good")))
    monkeypatch.setattr(sys, "stderr", None)  # as under pythonw
    os.remove(tmp_path / "mnist" / FIRST)
    assert os.path.isdir(fetch(tmp_path, mirror.url("good")))


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        ("linux", {}, "HOME/.cache/minigan"),
        ("linux", {"XDG_CACHE_HOME": "/x"}, "/x/minigan"),
        ("darwin", {"XDG_CACHE_HOME": "/x"}, "HOME/Library/Caches/minigan"),
        ("win32", {"LOCALAPPDATA": "/l"}, "/l/minigan"),
        ("win32", {}, "HOME/AppData/Local/minigan"),
        ("linux", {"MINIGAN_CACHE": "/m", "XDG_CACHE_HOME": "/x"}, "/m"),
        ("linux", {"MINIGAN_CACHE": "~/m"}, "HOME/m"),
        ("linux", {"MINIGAN_CACHE": "", "XDG_CACHE_HOME": ""}, "HOME/.cache/minigan"),
    ],
)
def test_cache_folder(
    platform: str, environment: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MINIGAN_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    home = os.path.expanduser("~")
    assert download.cache_folder() == expected.replace("HOME", home).replace("/", os.sep)


def test_what_is_known_of_the_files() -> None:
    for name in ("mnist", "fashion-mnist"):
        assert len(download.MIRRORS[name]) == 2
        assert all(url.endswith("/") for url in download.MIRRORS[name])
        for split, prefix, count in (("train", "train", 60_000), ("test", "t10k", 10_000)):
            files = {file: size for file, (size, _) in download.FILES[name][split].items()}
            assert files == {
                f"{prefix}-images-idx3-ubyte": 16 + 784 * count,
                f"{prefix}-labels-idx1-ubyte": 8 + count,
            }
    splits = [files for sets in download.FILES.values() for files in sets.values()]
    digests = [digest for files in splits for _, digest in files.values()]
    assert len(set(digests)) == 8
    assert all(len(digest) == 64 for digest in digests)
