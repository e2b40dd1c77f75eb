"""The pages: examples run and print what the page says, commands are understood, links lead somewhere."""

from __future__ import annotations

import argparse
import io
import re
import shlex
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path

import pytest
from contest import command as contest

from minigan import cli

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    path
    for path in [
        *ROOT.glob("*.md"),
        *(page for part in ("minigan", "tests", "benchmarks") for page in (ROOT / part).rglob("*.md")),
    ]
)
TEXT = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in PAGES}
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
BLOCKS = [
    pytest.param(page, source, promised, id=f"{page}: {source.splitlines()[0]}")
    for page, text in TEXT.items()
    for source, promised in re.findall(r"```python\n(.*?)```\n+(?:```\n(.*?)```)?", text, re.DOTALL)
]
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")


def test_there_are_examples() -> None:
    found = [str(block.values[0]) for block in BLOCKS]
    assert {page: found.count(page) for page in found} == {
        "README.md": 2, "minigan/README.md": 4, "minigan/datasets/README.md": 1, "minigan/lab/README.md": 1,
    }  # fmt: skip


@pytest.mark.parametrize(("page", "source", "promised"), BLOCKS)
def test_an_example_prints_what_the_page_shows(
    page: str, source: str, promised: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same words and, within what another processor's rounding may change, the same numbers."""
    if source.startswith("# pytorch"):
        pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    printed = io.StringIO()
    with redirect_stdout(printed):
        exec(compile(source, page, "exec"), {"__name__": "page"})
    said = printed.getvalue()
    if found := re.match(r"held-out accuracy: (.*)", said):
        assert float(found[1]) > 0.96  # the layers alone learn digits; an untrained network is right in one of ten
    if source.startswith("# pytorch"):
        return
    assert NUMBER.sub("#", said) == NUMBER.sub("#", promised)
    for ours, theirs in zip(NUMBER.findall(said), NUMBER.findall(promised), strict=True):
        assert float(ours) == pytest.approx(float(theirs), rel=0.25, abs=0.1)


# --- commands --------------------------------------------------------------------------------------------------


def commands(text: str) -> list[str]:
    """The commands of minigan in a page, without the words beside them that say what they do."""
    inside = [
        line.removeprefix("$ ") for kind, block in FENCED.findall(text) if not kind for line in block.splitlines()
    ]
    quoted = re.findall(r"(?<!`)`(minigan [^`]+)`(?!`)", FENCED.sub("", text))
    lines = [line for line in inside if line.startswith("minigan ")] + [" ".join(line.split()) for line in quoted]
    return [re.split(r"  +| #", line)[0].strip() for line in lines]


COMMANDS = sorted({(page, command) for page, text in TEXT.items() for command in commands(text)})


def test_there_are_commands() -> None:
    assert len(COMMANDS) > 20


@pytest.mark.parametrize(("page", "command"), COMMANDS)
def test_a_command_is_understood(page: str, command: str) -> None:
    """As it stands in the page; words in capitals stand for what a reader puts there."""
    name, *words = shlex.split(command)[1:]
    assert name in cli.COMMANDS
    words = [word for word in words if word != "..."]
    words = [{"NAME": "gan" if name in ("train", "recipes") else "figure-1"}.get(word, word) for word in words]
    if not words and name in ("evaluate", "sample", "completion", "study"):
        return  # the name of a command, in the middle of a sentence
    parser, parsers = cli.parser_for([name, *words], [name])
    _, unknown = parser.parse_known_args([name, *words])
    assert not unknown, f"{page}: {command}"
    assert isinstance(parsers[name], argparse.ArgumentParser)


CONTEST = sorted({
    (page, " ".join(words.split()))
    for page, text in TEXT.items()
    for words in re.findall(r"^python benchmarks/contest((?: \S+)*)(?:  |$)", text, re.MULTILINE)
    + re.findall(r"(?<!`)`python benchmarks/contest([^`]*)`(?!`)", FENCED.sub("", text))
})  # fmt: skip


@pytest.mark.parametrize(("page", "words"), CONTEST)
def test_a_command_of_the_contest_is_understood(page: str, words: str) -> None:
    contest.event_of(contest.parser().parse_args(shlex.split(words)))


# --- links -----------------------------------------------------------------------------------------------------


@cache
def anchors(path: Path) -> set[str]:
    """The headings of a page, as GitHub makes anchors of them."""
    headings = re.findall(r"^#+ (.*)$", FENCED.sub("", path.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", TEXT)
def test_a_link_leads_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", FENCED.sub("", TEXT[page])):
        if re.match(r"https?://", target):
            continue  # tests never need the network
        name, _, anchor = target.partition("#")
        path = (ROOT / page).parent / name if name else ROOT / page
        assert path.exists(), f"{page} links to {target}"
        assert path.resolve().is_relative_to(ROOT.resolve()), (
            f"{page} links to {target}, which is not in the repository"
        )
        assert not anchor or anchor in anchors(path), f"{page} links to {target}, and there is no such heading"


def test_the_first_page_is_short() -> None:
    assert len(TEXT["README.md"].splitlines()) <= 210
