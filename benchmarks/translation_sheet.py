"""What several runs of pix2pix make of the same test pictures, side by side with input and picture wanted.

    python benchmarks/translation_sheet.py runs/translation/mnist-superresolve-* --out sheet.png [--n 12]

The runs must be of one task and one data set; NAME=RUN gives a column another name.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from minigan import Game
from minigan.datasets import MissingSplit
from minigan.datasets.pairs import Pairs
from minigan.evaluation.evaluator import held_out
from minigan.evaluation.translations import outputs_of
from minigan.runs.config import Config
from minigan.runs.data import load_data, paired
from minigan.runs.pictures import save_png
from minigan.runs.sheets import sheet


def asked(config: Config) -> Pairs:
    """The test pairs of a run: of the test split, or those that evaluate holds out."""
    try:
        pairs = paired(load_data(config.data, "test", config.size), config.options, "test")
    except MissingSplit:
        pairs = paired(load_data(config.data, "train", config.size), config.options)
        pairs = pairs.of(held_out(len(pairs))[1])
    assert isinstance(pairs, Pairs)
    return pairs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="[NAME=]RUN")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--n", type=int, default=12, help="test pictures, the first ones (default: 12)")
    args = parser.parse_args()
    columns: dict[str, np.ndarray] = {}
    pairs: Pairs | None = None
    for run in args.runs:
        name, _, folder = run.rpartition("=")
        config = Config.read(Path(folder) / "config.json")
        pairs = asked(config).of(slice(args.n)) if pairs is None else pairs
        columns[name or Path(folder).name] = outputs_of(Game.load(Path(folder) / "checkpoint.npz"), pairs)
    assert pairs is not None
    save_png(args.out, sheet({"input": pairs.inputs, **columns, "wanted": pairs.images}))


if __name__ == "__main__":
    main()
