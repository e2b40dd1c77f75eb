"""The canonical step in PyTorch, and what every step in PyTorch has in common.

As most people write it, at its best, compiled, or as one CUDA graph.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from importlib import import_module
from typing import Any

from minigan.bench.step import ADAM_EPS, BETA1, BETA2, EPS, LR, MOMENTUM, SLOPE, sizes
from minigan.bench.subject import Losses, Start


def pytorch() -> Any:
    """PyTorch, as a module without types: most who check this package do not have it."""
    return import_module("torch")


class Player:
    """Networks, optimizers and `run()`, one step on the random numbers in `drawn`.

    best: the quickest way to write it, instead of the usual one.
    """

    def __init__(self, nets: dict[Any, dict[str, Any]], settings: dict[str, Any], drawn: Any, best: bool) -> None:
        """nets: networks and their states. settings: of Adam. drawn: of the shape and on the device of the numbers."""
        torch = pytorch()

        self.nets, self.settings, self.drawn, self.best = list(nets), settings, drawn, best
        for net, state in nets.items():
            net.load_state_dict({name: torch.from_numpy(array) for name, array in state.items()}, strict=False)
            net.to(drawn.device)
        self.new_optimizers({"fused": True} if best else {})
        self.run: Callable[[], object] = self.eager

    def new_optimizers(self, options: dict[str, Any]) -> None:
        """One for each network, with these options of Adam."""
        Adam = pytorch().optim.Adam
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
        torch = pytorch()

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
        real = pytorch().from_numpy(start.real).to(device)
        self.play(network(G_sizes, generator=True), network(D_sizes), start, real, best)

    def play(self, G: Any, D: Any, start: Start, real: Any, best: bool) -> None:
        """With these networks, on these samples."""
        torch, device = pytorch(), real.device
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
        logits = self.call_D(pytorch().cat([self.real, fake]))
        return 2 * self.bce(logits, self.real_then_fake)  # 2 ×: minigan adds the means of two halves

    def losses(self) -> Losses:
        return self.d_loss.item(), self.g_loss.item()

    def compile(self) -> None:
        torch = pytorch()

        torch.compiler.reset()  # after 8 versions of one function it would stop compiling without a word
        self.call_G = torch.compile(self.G, dynamic=False)
        self.call_D = torch.compile(self.D, dynamic=False)


def network(sizes: tuple[int, ...], generator: bool = False) -> Any:
    """The layers of `step.build`, G's or D's."""
    nn = pytorch().nn

    layers: list[Any] = []
    for n_in, n_out in itertools.pairwise(sizes[:-1]):
        layers += [nn.Linear(n_in, n_out), nn.LeakyReLU(SLOPE)]
        if generator:
            layers.append(nn.BatchNorm1d(n_out, momentum=1 - MOMENTUM, eps=EPS))
    return nn.Sequential(*layers, nn.Linear(*sizes[-2:]), *([nn.Tanh()] if generator else []))
