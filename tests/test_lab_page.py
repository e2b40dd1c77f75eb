"""The lab in a real browser: it starts, plays, says what is wrong, and loads nothing from elsewhere.

Chromium, driven by Playwright; skipped with a reason where there is none.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from importlib import resources
from typing import Any

import numpy as np
import pytest
from scripts import script

import minigan
from minigan.lab import Session
from minigan.lab.runs import OpenedRun
from minigan.lab.server import Lab, Server

pytestmark = pytest.mark.browser
PATIENCE = 60_000  # milliseconds: a busy machine is no failure


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs Playwright")
    benchmark = script("lab")
    path = benchmark.chromium()
    if path is None:
        pytest.skip(f"needs a browser: none of {', '.join(benchmark.BROWSERS)} is installed")
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield running
        running.close()


class Page:
    """A page of a lab of its own, and what has gone wrong in it."""

    def __init__(self, browser: Any, lab: Lab, **context: Any) -> None:
        self.server = Server(lab)
        self.lab = lab
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **context})
        self.wrong: list[str] = []
        self.page = self.tab()

    def tab(self) -> Any:
        page = self.context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda message: self.wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("request", lambda request: self._look(request.url))
        return page

    def _look(self, url: str) -> None:
        if not url.startswith((self.server.url, "data:", "blob:")):
            self.wrong.append(f"a request for {url}")

    def open(self, session: str = "") -> Any:
        self.page.goto(self.server.url + (f"#{session}" if session else ""))
        return self.page

    def until(self, holds: Any, what: str = "") -> None:
        """Wait; Playwright's own waiting evaluates strings, which the page's policy forbids."""
        end = time.monotonic() + PATIENCE / 1000
        while not holds():
            assert time.monotonic() < end, f"never: {what or holds}"
            self.page.wait_for_timeout(30)

    @property
    def step(self) -> int:
        return int(re.sub(r"\D", "", self.page.text_content("#steps")))

    def pause(self) -> None:
        """Stop the game, if it runs."""
        if "Pause" in self.page.text_content("#run"):
            self.page.click("#run")
        before = -1
        while before != self.step or self.step != self.lab.engine.gan.steps:  # a pull may still be on its way
            before = self.step
            self.page.wait_for_timeout(200)

    def close(self) -> None:
        self.context.close()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def lab(browser: Any, request: pytest.FixtureRequest) -> Iterator[Page]:
    page = Page(browser, Lab(), **getattr(request, "param", {}))
    yield page
    page.close()
    assert page.wrong == []


def test_it_starts_at_once_and_samples_move_to_the_modes(lab: Page) -> None:
    lab.open()
    lab.until(lambda: lab.step >= 300)
    lab.pause()
    fakes, measured = lab.lab.engine.frame().arrays["fakes"], lab.lab.engine._measured
    assert measured["modes"] == 8
    assert np.abs(np.linalg.norm(fakes, axis=1) - 1).mean() < 0.25  # the ring has the radius 1
    shown = lab.page.evaluate("() => [...window.lab.arrays.fakes.data ?? window.lab.arrays.fakes].slice(0, 8)")
    assert np.allclose(shown, fakes.ravel()[:8], atol=1e-5)
    # the canvas is drawn: many colours, not one
    colours = lab.page.evaluate(
        "() => { const c = document.querySelector('#plane');"
        "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; const seen = new Set();"
        "for (let i = 0; i < d.length; i += 404) seen.add(d[i] << 16 | d[i + 1] << 8 | d[i + 2]); return seen.size; }"
    )
    assert colours > 20


def test_D_wins_is_said_and_its_button_cures_it(lab: Page) -> None:
    page = lab.open("preset=d-wins&d_pretrain=400")
    lab.until(lambda: "D wins" in page.text_content("#live"), "a screen reader is told")
    page.wait_for_selector("#sentences .remedy")
    assert "D wins" in page.text_content("#sentences")
    lab.pause()
    page.click("#sentences .remedy >> text=objective non-saturating")
    lab.until(lambda: page.input_value("#knob-objective") == "non-saturating")
    page.click("#run")
    lab.until(lambda: "no longer wins" in page.text_content("#sentences"))
    lab.until(lambda: lab.lab.engine._measured["modes"] >= 6)
    assert page.locator("#sentences .remedy").count() == 0


def test_a_link_and_a_reload_are_the_same_game(lab: Page, browser: Any) -> None:
    page = lab.open("preset=ring&seed=5&width=16")
    lab.until(lambda: lab.step >= 40)
    lab.pause()
    page.fill("#knob-lr", "0.01")
    page.keyboard.press("Enter")
    lab.until(lambda: "lr=0.01" in page.evaluate("() => location.hash"))
    page.click("#step")
    lab.until(lambda: page.get_attribute("#link", "href").endswith("lr=0.01"))
    step = lab.step
    link = page.get_attribute("#link", "href")
    other = Page(browser, Lab())
    other.open(link.partition("#")[2])
    other.until(lambda: other.step > step)
    other.pause()
    lab.lab.engine.play_to(other.step)
    one, two = lab.lab.engine.gan, other.lab.engine.gan
    assert one.steps == two.steps
    assert np.array_equal(one.G.flat, two.G.flat)
    other.close()
    assert other.wrong == []
    step = lab.step
    page.reload()
    lab.until(lambda: lab.step >= step)
    assert page.input_value("#knob-width") == "16"


@pytest.mark.parametrize("lab", [{"reduced_motion": "reduce"}], indirect=True)
def test_the_keyboard_alone_is_enough(lab: Page) -> None:
    page = lab.open("preset=ring&width=16")
    page.wait_for_timeout(300)
    assert lab.step == 0  # who wants less motion begins with a pause
    page.keyboard.press("Space")
    lab.until(lambda: lab.step >= 5)
    page.keyboard.press("Space")
    page.wait_for_timeout(300)
    step = lab.step
    page.wait_for_timeout(300)
    assert lab.step == step
    seen = []
    for _ in range(60):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("() => document.activeElement.id"))
    assert {"run", "step", "preset", "data", "knob-objective", "knob-lr"} <= set(seen)
    page.focus("#preset")
    page.keyboard.type("The D")
    lab.until(lambda: "dirac" in page.evaluate("() => location.hash"))


@pytest.mark.parametrize("lab", [{"viewport": {"width": 390, "height": 844}}, {"color_scheme": "dark"}], indirect=True)
def test_it_fits_and_can_be_read_by_all(lab: Page) -> None:
    page = lab.open("preset=ring&width=16")
    lab.until(lambda: lab.step >= 20)
    page.fill("#knob-lr", "77")
    page.keyboard.press("Enter")
    lab.until(lambda: "from 1e-06 to 1" in page.text_content("#knobs"))
    require_readable(page)


def require_readable(page: Any) -> None:
    """Nothing is cut off, and axe has no serious complaint."""
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    axe = pytest.importorskip("axe_playwright_python", reason="needs axe")
    script = next(file for file in resources.files(axe).iterdir() if file.name.startswith("axe.min"))
    protocol = page.context.new_cdp_session(page)  # past the page's policy, which forbids what is not its own
    protocol.send("Runtime.evaluate", {"expression": script.read_text()})
    found = page.evaluate("() => axe.run()")["violations"]
    serious = [
        (v["id"], [node["target"] for node in v["nodes"]]) for v in found if v["impact"] in ("serious", "critical")
    ]
    assert serious == []


def test_a_game_that_fails_says_so_and_goes_back(lab: Page) -> None:
    page = lab.open("preset=plain&width=16&optimizer=sgd&objective=wasserstein&lr=1.0")
    lab.until(lambda: "not finite" in page.text_content("#alert"))
    step = lab.step
    page.click("#alert button")
    lab.until(lambda: page.is_hidden("#alert"))
    assert lab.step < step
    page.wait_for_timeout(300)
    assert lab.lab.engine.failed is None  # it waits until something is turned


def test_other_tabs_watch_until_they_are_asked_to_play(lab: Page) -> None:
    lab.open("preset=ring&width=16")
    lab.until(lambda: lab.step >= 5)
    watcher = lab.tab()
    watcher.goto(lab.server.url)
    watcher.wait_for_selector("#banner >> text=Another tab plays")
    watcher.click("#banner button")
    lab.until(lambda: watcher.locator("#banner >> text=Another tab plays").count() == 0)
    lab.page.wait_for_selector("#banner >> text=Another tab plays")


def test_a_server_that_is_gone_is_said_and_found_again(browser: Any) -> None:
    page = Page(browser, Lab(Session.of("ring", width=16)))
    page.open()
    page.until(lambda: page.step >= 5)
    port, token = page.server.port, page.server.token
    page.server.shutdown()
    page.server.socket.close()
    page.context.set_offline(True)  # connections that are still open go on being answered
    page.page.wait_for_selector("#banner >> text=does not answer")
    page.server = Server(page.lab, port=port, token=token)
    threading.Thread(target=page.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    page.context.set_offline(False)
    step = page.step
    page.until(lambda: page.step > step)
    assert page.page.locator("#banner >> text=does not answer").count() == 0
    page.close()


@pytest.mark.parametrize("preset", ["figure-1", "dirac", "digits"])
def test_every_world_is_drawn(lab: Page, preset: str) -> None:
    page = lab.open(f"preset={preset}")
    lab.until(lambda: lab.step >= 2)
    assert page.get_attribute("#plane", "aria-label")
    lab.pause()
    assert page.evaluate("() => window.lab.frame.settings.preset") == preset


def test_a_run_that_was_trained_is_shown(browser: Any, tmp_path: Any) -> None:
    folder = minigan.train("gan", steps=2, batch=8, out=tmp_path / "run", quiet=True, label="given", latent=8)
    page = Page(browser, Lab(run=OpenedRun(folder)))
    opened = page.open()
    page.until(lambda: bool(opened.evaluate("() => window.lab.arrays && !!window.lab.arrays.picked")))
    assert "run" in opened.text_content("#opened")
    before = opened.evaluate("() => [...(window.lab.arrays.picked.data ?? window.lab.arrays.picked)]")
    opened.focus("#across")
    for _ in range(20):
        opened.keyboard.press("ArrowRight")
    page.until(
        lambda: before != opened.evaluate("() => [...(window.lab.arrays.picked.data ?? window.lab.arrays.picked)]")
    )
    page.close()
    assert page.wrong == []


@pytest.mark.parametrize("lab", [{"viewport": {"width": 390, "height": 844}}, {"color_scheme": "dark"}], indirect=True)
def test_strokes_are_answered_and_taken_back(lab: Page) -> None:
    page = lab.open("preset=digits&width=4&batch=8")
    lab.until(lambda: lab.step >= 100)  # a younger G is all grey, wherever its latent moves
    made = "() => document.querySelector('#answer').toDataURL()"
    assert lab.lab._hand is None
    page.click("#paint")
    lab.until(lambda: "step" in page.text_content("#painted"))
    stage = page.locator("#plane").bounding_box()
    with page.expect_response(lambda response: response.url.endswith("/hand")):
        page.locator("#plane").click(position={"x": 0.5 * stage["width"], "y": 0.3 * stage["height"]})
    assert page.input_value("#subject") == "7"  # the third of the second row, of five
    assert lab.lab._hand is not None
    assert not page.is_enabled("#take-back")
    page.wait_for_timeout(300)  # until the answer is drawn
    before = page.evaluate(made)
    sheet = page.locator("#sheet")
    sheet.scroll_into_view_if_needed()
    box = sheet.bounding_box()
    at = [box["x"] + box["width"] / 4, box["y"] + box["height"] / 2]
    page.mouse.move(*at)
    page.mouse.down()
    page.mouse.move(at[0] + box["width"] / 2, at[1], steps=5)
    page.mouse.up()
    lab.until(lambda: "of the way" in page.text_content("#agreed"))
    lab.until(lambda: page.evaluate(made) != before)
    lab.until(lambda: "of the way" in page.text_content("#live"), "a screen reader is told")
    step = lab.step
    lab.until(lambda: lab.step > step, "the game goes on")
    require_readable(page)
    page.click("#take-back")
    lab.until(lambda: page.evaluate(made) == before)
    # the same by keyboard alone, in black
    page.focus("#dark")
    page.keyboard.press("Enter")
    assert page.get_attribute("#dark", "aria-pressed") == "true"
    page.focus("#sheet")
    for key in ("Enter", "ArrowRight", "Shift+ArrowDown", "Enter"):
        page.keyboard.press(key)
    lab.until(lambda: page.is_enabled("#take-back") and "of the way" in page.text_content("#agreed"))
    page.keyboard.press("Backspace")
    lab.until(lambda: page.evaluate(made) == before)
    page.keyboard.press("Escape")
    assert page.get_attribute("#paint", "aria-expanded") == "false"
    assert page.evaluate("() => document.activeElement.id") == "paint"


def test_who_does_not_paint_asks_for_nothing(lab: Page) -> None:
    asked: list[str] = []
    lab.page.on("request", lambda request: asked.append(request.url.rpartition("/")[2]))
    page = lab.open("preset=digits&width=4&batch=8")
    lab.until(lambda: lab.step >= 3)
    page.click("#paint")
    lab.until(lambda: "hand" in asked)
    page.click("#paint")
    page.wait_for_timeout(200)
    asked.clear()
    page.focus("#across")
    page.keyboard.press("ArrowRight")  # another place on the pad, which would be a clean sheet
    step = lab.step
    lab.until(lambda: lab.step > step + 3)
    assert "frame" in asked
    assert "hand" not in asked
    page.click("#plane")  # which chooses a sample only while somebody paints
    page.select_option("#preset", "ring")
    lab.until(lambda: "ring" in page.evaluate("() => location.hash"))
    lab.until(lambda: page.is_hidden("#hand"))  # there is nothing to paint on
    assert "hand" not in asked
