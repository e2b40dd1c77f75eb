"""Layers in a row, f = f_k ∘ ... ∘ f_1, where the chain rule is a loop.

    y = f_k(... f_2(f_1(x)))        dL/dx = back_1(back_2(... back_k(dL/dy)))

The loop in `back` stops where nobody needs the rest: at the first layer with parameters if dL/dx is not asked for, and
no layer computes gradients of parameters that are held fixed. For penalties on gradients (see `Layer.twice`) tangents
go forward, and what comes of them back, in the same order. A network is one Chain (sequential.py), and what holds
layers within a network is a Chain or derived from it (compose.py). Checked by tests/test_compose.py.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from .activations import Activation
from .layer import Back, Layer, Parameter, Pass

Array = Any
Shape = tuple[int, ...]

INNER = 1 << 32  # lanes of random numbers below are for the layers of a network, those from here on for what they hold
NESTED = 24  # so deep may layers hold layers: a description has an end (spec.py)


class Chain(Layer):
    """Layers in a row, as one layer: y = f_k(... f_1(x)).

    layers: objects of Layer, those that hold layers among them. An activation is joined to the layer before it, as in
    a network. Each layer that is random draws numbers of its own, wherever it stands.

    Parameters and buffers have the names of a `torch.nn.Sequential` in a `torch.nn.Sequential`: "3.0.weight" is of the
    first layer in the fourth. A Chain has none of its own. A class derived from it may do more in `forward` and
    `twice`, as those of compose.py do.

    Raises TypeError for what is no Layer, ValueError for a layer that occurs twice, or for layers in layers in layers,
    more than 24 deep. What a layer refuses is a ValueError that names its place, as 3.0.

    >>> import minigan, numpy as np
    >>> block = minigan.Chain(minigan.Dense(2, 8), minigan.Tanh())
    >>> net = minigan.Sequential(block, minigan.Dense(8, 1), seed=0)
    >>> y, back = net(np.ones((5, 2), "float32"))
    >>> y.shape, sorted(net.state_dict())
    ((5, 1), ['0.0.bias', '0.0.weight', '1.bias', '1.weight'])
    """

    def __init__(self, *layers: Layer) -> None:
        self.layers = layers
        _require_layers(self)
        self.plan = list(_plan(layers))
        trained = (k for k, (_, layer, _) in enumerate(self.plan) if layer.parameters)
        self._trained = next(trained, len(self.plan))  # where a way back may stop that needs no dL/dx
        self._fusible = [layer.fusible for _, layer, _ in self.plan]
        self._last = max((i for i, layer, _ in self.plan if not layer.rearranges), default=-1)  # with a y of its own
        self._depth: int = 1 + max((layer._depth for layer in layers if isinstance(layer, Chain)), default=0)
        if self._depth > NESTED:
            raise ValueError(f"layers may hold layers {NESTED} deep, and these would {self._depth}")

    # --- what it is made of ------------------------------------------------------------------------------------

    @property
    def parameters(self) -> Mapping[str, Parameter]:  # type: ignore[override]
        """Those of its layers."""
        return MappingProxyType({f"{i}.{n}": p for i, f in enumerate(self.layers) for n, p in f.parameters.items()})

    @property
    def buffers(self) -> Mapping[str, Array]:  # type: ignore[override]
        """Those of its layers."""
        return MappingProxyType({f"{i}.{n}": b for i, f in enumerate(self.layers) for n, b in f.buffers.items()})

    @property
    def mixes_samples(self) -> bool:  # type: ignore[override]
        return any(layer.mixes_samples for layer in self.layers)

    @property
    def fusible(self) -> bool:  # type: ignore[override]
        """A Chain touches no array itself. What is derived from it may: there, the operations of its layers end."""
        return type(self) is Chain

    @property
    def rearranges(self) -> bool:  # type: ignore[override]
        return type(self) is Chain and self._last < 0

    @property
    def n_in(self) -> int:
        """How many features it takes, if its first layer tells."""
        if not self.layers or not hasattr(self.layers[0], "n_in"):
            raise AttributeError("the first layer does not tell how many features it takes")
        return self.layers[0].n_in  # type: ignore[no-any-return]

    def leaves(self, name: str = "", lane: int = -1) -> Iterator[tuple[str, int, Layer]]:
        """The layers that hold no others, in their order: name, lane of random numbers, layer.

        name, lane: its own; by default those of a network, which has none.
        """
        for i, (own, layer) in enumerate(zip(self.lanes(lane), self.layers, strict=True)):
            if isinstance(layer, Chain):
                yield from layer.leaves(f"{name}{i}.", own)
            else:
                yield f"{name}{i}", own, layer

    def everything(self, name: str = "") -> Iterator[tuple[str, Layer]]:
        """Every layer below it, with its place: first a layer, then what that holds."""
        for i, layer in enumerate(self.layers):
            yield f"{name}{i}", layer
            if isinstance(layer, Chain):
                yield from layer.everything(f"{name}{i}.")

    def lanes(self, lane: int) -> Sequence[int]:
        """The lane of random numbers of each of its layers; lane: its own, or -1 of a network.

        Those of a network's layers are their places. What such a layer holds is numbered from its own multiple of
        `INNER` on, as it is written down: no two are the same, however deep they lie.
        """
        if lane < 0:
            return range(len(self.layers))
        first = lane + 1 if lane >= INNER else (lane + 1) * INNER
        return list(itertools.accumulate(map(_count, self.layers[:-1]), initial=first))[: len(self.layers)]

    def output_shape(self, shape: Shape) -> Shape | None:
        return self._shapes(shape)[-1]

    def work(self, shape: Shape) -> tuple[int, int]:
        numbers, products = 0, 0
        for layer, before in zip(self.layers, self._shapes(shape), strict=False):
            if before is not None:
                more = layer.work(before)
                numbers, products = numbers + more[0], products + more[1]
        return numbers, products

    def _shapes(self, shape: Shape) -> list[Shape | None]:
        """Before the first layer, and behind each; the last is None where one does not tell."""
        shapes: list[Shape | None] = [shape]
        for i, layer in enumerate(self.layers):
            try:
                out = layer.output_shape(shape)
            except ValueError as error:
                raise Refusal.of(i, layer, error) from None
            shapes.append(out)
            if out is None:
                break
            shape = out
        return shapes

    # --- forward and backward ----------------------------------------------------------------------------------

    def forward(self, x: Array, run: Pass, depth: int | None = None) -> tuple[Array, Back]:
        """depth: of the first so many layers."""
        steps = list(self.steps(x, run, depth))
        y, backs = steps[-1][1] if steps else x, [back for _, _, back in steps]
        self._end(run)

        def chained(dy: Array, params: bool, inputs: bool) -> Array | None:
            stop = 0 if inputs else min(self._trained, len(backs)) if params else len(backs)
            for k in reversed(range(stop, len(backs))):
                run.backend.fuse(self._fusible[k])
                dy = backs[k](dy, params, inputs or k > stop)
                if dy is not None and not (dy.flags.c_contiguous and getattr(dy.flags, "writeable", True)):
                    dy = run.backend.xp.array(dy, order="C")  # a view, of a layer of somebody's own
            self._end(run)
            return dy if inputs else None

        return y, chained

    def twice(self, x: Array, run: Pass, depth: int | None = None) -> tuple[Array, Back]:
        """depth: of the first so many layers."""
        steps = list(self.steps(x, run, depth, twice=True))
        y, backs = steps[-1][1] if steps else x, [back for _, _, back in steps]

        def chained(dy: Array) -> tuple[Array, Back]:
            pushes = []
            for back in reversed(backs):
                dy, push = back(dy)
                pushes.append(push)

            def push_on(xdot: Array) -> tuple[Array, Back]:
                pulls = []
                for push in reversed(pushes):
                    xdot, pull = push(xdot)
                    pulls.append(pull)

                def pull_back(dy2: Array | None) -> Array | None:
                    for pull in reversed(pulls):
                        dy2 = pull(dy2)
                    return dy2

                return xdot, pull_back

            return dy, push_on

        return y, chained

    def steps(
        self, x: Array, run: Pass, depth: int | None = None, twice: bool = False
    ) -> Iterator[tuple[int, Array, Back]]:
        """Layer by layer: the position of the last layer applied, its output, and the way back.

        depth: of the first so many layers. twice: by the layers' `twice`. Where the pass fuses (`Backend.fuse`),
        operations of neighbours may be held back; whoever reads an output must end that first.
        """
        depth, out, lanes = len(self.layers) if depth is None else depth, run.out, self.lanes(run.lane)
        for (i, layer, act), fusible in zip(self.plan, self._fusible, strict=True):
            if i >= depth:
                return
            run.lane, run.out = lanes[i], out if i == self._last and depth == len(self.layers) else None
            run.backend.fuse(run.fusing and fusible)
            together = () if act is None or i + 1 == depth else (act,)
            known = 0 if run.seen is None else len(run.seen)
            try:
                x, back = (layer.twice if twice else layer.forward)(x, run, *together)
            except ValueError as error:
                raise Refusal.of(i, layer, error) from None
            i += len(together)
            if run.seen is not None:
                run.seen[known:] = [(f"{i}.{place}", held, y) for place, held, y in run.seen[known:]]
                run.seen.append((str(i), self.layers[i], x))
            yield i, x, back

    def _end(self, run: Pass) -> None:
        """What is derived from Chain, with array code of its own, finds results and not operations held back."""
        if not self.fusible:
            run.backend.fuse(False)


class Refusal(ValueError):
    """What a layer refused, and which layer that is: 3.0 is the first in the fourth."""

    def __init__(self, place: str, layer: str, reason: str) -> None:
        super().__init__(place, layer, reason)
        self.place, self.layer, self.reason = place, layer, reason

    def __str__(self) -> str:
        return f"layer {self.place}, {self.layer}: {self.reason}"

    @classmethod
    def of(cls, i: int, layer: Layer, error: ValueError) -> Refusal:
        """The error of layer i, which may be that of a layer that it holds."""
        if isinstance(error, Refusal):
            return cls(f"{i}.{error.place}", error.layer, error.reason)
        return cls(str(i), str(layer), str(error))


def _require_layers(chain: Chain) -> None:
    for i, layer in enumerate(chain.layers):
        if not isinstance(layer, Layer):
            hint = "; pass its layers: Chain(*inner.layers)" if hasattr(layer, "layers") else ""
            raise TypeError(f"layer {i} is {layer!r}, expected a minigan.Layer such as Dense(784, 512){hint}")
    seen = set[int]()
    for place, layer in chain.everything():
        if id(layer) in seen:
            raise ValueError(f"layer {place}, {layer}, occurs twice: a layer has one place in one network")
        seen.add(id(layer))


def _count(layer: Layer) -> int:
    """The layer and all that it holds."""
    return 1 + (sum(map(_count, layer.layers)) if isinstance(layer, Chain) else 0)


def _plan(layers: tuple[Layer, ...]) -> Iterator[tuple[int, Layer, Activation | None]]:
    """(position, layer, the activation that the layer applies in its own sweep over memory)."""
    i = 0
    while i < len(layers):
        following = layers[i + 1] if i + 1 < len(layers) else None
        if layers[i].joins_activation and isinstance(following, Activation):
            yield i, layers[i], following
            i += 2
        else:
            yield i, layers[i], None
            i += 1
