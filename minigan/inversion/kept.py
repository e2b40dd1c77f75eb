"""An encoder that is learned once and kept in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..game.generating import Generating
from ..kept import Say, kept
from .encoder import STEPS, Encoder, key_of, settings_of
from .given import samples_of


def kept_encoder(
    game: Generating,
    beside: Path,
    pictures: Any = None,
    *,
    steps: int = STEPS,
    averaged: bool = True,
    say: Say | None = None,
) -> Encoder:
    """The encoder of a game, from its file in the folder `beside` if that is there, or learned now and kept in it.

    The file has a name of its own for each G, set of pictures and number of steps, and is learned again if it is
    damaged. A folder that cannot be written only costs time. pictures, steps, averaged: as of `Encoder.learn`, which
    raises for what cannot be used. say: called with sentences.
    """
    settings = settings_of(steps=steps, averaged=averaged)
    key = key_of(game, None if pictures is None else samples_of(game, pictures), settings)
    path = beside / f"encoder-{key[:12]}.npz"

    def make() -> Encoder:
        if say:
            beside_them = "" if pictures is None else f", and as many of {len(pictures):,} pictures"
            say(f"an encoder learns from {settings['steps']:,} batches of G's samples{beside_them} ...")
        return Encoder.learn(game, pictures, steps=steps, averaged=averaged)

    return kept(path, "the encoder", lambda path: Encoder.load(path, game, key), make, Encoder.save, say)
