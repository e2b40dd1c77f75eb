"""Numba's cache on disk: an empty or cut file costs a compilation, a full disk one warning, and nothing fails."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minigan.backend import numba_backend, numba_loops

numba = pytest.importorskip("numba")
LOGITS = np.array([[0.5], [-2.0], [3.0]], np.float32)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    numba_backend._not_kept.cache_clear()
    return tmp_path


def process() -> tuple[float, int]:
    """What a new process gets of a loop, and how many times it had to compile it."""
    loop = numba_backend._compile(numba, numba_loops.says_real)
    return loop(LOGITS)[0], sum(loop.stats.cache_misses.values())


def files(folder: Path) -> dict[str, list[Path]]:
    return {end: sorted(folder.rglob(f"*.{end}")) for end in ("nbi", "nbc")}


def test_what_one_process_has_compiled_the_next_finds(folder: Path) -> None:
    first, _ = process()
    assert all(files(folder).values())
    assert process() == (first, 0)


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "cut": lambda data: data[: len(data) // 2],
    "almost whole": lambda data: data[:-1],
    "another file": lambda data: b"something else",
    "a header alone": lambda data: data[:20],
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("end", ["nbi", "nbc"])
def test_a_damaged_file_is_compiled_and_written_again(folder: Path, end: str, damage: str) -> None:
    right, _ = process()
    for file in files(folder)[end]:
        file.write_bytes(DAMAGES[damage](file.read_bytes()))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert process() == (right, 1)
        assert process() == (right, 0)


def test_a_full_disk_is_said_once_and_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Any, name: str, data: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(numba.core.caching.IndexDataCacheFile, "_save_data", full)
    with pytest.warns(RuntimeWarning, match=r"cannot be kept in .*No space left on device.*NUMBA_CACHE_DIR") as said:
        results = {process()[0] for _ in range(2)}
    assert len(said) == 1
    assert str(folder) in str(said[0].message)
    assert len(results) == 1


def test_where_there_is_no_place_at_all_loops_are_compiled_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(self: Any, function: Any) -> None:
        raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.setattr(numba.core.caching.FunctionCache, "__init__", nowhere)
    assert process()[0] == pytest.approx((1 / (1 + np.exp(-LOGITS))).mean(), rel=1e-6)
