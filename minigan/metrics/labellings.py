"""Which category is which class, where nobody has said?"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .points import as_points


def matching(gains: ArrayLike) -> NDArray[np.int64]:
    """A column for each row, none for two, such that the sum of their entries is largest: (rows,), −1 for no column.

    gains: (rows, columns), real numbers; where there are more rows than columns, some get none. Raises ValueError for
    another shape or what is not finite.

    Kuhn's Hungarian method: row after row is matched along the shortest augmenting path, where a step costs what is
    lost against the best so far, cost_ij − u_i − v_j ≥ 0; u and v change such that no cost becomes negative and matched
    pairs cost 0. It takes O(n³) steps.

    >>> matching([[8, 9], [1, 8]]).tolist()       # 8 + 8 is more than 9 + 1
    [0, 1]
    """
    given = as_points("gains", gains)
    rows, columns = given.shape
    n = max(rows, columns)
    cost = np.zeros((n, n))
    cost[:rows, :columns] = given.max() - given
    cost[:, columns:] = cost.max(initial=0.0)  # no column: as bad as the worst
    u, v = np.zeros(n), np.zeros(n + 1)
    row_of = np.full(n + 1, -1)  # of each column; the last column is where the new row waits
    for row in range(n):
        row_of[n], at = row, n
        distance, before, seen = np.full(n, np.inf), np.full(n, n), np.zeros(n + 1, bool)
        while row_of[at] >= 0:
            seen[at] = True
            i = row_of[at]
            reduced = cost[i] - u[i] - v[:n]
            nearer = ~seen[:n] & (reduced < distance)
            distance[nearer], before[nearer] = reduced[nearer], at
            nearest = int(np.where(seen[:n], np.inf, distance).argmin())
            step = distance[nearest]
            u[row_of[seen]] += step
            v[seen] -= step
            distance[~seen[:n]] -= step
            at = nearest
        while at != n:  # along the path, each column takes the row of the one before
            row_of[at] = row_of[before[at]]
            at = before[at]
    found = np.full(n, -1)
    found[row_of[:n]] = np.arange(n)
    found[found >= columns] = -1
    return found[:rows]
