"""Does what is alike come first? Ranking items by the cosine of their features with those of a query.

An item is relevant if it has the query's label. With r_k = 1 where the k-th item of the ranking is relevant, else 0,
and R relevant items in all,

    precision at k        P_k = (r_1 + ... + r_k)/k
    average precision     AP = Σ_k P_k r_k/R

AP is the area under the curve of precision over recall; the mean over all queries (mAP) is in [0, 1], 1 where every
relevant item comes before every other. A ranking by chance has about the share of relevant items.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..spec import integer
from . import points
from .points import Floats, as_points, same_width


class Retrieval(NamedTuple):
    """Means over n queries: of the average precision over the whole ranking, and of the precision at the first few."""

    mean_average_precision: float
    precision: float
    n: int


def retrieval(
    features: ArrayLike,
    labels: ArrayLike,
    queries: ArrayLike | None = None,
    query_labels: ArrayLike | None = None,
    k: int = 10,
) -> Retrieval:
    """How well items of a query's label are found by the cosine of features.

    features (M, F), labels (M,): of the items. queries (N, F), query_labels (N,): what is asked for; by default each
    item in turn, of all others. k: of the precision, M at most. Items at equal distance stand in their own order.
    Queries without any relevant item are left out; n says how many there were. All rankings are exact; they are made
    block by block, so that memory stays within some 100 MB beyond the features.

    Raises ValueError for shapes that do not fit, what is not finite, features that are all 0, and if no query has a
    relevant item.

    >>> retrieval([[1, 0], [2, 1], [0, 1], [1, 3]], ["a", "a", "b", "b"], k=1)
    Retrieval(mean_average_precision=1.0, precision=1.0, n=4)
    """
    items, of_items = as_points("features", features), _labels("labels", labels, features)
    own = queries is None
    if own != (query_labels is None):
        raise ValueError("queries and query_labels belong together; give both, or neither to ask for each item in turn")
    asked = items if queries is None else as_points("queries", queries)
    of_asked = of_items if query_labels is None else _labels("query_labels", query_labels, asked)
    same_width(items, asked)
    count = len(items) - own
    if integer("k", k) > count:
        raise ValueError(f"k is {k}, but only {count} items are ranked; take a smaller k")
    ranks = np.arange(1, count + 1)
    averages: list[Floats] = []
    firsts: list[Floats] = []
    for rows, order in rankings(items, asked, own):
        relevant = of_items[order] == of_asked[rows, None]
        found = relevant.cumsum(axis=1)
        some = found[:, -1] > 0
        averages.append((found / ranks * relevant).sum(axis=1)[some] / found[some, -1])
        firsts.append(found[some, k - 1] / k)
    average, first = np.concatenate(averages), np.concatenate(firsts)
    if not len(average):
        raise ValueError("no query has an item of its label; give labels that several items share")
    return Retrieval(float(average.mean()), float(first.mean()), len(average))


def mean_average_precision(
    features: ArrayLike,
    labels: ArrayLike,
    queries: ArrayLike | None = None,
    query_labels: ArrayLike | None = None,
) -> float:
    """The mean average precision alone; arguments and errors as of `retrieval`.

    >>> mean_average_precision([[1, 0], [1, 1], [0, 1]], [0, 1, 0])      # of the other 0 only after the 1
    0.5
    """
    return retrieval(features, labels, queries, query_labels, k=1).mean_average_precision


def rankings(items: Floats, queries: Floats, own: bool) -> Iterator[tuple[slice, NDArray[np.int64]]]:
    """Rows of the ranking of all items (M, F) for queries (N, F), the most similar first, a block of queries at a time.

    own: the queries are the items, and none is ranked for itself: rows of M − 1.
    """
    items, queries = unit("features", items), unit("queries", queries)
    size = max(1, points.BLOCK // (4 * len(items)))  # a handful of arrays of this size live at once
    for start in range(0, len(queries), size):
        rows = slice(start, min(start + size, len(queries)))
        distances = -(queries[rows] @ items.T)
        if own:
            distances[np.arange(len(distances)), np.arange(rows.start, rows.stop)] = np.inf
        order = distances.argsort(axis=1, kind="stable")
        yield rows, order[:, : len(items) - own]


def unit(name: str, rows: NDArray[Any]) -> NDArray[Any]:
    """Rows of length 1, in their own dtype. Raises ValueError for a row of zeros, which has no direction."""
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None]
    if not lengths.all():
        raise ValueError(
            f"the {name} hold a row of zeros ({int(np.argmin(lengths))}), which has no direction and no cosine; leave "
            "it out"
        )
    return np.asarray(rows / lengths)


def _labels(name: str, given: ArrayLike, of: Any) -> NDArray[Any]:
    labels = np.asarray(given)
    if labels.shape != (len(np.asarray(of)),):
        raise ValueError(f"{name} have shape {labels.shape}, but one for each of {len(np.asarray(of))} was expected")
    return labels
