"""A game as a short text, which is the link of the page: settings, and what was done on the way.

    preset=d-wins&seed=1&then=600:objective=non-saturating&then=700:d10

The settings are those of the preset, changed by what follows, `name=value`. Each `then` says what was done before the
step behind that number: settings that were turned, `name=value;name=value`, or so many updates of one player alone, d10
or g10. `points` are data of one's own, two numbers of 16 bits for each point, in base64.

The same text is the same game, bit for bit, on the same machine and version.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..names import unknown
from . import settings as known
from .settings import DEFAULT, Settings, complete, knob, preset
from .worlds import DATA, YOURS

__all__ = ["MOST_CHANGES", "MOST_POINTS", "Change", "Session", "packed", "unpacked"]

MOST_POINTS, MOST_CHANGES = 2_000, 1_000
REACH = 4.0  # points of one's own lie in [−REACH, REACH]²
MOST_ALONE = 10_000  # updates of one player in one change


@dataclass(frozen=True)
class Change:
    """What is done before step + 1. settings: that are turned; or who, "d" or "g", makes n updates alone."""

    step: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    who: str = ""
    n: int = 0

    def text(self) -> str:
        turned = ";".join(f"{name}={knob(name).shown(value)}" for name, value in self.settings.items())
        return f"{self.step}:{turned or f'{self.who}{self.n}'}"

    @classmethod
    def parse(cls, text: str) -> Change:
        """Raises ValueError for what is none."""
        step, colon, what = text.partition(":")
        if not colon or not re.fullmatch(r"\d{1,12}", step) or not what:
            raise ValueError(f"then takes STEP:name=value, STEP:d10 or STEP:g10, got {text!r:.60}")
        if alone := re.fullmatch(r"([dg])(\d{1,6})", what):
            if not 1 <= int(alone[2]) <= MOST_ALONE:
                raise ValueError(f"then: one player makes 1 to {MOST_ALONE:,} updates alone, got {alone[2]}")
            return cls(int(step), who=alone[1], n=int(alone[2]))
        turned = {}
        for part in what.split(";"):
            name, _, value = part.partition("=")
            if not knob(name).live:
                raise ValueError(f"{name} cannot be turned while a game goes on: it decides what the networks are")
            turned[name] = knob(name).parse(value)
        return cls(int(step), turned)


@dataclass
class Session:
    """preset: its name. settings: all of them, at the beginning. changes: in the order in which they are made.

    points: (N, 2) of one's own, if the data are those.
    """

    preset: str = DEFAULT
    settings: Settings = field(default_factory=lambda: complete(preset(DEFAULT).settings))
    changes: list[Change] = field(default_factory=list)
    points: NDArray[np.float32] | None = None

    @classmethod
    def of(cls, name: str, **settings: Any) -> Session:
        """A preset, with some settings changed. Raises ValueError for an unknown preset."""
        chosen = preset(name)
        changes = [Change.parse(text) for text in chosen.then]
        return cls(name, complete({**chosen.settings, **settings}), changes)

    @classmethod
    def parse(cls, text: str) -> tuple[Session, dict[str, str]]:
        """The session of a text, and for each name in it that could not be used a sentence. Never raises.

        >>> session, complaints = Session.parse("preset=ring&lr=0.01&width=9999&colour=blue")
        >>> session.settings["lr"], session.settings["width"]
        (0.01, 64)
        >>> complaints["width"]
        'width takes a whole number from 2 to 256, got 9999'
        """
        complaints: dict[str, str] = {}
        pairs = parse_qsl(text[: 1 << 20].removeprefix("#"), keep_blank_values=True)
        name = next((value for key, value in pairs if key == "preset"), DEFAULT)
        try:
            session = cls.of(name)
        except ValueError as error:
            complaints["preset"] = f"{error!s:.300}"
            session = cls.of(DEFAULT)
        if any(key == "then" for key, _ in pairs):
            session.changes = []
        for key, value in pairs:
            try:
                session._take(key, value)
            except ValueError as error:
                complaints[key] = f"{error!s:.300}"
        session.changes.sort(key=lambda change: change.step)  # those of one step stay in their order
        if session.settings["data"] == YOURS and session.points is None:
            complaints.setdefault("data", "points of your own are not in this link; draw some")
            session.settings["data"] = cls.of(DEFAULT).settings["data"]
        return session, complaints

    def _take(self, key: str, value: str) -> None:
        match key:
            case "preset":
                pass
            case "data":
                if value not in DATA and value != YOURS:
                    raise ValueError(unknown("data", value, [*DATA, YOURS]))
                self.settings["data"] = value
            case "points":
                self.points = unpacked(value)
            case "then" if not value:
                pass  # nothing was done, where the preset does something
            case "then":
                if len(self.changes) == MOST_CHANGES:
                    raise ValueError(f"a session has at most {MOST_CHANGES:,} changes")
                self.changes.append(Change.parse(value))
            case _:
                self.settings[key] = knob(key).parse(value)

    def text(self) -> str:
        """The shortest text that `parse` makes this session of."""
        base = Session.of(self.preset)
        parts = [("preset", self.preset)]
        if self.settings["data"] != base.settings["data"]:
            parts.append(("data", self.settings["data"]))
        for each in known.KNOBS:
            value = self.settings[each.name]
            if value != base.settings[each.name]:
                parts.append((each.name, each.shown(value)))
        if self.points is not None and self.settings["data"] == YOURS:
            parts.append(("points", packed(self.points)))
        if self.changes != base.changes:
            parts += [("then", change.text()) for change in self.changes] or [("then", "")]
        return "&".join(f"{name}={quote(value, safe=':;=,')}" for name, value in parts)


def packed(points: ArrayLike) -> str:
    """Points (N, 2) as text: each coordinate is one of 65,536 from −4 to 4.

    >>> unpacked(packed([[0.5, -4.0]])).round(3).tolist()
    [[0.5, -4.0]]
    """
    given = np.clip(np.asarray(points, np.float64) / REACH, -1, 1)
    return base64.urlsafe_b64encode(np.round(given * 32767).astype("<i2").tobytes()).decode().rstrip("=")


def unpacked(text: str) -> NDArray[np.float32]:
    """The points (N, 2) of `packed`. Raises ValueError for another text, for none, and for too many."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("points takes what the page has written: two numbers of 16 bits each, in base64") from None
    if not data or len(data) % 4:
        raise ValueError(f"points takes four bytes for each point, got {len(data)}")
    if len(data) > 4 * MOST_POINTS:
        raise ValueError(f"the lab takes at most {MOST_POINTS:,} points, got {len(data) // 4:,}")
    return np.asarray(np.frombuffer(data, "<i2").reshape(-1, 2) / 32767 * REACH, np.float32)
