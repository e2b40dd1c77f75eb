"""What can be judged: the folder of a run, a checkpoint, or a file of samples."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .. import archive, checkpoint, datasets
from ..archive import StrPath
from ..backend import Backend
from ..gan import GAN
from ..nonfinite import NonFiniteError
from ..paths import expand
from ..runs.config import Config
from ..runs.loop import sample_images


@dataclass
class Source:
    """A GAN to draw samples from, or samples that are there already, uint8 (N, ...). config: of the run, if known."""

    name: str
    maker: GAN | NDArray[np.uint8]
    config: Config | None = None

    def check(self, shape: tuple[int, ...]) -> None:
        """Raises ValueError unless a sample has as many numbers as an image of `shape`."""
        made = self.maker.sample_shape if isinstance(self.maker, GAN) else self.maker.shape[1:]
        if math.prod(made) != math.prod(shape):
            raise ValueError(f"{self.name} has samples of shape {made}, but the images of this data have {shape}")

    def images(self, n: int, shape: tuple[int, ...], seed: int | None) -> tuple[NDArray[np.uint8], int | None]:
        """n images of the GAN, uint8 (n, *shape), and the seed of their latents; or the samples of a file, and None.

        seed: None is that of the training. Raises NonFiniteError for NaN.
        """
        if not isinstance(self.maker, GAN):
            return self.maker, None
        try:
            return sample_images(self.maker, n, shape, seed), self.maker.seed if seed is None else seed
        except NonFiniteError as error:
            raise NonFiniteError(error.step, error.array, f"{self.name}: {error}") from None


def open_source(path: StrPath, backend: Backend) -> Source:
    """Everything about `path` that can be wrong is found here, before any work.

    Raises FileNotFoundError where there is nothing, ValueError for what cannot be judged.
    """
    where = Path(expand(path))
    if where.is_dir():
        if not (where / "config.json").is_file():
            raise ValueError(f"{where} has no config.json, so it is no folder of a run; give one that train has made")
        if not (where / "checkpoint.npz").is_file():
            raise ValueError(f"{where} has no checkpoint.npz, so there is no GAN to judge; train it first")
        gan, config = GAN.load(where / "checkpoint.npz", backend), Config.read(where / "config.json")
        return Source(os.fspath(path), gan, config)
    if not where.is_file():
        raise FileNotFoundError(f"there is no {where}; give the folder of a run, or samples in an .npz file")
    if where.suffix != ".npz":
        raise ValueError(f"{where} is neither the folder of a run nor an .npz file of samples or a checkpoint")
    _, header = archive.load(where, only=())
    if header.get("format") == checkpoint.FORMAT:
        return Source(os.fspath(path), GAN.load(where, backend))
    return Source(os.fspath(path), datasets.load(where).images)
