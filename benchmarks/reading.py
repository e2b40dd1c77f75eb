"""A fixed classifier that learns digits from some pictures and reads others.

    python benchmarks/reading.py refined.npz --test mnist --seed 1
    python benchmarks/reading.py mnist --test refined.npz --keep judge.npz      learned once, and kept

Pictures are what `minigan train --data` takes, grey ones of 28 x 28 pixels with labels; those that are read are of the
split for testing where there is one.

    noise – 14 x 14 x 16 – 7 x 7 x 32 – 4 x 4 x 64 – 128 – 10     convolutions of stride 2, batchnorm and ReLU; Adam

`augmented` is what a classifier of few pictures is usually given beside them: each turned, slanted, scaled and bent a
little, several times, and then placed as MNIST places its digits (datasets/mnist.py).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigan import BatchNorm, Conv2D, Dense, Flatten, GaussianNoise, ReLU, Sequential, archive, datasets
from minigan.backend import Arena, Stream
from minigan.datasets import MissingSplit, to_float
from minigan.datasets.mnist import as_mnist
from minigan.datasets.shuffled import shuffled
from minigan.objectives import softmax_cross_entropy
from minigan.optim import Adam, Cosine

STEPS, BATCH, RATE = 1_500, 128, 2e-3
TURN, SLANT, SCALE = 15.0, 0.3, 0.15  # at most: degrees; pixels to the side for each one upwards; of the size
BEND, SMOOTH = 34.0, 4.0  # strength and width of an elastic distortion (Simard et al. 2003), in pixels
COPIES = 8  # of each picture

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float64]


def classifier(seed: int, backend: str = "auto") -> Sequential:
    layers: list[Any] = [GaussianNoise(0.3)]
    for channels, width, kernel in ((1, 16, 4), (16, 32, 4), (32, 64, 3)):
        layers += [Conv2D(channels, width, kernel, 2, 1, bias=False, init="he"), BatchNorm(width), ReLU()]
    layers += [Flatten(), Dense(4 * 4 * 64, 128, bias=False, init="he"), BatchNorm(128), ReLU(), Dense(128, 10)]
    return Sequential(*layers, backend=backend, seed=seed)


def learned(images: Pixels, labels: NDArray[Any], seed: int, steps: int = STEPS, backend: str = "auto") -> Sequential:
    """A classifier that has learned these; the same pictures, labels and seed give the same one."""
    net = classifier(seed, backend)
    arena, adam = Arena(net.backend), Adam(Cosine(RATE, 0.0, steps)).bind(net)
    for step, rows in zip(range(steps), shuffled(len(images), BATCH, seed), strict=False):
        arena.rewind()
        x = net.backend.asarray(to_float(images[rows])[..., None])
        logits, back = net(x, arena=arena, stream=Stream(seed, 0, step))
        _, grad = softmax_cross_entropy(logits, net.backend.asarray(labels[rows]), arena)
        net.zero_grad()
        back(grad, inputs=False)
        adam.step()
    return net


def read(net: Sequential, images: Pixels) -> NDArray[np.int64]:
    """The labels that it gives them."""
    parts = []
    for i in range(0, len(images), 1000):
        logits, _ = net(net.backend.asarray(to_float(images[i : i + 1000])[..., None]), train=False)
        parts.append(net.backend.to_numpy(logits).argmax(axis=1))
    return np.concatenate(parts)


# --- plain augmentation ------------------------------------------------------------------------------------------


def augmented(images: Pixels, seed: int, copies: int = COPIES) -> Pixels:
    """So many distorted copies of all of them, one after the other."""
    rng = np.random.default_rng(seed)
    return np.concatenate([_distorted(images, rng) for _ in range(copies)])


def _distorted(images: Pixels, rng: np.random.Generator) -> Pixels:
    n, height, width = images.shape
    y, x = np.mgrid[:height, :width] - np.array([height, width])[:, None, None] / 2
    turn, slant, *scale = (rng.uniform(-most, most, (n, 1, 1)) for most in (np.deg2rad(TURN), SLANT, SCALE, SCALE))
    # of each pixel of a copy, where in the picture it comes from
    down = (np.cos(turn) * y - np.sin(turn) * x) / (1 + scale[0])
    right = (np.sin(turn) * y + np.cos(turn) * x) / (1 + scale[1]) + slant * down
    down, right = (at + BEND * _smoothed(rng.uniform(-1, 1, images.shape)) for at in (down, right))
    moved = _between(images, down + height / 2, right + width / 2)
    return np.stack([as_mnist(image, size=height) for image in np.rint(moved).astype(np.uint8)])


def _smoothed(noise: Floats) -> Floats:
    """Along both sides, by a Gaussian."""
    reach = int(3 * SMOOTH)
    weights = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * SMOOTH**2))
    weights /= weights.sum()
    for axis in (1, 2):
        side = noise.shape[axis]
        band = np.array(
            [[weights[reach + j - i] if abs(j - i) <= reach else 0 for j in range(side)] for i in range(side)]
        )
        noise = np.moveaxis(np.moveaxis(noise, axis, 2) @ band, 2, axis)
    return noise


def _between(images: Pixels, down: Floats, right: Floats) -> Floats:
    """Pictures at places between their pixels, bilinear; black beyond their edges."""
    n, height, width = images.shape
    framed = np.zeros((n, height + 3, width + 3))
    framed[:, 1:-2, 1:-2] = images
    down, right = np.clip(down + 1, 0, height + 1), np.clip(right + 1, 0, width + 1)
    i, j, which = down.astype(int), right.astype(int), np.arange(n)[:, None, None]
    a, b = down - i, right - j
    above = (1 - b) * framed[which, i, j] + b * framed[which, i, j + 1]
    below = (1 - b) * framed[which, i + 1, j] + b * framed[which, i + 1, j + 1]
    mixed: Floats = (1 - a) * above + a * below
    return mixed


# --- the program -------------------------------------------------------------------------------------------------


def rightly(data: str, test: str, seed: int, backend: str, keep: Path | None = None, steps: int = STEPS) -> float:
    """The share of the images of `test` that are named rightly by who has learned `data`. keep: a file of the
    classifier, which is used again if it is there."""
    if keep is not None and keep.exists():
        net = classifier(seed, backend)
        net.load_state_dict(archive.load(keep)[0])
    else:
        learning = datasets.load(data)
        net = learned(learning.images, np.asarray(learning.labels), seed, steps, backend)
        if keep is not None:
            archive.save(keep, net.state_dict())
    try:
        reading = datasets.load(test, "test")
    except MissingSplit:
        reading = datasets.load(test)
    return float((read(net, reading.images) == reading.labels).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="what is learned")
    parser.add_argument("--test", required=True, help="what is read")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--keep", type=Path, help="file of the classifier, which is used again if it is there")
    args = parser.parse_args()
    print(rightly(args.data, args.test, args.seed, args.backend, args.keep, args.steps))


if __name__ == "__main__":
    main()
