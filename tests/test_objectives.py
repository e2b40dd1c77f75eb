"""Losses on logits: right values, finite and with all their digits for any logit, means and not sums."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minigan import Minimax, NonSaturating, get_backend, mean_squared_error, softmax_cross_entropy
from minigan.backend import Backend
from minigan.objectives import Objective, get_objective
from minigan.spec import build

BOTH = [Minimax(), NonSaturating()]
LOG2 = math.log(2)


def logits(*values: float, dtype: str = "float32") -> np.ndarray:
    return np.array(values, dtype).reshape(-1, 1)


def d_loss(objective: Objective, real: np.ndarray, fake: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    loss, (dreal, dfake) = objective.discriminator(real, fake)
    return float(loss), dreal.ravel(), dfake.ravel()


@pytest.mark.parametrize("objective", BOTH)
def test_an_undecided_discriminator_has_the_losses_of_the_equilibrium(objective: Objective) -> None:
    loss, dreal, dfake = d_loss(objective, logits(0, 0), logits(0, 0))
    assert loss == pytest.approx(math.log(4))
    assert dreal.tolist() == [-0.25, -0.25]  # up for real, down for fakes, a half each, over a batch of two
    assert dfake.tolist() == [0.25, 0.25]
    loss, dfake = objective.generator(logits(0, 0))
    assert float(loss) == pytest.approx(LOG2 if isinstance(objective, NonSaturating) else -LOG2)
    assert dfake.ravel().tolist() == [-0.25, -0.25]  # G wants D's logits to rise, in both


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("objective", BOTH)
def test_extreme_logits_give_finite_and_right_answers(objective: Objective, dtype: str) -> None:
    far = logits(1000, -1000, dtype=dtype)
    loss, dreal, dfake = d_loss(objective, far, far)
    assert loss == pytest.approx(1000)  # half of the real ones and half of the fakes are wrong by 1000
    np.testing.assert_allclose(dreal, [0, -0.5], atol=1e-30)
    np.testing.assert_allclose(dfake, [0.5, 0], atol=1e-30)
    loss, dfake = objective.generator(far)
    if isinstance(objective, NonSaturating):
        assert float(loss) == pytest.approx(500)
        np.testing.assert_allclose(dfake.ravel(), [0, -0.5], atol=1e-30)
    else:
        assert float(loss) == pytest.approx(-500)
        np.testing.assert_allclose(dfake.ravel(), [-0.5, 0], atol=1e-30)


@pytest.mark.parametrize("value", [-1e38, 1e38])
@pytest.mark.parametrize("objective", BOTH)
def test_every_finite_logit_has_a_finite_gradient(objective: Objective, value: float) -> None:
    _, dreal, dfake = d_loss(objective, logits(value), logits(-value))
    assert np.isfinite([*dreal, *dfake, *objective.generator(logits(value))[1].ravel()]).all()


@pytest.mark.parametrize("size", [1, 10, 15, 20, 40, 80])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_confident_logits_keep_their_digits(backend: Backend, size: float, dtype: str) -> None:
    """Where a clipped probability has gradient 0, and where 1 − σ rounds to 0, the formulas still tell."""
    tail, small = math.log1p(math.exp(-size)), 1 / (1 + math.exp(size))
    for logit, target, loss, slope in (
        (size, 1.0, tail, -small),  # right about real samples
        (-size, 0.0, tail, small),  # right about fakes
        (-size, 1.0, size + tail, small - 1),  # wrong
        (size, 0.0, size + tail, 1 - small),
    ):
        grad = backend.empty((1, 1), dtype)
        value = backend.logistic(backend.asarray(logits(logit, dtype=dtype)), target, grad)
        assert float(value) == pytest.approx(loss, rel=1e-5, abs=0)
        assert float(grad[0, 0]) == pytest.approx(slope, rel=1e-5, abs=0)


@given(hnp.arrays(np.float64, st.integers(1, 9), elements=st.floats(-50, 50)))
def test_generator_losses_differ_by_the_mean_logit(values: np.ndarray) -> None:
    """log(1 − D) and −log D: softplus(l) − softplus(−l) = l."""
    batch = values.reshape(-1, 1)
    minimax, dminimax = Minimax().generator(batch)
    saturating, dnonsaturating = NonSaturating().generator(batch)
    assert float(saturating) + float(-minimax) == pytest.approx(
        float(np.logaddexp(0, -values).mean() + np.logaddexp(0, values).mean())
    )
    np.testing.assert_allclose(dminimax - dnonsaturating, (1 - 2 / (1 + np.exp(-batch))) / len(batch), atol=1e-12)
    assert (dminimax < 0).all()  # both raise every logit
    assert (dnonsaturating < 0).all()


def test_the_minimax_gradient_vanishes_where_d_is_sure_and_the_other_does_not() -> None:
    confident = logits(-20, -20)
    assert abs(Minimax().generator(confident)[1]).max() < 1e-8
    assert NonSaturating().generator(confident)[1].ravel() == pytest.approx([-0.5, -0.5])


@pytest.mark.parametrize("kind", [Minimax, NonSaturating])
def test_label_smoothing_moves_the_optimum_of_real_logits_only(kind: type[Minimax]) -> None:
    best = math.log(0.9 / 0.1)  # σ(best) = 0.9
    _, dreal, dfake = d_loss(kind(0.9), logits(best), logits(best))
    assert dreal[0] == pytest.approx(0, abs=1e-7)
    assert dfake[0] == pytest.approx(0.9)
    loss, dreal, _ = d_loss(kind(0.9), logits(30), logits(-30))
    assert loss == pytest.approx(0.1 * 30)
    assert dreal[0] == pytest.approx(0.1)  # too sure: pulled back
    for a, b in zip(kind(0.9).generator(logits(1.5)), kind().generator(logits(1.5)), strict=True):
        assert np.array_equal(a, b)  # G's loss knows no label


@given(
    hnp.arrays(np.float64, (3, 1), elements=st.floats(-9, 9)),
    hnp.arrays(np.float64, (5, 1), elements=st.floats(-9, 9)),
    st.sampled_from([Minimax(), NonSaturating(), Minimax(0.8)]),
)
def test_losses_are_means_over_the_batch(real: np.ndarray, fake: np.ndarray, objective: Objective) -> None:
    """The same samples twice: the same losses, and half the gradient each."""
    once, (dreal, dfake) = objective.discriminator(real, fake)
    twice, (dreal2, dfake2) = objective.discriminator(np.tile(real, (2, 1)), np.tile(fake, (2, 1)))
    assert float(twice) == pytest.approx(float(once))
    np.testing.assert_allclose(dreal2, np.tile(dreal, (2, 1)) / 2)
    np.testing.assert_allclose(dfake2, np.tile(dfake, (2, 1)) / 2)
    assert float(objective.generator(np.tile(fake, (2, 1)))[0]) == pytest.approx(float(objective.generator(fake)[0]))


def test_the_value_of_the_game_at_the_optimal_discriminator() -> None:
    """−V(D*, G) = log 4 − 2 JSD(p, q): checked for two coins."""
    p, q = 0.75, 0.25
    heads, tails = math.log(p / q), math.log((1 - p) / (1 - q))  # logits of D*
    real = logits(heads, heads, heads, tails, dtype="float64")
    fake = logits(heads, tails, tails, tails, dtype="float64")
    jsd = p * math.log(2 * p / (p + q)) + (1 - p) * math.log(2 * (1 - p) / (2 - p - q))  # symmetric here
    loss, dreal, dfake = d_loss(Minimax(), real, fake)
    assert loss == pytest.approx(math.log(4) - 2 * jsd)
    assert 3 * dreal[0] + dfake[0] == pytest.approx(0)  # D* is a minimum: heads and tails each balance
    assert dreal[3] + 3 * dfake[1] == pytest.approx(0)


@pytest.mark.parametrize("target", [0, -0.1, 1.1, math.nan])
def test_real_targets_outside_the_interval_are_refused(target: float) -> None:
    with pytest.raises(ValueError, match=r"real_target must be in \(0, 1\]"):
        NonSaturating(target)


def test_objectives_by_name() -> None:
    assert get_objective("minimax") == Minimax()
    assert get_objective("non-saturating", real_target=0.9) == NonSaturating(0.9)
    mine = NonSaturating(0.8)
    assert get_objective(mine) is mine
    assert build(mine.describe()) == mine
    assert repr(mine) == "NonSaturating(real_target=0.8)"
    assert repr(Minimax()) == "Minimax()"
    with pytest.raises(ValueError, match=r"unknown objective 'wasserstien': choose one of minimax, non-saturating"):
        get_objective("wasserstien")


# --- losses of other networks ----------------------------------------------------------------------------------


def test_softmax_cross_entropy_of_a_fair_and_of_a_sure_classifier() -> None:
    loss, gradient = softmax_cross_entropy(np.zeros((2, 4), "float32"), np.array([0, 3]))
    assert float(loss) == pytest.approx(math.log(4))
    np.testing.assert_allclose(gradient, (0.25 - np.eye(4)[[0, 3]]) / 2)
    loss, gradient = softmax_cross_entropy(np.array([[1000, -1000], [1000, -1000]], "float32"), np.array([0, 1]))
    assert float(loss) == pytest.approx(1000)
    np.testing.assert_allclose(gradient, [[0, 0], [0.5, -0.5]])


def test_two_classes_are_a_logistic_loss() -> None:
    be = get_backend("numpy")
    values = logits(-3, 0.5, 2, dtype="float64")
    grad = np.empty_like(values)
    expected = be.logistic(values, 1.0, grad)
    loss, gradient = softmax_cross_entropy(np.hstack([np.zeros_like(values), values]), np.ones(3, int))
    assert float(loss) == pytest.approx(float(expected))
    np.testing.assert_allclose(gradient[:, 1:], grad)


def test_losses_of_other_networks_keep_float32_and_leave_their_arguments_alone() -> None:
    x, labels = np.ones((2, 3), "float32"), np.array([1, 2], np.uint8)
    for loss, gradient in (softmax_cross_entropy(x, labels), mean_squared_error(x, np.zeros((2, 3)))):
        assert loss.dtype == gradient.dtype == np.float32
    assert (x == 1).all()


def test_mean_squared_error_is_a_mean_over_all_elements() -> None:
    loss, gradient = mean_squared_error(np.full((2, 5), 3.0), np.full((2, 5), 1.0))
    assert float(loss) == 4
    np.testing.assert_allclose(gradient, 0.4)


def test_losses_of_other_networks_refuse_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="one shape"):
        mean_squared_error(np.ones((2, 1)), np.ones(2))  # would broadcast to (2, 2)
    x = np.zeros((2, 3))
    for labels in ([0], [[0], [1]], [0, 3], [-1, 0], [0.0, 1.0]):
        with pytest.raises(ValueError, match="labels"):
            softmax_cross_entropy(x, np.array(labels))
