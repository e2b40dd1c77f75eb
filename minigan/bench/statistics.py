"""What a series of times says: the median, the quartiles, and whether to believe them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

UNSTABLE = 0.15  # of the median


@dataclass(frozen=True)
class Timing:
    """Seconds per call.

    median, low, high: the median and the quartiles. samples: how many times they are taken from; each may be the
    mean of several calls. unstable: why the figure should not be believed, or "".
    """

    median: float
    low: float
    high: float
    samples: int
    unstable: str = ""


def summarise(seconds: Sequence[float]) -> Timing:
    """Median and quartiles of times in the order in which they were taken.

    A figure is unstable if its quartiles are further apart than 15 % of the median, or if the first third of the
    times and the last have medians that differ by as much: a machine that gets slower, or something else on it.

    >>> summarise([1.0, 1.01, 0.99, 1.0, 1.02, 1.0])
    Timing(median=1.0, low=1.0, high=1.0075, samples=6, unstable='')

    Raises ValueError if there are no times.
    """
    if not seconds:
        raise ValueError("expected at least one time to summarise, got none")
    low, median, high = (float(q) for q in np.percentile(seconds, [25, 50, 75]))
    third = max(1, len(seconds) // 3)
    drift = float(np.median(seconds[-third:]) - np.median(seconds[:third]))
    unstable = []
    if high - low > UNSTABLE * median:
        unstable.append(f"quartiles {100 * (high - low) / median:.0f} % apart")
    if abs(drift) > UNSTABLE * median:
        unstable.append(f"{100 * abs(drift) / median:.0f} % {'slower' if drift > 0 else 'faster'} towards the end")
    return Timing(median, low, high, len(seconds), ", ".join(unstable))
