"""Run a study of minigan/theory and write down what it has found: NAME.png and NAME.md."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import console, environment
from .archive import StrPath, write_atomically
from .backend import Backend, get_backend
from .paths import expand
from .recipes.options import docstring
from .runs import pictures
from .theory import Finding, Say, Study, get_study


class Findings(list[Finding]):
    """What a study has found; printed, and in a notebook, it is a table."""

    def __repr__(self) -> str:
        return table(self, "|", console.columns())

    def _repr_markdown_(self) -> str:
        return table(self)


def study(
    name: str,
    out: StrPath = "studies",
    seed: int = 0,
    backend: Backend | str = "auto",
    say: Say = console.say,
    **options: Any,
) -> Findings:
    """Run the study of this name, and write NAME.png and NAME.md, a page about it, into the folder `out`.

    options: of the study's `experiment`, if it has any. say: called with sentences along the way; by default they are
    printed. Returns the findings; `minigan.show("studies/NAME.png")` shows the picture.

    Raises ValueError for an unknown study, ImportError if a library that pictures need is not installed, and OSError
    if a file cannot be written.
    """
    module, experiment = get_study(name)
    pictures.require()
    folder = Path(expand(out))
    folder.mkdir(parents=True, exist_ok=True)
    be = get_backend(backend) if isinstance(backend, str) else backend
    began = time.perf_counter()
    found = experiment(seed=seed, backend=be, say=say, **options)
    findings = Findings(found.findings())
    seconds = time.perf_counter() - began
    _picture(folder / f"{name}.png", found)
    chosen = "".join(f" --{key.replace('_', '-')} {console.quoted(str(value))}" for key, value in options.items())
    command = f"minigan study {name}{chosen} --seed {seed} --backend {be.name}"
    page = _page(name, docstring(module) or name, findings, command, seconds)
    with write_atomically(folder / f"{name}.md") as file:
        file.write(page.encode(errors="replace"))  # the name of a file may be no text
    return findings


def table(findings: Sequence[Finding], bar: str = "\\|", width: int | None = None) -> str:
    """The findings as a Markdown table.

    bar: how a bar within a cell is written; for a terminal, as it is. width: of that terminal.
    """
    verdicts = {True: "holds", False: "does not hold", None: ""}
    rows = [[cell.replace("|", bar) for cell in (*f[:3], verdicts[f.holds])] for f in findings]
    return console.table(["quantity", "found", "expected", ""], rows, range(4), width)


def _page(name: str, text: str, findings: Sequence[Finding], command: str, seconds: float) -> str:
    title, _, statement = text.partition("\n")
    facts = environment.facts()
    where = ", ".join(f"{key} {facts[key]}" for key in ("minigan", "numpy", "CPU", "cores", "BLAS threads"))
    parts = [
        f"# {title.rstrip('.')}",
        f"![{title}]({name}.png)",
        table(findings),
        f"`{command}`: {seconds:.0f} seconds ({where}).",
        "## What it is about",
        f"```\n{statement.strip()}\n```",
    ]
    return "\n\n".join(parts) + "\n"


@pictures.default_style()
def _picture(path: Path, found: Study) -> None:
    figure = pictures.new_figure(found.size)
    found.draw(figure)
    pictures.save_figure(path, figure)
