"""How near is a picture to the one that was asked for, or to one of several right ones, and how sharp is it?

Pictures are uint8 (N, H, W), or (N, H, W, C) with 1 or 3 channels, and each figure is one number for each picture.
The field reports means over pictures, of decibels too. It takes both figures of a pair, PSNR and SSIM, on luminance,
and in super-resolution leaves out as many pixels on each side as the factor is. Nearest to the target is not best: of
all answers to a question the one with the least mean squared error is their mean, which is blurred. So a table also
says how sharp the pictures are, and where several answers are right, whether one of them was chosen.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .points import Floats, squared_distances

PEAK = 255  # white less black
BLOCK = 1 << 18  # numbers of the pictures that are looked at together, 2 MiB of float64
SIDE = 11  # of the window of SSIM, whose weights are a Gaussian with a standard deviation of 1.5 pixels and sum 1
_OFFSETS = np.arange(SIDE) - SIDE // 2
WEIGHTS = np.exp(-(_OFFSETS**2) / (2 * 1.5**2))
WEIGHTS /= WEIGHTS.sum()
C1, C2 = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2

Pictures = NDArray[np.uint8]


def luminance(pictures: ArrayLike) -> Floats:
    """How bright each pixel is: float64 (N, H, W), of grey pictures the grey levels as they are.

        Y = 16 + (65.481 R + 128.553 G + 24.966 B) / 255

    is Y of ITU-R BT.601 as MATLAB's rgb2ycbcr has it, from 16 for black to 235 for white, not rounded; so a grey
    picture in three channels has other figures than in one. pictures: uint8 (N, H, W) or (N, H, W, C), C of 1 or 3.
    Raises TypeError for other dtypes, ValueError for other shapes.

    >>> luminance(np.array([[[[0, 0, 0], [255, 255, 255], [255, 0, 0]]]], np.uint8)).round(3).tolist()
    [[[16.0, 235.0, 81.481]]]
    """
    given = _as_pictures("pictures", pictures)
    if given.ndim == 3:
        return given.astype(np.float64)
    if given.shape[3] == 1:
        return given[..., 0].astype(np.float64)
    colours: Floats = given @ (np.array([65.481, 128.553, 24.966]) / 255)
    colours += 16
    return colours


def psnr(pictures: ArrayLike, targets: ArrayLike, border: int = 0, mask: NDArray[np.bool_] | None = None) -> Floats:
    """The peak signal-to-noise ratio of each picture in decibels, float64 (N,): 10 log₁₀(255² / mean squared error).

    Higher is nearer; without any error it is infinite. The error is that of `luminance`, and 255 is the peak in colour
    too. pictures and targets: uint8, both (N, H, W) or (N, H, W, C), C of 1 or 3. border: so many pixels on each side
    do not count. mask: bool (H, W), only pixels where it is True count, as in a hole that was filled.

    A paper's figure is the mean of the decibels over pictures, `psnr(...).mean()`, not the decibels of the mean error.

    Raises TypeError for other dtypes, ValueError for shapes that differ or where no pixel is left.

    >>> white = np.full((1, 8, 8), 255, np.uint8)
    >>> psnr(np.concatenate([white - 255, white - 16, white]), np.repeat(white, 3, axis=0)).round(2).tolist()
    [0.0, 24.05, inf]
    """
    x, y = _pair(pictures, targets, border)
    inside: Any = slice(None)
    if mask is not None:
        inside = _inner(_as_mask(mask, np.shape(pictures)[1:3])[None], border)[0]
        if not inside.any():
            raise ValueError("mask is False wherever the border leaves a pixel; mark at least one pixel with True")
    errors = [
        np.square(luminance(x[rows]) - luminance(y[rows]))[:, inside].reshape(rows.stop - rows.start, -1).mean(axis=1)
        for rows in _blocks(x)
    ]
    with np.errstate(divide="ignore"):
        return 10 * np.log10(PEAK**2 / np.concatenate(errors))


def ssim(pictures: ArrayLike, targets: ArrayLike, border: int = 0) -> Floats:
    """The structural similarity of each picture to its target, float64 (N,): 1 for equal ones, less for others.

    Wang, Bovik, Sheikh and Simoncelli 2004, "Image quality assessment: from error visibility to structural
    similarity", equation 13, with means μ, variances σ² and the covariance σ_xy of what a window shows:

        SSIM = (2 μ_x μ_y + C₁)(2 σ_xy + C₂) / ((μ_x² + μ_y² + C₁)(σ_x² + σ_y² + C₂)),   C₁ = 2.55²,  C₂ = 7.65²

    The window is 11 x 11 pixels with Gaussian weights of standard deviation 1.5, and the figure is the mean over all
    places where it lies wholly in the picture. Computed on `luminance`; arguments as of `psnr`, no mask.

    Raises TypeError for other dtypes, ValueError for shapes that differ or where less than 11 x 11 pixels are left.

    >>> x = np.random.default_rng(0).integers(0, 256, (1, 16, 16), dtype=np.uint8)
    >>> ssim(x, x).tolist(), ssim(x, 255 - x).round(3).tolist()
    ([1.0], [-0.952])
    """
    x, y = _pair(pictures, targets, border)
    if min(x.shape[1:3]) < SIDE:
        raise ValueError(
            f"{x.shape[2]}x{x.shape[1]} pixels are left to compare, but SSIM looks through a window of {SIDE}x{SIDE}; "
            "take larger pictures or a smaller border, or psnr, which needs no window"
        )
    return np.concatenate([_ssim(luminance(x[rows]), luminance(y[rows])) for rows in _blocks(x)])


def _ssim(x: Floats, y: Floats) -> Floats:
    mx, my = _seen(x), _seen(y)
    vx, vy, cxy = _seen(x * x) - mx * mx, _seen(y * y) - my * my, _seen(x * y) - mx * my
    index = (2 * mx * my + C1) * (2 * cxy + C2) / ((mx * mx + my * my + C1) * (vx + vy + C2))
    return np.asarray(index.mean(axis=(1, 2)))


def _seen(x: Floats) -> Floats:
    """What each window sees on average: (N, H, W) becomes (N, H − 10, W − 10). Weights are wᵢ wⱼ: down, then across."""
    for axis in (1, 2):
        x = np.lib.stride_tricks.sliding_window_view(x, SIDE, axis) @ WEIGHTS
    return x


def gradient_energy(pictures: ArrayLike) -> Floats:
    """The mean squared gradient of each picture, float64 (N,): differences of neighbours, white being 1 and black 0.

        E = mean (x[i+1, j] − x[i, j])² + mean (x[i, j+1] − x[i, j])²,   over pixels and channels

    It is 0 for a picture of one colour. Divided by the energy of real pictures it says how sharp pictures are: 1 is as
    sharp as real ones, less is blurred, and more is noisy. It does not say whether what is sharp is right.

    pictures: uint8 (N, H, W) or (N, H, W, C), C of 1 or 3, of at least 2 x 2 pixels. Raises TypeError for other dtypes,
    ValueError for other shapes.

    >>> gradient_energy(np.array([[[0, 255], [0, 255]], [[0, 51], [51, 51]]], np.uint8)).round(3).tolist()
    [1.0, 0.04]
    """
    given = _as_pictures("pictures", pictures)
    if min(given.shape[1:3]) < 2:
        raise ValueError(f"pictures {given.shape} have no neighbours across or down; give 2x2 pixels or more")

    def energy(x: Floats) -> Floats:
        return np.asarray(
            sum(np.square(np.diff(x, axis=axis)).reshape(len(x), -1).mean(axis=1) for axis in (1, 2)) / PEAK**2
        )

    return np.concatenate([energy(given[rows].astype(np.float64)) for rows in _blocks(given)])


class NearestAnswer(NamedTuple):
    """For each of N questions, each float64 (N,): how far are pictures from right answers, and how many are found?

    nearest: root mean square distance to the nearest answer, in grey levels from 0 to 255, mean over draws.
    to_mean: the same to the mean of all distinct answers.
    covered: share of the distinct answers that are the nearest one of at least one draw.
    """

    nearest: Floats
    to_mean: Floats
    covered: Floats


def nearest_answer(pictures: ArrayLike, answers: ArrayLike) -> NearestAnswer:
    """Where each of k answers is right: is a picture one of them, or a mixture of all?

    E|y − g|² is least at g = E y: who learns by least squares answers with the mean of all right answers, which is far
    from each of them. A picture that is nearer to an answer than to the mean has chosen one.

    answers: uint8 (N, k, H, W) or (N, k, H, W, C), k to each of N questions; those that are equal count as one, and
    the mean takes all that are left as equally likely. pictures: what a generator makes of each question, uint8
    (N, H, W) or (N, H, W, C), or with m draws for each, (N, m, H, W) or (N, m, H, W, C). A draw that is as near to two
    answers covers the first. One draw covers one answer, so `covered` is at most m / k.

    Raises TypeError for other dtypes, ValueError for shapes that do not fit.

    >>> black = np.zeros((1, 4, 4), np.uint8)
    >>> answers = np.stack([black, black + 200], axis=1)
    >>> [part.tolist() for part in nearest_answer(black + 100, answers)]      # the mean: no answer is near
    [[100.0], [0.0], [0.5]]
    >>> [part.tolist() for part in nearest_answer(black + 198, answers)]      # has chosen the second
    [[2.0], [98.0], [0.5]]
    """
    given, right = np.asarray(pictures), np.asarray(answers)
    for name, array in (("pictures", given), ("answers", right)):
        _require_bytes(name, array)
    draws = given[:, None] if given.ndim == right.ndim - 1 else given
    fit = draws.ndim == right.ndim and len(draws) == len(right) and draws.shape[2:] == right.shape[2:]
    if right.ndim not in (4, 5) or not fit or not draws.size or not right.size:
        raise ValueError(
            f"pictures {given.shape} and answers {right.shape} were given, but (N, H, W[, C]), or (N, m, H, W[, C]) "
            "with m draws, and (N, k, H, W[, C]) were expected; reshape them so that all pictures are alike"
        )
    found = np.empty((3, len(right)))
    for n in range(len(right)):
        distinct = np.array(list({answer.tobytes(): answer.ravel() for answer in right[n]}.values()), np.float64)
        drawn = draws[n].reshape(draws.shape[1], -1).astype(np.float64)
        squares = np.concatenate([block.copy() for _, block in squared_distances(drawn, distinct)])
        to_mean = np.square(drawn - distinct.mean(axis=0)).mean(axis=1)
        found[0, n] = np.sqrt(squares.min(axis=1) / drawn.shape[1]).mean()
        found[1, n] = np.sqrt(to_mean).mean()
        found[2, n] = len(np.unique(squares.argmin(axis=1))) / len(distinct)
    return NearestAnswer(*found)


def _pair(pictures: Any, targets: Any, border: int) -> tuple[Pictures, Pictures]:
    """Both without the border."""
    x, y = _as_pictures("pictures", pictures), _as_pictures("targets", targets)
    if x.shape != y.shape:
        raise ValueError(f"pictures {x.shape} and targets {y.shape} were given, but one target for each picture and "
                         "one size were expected; scale or reshape them alike")  # fmt: skip
    if isinstance(border, bool) or not isinstance(border, (int, np.integer)) or border < 0:
        raise ValueError(f"border is {border!r}, but a number of pixels of 0 or more was expected")
    if 2 * border >= min(x.shape[1:3]):
        raise ValueError(f"a border of {border} leaves nothing of {x.shape[2]}x{x.shape[1]} pixels; make it smaller")
    return _inner(x, border), _inner(y, border)


def _inner(x: NDArray[Any], border: int) -> NDArray[Any]:
    return x[:, border : x.shape[1] - border, border : x.shape[2] - border]


def _blocks(x: Pictures) -> Iterator[slice]:
    size = max(1, BLOCK // x[0].size)
    for start in range(0, len(x), size):
        yield slice(start, min(start + size, len(x)))


def _as_pictures(name: str, given: Any) -> Pictures:
    x = np.asarray(given)
    _require_bytes(name, x)
    if x.ndim not in (3, 4) or x.size == 0 or (x.ndim == 4 and x.shape[3] not in (1, 3)):
        raise ValueError(
            f"{name} have shape {x.shape}, but (N, H, W), or (N, H, W, C) with C of 1 or 3, was expected, and nothing "
            "empty; reshape them, or write x[None] for one picture x"
        )
    return x


def _as_mask(mask: Any, sides: tuple[int, ...]) -> NDArray[np.bool_]:
    given = np.asarray(mask)
    if given.dtype != np.bool_ or given.shape != sides:
        raise ValueError(
            f"mask is {given.dtype} of shape {given.shape}, but bool {sides} was expected, one for all pictures; "
            "compare it with a number first"
        )
    return given


def _require_bytes(name: str, given: NDArray[Any]) -> None:
    if given.dtype != np.uint8:
        raise TypeError(f"{name} are {given.dtype}, but uint8 was expected; see minigan.datasets.to_uint8")
