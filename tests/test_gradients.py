"""Every gradient against finite differences: layers, networks, losses, and D's and G's whole updates.

Two judges that share no code: `minigan.gradcheck`, and `networks.slope` over `networks.evaluate`, a second forward
in plain NumPy. At the end gradcheck itself is judged, by layers that are wrong in known ways.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from book import assert_step, d_value, g_value
from family import OF_THEIR_OWN
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from networks import (
    Array,
    Case,
    activations,
    assert_gradient,
    evaluate,
    flat_of,
    narrowed,
    pair,
    quadratic,
    randomise,
    same,
    seeds,
    slope,
    smooth,
    stacks,
    worst,
)

import minigan
from minigan import (
    DRAGAN,
    GAN,
    R1,
    R2,
    SGD,
    BatchNorm,
    Dense,
    Dropout,
    FeatureMatching,
    Flatten,
    GaussianNoise,
    GradientError,
    GradientPenalty,
    Hinge,
    Layer,
    LayerNorm,
    LeakyReLU,
    LeastSquares,
    Maxout,
    MinibatchStdDev,
    Minimax,
    NonSaturating,
    Parameter,
    Relativistic,
    ReLU,
    Rescale,
    Reshape,
    Sequential,
    Sigmoid,
    Softplus,
    SpectralNorm,
    Tanh,
    Tutorial,
    Wasserstein,
    WeightNorm,
    gradcheck,
    mean_squared_error,
    softmax_cross_entropy,
)
from minigan.backend import Backend, Purpose, Stream
from minigan.gradcheck import check_gradients
from minigan.nn.init import Normal
from minigan.objectives import Objective
from minigan.optim import Linear
from minigan.recipes import RECIPES, get_recipe
from minigan.recipes.options import recipe_options

modes = st.booleans().map(lambda train: train)
STREAM = Stream(5, Purpose.CALL, 17)


# --- layers and networks ---------------------------------------------------------------------------------------

LAYERS: dict[str, Callable[[], Layer]] = {
    "Dense": lambda: Dense(5, 3),
    "Dense without bias": lambda: Dense(5, 3, bias=False),
    "Dense, SpectralNorm": lambda: Dense(5, 3, norm=SpectralNorm()),
    "Dense, WeightNorm": lambda: Dense(5, 3, norm=WeightNorm()),
    "Dense, WeightNorm of fixed lengths": lambda: Dense(5, 3, norm=WeightNorm(trained=False)),
    "BatchNorm": lambda: BatchNorm(5),
    "BatchNorm without gain": lambda: BatchNorm(5, gain=False),
    "BatchNorm, large eps": lambda: BatchNorm(5, eps=0.5),
    "LayerNorm": lambda: LayerNorm(5),
    "LayerNorm, large eps": lambda: LayerNorm(5, eps=0.5),
    "MinibatchStdDev": lambda: MinibatchStdDev(),
    "MinibatchStdDev, large eps": lambda: MinibatchStdDev(eps=0.5),
    "Maxout": lambda: Maxout(5),
    "LeakyReLU": lambda: LeakyReLU(0.2),
    "ReLU": lambda: ReLU(),
    "Sigmoid": lambda: Sigmoid(),
    "Tanh": lambda: Tanh(),
    "Softplus": lambda: Softplus(),
    "Dropout": lambda: Dropout(0.4),
    "GaussianNoise": lambda: GaussianNoise(0.5),
    "GaussianNoise of a pool": lambda: GaussianNoise(0.5, pooled=True),
    "Rescale": lambda: Rescale(-0.7, 0.3),
    "Flatten": lambda: Flatten(),
    "Reshape": lambda: Reshape(5, 1),
}


@pytest.mark.parametrize("train", [True, False], ids=["training", "inference"])
@pytest.mark.parametrize("layer", LAYERS)
def test_each_layer(backend: Backend, layer: str, train: bool) -> None:
    rng = np.random.default_rng(1)
    net = randomise(Sequential(LAYERS[layer](), backend=backend, dtype="float64"), rng)
    errors = gradcheck(net, rng.standard_normal((7, 5)), train=train)
    assert errors.keys() == {"input", *net.parameters}
    assert worst(errors) <= 1e-6
    check_by_hand(Case(net, rng.standard_normal((7, 5)), rng), train)


def check_by_hand(case: Case, train: bool) -> None:
    """dL/dx and dL/dparameters of a pass against slopes of the independent forward."""
    net, x, rng = case.net, case.x, case.rng
    y, back = net(x, train=train, track=False, stream=STREAM)
    value, gradient = quadratic(rng, y.shape)
    net.zero_grad()
    dx = net.backend.to_numpy(back(gradient(net.backend.to_numpy(y))))
    flat = flat_of(net)

    def loss(flat: Array, x: Array) -> tuple[float, list[Array]]:
        signs: list[Array] = []
        return value(evaluate(net, flat, x, train, STREAM, signs=signs)), signs

    np.testing.assert_allclose(net.backend.to_numpy(y), evaluate(net, flat, x, train, STREAM), rtol=1e-9, atol=1e-9)
    assert_gradient(lambda x: loss(flat, x), x, dx, rng)
    if net.size:
        assert_gradient(lambda flat: loss(flat, x), flat, net.packed(net.flat_grad), rng)


@settings(max_examples=80)
@given(case=stacks(), train=modes)
def test_random_stacks_by_hand(case: Case, train: bool) -> None:
    check_by_hand(case, train)


@settings(max_examples=25)
@given(case=stacks(), train=modes, seed=st.integers(0, 99))
def test_random_stacks_by_gradcheck(case: Case, train: bool, seed: int) -> None:
    errors = gradcheck(case.net, case.x, train=train, seed=seed)
    assert all(error <= 1e-6 or math.isnan(error) for error in errors.values())  # NaN: a kink in every direction


@settings(max_examples=25)
@given(case=stacks(smooth), train=modes)
def test_smooth_stacks_leave_gradcheck_no_excuse(case: Case, train: bool) -> None:
    errors = gradcheck(case.net, case.x, train=train)
    assert worst(errors) <= 1e-6


@given(case=stacks(), train=modes, rows=st.integers(2, 9))
def test_gradients_of_the_two_halves_of_a_backward(case: Case, train: bool, rows: int) -> None:
    """params=False and inputs=False leave away one half and change nothing in the other."""
    net, x = case.net, case.x
    y, back = net(x, train=train, stream=STREAM)
    dy = case.rng.standard_normal(y.shape)
    net.zero_grad()
    dx, both = back(dy), net.flat_grad.copy()
    net.zero_grad()
    assert np.array_equal(back(dy, params=False), dx)
    assert not net.flat_grad.any()
    assert back(dy, inputs=False) is None
    assert np.array_equal(net.flat_grad, both)
    back(dy)
    np.testing.assert_allclose(net.flat_grad, 2 * both, rtol=1e-12)


@given(n=st.integers(1, 9), f=st.integers(1, 9), seed=seeds)
def test_batchnorm_with_its_default_epsilon_on_hardly_varying_features(n: int, f: int, seed: int) -> None:
    """Where the variance is near ε, each term of the derivation counts."""
    rng = np.random.default_rng(seed)
    net = randomise(Sequential(BatchNorm(f), dtype="float64"), rng)
    places = np.stack([rng.permutation(np.linspace(-1, 1, n + 1)) for _ in range(f)], axis=1)
    x = rng.standard_normal(f) + rng.uniform(0.003, 0.1, f) * places
    assert worst(gradcheck(net, x)) <= 1e-6


# --- losses ----------------------------------------------------------------------------------------------------

others = [LeastSquares(), Wasserstein(), Hinge(), Relativistic(), FeatureMatching()]
objectives = st.one_of(
    st.floats(0.05, 1).map(Minimax),
    st.floats(0.05, 1).map(NonSaturating),
    st.sampled_from([Minimax(), NonSaturating(), *others]),
)
sizes = st.sampled_from([0.1, 1.0, 10.0, 30.0])
logit_batches = st.tuples(st.integers(1, 9), sizes, seeds).map(
    lambda drawn: np.random.default_rng(drawn[2]).uniform(-drawn[1], drawn[1], (drawn[0], 1))
)
pairs_of_batches = st.tuples(st.integers(1, 9), st.integers(1, 3), sizes, seeds).map(
    lambda drawn: np.random.default_rng(drawn[3]).uniform(-drawn[2], drawn[2], (2, *drawn[:2]))
)


@given(objective=objectives, outputs=pairs_of_batches)
def test_objectives(backend: Backend, objective: Objective, outputs: Array) -> None:
    """Loss and gradients; G's objective may see several features of each sample."""
    real, fake = outputs
    rng, arena = np.random.default_rng(0), backend.arena()
    on_real, on_fake = backend.asarray(real[:, :1]), backend.asarray(fake[:, :1])
    loss, (dreal, dfake) = objective.discriminator(on_real, on_fake, arena)
    assert float(loss) == pytest.approx(d_value(objective, real[:, :1], fake[:, :1]), rel=1e-12, abs=1e-12)

    def value(outputs: Array) -> tuple[float, list[Array]]:
        return d_value(objective, *outputs), [abs(outputs) < 1]  # on which side of Hinge's kinks

    at, gradient = np.stack([real[:, :1], fake[:, :1]]), [backend.to_numpy(d) for d in (dreal, dfake)]
    assert_gradient(value, at, np.stack(gradient), rng)
    if not isinstance(objective, FeatureMatching):
        real, fake = at
    loss, dfake = objective.generator(backend.asarray(fake), arena, backend.asarray(real))
    assert float(loss) == pytest.approx(g_value(objective, fake, real), rel=1e-12, abs=1e-12)
    assert_gradient(lambda fake: (g_value(objective, fake, real), ()), fake, backend.to_numpy(dfake), rng)


@given(objective=objectives.filter(lambda objective: not objective.compares), logits=logit_batches)
def test_objectives_by_gradcheck(objective: Objective, logits: Array) -> None:
    for term in (objective.real, objective.fake, objective.fool):
        gradient = np.empty_like(logits)
        be = minigan.get_backend("numpy")
        term(logits, gradient, be)
        scratch, at = np.empty_like(logits), logits.copy()

        def value(term: Any = term, at: Array = at, scratch: Array = scratch, be: Backend = be) -> float:
            return float(term(at, scratch, be))

        assert worst(check_gradients(value, {"l": at}, {"l": gradient})) <= 1e-6
        assert np.array_equal(at, logits)  # put back as it was


@given(n=st.integers(1, 9), k=st.integers(1, 9), size=st.sampled_from([1.0, 30.0]), seed=seeds)
def test_softmax_cross_entropy(backend: Backend, n: int, k: int, size: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits, labels = rng.uniform(-size, size, (n, k)), rng.integers(0, k, n)

    def value(logits: Array) -> tuple[float, tuple[()]]:
        probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        return float(-np.log(probabilities[np.arange(n), labels]).mean()), ()

    loss, gradient = softmax_cross_entropy(backend.asarray(logits), labels, backend.arena())
    assert float(loss) == pytest.approx(value(logits)[0], rel=1e-9, abs=1e-12)
    assert_gradient(value, logits, backend.to_numpy(gradient), rng)


@given(shape=st.lists(st.integers(1, 5), min_size=1, max_size=3).map(tuple), seed=seeds)
def test_mean_squared_error(backend: Backend, shape: tuple[int, ...], seed: int) -> None:
    rng = np.random.default_rng(seed)
    prediction, target = rng.standard_normal(shape), rng.standard_normal(shape)
    loss, gradient = mean_squared_error(backend.asarray(prediction), target, backend.arena())
    assert float(loss) == pytest.approx(float(((prediction - target) ** 2).mean()), rel=1e-12)
    assert_gradient(lambda p: (float(((p - target) ** 2).mean()), ()), prediction, backend.to_numpy(gradient), rng)


# --- D's and G's whole updates ---------------------------------------------------------------------------------

rules = st.fixed_dictionaries(
    {
        "objective": objectives,
        "penalties": st.sampled_from([[], [], [GradientPenalty(3.0)], [R1(2.0)], [R2(2.0)], [DRAGAN()]]),
        "clip": st.sampled_from([None, 0.7]),
        "instance_noise": st.sampled_from([0.0, 0.2, Linear(0.5, 0.0, 1000)]),
        "packing": st.sampled_from([1, 2]),
        "average": st.sampled_from([0.0, 0.9]),
        "d_steps": st.integers(1, 3),
        "tutorial": st.booleans(),
        "reuse_fakes": st.booleans(),
        "prior": st.sampled_from(["normal", "uniform"]),
        "seed": st.integers(0, 2**31),
    }
)


def contradicting(rule: dict[str, Any], d: str) -> bool:
    objective, penalties = rule["objective"], rule["penalties"]
    together = penalties or rule["reuse_fakes"] or objective.compares or not objective.separable
    return bool((rule["tutorial"] and together) or (d == "batchnorm" and penalties))


def a_d(kind: str, packing: int, rng: np.random.Generator, seed: int) -> Sequential:
    """D with batchnorm or minibatch deviation, with everything that a penalty allows, or with next to nothing.

    The first two mix samples, and are shown real samples and fakes apart; the others judge them in one batch.
    """
    if kind in ("batchnorm", "critic"):
        return pair(dtype="float64", seed=seed, packing=packing, critic=kind == "critic")[1]
    if kind == "mixing":
        layers = Dense(3 * packing, 4, norm=SpectralNorm()), Tanh(), MinibatchStdDev(), Dense(5, 1, norm=WeightNorm())
        return randomise(Sequential(*layers, dtype="float64"), rng)
    few = Dense(3 * packing, 4), Tanh(), Dropout(0.3), Dense(4, 1)
    return randomise(Sequential(*few, dtype="float64"), rng)


PAPER: dict[str, Any] = {
    "objective": NonSaturating(0.9), "penalties": [], "clip": None, "instance_noise": 0.0, "packing": 1, "average": 0.0,
    "d_steps": 1, "tutorial": False, "reuse_fakes": False, "prior": "normal", "seed": 3,
}  # fmt: skip


@settings(max_examples=60)
@given(
    rule=rules,
    n=st.integers(2, 4),
    d=st.sampled_from(["batchnorm", "mixing", "critic", "simple"]),
    seed=st.integers(0, 2**31),
)
@example(rule=PAPER, n=4, d="batchnorm", seed=1)
@example(rule=PAPER | {"objective": Minimax()}, n=4, d="mixing", seed=2)
@example(rule=PAPER | {"tutorial": True}, n=3, d="batchnorm", seed=3)
@example(rule=PAPER | {"tutorial": True, "d_steps": 2, "packing": 2, "instance_noise": 0.3}, n=2, d="simple", seed=3)
@example(rule=PAPER | {"reuse_fakes": True, "d_steps": 2}, n=4, d="batchnorm", seed=4)
@example(rule=PAPER | {"reuse_fakes": True, "d_steps": 2}, n=4, d="critic", seed=4)
@example(rule=PAPER, n=4, d="simple", seed=5)
@example(rule=PAPER | {"objective": FeatureMatching(), "packing": 2, "instance_noise": 0.3}, n=2, d="critic", seed=6)
@example(rule=PAPER | {"objective": Relativistic(), "penalties": [R1(), R2()], "d_steps": 2}, n=3, d="critic", seed=7)
@example(rule=PAPER | {"objective": Relativistic(), "penalties": [R1(), R2()], "d_steps": 2}, n=3, d="mixing", seed=7)
@example(rule=PAPER | {"objective": Wasserstein(), "penalties": [GradientPenalty()]}, n=3, d="simple", seed=8)
@example(rule=PAPER | {"objective": Hinge(), "penalties": [DRAGAN()], "packing": 2}, n=2, d="critic", seed=9)
def test_whole_step(rule: dict[str, Any], n: int, d: str, seed: int) -> None:
    """Every gradient of one step, of D on its loss and of G through D, for every rule of the game.

    The rate is large, so that an update with old parameters, or through an old pass, could not go unnoticed.
    """
    assume(not contradicting(rule, d))
    rng = np.random.default_rng(seed)
    G, _ = pair(dtype="float64", seed=seed % 1000)
    D, kind, options = a_d(d, rule["packing"], rng, seed % 1000), GAN, dict(rule)
    if options.pop("tutorial"):
        del options["penalties"], options["reuse_fakes"]
        kind = Tutorial
    gan = kind(G, D, optimizer=SGD(0.3), **options)
    gan.steps, gan.d_updates = (int(count) for count in rng.integers(0, 1000, 2))  # anywhere in a game
    moments = assert_step(gan, rng.uniform(-1, 1, (gan.d_steps * n * gan.packing, 3)), rng)
    for_g, for_d = moments[-1], moments[-2]
    assert same([flat_of(gan.G)], [for_g.G - 0.3 * for_g.gradient])
    after = for_d.D - 0.3 * for_d.gradient
    assert same([flat_of(gan.D)], [after if gan.clip is None else np.clip(after, -gan.clip, gan.clip)])


def test_minibatch_deviation_in_a_whole_step() -> None:
    """A D that mixes samples, with a penalty all the same."""
    G, _ = pair(dtype="float64")
    rng = np.random.default_rng(0)
    D = a_d("mixing", 1, rng, 0)
    assert D.mixes_samples
    assert_step(GAN(G, D, objective="hinge", penalties=[R1(1.0)], optimizer=SGD(0.1)), rng.uniform(-1, 1, (4, 3)), rng)


OTHER_NETS: list[tuple[str, dict[str, Any]]] = [
    ("wgan-gp", {"nets": "conv"}),
    ("wgan-gp", {"nets": "conv", "label": "given", "d_norm": "layer"}),
    ("r3gan", {"nets": "conv", "label": "predicted", "continuous": 1}),
    ("hinge-gan", {"nets": "conv"}),
    ("gan", {"nets": "conv", "label": "given", "packing": 2, "minibatch_std": True}),
    ("r3gan", {"nets": "points", "packing": 2, "label": "given"}),
    ("wgan-gp", {"nets": "points", "minibatch_std": True, "continuous": 1}),
]


OF_GAN = [name for name in RECIPES if name not in OF_THEIR_OWN]  # the others are in test_family.py


@pytest.mark.parametrize(("recipe", "options"), [*((recipe, {}) for recipe in OF_GAN), *OTHER_NETS], ids=str)
def test_whole_step_of_every_recipe(recipe: str, options: dict[str, Any]) -> None:
    """The recipe's own game, with a few units in each layer and weights anywhere: all of D's heads, and all of G."""
    nets = options.get("nets", recipe_options(recipe)["nets"].default)
    shape = (4, 4) if nets == "conv" else (3, 1)
    width = 6 if nets == "points" else 1
    gan = get_recipe(recipe).build(shape, latent=4, width=width, dtype="float64", seed=3, **options)
    if nets == "dense":
        gan = narrowed(gan, 64, clip=gan.clip and 0.5)  # within ±0.01 there is hardly a gradient to look at
    rng = np.random.default_rng(7)
    randomise(gan.G, rng)
    randomise(gan.D, rng)
    gan.steps, gan.d_updates = 40, 200
    n = gan.d_steps * 6
    real, labels = rng.uniform(-1, 1, (n, *shape)), rng.integers(0, 10, n)
    for _ in range(2):  # and on, from where the first has led
        assert_step(gan, real, rng, labels=labels)


# --- gradcheck itself ------------------------------------------------------------------------------------------


class Affine(Layer):
    """y = x Wᵀ + b, as a user might write it, with mistakes to order."""

    def __init__(self, n_in: int, n_out: int, mistake: str = "") -> None:
        self.n_in = n_in
        self.n_out = n_out
        self.mistake = mistake
        self.parameters["weight"] = Parameter((n_out, n_in), Normal(1.0))
        self.parameters["bias"] = Parameter((n_out,), Normal(1.0))

    def forward(self, x: Any, run: Any) -> Any:
        W, b = self.parameters["weight"], self.parameters["bias"]

        def back(dy: Any, params: bool, inputs: bool) -> Any:
            dW, db, dx = dy.T @ x, dy.sum(axis=0), dy @ W.data
            if self.mistake == "wrong sign in dx":
                dx = -dx
            if self.mistake == "dx 0.1 % too large":
                dx = dx * 1.001
            if self.mistake == "dW 0.1 % too small":
                dW = dW * 0.999
            if self.mistake == "one element of dW":
                dW[0, 0] = 0
            if self.mistake == "mean instead of sum in db":
                db = db / len(dy)
            if self.mistake == "db forgotten":
                db = 0
            if self.mistake == "dx is nan":
                dx = dx * np.nan
            if self.mistake == "assigns":
                W.grad, b.grad = dW, db
            elif params or self.mistake == "ignores params":
                W.grad += dW
                b.grad += db
            if self.mistake == "dx only with params" and not params:
                dx = 0 * dx
            return dx

        return x @ W.data.T + b.data, back


class Normalise(Layer):
    """Batch normalisation without parameters, in one of the ways in which it is often wrong."""

    def __init__(self, mistake: str = "") -> None:
        self.mistake = mistake

    def forward(self, x: Any, run: Any) -> Any:
        n, std = len(x), np.sqrt(x.var(axis=0) + 1e-5)
        x_hat = (x - x.mean(axis=0)) / std

        def back(dy: Any, params: bool, inputs: bool) -> Any:
            through_mean, through_var = dy.sum(axis=0) / n, x_hat * (dy * x_hat).sum(axis=0) / n
            if self.mistake == "1/N missing":
                through_mean, through_var = n * through_mean, n * through_var
            if self.mistake == "N times too large":
                return n * (dy - through_mean - through_var) / std
            if self.mistake == "variance taken for constant":
                through_var = 0
            if self.mistake == "inference formula":
                through_mean = through_var = 0
            if self.mistake == "0.1 % of a term":
                through_var = 0.999 * through_var
            return (dy - through_mean - through_var) / std

        return x_hat, back


class Square(Layer):
    """y = x², and its derivative with or without the 2."""

    def __init__(self, factor: float = 2.0) -> None:
        self.factor = factor

    def forward(self, x: Any, run: Any) -> Any:
        return x * x, lambda dy, params, inputs: dy * self.factor * x


AFFINE = {
    "wrong sign in dx": "input",
    "dx 0.1 % too large": "input",
    "dx is nan": "input",
    "dW 0.1 % too small": "weight",
    "one element of dW": "weight",
    "mean instead of sum in db": "bias",
    "db forgotten": "bias",
}
NORMALISE = ["1/N missing", "N times too large", "variance taken for constant", "inference formula", "0.1 % of a term"]


@pytest.mark.parametrize("seed", range(5))
def test_gradcheck_passes_right_layers_of_the_users_own(seed: int) -> None:
    x = np.random.default_rng(seed).standard_normal((6, 4))
    for layer in (Affine(4, 3), Normalise(), Square()):
        assert worst(gradcheck(layer, x, seed=seed)) <= 1e-6
    stack = Sequential(Affine(4, 3), LeakyReLU(), Normalise(), Square(), Affine(3, 2), dtype="float64", seed=seed)
    assert worst(gradcheck(stack, x, seed=seed)) <= 1e-6


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("mistake", AFFINE)
def test_gradcheck_fails_a_wrong_affine_layer(mistake: str, seed: int) -> None:
    x = np.random.default_rng(seed).standard_normal((6, 4))
    with pytest.raises(GradientError, match=rf"the gradient of (0\.)?{AFFINE[mistake]}"):
        gradcheck(Affine(4, 3, mistake), x, seed=seed)
    inside = Sequential(Dense(4, 4), Tanh(), Affine(4, 3, mistake), LeakyReLU(), Dense(3, 2), seed=seed)
    with pytest.raises(GradientError):
        gradcheck(inside, x, seed=seed)


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        ("assigns", r"the gradient of 0\.weight does not add up"),
        ("ignores params", r"params=False\) changes the gradient of 0\.weight"),
        ("dx only with params", r"dL/dx differs between back\(dy\) and back\(dy, params=False\)"),
    ],
)
def test_gradcheck_fails_a_backward_that_breaks_its_contract(mistake: str, words: str) -> None:
    """D runs twice before it steps, and is held fixed in G's update: both halves of a backward must be right."""
    with pytest.raises(GradientError, match=words):
        gradcheck(Affine(4, 3, mistake), np.random.default_rng(0).standard_normal((6, 4)))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("mistake", NORMALISE)
def test_gradcheck_fails_a_wrong_normalisation(mistake: str, seed: int) -> None:
    x = np.random.default_rng(seed).standard_normal((6, 4))
    with pytest.raises(GradientError, match="the gradient of input"):
        gradcheck(Normalise(mistake), x, seed=seed)
    with pytest.raises(GradientError, match=r"the gradient of (input|0\.weight)"):
        gradcheck(Sequential(Dense(4, 4), Normalise(mistake), Dense(4, 1), seed=seed), x, seed=seed)


def test_gradcheck_fails_a_factor() -> None:
    with pytest.raises(GradientError):
        gradcheck(Square(1.0), np.array([[1.0, 2.0], [0.5, -1.0]]))


def test_gradcheck_says_where_and_what() -> None:
    with pytest.raises(GradientError) as caught:
        gradcheck(Square(2.02), np.array([[1.0, 2.0, 3.0]]))
    message = str(caught.value)
    assert isinstance(caught.value, AssertionError)  # so that pytest shows it as a failure, not as an error
    for part in (
        "the gradient of input (1, 3) is wrong",
        "analytic",
        "finite differences",
        "tolerance 1e-06",
        "[0, 2]",
    ):
        assert part in message
    relative = float(message.split("relative error ")[1].split(",")[0])
    assert relative == pytest.approx(0.01, rel=0.6)


def test_gradcheck_leaves_network_and_batch_alone() -> None:
    net = Sequential(Dense(3, 2), BatchNorm(2), Dropout(0.5), seed=1)
    x = np.random.default_rng(0).standard_normal((4, 3))
    _, back = net(x)
    back(np.ones((4, 2), "float32"))
    state, grads, kept, calls = net.state_dict(), net.grad_dict(), x.copy(), net.calls
    gradcheck(net, x)
    assert same(list(state.values()), list(net.state_dict().values()))
    assert same(list(grads.values()), list(net.grad_dict().values()))
    assert np.array_equal(x, kept)
    assert net.calls == calls


def test_check_gradients_puts_arrays_back_even_when_the_function_fails() -> None:
    a = np.array([1.0, 2.0])

    def value() -> float:
        if a[0] != 1:
            raise KeyError("broken")
        return 0.0

    with pytest.raises(KeyError):
        check_gradients(value, {"a": a}, {"a": np.zeros(2)})
    assert a.tolist() == [1, 2]


def test_gradcheck_takes_a_loss_of_ones_own() -> None:
    def loss(logits: Array) -> tuple[float, Array]:
        value, gradient = NonSaturating(0.9).generator(logits)
        return float(value), gradient

    net = Sequential(Dense(3, 4), Tanh(), Dense(4, 1), seed=0)
    assert worst(gradcheck(net, np.ones((5, 3)), loss=loss)) <= 1e-6
    with pytest.raises(GradientError):
        gradcheck(net, np.ones((5, 3)), loss=lambda y: (loss(y)[0], 1.001 * loss(y)[1]))


@settings(max_examples=25)
@given(case=stacks(smooth), train=modes)
def test_gradcheck_fails_every_gradient_that_is_a_thousandth_off(case: Case, train: bool) -> None:
    """Wherever the mistake sits and whatever surrounds it, unless the gradient there is nothing at all."""
    net, x = case.net, case.x
    y, back = net(x, train=train, track=False, stream=STREAM)
    value, gradient = quadratic(case.rng, y.shape)
    net.zero_grad()
    dx = back(gradient(y))
    arrays = {"input": x, **{name: p.as_state(p.data) for name, p in net.parameters.items()}}
    right = {"input": dx, **net.grad_dict()}

    def f() -> float:
        return value(net(x, train=train, track=False, stream=STREAM)[0])

    assert worst(check_gradients(f, arrays, right)) <= 1e-6
    size = abs(f())
    for name in arrays:
        if np.linalg.norm(right[name]) > 1e-3 * size:
            with pytest.raises(GradientError, match=f"the gradient of {name} "):
                check_gradients(f, {name: arrays[name]}, {name: 1.001 * right[name]})


def test_a_kink_is_passed_over_and_not_guessed_at() -> None:
    x = np.zeros((3, 4))  # on the kink in every direction
    assert math.isnan(gradcheck(ReLU(), x)["input"])
    assert math.isnan(gradcheck(LeakyReLU(0.2), x)["input"])
    assert gradcheck(Tanh(), x)["input"] <= 1e-6


def test_a_kink_nearby_is_stepped_around() -> None:
    for distance in (3e-4, 3e-5, 5e-6):
        x = distance * np.array([[1.0, -1.0, 1.0, -1.0]]) + np.array([[0.0, 0.0, 1.0, 2.0]])
        errors = [gradcheck(LeakyReLU(0.2), x, seed=seed)["input"] for seed in range(20)]
        assert all(math.isnan(e) or e <= 1e-6 for e in errors)  # never a false alarm
        if distance >= 3e-5:
            assert not any(math.isnan(e) for e in errors)


@given(seed=seeds, width=st.integers(1, 9), depth=st.integers(1, 3), act=activations)
def test_kinks_never_raise_a_false_alarm(seed: int, width: int, depth: int, act: Layer) -> None:
    rng = np.random.default_rng(seed)
    layers = [layer for _ in range(depth) for layer in (Dense(width, width), type(act)(*act.arguments().values()))]
    net = randomise(Sequential(*layers, dtype="float64"), rng)
    x = rng.standard_normal((4, width)) * 10.0 ** rng.integers(-3, 1)
    for name, error in gradcheck(net, x, seed=seed % 1000).items():
        assert math.isnan(error) or error <= 1e-6, name


def test_values_that_are_not_finite_do_not_pass() -> None:
    with pytest.raises((GradientError, ValueError), match="finite"):
        gradcheck(Sequential(Dense(2, 2)), np.array([[np.nan, 1.0], [1.0, 2.0]]))
    with pytest.raises((GradientError, ValueError), match="finite"):
        gradcheck(Square(), np.array([[np.inf, 1.0]]))
    for value in (math.nan, math.inf):  # though the gradient looks well
        with pytest.raises(ValueError, match=f"the value is {value} at the point"):
            check_gradients(lambda value=value: value, {"a": np.ones(2)}, {"a": np.ones(2)})


class ForgetsGamma(BatchNorm):
    """dX without the factor γ: right as long as γ is 1."""

    joins_activation = False

    def forward(self, x: Any, run: Any, act: Any = None) -> Any:
        y, back = super().forward(x, run, act)
        gamma = self.parameters["weight"].data.copy()

        def wrong(dy: Any, params: bool, inputs: bool) -> Any:
            dx = back(dy, params, inputs)
            return None if dx is None else dx / gamma

        return y, wrong


class ForgetsVariance(BatchNorm):
    """Inference dX without 1/s: right as long as the running variance is 1."""

    joins_activation = False

    def forward(self, x: Any, run: Any, act: Any = None) -> Any:
        y, back = super().forward(x, run, act)
        s = np.sqrt(self.buffers["running_var"] + self.eps)

        def wrong(dy: Any, params: bool, inputs: bool) -> Any:
            dx = back(dy, params, inputs)
            return None if dx is None else dx * s

        return y, wrong


def test_fresh_parameters_hide_no_mistake() -> None:
    """γ = 1, β = 0, mean 0 and variance 1 are where many wrong formulas are right."""
    x = np.random.default_rng(0).standard_normal((6, 4))
    with pytest.raises(GradientError):
        gradcheck(ForgetsGamma(4), x)
    assert worst(gradcheck(ForgetsGamma(4), x, randomize=False)) <= 1e-6  # as it would pass, were it fresh
    with pytest.raises(GradientError):
        gradcheck(ForgetsVariance(4, eps=1e-12), x, train=False)


def test_slope_is_a_judge_worth_having() -> None:
    """The other judge, judged: exact on a polynomial, silent across a kink."""
    at = np.array([1.0, -2.0])
    d = np.array([0.6, 0.8])
    assert slope(lambda v: (float((v**3).sum()), ()), at, d) == pytest.approx(3 * 0.6 + 12 * 0.8, rel=1e-9)
    assert slope(lambda v: (float(abs(v).sum()), [v > 0]), np.zeros(2), d) is None
    with pytest.raises(AssertionError):
        assert_gradient(lambda v: (float((v**3).sum()), ()), at, 3.00001 * at**2, np.random.default_rng(0))
