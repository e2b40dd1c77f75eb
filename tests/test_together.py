"""A game is the same game on any number of processes that share its minibatches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from family import CASES, assert_same, state
from together import together

from minigan.backend import Backend

BATCH = {2: 8, 3: 6, 4: 8}  # by how many processes share it


def played(case: Any, be: Backend, batch: int, steps: int = 6) -> tuple[dict[str, Any], dict[str, Any]]:
    game = case.game(be, "float64")
    d_pretrain = 0 if case.options.get("adversary") == 0 and "labelled" not in vars(game) else 2
    return game.fit(case.data, steps, batch=batch, labels=case.labels, d_pretrain=d_pretrain), state(game)


@pytest.mark.parametrize("size", BATCH)
@pytest.mark.parametrize("name", CASES)
def test_any_number_of_processes_plays_the_same_game(name: str, size: int) -> None:
    case, batch = CASES[name], BATCH[size]
    history, learned = played(case, Backend(), batch)
    try:
        all_of_them = together(size, lambda be: played(case, be, batch))
    except ValueError as error:
        assert "processes" in str(error)
        pytest.skip(str(error))
    for ours, theirs in all_of_them:
        assert_same(ours, history, tolerance=1e-6)
        assert_same(theirs, learned, tolerance=1e-10)
    for _, theirs in all_of_them[1:]:
        assert_same(theirs, all_of_them[0][1])  # bit for bit
