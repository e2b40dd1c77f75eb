"""What networks make of samples on the way: which layers, how maps are averaged, and in any number of batches."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from subjects import conv

from minigan import (
    BatchNorm,
    Chain,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    LeakyReLU,
    Maxout,
    MinibatchStdDev,
    ReLU,
    Residual,
    Sequential,
    Tanh,
)
from minigan.backend import Backend
from minigan.datasets import to_float
from minigan.nn.features import hidden_layers, last_hidden, pooled

Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (11, 8, 8, 1), dtype=np.uint8)


def test_features_are_what_activations_gives(backend: Backend) -> None:
    net = conv(backend)
    x = to_float(IMAGES)
    seen = {name: backend.to_numpy(y) for name, y in net.activations(x)}
    parts = seen["1.LeakyReLU"].reshape(11, 4, 2, 4, 2, 3).mean(axis=(2, 4)), seen["4.LeakyReLU"]
    expected = np.concatenate([part.reshape(11, -1) for part in parts], axis=1)
    found = net.features(x)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(found, conv().features(x), atol=1e-5)  # what NumPy gives


@pytest.mark.parametrize("batch", [1, 2, 5, 11, 100])
def test_features_of_a_stream_are_those_of_all_at_once(batch: int) -> None:
    net = conv()
    np.testing.assert_allclose(net.features(IMAGES, batch=batch), net.features(IMAGES), atol=1e-6)
    floats = to_float(IMAGES)
    np.testing.assert_array_equal(net.features(IMAGES, batch=batch), net.features(floats, batch=batch))
    np.testing.assert_array_equal(net.features(floats.tolist(), batch=batch), net.features(floats, batch=batch))


def test_memory_does_not_grow_with_the_data() -> None:
    net = conv()
    net.features(np.zeros((50, 8, 8, 1), np.uint8), [4], pool=1)  # scratch memory is made once

    def peak(n: int) -> int:
        x = np.zeros((n, 8, 8, 1), np.uint8)
        tracemalloc.start()
        result = net.features(x, [4], pool=1, batch=50)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most - result.nbytes

    assert peak(1000) < 1.2 * peak(100) + 10_000


def test_layers_are_chosen_by_place_or_name_and_stand_in_that_order() -> None:
    net = conv()
    one, other = net.features(IMAGES, ["4.LeakyReLU"]), net.features(IMAGES, [7])
    assert one.shape == (11, 80)
    assert other.shape == (11, 6)
    np.testing.assert_array_equal(net.features(IMAGES, ["7", 4]), np.concatenate([other, one], axis=1))
    assert net.features(IMAGES, [1], pool=2).shape == (11, 12)
    assert net.features(IMAGES, [1], pool=20).shape == (11, 192)  # a map that is smaller stays as it is


def test_running_statistics_and_dropout_stay_out_of_it() -> None:
    net = Sequential(GaussianNoise(0.5), Dense(3, 4), BatchNorm(4), LeakyReLU(0.2), Dropout(0.5), Dense(4, 1))
    before, x = net.state_dict(), RNG.standard_normal((6, 3)).astype(np.float32)
    found = net.features(x)
    np.testing.assert_array_equal(found, net.features(x))
    np.testing.assert_allclose(found[:2], net.features(x[:2]), atol=1e-6)
    assert all((net.state_dict()[name] == array).all() for name, array in before.items())


def test_a_condition_is_given_with_each_batch() -> None:
    net, x, c = Sequential(Dense(5, 4), Tanh(), Dense(4, 1)), *np.split(RNG.standard_normal((9, 5)), [3], axis=1)
    y, _ = net(x, train=False, depth=2, condition=c)
    np.testing.assert_allclose(net.features(x, batch=4, condition=c), y, atol=1e-6)


HIDDEN: dict[str, tuple[list[Any], list[str]]] = {
    "dense": ([Dense(4, 3), LeakyReLU(0.2), Dense(3, 3), Tanh(), Dense(3, 1)], ["1.LeakyReLU", "3.Tanh"]),
    "norm between": ([Dense(4, 3), BatchNorm(3), ReLU(), Dense(3, 1)], ["2.ReLU"]),
    "norm behind": ([Dense(4, 3), ReLU(), BatchNorm(3), Dense(3, 1)], ["1.ReLU"]),
    "maxout": ([Dense(4, 6), Maxout(2), Dense(3, 1)], ["1.Maxout"]),
    "nothing behind": ([Dense(4, 3), Dense(3, 1)], ["0.Dense"]),
    "patches": ([Conv2D(1, 2, 3), ReLU(), Conv2D(2, 1, 3), Flatten()], ["1.ReLU"]),
    "flat before its activation": ([Conv2D(1, 2, 3), Flatten(), ReLU(), Dense(8, 1)], ["0.Conv2D"]),
    "a block": (
        [Conv2D(1, 2, 1), Residual(Conv2D(2, 2, 1), ReLU(), Conv2D(2, 2, 1)), Flatten(), Dense(8, 1)],
        ["0.Conv2D", "1.1.ReLU", "1.2.Conv2D"],
    ),
}


@pytest.mark.parametrize("name", HIDDEN)
def test_hidden_layers_are_those_with_weights_but_the_last(name: str) -> None:
    layers, expected = HIDDEN[name]
    assert hidden_layers(Chain(*layers)) == expected
    assert last_hidden(Chain(*layers)) == expected[-1]


def test_the_last_hidden_layer_of_convolutions_may_be_dense() -> None:
    assert last_hidden(Chain(Conv2D(1, 2, 3), Flatten(), Dense(8, 3), BatchNorm(3), ReLU(), Dense(3, 1))) == "4.ReLU"
    with pytest.raises(ValueError, match="no hidden layer"):
        last_hidden(Chain(Dense(4, 1)))


def test_features_inside_a_block() -> None:
    net = Sequential(Conv2D(1, 2, 1), Residual(Conv2D(2, 2, 1), ReLU(), Conv2D(2, 2, 1)), Flatten(), Dense(128, 1))
    seen = dict(net.activations(to_float(IMAGES)))
    np.testing.assert_allclose(net.features(IMAGES, ["1.1"], pool=8), seen["1.1.ReLU"].reshape(11, -1), atol=1e-6)
    assert net.features(IMAGES).shape == (11, 3 * 2 * 16)


@pytest.mark.parametrize(("height", "breadth"), [(4, 4), (7, 7), (14, 5), (3, 9), (1, 4)])
def test_parts_of_a_map_by_a_plain_loop(height: int, breadth: int) -> None:
    maps = RNG.standard_normal((2, height, breadth, 3))
    p, q = min(4, height), min(4, breadth)
    expected = np.empty((2, p, q, 3))
    for i in range(p):
        for j in range(q):
            rows = slice(int(np.floor(i * height / p)), int(np.ceil((i + 1) * height / p)))
            columns = slice(int(np.floor(j * breadth / q)), int(np.ceil((j + 1) * breadth / q)))
            expected[:, i, j] = maps[:, rows, columns].mean(axis=(1, 2))
    np.testing.assert_allclose(pooled(maps, 4), expected, atol=1e-12)


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no such layer": ({"layers": ["1.LeakyRelu"]}, "no layer '1.LeakyRelu'; did you mean 1.LeakyReLU?"),
    "no such place": ({"layers": [20]}, "no layer 20; it has 0.Conv2D, 1.LeakyReLU"),
    "twice": ({"layers": [4, "4.LeakyReLU"]}, "4.LeakyReLU was named twice"),
    "a word": ({"layers": "4"}, "a list of names or places"),
    "none": ({"layers": []}, "a list of names or places"),
    "joined": ({"layers": [0]}, "0.Conv2D is applied together with the activation behind it"),
    "pool": ({"pool": 0}, "pool must be an integer of 1 or more, got 0"),
    "batch": ({"batch": 1.5}, "batch must be an integer"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_is_refused(name: str) -> None:
    options, sentence = BAD[name]
    with pytest.raises(ValueError, match=sentence.replace("?", "[?]")):
        conv().features(IMAGES, **options)


def test_what_mixes_samples_has_no_features() -> None:
    net = Sequential(Dense(4, 3), ReLU(), MinibatchStdDev(), Dense(4, 2), ReLU(), Dense(2, 1))
    assert net.features(np.ones((3, 4)), [1]).shape == (3, 3)
    for layers in (None, [2], [4]):
        with pytest.raises(ValueError, match="depends on the rest of the batch"):
            net.features(np.ones((3, 4)), layers)
    with pytest.raises(ValueError, match="no hidden layer"):
        Sequential(Dense(4, 1)).features(np.ones((3, 4)))
    with pytest.raises(ValueError, match="at least one sample"):
        conv().features(IMAGES[:0])
