"""benchmarks/fuzz.py for some seconds: what it tries is noticed, and it notices what it should."""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
spec = importlib.util.spec_from_file_location("fuzz", ROOT / "benchmarks" / "fuzz.py")
assert spec is not None
assert spec.loader is not None
fuzz: Any = importlib.util.module_from_spec(spec)
sys.modules["fuzz"] = fuzz
if sys.platform != "win32":
    spec.loader.exec_module(fuzz)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="alarms, pipes and /proc of POSIX")


@pytest.mark.parametrize("name", ["checkpoint", "config", "metrics", "npz", "idx", "csv", "png", "run folder"])
def test_damaged_files_are_noticed(name: str) -> None:
    """Seeded and bounded: the same files each time, some of each format."""
    fuzz.reset_peak()
    before = fuzz.peak()  # of the tests that this process has made so far
    tally = fuzz.run(12 if name == "run folder" else 60, seed=0, only=[name])[name]
    assert tally.tries == (12 if name == "run folder" else 60)
    assert tally.refused > tally.tries // 8
    assert tally.faults == []
    assert tally.peak - before < 512


def test_what_should_be_noticed_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception that nobody documents, a try without end, a sentence that is none."""
    tally = fuzz.Tally()

    def wrong(folder: Path) -> None:
        raise KeyError("x")

    def silent(folder: Path) -> None:
        raise ValueError

    def slow(folder: Path) -> None:
        time.sleep(5)

    monkeypatch.setattr(fuzz, "SLOW", 0.05)
    for act in (wrong, silent, slow):
        fuzz.tried(act, tally, act.__name__, tmp_path)
    kinds = [fault.partition(":")[0] for fault in tally.faults]
    assert kinds[:2] == ["wrong", "silent"]
    assert "slow: no end within 0 s" in tally.faults
    assert (tally.tries, tally.refused) == (3, 1)
    assert os.listdir(tmp_path) == []


def test_files_outside_are_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with fuzz.quick_plots():
        runs = fuzz.Runs(tmp_path)

        def resume(run: Path, *args: Any, **settings: Any) -> None:
            (runs.outside / "thesis.txt").write_bytes(b"lost")

        monkeypatch.setattr(fuzz, "resume", resume)
        (tmp_path / "try").mkdir()
        with pytest.raises(AssertionError, match="files outside the folder were touched"):
            runs.read(tmp_path / "try", b"5")


def test_a_killed_run_is_the_same_in_the_end() -> None:
    found = fuzz.kills(3, seed=1)
    assert found["differences"] == []
    assert found["kills"] == 3
