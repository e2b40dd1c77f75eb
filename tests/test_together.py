"""A game is the same game on any number of processes that share its minibatches (here threads that pass for some)."""

from __future__ import annotations

from typing import Any

import fake_cupy
import numpy as np
import pytest
from family import CASES, DRAWN, X, assert_same, refinement, state, words
from together import ThreadGroup, together

from minigan import (
    GAN,
    R1,
    SGD,
    BatchNorm,
    Dense,
    LeakyReLU,
    MinibatchStdDev,
    NonFiniteError,
    NonSaturating,
    Sequential,
    Tanh,
)
from minigan.backend import Backend, absent
from minigan.backend.cupy_backend import CupyBackend
from minigan.backend.nccl import NCCLGroup
from minigan.game import Play

Array = np.ndarray[Any, Any]
BATCH = {2: 8, 3: 6, 4: 8}  # by how many processes share it
REFUSED = {  # with the reason
    ("semisupervised, information", 3),  # 4 labels in an update
    ("words, a D that mixes, noise", 3),  # 2 meanings between others
    ("words, a D that mixes, noise", 4),
    *(("refinement, features, several descents, compared", size) for size in BATCH),  # pairs
}


def pretrained(case: Any) -> int:
    """How many updates D makes alone, if there is a D."""
    return 0 if case.data is not X and case.options.get("adversary") == 0 else 2


def played(case: Any, be: Backend, batch: int, steps: int = 6) -> tuple[dict[str, Any], dict[str, Any]]:
    game = case.game(be, "float64")
    return game.fit(case.data, steps, batch=batch, labels=case.labels, d_pretrain=pretrained(case)), state(game)


@pytest.mark.parametrize("size", BATCH)
@pytest.mark.parametrize("name", CASES)
def test_any_number_of_processes_plays_the_same_game(name: str, size: int) -> None:
    case, batch = CASES[name], BATCH[size]
    if (name, size) in REFUSED:
        with pytest.raises(ValueError, match="processes"):
            together(size, lambda be: played(case, be, batch))
        return
    history, learned = played(case, Backend(), batch)
    all_of_them = together(size, lambda be: played(case, be, batch))
    tolerance = 1e-10 if case.options.get("f_pretrain") else 1e-12  # by Adam, which enlarges what is only rounding
    for ours, theirs in all_of_them:
        assert_same(ours, history, tolerance)
        assert_same(theirs, learned, tolerance)
        assert_same(theirs, all_of_them[0][1])  # bit for bit


def test_several_descents_of_an_update_have_a_share_of_each() -> None:
    def play(be: Backend) -> dict[str, Array]:
        game = refinement(be, "float64", g_steps=2)
        game.fit(DRAWN, 4, batch=8)
        return state(game)

    whole = play(Backend())
    for learned in together(2, play):
        assert_same(learned, whole, tolerance=1e-12)


@pytest.mark.parametrize("backend", [name for name in ("numba", "reference") if name not in absent()])
@pytest.mark.parametrize("name", ["aae", "refinement", "words"])
def test_on_every_backend(name: str, backend: str) -> None:
    case = CASES[name]
    history, learned = played(case, Backend(), 8)
    for ours, theirs in together(2, lambda be: played(case, be, 8), backend):
        assert_same(ours, history, tolerance=1e-10)
        assert_same(theirs, learned, tolerance=1e-10)


@pytest.mark.parametrize("name", [name for name in CASES if (name, 2) not in REFUSED])
def test_a_graph_has_the_sums_in_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a simulated GPU: a process whose partner has the same numbers as it has, so that a sum is a doubling."""
    fake_cupy.install(monkeypatch)

    def play(graphs: bool) -> tuple[dict[str, Array], dict[str, Array], Play]:
        be = CupyBackend(graph=graphs)
        be.xp.cuda.nccl = fake_cupy.FakeNccl()
        be.group = NCCLGroup(Mirrored(), be.xp)
        game = CASES[name].game(be)
        play = Play(game, CASES[name].data, 8, CASES[name].labels)
        return play.play(6), state(game), play

    (history, learned, graph), (expected, by_calls, _) = play(True), play(False)
    assert graph._turn.recorded
    assert {what for what, _ in fake_cupy.device.log} >= {"allReduce"}
    assert_same(history, expected)
    assert_same(learned, by_calls)


class Mirrored(ThreadGroup):
    """The first of two processes, of which the other one is always of its mind."""

    def __init__(self) -> None:
        self.rank, self.size, self.here, self.rank_here, self.syncs = 0, 2, 1, 0, True

    def _all(self, array: Array) -> list[Array]:
        return [array.copy(), array.copy()]


def test_all_begin_as_the_first() -> None:
    def play(be: Backend) -> dict[str, Array]:
        game = mixing(be)
        game.G.flat += be.group.rank  # of another machine, with another library
        game.fit(X, 2, batch=8)
        return state(game)

    first, second = together(2, play)
    assert_same(second, first)


# --- what cannot be shared ----------------------------------------------------------------------------------------


def test_a_batch_that_cannot_be_shared_evenly_is_refused() -> None:
    with pytest.raises(ValueError, match="a minibatch of 6 cannot be shared evenly by 4 processes: take a multiple"):
        together(4, lambda be: played(CASES["aae"], be, 6))
    with pytest.raises(ValueError, match="meanings between two of a minibatch, of 3 cannot"):
        together(2, lambda be: words(be, interpolate=0.5).fit(CASES["words"].data, 1, batch=6))


def test_pairs_with_pictures_of_the_history_are_refused() -> None:
    def play(be: Backend, history: int) -> Any:
        return refinement(be, objective="relativistic", history=history).fit(DRAWN, 2, batch=8)

    with pytest.raises(ValueError, match=r"Relativistic\(\) pairs real pictures with refined ones"):
        together(2, lambda be: play(be, 9))
    together(2, lambda be: play(be, 0))


# --- what mixes samples ----------------------------------------------------------------------------------------


def mixing(be: Backend | str = "numpy", **options: Any) -> GAN:
    where = {"backend": be, "dtype": "float64"}
    G = Sequential(Dense(3, 6), BatchNorm(6), LeakyReLU(), Dense(6, 5), Tanh(), **where, seed=1)
    D = Sequential(Dense(5, 6), Tanh(), MinibatchStdDev(), Dense(7, 1), **where, seed=2)
    return GAN(G, D, optimizer=SGD(0.05), **options)


def test_the_deviation_of_a_minibatch_is_that_of_all_its_samples() -> None:
    def play(be: Backend) -> dict[str, Array]:
        game = mixing(be, penalties=[R1(0.5)])
        game.fit(X, 6, batch=8)
        return state(game)

    whole = play(Backend())
    for learned in together(4, play):
        assert_same(learned, whole, tolerance=1e-12)


def test_batch_statistics_of_each_process_its_own() -> None:
    """Then it is another game, of smaller batches; but one, with running statistics of all samples."""

    def play(be: Backend) -> dict[str, Array]:
        game = mixing(be)
        game.fit(X, 6, batch=8)
        return state(game)

    first, second = together(2, play, syncs=False)
    assert_same(first, second)
    whole = play(Backend())
    assert not np.allclose(first["G.0.weight"], whole["G.0.weight"], rtol=1e-6)
    np.testing.assert_allclose(first["G.1.running_mean"], whole["G.1.running_mean"], rtol=0.2, atol=0.05)
    np.testing.assert_allclose(first["G.1.running_var"], whole["G.1.running_var"], rtol=0.2, atol=0.05)


def test_they_need_fewer_sums_so() -> None:
    def sums(be: Backend) -> int:
        mixing(be).fit(X, 2, batch=8)
        return be.group.sums  # type: ignore[attr-defined,no-any-return]

    assert together(2, sums, syncs=False)[0] < together(2, sums)[0]


def test_what_is_exchanged_in_a_turn() -> None:
    """Gradients, losses, metrics; of a batch normalisation μ and v on each way up, and dγ and dβ on each way back."""

    def exchanged(be: Backend) -> tuple[int, int, GAN]:
        game = mixing(be)
        play = Play(game, X, 8)
        play.play(1)
        group: Any = be.group
        sums, bytes_ = group.sums, group.bytes
        play.play(1)
        return group.sums - sums, group.bytes - bytes_, game

    sums, bytes_, game = together(2, exchanged)[0]
    up_norm = back_norm = 2 * 6  # numbers, of 6 features; G goes up for D and for itself, and back for itself
    up_deviation, back_deviation = 2 * 6, 1  # D, on real samples, on fakes, and for G
    gradients = game.G.size + 1 + game.D.size + 1
    layers = 2 * up_norm + back_norm + 3 * (up_deviation + back_deviation)
    assert bytes_ == 8 * (gradients + layers + len(game.metrics))
    assert sums == 4 + (2 + 1) + 3 * (2 + 1) + 1


# --- what is not finite ----------------------------------------------------------------------------------------


def test_a_number_that_is_not_finite_in_one_process_ends_all_of_them_alike() -> None:
    data = X.copy()
    data[17, 2] = np.nan
    said: list[str] = []

    def play(be: Backend) -> dict[str, Array]:
        game = mixing(be)
        with pytest.raises(NonFiniteError) as error:
            game.fit(data, 10, batch=8)
        said.append(str(error.value))
        return state(game)

    alone = mixing()
    with pytest.raises(NonFiniteError) as expected:
        alone.fit(data, 10, batch=8)
    for learned in together(4, play):
        assert_same(learned, state(alone), tolerance=1e-12)
    assert said == [str(expected.value)] * 4
    assert "1 of 40 elements" in said[0]


class Odd(NonSaturating):
    """A loss that is no number in the second process, though its gradient is."""

    def fool(self, logits: Array, grad: Array, be: Backend) -> Any:
        loss = super().fool(logits, grad, be)
        return loss * np.nan if be.group.rank == 1 else loss


def test_nor_does_a_loss_that_is_no_number_part_them() -> None:
    def play(be: Backend) -> str:
        with pytest.raises(NonFiniteError) as error:
            mixing(be, objective=Odd()).fit(X, 3, batch=8)
        return str(error.value)

    assert together(2, play) == ["the loss of G is not finite at step 1, in the update of G: NaN in 1 of 1 elements; "
                                 "the update was not made. Usual causes: a learning rate that is too high, or data "
                                 "that is not finite"] * 2  # fmt: skip
