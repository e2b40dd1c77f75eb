"""What is on the screen, to take along: as Python, as a command, as a file."""

from __future__ import annotations

import io
from typing import Any

from ..console import quoted
from ..recipes.options import recipe_options
from .engine import Engine
from .settings import KNOBS
from .worlds import DATA, YOURS

__all__ = ["checkpoint", "command", "python"]

_NOT_OF_IMAGES = ("width", "d_width", "batch", "d_pretrain", "seed")  # are chosen for points, or no options


def checkpoint(engine: Engine) -> bytes:
    """The game as `GAN.load` reads it."""
    file = io.BytesIO()
    engine.gan.save(file)
    return file.getvalue()


def command(engine: Engine) -> str:
    """The same rules for a game on digits, and the lab's own command for this very game."""
    return f"minigan train {' '.join(['gan', *_flags(engine)])}\nminigan lab {quoted(engine.session.text())}\n"


def python(engine: Engine) -> str:
    """A program that plays this game, to the step where it is now."""
    session, steps = engine.session, engine.gan.steps
    text = session.text()
    begin = f'"""A game from `minigan lab`: {text if len(text) < 200 else session.preset}"""\n\n'
    if session.changes or session.settings["data"] == YOURS or engine.world.name not in ("plane", "line"):
        return begin + (
            "from minigan.lab import Engine, Session\n\n"
            f"session, complaints = Session.parse({text!r})\n"
            "engine = Engine(session)\n"
            f"engine.play_to({steps})\n"
            "gan = engine.gan  # a minigan.GAN\n"
            "print(gan)\n"
        )
    settings = session.settings
    build: dict[str, Any] = {"nets": "small", "latent": 2 if engine.world.name == "plane" else 1}
    build |= {name: settings[name] for name in _changed(engine)} | {"seed": settings["seed"]}
    options = "".join(f"    {name}={value!r},\n" for name, value in build.items())
    return begin + (
        "from minigan.lab.worlds import toy\n"
        "from minigan.recipes import gan as recipe\n\n"
        f"data = toy({settings['data']!r}).sample(10_000, seed={settings['seed']})  # {DATA[settings['data']]}\n"
        f"gan = recipe.build(\n    data.shape[1:],\n{options})\n"
        f"history = gan.fit(data, steps={steps}, batch={settings['batch']}, d_pretrain={settings['d_pretrain']})\n"
        "print(gan)\n"
        "print({name: round(float(values[-20:].mean()), 3) for name, values in history.items()})\n"
        "fakes = gan.sample(1_000, seed=0)\n"
    )


def _changed(engine: Engine) -> list[str]:
    """Options of the recipe that are not what they are by default, in the order of the knobs."""
    options = recipe_options("gan")
    chosen = [knob.name for knob in KNOBS if knob.name in options]
    return [name for name in chosen if engine.settings[name] != options[name].default]


def _flags(engine: Engine) -> list[str]:
    flags = []
    for name in _changed(engine):
        if name not in _NOT_OF_IMAGES and not (name == "noise_steps" and not engine.settings["instance_noise"]):
            option = recipe_options("gan")[name]
            flags += [option.flag, option.shown(engine.settings[name])]
    return flags
