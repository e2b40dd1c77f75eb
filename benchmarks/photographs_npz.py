"""Crops of photographs to learn from: an .npz with x_train and x_test, uint8 (N, side, side, 3).

    python benchmarks/photographs_npz.py --out photographs.npz [--side 64] [--per-photograph 800] [--seed 0]

The photographs are those in colour that two Python packages carry in their wheels, so nothing else is fetched:
`pip install scikit-image scikit-learn pillow`. They are found as files; neither package is imported. Their origins and
licences are told in scikit-image's `skimage.data` and in scikit-learn's datasets/images/README.txt.
Photographs are held out as a whole, always the same ones, so that no test crop shows a thing that was learned from.
Crops lie at random places, the same for the same seed, and may overlap. Those that show nothing but sky or a blurred
background are left out: half of one photograph is such, and every method gets them right.
"""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from minigan import archive
from minigan.datasets import pictures
from minigan.metrics import gradient_energy

SKIMAGE, SKLEARN = ("skimage", "data"), ("sklearn", "datasets", "images")
PHOTOGRAPHS = {
    "train": (
        (*SKIMAGE, "astronaut.png"), (*SKIMAGE, "chelsea.png"), (*SKIMAGE, "rocket.jpg"), (*SKLEARN, "china.jpg"),
    ),
    "test": ((*SKIMAGE, "coffee.png"), (*SKLEARN, "flower.jpg")),
}  # fmt: skip

FLAT = 2e-4  # what shows less energy than this, differences of three grey levels, is left out
TRIES = 20  # places for each crop before it is said that there is nothing to see


def found(package: str, *parts: str) -> Path:
    """A file of a package that need not be imported. Raises FileNotFoundError, saying what to install."""
    spec = find_spec(package)
    folders = [] if spec is None else list(spec.submodule_search_locations or ())
    for folder in folders:
        if (path := Path(folder, *parts)).is_file():
            return path
    raise FileNotFoundError(f"{package} has no {'/'.join(parts)} here; pip install scikit-image scikit-learn pillow")


def crops(photograph: NDArray[np.uint8], side: int, count: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """`count` squares (count, side, side, C) of a photograph (H, W, C), from places where there is something to see."""
    height, width = photograph.shape[:2]
    if min(height, width) < side:
        raise ValueError(f"no crops of {side}x{side} fit into {width}x{height} pixels; make --side smaller")
    taken = np.empty((count, side, side, photograph.shape[2]), np.uint8)
    kept = 0
    for _ in range(TRIES * count):
        i, j = rng.integers(height - side + 1), rng.integers(width - side + 1)
        crop = photograph[i : i + side, j : j + side]
        if gradient_energy(crop[None]).item() >= FLAT:
            taken[kept] = crop
            kept += 1
        if kept == count:
            return taken
    raise ValueError(f"{TRIES * count:,} places of a photograph show something {kept:,} times only; make --side larger")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the .npz to write")
    parser.add_argument("--side", type=int, default=64, help="of a crop, in pixels (default: 64)")
    parser.add_argument("--per-photograph", type=int, default=800, help="crops of each (default: 800)")
    parser.add_argument("--seed", type=int, default=0, help="of the places (default: 0)")
    args = parser.parse_args()
    if args.side < 2 or args.per_photograph < 1:
        parser.error("--side is 2 or more, and --per-photograph 1 or more")
    arrays, rng = dict[str, NDArray[np.uint8]](), np.random.default_rng(args.seed)
    for split, names in PHOTOGRAPHS.items():
        images = []
        for name in names:
            try:
                (photograph,), _ = pictures.read([str(found(*name))])
                images.append(crops(photograph, args.side, args.per_photograph, rng))
            except (FileNotFoundError, ValueError) as error:
                parser.error(str(error))
            height, width = photograph.shape[:2]
            print(f"{split:5}  {args.per_photograph:,} crops of {'/'.join(name)}, {width}x{height}")
        arrays[f"x_{split}"] = np.concatenate(images)
    archive.save(args.out, arrays)
    print(", ".join(f"{name} {array.shape}" for name, array in arrays.items()), f"in {args.out}")


if __name__ == "__main__":
    main()
