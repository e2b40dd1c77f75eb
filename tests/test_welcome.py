"""What people type first: minigan.train(...), minigan.show(...), TAB."""

from __future__ import annotations

import inspect
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

import minigan
from minigan.cli import COMMANDS, main
from minigan.recipes import RECIPES, get_recipe
from minigan.recipes.options import recipe_options

ROOT = Path(minigan.__file__).parents[1]
SMALL = {"steps": 2, "batch": 4, "backend": "numpy", "quiet": True}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    np.savez("a.npz", images=np.random.default_rng(0).integers(0, 256, (20, 8, 6), dtype=np.uint8))
    return tmp_path


# --- functions -------------------------------------------------------------------------------------------------


def test_functions_stay_functions_whatever_is_imported() -> None:
    code = (
        "import minigan, minigan.cli, minigan.training, minigan.studies, minigan.evaluation, minigan.runs.show\n"
        "import minigan.commands.train, minigan.commands.study\n"
        "from minigan import train, resume, study, evaluate, show\n"
        "for name in ('train', 'resume', 'study', 'evaluate', 'show'): print(type(getattr(minigan, name)).__name__)\n"
        "print(*sorted(set(minigan.__all__) - set(dir(minigan))))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == ["function"] * 5


def test_the_games_options_are_arguments_of_train(here: Path) -> None:
    one = minigan.train("gan", "a.npz", out="one", latent=3, lr=1e-4, **SMALL)
    two = minigan.train("gan", "a.npz", out="two", options={"latent": 3, "lr": 1e-4}, **SMALL)
    assert (one / "config.json").read_bytes() == (two / "config.json").read_bytes()
    assert (one / "checkpoint.npz").read_bytes() == (two / "checkpoint.npz").read_bytes()
    with pytest.raises(ValueError, match="latent: the run has 3, you asked for 4"):
        minigan.resume(one, 3, latent=4)
    assert minigan.resume(one, 3, latent=3, quiet=True) == one
    with pytest.raises(TypeError, match=r"resume takes no stepps, nor has the recipe gan .*did you mean steps\?"):
        minigan.resume(one, stepps=4)
    assert sorted(os.listdir()) == ["a.npz", "one", "two"]


def test_no_option_of_a_game_hides_behind_an_argument_of_train() -> None:
    own = set(inspect.signature(minigan.train).parameters) | set(inspect.signature(minigan.resume).parameters)
    for recipe in RECIPES:
        assert not own & recipe_options(recipe).keys()


def test_a_study_says_its_findings(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = minigan.study("ring", "out", backend="numpy", steps=10, width=4)
    assert "non-saturating" in capsys.readouterr().out  # along the way
    assert repr(found).startswith("| quantity ")
    assert found._repr_markdown_() in Path("out/ring.md").read_text("utf-8")
    minigan.show("out/ring.png", out="shown.png")
    with Image.open("shown.png") as shown, Image.open("out/ring.png") as drawn:
        np.testing.assert_array_equal(np.asarray(shown), np.asarray(drawn))


# --- show ------------------------------------------------------------------------------------------------------

RNG = np.random.default_rng(0)
GREY, COLOUR = RNG.integers(0, 256, (5, 8, 6), dtype=np.uint8), RNG.integers(0, 256, (5, 8, 6, 3), dtype=np.uint8)
SQUARE = RNG.uniform(-1, 1, (5, 49)).astype(np.float32)
SHOWN: dict[str, tuple[Any, tuple[int, int], str]] = {  # what is given, the cells that are filled, Pillow's mode
    "grey": (GREY, (8, 6), "L"),
    "one channel": (GREY[..., None], (8, 6), "L"),
    "colour": (COLOUR, (8, 6), "RGB"),
    "floats": (minigan.datasets.to_float(COLOUR), (8, 6), "RGB"),
    "flat samples": (SQUARE, (7, 7), "L"),
    "a Dataset": (minigan.datasets.Dataset(GREY, None, "x"), (8, 6), "L"),
    "one grey image": (GREY[0], (8, 6), "L"),
    "one colour image": (COLOUR[0], (8, 6), "RGB"),
    "one flat sample": (SQUARE[0], (7, 7), "L"),
    "whole numbers": (GREY.astype(np.int64), (8, 6), "L"),
    "black and white": (GREY > 99, (8, 6), "L"),
    "lists": (GREY.tolist(), (8, 6), "L"),
    "half floats": (SQUARE.astype(np.float16), (7, 7), "L"),
    "a square of bytes": (np.zeros((49, 49), np.uint8), (49, 49), "L"),
    "as many flat samples as pixels": (np.zeros((49, 49)), (7, 7), "L"),
}


@pytest.mark.parametrize("name", SHOWN)
def test_what_can_be_shown(tmp_path: Path, name: str) -> None:
    images, (height, width), mode = SHOWN[name]
    minigan.show(images, rows=1, out=tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.mode == mode
        assert picture.height == height + 4
        assert (picture.width - 2) % (width + 2) == 0
        assert "one" not in name or picture.width == width + 4 or name == "one channel"
        found = np.asarray(picture)[2 : 2 + height, 2 : 2 + width]
    if name in ("grey", "one channel", "a Dataset", "one grey image", "whole numbers", "lists"):
        np.testing.assert_array_equal(found, GREY[0])
    if name in ("colour", "floats", "one colour image"):
        np.testing.assert_array_equal(found, COLOUR[0])


@pytest.mark.parametrize(
    ("images", "error", "words"),
    [
        ("no/such/run", FileNotFoundError, "there is no picture no/such/run"),
        (__file__, ValueError, "is no picture"),
        (None, TypeError, "expected images"),
        (["a"], TypeError, "expected images"),
        (np.zeros((0, 4, 4)), TypeError, "expected images"),
        (np.full((2, 4, 4), 300), ValueError, "whole numbers of images are 0 to 255, got 300"),
        (np.full((2, 4, 4), 200.0), ValueError, r"-1 to 1, got 200 to 200; use astype\('uint8'\)"),
        (np.full((2, 4, 4), np.nan), ValueError, "NaN"),
        (np.zeros((2, 3, 8, 8)), ValueError, r"channels last.*transpose\(0, 2, 3, 1\)"),
        (np.zeros((2, 8, 8, 7), np.uint8), ValueError, "1 to 4 channels"),
        (get_recipe("gan").build((2,), nets="points", latent=2), ValueError, "no images"),
    ],
)
def test_what_cannot_be_shown(tmp_path: Path, images: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        minigan.show(images, out=tmp_path / "a.png")
    assert not list(tmp_path.iterdir())


def test_at_most_a_hundred_are_shown_and_runs_and_gans_too(here: Path) -> None:
    def size() -> tuple[int, int]:
        with Image.open("s.png") as picture:
            return picture.size

    minigan.show(np.zeros((400, 4, 4)), out="s.png")
    assert size() == (62, 62)
    minigan.show(np.zeros((400, 4, 4)), n=None, out="s.png")
    assert size() == (122, 122)
    folder = minigan.train("gan", "a.npz", **SMALL)
    minigan.show(folder, out="s.png")
    with Image.open(folder / "samples.png") as samples:
        assert size() == samples.size
    minigan.show(get_recipe("gan").build((8, 8), latent=3), out="s.png")
    assert size() == (52, 52)
    Image.fromarray(COLOUR[0]).quantize(200).save("p.png")  # colours from a palette
    minigan.show("p.png", out="s.png")
    with Image.open("s.png") as shown:
        assert np.abs(np.asarray(shown.convert("RGB"), np.int16) - COLOUR[0]).max() < 16


def test_without_a_notebook_there_is_a_window_or_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Any] = []
    monkeypatch.setattr("PIL.ImageShow.show", lambda image: opened.append(image) or True)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("DISPLAY", ":0")
    minigan.show(GREY)
    assert [image.size for image in opened] == [((3 * 8 + 2) * 14, (2 * 10 + 2) * 14)]  # enlarged by a whole factor
    monkeypatch.delenv("DISPLAY")
    with pytest.warns(UserWarning, match="there is no screen.*out='images.png'") as warned:
        minigan.show(GREY)
    assert warned[0].filename == __file__
    assert len(opened) == 1


# --- completion ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    def script(shell: str) -> Path:
        file = tmp_path_factory.mktemp("completion") / shell
        with file.open("w", encoding="utf-8") as out, pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stdout", out)
            assert main(["completion", shell]) == 0
        return file

    return script


COMPLETED = {
    "tr": ["train", "translate", "transfer"],
    "train d": ["dcgan"],
    "train --pack": ["--packing"],
    "sweep d": ["dcgan"],
    "sweep --proc": ["--processes"],
    "sweep --nets ": ["dense", "conv", "points", "small"],
    "train --nets ": ["dense", "conv", "points", "small"],
    "train dcgan --objective h": ["hinge"],
    "train --data f": ["fashion-mnist", "file.npz"],
    "train --backend num": ["numpy", "numba"],
    "sample --grid i": ["interpolation"],
    "sample --label ": [],
    "study figure-1": ["figure-1", "figure-1-plane"],
    "recipes info": ["infogan"],
    "evaluate --json f": ["file.npz"],
    "completion ": ["bash", "zsh", "fish"],
}


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_without_starting_anything(here: Path, scripts: Callable[[str], Path]) -> None:
    (here / "a.npz").unlink()
    (here / "file.npz").touch()
    lines = ["PATH=/nowhere", f"source {scripts('bash')}"]
    for words in COMPLETED:
        typed = " ".join(f"'{word}'" for word in ["minigan", *words.split(" ")])
        lines += [f"COMP_WORDS=({typed}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); COMPREPLY=()",
                  '_shtab_minigan; echo "${COMPREPLY[@]}"']  # fmt: skip
    done = subprocess.run(
        [shutil.which("bash") or "bash", "--norc", "-c", "\n".join(lines)], capture_output=True, text=True
    )
    assert done.stderr == ""  # no command was looked for in vain
    assert dict(zip(COMPLETED, map(str.split, done.stdout.splitlines()), strict=True)) == COMPLETED


@pytest.mark.skipif(shutil.which("fish") is None, reason="needs fish")
def test_fish_completes(here: Path, scripts: Callable[[str], Path]) -> None:
    (here / "a.npz").unlink()
    (here / "file.npz").touch()
    for words, expected in COMPLETED.items():
        if words != "sample --label ":  # fish falls back to files
            code = f"source {scripts('fish')}; complete -C'minigan {words}'"
            done = subprocess.run(["fish", "-N", "-c", code], capture_output=True, text=True, check=True)
            assert sorted(line.split("\t")[0] for line in done.stdout.splitlines()) == sorted(expected), words


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_command_and_flag_is_in_the_script(scripts: Callable[[str], Path], shell: str) -> None:
    text = scripts(shell).read_text("utf-8")
    for name in COMMANDS:
        assert name in text
    for option in recipe_options("gan").values():
        flag = option.flag.removeprefix("--")
        assert flag in text
    if shutil.which(shell):
        subprocess.run([shell, "-n", str(scripts(shell))], check=True)


def test_completion_without_its_library(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 1
    assert "completion needs shtab, which is not installed; in a clone" in capsys.readouterr().err


# --- the tests themselves --------------------------------------------------------------------------------------


def test_all_tests_take_all_cores_and_workers_begin_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    import conftest

    kinds = SimpleNamespace(ARGS="args", TESTPATHS="testpaths")

    def asked(source: str = "testpaths", xdist: bool = True, **options: Any) -> Any:
        usual = {"keyword": "", "markexpr": "", "collectonly": False, "usepdb": False}
        usual |= {"numprocesses": None, "dist": "no"} if xdist else {}
        config = SimpleNamespace(args_source=source, ArgsSource=kinds, option=SimpleNamespace(**usual | options))
        conftest.pytest_cmdline_main(config)
        return getattr(config.option, "numprocesses", "no such option")

    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1, 2}, raising=False)
    assert asked() == 3
    assert asked("args") is None
    assert asked(keyword="gan") is None
    assert asked(markexpr="gpu") is None
    assert asked(usepdb=True) is None
    assert asked(numprocesses=0) == 0
    assert asked(xdist=False) == "no such option"
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw0")
    assert asked() is None  # or each would begin three, and each of these three more
