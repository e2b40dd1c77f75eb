"""The critic's update in PyTorch, through double backward: as most people write it, at its best, compiled."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from minigan.bench.step import sizes
from minigan.bench.subject import Losses, Start

from .critic import ADAM_EPS, BETA1, BETA2, LR, WEIGHT
from .step_torch import Player, network


class Critic(Player):
    """One update of D. best: one pass for real and fakes, gradients of the parameters only, and Adam(fused=True)."""

    def __init__(self, start: Start, device: Any, best: bool) -> None:
        self.torch: Any = import_module("torch")
        self.D = network(sizes(start.width)[1])
        self.real, self.fake = (self.torch.from_numpy(array).to(device) for array in (start.real, start.fake))
        settings = {"lr": LR, "betas": (BETA1, BETA2), "eps": ADAM_EPS}
        drawn = self.torch.empty(start.drawn.shape[1:], device=device)
        super().__init__({self.D: start.D}, settings, drawn, best)
        self.parameters = list(self.D.parameters())

    def draw(self) -> None:
        self.drawn.uniform_()

    def eager(self) -> None:
        self.optimizers[0].zero_grad()
        if self.best:
            self._forward_at_best()
            self.torch.autograd.backward(self.loss + self.penalty, inputs=self.parameters)
        else:
            self._forward()
            (self.loss + self.penalty).backward()
        self.optimizers[0].step()

    def _forward(self) -> None:
        torch, D, epsilon = self.torch, self.D, self.drawn
        self.loss = D(self.fake).mean() - D(self.real).mean()
        x = (epsilon * self.real + (1 - epsilon) * self.fake).requires_grad_(True)
        score = D(x)
        (slope,) = torch.autograd.grad(score, x, grad_outputs=torch.ones_like(score), create_graph=True)
        self.penalty = WEIGHT * ((slope.norm(2, dim=1) - 1) ** 2).mean()

    def _forward_at_best(self) -> None:
        torch, D, n = self.torch, self.D, len(self.real)
        scores = D(torch.cat([self.real, self.fake]))
        self.loss = scores[n:].mean() - scores[:n].mean()
        x = torch.lerp(self.fake, self.real, self.drawn).requires_grad_(True)
        (slope,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
        self.penalty = WEIGHT * ((slope.norm(2, dim=1) - 1) ** 2).mean()

    def losses(self) -> Losses:
        return self.loss.item(), self.penalty.item()

    def numbers(self) -> Losses:
        """The losses, and the norm of the gradient of their sum."""
        squares = sum((p.grad.double() ** 2).sum() for p in self.parameters)
        return *self.losses(), float(squares) ** 0.5

    def compile(self) -> None:
        """Loss, penalty and their gradients as one compiled function of the parameters: torch.func instead of tapes."""
        torch, D, n = self.torch, self.D, len(self.real)

        def losses(p: dict[str, Any], real: Any, fake: Any, epsilon: Any) -> tuple[Any, Any]:
            def judge(x: Any) -> Any:
                return torch.func.functional_call(D, p, (x,))

            scores = judge(torch.cat([real, fake]))
            loss = scores[n:].mean() - scores[:n].mean()
            slope = torch.func.grad(lambda x: judge(x).sum())(torch.lerp(fake, real, epsilon))
            penalty = WEIGHT * ((slope.norm(2, dim=1) - 1) ** 2).mean()
            return loss + penalty, (loss, penalty)

        torch.compiler.reset()
        gradients = torch.compile(torch.func.grad(losses, has_aux=True), dynamic=False)
        parameters = dict(D.named_parameters())

        def compiled() -> None:
            with torch.no_grad():
                found, (self.loss, self.penalty) = gradients(
                    {name: p.detach() for name, p in parameters.items()}, self.real, self.fake, self.drawn
                )
            for name, p in parameters.items():
                p.grad = found[name]
            self.optimizers[0].step()

        self.run = compiled
