"""Categories that mean what data fall into: what Q learns from images, and what G is asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from family import X, assert_same
from family import categories as small

import minigan
from minigan import (
    SGD,
    VAT,
    BatchNorm,
    Categories,
    Dense,
    LeakyReLU,
    ReLU,
    Sequential,
    Tanh,
    information,
)
from minigan.metrics import matching
from minigan.objectives import softmax

Array = np.ndarray[Any, Any]


# --- the algorithm ---------------------------------------------------------------------------------------------


def test_information_is_the_mutual_one_and_its_gradient_its_slope() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (7, 4))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    value, grad, sure, varied = information(logits, 1.0)
    assert -value == pytest.approx((p * np.log(p / p.mean(axis=0))).sum() / 7)
    assert sure == pytest.approx(-(p * np.log(p)).sum() / 7)
    assert varied == pytest.approx(-(p.mean(axis=0) * np.log(p.mean(axis=0))).sum())
    for balance in (1.0, 4.0):
        value, grad, *_ = information(logits, balance)
        assert value == pytest.approx(sure - balance * varied)
        for _ in range(3):
            u = rng.normal(0, 1, logits.shape)
            slope = (information(logits + 1e-6 * u, balance)[0] - information(logits - 1e-6 * u, balance)[0]) / 2e-6
            assert (grad * u).sum() == pytest.approx(slope, rel=1e-6)


def test_certain_answers_have_finite_information() -> None:
    value, grad, sure, varied = information(np.array([[500.0, -500.0], [-500.0, 500.0]], np.float32), 1.0)
    assert np.isfinite(grad).all()
    assert (float(value), float(sure), float(varied)) == pytest.approx((-np.log(2), 0, np.log(2)), abs=1e-6)


def test_q_learns_from_images_alone_unless_it_shall_read_fakes() -> None:
    """Whatever G draws: Q is what it would be without a game."""
    games = small(), small(weight=0.1, optimizer=SGD(0.0001)), small(fakes=0.5)
    for game in games:
        game.fit(X, 5, batch=4)
    one, other, reader = (game.Q.state_dict() for game in games)
    assert_same(one, other)
    assert any(not np.array_equal(one[name], reader[name]) for name in one)


def test_the_average_of_q_answers() -> None:
    game = small(q_average=0.9)
    game.fit(X, 5, batch=6)
    (answers,) = game.predict(X)
    np.testing.assert_allclose(answers, softmax(game.q.averages[0].net(X, train=False)[0], np))
    assert not np.allclose(answers, softmax(game.Q(X, train=False)[0], np))


BAD: dict[str, tuple[Any, str]] = {
    "another number of answers": (lambda: small(k=3, latent=4), r"a logit for each of 3 categories, \(N, 3\)"),
    "one category": (lambda: small(k=1), "k must be an integer of 2 or more"),
    "a negative weight": (lambda: small(information=-1.0), "information"),
    "no weight": (lambda: small(weight=0.0), "weight"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_does_not_fit_is_refused(what: str) -> None:
    call, words = BAD[what]
    with pytest.raises(ValueError, match=words):
        call()


# --- does it learn? --------------------------------------------------------------------------------------------


def test_it_finds_digits_and_draws_what_it_is_asked_for() -> None:
    """Of digits of 14 x 14 pixels, without a label; by chance 87 % would be wrong, and one in ten as asked."""
    data = minigan.datasets.load("digits")
    images = minigan.datasets.to_float(data.images.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)).astype(np.uint8))
    images = images.reshape(len(images), -1)
    G = Sequential(
        Dense(20 + 10, 128, bias=False), BatchNorm(128), LeakyReLU(), Dense(128, 128, bias=False), BatchNorm(128),
        LeakyReLU(), Dense(128, 196), Tanh(), seed=0,
    )  # fmt: skip
    D = Sequential(Dense(196, 128), LeakyReLU(), Dense(128, 64), LeakyReLU(), Dense(64, 1), seed=1)
    Q = Sequential(
        Dense(196, 200), BatchNorm(200), ReLU(), Dense(200, 200), BatchNorm(200), ReLU(), Dense(200, 10), seed=2
    )
    game = Categories(
        G, D, Q, k=10, vat=VAT(1.0, 0.25, xi=4, relative=True), optimizer=minigan.Adam(1e-3, beta1=0.5),
        q_optimizer=minigan.Adam(2e-3), q_average=0.99, average=0.99, seed=0,
    )  # fmt: skip
    game.fit(images[:8000], 400, batch=32)
    unseen, labels = images[8000:], data.labels[8000:]
    counts = np.zeros((10, 10), np.int64)
    np.add.at(counts, (game.predict(unseen)[0].argmax(axis=1), labels), 1)
    stands_for = np.array(matching(counts))
    right = counts[np.arange(10), stands_for].sum() / len(unseen)
    means = np.stack([images[data.labels == k].mean(axis=0) for k in range(10)])
    z = game.latents(1000, seed=1)
    drawn = game.generate(z).reshape(1000, -1)
    nearest = ((drawn[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
    asked = (nearest == stands_for[z[:, 20:].argmax(axis=1)]).mean()
    assert right > 0.6
    assert asked > 0.4
