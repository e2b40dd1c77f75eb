"""The watcher of a run: that it speaks once of each trouble, and never of health; that it changes nothing."""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import minigan
from minigan import GAN, R1, Adam, Dense, LeakyReLU, Minimax, NonSaturating, ReLU, Sequential, Wasserstein
from minigan.backend import Backend
from minigan.datasets.toys import get_toy
from minigan.diagnostics import Diagnostics, Notice
from minigan.diagnostics.states import STATES, Figures, Window, swings
from minigan.diagnostics.variety import Variety
from minigan.game import Play
from minigan.game.update import NonFiniteError
from minigan.runs.lines import NoticesFile
from minigan.training import resume, train

EVERY = 50
HEALTHY = {
    "d_loss": 1.3, "g_loss": 0.8, "d_real": 0.55, "d_fake": 0.45, "d_accuracy_real": 0.6, "d_accuracy_fake": 0.6,
    "d_grad_norm": 0.5, "g_grad_norm": 0.5,
}  # fmt: skip
GRID = get_toy("grid")
Stream = list[tuple[int, dict[str, float]]]  # so many steps with these metrics beside the healthy ones


class Fake:
    """What Diagnostics asks of a GAN, without one."""

    def __init__(self, objective: Any = None) -> None:
        self.objective = objective or NonSaturating()
        self.penalties: list[Any] = []
        self.optimizer, self.D = Adam(), SimpleNamespace(mixes_samples=False)
        self.instance_noise, self.packing, self.average, self.d_steps, self.steps = 0.0, 1, 0.0, 1, 0
        self.backend = minigan.get_backend("numpy")
        self.last_fakes: Any = None


def heard(
    stream: Stream, gan: Any = None, noise: float = 0.0, chunk: int = 7, fakes: Any = None
) -> tuple[list[Notice], Diagnostics]:
    """What is said of a stream of metrics that comes in chunks. fakes(step): what G makes."""
    gan, rng = gan or Fake(), np.random.default_rng(1)
    diagnostics = Diagnostics(gan, GRID.sample(2_000), every=EVERY)
    values = [HEALTHY | changed for count, changed in stream for _ in range(count)]
    notices = []
    for start in range(0, len(values), chunk):
        part = values[start : start + chunk]
        played = {name: np.array([v[name] for v in part]) for name in HEALTHY}
        for name in played:
            if name.startswith("d_accuracy"):
                played[name] = np.clip(played[name] - 0.05 * noise * rng.random(len(part)), 0, 1)
            else:
                played[name] = played[name] * np.exp(noise * rng.standard_normal(len(part)))
        gan.steps += len(part)
        if fakes is not None:
            gan.last_fakes = fakes(gan.steps)
        notices += diagnostics.watch(played)
    return notices, diagnostics


def said(notices: list[Notice]) -> list[tuple[str, bool]]:
    return [(n.kind, n.entered) for n in notices]


D_WINS = {"d_real": 1.0, "d_fake": 1e-4, "d_accuracy_real": 1.0, "d_accuracy_fake": 1.0, "g_grad_norm": 1e-3}
WEAKNESS = {"d_real": 0.5, "d_fake": 0.98, "d_accuracy_fake": 0.01}
RATIO = {"g_grad_norm": 1e4}


@pytest.mark.parametrize(("kind", "sick"), [("d-wins", D_WINS), ("one-weakness", WEAKNESS), ("gradient-ratio", RATIO)])
@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_a_trouble_is_spoken_of_once_when_it_begins_and_once_when_it_is_over(
    kind: str, sick: dict[str, float], noise: float
) -> None:
    notices, diagnostics = heard([(1_000, {}), (2_000, sick), (2_000, {})], noise=noise)
    assert said(notices) == [(kind, True), (kind, False)]
    assert 1_000 < notices[0].step <= 1_600
    assert 3_000 < notices[1].step <= 3_600
    assert diagnostics.open == diagnostics.remaining() == []


@pytest.mark.parametrize(
    ("sick", "between"),
    [(D_WINS, {"d_accuracy_fake": 0.965}), (WEAKNESS, {"d_accuracy_fake": 0.2}), (RATIO, {"g_grad_norm": 300.0})],
)
def test_a_figure_between_its_two_thresholds_makes_no_chatter(
    sick: dict[str, float], between: dict[str, float]
) -> None:
    for steps in (150, 700):
        stream = [part for _ in range(3_000 // steps) for part in ((steps, sick), (steps, sick | between))]
        assert len(said(heard(stream, noise=0.02)[0])) <= 1
    assert said(heard(stream)[0])[0][1]


def test_one_block_out_of_line_decides_nothing() -> None:
    assert heard([(1_000, {}), (50, {"g_grad_norm": 1e12}), (1_000, {})])[0] == []


def test_what_passes_soon_is_not_spoken_of() -> None:
    for sick in (D_WINS, WEAKNESS, RATIO):
        assert heard([(1_000, {}), (250, sick), (1_000, {})])[0] == []


@pytest.mark.parametrize("chunk", [1, 7, 100, 1_234])
def test_notices_do_not_depend_on_how_the_steps_come(chunk: int) -> None:
    stream: Stream = [(1_000, {}), (1_000, D_WINS), (1_000, {}), (1_100, WEAKNESS)]
    assert heard(stream, chunk=chunk)[0] == heard(stream, chunk=50)[0] != []


def test_healthy_metrics_are_met_with_silence() -> None:
    assert heard([(10_000, {})], noise=0.5, fakes=lambda step: GRID.sample(64, seed=step))[0] == []


def test_the_first_steps_of_a_run_may_belong_to_D() -> None:
    """As measured: D is right about everything and D(G(z)) is 0.01 for a while, but G's gradient is large."""
    start = D_WINS | {"d_fake": 0.012, "g_grad_norm": 8.0}
    assert heard([(800, start), (2_000, {})])[0] == []
    assert said(heard([(800, start)], Fake(Minimax()))[0]) == []
    vanished = start | {"d_fake": 0.008}  # under minimax the gradient is proportional to this
    assert said(heard([(800, vanished)], Fake(Minimax()))[0]) == [("d-wins", True)]


def test_conditions_on_probabilities_are_not_applied_to_scores() -> None:
    critic = {"d_real": -3.0, "d_fake": -40.0, "d_accuracy_real": 1.0, "d_accuracy_fake": 1.0}  # a good critic
    assert heard([(3_000, critic)], Fake(Wasserstein()))[0] == []
    notices, _ = heard([(1_000, critic), (1_000, critic | {"g_grad_norm": 1e-3})], Fake(Wasserstein()))
    assert said(notices) == [("d-wins", True)]
    assert "D(G(z))" not in notices[0].sentence
    fooled = {"d_real": -3.0, "d_fake": 40.0, "d_accuracy_real": 0.02, "d_accuracy_fake": 0.02}
    assert said(heard([(1_000, fooled)], Fake(Wasserstein()))[0]) == [("one-weakness", True)]


def test_label_smoothing_is_no_trouble() -> None:
    smoothed = {"d_real": 0.9, "d_fake": 0.1, "d_accuracy_real": 1.0, "d_accuracy_fake": 0.97}
    assert heard([(3_000, smoothed)], Fake(NonSaturating(0.9)))[0] == []


def test_circles() -> None:
    t = np.arange(6_000)
    values = 0.5 + 0.4 * np.sin(2 * np.pi * t / 300)
    stream: Stream = [(1, {"d_fake": float(v)}) for v in values] + [(4_000, {})]
    notices, _ = heard(stream, noise=0.05)
    assert said(notices) == [("oscillation", True), ("oscillation", False)]
    assert "every 300 steps" in notices[0].sentence


def test_what_has_calmed_down_no_longer_swings() -> None:
    swing, calm = np.sin(2 * np.pi * np.arange(130) / 25), np.zeros(130)
    assert swings(np.concatenate([swing, calm])) == (0.0, 0.0)
    assert swings(np.concatenate([calm, swing]))[1] == pytest.approx(0.7, abs=0.02)


def test_noise_and_drift_do_not_swing() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        assert swings(rng.random(260))[0] == 0
    assert swings(np.linspace(0, 1, 260))[0] == 0
    assert swings(np.zeros(260)) == (0.0, 0.0)


# --- variety ---------------------------------------------------------------------------------------------------


def modes(count: int, seed: int, n: int = 64) -> np.ndarray[Any, Any]:
    """Samples of the first modes of the grid only."""
    rng = np.random.default_rng(seed)
    return (GRID.means[rng.integers(count, size=n)] + 0.05 * rng.standard_normal((n, 2))).astype(np.float32)


def test_variety_counts_kinds() -> None:
    variety = Variety(GRID.sample(2_000))
    assert 23 <= variety.cells <= 25
    for count in (1, 2, 8, 25):
        looks = [variety.look(modes(count, seed)) for seed in range(20)]
        assert np.mean([look.kinds for look in looks]) == pytest.approx(min(count, 20), rel=0.15)
    assert np.mean([look.variety for look in looks]) == pytest.approx(1, abs=0.05)
    for n in (2, 8, 32, 500):  # as many real samples are the measure, however few
        assert np.mean([variety.look(modes(25, s, n)).variety for s in range(60)]) == pytest.approx(1, abs=0.08)


@pytest.mark.parametrize("n", [2, 5, 40])
def test_a_batch_of_real_samples_is_as_varied_as_so_many_real_samples_are(n: int) -> None:
    rng, data = np.random.default_rng(0), GRID.sample(2_000)
    variety = Variety(data)
    looks = [variety.look(data[rng.integers(2_000, size=n)]).variety for _ in range(200)]
    assert np.mean(looks) == pytest.approx(1, abs=0.05)


def test_variety_of_images_of_few_digits() -> None:
    digits = minigan.datasets.load("digits")
    variety, labels = Variety(digits), np.asarray(digits.labels)
    images = digits.images.astype(np.float32) * 2 / 255 - 1
    for kinds, low, high in ((1, 0.0, 0.45), (3, 0.2, 0.6), (10, 0.9, 1.1)):
        of_these = images[labels < kinds]
        looks = [variety.look(of_these[i * 64 : i * 64 + 64]).variety for i in range(8)]
        assert low < np.mean(looks) < high


def test_variety_of_odd_data() -> None:
    assert Variety(np.zeros((100, 3))).look(np.ones((5, 3))) == (1.0, 1.0)
    assert Variety(np.full((10, 3), np.nan)).look(np.ones((5, 3))) == (1.0, 1.0)
    assert Variety(np.eye(3)).cells == 1


def test_collapse_partial_and_complete_each_once() -> None:
    def fakes(step: int) -> Any:
        return modes(25 if step <= 1_000 else 8 if step <= 2_500 else 1 if step <= 4_000 else 25, step)

    notices, _ = heard([(5_500, {})], fakes=fakes)
    assert said(notices) == [
        ("partial-collapse", True), ("complete-collapse", True), ("complete-collapse", False),
        ("partial-collapse", False),
    ]  # fmt: skip
    partial, complete, *over = (n.step for n in notices)
    assert 1_300 <= partial <= 1_600
    assert 2_800 <= complete <= 3_100
    assert all(4_100 <= step <= 4_400 for step in over)


def test_few_kinds_that_become_more_are_no_collapse() -> None:
    def fakes(step: int) -> Any:
        return modes(min(25, 1 + max(0, step - 1_500) // 60), step)

    assert heard([(3_500, {})], fakes=fakes)[0] == []


def test_a_slow_start_is_no_collapse_but_one_that_never_gets_better_is() -> None:
    assert heard([(3_000, {})], fakes=lambda step: modes(1 + step // 60 if step < 1_440 else 25, step))[0] == []
    notices, diagnostics = heard([(3_000, {})], fakes=lambda step: modes(5, step))
    assert said(notices) == [("partial-collapse", True)]
    assert notices[0].step == 2_000
    assert diagnostics.remaining() == ["since step 2,000: fakes are of few kinds only"]


def test_a_G_that_hops_from_mode_to_mode_has_collapsed() -> None:
    def fakes(step: int) -> Any:
        return modes(25, step) if step < 1_000 else (GRID.means[step // 50 % 25] + np.zeros((64, 2))).astype(np.float32)

    assert said(heard([(2_500, {})], fakes=fakes)[0]) == [("complete-collapse", True)]


# --- sentences -------------------------------------------------------------------------------------------------


def test_sentences_give_the_figure_and_advise_what_is_not_in_force() -> None:
    gan = Fake(Minimax())
    [notice] = heard([(800, D_WINS)], gan)[0]
    assert str(notice).startswith("step 500: D wins: it is right about 100.0% of real samples")
    for option in ("`--objective non-saturating`", "`--instance-noise 0.5`", "`--r1 1`"):
        assert option in notice.sentence
    gan = Fake()
    gan.penalties, gan.instance_noise = [R1(1.0)], 0.1
    [notice] = heard([(800, D_WINS)], gan)[0]
    assert "--r1" not in notice.sentence
    assert "--objective" not in notice.sentence
    assert "--d-lr" in notice.sentence


FIGURES = Figures(0.71, 0.62, 0.93, 0.04, d_grad_norm=2.0, g_grad_norm=6e3, kinds=3.4, variety=0.25)
SENTENCES: dict[str, tuple[str, str]] = {
    "d-wins": (
        "D wins: it is right about 93.0% of real samples and 4.0% of fakes; G's gradient has fallen to 0.6% of what",
        "D no longer wins: it is right about 4.0% of fakes,",
    ),
    "one-weakness": (
        "D takes 96.0% of fakes for real, with D(x) 0.62 of fakes and 0.71 of real samples",
        "D has caught up: it is right about 4.0% of fakes again",
    ),
    "complete-collapse": (
        "complete: a batch of fakes is of 3.4 kinds, 25% of what as many real samples hold",
        "fakes are no longer all alike: a batch is of 3.4 kinds",
    ),
    "partial-collapse": (
        "partial: a batch of fakes is of 3.4 kinds, 25% of what as many real samples hold",
        "a batch is of 3.4 kinds, 25% of what real samples hold",
    ),
    "oscillation": ("D(G(z)) swings by ±0.23 about every 140 steps", "D(G(z)) swings by ±0.23"),
    "gradient-ratio": (
        "G's gradient is 3e+03 times D's (6.0e+03 of G, 2.0e+00 of D). Usually D has nothing left to learn from G",
        "G's is 3e+03 times D's",
    ),
}


def test_every_figure_in_a_sentence_is_that_of_what_it_names() -> None:
    window = partial(Window, Fake(), 100, peak=1e6, varied=True, period=140.0, swing=0.23)
    assert [state.kind for state in STATES] == list(SENTENCES)
    for state in STATES:
        begins, ends = SENTENCES[state.kind]
        assert begins in state.begins(FIGURES, window(before=FIGURES, recent=FIGURES))
        assert ends in state.ends(FIGURES, window(before=FIGURES, recent=FIGURES))
    weak = FIGURES._replace(g_grad_norm=4e-4)
    said = STATES[-1].begins(weak, window(before=weak, recent=weak))
    assert said.startswith("D's gradient is 5e+03 times G's (4.0e-04 of G, 2.0e+00 of D). Usually G has nothing left")


def test_of_a_critic_its_accuracy_on_fakes_is_followed() -> None:
    """Nobody else's: that on real samples may swing as it likes, and so may its scores."""
    t = np.arange(3_500)
    swinging = 0.5 + 0.4 * np.sin(2 * np.pi * t / 400)
    for name, found in (("d_accuracy_fake", ["oscillation"]), ("d_accuracy_real", []), ("d_fake", [])):
        stream = [(1, {name: float(value)}) for value in swinging]
        notices, diagnostics = heard(stream, Fake(Wasserstein()))
        assert diagnostics.open == found, name
        if notices:
            period = re.search(r"critic's accuracy on fakes swings by ±0\.2\d about every (\d+) steps", str(notices[0]))
            assert period
            assert int(period[1]) == pytest.approx(400, abs=20)


def test_every_flag_that_is_advised_exists() -> None:
    from minigan.recipes.options import recipe_options

    flags = {option.flag for option in recipe_options("gan").values()}
    m = Figures(*[0.5] * len(Figures._fields))
    for objective in (Minimax(), NonSaturating(), Wasserstein()):
        window = Window(Fake(objective), 100, m, m, 1.0, True, 100.0, 0.3)  # type: ignore[arg-type]
        for state in STATES:
            tries = state.tries(window.gan)
            assert 0 < len(tries) <= 3
            assert set(re.findall(r"--[a-z0-9-]+", " ".join(tries))) <= flags
            assert state.begins(m, window)
            assert state.ends(m, window)
            assert state.remains()


def test_a_NaN_is_named_once() -> None:
    notices, _ = heard([(120, {}), (3, {"g_loss": 1.0, "d_fake": float("nan")}), (500, {})])
    assert said(notices) == [("not-finite", True)]
    assert notices[0].step == 121
    assert "d_fake is not finite at step 121" in notices[0].sentence


def test_the_error_that_ended_a_run_keeps_its_words() -> None:
    error = NonFiniteError(7, "the loss of D", "the loss of D is not finite at step 7")
    assert heard([])[1].failed(error) == (7, "not-finite", True, str(error), ())


def test_refusals() -> None:
    with pytest.raises(ValueError, match="multiple of 5, the points of a block, got 12"):
        Diagnostics(Fake(), GRID.sample(10), every=12)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="this is no state of diagnostics"):
        heard([])[1].load_state({"rows": 3})


# --- real games ------------------------------------------------------------------------------------------------


def small(backend: Any = "numpy", **options: Any) -> GAN:
    be = minigan.get_backend(backend) if isinstance(backend, str) else backend
    G = Sequential(Dense(2, 16), ReLU(), Dense(16, 2), backend=be, seed=1)
    D = Sequential(Dense(2, 16), LeakyReLU(0.2), Dense(16, 1), backend=be, seed=2)
    return GAN(G, D, seed=3, **options)


def test_training_is_the_same_bit_for_bit() -> None:
    games = [small(), small()]
    matches = [Play(gan, GRID.sample(500), 16) for gan in games]
    diagnostics = Diagnostics(games[1], GRID.sample(500), every=10)
    for _ in range(60):
        plain, watched = (match.play(3) for match in matches)
        diagnostics.watch(watched)
        assert all(np.array_equal(plain[name], watched[name]) for name in plain)
    for name, array in games[0].G.state_dict().items():
        assert np.array_equal(array, games[1].G.state_dict()[name])


@pytest.mark.parametrize("reuse", [False, True])
def test_the_last_fakes_are_those_that_G_has_learned_from(backend: Backend, reuse: bool) -> None:
    gan, twin = (small(be, reuse_fakes=reuse) for be in (backend, "numpy"))
    made: list[Any] = []
    forward = twin.make_fakes

    def noted(*args: Any, **kwargs: Any) -> Any:
        fakes = forward(*args, **kwargs)
        made.append(fakes.samples.copy())
        return fakes

    twin.make_fakes = noted  # type: ignore[method-assign]
    matches = [Play(g, GRID.sample(500), 16) for g in (gan, twin)]
    for steps in (1, 3, 2):
        for match in matches:
            match.play(steps)
        assert gan.backend.to_numpy(gan.last_fakes) == pytest.approx(made[-1], abs=1e-4)


def test_a_loop_by_hand_may_give_numbers_instead_of_arrays() -> None:
    gan = small()
    diagnostics = Diagnostics(gan, GRID.sample(500), every=10)
    gan.fit(GRID.sample(500), 25, 16, callback=lambda _, metrics: bool(diagnostics.watch(metrics)))
    assert len(diagnostics._rows) == 2
    assert gan.steps == 25


def test_what_it_has_in_mind_survives_as_JSON() -> None:
    gan = small()
    match = Play(gan, GRID.sample(500), 16)
    first, second = (Diagnostics(gan, GRID.sample(500), every=10) for _ in range(2))
    for k in range(8):
        played = match.play(37)
        first.watch(played)
        second.watch(played)
        third = Diagnostics(gan, GRID.sample(500), every=10)
        third.load_state(json.loads(json.dumps(second.state(), allow_nan=False)))
        second = third
        assert second.state() == first.state(), k


def sick_run(out: Path, data: Path, steps: int, quiet: bool = True) -> Path:
    """A run in which D does not learn, so that G lives off its weakness."""
    options = {"latent": 4, "d_lr": 1e-9, "lr": 1e-3}
    return train("gan", data, steps=steps, batch=4, out=out, sample_every=10_000, checkpoint_every=60,
                 options=options, backend="numpy", quiet=quiet)  # fmt: skip


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.npz"
    np.savez(path, images=np.random.default_rng(0).integers(0, 256, (50, 4, 4), dtype=np.uint8))
    return path


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pictures, and blocks of 10 steps."""
    monkeypatch.setattr("minigan.runs.loop.Diagnostics", partial(Diagnostics, every=10))
    monkeypatch.setattr("minigan.runs.loop.Run._draw", lambda self: None)
    monkeypatch.setattr("minigan.runs.loop.Run._save_sample", lambda self: None)


def test_a_run_that_was_stopped_says_what_one_says_that_was_not(tmp_path: Path, data: Path, quick: None) -> None:
    whole = sick_run(tmp_path / "whole", data, 170)
    parts = sick_run(tmp_path / "parts", data, 64)
    assert not (parts / "notices.txt").exists()
    resume(parts, 145, quiet=True)
    assert (parts / "notices.txt").exists()
    resume(parts, 170, quiet=True)
    text = (whole / "notices.txt").read_text()
    assert text == (parts / "notices.txt").read_text()
    [line] = text.splitlines()
    assert re.match(r"step 1\d0: G lives off a weakness of D: D takes \d+\.\d% of fakes for real", line)


def test_a_run_that_was_killed_behind_its_checkpoint_says_nothing_twice(
    tmp_path: Path, data: Path, quick: None
) -> None:
    killed = sick_run(tmp_path / "run", data, 60)
    (killed / "notices.txt").write_text("step 20: kept\nstep 1,400: later than the checkpoint\nstep 25: cut o")
    resume(killed, 140, quiet=True)
    lines = (killed / "notices.txt").read_text().splitlines()
    assert lines[0] == "step 20: kept"
    assert len(lines) == 2
    assert "G lives off" in lines[1]


def test_a_checkpoint_without_diagnostics_or_with_others_can_be_gone_on_with(
    tmp_path: Path, data: Path, quick: None
) -> None:
    for noted in ({}, {"diagnostics": {"rows": "of another version"}}):
        run = sick_run(tmp_path / f"run-{len(noted)}", data, 10)
        GAN.load(run / "checkpoint.npz").save(run / "checkpoint.npz", {"shape": [4, 4], **noted})
        resume(run, 20, quiet=True)


def test_a_run_prints_what_it_notices_and_what_is_still_wrong(
    tmp_path: Path, data: Path, quick: None, capsys: pytest.CaptureFixture[str]
) -> None:
    sick_run(tmp_path / "run", data, 140, quiet=False)
    printed = capsys.readouterr().out.splitlines()
    [notice] = [line for line in printed if ": G lives off a weakness of D: " in line]
    assert printed[-1] == f"still wrong since {notice.split(':')[0]}: G lives off a weakness of D"


def test_a_run_that_diverges_leaves_a_notice(tmp_path: Path, data: Path, quick: None) -> None:
    with pytest.raises(NonFiniteError):
        train("gan", data, steps=100, batch=8, out=tmp_path / "run", options={"latent": 4, "lr": 1e30},
              backend="numpy", quiet=True)  # fmt: skip
    assert "is not finite at step" in (tmp_path / "run" / "notices.txt").read_text()


@pytest.mark.parametrize("step", [7, 999, 1_000, 1_234_567])
def test_notices_up_to_a_step_are_kept_and_later_ones_dropped(tmp_path: Path, step: int) -> None:
    file = NoticesFile(tmp_path / "notices.txt")
    for when in (step - 1, step, step + 1):
        file.append(str(Notice(when, "x", True, "look")))
    file.flush()
    file.rewind(step)
    assert file.path.read_text() == f"step {step - 1:,}: look\nstep {step:,}: look\n"


def test_the_file_of_notices(tmp_path: Path) -> None:
    notices = NoticesFile(tmp_path / "notices.txt")
    notices.flush()
    assert not notices.path.exists()
    for step in (1, 2_000, 30_000):
        notices.append(f"step {step:,}: something")
    notices.flush()
    notices.rewind(2_000)
    assert notices.path.read_text() == "step 1: something\nstep 2,000: something\n"
