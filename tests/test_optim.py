"""Update rules against the textbook, step by step, on every backend."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigan import SGD, Adam, Dense, OptimisticAdam, RMSprop, Sequential, get_backend
from minigan.backend import Backend, numpy_backend
from minigan.optim import Cosine, Exponential, Linear, Optimizer, Schedule
from minigan.spec import build

Array = np.ndarray[Any, Any]
Rule = Callable[[Array, Iterator[Array]], Iterator[Array]]

RATE = 0.05


def sgd(p: Array, gradients: Iterator[Array]) -> Iterator[Array]:
    for g in gradients:
        p = p - RATE * g
        yield p


def momentum(p: Array, gradients: Iterator[Array]) -> Iterator[Array]:
    v = 0
    for g in gradients:
        v = 0.9 * v + g
        p = p - RATE * v
        yield p


def rmsprop(p: Array, gradients: Iterator[Array]) -> Iterator[Array]:
    s = 0
    for g in gradients:
        s = 0.95 * s + (1 - 0.95) * g**2
        p = p - RATE * g / (np.sqrt(s) + 1e-4)
        yield p


def adam(p: Array, gradients: Iterator[Array]) -> Iterator[Array]:
    """Algorithm 1 of Kingma and Ba 2015, line by line."""
    m = v = 0
    for t, g in enumerate(gradients, start=1):
        m = 0.5 * m + (1 - 0.5) * g
        v = 0.99 * v + (1 - 0.99) * g**2
        m_hat = m / (1 - 0.5**t)
        v_hat = v / (1 - 0.99**t)
        p = p - RATE * m_hat / (np.sqrt(v_hat) + 1e-4)
        yield p


def optimistic_adam(p: Array, gradients: Iterator[Array]) -> Iterator[Array]:
    """Algorithm 1 of Daskalakis et al. 2018: w ← w − 2 η m̂ₜ/(√v̂ₜ + ε) + η m̂ₜ₋₁/(√v̂ₜ₋₁ + ε), where step 0 is none."""
    m = v = last = 0
    for t, g in enumerate(gradients, start=1):
        m = 0.5 * m + (1 - 0.5) * g
        v = 0.99 * v + (1 - 0.99) * g**2
        now = m / (1 - 0.5**t) / (np.sqrt(v / (1 - 0.99**t)) + 1e-4)
        p = p - 2 * RATE * now + RATE * last
        last = now
        yield p


RULES: dict[str, tuple[Optimizer, Rule]] = {
    "SGD": (SGD(RATE), sgd),
    "momentum": (SGD(RATE, momentum=0.9), momentum),
    "RMSprop": (RMSprop(RATE, decay=0.95, eps=1e-4), rmsprop),
    "Adam": (Adam(RATE, beta1=0.5, beta2=0.99, eps=1e-4), adam),
    "OptimisticAdam": (OptimisticAdam(RATE, beta1=0.5, beta2=0.99, eps=1e-4), optimistic_adam),
}


def network(be: Backend, dtype: str = "float64") -> Sequential:
    return Sequential(Dense(3, 4), Dense(4, 2), backend=be, dtype=dtype, seed=1)


def give(net: Sequential, gradient: Array) -> None:
    """As if a backward had left this gradient."""
    net.zero_grad()
    net.flat_grad[...] = net.backend.asarray(gradient, net.dtype)


def gradients(net: Sequential, steps: int = 20) -> list[Array]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal(net.flat.size) * 10.0 ** rng.uniform(-3, 1, net.flat.size) for _ in range(steps)]


@pytest.mark.parametrize("block", [4, 1 << 16], ids=["small blocks", "default blocks"])
@pytest.mark.parametrize("name", RULES)
def test_twenty_steps_of_the_textbook(backend: Backend, name: str, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numpy_backend, "BLOCK", block)
    rule, textbook = RULES[name]
    for dtype, tolerance in (("float64", 1e-12), ("float32", 2e-5)):
        net = network(backend, dtype)
        optimizer, drawn = rule.bind(net), gradients(net)
        expected = textbook(backend.to_numpy(net.flat).astype("float64"), iter(drawn))
        for gradient, p in zip(drawn, expected, strict=True):
            give(net, gradient)
            optimizer.step()
            np.testing.assert_allclose(backend.to_numpy(net.flat), p, rtol=tolerance, atol=tolerance)
        assert optimizer.t == 20
        assert net.flat.dtype == dtype


def test_the_same_steps_as_pytorch() -> None:
    torch = pytest.importorskip("torch")
    makes: dict[str, Callable[[Any], Any]] = {
        "SGD": lambda p: torch.optim.SGD(p, RATE),
        "momentum": lambda p: torch.optim.SGD(p, RATE, momentum=0.9),
        "RMSprop": lambda p: torch.optim.RMSprop(p, RATE, alpha=0.95, eps=1e-4),
        "Adam": lambda p: torch.optim.Adam(p, RATE, betas=(0.5, 0.99), eps=1e-4),
    }
    for name, make in makes.items():
        rule, net = RULES[name][0], network(get_backend("numpy"))
        theirs = torch.tensor(net.flat.copy(), requires_grad=True)
        ours, optimizer = rule.bind(net), make([theirs])
        for gradient in gradients(net):
            give(net, gradient)
            ours.step()
            theirs.grad = torch.from_numpy(gradient)
            optimizer.step()
            np.testing.assert_allclose(net.flat, theirs.detach().numpy(), rtol=1e-10, atol=1e-12)


@given(st.floats(1e-3, 1e3), st.sampled_from([0.0, 0.5, 0.9]), st.sampled_from([0.0, 0.9, 0.999]))
def test_adams_first_step_has_the_size_of_the_rate(size: float, beta1: float, beta2: float) -> None:
    """Whatever the gradient's size: the bias correction at t = 1 leaves g/|g|."""
    net = network(get_backend("numpy"))
    before, sign = net.flat.copy(), np.resize([1, -1], net.flat.size)
    give(net, size * sign)
    Adam(0.01, beta1=beta1, beta2=beta2).bind(net).step()
    np.testing.assert_allclose(before - net.flat, 0.01 * sign, rtol=1e-4)


def test_a_constant_gradient_keeps_adam_at_the_rate() -> None:
    """Without the count t the steps would begin at another size and drift."""
    net = network(get_backend("numpy"))
    optimizer = Adam(0.01).bind(net)
    for _ in range(50):
        before = net.flat.copy()
        give(net, np.full(net.flat.size, 3.0))
        optimizer.step()
        np.testing.assert_allclose(before - net.flat, 0.01, rtol=1e-6)


@pytest.mark.parametrize("name", RULES)
def test_a_step_leaves_the_gradient_and_other_networks_alone(name: str) -> None:
    net, other = network(get_backend("numpy")), network(get_backend("numpy"))
    rule = RULES[name][0]
    optimizer, idle = rule.bind(net), rule.bind(other)
    before, gradient = other.flat.copy(), gradients(net)[0]
    give(net, gradient)
    optimizer.step()
    assert np.array_equal(net.flat_grad, gradient)
    assert np.array_equal(other.flat, before)
    assert idle.t == 0
    assert not any(np.any(array) for array in idle.memory.values())


def test_no_gradient_is_a_gradient_of_zero() -> None:
    """After zero_grad the memory still holds the last gradient, which must not be applied again."""
    net = network(get_backend("numpy"))
    give(net, np.ones(net.flat.size))
    net.zero_grad()
    before = net.flat.copy()
    SGD(1.0).bind(net).step()
    assert np.array_equal(net.flat, before)


@pytest.mark.parametrize("name", RULES)
@given(taken=st.integers(0, 5))
def test_a_saved_optimizer_goes_on_where_it_stopped(name: str, taken: int) -> None:
    net, twin = network(get_backend("numpy")), network(get_backend("numpy"))
    rule = RULES[name][0]
    optimizer, drawn = rule.bind(net), gradients(net)
    for gradient in drawn[:taken]:
        give(net, gradient)
        optimizer.step()
    state = optimizer.state_dict()
    twin.load_state_dict(net.state_dict())
    resumed = rule.bind(twin)
    resumed.load_state_dict(state)
    for gradient in drawn[taken:]:
        for n, o in ((net, optimizer), (twin, resumed)):
            give(n, gradient)
            o.step()
        assert np.array_equal(net.flat, twin.flat)
    assert state["t"] == taken  # a copy: later steps did not move it
    assert set(state) == {"t", *rule.memory}


def test_a_state_that_does_not_fit_changes_nothing() -> None:
    net = network(get_backend("numpy"))
    optimizer = Adam(0.1).bind(net)
    give(net, np.ones(net.flat.size))
    optimizer.step()
    before, good = optimizer.state_dict(), optimizer.state_dict()
    for bad in (
        {},
        {"m": good["m"], "t": good["t"]},
        {**good, "extra": good["m"]},
        {**good, "v": good["v"][1:]},
        {**good, "t": np.zeros(2)},
        SGD(0.1).bind(net).state_dict(),
        {**good, "m": good["m"] + 1, "t": np.array(np.nan)},
    ):
        with pytest.raises(ValueError, match=r"state|integer"):
            optimizer.load_state_dict(bad)
        after = optimizer.state_dict()
        assert after.keys() == before.keys()
        assert all(np.array_equal(after[name], before[name]) for name in before)


@pytest.mark.parametrize("name", RULES)
def test_a_schedule_reaches_every_rule(name: str) -> None:
    """The steps of one rate, each times the ratio; a step that was remembered keeps the rate it was made at."""
    rule, textbook = RULES[name]
    rates = [1.0, 0.5, 0.25, 0.25]
    scheduled = type(rule)(**rule.arguments() | {"lr": Halving(RATE)})
    net = network(get_backend("numpy"))
    optimizer, drawn, p = scheduled.bind(net), gradients(net, 4), net.flat.copy()
    path = [p, *textbook(p, iter(drawn))]
    steps = [after - before for before, after in itertools.pairwise(path)]
    if isinstance(rule, OptimisticAdam):  # 2 sₜ − sₜ₋₁ is taken apart first
        for t in range(4):
            steps[t] = (steps[t] + (steps[t - 1] if t else 0)) / 2
    made = np.zeros(net.flat.size)
    for t, gradient in enumerate(drawn):
        before = net.flat.copy()
        give(net, gradient)
        optimizer.step()
        step = rates[t] * steps[t]
        expected = 2 * step - made if isinstance(rule, OptimisticAdam) else step
        np.testing.assert_allclose(net.flat - before, expected, rtol=1e-9, atol=1e-12)
        made = step


class Halving(Schedule):
    """1, ½, ¼, ¼, ... times the rate."""

    def __init__(self, start: float) -> None:
        self.start = start

    def __call__(self, t: int) -> float:
        return self.start * 0.5 ** min(t, 2)


def spiral(x_rule: Optimizer, y_rule: Optimizer, steps: int) -> float:
    """How far from (0, 0) the game min_x max_y x y ends that begins at (1, 1); both players move at once."""
    players = [Sequential(Dense(1, 1, bias=False), dtype="float64") for _ in range(2)]
    optimizers = [rule.bind(player) for rule, player in zip((x_rule, y_rule), players, strict=True)]
    for player in players:
        player.flat[...] = 1
    for _ in range(steps):
        x, y = (float(player.flat[0]) for player in players)
        for player, slope in zip(players, (y, -x), strict=True):  # x descends x y, y ascends it
            give(player, np.array([slope]))
        for optimizer in optimizers:
            optimizer.step()
    return math.hypot(*(float(player.flat[0]) for player in players))


def test_optimism_solves_the_bilinear_game_that_others_circle() -> None:
    """From (1, 1), at distance 1.4, without momentum as in the paper's analysis."""
    distances = {
        type(rule).__name__: spiral(rule, rule, 500) for rule in (OptimisticAdam(0.1, 0.0), Adam(0.1, 0.0), SGD(0.1))
    }
    assert distances["OptimisticAdam"] < 1e-3
    assert distances["Adam"] > 2
    assert distances["SGD"] > 10


def test_schedules() -> None:
    linear, cosine, exponential = Linear(1.0, 0.2, 4), Cosine(1.0, 0.2, 4), Exponential(1.0, 0.5, 4)
    assert [linear(t) for t in range(6)] == pytest.approx([1, 0.8, 0.6, 0.4, 0.2, 0.2])
    half = 0.8 * math.sqrt(0.5) / 2
    assert [cosine(t) for t in range(6)] == pytest.approx([1, 0.6 + half, 0.6, 0.6 - half, 0.2, 0.2])
    assert [exponential(t) for t in (0, 2, 4, 8)] == pytest.approx([1, math.sqrt(0.5), 0.5, 0.25])


def test_a_schedule_sets_the_rate_of_each_update() -> None:
    net = network(get_backend("numpy"))
    rule = SGD(Linear(1.0, 0.0, 2))
    optimizer = rule.bind(net)
    for lr in (1.0, 0.5, 0.0, 0.0):
        before = net.flat.copy()
        give(net, np.ones(net.flat.size))
        optimizer.step()
        np.testing.assert_allclose(before - net.flat, lr)
    assert rule.lr_at(1) == 0.5
    assert SGD(0.3).lr_at(1000) == 0.3


@pytest.mark.parametrize(
    "rule",
    [
        SGD(0.1, momentum=0.9),
        RMSprop(0.1, decay=0.5),
        Adam(2e-4, beta1=0.5),
        Adam(Cosine(1e-3, 0.0, 100), eps=1e-7),
        OptimisticAdam(2e-4, beta1=0.5),
        SGD(Linear(1.0, 0.1, 5)),
        RMSprop(Exponential(1.0, 0.1, 5)),
    ],
    ids=repr,
)
def test_rules_and_schedules_can_be_written_down(rule: Optimizer) -> None:
    assert build(rule.describe()) == rule
    assert eval(repr(rule)) == rule  # what is shown is what one would type
    assert rule != SGD(12.0)


def test_arguments_out_of_range_are_refused_with_a_sentence() -> None:
    bad: list[Callable[[], Any]] = [
        lambda: SGD(0),
        lambda: SGD(-1e-3),
        lambda: SGD(math.nan),
        lambda: SGD(0.1, momentum=1),
        lambda: SGD(0.1, momentum=-0.1),
        lambda: RMSprop(0.1, decay=1.5),
        lambda: RMSprop(0.1, eps=-1),
        lambda: Adam(beta1=1),
        lambda: Adam(beta2=-0.5),
        lambda: Adam(eps=-1e-8),
        lambda: OptimisticAdam(0),
        lambda: OptimisticAdam(beta1=1),
        lambda: Linear(1, 0, 0),
        lambda: Cosine(1, 0, -5),
        lambda: Exponential(1, 0, 5),
    ]
    for make in bad:
        with pytest.raises(ValueError, match=r"(must be|needs).*got"):
            make()


def test_the_bases_say_that_they_are_only_bases() -> None:
    with pytest.raises(NotImplementedError):
        Schedule()(0)
    net = network(get_backend("numpy"))
    with pytest.raises(NotImplementedError):
        Optimizer(0.1).bind(net).step()


def test_what_an_optimizer_remembers_is_the_same_on_every_backend(backend: Backend) -> None:
    """Where parameters begin at round addresses there are gaps between them, which no file shows."""
    layers = [Dense(3, 5), Dense(5, 1)]
    net, twin = (Sequential(*(Dense(d.n_in, d.n_out) for d in layers), backend=be, seed=1) for be in (backend, "numpy"))
    adam, other = (Adam(0.1).bind(n) for n in (net, twin))
    x = np.ones((4, 3), "float32")
    for n, opt in ((net, adam), (twin, other)):
        y, back = n(x)
        back(y)
        opt.step()
    state = adam.state_dict()
    assert state["m"].shape == (net.size,) == (26,)
    for name, array in other.state_dict().items():
        np.testing.assert_allclose(state[name], array, rtol=1e-4, atol=1e-7)
    adam.load_state_dict(other.state_dict())
    for name, array in other.state_dict().items():
        np.testing.assert_array_equal(adam.state_dict()[name], array)
    begins = [(backend.address(p.data) - backend.address(net.flat)) // 4 for p in net.parameters.values()]
    assert all(begin % backend.align == 0 for begin in begins)
