"""`minigan project`: pictures in, the latents from which a trained G makes them out, and what it makes of these."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import archive
from ..backend import Backend
from ..console import say
from ..datasets import Split
from ..datasets.pictures import shown
from ..evaluation.embeddings import Pixels, Subject
from ..game import Game
from ..game.generating import Generating
from ..games import AAE
from ..inversion import encoder as encoders
from ..inversion import kept_encoder, projection
from ..inversion.descent import require_noise
from ..kept import Say
from ..paths import StrPath, expand
from ..runs import pictures
from ..runs.noted import checkpoint_of, shape_and_classes
from ..runs.picture_files import check_files, check_targets, found, save_pictures, save_sheet
from ..runs.sheets import change
from ..runs.walks import between
from ..samples import images_of
from ..spec import integer
from . import add_averaged, add_import, an_integer, backend_argument, check_file

LATENTS = "latents.npz"
_DESCRIPTION = """\
Find the latents from which the G of a run makes what is most like pictures: an
encoder, which is learned once and kept beside the run, guesses them, and a
descent goes on from there.

  minigan project runs/dcgan-mnist-1 seven.png --out found/
  minigan project runs/dcgan-mnist-1 drawings/ --out found/ --sheet both.png
                              what G makes of each, and latents.npz
  minigan project runs/dcgan-mnist-1 a.png b.png --out found/ --walk walk.png
                              from the first picture to the second
  minigan project runs/dcgan-mnist-1 mnist --split test --n 100 --out found.npz
                              a data set, as --data takes one; its labels stay
  minigan project runs/dcgan-mnist-1 seven.png --out found/ --training mnist
                              by an encoder that learns from these as well
"""


class Found(NamedTuple):
    """pictures: as they were projected, uint8 (N, *shape). made: what G makes of the latents, likewise. latents: float
    (N, latent). errors: (N,), the mean square of the difference of G's samples, whose numbers are from −1 to 1."""

    pictures: Pixels
    made: Pixels
    latents: np.ndarray[Any, Any]
    errors: np.ndarray[Any, Any]


def arguments(parser: argparse.ArgumentParser, argv: list[str]) -> None:
    parser.description = _DESCRIPTION
    parser.add_argument("directory", metavar="RUN", help="the folder of a run, or a checkpoint.npz")
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE|DATA",
        help="pictures of any size, or folders of them; for an .npz one data set",
    )
    parser.add_argument("--out", required=True, metavar="DIR|FILE.npz", help="a folder, new or empty, or an .npz")
    parser.add_argument("--sheet", metavar="FILE.png", help="each picture, G's, and the difference, side by side")
    parser.add_argument("--walk", metavar="FILE.png", help="the way of G from the first picture to the second")
    parser.add_argument("--split", choices=("train", "test"), default="train", help="of a data set (default: train)")
    parser.add_argument("--n", type=an_integer, metavar="N", help="the first so many of a data set (default: all)")
    parser.add_argument(
        "--method", choices=tuple(projection.STEPS), default=projection.LEAST_SQUARES,
        help=f"of descent (default: {projection.LEAST_SQUARES})",
    )  # fmt: skip
    parser.add_argument(
        "--steps", type=an_integer, metavar="N",
        help=f"of each descent; 0: what the encoder says (default: {projection.STEPS[projection.LEAST_SQUARES]}, or "
        f"{projection.STEPS[projection.ADAM]} of Adam)",
    )  # fmt: skip
    parser.add_argument(
        "--encoder",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="begin where an encoder guesses (default: --encoder)",
    )
    parser.add_argument(
        "--encoder-steps", type=an_integer, default=encoders.STEPS, metavar="N",
        help=f"of the encoder, if it is learned now (default: {encoders.STEPS})",
    )  # fmt: skip
    parser.add_argument(
        "--training", metavar="DATA", help="the encoder learns from these training pictures too, as --data takes them"
    )
    parser.add_argument(
        "--starts", type=an_integer, metavar="N",
        help=f"begin at so many random latents as well (default: 0, or {projection.STARTS} with --no-encoder)",
    )  # fmt: skip
    parser.add_argument("--seed", type=an_integer, metavar="S", help="of these (default: that of the training)")
    add_averaged(parser)
    parser.add_argument("--backend", default="auto", **backend_argument())
    add_import(parser)


def run(args: argparse.Namespace) -> int:
    settings = {name: value for name, value in vars(args).items() if name != "command"}
    result = project(**settings, say=lambda sentence: say(sentence, to="stderr"))
    error = float(result.errors.mean())
    say(f"{len(result.made):,} pictures in {expand(args.out)}, mean square error {error:.4f} of numbers from -1 to 1")
    return 0


def project(
    directory: StrPath,
    files: Sequence[StrPath],
    out: StrPath,
    *,
    sheet: StrPath | None = None,
    walk: StrPath | None = None,
    split: Split = "train",
    n: int | None = None,
    method: str = projection.LEAST_SQUARES,
    steps: int | None = None,
    encoder: bool = True,
    encoder_steps: int = encoders.STEPS,
    training: str | None = None,
    starts: int | None = None,
    seed: int | None = None,
    averaged: bool = True,
    backend: str | Backend = "auto",
    say: Say | None = None,
) -> Found:
    """Write what the G in `directory`, a run folder or a checkpoint, makes of pictures, and their latents, to `out`.

    files: pictures of any size and folders of them, for a folder `out`, new or empty, in which each result has the name
    of its picture, as PNG, beside `latents.npz`; or one data set, as `minigan.datasets.load` takes it, for an .npz
    `out` with `images` as well, and `labels` if it has some. Both hold `latents` (N, latent) and `errors` (N,), as
    `minigan.inversion.project` gives them. Pictures are scaled to the size of G's. sheet: a picture of the first of
    them beside G's. walk: a picture of the way from the first to the second. split, n: of the data set. encoder: begin
    where one guesses, which is kept beside the checkpoint; an AAE has its own. encoder_steps: of one that is learned
    now. training: data from whose training pictures it learns as well. method, steps, starts, seed, averaged: as of
    `minigan.inversion.project`. say: called with sentences.

    Returns what was found. Raises ValueError, TypeError or FileNotFoundError for what cannot be used.
    """
    steps = None if steps is None else integer("steps", steps, least=0)
    if training is not None and not encoder:
        raise ValueError("--training is what an encoder learns from; leave it out, or let an encoder guess")
    starts = None if starts is None else integer("starts", starts, least=0)
    target = Path(expand(out))
    table = target.suffix.lower() == ".npz"
    beside, way = (None if file is None else Path(expand(file)) for file in (sheet, walk))
    given: list[Path] = [] if table else list(found(files))
    if table:
        check_files(target, beside)
    else:
        check_targets(target, given, beside)
        if n is not None:
            raise ValueError("--n says how many of a data set, which goes to --out FILE.npz; leave it out")
    if table and len(files) > 1:
        raise ValueError(f"one data set becomes one .npz, but {len(files)} were given; give pictures, and --out DIR")
    if way is not None:
        check_file("--walk", way)
        pictures.format_of(way)
    checkpoint = checkpoint_of(directory)
    game = require_noise(Game.load(checkpoint, backend))
    subject = Subject(checkpoint, game.G, shape_and_classes(checkpoint, game)[0], "G", game.steps)
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    if table:
        data = subject.load(files[0], split)
        asked = data.images if n is None else data.images[: integer("n", n)]
        if data.labels is not None:
            arrays["labels"] = data.labels[: len(asked)]
    else:
        asked = subject.read([os.fspath(file) for file in given])
        arrays["files"] = np.array([shown(os.fspath(file)) for file in given])
    if way is not None and len(asked) < 2:
        raise ValueError("a walk goes from one picture to another, but one was given; give two, or leave out --walk")
    guess = None
    if encoder:
        seen = None if training is None else subject.load(training, "train").images
        guess = _encoder(game, checkpoint.parent, seen, encoder_steps, averaged, say)
    z, errors = projection.project(
        game, asked, guess, method=method, steps=steps, starts=starts, seed=seed, averaged=averaged
    )  # fmt: skip
    made = images_of(game, z, subject.shape, averaged)
    arrays |= {"latents": z, "errors": errors}
    if table:
        archive.save(target, {"images": made, **arrays})
    else:
        save_pictures(target, given, [one[None] for one in made])
        archive.save(target / LATENTS, arrays)
    if beside is not None:
        save_sheet(str(beside), [{"picture": asked, "by G": made, "difference": change(asked, made)}])
    if way is not None:
        steps_between = images_of(game, between(game, z[:1], z[1:2]), subject.shape, averaged)
        row = np.concatenate([asked[:1], steps_between, asked[1:2]])
        pictures.save_picture(way, pictures.grid(row, rows=1))
    return Found(asked, made, z, errors)


def _encoder(
    game: Generating, beside: Path, seen: Pixels | None, steps: int, averaged: bool, say: Say | None
) -> projection.Encode:
    """Who guesses latents: the E of an AAE, or one that was kept or is learned now. seen: pictures it learns from."""
    if isinstance(game, AAE):
        if seen is not None:
            raise ValueError("an AAE has an encoder, which has learned from pictures; leave out --training")
        return lambda samples: game.encode(samples, averaged)
    return kept_encoder(game, beside, seen, steps=steps, averaged=averaged, say=say)
