"""Studies of the game of 2014, with small budgets, and their formulas against independent ones."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from minigan import GAN, Dense, Sequential, get_backend
from minigan.backend import Backend
from minigan.datasets.toys import Mixture, get_toy
from minigan.metrics import js_divergence
from minigan.theory import STUDIES, figure_1, figure_1_plane, get_study, optimal_discriminator, vanishing_gradient
from minigan.theory.line import Line, bell, best, sigmoid, support, value

Array = np.ndarray[Any, Any]
NAMES = ["optimal-discriminator", "figure-1", "figure-1-plane", "vanishing-gradient"]


@pytest.fixture(scope="module")
def be() -> Backend:
    return get_backend("numpy", 1)


def normal(mean: float, std: float) -> Mixture:
    return Mixture("normal", np.array([[mean]]), std, (-9, 9))


def silent(sentence: str) -> None:
    assert sentence


# --- sums over a line -------------------------------------------------------------------------------------------


def test_v_of_the_best_d_is_the_divergence() -> None:
    """V(D*) and the JSD from other sums than those of `value` and `js_divergence`, and V is less for any other D."""
    line, rng = Line(-12, 12), np.random.default_rng(0)
    p, q = line.shares(normal(-1, 0.7)), line.shares(normal(1, 1.3))
    chance = best(p, q)
    logits = np.log(p) - np.log(q)
    np.testing.assert_allclose(sigmoid(logits), chance, atol=1e-12)
    m = (p + q) / 2
    jsd = (p * np.log(p / m) + q * np.log(q / m)).sum() / 2
    assert value(logits, p, q) == pytest.approx(-math.log(4) + 2 * jsd, abs=1e-12)
    assert js_divergence(p, q) == pytest.approx(jsd, abs=1e-12)
    for size in (0.01, 0.3, 3.0):
        assert value(logits + size * rng.standard_normal(len(p)), p, q) < value(logits, p, q)


def test_divergences_of_equal_and_of_disjoint_bells() -> None:
    line = Line(-12, 12)
    p, q = line.shares(normal(-6, 0.5)), line.shares(normal(6, 0.5))
    assert js_divergence(p, p) == pytest.approx(0, abs=1e-14)
    assert js_divergence(p, q) == pytest.approx(math.log(2), abs=1e-12)
    assert value(np.zeros(len(p)), p, q) == pytest.approx(-math.log(4))  # of a D that says 1/2
    assert (best(p, p) == 0.5).all()


def test_v_stays_finite_for_a_d_that_is_sure() -> None:
    p, q = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    assert value(np.array([800.0, -800.0]), p, q) == pytest.approx(0)
    assert value(np.array([-800.0, 800.0]), p, q) == pytest.approx(-1600)


def test_shares_are_masses() -> None:
    toy, line = get_toy("mixture"), Line(-11, 11)
    np.testing.assert_allclose(line.shares(toy), toy.mass(line.edges), atol=2e-7)
    with pytest.raises(ValueError, match=r"of the distribution of mixture lies between -1 and 1, but all of it should"):
        Line(-1, 1).shares(toy)


def test_support_is_where_a_hundredth_of_the_maximum_is() -> None:
    p = np.array([1.0, 0.02, 0.009, 0.0])
    assert support(p, p).tolist() == [True, True, False, False]


def test_a_bell_is_the_gaussian_that_it_says(be: Backend) -> None:
    gan = GAN(bell(1.5, 0.25, be), Sequential(Dense(1, 1), backend=be), seed=4)
    x = gan.sample(20_000)
    assert x.mean() == pytest.approx(1.5, abs=0.01)
    assert x.std() == pytest.approx(0.25, rel=0.03)


class Bent:
    """Stands in for a GAN whose G is a formula."""

    def __init__(self, formula: Any, prior: str = "uniform") -> None:
        self.generate = formula
        self.prior = prior


@pytest.mark.parametrize(
    ("formula", "below"),
    [
        (lambda z: 0.5 * z + 0.1, lambda x: np.clip(x - 0.1 + 0.5, 0, 1)),  # uniform
        (lambda z: -0.5 * z + 0.1, lambda x: np.clip(x - 0.1 + 0.5, 0, 1)),  # the same from right to left
        (lambda z: z**3, lambda x: (1 + np.cbrt(np.clip(x, -1, 1))) / 2),  # a pole at 0
        (lambda z: z**2, lambda x: np.sqrt(np.clip(x, 0, 1))),  # folded: two z for each x
        (lambda z: np.sin(2 * np.pi * z), lambda x: 0.5 + np.arcsin(np.clip(x, -1, 1)) / np.pi),  # four pieces
    ],
)
def test_p_g_is_a_change_of_variables(formula: Any, below: Any) -> None:
    """Shares of cells against the distribution function that the density Σ p_z/|G′| has by hand."""
    line = Line(-2, 2, 400)
    shares = line.generated(Bent(formula))  # type: ignore[arg-type]
    assert shares.sum() == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(np.cumsum(shares), below(line.edges[1:]), atol=1e-3)


def test_p_g_of_normal_noise() -> None:
    line, toy = Line(-9, 11, 1000), normal(1, 0.8)
    shares = line.generated(Bent(lambda z: 0.8 * z + 1, "normal"))  # type: ignore[arg-type]
    np.testing.assert_allclose(shares, toy.mass(line.edges), atol=1e-6)
    folded = line.generated(Bent(np.abs, "normal"))  # type: ignore[arg-type]
    np.testing.assert_allclose(folded[450:], 2 * normal(0, 1).mass(line.edges)[450:], atol=1e-5)
    assert folded[:450].sum() == pytest.approx(0, abs=1e-12)


def test_p_g_of_a_constant_is_one_cell() -> None:
    shares = Line(-2, 2, 401).generated(Bent(np.zeros_like))  # type: ignore[arg-type]
    assert shares.max() == pytest.approx(1)
    with pytest.raises(ValueError, match="distribution of G lies between"):
        Line(-2, 2).generated(Bent(lambda z: 3 * z))  # type: ignore[arg-type]


def test_p_g_agrees_with_samples(be: Backend) -> None:
    G, D = figure_1.networks(be, 5)
    gan = GAN(G, D, seed=1)
    line, n = Line(-10, 14, 48), 20_000
    shares = line.generated(gan)
    counts, _ = np.histogram(gan.sample(n)[:, 0], line.edges)
    np.testing.assert_array_less(np.abs(counts / n - shares), 5 * np.sqrt(shares / n) + 2 / n)


# --- the studies ------------------------------------------------------------------------------------------------


def test_d_learns_the_ratio_of_the_densities(be: Backend) -> None:
    found = optimal_discriminator.experiment(seed=0, backend=be, say=silent, seeds=1, updates=600, batch=256)
    assert [learned.pair.name for learned in found.learned] == [pair.name for pair in optimal_discriminator.pairs()]
    for learned in found.learned:
        assert learned.mean_errors.max() < 0.07
        assert abs(learned.values[0] - learned.best_value) < 0.05
    assert found.learned[0].best_value == pytest.approx(-math.log(4))  # equal
    assert -0.05 < found.learned[-1].best_value < 0  # nearly disjoint


def test_a_d_that_has_not_learned_does_not_pass(be: Backend) -> None:
    found = optimal_discriminator.experiment(seed=0, backend=be, say=silent, seeds=1, updates=3, batch=64)
    assert any(finding.holds is False for finding in found.findings())


def test_training_d_leaves_g_alone(be: Backend) -> None:
    gan, _ = optimal_discriminator.learn(optimal_discriminator.pairs()[1], 0, be, updates=5, batch=8)
    assert gan.d_updates == 5
    assert gan.steps == 0
    assert gan.G.state_dict()["0.weight"].item() == pytest.approx(0.8)


def test_the_four_panels(be: Backend) -> None:
    found = figure_1.experiment(seed=0, backend=be, say=silent, steps=300, d_updates=300, batch=64)
    a, b, c, d = found.panels
    p = figure_1.LINE.shares(figure_1.DATA)
    assert a.jsd <= figure_1.CLOSE
    np.testing.assert_array_equal(a.q, b.q)  # G stood still while D learned
    assert b.error < 0.05
    assert b.error < a.error
    np.testing.assert_array_equal(b.logits, c.logits)  # and D while G did
    assert sigmoid(b.logits) @ c.q > sigmoid(b.logits) @ b.q + 0.02
    assert d.jsd < a.jsd
    assert np.abs(sigmoid(d.logits) - 0.5) @ p < 0.15


def test_a_step_of_g_moves_each_sample_up_the_slope_of_d(be: Backend) -> None:
    """The chain rule of panel (c): with x = z + b, one small step of b follows the mean of (1 − D) l′."""
    from minigan import SGD

    G = bell(0.0, 1.0, be, "float64")
    D = Sequential(Dense(1, 1), backend=be, dtype="float64", seed=1)
    D.load_state_dict({"0.weight": np.array([[0.7]]), "0.bias": np.array([-0.2])})
    gan = GAN(G, D, optimizer=SGD(1e-3), seed=3)
    gan.update_generator(100_000)
    z = np.random.default_rng(0).standard_normal(400_000)
    expected = 1e-3 * 0.7 * np.mean(1 - sigmoid(0.7 * z - 0.2))
    assert G.state_dict()["0.bias"].item() == pytest.approx(expected, rel=0.02)


def test_a_line_goes_through_the_bells(be: Backend) -> None:
    found = figure_1_plane.experiment(seed=0, backend=be, say=silent, steps=1200, batch=64)
    assert len(found.panels) == 6
    assert found.panels[-1].step == 1200
    assert found.panels[-1].coverage.modes >= 4
    assert found.panels[-1].coverage.high_quality > 0.3
    assert abs(found.real.mean() - 0.5) < 0.15
    assert abs(found.fake.mean() - 0.5) < 0.15


def test_the_minimax_gradient_vanishes(be: Backend) -> None:
    found = vanishing_gradient.experiment(seed=0, backend=be, say=silent, seeds=1, updates=600, batch=32)
    minimax, other = found.falls[0]
    assert minimax / other > 1000
    assert minimax > 100
    assert other < 1
    assert found.slopes[0, 0] < -1 < found.slopes[0, 1]
    assert found.held[0, 0] / found.held[-1, 0] < 10  # R1 keeps it
    assert found.fakes < 1e-3


def test_the_gradients_differ_by_the_odds_of_d(be: Backend) -> None:
    """Of a single sample: minimax / non-saturating = D/(1 − D) = e^l, whatever D is."""
    gan = vanishing_gradient.game(0, be)
    for real in vanishing_gradient.DATA.sample(60 * 32).reshape(60, 32, 2):
        gan.update_discriminator(gan.D.as_batch(real))
    for z in gan.latents(5):
        minimax, other = vanishing_gradient.gradient_norms(gan, z[None])
        logit = float(gan.score(gan.generate(z[None]))[0])
        assert logit < -1
        assert minimax / other == pytest.approx(math.exp(logit), rel=1e-9)


def test_the_norm_is_that_of_differences(be: Backend) -> None:
    """Of G's loss, mean −log D(G(z)), with respect to G's last bias."""
    gan = vanishing_gradient.game(1, be)
    z, bias = gan.latents(64), gan.G.parameters["4.bias"].data

    def loss() -> float:
        return float(np.logaddexp(0, -gan.score(gan.generate(z))).mean())

    vanishing_gradient.gradient_norms(gan, z)
    exact = gan.G.grad_dict()["4.bias"]  # of the second objective, which came last
    for i in range(2):
        bias[i] += 1e-8
        above = loss()
        bias[i] -= 2e-8
        below = loss()
        bias[i] += 1e-8
        assert exact[i] == pytest.approx((above - below) / 2e-8, rel=1e-4)


# --- pages and pictures ---------------------------------------------------------------------------------------


def quick(name: str, be: Backend) -> Any:
    """The study with next to no budget."""
    options: dict[str, dict[str, int]] = {
        "optimal-discriminator": {"seeds": 2, "updates": 2, "batch": 4},
        "figure-1": {"steps": 40, "d_updates": 2, "updates": 2, "batch": 64},
        "figure-1-plane": {"steps": 80, "batch": 4},
        "vanishing-gradient": {"seeds": 2, "updates": 4, "batch": 4},
    }
    return get_study(name)[1](seed=0, backend=be, say=silent, **options[name])


@pytest.mark.parametrize("name", NAMES)
def test_a_study_draws_what_it_found(name: str, be: Backend) -> None:
    from matplotlib.figure import Figure

    assert name in STUDIES
    found = quick(name, be)
    findings = found.findings()
    assert len({finding.what for finding in findings}) == len(findings) >= 5
    assert all(finding.found for finding in findings)
    figure = Figure(figsize=found.size, layout="constrained")
    found.draw(figure)
    assert figure.axes
    figure.canvas.draw()


@pytest.mark.parametrize("name", ["figure-1-plane", "vanishing-gradient"])
def test_the_same_seed_finds_the_same(name: str, be: Backend) -> None:
    assert quick(name, be).findings() == quick(name, be).findings()
