"""The step of a small DCGAN in PyTorch: as most people write it, and with the channels last in memory."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from minigan.bench.step import LATENT, SLOPE
from minigan.bench.subject import Losses, Start

from .conv import KERNEL, PADDING, STRIDE
from .dcgan import DENSE, SHAPE, channels
from .step_torch import Step

_BATCHNORM_EPS = 1e-5  # both libraries' default


class Dcgan(Step):
    """best: as of `Step`, and arrays with the channels last in memory (`torch.channels_last`).

    A Dense layer before or behind images has its numbers in the order in which they lie there: for PyTorch's own
    layout those of minigan are put in another order, once.
    """

    def __init__(self, start: Start, device: Any, best: bool) -> None:
        torch: Any = import_module("torch")
        c = channels(start.width)
        layout = torch.channels_last if best else torch.contiguous_format
        G, D = (net.to(device=device, memory_format=layout) for net in networks(c, best))
        if not best:
            start = start._replace(
                G={**start.G, "3.weight": _channels_first(start.G["3.weight"], c, axis=0)},
                D={**start.D, "6.weight": _channels_first(start.D["6.weight"], c, axis=1)},
            )
        images = torch.from_numpy(start.real).reshape(-1, *SHAPE).permute(0, 3, 1, 2)
        self.play(G, D, start, images.contiguous(memory_format=layout).to(device), best)

    def loss_of_D(self, fake: Any) -> Any:
        """Real samples and fakes pass D apart, for its batchnorm mixes what it is given."""
        return self.bce(self.call_D(self.real), self.real_only) + self.bce(self.call_D(fake), self.fake_only)

    def numbers(self) -> Losses:
        """The losses, and the norm of G's gradient, which has come through all layers of both networks."""
        squares = sum((p.grad.double() ** 2).sum() for p in self.G.parameters())
        return *self.losses(), float(squares) ** 0.5


def networks(c: int, channels_last: bool) -> tuple[Any, Any]:
    """The layers of `dcgan.build`, G's and D's, with the same places in their states."""
    nn = import_module("torch").nn

    class Images(nn.Module):  # type: ignore[misc, name-defined, unused-ignore]
        """Rows as 7 x 7 images of 2 c channels; no number moves."""

        def forward(self, x: Any) -> Any:
            if channels_last:
                return x.unflatten(1, (7, 7, 2 * c)).permute(0, 3, 1, 2)
            return x.unflatten(1, (2 * c, 7, 7))

    class Rows(nn.Module):  # type: ignore[misc, name-defined, unused-ignore]
        """The way back."""

        def forward(self, x: Any) -> Any:
            return (x.permute(0, 2, 3, 1) if channels_last else x).flatten(1)

    def up(n_in: int, n_out: int, bias: bool) -> Any:
        return nn.ConvTranspose2d(n_in, n_out, KERNEL, STRIDE, PADDING, bias=bias)

    def down(n_in: int, n_out: int) -> Any:
        return nn.Conv2d(n_in, n_out, KERNEL, STRIDE, PADDING)

    G = nn.Sequential(
        nn.Linear(LATENT, DENSE * c, bias=False), nn.BatchNorm1d(DENSE * c, _BATCHNORM_EPS), nn.ReLU(),
        nn.Linear(DENSE * c, 49 * 2 * c, bias=False), Images(), nn.BatchNorm2d(2 * c, _BATCHNORM_EPS), nn.ReLU(),
        up(2 * c, c, bias=False), nn.BatchNorm2d(c, _BATCHNORM_EPS), nn.ReLU(), up(c, 1, bias=True), nn.Tanh(),
    )  # fmt: skip
    D = nn.Sequential(
        down(1, c), nn.LeakyReLU(SLOPE), down(c, 2 * c), nn.BatchNorm2d(2 * c, _BATCHNORM_EPS), nn.LeakyReLU(SLOPE),
        Rows(), nn.Linear(49 * 2 * c, DENSE * c), nn.BatchNorm1d(DENSE * c, _BATCHNORM_EPS), nn.LeakyReLU(SLOPE),
        nn.Linear(DENSE * c, 1),
    )  # fmt: skip
    return G, D


def _channels_first(weight: np.ndarray[Any, Any], c: int, axis: int) -> np.ndarray[Any, Any]:
    """A Dense layer's weight whose rows or columns stand for 7 x 7 images, with the channels first."""
    order = np.arange(49 * 2 * c).reshape(49, 2 * c).T.reshape(-1)
    return weight.take(order, axis)
