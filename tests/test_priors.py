"""What latents are drawn from: the shapes that the formulas promise, the same on all backends."""

from __future__ import annotations

import math

import numpy as np
import pytest

from minigan import GAN, Dense, Sequential
from minigan.backend import Backend, FreshArena, Stream, get_backend
from minigan.priors import NAMED, Normal, Prior, Ring, SwissRoll, Uniform, get_prior
from minigan.spec import build

PRIORS = [Normal(), Uniform(), Ring(), Ring(3, radius=2, length=0.5, width=0.1), SwissRoll(), SwissRoll(4, turns=1)]


def drawn(prior: Prior, n: int, backend: Backend | str = "numpy", part: float | None = None) -> np.ndarray:
    be = get_backend(backend) if isinstance(backend, str) else backend
    parts = None if part is None else be.asarray(np.full((n, 1), part), "float32")
    return be.to_numpy(prior.draw(be.empty((n, 2), "float32"), FreshArena(be), Stream(3, 5), parts))


@pytest.mark.parametrize("prior", PRIORS, ids=str)
def test_every_backend_draws_the_same(prior: Prior, backend: Backend) -> None:
    np.testing.assert_allclose(drawn(prior, 300, backend), drawn(prior, 300), rtol=1e-4, atol=1e-5)
    assert drawn(prior, 4).dtype == np.float32


@pytest.mark.parametrize("prior", PRIORS, ids=str)
def test_a_prior_is_written_down_and_read_back(prior: Prior) -> None:
    assert build(prior.describe()) == prior
    assert get_prior(prior) is prior


def test_means_and_variances_are_those_of_the_formulas() -> None:
    """Of the whole, over all parts: E|x|² is that of one petal, or of the strip."""
    for prior, mean, squares in (
        (Normal(), 0, 2),
        (Uniform(), 0, 2 / 3),
        (Ring(10, radius=4, length=1, width=0.3), 0, 16 + 1 + 0.09),
        (SwissRoll(10, radius=5, turns=2, width=0.25), None, 25 / 2 + 2 * 0.25**2),  # E ϑ² = E t = ½
    ):
        z = drawn(prior, 100_000)
        assert (z**2).sum(axis=1).mean() == pytest.approx(squares, rel=0.02)
        if mean is not None:
            np.testing.assert_allclose(z.mean(axis=0), mean, atol=0.05)


@pytest.mark.parametrize("prior", PRIORS[2:], ids=str)
def test_one_gets_the_part_that_one_asks_for(prior: Prior) -> None:
    for part in range(prior.parts):
        found = prior.part_of(drawn(prior, 500, part=part))
        assert found.dtype == np.int64
        assert (found == part).mean() > 0.85
    shares = np.bincount(prior.part_of(drawn(prior, 20_000)), minlength=prior.parts) / 20_000
    np.testing.assert_allclose(shares, 1 / prior.parts, atol=0.02)


def test_a_petal_points_where_it_should() -> None:
    ring = Ring(4, radius=5)
    for part, (x, y) in enumerate([(5, 0), (0, 5), (-5, 0), (0, -5)]):
        np.testing.assert_allclose(drawn(ring, 5000, part=part).mean(axis=0), (x, y), atol=0.06)


def test_a_swiss_roll_winds() -> None:
    """Its points lie at √t of its length, at the angle that the formula says, up to its width."""
    roll = SwissRoll(1, radius=5, turns=2, width=0.01)
    z = drawn(roll, 2000)
    far = np.hypot(*z.T) / 5
    inner = far > 0.1
    off = (np.arctan2(z[:, 1], z[:, 0]) - 4 * math.pi * far + math.pi) % (2 * math.pi) - math.pi
    assert abs(off[inner]).max() < 0.2
    np.testing.assert_allclose(np.quantile(far**2, [0.25, 0.5, 0.75]), [0.25, 0.5, 0.75], atol=0.03)


def test_a_gan_may_have_any_prior_of_its_dimensions() -> None:
    G, D = Sequential(Dense(2, 3), seed=1), Sequential(Dense(3, 1), seed=2)
    gan = GAN(G, D, prior=Ring(5), seed=4)
    twin = GAN.build(gan.describe())
    np.testing.assert_array_equal(gan.latents(6), twin.latents(6))
    assert abs(np.hypot(*gan.latents(2000).T).mean() - 4) < 0.1
    with pytest.raises(ValueError, match="has 2 dimensions, but latents have 3"):
        GAN(Sequential(Dense(3, 3)), D, prior=SwissRoll())


def test_what_is_no_prior_is_refused() -> None:
    with pytest.raises(ValueError, match="prior must be one of normal, uniform"):
        get_prior("cauchy")
    assert set(NAMED) == {"normal", "uniform", "ring", "swiss-roll"}
    for kind in (Ring, SwissRoll):
        with pytest.raises(ValueError, match="width"):
            kind(width=0.0)
        with pytest.raises(ValueError, match="parts"):
            kind(0)
