"""Numbers that people pass: NumPy's are as good as Python's, and what no sum can be made with is refused by name."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import minigan
from minigan import GAN, Conv2D, Dense, Flatten, Sequential
from minigan.optim import Cosine, Exponential, Linear
from minigan.spec import Spec, integer, number

IMAGES = np.random.default_rng(0).integers(0, 256, (20, 4), dtype=np.uint8)


def gan(**options: Any) -> GAN:
    return GAN(Sequential(Dense(2, 4), seed=1), Sequential(Dense(4, 1), seed=2), **options)


WHOLE: dict[str, Callable[[Any], Any]] = {  # each with what it does with a 3
    "steps of fit": lambda n: gan().fit(IMAGES, n, 4),
    "batch of fit": lambda n: gan().fit(IMAGES, 2, n),
    "d_pretrain of fit": lambda n: gan().fit(IMAGES, 2, 4, d_pretrain=n),
    "n of sample": lambda n: gan().sample(n),
    "seed of sample": lambda n: gan().sample(2, seed=n),
    "n of latents": lambda n: gan().latents(n),
    "seed of latents": lambda n: gan().latents(2, seed=n),
    "seed of a GAN": lambda n: gan(seed=n).sample(2),
    "seed of a network": lambda n: Sequential(Dense(2, 4), seed=n).flat,
    "d_steps": lambda n: gan(d_steps=n).fit(IMAGES, 2, 4),
    "packing": lambda n: GAN(Sequential(Dense(2, 4)), Sequential(Dense(12, 1)), packing=n).fit(IMAGES, 2, 6),
    "threads": lambda n: minigan.get_backend("numpy", threads=n).threads,
    "size of a layer": lambda n: Sequential(Dense(n, 2), seed=0).flat,
}


def same(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    return bool(np.array_equal(a, b))


@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint8, np.array], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("where", WHOLE)
def test_numpys_integers_are_whole_numbers(where: str, kind: Any) -> None:
    assert same(WHOLE[where](kind(3)), WHOLE[where](3))


@pytest.mark.parametrize(
    "value", [2.5, 3.0, "3", None, [3], -1, 2**64, True, math.nan, math.inf, np.float64(3)], ids=repr
)
@pytest.mark.parametrize("where", WHOLE)
def test_what_is_no_whole_number_is_refused_in_a_sentence(where: str, value: Any) -> None:
    if value is None and where in ("seed of sample", "seed of latents"):
        return  # which is the GAN's own
    if value is None and where == "threads":
        return  # as many as BLAS would use
    with pytest.raises((ValueError, TypeError), match=r"must be an integer"):
        WHOLE[where](value)


def test_a_seed_of_more_than_64_bits_is_not_taken_for_a_smaller_one() -> None:
    with pytest.raises(ValueError, match="seed must be an integer below 2\\^64"):
        gan().sample(2, seed=2**64)


# Every class of minigan with a numeric argument: the arguments that it cannot do without, to try the others with.
NEEDED: dict[str, dict[str, Any]] = {
    "BatchNorm": {"n_features": 2}, "LayerNorm": {"n_features": 2}, "Category": {"k": 2}, "Label": {"k": 2},
    "Sorted": {"k": 2}, "Rescale": {"scale": 2.0}, "InjectedNoise": {"n_features": 2},
    "Cosine": {"start": 1.0, "end": 0.5, "steps": 3}, "Linear": {"start": 1.0, "end": 0.5, "steps": 3},
    "Exponential": {"start": 1.0, "decay": 0.5, "steps": 3}, "RMSprop": {"lr": 0.1}, "SGD": {"lr": 0.1},
}  # fmt: skip


def make(cls: type[Spec], **given: Any) -> Any:
    needed = NEEDED.get(cls.__name__, {})
    if issubclass(cls, minigan.Game):
        answers = {"SemiSupervised": 2}.get(cls.__name__, 1)
        needed = {"G": Sequential(Dense(2, 4), seed=1), "D": Sequential(Dense(4, 5), Dense(5, answers), seed=2)}
    if issubclass(cls, minigan.Categories):
        needed |= {"G": Sequential(Dense(2 + 3, 4), seed=1), "Q": Sequential(Dense(4, 3), seed=3), "k": 3}
    if issubclass(cls, minigan.AAE):
        needed = {"E": Sequential(Dense(4, 2), seed=1), "G": Sequential(Dense(2, 4), seed=2)}
        needed["D"] = Sequential(Dense(2, 1), seed=3)
    if issubclass(cls, minigan.MoleculeAAE):
        needed |= {"E": Sequential(Dense(4 + 1, 3), seed=1), "G": Sequential(Dense(3, 4), seed=2), "lines": ["line"]}
    if issubclass(cls, minigan.Translation):
        needed = {"G": Sequential(Conv2D(1, 1, 3, padding=1)), "D": Sequential(Conv2D(2, 1, 3), Flatten())}
        needed["input_shape"] = (4, 4, 1)
    if issubclass(cls, minigan.Refinement):
        needed = {"G": Sequential(Conv2D(1, 1, 3, padding=1)), "D": Sequential(Conv2D(1, 1, 3), Flatten())}
        needed["input_shape"] = (4, 4, 1)
    if issubclass(cls, minigan.Words):
        needed = {"G": Sequential(Dense(2 + 3, 4)), "D": Sequential(Dense(4, 2)), "M": Sequential(Dense(2 + 3, 1))}
        needed |= {"T": Sequential(minigan.Embedding(3, 3), minigan.Bag()), "vocabulary": ["a", "b"], "length": 2}
    return cls(**{**needed, **given})


def floats() -> list[tuple[type[Spec], str]]:
    """(class, argument) for every public class of minigan that a number can be passed to."""
    found = []
    for name, cls in sorted(Spec.registry.items()):
        if cls.__module__.startswith("minigan.") and not name.startswith("_") and "theory" not in cls.__module__:
            for argument, parameter in inspect.signature(cls).parameters.items():
                if str(parameter.annotation).startswith("float") and name not in ("Penalty", "Optimizer", "Ramp"):
                    found.append((cls, argument))
    return found


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, 1e300, "0.5", [0.5], True, 10**400], ids=lambda v: repr(v)[:9]
)
@pytest.mark.parametrize(("cls", "argument"), floats(), ids=lambda v: getattr(v, "__name__", v))
def test_what_is_no_number_is_refused_by_name(cls: type[Spec], argument: str, value: Any) -> None:
    words = "learning rate" if argument == "lr" else argument
    with pytest.raises(ValueError, match=f"(needs|must).*{words}|{words} must"):
        make(cls, **{argument: value})


@pytest.mark.parametrize(("cls", "argument"), floats(), ids=lambda v: getattr(v, "__name__", v))
def test_numpys_floats_are_numbers(cls: type[Spec], argument: str) -> None:
    ours, numpys = (make(cls, **{argument: kind(0.5)}) for kind in (float, np.float32))
    assert ours.describe() == numpys.describe()
    assert type(getattr(numpys, argument)) is float
    assert repr(ours) == repr(numpys)


@pytest.mark.parametrize(
    "make",
    [
        lambda: minigan.Adam(math.inf),
        lambda: minigan.Adam(1e-50),
        lambda: minigan.Adam(eps=1e-300),
        lambda: minigan.Adam(eps=1e-25),
        lambda: minigan.OptimisticAdam(eps=1e-30),
        lambda: minigan.RMSprop(1e-3, eps=1e-38),
        lambda: minigan.BatchNorm(3, eps=1e-300),
        lambda: minigan.LayerNorm(3, eps=1e-300),
        lambda: minigan.R1(1e-300),
        lambda: Linear(math.inf, 0.0, 5),
        lambda: Cosine(-1.0, 0.0, 5),
        lambda: Cosine(1.0, math.nan, 5),
        lambda: Exponential(1.0, math.inf, 5),
        lambda: Exponential(1.0, 0.5, math.inf),  # type: ignore[arg-type]
        lambda: gan(clip=math.inf),
        lambda: gan(clip=math.nan),
        lambda: gan(instance_noise=math.inf),
        lambda: gan(instance_noise=math.nan),
        lambda: gan(average=math.nan),
    ],
)
def test_settings_that_would_make_nan_of_every_parameter_are_refused(make: Callable[[], Any]) -> None:
    with pytest.raises(ValueError, match=r"got .*"):
        make()


@pytest.mark.parametrize("rule", [minigan.Adam, minigan.OptimisticAdam, minigan.RMSprop])
@pytest.mark.parametrize("name", ["numpy", "numba", "reference"])
def test_the_smallest_eps_keeps_every_step_finite(rule: Any, name: str) -> None:
    try:
        be = minigan.get_backend(name)
    except ImportError as error:
        pytest.skip(str(error))
    net = Sequential(Dense(8, 4), backend=be, seed=0)
    opt = rule(0.1, eps=1.1e-19).bind(net)
    for size in (0.0, 1e-45, 1e-38, 1e-30, 1e-23, 1e-19, 1.0):
        before = net.flat.copy()
        for p in net.parameters.values():
            p.grad = np.full(p.shape, size, np.float32)
        opt.step()
        assert (abs(net.flat - before) < 10).all(), size


@pytest.fixture
def everything_raises() -> Iterator[None]:
    with np.errstate(all="raise"):
        yield


@pytest.mark.usefixtures("everything_raises")
@pytest.mark.parametrize("name", ["numpy", "numba", "reference"])
def test_who_wants_every_underflow_raised_gets_none_of_ours(name: str) -> None:
    try:
        be = minigan.get_backend(name)
    except ImportError as error:
        pytest.skip(str(error))
    x = np.array([[1e-25, -1e-30], [2.0, -500.0]], np.float32)
    for layer in (
        minigan.Tanh(),
        minigan.Sigmoid(),
        minigan.Softplus(),
        minigan.LayerNorm(2),
        minigan.MinibatchStdDev(),
    ):
        wide = 3 if isinstance(layer, minigan.MinibatchStdDev) else 2
        net = Sequential(Dense(2, 2, init=minigan.init.Constant(1e-20)), layer, Dense(wide, 1), backend=be, seed=0)
        y, back = net(x)
        back(np.full_like(y, 1e-25))
        minigan.Adam(1e-3).bind(net).step()
        if layer != minigan.MinibatchStdDev():
            net.input_gradient(x)[2](np.full_like(x, 1e-25))
    logits = np.array([[300.0], [-1e-44]], np.float32)
    for objective in (minigan.NonSaturating(), minigan.Relativistic(), minigan.LeastSquares(), minigan.Wasserstein()):
        objective.discriminator(logits, -logits)
        objective.generator(logits, real=logits)
    game = gan(reuse_fakes=True)
    game.D.flat[...] = 1e-30
    game.step(np.full((4, 4), 1e-30, np.float32))
    game.score(game.sample(3))
    game.probability(np.full((2, 4), 1e-30, np.float32))
    game.fit(IMAGES, 2, 4)


def test_an_overflow_in_a_network_is_the_callers_to_hear_of() -> None:
    net = Sequential(Dense(1, 1, init=minigan.init.Constant(1e30)))
    with np.errstate(over="raise"), pytest.raises(FloatingPointError):
        net(np.full((1, 1), 1e30, np.float32))


def test_a_number_and_its_refusals() -> None:
    assert number("x", 1, "(0, 1]") == 1
    assert type(number("x", np.int64(1), "(0, 1]")) is float
    for value, interval, words in (
        (0, "(0, 1]", r"x must be in \(0, 1\], got 0"),
        (-1, "[0, inf)", "x must be 0 or more, got -1"),
        (0, "(0, inf)", "x must be positive, got 0"),
        (math.inf, "(-inf, inf)", "x must be finite, got inf"),
        (1e39, "(-inf, inf)", r"got 1e\+39, which is infinite in float32"),
        (1e-39, "(0, inf)", "got 1e-39, which is 0 in float32"),
    ):
        with pytest.raises(ValueError, match=words):
            number("x", value, interval)
    with pytest.raises(ValueError, match="GaussianNoise needs a std of 0 or more, got -1"):
        minigan.GaussianNoise(-1)
    with pytest.raises(ValueError, match=r"Dropout needs a p in \[0, 1\), got 1|Dropout needs a probability p"):
        minigan.Dropout(1)
    with pytest.raises(ValueError, match="n must be an integer of 2 or more, got True"):
        integer("n", True, least=2)
