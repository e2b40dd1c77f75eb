"""minigan: generative adversarial networks from scratch, on NumPy or CuPy.

Layers with hand-derived gradients (`minigan.nn`), losses on logits (`minigan.objectives`), update rules
(`minigan.optim`), the minimax game (`minigan.gan`), and the proof by finite differences (`minigan.gradcheck`).
Begin reading at gan.py.
"""

from typing import TYPE_CHECKING, Any

from . import (
    early,  # noqa: F401  first: it is about Ctrl-C while the others load
    objectives,
    optim,
)
from .backend import get_backend
from .codes import Category, Continuous, Label
from .gan import GAN
from .gradcheck import GradientError, gradcheck
from .nn import (
    AvgPool2D,
    BatchNorm,
    Conv2D,
    ConvTranspose2D,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    Layer,
    LayerNorm,
    LeakyReLU,
    Maxout,
    MinibatchStdDev,
    Parameter,
    ReLU,
    Reshape,
    Sequential,
    Sigmoid,
    Softplus,
    SpectralNorm,
    Tanh,
    Upsample,
    WeightNorm,
    init,
)
from .nonfinite import NonFiniteError
from .objectives import (
    FeatureMatching,
    Hinge,
    LeastSquares,
    Minimax,
    NonSaturating,
    Relativistic,
    Wasserstein,
    mean_squared_error,
    softmax_cross_entropy,
)
from .optim import SGD, Adam, OptimisticAdam, RMSprop
from .penalties import DRAGAN, R1, R2, GradientPenalty

if TYPE_CHECKING:
    from . import datasets

__version__ = "0.1.0"

__all__ = [
    "DRAGAN",
    "GAN",
    "R1",
    "R2",
    "SGD",
    "Adam",
    "AvgPool2D",
    "BatchNorm",
    "Category",
    "Continuous",
    "Conv2D",
    "ConvTranspose2D",
    "Dense",
    "Dropout",
    "FeatureMatching",
    "Flatten",
    "GaussianNoise",
    "GradientError",
    "GradientPenalty",
    "Hinge",
    "Label",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "LeastSquares",
    "Maxout",
    "MinibatchStdDev",
    "Minimax",
    "NonFiniteError",
    "NonSaturating",
    "OptimisticAdam",
    "Parameter",
    "RMSprop",
    "ReLU",
    "Relativistic",
    "Reshape",
    "Sequential",
    "Sigmoid",
    "Softplus",
    "SpectralNorm",
    "Tanh",
    "Upsample",
    "Wasserstein",
    "WeightNorm",
    "__version__",
    "datasets",
    "get_backend",
    "gradcheck",
    "init",
    "mean_squared_error",
    "objectives",
    "optim",
    "softmax_cross_entropy",
]


def __getattr__(name: str) -> Any:
    """`minigan.datasets` is imported when it is first used: half of the import time is its."""
    if name == "datasets":
        from importlib import import_module

        return import_module("minigan.datasets")
    raise AttributeError(f"module 'minigan' has no attribute {name!r}")
