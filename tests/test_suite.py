"""The tests' own machinery: what conftest.py promises of profiles and of tests on a GPU."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import time

import pytest
from hypothesis import given, strategies

drawn = []


@given(strategies.integers())
def test_draws(number):
    drawn.append(number)


def test_has_drawn():
    assert len(drawn) == 8


@pytest.mark.gpu
def test_is_soon_done():
    pass


@pytest.mark.gpu(seconds=0.2)
def test_hangs():
    time.sleep(30)  # as in a call that no exception interrupts
"""


def test_a_quick_profile_and_a_limit_on_a_gpu(tmp_path: Path) -> None:
    """In a process of its own, with this folder's conftest.py."""
    (tmp_path / "test_program.py").write_text(PROGRAM)
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, f"--rootdir={tmp_path}", "-p", "no:cacheprovider",
         "-p", "conftest", "--hypothesis-profile=quick", "test_program.py"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(here), str(here.parent)])},
    )  # fmt: skip
    assert done.returncode != 0
    assert done.stdout.startswith("...")  # all but the last, which ends the process
    assert "passed" not in done.stdout
    assert "Timeout" in done.stderr
    assert "test_hangs" in done.stderr  # where it was
