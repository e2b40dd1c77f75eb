"""Which modes of a known density do samples cover, and how well?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .points import as_points, same_width, squared_distances
from .shares import class_shares, kl_divergence


class Coverage(NamedTuple):
    """modes: how many have a sample of high quality. high_quality: share of samples near a mode, in [0, 1].

    reverse_kl: of the shares of modes among those from equal shares, in nats; NaN where there is no such sample.
    """

    modes: int
    high_quality: float
    reverse_kl: float


def mode_coverage(samples: ArrayLike, modes: ArrayLike, std: float) -> Coverage:
    """How samples (N, d) cover modes (M, d), isotropic Gaussians of standard deviation `std` with equal weights.

    A sample is of high quality within 3 standard deviations of the nearest mode, and a mode is covered by one such
    sample (Srivastava et al. 2017, "VEEGAN"; Lin et al. 2018, "PacGAN", section 4.1, who take N = 2,500). Samples of
    the density itself are of high quality with probability 1 − e^(−9/2) = 0.98889 in the plane, and reach a reverse
    KL of about (M − 1)/(2 N).

    Raises ValueError for shapes that do not fit, what is not finite, or a `std` that is not positive.

    >>> mode_coverage([[0.0, 0.1], [9.0, 9.2], [5.0, 5.0], [5.0, 5.0]], [[0.0, 0.0], [9.0, 9.0]], std=0.1)
    Coverage(modes=2, high_quality=0.5, reverse_kl=0.0)
    """
    x, centres = as_points("samples", samples), as_points("modes", modes)
    same_width(x, centres)
    if not 0 < std < float("inf"):
        raise ValueError(f"std is the standard deviation of a mode, a positive number; got {std}")
    nearest = np.concatenate([distances.argmin(axis=1) for _, distances in squared_distances(x, centres)])
    differences = x - centres[nearest]  # exact, where the squares above were only good enough to choose by
    good = nearest[np.einsum("ij,ij->i", differences, differences) <= (3 * std) ** 2]
    if not len(good):
        return Coverage(0, 0.0, float("nan"))
    shares = class_shares(good, len(centres))
    return Coverage(int((shares > 0).sum()), len(good) / len(x), kl_divergence(shares))
