"""Pictures of a game beyond samples and losses, by the names of their files: what only games of its kind have.

    codes.png        codes of images in the plane, coloured by class, beside draws from their prior
    manifold.png     what G makes of all of that plane

Both of an adversarial autoencoder with two numbers in a code and no categories (Makhzani et al. 2015, figures 2 to 4).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..datasets import Dataset
from ..files import Target
from ..game import Game
from ..games import AAE
from ..priors import Normal
from ..samples import as_images
from . import pictures

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_POINTS = 5000  # codes in the plane
_SIDE = 20  # images along a side of the manifold


def portraits(game: Game, dataset: Dataset) -> dict[str, Callable[[Target], None]]:
    """The pictures of a game that has some, each to be written to a file."""
    if isinstance(game, AAE) and game.latent == 2 and not game.codes:
        return {
            "codes.png": partial(_codes, game=game, dataset=dataset),
            "manifold.png": partial(_manifold, game=game, shape=dataset.image_shape),
        }
    return {}


@pictures.default_style()
def _codes(path: Target, game: AAE, dataset: Dataset) -> None:
    figure = pictures.new_figure((11, 5.5))
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    count = min(_POINTS, len(dataset))
    chosen = np.linspace(0, len(dataset) - 1, count).astype(int)
    labels = None if dataset.labels is None else np.asarray(dataset.labels)[chosen]
    scatter(left, game.encode(dataset.images[chosen]), labels, dataset.classes)
    left.set_title(f"codes of {count:,} images", loc="left")
    draws = game.latents(count)
    parts = game.noise_prior.part_of(draws) if game.knows_parts else None
    scatter(right, draws, parts, {})
    right.set_title("draws from their prior", loc="left")
    pictures.save_figure(path, figure)


def scatter(axes: Axes, points: NDArray[Any], labels: NDArray[Any] | None, names: dict[int, str]) -> None:
    """Points (n, 2) in the plane, in a colour for each label; names: of labels, for a legend."""
    kinds = np.zeros(len(points), int) if labels is None else labels
    few = len(np.unique(kinds)) <= 10
    for i, kind in enumerate(np.unique(kinds)):
        x, y = points[kinds == kind].T
        colour = f"C{i}" if few else None
        axes.scatter(x, y, s=3, linewidths=0, color=colour, label=names.get(int(kind), str(kind)))
    axes.set_aspect("equal")
    if labels is not None and names and few:
        axes.legend(markerscale=4, loc="upper right", fontsize="small", handletextpad=0.1)


def _manifold(path: Target, game: AAE, shape: tuple[int, ...]) -> None:
    pictures.save_png(path, manifold(game, shape))


def manifold(game: AAE, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """A picture of what G makes of a grid in the plane: of quantiles of N(0, 1), or of where the prior mostly is."""
    if isinstance(game.noise_prior, Normal):
        from statistics import NormalDist  # here: of all runs, few draw this

        line = np.array([NormalDist().inv_cdf((i + 0.5) / _SIDE) for i in range(_SIDE)])
    else:
        reach = float(np.quantile(np.abs(game.latents(_POINTS)), 0.99))
        line = np.linspace(-reach, reach, _SIDE)
    x, y = np.meshgrid(line, line[::-1])  # upwards, as in codes.png
    latents = np.stack([x.ravel(), y.ravel()], axis=1).astype(game.dtype)
    return pictures.grid(as_images(game, game.generate(latents), shape), columns=_SIDE)
