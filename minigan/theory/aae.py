"""Codes that have the distribution one asks for.

Statement (Makhzani et al. 2015, "Adversarial Autoencoders", section 2). E says two numbers of each image. Trained to
reconstruct alone, codes lie anywhere, with holes between them of which G makes nothing. If a D that tells codes from
draws of a prior p(z) can tell no more, the aggregated posterior q(z) = E_x q(z | x) is p(z): the game of 2014 is played
between q in the place of p_G and p in that of p_data, so that its equilibrium is theorem 1's, whatever p is.

Experiment. Three priors: N(0, 1); ten Gaussians around the middle; a swiss roll in ten sections. In the last two D is
told 7,000 of 8,000 labels, and each class goes into a part of its own. The digits of the package, 28 x 28; 2,000 of
them are held out. Then a *fresh* D is trained to tell codes of held-out images from draws (two_samples.py): 1/2 is what
it scores where nothing is to be told. It is harder to please than the D of the game, which moved along with the codes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .. import datasets
from ..backend import Backend
from ..games import AAE
from ..recipes import aae as recipe
from ..two_samples import told_apart
from . import Finding, Say

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = np.ndarray[Any, Any]
HELD_OUT, LABELS, STEPS = 2000, 7000, 1500
APART, PURE = 0.6, 0.8


@dataclass(frozen=True)
class Look:
    """A game that has been played. codes: of the held-out images, (n, 2); draws: as many from the prior; labels: of
    the images. apart: what a fresh D scores; pure: the share of images in the part of their class, None without parts.
    """

    name: str
    codes: Array
    draws: Array
    labels: Array
    apart: float
    pure: float | None


@dataclass(frozen=True)
class Codes:
    """What the experiment has found."""

    looks: tuple[Look, ...]
    size = (11.0, 8.0)

    def findings(self) -> list[Finding]:
        found = []
        for look in self.looks:
            found.append(
                Finding(
                    f"{look.name}: told apart by a fresh D", f"{look.apart:.3f}", f"<= {APART}", look.apart <= APART
                )
            )
            if look.pure is not None:
                wanted = f">= {PURE}"
                found.append(
                    Finding(f"{look.name}: in the part of their class", f"{look.pure:.3f}", wanted, look.pure >= PURE)
                )
        return found

    def draw(self, figure: Figure) -> None:
        axes = figure.subplots(2, len(self.looks), squeeze=False)
        for (top, bottom), look in zip(axes.T, self.looks, strict=True):
            for kind in np.unique(look.labels):
                top.scatter(*look.codes[look.labels == kind].T, s=3, linewidths=0, color=f"C{kind % 10}")
            bottom.scatter(*look.draws.T, s=3, linewidths=0, color="grey")
            top.set_title(f"{look.name}: codes", loc="left")
            bottom.set_title("draws from the prior", loc="left")
            reach = float(np.abs(look.draws).max())
            for axis in (top, bottom):
                axis.set_xlim(-reach, reach)
                axis.set_ylim(-reach, reach)
                axis.set_aspect("equal")


def experiment(
    seed: int,
    backend: Backend,
    say: Say,
    *,
    prior: Literal["all", "normal", "ring", "swiss-roll"] = "all",
    steps: int = STEPS,
) -> Codes:
    """Play one game for each prior.

    prior: one of them alone
    steps: of each game
    """
    data = datasets.load("digits")
    labels = np.asarray(data.labels)
    names: tuple[Literal["normal", "ring", "swiss-roll"], ...] = ("normal", "ring", "swiss-roll")
    looks = []
    for name in names if prior == "all" else (prior,):
        told = LABELS if name != "normal" else 0
        say(f"{name}: an adversarial autoencoder of {len(data) - HELD_OUT:,} digits, {told:,} labels told ...")
        game = recipe.build((28, 28), prior=name, labelled=told, width=300, steps=steps, seed=seed, backend=backend)
        known = labels[HELD_OUT:] if told else None
        game.fit(data.images[HELD_OUT:], steps, recipe.BATCH, labels=known)
        looks.append(look(game, name, data.images[:HELD_OUT], labels[:HELD_OUT], seed))
    return Codes(tuple(looks))


def look(game: AAE, name: str, images: Array, labels: Array, seed: int) -> Look:
    """Judge a game by images that it has not seen."""
    codes, draws = game.encode(images), game.latents(len(images), seed=seed + 1)
    pure = float((game.classify(images).argmax(axis=1) == labels).mean()) if game.knows_parts else None
    return Look(name, codes, draws, labels, told_apart(codes, draws, seed=seed), pure)
