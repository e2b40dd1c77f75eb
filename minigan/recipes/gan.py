"""The GAN of 2014 with dense layers, as Algorithm 1 plays it.

I. Goodfellow et al., "Generative Adversarial Networks", 2014. The networks are those of the tutorial most people
meet first (see networks.py). G descends −log D(G(z)), which the paper recommends; `minimax-gan` plays the game as it
is written. All of the library's options are here, none of them on; the other recipes are this one with some turned on.
"""

from __future__ import annotations

import math
from typing import Any, Literal

from ..backend import get_backend
from ..codes import Category, Code, Codes, Continuous, Label
from ..games import Conditional, Tutorial
from ..gan import GAN
from ..names import not_one_of
from ..objectives import Minimax, get_objective
from ..optim import SGD, Adam, Cosine, Linear, OptimisticAdam, Optimizer, RMSprop, Schedule
from ..penalties import DRAGAN, R1, R2, GradientPenalty
from ..spec import integer
from . import networks

STEPS, BATCH = 4_000, 64
CLASSES = 10  # where no data says how many: those of the digits


def build(
    shape: tuple[int, ...],
    *,
    nets: Literal["dense", "conv", "points", "small"] = "dense",
    width: int = 32,
    d_width: int | None = None,
    objective: Literal[
        "non-saturating", "minimax", "least-squares", "wasserstein", "hinge", "relativistic", "feature-matching"
    ] = "non-saturating",
    real_target: float = 1.0,
    label: Literal["none", "given", "predicted"] = "none",
    classes: int | None = None,
    categories: int = 0,
    continuous: int = 0,
    label_weight: float = 1.0,
    category_weight: float = 1.0,
    continuous_weight: float = 0.1,
    gradient_penalty: float = 0.0,
    r1: float = 0.0,
    r2: float = 0.0,
    dragan: float = 0.0,
    clip: float | None = None,
    d_norm: networks.Norm = "none",
    minibatch_std: bool = False,
    packing: int = 1,
    instance_noise: float = 0.0,
    noise_steps: int | Literal["all"] = "all",
    average: float = 0.0,
    optimizer: Literal["adam", "optimistic-adam", "rmsprop", "sgd"] = "adam",
    d_optimizer: Literal["adam", "optimistic-adam", "rmsprop", "sgd"] | None = None,
    lr: float = 5e-4,
    d_lr: float | None = None,
    decay_steps: int | Literal["all"] = 0,
    beta1: float = 0.5,
    beta2: float = 0.999,
    eps: float = 1e-8,
    d_steps: int = 1,
    loop: Literal["paper", "tutorial"] = "paper",
    reuse_fakes: bool = False,
    prior: Literal["normal", "uniform"] = "normal",
    latent: int = 100,
    backend: Any = None,
    dtype: str = "float32",
    seed: int = 0,
    steps: int = STEPS,
    d_pretrain: int = 0,
) -> GAN:
    """A GAN for images of `shape`, to be trained for `steps` steps after `d_pretrain` updates of D alone.

    nets: "dense" networks, "conv", those of DCGAN, "points", those of PacGAN, or "small" ones for points; see
        minigan/recipes/networks.py
    width: channels of conv networks at half the size of the picture, or units of a layer of networks for points
    d_width: another one for D
    objective: what D and G descend; see minigan/objectives.py
    real_target: D's target for real samples; below 1 is one-sided label smoothing
    label: D is "given" the labels of the data (CGAN) or they are "predicted" by it (AC-GAN), or nobody knows them
    classes: how many labels there are, from 0; none for as many as the data has (10 before there is any)
    categories: G is asked for one of so many categories, and D predicts which (InfoGAN); 0 for none
    continuous: G is asked for so many numbers from −1 to 1, and D predicts them (InfoGAN)
    label_weight: weight of the loss of a label that D predicts
    category_weight: weight of the loss of the category
    continuous_weight: weight of the loss of the numbers
    gradient_penalty: weight λ of (‖∇D‖ − 1)² between real samples and fakes (WGAN-GP)
    r1: weight γ of ‖∇D‖²/2 at real samples
    r2: weight γ of ‖∇D‖²/2 at fakes
    dragan: weight λ of (‖∇D‖ − 1)² near real samples
    clip: clip D's parameters to ± this after each update
    d_norm: D has "batch" or "layer" normalisation, or "spectral" or "weight" normalisation of its weights
    minibatch_std: D sees the standard deviation over the batch
    packing: how many samples D judges at once
    instance_noise: standard deviation of noise on all that D sees, falling to 0
    noise_steps: ... in so many steps, or in all of the run
    average: decay of the average of G that samples come from; 0 for none
    optimizer: update rule of both networks
    d_optimizer: another one for D
    lr: learning rate of both networks
    d_lr: another one for D
    decay_steps: both fall to 0 along half a cosine in so many steps, or in all of the run; 0 for never
    beta1: Adam's momentum, or SGD's
    beta2: Adam's memory of squared gradients, or RMSprop's
    eps: Adam's and RMSprop's guard against division by zero
    d_steps: D updates per G update
    loop: of the "paper", or of the classic "tutorial": see minigan/games/tutorial.py
    reuse_fakes: train G on the fakes that D has just seen instead of fresh ones
    prior: latents are "normal" or "uniform"
    latent: how many numbers a latent has
    """
    pixels, where = math.prod(shape), {"backend": get_backend(backend or "numpy"), "dtype": dtype}

    def rule(name: str, rate: float, updates_per_step: int, before: int) -> Optimizer:
        if not rate > 0:
            raise ValueError(f"a recipe needs a positive learning rate, got {rate}")
        lr = falling(rate, decay_steps, steps, updates_per_step, before)
        match name:
            case "adam":
                return Adam(lr, beta1=beta1, beta2=beta2, eps=eps)
            case "optimistic-adam":
                return OptimisticAdam(lr, beta1=beta1, beta2=beta2, eps=eps)
            case "rmsprop":
                return RMSprop(lr, decay=beta2, eps=eps)
            case "sgd":
                return SGD(lr, momentum=beta1)
        raise ValueError(not_one_of("optimizer", name, ("adam", "optimistic-adam", "rmsprop", "sgd")))

    named = get_objective(objective)
    if isinstance(named, Minimax):
        named = type(named)(real_target)
    elif real_target != 1:
        raise ValueError(f"real_target is a probability, which the objective {objective} knows nothing of; leave it 1")
    codes: list[Code] = []
    if label not in ("none", "given", "predicted"):
        raise ValueError(not_one_of("label", label, ("none", "given", "predicted")))
    if label != "none":
        k = CLASSES if classes is None else classes
        codes.append(Label(k, predicted=label == "predicted", weight=label_weight))
    if categories:
        codes.append(Category(categories, category_weight))
    if continuous:
        codes.append(Continuous(continuous, continuous_weight))
    known = Codes(codes)
    given = 0 if known.given is None else known.given.k
    head = networks.Head(1 + known.outputs, given, integer("packing", packing), minibatch_std)
    inputs, of_G, of_D = latent + known.width, {"seed": 2 * seed, **where}, {"seed": 2 * seed + 1, **where}
    d_units = width if d_width is None else d_width
    match nets:
        case "dense":
            G = networks.generator(inputs, pixels, **of_G)
            D = networks.discriminator(pixels, head, d_norm, **of_D)
        case "conv":
            G = networks.conv_generator(inputs, shape, width, **of_G)
            D = networks.conv_discriminator(shape, d_units, head, d_norm, **of_D)
        case "points":
            G = networks.point_generator(inputs, pixels, width, **of_G)
            D = networks.point_discriminator(pixels, d_units, head, d_norm, **of_D)
        case "small":
            G = networks.small_generator(inputs, pixels, width, **of_G)
            D = networks.small_discriminator(pixels, d_units, head, d_norm, **of_D)
        case _:
            raise ValueError(not_one_of("nets", nets, ("dense", "conv", "points", "small")))
    if loop not in ("paper", "tutorial"):
        raise ValueError(not_one_of("loop", loop, ("paper", "tutorial")))
    halves = 2 if loop == "tutorial" else 1  # updates of D in one
    wanted = {GradientPenalty: gradient_penalty, R1: r1, R2: r2, DRAGAN: dragan}
    penalties = [kind(weight) for kind, weight in wanted.items() if weight]
    noise = Linear(instance_noise, 0.0, _length("noise_steps", noise_steps, steps)) if instance_noise else 0.0
    options: dict[str, Any] = {
        "objective": named, "clip": clip, "instance_noise": noise, "packing": packing, "average": average,
        "optimizer": rule(optimizer, lr, 1, 0), "prior": prior, "seed": seed, "d_steps": d_steps,
        "d_optimizer": rule(
            d_optimizer or optimizer, lr if d_lr is None else d_lr, d_steps * halves, d_pretrain * halves
        ),
    }  # fmt: skip
    if loop == "tutorial":
        if codes or penalties or reuse_fakes:
            raise ValueError("loop='tutorial' knows no labels and codes, no penalties and no reuse_fakes")
        return Tutorial(G, D, **options)
    options |= {"penalties": penalties, "reuse_fakes": reuse_fakes}
    return Conditional(G, D, codes=codes, **options) if codes else GAN(G, D, **options)


def falling(
    rate: float, decay_steps: int | str, steps: int, updates_per_step: int = 1, before: int = 0
) -> float | Schedule:
    """A learning rate that falls to 0 along half a cosine in so many steps, or in all of the run; 0 for never.

    before: updates that come before the first step.
    """
    updates = _length("decay_steps", decay_steps, steps, least=0) * updates_per_step + before
    return Cosine(rate, 0.0, updates) if decay_steps else rate


def _length(name: str, given: int | str, steps: int, least: int = 1) -> int:
    """So many steps, or all of the run."""
    return steps if given == "all" else integer(name, given, least)
