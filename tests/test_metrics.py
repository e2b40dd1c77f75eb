"""The figures against closed forms, brute force and their own invariances."""

from __future__ import annotations

import itertools
import math
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from minigan import metrics
from minigan.metrics import (
    Manifold,
    Moments,
    class_shares,
    frechet_distance,
    frechet_of_moments,
    kl_divergence,
    matching,
    moments,
    nearest_neighbours,
    precision_recall,
)

Array = np.ndarray[Any, Any]
SEEDS = st.integers(0, 2**32 - 1)


def features(seed: int, n: int = 60, width: int = 4) -> Array:
    """Correlated features around some point."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, width)) @ rng.standard_normal((width, width)) + rng.standard_normal(width)


def rotation(seed: int, width: int) -> Array:
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((width, width)))[0]


# --- Fréchet distance ------------------------------------------------------------------------------------------


@given(SEEDS)
def test_moments_are_numpys(seed: int) -> None:
    x = features(seed)
    mean, covariance = moments(x.astype(np.float32))
    assert covariance.dtype == np.float64
    np.testing.assert_allclose(mean, x.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(covariance, np.cov(x, rowvar=False), atol=1e-4)


def test_moments_of_large_numbers_do_not_cancel() -> None:
    x = features(0)
    np.testing.assert_allclose(moments(x + 1e8).covariance, moments(x).covariance, rtol=1e-6)


@given(SEEDS, st.integers(1, 6))
def test_frechet_of_covariances_that_commute(seed: int, width: int) -> None:
    """With common eigenvectors, d² = |Δμ|² + Σ (√λ_a − √λ_b)²."""
    rng = np.random.default_rng(seed)
    a, b, shift = rng.uniform(0, 5, width), rng.uniform(0, 5, width), rng.standard_normal(width)
    a[rng.random(width) < 0.3] = 0  # directions in which nothing varies
    turn = rotation(seed, width)
    found = frechet_of_moments(Moments(shift, turn * a @ turn.T), Moments(np.zeros(width), turn * b @ turn.T))
    assert found == pytest.approx(shift @ shift + ((np.sqrt(a) - np.sqrt(b)) ** 2).sum(), abs=1e-10)


@given(SEEDS)
def test_frechet_of_covariances_that_do_not_commute(seed: int) -> None:
    """Two by two, the eigenvalues r, s of M^½ satisfy (r + s)² = tr M + 2 √det M."""
    rng = np.random.default_rng(seed)
    a, b = (x @ x.T for x in rng.standard_normal((2, 2, 2)))
    trace_of_root = math.sqrt(np.trace(a @ b) + 2 * math.sqrt(np.linalg.det(a) * np.linalg.det(b)))
    expected = np.trace(a) + np.trace(b) - 2 * trace_of_root
    zero = np.zeros(2)
    assert frechet_of_moments(Moments(zero, a), Moments(zero, b)) == pytest.approx(expected, abs=1e-7)


@given(SEEDS, st.integers(2, 80))
def test_equal_sets_are_at_distance_zero(seed: int, n: int) -> None:
    """Also where there are fewer rows than columns, and the rows in another order."""
    x = features(seed, n, 40)
    assert frechet_distance(x, x[::-1]) < 1e-11 * max(1.0, float(np.trace(moments(x).covariance)))


def test_sets_in_different_planes() -> None:
    """C_a C_b = 0, so nothing is subtracted; singular covariances are no obstacle."""
    rng = np.random.default_rng(0)
    a, b = np.zeros((50, 6)), np.zeros((50, 6))
    a[:, :2], b[:, 3:] = rng.standard_normal((50, 2)), 5 + rng.standard_normal((50, 3))
    shift = a.mean(axis=0) - b.mean(axis=0)
    expected = shift @ shift + a.var(axis=0, ddof=1).sum() + b.var(axis=0, ddof=1).sum()
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-13)
    assert frechet_distance(np.ones((3, 2)), np.zeros((4, 2))) == 2  # no spread at all


@given(SEEDS, st.floats(0.1, 10))
def test_frechet_is_symmetric_and_knows_no_direction(seed: int, scale: float) -> None:
    a, b = features(seed), features(seed + 1)
    turn, shift = rotation(seed, 4), np.array([3.0, -1.0, 0.5, 7.0])
    distance = frechet_distance(a, b)
    near = pytest.approx(distance, rel=1e-8, abs=1e-10)
    assert frechet_distance(b, a) == near
    assert frechet_distance(a @ turn + shift, b @ turn + shift) == near
    assert frechet_distance(scale * a, scale * b) / scale**2 == near
    assert frechet_distance(a, b + 1e-3) != distance


def test_frechet_of_many_samples_is_that_of_their_gaussians() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((40_000, 3)), 2 * rng.standard_normal((40_000, 3)) + 1
    assert frechet_distance(a, b) == pytest.approx(6, rel=0.05)  # |1|² + 3 (2 − 1)²


# --- precision and recall --------------------------------------------------------------------------------------


def brute_precision_recall(real: Array, fake: Array, k: int) -> tuple[float, float]:
    """Equations 1 and 2, word for word."""

    def inside(point: Array, points: Array) -> bool:
        for other, own in enumerate(points):
            distances = sorted(((own - p) ** 2).sum() for i, p in enumerate(points) if i != other)
            if ((point - own) ** 2).sum() <= distances[k - 1]:
                return True
        return False

    return (
        sum(inside(x, real) for x in fake) / len(fake),
        sum(inside(x, fake) for x in real) / len(real),
    )


@given(st.data(), st.integers(1, 4))
def test_precision_and_recall_are_those_of_brute_force(data: st.DataObject, k: int) -> None:
    """On a lattice, where duplicates and ties are common and arithmetic is exact."""
    real, fake = (data.draw(arrays(np.int64, (data.draw(st.integers(k + 1, 12)), 2), elements=st.integers(-4, 4)))
                  for _ in "ab")  # fmt: skip
    found = precision_recall(real, fake, k)
    assert found == pytest.approx(brute_precision_recall(real, fake, k), abs=1e-15)
    assert found == precision_recall(fake, real, k)[::-1]


def test_a_collapsed_gan_is_precise_and_recalls_nothing() -> None:
    real = np.random.default_rng(0).standard_normal((500, 3))
    assert precision_recall(real, np.repeat(real[:1], 50, axis=0)) == (1.0, 1 / 500)
    assert precision_recall(real, real) == (1.0, 1.0)
    assert precision_recall(real, real + 100) == (0.0, 0.0)
    spread = precision_recall(real, np.random.default_rng(1).uniform(-9, 9, (500, 3)))
    assert spread.precision < 0.2 < 0.8 < spread.recall


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 50, (37, 3)), rng.integers(0, 50, (41, 3))
    whole = precision_recall(a, b), nearest_neighbours(a, b), Manifold(a, 2)._squares
    for size in (1, 64, 200):
        monkeypatch.setattr(metrics.points, "BLOCK", size)
        again = precision_recall(a, b), nearest_neighbours(a, b), Manifold(a, 2)._squares
        assert again[0] == whole[0]
        np.testing.assert_array_equal(again[1].indices, whole[1].indices)
        np.testing.assert_array_equal(again[2], whole[2])


def test_memory_is_bounded() -> None:
    """6,000 x 6,000 distances would take 288 MB; the blocks that are used stay below 64."""
    x = np.random.default_rng(0).standard_normal((6000, 2))
    tracemalloc.start()
    precision_recall(x, x)
    nearest_neighbours(x, x)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64e6


# --- classes ---------------------------------------------------------------------------------------------------


def test_class_shares_count() -> None:
    labels = np.array([0, 1, 1, 3], np.uint8)
    assert class_shares(labels, 5).tolist() == [0.25, 0.5, 0, 0.25, 0]


def test_kl_divergence_by_hand() -> None:
    assert kl_divergence([0.75, 0.25]) == pytest.approx(0.75 * math.log(1.5) + 0.25 * math.log(0.5))
    assert kl_divergence([0.5, 0.5], [0.9, 0.1]) == pytest.approx(0.5 * math.log(5 / 9) + 0.5 * math.log(5))
    assert kl_divergence([1.0, 0.0, 0.0]) == pytest.approx(math.log(3))
    assert kl_divergence([0.5, 0.5], [1.0, 0.0]) == math.inf
    assert kl_divergence([1.0, 0.0], [1.0, 0.0]) == 0


@given(arrays(np.float64, (2, 5), elements=st.floats(0.01, 1)))
def test_kl_divergence_is_never_negative_and_zero_only_between_equals(counts: Array) -> None:
    p, q = counts / counts.sum(axis=1, keepdims=True)
    assert kl_divergence(p, q) >= 0.5 * np.abs(p - q).sum() ** 2 - 1e-12  # Pinsker's inequality
    assert kl_divergence(p, p) < 1e-12


# --- neighbours ------------------------------------------------------------------------------------------------


@given(st.data())
def test_nearest_neighbours_are_those_of_brute_force(data: st.DataObject) -> None:
    pixels = st.integers(0, 255)
    samples = data.draw(arrays(np.uint8, (data.draw(st.integers(1, 8)), 2, 3), elements=pixels))
    images = data.draw(arrays(np.uint8, (data.draw(st.integers(1, 8)), 2, 3), elements=pixels))
    squares = ((samples[:, None].astype(int) - images[None]) ** 2).sum(axis=(2, 3))
    found = nearest_neighbours(samples, images)
    np.testing.assert_array_equal(found.indices, squares.argmin(axis=1))
    np.testing.assert_array_equal(found.distances, np.sqrt(squares.min(axis=1)))


def test_a_copy_is_told_from_what_is_near_however_far_from_0_they_are() -> None:
    near = np.random.default_rng(0).uniform(-1, 1, (20, 5)) * 1e-3 + 1e5
    found = nearest_neighbours(near, near)
    assert found.indices.tolist() == list(range(20))
    assert not found.distances.any()


def test_a_copy_is_at_distance_zero() -> None:
    images = np.random.default_rng(0).uniform(-1, 1, (100, 28, 28)).astype(np.float32) + 50
    found = nearest_neighbours(images[[7, 3, 99]], images)
    assert found.indices.tolist() == [7, 3, 99]
    assert found.distances.tolist() == [0, 0, 0]


# --- bad input -------------------------------------------------------------------------------------------------


@given(
    gains=arrays(
        np.float64,
        st.tuples(st.integers(1, 5), st.integers(1, 5)),
        elements=st.integers(-9, 9).map(float) | st.floats(-9, 9),
    )
)
def test_no_other_matching_is_better(gains: Array) -> None:
    rows, columns = gains.shape
    found = matching(gains)
    taken = [(i, j) for i, j in enumerate(found) if j >= 0]
    assert found.shape == (rows,)
    assert len(taken) == len({j for _, j in taken}) == min(rows, columns)
    if rows <= columns:
        every = ([(i, j) for i, j in enumerate(js)] for js in itertools.permutations(range(columns), rows))
    else:
        every = ([(i, j) for j, i in enumerate(rs)] for rs in itertools.permutations(range(rows), columns))
    best = max(sum(gains[pair] for pair in pairs) for pairs in every)
    assert sum(gains[pair] for pair in taken) == pytest.approx(best, abs=1e-9)


GOOD = np.arange(12.0).reshape(6, 2)
NAN = np.where(GOOD == 5, np.nan, GOOD)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: frechet_distance(GOOD[0], GOOD), r"the features have shape \(2,\), but \(N, F\)"),
        (lambda: frechet_distance(GOOD, GOOD[:1]), "N of 2 or more"),
        (lambda: frechet_distance(GOOD, GOOD[:, :1]), "one F for both"),
        (lambda: frechet_distance(GOOD, NAN), "NaN or infinity"),
        (lambda: frechet_distance(GOOD, GOOD * 1j), "real numbers"),
        (lambda: frechet_distance(GOOD[:, :0], GOOD[:, :0]), "shape"),
        (lambda: frechet_of_moments(moments(GOOD), Moments(np.zeros(2), np.eye(3))), "covariance"),
        (lambda: frechet_of_moments(moments(GOOD), Moments(np.zeros(2), np.full((2, 2), np.inf))), "infinity"),
        (lambda: precision_recall(GOOD, GOOD[:3]), "N of 4 or more"),
        (lambda: precision_recall(GOOD, GOOD, k=0), "k takes a whole number of 1 or more, got 0"),
        (lambda: precision_recall(GOOD, GOOD, k=1.5), "got 1.5"),  # type: ignore[arg-type]
        (lambda: precision_recall(GOOD, np.ones((5, 3))), "points of 2 and of 3 numbers"),
        (lambda: precision_recall(NAN, GOOD), "NaN"),
        (lambda: Manifold(GOOD).contains(NAN), "NaN"),
        (lambda: class_shares([], 3), "whole numbers from 0 to 2"),
        (lambda: class_shares([0, 3], 3), "whole numbers from 0 to 2"),
        (lambda: class_shares([-1, 1], 3), "number the classes first"),
        (lambda: class_shares([0.0, 1.0], 3), "float64"),
        (lambda: kl_divergence([0.5, 0.6]), "sum 1"),
        (lambda: kl_divergence([1.5, -0.5]), "0 or more"),
        (lambda: kl_divergence([np.nan, 1.0]), "shares must be"),
        (lambda: kl_divergence([0.5, 0.5], [1.0]), "2 shares cannot be compared with 1"),
        (lambda: nearest_neighbours(GOOD, np.ones((3, 5))), r"samples \(6, 2\) and images \(3, 5\)"),
        (lambda: nearest_neighbours(GOOD[:0], GOOD), "at least one of each"),
        (lambda: nearest_neighbours(NAN, GOOD), "the samples hold NaN"),
        (lambda: matching([1.0, 2.0]), r"the gains have shape \(2,\)"),
        (lambda: matching(NAN), "the gains hold NaN"),
        (lambda: nearest_neighbours(GOOD, NAN), "the images hold NaN"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(call: Callable[[], Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        call()


@settings(max_examples=10)
@given(st.integers(0, 10_000), st.integers(1, 12), st.sampled_from([0.0, 0.1, 7.0, 1e6]))
def test_equal_points_are_at_no_distance_wherever_they_lie(seed: int, width: int, offset: float) -> None:
    """Where data repeats itself a ball has radius 0, and a copy must still lie in it."""
    rng = np.random.default_rng(seed)
    few = rng.standard_normal((4, width)) + offset
    real = np.repeat(few, 5, axis=0)
    assert Manifold(real, k=3)._squares.tolist() == [0.0] * 20
    fakes = np.concatenate([np.repeat(few[:2], 4, axis=0), few[:2] + 0.5])
    found = precision_recall(real, rng.permutation(fakes))
    assert found.precision == 0.8
    assert found.recall >= 0.5
    constant = np.full((9, width), offset)
    assert precision_recall(constant, constant) == (1.0, 1.0)
    assert frechet_distance(constant, constant[:4]) < 1e-15
