"""A hand on G: how near its pictures come to given ones, and how well they follow strokes.

    python benchmarks/projection.py --data mnist --out runs/projection                       every row
    python benchmarks/projection.py --data mnist --out runs/projection latency --processes 1 one of them
    python benchmarks/projection.py --data mnist --out runs/projection --run runs/dcgan-mnist-1

Plays the recipe `dcgan` (or another, --recipe); a folder of a run that is there already (--run) is taken as it is.

    own samples      G's own samples, whose latents are known: the share of which latents, and pixels, are found to a
                     mean square below 0.001
    test pictures    the first test images: mean square error of numbers from -1 to 1, and the share in which the
                     classifier of `minigan evaluate` reads the class of the picture; beside the nearest training
                     picture, and as many principal components of these as a latent has numbers
    strokes          a window of each test picture takes what the next one has there: the mean square under the mask
                     before and after the edit, and the change outside, which is held back or free
    latency          milliseconds for one picture: what the encoder says, a descent of 30 steps by least squares and by
                     Adam, and an edit of 30

by an encoder alone, that has learned from G, or from training pictures as well; by descent from a random latent; and by
descent from where the encoder guesses, by least squares, or by 500 steps of Adam. `--processes` rows are made side by
side, with one BLAS thread each: time `latency` by itself. What is finished is not made again: it lies in the folder of
the run. Figures go to benchmarks/results/projection.json as they come (trials.py).
"""

from __future__ import annotations

import argparse
import json
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import trials
from trials import minigan

from minigan import Game, console, metrics
from minigan.archive import write_atomically
from minigan.datasets import Dataset, to_float, to_uint8
from minigan.evaluation import Evaluator, few_labels
from minigan.evaluation.embeddings import Subject
from minigan.game.generating import Generating
from minigan.inversion import Encoder, editing, kept_encoder, project
from minigan.inversion.given import samples_of
from minigan.inversion.projection import ADAM, LEAST_SQUARES, PULL
from minigan.inversion.projection import STEPS as DESCENT
from minigan.runs.noted import shape_and_classes

OWN, PICTURES, STROKES, LATENCY = "own samples", "test pictures", "strokes", "latency"
ROWS = dict.fromkeys([OWN, PICTURES, STROKES, LATENCY], 1)  # and one seed of each
FOUND = 1e-3  # a mean square below it is the same
REPEATS = 20  # of what is timed
ADAM_STEPS = 500
NOTE = "In brackets: --n. One thread; rows side by side but for the latency."
PREPARING = threading.Lock()
Pixels = np.ndarray[Any, Any]


class Hand(NamedTuple):
    """A game, its pictures, and the encoders."""

    folder: Path
    game: Generating
    subject: Subject
    train: Dataset
    test: Dataset
    encoders: dict[str, Encoder]


def figures(row: str, seed: int, args: argparse.Namespace) -> trials.Row:
    """Of one row."""
    with PREPARING:
        folder = played(seed, args)
        steps = Game.load(folder / "checkpoint.npz", "numpy").steps
    about = {"row": row, "seed": seed, "data": Path(args.data).name, "recipe": args.recipe, "game_steps": steps,
             "steps": args.descent, "encoder_steps": args.encoder_steps, "n": args.n}  # fmt: skip
    target = folder / f"projection-{row.replace(' ', '-')}-{args.n}-{args.descent}-{args.encoder_steps}.json"
    if not target.exists():
        with PREPARING:
            hand = opened(folder, args, row)
        found = FIGURES[row](hand, args)
        with write_atomically(target) as file:
            file.write(json.dumps(found, indent=1).encode())
    return about | {"found": json.loads(target.read_text("utf-8"))}


def played(seed: int, args: argparse.Namespace) -> Path:
    """The folder of a run, which is played if it is not there."""
    folder: Path = args.run or args.out / f"{Path(args.data).name}-{args.recipe}-{seed}"
    if not (folder / "checkpoint.npz").exists():
        words = ["train", args.recipe, "--data", args.data, "--out", str(folder), "--seed", str(seed),
                 "--backend", args.backend, *(["--steps", str(args.steps)] if args.steps else [])]  # fmt: skip
        minigan(*words)
    return folder


def opened(folder: Path, args: argparse.Namespace, row: str = PICTURES) -> Hand:
    """The game, and the encoders of a row, which are learned if they are not there."""
    checkpoint = folder / "checkpoint.npz"
    game = Game.load(checkpoint, args.backend)
    assert isinstance(game, Generating)
    subject = Subject(checkpoint, game.G, shape_and_classes(checkpoint, game)[0], "G", game.steps)
    train, test, _ = few_labels.splits(subject, args.data)
    learned = {"encoder": None} | ({"encoder, training pictures too": train.images} if row == PICTURES else {})
    encoders = {
        name: kept_encoder(game, folder, pictures, steps=args.encoder_steps) for name, pictures in learned.items()
    }
    return Hand(folder, game, subject, train, test.of(np.arange(min(args.n, len(test)))), encoders)


def ways(hand: Hand, steps: int, pull: float) -> dict[str, Callable[[Pixels], Any]]:
    """How latents of pictures are found, by name."""
    alone = {name: lambda x, e=encoder: project(hand.game, x, e, steps=0) for name, encoder in hand.encoders.items()}
    both = {
        f"{name}, then descent": lambda x, e=encoder: project(hand.game, x, e, steps=steps, pull=pull)
        for name, encoder in hand.encoders.items()
    }
    first = next(iter(hand.encoders.values()))
    others = {
        "descent alone": lambda x: project(hand.game, x, steps=steps, starts=1, pull=pull),
        "encoder, then Adam": lambda x: project(hand.game, x, first, method=ADAM, steps=ADAM_STEPS, pull=pull),
    }
    return {**alone, **others, **both}


def own_samples(hand: Hand, args: argparse.Namespace) -> list[trials.Row]:
    """G's own samples, found again."""
    seed = hand.game.seed + 1  # other latents than those at which descents begin
    z = hand.game.latents(args.n, seed)
    x, found = hand.game.generate(z), list[trials.Row]()
    for name, way in ways(hand, args.descent, 0.0).items():
        latents, errors = way(x)
        off = np.mean((latents - z) ** 2, axis=1)
        found.append({
            "name": name, "error": float(errors.mean()), "pixels": float(np.mean(errors < FOUND)),
            "latents": float(np.mean(off < FOUND)), "off": float(np.median(off)),
        })  # fmt: skip
    return found


def test_pictures(hand: Hand, args: argparse.Namespace) -> list[trials.Row]:
    """Real pictures that G has not seen, and what else could stand for them."""
    images, labels = hand.test.images, np.asarray(hand.test.labels)
    evaluator = Evaluator(hand.train, hand.test, n=max(args.n, 4))
    x = to_float(images, "float64").reshape(len(images), -1)

    def judged(name: str, made: Pixels) -> trials.Row:
        error = np.mean((made.reshape(len(x), -1) - x) ** 2, axis=1)
        kept = evaluator.classify(to_uint8(made).reshape(images.shape)) == labels
        return {"name": name, "error": float(error.mean()), "median": float(np.median(error)),
                "kept": float(kept.mean())}  # fmt: skip

    nearest = metrics.nearest_neighbours(images, hand.train.images).indices
    found = [
        judged("the pictures themselves", to_float(images)),
        judged("nearest training picture", to_float(hand.train.images[nearest])),
        judged(f"{hand.game.latent} principal components", in_components(hand.train.images, x, hand.game.latent)),
    ]
    for name, way in ways(hand, args.descent, PULL).items():
        found.append(judged(name, hand.game.generate(way(images).latents)))
    return found


def in_components(train: Pixels, x: Pixels, count: int) -> Pixels:
    """Rows x (N, P) in the first `count` principal components of training pictures, clipped to [−1, 1]."""
    total, squares, mean = len(train), 0.0, 0.0
    for begin in range(0, total, 1000):
        rows = to_float(train[begin : begin + 1000], "float64").reshape(-1, x.shape[1])
        mean, squares = mean + rows.sum(axis=0) / total, squares + rows.T @ rows / total
    _, axes = np.linalg.eigh(squares - np.outer(mean, mean))
    axes = axes[:, ::-1][:, :count]
    return np.asarray((mean + (x - mean) @ axes @ axes.T).clip(-1, 1))


def strokes(hand: Hand, args: argparse.Namespace) -> list[trials.Row]:
    """A window of each picture takes what the next one has there."""
    images = hand.test.images
    (encoder, *_), (height, breadth) = hand.encoders.values(), images.shape[1:3]
    z, _ = project(hand.game, images, encoder, steps=args.descent)
    before, painted = hand.game.generate(z), np.roll(images, -1, axis=0)
    windows = {"upper half": np.s_[: height // 2], "left half": np.s_[:, : breadth // 2],
               "middle": np.s_[height // 3 : -(height // 3), breadth // 3 : -(breadth // 3)]}  # fmt: skip
    wanted, found = samples_of(hand.game, painted).reshape(before.shape), list[trials.Row]()
    for name, window in windows.items():
        mask = np.zeros((1, height, breadth), bool)
        mask[0][window] = True
        inside = np.broadcast_to(mask.reshape(1, -1, 1), (len(z), height * breadth, 1))
        for held, outside in (("", editing.OUTSIDE), (", outside free", 0.0)):
            _, after = editing.edit(hand.game, z, painted, mask, outside=outside)
            found.append({
                "name": f"{name}{held}", "before": square(before, wanted, inside),
                "after": square(after, wanted, inside), "outside": square(after, before, ~inside),
            })  # fmt: skip
    return found


def square(a: Pixels, b: Pixels, where: Pixels) -> float:
    """The mean square of the difference of samples (N, ...) at pixels (N, P, 1)."""
    apart = ((a - b) ** 2).reshape(*where.shape[:2], -1)
    return float((apart * where).sum() / (where.sum() * apart.shape[2]))


def latency(hand: Hand, args: argparse.Namespace) -> list[trials.Row]:
    """Of one picture."""
    game, (encoder, *_), image = hand.game, hand.encoders.values(), hand.test.images[:1]
    z, mask = encoder(image), np.ones((1, *image.shape[1:3]), bool)
    done: dict[str, Callable[[], Any]] = {
        "first answer of the encoder": lambda: game.generate(encoder(image)),
        f"{editing.STEPS} steps of least squares": lambda: project(game, image, encoder, steps=editing.STEPS),
        f"{editing.STEPS} steps of Adam": lambda: project(game, image, encoder, method=ADAM, steps=editing.STEPS),
        f"edit of {editing.STEPS} steps": lambda: editing.edit(game, z, image, mask),
    }
    found = list[trials.Row]()
    for name, act in done.items():
        act()  # arrays are made, loops compiled
        took = []
        for _ in range(REPEATS):
            began = time.perf_counter()
            act()
            took.append(1000 * (time.perf_counter() - began))
        found.append({"name": name, "median": statistics.median(took), "slowest": max(took)})
    return found


FIGURES: dict[str, Callable[[Hand, argparse.Namespace], list[trials.Row]]] = {
    OWN: own_samples, PICTURES: test_pictures, STROKES: strokes, LATENCY: latency,
}  # fmt: skip
COLUMNS: dict[str, dict[str, Callable[[trials.Row], str]]] = {
    OWN: {
        "G's own samples": lambda one: one["name"],
        "mean square error": lambda one: f"{one['error']:.1e}",
        "pixels found, %": lambda one: f"{100 * one['pixels']:.1f}",
        "latents found, %": lambda one: f"{100 * one['latents']:.1f}",
        "latents off by, median": lambda one: f"{one['off']:.1e}",
    },
    PICTURES: {
        "test pictures": lambda one: one["name"],
        "mean square error": lambda one: f"{one['error']:.4f}",
        "median": lambda one: f"{one['median']:.4f}",
        "class kept, %": lambda one: f"{100 * one['kept']:.1f}",
    },
    STROKES: {
        "strokes in": lambda one: one["name"],
        "error under the mask": lambda one: f"{one['before']:.3f}",
        "after the edit": lambda one: f"{one['after']:.3f}",
        "change outside": lambda one: f"{one['outside']:.3f}",
    },
    LATENCY: {
        "one picture": lambda one: one["name"],
        "median, ms": lambda one: f"{one['median']:.1f}",
        "slowest, ms": lambda one: f"{one['slowest']:.1f}",
    },
}


def table(rows: Sequence[trials.Row]) -> str:
    """A table for each kind of row."""
    parts = []
    for row in rows:
        columns = COLUMNS[row["row"]]
        title = f"{row['data']}, {row['recipe']}, {row['game_steps']:,} steps, seed {row['seed']}: {row['row']}"
        cells = [[shown(one) for shown in columns.values()] for one in row["found"]]
        many = "" if row["row"] == LATENCY else f" ({row['n']:,})"
        parts.append(f"{title}{many}\n\n{console.table(list(columns), cells, left=(0,))}")
    return "\n\n".join(parts)


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", type=Path, help="folder of the run; it is played there if there is none")
    parser.add_argument("--recipe", default="dcgan", help="that is played (default: dcgan)")
    parser.add_argument("--n", type=int, default=500, help="pictures (default: 500)")
    parser.add_argument(
        "--descent", type=int, default=DESCENT[LEAST_SQUARES], help="steps of each descent (default: 20)"
    )
    parser.add_argument("--encoder-steps", type=int, default=1000, help="of each encoder (default: 1,000)")


if __name__ == "__main__":
    trials.main(__doc__ or "", "projection.json", "seed", ROWS, figures, table, NOTE, more=more)
