"""The README's examples run, and print what the README says they print."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stdout
from pathlib import Path

import pytest

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```\n+(?:```\n(.*?)```)?", README, re.DOTALL)
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")


def run(source: str) -> str:
    printed = io.StringIO()
    with redirect_stdout(printed):
        exec(compile(source, "README.md", "exec"), {"__name__": "readme"})
    return printed.getvalue()


def test_there_are_examples() -> None:
    assert len(BLOCKS) == 4


@pytest.mark.parametrize(("source", "promised"), BLOCKS, ids=[source.splitlines()[0] for source, _ in BLOCKS])
def test_an_example_prints_what_the_readme_shows(
    source: str, promised: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same words and, within what another processor's rounding may change, the same numbers."""
    if source.startswith("# pytorch"):
        pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    printed = run(source)
    if found := re.match(r"held-out accuracy: (.*)", printed):
        assert float(found[1]) > 0.96  # the layers alone learn digits; an untrained network is right in one of ten
    if source.startswith("# pytorch"):
        return
    assert NUMBER.sub("#", printed) == NUMBER.sub("#", promised)
    for ours, theirs in zip(NUMBER.findall(printed), NUMBER.findall(promised), strict=True):
        assert float(ours) == pytest.approx(float(theirs), rel=0.25, abs=0.1)
