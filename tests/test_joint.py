"""A critic's loss and penalties in one pass: against a pass for each, PyTorch's double backward, and differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import fake_cupy
import numpy as np
import pytest

from minigan import (
    DRAGAN,
    GAN,
    R1,
    R2,
    SGD,
    Dense,
    GradientPenalty,
    Layer,
    LayerNorm,
    LeakyReLU,
    Maxout,
    ReLU,
    Sequential,
    SpectralNorm,
    Tanh,
    WeightNorm,
)
from minigan.backend import Backend, FreshArena, Purpose, Stream
from minigan.gan import Fakes
from minigan.nn.joint import joint_gradient, piecewise_linear
from minigan.penalties import MIX

Array = Any
FEATURES, BATCH = 7, 6
PENALTIES: dict[str, Callable[[], list[Any]]] = {
    "GradientPenalty": lambda: [GradientPenalty(10.0)],
    "R1": lambda: [R1(3.0)],
    "R2": lambda: [R2(2.0)],
    "DRAGAN": lambda: [DRAGAN(5.0)],
    "R1, R2": lambda: [R1(3.0), R2(2.0)],
    "all": lambda: [DRAGAN(5.0), R2(2.0), GradientPenalty(10.0)],
}


def leaky(features: int = FEATURES, **options: Any) -> list[Layer]:
    return [Dense(features, 9, **options), LeakyReLU(0.3), Dense(9, 5, **options), ReLU(), Dense(5, 1, **options)]


CRITICS: dict[str, Callable[..., list[Layer]]] = {
    "leaky": leaky,
    "no biases": lambda n=FEATURES: leaky(n, bias=False),
    "linear": lambda n=FEATURES: [Dense(n, 4), Dense(4, 1)],
    "one layer": lambda n=FEATURES: [Dense(n, 1)],
    "spectral norm": lambda n=FEATURES: leaky(n, norm=SpectralNorm()),
    "weight norm": lambda n=FEATURES: leaky(n, norm=WeightNorm()),
    "maxout": lambda n=FEATURES: [Dense(n, 12), Maxout(3), Dense(4, 10), Maxout(2), Dense(5, 1)],
    "maxout first and last": lambda n=FEATURES: [
        Dense(n, 2 * n),
        Maxout(2),
        Dense(n, 3),
        LeakyReLU(0.2),
        Dense(3, 2),
        Maxout(2),
    ],
}


def critic(layers: list[Layer], backend: Any = None, dtype: str = "float64", **options: Any) -> GAN:
    """G has no layers: its latents are the fakes."""
    D = Sequential(*layers, backend=backend, dtype=dtype, seed=3)
    options = {"objective": "wasserstein", "optimizer": SGD(1e-9), "seed": 4} | options
    return GAN(Sequential(backend=D.backend, dtype=dtype), D, latent=FEATURES, **options)


def data(dtype: str = "float64") -> tuple[Array, Array]:
    rng = np.random.default_rng(5)
    return tuple(rng.standard_normal((BATCH, FEATURES)).astype(dtype) for _ in range(2))  # type: ignore[return-value]


def update(gan: GAN, together: bool = True) -> tuple[float, float, dict[str, Array]]:
    """Loss, penalty and gradient of an update of D."""
    if not together:  # the game does not know what this D is
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("minigan.game.judging.piecewise_linear", lambda D: False)
            return update(gan)
    real, fake = (gan.backend.asarray(x) for x in data(str(gan.D.dtype)))
    samples, back = gan.G(fake)
    metrics = gan.update_discriminator(real, fakes=Fakes(fake, samples, back))
    return float(metrics["d_loss"]), float(metrics["d_penalty"]), gan.D.grad_dict()


def assert_near(ours: dict[str, Array], theirs: dict[str, Array], tolerance: float) -> None:
    assert ours.keys() == theirs.keys()
    for name, gradient in ours.items():
        allowed = tolerance * max(1.0, np.abs(theirs[name]).max())
        np.testing.assert_allclose(gradient, theirs[name], rtol=0, atol=allowed, err_msg=name)


# --- PyTorch ---------------------------------------------------------------------------------------------------


def in_torch(torch: Any, gan: GAN) -> Any:
    nn, act = torch.nn, {LeakyReLU: lambda a: torch.nn.LeakyReLU(a.negative_slope), Tanh: lambda a: torch.nn.Tanh()}
    layers = [
        nn.Linear(layer.n_in, layer.n_out) if isinstance(layer, Dense) else act[type(layer)](layer)
        for layer in gan.D.layers
    ]
    net = nn.Sequential(*layers).to({"float32": torch.float32, "float64": torch.float64}[str(gan.D.dtype)])
    net.load_state_dict({name: torch.from_numpy(array) for name, array in gan.D.state_dict().items()})
    return net


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-10), ("float32", 1e-5)])
@pytest.mark.parametrize("act", [LeakyReLU, Tanh], ids=["piecewise linear", "curved"])
def test_pytorchs_double_backward_gives_the_same_gradient(act: type[Layer], dtype: str, tolerance: float) -> None:
    """Of WGAN-GP's loss, at the same points."""
    torch = pytest.importorskip("torch")
    layers = [Dense(FEATURES, 9), act(), Dense(9, 5), act(), Dense(5, 1)]
    gan = critic(layers, dtype=dtype, penalties=[GradientPenalty(10.0)])
    net = in_torch(torch, gan)
    loss, penalty, gradient = update(gan)

    epsilon = np.empty((BATCH, 1), dtype)
    gan.backend.uniform(epsilon, Stream(gan.seed, Purpose.PENALTY, 0, MIX))
    real, fake = map(torch.from_numpy, data(dtype))
    x = torch.lerp(fake, real, torch.from_numpy(epsilon)).requires_grad_()
    (slope,) = torch.autograd.grad(net(x).sum(), x, create_graph=True)
    expected_loss = net(fake).mean() - net(real).mean()
    expected_penalty = 10 * ((slope.norm(dim=1) - 1) ** 2).mean()
    (expected_loss + expected_penalty).backward()

    assert loss == pytest.approx(expected_loss.item(), rel=tolerance)
    assert penalty == pytest.approx(expected_penalty.item(), rel=tolerance)
    assert_near(gradient, {name: p.grad.numpy() for name, p in net.named_parameters()}, tolerance)


# --- differences -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("penalties", PENALTIES)
def test_the_gradient_is_the_slope_of_loss_and_penalty(penalties: str) -> None:
    """Along random directions of all parameters, in float64, by differences too small to cross a kink."""
    rng, h = np.random.default_rng(6), 1e-6

    def total(flat: Array) -> float:
        gan = critic(leaky(), penalties=PENALTIES[penalties]())
        gan.D.flat[...] = flat
        loss, penalty, _ = update(gan)
        return loss + penalty

    gan = critic(leaky(), penalties=PENALTIES[penalties]())
    gan.D.flat[...] += 0.3 * rng.standard_normal(gan.D.size)  # biases too
    flat = gan.D.flat.copy()
    update(gan)
    for _ in range(5):
        direction = rng.standard_normal(flat.size)
        slope = (total(flat + h * direction) - total(flat - h * direction)) / (2 * h)
        assert float(gan.D.flat_grad @ direction) == pytest.approx(slope, rel=1e-6, abs=1e-7)


# --- one pass --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("penalties", PENALTIES)
@pytest.mark.parametrize("kind", CRITICS)
def test_one_pass_does_what_several_do(kind: str, penalties: str) -> None:
    one, two = (critic(CRITICS[kind](), penalties=PENALTIES[penalties]()) for _ in range(2))
    assert piecewise_linear(one.D)
    for _ in range(3):
        loss, penalty, gradient = update(one)
        expected_loss, expected_penalty, expected = update(two, together=False)
        assert (loss, penalty) == pytest.approx((expected_loss, expected_penalty), rel=1e-12)
        assert_near(gradient, expected, 1e-12)


@pytest.mark.parametrize(
    "options",
    [
        {"packing": 2},
        {"instance_noise": 0.5},
        {"packing": 3, "instance_noise": 0.5},
        {"objective": "relativistic"},
        {"objective": "non-saturating"},
    ],
    ids=str,
)
def test_one_pass_under_the_games_options(options: dict[str, Any]) -> None:
    layers = [leaky(FEATURES * options.get("packing", 1)) for _ in range(2)]
    one, two = (critic(stack, penalties=PENALTIES["all"](), **options) for stack in layers)
    (*numbers, gradient), (*expected_numbers, expected) = update(one), update(two, together=False)
    assert numbers == pytest.approx(expected_numbers, rel=1e-12)
    assert_near(gradient, expected, 1e-12)


def test_one_pass_on_every_backend(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    if isinstance(backend.xp, fake_cupy.FakeCupy):
        fake_cupy.install(monkeypatch)
    ours = critic(leaky(), backend, "float32", penalties=PENALTIES["all"]())
    theirs = critic(leaky(), Backend(), "float64", penalties=PENALTIES["all"]())
    theirs.D.load_state_dict(ours.D.state_dict())
    (*numbers, gradient), (*expected_numbers, expected) = update(ours), update(theirs, together=False)
    assert numbers == pytest.approx(expected_numbers, rel=1e-4)
    assert_near(gradient, expected, 1e-4)


def test_gradients_that_are_there_are_added_to() -> None:
    net = Sequential(*leaky(), dtype="float64")
    x, u, dy = (np.random.default_rng(i).standard_normal(s) for i, s in enumerate([(5, 7), (3, 7), (2, 1)]))
    for _ in range(2):
        joint_gradient(net, x.copy(), 2)[2](u, dy)
    twice = net.grad_dict()
    net.zero_grad()
    net(x[:2])[1](dy)
    net.input_gradient(x[2:])[2](u)
    assert_near({name: g / 2 for name, g in twice.items()}, net.grad_dict(), 1e-12)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("penalty", [GradientPenalty(), DRAGAN(), R1()], ids=str)
def test_a_critic_that_is_flat_somewhere_is_not_moved_there(penalty: Any, dtype: str) -> None:
    """There is no direction in which ‖g‖ = 0 would grow: u is 0 and not 0/0."""
    arena = FreshArena(Backend())
    g = np.array([[0, 0, 0], [3, 0, 4]], dtype)
    value, u = penalty.measure(g, arena)
    assert u[0].tolist() == [0, 0, 0]
    assert np.isfinite(u).all()
    assert np.isfinite(value)


@pytest.mark.parametrize("layer", [Tanh(), LayerNorm(9)], ids=str)
def test_a_curved_network_needs_two_passes(layer: Layer) -> None:
    net = Sequential(Dense(7, 9), layer, LeakyReLU(), Dense(9, 1))
    assert not piecewise_linear(net)
    with pytest.raises(ValueError, match="joint_gradient needs Dense layers"):
        joint_gradient(net, np.ones((4, 7)), 2)


def test_a_layer_of_somebodys_own_is_not_taken_for_dense() -> None:
    class Own(Dense):
        def forward(self, x: Array, run: Any, act: Any = None) -> Any:
            y, back = super().forward(x, run, act)
            y *= 2
            return y, back

    assert not piecewise_linear(Sequential(Own(7, 1)))
