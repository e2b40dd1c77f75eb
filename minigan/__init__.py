"""minigan: generative adversarial networks from scratch, on NumPy or CuPy.

Layers with hand-derived gradients (`minigan.nn`), losses on logits (`minigan.objectives`), update rules
(`minigan.optim`), the minimax game (`minigan.gan`), and the check by finite differences (`minigan.gradcheck`).
Begin reading at gan.py.
"""

from . import early  # noqa: F401  isort: skip  # before all else, about Ctrl-C while it loads

from typing import TYPE_CHECKING, Any

from . import objectives, optim
from .backend import get_backend
from .codes import Category, Continuous, Label
from .game.game import Game
from .game.gradients import gradcheck_game
from .game.player import Player
from .game.update import NonFiniteError
from .games import AAE, Categories, Conditional, MoleculeAAE, Refinement, SemiSupervised, Translation, Tutorial, Words
from .gan import GAN
from .gradcheck import GradientError, gradcheck
from .nn import (
    GRU,
    AvgPool2D,
    Bag,
    BatchNorm,
    Chain,
    Conv2D,
    ConvTranspose2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GaussianNoise,
    InjectedNoise,
    Layer,
    LayerNorm,
    LeakyReLU,
    Maxout,
    MinibatchStdDev,
    Parameter,
    ReLU,
    Rescale,
    Reshape,
    Residual,
    Sequential,
    Sigmoid,
    Skip,
    Softplus,
    SpectralNorm,
    Tanh,
    Upsample,
    WeightNorm,
    init,
)
from .objectives import (
    FeatureMatching,
    Hinge,
    LeastSquares,
    Minimax,
    NonSaturating,
    Relativistic,
    Wasserstein,
    information,
    mean_squared_error,
    softmax_cross_entropy,
)
from .optim import SGD, Adam, OptimisticAdam, RMSprop
from .penalties import DRAGAN, R1, R2, GradientPenalty
from .vat import VAT

if TYPE_CHECKING:
    from . import datasets, inversion, recipes
    from .evaluation import evaluate
    from .runs.show import show
    from .studies import study
    from .training import resume, train

__version__ = "0.1.0"

__all__ = [
    "AAE",
    "DRAGAN",
    "GAN",
    "GRU",
    "R1",
    "R2",
    "SGD",
    "VAT",
    "Adam",
    "AvgPool2D",
    "Bag",
    "BatchNorm",
    "Categories",
    "Category",
    "Chain",
    "Conditional",
    "Continuous",
    "Conv2D",
    "ConvTranspose2D",
    "Dense",
    "Dropout",
    "Embedding",
    "FeatureMatching",
    "Flatten",
    "Game",
    "GaussianNoise",
    "GradientError",
    "GradientPenalty",
    "Hinge",
    "InjectedNoise",
    "Label",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "LeastSquares",
    "Maxout",
    "MinibatchStdDev",
    "Minimax",
    "MoleculeAAE",
    "NonFiniteError",
    "NonSaturating",
    "OptimisticAdam",
    "Parameter",
    "Player",
    "RMSprop",
    "ReLU",
    "Refinement",
    "Relativistic",
    "Rescale",
    "Reshape",
    "Residual",
    "SemiSupervised",
    "Sequential",
    "Sigmoid",
    "Skip",
    "Softplus",
    "SpectralNorm",
    "Tanh",
    "Translation",
    "Tutorial",
    "Upsample",
    "Wasserstein",
    "WeightNorm",
    "Words",
    "__version__",
    "datasets",
    "evaluate",
    "get_backend",
    "gradcheck",
    "gradcheck_game",
    "information",
    "init",
    "inversion",
    "mean_squared_error",
    "objectives",
    "optim",
    "recipes",
    "resume",
    "show",
    "softmax_cross_entropy",
    "study",
    "train",
]


def _watch(gan: GAN, images: Any, steps: int) -> Any:
    from .runs.watch import Watch

    return Watch(gan, images, steps)


def _html(gan: GAN) -> str:
    from .runs.notebook import shown

    return shown(gan)


Game.watch, Game._repr_html_ = _watch, _html  # loaded when a person wants to see something, and never below its floor


# Imported when they are first used: they would make `import minigan` take twice as long. Behind a colon, a name in it.
_LATER = {
    "datasets": "datasets",
    "evaluate": "evaluation:evaluate",
    "inversion": "inversion",
    "recipes": "recipes",
    "resume": "training:resume",
    "show": "runs.show:show",
    "study": "studies:study",
    "train": "training:train",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'minigan' has no attribute {name!r}")
    from importlib import import_module

    where, _, what = _LATER[name].partition(":")
    module = import_module(f"minigan.{where}")
    return getattr(module, what) if what else module


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
