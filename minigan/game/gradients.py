"""Are the gradients of a whole game right? Each update of a turn against finite differences, player by player.

A turn is gone through without anybody learning. Then what an update descends, its loss and all terms beside it, is a
function of its player's parameters alone, and the gradient that the update has found must be that function's.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

import numpy as np

from ..gradcheck import check_gradients, to_random_point
from .game import Game
from .player import Player
from .update import Update

Own = TypeVar("Own", bound=Game)


class Tried(NamedTuple):
    """An update that nobody learned from: what its player descends, and the gradient, by network and parameter."""

    player: Player
    value: float
    gradients: dict[str, np.ndarray[Any, Any]]


def gradcheck_game(
    game: Game,
    data: Any,
    batch: int = 8,
    *,
    labels: Any = None,
    directions: int = 3,
    tolerance: float = 1e-6,
    seed: int = 0,
) -> dict[str, float]:
    """Check all gradients of a game's turn by finite differences, in float64, at a random point.

    game: is copied, the original left alone. data, batch, labels: as of `Game.fit`. directions, tolerance, seed: as of
    `gradcheck`, which says how the numbers are compared.

    Returns the worst relative error of each array, by the number of the update, its player, network and parameter.
    Raises GradientError as `gradcheck` does, ValueError for a loss that is not finite.

    >>> import minigan, numpy as np
    >>> G = minigan.Sequential(minigan.Dense(2, 3), minigan.Tanh(), seed=1)
    >>> D = minigan.Sequential(minigan.Dense(3, 4), minigan.Tanh(), minigan.Dense(4, 1), seed=2)
    >>> errors = gradcheck_game(minigan.GAN(G, D), np.linspace(-1, 1, 48).reshape(16, 3), batch=8)
    >>> sorted(errors)[:2], max(errors.values()) < 1e-6
    (['update 1, of D: D.0.bias', 'update 1, of D: D.0.weight'], True)
    """
    twin, rng = _in_float64(game), np.random.default_rng(seed)
    for net in twin.networks.values():
        to_random_point(net, rng)
    feed, worst = twin.feed(data, batch, labels), dict[str, float]()

    def tried() -> list[Tried]:
        found: list[Tried] = []
        twin.tries = lambda up: found.append(_noted(twin, up))
        try:
            twin.turn(feed)
        finally:
            twin.tries = None
            for player in twin.players.values():
                player.shift = 0
        return found

    for number, (player, _, gradients) in enumerate(tried()):
        names = {id(net): name for name, net in twin.networks.items()}
        arrays = {
            f"{names[id(net)]}.{name}": p.as_state(p.data) for net in player.nets for name, p in net.parameters.items()
        }
        prefix = f"update {number + 1}, of {player.name}: "
        worst |= check_gradients(
            lambda number=number: tried()[number].value,  # type: ignore[misc]
            {prefix + name: array for name, array in arrays.items()},
            {prefix + name: gradient for name, gradient in gradients.items()},
            directions=directions, tolerance=tolerance, seed=seed, backend=twin.backend,
        )  # fmt: skip
    return worst


def _noted(game: Game, up: Update) -> Tried:
    names = {id(net): name for name, net in game.networks.items()}
    gradients = {f"{names[id(net)]}.{k}": g for net in up.player.nets for k, g in net.grad_dict().items()}
    return Tried(up.player, sum(float(term) for term in (up.loss, *up.terms)), gradients)


def _in_float64(game: Own) -> Own:
    """A copy with the same numbers."""
    described = {
        name: {**part, "dtype": "float64"} if isinstance(part, dict) and "layers" in part else part
        for name, part in game.describe().items()
    }
    states = {name: net.state_dict() for name, net in game.networks.items()}
    return type(game).build(described, game.backend, states)
