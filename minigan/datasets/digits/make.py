"""Make the digits of this folder from MNIST: the first 1,000 of each class in the training set, shuffled.

python -m minigan.datasets.digits.make PATH_TO_MNIST_IDX [OUT]
"""

from __future__ import annotations

import gzip
import os
import sys

import numpy as np

from minigan.archive import write_atomically
from minigan.datasets.idx import Bytes, encode, find, read

PER_CLASS = 1000
SEED = 2014  # the year of the paper


def subset(images: Bytes, labels: Bytes, per_class: int = PER_CLASS) -> tuple[Bytes, Bytes]:
    """The first `per_class` images of each class, shuffled so that any slice is roughly balanced."""
    chosen = np.concatenate([np.flatnonzero(labels == digit)[:per_class] for digit in np.unique(labels)])
    chosen = np.random.RandomState(SEED).permutation(chosen)  # its stream is frozen, unlike default_rng's
    return images[chosen], labels[chosen]


def make(source: str, out: str) -> None:
    """Read MNIST's training set from the folder `source`, write the two IDX files of the subset to `out`."""
    images_file, labels_file = find(source, "train") or (None, None)
    if images_file is None or labels_file is None:
        raise ValueError(f"{source} lacks a file, but train-images and train-labels were expected; add them")
    images, labels = subset(read(images_file), read(labels_file))
    for name, array in (("train-images-idx3-ubyte.gz", images), ("train-labels-idx1-ubyte.gz", labels)):
        with write_atomically(os.path.join(out, name)) as file:
            file.write(gzip.compress(encode(array), 9, mtime=0))


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: python -m minigan.datasets.digits.make PATH_TO_MNIST_IDX [OUT]")
    make(sys.argv[1], sys.argv[2] if len(sys.argv) == 3 else os.path.dirname(__file__))
