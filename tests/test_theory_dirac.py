"""The Dirac-GAN: what the library's updates do to (θ, ψ), beside formulas that know nothing of the library."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from minigan import DRAGAN, R1, R2, GradientPenalty
from minigan.backend import get_backend
from minigan.theory import get_study
from minigan.theory.dirac import ROWS, START, STEPS, Case, Found, H, Played, play
from minigan.theory.dirac_game import Consensus, Dirac, Game, derivative, jacobian, walk
from minigan.theory.dirac_linear import Linear, eigenvalues

ROW = {row.name: row for row in ROWS}
NAMES = sorted(ROW)
ORDERS = ("simultaneous", "g_first")


@cache
def played(name: str) -> Played:
    return play(ROW[name], get_backend("numpy"), ORDERS)


# --- formulas: the field (v_θ, v_ψ) of each game, written down by hand ---------------------------------------------


def sigmoid(t: float | np.ndarray) -> float | np.ndarray:
    return 1 / (1 + np.exp(-t))


def minimax(theta: float, psi: float) -> tuple[float, float]:
    return psi * sigmoid(psi * theta), -theta * sigmoid(psi * theta)


def non_saturating(theta: float, psi: float) -> tuple[float, float]:
    return psi * sigmoid(-psi * theta), -theta * sigmoid(psi * theta)


def fast_d(theta: float, psi: float) -> tuple[float, float]:
    a, b = minimax(theta, psi)
    return a, 4 * b


def wasserstein(theta: float, psi: float) -> tuple[float, float]:
    return psi, -theta


def wgan_gp(theta: float, psi: float) -> tuple[float, float]:
    return psi, -theta - 0.7 * (abs(psi) - 1) * np.sign(psi)


def r1(gamma: float) -> Callable[[float, float], tuple[float, float]]:
    return lambda theta, psi: (minimax(theta, psi)[0], minimax(theta, psi)[1] - gamma * psi)


E = np.linspace(-12, 12, 961)  # the trapezoid rule, which is exact to rounding for a Gaussian times what is smooth
P = np.exp(-(E**2) / 2) / np.exp(-(E**2) / 2).sum()


def instance_noise(theta: float, psi: float) -> tuple[float, float]:
    real, fake = 0.7 * E, theta + 0.7 * E
    g = np.sum(P * psi * sigmoid(psi * fake))
    d = np.sum(P * (real * sigmoid(-psi * real) - fake * sigmoid(psi * fake)))
    return float(g), float(d)


def consensus(theta: float, psi: float) -> tuple[float, float]:
    """|v|² = (θ² + ψ²) s², s = σ(ψθ); its half has the gradient s² w + |w|² s s (1 − s) (ψ, θ)."""
    s = sigmoid(psi * theta)
    a, b = minimax(theta, psi)
    square = (theta**2 + psi**2) * s * s * (1 - s)
    return a - s * s * theta - square * psi, b - s * s * psi - square * theta


FIELDS = {
    "minimax, unregularised": minimax,
    "non-saturating": non_saturating,
    "minimax, D 4× faster": fast_d,
    "WGAN, clip 1": wasserstein,
    "WGAN-GP, weight 0.35": wgan_gp,
    "instance noise, s = 0.7": instance_noise,
    "R1, γ = 0.3": r1(0.3),
    "R1, γ = 1 (critical)": r1(1.0),
    "consensus, γ = 1": consensus,
}


def simulated(name: str, order: str) -> np.ndarray:
    """The walk of a row by its formula: |(θ, ψ)|, (STEPS + 1,)."""
    field, clip = FIELDS[name], 1.0 if "clip" in name else np.inf
    theta, psi = START
    norms = [np.hypot(theta, psi)]
    for _ in range(STEPS):
        after = theta + H * field(theta, psi)[0]
        psi = float(np.clip(psi + H * field(theta if order == "simultaneous" else after, psi)[1], -clip, clip))
        theta = after
        norms.append(np.hypot(theta, psi))
    return np.array(norms)


# --- what is found ---------------------------------------------------------------------------------------------


def test_every_row_has_a_formula_here() -> None:
    assert set(FIELDS) == set(ROW)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", NAMES)
def test_a_walk_is_that_of_the_formula(name: str, order: str) -> None:
    found, expected = played(name).norms[order], simulated(name, order)
    np.testing.assert_allclose(found, expected, rtol=2e-8 if "consensus" in name else 1e-9)


TABLE = {  # |(θ, ψ)| after 500 steps, simultaneous and G first; lowest and highest of a cycle
    "minimax, unregularised": (3.10, 1.42),
    "non-saturating": (0.64, 0.28),
    "WGAN, clip 1": (1.00, 1.02),
    "R1, γ = 0.3": (2.6e-6, 2.3e-7),
    "R1, γ = 1 (critical)": (9.5e-22, 7.5e-17),
    "consensus, γ = 1": (2.6e-10, 1.7e-11),
}


@pytest.mark.parametrize("name", sorted(TABLE))
def test_norms_are_those_of_the_table(name: str) -> None:
    for order, known in zip(ORDERS, TABLE[name], strict=True):
        assert float(played(name).norms[order][-1]) == pytest.approx(known, rel=0.02)


def test_wgan_gp_goes_round_for_ever() -> None:
    for order, (low, high) in zip(ORDERS, [(1.62, 1.97), (1.14, 1.44)], strict=True):
        last = played("WGAN-GP, weight 0.35").norms[order][-100:]
        assert [last.min(), last.max()] == pytest.approx([low, high], abs=0.005)


f1, f2 = 1 / 2, -1 / 4  # f′(0) and f″(0) of f(t) = −log(1 + e^−t), as the paper calls them
S, i = 0.7, 1j
CLOSED = {  # eigenvalues as the paper writes them
    "minimax, unregularised": (f1 * i, -f1 * i),
    "non-saturating": (f1 * i, -f1 * i),
    "minimax, D 4× faster": (2 * f1 * i, -2 * f1 * i),
    "WGAN, clip 1": (i, -i),
    "instance noise, s = 0.7": tuple(f2 * S**2 + sign * (f2**2 * S**4 - f1**2 + 0j) ** 0.5 for sign in (1, -1)),
    "R1, γ = 0.3": tuple(-0.15 + sign * (0.3**2 / 4 - f1**2 + 0j) ** 0.5 for sign in (1, -1)),
    "R1, γ = 1 (critical)": (-0.5, -0.5),
    "consensus, γ = 1": (-(f1**2) + f1 * i, -(f1**2) - f1 * i),
}


def roots(trace: float, determinant: float) -> list[complex]:
    return [complex(x) for x in np.roots([1, -trace, determinant])]


ALTERNATING = {  # trace and determinant of a step with G first, worked out by hand with h = 1/5
    "minimax, unregularised": (2 - 0.01, 1),
    "non-saturating": (2 - 0.01, 1),
    "minimax, D 4× faster": (2 - 0.04, 1),
    "WGAN, clip 1": (2 - 0.04, 1),
    "instance noise, s = 0.7": (2 - 0.049 - 0.01, 1 - 0.049),
    "R1, γ = 0.3": (2 - 0.06 - 0.01, 1 - 0.06),
    "R1, γ = 1 (critical)": (2 - 0.2 - 0.01, 1 - 0.2),
    "consensus, γ = 1": (2 - 0.1 - 0.01, 0.95**2),
}


def distance(found: object, expected: object) -> float:
    """Between two pairs of numbers, in whatever order."""
    a, b = (sorted(map(complex, pair), key=lambda x: (round(x.imag, 5), x.real)) for pair in (found, expected))  # type: ignore[call-overload]
    return max(abs(x - y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("name", sorted(CLOSED))
def test_eigenvalues_of_the_real_updates_are_the_closed_forms(name: str) -> None:
    jacobians = played(name).jacobians
    assert jacobians is not None
    field, simultaneous, alternating = map(eigenvalues, jacobians)
    assert distance(field, CLOSED[name]) < 1e-6
    assert distance(simultaneous, [1 + H * x for x in CLOSED[name]]) < 1e-6
    assert distance(alternating, roots(*ALTERNATING[name])) < 1e-6
    linear = ROW[name].linear
    assert linear is not None
    assert distance(linear.field, CLOSED[name]) < 1e-12
    assert distance(linear.alternating(H), roots(*ALTERNATING[name])) < 1e-12


def test_only_the_row_without_an_equilibrium_has_no_eigenvalues() -> None:
    assert set(ROW) - set(CLOSED) == {"WGAN-GP, weight 0.35"}
    assert played("WGAN-GP, weight 0.35").jacobians is None
    game = ROW["WGAN-GP, weight 0.35"].play(get_backend("numpy"))
    assert game.field((0.0, 1e-9))[1] == pytest.approx(0.7)  # the kink: D is pushed away from 0 on both sides
    assert game.field((0.0, -1e-9))[1] == pytest.approx(-0.7)
    assert game.field((0.0, 1.0)) == pytest.approx((1.0, 0.0))  # where D rests, G moves on


def test_modulus_without_damping_is_above_one_at_once_and_one_in_turns() -> None:
    jacobians = played("minimax, unregularised").jacobians
    assert jacobians is not None
    _, simultaneous, alternating = (max(map(abs, eigenvalues(matrix))) for matrix in jacobians)
    assert simultaneous == pytest.approx(np.sqrt(1.01), abs=1e-9)
    assert alternating == pytest.approx(1, abs=1e-9)


def test_whoever_is_first_the_eigenvalues_are_the_same() -> None:
    game = Dirac(objective="minimax", penalties=[R1(0.3)])
    first, second = (eigenvalues(jacobian(f, (0.0, 0.0))) for f in (game.g_first, game.d_first))
    assert distance(first, second) < 1e-9


# --- that it is the library which plays ---------------------------------------------------------------------------


def test_d_first_is_what_the_gan_plays() -> None:
    """Never put back anywhere, `GAN.step` goes through the same points, to the bit; G's weights stay at 0."""
    game, free = (Dirac(objective="minimax", penalties=[R1(0.3)]) for _ in range(2))
    free.put(START)
    for expected in walk(game.d_first, START, 60)[1:]:
        free.gan.step(free.real)
        assert free.point == tuple(expected)
    assert (free.gan.G.flat[:-1] == 0).all()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Dirac(objective="minimax", penalties=[R1(0.3)]), Dirac(objective="minimax", penalties=[R2(0.3)])),
        (Dirac(objective="non-saturating"), Dirac(objective="relativistic")),
        (
            Dirac(objective="wasserstein", penalties=[GradientPenalty(0.35)]),
            Dirac(objective="wasserstein", penalties=[DRAGAN(0.35)]),
        ),
    ],
    ids=["R1 is R2", "relativistic is non-saturating", "WGAN-GP is DRAGAN's penalty"],
)
def test_here_two_methods_are_one(one: Dirac, other: Dirac) -> None:
    for w in [(1.0, -1.0), (0.3, 0.8), (-0.7, 0.2)]:
        assert one.d_first(w) == pytest.approx(other.d_first(w), abs=1e-14)


def test_noise_averaged_is_the_limit_of_noise_drawn() -> None:
    averaged = Dirac(noise=0.7)
    drawn = Dirac(batch=400_000, objective="minimax", instance_noise=0.7, seed=1)
    w = (0.8, -0.9)
    assert drawn.field(w) == pytest.approx(averaged.field(w), abs=5e-3)
    assert drawn.field(w) != pytest.approx(Dirac(objective="minimax").field(w), abs=5e-2)


def test_weighted_loss_has_its_gradient() -> None:
    game = Dirac(noise=0.7)
    losses = []
    for psi in (0.6 - 1e-5, 0.6 + 1e-5):
        game.put((0.4, psi))
        losses.append(float(game.gan.update_discriminator(game.real)["d_loss"]))
    slope = (losses[1] - losses[0]) / 2e-5
    assert game.field((0.4, 0.6))[1] == pytest.approx(-slope, rel=1e-8)
    game.put((0.4, 0.6))
    assert float(game.gan.update_generator(len(game.real))["g_loss"]) < 0  # log(1 − D)


def test_drawn_noise_ends_in_a_cloud_of_the_size_that_linear_theory_says() -> None:
    spread = Linear(0, 0.245, 0.5).spread(H, H**2 * 0.7**2 / 2000)
    rng, w, squares = np.random.default_rng(0), np.zeros((2, 4000)), []
    for t in range(600):  # 4000 walks of the linear map at once
        noise = rng.standard_normal(4000) * H * 0.7 / np.sqrt(2000)
        w = np.array([w[0] + H * w[1] / 2, w[1] - H * (w[0] / 2 + 0.245 * w[1]) + noise])
        if t >= 300:
            squares.append((w**2).sum(axis=0).mean())
    assert np.sqrt(np.mean(squares)) == pytest.approx(spread[0], rel=0.02)
    assert 0.005 < spread[1] < spread[0] < 0.03


def test_differences_are_right_to_eight_digits() -> None:
    def curve(w: tuple[float, float]) -> tuple[float, float]:
        return float(np.sin(w[0] * w[1])), float(np.exp(w[0]))

    np.testing.assert_allclose(derivative(curve, (0.5, 2.0), 0), [2 * np.cos(1), np.exp(0.5)], rtol=1e-8)
    np.testing.assert_allclose(jacobian(curve, (0.5, 2.0))[:, 1], [0.5 * np.cos(1), 0], rtol=1e-8)


def test_consensus_of_a_game_at_rest_is_rest() -> None:
    class Still(Game):
        lr = 0.1

        def g(self, w: tuple[float, float]) -> float:
            return w[0]

        def d(self, w: tuple[float, float]) -> float:
            return w[1]

    assert Consensus(Still(), 1.0).simultaneous((1.0, 2.0)) == (1.0, 2.0)


# --- the study --------------------------------------------------------------------------------------------------


def test_findings_hold_and_say_so_if_they_do_not() -> None:
    rows = [
        played(name)._replace(walks=played(name).walks | {"d_first": played(name).walks["g_first"]}) for name in NAMES
    ]
    cloud = {order: np.full((STEPS + 1, 2), 0.0107) for order in ORDERS}
    findings = Found(rows, cloud).findings()
    assert len(findings) == 2 * len(CLOSED) + len(ROWS) + 2
    assert not [finding for finding in findings if finding.holds is False]
    assert not [finding for finding in findings if "|" in "".join(map(str, finding))]  # cells of a Markdown table

    wrong = [row._replace(walks={order: 1.01 * points for order, points in row.walks.items()}) for row in rows]
    wrong = [row._replace(jacobians=row.jacobians and tuple(1.0001 * m for m in row.jacobians)) for row in wrong]
    bad = Found(wrong, {order: 10 * points for order, points in cloud.items()}).findings()
    assert [finding.holds for finding in bad].count(False) >= len(bad) - 4  # some norms still round to what they did


def test_the_picture_can_be_drawn() -> None:
    matplotlib_figure = pytest.importorskip("matplotlib.figure")
    rows = [played(name) for name in ("R1, γ = 1 (critical)", "WGAN-GP, weight 0.35")]
    figure = matplotlib_figure.Figure(figsize=Found.size, layout="constrained")
    Found(rows, {order: np.full((STEPS + 1, 2), 0.01) for order in ORDERS}).draw(figure)
    titles = [ax.get_title() for ax in figure.axes]
    assert [row.row.name for row in rows] == titles[: len(rows)]


def test_the_study_is_known() -> None:
    assert get_study("dirac")[0].ROWS is ROWS
    assert all(isinstance(row, Case) for row in ROWS)
