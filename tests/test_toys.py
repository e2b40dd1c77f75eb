"""Toys against integrals and many samples, files of points, and the figures that hold samples against a toy."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from minigan.datasets import csv
from minigan.datasets.toys import NAMES, Checkerboard, Grid, Mixture, Toy, get_toy
from minigan.metrics import class_shares, js_divergence, kl_divergence, mode_coverage

Array = np.ndarray[Any, Any]


def centres(edges: Array, dim: int) -> Array:
    """The middle of each cell, (cells^dim, dim), in the order of `mass`."""
    middle = (edges[:-1] + edges[1:]) / 2
    return np.stack(np.meshgrid(*[middle] * dim, indexing="ij"), axis=-1).reshape(-1, dim)


def gauss(edges: Array, dim: int) -> tuple[Array, Array]:
    """Points and weights of Gauss and Legendre's rule, three points on an axis of each cell: (k^dim, 3^dim, dim)."""
    at, weight = np.polynomial.legendre.leggauss(3)
    middle, half = (edges[:-1] + edges[1:]) / 2, np.diff(edges) / 2
    axis = middle[:, None] + half[:, None] * at  # (k, 3)
    weights = half[:, None] * weight
    if dim == 1:
        return axis[:, :, None], weights
    k = len(middle)
    x = np.broadcast_to(axis[:, None, :, None], (k, k, 3, 3))
    y = np.broadcast_to(axis[None, :, None, :], (k, k, 3, 3))
    return (
        np.stack([x, y], axis=-1).reshape(k * k, 9, 2),
        (weights[:, None, :, None] * weights[None, :, None, :]).reshape(k * k, 9),
    )


# --- densities, masses and samples ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gaussian", "mixture", "spiral", "moons", "checkerboard"])
def test_mass_is_the_integral_of_the_density(name: str) -> None:
    toy = get_toy(name)
    edges = np.linspace(*toy.bounds, 61)  # a checkerboard's lines fall on edges
    points, weights = gauss(edges, toy.dim)
    integral = (toy.density(points.reshape(-1, toy.dim)).reshape(weights.shape) * weights).sum(axis=1)
    np.testing.assert_allclose(toy.mass(edges).ravel(), integral, atol=2e-6)
    assert 0.997 < integral.sum() <= 1 + 1e-9


@pytest.mark.parametrize(("name", "reach"), [("ring", 0.06), ("grid", 0.3)])
def test_mass_of_narrow_bells_is_the_integral_around_one(name: str, reach: float) -> None:
    toy = get_toy(name)
    mean = toy.means[-2]  # both of its coordinates are others
    edges = np.union1d(*(np.linspace(m - reach, m + reach, 41) for m in mean))  # the same for both axes
    points, weights = gauss(edges, 2)
    integral = (toy.density(points.reshape(-1, 2)).reshape(weights.shape) * weights).sum(axis=1)
    middle = (edges[:-1] + edges[1:]) / 2
    near = np.logical_and.outer(*(np.abs(middle - m) < reach for m in mean))
    assert near.sum() == 40 * 40
    mass = toy.mass(edges)
    np.testing.assert_allclose(mass[near], integral[near.ravel()], atol=1e-8)
    assert mass[near].sum() == pytest.approx(1 / len(toy.means), abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_all_of_the_mass_is_one(name: str) -> None:
    toy = get_toy(name)
    assert toy.mass(np.linspace(-20, 20, 5)).sum() == pytest.approx(1, abs=1e-12)
    assert toy.mass(np.array(toy.bounds)).sum() > 0.997  # the bounds show it


@pytest.mark.parametrize("name", NAMES)
def test_samples_have_the_moments_of_the_density(name: str) -> None:
    toy, n = get_toy(name), 40_000
    x = toy.sample(n, seed=3).astype(np.float64)
    assert x.shape == (n, toy.dim)
    if isinstance(toy, Mixture):
        mean = toy.means.mean(axis=0)
        covariance = np.cov(toy.means, rowvar=False, bias=True).reshape(toy.dim, toy.dim) if len(toy.means) > 1 else 0
        covariance = covariance + toy.std**2 * np.eye(toy.dim)
    else:  # a square of side 4, half of it: x y is positive on the diagonal squares as often as negative
        mean = np.zeros(2)
        cells = centres(np.linspace(-2, 2, 401), 2)
        covariance = np.einsum("n,ni,nj->ij", toy.density(cells) * 0.01**2, cells, cells)
    spread = np.sqrt(np.diag(covariance))
    np.testing.assert_array_less(np.abs(x.mean(axis=0) - mean), 5 * spread / math.sqrt(n))
    np.testing.assert_allclose(np.cov(x, rowvar=False).reshape(toy.dim, -1), covariance, atol=0.03 * spread.max() ** 2)


@pytest.mark.parametrize("name", NAMES)
def test_samples_fall_into_cells_by_their_mass(name: str) -> None:
    toy, n = get_toy(name), 40_000
    grid = Grid(toy, 12)
    shares = grid.shares(toy.sample(n, seed=1))
    assert shares.shape == grid.truth.shape == (12**toy.dim + 1,)
    assert shares.sum() == pytest.approx(1)
    assert grid.truth.sum() == pytest.approx(1)
    np.testing.assert_array_less(np.abs(shares - grid.truth), 5 * np.sqrt(grid.truth / n) + 2 / n)
    likely = grid.truth * n > 10
    chi = (n * (shares - grid.truth)[likely] ** 2 / grid.truth[likely]).sum()
    degrees = max(likely.sum() - 1, 1)
    assert chi < degrees + 5 * math.sqrt(2 * degrees)


def test_what_lies_outside_has_a_cell_of_its_own() -> None:
    grid = Grid(get_toy("gaussian"), 4)
    assert grid.shares([[100.0], [-100.0], [2.1], [2.2]]).tolist() == [0, 0, 0.5, 0, 0.5]


@pytest.mark.parametrize("name", NAMES)
def test_samples_depend_on_the_seed_alone(name: str) -> None:
    toy = get_toy(name)
    one, again, other = toy.sample(50, seed=1), get_toy(name).sample(50, seed=1), toy.sample(50, seed=2)
    assert one.dtype == np.float32
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)


def test_the_ring_has_8_modes_of_standard_deviation_a_hundredth() -> None:
    ring = get_toy("ring")
    assert len(np.unique(ring.means.round(6), axis=0)) == 8
    np.testing.assert_allclose(np.hypot(*ring.means.T), 1)
    gaps = np.linalg.norm(ring.means - np.roll(ring.means, 1, axis=0), axis=1)
    np.testing.assert_allclose(gaps, 2 * math.sin(math.pi / 8))
    assert spread(ring) == pytest.approx(0.01, rel=0.02)


def test_the_grid_has_25_modes_of_standard_deviation_a_twentieth() -> None:
    grid = get_toy("grid")
    assert sorted(map(tuple, grid.means.tolist())) == [(x, y) for x in range(-4, 5, 2) for y in range(-4, 5, 2)]
    assert spread(grid) == pytest.approx(0.05, rel=0.02)


def spread(toy: Mixture) -> float:
    """The standard deviation of samples about the nearest mean."""
    x = toy.sample(20_000).astype(np.float64)
    distances = ((x[:, None] - toy.means) ** 2).sum(axis=2)
    return math.sqrt(distances.min(axis=1).mean() / 2)


@given(
    arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(1, 2)), elements=st.floats(-3, 3)),
    st.floats(0.2, 2.0),
    st.integers(0, 2**31),
)
def test_any_mixture_agrees_with_its_definition(means: Array, std: float, seed: int) -> None:
    toy = Mixture("any", means, std, (-5.0, 5.0))
    x = np.random.default_rng(seed).uniform(-4, 4, (7, toy.dim))
    norm = (2 * math.pi * std**2) ** (toy.dim / 2)
    by_hand = [
        sum(math.exp(-sum((a - b) ** 2 for a, b in zip(p, m, strict=True)) / (2 * std**2)) for m in means.tolist())
        / (len(means) * norm)
        for p in x.tolist()
    ]
    np.testing.assert_allclose(toy.density(x), by_hand, rtol=1e-9)
    fine, coarse = np.linspace(-30, 30, 61), np.array([-30, 0.0, 30])
    assert toy.mass(fine).sum() == pytest.approx(1, abs=1e-9)
    parts = toy.mass(fine).reshape(*[2, 30] * toy.dim).sum(axis=tuple(range(1, 2 * toy.dim, 2)))
    np.testing.assert_allclose(parts, toy.mass(coarse), atol=1e-12)  # masses of parts add up


@pytest.mark.parametrize("squares", [2, 4, 6])
def test_a_checkerboard_lies_on_black_squares(squares: int) -> None:
    board = Checkerboard(squares)
    x = board.sample(5000)
    assert (board.density(x) == 0.125).mean() > 0.999  # float32 may round a point onto a line
    assert board.density(x + np.array([board.side, 0])).mean() < 0.001
    assert len(np.unique(np.floor((x + 2) / board.side).clip(0, squares - 1), axis=0)) == squares**2 // 2


def test_a_board_and_a_mixture_refuse_what_they_cannot_be() -> None:
    for squares in (0, 3):
        with pytest.raises(ValueError, match=f"even number of squares on a side, got {squares}"):
            Checkerboard(squares)
    for means in (np.zeros((0, 2)), np.zeros(3), np.zeros((2, 3)), np.array([[math.nan]])):
        with pytest.raises(ValueError, match="finite means"):
            Mixture("m", means, 1.0, (0, 1))
    for std in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="positive standard deviation"):
            Mixture("m", np.zeros((1, 1)), std, (0, 1))


def test_toys_say_what_is_wrong() -> None:
    with pytest.raises(ValueError, match="unknown toy 'rings': choose one of gaussian, mixture, ring"):
        get_toy("rings")
    for name in NAMES:
        toy = get_toy(name)
        with pytest.raises(ValueError, match=r"points of shape \(3,\) were given, but \(N, "):
            toy.density(np.zeros(3))
        with pytest.raises(ValueError, match="n must be"):
            toy.sample(0)
    with pytest.raises(ValueError, match="no samples have no shares"):
        Grid(get_toy("ring")).shares(np.zeros((0, 2)))


# --- coverage of modes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "modes", "divergence"), [("ring", 8, 0.0014), ("grid", 25, 0.0048)])
def test_the_row_of_the_true_data(name: str, modes: int, divergence: float) -> None:
    """2,500 samples of the data: PacGAN's tables would have 98.9 % and this reverse KL, (M − 1)/(2 N), in them."""
    toy = get_toy(name)
    rows = [mode_coverage(toy.sample(2500, seed), toy.means, toy.std) for seed in range(20)]
    assert {row.modes for row in rows} == {modes}
    error = math.sqrt(0.98889 * 0.01111 / 2500 / 20)
    assert np.mean([row.high_quality for row in rows]) == pytest.approx(1 - math.exp(-4.5), abs=4 * error)
    spread = math.sqrt(2 * (modes - 1) / 20) / (2 * 2500)  # of a mean of χ²/(2 N)
    assert np.mean([row.reverse_kl for row in rows]) == pytest.approx(divergence, abs=4 * spread)


@given(st.integers(0, 2**31), st.integers(1, 6), st.floats(0.05, 2))
def test_coverage_agrees_with_a_loop(seed: int, modes: int, std: float) -> None:
    rng = np.random.default_rng(seed)
    x, means = rng.normal(size=(30, 2)), rng.normal(size=(modes, 2))
    counts = [0] * modes
    for point in x:
        distances = [math.dist(point, mean) for mean in means]
        if min(distances) <= 3 * std:
            counts[int(np.argmin(distances))] += 1
    found, good = mode_coverage(x, means, std), sum(counts)
    assert (found.modes, found.high_quality) == (sum(c > 0 for c in counts), pytest.approx(good / 30))
    if good:
        expected = sum(c / good * math.log(c / good * modes) for c in counts if c)
        assert found.reverse_kl == pytest.approx(expected, abs=1e-12)
    else:
        assert math.isnan(found.reverse_kl)


def test_std_is_a_standard_deviation() -> None:
    """Not a variance: 0.03 is at the rim of 3 sigma for 0.01."""
    inside, outside = mode_coverage([[0.0299, 0.0]], [[0.0, 0.0]], 0.01), mode_coverage([[0.0301, 0]], [[0.0, 0]], 0.01)
    assert (inside.high_quality, outside.high_quality) == (1, 0)


def test_coverage_of_far_modes_does_not_cancel() -> None:
    toy = Mixture("far", np.array([[1e6, 0.0], [-1e6, 0.0]]), 1.0, (-1, 1))
    x = toy.means[np.arange(1000) % 2] + np.random.default_rng(0).standard_normal((1000, 2))
    near = mode_coverage(x, toy.means, 1.0)
    assert near.modes == 2
    assert near.high_quality == pytest.approx(0.989, abs=0.015)


def test_coverage_says_what_is_wrong() -> None:
    good = np.zeros((2, 2))
    for std in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="std is the standard deviation of a mode"):
            mode_coverage(good, good, std)
    with pytest.raises(ValueError, match="cannot be compared"):
        mode_coverage(good, np.zeros((2, 1)), 1.0)
    with pytest.raises(ValueError, match="the samples hold NaN"):
        mode_coverage([[math.nan, 0]], good, 1.0)
    with pytest.raises(ValueError, match="the modes have shape"):
        mode_coverage(good, np.zeros(2), 1.0)


# --- Jensen and Shannon --------------------------------------------------------------------------------------


def shares_of(weights: list[float]) -> Array:
    return np.array(weights) / sum(weights)


WEIGHTS = st.lists(st.floats(0, 1).map(lambda w: 0.0 if w < 1e-3 else w), min_size=4, max_size=4).filter(any)


@given(WEIGHTS, WEIGHTS)
def test_js_divergence_is_a_symmetric_mean_of_entropies(a: list[float], b: list[float]) -> None:
    """JSD = H(m) − (H(p) + H(q))/2, between 0 and log 2."""
    p, q = shares_of(a), shares_of(b)

    def entropy(shares: Array) -> float:
        return -sum(s * math.log(s) for s in shares if s > 0)

    found = js_divergence(p, q)
    assert found == pytest.approx(entropy((p + q) / 2) - (entropy(p) + entropy(q)) / 2, abs=1e-12)
    assert found == pytest.approx(js_divergence(q, p), abs=1e-15)
    assert 0 <= found <= math.log(2) + 1e-12


def test_js_divergence_of_equal_and_of_disjoint_shares() -> None:
    assert js_divergence([0.2, 0.8], [0.2, 0.8]) == 0
    assert js_divergence([0.2, 0.8, 0], [0, 0, 1]) == pytest.approx(math.log(2))


def test_js_divergence_of_samples_is_of_the_size_that_it_says() -> None:
    """About (cells − 1)/(8 N) by chance, where all cells are likely."""
    uniform, n = np.full(50, 0.02), 5000
    rng = np.random.default_rng(0)
    found = [js_divergence(uniform, class_shares(rng.integers(50, size=n), 50)) for _ in range(50)]
    assert np.mean(found) == pytest.approx(49 / (8 * n), rel=0.15)


def test_js_divergence_says_what_is_wrong() -> None:
    with pytest.raises(ValueError, match="take the same cells for both"):
        js_divergence([1.0], [0.5, 0.5])
    for name, p, q in (("p", [0.5, 0.6], [0.5, 0.5]), ("q", [0.5, 0.5], [1.5, -0.5]), ("p", [math.nan], [1.0])):
        with pytest.raises(ValueError, match=f"{name} must be a row of numbers of 0 or more with sum 1"):
            js_divergence(p, q)
    assert kl_divergence([0.5, 0.5], [1.0, 0.0]) == math.inf


# --- points from a file -------------------------------------------------------------------------------------


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "points.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@given(arrays(np.float32, st.tuples(st.integers(1, 5), st.integers(1, 3)), elements=st.floats(-1e6, 1e6, width=32)),
       st.booleans(), st.sampled_from(["\n", "\r\n"]))  # fmt: skip
def test_what_was_written_is_read(tmp_path: Path, points: Array, names: bool, end: str) -> None:
    head = [",".join("abc"[: points.shape[1]])] if names else []
    rows = [",".join(repr(float(number)) for number in row) for row in points]
    found = csv.read(written(tmp_path, end.join([*head, *rows])))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, points)


@pytest.mark.parametrize(
    ("text", "points"),
    [
        ("x,y\n1,2\n\n 3 , 4e0 \n", [[1, 2], [3, 4]]),
        ("\ufeffx,y\n1,2", [[1, 2]]),
        ("\ufeff1,2\n", [[1, 2]]),
        ('"1","-2.5"\n', [[1, -2.5]]),
        ("7\n8\n", [[7], [8]]),
        ("\n\nx\n7\n", [[7]]),  # names may come after empty lines
    ],
)
def test_files_as_people_write_them(tmp_path: Path, text: str, points: list[list[float]]) -> None:
    assert csv.read(written(tmp_path, text)).tolist() == points


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2\n3,four\n", "line 2: expected numbers between commas, got '3,four'"),
        ("x,2\n3,4\n", "line 1: expected numbers between commas, got 'x,2'"),
        ("x,y\na,b\n1,2", "line 2: expected numbers between commas, got 'a,b'"),
        ("1,2\n\n3\n", "line 3: 1 numbers, but 2 in rows before"),
        ("1,2\n3,\n", "line 2: expected numbers"),
        ("1,nan\n", "line 1: '1,nan' is not finite"),
        ("1,2\n1,1e39\n", "line 2: '1,1e39' is not finite"),  # more than a float32 holds
        ("", "holds no points"),
        ("x,y\n", "holds no points"),
        (b"\xff\xfe\x00", "is no text file"),
        ('"a\nb",c\n1,two\n', "line 3: expected numbers"),  # lines of the file, not rows: a name may have two
    ],
)
def test_a_file_that_is_wrong_is_named_with_its_line(tmp_path: Path, text: str | bytes, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ValueError, match="points") as caught:
        csv.read(path)
    assert message in str(caught.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        csv.read(tmp_path / "none.csv")


def test_a_toy_is_abstract() -> None:
    for call in (lambda t: t.sample(1), lambda t: t.density([[0.0]]), lambda t: t.mass(np.zeros(2))):
        with pytest.raises(NotImplementedError):
            call(Toy())
