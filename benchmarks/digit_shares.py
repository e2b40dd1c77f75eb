"""How many of each digit are among generated samples, as a classifier sees it that no GAN has seen.

    python benchmarks/digit_shares.py --data MNIST SAMPLES.npz [SAMPLES.npz ...]

MNIST is a folder of IDX files or "mnist" (downloaded). The classifier is a dense network of minigan's own layers,
trained here on the training set in about a minute and tested on the test set. Each SAMPLES.npz holds `images`,
uint8 (N, 28, 28), whoever made them. Printed: the share of each digit, the least of them, the Kullback-Leibler
divergence of the shares from uniform, and the classifier's mean confidence, a crude measure of legibility.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

import minigan
from minigan import datasets

Array = np.ndarray[Any, Any]


def train_classifier(images: Array, labels: Array, epochs: int = 8, batch: int = 100) -> minigan.Sequential:
    """784-800-400-10 with batchnorm, dropout and noise on the input; Adam with a cosine schedule."""
    net = minigan.Sequential(
        minigan.GaussianNoise(0.3),
        minigan.Dense(784, 800, init="he"), minigan.BatchNorm(800), minigan.ReLU(), minigan.Dropout(0.3),
        minigan.Dense(800, 400, init="he"), minigan.BatchNorm(400), minigan.ReLU(), minigan.Dropout(0.3),
        minigan.Dense(400, 10),
        seed=0,
    )  # fmt: skip
    x = datasets.to_float(images).reshape(len(images), -1)
    steps = len(x) // batch
    adam = minigan.Adam(minigan.optim.Cosine(2e-3, 0.0, epochs * steps)).bind(net)
    rng = np.random.default_rng(0)
    for _ in range(epochs):
        for rows in rng.permutation(len(x))[: steps * batch].reshape(steps, batch):
            logits, back = net(x[rows])
            _, dlogits = minigan.softmax_cross_entropy(logits, labels[rows])
            net.zero_grad()
            back(dlogits, inputs=False)
            adam.step()
    return net


def probabilities(net: minigan.Sequential, images: Array) -> Array:
    logits, _ = net(datasets.to_float(images).reshape(len(images), -1), train=False)
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def report(name: str, p: Array) -> None:
    shares = np.bincount(p.argmax(axis=1), minlength=10) / len(p)
    present = shares[shares > 0]
    divergence = float((present * np.log(10 * present)).sum())
    cells = " | ".join(f"{100 * share:.1f}" for share in shares)
    print(f"| {name} | {cells} | {100 * shares.min():.1f} | {divergence:.3f} | {p.max(axis=1).mean():.3f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("samples", type=Path, nargs="+")
    parser.add_argument("--data", default="mnist")
    args = parser.parse_args()
    train, test = (datasets.load(args.data, split) for split in ("train", "test"))
    assert train.labels is not None
    assert test.labels is not None
    net = train_classifier(train.images, train.labels.astype(np.int64))
    p = probabilities(net, test.images)
    print(f"classifier: {100 * (p.argmax(axis=1) == test.labels).mean():.2f} % of the test set right\n")
    print(f"| samples | {' | '.join(map(str, range(10)))} | least, % | KL to uniform | confidence |")
    print("|---" * 14 + "|")
    report("real test images", p)
    for path in args.samples:
        with np.load(path, allow_pickle=False) as file:
            report(path.stem, probabilities(net, file["images"]))


if __name__ == "__main__":
    main()
