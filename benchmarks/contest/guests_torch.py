"""PyTorch as a contestant, and its products alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minigan.bench.step import operations
from minigan.bench.step import products as step_products
from minigan.bench.subject import Losses, Opponent, Start, UnavailableError, precision

from .conv_torch import Convolutions
from .critic_torch import Critic
from .dcgan_torch import Dcgan
from .step_torch import Step, pytorch


def make(name: str, device: str, start: Start) -> Opponent:
    """One of torch-eager, torch-best, torch-compiled, torch-cudagraph and torch-tf32 on "cpu" or "gpu".

    Raises UnavailableError or ImportError with the reason if PyTorch or its GPU is missing.
    """
    try:
        torch = pytorch()
    except ImportError:
        raise UnavailableError("PyTorch is not installed") from None
    if device == "gpu" and not torch.cuda.is_available():
        raise UnavailableError(f"PyTorch {torch.__version__} finds no CUDA device")
    where = torch.device("cuda" if device == "gpu" else "cpu")
    choose_algorithms(name)
    kinds: dict[str, type[Step | Critic | Convolutions]] = {"step": Step, "critic": Critic, "dcgan": Dcgan}
    kind = kinds.get(start.subject, Convolutions)
    step = kind(start, where, best=name != "torch-eager")
    if name == "torch-compiled":
        step.compile()
    if name == "torch-cudagraph" or (name == "torch-tf32" and kind is not Convolutions):
        step.capture()
    given = iter(torch.from_numpy(start.drawn).to(where))
    about = f"torch {torch.__version__}"
    if device == "gpu":
        about += f" on {torch.cuda.get_device_name()}, CUDA {torch.version.cuda}, {precision(name)}"
    else:
        about += f", {torch.get_num_threads()} threads"

    def checked() -> Losses:
        step.drawn.copy_(next(given))
        step.run()
        return step.numbers()

    def timed() -> None:
        step.draw()
        step.run()
        if name == "torch-eager":
            step.losses()

    synchronize = torch.cuda.synchronize if device == "gpu" else lambda: None
    return Opponent(checked, timed, synchronize, lambda: about)


def choose_algorithms(name: str) -> None:
    """For this contestant: TF32 or not, and whether cuDNN may try its algorithms and keep the quickest."""
    allow_tf32(precision(name) == "tf32")
    pytorch().backends.cudnn.benchmark = name != "torch-eager"


def allow_tf32(allowed: bool) -> None:
    """Whether a GPU may round the factors of float32 products and convolutions to 10 bits, from now on.

    PyTorch's default is no for products and yes for convolutions: beside float32, that would be no comparison.
    """
    backends = pytorch().backends
    backends.cuda.matmul.allow_tf32 = backends.cudnn.allow_tf32 = allowed


def products(device: str, batch: int, width: float) -> tuple[Callable[[], None], Callable[[], object]]:
    """The products of one step by PyTorch alone, and how to wait for them: what its BLAS makes of the same shapes.

    Raises ArithmeticError, naming the shape, if one of them is wrong.
    """
    torch = pytorch()
    allow_tf32(False)
    rng, calls = np.random.default_rng(0), []
    for m, k, n in step_products(operations(batch, width)):
        a, b = (rng.standard_normal(shape, np.float32) for shape in ((m, k), (k, n)))
        left, right = (torch.from_numpy(x).to("cuda" if device == "gpu" else "cpu") for x in (a, b))
        out = torch.mm(left, right)
        expected = a @ b
        if not np.allclose(out.cpu().numpy(), expected, rtol=0, atol=2e-3 * np.abs(expected).max()):
            raise ArithmeticError(f"the product {m} x {k} x {n} of torch is wrong; it is not timed")
        calls.append((left, right, out))

    def run() -> None:
        for left, right, out in calls:
            torch.mm(left, right, out=out)

    return run, torch.cuda.synchronize if device == "gpu" else lambda: None
