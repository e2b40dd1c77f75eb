"""Pictures of the lab for the pages: the page as it is, and an animation of a game that fails and is mended.

    python benchmarks/lab_pictures.py     needs Chromium and the extra [browser]; writes benchmarks/pictures/lab*

On the digits a stroke is painted. The animation is of the preset d-wins: D wins, the sentence comes, its first button
is pressed, and the fakes set off.
"""

from __future__ import annotations

import io
import threading
from pathlib import Path
from typing import Any

from lab import chromium
from PIL import Image
from playwright.sync_api import sync_playwright

from minigan.lab.server import Lab, Server

PICTURES = Path(__file__).resolve().parent / "pictures"
SIZE, WIDTH, COLOURS = {"width": 1280, "height": 800}, 800, 128  # of the window; of the animation
AT = 450  # the step at which it begins; D wins is said at 500
SAMPLE = "17"  # a one, that is painted on
EVERY, BEFORE, AFTER = 40, 6, 26  # steps from one picture to the next; pictures before the button is pressed, and after


def look(page: Any, lab: Lab, step: int) -> None:
    """Play on to a step, and let the page draw it. The page is paused, and pulls when something is done."""
    while lab.engine.gan.steps < step:
        lab.engine.play_to(step)
    page.click("#step")
    page.wait_for_timeout(400)


def main() -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        for name, preset, step in (("lab.png", "grid", 3_000), ("lab-digits.png", "digits", 1_200)):
            page, lab = opened(browser, preset)
            look(page, lab, step)
            page.screenshot(path=PICTURES / name)
            if preset == "digits":
                paint(page)
                page.screenshot(path=PICTURES / "lab-hand.png")
            page.close()
        page, lab = opened(browser, "d-wins")
        frames = []
        for i in range(BEFORE):
            look(page, lab, AT + EVERY * i)
            frames.append(picture(page))
        page.click("#sentences .remedy")
        for i in range(AFTER):
            look(page, lab, AT + EVERY * (BEFORE + i))
            frames.append(picture(page))
        browser.close()
    both = Image.new("RGB", (WIDTH, 2 * frames[0].height))  # one palette for all, of what is seen before and after
    for i, frame in enumerate((frames[0], frames[-1])):
        both.paste(frame, (0, i * frame.height))
    palette = both.quantize(COLOURS)
    first, *rest = (frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames)
    seen = [300] * BEFORE + [150] * (AFTER - 1) + [2_000]  # milliseconds
    first.save(PICTURES / "lab.gif", save_all=True, append_images=rest, duration=seen, loop=0)


def paint(page: Any) -> None:
    """A bar across one of the samples; until G has given its best answer."""
    page.click("#paint")
    page.select_option("#subject", SAMPLE)
    page.wait_for_timeout(1_000)
    box = page.locator("#sheet").bounding_box()
    across = [(box["x"] + share * box["width"], box["y"] + box["height"] / 2) for share in (0.25, 0.75)]
    page.mouse.move(*across[0])
    page.mouse.down()
    page.mouse.move(*across[1], steps=8)
    page.mouse.up()
    page.wait_for_timeout(3_000)


def opened(browser: Any, preset: str) -> tuple[Any, Lab]:
    """A page at rest."""
    lab = Lab()
    server = Server(lab)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    page = browser.new_page(viewport=SIZE)
    page.goto(f"{server.url}#preset={preset}")
    page.wait_for_timeout(1_000)
    page.click("#run")
    return page, lab


def picture(page: Any) -> Image.Image:
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    height = round(WIDTH * image.height / image.width)
    return image.resize((WIDTH, height), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main()
