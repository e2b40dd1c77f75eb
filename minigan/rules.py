"""What a game must be before it can begin: options that agree, networks that fit together, data that they can learn."""

from __future__ import annotations

import math
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

from .backend import Heap, Purpose, Stream
from .names import not_one_of
from .nn import Flatten, ReLU, Reshape, Sequential, Sigmoid, Softplus, Tanh
from .optim import Optimizer
from .penalties import Penalty
from .spec import whole

if TYPE_CHECKING:
    from .gan import GAN

_ENDS: dict[type, tuple[float, float]] = {  # what G can make, given its last layer
    Tanh: (-1.0, 1.0), Sigmoid: (0.0, 1.0), ReLU: (0.0, math.inf), Softplus: (0.0, math.inf),
}  # fmt: skip
_NEAR = 0.01  # floats that are so far outside were rounded, not scaled otherwise
CHOICES = {
    "updates": ("joint", "separate"),
    "batches": ("auto", "one", "two"),
    "fake_statistics": ("batch", "running"),
    "prior": ("normal", "uniform"),
}


def check_options(gan: GAN) -> None:
    """Raises ValueError or TypeError for options that are unknown or contradict each other."""
    for name, choices in CHOICES.items():
        if getattr(gan, name) not in choices:
            raise ValueError(not_one_of(name, getattr(gan, name), choices))
    for name in ("optimizer", "d_optimizer"):
        if not isinstance(getattr(gan, name), Optimizer):
            raise TypeError(f"{name} must be an update rule such as Adam(2e-4), got {getattr(gan, name)!r}")
    if gan.updates == "separate" and gan.batches == "one":
        raise ValueError("updates='separate' trains D on two batches; batches='one' contradicts it")
    if gan.updates == "separate" and (gan.penalties or not gan.objective.separable):
        what = "a penalty belongs to" if gan.penalties else f"{gan.objective} compares"
        raise ValueError(f"{what} real and fake samples together; it needs updates='joint'")
    if gan.half_batches and gan.objective.compares:
        raise ValueError(f"{gan.objective} compares as many real samples with fakes; it excludes half_batches")
    if gan.codes and gan.half_batches:
        raise ValueError("with half_batches G makes more fakes than there are labels to ask for; leave out one of both")
    if gan._codes.outputs and gan.packing > 1:
        raise ValueError(f"a pack of {gan.packing} samples has no one code that D could tell; leave out packing")
    for penalty in gan.penalties:
        if not isinstance(penalty, Penalty):
            raise TypeError(f"penalties must be objects such as R1(10.0), got {penalty!r}")
    if gan.reuse_fakes and (gan.half_batches or gan.fake_statistics == "running"):
        raise ValueError("reuse_fakes shows D the fakes of G's own update; it excludes half_batches and "
                         "fake_statistics='running'")  # fmt: skip


def latent_size(G: Sequential, latent: int | None, codes: int) -> int:
    """How much noise there is, which G's first layer tells or `latent` does; ValueError unless they agree.

    codes: how many numbers of G's input are codes.
    """
    told = getattr(G.layers[0] if G.layers else None, "n_in", None)
    told = None if told is None else told - codes
    if latent is None and told is None:
        raise ValueError("the size of the latent is unknown: G's first layer does not tell; pass latent=...")
    if latent is not None and told is not None and latent != told:
        beside = f" beside {codes} for the codes" if codes else ""
        raise ValueError(f"latent={latent} contradicts G's first layer, which takes {told} numbers{beside}")
    if told is not None and told < 1:
        raise ValueError(
            f"G's first layer takes {told + codes} numbers, and {codes} are for the codes: no noise is left"
        )
    return whole("latent", told if latent is None else latent)


def check_networks(gan: GAN) -> tuple[int, ...]:
    """Two samples through both networks, so that a mismatch is found here and not in the first step.

    Returns the shape of a sample; raises ValueError for a mismatch.
    """
    G, D = gan.G, gan.D
    if G.backend.xp is not D.backend.xp:
        raise ValueError(f"G and D must live on one backend, got {G.backend.name} and {D.backend.name}")
    if G.dtype != D.dtype:
        raise ValueError(f"G and D must have one dtype, got {G.dtype} and {D.dtype}")
    codes, zeros = gan._codes, partial(gan.backend.zeros, dtype=G.dtype)
    fakes, _ = G(zeros((2 * gan.packing, gan.latent + codes.width)), train=False)
    shape: tuple[int, ...] = tuple(fakes.shape[1:])
    shown = gan._packs(fakes)
    told = None if codes.told is None else zeros((2, gan.packing * codes.told.k))
    try:
        outputs, _ = D(shown, train=False, beside=told)
    except ValueError as error:
        packs = f", {gan.packing} packed as {shown.shape[1:]}" if gan.packing > 1 else ""
        label = "" if told is None else f", with {told.shape[1]} numbers beside them for the label"
        raise ValueError(f"D cannot take G's samples of shape {shape}{packs}{label}: {error}") from None
    if outputs.shape != (2, 1 + codes.outputs):
        wanted = "one logit per sample" + (f" and {codes.outputs} outputs for the codes" if codes.outputs else "")
        given = ", ".join(map(str, outputs.shape[1:]))
        raise ValueError(f"D must end in {wanted}, shape (N, {1 + codes.outputs}); it gives (N, {given})")
    if gan.objective.depth(D) < len(D) and codes.outputs:
        raise ValueError(
            f"{gan.objective} looks at a hidden layer of D, but {codes.codes} at what D says: take another"
        )
    for penalty in gan.penalties:
        try:
            penalty.add(D, shown, shown, Heap(gan.backend), Stream(gan.seed, Purpose.PENALTY), told)
        except ValueError as error:
            raise ValueError(f"{penalty} cannot be put on this D: {error}") from None
    D.zero_grad()
    return shape


def check_shape(shape: tuple[int, ...], made: tuple[int, ...]) -> None:
    """Raises ValueError unless samples of `shape` are such as G makes: of the same shape, or flat where one of both is.

    The same numbers in another order, as of pictures (C, H, W) for a G that makes (H, W, C), would be learned as noise.
    """
    if math.prod(shape) != math.prod(made):
        raise ValueError(
            f"G makes samples of shape {made}, {math.prod(made)} numbers each; the data has samples of shape {shape}, "
            f"{math.prod(shape)} numbers"
        )
    sides, wanted = (tuple(n for n in s if n != 1) for s in (shape, made))
    if sides != wanted and len(sides) > 1 and len(wanted) > 1:
        raise ValueError(
            f"G makes samples of shape {made}; the data has samples of shape {shape}, as many numbers in another "
            "order: transpose them, such as images.transpose(0, 2, 3, 1) for channels that come first"
        )


def look_at_data(gan: GAN, data: Any, labels: Any) -> None:
    """Warn of data that a game can take and hardly learn: numbers that G cannot make, classes without a sample.

    data: (N, ...), uint8 or floats; labels: one-hot (N, k) or None. Both on the GAN's backend.
    """
    ends = [layer for layer in gan.G.layers if not isinstance(layer, (Flatten, Reshape))]
    least, most = _ENDS.get(type(ends[-1]) if ends else object, (-math.inf, math.inf))
    low, high = float(data.min()), float(data.max())
    whole_numbers = data.dtype.kind == "u"
    if whole_numbers:
        low, high = (2 * level / 255 - 1 for level in (low, high))
    if low < least - _NEAR or high > most + _NEAR:
        mapped = " (as uint8 is brought to [-1, 1])" if whole_numbers else ""
        _warn(
            f"the data runs from {low:g} to {high:g}{mapped}, but G ends in {ends[-1]} and makes {least:g} to {most:g} "
            "only, so that D need not look any further; scale the data, as minigan.datasets.to_float does with uint8, "
            "or end G otherwise"
        )
    elif not whole_numbers and (least, low >= 0, high > low) == (-1, True, True):
        _warn(
            f"the data runs from {low:g} to {high:g}, as if scaled to [0, 1], but G ends in {ends[-1]} and begins "
            "around 0; give 2 * x - 1, or uint8"
        )
    if labels is not None and (absent := [i for i, n in enumerate(labels.sum(axis=0).tolist()) if not n]):
        few = ", ".join(map(str, absent[:5])) + (", ..." if len(absent) > 5 else "")
        _warn(
            f"{gan.codes[0]} has {labels.shape[1]} classes, but {len(absent)} of them ({few}) have no sample in the "
            "data, so that G never learns them; give the number of classes that there are"
        )


def _warn(sentence: str) -> None:
    warnings.warn(sentence, UserWarning, stacklevel=5)
