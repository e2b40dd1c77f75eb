"""The condition of a sample is given: D judges both, and is differentiated by the sample alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import randomise, seeds

from minigan import R1, Conv2D, Dense, Flatten, LeakyReLU, Residual, Sequential, Tanh
from minigan.backend import Backend, Purpose, Stream
from minigan.objectives import mean_squared_error
from minigan.optim import Adam

Array = np.ndarray[Any, Any]
STREAM = Stream(1, Purpose.CALL, 2)


def patches(channels: int, **where: Any) -> Sequential:
    """A D that judges pairs of pictures, patch by patch."""
    return Sequential(
        Conv2D(channels, 4, 4, stride=2, padding=1), Tanh(), Residual(Conv2D(4, 4, 3, padding=1), LeakyReLU(0.2)),
        Conv2D(4, 1, 2), **where,
    )  # fmt: skip


@given(n=st.integers(1, 3), channels=st.integers(1, 3), more=st.integers(1, 3), numbers=st.booleans(), seed=seeds)
def test_it_is_as_if_it_were_part_of_the_sample(
    backend: Backend, n: int, channels: int, more: int, numbers: bool, seed: int
) -> None:
    rng, to_numpy = np.random.default_rng(seed), backend.to_numpy
    x, u = rng.standard_normal((2, n, 6, 4, channels))
    condition = rng.standard_normal((n, more) if numbers else (n, 6, 4, more))
    whole = np.broadcast_to(condition[:, None, None] if numbers else condition, (n, 6, 4, more))
    joined, still = (np.concatenate([a, b], axis=-1) for a, b in ((x, whole), (u, 0 * whole)))
    net = randomise(patches(channels + more, backend=backend, dtype="float64"), rng)

    y, back = net(x, condition=condition)
    expected, back_joined = net(joined)
    np.testing.assert_array_equal(*map(to_numpy, (y, expected)))
    dy = rng.standard_normal(y.shape)
    gradients = []
    for each in (back, back_joined):
        net.zero_grad()
        gradients.append((to_numpy(each(dy)), to_numpy(net.flat_grad)))
    assert gradients[0][0].shape == x.shape
    np.testing.assert_array_equal(gradients[0][0], gradients[1][0][..., :channels])
    np.testing.assert_array_equal(gradients[0][1], gradients[1][1])

    found = []
    for given_, along, options in ((x, u, {"condition": condition}), (joined, still, {})):
        net.zero_grad()
        y, dx, push = net.input_gradient(given_, **options)
        push(along)
        found.append((to_numpy(y), to_numpy(dx), to_numpy(net.flat_grad)))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    np.testing.assert_array_equal(found[0][1], found[1][1][..., :channels])
    np.testing.assert_array_equal(found[0][2], found[1][2])
    shown = [to_numpy(a) for _, a in net.activations(x, condition=condition)]
    np.testing.assert_array_equal(shown[-1], found[0][0])


def test_a_penalty_is_on_the_gradient_by_the_sample_alone(backend: Backend) -> None:
    rng = np.random.default_rng(0)
    x, condition = rng.standard_normal((2, 3, 4, 4, 1))
    D = Sequential(Flatten(), Dense(32, 1), backend=backend, dtype="float64", seed=1)
    given_ = backend.asarray(x)
    value, _ = R1(2.0).add(D, given_, given_, backend.arena(), STREAM, backend.asarray(condition))
    of_x = D.state_dict()["1.weight"].reshape(4, 4, 2)[..., 0]
    assert float(value) == pytest.approx((of_x**2).sum())


def test_d_learns_which_pictures_belong_together() -> None:
    """Pictures that are shown beside themselves, or beside others: nothing but the pair tells."""
    rng, net = np.random.default_rng(0), Sequential(Conv2D(2, 8, 3, padding=1), LeakyReLU(), Conv2D(8, 1, 1), seed=1)
    rule = Adam(1e-2).bind(net)
    for _ in range(200):
        x, other = rng.standard_normal((2, 32, 5, 5, 1)).astype("float32")
        condition = np.concatenate([x[:16], other[16:]])
        wanted = np.ones((32, 5, 5, 1), "float32")
        wanted[16:] = -1
        y, back = net(x, condition=condition)
        loss, dy = mean_squared_error(y, wanted)
        net.zero_grad()
        back(dy, inputs=False)
        rule.step()
    assert float(loss) < 0.6
    together, apart = (net(x[:16], condition=b[:16])[0].mean() for b in (x, other))
    assert together - apart > 0.8


IMAGES = np.zeros((3, 4, 2, 1), "float32")
REFUSALS: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "images of another size": (
        lambda: Sequential(Tanh())(IMAGES, condition=IMAGES[:, :2]), ValueError,
        r"expected 3 rows of numbers, or such a batch \(3, 4, 2, K\) with samples \(3, 4, 2, 1\), got \(3, 2, 2, 1\)",
    ),
    "fewer images": (lambda: Sequential(Tanh())(IMAGES, condition=IMAGES[:2]), ValueError, r"got \(2, 4, 2, 1\)"),
    "images for numbers": (
        lambda: Sequential(Tanh())(np.ones((3, 2)), condition=IMAGES), ValueError,
        r"expected 3 rows of numbers with samples \(3, 2\), got \(3, 4, 2, 1\)",
    ),
    "images without channels": (lambda: Sequential(Tanh())(IMAGES, condition=IMAGES[..., 0]), ValueError, "3 rows"),
    "a number for each sample": (lambda: Sequential(Tanh())(IMAGES, condition=np.ones(3)), ValueError, r"got \(3,\)"),
    "for single numbers": (lambda: Sequential(Tanh())(np.ones(3), condition=np.ones((3, 1))), ValueError, "3 rows"),
    "levels of grey": (
        lambda: Sequential(Tanh())(IMAGES, condition=np.zeros((3, 4, 2, 1), np.uint8)), TypeError, "uint8 images become"
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSALS)
def test_what_does_not_fit_is_refused(what: str) -> None:
    call, kind, words = REFUSALS[what]
    with pytest.raises(kind, match=words):
        call()
