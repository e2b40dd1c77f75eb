"""The two numbers a, b of an update rule that depend on the learning rate and on how many updates there have been.

With them a sweep over the parameters needs no division that is the same for all of them:

    RMSprop    η g / (√((1−ρ) s) + ε)      =   a g / (√s + b)
    Adam       η m̂ / (√v̂ + ε)              =   a m / (√v + b),   m̂ = (1−β₁) m/(1−β₁ᵗ),   v̂ = (1−β₂) v/(1−β₂ᵗ)

where s, m and v are sums, without the factors 1−ρ and 1−β of the means. Python's doubles on every backend.
"""

from __future__ import annotations

import math

Factors = tuple[float, float]


def rmsprop(lr: float, decay: float, eps: float) -> Factors:
    """a = η/√(1−ρ),   b = ε/√(1−ρ)."""
    return lr / math.sqrt(1 - decay), eps / math.sqrt(1 - decay)


def adam(lr: float, beta1: float, beta2: float, eps: float, t: int) -> Factors:
    """a = η (1−β₁)/(1−β₁ᵗ)/c,   b = ε/c,   c = √((1−β₂)/(1−β₂ᵗ)),   in update t = 1, 2, ..."""
    c = math.sqrt((1 - beta2) / (1 - beta2**t))
    return lr * (1 - beta1) / (1 - beta1**t) / c, eps / c
