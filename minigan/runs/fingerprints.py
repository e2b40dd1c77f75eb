"""What `minigan sample` does with a game of molecules: fingerprints into a file, and a library put into order."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from .. import archive
from ..datasets import load
from ..datasets.molecules import Molecules, packed
from ..files import writing
from ..games import MoleculeAAE
from ..games.molecules import log_likelihood
from ..paths import StrPath

__all__ = ["save_fingerprints", "screened"]


def save_fingerprints(
    path: Path, game: MoleculeAAE, n: int, seed: int | None = None, ask: Mapping[str, float] | None = None
) -> int:
    """Write n fingerprints, packed as datasets/molecules.py says, and the probability of each bit. Returns n."""
    p = game.probabilities(n, seed, ask)
    bits = np.array(p.shape[1])
    archive.save(path, {"fingerprints": packed(p > 0.5), "bits": bits, "probabilities": p.astype(np.float32)})
    return n


def screened(
    path: Path,
    game: MoleculeAAE,
    library: StrPath,
    n: int,
    seed: int | None = None,
    ask: Mapping[str, float] | None = None,
) -> int:
    """Write the molecules of a library as a table, the likeliest under n such fingerprints first. Returns how many.

    The likelihood of a molecule is the mean of those under the n vectors of probabilities (`log_likelihood`).
    Raises ValueError for a library that is none, or of other fingerprints.
    """
    molecules = load(library)
    if not isinstance(molecules, Molecules):
        raise ValueError(f"{library} holds no molecules; give an .npz with fingerprints")
    p, bits = game.probabilities(n, seed, ask), molecules.bits
    if bits.shape[1] != p.shape[1]:
        raise ValueError(
            f"{library} has fingerprints of {bits.shape[1]} bits, and this game makes some of {p.shape[1]}"
        )
    score = log_likelihood(bits, p)
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["rank", "row", "log_likelihood", *([] if molecules.smiles is None else ["smiles"])])
    for rank, row in enumerate(np.argsort(-score, kind="stable")):
        about = [] if molecules.smiles is None else [molecules.smiles[row]]
        table.writerow([rank + 1, int(row), f"{score[row]:.4f}", *about])
    with writing(path) as out:
        out.write(text.getvalue().encode())
    return len(molecules)
