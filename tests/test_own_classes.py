"""Classes of somebody's own, from a script or a module: a GAN that is made of them is loaded where they are known."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import minigan
from minigan.commands import import_module
from minigan.spec import Spec, build, kinds

LAYERS = """
import minigan, numpy as np

class Swish(minigan.Layer):
    def __init__(self, beta=1.0):
        self.beta = beta

    def forward(self, x, run):
        s = 1 / (1 + np.exp(-self.beta * x))
        return x * s, lambda dy, params, inputs: dy * (s + self.beta * x * s * (1 - s))

def make():
    G = minigan.Sequential(minigan.Dense(2, 9), Swish(2.0), minigan.Dense(9, 64), seed=1)
    return minigan.GAN(G, minigan.Sequential(minigan.Dense(64, 4), Swish(), minigan.Dense(4, 1), seed=2))

if __name__ == "__main__":
    make().save("gan.npz", {"shape": [8, 8]})
"""


def python(folder: Path, *words: str) -> str:
    path = os.pathsep.join([str(Path(minigan.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True,
        check=False, timeout=120,
    )  # fmt: skip
    return f"{done.returncode} {done.stdout}{done.stderr}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a module `my_layers`, and a GAN that was saved when it was run as a script."""
    made = tmp_path_factory.mktemp("own")
    (made / "my_layers.py").write_text(LAYERS)
    assert python(made, "my_layers.py") == "0 "
    return made


def test_a_layer_of_a_script_is_found_when_the_script_is_imported_as_a_module(folder: Path) -> None:
    code = "import minigan, my_layers; print(minigan.GAN.load('gan.npz').G[1])"
    assert python(folder, "-c", code) == "0 Swish(beta=2.0)\n"


def test_a_layer_of_a_module_is_found_by_the_script_that_it_is(folder: Path) -> None:
    python(folder, "-c", "import my_layers; my_layers.make().save('module.npz')")
    (folder / "run").mkdir(exist_ok=True)
    code = LAYERS.replace("make().save", "print(minigan.GAN.load('../module.npz').D[1]); make().save")
    (folder / "run" / "my_layers.py").write_text(code)
    assert python(folder / "run", "my_layers.py") == "0 Swish()\n"


def test_a_layer_of_a_script_run_by_name_has_the_name_of_its_package(folder: Path) -> None:
    (folder / "package").mkdir(exist_ok=True)
    (folder / "package" / "mine.py").write_text(LAYERS.replace("gan.npz", "package.npz") + "    print(Swish.kind())\n")
    assert python(folder, "-m", "package.mine") == "0 package.mine:Swish\n"


def test_a_layer_of_a_prompt_is_the_one_of_that_name_if_there_is_just_one(folder: Path) -> None:
    python(folder, "-c", LAYERS.replace("gan.npz", "prompt.npz"))
    load = "minigan.GAN.load('prompt.npz')"
    assert python(folder, "-c", f"import minigan, my_layers; print({load}.G[1])") == "0 Swish(beta=2.0)\n"
    said = python(folder, "-c", f"import minigan; {load}")
    assert "unknown kind '__main__:Swish'" in said
    assert "defined at a prompt or in a notebook: put it in a module, and import that" in said
    both = "import minigan, my_layers, package.mine;"
    assert "of this name there are my_layers:Swish, package.mine:Swish" in python(folder, "-c", f"{both} {load}")


def test_a_class_in_a_process_of_its_own_is_the_class_of_the_script(folder: Path) -> None:
    code = LAYERS.replace('make().save("gan.npz", {"shape": [8, 8]})', "import multiprocessing\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool: print(pool.apply(Swish.kind))")  # fmt: skip
    (folder / "spawning.py").write_text(code)
    assert python(folder, "spawning.py") == "0 spawning:Swish\n"


@pytest.mark.parametrize("word", ["my_layers", "my_layers.py"])
def test_the_command_line_can_be_told_the_module(folder: Path, word: str) -> None:
    sample = ("-m", "minigan", "sample", "gan.npz", "--n", "4", "--out", "fakes.npz")
    said = python(folder, *sample)
    assert said.startswith("2 ")
    assert "import my_layers before loading, on the command line with --import my_layers" in said
    assert python(folder, *sample, "--import", word) == "0 4 images in fakes.npz\n"


@pytest.mark.parametrize("command", ["train --resume gan.npz", "sample gan.npz", "evaluate gan.npz"])
def test_every_command_that_loads_a_gan_takes_modules_and_says_what_is_wrong_with_one(
    folder: Path, command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from minigan.cli import main

    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (folder / "broken.py").write_text("1 / 0")
    (folder / "wanting.py").write_text("import no_such_thing")
    for module, words in (
        ("nowhere", "there is no nowhere; give a module"),
        ("nowhere.at.all", "there is no nowhere.at.all; give a module"),
        ("nowhere.py", "there is no nowhere.py; give a module"),
        ("broken", "broken could not be imported (ZeroDivisionError: division by zero)"),
        ("broken.py", "broken.py could not be imported (ZeroDivisionError: division by zero)"),
        ("wanting", "wanting could not be imported (ModuleNotFoundError: No module named 'no_such_thing')"),
    ):
        assert main([*command.split(), "--import", module]) == 2
        assert words in capsys.readouterr().err


def test_a_file_may_have_the_name_of_a_module_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "json.py").write_text(LAYERS.replace("Swish", "Squish"))
    import_module(str(tmp_path / "json.py"))
    assert build({"kind": "json:Squish", "beta": 3.0}).beta == 3.0
    assert hasattr(sys.modules["json"], "dumps")
    del Spec.registry["json:Squish"]


def test_the_kinds_in_a_description() -> None:
    G = minigan.Sequential(minigan.Dense(2, 3, init=minigan.init.Normal()), minigan.Tanh())
    gan = minigan.GAN(G, minigan.Sequential(minigan.Dense(3, 1)), penalties=[minigan.R1()])
    assert kinds(gan.describe()) == {"GAN", "Dense", "Normal", "Tanh", "NonSaturating", "Adam", "R1"}
