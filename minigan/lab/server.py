"""The lab over HTTP: a page that pulls one frame after the other.

    GET  /TOKEN/            the page, and its files
    GET  /TOKEN/about       what can be set, and the presets, as JSON
    POST /TOKEN/frame       {tab, ms | steps, view}: the game plays for so long, and a frame comes back (frame.py)
    POST /TOKEN/do          {tab, do, ...}: something is turned, begun, stepped; complaints come back
    POST /TOKEN/hand        {of, strokes, steps, anew}: what G makes of strokes on a picture, as a frame (hand.py)
    GET  /TOKEN/python, command, checkpoint.npz        to take along; POST /TOKEN/gif makes one of pictures

The game plays only while somebody pulls: after a frame it goes on for a little while, until the next pull comes
(turns.py), so that it need not wait for the page to draw; a page that is closed or hidden stops it. The first tab
plays; others watch, until it has been silent for a while.

Only this machine is listened to, by default. Who wants in must know the token in the address, which no other page of
the browser does, and must have asked for this host by its name, so that nobody's domain name can be pointed here (DNS
rebinding). The page may load nothing from anywhere else (Content-Security-Policy). What comes in is JSON, of bounded
size, and is never a path.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import math
import secrets
import sys
import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import Any

import numpy as np

from .. import __version__
from ..datasets.csv import parse
from ..datasets.toys import Points
from ..game.saved import restored, taken_down
from ..game.update import NonFiniteError
from ..gan import GAN
from ..names import did_you_mean
from . import take
from .engine import Engine
from .frame import Frame, finite
from .hand import Hand
from .runs import OpenedRun
from .session import MOST_POINTS, Session, packed, unpacked
from .settings import KNOBS, PRESETS
from .turns import Turns
from .worlds import DATA, YOURS, PicturesWorld

__all__ = ["Lab", "Server"]

SILENT = 3.0  # seconds after which another tab may play
LONGEST = 200  # milliseconds of one pull
LARGEST = 32 << 20  # bytes of a request: four seconds of pictures
FRAMES = 100  # of a GIF
_TYPES = {"html": "text/html", "js": "text/javascript", "css": "text/css", "txt": "text/plain", "svg": "image/svg+xml"}
_POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'; "
    "form-action 'none'; base-uri 'none'"
)


class Lab:
    """The one game of a server, and who plays it. All its methods may be called from several threads.

    run: a game that was played, to be looked at.
    """

    def __init__(self, session: Session | None = None, run: OpenedRun | None = None) -> None:
        self.engine, self.run = Engine(session), run
        self._turns = Turns(self._some)
        self._player, self._heard = "", 0.0
        self._left = self.engine.world.pace or 1  # steps of the next frame, in a world that has a pace
        self._hand: tuple[int, Hand] | None = None  # and in which game it is; there is none until somebody paints
        self._painting = threading.Lock()
        self._verbs: dict[str, Callable[[Mapping[str, Any]], str | None]] = {
            "begin": self._begin, "preset": self._preset, "set": self._set, "try": self._try, "play": self._play,
            "points": self._points, "csv": self._csv, "back": self._back, "restart": self._restart,
        }  # fmt: skip

    def close(self) -> None:
        """Play no more."""
        self._turns.end()

    def _some(self) -> bool:
        """A little of the game. Returns whether there is more to play before the next frame."""
        engine = self.engine
        if engine.failed is not None or self._left <= 0:
            return False
        steps = engine.play_some()
        if engine.world.pace is not None:
            self._left -= steps
        return True

    # --- what the page asks for --------------------------------------------------------------------------------

    def about(self) -> dict[str, Any]:
        """What there is to set and to choose."""
        return {
            "version": __version__, "knobs": [knob.described() for knob in KNOBS],
            "presets": [{"name": name, "title": p.title, "text": p.text} for name, p in PRESETS.items()],
            "data": [{"name": name, "title": title} for name, title in DATA.items()], "most_points": MOST_POINTS,
            "run": None if self.run is None else self.run.name,
        }  # fmt: skip

    def frame(self, asked: Mapping[str, Any]) -> Frame:
        """The game, which this tab, if it is the one that plays, has let go on for so many milliseconds, or steps."""
        tab, view = str(asked.get("tab", ""))[:64], asked.get("view")
        view = view if isinstance(view, Mapping) else {}
        steps, ms = asked.get("steps"), min(max(_number(asked.get("ms", 0)), 0.0), LONGEST) / 1000
        playing = self._plays(tab, wants=ms > 0 or steps is not None)
        if self.run is not None:
            header, arrays = self.run.frame(view)
            return Frame({**header, "playing": playing}, arrays)
        if playing and ms > 0:
            self._turns.wait(ms)
        with self._turns.mine():
            if playing and isinstance(steps, int) and 0 < steps <= 100:
                self.engine.play("both", steps)
            header, arrays = self.engine.frame(view)
            self._left = self.engine.world.pace or 1
            self._turns.go_on(ms if playing else None)
        return Frame({**header, "playing": playing}, arrays)

    def do(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Do one thing. Returns {ok, complaints: {name: sentence}, said: sentence or None}."""
        verb, tab = asked.get("do"), str(asked.get("tab", ""))[:64]
        with self._turns.mine():
            if verb == "take over":
                self._player, self._heard = tab, time.monotonic()
                return _answer(said="this tab plays now")
            if not self._plays(tab, wants=True):
                return _answer({"": "another tab plays this game; this one watches"})
            if not isinstance(verb, str) or verb not in self._verbs:
                return _answer(
                    {"": f"there is nothing like {verb!r:.40} to do{did_you_mean(str(verb), list(self._verbs))}"}
                )
            try:
                return _answer(said=self._verbs[verb](asked))
            except _Complaints as error:
                return _answer(error.args[0], error.args[1])
            except (ValueError, TypeError, KeyError) as error:
                return _answer({"": str(error)[:400]})

    def hand(self, asked: Mapping[str, Any]) -> Frame:
        """What G makes of strokes, as of `Hand.answer`; of several who paint, one after the other.

        anew: by G as it is now; else by the one that was painted on last, if that is of this game. Raises ValueError or
        TypeError for what cannot be painted, NonFiniteError for a G that has failed.
        """
        with self._painting:
            return self._held(asked.get("anew") is True).answer(asked)

    def _held(self, anew: bool) -> Hand:
        """A G that is held still. The game waits while that is written down, and for no longer."""
        if self.run is not None:
            self._hand = self._hand or (0, Hand(self.run.game, self.run.gallery))
            return self._hand[1]
        with self._turns.mine():
            engine = self.engine
            if self._hand is not None and self._hand[0] == engine.games and not anew:
                return self._hand[1]
            if not isinstance(engine.world, PicturesWorld):
                raise ValueError("there are no pictures to paint on in this game; take the digits, or open a run")
            games, gallery, backend = engine.games, engine.world.gallery, engine.gan.backend
            states, header = taken_down(engine.gan)
        self._hand = games, Hand(restored(GAN, states, header, backend), gallery)
        return self._hand[1]

    def python(self) -> str:
        with self._turns.mine():
            return take.python(self.engine)

    def command(self) -> str:
        with self._turns.mine():
            return take.command(self.engine)

    def checkpoint(self) -> bytes:
        with self._turns.mine():
            return take.checkpoint(self.engine)

    # --- what can be done --------------------------------------------------------------------------------------

    def _begin(self, asked: Mapping[str, Any]) -> str | None:
        session, complaints = Session.parse(str(asked["session"]))
        self._anew(session, complaints)
        return None

    def _preset(self, asked: Mapping[str, Any]) -> str | None:
        session = Session.of(str(asked["name"]))
        self._anew(session, {})
        return PRESETS[session.preset].text

    def _anew(self, session: Session, complaints: dict[str, str]) -> None:
        try:
            self.engine.begin(session)
        except ValueError as error:  # settings that do not go together
            raise _Complaints({**complaints, "": str(error)[:400]}, None) from None
        if complaints:
            raise _Complaints(complaints, "some of the link could not be used; the game goes on with the rest")

    def _set(self, asked: Mapping[str, Any]) -> str | None:
        given = asked["settings"]
        if not isinstance(given, Mapping) or len(given) > len(KNOBS) + 1:
            raise ValueError("settings are names and values")
        try:
            anew = self.engine.change(given)
        except (ValueError, TypeError) as error:
            name = str(next(iter(given), "")) if len(given) == 1 else ""
            raise _Complaints({name: str(error)[:400]}, None) from None
        return "a new game, for that decides what the networks are" if anew else None

    def _try(self, asked: Mapping[str, Any]) -> str | None:
        anew = self.engine.try_out(str(asked["text"])[:200])
        where = "a new game" if anew else f"from step {self.engine.gan.steps + 1:,} on"
        return f"{str(asked['text'])[:200].replace('--', '')}: {where}"

    def _play(self, asked: Mapping[str, Any]) -> str | None:
        self.engine.play(str(asked["who"]), asked.get("n", 1))
        return None

    def _points(self, asked: Mapping[str, Any]) -> str | None:
        return self._learn(np.array(asked["points"], np.float64), "the points that you have drawn")

    def _csv(self, asked: Mapping[str, Any]) -> str | None:
        name = str(asked.get("name", "the file"))[:80]
        points = parse(str(asked["text"]).splitlines(), name)
        if points.shape[1] != 2:
            raise ValueError(f"{name} has points of {points.shape[1]} numbers, but the plane has 2")
        return self._learn(Points.scaled(points, name).points, name)

    def _learn(self, points: np.ndarray[Any, Any], name: str) -> str | None:
        if points.ndim != 2 or points.shape[1] != 2 or len(points) < 2 or not np.isfinite(points).all():
            raise ValueError("there must be two points at least, of two finite numbers each")
        kept = points if len(points) <= MOST_POINTS else points[:: -(-len(points) // MOST_POINTS)]
        old = self.engine.session
        settings = {**self.engine.settings, "data": YOURS}
        self.engine.begin(Session(old.preset, settings, [], unpacked(packed(kept))))
        if len(kept) < len(points):
            return (
                f"{len(points):,} points are more than the lab takes; one in {-(-len(points) // MOST_POINTS)} is kept"
            )
        return f"learning {name}: {len(kept):,} points"

    def _back(self, asked: Mapping[str, Any]) -> str | None:
        self.engine.go_back()
        return f"back at step {self.engine.gan.steps:,}; turn something, or it fails again"

    def _restart(self, asked: Mapping[str, Any]) -> str | None:
        self.engine.restart()
        return None

    def _plays(self, tab: str, wants: bool) -> bool:
        """Whether this tab is the one that plays. wants: it would take over from one that is silent; one that only
        looks leaves a game that is paused to whom it belongs."""
        now = time.monotonic()
        if not self._player or self._player == tab or (wants and now - self._heard > SILENT):
            self._player, self._heard = tab, now
        return self._player == tab


class _Complaints(ValueError):
    """args: {name: sentence}, and what else is to be said, or None."""


def _answer(complaints: Mapping[str, str] | None = None, said: str | None = None) -> dict[str, Any]:
    return {"ok": not complaints, "complaints": dict(complaints or {}), "said": said}


def _number(value: Any) -> float:
    """A number, if it is one; else 0."""
    known = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if known else 0.0


class Server(ThreadingHTTPServer):
    """A lab at an address. host, port: as of `socket.bind`; 0 for any free port. token: a new one by default."""

    daemon_threads = True

    def __init__(self, lab: Lab, host: str = "127.0.0.1", port: int = 0, token: str | None = None) -> None:
        self.lab, self.host = lab, host
        self.token = secrets.token_urlsafe(16) if token is None else token
        super().__init__((host, port), _Handler)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        """Where the page is."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "") else self.host
        return f"http://{host}:{self.port}/{self.token}/"

    def server_close(self) -> None:
        self.lab.close()
        super().server_close()

    def knows(self, host: str | None) -> bool:
        """Whether a request was meant for this server, by its Host header."""
        names = {"127.0.0.1", "localhost", "[::1]", self.host}
        name, _, port = (host or "").rpartition(":")
        return self.host == "0.0.0.0" or (name in names and port == str(self.port))

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that hangs up is no news; anything else is a mistake of ours, and is shown."""
        if not isinstance(sys.exception(), (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "minigan", ""
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    timeout = 60

    def do_GET(self) -> None:
        lab, name = self.server.lab, self._asked_for()
        match name:
            case None:
                return
            case "about":
                self._json(lab.about())
            case "python":
                self._send(lab.python().encode(), "text/plain; charset=utf-8")
            case "command":
                self._send(lab.command().encode(), "text/plain; charset=utf-8")
            case "checkpoint.npz":
                self._send(lab.checkpoint(), "application/octet-stream")
            case _:
                self._file(name or "index.html")

    def do_POST(self) -> None:
        lab, name = self.server.lab, self._asked_for()
        if name is None:
            return
        asked = self._body()
        if asked is None:
            return
        match name:
            case "frame":
                self._send(lab.frame(asked).encode(), "application/octet-stream")
            case "do":
                self._json(lab.do(asked))
            case "hand":
                try:
                    self._send(lab.hand(asked).encode(), "application/octet-stream")
                except (ValueError, TypeError, NonFiniteError) as error:
                    self._refuse(HTTPStatus.BAD_REQUEST, str(error)[:400])
            case "gif":
                try:
                    self._send(gif(asked.get("frames"), asked.get("ms")), "image/gif")
                except ValueError as error:
                    self._refuse(HTTPStatus.BAD_REQUEST, str(error))
            case _:
                self._refuse(HTTPStatus.NOT_FOUND, "there is nothing here")

    # --- requests and answers ----------------------------------------------------------------------------------

    def _asked_for(self) -> str | None:
        """What comes behind the token; None for a request that was refused."""
        if not self.server.knows(self.headers.get("Host")):
            self._refuse(HTTPStatus.FORBIDDEN, "this server is asked for by another name; open the address it printed")
            return None
        _, token, *rest = (*self.path.partition("?")[0].split("/", 2), "")[:3]
        if not secrets.compare_digest(token.encode(), self.server.token.encode()):
            self._refuse(HTTPStatus.FORBIDDEN, "the address lacks the token; open the one that `minigan lab` printed")
            return None
        return rest[0] if rest else ""

    def _body(self) -> dict[str, Any] | None:
        """The JSON of a request; None for one that was refused."""
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > LARGEST:
            self.close_connection = True
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a request has a length, of {LARGEST:,} bytes at most")
            return None
        try:
            asked = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            asked = None
        if not isinstance(asked, dict):
            self._refuse(HTTPStatus.BAD_REQUEST, "a request is a JSON object")
            return None
        return asked

    def _file(self, name: str) -> None:
        """One of the page's files."""
        page = resources.files(__package__) / "page"
        found = next((file for file in page.iterdir() if file.name == name and file.is_file()), None)
        if found is None:
            self._refuse(HTTPStatus.NOT_FOUND, "there is nothing here")
            return
        kind = _TYPES.get(name.rpartition(".")[2], "text/plain")
        self._send(found.read_bytes(), f"{kind}; charset=utf-8")

    def _json(self, value: Any) -> None:
        self._send(json.dumps(finite(value), allow_nan=False).encode(), "application/json")

    def _refuse(self, status: HTTPStatus, sentence: str) -> None:
        self._send(sentence.encode(), "text/plain; charset=utf-8", status)

    def _send(self, data: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Security-Policy", _POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: twenty frames a second are no news."""


def gif(frames: Any, ms: Any) -> bytes:
    """An animation of pictures, PNG as data URLs. ms: of each. Raises ValueError for what is none."""
    from PIL import Image

    if not isinstance(frames, list) or not 1 <= len(frames) <= FRAMES:
        raise ValueError(f"an animation has 1 to {FRAMES} pictures")
    if not isinstance(ms, int) or not 20 <= ms <= 5_000:
        raise ValueError("a picture of an animation is seen for 20 to 5,000 milliseconds")
    pictures = []
    for frame in frames:
        head, _, data = str(frame).partition(",")
        if head != "data:image/png;base64":
            raise ValueError("a picture is a PNG, as a data URL")
        try:
            picture = Image.open(io.BytesIO(base64.b64decode(data, validate=True)), formats=["PNG"])
            if max(picture.size) > 2_000:
                raise ValueError("a picture has at most 2,000 pixels along a side")
            pictures.append(picture.convert("RGB").quantize(128))
        except (binascii.Error, OSError, SyntaxError, Image.DecompressionBombError):
            raise ValueError("one of the pictures is no PNG") from None
    out = io.BytesIO()
    first, *rest = pictures
    first.save(out, "GIF", save_all=True, append_images=rest, duration=ms, loop=0, optimize=False)
    return out.getvalue()
