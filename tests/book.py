"""The game as the documentation tells it: losses, penalties and whole steps, in terms of `networks.evaluate` only.

`assert_step` plays one step and holds every gradient of it, and every metric, to this book.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from networks import Array, assert_gradient, drawn_normals, evaluate, flat_of, input_gradient, normals, uniforms

from minigan import (
    DRAGAN,
    GAN,
    R1,
    R2,
    BatchNorm,
    Dense,
    Dropout,
    FeatureMatching,
    GaussianNoise,
    GradientPenalty,
    Hinge,
    LeastSquares,
    MinibatchStdDev,
    Minimax,
    NonSaturating,
    Relativistic,
    Tutorial,
    Wasserstein,
)
from minigan.backend import Purpose, Stream
from minigan.codes import Category, Code, Label
from minigan.objectives import Objective
from minigan.optim import Schedule
from minigan.penalties import Penalty

# --- losses ----------------------------------------------------------------------------------------------------


def bce(logits: Array, target: float) -> float:
    """Binary cross-entropy as the textbook has it, mean over the batch."""
    log_d, log_not_d = -np.logaddexp(0, -logits), -np.logaddexp(0, logits)
    return float(-(target * log_d + (1 - target) * log_not_d).mean())


def real_value(objective: Objective, real: Array) -> float:
    """The term of D's loss on real samples."""
    match objective:
        case Minimax():
            return bce(real, objective.real_target)
        case LeastSquares():
            return float(((real - 1) ** 2).mean() / 2)
        case Wasserstein():
            return -float(real.mean())
        case Hinge():
            return float(np.where(real < 1, 1 - real, 0.0).mean())
    raise NotImplementedError(objective)


def fake_value(objective: Objective, fake: Array) -> float:
    """The term of D's loss on fakes."""
    match objective:
        case Minimax():
            return bce(fake, 0.0)
        case LeastSquares():
            return float((fake**2).mean() / 2)
        case Wasserstein():
            return float(fake.mean())
        case Hinge():
            return float(np.where(fake > -1, 1 + fake, 0.0).mean())
    raise NotImplementedError(objective)


def d_value(objective: Objective, real: Array, fake: Array) -> float:
    """D's loss."""
    if isinstance(objective, Relativistic):
        return float(np.logaddexp(0, fake - real).mean())
    return real_value(objective, real) + fake_value(objective, fake)


def g_value(objective: Objective, fake: Array, real: Array | None = None) -> float:
    """G's loss. fake, real: outputs of D, or features."""
    match objective:
        case FeatureMatching():
            assert real is not None
            return float(((fake.mean(axis=0) - real.mean(axis=0)) ** 2).mean())
        case Relativistic():
            assert real is not None
            return float(np.logaddexp(0, real - fake).mean())
        case NonSaturating():
            return bce(fake, 1.0)
        case Minimax():
            return -bce(fake, 0.0)
        case LeastSquares():
            return float(((fake - 1) ** 2).mean() / 2)
        case Wasserstein() | Hinge():
            return -float(fake.mean())
    raise NotImplementedError(objective)


# --- penalties -------------------------------------------------------------------------------------------------


def penalty_points(penalty: Penalty, real: Array, fake: Array, stream: Stream) -> Array:
    """Where D's gradient is taken; `stream` is the penalty's, with a lane for each kind of number."""
    for_each_sample = uniforms(stream._replace(lane=-1), (len(real), *[1] * (real.ndim - 1))).astype(np.float64)
    match penalty:
        case GradientPenalty():
            return for_each_sample * real + (1 - for_each_sample) * fake
        case DRAGAN():
            beside = uniforms(stream._replace(lane=-2), real.shape).astype(np.float64)
            return real + for_each_sample * (penalty.spread * real.std() * beside)
        case R1():
            return real
        case R2():
            return fake
    raise NotImplementedError(penalty)


def penalty_value(penalty: Penalty, gradients: Array) -> float:
    """The penalty on these gradients, one for each sample."""
    lengths = np.array([math.sqrt(sum(x * x for x in g.ravel())) for g in gradients])
    if isinstance(penalty, (GradientPenalty, DRAGAN)):
        return float(np.mean(penalty.weight * (lengths - 1) ** 2))
    return float(np.mean(penalty.weight / 2 * lengths**2))


# --- codes -----------------------------------------------------------------------------------------------------


def code_value(code: Code, said: Array, asked: Array) -> float:
    """The loss of what D says of a code."""
    if isinstance(code, Category):
        right = said[asked == 1] - np.logaddexp.reduce(said, axis=1)
        return -code.weight * float(right.mean())
    return code.weight * float(((said - asked) ** 2).sum(axis=1).mean()) / 2


def codes_value(codes: list[Code], said: Array, asked: Array, real: bool) -> float:
    """Of all codes that D must tell: of real samples it is the label alone, whose columns come first."""
    total, out, at = 0.0, 0, 0
    for code in codes:
        if code.predicted:
            if isinstance(code, Label) or not real:
                total += code_value(code, said[:, out : out + code.width], asked[:, at : at + code.width])
            out += code.width
        at += code.width
    return total


# --- whole steps -----------------------------------------------------------------------------------------------


class Moment:
    """What the networks were when an optimizer stepped: parameters, other state, and the gradient."""

    def __init__(self, gan: GAN, player: str) -> None:
        self.player = player
        self.G, self.D = flat_of(gan.G), flat_of(gan.D)
        self.G_state, self.D_state = gan.G.state_dict(), gan.D.state_dict()
        net = gan.G if player == "G" else gan.D
        self.gradient = net.packed(net.flat_grad)


def record(gan: GAN) -> list[Moment]:
    """From now on, every update leaves a Moment, taken before the parameters move."""
    moments: list[Moment] = []
    for player, optimizer in (("D", gan.d_opt), ("G", gan.g_opt)):

        def step(player: str = player, step: Callable[[], None] = optimizer.step) -> None:
            moments.append(Moment(gan, player))
            step()

        optimizer.step = step  # type: ignore[method-assign]
    return moments


class Book:
    """One step of a GAN from `real`: what each player is shown, and the losses as functions of the parameters."""

    def __init__(self, gan: GAN, real: Array, labels: Array | None = None) -> None:
        self.gan, self.n = gan, len(real) // gan.d_steps
        label = next((code for code in gan.codes if isinstance(code, Label)), None)
        self.labels = None if label is None or labels is None else np.eye(label.k)[labels]
        self.is_given = label is not None and not label.predicted
        self.real = real.reshape(len(real), *gan.sample_shape)
        self.step, self.d_update = gan.steps, gan.d_updates

    def stream(self, purpose: int, t: int) -> Stream:
        return Stream(self.gan.seed, purpose, t)

    def latents(self, n: int, purpose: Purpose, t: int, k: int) -> Array:
        """Noise, and the codes of fakes that are shown beside minibatch k of the step."""
        shape, stream = (n, self.gan.latent), self.stream(purpose, t)
        if self.gan.prior == "uniform":
            z = 2 * uniforms(stream, shape).astype(np.float64) - 1
        else:
            z = drawn_normals(self.gan.backend, stream, shape)
            np.testing.assert_allclose(z, normals(stream, shape), atol=1e-5)
        parts = [z]
        for i, code in enumerate(self.gan.codes):
            numbers = stream._replace(lane=i + 1)
            if isinstance(code, Label):
                parts.append(self.labels_of(k))
            elif isinstance(code, Category):
                parts.append(np.eye(code.k)[(uniforms(numbers, (n,)) * code.k).astype(int)])
            else:
                parts.append(2 * uniforms(numbers, (n, code.width)).astype(np.float64) - 1)
        return np.concatenate(parts, axis=1)

    def labels_of(self, k: int) -> Array:
        """The labels of minibatch k, a one in each row."""
        assert self.labels is not None
        return self.labels[k * self.n : (k + 1) * self.n]

    def given(self, k: int, times: int = 1) -> Array | None:
        """What D is given with minibatch k, of real samples or of fakes; for both in one batch, twice."""
        if not self.is_given:
            return None
        labels = self.labels_of(k)
        return np.tile(labels.reshape(len(labels) // self.gan.packing, -1), (times, 1))

    def shown(self, samples: Array, stream: Stream) -> Array:
        """Samples as D sees them: noise on top, and so many in a row at once."""
        std, m = self.gan.instance_noise, self.gan.packing
        std = std(self.step) if isinstance(std, Schedule) else std
        if std:
            samples = samples + std * drawn_normals(self.gan.backend, stream._replace(lane=-1), samples.shape)
        return np.stack([np.concatenate(samples[i : i + m]) for i in range(0, len(samples), m)])

    # --- D's updates

    def parts(self) -> list[tuple[int, str]]:
        """D's updates of one step, in order: which of the k, and on what."""
        mixing = any(isinstance(layer, (BatchNorm, MinibatchStdDev)) for layer in self.gan.D.layers)
        kinds = ["real", "fake"] if isinstance(self.gan, Tutorial) else ["two"] if mixing else ["one"]
        return [(k, kind) for k in range(self.gan.d_steps) for kind in kinds]

    def fakes_for_d(self, moment: Moment, k: int) -> tuple[Array, Array]:
        """What D is shown in update k of the step, and what G was asked for."""
        if self.gan.reuse_fakes and k == self.gan.d_steps - 1:
            return self.own_fakes(moment.G, [], moment)
        t, train = self.d_update + k, not isinstance(self.gan, Tutorial)
        z, stream = self.latents(self.n, Purpose.LATENT_D, t, k), self.stream(Purpose.G_FOR_D, t)
        return evaluate(self.gan.G, moment.G, z, train, stream, running=moment.G_state), z[:, self.gan.latent :]

    def d_loss(self, moment: Moment, k: int, part: str) -> Callable[[Array], tuple[float, float, float, list[Array]]]:
        """D's parameters → loss, penalty and loss on codes of an update, and on which side of each kink it all is."""
        gan, objective, t = self.gan, self.gan.objective, self.d_update + k
        real, (fake, asked) = self.real[k * self.n : (k + 1) * self.n], self.fakes_for_d(moment, k)
        on_real, on_fake = self.stream(Purpose.D_REAL, t), self.stream(Purpose.D_FAKE, t)
        if part == "one":
            both = self.shown(np.concatenate([real, fake]), on_real)
            batches = [(both, on_real)]
            real, fake = both[: len(both) // 2], both[len(both) // 2 :]
        else:
            real, fake = self.shown(real, on_real), self.shown(fake, on_fake)
            batches = {"two": [(real, on_real), (fake, on_fake)], "real": [(real, on_real)], "fake": [(fake, on_fake)]}[
                part
            ]
        points = [
            (p, penalty_points(p, real, fake, self.stream(Purpose.PENALTY + i, t)), Purpose.PENALTY + i)
            for i, p in enumerate(gan.penalties)
        ]

        def loss(D: Array) -> tuple[float, float, float, list[Array]]:
            signs: list[Array] = []

            def ask(x: Array, stream: Stream, condition: Array | None) -> Array:
                return evaluate(gan.D, D, joined(x, condition), True, stream, signs=signs, running=moment.D_state)

            condition = self.given(k, times=2 if part == "one" else 1)
            outputs = np.concatenate([ask(x, stream, condition) for x, stream in batches])
            logits, codes = outputs[:, :1], 0.0
            if part != "fake" and self.labels is not None:
                codes += codes_value(gan.codes, outputs[: len(real), 1:], self.labels_of(k), real=True)
            if part != "real":
                codes += codes_value(gan.codes, outputs[-len(fake) :, 1:], asked, real=False)
            if isinstance(objective, Hinge):
                signs.append(abs(logits) < 1)
            if part in ("one", "two"):
                value = d_value(objective, logits[: len(real)], logits[len(real) :])
            else:
                value = (real_value if part == "real" else fake_value)(objective, logits)
            penalty = 0.0
            for term, x, purpose in points:
                stream = self.stream(purpose, t)
                ask(x, stream, self.given(k))  # for the kinks
                whole = input_gradient(gan.D, D, joined(x, self.given(k)), stream, moment.D_state, outputs=1)
                penalty += penalty_value(term, whole[..., : x.shape[-1]])
            return value, penalty, codes, signs

        return loss

    # --- G's update

    def own_fakes(self, G: Array, signs: list[Array], moment: Moment) -> tuple[Array, Array]:
        """G's fakes in its own update, and what it was asked for: batch statistics, always."""
        n = 2 * self.n if isinstance(self.gan, Tutorial) else self.n
        z = self.latents(n, Purpose.LATENT_G, self.step, self.gan.d_steps - 1)
        stream = self.stream(Purpose.G_FOR_G, self.step)
        made = evaluate(self.gan.G, G, z, True, stream, signs=signs, running=moment.G_state)
        return made, z[:, self.gan.latent :]

    def g_loss(self, moment: Moment) -> Callable[[Array], tuple[float, float, list[Array]]]:
        """G's parameters → loss, and loss on codes, through D as it was then."""
        gan, objective, condition = self.gan, self.gan.objective, self.given(self.gan.d_steps - 1)
        depth = None
        if isinstance(objective, FeatureMatching):
            depth = max(i for i, layer in enumerate(gan.D.layers) if isinstance(layer, Dense))
            while depth > 1 and isinstance(gan.D.layers[depth - 1], (Dropout, GaussianNoise)):
                depth -= 1  # features as they are before noise is put on them

        def loss(G: Array) -> tuple[float, float, list[Array]]:
            signs: list[Array] = []

            def ask(samples: Array, purpose: Purpose) -> Array:
                stream = self.stream(purpose, self.step)
                x = joined(self.shown(samples, stream), condition)
                return evaluate(gan.D, moment.D, x, True, stream, signs=signs, running=moment.D_state, depth=depth)

            fakes, asked = self.own_fakes(G, signs, moment)
            on_fake, verdict = ask(fakes, Purpose.D_FOR_G), slice(None if depth else 1)
            codes = codes_value(gan.codes, on_fake[:, 1:], asked, real=False)
            if not objective.compares:
                return g_value(objective, on_fake[:, verdict]), codes, signs
            on_real = ask(self.real[-self.n :], Purpose.D_FOR_G_REAL)
            return g_value(objective, on_fake[:, verdict], on_real[:, verdict]), codes, signs

        return loss


def joined(x: Array, condition: Array | None) -> Array:
    """Samples with what D is given with each, as more features or as more channels."""
    if condition is None:
        return x
    planes = condition.reshape(len(condition), *[1] * (x.ndim - 2), -1)
    return np.concatenate([x, np.broadcast_to(planes, (*x.shape[:-1], condition.shape[1]))], axis=-1)


def assert_step(
    gan: GAN, real: Array, rng: np.random.Generator, tolerance: float = 1e-6, labels: Array | None = None
) -> list[Moment]:
    """Play one step of a float64 GAN; every gradient and every metric of it is as the book has it."""
    moments, book = record(gan), Book(gan, real, labels)
    metrics = gan.step(real, labels)
    parts = book.parts()
    assert [moment.player for moment in moments] == ["D"] * len(parts) + ["G"]
    values, norms = [], []
    for (k, part), moment in zip(parts, moments, strict=False):
        loss = book.d_loss(moment, k, part)

        def total(flat: Array, loss: Callable[[Array], tuple[Any, ...]] = loss) -> tuple[float, list[Array]]:
            *terms, signs = loss(flat)
            return sum(terms), signs

        assert_gradient(total, moment.D, moment.gradient, rng, tolerance=tolerance)
        values.append(loss(moment.D)[:3])
        norms.append(np.linalg.norm(moment.gradient))
    last = moments[-1]
    g_loss = book.g_loss(last)
    assert_gradient(lambda flat: total(flat, g_loss), last.G, last.gradient, rng, tolerance=tolerance)
    per_update = len(parts) // gan.d_steps
    d_loss, d_penalty, d_codes = np.sum(values[-per_update:], axis=0)
    assert metrics["d_loss"] == pytest.approx(d_loss, rel=1e-9, abs=1e-12)
    assert metrics["d_penalty"] == pytest.approx(d_penalty, rel=1e-8)
    assert metrics["d_grad_norm"] == pytest.approx(math.hypot(*norms[-per_update:]), rel=1e-9)
    assert metrics["d_codes"] == pytest.approx(d_codes, rel=1e-9)
    assert metrics["g_loss"] == pytest.approx(g_loss(last.G)[0], rel=1e-9, abs=1e-12)
    assert metrics["g_codes"] == pytest.approx(g_loss(last.G)[1], rel=1e-9)
    assert metrics["g_grad_norm"] == pytest.approx(float(np.linalg.norm(last.gradient)), rel=1e-9)
    return moments
