"""A small game of each kind in the family, and what of two games must be the same for them to be one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minigan import (
    AAE,
    GRU,
    R1,
    SGD,
    VAT,
    BatchNorm,
    Categories,
    Conv2D,
    ConvTranspose2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    Game,
    GaussianNoise,
    GradientPenalty,
    InjectedNoise,
    LeakyReLU,
    MoleculeAAE,
    Refinement,
    ReLU,
    Rescale,
    SemiSupervised,
    Sequential,
    Skip,
    Softplus,
    Tanh,
    Translation,
    WeightNorm,
    Words,
)
from minigan.backend import Backend
from minigan.datasets.language import LANGUAGES
from minigan.games.image_to_image import ImageToImage
from minigan.optim import Linear
from minigan.priors import Ring, SwissRoll

Array = np.ndarray[Any, Any]
X = np.random.default_rng(0).uniform(-1, 1, (40, 5)).astype(np.float32)
Y = np.arange(40) % 4


def semisupervised(
    backend: Backend | str = "numpy", dtype: str = "float32", noise: float = 0.3, **options: Any
) -> SemiSupervised:
    where = {"backend": backend, "dtype": dtype}
    G = Sequential(
        Dense(3, 4), BatchNorm(4, gain=False), Softplus(), Dense(4, 5, norm=WeightNorm()), Tanh(), **where, seed=1
    )
    D = Sequential(
        Rescale(0.5, 0.5), GaussianNoise(noise, pooled=True), Dense(5, 6, norm=WeightNorm(trained=False)), ReLU(),
        GaussianNoise(noise, pooled=True), Dense(6, 4, norm=WeightNorm()), **where, seed=2,
    )  # fmt: skip
    return SemiSupervised(G, D, **{"labelled": 8, "optimizer": SGD(1e-2), "prior": "uniform"} | options)


def categories(backend: Backend | str = "numpy", dtype: str = "float32", **options: Any) -> Categories:
    where = {"backend": backend, "dtype": dtype}
    G = Sequential(Dense(3 + 4, 6), BatchNorm(6), ReLU(), Dense(6, 5), Tanh(), **where, seed=1)
    D = Sequential(Dense(5, 6), LeakyReLU(), Dense(6, 1), **where, seed=2)
    Q = Sequential(Dense(5, 7), BatchNorm(7), LeakyReLU(), Dense(7, 4), **where, seed=3)
    rules = {"optimizer": SGD(1e-2), "q_optimizer": SGD(1e-2)}
    return Categories(G, D, Q, **{"k": 4} | rules | options)


def aae(backend: Backend | str = "numpy", dtype: str = "float32", k: int = 0, given: int = 0, **options: Any) -> AAE:
    """k: categories. given: numbers that D is given with a code."""
    where = {"backend": backend, "dtype": dtype}
    E = Sequential(
        GaussianNoise(0.1), Dense(5, 6, bias=False), BatchNorm(6), LeakyReLU(), Dense(6, 2 + k), **where, seed=1
    )
    G = Sequential(Dense(2 + k, 6), LeakyReLU(), Dense(6, 5), Tanh(), **where, seed=2)
    D = Sequential(Dense(2 + given, 5), LeakyReLU(), Dense(5, 1), **where, seed=3)
    D_y = Sequential(Dense(k, 5), LeakyReLU(), Dense(5, 1), **where, seed=4) if k else None
    rules = {"optimizer": SGD(1e-2), "d_optimizer": SGD(2e-2), "e_optimizer": SGD(1e-2)}
    return AAE(E, G, D, D_y, **{"categories": k} | rules | options)


def molecules(backend: Backend | str = "numpy", dtype: str = "float32", lines: int = 3, **options: Any) -> MoleculeAAE:
    where = {"backend": backend, "dtype": dtype}
    E = Sequential(Dense(5 + lines, 6), BatchNorm(6), LeakyReLU(), Dense(6, 3), **where, seed=1)
    G = Sequential(Dense(3, 6), Tanh(), Dense(6, 5), **where, seed=2)
    D = Sequential(Dense(2, 5), LeakyReLU(), Dense(5, 1), **where, seed=3)
    rules = {"optimizer": SGD(1e-2), "d_optimizer": SGD(2e-2), "e_optimizer": SGD(1e-2)}
    return MoleculeAAE(E, G, D, **{"lines": [f"line {i}" for i in range(lines)]} | rules | options)


def translation(
    backend: Backend | str = "numpy", dtype: str = "float32", dropout: float = 0.0, **options: Any
) -> Translation:
    """dropout: in G, in use as well; D only where there is an adversary."""
    where = {"backend": backend, "dtype": dtype}
    G = Sequential(
        Skip(
            Conv2D(2, 3, 4, 2, 1), LeakyReLU(), InjectedNoise(3, 0.5), Dropout(dropout, always=True),
            ConvTranspose2D(3, 2, 4, 2, 1), BatchNorm(2), LeakyReLU(),
        ),
        Conv2D(4, 1, 3, padding=1), Tanh(), **where, seed=1,
    )  # fmt: skip
    D = Sequential(Conv2D(3, 4, 4, 2, 1), LeakyReLU(), Conv2D(4, 1, 1), Flatten(), **where, seed=2)
    rules = {"optimizer": SGD(1e-2), "d_optimizer": SGD(3e-2), "weight": 2.0, "input_shape": (6, 6, 2)} | options
    return Translation(G, D if rules.get("adversary", 1) else None, **rules)


def refinement(
    backend: Backend | str = "numpy",
    dtype: str = "float32",
    features: bool = False,
    mixes: bool = False,
    **options: Any,
) -> Refinement:
    """features: the distance is measured on some. mixes: D mixes the samples of a batch."""
    where = {"backend": backend, "dtype": dtype}
    G = Sequential(
        Conv2D(2, 3, 4, 2, 1), BatchNorm(3), LeakyReLU(), InjectedNoise(3, 0.5), ConvTranspose2D(3, 2, 4, 2, 1), Tanh(),
        **where, seed=1,
    )  # fmt: skip
    normed = [BatchNorm(4)] if mixes else []
    D = Sequential(Conv2D(2, 4, 4, 2, 1), *normed, LeakyReLU(), Conv2D(4, 1, 1), Flatten(), **where, seed=2)
    psi = Sequential(Conv2D(2, 3, 3, 3), LeakyReLU(), **where, seed=3) if features else None
    if options.get("f_pretrain"):
        psi = Sequential(Conv2D(2, 3, 3, 3), BatchNorm(3), LeakyReLU(), Flatten(), Dense(12, 3), **where, seed=3)
    rules = {"optimizer": SGD(1e-2), "d_optimizer": SGD(3e-2), "weight": 2.0, "input_shape": (6, 6, 2)} | options
    return Refinement(G, D if rules.get("adversary", 1) else None, psi, **{"history": 9} | rules)


def words(backend: Backend | str = "numpy", dtype: str = "float32", mixes: bool = False, **options: Any) -> Words:
    """mixes: D mixes the samples of a batch."""
    where = {"backend": backend, "dtype": dtype}
    G = Sequential(Dense(3 + 4, 6), BatchNorm(6), ReLU(), Dense(6, 5), Tanh(), **where, seed=1)
    D = Sequential(Dense(5, 6), *([BatchNorm(6)] if mixes else []), LeakyReLU(), **where, seed=2)
    M = Sequential(Dense(6 + 4, 5), LeakyReLU(), Dense(5, 1), **where, seed=3)
    T = Sequential(Embedding(5, 3), GRU(3, 4), **where, seed=4)
    rules = {"vocabulary": VOCABULARY, "length": 4, "optimizer": SGD(1e-2), "d_optimizer": SGD(3e-2)}
    return Words(G, D, M, T, **rules | options)


class Asked(NamedTuple):
    """Pictures, and what each is to be made of; or drawings, and their labels."""

    images: Array
    inputs: Array
    name: str = "asked"
    input_labels: Array | None = None


class Measured(NamedTuple):
    """Fingerprints of 5 bits, and what each does to three cell lines."""

    images: Array
    growth: Array
    lines: tuple[str, ...]
    name: str = "measured"


class Told(NamedTuple):
    """Pictures, and sentences that are right and wrong of each."""

    images: Array
    vocabulary: tuple[str, ...]
    sentences: Array
    right: Array
    wrong: Array
    name: str = "told"


VOCABULARY = ("one", "two", "three", "four")


def told(images: Array, vocabulary: tuple[str, ...] = VOCABULARY, length: int = 4) -> Told:
    """These images with sentences at random, two right and two wrong of each."""
    rng = np.random.default_rng(5)
    sentences = rng.integers(0, len(vocabulary) + 1, (9, length))
    sentences[:, 0] = 1 + np.arange(9) % len(vocabulary)
    return Told(images, vocabulary, sentences, *rng.integers(0, 9, (2, len(images), 2)))


# Recipes that are not gan.build with other defaults, with options by which they can learn from forty images.
OF_THEIR_OWN: dict[str, dict[str, Any]] = {
    "ssgan": {"labelled": 20}, "categories": {}, "aae": {}, "aae-clusters": {}, "aae-few-labels": {"labelled": 20},
    "molecules": {}, "pix2pix": {}, "simgan": {"history": 40, "g_pretrain": 3, "patch": 4, "features": "pixels"},
    "words": {"width": 3},
}  # fmt: skip


def data_for(recipe: str, images: Array) -> Any:
    """These images as the recipe takes them."""
    if recipe in ("pix2pix", "simgan"):
        return Asked(images, images[:, ::-1].copy())
    if recipe == "words":
        return told(images, LANGUAGES["digits"].vocabulary, 6)
    growth = np.random.default_rng(2).normal(6, 1, (len(images), 2)).astype(np.float32)
    return Measured(images, growth, ("line", "other")) if recipe == "molecules" else images


class Case(NamedTuple):
    """make(backend, dtype, **options): a game, for which one of these dtypes has the options."""

    make: Callable[..., Game]
    options: dict[str, Any]
    labels: Array | None = None
    data: Any = X  # or an object that a game takes

    def game(self, backend: Backend | str = "numpy", dtype: str = "float32") -> Any:
        return self.make(backend, dtype, **self.options)


_growth = np.random.default_rng(1).normal(6, 1, (40, 3)).astype(np.float32)
_growth[::3, 1] = np.nan
MEASURED = Measured((X > 0).astype(np.uint8) * np.uint8(255), _growth, ("line 0", "line 1", "line 2"))
_pixels = np.random.default_rng(3)
ASKED = Asked(_pixels.uniform(-1, 1, (40, 6, 6)).astype(np.float32), _pixels.integers(0, 256, (40, 6, 6, 2), np.uint8))

DRAWN = Asked(
    _pixels.uniform(-1, 1, (40, 6, 6, 2)).astype(np.float32),
    _pixels.integers(0, 256, (13, 6, 6, 2), np.uint8),
    input_labels=np.arange(13) % 3 + 5,
)

CASES: dict[str, Case] = {
    "semisupervised": Case(semisupervised, {}, Y),
    "semisupervised, non-saturating": Case(
        semisupervised, {"objective": "non-saturating", "d_optimizer": SGD(3e-2)}, Y
    ),
    "semisupervised, labels alone": Case(semisupervised, {"adversary": 0.0}, Y),
    "semisupervised, information": Case(semisupervised, {"information": 0.3, "told": 4}, Y),
    "semisupervised, VAT, average": Case(semisupervised, {"vat": VAT(0.5, epsilon=0.3), "average": 0.9}, Y),
    "semisupervised, VAT by reach": Case(semisupervised, {"vat": VAT(0.5, epsilon=0.3, relative=True)}, Y),
    "categories": Case(categories, {}),
    "categories, Q reads fakes": Case(categories, {"fakes": 0.5, "weight": 0.7, "information": 0.4, "balance": 2.0}),
    "categories, VAT, averages": Case(
        categories, {"vat": VAT(0.5, epsilon=0.3, relative=True), "q_average": 0.9, "average": 0.9}
    ),
    "categories, fakes used twice, features matched": Case(
        categories, {"reuse_fakes": True, "objective": "feature-matching"}
    ),
    "aae": Case(aae, {}),
    "aae, average, penalty, ring": Case(aae, {"average": 0.9, "penalties": [R1(0.5)], "prior": Ring(4)}),
    "aae, labels told to D": Case(aae, {"labelled": 8, "prior": SwissRoll(4), "given": 5}, Y),
    "aae, clusters": Case(aae, {"k": 3, "penalties": [R1(0.5)], "objective": "least-squares"}),
    "molecules": Case(molecules, {"average": 0.9}, data=MEASURED),
    "molecules, one line": Case(
        molecules, {"lines": 1, "manifold": 0.0, "growth": 0.5, "penalties": [R1(0.5)]}, data=MEASURED
    ),
    "aae, few labels, VAT by and by": Case(
        aae, {"k": 4, "labelled": 8, "vat": VAT(Linear(0.0, 1.0, 4), epsilon=0.3, relative=True)}, Y
    ),
    "translation": Case(translation, {"average": 0.9}, data=ASKED),
    "translation, without D": Case(translation, {"adversary": 0.0, "distance": "l2", "dropout": 0.5}, data=ASKED),
    "translation, D alone, penalty, noise": Case(
        translation,
        {
            "weight": 0.0,
            "adversary": 0.5,
            "objective": "relativistic",
            "penalties": [GradientPenalty(0.5)],
            "instance_noise": Linear(0.3, 0.1, 4),
        },
        data=ASKED,
    ),
    "refinement": Case(refinement, {"average": 0.9, "g_pretrain": 2}, data=DRAWN),
    "refinement, features, several descents, compared": Case(
        refinement,
        {"features": True, "g_steps": 2, "adversary": 0.5, "objective": "relativistic", "penalties": [R1(0.5)]},
        data=DRAWN,
    ),
    "refinement, classes that stay": Case(refinement, {"f_pretrain": 3, "g_pretrain": 2}, data=DRAWN),
    "refinement, classes that stay, VAT": Case(
        refinement, {"f_pretrain": 3, "vat": VAT(0.5, epsilon=0.3, relative=True)}, data=DRAWN
    ),
    "refinement, without history, a D that mixes, noise": Case(
        refinement, {"history": 0, "mixes": True, "instance_noise": Linear(0.3, 0.1, 4)}, data=DRAWN
    ),
    "refinement, a D that mixes": Case(refinement, {"mixes": True}, data=DRAWN),
    "refinement, without D": Case(refinement, {"adversary": 0.0}, data=DRAWN),
    "words": Case(words, {"average": 0.9, "interpolate": 0.5}, data=told(X)),
    "words, a D that mixes, noise": Case(
        words, {"mixes": True, "interpolate": 0.25, "instance_noise": Linear(0.3, 0.1, 4)}, data=told(X)
    ),
    "words, no wrong pairs": Case(words, {"wrong": False, "objective": "hinge"}, data=told(X)),
    "aae, few labels": Case(aae, {"k": 4, "labelled": 8, "average": 0.9}, Y),
}


def made(game: Any, n: int = 5, seed: int | None = None, data: Any = ASKED) -> Array:
    """n of what it makes, of inputs where it needs some."""
    if isinstance(game, Refinement) and data is ASKED:
        data = DRAWN
    return game.translate(data.inputs[:n], seed) if isinstance(game, ImageToImage) else game.sample(n, seed)


def state(game: Game) -> dict[str, Array]:
    """All that a game has learned, averages too, and all that it keeps."""
    nets = game.networks | {
        f"{p.name} average {i}": a.net for p in game.players.values() for i, a in enumerate(p.averages)
    }
    kept = {name: game.backend.to_numpy(array) for name, array in game.state().items()}
    return kept | {f"{name}.{key}": a for name, net in nets.items() for key, a in net.state_dict().items()}


def assert_same(a: dict[str, Array], b: dict[str, Array], tolerance: float = 0.0) -> None:
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_allclose(a[name], b[name], rtol=tolerance, atol=tolerance, err_msg=name)
