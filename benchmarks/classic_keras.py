"""The classic dense GAN on MNIST in Keras: the opponent of minigan's `classic` recipe.

Reproduced: the networks, the optimizers and the loop of the well-known Keras tutorial GAN, in Keras 3.

    G   100 -> [Dense, LeakyReLU .2, BatchNorm(momentum .8)] x (256, 512, 1024) -> Dense 784, tanh
    D   784 -> [Dense, LeakyReLU .2] x (512, 256) -> Dense 1, sigmoid
    the rest is Keras's default: Glorot uniform weights, zero biases, BatchNorm eps 1e-3, Adam eps 1e-7

One iteration: `G.predict` makes 16 fakes; `D.train_on_batch` on 16 real images, then on the fakes; a combined
model, D frozen in it, trains G on 32 fresh latents. D's accuracy metric is left out, which favours Keras.

The trap: Keras 2 settled at compile time which weights train. Keras 3 reads `trainable` when a training step
is traced, on its first call, so code that freezes D for good before training leaves D untrained, with no more
than a warning. Here the flag is set before each use, and a check at the end says which weights a step moves.

    pip install tensorflow numpy
    python benchmarks/classic_keras.py --data mnist/ --steps 300 --out samples.npz

`--data` is a folder with train-images-idx3-ubyte.gz. The first 50 iterations (tracing, compiling) go untimed.
`--on-batch` replaces `G.predict`, which builds a data pipeline at every call and takes most of the time, by
`G.predict_on_batch`: no longer the tutorial, but the stronger opponent.
"""

import argparse
import gzip
import os
import platform
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from keras import layers

LATENT, BATCH, HALF, WARM_UP = 100, 32, 16, 50


def read_images(folder):
    """The 60,000 training images as float32 rows in [-1, 1]; the file has 16 bytes of header."""
    with gzip.open(Path(folder) / "train-images-idx3-ubyte.gz") as f:
        pixels = np.frombuffer(f.read(), np.uint8, offset=16)
    return pixels.reshape(-1, 784).astype(np.float32) / 127.5 - 1


def build():
    """G, D, and the combined model that trains G through D."""
    G = keras.Sequential([keras.Input((LATENT,))], name="G")
    for width in (256, 512, 1024):
        G.add(layers.Dense(width))
        G.add(layers.LeakyReLU(negative_slope=0.2))
        G.add(layers.BatchNormalization(momentum=0.8))
    G.add(layers.Dense(784, activation="tanh"))

    D = keras.Sequential([keras.Input((784,))], name="D")
    for width in (512, 256):
        D.add(layers.Dense(width))
        D.add(layers.LeakyReLU(negative_slope=0.2))
    D.add(layers.Dense(1, activation="sigmoid"))

    D.compile(loss="binary_crossentropy", optimizer=keras.optimizers.Adam(2e-4, beta_1=0.5))
    D.trainable = False
    combined = keras.Sequential([keras.Input((LATENT,)), G, D], name="combined")
    combined.compile(loss="binary_crossentropy", optimizer=keras.optimizers.Adam(2e-4, beta_1=0.5))
    return G, D, combined


class Game:
    """The three models and the two moves."""

    def __init__(self, images, seed, on_batch):
        self.images, self.rng, self.on_batch = images, np.random.default_rng(seed), on_batch
        self.G, self.D, self.combined = build()

    def latents(self, n):
        return self.rng.standard_normal((n, LATENT), dtype=np.float32)

    def step_D(self):
        real = self.images[self.rng.integers(len(self.images), size=HALF)]
        z = self.latents(HALF)
        fake = self.G.predict_on_batch(z) if self.on_batch else self.G.predict(z, verbose=0)
        self.D.trainable = True
        loss_real = self.D.train_on_batch(real, np.ones((HALF, 1), np.float32))
        loss_fake = self.D.train_on_batch(fake, np.zeros((HALF, 1), np.float32))
        return (loss_real + loss_fake) / 2

    def step_G(self):
        self.D.trainable = False
        return self.combined.train_on_batch(self.latents(BATCH), np.ones((BATCH, 1), np.float32))

    def moved(self, move):
        """Which networks' weights one call of `move` changes, in words."""
        before = {net.name: net.get_weights() for net in (self.G, self.D)}
        move()
        after = {net.name: net.get_weights() for net in (self.G, self.D)}
        names = [k for k in before if any((a != b).any() for a, b in zip(before[k], after[k], strict=True))]
        return " and ".join(names) or "nothing"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder with MNIST's train-images-idx3-ubyte.gz")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", required=True, help=".npz to write: images, uint8 (n, 28, 28)")
    parser.add_argument("--n", type=int, default=10_000, help="how many images to sample at the end")
    parser.add_argument("--on-batch", action="store_true", help="G.predict_on_batch instead of G.predict")
    args = parser.parse_args()
    keras.utils.set_random_seed(args.seed)

    print(f"keras {keras.__version__} on {keras.backend.backend()}, numpy {np.__version__}, ", end="")
    print(f"python {platform.python_version()}; {os.cpu_count()} cores; seed {args.seed}; {args.on_batch=}")
    game, ms = Game(read_images(args.data), args.seed, args.on_batch), np.empty(args.steps)
    for step in range(WARM_UP + args.steps):
        start = time.perf_counter()
        loss_D, loss_G = game.step_D(), game.step_G()
        if step >= WARM_UP:
            ms[step - WARM_UP] = (time.perf_counter() - start) * 1e3
    q1, median, q3 = np.percentile(ms, (25, 50, 75))
    print(f"{median:.1f} ms/iteration (median; quartiles {q1:.1f} to {q3:.1f}; {args.steps} iterations)")
    print(f"last losses: D {loss_D:.3f}, G {loss_G:.3f}")
    print(f"the D step moves {game.moved(game.step_D)}; the G step moves {game.moved(game.step_G)}")
    samples = game.G.predict(game.latents(args.n), verbose=0)
    images = np.rint((samples + 1) * 127.5).astype(np.uint8).reshape(-1, 28, 28)
    np.savez_compressed(args.out, images=images)


if __name__ == "__main__":
    main()
