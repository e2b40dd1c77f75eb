"""The same step, played by minigan on each of its backends and by other libraries.

All contestants begin with the same weights, images and latents, and their losses in the first three steps must
agree with those of the reference backend before any of them is timed.

    NAME of a backend   GAN.turn with reuse_fakes=True, all its metrics and checks included; "cupy" as one CUDA graph
    torch-eager         PyTorch as most people write it: Adam's defaults, D's gradients computed in G's step as well,
                        both losses read back in every step
    torch-best          eager at its best: D frozen in G's step, Adam(fused=True), no metrics at all
    torch-compiled      torch-best with both networks through torch.compile
    torch-cudagraph     torch-best as one CUDA graph for the whole step (GPU only)
    jax                 JAX, one jit for the whole step with donated buffers, no metrics at all
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import archive
from ..backend import Backend, Purpose, Stream, get_backend
from ..gan import GAN
from . import environment
from .step import LATENT, PIXELS, build

Losses = tuple[float, float]

CHECKED_STEPS = 3
TOLERANCE = 2e-3  # of a loss, relative: float32 sums in another order, through three updates


class Start(NamedTuple):
    """Where every contestant begins.

    G, D: state_dicts. real (batch, pixels): the images of every step. latents (steps, batch, latent): those of the
    steps that are checked; timed steps draw their own.
    """

    width: float
    G: dict[str, np.ndarray[Any, Any]]
    D: dict[str, np.ndarray[Any, Any]]
    real: np.ndarray[Any, Any]
    latents: np.ndarray[Any, Any]

    @property
    def batch(self) -> int:
        return len(self.real)


class Opponent(NamedTuple):
    """checked(): one step with the next prescribed latents, returns D's and G's loss. timed(): one step.

    synchronize(): wait until the steps asked for are computed. about: versions, device and threads.
    """

    checked: Callable[[], Losses]
    timed: Callable[[], object]
    synchronize: Callable[[], object]
    about: str


class UnavailableError(RuntimeError):
    """This contestant cannot play here; the message says why in one sentence."""


OPPONENTS = {  # beside minigan's backends; the devices it plays on
    "torch-eager": ("cpu", "gpu"),
    "torch-best": ("cpu", "gpu"),
    "torch-compiled": ("cpu", "gpu"),
    "torch-cudagraph": ("gpu",),
    "jax": ("cpu", "gpu"),
}


def make_start(batch: int, width: float = 1.0) -> Start:
    """Weights, images, and the latents that minigan draws in its first steps."""
    gan = build(width)
    latents = np.empty((CHECKED_STEPS, batch, LATENT), np.float32)
    for t, z in enumerate(latents):
        gan.backend.normal(z, Stream(gan.seed, Purpose.LATENT_G, t))
    real = np.random.default_rng(0).uniform(-1, 1, (batch, PIXELS)).astype(np.float32)
    return Start(width, gan.G.state_dict(), gan.D.state_dict(), real, latents)


def save_start(path: str | os.PathLike[str], start: Start) -> None:
    """Write a start to an `.npz` file, for the processes of the contestants."""
    states = {f"{net}.{name}": array for net in ("G", "D") for name, array in getattr(start, net).items()}
    archive.save(path, {"real": start.real, "latents": start.latents, **states}, {"width": start.width})


def load_start(path: str | os.PathLike[str]) -> Start:
    """The inverse of `save_start`."""
    arrays, header = archive.load(path)
    G, D = ({name[2:]: a for name, a in arrays.items() if name.startswith(f"{net}.")} for net in ("G", "D"))
    return Start(header["width"], G, D, arrays["real"], arrays["latents"])


def expected_losses(start: Start) -> list[Losses]:
    """What every contestant must answer: the losses of the reference backend."""
    gan = _gan(start, Backend())
    return [_losses(gan.turn(start.real)) for _ in range(CHECKED_STEPS)]


def check_losses(who: str, losses: Sequence[Sequence[float]], expected: Sequence[Losses]) -> None:
    """Refuse a contestant that computes something else.

    Raises ArithmeticError with the first pair of losses that differs.
    """
    for step, (ours, theirs) in enumerate(zip(losses, expected, strict=True), 1):
        if not np.allclose(ours, theirs, rtol=TOLERANCE, atol=TOLERANCE):
            shown, wanted = (", ".join(f"{loss:.5g}" for loss in pair) for pair in (ours, theirs))
            raise ArithmeticError(
                f"{who} does not compute the same step: its losses of D and G in step {step} are {shown}, expected "
                f"{wanted}; it is not timed"
            )


def make_opponent(name: str, device: str, start: Start) -> Opponent:
    """A contestant, ready to play on "cpu" or "gpu".

    Raises UnavailableError with the reason if it cannot play here, ValueError for an unknown name.
    """
    if name in OPPONENTS and device not in OPPONENTS[name]:
        raise UnavailableError(f"{name} needs a GPU")
    if name == "jax":
        from .opponents_jax import make
    elif name in OPPONENTS:
        from .opponents_torch import make
    else:
        make = _minigan
    try:
        return make(name, device, start)
    except ImportError as error:
        raise UnavailableError(" ".join(str(error).split())) from None


def _minigan(name: str, device: str, start: Start) -> Opponent:
    backend = get_backend(name)
    gan = _gan(start, backend)
    real = backend.asarray(start.real)
    if device == "gpu":
        about = f"minigan on cupy {backend.xp.__version__}"
    else:
        libraries = ", ".join(f"{name} {version}" for name, version in backend.versions().items())
        threads = getattr(backend, "threads", environment.blas_threads())
        about = f"minigan on {libraries}, {environment.blas()}, {threads} threads"
    turn = backend.repeat(lambda: gan.turn(real))
    return Opponent(lambda: _losses(turn()), turn, backend.synchronize, about)


def _gan(start: Start, backend: Backend) -> GAN:
    gan = build(start.width, backend)
    gan.G.load_state_dict(start.G)
    gan.D.load_state_dict(start.D)
    return gan


def _losses(metrics: dict[str, Any]) -> Losses:
    return float(metrics["d_loss"]), float(metrics["g_loss"])
