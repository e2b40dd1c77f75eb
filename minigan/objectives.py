"""What D and G descend: losses on D's outputs, each with its gradient.

D's last layer gives a number l for each sample. In the first two rows it is a logit: the probability that x is real is
D(x) = σ(l), and the sigmoid is part of the loss:

    −log D       = softplus(−l)        d/dl = σ(l) − 1
    −log(1 − D)  = softplus(l)         d/dl = σ(l)          softplus(l) = log(1 + e^l)

Both are finite for every finite logit, with a gradient that is never cut off. (Sigmoid, clip, log, as often
written, has gradient exactly 0 beyond the clip.) With a target t the two are one, the binary cross-entropy

    BCE(l, t) = t softplus(−l) + (1 − t) softplus(l) = softplus(l) − t l,      d/dl = σ(l) − t

With r = D's output on a real sample and f on a fake one, E over the batch:

    objective        D's output   D descends                    G descends               source
    Minimax          logit        E BCE(r, 1) + E BCE(f, 0)     −E BCE(f, 0)             Goodfellow 2014, eq. 1
    NonSaturating    logit        the same                      E BCE(f, 1)              Goodfellow 2014, section 3
    LeastSquares     0 to 1       ½E(r − 1)² + ½E f²            ½E(f − 1)²               Mao 2017, eq. 9
    Wasserstein      score        E f − E r                     −E f                     Arjovsky 2017, eq. 2 and 3
    Hinge            score        E max(0, 1−r) + max(0, 1+f)   −E f                     Miyato 2018, eq. 16 and 17
    Relativistic     score        E softplus(f − r), in pairs   E softplus(r − f)        Huang 2024 (RpGAN)
    FeatureMatching  logit        as NonSaturating              |E h(x) − E h(G(z))|²/k  Salimans 2016, section 3.1

For the first two D's loss is −V(D, G). At equilibrium D = 1/2, so it is log 4 ≈ 1.386; G's is −log 2 in the first row
and log 2 in the second. While D rejects G's samples with confidence, σ(l) ≈ 0: the first row's gradient −σ(l)
vanishes, the second's σ(l) − 1 does not. A score has no scale and, under Wasserstein and Relativistic, no zero: only
differences mean something. All losses are means, so the learning rate does not depend on the batch size.
Checked by tests/test_gradients.py.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .backend import Backend, FreshArena, get_backend
from .names import unknown
from .nn import Dense, Dropout, GaussianNoise, Sequential
from .spec import Spec, number

Array = Any
_quietly = np.errstate(under="ignore")  # e^−l of a large logit is 0, and nothing is wrong with that


class Objective(Spec, abstract=True):
    """A pair of losses for D and G, as functions of D's outputs.

    `arena` says where gradients are written (fresh NumPy arrays by default). Losses are 0-d arrays of their own.
    """

    separable = True  # D's loss is a term of real samples plus a term of fakes
    compares = False  # G's loss compares D's outputs on fakes with those on as many real samples

    def real(self, logits: Array, grad: Array, be: Backend) -> Array:
        """D's loss on real samples; d/dlogits goes into `grad`."""
        raise NotImplementedError

    def fake(self, logits: Array, grad: Array, be: Backend) -> Array:
        """D's loss on fakes; d/dlogits goes into `grad`."""
        raise NotImplementedError

    def fool(self, logits: Array, grad: Array, be: Backend) -> Array:
        """G's loss on fakes; d/dlogits goes into `grad`."""
        raise NotImplementedError

    @_quietly
    def discriminator(
        self, real: Array, fake: Array, arena: FreshArena | None = None, out: tuple[Array, Array] | None = None
    ) -> tuple[Array, tuple[Array, Array]]:
        """D's loss and its gradient with respect to the logits of real and of fake samples.

        >>> import numpy as np
        >>> loss, (dreal, dfake) = NonSaturating().discriminator(np.zeros((4, 1)), np.zeros((4, 1)))
        >>> round(float(loss), 4), float(dreal[0, 0]), float(dfake[0, 0])
        (1.3863, -0.125, 0.125)
        """
        arena = arena or _fresh()
        dreal, dfake = out or (arena.empty(real.shape, real.dtype), arena.empty(fake.shape, fake.dtype))
        loss = self.real(real, dreal, arena.backend)
        loss += self.fake(fake, dfake, arena.backend)
        return loss, (dreal, dfake)

    def classify(
        self, real: Array, fake: Array, arena: FreshArena, out: tuple[Array, Array]
    ) -> tuple[Array, tuple[Array, Array, Array, Array]]:
        """D's loss, its gradient into `out`, as of `discriminator`, and with it what `verdicts` says."""
        loss, _ = self.discriminator(real, fake, arena, out)
        return loss, self.verdicts(real, fake, arena.backend)

    @_quietly
    def generator(self, fake: Array, arena: FreshArena | None = None, real: Array | None = None) -> tuple[Array, Array]:
        """G's loss and its gradient with respect to D's outputs on fakes.

        real: D's outputs on as many real samples, for an objective that `compares`.

        >>> import numpy as np
        >>> loss, dlogits = Minimax().generator(np.full((2, 1), -20.0))     # D is sure: G hardly learns
        >>> bool(abs(dlogits).max() < 1e-8)
        True
        """
        arena = arena or _fresh()
        grad = arena.empty(fake.shape, fake.dtype)
        return self.fool(fake, grad, arena.backend), grad

    def depth(self, D: Sequential) -> int:
        """How many layers of D `generator` wants the output of: all of them, as a rule."""
        return len(D)

    @_quietly
    def verdicts(self, real: Array, fake: Array, be: Backend) -> tuple[Array, Array, Array, Array]:
        """Metrics: what D says of real samples and of fakes, on average, and the share of each that it gets right.

        What it says is a probability where there is one (`probability`), else the score.
        """
        return be.verdicts(real, fake)

    @_quietly
    def probability(self, logits: Array, xp: Any) -> Array:
        """D(x), the probability that a sample is real. Raises ValueError where D's output is a score."""
        return 0.5 * (1 + xp.tanh(0.5 * logits))

    def equilibrium(self) -> dict[str, float]:
        """Values of metrics where fakes have the distribution of the data and D can do no better, if they are known."""
        return {}


class Minimax(Objective):
    """The game as the 2014 paper writes it: G descends log(1 − D(G(z))).

    real_target: D's target for real samples; below 1 it is one-sided label smoothing, 0.9 in Salimans 2016, which
    keeps D from ever being certain. Fakes keep the target 0: smoothing them would reward G's present mistakes.
    Raises ValueError unless 0 < real_target ≤ 1.
    """

    def __init__(self, real_target: float = 1.0) -> None:
        self.real_target = number("real_target", real_target, "(0, 1]")

    def real(self, logits: Array, grad: Array, be: Backend) -> Array:
        return be.logistic(logits, self.real_target, grad)

    def fake(self, logits: Array, grad: Array, be: Backend) -> Array:
        return be.logistic(logits, 0.0, grad)

    def classify(
        self, real: Array, fake: Array, arena: FreshArena, out: tuple[Array, Array]
    ) -> tuple[Array, tuple[Array, Array, Array, Array]]:
        terms = ("real", "fake", "discriminator", "verdicts")
        if any(getattr(type(self), name) is not getattr(Minimax, name) for name in terms):
            return super().classify(real, fake, arena, out)  # a class of somebody's own, which plays otherwise
        return arena.backend.classify(real, fake, self.real_target, *out)

    def fool(self, logits: Array, grad: Array, be: Backend) -> Array:
        loss = be.logistic(logits, 0.0, grad)  # log(1 − D) = −BCE(l, 0)
        be.xp.negative(grad, out=grad)
        loss *= -1
        return loss

    def equilibrium(self) -> dict[str, float]:
        if self.real_target < 1:
            return {}
        return {"d_loss": math.log(4), "g_loss": -math.log(2), "d_real": 0.5, "d_fake": 0.5}


class NonSaturating(Minimax):
    """The paper's practical variant: G descends −log D(G(z)), the same fixed point with a stronger gradient.

    real_target: as in Minimax.
    """

    def fool(self, logits: Array, grad: Array, be: Backend) -> Array:
        return be.logistic(logits, 1.0, grad)

    def equilibrium(self) -> dict[str, float]:
        known = super().equilibrium()
        return known | {"g_loss": math.log(2)} if known else {}


class LeastSquares(Objective):
    """LSGAN (Mao et al. 2017): regression to 1 for real samples and 0 for fakes; G regresses fakes to 1.

    A fake far on the right side of D's boundary still has a gradient, which pulls it towards the data. At D's optimum
    its output is p/(p + q), a probability.
    """

    def real(self, logits: Array, grad: Array, be: Backend) -> Array:
        return _half_square(logits, 1, grad, be)

    def fake(self, logits: Array, grad: Array, be: Backend) -> Array:
        return _half_square(logits, 0, grad, be)

    def fool(self, logits: Array, grad: Array, be: Backend) -> Array:
        return _half_square(logits, 1, grad, be)

    @_quietly
    def verdicts(self, real: Array, fake: Array, be: Backend) -> tuple[Array, Array, Array, Array]:
        return _means_and_shares(self.probability(real, be.xp), self.probability(fake, be.xp), 0.5)

    @_quietly
    def probability(self, logits: Array, xp: Any) -> Array:
        return xp.clip(logits, 0, 1)

    def equilibrium(self) -> dict[str, float]:
        return {"d_loss": 0.25, "g_loss": 0.125, "d_real": 0.5, "d_fake": 0.5}


class Critic(Objective, abstract=True):
    """An objective whose D gives scores: higher is more real, but no score is a probability."""

    @_quietly
    def probability(self, logits: Array, xp: Any) -> Array:
        raise ValueError(f"under {self} D gives scores, not probabilities: look at GAN.score")

    @_quietly
    def verdicts(self, real: Array, fake: Array, be: Backend) -> tuple[Array, Array, Array, Array]:
        return _means_and_shares(real, fake, be.group.mean((real.mean() + fake.mean()) / 2))

    def fool(self, logits: Array, grad: Array, be: Backend) -> Array:
        return _mean(logits, -1, grad)


class Wasserstein(Critic):
    """WGAN (Arjovsky et al. 2017): the critic's mean difference, which estimates the earth mover's distance.

    −d_loss is that estimate, in units of the critic's Lipschitz constant, which something must hold down: clipped
    weights, a gradient penalty or spectral normalisation. By itself the loss has no minimum.
    """

    def real(self, logits: Array, grad: Array, be: Backend) -> Array:
        return _mean(logits, -1, grad)

    def fake(self, logits: Array, grad: Array, be: Backend) -> Array:
        return _mean(logits, 1, grad)

    def equilibrium(self) -> dict[str, float]:
        return {"d_loss": 0.0}


class Hinge(Critic):
    """The hinge loss of SVMs (Lim and Ye 2017; Miyato et al. 2018): D ignores samples beyond its margins of ±1."""

    def real(self, logits: Array, grad: Array, be: Backend) -> Array:
        return _hinge(logits, -1, grad, be)

    def fake(self, logits: Array, grad: Array, be: Backend) -> Array:
        return _hinge(logits, 1, grad, be)

    @_quietly
    def verdicts(self, real: Array, fake: Array, be: Backend) -> tuple[Array, Array, Array, Array]:
        return _means_and_shares(real, fake, 0.0)

    def equilibrium(self) -> dict[str, float]:
        return {"d_loss": 2.0}  # what one margin gains, the other loses


class Relativistic(Critic):
    """RpGAN (Jolicoeur-Martineau 2019): D tells which of a pair is real; both players care for r − f only.

        D descends E softplus(−(r − f)),   G descends E softplus(−(f − r))

    G cannot win by pushing all fakes over one boundary: each has its own opponent. R3GAN (Huang et al. 2024) adds R1
    and R2, with which this game converges.
    """

    separable = False
    compares = True

    @_quietly
    def discriminator(
        self, real: Array, fake: Array, arena: FreshArena | None = None, out: tuple[Array, Array] | None = None
    ) -> tuple[Array, tuple[Array, Array]]:
        arena = arena or _fresh()
        dreal, dfake = out or (arena.empty(real.shape, real.dtype), arena.empty(fake.shape, fake.dtype))
        loss = _logistic_of_difference(real, fake, dreal, arena)
        arena.backend.xp.negative(dreal, out=dfake)
        return loss, (dreal, dfake)

    @_quietly
    def generator(self, fake: Array, arena: FreshArena | None = None, real: Array | None = None) -> tuple[Array, Array]:
        arena = arena or _fresh()
        grad = arena.empty(fake.shape, fake.dtype)
        return _logistic_of_difference(fake, _opponents(self, fake, real), grad, arena), grad

    def equilibrium(self) -> dict[str, float]:
        return {"d_loss": math.log(2), "g_loss": math.log(2)}


class FeatureMatching(NonSaturating):
    """G matches the mean of D's features over fakes to that over real samples (Salimans et al. 2016, section 3.1).

        G descends  1/k Σ_j (mean_n h_j(x_n) − mean_n h_j(G(z_n)))²

    h: the k outputs of D's last hidden layer, the input of its last Dense, before noise or dropout that is put on them.
    D plays as in NonSaturating.
    """

    compares = True

    def depth(self, D: Sequential) -> int:
        dense = [int(place.partition(".")[0]) for place, _, layer in D.chain.leaves() if isinstance(layer, Dense)]
        if not dense or not dense[-1]:
            raise ValueError("feature matching needs a D with a hidden layer before its last Dense layer")
        if not isinstance(last := D.layers[dense[-1]], Dense):
            raise ValueError(f"the last Dense of D is in layer {dense[-1]}, {last}: it must stand by itself")
        depth = dense[-1]
        while depth > 1 and isinstance(D.layers[depth - 1], (Dropout, GaussianNoise)):
            depth -= 1
        return depth

    @_quietly
    def generator(self, fake: Array, arena: FreshArena | None = None, real: Array | None = None) -> tuple[Array, Array]:
        arena = arena or _fresh()
        xp, grad = arena.backend.xp, arena.empty(fake.shape, fake.dtype)
        gap = arena.backend.group.mean(fake.mean(axis=0) - _opponents(self, fake, real).mean(axis=0))
        xp.multiply(gap, 2 / (gap.size * len(fake)), out=grad)  # the same for every sample
        return (gap * gap).mean(), grad

    def equilibrium(self) -> dict[str, float]:
        known = super().equilibrium()
        return known | {"g_loss": 0.0} if known else {}


NAMED: dict[str, type[Objective]] = {
    "minimax": Minimax,
    "non-saturating": NonSaturating,
    "least-squares": LeastSquares,
    "wasserstein": Wasserstein,
    "hinge": Hinge,
    "relativistic": Relativistic,
    "feature-matching": FeatureMatching,
}


def get_objective(objective: str | Objective, **settings: Any) -> Objective:
    """An objective by name (a key of NAMED) with its settings, or as it is; ValueError or TypeError otherwise."""
    if isinstance(objective, Objective):
        return objective
    if objective not in NAMED:
        raise ValueError(unknown("objective", objective, NAMED))
    return NAMED[objective](**settings)


def _mean(logits: Array, sign: int, grad: Array) -> Array:
    """±mean(l)."""
    grad.fill(sign / logits.size)
    return logits.mean() * sign


def _half_square(logits: Array, target: float, grad: Array, be: Backend) -> Array:
    """mean ½(l − t)²."""
    be.xp.subtract(logits, target, out=grad)
    loss = (grad * grad).mean() / 2
    be.xp.divide(grad, logits.size, out=grad)
    return loss


def _hinge(logits: Array, sign: int, grad: Array, be: Backend) -> Array:
    """mean max(0, 1 ± l)."""
    margin = be.xp.multiply(logits, sign, out=grad)
    margin += 1
    be.xp.maximum(margin, 0, out=margin)
    loss = margin.mean()
    be.xp.sign(margin, out=grad)
    be.xp.multiply(grad, sign / logits.size, out=grad)
    return loss


def _logistic_of_difference(winner: Array, loser: Array, grad: Array, arena: FreshArena) -> Array:
    """mean softplus(−(w − l)); the gradient is that of w, and minus that of l."""
    difference = arena.empty(winner.shape, winner.dtype)
    arena.backend.xp.subtract(winner, loser, out=difference)
    return arena.backend.logistic(difference, 1.0, grad)


def _opponents(objective: Objective, fake: Array, real: Array | None) -> Array:
    if real is None or real.shape != fake.shape:
        given = "none" if real is None else f"those of shape {real.shape}"
        raise ValueError(f"{objective} compares fakes {fake.shape} with as many real samples, got {given}")
    return real


def _means_and_shares(real: Array, fake: Array, boundary: Array | float) -> tuple[Array, Array, Array, Array]:
    """Mean outputs, and the shares of real samples above the boundary and of fakes that are not."""
    return real.mean(), fake.mean(), (real > boundary).mean(dtype=real.dtype), (fake <= boundary).mean(dtype=fake.dtype)


# --- losses of other networks ----------------------------------------------------------------------------------


@_quietly
def information(logits: Array, balance: float, arena: FreshArena | None = None) -> tuple[Array, Array, Array, Array]:
    """What classes say about samples, to be descended: E H(p) − balance · H(p̄), p = softmax(logits), p̄ its mean.

    The first entropy is small where each answer is sure, the second large where all classes are used alike; with
    balance 1 it is minus the mutual information of sample and class (A. Krause et al., "Discriminative Clustering by
    Regularized Information Maximization", 2010; J. T. Springenberg's CatGAN, 2016).
    logits: (N, K). Returns it (0-d); its gradient with respect to logits, with a_k = balance · log p̄_k − log p_k

        p_k (a_k − Σ_j p_j a_j)/N

    and the two entropies (0-d), in nats.

    >>> import numpy as np
    >>> _, _, sure, varied = information(np.array([[9.0, -9.0], [-9.0, 9.0]]), 1.0)
    >>> round(float(sure), 3), round(float(varied), 3)
    (0.0, 0.693)
    """
    be, tiny = (arena or _fresh()).backend, np.finfo(logits.dtype).tiny
    xp, p = be.xp, softmax(logits, be.xp)
    mean = be.group.mean(p.mean(axis=0, keepdims=True))
    logs, log_mean = xp.log(xp.maximum(p, tiny)), xp.log(xp.maximum(mean, tiny))  # 0 log 0 = 0
    sure, varied = -(p * logs).sum() / len(p), -(mean * log_mean).sum()
    grad = balance * log_mean - logs
    grad -= (p * grad).sum(axis=1, keepdims=True)
    grad *= p
    grad /= len(p)
    return sure - balance * varied, grad, sure, varied


def softmax_cross_entropy(logits: Array, labels: Array, arena: FreshArena | None = None) -> tuple[Array, Array]:
    """Classification: mean of −log softmax(logits)[label], and its gradient with respect to the logits.

    logits (N, K); labels (N,) integers in [0, K), or t (N, K), each row one-hot, or any probabilities. With the largest
    logit subtracted first, nothing overflows:
        loss = mean_n(LSE(l_n) − Σ_k t_nk l_nk),   LSE(l) = log Σ_k e^l_k,   d/dl = (softmax(l) − t) / N

    Labels that are on a GPU already are not read back, so that a step with them can be recorded as a CUDA graph: there
    one that is out of range is no class at all.
    Raises ValueError for shapes that do not match, and for labels out of range or rows that do not sum to 1, on the
    host.

    >>> import numpy as np
    >>> loss, dlogits = softmax_cross_entropy(np.array([[2.0, 0.0]]), np.array([0]))
    >>> round(float(loss), 4), dlogits.round(4).tolist()
    (0.1269, [[-0.1192, 0.1192]])
    """
    arena = arena or _fresh()
    xp, (target, grad) = arena.backend.xp, (arena.empty(logits.shape, logits.dtype) for _ in range(2))
    _one_hot(labels, logits, target, arena)
    shifted = xp.subtract(logits, logits.max(axis=1, keepdims=True))
    exponentials = xp.exp(shifted)
    sums = exponentials.sum(axis=1, keepdims=True)
    of_label = (xp.where(target > 0, shifted, logits.dtype.type(0)) * target).sum(axis=1)
    loss = (xp.log(sums[:, 0]) - of_label).mean()
    xp.divide(exponentials, sums, out=grad)
    xp.subtract(grad, target, out=grad)
    xp.divide(grad, len(logits), out=grad)
    return loss, grad


def _one_hot(labels: Any, logits: Array, target: Array, arena: FreshArena) -> None:
    """target (N, K) = what the labels say, looked at where they are on the host."""
    xp = arena.backend.xp
    if not isinstance(labels, (np.ndarray, xp.ndarray)):
        labels = np.asarray(labels)
    if logits.ndim != 2 or labels.shape not in ((len(logits),), logits.shape):
        raise ValueError(
            f"expected logits (N, K) and labels (N,), or one-hot (N, K), got {logits.shape} and {labels.shape}"
        )
    k, on_host = logits.shape[1], isinstance(labels, np.ndarray)
    if labels.ndim == 2:
        if on_host and not ((labels >= 0).all() and np.allclose(labels.sum(axis=1), 1, atol=1e-3)):
            raise ValueError("the rows of one-hot labels must be 0 or more and sum to 1")
        target[...] = arena.backend.asarray(labels, target.dtype)
        return
    if labels.dtype.kind not in "iu" or (on_host and not 0 <= labels.min() <= labels.max() < k):
        raise ValueError(f"labels must be integers in [0, {k})")
    target[...] = arena.backend.asarray(labels)[:, None] == xp.arange(k)


def softmax(logits: Array, xp: Any) -> Array:
    """The probabilities e^l_k/Σ_j e^l_j of logits (N, K); with the largest subtracted first, nothing overflows."""
    share = xp.exp(logits - logits.max(axis=1, keepdims=True))
    return share / share.sum(axis=1, keepdims=True)


@_quietly
def mean_squared_error(prediction: Array, target: Array, arena: FreshArena | None = None) -> tuple[Array, Array]:
    """Regression: mean of (prediction − target)² over all elements, and its gradient 2 (prediction − target)/n.

    Raises ValueError if the shapes differ.
    """
    if prediction.shape != np.shape(target):
        raise ValueError(f"prediction and target must have one shape, got {prediction.shape} and {np.shape(target)}")
    be = (arena or _fresh()).backend
    difference = prediction - be.asarray(target, prediction.dtype)
    return (difference * difference).mean(), difference * (2 / difference.size)


@_quietly
def mean_absolute_error(prediction: Array, target: Array, arena: FreshArena | None = None) -> tuple[Array, Array]:
    """Regression: mean of |prediction − target| over all elements, and its gradient sign(prediction − target)/n.

    Raises ValueError if the shapes differ.

    >>> import numpy as np
    >>> loss, grad = mean_absolute_error(np.array([[1.0, -2.0]]), np.array([[0.0, 0.0]]))
    >>> float(loss), grad.tolist()
    (1.5, [[0.5, -0.5]])
    """
    if prediction.shape != np.shape(target):
        raise ValueError(f"prediction and target must have one shape, got {prediction.shape} and {np.shape(target)}")
    be = (arena or _fresh()).backend
    difference = prediction - be.asarray(target, prediction.dtype)
    return be.xp.abs(difference).mean(), be.xp.sign(difference) * (1 / difference.size)


@_quietly
def binary_cross_entropy(logits: Array, samples: Array, arena: FreshArena | None = None) -> tuple[Array, Array]:
    """Bits: mean of softplus(l) − x l, x being 1 where `samples` is 1 and 0 where it is −1, and its gradient.

    logits, samples: (N, ...), the latter from −1 to 1. Finite for every finite logit; d/dl = (σ(l) − x)/n.
    Raises ValueError if the shapes differ.

    >>> import numpy as np
    >>> loss, dlogits = binary_cross_entropy(np.array([[0.0, 2.0]]), np.array([[1.0, -1.0]]))
    >>> round(float(loss), 4), dlogits.round(4).tolist()
    (1.41, [[-0.25, 0.4404]])
    """
    if logits.shape != np.shape(samples):
        raise ValueError(f"logits and samples must have one shape, got {logits.shape} and {np.shape(samples)}")
    arena = arena or _fresh()
    xp, grad = arena.backend.xp, arena.empty(logits.shape, logits.dtype)
    x = 0.5 * (1 + samples)
    tail = xp.exp(-xp.abs(logits))
    loss = (xp.maximum(logits, 0) + xp.log1p(tail) - x * logits).mean()
    xp.subtract(0.5 * (1 + xp.tanh(0.5 * logits)), x, out=grad)
    grad /= logits.size
    return loss, grad


def _fresh() -> FreshArena:
    return FreshArena(get_backend("numpy"))
