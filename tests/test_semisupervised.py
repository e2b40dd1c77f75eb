"""The semi-supervised GAN: its losses, its labels, how D begins, and that it learns from few labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from family import X, Y, assert_same, state
from family import semisupervised as small

import minigan
from minigan import (
    BatchNorm,
    Dense,
    GaussianNoise,
    ReLU,
    Rescale,
    SemiSupervised,
    Sequential,
    Softplus,
    Tanh,
    WeightNorm,
)
from minigan.backend import FreshArena, get_backend
from minigan.game import Play
from minigan.game.fitting import chosen_labels
from minigan.games.semisupervised import real_logit
from minigan.nn.init import Normal
from minigan.objectives import softmax

Array = np.ndarray[Any, Any]


# --- the algorithm ---------------------------------------------------------------------------------------------


def test_the_logit_of_real_is_the_logsumexp_and_its_gradient_the_shares() -> None:
    logits = np.random.default_rng(1).normal(0, 3, (6, 4))
    r, shares = real_logit(logits, FreshArena(get_backend("numpy")))
    np.testing.assert_allclose(r[:, 0], np.log(np.exp(logits).sum(axis=1)))
    np.testing.assert_allclose(shares, np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True))
    r, shares = real_logit(np.array([[1e4, 0.0], [-1e4, -1e4]]), FreshArena(get_backend("numpy")))
    np.testing.assert_allclose(r[:, 0], [1e4, -1e4 + np.log(2)])
    np.testing.assert_allclose(shares, [[1, 0], [0.5, 0.5]])


def test_losses_are_those_of_the_paper() -> None:
    """As the authors' program writes them, from D's logits on the very samples."""
    game = small(dtype="float64", noise=0.0, adversary=0.7, information=0.2)
    feed, seen = game.feed(X, 6, Y), dict[str, Any]()
    batches = [*feed(game.d, "labelled"), *feed(game.d)]
    told, rows, real = (a.copy() for a in batches)
    before = {"D": game.D.state_dict(), "G": game.G.state_dict()}
    game.tries = lambda up: seen.update(passes=list(up.passes), loss=float(up.loss))
    found = game.update_discriminator(*batches)
    game.tries = None
    fakes = seen["passes"][1].x[12:]

    def lse(logits: Array) -> Array:
        return np.log(np.exp(logits).sum(axis=1))

    (l_told, l_real, l_fakes) = (game.D(x, train=False)[0] for x in (told, real, fakes))
    labels = (lse(l_told) - (rows * l_told).sum(axis=1)).mean()
    of_real, of_fakes = -0.5 * lse(l_real) + 0.5 * np.logaddexp(0, lse(l_real)), 0.5 * np.logaddexp(0, lse(l_fakes))
    assert float(found["d_labels"]) == pytest.approx(labels)
    p = np.exp(l_real) / np.exp(l_real).sum(axis=1, keepdims=True)
    known = (p * np.log(p / p.mean(axis=0))).sum(axis=1).mean()
    assert float(found["d_information"]) == pytest.approx(known)
    assert seen["loss"] == pytest.approx(labels + 0.7 * (of_real.mean() + of_fakes.mean()) - 0.2 * known)
    assert float(found["d_real"]) == pytest.approx((1 / (1 + np.exp(-lse(l_real)))).mean())
    assert {name: net.state_dict().keys() for name, net in game.networks.items()} == {
        n: s.keys() for n, s in before.items()
    }


def test_features_are_matched_before_noise_is_put_on_them() -> None:
    game = small()
    assert isinstance(game.D.layers[game.objective.depth(game.D) - 1], ReLU)


# --- how it begins ---------------------------------------------------------------------------------------------


def test_d_begins_such_that_each_unit_has_mean_0_and_variance_1() -> None:
    game = small()
    Play(game, X, 6, Y)
    dense = [layer for layer in game.D.layers if isinstance(layer, Dense)]
    assert all(abs(layer.parameters["bias"].data).max() > 0 for layer in dense)
    before = state(game)
    Play(game, X, 6, Y)
    assert_same(before, state(game), tolerance=1e-5)  # nothing to do a second time
    game.fit(X, 1, batch=6, labels=Y)
    before = state(game)
    Play(game, X, 6, Y)
    assert_same(before, state(game))  # and nothing at all once it has learned


def test_begin_on_data_of_a_network() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(3, 2, (400, 6, 6, 2)).astype(np.float32)
    net = Sequential(
        minigan.Conv2D(2, 5, 3, norm=WeightNorm(trained=False), init=Normal(0.05)), ReLU(), minigan.Flatten(),
        Dense(80, 7, norm=WeightNorm()), Tanh(), Dense(7, 3), seed=0,
    )  # fmt: skip
    plain = net.layers[-1].parameters["weight"].data.copy()
    net.begin_on(x)
    for depth, axes in ((1, (0, 1, 2)), (4, 0)):
        y, _ = net(x, depth=depth)
        np.testing.assert_allclose(y.mean(axis=axes), 0, atol=1e-4)
        np.testing.assert_allclose(y.std(axis=axes), 1, atol=1e-4)
    np.testing.assert_array_equal(net.layers[-1].parameters["weight"].data, plain)
    with pytest.raises(ValueError, match="same number of all samples"):
        net.begin_on(np.ones((4, 6, 6, 2), "float32"))


# --- labels ----------------------------------------------------------------------------------------------------


def test_labels_are_balanced_and_the_first_of_each_class_in_the_authors_order() -> None:
    labels = np.random.default_rng(3).integers(0, 5, 300)
    chosen = chosen_labels(labels, 5, 20, split=7)
    assert np.bincount(labels[chosen]).tolist() == [4] * 5
    order = np.random.RandomState(7).permutation(300)
    assert chosen.tolist() == [i for k in range(5) for i in [i for i in order if labels[i] == k][:4]]
    assert set(chosen) != set(chosen_labels(labels, 5, 20, split=8))


def test_d_is_told_no_more_than_that() -> None:
    """Other labels may be wrong: it is the same game."""
    game, twin = small(), small()
    chosen = chosen_labels(Y, 4, 8, 1)
    wrong = (Y + 1) % 4
    wrong[chosen] = Y[chosen]
    histories = game.fit(X, 5, batch=6, labels=Y), twin.fit(X, 5, batch=6, labels=wrong)
    # the split is chosen by the labels, which have changed elsewhere: keep those that are chosen
    if (chosen_labels(wrong, 4, 8, 1) == chosen).all():
        assert_same(*histories)
    sources = game.sources(X, Y)
    np.testing.assert_array_equal(sources["labelled"][0], X[chosen])
    np.testing.assert_array_equal(sources["labelled"][1].argmax(axis=1), Y[chosen])


@pytest.mark.parametrize(("told", "batch", "rows"), [(None, 6, 6), (4, 6, 4), (7, 6, 7), (None, 20, 8), (9, 20, 8)])
def test_so_many_labelled_images_are_in_an_update(told: int | None, batch: int, rows: int) -> None:
    game = small(told=told)
    images, labels = game.feed(X, batch, Y)(game.d, "labelled")
    assert (len(images), len(labels)) == (rows, rows)


def test_g_matches_images_that_d_does_not_see_in_this_turn() -> None:
    game = small()
    feed, drawn = game.feed(X, 6, Y), dict[str, Array]()

    def draw(player: Any, source: str = "real") -> Any:
        arrays = feed(player, source)
        drawn[source] = arrays[0].copy()
        return arrays

    game.turn(draw)
    assert list(drawn) == ["labelled", "real", "matched"]
    assert not np.array_equal(drawn["real"], drawn["matched"])


def test_the_average_of_d_classifies() -> None:
    game = small(average=0.9)
    game.fit(X, 5, batch=6, labels=Y)
    for averaged, D in ((True, game.d.averages[0].net), (False, game.D)):
        np.testing.assert_array_equal(game.classify(X, averaged), softmax(D(X, train=False)[0], np))
    assert not np.allclose(game.classify(X), game.classify(X, averaged=False))


BAD: dict[str, tuple[Any, type[Exception], str]] = {
    "odd labels": (lambda: chosen_labels(Y, 4, 9, 1), ValueError, "not the same number of each of 4 classes"),
    "too many": (lambda: chosen_labels(Y, 4, 44, 1), ValueError, "fewer than 11 samples"),
    "no labels": (lambda: small().fit(X, 1), ValueError, "has no labels; D must learn 8"),
    "a class too many": (lambda: small().fit(X, 1, labels=Y + 1), ValueError, "takes numbers from 0 to 3"),
    "another objective": (lambda: small(objective="hinge"), ValueError, "match features or be non-saturating"),
    "a D with batchnorm": (
        lambda: SemiSupervised(Sequential(Dense(2, 3)), Sequential(Dense(3, 4), BatchNorm(4), Dense(4, 2))),
        ValueError, "may have no BatchNorm",
    ),
    "one logit": (
        lambda: SemiSupervised(Sequential(Dense(2, 3)), Sequential(Dense(3, 4), Dense(4, 1))),
        ValueError, "a logit for each class",
    ),
    "another shape": (
        lambda: SemiSupervised(Sequential(Dense(2, 3)), Sequential(Dense(5, 4), Dense(4, 2))),
        ValueError, "cannot take G's samples",
    ),
    "a negative weight": (lambda: small(adversary=-1.0), ValueError, "adversary"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_what_does_not_fit_is_refused(what: str) -> None:
    call, kind, words = BAD[what]
    with pytest.raises(kind, match=words):
        call()


# --- does it learn? --------------------------------------------------------------------------------------------


def test_it_learns_digits_from_five_labels_a_class() -> None:
    """Of digits of 14 x 14 pixels; D on the labels alone is right in fewer."""
    data = minigan.datasets.load("digits")
    small_images = data.images.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)).astype(np.uint8)
    images, labels, unseen = small_images[:8000], data.labels[:8000], slice(8000, None)
    right = {}
    for adversary, steps in ((0.0, 300), (1.0, 600)):  # the labels are soon known by heart
        G = Sequential(
            Dense(30, 100),
            BatchNorm(100, gain=False),
            Softplus(),
            Dense(100, 196),
            Tanh(),
            minigan.Reshape(14, 14),
            seed=0,
        )
        D = Sequential(
            minigan.Flatten(), Rescale(0.5, 0.5), GaussianNoise(0.3, True), Dense(196, 120, norm=WeightNorm(False)),
            ReLU(), GaussianNoise(0.5, True), Dense(120, 80, norm=WeightNorm(False)), ReLU(),
            GaussianNoise(0.5, True), Dense(80, 10, norm=WeightNorm()), seed=1,
        )  # fmt: skip
        game = SemiSupervised(
            G, D, labelled=50, told=20, adversary=adversary, information=0.1 * adversary, average=0.99,
            optimizer=minigan.Adam(1e-3, beta1=0, beta2=0.99),
            d_optimizer=minigan.Adam(3e-3, beta1=0.5, beta2=0.99),
        )  # fmt: skip
        game.fit(images, steps, batch=50, labels=labels)
        right[adversary] = (game.classify(small_images[unseen]).argmax(axis=1) == data.labels[unseen]).mean()
    assert right[1.0] > right[0.0] + 0.04  # .76 and .68
    assert right[1.0] > 0.72
