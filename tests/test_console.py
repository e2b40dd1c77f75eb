"""How minigan meets people: any stream, any terminal, any way to write a path, names that are nearly right."""

from __future__ import annotations

import ast
import codecs
import io
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigan
from minigan import archive, console, gradient_checks
from minigan.cli import COMMANDS, main
from minigan.console import columns, prose, quoted, say, table
from minigan.datasets import csv, download
from minigan.extras import how_to_install
from minigan.names import did_you_mean
from minigan.paths import expand
from minigan.recipes import get_recipe

ROOT = Path(minigan.__file__).parents[1]
ENVIRONMENT = os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
SMALL = {"steps": 2, "batch": 4, "backend": "numpy"}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with a home beside it."""
    (tmp_path / "home").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def pictures(path: str | Path, n: int = 8) -> Path:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, images=np.random.default_rng(0).integers(0, 256, (n, 8, 6), dtype=np.uint8))
    return Path(path)


# --- streams ---------------------------------------------------------------------------------------------------


class Bare:
    """What many programs put in the place of sys.stdout: `write` and `flush`."""

    def __init__(self, encoding: str | None = None) -> None:
        self.text, self._encoding = "", encoding

    def write(self, text: str) -> None:
        if self._encoding:
            text.encode(self._encoding)  # raises
        self.text += text

    def flush(self) -> None: ...


class NoFlush:
    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> None:
        self.text += text


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


class Odd(Bare):
    encoding = "no such encoding"

    def isatty(self) -> bool:
        raise OSError("who knows")


def written(stream: Any) -> str:
    if isinstance(stream, (io.TextIOWrapper, codecs.StreamWriter)):
        stream.flush()
        data: bytes = (stream.buffer if isinstance(stream, io.TextIOWrapper) else stream.stream).getvalue()
        return data.decode("cp1252")
    return str(stream.text)


STREAMS: dict[str, Callable[[], Any]] = {
    "write and flush": Bare,
    "write": NoFlush,
    "write and flush, cp1252": lambda: Bare("cp1252"),
    "an unknown encoding": lambda: Odd("ascii"),
    "cp1252": lambda: io.TextIOWrapper(io.BytesIO(), encoding="cp1252"),
    "ascii": lambda: io.TextIOWrapper(io.BytesIO(), encoding="ascii"),
    "a writer of codecs": lambda: codecs.getwriter("cp1252")(io.BytesIO()),
    "a terminal of cp1252": lambda: Terminal(io.BytesIO(), encoding="cp1252"),
}


@pytest.mark.parametrize("name", STREAMS)
def test_a_run_speaks_to_any_stream(here: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """From Python, where nobody has prepared the stream, with names that code page 1252 does not know."""
    stream = STREAMS[name]()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        patch.setattr(sys, "stderr", stream)
        folder = minigan.train("gan", pictures("фото/картинки.npz"), out="∇", **SMALL)
        said = written(stream)
    assert {"losses.png", "samples.png", "training.gif", "checkpoint.npz"} <= {file.name for file in folder.iterdir()}
    assert "8 images of 8x6" in said
    assert "2/2" in said


@pytest.mark.parametrize("name", STREAMS)
def test_a_command_speaks_to_any_stream(here: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    pictures("фото/картинки.npz")
    for line, code, words in (
        ("train gan --data фото/картинки.npz --steps 2 --batch 4 --out ∇", 0, "minigan sample"),
        ("recipes", 0, "InfoGAN"),
        ("recipes minimax-gan", 0, "log(1"),
        ("--help", 0, "usage:"),
        ("sample ∇ --n 4 --out ∇.png", 0, "4 images in"),
        ("trian", 2, "did you mean train?"),
        ("sample фото", 2, "there is no file"),
    ):
        stream = STREAMS[name]()
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", stream)
            patch.setattr(sys, "stderr", stream)
            found = main(line.split())
            said = written(stream)
        assert (found, words in said) == (code, True), (line, said)


def test_no_stream_at_all(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    for stream in (None, closed):
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", stream)
            patch.setattr(sys, "stderr", stream)
            folder = minigan.train("gan", pictures("a.npz"), **SMALL)
            assert main(["recipes"]) == 0
            assert main(["trian"]) == 2
        assert (folder / "losses.png").exists()


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names of files are text there")
def test_a_name_that_is_no_text(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    points = os.fsdecode(b"p\xff.csv")
    np.savetxt(points, np.random.default_rng(0).normal(0, 1, (20, 2)), delimiter=",")
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        folder = minigan.train("gan", pictures(os.fsdecode(b"b\xff.npz")), out=os.fsdecode(b"r\xff"), **SMALL)
        minigan.study("points", backend="numpy", data=points, steps=2, width=4)
    assert (folder / "losses.png").exists()
    assert "p?.csv" in Path("studies/points.md").read_text("utf-8")


def test_every_line_goes_through_the_console() -> None:
    """print and isatty take attributes for granted that a stream need not have."""
    for path in (ROOT / "minigan").rglob("*.py"):
        if path.name in ("console.py", "worker.py"):  # the worker answers its parent on a pipe of its own
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            assert called != "print", f"{path.name}: use console.say"
            assert not called.endswith(".isatty"), f"{path.name}: use console.is_terminal"
            assert called != "shlex.quote", f"{path.name}: use console.quoted"
            assert not called.endswith("expanduser") or path.name in ("paths.py", "download.py", "fonts.py"), (
                f"{path.name}: expand"
            )


@given(st.text(), st.sampled_from(["cp1252", "ascii", "utf-8", "cp437", "utf-16", "latin-1"]))
def test_any_text_can_be_said(text: str, encoding: str) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        say(text)
    stream.seek(0)
    back = stream.read()
    assert len(back) == len(text) + 1
    assert all(b in (a, "?") for a, b in zip(text, back, strict=False))


# --- terminals -------------------------------------------------------------------------------------------------

cells = st.text(st.characters(codec="latin-1", categories=["L", "N"]), min_size=1, max_size=12)


@given(st.lists(st.tuples(cells, cells, cells), min_size=1, max_size=4), st.integers(20, 90))
def test_a_table_is_never_wider_than_the_terminal(rows: list[tuple[str, str, str]], width: int) -> None:
    head = ["who", "value", "else"]
    text = table(head, rows, (0,), width)
    assert max(map(len, text.splitlines())) <= width
    for row in rows:
        assert all(cell in text for cell in row)
    whole = table(head, rows, (0,))
    assert (text == whole) == (max(map(len, whole.splitlines())) <= width)
    assert text == whole or len(text.split("\n\n")) == len(rows)
    fits = len(whole.splitlines()[0])
    assert table(head, rows, (0,), fits) == whole != table(head, rows, (0,), fits - 1)


def test_the_width_is_that_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    assert columns() is None  # pytest catches what is printed: no terminal
    monkeypatch.setenv("COLUMNS", "77")
    assert columns() == 77
    for nonsense in ("", "0", "-5", "wide"):
        monkeypatch.setenv("COLUMNS", nonsense)
        assert columns() is None
    monkeypatch.setattr(console, "is_terminal", lambda stream: True)
    monkeypatch.setattr("shutil.get_terminal_size", lambda *args, **named: os.terminal_size((91, 20)))
    assert columns() == 91


@pytest.mark.parametrize("line", ["recipes", "recipes r3gan", "gradcheck --dtype float64 --backend numpy"])
def test_what_is_listed_fits_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    monkeypatch.setenv("COLUMNS", "70")
    longest = sorted(gradient_checks.LAYERS, key=len)[-4:]
    monkeypatch.setattr(gradient_checks, "LAYERS", {name: gradient_checks.LAYERS[name] for name in longest})
    assert main(line.split()) == 0
    lines = capsys.readouterr().out.splitlines()
    too_wide = [line for line in lines if len(line) > 70 and not line.startswith((" ", "all gradients"))]
    assert too_wide == []


def test_prose_is_filled_and_formulas_are_not() -> None:
    text = "one two three four\n\n    a formula   that stays\n\nfive"
    assert prose(text, 9) == "one two\nthree\nfour\n\n    a formula   that stays\n\nfive"
    assert prose(text, None) == text


def test_commands_are_quoted_for_the_shell_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [quoted(path) for path in ("runs/a-1", "my runs/a", "it's", "-a")] == [
        "runs/a-1",
        "'my runs/a'",
        "'it'\"'\"'s'",
        f".{os.sep}-a",
    ]
    monkeypatch.setattr(sys, "platform", "win32")
    assert [quoted(path) for path in (r"C:\runs\a-1", r"C:\my runs\a", "a&b", "it's", "C:\\a b\\")] == [
        r"C:\runs\a-1",
        r'"C:\my runs\a"',
        '"a&b"',
        '"it\'s"',
        '"C:\\a b\\\\"',
    ]


# --- paths -----------------------------------------------------------------------------------------------------


def gan() -> minigan.GAN:
    made = get_recipe("gan").build((8, 6), latent=4)
    assert isinstance(made, minigan.GAN)
    return made


def command(line: str) -> None:
    assert main(line.split()) == 0, line


def _run() -> Path:
    return minigan.train("gan", "~/a.npz", out="~/run", quiet=True, **SMALL)


PATHS: dict[str, tuple[Callable[[], Any], str]] = {  # what is done, and what must be in the home folder then
    "train(data, out)": (_run, "run/checkpoint.npz"),
    "train --out=": (
        lambda: command("train gan --data=~/a.npz --steps 2 --batch 4 --out=~/new/run"),
        "new/run/losses.png",
    ),
    "resume": (lambda: minigan.resume(_run() and "~/run", 3, quiet=True), "run/checkpoint.npz"),
    "train --resume=": (lambda: command(f"train --resume={_run() and '~/run'} --steps 3"), "run/checkpoint.npz"),
    "sample": (lambda: command(f"sample {_run() and '~/run'} --n 4 --out=~/s.png"), "s.png"),
    "sample, an array": (lambda: command(f"sample {_run() and '~/run'}/checkpoint.npz --n 4 --out=~/s.npz"), "s.npz"),
    "sample, pictures": (lambda: command(f"sample {_run() and '~/run'} --n 2 --out=~/s/"), "s/000001.png"),
    "sample --z": (lambda: command(f"sample {_run() and '~/run'} --z=~/z.npy --out=~/s.webp"), "s.webp"),
    "save and load": (lambda: (gan().save("~/gan.npz"), minigan.GAN.load("~/gan.npz")), "gan.npz"),
    "archive": (lambda: (archive.save("~/b.npz", {}), archive.load("~/b.npz"), archive.peek("~/b.npz")), "b.npz"),
    "datasets": (lambda: minigan.datasets.load("~/a.npz"), "a.npz"),
    "points": (lambda: csv.read("~/p.csv"), "p.csv"),
    "study": (
        lambda: minigan.study("points", "~/st", backend="numpy", data="~/p.csv", steps=2, width=4),
        "st/points.md",
    ),
    "study --out=": (
        lambda: command("study ring --backend numpy --steps 2 --width 4 --out=~/st") or True,
        "st/ring.png",
    ),
    "show": (lambda: minigan.show(np.zeros((4, 8, 8)), out="~/shown.png"), "shown.png"),
    "the cache": (lambda: os.makedirs(download.cache_folder()), "c/a"),
}


@pytest.mark.parametrize("name", PATHS)
def test_the_home_folder_is_meant_wherever_a_path_is_taken(
    here: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("MINIGAN_CACHE", "~/c/a")
    home = here.parent / "home"
    pictures(home / "a.npz")
    np.savetxt(home / "p.csv", np.random.default_rng(0).normal(0, 1, (20, 2)), delimiter=",")
    np.save(home / "z.npy", np.zeros((3, 100)))
    do, made = PATHS[name]
    do()
    assert (home / made).exists()
    assert not list(here.iterdir())


@pytest.mark.parametrize("folder", ["~", "~/a", "~nobody-of-this-name/a", "~nobody-of-this-name"])
def test_no_folder_is_called_tilde(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: str
) -> None:
    """No HOME, and nobody of this number in the list of users, as in many containers; or no such user."""
    monkeypatch.delenv("HOME")
    monkeypatch.delenv("USERPROFILE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("MINIGAN_CACHE", raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    data = pictures("a.npz")
    for line in (
        f"train gan --data a.npz --steps 2 --batch 4 --out={folder}",
        f"train --resume={folder}",
        f"sample {folder}",
        f"evaluate {folder}",
        f"evaluate {data} --json={folder}",
        f"study ring --out={folder}",
        f"bench --out={folder}",
    ):
        assert main(line.split()) == 2, line
        said = capsys.readouterr().err
        assert f"begins with {folder.partition('/')[0]}, but no such home folder is known here" in said
    with pytest.raises(ValueError, match="no home folder is known here to keep files in; set MINIGAN_CACHE"):
        download.cache_folder()
    with pytest.raises(ValueError, match="no such home folder"):
        gan().save(f"{folder}.npz")
    assert [path.name for path in here.iterdir()] == ["a.npz"]
    Path(folder.partition("/")[0]).mkdir()
    if "/" not in folder:
        assert expand(folder) == folder  # it is there: somebody means it


# --- names -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("trian", "train"),
        ("Train", "train"),
        ("train gann", "gan"),
        ("train wgan_gp", "wgan-gp"),
        ("train DCGAN", "dcgan"),
        ("recipes infogna", "infogan"),
        ("study figure1", "figure-1"),
        ("study mode", "mode-collapse"),
        ("train --data mnits", "mnist"),
        ("train --backend nummpy", "numpy"),
        ("train --dtype float23", "float32"),
        ("train --d_steps 2", "--d-steps"),
        ("train --step 2", "--steps"),
        ("train --learning-rate 1e-3", "--lr"),
        ("recipes wgangp", "wgan-gp"),
        ("train --nets convolution", "conv"),
        ("train --objective hing", "hinge"),
        ("train --d-norm spectrall", "spectral"),
        ("train --label predict", "predicted"),
        ("sample x --grid interpolate", "interpolation"),
        ("sample x --frmat png", "--format"),
        ("bench --backend cupy-eagr", "cupy-eager"),
        ("gradcheck --backend nunba", "numba"),
        ("gradcheck --dtype float46", "float64"),
        ("evaluate x --backend cupyy", "cupy"),
        ("completion bahs", "bash"),
    ],
)
def test_what_was_meant(capsys: pytest.CaptureFixture[str], line: str, meant: str) -> None:
    assert main(line.split()) == 2
    said = capsys.readouterr().err
    assert f"did you mean {meant}?" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("call", "meant"),
    [
        (lambda: minigan.train("gna"), "gan"),
        (lambda: minigan.train(step=3), "steps"),
        (lambda: minigan.train(beta_1=0.5), "beta1"),
        (lambda: minigan.train(learning_rate=1e-3), "lr"),
        (lambda: minigan.train(options={"latnet": 3}), "latent"),
        (lambda: minigan.train(objective="wassertein"), "wasserstein"),
        (lambda: minigan.train(dtype="float31"), "float32"),
        (lambda: minigan.study("figure1"), "figure-1"),
        (lambda: minigan.get_backend("nunba"), "numba"),
        (lambda: minigan.datasets.load("digit"), "digits"),
        (lambda: minigan.datasets.load("digits", "tests"), "test"),
        (lambda: minigan.objectives.get_objective("hinges"), "hinge"),
        (lambda: minigan.Dense(2, 3, init="glorto"), "glorot"),
        (lambda: minigan.Upsample(2, "bilinaer"), "bilinear"),
        (lambda: get_recipe("gan").build((4, 4), nets="convs"), "conv"),
        (lambda: get_recipe("gan").build((4, 4), optimizer="adamm"), "adam"),
        (lambda: get_recipe("gan").build((4, 4), label="givn"), "given"),
        (lambda: get_recipe("gan").build((4, 4), d_norm="spectrum"), "spectral"),
        (lambda: get_recipe("gan").build((4, 4), prior="norm"), "normal"),
    ],
)
def test_what_was_meant_in_python(call: Callable[[], Any], meant: str) -> None:
    with pytest.raises((ValueError, TypeError), match=re.escape(f"did you mean {meant}?")):
        call()


@given(st.text(max_size=8), st.lists(st.text(min_size=1, max_size=8), max_size=5))
def test_only_names_that_exist_are_proposed(word: str, known: list[str]) -> None:
    hint = did_you_mean(word, known)
    assert hint == "" or hint.removeprefix("; did you mean ").removesuffix("?") in known


# --- libraries -------------------------------------------------------------------------------------------------


def test_nobody_is_told_to_install_minigan_by_its_name() -> None:
    """It is not registered: the command would fail today, and bring a stranger's code tomorrow."""
    assert how_to_install("cuda12", "cuda13").endswith('pip install ".[cuda12]" or pip install ".[cuda13]"')
    pages = [*ROOT.glob("*.md"), *(ROOT / "minigan").rglob("*.md"), *(ROOT / "benchmarks").glob("*.md")]
    for path in [*(ROOT / "minigan").rglob("*.py"), *(ROOT / "benchmarks").glob("*.py"), *pages]:
        text = path.read_text("utf-8")
        assert not re.search(r"pip install[^\n]*minigan\b", text), path
        if path.suffix == ".py" and path.parts[-2] != "benchmarks" and path.name != "extras.py":
            assert "pip install" not in text, f"{path.name}: use extras.how_to_install"
    extras = set(re.findall(r"^(\w+) = \[", (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE))
    for path in (ROOT / "minigan").rglob("*.py"):
        for named in re.findall(r"how_to_install\(([^)]*)\)", path.read_text("utf-8")):
            assert set(re.findall(r"""["'](\w+)["']""", named)) <= extras


@pytest.mark.parametrize("asked", ["module://no_such_package.backend_inline", "tkagg", "no such backend"])
def test_pictures_need_no_backend_and_no_style(here: Path, asked: str) -> None:
    """As in a program that a notebook starts, whose own backend is not installed there; beside a style with LaTeX."""
    Path("matplotlibrc").write_text("text.usetex: True\nbackend: nonsense\nfont.family: no such font\n")
    pictures("a.npz")
    code = (
        "import os, sys; from minigan.cli import main; asked = os.environ['MPLBACKEND']\n"
        "assert main('train gan --data a.npz --steps 2 --batch 4 --backend numpy --out run'.split()) == 0\n"
        "assert main('study ring --steps 2 --width 4 --backend numpy'.split()) == 0\n"
        "assert os.environ['MPLBACKEND'] == asked and 'matplotlib.pyplot' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=ENVIRONMENT | {"MPLBACKEND": asked}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert all((here / name).stat().st_size > 1000 for name in ("run/losses.png", "studies/ring.png"))


def test_a_library_that_cannot_be_loaded_is_named_before_the_work(here: Path) -> None:
    Path("matplotlib").mkdir()
    Path("matplotlib/__init__.py").write_text("raise ImportError('compiled for another NumPy')\n")
    code = "import sys; from minigan.cli import main; sys.exit(main(sys.argv[1:]))"
    for line in ("train --steps 2", "study ring --steps 2"):
        done = subprocess.run(
            [sys.executable, "-c", code, *line.split()],
            env=ENVIRONMENT | {"PYTHONPATH": f"{here}{os.pathsep}{ROOT}"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 1
        assert "Matplotlib, which cannot be loaded: compiled for another NumPy" in done.stderr
        assert [path.name for path in here.iterdir()] == ["matplotlib"]


# --- without docstrings, and before the beginning --------------------------------------------------------------


def test_nothing_is_lost_without_docstrings() -> None:
    """python -OO drops them; titles, options and their help are read from the source then."""
    code = (
        "import contextlib, io; from minigan.cli import main\n"
        "for line in ('recipes', 'recipes gan', 'recipes r3gan', 'study --help', 'train --help', 'gradcheck --help'):\n"
        "    main(line.split())\n"
    )
    plain, stripped = (
        subprocess.run(
            [sys.executable, *flags, "-c", code], env=ENVIRONMENT, capture_output=True, text=True, check=True
        )
        for flags in ([], ["-OO"])
    )
    assert len(plain.stdout) > 10_000
    assert stripped.stdout == plain.stdout
    assert stripped.stderr == ""


INTERRUPTING = """
import os, signal, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == os.environ["INTERRUPT_AT"]:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("started", ["-m minigan", "-Bm minigan", "script"])
@pytest.mark.parametrize("at", ["numpy", "numpy.linalg", "minigan.gan", "minigan.cli", "minigan.runs.loop"])
def test_an_interrupt_while_modules_load_is_one_sentence(tmp_path: Path, started: str, at: str) -> None:
    (tmp_path / "sitecustomize.py").write_text(INTERRUPTING)
    script = tmp_path / "minigan"  # as an installer writes it
    script.write_text("import sys\nfrom minigan.cli import main\nif __name__ == '__main__':\n    sys.exit(main())\n")
    words = [str(script)] if started == "script" else started.split()
    environment = ENVIRONMENT | {"INTERRUPT_AT": at, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    done = subprocess.run([sys.executable, *words, "train", "--steps", "1"], env=environment, capture_output=True,
                          text=True, cwd=tmp_path)  # fmt: skip
    assert (done.returncode, done.stdout.strip(), done.stderr) == (130, "interrupted", "")
    assert {path.name for path in tmp_path.iterdir()} <= {"sitecustomize.py", "minigan", "__pycache__"}


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("code", ["import minigan", "import sys; sys.argv[0] = 'other'; import minigan.cli"])
def test_python_code_that_imports_minigan_is_interrupted_as_ever(tmp_path: Path, code: str) -> None:
    (tmp_path / "sitecustomize.py").write_text(INTERRUPTING)
    environment = ENVIRONMENT | {"INTERRUPT_AT": "minigan.gan", "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    catching = f"try:\n    {code}\nexcept KeyboardInterrupt:\n    print('caught')"
    done = subprocess.run([sys.executable, "-c", catching, "-m", "minigan"], env=environment, capture_output=True,
                          text=True, check=True)  # fmt: skip
    assert done.stdout == "caught\n"


def test_the_commands_are_all_there() -> None:
    assert sorted(COMMANDS) == sorted(p.stem for p in (ROOT / "minigan/commands").glob("*.py") if p.stem != "__init__")
