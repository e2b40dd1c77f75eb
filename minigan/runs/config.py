"""What a run was told: the first thing to read in its folder, and enough to repeat it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from ..archive import write_atomically
from .lines import naming


@dataclass(frozen=True)
class Config:
    """Everything needed to repeat a run.

    options: all of the recipe's. data: a name or an absolute path. images: count, shape and SHA-256 of the pixels.
    versions: of minigan, Python and NumPy (and CuPy) that wrote it.
    """

    recipe: str
    options: dict[str, Any]
    data: str
    images: dict[str, Any]
    steps: int
    batch: int
    seed: int
    backend: str
    dtype: str
    d_pretrain: int
    sample_every: int
    checkpoint_every: int
    versions: dict[str, str]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises ValueError for a file that is not whole or not one of ours."""
        kinds = {"int": int, "str": str}
        try:
            data = json.loads(path.read_bytes())
            values = {field.name: data[field.name] for field in fields(cls)}
            for field in fields(cls):
                if type(values[field.name]) is not kinds.get(str(field.type), dict):
                    raise ValueError(f"{field.name} cannot be {values[field.name]!r}")
        except (ValueError, KeyError, TypeError) as error:
            what = f"it has no {error}" if isinstance(error, KeyError) else str(error)
            raise ValueError(f"{path} is no config.json of a run: {what}") from None
        return cls(**values)

    def write(self, path: Path) -> None:
        with naming(path), write_atomically(path) as file:
            file.write(json.dumps(asdict(self), indent=2).encode() + b"\n")
