"""MNIST and Fashion-MNIST from public mirrors: fetched once, verified, and kept in a folder of the user.

What is verified is the SHA-256 of the unpacked file, so a mirror may have compressed it in its own way. The
Fashion-MNIST set is by Zalando SE (MIT), MNIST by Yann LeCun, Corinna Cortes and Christopher Burges (CC BY-SA
3.0).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from typing import IO, Any, Self

from minigan.archive import StrPath, write_atomically
from minigan.console import is_terminal
from minigan.paths import expand

__all__ = ["FILES", "MIRRORS", "cache_folder", "fetch"]

MIRRORS: dict[str, tuple[str, ...]] = {
    "mnist": (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    "fashion-mnist": (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    ),
}

Files = dict[str, tuple[int, str]]  # name of the IDX file -> its bytes and its SHA-256, both unpacked


def _files(prefix: str, count: int, images: str, labels: str) -> Files:
    return {
        f"{prefix}-images-idx3-ubyte": (16 + 28 * 28 * count, images),
        f"{prefix}-labels-idx1-ubyte": (8 + count, labels),
    }


FILES: dict[str, dict[str, Files]] = {
    "mnist": {
        "train": _files(
            "train",
            60_000,
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        ),
        "test": _files(
            "t10k",
            10_000,
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    },
    "fashion-mnist": {
        "train": _files(
            "train",
            60_000,
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        ),
        "test": _files(
            "t10k",
            10_000,
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
    },
}


def cache_folder() -> str:
    """Where downloads are kept: `MINIGAN_CACHE`, or `minigan` in the cache folder of the operating system.

    Raises ValueError where the user has no home folder.
    """
    if chosen := os.environ.get("MINIGAN_CACHE"):
        return expand(chosen)
    name, usual = {
        "win32": ("LOCALAPPDATA", "AppData/Local"),
        "darwin": ("", "Library/Caches"),
    }.get(sys.platform, ("XDG_CACHE_HOME", ".cache"))
    base = os.environ.get(name) or os.path.expanduser(os.path.join("~", usual))
    if base.startswith("~"):
        raise ValueError("no home folder is known here to keep files in; set MINIGAN_CACHE to a folder for them")
    return os.path.join(base, "minigan")


def fetch(
    name: str,
    split: str = "train",
    cache: StrPath | None = None,
    mirrors: Sequence[str] | None = None,
    files: Files | None = None,
    timeout: float = 30.0,
) -> str:
    """Make sure that the files of `split` ("train" or "test") of "mnist" or "fashion-mnist" are on disk.

    Returns the folder they are in, `cache/name`. Only missing files are downloaded, from the first of
    `mirrors` that sends the right content; `timeout` is in seconds without an answer. Raises
    FileNotFoundError, listing what was tried, where none does, and OSError where the folder cannot be
    written.
    """
    folder = os.path.join(cache_folder() if cache is None else expand(cache), name)
    for file, (size, digest) in (FILES[name][split] if files is None else files).items():
        target = os.path.join(folder, f"{file}.gz")
        if os.path.isfile(target):
            continue  # it was verified before it got this name
        os.makedirs(folder, exist_ok=True)
        _fetch_file(target, size, digest, MIRRORS[name] if mirrors is None else mirrors, timeout)
    return folder


def _fetch_file(target: str, size: int, digest: str, mirrors: Sequence[str], timeout: float) -> None:
    folder, name = os.path.split(target)
    tried = []
    for mirror in mirrors:
        url = f"{mirror.rstrip('/')}/{name}"
        try:
            with write_atomically(target) as file:
                for chunk in _download(url, size + 65536, timeout):  # packed never needs more than that
                    file.write(chunk)
                file.seek(0)
                _verify(file, size, digest)
            return
        except _Failed as error:
            tried.append(f"{url} ({error})")
    raise FileNotFoundError(
        f"{name} could not be fetched from {' nor from '.join(tried) or 'anywhere (no mirror was given)'}; "
        f"try again later, or put the file into {folder} by hand, or give the path of a folder of IDX files"
    )


class _Failed(Exception):
    """Why one mirror did not do. Errors of the disk are no such reason: they are not caught."""


def _download(url: str, most: int, timeout: float) -> Iterator[bytes]:
    from http.client import HTTPException
    from urllib.request import Request, urlopen

    try:
        with urlopen(Request(url, headers={"User-Agent": "minigan"}), timeout=timeout) as answer:
            length = answer.headers.get("Content-Length", "")
            with _progress(url, int(length) if length.isdecimal() else None) as bar:
                received = 0
                while chunk := answer.read(1 << 16):
                    received += len(chunk)
                    if received > most:
                        raise _Failed(f"it sent more than {most:,} bytes")
                    bar.update(len(chunk))
                    yield chunk
    except (OSError, HTTPException, ValueError) as error:
        raise _Failed(str(error) or type(error).__name__) from error


def _progress(url: str, total: int | None) -> Any:
    """A tqdm bar on a terminal where tqdm is installed, else something that only looks like one."""
    if is_terminal(sys.stderr):
        try:
            from tqdm import tqdm  # type: ignore[import-untyped, unused-ignore]
        except ImportError:
            pass
        else:
            return tqdm(total=total, unit="B", unit_scale=True, desc=url.rpartition("/")[2], leave=False)
    return _Silent()


class _Silent:
    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def update(self, count: int) -> None:
        pass


def _verify(file: IO[bytes], size: int, digest: str) -> None:
    import gzip
    import hashlib
    import zlib

    found = hashlib.sha256()
    left = size
    try:
        with gzip.GzipFile(fileobj=file, mode="rb") as stream:
            while left >= 0 and (chunk := stream.read(1 << 20)):
                found.update(chunk)
                left -= len(chunk)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise _Failed(f"it sent no whole gzip file: {error}") from error
    if left != 0 or found.hexdigest() != digest:
        raise _Failed("the content has the wrong SHA-256")
