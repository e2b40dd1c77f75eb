"""Molecules as fingerprints, and what they do to cells: an `.npz` with

    fingerprints       (N, ⌈bits/8⌉) uint8     a bit for each of some substructures, packed by numpy.packbits
    bits               a whole number          how many there are; missing: 166 (MACCS keys) in 21 bytes, else all
    minus_log_gi50     (N, L) floats           −log₁₀ of the molar concentration that halves the growth of cell line l;
                                               NaN where it is unknown. May be missing, as in a library to be screened
    cell_lines         (L,) text               their names
    smiles             (N,) text               the molecules themselves, and
    scaffold           (N,) text               their Murcko scaffolds, both for people and for splits; may be missing

A growth inhibition outside 2 to 14 (10 mM to 10 fM) is a slip of whoever measured it, and is taken for unknown.
A fingerprint is read as a picture of one row, black where a bit is 0 and white where it is 1, so that all that is done
with images can be done with it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from minigan import archive
from minigan.datasets import Dataset

__all__ = ["Molecules", "packed", "read"]

LEAST, MOST = 2.0, 14.0
_MACCS = 21, 166  # bytes, bits


@dataclass(frozen=True, eq=False, repr=False)
class Molecules(Dataset):
    """Fingerprints, as images (N, 1, bits) of 0 and 255, and growth inhibition.

    growth: (N, L) float32, NaN where it is unknown; lines: names of the L cell lines. smiles, scaffold: text (N,), or
    None. Raises ValueError for arrays that do not belong together.
    """

    growth: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    lines: tuple[str, ...] = ()
    smiles: NDArray[np.str_] | None = None
    scaffold: NDArray[np.str_] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        n = len(self.images)
        if self.growth.shape != (n, len(self.lines)) and (self.growth.size or self.lines):
            raise ValueError(
                f"the growth inhibition of {self.name} has shape {self.growth.shape}, but ({n}, {len(self.lines)}), a "
                "number for each molecule and cell line, was expected"
            )
        for what in ("smiles", "scaffold"):
            text = getattr(self, what)
            if text is not None and len(text) != n:
                raise ValueError(f"{self.name} has {n} molecules, but {len(text)} of {what}")

    @property
    def bits(self) -> NDArray[np.uint8]:
        """Fingerprints (N, bits), of 0 and 1."""
        return (self.images[:, 0] > 127).astype(np.uint8)

    def line(self, name: str) -> int:
        """The column of a cell line, by its name or the part of it after the colon; ValueError if there is none."""
        return line_of(self.lines, name)

    def of(self, rows: Any) -> Self:
        """Some of them: indices, or a mask."""
        growth = self.growth[rows] if self.growth.size else self.growth
        smiles, scaffold = (None if text is None else text[rows] for text in (self.smiles, self.scaffold))
        return replace(self, images=self.images[rows], growth=growth, smiles=smiles, scaffold=scaffold)

    def __repr__(self) -> str:
        known = int(np.isfinite(self.growth).sum())
        return (
            f"Molecules({self.name!r}, {len(self)} fingerprints of {self.images.shape[2]} bits, "
            f"{known:,} values of {len(self.lines)} cell lines)"
        )


def line_of(lines: Sequence[str], name: str) -> int:
    """The place of a cell line, by its name or the part of it after the colon; ValueError if there is none."""
    named = [i for i, line in enumerate(lines) if name in (line, line.rpartition(":")[2])]
    if len(named) != 1:
        listed = ", ".join(lines[:8]) + (", ..." if len(lines) > 8 else "")
        raise ValueError(f"there is no cell line {name!r}; there are {listed}")
    return named[0]


def packed(bits: NDArray[Any]) -> NDArray[np.uint8]:
    """Fingerprints (N, bits), of 0 and 1, as a file has them."""
    return np.packbits(np.asarray(bits, np.uint8), axis=1)


def read(path: archive.StrPath, name: str) -> Molecules:
    """The molecules in a file. Raises ValueError for one of another kind."""
    where = os.fspath(path)
    wanted = {"fingerprints", "bits", "minus_log_gi50", "cell_lines", "smiles", "scaffold"}
    arrays, _ = archive.load(path, only=wanted & archive.peek(path).keys())
    prints = arrays["fingerprints"]
    if prints.dtype != np.uint8 or prints.ndim != 2 or not prints.size:
        raise ValueError(
            f"the fingerprints of {where} are {prints.dtype} of shape {prints.shape}, but (N, bytes) of uint8, as "
            "numpy.packbits packs them, was expected"
        )
    width = prints.shape[1]
    count = arrays.get("bits", np.array(_MACCS[1] if width == _MACCS[0] else 8 * width))
    if count.dtype.kind not in "iu" or count.size != 1 or not 8 * width - 8 < int(count.reshape(())) <= 8 * width:
        raise ValueError(f"{where} says bits is {count!r:.60}, but its fingerprints have {width} bytes each")
    bits = np.unpackbits(prints, axis=1, count=int(count.reshape(())))
    growth, lines = arrays.get("minus_log_gi50"), arrays.get("cell_lines")
    if (growth is None) != (lines is None):
        raise ValueError(f"{where} must hold both minus_log_gi50 and cell_lines, or neither")
    if growth is None or lines is None:
        growth, lines = np.zeros((0, 0), np.float32), np.zeros(0, "U1")
    if growth.dtype.kind != "f":
        raise ValueError(f"minus_log_gi50 of {where} is {growth.dtype}, but floats were expected")
    growth, notes = growth.astype(np.float32), tuple[str, ...]()
    with np.errstate(invalid="ignore"):
        slips = ~((growth >= LEAST) & (growth <= MOST)) & ~np.isnan(growth)
    if slips.any():
        growth[slips] = np.nan
        notes = (f"left out: {int(slips.sum())} values outside {LEAST:g} to {MOST:g}, which no dose can be",)
    smiles, scaffold = (_text(arrays[what]) if what in arrays else None for what in ("smiles", "scaffold"))
    return Molecules(
        np.ascontiguousarray(bits[:, None] * np.uint8(255)), None, name, notes=notes, growth=growth,
        lines=tuple(_text(lines).tolist()), smiles=smiles, scaffold=scaffold,
    )  # fmt: skip


def _text(array: NDArray[Any]) -> NDArray[np.str_]:
    if array.dtype.kind == "S":
        return np.char.decode(array, "utf-8", "replace")
    if array.dtype.kind != "U" or array.ndim != 1:
        raise ValueError(f"expected text (N,), got {array.dtype} of shape {array.shape}")
    return array
