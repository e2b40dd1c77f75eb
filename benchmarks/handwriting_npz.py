"""Digits of other writers than MNIST's, as MNIST would have them: an .npz with x_train, y_train, x_test and y_test.

    python benchmarks/handwriting_npz.py --out uci-digits.npz
    python benchmarks/handwriting_npz.py --out coarse-mnist.npz --of mnist

They are the 1,797 digits that scikit-learn carries in its wheel (`pip install scikit-learn`), the test set of
E. Alpaydin and C. Kaynak's "Optical Recognition of Handwritten Digits" (UCI, 1998): 8 x 8 pixels of 17 levels, each
the number of black ones among 4 x 4. The file is read; the package is not imported. A digit is enlarged as MNIST's
were made smaller (minigan.datasets.mnist): bicubically, until its longer side has 20 pixels, and its centre of mass
comes to the middle of 28 x 28. The first 1,200 train and the last 597 test: those of a writer stand together in the
file, so that the writers are other ones. --of makes as many digits of MNIST as coarse, and enlarges them again: by
these one can tell what is due to the writers from what is due to 8 x 8 pixels.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from photographs_npz import found

from minigan import archive
from minigan.datasets import load
from minigan.datasets.mnist import as_mnist
from minigan.datasets.tasks.resampling import resized

FILE = "sklearn", "datasets", "data", "digits.csv.gz"
SIDE, LEVELS, TRAIN, TEST = 8, 16, 1200, 597
BLOCK = 4  # pixels of a bitmap along each side of one of ours


def digits(table: NDArray[Any]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Pictures (N, 28, 28) and labels (N,) of rows of 64 levels and a label."""
    levels = np.rint(table[:, : SIDE * SIDE] * 255 / LEVELS).astype(np.uint8).reshape(-1, SIDE, SIDE)
    return np.stack([as_mnist(image) for image in levels]), table[:, -1].astype(np.uint8)


def coarse(image: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The levels (64,) of a digit (H, W): it is scaled until its longer side has 32 pixels, in the middle of 32 x 32,
    and black or white; then blocks are counted."""
    rows, columns = (np.flatnonzero(image.any(axis=axis)) for axis in (1, 0))
    drawn, side = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], SIDE * BLOCK
    height, width = (max(1, round(n * side / max(drawn.shape))) for n in drawn.shape)
    bitmap = np.zeros((side, side), np.int64)
    top, left = (side - height) // 2, (side - width) // 2
    bitmap[top : top + height, left : left + width] = resized(drawn[None], height, width)[0] > 127
    return np.asarray(bitmap.reshape(SIDE, BLOCK, SIDE, BLOCK).sum(axis=(1, 3)).ravel())


def table_of(data: str) -> NDArray[np.int64]:
    """Rows as those of the file, of the first digits of both splits."""
    rows = []
    for split, count in (("train", TRAIN), ("test", TEST)):
        some = load(data, split).of(slice(count))  # type: ignore[arg-type]
        rows += [np.append(coarse(image), label) for image, label in zip(some.images, some.labels, strict=True)]
    return np.stack(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the .npz to write")
    parser.add_argument("--of", metavar="DATA", help="digits of DATA instead, as coarse")
    args = parser.parse_args()
    try:
        images, labels = digits(table_of(args.of) if args.of else np.loadtxt(found(*FILE), delimiter=","))
    except FileNotFoundError as error:
        parser.error(str(error))
    parts = {"train": slice(TRAIN), "test": slice(TRAIN, None)}
    archive.save(args.out, {f"{name}_{split}": array[part] for split, part in parts.items()
                            for name, array in (("x", images), ("y", labels))})  # fmt: skip
    print(f"{len(images):,} digits of {'x'.join(map(str, images.shape[1:]))} in {args.out}, {TRAIN:,} to train")


if __name__ == "__main__":
    main()
