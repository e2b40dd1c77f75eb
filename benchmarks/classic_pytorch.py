"""The classic dense GAN on MNIST in eager PyTorch: the opponent of minigan's `classic` recipe.

Reproduced: the GAN of the well-known Keras tutorial, step for step.

    G   100 -> [Dense, LeakyReLU .2, BatchNorm] x (256, 512, 1024) -> Dense 784, tanh
    D   784 -> [Dense, LeakyReLU .2] x (512, 256) -> Dense 1, sigmoid
    all weights Glorot uniform, biases zero; Adam(2e-4, beta1 .5, eps 1e-7) for either network

One iteration: 16 real images (with replacement, in [-1, 1]) and 16 fakes from G in inference mode; D is
updated on the real ones and, separately, on the fakes; G is updated through the frozen D on 32 fresh latents.

Where the frameworks differ: torch's BatchNorm momentum is one minus Keras's, and its running variance is the
unbiased one, which `KerasBatchNorm` takes back. The sigmoid lives inside the loss (same function, finite for
any logit). Torch adds Adam's eps after the bias correction and Keras before it: not mimicked, eps is tiny.

    pip install torch numpy
    python benchmarks/classic_pytorch.py --data mnist/ --steps 30000 --seed 0 --out samples.npz

`--data` is a folder with train-images-idx3-ubyte.gz. An iteration is timed whole, drawing the batch included.
`--fused` takes torch's fused Adam kernel, which is not its default on the CPU: the strongest eager opponent.
"""

import argparse
import gzip
import platform
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

LATENT, BATCH, HALF, WARM_UP = 100, 32, 16, 50


def read_images(folder):
    """The 60,000 training images as float32 rows in [-1, 1]; the file has 16 bytes of header."""
    with gzip.open(Path(folder) / "train-images-idx3-ubyte.gz") as f:
        pixels = np.frombuffer(f.read(), np.uint8, offset=16)
    return torch.from_numpy(pixels.reshape(-1, 784).astype(np.float32) / 127.5 - 1)


class KerasBatchNorm(nn.BatchNorm1d):
    """Keras's running variance: that of the batch, without Bessel's factor n / (n - 1)."""

    def __init__(self, width):
        super().__init__(width, eps=1e-3, momentum=0.2)  # Keras writes 0.8 for the share that is kept
        self.bessel = BATCH / (BATCH - 1)
        self.running_var.fill_(self.bessel)  # so that running_var / bessel starts at 1, as in Keras

    def forward(self, x):
        if self.training:
            return super().forward(x)
        var = self.running_var / self.bessel
        return F.batch_norm(x, self.running_mean, var, self.weight, self.bias, eps=self.eps)


def build(fused):
    """G, D, and an Adam for each."""
    layers, width = [], LATENT
    for wider in (256, 512, 1024):
        layers += [nn.Linear(width, wider), nn.LeakyReLU(0.2), KerasBatchNorm(wider)]
        width = wider
    G = nn.Sequential(*layers, nn.Linear(width, 784), nn.Tanh())
    hidden = nn.Linear(784, 512), nn.LeakyReLU(0.2), nn.Linear(512, 256), nn.LeakyReLU(0.2)
    D = nn.Sequential(*hidden, nn.Linear(256, 1))
    for layer in [*G, *D]:
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
    settings = {"lr": 2e-4, "betas": (0.5, 0.999), "eps": 1e-7, "fused": fused or None}
    return G, D, *(torch.optim.Adam(net.parameters(), **settings) for net in (G, D))


def generate(G, n):
    """`n` images from G in inference mode: running statistics, no graph."""
    G.eval()
    with torch.no_grad():
        images = G(torch.randn(n, LATENT))
    G.train()
    return images


def update(optimizer, logits, label):
    """One Adam step on the cross-entropy of `logits` against a constant label; returns the loss."""
    loss = F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()


def train(images, steps, fused):
    """G after `steps` iterations, and the milliseconds each of them took."""
    G, D, adam_G, adam_D = build(fused)
    ms = np.empty(steps)
    for step in range(steps):
        start = time.perf_counter()
        real = images[torch.randint(len(images), (HALF,))]
        fake = generate(G, HALF)
        loss_real = update(adam_D, D(real), 1.0)
        loss_fake = update(adam_D, D(fake), 0.0)
        D.requires_grad_(False)  # frozen: its weight gradients are not even computed
        loss_G = update(adam_G, D(G(torch.randn(BATCH, LATENT))), 1.0)
        D.requires_grad_(True)
        ms[step] = (time.perf_counter() - start) * 1e3
        if (step + 1) % 1000 == 0:
            recent = np.median(ms[step - 999 : step + 1])
            loss_D = (loss_real + loss_fake) / 2
            print(f"step {step + 1:6d}  D {loss_D:.3f}  G {loss_G:.3f}  {recent:.2f} ms", flush=True)
    return G, ms


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder with MNIST's train-images-idx3-ubyte.gz")
    parser.add_argument("--steps", type=int, default=30_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", required=True, help=".npz to write: images, uint8 (n, 28, 28)")
    parser.add_argument("--n", type=int, default=10_000, help="how many images to sample at the end")
    parser.add_argument("--fused", action="store_true", help="torch's fused Adam instead of its default")
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    versions = f"torch {torch.__version__}, numpy {np.__version__}, python {platform.python_version()}"
    print(f"{versions}; {torch.get_num_threads()} threads; seed {args.seed}; fused Adam: {args.fused}")
    G, ms = train(read_images(args.data), args.steps, args.fused)
    q1, median, q3 = np.percentile(ms[min(WARM_UP, args.steps // 2) :], (25, 50, 75))
    print(f"{median:.2f} ms/iteration (median; quartiles {q1:.2f} to {q3:.2f}; {args.steps} iterations)")
    samples = ((generate(G, args.n) + 1) * 127.5).round().to(torch.uint8).reshape(-1, 28, 28)
    np.savez_compressed(args.out, images=samples.numpy())


if __name__ == "__main__":
    main()
