"""A player: networks that move together, by one update rule."""

from __future__ import annotations

from typing import Any

from ..average import Average
from ..backend import Arena, Backend
from ..backend.counter import Count
from ..nn import Sequential
from ..optim import BoundOptimizer, Optimizer
from ..spec import number

Array = Any


class Player:
    """Networks with their optimizers, the memory of their updates, and the count of these.

    name: in error messages. rule: the update rule, bound to each network. clip: after each update all parameters are
    clipped to [−clip, clip] (Arjovsky 2017); None: they are not. average: the decay of an average of each network along
    its training (average.py); 0: there is none. backend: that of the game, if the networks have another of its kind.

    Raises TypeError for a rule that is none, ValueError for numbers that mean nothing.
    """

    def __init__(
        self,
        name: str,
        rule: Optimizer,
        *nets: Sequential,
        clip: float | None = None,
        average: float = 0.0,
        backend: Backend | None = None,
    ) -> None:
        if not isinstance(rule, Optimizer):
            raise TypeError(f"the update rule of {name} must be one such as Adam(2e-4), got {rule!r}")
        self.name, self.nets = name, nets
        self.optimizers = [rule.bind(net) for net in nets]
        self.clip = None if clip is None else number("clip", clip, "(0, inf)")
        self.average = number("average", average, "[0, 1)")
        self.averages = [Average(net, self.average) for net in nets] if self.average else []
        be = nets[0].backend if backend is None else backend
        self.updates, self.arena = be.counter(), Arena(be)
        self.shift = 0  # of the count, while updates are gone through once more, or tried, without learning

    @property
    def rule(self) -> Optimizer:
        """The update rule."""
        return self.optimizers[0].rule

    def now(self) -> Count:
        """Which update this is: of those that have been made, the number; in a graph, where the device finds it."""
        return self.updates.now() + self.shift if self.shift else self.updates.now()

    def move(self) -> None:
        """Descend the gradients that the networks have now."""
        for optimizer in self.optimizers:
            optimizer.step()
        if self.clip is not None:
            for net in self.nets:
                net.backend.xp.clip(net.flat, -self.clip, self.clip, out=net.flat)

    def follow(self) -> None:
        """Let the averages take in the networks as they are now."""
        for average in self.averages:
            average.update(self.updates)

    def parts(self, name: str, names: dict[int, str]) -> dict[str, Any]:
        """What a file keeps of it, by the name of the part. name: of this player; names: of networks, by identity."""
        if len(self.nets) == 1:
            parts: dict[str, Any] = {f"{name}_opt": self.optimizers[0]}
            return parts | {f"{name}_average": average.net for average in self.averages}
        bound: list[tuple[Sequential, BoundOptimizer]] = list(zip(self.nets, self.optimizers, strict=True))
        parts = {f"{name}_opt.{names[id(net)]}": optimizer for net, optimizer in bound}
        averaged = zip(self.nets, self.averages, strict=bool(self.averages))
        return parts | {f"{name}_average.{names[id(net)]}": average.net for net, average in averaged}
