"""The recipes: what each one asks of the game, that it learns, and that none of its options is dead."""

from __future__ import annotations

import functools
import inspect
import itertools
import json
import re
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from family import OF_THEIR_OWN, data_for, made
from networks import Array, flat_of, narrowed
from together import together

import minigan
from minigan import (
    DRAGAN,
    GAN,
    R1,
    R2,
    SGD,
    Adam,
    BatchNorm,
    Category,
    Continuous,
    GradientPenalty,
    Label,
    LayerNorm,
    MinibatchStdDev,
    OptimisticAdam,
    RMSprop,
    SpectralNorm,
    WeightNorm,
    get_backend,
)
from minigan.backend import Backend
from minigan.cli import main
from minigan.game import Game
from minigan.metrics import frechet_distance
from minigan.objectives import NAMED
from minigan.optim import Cosine, Linear
from minigan.recipes import RECIPES, gan, get_recipe
from minigan.recipes.options import recipe_options

TINY = np.random.default_rng(0).integers(0, 256, (40, 4, 4), dtype=np.uint8)
LABELS = np.arange(40) * 7 % 10
OF_GAN = [name for name in RECIPES if name not in OF_THEIR_OWN]


def keywords(name: str) -> dict[str, inspect.Parameter]:
    found = inspect.signature(get_recipe(name).build, eval_str=True).parameters
    return {word: parameter for word, parameter in found.items() if parameter.kind is parameter.KEYWORD_ONLY}


parameters = keywords("gan")


# --- what they are ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_says_what_it_is_and_where_it_comes_from(name: str) -> None:
    recipe = RECIPES[name]
    first, blank, *rest = inspect.cleandoc(recipe.__doc__ or "").splitlines()
    assert first.endswith(".")
    assert blank == ""
    assert re.search(r"\b(19|20)\d\d\b", " ".join(rest)), "no source"
    assert recipe.__name__ == f"minigan.recipes.{name.replace('-', '_')}"
    assert recipe_options(name).keys() == recipe_options("gan").keys() or name in OF_THEIR_OWN


def test_every_module_of_a_recipe_can_be_asked_for_by_name() -> None:
    files = {file.stem for file in Path(gan.__file__).parent.glob("*.py")}
    assert {name.replace("-", "_") for name in RECIPES} == files - {"__init__", "networks", "options"}


def test_all_that_is_named_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes"]) == 0
    said = capsys.readouterr().out
    assert all(f"\n{name} " in said for name in RECIPES)


WHAT: dict[str, dict[str, Any]] = {
    "gan": {"objective": "NonSaturating", "penalties": [], "clip": None, "average": 0, "kind": "GAN"},
    "classic": {"objective": "NonSaturating", "kind": "Tutorial", "average": 0},
    "minimax-gan": {"objective": "Minimax", "penalties": [], "average": 0},
    "lsgan": {"objective": "LeastSquares", "penalties": []},
    "wgan": {"objective": "Wasserstein", "penalties": [], "clip": 0.01, "d_steps": 5},
    "wgan-gp": {
        "objective": "Wasserstein",
        "penalties": [GradientPenalty(10.0).describe()],
        "d_steps": 5,
        "clip": None,
    },
    "hinge-gan": {"objective": "Hinge", "penalties": []},
    "r3gan": {"objective": "Relativistic", "penalties": [R1(1.0).describe(), R2(1.0).describe()]},
    "modern": {"objective": "NonSaturating", "penalties": [R1(1.0).describe()], "reuse_fakes": True},
    "dcgan": {"objective": "NonSaturating", "reuse_fakes": True, "kind": "GAN"},
    "quick": {"objective": "NonSaturating", "reuse_fakes": True, "kind": "GAN", "average": 0.995},
    "cgan": {"objective": "NonSaturating", "codes": [Label(10).describe()]},
    "acgan": {"objective": "NonSaturating", "codes": [Label(10, predicted=True).describe()]},
    "infogan": {"objective": "NonSaturating", "codes": [Category(10).describe(), Continuous(2, 0.1).describe()]},
    "pix2pix": {"objective": "NonSaturating", "kind": "Translation", "distance": "l1", "adversary": 1.0},
    "simgan": {"objective": "NonSaturating", "kind": "Refinement", "adversary": 1.0, "weight": 5.0, "history": 2048},
    "ssgan": {"objective": "FeatureMatching", "kind": "SemiSupervised", "labelled": 100, "adversary": 1.0, "vat": None},
    "categories": {"objective": "NonSaturating", "kind": "Categories", "k": 10, "fakes": 0.0},
    "aae": {"objective": "NonSaturating", "kind": "AAE", "categories": 0, "labelled": 0, "vat": None},
    "aae-clusters": {"objective": "NonSaturating", "kind": "AAE", "categories": 16, "labelled": 0},
    "aae-few-labels": {"objective": "NonSaturating", "kind": "AAE", "categories": 10, "labelled": 100},
    "words": {"objective": "NonSaturating", "kind": "Words", "wrong": True, "length": 24},
    "molecules": {"objective": "NonSaturating", "kind": "MoleculeAAE", "centre": 6.0, "spread": 1.0, "lines": ["line"]},
}


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_the_game_of_its_paper(name: str) -> None:
    few = {"latent": 2} if "latent" in recipe_options(name) else {"patch": 4} if name == "simgan" else {}
    built = get_recipe(name).build((4, 4), **few)
    said = built.describe()
    assert said | WHAT[name] | {"objective": said["objective"]} == said
    assert said["objective"]["kind"] == WHAT[name]["objective"]
    spectral = [isinstance(layer.norm, SpectralNorm) for layer in built.D.layers if isinstance(layer, minigan.Dense)]
    assert spectral == [name == "hinge-gan"] * len(spectral)
    if name in ("dcgan", "acgan", "infogan", "cgan"):
        kinds = [type(layer).__name__ for layer in built.D.layers]
        assert kinds == [
            *("Conv2D", "LeakyReLU", "Conv2D", "BatchNorm", "LeakyReLU", "Flatten"),
            *("Dense", "BatchNorm", "LeakyReLU", "Dense"),
        ]
        assert built.D.mixes_samples  # so that real samples and fakes are normalised apart


def test_weights_of_penalties_and_constraints_reach_the_gan() -> None:
    built = gan.build(
        (4, 4), latent=2, objective="feature-matching", real_target=0.9, gradient_penalty=1.5, r1=2.5, r2=3.5,
        dragan=4.5, clip=0.25, d_norm="layer", instance_noise=0.5, noise_steps=70, packing=2, average=0.75,
    )  # fmt: skip
    assert built.penalties == [GradientPenalty(1.5), R1(2.5), R2(3.5), DRAGAN(4.5)]
    assert (built.clip, built.packing, built.average) == (0.25, 2, 0.75)
    assert built.instance_noise == Linear(0.5, 0.0, 70)
    assert built.objective == minigan.FeatureMatching(0.9)


def test_update_rules_have_the_settings_that_were_asked_for() -> None:
    settings = {"lr": 0.25, "beta1": 0.125, "beta2": 0.75, "eps": 0.01}
    expected = {
        "adam": Adam(0.25, 0.125, 0.75, 0.01),
        "optimistic-adam": OptimisticAdam(0.25, 0.125, 0.75, 0.01),
        "rmsprop": RMSprop(0.25, 0.75, 0.01),
        "sgd": SGD(0.25, 0.125),
    }
    assert set(expected) == set(typing.get_args(parameters["optimizer"].annotation))
    for name, rule in expected.items():
        built = gan.build((2, 1), latent=2, optimizer=name, **settings)
        assert (built.optimizer, built.d_optimizer) == (rule, rule)
        assert gan.build((2, 1), latent=2, optimizer=name, **settings, d_lr=0.5).d_optimizer.lr == 0.5


@pytest.mark.parametrize("options", [{}, {"d_steps": 3}, {"loop": "tutorial", "d_steps": 2}])
def test_both_rates_have_fallen_to_zero_after_the_same_steps(options: dict[str, Any]) -> None:
    """However often D is updated in a step."""
    built = narrowed(gan.build((4, 4), latent=2, decay_steps=3, d_lr=1e-3, optimizer="sgd", beta1=0.0, **options), 64)
    assert built.optimizer.lr == Cosine(5e-4, 0.0, 3)
    states = []
    for _ in range(5):
        states.append((flat_of(built.G), flat_of(built.D)))
        built.fit(TINY, 1, 4)
    for player in (0, 1):
        moved = [not np.array_equal(a[player], b[player]) for a, b in itertools.pairwise(states)]
        assert moved == [True, True, True, False]


# --- options ---------------------------------------------------------------------------------------------------

# name: (what to begin with, what to ask for). A new option without a line here fails.
CHANGES: dict[str, list[tuple[dict[str, Any], Any]]] = {
    "nets": [({}, "conv"), ({}, "points"), ({}, "small")],
    "width": [({"nets": "conv"}, 3), ({"nets": "points"}, 6), ({"nets": "small"}, 6)],
    "d_width": [({"nets": "conv", "width": 2}, 3), ({"nets": "points"}, 6), ({"nets": "small"}, 6)],
    "label": [({}, "given"), ({"label": "given"}, "predicted")],
    "classes": [({"label": "given"}, 11), ({"label": "predicted"}, 11)],
    "categories": [({}, 3), ({"categories": 3}, 4), ({"label": "given"}, 3)],
    "continuous": [({}, 1), ({"continuous": 1}, 2), ({"categories": 3}, 1)],
    "label_weight": [({"label": "predicted"}, 0.5)],
    "category_weight": [({"categories": 3}, 0.5)],
    "continuous_weight": [({"continuous": 2}, 0.5)],
    "objective": [({}, name) for name in NAMED if name != "non-saturating"],
    "real_target": [({}, 0.9), ({"objective": "minimax"}, 0.9), ({"objective": "feature-matching"}, 0.9)],
    "gradient_penalty": [({}, 1.0), ({"gradient_penalty": 1.0}, 2.0)],
    "r1": [({}, 1.0), ({"r1": 1.0}, 2.0)],
    "r2": [({}, 1.0), ({"r2": 1.0}, 2.0)],
    "dragan": [({}, 1.0), ({"dragan": 1.0}, 2.0)],
    "clip": [({}, 0.01)],
    "d_norm": [
        *(({}, norm) for norm in ("batch", "layer", "spectral")),
        ({"d_norm": "spectral"}, "weight"),
        *(({"nets": "conv", "width": 2}, norm) for norm in ("batch", "layer", "spectral", "weight")),
        *(({"nets": "points", "width": 6}, norm) for norm in ("batch", "layer", "spectral", "weight")),
        *(({"nets": "small", "width": 6}, norm) for norm in ("batch", "layer", "spectral", "weight")),
    ],
    "minibatch_std": [({}, True), *(({"nets": nets, "width": 2}, True) for nets in ("conv", "points", "small"))],
    "packing": [
        ({}, 2),
        ({"label": "given"}, 2),
        *(({"nets": nets, "width": 2}, 2) for nets in ("conv", "points", "small")),
    ],
    "instance_noise": [({}, 0.1)],
    "noise_steps": [({"instance_noise": 0.5}, 2), ({"instance_noise": 0.5, "noise_steps": 3}, "all")],
    "average": [({}, 0.9)],
    "optimizer": [({}, name) for name in ("optimistic-adam", "rmsprop", "sgd")],
    "d_optimizer": [*(({}, name) for name in ("optimistic-adam", "rmsprop", "sgd")), ({"optimizer": "sgd"}, "adam")],
    "lr": [({}, 1e-3)],
    "d_lr": [({}, 1e-3)],
    "decay_steps": [({}, 3), ({}, "all"), ({"decay_steps": 3}, "all")],
    "beta1": [({}, 0.9), ({"optimizer": "sgd"}, 0.9), ({"optimizer": "optimistic-adam"}, 0.9)],
    "beta2": [({}, 0.5), ({"optimizer": "rmsprop"}, 0.5), ({"optimizer": "optimistic-adam"}, 0.5)],
    "eps": [({}, 1e-3), ({"optimizer": "rmsprop"}, 1e-3), ({"optimizer": "optimistic-adam"}, 1e-3)],
    "d_steps": [({}, 2)],
    "loop": [({}, "tutorial")],
    "reuse_fakes": [({}, True)],
    "prior": [({}, "uniform")],
    "latent": [({}, 5)],
    "backend": [],  # which test_gan.py and test_graph.py play against each other
    "dtype": [({}, "float64")],
    "seed": [({}, 1)],
    "steps": [({"decay_steps": "all"}, 3), ({"instance_noise": 0.5}, 3)],
    "d_pretrain": [({"decay_steps": 3}, 2), ({"decay_steps": 3, "loop": "tutorial"}, 2)],
}


# of recipes whose D judges codes
_OF_CODES: dict[str, list[tuple[dict[str, Any], Any]]] = {
    "r1": [({}, 0.2), ({}, 0.0)],
    "average": [({}, 0.0)],
    "lr": [({}, 3e-3)],
    "d_lr": [({}, 3e-3)],
    "e_lr": [({}, 3e-3)],
    "beta1": [({}, 0.7)],
    "decay_steps": [({}, 3)],
}
_AAE: dict[str, list[tuple[dict[str, Any], Any]]] = {
    "prior": [({}, "ring"), ({}, "swiss-roll")],
    "categories": [({}, 3), ({}, "classes")],
    "labelled": [({"categories": "classes"}, 10), ({"prior": "ring"}, 10)],
    "split": [({"categories": "classes", "labelled": 10}, 2)],
    "told": [({"categories": "classes", "labelled": 10}, 5)],
    "classes": [({"categories": "classes", "labelled": 10}, 5)],
    "vat": [({"categories": 3}, 2.0)],
    "vat_epsilon": [({"categories": 3, "vat": 1.0}, 0.5)],
    "vat_ramp": [({"categories": 3, "vat": 1.0}, 5)],
    "width": [({}, 6)],
    "e_depth": [({}, 3)],
    "noise": [({}, 0.2), ({}, 0.0)],
    **_OF_CODES,
}
CHANGES_OF_THEIR_OWN: dict[str, dict[str, list[tuple[dict[str, Any], Any]]]] = {
    "aae": _AAE,
    "aae-clusters": {**_AAE, "prior": [], "labelled": []},
    "aae-few-labels": {
        **_AAE,
        "prior": [],
        "categories": [],
        "labelled": [({}, 10)],
        "split": [({}, 2)],
        "told": [({}, 5)],
        "classes": [({}, 5)],
        "vat": [({}, 2.0), ({}, 0.0)],
        "vat_epsilon": [({}, 0.5)],
        "vat_ramp": [({}, 5)],
    },
    "molecules": {
        "lines": [({}, "line,other")],
        "growth": [({}, 2.0)],
        "manifold": [({"lines": "line,other"}, 2.0), ({"lines": "line,other"}, 0.0)],
        "centre": [({}, 5.0)],
        "spread": [({}, 2.0)],
        "dropout": [({}, 0.1)],
        **_OF_CODES,
    },
    "ssgan": {
        "nets": [({}, "conv")],
        "labelled": [({}, 10)],
        "split": [({}, 2)],
        "told": [({}, 5)],
        "classes": [({}, 5)],
        "adversary": [({}, 0.5), ({}, 0.0)],
        "information": [({}, 0.0)],
        "vat": [({}, 1.0)],
        "vat_epsilon": [({"vat": 1.0}, 0.5)],
        "objective": [({}, "non-saturating")],
        "average": [({}, 0.0)],
        "lr": [({}, 2e-3)],
        "decay_steps": [({}, 3)],
        "d_lr": [({}, 1e-3)],
        "d_beta1": [({}, 0.9)],
    },
    "categories": {
        "nets": [({}, "dense")],
        "width": [({}, 3)],
        "categories": [({}, 3)],
        "category_weight": [({}, 0.5)],
        "information": [({}, 0.5)],
        "balance": [({}, 2.0)],
        "vat": [({}, 0.0), ({}, 2.0)],
        "vat_epsilon": [({}, 0.5)],
        "fakes": [({}, 0.5)],
        "average": [({}, 0.0)],
        "lr": [({}, 2e-3)],
        "decay_steps": [({}, 3)],
        "q_lr": [({}, 1e-3)],
    },
    "pix2pix": {
        "task": [],  # of the data: test_translation.py
        "swap": [],
        "channels": [({}, 2)],
        "width": [({}, 3)],
        "halvings": [({}, 1)],
        "blocks": [({}, 2), ({}, 0)],
        "residual": [({}, True)],
        "noise": [({}, "dropout"), ({}, "injected")],
        "patch": [({}, 4), ({}, "image")],
        "d_width": [({}, 3)],
        "d_norm": [({}, "batch"), ({}, "spectral")],
        "adversary": [({}, 2.0), ({}, 0.0)],
        "weight": [({}, 7.0), ({}, 0.0)],
        "distance": [({}, "l2")],
        "objective": [({}, "hinge")],
        "gradient_penalty": [({}, 0.5)],
        "r1": [({}, 0.5)],
        "instance_noise": [({}, 0.5)],
        "average": [({}, 0.0)],
        "lr": [({}, 2e-4)],
        "d_lr": [({}, 2e-3)],
        "decay_steps": [({}, 3)],
        "beta1": [({}, 0.9)],
    },
    "simgan": {
        "synthetic": [],  # of the data: test_simgan.py
        "drawn_classes": [],  # and so are classes of 8 x 8 pixels and more
        "f_pretrain": [],
        "vat": [],
        "vat_epsilon": [],
        "width": [({}, 3)],
        "halvings": [({}, 0), ({}, 1)],
        "blocks": [({}, 2), ({}, 0)],
        "noise": [({}, "dropout"), ({}, "none"), ({"halvings": 0}, "none")],
        "patch": [({}, 10), ({}, "image")],
        "d_width": [({}, 3)],
        "d_norm": [({"patch": 10}, "batch"), ({}, "spectral")],
        "adversary": [({}, 2.0), ({}, 0.0)],
        "weight": [({}, 7.0), ({}, 0.0)],
        "features": [({}, 2)],
        "history": [({}, 0), ({}, 20)],
        "g_steps": [({}, 2)],
        "g_pretrain": [({}, 0)],
        "objective": [({}, "hinge")],
        "gradient_penalty": [({}, 0.5)],
        "r1": [({}, 0.5)],
        "instance_noise": [({}, 0.5)],
        "average": [({}, 0.0)],
        "lr": [({}, 2e-4)],
        "d_lr": [({}, 2e-3)],
        "decay_steps": [({}, 3)],
        "beta1": [({}, 0.9)],
    },
    "words": {
        "language": [],  # of the data: test_words.py
        "captions": [],
        "held_out": [],
        "vocabulary": [],
        "length": [],  # silence changes nothing
        "reader": [({}, "bag")],
        "vector": [({}, 5)],
        "meaning": [({}, 5)],
        "dropout": [({}, 0.0)],
        "width": [({}, 4)],
        "d_width": [({}, 4)],
        "pairs": [({}, 5)],
        "wrong": [({}, False)],
        "interpolate": [({}, 0.0), ({}, 0.5)],
        "objective": [({}, "hinge")],
        "instance_noise": [({}, 0.0)],
        "average": [({}, 0.0)],
        "lr": [({}, 2e-4)],
        "d_lr": [({}, 2e-3)],
        "decay_steps": [({}, 2)],
        "beta1": [({}, 0.9)],
        "prior": [({}, "uniform")],
        "latent": [({}, 3)],
    },
}


@functools.cache
def outcome(text: str, name: str = "gan") -> bytes:
    """What is seen of three steps: every metric, and samples."""
    few = OF_THEIR_OWN.get(name, {}) if "prior" not in text else {"latent": 2}
    options = ({"latent": 4} if "latent" in recipe_options(name) else {}) | few | json.loads(text)
    halved = name in ("pix2pix", "simgan")
    images = TINY.repeat(2, axis=1).repeat(2, axis=2) if halved else TINY  # to be halved twice
    built = get_recipe(name).build(images.shape[1:], **options)
    if name == "gan" and options.get("nets", "dense") == "dense":
        built = narrowed(built, 64)
    data = data_for(name, images)
    if options.get("channels"):
        data = data._replace(inputs=np.stack([data.inputs] * options["channels"], axis=3))
    history = built.fit(data, 3, 8, labels=LABELS % options.get("classes", 10))
    return b"".join(values.tobytes() for values in history.values()) + made(built, 3, data=data).tobytes()


@pytest.mark.parametrize("name", RECIPES)
def test_any_number_of_processes_plays_the_same_game(name: str) -> None:
    images, few = TINY.repeat(2, axis=1).repeat(2, axis=2), OF_THEIR_OWN.get(name, {})

    def played(be: Backend) -> list[Array]:
        game = get_recipe(name).build(images.shape[1:], **few, backend=be, dtype="float64")
        game.fit(data_for(name, images), 3, 16, labels=LABELS)
        return [net.backend.to_numpy(net.flat) for net in game.networks.values()]

    whole, others = played(get_backend("numpy")), together(2, played)
    for learned in others:
        for ours, theirs, first in zip(learned, whole, others[0], strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-7)  # Adam enlarges what is only rounding
            np.testing.assert_array_equal(ours, first)


@pytest.mark.parametrize("name", OF_THEIR_OWN)
def test_no_option_of_a_recipe_of_its_own_is_dead(name: str) -> None:
    own = CHANGES_OF_THEIR_OWN[name]
    assert keywords(name).keys() <= own.keys() | CHANGES.keys()
    for word in keywords(name):
        for start, value in own[word] if word in own else CHANGES[word]:
            if not start.keys() <= keywords(name).keys() - {"optimizer"}:
                continue
            assert outcome(json.dumps(start | {word: value}), name) != outcome(json.dumps(start), name), (word, value)


@pytest.mark.parametrize("name", parameters)
def test_no_option_is_dead(name: str) -> None:
    for start, value in CHANGES[name]:
        assert value != start.get(name, parameters[name].default)
        assert outcome(json.dumps(start | {name: value})) != outcome(json.dumps(start)), (name, value)
    choices = typing.get_args(parameters[name].annotation)
    if all(isinstance(choice, str) for choice in choices):
        asked = {value for _, value in CHANGES[name]} | {parameters[name].default}
        assert set(choices) <= asked


@pytest.mark.parametrize("name", ["objective", "d_norm", "optimizer"])
def test_every_choice_is_a_game_of_its_own(name: str) -> None:
    choices = recipe_options("gan")[name].choices
    assert len({outcome(json.dumps({name: choice})) for choice in choices}) == len(choices) > 3


def test_options_that_change_the_networks_are_in_them() -> None:
    def layers(**options: Any) -> list[Any]:
        return list(gan.build((2, 1), latent=2, **options).D.layers)

    assert [type(layer) for layer in layers(d_norm="layer")].count(LayerNorm) == 2
    for norm, kind in (("spectral", SpectralNorm), ("weight", WeightNorm)):
        assert [type(layer.norm) for layer in layers(d_norm=norm) if isinstance(layer, minigan.Dense)] == [kind] * 3
    assert isinstance(layers(minibatch_std=True)[-2], MinibatchStdDev)
    assert layers(packing=3)[0].n_in == 6
    assert [type(layer) for layer in layers(d_norm="batch")].count(BatchNorm) == 2
    conv = gan.build((8, 12, 3), nets="conv", width=5, label="given", classes=4, packing=2, categories=0).D
    assert (conv[0].c_in, conv[0].c_out, conv[2].c_out, conv[5].n_in) == (3 + 8, 5, 10, 4 * 3 * 10)
    points = gan.build((2,), nets="points", width=6, label="given", classes=4, packing=2, latent=3)
    assert [(layer.n_in, layer.n_out) for layer in points.D.layers if isinstance(layer, minigan.Dense)] == [
        (2 * (2 + 4), 15), (3, 15), (3, 15), (3, 1),
    ]  # fmt: skip
    assert [layer.n_out for layer in points.G.layers if isinstance(layer, minigan.Dense)] == [6, 6, 6, 6, 2]
    asked = gan.build((2, 1), label="predicted", classes=4, categories=3, continuous=2, latent=5)
    assert (asked.G[0].n_in, asked.D[-1].n_out, asked.latent) == (5 + 4 + 3 + 2, 1 + 4 + 3 + 2, 5)
    assert len(layers(d_norm="layer", minibatch_std=True)) == len(layers()) + 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"objective": "wgan"}, "unknown objective 'wgan': choose one of minimax"),
        ({"objective": "wasserstein", "real_target": 0.9}, "real_target is a probability.* the objective wasserstein"),
        ({"real_target": 0.0}, r"real_target must be in \(0, 1\], got 0"),
        ({"gradient_penalty": -1.0}, "GradientPenalty needs a positive weight, got -1"),
        ({"r1": -0.5}, "R1 needs a positive weight, got -0.5"),
        ({"r2": float("nan")}, "R2 needs a positive weight, got nan"),
        ({"dragan": -2.0}, "DRAGAN needs a positive weight, got -2"),
        ({"r1": 1.0, "loop": "tutorial"}, "loop='tutorial' knows no labels and codes, no penalties"),
        ({"objective": "relativistic", "loop": "tutorial"}, "compares real and fake samples"),
        ({"loop": "keras"}, "loop must be one of paper, tutorial, got 'keras'"),
        ({"clip": 0.0}, "clip must be positive, got 0.0"),
        ({"d_norm": "group"}, "d_norm must be one of none, batch, layer, spectral, weight, got 'group'"),
        ({"packing": 0}, "packing must be an integer of 1 or more, got 0"),
        ({"packing": 1.5}, "packing must be an integer of 1 or more, got 1.5"),
        ({"instance_noise": -0.1}, "start must be 0 or more, got -0.1"),
        ({"instance_noise": 0.1, "noise_steps": 0}, "noise_steps must be an integer of 1 or more, got 0"),
        ({"average": 1.0}, r"average must be in \[0, 1\), got 1"),
        ({"optimizer": "adamw"}, "optimizer must be one of adam, optimistic-adam, rmsprop, sgd, got 'adamw'"),
        ({"lr": 0.0}, "positive learning rate, got 0"),
        ({"lr": -1e-3, "decay_steps": 5}, "positive learning rate, got -0.001"),
        ({"d_lr": 0.0}, "positive learning rate, got 0"),
        ({"decay_steps": -5}, "decay_steps must be an integer of 0 or more, got -5"),
        ({"beta1": 1.0}, r"beta1 must be in \[0, 1\), got 1"),
        ({"d_steps": 0}, "d_steps must be an integer of 1 or more, got 0"),
        ({"prior": "cauchy"}, "prior must be one of normal, uniform"),
        ({"latent": 0}, "n_in must be an integer of 1 or more, got 0"),
        (
            {"nets": "conv"},
            "sides must be multiples of 4, got 2 x 1; scale the images with --size 4 ",
        ),
        ({"nets": "dcgan"}, "nets must be one of dense, conv, points, small, got 'dcgan'"),
        ({"label": "known"}, "label must be one of none, given, predicted, got 'known'"),
        ({"label": "given", "classes": 1}, "k must be an integer of 2 or more, got 1"),
        ({"categories": -3}, "k must be an integer of 2 or more, got -3"),
        ({"continuous": -1}, "m must be an integer of 1 or more, got -1"),
        ({"categories": 3, "category_weight": 0.0}, "Category needs a positive weight, got 0"),
        ({"categories": 3, "packing": 2}, "leave out packing"),
        ({"nets": "points", "width": 1}, r"width // 2 must be an integer of 1 or more, got 0"),
        ({"nets": "conv", "width": 0}, "sides must be multiples"),
        ({"dtype": "float16"}, "dtype must be float32 or float64"),
    ],
    ids=str,
)
def test_values_that_mean_nothing_are_refused_with_a_sentence(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        gan.build((2, 1), **{"latent": 2} | options)


# --- they start, and they learn --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_starts_from_the_command_line_by_its_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("minigan.runs.pictures.plot_losses", lambda *args: None)
    monkeypatch.chdir(tmp_path)
    images = np.random.default_rng(0).integers(0, 256, (20, 4, 4), dtype=np.uint8)
    if name == "molecules":
        growth = np.linspace(4, 8, 20, dtype=np.float32)[:, None]
        prints = np.packbits(images.reshape(20, 16) > 127, axis=1)
        np.savez("tiny.npz", fingerprints=prints, minus_log_gi50=growth, cell_lines=np.array(["line"]))
    else:
        np.savez("tiny.npz", images=images, labels=np.arange(20) % 10)
    few = OF_THEIR_OWN.get(name, {})
    few = few | ({"synthetic": str(tmp_path / "tiny.npz")} if name == "simgan" else {})
    asked = [word for option, value in few.items() for word in (f"--{option.replace('_', '-')}", str(value))]
    assert main(["train", name, "--data", "tiny.npz", "--steps", "2", "--backend", "numpy", *asked]) == 0
    folder = Path(f"runs/{name}-tiny-1")
    what = f"sample {folder} --out samples.png" if name == "words" else f"sample {folder} --n 100 --out samples.png"
    what = f"evaluate {folder}" if name in ("pix2pix", "simgan") else what
    assert capsys.readouterr().out.splitlines()[-1] == f"minigan {what}"
    trained = Game.load(folder / "checkpoint.npz")
    assert trained.steps == 2
    shape = (1, 16) if name == "molecules" else (4, 4)
    few = few | ({"task": "superresolve", "channels": 1} if name == "pix2pix" else {})
    few = few | ({"length": trained.length} if name == "words" else {})
    assert trained.describe() == get_recipe(name).build(shape, steps=2, **few).describe()


SIDE = 16


@functools.cache
def digits() -> Array:
    """The digits of the package, 2 by 2 pixels in one, with a border of one."""
    images = minigan.datasets.load("digits").images
    small = images.reshape(-1, SIDE - 2, 2, SIDE - 2, 2).mean(axis=(2, 4)).astype(np.uint8)
    return np.pad(small, ((0, 0), (1, 1), (1, 1)))


@functools.cache
def judge() -> Callable[[Array], float]:
    """The Fréchet distance to the digits along their 8 main directions."""
    real = minigan.datasets.to_float(digits()).reshape(-1, SIDE * SIDE)
    mean = real.mean(axis=0)
    directions = np.linalg.eigh(np.cov(real.T))[1][:, -8:]
    return lambda samples: frechet_distance((samples - mean) @ directions, (real - mean) @ directions)


@functools.cache
def learned(name: str) -> tuple[float, GAN]:
    """The distance of an untrained GAN, and the GAN after 300 steps at four times its rate with a quarter of its units,
    or at ten times its rate with a quarter of its channels."""
    options = recipe_options(name)
    conv = options["nets"].default == "conv"
    times = {"wgan": 1, "infogan": 4, "dcgan": 2.5, "quick": 2}.get(name, 10 if conv else 4)
    faster = {rate: times * options[rate].default for rate in ("lr", "d_lr") if options[rate].default}
    if conv:
        trained = get_recipe(name).build((SIDE, SIDE), seed=0, width=8, **faster)
    else:
        trained = narrowed(get_recipe(name).build((SIDE, SIDE), seed=0, **faster), 4)
    before = judge()(trained.sample(1000).reshape(1000, -1))
    trained.fit(digits(), 300, 32, labels=minigan.datasets.load("digits").labels)
    return before, trained


@pytest.mark.parametrize("name", OF_GAN)
def test_a_recipe_learns_to_draw_digits(name: str) -> None:
    """To a distance of 2 to 12. Untrained it is above 30. One digit again and again, the mean of all, is at 21; other
    real digits are near 0. (InfoGAN takes longer, since its D is slow, and has a test of its own as well.)"""
    before, trained = learned(name)
    assert before > 30
    assert judge()(trained.sample(1000).reshape(1000, -1)) < (27 if name == "infogan" else 15)


@pytest.mark.parametrize("name", ["cgan", "acgan"])
def test_a_recipe_with_labels_learns_to_obey(name: str) -> None:
    """The sample nearest to which mean digit, one in ten of those that do not know their label."""
    _, trained = learned(name)
    labels, images = minigan.datasets.load("digits").labels, minigan.datasets.to_float(digits())
    means = np.stack([images[labels == label].mean(axis=0).ravel() for label in range(10)])
    asked = np.arange(1000) % 10
    samples = trained.sample(1000, label=asked).reshape(1000, -1)
    nearest = ((samples[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
    assert (nearest == asked).mean() > 0.5


def test_infogan_learns_to_write_codes_that_can_be_read() -> None:
    """In samples that D has never seen. Before it has learned them, a category is read rightly one time in ten; how
    soon it has is luck, hence three seeds, which reach .2 to .6 each."""
    read = []
    for seed in range(3):
        trained = get_recipe("infogan").build((SIDE, SIDE), seed=seed, width=8, lr=4e-3, d_lr=4e-3)
        trained.fit(digits(), 300, 32)
        z = trained.latents(1000, seed=5)
        category, _ = trained.predict(trained.generate(z, averaged=False))
        read.append((category.argmax(axis=1) == z[:, 62:72].argmax(axis=1)).mean())
    assert np.mean(read) > 0.25


def test_the_figure_by_which_recipes_are_judged() -> None:
    real = minigan.datasets.to_float(digits()).reshape(-1, SIDE * SIDE)
    assert judge()(real[:1000]) < 1
    rng = np.random.default_rng(0)
    assert judge()(real.mean(axis=0) + 0.01 * rng.standard_normal((1000, SIDE * SIDE))) > 20
