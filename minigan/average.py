"""The average of a network along its training.

    θ̄ ← β_t θ̄ + (1 − β_t) θ,   β_t = min(β, (1 + t)/(10 + t)),   t = 0, 1, ... updates

In a game the players circle the equilibrium; the middle of the circle is nearer to it than any point on it, and samples
of an averaged G are better than those of the last (Yazıcı et al. 2019, "The Unusual Effectiveness of Averaging in GAN
Training"). While t is small β_t is too, so that the initial weights are soon forgotten. Running statistics are averaged
like weights: those of the last G would not fit an average.
"""

from __future__ import annotations

from .backend.counter import Counter
from .nn import Sequential
from .spec import number


class Average:
    """A copy of `net` that follows it. decay: β, in (0, 1); with 0.999 it remembers about a thousand updates.

    Raises ValueError for another decay.

    >>> import minigan
    >>> net = minigan.Sequential(minigan.Dense(2, 1), seed=0)
    >>> average, counter = Average(net, 0.9), net.backend.counter()
    >>> net.flat += 1.0
    >>> average.update(counter)                                       # β₀ = 0.1: nine tenths of the way
    >>> bool(abs(net.flat - average.net.flat - 0.1).max() < 1e-6)
    True
    """

    def __init__(self, net: Sequential, decay: float) -> None:
        self.decay = number("the decay of an average", decay, "(0, 1)")
        self._followed = net
        self.net = Sequential.build(net.describe(), net.backend, net.state_dict())

    def update(self, counter: Counter) -> None:
        """Take in the network as it is now; `counter` counts the updates before this one."""
        net, be = self._followed, self._followed.backend
        keep, t = be.scheduled(self._keep, counter), counter.now()
        be.average(self.net.flat, net.flat, keep, t)
        for name, buffer in net.buffers.items():
            taken = keep if "running" in name else 0.0  # as it is: such as the singular vectors of a spectral norm
            be.average(self.net.buffers[name], buffer, taken, t)

    def _keep(self, t: int) -> float:
        return min(self.decay, (1 + t) / (10 + t))
