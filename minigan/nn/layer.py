"""What a layer is.

A layer owns its parameters and nothing else. Calling it returns the output *and* the function that takes a gradient
back through that very call; whatever the backward needs lives in this closure. So a network can be run on real data,
on fakes and on anything in between, and each pass can be differentiated in any order: nothing is cached on the
layer that a later call could overwrite.

A layer of your own takes ten lines:

    class Swish(minigan.Layer):
        def forward(self, x, run):                 # y = x s,  s = σ(x)
            s = 1 / (1 + np.exp(-x))
            y = x * s

            def back(dy, params, inputs):          # dy/dx = s + y (1 − s)
                return dy * (s + y * (1 - s))

            return y, back
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..backend import Backend, FreshArena, Group, Stream, group_of
from ..spec import Spec
from .init import Initializer

Array = Any
Back = Callable[..., Any]


class Parameter:
    """A trainable array and its gradient; both are views into the network's flat arrays.

    `data` and `grad` exist once the layer is part of a network. axes: where a layer computes in another order of axes
    than the one that everybody else sees, in `state_dict` for one, the order that those have in `shape`.
    """

    def __init__(self, shape: tuple[int, ...], init: Initializer, axes: tuple[int, ...] | None = None) -> None:
        self.shape = shape
        self.init = init
        self.axes = tuple(range(len(shape))) if axes is None else axes
        self.data: Array = None
        self._grad: Array = None
        self._empty = True  # nothing was added since zero_grad; the memory still holds the last step's gradient

    def __getstate__(self) -> dict[str, Any]:
        if self.data is not None:
            raise TypeError(
                "a layer that is part of a network has its numbers there: copy or pickle the network, "
                "or make a new layer with the same arguments"
            )
        return self.__dict__

    def as_state(self, array: Array) -> Array:
        """A view of `data`, or of another array of this shape, with the axes that everybody else sees."""
        return array.transpose(self.axes)

    @property
    def state_shape(self) -> tuple[int, ...]:
        """The shape by which everybody else knows it."""
        return tuple(self.shape[axis] for axis in self.axes)

    def bind(self, data: Array, grad: Array) -> None:
        """Live in these arrays from now on."""
        self.data, self._grad = data, grad

    @property
    def grad(self) -> Array:
        """The sum of the gradients since `zero_grad`; add to it in a backward (`weight.grad += ...`)."""
        if self._empty:
            self._grad[...] = 0
            self._empty = False
        return self._grad

    @grad.setter
    def grad(self, value: Array) -> None:
        if value is not self._grad:
            self._grad[...] = value
        self._empty = False

    @property
    def is_zero(self) -> bool:
        """Whether nothing was added to the gradient since `zero_grad`."""
        return self._empty

    def zero_grad(self) -> None:
        """Forget the gradient. The memory is cleared only if somebody reads it before it is written."""
        self._empty = True

    def grad_to_write(self) -> tuple[Array, bool]:
        """Where to write a gradient, and whether to add to what is there.

        The first gradient after `zero_grad` overwrites, which saves clearing the memory and reading it again.
        """
        accumulate, self._empty = not self._empty, False
        return self._grad, accumulate

    def add_grad(self, part: Array) -> None:
        """Add a gradient that was computed elsewhere."""
        grad, accumulate = self.grad_to_write()
        if accumulate:
            grad += part
        else:
            grad[...] = part


class Pass:
    """What one call of a network hands to each of its layers: memory, mode and random numbers."""

    def __init__(self, arena: FreshArena, dtype: Any, train: bool, track: bool, stream: Stream) -> None:
        self.arena = arena
        self.backend: Backend = arena.backend
        self.dtype = dtype
        self.train = train  # batch statistics, active dropout and noise
        self.track = track  # let this batch move the running statistics
        self.out: Array | None = None  # where the result of the layer that is running shall be, if it is wanted there
        self.lane = -1  # the random numbers of the layer that is running: its place, see `Chain.lanes`
        self.begins = False  # set lengths and biases such that this batch makes outputs of mean 0 and variance 1
        self.fusing = False  # whether operations may be held back, see `Backend.fuse`
        self.seen: list[tuple[str, Layer, Array]] | None = None  # place, layer and output, where somebody looks inside
        self._stream = stream

    @property
    def stream(self) -> Stream:
        """The layer's own random numbers."""
        return self._stream._replace(lane=self.lane)

    @property
    def group(self) -> Group:
        """The processes whose samples are one batch: those that play together, in an update; else this one alone."""
        return group_of(self.backend, self._stream)

    def empty(self, shape: tuple[int, ...]) -> Array:
        """An uninitialised array of the network's dtype that lives as long as this pass."""
        return self.arena.empty(shape, self.dtype)

    def result(self, shape: tuple[int, ...]) -> Array:
        """An array for the layer's output: where it is wanted, or else an empty one."""
        if self.out is None:
            return self.empty(shape)
        return self.out if self.out.shape == shape else self.out.reshape(shape)


class Layer(Spec, abstract=True):
    """Base class of all layers.

    A subclass writes `forward(x, run)`, which returns `(y, back)`. `back(dy, params, inputs)` gets dL/dy, adds
    dL/dparameter to each `Parameter.grad` if `params`, and returns dL/dx if `inputs` (else None is fine). It may
    overwrite dy, which is the layer's own by then, but not what the forward has kept, for `back` can be called again;
    for the same reason it returns no array that it keeps: the layer before will overwrite it.
    Constructor arguments are kept in attributes of the same name. Parameters and buffers (arrays that are saved but
    not trained) are registered by assigning to `self.parameters[name]` and `self.buffers[name]`.
    """

    mixes_samples = False  # True if a sample's output depends on the rest of the batch
    joins_activation = False  # True if forward takes `act`, an activation to apply in the same sweep
    fusible = False  # True if only operations of the backend touch arrays that come from other layers (`Backend.fuse`)
    rearranges = False  # True if the output is the input in another shape, the same memory

    @property
    def parameters(self) -> dict[str, Parameter]:
        """Trainable arrays by PyTorch's names."""
        return self.__dict__.setdefault("_parameters", {})  # type: ignore[no-any-return]

    @property
    def buffers(self) -> dict[str, Array]:
        """Saved arrays that are not trained, by PyTorch's names."""
        return self.__dict__.setdefault("_buffers", {})  # type: ignore[no-any-return]

    def begin(self, values: dict[str, np.ndarray[Any, Any]], rng: np.random.Generator) -> None:
        """Called once, when the layer becomes part of a network, for beginnings that depend on each other.

        values: the initial parameters and buffers by name, already drawn, as `state_dict` has them; to be changed in
        place.
        """

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...] | None:
        """The shape of y for a batch of this shape, worked out and not computed; None where only `forward` knows.

        Raises ValueError for a batch that does not fit.
        """
        return None

    def work(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """How many numbers `forward` writes for a batch of this shape, in its output and on the way, and how many
        products it sums up for them; where `output_shape` knows."""
        return math.prod(self.output_shape(shape) or ()), 0

    def forward(self, x: Array, run: Pass) -> tuple[Array, Back]:
        """y for the batch x (first axis: samples), and the way back."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def twice(self, x: Array, run: Pass) -> tuple[Array, Back]:
        """A forward whose gradient can be differentiated once more; `Sequential.input_gradient` says what for.

        Four passes, each nested in the one before:
            y, back = twice(x, run)        y = f(x)
            dx, push = back(dy)            dx = Jᵀ dy, with J = ∂y/∂x; no parameter is touched
            ẏ, pull = push(ẋ)              ẏ = J ẋ, the tangent: how y changes as x moves along ẋ
            dx₂ = pull(dy₂)                with S = ⟨dy, ẏ⟩, where dy and ẋ are held constant: adds ∂S/∂θ + (∂y/∂θ)ᵀ dy₂
                                           to each parameter's gradient and returns ∂S/∂x + Jᵀ dy₂
        None stands for a gradient dy₂ or dx₂ that is zero everywhere. No array that is handed in may be overwritten.
        """
        raise ValueError(
            "has no second-order rule (a method `twice`), so no penalty can be put on gradients through it"
        )


def linear(y: Array, back: Callable[[Array], Array], push: Callable[[Array], Array]) -> tuple[Array, Back]:
    """`twice` for a linear map without parameters: y, its transpose, and the map itself."""

    def first(dy: Array) -> tuple[Array, Back]:
        return back(dy), lambda xdot: (push(xdot), lambda dy2: None if dy2 is None else back(dy2))

    return y, first
