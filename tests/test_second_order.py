"""Gradients of gradients: every rule of second order, and the weights that are functions of parameters.

`Sequential.input_gradient` claims that push(u) is d/dθ Σ u · dx, dx the gradient of Σy. Two judges, neither of which
goes backwards through anything: `networks.along`, the derivative of an independent forward along u by a complex step,
whose slope in θ that must be; and, for penalties P(dx), the slope of P itself, once dx is known to be right.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import fake_cupy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import (
    Array,
    Case,
    along,
    assert_gradient,
    evaluate,
    flat_of,
    quadratic,
    quiet,
    randomise,
    same,
    seeds,
    stacks,
    worst,
)

import minigan
from minigan import (
    GAN,
    BatchNorm,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    Layer,
    LayerNorm,
    LeakyReLU,
    Maxout,
    MinibatchStdDev,
    ReLU,
    Reshape,
    Sequential,
    Sigmoid,
    Softplus,
    SpectralNorm,
    Tanh,
    WeightNorm,
    get_backend,
    gradcheck,
)
from minigan.backend import Arena, Backend, Purpose, Stream
from minigan.nn import Activation
from minigan.nn.init import Normal
from minigan.nn.weights import WeightFunction, weight_function

STREAM = Stream(5, Purpose.CALL, 17)
critics = stacks(batchnorm=False)  # a batch of one sample among them, unless layers mix samples
modes = st.booleans()
WEIGHTS = {"a parameter": None, "SpectralNorm": SpectralNorm(), "WeightNorm": WeightNorm()}


def on(be: Backend, case: Case) -> Sequential:
    """The case's network on another backend."""
    return Sequential.build(case.net.describe(), be, case.net.state_dict())


def second_order(net: Sequential, x: Array, u: Array, train: bool, **options: Any) -> list[Array]:
    """y, dx and the gradient d/dθ Σ u · dx, as NumPy arrays."""
    y, dx, push = net.input_gradient(x, train=train, stream=STREAM, **options)
    net.zero_grad()
    push(net.backend.asarray(u))
    return [*map(net.backend.to_numpy, (y, dx)), net.packed(net.flat_grad)]


# --- the rules -------------------------------------------------------------------------------------------------


def signs(net: Sequential, flat: Array, x: Array, train: bool) -> list[Array]:
    """On which side of each kink the batch is."""
    found: list[Array] = []
    evaluate(net, flat, x, train, STREAM, signs=found)
    return found


def check(net: Sequential, x: Array, train: bool, rng: np.random.Generator, directions: int = 3) -> None:
    """dx and push(u), for a random u, against the independent forward alone."""
    u, flat = rng.standard_normal(x.shape), flat_of(net)
    _, dx, gradient = second_order(net, x, u, train)
    for _ in range(directions):
        d = rng.standard_normal(x.shape)
        expected = along(net, flat, x, d, train, STREAM)
        assert abs(np.vdot(dx, d) - expected) <= 1e-9 * np.linalg.norm(dx) * np.linalg.norm(d) + 1e-12

    def derivative(flat: Array) -> tuple[float, list[Array]]:
        return along(net, flat, x, u, train, STREAM), signs(net, flat, x, train)

    if net.size:
        assert_gradient(derivative, flat, gradient, rng, directions)


LAYERS: dict[str, Callable[[], list[Layer]]] = {
    "LayerNorm": lambda: [LayerNorm(4)],
    "LayerNorm, large eps": lambda: [LayerNorm(4, eps=0.5)],
    "MinibatchStdDev": lambda: [MinibatchStdDev(), Dense(5, 4)],
    "MinibatchStdDev, large eps": lambda: [MinibatchStdDev(eps=0.5), Dense(5, 4)],
    "Maxout": lambda: [Maxout(2), Dense(2, 4)],
    "LeakyReLU": lambda: [LeakyReLU(0.2)],
    "ReLU": lambda: [ReLU()],
    "Sigmoid": lambda: [Sigmoid()],
    "Tanh": lambda: [Tanh()],
    "Softplus": lambda: [Softplus()],
    "Dropout": lambda: [Dropout(0.4)],
    "GaussianNoise": lambda: [GaussianNoise(0.5)],
    "Flatten, Reshape": lambda: [Reshape(2, 2), Flatten()],
}


@pytest.mark.parametrize("train", [True, False], ids=["training", "inference"])
@pytest.mark.parametrize("norm", WEIGHTS)
@pytest.mark.parametrize("layer", LAYERS)
def test_each_layer(layer: str, norm: str, train: bool) -> None:
    """Between curved layers, so that every term of its rule takes part: S, dy₂ and both at once."""
    rng = np.random.default_rng(1)
    net = Sequential(
        Dense(3, 4, norm=WEIGHTS[norm]), Tanh(), *LAYERS[layer](), Dense(4, 3, norm=WEIGHTS[norm]), Softplus(),
        Dense(3, 2, norm=WEIGHTS[norm]), dtype="float64",
    )  # fmt: skip
    check(randomise(net, rng), rng.standard_normal((5, 3)), train, rng)


@pytest.mark.parametrize("gain", [True, False])
@pytest.mark.parametrize("act", [Tanh(), ReLU(), None], ids=repr)
def test_batchnorm_with_running_statistics(act: Layer | None, gain: bool) -> None:
    """Between curved layers, and with the activation that it applies itself."""
    rng = np.random.default_rng(1)
    behind = [] if act is None else [type(act)()]
    net = Sequential(
        Dense(3, 4), Tanh(), BatchNorm(4, eps=0.3, gain=gain), *behind, Dense(4, 3), Softplus(), dtype="float64"
    )  # fmt: skip
    net.load_state_dict(
        net.state_dict() | {"2.running_mean": rng.normal(size=4), "2.running_var": rng.uniform(0.3, 2, 4)}
    )
    check(randomise(net, rng), rng.standard_normal((5, 3)), False, rng)


@pytest.mark.parametrize("layer", LAYERS)
def test_each_layer_alone(backend: Backend, layer: str) -> None:
    """Where nothing comes back from behind (dy₂ = 0), and where it is the first of all."""
    rng = np.random.default_rng(2)
    for layers in ([Dense(3, 4), *LAYERS[layer](), Tanh(), Dense(4, 1)], [Tanh(), *LAYERS[layer](), Dense(4, 1)]):
        net = randomise(Sequential(*layers, backend=backend, dtype="float64"), rng)
        check(net, rng.standard_normal((6, 3 if isinstance(layers[0], Dense) else 4)), True, rng)


@settings(max_examples=60)
@given(case=critics, train=modes)
def test_random_stacks(case: Case, train: bool) -> None:
    check(case.net, case.x, train, case.rng)


@settings(max_examples=8)
@given(case=critics, train=modes)
def test_random_stacks_on_every_backend(backend: Backend, case: Case, train: bool) -> None:
    check(on(backend, case), case.x, train, case.rng, directions=2)


Penalty = Callable[[Array], tuple[float, Array]]


def slope_of_one(dx: Array) -> tuple[float, Array]:
    """Σ_n (‖dx_n‖ − 1)² and its gradient (Gulrajani et al. 2017)."""
    norms = np.linalg.norm(dx, axis=1, keepdims=True)
    return float(((norms - 1) ** 2).sum()), 2 * (norms - 1) * dx / np.maximum(norms, 1e-300)


@settings(max_examples=30)
@given(case=critics, train=modes, gulrajani=st.booleans())
def test_penalties_on_random_stacks(case: Case, train: bool, gulrajani: bool) -> None:
    """P(dx(θ)) with dx of minigan, which is that of the ordinary pass to the last bit."""
    net, x, rng = case.net, case.x, case.rng
    value, gradient = quadratic(rng, x.shape)
    penalty: Penalty = slope_of_one if gulrajani else lambda dx: (value(dx), gradient(dx))
    flat = flat_of(net)
    y, back = net(x, train=train, track=False, stream=STREAM)
    expected = [y, back(np.ones_like(y), params=False)]
    *found, g = second_order(net, x, penalty(expected[1])[1], train)
    assert same(found, expected)

    def P(flat: Array) -> tuple[float, list[Array]]:
        net.flat[...] = flat
        dx = net.input_gradient(x, train=train, stream=STREAM)[1]
        return penalty(dx)[0], signs(net, flat, x, train)

    if net.size:
        assert_gradient(P, flat, g, rng, directions=2)


@settings(max_examples=15)
@given(case=critics, train=modes)
def test_every_backend_gives_the_reference_networks_results(backend: Backend, case: Case, train: bool) -> None:
    u = case.rng.standard_normal(case.x.shape)
    net, reference = (quiet(on(be, case)) for be in (backend, get_backend("reference")))
    found, expected = (second_order(n, case.x, u, train) for n in (net, reference))
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-10 * (1 + abs(b).max(initial=0)))
    y, back = net(case.x, train=train, track=False, stream=STREAM)
    dx = backend.to_numpy(back(backend.asarray(np.ones(y.shape)), params=False))
    assert same(found[:2], [backend.to_numpy(y), dx])


# --- the contract of a pass ------------------------------------------------------------------------------------


@settings(max_examples=10)
@given(case=critics, train=modes, order=st.permutations(range(3)), arena=st.booleans())
def test_gradients_add_up_in_any_order_until_they_are_forgotten(
    backend: Backend, case: Case, train: bool, order: list[int], arena: bool
) -> None:
    """Real samples, fakes and a penalty of one update, in one arena: each adds what it would alone."""
    net, where = on(backend, case), Arena(backend) if arena else None
    u, dy = case.rng.standard_normal(case.x.shape), []

    def passes(arena: Arena | None) -> list[Callable[[], Any]]:
        forwards = [net(case.x, train=train, track=False, stream=STREAM, arena=arena) for _ in range(2)]
        dy[:] = [backend.asarray(np.linspace(-1, 1, math.prod(y.shape)).reshape(y.shape)) for y, _ in forwards]
        _, _, push = net.input_gradient(case.x, train=train, stream=STREAM, arena=arena)
        return [*(lambda b=b, g=g: b(g, inputs=False) for (_, b), g in zip(forwards, dy, strict=True)),
                lambda: push(backend.asarray(u))]  # fmt: skip

    def gradient(backs: list[Callable[[], Any]]) -> Array:
        net.zero_grad()
        for back in backs:
            back()
        return net.packed(net.flat_grad)

    alone = [gradient([back]) for back in passes(None)]
    size = 1e-9 * (1 + sum(abs(g).max(initial=0) for g in alone))
    for _ in range(3 if arena else 1):  # arenas come back with what was left in them
        backs = passes(where)
        together = gradient([backs[i] for i in order])
        np.testing.assert_allclose(together, sum(alone), rtol=1e-9, atol=size)
        np.testing.assert_allclose(gradient([backs[2]]), alone[2], rtol=1e-12, atol=1e-3 * size)
        np.testing.assert_allclose(gradient([backs[2], backs[2]]), 2 * alone[2], rtol=1e-9, atol=size)
        if where is not None:
            where.rewind()


@settings(max_examples=10)
@given(case=critics, train=modes)
def test_nothing_moves_but_the_gradient(backend: Backend, case: Case, train: bool) -> None:
    """The batch, what was returned, u, the parameters and the statistics."""
    net = on(backend, case)
    x, u = backend.asarray(case.x), backend.asarray(case.rng.standard_normal(case.x.shape))
    state = net.state_dict()
    y, dx, push = net.input_gradient(x, train=train, stream=STREAM)
    before = [*map(backend.to_numpy, (x, y, dx, u))]
    assert not any(g.any() for g in net.grad_dict().values())
    push(u)
    assert same([*map(backend.to_numpy, (x, y, dx, u))], before)
    assert same(list(net.state_dict().values()), list(state.values()))
    push(u)
    first = net.flat_grad.copy()
    net.zero_grad()
    dx[...] = u  # a penalty may write u over dx
    push(dx)
    push(dx)
    assert same([net.packed(net.flat_grad)], [net.packed(first)])


@given(case=critics, train=modes)
def test_push_is_linear(case: Case, train: bool) -> None:
    u, v = case.rng.standard_normal((2, *case.x.shape))
    *_, one = second_order(case.net, case.x, u, train)
    *_, other = second_order(case.net, case.x, v, train)
    *_, both = second_order(case.net, case.x, u - 3 * v, train)
    size = abs(one).max(initial=0) + abs(other).max(initial=0)
    np.testing.assert_allclose(both, one - 3 * other, rtol=1e-9, atol=1e-9 * size)


def test_a_pass_that_is_over_and_u_that_does_not_fit() -> None:
    net, arena = Sequential(Dense(3, 2), Tanh()), Arena(get_backend("numpy"))
    _, dx, push = net.input_gradient(np.ones((4, 3)), arena=arena)
    push(dx.tolist())  # as the network takes its batches
    for u in (dx[:3], dx[:, :2], dx.T):
        with pytest.raises(ValueError, match=r"u must have the shape of dx, \(4, 3\), got"):
            push(u)
    with pytest.raises(TypeError, match="floats"):
        push(np.ones((4, 3), int))
    arena.rewind()
    with pytest.raises(RuntimeError, match="this pass is over"):
        push(dx)


class Cube(Activation):
    """y = x³ without its second derivative."""

    def value(self, xp: Any, x: Array, out: Array, tmp: Array) -> None:
        out[...] = x**3

    def slope(self, xp: Any, y: Array, out: Array, mask: Array) -> None:
        out[...] = 3 * np.cbrt(y) ** 2


class Own(Layer):
    """y = 2x, without a rule of second order."""

    def forward(self, x: Any, run: Any) -> Any:
        return 2 * x, lambda dy, params, inputs: 2 * dy


@pytest.mark.parametrize("act", [None, Cube()], ids=repr)
def test_layers_without_a_rule_are_refused(act: Layer | None) -> None:
    x = np.ones((4, 3))
    for layer, words in (
        (BatchNorm(2), r"layer 1, BatchNorm\(2\): .*mixes the samples.*LayerNorm in its place"),
        (Own(), r"layer 1, Own\(\): has no second-order rule \(a method `twice`\)"),
    ):
        with pytest.raises(ValueError, match=words):
            Sequential(Dense(3, 2), layer, Tanh()).input_gradient(x)
    if act is not None:
        for layers in ([Dense(3, 2), act, Dense(2, 1)], [Dropout(0.1), act, Dense(3, 1)]):
            _, dx, push = Sequential(*layers).input_gradient(x)
            with pytest.raises(ValueError, match=r"Cube\(\) has no second derivative \(a method `curvature`\)"):
                push(dx)


# --- precision -------------------------------------------------------------------------------------------------


def arrays(value: Any) -> Iterator[Array]:
    if isinstance(value, (np.ndarray, np.generic, fake_cupy.DeviceArray)):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from arrays(item)


@pytest.mark.parametrize("norm", WEIGHTS)
def test_no_float64_in_a_float32_pass(monkeypatch: pytest.MonkeyPatch, norm: str) -> None:
    """Whatever the layers compute on a device, kernels apart, is seen there: all of it is float32 (or no float)."""
    device, seen = fake_cupy.install(monkeypatch), Counter[str]()
    be = get_backend("cupy")
    net = Sequential(
        Dense(3, 4, norm=WEIGHTS[norm]), LayerNorm(4), Tanh(), Dropout(0.3), GaussianNoise(), MinibatchStdDev(),
        Dense(5, 4, norm=WEIGHTS[norm]), LayerNorm(4), Softplus(), Dense(4, 1, norm=WEIGHTS[norm]), backend=be,
    )  # fmt: skip
    x = be.asarray(np.random.default_rng(0).standard_normal((6, 3)), "float32")

    def look(what: str, values: Any) -> None:
        for array in arrays(values):
            if array.dtype.kind == "f":
                seen[what] += 1
                assert array.dtype == np.float32, what

    ufunc, allocate = fake_cupy.DeviceArray.__array_ufunc__, type(device).allocate

    def watched(self: Any, f: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        look(f.__name__, [inputs, list(kwargs.get("out", ()))])
        return ufunc(self, f, method, *inputs, **kwargs)

    def allocated(self: Any, shape: Any, dtype: Any) -> Any:
        array = allocate(self, shape, dtype)
        look("allocate", array)
        return array

    monkeypatch.setattr(fake_cupy.DeviceArray, "__array_ufunc__", watched)
    monkeypatch.setattr(type(device), "allocate", allocated)
    for _ in range(2):
        y, back = net(x)
        back(y)
        y, dx, push = net.input_gradient(x)
        push(dx)
        look("results", [y, dx, net.flat_grad])
    for what in ("allocate", "multiply", "add", "subtract", "divide", "results"):
        assert seen[what]


# --- weights that are functions of parameters ------------------------------------------------------------------


def singular(W: Array, steps: int, u: Array) -> tuple[Array, Array]:
    """u and v after so many steps of power iteration."""
    for _ in range(steps):
        v = W.T @ u / np.linalg.norm(W.T @ u)
        u = W @ v / np.linalg.norm(W @ v)
    return u, v


@settings(max_examples=5)
@given(n_in=st.integers(1, 9), n_out=st.integers(1, 9), seed=seeds, dtype=st.sampled_from(["float32", "float64"]))
def test_one_power_iteration_in_each_tracked_pass_and_none_in_any_other(
    backend: Backend, n_in: int, n_out: int, seed: int, dtype: str
) -> None:
    net = Sequential(Dense(n_in, n_out, norm=SpectralNorm()), backend=backend, dtype=dtype, seed=seed)
    rng, close = np.random.default_rng(seed), {"atol": 1e-5 if dtype == "float32" else 1e-12}
    randomise(net, rng)
    x = rng.standard_normal((4, n_in)).astype(dtype)
    for _ in range(3):
        before = net.state_dict()
        W = before["0.weight_orig"].astype(np.float64)
        u, v = singular(W, 1, before["0.weight_u"].astype(np.float64))
        y = backend.to_numpy(net(x)[0])
        after = net.state_dict()
        np.testing.assert_allclose(after["0.weight_u"], u, **close)
        np.testing.assert_allclose(after["0.weight_v"], v, **close)
        np.testing.assert_allclose(y, x @ W.T / (u @ W @ v) + before["0.bias"], rtol=1e-4, **close)
        for options in ({"track": False}, {"train": False}, {"train": False, "track": True}):
            z, back = net(x, **options)
            back(z)
            assert np.array_equal(backend.to_numpy(z), y)  # real, fake and penalty of an update see the same weight
        assert np.array_equal(backend.to_numpy(net.input_gradient(x)[0]), y)
        assert same(list(net.state_dict().values()), list(after.values()))


@settings(max_examples=10)
@given(n_in=st.integers(1, 30), n_out=st.integers(1, 30), seed=seeds)
def test_sigma_becomes_the_largest_singular_value(n_in: int, n_out: int, seed: int) -> None:
    """From below: it is sensible at once, and 1 % away after a few hundred passes, however close the second is."""
    net = Sequential(Dense(n_in, n_out, norm=SpectralNorm(), bias=False), dtype="float64", seed=seed)
    eye, W = np.eye(n_in), net.state_dict()["0.weight_orig"]
    largest = np.linalg.norm(W, 2)
    assert 1 - 1e-9 <= np.linalg.norm(net(eye, train=False)[0], 2) <= 1.4
    last = 0.0
    for _ in range(300):
        net(eye[:1])
        sigma = net.buffers["0.weight_u"] @ W @ net.buffers["0.weight_v"]
        assert last - 1e-12 <= sigma <= largest + 1e-12
        last = sigma
    assert sigma == pytest.approx(largest, rel=0.01)


def test_sigma_is_exact_where_the_second_singular_value_is_small() -> None:
    net = Sequential(Dense(5, 4, norm=SpectralNorm()), dtype="float64", seed=1)
    rng = np.random.default_rng(0)
    W = np.linalg.qr(rng.standard_normal((4, 4)))[0] @ np.diag([3, 1, 0.5, 0.1]) @ np.eye(4, 5)
    net.load_state_dict({**net.state_dict(), "0.weight_orig": W})
    for _ in range(30):
        net(np.ones((1, 5)))
    assert abs(net.buffers["0.weight_u"] @ W @ net.buffers["0.weight_v"]) == pytest.approx(3, rel=1e-12)


@settings(max_examples=8)
@given(seed=seeds)
def test_a_spectrally_normalised_critic_stretches_nothing(seed: int) -> None:
    """Lipschitz with constant 1 through any number of layers, once σ has settled (Miyato et al. 2018, section 2.1)."""
    net = Sequential(
        Dense(6, 9, norm=SpectralNorm()), LeakyReLU(0.2), Dense(9, 9, norm=SpectralNorm()), Tanh(),
        Dense(9, 1, norm=SpectralNorm()), dtype="float64", seed=seed,
    )  # fmt: skip
    rng = np.random.default_rng(seed)
    randomise(net, rng)
    for _ in range(100):
        net(np.ones((1, 6)))
    a, b = 10 * rng.standard_normal((2, 50, 6))
    far, near = (np.linalg.norm(v, axis=1) for v in (net(a, train=False)[0] - net(b, train=False)[0], a - b))
    assert (far <= 1.05 * near).all()
    slopes = np.linalg.norm(net.input_gradient(a, train=False)[1], axis=1)
    assert (slopes <= 1.05).all()


@pytest.mark.parametrize("norm", ["SpectralNorm", "WeightNorm"])
def test_a_pass_is_not_disturbed_by_training_before_its_backward(norm: str) -> None:
    """u and v are those of its own forward."""
    net = Sequential(Dense(3, 4, norm=WEIGHTS[norm]), Tanh(), Dense(4, 2, norm=WEIGHTS[norm]), dtype="float64")
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((6, 3)), rng.standard_normal((6, 2))

    def gradient(disturb: bool) -> list[Array]:
        randomise(net, np.random.default_rng(1))
        _, back = net(x, track=False)
        _, dx, push = net.input_gradient(x)
        if disturb:
            for _ in range(3):
                net(x)
        net.zero_grad()
        back(dy)
        push(dx)
        return [net.flat_grad.copy()]

    assert same(gradient(disturb=False), gradient(disturb=True))


@given(n_in=st.integers(1, 9), n_out=st.integers(1, 9), seed=seeds)
def test_weight_normalisation_begins_as_drawn_and_learns_length_and_direction_apart(
    n_in: int, n_out: int, seed: int
) -> None:
    net = Sequential(Dense(n_in, n_out, norm=WeightNorm(), bias=False), dtype="float64", seed=seed)
    state, x = net.state_dict(), np.random.default_rng(seed).standard_normal((5, n_in))
    np.testing.assert_allclose(net(x)[0], x @ state["0.weight_v"].T, rtol=1e-12, atol=1e-12)
    g, V = state["0.weight_g"], state["0.weight_v"]
    assert g.shape == (n_out, 1)
    net.load_state_dict({"0.weight_g": -2 * g, "0.weight_v": 5 * V})
    y, back = net(x)
    np.testing.assert_allclose(y, -2 * x @ V.T, rtol=1e-12, atol=1e-12)
    back(y)
    grads = net.grad_dict()
    assert abs((grads["0.weight_v"] * V).sum(axis=1)).max() <= 1e-12 * (1 + abs(grads["0.weight_g"]).max())


class Kernel(Layer):
    """A layer whose weight has more than two axes, as convolutions have: y = x W for each of the outputs."""

    def __init__(self, *shape: int, norm: WeightFunction | None = None) -> None:
        self.shape = shape
        self.norm = norm
        self._function = weight_function(norm)
        self._function.register(self, shape, Normal(1.0))

    def begin(self, values: dict[str, Array], rng: np.random.Generator) -> None:
        self._function.begin(values, rng)

    def forward(self, x: Any, run: Any) -> Any:
        weight = self._function.weight(self, run)

        def back(dy: Any, params: bool, inputs: bool) -> Any:
            if params:
                dW, accumulate = weight.grad_to_write()
                dW[...] = accumulate * dW + np.tensordot(dy, x, (0, 0))
                weight.pull(dW)
            return np.tensordot(dy, weight.data, (1, 0))

        return np.tensordot(x, weight.data, ((1, 2, 3), (1, 2, 3))), back


@pytest.mark.parametrize("norm", WEIGHTS)
def test_weights_of_any_rank(norm: str) -> None:
    layer = Kernel(3, 2, 4, 2, norm=WEIGHTS[norm])
    x = np.random.default_rng(0).standard_normal((5, 2, 4, 2))
    net = Sequential(layer, dtype="float64", seed=4)
    assert worst(gradcheck(net, x)) <= 1e-6
    net.zero_grad()
    shapes = {name: array.shape for name, array in net.state_dict().items()}
    assert (
        shapes
        == {
            "a parameter": {"0.weight": (3, 2, 4, 2)},
            "SpectralNorm": {"0.weight_orig": (3, 2, 4, 2), "0.weight_u": (3,), "0.weight_v": (16,)},
            "WeightNorm": {"0.weight_g": (3, 1, 1, 1), "0.weight_v": (3, 2, 4, 2)},
        }[norm]
    )
    y, _ = net(x)
    flat = Sequential(Flatten(), Dense(16, 3, bias=False, norm=WEIGHTS[norm]), dtype="float64")
    flat.load_state_dict({"1" + k[1:]: v if k.endswith("_u") or v.ndim == 1 else v.reshape(3, -1)
                          for k, v in net.state_dict().items()})  # fmt: skip
    np.testing.assert_allclose(y, flat(x, track=False)[0], rtol=1e-12)


@pytest.mark.parametrize("norm", ["SpectralNorm", "WeightNorm"])
def test_a_layer_in_a_network_is_checked_as_it_is(norm: str) -> None:
    """gradcheck of a layer takes its values over: vectors that were iterated far, and lengths that were learned."""
    layer = Dense(3, 2, norm=WEIGHTS[norm])
    net = randomise(Sequential(layer, dtype="float64"), np.random.default_rng(0))
    x = np.random.default_rng(1).standard_normal((4, 3))
    y, seen = net(x, track=False)[0], []

    def loss(z: Array) -> tuple[float, Array]:
        seen.append(z)
        return float((z * z).sum()), 2 * z

    assert worst(gradcheck(layer, x, loss=loss, randomize=False)) <= 1e-6
    assert np.array_equal(seen[0], y)


@given(seed=seeds)
def test_gradcheck_moves_the_singular_vectors_with_the_weight(seed: int) -> None:
    """Vectors moved at random could make σ, and with it W, anything."""
    seen = []

    def loss(W: Array) -> tuple[float, Array]:
        seen.append(np.linalg.norm(W, 2))
        return float(W.sum()), np.ones_like(W)

    net = Sequential(Dense(6, 5, bias=False, norm=SpectralNorm()), seed=seed)
    gradcheck(net, np.eye(6), loss=loss, directions=1, seed=seed)
    assert 1 - 1e-9 <= seen[0] <= 1.4


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("norm", ["SpectralNorm", "WeightNorm"])
def test_networks_begin_alike_wherever_they_are_and_come_back_from_their_state(
    backend: Backend, norm: str, dtype: str
) -> None:
    layers = {"kind": "Dense", "n_in": 7, "n_out": 5, "norm": {"kind": norm}}
    net, twin = (
        Sequential.build({"layers": [layers], "dtype": dtype, "seed": 3}, be) for be in (backend, get_backend("numpy"))
    )
    assert same(list(net.state_dict().values()), list(twin.state_dict().values()))
    assert all(array.dtype == dtype for array in net.state_dict().values())
    assert net.describe() == twin.describe()
    x = np.random.default_rng(0).standard_normal((4, 7))
    for _ in range(2):
        y, back = net(x)
        back(y)
        minigan.SGD(0.1).bind(net).step()
    built = Sequential.build(net.describe(), backend, net.state_dict())
    for one in (net, built):
        one(x)
    assert same(list(net.state_dict().values()), list(built.state_dict().values()))
    if norm == "SpectralNorm":
        assert np.linalg.norm(net.state_dict()["0.weight_u"]) == pytest.approx(1, abs=1e-6)
    state = net.state_dict()
    del state[next(name for name in state if name.endswith("weight_v"))]
    with pytest.raises(ValueError, match=r"0\.weight_v"):
        Sequential.build(net.describe(), backend, state)


def test_a_game_with_normalised_critics_is_saved_and_goes_on_bit_for_bit(tmp_path: Any) -> None:
    G = Sequential(Dense(2, 5, norm=WeightNorm()), ReLU(), Dense(5, 3), Tanh(), seed=1)
    D = Sequential(
        Dense(3, 6, norm=SpectralNorm()), LayerNorm(6), LeakyReLU(), MinibatchStdDev(),
        Dense(7, 1, norm=SpectralNorm()), seed=2,
    )  # fmt: skip
    gan, real = GAN(G, D, seed=0), np.random.default_rng(0).uniform(-1, 1, (8, 3)).astype("float32")
    for _ in range(3):
        gan.step(real)
    gan.save(tmp_path / "gan.npz")
    twin = GAN.load(tmp_path / "gan.npz")
    for _ in range(3):
        assert gan.step(real) == twin.step(real)
    for one, other in ((gan.G, twin.G), (gan.D, twin.D)):
        assert same(list(one.state_dict().values()), list(other.state_dict().values()))


# --- minibatch standard deviation ------------------------------------------------------------------------------


@given(n=st.integers(1, 6), f=st.integers(1, 6), seed=seeds)
def test_the_deviation_is_of_the_batch_in_both_modes(n: int, f: int, seed: int) -> None:
    x = np.random.default_rng(seed).standard_normal((n, f))
    net = Sequential(MinibatchStdDev(eps=1e-4), dtype="float64")
    assert net.mixes_samples
    expected = np.column_stack([x, np.full(n, np.sqrt(x.var(axis=0) + 1e-4).mean())])
    for train in (True, False) if n > 1 else (False,):
        np.testing.assert_allclose(net(x, train=train)[0], expected, rtol=1e-12)
    alone = net(x[:1], train=False)[0]
    np.testing.assert_allclose(alone[0, -1], 0.01, rtol=1e-12)  # √ε: nothing varies
    dx = net.input_gradient(x[:1], train=False)[1]
    assert (dx == 1).all()
