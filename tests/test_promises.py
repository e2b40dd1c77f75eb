"""minigan/runs/README.md: every promise has a test, and every test that is named is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "minigan" / "runs" / "README.md"


def test_every_promise_has_a_test_of_that_name() -> None:
    rows = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("|")][2:]
    named = [re.fullmatch(r"\|[^|]+\|[^|]+\| `(test_\w+)` \|", row) for row in rows]
    assert len(rows) > 20
    assert all(named), [row for row, found in zip(rows, named, strict=True) if not found]
    there = {
        node.name
        for path in TESTS.glob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef)
    }
    names = [found[1] for found in named if found]
    assert set(names) <= there, set(names) - there
    assert len(set(names)) == len(names)
