"""Milliseconds per iteration of minigan's `classic` recipe, as classic_keras.py and classic_pytorch.py measure it.

    python benchmarks/classic_minigan.py --data mnist --steps 600 --backend numba

An iteration is timed whole, drawing the batch and all metrics included; the first 50 are not counted.
"""

from __future__ import annotations

import argparse
import os
import platform
import time

import numpy as np

import minigan
from minigan.recipes import classic

WARM_UP = 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--backend", default="numpy", help="numpy (default), numba or cupy")
    args = parser.parse_args()
    data = minigan.datasets.load(args.data)
    backend = minigan.get_backend(args.backend)
    gan = classic.build(data.image_shape, backend=backend)
    ends: list[float] = []
    gan.fit(data, args.steps, classic.BATCH, callback=lambda *_: ends.append(time.perf_counter()))
    low, middle, high = np.percentile(1e3 * np.diff(ends)[WARM_UP:], [25, 50, 75])
    libraries = ", ".join(f"{name} {version}" for name, version in backend.versions().items())
    print(f"minigan {minigan.__version__} on {libraries}, python {platform.python_version()}", end="; ")
    print(f"{os.cpu_count()} cores")
    print(f"{middle:.2f} ms/iteration (median; quartiles {low:.2f} to {high:.2f}; {args.steps} iterations)")


if __name__ == "__main__":
    main()
