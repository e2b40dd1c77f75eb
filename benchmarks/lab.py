"""What watching a game costs: `minigan lab` in a browser beside the same game alone.

    python benchmarks/lab.py            needs Chromium and the extra [browser]
    python benchmarks/readme_tables.py  update the page

For each preset: steps a second of `GAN.fit` in a process of its own; then the lab in a process, the page in Chromium
without a window, and for as long the steps and the frames that came. And the time from the command to the first frame
of a game that has moved, for somebody who pulls it as the page does; the memory of an hour of frames; and how soon
strokes are answered, on digits that go on playing. Figures go to benchmarks/results/lab.json.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from minigan import console, environment
from minigan.archive import write_atomically
from minigan.lab import Session
from minigan.lab.frame import Frame
from minigan.lab.server import Lab
from minigan.lab.worlds import world_for

RESULTS = Path(__file__).parent / "results" / "lab.json"
PARTS = ("speed", "memory", "strokes")
PRESETS = ("ring", "grid", "figure-1", "digits")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
STROKE = {"light": True, "size": 0.09, "places": [[0.2, 0.5], [0.8, 0.5]]}
ANSWERS, STROKES = (3, 30), 20  # steps of the first answer and of the best, as the page asks; how often it is asked
SETTLE = 2.0  # seconds before anything is counted


def chromium() -> str | None:
    """Where the browser is; None to let Playwright look."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def alone(preset: str, seconds: float) -> float:
    """Steps a second of the game by itself."""
    session = Session.of(preset)
    world = world_for(session.settings, None)
    gan, batch = world.build(session.settings), session.settings["batch"]
    began, first, steps = time.perf_counter(), 0.0, 0

    def timed(gan: Any, metrics: Any) -> bool:
        nonlocal first, steps
        now = time.perf_counter()
        if now - began < SETTLE:
            first, steps = now, gan.steps
        return now - first > seconds and now - began > SETTLE

    gan.fit(world.data, 10**9, batch, callback=timed, every=5)
    return float((gan.steps - steps) / (time.perf_counter() - first))


def started(*words: str) -> tuple[subprocess.Popen[str], str]:
    """A lab in a process, and its address."""
    command = [sys.executable, "-m", "minigan", "lab", *words, "--no-browser", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def first_frame() -> float:
    """Seconds from the command to a frame of a game that has moved."""
    began = time.perf_counter()
    process, url = started()
    try:
        body = json.dumps({"tab": "a", "ms": 45}).encode()
        with urllib.request.urlopen(urllib.request.Request(f"{url}frame", body)) as answer:
            header = Frame.decode(answer.read()).header
        assert header["step"] > 0
        return time.perf_counter() - began
    finally:
        process.terminate()
        process.wait()


def watched(preset: str, seconds: float) -> tuple[float, float]:
    """Steps and frames a second in a browser."""
    from playwright.sync_api import sync_playwright

    process, url = started(preset)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            frames = 0

            def count(response: Any) -> None:
                nonlocal frames
                frames += response.url.endswith("/frame")

            page.goto(url)
            page.wait_for_timeout(1000 * SETTLE)
            page.on("response", count)
            before, began = page.evaluate("() => window.lab.frame.step"), time.perf_counter()
            page.wait_for_timeout(1000 * seconds)
            after, took = page.evaluate("() => window.lab.frame.step"), time.perf_counter() - began
            browser.close()
            return (after - before) / took, frames / took
    finally:
        process.terminate()
        process.wait()


def hour(frames: int) -> list[float]:
    """MiB that the process has after so many frames with a step before each: after a tenth of them, a half and all."""
    lab, found = Lab(Session.of("ring")), []
    for i in range(1, frames + 1):
        lab.frame({"tab": "a", "steps": 1}).encode()
        if i in (frames // 10, frames // 2, frames):
            status = Path("/proc/self/status").read_text(encoding="ascii")
            found.append(int(status.split("VmRSS:")[1].split()[0]) / 1024)
    return found


def strokes() -> list[float]:
    """Seconds until a stroke has its first answer, and until it has the best, medians; the page pulls meanwhile."""
    lab, ended = Lab(Session.of("digits")), threading.Event()

    def pull() -> None:
        while not ended.is_set():
            lab.frame({"tab": "a", "ms": 40}).encode()

    page = threading.Thread(target=pull)
    page.start()
    asked, found = {"of": {"sample": 3}, "strokes": [STROKE]}, []
    lab.hand({**asked, "steps": 1, "anew": True})
    for _ in range(STROKES):
        began, times = time.perf_counter(), []
        for steps in ANSWERS:
            lab.hand({**asked, "steps": steps}).encode()
            times.append(time.perf_counter() - began)
        found.append(times)
    ended.set()
    page.join()
    lab.close()
    return [statistics.median(times) for times in zip(*found, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", default="all", choices=(*PARTS, "all"), help="default: all")
    parser.add_argument("--seconds", type=float, default=6.0, help="of each measurement (default: 6)")
    parser.add_argument("--rounds", type=int, default=3, help="of each, in turn (default: 3)")
    parser.add_argument("--frames", type=int, default=54_000, help="of an hour without a page (default: 54000)")
    args = parser.parse_args()
    found = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    found |= {"when": datetime.now(UTC).strftime("%Y-%m-%d"), "environment": environment.facts()}
    if args.part in ("speed", "all"):
        found |= {"rows": [row(preset, args.rounds, args.seconds) for preset in PRESETS], "rounds": args.rounds}
        found |= {"seconds": args.seconds, "first_frame": [first_frame() for _ in range(5)]}
    if args.part in ("memory", "all"):
        found |= {"memory": hour(args.frames), "frames": args.frames}
    if args.part in ("strokes", "all"):
        found |= {"strokes": strokes()}
    found["table"], found["note"] = table(found["rows"]), note(found)
    with write_atomically(RESULTS) as file:
        file.write(json.dumps(found, indent=1).encode() + b"\n")
    console.say(f"{found['table']}\n\n{found['note']}")


def row(preset: str, rounds: int, seconds: float) -> dict[str, Any]:
    """Medians over rounds in which the game alone and the page take turns."""
    measured = [(alone(preset, seconds), *watched(preset, seconds)) for _ in range(rounds)]
    by_itself, steps, frames = (statistics.median(figures) for figures in zip(*measured, strict=True))
    console.say(f"{preset}: {by_itself:.0f} steps a second alone, {steps:.0f} in the lab, {frames:.0f} frames")
    return {"preset": preset, "alone": by_itself, "watched": steps, "frames": frames}


def note(found: dict[str, Any]) -> str:
    """What stands beneath the table."""
    told = (
        f"From the command to the first frame that has moved: {statistics.median(found['first_frame']):.1f} s, with no "
        f"browser in between. Medians of {found['rounds']} rounds of {found['seconds']:g} s; the page in Chromium, "
        "drawn without a GPU."
    )
    if "memory" in found:
        course = ", ".join(f"{mib:.0f}" for mib in found["memory"])
        told += (
            f" Memory after a tenth, a half and all of {found['frames']:,} frames, an hour of them: {course} MiB; no "
            "file is written."
        )
    if "strokes" in found:
        first, best = (1000 * seconds for seconds in found["strokes"])
        told += (
            f" A stroke on digits that play on has its first answer after {first:.0f} ms, its best after {best:.0f}."
        )
    return told


def table(rows: list[dict[str, Any]]) -> str:
    """A row for each preset."""
    cells = [
        [f"`{row['preset']}`", f"{row['alone']:,.0f}", f"{row['watched']:,.0f}", f"{row['watched'] / row['alone']:.0%}",
         f"{row['frames']:.0f}"]
        for row in rows
    ]  # fmt: skip
    return console.table(
        ["game", "steps a second, alone", "in the lab", "of that", "frames a second"], cells, left=(0,)
    )


if __name__ == "__main__":
    main()
