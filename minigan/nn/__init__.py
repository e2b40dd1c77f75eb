"""Layers with hand-derived gradients; each file states its forward, derives its backward and names its test."""

from __future__ import annotations

from . import init
from .activations import Activation, LeakyReLU, ReLU, Sigmoid, Softplus, Tanh
from .batchnorm import BatchNorm
from .chain import Chain
from .compose import Residual, Skip
from .conv import Conv2D, ConvTranspose2D
from .dense import Dense
from .layer import Layer, Parameter, Pass
from .layernorm import LayerNorm
from .maxout import Maxout
from .minibatch import MinibatchStdDev
from .noise import Dropout, GaussianNoise, InjectedNoise
from .recurrent import GRU, Bag, Embedding
from .resample import AvgPool2D, Upsample
from .rescale import Rescale
from .sequential import Sequential
from .shape import Flatten, Reshape
from .weights import SpectralNorm, WeightNorm

__all__ = [
    "GRU",
    "Activation",
    "AvgPool2D",
    "Bag",
    "BatchNorm",
    "Chain",
    "Conv2D",
    "ConvTranspose2D",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "GaussianNoise",
    "InjectedNoise",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "Maxout",
    "MinibatchStdDev",
    "Parameter",
    "Pass",
    "ReLU",
    "Rescale",
    "Reshape",
    "Residual",
    "Sequential",
    "Sigmoid",
    "Skip",
    "Softplus",
    "SpectralNorm",
    "Tanh",
    "Upsample",
    "WeightNorm",
    "init",
]
