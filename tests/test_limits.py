"""A checkpoint that somebody has sent: it is judged by what it says before any of it is done."""

from __future__ import annotations

import copy
import io
import json
import math
import time
import tracemalloc
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import pair

import minigan
from minigan import archive, limits
from minigan.game import saved as checkpoint
from minigan.nn import (
    AvgPool2D,
    BatchNorm,
    Chain,
    Conv2D,
    ConvTranspose2D,
    Dense,
    Flatten,
    Layer,
    LayerNorm,
    LeakyReLU,
    Maxout,
    MinibatchStdDev,
    Reshape,
    Residual,
    Sequential,
    Skip,
    Tanh,
    Upsample,
)
from minigan.optim import Cosine, Exponential, Linear
from minigan.recipes import RECIPES
from minigan.spec import Spec, build

Header = dict[str, Any]


def images_game() -> minigan.GAN:
    """A game of pictures, with something of everything."""
    G = Sequential(Dense(3, 8), Reshape(2, 2, 2), Upsample(2), Conv2D(2, 1, 3, padding=1), Tanh(), seed=1)
    D = Sequential(Conv2D(1, 2, 2, stride=2), AvgPool2D(2), Flatten(), Dense(2, 1), seed=2)
    return minigan.GAN(G, D, optimizer=minigan.Adam(Linear(1e-3, 0.0, 100), beta1=0.5), penalties=[minigan.R1(1.0)])


@pytest.fixture(scope="module")
def saved() -> bytes:
    file = io.BytesIO()
    images_game().save(file, {"shape": [4, 4]})
    return file.getvalue()


def forged(saved: bytes, path: Path, change: Callable[[Header, dict[str, Any]], None]) -> Path:
    path.write_bytes(saved)
    parts, header = archive.load(path)
    change(header, parts)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("header.json", json.dumps(header))
        for name, array in parts.items():
            with zipped.open(f"{name}.npy", "w") as stream:
                np.lib.format.write_array(stream, np.asarray(array))
    return path


def refused(path: Path, words: str) -> None:
    """In one sentence, at once, and without memory."""
    began = time.process_time()
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=words) as caught:
            minigan.GAN.load(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 600
    assert peak < 100 << 20
    assert time.process_time() - began < 5


def layer(player: str, place: int, **changes: Any) -> Callable[[Header, Any], None]:
    return lambda header, parts: header["game"][player]["layers"][place].update(changes)


def option(**changes: Any) -> Callable[[Header, Any], None]:
    return lambda header, parts: header["game"].update(changes)


def more(player: str, place: int, description: Header, times: int = 1) -> Callable[[Header, Any], None]:
    """Layers without parameters, so that all that stands behind them has other names."""

    def change(header: Header, parts: dict[str, Any]) -> None:
        header["game"][player]["layers"][place:place] = [description] * times
        for name in [name for name in parts if name.startswith(f"{player}/")]:
            i, _, rest = name.removeprefix(f"{player}/").partition(".")
            if int(i) >= place:
                parts[f"{player}/{int(i) + times}.{rest}"] = parts.pop(name)

    return change


def nested(depth: int) -> Any:
    rate: Any = 1e-3
    for _ in range(depth):
        rate = {"kind": "Linear", "start": rate, "end": 0.0, "steps": 5}
    return {"kind": "Adam", "lr": rate}


def in_layers(depth: int) -> Header:
    held: Header = {"kind": "Tanh"}
    for _ in range(depth):
        held = {"kind": "Chain", "layers": [held]}
    return held


def nested_lists(depth: int) -> Any:
    lists: list[Any] = []
    for _ in range(depth):
        lists = [lists]
    return lists


def only(first: Header, latent: int) -> Callable[[Header, dict[str, Any]], None]:
    """G without a single weight."""

    def change(header: Header, parts: dict[str, Any]) -> None:
        header["game"]["G"]["layers"] = [first]
        header["game"]["latent"] = latent
        for name in [name for name in parts if name.startswith("G/")]:
            del parts[name]

    return change


MUCH = r"where a file that holds [\d,]+ may ask for"
WORK: dict[str, tuple[Callable[[Header, Any], None], str]] = {
    **{f"Upsample({n})": (layer("G", 2, factor=n), MUCH) for n in (1000 * 2, 10**4, 10**9, 2**62)},
    **{f"Upsample({n}, bilinear)": (layer("G", 2, factor=n, mode="bilinear"), MUCH) for n in (2000, 10**9)},
    "twelve Upsample(2)": (more("G", 2, {"kind": "Upsample", "factor": 2}, 12), MUCH),
    "AvgPool2D(10^8)": (layer("D", 1, kernel=10**8), "multiples of 100000000"),
    "padding 5000": (layer("G", 3, padding=5000), MUCH),
    "padding 10^9": (layer("D", 0, padding=10**9), MUCH),
    "padding and stride": (layer("D", 0, padding=30_000, stride=30_000), MUCH),
    "padding of one side": (layer("D", 0, padding=[1, 10**8]), MUCH),
    "packing 10^6": (option(packing=10**6), MUCH),
    "packing 2^61": (option(packing=2**61), MUCH),
    "latent": (only({"kind": "Tanh"}, 3 * 10**8), MUCH),
    "latent 2^61": (only({"kind": "Tanh"}, 2**61), MUCH),
    "layers": (more("D", 4, {"kind": "Tanh"}, 10**5), "at most 1000 .* in D, got 100,004"),
    "layers in layers": (
        more("D", 4, {"kind": "Chain", "layers": [{"kind": "Skip", "layers": [{"kind": "Tanh"}] * 1000}]}),
        "at most 1000 .* in D, got 1,006",
    ),
    "layers in layers in layers": (more("D", 4, in_layers(300)), "nested more than 64 deep"),
    "doubled again and again": (more("G", 1, {"kind": "Skip", "layers": []}, 900), MUCH),
    "doubled within": (more("G", 1, {"kind": "Chain", "layers": [{"kind": "Skip", "layers": []}] * 900}), MUCH),
    "penalties": (option(penalties=[{"kind": "R1", "weight": 1.0}] * 10**4), "at most 16 .* in penalties, got 10,000"),
    "codes": (
        option(kind="Conditional", codes=[{"kind": "Continuous", "m": 1}] * 10**4),
        "at most 16 .* in codes, got",
    ),
    "a category of 10^9": (option(kind="Conditional", codes=[{"kind": "Category", "k": 10**9}]), MUCH),
    "nested rates": (option(optimizer=nested(900)), "nested more than 64 deep"),
    "nested lists": (option(penalties=nested_lists(80)), "nested more than 64 deep"),
    "Reshape": (layer("G", 1, shape=[10**9, 1, 1]), "cannot arrange"),
    "a dense layer": (layer("G", 0, n_out=10**9), MUCH),
}


@pytest.mark.parametrize("what", WORK)
def test_work_that_a_small_file_asks_for_is_refused(saved: bytes, tmp_path: Path, what: str) -> None:
    change, words = WORK[what]
    path = forged(saved, tmp_path / "a.npz", change)
    assert path.stat().st_size < 30_000
    refused(path, words)


ODD: dict[str, tuple[Callable[[Header, Any], None], str]] = {
    **{
        f"abstract {kind}": (layer("G", 4, kind=kind), f"unknown kind '{kind}'")
        for kind in ("Layer", "Affine", "Activation", "Windows", "Objective", "Penalty", "Schedule", "Ramp", "Code")
    },
    "no layers": (option(G={"layers": 5, "dtype": "float32", "seed": 0}), "layers"),
    "no game": (lambda header, parts: header.update(game=None), "holds no GAN"),
    "a game of text": (lambda header, parts: header.update(game="GAN"), "holds no GAN"),
    "without a game": (lambda header, parts: header.pop("game"), "holds no GAN"),
    "an optimizer for a layer": (layer("G", 4, kind="Adam"), "holds no GAN"),
    "a layer for an optimizer": (option(optimizer={"kind": "Tanh"}), "holds no GAN"),
    "a layer for a rate": (option(optimizer={"kind": "Adam", "lr": {"kind": "Tanh"}}), "holds no GAN"),
    "an objective of nothing": (option(objective=[]), "holds no GAN"),
    "noise that is text": (option(instance_noise="much"), "holds no GAN"),
    "noise that is nothing": (option(instance_noise={"kind": "Linear", "start": None, "end": 0, "steps": 1}), "start"),
    "a rate of text": (
        option(optimizer={"kind": "Adam", "lr": {"kind": "Cosine", "start": "a", "end": 0, "steps": 1}}), "start must"
    ),
    "a seed of text": (option(seed="one"), "seed must be"),
    "negative packing": (option(packing=-1), "packing must be"),
    "a dtype": (lambda header, parts: header["game"]["G"].update(dtype="complex64"), "dtype must be"),
    "steps": (lambda header, parts: header["updates"].update(g=2**63), r"of g must be a whole number from 0 to 2\^62"),
    "steps of truth": (lambda header, parts: header["updates"].update(g=True), "updates of g must be"),
    "d_updates": (lambda header, parts: header["updates"].update(d=-1), "updates of d must be"),
    "no count": (lambda header, parts: header.pop("updates"), "holds no GAN"),
    "t = -1": (lambda header, parts: parts.update({"g_opt/t": np.array(-1)}), r"got t = -1"),
    "t = 2^63 - 1": (lambda header, parts: parts.update({"d_opt/t": np.array(2**63 - 1)}), "got t = 92233"),
    "t = 2.5": (lambda header, parts: parts.update({"d_opt/t": np.array(2.5)}), "an integer t"),
    "negative squares": (lambda header, parts: parts["g_opt/v"].fill(-1), "sums of squares"),
    "weights of 1e300": (
        lambda header, parts: parts.update({"G/0.weight": 1e300 + parts["G/0.weight"].astype(float)}), "infinite as"
    ),
    "moments of 1e300": (
        lambda header, parts: parts.update({"d_opt/m": 1e300 + parts["d_opt/m"].astype(float)}), "infinite as"
    ),
    "an array lost": (lambda header, parts: parts.pop("D/0.bias"), r"0\.bias"),
    "an array too many": (lambda header, parts: parts.update({"D/9.bias": np.zeros(3)}), r"no 9\.bias"),
    "a part lost": (lambda header, parts: [parts.pop(n) for n in list(parts) if n.startswith("d_opt")], "d_opt"),
}  # fmt: skip


@pytest.mark.parametrize("what", ODD)
def test_what_is_no_game_is_refused_in_one_sentence(saved: bytes, tmp_path: Path, what: str) -> None:
    change, words = ODD[what]
    refused(forged(saved, tmp_path / "a.npz", change), words)


def test_arrays_that_nobody_needs_are_not_unpacked(saved: bytes, tmp_path: Path) -> None:
    """As in two megabytes that unpack to two gigabytes."""
    path = tmp_path / "a.npz"
    path.write_bytes(saved)
    parts, header = archive.load(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("header.json", json.dumps(header))
        for i in range(2):
            head = io.BytesIO()
            np.lib.format.write_array_header_1_0(head, {"descr": "|u1", "fortran_order": False, "shape": (40 << 20,)})
            with zipped.open(f"G/{i}.more.npy", "w") as stream:
                stream.write(head.getvalue())
                for _ in range(40):
                    stream.write(bytes(1 << 20))
    assert path.stat().st_size < 1 << 20
    refused(path, r"unpacks to 83,\d+,\d+ bytes")
    assert parts


def test_a_game_in_the_budget_is_loaded(saved: bytes, tmp_path: Path) -> None:
    """Compressed again, and with larger pictures: nothing that people have is refused."""
    path = forged(saved, tmp_path / "a.npz", lambda header, parts: None)
    gan = minigan.GAN.load(path)
    np.testing.assert_array_equal(gan.sample(2, seed=1), images_game().sample(2, seed=1))
    upsample, pool = layer("G", 2, factor=32), layer("D", 1, kernel=32)
    larger = forged(saved, path, lambda header, parts: [change(header, parts) for change in (upsample, pool)])
    assert minigan.GAN.load(larger).sample_shape == (64, 64, 1)


def test_a_new_game_is_loaded_however_well_it_is_compressed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two thirds of it are zeros, what a new optimizer remembers, and no large file is taken for a bomb for that."""
    gan = minigan.GAN(Sequential(Dense(2, 99), Dense(99, 99), seed=1), Sequential(Dense(99, 1), seed=2))
    gan.save(tmp_path / "a.npz")
    with (
        zipfile.ZipFile(tmp_path / "a.npz") as old,
        zipfile.ZipFile(tmp_path / "b.npz", "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            new.writestr(name, old.read(name))
    contents, size = archive.peek(tmp_path / "b.npz"), (tmp_path / "b.npz").stat().st_size
    assert sum(math.prod(shape) * dtype.itemsize for shape, dtype in contents.values()) > 2 * size
    monkeypatch.setattr(checkpoint, "_SMALL", 0)  # as if it were large
    np.testing.assert_array_equal(minigan.GAN.load(tmp_path / "b.npz").sample(2), gan.sample(2))


@pytest.mark.parametrize(
    ("name", "shape", "options"),
    [("wgan-gp", (28, 28), {}), ("dcgan", (64, 64, 3), {"width": 16}), ("cgan", (64, 64), {"width": 8})],
)
def test_recipes_stay_far_within_the_budget(name: str, shape: tuple[int, ...], options: dict[str, Any]) -> None:
    gan = RECIPES[name].build(shape, **options)
    nets = {"G": gan.G, "D": gan.D}
    shapes = {part: {name: p.state_shape for name, p in net.parameters.items()} for part, net in nets.items()}
    limits.check_budget(gan.describe(), shapes)
    with pytest.MonkeyPatch.context() as patch:  # a quarter would do
        patch.setattr(limits, "NUMBERS", limits.NUMBERS // 4)
        patch.setattr(limits, "PRODUCTS", limits.PRODUCTS // 4)
        patch.setattr(limits, "NUMBERS_EACH", limits.NUMBERS_EACH // 4)
        patch.setattr(limits, "PRODUCTS_EACH", limits.PRODUCTS_EACH // 4)
        limits.check_budget(gan.describe(), shapes)


def asked(monkeypatch: pytest.MonkeyPatch, **rules: Any) -> Counter[str]:
    """What a look at a game asks of each network, in numbers and in products."""
    packing, found = rules.get("packing", 1), Counter[str]()
    G = Sequential(Dense(5, 7), Tanh(), Dense(7, 4))
    gan = minigan.GAN(G, Sequential(Dense(4 * packing, 6), Tanh(), Dense(6, 1)), **rules)
    add = limits._Sum.add

    def noted(self: Any, count: int, where: str) -> None:
        found[f"{self.name} of {'G' if ' G' in where else 'D'}"] += count
        add(self, count, where)

    with monkeypatch.context() as patch:
        patch.setattr(limits._Sum, "add", noted)
        limits.check_budget(gan.describe(), {})
    return found


def test_a_look_grows_with_every_penalty_and_with_packing(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = asked(monkeypatch)
    assert plain["products of G"] == 2 * (5 * 7 + 7 * 4)
    assert plain["products of D"] == 2 * (4 * 6 + 6)
    for count in (1, 2, 5):
        more = asked(monkeypatch, penalties=[minigan.R1(1.0)] * count)
        assert more["products of D"] == (1 + 6 * count) * plain["products of D"]
        assert more["numbers of D"] == (1 + 6 * count) * plain["numbers of D"]
        assert more["products of G"] == plain["products of G"]
    packed = asked(monkeypatch, packing=3)
    assert packed["products of G"] == 3 * plain["products of G"]
    assert packed["products of D"] == 2 * (12 * 6 + 6)


@pytest.mark.parametrize("kind", ["NUMBERS", "PRODUCTS"])
def test_a_larger_file_may_ask_for_more(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In proportion to the numbers in it, of each kind by its own factor, and not a single one more."""
    total = sum(n for name, n in asked(monkeypatch).items() if name.startswith(kind.lower()))
    description = minigan.GAN(
        Sequential(Dense(5, 7), Tanh(), Dense(7, 4)), Sequential(Dense(4, 6), Tanh(), Dense(6, 1))
    ).describe()
    monkeypatch.setattr(limits, kind, 0)
    monkeypatch.setattr(limits, f"{kind}_EACH", total)
    limits.check_budget(description, {"G": {"w": (1, 1)}})
    monkeypatch.setattr(limits, f"{kind}_EACH", total - 1)
    with pytest.raises(ValueError, match=f"{kind.lower()}, where a file that holds 1 may ask"):
        limits.check_budget(description, {"G": {"w": (1, 1)}})


def test_large_pictures_are_made_a_few_at_a_time() -> None:
    """The shipped recipes a thousand at a time, as ever, for how many there are may change the last bit."""
    for name in ("gan", "dcgan"):
        G = RECIPES[name].build((28, 28)).G
        assert limits.samples_at_once(G.layers, (100,), 1000) == 1000
    large = Sequential(Dense(1, 4), Reshape(2, 2, 1), Upsample(256))
    assert limits.samples_at_once(large.layers, (1,), 1000) == 511  # of 512 · 512 numbers and a few
    assert limits.samples_at_once(Sequential(Reshape(1, 1, 1), Upsample(10**9)).layers, (1,), 1000) == 1
    gan = minigan.GAN(Sequential(Dense(1, 2), seed=0), Sequential(Dense(2, 1), seed=1))
    whole = gan.sample(7)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "AT_ONCE", 5)
        np.testing.assert_array_equal(gan.sample(7), whole)


# --- shapes ----------------------------------------------------------------------------------------------------

LAYERS: list[tuple[Layer, tuple[int, ...]]] = [
    (Dense(6, 4), (3, 6)),
    (Conv2D(2, 3, (3, 2), stride=(2, 1), padding=(1, 2)), (2, 7, 5, 2)),
    (ConvTranspose2D(2, 3, (3, 2), stride=(2, 1), padding=(1, 0)), (2, 4, 5, 2)),
    (BatchNorm(6), (3, 6)),
    (BatchNorm(2), (3, 4, 5, 2)),
    (LayerNorm(6), (3, 6)),
    (LeakyReLU(0.1), (3, 4, 2)),
    (Reshape(2, 3), (4, 6)),
    (Flatten(), (4, 2, 3)),
    (Upsample(3), (2, 2, 3, 1)),
    (Upsample(2, "bilinear"), (2, 2, 3, 1)),
    (AvgPool2D(2), (2, 4, 6, 3)),
    (Maxout(2), (3, 6)),
    (minigan.GRU(3, 2), (4, 5, 3)),
    (minigan.Embedding(6, 3), (4, 5)),
    (minigan.Bag(), (4, 5, 3)),
    (MinibatchStdDev(), (3, 6)),
    (Chain(Dense(6, 4), LayerNorm(4)), (3, 6)),
    (Residual(Chain(Conv2D(2, 3, 3, padding=1), Tanh()), Conv2D(3, 2, 1)), (2, 4, 3, 2)),
    (Skip(Dense(6, 4), Skip(Tanh())), (3, 6)),
    (minigan.nn.Dropout(0.5), (3, 4)),
    (minigan.nn.GaussianNoise(0.5), (3, 4)),
    (minigan.nn.InjectedNoise(4), (3, 2, 4)),
    (minigan.nn.Rescale(0.5, 0.5), (3, 4)),
]


@pytest.mark.parametrize(("kind", "shape"), LAYERS, ids=str)
def test_a_shape_that_is_worked_out_is_the_shape_that_comes_out(kind: Layer, shape: tuple[int, ...]) -> None:
    twin = build(kind.describe())
    y, _ = Sequential(twin, seed=0)(np.ones(shape, "float32"))
    assert twin.output_shape(shape) == y.shape
    written, products = twin.work(shape)
    assert written >= y.size
    weights = [p for name, p in twin.parameters.items() if "weight" in name and len(p.shape) > 1]
    assert (products > 0) == bool(weights)


def test_every_layer_tells_its_shape() -> None:
    known = {type(kind) for kind, _ in LAYERS}
    for cls in Spec.registry.values():
        if cls.__module__.startswith("minigan.nn") and issubclass(cls, Layer):
            assert cls in known or issubclass(cls, minigan.nn.Activation)


@given(n=st.integers(1, 40), m=st.integers(1, 40), batch=st.integers(1, 9))
def test_products_of_a_dense_layer(n: int, m: int, batch: int) -> None:
    assert Dense(n, m).work((batch, n)) == (batch * m, batch * n * m)


@given(size=st.integers(1, 12), k=st.integers(1, 4), s=st.integers(1, 3), p=st.integers(0, 3))
def test_products_of_a_convolution_and_its_adjoint(size: int, k: int, s: int, p: int) -> None:
    conv, back = Conv2D(2, 3, k, stride=s, padding=p), ConvTranspose2D(2, 3, k, stride=s, padding=p)
    if size + 2 * p >= k:
        _, height, width, _ = conv.output_shape((1, size, size, 2))
        assert conv.work((1, size, size, 2))[1] >= height * width * 3 * k * k * 2
        assert conv.work((1, size, size, 2))[0] >= (size + 2 * p) ** 2 * 2
    if (size - 1) * s - 2 * p + k >= 1:
        assert back.work((1, size, size, 2))[1] >= size * size * 2 * k * k * 3


def test_a_layer_of_somebody_elses_ends_the_look(tmp_path: Path) -> None:
    class Twice(Layer):
        def forward(self, x: Any, run: Any) -> Any:
            return 2 * x, lambda dy, params, inputs: 2 * dy

    G, D = Sequential(Dense(1, 1), Twice()), Sequential(Dense(1, 1))
    minigan.GAN(G, D).save(tmp_path / "a.npz")
    assert minigan.GAN.load(tmp_path / "a.npz").sample(2).shape == (2, 1)
    limits.check_budget(minigan.GAN(*pair()).describe(), {})
    del Spec.registry[Twice.kind()]


@pytest.mark.parametrize("kind", [Linear, Cosine, Exponential])
@pytest.mark.parametrize("wrong", [math.nan, math.inf, "much", None, True, [1.0]])
def test_a_schedule_is_of_numbers(kind: Any, wrong: Any) -> None:
    for place in range(3):
        arguments: list[Any] = [0.5, 0.25, 3]
        arguments[place] = wrong
        with pytest.raises((ValueError, TypeError)):
            kind(*arguments)


def test_a_description_is_not_changed_by_a_look(saved: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(saved)
    header = checkpoint.look(path).header
    before = copy.deepcopy(header)
    limits.check_budget(header["game"], checkpoint.look(path).shapes)
    assert header == before
