"""Layers and networks: shapes, memory, state, the contract of a pass, and PyTorch as a second opinion."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import Array, Case, evaluate, flat_of, pair, quadratic, quiet, randomise, same, seeds, stacks, worst

import minigan
from minigan import (
    GAN,
    AvgPool2D,
    BatchNorm,
    Conv2D,
    ConvTranspose2D,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    Layer,
    LayerNorm,
    LeakyReLU,
    Maxout,
    MinibatchStdDev,
    Parameter,
    ReLU,
    Reshape,
    Sequential,
    Sigmoid,
    Softplus,
    SpectralNorm,
    Tanh,
    Tutorial,
    Upsample,
    WeightNorm,
    get_backend,
    init,
)
from minigan.backend import Arena, Backend, Purpose, Stream
from minigan.backend.reference import Backend as Reference
from minigan.nn.init import Constant, Glorot, He, Initializer, Normal, fans
from minigan.spec import build

x32 = np.random.default_rng(0).standard_normal((6, 3)).astype("float32")


def run(net: Sequential, x: Any, **options: Any) -> Array:
    return net.backend.to_numpy(net(x, **options)[0])


# --- values ----------------------------------------------------------------------------------------------------


@given(case=stacks(), train=st.booleans())
def test_outputs_are_the_textbooks(case: Case, train: bool) -> None:
    stream = Stream(1, Purpose.CALL, 2)
    y = run(case.net, case.x, train=train, stream=stream)
    np.testing.assert_allclose(y, evaluate(case.net, flat_of(case.net), case.x, train, stream), rtol=1e-9, atol=1e-9)


@given(case=stacks(), train=st.booleans(), seed=seeds)
def test_every_backend_gives_the_reference_networks_results(
    backend: Backend, case: Case, train: bool, seed: int
) -> None:
    results = []
    for be in (backend, get_backend("reference")):
        net = quiet(Sequential.build(case.net.describe(), be))
        net.load_state_dict(case.net.state_dict())
        y, back = net(case.x, train=train, stream=Stream(seed, Purpose.CALL))
        dx = back(be.asarray(np.random.default_rng(seed).standard_normal(y.shape)))
        results.append([*map(be.to_numpy, (y, dx)), *net.grad_dict().values(), *net.state_dict().values()])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_activations_at_their_ends(dtype: str) -> None:
    """No overflow, no NaN, and right at ±1000."""
    x = np.array([[-1000, -1, 0, 1, 1000]], dtype)
    for layer, expected in {
        LeakyReLU(0.25): [-250, -0.25, 0, 1, 1000],
        ReLU(): [0, 0, 0, 1, 1000],
        Sigmoid(): [0, 1 / (1 + math.e), 0.5, math.e / (1 + math.e), 1],
        Tanh(): [-1, -math.tanh(1), 0, math.tanh(1), 1],
        Softplus(): [0, math.log1p(math.exp(-1)), math.log(2), 1 + math.log1p(math.exp(-1)), 1000],
    }.items():
        net = Sequential(layer, dtype=dtype)
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            y, back = net(x)
            slopes = back(np.ones_like(x))
        np.testing.assert_allclose(y, [expected], rtol=1e-6)
        assert np.isfinite(slopes).all()
        assert ((slopes >= 0) & (slopes <= 1)).all()


def test_dropout_keeps_the_mean_and_only_that_share() -> None:
    net = Sequential(Dropout(0.3), seed=4)
    y = run(net, np.ones((200, 500), "float32"))
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / 0.7)}
    assert (y == 0).mean() == pytest.approx(0.3, abs=0.01)
    assert y.mean() == pytest.approx(1, abs=0.01)


def test_gaussian_noise_has_its_standard_deviation() -> None:
    y = run(Sequential(GaussianNoise(0.5), seed=4), np.full((200, 500), 2, "float32"))
    assert y.mean() == pytest.approx(2, abs=0.01)
    assert y.std() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("layer", [Dropout(0.5), GaussianNoise(0.5)], ids=repr)
def test_random_layers_draw_anew_in_each_call_and_rest_in_inference(layer: Layer) -> None:
    net, twin = Sequential(type(layer)(0.5), seed=3), Sequential(type(layer)(0.5), seed=3)
    x = np.ones((4, 50), "float32")
    assert np.array_equal(run(net, x, train=False), x)
    assert not np.array_equal(run(net, x), run(net, x))
    stream = Stream(9, Purpose.CALL)
    assert np.array_equal(run(net, x, stream=stream), run(twin, x, stream=stream))
    assert not np.array_equal(run(net, x, stream=stream), run(net, x, stream=stream._replace(seed=8)))
    run(twin, x, train=False)
    assert [run(twin, x).tobytes() for _ in range(2)] == [
        run(fresh, x).tobytes() for fresh in [Sequential(type(layer)(0.5), seed=3)] for _ in range(3)
    ][1:]


def test_two_random_layers_of_one_network_draw_different_numbers() -> None:
    net = Sequential(GaussianNoise(1), Reshape(50), GaussianNoise(1))
    once = run(Sequential(GaussianNoise(1)), np.zeros((1, 50)), stream=Stream(1, 1))
    assert not np.allclose(run(net, np.zeros((1, 50)), stream=Stream(1, 1)), 2 * once)


# --- shapes and refusals ---------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 4), min_size=1, max_size=3), st.integers(1, 4))
def test_flatten_and_reshape_keep_every_number_in_its_place(shape: list[int], n: int) -> None:
    x = np.arange(n * math.prod(shape), dtype="float32").reshape(n, *shape)
    y, back = Sequential(Flatten())(x)
    assert y.shape == (n, math.prod(shape))
    assert np.array_equal(back(y), x)
    z, back = Sequential(Reshape(*reversed(shape)))(x)
    assert z.shape == (n, *reversed(shape))
    assert np.array_equal(z.ravel(), x.ravel())
    assert np.array_equal(back(z), x)


REFUSED: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "Dense of no inputs": (lambda: Dense(0, 2), ValueError, "n_in must be an integer of 1 or more, got 0"),
    "Dense of half an output": (lambda: Dense(2, 1.5), ValueError, "n_out must be an integer of 1 or more, got 1.5"),
    "Dense, unknown init": (lambda: Dense(2, 2, init="gloro"), ValueError, "unknown initialiser 'gloro'.*glorot"),
    "BatchNorm of no features": (lambda: BatchNorm(0), ValueError, "n_features must be an integer"),
    "BatchNorm, momentum 1": (lambda: BatchNorm(2, momentum=1), ValueError, r"momentum in \[0, 1\), got 1"),
    "BatchNorm, no eps": (lambda: BatchNorm(2, eps=0.0), ValueError, "positive eps, got 0"),
    "LayerNorm of no features": (lambda: LayerNorm(0), ValueError, "n_features must be an integer"),
    "LayerNorm, no eps": (lambda: LayerNorm(2, eps=0.0), ValueError, "positive eps, got 0"),
    "Maxout of too many": (lambda: Maxout(257), ValueError, "at most 256 pieces, got 257"),
    "Maxout of one piece": (lambda: Maxout(1), ValueError, "pieces must be an integer of 2 or more, got 1"),
    "MinibatchStdDev, no eps": (lambda: MinibatchStdDev(-1.0), ValueError, "positive eps, got -1"),
    "a layer for a norm": (lambda: Dense(2, 2, norm=LayerNorm(2)), TypeError, r"norm must be None, .*got LayerNorm\(2"),
    "a class for a norm": (lambda: Dense(2, 2, norm=WeightNorm), TypeError, "norm must be None, SpectralNorm"),
    "no spectrum": (
        lambda: Sequential(ReLU(), Dense(2, 2, init="zeros", norm=SpectralNorm())),
        ValueError,
        r"layer 1, Dense\(2, 2, .*\): a weight that begins at zero has no direction",
    ),
    "no direction": (
        lambda: Sequential(Dense(2, 2, init="zeros", norm=WeightNorm())),
        ValueError,
        "a weight that begins at zero has no direction",
    ),
    "LeakyReLU, slope 1": (lambda: LeakyReLU(1), ValueError, r"negative_slope in \[0, 1\), got 1"),
    "LeakyReLU, slope nan": (lambda: LeakyReLU(math.nan), ValueError, "negative_slope"),
    "Dropout of everything": (lambda: Dropout(1), ValueError, r"p in \[0, 1\), got 1"),
    "negative noise": (lambda: GaussianNoise(-0.1), ValueError, "std of 0 or more, got -0.1"),
    "Reshape to nothing": (lambda: Reshape(0), ValueError, "Reshape needs positive integers|must be an integer of 1"),
    "negative std": (lambda: Normal(-1.0), ValueError, "std"),
    "a network in a network": (
        lambda: Sequential(Sequential(Dense(1, 1))),
        TypeError,
        r"expected a minigan.Layer.*Chain\(\*inner.layers\)",
    ),
    "a function as a layer": (
        lambda: Sequential(np.tanh),
        TypeError,
        "layer 0 is <ufunc 'tanh'>, expected a minigan.Layer",
    ),
    "a class as a layer": (lambda: Sequential(Dense(1, 1), ReLU), TypeError, "layer 1 is"),
    "half precision": (
        lambda: Sequential(dtype="float16"),
        ValueError,
        "dtype must be float32 or float64, got 'float16'",
    ),
    "no dtype at all": (lambda: Sequential(dtype="flot32"), ValueError, "dtype must be float32 or float64"),
    "unknown backend": (lambda: Sequential(backend="tpu"), ValueError, "unknown backend 'tpu'"),
    "a seed that is no integer": (lambda: Sequential(seed=1.5), ValueError, "seed must be an integer"),
    "too few features": (
        lambda: Sequential(Dense(4, 2))(x32),
        ValueError,
        r"layer 0, Dense\(4, 2\): .*\(N, 4\), got \(6, 3\)",
    ),
    "images into Dense": (
        lambda: Sequential(Dense(3, 2))(x32.reshape(2, 3, 3)),
        ValueError,
        r"\(N, 3\), got \(2, 3, 3\)",
    ),
    "too many features": (
        lambda: Sequential(Tanh(), BatchNorm(2))(x32),
        ValueError,
        r"layer 1, BatchNorm\(2\): .*\(N, ..., 2\)",
    ),
    "one sample": (
        lambda: Sequential(BatchNorm(3))(x32[:1]),
        ValueError,
        "single sample.*batch of 2 or more, or train=False",
    ),
    "too many features for a LayerNorm": (lambda: Sequential(LayerNorm(2))(x32), ValueError, r"\(N, 2\), got \(6, 3"),
    "no pieces": (lambda: Sequential(Maxout(2))(x32), ValueError, r"needs a batch \(N, 2 F\), got \(6, 3\)"),
    "images into MinibatchStdDev": (
        lambda: Sequential(MinibatchStdDev())(x32.reshape(2, 3, 3)),
        ValueError,
        r"\(N, F\), got \(2, 3, 3\): put a Flatten",
    ),
    "one sample's deviation": (
        lambda: Sequential(MinibatchStdDev())(x32[:1]),
        ValueError,
        "single sample.*batch of 2 or more, or train=False",
    ),
    "no sample": (lambda: Sequential(Dense(3, 2))(x32[:0]), ValueError, "at least one sample"),
    "bytes": (lambda: Sequential(Dense(3, 2))(np.ones((6, 3), "uint8")), TypeError, "floats, got uint8.*to_float"),
    "integers": (lambda: Sequential(Dense(3, 2))([[1, 2, 3]]), TypeError, "floats, got int64"),
    "complex": (lambda: Sequential(Dense(3, 2))(x32 * 1j), TypeError, "floats, got complex"),
    "reshape that does not fit": (
        lambda: Sequential(Reshape(2, 2))(x32),
        ValueError,
        r"cannot arrange .*\(3,\) as \(2, 2\)",
    ),
    "gradient of another shape": (
        lambda: Sequential(Dense(3, 2))(x32)[1](x32),
        ValueError,
        r"shape \(6, 2\), got \(6, 3\)",
    ),
    "gradient of integers": (lambda: Sequential(Tanh())(x32)[1](np.ones((6, 3), int)), TypeError, "floats"),
    "a layer without forward": (lambda: Sequential(Layer())(x32), NotImplementedError, "Layer has no forward"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refusals_say_what_was_given_and_what_was_expected(what: str) -> None:
    call, error, words = REFUSED[what]
    with pytest.raises(error, match=words):
        call()


def test_sizes_may_be_numpys_integers() -> None:
    dense = Dense(np.int64(3), np.int32(2))
    net = Sequential(dense, BatchNorm(np.prod((2, 1))), Reshape(np.int64(2)), seed=np.int64(7))
    assert Sequential.build(net.describe()).describe() == net.describe()
    assert type(dense.n_in) is int


@pytest.mark.parametrize("seed", [0, 2**31, 2**63 - 1, 2**63, 2**64 - 2])
@pytest.mark.filterwarnings("error")
def test_neighbouring_seeds_give_different_weights(seed: int) -> None:
    one, two = (Sequential(Dense(2, 2), seed=s).flat for s in (seed, seed + 1))
    assert not np.array_equal(one, two)
    assert np.array_equal(one, Sequential(Dense(2, 2), seed=seed).flat)


def test_a_layer_has_one_place_in_one_network() -> None:
    shared, fresh = Dense(2, 2), Dense(2, 2)
    with pytest.raises(ValueError, match=r"layer 1, Dense\(2, 2\), occurs twice"):
        Sequential(shared, shared)
    net = Sequential(shared)
    with pytest.raises(ValueError, match="already"):
        Sequential(fresh, shared)
    Sequential(fresh)  # the refused network owns nothing
    assert run(net, np.ones((1, 2))).shape == (1, 2)


def test_a_refused_network_leaves_the_first_as_it_was() -> None:
    bn = BatchNorm(3)
    net = Sequential(bn)
    with pytest.raises(ValueError, match="already"):
        Sequential(bn, dtype="float64")
    net(x32)
    assert same(list(net.buffers.values()), list(net.state_dict().values())[2:])
    assert all(array.dtype == np.float32 for array in net.state_dict().values())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [1, 2])
def test_batchnorm_of_any_width_trains(n: int, dtype: str) -> None:
    net = Sequential(BatchNorm(n), dtype=dtype)
    other = Sequential(BatchNorm(n), dtype=dtype)
    net(np.ones((4, n), dtype) * np.arange(4)[:, None].astype(dtype))
    assert (net.state_dict()["0.running_mean"] != 0).all()
    assert (other.state_dict()["0.running_mean"] == 0).all()  # buffers are each network's own
    other.load_state_dict(net.state_dict())
    assert same(list(net.state_dict().values()), list(other.state_dict().values()))


# --- the contract of a pass ------------------------------------------------------------------------------------


def gradients(net: Sequential, back: Any, dy: Array) -> list[Array]:
    net.zero_grad()
    return [back(dy).copy(), net.flat_grad.copy()]


@given(case=stacks(), order=st.permutations(range(4)), train=st.booleans(), arena=st.booleans())
def test_passes_alive_at_once_do_not_mix(case: Case, order: list[int], train: bool, arena: bool) -> None:
    """Four passes of one network, differentiated in any order, give what each alone gives."""
    net, where = case.net, Arena(case.net.backend) if arena else None
    batches = [case.rng.standard_normal((len(case.x) + i, *case.x.shape[1:])) for i in range(4)]
    streams = [Stream(1, Purpose.CALL, i) for i in range(4)]
    alone, dys = [], []
    for x, stream in zip(batches, streams, strict=True):
        y, back = net(x, train=train, track=False, stream=stream)
        dys.append(case.rng.standard_normal(y.shape))
        alone.append(gradients(net, back, dys[-1]))
    together = [net(x, train=train, track=False, stream=s, arena=where) for x, s in zip(batches, streams, strict=True)]
    for i in order:
        assert same(gradients(net, together[i][1], dys[i]), alone[i])
    for i in reversed(order):  # and once more: a pass can be used again
        assert same(gradients(net, together[i][1], dys[i]), alone[i])


@given(case=stacks(), train=st.booleans())
def test_a_gradient_is_left_alone_unless_it_is_given_away(case: Case, train: bool) -> None:
    x = case.rng.standard_normal(case.x.shape)
    y, back = case.net(x, train=train, stream=Stream(0, 1))
    dy = case.rng.standard_normal(y.shape)
    before = dy.copy()
    expected = back(dy, params=False).copy()
    np.testing.assert_array_equal(dy, before)
    np.testing.assert_array_equal(back(dy, params=False, consume=True), expected)


@given(case=stacks(), n=st.integers(2, 4))
def test_gradients_add_up_until_they_are_forgotten(case: Case, n: int) -> None:
    net = case.net
    passes = [net(case.x, stream=Stream(1, Purpose.CALL, i)) for i in range(n)]
    total = np.zeros(net.size)
    for y, back in passes:
        total += gradients(net, back, np.ones_like(y))[1]
    net.zero_grad()
    for y, back in passes:
        back(np.ones_like(y), inputs=False)
    np.testing.assert_allclose(net.flat_grad, total, rtol=1e-9, atol=1e-9 * (1 + abs(total).max(initial=0)))
    net.zero_grad()
    assert not net.flat_grad.any()
    assert not any(g.any() for g in net.grad_dict().values())


def test_a_pass_whose_memory_was_taken_back_is_refused() -> None:
    net, arena = Sequential(Dense(3, 2), ReLU()), Arena(get_backend("numpy"))
    y, back = net(x32, arena=arena)
    back(np.ones_like(y))
    arena.rewind()
    with pytest.raises(RuntimeError, match="this pass is over: its arena was rewound"):
        back(np.ones_like(y))
    y, back = net(x32)  # without an arena a pass lives as long as one likes
    arena.rewind()
    back(np.ones_like(y))


def test_a_pass_leaves_its_batch_and_its_gradient_alone() -> None:
    for layers in ([Dense(3, 3), ReLU()], [BatchNorm(3), Tanh()], [LeakyReLU()], [Dropout(0.5)], [GaussianNoise()], []):
        net, x, dy = Sequential(*layers), x32.copy(), np.ones((6, 3), "float32")
        back = net(x)[1]
        back(dy)
        assert np.array_equal(x, x32)
        assert (dy == 1).all()


def test_inputs_may_come_in_any_layout() -> None:
    net = Sequential(Dense(3, 2), Tanh(), seed=1)
    y, back = net(x32)
    dy = np.arange(12, dtype="float32").reshape(6, 2)
    expected = [y, back(dy)]
    for x, g in (
        (np.asfortranarray(x32), np.asfortranarray(dy)),
        (np.repeat(x32, 2, axis=1)[:, ::2], np.repeat(dy, 2, axis=0)[::2]),
        (x32.astype("float64"), dy.astype("float64")),
        (x32.astype(">f4"), dy.tolist()),
        (x32.tolist(), dy),
    ):
        y, back = net(x)
        dx = back(g)
        np.testing.assert_allclose(y, expected[0], rtol=1e-6)
        np.testing.assert_allclose(dx, expected[1], rtol=1e-6)
        assert y.dtype == dx.dtype == np.float32


def test_activations_show_every_layer_and_move_nothing() -> None:
    net = Sequential(Dense(3, 4), Tanh(), BatchNorm(4), Dropout(0.5), Dense(4, 2), seed=1)
    before, calls = net.state_dict(), net.calls
    for train in (True, False):
        stream = Stream(1, Purpose.CALL)
        shown = dict(net.activations(x32, train=train, stream=stream))
        assert list(shown) == ["1.Tanh", "2.BatchNorm", "3.Dropout", "4.Dense"]
        assert np.array_equal(shown["4.Dense"], run(net, x32, train=train, track=False, stream=stream))
        np.testing.assert_allclose(
            shown["1.Tanh"], np.tanh(x32 @ before["0.weight"].T + before["0.bias"]), rtol=1e-5, atol=1e-6
        )
    assert same(list(before.values()), list(net.state_dict().values()))
    assert net.calls == calls


def test_a_network_without_layers_is_the_identity() -> None:
    y, back = Sequential()(x32)
    assert np.array_equal(y, x32)
    assert np.array_equal(back(x32), x32)
    assert back(x32, inputs=False) is None


def operations(cls: type) -> list[tuple[str, Any]]:
    """The public operations of a backend, by name."""
    names = [n for n in vars(Reference) if not n.startswith("_") and callable(getattr(cls, n))]
    return [(n, getattr(cls, n)) for n in names]


def test_an_activation_derived_from_another_does_not_inherit_its_compiled_loop(backend: Backend) -> None:
    class Hard(Tanh):
        def value(self, xp: Any, x: Array, out: Array, tmp: Array) -> None:
            xp.clip(x, -1, 1, out=out)

    class Clip:
        def value(self, xp: Any, x: Array, out: Array, tmp: Array) -> None:
            xp.clip(x, -1, 1, out=out)

    class Mixed(Clip, Tanh):
        """Has the value of a class that stands before Tanh, and none of its own."""

    for act in (Hard(), Mixed()):
        y = backend.zeros((2, 3), "float32")
        backend.bias_act(y, backend.asarray(np.float32([0.5, 2, -9])), act, y)
        np.testing.assert_array_equal(backend.to_numpy(y), [[0.5, 1, -1]] * 2)


# --- no wasted work --------------------------------------------------------------------------------------------


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts the operations of every NumPy backend, products by themselves, and sums for a bias."""
    counter: Counter[str] = Counter()
    cls = type(get_backend("numpy"))
    for name, f in operations(cls):

        def counted(self: Any, *args: Any, _f: Any = f, _name: str = name, **kwargs: Any) -> Any:
            counter[_name] += 1
            if _name == "gemms":  # gemm is one of these
                counter["products"] += len(args[0])
            if _name == "bias_act_grad":
                counter["bias sums"] += kwargs.get("dbias") is not None
            return _f(self, *args, **kwargs)

        monkeypatch.setattr(cls, name, counted)
    return counter


def test_what_is_not_asked_for_is_not_computed(calls: Counter[str]) -> None:
    net = Sequential(Dense(3, 4), ReLU(), BatchNorm(4), Dense(4, 5), Tanh(), Dense(5, 2))
    y, back = net(x32)
    dy = np.ones_like(y)
    assert calls["products"] == 3
    for options, gemms, sums in (
        ({}, 6, 3),  # dW and dX of three layers; their biases
        ({"inputs": False}, 5, 3),  # not the first layer's dX
        ({"params": False}, 3, 0),
        ({"params": False, "inputs": False}, 0, 0),
    ):
        calls.clear()
        back(dy, **options)
        assert calls["products"] == gemms
        assert calls["bias sums"] == sums


def test_a_backward_stops_at_the_first_layer_with_parameters(calls: Counter[str]) -> None:
    net = Sequential(Tanh(), Sigmoid(), Dropout(0.5), Dense(3, 2))
    y, back = net(x32)
    calls.clear()
    back(np.ones_like(y), inputs=False)
    assert calls["products"] == 1
    assert calls["bias_act_grad"] == 1  # of Dense itself: its bias
    back(np.ones_like(y), params=False)
    assert calls["bias_act_grad"] == 1 + 2


# G has g dense layers, D has d. A forward is one product per layer; a whole backward two, dW and dX, less the dX of
# the first layer where nobody needs it; the backward through a fixed D is one per layer. So a step costs
#
#     D:  g (fakes)  +  p · (d + 2 d − 1)          p passes of D with their backward: 1 in one batch, else 2
#     G:  g  +  d  +  d  +  (2 g − 1)              G forward, D forward, dX of D, backward of G
#
# and g less if D is shown the fakes of G's own update. For the networks below g = 3, d = 2.
STEP = {
    "one batch": ({}, 3 + 5 + 3 + 2 + 2 + 5),
    "two batches": ({"mixes": True}, 3 + 2 * 5 + 3 + 2 + 2 + 5),
    "the tutorial": ({"kind": Tutorial}, 3 + 2 * 5 + 3 + 2 + 2 + 5),
    "reused fakes": ({"reuse_fakes": True}, 5 + 3 + 2 + 2 + 5),
    "three steps of D": ({"d_steps": 3}, 3 * (3 + 5) + 3 + 2 + 2 + 5),
    "three steps, reused": ({"d_steps": 3, "reuse_fakes": True}, 2 * (3 + 5) + 5 + 3 + 2 + 2 + 5),
}


@pytest.mark.parametrize("rule", STEP)
def test_a_step_of_the_game_has_the_minimal_number_of_products(calls: Counter[str], rule: str) -> None:
    options, products = dict(STEP[rule][0]), STEP[rule][1]
    mixing = [MinibatchStdDev()] if options.pop("mixes", False) else []
    kind: type[GAN] = options.pop("kind", GAN)
    be = get_backend("numpy")
    G = Sequential(Dense(2, 4), ReLU(), BatchNorm(4), Dense(4, 4), ReLU(), Dense(4, 3), Tanh(), backend=be)
    D = Sequential(Dense(3, 4), LeakyReLU(), Dropout(0.1), *mixing, Dense(4 + len(mixing), 1), backend=be)
    gan = kind(G, D, **options)
    real = np.ones((4 * gan.d_steps, 3), "float32")
    gan.step(real)
    calls.clear()
    gan.step(real)
    assert calls["products"] == products
    assert calls["adam"] == 1 + gan.d_steps * (2 if kind is Tutorial else 1)
    assert calls["batchnorm_grad"] == 1  # G's batchnorm, in G's own backward only


# --- precision -------------------------------------------------------------------------------------------------


def every_array(value: Any) -> Iterator[Array]:
    if isinstance(value, (np.ndarray, np.generic)):
        yield np.asarray(value)
    elif isinstance(value, (tuple, list)):
        yield from itertools.chain.from_iterable(map(every_array, value))
    elif isinstance(value, dict):
        yield from every_array(list(value.values()))


@pytest.mark.parametrize("options", [{}, {"reuse_fakes": True}, {"kind": Tutorial}, {"prior": "uniform"}])
@pytest.mark.parametrize("rule", ["Adam", "SGD", "RMSprop"])
def test_no_float64_in_a_float32_step(monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], rule: str) -> None:
    """Every array that an arena hands out, that an operation is given or returns, is float32 (or no float)."""
    G, D = pair()
    kind: type[GAN] = options.get("kind", GAN)
    more = {name: value for name, value in options.items() if name != "kind"}
    gan = kind(G, D, optimizer=getattr(minigan, rule)(1e-3), objective=minigan.NonSaturating(0.9), **more)
    seen: Counter[str] = Counter()

    def look(value: Any, where: str) -> None:
        for array in every_array(value):
            if array.dtype.kind == "f":
                seen[where] += 1
                assert array.dtype == np.float32, where

    cls = type(get_backend("numpy"))
    for name, f in operations(cls):

        def wrapped(self: Any, *args: Any, _f: Any = f, _name: str = name, **kwargs: Any) -> Any:
            result = _f(self, *args, **kwargs)
            look([args, kwargs, result], _name)
            return result

        monkeypatch.setattr(cls, name, wrapped)
    empty = Arena.empty

    def watched(self: Arena, shape: Any, dtype: Any) -> Array:
        array = empty(self, shape, dtype)
        look(array, "arena")
        return array

    monkeypatch.setattr(Arena, "empty", watched)
    images = np.random.default_rng(0).uniform(-1, 1, (9, 3)).astype("float32")
    for _ in range(2):
        look(gan.update_discriminator(images[:4]), "D's metrics")
        look(gan.update_generator(4), "G's metrics")
    gan.fit(np.arange(27, dtype=np.uint8).reshape(9, 3), steps=2, batch=4)
    look([gan.sample(3), gan.probability(images), G.state_dict(), D.grad_dict(), gan.g_opt.memory], "results")
    look([G.flat, G.flat_grad, D.flat, D.flat_grad], "parameters")
    for where in ("arena", "gemm", "logistic", "batchnorm_grad", "bias_act_grad", "gather", "D's metrics", "results"):
        assert seen[where]


# --- state -----------------------------------------------------------------------------------------------------


@given(case=stacks(), momentum=st.sampled_from([0.0, 0.8, 0.99]), n=st.integers(2, 9))
def test_running_statistics_keep_their_share(case: Case, momentum: float, n: int) -> None:
    """running = momentum · running + (1 − momentum) · batch, the variance unbiased; still in inference."""
    x = case.rng.standard_normal((n, 4)) * 3 + 1
    net = randomise(Sequential(BatchNorm(4, momentum=momentum), dtype="float64"), case.rng)
    before = net.state_dict()
    net(x, train=False)
    net(x, track=False)
    assert same(list(before.values()), list(net.state_dict().values()))
    net(x)
    after = net.state_dict()
    for name, batch in (("0.running_mean", x.mean(axis=0)), ("0.running_var", x.var(axis=0, ddof=1))):
        np.testing.assert_allclose(after[name], momentum * before[name] + (1 - momentum) * batch, rtol=1e-12)


def test_inference_never_looks_at_the_batch() -> None:
    """Whatever `track` says: each sample's output is its own, and no statistics move."""
    net = randomise(Sequential(BatchNorm(3)), np.random.default_rng(0))
    before = net.state_dict()
    alone = np.concatenate([run(net, x32[i : i + 1], train=False) for i in range(6)])
    for track in (True, False, None):
        np.testing.assert_allclose(run(net, x32, train=False, track=track), alone, rtol=1e-5, atol=1e-6)
    assert same(list(before.values()), list(net.state_dict().values()))


def test_a_pass_in_inference_is_not_disturbed_by_training_before_its_backward() -> None:
    net = randomise(Sequential(BatchNorm(3)), np.random.default_rng(0))
    dy = np.arange(18, dtype="float32").reshape(6, 3)
    expected = gradients(net, net(x32, train=False)[1], dy)
    _, back = net(x32, train=False)
    net(5 + 2 * x32)  # moves the running statistics
    assert same(gradients(net, back, dy), expected)


@pytest.mark.filterwarnings("ignore:overflow|invalid")
def test_a_broken_batch_does_not_poison_the_running_statistics() -> None:
    net = Sequential(BatchNorm(3))
    with np.errstate(all="ignore"):
        net(np.where(np.arange(18).reshape(6, 3) == 4, np.nan, x32).astype("float32"))
    state = net.state_dict()
    assert all(np.isfinite(array).all() for array in state.values())
    assert state["0.running_mean"][1] == 0
    assert state["0.running_mean"][0] != 0


@given(case=stacks())
def test_state_goes_out_and_comes_back(case: Case) -> None:
    net = case.net
    twin = Sequential.build(net.describe())
    twin.load_state_dict(net.state_dict())
    stream = Stream(1, Purpose.CALL)
    for train in (True, False):
        one, two = (run(n, case.x, train=train, stream=stream) for n in (net, twin))
        assert np.array_equal(one, two)
    state = net.state_dict()
    for array in state.values():
        array[...] = 7  # copies: the network is not changed by them
    assert same(list(net.state_dict().values()), list(twin.state_dict().values()))
    assert net.size == sum(math.prod(p.shape) for p in net.parameters.values()) == net.flat.size == net.flat_grad.size


def test_names_shapes_and_order() -> None:
    net = Sequential(Dense(3, 4), ReLU(), BatchNorm(4), Dense(4, 2, bias=False))
    assert {name: array.shape for name, array in net.state_dict().items()} == {
        "0.weight": (4, 3),
        "0.bias": (4,),
        "2.weight": (4,),
        "2.bias": (4,),
        "2.running_mean": (4,),
        "2.running_var": (4,),
        "3.weight": (2, 4),
    }
    assert list(net.grad_dict()) == list(net.parameters) == ["0.weight", "0.bias", "2.weight", "2.bias", "3.weight"]
    flat = np.concatenate([net.state_dict()[name].ravel() for name in net.parameters])
    assert np.array_equal(net.flat, flat)
    assert len(net) == 4
    assert net[1] is net.layers[1]


def test_a_state_that_does_not_fit_changes_nothing() -> None:
    net = Sequential(Dense(3, 2), BatchNorm(2))
    good = net.state_dict()
    before = net.state_dict()
    bad: dict[str, dict[str, Any]] = {
        "has no 1.running_var": {k: v for k, v in good.items() if k != "1.running_var"},
        "network has no 2.weight": {**good, "2.weight": np.ones(2)},
        r"0.weight must have shape \(2, 3\), the state has \(3, 2\)": {**good, "0.weight": good["0.weight"].T},
        r"1.bias must have shape \(2,\)": {**good, "1.bias": np.ones((2, 1))},
        "1.running_mean must hold floats, the state has int": {**good, "1.running_mean": np.ones(2, int)},
        "0.bias must hold floats": {**good, "0.bias": np.array(["a", "b"])},
    }
    for words, state in bad.items():
        with pytest.raises(ValueError, match=words):
            net.load_state_dict({name: a + 1 if a.dtype.kind == "f" else a for name, a in state.items()})
        assert same(list(net.state_dict().values()), list(before.values()))
    net.load_state_dict({**good, "1.num_batches_tracked": np.array(3)})  # PyTorch's counter is no loss


@given(case=stacks())
def test_a_description_builds_the_same_network(case: Case) -> None:
    import json

    text = json.dumps(case.net.describe())
    twin = Sequential.build(json.loads(text))
    assert twin.describe() == case.net.describe()
    assert twin.layers == case.net.layers
    assert repr(twin) == repr(case.net)
    fresh = Sequential.build(json.loads(text), backend="reference")
    assert np.array_equal(fresh.flat, twin.flat)  # the seed decides how weights begin
    assert fresh.backend.name == "reference"


@pytest.mark.parametrize(
    "layer",
    [
        Dense(3, 2),
        Dense(3, 2, bias=False, init="he"),
        Dense(3, 2, init=Normal(0.1)),
        Dense(3, 2, norm=SpectralNorm()),
        Dense(3, 2, norm=WeightNorm()),
        BatchNorm(4),
        BatchNorm(4, momentum=0.8, eps=1e-3),
        LayerNorm(4),
        LayerNorm(4, eps=1e-3),
        Maxout(3),
        MinibatchStdDev(),
        MinibatchStdDev(eps=0.1),
        LeakyReLU(),
        LeakyReLU(0.1),
        ReLU(),
        Sigmoid(),
        Tanh(),
        Softplus(),
        Dropout(0.1),
        GaussianNoise(0.2),
        Reshape(1, 28, 28),
        Flatten(),
        He(0.2),
        Glorot(),
        Constant(1.0),
    ],
    ids=repr,
)
def test_a_repr_is_what_one_would_type(layer: Layer | Initializer) -> None:
    twin = eval(repr(layer))
    assert twin == layer
    assert hash(twin) == hash(layer)
    assert build(layer.describe()) == layer
    assert layer != Dense(99, 1)


def test_repr_of_a_network() -> None:
    assert repr(Sequential(Dense(3, 2), Tanh())).splitlines() == [
        "Sequential(  # 8 parameters, float32, numpy",
        "    0: Dense(3, 2)",
        "    1: Tanh()",
        ")",
    ]


def test_descriptions_that_nobody_wrote_are_refused() -> None:
    for description, words in (
        ({"kind": "Desne", "n_in": 1, "n_out": 1}, "unknown kind 'Desne'.*no such class"),
        ({"kind": "Dense", "n_in": 1}, "description of Dense does not fit its constructor"),
        ({"kind": "Dense", "n_in": 1, "n_out": 1, "bais": True}, "does not fit"),
        ({"kind": "ReLU", "code": "print()"}, "does not fit"),
        ({"kind": "Layer"}, "unknown kind 'Layer'"),
        ({"kind": ["ReLU"]}, r"unknown kind \['ReLU'\]"),
        ({"kind": "Reshape", "shape": 5}, "a list was expected"),
        ({"n_in": 1}, "unknown kind None"),
    ):
        with pytest.raises(ValueError, match=words):
            build(description)


def test_a_users_class_never_stands_in_for_minigans() -> None:
    class Dense(Layer):  # the same name, and something else
        def forward(self, x: Any, run: Any) -> Any:
            return x, lambda dy, params, inputs: dy

    net = Sequential.build(Sequential(minigan.Dense(2, 3)).describe())
    assert type(net.layers[0]) is minigan.Dense
    mine = Sequential.build(Sequential(Dense()).describe())
    assert type(mine.layers[0]) is Dense


# --- layers of one's own ---------------------------------------------------------------------------------------


class Swish(Layer):
    """The example of nn/layer.py."""

    def forward(self, x: Any, run: Any) -> Any:
        s = 1 / (1 + np.exp(-x))
        y = x * s

        def back(dy: Any, params: bool, inputs: bool) -> Any:
            return dy * (s + y * (1 - s))

        return y, back


class Scale(Layer):
    """One trainable number per feature, and a buffer that counts the batches."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.parameters["weight"] = Parameter((n,), Constant(2.0))
        self.buffers["batches"] = np.zeros(1)

    def forward(self, x: Any, run: Any) -> Any:
        w = self.parameters["weight"]
        if run.track:
            self.buffers["batches"] += 1

        def back(dy: Any, params: bool, inputs: bool) -> Any:
            if params:
                w.grad += (dy * x).sum(axis=0)
            return dy * w.data if inputs else None

        return x * w.data, back


def test_layers_of_ones_own_take_part_in_everything() -> None:
    net = Sequential(Dense(3, 4), Swish(), Scale(4), LeakyReLU(), BatchNorm(4), dtype="float64", seed=1)
    assert worst(minigan.gradcheck(net, x32)) <= 1e-6
    net(x32)
    assert net.state_dict()["2.batches"] == [1]
    net(x32, train=False)
    assert net.state_dict()["2.batches"] == [1]
    twin = Sequential.build(net.describe())
    twin.load_state_dict(net.state_dict())
    assert np.array_equal(run(net, x32, train=False), run(twin, x32, train=False))
    y, back = net(x32)
    back(y**3, inputs=False)
    minigan.SGD(0.1).bind(net).step()
    assert (net.state_dict()["2.weight"] != 2).any()


class Mean(Layer):
    """The mean over the features; its gradient is a view that repeats one number, and cannot be written to."""

    def forward(self, x: Any, run: Any) -> Any:
        def back(dy: Any, params: bool, inputs: bool) -> Any:
            return np.broadcast_to(dy / x.shape[1], x.shape)

        return x.mean(axis=1, keepdims=True), back


@pytest.mark.parametrize("before", [Tanh(), BatchNorm(4), Dropout(0.2), GaussianNoise(), Reshape(4)], ids=repr)
def test_a_backward_may_return_a_broadcast_view(before: Layer) -> None:
    for layers in ([before, Mean()], [Dense(4, 4), build(before.describe()), Mean()]):
        assert worst(minigan.gradcheck(Sequential(*layers), np.hstack([x32, x32[:, :1]]))) <= 1e-6


# --- how weights begin -----------------------------------------------------------------------------------------


def test_initialisers_have_the_variance_that_their_papers_ask_for() -> None:
    rng, shape = np.random.default_rng(0), (300, 200)
    for initializer, variance in (
        (Glorot(), 2 / 500),
        (He(), 2 / 200),
        (He(0.2), 2 / (1.04 * 200)),
        (Normal(0.02), 0.02**2),
        (init.get_initializer("normal"), 0.02**2),
        (init.get_initializer("zeros"), 0),
    ):
        drawn = initializer(shape, rng)
        assert drawn.shape == shape
        assert drawn.var() == pytest.approx(variance, rel=0.03)
        assert abs(drawn.mean()) <= 5 * math.sqrt(variance / drawn.size)
    assert abs(Glorot()(shape, rng)).max() <= math.sqrt(6 / 500)
    assert Normal(0.1, mean=3)(shape, rng).mean() == pytest.approx(3, abs=0.01)
    assert fans((8, 4, 3, 3)) == (36, 72)
    assert fans((5,)) == (5, 5)


def test_fresh_weights() -> None:
    net = Sequential(Dense(30, 20), BatchNorm(20), Dense(20, 30), seed=3)
    state = net.state_dict()
    assert not state["0.bias"].any()
    assert (state["1.weight"] == 1).all()
    assert not state["1.bias"].any()
    assert (state["1.running_var"] == 1).all()
    assert not np.array_equal(state["0.weight"].ravel(), state["2.weight"].ravel())
    assert np.array_equal(Sequential(Dense(30, 20), seed=3).state_dict()["0.weight"], state["0.weight"])
    doubled = Sequential(Dense(30, 20), dtype="float64", seed=3).state_dict()["0.weight"]
    assert np.array_equal(doubled.astype("float32"), state["0.weight"])


# --- PyTorch as a second opinion -------------------------------------------------------------------------------


def in_torch(torch: Any, net: Sequential) -> Any:
    nn = torch.nn

    class Deviation(nn.Module):  # type: ignore[misc]
        def __init__(self, eps: float) -> None:
            super().__init__()
            self.eps = eps

        def forward(self, x: Any) -> Any:
            deviation = (x.var(dim=0, correction=0) + self.eps).sqrt().mean()
            return torch.cat([x, deviation.expand(len(x), 1)], dim=1)

    class Largest(nn.Module):  # type: ignore[misc]
        def __init__(self, pieces: int) -> None:
            super().__init__()
            self.pieces = pieces

        def forward(self, x: Any) -> Any:
            return x.reshape(len(x), self.pieces, -1).amax(dim=1)

    def linear(it: Dense) -> Any:
        normed = {SpectralNorm: nn.utils.spectral_norm, WeightNorm: nn.utils.weight_norm, type(None): lambda it: it}
        return normed[type(it.norm)](nn.Linear(it.n_in, it.n_out, bias=it.bias))

    def last(module: Any) -> Any:
        """With the channels last, as minigan has them."""
        module.register_forward_pre_hook(lambda _, given: given[0].permute(0, 3, 1, 2))
        module.register_forward_hook(lambda *passed: passed[2].permute(0, 2, 3, 1))
        return module

    class Added(nn.Sequential):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            return x + super().forward(x)

    class Beside(nn.Sequential):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            return torch.cat([x, super().forward(x)], dim=-1)

    def row(layers: Any) -> list[Any]:
        return [twins[type(layer)](layer) for layer in layers]

    twins: dict[type, Callable[[Any], Any]] = {
        minigan.Chain: lambda it: nn.Sequential(*row(it.layers)),
        minigan.Residual: lambda it: Added(*row(it.layers)),
        minigan.Skip: lambda it: Beside(*row(it.layers)),
        Dense: linear,
        LayerNorm: lambda it: nn.LayerNorm(it.n_features, eps=it.eps),
        Maxout: lambda it: Largest(it.pieces),
        MinibatchStdDev: lambda it: Deviation(it.eps),
        BatchNorm: lambda it: nn.BatchNorm1d(it.n_features, eps=it.eps, momentum=1 - it.momentum),
        LeakyReLU: lambda it: nn.LeakyReLU(it.negative_slope),
        ReLU: lambda it: nn.ReLU(),
        Sigmoid: lambda it: nn.Sigmoid(),
        Tanh: lambda it: nn.Tanh(),
        Softplus: lambda it: nn.Softplus(),
        Dropout: lambda it: nn.Dropout(0.0),
        GaussianNoise: lambda it: nn.Identity(),
        Conv2D: lambda it: last(nn.Conv2d(it.c_in, it.c_out, it.kernel, padding=it.padding)),
        ConvTranspose2D: lambda it: last(nn.ConvTranspose2d(it.c_in, it.c_out, it.kernel)),
        Upsample: lambda it: last(nn.Upsample(scale_factor=it.factor, mode=it.mode)),
        AvgPool2D: lambda it: last(nn.AvgPool2d(it.kernel)),
        Flatten: lambda it: nn.Flatten(),
        Reshape: lambda it: nn.Unflatten(1, it.shape),
    }
    return nn.Sequential(*row(net.layers)).double()


@pytest.mark.filterwarnings("ignore:.*weight_norm.*deprecated:FutureWarning")
@given(case=stacks())
def test_pytorch_loads_the_state_and_computes_the_same(case: Case) -> None:
    torch = pytest.importorskip("torch")
    net = case.net
    for _, layer in net.chain.everything():  # random numbers are each library's own
        if isinstance(layer, (Dropout, GaussianNoise)):
            layer.__dict__.update(p=0.0, std=0.0)
    theirs = in_torch(torch, net)
    theirs.load_state_dict({name: torch.from_numpy(array) for name, array in net.state_dict().items()})
    assert {n for n in theirs.state_dict() if "num_batches" not in n} == net.state_dict().keys()

    x = torch.tensor(case.x, requires_grad=True)
    theirs.eval()
    np.testing.assert_allclose(run(net, case.x, train=False), theirs(x).detach().numpy(), rtol=1e-9, atol=1e-9)
    theirs.train()
    expected = theirs(x)
    y, back = net(case.x)
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-9, atol=1e-9)
    _, gradient = quadratic(case.rng, y.shape)
    expected.backward(torch.from_numpy(gradient(y)))
    net.zero_grad()
    dx = back(gradient(y))
    np.testing.assert_allclose(dx, x.grad.numpy(), rtol=1e-7, atol=1e-9)
    parameters = dict(theirs.named_parameters())
    assert parameters.keys() == net.grad_dict().keys()
    for name, grad in net.grad_dict().items():
        np.testing.assert_allclose(grad, parameters[name].grad.numpy(), rtol=1e-7, atol=1e-9, err_msg=name)

    after = theirs.state_dict()  # running statistics have moved alike
    for name, array in net.state_dict().items():
        np.testing.assert_allclose(array, after[name].numpy(), rtol=1e-9, atol=1e-12, err_msg=name)
    net.load_state_dict(after)  # and the way back, with PyTorch's own tensors
    np.testing.assert_allclose(run(net, case.x, train=False), theirs.eval()(x).detach().numpy(), rtol=1e-9, atol=1e-9)
