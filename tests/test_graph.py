"""A step as one CUDA graph: it plays the same game as the CPU, call by call or replayed, and says what it cannot."""

from __future__ import annotations

import functools
import gc
import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

import fake_cupy
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from networks import narrowed

import minigan
from minigan import (
    DRAGAN,
    GAN,
    R1,
    R2,
    SGD,
    Adam,
    BatchNorm,
    Dense,
    Dropout,
    GaussianNoise,
    GradientPenalty,
    LeakyReLU,
    ReLU,
    RMSprop,
    Sequential,
    Sigmoid,
    Softplus,
    Tanh,
)
from minigan.backend import Backend, fusion, get_backend, graph
from minigan.backend.cupy_backend import CupyBackend
from minigan.bench import step
from minigan.game import Play, saved
from minigan.game.update import NonFiniteError
from minigan.gan import METRICS
from minigan.recipes import RECIPES

Make = Callable[..., CupyBackend]
IMAGES = np.random.default_rng(0).integers(0, 256, (50, 3, 4), dtype=np.uint8)
SIMULATED = pytest.mark.parametrize("make", ["simulated"], indirect=True)  # what only the simulation can count


@pytest.fixture(params=["simulated", pytest.param("gpu", marks=pytest.mark.gpu)])
def make(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes CuPy backends."""
    if request.param == "simulated":
        fake_cupy.install(monkeypatch)
    try:
        get_backend("cupy")
    except (ImportError, RuntimeError) as error:
        pytest.skip(str(error))
    warnings.filterwarnings("error", "this step cannot be one CUDA graph")
    return CupyBackend


def made(G: Sequential, D: Sequential, options: dict[str, Any]) -> GAN:
    """kind: of the game, GAN by default."""
    kind: type[GAN] = options.pop("kind", GAN)
    return kind(G, D, **options)


def small(be: Backend | str, dtype: str = "float32", **options: Any) -> GAN:
    """The classic nets, with a few units each."""
    G = Sequential(
        Dense(5, 8), LeakyReLU(0.2), BatchNorm(8, momentum=0.8), Dense(8, 12), Tanh(), backend=be, dtype=dtype, seed=1
    )
    width = 12 * options.get("packing", 1)
    D = Sequential(Dense(width, 6), LeakyReLU(0.2), Dense(6, 1), backend=be, dtype=dtype, seed=2)
    return made(G, D, {"optimizer": Adam(2e-3, beta1=0.5), **options})


def rich(be: Backend | str, **options: Any) -> GAN:
    """Every layer there is."""
    G = Sequential(
        Dense(5, 8, bias=False), BatchNorm(8), ReLU(), Dropout(0.2), Dense(8, 6), Softplus(), GaussianNoise(0.1),
        minigan.Reshape(2, 3), Sigmoid(), minigan.Flatten(), Dense(6, 12), Tanh(), backend=be, seed=1,
    )  # fmt: skip
    D = Sequential(
        Dense(12, 12, norm=minigan.SpectralNorm()), minigan.Maxout(2), LeakyReLU(0.2), BatchNorm(6), Dropout(0.3),
        Dense(6, 4, norm=minigan.WeightNorm()), minigan.LayerNorm(4), Sigmoid(), minigan.MinibatchStdDev(), Dense(5, 1),
        backend=be, seed=2,
    )  # fmt: skip
    return made(G, D, {"optimizer": SGD(1e-2), **options})


def critic(be: Backend | str, dtype: str = "float32", **options: Any) -> GAN:
    """A D with all that a penalty allows: smooth and kinked activations, chance, the norms of critics."""
    G = Sequential(
        Dense(5, 8, norm=minigan.SpectralNorm()), BatchNorm(8), ReLU(), Dense(8, 12), Tanh(),
        backend=be, dtype=dtype, seed=1,
    )  # fmt: skip
    D = Sequential(
        GaussianNoise(0.1), Dense(12 * options.get("packing", 1), 12, norm=minigan.SpectralNorm()), minigan.Maxout(2),
        LeakyReLU(0.2), Dropout(0.3), Dense(6, 4, norm=minigan.WeightNorm()), minigan.LayerNorm(4), Softplus(),
        minigan.MinibatchStdDev(), Dense(5, 1), backend=be, dtype=dtype, seed=2,
    )  # fmt: skip
    return made(G, D, {"optimizer": SGD(1e-2), **options})


def state(gan: GAN) -> dict[str, Any]:
    parts = {f"{name}.{key}": a for name, part in saved.parts(gan).items() for key, a in part.state_dict().items()}
    return {**parts, "steps": gan.steps, "d_updates": gan.d_updates}


def assert_equal(a: dict[str, Any], b: dict[str, Any]) -> None:
    assert a.keys() == b.keys()
    for name, value in a.items():
        np.testing.assert_array_equal(value, b[name], err_msg=name)


def assert_close(a: dict[str, Any], b: dict[str, Any], tolerance: float) -> None:
    assert a.keys() == b.keys()
    for name, value in a.items():
        size = float(np.abs(b[name]).max(initial=0))
        np.testing.assert_allclose(value, b[name], rtol=tolerance, atol=tolerance * max(size, 1e-2), err_msg=name)


GAMES: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "fakes used twice": {"reuse_fakes": True},
    "the tutorial": {"kind": minigan.Tutorial},
    "k = 2": {"d_steps": 2, "prior": "uniform"},
    "minimax, RMSprop": {"objective": "minimax", "optimizer": RMSprop(1e-3)},
    "schedules": {"optimizer": SGD(minigan.optim.Cosine(1e-2, 0, 9), momentum=0.5),
                  "d_optimizer": Adam(minigan.optim.Exponential(1e-2, 0.5, 4))},
}  # fmt: skip


RAMP = minigan.optim.Linear(0.5, 0.0, 6)
CRITICS: dict[str, dict[str, Any]] = {  # games of a D without batchnorm
    "gradient penalty": {"objective": "wasserstein", "penalties": [GradientPenalty()], "d_steps": 2},
    "R1, R2, average": {"objective": "relativistic", "penalties": [R1(1.0), R2(1.0)], "average": 0.99},
    "DRAGAN, packs": {"penalties": [DRAGAN()], "packing": 2},
    "clipping": {"objective": "wasserstein", "clip": 0.1, "optimizer": RMSprop(1e-3), "d_steps": 2},
    "least squares, noise": {"objective": "least-squares", "instance_noise": 0.2, "kind": minigan.Tutorial},
    "hinge, fading noise": {"objective": "hinge", "instance_noise": RAMP, "d_steps": 2},
    "features, optimism": {"objective": "feature-matching", "optimizer": minigan.OptimisticAdam(2e-3, beta1=0.5)},
    "two rates on one count": {"instance_noise": RAMP, "average": 0.9, "packing": 3, "reuse_fakes": True,
                               "penalties": [GradientPenalty(), R1()], "d_optimizer": Adam(RAMP, beta1=0.5)},
}  # fmt: skip


# --- the same game ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("build", [small, rich])
@pytest.mark.parametrize("game", GAMES)
def test_it_is_the_game_of_the_cpu(make: Make, game: str, build: Callable[..., GAN]) -> None:
    """Same seed: the same noise, images, losses and parameters, through both ways of playing a step."""
    gan, twin = build(make(), **GAMES[game]), build("numpy", **GAMES[game])
    history, expected = gan.fit(IMAGES, 20, batch=6), twin.fit(IMAGES, 20, batch=6)
    assert_close(history, expected, 1e-4)
    assert_close(state(gan), state(twin), 1e-3)
    np.testing.assert_allclose(gan.sample(3), twin.sample(3), atol=1e-4)


@pytest.mark.parametrize("game", CRITICS)
def test_penalties_constraints_and_averages_are_those_of_the_cpu(make: Make, game: str) -> None:
    """In float64: an update rule that divides by the gradient's size would blow up the rounding of float32."""
    gan, twin = (critic(be, "float64", **CRITICS[game]) for be in (make(), "numpy"))
    history, expected = gan.fit(IMAGES, 10, batch=6), twin.fit(IMAGES, 10, batch=6)
    assert_close(history, expected, 1e-4)
    assert_close(state(gan), state(twin), 1e-3)
    for averaged in (True, False):
        np.testing.assert_allclose(gan.sample(3, averaged=averaged), twin.sample(3, averaged=averaged), atol=1e-4)


@pytest.mark.parametrize(("dtype", "steps", "tolerance"), [("float64", 100, 1e-5), ("float32", 10, 3e-2)])
def test_100_steps_of_the_classic_gan(make: Make, dtype: str, steps: int, tolerance: float) -> None:
    """On a GPU at full size; a simulated one has a 64th of the units.

    In float32 not as many: sooner or later rounding puts one of millions of numbers on the other side of LeakyReLU's
    kink, and Adam makes much of it; on an H200 a bias was 6e-3 off after ten steps.
    """
    images, divisor = minigan.datasets.load("digits").images[:640], 1
    if isinstance((be := make()).xp, fake_cupy.FakeCupy):
        images, divisor = images[:40, ::7, ::7], 64
    gans = [
        narrowed(RECIPES["classic"].build(images.shape[1:], backend=b, dtype=dtype), divisor) for b in (be, "numpy")
    ]
    histories = [gan.fit(images, steps, batch=16) for gan in gans]
    assert_close(*histories, tolerance)
    parts = [{name: a for name, a in state(gan).items() if name[1] == "."} for gan in gans]
    for name, value in parts[0].items():
        error = np.linalg.norm(value - parts[1][name]) / max(np.linalg.norm(parts[1][name]), 1e-3)
        assert error <= tolerance, (name, error)


def test_in_float64_as_well(make: Make) -> None:
    gan, twin = small(make(), "float64"), small("numpy", "float64")
    assert_close(gan.fit(IMAGES, 8, batch=6), twin.fit(IMAGES, 8, batch=6), 1e-5)  # noise is float32 in both
    assert_close(state(gan), state(twin), 1e-5)


@pytest.mark.parametrize("build", [small, rich])
def test_replaying_equals_playing_call_by_call_bit_for_bit(make: Make, build: Callable[..., GAN]) -> None:
    replayed, called, again = (build(make(graph=graph)) for graph in (True, False, True))
    histories = [gan.fit(IMAGES, 15, batch=6) for gan in (replayed, called, again)]
    for gan, history in zip((called, again), histories[1:], strict=True):
        assert_equal(histories[0], history)
        assert_equal(state(replayed), state(gan))


@pytest.mark.parametrize("game", CRITICS)
def test_replayed_critics_equal_those_called_bit_for_bit(make: Make, game: str) -> None:
    replayed, called = (critic(make(graph=graph), **CRITICS[game]) for graph in (True, False))
    matches = [Play(gan, IMAGES, 6) for gan in (replayed, called)]
    assert_equal(*(match.play(8) for match in matches))
    assert_equal(state(replayed), state(called))
    assert isinstance(matches[0]._turn, graph.Graph)
    assert matches[0]._turn._graph is not None  # it was a graph indeed


def test_steps_by_hand_checkpoints_and_matches_mix(make: Make, tmp_path: Any) -> None:
    """A graph finds counts that the host has changed since it was last launched."""
    gan, twin = small(make()), small(make(graph=False))
    match = Play(gan, IMAGES, 6)
    real = np.zeros((6, 12), "float32")
    for player in (gan, twin):
        play = match.play if player is gan else lambda n: player.fit(IMAGES, n, 6)  # noqa: B023
        play(5)
        player.step(real)
        play(3)
        player.save(tmp_path / f"{player is gan}.npz")
        play(2)
        player.steps = player.d_updates = 40
        play(2)
    assert_equal(state(gan), state(twin))
    loaded, expected = (minigan.GAN.load(tmp_path / f"{first}.npz") for first in (True, False))
    assert loaded.backend.name == "numpy"
    assert_equal(state(loaded), state(expected))
    back = minigan.GAN.load(tmp_path / "True.npz", make())
    assert_close(back.fit(IMAGES, 6, 6), loaded.fit(IMAGES, 6, 6), 1e-4)


def test_learning_rates_are_told_in_time(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "RATES", 7)
    monkeypatch.setattr("minigan.backend.cupy_backend.RATES", 7)
    rule = {"optimizer": SGD(minigan.optim.Linear(0.1, 0.0, 20)), "d_steps": 3}
    gan, twin = small(make(), **rule), small("numpy", **rule)
    gan.fit(IMAGES, 30, batch=4)
    twin.fit(IMAGES, 30, batch=4)
    assert_close(state(gan), state(twin), 1e-4)


def test_fading_noise_and_a_young_average_are_told_in_time(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two tables of one count, each refilled several times."""
    monkeypatch.setattr(graph, "RATES", 7)
    monkeypatch.setattr("minigan.backend.cupy_backend.RATES", 7)
    rule = {"instance_noise": minigan.optim.Linear(1.0, 0.0, 25), "average": 0.7, "optimizer": SGD(0.05)}
    players = [small(be, **rule) for be in (make(), make(graph=False), "numpy")]
    for gan in players:
        gan.fit(IMAGES, 30, batch=4)
    assert_equal(state(players[0]), state(players[1]))
    assert_close(state(players[0]), state(players[2]), 1e-4)


# --- what a replay is made of ----------------------------------------------------------------------------------


def played(gan: GAN, steps: int) -> list[tuple[str, tuple[int, ...]]]:
    """What the device was asked for in the last of so many steps."""
    match = Play(gan, IMAGES, 6)
    match.play(steps - 1)
    fake_cupy.device.log.clear()
    match.play(1)
    return list(fake_cupy.device.log)


@SIMULATED
def test_a_replay_is_one_launch_without_memory_or_waiting(make: Make) -> None:
    match = Play(small(make()), IMAGES, 6)
    match.play(5)
    device = fake_cupy.device
    device.log.clear()
    device.allocations = device.reads = 0
    match.play(80)
    assert [what for what, _ in device.log] == ["graph"] * 80
    assert device.allocations == 0
    assert device.reads == 2  # once in 80 steps: whether it halted, and the metrics


@SIMULATED
def test_recording_takes_no_memory(make: Make) -> None:
    """But for the workspaces of CuPy's own reductions, which some layers use."""
    for game in GAMES.values():
        for build in (small, rich):
            Play(build(make(), **game), IMAGES, 6).play(4)
            assert fake_cupy.device.pooled == 0, game
            assert build is rich or fake_cupy.device.reductions == 0, game
        fake_cupy.device.reductions = 0
    fake_cupy.device.check_guards()


@SIMULATED
def test_the_number_of_operations_of_the_classic_step(make: Make) -> None:
    """One graph of 45 for the canonical step with its data and metrics: 20 products, and few kernels beside them."""
    gan = step.build(1 / 64, make())
    match = Play(gan, IMAGES.repeat(66, 0).reshape(-1)[: 40 * step.PIXELS].reshape(40, step.PIXELS), 4)
    match.play(3)
    turn = match._turn
    assert isinstance(turn, graph.Graph)
    assert Counter(node.what for node in turn._graph.nodes) == {
        "gemm": len(step.products(step.operations(4, 1 / 64))) - 5,  # those of D's last layer are no products here
        "draw": 1, "normal": 1,
        "batchnorm": 3, "bias_act": 1 + 1 + 1, "head": 2,  # forward: G, D, D for G
        "classify": 1, "logistic": 1,
        "head_grad": 2, "bias_act_grad": 1 + 1, "act_grad": 1, "batchnorm_grad": 3,  # and back
        "grad_norm": 2, "adam": 2, "finish": 1,
    }  # fmt: skip
    assert turn.nodes == 45
    assert turn.describe() == "one CUDA graph of 45 operations"


@SIMULATED
def test_weights_and_inputs_of_a_layer_go_back_side_by_side(make: Make) -> None:
    """A layer's dx does not wait for its dw, which is on a branch of its own."""
    gan = step.build(1 / 64, make())
    given = gan.given(np.zeros((4, step.PIXELS), "float32"))
    turn = gan.backend.repeat(lambda: gan.turn(given))
    for _ in range(3):
        turn()
    nodes = turn._graph.nodes
    beside = [i for i, node in enumerate(nodes) if node.before.bit_count() < i]
    assert [nodes[i].what for i in beside] == ["gemm"] * (1 + 3)  # of D's second layer, of G's last three


@SIMULATED
def test_fusing_changes_no_bit(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """But those of the weights' gradient of one output, which is cuBLAS's otherwise."""
    rules = [rule for rule in fusion.RULES if rule is not fusion._thin_product_back]
    states = []
    for chosen in (rules, []):
        monkeypatch.setattr(fusion, "RULES", chosen)
        fake_cupy.device.log.clear()
        gan = step.build(1 / 64, make())
        gan.fit(IMAGES.repeat(66, 0).reshape(-1)[: 40 * step.PIXELS].reshape(40, step.PIXELS), 4, 4)
        states.append(state(gan))
        assert ("track" in {what for what, _ in fake_cupy.device.log}) == (not chosen)
    assert_equal(*states)


@SIMULATED
@pytest.mark.parametrize("rows", [2, 5])
def test_blocks_that_share_the_rows_play_the_same_game(make: Make, monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """As they do from 1,024 rows on."""
    monkeypatch.setattr(CupyBackend, "ROWS", rows)
    fake_cupy.device.log.clear()
    gan, twin = small(make(), "float64"), small("numpy", "float64")
    assert_close(gan.fit(IMAGES, 8, batch=16), twin.fit(IMAGES, 8, batch=16), 1e-5)
    assert_close(state(gan), state(twin), 1e-5)
    asked = {what for what, _ in fake_cupy.device.log}
    assert {
        "batchnorm_chunks",
        "normalize_chunks",
        "batchnorm_grad_chunks",
        "batchnorm_back_chunks",
        "add_chunks",
    } <= asked


# --- recording that nothing from outside can break -------------------------------------------------------------


@SIMULATED
def test_nothing_dies_while_a_step_is_recorded(make: Make) -> None:
    """Graphs of earlier games are in cycles, and the garbage collector may come at any moment."""
    before = gc.get_threshold()
    gc.set_threshold(20, 2, 2)
    try:
        for _ in range(12):
            Play(small(make()), IMAGES, 6).play(5)
    finally:
        gc.set_threshold(*before)
    assert fake_cupy.device.deaths == []
    assert gc.isenabled()


@SIMULATED
def test_the_collector_is_left_as_it_was(make: Make) -> None:
    gc.disable()
    try:
        Play(small(make()), IMAGES, 6).play(4)
        assert not gc.isenabled()
    finally:
        gc.enable()


@SIMULATED
def test_a_pool_that_has_to_take_memory_does_no_harm(make: Make) -> None:
    """The mode of the capture allows it."""
    modes = []
    begin = fake_cupy.Stream.begin_capture
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fake_cupy.Stream, "begin_capture", lambda self, mode: (modes.append(mode), begin(self, mode)))
        Play(small(make()), IMAGES, 6).play(4)
    assert modes == [2]


@SIMULATED
def test_a_step_says_whether_it_is_a_graph(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    match = Play(small(make()), IMAGES, 6)
    turn = match._turn
    assert isinstance(turn, graph.Graph)
    assert (turn.recorded, turn.nodes, turn.describe()) == (False, None, "")
    match.play(4)
    assert turn.recorded
    warnings.simplefilter("ignore")
    match = Play(with_layer(make(), Peeking()), IMAGES, 6)
    match.play(4)
    assert isinstance(match._turn, graph.Graph)
    assert not match._turn.recorded
    assert match._turn.describe().startswith("call by call (reading from the device")
    monkeypatch.setenv("MINIGAN_STRICT_GRAPH", "1")
    with pytest.raises(RuntimeError, match=r"cannot be one CUDA graph .* reading from the device"):
        Play(with_layer(make(), Peeking()), IMAGES, 6).play(4)


@SIMULATED
def test_a_graph_that_cannot_be_printed_is_played_all_the_same(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Any, flags: int = 0) -> str:
        raise RuntimeError("cudaErrorOperatingSystem")

    monkeypatch.setattr(fake_cupy.Graph, "debug_dot_str", fail)
    match = Play(small(make()), IMAGES, 6)
    match.play(4)
    assert isinstance(match._turn, graph.Graph)
    assert (match._turn.recorded, match._turn.nodes) == (True, None)
    assert match.how == "one CUDA graph, whose operations cannot be counted"


@SIMULATED
def test_branches_that_meet_are_found(make: Make) -> None:
    """The stand-in's own: two streams that touch the same memory, and a branch that nobody joins."""
    be = make()
    a, out = be.zeros((2, 2), "float32"), be.zeros((2, 2), "float32")
    main, branch = be.side_stream, be._branch
    be.gemm(a, a, out)
    with main, branch:
        be.gemm(a, a, out)  # so that both have handles
    with main:
        be.gemm(a, a, out)
    for joined, message in ((True, "touch the same memory"), (False, "not joined")):
        with main:
            main.begin_capture(2)
            branch.wait_event(main.record(be._fork))
            with branch:
                be.gemm(a, a, out)
            if joined:
                with pytest.raises(fake_cupy.CaptureError, match=message):
                    be.gemm(a, a, out)
                with pytest.raises(fake_cupy.CaptureError, match="broken"):
                    main.end_capture()
            else:
                with pytest.raises(fake_cupy.CaptureError, match=message):
                    main.end_capture()


@SIMULATED
def test_counts_move_as_far_as_the_step_came(make: Make) -> None:
    """A step of three looks, the second of which meets what is not finite."""
    be = make()
    counters = [be.counter() for _ in range(3)]
    losses, norms = be.zeros((3,), "float32"), be.zeros((4,), "float32")

    def turn() -> None:
        for i, counter in enumerate(counters):
            counter.advance()
            be.grad_norm(norms, losses[i : i + 1])
        counters[0].advance()

    play = be.repeat(turn)
    for _ in range(5):
        play()
    assert not play.halted()
    assert [c.value for c in counters] == [10, 5, 5]
    losses[1] = np.float32(np.nan)
    for _ in range(3):
        play()
    assert play.halted()
    assert [c.value for c in counters] == [11, 6, 5]


def test_two_matches_of_one_gan_have_memory_of_their_own(make: Make) -> None:
    """The second, of another batch size, takes the arenas' arrays away; the first goes on with those it recorded."""
    gan, twin = small(make()), small(make(graph=False))
    matches = [Play(player, IMAGES, batch) for player in (gan, twin) for batch in (4, 7)]
    for rounds in (5, 5, 3):
        for first, second in ((matches[0], matches[2]), (matches[1], matches[3])):
            assert_equal(first.play(rounds), second.play(rounds))
    assert_equal(state(gan), state(twin))


@SIMULATED
def test_a_graph_keeps_the_arrays_that_it_works_on(make: Make) -> None:
    gan = rich(make())
    match = Play(gan, IMAGES, 6)
    match.play(4)
    assert isinstance(match._turn, graph.Graph)
    kept = {a.ctypes.data for a in match._turn.kept if isinstance(a, fake_cupy.DeviceArray)}
    arenas = {a.ctypes.data for arena in (gan.d.arena, gan.g.arena) for a in arena._arrays}
    assert arenas <= kept


@SIMULATED
def test_addresses_stay_from_step_to_step(make: Make) -> None:
    be = make(graph=False)
    gan = rich(be)
    first, second = played(gan, 4), played(gan, 2)
    scalars = be._results[np.dtype("float32")][0]  # a ring: results of one number are elsewhere in each step
    begin, end = scalars.ctypes.data, scalars.ctypes.data + scalars.nbytes

    def fixed(log: list[tuple[str, tuple[int, ...]]]) -> list[tuple[str, tuple[int, ...]]]:
        moving = ("finish",)  # is told where the metrics are, each time anew
        return [(what, tuple(a for a in where if what not in moving and not begin <= a < end)) for what, where in log]

    match = Play(gan, IMAGES, 6)
    match.play(3)
    logs = []
    for _ in range(2):
        fake_cupy.device.log.clear()
        match.play(1)
        logs.append(fixed(list(fake_cupy.device.log)))
    assert logs[0] == logs[1]
    assert [what for what, _ in first] == [what for what, _ in second] == [what for what, _ in logs[0]]


# --- what is not finite ----------------------------------------------------------------------------------------


class Explosive(minigan.optim.Schedule):
    """A learning rate that destroys the game at its sixth update."""

    def __init__(self, at: int, rate: float) -> None:
        self.at = at
        self.rate = rate

    def __call__(self, t: int) -> float:
        return 1e-3 if t < self.at else self.rate


@pytest.mark.parametrize("player", ["optimizer", "d_optimizer"])
@pytest.mark.parametrize("k", [1, 2])
def test_it_halts_where_the_cpu_does_and_says_the_same(make: Make, player: str, k: int) -> None:
    rate = 1e38 if player == "d_optimizer" else np.inf  # G's tanh would survive anything less
    rules = {"optimizer": SGD(1e-3), "d_optimizer": SGD(1e-3), player: SGD(Explosive(6, rate)), "d_steps": k}
    ends = []
    for be in (make(), make(graph=False), "numpy"):
        gan = small(be, **rules)
        match = Play(gan, IMAGES, 6)
        history = match.play(90)
        with pytest.raises(NonFiniteError) as caught:
            match.play(1)
        ends.append((len(history["d_loss"]), gan.steps, gan.d_updates, caught.value.step, caught.value.array))
        assert len(history["g_loss"]) == gan.steps
        assert caught.value.step == gan.steps + 1
    assert ends[0] == ends[1] == ends[2]


def test_a_graph_that_halted_changes_nothing_more(make: Make) -> None:
    gan = small(make())
    match = Play(gan, IMAGES, 6)
    match.play(5)
    gan.D.flat[3] = np.nan
    before = state(gan)
    with pytest.raises(NonFiniteError, match=r"D\.0\.weight"):
        match.play(90)
    assert_equal(state(gan), before)


def test_a_graph_that_halted_iterates_no_more(make: Make) -> None:
    """Singular vectors move once in the step that fails, and once more when it is played again to say where."""
    states = []
    for graph_ in (True, False):
        gan = small(make(graph=graph_))
        D = Sequential(Dense(12, 6, norm=minigan.SpectralNorm()), ReLU(), Dense(6, 1), backend=gan.backend, seed=2)
        gan = GAN(gan.G, D)
        match = Play(gan, IMAGES, 6)
        match.play(5)
        D.flat[-1] = np.nan  # of the last bias: the normalised weight is well
        with pytest.raises(NonFiniteError):
            match.play(40)
        if not graph_:
            D(np.zeros((1, 12), "float32"))
        states.append(D.state_dict())
        assert all(np.isfinite(states[-1][name]).all() for name in ("0.weight_orig", "0.weight_u", "0.weight_v"))
    assert_equal(*states)


@pytest.mark.parametrize("player", ["optimizer", "d_optimizer"])
def test_halting_leaves_the_average_untouched(make: Make, player: str) -> None:
    """Many replays are asked for after the one that halted: the average is that of the last good step."""
    rate = 1e38 if player == "d_optimizer" else np.inf
    rules = {"optimizer": SGD(1e-3), "d_optimizer": SGD(1e-3), player: SGD(Explosive(6, rate)), "average": 0.9}
    gan = critic(make(), **rules, objective="relativistic", penalties=[R1()], instance_noise=RAMP)
    match = Play(gan, IMAGES, 6)
    match.play(6)
    for steps in range(6, 20):
        before = gan.g.averages[0].net.state_dict()
        try:
            match.play(1)
        except NonFiniteError:
            break
        assert gan.steps == steps + 1
    assert gan.steps < 19
    with pytest.raises(NonFiniteError):
        match.play(90)
    assert_equal(gan.g.averages[0].net.state_dict(), before)


def test_a_comparing_objective_that_halts_in_gs_update_says_what_the_cpu_says(make: Make) -> None:
    """The real samples that the fakes were compared with are drawn once more."""
    ends = []
    for be in (make(), "numpy"):
        gan = small(be, objective="relativistic", optimizer=SGD(Explosive(6, np.inf)), d_optimizer=SGD(1e-3), d_steps=2)
        match = Play(gan, IMAGES, 6)
        history = match.play(12)
        with pytest.raises(NonFiniteError) as caught:
            match.play(1)
        ends.append((len(history["d_loss"]), gan.steps, gan.d_updates, str(caught.value)))
    assert ends[0] == ends[1]


# --- what cannot be recorded -----------------------------------------------------------------------------------


class Swish(minigan.Layer):
    """y = x σ(x), as somebody would write it: fresh arrays in every call."""

    def forward(self, x: Any, run: Any) -> Any:
        s = 1 / (1 + run.backend.xp.exp(-x))
        y = x * s
        return y, lambda dy, params, inputs: dy * (s + y * (1 - s))


class Peeking(Swish):
    """Reads a number back in each call."""

    def forward(self, x: Any, run: Any) -> Any:
        assert float(abs(x).max()) < 1e30
        return super().forward(x, run)


class Counting(Swish):
    """Computes with the count of steps on the host."""

    def forward(self, x: Any, run: Any) -> Any:
        assert run.stream.step + 1 > 0
        return super().forward(x, run)


class Freezing(Swish):
    """Asks for the count as an integer, which a graph would repeat for ever."""

    def forward(self, x: Any, run: Any) -> Any:
        assert int(run.stream.step) >= 0
        return super().forward(x, run)


class Multiplying(minigan.Layer):
    """Multiplies through CuPy."""

    def forward(self, x: Any, run: Any) -> Any:
        eye = run.backend.xp.eye(x.shape[1], dtype=x.dtype)
        return run.backend.xp.matmul(x, eye), lambda dy, params, inputs: dy


def with_layer(be: Backend, layer: minigan.Layer) -> GAN:
    G = Sequential(Dense(5, 8), layer, Dense(8, 12), Tanh(), backend=be, seed=1)
    return GAN(G, Sequential(Dense(12, 1), backend=be, seed=2))


def test_layers_of_ones_own_are_recorded_with_memory_of_their_own(make: Make) -> None:
    replayed, called = (with_layer(make(graph=graph), Swish()) for graph in (True, False))
    assert_equal(replayed.fit(IMAGES, 8, 6), called.fit(IMAGES, 8, 6))
    assert_equal(state(replayed), state(called))


@SIMULATED
@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (Peeking, "reading"),
        (Counting, "unsupported operand"),
        (Freezing, "argument must be"),
        (Multiplying, "cuBLAS through CuPy"),
    ],
)
def test_what_cannot_be_recorded_is_played_and_says_why(make: Make, layer: type[minigan.Layer], reason: str) -> None:
    warnings.simplefilter("default")
    gan, twin = with_layer(make(), layer()), with_layer(make(graph=False), layer())
    with pytest.warns(UserWarning, match=f"cannot be one CUDA graph and is played call by call: .*{reason}"):
        history = gan.fit(IMAGES, 8, 6)
    assert_equal(history, twin.fit(IMAGES, 8, 6))
    assert_equal(state(gan), state(twin))


# --- products --------------------------------------------------------------------------------------------------


@given(
    st.tuples(*[st.integers(1, 9)] * 3), st.booleans(), st.booleans(), st.integers(0, 3), st.booleans(),
    st.sampled_from(["float32", "float64"]), st.integers(0, 99),
)  # fmt: skip
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors])
def test_cublas_is_asked_for_the_right_product(
    make: Make, sizes: tuple[int, int, int], ta: bool, tb: bool, pad: int, accumulate: bool, dtype: str, seed: int
) -> None:
    """Transposed views, parts of wider arrays, sums: the factors are passed as they lie."""
    be, rng, (m, k, n) = make(), np.random.default_rng(seed), sizes

    def draw(rows: int, cols: int, transposed: bool) -> tuple[Any, Any]:
        rows, cols = (cols, rows) if transposed else (rows, cols)
        host = rng.standard_normal((rows, cols + pad)).astype(dtype)
        device = be.asarray(host)[:, :cols]
        return (host[:, :cols].T, device.T) if transposed else (host[:, :cols], device)

    (a, on_a), (b, on_b), (out, on_out) = draw(m, k, ta), draw(k, n, tb), draw(m, n, False)
    be.gemm(on_a, on_b, on_out, accumulate)
    expected = a @ b + out if accumulate else a @ b
    np.testing.assert_allclose(be.to_numpy(on_out), expected, rtol=1e-4, atol=1e-5)


@SIMULATED
def test_a_factor_without_a_unit_stride_is_copied(make: Make) -> None:
    be = make()
    wide = be.asarray(np.arange(24, dtype="float32").reshape(4, 6))
    out = be.empty((4, 4), "float32")
    be.gemm(wide[:, ::2], wide[:, ::2].T, out)
    host = np.arange(24, dtype="float32").reshape(4, 6)[:, ::2]
    np.testing.assert_allclose(be.to_numpy(out), host @ host.T)


@SIMULATED
def test_floats_of_two_kinds_go_to_array_code(make: Make) -> None:
    """A kernel would read one as the other."""
    be = make()
    data, out = be.asarray(np.arange(6.0).reshape(3, 2)), be.empty((2, 2), "float32")
    be.gather(data, be.asarray(np.array([2, 0])), out)
    assert be.to_numpy(out).tolist() == [[4, 5], [0, 1]]


@SIMULATED
def test_each_stream_has_a_handle_and_a_workspace(make: Make) -> None:
    be = make()
    a, out = be.zeros((2, 2), "float32"), be.empty((2, 2), "float32")
    be.gemm(a, a, out)
    with be.xp.cuda.Stream(non_blocking=True):
        be.gemm(a, a, out)
    make().gemm(a, a, out)  # another backend takes those that there are
    assert be._blas is not None
    handles = be._blas._handles._handles
    assert len(handles) == 2
    assert all(workspace.nbytes >= 32 << 20 for _, workspace in handles.values())


@SIMULATED
def test_a_failure_of_cublas_is_an_error(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    be = make()
    monkeypatch.setattr(fake_cupy.FakeCublas, "cublasGemmEx", lambda *args: 13)
    said = r"cuBLAS failed at a product \(2, 2\) x \(2, 2\) of float32: the requested .* not supported \(status 13\)"
    with pytest.raises(RuntimeError, match=said):
        be.gemm(be.zeros((2, 2), "float32"), be.zeros((2, 2), "float32"), be.zeros((2, 2), "float32"))


# --- options and errors ----------------------------------------------------------------------------------------


def test_names_say_how_a_backend_computes(make: Make) -> None:
    for name in ("cupy", "cupy-eager", "cupy-plain", "cupy-tf32", "cupy-bf16"):
        assert get_backend(name).name == name
    assert make(precision="tf32", graph=False).name == "cupy-eager-tf32"
    for wrong in ({"precision": "fp8"}, {"fused": False}, {"fused": False, "graph": False, "precision": "tf32"}):
        with pytest.raises(ValueError, match="precision"):
            make(**wrong)


@SIMULATED
def test_products_by_the_plain_call_are_the_same(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A workaround, should cublasGemmEx not do its part."""
    states, ex = [], fake_cupy.FakeCublas.cublasGemmEx

    def plain(self: Any, handle: Any, ta: int, tb: int, m: int, n: int, k: int, *rest: Any, kind: int = 0) -> int:
        alpha, a, lda, b, ldb, beta, c, ldc = rest
        asked.append(kind)
        compute = 70 if kind else 68
        return ex(self, handle, ta, tb, m, n, k, alpha, a, kind, lda, b, kind, ldb, beta, c, kind, ldc, compute, -1)

    asked: list[int] = []
    monkeypatch.setattr(fake_cupy.FakeCublas, "cublasSgemm_v2", plain, raising=False)
    monkeypatch.setattr(fake_cupy.FakeCublas, "cublasDgemm_v2", functools.partialmethod(plain, kind=1), raising=False)
    for call in ("gemmex", "sgemm"):
        monkeypatch.setenv("MINIGAN_CUBLAS_CALL", call)
        gans = [small(make(), dtype) for dtype in ("float32", "float64")]
        for gan in gans:
            gan.fit(IMAGES, 4, 6)
        states.append([state(gan) for gan in gans])
        assert set(asked) == ({0, 1} if call == "sgemm" else set())
    for one, other in zip(*states, strict=True):
        assert_equal(one, other)
    with pytest.raises(ValueError, match="knows fp32 only"):
        make(precision="tf32")


@SIMULATED
def test_the_precision_reaches_cublas(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    real = fake_cupy.FakeCublas.cublasGemmEx
    monkeypatch.setattr(fake_cupy.FakeCublas, "cublasGemmEx", lambda *args: seen.append(args[-2]) or real(*args))
    for precision, dtype in (("fp32", "float32"), ("tf32", "float32"), ("bf16", "float32"), ("bf16", "float64")):
        be = make(precision=precision)
        be.gemm(be.zeros((2, 2), dtype), be.zeros((2, 2), dtype), be.zeros((2, 2), dtype))
    assert seen == [68, 77, 75, 70]


@SIMULATED
@pytest.mark.parametrize("name", ["cupy", "cupy-eager", "cupy-plain"])
def test_plain_and_eager_play_the_same_game(make: Make, name: str) -> None:
    gan, twin = rich(get_backend(name)), rich("numpy")
    gan.fit(IMAGES, 4, 6)
    twin.fit(IMAGES, 4, 6)
    assert_close(state(gan), state(twin), 1e-3)
    fused = {what for what, _ in fake_cupy.device.log} & {"adam", "batchnorm", "gemm"}
    assert bool(fused) == (name != "cupy-plain")


@SIMULATED
@pytest.mark.parametrize(
    ("module", "name", "raised", "sentence"),
    [
        ("memory", "OutOfMemoryError", MemoryError, "the GPU has no room left"),
        ("runtime", "CUDARuntimeError", RuntimeError, "the GPU failed .* start again"),
        ("driver", "CUDADriverError", RuntimeError, "the GPU failed .* start again"),
    ],
)
def test_errors_of_the_device_are_one_clear_sentence(
    make: Make, monkeypatch: pytest.MonkeyPatch, module: str, name: str, raised: type[Exception], sentence: str
) -> None:
    be = make()
    gan = small(be)
    error = getattr(getattr(be.xp.cuda, module), name)

    def fail(*args: Any, **kwargs: Any) -> None:
        raise error("cudaErrorSomething")

    for call in (lambda: gan.fit(IMAGES, 1, 6), lambda: gan.step(IMAGES[:6] / 255.0), lambda: gan.sample(2)):
        with monkeypatch.context() as patch:
            patch.setattr(be, "_launch", fail)
            with pytest.raises(raised, match=sentence):
                call()


def test_metrics_come_in_the_order_of_their_names(make: Make) -> None:
    assert tuple(small(make()).fit(IMAGES, 5, 6)) == METRICS
