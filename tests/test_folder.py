"""A run folder that somebody else has had in his hands: nothing outside it is touched, nothing in it is believed."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import struct
import sys
import time
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import test_train
from PIL import Image
from test_train import arrays, assert_same_run

import minigan
from minigan import archive
from minigan.cli import main
from minigan.diagnostics import Diagnostics, Notice
from minigan.files import Folder
from minigan.game import Play
from minigan.gan import METRICS
from minigan.recipes import get_recipe
from minigan.runs.folder import RunFolder
from minigan.runs.interrupt import Interrupted, StopRequest
from minigan.runs.lines import MetricsTable
from minigan.runs.progress import Progress
from minigan.training import resume, train

data, begin, quick_plots = test_train.data, test_train.begin, test_train.quick_plots
small_networks = test_train.small_networks

pytestmark = pytest.mark.usefixtures("usual_signals")

posix = pytest.mark.skipif(sys.platform == "win32", reason="links and signals of POSIX")
Begin = Callable[..., Path]


def contents(folder: Path) -> dict[str, Any]:
    """Everything below a folder: the bytes of files, where links point, and that there is a folder."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        found[name] = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
    return found


def at_step(step: int, act: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody does something in the folder while the run is at a step."""
    update = Progress.update

    def watched(self: Progress, now: int, metrics: Any) -> None:
        update(self, now, metrics)
        if now == step:
            act()

    monkeypatch.setattr(Progress, "update", watched)


# --- links -----------------------------------------------------------------------------------------------------

WRITTEN = [
    "samples.png", "training.gif", "losses.png", ".lock", "notices.txt", "metrics.csv", "checkpoint.npz", "config.json",
    "samples",
]  # fmt: skip


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A folder that is none of the run's business."""
    folder = tmp_path / "outside"
    folder.mkdir()
    for name in ("thesis.txt", "000002.png", "000099.png", ".000099.png.0123abcd.tmp"):
        (folder / name).write_bytes(b"precious")
    return folder


def plant(run: Path, name: str, victim: Path, hard: bool = False) -> None:
    """Put a link where the run writes."""
    place = run / name
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    place.unlink(missing_ok=True)
    if hard:
        os.link(victim / "thesis.txt", place)
    else:
        place.symlink_to(victim if name == "samples" else victim / "thesis.txt")


@posix
@pytest.mark.parametrize("name", WRITTEN)
def test_a_link_in_a_run_folder_is_refused(begin: Begin, victim: Path, name: str) -> None:
    run = begin(sample_every=2)
    plant(run, name, victim)
    before = contents(run), contents(victim)
    with pytest.raises(ValueError, match=rf"{name} is a link, and a run writes into its own folder only"):
        resume(run, 8, quiet=True)
    assert (contents(run), contents(victim)) == before


@posix
@pytest.mark.parametrize("name", [*WRITTEN, "samples/000004.png", "samples/000006.png"])
@pytest.mark.parametrize("hard", [False, True])
def test_a_link_that_appears_while_a_run_goes_on_leads_nowhere(
    begin: Begin, victim: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, hard: bool
) -> None:
    if hard and name == "samples":
        pytest.skip("a folder has no hard links")
    before = contents(victim)
    at_step(3, lambda: plant(tmp_path / "run", name, victim, hard), monkeypatch)
    refused = None
    try:
        begin(steps=8, sample_every=2, checkpoint_every=2, options={"decay_steps": 5})
    except OSError as error:
        refused = str(error)
        assert "go on with: minigan train --resume" in refused
    assert contents(victim) == before
    # what is replaced as a whole takes the link's place; what grows, or holds others, does not follow it
    stays = name in ("samples", "metrics.csv", ".lock")
    assert (refused is not None) == stays, refused


@posix
def test_links_in_an_empty_folder_are_refused_as_well(begin: Begin, victim: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".lock").symlink_to(victim / "thesis.txt")
    before = contents(victim)
    with pytest.raises(ValueError, match=r"\.lock is a link"):
        begin()
    assert contents(victim) == before


@posix
def test_a_run_goes_on_in_the_folder_that_it_has_opened(
    begin: Begin, victim: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if another one has its name since."""
    run, moved, before = tmp_path / "run", tmp_path / "moved", contents(victim)

    def swap() -> None:
        run.rename(moved)
        run.symlink_to(victim)

    with monkeypatch.context() as patch:
        at_step(3, swap, patch)
        begin(steps=8, sample_every=2, checkpoint_every=2)
    assert contents(victim) == before
    assert_same_run(begin(out="straight", steps=8, sample_every=2, checkpoint_every=2), moved)


@posix
def test_a_folder_follows_no_link(tmp_path: Path, victim: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "link").symlink_to(victim / "thesis.txt")
    (run / "pipe").parent.mkdir(exist_ok=True)
    os.mkfifo(run / "pipe")
    before = contents(victim)
    with Folder(run) as folder:
        for act in (lambda: folder.open("link", "ab"), lambda: folder.open("link"), lambda: folder.open("pipe")):
            with pytest.raises(OSError, match=r"is a link|is no ordinary file"), act():
                pass
        with pytest.raises(OSError, match="is a link"):
            folder.lock_file("link")
        with pytest.raises(FileNotFoundError), folder.open("new", "ab"):
            pass
        with folder.write("link") as file:
            file.write(b"mine")
        assert (run / "link").read_bytes() == b"mine"
        folder.remove("link")
        assert folder.names() == ["pipe"]
    assert contents(victim) == before


# --- files that belong together --------------------------------------------------------------------------------


def rows_of(run: Path) -> list[str]:
    return (run / "metrics.csv").read_text().splitlines(keepends=True)


SPOILED: dict[str, Callable[[list[str]], list[str] | None]] = {
    "removed": lambda rows: None,
    "empty": lambda rows: [],
    "no header": lambda rows: rows[1:],
    "only a header": lambda rows: rows[:1],
    "doubled": lambda rows: [*rows, *rows[1:]][: 2 * len(rows) - 1][:1] + [row for row in rows[1:] for _ in (0, 1)],
    "reversed": lambda rows: [rows[0], *rows[:0:-1]],
    "a row lost": lambda rows: [*rows[:3], *rows[4:]],
    "the last row lost": lambda rows: rows[:-1],
    "cut off": lambda rows: [*rows[:-1], rows[-1][:-1]],
    "a NaN": lambda rows: [*rows[:2], re.sub(r",[^,]+,", ",nan,", rows[2], count=1), *rows[3:]],
    "an infinity": lambda rows: [*rows[:2], re.sub(r",[^,]+,", ",1e999,", rows[2], count=1), *rows[3:]],
    "a word": lambda rows: [*rows[:2], re.sub(r",[^,]+,", ",many,", rows[2], count=1), *rows[3:]],
    "a number changed": lambda rows: [*rows[:2], re.sub(r",[^,]+,", ",0.5,", rows[2], count=1), *rows[3:]],
    "a column lost": lambda rows: [row.rpartition(",")[0] + "\n" for row in rows],
    "other line ends": lambda rows: [row.replace("\n", "\r\n") for row in rows],
    "a line without end": lambda rows: [*rows[:2], "1" * 100_000],
}


@pytest.mark.parametrize("how", SPOILED)
def test_metrics_that_are_not_those_of_the_checkpoint_are_refused(begin: Begin, how: str) -> None:
    run = begin(steps=5)
    rows = SPOILED[how](rows_of(run))
    if rows is None:
        (run / "metrics.csv").unlink()
    else:
        (run / "metrics.csv").write_bytes("".join(rows).encode())
    before = contents(run)
    with pytest.raises(ValueError, match=r"metrics.csv (does not hold the rows 1 to 5 of the|was written by another)"):
        resume(run, 8, quiet=True)
    assert contents(run) == before


def test_rows_after_the_checkpoint_need_not_be_whole(begin: Begin) -> None:
    straight = begin(out="straight", steps=6)
    run = begin(steps=4)
    with open(run / "metrics.csv", "a") as file:
        file.write("5" + ",9.5" * len(METRICS) + "\n7" + ",nan" * len(METRICS) + "\n6,9.")
    resume(run, 6, quiet=True)
    assert_same_run(straight, run)


def rewrite_config(run: Path, **changes: Any) -> None:
    config = json.loads((run / "config.json").read_text())
    for name, value in changes.items():
        inner = config
        *path, last = name.split("__")
        for key in path:
            inner = inner[key]
        inner[last] = value
    (run / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": 1}, "seed: config.json has 1, the checkpoint 0"),
        ({"batch": 6}, "batch: config.json has 6, the checkpoint 4"),
        ({"dtype": "float64"}, "dtype: config.json has 'float64', the checkpoint 'float32'"),
        ({"d_pretrain": 3}, "d_pretrain: config.json has 3, the checkpoint 0"),
        ({"options__lr": 0.5}, "lr: config.json has 0.5, the checkpoint 0.0002"),
        ({"options__d_steps": 2}, "d_steps: config.json has 2, the checkpoint 1"),
        ({"recipe": "wgan"}, "recipe: config.json has 'wgan', the checkpoint 'gan'"),
        ({"options__lr": "fast"}, "lr takes a number, got 'fast'"),
        ({"options__lrr": 1.0}, "no option lrr"),
        ({"recipe": "gnu"}, "unknown recipe"),
        ({"batch": 0}, "batch cannot be 0"),
        ({"steps": 2**63}, "steps cannot be 9223372036854775808"),
        ({"checkpoint_every": -1}, "checkpoint_every cannot be -1"),
        ({"sample_every": 0}, "sample_every cannot be 0"),
        ({"seed": True}, "seed cannot be True"),
        ({"dtype": "float16"}, "dtype cannot be 'float16'"),
        ({"images__count": None}, "images cannot be"),
        ({"images__shape": 8}, "images cannot be"),
        ({"images__shape": [8, -8]}, "images cannot be"),
        ({"images__sha256": 5}, "images cannot be"),
        ({"images": {}}, "it has no 'count'"),
    ],
    ids=str,
)
def test_settings_that_are_not_those_of_the_checkpoint_are_refused(
    begin: Begin, change: dict[str, Any], words: str
) -> None:
    run = begin()
    rewrite_config(run, **change)
    before = contents(run)
    with pytest.raises((ValueError, TypeError), match=words):
        resume(run, 8, quiet=True)
    assert contents(run) == before


def test_a_checkpoint_of_another_run_is_refused(begin: Begin, tmp_path: Path) -> None:
    one, other = begin(), begin(out="other", seed=3, batch=2)
    shutil.copy(other / "checkpoint.npz", one / "checkpoint.npz")
    with pytest.raises(ValueError, match=r"batch: config.json has 4, the checkpoint 2; seed: .* put the file back"):
        resume(one, 8, quiet=True)


def forge(path: Path, change: Callable[[dict[str, Any], dict[str, Any]], None]) -> None:
    """Rewrite arrays and header of a checkpoint."""
    parts, header = archive.load(path)
    change(parts, header)
    archive.save(path, parts, header)


def test_a_run_of_an_older_version_goes_on(begin: Begin) -> None:
    """Whose checkpoint notes neither its settings nor its rows."""
    straight, run = begin(out="straight", steps=6), begin()

    def older(parts: dict[str, Any], header: dict[str, Any]) -> None:
        del header["extra"]["settings"], header["extra"]["rows"]

    forge(run / "checkpoint.npz", older)
    rewrite_config(run, seed=1)
    with pytest.raises(ValueError, match=r"seed: config.json has 1, the checkpoint 0"):
        resume(run, 6, quiet=True)
    rewrite_config(run, seed=0)
    resume(run, 6, quiet=True)
    assert_same_run(straight, run)


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ([], r"keeps \[\] beside the game"),
        (None, "keeps None beside the game"),
        ({"settings": 5}, "notes 5 as its settings"),
        ({"settings": {"options": []}}, "as its settings"),
    ],
    ids=str,
)
def test_what_a_checkpoint_notes_is_looked_at(begin: Begin, extra: Any, words: str) -> None:
    run = begin()
    forge(run / "checkpoint.npz", lambda parts, header: header.update(extra=extra))
    with pytest.raises(ValueError, match=words):
        resume(run, 8, quiet=True)


@pytest.mark.parametrize("shape", [5, "8x8", [8, "8"], [0, 0], {"a": 1}, [True, 64]])
def test_a_shape_that_is_none_is_refused(begin: Begin, tmp_path: Path, shape: Any) -> None:
    run = begin()
    forge(run / "checkpoint.npz", lambda parts, header: header["extra"].update(shape=shape))
    assert main(["sample", str(run), "--n", "2", "--out", str(tmp_path / "a.png")]) == 2


def test_diagnostics_of_somebody_else_begin_anew(begin: Begin, capsys: pytest.CaptureFixture[str]) -> None:
    run = begin(steps=60)
    assert minigan.diagnostics.Diagnostics(minigan.GAN.load(run / "checkpoint.npz"), np.zeros((9, 64), "float32"))
    good = archive.load(run / "checkpoint.npz")[1]["extra"]["diagnostics"]
    for name, value in (
        ("peak", "much"), ("since", {"d-wins": -4}), ("since", {"rm -rf": 4}), ("rows", [[1.0] * 8] * 99),
        ("series", [1e300] * 7), ("waiting", {}), ("look", [1.0]), ("rows", 5), ("since", []),
    ):  # fmt: skip
        forge(run / "checkpoint.npz", lambda p, h, to=good | {name: value}: h["extra"].update(diagnostics=to))  # type: ignore[misc]
        said = resume_and_listen(run, 61, capsys)
        assert "step 60: diagnostics begin anew: this is no state of diagnostics" in said, (name, value)
        shutil.rmtree(run)
        begin(steps=60)


def resume_and_listen(run: Path, steps: int, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    resume(run, steps)
    return capsys.readouterr().out


def test_samples_are_in_the_order_of_their_steps_however_many_digits_those_have(begin: Begin) -> None:
    run = begin(steps=1)
    for step in (999_998, 999_999, 1_000_000, 1_000_001):
        shutil.copy(run / "samples" / "000000.png", run / "samples" / f"{step:06}.png")
    with RunFolder.open(run) as folder:
        assert [step for step, _ in folder.sample_files()] == [0, 999_998, 999_999, 1_000_000, 1_000_001]
        assert all(folder.sample_file(step) == file for step, file in folder.sample_files())


def test_a_checksum_is_that_of_all_rows_also_where_none_has_come_since(tmp_path: Path) -> None:
    table = MetricsTable(tmp_path / "metrics.csv")
    table.create(METRICS)
    for step in (1, 2):
        table.append(step, dict.fromkeys(METRICS, 0.5), np.dtype("float32"))
        table.flush()
        table.flush()
    MetricsTable(table.path).rewind(2, METRICS, table.checksum)


@pytest.mark.parametrize("value", ["1e999", "nan", "1e", "--1", "1-1"])
def test_what_is_no_number_is_no_row_though_no_checksum_was_noted(tmp_path: Path, value: str) -> None:
    table = MetricsTable(tmp_path / "metrics.csv")
    table.create(METRICS)
    with open(table.path, "a") as file:
        file.write("1" + ",0.5" * (len(METRICS) - 1) + f",{value}\n")
    with pytest.raises(ValueError, match="does not hold the rows 1 to 1"):
        table.rewind(1, METRICS)


def test_how_long_something_lasts_may_change_and_the_run_be_killed_at_once(begin: Begin) -> None:
    """The checkpoint that it goes on from then is one that does not know of the change."""
    run = begin(steps=4, options={"decay_steps": 3})
    killed_at(5, lambda: resume(run, 8, options={"decay_steps": 6}, quiet=True))
    resume(run, quiet=True)
    assert arrays(run)["g_opt/t"] == 8


@pytest.mark.parametrize("given", [{}, {"sample_every": 5}, {"checkpoint_every": 5}, {"steps": 6}])
def test_what_is_not_given_stays_as_it_was(begin: Begin, given: dict[str, int]) -> None:
    run = begin(steps=4, sample_every=3, checkpoint_every=2)
    before = json.loads((run / "config.json").read_text())
    resume(run, quiet=True, **given)
    assert json.loads((run / "config.json").read_text()) == before | given


def test_a_rewind_keeps_what_belongs_to_its_step(begin: Begin) -> None:
    """The sample of the step itself is not later than it; what was being written when a run was killed is."""
    run = begin(steps=4, sample_every=1)
    torn = [run / "samples" / ".000004.png.0123abcd.tmp", run / ".metrics.csv.0123abcd.tmp"]
    for file in torn:
        file.write_bytes(b"half of it")
    with RunFolder.open(run) as folder:
        folder.rewind(3, METRICS)
        assert [step for step, _ in folder.sample_files()] == [0, 1, 2, 3]
        assert folder.metrics.read()["step"].tolist() == [1, 2, 3]
    assert not any(file.exists() for file in torn)


def test_a_picture_that_is_not_of_this_run_is_left_out(begin: Begin, capsys: pytest.CaptureFixture[str]) -> None:
    """A PNG of 400 million pixels, 2 kB of it, is not opened; a damaged one, a pipe and a link do no harm either."""
    run = begin(steps=6, sample_every=1)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    huge = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 20000, 20000, 8, 0, 0, 0, 0))
    (run / "samples" / "000001.png").write_bytes(huge + chunk(b"IDAT", zlib.compress(bytes(100))))
    whole = (run / "samples" / "000002.png").read_bytes()
    (run / "samples" / "000002.png").write_bytes(whole[: len(whole) // 2])
    (run / "samples" / "000003.png").write_bytes(b"\x89PNG")
    if sys.platform != "win32":
        (run / "samples" / "000005.png").unlink()
        os.mkfifo(run / "samples" / "000005.png")
    said = resume_and_listen(run, 8, capsys)
    for step in (1, 2, 3):
        assert f"{run}/samples/00000{step}.png is no picture of this run, and is left out of training.gif" in said
    with Image.open(run / "training.gif") as gif:
        assert gif.n_frames == 9 - 3 - (sys.platform != "win32")


# --- while a run goes on ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("metrics.csv", lambda path: path.unlink()),
        ("metrics.csv", lambda path: path.write_bytes(b"")),
        ("metrics.csv", lambda path: path.write_bytes(path.read_bytes()[:-9])),
        (".lock", lambda path: path.unlink()),
    ],
)
@posix
def test_what_is_removed_while_a_run_goes_on_is_missed(
    begin: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, spoil: Callable[[Path], None]
) -> None:
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        at_step(3, lambda: (shutil.copy(run / name, tmp_path / "kept"), spoil(run / name))[1], patch)
        with pytest.raises(OSError, match=rf"{name}: was (removed|changed by somebody else) .* stands at step 2"):
            begin(steps=8, checkpoint_every=2, sample_every=100)
    assert minigan.GAN.load(run / "checkpoint.npz").steps == 2
    shutil.copy(tmp_path / "kept", run / name)  # it can be mended, as the sentence says
    resume(run, quiet=True)
    assert_same_run(begin(out="straight", steps=8, sample_every=100), run)


@posix
@pytest.mark.parametrize("name", ["config.json", "samples", "checkpoint.npz"])
def test_what_can_be_made_again_is(begin: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    run = tmp_path / "run"
    where = run / name
    with monkeypatch.context() as patch:
        at_step(3, lambda: shutil.rmtree(where) if where.is_dir() else where.unlink(), patch)
        begin(steps=4, checkpoint_every=2, sample_every=4)
    resume(run, 8, quiet=True)
    assert arrays(run)["g_opt/t"] == 8


@posix
def test_the_order_in_which_things_reach_the_disk(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a failure of power there is what was forced to the disk, and nothing else: rows, then the file, then its
    name, and only then the next step."""
    run = begin(steps=2)
    events: list[str] = []
    fsync, replace = os.fsync, os.replace

    def forced(handle: int) -> None:
        name = os.readlink(f"/proc/self/fd/{handle}") if os.path.exists("/proc/self/fd") else str(handle)
        events.append(re.sub(r"\.?(\S+?)\.[0-9a-f]{8}\.tmp", r"\1", Path(name).name))
        fsync(handle)

    def renamed(old: str, new: str, **where: Any) -> None:
        events.append(f"{new}!")
        replace(old, new, **where)

    monkeypatch.setattr(os, "fsync", forced)
    monkeypatch.setattr(os, "replace", renamed)
    resume(run, 3, sample_every=100, quiet=True)
    if not os.path.exists("/proc/self/fd"):
        pytest.skip("which file it was cannot be seen here")
    saved = events.index("checkpoint.npz!")
    assert events[saved - 2 : saved + 2] == ["metrics.csv", "checkpoint.npz", "checkpoint.npz!", "run"]
    for place, event in enumerate(events):
        if event.endswith("!"):
            assert (events[place - 1], events[place + 1]) == (event[:-1], "run"), events


def test_a_D_that_has_learned_alone_is_no_failed_start(begin: Begin, data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "samples").mkdir(parents=True)
    MetricsTable(run / "metrics.csv").create(METRICS)
    gan = get_recipe("gan").build((8, 8), latent=4)
    Play(gan, minigan.datasets.load(data), 4).begin(2)
    gan.save(run / "checkpoint.npz")
    before = contents(run)
    with pytest.raises(ValueError, match="is not empty"):
        begin(steps=1)
    assert contents(run) == before


def test_a_folder_with_a_config_is_whole(begin: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes last: whoever finds one finds all the rest. And one that is refused changes nothing."""
    write = RunFolder.write_config

    def last(self: RunFolder, config: Any) -> None:
        assert minigan.GAN.load(self.path / "checkpoint.npz").steps == 0
        assert {"metrics.csv", "samples"} <= {path.name for path in self.path.iterdir()}
        write(self, config)

    monkeypatch.setattr(RunFolder, "write_config", last)
    begin(steps=1)


def test_what_a_checkpoint_covers_is_there_before_it(
    begin: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whenever one is written, the rows of all its steps and what was said of them can be read already."""
    seen: list[int] = []
    save, watch = minigan.GAN.save, Diagnostics.watch

    def look(self: minigan.GAN, file: Any, extra: Any = None) -> None:
        rows = MetricsTable(tmp_path / "run" / "metrics.csv").read()["step"].tolist()
        assert rows == [*range(1, self.steps + 1)]
        if rows:
            notices = (tmp_path / "run" / "notices.txt").read_text().splitlines()
            assert notices == [f"step {step}: look here" for step in range(1, self.steps + 1)]
        seen.append(self.steps)
        save(self, file, extra)

    monkeypatch.setattr(minigan.GAN, "save", look)
    said = partial(Notice, kind="x", entered=True, sentence="look here")
    monkeypatch.setattr(Diagnostics, "watch", lambda self, played: [*watch(self, played), said(self.gan.steps)])
    begin(steps=5, checkpoint_every=2)
    assert seen == [0, 2, 4, 5]


def test_a_clock_that_jumps_changes_nothing(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Back by years, on by years, at every look."""
    straight = begin(out="straight", steps=8, sample_every=2)
    now = iter(range(10**9))
    for name in ("time", "time_ns"):
        monkeypatch.setattr(time, name, lambda: (-1) ** next(now) * 10**9 * next(now))
    begin(steps=5, sample_every=2)
    run = straight.with_name("run")
    for file in run.rglob("*"):
        os.utime(file, (0, 0) if len(file.name) % 2 else (4e9, 4e9))
    resume(run, 8, quiet=True)
    assert_same_run(straight, run)


# --- starts that failed ----------------------------------------------------------------------------------------


class Killed(BaseException):
    """As if the process were gone."""


@pytest.mark.parametrize("given", [True, False], ids=["an empty folder", "no folder"])
def test_a_start_that_was_killed_is_taken_over(
    begin: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: bool
) -> None:
    """At every moment when something reaches the disk, before or after."""
    straight, fsync, seen = begin(out="straight"), os.fsync, set()
    for moment in range(100):
        run, calls = tmp_path / f"run-{moment}", 0
        if given:
            run.mkdir()

        def killed(handle: int, last: int = moment) -> None:
            nonlocal calls
            calls += 1
            if calls > last:
                raise Killed
            fsync(handle)

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", killed)
            patch.setattr(os, "remove", lambda *a, **k: None)  # whoever is killed tidies nothing up
            patch.setattr(RunFolder, "discard", RunFolder.close)
            with pytest.raises(Killed):
                begin(out=run.name)
        left = frozenset(re.sub(r"[0-9a-f]{8}", "*", str(file.relative_to(run))) for file in run.rglob("*"))
        if "config.json" in left:
            break
        seen.add(left)
        with pytest.raises(ValueError, match="it is what a start has left that failed: begin again with --out"):
            resume(run)
        assert_same_run(straight, begin(out=run.name))
        assert not list(run.glob(".*.tmp"))
    assert {".metrics.csv.*.tmp", ".checkpoint.npz.*.tmp", ".config.json.*.tmp"} <= frozenset().union(*seen)


def test_a_start_that_fails_leaves_nothing(begin: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fsync = os.fsync
    for room in range(100):
        left = room

        def full(handle: int) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise OSError(28, "No space left on device")
            fsync(handle)

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(OSError, match="No space"):
                begin()
        if (tmp_path / "run").exists():
            break
    assert room > 3
    assert (tmp_path / "run" / "config.json").exists()  # from then on it can be gone on with
    resume(tmp_path / "run", quiet=True)
    (tmp_path / "mine").mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: full(handle))
        with pytest.raises(OSError, match="No space"):
            begin(out="mine")
    assert os.listdir(tmp_path / "mine") == [".lock"]  # a folder that was there stays
    begin(out="mine")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda run: (run / "thesis.txt").write_text("precious"),
        lambda run: (run / "samples" / "cat.png").write_bytes(b"precious"),
        lambda run: (run / "metrics.csv").write_text("step\n1\n"),
        lambda run: shutil.rmtree(run / "samples"),
        lambda run: (run / ".notes.tmp").write_text("precious"),
    ],
)
def test_only_what_a_start_leaves_is_taken_over(
    begin: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path], None]
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "write_config", lambda self, config: (_ for _ in ()).throw(Killed))
        patch.setattr(RunFolder, "discard", RunFolder.close)
        with pytest.raises(Killed):
            begin()
    spoil(tmp_path / "run")
    before = contents(tmp_path / "run")
    with pytest.raises(ValueError, match=r"is not empty; choose another --out$"):
        begin()
    assert contents(tmp_path / "run") == before


# --- signals ---------------------------------------------------------------------------------------------------


@posix
@pytest.mark.parametrize("name", ["SIGUSR1", "SIGUSR2", "SIGXCPU"])
def test_a_cluster_that_announces_the_end_finds_everything_saved(
    begin: Begin, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    straight, number = begin(out="straight", steps=8), getattr(signal, name)
    with monkeypatch.context() as patch:
        at_step(3, lambda: signal.raise_signal(number), patch)
        with pytest.raises(Interrupted, match="stopped at step 3 of 8; everything is saved") as caught:
            begin(steps=8)
    assert signal.getsignal(number) is signal.SIG_DFL
    assert_same_run(straight, resume(caught.value.directory, quiet=True))
    heard: list[int] = []
    before = signal.signal(number, lambda number, frame: heard.append(number))
    try:
        with StopRequest() as stop:
            signal.raise_signal(number)
            assert (heard, stop.requested) == ([number], False)  # whoever has a use for it keeps it
    finally:
        signal.signal(number, before)


# --- how long a schedule lasts ---------------------------------------------------------------------------------


@pytest.mark.parametrize("recipe", ["modern", "dcgan", "infogan"])
def test_the_schedule_of_a_recipe_is_as_long_as_the_run(recipe: str) -> None:
    from minigan.recipes import get_recipe

    module = get_recipe(recipe)
    default = module.build((8, 8), latent=2, **({} if recipe == "modern" else {"width": 2}))
    assert default.optimizer.lr.steps == module.STEPS
    short = module.build((8, 8), latent=2, steps=5, d_pretrain=3, **({} if recipe == "modern" else {"width": 2}))
    assert (short.optimizer.lr.steps, short.d_optimizer.lr.steps) == (5, 5 + 3)


LENGTHS = {"decay_steps": "all", "instance_noise": 0.5, "d_steps": 2}


def test_every_step_of_a_run_learns_and_the_last_one_least(begin: Begin, tmp_path: Path) -> None:
    run = begin(steps=9, d_pretrain=4, options=LENGTHS, checkpoint_every=1)
    gan = minigan.GAN.load(run / "checkpoint.npz")
    assert gan.optimizer.lr.steps == 9
    assert gan.d_optimizer.lr.steps == 2 * 9 + 4
    assert (gan.optimizer.lr_at(8) > 0, gan.optimizer.lr_at(9), gan.d_optimizer.lr_at(gan.d_opt.t)) == (True, 0, 0)
    assert gan.instance_noise.steps == 9
    assert not (run / "notices.txt").exists()


def test_a_run_with_a_larger_total_goes_on_where_one_of_that_length_would_be(
    begin: Begin, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """To the last bit the game that is played so by hand, however often the run is stopped, and it is said."""
    from minigan.recipes import gan as recipe

    run = begin(steps=4, options=LENGTHS)
    said = resume_and_listen(run, 10, capsys)
    sentence = "step 4: the schedules are those of a run of 10 steps from here on; G's learning rate was 0 here, and is"
    rate = re.search(rf"{re.escape(sentence)} (\S+)$", said, re.M)
    assert rate
    assert 0 < float(rate[1]) < 2e-4
    assert (run / "notices.txt").read_text().startswith(sentence)
    images = minigan.datasets.load(data)
    options = {"latent": 4, "lr": 2e-4} | LENGTHS
    played, longer = (recipe.build((8, 8), **options, backend="numpy", steps=n) for n in (4, 10))
    played.fit(images, 4, 4)
    played.follow(longer)
    played.fit(images, 6, 4)
    for name, array in played.G.state_dict().items():
        np.testing.assert_array_equal(arrays(run)[f"G/{name}"], array)
    for name, array in played.D.state_dict().items():
        np.testing.assert_array_equal(arrays(run)[f"D/{name}"], array)
    stopped = begin(out="stopped", steps=4, options=LENGTHS)
    for _ in range(2):  # killed before a checkpoint that knows of the new total
        killed_at(5, lambda: resume(stopped, 10, quiet=True))
    killed_at(8, lambda: resume(stopped, checkpoint_every=3, quiet=True))
    resume(stopped, quiet=True)
    assert_same_run(run, stopped)
    assert (run / "notices.txt").read_text() == (stopped / "notices.txt").read_text()


def killed_at(step: int, act: Callable[[], Any]) -> None:
    def killed() -> None:
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        at_step(step, killed, patch)
        with pytest.raises(Killed):
            act()


def test_a_schedule_of_its_own_length_is_spoken_of_when_it_is_over(
    begin: Begin, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = begin(steps=4, options={"decay_steps": 4})
    before = arrays(run)["G/0.weight"]
    said = resume_and_listen(run, 6, capsys)
    sentence = (
        "step 4: the learning rate is 0 before the end, step 6, and nothing is learned then: "
        "G's from step 5 on, D's from step 5 on"
    )
    assert sentence in said
    assert sentence in (run / "notices.txt").read_text()
    np.testing.assert_array_equal(arrays(run)["G/0.weight"], before)
    resume(run, 9, options={"decay_steps": "all"}, quiet=True)  # lengths may change
    assert (arrays(run)["G/0.weight"] != before).any()
    assert json.loads((run / "config.json").read_text())["options"]["decay_steps"] == "all"
    gan = minigan.GAN.load(run / "checkpoint.npz")
    with pytest.warns(UserWarning, match=r"the learning rate is 0 before the end, step 12, .* G's from step 10 on"):
        gan.fit(minigan.datasets.load(data), 3, 4)


def test_a_rule_that_remembers_something_else_cannot_be_followed(begin: Begin) -> None:
    gan = minigan.GAN.load(begin() / "checkpoint.npz")
    other = minigan.GAN.load(begin(out="other", options={"optimizer": "sgd"}) / "checkpoint.npz")
    with pytest.raises(ValueError, match=r"SGD.* cannot go on from what Adam.* remembers"):
        gan.follow(other)


def test_a_metric_that_is_no_number_ends_the_run(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would otherwise stand in the table, and nobody could go on."""
    turn = minigan.GAN.turn

    def spoiled(self: minigan.GAN, *args: Any) -> Any:
        metrics = turn(self, *args)
        return metrics | {"d_penalty": self.backend.xp.asarray(np.float32(np.inf))} if self.steps == 3 else metrics

    monkeypatch.setattr(minigan.GAN, "turn", spoiled)
    with pytest.raises(minigan.NonFiniteError, match=r"d_penalty is inf at step 3.* stands at step 2"):
        begin(steps=8, checkpoint_every=2)


def test_train_is_not_left_with_a_folder_that_its_output_has_broken(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes wrong before there is anything to go on with, the name of the folder is free again."""
    monkeypatch.setattr("minigan.training.Run", lambda *args: (_ for _ in ()).throw(AttributeError("no isatty")))
    with pytest.raises(AttributeError):
        train("gan", data, steps=2, batch=4, out=tmp_path / "run", options={"latent": 4})
    assert not (tmp_path / "run").exists()
