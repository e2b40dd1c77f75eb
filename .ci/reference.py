"""The API reference, from the docstrings: `python .ci/reference.py FOLDER`, with `pip install -e ".[dev]"` before.

pdoc does the work. What it cannot know is that a line `name: text` of a docstring is about the parameter or the field
of this name; here such lines become a list. Whatever pdoc warns of is an error.
"""

from __future__ import annotations

import argparse
import re
import warnings
from pathlib import Path

import pdoc
import pdoc.doc
import pdoc.render

import minigan

PARAMETER = re.compile(r"(^|[.;] )(\*{0,2}\w+(?:, \*{0,2}\w+)*): ")
# Public as well, though not among the names of `minigan` itself.
MORE = ("backend.arena", "backend.philox", "backend.reference", "codes", "metrics", "nn", "penalties", "spec")


def names(doc: pdoc.doc.Doc[object]) -> set[str]:
    """What a line of this docstring may be about: the parameters of a function, and those and the fields of a class."""
    if isinstance(doc, pdoc.doc.Function):
        return set(doc.signature.parameters)
    if isinstance(doc, pdoc.doc.Class):
        made = doc.members.get("__init__")
        return (names(made) if made else set()) | set(doc.members)
    return set()


def as_lists(text: str, known: set[str]) -> str:
    """Lines `name: text` with the lines that go on after them, as items of a Markdown list.

    Several in one line, "lr: the rate. steps: how many.", are several items.
    """

    def item(found: re.Match[str]) -> str:
        ours = known.intersection(found[2].replace("*", "").split(", "))
        return f"{found[1]}\n* `{found[2]}`: " if ours else found[0]

    lines: list[str] = []
    within = False
    for line in text.splitlines():
        begins = PARAMETER.sub(item, line) if within or PARAMETER.match(line) else line
        if begins.startswith("\n"):
            lines += begins.splitlines() if not within else begins[1:].splitlines()
            within = True
        elif within and re.match(r" {4}|[a-z(]", line):
            lines += begins.splitlines()
        else:
            if within and line.strip():
                lines.append("")
            within = False
            lines.append(line)
    return "\n".join(lines)


def prepare(doc: pdoc.doc.Doc[object]) -> None:
    """Give it and all that is in it a docstring that Markdown understands."""
    doc.docstring = as_lists(doc.docstring, names(doc))
    if isinstance(doc, pdoc.doc.Namespace):
        for member in doc.members.values():
            if member.kind != "module":
                prepare(member)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the pages go; index.html is the first")
    folder = parser.parse_args().folder
    warnings.simplefilter("error")
    for name in minigan.__all__:  # some are imported when they are first used, and pdoc takes them for missing modules
        vars(minigan)[name] = getattr(minigan, name)
    found = pdoc.extract.walk_specs(["minigan", *(f"minigan.{name}" for name in MORE)])
    modules = {name: pdoc.doc.Module.from_name(name) for name in sorted(found)}
    for kind in tuple.__subclasses__():
        # The types of a NamedTuple are those of its module; pdoc looks for them where __new__ says it is from.
        if kind.__module__.startswith("minigan."):
            kind.__new__.__module__ = kind.__module__
    others = [name for name in modules if name != "minigan" and not name.startswith("minigan.recipes.")]
    modules["minigan"].submodules = [modules[name] for name in others]  # what the side of its page leads to
    for module in modules.values():
        prepare(module)
    pdoc.render.configure(math=False, footer_text=f"minigan {minigan.__version__}")
    pages = {f"{name.replace('.', '/')}.html": pdoc.render.html_module(m, modules) for name, m in modules.items()}
    pages["index.html"] = pdoc.render.html_index(modules)
    pages["search.js"] = pdoc.render.search_index(modules)
    for path, text in pages.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    print(f"{len(modules)} modules: {folder / 'index.html'}")


if __name__ == "__main__":
    main()
