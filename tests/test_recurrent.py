"""Words as vectors, and a unit that remembers them: against formulas written once more, and against PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigan
from minigan import GRU, Bag, Dense, Embedding, Sequential, gradcheck
from minigan.backend import Backend

Array = np.ndarray[Any, Any]
sizes = st.integers(1, 6)


def randomised(net: Sequential, rng: np.random.Generator) -> Sequential:
    net.flat[...] = net.backend.asarray(rng.normal(0, 0.7, net.size), net.dtype)
    return net


def read(state: dict[str, Array], x: Array) -> Array:
    """Cho et al. 2014, one vector after the other."""
    W, U, b, c = (state[f"0.{name}_l0"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    h = np.zeros((len(x), U.shape[1]))
    for t in range(x.shape[1]):
        a, u = (np.split(part, 3, axis=1) for part in (x[:, t] @ W.T + b, h @ U.T + c))
        r, z = (1 / (1 + np.exp(-(a[i] + u[i]))) for i in (0, 1))
        new = (1 - z) * np.tanh(a[2] + r * u[2]) + z * h
        h = np.where((x[:, t] != 0).any(axis=1, keepdims=True), new, h)
    return h


def sentences(rng: np.random.Generator, n: int, steps: int, size: int) -> Array:
    x = rng.standard_normal((n, steps, size))
    x[rng.random((n, steps)) < 0.3] = 0  # nothing is said
    return x


@given(n=sizes, steps=st.integers(1, 20), size=sizes, memory=sizes, seed=st.integers(0, 999))
def test_it_reads_as_the_formulas_say(n: int, steps: int, size: int, memory: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    net = randomised(Sequential(GRU(size, memory), dtype="float64"), rng)
    x = sentences(rng, n, steps, size)
    np.testing.assert_allclose(net(x)[0], read(net.state_dict(), x), rtol=1e-10, atol=1e-12)


@given(n=sizes, steps=st.integers(1, 20), size=sizes, memory=sizes, seed=st.integers(0, 999))
def test_its_gradients(n: int, steps: int, size: int, memory: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    net = randomised(Sequential(GRU(size, memory), Dense(memory, 2), dtype="float64"), rng)
    x = sentences(rng, n, steps, size)
    y, back = net(x)
    dy, way = rng.standard_normal(y.shape), rng.standard_normal(x.shape) * (x != 0).any(axis=2, keepdims=True)
    net.zero_grad()
    dx = back(dy)
    h = 1e-6
    slope = (np.sum(dy * net(x + h * way)[0]) - np.sum(dy * net(x - h * way)[0])) / (2 * h)
    assert np.sum(dx * way) == pytest.approx(slope, rel=1e-6, abs=1e-8)
    flat, along = net.flat.copy(), rng.standard_normal(net.size)
    ends = []
    for step in (h, -h):
        net.flat[...] = flat + step * along
        ends.append(np.sum(dy * net(x)[0]))
    assert net.flat_grad @ along == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-6, abs=1e-8)


def test_pytorch_reads_the_same() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    net = randomised(Sequential(GRU(3, 4), dtype="float64"), rng)
    theirs = torch.nn.GRU(3, 4, batch_first=True).double()
    theirs.load_state_dict({name[2:]: torch.tensor(value) for name, value in net.state_dict().items()})
    x = rng.standard_normal((5, 6, 3))
    np.testing.assert_allclose(net(x)[0], theirs(torch.tensor(x))[1][0].detach().numpy(), rtol=1e-10)


def test_every_backend_reads_the_same(backend: Backend) -> None:
    rng = np.random.default_rng(1)
    words = rng.integers(0, 9, (5, 7)).astype("float64")
    results = []
    for be in (backend, minigan.get_backend("reference")):
        net = Sequential(Embedding(9, 3), GRU(3, 4), Dense(4, 1), backend=be, dtype="float64", seed=3)
        y, back = net(be.asarray(words))
        net.zero_grad()
        back(be.asarray(np.ones(y.shape)))
        results.append([be.to_numpy(a) for a in (y, *(p.grad for p in net.parameters.values()))])
    for ours, expected in zip(*results, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-12)


def test_a_word_is_a_row_and_no_word_is_never_learned() -> None:
    net = Sequential(Embedding(6, 3), dtype="float64", seed=1)
    words = np.array([[5.0, 0.0, 2.0], [2.0, 2.0, 0.0]])
    y, back = net(words)
    weight = net.state_dict()["0.weight"]
    np.testing.assert_array_equal(y, weight[words.astype(int)])
    assert not weight[0].any()
    dy = np.random.default_rng(0).standard_normal(y.shape)
    net.zero_grad()
    assert not np.asarray(back(dy.copy())).any()
    expected = np.zeros((6, 3))
    np.add.at(expected, words.astype(int).ravel(), dy.reshape(-1, 3))
    expected[0] = 0
    np.testing.assert_allclose(net.flat_grad.reshape(6, 3), expected, atol=1e-12)
    back(dy.copy())  # adds
    np.testing.assert_allclose(net.flat_grad.reshape(6, 3), 2 * expected, atol=1e-12)
    assert max(gradcheck(net, words).values()) < 1e-6


def test_a_bag_knows_no_order_and_no_silence(backend: Backend) -> None:
    x = np.random.default_rng(0).standard_normal((3, 4, 2))
    net = Sequential(Bag(), backend=backend, dtype="float64")
    y, back = net(backend.asarray(x))
    np.testing.assert_allclose(backend.to_numpy(y), x.sum(axis=1), rtol=1e-12)
    silent = np.concatenate([x[:, ::-1], np.zeros((3, 2, 2))], axis=1)
    np.testing.assert_allclose(backend.to_numpy(net(backend.asarray(silent))[0]), x.sum(axis=1), rtol=1e-12)
    dx = backend.to_numpy(back(backend.asarray(x[:, 0])))
    np.testing.assert_array_equal(dx, np.repeat(x[:, :1], 4, axis=1))


def test_what_cannot_be_read_is_refused() -> None:
    with pytest.raises(ValueError, match="words from 0 to 5, got 0 to 6"):
        Sequential(Embedding(6, 3))(np.array([[0.0, 6.0]]))
    with pytest.raises(ValueError, match=r"numbers of words \(N, T\), got \(2,\)"):
        Embedding(6, 3).output_shape((2,))
    with pytest.raises(ValueError, match=r"vectors \(N, T, 3\) in their order, got \(2, 5, 4\)"):
        Sequential(GRU(3, 2))(np.zeros((2, 5, 4)))
    with pytest.raises(ValueError, match=r"vectors \(N, T, F\) in their order, got \(2, 5\)"):
        Bag().output_shape((2, 5))
    with pytest.raises(ValueError, match="words must be an integer of 2 or more"):
        Embedding(1, 3)


def test_it_learns_what_only_the_order_tells() -> None:
    """Which of two words came last; a sum of their vectors cannot say."""
    rng = np.random.default_rng(0)
    words = rng.integers(1, 3, (400, 6)).astype("float32")
    label = (words[:, -1] == 2).astype("float32")[:, None]
    net = Sequential(Embedding(3, 4), GRU(4, 8), Dense(8, 1), seed=0)
    adam = minigan.Adam(1e-2).bind(net)
    for _ in range(150):
        y, back = net(words[:300])
        _, grad = minigan.mean_squared_error(y, label[:300])
        net.zero_grad()
        back(grad)
        adam.step()
    y, _ = net(words[300:], train=False)
    assert ((y > 0.5) == (label[300:] > 0.5)).mean() > 0.95
