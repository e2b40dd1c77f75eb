"""Update rules, in order of increasing complexity, and learning-rate schedules.

A network's parameters p, gradients g and the rule's own memory are flat arrays of one size, so that a rule is one
sweep over memory, whatever the number of layers. A rule such as `Adam(2e-4)` only holds settings; `rule.bind(net)`
makes the memory that one network needs.

    SGD       v ← μ v + g                        p ← p − η v                         Polyak 1964
    RMSprop   s ← ρ s + (1−ρ) g²                 p ← p − η g / (√s + ε)              Tieleman and Hinton 2012
    Adam      m ← β₁ m + (1−β₁) g                p ← p − η m̂ / (√v̂ + ε)             Kingma and Ba 2015
              v ← β₂ v + (1−β₂) g²               m̂ = m/(1−β₁ᵗ),  v̂ = v/(1−β₂ᵗ)
    Optimistic Adam, with Adam's step sₜ           p ← p + 2 sₜ − sₜ₋₁                 Daskalakis et al. 2018

Adam's m and v begin at zero, so after t steps they are too small by the factor 1 − βᵗ, which the hats undo; t counts
from 1. The memory holds the sums without the factor (1−β), which spares two multiplications of the whole array.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from typing import Any, ClassVar

import numpy as np

from .atomic import uninterrupted
from .backend import Backend
from .nn import Sequential
from .nn.sequential import narrow
from .spec import Spec, number

Array = Any


class Schedule(Spec, abstract=True):
    """A learning rate that depends on the step t = 0, 1, 2, ...: `schedule(t)`."""

    def __call__(self, t: int) -> float:
        raise NotImplementedError


class Ramp(Schedule, abstract=True):
    """From `start` to `end` over `steps` updates, then constant. Raises ValueError for what is no finite number."""

    def __init__(self, start: float, end: float, steps: int) -> None:
        self.start = number("start", start, "[0, inf)")
        self.end = number("end", end, "[0, inf)")
        self.steps = number("steps", steps, "(0, inf)")


class Linear(Ramp):
    """From `start` to `end` in equal steps over `steps` updates, then constant."""

    def __call__(self, t: int) -> float:
        return self.start + (self.end - self.start) * min(t / self.steps, 1.0)


class Cosine(Ramp):
    """From `start` to `end` along half a cosine over `steps` updates, then constant (Loshchilov and Hutter 2017)."""

    def __call__(self, t: int) -> float:
        return self.end + (self.start - self.end) * (1 + math.cos(math.pi * min(t / self.steps, 1.0))) / 2


class Exponential(Schedule):
    """start · decay^(t/steps): multiplied by `decay` every `steps` updates, smoothly."""

    def __init__(self, start: float, decay: float, steps: int) -> None:
        self.start = number("start", start, "(0, inf)")
        self.decay = number("decay", decay, "(0, inf)")
        self.steps = number("steps", steps, "(0, inf)")

    def __call__(self, t: int) -> float:
        return float(self.start * self.decay ** (t / self.steps))


class Optimizer(Spec, abstract=True):
    """Settings of an update rule; `bind(net)` makes an optimizer for one network.

    lr: the learning rate η, a positive number or a Schedule.
    """

    memory: ClassVar[tuple[str, ...]] = ()  # names of the flat arrays the rule remembers
    squares: ClassVar[tuple[str, ...]] = ()  # those of them that are sums of squares

    def __init__(self, lr: float | Schedule) -> None:
        kind = type(self).__name__
        self.lr = lr if isinstance(lr, Schedule) else number("learning rate", lr, "(0, inf)", of=kind)

    def lr_at(self, t: int) -> float:
        """The learning rate of the update after t updates."""
        return self.lr(t) if isinstance(self.lr, Schedule) else self.lr

    def rests_from(self, first: int, end: int) -> int | None:
        """The update, of those from `first` to before `end`, from which on the learning rate is 0; None if it is not.

        >>> SGD(Linear(0.1, 0.0, 20)).rests_from(5, 60), SGD(Linear(0.1, 0.0, 60)).rests_from(5, 60)
        (20, None)
        """
        if first >= end or self.lr_at(end - 1) != 0:
            return None
        return bisect_left(range(end), True, lo=first, key=lambda t: self.lr_at(t) == 0)

    def bind(self, net: Sequential) -> BoundOptimizer:
        """An optimizer of this rule for the parameters of `net`."""
        return BoundOptimizer(self, net)

    def update(self, be: Backend, p: Array, g: Array, memory: dict[str, Array], lr: Any, t: Any) -> None:
        """Change the flat parameters `p` in place.

        lr and t = 1, 2, ..., which counts the updates, are numbers, but for a step that is recorded as a CUDA graph:
        there they stand for what the device will find, and only operations of the backend understand them.
        """
        raise NotImplementedError


class SGD(Optimizer):
    """Gradient descent, with momentum μ if `momentum` > 0: v ← μ v + g, p ← p − η v."""

    memory = ("v",)

    def __init__(self, lr: float | Schedule, momentum: float = 0.0) -> None:
        super().__init__(lr)
        self.momentum = number("momentum", momentum, "[0, 1)")

    def update(self, be: Backend, p: Array, g: Array, memory: dict[str, Array], lr: Any, t: Any) -> None:
        be.sgd(p, g, memory["v"], lr, self.momentum, t)


class RMSprop(Optimizer):
    """Each gradient is divided by its own root mean square, s ← ρ s + (1−ρ) g² (`decay` is ρ)."""

    memory = ("s",)
    squares = ("s",)

    def __init__(self, lr: float | Schedule, decay: float = 0.99, eps: float = 1e-8) -> None:
        super().__init__(lr)
        self.decay = number("decay", decay, "[0, 1)")
        self.eps = _eps(eps)

    def update(self, be: Backend, p: Array, g: Array, memory: dict[str, Array], lr: Any, t: Any) -> None:
        be.rmsprop(p, g, memory["s"], lr, self.decay, self.eps, t)


class Adam(Optimizer):
    """Momentum on the gradient and on its square, corrected for their start at zero.

    The defaults are the paper's; GANs use beta1 = 0.5 (Radford 2015), since momentum feeds the rotation of the game.

    >>> Adam(2e-4, beta1=0.5)
    Adam(lr=0.0002, beta1=0.5)
    """

    memory: ClassVar[tuple[str, ...]] = ("m", "v")
    squares = ("v",)

    def __init__(
        self, lr: float | Schedule = 1e-3, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8
    ) -> None:
        super().__init__(lr)
        self.beta1 = number("beta1", beta1, "[0, 1)")
        self.beta2 = number("beta2", beta2, "[0, 1)")
        self.eps = _eps(eps)

    def update(self, be: Backend, p: Array, g: Array, memory: dict[str, Array], lr: Any, t: Any) -> None:
        be.adam(p, g, memory["m"], memory["v"], lr, self.beta1, self.beta2, self.eps, t)


class OptimisticAdam(Adam):
    """Adam that corrects each step by how much the last one differed: p ← p + 2 sₜ − sₜ₋₁.

    2 sₜ − sₜ₋₁ guesses the step to come, so each player answers what the other is about to do; on bilinear games, where
    plain descent and ascent circle outwards, this converges (Daskalakis et al. 2018, "Training GANs with Optimism",
    algorithm 1). Settings as Adam's.
    """

    memory: ClassVar[tuple[str, ...]] = ("m", "v", "s")

    def update(self, be: Backend, p: Array, g: Array, memory: dict[str, Array], lr: Any, t: Any) -> None:
        m, v, s = memory.values()
        be.optimistic_adam(p, g, m, v, s, lr, self.beta1, self.beta2, self.eps, t)


class BoundOptimizer:
    """An update rule with the memory of one network.

    >>> import minigan, numpy as np
    >>> net = minigan.Sequential(minigan.Dense(1, 1), seed=0)
    >>> sgd = minigan.SGD(0.1).bind(net)
    >>> y, back = net(np.ones((1, 1), "float32"))
    >>> _ = back(np.ones_like(y))
    >>> before = net.state_dict()["0.bias"][0]; sgd.step(); float(net.state_dict()["0.bias"][0] - before)
    -0.10000000149011612
    """

    def __init__(self, rule: Optimizer, net: Sequential) -> None:
        self.rule = rule
        self.net = net
        self._t = net.backend.counter()
        self.memory = {name: net.backend.zeros(net.flat.shape, net.dtype) for name in rule.memory}

    def __repr__(self) -> str:
        return f"<{self.rule} of {self.net.size:,} parameters, after {self.t:,} updates>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _remade, (self.rule, self.net, self.state_dict())

    @property
    def t(self) -> int:
        """How many updates there have been."""
        return self._t.value

    @np.errstate(under="ignore")  # the square of a small gradient is 0
    def step(self) -> None:
        """One update of the network's parameters with its present gradients, which are left as they are."""
        rule, be = self.rule, self.net.backend
        lr = be.scheduled(rule.lr_at, self._t)
        with uninterrupted:
            self._t.advance()
            rule.update(be, self.net.flat, self.net.flat_grad, self.memory, lr, self._t.now())

    def state_dict(self) -> dict[str, np.ndarray[Any, Any]]:
        """Copies of the memory, and the number of updates `t`, as NumPy arrays."""
        state = {name: self.net.packed(array) for name, array in self.memory.items()}
        return {**state, "t": np.array(self.t, np.int64)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`. Raises ValueError, and changes nothing, if it does not fit."""
        expected: dict[str, tuple[int, ...]] = {**dict.fromkeys(self.memory, (self.net.size,)), "t": ()}
        given = {name: np.shape(array) for name, array in state.items()}
        if given != expected:
            raise ValueError(f"the state of {self.rule} must hold {expected}, got {given}")
        if any(np.asarray(array).dtype.kind != ("i" if name == "t" else "f") for name, array in state.items()):
            raise ValueError(f"the state of {self.rule} must hold floats, and an integer t")
        t = int(state["t"])
        if not 0 <= t < 2**62:
            raise ValueError(f"the state of {self.rule} must count updates from 0 to 2^62 - 1, got t = {t}")
        for name in self.rule.squares:
            if (np.asarray(state[name]) < 0).any():
                raise ValueError(f"{name} of {self.rule} must hold sums of squares, which are 0 or more")
        narrowed = {name: narrow(name, np.asarray(state[name]), self.net.dtype) for name in self.memory}
        with uninterrupted:
            for name, array in self.memory.items():
                array[...] = self.net.unpacked(narrowed[name])
            self._t.value = t


def _remade(rule: Optimizer, net: Sequential, state: dict[str, Any]) -> BoundOptimizer:
    """A copy of a bound optimizer, or one from a pickle, for a copy of its network."""
    bound = rule.bind(net)
    bound.load_state_dict(state)
    return bound


def _eps(value: Any) -> float:
    """What keeps a step from being divided by 0. Raises ValueError unless it can."""
    eps = number("eps", value, "(0, inf)")
    if eps * eps < float(np.finfo(np.float32).tiny):  # g² of a gradient of its size is 0 already, and g/eps is not
        raise ValueError(f"eps must be 1.1e-19 or more, the root of float32's smallest number, got {value!r}")
    return eps
