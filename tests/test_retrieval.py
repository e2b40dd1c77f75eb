"""Rankings by cosine against plain loops, and intervals against the tables of Student's t."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigan.metrics import mean_average_precision, mean_interval, points, retrieval
from minigan.metrics.intervals import student

Array = np.ndarray[Any, Any]
SEEDS = st.integers(0, 2**32 - 1)


def by_loops(features: Array, labels: Array, queries: Array | None, query_labels: Array | None, k: int) -> list[float]:
    """As the definitions say it, one query and one rank after the other."""
    averages, precisions = [], []
    for i, query in enumerate(features if queries is None else queries):
        label = labels[i] if query_labels is None else query_labels[i]
        others = [j for j in range(len(features)) if queries is not None or j != i]
        cosine = [float(features[j] @ query / np.linalg.norm(features[j]) / np.linalg.norm(query)) for j in others]
        ranked = [labels[j] == label for _, j in sorted(zip([-c for c in cosine], others, strict=True))]
        if any(ranked):
            at = [sum(ranked[:n]) / n for n in range(1, len(ranked) + 1)]
            averages.append(sum(p for p, hit in zip(at, ranked, strict=True) if hit) / sum(ranked))
            precisions.append(at[k - 1])
    return [float(np.mean(averages)), float(np.mean(precisions)), len(averages)]


@given(SEEDS, st.integers(3, 30), st.integers(1, 5), st.booleans())
def test_retrieval_is_the_plain_loop(seed: int, n: int, classes: int, own: bool) -> None:
    rng = np.random.default_rng(seed)
    features, labels = rng.standard_normal((n, 4)), rng.integers(0, classes, n)
    labels[:2] = 0  # somebody has something to find
    queries, of_queries = (None, None) if own else (rng.standard_normal((5, 4)), np.arange(5) % (classes + 1))
    k = int(rng.integers(1, n - own + 1))
    found = retrieval(features, labels, queries, of_queries, k)
    assert list(found) == pytest.approx(by_loops(features, labels, queries, of_queries, k), rel=1e-12)
    assert mean_average_precision(features, labels, queries, of_queries) == found.mean_average_precision


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    features, labels = rng.standard_normal((40, 6)), rng.integers(0, 3, 40)
    whole = retrieval(features, labels)
    monkeypatch.setattr(points, "BLOCK", 4 * 40 * 7)  # seven queries at a time
    assert list(retrieval(features, labels)) == pytest.approx(list(whole), rel=1e-14)


def test_best_worst_and_by_chance() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 50)
    apart = np.eye(2)[labels] + 0.1 * rng.random((100, 2))
    assert retrieval(apart, labels) == (1.0, 1.0, 100)
    assert retrieval(apart, 1 - labels, apart, labels).precision == 0
    chance = retrieval(rng.standard_normal((400, 8)), np.arange(400) % 4)
    assert chance.mean_average_precision == pytest.approx(0.25, abs=0.02)


def test_lengths_do_not_matter_and_names_may_be_text() -> None:
    rng = np.random.default_rng(0)
    features, names = rng.standard_normal((12, 3)), np.array(["cat", "dog"] * 6)
    scaled = features * rng.uniform(0.1, 10, (12, 1))
    assert list(retrieval(scaled, names)) == pytest.approx(list(retrieval(features, names == "cat")), rel=1e-12)


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "labels that are too few": ({"labels": [0, 1]}, "labels have shape"),
    "queries alone": ({"queries": [[1.0, 0.0]]}, "belong together"),
    "another width": ({"queries": [[1.0]], "query_labels": [0]}, "cannot be compared"),
    "zeros": ({"features": [[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]]}, "row of zeros .1."),
    "NaN": ({"features": [[1.0, np.nan], [0.0, 0.0], [0.0, 1.0]]}, "NaN"),
    "k": ({"k": 3}, "only 2 items are ranked"),
    "nothing to find": ({"labels": [0, 1, 2]}, "no query has an item of its label"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_ranked_is_refused(name: str) -> None:
    changed, sentence = BAD[name]
    good = {"features": [[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]], "labels": [0, 0, 1], "k": 1}
    with pytest.raises(ValueError, match=sentence):
        retrieval(**(good | changed))


# From the tables of Student's t, two-sided, to the digits that they have.
@pytest.mark.parametrize(
    ("freedom", "level", "t"),
    [(1, 0.95, 12.706), (2, 0.95, 4.303), (4, 0.95, 2.776), (9, 0.95, 2.262), (30, 0.95, 2.042), (9, 0.99, 3.250)],
)
def test_students_t(freedom: int, level: float, t: float) -> None:
    assert student(freedom, level) == pytest.approx(t, abs=6e-4)


def test_an_interval_holds_the_true_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    found = [mean_interval(rng.normal(3, 2, 5)) for _ in range(300)]
    held = np.mean([abs(mean - 3) <= (half or 0) for mean, half, _ in found])
    assert held == pytest.approx(0.95, abs=0.04)


def test_an_interval_of_one_figure_is_unknown_and_of_none_refused() -> None:
    assert mean_interval([4.0]) == (4.0, None, 1)
    assert mean_interval([4.0, 4.0]) == (4.0, 0.0, 2)
    for figures in ([], [np.nan], [[1.0, 2.0]]):
        with pytest.raises(ValueError, match="a row of finite numbers"):
            mean_interval(figures)
