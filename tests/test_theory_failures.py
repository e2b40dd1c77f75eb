"""Each failure fails, is noticed in time, and only there; each study says what it has found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from minigan import get_backend
from minigan.theory import STUDIES, get_study
from minigan.theory.d_wins import FAILURE as D_WINS
from minigan.theory.failures import Comparison, Game, Outcome, play, widened
from minigan.theory.mode_collapse import COMPLETE, PARTIAL
from minigan.theory.one_weakness import FAILURE as ONE_WEAKNESS
from minigan.theory.one_weakness import fresh_accuracy

FAILURES = {failure.name: failure for failure in (D_WINS, ONE_WEAKNESS, PARTIAL, COMPLETE)}
CURE = {  # the remedy that works fastest
    "D wins": "non-saturating", "one weakness": "D goes on, twice the rate", "partial collapse": "D's rate as G's",
    "complete collapse": "D's rate as G's, beta1 0.5",
}  # fmt: skip


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_fails_and_is_noticed_in_time(name: str) -> None:
    failure = FAILURES[name]
    outcome = play(failure, failure.sick, seed=5, steps=min(failure.within, failure.steps))
    assert not failure.healthy(outcome.figure)
    when = outcome.noticed(failure.kinds)
    assert when is not None
    assert when <= failure.within


@pytest.mark.parametrize("name", ["D wins", "one weakness", "complete collapse"])
def test_its_remedy_restores_the_figure_and_nothing_is_noticed(name: str) -> None:
    failure = FAILURES[name]
    steps = 2_100 if failure is COMPLETE else 1_000  # a collapse is spoken of from step 2,000 on
    outcome = play(failure, failure.games[CURE[name]], seed=5, steps=steps)
    assert failure.healthy(outcome.figure)
    assert outcome.noticed(failure.kinds) is None


@pytest.mark.parametrize("name", FAILURES)
def test_each_remedy_changes_something_and_says_what(name: str) -> None:
    failure = FAILURES[name]
    assert failure.games[name] == failure.sick
    assert len(set(failure.games.values())) == len(failure.games) >= 4
    assert CURE[name] in failure.remedies


def test_a_fresh_D_tells_what_is_unlike_the_data_and_leaves_G_alone() -> None:
    toy = widened("ring", 0.05)
    gan = Game().build(toy, 1, 0, get_backend("numpy"))
    before = gan.G.flat.copy()
    assert fresh_accuracy(gan, toy, 0) > 0.95  # an untrained G
    assert np.array_equal(gan.G.flat, before)
    assert gan.steps == gan.d_updates == 0


def test_a_game_is_built_as_it_is_described() -> None:
    game = Game("relativistic", d_lr=3e-4, beta1=0.9, r1=1.0, r2=2.0, packing=2, minibatch_std=True, d_steps=3)
    gan = game.build(widened("grid", 0.2), 100, 0, get_backend("numpy"))
    assert [type(p).__name__ for p in gan.penalties] == ["R1", "R2"]
    assert (gan.packing, gan.d_steps, str(gan.objective)) == (2, 3, "Relativistic()")
    assert gan.D.mixes_samples
    assert [o.arguments()["lr"] for o in (gan.optimizer, gan.d_optimizer)] == [1e-3, 3e-4]
    stopped = Game(d_stop=10, instance_noise=2.0, g_sgd=0.5).build(widened("ring", 0.1), 100, 0, get_backend("numpy"))
    assert stopped.d_optimizer.arguments()["lr"](10) == 0
    assert stopped.instance_noise(100) == 0  # type: ignore[operator]
    assert type(stopped.optimizer).__name__ == "SGD"


def test_studies_are_known_and_a_page_can_be_made_of_them() -> None:
    from matplotlib.figure import Figure

    for name in ("d-wins", "one-weakness", "mode-collapse"):
        assert callable(get_study(name)[1])
        assert name in STUDIES
    short = replace(D_WINS, steps=50, remedies={"R1": {"r1": 1.0}}, sick=replace(D_WINS.sick, pretrain=10))
    outcomes = {name: play(short, game, 0) for name, game in short.games.items()}
    found = Comparison([(short, outcomes)])
    findings = found.findings()
    assert [f.what for f in findings] == ["D wins: noticed", "D wins: JSD to the data", "R1: JSD to the data"]
    assert (findings[0].found, findings[0].holds) == ("never", False)
    figure = Figure(figsize=found.size, layout="constrained")
    found.draw(figure)
    figure.canvas.draw_idle()
    titles = [ax.get_title() for ax in figure.get_axes()]
    assert any(title.startswith("D wins\nJSD to the data: 0.6") for title in titles)


def test_findings_hold_only_if_the_failure_is_noticed_in_time_and_the_remedy_works() -> None:
    def outcome(figure: float) -> Outcome:
        return Outcome(np.zeros((1, 2)), [], np.zeros(1, np.int64), np.zeros(1), figure)

    sick, cured = PARTIAL.name, next(iter(PARTIAL.remedies))
    findings = Comparison([(PARTIAL, {sick: outcome(25), cured: outcome(3)})]).findings()
    assert [f.holds for f in findings] == [False, False, False]
