"""Figures of pictures beside pictures: against loops over pixels and windows, another library, and known values."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripts import script

from minigan.metrics import gradient_energy, luminance, nearest_answer, pictures, points, psnr, ssim

Array = np.ndarray[Any, Any]
SEEDS = st.integers(0, 2**32 - 1)


def some(seed: int, *shape: int) -> Array:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def smooth(size: int = 24) -> Array:
    """A hill of grey, with room for 40 levels above and below: (1, size, size)."""
    x = np.linspace(0, math.pi, size)
    return (128 + 80 * np.outer(np.sin(x), np.cos(3 * x))).astype(np.uint8)[None]


def noisy(x: Array, levels: float) -> Array:
    noise = np.random.default_rng(1).standard_normal(x.shape)
    return np.asarray(np.clip(np.rint(x + levels * noise), 0, 255), np.uint8)


def blurred(x: Array) -> Array:
    """The mean of 2 x 2 neighbours; the last row and column stand twice."""
    wide = np.pad(x.astype(float), [(0, 0), (0, 1), (0, 1)], mode="edge")
    return np.asarray((wide[:, 1:, 1:] + wide[:, :-1, 1:] + wide[:, 1:, :-1] + wide[:, :-1, :-1]) / 4, np.uint8)


# --- one by one ------------------------------------------------------------------------------------------------


def naive_luminance(x: Array) -> list[list[float]]:
    if x.ndim == 2:
        return [[float(v) for v in row] for row in x]
    return [
        [sum(w * float(v) / 255 for w, v in zip((65.481, 128.553, 24.966), pixel, strict=True)) + 16 for pixel in row]
        for row in x
    ]


def naive_psnr(x: Array, y: Array, border: int, mask: Array | None) -> float:
    a, b = naive_luminance(x), naive_luminance(y)
    errors = [
        (a[i][j] - b[i][j]) ** 2
        for i in range(border, len(a) - border)
        for j in range(border, len(a[0]) - border)
        if mask is None or mask[i, j]
    ]
    return 10 * math.log10(255**2 / (sum(errors) / len(errors)))


def naive_ssim(x: Array, y: Array, border: int) -> float:
    """Of each window the weighted moments as they are defined, around the mean of that window."""
    bell = [math.exp(-0.5 * (k / 1.5) ** 2) for k in range(-5, 6)]
    w = np.outer(bell, bell) / sum(bell) ** 2
    a, b = np.array(naive_luminance(x)), np.array(naive_luminance(y))
    values: list[float] = []
    for i in range(border, a.shape[0] - border - 10):
        for j in range(border, a.shape[1] - border - 10):
            p, q = a[i : i + 11, j : j + 11], b[i : i + 11, j : j + 11]
            mp, mq = (w * p).sum(), (w * q).sum()
            vp, vq, c = (w * (p - mp) ** 2).sum(), (w * (q - mq) ** 2).sum(), (w * (p - mp) * (q - mq)).sum()
            brightness = (2 * mp * mq + 6.5025) / (mp**2 + mq**2 + 6.5025)
            values.append(brightness * (2 * c + 58.5225) / (vp + vq + 58.5225))
    return sum(values) / len(values)


@pytest.mark.parametrize("colours", [(), (1,), (3,)])
@settings(max_examples=10)
@given(SEEDS, st.integers(0, 2), st.booleans())
def test_psnr_and_ssim_are_what_loops_say(colours: tuple[int, ...], seed: int, border: int, part: bool) -> None:
    shape = 3, 17, 19, *colours
    x = some(seed, *shape)
    y = (0.8 * x + 0.2 * some(seed + 1, *shape)).astype(np.uint8)
    mask = some(seed + 2, 17, 19) > 100 if part else None
    plain = [(a[..., 0], b[..., 0]) if colours == (1,) else (a, b) for a, b in zip(x, y, strict=True)]
    np.testing.assert_allclose(luminance(x), [naive_luminance(a) for a, _ in plain], rtol=1e-12)
    np.testing.assert_allclose(psnr(x, y, border, mask), [naive_psnr(a, b, border, mask) for a, b in plain], rtol=1e-10)
    np.testing.assert_allclose(ssim(x, y, border), [naive_ssim(a, b, border) for a, b in plain], rtol=1e-10)


def test_psnr_and_ssim_are_those_of_scikit_image() -> None:
    """scikit-image 0.26.0 on float64 grey levels, of colours `skimage.color.rgb2ycbcr(x)[..., 0]`:

    peak_signal_noise_ratio(x, y, data_range=255)
    structural_similarity(x, y, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False)

    which leaves out the places where the window is not wholly in the picture, too. With a border it was given
    x[3:-3, 3:-3].
    """
    i, j = np.mgrid[:20, :24]
    x = (7 * i * i + 13 * j + i * j) % 256
    y = (3 * x + (7 * i * i + 13 * j + 2 * i * j) % 256) // 4
    turned = x.T.reshape(20, 24)
    grey = x.astype(np.uint8)[None], y.astype(np.uint8)[None]
    colour = (
        np.stack([x, turned, 255 - x], axis=-1).astype(np.uint8)[None],
        np.stack([y, turned, 255 - y // 2], axis=-1).astype(np.uint8)[None],
    )
    for (a, b), border, decibels, similarity in (
        (grey, 0, 20.570277602066298, 0.9055288230967987),
        (grey, 3, 19.6983274752141, 0.886155237084753),
        (colour, 0, 31.000030641961107, 0.9934305857148341),
        (colour, 3, 30.77924014018378, 0.9925089093162522),
    ):
        assert psnr(a, b, border).item() == pytest.approx(decibels, rel=1e-12)
        assert ssim(a, b, border).item() == pytest.approx(similarity, rel=1e-12)


# --- known values ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("d", [1, 16, 255])
def test_psnr_of_a_constant_offset(d: int) -> None:
    x = np.zeros((2, 6, 6), np.uint8)
    np.testing.assert_allclose(psnr(x, x + d), 20 * math.log10(255 / d))
    colour = np.zeros((1, 6, 6, 3), np.uint8)  # Y spans 219 levels, and 255 is the peak all the same
    np.testing.assert_allclose(psnr(colour, colour + d), 20 * math.log10(255 / (d * 219 / 255)))


def test_bytes_do_not_wrap_around() -> None:
    black, white = np.zeros((1, 12, 12), np.uint8), np.full((1, 12, 12), 255, np.uint8)
    assert psnr(white, black).item() == psnr(black, white).item() == 0
    assert ssim(white, black).item() == pytest.approx(6.5025 / (255**2 + 6.5025))  # brightness alone: both are flat
    assert gradient_energy(np.array([[[255, 0], [255, 0]]], np.uint8)).item() == 1


@given(SEEDS)
def test_of_equal_pictures_psnr_is_infinite_and_ssim_one(seed: int) -> None:
    for x in (some(seed, 2, 13, 15), some(seed, 2, 13, 15, 3)):
        assert (psnr(x, x) == math.inf).all()
        np.testing.assert_array_equal(ssim(x, x), 1)


def test_more_noise_lowers_both_and_makes_energy() -> None:
    x = smooth()
    worse = np.concatenate([noisy(x, levels) for levels in (2, 5, 10, 20, 40)])
    targets = np.repeat(x, 5, axis=0)
    assert (np.diff(psnr(worse, targets)) < 0).all()
    assert (np.diff(ssim(worse, targets)) < 0).all()
    assert (np.diff(gradient_energy(worse)) > 0).all()


def test_what_lies_in_the_border_or_outside_the_mask_does_not_count() -> None:
    x = some(0, 1, 20, 20)
    y = x.copy()
    y[:, :3], y[:, :, -3:] = 0, 0
    assert psnr(y, x).item() < 30
    assert psnr(y, x, border=3).item() == math.inf
    assert ssim(y, x, border=3).item() == 1
    assert psnr(y, x, border=2).item() < math.inf
    mask = np.zeros((20, 20), bool)
    mask[3:, :-3] = True
    assert psnr(y, x, mask=mask).item() == math.inf
    assert psnr(y, x, mask=~mask).item() < psnr(y, x).item()


@pytest.mark.parametrize("colours", [(), (3,)])
def test_pictures_do_not_know_of_each_other(colours: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = some(0, 7, 14, 12, *colours), some(1, 7, 14, 12, *colours)
    figures: tuple[Callable[[Array, Array], Array], ...] = (psnr, ssim, lambda x, _: gradient_energy(x))
    whole = [figure(x, y) for figure in figures]
    monkeypatch.setattr(pictures, "BLOCK", 3 * x[0].size)  # two blocks of three, and one picture is left
    for figure, expected in zip(figures, whole, strict=True):
        assert expected.shape == (7,)
        assert expected.dtype == np.float64
        np.testing.assert_allclose(figure(x, y), expected, rtol=1e-13)
        np.testing.assert_allclose(figure(x[4:5], y[4:5]), expected[4:5], rtol=1e-13)


# --- sharpness -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("colours", [(), (3,)])
def test_gradient_energy_is_what_loops_say(colours: tuple[int, ...]) -> None:
    x = some(0, 2, 5, 7, *colours)
    for picture, energy in zip(x / 255, gradient_energy(x), strict=True):
        planes = picture.reshape(5, 7, -1)
        down = [(planes[i + 1, j] - planes[i, j]) ** 2 for i in range(4) for j in range(7)]
        across = [(planes[i, j + 1] - planes[i, j]) ** 2 for i in range(5) for j in range(6)]
        assert energy == pytest.approx(np.mean(down) + np.mean(across))


def test_blurred_pictures_have_less_energy_and_flat_ones_none() -> None:
    x = noisy(smooth(), 20)
    once, twice = blurred(x), blurred(blurred(x))
    assert gradient_energy(x) > 1.5 * gradient_energy(once) > 1.5 * gradient_energy(twice) > 0
    np.testing.assert_array_equal(gradient_energy(np.full((2, 4, 4), 77, np.uint8)), 0)


# --- several right answers -------------------------------------------------------------------------------------


def test_nearest_answer_by_hand() -> None:
    """Answers 0, 0, 100 and 200, of which one stands twice: three, and their mean is 100."""
    flat = np.ones((1, 2, 3), np.uint8)
    answers = np.stack([0 * flat, 0 * flat, 100 * flat, 200 * flat], axis=1)
    draws = np.stack([10 * flat, 20 * flat, 170 * flat], axis=1)
    found = nearest_answer(draws, answers)
    np.testing.assert_allclose(found.nearest, (10 + 20 + 30) / 3)
    np.testing.assert_allclose(found.to_mean, (90 + 80 + 70) / 3)
    np.testing.assert_allclose(found.covered, 2 / 3)


@pytest.mark.parametrize("colours", [(), (1,), (3,)])
def test_nearest_answer_is_what_loops_say(colours: tuple[int, ...]) -> None:
    answers, draws = some(0, 4, 5, 6, 3, *colours), some(1, 4, 2, 6, 3, *colours)
    answers[1, 3] = answers[1, 0]
    answers[2, 1:] = answers[2, 0]
    found = nearest_answer(draws, answers)
    for n, distinct in enumerate(([0, 1, 2, 3, 4], [0, 1, 2, 4], [0], [0, 1, 2, 3, 4])):
        right, drawn = answers[n, distinct].astype(float), draws[n].astype(float)
        distances = [[math.sqrt(np.mean((y - a) ** 2)) for a in right] for y in drawn]
        assert found.nearest[n] == pytest.approx(np.mean([min(row) for row in distances]))
        middle = sum(right) / len(right)
        assert found.to_mean[n] == pytest.approx(np.mean([math.sqrt(np.mean((y - middle) ** 2)) for y in drawn]))
        assert found.covered[n] == len({row.index(min(row)) for row in distances}) / len(distinct)


def test_one_draw_needs_no_axis_and_the_order_of_answers_does_not_matter() -> None:
    answers, drawn = some(0, 3, 4, 5, 5), some(1, 3, 5, 5)
    expected = nearest_answer(drawn[:, None], answers)
    for other in (nearest_answer(drawn, answers), nearest_answer(drawn, answers[:, ::-1])):
        np.testing.assert_allclose(other, expected)
    assert np.shape(expected) == (3, 3)


def test_draws_are_taken_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    answers, draws = some(0, 2, 3, 5, 5), some(1, 2, 7, 5, 5)
    whole = nearest_answer(draws, answers)
    monkeypatch.setattr(points, "BLOCK", 6)  # two of the seven draws, each beside three answers
    np.testing.assert_allclose(nearest_answer(draws, answers), whole)


def test_who_chooses_is_at_an_answer_and_who_averages_at_the_mean() -> None:
    answers = some(0, 5, 4, 8, 8)
    chosen = nearest_answer(answers, answers)
    np.testing.assert_array_equal(chosen.nearest, 0)
    np.testing.assert_array_equal(chosen.covered, 1)
    averaged = nearest_answer(np.rint(answers.mean(axis=1)).astype(np.uint8), answers)
    assert (averaged.to_mean < 0.5).all()
    assert (averaged.nearest > 40).all()
    np.testing.assert_array_equal(averaged.covered, 1 / 4)


# --- the benchmark's own crops ---------------------------------------------------------------------------------


def test_crops_are_parts_of_the_photograph_that_show_something() -> None:
    benchmark = script("photographs_npz")
    photograph = some(0, 12, 15, 3)
    photograph[:, :8] = 90  # sky
    found = benchmark.crops(photograph, 5, 500, np.random.default_rng(0))
    places = {photograph[i : i + 5, j : j + 5].tobytes() for i in range(8) for j in range(4, 11)}
    assert {crop.tobytes() for crop in found} == places
    with pytest.raises(ValueError, match="no crops of 13x13"):
        benchmark.crops(photograph, 13, 1, np.random.default_rng(0))
    with pytest.raises(ValueError, match="show something 0 times"):
        benchmark.crops(photograph[:, :8], 5, 2, np.random.default_rng(0))


# --- what is refused -------------------------------------------------------------------------------------------

X = some(0, 2, 12, 12)
BAD: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "floats": (lambda: psnr(X / 255, X), TypeError, r"pictures are float64.*to_uint8"),
    "float targets": (lambda: ssim(X, X / 255), TypeError, r"targets are float64"),
    "float answers": (lambda: nearest_answer(X, X[:, None] / 255), TypeError, r"answers are float64"),
    "one picture": (lambda: gradient_energy(X[0]), ValueError, r"shape \(12, 12\).*x\[None\]"),
    "two channels": (lambda: luminance(some(0, 2, 4, 4, 2)), ValueError, r"C of 1 or 3"),
    "no pictures": (lambda: psnr(X[:0], X[:0]), ValueError, r"nothing empty"),
    "other sizes": (lambda: psnr(X, X[:, 1:]), ValueError, r"\(2, 12, 12\) and targets \(2, 11, 12\)"),
    "fewer targets": (lambda: ssim(X, X[:1]), ValueError, r"one target for each picture"),
    "half a border": (lambda: psnr(X, X, cast(Any, 0.5)), ValueError, r"border is 0.5"),
    "a border outside": (lambda: psnr(X, X, -1), ValueError, r"border is -1"),
    "all border": (lambda: psnr(X, X, 6), ValueError, r"border of 6 leaves nothing of 12x12"),
    "a small picture": (lambda: ssim(X, X, 1), ValueError, r"10x10 pixels.*window of 11x11; take larger pictures"),
    "no bools": (lambda: psnr(X, X, mask=cast(Any, X[0])), ValueError, r"mask is uint8"),
    "another mask": (lambda: psnr(X, X, mask=X > 3), ValueError, r"bool \(12, 12\) was expected"),
    "an empty mask": (lambda: psnr(X, X, 2, np.pad(X[0, :8, :8] > 999, 2, constant_values=True)), ValueError, r"False"),
    "no neighbours": (lambda: gradient_energy(X[:, :1]), ValueError, r"no neighbours"),
    "answers to others": (lambda: nearest_answer(X[:1], X[:, None]), ValueError, r"\(1, 12, 12\) and answers"),
    "another size": (lambda: nearest_answer(X[:, 1:], X[:, None]), ValueError, r"\(2, 11, 12\) and answers"),
    "no answers": (lambda: nearest_answer(X, X[:, None][:, :0]), ValueError, r"answers \(2, 0, 12, 12\)"),
    "no questions": (lambda: nearest_answer(X, X), ValueError, r"answers \(2, 12, 12\)"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_cannot_be_compared_is_refused(what: str) -> None:
    call, error, words = BAD[what]
    with pytest.raises(error, match=words):
        call()
