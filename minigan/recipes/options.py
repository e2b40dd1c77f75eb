"""The options of a recipe, read from the signature and the docstring of its `build`.

A recipe is written once, as a function. From it come the flags on the command line, their help, and the checks of
what Python code passes by name.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
import types
import typing
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..names import did_you_mean
from . import get_recipe

__all__ = ["Option", "complete_options", "docstring", "of_today", "read_options", "recipe_options"]

_OF_THE_RUN = ("backend", "dtype", "seed")  # every recipe and every study takes them; they belong to the run
_OF_ITS_LENGTH = ("steps", "d_pretrain")  # and every recipe these, for what lasts as long as the run


@dataclass(frozen=True)
class Option:
    """One option: `kind` is bool, int, float or str; `none`: may be None.

    choices: words, of which a str must be one; a number may be one of them instead. `of_length`: it says how long
    something lasts, in steps or as "all" of the run.
    """

    name: str
    kind: type
    default: Any
    choices: tuple[str, ...]
    none: bool
    help: str

    @property
    def flag(self) -> str:
        """Its name on the command line: "--d-steps"."""
        return "--" + self.name.replace("_", "-")

    @property
    def words(self) -> tuple[str, ...]:
        """What may be written as its value, where that is one of a few words."""
        return (*self.choices, *(["none"] if self.none and self.choices else []))

    @property
    def expects(self) -> str:
        """What it takes, for sentences."""
        words = ", ".join(self.choices)
        if self.kind is str:
            kind = f"one of {words}" if words else "text"
        else:
            kind = {bool: "True or False", int: "a whole number", float: "a number"}[self.kind]
            kind += f", or {words}" if words else ""
        return f"{kind}, or none" if self.none else kind

    @property
    def of_length(self) -> bool:
        return self.kind is int and "all" in self.choices

    @property
    def of_the_plan(self) -> bool:
        """Whether a run may change it when it goes on: how long something lasts, and where data lie, of which the run
        knows the pixels."""
        return self.of_length or self.name == "synthetic"

    def shown(self, value: Any) -> str:
        """A value as it is written on the command line."""
        if value is None or isinstance(value, bool):
            return {None: "none", True: "yes", False: "no"}[value]
        return f"{value:g}" if isinstance(value, float) else str(value)

    def parse(self, text: str) -> Any:
        """The value that is written as `text` on the command line; ValueError if there is none."""
        if self.none and text.lower() == "none":
            return None
        return text if text in self.choices else self.check(self.kind(text))

    def check(self, value: Any) -> Any:
        """`value` as the recipe expects it; ValueError or TypeError for what it cannot take."""
        if self.none and value is None:
            return None
        if self.kind is not str and isinstance(value, str) and value in self.choices:
            return value
        if self.kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if type(value) is not self.kind:
            raise TypeError(f"{self.name} takes {self.expects}, got {value!r}")
        if self.kind is str and self.choices and value not in self.choices:
            raise ValueError(f"{self.name} takes {self.expects}, got {value!r}{did_you_mean(value, self.words)}")
        return value


def recipe_options(recipe: str) -> dict[str, Option]:
    """The options of a recipe by name, in the order of its signature. Raises ValueError for an unknown recipe."""
    return read_options(get_recipe(recipe).build, (*_OF_THE_RUN, *_OF_ITS_LENGTH))


def read_options(build: Callable[..., Any], hidden: Collection[str] = _OF_THE_RUN) -> dict[str, Option]:
    """The options of a function: its keyword-only parameters, but those hidden, which belong to the run."""
    helps = _helps(build)
    return {
        name: Option(name, *_kind(name, parameter.annotation, parameter.default), helps.get(name, ""))
        for name, parameter in inspect.signature(build, eval_str=True).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY and name not in hidden
    }


def complete_options(recipe: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """All options of the recipe: those given, checked, and the default of each other.

    Raises ValueError for an unknown recipe or option, and ValueError or TypeError for a value it cannot take.

    >>> complete_options("gan", {"d_steps": 2})["d_steps"]
    2
    """
    options = recipe_options(recipe)
    for name in given:
        if name not in options:
            hint = did_you_mean(name, options) or f"; it has {', '.join(options)}"
            raise ValueError(f"the recipe {recipe} has no option {name}{hint}")
    return {name: option.check(given.get(name, option.default)) for name, option in options.items()}


def of_today(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a run that may be older, by the names that they have now.

    >>> of_today({"lr": 1e-3, "updates": "separate", "half_batches": True})
    {'lr': 0.001, 'loop': 'tutorial'}
    >>> of_today({"label": "told"})
    {'label': 'given'}
    """
    today = {name: value for name, value in options.items() if name not in _GONE}
    if _GONE & options.keys():
        today["loop"] = "tutorial" if options.get("updates") == "separate" else "paper"
    if today.get("label") in _LABEL:
        today["label"] = _LABEL[today["label"]]
    return today


_GONE = {"updates", "batches", "fake_statistics", "half_batches"}  # which `loop` stands for
_LABEL = {"told": "given", "asked": "predicted"}


def docstring(of: Any) -> str:
    """What a module or a function says about itself; from its source where Python has dropped it (`python -OO`)."""
    if text := inspect.getdoc(of):
        return text
    with suppress(OSError, TypeError, SyntaxError):  # there may be no source either
        tree = ast.parse(textwrap.dedent(inspect.getsource(of)))
        node = tree if inspect.ismodule(of) else tree.body[0]
        if isinstance(node, (ast.Module, ast.FunctionDef, ast.ClassDef)):
            return ast.get_docstring(node) or ""
    return ""


def _kind(name: str, annotation: Any, default: Any) -> tuple[type, Any, tuple[str, ...], bool]:
    """What an annotation allows: kind, default, choices, and whether None."""
    none = False
    if _is_union(annotation):
        rest = [part for part in typing.get_args(annotation) if part is not type(None)]
        none = len(rest) < len(typing.get_args(annotation))
        annotation = rest[0] if len(rest) == 1 else typing.Union[tuple(rest)]  # noqa: UP007 - of parts known here only
    parts = typing.get_args(annotation) if _is_union(annotation) else (annotation,)
    choices = tuple(
        word for part in parts if typing.get_origin(part) is typing.Literal for word in typing.get_args(part)
    )
    numbers = [part for part in parts if typing.get_origin(part) is not typing.Literal]
    kind = str if not numbers else numbers[0] if len(numbers) == 1 else annotation
    if kind not in (bool, int, float, str) or default is inspect.Parameter.empty:
        raise TypeError(
            f"the recipe's option {name}: {annotation} cannot be a flag; expected a default and one of bool, int, "
            "float, str, a Literal of words or a number and words, each perhaps `| None`"
        )
    return kind, default, choices, none


def _is_union(annotation: Any) -> bool:
    return isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union


def _helps(build: Callable[..., Any]) -> dict[str, str]:
    """The paragraphs `name: text` of a docstring, whose further lines are indented, by name."""
    while isinstance(build, partial):
        build = build.func
    helps: dict[str, str] = {}
    name = ""
    for line in docstring(build).splitlines():
        if match := re.fullmatch(r"(\w+): (.+)", line):
            name, helps[match[1]] = match[1], match[2]
        elif name and line.startswith(" "):
            helps[name] += " " + line.strip()
        else:
            name = ""
    return helps
