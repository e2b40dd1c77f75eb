"""`minigan search`: the pictures of a collection that are most like one, as a network of a game sees them."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from ..backend import Backend
from ..console import columns, say, table
from ..datasets import Split
from ..datasets.pictures import shown
from ..evaluation.embeddings import NetworkFeatures, open_subject
from ..evaluation.search import Hits, collages, collection, kept_index
from ..kept import Say
from ..nn.features import POOL, last_hidden
from ..paths import StrPath, expand
from ..runs import pictures
from ..runs.picture_files import found
from ..spec import integer
from . import add_features, an_integer, check_file

_DESCRIPTION = """\
Find pictures by an example: those of a folder or a data set that are nearest
to it by the cosine of what a trained discriminator makes of them. The features
of all are kept beside the run, so that the next search is quick.

  minigan search runs/dcgan-photos-1 cat.jpg --in photos/
  minigan search runs/dcgan-mnist-1 seven.png --in mnist --sheet like-it.png
  minigan search runs/dcgan-mnist-1 drawings/ --in mnist --n 5
"""


def arguments(parser: argparse.ArgumentParser, argv: list[str]) -> None:
    parser.description = _DESCRIPTION
    parser.add_argument("directory", metavar="RUN", help="the folder of a run, or a checkpoint.npz")
    parser.add_argument("queries", nargs="+", metavar="QUERY", help="pictures, or folders of them")
    parser.add_argument(
        "--in", dest="data", required=True, metavar="DATA", help="what is searched, as in train; scaled as the run's"
    )
    parser.add_argument("--split", choices=("train", "test"), default="train", help="of the data (default: train)")
    parser.add_argument("--n", type=an_integer, default=10, metavar="N", help="so many of each (default: 10)")
    parser.add_argument(
        "--index", metavar="FILE.npz", help="where the features are kept (default: in a file of their own in RUN)"
    )
    parser.add_argument("--sheet", metavar="FILE.png", help="each query in a row with what was found")
    parser.add_argument(
        "--standardise", action="store_true", help="bring each column of the features to standard deviation 1 before"
    )
    add_features(parser, "of the last hidden one, by which the like are found best")


def run(args: argparse.Namespace) -> int:
    names, hits = search(
        args.directory, args.queries, args.data, split=args.split, n=args.n, index=args.index, sheet=args.sheet,
        standardise=args.standardise, net=args.net, layers=args.layers, pool=args.pool, backend=args.backend,
        say=lambda sentence: say(sentence, to="stderr"),
    )  # fmt: skip
    for i, (query, result) in enumerate(hits.items()):
        rows = [[f"{k + 1}", names[place], f"{cosine:.3f}"] for k, (place, cosine) in
                enumerate(zip(result.places[0].tolist(), result.similarities[0].tolist(), strict=True))]  # fmt: skip
        say(("" if i == 0 else "\n") + f"{query}\n")
        say(table(["", "picture", "similarity"], rows, (1,), columns()))
    return 0


def search(
    directory: StrPath,
    queries: Sequence[StrPath],
    data: StrPath,
    *,
    split: Split = "train",
    n: int = 10,
    index: StrPath | None = None,
    sheet: StrPath | None = None,
    standardise: bool = False,
    net: str = "D",
    layers: Sequence[str | int] | None = None,
    pool: int = POOL,
    backend: str | Backend = "auto",
    say: Say | None = None,
) -> tuple[list[str], dict[str, Hits]]:
    """The n pictures of `data` that are most like each query, as a network of the game in `directory` sees them.

    directory: the folder of a run, or a checkpoint. queries: pictures of any size, and folders of them. data: as
    `minigan.datasets.load` takes it, scaled to the pictures of the run. index: an `.npz` that keeps the features of all
    (default: a file of their own beside the checkpoint). sheet: a picture of queries and of what was found. net,
    layers, pool: as of `open_subject` and `Sequential.features`, but that the last hidden layer is the default. say:
    called with sentences.

    Returns the names of all pictures, and the hits by the name of the query. Raises ValueError or FileNotFoundError for
    what cannot be used, ConnectionError if a download fails.
    """
    n = integer("n", n)
    pictures.require("Pillow")
    for flag, file in (("--index", index), ("--sheet", sheet)):
        if file is not None:
            check_file(flag, Path(expand(file)))
    if sheet is not None:
        pictures.format_of(expand(sheet))
    if index is not None and not os.fspath(index).lower().endswith(".npz"):
        raise ValueError(f"an index is an .npz, but {os.fspath(index)} was given; take --index FILE.npz")
    files = [os.fspath(file) for file in found(queries)]
    subject = open_subject(directory, net, backend)
    asked = subject.read(files)
    at = [last_hidden(subject.net.chain)] if layers is None else layers
    embed = NetworkFeatures(subject.net, subject.shape, at, pool)
    images, names = collection(subject, data, split)
    kept = kept_index(
        embed, images.images, names, standardise, file=index, beside=subject.checkpoint.parent, say=say
    )  # fmt: skip
    hits = kept.search(embed(asked), n)
    if sheet is not None:
        titles = ["query", *map(str, range(1, hits.places.shape[1] + 1))]
        rows = pictures.grid(collages(asked, images.images, hits), columns=len(titles))
        pictures.save_picture(expand(sheet), pictures.titled(rows, titles))
    each = {shown(file): Hits(hits.places[i : i + 1], hits.similarities[i : i + 1]) for i, file in enumerate(files)}
    return names, each
