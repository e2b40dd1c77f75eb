"""The convolutions of a network in PyTorch: as most people write it, and with the channels last in memory."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from minigan.bench.subject import Losses, Start, UnavailableError

from . import conv


class Convolutions:
    """The passes of a subject, with fresh gradients in each call.

    best: arrays with the channels last in memory (`torch.channels_last`), which is quicker for most sizes; otherwise
    PyTorch's default, channels first. On a GPU cuDNN computes in float32 or TF32, see `guests_torch.allow_tf32`.
    """

    def __init__(self, start: Start, device: Any, best: bool) -> None:
        self.torch: Any = import_module("torch")
        self.subject, self.given, self.best = start.subject, start.D, best
        self.layout = self.torch.channels_last if best else self.torch.contiguous_format
        self.drawn = self.torch.empty(start.drawn.shape[1:], device=device)
        self.layers = []
        for i, shape in enumerate(conv.shapes(start.subject, start.width)):
            kind = self.torch.nn.ConvTranspose2d if shape.transposed else self.torch.nn.Conv2d
            layer = kind(shape.c_in, shape.c_out, shape.kernel, shape.stride, shape.padding)
            state = {name: self.torch.from_numpy(self.given[f"{i}.{name}"]) for name in ("weight", "bias")}
            layer.load_state_dict(state)
            layer.to(device=device, memory_format=self.layout)
            x, g = (self._images(self.given[f"{i}.{name}"], device) for name in "xg")
            self.layers.append((layer, x.requires_grad_(conv.goes_back(start.subject)), g))
        self.results: list[Any] = []
        self.run = self.eager

    def _images(self, images: np.ndarray[Any, Any], device: Any) -> Any:
        first = self.torch.from_numpy(images).permute(0, 3, 1, 2)
        return first.contiguous(memory_format=self.layout).to(device)

    def eager(self) -> None:
        self.results = []
        for layer, x, g in self.layers:
            if not conv.goes_back(self.subject):
                with self.torch.no_grad():
                    self.results.append((layer(x), None, layer))
                continue
            layer.zero_grad()
            x.grad = None
            y = layer(x)
            y.backward(g)
            self.results.append((y, x.grad, layer))

    def draw(self) -> None:
        """Nothing here is random."""

    def losses(self) -> Losses:
        return ()

    def numbers(self) -> Losses:
        return tuple(conv.numbers(self.given, [_seen(*result) for result in self.results], np.asarray).values())

    def compile(self) -> None:
        raise UnavailableError("a single layer is measured as it is, not compiled")

    capture = compile


class _Seen:
    """A layer's gradients, named as minigan's."""

    def __init__(self, layer: Any) -> None:
        self.layer = layer

    def grad_dict(self) -> dict[str, Any]:
        return {f"0.{name}": p.grad.cpu().numpy() for name, p in self.layer.named_parameters()}


def _seen(y: Any, dx: Any, layer: Any) -> tuple[Any, Any, _Seen]:
    """What a layer gave, as minigan has it."""
    last = [None if a is None else a.detach().permute(0, 2, 3, 1).cpu().numpy() for a in (y, dx)]
    return last[0], last[1], _Seen(layer)
