"""The canonical step in PyTorch: as most people write it, at its best, compiled, and as one CUDA graph."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from .opponents import Losses, Opponent, Start, UnavailableError
from .step import ADAM_EPS, BETA1, BETA2, EPS, LATENT, LR, MOMENTUM, SLOPE, sizes
from .step import products as step_products


def make(name: str, device: str, start: Start) -> Opponent:
    """One of torch-eager, torch-best, torch-compiled and torch-cudagraph on "cpu" or "gpu".

    Raises UnavailableError or ImportError with the reason if PyTorch or its GPU is missing.
    """
    try:
        torch = _torch()
    except ImportError:
        raise UnavailableError("PyTorch is not installed") from None
    if device == "gpu" and not torch.cuda.is_available():
        raise UnavailableError(f"PyTorch {torch.__version__} finds no CUDA device")
    where = torch.device("cuda" if device == "gpu" else "cpu")
    step = _Step(start, where, best=name != "torch-eager")
    if name == "torch-compiled":
        step.compile()
    if name == "torch-cudagraph":
        step.capture()
    given = iter(torch.from_numpy(start.latents).to(where))
    about = f"torch {torch.__version__}"
    if device == "gpu":
        about += f" on {torch.cuda.get_device_name()}, CUDA {torch.version.cuda}"
    else:
        about += f", {torch.get_num_threads()} threads"

    def checked() -> Losses:
        step.z.copy_(next(given))
        step.play()
        return step.losses()

    def timed() -> None:
        step.z.normal_()
        step.play()
        if name == "torch-eager":
            step.losses()

    synchronize = torch.cuda.synchronize if device == "gpu" else lambda: None
    return Opponent(checked, timed, synchronize, about)


def products(device: str, batch: int, width: float) -> tuple[Callable[[], None], Callable[[], object]]:
    """The products of one step by PyTorch alone, and how to wait for them: what its BLAS makes of the same shapes.

    Raises ArithmeticError, naming the shape, if one of them is wrong.
    """
    torch = _torch()
    rng, calls = np.random.default_rng(0), []
    for m, k, n in step_products(batch, width):
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


def _torch() -> Any:
    """PyTorch, as a module without types: most who check this package do not have it."""
    return import_module("torch")


class _Step:
    """Networks, optimizers and `play()`, one step on the latents in `z`.

    best: D frozen in G's update and Adam(fused=True), instead of PyTorch's defaults.
    """

    def __init__(self, start: Start, device: Any, best: bool) -> None:
        torch = _torch()

        self.best, self.device = best, device
        G_sizes, D_sizes = sizes(start.width)
        self.G, self.D = _network(G_sizes, generator=True).to(device), _network(D_sizes, generator=False).to(device)
        for net, state in ((self.G, start.G), (self.D, start.D)):
            net.load_state_dict({name: torch.from_numpy(array) for name, array in state.items()}, strict=False)
        self.call_G, self.call_D = self.G, self.D  # as they are, or compiled
        self.real = torch.from_numpy(start.real).to(device)
        self.z = torch.empty((start.batch, LATENT), device=device)
        ones, zeros = torch.ones(start.batch, 1, device=device), torch.zeros(start.batch, 1, device=device)
        self.real_then_fake, self.real_only = torch.cat([ones, zeros]), ones
        self.bce = torch.nn.BCEWithLogitsLoss()
        self.new_optimizers({"fused": True} if best else {})
        self.run = self.eager

    def new_optimizers(self, options: dict[str, Any]) -> None:
        torch = _torch()

        settings = {"lr": LR, "betas": (BETA1, BETA2), "eps": ADAM_EPS} | options
        self.g_opt, self.d_opt = (torch.optim.Adam(net.parameters(), **settings) for net in (self.G, self.D))

    def play(self) -> None:
        self.run()

    def eager(self) -> None:
        torch = _torch()

        fake = self.call_G(self.z)
        self.d_opt.zero_grad()
        logits = self.call_D(torch.cat([self.real, fake.detach()]))
        self.d_loss = 2 * self.bce(logits, self.real_then_fake)  # 2 ×: minigan adds the means of two halves
        self.d_loss.backward()
        self.d_opt.step()
        if self.best:
            self.D.requires_grad_(False)
        self.g_opt.zero_grad()
        self.g_loss = self.bce(self.call_D(fake), self.real_only)
        self.g_loss.backward()
        self.g_opt.step()
        if self.best:
            self.D.requires_grad_(True)

    def losses(self) -> Losses:
        return self.d_loss.item(), self.g_loss.item()

    def compile(self) -> None:
        """Both networks through torch.compile, for exactly these shapes."""
        torch = _torch()

        torch.compiler.reset()  # after 8 versions of one function it would stop compiling without a word
        self.call_G = torch.compile(self.G, dynamic=False)
        self.call_D = torch.compile(self.D, dynamic=False)

    def capture(self) -> None:
        """The whole step as one CUDA graph, as PyTorch's notes on CUDA graphs describe it.

        The steps that warm up and the capture need real memory and real optimizer state; what they changed is put
        back in place afterwards, for a graph knows its arrays by address.
        """
        torch = _torch()

        self.new_optimizers({"fused": True, "capturable": True})
        before = [{name: t.clone() for name, t in net.state_dict().items()} for net in (self.G, self.D)]
        self.z.normal_()
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                self.eager()
        torch.cuda.current_stream().wait_stream(side)
        self.g_opt.zero_grad()
        self.d_opt.zero_grad()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.eager()
        for net, state in zip((self.G, self.D), before, strict=True):
            net.load_state_dict(state)
        for optimizer in (self.g_opt, self.d_opt):
            for memory in optimizer.state.values():
                for tensor in memory.values():
                    tensor.zero_()
        self.run = graph.replay


def _network(sizes: tuple[int, ...], generator: bool) -> Any:
    nn = _torch().nn

    layers: list[Any] = []
    for n_in, n_out in itertools.pairwise(sizes[:-1]):
        layers += [nn.Linear(n_in, n_out), nn.LeakyReLU(SLOPE)]
        if generator:
            layers.append(nn.BatchNorm1d(n_out, momentum=1 - MOMENTUM, eps=EPS))
    return nn.Sequential(*layers, nn.Linear(*sizes[-2:]), *([nn.Tanh()] if generator else []))
