"""Mistakes that were found in known GAN code, one test each: minigan must never make them."""

from __future__ import annotations

import inspect
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from networks import Array, flat_of, pair, randomise, same

from minigan import (
    GAN,
    R1,
    SGD,
    Adam,
    BatchNorm,
    Category,
    Conditional,
    Dense,
    Dropout,
    GradientError,
    Layer,
    LeakyReLU,
    MinibatchStdDev,
    Minimax,
    NonFiniteError,
    NonSaturating,
    Parameter,
    ReLU,
    RMSprop,
    Sequential,
    Tanh,
    Tutorial,
    archive,
    get_backend,
    gradcheck,
)
from minigan.backend import Backend, Purpose, Stream
from minigan.nn.init import Normal


def play(kind: type[GAN] = GAN, **options: Any) -> GAN:
    G, D = pair(dtype=options.pop("dtype", "float64"))
    return kind(G, D, **{"optimizer": SGD(0.1)} | options)


def real(n: int = 4, dtype: str = "float64") -> Array:
    return np.random.default_rng(0).uniform(-1, 1, (n, 3)).astype(dtype)


def plain_d(seed: int = 0) -> Sequential:
    return randomise(Sequential(Dense(3, 4), Tanh(), Dense(4, 1), dtype="float64"), np.random.default_rng(seed))


def test_activations_cached_on_the_layer() -> None:
    """D runs on real samples, then on fakes; the real term's gradient must use the real samples' activations."""
    D = plain_d()
    _, back_real = D(real())
    D(5 + real())
    dy = np.ones((4, 1))
    D.zero_grad()
    back_real(dy)
    alone = plain_d()
    alone(real())[1](dy)
    assert np.array_equal(D.flat_grad, alone.flat_grad)


@pytest.mark.parametrize("options", [{}, {"kind": Tutorial}, {"reuse_fakes": True}, {"objective": "minimax"}])
def test_the_generator_never_trains(options: dict[str, Any]) -> None:
    """Every weight of G moves in its first update."""
    gan = play(**options)
    before = gan.G.state_dict()
    gan.step(real())
    assert all((before[name] != now).any() for name, now in gan.G.state_dict().items() if name.endswith("weight"))


def test_the_adversarial_gradient_skips_the_discriminator() -> None:
    """G's gradient passes through D: where D looks at nothing, G is told nothing; where D flips, G turns round."""
    gan, gradients = play(optimizer=SGD(1e-30)), []
    last = gan.D.state_dict()["7.weight"]
    for factor in (1e-6, -1e-6, 0.0):  # so small that the logits hardly change
        gan.D.load_state_dict({**gan.D.state_dict(), "7.weight": factor * last})
        gan.steps = 0
        gan.update_generator(4)
        gradients.append(gan.G.flat_grad.copy())
    up, down, none = gradients
    assert np.linalg.norm(up) > 0
    np.testing.assert_allclose(down, -up, rtol=1e-3, atol=1e-12)
    assert not none.any()


@pytest.mark.parametrize("objective", ["minimax", "non-saturating"])
def test_two_sign_errors_that_cancel(objective: str) -> None:
    """Each update alone goes the right way: D(x) up and D(G(z)) down, then D(G(z)) up."""
    gan = GAN(Sequential(Dense(2, 3), dtype="float64"), plain_d(), objective=objective, optimizer=SGD(0.01))
    first = gan.update_discriminator(real())
    gan.d_updates = 0  # so that the same fakes are shown again
    second = gan.update_discriminator(real())
    assert second["d_loss"] < first["d_loss"]
    assert second["d_real"] - second["d_fake"] > first["d_real"] - first["d_fake"]
    z = np.empty((4, 2))
    gan.backend.normal(z, Stream(0, Purpose.LATENT_G, 0))
    before = gan.probability(gan.G(z)[0]).mean()
    first = gan.update_generator(4)
    gan.steps = 0
    assert gan.update_generator(4)["g_loss"] < first["g_loss"]
    assert gan.probability(gan.G(z)[0]).mean() > before


def test_batchnorm_dx_misses_one_over_n() -> None:
    """The same samples twice have the same statistics, so each must get the same dX."""
    net = randomise(Sequential(BatchNorm(3), dtype="float64"), np.random.default_rng(1))
    x, dy = real(5), np.random.default_rng(2).standard_normal((5, 3))
    once = net(x)[1](dy)
    twice = net(np.tile(x, (2, 1)))[1](np.tile(dy, (2, 1)))
    np.testing.assert_allclose(twice, np.tile(once, (2, 1)), rtol=1e-10)
    assert abs(once.sum(axis=0)).max() < 1e-12 < abs(once).max()  # a shift of all samples changes nothing


def test_batchnorm_in_inference_with_the_batch_formula() -> None:
    """With running statistics, no sample feels another, forwards or backwards; in training they do."""
    net = randomise(Sequential(BatchNorm(3), dtype="float64"), np.random.default_rng(1))
    dy = np.zeros((5, 3))
    dy[0] = 1
    assert not net(real(5), train=False)[1](dy)[1:].any()
    assert net(real(5), train=True)[1](dy)[1:].all()
    state = net.state_dict()
    expected = state["0.weight"] / np.sqrt(state["0.running_var"] + 1e-5)
    np.testing.assert_allclose(net(real(5), train=False)[1](dy)[0], expected)


def test_batchnorm_momentum_inverted() -> None:
    """momentum = 0.9 keeps nine tenths of the old."""
    net = Sequential(BatchNorm(3, momentum=0.9), dtype="float64")
    net(real())
    np.testing.assert_allclose(net.state_dict()["0.running_mean"], 0.1 * real().mean(axis=0))


@pytest.mark.parametrize(("kind", "options"), [(GAN, {}), (Tutorial, {}), (GAN, {"reuse_fakes": True})])
def test_fakes_pollute_the_running_statistics_of_d(kind: type[GAN], options: dict[str, Any]) -> None:
    """Wild fakes leave no trace in D's running statistics, in D's update or in G's."""
    D = Sequential(BatchNorm(3), Dense(3, 1), dtype="float64")
    G = Sequential(Dense(2, 3), dtype="float64")
    G.load_state_dict({**G.state_dict(), "0.bias": np.full(3, 1e6)})
    kind(G, D, optimizer=SGD(1e-9), **options).step(real())
    assert abs(D.state_dict()["0.running_mean"]).max() < 1
    assert D.state_dict()["0.running_var"].max() < 2


@pytest.mark.parametrize(("kind", "train"), [(GAN, True), (Tutorial, False)])
def test_fakes_for_d_are_made_in_an_unstated_mode(kind: type[GAN], train: bool) -> None:
    """With the statistics of the batch, in the tutorial's loop with running ones, which do not move meanwhile."""
    G = randomise(Sequential(Dense(2, 3), BatchNorm(3), dtype="float64"), np.random.default_rng(0))
    D, seen, before = plain_d(), list[Array](), G.state_dict()
    gan = kind(G, D)
    gan.D = gan.judging.D = _Spy(D, seen)  # type: ignore[assignment]
    gan.d.nets = (gan.D,)
    gan.update_discriminator(real())
    z = np.empty((4, 2))
    gan.backend.normal(z, Stream(0, Purpose.LATENT_D, 0))
    shown, _ = G(z, train=train, track=False)
    assert any(np.array_equal(x[-4:], shown) for x in seen)
    assert same(list(before.values()), list(G.state_dict().values()))


class _Spy:
    """A network that remembers what it was shown."""

    def __init__(self, net: Sequential, seen: list[Array]) -> None:
        self.__dict__.update(net=net, seen=seen)

    def __call__(self, x: Array, *args: Any, **kwargs: Any) -> Any:
        self.seen.append(np.array(x))
        return self.net(x, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.net, name)


def test_adam_without_the_step_count() -> None:
    """The first steps are as large as the later ones; without bias correction they would be 0.068 of that, or 10."""
    net = Sequential(Dense(1, 1), dtype="float64")
    adam = Adam(0.01, beta1=0.5, beta2=0.999).bind(net)
    for _ in range(20):
        before = net.flat.copy()
        net.flat_grad[...] = 2.0
        adam.step()
        np.testing.assert_allclose(before - net.flat, 0.01, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sigmoid_then_clip_then_log(dtype: str) -> None:
    """At logit −20 the loss is 20 and the gradient −1, not what a clip leaves; at 20 they are tiny, not zero."""
    be, grad = get_backend("numpy"), np.empty((1, 1), dtype)
    assert float(be.logistic(np.array([[-20]], dtype), 1.0, grad)) == pytest.approx(20)
    assert grad[0, 0] == pytest.approx(-1)
    assert float(be.logistic(np.array([[20]], dtype), 1.0, grad)) == pytest.approx(math.exp(-20), rel=1e-5, abs=0)
    assert grad[0, 0] == pytest.approx(-math.exp(-20), rel=1e-5, abs=0)


def test_gradients_of_d_in_the_step_of_g() -> None:
    """They are neither applied nor even computed: whatever was in D's gradient before is still there."""
    gan = play()
    gan.step(real())
    gan.D.flat_grad[...] = 7
    before = flat_of(gan.D)
    gan.update_generator(4)
    assert (gan.D.flat_grad == 7).all()
    assert np.array_equal(flat_of(gan.D), before)


@pytest.mark.parametrize("reuse", [False, True])
def test_d_is_updated_before_g_uses_the_old_pass(reuse: bool) -> None:
    """G's gradient is that of D as it is now, activations and weights alike."""
    G = Sequential(Dense(2, 3), dtype="float64")
    gan = GAN(G, plain_d(), optimizer=SGD(0.5), reuse_fakes=reuse)
    before = flat_of(G)
    gan.step(real())
    twin = Sequential(Dense(2, 3), dtype="float64")
    twin.flat[...] = before
    z = np.empty((4, 2))
    gan.backend.normal(z, Stream(0, Purpose.LATENT_G, 0))
    fake, back = twin(z)
    logits, back_d = gan.D(fake)  # D after its update
    back(back_d(NonSaturating().generator(logits)[1]))
    np.testing.assert_allclose(flat_of(G), before - 0.5 * twin.flat_grad, rtol=1e-12)


def test_no_zero_grad_between_two_updates_of_d() -> None:
    """The tutorial's second update applies the fakes' gradient alone, at the parameters that the first left."""
    gan = Tutorial(Sequential(Dense(2, 3), dtype="float64"), plain_d(), optimizer=SGD(0.3))
    by_hand, z = plain_d(), np.empty((4, 2))
    gan.backend.normal(z, Stream(0, Purpose.LATENT_D, 0))
    for x, target in ((real(), 1.0), (gan.G(z)[0], 0.0)):
        logits, back = by_hand(x)
        grad = np.empty_like(logits)
        by_hand.backend.logistic(logits, target, grad)
        by_hand.zero_grad()
        back(grad)
        by_hand.flat[...] -= 0.3 * by_hand.flat_grad
    gan.update_discriminator(real())
    np.testing.assert_allclose(flat_of(gan.D), flat_of(by_hand), rtol=1e-12)


def test_options_that_do_nothing() -> None:
    """Every option of a game changes what a step leaves behind; a new option needs a line here."""
    changes: dict[str, Any] = {
        "objective": "minimax",
        "optimizer": Adam(0.1),
        "d_optimizer": SGD(0.2),
        "d_steps": 2,
        "reuse_fakes": True,
        "prior": "uniform",
        "seed": 1,
        "penalties": [R1(1.0)],
        "clip": 0.3,
        "instance_noise": 0.1,
        "packing": 2,  # and a D of twice the width
        "average": 0.9,
        "codes": [Category(2)],  # and a G and D that have room for them
    }
    games = (GAN, Conditional, Tutorial)
    arguments = {kind: kind.argument_names() for kind in games}
    for kind in games:
        options = {n for n, p in inspect.signature(kind).parameters.items() if p.kind is p.KEYWORD_ONLY}
        assert options - {*arguments[kind]} == set()
    assert {*arguments[GAN], *arguments[Conditional], *arguments[Tutorial]} == {*changes, "G", "D", "latent"}
    assert {*arguments[Conditional]} == {*arguments[GAN], "codes"}  # latent is the size of G's input: nothing else fits

    def after(kind: type[GAN], **options: Any) -> bytes:
        changed = {name: options[name] for name in ("packing", "codes") if name in options}
        G, D = pair(dtype="float64", critic=True, **changed)  # a D which penalties can be put on
        gan = kind(G, D, **{"optimizer": SGD(0.1)} | options)
        gan.step(real())
        return flat_of(gan.G).tobytes() + flat_of(gan.D).tobytes() + gan.sample(1).tobytes()

    for kind in games:
        always = {"codes": changes["codes"]} if kind is Conditional else {}
        known = {name: value for name, value in changes.items() if name in arguments[kind] and name not in always}
        if kind is Conditional:
            del known["packing"]  # a pack has no one code that D could say
        results = {after(kind, **always), *(after(kind, **always, **{name: value}) for name, value in known.items())}
        assert len(results) == len(known) + 1, kind
    assert len({after(GAN), after(Tutorial), after(Conditional, codes=changes["codes"])}) == 3
    assert after(Conditional, codes=[]) == after(GAN)


def test_settings_of_layers_and_rules_that_do_nothing() -> None:
    """The same for the constructors: each argument changes the output, the gradient or the update."""

    def output(*layers: Layer) -> bytes:
        net = Sequential(*layers, dtype="float64", seed=3)
        for _ in range(2):
            y, back = net(real(8)[:, : net.layers[0].n_in])
            back(y)
        return b"".join(a.tobytes() for a in (y, net.flat_grad, net(real(8)[:, : net.layers[0].n_in], train=False)[0]))

    def updates(rule: Any) -> bytes:
        net = Sequential(Dense(3, 2), dtype="float64")
        optimizer = rule.bind(net)
        for scale in (1, 2, 3):
            net.flat_grad[...] = scale * np.arange(1, 9)
            optimizer.step()
        return net.flat.tobytes()

    for versions in (
        [Dense(3, 2), Dense(2, 2), Dense(3, 4), Dense(3, 2, bias=False), Dense(3, 2, init="he")],
        [BatchNorm(3), BatchNorm(3, momentum=0.5), BatchNorm(3, eps=0.5)],
        [LeakyReLU(), LeakyReLU(0.5)],
        [Dropout(), Dropout(0.1)],
    ):
        first = [[] if isinstance(v, Dense) else [Dense(3, 3, init=Normal(1))] for v in versions]
        assert len({output(*f, v) for f, v in zip(first, versions, strict=True)}) == len(versions)
    for rules in (
        [SGD(0.1), SGD(0.2), SGD(0.1, momentum=0.5)],
        [RMSprop(0.1), RMSprop(0.1, decay=0.5), RMSprop(0.1, eps=0.1)],
        [Adam(0.1), Adam(0.2), Adam(0.1, beta1=0.5), Adam(0.1, beta2=0.5), Adam(0.1, eps=0.1)],
    ):
        assert len({updates(rule) for rule in rules}) == len(rules)


def test_a_float64_constant_or_initial_value_promotes_everything() -> None:
    """Nothing that a float32 network keeps or returns is float64."""
    gan = play(dtype="float32", optimizer=Adam(np.float64(1e-3)), objective=NonSaturating(np.float64(0.9)))
    gan.step(real(dtype="float64"))
    y, back = gan.D(real())
    kept = [y, back(np.ones((4, 1))), gan.sample(2), gan.probability(real()), gan.D.flat, gan.D.flat_grad]
    kept += [*gan.G.state_dict().values(), *gan.G.buffers.values(), *gan.g_opt.memory.values()]
    assert {array.dtype for array in kept} == {np.dtype("float32")}


def test_a_float_atomic_makes_seeded_runs_differ(backend: Backend) -> None:
    """The same run twice gives the same bits, on a batch large enough for several thread blocks."""

    def run() -> list[Array]:
        G, D = pair(backend)
        gan = GAN(G, D)
        for _ in range(3):
            gan.step(real(700, "float32"))
        return [*G.state_dict().values(), *D.state_dict().values()]

    assert same(run(), run())


def test_the_next_forward_does_not_wait_for_the_update(backend: Backend) -> None:
    """A forward right after `step` sees the new parameters: waiting in between changes nothing."""

    def outputs(wait: bool) -> list[Array]:
        net = Sequential(Dense(3, 300), Tanh(), Dense(300, 1), backend=backend)
        optimizer, seen = Adam(0.1).bind(net), []
        for _ in range(5):
            y, back = net(real(64, "float32"))
            seen.append(backend.to_numpy(y))
            net.zero_grad()
            back(y)
            optimizer.step()
            if wait:
                backend.synchronize()
        return seen

    assert same(outputs(True), outputs(False))


def test_only_the_first_batches_are_ever_seen() -> None:
    """Five epochs of 37 images in batches of 5 show each image five times."""
    be, picked = get_backend("numpy"), np.empty(5, np.int64)
    counts = np.zeros(37, int)
    for i in range(37):
        be.minibatch(picked, 37, i, 5, seed=1)
        np.add.at(counts, picked, 1)
    assert (counts == 5).all()


def test_only_the_starts_of_batches_are_shuffled() -> None:
    """Neighbours in the data are no neighbours in a batch."""
    picked = np.empty(1000, np.int64)
    get_backend("numpy").minibatch(picked, 1000, 0, 1000, seed=1)
    assert (np.diff(picked) == 1).mean() < 0.02


class _Wrong(Layer):
    """y = a x + b, with one of its three gradients off."""

    def __init__(self, dx: float = 1.0, da: float = 1.0, db: float = 1.0) -> None:
        self.dx, self.da, self.db = dx, da, db
        self.parameters["weight"] = Parameter((1,), Normal(1))
        self.parameters["bias"] = Parameter((1,), Normal(1))

    def forward(self, x: Any, run: Any) -> Any:
        a, b = self.parameters["weight"], self.parameters["bias"]

        def back(dy: Any, params: bool, inputs: bool) -> Any:
            if params:
                a.grad += self.da * (dy * x).sum()
                b.grad += self.db * dy.sum()
            return self.dx * dy * a.data

        return a.data * x + b.data, back


@pytest.mark.parametrize(
    ("mistake", "where"), [({"dx": 1.01}, "input"), ({"da": 1.01}, "0.weight"), ({"db": 1.01}, "0.bias")]
)
def test_a_gradient_check_that_looks_at_parameters_only(mistake: dict[str, float], where: str) -> None:
    """gradcheck looks at dX and at every parameter."""
    assert gradcheck(_Wrong(), real()).keys() == {"input", "0.weight", "0.bias"}
    with pytest.raises(GradientError, match=f"the gradient of {where}"):
        gradcheck(_Wrong(**mistake), real())


class _OneElement(Layer):
    """The identity, with a single element of dX wrong."""

    def __init__(self, index: int = 0) -> None:
        self.index = index

    def forward(self, x: Any, run: Any) -> Any:
        def back(dy: Any, params: bool, inputs: bool) -> Any:
            dx = dy.copy()
            dx.ravel()[self.index] *= 1.1
            return dx

        return x + 0, back


def test_a_gradient_check_at_one_random_index() -> None:
    """One wrong element of 2,000 is found, wherever it is."""
    x = np.random.default_rng(0).standard_normal((40, 50))
    for index in range(0, 2000, 199):
        with pytest.raises(GradientError):
            gradcheck(_OneElement(index), x)


class _NoGamma(BatchNorm):
    """The batch normalisation of the textbooks, its γ forgotten in dX."""

    joins_activation = False

    def forward(self, x: Any, run: Any, act: Any = None) -> Any:
        y, back = super().forward(x, run)
        gamma = self.parameters["weight"].data.copy()
        return y, lambda dy, params, inputs: back(dy, params, inputs) / gamma


def test_a_gradient_check_with_gamma_one_and_beta_zero() -> None:
    """gradcheck does not judge a fresh layer where the mistake cannot be seen."""
    with pytest.raises(GradientError):
        gradcheck(_NoGamma(3), real(6))


def test_a_loss_that_is_summed() -> None:
    """Twice the same samples give the same update."""

    def gradient(times: int, *more: Layer) -> Array:
        D = Sequential(Dense(3, 4), Tanh(), *more, Dense(4 + len(more), 1), dtype="float64", seed=4)
        gan = GAN(Sequential(Dense(2, 3, init="zeros"), dtype="float64"), D)
        assert D.mixes_samples == bool(more)  # then real samples and fakes are two batches
        gan.update_discriminator(np.tile(real(), (times, 1)))
        return gan.D.flat_grad.copy()

    np.testing.assert_allclose(gradient(2), gradient(1), rtol=1e-10, atol=1e-15)
    np.testing.assert_allclose(gradient(2, MinibatchStdDev()), gradient(1, MinibatchStdDev()), rtol=1e-10, atol=1e-15)
    fake = np.random.default_rng(0).standard_normal((4, 1))
    for objective in (Minimax(), NonSaturating()):
        once, often = (float(objective.generator(x)[0]) for x in (fake, np.tile(fake, (9, 1))))
        assert often == pytest.approx(once)


def test_a_transposed_array_is_saved_scrambled(tmp_path: Path) -> None:
    """Whatever its strides, an array comes back as it was."""
    a = np.arange(24, dtype="float32").reshape(2, 3, 4)
    arrays = {"t": a.T, "strided": a[:, ::2], "fortran": np.asfortranarray(a), "view": a[1, 2]}
    archive.save(tmp_path / "a.npz", arrays)
    loaded, _ = archive.load(tmp_path / "a.npz")
    assert loaded.keys() == arrays.keys()
    assert same(list(loaded.values()), list(arrays.values()))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_weights_shown_as_zero(bad: float) -> None:
    """A weight that is not finite raises the alarm in the very next step, whichever network it is in."""
    for player in ("G", "D"):
        gan = play()
        net = getattr(gan, player)
        net.flat[-1] = bad  # the last bias: of G before a tanh, which would hide an infinity
        if player == "G" and bad == np.inf:
            continue
        with pytest.raises(NonFiniteError, match=f"{player}[.]"):
            gan.step(real())


def test_a_checkpoint_without_moments_step_or_random_state(tmp_path: Path) -> None:
    """Saved and loaded in the middle, a run ends in the same bits as one that was never interrupted."""
    straight, interrupted = (play(dtype="float32", optimizer=Adam(1e-2)) for _ in range(2))
    images = real(20, "float32")
    straight.fit(images, steps=6, batch=4)
    interrupted.fit(images, steps=3, batch=4)
    interrupted.save(tmp_path / "gan.npz")
    resumed = GAN.load(tmp_path / "gan.npz")
    resumed.fit(images, steps=3, batch=4)
    for net in ("G", "D"):
        states = [getattr(gan, net).state_dict() for gan in (resumed, straight)]
        assert same(*(list(state.values()) for state in states))
    for optimizer in ("g_opt", "d_opt"):
        states = [getattr(gan, optimizer).state_dict() for gan in (resumed, straight)]
        assert same(*(list(state.values()) for state in states))
    assert resumed.steps == straight.steps


def test_a_relu_that_is_dead_at_zero_counts_as_one_side() -> None:
    """At exactly 0, where fresh biases put empty pixels, forward and backward take the same side."""
    for layer in (ReLU(), LeakyReLU(0.2)):
        y, back = Sequential(layer)(np.zeros((1, 2), "float32"))
        assert not y.any()
        np.testing.assert_allclose(back(np.ones((1, 2), "float32")), getattr(layer, "negative_slope", 0.0))
