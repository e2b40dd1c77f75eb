"""Objects that can be written down: layers, losses, optimizers and schedules as plain data, and back again.

Every public object of minigan is determined by its constructor's arguments and keeps each of them in an attribute
of the same name (the convention of scikit-learn's estimators). That one rule gives a `repr`, equality, a JSON
description for checkpoints, and a safe way back: `build` only ever calls classes that are registered here, with
plain values; nothing is unpickled.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

if TYPE_CHECKING:
    import inspect

DEPTH = 16  # of a description: a network is a list of layers, each with a norm, each with numbers


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
        """The name in descriptions: "Dense" for minigan's own classes, "module:Name" for anybody else's."""
        own = cls.__module__.partition(".")[0] == __name__.partition(".")[0]
        return cls.__name__ if own else f"{cls.__module__}:{cls.__qualname__}"

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
    in objects, more than `depth` of them.
    """
    if isinstance(description, (list, dict)) and not depth:
        raise ValueError(f"a description is nested more than {DEPTH} deep, which no object of minigan is")
    if isinstance(description, list):
        return [build(item, depth - 1) for item in description]
    if not isinstance(description, dict):
        return description
    arguments = {name: build(value, depth - 1) for name, value in description.items() if name != "kind"}
    kind = description.get("kind")
    if not isinstance(kind, str) or kind not in Spec.registry:
        raise ValueError(
            f"unknown kind {kind!r}: none of the imported modules defines it; "
            "if it is a class of your own, import the module that defines it before loading"
        )
    cls = Spec.registry[kind]
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


def _signature(cls: type) -> dict[str, inspect.Parameter]:
    import inspect  # here, because it would double the time that `import minigan` adds to NumPy's

    if cls.__init__ is object.__init__:  # type: ignore[misc]
        return {}
    parameters = dict(inspect.signature(cls).parameters)
    return {name: p for name, p in parameters.items() if p.kind is not p.VAR_KEYWORD}


def whole(name: str, value: Any, least: int = 1) -> int:
    """`value` as an int, NumPy's integers included. Raises ValueError unless it is an integer ≥ `least`."""
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if number < least:
        raise ValueError(f"{name} must be an integer of {least} or more, got {value!r}")
    return number


def plain(value: Any) -> Any:
    """`value` as JSON-able data: objects of Spec are described, NumPy's numbers become Python's."""
    if isinstance(value, Spec):
        return value.describe()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value
