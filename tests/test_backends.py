"""Every backend is the reference, operation by operation; random numbers are those of the known generator."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from networks import normals, seeds, uniforms

from minigan import LeakyReLU, ReLU, Sigmoid, Softplus, Tanh, get_backend
from minigan.backend import (
    Arena,
    Backend,
    FreshArena,
    Purpose,
    Share,
    Stream,
    absent,
    numba_backend,
    numpy_backend,
    philox,
)
from minigan.backend.cupy_backend import CupyBackend
from minigan.backend.numba_backend import NumbaBackend
from minigan.backend.numpy_backend import NumpyBackend
from minigan.backend.threads import blas_threads

Array = np.ndarray[Any, Any]

reference = get_backend("reference")
sides = st.one_of(st.integers(1, 9), st.sampled_from([31, 64, 97]))
dtypes = st.sampled_from(["float32", "float64"])
activations = st.sampled_from([None, LeakyReLU(0.2), LeakyReLU(0.0), ReLU(), Sigmoid(), Tanh(), Softplus()])
any_seed = st.one_of(st.integers(0, 9), st.integers(-(2**63), 2**64 - 1))
steps = st.integers(0, 2**63 - 1)
streams = st.builds(Stream, any_seed, st.sampled_from(list(Purpose)), steps, st.integers(0, 2**20), share=st.none())


@pytest.fixture(params=[16, 1 << 16], ids=["small blocks", "default blocks"])
def _blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut sweeps into blocks of 16 elements as well, so that small arrays have many, with a ragged last one."""
    monkeypatch.setattr(numpy_backend, "BLOCK", request.param)


def public(cls: type) -> dict[str, inspect.Signature]:
    return {n: inspect.signature(f) for n, f in inspect.getmembers(cls, inspect.isfunction) if not n.startswith("_")}


def close(actual: Array, expected: Array, dtype: Any, work: int = 1) -> None:
    """Equal to rounding: `work` sums of numbers of the size of the largest."""
    assert actual.dtype == expected.dtype == np.dtype(dtype)
    if expected.dtype.kind != "f":
        assert np.array_equal(actual, expected)
        return
    size = float(np.abs(expected).max(initial=0.0))
    eps = float(np.finfo(dtype).eps)
    np.testing.assert_allclose(actual, expected, rtol=20 * eps * work, atol=20 * eps * work * max(1.0, size))


class Bench:
    """Runs one operation on a backend and on the reference, on copies of the same arrays, and compares all of them."""

    def __init__(self, be: Backend, seed: int, dtype: str) -> None:
        self.be, self.dtype, self.rng = be, dtype, np.random.default_rng(seed)

    def draw(self, *shape: int) -> Array:
        return self.rng.standard_normal(shape).astype(self.dtype)

    def junk(self, *shape: int) -> Array:
        """Memory that was never cleared, at its worst."""
        return np.full(shape, np.nan, self.dtype)

    def same(self, call: Callable[..., Any], *arrays: Array, work: int = 100) -> None:
        """`call(backend, *arrays)` returns scalars or None; the arrays may be changed."""
        mine, theirs = [self.be.asarray(a.copy()) for a in arrays], [a.copy() for a in arrays]
        result, expected = call(self.be, *mine), call(reference, *theirs)
        for a, b in zip(mine, theirs, strict=True):
            close(self.be.to_numpy(a), b, b.dtype, work)
        results = result if isinstance(result, tuple) else (result,)
        expecteds = expected if isinstance(expected, tuple) else (expected,)
        for a, b in zip(results, expecteds, strict=True):
            if b is not None:
                assert a.shape == ()
                close(self.be.to_numpy(a), np.asarray(b), self.dtype, work)


benches = st.tuples(seeds, dtypes)


# --- the interface ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", [NumpyBackend, NumbaBackend, CupyBackend])
def test_operations_have_the_names_and_signatures_of_the_reference(cls: type[Backend]) -> None:
    assert public(cls) == public(Backend)


def test_get_backend_names_what_there_is() -> None:
    assert get_backend("numpy").name == "numpy"
    assert get_backend("reference").name == "reference"
    assert get_backend("auto").name == next(n for n in ("cupy", "numba", "numpy") if n not in absent())
    be = get_backend("numpy")
    assert get_backend(be) is be
    assert repr(be) == "<minigan backend 'numpy'>"
    with pytest.raises(
        ValueError, match=r"unknown backend 'jax': choose one of auto, numpy, numba, cupy, cupy-eager, .*, reference"
    ):
        get_backend("jax")


def test_threads_are_a_choice_of_the_cpu_backends() -> None:
    be = get_backend("numpy", threads=3)
    assert isinstance(be, NumpyBackend)
    assert be.threads == 3
    assert NumpyBackend().threads == (blas_threads.count() or 1)
    for threads in (0, -1, 1.5, "2"):
        with pytest.raises((ValueError, TypeError), match="threads"):
            get_backend("numpy", threads=threads)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="the reference backend has no threads to choose, got 2"):
        get_backend("reference", threads=2)


def test_numba_says_which_extra_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "numba", None)
    numba_backend._compiled.cache_clear()
    with pytest.raises(ImportError, match=r"\.\[fast\]"):
        get_backend("numba")
    assert set(absent()) >= {"numba"}
    assert get_backend("auto").name in ("numpy", "cupy")


def test_cupy_says_which_extra_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cupy", None)
    with pytest.raises(ImportError, match=r"\.\[cuda12\]"):
        get_backend("cupy")
    assert get_backend("auto").name in ("numpy", "numba")


@given(hnp.arrays(np.float32, hnp.array_shapes(max_dims=3)), dtypes)
def test_arrays_go_in_and_come_out_unchanged(backend: Backend, a: Array, dtype: str) -> None:
    inside = backend.asarray(a.T, dtype)
    assert inside.flags.c_contiguous
    assert inside.dtype == dtype
    out = backend.to_numpy(inside)
    np.testing.assert_array_equal(out, a.T.astype(dtype))
    out[...] = 7  # a copy: what is inside does not change
    np.testing.assert_array_equal(backend.to_numpy(inside), a.T.astype(dtype))
    assert not backend.to_numpy(backend.zeros((2, 3), dtype)).any()
    backend.synchronize()


# --- linear algebra --------------------------------------------------------------------------------------------


@given(benches, sides, sides, sides, st.booleans(), st.booleans(), st.booleans())
def test_gemm(
    backend: Backend, bench: tuple[int, str], m: int, k: int, n: int, ta: bool, tb: bool, accumulate: bool
) -> None:
    b = Bench(backend, *bench)
    x, y = b.draw(k, m) if ta else b.draw(m, k), b.draw(n, k) if tb else b.draw(k, n)
    out = b.draw(m, n) if accumulate else b.junk(m, n)
    left, right = x.T if ta else x, y.T if tb else y

    def call(be: Backend, x: Any, y: Any, out: Any) -> None:
        be.gemm(x.T if ta else x, y.T if tb else y, out, accumulate)

    b.same(call, x, y, out)
    result = backend.asarray(out.copy())
    call(backend, backend.asarray(x), backend.asarray(y), result)
    expected = np.einsum("ik,kj->ij", left.astype("f8"), right.astype("f8")) + (out if accumulate else 0)
    close(backend.to_numpy(result), expected.astype(b.dtype), b.dtype, 100)


@given(benches, st.lists(st.tuples(sides, sides, sides, st.booleans(), st.booleans()), min_size=1, max_size=4))
def test_gemms_are_products_that_need_nothing_of_each_other(
    backend: Backend, bench: tuple[int, str], products: list[tuple[int, int, int, bool, bool]]
) -> None:
    b = Bench(backend, *bench)
    arrays: list[Array] = []
    for m, k, n, transposed, accumulate in products:
        left = b.draw(k, m) if transposed else b.draw(m, k)
        arrays += [left, b.draw(k, n), b.draw(m, n) if accumulate else b.junk(m, n)]

    def call(be: Backend, *arrays: Any) -> None:
        triples = zip(arrays[::3], arrays[1::3], arrays[2::3], strict=True)
        be.gemms([(a.T if t else a, w, out, acc) for (a, w, out), (*_, t, acc) in zip(triples, products, strict=True)])

    b.same(call, *arrays)


@given(benches, sides, sides, st.booleans())
def test_column_sum(backend: Backend, bench: tuple[int, str], n: int, f: int, accumulate: bool) -> None:
    b = Bench(backend, *bench)
    out = b.draw(f) if accumulate else b.junk(f)
    b.same(lambda be, x, out: be.column_sum(x, out, accumulate), b.draw(n, f), out)


@given(benches, sides, st.sampled_from([1.0, 1e-25, 1e25]))
def test_norm_neither_overflows_nor_underflows(backend: Backend, bench: tuple[int, str], n: int, scale: float) -> None:
    b = Bench(backend, *bench)
    x = b.draw(n) * np.dtype(b.dtype).type(scale)
    expected = math.sqrt(math.fsum(float(v) ** 2 for v in x))
    assert float(backend.norm(backend.asarray(x))) == pytest.approx(expected, rel=1e-5)
    assert backend.norm(backend.asarray(x)).dtype == b.dtype


def test_norm_of_nothing_zeros_and_what_is_not_finite(backend: Backend) -> None:
    def norm(*values: float) -> float:
        return float(backend.norm(backend.asarray(np.array(values, np.float32))))

    assert norm() == norm(0, 0) == 0
    assert math.isnan(norm(1, np.nan))
    assert not math.isfinite(norm(1, np.inf))


# --- layers ----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_blocks")
@given(benches, sides, sides, activations, st.booleans(), st.booleans())
@example((0, "float32"), 5, 9, LeakyReLU(0.2), True, False)
@example((0, "float32"), 0, 4, LeakyReLU(0.2), True, False)
@example((0, "float32"), 16, 8, Tanh(), False, True)  # of 256 numbers, which are taken as one row
def test_bias_act(
    backend: Backend, bench: tuple[int, str], n: int, f: int, act: Any, biased: bool, inplace: bool
) -> None:
    b = Bench(backend, *bench)

    def call(be: Backend, x: Any, bias: Any, out: Any) -> None:
        be.bias_act(x, bias if biased else None, act, x if inplace else out)

    shape = (n, f) if biased else (2, n, f)  # without a bias it may be any
    b.same(call, b.draw(*shape), b.draw(f), b.draw(*shape))


@pytest.mark.usefixtures("_blocks")
@given(benches, sides, sides, activations, st.booleans(), st.booleans())
def test_bias_act_grad(
    backend: Backend, bench: tuple[int, str], n: int, f: int, act: Any, biased: bool, accumulate: bool
) -> None:
    b = Bench(backend, *bench)
    y = b.draw(n, f)
    reference.bias_act(y, None, act, y)

    def call(be: Backend, dy: Any, y: Any, out: Any, dbias: Any) -> None:
        be.bias_act_grad(dy, y, act, out, dbias if biased else None, accumulate)

    b.same(call, b.draw(n, f), y, b.junk(n, f), b.draw(f) if accumulate or not biased else b.junk(f))


@given(benches, sides, st.integers(2, 6), sides, st.booleans())
def test_maxout_its_gradient_and_its_tangent(
    backend: Backend, bench: tuple[int, str], n: int, k: int, f: int, ties: bool
) -> None:
    b = Bench(backend, *bench)
    x = b.draw(n, k, f)
    if ties:
        x = np.round(x)
    b.same(lambda be, *arrays: be.maxout(*arrays), x, b.junk(n, f), np.full((n, f), 99, np.int32))
    winners = x.argmax(axis=1).astype(np.int32)
    b.same(lambda be, *arrays: be.maxout_grad(*arrays), b.draw(n, f), winners, b.junk(n, k, f))
    b.same(lambda be, *arrays: be.maxout_tangent(*arrays), b.draw(n, k, f), winners, b.junk(n, f))


@pytest.mark.parametrize("where", [0, 1, 2])
def test_maxout_hides_no_nan(backend: Backend, where: int) -> None:
    x = np.zeros((1, 3, 1), np.float32)
    x[0, where], x[0, where - 1] = np.nan, 5
    out, winners = backend.empty((1, 1), np.float32), backend.empty((1, 1), np.int32)
    backend.maxout(backend.asarray(x), out, winners)
    assert np.isnan(backend.to_numpy(out)).all()


def test_tanh_is_right_to_the_last_places(backend: Backend) -> None:
    x = np.concatenate(
        [np.linspace(-12, 12, 40_001), np.geomspace(1e-30, 1e-3, 2_000), [0, 1e30, -1e30, np.inf, -np.inf]]
    )
    x = x.astype(np.float32).reshape(1, -1)
    y, bias = backend.asarray(x.copy()), backend.zeros((x.size,), "float32")
    backend.bias_act(y, bias, Tanh(), y)
    exact = np.tanh(x.astype(np.float64))
    assert (np.abs(backend.to_numpy(y) - exact) <= 4 * np.spacing(np.abs(exact).astype(np.float32))).all()
    assert np.abs(backend.to_numpy(y)).max() == 1
    nan = backend.asarray(np.full((2, 1), np.nan, np.float32))
    backend.bias_act(nan, bias[:1], Tanh(), nan)
    assert np.isnan(backend.to_numpy(nan)).all()


@pytest.mark.usefixtures("_blocks")
@given(benches, st.integers(2, 40), sides, activations, st.booleans())
def test_batchnorm_and_its_gradients(
    backend: Backend, bench: tuple[int, str], n: int, f: int, act: Any, from_batch: bool
) -> None:
    b = Bench(backend, *bench)
    x, dy, gamma, beta = 3 + b.draw(n, f), b.draw(n, f), b.draw(f), b.draw(f)
    mean, inv_std = x.mean(axis=0), 1 / np.sqrt(x.var(axis=0) + np.dtype(b.dtype).type(0.1))
    y = b.junk(n, f)
    reference.normalize(x, gamma, beta, mean, inv_std, act, y)

    b.same(
        lambda be, x, gamma, beta, *out: be.batchnorm(x, gamma, beta, 0.1, act, *out),
        *(x, gamma, beta, b.junk(n, f), b.junk(f), b.junk(f), b.junk(f)),
    )
    b.same(lambda be, *a: be.normalize(*a[:-1], act, a[-1]), x, gamma, beta, mean, inv_std, b.junk(n, f))
    b.same(
        lambda be, dy, y, *a: be.batchnorm_grad(dy, y, act, *a, from_batch),
        *(dy, y, x, gamma, mean, inv_std, b.junk(f), b.junk(f)),
        work=1000,
    )


@pytest.mark.usefixtures("_blocks")
@pytest.mark.parametrize("f", [1, 11])
def test_a_batch_of_more_than_a_thousand(backend: Backend, f: int) -> None:
    """More rows than any kernel has threads."""
    n, b = 1031, Bench(backend, 0, "float32")
    x, dy, gamma, beta, act = b.draw(n, f), b.draw(n, f), b.draw(f), b.draw(f), LeakyReLU(0.2)
    b.same(lambda be, *a: be.batchnorm(*a[:3], 0.1, act, *a[3:]), x, gamma, beta, b.junk(n, f), *[b.junk(f)] * 3)
    b.same(
        lambda be, dy, y, *a: be.batchnorm_grad(dy, y, act, *a, True),
        *(dy, x, x, gamma, x.mean(axis=0), 1 / x.std(axis=0), b.junk(f), b.junk(f)),
        work=1000,
    )
    b.same(lambda be, dy, y, out, db: be.bias_act_grad(dy, y, act, out, db), dy, x, b.junk(n, f), b.junk(f), work=1000)
    b.same(lambda be, x, out: be.column_sum(x, out), x, b.junk(f), work=1000)
    b.same(lambda be, x: be.norm(x), x)
    if f == 1:
        b.same(lambda be, logits, grad: be.logistic(logits, 0.9, grad), x, b.junk(n, 1))
        b.same(lambda be, real, fake: be.verdicts(real, fake), x, dy)


@given(benches, st.integers(2, 9), sides, st.floats(0, 0.99), st.booleans())
def test_running_statistics_move_where_they_are_finite(
    backend: Backend, bench: tuple[int, str], n: int, f: int, momentum: float, broken: bool
) -> None:
    b = Bench(backend, *bench)
    mean, var, running_mean, running_var = b.draw(f), abs(b.draw(f)), b.draw(f), abs(b.draw(f))
    if broken:
        mean[0], var[-1] = np.nan, np.inf
    with np.errstate(invalid="ignore"):
        b.same(lambda be, *a: be.track(*a[:2], n, momentum, *a[2:]), mean, var, running_mean, running_var)


@given(benches, sides, sides, st.floats(0, 1))
def test_logistic_and_judge(backend: Backend, bench: tuple[int, str], n: int, m: int, target: float) -> None:
    b = Bench(backend, *bench)
    logits, others = (b.draw(k, 1) * b.rng.choice([1, 30, 1000]).astype(b.dtype) for k in (n, m))
    b.same(lambda be, logits, grad: be.logistic(logits, target, grad), logits, b.junk(n, 1))
    b.same(lambda be, real, fake: be.verdicts(real, fake), logits, others)
    b.same(lambda be, wide, grad: be.logistic(wide[:, :1], target, grad[:, 1:]), b.draw(n, 2), b.draw(n, 2))
    b.same(lambda be, wide: be.verdicts(wide[:, 1:], wide[:, :1]), b.draw(n, 2))  # not contiguous


@given(benches, sides, sides, st.floats(0, 1))
def test_classify_is_logistic_of_both_sides_and_judge(
    backend: Backend, bench: tuple[int, str], n: int, m: int, target: float
) -> None:
    b = Bench(backend, *bench)
    logits, others = (b.draw(k, 1) * b.rng.choice([1, 30, 1000]).astype(b.dtype) for k in (n, m))

    def call(be: Backend, *arrays: Any) -> tuple[Any, ...]:
        loss, judgement = be.classify(*arrays[:2], target, *arrays[2:])
        return loss, *judgement

    b.same(call, logits, others, b.junk(n, 1), b.junk(m, 1))


def test_judge_counts_logits_on_the_right_side(backend: Backend) -> None:
    values = np.array([-1000, -0.01, 0, 0.01, 1000], np.float32).reshape(-1, 1)
    both = backend.asarray(values)
    d_real, d_fake, right_real, right_fake = (float(x) for x in backend.verdicts(both, both[1:4] * 200))
    assert d_real == pytest.approx(0.5)
    assert d_fake == pytest.approx((1 / (1 + math.exp(-2)) + 0.5 + 1 / (1 + math.exp(2))) / 3)
    assert right_real == pytest.approx(2 / 5)
    assert right_fake == pytest.approx(2 / 3)


def test_metrics_are_kept_row_by_row(backend: Backend) -> None:
    table = backend.zeros((3, 2), "float32")
    for step in range(5):
        scalars = backend.asarray(np.array([step, -step], "float32"))
        backend.record([scalars[0], scalars[1]], table, step)
    assert backend.to_numpy(table).tolist() == [[3, -3], [4, -4], [2, -2]]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_gradient_is_finite_if_its_norm_and_the_loss_are(backend: Backend, dtype: str) -> None:
    good, nan, infinity = backend.asarray(np.array([1, np.nan, np.inf], dtype))
    gradient, bad = (backend.asarray(np.array([3, last], dtype)) for last in (4, np.nan))
    for grad, loss, finite in ((gradient, good, True), (bad, good, False), (gradient, nan, False)):
        assert backend.grad_norm(grad, loss)[1] == finite
    assert not backend.grad_norm(gradient, infinity)[1]
    norm, finite = backend.grad_norm(gradient, good)  # one bad answer is not remembered
    assert finite
    assert float(norm) == 5


def test_numbers_come_as_the_hosts(backend: Backend) -> None:
    scalars = backend.asarray(np.array([0.1, -2, np.inf], "float32"))
    assert backend.numbers(list(scalars)) == [float(np.float32(0.1)), -2, np.inf]


def test_a_counter_counts_and_can_be_set(backend: Backend) -> None:
    counter = backend.counter()
    counter.advance()
    assert counter.now() == counter.value == 1
    counter.value = 7
    counter.advance()
    assert counter.now() == 8
    assert backend.scheduled(lambda t: 0.5 * t, counter) == 4


# --- update rules ----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_blocks")
@given(benches, st.integers(1, 70), st.integers(1, 1000), st.floats(0, 0.99), st.floats(0, 0.999))
def test_update_rules(backend: Backend, bench: tuple[int, str], n: int, t: int, first: float, second: float) -> None:
    b = Bench(backend, *bench)
    p, g, m, v = b.draw(n), b.draw(n), b.draw(n), abs(b.draw(n)) + np.dtype(b.dtype).type(0.1)
    b.same(lambda be, *a: be.sgd(*a, 0.1, first, t), p, g, m)
    b.same(lambda be, *a: be.rmsprop(*a, 0.1, second, 1e-7, t), p, g, v)
    b.same(lambda be, *a: be.adam(*a, 0.1, first, second, 1e-7, t), p, g, m, v)
    b.same(lambda be, *a: be.optimistic_adam(*a, 0.1, first, second, 1e-7, t), p, g, m, v, b.draw(n))
    b.same(lambda be, *a: be.average(*a, first, t), p, g)
    b.same(lambda be, *a: be.average(*a, first, t), b.draw(n, 3), b.draw(n, 3))


# --- random numbers --------------------------------------------------------------------------------------------


def philox4x64(counter: list[int], key: list[int]) -> list[int]:
    """Philox4x64-10 in Python integers, from the paper (Salmon et al. 2011, section 3.3)."""
    mask = 2**64 - 1
    for _ in range(10):
        high0, low0 = divmod(0xD2E7470EE14C6C93 * counter[0], 2**64)
        high1, low1 = divmod(0xCA5A826395121157 * counter[2], 2**64)
        counter = [high1 ^ counter[1] ^ key[0], low1, high0 ^ counter[3] ^ key[1], low0]
        key = [(key[0] + 0x9E3779B97F4A7C15) & mask, (key[1] + 0xBB67AE8584CAA73B) & mask]
    return counter


ONES = 2**64 - 1
KNOWN_ANSWERS = [  # Random123's kat_vectors, "philox4x64 10": counter, key, answer
    ([0] * 4, [0] * 2, [0x16554D9ECA36314C, 0xDB20FE9D672D0FDC, 0xD7E772CEE186176B, 0x7E68B68AEC7BA23B]),
    ([ONES] * 4, [ONES] * 2, [0x87B092C3013FE90B, 0x438C3C67BE8D0224, 0x9CC7D7C69CD777B6, 0xA09CAEBF594F0BA0]),
    (
        [0x243F6A8885A308D3, 0x13198A2E03707344, 0xA4093822299F31D0, 0x082EFA98EC4E6C89],  # digits of π
        [0x452821E638D01377, 0xBE5466CF34E90C6C],
        [0xA528F45403E61D95, 0x38C72DBD566E9788, 0xA5A1610E72FD18B5, 0x57BD43B5E52B7FE6],
    ),
]


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN_ANSWERS, ids=["zeros", "ones", "pi"])
def test_philox_gives_the_known_answers(counter: list[int], key: list[int], answer: list[int]) -> None:
    assert philox4x64(counter, key) == answer
    before = (sum(c << 64 * i for i, c in enumerate(counter)) - 1) % 2**256  # NumPy counts before it draws
    numpys = np.random.Philox(
        key=np.array(key, np.uint64), counter=np.array([before >> 64 * i & ONES for i in range(4)], np.uint64)
    )
    assert numpys.random_raw(4).tolist() == answer


@given(streams, st.integers(1, 40))
def test_words_are_philox_of_seed_purpose_block_step_and_lane(stream: Stream, count: int) -> None:
    key = [stream.seed % 2**64, int(stream.purpose)]
    blocks = [philox4x64([i + 1, stream.step, stream.lane, 0], key) for i in range(5)]
    words = [half for block in blocks for word in block for half in (word & 0xFFFFFFFF, word >> 32)]
    assert philox.words(np, stream, count).tolist() == words[:count]


@given(streams, hnp.array_shapes(max_dims=3, max_side=9), dtypes)
def test_uniforms_are_bit_for_bit_those_of_numpys_philox(
    backend: Backend, stream: Stream, shape: tuple[int, ...], dtype: str
) -> None:
    out = backend.empty(shape, dtype)
    backend.uniform(out, stream)
    np.testing.assert_array_equal(backend.to_numpy(out), uniforms(stream, shape).astype(dtype))
    assert out.dtype == dtype


@given(streams, hnp.array_shapes(max_dims=3, max_side=9), dtypes)
def test_normals_are_box_and_mullers(backend: Backend, stream: Stream, shape: tuple[int, ...], dtype: str) -> None:
    out = backend.empty(shape, dtype)
    backend.normal(out, stream)
    np.testing.assert_allclose(backend.to_numpy(out), normals(stream, shape), rtol=1e-5, atol=3e-6)
    assert out.dtype == dtype


@functools.cache
def whole_pool() -> Array:
    return normals(Stream(0, Purpose.POOL), (2**20,))


@given(streams, st.one_of(hnp.array_shapes(max_dims=3, max_side=9), st.just((2, philox.POOL - 3))), dtypes)
@settings(max_examples=30)
def test_pooled_normals_are_those_of_the_pool_from_some_place_on(
    backend: Backend, stream: Stream, shape: tuple[int, ...], dtype: str
) -> None:
    out = backend.empty(shape, dtype)
    backend.pooled(out, stream)
    start = philox.words(np, stream, 1)[0] >> 12
    places = (int(start) + np.arange(out.size)) % 2**20
    wanted = whole_pool()[places].reshape(shape)
    np.testing.assert_allclose(backend.to_numpy(out), wanted, rtol=1e-5, atol=3e-6)
    assert out.dtype == dtype


def test_the_pool_is_normal() -> None:
    pool = philox.pool().astype(np.float64)
    assert pool.size == philox.POOL
    assert abs(pool.mean()) < 4e-3
    assert abs(pool.std() - 1) < 3e-3
    assert abs((pool[:-1] * pool[1:]).mean()) < 4e-3
    assert abs((pool**4).mean() - 3) < 0.04


def test_how_independent_draws_from_the_pool_are() -> None:
    """As said of `Backend.pooled`: numbers in one place of two draws do not know of each other, and as many pairs of
    draws share some, in different places, as chance has it."""
    k, m, be = 200, 5000, get_backend("numpy")
    draws = np.empty((k, m), np.float32)
    for step in range(k):
        be.pooled(draws[step], Stream(9, Purpose.CALL, step))
    alike = np.corrcoef(draws)[np.triu_indices(k, 1)] * np.sqrt(m)  # normal, were they independent
    assert abs(alike.mean()) < 0.05
    assert abs(alike.std() - 1) < 0.05
    assert abs(alike).max() < 5.5
    starts = np.array([int(philox.place(np, Stream(9, Purpose.CALL, step))[0]) for step in range(k)])
    apart = np.abs(starts[:, None] - starts)[np.triu_indices(k, 1)]
    sharing = int((np.minimum(apart, philox.POOL - apart) < m).sum())
    assert sharing == pytest.approx(k * k * m / philox.POOL, rel=0.2)  # 191


@given(streams, hnp.array_shapes(max_dims=3, max_side=9), dtypes, st.floats(0, 2))
def test_perturb_adds_normals(backend: Backend, stream: Stream, shape: tuple[int, ...], dtype: str, std: float) -> None:
    x = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    out, noise = backend.empty(shape, dtype), backend.empty(shape, dtype)
    backend.perturb(backend.asarray(x), std, 3, stream, out)
    backend.normal(noise, stream)
    np.testing.assert_allclose(backend.to_numpy(out), x + std * backend.to_numpy(noise), rtol=1e-5, atol=1e-6)
    assert out.dtype == dtype


@given(streams, st.integers(1, 60), st.integers(1, 60))
def test_a_longer_draw_begins_with_the_shorter(backend: Backend, stream: Stream, short: int, more: int) -> None:
    for draw in (backend.uniform, backend.normal, backend.pooled):
        a, b = backend.empty((short,), "float32"), backend.empty((short + more,), "float32")
        draw(a, stream)
        draw(b, stream)
        np.testing.assert_array_equal(backend.to_numpy(a), backend.to_numpy(b)[:short])


@given(st.lists(streams, min_size=2, max_size=5, unique=True))
def test_streams_that_differ_anywhere_share_no_numbers(backend: Backend, drawn: list[Stream]) -> None:
    first = drawn[0]
    drawn += [
        first._replace(seed=first.seed ^ 1),
        first._replace(purpose=first.purpose % len(Purpose) + 1),
        first._replace(step=first.step ^ 1),
        first._replace(lane=first.lane ^ 1),
    ]
    seen = set()
    for stream in set(drawn):
        seen.add(philox.words(np, stream, 8).tobytes())
        out = backend.empty((8,), "float32")
        backend.uniform(out, stream)
        np.testing.assert_array_equal(backend.to_numpy(out), uniforms(stream, (8,)))
    assert len(seen) == len(set(drawn))


def test_every_purpose_has_a_key_of_its_own() -> None:
    assert len({int(p) for p in Purpose}) == len(Purpose.__members__)


@given(
    stream=streams,
    rows=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    size=st.integers(2, 4),
    columns=st.integers(1, 5),
    kind=st.sampled_from(["uniform", "normal", "pooled"]),
)
def test_processes_draw_their_rows_of_the_same_noise(
    backend: Backend, stream: Stream, rows: list[int], size: int, columns: int, kind: str
) -> None:
    whole = backend.empty((size * sum(rows), columns), np.float32)
    getattr(backend, kind)(whole, stream)
    for rank in range(size):
        own = backend.empty((sum(rows), columns), np.float32)
        getattr(backend, kind)(own, stream._replace(share=Share(rank, size, tuple(rows))))
        begin, expected = 0, []
        for n in rows:  # of each minibatch, one behind the other
            expected.append(backend.to_numpy(whole)[begin * size + rank * n : begin * size + (rank + 1) * n])
            begin += n
        np.testing.assert_array_equal(backend.to_numpy(own), np.concatenate(expected))


@given(
    n=st.integers(1, 40), each=st.integers(1, 9), size=st.integers(1, 4), turn=st.integers(0, 50), seed=any_seed,
    bytes_=st.booleans(),
)  # fmt: skip
def test_processes_draw_their_rows_of_the_same_minibatch(
    backend: Backend, n: int, each: int, size: int, turn: int, seed: int, bytes_: bool
) -> None:
    data = backend.asarray(np.arange(2 * n).reshape(n, 2).astype(np.uint8 if bytes_ else np.float32))
    whole = backend.empty((size * each, 2), np.float32)
    backend.draw(data, turn, size * each, seed, whole)
    for rank in range(size):
        own = backend.empty((each, 2), np.float32)
        backend.draw(data, turn, size * each, seed, own, rank * each)
        np.testing.assert_array_equal(backend.to_numpy(own), backend.to_numpy(whole)[rank * each : (rank + 1) * each])


@given(n=st.integers(2, 9), features=st.integers(1, 5), seed=st.integers(0, 99), act=st.sampled_from([None, Tanh()]))
def test_the_statistics_of_all_are_those_of_one_that_is_alone(
    backend: Backend, n: int, features: int, seed: int, act: Any
) -> None:
    rng = np.random.default_rng(seed)
    x, dy = (rng.normal(1, 2, (n, features)) for _ in range(2))
    gamma, beta = rng.normal(0, 1, (2, features))

    def both_ways(name: str, *more: Any) -> list[np.ndarray[Any, Any]]:
        given_, g = [backend.asarray(a, "float64") for a in (x, gamma, beta)], backend.asarray(dy.copy())
        y, (mean, var, inv_std, dgamma, dbeta) = (
            backend.empty(x.shape, "float64"),
            (backend.empty((features,), "float64") for _ in range(5)),
        )
        getattr(backend, name)(*given_, 1e-3, act, y, mean, var, inv_std)
        getattr(backend, f"{name}_grad")(g, y, act, given_[0], given_[1], mean, inv_std, dgamma, dbeta, *more)
        return [backend.to_numpy(a) for a in (y, mean, var, inv_std, dgamma, dbeta, g)]

    for ours, theirs in zip(both_ways("batchnorm_of_all"), both_ways("batchnorm", True), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-11)


def test_moments_of_uniforms_and_normals(backend: Backend) -> None:
    n = 200_000
    u, z = backend.empty((n,), "float64"), backend.empty((n,), "float64")
    backend.uniform(u, Stream(1, 4, 5))
    backend.normal(z, Stream(1, 5, 5))
    u, z = backend.to_numpy(u), backend.to_numpy(z)
    assert 0 <= u.min() < 1e-4
    assert 1 - 1e-4 < u.max() < 1
    for k, moment in ((1, 1 / 2), (2, 1 / 3), (3, 1 / 4)):
        assert (u**k).mean() == pytest.approx(moment, abs=5 / math.sqrt(n))
    for k, moment, spread in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):  # spread: variance of z^k
        assert (z**k).mean() == pytest.approx(moment, abs=5 * math.sqrt(spread / n))
    assert abs(np.corrcoef(z[::2], z[1::2])[0, 1]) < 5 / math.sqrt(n / 2)  # the two halves of a pair
    assert 4 < abs(z).max() < 5.8


# --- minibatches -----------------------------------------------------------------------------------------------


def order(be: Backend, n: int, start: int, count: int, seed: int) -> Array:
    out = be.empty((count,), np.int64)
    be.minibatch(out, n, start, 1, seed)
    return be.to_numpy(out)


@given(st.integers(1, 70), st.integers(0, 10), any_seed)
def test_each_epoch_is_a_permutation(backend: Backend, n: int, epoch: int, seed: int) -> None:
    assert sorted(order(backend, n, epoch * n, n, seed).tolist()) == list(range(n))


@given(st.integers(1, 30), st.integers(0, 40), st.integers(1, 40), st.integers(1, 9), any_seed)
def test_minibatches_are_pieces_of_one_endless_sequence(
    backend: Backend, n: int, start: int, count: int, batch: int, seed: int
) -> None:
    whole = order(reference, n, 0, start + count, seed)
    np.testing.assert_array_equal(order(backend, n, start, count, seed), whole[start:])
    pieces = [order(backend, n, i, min(batch, start + count - i), seed) for i in range(0, start + count, batch)]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)
    turn = backend.empty((batch,), np.int64)
    backend.minibatch(turn, n, 3, batch, seed)
    np.testing.assert_array_equal(backend.to_numpy(turn), order(reference, n, 3 * batch, batch, seed))


def test_epochs_and_seeds_shuffle_differently(backend: Backend) -> None:
    orders = [order(backend, 20, 20 * epoch, 20, seed).tobytes() for epoch in range(7) for seed in range(7)]
    assert len(set(orders)) == len(orders)


def test_every_item_comes_everywhere_equally_often() -> None:
    n, epochs = 7, 1400
    table = np.stack([order(reference, n, n * e, n, 3) for e in range(epochs)])
    for position in range(n):
        counts = np.bincount(table[:, position], minlength=n)
        chi_square = float(((counts - epochs / n) ** 2 / (epochs / n)).sum())
        assert chi_square < 25  # 6 degrees of freedom: one of seven passes this by chance in 400 runs
    follows = np.bincount(table[:, 0] * n + table[:, 1], minlength=n * n)
    assert sorted(follows)[n] > 0.5 * epochs / (n * (n - 1))  # any two can be neighbours, none is its own


@given(benches, st.integers(1, 9), st.integers(1, 9), st.booleans())
def test_gather(backend: Backend, bench: tuple[int, str], n: int, count: int, bytes_: bool) -> None:
    b = Bench(backend, *bench)
    data = b.rng.integers(0, 256, (n, 3, 2)).astype(np.uint8) if bytes_ else b.draw(n, 3, 2)
    picks = b.rng.integers(0, n, count)
    out = backend.empty((count, 3, 2), b.dtype)
    backend.gather(backend.asarray(data), backend.asarray(picks), out)
    expected = data[picks] / 127.5 - 1 if bytes_ else data[picks]
    np.testing.assert_allclose(backend.to_numpy(out), expected, rtol=0, atol=2e-7 if bytes_ else 0)
    assert out.dtype == b.dtype


@given(benches, st.integers(1, 9), st.integers(0, 40), st.integers(1, 9), st.integers(1, 5), any_seed, st.booleans())
def test_draw_is_gather_of_a_minibatch(
    backend: Backend, bench: tuple[int, str], n: int, turn: int, size: int, count: int, seed: int, bytes_: bool
) -> None:
    b = Bench(backend, *bench)
    data = b.rng.integers(0, 256, (n, 3, 2)).astype(np.uint8) if bytes_ else b.draw(n, 3, 2)
    out, picks = backend.empty((count, 3, 2), b.dtype), reference.empty((count,), np.int64)
    backend.draw(backend.asarray(data), turn, size, seed, out)
    reference.minibatch(picks, n, turn, size, seed)
    expected = data[picks] / 127.5 - 1 if bytes_ else data[picks]
    np.testing.assert_allclose(backend.to_numpy(out), expected, rtol=0, atol=2e-7 if bytes_ else 0)


@given(benches, st.integers(1, 9), st.integers(0, 40), st.integers(1, 9), any_seed, st.data())
def test_replace_is_the_way_back_of_draw(
    backend: Backend, bench: tuple[int, str], n: int, turn: int, size: int, seed: int, data: st.DataObject
) -> None:
    b, count = Bench(backend, *bench), data.draw(st.integers(0, n))
    kept, samples = b.draw(n, 3, 2), b.draw(count, 3, 2)
    changed, found = backend.asarray(kept.copy()), backend.empty((count, 3, 2), b.dtype)
    backend.replace(changed, turn, size, seed, backend.asarray(samples))
    backend.draw(changed, turn, size, seed, found)
    picks = reference.empty((count,), np.int64)
    reference.minibatch(picks, n, turn, size, seed)
    for place, sample in zip(picks, samples, strict=True):  # where an epoch ends within, one may come twice
        kept[place] = sample
    np.testing.assert_array_equal(backend.to_numpy(changed), kept)
    np.testing.assert_array_equal(backend.to_numpy(found), kept[picks])


def test_bytes_map_to_the_ends_of_the_interval_and_stay_in_it(backend: Backend) -> None:
    every = np.arange(256, dtype=np.uint8).reshape(256, 1)
    out = backend.empty((256, 1), "float32")
    backend.gather(backend.asarray(every), backend.asarray(np.arange(256)), out)
    values = backend.to_numpy(out)[:, 0]
    assert values[0] == -1
    assert values[255] == 1
    assert (np.diff(values) > 0).all()


# --- memory ----------------------------------------------------------------------------------------------------

requests = st.lists(st.tuples(hnp.array_shapes(max_dims=2, max_side=4), dtypes), min_size=1, max_size=8)


@given(requests)
def test_an_arena_gives_the_same_arrays_after_rewind(backend: Backend, wanted: list[Any]) -> None:
    arena = backend.arena()
    first = [arena.empty(*request) for request in wanted]
    assert len({id(a) for a in first}) == len(first)
    assert [(a.shape, a.dtype) for a in first] == [(shape, np.dtype(dtype)) for shape, dtype in wanted]
    stamp = arena.stamp
    arena.rewind()
    assert arena.stamp == stamp + 1
    assert all(arena.empty(*request) is a for request, a in zip(wanted, first, strict=True))
    assert len(arena._arrays) == len(first)


@given(requests, requests)
def test_an_arena_follows_a_change_of_shapes(backend: Backend, before: list[Any], after: list[Any]) -> None:
    arena = Arena(backend)
    for request in before:
        arena.empty(*request)
    arena.rewind()
    arrays = [arena.empty(*request) for request in after]
    assert [(a.shape, a.dtype) for a in arrays] == [(shape, np.dtype(dtype)) for shape, dtype in after]
    assert len({id(a) for a in arrays}) == len(arrays)


def test_a_heap_never_repeats_itself(backend: Backend) -> None:
    arena = FreshArena(backend)
    assert arena.empty((2,), "float32") is not arena.empty((2,), "float32")
    assert arena.stamp == 0
