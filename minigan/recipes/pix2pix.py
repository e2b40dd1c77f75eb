"""From one picture to another: a U-Net draws what a picture shall become, and D judges both, patch by patch.

P. Isola, J.-Y. Zhu, T. Zhou and A. Efros, "Image-to-Image Translation with Conditional Adversarial Networks", 2017;
minigan/games/translation.py has the game.

    G   H x W – H/2 x W/2 x w – H/4 x W/4 x 2 w – ... and back        4 x 4 kernels of stride 2, BatchNorm, LeakyReLU
        At each size what the way down had seen stands beside what comes back from further down (Skip), the input
        itself before the last layer, which is 3 x 3, with tanh. At the bottom `blocks` of two 3 x 3 layers.
    D   both pictures – H/2 x W/2 x w – H/4 x W/4 x 2 w – ... – a map of logits      LeakyReLU; each sees `patch` pixels

The paper has w = 64, L1 with λ = 100, Dropout for noise, and batches of 1. `--adversary 0` is the same G with its
distance alone, `--weight 0` with D alone. Where a picture changes little, as photographs do that are enlarged, G need
make only what is added, `--residual` (J. Kim et al., "Accurate Image Super-Resolution Using Very Deep Convolutional
Networks", 2016).
"""

from __future__ import annotations

from typing import Any, Literal

from ..backend import get_backend
from ..games import Translation
from ..names import not_one_of
from ..nn import (
    BatchNorm,
    Conv2D,
    ConvTranspose2D,
    Dense,
    Dropout,
    Flatten,
    InjectedNoise,
    Layer,
    LeakyReLU,
    ReLU,
    Residual,
    Sequential,
    Skip,
    SpectralNorm,
    Tanh,
)
from ..nn.init import Normal
from ..optim import Adam, Linear, Schedule
from ..penalties import R1, GradientPenalty
from ..spec import integer
from .gan import falling

STEPS, BATCH = 3_000, 64
FIELDS = {3 * 2**n - 2: n for n in range(1, 6)}  # pixels that a logit sees, with n layers in D
Noise = Literal["none", "dropout", "injected"]


def build(
    shape: tuple[int, ...],
    *,
    task: Literal["superresolve", "derain", "inpaint", "edges", "colourise", "next-frame", "side-by-side"]
    | None = None,
    swap: bool = False,
    channels: int | None = None,
    width: int = 16,
    halvings: int = 3,
    blocks: int = 1,
    residual: bool = False,
    noise: Noise = "none",
    patch: int | Literal["image"] = 10,
    d_width: int = 32,
    d_norm: Literal["none", "batch", "spectral"] = "none",
    adversary: float = 1.0,
    weight: float = 10.0,
    distance: Literal["l1", "l2"] = "l1",
    objective: Literal[
        "non-saturating", "minimax", "least-squares", "wasserstein", "hinge", "relativistic"
    ] = "non-saturating",
    gradient_penalty: float = 0.0,
    r1: float = 0.0,
    instance_noise: float = 0.0,
    average: float = 0.999,
    lr: float = 1e-3,
    d_lr: float | None = None,
    decay_steps: int | Literal["all"] = "all",
    beta1: float = 0.5,
    backend: Any = None,
    dtype: str = "float32",
    seed: int = 0,
    steps: int = STEPS,
    d_pretrain: int = 0,
) -> Translation:
    """A game for pictures of `shape`, to be trained for `steps` steps.

    task: what is made of single pictures, to be undone (minigan/datasets/README.md); none for data that are pairs, and
        for others "superresolve"
    swap: the other way round, from the pictures wanted to the inputs
    channels: of an input; none for as many as the data has (those of the picture before there is any)
    width: channels of G at half the size, twice as many at a quarter, and so on
    halvings: how often G halves a picture, at most: no more than its sides can be halved
    blocks: residual blocks at the bottom of G
    residual: G makes what is to be added to the input, and begins with next to nothing; of as many channels only
    noise: that G makes several answers of, always on: "dropout" on the way up (the paper), or "injected" at each size,
        on the way down and up, as strong as G learns
    patch: pixels that a logit of D sees, one of 4, 10, 22, 46, 94, or "image" for one logit
    d_width: channels of D at half the size, twice as many at a quarter, and so on
    d_norm: D has batch normalisation, or spectral normalisation of its weights
    adversary: weight of G's loss on D; 0 for no D
    weight: of the distance to the picture wanted
    distance: mean absolute difference, or mean square
    objective: what D and G descend; see minigan/objectives.py
    gradient_penalty: weight λ of (‖∇D‖ − 1)² between pictures wanted and made (WGAN-GP), of the mean of D's logits
    r1: weight γ of ‖∇D‖²/2 at the pictures wanted
    instance_noise: standard deviation of noise on all pictures that D sees, falling to 0
    average: decay of the average of G that pictures come from; 0 for none
    lr: learning rate of both networks
    d_lr: another one for D
    decay_steps: both fall to 0 along half a cosine in so many steps, or in all of the run; 0 for never
    beta1: Adam's momentum
    """
    where: dict[str, Any] = {"backend": get_backend(backend or "numpy"), "dtype": dtype}
    height, breadth, *rest = shape
    made = rest[0] if rest else 1
    given = made if channels is None else integer("channels", channels)
    if d_pretrain and not adversary:
        raise ValueError(f"{d_pretrain} updates of D alone were asked for, but with adversary=0 there is no D")
    D = None
    if adversary:
        D = patches((height, breadth, made + given), d_width, patch, d_norm, seed=2 * seed + 1, **where)
    penalties = [*([GradientPenalty(gradient_penalty)] if gradient_penalty else []), *([R1(r1)] if r1 else [])]
    schedule: float | Schedule = Linear(instance_noise, 0.0, steps) if instance_noise else 0.0
    return Translation(
        u_net((height, breadth, given), made, width, halvings, blocks, noise, residual, seed=2 * seed, **where),
        D,
        input_shape=(height, breadth, given),
        adversary=adversary, weight=weight, distance=distance, objective=objective,
        optimizer=Adam(falling(lr, decay_steps, steps), beta1=beta1),
        d_optimizer=Adam(falling(lr if d_lr is None else d_lr, decay_steps, steps, before=d_pretrain), beta1=beta1),
        penalties=penalties if D is not None else [], instance_noise=schedule if D is not None else 0.0,
        average=average, seed=seed,
    )  # fmt: skip


def u_net(
    shape: tuple[int, ...],
    made: int,
    width: int,
    halvings: int,
    blocks: int,
    noise: Noise,
    residual: bool = False,
    **where: Any,
) -> Sequential:
    """G: maps pictures of `shape` (H, W, C) to such with `made` channels.

    Raises ValueError for another noise, sides that cannot be halved, and a residual of other channels.
    """
    height, breadth, channels = shape
    most = 0
    while most < halvings and not (height | breadth) % 2 ** (most + 1) and min(height, breadth) > 2 ** (most + 1):
        most += 1

    def inside(level: int) -> list[Layer]:
        """What happens at so many halvings, to w 2^(level − 1) channels, which are as many afterwards."""
        c = width * 2 ** (level - 1)
        if level == most:
            return [block(c) for _ in range(blocks)]
        return [_down_and_up(c, 2 * c, inside(level + 1), c, noise)]

    if not most:
        raise ValueError(f"G halves pictures at least once, so their sides must be even, got {height} x {breadth}")
    skip = _down_and_up(channels, width, inside(1), width, noise, first=True)
    if not residual:
        return Sequential(skip, Conv2D(channels + width, made, 3, padding=1), Tanh(), **where)
    if made != channels:
        raise ValueError(f"a residual is added to the input, which has {channels} channels and not {made}")
    return Sequential(Residual(skip, Conv2D(channels + width, made, 3, padding=1, init=Normal(0.01))), **where)


def _down_and_up(c_in: int, c: int, inside: list[Layer], c_out: int, noise: Noise, first: bool = False) -> Skip:
    """x, and beside it what becomes of x at half the size, in c channels, and back, in c_out channels."""
    deeper = isinstance(inside[-1], Skip) if inside else False
    normed: list[Layer] = [] if first else [BatchNorm(c)]  # the first layer sees colours, as D's does
    return Skip(
        Conv2D(c_in, c, 4, stride=2, padding=1, init="he"), *normed, LeakyReLU(0.2), *noise_layers(noise, c, down=True),
        *inside,
        ConvTranspose2D(2 * c if deeper else c, c_out, 4, stride=2, padding=1, bias=False, init="he"),
        BatchNorm(c_out), *noise_layers(noise, c_out), ReLU(),
    )  # fmt: skip


def block(c: int) -> Residual:
    """Two layers of 3 x 3, with what they are to change beside them (He et al. 2016)."""
    return Residual(
        Conv2D(c, c, 3, padding=1, bias=False, init="he"), BatchNorm(c), ReLU(),
        Conv2D(c, c, 3, padding=1, bias=False, init="he"), BatchNorm(c),
    )  # fmt: skip


def noise_layers(kind: str, c: int, down: bool = False) -> list[Layer]:
    """Of a kind, for c channels: on the way up; injected on the way down as well, where it can still decide what is
    drawn, and not how."""
    match kind:
        case "none":
            return []
        case "dropout":
            return [] if down else [Dropout(0.5, always=True)]
        case "injected":
            return [InjectedNoise(c, strength=0.5)]
    raise ValueError(not_one_of("noise", kind, ("none", "dropout", "injected")))


def patches(shape: tuple[int, ...], width: int, patch: int | str, norm: str, **where: Any) -> Sequential:
    """D: maps pictures with their inputs behind them, `shape` together, to logits (N, P).

    Raises ValueError for another norm, and for patches that are none or larger than the picture.
    """
    height, breadth, channels = shape
    if patch != "image" and patch not in FIELDS:
        raise ValueError(not_one_of("patch", str(patch), (*map(str, FIELDS), "image")))
    if norm not in ("none", "batch", "spectral"):
        raise ValueError(not_one_of("d_norm", norm, ("none", "batch", "spectral")))

    def normed() -> Any:
        return SpectralNorm() if norm == "spectral" else None

    layers: list[Layer] = []
    depth = 3 if patch == "image" else FIELDS[int(patch)]
    for i in range(depth):
        c = width * 2**i
        if min(height, breadth) < 2:
            if patch == "image":
                break
            raise ValueError(f"patches of {patch} pixels are too large for pictures of {shape[0]} x {shape[1]}")
        layers += [Conv2D(channels, c, 4, stride=2, padding=1, init="he", norm=normed())]
        layers += [BatchNorm(c)] if norm == "batch" and i else []
        layers += [LeakyReLU(0.2)]
        channels, height, breadth = c, height // 2, breadth // 2
    if patch == "image":
        end: list[Layer] = [Flatten(), Dense(height * breadth * channels, 1, norm=normed())]
    else:
        end = [Conv2D(channels, 1, 1, norm=normed()), Flatten()]
    return Sequential(*layers, *end, **where)
