"""What every game of the family keeps: right gradients, one game on all backends and as one graph, and in a file."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import fake_cupy
import numpy as np
import pytest
from family import CASES, Array, assert_same, made, state

from minigan import Game, games, gradcheck_game
from minigan.backend import Backend, graph
from minigan.backend.cupy_backend import CupyBackend
from minigan.game import Play

WITH_OTHER_TESTS = {"Conditional", "Tutorial"}  # which are GANs: test_codes.py, test_gan.py
DIFFERENTIABLE = [name for name in CASES if "VAT" not in name]  # whose r* is held constant, in test_vat.py


def test_every_game_of_the_family_is_here() -> None:
    assert {type(case.game()).__name__ for case in CASES.values()} == set(games.__all__) - WITH_OTHER_TESTS


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_every_gradient_of_a_turn(name: str) -> None:
    case = CASES[name]
    game = case.game()
    errors = gradcheck_game(game, case.data, batch=6, labels=case.labels, directions=2)
    learning = {id(net) for player in game.players.values() if game.updates_of(player) for net in player.nets}
    expected = {name for name, net in game.networks.items() if id(net) in learning}
    assert {key.split(": ")[1].partition(".")[0] for key in errors} == expected
    assert max(errors.values()) < 1e-6


@pytest.mark.parametrize("name", CASES)
def test_every_backend_plays_the_same_game(backend: Backend, name: str) -> None:
    case = CASES[name]
    ours, (history, reference) = case.game(backend, "float64"), played_by_the_reference(name)
    assert_same(ours.fit(case.data, 6, batch=6, labels=case.labels), history, tolerance=1e-5)
    assert_same(state(ours), reference, tolerance=1e-5)


@functools.cache
def played_by_the_reference(name: str) -> tuple[dict[str, Array], dict[str, Array]]:
    """The history of a game and what it is then."""
    case = CASES[name]
    game = case.game("reference", "float64")
    return game.fit(case.data, 6, batch=6, labels=case.labels), state(game)


@pytest.mark.parametrize("name", CASES)
def test_a_replayed_graph_equals_single_calls(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a simulated GPU."""
    fake_cupy.install(monkeypatch)
    players = [CASES[name].game(CupyBackend(graph=graphs)) for graphs in (True, False)]
    plays = [Play(g, CASES[name].data, 6, CASES[name].labels) for g in players]
    assert_same(*(play.play(8) for play in plays))
    assert_same(*(state(g) for g in players))
    assert isinstance(plays[0]._turn, graph.Graph)
    assert plays[0]._turn._graph is not None


@pytest.mark.parametrize("name", CASES)
def test_a_saved_game_plays_on_bit_for_bit(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    whole, first = case.game(), case.game()
    expected = whole.fit(case.data, 9, batch=6, labels=case.labels)
    first.fit(case.data, 4, batch=6, labels=case.labels)
    first.save(tmp_path / "game.npz")
    second = Game.load(tmp_path / "game.npz")
    assert repr(second) == repr(first)
    rest = second.fit(case.data, 5, batch=6, labels=case.labels)
    assert_same({name: values[4:] for name, values in expected.items()}, rest)
    assert_same(state(whole), state(second))
    np.testing.assert_array_equal(made(whole, seed=3), made(second, seed=3))


@pytest.mark.parametrize("name", CASES)
def test_no_float64_in_a_float32_step(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES[name]
    game = case.game()
    empty = type(game.backend).empty

    def watched(self: Any, shape: Any, dtype: Any) -> Any:
        assert np.dtype(dtype) != np.float64
        return empty(self, shape, dtype)

    monkeypatch.setattr(type(game.backend), "empty", watched)
    history = game.fit(case.data, 2, batch=6, labels=case.labels)
    assert all(values.dtype == np.float32 for values in history.values())


@pytest.mark.parametrize("name", CASES)
def test_a_file_that_asks_for_too_much_is_refused(name: str, tmp_path: Path) -> None:
    game = CASES[name].game()
    game.save(tmp_path / "game.npz")
    description = game.describe()
    for net in game.networks:  # each of them is looked at
        forged = {**description, net: {**description[net], "layers": [{"kind": "Upsample", "factor": 1 << 20}]}}
        with pytest.raises(ValueError, match=r"Upsample|brings a look at it to"):
            type(game).check_description(forged, {})
