"""An `.npz` of molecules (minigan/datasets/molecules.py) from a public table, by RDKit.

    python benchmarks/molecules_npz.py table.csv molecules.npz --smiles SMILES --lines BR:MCF7 LE:K-562
    python benchmarks/molecules_npz.py library.smi library.npz

table.csv: a header, a column of SMILES (default: the first), and a column for each cell line, of −log₁₀ GI50 in mol/l;
empty, NA and nan are unknown. --lines: those columns; default: none, for a library. A file without commas in its first
line is a list of SMILES, one in each line, with or without a name behind. Molecules that RDKit cannot read are left
out and counted. Fingerprints are the 166 MACCS keys, without RDKit's empty bit 0; scaffolds are Murcko's.
Tables of this kind: CellMinerCDB and the R package rcellminerData (NCI-60), GDSC, CCLE.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from minigan import archive
from minigan.datasets.molecules import packed

UNKNOWN = {"", "na", "nan", "null", "none"}


def rows_of(path: Path, smiles: str | None, lines: Sequence[str]) -> Iterator[tuple[str, list[float]]]:
    """SMILES and values of each row. Raises ValueError for a column that is not there, or what is no number."""
    with open(path, newline="", encoding="utf-8") as file:
        first = file.readline()
        file.seek(0)
        if "," not in first:
            for line in file:
                if words := line.split():
                    yield words[0], []
            return
        reader = csv.DictReader(file)
        names = list(reader.fieldnames or ())
        column = smiles or names[0]
        if missing := {column, *lines} - set(names):
            raise ValueError(f"{path} has no column {', '.join(sorted(missing))}; it has {', '.join(names[:10])}")
        for row in reader:
            values = [row[line].strip() for line in lines]
            yield row[column], [float("nan") if value.lower() in UNKNOWN else float(value) for value in values]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--smiles", help="the column of SMILES (default: the first)")
    parser.add_argument("--lines", nargs="*", default=[], help="the columns of cell lines (default: none)")
    args = parser.parse_args()
    try:
        from rdkit import Chem, RDLogger
        from rdkit.Chem import MACCSkeys
        from rdkit.Chem.Scaffolds import MurckoScaffold
    except ImportError:
        parser.error("this needs RDKit: pip install rdkit")
    RDLogger.DisableLog("rdApp.*")
    prints, texts, scaffolds, growth, unread = [], [], [], [], 0
    for text, values in rows_of(args.table, args.smiles, args.lines):
        molecule = Chem.MolFromSmiles(text)
        if molecule is None:
            unread += 1
            continue
        prints.append(np.array(list(MACCSkeys.GenMACCSKeys(molecule))[1:], np.uint8))
        texts.append(text)
        scaffolds.append(MurckoScaffold.MurckoScaffoldSmiles(mol=molecule))
        growth.append(values)
    if not prints:
        parser.error(f"RDKit can read no molecule of {args.table}")
    arrays = {"fingerprints": packed(np.array(prints)), "smiles": np.array(texts), "scaffold": np.array(scaffolds)}
    arrays["bits"] = np.array(len(prints[0]))
    if args.lines:
        arrays |= {"minus_log_gi50": np.array(growth, np.float32), "cell_lines": np.array(args.lines)}
    archive.save(args.out, arrays)
    print(f"{len(prints):,} molecules in {args.out}; {unread:,} could not be read")


if __name__ == "__main__":
    main()
