"""What a run was told: the first thing to read in its folder, and enough to repeat it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from ..archive import write_atomically
from .lines import naming


@dataclass(frozen=True)
class Config:
    """Everything needed to repeat a run.

    options: all of the recipe's. data: a name or an absolute path. images: count, shape and SHA-256 of the pixels.
    versions: of minigan, Python and NumPy (and CuPy) that wrote it. size: what the images were scaled to, "WxH", or "".
    labels: names of the classes that a GAN with labels knows as 0, 1, ..., and SHA-256 of the labels; empty for others.
    The last two may be missing: older runs know nothing of them.
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
    size: str = ""
    labels: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises ValueError for a file that is not whole or not one of ours."""
        kinds = {"int": int, "str": str}
        try:
            data = json.loads(path.read_bytes())
            later = {"size": "", "labels": {}}  # than the first runs
            values = {part.name: (later | data)[part.name] for part in fields(cls)}
            for part in fields(cls):
                if type(values[part.name]) is not kinds.get(str(part.type), dict):
                    raise ValueError(f"{part.name} cannot be {values[part.name]!r}")
            _check(values["images"], values["labels"])
        except (ValueError, KeyError, TypeError) as error:
            what = f"it has no {error}" if isinstance(error, KeyError) else str(error)
            raise ValueError(f"{path} is no config.json of a run: {what}") from None
        return cls(**values)

    def write(self, path: Path) -> None:
        with naming(path), write_atomically(path) as file:
            file.write(json.dumps(asdict(self), indent=2).encode() + b"\n")


def _check(images: dict[str, Any], labels: dict[str, Any]) -> None:
    """Raises ValueError unless images and labels are described as minigan/runs/data.py does it."""
    count, shape, sha256 = images["count"], images["shape"], images["sha256"]
    sides = shape if isinstance(shape, list) else []
    if len(sides) not in (2, 3) or not all(type(n) is int and 0 < n < 2**31 for n in [count, *sides]):
        raise ValueError(f"images cannot be {count!r} of shape {shape!r}")
    names = labels.get("classes", [])
    known = isinstance(names, list) and all(type(name) is str for name in names) and len(set(names)) == len(names)
    if type(sha256) is not str or (labels and not (known and names and type(labels.get("sha256")) is str)):
        raise ValueError(f"labels cannot be {labels!r:.80}, nor the sum of the pixels {sha256!r:.80}")
