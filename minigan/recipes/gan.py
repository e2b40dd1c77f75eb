"""The GAN of 2014 with dense layers, as Algorithm 1 plays it.

I. Goodfellow et al., "Generative Adversarial Networks", 2014. The networks are those of the tutorial most people
meet first: G latent-256-512-1024-pixels with LeakyReLU and batchnorm, tanh at the end; D pixels-512-256-1 with
LeakyReLU.
"""

from __future__ import annotations

import math
from typing import Any, Literal

from ..backend import get_backend
from ..gan import GAN
from ..nn import BatchNorm, Dense, LeakyReLU, Sequential, Tanh
from ..objectives import get_objective
from ..optim import Adam

STEPS, BATCH = 4_000, 64


def build(
    shape: tuple[int, ...],
    *,
    objective: str = "non-saturating",
    real_target: float = 1.0,
    lr: float = 5e-4,
    beta1: float = 0.5,
    eps: float = 1e-8,
    d_steps: int = 1,
    updates: Literal["joint", "separate"] = "joint",
    batches: Literal["auto", "one", "two"] = "auto",
    fake_statistics: Literal["batch", "running"] = "batch",
    reuse_fakes: bool = False,
    half_batches: bool = False,
    prior: Literal["normal", "uniform"] = "normal",
    latent: int = 100,
    backend: Any = None,
    dtype: str = "float32",
    seed: int = 0,
) -> GAN:
    """A GAN for images of `shape`.

    objective: "non-saturating" or "minimax"
    real_target: D's target for real samples; below 1 is one-sided label smoothing
    lr: Adam's learning rate, of both networks
    beta1: Adam's momentum
    eps: Adam's guard against division by zero
    d_steps: D updates per G update
    updates: D learns from real and fakes in one update ("joint") or in two ("separate")
    batches: real and fakes pass through D as "one" batch or as "two"
    fake_statistics: batchnorm of the fakes shown to D uses "batch" or "running" statistics
    reuse_fakes: train G on the fakes that D has just seen instead of fresh ones
    half_batches: show D half as many real samples as G makes fakes
    prior: latents are "normal" or "uniform"
    latent: how many numbers a latent has
    """
    be, pixels = get_backend(backend or "numpy"), math.prod(shape)
    G = Sequential(
        Dense(latent, 256), LeakyReLU(0.2), BatchNorm(256, momentum=0.8, eps=1e-3),
        Dense(256, 512), LeakyReLU(0.2), BatchNorm(512, momentum=0.8, eps=1e-3),
        Dense(512, 1024), LeakyReLU(0.2), BatchNorm(1024, momentum=0.8, eps=1e-3),
        Dense(1024, pixels), Tanh(),
        backend=be, dtype=dtype, seed=2 * seed,
    )  # fmt: skip
    D = Sequential(
        Dense(pixels, 512), LeakyReLU(0.2),
        Dense(512, 256), LeakyReLU(0.2),
        Dense(256, 1),
        backend=be, dtype=dtype, seed=2 * seed + 1,
    )  # fmt: skip
    return GAN(
        G,
        D,
        objective=get_objective(objective, real_target=real_target),
        optimizer=Adam(lr, beta1=beta1, eps=eps),
        d_steps=d_steps,
        updates=updates,
        batches=batches,
        fake_statistics=fake_statistics,
        reuse_fakes=reuse_fakes,
        half_batches=half_batches,
        prior=prior,
        seed=seed,
    )
