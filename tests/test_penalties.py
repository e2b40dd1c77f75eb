"""Penalties on D's gradient: their points, values and derivatives, each against an independent computation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from book import assert_step, penalty_points, penalty_value
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import Array, assert_gradient, evaluate, flat_of, input_gradient, pair, randomise, same, stacks

from minigan import (
    DRAGAN,
    GAN,
    R1,
    R2,
    SGD,
    Dense,
    GradientPenalty,
    LayerNorm,
    LeakyReLU,
    NonSaturating,
    Relativistic,
    Reshape,
    Sequential,
    SpectralNorm,
    Tanh,
    Wasserstein,
)
from minigan.backend import Backend, FreshArena, Purpose, Stream, get_backend
from minigan.optim import Linear
from minigan.penalties import Penalty
from minigan.spec import build

ALL: list[type[Penalty]] = [GradientPenalty, R1, R2, DRAGAN]
every_penalty = pytest.mark.parametrize("kind", ALL)
weights = st.sampled_from([0.1, 1.0, 10.0])
penalties = st.one_of(
    st.builds(GradientPenalty, weights),
    st.builds(R1, weights),
    st.builds(R2, weights),
    st.builds(DRAGAN, weights, st.sampled_from([0.1, 0.5, 2.0])),
)
STREAM = Stream(7, Purpose.PENALTY, 11)


def add(penalty: Penalty, D: Sequential, real: Array, fake: Array, stream: Stream = STREAM) -> tuple[Any, Any]:
    """The penalty and its points; D's gradients are then those of the penalty alone."""
    be = D.backend
    D.zero_grad()
    return penalty.add(D, be.asarray(real, D.dtype), be.asarray(fake, D.dtype), FreshArena(be), stream)


def samples(n: int = 5, *shape: int, seed: int = 0) -> tuple[Array, Array]:
    """Real samples and fakes."""
    rng = np.random.default_rng(seed)
    real, fake = rng.standard_normal((2, n, *(shape or (3,))))
    return real, 2 * fake + 1


def smooth_d(dtype: str = "float64", backend: Backend | None = None) -> Sequential:
    net = Sequential(Dense(3, 5, norm=SpectralNorm()), LayerNorm(5), Tanh(), Dense(5, 1), dtype=dtype, backend=backend)
    return randomise(net, np.random.default_rng(4))


# --- where -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(4,), (2, 3)])
def test_wgan_gp_looks_between_each_pair_at_a_fraction_of_its_own(backend: Backend, shape: tuple[int, ...]) -> None:
    real, fake = samples(1000, *shape)
    points = backend.to_numpy(
        GradientPenalty().points(backend.asarray(real), backend.asarray(fake), FreshArena(backend), STREAM)
    )
    fractions = ((points - fake) / (real - fake)).reshape(1000, -1)
    one_each = fractions[:, 0]
    np.testing.assert_allclose(fractions, np.repeat(one_each[:, None], fractions.shape[1], axis=1), atol=1e-9)
    assert len(np.unique(one_each)) == 1000
    assert one_each.min() >= 0
    assert one_each.max() < 1
    assert one_each.mean() == pytest.approx(1 / 2, abs=0.05)
    assert one_each.var() == pytest.approx(1 / 12, abs=0.02)


def test_dragan_looks_beside_real_samples_as_far_as_the_batch_is_wide(backend: Backend) -> None:
    real, fake = samples(1000, 4)
    points = backend.to_numpy(
        DRAGAN(spread=0.5).points(backend.asarray(real), backend.asarray(fake), FreshArena(backend), STREAM)
    )
    step = (points - real) / real.std()
    assert step.min() >= 0
    assert 0.45 < step.max() < 0.5
    assert step.mean() == pytest.approx(0.5 / 4, rel=0.05)  # a product of two uniform numbers has the mean 1/4
    per_sample = step.max(axis=1)
    assert np.corrcoef(step[:, 0], step[:, 1])[0, 1] > 0.2  # one α for each sample
    assert len(np.unique(step)) > 3900  # and a number for each feature
    assert per_sample.std() > 0.1


def test_r1_looks_at_real_samples_and_r2_at_fakes() -> None:
    real, fake = samples()
    assert np.array_equal(add(R1(), smooth_d(), real, fake)[1], real)
    assert np.array_equal(add(R2(), smooth_d(), real, fake)[1], fake)


@pytest.mark.parametrize("kind", [GradientPenalty, DRAGAN])
def test_random_points_are_others_in_each_update_and_for_each_penalty(kind: type[Penalty]) -> None:
    D, pairs = smooth_d(), samples()
    drawn = [
        add(kind(), D, *pairs, stream)[1]
        for stream in (STREAM, STREAM._replace(step=12), STREAM._replace(purpose=Purpose.PENALTY + 1))
    ]
    assert not any(np.isclose(drawn[i], drawn[j]).any() for i, j in ((0, 1), (0, 2), (1, 2)))
    assert np.array_equal(add(kind(), D, *pairs)[1], drawn[0])


# --- how much --------------------------------------------------------------------------------------------------


@settings(max_examples=12)
@given(data=st.data(), penalty=penalties, step=st.integers(0, 10**6))
def test_value_and_gradient_for_any_network(backend: Backend, data: st.DataObject, penalty: Penalty, step: int) -> None:
    """Points and slopes sample by sample, from the plain forward alone; and the derivative by finite differences."""
    case = data.draw(stacks(backend=backend, batchnorm=False))
    net, flat, stream = case.net, flat_of(case.net), Stream(3, Purpose.PENALTY + 1, step)
    real, fake = case.x, case.rng.standard_normal(case.x.shape)
    value, points = add(penalty, net, real, fake, stream)
    expected = penalty_points(penalty, real, fake, stream)
    np.testing.assert_allclose(backend.to_numpy(points), expected, rtol=1e-12, atol=1e-12)

    state = net.state_dict()

    def total(flat: Array) -> tuple[float, list[Array]]:
        signs: list[Array] = []
        evaluate(net, flat, expected, True, stream, running=state, signs=signs)
        return penalty_value(penalty, input_gradient(net, flat, expected, stream, state, outputs=1)), signs

    assert float(value) == pytest.approx(total(flat)[0], rel=1e-8, abs=1e-12)
    assert_gradient(total, flat, net.packed(net.flat_grad), case.rng, directions=2)


@every_penalty
def test_the_norm_is_that_of_one_samples_gradient(backend: Backend, kind: type[Penalty]) -> None:
    """Each sample in a batch of one: the same slopes, of which the penalty is a mean."""
    D, penalty = smooth_d(backend=backend), kind(3.0)
    value, points = add(penalty, D, *samples())
    slopes = []
    for n in range(5):
        _, back = D(points[n : n + 1], track=False)
        slopes.append(backend.to_numpy(back(backend.asarray(np.ones((1, 1))), params=False))[0])
    assert float(value) == pytest.approx(penalty_value(penalty, np.array(slopes)), rel=1e-12)


@every_penalty
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_linear_d_has_the_slope_of_its_weight(backend: Backend, kind: type[Penalty], dtype: str) -> None:
    """λ (‖w‖ − 1)² and its gradient 2 λ (‖w‖ − 1) w/‖w‖; γ/2 ‖w‖² and γ w."""
    D, w = Sequential(Dense(3, 1), dtype=dtype, backend=backend), np.array([[2.0, -1.0, 2.0]])
    D.load_state_dict({"0.weight": w, "0.bias": np.ones(1)})
    value, _ = add(kind(5.0), D, *samples())
    of_slope = issubclass(kind, (GradientPenalty, DRAGAN))
    assert float(value) == pytest.approx(5 * 2**2 if of_slope else 5 / 2 * 3**2)
    np.testing.assert_allclose(D.grad_dict()["0.weight"], 2 * 5 * 2 * w / 3 if of_slope else 5 * w, rtol=1e-5)
    assert not D.grad_dict()["0.bias"].any()  # a shift has no slope


@every_penalty
def test_it_is_a_mean_over_the_batch_and_is_added_to_what_is_there(kind: type[Penalty]) -> None:
    D, (real, fake) = smooth_d(), samples()
    value, _ = add(kind(), D, real, fake)
    alone = D.flat_grad.copy()
    assert alone.any()
    if kind in (R1, R2):  # whose points are not random
        twice, _ = add(kind(), D, np.tile(real, (2, 1)), np.tile(fake, (2, 1)))
        assert float(twice) == pytest.approx(float(value))
        np.testing.assert_allclose(D.flat_grad, alone, rtol=1e-9, atol=1e-12)
    add(kind(), D, real, fake)
    kind().add(D, real, fake, FreshArena(D.backend), STREAM)
    np.testing.assert_allclose(D.flat_grad, 2 * alone, rtol=1e-12)
    weighted, _ = add(kind(30.0), D, real, fake)
    assert float(weighted) == pytest.approx(3 * float(value))
    np.testing.assert_allclose(D.flat_grad, 3 * alone, rtol=1e-9)


@every_penalty
def test_samples_and_the_state_of_d_are_left_alone(kind: type[Penalty]) -> None:
    D, (real, fake) = smooth_d(), samples()
    before, kept = D.state_dict(), (real.copy(), fake.copy())
    add(kind(), D, real, fake)
    assert same(list(D.state_dict().values()), list(before.values()))
    assert same((real, fake), kept)


# --- whole updates ---------------------------------------------------------------------------------------------

games = st.fixed_dictionaries(
    {
        "objective": st.sampled_from([NonSaturating(0.9), Wasserstein(), Relativistic()]),
        "penalties": st.lists(penalties, min_size=1, max_size=3),
        "instance_noise": st.sampled_from([0.0, 0.3, Linear(1.0, 0.0, 700)]),
        "packing": st.sampled_from([1, 2]),
        "d_steps": st.sampled_from([1, 2]),
        "seed": st.integers(0, 2**31),
    }
)


@settings(max_examples=20)
@given(data=st.data(), game=games)
def test_whole_updates_of_any_penalised_d(data: st.DataObject, game: dict[str, Any]) -> None:
    """Objective and penalties together, with dropout, noise and points drawn anew in each pass."""
    case = data.draw(stacks(batchnorm=False, ends=(3 * game["packing"], 1)))
    G, _ = pair(case.net.backend, "float64")
    gan = GAN(G, case.net, optimizer=SGD(0.1), **game)
    gan.steps, gan.d_updates = 300, 900
    assert_step(gan, case.rng.uniform(-1, 1, (4 * gan.d_steps, 3)), case.rng)


@settings(max_examples=4)
@given(data=st.data(), game=games)
def test_whole_updates_on_every_backend(backend: Backend, data: st.DataObject, game: dict[str, Any]) -> None:
    case = data.draw(stacks(batchnorm=False, backend=backend, ends=(3 * game["packing"], 1)))
    G, _ = pair(backend, "float64")
    gan = GAN(G, case.net, optimizer=SGD(0.1), **game)
    gan.steps, gan.d_updates = 300, 900
    assert_step(gan, case.rng.uniform(-1, 1, (4 * gan.d_steps, 3)), case.rng)


# --- at the edges ----------------------------------------------------------------------------------------------


@every_penalty
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("weight", [1.0, 1e6])
@pytest.mark.parametrize("n", [1, 5])
@pytest.mark.filterwarnings("error")
def test_a_dead_d_has_a_finite_gradient(
    backend: Backend, kind: type[Penalty], dtype: str, weight: float, n: int
) -> None:
    """A slope of 0 has no direction in which to grow: the gradient is 0, not 0/0."""
    D = Sequential(Dense(3, 4), LeakyReLU(), Dense(4, 1, init="zeros"), dtype=dtype, backend=backend)
    value, _ = add(kind(weight), D, *samples(n))
    assert float(value) == pytest.approx(weight if issubclass(kind, (GradientPenalty, DRAGAN)) else 0.0)
    assert not D.packed(D.flat_grad).any()


@every_penalty
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_d_that_is_nearly_dead_is_not_torn_up(backend: Backend, kind: type[Penalty], dtype: str) -> None:
    """Whose slopes cannot be squared without vanishing: the gradient is at most 2 λ still."""
    for power in range(-45 if dtype == "float32" else -320, 0, 3):
        D = Sequential(Dense(3, 1), dtype=dtype, backend=backend)
        D.load_state_dict({"0.weight": np.full((1, 3), 10.0**power), "0.bias": np.zeros(1)})
        add(kind(10.0), D, *samples(4))
        assert np.linalg.norm(D.grad_dict()["0.weight"].astype("float64")) <= 20.001


@every_penalty
@pytest.mark.parametrize("weight", [np.float64(2.0), 2, np.int64(2)])
def test_float32_stays_float32(kind: type[Penalty], weight: Any) -> None:
    class Watched(FreshArena):
        def empty(self, shape: tuple[int, ...], dtype: Any) -> Any:
            assert np.dtype(dtype) == np.float32
            return super().empty(shape, dtype)

    D, penalty = smooth_d("float32"), kind(weight)
    real, fake = (x.astype("float32") for x in samples())
    value, points = penalty.add(D, real, fake, Watched(D.backend), STREAM)
    _, g, _ = D.input_gradient(points)
    kept = [value, points, D.flat_grad, *penalty.measure(g, FreshArena(get_backend("numpy")))]
    assert {np.asarray(array).dtype for array in kept} == {np.dtype("float32")}
    exact, _ = add(kind(2.0), smooth_d(), *samples())
    assert float(value) == pytest.approx(float(exact), rel=1e-3)


@every_penalty
@pytest.mark.parametrize("weight", [0, -1.0, math.nan, math.inf])
def test_weights_that_mean_nothing_are_refused(kind: type[Penalty], weight: float) -> None:
    with pytest.raises(ValueError, match=f"{kind.__name__} needs a positive weight, got {weight}"):
        kind(weight)


@pytest.mark.parametrize("spread", [0, -0.5, math.nan, math.inf])
def test_spreads_that_mean_nothing_are_refused(spread: float) -> None:
    with pytest.raises(ValueError, match=f"DRAGAN needs a positive spread, got {spread}"):
        DRAGAN(spread=spread)


@every_penalty
def test_penalties_can_be_written_down(kind: type[Penalty]) -> None:
    penalty = kind(2.5)
    assert build(penalty.describe()) == penalty != kind()
    assert eval(repr(penalty)) == penalty
    assert kind().weight == 10
    if kind is DRAGAN:
        assert build(DRAGAN(1.0, spread=2.0).describe()).spread == 2.0


@every_penalty
def test_batchnorm_is_refused_when_the_gan_is_made(kind: type[Penalty]) -> None:
    G, D = pair()
    with pytest.raises(
        ValueError, match=rf"{kind.__name__}.* cannot be put on this D: layer 2, BatchNorm.*samples"
    ) as e:
        GAN(G, D, penalties=[kind()])
    assert "LayerNorm" in str(e.value)  # what to do instead


def test_layers_without_a_rule_are_refused_when_the_gan_is_made() -> None:
    class Halved(Reshape):
        twice = Reshape.__mro__[1].twice  # as of a layer that was written without one

    D = Sequential(Dense(3, 4), Halved(4), Dense(4, 1))
    with pytest.raises(
        ValueError, match=r"R1\(\) cannot be put on this D: layer 1, Halved\(4\): has no second-order rule"
    ):
        GAN(Sequential(Dense(2, 3)), D, penalties=[R1()])


def test_making_the_gan_leaves_no_trace_in_d() -> None:
    D = smooth_d()
    before = D.state_dict()
    GAN(Sequential(Dense(2, 3), dtype="float64"), D, penalties=[kind() for kind in ALL])
    assert same(list(D.state_dict().values()), list(before.values()))
    assert not D.flat_grad.any()


def test_the_base_says_that_it_is_only_a_base() -> None:
    real, fake = samples()
    with pytest.raises(NotImplementedError):
        Penalty().add(smooth_d(), real, fake, FreshArena(get_backend("numpy")), STREAM)
