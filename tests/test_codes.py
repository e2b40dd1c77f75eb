"""What G is asked for beyond noise: codes by themselves, and games with them by the book."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import fake_cupy
import numpy as np
import pytest
from book import assert_step, code_value
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import Array, flat_of, pair

from minigan import (
    DRAGAN,
    GAN,
    R1,
    R2,
    SGD,
    Category,
    Conditional,
    Continuous,
    Dense,
    GradientPenalty,
    Label,
    LeakyReLU,
    Sequential,
    datasets,
)
from minigan.backend import Backend, FreshArena, Purpose, Stream, get_backend
from minigan.codes import Code, Codes
from minigan.spec import build

KINDS: dict[str, list[Code]] = {
    "given a label": [Label(3)],
    "predicts a label": [Label(3, predicted=True, weight=0.7)],
    "category": [Category(4)],
    "continuous": [Continuous(2, weight=0.3)],
    "category and continuous": [Category(3, weight=2.0), Continuous(1), Continuous(2, weight=0.1)],
    "given a label, and a category": [Label(2), Category(3)],
    "predicts a label, and continuous": [Label(2, predicted=True), Continuous(1)],
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def play(kind: str, backend: Backend | None = None, dtype: str = "float64", **options: Any) -> GAN:
    codes = KINDS[kind]
    critic = bool(options.get("penalties"))
    G, D = pair(backend, dtype, packing=options.get("packing", 1), critic=critic, codes=codes)
    return Conditional(G, D, codes=codes, **{"optimizer": SGD(0.1), "seed": 6} | options)


def data(n: int = 6, classes: int = 2) -> tuple[Array, Array]:
    rng = np.random.default_rng(8)
    return rng.standard_normal((n, 3)), rng.integers(0, classes, n)


# --- codes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [Category(5), Label(3, predicted=True), Continuous(3)], ids=str)
def test_codes_are_drawn_evenly(backend: Backend, code: Code) -> None:
    drawn = backend.to_numpy(code.draw(6000, np.dtype("float32"), FreshArena(backend), Stream(1, 2, 3)))
    assert drawn.shape == (6000, code.width)
    assert drawn.dtype == np.float32
    if isinstance(code, Category):
        assert set(np.unique(drawn)) == {0, 1}
        assert (drawn.sum(axis=1) == 1).all()
        np.testing.assert_allclose(drawn.mean(axis=0), 1 / code.k, atol=0.02)
    else:
        assert -1 <= drawn.min() < -0.99 < 0.99 < drawn.max() < 1
        np.testing.assert_allclose(drawn.mean(axis=0), 0, atol=0.03)
        np.testing.assert_allclose(np.cov(drawn.T), np.eye(3) / 3, atol=0.02)


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 5), weight=st.sampled_from([0.1, 1.0, 3.0]), large=st.booleans())
@pytest.mark.parametrize("kind", [Category, Continuous])
def test_losses_and_their_gradients(kind: type[Any], seed: int, n: int, weight: float, large: bool) -> None:
    rng, code = np.random.default_rng(seed), kind(3, weight=weight)
    asked = np.eye(3)[rng.integers(0, 3, n)] if kind is Category else rng.uniform(-1, 1, (n, 3))
    said = rng.standard_normal((n, 3)) * (500 if large else 1)
    wide = np.full((n, 5), np.nan)  # the gradient is a part of a larger one
    loss = code.loss(said, asked, wide[:, 1:4], np)
    assert float(loss) == pytest.approx(code_value(code, said, asked), rel=1e-12)
    if not large:
        h, direction = 1e-5, rng.standard_normal(said.shape)
        slope = (code_value(code, said + h * direction, asked) - code_value(code, said - h * direction, asked)) / 2 / h
        assert float((wide[:, 1:4] * direction).sum()) == pytest.approx(slope, rel=1e-6, abs=1e-9)
    assert np.isnan(wide[:, [0, 4]]).all()


@pytest.mark.parametrize(("values", "row"), [(2, [0, 0, 1]), ([2, 2], [0, 0, 1]), (np.uint8(0), [1, 0, 0])])
def test_a_category_of_a_person(values: Any, row: list[int]) -> None:
    assert Category(3).encode(values, 2).tolist() == [row, row]


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: Category(1), ValueError, "k must be an integer of 2 or more, got 1"),
        (lambda: Continuous(0), ValueError, "m must be an integer of 1 or more"),
        (lambda: Category(3, weight=0), ValueError, "Category needs a positive weight, got 0"),
        (lambda: Continuous(1, weight=float("inf")), ValueError, "Continuous needs a positive weight, got inf"),
        (lambda: Category(3).encode(3, 2), ValueError, r"Category\(3\) takes numbers from 0 to 2, got 3 to 3"),
        (lambda: Category(3).encode([-1, 0], 2), ValueError, "got -1 to 0"),
        (lambda: Category(3).encode([0.0, 1.0], 2), TypeError, r"a whole number, or 2 of them, got float64"),
        (lambda: Category(3).encode([0, 1, 2], 2), TypeError, r"of shape \(3,\)"),
        (lambda: Continuous(2).encode([1, 2, 3], 5), ValueError, r"takes 2 finite numbers.* got shape \(3,\)"),
        (lambda: Continuous(2).encode([1, float("nan")], 5), ValueError, "finite"),
        (lambda: Codes(Label(3)), TypeError, r"codes must be a list such as \[Label\(10\)\], got Label\(3\)"),  # type: ignore[arg-type]
        (lambda: Codes(["label"]), TypeError, "codes must be objects such as"),  # type: ignore[list-item]
        (lambda: Codes([Category(2), Label(3)]), ValueError, "a Label comes first among the codes"),
        (lambda: Codes([Label(3), Label(3)]), ValueError, "there is one at most"),
        (lambda: Codes([Continuous(2)]).category(), ValueError, "no Label and no Category"),
    ],
)
def test_what_no_code_can_be(make: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        make()


def test_codes_are_written_down_and_built_again() -> None:
    for codes in KINDS.values():
        assert build(json.loads(json.dumps([code.describe() for code in codes]))) == codes


# --- the game --------------------------------------------------------------------------------------------------

OPTIONS: dict[str, dict[str, Any]] = {
    "default": {},
    "three steps of D": {"d_steps": 3},
    "fakes used twice": {"reuse_fakes": True},
    "relativistic": {"objective": "relativistic"},
    "penalties": {"penalties": [GradientPenalty(), R1(2.0)]},
    "other penalties": {"penalties": [DRAGAN(), R2(2.0)]},
    "instance noise": {"instance_noise": 0.4},
    "Wasserstein, uniform": {"objective": "wasserstein", "prior": "uniform"},
}


@pytest.mark.parametrize("rule", OPTIONS)
@every_kind
def test_every_gradient_of_a_whole_step(kind: str, rule: str) -> None:
    options = OPTIONS[rule]
    gan, rng = play(kind, **options), np.random.default_rng(4)
    real, labels = data(4 * options.get("d_steps", 1))
    for _ in range(2):
        assert_step(gan, real, rng, labels=labels)


@pytest.mark.parametrize(
    "options", [{"packing": 2}, {"packing": 2, "reuse_fakes": True}, {"objective": "feature-matching"}], ids=str
)
def test_every_gradient_where_d_is_given_it(options: dict[str, Any]) -> None:
    gan, (real, labels) = play("given a label", **options), data(4)
    assert_step(gan, real, np.random.default_rng(4), labels=labels)


@every_kind
def test_a_piecewise_linear_critic_of_codes(kind: str) -> None:
    """Where samples and points share a pass, if nothing is given."""
    codes = KINDS[kind]
    known = Codes(codes)
    given = 0 if known.given is None else known.given.k
    G = Sequential(Dense(2 + known.width, 4), LeakyReLU(), Dense(4, 3), dtype="float64")
    D = Sequential(Dense(3 + given, 6), LeakyReLU(), Dense(6, 1 + known.outputs), dtype="float64", seed=1)
    gan, (real, labels) = (
        Conditional(G, D, codes=codes, penalties=[GradientPenalty(), R2()], optimizer=SGD(0.1)),
        data(4),
    )
    for _ in range(2):
        assert_step(gan, real, np.random.default_rng(4), labels=labels)


@every_kind
def test_the_same_steps_on_every_backend(kind: str, backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many steps in a row, as a graph where there are graphs; the last bit of the noise is the library's own."""
    if isinstance(backend.xp, fake_cupy.FakeCupy):
        fake_cupy.install(monkeypatch)
    real, labels = data(12)
    ours, theirs = play(kind, backend), play(kind)
    histories = [gan.fit(real, 5, 4, labels=labels) for gan in (ours, theirs)]
    for name in histories[0]:
        np.testing.assert_allclose(*(history[name] for history in histories), rtol=1e-5, atol=1e-6, err_msg=name)
    np.testing.assert_allclose(flat_of(ours.G), flat_of(theirs.G), rtol=1e-6, atol=1e-6)


@every_kind
def test_float32_stays_float32(kind: str) -> None:
    gan, (real, labels) = play(kind, dtype="float32"), data(4)
    metrics = gan.turn(gan.given(real.astype("float32"), labels))
    assert {np.asarray(value).dtype for value in metrics.values()} == {np.dtype("float32")}
    assert gan.sample(3).dtype == np.float32


def test_every_code_does_something() -> None:
    real, labels = data(4)

    def after(codes: list[Code], labels: Array) -> bytes:
        G, D = pair(dtype="float64", codes=codes)
        gan = Conditional(G, D, codes=codes, optimizer=SGD(0.1), latent=2)
        gan.step(real, labels)
        return flat_of(gan.G).tobytes() + flat_of(gan.D).tobytes()

    results = {after(codes, labels) for codes in KINDS.values()}
    results |= {after([Category(4, weight=2.0)], labels), after([Continuous(2)], labels), after([Label(3)], 1 - labels)}
    assert len(results) == len(KINDS) + 3
    assert after([Category(4)], labels) == after([Category(4)], 1 - labels)  # it knows of none


# --- asking ----------------------------------------------------------------------------------------------------


def test_samples_of_a_label_differ_in_the_label_alone() -> None:
    gan = play("given a label, and a category")
    z = gan.latents(5, seed=1)
    assert z.shape == (5, 2 + 2 + 3)
    asked = gan.latents(5, seed=1, label=[0, 1, 1, 0, 1])
    assert asked[:, 2:4].tolist() == [[1, 0], [0, 1], [0, 1], [1, 0], [0, 1]]
    assert np.array_equal(np.delete(asked, [2, 3], axis=1), np.delete(z, [2, 3], axis=1))
    assert np.array_equal(gan.sample(5, seed=1, label=[0, 1, 1, 0, 1]), gan.generate(asked))
    assert np.array_equal(gan.sample(5, seed=1), gan.generate(z))
    assert not np.array_equal(gan.sample(5, seed=1, label=0), gan.sample(5, seed=1, label=1))


def test_a_category_can_be_asked_for_and_a_gan_without_one_says_so() -> None:
    assert play("category").latents(3, label=2)[:, 2:].tolist() == [[0, 0, 1, 0]] * 3
    with pytest.raises(ValueError, match="its codes have no Label and no Category"):
        play("continuous").sample(3, label=2)


def test_what_d_reads() -> None:
    gan, (real, _) = play("category and continuous"), data()
    category, one, two = gan.predict(real)
    assert [a.shape for a in (category, one, two)] == [(6, 3), (6, 1), (6, 2)]
    np.testing.assert_allclose(category.sum(axis=1), 1)
    outputs, _ = gan.D(real, train=False)
    np.testing.assert_allclose(category, np.exp(outputs[:, 1:4]) / np.exp(outputs[:, 1:4]).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(np.concatenate([one, two], axis=1), outputs[:, 4:])
    np.testing.assert_allclose(gan.score(real), outputs[:, 0])
    assert play("given a label").predict(real, [0] * 6) == []


def test_d_is_given_the_label_with_each_sample() -> None:
    gan, (real, labels) = play("given a label"), data()
    given = np.concatenate([real, np.eye(3)[labels]], axis=1)
    np.testing.assert_allclose(gan.score(real, labels), gan.D(given, train=False)[0][:, 0])
    np.testing.assert_allclose(gan.probability(real, labels), 1 / (1 + np.exp(-gan.score(real, labels))))
    with pytest.raises(ValueError, match=r"the codes have Label\(3\), so labels are needed"):
        gan.score(real)


def test_labels_are_asked_for_where_they_are_missing_or_wrong() -> None:
    gan, (real, labels) = play("given a label"), data()
    with pytest.raises(ValueError, match="labels are needed: integers, one for each of 6 samples"):
        gan.step(real)
    with pytest.raises(
        ValueError, match=r"the data has no labels, which Label\(3\) needs: .* one for each of 6 images"
    ):
        gan.fit(real, 1, 2)
    with pytest.raises(ValueError, match=r"takes numbers from 0 to 2, got 0 to 9: give it a larger k .*--classes"):
        gan.fit(datasets.load("digits").images.reshape(10000, -1)[:, :3], 1, 4, labels=datasets.load("digits").labels)
    with pytest.raises(TypeError, match=r"or 6 of them, got int64 of shape \(4,\)"):
        gan.step(real, labels[:4])
    play("category").step(real)


def test_the_labels_of_a_data_set_go_with_its_images() -> None:
    """Each label reaches D with its own image: of samples that are their label, the two agree."""
    labels = np.arange(20) % 3
    images = np.eye(3, dtype="float32")[labels]
    gan, seen = play("given a label", dtype="float32"), []
    update = gan.update_discriminator

    def watch(real: Array, labels: Any = None, fakes: Any = None) -> Any:
        seen.append(np.array_equal(real, labels))
        return update(real, labels, fakes)

    gan.update_discriminator = watch  # type: ignore[method-assign]

    class Data:
        pass

    named = Data()
    named.images, named.labels = images, labels  # type: ignore[attr-defined]
    gan.fit(named, 12, 4, d_pretrain=3)
    assert seen == [True] * 15


def test_a_game_with_codes_is_saved_and_loaded(tmp_path: Path) -> None:
    for kind in KINDS:
        gan, (real, labels) = play(kind), data()
        gan.fit(real, 2, 4, labels=labels)
        gan.save(tmp_path / "gan.npz")
        twin = GAN.load(tmp_path / "gan.npz")
        assert twin.codes == KINDS[kind]
        for player in (gan, twin):
            player.fit(real, 2, 4, labels=labels)
        assert np.array_equal(gan.sample(3), twin.sample(3))


@pytest.mark.parametrize(
    ("codes", "options", "words"),
    [
        ([Category(3)], {"packing": 2}, "a pack of 2 samples has no one code"),
        ([Category(3)], {"objective": "feature-matching"}, "looks at a hidden layer of D, but"),
        (
            [Label(3)],
            {"latent": 4},
            "latent=4 contradicts .* takes 2 numbers beside 3 for the codes",
        ),
    ],
)
def test_games_that_cannot_be(codes: list[Code], options: dict[str, Any], words: str) -> None:
    G, D = pair(dtype="float64", codes=codes, packing=options.get("packing", 1))
    with pytest.raises(ValueError, match=words):
        Conditional(G, D, codes=codes, **options)


def test_networks_that_do_not_fit_the_codes() -> None:
    G, D = pair(dtype="float64")
    with pytest.raises(ValueError, match="2 numbers, and 2 are for the codes: no noise is left"):
        Conditional(G, D, codes=[Category(2)])
    with pytest.raises(ValueError, match=r"one logit per sample and 2 outputs for the codes, shape \(N, 3\)"):
        Conditional(pair(dtype="float64", codes=[Category(2)])[0], D, codes=[Category(2)])
    with pytest.raises(ValueError, match="with 2 more numbers for the label"):
        Conditional(pair(dtype="float64", codes=[Label(2)])[0], D, codes=[Label(2)])


def test_the_condition_is_no_input_to_differentiate() -> None:
    net, condition = Sequential(Dense(5, 4), LeakyReLU(), Dense(4, 2), dtype="float64"), np.ones((6, 2))
    x = np.random.default_rng(0).standard_normal((6, 3))
    y, back = net(x, condition=condition)
    np.testing.assert_allclose(y, net(np.concatenate([x, condition], axis=1))[0])
    assert back(np.ones_like(y)).shape == (6, 3)
    images = np.random.default_rng(0).standard_normal((2, 4, 4, 1))
    channels = Sequential(LeakyReLU(), dtype="float64")(images, condition=np.array([[1.0, 2], [3, 4]]))[0]
    assert channels.shape == (2, 4, 4, 3)
    assert (channels[1, :, :, 1] == 3).all()
    assert (channels[1, :, :, 2] == 4).all()
    with pytest.raises(ValueError, match="expected 6 rows of numbers with samples"):
        net(x, condition=condition[:5])


def test_the_purpose_of_each_number_is_its_own() -> None:
    """No code shares its random numbers with the noise or with another."""
    gan = play("category and continuous")
    z = gan.draw_latents(1000, Stream(1, Purpose.LATENT_D), FreshArena(get_backend("numpy")))
    correlation = np.corrcoef(z[:, 2:].T) - np.eye(6)
    assert abs(correlation[3:, 3:]).max() < 0.1
    assert abs(np.corrcoef(z.T)[:2, 2:]).max() < 0.1
