"""SHIM, to be deleted with the two lines that import it: names that Graph and CupyBackend will have."""

from __future__ import annotations

from typing import Any

from minigan.backend.cupy_backend import CupyBackend
from minigan.backend.graph import Graph

if not hasattr(CupyBackend, "about"):
    later: tuple[Any, Any] = (CupyBackend, Graph)
    later[0].about = lambda self: f"cupy {self.xp.__version__}"
    later[1].recorded = property(lambda self: self._graph is not None)
    later[1].nodes = property(lambda self: len(self._graph.recorded))
