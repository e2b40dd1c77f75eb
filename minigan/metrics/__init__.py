"""How good are generated samples? Figures that compare two sets of points, or of images.

    frechet.py      are the two sets alike, seen as two Gaussians?          Heusel et al. 2017
    manifolds.py    do the samples look real, and is everything there?      Kynkäänniemi et al. 2019
    shares.py       does each class, or each cell of a grid, come as often as it should?
    modes.py        which modes of a known density are covered, and how well?   Srivastava et al. 2017, Lin et al. 2018
    neighbours.py   are the samples new, or copies of training images?
    retrieval.py    do items of a query's kind come first, by the cosine of their features?
    intervals.py    how far may the mean of a few figures be from what many would give?     "Student" 1908
    labellings.py   which category is which class, where nobody has said?   Kuhn 1955
    pictures.py     how near is a picture to the one that was asked for, and how sharp?     Wang et al. 2004
    strokes.py      how does a drawing lean, how thick is it, how light?

Pure functions of NumPy arrays, computed in float64. "Features" (N, F) are one row of numbers per image, from a
network that was trained for something else; in `minigan.evaluation` it is a small classifier. Distances depend on
those features: only figures from the same features, and the same number of samples, can be compared. All distances
between two sets come from products, |x − y|² = |x|² − 2 x·y + |y|², block by block: memory stays within a few dozen
megabytes beyond the sets themselves. Checked by tests/test_metrics.py, tests/test_picture_metrics.py
and tests/test_retrieval.py.
"""

from .frechet import Moments, frechet_distance, frechet_of_moments, moments
from .intervals import Interval, mean_interval
from .labellings import matching
from .manifolds import Manifold, PrecisionRecall, precision_recall
from .modes import Coverage, mode_coverage
from .neighbours import Neighbours, nearest_neighbours
from .pictures import NearestAnswer, gradient_energy, luminance, nearest_answer, psnr, ssim
from .points import Floats
from .retrieval import Retrieval, mean_average_precision, retrieval
from .shares import class_shares, js_divergence, kl_divergence

__all__ = [
    "Coverage",
    "Floats",
    "Interval",
    "Manifold",
    "Moments",
    "NearestAnswer",
    "Neighbours",
    "PrecisionRecall",
    "Retrieval",
    "class_shares",
    "frechet_distance",
    "frechet_of_moments",
    "gradient_energy",
    "js_divergence",
    "kl_divergence",
    "luminance",
    "matching",
    "mean_average_precision",
    "mean_interval",
    "mode_coverage",
    "moments",
    "nearest_answer",
    "nearest_neighbours",
    "precision_recall",
    "psnr",
    "retrieval",
    "ssim",
]
