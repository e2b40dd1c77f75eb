"""What can be judged: the folder of a run, a checkpoint, a file of samples, or a folder of pictures."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .. import archive
from ..archive import StrPath
from ..backend import Backend
from ..game import Game, saved
from ..game.update import NonFiniteError
from ..games.image_to_image import ImageToImage
from ..paths import expand
from ..runs.config import Config
from ..runs.data import load_data
from ..samples import sample_images


@dataclass
class Source:
    """A game to draw samples from, or samples that are there already, uint8 (N, ...). config: of the run, if known."""

    name: str
    maker: Game | NDArray[np.uint8]
    config: Config | None = None

    def check(self, shape: tuple[int, ...]) -> None:
        """Raises ValueError unless a sample has as many numbers as an image of `shape`.

        Pictures that are grey though they were kept as colour, or the other way round, are made what the data is.
        """
        if not isinstance(self.maker, Game):
            self.maker = _coloured(self.maker, shape)
        made = self.maker.sample_shape if isinstance(self.maker, Game) else self.maker.shape[1:]
        if math.prod(made) != math.prod(shape):
            scale = "" if isinstance(self.maker, Game) else f"; --size {shape[1]}x{shape[0]} scales pictures"
            raise ValueError(
                f"{self.name} has samples of shape {made}, but the images of this data have {shape}{scale}"
            )

    def images(self, n: int, shape: tuple[int, ...], seed: int | None) -> tuple[NDArray[np.uint8], int | None]:
        """n images of the game, uint8 (n, *shape), and the seed of their latents; or the samples of a file, and None.

        seed: None is that of the training. Raises NonFiniteError for NaN.
        """
        if not isinstance(self.maker, Game):
            return self.maker, None
        try:
            return sample_images(self.maker, n, shape, seed), self.maker.seed if seed is None else seed
        except NonFiniteError as error:
            raise NonFiniteError(error.step, error.array, f"{self.name}: {error}") from None


def open_source(path: StrPath, backend: Backend, size: str = "") -> Source:
    """Everything about `path` that can be wrong is found here, before any work. size: of pictures and samples, or "".

    Raises FileNotFoundError where there is nothing, ValueError for what cannot be judged.
    """
    where = Path(expand(path))
    if where.is_dir() and not any((where / name).exists() for name in ("config.json", "checkpoint.npz")):
        try:
            return Source(os.fspath(path), load_data(where, size=size).images)
        except ValueError as error:
            raise ValueError(
                f"{where} has no config.json, so it is no folder of a run, nor one of pictures: {error}"
            ) from None
    if where.is_dir():
        if not (where / "config.json").is_file():
            raise ValueError(f"{where} has no config.json, so it is no folder of a run; give one that train has made")
        if not (where / "checkpoint.npz").is_file():
            raise ValueError(f"{where} has no checkpoint.npz, so there is no GAN to judge; train it first")
        gan, config = Game.load(where / "checkpoint.npz", backend), Config.read(where / "config.json")
        return Source(os.fspath(path), gan, config)
    if not where.is_file():
        raise FileNotFoundError(
            f"there is no {where}; give the folder of a run or of pictures, or an .npz file of samples"
        )
    if where.suffix != ".npz":
        raise ValueError(f"{where} is neither the folder of a run nor an .npz file of samples or a checkpoint")
    _, header = archive.load(where, only=())
    if header.get("format") in saved.FORMATS:
        game = Game.load(where, backend)
        if isinstance(game, ImageToImage):
            raise ValueError(f"{where} makes pictures of inputs, and does not say of which; give the folder of its run")
        return Source(os.fspath(path), game)
    return Source(os.fspath(path), load_data(where, size=size).images)


def _coloured(images: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Images with the channels of `shape`, where nothing is lost by it."""
    if len(shape) == 2 and images.ndim == 4 and images.shape[3] == 3 and (images == images[..., :1]).all():
        return np.ascontiguousarray(images[..., 0])
    if len(shape) == 3 and shape[2] == 3 and images.ndim == 3 and images.shape[1:] == shape[:2]:
        return np.repeat(images[..., None], 3, axis=3)
    return images
