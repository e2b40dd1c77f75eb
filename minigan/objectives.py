"""What D and G descend: losses on logits, each with its gradient.

D's last layer gives a logit l; its probability that x is real is D(x) = σ(l). The sigmoid is part of the loss:

    −log D       = softplus(−l)        d/dl = σ(l) − 1
    −log(1 − D)  = softplus(l)         d/dl = σ(l)          softplus(l) = log(1 + e^l)

Both are finite for every finite logit, with a gradient that is never cut off. (Sigmoid, clip, log, as often
written, has gradient exactly 0 beyond the clip.) With a target t the two are one, the binary cross-entropy

    BCE(l, t) = t softplus(−l) + (1 − t) softplus(l) = softplus(l) − t l,      d/dl = σ(l) − t

    objective        D descends                            G descends                 source
    Minimax          E BCE(D(x), 1) + E BCE(D(G(z)), 0)    E log(1 − D(G(z)))         Goodfellow 2014, eq. 1
    NonSaturating    the same                              −E log D(G(z))             Goodfellow 2014, section 3

D's loss is −V(D, G). At equilibrium D = 1/2, so it is log 4 ≈ 1.386; G's is −log 2 in the first row and log 2 in
the second. While D rejects G's samples with confidence, σ(l) ≈ 0: the first row's gradient −σ(l) vanishes, the
second's σ(l) − 1 does not. All losses are means, so the learning rate does not depend on the batch size.
Checked by tests/test_gradients.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .backend import Backend, Heap, get_backend
from .spec import Spec

Array = Any


class Objective(Spec):
    """A pair of losses for D and G, as functions of D's logits.

    `arena` says where gradients are written (fresh NumPy arrays by default). Losses are 0-d arrays of their own.
    """

    separable = True  # D's loss is a term of real logits plus a term of fake ones

    def real(self, logits: Array, grad: Array, be: Backend) -> Array:
        """D's loss on real samples; d/dlogits goes into `grad`."""
        raise NotImplementedError

    def fake(self, logits: Array, grad: Array, be: Backend) -> Array:
        """D's loss on fakes; d/dlogits goes into `grad`."""
        raise NotImplementedError

    def fool(self, logits: Array, grad: Array, be: Backend) -> Array:
        """G's loss on fakes; d/dlogits goes into `grad`."""
        raise NotImplementedError

    def discriminator(
        self, real: Array, fake: Array, arena: Heap | None = None, out: tuple[Array, Array] | None = None
    ) -> tuple[Array, tuple[Array, Array]]:
        """D's loss and its gradient with respect to the logits of real and of fake samples.

        >>> import numpy as np
        >>> loss, (dreal, dfake) = NonSaturating().discriminator(np.zeros((4, 1)), np.zeros((4, 1)))
        >>> round(float(loss), 4), float(dreal[0, 0]), float(dfake[0, 0])
        (1.3863, -0.125, 0.125)
        """
        arena = arena or _heap()
        dreal, dfake = out or (arena.empty(real.shape, real.dtype), arena.empty(fake.shape, fake.dtype))
        loss = self.real(real, dreal, arena.backend)
        loss += self.fake(fake, dfake, arena.backend)
        return loss, (dreal, dfake)

    def generator(self, fake: Array, arena: Heap | None = None) -> tuple[Array, Array]:
        """G's loss and its gradient with respect to the logits of fakes.

        >>> import numpy as np
        >>> loss, dlogits = Minimax().generator(np.full((2, 1), -20.0))     # D is sure: G hardly learns
        >>> bool(abs(dlogits).max() < 1e-8)
        True
        """
        arena = arena or _heap()
        grad = arena.empty(fake.shape, fake.dtype)
        return self.fool(fake, grad, arena.backend), grad


class Minimax(Objective):
    """The game as the 2014 paper writes it: G descends log(1 − D(G(z))).

    real_target: D's target for real samples; below 1 it is one-sided label smoothing, 0.9 in Salimans 2016, which
    keeps D from ever being certain. Fakes keep the target 0: smoothing them would reward G's present mistakes.
    Raises ValueError unless 0 < real_target ≤ 1.
    """

    def __init__(self, real_target: float = 1.0) -> None:
        if not 0 < real_target <= 1:
            raise ValueError(f"real_target must be in (0, 1], got {real_target}; 0.9 is one-sided label smoothing")
        self.real_target = real_target

    def real(self, logits: Array, grad: Array, be: Backend) -> Array:
        return be.logistic(logits, self.real_target, grad)

    def fake(self, logits: Array, grad: Array, be: Backend) -> Array:
        return be.logistic(logits, 0.0, grad)

    def fool(self, logits: Array, grad: Array, be: Backend) -> Array:
        loss = be.logistic(logits, 0.0, grad)  # log(1 − D) = −BCE(l, 0)
        be.xp.negative(grad, out=grad)
        loss *= -1
        return loss


class NonSaturating(Minimax):
    """The paper's practical variant: G descends −log D(G(z)), the same fixed point with a stronger gradient.

    real_target: as in Minimax.
    """

    def fool(self, logits: Array, grad: Array, be: Backend) -> Array:
        return be.logistic(logits, 1.0, grad)


NAMED: dict[str, type[Objective]] = {"minimax": Minimax, "non-saturating": NonSaturating}


def get_objective(objective: str | Objective, **settings: Any) -> Objective:
    """An objective by name ("minimax", "non-saturating") with its settings, or as it is; ValueError otherwise."""
    if isinstance(objective, Objective):
        return objective
    if objective not in NAMED:
        raise ValueError(f"unknown objective {objective!r}: choose one of {', '.join(NAMED)}")
    return NAMED[objective](**settings)


# --- losses of other networks ----------------------------------------------------------------------------------


def softmax_cross_entropy(logits: Array, labels: Array, arena: Heap | None = None) -> tuple[Array, Array]:
    """Classification: mean of −log softmax(logits)[label], and its gradient with respect to the logits.

    logits (N, K); labels (N,) integers in [0, K). With the largest logit subtracted first, nothing overflows:
        loss = mean_n(LSE(l_n) − l_n,label),   LSE(l) = log Σ_k e^l_k,   d/dl = (softmax(l) − onehot(label)) / N
    Raises ValueError for shapes that do not match or labels out of range.

    >>> import numpy as np
    >>> loss, dlogits = softmax_cross_entropy(np.array([[2.0, 0.0]]), np.array([0]))
    >>> round(float(loss), 4), dlogits.round(4).tolist()
    (0.1269, [[-0.1192, 0.1192]])
    """
    be = (arena or _heap()).backend
    xp, labels = be.xp, be.asarray(labels)
    if logits.ndim != 2 or labels.shape != (len(logits),):
        raise ValueError(f"expected logits (N, K) and labels (N,), got {logits.shape} and {labels.shape}")
    if labels.dtype.kind not in "iu" or int(labels.min()) < 0 or int(labels.max()) >= logits.shape[1]:
        raise ValueError(f"labels must be integers in [0, {logits.shape[1]})")
    n, rows = len(logits), xp.arange(len(logits))
    shifted = logits - logits.max(axis=1, keepdims=True)
    exponentials = xp.exp(shifted)
    sums = exponentials.sum(axis=1, keepdims=True)
    loss = (xp.log(sums[:, 0]) - shifted[rows, labels]).mean()
    grad = exponentials / sums
    grad[rows, labels] -= 1
    grad /= n
    return loss, grad


def mean_squared_error(prediction: Array, target: Array, arena: Heap | None = None) -> tuple[Array, Array]:
    """Regression: mean of (prediction − target)² over all elements, and its gradient 2 (prediction − target)/n.

    Raises ValueError if the shapes differ.
    """
    if prediction.shape != np.shape(target):
        raise ValueError(f"prediction and target must have one shape, got {prediction.shape} and {np.shape(target)}")
    be = (arena or _heap()).backend
    difference = prediction - be.asarray(target, prediction.dtype)
    return (difference * difference).mean(), difference * (2 / difference.size)


def _heap() -> Heap:
    return Heap(get_backend("numpy"))
