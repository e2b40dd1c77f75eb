"""Layers that hold layers: Chain, Residual and Skip, in one another, do what their formulas say in everything."""

from __future__ import annotations

import copy
import itertools
import math
import pickle
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fake_cupy
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import (
    Case,
    along,
    assert_gradient,
    evaluate,
    flat_of,
    kinked,
    norms,
    quadratic,
    randomise,
    seeds,
    smooth,
    worst,
)

import minigan
from minigan import (
    GAN,
    R1,
    SGD,
    Adam,
    AvgPool2D,
    BatchNorm,
    Chain,
    Conv2D,
    ConvTranspose2D,
    Dense,
    Dropout,
    FeatureMatching,
    Flatten,
    GaussianNoise,
    Layer,
    LayerNorm,
    LeakyReLU,
    Maxout,
    MinibatchStdDev,
    ReLU,
    Reshape,
    Residual,
    Sequential,
    Skip,
    SpectralNorm,
    Tanh,
    Upsample,
    WeightNorm,
    get_backend,
    gradcheck,
    mean_squared_error,
)
from minigan.backend import Backend, Purpose, Stream, graph
from minigan.backend.cupy_backend import CupyBackend
from minigan.game import Play, saved
from minigan.nn.chain import NESTED
from minigan.spec import build

Array = Any
STREAM = Stream(5, Purpose.CALL, 17)
COMPOSED = (Chain, Residual, Skip)
modes = st.booleans()


# --- random networks of layers in layers -----------------------------------------------------------------------


@st.composite
def blocks(draw: st.DrawFn, n: int, depth: int, batchnorm: bool) -> tuple[list[Layer], int]:
    """Up to three layers for n features, and how many come out; what holds layers is up to `depth` deep."""
    layers: list[Layer] = []
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(["held", "held", "dense", "act", "random", "norm", "other"]))
        if kind == "held" and depth:
            held, out = draw(blocks(n, depth - 1, batchnorm))
            cls = draw(st.sampled_from(COMPOSED))
            if cls is Residual and out != n:
                held.append(Dense(out, n))
            layers.append(cls(*held))
            n = {Chain: out, Residual: n, Skip: n + out}[cls]
        elif kind in ("held", "dense"):
            m = draw(st.integers(1, 5))
            layers.append(Dense(n, m, bias=draw(st.booleans()), norm=draw(norms)))
            n = m
        elif kind == "act":
            layers.append(draw(smooth | kinked))
        elif kind == "random":
            layers.append(draw(st.sampled_from([Dropout(0.3), GaussianNoise(0.2)]).map(copy.copy)))
        elif kind == "norm":
            layers.append(BatchNorm(n, momentum=0.8) if batchnorm else LayerNorm(n))
        elif draw(st.booleans()):
            layers += [MinibatchStdDev()]
            n += 1
        else:
            layers.append(Chain(Dense(n, 2 * n), Maxout(2), Reshape(n, 1), Flatten()))
    return layers, n


@st.composite
def nests(draw: st.DrawFn, batchnorm: bool = True) -> Case:
    """A float64 network of layers in layers, three deep, in a random state."""
    rng, n = np.random.default_rng(draw(seeds)), draw(st.integers(1, 4))
    layers, _ = draw(blocks(n, 3, batchnorm))
    net = randomise(Sequential(*layers, dtype="float64", seed=draw(seeds)), rng)
    return Case(net, rng.standard_normal((draw(st.integers(2, 5)), n)), rng)


def on(be: Backend, case: Case) -> Sequential:
    return Sequential.build(case.net.describe(), be, case.net.state_dict())


def u_net(**where: Any) -> Sequential:
    """Images 8 × 8 × 2, halved twice and doubled twice, with all that convolutions have."""
    inner = Skip(
        Conv2D(3, 4, 4, stride=2, padding=1, norm=SpectralNorm()), LeakyReLU(0.2), Dropout(0.2),
        ConvTranspose2D(4, 2, 4, stride=2, padding=1), Tanh(),
    )  # fmt: skip
    return Sequential(
        Skip(
            Conv2D(2, 3, 4, stride=2, padding=1), BatchNorm(3), ReLU(), inner, Residual(GaussianNoise(0.1), Tanh()),
            Upsample(2, "bilinear"), Conv2D(5, 2, 3, padding=1),
        ),
        Residual(Chain(AvgPool2D(2), Upsample(2)), Conv2D(4, 4, 1)), Conv2D(4, 1, 3, padding=1), **where,
    )  # fmt: skip


# --- values and gradients --------------------------------------------------------------------------------------


@given(case=nests(), train=modes)
def test_outputs_are_the_textbooks(backend: Backend, case: Case, train: bool) -> None:
    net = on(backend, case)
    y = backend.to_numpy(net(case.x, train=train, stream=STREAM)[0])
    expected = evaluate(net, flat_of(net), case.x, train, STREAM)
    np.testing.assert_allclose(y, expected, rtol=1e-8, atol=1e-8)


def check_gradients(net: Sequential, x: Array, train: bool, rng: np.random.Generator) -> None:
    """Those of a random loss, against slopes of the independent forward."""
    be = net.backend
    y, back = net(x, train=train, track=False, stream=STREAM)
    value, gradient = quadratic(rng, y.shape)
    net.zero_grad()
    dx = be.to_numpy(back(be.asarray(gradient(be.to_numpy(y)))))

    def loss(flat: Array, x: Array) -> tuple[float, Any]:
        signs: list[Array] = []
        return value(evaluate(net, flat, x, train, STREAM, signs=signs)), signs

    flat, found = flat_of(net), net.packed(net.flat_grad)
    assert_gradient(lambda x: loss(flat, x), x, dx, rng)
    if net.size:
        assert_gradient(lambda flat: loss(flat, x), flat, found, rng)


@given(case=nests(), train=modes)
def test_gradients_are_slopes(backend: Backend, case: Case, train: bool) -> None:
    check_gradients(on(backend, case), case.x, train, case.rng)


@pytest.mark.parametrize("train", [True, False], ids=["training", "inference"])
def test_gradients_of_a_u_net(backend: Backend, train: bool) -> None:
    rng = np.random.default_rng(3)
    net = randomise(u_net(backend=backend, dtype="float64"), rng)
    check_gradients(net, rng.standard_normal((3, 8, 8, 2)), train, rng)


@given(case=nests(batchnorm=False), train=modes)
def test_the_second_order_is_that_of_the_independent_forward(backend: Backend, case: Case, train: bool) -> None:
    net, x, rng = on(backend, case), case.x, case.rng
    u, flat = rng.standard_normal(x.shape), flat_of(net)
    y, dx, push = net.input_gradient(x, train=train, stream=STREAM)
    y, dx = map(backend.to_numpy, (y, dx))
    np.testing.assert_allclose(y, evaluate(net, flat, x, train, STREAM), rtol=1e-8, atol=1e-8)
    net.zero_grad()
    push(backend.asarray(u))
    d = rng.standard_normal(x.shape)
    scale = np.linalg.norm(dx) * np.linalg.norm(d)
    assert abs(np.vdot(dx, d) - along(net, flat, x, d, train, STREAM)) <= 1e-8 * scale + 1e-12

    def derivative(flat: Array) -> tuple[float, list[Array]]:
        signs: list[Array] = []
        evaluate(net, flat, x, train, STREAM, signs=signs)
        return along(net, flat, x, u, train, STREAM), signs

    if net.size:
        assert_gradient(derivative, flat, net.packed(net.flat_grad), rng)


def test_gradcheck_takes_them_alone_and_in_networks() -> None:
    x = np.random.default_rng(0).standard_normal((4, 3))
    layer = Residual(Dense(3, 2), Skip(Tanh(), BatchNorm(2)), Dense(4, 3, norm=SpectralNorm()))
    errors = gradcheck(layer, x)
    assert errors.keys() == {"input", "0.0.weight", "0.0.bias", "0.1.1.weight", "0.1.1.bias", "0.2.bias",
                             "0.2.weight_orig"}  # fmt: skip
    assert worst(errors) <= 1e-6
    net = Sequential(layer, Dense(3, 1), seed=3)
    assert worst(gradcheck(net, x)) <= 1e-6
    assert worst(gradcheck(layer, x)) <= 1e-6  # now that it is part of a network


@given(case=nests(), train=modes, order=st.permutations([0, 1, 2]))
def test_passes_alive_at_once_do_not_mix(case: Case, train: bool, order: list[int]) -> None:
    net, batches = case.net, [case.rng.standard_normal(case.x.shape) for _ in range(3)]

    def gradient(pass_: tuple[Array, Any]) -> list[Array]:
        y, back = pass_
        net.zero_grad()
        return [back(np.cos(y)), net.flat_grad.copy(), back(np.cos(y), params=False)]

    def forward(x: Array) -> tuple[Array, Any]:
        return net(x, train=train, track=False, stream=STREAM)

    alone = [gradient(forward(x)) for x in batches]
    passes = [forward(x) for x in batches]
    for i in order:
        for expected, found in zip(alone[i], gradient(passes[i]), strict=True):
            np.testing.assert_array_equal(expected, found)


# --- the same as without ---------------------------------------------------------------------------------------


def plain_and_held() -> tuple[list[Layer], list[Layer]]:
    """The same layers in a row, and some of them in chains; random ones keep their places."""

    def layers() -> list[Layer]:
        return [Dense(6, 8), BatchNorm(8), LeakyReLU(0.2), Dense(8, 4, bias=False), Tanh(), Dense(4, 1)]

    a, b, c, d, e, f = layers()
    return layers(), [Chain(a, Chain(b, c)), Chain(Chain(Chain(d, e)), f)]


def test_a_chain_changes_no_bit(backend: Backend) -> None:
    results = []
    for layers in plain_and_held():
        net, rng = Sequential(*layers, backend=backend, seed=4), np.random.default_rng(0)
        y, back = net(rng.standard_normal((7, 6)).astype("float32"))
        dx = back(backend.asarray(rng.standard_normal((7, 1)).astype("float32")))
        running = [net.state_dict()[name] for name in sorted(net.state_dict()) if "running" in name]
        results.append([*map(backend.to_numpy, (y, dx, net.flat, net.flat_grad)), *running])
    for plain, held in zip(*results, strict=True):
        np.testing.assert_array_equal(plain, held)


def test_activations_within_are_joined_to_the_layer_before(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = []
    be = get_backend("numpy")
    for layers in plain_and_held():
        calls: Counter[str] = Counter()
        with monkeypatch.context() as patch:
            for name in ("bias_act", "bias_act_grad", "batchnorm", "batchnorm_grad", "gemms"):
                operation = getattr(type(be), name)

                def counted(
                    *args: Any, _f: Any = operation, _name: str = name, _calls: Any = calls, **more: Any
                ) -> Any:
                    _calls[_name] += 1
                    return _f(*args, **more)

                patch.setattr(type(be), name, counted)
            y, back = Sequential(*layers, backend=be)(np.ones((3, 6), "float32"))
            back(np.ones_like(y))
        counts.append(calls)
    assert counts[0] == counts[1]
    assert counts[0]["bias_act"] == 4  # one for each Dense, and that of batchnorm's activation


@given(case=nests())
def test_what_is_not_asked_for_is_not_computed(case: Case) -> None:
    net = case.net
    y, back = net(case.x, train=False)
    net.zero_grad()
    dx = back(np.cos(y))
    gradient = net.flat_grad.copy()
    net.zero_grad()
    assert back(np.cos(y), inputs=False) is None
    np.testing.assert_array_equal(net.flat_grad, gradient)
    net.zero_grad()
    np.testing.assert_array_equal(back(np.cos(y), params=False), dx)
    assert all(parameter.is_zero for parameter in net.parameters.values())


def test_a_backward_stops_where_nobody_needs_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a layer too: the way from the first weights to the input is not gone."""
    seen: list[str] = []
    forward = Tanh.forward

    def watched(self: Any, x: Any, run: Any) -> Any:
        y, back = forward(self, x, run)
        return y, lambda dy, params, inputs: (seen.append("Tanh"), back(dy, params, inputs))[1]

    monkeypatch.setattr(Tanh, "forward", watched)
    for held in COMPOSED:
        net = Sequential(
            held(Tanh(), Dense(3, 3), Dropout(0.1), Tanh(), Dense(3, 3)), Dense(6 if held is Skip else 3, 1)
        )
        y, back = net(np.ones((2, 3), "float32"))
        back(np.ones_like(y), inputs=False)
        assert seen == ["Tanh"]
        back(np.ones_like(y))
        assert seen == ["Tanh"] * 3
        seen.clear()


@pytest.mark.parametrize("last", [
    lambda: Chain(Dense(4, 4), Reshape(2, 2)), lambda: Residual(Dense(4, 4), Tanh()), lambda: Skip(Dense(4, 2), Tanh()),
    lambda: Chain(Residual(Tanh()), Chain(Flatten(), Reshape(4))), lambda: Residual(Dropout(0.0)),
    lambda: Chain(Dropout(0.5), Chain()), lambda: Chain(Reshape(2, 2), Chain(Flatten())), lambda: Skip(Flatten()),
])  # fmt: skip
def test_the_output_may_be_wanted_somewhere(backend: Backend, last: Callable[[], Layer]) -> None:
    net = Sequential(Dense(3, 4), Tanh(), last(), backend=backend, seed=2)
    x = np.random.default_rng(0).standard_normal((5, 3)).astype("float32")
    y, back = net(x, train=False)
    out = backend.zeros(y.shape, "float32")
    there, back_there = net(x, train=False, out=out)
    assert backend.address(there) == backend.address(out)
    np.testing.assert_array_equal(*map(backend.to_numpy, (y, there)))
    np.testing.assert_array_equal(backend.to_numpy(out), backend.to_numpy(y))
    dx, dx_there = (backend.to_numpy(b(backend.asarray(np.cos(backend.to_numpy(y))))) for b in (back, back_there))
    np.testing.assert_array_equal(dx, dx_there)


@pytest.mark.parametrize("held", COMPOSED)
def test_a_sum_is_made_where_it_is_wanted(held: Any) -> None:
    """And not somewhere else first."""
    net, arena = Sequential(held(Dense(3, 3), Tanh(), Dense(3, 3)), Flatten()), get_backend("numpy").arena()
    x, taken = np.ones((2, 3), "float32"), []
    for out in (None, np.empty((2, 6 if held is Skip else 3), "float32")):
        arena.rewind()
        net(x, arena=arena, out=out)
        taken.append(arena._next)
    assert taken[1] == taken[0] - 1


# --- random numbers --------------------------------------------------------------------------------------------


@given(case=nests())
def test_each_layer_has_a_lane_of_its_own(case: Case) -> None:
    chain = case.net.chain
    lanes = [lane for _, lane, _ in chain.leaves()]
    assert len(set(lanes)) == len(lanes)
    assert all(0 <= lane < 2**64 - 2 for lane in lanes)  # but for those that penalties have
    for i, layer in enumerate(chain.layers):
        assert isinstance(layer, COMPOSED) or i in lanes  # the layers of a network are where they were


def test_random_layers_draw_different_numbers_wherever_they_stand() -> None:
    noise = [GaussianNoise(1.0) for _ in range(7)]
    a, b, c, d, e, f, g = noise
    net = Sequential(a, Chain(b, Chain(c, d), e), Residual(Residual(f)), g, dtype="float64")
    seen = []
    for layer in noise:
        for other in noise:
            other.std = float(other is layer)
        y, _ = net(np.zeros((4, 50)), stream=STREAM)
        seen.append(y)
    for one, other in itertools.combinations(seen, 2):
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.3
    again, _ = net(np.zeros((4, 50)), stream=STREAM)
    np.testing.assert_array_equal(again, seen[-1])


def test_what_a_layer_holds_moves_no_numbers_of_the_layers_behind_it() -> None:
    def drawn(first: Layer) -> Array:
        return Sequential(first, GaussianNoise(1.0))(np.zeros((2, 3), "float32"), stream=STREAM)[0]

    np.testing.assert_array_equal(drawn(Flatten()), drawn(Chain(Flatten(), Chain(Dropout(0.5), Flatten()))))


# --- names, state, descriptions --------------------------------------------------------------------------------


def test_names_are_those_of_pytorch() -> None:
    net = Sequential(
        Dense(2, 3), Residual(BatchNorm(3), ReLU(), Chain(Dense(3, 4, norm=SpectralNorm()), Dense(4, 3))), Skip(Tanh()),
    )  # fmt: skip
    assert list(net.state_dict()) == [
        "0.weight", "0.bias", "1.0.weight", "1.0.bias", "1.0.running_mean", "1.0.running_var",
        "1.2.0.weight_orig", "1.2.0.bias", "1.2.0.weight_u", "1.2.0.weight_v", "1.2.1.weight", "1.2.1.bias",
    ]  # fmt: skip
    assert list(net.parameters) == list(net.grad_dict())
    assert net.size == 9 + 6 + 16 + 15
    assert net.layers[1].parameters["2.1.bias"] is net.parameters["1.2.1.bias"]
    with pytest.raises(TypeError):
        net.layers[1].parameters["gate"] = minigan.Parameter((1,), minigan.init.Constant(0.0))  # type: ignore[index]


@given(case=nests())
def test_descriptions_states_copies_and_pickles(case: Case) -> None:
    net, x = case.net, case.x
    y, back = net(x, track=False, stream=STREAM)
    back(np.cos(y))
    rebuilt = Sequential.build(net.describe(), state=net.state_dict())
    assert rebuilt.layers == net.layers
    names = {**vars(minigan), **{cls.__name__: cls for cls in COMPOSED}}
    for layer in net.layers:
        assert eval(repr(layer), names) == layer
        assert build(layer.describe()) == layer
    for twin in (rebuilt, copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        np.testing.assert_array_equal(twin(x, track=False, stream=STREAM)[0], y)
        for name, array in net.state_dict().items():
            np.testing.assert_array_equal(twin.state_dict()[name], array)
    np.testing.assert_array_equal(copy.copy(net).flat_grad, net.flat_grad)


def test_layers_that_are_in_no_network_can_be_copied() -> None:
    layer = Residual(Dense(3, 3), Skip(Tanh()), Dense(6, 3))
    twin = copy.deepcopy(layer)
    assert twin == layer
    y, back = Sequential(twin, seed=1)(np.ones((2, 3), "float32"))
    expected, _ = Sequential(layer, seed=1)(np.ones((2, 3), "float32"))
    np.testing.assert_array_equal(y, expected)
    assert back(y).shape == (2, 3)


def test_as_deep_as_it_may_be_it_is_saved_and_remade(tmp_path: Path) -> None:
    layer: Layer = Dense(2, 2, norm=WeightNorm(), init=minigan.init.Normal(0.5))
    for _ in range(NESTED - 1):
        layer = Residual(layer)
    gan = GAN(Sequential(layer, seed=1), Sequential(Dense(2, 1), seed=2))
    gan.save(tmp_path / "gan.npz")
    loaded = GAN.load(tmp_path / "gan.npz")
    np.testing.assert_array_equal(loaded.sample(3, seed=1), gan.sample(3, seed=1))
    with pytest.raises(ValueError, match="layers may hold layers 24 deep, and these would 25"):
        Sequential(Chain(build(layer.describe())))


def test_looking_inside() -> None:
    net = Sequential(Dense(2, 4), ReLU(), Residual(Skip(Dense(4, 3), Tanh()), Dense(7, 4), Chain()), Dense(4, 1))
    names = ["1.ReLU", "2.0.1.Tanh", "2.0.Skip", "2.1.Dense", "2.2.Chain", "2.Residual", "3.Dense"]
    widths = [4, 3, 7, 4, 4, 4, 1]
    assert [(name, y.shape) for name, y in net.activations(np.ones((5, 2)))] == [
        (name, (5, width)) for name, width in zip(names, widths, strict=True)
    ]
    assert net.summary().split("\n") == [
        "       layer        output  parameters",
        "    0  Dense(2, 4)  (4,)            12",
        "    1  ReLU()       (4,)             0",
        "    2  Residual     (4,)              ",
        "  2.0  Skip         (7,)              ",
        "2.0.0  Dense(4, 3)  (3,)            15",
        "2.0.1  Tanh()       (3,)             0",
        "  2.1  Dense(7, 4)  (4,)            32",
        "  2.2  Chain        (4,)              ",
        "    3  Dense(4, 1)  (1,)             5",
        "       total                        64",
    ]
    assert str(Sequential(Chain(Dense(2, 1))).summary()).endswith("3")  # it tells what it takes
    assert net.mixes_samples is False
    assert Sequential(Chain(Residual(BatchNorm(2)))).mixes_samples is True


REFUSALS: dict[str, tuple[Callable[[], Any], str]] = {
    "no layer": (lambda: Residual(Dense(1, 1), 3), "layer 1 is 3, expected a minigan.Layer"),  # type: ignore[arg-type]
    "a network": (
        lambda: Skip(Sequential(Tanh())),  # type: ignore[arg-type]
        r"expected a minigan.Layer.*Chain\(\*inner.layers\)",
    ),
    "twice": (lambda: (lambda t: Sequential(t, Chain(Residual(t))))(Tanh()), r"layer 1.0.0, Tanh\(\), occurs twice"),
    "another shape": (
        lambda: Sequential(Flatten(), Chain(Residual(Dense(3, 2))))(np.ones((4, 3))),
        r"layer 1\.0, Residual\(Dense\(3, 2\)\): x \+ f\(x\) needs layers that keep the shape, "
        r"but they make \(2,\) of samples \(3,\)",
    ),
    "a broadcast": (
        lambda: Sequential(Residual(Dense(3, 1)))(np.ones((4, 3))), r"but they make \(1,\) of samples \(3,\)"
    ),
    "another size": (
        lambda: Sequential(Skip(AvgPool2D(2)))(np.ones((4, 2, 2, 1))),
        r"layer 0, Skip\(AvgPool2D\(2\)\): .*nothing but the last axis, but they make \(1, 1, 1\) of samples \(2, 2",
    ),
    "samples that are numbers": (lambda: Sequential(Skip(Tanh()))(np.ones(4)), "the last axis"),
    "a batch of another shape": (
        lambda: Sequential(Tanh(), Residual(Tanh(), Chain(Dense(3, 2))))(np.ones((4, 5))),
        r"layer 1\.1\.0, Dense\(3, 2\): expected a batch of shape \(N, 3\), got \(4, 5\)",
    ),
    "a weight of zeros": (
        lambda: Sequential(Chain(Dense(2, 2, init=minigan.init.Constant(0), norm=SpectralNorm()))),
        "layer 0.0, Dense.*begins at zero",
    ),
    "batchnorm under a penalty": (
        lambda: Sequential(Residual(BatchNorm(3))).input_gradient(np.ones((4, 3))),
        r"layer 0\.0, BatchNorm\(3\): a penalty is on",
    ),
    "in two networks": (
        lambda: (lambda d: (Sequential(d), Sequential(Chain(d))))(Dense(1, 1)), "0.0.weight belongs to another network"
    ),
    "a state of another": (
        lambda: Sequential.build(Sequential(Chain(Dense(2, 1))).describe(), state={"0.0.weight": np.ones((9, 9))}),
        r"0\.0\.weight of Dense\(2, 1\) is not in the state with shape \(1, 2\)",
    ),
    "features of a layer within": (
        lambda: FeatureMatching().depth(Sequential(Dense(2, 3), ReLU(), Dense(3, 3), Chain(Tanh(), Dense(3, 1)))),
        r"the last Dense of D is in layer 3, Chain\(Tanh\(\), Dense\(3, 1\)\): .* by itself",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSALS)
def test_refusals_say_where_and_what(what: str) -> None:
    call, words = REFUSALS[what]
    with pytest.raises((ValueError, TypeError), match=words):
        call()


@given(case=nests())
def test_shapes_that_are_worked_out_are_those_that_come(case: Case) -> None:
    y, _ = case.net(case.x)
    assert case.net.chain.output_shape(case.x.shape) == y.shape
    numbers, _ = case.net.chain.work(case.x.shape)
    assert numbers >= y.size


# --- classes of somebody's own ---------------------------------------------------------------------------------


class Scaled(Chain):
    """y = 2 f(x), in array code."""

    def forward(self, x: Array, run: Any) -> Any:  # type: ignore[override]
        y, back = super().forward(x, run)
        return y * 2, lambda dy, params, inputs: back(dy * 2, params, inputs)


class Swish(Layer):
    """As in layer.py, on every backend."""

    def forward(self, x: Array, run: Any) -> Any:
        s = 1 / (1 + run.backend.xp.exp(-x))
        y = x * s
        return y, lambda dy, params, inputs: dy * (s + y * (1 - s))


def test_classes_that_are_derived_from_a_chain(backend: Backend) -> None:
    """Their array code finds results, and not operations that a GPU's backend holds back."""
    net = Sequential(
        Dense(3, 4), BatchNorm(4), Scaled(Dense(4, 4), BatchNorm(4), Tanh()), Residual(Swish(), Dense(4, 4), Swish()),
        Scaled(Scaled(Dense(4, 1))), backend=backend, dtype="float64", seed=1,
    )  # fmt: skip
    assert worst(gradcheck(net, np.random.default_rng(0).standard_normal((5, 3)))) <= 1e-6
    twin = Sequential.build(net.describe(), "reference", net.state_dict())
    x = np.random.default_rng(1).standard_normal((5, 3))
    results = []
    for it in (net, twin):
        y, back = it(x)
        dx = back(it.backend.asarray(np.ones((5, 1))))
        results.append([it.backend.to_numpy(y), it.backend.to_numpy(dx), *it.grad_dict().values()])
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-11)


# --- in a game -------------------------------------------------------------------------------------------------


def game(be: Backend | str | None = None, **options: Any) -> GAN:
    """A G with a U-Net in it, and a D of residual blocks."""
    G = Sequential(
        Dense(3, 32), Reshape(4, 4, 2), Skip(Conv2D(2, 3, 2, stride=2), BatchNorm(3), ReLU(), Dropout(0.1),
        ConvTranspose2D(3, 1, 2, stride=2)), Conv2D(3, 1, 1), Tanh(), backend=be, seed=1,
    )  # fmt: skip
    D = Sequential(
        Conv2D(1, 2, 2, stride=2), LeakyReLU(0.2), Residual(Conv2D(2, 2, 3, padding=1), LeakyReLU(0.2),
        Residual(GaussianNoise(0.1), Conv2D(2, 2, 1, norm=SpectralNorm()))), Flatten(), Dense(8, 1), backend=be, seed=2,
    )  # fmt: skip
    return GAN(G, D, **{"optimizer": Adam(2e-3), "penalties": [R1(1.0)], **options})


IMAGES = np.random.default_rng(0).integers(0, 256, (30, 4, 4), dtype=np.uint8)


def parts(gan: GAN) -> dict[str, Array]:
    return {f"{name}.{key}": a for name, part in saved.parts(gan).items() for key, a in part.state_dict().items()}


def test_a_game_is_saved_and_goes_on_as_if_nothing_had_been(backend: Backend, tmp_path: Path) -> None:
    gan = game(backend)
    gan.fit(IMAGES, 3, batch=4)
    gan.save(tmp_path / "gan.npz")
    twin = GAN.load(tmp_path / "gan.npz", backend)
    np.testing.assert_array_equal(twin.sample(3, seed=1), gan.sample(3, seed=1))
    for each in (gan, twin):
        each.fit(IMAGES, 3, batch=4)
    for name, array in parts(gan).items():
        np.testing.assert_array_equal(array, parts(twin)[name], err_msg=name)


def test_every_backend_plays_the_same_game(backend: Backend) -> None:
    gan, reference = (game(be, optimizer=SGD(1e-2)) for be in (backend, "reference"))
    for each in (gan, reference):
        each.fit(IMAGES, 4, batch=4)
    for name, array in parts(gan).items():
        np.testing.assert_allclose(array, parts(reference)[name], rtol=2e-3, atol=2e-4, err_msg=name)


def test_a_step_is_one_graph_and_the_same_game(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_cupy.install(monkeypatch)
    try:
        replayed, called = (game(CupyBackend(graph=graph)) for graph in (True, False))
    except (ImportError, RuntimeError) as error:
        pytest.skip(str(error))
    match, other = (Play(gan, IMAGES, 4) for gan in (replayed, called))
    metrics = other.play(8)
    for name, values in match.play(8).items():
        np.testing.assert_array_equal(values, metrics[name], err_msg=name)
    assert isinstance(match._turn, graph.Graph)
    assert match._turn._graph is not None  # it was a graph indeed
    for name, array in parts(replayed).items():
        np.testing.assert_array_equal(array, parts(called)[name], err_msg=name)


def test_what_is_not_finite_is_found_within() -> None:
    gan = game()
    gan.fit(IMAGES, 1, batch=4)
    gan.D.layers[2].parameters["0.weight"].data[...] = 3e38
    with pytest.raises(minigan.NonFiniteError, match=r"the output of D\.2\.\d"):
        gan.fit(IMAGES, 1, batch=4)


def test_a_u_net_takes_noise_from_pictures() -> None:
    """Where the noise is, the pixels beside it tell; what they show, only the way past the bottleneck knows."""
    rng = np.random.default_rng(0)

    def batch(n: int) -> tuple[Array, Array]:
        waves = np.sin(
            rng.uniform(0.5, 1.5, (n, 1, 1, 1)) * np.arange(8)[:, None, None] + rng.uniform(0, 6, (n, 1, 1, 1))
        )
        clean = (waves * np.ones((8, 1))).astype("float32")
        return clean + 0.5 * rng.standard_normal(clean.shape).astype("float32"), clean

    def learned(net: Sequential) -> float:
        rule = Adam(1e-2).bind(net)
        for _ in range(150):
            noisy, clean = batch(16)
            y, back = net(noisy)
            _, dy = mean_squared_error(y, clean)
            net.zero_grad()
            back(dy, inputs=False)
            rule.step()
        noisy, clean = batch(100)
        return float(np.mean((net(noisy, train=False)[0] - clean) ** 2))

    def layers() -> list[Layer]:
        inner = (Conv2D(6, 8, 4, stride=2, padding=1), LeakyReLU(0.2), ConvTranspose2D(8, 6, 4, stride=2, padding=1))
        return [Conv2D(1, 6, 4, stride=2, padding=1), LeakyReLU(0.2), Skip(*inner), LeakyReLU(0.2),
                ConvTranspose2D(12, 4, 4, stride=2, padding=1), LeakyReLU(0.2)]  # fmt: skip

    u_net = Sequential(Skip(*layers()), Conv2D(5, 1, 3, padding=1), seed=1)
    assert learned(u_net) < 0.06  # the noise's own square is 0.25


def test_a_refiner_that_begins_as_the_identity_learns_a_correction() -> None:
    """Residual blocks whose last weights are small: at first y is x, and then what is asked for."""
    rng, small = np.random.default_rng(1), minigan.init.Normal(1e-3)

    def block() -> Residual:
        return Residual(Conv2D(1, 8, 3, padding=1), Tanh(), Conv2D(8, 1, 3, padding=1, init=small))

    net = Sequential(*(block() for _ in range(3)), seed=1)
    x = rng.uniform(-1, 1, (32, 6, 6, 1)).astype("float32")
    np.testing.assert_allclose(net(x)[0], x, atol=0.02)
    wanted = x + 0.5 * np.roll(x, 1, axis=1) ** 2
    wanted[:, 0] = x[:, 0]
    rule, losses = Adam(1e-2).bind(net), []
    for _ in range(200):
        y, back = net(x)
        loss, dy = mean_squared_error(y, wanted)
        losses.append(float(loss))
        net.zero_grad()
        back(dy, inputs=False)
        rule.step()
    assert losses[-1] < losses[0] / 10
    assert math.isfinite(losses[-1])
