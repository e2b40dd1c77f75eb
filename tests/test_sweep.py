"""Sweeps: many runs side by side, and that no way of ending one loses it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from run_folders import assert_same_run
from scripts import script

import minigan
from minigan import files
from minigan.cli import main
from minigan.metrics import mean_interval
from minigan.runs.config import Config
from minigan.runs.interrupt import StopRequest
from minigan.runs.lines import MetricsTable
from minigan.runs.lock import FolderLock
from minigan.sweeps import Died, SweepReport, call, outcome, played, side_by_side, sweep
from minigan.sweeps.outcome import DIVERGED, FAILED, FINISHED, STOPPED, Played
from minigan.sweeps.plan import Plan, differences, numbers
from minigan.sweeps.report import figures_of, without_paths

ROOT = Path(minigan.__file__).parents[1]
PATIENCE = 300.0  # seconds for what takes a few, on a busy machine
pytestmark = pytest.mark.usefixtures("usual_signals")
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")

# Loaded by every process: a run that has saved at the step in the file HOLD says who it is, and waits for a stop or
# the end of that file.
HOLDING = """
import os, sys, time
if (hold := os.environ.get("HOLD")) and "resource_tracker" not in str(sys.orig_argv):
    from minigan.runs.loop import Run
    save = Run.save
    def waiting(self):
        save(self)
        if os.path.exists(hold) and self.gan.steps == int(open(hold).read()):
            with open(f"{hold}-{self.gan.seed}", "w") as file:
                file.write(str(os.getpid()))
            while os.path.exists(hold) and not self.stop.requested:
                time.sleep(0.01)
    Run.save = waiting
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.npz"
    np.savez(path, images=np.random.default_rng(0).integers(0, 256, (50, 8, 8), dtype=np.uint8))
    return path


@pytest.fixture
def begin(data: Path, tmp_path: Path) -> Callable[..., SweepReport]:
    """A sweep of tiny runs in tmp_path/sweep."""

    def run(out: str = "sweep", seeds: Any = (1, 2), **arguments: Any) -> SweepReport:
        usual: dict[str, Any] = {
            "steps": 20,
            "batch": 4,
            "backend": "numpy",
            "checkpoint_every": 10,
            "options": {"latent": 4},
        }
        usual = {name: value for name, value in usual.items() if name not in arguments.get("vary", {})}
        report = sweep("gan", data, out=tmp_path / out, seeds=seeds, **{"quiet": True, **usual, **arguments})
        assert report is not None
        return report

    return run


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Calls are made in this process, with small networks, and counted."""
    called = list[str]()

    def direct(function: Callable[..., Any], *args: Any) -> Any:
        called.append(f"{function.__name__} {args[0].name}")
        return function(*args)

    def plot(path: Any, *_: Any) -> None:
        with files.writing(path) as file:
            file.write(b"the real ones are slow to draw")

    monkeypatch.setattr(outcome, "call", direct)
    monkeypatch.setattr("minigan.runs.pictures.plot_losses", plot)
    monkeypatch.setattr("minigan.recipes.networks.G_HIDDEN", (16, 32, 64))
    monkeypatch.setattr("minigan.recipes.networks.D_HIDDEN", (32, 16))
    return called


def until(true: Callable[[], Any], what: str) -> None:
    """Wait for something that another process does."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.02)


def is_free(folder: Path) -> bool:
    try:
        FolderLock(folder).release()
    except RuntimeError:
        return False
    return True


# --- processes -------------------------------------------------------------------------------------------------


def environment_of(name: str) -> str | None:
    return os.environ.get(name)


def fail(sentence: str) -> None:
    raise ValueError(sentence)


def kill_myself() -> None:
    os.write(2, b"something\nmy last words\n")
    os.kill(os.getpid(), signal.SIGKILL)


def sleep(begun: str) -> None:
    Path(begun).touch()
    time.sleep(PATIENCE)


@POSIX
def test_a_call_has_a_thread_and_what_goes_wrong_has_its_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "7")
    monkeypatch.delenv("NUMBA_NUM_THREADS", raising=False)
    work = {
        "threads": lambda: call(environment_of, "OPENBLAS_NUM_THREADS"),
        "error": lambda: call(fail, "no such thing"),
        "killed": lambda: call(kill_myself),
    }

    def said(name: str) -> tuple[str, Any]:
        try:
            return name, work[name]()
        except Died as error:
            return name, str(error)

    assert dict(side_by_side(said, work, 3)) == {
        "threads": "1",
        "error": "the process ended with code 1: ValueError: no such thing",
        "killed": "the process ended with signal SIGKILL: my last words",
    }
    assert os.environ["OPENBLAS_NUM_THREADS"] == "7"
    assert "NUMBA_NUM_THREADS" not in os.environ


def test_so_many_jobs_at_a_time() -> None:
    inside, most, lock, both = [0], [0], threading.Lock(), threading.Barrier(2)

    def work(job: int) -> int:
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        both.wait(PATIENCE)  # as many as two are inside at once, or this is broken
        with lock:
            inside[0] -= 1
        return job * job

    assert sorted(side_by_side(work, range(6), 2)) == [0, 1, 4, 9, 16, 25]
    assert most[0] == 2


@POSIX
def test_a_stop_ends_what_goes_on_and_begins_nothing_more(tmp_path: Path) -> None:
    stop, begun = StopRequest(), list[int]()

    def work(job: int) -> int:
        begun.append(job)
        try:
            call(sleep, str(tmp_path / f"{job}"))
        except Died as error:
            return error.code
        return 0

    threading.Thread(
        target=lambda: (until((tmp_path / "0").exists, "a call"), setattr(stop, "requested", True))
    ).start()
    assert list(side_by_side(work, range(3), 1, stop)) == [-signal.SIGTERM]
    assert begun == [0]


@POSIX
def test_the_first_that_fails_ends_the_others(tmp_path: Path) -> None:
    begun = list[int]()

    def work(job: int) -> None:
        begun.append(job)
        if job == 1:
            until((tmp_path / "0").exists, "a call")
            raise ArithmeticError("one and one are three")
        call(sleep, str(tmp_path / f"{job}"))

    with pytest.raises(ArithmeticError, match="are three"):
        list(side_by_side(work, range(9), 2))
    assert len(begun) <= 3  # a thread that is free may have taken one more, which was not begun as a process


# --- which runs ------------------------------------------------------------------------------------------------


def test_every_setting_with_every_seed() -> None:
    plan = Plan("gan", "digits", {"batch": 4}, {"r1": 0.5}, {"lr": (1e-4, 2e-4), "d_steps": (1, 2)}, (3, 1))
    assert [run.name for run in plan.runs()] == [
        f"lr={lr},d-steps={d},seed={seed}" for seed in (3, 1) for lr in ("0.0001", "0.0002") for d in (1, 2)
    ]
    assert plan.arguments({"lr": 1e-4, "steps": 7}, 3) == {
        "recipe": "gan", "data": "digits", "batch": 4, "steps": 7, "seed": 3, "options": {"r1": 0.5, "lr": 1e-4}
    }  # fmt: skip
    assert [run.name for run in Plan("gan", "digits", {}, {}, {}, (0,)).runs()] == ["seed=0"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1-3", [1, 2, 3]),
        ("7", [7]),
        ("1,5-6,2", [1, 5, 6, 2]),
        *((text, None) for text in ("", "3-1", "-1", "a", "1-")),
    ],
)
def test_seeds_as_they_are_written(text: str, found: list[int] | None) -> None:
    if found is None:
        with pytest.raises(ValueError, match="expected whole numbers such as 1-10 or 1,2,5, got"):
            numbers(text)
    else:
        assert numbers(text) == found


def test_two_descriptions_differ_in_words() -> None:
    had = {
        "seeds": [1, 2],
        "vary": {"lr": [0.1]},
        "steps": 5,
        "options": {"r1": 0.0},
        "images": {"sha256": "abcdefghij"},
    }
    assert differences(had, {**had, "seeds": [1, 2, 3], "options": {"r1": 0.0, "of a later version": 1}}) == []
    other = {
        "seeds": [1, 3],
        "vary": {"lr": [0.2]},
        "steps": 6,
        "options": {"r1": 1.0},
        "images": {"sha256": "zzzzzzzzz"},
    }
    assert differences(had, other) == [
        "seeds: the sweep has 1,2, you asked for 1,3", "vary: the sweep has lr=0.1, you asked for lr=0.2",
        "steps: the sweep has 5, you asked for 6",
        "images: the sweep has SHA-256 abcdefgh..., you asked for SHA-256 zzzzzzzz...",
        "r1: the sweep has 0.0, you asked for 1.0",
    ]  # fmt: skip


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a name that is none": ({"vary": {"d_stepz": [1]}}, "no option d_stepz to vary.*did you mean d_steps"),
    "a flag in words": ({"vary": {"learning_rate": [1.0]}}, "did you mean lr"),
    "data": ({"vary": {"data": ["digits"]}}, "no option data to vary"),
    "another kind": ({"vary": {"lr": ["much"]}}, "lr takes a number, got 'much'"),
    "no value": ({"vary": {"lr": []}}, "lr needs a value or more, got none"),
    "no seed": ({"seeds": ()}, "seeds needs a value or more"),
    "a seed that is none": ({"seeds": (-1,)}, r"from 0 to 2\^62 - 1, got -1"),
    "twice": ({"vary": {"lr": [1e-4, 0.0001]}}, "lr has 0.0001 twice"),
    "a seed twice": ({"seeds": (1, 1)}, "seeds has 1 twice"),
    "given and varied": ({"vary": {"latent": [2, 3]}}, "latent is given for all runs, and varied"),
    "a later value that does not do": ({"vary": {"packing": [1, 2, -1]}}, "packing"),
    "a later setting that does not fit": ({"vary": {"batch": [4, 1]}}, "^batch=1: .*statistics of a single sample"),
    "one name for two": ({"vary": {"objective": ["hinge", "hin/ge"]}}, "objective takes one of"),
    "no process": ({"processes": 0}, "processes takes a whole number from 1, got 0"),
    "too few samples": ({"evaluate": 2}, "evaluate"),
    "one seed": ({"seed": 3}, "sweep takes seeds, for each a run, and no seed"),
    "an option of all": ({"options": {"latnet": 3}}, "no option latnet; did you mean latent"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_played_is_refused_before_anything_is_written(
    begin: Callable[..., SweepReport], here: list[str], tmp_path: Path, what: str
) -> None:
    arguments, sentence = WRONG[what]
    with pytest.raises((ValueError, TypeError), match=sentence):
        begin(**arguments)
    assert here == []
    assert os.listdir(tmp_path) == ["tiny.npz"]


# --- what comes of it ------------------------------------------------------------------------------------------


def test_a_sweep_leaves_runs_a_table_and_a_picture(
    begin: Callable[..., SweepReport], here: list[str], tmp_path: Path, data: Path
) -> None:
    report = begin(seeds=(1, 2, 3), vary={"d_steps": [1, 2]}, evaluate=20)
    assert sorted(here) == sorted(
        f"{work} d-steps={d},seed={seed}" for work in ("_train", "_judge") for d in (1, 2) for seed in (1, 2, 3)
    )
    folder = tmp_path / "sweep"
    straight = minigan.train("gan", data, steps=20, batch=4, seed=3, backend="numpy", checkpoint_every=10,
                             options={"latent": 4, "d_steps": 2}, out=tmp_path / "straight", quiet=True)  # fmt: skip
    assert_same_run(folder / "d-steps=2,seed=3", straight, "losses.png")
    with Image.open(folder / "sweep.png") as picture:
        assert min(picture.size) > 500

    found = json.loads((folder / "sweep.json").read_text("utf-8"))
    assert str(tmp_path) not in json.dumps(found)
    assert [row["setting"] for row in found["table"]] == [{"d_steps": 1}, {"d_steps": 2}]
    assert [(run["setting"], run["seed"], run["outcome"]) for run in found["runs"]] == [
        ({"d_steps": d}, seed, FINISHED) for seed in (1, 2, 3) for d in (1, 2)
    ]
    ends = [MetricsTable(folder / f"d-steps=2,seed={seed}" / "metrics.csv").read()["g_loss"][-2:].mean()
            for seed in (1, 2, 3)]  # fmt: skip
    mean, half, _ = mean_interval(ends)
    figure = found["table"][1]["figures"]["g_loss"]
    assert figure == {"median": np.median(ends), "mean": mean, "half": half, "n": 3}
    judged = [json.loads((folder / f"d-steps=1,seed={seed}" / "evaluation-20.json").read_text()) for seed in (1, 2, 3)]
    distances = [one["rows"][-1]["frechet"] for one in judged]
    assert found["table"][0]["figures"]["frechet"]["median"] == np.median(distances)

    head, _, first, second = report.text().splitlines()[:4]
    assert [cell.strip() for cell in head.split("|")[1:4]] == ["d-steps", "seeds", "minutes"]
    assert "Fréchet" in head
    assert f"{np.median(ends):.3f} ({mean - half:.3f} to {mean + half:.3f})" in second  # type: ignore[operator]
    assert first.split("|")[2].strip() == "3"


def test_what_is_over_is_not_made_again_and_seeds_may_be_added(
    begin: Callable[..., SweepReport], here: list[str], tmp_path: Path
) -> None:
    first = begin()
    made = (tmp_path / "sweep" / "sweep.json").read_bytes()
    assert here == ["_train seed=1", "_train seed=2"] or here == ["_train seed=2", "_train seed=1"]
    here.clear()
    assert begin().rows == first.rows
    assert here == []
    assert (tmp_path / "sweep" / "sweep.json").read_bytes() == made
    assert len(begin(seeds=(1, 2, 3)).rows) == 3
    assert here == ["_train seed=3"]
    here.clear()
    assert begin(seeds=(1, 2, 3), evaluate=20).rows[0].judged
    assert sorted(here) == ["_judge seed=1", "_judge seed=2", "_judge seed=3"]


def test_another_sweep_in_the_folder_is_refused(
    begin: Callable[..., SweepReport], here: list[str], tmp_path: Path
) -> None:
    begin()
    before = {file: file.read_bytes() for file in (tmp_path / "sweep").rglob("*") if file.is_file()}
    for arguments, sentence in (
        ({"steps": 30}, "steps: the sweep has 20, you asked for 30"),
        ({"options": {"latent": 5}}, "latent: the sweep has 4, you asked for 5"),
        ({"vary": {"lr": [0.1]}}, "vary: the sweep has none, you asked for lr=0.1"),
        ({"seeds": (1,)}, "seeds: the sweep has 1,2, you asked for 1;"),
    ):
        with pytest.raises(ValueError, match=f"sweep holds another sweep: .*{sentence}"):
            begin(**arguments)
    np.savez(tmp_path / "tiny.npz", images=np.zeros((50, 8, 8), np.uint8))
    with pytest.raises(ValueError, match="images: the sweep has SHA-256"):
        begin()
    assert before == {file: file.read_bytes() for file in (tmp_path / "sweep").rglob("*") if file.is_file()}


def test_a_folder_of_somebody_else_is_left_alone(
    begin: Callable[..., SweepReport], here: list[str], tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(ValueError, match="mine is not empty, and holds no sweep"):
        begin("mine")
    with pytest.raises(ValueError, match=r"tiny\.npz is a file, but a sweep needs a folder"):
        begin("tiny.npz")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "sweep.json").write_text('{"sweep": {"seeds": 3}}')
    with pytest.raises(ValueError, match=r"sweep\.json does not describe a sweep"):
        begin("broken")
    begin()
    lock = FolderLock(tmp_path / "sweep")
    with pytest.raises(RuntimeError, match="is in use"):
        begin()
    lock.release()


def test_a_run_that_diverges_is_a_row(
    begin: Callable[..., SweepReport], here: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vary = {"lr": [2e-4, 1e30]}
    report = begin(vary=vary, quiet=False)
    assert [(row.setting["lr"], row.played.outcome) for row in report.rows] == [(2e-4, FINISHED), (1e30, DIVERGED)] * 2
    assert report.not_over == []
    lines = report.text().splitlines()
    assert [line.split("|")[2].strip() for line in lines[2:4]] == ["2", "0 of 2, 2 diverged"]
    assert "lr=1e+30,seed=1 diverged: " in " ".join(report.text().split())
    assert str(tmp_path) not in (tmp_path / "sweep" / "sweep.json").read_text("utf-8")
    assert capsys.readouterr().out.count("diverged") == 2
    here.clear()
    begin(vary=vary)
    assert here == []


@pytest.mark.parametrize("note", ['{"seconds": "x"}', '{"outcome": "well"}', "[]", "{"])
def test_a_note_that_says_nothing_is_refused(tmp_path: Path, note: str) -> None:
    (tmp_path / "training.json").write_text(note)
    with pytest.raises(ValueError, match=r"training\.json does not say how a run ended: .*; remove it"):
        Played.read(tmp_path)


def test_a_note_of_an_older_benchmark_is_that_of_a_finished_run(tmp_path: Path, here: list[str]) -> None:
    (tmp_path / "training.json").write_text('{"seconds": 12, "cpu": "of somebody"}')
    assert played(tmp_path, {}) == Played(FINISHED, 12)
    assert here == []


def test_the_figures_of_an_evaluation() -> None:
    rows = [
        {"name": "real", "n": 9, "frechet": 1.0},
        {"name": "run", "n": 9, "frechet": 2.5, "kl": None, "copies": 0.1},
    ]
    report = {
        "data": "x",
        "rows": rows,
        "codes": [],
        "labels": [{"name": "run", "split": 1, "errors": 7}],
        "names": ["a"],
    }
    assert figures_of(report) == ({"frechet": 2.5, "copies": 0.1, "errors": 7}, ("frechet", "errors"))


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("in /home/ada/lr=1,seed=2 stands", "in lr=1,seed=2 stands"), ("~/a b", "a b"), (r"D:\runs\x: no", "x: no"),
        ("log 4 / 2, and/or 1/2", "log 4 / 2, and/or 1/2"), ("'/tmp/x/y.npz'", "'y.npz'"),
    ],
)  # fmt: skip
def test_a_file_for_others_names_no_place(text: str, left: str) -> None:
    assert without_paths(text) == left


# --- what it survives ------------------------------------------------------------------------------------------


@POSIX
def test_a_sweep_that_is_killed_in_every_way_is_the_same_as_one_that_was_not(
    begin: Callable[..., SweepReport], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run, by SIGKILL; the whole, by Ctrl-C; its parent, by SIGKILL. Each at a step of its own."""
    begin("straight", seeds=(1,), steps=40)
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(HOLDING)
    hold = tmp_path / "hold"
    monkeypatch.setenv("HOLD", str(hold))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "site"), str(ROOT)]))
    first, folder = tmp_path / "hold-1", tmp_path / "sweep"

    def kill() -> None:
        until(lambda: first.exists() and first.read_text(), "the first run")
        os.kill(int(first.read_text()), signal.SIGKILL)
        hold.unlink()

    hold.write_text("10")
    killer = threading.Thread(target=kill)
    killer.start()
    report = begin(steps=40)
    killer.join()
    assert [row.played.outcome for row in report.rows] == [FAILED, FINISHED]
    assert report.rows[0].played.said == "the process ended with signal SIGKILL"
    assert [row.name for row in report.not_over] == ["seed=1"]
    assert Played.read(folder / "seed=1") == report.rows[0].played

    words = ["gan", "--data", str(data), "--out", str(folder), "--seeds", "1-2", "--steps", "40", "--batch", "4",
             "--backend", "numpy", "--checkpoint-every", "10", "--latent", "4"]  # fmt: skip
    for step, number in (("20", signal.SIGINT), ("30", signal.SIGKILL)):
        first.unlink()
        hold.write_text(step)
        parent = subprocess.Popen([sys.executable, "-m", "minigan", "sweep", *words], stdout=subprocess.PIPE, text=True)
        until(lambda: first.exists() and first.read_text(), "the first run")
        parent.send_signal(number)
        said = parent.communicate(timeout=PATIENCE)[0]
        assert parent.returncode == (130 if number == signal.SIGINT else -number)
        assert ("stopped: 1 of 2 runs" in said) == (number == signal.SIGINT), said
        until(lambda: is_free(folder / "seed=1"), "the end of the run")
        assert minigan.GAN.load(folder / "seed=1" / "checkpoint.npz").steps == int(step)
        if number == signal.SIGINT:
            note = Played.read(folder / "seed=1")
            assert note is not None
            assert note.outcome == STOPPED
            assert (note.seconds or 0) > (report.rows[0].played.seconds or 0)
    hold.unlink()
    assert [row.played.outcome for row in begin(steps=40).rows] == [FINISHED, FINISHED]
    assert_same_run(folder / "seed=1", tmp_path / "straight" / "seed=1", "losses.png")


def test_a_run_whose_process_says_why_is_named_and_the_others_go_on(
    begin: Callable[..., SweepReport], here: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    direct = outcome.call  # as of `here`

    def failing(function: Callable[..., Any], folder: Path, *args: Any) -> Any:
        if folder.name == "seed=1":
            raise Died(1, "OSError: /mnt/disk/x.npz: No space left on device")
        return direct(function, folder, *args)

    monkeypatch.setattr(outcome, "call", failing)
    report = begin(seeds=(1, 2, 3))
    assert [row.played.outcome for row in report.rows] == [FAILED, FINISHED, FINISHED]
    assert [line.split("|")[1].strip() for line in report.text().splitlines()[2:3]] == ["2 of 3"]
    found = json.loads((tmp_path / "sweep" / "sweep.json").read_text("utf-8"))["runs"][0]
    assert found["said"] == "the process ended with code 1: OSError: x.npz: No space left on device"
    monkeypatch.setattr(outcome, "call", direct)
    here.clear()
    assert begin(seeds=(1, 2, 3)).not_over == []
    assert here == ["_train seed=1"]


# --- MPI -------------------------------------------------------------------------------------------------------


def test_without_mpi4py_a_sentence(
    begin: Callable[..., SweepReport], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PMI_SIZE", "4")
    monkeypatch.setitem(sys.modules, "mpi4py.futures", None)
    with pytest.raises(ImportError, match="a sweep over MPI needs mpi4py, which is not here; "):
        begin()
    assert os.listdir(tmp_path) == ["tiny.npz"]


def test_ranks_play_and_the_first_has_the_table(data: Path, tmp_path: Path) -> None:
    pytest.importorskip("mpi4py", reason="needs mpi4py")
    mpiexec = shutil.which("mpiexec", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if mpiexec is None:
        pytest.skip("needs mpiexec")

    def command(*words: str) -> subprocess.CompletedProcess[str]:
        usual = ["--data", str(data), "--out", str(tmp_path / "sweep"), "--batch", "4", "--backend", "numpy"]
        python = [sys.executable, "-m", "minigan", "sweep", "gan", "--seeds", "1-3"]
        return subprocess.run(
            [mpiexec, "-n", "3", *python, *usual, *words], capture_output=True, text=True, timeout=PATIENCE,
            env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False,
        )  # fmt: skip

    done = command("--steps", "3")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("finished") == 3
    assert done.stdout.count("| seeds |") == 1
    assert sorted(path.name for path in (tmp_path / "sweep").glob("seed=*")) == ["seed=1", "seed=2", "seed=3"]
    refused = command("--steps", "4")
    assert refused.returncode != 0
    assert refused.stderr.count("steps: the sweep has 3, you asked for 4") == 1


# --- the benchmarks --------------------------------------------------------------------------------------------


def test_a_benchmark_keeps_rows_as_they_come_and_makes_none_again(
    here: list[str], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials = script("trials")
    monkeypatch.setattr(trials, "RESULTS", tmp_path)
    rows = {"plain": 2, "wide": 1}

    def figures(row: str, seed: int, args: Any) -> Any:
        options = [
            "--seed",
            str(seed),
            "--batch",
            "4",
            "--latent",
            "4",
            *(["--d-width", "16"] if row == "wide" else []),
        ]
        about, judged = trials.played(args.out / f"{row}-{seed}", "gan", options, args, n=20)
        return {"row": row, "seed": seed, **about, "frechet": judged["rows"][-1]["frechet"]}

    def main(*words: str) -> Any:
        argv = ["trials", "--data", str(data), "--out", str(tmp_path / "runs"), "--steps", "3", "--backend", "numpy"]
        monkeypatch.setattr(sys, "argv", [*argv, *words])
        trials.main("about", "found.json", "seed", rows, figures, lambda found: f"{len(found)} rows", "a note")
        return json.loads((tmp_path / "found.json").read_text("utf-8"))

    assert [(row["row"], row["seed"]) for row in main("plain", "--seeds", "2")["runs"]] == [("plain", 2)]
    found = main()
    assert [(row["row"], row["seed"], row["steps"]) for row in found["runs"]] == [
        ("plain", 1, 3), ("plain", 2, 3), ("wide", 1, 3)
    ]  # fmt: skip
    assert (found["table"], found["note"], found["backend"]) == ("3 rows", "a note", "numpy")
    assert sorted(here) == [
        f"{work} {run}" for work in ("_judge", "_train") for run in ("plain-1", "plain-2", "wide-1")
    ]
    assert Config.read(tmp_path / "runs" / "wide-1" / "config.json").options["d_width"] == 16
    with pytest.raises(RuntimeError, match=r"wide-1 ended after 3 steps, and 5 were asked for; give another --out"):
        main("wide", "--steps", "5")
    rows["plain"] = 3
    monkeypatch.setattr(outcome, "call", lambda *_: (_ for _ in ()).throw(Died(-9, "my last words")))
    with pytest.raises(RuntimeError, match="plain-3 failed: the process ended with signal SIGKILL: my last words"):
        main()


@POSIX
def test_a_command_of_a_benchmark_says_why_it_failed() -> None:
    trials = script("trials")
    trials.minigan("info")
    with pytest.raises(Died, match=r"ended with code 2: minigan: unknown recipe 'gann': .*did you mean gan"):
        trials.minigan("train", "gann")


# --- the command -----------------------------------------------------------------------------------------------


def test_the_command_says_what_came_of_it(
    here: list[str], data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["sweep", "gan", "--data", str(data), "--out", str(tmp_path / "sweep"), "--seeds", "1", "--steps", "3"]
    words += ["--batch", "4", "--latent", "4", "--vary", "minibatch-std=yes,no", "--vary", "d-lr=none,1e-3"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert said.count("finished") == 4
    assert re.search(r"^run 4/4  .* 0\.0 min left$", said, re.MULTILINE)
    assert "| yes           | none  |     1 |" in said
    assert len(here) == 4
    here.clear()
    assert main([*words, "--quiet"]) == 0
    assert here == []
    assert capsys.readouterr().out.startswith("| minibatch-std | d-lr  | seeds |")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--vary lr", "argument --vary: expected NAME=VALUE,..., as lr=1e-4,2e-4, got 'lr'"),
        ("--vary lr=1e-4,x", "argument --vary: lr: expected a number, got 'x'"),
        ("--vary nets=dens", "argument --vary: nets: expected one of"),
        ("--vary minibatch-std=true", "argument --vary: minibatch-std: expected yes or no, got 'true'"),
        ("--vary d-stepz=1", "to vary, nor is it steps, batch, d_pretrain, dtype; did you mean d_steps?"),
        ("--vary lr=1 --vary lr=2", "--vary lr is given twice"),
        ("--vary batch=x", "argument --vary: batch: expected a whole number, got 'x'"),
        ("--seeds 3-1", "argument --seeds: expected whole numbers such as 1-10 or 1,2,5, got '3-1'"),
        ("--seed 1", "minigan sweep takes no --seed; did you mean --seeds?"),
        ("--lrr 1", "minigan sweep takes no --lrr; did you mean --lr?"),
    ],
)
def test_the_command_refuses_in_a_sentence(
    here: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], words: str, sentence: str
) -> None:
    given = ["sweep", "gan", "--out", str(tmp_path / "sweep"), "--seeds", "1", *words.split()]
    try:
        code = main(given)
    except SystemExit as error:
        code = int(error.code or 0)
    assert code == 2
    assert sentence in " ".join(capsys.readouterr().err.split())
    assert here == []
    assert os.listdir(tmp_path) == []
