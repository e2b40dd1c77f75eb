"""A notebook of five lines: what it prints and shows is what a newcomer sees."""

from __future__ import annotations

import re
from typing import Any

import pytest

nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")
nbformat = pytest.importorskip("nbformat")

CELLS = [
    "import minigan\nrun = minigan.train(steps=20, sample_every=10)",
    "gan = minigan.GAN.load(run / 'checkpoint.npz')",
    "minigan.show(gan.sample(25))",
    "gan.G",
]


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> list[list[dict[str, Any]]]:
    """What each cell has put out, run by a kernel in an empty folder."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
    folder = {"metadata": {"path": str(tmp_path_factory.mktemp("notebook"))}}
    nbclient.NotebookClient(notebook, kernel_name="python3", timeout=300, resources=folder).execute()
    return [cell.outputs for cell in notebook.cells]


def test_the_progress_is_plain_lines(outputs: list[list[dict[str, Any]]]) -> None:
    assert all(output["output_type"] == "stream" and output["name"] == "stdout" for output in outputs[0])
    lines = "".join(output["text"] for output in outputs[0]).splitlines()
    assert lines[0].startswith("quick on digits: 10,000 images of 28x28")
    assert re.match(r"step 20/20  D loss \d.*ms/step  0:00 left", lines[-1])
    assert len(lines) == 21
    assert "\x1b" not in "".join(lines)
    assert "\r" not in "".join(lines)


def test_show_puts_a_picture_below_the_cell(outputs: list[list[dict[str, Any]]]) -> None:
    (shown,) = outputs[2]
    assert shown["output_type"] == "display_data"
    assert shown["data"].keys() == {"image/png", "text/plain"}
    assert shown["data"]["image/png"].startswith("iVBOR")  # the beginning of a PNG


def test_a_network_says_what_it_is(outputs: list[list[dict[str, Any]]]) -> None:
    (summary,) = outputs[3]
    assert summary["output_type"] == "execute_result"
    assert "Dense(100, 256" in summary["data"]["text/plain"]
