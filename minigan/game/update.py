"""An update: the block of a game's page in which one player learns, and the only place where anything does.

    with game.update(player) as up:
        fake, back_G = up.run(G, z, "G for G")          # the way back of a network that moves: to its parameters, too
        on_fake, back_D = up.run(D, fake, "D for G")    # and of one that is held fixed: to its input alone
        up.loss, dlogits = ...
        back_G(back_D(dlogits), inputs=False)

What is run within belongs to the player: its networks get gradients of their parameters, and its networks alone move
their running statistics. At the end the block looks at two numbers, the loss and the norm of the gradient. Whatever is
not finite anywhere reaches one of them: then the update is not made, and all that was run is gone through once more, in
the order in which it came to be, for the first array that holds a NaN or an infinity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np

from ..backend import ALONE, Backend, Group, Purpose, Share, Stream
from ..nn import Sequential
from ..optim import Schedule
from ..vat import VAT
from .player import Player

Array = Any
Back = Callable[..., Any]


class Table(Protocol):
    """What an update must know of its game. tries: called with each update, from which then nobody learns; held: what
    is the same in every try."""

    seed: int
    tries: Callable[[Update], None] | None
    held: dict[str, Any]

    @property
    def steps(self) -> int: ...

    @property
    def networks(self) -> dict[str, Sequential]: ...


class NonFiniteError(ArithmeticError):
    """A number stopped being finite. `step` says when, `array` in which array; the parameters were not updated."""

    def __init__(self, step: int, array: str, message: str) -> None:
        super().__init__(message)
        self.step = step
        self.array = array


class Pass(NamedTuple):
    """A network that was run, and how. on: what it was run on, where that is not plain."""

    net: Sequential
    x: Array
    on: str
    train: bool
    stream: Stream
    condition: Array | None


class Update:
    """One update of one player. loss: to be set; norm: of the gradient, known at the end.

    terms: what the player descends beside `loss`, such as penalties, for whoever checks gradients.
    """

    def __init__(self, game: Table, player: Player) -> None:
        self.player, self.arena, self.backend = player, player.arena, player.arena.backend
        self.loss: Array = None
        self.norm: Array = None
        self.terms: list[Array] = []
        self.passes: list[Pass] = []
        self.batches: list[tuple[str, Array]] = []
        self._game, self._quiet = game, np.errstate(all="ignore")  # overflow is looked for, and reported with its place

    def __enter__(self) -> Update:
        self._quiet.__enter__()
        self.arena.rewind()
        self._dry, self._now = self.is_dry, self.player.now()
        for net in self.player.nets:
            net.zero_grad()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        try:
            if kind is None:
                self._descend()
                if self._dry:
                    self.player.shift += 1
                else:
                    self.player.follow()
                    self.player.updates.advance()
        finally:
            self._quiet.__exit__(kind, error, trace)

    @property
    def is_dry(self) -> bool:
        """Whether nobody learns at the end: of an update that has been made, or that is only tried."""
        return self._game.tries is not None or self.player.shift < 0

    def stream(self, purpose: str | int, parts: tuple[int, ...] = (1,)) -> Stream:
        """Random numbers of this update; each purpose has its own.

        parts: of how many minibatches, one behind the other, arrays are made that are drawn, and how many rows are of
        each, in proportion. Processes that play together draw their own rows of each.
        """
        group = self.backend.group
        share = None if group.size == 1 else Share(group.rank, group.size, parts)
        return Stream(self._game.seed, purpose_of(purpose), self._now, share=share)

    def run(
        self,
        net: Sequential,
        x: Array,
        name: str | int,
        *,
        on: str = "",
        train: bool = True,
        track: bool = True,
        depth: int | None = None,
        condition: Array | None = None,
        out: Array | None = None,
        parts: tuple[int, ...] = (1,),
    ) -> tuple[Array, Back]:
        """A pass of a network: its output, and back(dy, inputs=True), which may overwrite dy.

        name: of the pass, which fixes its random numbers. on: what x is, for the report of what is not finite. track:
        whether the running statistics of a network that learns may move. parts: of x, as of `stream`. The rest as of
        `Sequential.__call__`.
        """
        learns, stream = net in self.player.nets, self.stream(name, parts)
        tracked = learns and track and train and not self._dry
        y, way = net(
            x, train=train, track=tracked, arena=self.arena, stream=stream, depth=depth, condition=condition, out=out
        )
        self.passes.append(Pass(net, x, on, train, stream, condition))

        def back(dy: Array, inputs: bool = True) -> Array:
            return way(dy, params=learns, inputs=inputs, consume=True)

        return y, back

    def smooth(self, net: Sequential, vat: VAT, x: Array, reach: Array | None = None, first: int = 0) -> Array:
        """Virtual adversarial training of a network that learns, on x. Returns the term of its loss (0-d).

        reach, first: as of `VAT.add`.
        """
        stream, weight = self.stream("VAT"), vat.weight
        scale = self.value_of(weight) if isinstance(weight, Schedule) else weight
        term, near = vat.add(net, x, self.arena, stream, reach, first, scale)
        self.passes.append(Pass(net, near, "samples next to real ones", True, stream, None))
        self.terms.append(term)
        return term

    def value_of(self, schedule: Schedule) -> Array:
        """What a schedule of this player's updates says now, as an array (0-d) that a graph fills for itself."""
        be, dtype = self.backend, self.player.nets[0].dtype
        value, one = self.arena.empty((1,), dtype), self.arena.empty((1,), dtype)
        value[...], one[...] = 0, 1
        keep = be.scheduled(lambda t: 1 - schedule(t), self.player.updates)
        be.average(value, one, keep, self._now)  # keep · 0 + (1 − keep) · 1
        return value.reshape(())

    def given(self, name: str, array: Array) -> Array:
        """An array that is taken as given, although what learns here has made it: no gradient goes back through it.

        Where the update is tried again with other parameters, it is what it was the first time. name: of the array.
        """
        if self._game.tries is None:
            return array
        return self._game.held.setdefault(name, array.copy())

    def normal(self, shape: tuple[int, ...], name: str | int) -> Array:
        """Numbers from N(0, 1)."""
        numbers = self.arena.empty(shape, self.player.nets[0].dtype)
        self.backend.normal(numbers, self.stream(name))
        return numbers

    def learn(self) -> Array:
        """Descend the gradient that there is now and go on without it, within the block, whose end does the same.

        Returns the gradient's norm. Raises NonFiniteError, and changes nothing, if loss or gradient is not finite.
        """
        self._descend()
        self.passes.clear()
        self.batches.clear()
        for net in self.player.nets:
            net.zero_grad()
        return self.norm

    def _descend(self) -> None:
        self._be_of_one_mind()
        self.norm, finite = self._gradient_norm()
        if self._game.tries is not None:
            self._game.tries(self)
        if not self._dry:
            if not finite:
                raise self._explanation()
            self.player.move()

    def _be_of_one_mind(self) -> None:
        """Among processes that play together: loss and gradient are those of the whole minibatch, in each of them."""
        group = self.backend.group
        if group.size > 1:
            self.loss = group.mean(self.loss + 0)
            for net in self.player.nets:
                group.mean(net.flat_grad)

    def _gradient_norm(self) -> tuple[Array, bool]:
        (norm, finite), *others = (self.backend.grad_norm(net.flat_grad, self.loss) for net in self.player.nets)
        for more, well in others:
            norm, finite = self.backend.xp.hypot(norm, more, out=self.arena.empty((), norm.dtype)), finite and well
        return norm, finite

    # --- what is not finite ------------------------------------------------------------------------------------

    def _explanation(self) -> NonFiniteError:
        step, player = self._game.steps + 1, self.player.name
        unknown = f"the norm of {player}'s gradient", "overflow"
        looked = (first_nonfinite([(name, array)], self.backend, group) for name, array, group in self._arrays())
        name, what = next(filter(None, looked), unknown)
        return NonFiniteError(
            step,
            name,
            f"{name} is not finite at step {step}, in the update of {player}: {what}; the update was not made. "
            "Usual causes: a learning rate that is too high, or data that is not finite",
        )

    def _arrays(self) -> Iterator[tuple[str, Array, Group]]:
        """Every array of the update, in the order in which it came to be, and the processes that each have rows of it.

        Activations are computed again. Parameters, loss and gradients are the same in each process.
        """
        names, group = {id(net): name for name, net in self._game.networks.items()}, self.backend.group
        for prefix, net in self._game.networks.items():
            for name, parameter in net.parameters.items():
                yield f"{prefix}.{name}", parameter.data, ALONE
        for name, batch in self.batches:
            yield name, batch, group
        for net, x, on, train, stream, condition in self.passes:
            for name, y in net.activations(x, train=train, stream=stream, condition=condition):
                yield f"the output of {names[id(net)]}.{name}" + (f" on {on}" if on else ""), y, group
        yield f"the loss of {self.player.name}", self.loss, ALONE
        for net in self.player.nets:
            for name, parameter in reversed(net.parameters.items()):
                yield f"the gradient of {names[id(net)]}.{name}", parameter.grad, ALONE


def first_nonfinite(arrays: Iterable[tuple[str, Array]], be: Backend, group: Group = ALONE) -> tuple[str, str] | None:
    """The first of the named arrays that holds a NaN or an infinity, and what it holds; None if all are finite.

    group: processes that look together, each at its own arrays of these names.
    """
    for name, array in arrays:
        finite, nans = be.xp.isfinite(array).sum(), be.xp.isnan(array).sum()
        bad, nan, size = group.total(np.array([array.size - int(finite), int(nans), array.size], np.float64))
        if bad:
            return name, f"{'NaN' if nan else 'infinity'} in {int(bad)} of {int(size)} elements"
    return None


def purpose_of(name: str | int) -> int:
    """The purpose that a name stands for: one of its own for each name, far from those that the library numbers."""
    if not isinstance(name, str):
        return name
    digest = 0xCBF29CE484222325  # FNV-1a
    for byte in name.encode():
        digest = (digest ^ byte) * 0x100000001B3 % 2**64
    return max(Purpose) + (1 << 16) + digest % (1 << 62)
