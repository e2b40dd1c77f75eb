"""What a remedy of the diagnostics turns.

    --r1 1 --objective relativistic     flags of `minigan train`: knobs of the same names
    a smaller --d-lr                    a third of what it is
    a larger --d-lr                     three times, and no less than G's: a D that stands still is not helped by three
                                        times nothing

Other words, such as "another --lr", are for the reader.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .settings import knob

__all__ = ["turned"]

FACTOR = 3
_BETWEEN = {"smaller": 1 / FACTOR, "larger": FACTOR}


def turned(text: str, settings: Mapping[str, Any], step: int) -> dict[str, Any]:
    """The settings that these words ask for. step: where the game is, from which on noise is to fall.

    Raises ValueError for words that say nothing of a knob.

    >>> turned("--r1 1 --objective relativistic", {}, 0)
    {'r1': 1.0, 'objective': 'relativistic'}
    >>> turned("a smaller --d-lr", {"lr": 3e-3, "d_lr": None}, 0)
    {'d_lr': 0.001}
    """
    if found := re.fullmatch(r"a (smaller|larger) --(lr|d-lr)", text):
        name = found[2].replace("-", "_")
        now = settings["lr"] if settings[name] is None else settings[name]
        value = now * _BETWEEN[found[1]]
        if found[1] == "larger" and name == "d_lr":
            value = max(value, settings["lr"])
        return {name: float(f"{value:.2g}")}
    words = text.split()
    if not words or len(words) % 2 or not all(word.startswith("--") for word in words[::2]):
        raise ValueError(f"a remedy is flags with values, or a smaller or larger rate, got {text!r:.60}")
    values: dict[str, Any] = {}
    for flag, value in zip(words[::2], words[1::2], strict=True):
        name = flag[2:].replace("-", "_")
        values[name] = knob(name).parse(value)
    if "instance_noise" in values and step:
        values["noise_steps"] = min(step + 2_000, int(knob("noise_steps").high or 0))
    return values
