"""The command line: what it says, the codes it ends with, and that no flag is without effect."""

from __future__ import annotations

import inspect
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from PIL import Image

import minigan
from minigan import archive
from minigan.backend import get_backend
from minigan.cli import COMMANDS, main
from minigan.recipes import RECIPES, get_recipe
from minigan.recipes.options import Option, complete_options, read_options, recipe_options
from minigan.runs import pictures
from minigan.runs.walks import WALKS, interpolation, traversal
from minigan.training import resume, train

ENVIRONMENT = os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(Path(minigan.__file__).parents[1])}


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    np.savez(folder / "tiny.npz", images=np.random.default_rng(0).integers(0, 256, (20, 8, 6), dtype=np.uint8))
    options = {"latent": 4, "lr": 2e-4}
    return train("gan", folder / "tiny.npz", steps=2, batch=4, out=folder / "run", options=options, quiet=True)


Say = Callable[..., tuple[int, str, str]]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Say:
    """Run a command line in an empty folder: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def run(line: str, *words: str) -> tuple[int, str, str]:
        code = main([*shlex.split(line), *words])
        return (code, *capsys.readouterr())

    return run


def assert_one_sentence(error: str) -> None:
    assert error.startswith("minigan: ")
    assert error.endswith("\n")
    assert error.count("\n") == 1
    assert "Traceback" not in error


# --- help and information --------------------------------------------------------------------------------------


def test_version_and_help(say: Say) -> None:
    assert say("--version") == (0, f"minigan {minigan.__version__}\n", "")
    code, text, _ = say("--help")
    assert code == 0
    assert all(command in text for command in COMMANDS)
    code, text, _ = say("")
    assert code == 2  # nothing was asked
    assert "minigan train" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(say: Say, command: str) -> None:
    code, text, error = say(f"{command} --help")
    assert (code, error) == (0, "")
    assert f"usage: minigan {command}" in text


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipes_own_options_are_on_its_page_and_the_first_of_them_in_the_help(say: Say, recipe: str) -> None:
    text, page = (" ".join(say(line)[1].split()) for line in (f"train {recipe} --help", f"recipes {recipe}"))
    options, module = recipe_options(recipe), get_recipe(recipe)
    assert f"the game of the recipe {recipe}, 3 of its {len(options)} options: All of them: minigan recipes" in text
    for option in options.values():
        assert len(option.help) > 10, f"{recipe}: {option.name} is not explained in the docstring of build"
        flag = option.flag if option.kind is not bool else f"{option.flag}, --no-{option.flag[2:]}"
        assert f"{flag} (default: {option.shown(option.default)}) {option.help}" in page
        assert (f"{option.flag} " in text) == (option.name in ("objective", "nets", "lr"))
    assert f"(default: {module.STEPS})" in text
    assert f"(default: {module.BATCH})" in text


@pytest.mark.parametrize("command", ["", *COMMANDS])
@pytest.mark.parametrize("width", ["80", "200"])
def test_help_fits_80_columns(say: Say, monkeypatch: pytest.MonkeyPatch, command: str, width: str) -> None:
    monkeypatch.setenv("COLUMNS", width)
    lines = say(f"{command} --help")[1].splitlines()
    assert [line for line in lines if len(line) >= 80] == []
    assert len(lines) < 80


def test_help_begins_with_what_a_newcomer_needs(say: Say) -> None:
    text = say("train --help")[1]
    flags = [line.split()[0] for line in text.splitlines() if line.startswith("  --")]
    assert flags[:6] == ["--data", "--size", "--steps", "--batch", "--seed", "--out"]
    assert text.index("RECIPE   ") < text.index("--data DATA  ")


def test_recipes_lists_and_explains_them(say: Say) -> None:
    code, text, _ = say("recipes")
    assert code == 0
    for name, module in RECIPES.items():
        assert name in text
        assert (module.__doc__ or "").splitlines()[0] in text
    code, text, _ = say("recipes classic")
    assert code == 0
    assert "--reuse-fakes, --no-reuse-fakes" in text
    assert f"{get_recipe('classic').STEPS:,} steps" in text


def test_info_says_what_a_report_needs(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    code, text, _ = say("info")
    assert code == 0
    facts = {line[:14].strip(): line[14:] for line in text.splitlines()}
    assert facts["minigan"] == minigan.__version__
    assert facts["numpy"] == np.__version__
    assert facts["python"].startswith(".".join(map(str, sys.version_info[:3])))
    assert set(facts) >= {"cupy", "BLAS", "BLAS threads", "cores", "GPU"}
    monkeypatch.setattr("minigan.backend.threads.blas_threads._get", None)  # another BLAS than OpenBLAS
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)  # not installed
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    assert "3 (OPENBLAS_NUM_THREADS)" in say("info")[1]


def test_the_module_is_the_command_and_starts_without_heavy_libraries() -> None:
    code = (
        "import sys, minigan.cli; heavy = {'matplotlib', 'PIL', 'tqdm', 'cupy', 'scipy'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, check=True)
    done = subprocess.run(
        [sys.executable, "-m", "minigan", "--version"], env=ENVIRONMENT, check=True, capture_output=True, text=True
    )
    assert done.stdout == f"minigan {minigan.__version__}\n"


# --- mistakes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("trian", "there is no command trian; did you mean train?"),
        ("train gann", "unknown recipe 'gann'"),
        ("train --lrr 1e-4 classic", "takes no --lrr; did you mean --lr?"),
        ("train --reuse", "takes no --reuse; did you mean --reuse-fakes?"),
        ("train --reuse-fakes --no-such-thing=3", "takes no --no-such-thing=3"),
        ("train gan classic", "takes no classic"),
        ("train --lr", "argument --lr: expected one argument"),
        ("train --lr fast", "argument --lr: expected a number, got 'fast'"),
        ("train --lr nan", "positive learning rate, got nan"),
        ("train --d-steps 1.5", "argument --d-steps: expected a whole number, got '1.5'"),
        ("train --loop both", "argument --loop: expected one of paper, tutorial, got 'both'"),
        ("train --objective maximin", "--objective: expected one of non-saturating, minimax"),
        ("train --steps 1e3", "argument --steps: expected a whole number, got '1e3'"),
        ("train --steps 0", "steps takes a whole number from 1"),
        ("train --batch 1", "use a batch of 2 or more"),
        ("train classic --batch 31", "even batch, got 31"),
        ("train --seed -1", "seed takes a whole number from 0"),
        ("train --dtype float16", "argument --dtype: invalid choice"),
        ("train --data no/such/folder", "was not found as a PATH"),
        ("train --data .", "holds no .png"),
        ("train --resume nowhere", "there is no run folder nowhere"),
        ("train --resume .", "has no config.json"),
        ("train --resume RUN --out other", "leave out --out other"),
        ("train --resume RUN --batch 32", "batch: the run has 4, you asked for 32"),
        ("train --resume RUN --lr 1e-3 --steps 9", "lr: the run has 0.0002, you asked for 0.001"),
        ("train --resume RUN classic", "recipe: the run has gan, you asked for classic"),
        ("train --resume RUN --steps 1", "the run has reached 2, you asked for 1"),
        ("train --out RUN", "is not empty"),
        ("sample", "the following arguments are required: DIR"),
        ("sample nowhere", "there is no nowhere"),
        ("sample .", "there is no file checkpoint.npz"),
        ("sample RUN/config.json", "cannot be read"),
        ("sample RUN --n 0", "number of samples must be an integer of 1 or more, got 0"),
        ("sample RUN --n many", "expected a whole number, got 'many'"),
        ("sample RUN --seed -3", "seed takes"),
        ("sample RUN --out picture.gif", "FILE.png for a grid (or png, jpg, jpeg, webp), FILE.npz"),
        ("sample RUN --out RUN/", "is not an empty folder"),
        ("sample RUN --format webp", "that of single pictures in a folder"),
        ("sample RUN --z no.npy", "there is no file no.npy"),
        ("sample RUN --z no.npy --n 3", "leave out --n and --grid"),
        ("completion tcsh", "invalid choice: 'tcsh'"),
        ("sample RUN --out no/such/folder.png", "there is no folder no/such"),
        ("recipes gann", "unknown recipe 'gann'"),
    ],
)
def test_a_mistake_is_explained_in_one_sentence(
    say: Say, run_folder: Path, tmp_path: Path, line: str, sentence: str
) -> None:
    code, out, error = say(line.replace("RUN", str(run_folder)))
    assert (code, out) == (2, "")
    assert_one_sentence(error)
    assert sentence in error
    assert not list(tmp_path.iterdir())  # nothing was made


def test_what_this_machine_lacks_is_a_failure(say: Say, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def absent(name: str, **_: Any) -> Any:
        raise ImportError(f"the {name} backend is not there")

    with monkeypatch.context() as patch:
        patch.setattr("minigan.training.get_backend", absent)
        code, _, error = say("train --backend cupy")
    assert code == 1
    assert_one_sentence(error)
    assert "is not there" in error
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    code, _, error = say("train")
    assert code == 1
    assert_one_sentence(error)
    assert "pictures need Matplotlib" in error
    assert 'in a clone of minigan, run: pip install ".[cli]"' in error
    assert not list(tmp_path.iterdir())


def test_too_little_memory_is_a_failure(say: Say, run_folder: Path) -> None:
    code, _, error = say(f"sample {run_folder} --n 100000000000000")
    assert code == 1
    assert_one_sentence(error)
    assert "not enough memory" in error


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_output_that_cannot_be_written_is_a_failure() -> None:
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "minigan", "recipes"]
        done = subprocess.run(command, env=ENVIRONMENT, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert_one_sentence(done.stderr)
    assert "No space left" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX pipes")
def test_a_reader_that_goes_away_is_no_traceback() -> None:
    line = f"{shlex.quote(sys.executable)} -m minigan train --help | true"
    done = subprocess.run(["sh", "-c", line], env=ENVIRONMENT, capture_output=True, text=True)
    assert done.stderr == ""


# --- flags -----------------------------------------------------------------------------------------------------


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the command line would call `train` and `resume` with."""
    call: dict[str, Any] = {}

    def record(*args: Any, **kwargs: Any) -> Path:
        call.clear()
        call.update(kwargs, args=args)
        return Path("runs/somewhere")

    monkeypatch.setattr("minigan.commands.train.train", record)
    monkeypatch.setattr("minigan.commands.train.resume", record)
    return call


def test_every_argument_of_train_is_a_flag_of_the_same_name_and_default(say: Say, asked: dict[str, Any]) -> None:
    assert say("train")[0] == 0
    assert asked == {"args": (), "options": {}}  # what is not given is left to Python's default
    help_text = " ".join(say("train --help")[1].split())
    for name, parameter in inspect.signature(train).parameters.items():
        if name not in ("recipe", "options", "quiet", "game", "group"):
            assert re.search(rf"--{name.replace('_', '-')}[ ,]", help_text), name
            if parameter.default is not None and name != "sync_batchnorm":
                assert f"(default: {parameter.default})" in help_text, name
    line = (
        "train classic --data mnist --steps 5 --batch 6 --backend numpy --seed 7 --size 32 --out there "
        "--sample-every 8 --checkpoint-every 9 --d-pretrain 10 --dtype float64 --no-sync-batchnorm --quiet"
    )
    code, out, _ = say(line)
    assert (code, out) == (0, "")
    assert asked == {
        "args": (), "recipe": "classic", "data": "mnist", "steps": 5, "batch": 6, "backend": "numpy", "seed": 7,
        "size": "32", "out": "there", "sample_every": 8, "checkpoint_every": 9, "d_pretrain": 10, "dtype": "float64",
        "sync_batchnorm": False, "quiet": True, "options": {},
    }  # fmt: skip
    assert asked.keys() - {"args"} == set(inspect.signature(train).parameters) - {"game", "group"}
    assert set(inspect.signature(resume).parameters) == set(inspect.signature(train).parameters) - {"out"} | {
        "directory"
    }


def test_flags_of_a_recipe_may_stand_before_and_after_it(say: Say, asked: dict[str, Any]) -> None:
    for line in ("--lr 1e-4 classic --reuse-fakes", "classic --reuse-fakes --lr=1e-4"):
        assert say(f"train --seed 3 {line} --d-steps 2")[0] == 0
        assert asked["recipe"] == "classic"
        assert asked["options"] == {"lr": 1e-4, "reuse_fakes": True, "d_steps": 2}


def test_a_resumed_run_knows_the_flags_of_its_recipe(say: Say, asked: dict[str, Any], run_folder: Path) -> None:
    assert say(f"train --resume {run_folder} --latent 4 --steps 9")[0] == 0
    assert asked == {"args": (str(run_folder),), "options": {"latent": 4}, "steps": 9}


def other_values(option: Option) -> list[str]:
    """Words for the command line that ask for something else than the default."""
    if option.kind is bool:
        return [f"--no-{option.flag[2:]}" if option.default else option.flag]
    if option.choices:
        return [f"{option.flag}={choice}" for choice in option.choices if choice != option.default]
    if option.kind is int:
        return [f"{option.flag}={(option.default or 0) + 2}"]
    return [f"{option.flag}={option.default * 0.75 if option.default else 0.5}"]


NEEDS: dict[str, dict[str, Any]] = {  # what must be there for an option to be seen
    "noise_steps": {"instance_noise": 0.5},
    "width": {"nets": "conv"},
    "d_width": {"nets": "conv"},
    "classes": {"label": "given"},
    "label_weight": {"label": "predicted"},
    "category_weight": {"categories": 3},
    "continuous_weight": {"continuous": 1},
}


@pytest.mark.parametrize("name", recipe_options("gan"))
def test_a_flag_reaches_the_game(say: Say, asked: dict[str, Any], name: str) -> None:
    """tests/test_recipes.py plays with each option."""
    recipe, needed = "gan", NEEDS.get(name, {})

    def described(options: dict[str, Any]) -> dict[str, Any]:
        gan = get_recipe(recipe).build((8, 8), **options, backend=get_backend("numpy"), dtype="float32", seed=0)
        return gan.describe()  # type: ignore[no-any-return]

    usual = described(complete_options(recipe, needed))
    for words in other_values(recipe_options(recipe)[name]):
        if words == "--d-optimizer=adam":  # which it is anyway
            continue
        code, _, error = say(f"train {recipe} {words}")
        assert code == 0, error
        assert asked["options"].keys() == {name}
        try:
            other = described(complete_options(recipe, needed | asked["options"]))
        except ValueError as contradiction:  # to the default of another option
            other = {"refused": str(contradiction)}
            if name not in str(contradiction):
                raise
        assert other != usual, words


def test_options_are_read_from_a_signature() -> None:
    def build(
        shape: tuple[int, ...],
        *,
        width: int = 64,
        clip: float | None = None,
        norm: Literal["batch", "none yet"] = "batch",
        bias: bool = True,
        title: str = "a 100% GAN",
        decay_steps: int | Literal["all"] = "all",
        rate: float | Literal["fast", "slow"] | None = None,
        backend: Any = None,
        dtype: str = "float32",
        seed: int = 0,
    ) -> None:
        """Something.

        width: how wide,
            in numbers
        clip: where to clip

        Raises ValueError: never.
        """

    options = read_options(build)
    assert options == {
        "width": Option("width", int, 64, (), False, "how wide, in numbers"),
        "clip": Option("clip", float, None, (), True, "where to clip"),
        "norm": Option("norm", str, "batch", ("batch", "none yet"), False, ""),
        "bias": Option("bias", bool, True, (), False, ""),
        "title": Option("title", str, "a 100% GAN", (), False, ""),
        "decay_steps": Option("decay_steps", int, "all", ("all",), False, ""),
        "rate": Option("rate", float, None, ("fast", "slow"), True, ""),
    }
    steps, rate = options["decay_steps"], options["rate"]
    assert (steps.parse("all"), steps.parse("7"), steps.check("all"), steps.shown("all")) == ("all", 7, "all", "all")
    assert [option.name for option in options.values() if option.of_length] == ["decay_steps"]
    assert steps.expects == "a whole number, or all"
    for wrong_value in ("some", None, 2.5, True):
        with pytest.raises(TypeError, match="decay_steps takes a whole number, or all, got"):
            steps.check(wrong_value)
    with pytest.raises(ValueError, match="'some'"):
        steps.parse("some")
    assert (rate.parse("none"), rate.parse("fast"), rate.check(1)) == (None, "fast", 1.0)
    assert rate.expects == "a number, or fast, slow, or none"
    clip = options["clip"]
    assert clip.parse("none") is None
    assert clip.parse("0.5") == 0.5
    assert (clip.check(None), clip.check(1), clip.shown(None)) == (None, 1.0, "none")
    assert clip.expects == "a number, or none"
    changed = read_options(partial(build, width=7))
    assert changed["width"].default == 7
    assert changed["width"].help == "how wide, in numbers"

    def wrong(*, sizes: list[int]) -> None: ...

    with pytest.raises(TypeError, match=r"sizes: .* cannot be a flag"):
        read_options(wrong)


# --- sample ----------------------------------------------------------------------------------------------------


def test_samples_as_an_array(say: Say, run_folder: Path) -> None:
    code, out, error = say(f"sample {run_folder} --n 7 --seed 3 --out fakes.npz")
    assert (code, out, error) == (0, "7 images in fakes.npz\n", "")
    stored, _ = archive.load("fakes.npz")
    assert stored.keys() == {"images"}
    assert stored["images"].dtype == np.uint8
    gan = minigan.GAN.load(run_folder / "checkpoint.npz")
    np.testing.assert_array_equal(stored["images"], minigan.datasets.to_uint8(gan.sample(7, 3)).reshape(7, 8, 6))
    assert len(minigan.datasets.load("fakes.npz")) == 7  # it is a data set of its own


def test_samples_as_a_picture(say: Say, run_folder: Path) -> None:
    assert say(f"sample {run_folder}")[:2] == (0, "100 images in samples.png\n")
    with Image.open("samples.png") as own, Image.open(run_folder / "samples.png") as final:
        np.testing.assert_array_equal(np.asarray(own), np.asarray(final))
    assert say(f"sample {run_folder}/checkpoint.npz --n 5 --out five.png")[0] == 0
    with Image.open("five.png") as five:
        assert five.size == (3 * 8 + 2, 2 * 10 + 2)


@pytest.mark.parametrize(
    ("end", "form"), [("png", "PNG"), ("jpg", "JPEG"), ("jpeg", "JPEG"), ("webp", "WEBP"), ("PNG", "PNG")]
)
def test_a_grid_in_any_format(say: Say, run_folder: Path, end: str, form: str) -> None:
    assert say(f"sample {run_folder} --n 4 --out grid.{end}")[:2] == (0, f"4 images in grid.{end}\n")
    with Image.open(f"grid.{end}") as picture, Image.open(run_folder / "samples.png") as final:
        assert (picture.format, picture.size) == (form, (2 * 8 + 2, 2 * 10 + 2))
        found, expected = (np.asarray(image.convert("L"), np.int16)[:22, :18] for image in (picture, final))
    if form == "JPEG":
        assert np.abs(found[2:10, 2:8] - expected[2:10, 2:8]).mean() < 8
    else:
        np.testing.assert_array_equal(found[2:10, 2:8], expected[2:10, 2:8])


@pytest.mark.parametrize(
    ("words", "end", "form"), [("", "png", "PNG"), ("--format jpeg", "jpg", "JPEG"), ("--format webp", "webp", "WEBP")]
)
def test_single_pictures(say: Say, run_folder: Path, tmp_path: Path, words: str, end: str, form: str) -> None:
    line = f"sample {run_folder} --n 3 --out fakes/ {words}"
    assert say(line) == (0, f"3 images in fakes{os.sep}\n", "")
    assert sorted(os.listdir("fakes")) == [f"00000{i}.{end}" for i in range(3)]
    gan = minigan.GAN.load(run_folder / "checkpoint.npz")
    expected = minigan.datasets.to_uint8(gan.sample(3)).reshape(3, 8, 6)
    for i in range(3):
        with Image.open(f"fakes/00000{i}.{end}") as picture:
            assert picture.format == form
            if form != "JPEG":
                np.testing.assert_array_equal(np.asarray(picture.convert("L")), expected[i])
    code, _, error = say(line)
    assert code == 2
    assert "fakes is not an empty folder" in error
    Path("empty").mkdir()
    assert say(f"sample {run_folder} --n 2 --out empty {words}")[0] == 0
    assert len(list(Path("empty").iterdir())) == 2
    assert sorted(os.listdir()) == ["empty", "fakes"]  # nothing temporary is left


def test_a_disk_that_fills_leaves_no_part_of_the_pictures(
    say: Say, run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded = pictures.encoded

    def failing(name: str, *args: Any) -> bytes:
        if name == "000002.png":
            raise OSError(28, "No space left on device", name)
        return encoded(name, *args)

    monkeypatch.setattr(pictures, "encoded", failing)
    assert say(f"sample {run_folder} --n 4 --out fakes/")[0] == 1
    assert os.listdir() == []


def test_transparent_samples(say: Say) -> None:
    get_recipe("gan").build((6, 6, 4), latent=3).save("gan.npz")
    archive_ = dict(archive.load("gan.npz")[0])
    header = archive.load("gan.npz")[1]
    archive.save("gan.npz", archive_, {**header, "extra": {"shape": [6, 6, 4]}})
    assert say("sample gan.npz --n 4 --out a.webp")[0] == 0
    code, _, error = say("sample gan.npz --n 4 --out a.jpg")
    assert code == 2
    assert "a.jpg cannot be transparent, as these images are: JPEG has no alpha" in error


def test_samples_of_given_latents(say: Say) -> None:
    gan = get_recipe("gan").build((6, 6), latent=5, label="given", classes=3)
    gan.save("gan.npz")
    z = gan.latents(4, 9, [0, 1, 2, 0])
    expected = minigan.datasets.to_uint8(gan.generate(z)).reshape(4, 6, 6)

    def drawn(words: str) -> Any:
        code, _, error = say(f"sample gan.npz --z z.npy {words} --out a.npz")
        return archive.load("a.npz")[0]["images"] if code == 0 else error

    np.save("z.npy", z)
    np.testing.assert_array_equal(drawn(""), expected)
    assert "leave out --seed and --label" in drawn("--label 2")
    np.save("z.npy", z[:, :5].astype(np.float64))  # the noise alone: labels in turn, or the one asked for
    np.testing.assert_array_equal(drawn(""), expected)
    sevens = gan.latents(4, 9, 2)
    np.testing.assert_array_equal(drawn("--label 2"), minigan.datasets.to_uint8(gan.generate(sevens)).reshape(4, 6, 6))
    np.save("z.npy", np.zeros((2, 5), np.int32))
    assert len(drawn("")) == 2
    for wrong, words in (
        (
            np.zeros((2, 6)),
            "shape (2, 6), but latents of this GAN are numbers of shape (N, 5), or (N, 8) with its codes",
        ),
        (np.zeros(5), "shape (5,)"),
        (np.zeros((0, 5)), "shape (0, 5)"),
        (np.full((2, 5), np.nan), "not finite"),
        (np.zeros((2, 5), complex), "complex128"),
        (np.array([[{}] * 5]), "is no .npy of numbers"),
    ):
        np.save("z.npy", wrong)
        assert words in drawn("")
    whole = Path("z.npy").read_bytes()
    np.save("z.npy", np.zeros((2, 5)))
    good = Path("z.npy").read_bytes()
    for data in (b"", b"PK\3\4", whole[:70], good[:-1], good.replace(b"(2, 5)", b"(9, 5)")):
        Path("z.npy").write_bytes(data)
        assert "is no .npy of numbers" in drawn("")


def test_samples_of_the_average_of_g_and_of_g_as_it_is(say: Say) -> None:
    gan = get_recipe("gan").build((6, 6), latent=3, average=0.9)
    gan.fit(np.random.default_rng(0).integers(0, 256, (20, 6, 6), dtype=np.uint8), steps=3, batch=4)
    gan.save("gan.npz")
    drawn = {}
    for flag, averaged in (("", True), ("--averaged", True), ("--no-averaged", False)):
        assert say(f"sample gan.npz --n 4 {flag} --out a.npz")[0] == 0
        drawn[flag] = archive.load("a.npz")[0]["images"]
        expected = minigan.datasets.to_uint8(gan.sample(4, averaged=averaged)).reshape(4, 6, 6)
        np.testing.assert_array_equal(drawn[flag], expected)
    assert (drawn["--no-averaged"] != drawn[""]).any()


def test_samples_of_a_label_and_walks_through_the_latents(say: Say) -> None:
    options = {"label": "given", "classes": 3, "categories": 4, "continuous": 2}
    gan = get_recipe("gan").build((6, 6), latent=3, **options)
    images, labels = np.random.default_rng(0).integers(0, 256, (20, 6, 6), dtype=np.uint8), np.arange(20) % 3
    gan.fit(images, steps=3, batch=4, labels=labels)
    gan.save("gan.npz")

    def drawn(words: str) -> Any:
        assert say(f"sample gan.npz {words} --seed 3 --out a.npz")[0] == 0
        return archive.load("a.npz")[0]["images"]

    def expected(latents: Any) -> Any:
        return minigan.datasets.to_uint8(gan.generate(latents)).reshape(-1, 6, 6)

    np.testing.assert_array_equal(drawn("--n 7 --label 2"), expected(gan.latents(7, 3, label=2)))
    np.testing.assert_array_equal(drawn("--n 7"), expected(gan.latents(7, 3, label=[0, 1, 2, 0, 1, 2, 0])))
    assert (drawn("--n 7 --label 2") != drawn("--n 7 --label 0")).any()
    walk = drawn("--grid interpolation --n 2 --label 1")
    ends = gan.latents(4, 3, label=1)
    np.testing.assert_array_equal(walk[[0, 10, 9, 19]], expected(ends))
    codes = drawn("--grid traversal --n 2")
    assert len(codes) == 2 * (3 + 4 + 10 + 10)
    start = gan.latents(2, 3)
    start[:, 3:6] = [0, 1, 0]
    np.testing.assert_array_equal(codes[[1, 4]], expected(start))
    assert say("sample gan.npz --grid traversal --out walk.png")[:2] == (0, "135 images in walk.png\n")
    with Image.open("walk.png") as picture:
        assert picture.size == (10 * 8 + 2, 4 * (5 * 8 + 2) + 3 * 6)
    for grid, walk in WALKS.items():
        latents = np.concatenate(walk(gan, 2, 3, 1))
        np.testing.assert_array_equal(drawn(f"--grid {grid} --n 2 --label 1"), expected(latents))
    for words, sentence in (
        ("--label 3", "takes numbers from 0 to 2, got 3"),
        ("--grid sideways", "invalid choice: 'sideways'"),
        ("--grid interpolation --n 0", "number of samples must be an integer of 1 or more"),
    ):
        code, _, error = say(f"sample gan.npz {words} --out b.npz")
        assert code == 2
        assert sentence in error
    get_recipe("gan").build((6, 6), latent=3).save("plain.npz")
    for words, sentence in (("--label 1", "no Label and no Category"), ("--grid traversal", "no codes to traverse")):
        code, _, error = say(f"sample plain.npz {words} --out b.npz")
        assert code == 2
        assert sentence in error


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_walk_changes_what_it_is_of_and_nothing_else(dtype: str) -> None:
    """Along the whole of every row, not only at its ends."""
    options = {"label": "given", "classes": 2, "categories": 2, "continuous": 2}
    gan = get_recipe("gan").build((6, 6), latent=3, dtype=dtype, **options)
    (z,) = interpolation(gan, 3, seed=1, label=1)
    assert z.dtype == dtype
    assert (z[:, 3:5] == [0, 1]).all()
    ends = gan.latents(6, 1, label=1)[:, 5:].reshape(2, 3, 1, 4)
    t = np.linspace(0, 1, 10)[:, None]
    np.testing.assert_allclose(z[:, 5:].reshape(3, 10, 4), (1 - t) * ends[0] + t * ends[1], atol=1e-6)
    start, numbers = gan.latents(3, 1, label=1), np.linspace(-2, 2, 10)[:, None]
    varied = [(slice(3, 5), np.eye(2)), (slice(5, 7), np.eye(2)), (slice(7, 8), numbers), (slice(8, 9), numbers)]
    for block, (columns, values) in zip(traversal(gan, 3, 1, 1), varied, strict=True):
        right = np.repeat(start[:, None], len(values), axis=1)
        right[:, :, columns] = values
        np.testing.assert_array_equal(block, right.reshape(-1, 9), strict=True)


def test_an_interpolation_keeps_the_variance_of_the_noise() -> None:
    gan = get_recipe("gan").build((6, 6), latent=400)
    (z,) = interpolation(gan, 3, seed=1)
    assert z.shape == (30, 400)
    np.testing.assert_allclose(z.std(axis=1), 1, atol=0.12)
    assert np.array_equal(z[[0, 10, 20]], gan.latents(6, 1)[:3])
    straight = interpolation(get_recipe("gan").build((6, 6), latent=4, prior="uniform"), 1, seed=1)[0]
    np.testing.assert_allclose(np.diff(straight, axis=0), np.tile(straight[1] - straight[0], (9, 1)), atol=1e-6)


def test_samples_of_a_gan_that_was_saved_by_hand(say: Say) -> None:
    square = get_recipe("gan").build((6, 6), latent=3)
    square.save("square.npz")
    assert say("sample square.npz --n 2 --out a.npz")[0] == 0
    assert archive.load("a.npz")[0]["images"].shape == (2, 6, 6)
    get_recipe("gan").build((7, 6), latent=3).save("odd.npz")
    code, _, error = say("sample odd.npz --n 2 --out b.npz")
    assert code == 2
    assert_one_sentence(error)
    assert "shape (42,), which are no images" in error
    square.G.flat[0] = np.nan
    square.save("lost.npz")
    code, _, error = say("sample lost.npz --n 2 --out c.npz")
    assert code == 1
    assert_one_sentence(error)
    assert "the samples of the GAN of step 0 are not finite" in error
