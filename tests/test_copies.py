"""Copies and pickles of networks, optimizers and GANs; weights under the names that PyTorch's wrappers give them."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigan
from minigan import (
    GAN,
    BatchNorm,
    Conditional,
    Continuous,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    LeakyReLU,
    Reshape,
    Sequential,
    SpectralNorm,
    Tutorial,
)
from minigan.backend import Backend

WAYS: dict[str, Callable[[Any], Any]] = {
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
    "pickle": lambda thing: pickle.loads(pickle.dumps(thing)),
}
way = pytest.mark.parametrize("again", WAYS.values(), ids=WAYS)
IMAGES = np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8)


def network(outputs: int = 1, **options: Any) -> Sequential:
    layers = (
        Reshape(8, 8, 1),
        Conv2D(1, 3, 3, norm=SpectralNorm()),
        Flatten(),
        Dense(108, 6),
        BatchNorm(6),
        Dropout(0.3),
    )
    return Sequential(*layers, Dense(6, outputs), **{"seed": 3, **options})


def gan(kind: type[GAN] = GAN, **options: Any) -> GAN:
    G = Sequential(Dense(4, 12), BatchNorm(12), LeakyReLU(), Dense(12, 64), seed=1)
    return kind(
        G,
        network(1 + sum(code.width for code in options.get("codes", []))),
        **{"average": 0.9, "optimizer": minigan.OptimisticAdam(1e-3), **options},
    )


@way
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_network_made_again_answers_and_learns_like_it_and_shares_nothing_with_it(
    again: Callable[[Any], Any], dtype: str
) -> None:
    net = network(dtype=dtype)
    x = np.random.default_rng(1).standard_normal((5, 8, 8))
    y, back = net(x)
    back(np.ones_like(y))
    other = again(net)
    assert other.describe() == net.describe()
    assert other.flat_grad.tobytes() == net.flat_grad.tobytes()
    for _ in range(2):  # dropout goes on from where it was
        assert net(x)[0].tobytes() == other(x)[0].tobytes()
    for each in (net, other):
        minigan.SGD(0.1).bind(each).step()
        each.zero_grad()
        y, back = each(x)
        back(np.ones_like(y))
    assert other.flat.tobytes() == net.flat.tobytes(), "what layers hold are views of the copy's own arrays"
    assert all((a == b).all() for a, b in zip(other.state_dict().values(), net.state_dict().values(), strict=True))
    before = net.flat.copy()
    other.flat[...] = 0
    assert (net.flat == before).all()


@way
@pytest.mark.parametrize("rules", [{}, {"kind": Tutorial}, {"kind": Conditional, "codes": [Continuous(2)]}])
def test_a_gan_made_again_plays_on_like_it(again: Callable[[Any], Any], rules: dict[str, Any]) -> None:
    game = gan(**rules)
    game.fit(IMAGES, 3, batch=8)
    other = again(game)
    assert type(other) is type(game)
    assert (other.steps, other.d_updates) == (3, 3)
    for each in (game, other):
        each.fit(IMAGES, 4, batch=8)
    assert other.G.flat.tobytes() + other.D.flat.tobytes() == game.G.flat.tobytes() + game.D.flat.tobytes()
    assert other.sample(3).tobytes() == game.sample(3).tobytes()
    other.fit(IMAGES, 1, batch=8)
    assert (game.steps, other.steps) == (7, 8)


def test_a_copy_shares_the_backend_and_a_pickle_makes_it_anew() -> None:
    net = network(backend=minigan.get_backend("numpy", threads=2))
    assert copy.deepcopy(net).backend is net.backend
    made = WAYS["pickle"](net).backend
    assert (made.name, made.threads) == ("numpy", 2)
    one = WAYS["pickle"]((net.backend, network(backend=net.backend)))
    assert one[0] is one[1].backend


@way
def test_every_backend_can_be_copied_and_pickled(again: Callable[[Any], Any], backend: Backend, request: Any) -> None:
    if again is WAYS["pickle"] and "simulated" in str(request.node.name):
        pytest.skip("what is simulated cannot be made anew")
    assert again(backend).name == backend.name


@way
def test_an_optimizer_made_again_with_its_network_moves_that(again: Callable[[Any], Any]) -> None:
    net = Sequential(Dense(3, 2), seed=0)
    opt = minigan.Adam(0.1).bind(net)
    y, back = net(np.ones((4, 3), "float32"))
    back(np.ones_like(y))
    opt.step()
    net2, opt2 = (net, again(opt)) if again is copy.copy else again((net, opt))
    assert opt2.net is net2
    assert opt2.t == 1
    opt2.step()
    if again is not copy.copy:
        opt.step()
        assert net2.flat.tobytes() == net.flat.tobytes()


@way
def test_a_layer_alone_can_be_copied_and_one_in_a_network_is_refused_in_a_sentence(again: Callable[[Any], Any]) -> None:
    layer = Dense(3, 2)
    other = again(layer)
    assert other == layer
    if again is not copy.copy:  # which shares what it holds, as always
        Sequential(layer, seed=1)
        assert (
            Sequential(other, seed=1)(np.ones((1, 3)))[0].tobytes()
            == Sequential(Dense(3, 2), seed=1)(np.ones((1, 3)))[0].tobytes()
        )
        with pytest.raises(TypeError, match="copy or pickle the network, or make a new layer"):
            again(layer)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
def test_weights_of_a_wrapped_network_are_taken_as_its_own(prefix: str) -> None:
    net, other = network(), network(seed=9)
    state = {f"{prefix}{name}": array for name, array in net.state_dict().items()}
    other.load_state_dict({**state, f"{prefix}4.num_batches_tracked": np.array(3)})
    assert other.flat.tobytes() == net.flat.tobytes()
    with pytest.raises(ValueError, match="the state has no"):  # one name without: no wrapper did that
        other.load_state_dict({**state, "0.weight": np.zeros((1, 1))})
    with pytest.raises(ValueError, match="the state has no"):
        other.load_state_dict({})
