"""The lab without a browser: the game is that of `fit`, a link is a game, and whatever comes in is answered."""

from __future__ import annotations

import http.client
import io
import json
import threading
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigan
from minigan import cli
from minigan.commands import lab as command
from minigan.commands import train
from minigan.diagnostics.states import STATES
from minigan.lab import Engine, Session
from minigan.lab.engine import carry_over
from minigan.lab.frame import Frame
from minigan.lab.hand import LONGEST, MOST_PLACES, MOST_STEPS, MOST_STROKES, THINNEST, WIDEST, Hand, painted
from minigan.lab.history import MOST, History
from minigan.lab.runs import OpenedRun
from minigan.lab.server import Lab, Server, gif
from minigan.lab.session import MOST_POINTS, Change, packed, unpacked
from minigan.lab.settings import KNOBS, PRESETS, complete, knob
from minigan.lab.take import checkpoint, python
from minigan.lab.take import command as taken_command
from minigan.lab.tries import turned
from minigan.lab.worlds import DATA, world_for
from minigan.lab.worlds.pictures import Gallery
from minigan.lab.worlds.push import push, said

WORLDS = {"plane": "ring", "line": "figure-1", "dirac": "dirac"}


def played(text: str, steps: int) -> Engine:
    session, complaints = Session.parse(text)
    assert not complaints
    engine = Engine(session)
    engine.play_to(steps)
    return engine


def same(one: Engine, other: Engine) -> bool:
    return all(np.array_equal(net.flat, other.gan.networks[name].flat) for name, net in one.gan.networks.items())


# --- the game --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", ["ring", "grid", "figure-1", "d-wins", "wgan-gp"])
def test_it_is_the_game_of_fit_bit_for_bit_however_it_is_looked_at(preset: str) -> None:
    session = Session.of(preset, seed=3, d_pretrain=4)
    engine = Engine(session)
    losses: list[float] = []
    watch = engine._watch
    engine._watch = lambda metrics: (losses.extend(metrics["d_loss"].tolist()), watch(metrics))  # type: ignore[method-assign, func-returns-value, assignment]
    while engine.gan.steps < 20:
        engine.advance(0.5)
        engine.frame()
    engine.play_to(47)
    world = world_for(session.settings, None)
    gan = world.build(session.settings)
    history = gan.fit(world.data, 47, session.settings["batch"], d_pretrain=4)
    assert losses == history["d_loss"].tolist()
    assert all(np.array_equal(net.flat, engine.gan.networks[name].flat) for name, net in gan.networks.items())
    assert np.array_equal(engine.gan.sample(9, seed=1), gan.sample(9, seed=1))


def test_a_link_plays_what_was_done_by_hand_bit_for_bit() -> None:
    hand = Engine(Session.of("ring", seed=1))
    hand.play_to(33)
    hand.frame()
    hand.change({"lr": 0.01, "r1": 1.0})
    hand.play("d", 3)
    hand.play_to(50)
    hand.change({"objective": "wasserstein", "clip": 0.5, "optimizer": "rmsprop"})
    hand.play_to(61)
    hand.change({"average": 0.0, "batch": 32})
    hand.play("g", 2)
    hand.play_to(100)
    link = played(hand.session.text(), 100)
    assert same(hand, link)
    assert np.array_equal(hand._history.rows, link._history.rows, equal_nan=True)
    assert hand.session.text() == link.session.text()
    other = played(hand.session.text().replace("33:lr=0.01", "33:lr=0.02"), 100)
    assert not same(hand, other)


@pytest.mark.parametrize("preset", WORLDS.values())
def test_a_game_that_is_carried_over_goes_on_as_if_it_had_not_been(preset: str) -> None:
    session = Session.of(preset)
    plain, carried = Engine(session), Engine(Session.of(preset))
    plain.play_to(20)
    carried.play_to(9)
    carried._seat(carry_over(carried.gan, carried.world.build(carried.settings)))
    carried.play_to(20)
    assert same(plain, carried)
    assert np.array_equal(plain.gan.sample(5, seed=0), carried.gan.sample(5, seed=0))


def test_what_is_turned_is_in_force_from_the_next_step_on() -> None:
    engine = played("preset=plain", 10)
    assert not engine.change({"objective": "hinge", "r1": 0.5, "average": 0.9, "d_steps": 2})
    assert engine.gan.steps == 10
    assert type(engine.gan.objective) is minigan.objectives.Hinge
    assert [type(p).__name__ for p in engine.gan.penalties] == ["R1"]
    assert engine.gan.average == 0.9
    updates = engine.gan.d_updates
    engine.play_to(13)
    assert engine.gan.d_updates == updates + 6
    assert engine.change({"width": 16})  # which decides what the networks are
    assert engine.gan.steps == 0
    assert engine.settings["objective"] == "hinge"
    assert engine.session.changes == []


def test_a_restart_keeps_what_was_turned_and_what_a_preset_does_on_the_way() -> None:
    engine = played("preset=one-weakness&width=8&d_pretrain=3", 5)
    engine.restart()
    assert engine.session.text() == "preset=one-weakness&width=8&d_pretrain=3"
    engine.play_to(5)
    assert engine.settings["d_lr"] == 1e-9
    engine.change({"r1": 0.5})
    engine.change({"seed": 4})  # a new game
    assert (engine.gan.steps, engine.settings["seed"], engine.settings["r1"]) == (0, 4, 0.5)
    assert [change.text() for change in engine.session.changes] == ["0:d_lr=1e-09"]
    engine.play_to(5)
    engine.change({"d_lr": 0.001})
    engine.play("d", 2)
    engine.restart()
    assert engine.session.changes == []
    engine.play_to(5)
    assert engine.settings["d_lr"] == 0.001


def test_a_later_part_of_a_link_is_dropped_where_the_game_has_gone_another_way() -> None:
    engine = played("preset=ring&then=5:lr=0.01&then=500:lr=0.1", 10)
    engine.change({"lr": 0.003})
    assert [change.text() for change in engine.session.changes] == ["5:lr=0.01", "10:lr=0.003"]


def test_a_game_that_fails_stops_says_what_and_goes_back() -> None:
    engine, before = played("preset=plain", 250), played("preset=plain", 215)
    engine.change({"optimizer": "sgd", "lr": 1.0, "objective": "wasserstein"})
    engine.play_to(5_000)
    assert engine.failed is not None
    assert "not finite" in engine.failed
    step = engine.gan.steps
    engine.advance(1)
    assert engine.gan.steps == step < 400  # the snapshots are those of steps 0 and 200
    header = Frame.decode(engine.frame().encode()).header
    assert (header["failed"], header["can_go_back"]) == (engine.failed, True)
    engine.go_back()
    assert (engine.gan.steps, engine.failed, engine.session.changes) == (0, None, [])
    assert len(engine._history.rows) == 0
    engine.play_to(215)
    assert same(engine, before)
    assert np.array_equal(engine._history.rows, before._history.rows)
    with pytest.raises(ValueError, match="nothing to go back to"):
        Engine().go_back()


def test_cures_cure_the_game_that_goes_on() -> None:
    engine = played("preset=d-wins", 600)
    assert engine._diagnostics.open == ["d-wins"]
    assert engine._measured["modes"] == 0
    notice = engine.frame().header["notices"][-1]
    assert "D wins" in notice["sentence"]
    assert notice["remedies"][0]["text"] == "--objective non-saturating"
    engine.try_out("--objective non-saturating")
    engine.play_to(1_300)
    assert engine._diagnostics.open == []
    assert engine._measured["modes"] >= 7


def test_every_cure_and_every_remedy_can_be_tried() -> None:
    for name, preset in PRESETS.items():
        assert not Session.parse(Session.of(name).text())[1]
        for text in preset.cures.values():
            assert turned(text, complete({}), 10), (name, text)
    assert turned("a larger --d-lr", {"lr": 1e-3, "d_lr": 1e-9}, 0) == {"d_lr": 1e-3}
    assert turned("a larger --d-lr", {"lr": 1e-3, "d_lr": 1e-3}, 0) == {"d_lr": 3e-3}
    known = 0
    for state in STATES:
        for gan in (Engine().gan, Engine(Session.of("d-wins")).gan):
            for _, text in state.remedies(gan):
                try:
                    known += bool(turned(text, complete({}), 10))
                except ValueError:
                    assert text in ("--minibatch-std", "another --lr or --d-lr")
    assert known > 10


# --- what is seen ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [{}, {"objective": "minimax"}, {"objective": "relativistic"}, {"objective": "wasserstein", "packing": 2}],
    ids=str,
)
def test_the_push_is_the_slope_of_each_fakes_own_loss(options: dict[str, Any]) -> None:
    """One point at a time, its loss is G's loss of a batch of one: differences of that."""
    chosen = complete(options)
    gan = minigan.recipes.gan.build(
        (2,), nets="small", latent=2, dtype="float64", **{k: chosen[k] for k in ("objective", "packing", "width")}
    )
    rng = np.random.default_rng(0)
    points, others, real = (rng.standard_normal((n, 2)) for n in (5, 7, 5))
    found = push(gan, points, others, real)
    logits = said(gan, points, others)
    direction = rng.standard_normal(points.shape)
    h = 1e-6

    def loss(x: Any) -> Any:
        output = said(gan, x, others)[:, None]
        on_real = said(gan, real, real)[:, None]
        each = [
            float(gan.objective.generator(output[i : i + 1], real=on_real[i : i + 1])[0]) for i in range(len(points))
        ]
        return np.array(each)

    slope = (loss(points + h * direction) - loss(points - h * direction)) / (2 * h)
    assert np.allclose(-(found * direction).sum(axis=1), slope, rtol=1e-5, atol=1e-8)
    assert logits.shape == (5,)


@pytest.mark.parametrize("preset", list(PRESETS))
def test_a_frame_has_all_that_the_page_draws(preset: str) -> None:
    engine = Engine(Session.of(preset, d_pretrain=2))
    engine.play_to(2)
    header, arrays = Frame.decode(engine.frame({"pad": [0.5, -1], "seed": 3}).encode())
    wanted = {
        "plane": {"real", "fakes", "arrows", "field", "surface", "grid"},
        "line": {"x", "p_data", "p_g", "d", "d_best", "z", "gz"},
        "dirac": {"path", "field"},
        "pictures": {"samples", "picked", "strip", "neighbours"},
    }
    assert arrays.keys() == wanted[header["world"]] | {"history"}
    assert all(np.isfinite(array).all() for name, array in arrays.items() if name != "history")
    assert arrays["history"].shape[1] == len(header["history"])
    assert header["step"] == 2
    assert {"d_loss", "g_loss", "d_real", "d_fake"} <= header["metrics"].keys()
    assert set(engine.world.knobs()) | {"data", "preset"} == header["settings"].keys()
    if header["world"] == "plane":
        assert (arrays["surface"].min(), arrays["surface"].max()) >= (0, 0)
        assert arrays["surface"].max() <= 1


def test_hidden_layers_are_not_sent_and_a_look_changes_nothing() -> None:
    engine = played("preset=ring", 5)
    before = [net.flat.copy() for net in engine.gan.networks.values()]
    grads = [net.flat_grad.copy() for net in engine.gan.networks.values()]
    _, arrays = engine.frame({"layers": ["field"]})
    assert "surface" not in arrays
    assert "field" in arrays
    engine.frame()
    assert all(np.array_equal(a, net.flat) for a, net in zip(before, engine.gan.networks.values(), strict=True))
    assert all(np.array_equal(a, net.flat_grad) for a, net in zip(grads, engine.gan.networks.values(), strict=True))
    assert engine.gan.G.dtype == np.float32


def test_bytes_of_a_frame_come_back_as_they_were() -> None:
    x = np.arange(7, dtype=np.uint8).reshape(7, 1)
    facts = {"a": float("nan"), "b": [1, np.float32(2.5)], "c": "ü"}
    data = Frame(facts, {"x": x, "y": np.array([[1.5, np.inf]]), "z": np.empty((0, 3))}).encode()
    header, arrays = Frame.decode(data)
    assert header == {"a": None, "b": [1, 2.5], "c": "ü"}
    assert arrays["x"].dtype == np.uint8
    assert arrays["x"].ravel().tolist() == list(range(7))
    assert arrays["y"].tolist() == [[1.5, np.inf]]
    assert arrays["z"].shape == (0, 3)
    assert len(data) % 8 == 0


def test_an_hour_of_history_needs_no_more_room_than_a_minute() -> None:
    history = History(["loss"], ["modes"])
    values = np.arange(50_000, dtype=np.float64)
    done = 0
    while done < len(values):
        count = min(7, history.missing, len(values) - done)
        history.add({"loss": values[done : done + count]}, done + count, {"modes": 1.0})
        done += count
        assert len(history.rows) <= MOST + 1
    rows = history.rows
    assert (np.diff(rows[:, 0]) > 0).all()
    last = int(rows[-1, 0])
    assert len(values) - history.every < last <= len(values)
    width = np.diff(np.concatenate([[0], rows[:, 0]]))
    assert np.average(rows[:, 1], weights=width) == pytest.approx(values[:last].mean(), rel=1e-5)


def test_frame_after_frame_memory_stays_level(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minigan.lab.engine.SNAPSHOT", 20)
    engine = Engine(Session.of("ring", width=4, batch=8))

    def frames(count: int) -> None:
        for _ in range(count):
            engine.play("both", 1)
            engine.frame({"layers": ["arrows"]}).encode()

    frames(80)  # until all snapshots are there
    tracemalloc.start()
    frames(40)
    before = tracemalloc.get_traced_memory()[0]
    frames(120)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 100_000  # 120 frames are 2 MB


# --- sessions --------------------------------------------------------------------------------------------------


def values_of(name: str) -> st.SearchStrategy[Any]:
    known = knob(name)
    if known.kind == "choice":
        choices = st.sampled_from(known.option.choices)
    elif known.kind == "integer":
        choices = st.integers(int(known.low or 0), int(known.high or 0))  # type: ignore[assignment]
    else:
        choices = st.floats(float(known.low or 0), float(known.high or 0))  # type: ignore[assignment]
    return st.none() | choices if known.option.none else choices


LIVE = [knob.name for knob in KNOBS if knob.live]
ALL = [knob.name for knob in KNOBS]
some = st.lists(st.sampled_from(ALL), unique=True, max_size=5).flatmap(
    lambda names: st.fixed_dictionaries({name: values_of(name) for name in names})
)
turned_live = st.lists(st.sampled_from(LIVE), unique=True, min_size=1, max_size=3).flatmap(
    lambda names: st.fixed_dictionaries({name: values_of(name) for name in names})
)
changes = st.lists(
    st.builds(lambda step, what: Change(step, what), st.integers(0, 10**6), turned_live)
    | st.builds(lambda step, who, n: Change(step, who=who, n=n), st.integers(0, 99), st.sampled_from("dg"),
                st.integers(1, 10_000)),
    max_size=4,
).map(lambda found: sorted(found, key=lambda change: change.step))  # fmt: skip


@settings(max_examples=60)
@given(st.sampled_from(sorted(PRESETS)), some, changes, st.sampled_from(sorted(DATA)))
def test_a_session_is_its_text(preset: str, chosen: dict[str, Any], done: list[Change], data: str) -> None:
    session = Session(preset, {**Session.of(preset).settings, **chosen, "data": data}, done)
    again, complaints = Session.parse(session.text())
    assert not complaints
    assert again.settings == session.settings
    assert again.changes == session.changes
    assert again.text() == session.text()


@settings(max_examples=80)
@given(st.text(max_size=60) | st.from_regex(r"(preset|lr|then|points|data|seed)=[a-z0-9:=;.-]{0,20}", fullmatch=True))
def test_any_text_is_a_session_with_complaints(text: str) -> None:
    session, complaints = Session.parse(text)
    assert all(isinstance(sentence, str) and len(sentence) <= 300 for sentence in complaints.values())
    assert Session.parse(session.text())[0].text() == session.text()


@pytest.mark.parametrize(
    ("text", "name", "sentence"),
    [
        ("preset=rings", "preset", "did you mean ring"),
        ("width=9999", "width", "a whole number from 2 to 256, got 9999"),
        ("objective=minmax", "objective", "did you mean minimax"),
        ("lr=fast", "lr", "a number from 1e-06 to 1, got 'fast'"),
        ("lr=nan", "lr", "a number from 1e-06 to 1"),
        ("colour=blue", "colour", "there is no setting 'colour'"),
        ("data=circle", "data", "data"),
        ("data=yours", "data", "points of your own are not in this link"),
        ("points=!!!", "points", "base64"),
        ("then=5", "then", "STEP:name=value"),
        ("then=5:width=3", "then", "cannot be turned while a game goes on"),
        ("then=5:d0", "then", "1 to 10,000"),
    ],
)
def test_what_a_link_gets_wrong_is_said_by_its_name(text: str, name: str, sentence: str) -> None:
    session, complaints = Session.parse(text)
    assert sentence in complaints[name]
    Engine(session).play_to(1)


def test_points_of_ones_own_are_in_the_link() -> None:
    points = np.random.default_rng(0).uniform(-2, 2, (300, 2)).astype(np.float32)
    session = Session("ring", complete({"data": "yours", "width": 8}), [], unpacked(packed(points)))
    assert np.allclose(session.points, points, atol=1e-4)  # type: ignore[arg-type]
    assert same(*(played(text, 5) for text in [session.text()] * 2))
    engine = Engine(session)
    engine.play_to(5)
    assert same(engine, played(session.text(), 5))
    with pytest.raises(ValueError, match="at most 2,000 points, got 2,001"):
        unpacked(packed(np.zeros((MOST_POINTS + 1, 2))))


# --- to take along ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["preset=grid&seed=2", "preset=figure-1", "preset=d-wins&d_pretrain=3", "preset=ring&then=4:lr=0.01",
             "preset=dirac", "preset=digits&width=4"],
)  # fmt: skip
def test_the_program_plays_what_is_on_the_screen(text: str) -> None:
    engine = played(text, 12)
    names: dict[str, Any] = {}
    exec(python(engine), names)
    assert all(np.array_equal(net.flat, engine.gan.networks[name].flat) for name, net in names["gan"].networks.items())


def test_the_commands_are_ones_that_minigan_takes() -> None:
    for name in PRESETS:
        first, second = taken_command(Engine(Session.of(name))).splitlines()
        words = first.split()[1:]
        parser, _ = cli.parser_for(words, ["train"])
        assert parser.parse_args(words).recipe == "gan"
        assert second == f"minigan lab preset={name}"
    assert train.__doc__


def test_the_checkpoint_is_the_game(tmp_path: Path) -> None:
    engine = played("preset=ring", 7)
    (tmp_path / "game.npz").write_bytes(checkpoint(engine))
    gan = minigan.GAN.load(tmp_path / "game.npz")
    assert np.array_equal(gan.sample(4, seed=0), engine.gan.sample(4, seed=0))
    assert gan.steps == 7


def test_a_run_is_opened_to_be_looked_at(tmp_path: Path) -> None:
    folder = minigan.train("gan", steps=3, batch=8, out=tmp_path / "run", quiet=True, label="given", latent=8)
    run = OpenedRun(folder)
    header, arrays = Frame.decode(run.frame({"label": 7, "pad": [1, 1]}).encode())
    assert (header["step"], header["run"], header["recipe"], len(header["labels"])) == (3, "run", "gan", 10)
    assert arrays["samples"].shape == (25, 28, 28, 1)
    assert arrays["neighbours"].shape == (6, 28, 28, 1)
    assert arrays["history"].shape[0] == 3
    again = Frame.decode(run.frame({"label": 7, "pad": [1, 1]}).encode()).arrays
    other = Frame.decode(run.frame({"label": 7, "pad": [-1, 1]}).encode()).arrays
    assert np.array_equal(arrays["picked"], again["picked"])
    assert not np.array_equal(arrays["picked"], other["picked"])
    assert np.array_equal(arrays["samples"], other["samples"])
    gan = minigan.Game.load(folder / "checkpoint.npz")
    corner = gan.generate(gan.latents(3, 1, 7)[:1])  # type: ignore[attr-defined]
    at_0 = Frame.decode(run.frame({"label": 7}).encode()).arrays["picked"]
    assert np.array_equal(at_0[0, ..., 0], minigan.datasets.to_uint8(corner)[0].reshape(28, 28))
    lab = Lab(run=run)
    assert lab.about()["run"] == "run"
    assert lab.frame({"tab": "a", "ms": 10}).header["world"] == "pictures"
    with pytest.raises(FileNotFoundError):
        OpenedRun(tmp_path / "nothing")
    (tmp_path / "checkpoint.npz").write_bytes(checkpoint(played("preset=ring", 1)))
    with pytest.raises(ValueError, match="no images"):
        OpenedRun(tmp_path / "checkpoint.npz")


# --- a hand on G -----------------------------------------------------------------------------------------------

SMALL = "preset=digits&width=4&batch=8&average=0.0&lr=0.02"
BAR = {"light": True, "size": 0.1, "places": [[0.2, 0.5], [0.8, 0.5]]}


def linear(side: int = 6, colours: int = 0, **more: Any) -> minigan.GAN:
    """A G that can make any picture of some numbers of pixels; from its weights one can tell what it makes."""
    pixels = side * side * max(colours, 1)
    G = minigan.Sequential(minigan.Dense(4, pixels, init="he"), minigan.Tanh(), seed=1)
    return minigan.GAN(G, minigan.Sequential(minigan.Dense(pixels, 1), seed=2), **more)


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=4),
    st.floats(1e-3, WIDEST), st.integers(1, 12), st.integers(1, 12),
)  # fmt: skip
def test_a_brush_covers_the_middles_of_pixels_near_its_way(
    places: list[tuple[float, float]], size: float, height: int, width: int
) -> None:
    """By points, close together along the way."""
    stroke = {"light": False, "size": size, "places": [list(place) for place in places]}
    colours, mask = painted([stroke], (height, width))
    at = np.minimum(np.array(places) * [width, height], [width - 1e-6, height - 1e-6])
    way = np.concatenate([np.linspace(a, b, 400) for a, b in zip(at, [*at[1:], at[-1]], strict=True)])
    y, x = np.mgrid[:height, :width] + 0.5
    far = np.sqrt(((way[:, None, None] - np.stack([x, y], axis=-1)) ** 2).sum(axis=-1)).min(axis=0)
    radius = max(size * width / 2, THINNEST)
    assert mask[far < radius - 0.05].all()
    assert not mask[far > radius + 1e-6].any()
    assert mask[np.floor(at[:, 1]).astype(int), np.floor(at[:, 0]).astype(int)].all()
    assert (colours == np.where(mask, -1, 0)).all()


def test_later_strokes_lie_over_earlier_ones_in_all_channels() -> None:
    down = {"light": False, "size": 0.1, "places": [[0.5, 0.1], [0.5, 0.9]]}
    colours, mask = painted([BAR, down], (9, 9, 3))
    assert colours.shape == mask.shape == (9, 9, 3)
    assert (colours[4, 4] == -1).all()
    assert (colours[4, 2] == 1).all()
    assert (mask == (colours != 0)).all()
    assert not painted([], (9, 9))[1].any()


@pytest.mark.parametrize("colours", [0, 3])
def test_the_latent_moves_to_the_strokes_and_more_steps_come_nearer(colours: int) -> None:
    shape = (6, 6, 3) if colours else (6, 6)
    game = linear(colours=colours)
    hand = Hand(game, Gallery(shape))
    asked = {"of": {"sample": 3}, "strokes": [BAR]}
    answers = [hand.answer({**asked, "steps": steps}) for steps in (2, 10, 100)]
    shares = [answer.header["agreed"] for answer in answers]
    assert 0 < shares[0] < shares[1] < shares[2] < 1
    was, made = (answers[2].arrays[name][0].astype(float) for name in ("was", "made"))
    under = painted([BAR], shape)[1].reshape(was.shape)
    before, after = ((255 - picture[under]) ** 2 for picture in (was, made))
    assert shares[2] == pytest.approx(1 - after.mean() / before.mean(), abs=0.02)  # bytes are rounded
    assert np.allclose(was, game.sample(25)[3].reshape(was.shape) * 127.5 + 127.5, atol=1)
    way = answers[2].arrays["way"]
    assert np.array_equal(way[0], answers[2].arrays["was"][0])
    assert np.array_equal(way[-1], answers[2].arrays["made"][0])
    again = hand.answer({**asked, "steps": 10})
    assert np.array_equal(again.arrays["made"], answers[1].arrays["made"])  # whatever was asked before


def test_a_sheet_without_strokes_is_the_picture_wherever_it_is_from() -> None:
    game, gallery = linear(), Gallery((6, 6))
    hand, pad = Hand(game, gallery), {"pad": [0.5, -1.0], "seed": 3}
    answer = hand.answer({"of": pad, "strokes": []})
    assert (answer.header["agreed"], answer.header["steps"]) == (None, 0)
    assert np.array_equal(answer.arrays["made"], gallery.frame(game, pad)[1]["picked"])
    assert np.array_equal(
        hand.answer({"of": {"sample": 24}, "strokes": []}).arrays["was"][0], gallery.frame(game, {})[1]["samples"][24]
    )


def test_an_answer_that_would_take_too_long_makes_fewer_steps() -> None:
    hand = Hand(linear(), Gallery((6, 6)))
    assert hand.answer({"of": {"sample": 0}, "strokes": [BAR], "steps": 50}).header["steps"] == 50
    hand._step = LONGEST / 7.5
    assert hand.answer({"of": {"sample": 0}, "strokes": [BAR], "steps": 50}).header["steps"] == 7
    hand._step = 100 * LONGEST
    assert hand.answer({"of": {"sample": 0}, "strokes": [BAR], "steps": 50}).header["steps"] == 1


WRONG = {
    "no picture": {"of": None},
    "a picture that is not there": {"of": {"sample": 25}},
    "half a picture": {"of": {"sample": 1.5}},
    "no strokes": {"strokes": None},
    "too many strokes": {"strokes": [BAR] * (MOST_STROKES + 1)},
    "too many places": {"strokes": [{**BAR, "places": [[0.5, 0.5]] * (MOST_PLACES + 1)}]},
    "too many places together": {"strokes": [{**BAR, "places": [[0.5, 0.5]] * (MOST_PLACES // 2 + 1)}] * 2},
    "a stroke of nothing": {"strokes": [{**BAR, "places": []}]},
    "a stroke beyond": {"strokes": [{**BAR, "places": [[0.5, 1.1]]}]},
    "a stroke nowhere": {"strokes": [{**BAR, "places": [[0.5, float("nan")]]}]},
    "a stroke of words": {"strokes": [{**BAR, "places": [["a", "b"]]}]},
    "a stroke in one dimension": {"strokes": [{**BAR, "places": [[0.5]]}]},
    "a stroke that is none": {"strokes": ["stroke"]},
    "a brush of no colour": {"strokes": [{**BAR, "light": 1}]},
    "a brush of no size": {"strokes": [{**BAR, "size": 0}]},
    "too wide a brush": {"strokes": [{**BAR, "size": 0.51}]},
    "no steps": {"steps": 0},
    "too many steps": {"steps": MOST_STEPS + 1},
    "steps that are none": {"steps": True},
}


@pytest.mark.parametrize("what", WRONG)
def test_whatever_is_painted_is_checked(what: str) -> None:
    hand = Hand(linear(), Gallery((6, 6)))
    with pytest.raises(ValueError, match=r"sample|strokes|steps|stroke|brush|of says"):
        hand.answer({"of": {"sample": 0}, "strokes": [BAR], "steps": 2, **WRONG[what]})


def _is_free(lab: Lab) -> bool:
    """Whether somebody else may play meanwhile."""
    done = threading.Event()

    def play() -> None:
        with lab._turns.mine(), lab.engine.gan._atomic:
            done.set()

    threading.Thread(target=play, daemon=True).start()
    return done.wait(timeout=30)


def test_the_game_goes_on_while_somebody_paints_on_a_G_that_is_held_still() -> None:
    lab = Lab(Session.parse(SMALL)[0])
    assert lab._hand is None  # of whom nobody paints nothing is kept
    lab.engine.play_to(2)
    asked = {"of": {"sample": 7}, "strokes": [BAR], "steps": 3}
    first = lab.hand({**asked, "anew": True})
    flat = lab.engine.gan.G.flat.copy()
    lab.engine.play_to(12)
    assert not np.array_equal(lab.engine.gan.G.flat, flat)
    again = lab.hand(asked)
    assert (first.header["step"], again.header["step"]) == (2, 2)
    assert np.array_equal(first.arrays["made"], again.arrays["made"])
    newest = lab.hand({**asked, "anew": True})
    assert newest.header["step"] == 12
    assert not np.array_equal(first.arrays["was"], newest.arrays["was"])
    assert np.array_equal(newest.arrays["was"][0], lab.engine.frame().arrays["samples"][7])
    held, free = lab._hand[1], []  # type: ignore[index]
    answer = held.answer
    held.answer = lambda given: (free.append(_is_free(lab)), answer(given))[1]  # type: ignore[method-assign]
    lab.hand(asked)
    assert free == [True]  # the game is not held up by the descent
    assert held.game is not lab.engine.gan
    other, plain = played(SMALL, 12), lab.engine
    assert same(plain, other)  # nobody has touched the game
    lab.do({"tab": "a", "do": "restart"})
    assert lab.hand(asked).header["step"] == 0  # a new game has a new G
    lab.close()


def test_what_cannot_be_painted_on_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no pictures to paint on"):
        Lab(Session.of("ring", width=4)).hand({"of": {"sample": 0}, "strokes": []})
    folder = minigan.train("gan", steps=1, batch=8, out=tmp_path / "asked", quiet=True, label="given", latent=8)
    lab = Lab(run=OpenedRun(folder))
    assert lab.frame({"tab": "a"}).header["paints"] is False
    with pytest.raises(ValueError, match="numbers beside its noise"):
        lab.hand({"of": {"sample": 0}, "strokes": [BAR]})
    folder = minigan.train("gan", steps=1, batch=8, out=tmp_path / "run", quiet=True, latent=8)
    lab = Lab(run=OpenedRun(folder))
    header, arrays = lab.frame({"tab": "a"})
    assert header["paints"] is True
    answer = lab.hand({"of": {"sample": 4}, "strokes": [BAR], "steps": 3})
    assert np.array_equal(answer.arrays["was"][0], arrays["samples"][4])


# --- over HTTP -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(Lab(Session.of("ring", width=8)), token="secret") as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield running
        running.shutdown()


def ask(server: Server, path: str, body: Any = None, **headers: str) -> tuple[int, bytes, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    connection.request("GET" if body is None else "POST", path, data, headers)
    answer = connection.getresponse()
    found = answer.status, answer.read(), answer.headers
    connection.close()
    return found


def do(server: Server, what: str, tab: str = "a", **more: Any) -> dict[str, Any]:
    status, data, _ = ask(server, "/secret/do", {"tab": tab, "do": what, **more})
    assert status == 200
    answer: dict[str, Any] = json.loads(data)
    return answer


def frame(server: Server, tab: str = "a", **more: Any) -> Frame:
    status, data, _ = ask(server, "/secret/frame", {"tab": tab, **more})
    assert status == 200
    return Frame.decode(data)


def test_only_who_knows_the_token_and_asks_for_this_host_gets_in(server: Server) -> None:
    host = f"127.0.0.1:{server.port}"
    assert ask(server, "/secret/about")[0] == 200
    assert ask(server, "/secret/about", Host=f"localhost:{server.port}")[0] == 200
    for path in ("/", "/about", "/wrong/about", "//about", "/secre/about", "/wrong"):
        assert ask(server, path)[0] == 403, path
    assert ask(server, "/wrong/do", {"do": "restart"})[0] == 403
    for name in ("evil.example", f"evil.example:{server.port}", "", "127.0.0.1", f"127.0.0.1:{server.port + 1}"):
        assert ask(server, "/secret/about", Host=name)[0] == 403, name
    headers = ask(server, "/secret/", Host=host)[2]
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_nothing_is_served_but_the_page(server: Server) -> None:
    assert ask(server, "/secret/")[1].startswith(b"<!doctype html>")
    status, data, headers = ask(server, "/secret/main.js")
    assert (status, headers["Content-Type"]) == (200, "text/javascript; charset=utf-8")
    assert data
    for path in ("../server.py", "..%2fserver.py", "%2e%2e/server.py", "page/main.js", "/etc/passwd", "nothing.js"):
        assert ask(server, f"/secret/{path}")[0] == 404, path


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"3", b"[" * 100_000, b"\xff\xfe", b'{"tab": NaN}x'])
def test_a_body_that_is_none_is_refused_and_the_server_lives(server: Server, body: bytes) -> None:
    assert ask(server, "/secret/do", body)[0] == 400
    assert ask(server, "/secret/about")[0] == 200


def test_a_request_without_a_length_or_with_too_large_a_one_is_refused(server: Server) -> None:
    for length in ("", "-1", "x", str(1 << 40)):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        connection.putrequest("POST", "/secret/do")
        if length:
            connection.putheader("Content-Length", length)
        connection.endheaders()
        assert connection.getresponse().status == 413
        connection.close()


def test_a_frame_advances_the_game_and_a_paused_one_does_not(server: Server) -> None:
    do(server, "take over")
    do(server, "begin", session="preset=ring&width=8")
    assert frame(server, ms=0).header["step"] == 0
    assert frame(server, steps=1).header["step"] == 1
    assert frame(server, ms=20).header["step"] > 1
    step = frame(server, ms=0).header["step"]
    time.sleep(0.1)
    assert frame(server, ms=0).header["step"] == step
    assert frame(server, ms=float("nan")).header["step"] == step
    assert frame(server, ms="long", view=3).header["step"] == step
    do(server, "play", who="d", n=10)
    header = frame(server, ms=0).header
    assert (header["step"], header["d_updates"]) == (step, step + 10)
    assert header["session"].endswith(f"then={step}:d10")


def test_between_two_pulls_the_game_goes_on_and_without_a_pull_it_stops(server: Server) -> None:
    do(server, "take over")
    do(server, "begin", session="preset=ring&width=8")
    first = frame(server, ms=50).header["step"]
    lab = server.lab
    end = time.monotonic() + 20
    while lab.engine.gan.steps == first:  # nobody asks, and it plays on
        assert time.monotonic() < end
        time.sleep(0.005)
    while lab._turns._until > time.monotonic():
        time.sleep(0.01)
    with lab._turns.mine():
        stopped = lab.engine.gan.steps
    time.sleep(0.2)
    assert lab.engine.gan.steps == stopped
    do(server, "begin", session="preset=dirac")  # which has a pace: two steps a frame
    steps = [frame(server, ms=30).header["step"] for _ in range(4)]
    assert np.diff(steps).tolist() == [2, 2, 2]


def test_requests_side_by_side_never_see_half_a_step(server: Server) -> None:
    do(server, "take over")
    do(server, "begin", session="preset=ring&width=8")
    wrong: list[Any] = []

    def ask_often(tab: str) -> None:
        for i in range(15):
            header, arrays = frame(server, tab, ms=5)
            if header["step"] > header["d_updates"] or not np.isfinite(arrays["fakes"]).all():
                wrong.append(header["step"])
            if tab == "a" and i % 5 == 0:
                do(server, "set", settings={"lr": 1e-3 * (1 + i)})

    threads = [threading.Thread(target=ask_often, args=(tab,)) for tab in "aabc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    text = frame(server, ms=0).header["session"]
    step = server.lab.engine.gan.steps
    assert same(server.lab.engine, played(text, step))


def test_a_lab_that_is_closed_ends_its_thread_whatever_is_still_asked() -> None:
    lab = Lab(Session.of("ring", width=8))
    lab.frame({"tab": "a", "ms": 20})
    lab._turns._ended = True  # as `close` begins, while a request is on its way
    lab.frame({"tab": "a", "ms": 20})
    ended = threading.Thread(target=lab.close, daemon=True)
    ended.start()
    ended.join(timeout=30)
    assert not ended.is_alive()
    assert lab.frame({"tab": "a", "ms": 1}).header["world"] == "plane"  # answered, and not played


def test_one_tab_plays_and_others_watch(server: Server) -> None:
    do(server, "take over", tab="a")
    frame(server, "a", ms=5)
    step = frame(server, "a", ms=0).header["step"]
    seen = frame(server, "b", ms=50).header
    assert (seen["playing"], seen["step"]) == (False, step)
    assert "another tab" in do(server, "restart", tab="b")["complaints"][""]
    server.lab._heard -= 60  # a has been silent, but b only looks
    assert not frame(server, "b", ms=0).header["playing"]
    assert frame(server, "a", ms=0).header["playing"]
    assert do(server, "take over", tab="b")["ok"]
    assert frame(server, "b", ms=0).header["playing"]
    server.lab._heard -= 60
    assert frame(server, "a", ms=5).header["playing"]


def test_complaints_stand_beside_what_they_are_about_and_the_game_goes_on(server: Server) -> None:
    do(server, "take over")
    do(server, "begin", session="preset=ring&width=8")
    frame(server, ms=5)
    step = frame(server, ms=0).header["step"]
    assert "from 2 to 256" in do(server, "set", settings={"width": 1000})["complaints"]["width"]
    assert "got that" in do(server, "set", settings={"lr": "fast"})["complaints"]["lr"]
    assert "no setting" in do(server, "set", settings={"colour": 1})["complaints"]["colour"]
    assert "no data" in do(server, "set", settings={"data": "moon"})["complaints"]["data"]
    assert "did you mean" in do(server, "preset", name="rings")["complaints"][""]
    assert "nothing like" in do(server, "explode")["complaints"][""]
    for wrong in ({"do": "play", "who": "z"}, {"do": "play", "who": "d", "n": 10**9}, {"do": "try", "text": "--x 1"},
                  {"do": "points", "points": [[1, 2, 3]]}, {"do": "points", "points": "no"}, {"do": "begin"},
                  {"do": "points", "points": [[None, 1], [2, 3]]}, {"do": "set", "settings": [1]},
                  {"do": "csv", "name": "a.csv", "text": "1,2\n3,x"}, {"do": ["list"]}):  # fmt: skip
        answer = json.loads(ask(server, "/secret/do", {"tab": "a", **wrong})[1])
        assert not answer["ok"], wrong
        assert all(answer["complaints"].values())
    assert frame(server, ms=0).header["step"] == step
    found = do(server, "csv", name="a.csv", text="1,2\n3,x")["complaints"][""]
    assert "a.csv, line 2" in found
    answer = do(server, "begin", session="preset=ring&lr=7&width=8")
    assert "from 1e-06 to 1" in answer["complaints"]["lr"]
    assert frame(server, ms=0).header["settings"]["width"] == 8


def test_settings_that_do_not_go_together_are_refused_and_the_old_game_stays(server: Server) -> None:
    do(server, "take over")
    do(server, "begin", session="preset=ring&width=8")
    frame(server, ms=5)
    step = frame(server, ms=0).header["step"]
    answer = do(server, "begin", session="preset=ring&packing=3")  # 64 samples are no whole packs
    assert not answer["ok"]
    assert "multiple" in answer["complaints"][""]
    assert frame(server, ms=0).header["step"] == step


def test_strokes_come_over_the_wire_and_wrong_ones_are_refused(server: Server) -> None:
    do(server, "take over")
    do(server, "begin", session="preset=digits&width=4&batch=8")
    status, data, _ = ask(server, "/secret/hand", {"of": {"sample": 2}, "strokes": [BAR], "steps": 2})
    assert status == 200
    header, arrays = Frame.decode(data)
    assert (header["step"], header["steps"], arrays["made"].shape) == (0, 2, (1, 28, 28, 1))
    for wrong in ({}, {"of": {"sample": 2}, "strokes": [{"light": True}]}, {"of": [], "strokes": []}):
        status, data, _ = ask(server, "/secret/hand", wrong)
        assert status == 400
        assert data.decode().strip()
    do(server, "begin", session="preset=ring&width=8")
    status, data, _ = ask(server, "/secret/hand", {"of": {"sample": 2}, "strokes": [BAR]})
    assert (status, b"no pictures to paint on" in data) == (400, True)


def test_own_points_and_files_become_the_data(server: Server) -> None:
    do(server, "take over")
    assert "3 points" in do(server, "points", points=[[0, 0], [1, 1], [-1, 0.5]])["said"]
    assert frame(server, ms=5).header["settings"]["data"] == "yours"
    text = "\n".join(f"{i},{i * i}" for i in range(5_000))
    assert "more than the lab takes; one in 3" in do(server, "csv", name="parabola.csv", text=text)["said"]
    found = frame(server, ms=0)
    assert abs(found.arrays["real"]).max() <= 2.01
    assert len(unpacked(Session.parse(found.header["session"])[0].text().split("points=")[1].split("&")[0])) == 1667


def test_python_command_checkpoint_and_animation(server: Server) -> None:
    from PIL import Image

    do(server, "take over")
    do(server, "begin", session="preset=ring&width=8")
    assert b"recipe.build" in ask(server, "/secret/python")[1]
    assert ask(server, "/secret/command")[1].startswith(b"minigan train gan ")
    assert ask(server, "/secret/checkpoint.npz")[1].startswith(b"PK")
    urls = []
    for shade in (0, 255):
        file = io.BytesIO()
        Image.new("RGB", (8, 8), (shade, 0, 0)).save(file, "PNG")
        urls.append("data:image/png;base64," + __import__("base64").b64encode(file.getvalue()).decode())
    status, data, headers = ask(server, "/secret/gif", {"frames": urls, "ms": 100})
    assert (status, headers["Content-Type"]) == (200, "image/gif")
    assert Image.open(io.BytesIO(data)).n_frames == 2  # type: ignore[attr-defined]
    for frames, ms in (([], 100), (urls, 1), (["data:image/png;base64,AAAA"], 100), (["http://x"], 100), (7, 100)):
        with pytest.raises(ValueError, match="picture"):
            gif(frames, ms)
    assert ask(server, "/secret/gif", {"frames": [], "ms": 100})[0] == 400
    assert ask(server, "/secret/nothing", {})[0] == 404


# --- the command -----------------------------------------------------------------------------------------------


def test_a_taken_port_is_not_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    lab = Lab()
    with Server(lab) as first, command._listening(lab, "127.0.0.1", first.port) as second:
        assert first.port < second.port <= first.port + command.TRIED
        assert f"port {first.port} is taken; this is {second.port}" in capsys.readouterr().out
    with pytest.raises(ValueError, match="from 0 to 65535"):
        command._listening(lab, "127.0.0.1", 70_000)


def test_what_the_command_opens(tmp_path: Path) -> None:
    assert command._lab("d-wins").engine.session.preset == "d-wins"
    assert command._lab("http://127.0.0.1:1/x/#preset=grid&seed=4").engine.settings["seed"] == 4
    with pytest.raises(ValueError, match="did you mean grid"):
        command._lab("gird")
    with pytest.raises(FileNotFoundError, match="give the folder of a run"):
        command._lab("runs/nothing")
    with pytest.raises(ValueError, match="from 2 to 256"):
        command._lab("preset=ring&width=1")


def test_another_host_is_warned_of_and_Ctrl_C_ends_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(self: Any, poll_interval: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Server, "serve_forever", stop)
    assert cli.main(["lab", "--no-browser", "--port", "0"]) == 0
    said_first = capsys.readouterr().out
    assert "warning" not in said_first
    assert "http://127.0.0.1:" in said_first
    assert cli.main(["lab", "--no-browser", "--port", "0", "--host", "0.0.0.0"]) == 0
    assert "warning: whoever reaches 0.0.0.0" in capsys.readouterr().out
    assert cli.main(["lab", "--no-browser", "nonsense"]) == 2
