"""What a run was told: the first thing to read in its folder, and enough to repeat it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from ..files import Target, writing
from ..recipes.options import of_today

FILE = "config.json"
_MOST = 1 << 20  # bytes: settings, not data
# what a run may change when it goes on; all the rest is part of what it is, and its checkpoint notes it too
_PLAN = ("data", "steps", "backend", "sample_every", "checkpoint_every", "versions")
_LEAST = {"steps": 1, "batch": 1, "seed": 0, "d_pretrain": 0, "sample_every": 1, "checkpoint_every": 1}


@dataclass(frozen=True)
class Config:
    """Everything needed to repeat a run.

    options: all of the recipe's. data: a name or an absolute path. images: count, shape and SHA-256 of the pixels.
    versions: of minigan, Python and NumPy (and CuPy) that wrote it. size: what the images were scaled to, "WxH", or "".
    labels: names of the classes that a GAN with labels knows as 0, 1, ..., and SHA-256 of the labels; empty for others.
    sync_batchnorm: whether processes that share a batch normalise it as one.
    The last three may be missing: older runs know nothing of them.
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
    sync_batchnorm: bool = True

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises ValueError for a file that is not whole or not one of ours."""
        kinds = {"int": int, "str": str, "bool": bool}
        if path.exists() and not path.is_file():
            raise ValueError(f"{path} is no config.json of a run: it is no ordinary file")
        with open(path, "rb") as file:
            text = file.read(_MOST + 1)
        try:
            if len(text) > _MOST:
                raise ValueError(f"it is larger than {_MOST:,} bytes")
            data = json.loads(text)
            later = {"size": "", "labels": {}, "sync_batchnorm": True}  # than the first runs
            values = {part.name: (later | data)[part.name] for part in fields(cls)}
            for part in fields(cls):
                if type(values[part.name]) is not kinds.get(str(part.type), dict):
                    raise ValueError(f"{part.name} cannot be {_short(values[part.name])}")
            for name, least in _LEAST.items():
                if not least <= values[name] < 2**62:
                    raise ValueError(f"{name} cannot be {_short(values[name])}")
            if values["dtype"] not in ("float32", "float64"):
                raise ValueError(f"dtype cannot be {_short(values['dtype'])}")
            _check_images(values["images"])
            _check_labels(values["labels"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            what = f"it has no {error}" if isinstance(error, KeyError) else str(error)
            raise ValueError(f"{path} is no config.json of a run: {what}") from None
        return cls(**values | {"options": of_today(values["options"])})

    def write(self, target: Target) -> None:
        with writing(target) as file:
            file.write(json.dumps(asdict(self), indent=2).encode() + b"\n")

    def settings(self, of_the_plan: tuple[str, ...] = ()) -> dict[str, Any]:
        """What the run is, apart from how far and where it goes. of_the_plan: options that say how long something
        lasts, or where data lie, which belong to the plan as well."""
        settings = {name: value for name, value in asdict(self).items() if name not in _PLAN}
        settings["options"] = {name: value for name, value in self.options.items() if name not in of_the_plan}
        return settings


def _check_images(images: dict[str, Any]) -> None:
    count, shape, digest = images["count"], images["shape"], images["sha256"]
    sizes = [count, *shape] if isinstance(shape, list) else [None]
    if not all(type(n) is int and 0 < n < 2**62 for n in sizes) or len(sizes) > 4 or not isinstance(digest, str):
        raise ValueError(f"images cannot be {_short(images)}")


def _check_labels(labels: dict[str, Any]) -> None:
    names, digest = labels.get("classes"), labels.get("sha256")
    known = isinstance(names, list) and all(isinstance(name, str) for name in names) and len(names) == len({*names})
    if labels and not (known and names and isinstance(digest, str)):
        raise ValueError(f"labels cannot be {_short(labels)}")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 60 else text[:60] + "..."
