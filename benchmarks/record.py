"""Figures of a benchmark in a file of results/, with the day and the machine: what readme_tables.py makes pages of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from minigan import environment
from minigan.archive import write_atomically


def record(path: Path, found: Mapping[str, Any]) -> None:
    """Write what was found, as JSON, in the place of what was there."""
    when = {"when": datetime.now(UTC).strftime("%Y-%m-%d"), "environment": environment.facts()}
    with write_atomically(path) as file:
        file.write(json.dumps(when | dict(found), indent=1).encode() + b"\n")
