"""Losses on logits: right values, finite and with all their digits for any logit, means and not sums."""

from __future__ import annotations

import inspect
import math

import fake_cupy
import numpy as np
import pytest
from book import d_value, g_value
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minigan import (
    Dense,
    Dropout,
    FeatureMatching,
    Hinge,
    LeakyReLU,
    LeastSquares,
    Minimax,
    NonSaturating,
    Relativistic,
    Sequential,
    Tanh,
    Wasserstein,
    get_backend,
    mean_squared_error,
    objectives,
    softmax_cross_entropy,
)
from minigan.backend import Backend, Purpose, Stream, graph
from minigan.objectives import NAMED, Critic, Objective, get_objective
from minigan.spec import build

BOTH = [Minimax(), NonSaturating()]
ALL = [kind() for kind in NAMED.values()]
every_objective = pytest.mark.parametrize("objective", ALL, ids=repr)
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
    hnp.arrays(np.float64, (4, 1), elements=st.floats(-9, 9)),
    hnp.arrays(np.float64, (4, 1), elements=st.floats(-9, 9)),
    st.sampled_from([*ALL, Minimax(0.8)]),
)
def test_losses_are_means_over_the_batch(real: np.ndarray, fake: np.ndarray, objective: Objective) -> None:
    """The same samples twice: the same losses, and half the gradient each."""
    often_real, often_fake = np.tile(real, (2, 1)), np.tile(fake, (2, 1))
    once, (dreal, dfake) = objective.discriminator(real, fake)
    twice, (dreal2, dfake2) = objective.discriminator(often_real, often_fake)
    assert float(twice) == pytest.approx(float(once), abs=1e-12)
    np.testing.assert_allclose(dreal2, np.tile(dreal, (2, 1)) / 2)
    np.testing.assert_allclose(dfake2, np.tile(dfake, (2, 1)) / 2)
    once, dfake = objective.generator(fake, real=real)
    twice, dfake2 = objective.generator(often_fake, real=often_real)
    assert float(twice) == pytest.approx(float(once), abs=1e-12)
    np.testing.assert_allclose(dfake2, np.tile(dfake, (2, 1)) / 2, atol=1e-15)


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


# --- the objectives that came later ----------------------------------------------------------------------------


def test_least_squares_by_hand() -> None:
    """½(2 − 1)² + ½ 3², and for G ½(3 − 1)²: regression, with gradients that never vanish."""
    loss, dreal, dfake = d_loss(LeastSquares(), logits(2), logits(3))
    assert (loss, dreal.tolist(), dfake.tolist()) == (5, [1], [3])
    loss, dfake = LeastSquares().generator(logits(3))
    assert (float(loss), dfake.tolist()) == (2, [[2]])
    loss, dreal, dfake = d_loss(LeastSquares(), logits(1, 1), logits(0, 0))
    assert (loss, dreal.any(), dfake.any()) == (0, False, False)


def test_wasserstein_by_hand() -> None:
    loss, dreal, dfake = d_loss(Wasserstein(), logits(5, 1), logits(1, 0))
    assert (loss, dreal.tolist(), dfake.tolist()) == (-2.5, [-0.5, -0.5], [0.5, 0.5])
    loss, dfake = Wasserstein().generator(logits(1, 0))
    assert (float(loss), dfake.ravel().tolist()) == (-0.5, [-0.5, -0.5])


def test_hinge_ignores_what_is_beyond_its_margins() -> None:
    loss, dreal, dfake = d_loss(Hinge(), logits(0.5, 1.5, -2, 1), logits(-0.5, -1.5, 2, -1))
    assert loss == (0.5 + 0 + 3 + 0) / 4 + (0.5 + 0 + 3 + 0) / 4
    assert dreal.tolist() == [-0.25, 0, -0.25, 0]
    assert dfake.tolist() == [0.25, 0, 0.25, 0]
    loss, dfake = Hinge().generator(logits(-7, 9))  # G has no margin
    assert (float(loss), dfake.ravel().tolist()) == (-1, [-0.5, -0.5])


def test_relativistic_pairs_by_hand() -> None:
    """softplus(f − r) of each pair; σ(−(r − f)) pulls both, in opposite directions."""
    loss, dreal, dfake = d_loss(Relativistic(), logits(3, -1, dtype="float64"), logits(1, 1, dtype="float64"))
    pulls = np.array([1 / (1 + math.exp(2)), 1 / (1 + math.exp(-2))])
    assert loss == pytest.approx((math.log1p(math.exp(-2)) + math.log1p(math.exp(2))) / 2)
    np.testing.assert_allclose(dreal, -pulls / 2)
    np.testing.assert_allclose(dfake, pulls / 2)
    loss, dfake = Relativistic().generator(logits(1, 1, dtype="float64"), real=logits(3, -1, dtype="float64"))
    assert float(loss) == pytest.approx((math.log1p(math.exp(2)) + math.log1p(math.exp(-2))) / 2)
    np.testing.assert_allclose(dfake.ravel(), -pulls[::-1] / 2)


def test_relativistic_scores_have_no_zero_and_each_fake_an_opponent_of_its_own() -> None:
    real, fake = logits(3, -1, 0.5, dtype="float64"), logits(1, 1.5, -2, dtype="float64")
    loss, dreal, dfake = d_loss(Relativistic(), real, fake)
    shifted, dreal2, dfake2 = d_loss(Relativistic(), real + 9, fake + 9)
    assert shifted == pytest.approx(loss)
    np.testing.assert_allclose([dreal2, dfake2], [dreal, dfake])
    others, _, _ = d_loss(Relativistic(), real[::-1], fake)
    assert abs(others - loss) > 0.1


def test_feature_matching_by_hand() -> None:
    """Two features: mean gaps 1 and −2; the gradient is the same for every fake. D plays as ever."""
    real, fake = np.array([[0.0, 4.0], [2.0, 0.0]]), np.array([[1.0, 0.0], [3.0, 0.0]])
    loss, dfake = FeatureMatching().generator(fake, real=real)
    assert float(loss) == (1**2 + 2**2) / 2
    assert dfake.tolist() == [[0.5, -1], [0.5, -1]]
    of_d = [d_loss(objective, logits(1), logits(2)) for objective in (FeatureMatching(), NonSaturating())]
    assert all(np.array_equal(a, b) for a, b in zip(*of_d, strict=True))


def test_feature_matching_looks_at_the_input_of_the_last_dense_layer_before_noise_is_put_on_it() -> None:
    D = Sequential(Dense(3, 4), LeakyReLU(), Dropout(0.1), Dense(4, 1), Tanh())
    assert FeatureMatching().depth(D) == 2
    assert FeatureMatching().depth(Sequential(Dense(3, 4), LeakyReLU(), Dense(4, 1))) == 2
    assert FeatureMatching().depth(Sequential(Dropout(0.1), Dense(3, 1))) == 1
    for objective in ALL:
        if not isinstance(objective, FeatureMatching):
            assert objective.depth(D) == 5
    for shallow in (Sequential(Dense(3, 1)), Sequential(LeakyReLU()), Sequential()):
        with pytest.raises(ValueError, match="a hidden layer before its last Dense"):
            FeatureMatching().depth(shallow)


# --- what all of them promise ----------------------------------------------------------------------------------


def test_every_objective_has_a_name_and_a_row_in_the_table() -> None:
    kinds = {kind for kind in vars(objectives).values() if inspect.isclass(kind) and issubclass(kind, Objective)}
    assert kinds - {Objective, Critic} == set(NAMED.values())
    for name, kind in NAMED.items():
        assert type(get_objective(name)) is kind
        assert f"    {kind.__name__}  " in (objectives.__doc__ or "")
        assert build(kind().describe()) == kind()


@every_objective
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_losses_and_gradients_keep_their_dtype_and_their_arguments(
    backend: Backend, objective: Objective, dtype: str
) -> None:
    real, fake = (backend.asarray(logits(*values, dtype=dtype)) for values in ((1.5, -0.5), (0.25, 2)))
    out = backend.empty((2, 1), dtype), backend.empty((2, 1), dtype)
    d, given = objective.discriminator(real, fake, backend.arena(), out=out)
    g, dfake = objective.generator(fake, backend.arena(), real)
    said = objective.verdicts(real, fake, backend)
    assert {a.dtype for a in (d, *given, g, dfake, *said)} == {np.dtype(dtype)}
    assert all(np.ndim(a) == 0 for a in (d, g, *said))
    assert given[0] is out[0]
    assert given[1] is out[1]
    assert backend.to_numpy(real).ravel().tolist() == [1.5, -0.5]
    assert backend.to_numpy(fake).ravel().tolist() == [0.25, 2]
    assert dfake.shape == fake.shape


@every_objective
@pytest.mark.parametrize("size", [1e3, 1e18, 1e30])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_outputs_of_any_size_give_finite_answers(
    backend: Backend, objective: Objective, size: float, dtype: str
) -> None:
    """All that is finite in the formula: for squares as long as they are."""
    if isinstance(objective, (LeastSquares, FeatureMatching)) and (size, dtype) == (1e30, "float32"):
        pytest.skip("the square is larger than any float32")
    values = np.array([[size], [-size], [0.0]])
    for real in (values, values[::-1]):
        on_real, on_fake = backend.asarray(real, dtype), backend.asarray(values, dtype)
        d, gradients = objective.discriminator(on_real, on_fake, backend.arena())
        g, dfake = objective.generator(on_fake, backend.arena(), on_real)
        answers = [float(d), float(g), *(float(value) for value in objective.verdicts(on_real, on_fake, backend))]
        arrays = [backend.to_numpy(array) for array in (*gradients, dfake)]
        assert np.isfinite(answers).all()
        assert all(np.isfinite(array).all() for array in arrays)
        if size <= 1e3 and not isinstance(objective, Relativistic):
            assert answers[0] == pytest.approx(d_value(objective, real, values), rel=1e-5)
            assert answers[1] == pytest.approx(g_value(objective, values, real), rel=1e-5)
        if isinstance(objective, Relativistic):  # of three pairs one is lost, by its size, and one undecided
            assert answers[0] == pytest.approx((size + LOG2) / 3 if real is not values else LOG2, rel=1e-5)


BOUNDARIES = {"LeastSquares": 0.5, "Hinge": 0.0, "Minimax": 0.0, "NonSaturating": 0.0, "FeatureMatching": 0.0}


@given(
    real=hnp.arrays(np.float64, (5, 1), elements=st.floats(-3, 3)),
    fake=hnp.arrays(np.float64, (5, 1), elements=st.floats(-3, 3)),
    objective=st.sampled_from(ALL),
)
def test_what_d_says_and_how_often_it_is_right(
    backend: Backend, real: np.ndarray, fake: np.ndarray, objective: Objective
) -> None:
    """Means of the probability where there is one, else of the score; shares on either side of the boundary."""
    said = objective.verdicts(backend.asarray(real), backend.asarray(fake), backend)
    boundary = BOUNDARIES.get(type(objective).__name__, (real.mean() + fake.mean()) / 2)
    means = [real.mean(), fake.mean()]
    if not isinstance(objective, Critic):
        means = [float(objective.probability(x, np).mean()) for x in (real, fake)]
    shares = [(real > boundary).mean(), (fake <= boundary).mean()]
    near = min(abs(real - boundary).min(), abs(fake - boundary).min())
    assert [float(value) for value in said[:2]] == pytest.approx(means, rel=1e-9, abs=1e-12)
    if near > 1e-12 or boundary in (0.0, 0.5):
        assert [float(value) for value in said[2:]] == pytest.approx(shares)


def test_on_the_boundary_d_takes_nothing_for_real() -> None:
    be = get_backend("numpy")
    for objective, boundary in ((NonSaturating(), 0.0), (LeastSquares(), 0.5), (Hinge(), 0.0), (Wasserstein(), 3.0)):
        at = np.full((4, 1), boundary)
        assert [float(share) for share in objective.verdicts(at, at, be)[2:]] == [0, 1]


@every_objective
def test_probabilities_are_probabilities_and_scores_are_none(objective: Objective) -> None:
    outputs = np.array([-1e30, -800.0, -1.0, 0.0, 0.25, 0.5, 1.0, 2.0, 800.0, 1e30])
    if isinstance(objective, Critic):
        with pytest.raises(ValueError, match=r"D gives scores, not probabilities: look at GAN\.score"):
            objective.probability(outputs, np)
        return
    p = objective.probability(outputs, np)
    assert p.min() == 0
    assert p.max() == 1
    assert (np.diff(p) >= 0).all()
    half = 0.5 if isinstance(objective, LeastSquares) else 0.0
    assert float(objective.probability(np.array(half), np)) == 0.5


@every_objective
def test_at_equilibrium_the_metrics_are_those_that_are_said(objective: Objective) -> None:
    """Fakes like the data, and the constant D that is best then: where D's two pulls on a sample cancel."""
    at = np.full((6, 1), 0.5 if isinstance(objective, LeastSquares) else 0.0)
    be = get_backend("numpy")
    d, (dreal, dfake) = objective.discriminator(at, at)
    np.testing.assert_allclose(dreal + dfake, 0, atol=1e-15)
    g, _ = objective.generator(at, real=at)
    d_real, d_fake, _, _ = objective.verdicts(at, at, be)
    metrics = {"d_loss": float(d), "g_loss": float(g), "d_real": float(d_real), "d_fake": float(d_fake)}
    known = objective.equilibrium()
    assert known
    assert known == pytest.approx({name: metrics[name] for name in known})
    if not isinstance(objective, Critic):
        assert known.keys() == metrics.keys()
    rng = np.random.default_rng(0)
    for other in at + rng.uniform(-2, 2, (50, 1, 1)):  # no other constant is better
        assert float(objective.discriminator(other, other)[0]) >= known["d_loss"] - 1e-12


@pytest.mark.parametrize("kind", [Minimax, NonSaturating, FeatureMatching])
def test_nothing_is_said_of_the_equilibrium_of_smoothed_labels(kind: type[Minimax]) -> None:
    assert kind(0.9).equilibrium() == {}


@pytest.mark.parametrize("objective", [Relativistic(), FeatureMatching()])
def test_objectives_that_compare_need_as_many_real_samples(objective: Objective) -> None:
    assert objective.compares
    with pytest.raises(ValueError, match=r"compares fakes \(2, 1\) with as many real samples, got none"):
        objective.generator(logits(1, 2))
    for real in (logits(1), logits(1, 2, 3), logits(1, 2).T):
        with pytest.raises(ValueError, match=r"compares fakes \(2, 1\) with .* got those of shape"):
            objective.generator(logits(1, 2), real=real)


def test_which_objectives_compare_or_cannot_be_taken_apart() -> None:
    assert {type(objective).__name__ for objective in ALL if objective.compares} == {"Relativistic", "FeatureMatching"}
    assert {type(objective).__name__ for objective in ALL if not objective.separable} == {"Relativistic"}


def test_the_base_says_that_it_is_only_a_base() -> None:
    be, x = get_backend("numpy"), logits(1)
    for term in (Objective().real, Objective().fake, Objective().fool):
        with pytest.raises(NotImplementedError):
            term(x, np.empty_like(x), be)
    assert Objective().equilibrium() == {}


# --- losses of other networks ----------------------------------------------------------------------------------


def test_softmax_cross_entropy_of_a_fair_and_of_a_sure_classifier() -> None:
    loss, gradient = softmax_cross_entropy(np.zeros((2, 4), "float32"), np.array([0, 3]))
    assert float(loss) == pytest.approx(math.log(4))
    np.testing.assert_allclose(gradient, (0.25 - np.eye(4)[[0, 3]]) / 2)
    loss, gradient = softmax_cross_entropy(np.array([[1000, -1000], [1000, -1000]], "float32"), np.array([0, 1]))
    assert float(loss) == pytest.approx(1000)
    np.testing.assert_allclose(gradient, [[0, 0], [0.5, -0.5]])


@given(n=st.integers(1, 9), k=st.integers(1, 6), seed=st.integers(0, 2**32 - 1))
def test_labels_may_be_one_hot_or_shares(backend: Backend, n: int, k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, labels = backend.asarray(rng.standard_normal((n, k))), rng.integers(0, k, n)
    results = []
    for given_ in (
        labels,
        backend.asarray(labels),
        np.eye(k)[labels],
        backend.asarray(np.eye(k, dtype=np.int8)[labels]),
    ):
        loss, gradient = softmax_cross_entropy(x, given_, backend.arena())
        results.append((float(loss), backend.to_numpy(gradient)))
    for loss, gradient in results[1:]:
        assert loss == results[0][0]
        np.testing.assert_array_equal(gradient, results[0][1])
    shares = rng.dirichlet(np.ones(k), n)
    loss, gradient = softmax_cross_entropy(x, shares, backend.arena())
    logits_ = backend.to_numpy(x)
    probabilities = np.exp(logits_) / np.exp(logits_).sum(axis=1, keepdims=True)
    assert float(loss) == pytest.approx(-(shares * np.log(probabilities)).sum(axis=1).mean())
    np.testing.assert_allclose(backend.to_numpy(gradient), (probabilities - shares) / n, atol=1e-12)


@pytest.mark.parametrize("one_hot", [False, True])
def test_a_supervised_step_is_one_graph(monkeypatch: pytest.MonkeyPatch, one_hot: bool) -> None:
    """Labels that change between replays are looked at by the device alone."""
    fake_cupy.install(monkeypatch)
    try:
        be = get_backend("cupy")
    except (ImportError, RuntimeError) as error:
        pytest.skip(str(error))
    rng, arena = np.random.default_rng(0), be.arena()
    net = Sequential(Dense(4, 3), backend=be, seed=1)
    x = be.asarray(rng.standard_normal((6, 4)).astype("float32"))
    labels = be.zeros((6, 3), np.float32) if one_hot else be.zeros((6,), np.int64)
    result = be.zeros((1,), "float32")

    def step() -> None:
        arena.rewind()
        y, back = net(x, arena=arena, stream=Stream(1, Purpose.CALL))
        loss, dy = softmax_cross_entropy(y, labels, arena)
        result[...] = loss
        net.zero_grad()
        back(dy, inputs=False)

    play = be.repeat(step)
    for turn in range(6):
        known = rng.integers(0, 3, 6)
        labels[...] = be.asarray(np.eye(3, dtype=np.float32)[known] if one_hot else known)
        fake_cupy.device.reads = 0
        play()
        assert fake_cupy.device.reads == 0
        logits_ = net.backend.to_numpy(net(x, stream=Stream(1, Purpose.CALL))[0])
        expected, gradient = softmax_cross_entropy(logits_, known)
        assert float(result[0]) == pytest.approx(float(expected), rel=1e-6)
        np.testing.assert_allclose(net.grad_dict()["0.bias"], gradient.sum(axis=0), atol=1e-6)
        assert (play._graph is not None) == (turn >= graph.WARM_UP)  # type: ignore[attr-defined]


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
    for labels in (
        [0], [[0], [1]], [0, 3], [-1, 0], [0.0, 1.0], [[0, 1, 0]], np.zeros((2, 3)), [[0, 1, 1], [1, 0, 0]],
        [[2, -1, 0], [1, 0, 0]], [[np.nan, 1, 0], [1, 0, 0]],
    ):  # fmt: skip
        with pytest.raises(ValueError, match="labels"):
            softmax_cross_entropy(x, np.array(labels))
