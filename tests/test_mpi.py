"""`mpiexec -n 2 minigan train`: processes of a real MPI, which play one game, stop, fail and are killed together."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from family import assert_same, state

from minigan import Game

MPIEXEC = shutil.which("mpiexec", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
MISSING = [what for what, there in (("mpi4py", importlib.util.find_spec("mpi4py")), ("mpiexec", MPIEXEC)) if not there]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"{' and '.join(MISSING)} missing: pip install '.[mpi]'")

SMALL = ["--data", "digits", "--size", "8", "--batch", "8", "--backend", "numpy", "--sample-every", "1000"]
TRAIN = ["-m", "minigan", "train", "dcgan", *SMALL, "--width", "4"]
PATIENCE = 60.0  # seconds for what takes a few
ENV = os.environ | {"OPENBLAS_NUM_THREADS": "1"}


STARTED: list[subprocess.Popen[str]] = []


@pytest.fixture(autouse=True, scope="module")
def _nobody_is_left() -> Iterator[None]:
    yield
    for process in STARTED:
        if process.poll() is None:
            process.kill()


def mpiexec(n: int, *words: str) -> subprocess.Popen[str]:
    command = [str(MPIEXEC), "-n", str(n), sys.executable, *words]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
    STARTED.append(subprocess.Popen(command, text=True, env=ENV, **pipes))  # type: ignore[call-overload]
    return STARTED[-1]


def minigan(n: int, *words: str) -> tuple[int, str, str]:
    """Exit code, and what was said."""
    process = mpiexec(n, "-m", "minigan", *words)
    said, complained = process.communicate(timeout=PATIENCE)
    return process.returncode, said, complained


def train(n: int, folder: Path, *words: str) -> str:
    code, said, complained = minigan(n, *TRAIN[2:], "--out", str(folder), *words)
    assert code == 0, complained
    return said


def learned(folder: Path) -> dict[str, Any]:
    return state(Game.load(folder / "checkpoint.npz"))


def begun(folder: Path, rows: int = 4) -> None:
    """Wait until a run has a checkpoint of its own making."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if (folder / "config.json").exists() and len(list((folder / "samples").glob("*.png"))) >= rows:
            return
        time.sleep(0.02)
    raise AssertionError("it has not begun")


def processes_of(folder: Path) -> list[int]:
    """The processes that train in this folder (on Linux), in the order of ranks."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            settings = (entry / "environ").read_bytes().split(b"\0")
        except OSError:  # no process, or none any more
            continue
        rank = next((int(line[9:]) for line in settings if line.startswith(b"PMI_RANK=")), None)
        if rank is not None and str(folder).encode() in words:
            found.append((rank, int(entry.name)))
    return [number for _, number in sorted(found)]


def test_two_processes_train_what_one_does(tmp_path: Path) -> None:
    said = [train(n, tmp_path / str(n), "--steps", "12", "--dtype", "float64") for n in (1, 2)]
    assert_same(learned(tmp_path / "2"), learned(tmp_path / "1"), tolerance=1e-6)
    assert said[1].count("to step 12") == 1  # the first alone speaks
    rows = [(tmp_path / str(n) / "metrics.csv").read_text().splitlines() for n in (1, 2)]
    assert len(rows[0]) == len(rows[1]) == 13
    last = [[float(x) for x in run[-1].split(",")] for run in rows]
    np.testing.assert_allclose(*last, rtol=1e-4, atol=1e-6)
    files = [{file.name for file in (tmp_path / str(n)).iterdir()} for n in (1, 2)]
    assert files[0] == files[1]


def test_all_ranks_have_the_same_bits(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        """
import numpy as np
import minigan
from minigan.backend import get_backend, mpi
from minigan.recipes import dcgan

group = mpi.world()
be = get_backend("numpy", group=group)
game = dcgan.build((8, 8), width=4, backend=be)
digits = minigan.datasets.load("digits", size=8)
game.fit(digits, 5, batch=12)
seen = group.gathered(game.G.flat[None].copy())
assert seen.shape[0] == group.size == 3 and (seen == seen[0]).all()
assert not np.array_equal(game.G.flat, dcgan.build((8, 8), width=4).G.flat)
samples = game.sample(3, seed=1)  # each may, without the others
print("the same", flush=True)
"""
    )
    process = mpiexec(3, str(program))
    said, complained = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, complained
    assert said.count("the same") == 3


OFTEN = ["--steps", "32", "--sample-every", "4", "--checkpoint-every", "4"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two processes that nothing has come in the way of."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    train(2, folder, *OFTEN)
    return folder


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_process_ends_the_others_and_the_run_goes_on(tmp_path: Path, whole: Path, victim: int) -> None:
    run = tmp_path / "run"
    process = mpiexec(2, *TRAIN, "--out", str(run), *OFTEN)
    begun(run)
    ranks = processes_of(run)
    assert len(ranks) == 2
    os.kill(ranks[victim], signal.SIGKILL)
    killed = time.monotonic()
    process.communicate(timeout=PATIENCE)
    assert time.monotonic() - killed < 10
    assert process.returncode != 0
    assert not processes_of(run)
    code, _, complained = minigan(2, "train", "--resume", str(run))
    assert code == 0, complained
    assert_same(learned(run), learned(whole))
    assert (run / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks for processes in /proc")
def test_whoever_is_asked_to_stop_all_stop_and_save(tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = mpiexec(2, *TRAIN, "--out", str(run), "--steps", "4000", "--sample-every", "4")
    begun(run)
    os.kill(processes_of(run)[1], signal.SIGINT)  # not the one that writes
    said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert said.count("everything is saved") == 1
    reached = Game.load(run / "checkpoint.npz").steps
    assert 4 <= reached < 4000
    code, _, complained = minigan(1, "train", "--resume", str(run), "--steps", str(reached + 3))  # by one process
    assert code == 0, complained
    assert len((run / "metrics.csv").read_text().splitlines()) == 1 + reached + 3


def test_what_fails_in_all_is_said_once(tmp_path: Path) -> None:
    code, _, said = minigan(2, "train", "dcgan", *SMALL, "--out", str(tmp_path / "a"), "--lr", "1e38", "--steps", "50")
    assert code == 1
    assert said.count("begin a new run with a smaller --lr") == 1
    assert not [line for line in said.splitlines() if "Abort" in line or "process 1" in line]


def test_what_the_first_process_alone_cannot_do_ends_all(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("mine")
    code, _, said = minigan(2, "train", "dcgan", *SMALL, "--out", str(tmp_path / "full"), "--steps", "5")
    assert code == 2
    assert said.count("is not empty") == 1
    assert (tmp_path / "full" / "letter.txt").read_text() == "mine"


def test_words_that_mean_nothing_are_refused_once(tmp_path: Path) -> None:
    code, _, said = minigan(2, "train", "dcgan", "--stepps", "5")
    assert code == 2
    assert said.count("takes no --stepps") == 1
    code, _, said = minigan(2, "info")
    assert code == 2
    assert said.count("no work for several processes") == 1
    code, _, said = minigan(2, "train", "dcgan", *SMALL[:-4], "--batch", "7", "--out", str(tmp_path / "a"))
    assert code == 2
    assert said.count("cannot be shared evenly by 2 processes") == 1
    assert not (tmp_path / "a").exists()
