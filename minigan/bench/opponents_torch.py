"""The canonical step in PyTorch: as most people write it, at its best, compiled, and as one CUDA graph.

critic_torch.py has the critic's update, dcgan_torch.py the step of a DCGAN, conv_torch.py the convolutions.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from . import conv
from .opponents import Losses, Opponent, Start, UnavailableError, precision
from .step import ADAM_EPS, BETA1, BETA2, EPS, LR, MOMENTUM, SLOPE, operations, sizes
from .step import products as step_products

if TYPE_CHECKING:
    from .conv_torch import Convolutions
    from .critic_torch import Critic


def make(name: str, device: str, start: Start) -> Opponent:
    """One of torch-eager, torch-best, torch-compiled, torch-cudagraph and torch-tf32 on "cpu" or "gpu".

    Raises UnavailableError or ImportError with the reason if PyTorch or its GPU is missing.
    """
    try:
        torch = _torch()
    except ImportError:
        raise UnavailableError("PyTorch is not installed") from None
    if device == "gpu" and not torch.cuda.is_available():
        raise UnavailableError(f"PyTorch {torch.__version__} finds no CUDA device")
    where = torch.device("cuda" if device == "gpu" else "cpu")
    choose_algorithms(name)
    kind: type[Step | Critic | Convolutions] = Step
    if start.subject in conv.SUBJECTS:
        from .conv_torch import Convolutions as kind
    if start.subject == "critic":
        from .critic_torch import Critic as kind
    if start.subject == "dcgan":
        from .dcgan_torch import Dcgan as kind
    step = kind(start, where, best=name != "torch-eager")
    if name == "torch-compiled":
        step.compile()
    if name == "torch-cudagraph" or (name == "torch-tf32" and start.subject not in conv.SUBJECTS):
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
    _torch().backends.cudnn.benchmark = name != "torch-eager"


def allow_tf32(allowed: bool) -> None:
    """Whether a GPU may round the factors of float32 products and convolutions to 10 bits, from now on.

    PyTorch's default is no for products and yes for convolutions: beside float32, that would be no comparison.
    """
    backends = _torch().backends
    backends.cuda.matmul.allow_tf32 = backends.cudnn.allow_tf32 = allowed


def products(device: str, batch: int, width: float) -> tuple[Callable[[], None], Callable[[], object]]:
    """The products of one step by PyTorch alone, and how to wait for them: what its BLAS makes of the same shapes.

    Raises ArithmeticError, naming the shape, if one of them is wrong.
    """
    torch = _torch()
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


def _torch() -> Any:
    """PyTorch, as a module without types: most who check this package do not have it."""
    return import_module("torch")


class Player:
    """Networks, optimizers and `run()`, one step on the random numbers in `drawn`.

    best: the quickest way to write it, instead of the usual one.
    """

    def __init__(self, nets: dict[Any, dict[str, Any]], settings: dict[str, Any], drawn: Any, best: bool) -> None:
        """nets: networks and their states. settings: of Adam. drawn: of the shape and on the device of the numbers."""
        torch = _torch()

        self.nets, self.settings, self.drawn, self.best = list(nets), settings, drawn, best
        for net, state in nets.items():
            net.load_state_dict({name: torch.from_numpy(array) for name, array in state.items()}, strict=False)
            net.to(drawn.device)
        self.new_optimizers({"fused": True} if best else {})
        self.run: Callable[[], object] = self.eager

    def new_optimizers(self, options: dict[str, Any]) -> None:
        """One for each network, with these options of Adam."""
        Adam = _torch().optim.Adam
        self.optimizers = [Adam(net.parameters(), **self.settings | options) for net in self.nets]

    def eager(self) -> None:
        """The step, call by call."""
        raise NotImplementedError

    def draw(self) -> None:
        """Fill `drawn` for a step."""
        raise NotImplementedError

    def losses(self) -> Losses:
        """Of the last step."""
        raise NotImplementedError

    def numbers(self) -> Losses:
        """What is checked of the last step."""
        return self.losses()

    def compile(self) -> None:
        """Through torch.compile, for exactly these shapes."""
        raise NotImplementedError

    def capture(self) -> None:
        """The whole step as one CUDA graph, as PyTorch's notes on CUDA graphs describe it.

        The steps that warm up and the capture need real memory and real optimizer state; what they changed is put
        back in place afterwards, for a graph knows its arrays by address.
        """
        torch = _torch()

        self.new_optimizers({"fused": True, "capturable": True})
        before = [{name: t.clone() for name, t in net.state_dict().items()} for net in self.nets]
        self.draw()
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                self.eager()
        torch.cuda.current_stream().wait_stream(side)
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.eager()
        for net, state in zip(self.nets, before, strict=True):
            net.load_state_dict(state)
        for optimizer in self.optimizers:
            for memory in optimizer.state.values():
                for tensor in memory.values():
                    tensor.zero_()
        self.run = graph.replay


class Step(Player):
    """The canonical step. best: D frozen in G's update and Adam(fused=True), instead of PyTorch's defaults."""

    def __init__(self, start: Start, device: Any, best: bool) -> None:
        G_sizes, D_sizes = sizes(start.width)
        real = _torch().from_numpy(start.real).to(device)
        self.play(network(G_sizes, generator=True), network(D_sizes), start, real, best)

    def play(self, G: Any, D: Any, start: Start, real: Any, best: bool) -> None:
        """With these networks, on these samples."""
        torch, device = _torch(), real.device
        self.G, self.D, self.real = G, D, real
        self.call_G, self.call_D = G, D  # as they are, or compiled
        ones, zeros = torch.ones(start.batch, 1, device=device), torch.zeros(start.batch, 1, device=device)
        self.real_then_fake, self.real_only, self.fake_only = torch.cat([ones, zeros]), ones, zeros
        self.bce = torch.nn.BCEWithLogitsLoss()
        settings = {"lr": LR, "betas": (BETA1, BETA2), "eps": ADAM_EPS}
        drawn = torch.empty(start.drawn.shape[1:], device=device)
        super().__init__({G: start.G, D: start.D}, settings, drawn, best)

    def draw(self) -> None:
        self.drawn.normal_()

    def eager(self) -> None:
        g_opt, d_opt = self.optimizers

        fake = self.call_G(self.drawn)
        d_opt.zero_grad()
        self.d_loss = self.loss_of_D(fake.detach())
        self.d_loss.backward()
        d_opt.step()
        if self.best:
            self.D.requires_grad_(False)
        g_opt.zero_grad()
        self.g_loss = self.bce(self.call_D(fake), self.real_only)
        self.g_loss.backward()
        g_opt.step()
        if self.best:
            self.D.requires_grad_(True)

    def loss_of_D(self, fake: Any) -> Any:
        """Real samples and fakes pass D as one batch."""
        logits = self.call_D(_torch().cat([self.real, fake]))
        return 2 * self.bce(logits, self.real_then_fake)  # 2 ×: minigan adds the means of two halves

    def losses(self) -> Losses:
        return self.d_loss.item(), self.g_loss.item()

    def compile(self) -> None:
        torch = _torch()

        torch.compiler.reset()  # after 8 versions of one function it would stop compiling without a word
        self.call_G = torch.compile(self.G, dynamic=False)
        self.call_D = torch.compile(self.D, dynamic=False)


def network(sizes: tuple[int, ...], generator: bool = False) -> Any:
    """The layers of `step.build`, G's or D's."""
    nn = _torch().nn

    layers: list[Any] = []
    for n_in, n_out in itertools.pairwise(sizes[:-1]):
        layers += [nn.Linear(n_in, n_out), nn.LeakyReLU(SLOPE)]
        if generator:
            layers.append(nn.BatchNorm1d(n_out, momentum=1 - MOMENTUM, eps=EPS))
    return nn.Sequential(*layers, nn.Linear(*sizes[-2:]), *([nn.Tanh()] if generator else []))
