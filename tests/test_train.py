"""Training runs: what is in the folder, and that no way of ending a run loses it."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fake_cupy
import numpy as np
import pytest
from PIL import Image
from run_folders import arrays, assert_same_run

import minigan
from minigan import files
from minigan.backend import get_backend
from minigan.backend.numpy_backend import NumpyBackend
from minigan.cli import main
from minigan.game import Play
from minigan.game.update import NonFiniteError
from minigan.gan import METRICS
from minigan.runs.interrupt import Interrupted, StopRequest
from minigan.runs.lines import MetricsTable
from minigan.runs.lock import FolderLock
from minigan.training import resume, train

ENVIRONMENT = os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(Path(minigan.__file__).parents[1])}

OPTIONS = {"latent": 4, "lr": 2e-4}

pytestmark = pytest.mark.usefixtures("usual_signals")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.npz"
    np.savez(path, images=np.random.default_rng(0).integers(0, 256, (50, 8, 8), dtype=np.uint8))
    return path


@pytest.fixture
def real_plots() -> None:
    """For the tests that look at `losses.png`, which is slow to draw."""


@pytest.fixture(autouse=True)
def quick_plots(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    def plot(path: Path, table: dict[str, Any], *_: Any) -> None:
        with files.writing(path) as file:
            file.write(f"{len(table['step'])} steps".encode())

    if "real_plots" not in request.fixturenames:
        monkeypatch.setattr("minigan.runs.pictures.plot_losses", plot)


@pytest.fixture
def real_networks() -> None:
    """For tests that go on here with what another process has begun."""


@pytest.fixture(autouse=True)
def small_networks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "real_networks" not in request.fixturenames:
        monkeypatch.setattr("minigan.recipes.networks.G_HIDDEN", (16, 32, 64))
        monkeypatch.setattr("minigan.recipes.networks.D_HIDDEN", (32, 16))


@pytest.fixture
def begin(data: Path, tmp_path: Path) -> Callable[..., Path]:
    """Train on tiny images, with few latents, in tmp_path/run."""

    def run(recipe: str = "gan", out: str = "run", options: Any = None, **arguments: Any) -> Path:
        arguments = {"steps": 4, "batch": 4, "backend": "numpy", "quiet": True} | arguments
        return train(recipe, data, out=tmp_path / out, options=OPTIONS | (options or {}), **arguments)

    return run


def test_a_run_on_a_gpu_moves_to_a_cpu_and_back(
    begin: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a simulated one: many steps before the host looks, and the same rows, pictures and checkpoints."""
    fake_cupy.install(monkeypatch)
    arguments = {"sample_every": 3, "checkpoint_every": 5, "options": {"eps": 1e-3}}  # eps: no rounding is amplified
    straight = begin(out="straight", steps=7, **arguments)
    moving = begin(steps=5, backend="cupy", quiet=False, **arguments)
    assert capsys.readouterr().out.count("a step is played as one CUDA graph of") == 1
    assert json.loads((moving / "config.json").read_text())["backend"] == "cupy"
    resume(moving, 6, backend="numpy", quiet=True)
    resume(moving, 7, backend="cupy", quiet=True)
    tables = [MetricsTable(folder / "metrics.csv").read() for folder in (straight, moving)]
    for name, column in tables[0].items():
        np.testing.assert_allclose(tables[1][name], column, rtol=1e-3, atol=1e-4, err_msg=name)
    for name, array in arrays(straight).items():
        np.testing.assert_allclose(arrays(moving)[name], array, rtol=1e-2, atol=1e-3, err_msg=name)
    assert sorted(f.name for f in (moving / "samples").iterdir()) == ["000000.png", "000003.png", "000006.png"]


# --- the folder ------------------------------------------------------------------------------------------------


def test_a_run_leaves_a_whole_folder(begin: Callable[..., Path], data: Path, real_plots: None) -> None:
    folder = begin(steps=7, sample_every=3, checkpoint_every=2, seed=5, d_pretrain=2)
    names = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    assert names == {
        ".lock", "config.json", "metrics.csv", "checkpoint.npz", "samples.png", "training.gif", "losses.png",
        "samples/000000.png", "samples/000003.png", "samples/000006.png",
    }  # fmt: skip

    config = json.loads((folder / "config.json").read_text())
    assert config["recipe"] == "gan"
    assert config["options"] == {**config["options"], "latent": 4, "objective": "non-saturating"}
    assert config["data"] == str(data)
    assert config["images"]["count"] == 50
    assert config["images"]["shape"] == [8, 8]
    assert config | {"steps": 7, "batch": 4, "seed": 5, "backend": "numpy", "dtype": "float32"} == config
    assert config | {"d_pretrain": 2, "sample_every": 3, "checkpoint_every": 2} == config
    assert config["versions"] | {"minigan": minigan.__version__, "numpy": np.__version__} == config["versions"]

    lines = (folder / "metrics.csv").read_text().splitlines()
    assert lines[0].split(",") == ["step", *METRICS]
    assert [int(line.split(",")[0]) for line in lines[1:]] == list(range(1, 8))

    with Image.open(folder / "samples" / "000003.png") as grid:
        assert grid.size == (5 * 10 + 2, 5 * 10 + 2)
    with Image.open(folder / "samples.png") as grid:
        assert grid.size == (10 * 10 + 2, 10 * 10 + 2)
    with Image.open(folder / "training.gif") as gif:
        assert gif.n_frames == 4  # steps 0, 3, 6 and the last, 7
    with Image.open(folder / "losses.png") as plot:
        assert min(plot.size) > 500

    gan = minigan.GAN.load(folder / "checkpoint.npz")
    assert gan.steps == 7
    assert gan.d_updates == 9


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_metrics_are_those_of_the_game_to_the_last_bit(begin: Callable[..., Path], data: Path, dtype: str) -> None:
    from minigan.recipes import gan as recipe

    gan = recipe.build((8, 8), **OPTIONS, backend=get_backend("numpy"), seed=3, dtype=dtype)
    history = Play(gan, minigan.datasets.load(data), 4).play(5)
    table = MetricsTable(begin(steps=5, seed=3, dtype=dtype) / "metrics.csv").read()
    np.testing.assert_array_equal(table["step"], np.arange(1, 6))
    for name in METRICS:
        assert history[name].dtype == dtype
        np.testing.assert_array_equal(table[name].astype(dtype), history[name])


def test_samples_show_the_same_latents_over_time(begin: Callable[..., Path], tmp_path: Path) -> None:
    folder = begin(steps=4, sample_every=2)
    gan = minigan.GAN.load(folder / "checkpoint.npz")
    own = minigan.datasets.to_uint8(gan.sample(25)).reshape(25, 8, 8)
    with Image.open(folder / "samples" / "000004.png") as grid:
        np.testing.assert_array_equal(np.asarray(grid)[2:10, 12:20], own[1])
    before = (folder / "samples" / "000002.png").read_bytes()
    begin(out="other", steps=2, sample_every=2)
    assert (tmp_path / "other" / "samples" / "000002.png").read_bytes() == before


def test_colour_images_and_tall_ones_train_too(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (9, 6, 4, 3), dtype=np.uint8)
    np.savez(tmp_path / "colour.npz", images=images)
    folder = train("gan", tmp_path / "colour.npz", steps=2, batch=4, out=tmp_path / "run", quiet=True)
    with Image.open(folder / "samples.png") as grid:
        assert grid.mode == "RGB"
        assert grid.size == (10 * 6 + 2, 10 * 8 + 2)


def test_folders_are_numbered(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = [train("gan", data, steps=1, batch=4, options={"latent": 2}, quiet=True) for _ in range(2)]
    assert made == [Path("runs/gan-tiny-1"), Path("runs/gan-tiny-2")]
    (tmp_path / "runs" / "gan-tiny-1" / "config.json").unlink()  # still a folder of somebody's
    assert train("gan", data, steps=1, batch=4, options={"latent": 2}, quiet=True) == Path("runs/gan-tiny-3")


def test_an_output_folder_must_be_empty(begin: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    folder = begin()
    before = (folder / "checkpoint.npz").read_bytes()
    with pytest.raises(ValueError, match=r"is not empty; choose another --out, or go on .* --resume"):
        begin()
    assert (folder / "checkpoint.npz").read_bytes() == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(ValueError, match=r"mine is not empty; choose another --out$"):
        begin(out="mine")
    assert sorted(os.listdir(tmp_path / "mine")) == ["thesis.txt"]
    with pytest.raises(ValueError, match=r"tiny\.npz is a file"):
        begin(out="tiny.npz")


# --- going on --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recipe", "arguments"),
    [
        ("gan", {}),
        ("gan", {"dtype": "float64", "d_pretrain": 3, "options": {"d_steps": 2}}),
        ("classic", {"checkpoint_every": 1}),
        ("r3gan", {"options": {"d_norm": "spectral", "instance_noise": 0.3, "noise_steps": 6, "packing": 2}}),
    ],
)
def test_stopped_and_resumed_is_the_same_as_never_stopped(
    begin: Callable[..., Path], recipe: str, arguments: dict[str, Any]
) -> None:
    straight = begin(recipe, "straight", steps=8, sample_every=2, **arguments)
    assert arrays(straight)["G/0.weight"].dtype == arguments.get("dtype", "float32")
    resumed = begin(recipe, "resumed", steps=3, sample_every=2, **arguments)
    assert resume(resumed, 8, quiet=True) == resumed
    assert_same_run(straight, resumed)
    config = json.loads((resumed / "config.json").read_text())
    assert config == json.loads((straight / "config.json").read_text())


def test_what_is_later_than_the_checkpoint_is_dropped(begin: Callable[..., Path]) -> None:
    """As a run leaves it that was killed between two checkpoints."""
    straight = begin(out="straight", steps=6, sample_every=1)
    killed = begin(out="killed", steps=3, sample_every=1)
    with open(killed / "metrics.csv", "a") as file:
        file.write("4" + ",9.5" * len(METRICS) + "\n5" + ",9.5" * len(METRICS) + "\n6,9.5,9")
    for name in ("samples/000005.png", "samples/000009.png", ".checkpoint.npz.0.tmp", "samples/.000005.png.0.tmp"):
        (killed / name).write_text("half a file")
    resume(killed, 6, quiet=True)
    assert_same_run(straight, killed)
    assert not list(killed.rglob("*.tmp"))


def test_a_row_that_was_cut_off_is_dropped_behind_the_checkpoint(tmp_path: Path) -> None:
    table = MetricsTable(tmp_path / "metrics.csv")
    table.create(METRICS)
    values = dict.fromkeys(METRICS, 1e-30) | {"d_loss": -0.1}
    for step in (1, 2):
        table.append(step, values, np.dtype("float32"))
    table.flush()
    whole = table.path.read_bytes()
    for cut in range(1, len(whole.splitlines()[2]) + 1):
        table.path.write_bytes(whole[:-cut])
        table.rewind(1, METRICS)
        assert table.read()["step"].tolist() == [1.0]
    table.path.write_bytes(whole[:-3])
    with pytest.raises(ValueError, match=r"metrics\.csv"):  # a row that the checkpoint covers
        table.rewind(2, METRICS)
    table.path.unlink()
    with pytest.raises(ValueError, match=r"metrics\.csv"):
        table.rewind(2, METRICS)


def test_a_table_with_other_columns_is_left_as_it_is(tmp_path: Path) -> None:
    table = MetricsTable(tmp_path / "metrics.csv")
    table.path.write_text("step,d_loss\n1,0.5\n")
    with pytest.raises(ValueError, match="written by another version: it has the columns 'step,d_loss'"):
        table.rewind(1, METRICS)
    assert table.path.read_text() == "step,d_loss\n1,0.5\n"


def test_a_run_that_is_done_says_how_to_go_further(
    begin: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = begin()
    before = arrays(folder)
    (folder / "losses.png").unlink()  # killed while drawing
    assert main(["train", "--resume", str(folder)]) == 0
    said = capsys.readouterr().out
    assert f"{folder} has already reached step 4" in said
    assert f"minigan train --resume {folder} --steps 8" in said
    assert (folder / "losses.png").exists()
    for name, array in arrays(folder).items():
        np.testing.assert_array_equal(array, before[name])
    with pytest.raises(ValueError, match="the run has reached 4, you asked for 3"):
        resume(folder, 3)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"batch": 6}, "batch: the run has 4, you asked for 6;"),
        ({"seed": 1}, "seed: the run has 0, you asked for 1;"),
        ({"recipe": "classic"}, "recipe: the run has gan, you asked for classic;"),
        ({"dtype": "float64"}, "dtype: the run has float32, you asked for float64;"),
        ({"d_pretrain": 9}, "d_pretrain: the run has 0, you asked for 9;"),
        ({"options": {"lr": 1e-3}}, "lr: the run has 0.0002, you asked for 0.001;"),
        ({"options": {"reuse_fakes": True}, "batch": 8}, "batch: .*; reuse_fakes: the run has False, you asked for"),
        ({"options": {"lrr": 1e-3}}, "no option lrr; did you mean lr?"),
        ({"data": "digits"}, r"data: the run has 50 images of 8x8 .*, digits holds 10,000 images of 28x28"),
    ],
)
def test_a_resumed_run_cannot_be_another_one(
    begin: Callable[..., Path], arguments: dict[str, Any], sentence: str
) -> None:
    folder = begin()
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    with pytest.raises(ValueError, match=sentence):
        resume(folder, 8, **arguments)
    assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before


def test_a_resumed_run_may_confirm_what_it_is_and_change_what_does_not_matter(
    begin: Callable[..., Path], data: Path, tmp_path: Path
) -> None:
    folder = begin()
    same = {"recipe": "gan", "data": data, "batch": 4, "seed": 0, "d_pretrain": 0, "dtype": "float32"}
    resume(folder, 5, options={"lr": 2e-4, "latent": 4}, quiet=True, **same)
    resume(folder, 6, backend="reference", sample_every=3, checkpoint_every=7, quiet=True)
    config = json.loads((folder / "config.json").read_text())
    assert config | {"steps": 6, "backend": "reference", "sample_every": 3, "checkpoint_every": 7} == config
    assert (folder / "samples" / "000006.png").exists()

    moved = data.rename(tmp_path / "moved.npz")
    with pytest.raises(ValueError, match=r"the data of this run cannot be loaded: .* give --data"):
        resume(folder, 7)
    resume(folder, 7, data=moved, quiet=True)
    assert json.loads((folder / "config.json").read_text())["data"] == str(moved)
    np.savez(moved, images=np.zeros((50, 8, 8), np.uint8))  # as many, as large, but others
    with pytest.raises(ValueError, match="data: the run has 50 images"):
        resume(folder, 8)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"{", "is no config.json of a run"),
        (b"[]", "is no config.json of a run"),
        (b'{"recipe": "gan"}', "it has no 'options'"),
        (b"\xff", "is no config.json of a run"),
        (None, "has no config.json, so it is no folder of a run"),
    ],
)
def test_a_folder_with_a_damaged_config_is_refused(
    begin: Callable[..., Path], text: bytes | None, sentence: str
) -> None:
    folder = begin()
    config = folder / "config.json"
    if text is None:
        config.unlink()
    else:
        config.write_bytes(text)
    with pytest.raises(ValueError, match=re.escape(sentence)):
        resume(folder, 8)


def test_a_config_with_a_value_of_another_kind_is_refused(begin: Callable[..., Path]) -> None:
    folder = begin()
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"batch": "many"}))
    with pytest.raises(ValueError, match="batch cannot be 'many'"):
        resume(folder, 8)


# --- stopping --------------------------------------------------------------------------------------------------


def signal_at(step: int, number: int, monkeypatch: pytest.MonkeyPatch, times: int = 1) -> None:
    from minigan.runs.progress import Progress

    def update(self: Progress, now: int, metrics: Any) -> None:
        if now == step:
            for _ in range(times):
                signal.raise_signal(number)

    monkeypatch.setattr(Progress, "update", update)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_ends_the_run_after_saving(
    begin: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    straight = begin(out="straight", steps=8, sample_every=2)
    before = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patch:
        signal_at(3, getattr(signal, name), patch)
        with pytest.raises(Interrupted, match="stopped at step 3 of 8; everything is saved") as caught:
            begin(steps=8, sample_every=2)
    assert signal.getsignal(signal.SIGINT) is before
    folder = caught.value.directory
    assert caught.value.step == 3
    assert minigan.GAN.load(folder / "checkpoint.npz").steps == 3
    for picture in ("samples.png", "training.gif", "losses.png"):
        assert (folder / picture).exists()
    resume(folder, quiet=True)
    assert_same_run(straight, folder)


def test_pretraining_can_be_stopped_as_well(begin: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    straight = begin(out="straight", steps=2, d_pretrain=250)
    original = Play.begin

    def pretrain(self: Play, updates: int) -> None:
        original(self, updates)
        if self.game.d_updates == 100:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(Play, "begin", pretrain)
        with pytest.raises(Interrupted, match="stopped at step 0 of 2") as caught:
            begin(steps=2, d_pretrain=250)
    assert minigan.GAN.load(caught.value.directory / "checkpoint.npz").d_updates == 100
    assert_same_run(straight, resume(caught.value.directory, quiet=True))


def test_a_second_interrupt_stops_at_once_and_damages_nothing(
    begin: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    straight = begin(out="straight", steps=8)
    with monkeypatch.context() as patch:
        signal_at(5, signal.SIGINT, patch, times=2)
        with pytest.raises(Interrupted, match=r"stopped at once; the checkpoint .* stands at step 4 of 8") as caught:
            begin(steps=8, checkpoint_every=4)
    folder = caught.value.directory
    assert minigan.GAN.load(folder / "checkpoint.npz").steps == 4
    assert_same_run(straight, resume(folder, quiet=True))


def test_an_interrupt_in_the_middle_of_saving_leaves_the_last_checkpoint(
    begin: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = begin(steps=2)
    fsync, calls = os.fsync, 0

    def interrupted(handle: int) -> None:
        nonlocal calls
        calls += 1
        if calls >= 5:
            raise KeyboardInterrupt
        fsync(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", interrupted)
        with pytest.raises(Interrupted, match="stands at step 2 of 9"):
            resume(folder, 9, sample_every=100, quiet=True)
    assert calls == 5
    assert minigan.GAN.load(folder / "checkpoint.npz").steps == 2
    assert not list(folder.glob(".*.tmp"))
    assert_same_run(begin(out="straight", steps=9), resume(folder, 9, quiet=True))


def test_ignored_signals_stay_ignored() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with StopRequest() as stop:
            signal.raise_signal(signal.SIGTERM)
            assert not stop.requested
    finally:
        signal.signal(signal.SIGTERM, before)


def launch(*words: str) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    command = [sys.executable, "-m", "minigan", "train", *words]
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=ENVIRONMENT)


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    give_up = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < give_up
        time.sleep(0.01)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_killed_at_any_moment_the_run_goes_on_as_if_it_had_not_been(
    data: Path, tmp_path: Path, begin: Callable[..., Path], real_networks: None
) -> None:
    folder = tmp_path / "run"
    words = ["--steps", "100000", "--checkpoint-every", "1", "--sample-every", "3"]
    reached, moment = 0, random.Random(os.getpid())
    for attempt in range(4):
        options = [word for name, value in OPTIONS.items() for word in (f"--{name}", str(value))]
        first = ["gan", "--data", str(data), "--backend", "numpy", "--batch", "4", *options, "--out", str(folder)]
        process = launch(*words, *(["--resume", str(folder)] if attempt else first))
        try:
            wait_for(lambda: (folder / "checkpoint.npz").exists() and (folder / "config.json").exists(), process)
            if attempt:  # until it trains: it must not be killed before it has begun
                seen = (folder / "checkpoint.npz").stat().st_mtime_ns
                wait_for(lambda seen=seen: (folder / "checkpoint.npz").stat().st_mtime_ns > seen, process)  # type: ignore[misc]
            time.sleep(moment.uniform(0, 0.15))
        finally:
            process.kill()
            process.communicate()
        now = minigan.GAN.load(folder / "checkpoint.npz").steps
        assert now >= reached
        assert MetricsTable(folder / "metrics.csv").read()["step"][:now].tolist() == list(range(1, now + 1))
        reached = now
    straight = begin(out="straight", steps=reached + 3, sample_every=3)
    assert_same_run(straight, resume(folder, reached + 3, quiet=True))


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_on_the_command_line(data: Path, tmp_path: Path, real_networks: None) -> None:
    folder = tmp_path / "a run"
    words = ["--batch", "4", "--steps", "100000", "--sample-every", "5"]
    process = launch("--data", str(data), *words, "--out", str(folder))
    try:
        wait_for((folder / "samples" / "000005.png").exists, process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert err == ""
    assert "everything is saved" in out
    assert out.splitlines()[-1] == f"minigan train --resume '{folder}'"
    steps = minigan.GAN.load(folder / "checkpoint.npz").steps
    assert steps >= 5
    assert main(["train", "--resume", str(folder), "--steps", str(steps + 1), "--quiet"]) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX pipes")
def test_a_reader_that_goes_away_stops_the_run_after_saving(data: Path, tmp_path: Path, real_networks: None) -> None:
    folder = tmp_path / "run"
    process = launch("gan", "--data", str(data), "--batch", "4", "--steps", "100", "--out", str(folder))
    assert process.stdout is not None
    assert process.stderr is not None
    assert "gan on" in process.stdout.readline()
    assert "pictures are few" in process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(60) == 130
    assert 0 < minigan.GAN.load(folder / "checkpoint.npz").steps < 100


# --- failures --------------------------------------------------------------------------------------------------


def test_divergence_ends_the_run_and_keeps_the_checkpoint(
    begin: Callable[..., Path], tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    with pytest.raises(NonFiniteError, match=r"stands at step 0; .* smaller --lr \(it was 1e\+30\)") as caught:
        begin(options={"lr": 1e30, "d_lr": 3e-4}, steps=50)
    folder = tmp_path / "run"
    assert f"at step {caught.value.step}" in str(caught.value)
    assert minigan.GAN.load(folder / "checkpoint.npz").steps == 0
    assert not recwarn.list


def test_the_way_into_divergence_can_be_seen(
    begin: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = minigan.GAN.turn

    def step(self: minigan.GAN, draw: Any) -> Any:
        metrics = original(self, draw)
        if self.steps == 5:
            self.G.flat[3] = np.nan
        return metrics

    monkeypatch.setattr(minigan.GAN, "turn", step)
    with pytest.raises(NonFiniteError, match=r"step 6, .* the checkpoint in .* stands at step 4"):
        begin(steps=9, checkpoint_every=2, sample_every=100)
    folder = tmp_path / "run"
    assert MetricsTable(folder / "metrics.csv").read()["step"].tolist() == [1, 2, 3, 4, 5]
    assert (folder / "losses.png").read_text() == "5 steps"
    assert minigan.GAN.load(folder / "checkpoint.npz").steps == 4


@pytest.mark.parametrize("player", ["G", "D"])
def test_a_gan_that_is_not_finite_replaces_no_checkpoint(
    begin: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, player: str
) -> None:
    folder = begin(steps=2)
    original = minigan.GAN.turn

    def step(self: minigan.GAN, draw: Any) -> Any:
        metrics = original(self, draw)
        getattr(self, player).flat[3] = np.inf
        return metrics

    monkeypatch.setattr(minigan.GAN, "turn", step)
    with pytest.raises(NonFiniteError, match=rf"{player}'s parameters .* infinity in 1 of .* stands at step 2"):
        resume(folder, 3, quiet=True)
    assert np.isfinite(arrays(folder)[f"{player}/0.weight"]).all()
    with pytest.raises(NonFiniteError, match="the samples" if player == "G" else "D's parameters"):
        resume(folder, 3, sample_every=1, quiet=True)
    assert minigan.GAN.load(folder / "checkpoint.npz").steps == 2


def test_a_disk_that_is_full_from_any_moment_on_damages_nothing(
    begin: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    straight = begin(out="straight", steps=4, sample_every=2)
    first = begin(out="first", steps=2, sample_every=2)
    fsync, named = os.fsync, set()
    for room in range(100):
        folder, left = first.with_name(f"run-{room}"), room
        shutil.copytree(first, folder)

        def full(handle: int) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            fsync(handle)

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            code = main(["train", "--resume", str(folder), "--steps", "4", "--quiet"])
        said = capsys.readouterr().err
        assert minigan.GAN.load(folder / "checkpoint.npz").steps in (2, 4)
        if code == 0:
            break
        assert code == 1
        assert said.count("\n") == 1
        file = re.match(rf"minigan: {folder}/(\S+): No space left on device", said)
        assert file, said
        named.add(file[1])
        if file[1] not in ("config.json", "metrics.csv"):  # which may fail before the run begins
            assert re.search(r"the checkpoint in .* stands at step [24]; .* minigan train --resume", said)
        assert not list(folder.rglob("*.tmp"))
        assert_same_run(straight, resume(folder, 4, quiet=True))
    kinds = {"metrics.csv", "config.json", "checkpoint.npz", "samples.png", "training.gif", "losses.png"}
    assert named == kinds | {"samples/000004.png"}


def test_a_folder_in_use_is_left_alone(begin: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    folder = begin()
    before = (folder / "metrics.csv").read_bytes()
    lock = FolderLock(folder)
    assert main(["train", "--resume", str(folder), "--steps", "9"]) == 1
    assert f"{folder} is in use: process {os.getpid()} is training in it" in capsys.readouterr().err
    assert (folder / "metrics.csv").read_bytes() == before
    lock.release()
    assert main(["train", "--resume", str(folder), "--steps", "5", "--quiet"]) == 0
    FolderLock(folder).release()  # a run that has ended holds nothing


def test_two_runs_cannot_begin_in_one_empty_folder(begin: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    lock = FolderLock(tmp_path / "run")
    with pytest.raises(RuntimeError, match="is in use"):
        begin()
    lock.release()
    begin()


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({"recipe": "gann"}, ValueError, "unknown recipe 'gann'"),
        ({"options": {"reuse_fake": True}}, ValueError, "no option reuse_fake; did you mean reuse_fakes?"),
        ({"options": {"lr": "fast"}}, TypeError, "lr takes a number, got 'fast'"),
        ({"options": {"lr": -1}}, ValueError, "positive learning rate"),
        ({"options": {"d_steps": True}}, TypeError, "d_steps takes a whole number, got True"),
        ({"options": {"loop": "both"}}, ValueError, "loop takes one of paper, tutorial, got 'both'"),
        ({"options": {"loop": "tutorial", "r1": 1.0}}, ValueError, "no penalties"),
        ({"options": {"latent": 0}}, ValueError, "0"),
        ({"steps": 0}, ValueError, "steps takes a whole number from 1"),
        ({"steps": 2.5}, TypeError, "steps takes a whole number, got 2.5"),
        ({"batch": 0}, ValueError, "batch takes"),
        ({"batch": 1}, ValueError, "a batch of 2 or more"),
        ({"batch": 5, "recipe": "classic"}, ValueError, "even batch"),
        ({"seed": -1}, ValueError, "seed takes"),
        ({"seed": 2**62}, ValueError, "seed takes"),
        ({"d_pretrain": -1}, ValueError, "d_pretrain takes"),
        ({"sample_every": 0}, ValueError, "sample_every takes"),
        ({"checkpoint_every": 0}, ValueError, "checkpoint_every takes"),
        ({"dtype": "float16"}, ValueError, "float32, float64, got 'float16'; did you mean float64?"),
        ({"backend": "torch"}, ValueError, "unknown backend 'torch'"),
    ],
)
def test_everything_is_checked_before_the_folder_is_made(
    begin: Callable[..., Path], tmp_path: Path, arguments: dict[str, Any], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=re.escape(sentence).replace(r"\ ", " ")):
        begin(**arguments)
    assert not (tmp_path / "run").exists()


def test_data_that_cannot_be_downloaded_is_a_failure_not_a_mistake(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from minigan.datasets import download

    monkeypatch.setenv("MINIGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(download, "MIRRORS", {"mnist": ["http://127.0.0.1:9/"]})
    assert main(["train", "--data", "mnist", "--out", str(tmp_path / "run")]) == 1
    said = capsys.readouterr().err
    assert said.startswith("minigan: ")
    assert said.count("\n") == 1
    assert "could not be fetched" in said


# --- what it says ----------------------------------------------------------------------------------------------


def test_about_twenty_lines_without_a_terminal(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "run"
    words = [
        "train",
        "gan",
        "--data",
        str(data),
        "--batch",
        "4",
        "--steps",
        "45",
        "--latent",
        "2",
        "--out",
        str(folder),
    ]
    assert main(words) == 0
    said = capsys.readouterr()
    assert said.err == ""
    lines = said.out.splitlines()
    assert lines[0].startswith(f"gan on {data}: 50 images of 8x8, batch 4, to step 45, backend ")
    steps = [line for line in lines if line.startswith("step ")]
    assert 20 <= len(steps) <= 24
    number = r"\d+\.\d\d"
    form = rf"step 45/45  D loss {number}  G loss {number}  D\(x\) {number}  D\(G\(z\)\) {number}"
    assert re.fullmatch(rf"{form}  \d+\.\d ms/step  0:00 left", steps[-1])
    table = MetricsTable(folder / "metrics.csv").read()
    first = re.search(r"step  2/45  D loss (\S+)", said.out)
    assert first
    assert float(first[1]) == pytest.approx(table["d_loss"][:2].mean(), abs=0.006)  # means, not single steps
    assert lines[-1] == f"minigan sample {folder} --n 100 --out samples.png"


def test_quiet_says_nothing(begin: Callable[..., Path], capfd: pytest.CaptureFixture[str]) -> None:
    begin()
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX terminals")
def test_a_bar_on_a_terminal(data: Path, tmp_path: Path) -> None:
    pytest.importorskip("tqdm")
    terminal, side = os.openpty()
    folder = str(tmp_path / "run")
    words = ["train", "gan", "--data", str(data), "--batch", "4", "--steps", "30", "--latent", "2", "--out", folder]
    command = [sys.executable, "-m", "minigan", *words]
    with subprocess.Popen(command, stdout=side, stderr=side, env=ENVIRONMENT | {"COLUMNS": "80"}) as process:
        os.close(side)
        said = b""
        with contextlib.suppress(OSError):  # Linux: the other side was closed
            while part := os.read(terminal, 4096):
                said += part
    os.close(terminal)
    assert process.returncode == 0
    text = said.decode()
    bars = [part.rstrip() for part in text.split("\r") if "%|" in part]
    assert re.fullmatch(r"100%\|█+\|30/30 00:00 left D \S+ G \S+ D\(x\) \S+ D\(G\(z\)\) \S+ \S+ ms/step", bars[-1])
    assert max(map(len, bars)) <= 80
    assert "step 30/30" not in text
    assert text.splitlines()[-1].startswith("minigan sample ")


@pytest.mark.parametrize("stop", [5, 7])
def test_a_run_that_is_ahead_and_is_stopped_has_the_rows_of_all_its_steps(
    begin: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    """Also those that had been left for later."""
    monkeypatch.setattr(NumpyBackend, "ahead", 3)
    straight = begin(out="straight", steps=20, sample_every=13)
    take = Play.take

    def taken(self: Play) -> Any:
        played = take(self)
        if self.game.steps >= stop:
            signal.raise_signal(signal.SIGINT)
        return played

    with monkeypatch.context() as patch:
        patch.setattr(Play, "take", taken)
        with pytest.raises(Interrupted) as caught:
            begin(steps=20, sample_every=13)
    run = tmp_path / "run"
    assert MetricsTable(run / "metrics.csv").read()["step"].tolist() == [*range(1, caught.value.step + 1)]
    assert_same_run(straight, resume(run, quiet=True))


@pytest.mark.parametrize("updates", [3, 4, 6])
def test_pretraining_is_as_long_as_asked(
    begin: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, updates: int
) -> None:
    """Whether or not it is made of whole parts; and there is a checkpoint before G's first step."""
    monkeypatch.setattr("minigan.runs.loop._PRETRAIN_CHUNK", 4)
    seen = []
    save = minigan.GAN.save
    monkeypatch.setattr(
        minigan.GAN, "save", lambda self, *a: (seen.append((self.steps, self.d_updates)), save(self, *a))[1]
    )
    begin(steps=1, d_pretrain=updates)
    assert seen == [(0, 0), (0, updates), (1, updates + 1)]


def test_metrics_are_written_while_a_gpu_plays_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backend that is ahead: what came before is noted between asking for steps and waiting for them."""
    arguments = {
        "recipe": "gan",
        "data": "digits",
        "steps": 24,
        "sample_every": 20,
        "checkpoint_every": 12,
        "backend": "numpy",
    }
    order: list[str] = []
    for name in ("ask", "take"):
        plain = getattr(Play, name)
        monkeypatch.setattr(
            Play, name, lambda self, *a, plain=plain, name=name: (order.append(name), plain(self, *a))[1]
        )
    append = MetricsTable.append
    monkeypatch.setattr(
        MetricsTable, "append", lambda self, step, *a: (order.append(str(step)), append(self, step, *a))
    )
    train(out=tmp_path / "one by one", **arguments)
    assert order[1:7] == ["ask", "take", "1", "ask", "take", "2"]  # after a first step, to see whether all fits
    order.clear()
    monkeypatch.setattr(NumpyBackend, "ahead", 5)
    train(out=tmp_path / "ahead", **arguments)
    first, rest = [str(i) for i in range(1, 6)], [str(i) for i in range(6, 11)]
    assert order[1:18] == ["ask", "take", "ask", *first, "take", "ask", *rest, "take", "11"]
    tables = [(tmp_path / name / "metrics.csv").read_bytes() for name in ("one by one", "ahead")]
    assert tables[0] == tables[1]
