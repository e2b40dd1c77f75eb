"""Asked what comes next, the least square answers with an average, which is no answer.

Statement. An input x has several right answers y. E |y − g|² is least at g = E[y | x], their average, and E |y − g| at
their median, number by number. Where the answers differ in most pixels, the average is faint and blurred, and the
median empty: neither is an answer. The game of 2014 on pairs (P. Isola et al., "Image-to-Image Translation with
Conditional Adversarial Networks", 2017) has its equilibrium at p_G(y | x) = p(y | x): D has never seen an average.

Experiment. A ball falls on the floor, and bounces off in one of five directions, all equally likely: 0, 35 or 70
degrees from the vertical. What is given is where it touches down; what is wanted, one of the five pictures thereafter.
A small U-Net learns it by squares, by absolute differences, and in the game, where nothing but D says what is wanted,
and noise is injected at each of G's sizes. Then, for balls that it has not seen: how far are its pictures
from the nearest right answer, and from the average of all five (RMS, in grey levels)? How many of the five do its draws
come nearest to? The game makes balls, and not one ball for all: with noise on the way up only it did.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..backend import Backend
from ..datasets import to_uint8
from ..datasets.pairs import Pairs
from ..metrics import gradient_energy, nearest_answer
from ..recipes import pix2pix
from . import Finding, Say

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Pixels = NDArray[np.uint8]
SIDE, RADIUS, FAR = 24, 2.0, 8.0  # pixels: of a picture, of the ball, and how far it comes
DIRECTIONS = np.radians([-70, -35, 0, 35, 70])
BALLS, TESTED, DRAWS = 4000, 100, 30
STEPS, BATCH = 600, 32
SHOWN = 4  # questions in the picture, and draws of the game
SHARP, COVERED = (0.7, 1.4), 0.6


@dataclass(frozen=True)
class Answers:
    """What somebody answers. draws: uint8 (N, m, H, W), m times. nearest, mean, energy, covered: as above; energy of
    gradients, as a multiple of that of the right answers."""

    name: str
    draws: Pixels
    nearest: float
    mean: float
    energy: float
    covered: float


@dataclass(frozen=True)
class Answered:
    """What the experiment has found. inputs (N, H, W) and all right answers (N, 5, H, W)."""

    inputs: Pixels
    right: Pixels
    squares: Answers
    absolutes: Answers
    game: Answers
    size = (12.0, 4.4)

    def findings(self) -> list[Finding]:
        found = []
        for answers in (self.squares, self.absolutes, self.game):
            chosen = answers is self.game
            near, mean = answers.nearest, answers.mean
            found.append(
                Finding(
                    f"{answers.name}: to the nearest answer, to the average", f"{near:.1f}, {mean:.1f}",
                    "nearest < average" if chosen else "nearest > average", (near < mean) == chosen,
                )
            )  # fmt: skip
        for answers in (self.squares, self.absolutes):
            found.append(_sharpness(answers, "<= 0.4", answers.energy <= 0.4))
        low, high = SHARP
        found.append(_sharpness(self.game, f"{low} to {high}", low <= self.game.energy <= high))
        covered = f"{self.game.covered:.2f}"
        found.append(
            Finding(
                f"{self.game.name}: share of answers found in {DRAWS} draws", covered, f">= {COVERED}",
                self.game.covered >= COVERED,
            )
        )  # fmt: skip
        return found

    def draw(self, figure: Figure) -> None:
        k = self.right.shape[1]
        columns = [("given", self.inputs), *((f"right {i + 1}", self.right[:, i]) for i in range(k))]
        columns.append(("average", np.rint(self.right.mean(axis=1)).astype(np.uint8)))
        columns += [(answers.name, answers.draws[:, 0]) for answers in (self.squares, self.absolutes)]
        columns += [(f"{self.game.name} {i + 1}", self.game.draws[:, i]) for i in range(SHOWN)]
        for row, axes in enumerate(figure.subplots(SHOWN, len(columns), squeeze=False)):
            for axis, (name, pictures) in zip(axes, columns, strict=True):
                axis.imshow(pictures[row], cmap="gray", vmin=0, vmax=255)
                axis.set_axis_off()
                if row == 0:
                    axis.set_title(name, fontsize="small")


def _sharpness(answers: Answers, wanted: str, holds: bool) -> Finding:
    return Finding(
        f"{answers.name}: energy of gradients, times that of answers", f"{answers.energy:.2f}", wanted, holds
    )


def balls(centres: NDArray[np.float64]) -> Pixels:
    """Pictures (N, H, W) of a ball each, its edge one pixel soft. centres: (N, 2), rows and columns."""
    y, x = np.mgrid[:SIDE, :SIDE]
    away = np.hypot(y - centres[:, 0, None, None], x - centres[:, 1, None, None])
    return np.asarray(np.rint(255 * np.clip(RADIUS + 0.5 - away, 0, 1)), np.uint8)


def bounces(n: int, seed: int) -> tuple[Pairs, Pixels]:
    """Pairs of n balls, before and after, and all five right answers, (n, 5, H, W)."""
    rng = np.random.default_rng(seed)
    centres = np.stack([rng.uniform(18.5, 20.5, n), rng.uniform(10, 13, n)], axis=1)
    ways = FAR * np.stack([-np.cos(DIRECTIONS), np.sin(DIRECTIONS)], axis=1)
    right = np.stack([balls(centres + way) for way in ways], axis=1)
    chosen = right[np.arange(n), rng.integers(0, len(ways), n)]
    return Pairs(chosen, None, "balls", inputs=balls(centres)), right


def experiment(seed: int, backend: Backend, say: Say, *, steps: int = STEPS) -> Answered:
    """One network learns three times.

    steps: of each training
    """
    train, _ = bounces(BALLS, 2 * seed)
    test, right = bounces(TESTED, 2 * seed + 1)
    sharpness = float(gradient_energy(right.reshape(-1, SIDE, SIDE)).mean())
    answered = dict[str, Any]()
    kinds: dict[str, tuple[str, dict[str, Any]]] = {
        "squares": ("L2", {"adversary": 0.0, "distance": "l2"}),
        "absolutes": ("L1", {"adversary": 0.0, "distance": "l1"}),
        "game": ("game", {"weight": 0.0, "r1": 1.0, "patch": "image", "d_width": 16, "noise": "injected"}),
    }
    for kind, (name, options) in kinds.items():
        say(f"{name}: {steps:,} steps ...")
        game = pix2pix.build((SIDE, SIDE), width=8, average=0.9, steps=steps, seed=seed, backend=backend, **options)
        game.fit(train, steps, BATCH)
        draws = np.stack([to_uint8(game.translate(test.inputs, i)[..., 0]) for i in range(DRAWS)], axis=1)
        near = nearest_answer(draws, right)
        energy = float(gradient_energy(draws.reshape(-1, SIDE, SIDE)).mean()) / sharpness
        figures = (float(part.mean()) for part in near)
        nearest, mean, covered = figures
        answered[kind] = Answers(name, draws, nearest, mean, energy, covered)
    return Answered(test.inputs, right, **answered)
