"""Digits of other writers than MNIST's, as MNIST would have them: an .npz with x_train, y_train, x_test and y_test.

    python benchmarks/handwriting_npz.py --out uci-digits.npz

They are the 1,797 digits that scikit-learn carries in its wheel (`pip install scikit-learn`), the test set of
E. Alpaydin and C. Kaynak's "Optical Recognition of Handwritten Digits" (UCI, 1998): 8 x 8 pixels of 17 levels, each
the number of black ones among 4 x 4. The file is read; the package is not imported. A digit is enlarged as MNIST's
were made smaller (minigan.datasets.mnist): bicubically, until its longer side has 20 pixels, and its centre of mass
comes to the middle of 28 x 28. The first 1,200 train and the last 597 test: those of a writer stand together in the
file, so that the writers are other ones.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from photographs_npz import found

from minigan import archive
from minigan.datasets.mnist import as_mnist

FILE = "sklearn", "datasets", "data", "digits.csv.gz"
SIDE, LEVELS, TRAIN = 8, 16, 1200


def digits(table: NDArray[Any]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Pictures (N, 28, 28) and labels (N,) of rows of 64 levels and a label."""
    levels = np.rint(table[:, : SIDE * SIDE] * 255 / LEVELS).astype(np.uint8).reshape(-1, SIDE, SIDE)
    return np.stack([as_mnist(image) for image in levels]), table[:, -1].astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the .npz to write")
    args = parser.parse_args()
    try:
        images, labels = digits(np.loadtxt(found(*FILE), delimiter=","))
    except FileNotFoundError as error:
        parser.error(str(error))
    parts = {"train": slice(TRAIN), "test": slice(TRAIN, None)}
    archive.save(args.out, {f"{name}_{split}": array[part] for split, part in parts.items()
                            for name, array in (("x", images), ("y", labels))})  # fmt: skip
    print(f"{len(images):,} digits of {'x'.join(map(str, images.shape[1:]))} in {args.out}, {TRAIN:,} to train")


if __name__ == "__main__":
    main()
