"""Drawings that come to look real: a refiner changes them, and D judges patches and remembers what it has seen.

A. Shrivastava, T. Pfister, O. Tuzel, J. Susskind, W. Wang and R. Webb, "Learning from Simulated and Unsupervised Images
through Adversarial Training", 2017 (SimGAN); minigan/games/simgan.py has the game.

    G   H x W – H/2 x W/2 x w – H/4 x W/4 x 2 w – ... and back, as in pix2pix, with noise: it sees, and can move, all of
        a digit. With `halvings` at 0 the paper's: H x W x w – `blocks` of two 3 x 3 layers, residual – H x W
    D   H x W – H/2 x W/2 x w – H/4 x W/4 x 2 w – ... – a map of logits       LeakyReLU; each sees `patch` pixels

The paper has w = 64, 4 blocks, no noise, 1,000 updates of G alone and 200 of D, SGD(1e-3), and a history that fills
half of each batch of D. `--data` are the real pictures, without labels, `--synthetic` the drawings.
"""

from __future__ import annotations

from typing import Any, Literal

from ..backend import get_backend
from ..games import Refinement
from ..nn import AvgPool2D, BatchNorm, Conv2D, Dense, Flatten, GaussianNoise, Layer, LeakyReLU, ReLU, Sequential, Tanh
from ..optim import Adam, Cosine, Linear, Schedule
from ..penalties import R1, GradientPenalty
from ..spec import integer
from ..vat import VAT
from .gan import falling
from .pix2pix import Noise, block, noise_layers, patches, u_net

STEPS, BATCH, D_PRETRAIN = 8_000, 64, 200


def build(
    shape: tuple[int, ...],
    *,
    synthetic: str = "glyphs",
    width: int = 16,
    halvings: int = 2,
    blocks: int = 1,
    noise: Noise = "injected",
    patch: int | Literal["image"] = 22,
    d_width: int = 32,
    d_norm: Literal["none", "batch", "spectral"] = "none",
    adversary: float = 1.0,
    weight: float | None = None,
    features: int | Literal["pixels", "classes"] | None = None,
    drawn_classes: int | None = None,
    history: int = 2048,
    g_steps: int = 1,
    f_pretrain: int = 1_500,
    vat: float = 1.0,
    vat_epsilon: float = 0.25,
    g_pretrain: int = 100,
    objective: Literal[
        "non-saturating", "minimax", "least-squares", "wasserstein", "hinge", "relativistic"
    ] = "non-saturating",
    gradient_penalty: float = 0.0,
    r1: float = 0.0,
    instance_noise: float = 0.0,
    average: float = 0.999,
    lr: float = 1e-3,
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
    width: channels of G at full size, or after its first halving
    halvings: how often G halves pictures, as far as their sides allow; 0 for a G that works at full size
    blocks: of two layers, at the bottom of G
    noise: in G, which then makes another picture of a drawing each time: Dropout, or noise injected into its layers
    patch: pixels that each logit of D sees: 4, 10, 22, 46 or 94, or the image, of which there is one logit
    d_width: channels of D's first layer
    d_norm: of D's layers
    adversary: weight of G's loss on D; 0 for no D
    weight: of the distance between a refined picture and its drawing; by default 0.1 of classes, 5 of others
    features: what it is measured on: pixels, means of squares of so many by so many, or the logits of a classifier that
        learns the classes of the drawings first; by default classes where drawings have labels, else pixels
    drawn_classes: how many classes the drawings have; by default as the data has it
    history: how many refined pictures D is shown again; 0 for none
    g_steps: descents of G for one update of D
    f_pretrain: updates of that classifier, before all others
    vat: weight of virtual adversarial training in them, on drawings and real pictures; 0 for none
    vat_epsilon: how far its adversarial pictures are from others, as a share of the distance to their tenth neighbour
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
    if features == "classes" and drawn_classes is None:
        raise ValueError("features are the classes of drawings, but drawn_classes, how many there are, is None")
    learns = features == "classes"
    if weight is None:
        weight = 0.1 if learns else 5.0
    smooth = (
        VAT(Linear(0.0, vat, max(1, f_pretrain // 3)), vat_epsilon, xi=4, relative=True) if learns and vat else None
    )
    penalties = [*([GradientPenalty(gradient_penalty)] if gradient_penalty else []), *([R1(r1)] if r1 else [])]
    schedule: float | Schedule = Linear(instance_noise, 0.0, steps) if instance_noise else 0.0
    return Refinement(
        refiner(pictures, width, halvings, blocks, noise, seed=2 * seed, **where),
        D,
        _features(pictures, features, drawn_classes, seed=2 * seed + 2**32, **where),
        input_shape=pictures,
        adversary=adversary, weight=weight, history=history, g_steps=g_steps, g_pretrain=g_pretrain if weight else 0,
        f_pretrain=f_pretrain if learns else 0,
        vat=smooth,
        f_optimizer=Adam(Cosine(2e-3, 0.0, f_pretrain) if learns and f_pretrain else 2e-3),
        objective=objective,
        optimizer=Adam(falling(lr, decay_steps, steps, g_steps), beta1=beta1),
        d_optimizer=Adam(falling(lr if d_lr is None else d_lr, decay_steps, steps, before=d_pretrain), beta1=beta1),
        penalties=penalties if D is not None else [], instance_noise=schedule if D is not None else 0.0,
        average=average, seed=seed,
    )  # fmt: skip


def _features(shape: tuple[int, ...], kind: int | str | None, classes: int | None, **where: Any) -> Sequential | None:
    """ψ."""
    if kind in (None, "pixels"):
        return None
    if kind != "classes":
        return Sequential(AvgPool2D(integer("features", kind)), **where)
    assert classes is not None
    (height, breadth, channels), layers = shape, list[Layer]([GaussianNoise(0.3)])
    for width in (16, 32, 64):
        layers += [Conv2D(channels, width, 4, 2, 1, init="he"), LeakyReLU(0.1)]
        channels, height, breadth = width, height // 2, breadth // 2
    if not height * breadth:
        raise ValueError(f"the classes of pictures of {shape[0]} x {shape[1]} cannot be learned: 8 x 8 is the least")
    return Sequential(
        *layers, Flatten(), Dense(height * breadth * channels, 128, init="he"), LeakyReLU(0.1), Dense(128, classes),
        **where,
    )  # fmt: skip


def refiner(shape: tuple[int, ...], width: int, halvings: int, blocks: int, noise: Noise, **where: Any) -> Sequential:
    """G: maps pictures of `shape` (H, W, C) to such. Raises ValueError for another noise, and sides that are odd."""
    channels = shape[-1]
    if halvings:
        return u_net(shape, channels, width, halvings, blocks, noise, **where)
    inside = [layer for _ in range(blocks) for layer in (*noise_layers(noise, width), block(width))]
    return Sequential(
        Conv2D(channels, width, 3, padding=1, bias=False, init="he"), BatchNorm(width), ReLU(), *inside,
        Conv2D(width, channels, 1), Tanh(), **where,
    )  # fmt: skip
