"""What can be set in the lab: the options of the recipe `gan`, within bounds, and what is around a game.

A knob takes its name, its meaning and its words from the recipe, so that what is said of one is true of the other, and
a flag that `minigan.diagnostics` proposes can be turned here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from ..names import did_you_mean, unknown
from ..recipes.options import Option, recipe_options

__all__ = ["DEFAULT", "KNOBS", "PRESETS", "Knob", "Preset", "complete", "knob", "preset"]

Settings = dict[str, Any]

DEFAULT = "ring"  # the preset that the page begins with
SPACE, EVERY = ("plane", "line", "pictures"), ("plane", "line", "dirac", "pictures")  # worlds
LENGTH = 5_000  # steps in which noise falls to 0, where nothing else is said


@dataclass(frozen=True)
class Knob:
    """One thing that can be set.

    low, high: bounds of a number, with both of them in it. log: it is turned by factors. live: it may change while the
    game goes on, for it leaves the networks as they are. worlds: where it means something. none: what None means.
    """

    name: str
    label: str
    group: str
    low: float | None = None
    high: float | None = None
    log: bool = False
    live: bool = True
    worlds: tuple[str, ...] = SPACE
    none: str = ""

    @property
    def option(self) -> Option:
        """What it takes."""
        return _OWN.get(self.name) or _recipe()[self.name]

    @property
    def kind(self) -> str:
        return {str: "choice", int: "integer", float: "number"}[self.option.kind]

    def parse(self, text: str) -> Any:
        """The value that is written as `text`; ValueError, a sentence, if there is none."""
        try:
            value = self.option.parse(text)
        except ValueError:
            close = did_you_mean(text, self.option.words)
            raise ValueError(f"{self.name} takes {self.expects}, got {text!r:.40}{close}") from None
        return self.check(value)

    def check(self, value: Any) -> Any:
        """`value`, if it is within bounds; ValueError otherwise."""
        try:
            value = self.option.check(value)
        except (TypeError, ValueError):
            value = _NOTHING
        free = value is None or self.low is None or self.high is None
        if value is _NOTHING or not (free or self.low <= value <= self.high):
            raise ValueError(f"{self.name} takes {self.expects}, got {'that' if value is _NOTHING else value}")
        return value

    @property
    def expects(self) -> str:
        if self.low is None:
            return self.option.expects
        kind = "a whole number" if self.kind == "integer" else "a number"
        return f"{kind} from {self.low:g} to {self.high:g}" + (", or none" if self.option.none else "")

    def shown(self, value: Any) -> str:
        """A value as `parse` reads it again, to the last bit."""
        return "none" if value is None else repr(value) if isinstance(value, float) else str(value)

    def described(self) -> dict[str, Any]:
        """For the page."""
        option = self.option
        return {
            "name": self.name, "label": self.label, "group": self.group, "kind": self.kind,
            "choices": [*option.choices, *(["none"] if option.none else [])] if self.kind == "choice" else None,
            "low": self.low, "high": self.high, "log": self.log, "optional": option.none, "default": option.default,
            "help": option.help, "live": self.live, "none": self.none,
        }  # fmt: skip


_NOTHING = object()
_OWN = {
    option.name: option
    for option in (
        Option("batch", int, 64, (), False, "samples in an update"),
        Option("d_pretrain", int, 0, (), False, "updates of D alone, before G's first"),
        Option("seed", int, 0, (), False, "of weights, noise and data: the same seed, the same game"),
        Option("noise_steps", int, LENGTH, (), False, "steps in which the noise falls to 0"),
        Option("instance_noise", float, 0.0, (), False, "standard deviation of noise on all that D sees, falling to 0"),
    )
}

KNOBS = (
    Knob("objective", "objective", "the game", worlds=EVERY),
    Knob("d_steps", "D updates per G update", "the game", 1, 10, worlds=EVERY),
    Knob("label", "labels of the data", "the game", live=False, worlds=("pictures",)),
    Knob("optimizer", "update rule", "the game"),
    Knob("d_optimizer", "update rule of D", "the game", none="as G's"),
    Knob("lr", "learning rate", "rates", 1e-6, 1, log=True, worlds=EVERY),
    Knob("d_lr", "learning rate of D", "rates", 1e-9, 1, log=True, worlds=EVERY, none="as G's"),
    Knob("beta1", "momentum (beta1)", "rates", 0, 0.99),
    Knob("r1", "R1", "penalties", 0, 20, worlds=EVERY),
    Knob("r2", "R2", "penalties", 0, 20, worlds=EVERY),
    Knob("gradient_penalty", "gradient penalty", "penalties", 0, 20, worlds=EVERY),
    Knob("dragan", "DRAGAN", "penalties", 0, 20),
    Knob("clip", "clip D's weights", "penalties", 1e-3, 10, log=True, worlds=EVERY, none="off"),
    Knob("instance_noise", "instance noise", "penalties", 0, 5, worlds=EVERY),
    Knob("noise_steps", "… falling in so many steps", "penalties", 1, 1_000_000, log=True),
    Knob("average", "average of G", "networks", 0, 0.9999),
    Knob("width", "width of G", "networks", 2, 256, log=True, live=False),
    Knob("d_width", "width of D", "networks", 2, 256, log=True, live=False, none="as G's"),
    Knob("packing", "packing", "networks", 1, 8, live=False),
    Knob("batch", "batch", "batch", 8, 1024, log=True, worlds=EVERY),
    Knob("d_pretrain", "D alone, before", "batch", 0, 5_000, live=False, worlds=EVERY),
    Knob("seed", "seed", "batch", 0, 2**31, live=False, worlds=EVERY),
)


@cache
def _recipe() -> dict[str, Option]:
    return recipe_options("gan")


def knob(name: str) -> Knob:
    """The knob of this name. Raises ValueError for another."""
    found = next((knob for knob in KNOBS if knob.name == name), None)
    if found is None:
        raise ValueError(f"there is no setting {name!r:.40}{did_you_mean(name, [knob.name for knob in KNOBS])}")
    return found


@dataclass(frozen=True)
class Preset:
    """A game worth seeing. settings: what differs from the lab's defaults. cures: what helps, as flags, by a name.

    then: what is done on the way, as in a session (session.py).
    """

    title: str
    text: str
    settings: Mapping[str, Any]
    cures: Mapping[str, str] = field(default_factory=dict)
    then: tuple[str, ...] = ()


_BEGIN: Settings = {
    "data": "ring", "lr": 2e-3, "beta1": 0.0, "r1": 0.3, "average": 0.99, "width": 64,
    **{name: option.default for name, option in _OWN.items()},
}  # fmt: skip
_PLAIN: Settings = {"lr": 1e-3, "beta1": 0.5, "r1": 0.0, "average": 0.0}  # the game of 2014, and Adam as it is used
_SLOW_D: Settings = {**_PLAIN, "beta1": 0.9, "d_lr": 3e-4}
_IN_STEP = "--d-lr 0.001"
_DIGITS: Settings = {**_PLAIN, "data": "digits", "lr": 2e-3, "instance_noise": 0.3, "noise_steps": 2_000,
                     "average": 0.995, "width": 16}  # fmt: skip

PRESETS: dict[str, Preset] = {
    "ring": Preset(
        "Eight bells on a ring",
        "The game of 2014 with R1, which keeps D flat at the data, and an average of G. All eight modes are found "
        "within a few hundred steps; D's surface fades to 1/2, and the arrows, which show where G's loss would move "
        "each fake, grow short.",
        {},
    ),
    "plain": Preset(
        "The plain game",
        "Non-saturating, as in 2014, and nothing else: no penalty, no average. It works here, and never comes to rest.",
        _PLAIN,
    ),
    "grid": Preset(
        "Twenty-five modes",
        "Relativistic, with R1 and R2 (R3GAN): each fake is compared with a real sample of its own, so that modes do "
        "not get lost.",
        {"data": "grid", "objective": "relativistic", "r1": 0.3, "r2": 0.3},
    ),
    "spiral": Preset(
        "A spiral",
        "A curve in the plane: G's image of the grid of noise is folded and drawn out along it.",
        {"data": "spiral", "r1": 0.1, "width": 128},
    ),
    "moons": Preset("Two moons", "Two curves, and nothing between them that G could walk on.", {"data": "moons"}),
    "checkerboard": Preset(
        "A checkerboard", "Eight squares with sharp edges, which G's smooth map can only come near to.",
        {"data": "checkerboard", "width": 128, "r1": 0.1},
    ),
    "figure-1": Preset(
        "Figure 1 of the paper",
        "Noise z on a line, and x = G(z) on another: green p_G comes to lie on dotted p_data, and D, which follows "
        "D* = p/(p + q), on 1/2 (Goodfellow et al. 2014).",
        {"data": "gaussian", "r1": 0.0, "average": 0.0, "d_steps": 4, "lr": 1e-3, "d_lr": 2e-3, "width": 32},
    ),
    "three-bells": Preset(
        "Three bells on a line",
        "D* has three hills; G has to pull its noise apart between them.",
        {"data": "mixture", "r1": 0.05, "average": 0.0, "d_steps": 2},
    ),
    "dirac": Preset(
        "The Dirac game",
        "The smallest GAN: the data is a point at 0, G makes θ, D says ψ x. The field turns around the equilibrium "
        "and never leads to it; R1 does (Mescheder et al. 2018).",
        {"data": "point", "objective": "minimax", "lr": 0.2, "r1": 0.0, "batch": 8},
        {"R1, γ = 0.3": "--r1 0.3", "R1, γ = 1: it does not circle at all": "--r1 1"},
    ),
    "dirac-wgan-gp": Preset(
        "The Dirac game, WGAN-GP",
        "The penalty wants a slope of 1, which overshoots for ever: no point is at rest.",
        {"data": "point", "objective": "wasserstein", "lr": 0.2, "gradient_penalty": 0.35, "r1": 0.0, "batch": 8},
        {"R1 in its place": "--gradient-penalty 0 --r1 0.3"},
    ),
    "d-wins": Preset(
        "D wins",
        "Minimax, and D has made 1,000 updates before G's first: it is right about every fake, and log(1 − D(G(z))) is "
        "flat there. G moves by plain descent, so that one sees it stand still.",
        {**_PLAIN, "data": "far-ring", "objective": "minimax", "optimizer": "sgd", "lr": 0.05, "d_optimizer": "adam",
         "d_lr": 2e-3, "beta1": 0.0, "d_pretrain": 1_000},
        {"non-saturating": "--objective non-saturating", "instance noise": "--instance-noise 2", "R1": "--r1 1"},
    ),
    "one-weakness": Preset(
        "G lives off one weakness of D",
        "D learns in 300 updates what G's first fakes look like, and then no more: G follows the one direction in "
        "which this D rises, for ever.",
        {**_PLAIN, "d_lr": 1e-3, "d_pretrain": 300},
        {"D goes on, with R1": "--d-lr 0.001 --r1 0.5", "D goes on, at twice the rate": "--d-lr 0.002"},
        ("0:d_lr=1e-09",),
    ),
    "partial-collapse": Preset(
        "Mode collapse, partial",
        "D learns three times more slowly than G, under a momentum of 0.9: G runs from mode to mode, and never holds "
        "more than a few.",
        {**_SLOW_D, "data": "grid"},
        {"R3GAN": "--objective relativistic --r1 5 --r2 5", "three D updates": "--d-steps 3",
         "D's rate as G's": _IN_STEP},
    ),
    "complete-collapse": Preset(
        "Mode collapse, complete",
        "The same on a ring: all fakes go to the one best place of the moment, and D chases them around.",
        _SLOW_D,
        {"R3GAN": "--objective relativistic --r1 2 --r2 2", "packing 4": "--packing 4", "D's rate as G's": _IN_STEP},
    ),
    "digits": Preset(
        "Digits",
        "The networks of the recipe quick learn digits; the same 25 samples grow from noise in a minute or two. On the "
        "pad one walks about between them, and sees which images of the data are nearest.",
        _DIGITS,
    ),
    "digits-by-label": Preset(
        "Digits that are asked for",
        "D is told the labels, and G is asked for one (CGAN).",
        {**_DIGITS, "label": "given"},
    ),
    "wgan-gp": Preset(
        "WGAN-GP",
        "D is a critic, whose score should rise by 1 for each unit of distance: the arrows keep their length however "
        "far the fakes are.",
        {"data": "far-ring", "objective": "wasserstein", "gradient_penalty": 1.0, "d_steps": 5, "r1": 0.0, "lr": 1e-3,
         "average": 0.0},
    ),
}  # fmt: skip


def preset(name: str) -> Preset:
    """The preset of this name. Raises ValueError for another."""
    if name not in PRESETS:
        raise ValueError(unknown("preset", name, PRESETS))
    return PRESETS[name]


def complete(given: Mapping[str, Any]) -> Settings:
    """All settings: those given, which are taken as they are, and what the lab begins with."""
    defaults = {knob.name: knob.option.default for knob in KNOBS}
    return {**defaults, **_BEGIN, **given}
