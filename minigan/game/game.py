"""A game: players, a page on which they take turns, and all that is the same whoever plays.

A class of one's own keeps its arguments in attributes, as every Spec; makes a `Player` of the networks that move
together, the one that counts the game's steps last; and writes down a turn, a block for each update (update.py).
Feeding, playing a turn as one graph, saving, resuming and looking for what is not finite are here, and know no player
by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import cached_property
from os import PathLike
from typing import Any, ClassVar, NamedTuple, TypeVar

import numpy as np

from ..atomic import Atomic, atomically
from ..backend import Backend, get_backend
from ..files import Target
from ..limits import check_layers
from ..nn import Sequential
from ..optim import Optimizer
from ..spec import Spec, arguments_of, classes, integer, plain
from . import saved
from .feed import Feed
from .play import Play
from .player import Player
from .update import Update

Array = Any
Metrics = dict[str, float]
Shapes = Mapping[str, Mapping[str, tuple[int, ...]]]  # of the arrays of each part, by their names


class Panel(NamedTuple):
    """Metrics in one diagram over the steps. lines: names in the legend, by metric; what is 0 throughout is left out.

    limits: of the values, if they have some.
    """

    title: str
    ylabel: str
    lines: Mapping[str, str]
    limits: tuple[float, float] | None = None


Own = TypeVar("Own", bound="Game")


class Game(Spec, abstract=True):
    """Base class. seed: of all random numbers; the networks have seeds of their own.

    A step is made whole or not at all: Ctrl-C comes through when it is over, other threads wait for that, and so does
    a fork. So one thread may train while others sample or save, each of them a game that has just made a step.
    """

    metrics: ClassVar[tuple[str, ...]]  # what a turn returns, and the columns of metrics.csv
    headline: ClassVar[Mapping[str, str]] = {}  # those of them that are shown while it plays, with a short name each
    seed: int
    watch: ClassVar[Callable[..., Any]]  # (data, steps): a context, to be called with the metrics of steps
    _repr_html_: ClassVar[Callable[..., str]]  # for a notebook; minigan/__init__.py puts both here

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "turn" in vars(cls):
            cls.turn = atomically(cls.turn)  # type: ignore[method-assign]

    def begin_as(self, seed: int) -> None:
        """To be called first in a constructor."""
        self.seed = integer("seed", seed, least=0, bits=64)
        self.tries: Callable[[Update], None] | None = None  # called with each update, which then nobody learns from
        self.held: dict[str, Array] = {}  # what is the same in every try
        self._atomic = Atomic()

    # --- the page ----------------------------------------------------------------------------------------------

    def turn(self, draw: Any) -> dict[str, Array]:
        """One turn: the updates of all players. draw: a Feed. Returns the metrics, as arrays of one number each.

        It branches on settings only, never on numbers, so that it can be recorded as one CUDA graph.
        """
        raise NotImplementedError

    def begin(self, draw: Any, updates: int) -> None:
        """What comes before the first turn, until `begun` is so many: nothing, as a rule."""

    def before(self, d_pretrain: int) -> int:
        """How many updates come before the first turn, if D is to make so many of them alone."""
        return d_pretrain

    def meet(self, draw: Any) -> None:
        """What data decide before anything is learned from them: nothing, as a rule. Comes again, and must change
        nothing then, where a game that has not begun is played anew."""

    @property
    def begun(self) -> int:
        """Updates that were made before the first turn."""
        return 0

    def update(self, player: Player) -> Update:
        """The block in which this player learns."""
        return Update(self, player)

    @classmethod
    def argument_names(cls) -> list[str]:
        """Of the constructor's arguments, networks among them; each is an attribute as well."""
        return arguments_of(cls)

    def arguments(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.argument_names()}

    @classmethod
    def check_description(cls, description: Mapping[str, Any], shapes: Shapes) -> None:
        """Before memory is taken for a description that anybody may have written: raises ValueError if it asks for more
        than the arrays in its file make likely."""
        for name, part in description.items():
            if isinstance(part, Mapping) and "layers" in part:
                check_layers(name, part["layers"])

    # --- what a game is made of --------------------------------------------------------------------------------

    @property
    def networks(self) -> dict[str, Sequential]:
        """All networks by name."""
        return {name: net for name, net in vars(self).items() if isinstance(net, Sequential)}

    @property
    def players(self) -> dict[str, Player]:
        """All players by name; the last counts the steps."""
        return {name: player for name, player in vars(self).items() if isinstance(player, Player)}

    def average_of(self, net: Sequential) -> Sequential:
        """The average of one of its networks along its training, or the network itself where none is kept."""
        for player in self.players.values():
            for own, average in zip(player.nets, player.averages, strict=bool(player.averages)):
                if own is net:
                    return average.net
        return net

    @property
    def backend(self) -> Backend:
        """On which it is computed."""
        return next(iter(self.networks.values())).backend

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of all arithmetic."""
        dtype: np.dtype[Any] = next(iter(self.networks.values())).dtype
        return dtype

    @property
    def clock(self) -> Player:
        """The player whose updates are the game's steps."""
        return list(self.players.values())[-1]

    @property
    def steps(self) -> int:
        """Turns so far."""
        return self.clock.updates.value

    @steps.setter
    def steps(self, value: int) -> None:
        self.clock.updates.value = value

    # --- data --------------------------------------------------------------------------------------------------

    def sources(self, data: Any, labels: Any = None) -> dict[str, tuple[Array, ...]]:
        """What the game draws from, by name, as arrays of its backend. Raises ValueError or TypeError if it cannot."""
        if isinstance(data, Mapping):
            return {name: tuple(map(self._on_backend, part)) for name, part in data.items()}
        return {"real": (self._on_backend(data),)}

    def size(self, source: str, batch: int) -> int:
        """Of a minibatch of this source."""
        return batch

    def parts(self, source: str) -> int:
        """Into how many equal ones a minibatch of this source falls, of which each process that plays has a share; 0
        for what each process draws as a whole."""
        return 1

    def place(self, source: str, n: int, shape: tuple[int, ...]) -> Array | None:
        """Where a minibatch shall lie; None: anywhere."""
        return None

    def feed(self, data: Any, batch: int, labels: Any = None) -> Feed:
        """Minibatches of these data."""
        sources = self.sources(data, labels)
        sizes = {name: self.size(name, integer("batch", batch)) for name in sources}
        parts = {name: self.parts(name) for name in sources}
        return Feed(self.backend, self.dtype, self.seed, sources, sizes, self.place, parts)

    def _on_backend(self, data: Any) -> Array:
        data = getattr(data, "images", data)
        return self.backend.asarray(data, None if getattr(data, "dtype", None) == np.uint8 else self.dtype)

    # --- playing -----------------------------------------------------------------------------------------------

    def fit(
        self: Own,
        images: Any,
        steps: int,
        batch: int = 32,
        *,
        labels: Any = None,
        d_pretrain: int = 0,
        callback: Callable[[Own, Metrics], bool | None] | None = None,
        every: int = 1,
        progress: bool = False,
    ) -> dict[str, np.ndarray[Any, Any]]:
        """Play `steps` more steps and return each metric as a float32 array (steps played,).

        images: uint8 (N, H, W[, C]), mapped to [−1, 1] batch by batch, or floats (N, ...) used as they are; or an
            object with an attribute `images`, such as a Dataset. Every image is seen once per epoch, in an order
            that depends on the seed only.
        labels: integers (N,) or (N, 1), or one-hot, for a game that knows labels; by default the attribute `labels` of
            such an object.
        batch: of each update.
        d_pretrain: updates of D before G's first (only of a game that has not begun).
        callback: called with this game and the metrics of the step just made; returning True ends the training.
        every: how many steps there are from one call to the next, the last step aside. Between two, a GPU plays on
            without being waited for.
        progress: show how far it is, and what `minigan.diagnostics` has to say: as a bar on a terminal, as lines in a
            file, in a notebook as one display that is updated.

        Raises ValueError or TypeError for data or sizes that do not fit, NonFiniteError as soon as a loss or a gradient
        is not finite. Warns of floats that G cannot make, such as 0 to 255 where it ends in Tanh, and of classes
        without a sample.
        """
        steps, d_pretrain = integer("steps", steps, least=0), integer("d_pretrain", d_pretrain, least=0)
        every = integer("every", every)
        play = Play(self, images, batch, labels)
        play.begin(self.before(d_pretrain))
        play.warn_of_rest(steps)
        history = {name: np.empty(steps, np.float32) for name in self.metrics}
        done, stop = 0, False
        with self.watch(images, steps) if progress else nullcontext() as watch:
            while done < steps and not stop:
                count = steps - done if callback is None else min(steps - done, every - done % every)
                played = play.play(count if watch is None else min(count, self.backend.ahead))
                count = len(played[self.metrics[0]])
                for name, values in played.items():
                    history[name][done : done + count] = values
                done += count
                stop = watch is not None and watch(played)
                if callback is not None and (done % every == 0 or done == steps):
                    stop |= bool(callback(self, {name: float(values[-1]) for name, values in played.items()}))
                stop = self.backend.group.any(stop)
        return {name: values[:done] for name, values in history.items()}

    def rests(self, steps: int) -> str | None:
        """A sentence about who would learn nothing at the end of so many more steps, its learning rate being 0."""
        resting = []
        for player in reversed(self.players.values()):
            bound, each = player.optimizers[0], self.updates_of(player)
            if not each:
                continue
            start = bound.rule.rests_from(bound.t, bound.t + each * steps)
            if start is not None:
                resting.append(f"{player.name}'s from step {self.steps + 1 + (start - bound.t) // each:,} on")
        if not resting:
            return None
        return (
            f"the learning rate is 0 before the end, step {self.steps + steps:,}, and nothing is learned then: "
            f"{', '.join(resting)}; let its schedule be as long (--decay-steps all of a recipe)"
        )

    def updates_of(self, player: Player) -> int:
        """How often the player's rule is applied in a turn; 0 for one that learns before the first turn only."""
        return 1

    def follow(self, plan: Game) -> None:
        """Take over the update rules of another game of this kind, from the next step on.

        Raises ValueError, and changes nothing, if its optimizers remember something else.
        """
        pairs = [(own, other) for own, other in zip(self.players.values(), plan.players.values(), strict=True)]
        for own, other in pairs:
            if own.rule.memory != other.rule.memory:
                raise ValueError(
                    f"{other.rule} cannot go on from what {own.rule} remembers; begin anew, or keep the rule"
                )
        for own, other in pairs:
            for bound in own.optimizers:
                bound.rule = other.rule
        for name, value in plan.arguments().items():  # which describe the game
            if isinstance(value, Optimizer):
                setattr(self, name, value)

    # --- showing -----------------------------------------------------------------------------------------------

    def panels(self) -> list[Panel]:
        """How its metrics are drawn; by default all that are losses."""
        losses = [name for name in self.metrics if name.endswith("loss")] or list(self.metrics)
        return [Panel("Losses", "loss", dict(zip(losses, losses, strict=True)))]

    @property
    def diagnosed(self) -> bool:
        """Whether `minigan.diagnostics` knows what its metrics mean."""
        return False

    def show(self, n: int, seed: int | None = None) -> np.ndarray[Any, Any]:
        """n of what its pictures are of, (n, ...). seed: of what is random in them; default: the game's own."""
        raise NotImplementedError(f"{type(self).__name__} has no method `show`, which says what there is to see of it")

    def sample(self, n: int, seed: int | None = None) -> np.ndarray[Any, Any]:
        """n samples, to be judged or kept: by default what it shows."""
        return self.show(n, seed)

    @cached_property
    def sample_shape(self) -> tuple[int, ...]:
        """Of one of them."""
        return tuple(self.sample(1).shape[1:])

    def equilibrium(self) -> dict[str, float]:
        """Values of metrics where nobody has anything left to learn, if they are known."""
        return {}

    # --- saving ------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Array]:
        """What it keeps beyond networks and optimizers, by name: arrays that `turn` changes in place."""
        return {}

    def save(self, path: Target, extra: Mapping[str, Any] | None = None) -> None:
        """Write networks, optimizers and counts to one `.npz`, by way of a temporary file, or to an open file.

        extra: JSON-able data to keep in the file's header. A game that is loaded again plays on bit for bit.
        """
        states, header = saved.taken_down(self)
        saved.save(path, states, {**header, "extra": dict(extra or {})})

    @classmethod
    def load(cls: type[Own], path: str | PathLike[str], backend: Backend | str | None = None) -> Own:
        """A game from `save`, on any backend (default: NumPy).

        Raises FileNotFoundError, or ValueError for a file that is damaged, foreign or made of unknown layers, that
        holds another kind of game, or that asks for more work than its size makes likely (limits.py).
        """
        game: Own = saved.load(cls, path, get_backend("numpy" if backend is None else backend))
        return game

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy and a pickle hold what a file does, and play on like it; a copy shares the backend."""
        states, header = saved.taken_down(self)
        return saved.restored, (type(self), states, header, self.backend, classes(header["game"]))

    def describe(self) -> dict[str, Any]:
        """Networks and rules as JSON-able data; `build` is the inverse."""
        return {
            "kind": self.kind(),
            **{k: v.describe() if isinstance(v, Sequential) else plain(v) for k, v in self.arguments().items()},
        }

    @classmethod
    def build(
        cls: type[Own],
        description: Mapping[str, Any],
        backend: Backend | str | None = None,
        states: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> Own:
        """A game from `describe()`, with fresh weights or those of `states`, by network.

        An option that the description does not know, because it is older, has its default.
        Raises ValueError for unknown layers or options, or states that do not fit.
        """
        game: Own = saved.build_game(cls, description, backend, states)
        return game

    def __repr__(self) -> str:
        nets = "".join(f"    {name}: {net.size:,} parameters\n" for name, net in self.networks.items())
        return f"{type(self).__name__}(  # after {self.steps:,} steps, {self.dtype}, {self.backend.name}\n{nets})"

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__
