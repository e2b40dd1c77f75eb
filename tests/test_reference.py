"""The API reference: what becomes of a docstring before pdoc has it. The gate builds all of it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

pytest.importorskip("pdoc")

FILE = Path(__file__).parent.parent / ".ci" / "reference.py"
if not FILE.exists():
    pytest.skip("not in a clone of the repository", allow_module_level=True)

spec = importlib.util.spec_from_file_location("reference", FILE)
assert spec is not None
assert spec.loader is not None
reference = importlib.util.module_from_spec(spec)
spec.loader.exec_module(reference)


def test_lines_about_parameters_become_a_list() -> None:
    text = """\
Does it.

lr: the rate,
    which falls. steps: how many; note: this is not one.
Raises ValueError: always.

    steps: in a block"""
    assert reference.as_lists(text, {"lr", "steps"}).splitlines() == [
        "Does it.", "", "", "* `lr`: the rate,", "    which falls. ", "* `steps`: how many; note: this is not one.", "",
        "Raises ValueError: always.", "", "    steps: in a block",
    ]  # fmt: skip


def test_what_is_no_parameter_stays_as_it_is() -> None:
    text = "Note: lr is one.\n\n    x: in a block\n"
    assert reference.as_lists(text, {"x"}) == text.rstrip("\n")
