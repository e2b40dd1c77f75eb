"""The programs of benchmarks/, as modules."""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "benchmarks"


def script(name: str) -> types.ModuleType:
    """A fresh module of benchmarks/NAME.py."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # a NamedTuple looks its annotations up there
    spec.loader.exec_module(module)
    return module
