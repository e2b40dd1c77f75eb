"""The same step, played by minigan on each of its backends and by other libraries.

A subject is what they play: the canonical step (step.py), a critic's update (critic.py) or the step of a small DCGAN
(dcgan.py). All contestants begin with the same weights, images and random numbers, and their losses in the first three
steps must agree with those of the reference backend before any of them is timed; of the critic also the norm of its
gradient, in which both orders meet, and of a DCGAN, whose losses hardly feel its small weights, that of G's. All
compute in float32, but for those whose names end in a lower precision: only they may use the tensor cores, and they are
compared with each other alone.

    NAME of a backend   GAN.turn with reuse_fakes=True, all its metrics and checks included; "cupy" as one CUDA graph,
                        or not at all: a step that could not be recorded is refused with the reason
    torch-eager         PyTorch as most people write it: Adam's defaults, D's gradients computed in G's step as well,
                        both losses read back in every step
    torch-best          eager at its best: D frozen in G's step, Adam(fused=True), no metrics at all
    torch-compiled      torch-best with both networks through torch.compile
    torch-cudagraph     torch-best as one CUDA graph for the whole step (GPU only)
    torch-tf32          torch-cudagraph with its products and convolutions in TF32 (GPU only)
    jax                 JAX, one jit for the whole step with donated buffers, no metrics at all

The step of a DCGAN is the same beside PyTorch, whose best has the channels last in memory; JAX has none. And of the
critic's update, by differentiating a backward pass:

    NAME of a backend   GAN.update_discriminator, all its metrics and checks included; "cupy" as one CUDA graph
    torch-eager         autograd.grad(create_graph=True), as the programs of the literature have it; both losses read
    torch-best          real and fakes as one batch, gradients of nothing but the parameters, Adam(fused=True)
    torch-compiled      torch.func.grad of a loss with torch.func.grad in it, all of it through torch.compile, and
                        Adam(fused=True): torch.compile refuses autograd.grad(create_graph=True)
    torch-cudagraph     torch-best as one CUDA graph (GPU only)
    torch-tf32          the same with products in TF32 (GPU only)
    jax                 jax.grad of a loss with jax.grad in it; one jit with donated buffers

and of convolutions (conv.py), layer by layer:

    NAME of a backend   a network of that one layer, in an arena
    torch-eager         nn.Conv2d and nn.ConvTranspose2d on arrays as PyTorch has them, channels first
    torch-best          the same with torch.channels_last
    torch-tf32          that with convolutions in TF32, which is PyTorch's default (GPU only)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from .. import archive, environment
from ..backend import Backend, Purpose, Stream, get_backend
from ..backend.graph import Graph
from ..penalties import MIX
from . import conv, critic, dcgan, step
from .step import LATENT, PIXELS
from .work import Work

Losses = tuple[float, ...]

CHECKED_STEPS = 3
TOLERANCES = {  # of a loss, relative, through three updates, by the precision of products
    "fp32": 2e-3,  # sums in another order
    "tf32": 2e-2,  # factors of 10 bits: rounded so on a CPU, losses are up to 1e-3 off, a gradient's norm up to 1e-2
    "bf16": 4e-2,  # of 7 bits: up to 2e-3, and about as much as that
}
NORM_LATER = 5.0  # times as far may a gradient's norm be once Adam has made steps


class Subject(NamedTuple):
    """What is played. title: in a few words. build(width, backend): the GAN, or networks of one convolution each.
    work(batch, width): of one step.

    checked: the metrics that must agree; names: what they are called.
    """

    title: str
    build: Callable[..., Any]
    work: Callable[[int, float], Work]
    checked: tuple[str, ...]
    names: str


SUBJECTS = {
    "step": Subject(
        "One step: a pass of G, a pass of D over real and fake, a pass of D for G, two Adam updates",
        step.build,
        step.step_work,
        ("d_loss", "g_loss"),
        "losses of D and G",
    ),
    "critic": Subject(
        "One update of a critic (WGAN-GP): real and fakes, the gradient at points between them, that gradient's own "
        "gradient, Adam",
        critic.build,
        critic.critic_work,
        ("d_loss", "d_penalty", "d_grad_norm"),
        "loss, penalty and gradient's norm",
    ),
    "dcgan": Subject(
        "One step of a small DCGAN: a pass of G, passes of D over real and fake and for G, two Adam updates",
        dcgan.build,
        dcgan.dcgan_work,
        ("d_loss", "g_loss", "g_grad_norm"),
        "losses and the norm of G's gradient",
    ),
    **{
        name: Subject(
            "Convolutions of a small DCGAN: 28, 14 and 7 pixels, 1, 64 and 128 channels; kernel 4, stride 2, padding 1",
            partial(conv.build, name),
            partial(conv.conv_work, name),
            conv.CHECKED,
            "sizes of output and gradients, and a product of them,",
        )
        for name in conv.SUBJECTS
    },
}
FAMILIES = {"conv": conv.SUBJECTS}  # what is measured together, by one name


class Start(NamedTuple):
    """Where every contestant begins.

    subject: of SUBJECTS. G, D: state_dicts. real (batch, pixels): the images of every step. fake: those that a critic
    sees, or none. drawn (steps, batch, ...): the random numbers of the steps that are checked, latents or the critic's
    ε; timed steps draw their own. Of convolutions D has the arrays (see `conv.arrays`), and there is nothing else.
    """

    subject: str
    width: float
    G: dict[str, np.ndarray[Any, Any]]
    D: dict[str, np.ndarray[Any, Any]]
    real: np.ndarray[Any, Any]
    fake: np.ndarray[Any, Any]
    drawn: np.ndarray[Any, Any]

    @property
    def batch(self) -> int:
        return len(self.real)


class Opponent(NamedTuple):
    """checked(): one step with the next prescribed latents, returns D's and G's loss. timed(): one step.

    synchronize(): wait until the steps asked for are computed. about(): versions, device and threads, to be asked
    for after the steps that are checked; raises UnavailableError if these were not played as the name promises.
    """

    checked: Callable[[], Losses]
    timed: Callable[[], object]
    synchronize: Callable[[], object]
    about: Callable[[], str]


class UnavailableError(RuntimeError):
    """This contestant cannot play here; the message says why in one sentence."""


OPPONENTS = {  # beside minigan's backends; the devices it plays on
    "torch-eager": ("cpu", "gpu"),
    "torch-best": ("cpu", "gpu"),
    "torch-compiled": ("cpu", "gpu"),
    "torch-cudagraph": ("gpu",),
    "torch-tf32": ("gpu",),
    "jax": ("cpu", "gpu"),
}


def precision(who: str) -> str:
    """Of the products of a contestant, from its name: "fp32", "tf32" or "bf16".

    >>> precision("cupy"), precision("cupy-tf32"), precision("torch-tf32")
    ('fp32', 'tf32', 'tf32')
    """
    last = who.rpartition("-")[2]
    return last if last in TOLERANCES else "fp32"


def make_start(batch: int, width: float = 1.0, subject: str = "step") -> Start:
    """Weights, images, and what minigan draws in its first steps."""
    if subject in conv.SUBJECTS:
        none = np.zeros((CHECKED_STEPS, 1, 1), np.float32)
        return Start(subject, width, {}, conv.arrays(subject, batch, width), none[0].repeat(batch, 0), none[0], none)
    gan, rng = SUBJECTS[subject].build(width), np.random.default_rng(0)
    real, fake = (rng.uniform(-1, 1, (n, PIXELS)).astype(np.float32) for n in (batch, batch * (subject == "critic")))
    drawn = np.empty((CHECKED_STEPS, batch, 1 if subject == "critic" else LATENT), np.float32)
    for t, numbers in enumerate(drawn):
        if subject == "critic":
            gan.backend.uniform(numbers, Stream(gan.seed, Purpose.PENALTY, t, MIX))
        else:
            gan.backend.normal(numbers, Stream(gan.seed, Purpose.LATENT_G, t))
    return Start(subject, width, gan.G.state_dict(), gan.D.state_dict(), real, fake / 2, drawn)


def save_start(path: str | os.PathLike[str], start: Start) -> None:
    """Write a start to an `.npz` file, for the processes of the contestants."""
    states = {f"{net}.{name}": array for net in ("G", "D") for name, array in getattr(start, net).items()}
    arrays = {name: getattr(start, name) for name in _ARRAYS}
    archive.save(path, {**arrays, **states}, {"subject": start.subject, "width": start.width})


def load_start(path: str | os.PathLike[str]) -> Start:
    """The inverse of `save_start`."""
    arrays, header = archive.load(path)
    G, D = ({name[2:]: a for name, a in arrays.items() if name.startswith(f"{net}.")} for net in ("G", "D"))
    return Start(header["subject"], header["width"], G, D, *(arrays[name] for name in _ARRAYS))


_ARRAYS = ("real", "fake", "drawn")


def expected_losses(start: Start) -> list[Losses]:
    """What every contestant must answer: the losses of the reference backend."""
    play = ready(start, SUBJECTS[start.subject].build(start.width, Backend()))
    return [_losses(start, play()) for _ in range(CHECKED_STEPS)]


def deviations(losses: Sequence[Sequence[float]], expected: Sequence[Losses], subject: str = "step") -> list[float]:
    """How far each step is from what it should be: relative, or absolute where a number is below 1; the worst counts.

    The norm of a gradient counts less after the first step: the first steps of Adam are hardly more than the signs of
    gradients, so rounding turns some of them, and of a DCGAN's float32 norm 1 % is gone in three steps on any library.
    """
    checked, found = SUBJECTS[subject].checked, []
    for number, (ours, theirs) in enumerate(zip(losses, expected, strict=True)):
        scale = [NORM_LATER if number and name.endswith("grad_norm") else 1.0 for name in checked]
        away = np.abs(np.subtract(ours, theirs)) / (1 + np.abs(theirs)) / scale
        found.append(float(np.nan_to_num(away, nan=np.inf).max()))
    return found


def check_losses(
    who: str,
    losses: Sequence[Sequence[float]],
    expected: Sequence[Losses],
    subject: str = "step",
    allowed: float = TOLERANCES["fp32"],
) -> None:
    """Refuse a contestant that computes something else. allowed: as `deviations` measures it.

    Raises ArithmeticError with the losses of the first step in which one differs.
    """
    for number, away in enumerate(deviations(losses, expected, subject)):
        if not away <= allowed:
            shown, wanted = (", ".join(f"{loss:.5g}" for loss in them[number]) for them in (losses, expected))
            raise ArithmeticError(
                f"{who} does not compute the same step: its {SUBJECTS[subject].names} in step {number + 1} are "
                f"{shown}, expected {wanted}; it is not timed"
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
    play = backend.repeat(ready(start, SUBJECTS[start.subject].build(start.width, backend)))

    def about() -> str:
        if device == "gpu":
            return f"minigan on {backend.about()}, {_how(name, play)}"
        libraries = ", ".join(f"{name} {version}" for name, version in backend.versions().items())
        threads = getattr(backend, "threads", environment.blas_threads())
        return f"minigan on {libraries}, {environment.blas()}, {threads} threads"

    return Opponent(lambda: _losses(start, play()), play, backend.synchronize, about)


def _how(name: str, play: Any) -> str:
    """How a GPU is asked for a step. Raises UnavailableError for a graph that is none."""
    if not isinstance(play, Graph):
        return "call by call"
    if not play.recorded:
        raise UnavailableError(
            f"{name} plays a step as one CUDA graph, but this one was played call by call, as cupy-eager does it: "
            f"{play.reason or 'it was not recorded'}"
        )
    return play.describe()


def ready(start: Start, gan: Any) -> Callable[[], Any]:
    """The step of what this subject's `build` has made, from this start on, as a function that returns its metrics."""
    if start.subject in conv.SUBJECTS:
        return conv.play(start.subject, start.D, gan)
    backend = gan.backend
    gan.G.load_state_dict(start.G)
    gan.D.load_state_dict(start.D)
    real = backend.asarray(start.real)
    if start.subject == "critic":
        return critic.update(gan, real, backend.asarray(start.fake))
    return lambda: gan.turn(real)


def _losses(start: Start, metrics: Any) -> Losses:
    if start.subject in conv.SUBJECTS:
        metrics = conv.numbers(start.D, metrics, metrics[0][2].backend.to_numpy)
    return tuple(float(metrics[name]) for name in SUBJECTS[start.subject].checked)
