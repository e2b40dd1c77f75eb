"""The adversarial autoencoder: what each player descends, what labels do, and that codes come to have their prior."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from family import X, Y, assert_same, state
from family import aae as small

import minigan
import minigan.theory.aae
from minigan import AAE, R1, VAT, Adam, Dense, LeakyReLU, ReLU, Sequential, Tanh
from minigan.evaluation.autoencoders import evaluate_autoencoder
from minigan.evaluation.labels import evaluate_labels
from minigan.objectives import softmax
from minigan.priors import Ring, SwissRoll
from minigan.runs import pictures
from minigan.runs.portraits import manifold, portraits
from minigan.two_samples import told_apart

Array = np.ndarray[Any, Any]


def passes(game: AAE, labels: Any = None) -> list[dict[str, Any]]:
    """What each update of a turn has run, and its loss, in the order in which updates end; nobody learns."""
    seen: list[dict[str, Any]] = []
    game.tries = lambda up: seen.append(
        {"player": up.player, "loss": float(up.loss), "runs": [(p.net, p.x.copy(), p.condition) for p in up.passes]}
    )
    game.turn(game.feed(X, 8, labels))
    game.tries = None
    return seen


# --- the algorithm ---------------------------------------------------------------------------------------------


def test_d_sees_draws_and_codes_e_its_own_codes_and_g_what_e_says() -> None:
    game = small(dtype="float64", k=3)
    d, e, g = passes(game)
    assert [entry["player"] for entry in (d, e, g)] == [game.d, game.e, game.g]
    (both,) = (x for net, x, _ in d["runs"] if net is game.D)
    (codes,) = (x for net, x, _ in e["runs"] if net is game.D)
    np.testing.assert_array_equal(both[8:], codes)  # E is run once for both
    draws = game.noise_prior.draw(np.empty((8, 2)), game.d.arena, stream_of(game, "z"))
    np.testing.assert_array_equal(both[:8], draws)
    (categories,) = (x for net, x, _ in e["runs"] if net is game.D_y)
    np.testing.assert_allclose(categories.sum(axis=1), 1)
    (latents,) = (x for net, x, _ in g["runs"] if net is game.G)
    assert latents.shape == (8, 2 + 3)
    np.testing.assert_allclose(latents[:, 2:].sum(axis=1), 1)


def stream_of(game: AAE, name: str) -> Any:
    from minigan.backend import Stream
    from minigan.game.update import purpose_of

    return Stream(game.seed, purpose_of(name), 0)


def test_losses_are_those_of_the_game_of_2014_and_the_mean_square() -> None:
    game = small(dtype="float64")
    d, e, g = passes(game)

    def logits(entry: dict[str, Any]) -> Array:
        (found,) = (game.D(x, train=False)[0][:, 0] for net, x, _ in entry["runs"] if net is game.D)
        return found

    both, codes = logits(d), logits(e)
    assert d["loss"] == pytest.approx(np.logaddexp(0, -both[:8]).mean() + np.logaddexp(0, both[8:]).mean())
    assert e["loss"] == pytest.approx(np.logaddexp(0, -codes).mean())
    (latents,) = (x for net, x, _ in g["runs"] if net is game.G)
    (real,) = (x for net, x, _ in g["runs"] if net is game.E)
    assert g["loss"] == pytest.approx(((game.G(latents, train=False)[0] - real) ** 2).mean())


def test_d_is_told_labels_and_gets_draws_from_the_parts_that_they_say() -> None:
    game = small(labelled=8, prior=Ring(4, width=0.01, length=0.1), given=5)
    d, e, _ = passes(game, Y)
    ((both, rows),) = ((x, given) for net, x, given in d["runs"] if net is game.D)
    told = rows[:8]
    np.testing.assert_array_equal(told, rows[8:])  # draws and codes are told alike
    known = told[:, 4] == 0
    assert 0 < known.sum() < 8
    np.testing.assert_array_equal(told.sum(axis=1), 1)
    np.testing.assert_array_equal(game.noise_prior.part_of(both[:8])[known], told[known, :4].argmax(axis=1))
    ((_, given),) = ((x, given) for net, x, given in e["runs"] if net is game.D)
    np.testing.assert_array_equal(given, told)
    (images, all_rows) = game.sources(X, Y)["real"]
    assert (all_rows[:, 4] == 0).sum() == 8
    where = all_rows[:, 4] == 0
    np.testing.assert_array_equal(all_rows[where, :4].argmax(axis=1), Y[where])
    assert len(images) == 40


def test_e_learns_so_many_labels_and_no_others() -> None:
    """Wrong labels elsewhere change nothing."""
    game = small(k=4, labelled=8)
    images, rows = game.sources(X, Y)["labelled"]
    wrong = (Y + 1) % 4
    chosen = [int(np.flatnonzero((image == X).all(axis=1))[0]) for image in images]
    np.testing.assert_array_equal(rows.argmax(axis=1), Y[chosen])
    assert np.bincount(Y[chosen]).tolist() == [2] * 4
    assert len(game.feed(X, 6, wrong)(game.e, "labelled")[0]) == 6
    assert len(small(k=4, labelled=8, told=None).feed(X, 20, Y)(game.e, "labelled")[0]) == 8


def test_virtual_adversarial_training_is_of_categories_alone() -> None:
    """The gradient that it adds to what makes z is 0 in E's last layer."""
    game = small(k=3, vat=VAT(5.0, epsilon=0.5))
    plain = small(k=3)
    last = [name for name in game.E.parameters if name.endswith("weight")][-1]
    grads = []
    for g in (game, plain):
        seen: list[Array] = []
        g.tries = lambda up, g=g, seen=seen: seen.append(g.E.parameters[last].grad.copy()) if up.player is g.e else None
        g.turn(g.feed(X, 8))
        grads.append(seen[0])
    np.testing.assert_array_equal(grads[0][:2], grads[1][:2])
    assert (grads[0][2:] != grads[1][2:]).any()


def test_d_can_begin_alone() -> None:
    game = small()
    before = state(game)
    game.fit(X, 0, batch=8, d_pretrain=3)
    after = state(game)
    assert (game.d.updates.value, game.steps) == (3, 0)
    changed = {name.partition(".")[0] for name in before if not np.array_equal(before[name], after[name])}
    assert changed == {"D"}
    twin = small(labelled=8, prior=Ring(4), given=5)
    twin.fit(X, 1, batch=8, labels=Y, d_pretrain=2)
    assert (twin.d.updates.value, twin.steps) == (3, 1)


# --- what it says ----------------------------------------------------------------------------------------------


def test_averages_encode_and_generate() -> None:
    game = small(k=3, average=0.5)
    game.fit(X, 4, batch=8)
    E, G = (game.average_of(net) for net in (game.E, game.G))
    assert E is not game.E
    np.testing.assert_allclose(game.said(X), E(X, train=False)[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(game.said(X, averaged=False), game.E(X, train=False)[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(game.classify(X), softmax(game.said(X)[:, 2:], np), rtol=1e-5)
    np.testing.assert_array_equal(game.encode(X), game.said(X)[:, :2])
    z = game.latents(5)
    np.testing.assert_allclose(game.generate(z), G(z, train=False)[0], rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="says nothing of categories"):
        small().classify(X)


def test_a_label_asks_for_a_category_or_for_a_part_of_the_prior() -> None:
    z = small(k=3).latents(6, label=2)
    np.testing.assert_array_equal(z[:, 2:], np.tile([0, 0, 1], (6, 1)))
    game = small(labelled=8, prior=SwissRoll(4, width=0.01), given=5)
    np.testing.assert_array_equal(game.noise_prior.part_of(game.latents(6, label=3)), 3)
    np.testing.assert_array_equal(game.in_turn(6), [0, 1, 2, 3, 0, 1])
    np.testing.assert_array_equal(game.latents(6, label=[0, 1, 2, 3, 0, 1])[:4], game.latents(4, label=[0, 1, 2, 3]))
    with pytest.raises(ValueError, match="unknown what one can ask for 'c1'"):
        game.latents(6, label=3, ask={"c1": 1.0})
    assert game.classes == 4
    assert game.classify(X).shape == (40, 4)
    with pytest.raises(ValueError, match="G cannot be asked for a label"):
        small().latents(6, label=0)


def net(n_in: int, n_out: int, seed: int = 0) -> Sequential:
    return Sequential(Dense(n_in, n_out), seed=seed)


BAD: dict[str, tuple[Any, str]] = {
    "D_y without categories": (lambda: AAE(net(5, 2), net(2, 5), net(2, 1), net(3, 1)), "a D_y is for categories"),
    "categories without D_y": (lambda: AAE(net(5, 5), net(5, 5), net(2, 1), categories=3), "a D_y is for categories"),
    "E says too little": (lambda: AAE(net(5, 1), net(2, 5), net(2, 1)), r"E must end in 2 numbers, \(N, 2\)"),
    "E of other samples": (lambda: AAE(net(4, 2), net(2, 5), net(2, 1)), r"E cannot take \(5,\)"),
    "two logits": (lambda: AAE(net(5, 2), net(2, 5), net(2, 2)), r"D must end in 1 numbers, \(N, 1\)"),
    "D is not told": (lambda: small(labelled=8, prior=Ring(4)), "D cannot take .*, with 5 more numbers"),
    "a prior without parts": (lambda: small(labelled=8, given=2), "needs a prior with a part for each class"),
    "a prior of other dimensions": (
        lambda: AAE(net(5, 3), net(3, 5), net(3, 1), prior="ring"), "has 2 dimensions, but latents have 3",
    ),
    "an objective of pairs": (lambda: small(objective="relativistic"), "codes have no such opponents"),
    "no labels": (lambda: small(k=4, labelled=8).fit(X, 1), "has no labels; 8 are to be learned"),
    "odd labels": (lambda: small(k=4, labelled=9).fit(X, 1, labels=Y), "not the same number of each of 4 classes"),
    "VAT of nothing": (lambda: small(vat=VAT()), "is for an E that says something of categories"),
    "penalties that are none": (lambda: small(penalties=["R1"]), "penalties must be objects"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_what_does_not_fit_is_refused(what: str) -> None:
    call, words = BAD[what]
    with pytest.raises((ValueError, TypeError), match=words):
        call()


def test_the_encoder_is_deeper_where_each_class_has_a_place() -> None:
    def depth(**options: Any) -> int:
        game = minigan.recipes.aae.build((4, 4), width=6, **options)
        return sum(isinstance(layer, Dense) for layer in game.E.layers) - 1

    assert depth(prior="ring", labelled=10) == 5
    assert depth(prior="ring") == depth(categories="classes", labelled=10) == 2
    assert depth(prior="ring", labelled=10, e_depth=3) == 3
    with pytest.raises(ValueError, match="e_depth"):
        depth(e_depth=0)


def test_the_order_of_samples_tells_a_fresh_d_nothing() -> None:
    """Of two sets that are one distribution, rows in even places being its one half in the first, the other in the
    second: who learns from even rows alone is wrong about all others."""
    rng = np.random.default_rng(0)
    side = np.where(np.arange(600) % 2, 3.0, -3.0)[:, None]
    one, other = (rng.normal(0, 1, (600, 2)) + sign * side for sign in (1, -1))
    assert abs(told_apart(one, other, steps=100, width=16) - 0.5) < 0.08


# --- pictures --------------------------------------------------------------------------------------------------


def test_codes_and_manifold_are_drawn_of_codes_in_the_plane(tmp_path: Path) -> None:
    data = minigan.datasets.load("digits")
    game = minigan.recipes.aae.build((28, 28), width=8)
    found = portraits(game, data)
    assert list(found) == ["codes.png", "manifold.png"]
    for name, draw in found.items():
        draw(tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    assert manifold(game, (28, 28)).shape[0] > 20 * 28
    assert portraits(minigan.recipes.aae.build((28, 28), latent=3), data) == {}
    assert portraits(minigan.recipes.aae.build((28, 28), categories=3), data) == {}


@pytest.mark.parametrize("prior", ["all", "ring"])
def test_the_study_finds_and_draws(prior: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minigan.theory.aae.told_apart", partial(told_apart, steps=5))
    found = minigan.theory.aae.experiment(0, minigan.get_backend("numpy"), str, prior=prior, steps=2)
    names = [finding.what for finding in found.findings()]
    assert names[-1] == f"{'swiss-roll' if prior == 'all' else prior}: in the part of their class"
    assert len(names) == {"all": 5, "ring": 2}[prior]
    figure = pictures.new_figure(found.size)
    found.draw(figure)
    assert len(figure.axes) == {"all": 6, "ring": 2}[prior]


# --- does it learn? --------------------------------------------------------------------------------------------


def test_codes_come_to_have_their_prior() -> None:
    """A fresh D tells the codes of a plain autoencoder from draws, and hardly these."""
    x = np.random.default_rng(0).uniform(-1, 1, (4000, 6)).astype(np.float32)
    apart = {}
    for adversarial in (False, True):
        E = Sequential(Dense(6, 64), LeakyReLU(), Dense(64, 64), LeakyReLU(), Dense(64, 2), seed=1)
        G = Sequential(Dense(2, 32), ReLU(), Dense(32, 6), Tanh(), seed=2)
        D = Sequential(Dense(2, 64), LeakyReLU(), Dense(64, 64), LeakyReLU(), Dense(64, 1), seed=3)
        rate = 1e-3 if adversarial else 1e-9
        game = AAE(
            E, G, D, prior=Ring(2, radius=2, length=0.6, width=0.6), optimizer=Adam(5e-4),
            d_optimizer=Adam(2e-3, beta1=0.5), e_optimizer=Adam(rate, beta1=0.5), penalties=[R1(0.1)], average=0.99,
        )  # fmt: skip
        game.fit(x, 1000 if adversarial else 200, batch=64)
        apart[adversarial] = told_apart(game.encode(x), game.latents(4000), steps=300, width=64)
    assert apart[False] > 0.75
    assert apart[True] < 0.62


def test_it_learns_digits_from_five_labels_a_class() -> None:
    """Of digits of 14 x 14 pixels; E on the labels alone is right in fewer."""
    data = minigan.datasets.load("digits")
    images = data.images.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)).astype(np.uint8)
    labels, unseen, right = np.asarray(data.labels), slice(8000, None), {}
    for weight in (0.0, 1.0):
        game = minigan.recipes.aae_few_labels.build(
            (14, 14), labelled=50, width=64, vat=weight, steps=300, average=0.99, told=50
        )
        game.fit(images[:2000], 300, batch=50, labels=labels[:2000])
        right[weight] = (game.classify(images[unseen]).argmax(axis=1) == labels[unseen]).mean()
    assert right[1.0] > right[0.0] + 0.01
    assert right[1.0] > 0.7


class _Judge:
    """As much of an evaluator as is looked at."""

    def __init__(self, images: Array, labels: Array) -> None:
        self.test = minigan.datasets.Dataset(images, labels, "test")
        self.classes = tuple(range(4))

    def labels_of(self, k: int) -> Array:
        return np.arange(k)


def test_figures_of_autoencoders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minigan.evaluation.autoencoders.told_apart", partial(told_apart, steps=20))
    images = np.random.default_rng(0).integers(0, 256, (40, 5, 1), dtype=np.uint8)
    judge: Any = _Judge(images, Y)
    game = small(k=3)
    found = evaluate_autoencoder(game, judge, "clusters")
    read = game.classify(images).argmax(axis=1)
    best = sum(np.bincount(Y[read == k], minlength=4).max() for k in range(3))
    assert found.many_to_one == pytest.approx(1 - best / 40)
    said = game.said(images)
    again = game.generate(np.concatenate([said[:, :2], softmax(said[:, 2:], np)], axis=1))
    real = minigan.datasets.to_float(images).reshape(40, 5)
    assert found.error == pytest.approx(((again - real) ** 2).mean(), rel=1e-5)
    assert 0 <= found.apart <= 1
    assert evaluate_autoencoder(small(), judge, "plane").many_to_one is None
    told = small(k=4, labelled=8)
    (row,) = evaluate_labels(told, judge, "few")
    assert row.errors == (told.classify(images).argmax(axis=1) != Y).sum()
    assert (row.labels, row.n) == (8, 40)
    assert_same({"a": found.n * np.ones(1)}, {"a": 40 * np.ones(1)})
