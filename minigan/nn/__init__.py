"""Layers with hand-derived gradients; each file states its forward, derives its backward and names its test."""

from __future__ import annotations

from . import init
from .activations import Activation, LeakyReLU, ReLU, Sigmoid, Softplus, Tanh
from .batchnorm import BatchNorm
from .conv import Conv2D, ConvTranspose2D
from .dense import Dense
from .layer import Layer, Parameter, Pass
from .layernorm import LayerNorm
from .minibatch import MinibatchStdDev
from .noise import Dropout, GaussianNoise
from .sequential import Sequential
from .shape import Flatten, Reshape
from .weights import SpectralNorm, WeightNorm

__all__ = [
    "Activation",
    "BatchNorm",
    "Conv2D",
    "ConvTranspose2D",
    "Dense",
    "Dropout",
    "Flatten",
    "GaussianNoise",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "MinibatchStdDev",
    "Parameter",
    "Pass",
    "ReLU",
    "Reshape",
    "Sequential",
    "Sigmoid",
    "Softplus",
    "SpectralNorm",
    "Tanh",
    "WeightNorm",
    "init",
]
