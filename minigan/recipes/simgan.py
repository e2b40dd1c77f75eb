"""Drawings that come to look real: a refiner changes them, and D judges patches and remembers what it has seen.

A. Shrivastava, T. Pfister, O. Tuzel, J. Susskind, W. Wang and R. Webb, "Learning from Simulated and Unsupervised Images
through Adversarial Training", 2017 (SimGAN); minigan/games/simgan.py has the game.

    G   H x W – H/s x W/s x w – `blocks` of two 3 x 3 layers beside what they change – H x W     BatchNorm, ReLU, tanh
        s = `stride`: at 1 as in the paper, at 2 with 4 x 4 kernels, which see twice as far for a quarter of the work.
    D   H x W – H/2 x W/2 x w – H/4 x W/4 x 2 w – ... – a map of logits       LeakyReLU; each sees `patch` pixels

The paper has w = 64, 4 blocks, stride 1, 1,000 updates of G alone and 200 of D, SGD(1e-3), and a history that fills
half of each batch of D. `--data` are the real pictures, without labels, `--synthetic` the drawings.
"""

from __future__ import annotations

from typing import Any, Literal

from ..backend import get_backend
from ..games import Refinement
from ..nn import AvgPool2D, BatchNorm, Conv2D, ConvTranspose2D, InjectedNoise, Layer, ReLU, Sequential, Tanh
from ..optim import Adam, Linear, Schedule
from ..penalties import R1, GradientPenalty
from .gan import falling
from .pix2pix import block, patches

STEPS, BATCH, D_PRETRAIN = 4_000, 64, 200


def build(
    shape: tuple[int, ...],
    *,
    synthetic: str = "glyphs",
    width: int = 32,
    stride: int = 2,
    blocks: int = 3,
    noise: bool = False,
    patch: int | Literal["image"] = 22,
    d_width: int = 32,
    d_norm: Literal["none", "batch", "spectral"] = "none",
    adversary: float = 1.0,
    weight: float = 5.0,
    features: int | Literal["pixels"] = "pixels",
    history: int = 2048,
    g_steps: int = 2,
    g_pretrain: int = 500,
    objective: Literal[
        "non-saturating", "minimax", "least-squares", "wasserstein", "hinge", "relativistic"
    ] = "non-saturating",
    gradient_penalty: float = 0.0,
    r1: float = 0.0,
    instance_noise: float = 0.0,
    average: float = 0.99,
    lr: float = 5e-4,
    d_lr: float | None = None,
    decay_steps: int | Literal["all"] = 0,
    beta1: float = 0.5,
    backend: str | Any = None,
    dtype: str = "float32",
    seed: int = 0,
    steps: int = STEPS,
    d_pretrain: int = 0,
) -> Refinement:
    """A refiner for pictures of `shape`, (H, W) or (H, W, C).

    synthetic: the drawings, as --data takes it
    width: channels inside G
    stride: of the first layer of G, which then works on pictures smaller by that: 1 or an even number
    blocks: of two layers in G
    noise: whether G has noise in it, and so makes another picture of a drawing each time
    patch: pixels that each logit of D sees: 4, 10, 22, 46 or 94, or the image, of which there is one logit
    d_width: channels of D's first layer
    d_norm: of D's layers
    adversary: weight of G's loss on D; 0 for no D
    weight: of the distance between a refined picture and its drawing
    features: which of them it is measured on: pixels, or means of squares of so many by so many
    history: how many refined pictures D is shown again; 0 for none
    g_steps: descents of G for one update of D
    g_pretrain: updates of G by the distance alone, before the game
    objective: what D and G descend; see minigan/objectives.py
    gradient_penalty: weight λ of (‖∇D‖ − 1)² between real pictures and refined ones (WGAN-GP), of the mean of D's
        logits
    r1: weight γ of ‖∇D‖²/2 at real pictures
    instance_noise: standard deviation of noise on all pictures that D sees, falling to 0
    average: decay of the average of G that pictures come from; 0 for none
    lr: learning rate of both networks
    d_lr: another one for D
    decay_steps: both fall to 0 along half a cosine in so many steps, or in all of the run; 0 for never
    beta1: Adam's momentum
    """
    where: dict[str, Any] = {"backend": get_backend(backend or "numpy"), "dtype": dtype}
    height, breadth, *rest = shape
    pictures = height, breadth, rest[0] if rest else 1
    if d_pretrain and not adversary:
        raise ValueError(f"{d_pretrain} updates of D alone were asked for, but with adversary=0 there is no D")
    D = patches(pictures, d_width, patch, d_norm, seed=2 * seed + 1, **where) if adversary else None
    penalties = [*([GradientPenalty(gradient_penalty)] if gradient_penalty else []), *([R1(r1)] if r1 else [])]
    schedule: float | Schedule = Linear(instance_noise, 0.0, steps) if instance_noise else 0.0
    return Refinement(
        refiner(pictures, width, stride, blocks, noise, seed=2 * seed, **where),
        D,
        None if features == "pixels" else Sequential(AvgPool2D(int(features)), **where),
        input_shape=pictures,
        adversary=adversary, weight=weight, history=history, g_steps=g_steps, g_pretrain=g_pretrain if weight else 0,
        objective=objective,
        optimizer=Adam(falling(lr, decay_steps, steps, g_steps), beta1=beta1),
        d_optimizer=Adam(falling(lr if d_lr is None else d_lr, decay_steps, steps, before=d_pretrain), beta1=beta1),
        penalties=penalties if D is not None else [], instance_noise=schedule if D is not None else 0.0,
        average=average, seed=seed,
    )  # fmt: skip


def refiner(shape: tuple[int, ...], width: int, stride: int, blocks: int, noise: bool, **where: Any) -> Sequential:
    """G: maps pictures of `shape` (H, W, C) to such. Raises ValueError for a stride that does not divide the sides."""
    height, breadth, channels = shape
    if stride != 1 and (stride % 2 or height % stride or breadth % stride):
        raise ValueError(
            f"stride is {stride}, but 1 or an even number that divides the sides, {height} x {breadth}, was expected"
        )
    inside: list[Layer] = []
    for _ in range(blocks):
        inside += [*([InjectedNoise(width, strength=0.5)] if noise else []), block(width)]
    if stride == 1:
        first: Layer = Conv2D(channels, width, 3, padding=1, bias=False, init="he")
        last: list[Layer] = [Conv2D(width, channels, 1)]
    else:
        first = Conv2D(channels, width, 2 * stride, stride, stride // 2, bias=False, init="he")
        last = [ConvTranspose2D(width, channels, 2 * stride, stride, stride // 2)]
    return Sequential(first, BatchNorm(width), ReLU(), *inside, *last, Tanh(), **where)
