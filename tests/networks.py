"""What the tests build networks with, and judge gradients by. Nothing here uses a backward of minigan.

`stacks` draws random networks. `evaluate` is a second, independent forward in the plainest NumPy. `slope` is a
directional derivative by five points, which refuses to answer across a kink.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st

import minigan
from minigan import (
    AvgPool2D,
    BatchNorm,
    Chain,
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
)
from minigan.backend import Backend, Stream
from minigan.codes import Code, Codes

Array = np.ndarray[Any, Any]

seeds = st.integers(0, 2**32 - 1)
smooth = st.sampled_from([Sigmoid, Tanh, Softplus]).map(lambda kind: kind())
kinked = st.one_of(st.just(0).map(lambda _: ReLU()), st.sampled_from([0.0, 0.1, 0.2, 0.7]).map(LeakyReLU))
activations = st.one_of(smooth, kinked)
features = st.integers(1, 9)
norms = st.sampled_from([None, None, SpectralNorm, WeightNorm, functools.partial(WeightNorm, trained=False)]).map(
    lambda kind: kind and kind()
)


def randomise(net: Sequential, rng: np.random.Generator) -> Sequential:
    """Move every parameter and every running statistic away from the values that could hide a mistake."""
    state = net.state_dict()
    for name, value in state.items():
        noise = rng.standard_normal(value.shape)
        if name.endswith("running_var"):
            state[name] = rng.uniform(0.3, 2.0, value.shape)
        elif value.ndim in (2, 4):
            state[name] = noise / math.sqrt(value[0].size)
        elif name.endswith("weight"):
            state[name] = rng.choice([-1, 1], value.shape) * rng.uniform(0.5, 1.5, value.shape)
        else:
            state[name] = 0.5 * noise
    for name in [name for name in state if name.endswith("weight_orig")]:  # singular vectors, but not quite
        W, u = state[name], rng.standard_normal(len(state[name]))
        W = W.reshape(len(W), -1)
        v = W.T @ u / np.linalg.norm(W.T @ u)
        state[name.replace("orig", "u")], state[name.replace("orig", "v")] = W @ v / np.linalg.norm(W @ v), v
    net.load_state_dict(state)
    return net


def quiet(net: Sequential) -> Sequential:
    """Without Gaussian noise, whose last digits (of float32) differ from backend to backend."""
    for _, layer in net.chain.everything():
        if isinstance(layer, GaussianNoise):
            layer.std = 0.0
    return net


def hidden(rng: np.random.Generator, n: int, act: Layer | None = None, batchnorm: bool = True) -> list[Layer]:
    """Some layers that keep the number of features."""
    kinds: list[Callable[[], list[Layer]]] = [
        lambda: [LayerNorm(n, eps=float(rng.choice([1e-5, 1e-3, 0.1])))],
        lambda: [MinibatchStdDev(eps=float(rng.choice([1e-8, 1e-3, 0.1]))), Dense(n + 1, n)],
        lambda: [Dense(n, 3 * n), Maxout(3)],
        lambda: [Dropout(float(rng.choice([0.0, 0.2, 0.6])))],
        lambda: [GaussianNoise(float(rng.choice([0.0, 0.1, 1.0])), bool(rng.choice([False, True])))],
        lambda: [Rescale(float(rng.choice([-1.5, 0.5])), float(rng.choice([0.0, 0.5])))],
        lambda: [Reshape(1, n, 1), Flatten()],
        lambda: [Reshape(n, 1, 1), Conv2D(1, 2, (3, 1), padding=(1, 0)), ConvTranspose2D(2, 1, 1), Flatten()],
        lambda: [Reshape(1, n, 1), Upsample(2, "bilinear"), AvgPool2D(2), Flatten()],
        lambda: [
            Residual(Dense(n, 2), Dropout(0.2), Chain(Tanh(), GaussianNoise(0.1)), Dense(2, n, norm=WeightNorm()))
        ],
        lambda: [Skip(Dense(n, 2), Chain(LayerNorm(2), Dropout(0.2))), Dense(n + 2, n)],
    ]
    if batchnorm:
        eps = float(rng.choice([1e-5, 1e-3, 0.1]))
        kinds.append(lambda: [BatchNorm(n, momentum=0.8, eps=eps, gain=bool(rng.choice([False, True])))])
    chosen = [kinds[i]() for i in rng.permutation(len(kinds))[: rng.integers(0, 4)]]
    if act is not None:
        chosen.insert(int(rng.integers(0, len(chosen) + 1)), [act])
    return [layer for group in chosen for layer in group]


@dataclass
class Case:
    """A float64 network in a random state, and a batch for it."""

    net: Sequential
    x: Array
    rng: np.random.Generator = field(repr=False)


@st.composite
def stacks(
    draw: st.DrawFn,
    acts: st.SearchStrategy[Layer] = activations,
    backend: Backend | None = None,
    batchnorm: bool = True,
    ends: tuple[int, int] | None = None,
) -> Case:
    """One to three Dense layers with anything around them, 1 to 9 features each, batches of 1 or 2 to 9.

    ends: how many features go in and come out.
    """
    rng = np.random.default_rng(draw(seeds))
    widths = draw(st.lists(features, min_size=2, max_size=4))
    if ends is not None:
        widths[0], widths[-1] = ends
    layers = hidden(rng, widths[0], batchnorm=batchnorm)
    for n_in, n_out in itertools.pairwise(widths):
        layers.append(Dense(n_in, n_out, bias=draw(st.booleans()), norm=draw(norms)))
        layers += hidden(rng, n_out, draw(st.none() | acts), batchnorm)
    mixing = any(layer.mixes_samples for layer in layers)
    x = rng.standard_normal((draw(st.integers(2 if mixing else 1, 9)), widths[0]))
    net = Sequential(*layers, backend=backend, dtype="float64", seed=draw(seeds))
    return Case(randomise(net, rng), x, rng)


# --- an independent forward ------------------------------------------------------------------------------------


@functools.lru_cache(100)
def uniforms(stream: Stream, shape: tuple[int, ...]) -> Array:
    """NumPy's own Philox, as the design of the random streams promises."""
    words = np.array([n % 2**64 for n in (stream.seed, stream.purpose, 0, stream.step, stream.lane, 0)], np.uint64)
    bits = np.random.Philox(key=words[:2], counter=words[2:])
    return _fixed(np.random.Generator(bits).random(math.prod(shape), dtype=np.float32).reshape(shape))


def normals(stream: Stream, shape: Sequence[int]) -> Array:
    """Box and Muller's pairs, in float64 from the same uniforms: equal to minigan's up to the rounding of float32."""
    count = math.prod(shape)
    u = uniforms(stream, ((count + 1) // 2, 2)).astype(np.float64)
    radius, angle = np.sqrt(-2 * np.log1p(-u[:, 0])), 2 * math.pi * u[:, 1]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).ravel()[:count].reshape(shape)


def parameters(net: Sequential, flat: Array) -> dict[str, Array]:
    """The flat parameters cut up by name, in the documented order."""
    parts, offset = {}, 0
    for name, parameter in net.parameters.items():
        part = flat[offset : offset + math.prod(parameter.shape)].reshape(parameter.shape)
        parts[name] = part.transpose(parameter.axes)
        offset += math.prod(parameter.shape)
    return parts


def evaluate(
    net: Sequential,
    flat: Array,
    x: Array,
    train: bool,
    stream: Stream,
    *,
    running: dict[str, Array] | None = None,
    signs: list[Array] | None = None,
    seen: dict[str, tuple[Array, Array]] | None = None,
    depth: int | None = None,
    many: bool = False,
) -> Array:
    """The network's output, for these parameters. Textbook formulas only; nothing of minigan computes here.

    x: real, or complex for `along`. many: it holds several batches, one behind the other, that do not meet.
    running: the running statistics, if not the present ones. signs: collects which side of a kink each element is on.
    seen: collects mean and unbiased variance of each batch that a BatchNorm was trained on. depth: how many layers.
    """
    p = parameters(net, flat)
    running = net.state_dict() if running is None else running

    def through(layers: Sequence[Layer], x: Array, inside: str = "", lanes: Iterator[int] | None = None) -> Array:
        """x behind these layers. inside: which layer holds them, as "3."; lanes: of random numbers, if one does."""
        for place, layer in enumerate(layers):
            i, lane = f"{inside}{place}", place if lanes is None else next(lanes)
            numbers = stream._replace(lane=lane)
            below = itertools.count((place + 1) * 2**32) if lanes is None else lanes
            match layer:
                case Residual():
                    x = x + through(layer.layers, x, f"{i}.", below)
                case Skip():
                    x = np.concatenate([x, through(layer.layers, x, f"{i}.", below)], axis=-1)
                case Chain():
                    x = through(layer.layers, x, f"{i}.", below)
                case Dense():
                    x = x @ weight(layer, i, p, running).T + p.get(f"{i}.bias", 0.0)
                case Conv2D() | ConvTranspose2D() | Upsample() | AvgPool2D():
                    images = image_layer(layer, i, x.reshape(-1, *x.shape[-3:]), p, running)
                    x = images.reshape(*x.shape[:-3], *images.shape[1:])
                case BatchNorm():
                    mean, var = (running[f"{i}.running_{what}"] for what in ("mean", "var"))
                    if train:
                        axes = tuple(range(many, x.ndim - 1))
                        mean, var = average(x, axes), variance(x, axes)
                        if seen is not None:
                            rows = x.reshape(-1, x.shape[-1])
                            seen[f"{i}"] = rows.mean(axis=0), rows.var(axis=0, ddof=1)
                    x = p.get(f"{i}.weight", 1.0) * (x - mean) / np.sqrt(var + layer.eps) + p[f"{i}.bias"]
                case LayerNorm():
                    x_hat = (x - average(x, -1)) / np.sqrt(variance(x, -1) + layer.eps)
                    x = p[f"{i}.weight"] * x_hat + p[f"{i}.bias"]
                case MinibatchStdDev():
                    deviation = average(np.sqrt(variance(x, -2) + layer.eps), -1)
                    x = np.concatenate([x, np.broadcast_to(deviation, (*x.shape[:-1], 1))], axis=-1)
                case Maxout():
                    pieces = x.reshape(*x.shape[:-1], layer.pieces, -1)
                    largest = pieces.real.argmax(axis=-2)
                    if signs is not None:
                        signs.append(largest)
                    x = np.take_along_axis(pieces, largest[..., None, :], axis=-2)[..., 0, :]
                case ReLU() | LeakyReLU():
                    if signs is not None:
                        signs.append(x.real > 0)
                    x = np.where(x.real > 0, x, x * getattr(layer, "negative_slope", 0.0))
                case Rescale():
                    x = layer.scale * x + layer.offset
                case Sigmoid():
                    x = 1 / (1 + np.exp(-x))
                case Tanh():
                    x = np.tanh(x)
                case Softplus():
                    x = np.logaddexp(0, x) if np.isrealobj(x) else np.log1p(np.exp(x))
                case Dropout() if train and layer.p:
                    kept = uniforms(numbers, x.shape[many:]) >= layer.p
                    x = np.where(kept, x / (1 - layer.p), 0.0)
                case GaussianNoise() if train and layer.std:
                    x = x + layer.std * drawn_normals(net.backend, numbers, x.shape[many:], layer.pooled)
                case Reshape():
                    x = x.reshape(*x.shape[: 1 + many], *layer.shape)
                case Flatten():
                    x = x.reshape(*x.shape[: 1 + many], -1)
        return x

    return through(net.layers[:depth], x)


def image_layer(layer: Layer, i: str, x: Array, p: dict[str, Array], running: dict[str, Array]) -> Array:
    """Layer i, such as "3.0", of images (N, H, W, C)."""
    match layer:
        case Conv2D():
            return conv(x, weight(layer, i, p, running), layer._stride, layer._padding) + p.get(f"{i}.bias", 0.0)
        case ConvTranspose2D():
            W, extra = p[f"{i}.weight"], layer._output_padding
            return transposed(x, W, layer._stride, layer._padding, extra) + p.get(f"{i}.bias", 0.0)
        case Upsample():
            S = [spread(size, layer.factor, layer.mode) for size in x.shape[1:3]]
            return np.einsum("yh,zv,nhvc->nyzc", *S, x)
        case AvgPool2D(kernel=k):
            return x.reshape(len(x), x.shape[1] // k, k, x.shape[2] // k, k, -1).mean(axis=(2, 4))
    raise NotImplementedError(layer)


def conv(x: Array, W: Array, stride: tuple[int, int], padding: tuple[int, int]) -> Array:
    """A convolution of images with channels last by a weight (out, in, kh, kw), window by window."""
    x = np.pad(x, [(0, 0), *((p, p) for p in padding), (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(x, W.shape[2:], axis=(1, 2))  # (N, places, places, C, kh, kw)
    return np.einsum("nyzcij,ocij->nyzo", windows[:, :: stride[0], :: stride[1]], W)


def transposed(x: Array, W: Array, stride: tuple[int, int], padding: tuple[int, int], extra: tuple[int, int]) -> Array:
    """A transposed convolution by a weight (in, out, kh, kw): zeros between the pixels, and a turned convolution."""
    (n, h, w, c), kernel = x.shape, W.shape[2:]
    spread = np.zeros((n, (h - 1) * stride[0] + 1, (w - 1) * stride[1] + 1, c), x.dtype)
    spread[:, :: stride[0], :: stride[1]] = x
    around = [(k - 1, k - 1 + e) for k, e in zip(kernel, extra, strict=True)]
    full = conv(np.pad(spread, [(0, 0), *around, (0, 0)]), W[:, :, ::-1, ::-1].swapaxes(0, 1), (1, 1), (0, 0))
    return full[:, padding[0] : full.shape[1] - padding[0], padding[1] : full.shape[2] - padding[1]]


def spread(n: int, factor: int, mode: str) -> Array:
    """The matrix (factor · n, n) that makes a line of pixels longer, one new pixel at a time."""
    S = np.zeros((factor * n, n))
    for new in range(factor * n):
        at = np.clip((new + 0.5) / factor - 0.5, 0, n - 1) if mode == "bilinear" else new // factor
        low = int(at)
        S[new, low] += 1 - (at - low)
        S[new, min(low + 1, n - 1)] += at - low
    return S


def along(net: Sequential, flat: Array, x: Array, direction: Array, train: bool, stream: Stream) -> float:
    """⟨d Σy/dx, direction⟩ by a complex step, Im f(x + ih d)/h: exact to the last digits, since h can be tiny."""
    return float(evaluate(net, flat, x + 1e-30j * direction, train, stream).imag.sum()) * 1e30


def average(x: Array, axis: int | tuple[int, ...]) -> Array:
    """The mean along some axes, which stay."""
    axes = (axis,) if isinstance(axis, int) else axis
    return np.add.reduce(x, axes, keepdims=True) / math.prod(x.shape[a] for a in axes)


def variance(x: Array, axis: int | tuple[int, ...]) -> Array:
    """Along some axes, also of a complex step: without the absolute value that NumPy takes."""
    return average((x - average(x, axis)) ** 2, axis)


def input_gradient(
    net: Sequential,
    flat: Array,
    x: Array,
    stream: Stream,
    running: dict[str, Array] | None = None,
    outputs: int | None = None,
) -> Array:
    """The gradient of the sum of outputs in training with respect to x, by imaginary steps: Im f(x + ih)/h.

    outputs: the first so many of them, or all. Without a difference there is no rounding, however small h is (Squire
    and Trapp 1998).
    """
    h, mixing = 1e-30, net.mixes_samples
    steps = np.eye(x.size if mixing else x[0].size)  # of all samples at once, where their steps do not meet
    stepped = x + 1j * h * steps.reshape(-1, *(x.shape if mixing else (1, *x.shape[1:])))
    felt = evaluate(net, flat, stepped, True, stream, running=running, many=True).imag / h
    felt = felt[:, :, :outputs].reshape(*felt.shape[:2], -1).sum(axis=2)
    return (felt.sum(axis=1) if mixing else felt.T).reshape(x.shape)


def weight(layer: Dense | Conv2D, i: str, p: dict[str, Array], running: dict[str, Array]) -> Array:
    """The weight of layer i, as a function of its parameters."""
    match layer.norm:
        case SpectralNorm():
            W = p[f"{i}.weight_orig"]
            return W / (running[f"{i}.weight_u"] @ W.reshape(len(W), -1) @ running[f"{i}.weight_v"])
        case WeightNorm():
            V = p[f"{i}.weight_v"]
            lengths = (p if layer.norm.trained else running)[f"{i}.weight_g"]
            return lengths * V / np.sqrt((V * V).sum(axis=tuple(range(1, V.ndim)), keepdims=True))
    return p[f"{i}.weight"]


@functools.lru_cache(100)
def drawn_normals(be: Backend, stream: Stream, shape: tuple[int, ...], pooled: bool = False) -> Array:
    """The backend's own normals (test_backends.py holds them to `normals`), to the last bit."""
    out = be.empty(shape, np.float64)
    (be.pooled if pooled else be.normal)(out, stream)
    return _fixed(be.to_numpy(out))


def _fixed(array: Array) -> Array:
    array.flags.writeable = False
    return array


# --- an independent judge --------------------------------------------------------------------------------------


def slope(f: Callable[[Array], tuple[float, Any]], at: Array, direction: Array) -> float | None:
    """df/dt of f(at + t · direction) at 0 by five points, at the step where two steps agree best.

    f also says where it was: None if that is not the same at the five points of any two steps (a kink lies between).
    """
    best, least, last = None, math.inf, None
    for h in (1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6):
        points = [f(at + k * h * direction) for k in (-2, -1, 1, 2)]
        if not all(same(points[0][1], where) for _, where in points[1:]):
            continue
        a, b, c, d = (value for value, _ in points)
        estimate = (8 * (c - b) - (d - a)) / (12 * h)
        if last is not None and abs(estimate - last) < least:
            best, least = estimate, abs(estimate - last)
            if least <= 1e-9 * abs(estimate):
                break
        last = estimate
    return best


def same(a: Any, b: Any) -> bool:
    """Two sequences of arrays are equal, NaN to NaN."""
    return len(a) == len(b) and all(np.array_equal(u, v, equal_nan=True) for u, v in zip(a, b, strict=True))


def assert_gradient(
    f: Callable[[Array], tuple[float, Any]],
    at: Array,
    gradient: Array,
    rng: np.random.Generator,
    directions: int = 3,
    tolerance: float = 1e-6,
) -> None:
    """⟨gradient, d⟩ is the slope of f along random unit directions d, to a relative error of 1e-6."""
    assert gradient.shape == at.shape
    size = float(np.linalg.norm(gradient)) / math.sqrt(max(1, gradient.size))
    value = abs(f(at)[0])
    for _ in range(directions):
        d = rng.standard_normal(at.shape)
        d /= np.linalg.norm(d)
        numeric, analytic = slope(f, at, d), float(np.vdot(gradient, d))
        if numeric is not None:
            scale = max(size, abs(numeric), abs(analytic))
            rounding = 2e-10 * (1 + value)  # of the finite difference, which batchnorm over two samples magnifies
            assert abs(numeric - analytic) <= tolerance * scale + rounding, (numeric, analytic, scale)


def worst(errors: dict[str, float]) -> float:
    """The largest of gradcheck's errors, or NaN if there is one: an array that could not be checked is not right."""
    return float(np.max(list(errors.values())))


def flat_of(net: Sequential) -> Array:
    return net.packed(net.flat)


def quadratic(
    rng: np.random.Generator, shape: Sequence[int]
) -> tuple[Callable[[Array], float], Callable[[Array], Array]]:
    """A random loss ½ Σ w y² + Σ c y that weights every output differently, and its gradient."""
    w, c = rng.uniform(0.5, 1.5, shape), rng.standard_normal(shape)
    return lambda y: float((0.5 * w * y * y + c * y).sum()), lambda y: w * y + c


def pair(
    backend: Backend | None = None,
    dtype: str = "float32",
    samples: int = 3,
    seed: int = 1,
    packing: int = 1,
    critic: bool = False,
    codes: Sequence[Code] = (),
) -> tuple[Sequential, Sequential]:
    """A small G and D with batchnorm, dropout and noise in both: whatever could be mixed up between passes is there.

    critic: a D on which penalties can be put, with the other norms in the place of batchnorm. codes: what G is asked
    for, and D is given or predicts.
    """
    known = Codes(codes)
    given = 0 if known.given is None else known.given.k
    be = minigan.get_backend("numpy") if backend is None else backend
    G = Sequential(
        Dense(2 + known.width, 5), BatchNorm(5, momentum=0.8), LeakyReLU(0.2), Dropout(0.2),
        GaussianNoise(0.1), Dense(5, samples), Tanh(),
        backend=be, dtype=dtype, seed=seed,
    )  # fmt: skip
    first: list[Layer] = [Dense(packing * (samples + given), 6), BatchNorm(6, momentum=0.8)]
    if critic:
        first = [Dense(packing * (samples + given), 6, norm=SpectralNorm()), LayerNorm(6)]
    D = Sequential(
        GaussianNoise(0.1), *first, LeakyReLU(0.2), Dropout(0.3),
        Dense(6, 4, norm=WeightNorm() if critic else None), Softplus(), Dense(4, 1 + known.outputs),
        backend=be, dtype=dtype, seed=seed + 1,
    )  # fmt: skip
    rng = np.random.default_rng(seed)
    return randomise(G, rng), randomise(D, rng)


def narrowed(gan: minigan.GAN, divisor: int, **changes: Any) -> minigan.GAN:
    """The same game with a fraction of the hidden units, beginning anew, and perhaps with other options."""
    pixels = math.prod(gan.sample_shape)
    codes = Codes(gan.codes)
    given = 0 if codes.given is None else codes.given.k
    kept = {1 + codes.outputs, gan.latent + codes.width, pixels, gan.packing * (pixels + given)}
    description = gan.describe() | changes
    for layer in description["G"]["layers"] + description["D"]["layers"]:
        for name in {"n_in", "n_out", "n_features"} & layer.keys():
            n = layer[name]
            layer[name] = n if n in kept else n // divisor + n % divisor  # 256 and one more keep the one
    return minigan.GAN.build(description, gan.backend)
