"""Who plays what.

The step, and that of a small DCGAN, whose best have the channels last in memory:

    NAME of a backend   minigan, see minigan/bench/subject.py
    torch-eager         PyTorch as most people write it: Adam's defaults, D's gradients computed in G's step as well,
                        both losses read back in every step
    torch-best          eager at its best: D frozen in G's step, Adam(fused=True), no metrics at all
    torch-compiled      torch-best with both networks through torch.compile
    torch-cudagraph     torch-best as one CUDA graph for the whole step (GPU only)
    torch-tf32          torch-cudagraph with its products and convolutions in TF32 (GPU only)
    jax                 JAX, one jit for the whole step with donated buffers, no metrics at all; no DCGAN

The critic's update, by differentiating a backward pass:

    NAME of a backend   GAN.update_discriminator, all its metrics and checks included; "cupy" as one CUDA graph
    torch-eager         autograd.grad(create_graph=True), as the programs of the literature have it; both losses read
    torch-best          real and fakes as one batch, gradients of nothing but the parameters, Adam(fused=True)
    torch-compiled      torch.func.grad of a loss with torch.func.grad in it, all of it through torch.compile, and
                        Adam(fused=True): torch.compile refuses autograd.grad(create_graph=True)
    torch-cudagraph     torch-best as one CUDA graph (GPU only)
    torch-tf32          the same with products in TF32 (GPU only)
    jax                 jax.grad of a loss with jax.grad in it; one jit with donated buffers

Convolutions of a small DCGAN and of a U-Net, layer by layer:

    NAME of a backend   a network of that one layer, in an arena
    torch-eager         nn.Conv2d and nn.ConvTranspose2d on arrays as PyTorch has them, channels first
    torch-best          the same with torch.channels_last
    torch-tf32          that with convolutions in TF32, which is PyTorch's default (GPU only)
"""

from __future__ import annotations

from minigan.bench.measure import Guest
from minigan.bench.step import STEP
from minigan.bench.subject import Opponent, Start, Subject, UnavailableError

from . import conv, guests_jax, guests_torch
from .critic import CRITIC
from .dcgan import DCGAN

GUESTS = {
    "torch-eager": Guest(),
    "torch-best": Guest(parts=("gemm",)),  # products by another BLAS
    "torch-compiled": Guest(wakes=False),
    "torch-cudagraph": Guest(("gpu",)),
    "torch-tf32": Guest(("gpu",)),
    "jax": Guest(),
}
FAMILIES: dict[str, tuple[Subject, ...]] = {  # what is measured together, by one name
    "step": (STEP,), "critic": (CRITIC,), "dcgan": (DCGAN,),
    **{name: tuple(family.values()) for name, family in conv.FAMILIES.items()},
}  # fmt: skip
SUBJECTS = {subject.name: subject for family in FAMILIES.values() for subject in family}


def make_opponent(name: str, device: str, start: Start) -> Opponent:
    """A contestant, ready to play on "cpu" or "gpu".

    Raises UnavailableError with the reason if it cannot play here, ValueError for an unknown name.
    """
    if name not in GUESTS:
        return SUBJECTS[start.subject].opponent(name, device, start)
    if device not in GUESTS[name].devices:
        raise UnavailableError(f"{name} needs a GPU")
    make = guests_jax.make if name == "jax" else guests_torch.make
    try:
        return make(name, device, start)
    except ImportError as error:
        raise UnavailableError(" ".join(str(error).split())) from None
