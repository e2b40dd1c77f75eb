"""A game that advances for so many milliseconds, and shows itself. No input, no output: a page is somebody else's.

The loop is that of `minigan train` and `GAN.fit`, by `Play`. What is turned while the game goes on, a rate or the
objective itself, makes a new game of the same networks, which takes over all that the old one has learned
(`carry_over`); what decides the networks begins a new game. So a session, which says what was turned at which step, is
played again bit for bit, in whatever portions of time.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..diagnostics import Diagnostics, Notice
from ..game import Play
from ..game.saved import restored, taken_down
from ..game.update import NonFiniteError
from ..gan import GAN
from .frame import Frame
from .history import History
from .session import MOST_ALONE, MOST_CHANGES, Change, Session
from .settings import KNOBS, PRESETS, Settings, knob
from .tries import turned
from .worlds import DATA, YOURS, World, world_for

__all__ = ["Engine", "carry_over"]

SNAPSHOT, KEPT = 200, 3  # steps from one snapshot to the next, and how many there are
NOTICES = 30  # that are remembered
SHOWN = ("d_loss", "g_loss", "d_real", "d_fake", "d_penalty", "d_grad_norm", "g_grad_norm")


class Snapshot(NamedTuple):
    """All that it takes to go back to a step."""

    step: int
    states: Any
    header: Any
    settings: Settings
    applied: int
    diagnostics: Any
    history: Any


class Engine:
    """A game, from its session. Not for several threads at once."""

    def __init__(self, session: Session | None = None) -> None:
        self.games = 0
        self.begin(session or Session())

    def begin(self, session: Session) -> None:
        """Begin a game anew. Raises ValueError for settings that do not go together, and leaves the old game then."""
        settings = dict(session.settings)
        world: World = world_for(settings, session.points)
        gan = world.build(settings)
        play = _play(gan, world, settings)
        self.session, self.settings, self.world, self._gan, self._play = session, settings, world, gan, play
        self.games += 1
        self.failed: str | None = None
        self._applied = 0
        self._notices: list[Notice] = []
        self._snapshots: list[Snapshot] = []
        self._diagnostics = Diagnostics(gan, self.world.data)
        self._measured = self.world.measure(gan)
        self._history = History([name for name in SHOWN if name in gan.metrics], self.world.measured)
        self._metrics: dict[str, float] = {}

    @property
    def gan(self) -> GAN:
        """The game as it stands."""
        return self._gan

    def _seat(self, gan: GAN) -> None:
        self._play = _play(gan, self.world, self.settings)
        self._gan = gan

    # --- playing -----------------------------------------------------------------------------------------------

    def advance(self, milliseconds: float) -> None:
        """Play for so long, or until the game fails; a step at least, and no more than a world's pace."""
        end, done = time.perf_counter() + milliseconds / 1000, 0
        while self.failed is None and (done == 0 or time.perf_counter() < end):
            done += self.play_some()
            if self.world.pace is not None and done >= self.world.pace:
                return

    def play_some(self) -> int:
        """Play what makes sense between two looks at the clock. Returns how many steps that was worth, 1 or more."""
        return self._some(self.world.chunk if self.world.pace is None else 1)

    def play_to(self, step: int) -> None:
        """Play until the game has made so many steps, or fails."""
        while self.failed is None and (self._gan.steps < step or self._due(step)):
            self._some(min(self.world.chunk, max(step - self._gan.steps, 1)))

    def play(self, who: str, n: int) -> None:
        """n steps of both, or n updates of one of them alone, "d" or "g". Raises ValueError for anything else."""
        if who not in ("both", "d", "g") or not isinstance(n, int) or not 1 <= n <= MOST_ALONE:
            raise ValueError(f"play takes both, d or g, and 1 to {MOST_ALONE:,} times, got {who!r:.20} and {n!r:.20}")
        if who == "both":
            self.play_to(self._gan.steps + n)
        else:
            self._do(Change(self._gan.steps, who=who, n=n))

    def _some(self, most: int) -> int:
        """A few steps, up to the next change or the end of a row. Returns how many, or 1 for other work."""
        if self._begin_some():
            return 1
        if self._due(self._gan.steps):
            self._apply(self.session.changes[self._applied])
            return 1
        step = self._gan.steps
        if step % SNAPSHOT == 0 and (not self._snapshots or self._snapshots[-1].step != step):
            self._keep()
        count = min(most, self._history.missing, SNAPSHOT - step % SNAPSHOT)
        if self._applied < len(self.session.changes):
            count = min(count, self.session.changes[self._applied].step - step)
        try:
            played = self._play.play(1 if self.world.pace else count)
        except NonFiniteError as error:
            self._fail(error)
            return 1
        self._watch(played)
        return len(played["d_loss"])

    def _begin_some(self) -> bool:
        """Some of D's updates before the first step, if there are any left."""
        wanted = self.settings["d_pretrain"]
        if self._gan.steps or self._gan.begun >= wanted:
            return False
        try:
            self._play.begin(min(wanted, self._gan.begun + self.world.chunk))
        except NonFiniteError as error:
            self._fail(error)
        return True

    def _watch(self, played: Mapping[str, Any]) -> None:
        self._metrics = {name: float(values[-1]) for name, values in played.items()}
        self.world.moved(self._gan)
        if full := len(played["d_loss"]) >= self._history.missing:
            with np.errstate(all="ignore"):  # it may be about to fail, which is for its losses to say
                self._measured = self.world.measure(self._gan)
        self._history.add(played, self._gan.steps, self._measured if full else None)
        self._notices += self._diagnostics.watch(played)
        del self._notices[:-NOTICES]

    def _fail(self, error: NonFiniteError) -> None:
        self.failed = str(error)
        self._notices.append(self._diagnostics.failed(error))

    # --- what is done on the way -------------------------------------------------------------------------------

    def change(self, given: Mapping[str, Any]) -> bool:
        """Turn knobs. Returns whether that began a new game. Raises ValueError for what they do not take."""
        checked = {name: knob(name).check(value) for name, value in given.items() if name != "data"}
        if "data" in given:
            self._refuse_data(given["data"])
            checked["data"] = given["data"]
        checked = {name: value for name, value in checked.items() if self.settings[name] != value}
        if not checked:
            return False
        if "data" in checked or not all(knob(name).live for name in checked):
            self._restart(checked)
            return True
        self._do(Change(self._gan.steps, checked))
        return False

    def try_out(self, text: str) -> bool:
        """Turn what a remedy says: flags of `minigan train`, or a sentence of the diagnostics, as of `change`."""
        return self.change(turned(text, self.settings, self._gan.steps))

    def go_back(self) -> None:
        """To the oldest snapshot that is kept. Raises ValueError if there is none."""
        if not self._snapshots:
            raise ValueError("there is nothing to go back to: the game failed before its first step")
        kept = self._snapshots[0]
        self.settings, self.failed, self._applied = dict(kept.settings), None, kept.applied
        del self.session.changes[kept.applied :], self._snapshots[1:]
        self._seat(restored(GAN, kept.states, kept.header, self._gan.backend))
        self._diagnostics.gan = self._gan
        self._diagnostics.load_state(kept.diagnostics)
        self._history.load_state(kept.history)
        self._notices = [notice for notice in self._notices if notice.step <= kept.step]

    def restart(self) -> None:
        """Begin again, with what has been turned so far in force from the start."""
        self._restart({})

    def _restart(self, given: Mapping[str, Any]) -> None:
        """The same with some more settings. What a preset does on the way it does again, but for what was turned."""
        old = self.session
        own = [change for change in Session.of(old.preset).changes if change in old.changes]
        turned: dict[str, Any] = {}
        for change in old.changes[: self._applied]:
            if change not in own:
                turned |= change.settings
        turned |= given
        left = [{n: v for n, v in change.settings.items() if n not in turned} for change in own]
        changes = [replace(c, settings=s) for c, s in zip(own, left, strict=True) if s or c.who]
        self.begin(Session(old.preset, {**old.settings, **turned}, changes, old.points))

    def _do(self, change: Change) -> None:
        """A change now: what the session said of later is not what is played any more."""
        if self._applied >= MOST_CHANGES:
            raise ValueError(f"a session has at most {MOST_CHANGES:,} changes; restart the game to go on")
        settings = {**self.settings, **change.settings}
        if change.settings:  # what does not go together is refused before anything is changed
            _play(self.world.build(settings), self.world, settings)
        del self.session.changes[self._applied :]
        self.session.changes.append(change)
        self._apply(change)

    def _due(self, step: int) -> bool:
        return self._applied < len(self.session.changes) and self.session.changes[self._applied].step <= step

    def _apply(self, change: Change) -> None:
        self._applied += 1
        try:
            if change.who:
                self._alone(change.who, change.n)
            else:
                settings = {**self.settings, **change.settings}
                gan = carry_over(self._gan, self.world.build(settings))
                self.settings = settings
                self._seat(gan)
                self._diagnostics.gan = gan
        except NonFiniteError as error:
            self._fail(error)
        except ValueError as error:  # of a link that somebody wrote: the game goes on without it
            self.session.changes.pop(self._applied - 1)
            self._applied -= 1
            self._notices.append(Notice(self._gan.steps, "not-done", True, f"not done: {error}"))

    def _alone(self, who: str, n: int) -> None:
        """Updates of one player; metrics are those of steps, so these have none."""
        gan, feed = self._gan, self._play.feed
        for _ in range(n):
            real, labels = (*feed(gan.d if who == "d" else gan.g), None)[:2]
            update = gan.update_discriminator if who == "d" else partial(gan.update_generator, len(real))
            metrics = update(real, labels)
            self._metrics |= {name: float(value) for name, value in metrics.items()}
        self.world.moved(gan)
        self._measured = self.world.measure(gan)

    def _refuse_data(self, name: Any) -> None:
        if name not in DATA and not (name == YOURS and self.session.points is not None):
            raise ValueError(f"there is no data {name!r:.40}; there is {', '.join(DATA)}")

    def _keep(self) -> None:
        states, header = taken_down(self._gan)
        self._snapshots.append(
            Snapshot(self._gan.steps, states, header, dict(self.settings), self._applied, self._diagnostics.state(),
                     self._history.state())
        )  # fmt: skip
        del self._snapshots[:-KEPT]

    # --- what there is to see ----------------------------------------------------------------------------------

    def frame(self, view: Mapping[str, Any] | None = None) -> Frame:
        """The game as it stands. view: from where it is seen, in a world that asks."""
        gan, world = self._gan, self.world
        with np.errstate(all="ignore"):
            facts, arrays = world.frame(gan, view or {})
        chosen = PRESETS[self.session.preset]
        knobs = world.knobs()
        header = {
            "world": world.name, "game": self.games, "step": gan.steps, "d_updates": gan.d_updates,
            "begun": [min(gan.begun, self.settings["d_pretrain"]), self.settings["d_pretrain"]],
            "session": self.session.text(), "failed": self.failed, "can_go_back": bool(self._snapshots),
            "settings": {
                **{each.name: self.settings[each.name] for each in KNOBS if each.name in knobs},
                "data": self.settings["data"], "preset": self.session.preset,
            },
            "metrics": self._metrics, "equilibrium": gan.equilibrium(), "history": self._history.columns,
            "figures": [figure._asdict() for figure in world.figures(self._measured)],
            "notices": [_described(notice) for notice in self._notices], "open": self._diagnostics.open,
            "cures": [{"text": text, "label": label} for label, text in chosen.cures.items()],
            **facts,
        }  # fmt: skip
        return Frame(header, {**arrays, "history": self._history.rows})


def _play(gan: GAN, world: World, settings: Settings) -> Play:
    return Play(gan, world.data, settings["batch"], world.labels if gan.codes else None)


def carry_over(old: GAN, new: GAN) -> GAN:
    """Give a game that has not begun what another one, of the same networks, has learned. Returns the new one.

    Networks, counts, averages and what update rules remember go over; a rule of another kind, and an average that there
    was not, begin here.
    """
    for name, net in new.networks.items():
        net.load_state_dict(old.networks[name].state_dict())
    for name, player in new.players.items():
        before = old.players[name]
        player.updates.value = before.updates.value
        for bound, earlier in zip(player.optimizers, before.optimizers, strict=True):
            if set(bound.rule.memory) == set(earlier.rule.memory):
                bound.load_state_dict(earlier.state_dict())
        for i, average in enumerate(player.averages):
            learned = before.averages[i].net if before.averages else before.nets[i]
            average.net.load_state_dict(learned.state_dict())
    return new


def _described(notice: Notice) -> dict[str, Any]:
    tries = [{"text": text, "label": text.replace("--", "")} for text in notice.tries if _can_be_turned(text)]
    return {
        "step": notice.step, "kind": notice.kind, "entered": notice.entered, "sentence": notice.sentence,
        "remedies": tries,
    }  # fmt: skip


def _can_be_turned(text: str) -> bool:
    try:
        turned(text, {"lr": 1.0, "d_lr": None}, 0)
    except ValueError:
        return False
    return True
