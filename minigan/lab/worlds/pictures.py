"""Pictures: samples that stay the same ones while they grow, and a way to walk about among them.

A walk has three corners a, b and c, latents that a seed draws. The pad's place (x, y) is the latent
(a + x b + y c)/√(1 + x² + y²): independent normal noise keeps its variance everywhere. Neighbours are the images of the
data that are nearest to what G makes there, by the Euclidean distance of pixels: a G that has learned by heart shows it
here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...codes import Label
from ...datasets import load
from ...game.generating import Generating
from ...gan import GAN
from ...priors import Normal
from ...recipes import gan as recipe
from ...samples import images_of
from .games import options
from .world import Array, World

SAMPLES, NEAREST, PATH = 25, 6, 9  # samples; neighbours; pictures of the way from one corner to the next
LOOKED_AT = 10_000  # images that neighbours are looked for among
REACH = 2.0  # of the pad
SEEDS = 1_000_000


class Gallery:
    """What there is to see of a game of pictures.

    images: (N, H, W[, C]) uint8, of the data; None if they are not there. shape: of a picture. classes: their names,
    where the game can be asked for one.
    """

    def __init__(
        self, shape: Sequence[int], classes: Sequence[str] = (), images: NDArray[np.uint8] | None = None
    ) -> None:
        self.shape, self.classes = tuple(shape), list(classes)
        self._images = None if images is None else images[:LOOKED_AT]
        if self._images is not None:
            flat = self._images.reshape(len(self._images), -1).astype(np.float32)
            self._flat, self._squares = flat, (flat**2).sum(axis=1)

    def frame(self, gan: Generating, view: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Array]]:
        """view: {pad: [x, y], seed, label}, as far as somebody has asked for it."""
        label = self._label(gan, view)
        a, b, _ = gan.latents(3, _seed(view), label)
        noise = slice(gan.latent)
        way = np.repeat(a[None], PATH, axis=0)  # codes stay as they are: between two classes there is none
        for i, t in enumerate(np.linspace(0, np.pi / 2, PATH)):
            way[i, noise] = _kept(np.cos(t) * a[noise] + np.sin(t) * b[noise], gan)
        made = images_of(gan, np.concatenate([self.latent(gan, view), way]), self.shape)
        samples = images_of(gan, self._samples(gan, label), self.shape)
        arrays = {
            "samples": with_channels(samples),
            "picked": with_channels(made[:1]),
            "strip": with_channels(made[1:]),
        }
        if self._images is not None:
            arrays["neighbours"] = with_channels(self._nearest(made[0]))
        facts = {"labels": self._names(gan), "reach": REACH, "shape": list(self.shape), "of": self._of(),
                 "paints": not gan._codes.width}  # fmt: skip
        return facts, arrays

    def latent(self, gan: Generating, view: Mapping[str, Any]) -> Array:
        """The latent (1, ...) of one of the samples, {sample: i}, or of a place on the pad, {pad: [x, y], seed}; either
        may have a label. Raises ValueError for a sample that is not shown."""
        label = self._label(gan, view)
        if "sample" in view:
            i = view["sample"]
            if not isinstance(i, int) or isinstance(i, bool) or not 0 <= i < SAMPLES:
                raise ValueError(f"sample is {i!r:.40}, but a whole number from 0 to {SAMPLES - 1} was expected")
            return self._samples(gan, label)[i : i + 1]
        x, y = _pad(view)
        a, b, c = gan.latents(3, _seed(view), label)
        here, noise = a[None].copy(), slice(gan.latent)
        here[0, noise] = _kept((a + x * b + y * c)[noise] / np.sqrt(1 + x * x + y * y), gan)
        return here

    def _samples(self, gan: Generating, label: int | None) -> Array:
        return gan.latents(SAMPLES, gan.seed, gan.in_turn(SAMPLES) if label is None else label)

    def _names(self, gan: Generating) -> list[str]:
        """Of what it can be asked for."""
        turn = gan.in_turn(10_000)
        count = 0 if turn is None else int(turn.max()) + 1
        if len(self.classes) == count:
            return self.classes
        kind = "class" if any(isinstance(code, Label) for code in gan.codes) else "category"
        return [f"{kind} {i}" for i in range(count)]

    def _label(self, gan: Generating, view: Mapping[str, Any]) -> int | None:
        label = view.get("label")
        return label if isinstance(label, int) and 0 <= label < len(self._names(gan)) else None

    def _nearest(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        assert self._images is not None
        x = picture.reshape(-1).astype(np.float32)
        distances = self._squares - 2 * (self._flat @ x)
        return np.asarray(self._images[np.argsort(distances)[:NEAREST]])

    def _of(self) -> str:
        return "" if self._images is None else f"the nearest of {len(self._images):,} images of the data"


class PicturesWorld(World):
    """Digits, learned while one looks, by the networks of the recipe `quick`."""

    name = "pictures"
    chunk = 1
    LATENT = 64

    def __init__(self, settings: dict[str, Any]) -> None:
        digits = load("digits")
        self.data, self.labels = digits.images, digits.labels
        self.gallery = Gallery(digits.image_shape, [str(n) for n in range(10)], digits.images)

    def build(self, settings: dict[str, Any]) -> GAN:
        chosen = {**options(settings, self.LATENT), "nets": "conv", "d_norm": "batch", "reuse_fakes": True}
        return recipe.build(self.gallery.shape, **chosen, seed=settings["seed"], d_pretrain=settings["d_pretrain"])

    def frame(self, gan: GAN, view: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Array]]:
        return self.gallery.frame(gan, view)


def _kept(noise: Array, gan: Generating) -> Array:
    """Noise as the prior draws it: a prior with bounds keeps them."""
    return noise if isinstance(gan.noise_prior, Normal) else np.clip(noise, -1, 1)


def with_channels(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(n, H, W, C), with one channel for grey ones."""
    return images if images.ndim == 4 else images[..., None]


def _seed(view: Mapping[str, Any]) -> int:
    seed = view.get("seed", 1)
    return seed % SEEDS if isinstance(seed, int) else 1


def _pad(view: Mapping[str, Any]) -> tuple[float, float]:
    pad = view.get("pad")
    if not (isinstance(pad, (list, tuple)) and len(pad) == 2 and all(isinstance(p, (int, float)) for p in pad)):
        return 0.0, 0.0
    x, y = (float(np.clip(p, -REACH, REACH)) if np.isfinite(p) else 0.0 for p in pad)
    return x, y
