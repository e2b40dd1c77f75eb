"""The game: who moves when, what is random, what is saved, what is refused, and that it learns."""

from __future__ import annotations

import json
import math
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from book import penalty_points, penalty_value, record
from family import OF_THEIR_OWN, data_for, made
from hypothesis import given
from hypothesis import strategies as st
from networks import Array, evaluate, flat_of, input_gradient, narrowed, pair, same
from together import together

import minigan
from minigan import (
    DRAGAN,
    GAN,
    R1,
    R2,
    SGD,
    Adam,
    BatchNorm,
    Category,
    Conditional,
    Continuous,
    Dense,
    Dropout,
    GaussianNoise,
    GradientPenalty,
    Label,
    LeakyReLU,
    Minimax,
    NonFiniteError,
    NonSaturating,
    OptimisticAdam,
    RMSprop,
    Sequential,
    SpectralNorm,
    Tanh,
    Tutorial,
    archive,
    get_backend,
    gradcheck_game,
)
from minigan.backend import Backend, Purpose, Stream, absent
from minigan.game import Game, Play, Update, saved
from minigan.gan import METRICS
from minigan.objectives import NAMED, get_objective
from minigan.optim import Linear
from minigan.recipes import RECIPES, classic, get_recipe, wgan_gp
from minigan.recipes import gan as gan_recipe

RULES: dict[str, dict[str, Any]] = {
    "default": {},
    "tutorial": {"tutorial": True},
    "reused fakes": {"reuse_fakes": True},
    "uniform prior": {"prior": "uniform"},
    "three steps of D": {"d_steps": 3},
    "minimax": {"objective": "minimax"},
    "smoothing": {"objective": NonSaturating(0.8)},
    "RMSprop": {"optimizer": RMSprop(1e-3)},
    "SGD for D": {"d_optimizer": SGD(1e-2, momentum=0.5)},
    "seed": {"seed": 5},
    "least squares": {"objective": "least-squares"},
    "Wasserstein": {"objective": "wasserstein"},
    "hinge": {"objective": "hinge"},
    "relativistic": {"objective": "relativistic"},
    "feature matching": {"objective": "feature-matching"},
    "gradient penalty": {"objective": "wasserstein", "penalties": [GradientPenalty()]},
    "R1 and R2": {"objective": "relativistic", "penalties": [R1(1.0), R2(1.0)]},
    "DRAGAN": {"penalties": [DRAGAN()]},
    "clipping": {"clip": 0.7},
    "noise": {"instance_noise": 0.3},
    "fading noise": {"instance_noise": Linear(0.5, 0.0, 4)},
    "packs": {"packing": 2},
    "average": {"average": 0.9},
    "optimism": {"optimizer": OptimisticAdam(1e-2, beta1=0.5)},
}
every_rule = pytest.mark.parametrize("rule", RULES)


def play(rule: str = "default", dtype: str = "float32", backend: Backend | None = None, **more: Any) -> GAN:
    options = {"optimizer": Adam(1e-2, beta1=0.5)} | RULES[rule] | more
    critic = options.pop("critic", bool(options.get("penalties")))
    packing, codes = 2 if options.get("packing") == 2 else 1, options.get("codes", ())
    kind = Tutorial if options.pop("tutorial", False) else Conditional if options.get("codes") else GAN
    return kind(*pair(backend, dtype, packing=packing, critic=critic, codes=codes), **options)


def data(n: int = 24, seed: int = 0, dtype: str = "float32") -> Array:
    return np.random.default_rng(seed).uniform(-1, 1, (n, 3)).astype(dtype)


def everything(gan: GAN) -> list[Array]:
    """All that a GAN remembers."""
    parts = [part.state_dict() for part in saved.parts(gan).values()]
    return [array for part in parts for array in part.values()] + [np.array([gan.steps, gan.d_updates])]


def moves(name: str) -> bool:
    """A bias before a batchnorm does nothing, and may stay where it is."""
    return name.endswith(("weight", "running_mean", "running_var"))


# --- gradients -------------------------------------------------------------------------------------------------

CODES = [
    [Label(3)], [Label(3, predicted=True, weight=0.7)], [Category(3)], [Label(2, predicted=True), Continuous(1)],
    [Label(2), Category(3)],
]  # fmt: skip


@every_rule
def test_every_gradient_of_a_turn(rule: str) -> None:
    assert max(gradcheck_game(play(rule), data(), 8, directions=1).values()) < 1e-6


@pytest.mark.parametrize("rule", ["default", "reused fakes", "relativistic", "R1 and R2"])
@pytest.mark.parametrize("codes", CODES, ids=str)
def test_every_gradient_of_a_turn_with_codes(codes: list[Any], rule: str) -> None:
    labels = np.arange(24) % codes[0].k if isinstance(codes[0], Label) else None
    errors = gradcheck_game(play(rule, codes=codes), data(), 8, labels=labels, directions=1)
    assert max(errors.values()) < 1e-6


# --- several processes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("codes", [[], [Label(3)], [Label(2, predicted=True), Continuous(1)]], ids=str)
@every_rule
def test_any_number_of_processes_plays_the_same_game(rule: str, codes: list[Any], size: int) -> None:
    if codes and (RULES[rule].keys() & {"tutorial", "packing"} or rule == "feature matching"):
        pytest.skip("no codes there")
    adaptive = bool(RULES[rule].keys() & {"optimizer"})  # a gradient that is nothing but rounding moves as far as any
    tolerance = 1e-6 if adaptive else 1e-12

    def played(be: Backend) -> tuple[list[Array], dict[str, Array]]:
        rules = {} if adaptive else {"optimizer": SGD(1e-2)}
        gan = play(rule, "float64", be, **rules, **({"codes": codes} if codes else {}))
        labels = np.arange(24) % codes[0].k if codes else None
        history = gan.fit(data(), 5, 12, labels=labels, d_pretrain=2)
        return everything(gan), history

    (whole, history), others = played(Backend()), together(size, played)
    for learned, metrics in others:
        for ours, theirs, first in zip(learned, whole, others[0][0], strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)
            np.testing.assert_array_equal(ours, first)
        for name in metrics:
            np.testing.assert_allclose(metrics[name], history[name], rtol=1e-6, atol=1e-6)


# --- who moves -------------------------------------------------------------------------------------------------


@every_rule
def test_each_player_moves_in_its_own_update_only(rule: str) -> None:
    """G is bit for bit untouched by D's update, running statistics and all; D's parameters by G's."""
    gan = play(rule)
    gan.step(data(4 * gan.d_steps))
    G, D, g_opt = gan.G.state_dict(), gan.D.state_dict(), gan.g_opt.state_dict()
    gan.update_discriminator(data(4))
    assert same(list(gan.G.state_dict().values()), list(G.values()))
    assert same(list(gan.g_opt.state_dict().values()), list(g_opt.values()))
    assert not any(np.array_equal(gan.D.state_dict()[name], D[name]) for name in D if moves(name))
    D, d_opt = gan.D.state_dict(), gan.d_opt.state_dict()
    gan.update_generator(4, real=data(4))
    assert same(list(gan.D.state_dict().values()), list(D.values()))
    assert same(list(gan.d_opt.state_dict().values()), list(d_opt.values()))
    assert not any(np.array_equal(gan.G.state_dict()[name], G[name]) for name in G if moves(name))


@every_rule
def test_d_gets_no_gradient_in_the_update_of_g(rule: str) -> None:
    gan = play(rule)
    gan.step(data(4 * gan.d_steps))
    before = gan.D.grad_dict()
    gan.update_generator(4, real=data(4))
    assert same(list(gan.D.grad_dict().values()), list(before.values()))


@pytest.mark.parametrize("rule", ["default", "tutorial", "reused fakes"])
def test_running_statistics_move_once_an_update_on_the_documented_batch(rule: str) -> None:
    """D's on real samples; G's on the fakes of its own update."""
    lr = 1e-30  # no parameter moves, so that every pass can be made again
    gan = play(rule, dtype="float64", optimizer=SGD(lr))
    real, G, D = data(4, dtype="float64"), gan.G.state_dict(), gan.D.state_dict()
    gan.step(real)

    def expect(net: Sequential, before: dict[str, Array], x: Array, stream: Stream) -> None:
        seen: dict[str, tuple[Array, Array]] = {}
        evaluate(net, flat_of(net), x, True, stream, seen=seen)
        assert seen
        for place, (mean, var) in seen.items():
            for name, batch in ((f"{place}.running_mean", mean), (f"{place}.running_var", var)):
                np.testing.assert_allclose(net.state_dict()[name], 0.8 * before[name] + 0.2 * batch, rtol=1e-9)

    z = np.empty((8 if rule == "tutorial" else 4, 2))
    gan.backend.normal(z, Stream(0, Purpose.LATENT_G, 0))
    expect(gan.G, G, z, Stream(0, Purpose.G_FOR_G, 0))
    expect(gan.D, D, real, Stream(0, Purpose.D_REAL, 0))


@pytest.mark.parametrize("rule", ["default", "tutorial", "reused fakes", "relativistic", "R1 and R2"])
def test_a_spectral_norm_moves_once_an_update_however_often_d_is_asked(rule: str) -> None:
    gan = play(rule, dtype="float64", critic=True, optimizer=SGD(1e-30))
    twin = Sequential.build(gan.D.describe(), gan.backend, gan.D.state_dict())
    for _ in range(2):
        gan.step(data(4, dtype="float64"))
        twin(data(4, dtype="float64"))
        assert twin.buffers.keys() == gan.D.buffers.keys()
        for name, buffer in twin.buffers.items():
            np.testing.assert_allclose(gan.D.buffers[name], buffer, rtol=1e-12, err_msg=name)


def test_counters_and_metrics() -> None:
    gan = play("three steps of D")
    for i in range(1, 4):
        metrics = gan.step(data(12))
        assert (gan.steps, gan.d_updates, gan.g_opt.t, gan.d_opt.t) == (i, 3 * i, i, 3 * i)
        assert tuple(metrics) == METRICS
        assert all(type(value) is float for value in metrics.values())
        assert all(0 <= metrics[name] <= 1 for name in METRICS if name.startswith(("d_acc", "d_real", "d_fake")))
    tutorial = play("tutorial", d_steps=3)
    for i in range(1, 4):
        assert tuple(tutorial.step(data(12))) == METRICS
        assert (tutorial.steps, tutorial.d_updates, tutorial.g_opt.t, tutorial.d_opt.t) == (i, 3 * i, i, 6 * i)


def test_metrics_tell_what_d_says() -> None:
    """A D that is right about everything, then one that takes all for real."""
    D = Sequential(Dense(1, 1))
    G = Sequential(Dense(1, 1))
    G.load_state_dict({"0.weight": np.zeros((1, 1)), "0.bias": np.array([-1.0])})
    for bias, right in ((0.0, 1.0), (200.0, 0.0)):
        D.load_state_dict({"0.weight": np.array([[100.0]]), "0.bias": np.array([bias])})
        metrics = GAN(G, D, optimizer=SGD(1e-9)).step(np.ones((4, 1), "float32"))
        assert metrics["d_accuracy_real"] == pytest.approx(1)
        assert metrics["d_accuracy_fake"] == pytest.approx(right)
        assert metrics["d_real"] == pytest.approx(1)
        assert metrics["d_fake"] == pytest.approx(1 - right)
        assert metrics["d_loss"] == pytest.approx(100 * (1 - right), rel=1e-6, abs=1e-6)


def test_metrics_are_taken_before_the_parameters_move() -> None:
    still, moving = play(optimizer=SGD(1e-30)), play(d_optimizer=SGD(0.5))
    for name in METRICS:
        if name.startswith("d_"):
            assert moving.step(data(4))[name] == still.step(data(4))[name]
            still, moving = play(optimizer=SGD(1e-30)), play(d_optimizer=SGD(0.5))


@pytest.mark.parametrize("samples", [(3,), (1, 3), (3, 1, 1)])
def test_samples_of_any_shape(samples: tuple[int, ...]) -> None:
    G = Sequential(Dense(2, 3), minigan.Reshape(*samples))
    D = Sequential(minigan.Flatten(), Dense(3, 1))
    gan = GAN(G, D)
    assert gan.sample_shape == samples
    gan.step(data(4))  # flat samples take G's shape
    gan.fit(data(4).reshape(4, *samples), steps=1, batch=2)
    assert gan.sample(5).shape == (5, *samples)
    assert gan.probability(data(4)).shape == (4,)


# --- randomness ------------------------------------------------------------------------------------------------


@every_rule
def test_the_same_seed_gives_the_same_bits(rule: str) -> None:
    one, two, other = play(rule), play(rule), play(rule, seed=99)
    for gan in (one, two, other):
        gan.fit(data(), steps=3, batch=4)
    assert same(everything(one), everything(two))
    assert not np.array_equal(one.G.flat, other.G.flat)
    assert not np.array_equal(one.D.flat, other.D.flat)


@every_rule
def test_no_two_draws_of_a_game_share_their_numbers(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Latents, dropout masks and noise: each is asked for once, for one seed, purpose, step and layer."""
    gan, asked = play(rule), []
    for name in ("normal", "uniform"):
        draw = getattr(gan.backend, name)
        monkeypatch.setattr(
            gan.backend, name, lambda out, stream, draw=draw: (asked.append(stream), draw(out, stream))[1]
        )
    gan.fit(data(), steps=4, batch=4, d_pretrain=2)
    assert len(asked) > 20
    assert len(set(asked)) == len(asked)
    assert {stream.seed for stream in asked} == {gan.seed}


def test_calls_by_hand_do_not_disturb_the_game() -> None:
    one, two = play(), play()
    for _ in range(3):
        one.step(data(4))
        two.step(data(4))
        two.sample(3)
        two.probability(data(2))
        two.G(np.zeros((2, 2)), track=False)
    assert same(everything(one), everything(two))


def test_every_backend_plays_the_same_game(backend: Backend) -> None:
    gan, oracle = (play(dtype="float64", backend=be) for be in (backend, get_backend("reference")))
    for _ in range(3):
        ours, theirs = gan.step(data(4)), oracle.step(data(4))
        assert ours == pytest.approx(theirs, rel=1e-4, abs=1e-5)
    np.testing.assert_allclose(flat_of(gan.G), flat_of(oracle.G), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(gan.sample(5), oracle.sample(5), rtol=1e-4, atol=1e-4)


def test_backends_of_one_kind_can_meet() -> None:
    G = Sequential(Dense(2, 3), backend=get_backend("numpy"))
    D = Sequential(Dense(3, 1), backend=get_backend("numpy"))
    GAN(G, D).step(data(4))


@given(n=st.integers(1, 40), more=st.integers(1, 40), seed=st.integers(0, 2**40))
def test_the_first_samples_do_not_depend_on_their_number(n: int, more: int, seed: int) -> None:
    gan = play()
    few, many = gan.sample(n, seed), gan.sample(n + more, seed)
    assert few.shape == (n, 3)
    assert few.dtype == np.float32
    np.testing.assert_allclose(many[:n], few, rtol=1e-5, atol=1e-6)
    assert np.array_equal(gan.sample(n, seed), few)
    assert not np.allclose(gan.sample(n, seed + 1), few)


def test_many_samples_are_made_in_pieces_and_look_alike() -> None:
    gan = play()
    many = gan.sample(2100)
    assert many.shape == (2100, 3)
    np.testing.assert_allclose(many[:5], gan.sample(5), rtol=1e-5, atol=1e-6)
    assert len(np.unique(many, axis=0)) == 2100
    assert np.array_equal(gan.sample(4, seed=0), gan.sample(4))  # its own seed is the default


@pytest.mark.parametrize("prior", ["normal", "uniform"])
def test_latents_have_the_prior(prior: str) -> None:
    G = Sequential(Dense(2, 2, bias=False))
    G.load_state_dict({"0.weight": np.eye(2)})
    z = GAN(G, Sequential(Dense(2, 1)), prior=prior).sample(20_000)
    assert z.mean() == pytest.approx(0, abs=0.02)
    assert z.var() == pytest.approx(1 if prior == "normal" else 1 / 3, rel=0.03)
    assert (abs(z).max() <= 1) == (prior == "uniform")


@every_rule
def test_a_saved_gan_plays_on_bit_for_bit(rule: str, tmp_path: Path) -> None:
    gan, path = play(rule), tmp_path / "gan.npz"
    gan.fit(data(), steps=2, batch=4)
    gan.save(path, extra={"note": "π"})
    twin = GAN.load(path)
    assert twin.describe() == gan.describe()
    assert same(everything(twin), everything(gan))
    assert saved.read(path)[1]["extra"] == {"note": "π"}
    one, two = gan.fit(data(), steps=3, batch=4), twin.fit(data(), steps=3, batch=4)
    assert same(everything(twin), everything(gan))
    assert same(list(one.values()), list(two.values()))
    assert np.array_equal(gan.sample(7), twin.sample(7))
    straight = play(rule)
    straight.fit(data(), steps=5, batch=4)
    assert same(everything(straight), everything(gan))


def test_a_gan_can_be_loaded_on_another_backend(tmp_path: Path, backend: Backend) -> None:
    gan = play()
    gan.step(data(4))
    gan.save(tmp_path / "gan.npz")
    twin = GAN.load(tmp_path / "gan.npz", backend=backend)
    assert twin.backend is backend
    np.testing.assert_allclose(twin.sample(5), gan.sample(5), rtol=1e-4, atol=1e-5)


# --- rules -----------------------------------------------------------------------------------------------------


def result(**options: Any) -> bytes:
    gan = play(**options)
    gan.step(data(4 * gan.d_steps))
    return flat_of(gan.G).tobytes() + flat_of(gan.D).tobytes() + gan.sample(2).tobytes()


def test_every_option_does_something() -> None:
    """Each change of one option, from several starting points, changes what a step leaves behind."""
    of_another_d = {rule for rule, options in RULES.items() if "penalties" in options or "packing" in options}
    rules = set(RULES) - of_another_d - {"default"}
    rules -= {"hinge"}  # within its margins it is Wasserstein
    plain = {rule: result(rule=rule) for rule in (*rules, "default")}
    assert len(set(plain.values())) == len(plain)
    assert result(rule="hinge") == plain["Wasserstein"]
    for start in ("tutorial", "three steps of D", "minimax"):
        refused = {"relativistic", "feature matching", "reused fakes"} if start == "tutorial" else set()
        for rule in rules - refused - {start}:
            options = RULES[start] | RULES[rule]
            if not (start == "minimax" and rule == "tutorial"):  # which is the first start's pair
                assert result(**options) not in {result(**RULES[start]), plain["default"]}, (start, rule)


def test_every_penalty_does_something() -> None:
    sets: list[list[Any]] = [[], *([kind()] for kind in (GradientPenalty, R1, R2, DRAGAN)), [R1(), R2()]]
    sets += [[R1(2.0)], [GradientPenalty(2.0)], [GradientPenalty(), GradientPenalty()], [DRAGAN(spread=1.0)]]
    assert len({result(critic=True, penalties=penalties) for penalties in sets}) == len(sets)


@pytest.mark.parametrize("rule", ["default", "reused fakes", "R1 and R2"])
@pytest.mark.parametrize(
    ("kind", "apart"), [(Dropout, False), (partial(BatchNorm, 4), True), (minigan.MinibatchStdDev, True)],
    ids=["Dropout", "BatchNorm", "MinibatchStdDev"],
)  # fmt: skip
def test_d_sees_one_batch_unless_it_mixes_samples(kind: Callable[[], Any], apart: bool, rule: str) -> None:
    layer = kind()
    if isinstance(layer, BatchNorm) and "penalties" in RULES[rule]:
        pytest.skip("no penalty can be put on a D with batchnorm")
    D = Spy(Dense(3, 4), layer, Dense(5 if isinstance(layer, minigan.MinibatchStdDev) else 4, 1), dtype="float64")
    gan = GAN(Sequential(Dense(2, 3), dtype="float64"), D, **RULES[rule])
    assert D.mixes_samples == apart
    assert (gan.judging.room(4, (3,)) is None) == apart
    D.seen.clear()
    gan.update_discriminator(data(4, dtype="float64"))
    first, second = (*D.seen, (np.empty((0, 3)), None))[:2]
    assert first[1] == Stream(0, Purpose.D_REAL, 0)
    assert np.array_equal(first[0][:4], data(4, dtype="float64"))
    if apart:
        assert (len(first[0]), len(second[0]), second[1]) == (4, 4, Stream(0, Purpose.D_FAKE, 0))
    else:
        assert (len(first[0]), len(D.seen)) == (8, 1)


@pytest.mark.parametrize("rule", ["default", "least squares", "relativistic", "R1 and R2", "clipping"])
def test_one_batch_or_two_is_one_loss_where_samples_do_not_mix(rule: str) -> None:
    def after(apart: bool) -> tuple[Array, dict[str, Any]]:
        gan, D = watched(apart=apart, **RULES[rule])
        metrics = gan.update_discriminator(data(4, dtype="float64"))
        assert len(D.seen[0][0]) == (4 if apart else 8)
        return D.flat_grad.copy(), {name: float(value) for name, value in metrics.items()}

    (one, metrics), (two, others) = after(False), after(True)
    np.testing.assert_allclose(one, two, rtol=1e-10, atol=1e-15)
    assert metrics == pytest.approx(others, rel=1e-10)


BAD: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "prior": ({"prior": "cauchy"}, ValueError, "prior must be one of normal, uniform, ring, swiss-roll, got 'cauchy'"),
    "no steps": ({"d_steps": 0}, ValueError, "d_steps must be an integer of 1 or more, got 0"),
    "half a step": ({"d_steps": 1.5}, ValueError, "d_steps must be an integer"),
    "latent": ({"latent": 5}, ValueError, r"latent=5 contradicts G's first layer, which takes 2"),
    "objective": ({"objective": "wgan"}, ValueError, "unknown objective 'wgan'"),
    "d_optimizer": ({"d_optimizer": Adam}, TypeError, r"rule of D must be one such as Adam\(2e-4\), got <class"),
    "optimizer": ({"optimizer": "adam"}, TypeError, r"rule of D must be one such as Adam\(2e-4\), got 'adam'"),
    "seed": ({"seed": "7"}, ValueError, "seed must be an integer"),
    "tutorial of pairs": ({"tutorial": True, "objective": "relativistic"}, ValueError, "compares real and fake"),
    "tutorial of features": ({"tutorial": True, "objective": "feature-matching"}, ValueError, "shows D apart"),
    "tutorial with penalties": ({"tutorial": True, "penalties": [R1()]}, TypeError, "penalties"),
    "tutorial with its own fakes": ({"tutorial": True, "reuse_fakes": True}, TypeError, "reuse_fakes"),
    "penalty": ({"penalties": ["R1"]}, TypeError, r"penalties must be objects such as R1\(10.0\), got 'R1'"),
    "one penalty": ({"penalties": R1()}, TypeError, r"penalties must be a list such as \[R1\(10.0\)\], got R1\(\)"),
    "no clip": ({"clip": 0}, ValueError, "clip must be positive, got 0"),
    "negative clip": ({"clip": -0.01}, ValueError, "clip must be positive"),
    "nan clip": ({"clip": math.nan}, ValueError, "clip must be positive"),
    "negative noise": ({"instance_noise": -0.1}, ValueError, "instance_noise must be 0 or more, got -0.1"),
    "endless noise": (
        {"instance_noise": math.inf},
        ValueError,
        "instance_noise must be 0 or more, got inf",
    ),
    "nan noise": ({"instance_noise": math.nan}, ValueError, "instance_noise must be 0 or more, got nan"),
    "empty packs": ({"packing": 0}, ValueError, "packing must be an integer of 1 or more, got 0"),
    "half a pack": ({"packing": 1.5}, ValueError, "packing must be an integer"),
    "average of nothing": ({"average": 1.0}, ValueError, r"average must be in \[0, 1\), got 1.0"),
    "negative average": ({"average": -0.5}, ValueError, r"average must be in \[0, 1\), got -0.5"),
    "nan average": ({"average": math.nan}, ValueError, r"average must be in \[0, 1\), got nan"),
}


@pytest.mark.parametrize("what", BAD)
def test_options_that_mean_nothing_or_contradict_are_refused(what: str) -> None:
    options, error, words = BAD[what]
    with pytest.raises(error, match=words):
        play(**options)


@pytest.mark.parametrize("why", ["separable", "compares"])
def test_an_objective_that_compares_samples_must_see_them_together(why: str) -> None:
    kind = type("Relative", (Minimax,), {"separable": why != "separable", "compares": why == "compares"})
    play(objective=kind())
    with pytest.raises(
        ValueError, match=r"^Relative\(\) compares real and fake samples, which this loop shows D apart"
    ):
        play("tutorial", objective=kind())


def test_networks_that_do_not_fit_are_refused_at_once() -> None:
    def net(*layers: Any, **options: Any) -> Sequential:
        return Sequential(*layers, **options)

    cases: list[tuple[Callable[[], Any], str]] = [
        (lambda: GAN(net(Dense(2, 3)), net(Dense(4, 1))), r"D cannot take G's samples of shape \(3,\): layer 0, Dense"),
        (lambda: GAN(net(Dense(2, 3)), net(Dense(3, 2))), r"one logit per sample, shape \(N, 1\); it gives \(N, 2\)"),
        (lambda: GAN(net(Dense(2, 3)), net(Dense(3, 1), dtype="float64")), "one dtype, got float32 and float64"),
        (lambda: GAN(net(Tanh(), Dense(2, 3)), net(Dense(3, 1))), r"size of the latent is unknown.*latent=\.\.\."),
        (lambda: GAN(net(), net(Dense(3, 1))), "size of the latent is unknown"),
        (
            lambda: GAN(net(Dense(2, 3)), net(Dense(3, 1)), packing=2),
            r"D cannot take G's samples of shape \(3,\), 2 packed as \(6,\): layer 0, Dense",
        ),
        (
            lambda: GAN(net(Dense(2, 3)), net(Dense(3, 1)), objective="feature-matching"),
            "a hidden layer before its last Dense",
        ),
    ]
    for make, words in cases:
        with pytest.raises(ValueError, match=words):
            make()
    assert GAN(net(Tanh(), Dense(2, 3)), net(Dense(3, 1)), latent=2).sample(2).shape == (2, 3)


def test_batches_that_do_not_fit_are_refused() -> None:
    gan = play("three steps of D")
    cases: list[tuple[Callable[[], Any], type[Exception], str]] = [
        (lambda: gan.step(data(4)), ValueError, "d_steps = 3 minibatches of one size, got 4 samples"),
        (lambda: gan.step(data(6)[:, :2]), ValueError, r"samples of shape \(3,\), 3 numbers each; .*\(2,\), 2"),
        (lambda: gan.step(data(0)), ValueError, "at least one sample"),
        (lambda: gan.step(np.zeros((6, 3), np.uint8)), TypeError, "floats, got uint8"),
        (lambda: gan.probability(np.zeros((6, 3), int)), TypeError, "floats, got int64"),
        (lambda: gan.sample(0), ValueError, "number of samples must be an integer of 1 or more, got 0"),
        (lambda: gan.fit(data(), steps=-1), ValueError, "steps"),
        (lambda: gan.fit(data(), steps=1, batch=0), ValueError, "batch"),
        (lambda: gan.fit(data(), steps=1, d_pretrain=-2), ValueError, "d_pretrain"),
        (lambda: gan.fit(data()[:, :2], steps=1), ValueError, r"\(3,\), 3 numbers each; .*\(2,\), 2 numbers"),
        (lambda: gan.fit(data()[0], steps=1), ValueError, r"images of shape \(N, ...\)"),
        (lambda: gan.fit(data(0), steps=1), ValueError, "N of 1 or more"),
        (lambda: gan.fit(np.zeros((4, 3), int), steps=1), TypeError, "uint8 or float array, got int64"),
        (lambda: gan.fit([[1.0, 2.0, 3.0]], steps=1), TypeError, "uint8 or float array, got list"),
        (lambda: play("tutorial").fit(data(), steps=1, batch=5), ValueError, "half of an even batch, got 5"),
        (lambda: play("packs").step(data(5)), ValueError, "D judges 2 samples at once; a batch of 5 is no multiple"),
        (lambda: play("packs").fit(data(), steps=1, batch=5), ValueError, "a batch of 5 is no multiple of that"),
        (lambda: play("packs").score(data(3)), ValueError, "a batch of 3 is no multiple of that"),
        (
            lambda: play("packs", tutorial=True).fit(data(), steps=1, batch=6),
            ValueError,
            "a batch of 3 is no multiple of that",
        ),
        (lambda: play("relativistic").update_generator(4), ValueError, r"as many real samples, got none"),
        (
            lambda: play("relativistic").update_generator(4, real=data(2)),
            ValueError,
            r"compares fakes \(4, 1\) with as many real samples, got those of shape \(2, 1\)",
        ),
    ]
    before = everything(gan)
    for call, error, words in cases:
        with pytest.raises(error, match=words):
            call()
    assert same(everything(gan), before)


@pytest.mark.parametrize("critic", [True, False], ids=["one batch", "two"])
@pytest.mark.parametrize("rule", ["default", "tutorial", "reused fakes"])
def test_a_step_takes_what_a_network_takes(rule: str, critic: bool) -> None:
    """Lists, float64 and any layout; and nothing that would have to be guessed."""
    one = play(rule, critic=critic)
    expected = one.step(data(4))
    wide = np.repeat(data(4), 2, axis=0)[::2]
    for real in (data(4).tolist(), data(4).astype("float64"), np.asfortranarray(data(4)), wide):
        assert play(rule, critic=critic).step(real) == pytest.approx(expected, rel=1e-6)
    with pytest.raises(TypeError, match="floats, got uint8"):
        play(rule, critic=critic).step(np.full((4, 3), 255, np.uint8))


def test_probability_takes_any_number_of_samples_and_is_ds_opinion() -> None:
    gan = play("three steps of D")
    x = data(7)
    logits, _ = gan.D(x, train=False)
    np.testing.assert_allclose(gan.probability(x), 1 / (1 + np.exp(-logits[:, 0].astype("float64"))), rtol=1e-5)
    assert gan.probability(x[:1]).shape == (1,)


# --- what D is shown -------------------------------------------------------------------------------------------


class Spy(Sequential):
    """A D that remembers what it was shown: (samples, stream). apart: it says that it mixes samples, and does not."""

    def __init__(self, *layers: Any, apart: bool = False, **options: Any) -> None:
        self.seen: list[tuple[Array, Stream]] = []
        self.apart = apart
        super().__init__(*layers, **options)

    @property
    def mixes_samples(self) -> bool:
        return self.apart or super().mixes_samples

    def __call__(self, x: Array, *args: Any, **kwargs: Any) -> Any:
        self.seen.append((np.array(x), kwargs.get("stream")))
        return super().__call__(x, *args, **kwargs)


def watched(
    G: Sequential | None = None, packing: int = 1, samples: int = 3, apart: bool = False, **options: Any
) -> tuple[GAN, Spy]:
    """A GAN in float64 whose D, which has no layers of chance, is spied on. apart: as of `Spy`."""
    G = G or Sequential(Dense(2, samples), dtype="float64", seed=1)
    D = Spy(minigan.Flatten(), Dense(packing * samples, 4), Tanh(), Dense(4, 1), dtype="float64", seed=2, apart=apart)
    gan = (Tutorial if options.pop("tutorial", False) else GAN)(G, D, packing=packing, **options)
    D.seen.clear()
    return gan, D


@pytest.mark.parametrize("apart", [False, True])
def test_d_judges_packs_of_consecutive_samples(apart: bool) -> None:
    gan, D = watched(packing=2, apart=apart, objective="relativistic")
    real = data(6, dtype="float64")
    gan.step(real)
    packed = np.array([[*real[0], *real[1]], [*real[2], *real[3]], [*real[4], *real[5]]])
    *judged, for_g, rivals = (x for x, _ in D.seen)
    on_real, on_fake = judged if apart else (judged[0][:3], judged[0][3:])
    assert len(judged) == 1 + apart
    assert np.array_equal(on_real, packed)
    assert np.array_equal(rivals, packed)
    for purpose, shown in ((Purpose.LATENT_D, on_fake), (Purpose.LATENT_G, for_g)):
        z = np.empty((6, 2))
        gan.backend.normal(z, Stream(0, purpose, 0))
        assert shown.shape == (3, 6)
        if purpose == Purpose.LATENT_D:  # G has moved since the other
            np.testing.assert_allclose(shown.reshape(6, 3), evaluate_initial(gan, z), rtol=1e-12)
    D.seen.clear()
    assert gan.score(real).shape == (3,)
    assert np.array_equal(D.seen[0][0], packed)


def evaluate_initial(gan: GAN, z: Array) -> Array:
    """What the G of `watched` made before it moved."""
    return Sequential(Dense(2, 3), dtype="float64", seed=1)(z)[0]


def test_packs_of_images_are_joined_along_their_first_axis() -> None:
    G = Sequential(Dense(2, 6), minigan.Reshape(3, 2), dtype="float64")
    gan, D = watched(G, packing=2, samples=6)
    real = np.arange(24, dtype="float64").reshape(4, 3, 2) / 24
    gan.step(real)
    shown = D.seen[0][0]
    assert shown.shape == (4, 6, 2)
    assert np.array_equal(shown[0], np.concatenate([real[0], real[1]]))


def test_packs_give_away_a_g_that_repeats_itself() -> None:
    """Real samples are ±1, a fake always +1: one at a time D can say little, two at a time more."""
    real = np.random.default_rng(0).choice([-1.0, 1.0], (400, 1)).astype("float32")
    losses = []
    for packing in (1, 4):
        G = Sequential(Dense(1, 1), Tanh())
        G.load_state_dict({"0.weight": np.zeros((1, 1)), "0.bias": np.full(1, 9.0)})
        D = Sequential(Dense(packing, 16), LeakyReLU(), Dense(16, 1), seed=1)
        gan = GAN(G, D, optimizer=Adam(1e-2), packing=packing)
        for _ in range(150):
            loss = gan.update_discriminator(real)["d_loss"]
        losses.append(float(loss))
    assert losses[0] > 0.85  # the best D has 0.95: half of the real samples look like fakes
    assert losses[1] < 0.4  # a sixteenth of the packs


@pytest.mark.parametrize("options", [{"apart": False}, {"apart": True}, {"tutorial": True}])
def test_instance_noise_is_on_all_that_d_sees_and_drawn_anew(options: dict[str, Any]) -> None:
    """On real samples, on fakes, and on both in G's update: noise of the right size, that has nothing in common."""
    compares = {} if "tutorial" in options else {"objective": "relativistic"}
    G = Sequential(Dense(2, 3, init="zeros"), dtype="float64")
    gan, D = watched(G, instance_noise=0.25, optimizer=SGD(1e-30), **options, **compares)
    real = np.full((2000, 3), 0.5)
    for _ in range(2):
        gan.step(real)
    seen = [x for x, _ in D.seen]
    assert len(seen) == 2 * (3 if len(options) == 1 and options.get("apart") is not True else 4)
    seen = [part for x in seen for part in ((x[:2000], x[2000:]) if len(x) == 4000 else (x,))]  # in one batch, or of G
    noises = [x - np.rint(x.mean() * 2) / 2 for x in seen]  # around 0.5, or 0
    for i, noise in enumerate(noises):
        assert noise.std() == pytest.approx(0.25, rel=0.05)
        assert noise.mean() == pytest.approx(0, abs=0.02)
        for other in noises[:i]:
            assert abs(np.corrcoef(noise.ravel(), other.ravel())[0, 1]) < 0.06


def test_instance_noise_fades_with_the_steps_of_g() -> None:
    G = Sequential(Dense(2, 3, init="zeros"), dtype="float64")
    gan, D = watched(G, instance_noise=Linear(0.4, 0.0, 2), apart=True, d_steps=2, optimizer=SGD(1e-30))
    real, sizes = np.full((2000, 3), 0.5), []
    for _ in range(3):
        D.seen.clear()
        gan.step(real)
        sizes.append([(x - np.rint(x.mean() * 2) / 2).std() for x, _ in D.seen])
    np.testing.assert_allclose(sizes, [[0.4] * 5, [0.2] * 5, [0.0] * 5], rtol=0.05, atol=1e-12)
    assert np.array_equal(D.seen[0][0], real[:1000])  # nothing at all is left of it


def test_scores_and_samples_are_without_instance_noise() -> None:
    noisy, clear = (play(instance_noise=noise) for noise in (0.5, 0.0))
    assert np.array_equal(noisy.score(data(4)), clear.score(data(4)))
    assert np.array_equal(noisy.sample(4), clear.sample(4))


# --- what holds D down -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["default", "tutorial"])
def test_clipping_bounds_every_parameter_of_d_after_each_update(rule: str, backend: Backend) -> None:
    gan = play(rule, backend=backend, clip=0.05, optimizer=SGD(1.0), d_steps=2)
    moments = record(gan)
    for _ in range(2):
        gan.step(data(8))
        assert abs(flat_of(gan.D)).max() == np.float32(0.05)
    assert len(moments) > 4
    assert all(abs(moment.D).max() <= np.float32(0.05) for moment in moments[1:])  # after each half of a step, too
    assert abs(flat_of(gan.G)).max() > 0.3  # G is free


def test_the_metric_is_the_penalty_and_the_loss_is_without_it() -> None:
    options = {"dtype": "float64", "critic": True, "optimizer": SGD(1e-30)}
    penalised, free = play(**options, penalties=[R1(2.0), R2(3.0)]), play(**options)
    real = data(4, dtype="float64")
    metrics, plain = penalised.step(real), free.step(real)
    assert metrics["d_loss"] == plain["d_loss"]
    assert plain["d_penalty"] == 0
    assert metrics["d_grad_norm"] != plain["d_grad_norm"]
    z = np.empty((4, 2))
    free.backend.normal(z, Stream(0, Purpose.LATENT_D, 0))
    fake = evaluate(free.G, flat_of(free.G), z, True, Stream(0, Purpose.G_FOR_D, 0))
    expected = 0.0
    for i, penalty in enumerate(penalised.penalties):
        stream = Stream(0, Purpose.PENALTY + i, 0)
        points = penalty_points(penalty, real, fake, stream)
        expected += penalty_value(penalty, input_gradient(penalised.D, flat_of(penalised.D), points, stream))
    assert metrics["d_penalty"] == pytest.approx(expected, rel=1e-6)


def test_two_time_scales() -> None:
    """D learns at a rate of its own, G at the other, by the same rule."""
    gan = play(dtype="float64", optimizer=SGD(0.1), d_optimizer=SGD(0.4))
    moments = record(gan)
    gan.step(data(4, dtype="float64"))
    np.testing.assert_allclose(flat_of(gan.D), moments[0].D - 0.4 * moments[0].gradient, rtol=1e-12)
    np.testing.assert_allclose(flat_of(gan.G), moments[1].G - 0.1 * moments[1].gradient, rtol=1e-12)


# --- what D says -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("objective", NAMED)
def test_scores_are_outputs_of_d_and_probabilities_come_where_there_are_any(objective: str) -> None:
    gan, x = play(objective=objective, dtype="float64"), data(7, dtype="float64")
    logits = evaluate(gan.D, flat_of(gan.D), x, False, Stream(0, 0))[:, 0]
    np.testing.assert_allclose(gan.score(x), logits, rtol=1e-9)
    if objective in ("wasserstein", "hinge", "relativistic"):
        with pytest.raises(ValueError, match=r"D gives scores, not probabilities: look at GAN\.score"):
            gan.probability(x)
    else:
        expected = logits.clip(0, 1) if objective == "least-squares" else 1 / (1 + np.exp(-logits))
        np.testing.assert_allclose(gan.probability(x), expected, rtol=1e-9)


@pytest.mark.parametrize("objective", NAMED)
def test_metrics_are_those_of_the_objective(objective: str) -> None:
    """d_real and d_fake are what `probability` would say, on average, or scores; shares lie on the right side."""
    gan, D = watched(objective=objective, optimizer=SGD(1e-30), apart=True)
    metrics = gan.step(data(8, dtype="float64"))
    real, fake = (D(x, train=False)[0] for x, _ in D.seen[:2])
    expected = [float(value) for value in get_objective(objective).verdicts(real, fake, gan.backend)]
    names = ("d_real", "d_fake", "d_accuracy_real", "d_accuracy_fake")
    assert [metrics[name] for name in names] == pytest.approx(expected, rel=1e-12)


# --- the average of G ------------------------------------------------------------------------------------------


def test_the_average_follows_its_recursion() -> None:
    """θ̄ ← β_t θ̄ + (1 − β_t) θ with β_t = min(β, (1 + t)/(10 + t)), for parameters and running statistics alike."""
    gan = play(dtype="float64", average=0.25)
    mean = gan.G.state_dict()
    for t in range(6):
        gan.step(data(4, dtype="float64"))
        keep = min(0.25, (1 + t) / (10 + t))
        mean = {name: keep * mean[name] + (1 - keep) * now for name, now in gan.G.state_dict().items()}
        averaged = gan.g.averages[0].net.state_dict()
        assert averaged.keys() == mean.keys()
        for name, value in averaged.items():
            np.testing.assert_allclose(value, mean[name], rtol=1e-12, atol=1e-14, err_msg=name)
    assert (1 + 1) / (10 + 1) < 0.25 < (1 + 5) / (10 + 5)  # both branches were taken


def test_samples_come_from_the_average_unless_one_asks_for_the_last() -> None:
    gan, plain = play("average"), play()
    for _ in range(3):
        gan.step(data(4))
        plain.step(data(4))
    assert np.array_equal(gan.sample(5, averaged=False), plain.sample(5))
    z = np.empty((5, 2), "float32")
    gan.backend.normal(z, Stream(0, Purpose.LATENT_SAMPLE))
    np.testing.assert_allclose(gan.sample(5), gan.g.averages[0].net(z, train=False)[0], rtol=1e-5)
    assert abs(gan.sample(5) - plain.sample(5)).max() > 1e-3
    assert np.array_equal(plain.sample(5, averaged=True), plain.sample(5, averaged=False))  # there is none


def test_the_average_takes_no_part_in_the_game() -> None:
    with_average, without = play("average"), play()
    for player in (with_average, without):
        player.fit(data(), steps=4, batch=4)
    for net in ("G", "D", "g_opt", "d_opt"):
        states = [getattr(gan, net).state_dict() for gan in (with_average, without)]
        assert same(*(list(state.values()) for state in states))
    assert not with_average.g.averages[0].net.flat_grad.any()
    assert not np.shares_memory(with_average.g.averages[0].net.flat, with_average.G.flat)


def test_the_average_is_untouched_by_updates_of_d_and_by_an_update_that_is_not_made() -> None:
    G = Sequential(Dense(2, 4, norm=SpectralNorm()), BatchNorm(4), Dense(4, 3), seed=1)
    gan = GAN(G, Sequential(Dense(3, 1), seed=2), average=0.9)
    gan.step(data(4))
    before = gan.g.averages[0].net.state_dict()
    gan.update_discriminator(data(4))
    gan.D.flat[0] = np.nan
    with pytest.raises(NonFiniteError):
        gan.update_generator(4)
    assert same(list(gan.g.averages[0].net.state_dict().values()), list(before.values()))


# --- fit -------------------------------------------------------------------------------------------------------


def shown(gan: GAN, n: int, steps: int, batch: int, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Array:
    """The order in which D was shown the samples 0 ... n − 1."""
    seen: list[Array] = []
    update = gan.update_discriminator

    def watch(real: Array, *others: Any, **named: Any) -> Any:
        seen.append(np.rint(real[:, 0] * 100).astype(int))
        return update(real, *others, **named)

    monkeypatch.setattr(gan, "update_discriminator", watch)
    images = np.repeat(np.arange(n, dtype="float32")[:, None] / 100, 3, axis=1)
    gan.fit(images, steps, batch, **options)
    return np.concatenate(seen)


@pytest.mark.parametrize("rule", ["default", "three steps of D", "tutorial"])
@pytest.mark.parametrize("n", [5, 12, 30])
def test_every_epoch_shows_every_image_once(rule: str, n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    order = shown(play(rule), n, 15, 8, monkeypatch, d_pretrain=2)
    epochs = [order[i : i + n] for i in range(0, len(order) - n + 1, n)]
    assert len(epochs) >= 2
    assert all(sorted(epoch) == list(range(n)) for epoch in epochs)
    assert not np.array_equal(epochs[0], epochs[1])


def test_the_order_depends_on_the_seed_and_on_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    first = shown(play(), 30, 6, 8, monkeypatch)
    assert np.array_equal(first, shown(play(objective="minimax", prior="uniform"), 30, 6, 8, monkeypatch))
    assert not np.array_equal(first, shown(play(seed=1), 30, 6, 8, monkeypatch))


def test_d_can_be_trained_first(monkeypatch: pytest.MonkeyPatch) -> None:
    gan = play()
    history = gan.fit(data(), steps=0, batch=4, d_pretrain=5)
    assert (gan.steps, gan.d_updates) == (0, 5)
    assert all(len(values) == 0 for values in history.values())
    gan.fit(data(), steps=2, batch=4, d_pretrain=7)  # two more, then the game
    assert (gan.steps, gan.d_updates) == (2, 9)
    gan.fit(data(), steps=1, batch=4, d_pretrain=100)  # the game has begun
    assert (gan.steps, gan.d_updates) == (3, 10)


def test_the_tutorial_shows_d_half_of_what_g_makes() -> None:
    sizes: dict[str, set[int]] = {"real": set(), "fakes": set()}
    gan = play("tutorial")
    d, g = gan.update_discriminator, gan.update_generator
    gan.update_discriminator = lambda real, *more: (sizes["real"].add(len(real)), d(real, *more))[1]  # type: ignore
    gan.update_generator = lambda n, *more: (sizes["fakes"].add(n), g(n, *more))[1]  # type: ignore
    gan.fit(data(), steps=2, batch=8)
    assert sizes == {"real": {4}, "fakes": {8}}


def test_fit_returns_curves_and_can_be_stopped() -> None:
    gan, calls = play(), []

    def callback(who: GAN, metrics: dict[str, float]) -> bool:
        assert who is gan
        calls.append(metrics)
        return len(calls) == 3

    history = gan.fit(data(), steps=10, batch=4, callback=callback)
    assert gan.steps == 3
    assert tuple(history) == METRICS
    for name, values in history.items():
        assert values.dtype == np.float32
        assert values.tolist() == pytest.approx([metrics[name] for metrics in calls])


def test_fit_takes_bytes_floats_and_datasets() -> None:
    images = np.random.default_rng(0).integers(0, 256, (10, 1, 3), dtype=np.uint8)
    one, two, three = play(), play(), play()
    one.fit(images, steps=3, batch=4)
    two.fit((images.astype("float32") * np.float32(2 / 255) - 1), steps=3, batch=4)
    dataset = type("Dataset", (), {"images": images})
    three.fit(dataset, steps=3, batch=4)
    np.testing.assert_allclose(one.G.flat, two.G.flat, rtol=1e-3, atol=1e-5)
    assert np.array_equal(one.G.flat, three.G.flat)


def test_a_gan_can_be_taught_with_less_data_than_a_batch() -> None:
    gan = play("three steps of D")
    gan.fit(data(2), steps=2, batch=8)
    assert gan.steps == 2


# --- memory ----------------------------------------------------------------------------------------------------


def all_penalties(*args: Any, **options: Any) -> GAN:
    return gan_recipe.build(*args, objective="relativistic", r1=1.0, r2=1.0, dragan=1.0, **options)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("batch", [32, 700])
@pytest.mark.parametrize("name", ["numpy", "numba"])
@pytest.mark.parametrize("build", [classic.build, gan_recipe.build, wgan_gp.build, all_penalties])
def test_a_step_allocates_nothing_to_speak_of(build: Callable[..., GAN], name: str, batch: int, threads: int) -> None:
    if reasons := absent([name]):
        pytest.skip(reasons[name])
    gan = build((28, 28), backend=get_backend(name, threads))
    if batch > 32:  # where eight features of each sample would be seen
        gan = narrowed(gan, 8)
    count = 12 * batch * gan.d_steps  # no new epoch below
    images = np.random.default_rng(0).integers(0, 256, (count, 28, 28), dtype=np.uint8)
    extra, before = [], 0

    def measure(gan: GAN, metrics: dict[str, float]) -> None:
        nonlocal before
        extra.append(tracemalloc.get_traced_memory()[1] - before)
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]

    gan.fit(images, steps=4, batch=batch)  # the first steps take their memory, the next ones keep to it
    tracemalloc.start()
    try:
        gan.fit(images, steps=4, batch=batch, callback=measure)
    finally:
        tracemalloc.stop()
    assert len(extra) == 4
    buffer = 40 * 1024 if gan.penalties else 0  # NumPy's own, in which it repeats one number for each sample
    assert max(extra[1:]) <= buffer + 18 * 1024  # Python's own objects: closures, views, what keeps a step whole


@every_rule
def test_the_arenas_stop_growing(rule: str) -> None:
    gan = play(rule)
    sizes = []
    for _ in range(4):
        gan.step(data(4 * gan.d_steps))
        sizes.append(sum(a.nbytes for a in gan.d.arena._arrays + gan.g.arena._arrays))
    assert sizes[1] == sizes[2] == sizes[3]


# --- numbers that stop being finite ----------------------------------------------------------------------------


def plain(kind: type[GAN] = GAN, **options: Any) -> GAN:
    """Without batchnorm, whose output is never large."""
    G = Sequential(Dense(2, 4), Tanh(), Dense(4, 3), seed=1)
    D = Sequential(Dense(3, 4), LeakyReLU(), Dense(4, 1), seed=2)
    return kind(G, D, **options)


def plant(net: Sequential, name: str, value: float, index: int = 0) -> None:
    state = net.state_dict()
    state[name].ravel()[index] = value
    net.load_state_dict(state)


@pytest.mark.filterwarnings("error")  # an overflow is reported once, as an error
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", [GAN, Tutorial])
@pytest.mark.parametrize(
    ("player", "name"), [("G", "0.weight"), ("G", "2.bias"), ("D", "0.weight"), ("D", "0.bias"), ("D", "2.weight")]
)
def test_a_weight_that_is_not_finite_is_named(player: str, name: str, kind: type[GAN], bad: float) -> None:
    gan = plain(kind)
    for _ in range(3):
        gan.step(data(4))
    plant(getattr(gan, player), name, bad)
    before = everything(gan)
    if player == "G" and name == "0.weight" and np.isinf(bad):
        pytest.skip("tanh makes it finite")
    with pytest.raises(NonFiniteError) as caught:
        gan.step(data(4))
    error = caught.value
    assert isinstance(error, ArithmeticError)
    assert (error.step, error.array) == (4, f"{player}.{name}")
    kind = "NaN" if np.isnan(bad) else "infinity"
    assert f"{player}.{name} is not finite at step 4, in the update of D: {kind} in 1 of" in str(error)
    if kind is GAN or player == "D":
        assert same(everything(gan), before)  # nothing moved


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("rule", ["default", "tutorial", "reused fakes"])
def test_a_batch_that_is_not_finite_is_named_and_nothing_moves(rule: str) -> None:
    gan, real = play(rule), data(4)
    gan.step(real)
    before = everything(gan)
    real[2, 1] = np.nan
    with pytest.raises(NonFiniteError, match=r"the real batch is not finite at step 2.*NaN in 1 of 12") as caught:
        gan.step(real)
    assert caught.value.array == "the real batch"
    for was, now in zip(before, everything(gan), strict=True):
        assert np.isfinite(now).all()
        assert was.shape == now.shape
    assert (gan.steps, gan.d_updates) == (1, 1)
    gan.step(data(4))  # the game can go on
    assert np.isfinite(gan.probability(data(3))).all()


def test_a_NaN_beside_an_infinity_is_what_is_named() -> None:
    real = data(4)
    real[2, 1], real[0, 0] = np.nan, -np.inf
    with pytest.raises(NonFiniteError, match=r"the real batch is not finite at step 1.*NaN in 2 of 12"):
        plain().step(real)
    real[2, 1] = np.inf
    with pytest.raises(NonFiniteError, match=r"the real batch is not finite at step 1.*infinity in 2 of 12"):
        plain().step(real)


@pytest.mark.filterwarnings("error")
def test_an_activation_that_overflows_is_named() -> None:
    gan = plain()
    state = {name: np.full_like(array, 3e38) for name, array in gan.D.state_dict().items()}
    gan.D.load_state_dict(state | {"0.weight": np.ones((4, 3))})
    with pytest.raises(NonFiniteError, match=r"infinity|NaN") as caught:
        gan.step(data(4))
    assert caught.value.array == "the output of D.2.Dense on real and fake samples"


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("game", [{}, {"kind": Tutorial}, {"reuse_fakes": True}], ids=str)
def test_an_activation_of_g_that_overflows_is_named(game: dict[str, Any]) -> None:
    gan = plain(**game)
    gan.G.load_state_dict({name: np.full_like(array, 3e38) for name, array in gan.G.state_dict().items()})
    with pytest.raises(NonFiniteError) as caught:
        gan.step(data(4))
    assert caught.value.array.startswith("the output of G.")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", [GAN, Tutorial])
def test_a_learning_rate_that_is_far_too_high_is_reported_not_played_on(kind: type[GAN]) -> None:
    gan = plain(kind, optimizer=SGD(1e30))
    with pytest.raises(NonFiniteError) as caught:
        gan.fit(data(), steps=50, batch=4)
    assert caught.value.step == gan.steps + 1
    assert all(np.isfinite(array).all() for net in (gan.G, gan.D) for array in net.state_dict().values())


@pytest.mark.filterwarnings("error")
def test_a_gradient_that_overflows_under_a_finite_loss_is_named() -> None:
    """G makes zeros, D's logits are 0; but the way back multiplies 1e20, 1e15 and 1e10."""
    gan = plain()
    gan.G.load_state_dict(
        {name: 0 * array for name, array in gan.G.state_dict().items()} | {"2.weight": _full(3, 4, 1e10)}
    )
    gan.D.load_state_dict({name: 0 * array for name, array in gan.D.state_dict().items()})
    gan.D.load_state_dict({**gan.D.state_dict(), "0.weight": _full(4, 3, 1e20), "2.weight": _full(1, 4, 1e15)})
    before = everything(gan)
    with pytest.raises(NonFiniteError, match="in the update of G: infinity in 4 of 4 elements") as caught:
        gan.update_generator(4)
    assert caught.value.array == "the gradient of G.0.bias"
    assert same(everything(gan), before)


@pytest.mark.filterwarnings("error")
def test_a_gradient_of_g_whose_norm_alone_overflows_is_g_s() -> None:
    G, D = Sequential(Dense(2, 9)), Sequential(Dense(9, 1))
    G.load_state_dict({"0.weight": _full(9, 2, 0), "0.bias": np.zeros(9)})
    D.load_state_dict({"0.weight": _full(1, 9, 3e38), "0.bias": np.zeros(1)})
    gan = GAN(G, D)
    with pytest.raises(NonFiniteError, match=r"in the update of G: overflow") as caught:
        gan.update_generator(4)
    assert caught.value.array == "the norm of G's gradient"
    assert not G.flat.any()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("player", ["G", "D"])
def test_a_loss_that_overflows_though_no_score_does_is_its_player_s(player: str) -> None:
    gan = plain(objective="wasserstein")
    plant(gan.D, "2.bias", 3e38)
    update = partial(gan.update_generator, 4) if player == "G" else partial(gan.update_discriminator, data(4))
    with pytest.raises(NonFiniteError, match=rf"in the update of {player}: (infinity|NaN) in 1 of 1") as caught:
        update()
    assert caught.value.array == f"the loss of {player}"


NOISY_GAMES: list[dict[str, Any]] = [
    {}, {"apart": True}, {"kind": Tutorial}, {"kind": Tutorial, "nth": 2}, {"reuse_fakes": True}, {"packing": 2},
    {"instance_noise": 0.5}, {"codes": [Label(2)]}, {"codes": [Label(2)], "apart": True}, {"penalties": [R1()]},
    {"objective": "relativistic"},
]  # fmt: skip


@pytest.mark.parametrize("player", ["G", "D"])
@pytest.mark.parametrize("rules", NOISY_GAMES, ids=str)
def test_a_number_that_is_not_finite_is_looked_for_in_the_pass_that_made_it(
    player: str, rules: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Activations are computed again with the noise, the mode and the labels of the pass that is explained."""
    options = dict(rules)
    told, packing, apart = 2 * ("codes" in rules), rules.get("packing", 1), options.pop("apart", False)
    kind, nth = options.pop("kind", Conditional if told else GAN), options.pop("nth", 1) if player == "D" else 1
    options.pop("nth", None)
    G = Sequential(Dense(2 + told, 6), GaussianNoise(0.5), Tanh(), Dropout(0.5), Dense(6, 3))
    D = Spy(
        Dense((3 + told) * packing, 6),
        GaussianNoise(0.5),
        Tanh(),
        Dropout(0.5),
        Dense(6, 1),
        apart=apart,
        backend=G.backend,
    )
    gan = kind(G, D, latent=2, seed=4, **options)
    passes: dict[str, list[Array]] = {"G": [], "D": []}
    call = Sequential.__call__

    def kept(self: Sequential, *args: Any, **settings: Any) -> Any:
        output, back = call(self, *args, **settings)
        passes["G" if self is gan.G else "D"].append(np.array(output))
        return output, back

    def looked(up: Update) -> NonFiniteError:
        found = [(name, np.array(y)) for name, y, _ in up._arrays() if name.startswith("the output of ")]
        assert up.player.name == player
        for net in "GD":
            last = f"the output of {net}.4.Dense"
            ends = [y for name, y in found if name.startswith(last) and "on the points of" not in name]
            assert ends or (kind is Tutorial and nth == 1 and net == "G"), net  # whose D sees real samples first
            for y in ends:  # a penalty's own pass is none of `Sequential.__call__`, and left to test_penalties.py
                assert any(y.shape == was.shape and np.allclose(y, was, atol=1e-6) for was in passes[net]), net
        return NonFiniteError(1, "x", "explained")

    monkeypatch.setattr(Sequential, "__call__", kept)
    monkeypatch.setattr(Update, "_explanation", looked)
    norm, of, calls = gan.backend.grad_norm, getattr(gan, player).flat_grad, [0]

    def failing(gradient: Array, loss: Array) -> tuple[Array, bool]:
        calls[0] += gradient is of
        return norm(gradient, loss)[0], gradient is not of or calls[0] < nth

    monkeypatch.setattr(gan.backend, "grad_norm", failing)
    with pytest.raises(NonFiniteError, match="explained"):
        gan.step(data(4), labels=np.array([0, 1, 1, 0]) if told else None)
    assert calls[0] == nth


@pytest.mark.filterwarnings("error")
def test_a_gradient_whose_norm_alone_overflows_is_reported() -> None:
    G, D = Sequential(Dense(2, 3)), Sequential(Dense(3, 1))
    G.load_state_dict({"0.weight": _full(3, 2, 0), "0.bias": np.full(3, -3e38)})
    D.load_state_dict({"0.weight": _full(1, 3, 0), "0.bias": np.zeros(1)})
    gan = GAN(G, D)
    with pytest.raises(NonFiniteError, match="overflow") as caught:
        gan.update_discriminator(np.full((4, 3), 3e38, "float32"))
    assert caught.value.array == "the norm of D's gradient"
    assert not D.flat.any()


def _full(n_out: int, n_in: int, value: float) -> Array:
    return np.full((n_out, n_in), float(value))


def test_a_match_that_is_ahead_plays_what_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """In whole parts and the rest, with the metrics of all of them; and D is not trained alone in between."""
    right = Play(play(), data(), 4).play(7)
    monkeypatch.setattr("minigan.backend.numpy_backend.NumpyBackend.ahead", 3)
    gan = play()
    match = Play(gan, data(), 4)
    parts = [match.play(4), match.play(0), match.play(3)]
    assert (gan.steps, gan.d_updates) == (7, 7)
    for name, values in right.items():
        np.testing.assert_array_equal(np.concatenate([part[name] for part in parts]), values)
    match.begin(100)
    assert (gan.steps, gan.d_updates) == (7, 7)


@pytest.mark.parametrize("rule", ["relativistic", "reused fakes", "tutorial"])
@pytest.mark.parametrize("d_steps", [1, 3])
@pytest.mark.parametrize("halted", [0, 1, 2])
def test_the_turn_that_halted_is_found_again_and_changes_nothing(d_steps: int, rule: str, halted: int) -> None:
    """To explain a graph that halted, a Play goes through the turn once more: with its minibatches, latents and counts.

    halted: after all of D's updates of the turn, after all but one, or before the first.
    """
    made = d_steps - halted if halted < 2 else 0
    gan = play(rule, d_steps=d_steps, optimizer=SGD(1e-30))  # no parameter moves: every turn can be made again
    match = Play(gan, data(), 4)
    seen: list[list[Array]] = []
    d, g = gan.update_discriminator, gan.descend

    def watch_d(real: Array, *others: Any) -> Any:
        seen[-1].append(np.array(real))
        return d(real, *others)

    def watch_g(up: Update, fakes: Any, *others: Any) -> Any:
        seen[-1] += [np.array(fakes.latents), *(np.array(x) for x in others if x is not None)]
        return g(up, fakes, *others)

    gan.update_discriminator, gan.descend = watch_d, watch_g  # type: ignore[method-assign]
    for _ in range(3):
        seen.append([])
        match.play(1)
    match._asked = {
        "d": d_steps,
        "g": 1,
    }  # as if two steps had been asked for after the first, and the second had halted
    gan.steps, gan.d_updates = 2, 2 * d_steps + made
    D, t = gan.D.state_dict(), gan.d_opt.t
    seen.append([])
    with pytest.raises(NonFiniteError, match="was not finite at step 4, but only once"):
        match._explain()
    _, second, third, again = seen
    assert len(again) == len(third) >= d_steps + 1
    assert all(np.array_equal(x, y) for x, y in zip(again, third, strict=True))
    assert not any(np.array_equal(x, y) for x, y in zip(again, second, strict=True))
    assert gan.d.shift == gan.g.shift == 0
    assert (gan.steps, gan.d_updates) == (3, 3 * d_steps)  # what the graph had not made is made, for nothing failed
    assert gan.d_opt.t == t + (d_steps - made) * (2 if rule == "tutorial" else 1)
    assert same(list(gan.D.state_dict().values()), list(D.values())) == (made == d_steps)


@pytest.mark.filterwarnings("error")
def test_a_penalty_that_overflows_is_reported_before_d_moves() -> None:
    """D's outputs are finite; what its slope does to the weights is not."""
    gan = plain(objective="wasserstein", penalties=[GradientPenalty(1e37)])
    gan.D.load_state_dict({**gan.D.state_dict(), "2.weight": _full(1, 4, 1e3)})
    before = everything(gan)
    with pytest.raises(NonFiniteError, match=r"in the update of D: (infinity|NaN|overflow)") as caught:
        gan.step(data(4))
    assert "gradient" in caught.value.array
    assert same(everything(gan), before)


@pytest.mark.filterwarnings("error")
def test_what_breaks_in_gs_update_is_reported_there() -> None:
    gan = plain()
    gan.update_discriminator(data(4))
    plant(gan.G, "2.weight", np.nan)
    before = everything(gan)
    with pytest.raises(NonFiniteError, match="in the update of G") as caught:
        gan.update_generator(4)
    assert caught.value.array == "G.2.weight"
    assert same(everything(gan), before)


# --- files -----------------------------------------------------------------------------------------------------


def header_and_arrays(path: Path) -> tuple[dict[str, Any], dict[str, Array]]:
    gan = play()
    gan.save(path)
    arrays, header = archive.load(path)
    return header, arrays


def put(header: Any, where: tuple[Any, ...], value: Any) -> Any:
    changed = json.loads(json.dumps(header))
    inner = changed
    for key in where[:-1]:
        inner = inner[key]
    inner[where[-1]] = value
    return changed


def test_claims_that_do_not_hold_are_refused_before_memory_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "gan.npz"
    header, arrays = header_and_arrays(path)
    deep: Any = 1
    for _ in range(400):
        deep = [deep]
    claims: list[tuple[tuple[Any, ...], Any]] = [
        (("format",), "minigan checkpoint 99"),
        (("game",), [1, 2]),
        (("game", "G"), None),
        (("game", "G", "layers"), None),
        (("game", "G", "layers"), "abc"),
        (("game", "G", "layers"), []),
        (("game", "G", "layers"), deep),
        (("game", "G", "layers", 0, "n_out"), 10**13),
        (("game", "G", "layers", 0, "n_out"), 10**30),
        (("game", "G", "layers", 0, "kind"), "Eval"),
        (("game", "G", "layers", 0, "kind"), [1]),
        (("game", "G", "layers", 0, "kind"), "Adam"),
        (("game", "G", "dtype"), "object"),
        (("game", "G", "seed"), "x"),
        (("game", "D", "layers", 3), {"kind": "LeakyReLU", "negative_slope": "x"}),
        (("game", "latent"), 10**12),
        (("game", "optimizer"), "x"),
        (("game", "optimizer"), {"kind": "Tanh"}),
        (("game", "optimizer"), {"kind": "Adam", "lr": "x"}),
        (("game", "objective"), {"kind": "Tanh"}),
        (("game", "d_steps"), 0),
        (("game", "seed"), "x"),
        (("game", "prior"), "cauchy"),
        (("game", "penalties"), "R1"),
        (("game", "penalties"), [{"kind": "Tanh"}]),
        (("game", "packing"), 3),
        (("game", "packing"), 10**30),
        (("game", "clip"), "x"),
        (("game", "instance_noise"), {"kind": "Adam"}),
        (("game", "average"), 0.5),  # of which the file has none
        (("game", "kind"), "Nothing"),
        (("game", "kind"), "Dense"),
        (("game", "kind"), "Game"),
        (("game", "kind"), [1]),
        (("game", "kind"), {"kind": "GAN"}),
        (("updates",), 5),
        (("updates",), {"g": 1}),
        (("updates", "g"), True),
        (("updates", "g"), 2**62),
        (("updates", "g"), -5),
        (("updates", "g"), 1.5),
        (("updates", "d"), None),
    ]
    for where, value in claims:
        archive.save(path, arrays, put(header, where, value))
        tracemalloc.start()
        try:
            with pytest.raises(ValueError, match=r"minigan checkpoint|can load"):
                GAN.load(path)
            assert tracemalloc.get_traced_memory()[1] < 4_000_000, (where, value)
        finally:
            tracemalloc.stop()
    for missing in ("game", "updates"):
        archive.save(path, arrays, {k: v for k, v in header.items() if k != missing})
        with pytest.raises(ValueError, match="can load"):
            GAN.load(path)
    for name in arrays:
        archive.save(path, {k: v for k, v in arrays.items() if k != name}, header)
        with pytest.raises(ValueError, match="can load"):
            GAN.load(path)
        archive.save(path, {**arrays, name: arrays[name].ravel().repeat(2)}, header)
        with pytest.raises(ValueError, match="can load"):
            GAN.load(path)
    with pytest.raises(FileNotFoundError):
        GAN.load(tmp_path / "nowhere.npz")
    archive.save(path, arrays, header)
    assert isinstance(GAN.load(path), GAN)


def every_option() -> dict[str, Any]:
    """A description in which no option has its default."""
    return {
        "objective": NonSaturating(0.9), "optimizer": OptimisticAdam(1e-3), "d_optimizer": SGD(Linear(0.1, 0.0, 9)),
        "penalties": [GradientPenalty(3.0), DRAGAN(spread=0.2)], "clip": 0.5, "instance_noise": Linear(0.3, 0.0, 5),
        "packing": 2, "average": 0.9, "d_steps": 2, "reuse_fakes": True, "prior": "uniform", "latent": 2, "seed": 7,
        "codes": [Label(3)],
    }  # fmt: skip


@pytest.mark.parametrize("kind", [GAN, Conditional, Tutorial])
def test_a_gan_with_every_option_is_described_built_saved_and_loaded(kind: type[GAN], tmp_path: Path) -> None:
    known = {*kind.argument_names()} - {"G", "D"}
    options = {name: value for name, value in every_option().items() if name in known}
    assert options.keys() == known
    gan, labels = play(**options, tutorial=kind is Tutorial), np.arange(24) % 3
    assert type(gan) is kind
    described = json.loads(json.dumps(gan.describe()))
    assert kind.build(described).describe() == described
    gan.fit(data(), steps=2, batch=8, labels=labels)
    gan.save(tmp_path / "gan.npz")
    twin = GAN.load(tmp_path / "gan.npz")
    assert type(twin) is kind
    assert twin.describe() == described
    for player in (gan, twin):
        player.fit(data(), steps=3, batch=8, labels=labels)
    assert same(everything(twin), everything(gan))
    defaults = play().describe() | {"kind": "", "codes": []}
    same_as_default = {name for name, value in described.items() if value == defaults[name]}
    assert same_as_default - {"G", "D"} == {"latent"}


def test_a_game_is_loaded_by_a_class_that_it_is_of(tmp_path: Path) -> None:
    for kind, gan in ((Tutorial, play("tutorial")), (Conditional, play(codes=[Label(2)])), (GAN, play())):
        gan.save(tmp_path / "gan.npz")
        for asked in (GAN, Tutorial, Conditional):
            if issubclass(kind, asked):
                assert type(asked.load(tmp_path / "gan.npz")) is kind
            else:
                with pytest.raises(ValueError, match=f"it holds a {kind.__name__}, and no {asked.__name__}"):
                    asked.load(tmp_path / "gan.npz")


def to_format_1(path: Path, **changes: Any) -> None:
    """Make of a file one as minigan wrote it before there were other games than GAN. changes: of its options."""
    arrays, header = archive.load(path)
    game = {"codes": [], "penalties": [], "reuse_fakes": False} | header["game"]
    loop = game.pop("kind") == "Tutorial"
    game |= (
        {"updates": "separate", "fake_statistics": "running"}
        if loop
        else {"updates": "joint", "fake_statistics": "batch"}
    )
    game |= {"half_batches": loop, "batches": "auto", **changes}
    steps, d_updates = header["updates"]["g"], header["updates"]["d"]
    for code in game["codes"]:
        if "predicted" in code:
            code["told"] = not code.pop("predicted")
    older = {"format": "minigan checkpoint 1", "gan": game, "steps": steps, "d_updates": d_updates}
    arrays = {name.replace("g_average/", "average/"): array for name, array in arrays.items()}
    archive.save(path, arrays, {**older, "extra": header["extra"]})


OF_FORMAT_1: dict[str, dict[str, Any]] = {
    **RULES,
    "codes": {"codes": [Label(3)]},
    "codes, averaged": {"codes": [Label(3, predicted=True)], "average": 0.9},
    "tutorial, averaged": {"tutorial": True, "average": 0.9, "clip": 0.5, "packing": 2, "d_steps": 2},
}


@pytest.mark.parametrize("rule", OF_FORMAT_1)
def test_a_file_of_format_1_plays_on_bit_for_bit(rule: str, tmp_path: Path) -> None:
    gan, path, labels = play(**OF_FORMAT_1[rule]), tmp_path / "gan.npz", np.arange(24) % 3
    gan.fit(data(), steps=2, batch=8, labels=labels, d_pretrain=1)
    gan.save(path, extra={"note": "π"})
    to_format_1(path)
    twin = GAN.load(path)
    assert type(twin) is type(gan)
    assert twin.describe() == gan.describe()
    assert same(everything(twin), everything(gan))
    assert (saved.extra(path), saved.updates(path)) == ({"note": "π"}, gan.steps + gan.d_updates)
    for player in (gan, twin):
        player.fit(data(), steps=3, batch=8, labels=labels)
    assert same(everything(twin), everything(gan))
    assert np.array_equal(twin.sample(5), gan.sample(5))


def test_what_format_1_could_say_and_no_game_can_play_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "gan.npz"
    batches = r"gan\.npz holds no GAN .*: whether D judges real samples and fakes as one batch is no option any more"
    loop = r"gan\.npz holds no GAN .*: updates, fake_statistics, half_batches are no options any more but together"
    cases: list[tuple[GAN, dict[str, Any], str]] = [
        (play(), {"batches": "two"}, ""),
        (play(), {"batches": "one"}, batches),
        (play(critic=True), {"batches": "one"}, ""),
        (play(critic=True), {"batches": "two"}, batches),
        (play(), {"batches": "three"}, batches),
        (play(), {"updates": "separate"}, loop),
        (play(), {"fake_statistics": "running"}, loop),
        (play(), {"half_batches": True}, loop),
        (play("tutorial"), {"half_batches": False}, loop),
        (play("tutorial"), {"batches": "two"}, ""),
    ]
    for gan, changes, words in cases:
        gan.save(path)
        to_format_1(path, **changes)
        if words:
            with pytest.raises(ValueError, match=words):
                GAN.load(path)
        else:
            assert GAN.load(path).describe() == gan.describe()


def test_claims_of_format_1_that_do_not_hold_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "gan.npz"
    play().save(path)
    to_format_1(path)
    arrays, header = archive.load(path)
    claims: list[tuple[tuple[Any, ...], Any]] = [
        (("gan",), [1, 2]), (("gan", "D"), None), (("gan", "D", "layers"), "abc"), (("gan", "G", "layers", 0), 7),
        (("gan", "G", "layers", 0, "n_out"), 10**13), (("gan", "codes"), 5), (("gan", "batches"), [1]),
        (("gan", "kind"), "Dense"), (("steps",), -5), (("d_updates",), None), (("steps",), "x"),
    ]  # fmt: skip
    for where, value in claims:
        archive.save(path, arrays, put(header, where, value))
        with pytest.raises(ValueError, match="can load"):
            GAN.load(path)
    for missing in ("gan", "steps", "d_updates"):
        archive.save(path, arrays, {k: v for k, v in header.items() if k != missing})
        with pytest.raises(ValueError, match="can load"):
            GAN.load(path)


@pytest.mark.parametrize("older", [1, 2])
def test_a_checkpoint_from_before_the_new_options_loads_with_their_defaults(older: int, tmp_path: Path) -> None:
    gan, path = play(), tmp_path / "gan.npz"
    gan.fit(data(), steps=2, batch=4)
    gan.save(path)
    if older == 1:
        to_format_1(path)
    arrays, header = archive.load(path)
    name = "gan" if older == 1 else "game"
    new = {"codes", "penalties", "clip", "instance_noise", "packing", "average"} & header[name].keys()
    assert len(new) == (6 if older == 1 else 5)
    archive.save(path, arrays, header | {name: {k: v for k, v in header[name].items() if k not in new}})
    twin = GAN.load(path)
    assert twin.describe() == gan.describe()
    for player in (gan, twin):
        player.fit(data(), steps=2, batch=4)
    assert same(everything(twin), everything(gan))


def test_settings_of_numpys_types_can_be_saved(tmp_path: Path) -> None:
    G = Sequential(Dense(np.int64(2), 3), LeakyReLU(np.float32(0.2)), seed=np.int64(3))
    gan = GAN(G, Sequential(Dense(3, 1)), optimizer=SGD(np.float32(0.5)), seed=np.int32(4), d_steps=np.int64(1))
    gan.step(data(4))
    gan.save(tmp_path / "gan.npz")
    twin = GAN.load(tmp_path / "gan.npz")
    assert same(everything(twin), everything(gan))
    assert twin.optimizer.lr == 0.5


# --- recipes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_build_gans_that_train_save_and_load(name: str, tmp_path: Path) -> None:
    recipe = get_recipe(name)
    few = OF_THEIR_OWN.get(name, {})
    gan = recipe.build((4, 8), seed=3, **few)
    images = np.random.default_rng(0).integers(0, 256, (40, 4, 8), dtype=np.uint8)
    data = data_for(name, images)
    gan.fit(data, steps=2, batch=8, labels=np.arange(40) % 10)
    gan.save(tmp_path / "gan.npz")
    samples = made(gan, 3, data=data)
    assert np.array_equal(made(Game.load(tmp_path / "gan.npz"), 3, data=data), samples)
    assert samples.reshape(3, 4, 8).shape == (3, 4, 8)
    assert abs(made(gan, 50, data=data)).max() <= 1
    one, other = (recipe.build((4, 8), seed=seed, **few) for seed in (3, 4))
    assert not np.array_equal(one.G.flat, other.G.flat)
    assert recipe.STEPS > 0
    assert recipe.BATCH > 1
    assert recipe.__doc__


def test_the_classic_recipe_plays_the_classic_loop() -> None:
    gan = classic.build((28, 28))
    assert isinstance(gan, Tutorial)
    assert gan.optimizer == Adam(2e-4, beta1=0.5, eps=1e-7)  # Keras's epsilon
    assert (gan.G.size, gan.D.size) == (1_489_936, 533_505)


def test_unknown_recipes_and_options_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown recipe 'dcgn': choose one of"):
        get_recipe("dcgn")
    with pytest.raises(TypeError):
        gan_recipe.build((4, 4), learning_rate=1)


# --- it learns -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("beta1", "options"),
    [
        (0.5, {}),
        (0.5, {"kind": Tutorial}),
        (0.0, {"objective": "minimax", "reuse_fakes": True}),
    ],
    ids=["paper", "tutorial", "minimax"],
)
def test_g_learns_a_normal_distribution(beta1: float, options: dict[str, Any]) -> None:
    """N(3, 0.5²), by the distance that sorted samples must be moved; before training it is more than 2."""
    G = Sequential(Dense(2, 32), Tanh(), Dense(32, 1), seed=1)
    D = Sequential(Dense(1, 32, init="he"), LeakyReLU(), Dense(32, 32, init="he"), LeakyReLU(), Dense(32, 1), seed=2)
    options, d_lr = {"kind": GAN, **options}, 3e-2 if beta1 else 1.5e-2
    gan = options.pop("kind")(G, D, optimizer=Adam(3e-3, beta1=beta1), d_optimizer=Adam(d_lr, beta1=beta1), **options)
    real = np.random.default_rng(0).normal(3, 0.5, (2000, 1)).astype("float32")

    def distance() -> float:
        return float(abs(np.sort(gan.sample(2000), axis=0) - np.sort(real, axis=0)).mean())

    assert distance() > 2
    gan.fit(real, steps=600, batch=64)
    assert distance() < 0.2  # the right mean with half the deviation would be 0.2 away
    assert gan.sample(2000).mean() == pytest.approx(3, abs=0.15)
