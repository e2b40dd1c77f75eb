"""A network: a chain of layers (chain.py), whose parameters lie in one flat array.

It takes batches as people have them and gives layers what they need: memory, random numbers, contiguous arrays of one
dtype. The chain rule itself is the loop in `Chain.forward`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np

from ..atomic import uninterrupted
from ..backend import Backend, FreshArena, Purpose, Stream, get_backend
from ..backend.philox import MASK64
from ..spec import build, classes, integer
from . import features
from .chain import Chain, Refusal
from .layer import Back, Layer, Parameter, Pass

Array = Any

_WRAPPERS = ("module.", "_orig_mod.")


class Sequential:
    """Layers in a row.

    layers: objects of Layer. backend: a Backend or its name (default: NumPy). dtype: "float32" (default) or
    "float64". seed: of the initial weights, and of dropout and noise in calls by hand.

    Parameters, gradients and optimizer state are flat arrays (`flat`, `flat_grad`) in the order of the layers; the
    layers hold views. `size` is the number of parameters; on a GPU the arrays are a little longer, since each
    parameter begins at a round address there. `state_dict` speaks PyTorch's names and layouts.

    Raises TypeError for what is no Layer, ValueError for a layer that occurs twice, an unknown dtype or backend.

    >>> import minigan, numpy as np
    >>> net = minigan.Sequential(minigan.Dense(2, 3), minigan.Tanh(), seed=1)
    >>> y, back = net(np.ones((5, 2), "float32"))
    >>> dx = back(np.ones_like(y))
    >>> sorted(net.grad_dict()), net.size
    (['0.bias', '0.weight'], 9)
    """

    def __init__(
        self, *layers: Layer, backend: Backend | str | None = None, dtype: Any = "float32", seed: int = 0
    ) -> None:
        self.chain = Chain(*layers)
        self.layers = layers
        self.backend = get_backend("numpy" if backend is None else backend)
        if str(dtype) not in ("float32", "float64") and dtype not in (np.float32, np.float64):
            raise ValueError(f"dtype must be float32 or float64, got {dtype!r}")
        self.dtype = np.dtype(dtype)
        self.seed = integer("seed", seed, least=0, bits=64)
        self.calls = 0  # passes made by hand so far: each gets dropout masks and noise of its own
        self._turns = itertools.count()  # the numbers of these passes, of which no two threads get one
        self._fresh = FreshArena(self.backend)
        self._allocate()

    @np.errstate(under="ignore")
    def _allocate(self) -> None:
        """Make the flat arrays, give each parameter its part and its initial value."""
        self.parameters: dict[str, Parameter] = dict(self.chain.parameters)
        for name, parameter in self.parameters.items():
            if parameter.data is not None:
                raise ValueError(f"the layer of {name} belongs to another network already: make a new one for this")
        self.size = sum(math.prod(p.shape) for p in self.parameters.values())
        self._places = list(_places(self.parameters.values(), self.backend.align))
        room = self._places[-1].stop if self._places else 0
        initial = np.zeros(room, self.dtype)
        self.flat = self.backend.zeros((room,), self.dtype)
        self._flat_grad = self.backend.zeros((room,), self.dtype)
        self.buffers: dict[str, Array] = {}
        index = 0
        for place, lane, layer in self.chain.leaves():
            values = {name: np.array(buffer, self.dtype) for name, buffer in layer.buffers.items()}  # always a copy
            for name, p in layer.parameters.items():
                part = self._places[index]
                p.bind(self.flat[part].reshape(p.shape), self._flat_grad[part].reshape(p.shape))
                values[name] = p.as_state(initial[part].reshape(p.shape))
                values[name][...] = p.init(p.state_shape, self._rng(index, 0))
                index += 1
            try:
                layer.begin(values, self._rng(lane, 1))
            except ValueError as error:
                raise Refusal(place, str(layer), str(error)) from None
            for name in layer.buffers:
                layer.buffers[name] = self.buffers[f"{place}.{name}"] = self.backend.asarray(values[name])
        self.flat[...] = self.backend.asarray(initial)

    def _rng(self, index: int, of: int) -> np.random.Generator:
        """The random numbers from which a parameter (of = 0) or what depends on several (of = 1) begins."""
        key = np.array([self.seed & MASK64, Purpose.INITIALISE], np.uint64)
        return np.random.Generator(np.random.Philox(key=key, counter=[0, index, of, 0]))

    # --- forward and backward ----------------------------------------------------------------------------------

    def __call__(
        self,
        x: Array,
        train: bool = True,
        *,
        track: bool | None = None,
        arena: FreshArena | None = None,
        stream: Stream | None = None,
        depth: int | None = None,
        condition: Array | None = None,
        out: Array | None = None,
    ) -> tuple[Array, Back]:
        """Run a batch; returns the output and `back(dy, params=True, inputs=True, consume=False)`.

        x: (N, ...) floats, converted to the network's dtype and backend. train: batch statistics, dropout and noise
        on; False uses running statistics. track: let this batch move the running statistics (default: as `train`).
        arena: where the arrays of this pass live; by default they are fresh and never overwritten.
        stream: random numbers of this pass; by default the next of the network's own.
        depth: run the first `depth` layers only; the output is then that of the last of them.
        condition: what each sample is given with, behind its last axis: (N, K) numbers, as K more features or as K more
        channels, the same in every pixel; or, with images (N, H, W, C), images (N, H, W, K) of the same
        size. It is given, so no gradient is taken with respect to it.
        out: a contiguous array of the network's dtype for the output, by default one of the arena.

        `back` adds to the parameters' gradients unless params=False and returns dL/dx unless inputs=False (then
        None); what is not asked for is not computed. consume=True lets it overwrite dy, which saves a copy. It can be
        called at any time, in any order with other passes, until the arena is rewound; after that it raises
        RuntimeError.

        Raises TypeError for integers, ValueError for a shape that does not fit.
        """
        run = self._pass(train, train if track is None else track, arena, stream)
        quiet = _underflowing if stream is None else nullcontext  # in a step, all is quiet anyway
        with quiet():
            x, condition = self.as_batch(x), None if condition is None else self.as_batch(condition)
            x = self._joined(x, condition, run)
            run.out, run.fusing = out, True
            try:
                y, chained = self.chain.forward(x, run, depth)
            finally:
                run.backend.fuse(False)
        stamp, shape = run.arena.stamp, y.shape
        if out is not None and run.backend.address(y) != run.backend.address(out):
            run.backend.xp.copyto(out, y.reshape(out.shape))  # the last layer has an array of its own
            y = out.reshape(shape)

        def back(dy: Array, params: bool = True, inputs: bool = True, consume: bool = False) -> Array | None:
            dy = self._given("the gradient must have the output's shape", dy, shape, run, stamp)
            if not consume:  # a copy: each layer writes its dL/dx over the dL/dy that it gets
                given, dy = dy, run.empty(shape)
                run.backend.xp.copyto(dy, given)
            with quiet():
                try:
                    dx = chained(dy, params, inputs)
                finally:
                    run.backend.fuse(False)
            return self._parted(dx, condition, run) if inputs else None

        return y, back

    def begin_on(self, x: Array, stream: Stream | None = None) -> None:
        """Begin anew in view of data: each weight-normalised layer, in turn, gets lengths and biases such that its
        outputs before the activation have mean 0 and variance 1 over x (Salimans and Kingma 2016, section 3).

        x: (N, ...), some hundred samples; layers with noise are on, so that the numbers fit training. stream: of that
        noise, by default the next of the network's own. Layers without WeightNorm or bias stay as they are.
        Raises ValueError if an output is the same for all samples.

        >>> import minigan, numpy as np
        >>> net = minigan.Sequential(minigan.Dense(2, 3, norm=minigan.WeightNorm()), seed=0)
        >>> x = np.random.default_rng(0).normal(5, 2, (100, 2)).astype("float32")
        >>> net.begin_on(x)
        >>> y, _ = net(x)
        >>> bool(np.allclose(y.mean(axis=0), 0, atol=1e-5) and np.allclose(y.std(axis=0), 1, atol=1e-5))
        True
        """
        run = self._pass(True, False, None, stream)
        run.begins = True
        self.chain.forward(self.as_batch(x), run)

    @np.errstate(under="ignore")
    def input_gradient(
        self,
        x: Array,
        *,
        train: bool = True,
        arena: FreshArena | None = None,
        stream: Stream | None = None,
        outputs: int | None = None,
        condition: Array | None = None,
    ) -> tuple[Array, Array, Callable[[Array], None]]:
        """The output y, the gradient of Σy with respect to x, and a way to differentiate that gradient once more.

        Returns (y, dx, push). x, dx: (N, ...); if no layer mixes samples, dx_n is the gradient of sample n's output.
        outputs: sum the first so many outputs only. condition: as in a call; dx and u are of the samples alone.
        push(u) adds to the parameters' gradients, until the arena is rewound,

            d/dθ Σ_n u_n · dx_n,   u (N, ...) held constant (dx may be overwritten with it),

        which for a penalty P(dx) with u = ∂P/∂dx is dP/dθ. Instead of differentiating a backward pass, it uses that
        u · dx is the derivative of Σy along u: x and its tangent ẋ = u go forward together, and then the gradient of
        that comes back (Pearlmutter 1994, the R-operator). Where all activations are piecewise linear nothing has to
        come back, and a penalty costs one tangent pass and one outer product per layer. Running statistics stay.

        Raises ValueError for layers without such a rule, BatchNorm among them, and for u of another shape.

        >>> import minigan, numpy as np
        >>> net = minigan.Sequential(minigan.Dense(2, 1), seed=0)
        >>> y, dx, push = net.input_gradient(np.ones((3, 2), "float32"))    # y = w·x + b, so dx = w
        >>> push(2 * dx)                                                    # of P = Σ_n |dx_n|² = 3 |w|²
        >>> bool(np.allclose(net.grad_dict()["0.weight"], 6 * net.state_dict()["0.weight"]))
        True
        """
        run = self._pass(train, False, arena, stream)
        x, condition, stamp = self.as_batch(x), None if condition is None else self.as_batch(condition), run.arena.stamp
        shape, x = x.shape, self._joined(x, condition, run)
        y, chained = self.chain.twice(x, run)
        dx, push = chained(ones(y.shape, outputs, run))

        @np.errstate(under="ignore")
        def tangent(u: Array) -> None:
            u = self._given("u must have the shape of dx,", u, shape, run, stamp)
            if condition is not None:  # which does not move
                still = run.empty(condition.shape)
                still.fill(0)
                u = self._joined(u, still, run)
            _, pull = push(u)
            pull(None)

        return y, self._parted(dx, condition, run), tangent

    def _joined(self, x: Array, condition: Array | None, run: Pass) -> Array:
        """x, and behind it the condition of each sample."""
        if condition is None:
            return x
        features, pixels = x.shape[-1], x.shape[1:-1]
        each = condition.shape[1:-1] == pixels or condition.ndim == 2  # numbers for each pixel, or for all of them
        if x.ndim < 2 or condition.ndim < 2 or len(condition) != len(x) or not each:
            images = f", or such a batch {(len(x), *pixels, 'K')}".replace("'", "") if pixels else ""
            raise ValueError(f"expected {len(x)} rows of numbers{images} with samples {x.shape}, got {condition.shape}")
        joined = run.empty((*x.shape[:-1], features + condition.shape[-1]))
        joined[..., :features] = x
        if condition.ndim < x.ndim:
            condition = condition.reshape(len(x), *(1 for _ in pixels), -1)
        joined[..., features:] = condition
        return joined

    def _parted(self, dx: Array, condition: Array | None, run: Pass) -> Array:
        """Of a gradient, the part of the samples."""
        if condition is None:
            return dx
        part = run.empty((*dx.shape[:-1], dx.shape[-1] - condition.shape[-1]))
        run.backend.xp.copyto(part, dx[..., : part.shape[-1]])
        return part

    def _given(self, rule: str, a: Array, shape: tuple[int, ...], run: Pass, stamp: int) -> Array:
        """What a pass that began at `stamp` is given afterwards, as the network takes it."""
        if run.arena.stamp != stamp:
            raise RuntimeError(
                "this pass is over: its arena was rewound since, so its activations are overwritten; "
                "take the gradient before the next step begins, or run the network without an arena"
            )
        a = self.as_batch(a)
        if a.shape != shape:
            raise ValueError(f"{rule} {shape}, got {a.shape}")
        return a

    def _pass(self, train: bool, track: bool, arena: FreshArena | None, stream: Stream | None) -> Pass:
        if stream is None:
            stream = Stream(self.seed, Purpose.CALL, next(self._turns))
            self.calls = stream.step + 1
        return Pass(arena or self._fresh, self.dtype, train, track, stream)

    def activations(
        self, x: Array, train: bool = False, stream: Stream | None = None, condition: Array | None = None
    ) -> Iterator[tuple[str, Array]]:
        """The output of each layer in turn, with its place and name; running statistics are left alone.

        A layer and the activation it is joined to appear as one, a layer that holds layers behind those, which are
        named as "3.0.Dense". For looking inside, not for training.

        >>> import minigan, numpy as np
        >>> net = minigan.Sequential(minigan.Dense(2, 3), minigan.ReLU(), minigan.Dense(3, 1))
        >>> [(name, y.shape) for name, y in net.activations(np.ones((4, 2)))]
        [('1.ReLU', (4, 3)), ('2.Dense', (4, 1))]
        """
        stream = stream or Stream(self.seed, Purpose.CALL, self.calls)  # a look, not a call: it is not counted
        run = self._pass(train, False, None, stream)
        x = self._joined(self.as_batch(x), None if condition is None else self.as_batch(condition), run)
        run.seen = []
        for _ in self.chain.steps(x, run):
            for place, layer, y in run.seen:
                yield f"{place}.{type(layer).__name__}", y
            run.seen.clear()

    def features(
        self,
        x: Array,
        layers: Sequence[str | int] | None = None,
        *,
        pool: int = features.POOL,
        batch: int = features.BATCH,
        condition: Array | None = None,
    ) -> np.ndarray[Any, Any]:
        """What the network has made of samples at some layers: one row of numbers each, (N, F), of the network's dtype.

        x: (N, ...) floats as the network takes them, or uint8 images, which become floats in [−1, 1]. layers: names as
        in `activations`, or places such as 4; by default those of features.py: of all convolutions after their
        activation, or of all hidden layers where there are none. What each makes stands side by side in this order.
        pool: maps are averaged to pool x pool parts and flattened. batch: samples that pass at once, so that memory
        beyond the result does not grow with N. condition: as in a call.

        Running statistics are used and left alone, dropout and noise are off. Raises ValueError for layers that are
        not there or mix samples, and as a call does.

        >>> import minigan, numpy as np
        >>> net = minigan.Sequential(minigan.Dense(2, 3), minigan.ReLU(), minigan.Dense(3, 1))
        >>> net.features(np.ones((4, 2), "float32")).shape
        (4, 3)
        """
        names, pool, batch = features.chosen_layers(self.chain, layers), integer("pool", pool), integer("batch", batch)
        x = x if hasattr(x, "dtype") else np.asarray(x)
        if not len(x):
            raise ValueError(f"expected a batch with at least one sample, got shape {tuple(x.shape)}")
        rows: np.ndarray[Any, Any] | None = None
        for begin in range(0, len(x), batch):
            part = x[begin : begin + batch]
            if part.dtype == np.uint8:
                from ..datasets import to_float

                part = to_float(part, self.dtype)
            given = None if condition is None else condition[begin : begin + batch]
            outputs = self.activations(part, condition=given)
            found = np.concatenate(features.look(outputs, names, pool, self.backend), axis=1)
            if rows is None:
                rows = np.empty((len(x), found.shape[1]), found.dtype)
            rows[begin : begin + len(found)] = found
        assert rows is not None
        return rows

    def as_batch(self, x: Any) -> Array:
        """`x` as the network takes it: a contiguous array of its backend and dtype, copied only if it must be.

        Raises TypeError unless it holds floats, ValueError if it is empty.
        """
        if not isinstance(x, self.backend.xp.ndarray):
            x = self.backend.asarray(x)
        if x.dtype != self.dtype:
            if x.dtype.kind != "f":
                raise TypeError(
                    f"expected a batch of floats, got {x.dtype}; uint8 images become floats in [-1, 1] with "
                    "minigan.datasets.to_float(images)"
                )
            x = x.astype(self.dtype)
        if x.ndim < 1 or x.size == 0:
            raise ValueError(f"expected a batch with at least one sample, got shape {tuple(x.shape)}")
        return x if x.flags.c_contiguous else self.backend.xp.ascontiguousarray(x)

    # --- gradients and state -----------------------------------------------------------------------------------

    @property
    def mixes_samples(self) -> bool:
        """Whether a sample's output depends on the rest of the batch, as with batch normalisation."""
        return self.chain.mixes_samples

    def zero_grad(self) -> None:
        """Forget all gradients. Passes add to them, so call this before each new sum."""
        for parameter in self.parameters.values():
            parameter.zero_grad()

    @property
    def flat_grad(self) -> Array:
        """All gradients as one flat array (size,), in the order of `flat`."""
        for parameter in self.parameters.values():
            parameter.grad  # noqa: B018 - reading clears what was never written
        return self._flat_grad

    def packed(self, flat: Array) -> np.ndarray[Any, Any]:
        """Of an array like `flat`, the numbers that belong to parameters, as a NumPy array (size,)."""
        numbers = self.backend.to_numpy(flat)
        return np.concatenate([numbers[:0], *(numbers[place] for place in self._places)])

    def unpacked(self, numbers: np.ndarray[Any, Any]) -> Array:
        """The inverse: (size,) numbers, each in its place of an array like `flat`, which has zeros elsewhere."""
        all_numbers, begin = np.zeros(self.flat.shape, self.dtype), 0
        for place in self._places:
            end = begin + place.stop - place.start
            all_numbers[place], begin = numbers[begin:end], end
        return self.backend.asarray(all_numbers)

    def grad_dict(self) -> dict[str, np.ndarray[Any, Any]]:
        """Copies of the gradients as NumPy arrays, named as in `state_dict`."""
        return {name: self.backend.to_numpy(p.as_state(p.grad)) for name, p in self.parameters.items()}

    def state_dict(self) -> dict[str, np.ndarray[Any, Any]]:
        """Copies of parameters and running statistics as NumPy arrays, under PyTorch's names and layouts.

        `torch.nn.Sequential` of the same layers loads {name: torch.from_numpy(array)}.
        """
        state: dict[str, np.ndarray[Any, Any]] = {}
        for place, _, layer in self.chain.leaves():
            arrays = {name: p.as_state(p.data) for name, p in layer.parameters.items()} | layer.buffers
            state |= {f"{place}.{name}": self.backend.to_numpy(array) for name, array in arrays.items()}
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over parameters and running statistics; PyTorch's `num_batches_tracked` is ignored.

        So is what PyTorch's wrappers put before every name: "module." (DataParallel), "_orig_mod." (compile).

        Raises ValueError, and changes nothing, if a name is missing or unknown, a shape differs or a number is too
        large for the network's dtype.
        """
        own = {name: p.as_state(p.data) for name, p in self.parameters.items()} | self.buffers
        given = {k: np.asarray(v) for k, v in _unwrapped(state).items() if not k.endswith("num_batches_tracked")}
        if missing := own.keys() - given.keys():
            raise ValueError(f"the state has no {_names(missing)}; it must come from a network of the same layers")
        if unknown := given.keys() - own.keys():
            raise ValueError(f"this network has no {_names(unknown)}; it must be built of the same layers")
        for name, array in own.items():
            if given[name].shape != array.shape:
                raise ValueError(f"{name} must have shape {array.shape}, the state has {given[name].shape}")
            if given[name].dtype.kind != "f":
                raise ValueError(f"{name} must hold floats, the state has {given[name].dtype}")
            if name.endswith("running_var") and (given[name] < 0).any():
                raise ValueError(f"{name} must hold variances, which are 0 or more")
        narrowed = {name: narrow(name, given[name], self.dtype) for name in own}
        with uninterrupted:
            for name, array in own.items():
                array[...] = self.backend.asarray(narrowed[name])

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy and a pickle hold the architecture and the numbers, gradients included; the backend is shared."""
        grads = self.grad_dict() if any(not p.is_zero for p in self.parameters.values()) else None
        described = self.describe()
        return _remade, (type(self), classes(described), described, self.backend, self.state_dict(), grads, self.calls)

    def describe(self) -> dict[str, Any]:
        """The architecture as JSON-able data; `Sequential.build` is the inverse."""
        return {"layers": [layer.describe() for layer in self.layers], "dtype": self.dtype.name, "seed": self.seed}

    @classmethod
    def build(
        cls,
        description: Mapping[str, Any],
        backend: Backend | str | None = None,
        state: Mapping[str, Any] | None = None,
    ) -> Sequential:
        """A network from `describe()`, with fresh weights or with those of `state`.

        Raises ValueError for unknown layers, or sizes that `state` does not have: before memory is taken for them.
        """
        layers = build(description["layers"])
        if state is not None:
            for place, _, layer in Chain(*layers).leaves():
                shapes = {name: p.state_shape for name, p in layer.parameters.items()}
                shapes |= {name: buffer.shape for name, buffer in layer.buffers.items()}
                for name, shape in shapes.items():
                    if f"{place}.{name}" not in state or np.shape(state[f"{place}.{name}"]) != shape:
                        raise ValueError(f"{place}.{name} of {layer} is not in the state with shape {shape}")
        net = cls(*layers, backend=backend, dtype=description["dtype"], seed=description["seed"])
        if state is not None:
            net.load_state_dict(state)
        return net

    def summary(self, shape: tuple[int, ...] | None = None) -> Text:
        """A table of the layers: what each makes of a sample, and how many parameters it has.

        shape: of a sample, by default what the first layer takes, if it tells. The table is text, which a prompt and a
        notebook show as it is. Raises ValueError for a shape that does not fit, or if it is needed.

        >>> import minigan
        >>> minigan.Sequential(minigan.Dense(2, 8), minigan.ReLU(), minigan.Dense(8, 1)).summary()
           layer        output  parameters
        0  Dense(2, 8)  (8,)            24
        1  ReLU()       (8,)             0
        2  Dense(8, 1)  (1,)             9
           total                        33
        """
        told = getattr(self.layers[0], "n_in", None) if self.layers else 0
        if shape is None and told is None:
            raise ValueError(
                f"the first layer, {self.layers[0]}, does not tell the shape of a sample: give it, as in "
                "summary((28, 28, 1))"
            )
        x = self.backend.zeros((2, *((told,) if shape is None else shape)), self.dtype)
        run = self._pass(False, False, None, Stream(self.seed, Purpose.CALL))
        run.seen, output, rows = [], "", list[tuple[str, str, str, str]]()
        self.chain.forward(x, run)
        outputs = {place: str(tuple(y.shape[1:])) for place, _, y in run.seen}
        for place, layer in reversed(list(self.chain.everything())):
            output = outputs.get(place, output)  # that of the activation behind it, with which it was applied together
            holds = isinstance(layer, Chain)
            count = "" if holds else f"{sum(math.prod(p.shape) for p in layer.parameters.values()):,}"
            rows.insert(0, (place, type(layer).__name__ if holds else str(layer), output, count))
        rows.insert(0, ("", "layer", "output", "parameters"))
        rows.append(("", "total", "", f"{self.size:,}"))
        place_, name_, output_ = (max(len(row[i]) for row in rows) for i in range(3))
        return Text("\n".join(f"{a:>{place_}}  {b:<{name_}}  {c:<{output_}}  {d:>10}" for a, b, c, d in rows))

    def __len__(self) -> int:
        return len(self.layers)

    def __getitem__(self, i: int) -> Layer:
        return self.layers[i]

    def __repr__(self) -> str:
        lines = "".join(f"    {i}: {layer}\n" for i, layer in enumerate(self.layers))
        return f"Sequential(  # {self.size:,} parameters, {self.dtype}, {self.backend.name}\n{lines})"


def narrow(name: str, array: np.ndarray[Any, Any], dtype: Any) -> np.ndarray[Any, Any]:
    """The array in this dtype. Raises ValueError if a finite number in it would become infinite."""
    with np.errstate(over="ignore"):
        narrowed = array.astype(dtype, copy=False)
    if narrowed is not array and (np.isinf(narrowed) & np.isfinite(array)).any():
        raise ValueError(f"{name} holds {abs(array[np.isfinite(array)]).max():g}, which is infinite as {dtype}")
    return narrowed


def _remade(
    cls: type[Sequential],
    _: tuple[type, ...],
    description: Mapping[str, Any],
    backend: Backend,
    state: Mapping[str, Any],
    grads: Mapping[str, Any] | None,
    calls: int,
) -> Sequential:
    """What `Sequential.__reduce__` took apart."""
    net = cls.build(description, backend, state)
    for name, grad in (grads or {}).items():
        net.parameters[name].as_state(net.parameters[name].grad)[...] = backend.asarray(grad)
    net.calls, net._turns = calls, itertools.count(calls)
    return net


class Text(str):
    """Text that a prompt shows as it is."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def ones(shape: tuple[int, ...], outputs: int | None, run: Pass) -> Array:
    """The gradient of the sum of the first so many outputs, or of all of them."""
    dy = run.empty(shape)
    dy.fill(1)
    if outputs is not None:
        dy[:, outputs:] = 0
    return dy


def _places(parameters: Iterable[Parameter], align: int) -> Iterator[slice]:
    """The part of the flat array that each parameter has."""
    end = 0
    for parameter in parameters:
        begin = -(-end // align) * align
        end = begin + math.prod(parameter.shape)
        yield slice(begin, end)


def _underflowing() -> np.errstate:
    """What is too small becomes 0: that is how softplus and Adam's squares work, whatever the caller makes of it."""
    return np.errstate(under="ignore")


def _unwrapped(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """The state without what wrappers of PyTorch put before all of its names."""
    for prefix in _WRAPPERS:
        if state and all(name.startswith(prefix) for name in state):
            return _unwrapped({name.removeprefix(prefix): array for name, array in state.items()})
    return state


def _names(names: Any) -> str:
    return ", ".join(sorted(names))
