"""Two run folders that must be of the same run, bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from minigan import archive


def arrays(folder: Path) -> dict[str, Any]:
    return archive.load(folder / "checkpoint.npz")[0]


def assert_same_run(one: Path, other: Path, *more: str) -> None:
    """more: files that must be the same as well."""
    a, b = arrays(one), arrays(other)
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name, strict=True)
    assert (one / "metrics.csv").read_bytes() == (other / "metrics.csv").read_bytes()
    assert sorted(f.name for f in (one / "samples").iterdir()) == sorted(f.name for f in (other / "samples").iterdir())
    for file in (one / "samples").iterdir():
        assert file.read_bytes() == (other / "samples" / file.name).read_bytes()
    for name in ("samples.png", *more):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
