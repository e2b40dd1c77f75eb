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
            _check_images(values["images"])
            _check_labels(values["labels"])
        except (ValueError, KeyError, TypeError) as error:
            what = f"it has no {error}" if isinstance(error, KeyError) else str(error)
            raise ValueError(f"{path} is no config.json of a run: {what}") from None
        return cls(**values)

    def write(self, path: Path) -> None:
        with naming(path), write_atomically(path) as file:
            file.write(json.dumps(asdict(self), indent=2).encode() + b"\n")


def _check_images(images: dict[str, Any]) -> None:
    count, shape, digest = images["count"], images["shape"], images["sha256"]
    sizes = [count, *shape] if isinstance(shape, list) else [None]
    if not all(type(n) is int and 0 < n < 2**62 for n in sizes) or len(sizes) > 4 or not isinstance(digest, str):
        raise ValueError(f"images cannot be {images!r:.80}")


def _check_labels(labels: dict[str, Any]) -> None:
    names, digest = labels.get("classes"), labels.get("sha256")
    known = isinstance(names, list) and all(isinstance(name, str) for name in names) and len(names) == len({*names})
    if labels and not (known and names and isinstance(digest, str)):
        raise ValueError(f"labels cannot be {labels!r:.80}")
