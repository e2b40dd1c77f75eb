"""Objects that can be written down: layers, losses, optimizers and schedules as plain data, and back again.

Every public object of minigan is determined by its constructor's arguments and keeps each of them in an attribute
of the same name (the convention of scikit-learn's estimators). That one rule gives a `repr`, equality, a JSON
description for checkpoints, and a safe way back: `build` only ever calls classes that are registered here, with
plain values; nothing is unpickled.
"""

from __future__ import annotations

import math
import operator
import os
import sys
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

if TYPE_CHECKING:
    import inspect

DEPTH = 64  # of a description: layers in lists of layers (chain.py), each with a norm, each with numbers


class Spec:
    """Base class of everything that is remade from its constructor's arguments.

    >>> class Scale(Spec):
    ...     def __init__(self, factor=2.0):
    ...         self.factor = factor
    >>> Scale(3.0).describe()
    {'kind': 'Scale', 'factor': 3.0}
    >>> build({'kind': 'Scale', 'factor': 3.0})
    Scale(factor=3.0)
    """

    registry: ClassVar[dict[str, type[Spec]]] = {}

    def __init_subclass__(cls, abstract: bool = False, **kwargs: Any) -> None:
        """abstract: a class that others are derived from, and that nobody can build."""
        super().__init_subclass__(**kwargs)
        if not abstract:
            Spec.registry[cls.kind()] = cls

    @classmethod
    def kind(cls) -> str:
        """The name in descriptions: "Dense" for minigan's own classes, "module:Name" for anybody else's.

        The module of a script has the name by which others can import it.
        """
        module = _importable(cls.__module__)
        own = module.partition(".")[0] == __name__.partition(".")[0]
        return cls.__name__ if own else f"{module}:{cls.__qualname__}"

    def arguments(self) -> dict[str, Any]:
        """The constructor's arguments by name, read back from the attributes."""
        return {name: getattr(self, name) for name in _signature(type(self))}

    def describe(self) -> dict[str, Any]:
        """This object as JSON-able data; `build` is the inverse."""
        return {"kind": self.kind(), **{k: plain(v) for k, v in self.arguments().items()}}

    def __repr__(self) -> str:
        parts = []
        for name, parameter in _signature(type(self)).items():
            value = getattr(self, name)
            if parameter.kind is parameter.VAR_POSITIONAL:
                parts += [repr(v) for v in value]
            elif parameter.default is parameter.empty:
                parts.append(repr(value))
            elif value != parameter.default:
                parts.append(f"{name}={value!r}")
        return f"{type(self).__name__}({', '.join(parts)})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Spec) and self.describe() == other.describe()

    def __hash__(self) -> int:
        return hash(repr(self))


def build(description: Any, depth: int = DEPTH) -> Any:
    """The object that `Spec.describe` wrote down.

    Raises ValueError for a kind that no imported module defines, arguments that do not fit it, or objects in objects
    in objects, more than `depth` of them. A class that was defined at a prompt, in no module, is any of that name that
    is known by now, if there is just one.
    """
    if isinstance(description, (list, dict)) and not depth:
        raise ValueError(f"a description is nested more than {DEPTH} deep, which no object of minigan is")
    if isinstance(description, list):
        return [build(item, depth - 1) for item in description]
    if not isinstance(description, dict):
        return description
    arguments = {name: build(value, depth - 1) for name, value in description.items() if name != "kind"}
    kind = description.get("kind")
    cls = class_of(kind)
    positional: list[Any] = []
    for name, parameter in _signature(cls).items():
        if parameter.kind is parameter.VAR_POSITIONAL:
            given = arguments.pop(name, [])
            if not isinstance(given, list):
                raise ValueError(f"the description of {kind} has {given!r:.60} for {name}, but a list was expected")
            positional += given
    try:
        return cls(*positional, **arguments)
    except TypeError as error:
        raise ValueError(f"the description of {kind} does not fit its constructor: {error}") from None


def kinds(description: Any) -> set[str]:
    """The kinds of all objects that `build` would make of a description."""
    if isinstance(description, list):
        return set().union(*map(kinds, description))
    if not isinstance(description, dict):
        return set()
    own = {description["kind"]} if "kind" in description else set()
    return own.union(*map(kinds, description.values()))


def classes(description: Any) -> tuple[type[Spec], ...]:
    """The classes that `build` would call. A pickle that holds them imports their modules where it is loaded."""
    return tuple(Spec.registry[kind] for kind in sorted(kinds(description)))


def arguments_of(cls: type[Spec]) -> list[str]:
    """The names of the constructor's arguments."""
    return list(_signature(cls))


def class_of(kind: Any) -> type[Spec]:
    """The class of this kind. Raises ValueError for one that no imported module defines."""
    if isinstance(kind, str) and kind in Spec.registry:
        return Spec.registry[kind]
    module, colon, name = str(kind).partition(":")
    namesakes = [known for known in Spec.registry if colon and known.partition(":")[2] == name]
    if module == "__main__" and len(namesakes) == 1:
        return Spec.registry[namesakes[0]]
    if not colon:
        hint = "this version of minigan has no such class"
    elif module == "__main__":
        hint = "it was defined at a prompt or in a notebook: put it in a module, and import that before loading"
    else:
        hint = f"import {module} before loading, on the command line with --import {module}"
    if namesakes:
        hint += f"; of this name there are {', '.join(namesakes)}"
    raise ValueError(f"unknown kind {kind!r}: none of the imported modules defines it; {hint}")


def _importable(module: str) -> str:
    """The name by which a module can be imported, which that of a script, or of a copy of it in a process, is not."""
    if module not in ("__main__", "__mp_main__"):
        return module
    main = sys.modules.get(module)
    spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
    if spec is not None and spec.name not in ("__main__", "__mp_main__"):
        return str(spec.name)  # run by `python -m`
    return os.path.splitext(os.path.basename(file))[0] if file else "__main__"


def _signature(cls: type) -> dict[str, inspect.Parameter]:
    import inspect  # here, because it would double the time that `import minigan` adds to NumPy's

    if cls.__init__ is object.__init__:  # type: ignore[misc]
        return {}
    parameters = dict(inspect.signature(cls).parameters)
    return {name: p for name, p in parameters.items() if p.kind is not p.VAR_KEYWORD}


def integer(name: str, value: Any, least: int = 1, bits: int = 63) -> int:
    """`value` as an int, NumPy's integers included. Raises ValueError unless it is one from `least` to 2^bits − 1.

    >>> integer("batch", np.int64(8))
    8
    """
    try:
        given = least - 1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        given = least - 1
    if given < least:
        raise ValueError(f"{name} must be an integer of {least} or more, got {value!r}")
    if given >= 2**bits:
        raise ValueError(f"{name} must be an integer below 2^{bits}, got {value!r}")
    return given


_LARGEST, _SMALLEST = float(np.finfo(np.float32).max), float(np.finfo(np.float32).tiny)


def number(name: str, value: Any, interval: str, of: str = "") -> float:
    """`value` as a float (an int stays one), NumPy's numbers included. of: what needs it.

    interval: such as "[0, 1)" or "(0, inf)". Raises ValueError for what is no number in it, and for what float32 would
    make infinite, or 0 where 0 is excluded.

    >>> number("momentum", np.float64(0.5), "[0, 1)")
    0.5
    >>> number("weight", 1e300, "(0, inf)", of="R1")
    Traceback (most recent call last):
    ValueError: R1 needs a positive weight, got 1e+300, which is infinite in float32
    """
    left, right, lost = interval[0], interval[-1], ""
    low, high = map(float, interval[1:-1].split(","))
    try:
        if isinstance(value, (bool, np.bool_, str, bytes)) or np.ndim(value):
            raise TypeError
        given = float(value)
    except (TypeError, ValueError, OverflowError):
        given = math.nan
    fits = (low < given or (left == "[" and low == given)) and (given < high or (right == "]" and given == high))
    if fits and abs(given) > _LARGEST:
        lost = ", which is infinite in float32"
    elif fits and low == 0 and left == "(" and given < _SMALLEST:
        lost = ", which is 0 in float32"
    if lost or not fits:
        words = {"(0, inf)": "positive", "[0, inf)": "0 or more", "(-inf, inf)": "finite"}.get(interval)
        if words is None or words[0] == "0":
            needs, must = f"a {name} {f'of {words}' if words else f'in {interval}'}", words or f"in {interval}"
        else:
            needs, must = f"a {words} {name}", words
        rule = f"{of} needs {needs}" if of else f"{name} must be {must}"
        raise ValueError(f"{rule}, got {value!r}{lost}")
    return value if type(value) in (int, float) else given


def plain(value: Any) -> Any:
    """`value` as JSON-able data: objects of Spec are described, NumPy's numbers become Python's."""
    if isinstance(value, Spec):
        return value.describe()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value
