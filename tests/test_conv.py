"""Convolutions and what changes the size of images: the definitions in plain loops, adjoints, differences, PyTorch."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from networks import Array, assert_gradient, evaluate, flat_of, quadratic, randomise, seeds, worst

import minigan
from minigan import (
    GAN,
    R1,
    SGD,
    AvgPool2D,
    BatchNorm,
    Conv2D,
    ConvTranspose2D,
    Dense,
    Flatten,
    Layer,
    LeakyReLU,
    ReLU,
    Reshape,
    Sequential,
    Sigmoid,
    SpectralNorm,
    Tanh,
    Upsample,
    WeightNorm,
    gradcheck,
)
from minigan.backend import Arena, Backend, Purpose, Stream, cpu_planes, get_backend
from minigan.nn.conv import pair
from minigan.nn.init import He

STREAM = Stream(5, Purpose.CALL, 17)


# --- by definition ---------------------------------------------------------------------------------------------


class Case(NamedTuple):
    """A convolution of images (n, height, width, c) to o channels."""

    n: int
    size: tuple[int, int]
    c: int
    o: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    seed: int

    @property
    def places(self) -> tuple[int, ...]:
        sides = zip(self.size, self.kernel, self.stride, self.padding, strict=True)
        return tuple((size + 2 * p - k) // s + 1 for size, k, s, p in sides)

    def draw(self) -> tuple[Array, Array, Array]:
        """x, w and g."""
        rng = np.random.default_rng(self.seed)
        x, w = (self.n, *self.size, self.c), (self.o, *self.kernel, self.c)
        return tuple(rng.standard_normal(s) for s in (x, w, (self.n, *self.places, self.o)))  # type: ignore[return-value]


def pairs(least: int, most: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(least, most), st.integers(least, most))


windows = pairs(1, 4), pairs(1, 3), pairs(0, 4)
channels = st.integers(1, 4), st.integers(1, 3)
cases = st.builds(Case, st.integers(1, 3), pairs(1, 6), *channels, *windows, seeds).filter(lambda c: min(c.places) >= 1)


def by_definition(case: Case, x: Array, w: Array) -> Array:
    """Σ over every pixel of every window, one at a time."""
    out = np.zeros((case.n, *case.places, case.o))
    for n, y, z, o in np.ndindex(*out.shape):
        for i, j in np.ndindex(*case.kernel):
            h, v = y * case.stride[0] + i - case.padding[0], z * case.stride[1] + j - case.padding[1]
            if 0 <= h < case.size[0] and 0 <= v < case.size[1]:
                out[n, y, z, o] += sum(w[o, i, j, c] * x[n, h, v, c] for c in range(case.c))
    return out


@pytest.fixture(params=[1, 1 << 19], ids=["sample by sample", "default blocks"])
def _blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu_planes, "PATCHES", request.param)


@pytest.mark.usefixtures("_blocks")
@settings(max_examples=12)
@given(case=cases, accumulate=st.booleans())
@example(case=Case(2, (5, 5), 1, 2, (4, 4), (2, 2), (1, 1), 0), accumulate=True)
@example(case=Case(3, (2, 3), 2, 1, (1, 1), (3, 2), (4, 0), 0), accumulate=False)
@example(case=Case(2, (6, 5), 1, 33, (4, 3), (2, 2), (1, 1), 0), accumulate=True)  # more outputs than go as planes
@example(case=Case(2, (4, 11), 1, 8, (4, 4), (2, 2), (1, 1), 0), accumulate=True)  # eight outputs; four windows and one
@example(case=Case(3, (3, 6), 1, 16, (2, 4), (1, 2), (1, 0), 0), accumulate=False)  # two windows in a line
@example(case=Case(2, (4, 5), 1, 17, (3, 3), (1, 1), (1, 1), 0), accumulate=True)  # 17 outputs, lines of three numbers
@example(case=Case(2, (4, 5), 11, 1, (3, 3), (1, 1), (1, 1), 0), accumulate=False)  # the adjoint has eleven
def test_convolutions_are_the_definition_and_their_adjoints(backend: Backend, case: Case, accumulate: bool) -> None:
    x, w, g = case.draw()
    expected, options = by_definition(case, x, w), {"stride": case.stride, "padding": case.padding}
    y, dx, dw = (backend.asarray(np.full(a.shape, np.nan)) for a in (g, x, w))
    backend.conv(*map(backend.asarray, (x, w)), y, **options)
    np.testing.assert_allclose(backend.to_numpy(y), expected, rtol=0, atol=1e-10)
    backend.conv_inputs(*map(backend.asarray, (g, w)), dx, **options)
    if accumulate:
        dw[...] = backend.asarray(w)
    backend.conv_weights(*map(backend.asarray, (g, x)), dw, **options, accumulate=accumulate)
    # every element of both adjoints, from the definition: ⟨g, A(e)⟩ for unit vectors e
    units = np.eye(x[0].size).reshape(-1, *x.shape[1:])
    columns = by_definition(case._replace(n=len(units)), units, w).reshape(len(units), -1)
    np.testing.assert_allclose(
        backend.to_numpy(dx).reshape(case.n, -1), g.reshape(case.n, -1) @ columns.T, rtol=0, atol=1e-10
    )
    inner = np.vdot(backend.to_numpy(dw) - (w if accumulate else 0), w)
    assert inner == pytest.approx(np.vdot(g, expected), rel=1e-10, abs=1e-10)
    unit = np.zeros_like(w)
    for index in itertools.islice(np.ndindex(*w.shape), 0, None, 5):
        unit[...] = 0
        unit[index] = 1
        found = backend.to_numpy(dw)[index] - (w[index] if accumulate else 0)
        assert found == pytest.approx(np.vdot(g, by_definition(case, x, unit)), rel=1e-10, abs=1e-10)


@pytest.mark.usefixtures("_blocks")
@settings(max_examples=10)
@given(case=cases)
def test_float32_stays_float32(backend: Backend, case: Case) -> None:
    x, w, g = (a.astype("float32") for a in case.draw())
    options = {"stride": case.stride, "padding": case.padding}
    y, dx, dw = (backend.empty(a.shape, np.float32) for a in (g, x, w))
    backend.conv(*map(backend.asarray, (x, w)), y, **options)
    backend.conv_inputs(*map(backend.asarray, (g, w)), dx, **options)
    backend.conv_weights(*map(backend.asarray, (g, x)), dw, **options)
    inner = [np.vdot(backend.to_numpy(a), b) for a, b in ((y, g), (dx, x), (dw, w))]
    np.testing.assert_allclose(inner, inner[0], rtol=1e-4, atol=1e-3)


def test_enough_samples_for_several_blocks_and_threads(backend: Backend) -> None:
    """A ragged last block, and for the threads of the CPU shares of different size."""
    case = Case(37, (14, 12), 5, 7, (4, 4), (2, 2), (1, 1), 0)
    x, w, g = case.draw()
    options = {"stride": case.stride, "padding": case.padding}
    reference, found, expected = get_backend("reference"), [], []
    for be, results in ((backend, found), (reference, expected)):
        y, dx, dw = (be.empty(a.shape, np.float64) for a in (g, x, w))
        be.conv(*map(be.asarray, (x, w)), y, **options)
        be.conv_inputs(*map(be.asarray, (g, w)), dx, **options)
        be.conv_weights(*map(be.asarray, (g, x)), dw, **options)
        results += [be.to_numpy(a) for a in (y, dx, dw)]
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-10)


# --- layers ----------------------------------------------------------------------------------------------------

LAYERS: dict[str, tuple[tuple[int, ...], Callable[[], list[Layer]]]] = {
    "Conv2D": ((5, 6, 2), lambda: [Conv2D(2, 3, 3)]),
    "Conv2D, stride": ((6, 6, 2), lambda: [Conv2D(2, 3, 4, stride=2, padding=1)]),
    "Conv2D, pairs": ((5, 6, 2), lambda: [Conv2D(2, 3, (2, 3), stride=(3, 1), padding=(0, 2), bias=False)]),
    "Conv2D, Tanh": ((5, 5, 2), lambda: [Conv2D(2, 3, 3), Tanh()]),
    "Conv2D, SpectralNorm": ((5, 5, 2), lambda: [Conv2D(2, 3, 3, norm=SpectralNorm()), Sigmoid()]),
    "Conv2D, WeightNorm": ((5, 5, 2), lambda: [Conv2D(2, 3, (2, 3), norm=WeightNorm()), Tanh()]),
    "ConvTranspose2D": ((3, 2, 2), lambda: [ConvTranspose2D(2, 3, 3)]),
    "ConvTranspose2D, stride": ((3, 3, 2), lambda: [ConvTranspose2D(2, 3, 4, stride=2, padding=1), Tanh()]),
    "ConvTranspose2D, pairs": (
        (2, 3, 2),
        lambda: [ConvTranspose2D(2, 3, (3, 2), stride=(3, 2), padding=(1, 0), output_padding=(2, 1), bias=False)],
    ),
    "Upsample": ((2, 3, 2), lambda: [Upsample(2)]),
    "Upsample, bilinear": ((2, 3, 2), lambda: [Upsample(2, "bilinear")]),
    "Upsample, by three": ((3, 1, 2), lambda: [Upsample(3, "bilinear")]),
    "AvgPool2D": ((6, 3, 2), lambda: [AvgPool2D(3)]),
    "BatchNorm": ((3, 4, 2), lambda: [BatchNorm(2), Tanh()]),
    "a stack": (
        (4, 4, 2),
        lambda: [
            Conv2D(2, 3, 3, padding=1), BatchNorm(3), LeakyReLU(0.2), Conv2D(3, 4, 4, stride=2, padding=1), Tanh(),
            AvgPool2D(2), Flatten(), Dense(4, 8), Reshape(2, 2, 2), ConvTranspose2D(2, 2, 4, stride=2, padding=1),
            ReLU(), Upsample(2, "bilinear"),
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("train", [True, False], ids=["training", "inference"])
@pytest.mark.parametrize("what", LAYERS)
def test_gradients(backend: Backend, what: str, train: bool) -> None:
    shape, layers = LAYERS[what]
    rng = np.random.default_rng(1)
    net = randomise(Sequential(*layers(), backend=backend, dtype="float64"), rng)
    x = rng.standard_normal((4, *shape))
    errors = gradcheck(net, x, train=train)
    assert errors.keys() == {"input", *net.parameters}
    assert worst(errors) <= 1e-6
    y, back = net(x, train=train, track=False, stream=STREAM)
    np.testing.assert_allclose(backend.to_numpy(y), evaluate(net, flat_of(net), x, train, STREAM), rtol=1e-9, atol=1e-9)
    value, gradient = quadratic(rng, y.shape)
    net.zero_grad()
    dx = backend.to_numpy(back(gradient(backend.to_numpy(y))))

    def loss(flat: Array, x: Array) -> tuple[float, list[Array]]:
        signs: list[Array] = []
        return value(evaluate(net, flat, x, train, STREAM, signs=signs)), signs

    assert_gradient(lambda x: loss(flat_of(net), x), x, dx, rng)
    if net.size:
        assert_gradient(lambda flat: loss(flat, x), flat_of(net), net.packed(net.flat_grad), rng)


SIZES = [
    (lambda **o: Conv2D(1, 1, 4, **o), (28, 28), {"stride": 2, "padding": 1}, (14, 14)),
    (lambda **o: Conv2D(1, 1, (3, 5), **o), (7, 9), {}, (5, 5)),
    (lambda **o: Conv2D(1, 1, 3, **o), (6, 7), {"stride": 2}, (2, 3)),
    (lambda **o: ConvTranspose2D(1, 1, 4, **o), (7, 7), {"stride": 2, "padding": 1}, (14, 14)),
    (lambda **o: ConvTranspose2D(1, 1, 3, **o), (2, 3), {"stride": 2, "output_padding": 1}, (6, 8)),
    (lambda **o: ConvTranspose2D(1, 1, (3, 1), **o), (2, 3), {"stride": (1, 2), "padding": (1, 0)}, (2, 5)),
]


@pytest.mark.parametrize(("layer", "size", "options", "expected"), SIZES)
def test_sizes(layer: Any, size: tuple[int, int], options: dict[str, Any], expected: tuple[int, int]) -> None:
    y, back = Sequential(layer(**options))(np.ones((2, *size, 1), "float32"))
    assert y.shape == (2, *expected, 1)
    assert back(y).shape == (2, *size, 1)


REFUSED = {
    "channels": (lambda: Sequential(Conv2D(3, 2, 3))(np.ones((1, 4, 4, 2))), r"\(N, height, width, 3\), channels last"),
    "no images": (lambda: Sequential(ConvTranspose2D(3, 2, 3))(np.ones((1, 3))), r"channels last, got \(1, 3\)"),
    "too small": (
        lambda: Sequential(Conv2D(1, 2, 4))(np.ones((1, 3, 5, 1))),
        "a kernel of 4 x 4 needs images of at least that size, got 3 x 5 with padding 0 x 0",
    ),
    "nothing left": (
        lambda: Sequential(ConvTranspose2D(1, 2, 2, padding=1))(np.ones((1, 1, 2, 1))),
        "images of 1 x 2 would become 0 x 1",
    ),
    "output padding": (
        lambda: ConvTranspose2D(1, 1, 3, stride=2, output_padding=2),
        "output_padding must be less than the stride, 2, got 2",
    ),
    "kernel": (lambda: Conv2D(1, 1, 0), "kernel must be an integer of 1 or more, got 0"),
    "three": (lambda: Conv2D(1, 1, (1, 2, 3)), r"kernel must be a number or a pair of them, got \(1, 2, 3\)"),
    "padding": (lambda: Conv2D(1, 1, 1, padding=-1), "padding must be an integer of 0 or more, got -1"),
    "divisible": (
        lambda: Sequential(AvgPool2D(2))(np.ones((1, 4, 5, 1))),
        "height and width must be multiples of 2, got 4 x 5",
    ),
    "mode": (lambda: Upsample(2, "cubic"), "mode must be one of nearest, bilinear, got 'cubic'"),
    "no pictures": (lambda: Sequential(Upsample(2))(np.ones((2, 3))), r"expected images .* got \(2, 3\)"),
    "batchnorm": (lambda: Sequential(BatchNorm(3))(np.ones((2, 4, 2))), r"\(N, ..., 3\), got \(2, 4, 2\)"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refusals_say_what_was_given_and_what_was_expected(what: str) -> None:
    call, words = REFUSED[what]
    with pytest.raises(ValueError, match=words):
        call()


def test_pairs() -> None:
    assert pair("stride", np.int64(2)) == (2, (2, 2))
    layer = Conv2D(1, 2, [3, 2], stride=(2, 1))  # type: ignore[arg-type]
    assert repr(layer) == "Conv2D(1, 2, (3, 2), stride=(2, 1))"
    assert minigan.nn.sequential.build(layer.describe()) == layer


def test_parameters_are_published_as_pytorch_has_them(tmp_path: Any) -> None:
    """In state_dict, grad_dict, files, averages; and the numbers that an initialiser draws go there."""
    layers = [Conv2D(2, 3, (4, 5), init="he"), ConvTranspose2D(3, 7, (2, 3)), Flatten(), Dense(7 * 2 * 3, 1)]
    net = Sequential(*layers, seed=3)
    state = net.state_dict()
    shapes = {"0.weight": (3, 2, 4, 5), "0.bias": (3,), "1.weight": (3, 7, 2, 3), "1.bias": (7,)}
    assert {name: state[name].shape for name in shapes} == shapes
    assert net.parameters["0.weight"].data.shape == (3, 4, 5, 2)
    assert all(array.flags.c_contiguous for array in state.values())
    y, back = net(np.random.default_rng(0).standard_normal((2, 4, 5, 2)))
    back(np.ones_like(y))
    assert {name: g.shape for name, g in net.grad_dict().items()} == {name: a.shape for name, a in state.items()}
    other = Sequential.build(net.describe(), state=state)
    np.testing.assert_array_equal(other.flat, net.flat)
    with pytest.raises(ValueError, match=r"0.weight must have shape \(3, 2, 4, 5\), the state has \(3, 4, 5, 2\)"):
        net.load_state_dict(state | {"0.weight": net.parameters["0.weight"].data})
    with pytest.raises(ValueError, match=r"0.weight of Conv2D\(.*\) is not in the state with shape \(3, 2, 4, 5\)"):
        Sequential.build(net.describe(), state=state | {"0.weight": net.parameters["0.weight"].data})
    drawn = He()((3, 2, 4, 5), net._rng(0, 0)).astype("float32")
    np.testing.assert_array_equal(state["0.weight"], drawn)
    assert abs(Sequential(Conv2D(20, 50, 5, init="he")).state_dict()["0.weight"].var() * 20 * 25 / 2 - 1) < 0.05


# --- gradients of gradients ------------------------------------------------------------------------------------

CRITICS: dict[str, Callable[[], list[Layer]]] = {
    "curved": lambda: [Conv2D(1, 2, 3, padding=1), Tanh(), Conv2D(2, 3, 4, stride=2, padding=1), Sigmoid()],
    "kinked": lambda: [Conv2D(1, 3, 4, stride=2, padding=1), LeakyReLU(0.2)],
    "resampled": lambda: [Upsample(2, "bilinear"), Conv2D(1, 2, 3), Tanh(), AvgPool2D(2), Sigmoid(), Upsample(3)],
    "norms": lambda: [Conv2D(1, 2, 3, norm=WeightNorm()), Tanh(), Conv2D(2, 3, 2, norm=SpectralNorm()), Tanh()],
    "transposed": lambda: [ConvTranspose2D(1, 2, 3, stride=2, output_padding=1), Tanh(), Conv2D(2, 1, 3), Tanh()],
}


@pytest.mark.parametrize("what", CRITICS)
def test_penalties_on_gradients(backend: Backend, what: str) -> None:
    from test_second_order import check

    layers, rng = CRITICS[what](), np.random.default_rng(3)
    size = Sequential(*CRITICS[what]())(np.ones((1, 4, 4, 1)))[0].size
    net = Sequential(*layers, Flatten(), Dense(size, 1), backend=backend, dtype="float64")
    check(randomise(net, rng), rng.standard_normal((3, 4, 4, 1)), True, rng)


# --- memory ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["numpy", "numba"])
def test_a_steady_step_allocates_nothing(name: str) -> None:
    """Nothing as large as the smallest activation from the third pass on: NumPy has buffers of 8192 numbers."""
    import tracemalloc

    if name in minigan.backend.absent([name]):
        pytest.skip("not installed")
    net = Sequential(
        Conv2D(1, 8, 4, stride=2, padding=1), LeakyReLU(0.2), Conv2D(8, 16, 4, stride=2, padding=1), BatchNorm(16),
        LeakyReLU(0.2), ConvTranspose2D(16, 4, 4, stride=2, padding=1), ReLU(), backend=get_backend(name, 2),
    )  # fmt: skip
    x, arena = np.ones((128, 28, 28, 1), "float32"), Arena(net.backend)

    def step() -> None:
        arena.rewind()
        net.zero_grad()
        y, back = net(x, arena=arena)
        back(y)

    for _ in range(3):
        step()
    tracemalloc.start()
    try:
        step()
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        step()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak - before < 200_000 < min(128 * 7 * 7 * 16 * 4, x.nbytes)


# --- a game ----------------------------------------------------------------------------------------------------


def dcgan(backend: Any, **options: Any) -> GAN:
    G = Sequential(
        Dense(3, 8), ReLU(), Reshape(2, 2, 2), ConvTranspose2D(2, 3, 4, stride=2, padding=1, bias=False), BatchNorm(3),
        ReLU(), ConvTranspose2D(3, 1, 4, stride=2, padding=1), Tanh(), backend=backend, dtype="float64", seed=1,
    )  # fmt: skip
    D = Sequential(
        Conv2D(1, 2, 4, stride=2, padding=1, norm=SpectralNorm()), LeakyReLU(0.2), Upsample(2, "bilinear"),
        AvgPool2D(2), Conv2D(2, 3, 4, stride=2, padding=1), LeakyReLU(0.2), Flatten(), Dense(12, 1),
        backend=G.backend, dtype="float64", seed=2,
    )  # fmt: skip
    return GAN(G, D, optimizer=SGD(0.01, momentum=0.5), average=0.9, **options)


@pytest.mark.parametrize("options", [{}, {"penalties": [R1(1.0)]}], ids=["plain", "R1"])
def test_a_small_dcgan_trains_alike_everywhere(backend: Backend, options: dict[str, Any], tmp_path: Any) -> None:
    """On a device as a graph, which is recorded in the third step; and from a file it goes on as it would have."""
    images = np.random.default_rng(0).uniform(-1, 1, (24, 8, 8, 1))
    gans = [dcgan(be, **options) for be in (backend, "reference")]
    for gan in gans:
        gan.fit(images, steps=6, batch=4)
    gans[0].save(tmp_path / "gan.npz")
    gans.append(GAN.load(tmp_path / "gan.npz", backend))
    for gan in gans:
        gan.fit(images, steps=2, batch=4)
    for net in ("G", "D"):
        states = [getattr(gan, net).state_dict() for gan in gans]
        for name, array in states[0].items():
            np.testing.assert_allclose(array, states[1][name], rtol=1e-8, atol=1e-9, err_msg=name)
            np.testing.assert_allclose(array, states[2][name], rtol=1e-12, atol=1e-13, err_msg=name)


# --- PyTorch ---------------------------------------------------------------------------------------------------


def in_torch(torch: Any, layer: Layer) -> Any:
    nn = torch.nn
    match layer:
        case Conv2D(norm=norm):
            sizes = {"stride": layer.stride, "padding": layer.padding, "bias": layer.bias}
            conv = nn.Conv2d(layer.c_in, layer.c_out, layer.kernel, **sizes)
            norms = {SpectralNorm: nn.utils.spectral_norm, WeightNorm: nn.utils.weight_norm}
            return norms[type(norm)](conv) if norm else conv
        case ConvTranspose2D():
            sizes = {"stride": layer.stride, "padding": layer.padding, "output_padding": layer.output_padding}
            return nn.ConvTranspose2d(layer.c_in, layer.c_out, layer.kernel, bias=layer.bias, **sizes)
        case Upsample(mode="nearest"):
            return nn.Upsample(scale_factor=layer.factor)
        case Upsample():
            return nn.Upsample(scale_factor=layer.factor, mode="bilinear", align_corners=False)
        case AvgPool2D():
            return nn.AvgPool2d(layer.kernel)
        case BatchNorm():
            return nn.BatchNorm2d(layer.n_features, layer.eps, 1 - layer.momentum)
        case Tanh():
            return nn.Tanh()
        case Sigmoid():
            return nn.Sigmoid()
    raise AssertionError(layer)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("what", [name for name in LAYERS if name != "a stack"])
def test_pytorch_loads_the_state_and_computes_the_same(what: str) -> None:
    torch = pytest.importorskip("torch")
    shape, layers = LAYERS[what]
    rng = np.random.default_rng(2)
    net = randomise(Sequential(*layers(), dtype="float64"), rng)
    theirs = torch.nn.Sequential(*(in_torch(torch, layer) for layer in net.layers)).double()
    state = {name: torch.from_numpy(array) for name, array in net.state_dict().items()}
    theirs.load_state_dict(state, strict=False)
    assert {n for n in theirs.state_dict() if not n.endswith("num_batches_tracked")} == state.keys()
    x = rng.standard_normal((3, *shape))
    y, back = net(x)
    last = torch.tensor(x.transpose(0, 3, 1, 2), requires_grad=True)
    expected = theirs(last)
    g = rng.standard_normal(y.shape)
    expected.backward(torch.from_numpy(g.transpose(0, 3, 1, 2).copy()))
    np.testing.assert_allclose(y, expected.detach().numpy().transpose(0, 2, 3, 1), rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(back(g), last.grad.numpy().transpose(0, 2, 3, 1), rtol=1e-9, atol=1e-10)
    gradients = net.grad_dict()
    for name, parameter in theirs.named_parameters():
        np.testing.assert_allclose(gradients[name], parameter.grad.numpy(), rtol=1e-9, atol=1e-10, err_msg=name)
    after = {n: a.numpy() for n, a in theirs.state_dict().items() if not n.endswith("num_batches_tracked")}
    for name, array in net.state_dict().items():  # running statistics and singular vectors have moved
        np.testing.assert_allclose(array, after[name], rtol=1e-9, atol=1e-10, err_msg=name)
