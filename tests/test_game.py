"""Games that are not in the library: what is written down in a page is fed, checked, saved, resumed and explained."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import fake_cupy
import numpy as np
import pytest

import minigan
from minigan import Adam, BatchNorm, Dense, Game, GradientError, LeakyReLU, NonFiniteError, Player, Sequential, Tanh
from minigan.backend import get_backend
from minigan.backend.cupy_backend import CupyBackend
from minigan.commands.sample import sample
from minigan.evaluation import evaluate
from minigan.game import Play, Update, saved
from minigan.optim import SGD

Array = Any
DATA = np.random.default_rng(0).uniform(-1, 1, (60, 3))


class Reconstructing(Game):
    """Three players: E and G reconstruct x; D tells N(0, 1) from codes E(x); E descends −log D(E(x))."""

    metrics = "reconstruction_loss", "d_loss", "e_loss"

    def __init__(self, E: Sequential, G: Sequential, D: Sequential, rule: Any = None, seed: int = 0) -> None:
        self.begin_as(seed)
        self.E, self.G, self.D, self.rule = E, G, D, rule or Adam(1e-2, beta1=0.5)
        self.objective = minigan.NonSaturating()
        self.coder = Player("coder", self.rule, E, G)
        self.d, self.e = Player("D", self.rule, D), Player("E", self.rule, E)

    def turn(self, draw: Any) -> dict[str, Array]:
        (x,) = draw(self.coder)
        with self.update(self.coder) as coder:
            code, back_E = coder.run(self.E, x, "encode")
            again, back_G = coder.run(self.G, code, "decode")
            coder.loss, dagain = minigan.mean_squared_error(again, x, coder.arena)
            back_E(back_G(dagain), inputs=False)
        with self.update(self.d) as d:
            code, _ = d.run(self.E, x, "encode")
            on_prior, back_prior = d.run(self.D, d.normal(code.shape, "prior"), "judge the prior", on="the prior")
            on_code, back_code = d.run(self.D, code, "judge the code", on="codes")
            d.loss, (dprior, dcode) = self.objective.discriminator(on_prior, on_code, d.arena)
            back_prior(dprior, inputs=False)
            back_code(dcode, inputs=False)
        with self.update(self.e) as e:
            code, back_E = e.run(self.E, x, "encode")
            on_code, back_D = e.run(self.D, code, "judge")
            e.loss, dlogits = self.objective.generator(on_code, e.arena)
            back_E(back_D(dlogits), inputs=False)
        return {"reconstruction_loss": coder.loss, "d_loss": d.loss, "e_loss": e.loss}


class Drawing(Reconstructing):
    """Its codes are drawn at random, and decoded, for whoever wants to see something."""

    def show(self, n: int, seed: int | None = None) -> np.ndarray[Any, Any]:
        codes = np.random.default_rng(self.seed if seed is None else seed).standard_normal((n, 2))
        return np.tanh(self.backend.to_numpy(self.G(codes, train=False)[0])).repeat(12, axis=1)


class Wrong(Reconstructing):
    """E's update forgets the minus sign of its gradient."""

    def turn(self, draw: Any) -> dict[str, Array]:
        (x,) = draw(self.coder)
        with self.update(self.e) as e:
            code, back_E = e.run(self.E, x, "encode")
            on_code, back_D = e.run(self.D, code, "judge")
            e.loss, dlogits = self.objective.generator(on_code, e.arena)
            back_E(-back_D(dlogits), inputs=False)
        return dict.fromkeys(self.metrics, e.loss)


def build(backend: Any = "numpy", dtype: str = "float32", kind: type[Game] = Reconstructing, **options: Any) -> Any:
    where = {"backend": get_backend(backend) if isinstance(backend, str) else backend, "dtype": dtype}
    E = Sequential(Dense(3, 6), BatchNorm(6), LeakyReLU(0.2), Dense(6, 2), seed=1, **where)
    G = Sequential(Dense(2, 6), Tanh(), Dense(6, 3), seed=2, **where)
    D = Sequential(Dense(2, 6), LeakyReLU(0.2), Dense(6, 1), seed=3, **where)
    return kind(E, G, D, **options)


def everything(game: Game) -> dict[str, Any]:
    parts = {f"{name}/{key}": a for name, part in saved.parts(game).items() for key, a in part.state_dict().items()}
    return {**parts, **{name: player.updates.value for name, player in game.players.items()}}


def assert_equal(a: dict[str, Any], b: dict[str, Any]) -> None:
    assert a.keys() == b.keys()
    for name, value in a.items():
        np.testing.assert_array_equal(value, b[name], err_msg=name)


def test_it_learns() -> None:
    losses = build().fit(DATA, 400, 16)["reconstruction_loss"]
    assert losses[-50:].mean() < 0.6 * losses[:20].mean()


def test_its_gradients_are_those_of_its_losses() -> None:
    errors = minigan.gradcheck_game(build(), DATA, 8)
    assert max(errors.values()) < 1e-6
    whose = {name.partition(": ")[0] for name in errors}
    assert whose == {"update 1, of coder", "update 2, of D", "update 3, of E"}
    assert {name.partition(": ")[2].partition(".")[0] for name in errors if "coder" in name} == {"E", "G"}


def test_the_norm_of_a_gradient_is_that_of_all_networks_of_a_player() -> None:
    norms, game = list[tuple[float, float]](), build()

    def compare(up: Update) -> None:
        parts = [g.ravel() for net in up.player.nets for g in net.grad_dict().values()]
        norms.append((float(up.norm), float(np.linalg.norm(np.concatenate(parts)))))

    game.tries = compare
    game.turn(game.feed(DATA, 8))
    assert len(norms) == 3
    for found, expected in norms:
        assert found == pytest.approx(expected, rel=1e-5)


def test_a_check_changes_nothing() -> None:
    game = build(dtype="float64")
    game.fit(DATA, 3, 8)
    before = everything(game)
    minigan.gradcheck_game(game, DATA, 8)
    assert_equal(everything(game), before)
    assert game.steps == 3


def test_a_wrong_gradient_is_found_and_named() -> None:
    with pytest.raises(GradientError, match=r"the gradient of update 1, of E: E\.\d+\.\w+ .* is wrong"):
        minigan.gradcheck_game(build(kind=Wrong), DATA, 8)


def test_each_player_moves_its_own_networks_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    game, moved = build(), list[tuple[str, set[str]]]()
    states = {"now": everything(game)}
    leave = Update.__exit__

    def left(self: Update, *error: Any) -> None:
        leave(self, *error)
        now = everything(game)
        changed = {k.partition("/")[0] for k, v in now.items() if not np.array_equal(v, states["now"][k])}
        moved.append((self.player.name, {name for name in changed if name in game.networks}))
        states["now"] = now

    monkeypatch.setattr(Update, "__exit__", left)
    game.fit(DATA, 1, 8)
    assert moved == [("coder", {"E", "G"}), ("D", {"D"}), ("E", {"E"})]


def test_it_is_saved_and_plays_on_bit_for_bit(tmp_path: Path) -> None:
    straight, first = build(), build()
    straight.fit(DATA, 9, 8)
    first.fit(DATA, 4, 8)
    first.save(tmp_path / "game.npz", {"note": 1})
    for again in (Game.load(tmp_path / "game.npz"), Reconstructing.load(tmp_path / "game.npz"),
                  pickle.loads(pickle.dumps(first))):  # fmt: skip
        assert type(again) is Reconstructing
        again.fit(DATA, 5, 8)
        assert_equal(everything(again), everything(straight))
    assert saved.extra(tmp_path / "game.npz") == {"note": 1}
    with pytest.raises(ValueError, match="it holds a Reconstructing, and no GAN"):
        minigan.GAN.load(tmp_path / "game.npz")


def test_what_is_not_finite_is_found_in_the_update_that_met_it() -> None:
    game = build()
    game.D.flat[0] = np.nan
    before = everything(game)
    with pytest.raises(
        NonFiniteError, match=r"D\.0\.weight is not finite at step 1, in the update of D: NaN"
    ) as caught:
        game.fit(DATA, 3, 8)
    after = everything(game)
    assert caught.value.step == 1
    assert (after["coder"], after["d"], after["e"]) == (1, 0, 0)
    assert_equal(
        {k: v for k, v in after.items() if k.startswith("D/")}, {k: v for k, v in before.items() if k.startswith("D/")}
    )


class Poisoned(Reconstructing):
    """The gradient of the second of a player's networks, and of no other, is not finite."""

    def turn(self, draw: Any) -> dict[str, Array]:
        with self.update(self.coder) as coder:
            code, back_E = coder.run(self.E, draw(self.coder)[0], "encode")
            back_E(code * 1, inputs=False)
            coder.loss = (code * code).mean()
            self.G.flat_grad[0] = np.inf
        return dict.fromkeys(self.metrics, coder.loss)


def test_a_gradient_of_any_network_of_a_player_must_be_finite() -> None:
    game = build(kind=Poisoned)
    before = everything(game)
    with pytest.raises(
        NonFiniteError, match=r"the gradient of G\.0\.weight is not finite at step 1, in the update of coder"
    ):
        game.fit(DATA, 1, 8)
    assert_equal(
        {k: v for k, v in everything(game).items() if not k.endswith(("running_mean", "running_var"))},
        {k: v for k, v in before.items() if not k.endswith(("running_mean", "running_var"))},
    )


class Explosive(minigan.optim.Schedule):
    """A rate that is far too high from the step `start` on."""

    def __init__(self, start: int) -> None:
        self.start = start

    def __call__(self, t: int) -> float:
        return 1e38 if t >= self.start else 1e-3


@pytest.fixture
def cupy(monkeypatch: pytest.MonkeyPatch) -> Any:
    fake_cupy.install(monkeypatch)
    return CupyBackend


@pytest.mark.parametrize("graph", [True, False])
def test_it_is_the_same_game_as_a_graph(cupy: Any, graph: bool) -> None:
    game, twin = build(cupy(graph=graph), "float64"), build(dtype="float64")
    play = Play(game, DATA, 8)
    history, expected = play.play(8), Play(twin, DATA, 8).play(8)
    assert play.how.startswith("one CUDA graph") == graph
    for name, values in history.items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-5)
    for name, value in everything(game).items():
        np.testing.assert_allclose(value, everything(twin)[name], rtol=1e-4, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("where", [None, "d", "e"])
def test_a_graph_of_three_players_that_halts_says_what_the_cpu_says(
    cupy: Any, where: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the update of any of them: those that the graph has made in its turn are gone through without learning."""
    ends, drawn, stream = [], list[tuple[str, int, Any]](), Update.stream

    def noted(self: Update, purpose: int, *parts: Any) -> Any:
        drawn.append((self.player.name, purpose, stream(self, purpose).step))
        return stream(self, purpose, *parts)

    monkeypatch.setattr(Update, "stream", noted)
    for backend in (cupy(), "numpy"):
        game = build(backend)
        for name, player in game.players.items():
            for bound in player.optimizers:
                bound.rule = Adam(1e-3) if name != (where or "coder") else SGD(Explosive(5))
        play = Play(game, DATA, 8)
        history = play.play(20)
        before = everything(game)
        with pytest.raises(NonFiniteError) as caught:
            play.play(1)
        assert_equal(everything(game), before)
        turn = max(i for i, (name, *_) in enumerate(drawn) if name == "coder") - 1  # its two passes begin the last turn
        ends.append(drawn[turn:])
        assert all(player.shift == 0 for player in game.players.values())  # the next update is the next one again
        ends.append((len(history["d_loss"]), before["coder"], before["d"], before["e"], str(caught.value)))
    (on_gpu, of_gpu), (on_cpu, of_cpu) = ends[:2], ends[2:]
    assert on_gpu == on_cpu  # the same random numbers
    assert of_gpu[:4] == of_cpu[:4]
    assert of_gpu[4].partition(":")[0] == of_cpu[4].partition(":")[0]


def test_its_samples_are_kept_and_judged_like_those_of_any_game(tmp_path: Path) -> None:
    game = build(kind=Drawing)
    game.fit(DATA, 2, 8)
    game.save(tmp_path / "game.npz", {"shape": [6, 6]})
    assert sample(tmp_path / "game.npz", 20, 7, tmp_path / "fakes.npz") == 20
    fakes = np.load(tmp_path / "fakes.npz")["images"]
    np.testing.assert_array_equal(fakes, minigan.datasets.to_uint8(game.show(20, 7)).reshape(20, 6, 6))
    sample(tmp_path / "game.npz", out=tmp_path / "fakes.png")
    np.savez(tmp_path / "data.npz", x_train=np.random.default_rng(1).integers(0, 256, (90, 6, 6), dtype=np.uint8))
    report = evaluate([tmp_path / "game.npz", tmp_path / "fakes.npz"], tmp_path / "data.npz", n=20, seed=7)
    assert report.rows[1].frechet == report.rows[2].frechet
    assert (report.rows[1].n, report.rows[1].seed, report.rows[2].seed) == (20, 7, None)


@pytest.mark.parametrize(
    "option", [{"label": 1}, {"z": "z.npy"}, {"grid": "interpolation"}, {"averaged": False}], ids=str
)
def test_what_only_a_pair_can_be_asked_for_is_refused(option: dict[str, Any], tmp_path: Path) -> None:
    build(kind=Drawing).save(tmp_path / "game.npz", {"shape": [6, 6]})
    with pytest.raises(ValueError, match="a Drawing has no G of latents; leave out --label"):
        sample(tmp_path / "game.npz", out=tmp_path / "fakes.npz", **option)


def test_a_game_that_shows_nothing_says_what_is_missing(tmp_path: Path) -> None:
    build().save(tmp_path / "game.npz")
    with pytest.raises(NotImplementedError, match="Reconstructing has no method `show`"):
        sample(tmp_path / "game.npz", out=tmp_path / "fakes.npz")
