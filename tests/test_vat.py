"""Virtual adversarial training against slopes, and against what it is for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigan
from minigan import VAT, Adam, BatchNorm, Dense, GaussianNoise, ReLU, Sequential, Tanh, softmax_cross_entropy
from minigan.backend import Backend, FreshArena, Purpose, Stream
from minigan.objectives import softmax
from minigan.vat import divergence, reach

Array = np.ndarray[Any, Any]
STREAM = Stream(3, Purpose.CALL, 5)


def net(backend: Backend | str = "numpy", noise: float = 0.2) -> Sequential:
    return Sequential(
        Dense(4, 7), BatchNorm(7), Tanh(), GaussianNoise(noise), Dense(7, 3), backend=backend, dtype="float64", seed=1
    )


def batch(D: Sequential, n: int = 6) -> Any:
    return D.as_batch(np.random.default_rng(0).normal(0, 1, (n, 4)))


def test_divergence_is_kullback_and_leiblers_and_its_gradient_is_its_slope() -> None:
    rng = np.random.default_rng(1)
    p, logits = softmax(rng.normal(0, 2, (5, 4)), np), rng.normal(0, 2, (5, 4))
    arena = FreshArena(net().backend)
    value, grad = divergence(p, logits, arena)
    assert value == pytest.approx((p * np.log(p / softmax(logits, np))).sum() / 5, rel=1e-12)
    for _ in range(3):
        u = rng.normal(0, 1, logits.shape)
        slope = (divergence(p, logits + 1e-6 * u, arena)[0] - divergence(p, logits - 1e-6 * u, arena)[0]) / 2e-6
        assert (grad * u).sum() == pytest.approx(slope, rel=1e-7)


def test_certain_answers_have_a_divergence() -> None:
    p, logits = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32), np.array([[300.0, -300.0], [1.0, 1.0]], np.float32)
    value, grad = divergence(p, logits, FreshArena(net().backend))
    assert value == pytest.approx(np.log(2) / 2, rel=1e-6)
    assert np.isfinite(grad).all()


def test_the_gradient_is_that_of_the_divergence_with_answer_and_direction_held(backend: Backend) -> None:
    D, vat, rng = net(backend), VAT(weight=0.7, epsilon=0.5, xi=2e-3), np.random.default_rng(2)
    x, arena = batch(D), FreshArena(D.backend)
    p = softmax(D(x, track=False, stream=STREAM)[0], D.backend.xp)
    D.zero_grad()
    value, near = vat.add(D, x, arena, STREAM)
    gradient = D.packed(D.flat_grad)

    def at(flat: Array) -> float:
        kept = D.packed(D.flat)
        D.flat[...] = D.unpacked(flat)
        found = divergence(p, D(near, track=False, stream=STREAM)[0], arena)[0]
        D.flat[...] = D.unpacked(kept)
        return 0.7 * float(found)

    here = D.packed(D.flat)
    assert float(value) == pytest.approx(at(here), rel=1e-12)
    for _ in range(3):
        u = rng.normal(0, 1, here.shape)
        assert gradient @ u == pytest.approx((at(here + 1e-6 * u) - at(here - 1e-6 * u)) / 2e-6, rel=1e-6)


def test_the_direction_is_near_the_worst_of_its_length_and_has_that_length() -> None:
    D, vat = Sequential(Dense(4, 9), Tanh(), Dense(9, 3), dtype="float64", seed=4), VAT(epsilon=0.01, xi=2e-3, steps=8)
    x, arena, rng = batch(D), FreshArena(D.backend), np.random.default_rng(3)
    p = softmax(D(x)[0], np)
    r = vat.adversarial(D, x, p, arena, STREAM) - x
    np.testing.assert_allclose(np.linalg.norm(r, axis=1), 0.01, rtol=1e-9)

    def each(r: Array) -> Array:
        q = softmax(D(x + r)[0], np)
        return (p * np.log(p / q)).sum(axis=1)

    tries = rng.normal(0, 1, (300, *x.shape))
    tries *= 0.01 / np.linalg.norm(tries, axis=2, keepdims=True)
    worst = np.max([each(t) for t in tries], axis=0)
    assert (each(r) > 0.97 * worst).all()
    assert (each(r) > 2 * np.mean([each(t) for t in tries], axis=0)).all()


def test_it_moves_no_statistics_and_is_zero_where_nothing_changes() -> None:
    D = net()
    before = D.state_dict()
    D.zero_grad()
    VAT().add(D, batch(D), FreshArena(D.backend), STREAM)
    for name, array in D.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    D.flat[...] = 0  # which answers the same to everything: there is no direction
    value, near = VAT().add(D, batch(D), FreshArena(D.backend), STREAM)
    assert float(value) == pytest.approx(0, abs=1e-12)
    assert np.isfinite(near).all()


@pytest.mark.parametrize("what", ["weight", "epsilon", "xi"])
def test_numbers_must_be_positive(what: str) -> None:
    with pytest.raises(ValueError, match="VAT needs a positive"):
        VAT(**{what: 0.0})


def test_two_labels_are_enough_where_classes_are_apart() -> None:
    """Two half moons, a label on each: VAT keeps the boundary out of the crowd, labels alone do not."""
    rng = np.random.default_rng(0)
    t = rng.uniform(0, np.pi, 400)
    y = np.arange(400) % 2
    moons = np.stack([np.where(y, 1 - np.cos(t), np.cos(t)), np.where(y, 0.3 - np.sin(t), np.sin(t))], axis=1)
    x = (moons + rng.normal(0, 0.06, moons.shape)).astype(np.float32)
    told = [int(np.argmin(abs(t - np.pi / 2) + 9 * (y != k))) for k in (0, 1)]
    right = {}
    for weight in (0.0, 1.0):
        D = Sequential(Dense(2, 50, init="he"), ReLU(), Dense(50, 50, init="he"), ReLU(), Dense(50, 2), seed=0)
        adam = Adam(3e-3).bind(D)
        for step in range(800):
            logits, back = D(x[told])
            _, dlogits = softmax_cross_entropy(logits, y[told])
            D.zero_grad()
            back(dlogits, inputs=False)
            if weight:
                VAT(weight, epsilon=0.25).add(D, x, FreshArena(D.backend), Stream(0, Purpose.CALL, step))
            adam.step()
        right[weight] = (D(x, train=False)[0].argmax(axis=1) == y).mean()
    assert right[1.0] > 0.97 > right[0.0] + 0.03


# --- how far ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "among", "k"), [(50, 6000, 10), (100, 20, 2), (103, 20, 2), (90, 3, 1)])
def test_reach_is_the_distance_to_the_tenth_neighbour(
    n: int, among: int, k: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of many images, to one among some of them, and never to the image itself."""
    monkeypatch.setattr("minigan.vat.AMONG", among)
    x = np.random.default_rng(0).normal(0, 1, (n, 2, 3)).astype(np.float32)
    chosen = np.arange(0, n, -(-n // among))
    apart = np.linalg.norm((x[:, None] - x[chosen]).reshape(n, len(chosen), -1), axis=2)
    apart[chosen, np.arange(len(chosen))] = np.inf
    found = reach(x)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[:, 0], np.sort(apart, axis=1)[:, k - 1], rtol=1e-4)


def test_reach_is_in_the_units_that_networks_see() -> None:
    images = np.random.default_rng(0).integers(0, 256, (30, 4, 4), dtype=np.uint8)
    np.testing.assert_allclose(reach(images), reach(minigan.datasets.to_float(images)))


def test_an_epsilon_that_is_relative_is_a_share_of_the_reach() -> None:
    D, rng = net(), np.random.default_rng(1)
    x, reaches = batch(D), D.as_batch(rng.uniform(1, 3, (6, 1)))
    p = softmax(D(x, track=False, stream=STREAM)[0], np)
    near = VAT(epsilon=0.25, relative=True).adversarial(D, x, p, FreshArena(D.backend), STREAM, reaches)
    np.testing.assert_allclose(np.linalg.norm(near - x, axis=1), 0.25 * reaches[:, 0])
    with pytest.raises(ValueError, match="a share of the reach"):
        VAT(relative=True).adversarial(D, x, p, FreshArena(D.backend), STREAM)
