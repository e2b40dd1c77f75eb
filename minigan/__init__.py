"""minigan: generative adversarial networks from scratch, on NumPy or CuPy.

Layers with hand-derived gradients (`minigan.nn`), losses on logits (`minigan.objectives`), update rules
(`minigan.optim`), the minimax game (`minigan.gan`), and the proof by finite differences (`minigan.gradcheck`).
Begin reading at gan.py.
"""

from . import datasets, objectives, optim
from .backend import get_backend
from .gan import GAN
from .gradcheck import GradientError, gradcheck
from .nn import (
    BatchNorm,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    Layer,
    LeakyReLU,
    Parameter,
    ReLU,
    Reshape,
    Sequential,
    Sigmoid,
    Softplus,
    Tanh,
    init,
)
from .nonfinite import NonFiniteError
from .objectives import Minimax, NonSaturating, mean_squared_error, softmax_cross_entropy
from .optim import SGD, Adam, RMSprop

__version__ = "0.1.0"

__all__ = [
    "GAN",
    "SGD",
    "Adam",
    "BatchNorm",
    "Dense",
    "Dropout",
    "Flatten",
    "GaussianNoise",
    "GradientError",
    "Layer",
    "LeakyReLU",
    "Minimax",
    "NonFiniteError",
    "NonSaturating",
    "Parameter",
    "RMSprop",
    "ReLU",
    "Reshape",
    "Sequential",
    "Sigmoid",
    "Softplus",
    "Tanh",
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
